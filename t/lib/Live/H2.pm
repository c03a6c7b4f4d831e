package Live::H2;

# A small HTTP/2 client in clear text, for what curl will not do: many requests
# at once on one connection, and windows that are opened by the byte.
#
#   my $h2 = Live::H2->new(port => 8080, window => 65535);
#   my $id = $h2->get('/x');                # a stream; nothing is read
#   $h2->pump(0.5);                         # reads what comes for so long
#   $h2->status($id); $h2->body($id); $h2->done($id); $h2->reset($id);
#   $h2->window_update($id, 100);           # lets 100 more bytes come
#   $h2->closed;                            # the connection is gone
#
# Requests are literal headers without Huffman codes or a table; of answers
# only :status is understood. Windows of streams are not opened again unless
# told, that of the connection always is (window_update(0) for everything).

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

my %STATUS = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304,
    0x8c => 400, 0x8d => 404, 0x8e => 500);

sub new {
    my ($class, %opt) = @_;
    my $self = bless {
        buf => '', next => 1, stream => {}, window => $opt{window} // 65535,
    }, $class;

    $self->{sock} = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $opt{port}, Proto => 'tcp', Timeout => 5)
        // die "connect: $!\n";
    binmode $self->{sock};

    # SETTINGS_INITIAL_WINDOW_SIZE
    $self->_write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . _frame(4, 0, 0, pack 'nN', 4, $self->{window}));

    return $self;
}

sub _frame {
    my ($type, $flags, $id, $payload) = @_;

    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $id) . $payload;
}

sub _write {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{sock}, $bytes;
        if (!defined $n) { $self->{closed} = 1; return }
        substr $bytes, 0, $n, '';
    }
}

sub get {
    my ($self, $path) = @_;
    my $id = $self->{next};

    $self->{next} += 2;

    # :method GET, :scheme http, then :path and :authority as literals
    my $block = "\x82\x86" . "\x04" . _string($path) . "\x01"
        . _string('localhost');
    $self->{stream}{$id} = { body => '' };
    $self->_write(_frame(1, 5, $id, $block));

    return $id;
}

# A length in the seven bits prefix of HPACK, and the bytes.
sub _string {
    my ($s) = @_;
    my $n = length $s;

    return pack('C', $n) . $s if $n < 127;

    my $out = "\x7f";
    for ($n -= 127; $n >= 128; $n >>= 7) { $out .= chr($n % 128 + 128) }

    return $out . chr($n) . $s;
}

sub window_update {
    my ($self, $id, $n) = @_;

    $self->_write(_frame(8, 0, $id, pack 'N', $n));
}

# Reads for so many seconds, or until the condition is true.
sub pump {
    my ($self, $seconds, $until) = @_;
    my $end = time() + $seconds;

    while (!$self->{closed}) {
        return 1 if $until && $until->();
        my $left = $end - time;
        last if $left <= 0;
        IO::Select->new($self->{sock})->can_read($left) or last;

        my $n = sysread $self->{sock}, $self->{buf}, 65536,
            length $self->{buf};
        if (!$n) { $self->{closed} = 1; last }

        $self->_frames;
    }

    return $until ? $until->() : 1;
}

sub _frames {
    my ($self) = @_;

    while (length $self->{buf} >= 9) {
        my ($hi, $lo, $type, $flags, $id) = unpack 'CnCCN', $self->{buf};
        my $n = ($hi << 16) + $lo;
        last if length $self->{buf} < 9 + $n;

        my $payload = substr $self->{buf}, 9, $n;
        substr $self->{buf}, 0, 9 + $n, '';
        my $s = $self->{stream}{$id};

        if ($type == 0 && $s) {
            $s->{body} .= $payload;
            $self->window_update(0, $n) if $n;

        } elsif ($type == 1 && $s) {
            my $first = ord $payload;
            # "literal with indexing, name of index 8", after a possible
            # table size update
            $s->{status} = $STATUS{$first}
                // ($payload =~ /\A(?:[\x20-\x3f][^\x08\x48]*)?[\x08\x48]\x03(\d{3})/
                    ? $1 : 0);

        } elsif ($type == 3 && $s) {
            $s->{reset} = 1;

        } elsif ($type == 4 && !($flags & 1)) {
            $self->_write(_frame(4, 1, 0, ''));

        } elsif ($type == 7) {
            $self->{goaway} = 1;
        }

        $s->{done} = 1 if $s && $type <= 1 && ($flags & 1);
    }
}

sub status { return $_[0]{stream}{ $_[1] }{status} }
sub body   { return $_[0]{stream}{ $_[1] }{body} }
sub done   { return $_[0]{stream}{ $_[1] }{done} }
sub reset  { return $_[0]{stream}{ $_[1] }{reset} }
sub closed { return $_[0]{closed} }
sub close  { CORE::close($_[0]{sock}) }

1;
