# CPU time of viewers: low-latency ones, beside plain HLS from files in tmpfs, and
# beside a floor: a program that makes the system calls for the same answers and
# does nothing else. All of them in turn, in rounds, so that a busy moment of the
# machine counts for nobody.
#
# And beside what nginx itself takes for the same: a module whose handler only
# sends a buffer. Less than that no module costs.
#
# Plain players fetch what hls.js and Safari do: the playlist once a target
# duration, and each segment. Low-latency ones fetch what hls.js does: a blocking
# reload for each part, and the part. All have the same bytes of media.
#
# The stream has 30 pictures a second, so that parts are 333 ms long, 6 in each
# segment. With 25 (the rows below) they are 320 ms, 8 pictures, and what is
# left of 2 s is a seventh one of 80 ms.

package Bench::Viewers;

use strict;
use warnings;

use Live::Nginx qw(free_port);
use Time::HiRes qw(sleep);

sub watch {
    my ($server, $n, $ramp, $seconds, @args) = @_;
    my $swarm = Bench::tool('hls_swarm', '-n', $n, '-t', $seconds,
        '-r', $ramp, @args)->ready(120);
    my $before = Bench::cpu($server);
    my $got = $swarm->end;

    $got->{cpu} = Bench::cpu($server) - $before;
    $got->{minutes} = $got->{viewers} * $got->{seconds} / 60;

    Bench::note("failed: $got->{bad} (last: $got->{last_bad}), connections "
        . "closed: $got->{closed}, stalls: $got->{stalls}")
        if $got->{bad} || $got->{closed} || $got->{stalls};
    Bench::note(sprintf 'this machine is too busy to tell: %.0f %% of the parts '
        . 'came', 100 * $got->{parts} / $got->{due})
        if $got->{parts} < 0.9 * $got->{due};

    return $got;
}

# Bytes of a rendition's parts, the mean of a whole segment's.
sub part_size {
    my ($ng, $track) = @_;
    my $path = "/live/b0/$track/";
    my $list = $ng->get('http', "${path}index.m3u8")->body;
    my ($segment) = reverse $list =~ /^(\d+)\.m4s$/mg;
    my $parts = () = $list =~ /URI="$segment\.\d+\.m4s"/g;
    my $size = length $ng->get('http', "$path$segment.m4s")->body;

    return (int($size / $parts), $parts);
}

# What both floors serve: parts as big as these renditions', as often.
sub floor_media {
    my ($ng) = @_;
    my $reload = length $ng->get('http', '/live/b0/v0/index.m3u8',
        headers => { 'Accept-Encoding' => 'gzip' })->body;
    my (%path, $parts);

    for my $track (qw(v0 a0 muxed)) {
        (my $size, $parts) = part_size($ng, $track);
        $path{$track} = "/live/$size/index.m3u8";
    }

    # segments are of 2 s
    return ($reload, int(2000 / $parts + 0.5), \%path);
}

# A program that does nothing but make the system calls.
sub floor {
    my ($ng) = @_;
    my ($port, $lock) = free_port();
    my ($reload, $period, $path) = floor_media($ng);
    my $tool = Bench::tool('wake_floor', '-j', 2, '-b', $reload, '-p',
        $period, $port);

    sleep 0.5;

    return ($tool, { map { $_ => "http://127.0.0.1:$port$path->{$_}" }
        keys %$path }, $lock);
}

# nginx with a module that does nothing but send a buffer.
sub module_floor {
    my ($ng) = @_;
    my ($reload, $period, $path) = floor_media($ng);
    my $floor = Bench::floor_module($period, $reload);

    return ($floor, { map { $_ => Bench::url($floor, $path->{$_}) }
        keys %$path });
}

# CPU ms a viewer-minute of each shape: { name => [server, urls] }.
sub rounds {
    my ($rounds, $shapes) = @_;
    my (%cpu, %minutes);

    for (1 .. $rounds) {
        for my $name (sort keys %$shapes) {
            my ($server, @args) = @{ $shapes->{$name} };
            my $got = watch($server, $Bench::VIEWERS, 2,
                $Bench::SECONDS * 0.4, @args);

            $cpu{$name} += $got->{cpu};
            $minutes{$name} += $got->{minutes};
        }
    }

    return { map { $_ => 1000 * $cpu{$_} / $minutes{$_} } keys %cpu };
}

