#!/usr/bin/perl

# The SRT receiver behind a bad network: what a real sender's transport stream
# comes out as, to the bit, beside libsrt's own receiver behind the same one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for free_port read_file);

plan(skip_all => 'no srt-live-transmit')
    if system('command -v srt-live-transmit > /dev/null') != 0;

my $tools = ($ENV{BUILD} // Live::Nginx::repo_dir() . '/build') . '/tools';
my $dir = tempdir(CLEANUP => 1);
my $RATE = 3_000_000;
my $SIZE = 1316 * 1500;                 # 5 s …
my $MORE = 1316 * 100;                  # … and what is not looked at: nobody
                                        # can miss a last packet

# Packets that look like a transport stream's and are all different.
{
    open my $fh, '>:raw', "$dir/in" or die $!;
    my $x = 1;
    for my $n (0 .. ($SIZE + $MORE) / 188 - 1) {
        $x = ($x * 1103515245 + 12345) & 0x7fffffff;
        print $fh pack('C n C N', 0x47, 0x100, 0x10 | $n % 16, $n),
            pack('N', $x) x 45;
    }
}

is(-s "$dir/in", $SIZE + $MORE, 'the file to send');

# One sender, the network, one receiver: all of them at once.
sub begin {
    my ($name, %o) = @_;
    my ($in, $lock) = free_port();
    my ($out, $other) = free_port();
    my %c = (name => $name, file => "$dir/$name", 
        locks => [ $lock, $other ], %o);
    my $query = "latency=$o{latency}" . ($o{pass} ? "&passphrase=$o{pass}"
        . "&pbkeylen=$o{key}&kmrefreshrate=400&kmpreannounce=150" : '');

    if ($o{libsrt}) {
        $c{recv} = Live::Encoder->_spawn('srt-live-transmit', '-q', '-a:no',
            '-chunk:1316', "srt://127.0.0.1:$out?mode=listener&$query",
            'file://con');
        $c{file} = $c{recv}{log}->filename;
    } else {
        $c{recv} = Live::Encoder->_spawn("$tools/srt_recv", $out, $c{file},
            'latency=20', $o{pass} ? "passphrase=$o{pass}" : ());
        wait_for(sub { $c{recv}->log =~ /listening/ }) or die $c{recv}->log;
    }

    # its standard input ends with us
    $c{net} = Live::Encoder->_spawn('bash', '-c', 'exec "$@" < <(exec tail '
        . "--pid=$$ -f /dev/null)", 'net', "$tools/udp_lossy", $in, $out,
        'seed=7', 'clean=4', @{ $o{net} });
    wait_for(sub { $c{net}->log =~ /forwarding/ }) or die $c{net}->log;

    $c{send} = Live::Encoder->srt("srt://127.0.0.1:$in?$query", "$dir/in",
        bitrate => $RATE, wait => 1.5);

    return \%c;
}

my @cases = (
    begin('clean', latency => 120, net => []),
    begin('loss8', latency => 400, net => [qw(loss=8 rtt=50)]),
    begin('libsrt', latency => 400, net => [qw(loss=8 rtt=50)], libsrt => 1),
    begin('keys', latency => 400, net => [qw(loss=3 rtt=50)], key => 16,
        pass => 'correct-horse'),
    begin('mess', latency => 1500,
        net => [qw(loss=4 burst=5 rtt=200 jitter=30 dup=3 reorder=3)]),
    begin('late', latency => 40, net => [qw(loss=5 rtt=100)]),
    begin('order', latency => 200, net => [qw(rtt=20 reorder=10)]),
);

# all has been sent, and its latency is over
for my $c (@cases) {
    my $done = sub {
        my $size = -s $c->{file} // 0;
        my $moved = $size != ($c->{seen} // -1) || $size == 0;

        $c->{seen} = $size;

        return $size >= $SIZE + $MORE || !$moved && time() > $^T + 14;
    };

    wait_for(sub { select undef, undef, undef, 0.2; $done->() }, 25);
}

$_->{send}->stop for @cases;

for my $c (@cases) {
    wait_for(sub { !$c->{recv}->running }, 10) unless $c->{libsrt};
    my %v = $c->{libsrt} ? () : $c->{recv}->log =~ /^(\w+)=(.*)$/mg;
    my $got = read_file($c->{file});
    $c->{v} = \%v;
    $c->{got} = $got;
    $c->{recv}->stop;
    $c->{net}->kill;
}

my $in = read_file("$dir/in");

for my $c (@cases) {
    my $v = $c->{v};
    my $name = $c->{name};

    if ($name eq 'late') {
        ok($v->{dropped} > 10, "late: $v->{dropped} packets are given up");
        is(length($c->{got}) % 1316, 0, '… and nothing but whole ones');
        next;
    }

    ok(length $c->{got} >= $SIZE
        && substr($c->{got}, 0, $SIZE) eq substr($in, 0, $SIZE),
        "$name: to the bit")
        or diag(length $c->{got}, ' of ', length $in,
            $c->{libsrt} ? () : "\n" . $c->{recv}->log);

    next if $c->{libsrt};

    cmp_ok($v->{retransmitted}, '<=', 1.35 * $v->{lost} + 10,
        "… $v->{retransmitted} sent again for $v->{lost} lost");
    is($v->{undecrypted}, 0, '… all could be read');
}

my %by = map { $_->{name} => $_->{v} } @cases;
is($by{clean}{lost}, 0, 'a clean network: nothing is asked for');
is($by{keys}{key_len}, 16, 'encrypted, and the key changed three times');
cmp_ok($by{order}{retransmitted}, '<', 60,
    'overtaken packets are soon not taken for lost ones');
is($by{loss8}{latency_ms}, 400, "the sender's latency counts when it is larger");

done_testing();
