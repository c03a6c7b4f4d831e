# Chat: CPU time of a delivery (one message to one member) beside nchan, and
# beside a floor: a program that makes one send() per delivery and does nothing
# else. The same members and messages of 128 bytes for all, in turn, in rounds.
# Besides: how long a message takes, reactions, memory of members, and readers
# that stop.

package Bench::Chat;

use strict;
use warnings;

use Live::Nginx qw(free_port wait_for);
use Time::HiRes qw(sleep);

my $ROUNDS = 2;

# Members join, then the run is measured: the generator's numbers, and the
# server's CPU seconds.
sub drive {
    my ($side, @args) = @_;
    my $load = Bench::tool('chat_load', @{ $side->{args} }, @args,
        $side->{url})->ready(180);
    my $before = Bench::cpu($side->{server});
    my $got = $load->end;

    $got->{cpu} = Bench::cpu($side->{server}) - $before;

    Bench::note("$side->{name}: members closed: $got->{closed}, missing: "
        . "$got->{missing}, twice: $got->{doubled}, errors: $got->{errors}")
        if $got->{closed} || $got->{missing} || $got->{doubled}
            || $got->{errors};

    return $got;
}

sub sides {
    my $ours = Bench::chat();
    my $nchan = Bench::nchan();
    my ($port, $lock) = free_port();
    my $floor = Bench::tool('chat_floor', $port)->ready(10);

    my %sides = (
        ours  => { server => $ours, args => [],
            url => Bench::url($ours, '/chat/') },
        nchan => { server => $nchan, args => ['-N'],
            url => Bench::url($nchan, '/chat/') },
        floor => { server => $floor, args => ['-N'], lock => $lock,
            url => "http://127.0.0.1:$port/chat/" },
    );

    $sides{$_}{name} = $_ for keys %sides;

    return \%sides;
}

# { side => { us => CPU of a delivery, p99 => ms, wrong => n, rate => a second
# of CPU } }
sub rounds {
    my ($sides, @args) = @_;
    my %sum;

    for (1 .. $ROUNDS) {
        for my $name (qw(floor nchan ours)) {
            my $got = drive($sides->{$name}, '-t', $Bench::SECONDS * 0.3,
                @args);
            my $s = $sum{$name} //= { cpu => 0, delivered => 0, p99 => 1e9,
                wrong => 0 };

            $s->{cpu} += $got->{cpu};
            $s->{delivered} += $got->{delivered};
            $s->{wrong} += $got->{missing} + $got->{doubled};

            # the better round: the rest is the machine's
            $s->{p99} = $got->{late_ms_p99} if $got->{late_ms_p99} < $s->{p99};
        }
    }

    $_->{us} = 1e6 * $_->{cpu} / ($_->{delivered} || 1) for values %sum;

    Bench::note(sprintf 'CPU a delivery: floor %.2f us, nchan %.2f, ours %.2f;'
        . ' p99: nchan %.1f ms, ours %.1f', $sum{floor}{us}, $sum{nchan}{us},
        $sum{ours}{us}, $sum{nchan}{p99}, $sum{ours}{p99});

    return \%sum;
}

sub delivery {
    my ($what, $got) = @_;

    Bench::row("$what: p99 beyond nchan's",
        ours => $got->{ours}{p99} - $got->{nchan}{p99}, limit => 50,
        unit => 'ms');
    Bench::row("$what: missing, twice, late",
        ours => $got->{ours}{wrong}, limit => 0);
}

# What is above the floor.
sub above {
    my ($what, $got) = @_;
    my ($floor, $nchan, $ours) = map { $got->{$_}{us} } qw(floor nchan ours);

    Bench::row("$what: delivery above floor",
        ours => $ours - $floor, ref => $nchan - $floor, limit => 0.5,
        unit => 'us');
    delivery($what, $got);
}

