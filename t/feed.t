#!/usr/bin/perl

# The feed: what other parts of the platform read a stream from, and any reader
# of MP4 as well. Served by a worker that is not the publisher's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP;
use Socket qw(SOL_SOCKET SO_RCVBUF inet_aton pack_sockaddr_in);
use Test::More;

use Live::Encoder;
use Live::HTTP;
use Live::MP4;
use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Stream;

# The ids of lib/lv_feed.h.
my $HEAD_ID = "ngx_live-header1";
my $PART_ID = "ngx_live-part--1";

my $ng = Live::Nginx->new(files => { 'node.key' => ('ab' x 32) . "\n" },
    conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_segment 1s;
    live_part 200ms;
    live_window 8s;
}
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    add_header X-Worker $pid always;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/   { live_hls; live_token off; }
        location /feed/   { live_feed; }
        location /signed/ { live_feed; live_node_key %%DIR%%/node.key; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
    server {
        listen 127.0.0.1:%%PORT_slow%% sndbuf=4k;
        location /feed/   { live_feed; }
    }
}
EOC

$ng->start;

# ---- a reader

sub feed {
    my ($path, %o) = @_;
    my $c = Live::HTTP->new(port => $ng->port($o{port} // 'http'),
        $o{sock} ? (sock => $o{sock}) : ());

    $c->send(GET => $path, headers => $o{headers} // {});

    return { http => $c, head => $c->read_head(timeout => 15), buf => '' };
}

# The next box: [type, all of its bytes]; undef at the end.
sub box {
    my ($f) = @_;

    for ( ;; ) {
        if (length $f->{buf} >= 8) {
            my ($size, $type) = unpack 'N a4', $f->{buf};
            return [ $type, substr $f->{buf}, 0, $size, '' ]
                if length $f->{buf} >= $size;
        }

        my $bytes = $f->{http}->read_body(65536) // return undef;
        $f->{buf} .= $bytes;
    }
}

# The next thing of interest: { head => init, box } or a part.
sub item {
    my ($f) = @_;
    my %item;

    for ( ;; ) {
        my $box = box($f) // return undef;
        my ($type, $bytes) = @$box;

        if ($type eq 'uuid' && substr($bytes, 8, 16) eq $PART_ID) {
            @item{qw(version track flags len seq msn part info init disc)}
                = unpack 'C C C x N N N n n N N', substr $bytes, 24;

        } elsif ($type eq 'uuid') {
            @item{qw(version muxed lead tracks epoch)}
                = unpack 'C C C C N', substr $bytes, 24;
            $item{known} = substr($bytes, 8, 16) eq $HEAD_ID;
            return \%item;

        } else {
            $item{bytes} .= $bytes;
            return \%item if $type eq 'mdat';
        }
    }
}

sub parts {
    my ($f, $n) = @_;
    my @list;

    while (@list < $n) {
        my $item = item($f) // last;
        push @list, $item if defined $item->{msn};
    }

    return @list;
}

sub publisher_pid {
    my ($name) = @_;
    my $all = decode_json($ng->get('http', '/status')->body)->{streams};
    my ($s) = grep { $_->{id} eq $name } @$all;

    return $s->{publisher}{pid};
}

my $encoder = Live::Encoder->ffmpeg('rtmp://127.0.0.1:' . $ng->port('rtmp')
    . '/live/a', media => Live::Encoder::media(gop => 25, seconds => 60));
my $a = Live::Stream->new($ng, 'http', 'a');

ok($a->wait_live(15), 'a stream is live') or diag($encoder->log);

# One that stops reading, looked at again at the end.
my $sock = IO::Socket::INET->new(Proto => 'tcp');
setsockopt $sock, SOL_SOCKET, SO_RCVBUF, pack 'i', 4096;
connect $sock, pack_sockaddr_in($ng->port('slow'), inet_aton('127.0.0.1'))
    or die "connect: $!";
my $slow = feed('/feed/a', sock => $sock);

is($slow->{head}->status, 200, 'a slow reader begins');
my ($before) = grep { defined $_->{msn} } map { item($slow) } 1, 2;

# ---- what is in it

my $pid = publisher_pid('a');
my $f;

for (1 .. 60) {
    $f = feed('/feed/a');
    last if $f->{head}->header('X-Worker') != $pid;
}

isnt($f->{head}->header('X-Worker'), $pid, 'another worker than the writer\'s');
is($f->{head}->header('Content-Type'), 'video/mp4', 'video/mp4');
is($f->{head}->header('Cache-Control'), 'no-store', 'kept by nobody');

my $head = item($f);
my $init = Live::MP4::init($head->{bytes});

is(scalar keys %{ $init->{track} }, 2, 'begins with one moov of both tracks');
ok($head->{known}, 'then the header box');
is_deeply([ @{$head}{qw(version tracks muxed)} ], [ 1, 2, 1 ], 'with both');

my @parts = parts($f, 16);
my %next;

for my $p (@parts) {
    my $n = $next{$p->{track}};

    is($p->{seq}, $n, "track $p->{track}: $p->{msn}.$p->{part} follows")
        if defined $n;
    $next{$p->{track}} = $p->{seq} + 1;
    is(length $p->{bytes}, $p->{len}, '  as long as it says');
}

is(scalar keys %next, 2, 'parts of both tracks');
is($parts[0]{part}, 0, 'begins with a segment');

my ($v) = grep { $_->{track} == $head->{lead} } @parts;
my $same = $ng->get('http', "/live/a/v0/$v->{msn}.$v->{part}.m4s");

is($same->status, 200, 'the same part over HLS');
ok($same->body eq $v->{bytes}, '  has the same bytes');
is($v->{msn} >= $head->{epoch}, 1, 'msn counts from the epoch');

# ---- from where, and which

my ($oldest) = $a->get('v0/index.m3u8')->body
    =~ /^#EXT-X-MEDIA-SEQUENCE:(\d+)/m;
my ($p) = parts(feed("/feed/a?msn=$oldest"), 1);

is("$p->{msn}.$p->{part}", "$oldest.0", 'from a segment in the window');

my $audio = feed('/feed/a?tracks=a0');
my $only = item($audio);

is($only->{tracks}, 1, 'one track alone');
is((values %{ Live::MP4::init($only->{bytes})->{track} })[0]{handler}, 'soun',
    '  the one that was asked for');
is($ng->get('http', '/feed/a?tracks=v7')->status, 404, 'no such track');
is($ng->get('http', '/feed/a?msn=x')->status, 400, 'no number');
is($ng->get('http', '/feed/none')->status, 404, 'no such stream');
is($ng->get('http', '/feed/a/b')->status, 404, 'no stream\'s name');
is(Live::HTTP->new(port => $ng->port('http'))
    ->request(HEAD => '/feed/a', close => 1)->status, 200, 'HEAD');

# ---- who may

is($ng->get('http', '/signed/a')->status, 401,
    'a request that is not signed is refused');
is(Live::HTTP->new(port => $ng->port('http'))->request(GET => '/feed/a',
    close => 1, headers => { 'X-Forwarded-For' => '192.0.2.1' })->status, 403,
    'one that was forwarded, too');

# ---- any reader of MP4

my $url = 'http://127.0.0.1:' . $ng->port('http') . '/feed/a';
my $out = `ffmpeg -v warning -xerror -i $url -t 2 -f null - 2>&1`;

is($? >> 8, 0, 'ffmpeg plays it') or diag($out);
unlike($out, qr/error|invalid|corrupt/i, '  without a complaint')
    or diag($out);

# ---- another configuration

{
    my @size = map { Live::RTMP::load_flv(Live::Encoder::media(gop => 25,
        seconds => 3, size => $_)) } '320x180', '480x270';
    my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => 'b', chunk_size => 60000, timeout => 10);

    $c->send_tag($_) for grep { $_->{type} != 18 } @{ $size[0] };
    $c->poll;
    ok(Live::Stream->new($ng, 'http', 'b')->wait_live, 'a second stream');

    my ($plain, $follow) = map { feed("/feed/b$_") } '', '?follow=1';

    item($_) for $plain, $follow;

    for my $tag (grep { $_->{type} != 18 } @{ $size[1] }) {
        $c->send_tag({ %$tag, ts => $tag->{ts} + 3000 });
    }

    $c->unpublish('b');

    my (@heads, @sizes);

    while (my $item = item($follow)) {
        push @heads, $item if $item->{known};
        push @sizes, $item->{init} unless $item->{known};
    }

    is(scalar @heads, 1, 'a reader that follows gets the new init section');
    is((grep { $_->{width} } values
        %{ Live::MP4::init($heads[0]{bytes})->{track} })[0]{width}, 480,
        '  of the new size');
    cmp_ok($sizes[-1], '>', $sizes[0], '  and parts that need it');

    my @old;

    while (my $item = item($plain)) {
        push @old, $item;
    }

    ok(@old && !grep({ $_->{known} } @old),
        'for a plain reader that is the end');
}

# ---- a reload

my $plain = feed('/feed/a');
my $follow = feed('/feed/a?follow=1');
my $old = $plain->{head}->header('X-Worker');

parts($_, 2) for $plain, $follow;
$ng->reload;

my @last;

while (my $item = item($follow)) {
    push @last, $item;
}

ok(@last, 'a reload: who follows is sent on, between two parts');
is(scalar parts($plain, 12), 12, '  a plain reader goes on');
ok((grep { $_ == $old } $ng->all_workers), '  in the old worker');

# ---- the slow one

my ($skips) = $ng->get('http', '/metrics')->body
    =~ /^ngx_live_feed_skips_total (\d+)/m;

is($skips, 0, 'nobody was too slow so far');

ok(wait_for(sub {
    my ($now) = $a->get('v0/index.m3u8')->body
        =~ /^#EXT-X-MEDIA-SEQUENCE:(\d+)/m;
    return $now > $before->{msn} + 1;
}, 30, 'what the slow reader needs to be evicted'), 'the window has moved on');

my $skipped;

for (1 .. 200) {
    my $item = item($slow) // last;
    next unless defined $item->{msn};
    $skipped = $item and last if $item->{flags} & 1;
}

ok($skipped, 'the slow reader is told that something is missing')
    and cmp_ok($skipped->{part}, '==', 0, '  and goes on with a segment');

# ---- the end

my $end = feed('/feed/a');

parts($end, 1);
$encoder->stop;

my $ended = eval { 1 while item($end); 1 };

ok($ended, 'the stream ends: so does the feed') or diag($@);
like($ng->get('http', '/metrics')->body, qr/^ngx_live_feed_parts_total [1-9]/m,
    'counted');

$ng->finish;
done_testing();
