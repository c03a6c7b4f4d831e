package Live::WebSocket;

# A WebSocket client (RFC 6455) for tests: one that behaves, and one that can
# break every rule.
#
#   my $ws = Live::WebSocket->connect($ng->port('http'), '/chat/demo',
#       token => $token, name => 'Ann');    # sends a hello, waits for one
#   my $ws = Live::WebSocket->open($port, '/chat/demo');   # the handshake alone
#   is($ws->status, 101);
#   is($ws->header('Sec-WebSocket-Protocol'), 'live.chat.v1');
#
#   $ws->send({ type => 'message', text => 'hi' });        # JSON in a text frame
#   my $m = $ws->message(type => 'message', text => 'hi'); # the next like that
#   my @m = $ws->messages(10, type => 'message');          # the next 10
#   ok($ws->quiet(0.3, type => 'message'));                # none comes
#   is_deeply([$ws->close(1000, 'bye')], [1000, '']);      # the peer's answer
#   is(($ws->ended)[0], 1002);                             # closed by the peer
#
#   $ws->frame(op => 9, data => 'x');       # fin => 0, rsv => 4, mask => 0 or
#                                           # "abcd", size => 7|16|64 (bits)
#   $ws->raw($bytes);
#   my $f = $ws->next_frame(5);             # { fin, rsv, op, data } or undef
#
# Options of open(): headers (list of "Name: value", which replace the default
# of that name; "Name" alone takes it away), protocol (live.chat.v1; undef: none),
# key, method, http (1.1), addr (127.0.0.1), from (source address), tls,
# timeout (10 s, for everything), prefix and early (bytes before and behind the
# request: PROXY protocol, frames that do not wait), rcvbuf (bytes; for slow
# readers), append (headers replace nothing). Pings are answered while messages
# are waited for, unless no_pong is set.
#
# What message() skips is kept for later calls of it.

use strict;
use warnings;

