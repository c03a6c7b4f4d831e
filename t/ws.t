#!/usr/bin/perl

# RFC 6455, rule by rule, as a client sees the chat: the handshake (section 4),
# frames and messages (5), UTF-8 (8.1), closing (7), pings and time-outs. Each
# broken rule closes the connection with the code that the RFC gives, and
# nobody else notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Nginx qw(wait_for);
use Live::WebSocket;

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC');
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    live_chat_ping 1s;
    live_chat_rate off;
    live_token off;

    ssl_certificate %%DIR%%/cert.pem;
    ssl_certificate_key %%DIR%%/key.pem;

    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen 127.0.0.1:%%PORT_https%% ssl;
        location /chat/ { live_chat; }
        location /strict/ {
            live_chat;
            live_chat_origin https://good.example http://localhost:8080;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_proxied%% proxy_protocol;
        set_real_ip_from 127.0.0.1;
        real_ip_header proxy_protocol;
        location /chat/ { live_chat; }
    }
}
EOC

system('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes '
    . '-days 2 -subj /CN=localhost -keyout ' . $ng->dir . '/key.pem -out '
    . $ng->dir . '/cert.pem 2> /dev/null') == 0 or die "no certificate\n";
$ng->start;

my $port = $ng->port('http');

# A witness in the same room, who must never notice.
my $witness = member('witness');

# --- 4: the handshake

