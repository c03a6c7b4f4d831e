#!/usr/bin/perl

# Who may write what, and what moderators do: enforced before anybody else
# sees a message, on every worker, at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Live::Nginx qw(wait_for);
use Live::Token;
use Live::WebSocket;

my $key = Live::Token->new('HS256', kid => 'a');
my $ng = Live::Nginx->new(workers => 4, files => {
    'keys.json' => Live::Token::jwks($key) }, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        live_token_keys %%DIR%%/keys.json;
        location /chat/ { live_chat; live_token on; live_chat_rate off; }
        location ~ ^/api/streams/(?<stream>[^/]+)/chat$ {
            live_chat stream=$stream;
            live_token on stream=$stream;
        }
        location /slowly/ { live_chat; live_token on;
            live_chat_rate 1r/s burst=3; }
        location /home/ { live_chat; live_token on;
            live_chat_origin https://example.org; }
    }
}
EOC

my $port = $ng->port('http');

sub token {
    my ($sub, $role, %more) = @_;

    return $key->token(stream => 'demo', sub => $sub, name => ucfirst $sub,
        can => [ 'watch', 'chat' ], iat => time() - 1,
        defined $role ? (role => $role) : (), %more);
}

sub member {
    my ($sub, $role, %opt) = @_;

    return Live::WebSocket->connect($port, '/chat/demo',
        token => token($sub, $role), %opt);
}

# What a hello is answered with: the code of the error, and of the close.
sub refused {
    my (%hello) = @_;
    my $path = delete $hello{-path} // '/chat/demo';
    my $ws = Live::WebSocket->open($port, $path);

    return $ws->status if $ws->status != 101;
    $ws->send({ type => 'hello', %hello });
    my $error = $ws->message(type => 'error');
    my ($code) = $ws->ended;

    return ($error ? $error->{code} : '') . " $code";
}

# --- who may come in

is(refused(), 'token_needed 1008', 'a token is needed');
is(refused(token => 'x' x 50), 'malformed 1008', 'a good one');
is(refused(token => $key->token(stream => 'other')), 'wrong_stream 1008',
    'for this stream');
is(refused(token => token('ann', undef, exp => time() - 60)), 'expired 1008',
    'that is not over');

my $token = token('path');
my $ws = Live::WebSocket->connect($port, "/chat/~$token/demo");
is($ws->hello->{you}{name}, 'Path', 'a token in the path');
$ws = Live::WebSocket->connect($port, '/chat/demo',
    headers => [ "Authorization: Bearer $token" ]);
is($ws->hello->{you}{user}, 'path', 'in a header');
$ws = Live::WebSocket->connect($port, "/chat/demo?token=$token");
is($ws->hello->{you}{user}, 'path', 'in the query');
$ws = Live::WebSocket->connect($port, '/chat/demo',
    headers => [ "Cookie: live_token=$token" ]);
is($ws->hello->{you}{user}, 'path', 'in a cookie');
$ws = Live::WebSocket->connect($port, '/api/streams/demo/chat',
    token => $token);
is($ws->hello->{room}, 'demo', 'the path of the API is the same room');
is(Live::WebSocket->open($port, '/chat/~' . ('x' x 60) . '/demo')->status,
    401, 'a bad token in the path is refused at once');

$ws = Live::WebSocket->connect($port, '/chat/demo',
    token => $key->token(stream => 'demo', sub => 'eve', name => 'Eve'));
ok(!$ws->hello->{you}{write}, 'who may watch reads');
$ws->send({ type => 'message', text => 'x' });
is($ws->message(type => 'error')->{code}, 'read_only', 'and only that');

$ws = Live::WebSocket->connect($port, '/chat/demo',
    token => $key->token(stream => 'demo', sub => 'eve', can => ['chat',
        'watch']), name => 'Owner');
ok(!$ws->hello->{you}{write}, 'a name of one\'s own is none');

is(Live::WebSocket->open($port, '/home/demo', headers =>
    [ 'Origin: https://evil.example' ])->status, 403, 'other origins stay out');
is(Live::WebSocket->open($port, '/home/demo', headers =>
    [ 'Origin: https://example.org' ])->status, 101, 'ours come in');
is(Live::WebSocket->open($port, '/chat/demo', headers =>
    [ 'Origin: https://evil.example', "Cookie: live_token=$token" ])->status,
    403, 'a cookie is not used by pages of other hosts');

# --- roles

my $mod = member('mod', 'moderator');
my $owner = member('owner', 'owner');
my $ann = member('ann');
my $bob = member('bob');

is($mod->hello->{you}{role}, 'moderator', 'the role is told');

$ann->send({ type => 'message', text => 'first', ref => 'a' });
my $first = $bob->message(type => 'message', text => 'first');
is($first->{role}, 'viewer', 'everybody has one');
is($first->{user}, 'ann', 'messages say whose they are');

for my $what ({ type => 'timeout', user => 'bob', seconds => 5 },
    { type => 'ban', user => 'bob' }, { type => 'unban', user => 'bob' },
    { type => 'clear', user => 'bob' }, { type => 'pin', id => $first->{id} })
{
    $ann->send($what);
    is($ann->message(type => 'error')->{code}, 'not_allowed',
        "a viewer may not $what->{type}");
}

$bob->send({ type => 'delete', id => $first->{id} });
is($bob->message(type => 'error')->{code}, 'not_allowed',
    'nor delete what another wrote');
