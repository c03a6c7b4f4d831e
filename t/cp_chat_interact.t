#!/usr/bin/perl

# Polls, quizzes, questions, likes, raids, gifts; and what is kept how long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64 ();
use Test::More;
use Time::HiRes qw(time);

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for);
use Live::Person;

my $cp = Live::Control->new->start;
my %user = map { $_ => person($cp, $_) } qw(owner moder plain other);
$user{anyone} = anyone($cp);

my $id = $user{owner}->post('/streams', { title => 'Show' })->json->{id};
my $there = $user{other}->post('/streams', { title => 'There' })->json->{id};
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });

my $sequence = 0;

sub item {
    my ($kind, $who, %more) = @_;
    my $ms = int(($more{at} // time()) * 1000) - 1577836800000;
    my $new = ($ms << 20) + ++$sequence;
    delete $more{at};

    return { id => "$new", stream => $id, kind => $kind,
        user => ref $who ? $who->id : $who,
        name => ref $who ? $who->{username} : 'Anon',
        time_ms => $ms + 1577836800000, %more };
}

sub send_items {
    my $res = $cp->node(POST => '/internal/chat',
        { node => 'n1', items => [@_] });
    is($res->status, 200, 'taken') or diag $res->body;
}

# ---- without a node

is($user{plain}->post("/streams/$id/chat", { text => 'x' })->status, 503,
    'without a node nobody says it');

my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key,
    id => 'n1', open_rooms => [$id]);
$node->beat;

sub told {
    my ($op) = @_;
    my @old = grep { ($_->{op} // '') eq $op } @{ $node->{commands} };
    $node->beat;
    my @now = grep { ($_->{op} // '') eq $op } @{ $node->{commands} };
    return @now > @old ? $now[-1] : undef;
}

# ---- polls

my $poll = { question => 'Tea or coffee?', choices => [qw(tea coffee)] };
is($user{plain}->post("/streams/$id/polls", $poll)->status, 403,
    'a poll is for moderators');
my $res = $user{moder}->post("/streams/$id/polls", $poll);
is($res->status, 201, 'a poll') or diag $res->body;
my $tea = $res->json->{id};
is_deeply($res->json->{tally}, [ 0, 0 ], 'nobody has voted');
is(told('poll')->{poll}{id}, $tea, 'the room is told');
is($node->{rooms}{$id}{poll}{question}, 'Tea or coffee?',
    'and who comes later');
is($user{moder}->post("/streams/$id/polls", $poll)->status, 409,
    'one at a time');

send_items(
    item('vote', $user{plain}, poll => $tea, choice => 1),
    item('vote', $user{plain}, poll => $tea, choice => 0),
    item('vote', $user{other}, poll => $tea, choice => 1),
    item('vote', 'anon:x', poll => $tea, choice => 2),
    item('vote', 'anon:y', poll => $tea, choice => 0, status => 'shadow'),
    item('vote', 'anon:z', poll => '4711', choice => 0),
    item('vote', undef, poll => $tea, choice => 0));
is_deeply($user{anyone}->get("/streams/$id/polls/$tea")->json->{tally},
    [ 0, 2 ], 'one vote a user, the first, for what there is');
$res = $user{moder}->post("/streams/$id/polls/$tea/close");
is($res->json->{state}, 'closed', 'closed') or diag $res->body;
is(told('poll')->{poll}{state}, 'closed', 'the room is told');
is($node->{rooms}{$id}{poll}, undef, 'nobody finds it open');
send_items(item('vote', $user{moder}, poll => $tea, choice => 0,
    at => time() + 1));
is_deeply($user{anyone}->get("/streams/$id/polls/$tea")->json->{tally},
    [ 0, 2 ], 'too late');
is($user{moder}->post("/streams/$id/polls/$tea/close")->status, 404,
    'closed once');

is($user{moder}->post("/streams/$id/polls", { question => '?',
    choices => ['one'] })->status, 422, 'one choice is none');
is($user{moder}->post("/streams/$id/polls", { question => '?',
    choices => [qw(a b)], correct => 2 })->status, 422,
    'the right answer is a choice');

# ---- a quiz

my $quiz = $user{moder}->post("/streams/$id/polls", { question => '1 + 1',
    choices => [qw(1 2 3)], correct => 1 })->json;
is($quiz->{quiz}, JSON::PP::true, 'a quiz');
is($quiz->{correct}, undef, '... whose answer nobody sees');
ok(!exists told('poll')->{poll}{correct}
    || !defined $node->{commands}[-1]{poll}{correct}, '... in the room');
send_items(item('vote', $user{plain}, poll => $quiz->{id}, choice => 1),
    item('vote', $user{other}, poll => $quiz->{id}, choice => 2));
is_deeply($user{anyone}->get("/streams/$id/polls/scores")->json->{items}, [],
    'no score while it is open');
is($user{moder}->post("/streams/$id/polls/$quiz->{id}/close")->json
    ->{correct}, 1, 'closed, everybody sees it');
is_deeply([ map { "$_->{name} $_->{right}/$_->{answers}" }
    @{ $user{anyone}->get("/streams/$id/polls/scores")->json->{items} } ],
    [ 'plain 1/1', 'other 0/1' ], 'and who knew');
is_deeply([ map { $_->{id} } @{ $user{anyone}->get("/streams/$id/polls")->json
    ->{items} } ], [ $quiz->{id}, $tea ], 'both are archived');

# ---- a poll that ends by itself

$res = $user{moder}->post("/streams/$id/polls", { %$poll, seconds => 5 });
ok($res->json->{closes_at}, 'a poll with an end');
$cp->sql("UPDATE chat_polls SET closes_at = now() WHERE closed_at IS NULL");
ok(wait_for(sub { $user{anyone}->get("/streams/$id/polls/"
    . $res->json->{id})->json->{state} eq 'closed' }, 20, 'the end'),
    '... ends');
ok(wait_for(sub { (told('poll') // {poll => {}})->{poll}{id}
    // '' eq $res->json->{id} }, 20, 'the command'), '... and says so');

# ---- questions

my @asked = (item('question', $user{plain}, text => 'Why?'),
    item('question', $user{other}, text => 'How?'));
send_items(@asked);
send_items(item('upvote', $user{moder}, target => $asked[1]{id}),
    item('upvote', $user{moder}, target => $asked[1]{id}),
    item('upvote', $user{plain}, target => $asked[1]{id}),
    item('upvote', $user{plain}, target => '12345'));
is_deeply([ map { "$_->{text} $_->{upvotes}" } @{ $user{anyone}->get(
    "/streams/$id/questions")->json->{items} } ], [ 'How? 2', 'Why? 0' ],
    'questions, by upvotes: one a user');
is($user{moder}->post("/streams/$id/questions/$asked[1]{id}/answered")
    ->status, 204, 'one is answered');
is_deeply([ map { $_->{text} } @{ $user{anyone}->get(
    "/streams/$id/questions")->json->{items} } ], ['Why?'], '... and off');

# ---- likes

is($user{plain}->put("/streams/$id/like")->json->{likes}, 1, 'a like');
is($user{plain}->put("/streams/$id/like")->json->{likes}, 1, '... once');
send_items(item('like', $user{other}, on => JSON::PP::true),
    item('like', $user{moder}, on => JSON::PP::true),
    item('like', $user{moder}, on => JSON::PP::false));
is_deeply($user{other}->get("/streams/$id/like")->json,
    { likes => 2, liked => JSON::PP::true }, 'and those of the room');
is($user{plain}->delete("/streams/$id/like")->json->{likes}, 1, 'one less');

# ---- reactions

send_items(item('reaction', undef, reaction => 'heart', count => 40),
    item('reaction', undef, reaction => 'heart', count => 2));
is($cp->sql("SELECT sum(count) FROM chat_reactions"
    . " WHERE reaction = 'heart'"), 42, 'reactions are counted');

# ---- raids, gifts

is($user{moder}->post("/streams/$id/raid", { stream => $there })->status, 403,
    'a raid is not for moderators');
is($user{owner}->post("/streams/$id/raid", { stream => $there })->status, 202,
    'but for the owner');
$node->beat;
my ($raid) = grep { ($_->{event} // '') eq 'raid' } @{ $node->{commands} };
is_deeply($raid->{data}, { stream => $there, title => 'There',
    username => 'other' }, '... the room is told where to');
my ($raided) = grep { ($_->{data}{title} // '') eq 'Show' }
    @{ $node->{commands} };
is("$raided->{stream} $raided->{event} $raided->{data}{stream}",
    "$there raided $id", '... and the other who comes');
is($user{owner}->post("/streams/$id/raid", { stream => $id })->status, 422,
    'not to itself');
$user{other}->patch("/streams/$there", { visibility => 'private' });
is($user{owner}->post("/streams/$id/raid", { stream => $there })->status, 422,
    'nor where not all may go');
is($user{owner}->post("/streams/$id/chat/events", { event => 'tip',
    name => 'Carl', amount => 500, currency => 'EUR' })->status, 202, 'a tip');
is(told('event')->{data}{amount}, 500, '... is shown');

# ---- subscribers

sub role_of {
    my ($claims) = $user{other}->post("/streams/$id/token")->json->{token}
        =~ /\.([^.]+)\./;
    return decode_json(MIME::Base64::decode_base64url($claims))->{role};
}

my $subscriber = "/users/me/subscribers/" . $user{other}->id;
$user{moder}->patch("/streams/$id/moderation/settings",
    { settings => { mode => 'subscribers' } });
is(role_of(), 'viewer', 'without a subscription a viewer');
is($user{other}->post("/streams/$id/chat", { text => 'x' })->status, 403,
    '... who may not write where subscribers may');
is($user{owner}->put($subscriber, { seconds => 3600 })->status, 200,
    'the owner gives one');
is(role_of(), 'subscriber', '... which is a role');
is($user{other}->post("/streams/$id/chat", { text => 'x' })->status, 202,
    '... that may');
is_deeply([ map { $_->{user}{username} } @{ $user{owner}->get(
    '/users/me/subscribers')->json->{items} } ], ['other'], 'the list');
is_deeply([ map { $_->{user}{username} } @{ $user{other}->get(
    '/users/me/subscriptions')->json->{items} } ], ['owner'],
    '... of the other, too');
is($user{owner}->put('/users/me/subscribers/' . $user{owner}->id, {})
    ->status, 422, 'nobody subscribes to himself');
$cp->sql("UPDATE subscriptions SET until = now() - interval '1s'");
is(role_of(), 'viewer', 'it ends by itself');
$user{owner}->put($subscriber, {});
is(role_of(), 'subscriber', 'or goes on for good');
is($user{owner}->delete($subscriber)->status, 204, 'until it is taken away');
is(role_of(), 'viewer', '... then it is over');
ok($cp->sql("SELECT count(*) FROM revocations WHERE kind = 'sub_stream'"
    . " AND value LIKE '" . $user{other}->id . "%'"),
    '... with the tokens that say otherwise');
is($cp->sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit_log"
    . " WHERE object = 'user' AND action LIKE 'subscription.%'"),
    'subscription.set subscription.set subscription.remove',
    'all of it is in the audit log');
$user{moder}->patch("/streams/$id/moderation/settings",
    { settings => { mode => undef } });

# ---- a review service

my $review = "/streams/$id/moderation/review";
is($user{moder}->put($review, { url => 'https://example.org/',
    on_timeout => 'deny' })->status, 403, 'a review is not for moderators');
is($user{owner}->put($review, { url => 'https://example.org/?a=b',
    on_timeout => 'deny' })->status, 422, 'nor with arguments');
my $secret = $user{owner}->put($review, { url => 'https://example.org/r',
    on_timeout => 'hold' })->json->{secret};
like($secret, qr/^lvcr_[\w-]{43}$/, 'a secret, shown once');
unlike($user{owner}->get($review)->body, qr/lvcr_|sealed/, '... and once only');
unlike($cp->sql('SELECT sealed FROM chat_reviews'), qr/\Q$secret\E/,
    'it is sealed');
$node->beat;
is_deeply($node->{rooms}{$id}{settings}{review}, { secret => $secret,
    url => 'https://example.org/r', on_timeout => 'hold' }, 'nodes have it');
is($user{owner}->delete($review)->status, 204, 'taken away');
$node->beat;
is($node->{rooms}{$id}{settings}{review}, undef, '... there as well');

# ---- who keeps order

$node->beat;
is_deeply([ map { "$_->{role} $_->{name}" }
    @{ $node->{rooms}{$id}{settings}{staff} } ],
    [ 'owner owner', 'moderator moder' ], 'nodes know who keeps order');
$user{owner}->delete("/streams/$id/members/" . $user{moder}->id);
$node->beat;
is(scalar @{ $node->{rooms}{$id}{settings}{staff} }, 1, '... as it changes');
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });

# ---- how long it is kept

send_items(item('message', $user{plain}, text => 'old',
        at => time() - 5 * 86400),
    item('message', $user{plain}, text => 'ancient',
        at => time() - 100 * 86400),
    item('message', $user{plain}, text => 'there', stream => $there,
        at => time() - 5 * 86400));
$user{owner}->patch("/streams/$id/moderation/settings", { keep_days => 3 });

sub retention {
    $cp->sql("UPDATE timers SET next_at = now()"
        . " WHERE name = 'chat_retention'");
    $cp->restart;
    return wait_for(sub { $cp->sql("SELECT next_at > now() FROM timers"
        . " WHERE name = 'chat_retention'") eq 't' }, 20, 'the job')
        || diag grep { !/"level":"info"/ } split /^/m, $cp->log;
}

ok(retention(), 'the job runs');
is($cp->sql("SELECT string_agg(message_text, ' ' ORDER BY message_text)"
    . " FROM chat_messages WHERE message_text IN ('old', 'ancient',"
    . " 'there')"), 'there', 'each stream keeps as long as it says');
is($cp->sql("SELECT count(*) >= 7 FROM pg_inherits"
    . " WHERE inhparent = 'chat_messages'::regclass"), 't',
    'days ahead are there');

# ---- erased, deleted

send_items(item('message', $user{plain}, text => 'mine'));
my $admin = person($cp, 'admin', role => 'admin');
is($user{other}->delete('/admin/users/' . $user{plain}->id)->status, 403,
    'users are erased by admins');
is($admin->delete('/admin/users/' . $user{plain}->id)->status, 204,
    'and they may');
$node->beat;
ok((grep { ($_->{op} // '') eq 'erase'
    && $_->{target_user} eq $user{plain}->id } @{ $node->{commands} }),
    'nodes are told');
send_items(item('message', $user{plain}, text => 'from a node that was away'));
is($cp->sql("SELECT count(*) FROM chat_messages WHERE message_text LIKE"
    . " 'from a node%'"), 0, '... and what they bring later has no words');
is($cp->sql("SELECT count(*) FROM chat_messages WHERE message_text = 'mine'"
    . " OR name = 'plain' OR subject = '" . $user{plain}->id . "'"), 0,
    'of who is erased nothing stays');
is($cp->sql("SELECT count(*) FROM chat_votes WHERE subject = '"
    . $user{plain}->id . "'"), 0, '... no votes, either');

send_items(item('message', $user{moder}, text => 'last words'));
is($user{owner}->delete("/streams/$id")->status, 204, 'a stream is deleted');
$node->beat;
ok($node->{rooms}{$id}{gone}, '... its room, too');
send_items(item('message', $user{moder}, text => 'too late'));
is($cp->sql("SELECT count(*) FROM chat_messages"
    . " WHERE message_text = 'too late'"), 0, '... nothing more is kept');
is($user{owner}->post('/streams', { id => $id, title => 'Again' })->status,
    201, 'another one of that name');
is_deeply($user{owner}->get("/streams/$id/chat/history")->json->{items}, [],
    '... begins anew');
ok(retention(), 'the job runs');
is($cp->sql("SELECT count(*) FROM chat_messages WHERE stream_id = '$id'"), 0,
    'what the first one left is gone');

$cp->finish;
done_testing;
