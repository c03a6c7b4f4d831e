#!/usr/bin/perl

# What nodes report, and that the database follows, whichever message is lost,
# late, or read twice, and whoever dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for);

my $cp = Live::Control->new->start;
my $ada = $cp->register('ada');
my $admin = $cp->make($cp->register('root') => 'admin');
my $nodes = 0;

sub api {
    my ($user, $method, $path, $json) = @_;
    my $res = $cp->request($method, $path, token => $user->{token}, (defined $json ? (json => $json) : ()));

    $res->status < 300 or die "$method $path: " . $res->status . ' ' . $res->body . "\n";

    return $res->status == 204 ? undef : $res->json;
}

sub node { return Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => 'n' . ++$nodes, @_) }

sub stream {
    my $id = api($ada, POST => '/streams', { title => 'A stream' })->{id};

    return ($id, api($ada, POST => "/streams/$id/keys", {})->{key});
}

sub status { return api($ada, GET => "/streams/$_[0]")->{status} }

# Broadcasts as "id:open" or "id:why", the first one first.
sub broadcasts {
    return $cp->sql("SELECT string_agg(coalesce(ended_why, 'open'), ', ' ORDER BY id) FROM broadcasts WHERE stream_id = '$_[0]'");
}

# The silence of so many seconds, without waiting for it.
sub silence {
    my ($id, $seconds, $node) = @_;

    $cp->sql("UPDATE live_streams SET last_seen_at = last_seen_at - interval '${seconds}s' WHERE stream_id = '$id';"
        . ($node ? "UPDATE nodes SET last_seen_at = last_seen_at - interval '${seconds}s' WHERE id = '$node->{id}'" : ''));
}

# A stream that is live on a node of its own.
sub live {
    my ($id, $key) = stream();
    my $node = node();

    $node->go_live($node->publish($key)->{json});
    $node->beat;
    status($id) eq 'live' or die "not live\n";

    return ($id, $key, $node);
}

subtest 'a node is known by what it says' => sub {
    my $node = node(rtmp_url => 'rtmp://one.example.org/live', http_url => 'http://127.0.0.1:9');
    my $res = $node->beat;

    is($res->{status}, 200, 'heard') or diag($res->{text});
    is($res->{json}{interval_ms}, 2000, 'the interval');
    is(scalar @{ $res->{json}{keys}{jwks}{keys} }, 1, 'the signing keys');
    ok(!exists $node->beat->{json}{keys}, 'which come once');

    my ($row) = grep { $_->{id} eq $node->{id} } @{ api($admin, GET => '/admin/nodes')->{items} };
    is($row->{rtmp_url}, 'rtmp://one.example.org/live', 'its address');
    ok($row->{up}, 'it is up');
    is($row->{store}{size}, 1 << 30, 'its store');
    is($row->{workers}, 4, 'its workers');

    $cp->sql("UPDATE nodes SET last_seen_at = now() - interval '7s' WHERE id = '$node->{id}'");
    ($row) = grep { $_->{id} eq $node->{id} } @{ api($admin, GET => '/admin/nodes')->{items} };
    ok(!$row->{up}, 'it is not, when it is silent');
};

subtest 'from the first media to the end' => sub {
    my ($id, $key) = stream();
    my $node = node();
    my $answer = $node->publish($key)->{json};

    $node->go_live($answer, tracks => []);
    $node->beat;
    is(status($id), 'ready', 'a publisher without media is not live');

    $node->go_live($answer, viewers => 3);
    $node->beat;
    my $stream = api($ada, GET => "/streams/$id");
    is($stream->{status}, 'live', 'live with the first media');
    is($stream->{viewers}, 3, 'its viewers');
    is(scalar(grep { $_->{id} eq $id } @{ $cp->request(GET => '/streams/live')->json->{items} }), 1, 'in the list');

    $node->{streams}{$id}{viewers} = 9;
    $node->beat;
    $node->{streams}{$id}{viewers} = 2;
    $node->beat;
    is(api($ada, GET => "/streams/$id")->{viewers}, 2, 'viewers come and go');

    $node->lose_publisher($id, bytes => 5000, frames => 60);
    $node->beat;
    is(status($id), 'live', 'without its publisher it is still live');

    $node->go_live($node->publish($key)->{json}, epoch => $node->{streams}{$id}{epoch});
    $node->beat;
    $node->end_stream($id, 'encoder stopped', bytes => 700, frames => 6);
    $node->beat;

    $stream = api($ada, GET => "/streams/$id");
    is($stream->{status}, 'ended', 'ended');
    ok($stream->{start_time} le $stream->{end_time}, 'with its times');

    my ($row) = @{ api($ada, GET => "/streams/$id/broadcasts")->{items} };
    is($row->{id}, $answer->{broadcast}, 'one broadcast');
    is($row->{peak_viewers}, 9, 'its most viewers');
    is($row->{ingest}{bytes}, 5700, 'its bytes, of both publishers');
    is(broadcasts($id), 'encoder stopped', 'why it ended');
    is($cp->sql("SELECT media -> 0 ->> 'codec' FROM broadcasts WHERE id = $row->{id}"), 'avc1.64001f', 'its media');
};

