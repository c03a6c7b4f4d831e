#!/usr/bin/perl

# PostgreSQL restarts, is killed, is slow or full, and the control plane is
# killed, while 100 clients write: no accepted write is lost, none is done
# twice, clients see 503 with Retry-After, and it recovers by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Storable ();
use Test::More;
use Time::HiRes qw(time sleep);

use Live::Control;
use Live::Nginx qw(wait_for);

my $CLIENTS = 100;
my $WRITES = 12;

my $cp = Live::Control->new(conf => { threads => 8,
    statement_timeout_ms => 1000 }, pg => { fsync => 1 })->start;
my $pg = $cp->postgres;

# An account has a limited number of streams.
my @users = map { $cp->register("user$_") } 1 .. 10;

sub clients {
    my ($name) = @_;

    return $cp->parallel($CLIENTS, sub {
        my ($c, $i) = @_;
        my (%seen, @made);
        $c->{timeout} = 10;

        for my $n (1 .. $WRITES) {
            my $key = "$name-client-$i-write-$n-0123456789";
            my $end = time + 20;
            my @request = (POST => '/streams',
                json => { title => "$name $i $n" }, key => $key,
                token => $users[$i % @users]{token});

            # now and then the answer is lost on its way, whatever else happens
            eval { $c->request(@request, abandon => 1) } if $n % 4 == 0;

            while (time < $end) {
                my $res = eval { $c->request(@request) };
                my $status = $res ? $res->status : 'cut';
                $seen{$status}++;
                $seen{'no Retry-After'}++
                    if $status eq 503 && !$res->header('Retry-After');

                if ($status eq 201) {
                    push @made, $res->json->{id};
                    last;
                }

                return { seen => \%seen, made => \@made }
                    if time > $end - 0.5;
                sleep 0.05 + rand 0.1;
            }
        }

        return { seen => \%seen, made => \@made };
    });
}

# 100 clients, each writes some streams, each of which it repeats with its key
# until it is accepted. Meanwhile disturb->() runs. Returns what the clients
# saw: status => count.
sub write_through {
    my ($name, $disturb) = @_;
    my $file = $cp->dir . '/clients';
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        Storable::nstore([ clients($name) ], $file);
        POSIX::_exit(0);
    }

    ok(wait_for(sub { $cp->sql("SELECT count(*) FROM streams WHERE title"
        . " LIKE '$name %'") > $CLIENTS }, 60), "$name: they write");
    $disturb->();
    waitpid $pid, 0;

    my @got = @{ Storable::retrieve($file) };
    my (%seen, @made);
    for my $got (@got) {
        $seen{$_} += $got->{seen}{$_} for keys %{ $got->{seen} };
        push @made, @{ $got->{made} };
    }

    my $all = $CLIENTS * $WRITES;
    is(scalar(@made), $all, "$name: every write was accepted in the end");

    my %rows = map { split /\|/ } split /\n/,
        $cp->sql("SELECT id, title FROM streams WHERE title LIKE '$name %'");
    is(scalar(grep { !$rows{$_} } @made), 0, "$name: none was lost");
    is(scalar(keys %rows), $all, "$name: none was done twice");
    is($seen{'no Retry-After'} // 0, 0, "$name: Retry-After with each 503");
    is(join(' ', grep { !/^(?:201|503|cut)$/ } sort keys %seen), '',
        "$name: nothing but 201 and 503");
    note("$name: ", join ', ', map { "$_: $seen{$_}" } sort keys %seen);

    return %seen;
}

