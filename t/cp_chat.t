#!/usr/bin/perl

# The chat behind the rooms: what nodes send is kept once, what moderators
# decide reaches every node.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64 qw(decode_base64url);
use Test::More;
use Time::HiRes qw(time);

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for);
use Live::Person;

my $cp = Live::Control->new->start;
my %user = map { $_ => person($cp, $_) } qw(owner moder plain other);
$user{anyone} = anyone($cp);
$user{admin} = person($cp, 'boss', role => 'admin');

my $id = $user{owner}->post('/streams', { title => 'Show' })->json->{id};
my $there = $user{owner}->post('/streams', { title => 'There' })->json->{id};
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });

my $node = node('n1');
$node->beat;
my $sequence = 0;

sub node {
    my ($name) = @_;
    return Live::FakeNode->new(url => $cp->url, key => $cp->node_key,
        id => $name, open_rooms => [$id]);
}

# An id as rooms give them.
sub room_id {
    my ($at) = @_;
    my $ms = int(($at // time()) * 1000) - 1577836800000;
    return ($ms << 20) + ++$sequence;
}

sub item {
    my ($kind, $who, %more) = @_;
    my $new = room_id($more{at});
    delete $more{at};

    return { id => "$new", stream => $id, kind => $kind,
        user => ref $who ? $who->id : $who,
        name => ref $who ? $who->{username} : 'Anon',
        time_ms => int(time() * 1000), media_ms => 1234, %more };
}

sub send_items {
    return $node->request('/internal/chat', { node => 'n1', items => [@_] });
}

sub texts {
    my ($path, $who) = @_;
    my $res = $user{ $who // 'anyone' }->get("/streams/$id$path");
    return $res->status == 200
        ? [ map { $_->{text} } @{ $res->json->{items} } ] : $res->status;
}

# ---- messages are kept, once

my @said = map { item('message', $user{plain}, text => "hello $_") } 1 .. 3;
my $res = send_items(@said);
is($res->{status}, 200, 'a batch') or diag $res->{text};
is($res->{json}{acknowledged}, $said[-1]{id}, '... is acknowledged');
is(send_items(@said)->{json}{acknowledged}, $said[-1]{id},
    '... and again, as it was sent twice');
is($cp->sql('SELECT count(*) FROM chat_messages'), 3, '... and is kept once');
is_deeply(texts('/chat/history'), [ 'hello 3', 'hello 2', 'hello 1' ],
    'the history, latest first');
is_deeply(texts('/chat/history?order=asc&limit=2'), [ 'hello 1', 'hello 2' ],
    'or earliest');

my $first = $user{anyone}->get("/streams/$id/chat/history?limit=2")->json;
my $rest = $user{anyone}->get("/streams/$id/chat/history?limit=2&cursor="
    . $first->{next})->json;
is($rest->{items}[0]{text}, 'hello 1', 'by pages');
is($rest->{items}[0]{media_ms}, 1234, 'with the media time');
is($rest->{next}, undef, 'to the end');
is($cp->sql("SELECT tableoid::regclass::text ~ '_[0-9]{8}\$'"
    . ' FROM chat_messages LIMIT 1'), 't', 'in a partition of that day');

is(send_items({ id => 'x' }, { kind => 'message' }, 7,
    item('message', $user{plain}, stream => 'nowhere', text => 'x'),
    item('unknown', $user{plain}))->{status}, 200,
    'what makes no sense does not hold up the rest');
is($cp->sql('SELECT count(*) FROM chat_messages'), 3, '... and is not kept');

my @got = $cp->parallel(4, sub {
    my ($client) = @_;
    return $client->request(POST => '/internal/chat', node => 1, root => 1,
        json => { node => 'n1', items => [@said,
            map { item('message', $user{plain}, id => "$_",
                text => "together $_") } 1001 .. 1100 ] })->status;
});
is("@got", '200 200 200 200', 'the same batch four times at once');
is($cp->sql('SELECT count(*) FROM chat_messages'), 103, '... counts once');
$cp->sql('DELETE FROM chat_messages WHERE id < 2000');

my $wrong = item('message', $user{plain}, text => 'from the future',
    at => time() + 90 * 86400);
is(send_items($wrong)->{status}, 200, 'a node whose clock is wrong');
is($cp->sql("SELECT count(*) FROM chat_messages WHERE id = $wrong->{id}"), 1,
    '... loses nothing');
$cp->sql("DELETE FROM chat_messages WHERE id = $wrong->{id}");

# ---- said over the API

is($user{anyone}->post("/streams/$id/chat", { text => 'x' })->status, 401,
    'nobody writes without a name');
$res = $user{moder}->post("/streams/$id/chat",
    { text => 'over the API', reply_to => $said[0]{id} });
is($res->status, 202, 'a message over the API') or diag $res->body;
$node->beat;
my ($command) = grep { $_->{type} eq 'chat' } @{ $node->{commands} };
is_deeply({ %$command, id => 0 }, { id => 0, type => 'chat', op => 'message',
    stream => $id, user => $user{moder}->id, name => 'moder',
    role => 'moderator', text => 'over the API', reply_to => $said[0]{id},
    held => JSON::PP::false, shadow => JSON::PP::false },
    '... is said by a node');

# ---- what a token says of its user

for my $pair ([ owner => 'owner' ], [ moder => 'moderator' ],
    [ admin => 'moderator' ], [ plain => 'viewer' ], [ anyone => undef ])
{
    my ($who, $role) = @$pair;
    my $token = $user{$who}->post("/streams/$id/token")->json->{token};
    my $claims = decode_json(decode_base64url((split /\./, $token)[1]));
    is($claims->{role}, $role, "$who: " . ($role // 'no role'));
}

# ---- rooms

sub room {
    my ($n, $stream) = @_;
    my ($room) = grep { $_->{stream} eq ($stream // $id) }
        @{ ($n->beat->{json}{rooms} // {})->{items} // [] };
    return $room;
}

$res = $user{moder}->patch("/streams/$id/moderation/settings",
    { settings => { slow_ms => 2000, links => JSON::PP::false } });
is($res->status, 200, 'a moderator sets slow mode') or diag $res->body;
is($user{plain}->patch("/streams/$id/moderation/settings",
    { settings => {} })->status, 403, 'nobody else');
is($user{anyone}->get("/streams/$id/moderation/settings")->json
    ->{settings}{slow_ms}, 2000, 'all may know');
is(room($node)->{settings}{slow_ms}, 2000, 'the node is told');
is(room($node), undef, '... once');
is(room(node('n2'))->{settings}{slow_ms}, 2000, 'and a new node');
is($user{moder}->patch("/streams/$id/moderation/settings",
    { settings => { slow_ms => undef } }, 'If-Match' => '"0"')->status, 412,
    'If-Match');
is($user{moder}->patch("/streams/$id/moderation/settings",
    { keep_days => 3 })->status, 403, 'retention is not for moderators');
is($user{owner}->patch("/streams/$id/moderation/settings",
    { keep_days => 3 })->json->{keep_days}, 3, 'but for the owner');

# ---- words

$res = $user{moder}->post("/streams/$id/moderation/words",
    { words => [ 'badword', 'other word' ], action => 'hold' });
is($res->status, 204, 'words') or diag $res->body;
is_deeply([ map { "$_->{word} $_->{kind} $_->{action}" }
    sort { $a->{word} cmp $b->{word} } @{ room($node)->{words}{list} } ],
    [ 'badword exact hold', 'other word exact hold' ], 'reach the node');
is($user{moder}->post("/streams/$id/moderation/words",
    { words => ['**'], kind => 'pattern' })->status, 422,
    'a pattern that would match anything is none');
is($user{owner}->post('/users/me/words', { words => ['mine'] })->status, 204,
    "the owner's words");
my %rooms = map { $_->{stream} => $_ } @{ $node->beat->{json}{rooms}{items} };
is_deeply([ sort keys %rooms ], [ sort $id, $there ], '... are in each stream');
is(scalar @{ $rooms{$id}{words}{list} }, 3, "... beside the stream's");
my $new = $user{owner}->post('/streams', { title => 'New' })->json->{id};
is(room($node, $new)->{words}{list}[0]{word}, 'mine', '... and in a new one');
is($user{moder}->post('/admin/words', { words => ['all'] })->status, 403,
    'words for all rooms');
is($user{admin}->post('/admin/words', { words => ['all'] })->status, 204,
    '... are for admins');
is(room($node, '*')->{words}{list}[0]{word}, 'all', '... under a star');
$res = $user{moder}->get("/streams/$id/moderation/words")->json->{items};
is($user{moder}->delete("/streams/$id/moderation/words/$res->[0]{id}")
    ->status, 204, 'a word is taken out');
is($user{plain}->get("/streams/$id/moderation/words")->status, 403,
    'which others do not see');

# ---- bans

$node->beat;
$res = $user{moder}->post("/streams/$id/moderation/timeouts",
    { user => $user{plain}->id, seconds => 600, reason => 'calm down' });
is($res->status, 201, 'a timeout') or diag $res->body;
my $room = room($node);
is($room->{bans}[0]{value}, $user{plain}->id, '... reaches the node');
cmp_ok($room->{bans}[0]{until}, '>', time() + 500, '... with its end');
ok(!exists $room->{words}, '... without the words, which are as they were');
ok((grep { ($_->{op} // '') eq 'timeout'
    && $_->{target_user} eq $user{plain}->id } @{ $node->{commands} }),
    '... at once');
is($user{plain}->post("/streams/$id/chat", { text => 'x' })->status, 403,
    '... and holds over the API');
is($user{moder}->delete("/streams/$id/moderation/users/" . $user{plain}->id
    . '/ban')->status, 204, 'lifted');
is_deeply(room($node)->{bans}, [], '... everywhere');
$user{owner}->patch("/streams/$id/moderation/settings",
    { settings => { slow_ms => undef } });
is($user{plain}->post("/streams/$id/chat", { text => 'x' })->status, 202,
    '... and he writes again');
is($user{moder}->post("/streams/$id/moderation/bans",
    { user => $user{owner}->id })->status, 403, 'nobody bans the owner');
is($user{moder}->post("/streams/$id/moderation/bans",
    { user => '999999' })->status, 404, 'nor somebody who is not there');

$user{other}->post("/streams/$id/token");
$res = $user{moder}->post("/streams/$id/moderation/bans",
    { user => $user{other}->id, addresses => JSON::PP::true,
        shadow => JSON::PP::true });
is($res->status, 201, 'a shadow ban, with addresses') or diag $res->body;
is_deeply([ sort map { "$_->{kind} $_->{value} "
        . ($_->{shadow} ? 'shadow' : '') } @{ room($node)->{bans} } ],
    [ 'addr 127.0.0.1/32 shadow', 'sub ' . $user{other}->id . ' shadow' ],
    '... is both');
is($user{other}->post("/streams/$id/chat", { text => 'am I seen?' })->status,
    202, 'the API takes what they say');
$node->beat;
ok((grep { ($_->{op} // '') eq 'message' } @{ $node->{commands} })[-1]{shadow},
    '... for nobody to see');
my @bans = @{ $user{moder}->get("/streams/$id/moderation/bans")->json
    ->{items} };
is_deeply([ map { $_->{value} } grep { $_->{kind} eq 'addr' } @bans ],
    [undef], "a stream's moderators see no addresses");
is($user{moder}->delete("/streams/$id/moderation/bans/$_->{id}")->status, 204,
    'taken back by id') for @bans;
is($user{moder}->post("/streams/$id/moderation/bans",
    { kind => 'addr', value => '10.1.2.3/24' })->json->{kind}, 'addr',
    'a network');
is(room($node)->{bans}[0]{value}, '10.1.2.0/24', '... as such');
is($user{moder}->post("/streams/$id/moderation/bans",
    { kind => 'addr', value => $_ })->status, 422, "not $_")
    for '0.0.0.0/0', '10.0.0.0/8', 'ten', '1.2.3.4/33', '::/0', "1.2.3.4/1 ";

# ---- what moderators do in the room

send_items(item('ban', $user{moder}, target_user => $user{other}->id,
    reason => 'spam'));
is($cp->sql("SELECT reason FROM chat_bans WHERE value = '"
    . $user{other}->id . "'"), 'spam', 'a ban in the room is kept');
ok((grep { $_->{value} eq $user{other}->id } @{ room($node)->{bans} }),
    '... and known to all nodes');
send_items(item('unban', $user{moder}, target_user => $user{other}->id));
is($cp->sql("SELECT count(*) FROM chat_bans WHERE kind = 'sub'"), 0,
    'an unban, too');
send_items(item('delete', $user{moder}, target => $said[1]{id}));
is_deeply(texts('/chat/history'), [ 'hello 3', 'hello 1' ],
    'a message that was deleted in the room is gone');
is_deeply(texts('/chat/history?all=true', 'moder'),
    [ 'hello 3', 'hello 2', 'hello 1' ], '... but for moderators');
is(texts('/chat/history?all=true', 'plain'), 403, '... alone');
is($user{moder}->delete("/streams/$id/moderation/messages/$said[2]{id}")
    ->status, 204, 'one that is deleted over the API');
is_deeply(texts('/chat/history'), ['hello 1'], '... too');
$node->beat;
ok((grep { ($_->{op} // '') eq 'delete' && $_->{target} eq $said[2]{id} }
    @{ $node->{commands} }), '... and the room is told');
is($user{moder}->delete("/streams/$id/moderation/messages/$_")->status, 404,
    "not message $_") for 12345, 'x', '99999999999999999999';

# ---- held, shadowed

my $held = item('message', $user{plain}, text => 'wait', status => 'held');
my $shadow = item('message', $user{plain}, text => 'dark',
    status => 'shadow');
send_items($held, $shadow);
is_deeply(texts('/chat/history'), ['hello 1'], 'neither is shown');
is_deeply(texts('/chat/history', 'plain'), [ 'dark', 'hello 1' ],
    'but the shadowed one to its writer');
is_deeply(texts('/moderation/queue', 'moder'), ['wait'], 'one waits');
is($user{moder}->post("/streams/$id/moderation/queue/$held->{id}",
    { decision => 'approve' })->status, 204, 'and is let through');
is($user{moder}->post("/streams/$id/moderation/queue/$held->{id}",
    { decision => 'reject' })->status, 404, 'once');
is_deeply(texts('/chat/history'), [ 'wait', 'hello 1' ], '... is shown');
$node->beat;
ok((grep { ($_->{op} // '') eq 'review' && $_->{approve} }
    @{ $node->{commands} }), '... and the room is told');

# ---- pins

is($user{moder}->put("/streams/$id/chat/pin", { message => $held->{id} })
    ->json->{text}, 'wait', 'a message is pinned');
is(room($node)->{pinned}{id}, $held->{id}, '... on every node');
is($user{moder}->put("/streams/$id/chat/pin", { message => '4711' })->status,
    404, 'one that is not there is not');
is($user{moder}->delete("/streams/$id/moderation/messages/$held->{id}")
    ->status, 204, 'deleted');
is(room($node)->{pinned}, undef, '... it is not pinned');
send_items(item('pin', $user{moder}, target => $said[0]{id}));
is(room($node)->{pinned}{text}, 'hello 1', 'a pin of the room');
is($user{moder}->delete("/streams/$id/chat/pin")->status, 204, 'unpinned');

# ---- notes, flags, the log

my $notes = "/streams/$id/moderation/users/" . $user{plain}->id . '/notes';
$res = $user{moder}->post($notes, { text => 'argues a lot' });
is($res->status, 201, 'a note') or diag $res->body;
is_deeply([ map { $_->{text} } @{ $user{owner}->get($notes)->json->{items} } ],
    ['argues a lot'], '... for the others');
is($user{plain}->get($notes)->status, 403, 'not for him');
is($user{moder}->delete("$notes/" . $res->json->{id})->status, 204,
    '... and away');
my $flag = item('flag', $user{other}, target => $said[0]{id},
    reason => 'rude');
send_items($flag, item('flag', $user{other}, target => $said[0]{id}));
my @flags = @{ $user{moder}->get("/streams/$id/moderation/flags")->json
    ->{items} };
is(scalar @flags, 1, 'a flag, once by a viewer');
is($flags[0]{message}{text}, 'hello 1', '... with the message');
is($user{moder}->delete("/streams/$id/moderation/flags/$flags[0]{id}")
    ->status, 204, '... is done with');
my @log = map { $_->{action} }
    @{ $user{moder}->get("/streams/$id/moderation/log?limit=100")->json
        ->{items} };
for my $what (qw(chat.settings chat.words.add chat.timeout chat.ban chat.unban
    chat.delete chat.review chat.pin chat.note))
{
    ok((grep { $_ eq $what } @log), "the log has $what");
}

# ---- rules hold over the API, too

sub says {
    my ($who, $text, $status, $name) = @_;
    my $res = $user{$who}->post("/streams/$id/chat", { text => $text });
    is($res->status, $status, $name) or diag $res->body;
    return $res;
}

sub rules {
    is($user{owner}->patch("/streams/$id/moderation/settings",
        { settings => { slow_ms => undef, links => undef, mode => undef,
            unique => undef, hold => undef, max_length => undef, @_ } })
        ->status, 200, "rules: " . join ' ', map { $_ // 'off' } @_);
}

$cp->sql("DELETE FROM chat_words WHERE list = 's:$id'");
$cp->sql("DELETE FROM chat_bans WHERE stream_id = '$id'");
$user{owner}->post("/streams/$id/moderation/words", { words => ['badword'] });
$user{owner}->post("/streams/$id/moderation/words", { words => ['maskword'],
    action => 'mask' });
$user{owner}->post("/streams/$id/moderation/words", { words => ['heldword'],
    action => 'hold' });
rules(links => JSON::PP::true);
says('other', 'so b.a.d.w.o.r.d', 403, 'a blocked word');
says('moder', 'a badword', 202, '... is for moderators to say');
says('other', "\x{202e}\x{200b}", 422, 'nothing visible');
says('other', 'x' x 501, 422, 'too long');
is(says('other', 'a heldword', 202, 'a word to be held')->json->{held},
    JSON::PP::true, '... is held');
says('other', 'a maskword', 202, 'a word to be masked');
$node->beat;
is((grep { ($_->{op} // '') eq 'message' } @{ $node->{commands} })[-1]{text},
    'a ********', '... is');
rules(links => JSON::PP::false);
says('other', 'see https://example.org', 403, 'no links');
rules(mode => 'followers');
says('other', 'hello', 403, 'followers only');
$user{other}->post('/users/' . $user{owner}->id . '/follow');
says('other', 'hello', 202, '... which he is now');
rules(mode => 'subscribers');
says('other', 'hello', 403, 'subscribers only');
rules(mode => 'emote');
says('other', 'hello', 403, 'emotes only');
rules(unique => JSON::PP::true, slow_ms => 60000);
send_items(item('message', $user{other}, text => 'again'));
says('other', 'again', 403, 'the same again');
ok(says('other', 'more', 429, 'slow mode')->header('Retry-After') > 50,
    '... for how long');
rules(slow_ms => undef);
$cp->sql("DELETE FROM chat_messages WHERE message_text = 'again'");

# ---- a moderator no more

my $revoked = "SELECT count(*) FROM revocations WHERE value = '"
    . $user{moder}->id . "' || chr(10) || '$id'";
is($cp->sql($revoked), 0, "a moderator's token is good");
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'vip' });
is($cp->sql($revoked), 1, '... until he is none');
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });

# ---- clear

is($user{moder}->delete("/streams/$id/moderation/users/" . $user{plain}->id
    . '/messages')->json->{deleted} > 0, 1, "all of a user's messages");
is_deeply(texts('/chat/history'), [], '... are gone');

# ---- bounds

$cp->sql("INSERT INTO chat_bans (stream_id, kind, value) SELECT '$id', 'sub',"
    . " 'x' || i FROM generate_series(1, 5000) i");
is($user{moder}->post("/streams/$id/moderation/bans",
    { user => $user{other}->id })->status, 409, 'no more than 5000 bans');
is(scalar @{ (room($node) // { bans => [] })->{bans} // [] }, 0,
    'nothing changed');
$cp->sql("SELECT chat_touch('$id', false, true)");
is(scalar @{ room($node)->{bans} }, 5000, 'which reach the node');

# lists that do not fit into one answer
my @many = map { $user{owner}->post('/streams', { title => "Many $_" })->json
    ->{id} } 1 .. 4;
$node->beat;

for my $many (@many) {
    $cp->sql("INSERT INTO chat_words (list, word, kind, action) SELECT"
        . " 's:$many', 'a longer word than usual ' || i, 'exact', 'block'"
        . ' FROM generate_series(1, 5000) i');
    $cp->sql("SELECT chat_touch('$many', true, false)");
}

my $beats = 0;
my %words;

while ($beats < 20) {
    my $rooms = $node->beat->{json}{rooms} or last;
    $beats++;
    $words{ $_->{stream} } = scalar @{ $_->{words}{list} }
        for @{ $rooms->{items} };
}

cmp_ok($beats, '>', 1, 'long lists come in parts');
is_deeply(\%words, { map { $_ => 5001 } @many }, '... all of them');
$cp->sql("INSERT INTO chat_words (list, word, kind, action) SELECT"
    . " 's:$id', 'w' || i, 'exact', 'block' FROM generate_series(1, 9999) i");
is($user{moder}->post("/streams/$id/moderation/words",
    { words => [qw(one more)] })->status, 409, 'no more than 10000 words');
is($cp->sql("SELECT count(*) FROM chat_words WHERE list = 's:$id'"
    . " AND word IN ('one', 'more')"), 0, '... none of them');

# ---- a node is not believed blindly

for my $bad ('{"items":[{"id":"' . room_id() . '","stream":"' . $id
        . '","kind":"message","text":"\\u0000"}]}', '[]', '{"items":{}}',
    '{"items":7}', '{}', '{"items":[[],{},null,"x"]}')
{
    my $res = $node->request('/internal/chat', $bad);
    cmp_ok($res->{status}, '<', 500, "answered: $bad");
}

is(send_items(map { item('message', $user{owner}, text => "x$_") } 1 .. 1001)
    ->{status}, 422, 'batches are bounded');
is($cp->client->request(POST => '/internal/chat', root => 1,
    json => { node => 'n1', items => [] })->status, 401,
    'and signed with the node key');

$cp->finish;
done_testing;