use Digest::SHA qw(sha1);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Socket qw(SOL_SOCKET SO_RCVBUF IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use constant {
    TEXT => 1, BINARY => 2, CLOSE => 8, PING => 9, PONG => 10,
};

my $JSON = JSON::PP->new->utf8->canonical;
my $GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

# --- the handshake

sub open {
    my ($class, $port, $path, %opt) = @_;
    my $self = bless { in => '', kept => [], timeout => $opt{timeout} // 10,
        no_pong => $opt{no_pong} }, $class;

    $self->_socket($port, %opt);

    $self->{key} = $opt{key} // encode_base64(join('', map { chr rand 256 }
        1 .. 16), '');
    $self->_write(($opt{prefix} // '') . $self->_request($port, $path, %opt)
        . ($opt{early} // ''));
    $self->_response;

    return $self;
}

sub _socket {
    my ($self, $port, %opt) = @_;
    my $addr = $opt{addr} // '127.0.0.1';
    my $proto = getprotobyname('tcp');

    socket(my $socket, Socket::PF_INET(), Socket::SOCK_STREAM(), $proto)
        or die "socket: $!\n";

    # has to be said before the connection is made
    setsockopt($socket, SOL_SOCKET, SO_RCVBUF, $opt{rcvbuf}) if $opt{rcvbuf};

    bind($socket, Socket::pack_sockaddr_in(0, Socket::inet_aton($opt{from})))
        or die "bind: $!\n" if $opt{from};
    connect($socket, Socket::pack_sockaddr_in($port, Socket::inet_aton($addr)))
        or die "connect $addr:$port: $!\n";

    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);

    if ($opt{tls}) {
        require IO::Socket::SSL;
        $socket = IO::Socket::SSL->start_SSL(
            IO::Socket::INET->new_from_fd($socket, 'r+'),
            SSL_verify_mode => 0, SSL_hostname => 'localhost')
            or die 'TLS: ' . IO::Socket::SSL::errstr() . "\n";
    }

    binmode $socket;
    $socket->autoflush(1);
    $self->{socket} = $socket;
    $self->{select} = IO::Select->new($socket);
}

sub _request {
    my ($self, $port, $path, %opt) = @_;
    my $protocol = exists $opt{protocol} ? $opt{protocol} : 'live.chat.v1';
    my @lines = ("Host: localhost:$port", 'Upgrade: websocket',
        'Connection: Upgrade', "Sec-WebSocket-Key: $self->{key}",
        'Sec-WebSocket-Version: 13');

    push @lines, "Sec-WebSocket-Protocol: $protocol" if defined $protocol;

    for my $line (@{ $opt{headers} // [] }) {
        my ($name) = $line =~ /^([^:]+)/;
        my $seen = $opt{append} ? 1 : $self->{replaced}{ lc $name }++;

        @lines = grep { !/^\Q$name\E:/i } @lines unless $seen;
        push @lines, $line if $line =~ /:/;
    }

    return join("\r\n", ($opt{method} // 'GET') . " $path HTTP/"
        . ($opt{http} // '1.1'), @lines, '', '');
}

sub _response {
    my ($self) = @_;
    my $until = time + $self->{timeout};

    while ($self->{in} !~ /\r\n\r\n/) {
        $self->_read($until - time) or last;
    }

    if ($self->{in} =~ s/\A(HTTP\/1\.[01] (\d+).*?\r\n)\r\n//s) {
        $self->{head} = $1;
        $self->{status} = $2;
    }
}

# 0: no response.
sub status { return $_[0]{status} // 0 }

sub head { return $_[0]{head} // '' }

sub header {
    my ($self, $name) = @_;

    return $self->head =~ /^\Q$name\E:[ \t]*(.*?)[ \t]*\r$/mi ? $1 : undef;
}

# What Sec-WebSocket-Accept has to be.
sub accept_key { return encode_base64(sha1("$_[0]{key}$GUID"), '') }

sub connect {
    my ($class, $port, $path, %opt) = @_;
    my %hello = (type => 'hello');

    for my $name (qw(token name device offset epoch)) {
        $hello{$name} = delete $opt{$name} if defined $opt{$name};
    }

    my $self = $class->open($port, $path, %opt);

    die 'WebSocket: ' . ($self->head || 'no response') . "\n"
        if $self->status != 101;

    $self->send(\%hello);
    $self->{hello} = $self->message(type => 'hello')
        // die 'WebSocket: no hello: ' . $self->story . "\n";

    return $self;
}

# The server's.
sub hello { return $_[0]{hello} }

# --- bytes

sub socket { return $_[0]{socket} }

sub _write {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $done = 0;

    while ($done < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $done,
            $done;
        return 0 unless defined $n;
        $done += $n;
    }

    return 1;
}

# False at the end of the time or of the connection.
sub _read {
    my ($self, $wait) = @_;

    return 0 if $self->{eof} || $wait < 0;

    my $pending = $self->{socket}->can('pending') && $self->{socket}->pending;
    return 0 unless $pending || $self->{select}->can_read($wait);

    my $n = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};

    $self->{eof} = 1 unless $n;
    return $n;
}

sub raw { return $_[0]->_write($_[1]) }

# A frame as bytes; see the top for the options.
sub bytes {
    my ($self, %opt) = @_;
    my $data = $opt{data} // '';
    my $n = $opt{length} // length $data;
    my $size = $opt{size} // ($n < 126 ? 7 : $n < 65536 ? 16 : 64);
    my $mask = $opt{mask} // pack 'N', int rand 0xffffffff;
    my $masked = $mask ne '0';

    utf8::encode($data) if utf8::is_utf8($data);

    my $head = pack 'C', ($opt{fin} // 1) << 7 | ($opt{rsv} // 0) << 4
        | ($opt{op} // TEXT);

    $head .= pack 'C', ($masked ? 0x80 : 0)
        | ($size == 7 ? $n : $size == 16 ? 126 : 127);
    $head .= pack $size == 16 ? 'n' : 'Q>', $n if $size > 7;

    return $head . $data unless $masked;

    my $key = substr $mask x (1 + length($data) / 4), 0, length $data;

    return $head . $mask . ($data ^ $key);
}

sub frame { my $self = shift; return $self->_write($self->bytes(@_)) }

# A hash as JSON, or text as it is.
sub send {
    my ($self, $what) = @_;

    return $self->frame(data => ref $what ? $JSON->encode($what) : $what);
}

sub ping { return $_[0]->frame(op => PING, data => $_[1] // '') }

# --- frames

sub next_frame {
    my ($self, $wait) = @_;
    my $until = time + ($wait // $self->{timeout});

    for ( ;; ) {
        my $frame = $self->_take;
        return $frame if $frame;

        my $left = $until - time;
        $self->_read($left < 0 ? 0 : $left) or return undef;
    }
}

sub _take {
    my ($self) = @_;
    my $have = length $self->{in};

    return undef if $have < 2;

    my ($first, $n) = unpack 'CC', $self->{in};
    my $at = 2;

    die "WebSocket: the server's frame is masked\n" if $n & 0x80;

    if ($n == 126) {
        return undef if $have < ($at = 4);
        $n = unpack 'x2n', $self->{in};

    } elsif ($n == 127) {
        return undef if $have < ($at = 10);
        $n = unpack 'x2Q>', $self->{in};
    }

    return undef if $have < $at + $n;

    my $data = substr $self->{in}, $at, $n;
    substr $self->{in}, 0, $at + $n, '';

    my $frame = { fin => $first >> 7, rsv => $first >> 4 & 7,
        op => $first & 15, data => $data };

    $self->{last} = $frame;

    if ($frame->{op} == CLOSE) {
        $self->{close} //= length $data >= 2
            ? [unpack('n', $data), substr $data, 2] : [1005, ''];

    } elsif ($frame->{op} == PING && !$self->{no_pong}) {
        $self->frame(op => PONG, data => $data);
    }

    return $frame;
}

# --- messages

sub _fits {
    my ($message, %like) = @_;

    for my $name (keys %like) {
        my ($got, $want) = ($message->{$name}, $like{$name});

        return 0 unless defined $got;
        return 0 unless ref $want eq 'Regexp' ? $got =~ $want : $got eq $want;
    }

    return 1;
}

# The next message that is like that; undef when none comes in time, or the
# connection ends. Option -wait: seconds.
sub message {
    my ($self, %like) = @_;
    my $wait = delete $like{-wait} // $self->{timeout};
    my $until = time + $wait;
    my $kept = $self->{kept};

    for my $i (0 .. $#$kept) {
        return splice @$kept, $i, 1 if _fits($kept->[$i], %like);
    }

    for ( ;; ) {
        my $left = $until - time;
        my $frame = $self->next_frame($left < 0 ? 0 : $left) // return undef;

        return undef if $frame->{op} == CLOSE;
        next if $frame->{op} != TEXT;

        my $message = $JSON->decode($frame->{data});

        return $message if _fits($message, %like);
        push @$kept, $message;
    }
}

sub messages {
    my ($self, $n, %like) = @_;
    my @got;

    while (@got < $n) {
        push @got, $self->message(%like) // last;
    }

    return @got;
}

# No message like that comes for so long.
sub quiet {
    my ($self, $wait, %like) = @_;
    my $message = $self->message(%like, -wait => $wait) // return 1;

    push @{ $self->{kept} }, $message;
    return 0;
}

# Everything that has come and was not asked for.
sub kept {
    my ($self) = @_;

    1 while $self->next_message_kept;
    return @{ $self->{kept} };
}

sub next_message_kept {
    my ($self) = @_;
    my $frame = $self->next_frame(0) // return 0;

    push @{ $self->{kept} }, $JSON->decode($frame->{data})
        if $frame->{op} == TEXT;
    return 1;
}

# --- the end

# Waits for the peer's close frame and the end of the connection: (code,
# reason); code 0 when it ends without a frame, () when it does not end.
sub ended {
    my ($self, $wait) = @_;
    my $until = time + ($wait // $self->{timeout});

    until ($self->{eof}) {
        my $left = $until - time;

        last unless $self->next_frame($left < 0 ? 0 : $left) || $self->{eof};
    }

    return () unless $self->{eof};
    return @{ $self->{close} // [0, ''] };
}

# Says good-bye and waits for the answer.
sub close {
    my ($self, $code, $reason) = @_;

    $self->frame(op => CLOSE, data => defined $code
        ? pack('n', $code) . ($reason // '') : '');

    return $self->ended;
}

# Without a word.
sub drop {
    my ($self) = @_;

    CORE::close($self->{socket});
    $self->{eof} = 1;
}

# For diag().
sub story {
    my ($self) = @_;

    return join ', ', $self->{head} ? $self->{head} =~ /^(.*?)\r/ : 'no head',
        $self->{close} ? "closed: @{ $self->{close} }" : (),
        $self->{eof} ? 'ended' : (),
        $self->{last} ? "last frame: op $self->{last}{op} $self->{last}{data}"
            : ();
}

1;
