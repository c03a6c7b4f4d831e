#!/usr/bin/perl

# Viewer tokens: who gets one, what is in it, what ends it, and the figures of
# a stream for those who run it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Test::More;

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(write_file);

my $cp = Live::Control->new(conf => { public_url => 'https://live.example.org/', token_sessions => 3 })->start;
my ($ada, $bob, $eve, $mod) = map { $cp->register($_) } qw(ada bob eve mod);
my $staff = $cp->make($cp->register('staff') => 'moderator');
my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => 'n1');
my $dir = tempdir(CLEANUP => 1);

sub ask {
    my ($user, $method, $path, $json) = @_;

    return $cp->request($method, $path, ($user ? (token => $user->{token}) : ()), (defined $json ? (json => $json) : ()));
}

sub api {
    my ($user, $method, $path, $json) = @_;
    my $res = ask(@_);

    $res->status < 300 or die "$method $path: " . $res->status . ' ' . $res->body . "\n";

    return $res->status == 204 ? undef : $res->json;
}

sub stream { return api($ada, POST => '/streams', { title => 'A stream', @_ })->{id} }
sub token { return ask($_[0], POST => "/streams/$_[1]/token", $_[2] // {}) }

# So that tokens of before do not count as being played.
sub forget { $cp->sql("UPDATE playback_sessions SET created_at = now() - interval '16s', last_seen_at = NULL") }
sub claims { return JSON::PP::decode_json(decode_base64url((split /\./, $_[0])[1])) }
sub header { return JSON::PP::decode_json(decode_base64url((split /\./, $_[0])[0])) }

# By openssl, with the key of the JWKS that the token names.
sub verifies {
    my ($token, $jwks) = @_;
    my ($head, $body, $sig) = split /\./, $token;
    my ($key) = grep { $_->{kid} eq header($token)->{kid} } @{ $jwks->{keys} };

    write_file("$dir/key.der", pack('H*', '302a300506032b6570032100') . decode_base64url($key->{x}));
    write_file("$dir/data", "$head.$body");
    write_file("$dir/sig", decode_base64url($sig));

    return system("openssl pkeyutl -verify -pubin -keyform DER -inkey $dir/key.der -rawin -in $dir/data -sigfile $dir/sig >/dev/null 2>&1") == 0;
}

# As a node sees it.
sub dead {
    my ($token) = @_;
    my $claims = claims($token);

    $node->beat;

    for my $what ("jti $claims->{jti}", "sub $claims->{sub}", "stream $claims->{stream}",
        "sub_stream $claims->{sub}\n$claims->{stream}")
    {
        my $item = $node->{revocations}{$what} // next;
        return 1 if !$item->{before} || $claims->{iat} < $item->{before};
    }

    return 0;
}

subtest 'a token of a public stream' => sub {
    my $id = stream();
    my $res = token(undef, $id);

    is($res->status, 201, 'for anyone') or diag($res->body);
    my $json = $res->json;
    my $claims = claims($json->{token});

    is_deeply(header($json->{token}), { alg => 'EdDSA', typ => 'JWT', kid => header($json->{token})->{kid} }, 'its header');
    is($claims->{stream}, $id, 'the stream');
    is($claims->{jti}, $json->{jti}, 'its id');
    like($claims->{sub}, qr/^anon:[\w-]{12}$/, 'nobody in particular');
    is_deeply($claims->{can}, ['watch'], 'who has no name can watch');
    is($claims->{exp} - $claims->{nbf}, 4 * 3600, 'its life');
    is($claims->{iss}, 'https://live.example.org/', 'from whom');
    ok(!exists $claims->{name}, 'without a name');
    ok(length $json->{token} < 1000, 'short enough for a path');
    ok(verifies($json->{token}, api(undef, GET => '/jwks.json')), 'openssl verifies it');

    is($json->{urls}{hls}, "https://live.example.org/live/~$json->{token}/$id/index.m3u8", 'where to watch');
    is($json->{urls}{chat}, "wss://live.example.org/chat/~$json->{token}/$id", 'where to chat');
    like($json->{expires_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'until when');

    $claims = claims(token($bob, $id)->json->{token});
    is($claims->{sub}, $bob->{id}, 'a user is named by id');
    is($claims->{name}, 'bob', 'and has a name');
    is_deeply($claims->{can}, ['watch', 'chat'], 'and can talk');
    unlike($cp->log, qr/\Q$json->{token}\E/, 'the log has no token');
};

subtest 'visibility' => sub {
    my %id = map { $_ => stream(visibility => $_) } qw(public unlisted followers private);

    sub may {
        my ($who, $id, $want, $title) = @_;
        forget();
        my $res = token($who, $id);
        is($res->status, $want, $title) or diag($res->body);
    }

    may(undef, $id{unlisted}, 201, 'unlisted: anyone who knows it');
    may(undef, $id{followers}, 404, 'followers: not anyone');
    may($bob, $id{followers}, 404, 'followers: not who does not follow');
    api($bob, POST => "/users/$ada->{id}/follow");
    may($bob, $id{followers}, 201, 'followers: who follows');
    may($ada, $id{followers}, 201, 'followers: the owner');

    may($bob, $id{private}, 404, 'private: not a follower');
    api($ada, PUT => "/streams/$id{private}/viewers/$bob->{id}");
    may($bob, $id{private}, 201, 'private: who is on the list');
    may($eve, $id{private}, 404, 'private: nobody else');
    api($ada, PUT => "/streams/$id{private}/members/$eve->{id}", { role => 'vip' });
    may($eve, $id{private}, 201, 'private: a vip');
    may($staff, $id{private}, 201, 'private: the platform\'s moderators');

    may($bob, $id{public}, 201, 'public');
    api($ada, PUT => "/streams/$id{public}/members/$bob->{id}", { role => 'banned' });
    may($bob, $id{public}, 403, 'public: not who is banned');
    may($bob, 'unknown', 404, 'an unknown stream');

    api($ada, PUT => "/users/$eve->{id}/block");
    may($eve, $id{unlisted}, 403, 'not whom the owner has blocked');
    api($ada, DELETE => "/users/$eve->{id}/block");

    $cp->sql("UPDATE users SET suspended_at = now() WHERE id = $ada->{id}");
    may($bob, $id{unlisted}, 404, 'not of a suspended user');
    $cp->sql("UPDATE users SET suspended_at = NULL WHERE id = $ada->{id}");
};

subtest 'how many at once' => sub {
    my $id = stream();
    my @tokens = map { token($mod, $id)->json } 1 .. 3;
    my $res = token($mod, $id);

    is($res->status, 403, 'a fourth one is refused');
    is($res->json->{type}, '/problems/session-limit', 'with the reason');
    is(token(undef, $id)->status, 201, 'nobody in particular has no limit');
    is(token($mod, $id, { replaces => $tokens[0]{jti} })->status, 201, 'but one that replaces another');

    # not played, and a while ago: they do not count
    forget();
    is(token($mod, $id)->status, 201, 'those that nobody plays do not count');
    forget();

    $node->{sessions} = { map { $_->{jti} => $id } @tokens };
    $node->beat;
    is(token($mod, $id)->status, 403, 'those that a node sees do');
    $node->{sessions} = {};

    api($ada, POST => "/streams/$id/token/revoke", { jti => $tokens[0]{jti} });
    is(token($mod, $id)->status, 201, 'a revoked one does not');

    # all at once
    $cp->sql("DELETE FROM playback_sessions WHERE subject = '$mod->{id}'");
    my @got = $cp->parallel(6, sub { return $_[0]->request(POST => "/streams/$id/token", json => {}, token => $mod->{token})->status });
    is(scalar(grep { $_ == 201 } @got), 3, 'six at the same time: three') or diag("@got");
};

subtest 'views are counted once' => sub {
    my $id = stream();
    my $key = api($ada, POST => "/streams/$id/keys", {})->{key};

    $node->go_live($node->publish($key)->{json});
    $node->{sessions} = { map { token(undef, $id)->json->{jti} => $id } 1 .. 3 };
    $node->beat for 1 .. 3;
    is(api($ada, GET => "/streams/$id")->{view_count}, 3, 'three views');
    $cp->sql("UPDATE playback_sessions SET last_seen_at = now() - interval '1 minute'");
    $node->beat;
    is(api($ada, GET => "/streams/$id")->{view_count}, 3, 'who goes on watching is no other');
    $node->{sessions}{ token(undef, $id)->json->{jti} } = $id;
    $node->{sessions}{'made-up'} = $id;
    $node->beat;
    is(api($ada, GET => "/streams/$id")->{view_count}, 4, 'the next one is');
    is(api($ada, GET => "/streams/$id/broadcasts")->{items}[0]{views}, 4, 'of the broadcast, too');
    $node->{sessions} = {};
};

subtest 'revocation' => sub {
    my $id = stream();
    my ($one, $two, $three) = map { $_->{token} } map { token($_, $id)->json } $bob, $bob, $eve;

    ok(!dead($_), 'good') for $one, $two, $three;

    api($ada, POST => "/streams/$id/token/revoke", { jti => claims($one)->{jti} });
    ok(dead($one), 'one token is dead');
    ok(!dead($two), 'not the user\'s other one');

    api($ada, POST => "/streams/$id/token/revoke", { user => $bob->{id} });
    ok(dead($two), 'a user\'s are dead');
    ok(!dead($three), 'not other users\'');
    my $next = token($bob, $id)->json->{token};
    ok(!dead($next), 'one that is given out afterwards is good');

    api($ada, POST => "/streams/$id/token/revoke", { all => JSON::PP::true });
    ok(dead($three) && dead($next), 'all are dead');
    ok(!dead(token($eve, $id)->json->{token}), 'but later ones');

    forget();
    my $more = token($bob, $id)->json->{token};
    api($ada, PUT => "/streams/$id/members/$bob->{id}", { role => 'banned' });
    ok(dead($more), 'a ban ends what is playing');
    is(token($bob, $id)->status, 403, 'and gives no other');

    $more = token($eve, $id)->json->{token};
    api($ada, PATCH => "/streams/$id", { visibility => 'private' });
    ok(dead($more), 'a stream that was made private, too');

    my $admin = $cp->make($cp->register('root') => 'admin');
    my $elsewhere = api($mod, POST => '/streams', { title => 'Another' })->{id};
    $more = token($eve, $elsewhere)->json->{token};
    api($admin, POST => "/admin/users/$eve->{id}/suspend", { reason => 'spam' });
    ok(dead($more), 'a suspended user\'s, on every stream');

    my $new = Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => 'n2');
    my $full = $new->beat->{json}{revocations};
    ok($full->{full}, 'a new node gets all');
    is_deeply($new->{revocations}, $node->{revocations}, 'the same as who was there all along');
    is($new->beat->{json}{revocations}, undef, 'then nothing, as nothing changed');
};

subtest 'who may revoke' => sub {
    my $id = stream();
    my $token = token($bob, $id)->json;

    is(ask($eve = $cp->register('eva'), POST => "/streams/$id/token/revoke", { jti => $token->{jti} })->status, 403, 'not a stranger');
    is(ask(undef, POST => "/streams/$id/token/revoke", { jti => $token->{jti} })->status, 401, 'not anyone');
    is(ask($bob, POST => "/streams/$id/token/revoke", { jti => $token->{jti} })->status, 204, 'whose it is');
    is(ask($bob, POST => "/streams/$id/token/revoke", { all => JSON::PP::true })->status, 403, 'but not all');
    is(ask($ada, POST => "/streams/$id/token/revoke", { jti => 'unknown' })->status, 404, 'an unknown one');
    is(ask($ada, POST => "/streams/$id/token/revoke", {})->status, 422, 'nothing');
    is(ask($ada, POST => "/streams/$id/token/revoke", { jti => 'x', all => JSON::PP::true })->status, 422, 'two things');

    api($ada, PUT => "/streams/$id/members/$mod->{id}", { role => 'moderator' });
    is(ask($mod, POST => "/streams/$id/token/revoke", { user => $bob->{id} })->status, 204, 'a moderator of the stream');
};

subtest 'no heartbeat skips a revocation' => sub {
    my $id = stream();

    # the first one is slow to commit; the second waits for it, instead of
    # being seen first
    my @got = $cp->parallel(8, sub {
        my ($client, $i) = @_;

        if ($i <= 6) {
            return join ',', map {
                $client->request(POST => "/streams/$id/token/revoke", token => $ada->{token}, json => { user => sprintf("%d", 1000 * $i + $_) })->status
            } 1 .. 15;
        }

        my $n = Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => "r$i");
        $n->beat for 1 .. 60;
        delete $n->{http};
        return $n;
    });

    is($got[$_], join(',', (204) x 15), 'revoked') for 0 .. 5;

    for my $n (@got[6, 7]) {
        $n->{http} = HTTP::Tiny->new;
        $n->beat;
        is(scalar(grep { /^sub_stream \d+\n$id$/ } keys %{ $n->{revocations} }), 90, 'a node that looked all the time has all of them');
    }
};

subtest 'many revocations' => sub {
    $cp->sql("WITH c AS (UPDATE counters SET value = value + 6000 WHERE name = 'revocations' RETURNING value) INSERT INTO revocations (version, kind, value, until) SELECT c.value - 6000 + i, 'jti', 'many' || i, now() + interval '1 hour' FROM c, generate_series(1, 6000) i");
    my $n = Live::FakeNode->new(url => $cp->url, key => $cp->node_key, id => 'many');
    my $first = $n->beat;

    ok($first->{json}{revocations}{full}, 'the first answer begins anew');
    cmp_ok(length $first->{text}, '<', 1 << 20, 'and is not too large');
    cmp_ok(scalar(grep { /^jti many/ } keys %{ $n->{revocations} }), '<', 6000, 'it has not all');
    ok(!$n->beat->{json}{revocations}{full}, 'the next one adds');
    is(scalar(grep { /^jti many/ } keys %{ $n->{revocations} }), 6000, 'the rest');
    is($n->beat->{json}{revocations}, undef, 'then there is nothing more');

    # a database of last week
    $n->{revocations_version} = 1_000_000;
    ok($n->beat->{json}{revocations}{full}, 'who knows more than there is begins anew');
};

subtest 'figures' => sub {
    my $id = stream();
    my $key = api($ada, POST => "/streams/$id/keys", {})->{key};

    is(api($ada, GET => "/streams/$id/stats")->{live}, undef, 'nothing is live');

    my $entry = $node->go_live($node->publish($key)->{json}, viewers => 7);
    $node->beat;
    my $live = api($ada, GET => "/streams/$id/stats")->{live};
    is($live->{viewers}, 7, 'viewers');
    is($live->{bitrate}, 2_500_000, 'the bit rate');
    is($live->{fps}, 30, 'frames a second');
    is($live->{tracks}[0]{height}, 720, 'tracks');
    is($live->{publisher}{encoder}, 'fake/1.0', 'the encoder');
    is($live->{publisher}{addr}, '192.0.2.7', 'where from');
    is_deeply($live->{health}, { state => 'good', problems => [] }, 'all is well');

    %$entry = (%$entry, gop_ms => 9000, skew_ms => -450, tracks => [ $entry->{tracks}[0] ]);
    $node->beat;
    $live = api($ada, GET => "/streams/$id/stats")->{live};
    is($live->{health}{state}, 'warning', 'not all is well');
    is(join(' ', map { $_->{type} } @{ $live->{health}{problems} }), 'no-audio long-gop skew', 'what it is');

    $entry->{state} = 'filling';
    $node->beat;
    is(api($ada, GET => "/streams/$id/stats")->{live}{health}{state}, 'bad', 'without a publisher');

    is(ask($bob, GET => "/streams/$id/stats")->status, 403, 'not for viewers');
    is(ask(undef, GET => "/streams/$id/stats")->status, 401, 'not for anyone');
    api($ada, PUT => "/streams/$id/members/$mod->{id}", { role => 'moderator' });
    ok(!exists api($mod, GET => "/streams/$id/stats")->{live}{publisher}{addr}, 'a moderator does not see the address');
    is(api($staff, GET => "/streams/$id/stats")->{live}{publisher}{addr}, '192.0.2.7', 'the platform\'s do');
};

$cp->finish;
done_testing;
