#!/usr/bin/perl

# Rate limits in Redis are those of all daemons together; without Redis each
# counts in its memory, and says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use POSIX ();
use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for free_port);

my ($server) = grep { -x } map { "$_/redis-server" } '/usr/bin',
    '/usr/local/bin';
plan skip_all => 'redis-server is not installed' unless $server;

my $dir = tempdir(CLEANUP => 1);
my ($port, $lock) = free_port();
my ($redis, $owner) = (0, $$);

sub redis_start {
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec $server, '--port', $port, '--bind', '127.0.0.1', '--save', '',
            '--dir', $dir, '--requirepass', 'se:c%r@t/'
            or POSIX::_exit(127);
    }

    $redis = $pid;
    wait_for(sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") }, 10,
        'redis') or die "redis does not start\n";
}

sub redis_stop {
    return unless $redis && $owner == $$;
    kill 'CONT', $redis;
    kill 'KILL', $redis;
    waitpid $redis, 0;
    $redis = 0;
}

END { local $?; redis_stop() }

redis_start();

my %conf = (redis => "redis://:se%3Ac%25r%40t%2F\@127.0.0.1:$port/1",
    rate_search => '5/3600', rate_read => 'off');
my $one = Live::Control->new(conf => { %conf })->start;
my $two = Live::Control->new(conf => { %conf },
    postgres => $one->postgres)->start;

sub statuses {
    return join ' ', map { $_->request(GET => '/streams')->status } @_;
}

is($one->request(GET => '/readyz', root => 1)->json->{redis}, 'ok',
    'redis is there');
is(statuses($one, $two, $one, $two, $one, $two, $one), '200 200 200 200 200'
    . ' 429 429', 'two daemons count together');

redis_stop();
is(statuses(($one) x 6), '200 200 200 200 200 429',
    'without Redis each counts by itself');
is($two->request(GET => '/streams')->status, 200, 'the other one too');
is($one->request(GET => '/readyz', root => 1)->json->{redis}, 'down',
    'it says so');
like($one->log, qr/redis does not answer/, 'in the log');
is(scalar(() = $one->log =~ /redis does not answer/g), 1, 'once');

redis_start();
ok(wait_for(sub { $one->request(GET => '/streams');
    $one->request(GET => '/readyz', root => 1)->json->{redis} eq 'ok' }, 10,
    'redis'), 'it is used again');
like($one->log, qr/redis answers again/, 'and says so');

kill 'STOP', $redis;
is($two->request(GET => '/streams')->status, 200,
    'one that hangs holds nobody up');
unlike($one->log . $two->log, qr/secret/, 'no password in the log');

redis_stop();
$_->finish for $one, $two;
done_testing;
