#!/usr/bin/perl

# Requests that wait: blocking playlist reloads and hinted parts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Live::H2;
use Live::Nginx qw(wait_for);
use Live::Writer;

my $ng = Live::Nginx->new(workers => 4, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    add_header X-Pid $pid always;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token off; }
        location /metrics { live_metrics; }
    }
    server {
        listen 127.0.0.1:%%PORT_h2%% http2;
        location /live/ { live_hls; live_token off; }
    }
}
EOC

my $w = Live::Writer->new($ng);

sub ask {
    my ($path, %opt) = @_;

    return $ng->http('http', %opt)->send(GET => "/live/$path");
}

# Sent, arrived, and not answered.
sub waits_ok {
    my ($c, $name) = @_;

    ok(!$c->readable(0.25), "$name waits");
}

sub answer_ok {
    my ($c, $re, $name) = @_;
    my $res = $c->read_response(timeout => 3);

    is($res->status, 200, "$name: 200");
    like($res->body, $re, $name) if $re;

    return $res;
}

# --- a stream that is just starting

my @start;
$w->do('claim a v0a0');
push @start, ask('a/index.m3u8'), ask('a/v0/index.m3u8');
my $media = ask('a/v0/1.m4s')->read_response;
is($media->status, 404, 'media of a starting stream');
waits_ok($_, 'a playlist of a starting stream') for @start;
$w->do('segment');
my $m = $w->first;
$w->do('live');
answer_ok($_, qr/#EXTM3U/, 'answered when it is there') for @start;

# --- playlists

my $c = ask("a/v0/index.m3u8?_HLS_msn=" . ($m + 1) . '&_HLS_part=0');
waits_ok($c, 'a playlist with the next part');
$w->part;
my $res = answer_ok($c, qr/"\Q@{[$m + 1]}.0.m4s"/, 'with the part');
is($res->header('Cache-Control'), 'max-age=12', 'to be kept');

$c = ask("a/v0/index.m3u8?_HLS_msn=" . ($m + 1) . '&_HLS_part=2');
waits_ok($c, 'the part after the next');
$w->part;
waits_ok($c, 'still');
$w->part;
answer_ok($c, qr/"\Q@{[$m + 1]}.2.m4s"/, 'now');

$c = ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 1));
waits_ok($c, 'the whole segment');
$w->part for 1 .. 2;
waits_ok($c, 'a part of it is not enough, it');
my $over = ask("a/v0/index.m3u8?_HLS_msn=" . ($m + 1) . '&_HLS_part=6');
waits_ok($over, 'a part behind the last one');
$w->part('last');
answer_ok($c, qr/\n\Q@{[$m + 1]}.m4s\E\n/, 'the segment');
waits_ok($over, 'it is part 0 of the next: it');
$w->part;
answer_ok($over, qr/"\Q@{[$m + 2]}.0.m4s"/, 'that part');

$c = ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 4));
waits_ok($c, 'last complete + 3');
$w->do('segment');
$w->do('segment');
$w->do('segment');
answer_ok($c, qr/\n\Q@{[$m + 4]}.m4s\E\n/, 'came');

# A delta waits as a full one does.
$c = ask('a/v0/index.m3u8?_HLS_skip=YES&_HLS_msn=' . ($m + 5)
    . '&_HLS_part=0');
waits_ok($c, 'a delta update');
$w->part;
answer_ok($c, qr/"\Q@{[$m + 5]}.0.m4s"/, 'delta');

# --- hinted parts

my $hint = ask('a/v0/' . ($m + 5) . '.1.m4s');
my $other = ask('a/a0/' . ($m + 5) . '.1.m4s');
waits_ok($_, 'the hinted part') for $hint, $other;
is(ask('a/v0/' . ($m + 5) . '.2.m4s')->read_response->status, 404,
    'the one behind it is not hinted');
$w->part('only=v0');
answer_ok($hint, qr/\A....moof/s, 'the part');
waits_ok($other, 'of the other track');
$w->part('only=a0');
answer_ok($other, qr/\A....moof/s, 'the part');

# A segment that ends earlier than its hint said.
$hint = ask('a/v0/' . ($m + 5) . '.2.m4s');
my $blocked = ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 5) . '&_HLS_part=2');
waits_ok($_, 'for a part that will not come,') for $hint, $blocked;
$w->do("next");
$w->part;
is($hint->read_response->status, 404, 'the part: 404');
answer_ok($blocked, qr/\n\Q@{[$m + 5]}.m4s\E\n/, 'the playlist');

# --- somebody else's stream does not wake them; a change of theirs does

my $w2 = Live::Writer->new($ng);
my $m2 = $w2->live('b', 'v0a0 muxed', 1);
$c = ask("b/muxed/index.m3u8?_HLS_msn=" . ($m2 + 1) . '&_HLS_part=0');
waits_ok($c, 'muxed playlist');
$w2->part('only=v0');
waits_ok($c, 'with video alone: it');
$w2->part('only=a0');
answer_ok($c, qr/"\Q@{[$m2 + 1]}.0.m4s"/, 'with both');
$hint = ask('b/muxed/' . ($m2 + 1) . '.1.m4s');
waits_ok($hint, 'muxed part');
$w2->part;
answer_ok($hint, qr/\A....moof.*mdat.*moof.*mdat/s, 'both chunks');

# --- the end, and the end of ends

$c = ask('b/muxed/index.m3u8?_HLS_msn=' . ($m2 + 2));
waits_ok($c, 'before the end');
$w2->do('ended');
answer_ok($c, qr/#EXT-X-ENDLIST\n\z/, 'the end');

# --- many, on every worker, woken in batches

my @many = map { ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 6) . '&_HLS_part=1',
    timeout => 20) } 1 .. 1500;
