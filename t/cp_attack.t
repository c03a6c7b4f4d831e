#!/usr/bin/perl

# Attacks by somebody who knows how it works: tokens in places that they are
# not for, ids of others below one's own, many requests at the same moment,
# rights that were taken away a moment ago. What anybody may ask is
# cp_authz.t's, what is no proper input cp_hostile.t's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for);
use Live::Person;
use Live::Token;

my $cp = Live::Control->new->start;
my ($ann, $eve) = map { person($cp, $_) } qw(ann eve);
my $root = person($cp, 'root', role => 'admin');
my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key,
    id => 'n1', rtmp_url => 'rtmp://127.0.0.1/live');
$node->beat;

sub stream {
    my ($who, %more) = @_;
    my $res = $who->post('/streams', { title => 'A stream', %more });

    $res->status == 201 or die 'stream: ' . $res->body . "\n";

    return $res->json;
}

sub bearer {
    my ($token) = @_;

    return $cp->request(GET => '/auth/sessions', token => $token)->status;
}

sub claims { return decode_json(decode_base64url((split /\./, $_[0])[1])) }

subtest 'a token is for one thing' => sub {
    my $stream = stream($ann);
    my $publish = $ann->post("/streams/$stream->{id}/publish-token", {})
        ->json->{token};
    my $viewer = $ann->post("/streams/$stream->{id}/token", {})
        ->json->{token};
    my $api = $ann->post('/auth/tokens', { name => 'x',
        scopes => ['streams:read'] })->json->{token};

    is(bearer($ann->token), 200, 'an access token logs in');
    is(bearer($_->[1]), 401, "$_->[0] does not")
        for [ 'a viewer token', $viewer ], [ 'a publish token', $publish ],
        [ 'a stream key', $stream->{key}{key} ],
        [ 'a refresh token', $ann->{refresh_token} ];

    is($node->publish($publish)->{status}, 200, 'a publish token publishes');
    is($node->publish($_->[1])->{status}, 403, "$_->[0] does not")
        for [ 'a viewer token', $viewer ], [ 'an access token', $ann->token ],
        [ 'an API token', $api ], [ 'a refresh token', $ann->{refresh_token} ];

    is_deeply(claims($publish)->{can}, ['publish'], 'nor does it watch');
    ok(!exists claims($ann->token)->{$_}, "an access token has no $_")
        for qw(can stream);
    is($cp->request(POST => '/auth/refresh', json => {
        refresh_token => $_->[1] })->status, 401, "$_->[0] refreshes nothing")
        for [ 'an API token', $api ],
        [ 'the hash of one', 'lvrt_' . 'a' x 43 ];
};

subtest 'forged tokens' => sub {
    my $real = $cp->request(GET => '/jwks.json')->json->{keys}[0];
    my %claims = (%{ claims($ann->token) }, can => undef,
        exp => time + 600);
    my $mine = Live::Token->new('EdDSA', kid => $real->{kid});
    my ($head, $body, $mac) = split /\./, $ann->token;
    my $public = Live::Token->new('HS256', kid => $real->{kid},
        secret => decode_base64url($real->{x}));
    my %forged = (
        'another key under the same name' => $mine->token(%claims),
        'a key that nobody has' => Live::Token->new('EdDSA', kid => 'none')
            ->token(%claims),
        'no key id' => $mine->token(%claims,
            -header => { alg => 'EdDSA' }),
        'HMAC with the public key' => $public->token(%claims),
        'HMAC that calls itself EdDSA' => $public->token(%claims,
            -header => { alg => 'EdDSA', kid => $real->{kid} }),
        'a key id that is a path' => $mine->token(%claims, -header => {
            alg => 'EdDSA', kid => '../../../dev/null' }),
        'a key in the token' => $mine->token(%claims, -header => {
            alg => 'EdDSA', kid => $real->{kid}, jwk => $mine->jwk }),
        'another role in the claims' => "$head." . encode_base64url(
            encode_json({ %{ claims($ann->token) }, role => 'admin',
            sub => $root->id })) . ".$mac",
        'no signature' => "$head.$body.",
        'a signature of zeros' => "$head.$body."
            . encode_base64url("\0" x 64),
        'padding' => $ann->token . '==',
        'a fourth part' => $ann->token . '.x',
        map { my $alg = $_; ("alg $alg" => encode_base64url(encode_json({
            alg => $alg, kid => $real->{kid} })) . ".$body.") }
            qw(none None NONE) );

    is(bearer($forged{$_}), 401, $_) for sort keys %forged;
    is(bearer($ann->token), 200, 'the real one is good');
};

