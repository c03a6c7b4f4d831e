#!/usr/bin/perl

# Stream keys: shown once, several, replaced, expired, revoked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Person;

my $cp = Live::Control->new->start;
my $ann = person($cp, 'ann');
my $bob = person($cp, 'bob');
my $host = person($cp, 'host');

my $made = $ann->post('/streams', { title => 'Show' })->json;
my $id = $made->{id};
my $first = $made->{key}{id};

$ann->put("/streams/$id/members/" . $host->id, { role => 'co-host' });

sub keys_of { return @{ $ann->get("/streams/$id/keys")->json->{items} } }

# ---- several

my $res = $ann->post("/streams/$id/keys", { label => 'studio',
    expires_at => '2099-01-01T00:00:00Z' });

is($res->status, 201, 'a second key');
is($res->json->{label}, 'studio', 'with a label');
is($res->json->{expires_at}, '2099-01-01T00:00:00.000Z', 'and an end');
like($res->json->{key}, qr/^[a-z2-7]{32}$/, 'is shown');

my $studio = $res->json;

is(scalar keys_of(), 2, 'both are in the list');
unlike($ann->get("/streams/$id/keys")->body, qr/$studio->{key}/,
    'without the key');
unlike(scalar $cp->postgres->run('pg_dump', '-h', $cp->postgres->dir, '-p',
    $cp->postgres->port, '-U', 'postgres', 'live'),
    qr/$studio->{key}|$made->{key}{key}/,
    'which stands nowhere in the database');

is($ann->post("/streams/$id/keys", { expires_at => '2020-01-01T00:00:00Z' })
    ->status, 422, 'a key that has expired is refused');

# ---- who

is($host->get("/streams/$id/keys")->status, 200, 'a co-host sees the list');
is($host->post("/streams/$id/keys")->status, 403, 'but makes none');
is($host->delete("/streams/$id/keys/$first")->status, 403, 'and revokes none');
is($bob->get("/streams/$id/keys")->status, 403, 'others see no list');

my $other = $bob->post('/streams', { title => 'Other' })->json;

is($ann->delete("/streams/$id/keys/$other->{key}{id}")->status, 404,
    "another stream's key is not found");
is($ann->post("/streams/$id/keys", { replaces => $other->{key}{id} })
    ->status, 422, 'nor replaced');

# ---- live with the first key

$cp->sql("INSERT INTO nodes (id, rtmp_url) VALUES ('n1', 'rtmp://n1/live')");
$cp->sql("INSERT INTO broadcasts (stream_id, user_id, node_id, key_id,"
    . " started_at) VALUES ('$id', " . $ann->id . ", 'n1', $first, now())");
$cp->sql("INSERT INTO live_streams (stream_id, broadcast_id, node_id)"
    . " SELECT stream_id, id, node_id FROM broadcasts"
    . " WHERE stream_id = '$id'");
$cp->sql("UPDATE streams SET status = 'live' WHERE id = '$id'");

sub kicks {
    return $cp->sql("SELECT count(*) FROM node_commands"
        . " WHERE stream_id = '$id' AND type = 'kick'");
}

# ---- replaced, with and without an overlap

$res = $ann->post("/streams/$id/keys", { replaces => $studio->{id},
    overlap_s => 3600 });
is($res->status, 201, 'a key in the place of another');
is($cp->sql("SELECT expires_at < now() + interval '61 minutes'"
    . " AND revoked_at IS NULL FROM stream_keys WHERE id = $studio->{id}"),
    't', 'the old one goes on for an hour');
is(kicks(), 0, 'and nobody is dropped');

$res = $ann->post("/streams/$id/keys", { replaces => $first });
is($res->status, 201, 'a key in the place of another, at once');
is($cp->sql("SELECT revoked_at IS NOT NULL FROM stream_keys"
    . " WHERE id = $first"), 't', 'the old one is revoked');
is(kicks(), 1, 'and its publisher dropped');
is($ann->get("/streams/$id")->json->{status}, 'ended', 'the broadcast ends');

# ---- revoked

my $key = $res->json->{id};

is($ann->delete("/streams/$id/keys/$key")->status, 204, 'revoked');
is($ann->delete("/streams/$id/keys/$key")->status, 404, 'once');
is(kicks(), 1, 'nobody is dropped who used another key');
ok((grep { $_->{id} eq $key && $_->{revoked_at} } keys_of()),
    'it stays in the list, as revoked');
is($cp->sql("SELECT count(*) FROM audit_log WHERE action = 'key.revoke'"
    . " AND object_id = '$id'"), 1, 'which is in the audit log');

# ---- what a node hears that asks for an encoder

sub publish {
    my ($credential) = @_;
    my $got = $cp->node(POST => '/internal/publish', { node => 'n1',
        credential => $credential, stream => undef, protocol => 'rtmp',
        addr => '10.0.0.1', encoder => undef });
    return $got->status . ' ' . ($got->json->{stream} // $got->json->{detail});
}

my $show = $ann->post('/streams', { title => 'Next show' })->json;
my $path = "/streams/$show->{id}";

is(publish($show->{key}{key}), "200 $show->{id}",
    'the key that came with the stream publishes it');
$ann->post("$path/stop", {});
like(publish($show->{key}{key}), qr/^403 .*stopped/, 'not once it was stopped');
like(publish($ann->post("$path/publish-token")->json->{token}),
    qr/^403 .*stopped/, 'nor does a token');
$ann->post("$path/start");
is(publish($show->{key}{key}), "200 $show->{id}", 'again when it is started');
is(publish($ann->post("$path/publish-token")->json->{token}),
    "200 $show->{id}", 'so does a token');
$ann->delete("$path/keys/$show->{key}{id}");
like(publish($show->{key}{key}), qr/^403 .*revoked/, 'not with a revoked key');

my $tomorrow = $ann->post('/streams', { title => 'Tomorrow', scheduled_at =>
    $cp->sql("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day',"
        . " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')") })->json;

like(publish($tomorrow->{key}{key}), qr/^403 .*scheduled/,
    'nor what is for tomorrow');
$ann->post("/streams/$tomorrow->{id}/start");
is(publish($tomorrow->{key}{key}), "200 $tomorrow->{id}",
    'unless it is started today');

# ---- bounds

$cp->sql("INSERT INTO stream_keys (stream_id, hash) SELECT '$id',"
    . " sha256(i::text::bytea) FROM generate_series(1, 19) i");

is($ann->post("/streams/$id/keys")->status, 409, 'no more than 20 valid keys');

my @all;
my $cursor = '';

do {
    $res = $ann->get("/streams/$id/keys?limit=10$cursor");
    push @all, map { $_->{id} } @{ $res->json->{items} };
    $cursor = '&cursor=' . ($res->json->{next} // '');
} while (defined $res->json->{next} && @all < 100);

is(scalar @all, 23, 'all of them in pages');
is_deeply(\@all, [sort { $b <=> $a } @all], 'the newest first, none twice');

$cp->finish;
done_testing;
