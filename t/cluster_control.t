#!/usr/bin/perl

# Commands: kick, drain, undrain; with a heartbeat's answer and through
# live_control, in any worker, each once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use Live::Encoder;
use Live::FakeControl;
use Live::Nginx qw(wait_for);
use Live::Prometheus;
use Live::RTMP;
use Live::Stream;
use Live::Token;

my $JSON = JSON::PP->new->canonical->utf8;
my $node_key = unpack 'H*', Live::Token::random_bytes(32);
my $cp = Live::FakeControl->new(node_key => $node_key);

my $ng = Live::Nginx->new(workers => 4, vars => { URL => $cp->url },
    files => { 'node.key' => "$node_key\n" }, conf => <<'EOC');
live {
    live_store %%STORE%% 128m;
    live_control_plane %%URL%%;
    live_node_key %%DIR%%/node.key;
    live_segment 1s; live_part 200ms; live_resume 20s;
}
stream { server { listen 127.0.0.1:%%PORT_rtmp%% reuseport; live_rtmp;
         live_publish_auth off; } }
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;
        add_header X-Worker $pid always;
        keepalive_requests 100000;
        location /live/    { live_hls; live_token off; }
        location /control/ { live_control; }
        location /to_file/ { live_control; client_body_in_file_only clean; }
        location /status   { live_status; }
        location /metrics  { live_metrics; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$cp->mode(heartbeat => { interval => 4000 });       # so that it is not first
$cp->start;
$ng->start;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));
my $next = 1;

sub publisher {
    my ($name) = @_;
    my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => $name, chunk_size => 60000, timeout => 10);

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
        && $_->{ts} < 3000 } @$tags;
    $c->poll;
    ok(view($name)->wait_live, "a publisher of $name");

    return $c;
}

sub view { return Live::Stream->new($ng, 'http', $_[0]) }

sub status { return $JSON->decode($ng->get('http', '/status')->body) }

