#!/usr/bin/perl

# Streams in the API: made, read, changed, armed, stopped, removed; who may.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64 qw(decode_base64url);
use Test::More;

use Live::Control;
use Live::Person;

my $cp = Live::Control->new->start;
my $ann = person($cp, 'ann');
my $bob = person($cp, 'bob');
my $mod = person($cp, 'mod', role => 'moderator');
my $anyone = anyone($cp);

# ---- made

my $res = $ann->post('/streams', { title => '  Evening show ',
    category => 'Music', tags => ['Guitar', 'live', 'guitar'],
    settings => { part_ms => 200 } });

is($res->status, 201, 'a stream is made');

my $made = $res->json;
my $id = $made->{id};

like($id, qr/^[a-z2-7]{12}$/, 'its id is random');
is($res->header('Location'), "/api/streams/$id", 'and its Location');
is($made->{title}, 'Evening show', 'the title is trimmed');
is($made->{category}, 'music', 'the category in lower case');
is_deeply($made->{tags}, ['guitar', 'live'], 'tags once each');
is($made->{status}, 'ready', 'without a schedule it is armed');
is($made->{role}, 'owner', 'whose role is the owner');
is_deeply($made->{settings}, { part_ms => 200 }, 'with the settings given');
like($made->{key}{key}, qr/^[a-z2-7]{32}$/, 'a key comes with it');
is($cp->sql("SELECT count(*) FROM stream_keys WHERE stream_id = '$id'"
    . " AND hash = sha256('$made->{key}{key}')"), 1,
    'of which the database has the hash');
unlike($cp->log, qr/$made->{key}{key}/, 'and no log the key');

for my $bad (
    [{}, 'title', 'no title'],
    [{ title => '' }, 'title', 'an empty title'],
    [{ title => 'x' x 141 }, 'title', 'a long title'],
    [{ title => 'x', id => 'live' }, 'id', 'the id of a list'],
    [{ title => 'x', id => '../x' }, 'id', 'a path for an id'],
    [{ title => 'x', tags => [map { "t$_" } 1 .. 11] }, 'tags', '11 tags'],
    [{ title => 'x', visibility => 'secret' }, 'visibility',
        'an unknown visibility'],
    [{ title => 'x', scheduled_at => '2020-01-01T00:00:00Z' },
        'scheduled_at', 'a time in the past'],
    [{ title => 'x', scheduled_at => '9999-12-31T23:59:59-12:00' },
        'scheduled_at', 'a time beyond all calendars'],
    [{ title => 'x', settings => { part_ms => 49 } }, 'settings.part_ms',
        'parts that are too short'],
    [{ title => 'x', settings => { part_ms => 600, segment_ms => 1000 } },
        'settings.part_ms', 'parts of more than half a segment'],
    [{ title => 'x', settings => { segment_ms => 4000, window_ms => 31000 } },
        'settings.window_ms', 'a window of less than 8 segments'],
    [{ title => 'x', settings => { part_ms => 50, window_ms => 60000 } },
        'settings.window_ms', 'a window of more than 960 parts'],
    [{ title => 'x', settings => { ladder => 1 } }, 'settings.ladder',
        'an unknown setting'],
) {
    my ($body, $field, $name) = @$bad;
    $res = $ann->post('/streams', $body);
    is($res->status, 422, "$name is refused");
    is($res->json->{errors}[0]{field}, $field, "... and named ($field)");
}

is($anyone->post('/streams', { title => 'x' })->status, 401,
    'nobody makes one without a login');

is($ann->post('/streams', { title => 'x', id => 'my-show' })->status, 201,
    'an id may be asked for');
is($bob->post('/streams', { title => 'x', id => 'my-show' })->status, 409,
    'once');

$res = $ann->post('/streams', { title => 'again' },
    'Idempotency-Key' => 'a-key-for-one-stream');
is($res->status, 201, 'a request with a key of its own');
my $again = $ann->post('/streams', { title => 'again' },
    'Idempotency-Key' => 'a-key-for-one-stream');