subtest 'ids of others below one\'s own' => sub {
    my ($hers, $mine) = (stream($ann), stream($eve));
    my $key = $hers->{key}{id};
    my $private = stream($ann, visibility => 'private');
    my $hook = sub { $_[0]->post('/webhooks', {
        url => 'https://example.org/', events => ['stream.live'] })->json };
    my ($her_hook, $my_hook) = ($hook->($ann), $hook->($eve));

    $cp->sql("INSERT INTO webhook_deliveries (id, webhook_id, event_id,"
        . " event, payload, status) VALUES (77, $her_hook->{id}, 'e',"
        . " 'stream.live', '{}', 'failed')");

    is($eve->delete("/streams/$mine->{id}/keys/$key")->status, 404,
        'a key of another stream is not revoked');
    is($eve->post("/streams/$mine->{id}/keys", { replaces => $key })->status,
        422, 'nor replaced');
    is($node->publish($hers->{key}{key})->{status}, 200, 'it works on');
    is($node->publish($hers->{key}{key}, stream => $mine->{id})->{status},
        403, 'for its own stream');

    my $token = $ann->post("/streams/$hers->{id}/token", {})->json;
    is($eve->post("/streams/$mine->{id}/token/revoke",
        { jti => $token->{jti} })->status, 404,
        'a viewer token of another stream is not revoked');

    is($eve->post("/webhooks/$my_hook->{id}/deliveries/77/replay")->status,
        404, 'nor a delivery of another webhook sent again');
    is($eve->post('/webhooks', { url => 'https://example.org/',
        events => ['stream.live'], stream => $private->{id} })->status, 422,
        'nobody listens to another\'s stream');

    is($eve->get("/streams/$private->{id}$_")->status, 404, "no private $_")
        for '', qw(/broadcasts /stats /keys /members /viewers);
    is($eve->put("/streams/$mine->{id}/members/" . $ann->id,
        { role => 'co-host' })->status, 200, 'her own co-host');
    is($ann->delete("/streams/$mine->{id}")->status, 403,
        'is not the owner');
    is($ann->put("/streams/$mine->{id}/members/" . $ann->id,
        { role => 'vip' })->status, 403, 'and gives herself no role');
    is($eve->patch("/streams/$hers->{id}", { title => 'x' })->status, 403,
        'a co-host of mine lends me nothing');
};

subtest 'who was suspended' => sub {
    my $mal = person($cp, 'mal');
    my $stream = stream($mal);
    my $publish = $mal->post("/streams/$stream->{id}/publish-token", {})
        ->json->{token};
    my $api = $mal->post('/auth/tokens', { name => 'x',
        scopes => ['streams:write'] })->json->{token};
    my $viewer = $mal->post("/streams/$stream->{id}/token", {})->json;

    is($root->post('/admin/users/' . $mal->id . '/suspend',
        { reason => 'x' })->status, 200, 'suspended');

    is(bearer($mal->token), 401, 'the access token');
    is($cp->request(POST => '/auth/refresh', json => {
        refresh_token => $mal->{refresh_token} })->status, 401,
        'the refresh token');
    is($cp->request(POST => '/streams', json => { title => 'x' },
        token => $api)->status, 401, 'the API token');
    is($node->publish($publish)->{status}, 403, 'the publish token');
    is($node->publish($stream->{key}{key})->{status}, 403, 'the key');
    $node->beat;
    ok($node->{revocations}{ 'sub ' . $mal->id }, 'what they watch');

    is($root->post('/admin/users/' . $mal->id . '/unsuspend')->status, 200,
        'and back');
    is(bearer($mal->token), 401, 'what was ended stays ended');
    is($cp->request(POST => '/streams', json => { title => 'x' },
        token => $api)->status, 401, 'the API token too');
};