subtest 'an event counts once' => sub {
    my ($id, $key, $node) = live();

    $node->lose_publisher($id, bytes => 100);
    $node->beat(lose => 'answer');
    $node->beat(lose => 'answer');
    my $answer = $node->beat;
    is($answer->{json}{events}, $node->{next_event} - 1, 'it was read up to the last one');
    is(scalar @{ $node->{events} }, 0, 'none is sent again');
    is($cp->sql("SELECT bytes FROM broadcasts WHERE stream_id = '$id'"), 100, 'counted once');

    # a new store counts from 1 again
    $node->{epoch}++;
    $node->{next_event} = 1;
    $node->event('publish.stop', $id, bytes => 11);
    $node->beat;
    is($cp->sql("SELECT bytes FROM broadcasts WHERE stream_id = '$id'"), 111, 'those of a new store are others');
};

subtest 'no heartbeat of the start arrives' => sub {
    my ($id, $key) = stream();
    my $node = node();

    $node->go_live($node->publish($key)->{json});
    $node->beat(lose => 'request') for 1 .. 3;
    is(status($id), 'ready', 'nobody knows');
    $node->beat;
    is(status($id), 'live', 'with the next one it is live');
};

subtest 'the end is lost' => sub {
    my ($id, $key, $node) = live();

    # no event, no entry: as after a crash that took both
    delete $node->{streams}{$id};
    $node->beat;
    is(status($id), 'live', 'one report without it may be an old one');
    silence($id, 4);
    $node->beat;
    is(status($id), 'ended', 'the second one ends it');
    is(broadcasts($id), 'lost', 'for want of news');
};

subtest 'the publish was never asked for' => sub {
    my ($id) = stream();
    my $node = node();

    # the control plane was down, the node remembered the key
    $node->go_live({ stream => $id, broadcast => undef });
    $node->beat;
    is(status($id), 'live', 'the report makes it live');
    my $first = $cp->sql("SELECT id FROM broadcasts WHERE stream_id = '$id'");
    $node->beat;
    is($cp->sql("SELECT count(*) FROM broadcasts WHERE stream_id = '$id'"), 1, 'in one broadcast');
    $node->end_stream($id, 'encoder stopped');
    $node->beat;
    is(broadcasts($id), 'encoder stopped', 'which ends');

    # with the broadcast of last time
    $node->go_live({ stream => $id, broadcast => $first });
    $node->beat for 1 .. 2;
    is(broadcasts($id), 'encoder stopped, open', 'a remembered decision opens a new one');
    $node->end_stream($id, 'connection lost');
    $node->beat;
    is(broadcasts($id), 'encoder stopped, connection lost', 'and it is that which ends');
};

subtest 'an old report comes late' => sub {
    my ($id, $key, $node) = live();
    my $old = $node->report;

    $node->end_stream($id, 'encoder stopped');
    $node->beat;
    is(status($id), 'ended', 'ended');
    $node->post($old);
    is(status($id), 'ended', 'an old report does not bring it back');
    is(broadcasts($id), 'encoder stopped', 'nor open another');

    # but a node that goes on saying so is right
    my ($id2, undef, $node2) = live();
    $node2->event('stream.ended', $id2, reason => 'by mistake');
    $node2->beat;
    is(status($id2), 'ended', 'ended by an event');
    $cp->sql("UPDATE broadcasts SET ended_at = ended_at - interval '4s' WHERE stream_id = '$id2'");
    $node2->beat;
    is(status($id2), 'live', 'the node has it all the same');
    is(broadcasts($id2), 'open', 'in the same broadcast');
};

