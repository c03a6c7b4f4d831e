#!/usr/bin/perl

# Who may publish, and who takes a stream over from whom.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(time);

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Stream;

my $key = 'k-' . join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 32;

my $ng = Live::Nginx->new(
    files => { 'keys' => 'own ' . sha256_hex($key) . "\n" },
    conf => <<'EOC');
live { live_store %%STORE%% 128m; live_segment 1s; live_part 200ms; }
stream {
    live_stream_keys %%DIR%%/keys;
    server { listen %%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
    server { listen %%PORT_keyed%%; live_rtmp; live_publish_auth token; }
    server { listen %%PORT_short%%; live_rtmp; live_publish_auth off;
             live_resume 2s; }
    server { listen %%PORT_idle%%; live_rtmp; live_publish_auth off;
             live_rtmp_timeout 1s; live_rtmp_handshake_timeout 1s; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC

chmod 0644, $ng->dir . '/keys';
$ng->start;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));

sub publisher {
    my ($port, $name, %o) = @_;
    return Live::RTMP->publisher(port => $ng->port($port), app => 'live',
        name => $name, chunk_size => 60000, timeout => 10, %o);
}

# Sends the media from one time to another (ms) as fast as it goes.
sub feed {
    my ($c, $from, $to) = @_;

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
        && $_->{ts} >= $from && $_->{ts} < $to } @$tags;
    $c->poll;
}

sub view { return Live::Stream->new($ng, 'http', $_[0]) }

# --- keys

{
    my $c = publisher(keyed => $key);
    feed($c, 0, 3000);
    ok(view('own')->wait_live, 'a stream key as the name: its stream is live');
    $c->unpublish($key);
    ok(view('own')->wait_state('ended'), 'and ends');

    $c = publisher(keyed => "own?key=$key");
    feed($c, 0, 3000);
    ok(view('own')->wait_live, 'the key in the query of the name');
    $c->unpublish("own?key=$key");
    $c->close;

    for my $bad ('own?key=wrong', 'own', 'wrong', "other?key=$key") {
        my $r = Live::RTMP->new(port => $ng->port('keyed'));
        $r->handshake;
        $r->connect_app('live');
        $r->create_stream;
        my $code = $r->publish($bad);
        (my $shown = $bad) =~ s/\Q$key\E/<key>/;
        is($code, 'NetStream.Publish.BadName', "refused: $shown");
        ok($r->{status}{description}, 'with a reason');
        ok($r->closed_within(10), 'then closed');
    }

    my $logs = join '', values %{ $ng->all_logs };
    unlike($logs, qr/\Q$key\E/, 'the key is in no log');
}

# --- take-over

{
    my $first = publisher(rtmp => 'over');
    feed($first, 0, 2500);
    ok(view('over')->wait_live, 'first publisher');
    my $before = view('over')->playlist;

    my $other = Live::RTMP->new(port => $ng->port('rtmp'), from => '127.0.0.2');
    $other->handshake;
    $other->connect_app('live');
    $other->create_stream;
    is($other->publish('over'), 'NetStream.Publish.BadName',
        'another address is refused while the first one sends');
    like($other->{status}{description}, qr/somebody else/, 'and told why');

    my $second = publisher(rtmp => 'over');
    feed($second, 0, 2500);
    my $st = $first->wait_status(10);
    is($st->{code}, 'NetStream.Publish.BadName',
        'same address: takes over at once, the first is told');
    ok($first->closed_within(10), 'and closed');

    ok(wait_for(sub { view('over')->playlist->{next_msn}
        > $before->{next_msn} }, 10), 'the stream goes on');
    my $pl = view('over')->playlist;
    is($pl->{discontinuities}, 0, 'without a discontinuity');
    is($pl->{map}, $before->{map}, 'with the same init section');
    my (@starts, @stops);
    wait_for(sub {
        @starts = $ng->log_grep(qr/publish of "over" started/);
        @stops = $ng->log_grep(qr/publish of "over" displaced/);
        return @starts == 2 && @stops == 1;
    }, 5);
    is(scalar @starts, 2, 'two starts');
    is(scalar @stops, 1, 'one stop, of the displaced');
    $second->unpublish('over');
    ok(view('over')->wait_state('ended'), 'ended by the second');
}