subtest 'requests of nodes' => sub {
    my $target = '/internal/heartbeat';
    my $body = '{"node":{"id":"n9"}}';
    my $ask = sub {
        my ($header, %opt) = @_;
        return $cp->request($opt{method} // 'POST', $opt{target} // $target,
            root => 1, body => $body, headers => {
                (defined $header ? (Authorization => $header) : ()) })
            ->status;
    };
    my $sign = sub { Live::Token::node_header($cp->node_key, @_) };
    my $once = $sign->(POST => $target);

    isnt($ask->($once), 401, 'signed');
    is($ask->($once), 401, 'not twice');
    is($ask->(undef), 401, 'unsigned');
    is($ask->('Bearer ' . $root->token), 401, 'an admin is no node');
    is($ask->($sign->(POST => '/internal/publish')), 401, 'for another path');
    is($ask->($sign->(GET => $target)), 401, 'for another method');
    is($ask->($sign->(POST => $target, time => time - 3600)), 401, 'old');
    is($ask->($sign->(POST => $target, time => time + 3600)), 401,
        'of the future');
    is($ask->($sign->(POST => "$target?x=1")), 401, 'another query');
    is($ask->(Live::Token::node_header('0' x 64, POST => $target)), 401,
        'with another key');
    is($cp->request(POST => "/api$target", root => 1, body => $body,
        headers => { Authorization => $sign->(POST => "/api$target") })
        ->status, 404, 'they are not below /api');
};

subtest 'what is secret is kept by nobody on the way' => sub {
    my $stream = stream($ann);
    my $login = { login => 'ann', password => 'a long enough password' };
    my %answers = (
        login   => $cp->request(POST => '/auth/login', json => $login),
        stream  => $ann->post('/streams', { title => 'x' }),
        key     => $ann->post("/streams/$stream->{id}/keys", {}),
        publish => $ann->post("/streams/$stream->{id}/publish-token", {}),
        viewer  => $ann->post("/streams/$stream->{id}/token", {}),
        api     => $ann->post('/auth/tokens', { name => 'y',
            scopes => ['streams:read'] }),
        webhook => $ann->post('/webhooks', { url => 'https://example.org/',
            events => ['stream.live'] }),
        profile => $ann->get('/users/me/profile'),
        session => $ann->get('/auth/sessions'),
        private => $ann->get("/streams/$stream->{id}"),
    );
    $answers{refresh} = $cp->request(POST => '/auth/refresh', json => {
        refresh_token => $answers{login}->json->{refresh_token} });

    for my $what (sort keys %answers) {
        cmp_ok($answers{$what}->status, '<', 300, $what);
        is($answers{$what}->header('Cache-Control'), 'no-store',
            "$what: no-store");
    }
};

subtest 'what is echoed' => sub {
    my $res = $cp->request(GET => '/streams/live', headers => {
        'X-Request-Id' => 'a b"<script>', 'X-Forwarded-For' => "1'2" });

    unlike($res->header('X-Request-Id'), qr/[^0-9a-f]/,
        'a request id that is none is replaced');
    $res = $cp->request(GET => '/streams?' . 'x%0d%0aSet-Cookie:%20a=b=1');
    is($res->header('Set-Cookie'), undef, 'no header from a name');
    is($res->header('Content-Type'), 'application/problem+json', 'JSON');
    is($res->header('X-Content-Type-Options'), 'nosniff', 'and nothing else');

    $res = $cp->request(GET => '/streams/x%0d%0aX-Evil:1');
    is($res->header('X-Evil'), undef, 'nor from a path');
    is($res->status, 404, 'there is no such thing')
        or is($res->status, 422);
};

