package Live::HTTP;

# A small HTTP/1.1 client for tests: keep-alive, requests whose answer is read
# later (blocking reloads), and bodies that never end (feeds).
#
#   my $c = Live::HTTP->new(port => 8080);
#   my $res = $c->request(GET => '/x', headers => { Host => 'a' });
#   $res->status; $res->header('Content-Type'); $res->headers('Vary');
#   $res->body;
#
#   $c->send(GET => '/x');              # then, at any time:
#   $c->readable(0);                    # has anything come?
#   my $res = $c->read_response;
#
#   my $head = $c->send(GET => '/feed/a')->read_head;
#   my $bytes = $c->read_body(1000);    # de-chunked; at least one byte, at
#                                       # most 1000; undef at the end
#
# Errors (refused, time-out, closed too early) die with a message.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

sub new {
    my ($class, %opt) = @_;
    my $self = bless {
        host    => $opt{host} // '127.0.0.1',
        port    => $opt{port},
        timeout => $opt{timeout} // 10,
        buf     => '',
    }, $class;

    $self->{sock} = $opt{sock} // IO::Socket::INET->new(
        PeerAddr => $self->{host}, PeerPort => $self->{port},
        Proto => 'tcp', Timeout => 5,
        $opt{local} ? (LocalAddr => $opt{local}) : (),
    ) // die "connect $self->{host}:$self->{port}: $!\n";
    binmode $self->{sock};

    return $self;
}

sub sock  { return $_[0]{sock} }
sub close { close $_[0]{sock} }

sub request {
    my ($self, $method, $path, %opt) = @_;

    $self->send($method, $path, %opt);

    return $self->read_response;
}

