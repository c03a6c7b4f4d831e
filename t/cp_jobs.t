#!/usr/bin/perl

# Periodic work: of several daemons one does it when it is due; it goes on
# when that one is killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for);

my $first = Live::Control->new;

# Every turn that anybody takes is written down.
$first->sql(<<'EOS');
CREATE TABLE turns (name text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.last_at IS DISTINCT FROM OLD.last_at THEN
        INSERT INTO turns (name, at) VALUES (NEW.name, NEW.last_at);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER turn AFTER INSERT OR UPDATE ON timers
    FOR EACH ROW EXECUTE FUNCTION turn();
EOS

my @daemons = ($first, map { Live::Control->new(postgres => $first->postgres) }
    1 .. 2);
$_->start for @daemons;

my $name = 'lifecycle_watch';         # every 2 s
my $turns = sub {
    return $first->sql("SELECT count(*) FROM turns WHERE name = '$name'");
};

ok(wait_for(sub { $turns->() >= 4 }, 30, 'turns'),
    'it is done again and again');
is($first->sql("SELECT count(*) FROM (SELECT at - lag(at) OVER (ORDER BY at)"
    . " AS gap FROM turns WHERE name = '$name') g"
    . " WHERE gap < interval '2 seconds'"), 0, 'by one of three at a time');
is($first->sql("SELECT count(*) FROM turns WHERE name = 'audit_partitions'"), 1,
    'what is due once an hour is done once');
is($first->sql('SELECT count(*) FROM timers WHERE failures > 0'), 0,
    'nothing failed');

# one daemon and then another dies: the last one goes on alone
$_->kill9 for @daemons[0, 1];
my $before = $turns->();
ok(wait_for(sub { $turns->() >= $before + 2 }, 30, 'turns'),
    'it goes on when others are killed');

# the database goes away and comes back
$first->postgres->restart;
$before = $turns->();
ok(wait_for(sub { $turns->() >= $before + 2 }, 30, 'turns'),
    'and after a restart of the database');

$first->sql('DROP TABLE turns CASCADE');
$first->sql('DROP FUNCTION turn() CASCADE');
$_->finish for reverse @daemons;
done_testing;