$ann->send({ type => 'delete', id => $first->{id} });
is($bob->message(type => 'delete')->{id}, $first->{id}, 'but its own');
is(scalar(grep { ($_->{id} // '') eq $first->{id} }
    @{ member('late')->hello->{messages} }), 0,
    'who comes later does not see it');

# --- timeout

$mod->send({ type => 'timeout', user => 'bob', seconds => 1,
    reason => 'calm down' });
my $t = $ann->message(type => 'timeout');
is("$t->{user} $t->{seconds} $t->{reason} $t->{by}", 'bob 1 calm down mod',
    'everybody is told of a timeout');
$bob->send({ type => 'message', text => 'but' });
my $e = $bob->message(type => 'error');
is($e->{code}, 'timed_out', 'who has one cannot write');
cmp_ok($e->{retry_ms}, '<=', 1000, 'and is told for how long');
my $said = wait_for(sub {
    $bob->send({ type => 'message', text => 'again', ref => 'b' });
    my $m = $bob->message(ref => 'b');
    return $m && $m->{type} eq 'ok';
}, 5);
ok($said, 'until it is over');
ok($ann->message(text => 'again'), 'and is heard again');

# --- ban, on all workers

my @bobs = map { member('bob') } 1 .. 6;
my @banned = map { member('quiet') } 1 .. 6;
$mod->send({ type => 'ban', user => 'bob', reason => 'spam' });
ok($ann->message(type => 'ban', user => 'bob'), 'everybody is told of a ban');
$_->send({ type => 'message', text => 'banned words' }) for @bobs;
is(scalar(grep { $_->message(type => 'error')->{code} eq 'banned' } @bobs), 6,
    'who is banned writes nowhere');
is(scalar(grep { ($_->ended)[0] == 1008 } @bobs), 6, 'and is closed');
is(refused(token => token('bob')), 'banned 1008', 'and does not come back');
ok($ann->quiet(0.2, text => 'banned words'), 'nobody saw it');
$mod->send({ type => 'ban', user => 'quiet' });
is(scalar(grep { ($_->ended)[0] == 1008 } @banned), 6,
    'who is banned does not read on, either');
$mod->send({ type => 'unban', user => 'bob', ref => 'u' });
is($mod->message(ref => 'u')->{type}, 'ok', 'unban');
ok(member('bob'), 'until the ban is lifted');

# --- shadow

my $troll = member('troll');
$mod->send({ type => 'ban', user => 'troll', shadow => JSON::PP::true,
    ref => 's' });
$mod->message(ref => 's', type => 'ok');
$troll->send({ type => 'message', text => 'look at me' });
my $own = $troll->message(text => 'look at me');
ok($own && !exists $own->{status}, 'a shadow-banned member sees what it wrote');
is($mod->message(text => 'look at me')->{status}, 'shadow', 'moderators too');
ok($ann->quiet(0.2, text => 'look at me'), 'nobody else does');
is(scalar(grep { ($_->{text} // '') eq 'look at me' }
    @{ member('later')->hello->{messages} }), 0, 'nor later');
ok($ann->quiet(0.1, type => 'ban', user => 'troll'), 'and nobody is told of the ban')
    if !$ann->message(type => 'ban', user => 'troll', -wait => 0.2);

# --- all of a user's, pin

$ann->send({ type => 'message', text => "clear $_" }) for 1 .. 3;
$mod->message(text => 'clear 3');
$mod->send({ type => 'clear', user => 'ann' });
ok($bob->ended || 1, '') if 0;
my $after = wait_for(sub { !grep { ($_->{text} // '') =~ /^clear/ }
    @{ member('after')->hello->{messages} } }, 5);
ok($after, 'all of a user\'s messages go');

$ann->send({ type => 'message', text => 'keep this' });
my $keep = $mod->message(text => 'keep this');
$mod->send({ type => 'pin', id => $keep->{id} });
is($ann->message(type => 'pin')->{message}{text}, 'keep this',
    'a message is pinned');
is(member('pins')->hello->{pinned}{id}, $keep->{id},
    'and is in the hello of who comes later');
$mod->send({ type => 'pin', id => undef });
is($ann->message(type => 'pin')->{id}, undef, 'and unpinned');

# --- nobody acts against who is above

$owner->send({ type => 'message', text => 'I own this' });
my $his = $mod->message(text => 'I own this');
$mod->send({ type => 'delete', id => $his->{id} });
is($mod->message(type => 'error')->{code}, 'not_allowed',
    'a moderator does not delete the owner\'s words');
$mod->send({ type => 'ban', user => 'owner' });
is($mod->message(type => 'error')->{code}, 'not_allowed', 'nor ban the owner');

# --- rates

$ws = Live::WebSocket->connect($port, '/slowly/demo', token => token('fast'));
$ws->send({ type => 'message', text => "fast $_", ref => "f$_" }) for 1 .. 4;
ok($ws->message(type => 'ok', ref => 'f3'), 'a burst is taken');
$e = $ws->message(type => 'error', ref => 'f4');
is($e->{code}, 'rate_limited', 'more is not');
cmp_ok($e->{retry_ms}, '>', 0, 'the error says when it will be');

# --- texts

my %bad = (
    "a\x{202e}b" => 'ab', "  a\tb\n " => 'a b', "e" . "\x{301}" x 20 =>
        "e" . "\x{301}" x 4,
);
for my $text (sort keys %bad) {
    $ann->send({ type => 'message', text => $text, ref => 't' });
    my $ok = $ann->message(ref => 't');
    is($ann->message(type => 'message', id => $ok->{id})->{text}, $bad{$text},
        'a text is cleaned');
}
$ann->send({ type => 'message', text => "\x{200b}\x{202e}" });
is($ann->message(type => 'error')->{member}, 'text', 'nothing to see is no text');
$ann->send({ type => 'message', text => 'x' x 501 });
is($ann->message(type => 'error')->{code}, 'too_long', 'too long');

unlike($ng->log_text, qr/\Q$token\E/, 'no token is in the log')
    if $ng->can('log_text');

$ng->finish;
done_testing;
