#!/usr/bin/perl

# A room's settings and words, decided in the control plane, enforced in the
# worker before anybody else sees a message.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for);
use Live::Person;
use Live::WebSocket;

my $cp = Live::Control->new;
my $ng = Live::Nginx->new(workers => 2, vars => { URL => $cp->url },
    files => { 'node.key' => $cp->node_key . "\n" }, conf => <<'EOC');
live {
    live_store %%STORE%% 128m;
    live_control_plane %%URL%%;
    live_node_id one;
    live_node_key %%DIR%%/node.key;
    live_node_urls http=http://127.0.0.1:%%PORT_http%%;
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /chat/    { live_chat; live_chat_rate off; live_token on; }
        location /control/ { live_control; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$cp->conf(public_url => 'http://127.0.0.1:' . $ng->port('http'));
$cp->start;
$ng->start;

my %user = map { $_ => person($cp, $_) } qw(owner moder ann ben vic);
my $id = $user{owner}->post('/streams', { title => 'Show' })->json->{id};
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });

sub enter {
    my ($who) = @_;
    my $token = $user{$who}->post("/streams/$id/token")->json->{token};

    return Live::WebSocket->connect($ng->port('http'), "/chat/$id",
        token => $token);
}

ok(wait_for(sub { ($cp->sql("SELECT count(*) FROM nodes"
    . " WHERE keys_seen IS NOT NULL"))[0] == 1 }, 20, 'the node'),
    'the node is there');

my ($ann, $ben, $moder) = map { enter($_) } qw(ann ben moder);
my $n = 0;

# The answer: "ok", or the code of the error.
sub say_ok {
    my ($ws, $text) = @_;

    $ws->send({ type => 'message', text => $text, ref => 'n' . ++$n });
    my $got = $ws->message(ref => "n$n");

    return $got->{type} eq 'ok' ? $got->{held} ? 'held' : 'ok' : $got->{code};
}

# Told to those who are there, and in force then.
sub settings {
    my (%set) = @_;
    my $res = $user{moder}->patch("/streams/$id/moderation/settings",
        { settings => \%set });

    is($res->status, 200, join ' ', 'set:', sort keys %set)
        or diag $res->body;
    my ($name) = keys %set;
    ok(wait_for(sub {
        my $e = $ann->message(type => 'settings', -wait => 1);
        return $e && defined $e->{settings}{$name}
            && $e->{settings}{$name} eq $set{$name};
    }, 10), "members are told of $name");
}

is(say_ok($ann, 'see https://example.org'), 'ok', 'links are taken');
settings(links => JSON::PP::false);
is(say_ok($ann, 'see https://example.org'), 'links', 'and then not');
is(say_ok($moder, 'see https://example.org'), 'ok', 'but of moderators');

settings(max_length => 20);
is(say_ok($ann, 'x' x 21), 'too_long', 'the longest message');
is(say_ok($ann, "\x{e9}" x 20), 'ok', 'counts characters');

settings(unique => JSON::PP::true);
is(say_ok($ann, 'Same thing'), 'ok', 'something new');
is(say_ok($ann, 'SAME  thing'), 'not_unique', 'not again in a minute');
is(say_ok($ben, 'same thing'), 'ok', 'another may say it');

settings(slow_ms => 60000);
is(say_ok($ben, 'one'), 'slow_mode', 'slow mode counts from before');
settings(slow_ms => 0);

settings(mode => 'followers');
is(say_ok($ann, 'may I'), 'members_only', 'followers only');
settings(mode => 'subscribers');
is(say_ok($ann, 'may I'), 'members_only', 'subscribers only');
$user{owner}->put('/users/me/subscribers/' . $user{ben}->id, {});
my $sub = enter('ben');
is($sub->hello->{you}{role}, 'subscriber', 'who has a subscription');
is(say_ok($sub, 'I may'), 'ok', '... may');
$user{owner}->delete('/users/me/subscribers/' . $user{ben}->id);
ok(wait_for(sub { say_ok($sub, 'still ' . ++$n) eq 'revoked' }, 10),
    '... until it is taken away');
$sub->drop;

$user{owner}->put("/streams/$id/members/" . $user{vic}->id,
    { role => 'vip' });
my $vic = enter('vic');
settings(mode => 'all', slow_ms => 60000);
is(say_ok($vic, "vip $_"), 'ok', 'slow mode is not for a vip') for 1, 2;
is(say_ok($ann, 'too fast'), 'slow_mode', '... but for others');
settings(slow_ms => 0);
$vic->drop;
settings(mode => 'emote');
is(say_ok($ann, 'words'), 'emotes_only', 'emotes only');
is(say_ok($ann, "\x{1f600} :wave:"), 'ok', 'which they are');
settings(mode => 'all');

is($user{moder}->post("/streams/$id/moderation/words",
    { words => ['badword'], action => 'block' })->status, 204, 'a word');
is($user{moder}->post("/streams/$id/moderation/words",
    { words => ['maybe'], action => 'hold' })->status, 204, 'another');
is($user{moder}->post("/streams/$id/moderation/words",
    { words => ['darn'], action => 'mask' })->status, 204, 'a third');
my $i = 0;
ok(wait_for(sub { say_ok($ann, 'a badword ' . ++$i) eq 'blocked' }, 10),
    'is blocked');
is(say_ok($ann, 'the b.A.d.w.0.r.d'), 'blocked', 'however it is written');

ok(wait_for(sub { say_ok($ann, 'maybe ' . ++$i) eq 'held' }, 10), 'is held');
my $held = $moder->message(type => 'message', status => 'held');
like($held->{text}, qr/^maybe/, 'moderators see it');
ok($ben->quiet(0.2, type => 'message', text => qr/^maybe $i$/),
    'nobody else does');

ok(wait_for(sub {
    say_ok($ann, 'darn ' . ++$i);
    return $ben->message(text => "**** $i", -wait => 1);
}, 10), 'is masked');
$_->drop for $ann, $ben, $moder;

$ng->finish;
$cp->finish if $cp->can('finish');
done_testing;
