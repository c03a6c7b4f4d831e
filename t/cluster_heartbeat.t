#!/usr/bin/perl

# The heartbeat: one worker of the node sends it, whoever dies; events are told
# until they are acknowledged, whoever is away.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Live::Encoder;
use Live::FakeControl;
use Live::Nginx qw(wait_for);
use Live::Prometheus;
use Live::RTMP;
use Live::Stream;
use Live::Token;

my $node_key = unpack 'H*', Live::Token::random_bytes(32);
my $cp = Live::FakeControl->new(node_key => $node_key);

my $ng = Live::Nginx->new(workers => 4, vars => { URL => $cp->url },
    files => { 'node.key' => "$node_key\n" }, conf => <<'EOC');
live {
    live_store %%STORE%% 128m;
    live_control_plane %%URL%%/some/where/;
    live_node_id node-7;
    live_node_key %%DIR%%/node.key;
    live_node_urls rtmp=rtmp://edge7.example.org/live http=https://edge7.example.org;
    live_segment 1s; live_part 200ms; live_resume 2s;
}
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp;
             live_publish_auth off; }
    server { listen 127.0.0.1:%%PORT_keyed%%; live_rtmp;
             live_publish_auth %%URL%%/internal/publish; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/   { live_hls; live_token off; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$cp->start;
$ng->start;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));

sub publisher {
    my ($name, %opt) = @_;
    return Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => $name, chunk_size => 60000, timeout => 10, %opt);
}

sub feed {
    my ($c, $from, $to) = @_;

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
        && $_->{ts} >= $from && $_->{ts} < $to } @$tags;
    $c->poll;
}

sub view { return Live::Stream->new($ng, 'http', $_[0]) }

sub status {
    my $res = eval { $ng->get('http', '/status') } // return {};
    return $res->status == 200 ? JSON::PP::decode_json($res->body) : {};
}