subtest 'many at the same moment' => sub {
    my $count = sub { my $want = pop; scalar grep { $_ == $want } @_ };

    my @got = $cp->parallel(8, sub {
        $_[0]->request(POST => '/auth/register', json => {
            username => 'twin', email => "twin$_[1]\@example.org",
            password => 'a long enough password' })->status });
    is($count->(@got, 201), 1, 'one gets the username');
    is($count->(@got, 409), 7, 'the others are told');

    @got = $cp->parallel(8, sub { $_[0]->request(POST => '/streams',
        token => $ann->token, json => { id => 'unique', title => 'x' })
        ->status });
    is($count->(@got, 201), 1, 'one makes the stream');

    my $watched = stream($ann);
    @got = $cp->parallel(12, sub { $_[0]->request(
        POST => "/streams/$watched->{id}/token", token => $eve->token,
        json => {})->status });
    is($count->(@got, 201), 5, 'five watch');
    is($count->(@got, 403), 7, 'and no more');

    my $rotated = stream($ann);
    @got = $cp->parallel(6, sub { $_[0]->request(
        POST => "/streams/$rotated->{id}/keys", token => $ann->token,
        json => { replaces => $rotated->{key}{id} })->status });
    is($count->(@got, 201), 1, 'a key is replaced once');

    my $keyed = stream($ann);
    $cp->sql("INSERT INTO stream_keys (stream_id, hash) SELECT"
        . " '$keyed->{id}', sha256(i::text::bytea) FROM"
        . " generate_series(1, 18) i");
    @got = $cp->parallel(6, sub { $_[0]->request(
        POST => "/streams/$keyed->{id}/keys", token => $ann->token,
        json => {})->status });
    is($count->(@got, 201), 1, 'the last key that there is room for');

    my $full = person($cp, 'full');
    my %made = (
        'a webhook' => [ "INSERT INTO webhooks (user_id, url, events, sealed)"
            . " SELECT %d, 'http://a/', '{stream.live}', 'x' FROM"
            . " generate_series(1, 19)", '/webhooks',
            { url => 'https://example.org/', events => ['stream.live'] } ],
        'an API token' => [ "INSERT INTO api_tokens (user_id, name, hash,"
            . " scopes) SELECT %d, 'x', sha256(('t' || i)::bytea), '{a}' FROM"
            . " generate_series(1, 49) i", '/auth/tokens',
            { name => 'x', scopes => ['streams:read'] } ],
        'a stream' => [ "INSERT INTO streams (id, user_id, title) SELECT"
            . " 'full' || i, %d, 'x' FROM generate_series(1, 999) i",
            '/streams', { title => 'x' } ],
    );

    for my $what (sort keys %made) {
        my ($sql, $path, $json) = @{ $made{$what} };
        $cp->sql(sprintf $sql, $full->id);
        @got = $cp->parallel(8, sub { $_[0]->request(POST => $path,
            token => $full->token, json => $json)->status });
        is($count->(@got, 201), 1, "$what more, and no more")
            or diag "@got";
    }
};

subtest 'a store of tokens' => sub {
    my $cat = person($cp, 'cat');
    my $stream = stream($ann);
    my $unused = "subject = '" . $cat->id . "' AND revoked_at IS NULL";

    for my $round (1 .. 5) {
        is($cat->post("/streams/$stream->{id}/token", {})->status, 201,
            'tokens, one after the other') for 1 .. 5;
        $cp->sql("UPDATE playback_sessions SET created_at = created_at"
            . " - interval '61 s' WHERE $unused");
    }

    is($cat->post("/streams/$stream->{id}/token", {})->status, 201, 'one');
    is($cp->sql("SELECT count(*) FROM playback_sessions WHERE $unused"), 6,
        'the newest ones are good, the others are not');
    is($cp->sql("SELECT count(*) FROM revocations r JOIN playback_sessions p"
        . " ON p.jti = r.value WHERE r.kind = 'jti' AND p.subject = '"
        . $cat->id . "'"), 20, 'which the nodes are told');

    # the newest one plays, and is not touched however old it is
    $cp->sql("UPDATE playback_sessions SET last_seen_at = now(), created_at ="
        . " created_at - interval '1 hour' WHERE jti = (SELECT jti FROM"
        . " playback_sessions WHERE $unused ORDER BY created_at DESC LIMIT 1)");
    $cat->post("/streams/$stream->{id}/token", {});
    is($cp->sql("SELECT count(*) FROM playback_sessions WHERE $unused AND"
        . " last_seen_at IS NOT NULL"), 1, 'who plays plays on');
};

