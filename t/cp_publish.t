#!/usr/bin/perl

# POST /internal/publish: who may be live, and what the encoder is told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Test::More;

use Live::Control;
use Live::FakeNode;

my $cp = Live::Control->new->start;
my $ada = $cp->register('ada');
my $bob = $cp->register('bob');
my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => 'n1');

sub api {
    my ($user, $method, $path, $json) = @_;
    my $res = $cp->request($method, $path, token => $user->{token}, (defined $json ? (json => $json) : ()));

    $res->status < 300 or die "$method $path: " . $res->status . ' ' . $res->body . "\n";

    return $res->status == 204 ? undef : $res->json;
}

# A stream of ada's: (its id, a key of it, the key's id).
sub stream {
    my (%opt) = @_;
    my $id = api($ada, POST => '/streams', { title => 'A stream', %opt })->{id};
    my $key = api($ada, POST => "/streams/$id/keys", { label => 'obs' });

    return ($id, $key->{key}, $key->{id});
}

sub refused {
    my ($res, $like, $title) = @_;

    is($res->{status}, 403, "refused: $title") or diag($res->{text});
    is($res->{headers}{'content-type'}, 'application/problem+json', 'as a problem');
    like($res->{json}{detail}, $like, 'the encoder is told why');
}

subtest 'a key opens its stream' => sub {
    my ($id, $key) = stream(settings => { part_ms => 500, max_bitrate => 4_000_000 });
    my $res = $node->publish($key);

    is($res->{status}, 200, 'accepted') or diag($res->{text});
    is($res->{json}{stream}, $id, 'the stream');
    is($res->{json}{user}, $ada->{id}, 'its user');
    like($res->{json}{broadcast}, qr/^\d+$/, 'a broadcast');
    is($res->{json}{owner}, sha256_hex($key), 'the owner is a hash of the key');
    is($res->{json}{settings}{part_ms}, 500, 'settings');
    is($res->{json}{settings}{max_bitrate}, 4_000_000, 'limits');
    is($res->{json}{expires}, undef, 'without an end');

    my $again = $node->publish($key);
    is($again->{json}{broadcast}, $res->{json}{broadcast}, 'the encoder that comes back continues its broadcast');
    is($cp->sql("SELECT count(*) FROM broadcasts WHERE stream_id = '$id'"), 1, 'there is one');
    is($cp->sql("SELECT protocol || ' ' || host(addr) || ' ' || encoder || ' ' || node_id FROM broadcasts WHERE stream_id = '$id'"),
        'rtmp 192.0.2.7 fake/1.0 n1', 'who publishes is known');
    is(api($ada, GET => "/streams/$id")->{status}, 'ready', 'it is not live without media');

    is($node->publish($key, stream => $id)->{status}, 200, 'the right name besides');
    refused($node->publish($key, stream => 'another'), qr/another stream/, 'another name besides');
};

subtest 'a passphrase of the stream' => sub {
    my ($id, $key) = stream();
    my $path = "/streams/$id/passphrase";
    my $set = sub { $cp->request(PUT => $path, token => $ada->{token}, json => { passphrase => $_[0] }) };

    is_deeply(api($ada, GET => $path), { set => JSON::PP::false, created_at => undef }, 'there is none');
    ok(!exists $node->publish($key)->{json}{passphrase}, 'the node is told of none');
    is($set->($_->[0])->status, 422, $_->[1]) for [ 'x' x 9, 'too short' ], [ 'x' x 80, 'too long' ],
        [ "correct\nhorse", 'a line feed' ], [ "correct h\x{f6}rse", 'not ASCII' ];

    is($set->($_)->status, 204, length($_) . ' characters') for 'x' x 79, 'correct-horse';
    my $got = $cp->request(GET => $path, token => $ada->{token});
    is($got->json->{set}, JSON::PP::true, 'there is one');
    unlike($got->body . $cp->request(GET => "/streams/$id", token => $ada->{token})->body
        . $cp->sql('SELECT * FROM stream_passphrases') . $cp->sql('SELECT * FROM audit_log') . $cp->log,
        qr/correct-horse/, 'it is shown nowhere, and sealed');
    is($node->publish($key)->{json}{passphrase}, 'correct-horse', 'the node is told');
    is($cp->request(GET => $path, token => $bob->{token})->status, 403, 'nobody else may ask');

    $cp->sql("UPDATE stream_passphrases SET sealed = 'v1.k9.xxxx' WHERE stream_id = '$id'");
    is($node->publish($key)->{status}, 503, 'one that does not open is not left out');

    is($cp->request(DELETE => $path, token => $ada->{token})->status, 204, 'taken away') for 1, 2;
    ok(!exists $node->publish($key)->{json}{passphrase}, 'the node is told of none');
    is($cp->sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit_log WHERE action LIKE 'stream.passphrase%'"),
        'stream.passphrase.set stream.passphrase.set stream.passphrase.remove', 'the audit log');
};

