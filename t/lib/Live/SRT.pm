package Live::SRT;

# An SRT caller's handshake, byte by byte: what a listener answers to whatever.
#
#   my $c = Live::SRT->new('127.0.0.1', $port, from => '127.0.0.9');
#   my $cookie = $c->induction;              # undef: no answer
#   my $type = $c->conclusion(streamid => 'demo');
#   $type == 0xffffffff: accepted; 1000 and more: refused; undef: no answer
#   $c->data($seq, $bytes); $c->shutdown;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;

my $NEXT = 1000;

sub new {
    my ($class, $host, $port, %o) = @_;
    my $sock = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $host,
        PeerPort => $port, $o{from} ? (LocalAddr => $o{from}) : ())
        or die "udp: $!\n";

    return bless { sock => $sock, id => ++$NEXT, cookie => 0 }, $class;
}

sub send { return $_[0]{sock}->send($_[1]) }

sub recv {
    my ($self, $timeout) = @_;

    return unless IO::Select->new($self->{sock})->can_read($timeout // 2);
    $self->{sock}->recv(my $buf, 2048) // return;
    $self->{got} = $buf;

    return $buf;
}

# version, ext, type and cookie may be given; more: bytes behind it
sub handshake {
    my ($self, %o) = @_;

    return pack('NNNN', 0x80000000, 0, 7, 0)
        . pack('N n n N N N N N N', $o{version}, $o{enc} // 0, $o{ext},
            4242, 1500, 8192, $o{type}, $self->{id}, $o{cookie} // 0)
        . "\0" x 16 . ($o{more} // '');
}

sub induction {
    my ($self, $timeout) = @_;

    $self->send($self->handshake(version => 4, ext => 2, type => 1));
    my $buf = $self->recv($timeout) // return;

    return $self->{cookie} = unpack 'N', substr $buf, 44, 4;
}

# Texts go as little-endian words.
sub text {
    my ($type, $text) = @_;

    $text .= "\0" x (-length($text) % 4);

    return pack('n n', $type, length($text) / 4)
        . join '', map { scalar reverse } $text =~ /(.{4})/sg;
}

# streamid, congestion, filter, group; cookie, version, libsrt (its version),
# flags, latency
sub conclusion {
    my ($self, %o) = @_;
    my $more = pack 'n n N N n n', 1, 3, $o{libsrt} // 0x010501,
        $o{flags} // 0xbf, $o{latency} // 120, $o{latency} // 120;

    $more .= text(5, $o{streamid}) if defined $o{streamid};
    $more .= text(6, $o{congestion}) if defined $o{congestion};
    $more .= text(7, $o{filter}) if defined $o{filter};
    $more .= text(8, $o{group}) if defined $o{group};
    $more = $o{more} if defined $o{more};

    $self->send($self->handshake(version => $o{version} // 5, ext => 5,
        type => 0xffffffff, cookie => $o{cookie} // $self->{cookie},
        more => $more));
    my $buf = $self->recv($o{timeout}) // return;

    $self->{peer} = unpack 'N', substr $buf, 40, 4;

    return unpack 'N', substr $buf, 36, 4;
}

# Both, with a socket of its own.
sub ask {
    my ($class, $port, %o) = @_;
    my $c = $class->new('127.0.0.1', $port, from => $o{from});

    $c->induction // return;

    return $c->conclusion(%o);
}

sub data {
    my ($self, $n, $bytes) = @_;

    $self->send(pack('NNNN', (4242 + $n) & 0x7fffffff, 0xe0000000 + $n,
        $n * 10000, $self->{peer}) . $bytes);
}

sub shutdown {
    my ($self) = @_;

    $self->send(pack 'NNNNN', 0x80050000, 0, 7, $self->{peer}, 0);
}

1;
