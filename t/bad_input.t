#!/usr/bin/perl

# What hostile and broken peers send: it ends on their own connection with a
# reason in the log, memory stays bounded, other streams are untouched.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use Live::Encoder;
use Live::Nginx qw(wait_for read_file);
use Live::RTMP;
use Live::Stream;

my $idle = $ENV{LIVE_IDLE_CONNECTIONS} // 10000;

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC');
events { worker_connections 16384; }
live { live_store %%STORE%% 64m; live_segment 1s; live_part 200ms; }
stream {
    live_publish_auth off;
    server { listen 127.0.0.1:%%PORT_rtmp%% backlog=4096; live_rtmp; }
    server { listen 127.0.0.1:%%PORT_brief%%; live_rtmp;
             live_rtmp_handshake_timeout 2s; }
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

$ng->start;

my $enc = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/good',
    $ng->port('rtmp')), media => Live::Encoder::media(gop => 25));
my $good = Live::Stream->new($ng, 'http', 'good');
ok($good->wait_live, 'a good stream beside all that follows')
    or diag($enc->log, $ng->tail);

my %pid = map { $_ => 1 } $ng->workers;

# Resident memory of all workers that is not the shared store, in kB.
sub private_kb {
    my $sum = 0;

    for my $pid ($ng->workers) {
        my ($kb) = read_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
        $sum += $kb // 0;
    }

    return $sum;
}

sub tcp {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => 5,
        PeerPort => $ng->port($_[0] // 'rtmp')) // die "connect: $!\n";
}

sub ready {
    my $c = Live::RTMP->new(port => $ng->port('rtmp'), timeout => 10);
    $c->handshake;
    return $c;
}

sub closes {
    my ($c, $name, $log) = @_;

    ok($c->closed_within(12), "$name: closed");
    ok(wait_for(sub { $ng->log_grep($log) }, 5), "$name: logged")
        or diag($ng->tail) if $log;
}

my $before = private_kb();

# --- garbage

srand(4711);

for my $n (1 .. 60) {
    my $sock = tcp();
    my $bytes = join '', map { chr int rand 256 } 1 .. 1 + int rand 6000;
    substr($bytes, 0, 1) = "\x03" if $n % 2;
    $bytes .= join '', map { chr int rand 256 } 1 .. 4000 if $n % 2;
    syswrite $sock, $bytes;
    close $sock;
}

ok($good->wait_state('live'), 'random bytes: survived');

{
    my $c = Live::RTMP->new(port => $ng->port('rtmp'));
    $c->write("GET / HTTP/1.1\r\nHost: x\r\n\r\n" . ' ' x 2000);
    closes($c, 'HTTP at the RTMP port', qr/RTMP connection ends/);
}

{
    # its end is told once, whatever it goes on sending until the close
    my $c = ready();
    my $lines = () = $ng->log_text =~ /RTMP connection ends/g;
    $c->write("\x03" . "\0\0\0" . "\xff\xff\xff" . "\x14" . "\0\0\0\0");

    for (1 .. 50) {
        select undef, undef, undef, 0.01;
        $c->sock->syswrite('x' x 100);
    }

    my $now = () = $ng->log_text =~ /RTMP connection ends/g;
    is($now - $lines, 1, 'one line for one connection');
    ok(!$ng->log_grep(qr/\[error\].*RTMP connection ends/),
        'what is no publisher is no error');
    $c->reset_hard;
}

{
    my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => 'chatty');
    my $note = qr/stream "chatty": end of sequence/;

    $c->write(join '', map { $c->chunks(type => 9, csid => 6, fmt => 0,
        msid => $c->msid, payload => Live::RTMP::avc_end()) } 1 .. 1000);
    ok(wait_for(sub { scalar $ng->log_grep($note) }, 5), 'an event is logged');
    select undef, undef, undef, 0.5;
    cmp_ok(scalar(my @told = $ng->log_grep($note)), '<=', 20,
        'a thousand of them are not');
    $c->reset_hard;
}

# --- lengths and sizes

{
    my $c = ready();
    # 16 MB declared for a command, a few bytes sent
    $c->write("\x03" . "\0\0\0" . "\xff\xff\xff" . "\x14" . "\0\0\0\0" . 'x' x 100);
    closes($c, 'a giant command', qr/RTMP connection ends/);
}

{
    my @c = map {
        my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
            name => "giant$_", timeout => 10);
        # video message of 16 MB: the first bytes only, then nothing
        $c->write("\x06" . "\0\0\0" . "\xff\xff\xfe" . "\x09" . "\1\0\0\0"
            . "\x17\1\0\0\0" . 'x' x 100);
        $c;
    } 1 .. 3;

    cmp_ok(private_kb() - $before, '<', 4096,
        'giant declared lengths take no memory');
    $_->reset_hard for @c;
}

for my $size (1, 2 ** 31 - 1) {
    my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => "chunk$size", timeout => 20);
    $c->set_chunk_size($size);
    my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25));
    eval { $c->send_tag($_) for grep { $_->{ts} < 1500 && $_->{type} != 18 }
        @$tags };
    my $v = Live::Stream->new($ng, 'http', "chunk$size");
    ok($v->wait_live, "chunk size $size: works") or diag($ng->tail);
    eval { $c->unpublish("chunk$size") };
}

{
    my $c = ready();
    $c->set_chunk_size(0) if 0;
    $c->write("\x02" . "\0\0\0" . "\0\0\4" . "\1" . "\0\0\0\0" . "\0\0\0\0");
    closes($c, 'chunk size 0', qr/RTMP connection ends/);
}

# --- time

{
    my $c = Live::RTMP->new(port => $ng->port('brief'));
    my $end = time() + 12;
    my $sent = 0;

    while (time() < $end && !$c->closed_within(0.2)) {
        eval { $c->write("\x03"); ++$sent } or last;
    }

    cmp_ok(time(), '<', $end, "slow bytes ($sent sent): closed in time");
    ok($ng->log_grep(qr/did not publish in time/), 'logged');
}

# --- many idle connections

{
    my @idle;

    for (1 .. $idle) {
        my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $ng->port('rtmp')) or last;
        push @idle, $sock;
    }

    cmp_ok(scalar @idle, '>=', $idle * 0.95, @idle . ' idle connections')
        or diag("ulimit -n: " . `ulimit -n`);
    my $kb = private_kb() - $before;
    cmp_ok($kb / (@idle || 1), '<', 16, sprintf 'memory for each: %.1f kB',
        $kb / (@idle || 1));
    is($good->status->{state}, 'live', 'the good stream goes on');

    my $n = $good->playlist->{next_msn};
    ok(wait_for(sub { $good->playlist->{next_msn} > $n + 1 }, 10),
        'and has new segments');
    close $_ for @idle;
}

is(join(' ', sort keys %pid), join(' ', sort $ng->workers),
    'no worker has died');
ok($enc->running, 'the good encoder noticed nothing');

$enc->kill;
$ng->finish;
done_testing;