subtest 'a report of an older store comes late' => sub {
    my ($id, $key, $node) = live();
    my $old = $node->report;

    $node->{epoch} += 1000;
    $node->{streams} = {};
    $node->beat;
    silence($id, 4);
    $node->beat;
    is(status($id), 'ended', 'the new store has no stream');
    is($node->post($old)->{status}, 409, 'what the old one said is not taken');
    is(status($id), 'ended', 'it stays ended');
};

subtest 'a node dies, and comes back' => sub {
    my ($id, $key, $node) = live();

    silence($id, 7, $node);
    ok(wait_for(sub { status($id) eq 'ended' }, 20, 'the end'), 'a dead node: the broadcast ends');
    is(broadcasts($id), 'node lost', 'and says why');

    # it was the network: the stream is live all along
    $node->beat;
    is(status($id), 'live', 'back with the stream: it is live');
    is(broadcasts($id), 'open', 'in the same broadcast');

    # now it dies for good, and the encoder goes to another node
    my $other = node();
    silence($id, 7, $node);
    $other->go_live($other->publish($key)->{json});
    $other->beat;
    is(status($id), 'live', 'the encoder goes to another node');
    is($cp->sql("SELECT node_id FROM live_streams WHERE stream_id = '$id'"), $other->{id}, 'it is live there');

    $node->{deaf} = 1;
    $node->beat;
    is($cp->sql("SELECT node_id FROM live_streams WHERE stream_id = '$id'"), $other->{id}, 'the first one does not take it back');
    ok((grep { $_->{type} eq 'kick' && $_->{stream} eq $id } @{ $node->{commands} }), 'it is told to let go');
};

subtest 'nobody could report' => sub {
    my ($id, $key, $node) = live();

    # as after a while without any daemon, or without the database
    $cp->sql("UPDATE lifecycle_watch SET last_at = now() - interval '11s'");
    ok(wait_for(sub { $cp->sql('SELECT quiet_until > now() FROM lifecycle_watch') eq 't' }, 20, 'a look'), 'the gap is seen');
    silence($id, 7, $node);
    my $then = $cp->sql('SELECT clock_timestamp()');
    ok(wait_for(sub { $cp->sql("SELECT last_at > '$then' FROM lifecycle_watch") eq 't' }, 20, 'a look'), 'somebody looks');
    is(status($id), 'live', 'silence does not count at first');
    $cp->sql('UPDATE lifecycle_watch SET quiet_until = now()');
    ok(wait_for(sub { status($id) eq 'ended' }, 20, 'the end'), 'then it does');
};

subtest 'a publisher that never sends' => sub {
    my ($id, $key) = stream();
    my $node = node();

    $node->publish($key);
    $cp->sql("UPDATE broadcasts SET opened_at = opened_at - interval '31s', last_seen_at = last_seen_at - interval '31s' WHERE stream_id = '$id'");
    ok(wait_for(sub { broadcasts($id) eq 'no media' }, 20, 'the end'), 'it ends after a while');
    is(status($id), 'ready', 'the stream was not live');
};

subtest 'what was stopped is told until it is so' => sub {
    my ($id, $key, $node) = live();
    $node->{deaf} = 1;

    api($ada, POST => "/streams/$id/stop", {});
    is(status($id), 'ended', 'ended at once');
    is(broadcasts($id), 'stopped', 'and why');

    for my $turn (1 .. 2) {
        $node->{commands} = [];
        $node->beat;
        is(scalar(grep { $_->{type} eq 'kick' && $_->{stream} eq $id } @{ $node->{commands} }), 1, "the node is told ($turn)");
    }

    is(status($id), 'ended', 'it does not come back by the reports');
    push @{ $node->{done} }, map { $_->{id} } @{ $node->{commands} };
    $node->{commands} = [];
    $node->beat;
    is(scalar(grep { $_->{type} eq 'kick' } @{ $node->{commands} }), 1, 'done, it says, and still live: told again');

    $node->{deaf} = 0;
    $node->beat for 1 .. 3;
    $node->{commands} = [];
    $node->beat;
    is(scalar @{ $node->{commands} }, 0, 'then it is quiet');
    is(broadcasts($id), 'stopped', 'why it ended stays');
};

subtest 'a deleted stream' => sub {
    my ($id, $key, $node) = live();

    api($ada, DELETE => "/streams/$id");
    $node->{commands} = [];
    $node->beat for 1 .. 2;
    ok((grep { $_->{type} eq 'kick' && $_->{stream} eq $id } @{ $node->{commands} }), 'the node drops its publisher');

    my $own = node();
    $own->go_live({ stream => 'someone-elses', broadcast => undef });
    $own->beat for 1 .. 2;
    is(scalar @{ $own->{commands} }, 0, 'a stream that was never ours is left alone');
};

