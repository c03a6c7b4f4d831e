# CPU time of viewers: low-latency ones, beside plain HLS from files in tmpfs.

package Bench::Viewers;

use strict;
use warnings;

sub watch {
    my ($ng, $n, $ramp, @args) = @_;
    my $swarm = Bench::tool('hls_swarm', '-n', $n, '-t', $Bench::SECONDS,
        '-r', $ramp, @args)->ready(120);
    my $before = Bench::cpu($ng);
    my $got = $swarm->end;

    $got->{cpu} = Bench::cpu($ng) - $before;
    $got->{minutes} = $got->{viewers} * $got->{seconds} / 60;

    Bench::note("failed: $got->{bad} (last: $got->{last_bad}), connections "
        . "closed: $got->{closed}, stalls: $got->{stalls}")
        if $got->{bad} || $got->{closed} || $got->{stalls};

    return $got;
}

sub cost { return 1000 * $_[0]{cpu} / $_[0]{minutes} }

sub plain {
    my $ng = Bench::nginx_rtmp();
    my $push = Bench::push_streams($ng, 1);

    Bench::wait_segments($ng, '/hls/b0.m3u8', 3);

    my $got = watch($ng, $Bench::VIEWERS, 4, '-p', 'http://127.0.0.1:'
        . $ng->port('http') . '/hls/b0.m3u8');

    $push->stop;
    $ng->stop;

    return cost($got);
}

# As many as the machine carries beside the generator; the rest by arithmetic.
sub many {
    my ($ng, $cost) = @_;
    my $n = $Bench::MANY;
    my $got = watch($ng, $n, 10, Bench::playlist_url($ng, 'muxed'));
    my $due = 3 * $n * $got->{seconds};

    Bench::note(sprintf '%d muxed viewers driven: %.0f %% of their parts came '
        . '(%.0f parts/s, %.2f GB/s), p99 %.0f ms late, server %.2f cores, '
        . 'generator %.2f cores', $n, 100 * $got->{parts} / $due,
        $got->{parts} / $got->{seconds}, $got->{bytes} / $got->{seconds} / 1e9,
        $got->{late_ms_p99}, $got->{cpu} / $got->{seconds},
        $got->{own_cpu} / ($got->{seconds} + 10));

    Bench::row("$n muxed viewers: cores, from a part's cost here",
        ours => $got->{cpu} / $got->{parts} * 3 * $n, limit => 2,
        unit => 'cores');
    Bench::row("$n muxed viewers: cores, from 1,000 viewers' cost",
        ours => $cost / 1000 / 60 * $n, limit => 2, unit => 'cores');
}

return sub {
    my $ref = plain();
    my $ng = Bench::ours();
    my $push = Bench::push_streams($ng, 1);
    my $n = $Bench::VIEWERS;

    Bench::wait_segments($ng, '/live/b0/v0/index.m3u8', 3);

    my $both = cost(watch($ng, $n, 4, Bench::playlist_url($ng, 'v0'),
        Bench::playlist_url($ng, 'a0')));
    my $muxed = cost(watch($ng, $n, 4,
        Bench::playlist_url($ng, 'muxed')));

    Bench::row("$n viewers, video and audio: CPU ms a viewer-minute",
        ours => $both, ref => $ref, limit => 2.5, unit => 'ms');
    Bench::row("$n viewers, muxed: CPU ms a viewer-minute",
        ours => $muxed, ref => $ref, limit => 1.7, unit => 'ms');

    many($ng, $muxed) if $Bench::MANY;

    $push->stop;
    $ng->stop;
};
