#!/usr/bin/perl

# Connections: those that ask for nothing, those that send what is no HTTP or
# far too much of it, and too many from one address.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use Live::Control;
use Live::Nginx qw(wait_for);

# Nobody is trusted: this test is a client as any other.
my $cp = Live::Control->new(conf => { body_timeout => 2, idle_timeout => 4,
    trusted_proxies => 'none', connections_per_address => 6 })->start;

sub connection {
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $cp->port) or die "connect: $!\n";
    binmode $sock;
    return $sock;
}

# What comes until the other side closes; a byte of $drip is sent each 50 ms.
sub read_all {
    my ($sock, $drip) = @_;
    my $text = '';
    my $end = time + 15;

    while (time < $end) {
        my $in = '';
        vec($in, fileno $sock, 1) = 1;

        if (select $in, undef, undef, 0.05) {
            sysread($sock, $text, 65536, length $text) or return $text;
        } elsif (length($drip // '')) {
            local $SIG{PIPE} = 'IGNORE';
            syswrite $sock, substr $drip, 0, 1, '';
        }
    }

    return undef;
}

sub is_problem {
    my ($text, $status, $what) = @_;

    like($text, qr{^HTTP/1\.1\ $status\ .*?
        ^Content-Type:\ application/problem\+json\r\n
        .*?\r\n\r\n\{.*"status":$status\b}msx, $what);
}

# The client that asks for the log's place in the meantime has one itself.
delete $cp->{client};

subtest 'who says nothing, or next to nothing' => sub {
    is_problem(read_all(connection()), 408, 'nothing at all');
    is_problem(read_all(connection(), 'GET /api/' . 'x' x 500), 408,
        'a request line, byte by byte');
    is_problem(read_all(connection(),
        "GET /api/streams HTTP/1.1\r\nX: " . 'x' x 500), 408,
        'headers, byte by byte');

    my $sock = connection();
    print $sock "GET /api/streams/live HTTP/1.1\r\nHost: a\r\n\r\n";
    my $text = read_all($sock, 'GET /api/' . 'x' x 500);
    like($text, qr/^HTTP\/1\.1 200 /, 'a kept connection');
    is(() = $text =~ /^HTTP/mg, 1, 'is closed without a word');
};

subtest 'what is no HTTP' => sub {
    my %bad = (
        'a line of nonsense' => "\x16\x03\x01\x02\r\n\r\n",
        'no such version'    => "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        'no host'            => "GET /api/streams HTTP/1.1\r\n\r\n",
        'huge headers'       => "GET / HTTP/1.1\r\nHost: a\r\n"
            . "X: " . 'x' x 60000 . "\r\n\r\n",
        'a length of letters' => "POST /api/auth/login HTTP/1.1\r\n"
            . "Host: a\r\nContent-Length: abc\r\n\r\n",
        'two lengths'        => "POST /api/auth/login HTTP/1.1\r\n"
            . "Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        'length and chunks'  => "POST /api/auth/login HTTP/1.1\r\nHost: a\r\n"
            . "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "0\r\n\r\n",
        'a chunk of letters' => "POST /api/auth/login HTTP/1.1\r\nHost: a\r\n"
            . "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    );

    for my $what (sort keys %bad) {
        my $sock = connection();
        local $SIG{PIPE} = 'IGNORE';
        my $lines = () = $cp->log =~ /"event":"(?:malformed|request)"/g;
        print $sock $bad{$what};
        $sock->shutdown(1);
        my $text = read_all($sock) // 'a hang';
        like($text, qr/^(?:HTTP\/1\.[01] 4\d\d |HTTP\/1\.[01] 505 |\z)/,
            $what) or diag $text;

        # what has no blank in its first line is hung up on, as a port scan
        next if $text eq '';

        ok(wait_for(sub {
            my $now = () = $cp->log =~ /"event":"(?:malformed|request)"/g;
            return $now > $lines;
        }, 10, 'a line of the log'), "$what: the log has it");
    }
};

subtest 'far too much' => sub {
    for my $how (qw(length chunks)) {
        my $sock = connection();
        my $data = '{"a":"' . 'x' x 65530;
        local $SIG{PIPE} = 'IGNORE';

        print $sock "POST /api/auth/login HTTP/1.1\r\nHost: a\r\n"
            . "Content-Type: application/json\r\n"
            . ($how eq 'length' ? 'Content-Length: ' . 300 * length $data
                : 'Transfer-Encoding: chunked') . "\r\n\r\n";

        # until there is an answer; that comes long before the end
        my ($sent, $in) = (0, '');
        while ($sent < 300) {
            vec($in = '', fileno $sock, 1) = 1;
            last if select $in, undef, undef, 0;
            print $sock $how eq 'length' ? $data
                : sprintf("%x\r\n%s\r\n", length $data, $data);
            $sent++;
        }

        cmp_ok($sent, '<', 300, "$how: the answer does not wait for the end");
        is_problem(read_all($sock), 413, "$how: too large");
    }

    ok(wait_for(sub {
        2 == grep { ($_->{status} // 0) == 413 }
            $cp->log_objects('/auth/login');
    }, 10, 'the log'), 'the log has both');
};

subtest 'too many from one address' => sub {
    my @socks = map { connection() } 1 .. 6;
    my $more = connection();

    is(read_all($more), '', 'one more is closed at once');
    like($cp->log, qr/"message":"refused a connection: 127\.0\.0\.1\/32 has 6"/,
        'the log says why');

    close shift @socks;
    ok(wait_for(sub {
        my $sock = connection();
        print $sock "GET /metrics HTTP/1.1\r\nHost: a\r\n"
            . "Connection: close\r\n\r\n";
        return (read_all($sock) // '')
            =~ /^live_api_connections_refused_total [1-9]/m;
    }, 10, 'a place'), 'when one has gone there is room again');
};

subtest 'a trusted proxy is everybody' => sub {
    $cp->stop;
    $cp->conf(trusted_proxies => '127.0.0.1');
    $cp->start;

    my @socks = map { connection() } 1 .. 20;
    print { $socks[-1] } "GET /healthz HTTP/1.1\r\nHost: a\r\n"
        . "Connection: close\r\n\r\n";
    like(read_all($socks[-1]), qr/^HTTP\/1\.1 200 /,
        'and has as many connections as it needs');
};

$cp->finish;
done_testing;
