# CPU time and memory of publishers that nobody watches.

package Bench::Ingest;

use strict;
use warnings;

use Time::HiRes qw(sleep);

sub measure {
    my ($ng) = @_;
    my $n = $Bench::PUBLISHERS;
    my $idle = Bench::memory($ng);
    my $push = Bench::push_streams($ng, $n);

    sleep 4;

    my $before = Bench::cpu($ng);
    sleep $Bench::SECONDS;
    my $cpu = Bench::cpu($ng) - $before;
    my $memory = Bench::memory($ng);
    my $got = $push->stop;

    die "publishers lost: $got->{lost}, refused: $got->{refused}\n"
        if $got->{lost} || $got->{refused};

    return {
        cpu    => $cpu / $n / ($Bench::SECONDS / 60),
        memory => ($memory - $idle) / $n,
        rate   => $got->{bytes} * 8 / $n / $got->{seconds} / 1e6,
    };
}

return sub {
    my $size = int($Bench::PUBLISHERS * 24 + 128) . 'm';
    my $server = Bench::ours(size => $size);
    my $ours = measure($server);

    $server->stop;
    $server = Bench::nginx_rtmp();

    my $ref = measure($server);

    $server->stop;

    Bench::row("ingest: CPU s a publisher-minute ($Bench::PUBLISHERS)",
        ours => $ours->{cpu}, ref => $ref->{cpu}, limit => 0.6, unit => 's');
    Bench::row('ingest: memory outside the store a publisher',
        ours => $ours->{memory}, limit => 160, unit => 'kB');
};