subtest 'suspended, and without its key' => sub {
    my ($id, $key, $node) = live();
    my $key_id = $cp->sql("SELECT key_id FROM broadcasts WHERE stream_id = '$id'");

    api($ada, DELETE => "/streams/$id/keys/$key_id");
    is(broadcasts($id), 'revoked', 'a revoked key ends what it publishes');
    $node->beat;
    is($node->{commands}[-1]{type}, 'kick', 'the node drops it');
    is(status($id), 'ended', 'ended');

    # a key of its own: the node remembered one that was revoked meanwhile
    ($id, $key, $node) = live();
    api($admin, POST => "/admin/users/$ada->{id}/suspend", { reason => 'a test' });
    is(broadcasts($id), 'suspended', 'a suspended user\'s broadcasts end');
    $node->beat;
    is($node->{commands}[-1]{type}, 'kick', 'the node drops it');

    my $away = node();
    $away->go_live({ stream => $id, broadcast => undef });
    $away->{deaf} = 1;
    $away->beat for 1 .. 2;
    is(broadcasts($id), 'suspended', 'a node that did not ask does not make it live');
    is($away->{commands}[0]{type}, 'kick', 'but is told to drop it');

    api($admin, POST => "/admin/users/$ada->{id}/unsuspend");
    $ada->{token} = $cp->request(POST => '/auth/login', json => { login => 'ada', password => 'a long enough password' })->json->{access_token};
};

subtest 'commands are posted at once' => sub {
    my ($id, $key, $node) = live();

    $node->listen;
    $node->beat;
    api($ada, POST => "/streams/$id/stop", {});

    my $post = $node->control(10);
    ok($post, 'a post came') or return;
    is($post->{line}, 'POST /control/ HTTP/1.1', 'to /control/');
    like($post->{header}{authorization}, qr/^Live-Node \d+:[0-9a-f]{32}:[0-9a-f]{64}$/, 'signed');
    is($post->{commands}[0]{type}, 'kick', 'a kick');
    is($post->{commands}[0]{stream}, $id, 'of the stream');
    ok(wait_for(sub { $cp->sql("SELECT done_at IS NOT NULL FROM node_commands WHERE stream_id = '$id'") eq 't' }, 10, 'done'),
        'and is done with that');
    @{ $node->{commands} } = ();
    $node->beat;
    is(scalar @{ $node->{commands} }, 0, 'the heartbeat does not repeat it');
};

subtest 'drain and back' => sub {
    my $node = node();

    $node->beat;
    my $row = api($admin, POST => "/admin/nodes/$node->{id}/drain");
    ok($row->{drain_wanted} && !$row->{draining}, 'wanted');
    $node->beat for 1 .. 2;
    ok($node->{draining}, 'the node drains');
    ok($cp->sql("SELECT draining FROM nodes WHERE id = '$node->{id}'") eq 't', 'and says so');

    # a new store does not know
    $node->{epoch}++;
    $node->{draining} = 0;
    $node->beat for 1 .. 2;
    ok($node->{draining}, 'a node that forgot is told again');

    api($admin, POST => "/admin/nodes/$node->{id}/undrain");
    $node->beat for 1 .. 2;
    ok(!$node->{draining}, 'and back');

    is($cp->request(POST => '/admin/nodes/none/drain', token => $admin->{token})->status, 404, 'an unknown node');
    is($cp->request(POST => "/admin/nodes/$node->{id}/drain", token => $ada->{token})->status, 403, 'admins only');
};

subtest 'many streams, and two nodes at once' => sub {
    my @nodes = map { node() } 1 .. 2;

    $cp->sql("INSERT INTO streams (id, user_id, title) SELECT 'many' || i, $ada->{id}, 'many' FROM generate_series(1, 600) i");
    $nodes[$_ % 2]->go_live({ stream => "many$_", broadcast => undef }) for 1 .. 600;

    my @status = $cp->parallel(4, sub {
        my ($client, $i) = @_;
        return $nodes[$i % 2]->beat(lose => 'answer')->{status};
    });
    is("@status", '200 200 200 200', 'reports at the same time');
    is($cp->sql("SELECT count(*) FROM live_streams WHERE stream_id LIKE 'many%'"), 600, 'all are live');
    is($cp->sql("SELECT count(*) FROM broadcasts WHERE stream_id LIKE 'many%'"), 600, 'once each');
    is($cp->sql("SELECT count(*) FROM streams WHERE id LIKE 'many%' AND status = 'live'"), 600, 'streams too');

    $nodes[0]->end_stream($_, 'encoder stopped') for grep { $nodes[0]{streams}{$_} } map { "many$_" } 1 .. 600;
    $nodes[0]->beat;
    is($cp->sql("SELECT count(*) FROM live_streams WHERE stream_id LIKE 'many%'"), 300, 'half of them end');
};

