package Live::RTMP;

# A synthetic RTMP encoder for tests: core Perl, full control over handshake,
# chunking, time stamps and commands.
#
#   my $c = Live::RTMP->new(host => '127.0.0.1', port => 1935, ssl => 0,
#                           timeout => 5);     # also: from => address,
#                                              # proxy => "PROXY TCP4 ..\r\n"
#   $c->handshake(digest => 1);             # or plain
#   $c->connect_app('live');                # decoded answer of connect
#   my $msid = $c->create_stream;
#   my $code = $c->publish('name?key=..');  # 'NetStream.Publish.Start'
#
#   my $c = Live::RTMP->publisher(port => .., app => 'live', name => 'x');
#                                           # all of that; dies when refused
#   $c->set_chunk_size(4096);
#   $c->send_video(Live::RTMP::avc_header(), 0);
#   $c->send_video(Live::RTMP::avc_frame(1, 0, $nalus), 40);
#   $c->send_tag($_) for @{ Live::RTMP::load_flv('a.flv') };
#
# Every sender takes the options of chunks(): fmt, csid, chunk_size, ...
# Perl numbers become AMF numbers and strings AMF strings, as they were made:
# 5 is a number, "5" a string.

use strict;
use warnings;

use B ();
use Digest::SHA qw(hmac_sha256);
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

use constant {
    SET_CHUNK_SIZE => 1, ABORT => 2, ACK => 3, USER_CONTROL => 4,
    WINDOW_ACK_SIZE => 5, PEER_BANDWIDTH => 6, AUDIO => 8, VIDEO => 9,
    AMF3_DATA => 15, AMF3_COMMAND => 17, AMF0_DATA => 18,
    AMF0_COMMAND => 20, AGGREGATE => 22,
};

###############################################################################
# AMF0

{ package Live::RTMP::Object; }     # [ key, value, ... ] in that order
{ package Live::RTMP::Ecma; }       # the same, as an ECMA array
{ package Live::RTMP::Undef; }
{ package Live::RTMP::Date; }
{ package Live::RTMP::Raw; }        # bytes as they are

sub object    { return bless [ @_ ], 'Live::RTMP::Object' }
sub ecma      { return bless [ @_ ], 'Live::RTMP::Ecma' }
sub undefined { return bless [], 'Live::RTMP::Undef' }
sub date      { return bless [ $_[0] ], 'Live::RTMP::Date' }
sub raw       { return bless [ $_[0] ], 'Live::RTMP::Raw' }
sub true      { return \1 }
sub false     { return \0 }

sub _members {
    my @kv = @_;
    my $out = '';

    while (@kv) {
        my ($k, $v) = splice @kv, 0, 2;
        $out .= pack('n/a*', $k) . amf0($v);
    }

    return $out . "\0\0\x09";
}

sub amf0 {
    return join '', map { _amf0($_) } @_;
}

sub _amf0 {
    my ($v) = @_;
    my $ref = ref $v;

    return "\x05" unless defined $v;

    if (!$ref) {
        my $flags = B::svref_2object(\$v)->FLAGS;

        if ($flags & (B::SVf_IOK | B::SVf_NOK) && !($flags & B::SVf_POK)) {
            return "\0" . pack('d>', $v);
        }

        return length $v > 65535 ? "\x0c" . pack('N/a*', $v)
                                 : "\x02" . pack('n/a*', $v);
    }

    return "\x01" . ($$v ? "\1" : "\0")                if $ref eq 'SCALAR';
    return "\x03" . _members(map { $_ => $v->{$_} } sort keys %$v)
                                                       if $ref eq 'HASH';
    return "\x0a" . pack('N', scalar @$v) . amf0(@$v)  if $ref eq 'ARRAY';
    return "\x03" . _members(@$v)         if $ref eq 'Live::RTMP::Object';
    return "\x08" . pack('N', @$v / 2) . _members(@$v)
                                          if $ref eq 'Live::RTMP::Ecma';
    return "\x06"                         if $ref eq 'Live::RTMP::Undef';
    return "\x0b" . pack('d>n', $v->[0], 0) if $ref eq 'Live::RTMP::Date';
    return $v->[0]                        if $ref eq 'Live::RTMP::Raw';

    die "no AMF0 for $ref";
}

# All values of a message; objects and ECMA arrays as hashes.
sub amf0_decode {
    my ($bytes) = @_;
    my ($pos, @out) = (0);

    push @out, _decode(\$bytes, \$pos) while $pos < length $bytes;

    return @out;
}