# --- silence

{
    my $first = publisher(rtmp => 'silent');
    feed($first, 0, 2500);
    ok(view('silent')->wait_live, 'a publisher that falls silent');

    my $second;
    ok(wait_for(sub {
        my $r = Live::RTMP->new(port => $ng->port('rtmp'),
            from => '127.0.0.2');
        $r->handshake;
        $r->connect_app('live');
        $r->create_stream;
        ($r->publish('silent') // '') eq 'NetStream.Publish.Start'
            and $second = $r;
    }, 8, 'the take-over'), 'anybody takes over after some silence');
    feed($second, 0, 1500) if $second;
}

# --- publish again on the same connection (Wirecast)

{
    my $c = publisher(rtmp => 'again');
    feed($c, 0, 2500);
    ok(view('again')->wait_live, 'published');
    is($c->publish('again'), 'NetStream.Publish.Start',
        'a second publish of the same name takes its own place');
    feed($c, 0, 1500);
    $c->unpublish('again');
    ok(view('again')->wait_state('ended'), 'one end');
    my (@starts, @stops);
    # the line is written just after the state has changed
    wait_for(sub {
        @starts = $ng->log_grep(qr/publish of "again" started/);
        @stops = $ng->log_grep(qr/publish of "again" (?!started)/);
        return @starts == @stops;
    }, 5);
    is(scalar @starts, scalar @stops, 'as many stops as starts');
}

# --- lost, filled, ended

{
    my $c = publisher(short => 'lost');
    feed($c, 0, 2500);
    ok(view('lost')->wait_live, 'a publisher');
    $c->reset_hard;
    ok(view('lost')->wait_state('interrupted'), 'lost: interrupted');
    is(view('lost')->playlist->{endlist}, undef, 'no ENDLIST yet');
    ok(view('lost')->wait_state('ended', 10), 'ended after live_resume');
    ok(view('lost')->playlist->{endlist}, 'ENDLIST');
    my @l;
    wait_for(sub { @l = $ng->log_grep(qr/stream "lost" ended/) }, 5);
    is(scalar @l, 1, 'logged once');
}

# --- sound that cannot be carried

{
    my $c = publisher(rtmp => 'speex');

    for my $tag (grep { $_->{type} != 18 && $_->{ts} < 2500 } @$tags) {
        if ($tag->{type} == 9) {
            $c->send_tag($tag);
        } else {
            $c->send_audio("\xb6" . "\0" x 62, $tag->{ts});
        }
    }

    $c->poll;
    ok(view('speex')->wait_live, 'Speex: the picture goes on');
    is(join(' ', map { $_->{name} } @{ view('speex')->status->{tracks} }), 'v0',
        'without sound');
    is(scalar($ng->log_grep(qr/audio codec not supported: Speex, use AAC/)), 1,
        'told once');
    $c->unpublish('speex');
}

# --- faster than it plays

{
    my $enc = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/fast',
        $ng->port('rtmp')), fast => 1, media => Live::Encoder::media(gop => 25));
    ok(view('fast')->wait_live, 'a file sent without a clock');

    my $epoch = view('fast')->status->{epoch};
    my $begin = time();
    my $worst = 0;

    wait_for(sub {
        my $ahead = eval { view('fast')->playlist->{next_msn} } // 0;
        $ahead -= time();
        $worst = $ahead if $ahead > $worst;
        time() > $begin + 5;
    }, 10);

    cmp_ok($worst, '<', 15, 'is read no faster than it plays');
    cmp_ok($worst, '>', 2, 'as far as may be');
    ok($enc->running, 'the encoder waits');
    $enc->kill;
}

# --- time-outs

{
    my $c = publisher(idle => 'idle');
    feed($c, 0, 1500);
    ok($c->closed_within(10), 'no media for live_rtmp_timeout: closed');
    ok(wait_for(sub { $ng->log_grep(qr/publish of "idle" lost.*no media/) },
        5), 'logged');

    my $r = Live::RTMP->new(port => $ng->port('idle'));
    $r->write("\x03");
    ok($r->closed_within(10), 'no handshake in time: closed');
}

$ng->finish;
done_testing;