is($again->status, 201, 'repeated: the same answer');
is($again->json->{id}, $res->json->{id},
    'there is no second stream');
is($again->json->{key}{key}, $res->json->{key}{key},
    'and the key is the same');

# ---- read and changed

$res = $anyone->get("/streams/$id");
is($res->status, 200, 'a public stream is read by anyone');
is($res->json->{settings}, undef, 'but its settings');
is($res->json->{user}{username}, 'ann', 'with its owner');
ok(!exists $res->json->{key}, 'and never a key');

my $etag = $ann->get("/streams/$id")->header('ETag');

$res = $ann->patch("/streams/$id", { title => 'Late show',
    category => undef, settings => { part_ms => undef, muxed => \0 } },
    'If-Match' => $etag);
is($res->status, 200, 'it is changed');
is($res->json->{title}, 'Late show', 'the title is new');
is($res->json->{category}, undef, 'the category is gone');
is_deeply($res->json->{tags}, ['guitar', 'live'], 'what was not named stays');
ok(exists $res->json->{settings}{muxed}
    && !exists $res->json->{settings}{part_ms},
    'settings are merged, null takes one out');
isnt($res->header('ETag'), $etag, 'the version is another');

is($ann->patch("/streams/$id", { title => 'x' }, 'If-Match' => $etag)
    ->status, 412, 'an old version is not overwritten');
is($bob->patch("/streams/$id", { title => 'x' })->status, 403,
    "nobody changes another's stream");
is($mod->patch("/streams/$id", { title => 'x' })->status, 403,
    'nor does a moderator of the platform');
is($anyone->get('/streams/no-such-one')->status, 404, 'what is not is 404');

# ---- visibility

sub seen {
    my ($who, $stream) = @_;
    return $who->get("/streams/$stream")->status;
}

sub visibility {
    my ($value) = @_;
    my $changed = $ann->patch("/streams/$id", { visibility => $value });
    is($changed->status, 200, "made $value");
}

visibility('unlisted');
is(seen($anyone, $id), 200, 'unlisted: who knows the id');

visibility('followers');
is(seen($anyone, $id), 404, 'followers: nobody else');
is(seen($bob, $id), 404, 'nor who is only logged in');
$cp->sql("INSERT INTO follows (follower_id, user_id) VALUES ("
    . $bob->id . ", " . $ann->id . ")");
is(seen($bob, $id), 200, 'but a follower');

visibility('private');
is(seen($bob, $id), 404, 'private: not a follower');
is(seen($mod, $id), 200, 'but a moderator of the platform');
is($ann->put("/streams/$id/viewers/" . $bob->id)->status, 204,
    'on the list of viewers');
is(seen($bob, $id), 200, 'let in');
is($cp->sql("SELECT count(*) FROM revocations WHERE kind = 'stream'"
    . " AND value = '$id'") > 0, 1,
    'tokens from before were revoked');
is($bob->patch("/streams/$id", { title => 'x' })->status, 403,
    'a viewer changes nothing');
is($ann->delete("/streams/$id/viewers/" . $bob->id)->status, 204,
    'taken off the list');
is(seen($bob, $id), 404, 'out again');
is($cp->sql("SELECT count(*) FROM revocations WHERE kind = 'sub_stream'")
    > 0, 1, 'and the token is revoked');

visibility('public');

# ---- armed and stopped

sub node {
    my ($node, %with) = @_;
    my %row = (cpu => 0.5, draining => 'false', rtmp_url =>
        "'rtmp://$node.example/live'", last_seen_at => 'now()', %with);
    my @names = sort keys %row;

    $cp->sql("INSERT INTO nodes (id, " . join(', ', @names) . ") VALUES ("
        . "'$node', " . join(', ', @row{@names}) . ") ON CONFLICT (id) DO"
        . " UPDATE SET " . join(', ', map { "$_ = excluded.$_" } @names));
}