subtest 'deleted while somebody begins to publish' => sub {
    for my $try (1 .. 5) {
        my $stream = stream($ann, id => "race$try");
        my @got = $cp->parallel(5, sub {
            my ($client, $i) = @_;
            return $client->request(DELETE => "/streams/race$try",
                token => $ann->token)->status if $i == 3;
            return $client->request(POST => '/internal/publish', node => 1,
                root => 1, json => { node => 'n1', protocol => 'rtmp',
                    credential => $stream->{key}{key} })->status;
        });

        is($got[2], 204, 'deleted');
        is((grep { $_ >= 500 } @got), 0, 'no errors') or diag "@got";
        is($cp->sql("SELECT count(*) FROM broadcasts WHERE stream_id ="
            . " 'race$try'"), 0, 'nothing is left of it');
        is($node->publish($stream->{key}{key})->{status}, 403,
            'and its key is worth nothing');
    }
};

subtest 'who may no longer publish is dropped' => sub {
    my $stream = stream($ann);
    my $path = "/streams/$stream->{id}/members/" . $eve->id;
    my $live = sub {
        my ($credential) = @_;
        my $answer = $node->publish($credential);
        is($answer->{status}, 200, 'publishes') or diag $answer->{text};
        $node->go_live($answer->{json});
        $node->beat;
        is($cp->sql("SELECT status FROM streams WHERE id ="
            . " '$stream->{id}'"), 'live', 'is live');
    };

    my %ways = (
        'banned'  => sub { $ann->put($path, { role => 'banned' }) },
        'demoted' => sub { $ann->put($path, { role => 'vip' }) },
        'removed' => sub { $ann->delete($path) },
        'left'    => sub { $eve->delete($path) },
    );

    for my $way (sort keys %ways) {
        $ann->put($path, { role => 'co-host' });
        $live->($eve->post("/streams/$stream->{id}/publish-token", {})
            ->json->{token});
        cmp_ok($ways{$way}->()->status, '<', 300, $way);
        is($cp->sql("SELECT status || ' ' || (SELECT ended_why FROM"
            . " broadcasts b WHERE b.stream_id = s.id ORDER BY id DESC"
            . " LIMIT 1) FROM streams s WHERE id = '$stream->{id}'"),
            'ended revoked', "$way: the broadcast ends");
        $node->beat;
        ok(!$node->{streams}{ $stream->{id} }, "$way: the node drops it");
    }

    $ann->put($path, { role => 'co-host' });
    $live->($stream->{key}{key});
    is($ann->put($path, { role => 'banned' })->status, 200,
        'banned while the owner publishes');
    is($cp->sql("SELECT status FROM streams WHERE id = '$stream->{id}'"),
        'live', 'who goes on');
};

subtest 'limits' => sub {
    my $tight = Live::Control->new(postgres => $cp->postgres, conf => {
        trusted_proxies => '127.0.0.1', rate_read => '5/3600',
        rate_write => '5/3600' })->start;
    my $ask = sub {
        my ($addr, $path, %opt) = @_;
        return $tight->request(GET => $path, headers => {
            'X-Forwarded-For' => $addr }, %opt)->status;
    };

    my @got = map { $ask->("2001:db8:1:2::$_", '/jwks.json') } 1 .. 8;
    is_deeply(\@got, [ (200) x 5, (429) x 3 ], 'a /64 is one address');
    is($ask->('2001:db8:1:3::1', '/jwks.json'), 200, 'the next is another');

    @got = map { $ask->('192.0.2.1', '/admin/audit', token => $eve->token) }
        1 .. 8;
    is_deeply(\@got, [ (403) x 5, (429) x 3 ],
        'who is refused all the time is limited, too');
    $tight->finish;
};

is($cp->request(GET => '/readyz', root => 1)->status, 200, 'all is well');
unlike($cp->log, qr/"ms":\d+\.\d{4}/,
    'milliseconds of the log have three places');
unlike($cp->log, qr/"level":"error"/, 'no errors')
    or diag join "\n", grep { /"error"/ } split /\n/, $cp->log;

$cp->finish;
done_testing;