subtest 'odd reports' => sub {
    my $node = node();

    is($node->request('/internal/heartbeat', '{}')->{status}, 422, 'nothing');
    is($node->request('/internal/heartbeat', { node => { id => 'a b' } })->{status}, 422, 'a bad id');
    is($node->request('/internal/heartbeat', { node => { id => $node->{id}, epoch => 'x', cpu => 'hot', store => [] },
        streams => [ 1, {}, { id => '../..', state => 'live' }, { id => 'x' x 100 }, { id => 'x', state => [] } ],
        events => [ 'x', {}, { id => 'x' }, { id => 7, type => 'unknown' } ], sessions => { a => 1 },
        seen => { commands => [ 'x', '1; DROP TABLE users', { } ], revocations => -1 } })->{status}, 200,
        'what makes no sense is left out');

    my ($id, $key, $live) = live();
    $live->{streams}{$id}{encoder} = "\x{0}\x{1b}[31m" . 'x' x 1000;
    $live->{streams}{$id}{tracks}[0]{codec} = { not => 'a text' };
    $live->{streams}{$id}{viewers} = -5;
    $live->{streams}{$id}{bitrate} = 1e300;
    is($live->beat->{status}, 200, 'an encoder with an odd name');
    is($cp->sql("SELECT viewers FROM live_streams WHERE stream_id = '$id'"), 0, 'numbers are brought into range');
};

subtest 'announced for another time while it is live' => sub {
    my ($id, $key, $node) = live();
    my $at = $cp->sql("SELECT rfc3339(now() + interval '1 day')");
    my $upcoming = sub {
        return scalar grep { $_->{id} eq $id }
            @{ api($ada, GET => '/streams?upcoming=true&limit=100')->{items} };
    };

    is(api($ada, PATCH => "/streams/$id", { scheduled_at => $at })->{status}, 'live', 'it is live');
    $node->end_stream($id, 'encoder stopped');
    $node->beat;
    is(status($id), 'scheduled', 'then it is announced');
    is($upcoming->(), 1, 'and in the list of what is to come');

    my $again = $node->publish($key);
    is($again->{status}, 200, 'its encoder may come back before that');
    $node->go_live($again->{json});
    $node->beat;
    is(status($id), 'live', 'and it is live again');

    api($ada, POST => "/streams/$id/stop", {});
    is(status($id), 'scheduled', 'when it was stopped it is announced, too');
    is($node->publish($key)->{status}, 403, 'but nobody comes back');
    $node->beat;
    api($ada, POST => "/streams/$id/stop", {});
    is(status($id), 'ended', 'what is only announced is called off');
    is($upcoming->(), 0, 'and is not to come');

    api($ada, PATCH => "/streams/$id", { scheduled_at => $at });
    is($node->publish($key)->{status}, 403, 'announced anew: not before its time');
};

subtest 'the database is away' => sub {
    my ($id, $key, $node) = live();

    $cp->postgres->stop;
    my $res = $node->beat;
    is($res->{status}, 503, 'a heartbeat is not taken');
    ok($res->{headers}{'retry-after'}, 'for now');
    is($node->publish($key)->{status}, 503, 'nor a publisher');
    $node->lose_publisher($id, bytes => 77);
    $cp->postgres->start;
    ok(wait_for(sub { $node->beat->{status} == 200 }, 20, 'a heartbeat'), 'then it is');
    is($cp->sql("SELECT status FROM streams WHERE id = '$id'"), 'live', 'live all along');
    is($cp->sql("SELECT bytes FROM broadcasts WHERE stream_id = '$id'"), 77, 'with what happened meanwhile');
    is($node->publish($key)->{status}, 200, 'publishers, too');
};

my @errors = grep { /"level":"error"/ && !/connection|server|database|job \w+ failed/i } split /\n/, $cp->log;
is("@errors", '', 'no error in the log');

$cp->finish;
done_testing;
