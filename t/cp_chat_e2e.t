#!/usr/bin/perl

# Rooms and the control plane together: a real nginx, a real PostgreSQL.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Live::Control;
use Live::HTTP;
use Live::Nginx qw(wait_for);
use Live::Person;
use Live::WebSocket;

my $cp = Live::Control->new;
my $ng = Live::Nginx->new(workers => 2, vars => { URL => $cp->url },
    files => { 'node.key' => $cp->node_key . "\n" },
    allow_alerts => [ qr/exited on signal 9/ ], conf => <<'EOC');
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
        location /status   { live_status; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$cp->conf(public_url => 'http://127.0.0.1:' . $ng->port('http'));
$cp->start;
$ng->start;

my %user = map { $_ => person($cp, $_) } qw(owner moder ann ben);
my $id = $user{owner}->post('/streams', { title => 'Show' })->json->{id};
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });

my %token;

sub enter {
    my ($who) = @_;
    $token{$who} //= $user{$who}->post("/streams/$id/token")->json->{token};
    return Live::WebSocket->connect($ng->port('http'), "/chat/$id",
        token => $token{$who});
}

sub kept {
    my ($what) = @_;
    return $cp->sql("SELECT count(*) FROM chat_messages WHERE $what");
}

sub leader {
    my $res = Live::HTTP->new(port => $ng->port('http'))
        ->request(GET => '/status');
    return JSON::PP::decode_json($res->body)->{control_plane}{leader};
}

# The node has its keys with the first heartbeat.
ok(wait_for(sub { ($cp->sql("SELECT count(*) FROM nodes"
    . " WHERE keys_seen IS NOT NULL"))[0] == 1 }, 20, 'the node'),
    'the node is there');

my $ann = enter('ann');
my $ben = enter('ben');

# ---- said, heard, kept

$ann->send({ type => 'message', text => 'hello ben' });
my $heard = $ben->message(type => 'message', text => 'hello ben');
is($heard->{name}, 'ann', 'one says something, the other hears it');
ok(wait_for(sub { kept("id = $heard->{id}") == 1 }, 10, 'the row'),
    'PostgreSQL has it');
is($cp->sql("SELECT user_id FROM chat_messages WHERE id = $heard->{id}"),
    $user{ann}->id, '... with who it was');
is($user{ben}->get("/streams/$id/chat/history")->json->{items}[0]{text},
    'hello ben', '... and the history');

# ---- over the API

is($user{ben}->post("/streams/$id/chat", { text => 'by post' })->status, 202,
    'said over the API');
$heard = $ann->message(type => 'message', text => 'by post');
is($heard->{user}, $user{ben}->id, '... heard in the room');
ok(wait_for(sub { kept("message_text = 'by post'") == 1 }, 10, 'the row'),
    '... and kept');

is($user{owner}->post("/streams/$id/chat/events", { event => 'gift',
    name => 'Carl', item => 'cake' })->status, 202, 'a gift');
is($ann->message(type => 'event')->{event}{data}{item}, 'cake',
    '... is shown');
ok(wait_for(sub {
    my ($gift) = grep { $_->{kind} eq 'event' } @{ $user{ann}->get(
        "/streams/$id/chat/history")->json->{items} };
    return $gift && $gift->{event} eq 'gift'
        && $gift->{data}{item} eq 'cake';
}, 10, 'the gift'), '... and in the history');

# ---- decided by the control plane

is($user{moder}->post("/streams/$id/moderation/timeouts",
    { user => $user{ben}->id, seconds => 600 })->status, 201, 'a timeout');
ok($ben->message(type => 'timeout'), 'he is told');
$ben->send({ type => 'message', text => 'still here' });
is($ben->message(type => 'error')->{code}, 'timed_out',
    '... and may not write');
$user{moder}->delete("/streams/$id/moderation/users/" . $user{ben}->id
    . '/ban');
ok(wait_for(sub {
    $ben->send({ type => 'message', text => 'back' });
    return $ben->message(type => 'message', text => 'back', -wait => 1);
}, 20, 'the message'), '... until it is lifted');
ok($ann->message(type => 'message', text => 'back'), '... which is heard');

is($user{moder}->post("/streams/$id/moderation/words",
    { words => ['rubbish'] })->status, 204, 'a word is blocked');
ok(wait_for(sub {
    $ben->send({ type => 'message', text => 'what rubbish', ref => 'w' });
    return $ben->message(type => 'error', ref => 'w', -wait => 1);
}, 20, 'the refusal'), '... in the room');

my ($last) = grep { $_->{kind} eq 'message' } @{ $user{ann}->get("/streams/$id/chat/history")->json->{items} };
is($user{moder}->put("/streams/$id/chat/pin", { message => $last->{id} })
    ->status, 200, 'a message is pinned');
is($ann->message(type => 'pin')->{id}, $last->{id}, '... in the room');

# ---- a vote

my $poll = $user{moder}->post("/streams/$id/polls",
    { question => 'Tea?', choices => [qw(yes no)] })->json->{id};
is($ann->message(type => 'poll')->{poll}{id}, $poll, 'a poll in the room');
$ann->send({ type => 'vote', poll => $poll, choice => 1 });
$ben->send({ type => 'vote', poll => $poll, choice => 1 });
$ann->send({ type => 'vote', poll => $poll, choice => 0 });
ok(wait_for(sub { kept("kind = 'vote'") == 3 }, 10, 'the votes'), 'is voted');
is_deeply($user{ann}->get("/streams/$id/polls/$poll")->json->{tally},
    [ 0, 2 ], '... once by each');