{
    my $ws = Live::WebSocket->open($port, '/chat/a');

    is($ws->status, 101, 'a handshake is answered by 101');
    is(lc $ws->header('Upgrade'), 'websocket', 'Upgrade');
    is(lc $ws->header('Connection'), 'upgrade', 'Connection');
    is($ws->header('Sec-WebSocket-Accept'), $ws->accept_key, 'the accept key');
    is($ws->header('Sec-WebSocket-Protocol'), 'live.chat.v1', 'the protocol');
    is($ws->header('Sec-WebSocket-Extensions'), undef, 'no extensions');
    is($ws->header('Content-Length') // $ws->header('Transfer-Encoding'),
        undef, 'no body');

    handshake('names and values in any case', 101, headers => [
        'UPGRADE: WebSocket', 'connection: keep-alive, UPGRADE']);
    handshake('an extension is left alone', 101,
        headers => ['Sec-WebSocket-Extensions: permessage-deflate']);
    is(handshake('without a protocol', 101, protocol => undef)
        ->header('Sec-WebSocket-Protocol'), undef, 'none is named');
    is(handshake('another protocol', 101, protocol => 'mqtt')
        ->header('Sec-WebSocket-Protocol'), undef, 'ours is not named');
    is(handshake('ours among others', 101, protocol => 'x, live.chat.v1')
        ->header('Sec-WebSocket-Protocol'), 'live.chat.v1', 'ours is named');

    my $plain = handshake('a plain request', 426,
        headers => ['Upgrade', 'Connection: close']);
    is(lc($plain->header('Upgrade') // ''), 'websocket',
        'is told what is spoken');

    my $old = handshake('version 8', 426,
        headers => ['Sec-WebSocket-Version: 8']);
    is($old->header('Sec-WebSocket-Version'), '13', 'is told the version');

    handshake('no version', 426, headers => ['Sec-WebSocket-Version']);
    handshake('no Connection', 400, headers => ['Connection: close']);
    handshake('no key', 400, headers => ['Sec-WebSocket-Key']);
    handshake('a key of 15 bytes', 400, key => 'AAAAAAAAAAAAAAAAAAAA');
    handshake('a key that is no base64', 400,
        key => 'dGhlIHNhbXBsZSBub25*ZQ==');
    handshake('two keys', 400, append => 1,
        headers => ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']);
    handshake('a protocol that is no token', 400, protocol => 'a b');
    handshake('POST', 400, method => 'POST', headers => ['Content-Length: 0']);
    handshake('HTTP/1.0', 400, http => '1.0');
    handshake('a stream that can not be', 404, path => '/chat/..%2fx');
}

# --- 10.2: the origin

{
    for my $case (['https://good.example', 101], ['HTTPS://GOOD.EXAMPLE', 101],
        ['http://localhost:8080', 101], ['https://evil.example', 403],
        ['http://good.example', 403], ['https://good.example.evil', 403],
        ['null', 403])
    {
        handshake("origin $case->[0]", $case->[1], path => '/strict/a',
            headers => ["Origin: $case->[0]"]);
    }

    handshake('no origin: not a browser', 101, path => '/strict/a');
}

# --- 5: frames

{
    my $ws = member('frames');
    my $n = 0;

    says($ws, 'a whole message', sub { $ws->send($_[0]) });
    says($ws, 'in three fragments', sub {
        fragments($ws, $_[0], 20, 40);
    });
    says($ws, 'with control frames and empty fragments between', sub {
        my ($json) = @_;

        $ws->frame(fin => 0, data => substr $json, 0, 10);
        $ws->ping('between');
        $ws->frame(fin => 0, op => 0);
        $ws->frame(op => 10, data => 'nobody asked');
        $ws->frame(fin => 1, op => 0, data => substr $json, 10);
        is(pong($ws), 'between', 'a ping between fragments is answered');
    });
    says($ws, 'byte by byte', sub {
        $ws->raw($_) for split //, $ws->bytes(data => $_[0]);
    });
    says($ws, 'a frame a byte', sub {
        fragments($ws, $_[0], 1 .. length($_[0]) - 1);
    });
    says($ws, 'with a mask of zeros', sub {
        $ws->frame(data => $_[0], mask => "\0\0\0\0");
    });
    says($ws, "\x{e4}\x{20ac}\x{1f600}", sub {
        my ($json) = @_;
        my $at = index $json, "\xf0";

        fragments($ws, $json, $at + 1, $at + 2, $at + 3);
    });

    $ws->raw(join '', map { $ws->bytes(data => text_of("both $_")) } 1, 2);
    ok($ws->message(type => 'message', text => "both $_"),
        "two frames in one packet: $_") for 1, 2;

    for my $size (0, 1, 125) {
        $ws->ping('p' x $size);
        is(pong($ws), 'p' x $size, "a ping of $size bytes");
    }

    # a message of the largest size, in each form that a length has
    for my $length (125, 126, 127, 4000) {
        my $text = 'x' x ($length - length text_of(''));

        $ws->frame(data => text_of($text));
        my $answer = next_of($ws, qr/^(?:message|error)$/);
        ok($answer, "a frame of $length bytes is read");
    }

    is_deeply([map { @$_{qw(fin rsv)} } $ws->{last}], [1, 0],
        'the server uses whole frames and no reserved bits');

    my $early = Live::WebSocket->open($port, '/chat/a', early =>
        Live::WebSocket->bytes(data => '{"type":"hello","name":"early"}'));
    ok($early->message(type => 'hello'),
        'frames right behind the request are not lost');
}

# --- 5: broken frames

my @broken = (
    ['a frame that is not masked', 1002, mask => '0', data => 'x'],
    ['an unmasked ping', 1002, mask => '0', op => 9],
    ['an unmasked close', 1002, mask => '0', op => 8],
    (map { [ "reserved bits $_", 1002, rsv => $_, data => 'x' ] } 1, 2, 4, 7),
    ['a reserved bit in a ping', 1002, rsv => 4, op => 9],
    (map { [ "opcode $_", 1002, op => $_ ] } 3 .. 7, 11 .. 15),
    ['a binary message', 1003, op => 2, data => 'x'],
    ['a fragmented ping', 1002, op => 9, fin => 0],
    ['a ping of 126 bytes', 1002, op => 9, data => 'x' x 126],
    ['a close of 126 bytes', 1002, op => 8, data => "\x03\xe8" . 'x' x 124],
    ['a continuation of nothing', 1002, op => 0, data => 'x'],
    ['5 bytes counted in 16 bits', 1002, size => 16, data => 'xxxxx'],
    ['5 bytes counted in 64 bits', 1002, size => 64, data => 'xxxxx'],
    ['a length with its first bit set', 1002, size => 64, length => 1 << 63],
    ['a message of 8 MB, announced', 1009, length => 8 << 20],
    ['a message of 9,000 bytes', 1009, data => 'x' x 9000],
    ['bytes that are no UTF-8', 1007, data => "ab\xff"],
    ['an overlong form', 1007, data => "\xc0\xaf"],
    ['a surrogate', 1007, data => "\xed\xa0\x80"],
    ['above U+10FFFF', 1007, data => "\xf4\x90\x80\x80"],
    ['half a code point at the end', 1007, data => "x\xe2\x82"],
    ['bad UTF-8 long before the end of its fragment', 1007, fin => 0,
        length => 4000, data => "\xfe"],
);

for my $case (@broken) {
    my ($name, $code, @frame) = @$case;
    my $ws = Live::WebSocket->open($port, '/chat/a');

    $ws->frame(@frame);
    closed($ws, $code, $name);
}

sequence('text within a message', 1002, [fin => 0, data => 'a'],
    [data => 'b']);
sequence('fragments that are too much together', 1009,
    map { [fin => 0, op => $_ ? 0 : 1, data => 'x' x 2000] } 0 .. 4);
sequence('half a code point at the end of the fragments', 1007,
    [fin => 0, data => "\xe2"], [op => 0, data => "\x82"]);
sequence('a code point that goes wrong in the next fragment', 1007,
    [fin => 0, data => "\xe2"], [fin => 0, op => 0, data => 'x']);
sequence('more than a thousand empty fragments', 1009,
    [fin => 0], map { [fin => 0, op => 0] } 1 .. 1100);

# --- 7: closing

{
    my $ws = member('closing');

    is_deeply([$ws->close(1000, 'bye')], [1000, ''],
        'a close is answered with its code');
    is_deeply([member('c2')->close], [1005, ''], 'one without a code, without');

    for my $code (1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999) {
        is((Live::WebSocket->open($port, '/chat/a')->close($code))[0], $code,
            "close $code");
    }

    for my $code (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535) {
        is((Live::WebSocket->open($port, '/chat/a')->close($code))[0], 1002,
            "close $code must not be");
    }

    my $half = Live::WebSocket->open($port, '/chat/a');
    $half->frame(op => 8, data => "\x03");
    closed($half, 1002, 'half a close code');

    my $bad = Live::WebSocket->open($port, '/chat/a');
    $bad->frame(op => 8, data => "\x03\xe8\xff");
    closed($bad, 1007, 'a close reason that is no UTF-8');

    my $after = member('after');
    $after->raw($after->bytes(op => 8, data => "\x03\xe8")
        . $after->bytes(data => text_of('from beyond')));
    closed($after, 1000, 'what comes behind a close is not read');
    ok($witness->quiet(0.5, text => 'from beyond'), 'and nobody gets it');

    my $gone = member('gone');
    $gone->drop;
    ok(wait_for(sub { members() == 2 }, 10, 'leaving'),
        'a connection that ends without a word is noticed')
        or diag(members());
}

# --- nobody noticed

$witness->send(text_of('all is well'));
ok($witness->message(type => 'message', text => 'all is well'),
    'the witness still talks');
is_deeply([grep { $_->{type} eq 'error' } $witness->kept], [],
    'and was told of no error');

# --- pings and time-outs

{
    my $silent = member('silent', no_pong => 1);
    my $frame = ping_from($silent);

    ok($frame, 'who says nothing gets a ping');
    my ($code, $reason) = $silent->ended(10);
    is($code, 1001, 'and is closed when no answer comes');
    ok(length $reason, "with a reason: $reason");

    my $idle = member('idle');
    ok(ping_from($idle) && ping_from($idle) && ping_from($idle),
        'who answers stays');
    $idle->send(text_of('still here'));
    ok($idle->message(type => 'message', text => 'still here'),
        'and can still write');
}

# --- TLS, PROXY protocol

{
    # the first did not wait for pings meanwhile
    my $witness = member('second witness');
    my $tls = Live::WebSocket->connect($ng->port('https'), '/chat/a', tls => 1,
        name => 'secret');
    $tls->send(text_of('over TLS'));
    ok($witness->message(type => 'message', text => 'over TLS'), 'over TLS');

    my $proxied = Live::WebSocket->connect($ng->port('proxied'), '/chat/a',
        name => 'far', prefix => "PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n");
    $proxied->send(text_of('through a proxy'));
    ok($witness->message(type => 'message', text => 'through a proxy'),
        'behind PROXY protocol');

    is(($proxied->close(1000))[0], 1000, 'which closes as others do');
    ok(wait_for(sub { $ng->log_grep(qr/192\.0\.2\.7.*GET \/chat\/a/,
        'access.log') }, 10, 'log'), 'the access log has the real address');
}

$ng->finish;
done_testing;

# ---

sub member {
    my ($name, %opt) = @_;

    return Live::WebSocket->connect($port, '/chat/a', name => $name, %opt);
}

sub handshake {
    my ($name, $status, %opt) = @_;
    my $ws = Live::WebSocket->open($port, delete $opt{path} // '/chat/a',
        %opt);

    is($ws->status, $status, "handshake: $name") or diag($ws->head);
    return $ws;
}

sub text_of {
    my ($text) = @_;
    my $json = qq({"type":"message","text":"$text"});

    utf8::encode($json);
    return $json;
}

# The message arrives at the sender and at the witness, once.
sub says {
    my ($ws, $name, $send) = @_;
    my $text = $name;

    $send->(text_of($text));

    for my $who ($ws, $witness) {
        my $got = $who->message(type => 'message', text => $text);
        ok($got, 'a message ' . ($text =~ /^[ -~]+$/ ? $text
            : 'with code points over fragments')) or diag($who->story);
    }
}

# Cut at these places.
sub fragments {
    my ($ws, $data, @at) = @_;
    my $from = 0;

    for my $at (@at, length $data) {
        $ws->frame(fin => $at == length $data, op => $from ? 0 : 1,
            data => substr $data, $from, $at - $from);
        $from = $at;
    }
}

sub pong {
    my ($ws) = @_;

    while (my $frame = $ws->next_frame) {
        return $frame->{data} if $frame->{op} == 10;
    }

    return undef;
}

sub ping_from {
    my ($ws) = @_;

    while (my $frame = $ws->next_frame) {
        return $frame if $frame->{op} == 9;
    }

    return undef;
}

sub next_of {
    my ($ws, $type) = @_;

    return $ws->message(type => $type);
}

sub closed {
    my ($ws, $code, $name) = @_;
    my ($got, $reason) = $ws->ended;

    is($got, $code, "$name: $code") or diag($ws->story);
}

sub sequence {
    my ($name, $code, @frames) = @_;
    my $ws = Live::WebSocket->open($port, '/chat/a');

    $ws->raw(join '', map { $ws->bytes(@$_) } @frames);
    closed($ws, $code, $name);
}

# Who is in the room, the one who asks included.
sub members { return member('asks')->hello->{members} }
