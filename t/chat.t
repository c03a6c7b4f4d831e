#!/usr/bin/perl

# Rooms: members on several workers talk, come back, and lose nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);

use Live::Nginx qw(wait_for);
use Live::WebSocket;

my $ng = Live::Nginx->new(workers => 4, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    add_header X-Pid $pid always;
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /chat/ { live_chat; live_token off; live_chat_rate off; }
        location /metrics { live_metrics; }
    }
}
EOC

my $port = $ng->port('http');

sub join_room {
    my ($room, $name, %opt) = @_;

    return Live::WebSocket->connect($port, "/chat/$room", name => $name, %opt);
}

# Members on different workers, by pid.
sub join_apart {
    my ($room, $n, %opt) = @_;
    my %seen;

    for my $try (1 .. 200) {
        my $ws = join_room($room, "member $try", %opt);
        my $pid = $ws->header('X-Pid');
        $seen{$pid} ||= $ws;
        return values %seen if keys %seen == $n;
    }

    die "no $n workers took a member\n";
}

# --- two people on two workers

my ($ann, $bob) = join_apart('talk', 2);
isnt($ann->header('X-Pid'), $bob->header('X-Pid'), 'members on two workers');

$ann->send({ type => 'message', text => 'hello Bob', ref => 'r1' });
my $m = $bob->message(type => 'message');
is($m->{text}, 'hello Bob', 'a message reaches the other worker');
like($m->{id}, qr/^\d{15,19}$/, 'with an id');
is($ann->message(type => 'message')->{id}, $m->{id}, 'and its author');
is($ann->message(type => 'ok')->{id}, $m->{id}, 'who is told its id');

$bob->send({ type => 'message', text => 'hello Ann', reply_to => $m->{id} });
my $r = $ann->message(type => 'message');
is($r->{reply_to}, $m->{id}, 'a reply names what it answers');
cmp_ok($r->{offset}, '>', $m->{offset}, 'offsets go up');

# --- order and completeness

my @all = join_apart('order', 4);
for my $i (1 .. 50) {
    $all[$i % 4]->send({ type => 'message', text => "number $i" });
}
my @seen = map { [ map { $_->{id} } $_->messages(50, type => 'message') ] }
    @all;
is(scalar @{ $seen[0] }, 50, 'every message arrives');
is_deeply($seen[$_], $seen[0], "in the same order for all ($_)")
    for 1 .. 3;
is(scalar keys %{ { map { $_ => 1 } @{ $seen[0] } } }, 50, 'once');

# --- history

my $late = join_room('talk', 'Late');
my $hello = $late->hello;
is_deeply([ map { $_->{text} } @{ $hello->{messages} } ],
    [ 'hello Bob', 'hello Ann' ], 'who comes later sees what was said');
is($hello->{offset}, $r->{offset}, 'and the offset to come back with');

$late->drop;
$ann->send({ type => 'message', text => "missed $_" }) for 1 .. 3;
$bob->messages(3, type => 'message', text => qr/missed/);
my $back = join_room('talk', 'Late', offset => $hello->{offset},
    epoch => $hello->{epoch});
ok($back->hello->{resumed}, 'who comes back goes on');

# In its hello, as far as that worker has read; what is behind it follows.
my @missed = @{ $back->hello->{messages} };
push @missed, $back->messages(3 - @missed, type => 'message') if @missed < 3;
is_deeply([ map { $_->{text} } @missed ], [ map { "missed $_" } 1 .. 3 ],
    'and gets what it missed, once');

my $stranger = join_room('talk', 'Late', offset => '1', epoch => '12345');
ok(!$stranger->hello->{resumed}, 'another epoch is no way to go on');

# --- a reader

my $reader = Live::WebSocket->connect($port, '/chat/talk');
$reader->send({ type => 'message', text => 'may I?' });
is($reader->message(type => 'error')->{code}, 'read_only',
    'without a name nobody writes');

# --- reactions

$ann->send({ type => 'reaction', reaction => 'heart' }) for 1 .. 5;
$bob->send({ type => 'reaction', reaction => 'heart' }) for 1 .. 5;
my $total = 0;
for (1 .. 4) {
    my $u = $reader->message(type => 'reactions') or last;
    $total += $_->{count} for @{ $u->{counts} };
    last if $total == 10;
}
is($total, 10, 'reactions of two workers are added up');

# --- how many there are

my ($first, $second) = join_apart('count', 2);
ok($second->hello->{members} == 2
    || $second->message(type => 'presence', members => 2), 'two members');

my @others;
my $third;

until ($third) {
    my $ws = join_room('count', 'another ' . @others);
    ($ws->header('X-Pid') == $second->header('X-Pid') ? $third
        : $others[@others]) = $ws;
}

cmp_ok($third->hello->{members}, '>=', 3, 'one more comes');
$_->close(1000) for $first, @others;
ok($third->message(type => 'presence', members => 2),
    'others leave: who was told more is told again');

