# CPU time and memory of publishers that nobody watches.

package Bench::Ingest;

use strict;
use warnings;

use Time::HiRes qw(sleep);

sub measure {
    my ($ng, $n, $media, $seconds) = @_;
    my $idle = Bench::memory($ng);
    my $push = Bench::push_streams($ng, $n, media => $media);

    sleep 4;

    my $before = Bench::cpu($ng);
    sleep $seconds;
    my $cpu = Bench::cpu($ng) - $before;
    my $memory = Bench::memory($ng);
    my $got = $push->stop;

    die "publishers lost: $got->{lost}, refused: $got->{refused}\n"
        if $got->{lost} || $got->{refused};

    return {
        cpu    => $cpu / $n / ($seconds / 60),
        memory => ($memory - $idle) / $n,
    };
}

# MB that the store needs for each publisher, for as long as we measure
sub compare {
    my ($n, $media, $mb, $seconds) = @_;
    my $server = Bench::ours(size => int($n * $mb + 128) . 'm');
    my $ours = measure($server, $n, $media, $seconds);

    $server->stop;
    $server = Bench::nginx_rtmp();

    my $ref = measure($server, $n, $media, $seconds);

    $server->stop;

    return ($ours, $ref);
}

return sub {
    my $n = $Bench::PUBLISHERS;
    my ($ours, $ref) = compare($n, 'av', 24, $Bench::SECONDS);

    Bench::row("ingest: CPU s a publisher-minute ($n)",
        ours => $ours->{cpu}, ref => $ref->{cpu}, limit => 0.6, unit => 's');
    Bench::row('ingest: memory outside the store a publisher',
        ours => $ours->{memory}, limit => 160, unit => 'kB');

    for (['high', '1080p60, 6 Mb/s', int($n / 4) || 1, 52],
        ['low', '240p30, 300 kb/s', $n, 24])
    {
        my ($media, $what, $count, $mb) = @$_;

        ($ours, $ref) = compare($count, $media, $mb, $Bench::SECONDS * 0.4);

        Bench::row("  the same of $what ($count)", ours => $ours->{cpu},
            ref => $ref->{cpu}, unit => 's');
    }
};
