#!/usr/bin/perl

# Rooms of two nodes, by way of Redis: each member, on whatever node and
# worker, gets each message once, and all of a node in one order; also over
# leaders that die, reloads, and a Redis that is restarted, stopped or emptied.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Live::FakeControl;
use Live::Nginx qw(wait_for);
use Live::Redis;
use Live::Token;
use Live::WebSocket;

plan skip_all => 'redis-server is not installed' unless Live::Redis->installed;

my $node_key = '6c' x 32;
my $key = Live::Token->new('HS256', kid => 'a');
my $acl = '~live:chat:* +xadd +xread +xinfo +select';
my $redis = Live::Redis->new(password => 'admin', tls => 1,
    users => [ "bus on >s3:cr%t $acl", "sub on >s3:cr%t $acl" ])->start;
my $cp = Live::FakeControl->new(node_key => $node_key)->start;
my $json = JSON::PP->new->utf8->canonical;

sub node {
    my ($id, $conf) = @_;

    return Live::Nginx->new(workers => 2, files => {
        'keys.json' => Live::Token::jwks($key),
        'node.key' => "$node_key\n", 'password' => "s3:cr%t\n" },
        vars => { ID => $id, REDIS => $conf, URL => $cp->url },
        allow_alerts => [ qr/exited on signal 9/ ], conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_control_plane %%URL%%;
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

my $one = node(one => 'live_redis redis://bus:s3%3acr%25t@127.0.0.1:'
    . $redis->port . '/3;')->start;
my $two = node(two => 'live_redis rediss://sub@localhost:' . $redis->tls_port
    . '/3; live_redis_password password; live_redis_ca ' . $redis->ca . ';')
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

    return ok(wait_for(sub { metric($one, 'up') == 1 && metric($two, 'up') == 1 },
        20, 'redis up'), $what);
}

# The worker that leads has the connections to Redis.
sub leader {
    my ($ng) = @_;
    my %port = map { sprintf('%04X', $_) => 1 } $redis->port, $redis->tls_port;
    my %inode;

    open my $fh, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
    for (<$fh>) {
        my @field = split;
        $inode{ $field[9] } = 1 if $field[2] =~ /:(\w+)/ && $port{$1};
    }

    for my $pid ($ng->workers) {
        for my $fd (glob "/proc/$pid/fd/*") {
            my ($inode) = (readlink $fd // '') =~ /^socket:\[(\d+)/ or next;
            return $pid if $inode{$inode};
        }
    }

    return 0;
}

# Commands of the control plane, to one node.
sub command {
    my ($ng, @commands) = @_;
    my $body = $json->encode({ commands => \@commands });

    return $ng->http('http')->request(POST => '/control/', body => $body,
        headers => { Authorization => Live::Token::node_header($node_key,
            POST => '/control/') })->status;
}

up('both nodes reach Redis, with password, as its users, and by TLS');

my @a = everywhere($one, 'talk', 'a');
my @b = everywhere($two, 'talk', 'b');
my @all = (@a, @b);
my %where = map { $_->header('X-Pid') => 1 } @all;
is(scalar keys %where, 4, 'members on both workers of both nodes: '
    . join ', ', sort keys %where);

# Everybody says something, n times; then everybody has all of it once, in one
# order on a node.
sub say_all {
    my ($prefix, $n, @who) = @_;

    for my $i (1 .. $n) {
        $who[$_]->send({ type => 'message', text => "$prefix $i.$_" })
            for 0 .. $#who;
    }

    return $n * @who;
}

sub heard_all {
    my ($what, $prefix, $n, $wait, @where) = @_;
    my @texts;

    for my $ws (@where) {
        my $until = time() + $wait;
        my @got;

        while (@got < $n && time() < $until) {
            push @got, $ws->message(type => 'message',
                text => qr/^\Q$prefix\E /, -wait => $until - time()) // last;
        }

        push @texts, join ',', map { "$_->{text}=$_->{id}" } @got;
    }

    my @sorted = map { join ',', sort split /,/ } @texts;
    my %once = map { $_ => 1 } split /,/, $sorted[0];

    is(scalar keys %once, $n, "$what: all of it is heard");
    is_deeply([ map { $_ eq $sorted[0] } @sorted ], [ map { 1 } @where ],
        '... by everybody, once, with one id');
    is($texts[1], $texts[0], '... in one order on a node');
    is($texts[3], $texts[2], '... and on the other') if @where == 4;
}

sub talk {
    my ($what, $prefix, $n) = @_;

    heard_all($what, $prefix, say_all($prefix, $n, @all), 20, @all);
}

talk('four people', first => 25);

# Where each text was saved from.
sub saved {
    my ($prefix) = @_;
    my %saved;

    for my $batch (map { $_->{body} } $cp->requests('chat')) {
        push @{ $saved{ $_->{text} } }, $batch->{node}
            for grep { ($_->{text} // '') =~ /^$prefix / }
                @{ $batch->{items} };
    }

    return \%saved;
}

ok(wait_for(sub { keys %{ saved('first') } == 100 }, 10, 'saved'),
    'all of it is saved');
is_deeply(saved('first'), { map { my $i = $_; map { ("first $i.$_" =>
    [ $_ < 2 ? 'one' : 'two' ]) } 0 .. 3 } 1 .. 25 },
    '... once, by the node where it was said');

# --- what is counted

ok(wait_for(sub { my $m = $b[0]->message(type => 'presence', -wait => 1);
        $m && $m->{members} == 4 }, 15, 'presence'),
    'members are counted over both nodes');
is(member($one, 'talk', 'eve')->hello->{members}, 5, 'in a hello, too');
$a[0]->send({ type => 'reaction', reaction => 'heart' }) for 1 .. 3;
$b[0]->send({ type => 'reaction', reaction => 'heart' }) for 1 .. 4;
for my $ws (@all) {
    my ($sum, $total) = (0, 0);
    while ($total < 7 and my $m = $ws->message(type => 'reactions')) {
        ($total) = map { $_->{total} } @{ $m->{counts} };
        $sum += $_->{count} for @{ $m->{counts} };
    }
    is("$sum $total", '7 7', 'reactions are added up');
}

# --- moderators

my $mod = member($one, 'talk', 'mod', 'moderator');
my $bad = member($two, 'talk', 'bad');
my $worse = member($two, 'talk', 'worse');
$bad->send({ type => 'message', text => 'a bad one' });
my $said = $mod->message(text => 'a bad one');
$mod->send({ type => 'delete', id => $said->{id} });
is($b[0]->message(type => 'delete')->{id}, $said->{id},
    'what was said on one node is deleted on the other');
$b[1]->send({ type => 'message', text => 'a good one' });
$said = $mod->message(text => 'a good one');
$mod->send({ type => 'pin', id => $said->{id} });
is($b[1]->message(type => 'pin')->{id}, $said->{id}, '... pinned');
is(member($two, 'talk', 'new')->hello->{pinned}{text}, 'a good one',
    '... for who comes later, too');
$mod->send({ type => 'timeout', user => 'bad', seconds => 60 });
$bad->message(type => 'timeout');
$bad->send({ type => 'message', text => 'again', ref => 'x' });
is($bad->message(type => 'error')->{code}, 'timed_out', '... timed out');
$mod->send({ type => 'ban', user => 'worse' });
is(($worse->ended)[0], 1008, '... banned');

# --- commands, given to one node

is(command($one, { id => 'c1', type => 'chat', op => 'message',
    stream => 'talk', user => '9', name => 'Nina', text => 'from the API' }),
    200, 'a command');
is($b[0]->message(text => 'from the API')->{name}, 'Nina',
    'reaches the other node: a message');
command($two, { id => 'c2', type => 'chat', op => 'poll', stream => 'talk',
    poll => { id => '5', question => 'Who?' } });
is($a[0]->message(type => 'poll')->{poll}{question}, 'Who?', '... a poll');
command($_, { id => 'c3' . $_->dir, type => 'chat', op => 'delete',
    stream => 'talk', target => '4711', once => 'both' }) for $one, $two;
command($one, { id => 'c4', type => 'chat', op => 'delete', stream => 'talk',
    target => '4712' });
$_->message(type => 'delete', id => '4712') for @all;
is(join(' ', map { scalar grep { ($_->{id} // '') eq '4711' } $_->kept } @all),
    '1 1 1 1', '... what both were given is done once');

# --- what nobody of us has said

my $keys = sub { map { "live:chat:$_" } 0 .. 15 };
$redis->call(SELECT => 3);
my %length = map { $_ => $redis->call(XLEN => $_) } $keys->();
delete $length{'live:chat:0'};
my ($stream) = sort { $length{$b} <=> $length{$a} } keys %length;
my $old = $redis->call(XRANGE => $stream, '-', '+', COUNT => 3)->[2][1][1];
my $changed = $old;
substr($changed, -60, 1) ^= 'x';
my $forged = $two->get('http', '/metrics')->body
    =~ /redis_dropped_total\{reason="forged"\} (\d+)/ ? $1 : -1;
my $doubled = metric($one, 'doubled_total') + metric($two, 'doubled_total');
$redis->call(XADD => $stream, '*', 'b', $_) for 'nonsense', $changed, '',
    'x' x 20000;
$redis->call(XADD => $stream, '*', 'a', 'b', 'c', 'd');
$redis->call(XADD => ($keys->())[$stream =~ /:3$/ ? 4 : 3], '*', 'b', $old);
$redis->call(XADD => $stream, '*', 'b', $old);
ok(wait_for(sub { $two->get('http', '/metrics')->body
    =~ /redis_dropped_total\{reason="forged"\} (\d+)/ && $1 >= $forged + 6 },
    10, 'forged'), 'what is forged, changed or moved is dropped');
ok(wait_for(sub { metric($one, 'doubled_total')
    + metric($two, 'doubled_total') > $doubled }, 10, 'replayed'),
    '... what is repeated, too');
talk('after that', honest => 3);

# --- a leader dies, on each node

for my $ng ($one, $two) {
    my $pid = leader($ng);
    ok($pid, "worker $pid leads");
    my @left = grep { $_->header('X-Pid') !~ / \Q$pid\E$/ } @all;
    is(scalar @left, 3, '... one of the four is its');

    my $n = say_all("before $pid", 20, @left);
    $ng->kill_worker(KILL => $pid);
    $n += say_all("before $pid", 20, @left);
    my @order = (@left);
    @order = @left[1, 2, 0] if $left[0]->header('X-Pid') =~ /^one/
        && $left[1]->header('X-Pid') =~ /^two/;
    heard_all('a leader is killed', "before $pid", $n, 20, @order);
    ok(wait_for(sub { my $new = leader($ng); $new && $new != $pid }, 10,
        'another leader'), 'another one leads');

    my ($some) = $pid;
    @a = everywhere($one, 'talk', "a$some") if $ng == $one;
    @b = everywhere($two, 'talk', "b$some") if $ng == $two;
    @all = (@a, @b);
}

# --- a reload

my $n = say_all(reload => 10, @b);
ok($one->reload, 'a reload');
my @new = everywhere($one, 'talk', 'reloaded');
$n += say_all(reload => 10, @b);
heard_all('over a reload', reload => $n, 20, @b);
@a = @new;
@all = (@a, @b);
ok(wait_for(sub { leader($one) }, 10, 'leader'), 'a new worker leads');
talk('then', reloaded => 5);

# --- Redis hangs

$redis->pause;
$n = say_all(hanging => 10, @all);
for my $node (\@a, \@b) {
    $_->messages(20, text => qr/^hanging /) for @$node;
}
pass('Redis hangs: the chat goes on within each node');
ok(wait_for(sub { metric($one, 'up') == 0 && metric($two, 'up') == 0 }, 20,
    'down'), '... which say so');
cmp_ok(metric($one, 'unsent_entries'), '>', 0, '... and what waits');
$redis->resume;
up('it goes on');

sub gap {
    my ($what, $prefix, $mine, @who) = @_;

    $_->messages($mine, text => qr/^\Q$prefix\E /, -wait => 20) for @who;
    is(join(' ', map { scalar grep { ($_->{text} // '') =~ /^\Q$prefix\E / }
        $_->kept } @who), join(' ', map { 0 } @who), "$what, once");
}

gap('the gap is filled', hanging => 20, @all);

# --- Redis is gone, with all that it had; then only gone

for my $data (0, 1) {
    my $prefix = $data ? 'kept' : 'gone';
    $redis->{append} = 1;
    $redis->kill;
    $n = say_all($prefix => 5, @all);
    $_->messages(10, text => qr/^\Q$prefix\E /) for @all;
    $redis->start;
    up('Redis is restarted ' . ($data ? 'with' : 'without') . ' its data');
    gap('the gap is filled', $prefix => 10, @all);
    talk('then', "after $prefix" => 5);
}

# --- one node is cut off

sub cut_off {
    $redis->call(qw(ACL SETUSER sub off));
    $redis->call(qw(CLIENT KILL USER sub));
    return ok(wait_for(sub { metric($two, 'up') == 0 }, 20, 'cut off'), $_[0]);
}

cut_off('a node is cut off');
say_all(apart => 10, @all);
$_->messages(20, text => qr/^apart /) for @all;
$redis->call(qw(ACL SETUSER sub on));
up('... and comes back');
gap('the gap is filled', apart => 20, @all);

cut_off('it is cut off for too long');
say_all(missed => 5, @a);
$a[1]->messages(10, text => qr/^missed /);
ok(wait_for(sub { metric($one, 'unsent_entries') == 0 }, 10, 'sent'), '...');
$redis->call(SELECT => 3);
$redis->call(XTRIM => $_, MAXLEN => 0) for $keys->();
$redis->call(qw(ACL SETUSER sub on));
for my $ws (@b) {
    my $event = $ws->message(type => 'event', -wait => 20) // {};
    is($event->{event}{data}{code}, 'history_lost',
        'members are told that something is missing');
}
cmp_ok(metric($two, 'gaps_total'), '>=', 1, '... it is counted');
talk('then', last => 5);

# --- history, secrets

my $three = node(three => 'live_redis redis://bus:s3%3acr%25t@127.0.0.1:'
    . $redis->port . '/3;')->start;
ok(wait_for(sub { my $ws = member($three, 'talk', 'late');
    grep { $_->{text} eq 'last 5.3' } @{ $ws->hello->{messages} } }, 20,
    'history'), 'a node that is new has what was said');

for my $ng ($one, $two, $three) {
    unlike($ng->log_text, qr/cr%|s3:|s3%/, 'no password in the log');
    $ng->finish;
}

is(scalar(() = $one->log_text =~ /redis .* \(writing\): no answer in time/g), 1,
    'the log says once that Redis does not answer');
like($one->log_text, qr/redis .* \(writing\) answers again/,
    '... and when it does');
like($two->log_text, qr{redis "rediss://localhost:\d+/3" \(\w+\): WRONGPASS},
    '... and why');
unlike($redis->call('PING') // '', qr/^-/, 'Redis is well');
$redis->stop;
$cp->stop;
done_testing;