sub _take {
    my ($bytes, $pos, $n) = @_;

    die "AMF0 is cut off" if $$pos + $n > length $$bytes;
    $$pos += $n;

    return substr $$bytes, $$pos - $n, $n;
}

sub _decode {
    my ($bytes, $pos) = @_;
    my $take = sub { _take($bytes, $pos, $_[0]) };
    my $type = ord $take->(1);

    return unpack 'd>', $take->(8)                      if $type == 0;
    return ord $take->(1) ? 1 : 0                       if $type == 1;
    return $take->(unpack 'n', $take->(2))              if $type == 2;
    return undef                                        if $type == 5;
    return undef                                        if $type == 6;
    return $take->(unpack 'N', $take->(4))              if $type == 12;

    if ($type == 10) {
        my $n = unpack 'N', $take->(4);
        return [ map { _decode($bytes, $pos) } 1 .. $n ];
    }

    if ($type == 3 || $type == 8) {
        my %h;
        $take->(4) if $type == 8;

        while (1) {
            my $k = $take->(unpack 'n', $take->(2));
            if ($k eq '' && substr($$bytes, $$pos, 1) eq "\x09") {
                $$pos++;
                return \%h;
            }
            $h{$k} = _decode($bytes, $pos);
        }
    }

    die "AMF0 type $type";
}

###############################################################################
# connection

