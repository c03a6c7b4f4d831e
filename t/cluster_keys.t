#!/usr/bin/perl

# live_token without live_token_keys: the keys are those that the control plane
# gives with its answers, in all workers at once, and on disk for a start
# without it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Live::FakeControl;
use Live::Nginx qw(wait_for read_file);
use Live::Token;

my $node_key = unpack 'H*', Live::Token::random_bytes(32);
my $cp = Live::FakeControl->new(node_key => $node_key);
my ($first, $second) = map { Live::Token->new('EdDSA', kid => $_) }
    qw(first second);

my $conf = <<'EOC';
live {
    live_store %%STORE%% 64m;
    live_control_plane %%URL%%;
    live_node_key %%DIR%%/node.key;
    live_state_dir %%DIR%%/state;
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;
        add_header X-Worker $pid always;
        keepalive_requests 100000;
        location /files/ { live_token on; }
        location /status { live_status; }
    }
}
EOC

my %opt = (workers => 4, vars => { URL => $cp->url },
    files => { 'node.key' => "$node_key\n", 'html/files/demo/x' => "yes\n" });
my $ng = Live::Nginx->new(%opt, conf => $conf);

chmod 0644, $ng->dir . '/node.key';

sub wrong {
    my ($text, $why, $title) = @_;
    my $bad = Live::Nginx->new(%opt, conf => $text);
    my ($rc, $out) = $bad->test_conf;

    isnt($rc, 0, "refused: $title");
    like($out, $why, "and told why: $title");
}

# --- configuration

{
    (my $none = $conf) =~ s/live_control_plane .*//;
    wrong($none, qr/"live_token on" needs "live_token_keys", or "live_control/,
        'live_token on without any keys');

    for my $bad (['ftp://x', qr/is not an http:/], ['http://', qr/no host/],
        ['http://a b/', qr/invalid|number of arguments/],
        ['http://127.0.0.1:1/?x', qr/may have a path, but no arguments/],
        ['http://no-such-host.invalid/', qr/host not found/],
        ['http://127.0.0.1:99999/', qr/invalid port/])
    {
        (my $text = $conf) =~ s/%%URL%%/$bad->[0]/;
        wrong($text, $bad->[1], "live_control_plane $bad->[0]");
    }

    (my $id = $conf) =~ s/live_state_dir/live_node_id "a b"; live_state_dir/;
    wrong($id, qr/must be letters/, 'a node id with a space');
    (my $urls = $conf) =~ s/live_state_dir/live_node_urls x=y; live_state_dir/;
    wrong($urls, qr/it is rtmp=URL or http=URL/, 'another kind of URL');
}

# --- workers, one kept connection to each

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

# What all workers answer, if it is the same.
sub all_say {
    my ($token) = @_;
    my $got = every_worker('/files/demo/x',
        headers => { Authorization => "Bearer $token" });
    my %status = map { $_ => 1 } values %$got;

    return keys %$got == 4 ? join ',', sort keys %status : 'workers missing';
}

sub token { return $_[0]->token(stream => 'demo', sub => '17') }

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

$cp->start;
$ng->start;

is(all_say(token($first)), '401', 'no keys yet: no token is good');
is(control()->{keys_version}, undef, 'and status has no version');

$cp->keys(v1 => Live::Token::jwks($first));
ok(wait_for(sub { (control()->{keys_version} // '') eq 'v1' }, 5),
    'the control plane gives keys');
is(all_say(token($first)), '200', 'all workers use them');
is(all_say(token($second)), '401', 'and no others');
is(control()->{keys}, 1, 'one key');
ok($cp->wait_beat(sub { ($_[0]{seen}{keys} // '') eq 'v1' }),
    'the version is told');

# --- rotation

$cp->keys(v2 => Live::Token::jwks($first, $second));
ok(wait_for(sub { control()->{keys_version} eq 'v2' }, 5), 'two keys');
is(all_say(token($_)), '200', 'both are good') for $first, $second;

my $old = token($first);
is(all_say($old), '200', 'an old token');
$cp->keys(v3 => Live::Token::jwks($second));
ok(wait_for(sub { control()->{keys_version} eq 'v3' }, 5), 'the first goes');
is(all_say($old), '401', 'no worker takes its tokens any more');
is(all_say(token($second)), '200', 'those of the second');

# --- what cannot be used changes nothing

for my $bad ({ keys => [ { kty => 'OKP', crv => 'Ed25519', x => '!' } ] }, [],
    { keys => [ { %{ $second->jwk }, d => 'A' x 43 } ] }, 'x')
{
    $cp->keys(bad => JSON::PP->new->allow_nonref->encode($bad));
    $cp->wait_beat for 1 .. 2;
    is(control()->{keys_version}, 'v3', 'unusable keys are not taken');
    ok(!control()->{up}, 'which counts as a failure');
}

is(all_say(token($second)), '200', 'the keys stay');
$cp->keys(v4 => Live::Token::jwks($second));
ok(wait_for(sub { control()->{up} && control()->{keys_version} eq 'v4' }, 8),
    'good ones are taken again');

# --- without a control plane

my $file = $ng->dir . '/state/keys.json';
is((JSON::PP::decode_json(read_file($file)))->{version}, 'v4', 'on disk');
is(sprintf('%o', (stat $file)[2] & 0777), '600', 'for the workers alone');
is(sprintf('%o', (stat $ng->dir . '/state')[2] & 0777), '700', 'the folder');

$cp->stop;
ok($ng->reload, 'a reload while it is down');
is(all_say(token($second)), '200', 'new workers have the keys');
kill_leader();
is(all_say(token($second)), '200', 'after the death of the leader');

$ng->stop('QUIT');
unlink $ng->store;
%conn = ();
$ng->start;
is(all_say(token($second)), '200', 'after a cold start, from the disk');
is(control()->{keys_version}, 'v4', 'the last version');

$ng->stop('QUIT');
unlink $ng->store;
%conn = ();
$ng->write('state/keys.json', '{"version":"v4","jwks":{"keys":[');
$ng->start;
is(all_say(token($second)), '401', 'a broken file: no keys');
ok(!control()->{up}, 'and no control plane');
$cp->start;
ok(wait_for(sub { control()->{up} }, 8), 'it is there again');
is(all_say(token($second)), '200', 'and so are the keys');
ok(wait_for(sub { (eval { JSON::PP::decode_json(read_file($file)) } // {})
    ->{version} }, 5), 'the file is whole again');

$ng->finish;
done_testing;
