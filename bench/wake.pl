# From a part being complete to the last of the waiting viewers having its first
# byte, beside a floor: a program that writes the same bytes to as many sockets.
#
# A video-only stream, so that the frame that completed a part is the last one
# handed to the socket before the first viewer was woken: that is the start. The
# viewers only wait; they fetch nothing.

package Bench::Wake;

use strict;
use warnings;

use Live::Nginx qw(free_port read_file);
use Time::HiRes qw(sleep);

# Milliseconds from the last start before each wake to its end, sorted.
sub join_logs {
    my ($starts, $wakes) = @_;
    my @start = sort { $a <=> $b } @$starts;
    my @ms;
    my $i = 0;

    for my $wake (sort { $a->[0] <=> $b->[0] } @$wakes) {
        my ($first, $last) = @$wake;

        $i++ while $i + 1 < @start && $start[$i + 1] <= $first;
        push @ms, ($last - $start[$i]) / 1e6;
    }

    return sort { $a <=> $b } @ms;
}

sub wakes {
    my ($file) = @_;

    return [map { [(split ' ')[0, 1]] } split /\n/, read_file($file)];
}

sub swarm {
    my ($url, $log) = @_;
    my $got = Bench::tool('hls_swarm', '-B', '-n', $Bench::VIEWERS, '-t',
        $Bench::SECONDS, '-r', 2, '-L', $log, $url)->end;

    Bench::note("failed: $got->{bad}, closed: $got->{closed}")
        if $got->{bad} || $got->{closed};
}

# Two processes that begin at the same time: the earlier one is the start.
sub floor_starts {
    my ($file) = @_;
    my @all = sort { $a <=> $b }
        map { (split ' ')[0] } split /\n/, read_file($file);
    my @starts;

    for my $ns (@all) {
        push @starts, $ns if !@starts || $ns - $starts[-1] > 100e6;
    }

    return \@starts;
}

return sub {
    my $dir = Bench::shm();
    my $ng = Bench::ours();
    my $push = Bench::push_streams($ng, 1, media => 'video',
        args => ['-L', "$dir/sent"]);
    my $path = '/live/b0/v0/index.m3u8';

    Bench::wait_segments($ng, $path, 6);

    my $bytes = length $ng->get('http', $path,
        headers => { 'Accept-Encoding' => 'gzip' })->body;

    swarm(Bench::playlist_url($ng, 'v0'), "$dir/ours");
    $push->stop;
    $ng->stop;

    my @sent = map { (split ' ')[0] } grep { / v / }
        split /\n/, read_file("$dir/sent");
    my @ours = join_logs(\@sent, wakes("$dir/ours"));

    my ($port, $lock) = free_port();
    my $floor = Bench::tool('wake_floor', '-j', 2, '-b', $bytes, '-L',
        "$dir/floor_starts", $port);

    sleep 0.5;
    swarm("http://127.0.0.1:$port/live/b0/v0/index.m3u8", "$dir/floor");
    $floor->stop;

    my @floor = join_logs(floor_starts("$dir/floor_starts"),
        wakes("$dir/floor"));

    die "nothing was measured\n" unless @ours && @floor;

    Bench::row("part complete to the last of $Bench::VIEWERS woken: median",
        ours => $ours[@ours / 2], ref => $floor[@floor / 2], limit => 2,
        unit => 'ms');
    Bench::row('  the same, 90 of 100',
        ours => $ours[@ours * 0.9], ref => $floor[@floor * 0.9],
        unit => 'ms');
};