# As many as the machine carries beside the generator; the rest by arithmetic.
sub many {
    my ($ng, $cost) = @_;
    my $n = $Bench::MANY;
    my $got = watch($ng, $n, 6, $Bench::SECONDS * 0.8,
        Bench::playlist_url($ng, 'muxed'));
    my $rate = $got->{due} / $got->{seconds};

    Bench::note(sprintf '%d muxed viewers driven: %.0f %% of their parts came '
        . '(%.0f parts/s, %.2f GB/s), p99 %.0f ms late, server %.2f cores, '
        . 'generator %.2f cores', $n, 100 * $got->{parts} / $got->{due},
        $got->{parts} / $got->{seconds}, $got->{bytes} / $got->{seconds} / 1e9,
        $got->{late_ms_p99}, $got->{cpu} / $got->{seconds},
        $got->{own_cpu} / ($got->{seconds} + 6));

    Bench::row("$n muxed viewers: cores, from a part's cost here",
        ours => $got->{cpu} / $got->{parts} * $rate, limit => 2,
        unit => 'cores');
    Bench::row("$n muxed viewers: cores, from 1,000 viewers' cost",
        ours => $cost / 1000 / 60 * $n, limit => 2, unit => 'cores');
}

# Both servers with the same stream.
sub servers {
    my ($media) = @_;
    my $plain = Bench::nginx_rtmp();
    my $ng = Bench::ours();
    my @push = map { Bench::push_streams($_, 1, media => $media) } $plain, $ng;

    Bench::wait_segments($plain, '/hls/b0.m3u8', 3);
    Bench::wait_segments($ng, '/live/b0/v0/index.m3u8', 3);

    return ($plain, $ng, @push);
}

# What is asked of each, over http or https.
sub shapes {
    my ($plain, $ng, $scheme) = @_;

    return (
        plain => [$plain, '-p', Bench::url($plain, '/hls/b0.m3u8', $scheme)],
        both  => [$ng, map { Bench::playlist_url($ng, $_, $scheme) }
            qw(v0 a0)],
        muxed => [$ng, Bench::playlist_url($ng, 'muxed', $scheme)],
    );
}

sub row {
    my ($cost, $name, $what, $limit) = @_;

    Bench::row($what, ours => $cost->{$name}, ref => $cost->{plain},
        limit => $limit, unit => 'ms');
}

# The shape that the limits are for.
sub parts_of_333_ms {
    my ($plain, $ng, @push) = servers('av30');
    my ($floor, $url, $lock) = floor($ng);
    my ($module, $path) = module_floor($ng);
    my $n = $Bench::VIEWERS;
    my $bare = '  the bare system calls for the same answers';
    my $nginx = '  an nginx module that only sends a buffer';
    my $cost = rounds(2, {
        shapes($plain, $ng),
        both_floor   => [$floor, @$url{qw(v0 a0)}],
        muxed_floor  => [$floor, $url->{muxed}],
        both_module  => [$module, @$path{qw(v0 a0)}],
        muxed_module => [$module, $path->{muxed}],
    });

    $_->stop for $floor, $module;

    row($cost, 'both', "$n viewers, video and audio: CPU ms a viewer-minute",
        2.5);
    row($cost, 'both_module', $nginx);
    row($cost, 'both_floor', $bare);
    row($cost, 'muxed', "$n viewers, muxed: CPU ms a viewer-minute", 1.7);
    row($cost, 'muxed_module', $nginx);
    row($cost, 'muxed_floor', $bare);

    many($ng, $cost->{muxed}) if $Bench::MANY;

    my %tls = shapes($plain, $ng, 'https');
    delete $tls{both};          # a player has one connection for both
    row(rounds(1, \%tls), 'muxed', '  the same, over HTTP/2 and TLS');

    $_->stop for @push, $plain, $ng;
}

sub parts_of_320_ms {
    my ($plain, $ng, @push) = servers('av');
    my $cost = rounds(1, { shapes($plain, $ng) });

    row($cost, 'both', '  25 pictures a second, video and audio');
    row($cost, 'muxed', '  25 pictures a second, muxed');

    $_->stop for @push, $plain, $ng;
}

return sub {
    parts_of_333_ms();
    parts_of_320_ms();
};
