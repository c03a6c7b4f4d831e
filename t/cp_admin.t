#!/usr/bin/perl

# For the platform's staff: users, suspension, roles, reports, the audit log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;

my $cp = Live::Control->new->start;

sub api {
    my ($method, $path, $body, $user, %headers) = @_;

    $headers{Authorization} = 'Bearer '
        . (ref $user ? $user->{access_token} : $user) if $user;

    return $cp->request($method, $path, json => $body,
        headers => \%headers);
}

sub user {
    my ($name, $role) = @_;

    my $res = api(POST => '/auth/register', { username => $name,
        email => "$name\@example.org", password => 'a long password' });
    is($res->status, 201, "$name is here") or diag $res->body;

    my $user = $res->json;
    $user->{id} = $user->{user}{id};
    $cp->sql("UPDATE users SET role = '$role' WHERE id = $user->{id}")
        if $role;

    return $user;
}

# The last line of the audit log about an object, as its columns.
sub audited {
    my ($object, $id) = @_;

    return $cp->sql("SELECT action || ' by ' || actor_id || ' '"
        . " || coalesce(details::text, '') FROM audit_log WHERE object ="
        . " '$object' AND object_id = '$id' ORDER BY id DESC LIMIT 1");
}

sub works { return api(GET => '/users/me/profile', undef, $_[0])->status }

my $admin = user('chief', 'admin');
my $second = user('deputy', 'admin');
my $mod = user('guard', 'moderator');
my ($ada, $bob) = map { user($_) } qw(ada bob);

subtest 'a role holds from the next request on' => sub {
    is(api(GET => '/admin/users', undef, $ada)->status, 403, 'not for users');

    my $res = api(PATCH => "/admin/users/$ada->{id}",
        { role => 'moderator' }, $admin);
    is($res->status, 200, 'made a moderator') or diag $res->body;
    is($res->json->{role}, 'moderator', 'says the answer');
    is(audited(user => $ada->{id}), "admin.user.change by $admin->{id} "
        . '{"from": "user", "role": "moderator"}', 'in the audit log');
    is(api(GET => '/admin/users', undef, $ada)->status, 200,
        'with the same access token');

    my $etag = $res->header('ETag');
    is(api(PATCH => "/admin/users/$ada->{id}", { role => 'user' }, $admin,
        'If-Match' => $etag)->status, 200, 'and back');
    is(api(GET => '/admin/users', undef, $ada)->status, 403, 'at once');
    is(api(PATCH => "/admin/users/$ada->{id}", { role => 'admin' }, $admin,
        'If-Match' => $etag)->status, 412, 'not on top of a change unseen');

    is(api(PATCH => "/admin/users/$ada->{id}", { role => 'admin' }, $mod)
        ->status, 403, 'moderators give no roles');
    is(api(PATCH => "/admin/users/$admin->{id}", { role => 'user' }, $admin)
        ->status, 403, 'nobody changes their own');
    is(api(PATCH => '/admin/users/999999', { role => 'user' }, $admin)
        ->status, 404, 'nor that of nobody');
    is(api(PATCH => "/admin/users/$ada->{id}", { role => 'king' }, $admin)
        ->status, 422, 'nor to another one');
};

