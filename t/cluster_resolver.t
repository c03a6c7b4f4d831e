#!/usr/bin/perl

# live_resolver: the control plane's name is asked for again, and of several
# addresses those are used that answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use POSIX ();
use Socket qw(inet_aton);
use Test::More;

use Live::FakeControl;
use Live::Nginx qw(wait_for free_port read_file write_file);

my ($dns_port, $lock) = free_port();
my $one = Live::FakeControl->new;
my $two = Live::FakeControl->new(port => $one->port, host => '127.0.0.2');

# A name server: answers every A question with the addresses in a file, once
# for each line; a question is noted.
sub name_server {
    my ($file, $log) = @_;
    my $sock = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $dns_port, Proto => 'udp') or die "bind: $!\n";
    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;

    while (my $from = recv $sock, my $msg, 512, 0) {
        my ($id) = unpack 'n', $msg;
        my $question = substr $msg, 12;
        my @addr = split ' ', read_file($file);

        open my $fh, '>>', $log;
        syswrite $fh, "@addr\n";
        send $sock, pack('n6', $id, 0x8180, 1, scalar @addr, 0, 0) . $question
            . join('', map { pack 'nnnNn a4', 0xc00c, 1, 1, 1, 4,
                inet_aton($_) } @addr), 0, $from;
    }

    POSIX::_exit(0);
}

my $ng = Live::Nginx->new(workers => 2, vars => { DNS => $dns_port,
    PORT => $one->port }, conf => <<'EOC');
live {
    live_store %%STORE%% 32m;
    live_control_plane http://control.test:%%PORT%%;
    live_resolver 127.0.0.1:%%DNS%% ipv6=off;
}
http {
    %%HTTP%%
    server { listen 127.0.0.1:%%PORT_http%%;
             location /status { live_status; } }
}
EOC

my ($file, $log) = map { $ng->dir . "/dns.$_" } qw(addrs log);

write_file($file, '127.0.0.1');
write_file($log, '');
my $pid = name_server($file, $log);

$one->start;
$ng->start;
ok($one->wait_beat(undef, 15), 'an address that the resolver gave');
is($one->last_beat->{headers}{host}, 'control.test:' . $one->port,
    'it is asked by its name');

write_file($file, '127.0.0.2');
$one->stop;
$two->start;
ok($two->wait_beat(undef, 20), 'its next address');

write_file($file, '127.0.0.3 127.0.0.1 127.0.0.2');
ok(wait_for(sub { read_file($log) =~ /^127\.0\.0\.3 /m }, 15), 'three');
$two->stop;
$one->start;
ok($one->wait_beat(undef, 20), 'the one of them that answers');

kill 'KILL', $pid;
waitpid $pid, 0;
ok($one->wait_beat(undef, 10), 'without a name server') for 1 .. 3;

$ng->finish;
done_testing;