ok(wait_for(sub {
    my $e = $ann->message(type => 'poll', -wait => 1);
    return $e && "@{ $e->{poll}{tally} }" eq '0 2';
}, 10, 'the tally'), '... and the room sees how it stands');
ok(wait_for(sub {
    my $ws = enter('owner');
    my $open = $ws->hello->{poll};
    $ws->drop;
    return $open && $open->{id} eq $poll && "@{ $open->{tally} }" eq '0 2';
}, 10, 'the hello'), '... and who comes');

# ---- decided in the room

my $moder = enter('moder');
$moder->send({ type => 'ban', user => $user{ben}->id, reason => 'enough' });
ok(wait_for(sub { $cp->sql("SELECT count(*) FROM chat_bans WHERE value = '"
    . $user{ben}->id . "'") == 1 }, 10, 'the ban'), 'a ban in the room is'
    . ' known to the control plane');
$moder->send({ type => 'ban', user => $user{owner}->id });
is($moder->message(type => 'error')->{code}, 'not_allowed',
    'not of the owner, who has not said a word here');

# ---- devices and networks

my %where = map { $_->[0] => Live::WebSocket->connect($ng->port('http'),
    "/chat/$id", token => $token{ann}, @$_[1 .. $#$_]) }
    [ device => device => 'd-1' ], [ network => from => '127.0.0.9' ],
    [ neither => device => 'd-2' ];
is($user{moder}->post("/streams/$id/moderation/bans", { kind => 'device',
    value => 'd-1' })->status, 201, 'a device is banned');
is($user{moder}->post("/streams/$id/moderation/bans", { kind => 'addr',
    value => '127.0.0.8/31' })->status, 201, 'and a network');
my %told;
ok(wait_for(sub {
    $ann->send({ type => 'message', text => 'anything' });
    $told{$_} //= $where{$_}->message(type => 'error', code => 'banned',
        -wait => 0.2) for qw(device network);
    return $told{device} && $told{network};
}, 20, 'both'), 'who is there from them reads no further');
is(($where{$_}->ended)[0], 1008, "... $_: closed") for qw(device network);
ok($where{neither}->message(text => 'anything'), 'others read on');
my $back = Live::WebSocket->open($ng->port('http'), "/chat/$id");
$back->send({ type => 'hello', token => $token{ann}, device => 'd-1' });
is($back->message(type => 'error')->{code}, 'banned', 'and nobody comes back');
$_->drop for values %where, $back;

# ---- a room that nobody was in

my $other = $user{owner}->post('/streams', { title => 'Other' })->json->{id};
$user{owner}->post("/streams/$other/moderation/bans",
    { user => $user{ben}->id });
my $first = Live::WebSocket->open($ng->port('http'), "/chat/$other");
$first->raw(join '', map { $first->bytes(data => $_) }
    JSON::PP::encode_json({ type => 'hello', token =>
        $user{ben}->post("/streams/$other/token")->json->{token} }),
    '{"type":"message","text":"before the bans"}');
is($first->message(type => 'error')->{code}, 'banned',
    'its bans are there before the first one may write');
my $second = Live::WebSocket->connect($ng->port('http'), "/chat/$other",
    token => $user{owner}->post("/streams/$other/token")->json->{token});
is(scalar @{ $second->hello->{messages} }, 0, '... and nothing was said');
$_->drop for $first, $second;

# ---- nobody to tell

my $count = 0;

sub say_some {
    my ($n) = @_;
    $ann->send({ type => 'message', text => 'nr ' . ++$count }) for 1 .. $n;
    $moder->messages($n, type => 'message');
}

sub all_kept {
    return wait_for(sub { kept("message_text LIKE 'nr %'") == $count }, 30,
        'all rows');
}

$cp->stop;
say_some(100);
$cp->start;
ok(all_kept(), 'what was said without a control plane is kept');

$cp->postgres->stop;
say_some(100);
$cp->postgres->start;
ok(all_kept(), 'nor is anything lost without PostgreSQL');

$cp->stop;
say_some(50);
my $leader = wait_for(\&leader, 5, 'a leader');
ok($leader, 'one worker talks to the control plane');
kill 'KILL', $leader;
$cp->start;
ok(all_kept(), 'nor with the worker that was to send it');
is($cp->sql("SELECT count(DISTINCT message_text) FROM chat_messages"
    . " WHERE message_text LIKE 'nr %'"), $count, 'each once');

# ---- erased

$cp->sql('DELETE FROM users WHERE id = ' . $user{ann}->id);
is(kept("message_text LIKE 'nr %' OR name = 'ann' OR user_id = "
    . $user{ann}->id), 0, 'of who is erased nothing stays');
ok(wait_for(sub {
    my $ws = enter('moder');
    my @left = grep { ($_->{user} // '') eq $user{ann}->id
        || ($_->{name} // '') eq 'ann' || ($_->{text} // '') =~ /^nr / }
        @{ $ws->hello->{messages} };
    $ws->drop;
    return !@left;
}, 10, 'the room'), '... nor in the room');

$ng->stop;
$cp->finish;
done_testing;
