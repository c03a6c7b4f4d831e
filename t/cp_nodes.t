#!/usr/bin/perl

# Two nodes and a control plane, no Redis: a suspended user, and a stream made
# private, stop playing on both within 5 seconds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Encoder;
use Live::Nginx qw(wait_for read_file);
use Live::Person;

my $cp = Live::Control->new->start;
my %node = map { $_ => node($_) } qw(one two);
my %stream = (one => 'first', two => 'second');
my $ann = person($cp, 'ann');
my $bob = person($cp, 'bob');
my $admin = person($cp, 'admin', role => 'admin');
my @encoders;

for my $name (sort keys %node) {
    my $made = $ann->post('/streams', { id => $stream{$name},
        title => "on node $name" })->json;

    push @encoders, Live::Encoder->ffmpeg('rtmp://127.0.0.1:'
        . $node{$name}->port('rtmp') . "/live/$made->{key}{key}");
}

ok(wait_for(sub {
    my $list = $cp->sql('SELECT count(*), count(DISTINCT node_id)'
        . ' FROM live_streams');
    return $list eq '2|2';
}, 30, 'both'), 'each node has a stream') or diag($cp->log);

my %bob = tokens($bob);
my %other = tokens(anyone($cp));

ok(wait_for(sub { plays_everywhere(\%bob) && plays_everywhere(\%other) }, 20,
    'both to play'), 'both play');

is($admin->post('/admin/users/' . $bob->id . '/suspend', { reason => 'spam' })
    ->status =~ s/^(.).*/$1/r, 2, 'a user is suspended');
stops(\%bob, $_) for sort keys %node;
ok(plays_everywhere(\%other), 'others play on');

is($ann->patch("/streams/$stream{$_}", { visibility => 'private' })->status,
    200, "$stream{$_} is made private") for sort keys %node;
stops(\%other, $_) for sort keys %node;

$_->stop for @encoders;
$_->finish for values %node;
$cp->finish;
done_testing();

sub node {
    my ($name) = @_;

    my $ng = Live::Nginx->new(
        workers => 2,
        files => { 'node.key' => read_file($cp->node_key_file) },
        vars => { CP => '127.0.0.1:' . $cp->port, NODE => $name },
        conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_control_plane http://%%CP%%;
    live_node_id %%NODE%%;
    live_node_key %%DIR%%/node.key;
}
stream {
    server {
        listen 127.0.0.1:%%PORT_rtmp%%;
        live_rtmp;
        live_publish_auth http://%%CP%%/internal/publish;
    }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token on; }
    }
}
EOC

    $ng->start;

    return $ng;
}

sub tokens {
    my ($who) = @_;

    return map { $_ => $who->post("/streams/$stream{$_}/token", {})
        ->json->{token} } keys %node;
}

sub status {
    my ($tokens, $name) = @_;

    return $node{$name}->get('http',
        "/live/~$tokens->{$name}/$stream{$name}/index.m3u8")->status;
}

sub plays_everywhere {
    my ($tokens) = @_;

    return !grep { status($tokens, $_) != 200 } keys %node;
}

sub stops {
    my ($tokens, $name) = @_;

    ok(wait_for(sub { status($tokens, $name) == 403 }, 5, '403'),
        "node $name: stopped within 5 s");
}
