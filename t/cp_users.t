#!/usr/bin/perl

# Users as others see them: profile, followers, blocks, reports.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;

my $cp = Live::Control->new->start;

sub api {
    my ($method, $path, $body, $user, %headers) = @_;

    $headers{Authorization} = "Bearer $user->{access_token}" if $user;

    return $cp->request($method, $path, json => $body,
        headers => \%headers);
}

sub user {
    my ($name) = @_;

    my $res = api(POST => '/auth/register', { username => $name,
        email => "$name\@example.org", password => 'a long password' });
    is($res->status, 201, "$name is here") or diag $res->body;

    my $user = $res->json;
    $user->{id} = $user->{user}{id};

    return $user;
}

sub profile {
    my ($of, $by) = @_;

    my $res = api(GET => "/users/$of->{id}/profile", undef, $by);
    is($res->status, 200, 'a profile') or diag $res->body;

    return $res->json;
}

my ($ada, $bob, $eve) = map { user($_) } qw(ada bob eve);

subtest 'a profile' => sub {
    my $public = profile($ada);

    is($public->{username}, 'ada', 'the username');
    is($public->{followers}, 0, 'no followers');
    is_deeply($public->{live}, [], 'nothing is live');
    like($public->{created_at}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'since when');
    ok(!exists $public->{$_}, "nobody sees $_")
        for qw(email role suspended_at password_hash);
    is($public->{relation}, undef, 'no relation to nobody');

    my $other = profile($ada, $bob);
    ok(!exists $other->{email}, 'another user sees no address');
    is_deeply($other->{relation}, { following => JSON::PP::false,
        follows_you => JSON::PP::false, blocked => JSON::PP::false },
        'but how they stand');

    my $own = profile({ id => 'me' }, $ada);
    is($own->{email}, 'ada@example.org', 'oneself sees it');
    is($own->{role}, 'user', 'and the role');

    is(api(GET => "/users/$_/profile")->status, 404, "no user $_")
        for 999999;
    is(api(GET => '/users/me/profile')->status, 401, 'nobody is not me');
};

subtest 'changing it' => sub {
    my %new = (display_name => 'Ada L.', bio => "Engines.\nAnalytical.",
        avatar_url => 'https://example.org/a.png', language => 'en',
        links => ['https://example.org/']);

    my $res = api(PATCH => '/users/me', \%new, $ada);
    is($res->status, 200, 'changed') or diag $res->body;
    is_deeply($res->json->{$_}, $new{$_}, $_) for sort keys %new;

    my $etag = $res->header('ETag');
    is(api(GET => '/users/me/profile', undef, $ada)->header('ETag'), $etag,
        'its tag');

    $res = api(PATCH => '/users/me', { bio => undef }, $ada,
        'If-Match' => $etag);
    is($res->status, 200, 'with the tag of now') or diag $res->body;
    is($res->json->{bio}, undef, 'null takes something out');
    is($res->json->{display_name}, 'Ada L.', 'the rest stays');

    is(api(PATCH => '/users/me', { bio => 'lost' }, $ada,
        'If-Match' => $etag)->status, 412, 'with an old tag');
    is(profile($ada)->{bio}, undef, 'changes nothing');

    for my $bad ([ links => ['javascript:alert(1)'] ],
        [ links => [('https://example.org/') x 6] ], [ links => [1] ],
        [ avatar_url => 'javascript:alert(1)' ],
        [ avatar_url => 'https://user:secret@example.org/' ],
        [ display_name => '' ], [ display_name => 'x' x 65 ],
        [ bio => "a\x01b" ], [ bio => 'x' x 2001 ], [ language => 1 ])
    {
        is(api(PATCH => '/users/me', { @$bad }, $ada)->status, 422,
            "refused: $bad->[0]");
    }

    for my $field (qw(role email username suspended_at id version)) {
        my $res = api(PATCH => '/users/me', { $field => 'admin' }, $ada);
        ok($res->status == 400 || $res->status == 422,
            "$field is not changed here");
    }

    is(api(PATCH => '/users/me', { bio => 'x' })->status, 401, 'nor by nobody');
};

subtest 'following' => sub {
    my $counts = sub {
        api(GET => "/users/$_[0]{id}/followers")->json
    };

    is(api(POST => "/users/$ada->{id}/follow", undef, $bob)->status, 204,
        'bob follows ada');
    is(api(POST => "/users/$ada->{id}/follow", undef, $bob)->status, 204,
        'a second time is the same');
    is(api(POST => "/users/$ada->{id}/follow", undef, $eve)->status, 204,
        'so does eve');
    is_deeply($counts->($ada), { followers => 2, following => 0 },
        'ada has two');
    is_deeply($counts->($bob), { followers => 0, following => 1 },
        'bob follows one');
    ok(profile($ada, $bob)->{relation}{following}, 'bob sees that');
    ok(profile($bob, $ada)->{relation}{follows_you}, 'and ada');

    is(api(POST => "/users/$ada->{id}/follow", undef, $ada)->status, 422,
        'nobody follows themselves');
    is(api(POST => '/users/999999/follow', undef, $ada)->status, 404,
        'nor somebody who is not there');
    is(api(POST => "/users/$ada->{id}/follow")->status, 401,
        'nor without a login');

    is(api(DELETE => "/users/$ada->{id}/follow", undef, $eve)->status, 204,
        'eve stops');
    is(api(DELETE => "/users/$ada->{id}/follow", undef, $eve)->status, 204,
        'once is enough');
    is($counts->($ada)->{followers}, 1, 'one is left');

    my @got = $cp->parallel(10, sub {
        my ($c, $i) = @_;
        $c->request($i % 2 ? 'POST' : 'DELETE', "/users/$ada->{id}/follow",
            headers => { Authorization => "Bearer $eve->{access_token}" })
            ->status
    });
    is(scalar(grep { $_ == 204 } @got), 10, 'to and fro at once');
    is($counts->($ada)->{followers}, $cp->sql(
        "SELECT count(*) FROM follows WHERE user_id = $ada->{id}"),
        'the count is that of the rows');
};

