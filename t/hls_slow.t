#!/usr/bin/perl

# Clients that read slowly, or not at all, pin parts of the store: they lose
# their connections when that takes room, and nobody else notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Socket ();
use Test::More;
use Time::HiRes qw(sleep time);

use Live::H2;
use Live::Nginx qw(wait_for);
use Live::Writer;

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%% sndbuf=16k;
        listen 127.0.0.1:%%PORT_h2%% http2 sndbuf=16k;
        location /live/ { live_hls; live_token off; }
        location /metrics { live_metrics; }
    }
}
EOC

my $w = Live::Writer->new($ng);

# --- beyond 5 % of the store: at once

my $m = $w->live('a', 'v0', 0);
segments(8);
$m = $w->first;

my @readers = map { stalled('/live/a/v0/' . ($m + $_ % 4) . '.m4s') } 1 .. 40;
ok(wait_for(sub { metric('pinned') >= 40 * 6 }, 10, 'pins'),
    'stalled readers pin their segments');

$w->do('evict ' . ($m + 1));
sleep 2.5;
is(metric('reset_slow'), 0, 'under 5 % of the store they are left alone');
$w->do('evict ' . ($m + 5));

# Each worker resets its own. Once one has, the other's may hold less than 5 %
# again, where it has but one or two; those are left alone.
my ($reset, $was) = (0, -1);
ok(wait_for(sub {
    ($was, $reset) = ($reset, metric('reset_slow'));
    sleep 1.5;
    return $reset >= 20 && $reset == $was;
}, 15, 'resets'), 'beyond that they are reset') or diag("$reset of 40");
is(scalar(grep { ended($_) } @readers), $reset, 'their connections are closed');
is(scalar(my @lines = $ng->log_grep(qr/client reads too slowly/)), $reset,
    'one line each in the log');
@readers = ();
ok(wait_for(sub { metric('pinned') == 0 }, 5, 'pins to go'), 'pins are gone');
segments(2);
is($ng->get('http', '/live/a/v0/' . ($m + 9) . '.m4s')->status, 200,
    'others go on');

# --- HTTP/2 that opens its windows by the byte

my $h2 = Live::H2->new(port => $ng->port('h2'), window => 0);
my @ids = map { $h2->get('/live/a/v0/' . ($m + 5 + $_ % 4) . '.m4s') }
    1 .. 100;

ok(wait_for(sub {
    $h2->pump(0.1);
    $h2->window_update($_, 1) for @ids;
    return metric('pinned') == 600;
}, 10, 'pins'), '100 streams of one connection pin theirs');
$w->do('evict ' . ($m + 10));

my $end = time() + 5;

until ($h2->closed || time() > $end) {
    $h2->window_update($_, 1) for @ids;
    $h2->pump(0.1);
}

ok($h2->closed, 'its connection is closed');
ok(wait_for(sub { metric('pinned') == 0 }, 5, 'pins to go'), 'pins are gone');

# --- under 5 %: after a window

my $w2 = Live::Writer->new($ng);
$w2->do('claim b v0 window=2000');
$w2->do('segment size=400000') for 1 .. 2;
$w2->do('live');
my $n = $w2->first;
my $slow = stalled("/live/b/v0/$n.m4s");
wait_for(sub { metric('pinned') == 6 }, 5, 'pins');
my $before = metric('reset_slow');
my $start = time();
$w2->do('evict ' . ($n + 1));
ok(wait_for(sub { metric('reset_slow') == $before + 1 }, 10, 'a reset'),
    'a part that has left is held for a window');
my $took = time() - $start;
ok($took > 1.9 && $took < 4.5, "not longer ($took s)");

# --- slow, but in time

my $patient = stalled('/live/b/v0/' . ($n + 1) . '.m4s');
sleep 3;
is(metric('reset_slow'), $before + 1,
    'what is still in the playlist may be read slowly');
close $patient;
ok(wait_for(sub { metric('pinned') == 0 }, 5, 'pins to go'), 'pins are gone');

# --- a killed worker's pins

my @held = map { stalled('/live/b/v0/' . ($n + 1) . '.m4s') } 1 .. 4;
wait_for(sub { metric('pinned') >= 24 }, 5, 'pins');
$ng->kill_worker(KILL => $_) for $ng->workers;
wait_for(sub { $ng->workers == 2 }, 10, 'new workers');
$w2->do('segment');
$w2->do('evict ' . ($n + 2));
ok(wait_for(sub { store('pinned') == 0 }, 10, 'limbo to be empty'),
    'are released');
is($ng->get('http', '/live/b/v0/' . ($n + 2) . '.m4s')->status, 200,
    'and others go on');

$w->close;
$w2->close;
$ng->finish;
done_testing;

sub segments {
    my ($count) = @_;

    $w->do('segment size=200000') for 1 .. $count;
}

# A client that asks and does not read.
sub stalled {
    my ($path) = @_;

    socket(my $s, Socket::PF_INET(), Socket::SOCK_STREAM(), 0) or die;
    setsockopt($s, Socket::SOL_SOCKET(), Socket::SO_RCVBUF(), 4096) or die;
    connect($s, Socket::sockaddr_in($ng->port('http'),
        Socket::inet_aton('127.0.0.1'))) or die "connect: $!";
    syswrite $s, "GET $path HTTP/1.1\r\nHost: x\r\n\r\n";

    return $s;
}

# Reads what the kernel still has; the end must come before the body's.
sub ended {
    my ($s) = @_;
    my $got = 0;
    my $end = time() + 5;

    while (time() < $end) {
        IO::Select->new($s)->can_read(1) or next;
        my $n = sysread $s, my $buf, 65536;
        return $got < 1_000_000 unless $n;
        $got += $n;
    }

    return;
}

sub metric {
    my ($name) = @_;
    my $text = $ng->get('http', '/metrics')->body;

    my %re = (
        pinned => qr/^ngx_live_hls_pinned_parts (\d+)/m,
        reset_slow => qr/^ngx_live_hls_slow_readers_reset_total (\d+)/m,
    );

    return $text =~ $re{$name} ? $1 : -1;
}

sub store {
    my ($name) = @_;
    my $text = $ng->get('http', '/metrics')->body;

    return $text =~ /^ngx_live_store_\w*$name\w*(?:\{[^}]*\})? (\d+)/m
        ? $1 : -1;
}
