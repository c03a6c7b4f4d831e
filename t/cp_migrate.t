#!/usr/bin/perl

# The schema: made, made twice, by two at once; refused when it is newer, when
# an old file was changed, when one is missing. The audit log's partitions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Copy qw(copy);
use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for write_file repo_dir);

my $cp = Live::Control->new(migrate => 0);
my @files = map { m{([^/]+)$} } sort glob repo_dir() . '/sql/*.sql';
my $sql = $cp->dir . '/sql';

mkdir $sql or die "$sql: $!";
copy(repo_dir() . "/sql/$_", "$sql/$_") or die "$_: $!" for @files;
$cp->conf(sql_dir => $sql);

sub refused {
    my ($args, $why, $name) = @_;
    my ($rc, $text) = $cp->run(@$args);

    isnt($rc, 0, "$name: refused");
    like($text, $why, "$name: and says why");
}

refused([], qr/empty: run control-plane --migrate/, 'an empty database');

{
    my @pids = map {
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my ($rc) = $cp->run('--migrate');
            POSIX::_exit($rc);
        }
        $pid;
    } 1 .. 4;
    my @rc = map { waitpid $_, 0; $? } @pids;
    is("@rc", '0 0 0 0', 'four at once');
    is($cp->sql('SELECT count(*) FROM schema_migrations'), scalar @files,
        'each file once');
}

my ($rc, $text) = $cp->run('--migrate');
is($rc, 0, 'again');
is($text, "nothing to do\n", 'nothing to do');

write_file("$sql/0900_more.sql", "CREATE TABLE more (id bigint);\n");
refused([], qr/older than this program: 0900_more\.sql is missing.*--migrate/,
    'an older schema');
($rc, $text) = $cp->run('--migrate');
is($text, "0900_more.sql\n", 'the one that is missing');

unlink "$sql/0900_more.sql";
refused(['--migrate'], qr/newer than this program: it has 0900_more\.sql/,
    'a newer schema');
refused([], qr/newer than this program/, 'a newer schema, to run with');
$cp->sql('DELETE FROM schema_migrations WHERE number = 900');

write_file("$sql/$files[0]", "-- other\n");
refused(['--migrate'], qr/\Q$files[0]\E was changed after it was applied/,
    'a changed file');
copy(repo_dir() . "/sql/$files[0]", "$sql/$files[0]");

write_file("$sql/0901_bad.sql", "CREATE TABLE half (id bigint);\nSELEC 1;\n");
refused(['--migrate'], qr/0901_bad\.sql: .*syntax error/, 'a wrong file');
is($cp->sql("SELECT to_regclass('half') IS NULL"), 't',
    'nothing of it is left');
unlink "$sql/0901_bad.sql";

copy("$sql/$files[0]", "$sql/0001_twin.sql");
refused(['--migrate'], qr/have the same number/, 'a number twice');
unlink "$sql/0001_twin.sql";

# ---- the audit log

$cp->start;

my $month = "to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')";
is($cp->sql("SELECT count(*) FROM pg_inherits"
    . " WHERE inhparent = 'audit_log'::regclass"), 13,
    'partitions for this month and a year ahead');

$cp->sql('DO $$ DECLARE p text; BEGIN'
    . " FOR p IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE"
    . " inhparent = 'audit_log'::regclass"
    . " AND right(inhrelid::regclass::text, 6) <> $month LOOP"
    . " EXECUTE 'DROP TABLE ' || p; END LOOP; END \$\$");
$cp->sql("CREATE TABLE audit_log_200001 PARTITION OF audit_log FOR VALUES"
    . " FROM ('2000-01-01Z') TO ('2000-02-01Z')");
$cp->sql("UPDATE timers SET next_at = now() WHERE name = 'audit_partitions'");
$cp->restart;

ok(wait_for(sub { $cp->sql("SELECT count(*) FROM pg_inherits"
    . " WHERE inhparent = 'audit_log'::regclass") == 13 }, 10, 'the job'),
    'a job makes them, and drops those that are old');
is($cp->sql("SELECT to_regclass('audit_log_200001') IS NULL"), 't', 'old ones');

my $ada = $cp->register('ada');
$cp->request(POST => '/streams', json => { title => 'x' },
    token => $ada->{token});
cmp_ok($cp->sql('SELECT count(*) FROM audit_log'), '>', 0, 'it is written');
ok(!eval { $cp->sql("UPDATE audit_log SET action = 'other'"); 1 },
    'and never changed');
ok(!eval { $cp->sql('DELETE FROM audit_log'); 1 }, 'nor removed');

$cp->finish;
done_testing;
