#!/usr/bin/perl

# Who is here, under which names, and how much they may say together: of a
# member, from an address, in a room, whichever worker has them.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Nginx qw(wait_for);
use Live::Token;
use Live::WebSocket;

binmode Test::More->builder->$_, ':encoding(UTF-8)'
    for qw(output failure_output);

my $key = Live::Token->new('HS256', kid => 'a');
my $ng = Live::Nginx->new(workers => 4, files => {
    'keys.json' => Live::Token::jwks($key) }, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        live_token_keys %%DIR%%/keys.json;
        location /chat/ { live_chat; live_chat_rate off; }
        location /token/ { live_chat; live_chat_rate off; live_token on; }
        location /addr/ { live_chat; live_chat_rate off;
            live_chat_address_rate 1r/s burst=5; }
        location /room/ { live_chat; live_chat_rate off;
            live_chat_room_rate 1r/s burst=6; }
        location /usual/ { live_chat; live_chat_rate 1r/s burst=1000; }
    }
}
EOC

my $port = $ng->port('http');

sub guest {
    my ($room, $name, $ip, $path) = @_;

    return Live::WebSocket->connect($port, '/' . ($path // 'chat') . "/$room",
        name => $name, $ip ? (headers => ["X-Real-IP: $ip"]) : ());
}

# What becomes of a guest: the code of the error, or the name that it gets.
sub named {
    my ($room, $name, $ip) = @_;
    my $ws = Live::WebSocket->open($port, "/chat/$room",
        $ip ? (headers => ["X-Real-IP: $ip"]) : ());

    $ws->send({ type => 'hello', name => $name });
    my $got = $ws->message(type => qr/^(?:hello|error)$/);
    my $is = $got->{type} eq 'error' ? $got->{code} : $got->{you}{name};
    $ws->drop;

    return $is;
}

# --- names

is(named('names', $_), 'name_taken', "a guest is not \"$_\"")
    for 'admin', 'Moderator', 'аdmіn', 'ＡＤＭＩＮ', 'Adm1n', 'O w n e r',
    'Süppört';
is(named('names', $_), 'bad_value', "nor is \"$_\" a name")
    for '<b>', 'x' x 33, 'a/b', 'Ann #17';
is(named('names', $_), $_, "but \"$_\" is")
    for 'Administrata', 'Zoë', "O'Neil";

my $ann = guest('names', 'Anna', '192.0.2.1');
is($ann->hello->{you}{name}, 'Anna', 'who comes first has the name');
like(named('names', 'Аnnа', '192.0.2.2'), qr/^Аnnа #[0-9a-f]{4}$/,
    'who looks like that from another address gets a mark');
is(named('names', 'Anna', '192.0.2.1'), 'Anna',
    'who is the same by address does not');

# --- who is here

my @crowd = map { guest('who', "Guest $_", "192.0.2.$_") } 1 .. 6;
my $twice = guest('who', 'Guest 1', '192.0.2.1');
my $reader = Live::WebSocket->connect($port, '/chat/who');
is($reader->hello->{members}, 8, 'all connections are counted');
is($reader->hello->{named}, 6, 'and who they are, once each');
is_deeply([ sort map { $_->{name} } @{ $reader->hello->{who} } ],
    [ map { "Guest $_" } 1 .. 6 ], 'by name, on whatever worker');
$twice->drop;
$crowd[0]->drop;
ok(wait_for(sub {
    my $p = $crowd[1]->message(type => 'presence', -wait => 1);
    return $p && $p->{members} == 6 && $p->{named} == 5
        && !grep { $_->{name} eq 'Guest 1' } @{ $p->{who} };
}, 10), 'who leaves is not there any more');
$reader->send({ type => 'who', ref => 'w' });
is($reader->message(type => 'who', ref => 'w')->{named}, 5,
    'whoever asks is told');

my %token = (stream => 'roles', can => [ 'watch', 'chat' ], iat => time() - 1);
my @role = map { Live::WebSocket->connect($port, '/token/roles',
    token => $key->token(%token, sub => "$_->[0]", name => $_->[1],
        role => $_->[2])) } [ 1, 'Vic', 'vip' ], [ 2, 'Sue', 'subscriber' ],
    [ 3, 'Max', 'viewer' ], [ 4, 'Moe', 'moderator' ],
    [ 5, 'Admin', 'viewer' ];
is($role[0]->hello->{you}{role}, 'vip', 'a vip');
is($role[1]->hello->{you}{role}, 'subscriber', 'a subscriber');
is($role[4]->hello->{you}{name}, 'Admin #5',
    'an account whose name is a title is told apart');
is_deeply([ map { $_->{role} } @{ $role[4]->hello->{who} } ],
    [ qw(moderator vip subscriber viewer viewer) ], 'the list goes by roles');

# --- how much

# Each says one; the codes of the errors, and the retry_ms.
sub each_says {
    my @got = map {
        my $ws = $_;
        $ws->send({ type => 'message', text => 'x', ref => 'r' });
        $ws->message(ref => 'r');
    } @_;
    return grep { $_->{type} eq 'error' } @got;
}

my @err = each_says(map { guest('a', "A $_", '192.0.2.7', 'addr') } 1 .. 8);
is(scalar @err, 3, 'five from an address, whoever and on whatever worker');
is($err[0]{code}, 'rate_limited', '... the code');
like($err[0]{message}, qr/address/, '... the reason');
cmp_ok($err[0]{retry_ms}, '>', 0, '... and when again');
is(scalar(each_says(guest('b', 'A', '192.0.2.7', 'addr'))), 1,
    'in other rooms likewise');
is(scalar(each_says(guest('a', 'B', '192.0.2.8', 'addr'))), 0,
    'but not from others');

@err = each_says(map { guest('r', "R $_", "192.0.2.$_", 'room') } 1 .. 8);
is(scalar @err, 2, 'six into a room, from wherever');
like($err[0]{message}, qr/here/, '... the reason');
is(scalar(each_says(guest('s', 'R', '192.0.2.1', 'room'))), 0,
    'another room has its own');

my $one = guest('u', 'One', '192.0.2.99', 'usual');
$one->raw(join '', map { $one->bytes(data =>
    qq({"type":"message","text":"m$_","ref":"m$_"})) } 1 .. 120);
my @limited = grep { $_->{type} eq 'error' }
    map { $one->message(ref => "m$_") } 1 .. 120;
cmp_ok(abs(@limited - 20), '<=', 5, 'an address has a limit unless it is off: '
    . @limited);

$ng->finish;
done_testing;