# POSTs to live_control, signed.
sub control {
    my ($body, %opt) = @_;
    my $path = $opt{path} // '/control/';
    my %headers = ('Content-Type' => 'application/json',
        Authorization => Live::Token::node_header($opt{key} // $node_key,
            POST => $path), %{ $opt{headers} // {} });

    return ($opt{conn} // $ng->http('http'))->request(
        $opt{method} // 'POST', $path, headers => \%headers,
        body => ref $body ? $JSON->encode({ commands => $body }) : $body);
}

sub kick {
    my ($stream, $reason) = @_;
    return { id => 'k' . $next++, type => 'kick', stream => $stream,
        reason => $reason };
}

# --- who may, and how

is($ng->get('http', '/control/')->status, 405, 'GET is not allowed');
is($ng->http('http')->request(POST => '/control/', body => '{}')->status, 401,
    'an unsigned request');
is(control([], key => 'x' x 40)->status, 401, 'another key');

{
    my $value = Live::Token::node_header($node_key, POST => '/control/');
    my %o = (headers => { Authorization => $value });

    is(control([], %o)->status, 200, 'a signed request');
    is(control([], %o)->status, 401, 'the same once more');
}

is(control($_)->status, 400, 'not understood: ' . substr $_, 0, 20)
    for '', 'x', '[]', '{"commands":{}}', '{"commands":[' . '{},' x 256
        . '{}]}', "\0", '{"commands":[],"commands":[]}';
is(control('x' x 70000)->status, 413, 'a body that is too long');
is(control('{"commands":[' . ' ' x 20000 . ']}')->status, 200, 'a long one');
is_deeply($JSON->decode(control([ 7, {}, { id => 'a' }, { id => 'b',
    type => 'c' }, { id => 'd' x 65, type => 'drain' } ])->body),
    { done => [] }, 'commands that make no sense are left out');

# --- kick, from every worker

{
    my %conn;

    for (1 .. 400) {
        my $c = $ng->http('http');
        $conn{ $c->request(GET => '/status')->header('X-Worker') } //= $c;
        last if keys %conn == 4;
    }

    is(scalar keys %conn, 4, 'a connection to each worker');
    my %owners;

    for my $pid (sort keys %conn) {
        my $c = publisher("kick$pid");
        my $v = view("kick$pid");
        my $waits = $ng->http('http');

        $owners{ $v->status->{publisher}{pid} }++;
        $waits->send(GET => "/live/kick$pid/v0/index.m3u8?_HLS_msn="
            . ($v->playlist('v0')->{next_msn} + 1));

        my $begin = time;
        my $cmd = kick("kick$pid", 'The broadcast was ended by a moderator.');
        my $res = control([ $cmd ], conn => $conn{$pid});

        is($res->header('X-Worker'), $pid, "worker $pid is told");
        is($res->body, qq({"done":["$cmd->{id}"]}), 'it says that it is done');

        my $st = $c->wait_status(5);
        is($st->{code}, 'NetStream.Publish.BadName', 'the encoder is told');
        is($st->{description}, 'The broadcast was ended by a moderator.',
            'and why');
        cmp_ok(time - $begin, '<', 2, 'at once');
        ok($c->closed_within(10), 'its connection is closed');
        ok($v->wait_state('ended', 2), 'the stream has ended');
        ok($v->playlist('v0')->{endlist}, 'its playlist, too');
        is($waits->read_response->status, 200, 'who waited is answered');
    }

    note 'publishers in workers ' . join ' ', sort keys %owners;
    my $m = Live::Prometheus->parse($ng->get('http', '/metrics')->body);
    is($m->value('ngx_live_publish_kicked_total'), 4, 'counted');
}

# --- a stream without a publisher, one that is not there, and an id twice

{
    my $c = publisher('filled');
    $c->close;
    ok(view('filled')->wait_state('interrupted'), 'it is filled');
    control([ kick('filled', 'Over.') ], path => '/to_file/');
    ok(view('filled')->wait_state('ended', 3), 'a filled stream ends at once');

    is(control([ kick('nobody', 'x') ])->status, 200, 'one that is not there');

    my $cmd = kick('twice', 'x');
    control([ $cmd ]);
    $c = publisher('twice');
    is(control([ $cmd ])->body, qq({"done":["$cmd->{id}"]}), 'the id again');
    control([]) for 1 .. 3;
    is(view('twice')->status->{state}, 'live', 'does not count again');
    control([ kick('twice', "Odd \x{e9}\n" . 'y' x 400) ]);
    like($c->wait_status(5)->{description}, qr/^Odd \?+y{100,}$/,
        'a long reason, not all ASCII');
    my $back = publisher('twice');
    ok($back, 'who comes back is a stream of its own');
    $back->close;
}

# --- with the heartbeat

{
    $cp->mode(heartbeat => {});
    my $c = publisher('beat');
    my $id = $cp->command(type => 'kick', stream => 'beat',
        reason => 'From the heartbeat.');
    is($c->wait_status(8)->{description}, 'From the heartbeat.',
        'kicked by the answer to a heartbeat');
    ok($cp->wait_beat(sub { grep { $_ eq $id } @{ $_[0]{seen}{commands} } }),
        'it is told that this was done');
    ok(wait_for(sub { 1 == grep { $_->{type} eq 'stream.ended'
        && $_->{stream} eq 'beat' && $_->{reason} eq 'From the heartbeat.' }
        $cp->events }, 5), 'and the end is, too');
}

# --- drain

sub refused {
    my $c = Live::RTMP->new(port => $ng->port('rtmp'), timeout => 10);
    $c->handshake;
    $c->connect_app('live');
    $c->create_stream;
    my $code = $c->publish('drained');
    $c->close;
    return $code eq 'NetStream.Publish.BadName'
        ? $c->{status}{description} : '';
}

{
    my $c = publisher('stays');
    my $id = $cp->command(type => 'drain');

    ok(wait_for(sub { status()->{draining} }, 8), 'it drains');
    like(refused(), qr/is being emptied/, 'new publishers are refused')
        for 1 .. 4;
    ok($cp->wait_beat(sub { $_[0]{node}{draining} }), 'which is told');
    $c->poll;
    is(view('stays')->status->{state}, 'live', 'who is there stays');
    ok($ng->reload, 'a reload');
    like(refused(), qr/is being emptied/, 'it is remembered');
    my $m = Live::Prometheus->parse($ng->get('http', '/metrics')->body);
    is($m->value('ngx_live_draining'), 1, 'metrics say so');
    is($m->value('ngx_live_publish_refused_total', reason => 'drain'), 5,
        'and count');

    control([ { id => 'u1', type => 'undrain' } ]);
    is(refused(), '', 'let in again');
    ok(!status()->{draining}, 'status, too');
    $c->close;
}

$ng->finish;
done_testing;
