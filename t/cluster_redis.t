#!/usr/bin/perl

# Rooms of two nodes, by way of Redis: each member, on whatever node and
# worker, gets each message once, and all of a node in one order; also over
# leaders that die, reloads, and a Redis that is restarted, stopped or emptied.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Live::Nginx qw(wait_for);
use Live::Redis;
use Live::Token;
use Live::WebSocket;

plan skip_all => 'redis-server is not installed' unless Live::Redis->installed;

my $node_key = '6c' x 32;
my $key = Live::Token->new('HS256', kid => 'a');
my $redis = Live::Redis->new(password => 'admin', tls => 1,
    users => [ 'bus on >s3:cr%t ~live:chat:* +xadd +xread +xinfo +select' ])
    ->start;

sub node {
    my ($id, $conf) = @_;

    return Live::Nginx->new(workers => 2, files => {
        'keys.json' => Live::Token::jwks($key),
        'node.key' => "$node_key\n", 'password' => "s3:cr%t\n" },
        vars => { ID => $id, REDIS => $conf },
        allow_alerts => [ qr/exited on signal 9/ ], conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_node_id %%ID%%;
    live_node_key %%DIR%%/node.key;
    %%REDIS%%
}
http {
    %%HTTP%%
    add_header X-Pid "%%ID%% $pid" always;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        live_token_keys %%DIR%%/keys.json;
        location /chat/ { live_chat; live_token on; live_chat_rate off; }
        location /control/ { live_control; }
        location /metrics { live_metrics; }
    }
}
EOC
}

my $a = node(one => 'live_redis redis://bus:s3%3acr%25t@127.0.0.1:'
    . $redis->port . '/0;')->start;
my $b = node(two => 'live_redis rediss://bus@localhost:' . $redis->tls_port
    . '; live_redis_password password; live_redis_ca ' . $redis->ca . ';')
    ->start;

sub member {
    my ($ng, $room, $sub, $role, %opt) = @_;

    return Live::WebSocket->connect($ng->port('http'), "/chat/$room",
        token => $key->token(stream => $room, sub => $sub,
            name => ucfirst $sub, can => [ 'watch', 'chat' ],
            iat => time() - 1, defined $role ? (role => $role) : ()), %opt);
}

# One member on each worker of a node.
sub everywhere {
    my ($ng, $room, $name) = @_;
    my %seen;

    for my $try (1 .. 200) {
        my $ws = member($ng, $room, "$name$try");
        $seen{ $ws->header('X-Pid') } ||= $ws;
        return values %seen if keys %seen == 2;
    }

    die "no two workers took a member\n";
}

sub metric {
    my ($ng, $name) = @_;
    my ($value) = $ng->get('http', '/metrics')->body
        =~ /^ngx_live_redis_\Q$name\E ([\d.]+)$/m;

    return $value // -1;
}

sub up {
    my ($what) = @_;

    return ok(wait_for(sub { metric($a, 'up') == 1 && metric($b, 'up') == 1 },
        20, 'redis up'), $what);
}

sub texts { return [ map { $_->{text} } @_ ] }

up('both nodes reach Redis, by password and by TLS');
my @a = everywhere($a, 'talk', 'a');
my @b = everywhere($b, 'talk', 'b');
my @all = (@a, @b);
is(scalar keys %{ { map { $_->header('X-Pid') => 1 } @all } }, 4,
    'members on both workers of both nodes');

$a[0]->send({ type => 'message', text => 'hello' });
$_->message(type => 'message', text => 'hello') for @all;
pass('said');
$_->finish for $a, $b;
done_testing;
