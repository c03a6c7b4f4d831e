#!/usr/bin/perl

# What was said in the rooms, on its way to a control plane that is slow, away
# or refuses it; and what the control plane says of the rooms.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Live::FakeControl;
use Live::HTTP;
use Live::Nginx qw(wait_for);
use Live::Token;
use Live::WebSocket;

my $node_key = '5b' x 32;
my $key = Live::Token->new('HS256', kid => 'a');
my $cp = Live::FakeControl->new(node_key => $node_key);
my $ng = Live::Nginx->new(workers => 2, vars => { URL => $cp->url },
    files => { 'node.key' => "$node_key\n",
        'keys.json' => Live::Token::jwks($key) },
    allow_alerts => [ qr/exited on signal 9/ ], conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_control_plane %%URL%%;
    live_node_id one;
    live_node_key %%DIR%%/node.key;
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /chat/ { live_chat; live_chat_rate off; live_token off; }
        location /named/ { live_chat; live_chat_rate off; live_token on;
            live_token_keys %%DIR%%/keys.json; }
        location /status { live_status; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$cp->start;
$ng->start;

sub enter {
    my ($name) = @_;
    return Live::WebSocket->connect($ng->port('http'), '/chat/demo',
        name => $name);
}

# Texts of all batches so far, with the doubles; a status: those only that
# were answered so.
sub arrived { return map { @{ $_->{body}{items} } } $cp->requests('chat') }
sub texts { return map { $_->{text} // () } arrived() }

sub all_of {
    my ($prefix, $n) = @_;
    my %seen = map { $_ => 1 } grep { /^$prefix / } texts();
    return keys %seen == $n;
}

my $ann = enter('ann');
my $bob = enter('bob');

sub say_some {
    my ($prefix, $n) = @_;
    $ann->send({ type => 'message', text => "$prefix $_" }) for 1 .. $n;
    return $bob->messages($n, type => 'message', text => qr/^$prefix /);
}

my ($said) = say_some(first => 1);
ok(wait_for(sub { all_of(first => 1) }, 10, 'the batch'),
    'what is said arrives');
my ($item) = grep { ($_->{text} // '') eq 'first 1' } arrived();
is($item->{id}, $said->{id}, '... with its id');
is($item->{stream}, 'demo', '... and room');
is($item->{kind}, 'message', '... as a message');
is($item->{name}, 'ann', '... of hers');
is($item->{status}, 'ok', '... that was shown');
cmp_ok(abs($item->{time_ms} - time() * 1000), '<', 60_000, '... just now');

# ---- order, and nothing twice

is(say_some(many => 600), 600, '600 messages');
ok(wait_for(sub { all_of(many => 600) }, 20, 'all'), '... arrive');
is_deeply([ grep { /^many / } texts() ], [ map { "many $_" } 1 .. 600 ],
    '... in their order, once');
cmp_ok((sort { $b <=> $a } map { scalar @{ $_->{body}{items} } }
    $cp->requests('chat'))[0], '<=', 500, '... in batches that are bounded');

# ---- nobody takes them

my $modes = 0;

for my $mode ({ status => 503 }, { status => 500 }, { status => 401 },
    { close => 1 }, { raw => "nonsense\r\n\r\n" }, { delay => 8 })
{
    my ($name) = map { "$_ $mode->{$_}" } keys %$mode;
    $name =~ s/\s+\z//;
    my $prefix = 'm' . ++$modes;

    $cp->mode(chat => $mode);
    my $before = $cp->requests('chat');
    is(say_some($prefix => 20), 20, "$name: the chat goes on");
    ok(wait_for(sub { $cp->requests('chat') > $before }, 20, 'a try'),
        '... it is tried');
    $cp->mode(chat => {});
    ok(wait_for(sub { all_of($prefix => 20) }, 20, 'all'),
        '... nothing is lost');
}

# ---- one that is refused

$cp->mode(chat => { reject => 'poison' });
$ann->send({ type => 'message', text => "before $_" }) for 1 .. 10;
$ann->send({ type => 'message', text => 'poison' });
$ann->send({ type => 'message', text => "behind $_" }) for 1 .. 10;
ok(wait_for(sub {
    my %taken;
    for my $request ($cp->requests('chat')) {
        my @texts = map { $_->{text} // () } @{ $request->{body}{items} };
        next if grep { $_ eq 'poison' } @texts;
        $taken{$_} = 1 for grep { /^(?:before|behind) / } @texts;
    }
    return keys %taken == 20;
}, 40, 'the others'), 'one odd message does not hold up the others');
$cp->mode(chat => {});

# ---- what the control plane says of rooms

ok((grep { $_ eq 'demo' } map { @{ $_->{body}{seen}{rooms_new} } }
    $cp->requests('heartbeat')), 'the node asks for a room that opens');

$cp->rooms(2, { stream => 'demo', settings => { max_length => 5 },
    words => { version => 2, list => [ { word => 'bad', kind => 'exact',
        action => 'block' } ] }, bans => [] });

sub refused {
    my ($ws, $text, $code) = @_;
    return wait_for(sub {
        # who is banned may hear it with what somebody else says, and be gone
        eval { $ws->send({ type => 'message', text => $text, ref => 'r' }) };
        my $e = $ws->message(type => qr/^(?:error|ok)$/, -wait => 2) // {};
        return ($e->{code} // '') eq $code;
    }, 20, $code);
}

ok(refused($ann, 'too long', 'too_long'), 'settings hold');
$cp->rooms(3, { stream => '*', words => { version => 3,
        list => [ { word => 'dull', kind => 'exact', action => 'block' } ] } },
    { stream => 'demo', settings => {} });
ok(refused($ann, 'dull', 'blocked'), 'so do words for all rooms');
ok(refused($ann, 'bad', 'blocked'), '... and those of the room still');

$cp->rooms(4, undef, 7, {}, { stream => 3 }, { stream => 'demo',
    settings => [], words => 7, bans => [ 1, {}, { kind => 'addr',
        value => '1.2.3.4' }, { kind => 'addr', value => 'x/3' },
        { kind => 'sub', value => '' }, { kind => 'addr',
            value => '127.0.0.1/33' } ] }, { stream => '../../etc' });
ok($cp->wait_beat(sub { $_->{seen}{rooms} == 4 }, 20),
    'nonsense is passed over');
ok(say_some(after => 1), '... the chat goes on');
$cp->rooms(5, { stream => 'demo', settings => {}, bans => [ { kind => 'addr',
    value => '127.0.0.0/8', until => 0, shadow => JSON::PP::false } ] });
ok(refused($ann, 'hello', 'banned'), 'a banned network');

# ---- a list of bans that is older than what was done here

sub named {
    my ($sub, $role) = @_;
    return Live::WebSocket->connect($ng->port('http'), '/named/court',
        token => $key->token(stream => 'court', sub => $sub, name => $sub,
            can => [qw(watch chat)], iat => time() - 1, role => $role));
}

my ($judge, $dan, $eve) = (named('judge', 'moderator'), named('dan', 'viewer'),
    named('eve', 'viewer'));
my %until = (kind => 'sub', until => time() + 600, shadow => JSON::PP::false);

sub may {
    my ($ws, $text) = @_;
    $ws->send({ type => 'message', text => $text, ref => $text });
    return (($ws->message(ref => $text) // {})->{type} // '') eq 'ok';
}

# The room is told of settings that come with a list.
sub list {
    my ($version, @bans) = @_;
    $cp->rooms($version, { stream => 'court', settings => {
        max_length => 100 + $version }, bans => \@bans });
    return $judge->message(type => 'settings', -wait => 20);
}

ok(list(6, { %until, value => 'dan' }) && !may($dan, 'in?'),
    'one has a time-out');
$cp->mode(chat => { status => 503 });
$judge->send({ type => 'unban', user => 'dan', ref => 'u' });
$judge->send({ type => 'timeout', user => 'eve', seconds => 600, ref => 't' });
ok($judge->message(ref => 't'), 'the moderator has it lifted, and gives one');
ok(list(7, { %until, value => 'dan' }), 'a list comes that knows of neither');
ok(may($dan, 'again'), '... who was let in is in');
ok(!may($eve, 'out?'), '... and who is out stays out');
$cp->mode(chat => {});
ok(wait_for(sub {
    my %kind = map { $_->{kind} => 1 } arrived();
    return $kind{unban} && $kind{timeout};
}, 20), 'the control plane knows');

my $version = 8;

ok(wait_for(sub { list($version) && may($eve, 'free' . $version++) }, 20),
    '... and then its list holds');

$ng->stop;
$cp->stop;
done_testing;