subtest 'blocking' => sub {
    api(POST => "/users/$bob->{id}/follow", undef, $ada);
    api(POST => "/users/$ada->{id}/follow", undef, $bob);

    is(api(PUT => "/users/$bob->{id}/block", undef, $ada)->status, 204,
        'ada blocks bob');
    is(api(PUT => "/users/$bob->{id}/block", undef, $ada)->status, 204,
        'a second time is the same');
    ok(profile($bob, $ada)->{relation}{blocked}, 'she sees that');
    is_deeply(profile($ada, $bob)->{relation}, { following => JSON::PP::false,
        follows_you => JSON::PP::false, blocked => JSON::PP::false },
        'neither follows the other; bob is not told why');

    my $res = api(POST => "/users/$ada->{id}/follow", undef, $bob);
    is($res->status, 403, 'he cannot follow her');
    is($res->json->{type}, '/problems/blocked', 'blocked');
    is(api(POST => "/users/$bob->{id}/follow", undef, $ada)->status, 403,
        'nor she him, while it lasts');

    is(api(DELETE => "/users/$bob->{id}/block", undef, $ada)->status, 204,
        'until she takes it back');
    is(api(POST => "/users/$ada->{id}/follow", undef, $bob)->status, 204,
        'then he follows again');

    is(api(PUT => "/users/$ada->{id}/block", undef, $ada)->status, 422,
        'nobody blocks themselves');
    is(api(PUT => '/users/999999/block', undef, $ada)->status, 404,
        'nor somebody who is not there');
};

subtest 'who is blocked stops watching' => sub {
    my ($eyes, $later) = (user('eyes'), user('later'));
    my $watch = sub {
        my ($who, $stream) = @_;
        is(api(POST => "/streams/$stream/token", {}, $who)->status, 201,
            "watches $stream");
    };
    my $revoked = sub {
        my ($who, $stream) = @_;
        return $cp->sql("SELECT count(*) FROM revocations WHERE kind ="
            . " 'sub_stream' AND value = '$who->{id}' || chr(10) ||"
            . " '$stream'");
    };

    $cp->sql("INSERT INTO streams (id, user_id, title, visibility, status)"
        . " VALUES ('close', $ada->{id}, 't', 'followers', 'live')");
    $cp->sql("INSERT INTO nodes (id) VALUES ('n1')");
    $cp->sql("INSERT INTO broadcasts (id, stream_id, user_id, node_id)"
        . " VALUES (1, 'close', $ada->{id}, 'n1')");
    $cp->sql("INSERT INTO live_streams (stream_id, broadcast_id, node_id)"
        . " VALUES ('close', 1, 'n1')");
    $cp->sql("INSERT INTO streams (id, user_id, title) VALUES"
        . " ('open', $ada->{id}, 't')");

    for my $who ($eyes, $later) {
        api(POST => "/users/$ada->{id}/follow", undef, $who);
        $watch->($who, $_) for qw(close open);
    }

    is(api(PUT => "/users/$eyes->{id}/block", undef, $ada)->status, 204,
        'blocked');
    is($revoked->($eyes, $_), 1, "the token of $_ is revoked")
        for qw(close open);

    is(api(DELETE => "/users/$ada->{id}/follow", undef, $later)->status, 204,
        'one that does not follow any more');
    is($revoked->($later, 'close'), 1, 'watches nothing for followers');
    is($revoked->($later, 'open'), 0, 'but what is for everybody');
};

subtest 'reporting' => sub {
    my $report = sub {
        api(POST => "/users/$_[0]{id}/report", $_[2], $_[1])
    };

    my $res = $report->($eve, $ada, { reason => 'spam', text => "a\nb" });
    is($res->status, 201, 'reported') or diag $res->body;
    is($res->json->{status}, 'open', 'open');

    $res = $report->($eve, $ada, { reason => 'hate' });
    is($res->status, 409, 'once');
    is($res->json->{type}, '/problems/already-reported', 'is enough');
    is($report->($eve, $bob, { reason => 'hate' })->status, 201,
        'another reporter is heard');

    is($report->($ada, $ada, { reason => 'spam' })->status, 422,
        'nobody reports themselves');
    is($report->({ id => 999999 }, $ada, { reason => 'spam' })->status, 404,
        'nor somebody who is not there');
    is($report->($eve, $ada, { reason => 'boring' })->status, 422,
        'for a reason there is');
    is($report->($eve, $ada, {})->status, 422, 'and one must be given');
    is($report->($eve, undef, { reason => 'spam' })->status, 401,
        'by somebody');
};

subtest 'suspended users are not shown' => sub {
    $cp->sql("UPDATE users SET suspended_at = now() WHERE id = $eve->{id}");

    is(api(GET => "/users/$eve->{id}/profile", undef, $ada)->status, 404,
        'the profile');
    is(api(GET => "/users/$eve->{id}/followers", undef, $ada)->status, 404,
        'the followers');
    is(api(POST => "/users/$eve->{id}/follow", undef, $ada)->status, 404,
        'nobody follows them');

    my $res = api(GET => '/users/me/profile', undef, $eve);
    is($res->status, 403, 'and they are told');
    is($res->json->{type}, '/problems/suspended', 'why');
};

$cp->finish;
done_testing;