$cp->sql('DELETE FROM nodes');
is($ann->post("/streams/$id/start")->json->{ingest}{node}, undef,
    'without a node the configured address is the answer');

node('busy', cpu => 0.9);
node('idle', cpu => 0.1);
node('drains', cpu => 0, draining => 'true');
node('gone', cpu => 0, last_seen_at => "now() - interval '10 seconds'");

$res = $ann->post("/streams/$id/start");
is($res->status, 200, 'a stream is started');
is($res->json->{ingest}{node}, 'idle', 'on the node with the least load');
is($res->json->{ingest}{server}, 'rtmp://idle.example/live', 'at its address');
is_deeply([sort keys %{ $res->json->{ingest}{encoders} }],
    [qw(ffmpeg gstreamer larix obs vmix wirecast)],
    'with help for encoders');
like(join(' ', @{ $res->json->{ingest}{encoders}{obs}{steps} }),
    qr{rtmp://idle\.example/live.*YOUR_STREAM_KEY}, 'OBS: server and key');
like($res->json->{ingest}{encoders}{ffmpeg}{command},
    qr{rtmp://idle\.example/live/YOUR_STREAM_KEY}, 'ffmpeg: a command');

unlike($res->body, qr/Bitrate|-b:v/, 'no bit rate without a limit');
$ann->patch("/streams/$id", { settings => { max_bitrate => 4000000,
    segment_ms => 3000 } });
like($ann->post("/streams/$id/start")->body,
    qr/n_forced\*3\).* -b:v 3600k/, 'the settings are in the commands');

is($bob->post("/streams/$id/start")->status, 403, 'not by anybody');

$cp->sql("INSERT INTO broadcasts (stream_id, user_id, node_id, started_at)"
    . " VALUES ('$id', " . $ann->id . ", 'busy', now())");
$cp->sql("INSERT INTO live_streams (stream_id, broadcast_id, node_id,"
    . " viewers) SELECT stream_id, id, node_id, 7 FROM broadcasts"
    . " WHERE stream_id = '$id'");
$cp->sql("UPDATE streams SET status = 'live', start_time = now()"
    . " WHERE id = '$id'");

is($ann->post("/streams/$id/start")->json->{ingest}{node}, 'busy',
    'a live stream stays on its node');

$res = $anyone->get("/streams/$id");
is($res->json->{viewers}, 7, 'and has viewers');
$etag = $res->header('ETag');
is($anyone->get("/streams/$id", 'If-None-Match' => $etag)->status, 304,
    'nothing is new');
$cp->sql("UPDATE live_streams SET viewers = 8 WHERE stream_id = '$id'");
is($anyone->get("/streams/$id", 'If-None-Match' => $etag)->status, 200,
    'but with another viewer');
is($ann->patch("/streams/$id", { title => 'Live' }, 'If-Match' => $etag)
    ->status, 200, 'which is no conflict for a change');
is($ann->patch("/streams/$id", { title => 'Lost' }, 'If-Match' => $etag)
    ->status, 412, 'as another change is');

is($bob->post("/streams/$id/stop")->status, 403, 'nobody stops another');
$res = $ann->post("/streams/$id/stop", { reason => 'See you tomorrow' });
is($res->status, 200, 'stopped');
is($res->json->{status}, 'ended', 'it has ended');
is($cp->sql("SELECT count(*) FROM live_streams WHERE stream_id = '$id'"), 0,
    'nothing of it is live');
is($cp->sql("SELECT ended_at IS NOT NULL FROM broadcasts"
    . " WHERE stream_id = '$id'"), 't', 'the broadcast ended');
is($cp->sql("SELECT reason FROM node_commands WHERE node_id = 'busy'"
    . " AND stream_id = '$id'"), 'See you tomorrow',
    'and the node is told to drop the publisher, with the reason');

$res = $anyone->get("/streams/$id/broadcasts");
is(scalar @{ $res->json->{items} }, 1, 'the broadcast is in the list');
is($res->json->{items}[0]{ingest}, undef, 'its origin is not for everybody');
is($ann->get("/streams/$id/broadcasts")->json->{items}[0]{ingest}{node},
    'busy', 'but for the owner');

is($ann->post("/streams/$id/start")->json->{status}, 'ready', 'armed again');
is($mod->post("/admin/streams/$id/kick", { reason => 'Against the rules' })
    ->json->{status}, 'ended', 'a moderator of the platform stops it');
is($bob->post("/admin/streams/$id/kick")->status, 403, 'nobody else');
is($cp->sql("SELECT count(*) FROM audit_log WHERE action = 'stream.kick'"
    . " AND object_id = '$id'"), 1, 'which is in the audit log');

# ---- scheduled

my $later = $cp->sql("SELECT to_char(now() AT TIME ZONE 'UTC' + interval"
    . " '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");

$res = $ann->post('/streams', { title => 'Tomorrow', scheduled_at => $later });
is($res->json->{status}, 'scheduled', 'a stream for tomorrow');

my $tomorrow = $res->json->{id};

is($ann->post("/streams/$tomorrow/start")->json->{status}, 'ready',
    'may start today');
is($ann->patch("/streams/$tomorrow", { scheduled_at => $later })
    ->json->{status}, 'scheduled', 'or be announced again');
is($ann->patch("/streams/$tomorrow", { scheduled_at => undef })
    ->json->{status}, 'ready', 'or be taken off the schedule');

# ---- publish tokens

sub claims { return decode_json(decode_base64url((split /\./, $_[0])[1])) }

$res = $ann->post("/streams/$id/publish-token", { ttl_s => 600 });
is($res->status, 201, 'a publish token');

my $token = $res->json->{token};
my $claims = claims($token);

cmp_ok(length $token, '<', 400, 'is short');
is_deeply($claims->{can}, ['publish'], 'is for publishing');
is($claims->{stream}, $id, 'to this stream');
# a revocation of a moment ago moves iat to behind it (main/revoke.h)
cmp_ok(abs(600 - ($claims->{exp} - $claims->{iat})), '<=', 6, 'for ten minutes');

my $long = 'x' x 64;
$ann->post('/streams', { title => 'long', id => $long });
cmp_ok(length $ann->post("/streams/$long/publish-token")->json->{token}, '<',
    400, 'is short also with the longest id');
is($bob->post("/streams/$id/publish-token")->status, 403, 'not for others');

# ---- reported

is($bob->post("/streams/$id/report", { reason => 'spam', text => 'look' })
    ->status, 201, 'reported');
is($bob->post("/streams/$id/report", { reason => 'spam' })->status, 409,
    'once');
is($anyone->post("/streams/$id/report", { reason => 'spam' })->status, 401,
    'by somebody');

# ---- removed

node('busy');
$cp->sql("INSERT INTO broadcasts (stream_id, user_id, node_id, started_at)"
    . " VALUES ('$id', " . $ann->id . ", 'busy', now())");
$cp->sql("INSERT INTO live_streams (stream_id, broadcast_id, node_id)"
    . " SELECT stream_id, id, node_id FROM broadcasts"
    . " WHERE stream_id = '$id' AND ended_at IS NULL");
$cp->sql("UPDATE streams SET status = 'live' WHERE id = '$id'");

is($bob->delete("/streams/$id")->status, 403, 'nobody removes another');
is($mod->delete("/streams/$id")->status, 403, 'nor does a moderator');
is($ann->delete("/streams/$id", 'If-Match' => $etag)->status, 412,
    'nor the owner what was changed meanwhile');
is($ann->delete("/streams/$id")->status, 204, 'the owner does');
is(seen($ann, $id), 404, 'it is gone');
is($cp->sql("SELECT count(*) FROM node_commands WHERE stream_id = '$id'"
    . " AND reason LIKE '%deleted%'"), 1, 'and its publisher is dropped');

$cp->finish;
done_testing;