subtest 'finding users' => sub {
    my $names = sub {
        my $res = api(GET => "/admin/users?$_[0]", undef, $_[1] // $admin);
        is($res->status, 200, $_[0]) or diag $res->body;
        return join ' ', map { $_->{username} } @{ $res->json->{items} };
    };

    is($names->(''), 'bob ada guard deputy chief', 'the newest first');
    is($names->('role=admin'), 'deputy chief', 'by role');
    is($names->('q=AD'), 'ada', 'by a part of the name');
    is($names->('q=bob%40example'), 'bob', 'admins by e-mail too');
    is($names->('q=bob%40example', $mod), '', 'moderators do not');
    is($names->('q=%25%25'), '', 'a percent sign is one');
    is($names->('q=a__'), '', 'an underscore too');

    is(api(GET => "/admin/users/$ada->{id}", undef, $admin)->json->{email},
        'ada@example.org', 'admins see the address');
    is(api(GET => "/admin/users/$ada->{id}", undef, $mod)->json->{email},
        undef, 'moderators do not');

    my ($cursor, @seen) = ('');
    do {
        my $page = api(GET => "/admin/users?limit=2$cursor", undef, $mod)
            ->json;
        push @seen, map { $_->{username} } @{ $page->{items} };
        $cursor = $page->{next} ? "&cursor=$page->{next}" : undef;
    } while ($cursor);
    is("@seen", 'bob ada guard deputy chief', 'page by page');

    is(api(GET => '/admin/users?cursor=WyJ4Il0', undef, $mod)->status, 422,
        'a made-up cursor');
};

subtest 'verifying an e-mail address' => sub {
    is(api(PATCH => "/admin/users/$bob->{id}", {
        email_verified => JSON::PP::true }, $admin)->json->{email_verified},
        JSON::PP::true, 'verified');
    is(api(POST => '/auth/login', { login => 'bob@example.org',
        password => 'a long password' })->status, 200, 'then it logs in');

    my $thief = user('thief');
    $cp->sql("UPDATE users SET email = 'Bob\@example.org' WHERE id ="
        . " $thief->{id}");
    is(api(PATCH => "/admin/users/$thief->{id}", {
        email_verified => JSON::PP::true }, $admin)->status, 409,
        'one address is one account\'s');
};

subtest 'suspending' => sub {
    my $eve = user('eve');
    my $path = "/admin/users/$eve->{id}";
    my $api = api(POST => '/auth/tokens', { name => 'x',
        scopes => ['profile:read'] }, $eve)->json->{token};

    my $stream = api(POST => '/streams', { title => 'live' }, $eve);
    is($stream->status, 201, 'a stream') or diag $stream->body;
    my $id = $stream->json->{id};
    $cp->sql("INSERT INTO nodes (id) VALUES ('n1')");
    $cp->sql("INSERT INTO broadcasts (id, stream_id, user_id, node_id,"
        . " started_at) VALUES (1, '$id', $eve->{id}, 'n1', now())");
    $cp->sql("UPDATE streams SET status = 'live' WHERE id = '$id'");
    $cp->sql("INSERT INTO live_streams (stream_id, broadcast_id, node_id)"
        . " VALUES ('$id', 1, 'n1')");

    is(api(POST => "$path/suspend", {}, $mod)->status, 422,
        'not without a reason');

    my $res = api(POST => "$path/suspend", { reason => 'spam' }, $mod);
    is($res->status, 200, 'suspended') or diag $res->body;
    is($res->json->{suspended_reason}, 'spam', 'why');
    is($res->json->{suspended_by}, $mod->{id}, 'by whom');
    is(audited(user => $eve->{id}), "admin.user.suspend by $mod->{id} "
        . '{"reason": "spam"}', 'in the audit log');

    is(works($eve), 401, 'the session has ended');
    is(works($api), 401, 'and the API token');
    is(api(POST => '/auth/refresh', { refresh_token => $eve->{refresh_token} })
        ->status, 401, 'and the refresh token');
    is(api(POST => '/auth/login', { login => 'eve',
        password => 'a long password' })->json->{type}, '/problems/suspended',
        'who logs in is told');
    is(api(POST => '/auth/login', { login => 'eve',
        password => 'another password' })->json->{type},
        '/problems/login-failed', 'but only with the password');

    is($cp->sql("SELECT count(*) FROM live_streams"), 0,
        'the stream is not live any more');
    is($cp->sql("SELECT type || ' ' || stream_id FROM node_commands"),
        "kick $id", 'its node is told to drop it');
    is($cp->sql("SELECT count(*) FROM revocations WHERE kind = 'sub'"
        . " AND value = '$eve->{id}'"), 1, 'viewer tokens are revoked');

    is(api(POST => "$path/suspend", { reason => 'again' }, $mod)->status,
        409, 'once');
    is(api(GET => '/admin/users?suspended=true', undef, $mod)->json
        ->{items}[0]{username}, 'eve', 'the list of the suspended');

    $res = api(POST => "$path/unsuspend", undef, $mod);
    is($res->status, 200, 'the suspension is over') or diag $res->body;
    is($res->json->{suspended_at}, undef, 'says the answer');
    is(works($eve), 401, 'what she held stays dead');
    is(works($api), 401, 'all of it');
    is(api(POST => '/auth/login', { login => 'eve',
        password => 'a long password' })->status, 200, 'she logs in again');
    is(api(POST => "$path/unsuspend", undef, $mod)->status, 409, 'once');
};

subtest 'whom moderators do not suspend' => sub {
    for my $who ($admin, $second, $mod) {
        is(api(POST => "/admin/users/$who->{id}/suspend",
            { reason => 'coup' }, $mod)->status, 403,
            $who->{user}{username});
    }

    is(api(POST => "/admin/users/$admin->{id}/suspend", { reason => 'x' },
        $admin)->status, 403, 'nor an admin themselves');
    is(api(POST => "/admin/users/$second->{id}/suspend", { reason => 'x' },
        $admin)->status, 200, 'an admin another one');
    is(works($second), 401, 'who is out');
    is(api(POST => "/admin/users/$second->{id}/unsuspend", undef, $mod)
        ->status, 403, 'and is not let in by a moderator');
};

subtest 'reports' => sub {
    my $made = api(POST => "/users/$bob->{id}/report",
        { reason => 'hate', text => 'see there' }, $ada);
    is($made->status, 201, 'a report') or diag $made->body;
    my $id = $made->json->{id};

    my $list = api(GET => '/admin/reports?status=open', undef, $mod)->json;
    is($list->{items}[0]{id}, $id, 'is on the list');
    is($list->{items}[0]{user}, $bob->{id}, 'of whom');
    is($list->{items}[0]{reporter}, $ada->{id}, 'by whom');
    is(scalar @{ api(GET => "/admin/reports?user=$ada->{id}", undef, $mod)
        ->json->{items} }, 0, 'not of another user');

    my $res = api(PATCH => "/admin/reports/$id",
        { status => 'resolved', resolution => 'warned' }, $mod);
    is($res->status, 200, 'handled') or diag $res->body;
    is($res->json->{handled_by}, $mod->{id}, 'by whom');
    is(audited(report => $id), "admin.report.change by $mod->{id} "
        . '{"from": "open", "status": "resolved"}', 'in the audit log');

    is(api(POST => "/users/$bob->{id}/report", { reason => 'hate' }, $ada)
        ->status, 201, 'then it can be reported again');
    is(api(PATCH => "/admin/reports/$id", { status => 'open' }, $mod)->status,
        409, 'two open ones of the same there are not');
    is(api(PATCH => '/admin/reports/999999', { status => 'open' }, $mod)
        ->status, 404, 'no such report');
};

subtest 'the audit log' => sub {
    my $actions = sub {
        my $res = api(GET => "/admin/audit?$_[0]", undef, $mod);
        is($res->status, 200, $_[0]) or diag $res->body;
        return map { $_->{action} } @{ $res->json->{items} };
    };

    is(join(' ', ($actions->('object=user&object_id=' . $second->{id}))[0]),
        'admin.user.suspend', 'by object');
    is(scalar(grep { $_ ne 'admin.user.change' }
        $actions->('action=admin.user.change')), 0, 'by action');
    ok(scalar($actions->("actor=$admin->{id}")) > 1, 'by actor');
    is(scalar($actions->('from=2099-01-01T00:00:00Z')), 0, 'by time');
    ok(scalar($actions->('to=2099-01-01T00:00:00Z')) > 5, 'until a time');

    is(scalar($actions->("object=user&object_id=$second->{id}"
        . "&actor=$mod->{id}")), 0, 'by all of it');
    is(api(GET => '/admin/audit?object_id=1', undef, $mod)->status, 422,
        'the id of what?');

    my $page = api(GET => '/admin/audit?limit=3', undef, $mod)->json;
    my $next = api(GET => "/admin/audit?limit=3&cursor=$page->{next}", undef,
        $mod)->json;
    cmp_ok($next->{items}[0]{id}, '<', $page->{items}[2]{id}, 'page by page');

    my $line = api(GET => "/admin/audit?actor=$mod->{id}&limit=1", undef,
        $mod)->json->{items}[0];
    is($line->{actor_role}, 'moderator', 'the role of then');
    like($line->{addr}, qr/^127\./, 'the address');
    ok($line->{request_id}, 'the request');

    # every write of this test by staff stands in it
    my $writes = $cp->sql("SELECT count(*) FROM audit_log WHERE action LIKE"
        . " 'admin.%'");
    is($writes, 7, 'each write once, what was refused not at all');
};

$cp->finish;
done_testing;