# Options: headers => { Name => value or [values] }, body, close => 1,
# version => '1.0'.
sub send {
    my ($self, $method, $path, %opt) = @_;
    my %headers = (Host => 'localhost', %{ $opt{headers} // {} });
    my $text = "$method $path HTTP/" . ($opt{version} // '1.1') . "\r\n";

    $headers{Connection} //= 'close' if $opt{close};
    $headers{'Content-Length'} //= length $opt{body} if defined $opt{body};

    for my $name (sort keys %headers) {
        my $value = $headers{$name};
        next unless defined $value;
        $text .= "$name: $_\r\n" for ref $value ? @$value : $value;
    }

    $self->{method} = $method;
    $self->write_raw("$text\r\n" . ($opt{body} // ''));

    return $self;
}

sub write_raw {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{sock}, $bytes;
        die "write: $!\n" unless defined $n;
        substr($bytes, 0, $n, '');
    }

    return $self;
}

# True when bytes, or the end, have come (waits up to the given seconds).
sub readable {
    my ($self, $timeout) = @_;

    return 1 if length $self->{buf};

    return scalar IO::Select->new($self->{sock})->can_read($timeout // 0);
}

# Reads more into the buffer; false at the end of the connection.
sub _fill {
    my ($self) = @_;
    my $timeout = $self->{deadline} ? $self->{deadline} - time() : 0;

    $timeout = 0 if $timeout < 0;

    IO::Select->new($self->{sock})->can_read($timeout)
        or die "timed out after $self->{timeout} s reading from "
            . "port $self->{port}\n";

    my $n = sysread $self->{sock}, $self->{buf}, 65536, length $self->{buf};
    die "read: $!\n" unless defined $n;

    return $n;
}

# Status line and header; the body is read with read_body().
sub read_head {
    my ($self, %opt) = @_;
    my $res;

    $self->{deadline} = time() + ($opt{timeout} // $self->{timeout});

    do {
        until ($self->{buf} =~ /\r?\n\r?\n/) {
            $self->_fill or die "connection closed in the header: "
                . "\"$self->{buf}\"\n";
        }

        $self->{buf} =~ s/\A(.*?)\r?\n\r?\n//s;
        $res = Live::HTTP::Response->new($1);
    } while ($res->status >= 100 && $res->status < 200
             && $res->status != 101);

    my $method = $self->{method} // 'GET';
    my $coding = $res->header('Transfer-Encoding') // '';
    my $length = $res->header('Content-Length');

    $self->{left} = undef;
    $self->{chunked} = 0;
    $self->{ended} = 0;

    if ($method eq 'HEAD' || $res->status == 204 || $res->status == 304) {
        $self->{ended} = 1;

    } elsif ($coding =~ /chunked/i) {
        $self->{chunked} = 1;
        $self->{left} = 0;
        $self->{first} = 1;

    } elsif (defined $length) {
        $self->{left} = $length;
        $self->{ended} = 1 if $length == 0;
    }

    return $res;
}

sub read_body {
    my ($self, $max, %opt) = @_;

    $max //= 65536;
    $self->{deadline} = time() + ($opt{timeout} // $self->{timeout});

    return undef if $self->{ended};

    if ($self->{chunked} && $self->{left} == 0) {
        $self->_chunk_head or return undef;
    }

    unless (length $self->{buf}) {
        unless ($self->_fill) {
            $self->{ended} = 1;
            die "connection closed in the body\n" if defined $self->{left};
            return undef;
        }
    }

    $max = $self->{left} if defined $self->{left} && $self->{left} < $max;

    my $bytes = substr $self->{buf}, 0, $max, '';

    if (defined $self->{left}) {
        $self->{left} -= length $bytes;
        $self->{ended} = 1 if $self->{left} == 0 && !$self->{chunked};
    }

    return $bytes;
}

# Goes to the next chunk's data; false after the last one.
sub _chunk_head {
    my ($self) = @_;
    my $eol = $self->{first} ? qr/\A/ : qr/\A\r\n/;

    $self->{first} = 0;

    until ($self->{buf} =~ /$eol([0-9a-f]+)[^\n]*\n/i) {
        $self->_fill or die "connection closed between chunks\n";
    }

    $self->{buf} =~ s/$eol([0-9a-f]+)[^\n]*\n//i;
    $self->{left} = hex $1;

    if ($self->{left} == 0) {
        until ($self->{buf} =~ /\A(?:[^\r\n]+\r\n)*\r\n/) {
            $self->_fill or last;
        }

        $self->{buf} =~ s/\A(?:[^\r\n]+\r\n)*\r\n//;
        $self->{ended} = 1;
        return 0;
    }

    return 1;
}

# The whole response.
sub read_response {
    my ($self, %opt) = @_;
    my $res = $self->read_head(%opt);
    my $body = '';

    while (defined(my $bytes = $self->read_body(1 << 20, %opt))) {
        $body .= $bytes;
    }

    $res->{body} = $body;

    return $res;
}

# A response from text, as curl -D - prints it (the last header block counts:
# before it may stand those of redirects and 1xx).
sub parse {
    my ($text) = @_;
    my $res;

    while ($text =~ s/\A(HTTP\/.*?)\r?\n\r?\n//s) {
        $res = Live::HTTP::Response->new($1);
        last unless $text =~ /\AHTTP\/[0-9.]+ \d/;
    }

    die "no response: \"$text\"\n" unless $res;
    $res->{body} = $text;

    return $res;
}

package Live::HTTP::Response;

use strict;
use warnings;

sub new {
    my ($class, $head) = @_;
    my ($line, @lines) = split /\r?\n/, $head;
    my ($version, $status) = ($line // '') =~ m{^(HTTP/[0-9.]+) (\d+)}
        or die "bad status line: \"" . ($line // '') . "\"\n";
    my $self = bless { version => $version, status => $status, body => '',
        line => $line, list => [] }, $class;

    for (@lines) {
        push @{ $self->{list} }, [$1, $2] if /^([^:]+):\s*(.*?)\s*$/;
    }

    return $self;
}

sub status  { return $_[0]{status} }
sub version { return $_[0]{version} }
sub body    { return $_[0]{body} }

# The first value of a header; undef without one.
sub header { return ($_[0]->headers($_[1]))[0] }

# All values of a header.
sub headers {
    my ($self, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $self->{list} };
}

# All header lines, as they came.
sub head_text {
    my ($self) = @_;

    return join '', map { "$_->[0]: $_->[1]\n" } @{ $self->{list} };
}

1;