sub control { return status()->{control_plane} // {} }

# Never 0: between two leaders there is none.
sub leader {
    return wait_for(sub { control()->{leader} }, 5) || die "no leader\n";
}

sub events {
    my ($stream) = @_;
    return grep { ($_->{stream} // '') eq $stream } $cp->events;
}

sub types { return join ' ', map { $_->{type} } events($_[0]) }

sub wait_types {
    my ($stream, $want) = @_;

    wait_for(sub { types($stream) eq $want }, 15);
    is(types($stream), $want, "events of $stream: $want");
}

# --- what a heartbeat says

{
    my $beat = $cp->wait_beat;
    my $node = $beat->{body}{node};

    is($beat->{path}, '/some/where/internal/heartbeat', 'below the prefix');
    is($node->{id}, 'node-7', 'its id');
    is($node->{rtmp_url}, 'rtmp://edge7.example.org/live', 'its RTMP URL');
    is($node->{http_url}, 'https://edge7.example.org', 'its HTTP URL');
    cmp_ok($node->{epoch}, '>', (time() - 60) * 1000, 'its epoch in ms');
    is($node->{workers}, 4, 'its workers');
    cmp_ok($node->{store}{size}, '>', 100_000_000, 'its store');
    ok(!$node->{draining}, 'it does not drain');
    cmp_ok($node->{cpu}, '<=', 1, 'its load');
    is($node->{capacity}{publishers_max}, int($node->{store}{size} * 0.95
        / (4 * 10485760 / 8)), 'its capacity');
    is_deeply($beat->{body}{seen}, { keys => undef, revocations => 0,
        rooms => 0, rooms_new => [], commands => [] }, 'it has seen nothing yet');

    $cp->wait_beat for 1 .. 4;
    my %conn = map { $_->{conn} => 1 } $cp->requests('heartbeat');
    is(scalar keys %conn, 1, 'one worker sends them, over one connection');
    ok((grep { $_ == control()->{leader} } $ng->workers), 'status names it');
    ok(control()->{up}, 'the control plane is up');
    cmp_ok(control()->{heartbeat_age_ms}, '<', 5000, 'heard lately');

    my $m = Live::Prometheus->parse($ng->get('http', '/metrics')->body);
    is($m->value('ngx_live_control_up'), 1, 'metrics, too');
    cmp_ok($m->value('ngx_live_control_heartbeats_total'), '>', 3, 'counted');
}

# --- streams and events

{
    my $c = publisher('one');
    feed($c, 0, 4000);
    ok(view('one')->wait_live, 'a stream');
    view('one')->playlist for 1 .. 3;

    my $beat = $cp->wait_beat(sub { grep { $_->{id} eq 'one'
        && $_->{viewers} } @{ $_[0]{streams} } });
    my ($s) = @{ $beat->{body}{streams} };

    is($s->{state}, 'live', 'it is live');
    is($s->{protocol}, 'rtmp', 'over RTMP');
    is($s->{addr}, '127.0.0.1', 'from that address');
    like($s->{encoder}, qr/Live::RTMP/, 'by that encoder');
    is($s->{viewers}, 1, 'one viewer');
    cmp_ok($s->{bitrate}, '>', 1000, 'a bit rate');
    is($s->{fps}, 25, 'frames a second');
    is($s->{gop_ms}, 1000, 'key frames');
    my %track = map { $_->{name} => $_ } @{ $s->{tracks} };
    is(join(',', map { "$_:$track{$_}{type}" } sort keys %track),
        'a0:audio,v0:video', 'its tracks');
    like($track{v0}{codec}, qr/^avc1/, 'codec');
    is($track{v0}{width}, 320, 'size');

    $c->unpublish('one');
    wait_types(one => 'publish.start publish.stop stream.ended');
    my ($start, $stop) = events('one');
    is($stop->{reason}, 'the encoder stopped', 'why it stopped');
    cmp_ok($stop->{bytes}, '>', 10000, 'how much it was');
    cmp_ok($stop->{frames}, '>', 100, 'how many frames');
    cmp_ok($start->{id}, '<', $stop->{id}, 'ids increase');
    ok($cp->wait_beat(sub { grep { $_->{id} eq 'one'
        && $_->{state} eq 'ended' } @{ $_[0]{streams} } }), 'it has ended');
}

# --- an event is told until it is acknowledged

{
    $cp->mode(heartbeat => { noack => 1 });
    my $c = publisher('noack');
    my ($id) = map { $_->{body}{events}[0]{id} } $cp->wait_beat(
        sub { @{ $_[0]{events} } });

    for (1 .. 3) {
        my $again = $cp->wait_beat(sub { @{ $_[0]{events} } });
        is($again->{body}{events}[0]{id}, $id, 'told again');
    }

    $cp->mode(heartbeat => {});
    ok($cp->wait_beat(sub { !@{ $_[0]{events} } }), 'until it is taken');
    is(control()->{events}, 0, 'none is left');
    $c->unpublish('noack');
    wait_types(noack => 'publish.start publish.stop stream.ended');
}

# --- the leader is killed

{
    my $c = publisher('two');
    feed($c, 0, 3000);
    ok(view('two')->wait_live, 'a stream while the leader is killed');

    for (1 .. 2) {
        my $leader = leader();

        $cp->mode(heartbeat => { noack => 1 });
        $c->poll;
        $ng->kill_worker(KILL => $leader);
        ok(wait_for(sub { my $now = control()->{leader} // 0;
            $now && $now != $leader }, 5), 'another one leads');
        $cp->mode(heartbeat => {});
        ok($cp->wait_beat, 'and the heart beats');
        wait_for(sub { $ng->workers == 4 }, 10);
    }

    ok(wait_for(sub { my @s = events('two');
        my $start = grep { $_->{type} eq 'publish.start' } @s;
        $start == 1 }, 10), 'its start was told once');
    $c->close;
    ok(wait_for(sub {
        my @s = events('two');
        return 1 == grep { $_->{type} eq 'stream.ended' } @s;
    }, 15), 'and its end');
    is(scalar(grep { $_->{type} eq 'publish.stop' } events('two')), 1,
        'one stop for one start');
}

# --- the publisher's worker is killed

{
    my $c = publisher('three');
    feed($c, 0, 3000);
    ok(view('three')->wait_live, 'a stream whose worker is killed');
    $ng->kill_worker(KILL => view('three')->status->{publisher}{pid});
    ok($cp->wait_beat(sub { grep { $_->{id} eq 'three'
        && $_->{state} eq 'filling' } @{ $_[0]{streams} } }), 'it is filled');
    wait_types(three => 'publish.start publish.stop stream.ended');
    is((events('three'))[1]{reason}, 'the worker died', 'and it is told why');
    wait_for(sub { $ng->workers == 4 }, 10);
}

# --- a reload: the old ones give way

{
    my $c = publisher('four');
    feed($c, 0, 3000);
    ok(view('four')->wait_live, 'a publisher that keeps an old worker');
    ok($ng->reload, 'a reload');
    my %new = map { $_ => 1 } $ng->workers;
    ok(wait_for(sub { $new{ control()->{leader} // 0 } }, 5),
        'a new worker leads');
    feed($c, 3000, 5000);
    my $beat = $cp->wait_beat;
    ok((grep { $_->{id} eq 'four' && $_->{state} eq 'live' }
        @{ $beat->{body}{streams} }), "the old worker's stream is told of");
    $c->unpublish('four');
    wait_types(four => 'publish.start publish.stop stream.ended');
}

# --- the control plane is away for long

{
    $cp->stop;
    ok(wait_for(sub { my $c = control(); defined $c->{up} && !$c->{up} }, 10),
        'it is down');
    ok($ng->log_grep(qr/control plane .* does not answer the heartbeat/),
        'which is logged');
    my $lines = () = $ng->log_grep(qr/does not answer the heartbeat/);
    my $failed = control()->{heartbeats_failed};

    for my $n (1 .. 5) {
        my $c = publisher("away$n");
        feed($c, 0, 2500);
        ok(view("away$n")->wait_live, "stream $n goes on");
        $c->unpublish("away$n");
        view("away$n")->wait_state('ended');
    }

    $ng->kill_worker(KILL => leader());
    wait_for(sub { $ng->workers == 4 }, 10);
    $ng->reload;
    wait_for(sub { control()->{heartbeats_failed} > $failed + 2 }, 20);
    cmp_ok(control()->{events}, '>=', 15, 'events are kept');
    $cp->start;
    ok(wait_for(sub { control()->{up} }, 8), 'it is up again');
    wait_types("away$_" => 'publish.start publish.stop stream.ended')
        for 1 .. 5;
    is(control()->{events_lost}, 0, 'none was lost');
    ok($ng->log_grep(qr/answers again/), 'logged');
}

# --- answers that make no sense

for my $mode ({ body => 'x' }, { body => '[]' }, { raw => "?\r\n\r\n" },
    { status => 500 }, { status => 401 }, { huge => 5_000_000 },
    { delay => 30 }, { body => '{"keys":{"version":"x","jwks":{"keys":7}}}' },
    { body => '{"revocations":{"items":[]}}' })
{
    my $name = JSON::PP->new->canonical->encode($mode);

    $cp->mode(heartbeat => $mode);
    ok(wait_for(sub { my $c = control(); defined $c->{up} && !$c->{up} }, 10),
        'down: ' . substr $name, 0, 60);
    $cp->mode(heartbeat => {});
    ok(wait_for(sub { control()->{up} }, 8), 'and up again');
}

$cp->mode(heartbeat => { body => '{"revocations":{"version":1,"items":[1,{},'
    . '{"kind":"x","value":"y"},{"kind":"jti"},{"kind":"jti","value":7}]},'
    . '"commands":[1,{},{"id":1},{"id":"a","type":"b"},{"id":"c","type":"kick"'
    . ',"stream":"../x"}],"events":{},"interval_ms":-1}' });
$cp->wait_beat for 1 .. 3;
ok(control()->{up}, 'odd entries are left out');
$cp->mode(heartbeat => {});
$cp->wait_beat;

is(scalar($ng->workers), 4, 'all workers are there');
unlike(join('', values %{ $ng->all_logs }), qr/\Q$node_key\E/,
    'the node key is in no log');

$ng->finish;
done_testing;
