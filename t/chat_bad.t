#!/usr/bin/perl

# Members that break rules, flood, never finish, or stop reading: answered with
# a code, closed with a reason, and no trouble for the others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

use Live::Nginx qw(wait_for read_file);
use Live::Prometheus;
use Live::WebSocket;

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; live_chat_buffer 1m; }
http {
    %%HTTP%%
    live_token off;
    server {
        listen 127.0.0.1:%%PORT_http%% sndbuf=8k;
        location /chat/ { live_chat; live_chat_rate off; }
        location /queue/ { live_chat; live_chat_rate off;
            live_chat_queue 256k; }
        location /strict/ { live_chat; }
        location /metrics { live_metrics; }
        location /status { live_status; }
    }
}
EOC

my $port = $ng->port('http');

sub metric {
    my ($name, $label) = @_;
    my $body = $ng->get('http', '/metrics')->body;

    return $body =~ /^\Q$name\E(?:\{[^}]*\})? (\d+)/m ? $1 : undef;
}

# kB of the workers' own.
sub memory {
    my ($of) = @_;
    my $sum = 0;

    for my $pid ($of->workers) {
        $sum += $1 if read_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
    }

    return $sum;
}

sub chat { return Live::WebSocket->connect($port, "/chat/$_[0]", name => $_[1],
    @_[2 .. $#_]) }

# --- what is not a message of the protocol

my $good = chat('bad', 'Good');
my $bad = chat('bad', 'Bad');
my %code = (
    'not json' => 'malformed', '[]' => 'malformed', '{"type":7}' =>
        'unknown_type', '{"type":"shout"}' => 'unknown_type',
    '{"type":"message"}' => 'missing_member',
    '{"type":"message","text":"x","x":1}' => 'unknown_member',
    '{"type":"message","text":["x"]}' => 'too_deep',
    '{"type":"message","text":"x","role":"owner"}' => 'unknown_member',
    '{"type":"message","text":"x","text":"y"}' => 'duplicate_member',
    '{"type":"timeout","user":"x","seconds":-1}' => 'bad_value',
    '{"type":"message","text":"' . 'x' x 5000 . '"}' => 'too_long',
    '{"type":"hello","name":"Other"}' => 'again',
);

for my $text (sort keys %code) {
    $bad->send($text);
    is($bad->message(type => 'error')->{code}, $code{$text},
        substr $text, 0, 50);
}

$bad->send({ type => 'message', text => 'still here' });
ok($good->message(text => 'still here'), 'who errs goes on');

# --- what ends a connection, or is refused, or comes out clean; nobody else
# sees any of it, and the log says it once

my @ends = (
    [ 1009, 'oversized', sub { $_[0]->frame(op => 1,
        data => '{"type":"message","text":"evil ' . 'x' x 9000 . '"}') } ],
    [ 1009, 'oversized in fragments', sub {
        $_[0]->frame(op => 1, fin => 0, data => '{"type":"message","text":"');
        $_[0]->frame(op => 0, fin => 0, data => 'evil' x 500) for 1 .. 5;
    } ],
    [ 1003, 'binary', sub { $_[0]->frame(op => 2, data => 'evil') } ],
    [ 1007, 'invalid UTF-8', sub { $_[0]->frame(op => 1, data =>
        "{\"type\":\"message\",\"text\":\"evil \xc3\x28\"}") } ],
    [ 1007, 'a surrogate in UTF-8', sub { $_[0]->frame(op => 1, data =>
        "{\"type\":\"message\",\"text\":\"evil \xed\xa0\x80\"}") } ],
);

for my $case (@ends) {
    my ($close, $name, $send) = @$case;
    my $ws = chat('bad', 'Evil');
    my $before = () = $ng->log_text =~ /a member broke a rule/g;
    $send->($ws);
    is(($ws->ended)[0], $close, "$name: closed");
    my $after = () = $ng->log_text =~ /a member broke a rule/g;
    is($after - $before, 1, "... and logged, once");
    $ws->drop;
}

my %refused = (
    'deep nesting' => [ '[' x 2000, 'malformed' ],
    'nesting' => [ '{"type":"message","text":' . '{"a":' x 500 . '"evil"'
        . '}' x 501, 'too_deep' ],
    'wrong JSON' => [ '{"type":"message","text":"evil"', 'malformed' ],
    'two objects' => [ '{"type":"message","text":"evil"}{}', 'malformed' ],
    'half a surrogate' => [ '{"type":"message","text":"evil \ud800"}',
        'malformed' ],
    'a forged name' => [ '{"type":"message","text":"evil","name":"Good"}',
        'unknown_member' ],
    'a forged author' => [ '{"type":"message","text":"evil","user":"1"}',
        'unknown_member' ],
    'an event of the control plane' => [ '{"type":"event","event":"gift"}',
        'unknown_type' ],
    'a poll of its own' => [ '{"type":"poll","question":"evil"}', 'unknown_type' ],
    'a bidi control alone' => [ '{"type":"message","text":"\u202e"}',
        'bad_value' ],
    'controls alone' => [ '{"type":"message","text":"\u0000\u001b"}',
        'bad_value' ],
    'a vote for what is none' => [ '{"type":"vote","poll":"x","choice":1}',
        'bad_value' ],
    'a reaction of 100 bytes' => [ '{"type":"reaction","reaction":"'
        . 'evil' x 25 . '"}', 'too_long' ],
);
my $wrong = chat('bad', 'Wrong');

for my $name (sort keys %refused) {
    my ($text, $is) = @{ $refused{$name} };
    $wrong->send($text);
    is($wrong->message(type => 'error')->{code}, $is, $name);
}
my $lines = () = $ng->log_text =~ /sent what is no message/g;
is($lines, 2, 'each of the two who sent such things is in the log once');

my %clean = (
    'a\u0000b\u001b[31mc' => 'ab[31mc', 'a\u202eb\u2066c' => 'abc',
    'e' . '\u0301' x 50 => "e\x{301}\x{301}\x{301}\x{301}",
    'l\nm\ttwo' => 'l m two',
);
for my $text (sort keys %clean) {
    $wrong->send(qq({"type":"message","text":"clean $text"}));
    ok($good->message(type => 'message', text => "clean $clean{$text}"),
        "controls, bidi, zalgo: $text");
}
ok($good->quiet(0.3, type => 'message', text => qr/evil/),
    'nobody saw what was refused');
$wrong->drop;

# --- names

my %name = ("\x{202e}evil" => 'a bidi control', 'x' x 200 => 'too long',
    "a\nb" => 'two lines', '<b>' => 'markup', '' => 'nothing');

for my $name (sort keys %name) {
    my $ws = Live::WebSocket->open($port, '/chat/bad');
    $ws->send({ type => 'hello', name => $name });
    my $frame = $ws->next_frame(5);
    my $got = $frame->{op} == 8 ? 'closed' : $frame->{data};
    like($got, qr/^closed|"type":"error"|"name":"(?:evil|a b)"|"write":false/,
        "a name with $name{$name} is cleaned or refused");
    $ws->drop;
}

# --- no hello

my $silent = Live::WebSocket->open($port, '/chat/bad');
$silent->send({ type => 'message', text => 'too early' });
is($silent->message(type => 'error')->{code}, 'hello',
    'the first message is a hello');

# --- a flood of frames

my $flood = Live::WebSocket->connect($port, '/strict/flood', name => 'Flood');
$flood->raw(join '', map { $flood->bytes(data => '{"type":"ping"}') } 1 .. 400);
is(($flood->ended)[0], 1008, 'who floods is closed');

my $burst = Live::WebSocket->connect($port, '/strict/flood', name => 'Burst');
$burst->send({ type => 'message', text => "m$_", ref => "m$_" }) for 1 .. 15;
my @refused = grep { $_->{type} eq 'error' }
    map { $burst->message(ref => "m$_") } 1 .. 15;
is(scalar @refused, 5, 'ten messages at once, the rest is refused');
$lines = () = $ng->log_text =~ /a member is limited/g;
is($lines, 1, '... and logged once');
$lines = () = $ng->log_text =~ /closed for flooding/g;
is($lines, 1, '... as is a flood');

# --- a reader that stops

my $slow = chat('slow', 'Slow', rcvbuf => 4096);
my $fast = chat('slow', 'Fast');
my $text = 'x' x 400;
for my $i (1 .. 200) {
    $fast->raw(join '', map { $fast->bytes(data =>
        qq({"type":"message","text":"$i.$_ $text"})) } 1 .. 20);
    $fast->message(type => 'message', text => qr/^\Q$i.20\E /);
    last if $i % 10 == 0 && metric('ngx_live_chat_closed_slow_total');
}
is(metric('ngx_live_chat_closed_slow_total'), 1,
    'who does not read is closed in the end');
my ($code, $why) = $slow->ended;
is($code, 1013, 'with a code');
like($why, qr/slowly/, 'and a reason');
ok(wait_for(sub { metric('ngx_live_chat_queued_bytes') == 0 }, 5),
    'nothing waits for it any more');

my $back = chat('slow', 'Slow', offset => $slow->hello->{offset},
    epoch => $slow->hello->{epoch});
ok(defined $back->hello->{resumed} && !$back->hello->{resumed},
    'it may come back, and is told that it lost something');

# --- the log is full of what was said: it is never the end

my $talk = chat('full', 'Talk');
for my $i (1 .. 200) {
    $talk->raw(join '', map { $talk->bytes(data =>
        qq({"type":"message","text":"$text","ref":"r$i.$_"})) } 1 .. 20);
    $talk->message(ref => "r$i.20") or last;
}
$talk->send({ type => 'message', text => 'the last', ref => 'last' });
is(($talk->message(ref => 'last') // {})->{type}, 'ok',
    'what nobody saves makes room by itself') or diag($talk->story);

# --- ends

$_->drop for $good, $bad, $silent, $flood, $burst, $slow, $fast,
    $talk, $back;
ok(wait_for(sub { metric('ngx_live_chat_members') == 0 }, 10),
    'all connections are over');
is(metric('ngx_live_chat_connections_total'),
    metric('ngx_live_chat_connections_ended_total'),
    'each start has its end');

$ng->finish;

# --- 500 handshakes that never finish, and a member that vanished

my $quick = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    live_chat_ping 1s;
    live_token off;
    client_header_timeout 2s;
    server {
        listen 127.0.0.1:%%PORT_http%% backlog=1024;
        location /chat/ { live_chat; }
        location /metrics { live_metrics; }
    }
}
EOC

$port = $quick->port('http');

my $there = chat('gone', 'There');
my $anon = memory($quick);
my $shake = "GET /chat/gone HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    . "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
my $half = Live::WebSocket->bytes(op => 1, data => '{"type":"hello",'
    . ' ' x 4000);

my @never = map {
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or die "connect: $!\n";
    $s->syswrite(('', 'GET /ch', $shake, "$shake\r\n", "$shake\r\n"
        . substr $half, 0, 2000)[$_ % 5]);
    $s;
} 1 .. 500;

ok(wait_for(sub {
    return ($quick->get('http', '/metrics')->body
        =~ /^ngx_live_chat_members(?:\{[^}]*\})? (\d+)/m)[0] == 201;
}, 10, '200 begun members'), '500 handshakes begin, 200 of them as members');

$there->send({ type => 'message', text => 'undisturbed' });
ok($there->message(text => 'undisturbed'), 'a member talks among them');

my $took = (memory($quick) - $anon) / 500;
cmp_ok($took, '<', 24, sprintf 'they take little memory: %.1f kB each', $took);


my $gone = chat('gone', 'Gone', no_pong => 1);
$there->message(type => 'presence', members => 2, -wait => 3);
my $left = wait_for(sub {
    my $p = $there->message(type => 'presence', -wait => 1);
    return $p && $p->{members} == 1;
}, 8);
ok($left, 'who answers no ping is closed, the others are told');

my %ends;

for my $s (@never) {
    my $text = '';
    my $until = time + 20;

    while (time < $until) {
        $there->kept;                    # its pings are answered
        next unless IO::Select->new($s)->can_read(0.2);
        sysread $s, $text, 4096, length $text or last;
    }

    $ends{$text eq '' ? 'closed' : $text =~ / 101 .*no hello came in time/s
        ? 'told' : $text =~ / 408 / ? 'told' : 'else'}++;
}

is_deeply(\%ends, { closed => 300, told => 200 }, 'all end by time-out, those '
    . 'who began to be members with a reason');

$there->send({ type => 'message', text => 'still here' });
ok($there->message(text => 'still here'), 'and the member still talks');

$_->drop for $gone, $there;
$quick->finish;
done_testing;