# --- a worker is killed

my ($one, $two) = join_apart('killed', 2);
$one->send({ type => 'message', text => 'before' });
$two->message(text => 'before');
my $h = $two->hello;
$ng->kill_worker(KILL => $one->header('X-Pid'));
$two->send({ type => 'message', text => 'after' });
is($two->message(text => 'after')->{text}, 'after',
    'a killed worker takes nobody else along');
my $again = join_room('killed', 'Again', offset => $h->{offset},
    epoch => $h->{epoch});
is_deeply([ map { $_->{text} } @{ $again->hello->{messages} } ],
    [ 'before', 'after' ], 'nor any message');

# --- reload

$_->drop for $ann, $bob, @all, $back, $stranger, $reader, $two, $again;

my @members = join_apart('reload', 3);
my @old = $ng->workers;
my $start = $members[0]->hello;
$members[0]->send({ type => 'message', text => 'old workers' });
$_->message(text => 'old workers') for @members;
$ng->reload;

my $new = join_room('reload', 'New');
$new->send({ type => 'message', text => 'new worker' });
is($_->message(text => 'new worker')->{text}, 'new worker',
    'old and new workers are one room') for @members;
for my $ws (@members) {
    my ($code, $reason) = $ws->ended;
    is($code, 1012, 'old workers close with 1012');
    $ws->drop;
}
my $r2 = join_room('reload', 'Back', offset => $start->{offset},
    epoch => $start->{epoch});
is_deeply([ map { $_->{text} } @{ $r2->hello->{messages} } ],
    [ 'old workers', 'new worker' ], 'and nothing is lost over a reload');

wait_for(sub { !grep { kill 0 => $_ } @old }, 15, 'old workers exit');
$_->drop for $new, $r2;

# --- a reload and a binary upgrade while people talk

my @talkers = map { { ws => $_, hello => $_->hello, pids => {}, got => [],
    ok => {} } } join_apart('upgrade', 3);

# Takes what has come; who is closed comes back to where it was.
sub follow {
    my ($t) = @_;

    while (my $frame = $t->{ws}->next_frame(0)) {
        took($t, decode_json($frame->{data})) if $frame->{op} == 1;
    }

    return unless $t->{ws}{eof} || $t->{ws}{close};

    my ($code) = $t->{ws}->ended;
    push @{ $t->{codes} }, $code;
    $t->{ws}->drop;
    $t->{ws} = join_room('upgrade', $t->{hello}{you}{name},
        offset => $t->{offset} // $t->{hello}{offset},
        epoch => $t->{hello}{epoch});
    $t->{lost}++ unless $t->{ws}->hello->{resumed};
    took($t, $_) for @{ $t->{ws}->hello->{messages} };
}

sub took {
    my ($t, $m) = @_;

    $t->{offset} = $m->{offset} if $m->{offset};
    $t->{ok}{$m->{ref}} = 1 if $m->{type} eq 'ok';

    if ($m->{type} eq 'message') {
        push @{ $t->{got} }, $m->{text};
        $t->{ok}{$m->{text}} = 1;
    }
}

# Each says the next one when the last was accepted, up to the last of all.
my $said = 0;
my $most;

sub talk {
    my ($until, $name) = @_;

    ok(wait_for(sub {
        my $t = $talkers[$said % 3];
        my $text = "upgrade-$said";

        follow($_) for @talkers;

        if ($said == 0 || $t->{ok}{$text}) {
            return $until->() if $most && $said == $most;
            $said++;
            $t = $talkers[$said % 3];
            $t->{asked} = '';
        }

        # again after a close: what was accepted has come with the hello

        $text = "upgrade-$said";

        if (!$t->{ok}{$text} && $t->{asked} ne "$text $t->{ws}") {
            $t->{asked} = "$text $t->{ws}";
            $t->{ws}->send({ type => 'message', text => $text,
                ref => $text });
        }

        return $until->();
    }, 20, $name), $name) or diag(map { $_->{ws}->story . "\n" } @talkers);
}

sub all_back {
    my ($times) = @_;

    return sub { !grep { @{ $_->{codes} // [] } < $times } @talkers };
}

talk(sub { $said > 5 }, 'three talk');
$ng->reload;
talk(all_back(1), 'a reload: all were closed, and came back');
ok($ng->upgrade, 'a binary upgrade');
talk(all_back(2), 'all were closed, and came back');

$most = $said + 5;
talk(sub { !grep { $_->{got}[-1] ne "upgrade-$most" } @talkers },
    'they talk on');
is_deeply([ map { @{ $_->{codes} } } @talkers ], [ (1012) x 6 ],
    'each was closed twice, with 1012');
ok(!grep({ $_->{lost} } @talkers), 'each time they could go on');
my $whole = [ map { "upgrade-$_" } 1 .. $most ];
is_deeply($_->{got}, $whole, 'and has every message, once, in order')
    for @talkers;

$ng->finish;
done_testing;
