#!/usr/bin/perl

# Ten minutes without a control plane at 100 messages a second, in a few
# seconds: 60,000 messages wait in the store, also when the worker that was to
# send them dies, and each arrives once. Where there is no room for more,
# writers are told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for);
use Live::Person;
use Live::WebSocket;

my $BUILD = $ENV{BUILD} // 'build';
my $cp = Live::Control->new;

sub node {
    my ($id, $live) = @_;

    return Live::Nginx->new(workers => 2, vars => { URL => $cp->url },
        files => { 'node.key' => $cp->node_key . "\n" },
        allow_alerts => [ qr/exited on signal 9/ ], conf => <<"EOC");
live {
    $live
    live_control_plane %%URL%%;
    live_node_id $id;
    live_node_key %%DIR%%/node.key;
    live_node_urls http=http://127.0.0.1:%%PORT_http%%;
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /chat/    { live_chat; live_chat_rate off; live_token off; }
        location /control/ { live_control; }
        location /status   { live_status; }
        location /metrics  { live_metrics; }
    }
}
EOC
}

my $ng = node('one', 'live_store %%STORE%% 256m; live_chat_buffer 64m;');
my $small = node('two', 'live_store %%STORE%% 32m; live_chat_buffer 1m;');

for my $node ($ng, $small) {
    chmod 0644, $node->dir . '/node.key';
}

$cp->start;
my $owner = person($cp, 'owner');
is($owner->post('/streams', { id => $_, title => $_ })->status, 201,
    "stream $_") for 'r0', 'full';

sub unsaved {
    my ($node) = @_;
    my $body = $node->get('http', '/metrics')->body;

    return $body =~ /^ngx_live_chat_unsaved_entries (\d+)/m ? $1 : -1;
}

sub kept {
    my ($stream) = @_;

    return $cp->sql("SELECT count(*) || ' ' || count(DISTINCT message_text)"
        . " FROM chat_messages WHERE stream_id = '$stream'"
        . " AND kind = 'message'");
}

$ng->start;
$small->start;
ok(wait_for(sub { $cp->sql('SELECT count(*) FROM nodes') == 2 }, 20,
    'both nodes'), 'two nodes');
$cp->stop;

# --- much is said meanwhile

my $load = "$BUILD/tools/chat_load";
my $where = 'http://127.0.0.1:' . $ng->port('http') . '/chat/';
my $sent = 0;

for (1 .. 6) {
    last if $sent >= 60000;
    $sent += $1 if `$load -n 2 -r 1 -m 13000 -b 100 -t 5 -R 1 -D 1 $where`
        =~ /\bsent=(\d+)/;
}
cmp_ok($sent, '>=', 60000, "much is said: $sent");
my $waiting = unsaved($ng);
cmp_ok($waiting, '>=', $sent, 'all of it waits');

my ($leader) = $ng->get('http', '/status')->body =~ /"leader":\s*(\d+)/;
ok($leader, 'one worker is to send it');
kill 'KILL', $leader;
ok(wait_for(sub { !grep { $_ == $leader } $ng->workers }, 10),
    'and dies');
is(unsaved($ng), $waiting, 'nothing is lost with it');

# --- and more than there is room for

my $ws = Live::WebSocket->connect($small->port('http'), '/chat/full',
    name => 'Talk');
my $text = 'x' x 450;
my ($taken, $full, $n) = (0, undef, 0);

while (!$full && $n < 5000) {
    $ws->raw(join '', map { $ws->bytes(data => '{"type":"message","text":"'
        . ++$n . " $text\",\"ref\":\"r$n\"}") } 1 .. 20);

    for my $ref ($n - 19 .. $n) {
        my $got = $ws->message(ref => "r$ref");
        $taken += $got->{type} eq 'ok';
        $full //= $got if $got->{type} eq 'error';
    }
}

is($full->{code}, 'unavailable', "who writes is told after $taken");
cmp_ok($full->{retry_ms}, '>', 0, '... when to try again');
cmp_ok($taken, '>', 300, '... and had room for some');
my $line_count = () = $small->log_text =~ /live_chat_buffer is full/g;
cmp_ok($line_count, '<=', 3, 'the log does not fill as well');

# --- it comes back

$cp->start;
ok(wait_for(sub { unsaved($small) == 0 }, 30, 'the small one'),
    'all is sent, first of the small one');
is(kept('full'), "$taken $taken", 'what was taken is kept, each once');
$ws->send({ type => 'message', text => 'room again', ref => 'again' });
is($ws->message(ref => 'again')->{type}, 'ok', 'and there is room again');
$ws->drop;

ok(wait_for(sub { unsaved($ng) == 0 }, 60, 'the large one'),
    'then of the other');
is(kept('r0'), "$sent $sent", 'all that was said is kept, each once');

$ng->finish;
$small->finish;
$cp->finish;
done_testing;