sub new {
    my ($class, %o) = @_;
    my $self = bless {
        timeout => $o{timeout} // 10, in => '', queue => [],
        out_chunk => 128, in_chunk => 128, in_cs => {}, out_cs => {},
        tx => 0, sent => 0, received => 0, acked => 0, msid => 0,
    }, $class;
    my %to = (PeerAddr => $o{host} // '127.0.0.1', PeerPort => $o{port},
              Timeout => $self->{timeout});

    $to{LocalAddr} = $o{from} if defined $o{from};

    $self->{sock} = IO::Socket::INET->new(%to, Proto => 'tcp')
        or die "connect: $@";

    # before everything else, TLS too, as a balancer does with the PROXY
    # protocol
    $self->write($o{proxy}) if defined $o{proxy};

    if ($o{ssl}) {
        require IO::Socket::SSL;
        IO::Socket::SSL->start_SSL($self->{sock},
            SSL_verify_mode => $o{verify} // 0,
            SSL_hostname => $o{sni} // 'localhost', %{ $o{ssl_args} // {} })
            or die "TLS connect: " . IO::Socket::SSL::errstr();
        $self->{ssl} = 1;
    }

    setsockopt $self->{sock}, IPPROTO_TCP, TCP_NODELAY, 1;
    binmode $self->{sock};
    $self->{sock}->blocking(0);

    return $self;
}

sub publisher {
    my ($class, %o) = @_;
    my $self = $class->new(%o);

    $self->handshake(%{ $o{handshake} // {} });
    $self->connect_app($o{app} // 'live', %{ $o{connect} // {} });
    $self->set_chunk_size($o{chunk_size}) if $o{chunk_size};
    $self->command('releaseStream', undef, $o{name});
    $self->command('FCPublish', undef, $o{name});
    $self->create_stream;

    my $code = $self->publish($o{name});
    die "publish: " . ($code // 'no answer')
        unless defined $code && $code eq 'NetStream.Publish.Start';

    return $self;
}

sub sock  { return $_[0]{sock} }
sub msid  { return $_[0]{msid} }
sub close { my ($self) = @_; CORE::close $self->{sock} if $self->{sock};
            $self->{sock} = undef; return }

# The connection dies without a FIN that anybody waits for: RST.
sub reset_hard {
    my ($self) = @_;
    setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack 'II', 1, 0;
    return $self->close;
}

# Writes all of it, reading meanwhile so that neither side blocks for ever.
sub write {
    my ($self, $bytes) = @_;
    my $end = time + $self->{timeout};
    my $pos = 0;

    local $SIG{PIPE} = 'IGNORE';

    while ($pos < length $bytes) {
        my $n = syswrite $self->{sock}, $bytes, length($bytes) - $pos, $pos;

        if (defined $n) {
            $pos += $n;
            $self->{sent} += $n;
            $end = time + $self->{timeout};
            next;
        }

        die "write: $!" unless $!{EAGAIN} || $!{EWOULDBLOCK} || $self->{ssl};
        die "write: timeout" if time > $end;

        $self->_fill(0);
        IO::Select->new($self->{sock})->can_write(0.05);
    }

    return $self;
}

# Reads what is there, waiting up to that many seconds. False at the end.
sub _fill {
    my ($self, $wait) = @_;

    return 0 if $self->{eof} || !$self->{sock};

    if (!($self->{ssl} && $self->{sock}->pending)) {
        return 1 unless IO::Select->new($self->{sock})->can_read($wait);
    }

    my $n = sysread $self->{sock}, $self->{in}, 65536, length $self->{in};

    if (!defined $n) {
        return 1 if $!{EAGAIN} || $!{EWOULDBLOCK};
        $self->{eof} = 1;
        return 0;
    }

    if ($n == 0) {
        $self->{eof} = 1;
        return 0;
    }

    $self->{received} += $n;

    return 1;
}

sub _need {
    my ($self, $n) = @_;
    my $end = time + $self->{timeout};

    while (length $self->{in} < $n) {
        die "closed by the server" unless $self->_fill(0.1);
        die "timeout" if time > $end;
    }

    return substr $self->{in}, 0, $n, '';
}

# True when the server has closed, after waiting up to that long.
sub closed_within {
    my ($self, $seconds) = @_;
    my $end = time + $seconds;

    while (time < $end) {
        return 1 unless $self->_fill(0.05);
    }

    return $self->{eof} ? 1 : 0;
}

###############################################################################
# handshake

my $TAIL = pack 'H*', 'f0eec24a8068bee82e00d0d1029e7e57'
                    . '6eec5d2d29806fab93b8e636cfeb31ae';
my $PLAYER = 'Genuine Adobe Flash Player 001';
my $SERVER = 'Genuine Adobe Flash Media Server 001';

sub _digest_offset {
    my ($packet, $scheme) = @_;
    my $at = $scheme ? 8 : 772;
    my $sum = 0;

    $sum += $_ for unpack 'C4', substr $packet, $at, 4;

    return $at + 4 + $sum % 728;
}

sub _digest {
    my ($packet, $offset, $key) = @_;

    return hmac_sha256(substr($packet, 0, $offset)
                       . substr($packet, $offset + 32), $key);
}

# digest => 1 with scheme => 0 or 1; version => byte of C0; byte_wise => 1
# sends one byte at a time.
sub handshake {
    my ($self, %o) = @_;
    my $c1 = pack('NN', 0, $o{digest} ? 0x80000702 : 0)
           . join '', map { chr int rand 256 } 1 .. 1528;
    my $scheme = $o{scheme} // 0;
    my $c1_digest;

    if ($o{digest}) {
        my $at = _digest_offset($c1, $scheme);
        $c1_digest = _digest($c1, $at, $PLAYER);
        substr $c1, $at, 32, $c1_digest;
    }

    my $out = chr($o{version} // 3) . $c1;

    if ($o{byte_wise}) {
        $self->write($_) for split //, $out;
    } else {
        $self->write($out);
    }

    my $s0 = ord $self->_need(1);
    my $s1 = $self->_need(1536);
    my $s2 = $self->_need(1536);

    die "server version $s0" if $s0 != 3;

    if ($o{digest}) {
        my $at = _digest_offset($s1, $scheme);
        die "digest of S1 is wrong"
            if substr($s1, $at, 32) ne _digest($s1, $at, $SERVER);

        my $key = hmac_sha256($c1_digest, $SERVER . $TAIL);
        die "digest of S2 is wrong"
            if substr($s2, 1504) ne hmac_sha256(substr($s2, 0, 1504), $key);

    } else {
        die "S2 is not C1" if $s2 ne $c1;
    }

    return $self->write($o{c2} // $s1);
}

###############################################################################
# chunks

# A message as a list of chunks (strings).
#
#   type, ts, msid, payload; csid (3)
#   fmt         0..3, or 'auto' (the default: the shortest that fits)
#   chunk_size  of this message
#   ext3        0: no extended time stamp on chunks of format 3 (librtmp)
#   ext_abs     1: formats 1 and 2 carry the absolute time when extended
#   wrap24      1: never extended, 24 bits of the time (some phones)
#   len         declared instead of the payload's own
#   csid_bytes  2 or 3: a longer form of the id than needed
sub chunks {
    my ($self, %m) = @_;
    my $csid = $m{csid} // 3;
    my $ts = ($m{ts} // 0) % 2 ** 32;
    my $len = $m{len} // length $m{payload};
    my $last = $self->{out_cs}{$csid};
    my $fmt = $m{fmt} // 'auto';

    if ($fmt eq 'auto') {
        $fmt = 0;

        if ($last && $last->{msid} == ($m{msid} // 0) && $ts >= $last->{ts}) {
            my $same = $last->{type} == $m{type} && $last->{len} == $len;
            my $delta = $ts - $last->{ts};
            $fmt = !$same ? 1
                 : defined $last->{delta} && $last->{delta} == $delta ? 3 : 2;
        }
    }

    my $delta = $last ? ($ts - $last->{ts}) % 2 ** 32 : $ts;
    my $field = $fmt == 0 ? $ts : $delta;
    my $ext = '';

    if ($m{wrap24}) {
        $field %= 2 ** 24;

    } elsif ($fmt == 3) {
        $ext = $last && $last->{ext} // '';

    } else {
        if ($fmt && $m{ext_abs} && $ts >= 0xffffff) {
            $field = $ts;
        }

        if ($field >= 0xffffff) {
            $ext = pack 'N', $field;
            $field = 0xffffff;
        }
    }

    my $ext3 = ($m{ext3} // $self->{ext3} // 1) ? $ext : '';
    my $head = _basic($fmt, $csid, $m{csid_bytes});

    $head .= substr pack('N', $field), 1     if $fmt <= 2;
    $head .= substr(pack('N', $len), 1) . chr $m{type}
                                             if $fmt <= 1;
    $head .= pack 'V', $m{msid} // 0         if $fmt == 0;
    $head .= $fmt == 3 ? $ext3 : $ext;

    my $size = $m{chunk_size} // $self->{out_chunk};
    my @out = $head . substr $m{payload}, 0, $size;

    for (my $i = $size; $i < length $m{payload}; $i += $size) {
        push @out, _basic(3, $csid, $m{csid_bytes}) . $ext3
                   . substr $m{payload}, $i, $size;
    }

    $self->{out_cs}{$csid} = {
        ts => $ts, len => $len, type => $m{type}, msid => $m{msid} // 0,
        ext => $ext,
        delta => $fmt == 0 ? undef : $delta,
    };

    return @out;
}

sub _basic {
    my ($fmt, $csid, $bytes) = @_;

    $bytes //= $csid < 64 ? 1 : $csid < 320 ? 2 : 3;

    return chr($fmt << 6 | $csid)                  if $bytes == 1;
    return chr($fmt << 6) . chr($csid - 64)        if $bytes == 2;
    return chr($fmt << 6 | 1) . pack 'v', $csid - 64;
}

sub send_message {
    my ($self, %m) = @_;

    $self->write(join '', $self->chunks(%m));
    $self->poll;

    return $self;
}

# The chunks of several messages by turns, as a muxer with small chunks does.
sub send_interleaved {
    my ($self, @messages) = @_;
    my @lists = map { [ $self->chunks(%$_) ] } @messages;
    my $out = '';

    while (@lists) {
        $out .= shift @$_ for @lists;
        @lists = grep { @$_ } @lists;
    }

    return $self->write($out);
}

sub set_chunk_size {
    my ($self, $size) = @_;

    $self->send_message(type => SET_CHUNK_SIZE, csid => 2, fmt => 0,
                        payload => pack 'N', $size);
    $self->{out_chunk} = $size > 0xffffff ? 0xffffff : $size;

    return $self;
}

sub send_command {
    my ($self, $msid, @values) = @_;

    return $self->send_message(type => AMF0_COMMAND, csid => 3, fmt => 0,
                               msid => $msid, payload => amf0(@values));
}

# A command with a transaction id, which is returned.
sub command {
    my ($self, $name, @args) = @_;
    my $tx = ++$self->{tx};

    $self->send_command(0, $name, $tx + 0, @args);

    return $tx;
}

###############################################################################
# the server's messages

# Takes what has arrived apart; returns at once.
sub poll {
    my ($self) = @_;

    $self->_fill(0);
    1 while $self->_parse;

    return $self;
}

sub _parse {
    my ($self) = @_;
    my $in = \$self->{in};

    return 0 if length $$in < 1;

    my ($b, $b1, $b2) = unpack 'C3', "$$in\0\0";
    my ($fmt, $csid, $pos) = ($b >> 6, $b & 63, 1);

    if ($csid == 0)    { $csid = 64 + $b1; $pos = 2 }
    elsif ($csid == 1) { $csid = 64 + $b1 + 256 * $b2; $pos = 3 }

    my $head = (11, 7, 3, 0)[$fmt];
    return 0 if length $$in < $pos + $head;

    my $old = $self->{in_cs}{$csid} //= { got => '' };
    my %cs = %$old;
    my $h = substr $$in, $pos, $head;
    $pos += $head;

    $cs{ts} = unpack 'N', "\0" . substr $h, 0, 3  if $fmt <= 2;
    ($cs{len}, $cs{type}) = (unpack('N', "\0" . substr $h, 3, 3),
                             ord substr $h, 6, 1) if $fmt <= 1;
    $cs{msid} = unpack 'V', substr $h, 7, 4       if $fmt == 0;

    my $n = $cs{len} - length $cs{got};
    $n = $self->{in_chunk} if $n > $self->{in_chunk};
    return 0 if length $$in < $pos + $n;

    $cs{got} .= substr $$in, $pos, $n;
    substr $$in, 0, $pos + $n, '';
    $self->{in_cs}{$csid} = \%cs;

    if (length $cs{got} == $cs{len}) {
        my %m = (csid => $csid, ts => $cs{ts}, type => $cs{type},
                 msid => $cs{msid}, payload => $cs{got});
        $cs{got} = '';
        $self->_received(\%m);
    }

    return 1;
}

sub _received {
    my ($self, $m) = @_;
    my $type = $m->{type};

    if ($type == SET_CHUNK_SIZE) {
        $self->{in_chunk} = unpack 'N', $m->{payload};

    } elsif ($type == ACK) {
        $self->{acked} = unpack 'N', $m->{payload};

    } elsif ($type == AMF0_COMMAND) {
        $m->{values} = [ amf0_decode($m->{payload}) ];
    }

    push @{ $self->{queue} }, $m;

    return;
}

# The next message of the server's that the sub accepts (all others stay);
# undef after the time-out, or when the server has closed.
sub wait_message {
    my ($self, $match, $timeout) = @_;
    my $end = time + ($timeout // $self->{timeout});
    my $open = 1;

    while (1) {
        1 while $self->_parse;

        for my $i (0 .. $#{ $self->{queue} }) {
            next unless $match->($self->{queue}[$i]);
            return splice @{ $self->{queue} }, $i, 1;
        }

        return undef if !$open || time > $end;
        $open = $self->_fill(0.05);
    }
}

# The values of the next command of that name (and transaction id).
sub wait_command {
    my ($self, $name, $tx, $timeout) = @_;
    my $m = $self->wait_message(sub {
        my $v = $_[0]{values} or return 0;
        return ($v->[0] // '') =~ /^(?:$name)$/
               && (!defined $tx || $v->[1] == $tx);
    }, $timeout);

    return $m && $m->{values};
}

# The information object of the next onStatus.
sub wait_status {
    my ($self, $timeout) = @_;
    my $v = $self->wait_command('onStatus', undef, $timeout);

    return $v && $v->[3];
}

sub acked { my ($self) = @_; $self->poll; return $self->{acked} }

###############################################################################
# commands

# Returns the answer's information object; {code} tells success.
sub connect_app {
    my ($self, $app, %more) = @_;
    my $tc_url = delete $more{tcUrl} // "rtmp://127.0.0.1/$app";
    my $tx = $self->command('connect', object(
        app => "$app", type => 'nonprivate',
        flashVer => 'FMLE/3.0 (compatible; Live::RTMP)',
        tcUrl => $tc_url, %more));
    my $v = $self->wait_command('_result|_error', $tx)
        or die "no answer to connect";

    return $v->[3];
}

sub create_stream {
    my ($self) = @_;
    my $tx = $self->command('createStream', undef);
    my $v = $self->wait_command('_result|_error', $tx)
        or die "no answer to createStream";

    return $self->{msid} = $v->[3];
}

# Returns the code of the status that comes back, undef if none does; the
# whole status stays in {status}.
sub publish {
    my ($self, $name, %o) = @_;

    $self->send_command($o{msid} // $self->{msid}, 'publish', ++$self->{tx},
                        undef, "$name", $o{type} // 'live');
    return undef if $o{no_wait};

    $self->{status} = $self->wait_status($o{timeout});

    return $self->{status} && $self->{status}{code};
}

# Ends as encoders do.
sub unpublish {
    my ($self, $name) = @_;

    $self->command('FCUnpublish', undef, $name) if defined $name;
    $self->command('deleteStream', undef, $self->{msid} + 0);

    return $self;
}

###############################################################################
# media

sub send_audio {
    my ($self, $payload, $ts, %o) = @_;
    return $self->send_message(type => AUDIO, csid => 4, ts => $ts,
        msid => $self->{msid}, payload => $payload, %o);
}

sub send_video {
    my ($self, $payload, $ts, %o) = @_;
    return $self->send_message(type => VIDEO, csid => 6, ts => $ts,
        msid => $self->{msid}, payload => $payload, %o);
}

sub send_data {
    my ($self, $ts, @values) = @_;
    return $self->send_message(type => AMF0_DATA, csid => 5, ts => $ts,
        msid => $self->{msid}, payload => amf0(@values));
}

sub send_metadata {
    my ($self, %meta) = @_;
    return $self->send_data(0, '@setDataFrame', 'onMetaData', ecma(%meta));
}

# A tag of load_flv(), at its own time or another.
sub send_tag {
    my ($self, $tag, %o) = @_;
    my $ts = delete $o{ts} // $tag->{ts};

    if ($tag->{type} == AMF0_DATA) {
        return $self->send_message(type => AMF0_DATA, csid => 5, ts => $ts,
            msid => $self->{msid},
            payload => amf0('@setDataFrame') . $tag->{data}, %o);
    }

    return $tag->{type} == AUDIO ? $self->send_audio($tag->{data}, $ts, %o)
                                 : $self->send_video($tag->{data}, $ts, %o);
}

# The tags of an FLV file: { type, ts, data, key, header }. key: a video key
# frame; header: a codec configuration.
sub load_flv {
    my ($path) = @_;
    open my $fh, '<:raw', $path or die "$path: $!";
    my $flv = do { local $/; <$fh> };
    my $pos = 13;
    my @tags;

    die "$path is no FLV" if substr($flv, 0, 3) ne 'FLV';

    while ($pos + 11 <= length $flv) {
        my ($type, $len, $ts, $high) = unpack 'C a3 a3 C', substr $flv, $pos;
        $len = unpack 'N', "\0$len";
        my $data = substr $flv, $pos + 11, $len;
        my ($b0, $b1) = unpack 'C2', "$data\0\0";

        push @tags, {
            type => $type, data => $data,
            ts => $high << 24 | unpack('N', "\0$ts"),
            key => $type == VIDEO && $b0 >> 4 == 1 && $b1 == 1 ? 1 : 0,
            header => ($type == VIDEO || $type == AUDIO && $b0 >> 4 == 10)
                      && $b1 == 0 ? 1 : 0,
        };
        $pos += 11 + $len + 4;
    }

    return \@tags;
}

# Without arguments: H.264 of 320x180 at 25 fps, as x264 makes it.
sub avc_header {
    my ($avcc) = @_;

    $avcc //= pack 'H*', '01f4000cffe1001a67f4000c919681419f8dc04400000300'
                       . '0400000300c83c50aa8001000568ce0f1920fff8f800';

    return "\x17\0\0\0\0$avcc";
}

# nalus: bytes as in FLV, each NAL unit behind its length (see nalu()).
sub avc_frame {
    my ($key, $cts, $nalus) = @_;

    return ($key ? "\x17" : "\x27") . "\1" . substr(pack('l>', $cts), 1)
           . $nalus;
}

sub avc_end { return "\x17\2\0\0\0" }
sub nalu    { return join '', map { pack 'N/a*', $_ } @_ }

# Without arguments: AAC-LC, 44.1 kHz, stereo.
sub aac_header {
    my ($asc) = @_;
    return "\xaf\0" . ($asc // "\x12\x10");
}

sub aac_frame {
    my ($bytes) = @_;
    return "\xaf\1$bytes";
}

# The body of an aggregate message (type 22) of { type, ts, data }.
sub aggregate {
    my (@tags) = @_;

    return join '', map {
        my $n = length $_->{data};
        pack('C', $_->{type}) . substr(pack('N', $n), 1)
        . substr(pack('N', $_->{ts}), 1) . chr($_->{ts} >> 24) . "\0\0\0"
        . $_->{data} . pack 'N', $n + 11;
    } @tags;
}

1;