subtest 'PostgreSQL restarts' => sub {
    my %seen = write_through('restart', sub { $pg->restart });
    cmp_ok($seen{503} // 0, '>', 0, 'they noticed');
};

subtest 'PostgreSQL is killed' => sub {
    my %seen = write_through('killed', sub { $pg->kill9; $pg->start });
    cmp_ok($seen{503} // 0, '>', 0, 'they noticed');
};

subtest 'the control plane is killed' => sub {
    my %seen = write_through('control', sub { $cp->kill9; $cp->start });
    cmp_ok($seen{cut} // 0, '>', 0, 'they noticed');
};

subtest 'it recovers by itself' => sub {
    my $pid = $pg->pid;
    kill 'INT', $pid;
    wait_for(sub { !kill 0, $pid }, 10);

    my $res = $cp->request(POST => '/streams', json => { title => 'x' },
        token => $users[0]{token});
    is($res->status, 503, 'without a database: 503');
    is($res->header('Retry-After'), 1, 'Retry-After');
    is($cp->request(GET => '/readyz', root => 1)->status, 503, 'not ready');
    is($cp->request(GET => '/healthz', root => 1)->status, 200, 'but alive');
    is($cp->request(GET => '/streams/live')->status, 503, 'reads too');

    $pg->start;
    my $start = time;
    ok(wait_for(sub { $cp->request(GET => '/readyz', root => 1)->status == 200
        && $cp->request(GET => '/streams/live')->status == 200 }, 5,
        'recovery'), 'it is back within 5 s');
    note(sprintf 'after %.2f s', time - $start);
};

subtest 'PostgreSQL does not move' => sub {
    my @workers = ($pg->pid, map { /(\d+)/ }
        `ps -o pid= --ppid @{[ $pg->pid ]}`);
    kill 'STOP', @workers;
    my $start = time;
    my $res = $cp->request(GET => '/streams/live');
    is($res->status, 503, 'a query without an answer');
    cmp_ok(time - $start, '<', 12, 'not for ever');
    kill 'CONT', @workers;
    ok(wait_for(sub { $cp->request(GET => '/streams/live')->status == 200 }, 5,
        'recovery'), 'it goes on');
};

subtest 'a lock that somebody holds' => sub {
    my $id = $cp->request(POST => '/streams', json => { title => 'locked' },
        token => $users[0]{token})->json->{id};
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        eval { $cp->sql("BEGIN; SELECT 1 FROM streams WHERE id = '$id'"
            . ' FOR UPDATE; SELECT pg_sleep(600)') };
        POSIX::_exit(0);
    }

    wait_for(sub { $cp->sql("SELECT count(*) FROM pg_stat_activity WHERE"
        . " wait_event = 'PgSleep'") == 1 }, 10, 'the lock');
    my $res = $cp->request(PATCH => "/streams/$id", json => { title => 'y' },
        token => $users[0]{token});
    is($res->status, 503, 'slow: 503') or diag $res->body;
    is($res->header('Retry-After'), 1, 'Retry-After');

    $cp->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
        . " wait_event = 'PgSleep'");
    waitpid $pid, 0;
    is($cp->request(PATCH => "/streams/$id", json => { title => 'y' },
        token => $users[0]{token})->status, 200, 'then it works');
};

subtest 'PostgreSQL is full' => sub {
    my $full = Live::Control->new(pg => { conf => { max_connections => 6,
        superuser_reserved_connections => 0, max_wal_senders => 0 } },
        conf => { threads => 16 })->start;

    # the tests' own connections are among the six
    my @got = $full->parallel(12, sub {
        my ($c) = @_;
        my @status = map { sleep 0.02; my $r = $c->request(GET =>
            '/streams/live');
            [ $r->status, $r->header('Retry-After') ] } 1 .. 20;
        return \@status;
    });
    my @all = map { @$_ } @got;
    is(scalar(grep { $_->[0] !~ /^(?:200|503)$/ } @all), 0, '200 or 503');
    is(scalar(grep { $_->[0] == 503 && !$_->[1] } @all), 0, 'Retry-After');
    cmp_ok(scalar(grep { $_->[0] == 503 } @all), '>', 0, 'it was full');
    cmp_ok(scalar(grep { $_->[0] == 200 } @all), '>', 0, 'some got through');
    $full->finish;
};

$cp->finish;
done_testing;