ok(wait_for(sub { waiting() == 1500 }, 10, '1500 waiting requests'),
    'all wait');
$w->part;
my (%pid, $bad, %body);

for my $one (@many) {
    my $answer = eval { $one->read_response };
    $bad++ unless $answer && $answer->status == 200;
    next unless $answer;
    $pid{ $answer->header('X-Pid') }++;
    $body{ $answer->body }++;
}

is($bad // 0, 0, 'all are answered');
cmp_ok(scalar keys %pid, '>', 1, 'by several workers');
is(scalar keys %body, 1, 'with the same bytes');
is(waiting(), 0, 'nobody is left');

# --- clients that go away

@many = map { ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 6) . '&_HLS_part=2') }
    1 .. 50;
wait_for(sub { waiting() == 50 }, 10, '50 waiting requests');
$_->close for @many;
ok(wait_for(sub { waiting() == 0 }, 10, 'the gone to be forgotten'),
    'a closed connection waits no more');

# --- one connection may have 64 requests wait

my $h2 = Live::H2->new(port => $ng->port('h2'));
my @ids = map { $h2->get('/live/a/v0/index.m3u8?_HLS_msn=' . ($m + 6)
    . "&_HLS_part=2&n=$_") } 1 .. 70;
my $statuses = sub {
    my %n;
    $n{ $h2->status($_) // 'none' }++ for @ids;
    return \%n;
};

$h2->pump(5, sub { ($statuses->()->{429} // 0) == 6 });
$h2->pump(0.3);
is_deeply($statuses->(), { 429 => 6, none => 64 }, '64 of 70 wait')
    or diag(explain($statuses->()));
is(waiting(), 64, 'as the metric says');
$w->part;
$h2->pump(5, sub { !$statuses->()->{none} });
is_deeply($statuses->(), { 429 => 6, 200 => 64 }, 'and are answered')
    or diag(explain($statuses->()));

# a stream that is reset waits no more, nor those of a closed connection
$h2->get('/live/a/v0/index.m3u8?_HLS_msn=' . ($m + 6) . '&_HLS_part=3')
    for 1 .. 3;
ok(wait_for(sub { waiting() == 3 }, 5, 'three waiting requests'), 'three wait');
$h2->close;
ok(wait_for(sub { waiting() == 0 }, 5, 'them to be forgotten'),
    'HTTP/2 connection closed');

# --- reload: old workers answer who waits there

@many = map { ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 6) . '&_HLS_part=3') }
    1 .. 20;
wait_for(sub { waiting() == 20 }, 10, '20 waiting requests');
my %old = map { $_ => 1 } $ng->workers;
$ng->reload;
$w->part;
my @late = map { $_->read_response } @many;
is(scalar(grep { $_->status == 200 } @late), 20, 'answered after a reload');
is(scalar(grep { $old{ $_->header('X-Pid') } } @late), 20, 'by old workers');
ok(wait_for(sub { !grep { $old{$_} } $ng->all_workers }, 10,
    'the old workers to exit'), 'which exit then');

# --- nothing comes: 503 after three target durations

my $start = time();
$c = ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 6) . '&_HLS_part=4',
    timeout => 20);
sleep 1;
my $second = ask('a/v0/index.m3u8?_HLS_msn=' . ($m + 6) . '&_HLS_part=4',
    timeout => 20);
$res = $c->read_response(timeout => 15);
my $took = time() - $start;
is($res->status, 503, 'timed out: 503');
is($res->header('Cache-Control'), 'no-store', 'not to be cached');
is($res->header('Retry-After'), 1, 'Retry-After');
ok($took > 5.8 && $took < 7, "after three target durations ($took s)");
ok(!$second->readable(0.3), 'who came a second later waits on');
is($second->read_response(timeout => 15)->status, 503, 'then times out');
$took = time() - $start;
ok($took > 6.8 && $took < 8, "after the same time ($took s)");
is($ng->get('http', '/live/a/v0/index.m3u8')->status, 200,
    'plain reloads go on');

# --- two kinds of time-out for the same media

$w2->do('claim d v0a0');
$w2->do("part only=v0") for 1 .. 2;
$w2->do('live');

# both in one worker, the one that waits longer first
my ($long, $short);
my %by_pid;
for (1 .. 40) {
    my $one = $ng->http('http', timeout => 20);
    my $pid = $one->request(GET => '/live/d/v0/index.m3u8')->header('X-Pid');
    push @{ $by_pid{$pid} }, $one;
    ($long, $short) = @{ $by_pid{$pid} };
    last if $short;
}
$long->send(GET => '/live/d/a0/index.m3u8?_HLS_msn=0&_HLS_part=0');
wait_for(sub { waiting() == 1 }, 5, 'the first');
$short->send(GET => '/live/d/a0/index.m3u8');
wait_for(sub { waiting() == 2 }, 5, 'the second');
is($short->read_response(timeout => 15)->status, 503,
    'a plain request for a track without media gives up');
ok(!$long->readable(0), 'before a blocking one that came earlier');
is($long->read_response(timeout => 15)->status, 503, 'which does, then');

# --- a stream that does not begin

$w2->do('claim c v0');
$start = time();
$res = ask('c/index.m3u8', timeout => 20)->read_response(timeout => 15);
is($res->status, 503, 'a stream that does not start: 503');
cmp_ok(time() - $start, '<', 7, 'after some seconds');

$w->close;
$w2->close;
$ng->finish;
done_testing;

sub waiting {
    my $text = $ng->get('http', '/metrics')->body;

    return $text =~ /^ngx_live\w*waiting\w*(?:\{[^}]*\})? (\d+)/m ? $1 : -1;
}
