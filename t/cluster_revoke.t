#!/usr/bin/perl

# Revoked tokens, and tokens that too many use: decided in every worker alike,
# by what the control plane has told one of them.

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
use Live::RTMP;
use Live::Stream;
use Live::Token;

my $node_key = unpack 'H*', Live::Token::random_bytes(32);
my $cp = Live::FakeControl->new(node_key => $node_key);
my $signer = Live::Token->new('EdDSA', kid => 'k');

$cp->keys(v1 => Live::Token::jwks($signer));

my $ng = Live::Nginx->new(workers => 4, vars => { URL => $cp->url },
    files => { 'node.key' => "$node_key\n" }, conf => <<'EOC');
live {
    live_store %%STORE%% 128m;
    live_control_plane %%URL%%;
    live_node_key %%DIR%%/node.key;
    live_segment 1s; live_part 200ms;
}
stream { server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp;
         live_publish_auth off; } }
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;
        add_header X-Worker $pid always;
        keepalive_requests 100000;
        location /files/ { live_token on; root %%DIR%%/html; }
        location /live/  { live_hls; live_token on; }
        location /status { live_status; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$ng->write("html/files/$_/x", "yes\n") for qw(demo other);
$cp->start;
$ng->start;

my %conn;

sub every_worker {
    my ($path, %o) = @_;
    my @pids = $ng->workers;

    delete $conn{$_} for grep { my $p = $_; !grep { $p == $_ } @pids }
        keys %conn;

    for (1 .. 400) {
        last if !grep { !$conn{$_} } @pids;
        my $c = $ng->http('http');
        my $pid = $c->request(GET => '/status')->header('X-Worker');
        $conn{$pid} //= $c;
    }

    return { map { my $c = $conn{$_};
        ($_ => $c ? $c->request(GET => $path, %o)->status : 0) } @pids };
}

sub all_say {
    my ($token, $stream, %headers) = @_;
    my $got = every_worker('/files/' . ($stream // 'demo') . '/x',
        headers => { Authorization => "Bearer $token", %headers });
    my %status = map { $_ => 1 } values %$got;

    return keys %$got == 4 ? join ',', sort keys %status : 'workers missing';
}

sub token {
    my (%claims) = @_;
    return $signer->token(stream => [ 'demo', 'other' ],
        iat => int(time) - 10, %claims);
}

sub kill_leader {
    my $leader = wait_for(sub { control()->{leader} }, 5) or return;

    $ng->kill_worker(KILL => $leader);
    wait_for(sub {
        my @pids = $ng->workers;
        return @pids == 4 && !grep { $_ == $leader } @pids;
    }, 10, 'another worker');
}

sub control {
    return JSON::PP::decode_json($ng->get('http', '/status')->body)
        ->{control_plane};
}

# Revokes, and tells how long it took until all workers knew.
sub revoke {
    my (%item) = @_;
    my $begin = time;
    my $version = $cp->revoke(%item);

    wait_for(sub { (control()->{revocations_version} // 0) >= $version }, 10);

    return time - $begin;
}

ok(wait_for(sub { control()->{keys} }, 5), 'keys');

# --- by what a token says

{
    my ($one, $two) = (token(jti => 'a1'), token(jti => 'a2'));

    is(all_say($one), '200', 'a token');
    cmp_ok(revoke(kind => 'jti', value => 'a1'), '<', 5, 'revoked within 5 s');
    is(all_say($one), '403', 'it is dead in every worker');
    is(all_say($two), '200', 'another one is not');

    my $body = $ng->get('http', '/files/demo/x',
        headers => { Authorization => "Bearer $one" })->body;
    is(JSON::PP::decode_json($body)->{title}, 'revoked', 'it is told why');
}

{
    my $now = int time;
    my $early = token(sub => '17', iat => $now - 5);
    my $none = token(sub => '17', iat => undef);
    my $later = token(sub => '17', iat => $now + 1);
    my $other = token(sub => '18', iat => $now - 5);

    is(all_say($_), '200', 'a token of a user') for $early, $none, $later;
    revoke(kind => 'sub', value => '17', before => $now);
    is(all_say($early), '403', "a user's token from before");
    is(all_say($none), '403', 'one that does not say when');
    is(all_say($later), '200', 'one from afterwards');
    is(all_say($other), '200', "another user's");
    revoke(kind => 'stream', value => 'other', before => $now);
    is(all_say($other, 'other'), '403', "a stream's tokens");
    is(all_say($other, 'demo'), '200', 'the same token, another stream');

    my $both = token(sub => 'anon:x', iat => $now - 5);
    revoke(kind => 'sub_stream', value => "anon:x\ndemo", before => $now);
    is(all_say($both), '403', "a user's tokens of a stream");
    is(all_say(token(sub => 'anon:y')), '200', "not another user's");
    is(control()->{revocations}, 4, 'status counts them');
}

# --- who waits is told, too

{
    my $tags = Live::RTMP::load_flv(
        Live::Encoder::media(gop => 25, seconds => 20));
    my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => 'demo', chunk_size => 60000, timeout => 10);
    my $feed = sub {
        my ($from, $to) = @_;
        $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
            && $_->{ts} >= $from && $_->{ts} < $to } @$tags;
        $c->poll;
    };

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $feed->(0, 3000);
    ok(Live::Stream->new($ng, 'http', 'demo')->wait_live, 'a stream');

    my ($dies, $lives) = (token(jti => 'w1'), token(jti => 'w2'));
    my $list = $ng->get('http', "/live/~$lives/demo/v0/index.m3u8");
    is($list->status, 200, 'a playlist');

    my $pl = Live::Stream::parse($list->body);
    my %waits = map { my $h = $ng->http('http');
        $h->send(GET => "/live/~$_->[1]/demo/v0/index.m3u8?_HLS_msn="
            . ($pl->{next_msn} + 1)); ($_->[0] => $h) }
        [ dies => $dies ], [ lives => $lives ];

    revoke(kind => 'jti', value => 'w1');
    ok(!$waits{dies}->readable(0), 'both wait');
    $feed->(3000, 8000);
    is($waits{dies}->read_response->status, 403,
        'a token that was revoked while its request waited');
    is($waits{lives}->read_response->status, 200, 'another one');
    is($ng->get('http', "/live/~$dies/demo/v0/index.m3u8")->status, 403,
        'and on its next request');
    $c->close;
}

# --- whatever happens to the node

{
    my $dead = token(jti => 'a1');

    kill_leader();
    is(all_say($dead), '403', 'after the death of the leader');
    $cp->stop;
    ok($ng->reload, 'a reload without a control plane');
    is(all_say($dead), '403', 'after it');
    my $fresh = token(jti => 'f1');
    is(all_say($fresh), '200', 'good tokens are good');
    $cp->start;
    cmp_ok(revoke(kind => 'jti', value => 'f1'), '<', 8, 'the next one');
    is(all_say($fresh), '403', 'is dead, too');

    # a control plane that has begun anew gives all that it has
    $cp->{state}{revocations} = [];
    revoke(kind => 'jti', value => 'z1');
    ok(wait_for(sub { control()->{revocations} == 1 }, 10),
        'all are replaced');
    is(all_say($dead), '200', 'what is not among them is good again');
    is(all_say(token(jti => 'z1')), '403', 'what is, is not');
}

# --- many

{
    $cp->revoke(kind => 'jti', value => [ map { "many$_" } 1 .. 3000 ]);
    ok(wait_for(sub { control()->{revocations} == 3001 }, 10), '3000 more');
    is(all_say(token(jti => "many$_")), '403', "number $_")
        for 1, 1500, 3000;
    is(all_say(token(jti => 'many0')), '200', 'none besides');
    is(control()->{revocations_lost}, 0, 'all have room');
}

# --- how many may use a token

{
    my $token = token(jti => 's1', sessions => 2);

    is(all_say($token, 'demo', 'User-Agent' => 'one'), '200', 'a player');
    is(all_say($token, 'demo', 'User-Agent' => 'two'), '200', 'a second');
    is(all_say($token, 'demo', 'User-Agent' => 'three'), '403',
        'a third is refused by every worker');
    is(all_say($token, 'demo', 'User-Agent' => $_), '200', "$_ goes on")
        for qw(one two);
    is(all_say(token(jti => 's2', sessions => 1), 'demo',
        'User-Agent' => 'three'), '200', 'with a token of its own');

    my $from = $ng->http('http', local => '127.0.0.9')->request(GET =>
        '/files/demo/x', headers => { Authorization => "Bearer $token",
            'User-Agent' => 'one' });
    is($from->status, 403, 'another address is another player');
    is(JSON::PP::decode_json($from->body)->{title}, 'too many sessions',
        'it is told why');

    my $any = token(jti => 's3');
    is(all_say($any, 'demo', 'User-Agent' => "n$_"), '200', 'no limit')
        for 1 .. 3;

    my $beat = $cp->wait_beat(sub { grep { $_->{jti} eq 's3' }
        @{ $_[0]{sessions} } });
    my %seen = map { ("$_->{jti} $_->{stream}" => 1) }
        @{ $beat->{body}{sessions} };
    ok($seen{"$_ demo"}, "$_ is told of") for qw(s1 s2 s3);
}

$ng->finish;
done_testing;