sub fan_out {
    my ($sides) = @_;
    my $n = $Bench::MANY;
    my $one = rounds($sides, '-n', 1000, '-m', 50);

    Bench::row('one room of 1,000, 50/s: CPU of a delivery',
        ours => $one->{ours}{us}, ref => $one->{nchan}{us}, limit => 0.5,
        unit => 'us');
    delivery('one room of 1,000', $one);

    my $large = rounds($sides, '-n', $n, '-m', 5, '-R', 3);
    above("one room of $n, 5/s", $large);

    above('1,000 rooms of 10, 5/s',
        rounds($sides, '-n', 10, '-r', 1000, '-m', 5, '-R', 3));

    my $flood = rounds($sides, '-n', 1000, '-w', 16);

    Bench::row('as many as go: CPU of a delivery', limit => 0.33,
        ours => $flood->{ours}{us}, ref => $flood->{nchan}{us}, unit => 'us');
    Bench::row('as many as go: missing, twice, late',
        ours => $flood->{ours}{wrong}, limit => 0);

    return $large->{ours}{us};
}

# 500,000 a minute, without what it costs to tell the members the sums.
sub reactions {
    my ($side, $delivery) = @_;
    my $n = $Bench::MANY;
    my $seconds = $Bench::SECONDS;
    my $idle = drive($side, '-n', $n, '-R', 3, '-t', $seconds);
    my $got = drive($side, '-n', $n, '-R', 3, '-t', $seconds, '-e', 8333);
    my $updates = $got->{updates} * $delivery / 1e6;

    Bench::row("reactions in a room of $n: CPU of one",
        ours => 1e6 * ($got->{cpu} - $idle->{cpu} - $updates)
            / ($got->{reactions} || 1), limit => 5, unit => 'us');
    Bench::row('updates with their sums, a second and member',
        ours => $got->{updates} / $n / $got->{seconds}, limit => 20);
}

# Resident memory of members who are there and say nothing; and what is left of
# many who came and went.
sub memory {
    my ($side) = @_;
    my $n = $Bench::MANY;
    my $server = $side->{server};
    my $empty = Bench::memory($server);
    my $load = Bench::tool('chat_load', @{ $side->{args} }, '-n', $n, '-R', 3,
        '-t', 1, '-D', 0, $side->{url})->ready(180);
    my $full = Bench::memory($server);

    $load->end;

    return ($full - $empty) / $n;
}

sub churn {
    my ($side) = @_;
    my $n = $Bench::MANY;
    my $first;

    # the first ones show how much room so many arrivals at once take
    for (0 .. 10) {
        Bench::tool('chat_load', '-n', $n, '-R', 2, '-t', 0, '-D', 0,
            $side->{url})->ready(180)->end;
        $first //= Bench::memory($side->{server});
    }

    return Bench::memory($side->{server}) - $first;
}

# Readers who stop, among others who do not.
sub stopped {
    my ($side) = @_;
    my $n = $Bench::MANY;

    # 220 kB: more than the queue and the kernel's buffers hold; what they
    # hold is filled when the measurement begins
    my @args = ('-n', 1000, '-m', 5, '-b', 1800, '-R', 3);

    # small buffers in the kernel: it is the server's queue that has to fill
    $side = { %$side, url => Bench::url($side->{server}, '/chat/', 'slow')
        =~ s/^slow/http/r };

    my $alone = drive($side, @args, '-t', 8);
    my $among = drive($side, @args, '-t', 24, '-W', 8, '-z', $n);

    Bench::row("$n readers who stop: those who were not closed",
        ours => $n - $among->{stopped}, limit => 0);
    Bench::row("$n readers who stop: p99 beyond without them",
        ours => $among->{late_ms_p99} - $alone->{late_ms_p99}, limit => 50,
        unit => 'ms');
}

sub {
    my $sides = sides();
    my ($ours, $nchan) = map { memory($sides->{$_}) } qw(ours nchan);

    Bench::note(sprintf 'memory of an idle member: nchan %.1f kB', $nchan);
    Bench::row('memory of an idle member', ours => $ours, limit => 6,
        unit => 'kB');
    Bench::row('more memory after ' . 10 * $Bench::MANY . ' joins and leaves',
        ours => churn($sides->{ours}), limit => 1024, unit => 'kB');

    my $delivery = fan_out($sides);

    reactions($sides->{ours}, $delivery);
    stopped($sides->{ours});
};