subtest 'the last use of a key is written, but not each time' => sub {
    my ($id, $key, $key_id) = stream();

    $node->publish($key);
    my $first = $cp->sql("SELECT last_used_at FROM stream_keys WHERE id = $key_id");
    ok(length $first, 'the first one');

    $node->publish($key);
    is($cp->sql("SELECT last_used_at FROM stream_keys WHERE id = $key_id"), $first, 'not again at once');

    $cp->sql("UPDATE stream_keys SET last_used_at = now() - interval '61s' WHERE id = $key_id");
    $node->publish($key);
    is($cp->sql("SELECT last_used_at > now() - interval '50s' FROM stream_keys WHERE id = $key_id"), 't',
        'again after a minute');
};

subtest 'keys that do not open' => sub {
    my ($id, $key, $key_id) = stream();

    refused($node->publish('a' x 32), qr/not known/, 'an unknown key');
    refused($node->publish(undef, stream => $id), qr/key is needed/, 'only the name');
    refused($node->publish(''), qr/key is needed/, 'an empty key');
    refused($node->publish('x' x 5000), qr/not known/, 'a very long key');
    refused($node->publish("' OR 1=1 --"), qr/not known/, 'SQL');

    $cp->sql("UPDATE stream_keys SET expires_at = now() - interval '1s' WHERE id = $key_id");
    refused($node->publish($key), qr/has expired/, 'an expired key');

    $cp->sql("UPDATE stream_keys SET expires_at = NULL WHERE id = $key_id");
    is($node->publish($key)->{status}, 200, 'it was that');

    api($ada, DELETE => "/streams/$id/keys/$key_id");
    refused($node->publish($key), qr/was revoked/, 'a revoked key');

    unlike($cp->log, qr/\Q$key\E/, 'no key is in the log');
};

subtest 'streams that may not be live' => sub {
    my ($id, $key) = stream();

    api($ada, POST => "/streams/$id/stop", {});
    refused($node->publish($key), qr/stopped: start it/, 'a stopped stream');
    api($ada, POST => "/streams/$id/start", {});
    is($node->publish($key)->{status}, 200, 'started again');

    $cp->sql("UPDATE streams SET status = 'scheduled', scheduled_at = now() + interval '1 hour', armed_at = NULL WHERE id = '$id'");
    refused($node->publish($key), qr/scheduled for 20\d\d-\d\d-\d\d \d\d:\d\d UTC/, 'one whose time has not come');
    $cp->sql("UPDATE streams SET scheduled_at = now() - interval '1s' WHERE id = '$id'");
    is($node->publish($key)->{status}, 200, 'its time has come');

    $cp->sql("UPDATE users SET suspended_at = now() WHERE id = $ada->{id}");
    refused($node->publish($key), qr/suspended/, 'a suspended user');
    $cp->sql("UPDATE users SET suspended_at = NULL WHERE id = $ada->{id}");
};

