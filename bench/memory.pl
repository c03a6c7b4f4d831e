# Memory: the store against the window it promises; what is outside the store
# over many publishes, many viewers, and for each request that waits.

package Bench::Memory;

use strict;
use warnings;

use JSON::PP;
use Live::Nginx qw(wait_for);
use Time::HiRes qw(sleep time);

sub stream {
    my ($ng) = @_;
    my $status = decode_json($ng->get('http', '/status')->body);
    my ($s) = grep { $_->{id} eq 'b0' } @{ $status->{streams} };

    return $s // die "b0 is not in /status\n";
}

# The longest of several looks: waiting requests come and go with each part.
sub peak {
    my ($ng, $seconds) = @_;
    my $end = time() + $seconds;
    my $max = 0;

    while (time() < $end) {
        my $now = Bench::memory($ng);
        $max = $now if $now > $max;
        sleep 0.02;
    }

    return $max;
}

sub publishes {
    my ($ng, $n) = @_;
    my $got = Bench::tool('rtmp_push', '-n', 40, '-r', 900, '-e', 1, '-T', $n,
        'rtmp://127.0.0.1:' . $ng->port('rtmp') . '/live/short%d',
        Bench::media('small'))->end;

    Bench::note("short publishes: done $got->{done}, refused $got->{refused}, "
        . "lost $got->{lost}") if $got->{done} != $n;

    return Bench::memory($ng);
}

sub viewers {
    my ($ng, $n) = @_;
    my $got = Bench::tool('http_load', '-c', 50, '-n', $n, '-u',
        Bench::playlist_url($ng, 'v0'))->end;

    Bench::note("viewers: $got->{bad} failed") if $got->{bad};

    return Bench::memory($ng);
}

sub waiting {
    my ($ng, $n) = @_;
    my $before = Bench::memory($ng);
    my $swarm = Bench::tool('hls_swarm', '-B', '-n', $n, '-t', 4, '-r', 3,
        Bench::playlist_url($ng, 'v0'))->ready;
    my $peak = peak($ng, 3);

    $swarm->end;

    return ($peak - $before) / $n;
}

return sub {
    # short streams' directory entries and parts stay for their window
    my $ng = Bench::ours(size => '2048m');
    my $push = Bench::push_streams($ng, 1);
    my $begin = time();

    Bench::wait_segments($ng, '/live/b0/v0/index.m3u8', 2);

    Bench::row('memory of a waiting request (5,000 wait)',
        ours => waiting($ng, 5000), limit => 10, unit => 'kB');

    my $first = publishes($ng, 200);
    my $second = publishes($ng, 1000);

    Bench::row('memory that 1,000 short publishes leave',
        ours => $second - $first, limit => 512, unit => 'kB');

    $first = viewers($ng, 20_000);
    $second = viewers($ng, 100_000);

    Bench::row('memory that 100,000 viewers leave',
        ours => $second - $first, limit => 512, unit => 'kB');

    # the window has to be full, and then some
    my $s = stream($ng);
    my $left = $begin + ($s->{window_ms} / 1000) + 8 - time();
    sleep $left if $left > 0;

    my $one = stream($ng);
    my $at = time();
    sleep 4;
    my $two = stream($ng);
    my $rate = ($two->{bytes_in} - $one->{bytes_in}) / (time() - $at);
    my $part = $two->{part_target_ms} / 1000;
    my $due = $rate * ($two->{window_ms} / 1000 + $two->{target_duration_s}
        + $part);

    Bench::row('the store, beside window + segment + part',
        ours => $two->{store_bytes} / 1e6, ref => $due / 1e6, limit => 1.15,
        unit => 'MB');

    $push->stop;
    $ng->stop;
};
