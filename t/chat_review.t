#!/usr/bin/perl

# A service of the stream's owner's is asked about each message before anybody
# else sees it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for);
use Live::Person;
use Live::Receiver;
use Live::WebSocket;

my $cp = Live::Control->new;
my $conf = <<'EOC';
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
        location /metrics  { live_metrics; }
    }
}
EOC
my $ng = Live::Nginx->new(workers => 2, vars => { URL => $cp->url },
    files => { 'node.key' => $cp->node_key . "\n" }, conf => $conf);

chmod 0644, $ng->dir . '/node.key';
$cp->conf(public_url => 'http://127.0.0.1:' . $ng->port('http'));
$cp->start;
$ng->start;

my $reviewer = Live::Receiver->new->behave('review');
my %user = map { $_ => person($cp, $_) } qw(owner moder ann ben);
my $id = $user{owner}->post('/streams', { title => 'Show' })->json->{id};
$user{owner}->put("/streams/$id/members/" . $user{moder}->id,
    { role => 'moderator' });
my %token = map { $_ =>
    $user{$_}->post("/streams/$id/token")->json->{token} } keys %user;

sub enter {
    my ($who) = @_;

    return Live::WebSocket->connect($ng->port('http'), "/chat/$id",
        token => $token{$who});
}

my $n = 0;

# The answer: "ok", "held", or the code of the error and what it says.
sub say_ok {
    my ($ws, $text) = @_;

    $ws->send({ type => 'message', text => $text, ref => 'n' . ++$n });
    my $got = $ws->message(ref => "n$n");

    return $got->{type} eq 'ok' ? $got->{held} ? 'held' : 'ok'
        : "$got->{code}: $got->{message}";
}

sub review {
    my ($url, $on_timeout) = @_;
    my $res = $user{owner}->put("/streams/$id/moderation/review",
        { url => $url, on_timeout => $on_timeout });

    is($res->status, 200, "on_timeout $on_timeout") or diag $res->body;

    return $res->json->{secret};
}

ok(wait_for(sub { ($cp->sql("SELECT count(*) FROM nodes"
    . " WHERE keys_seen IS NOT NULL"))[0] == 1 }, 20, 'the node'),
    'the node is there');

my ($ann, $ben, $moder) = map { enter($_) } qw(ann ben moder);

# --- this host is no place for it, unless the node says so

is($user{moder}->put("/streams/$id/moderation/review",
    { url => $reviewer->url, on_timeout => 'deny' })->status, 403,
    'a moderator does not set it');
review($reviewer->url('/review'), 'deny');
ok(wait_for(sub { say_ok($ann, 'hello ' . ++$n) =~ /^blocked/ }, 10),
    'nobody answers, which is said to be a no');
is($reviewer->opened, 0, 'a private address is not even connected to');
$user{owner}->delete("/streams/$id/moderation/review");
ok(wait_for(sub { say_ok($ann, 'hello ' . ++$n) eq 'ok' }, 10),
    'nobody is asked any more');
$_->drop for $ann, $ben, $moder;

$ng->conf($conf =~ s/(live_node_id one;)/$1 live_review_private on;/r)->reload;
($ann, $ben, $moder) = map { enter($_) } qw(ann ben moder);

# --- verdicts

my $secret = review($reviewer->url('/review'), 'deny');
my $denied;
ok(wait_for(sub {
    $denied = 'deny ' . ++$n;
    return say_ok($ann, $denied) =~ /^blocked: It says deny/;
}, 10), 'denied, and why');
my ($got) = $reviewer->got;
is_deeply([ @{ $got->{json} }{qw(stream kind user name role)} ],
    [ $id, 'message', $user{ann}->id, 'ann', 'viewer' ],
    'the service hears who says what');
is($got->{path}, '/review', '... where it is');
ok(Live::Receiver::signature_of($got, $secret), '... signed');
is(say_ok($ann, 'a word'), 'ok', 'allowed');
ok($ben->message(text => 'a word'), '... and heard');
is(say_ok($ann, 'hold it'), 'held', 'held');
is($moder->message(text => 'hold it')->{status}, 'held',
    '... for the moderators');
ok($ben->quiet(0.2, text => qr/^(?:hold it|\Q$denied\E)$/),
    'nobody else saw either');
is(say_ok($moder, 'deny me'), 'ok', 'moderators are not asked about');

$ann->send({ type => 'message', text => $_ }) for 'late one', 'quick one';
is($ann->message(type => 'error')->{code}, 'blocked',
    'no verdict in 200 ms: as it is set');
ok($ben->message(text => 'quick one'), 'what came behind it is heard');

# --- in order, whatever comes when

review($reviewer->url('/review'), 'allow');
ok(wait_for(sub { say_ok($ann, 'late ' . ++$n) eq 'ok' }, 10),
    'no verdict: let through');
$ann->send({ type => 'message', text => $_ }) for 'late two', 'quick two';
my @two = map { $_->{text} } $ben->messages(2, text => qr/ two$/);
is("@two", 'late two quick two', 'one after the other');

# --- over the API, and when the writer has gone

is($user{ann}->post("/streams/$id/chat", { text => 'deny by post' })->status,
    202, 'said over the API');
is($user{ann}->post("/streams/$id/chat", { text => 'fine by post' })->status,
    202, '... twice');
ok($ben->message(text => 'fine by post'), 'what is allowed is heard');
ok($ben->quiet(0.2, text => 'deny by post'), '... and what is not, is not');
$ann->send({ type => 'message', text => 'late and gone' });
wait_for(sub { grep { $_->{json}{text} eq 'late and gone' } $reviewer->got },
    5);
$ann->drop;
ok($ben->message(text => 'late and gone'), 'who leaves has said it all the same');

# --- a service that misbehaves

$ann = enter('ann');
for my $how ('status 500', 'huge', 'redirect http://127.0.0.1:1/', 'drip') {
    $reviewer->behave($how);
    is(say_ok($ann, "said to $how"), 'ok', "one with $how is as none");
}
$reviewer->stop;
is(say_ok($ann, 'said to nobody'), 'ok', 'and so is one that is not there');

my $metrics = $ng->get('http', '/metrics')->body;
my ($asked) = $metrics =~ /^ngx_live_chat_reviews_total (\d+)/m;
my ($failed) = $metrics =~ /^ngx_live_chat_reviews_failed_total (\d+)/m;
cmp_ok($asked, '>', $failed, 'counted');
cmp_ok($failed, '>=', 5, '... also what failed');
like($ng->log_text, qr{its address is not public}, 'the log says why nobody was'
    . ' asked');
unlike($ng->log_text, qr/\Q$secret\E/, 'the secret is in no log');
unlike($user{ann}->get("/streams/$id/moderation/settings")->body,
    qr/review|lvcr_/, 'nor with the settings');

$_->drop for $ann, $ben, $moder;
$ng->finish;
$cp->finish;
done_testing;