subtest 'publish tokens' => sub {
    my ($id) = stream();
    my ($other) = stream();
    my $token = api($ada, POST => "/streams/$id/publish-token", {});
    my $res = $node->publish($token->{token});

    is($res->{status}, 200, 'accepted') or diag($res->{text});
    is($res->{json}{stream}, $id, 'the stream');
    ok($res->{json}{expires} > time, 'until it expires');

    my $next = api($ada, POST => "/streams/$id/publish-token", {});
    is($node->publish($next->{token})->{json}{owner}, $res->{json}{owner},
        'the next token of the user takes over from this one');

    refused($node->publish($token->{token}, stream => $other), qr/another stream/, 'for another stream');
    refused($node->publish(substr($token->{token}, 0, -5) . 'AAAAA'), qr/not valid/, 'a changed one');

    my $viewer = api($ada, POST => "/streams/$id/token", {});
    refused($node->publish($viewer->{token}), qr/not for publishing/, 'a viewer token');
    refused($node->publish($ada->{token}), qr/not for publishing/, 'an access token');

    # bob is a co-host, then he is not
    $cp->sql("INSERT INTO stream_members (stream_id, user_id, role) VALUES ('$id', $bob->{id}, 'co-host')");
    my $bobs = api($bob, POST => "/streams/$id/publish-token", {});
    is($node->publish($bobs->{token})->{status}, 200, 'of a co-host');
    $cp->sql("UPDATE stream_members SET role = 'vip' WHERE stream_id = '$id' AND user_id = $bob->{id}");
    refused($node->publish($bobs->{token}), qr/no longer publish/, 'of one who was a co-host');
    $cp->sql("UPDATE stream_members SET role = 'banned' WHERE stream_id = '$id' AND user_id = $bob->{id}");
    refused($node->publish($bobs->{token}), qr/banned/, 'of one who is banned');

    $cp->sql("INSERT INTO playback_sessions (jti, stream_id, subject, expires_at) VALUES ('$token->{jti}', '$id', '$ada->{id}', now() + interval '1 hour')");
    api($ada, POST => "/streams/$id/token/revoke", { jti => $token->{jti} });
    refused($node->publish($token->{token}), qr/revoked/, 'a revoked one');
};

subtest 'one encoder at a time' => sub {
    my ($id, $key) = stream();
    my $second = api($ada, POST => "/streams/$id/keys", {})->{key};
    my $away = Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => 'n2');

    $node->go_live($node->publish($key)->{json});
    $node->beat;
    is(api($ada, GET => "/streams/$id")->{status}, 'live', 'live on one node');

    refused($node->publish($second), qr/live from another encoder/, 'another key');
    refused($away->publish($second), qr/live from another encoder/, 'another key on another node');

    # the encoder itself was sent to another node: it moves
    my $moved = $away->publish($key);
    is($moved->{status}, 200, 'the same key on another node');
    $away->go_live($moved->{json});
    $away->beat;
    $node->{deaf} = 1;
    $node->beat;

    is($cp->sql("SELECT node_id FROM live_streams WHERE stream_id = '$id'"), 'n2', 'it is live there');
    is($cp->sql("SELECT count(*) FROM broadcasts WHERE stream_id = '$id'"), 1, 'in the same broadcast');
    my ($kick) = grep { ($_->{stream} // '') eq $id } @{ $node->{commands} };
    is($kick->{type}, 'kick', 'the first node lets go of it');
    like($kick->{reason}, qr/another node/, 'and says why');

    $node->{deaf} = 0;
    $node->beat for 1 .. 2;
    $away->beat;
    is($cp->sql("SELECT node_id FROM live_streams WHERE stream_id = '$id'"), 'n2', 'its end there ends nothing here');
};

subtest 'only nodes may ask' => sub {
    my ($id, $key) = stream();
    my $stranger = Live::FakeNode->new(url => $cp->url, key => 'f' x 64);

    is($stranger->publish($key)->{status}, 401, 'another node key');
    delete $stranger->{key};
    is($stranger->publish($key)->{status}, 401, 'no node key');
};

subtest 'odd bodies' => sub {
    is($node->request('/internal/publish', '[]')->{status}, 400, 'a list');
    is($node->request('/internal/publish', '{}')->{status}, 422, 'nothing');
    is($node->request('/internal/publish', { node => 'n1', credential => [ 1 ] })->{status}, 403, 'a key that is a list');
    is($node->request('/internal/publish', { node => 'n1', credential => 'x', stream => '../x' })->{status}, 403, 'a stream name that is a path');

    my ($id, $key) = stream();
    my $res = $node->publish($key, encoder => "OBS\x{1}\x{0}\x{fffd}" . 'x' x 500, addr => 'not an address', new => 'field');
    is($res->{status}, 200, 'an encoder with an odd name publishes') or diag($res->{text});
    is($cp->sql("SELECT encoder LIKE 'OBS??%' AND length(encoder) <= 200 FROM broadcasts WHERE stream_id = '$id'"), 't', 'the name is made printable');
};

$cp->finish;
done_testing;
