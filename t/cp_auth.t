#!/usr/bin/perl

# Accounts: registering, logging in, sessions, refresh tokens, lock-out,
# passwords, API tokens; and what strangers must not learn.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;

my $PASSWORD = 'correct horse battery';

my $cp = Live::Control->new(conf => {
    trusted_proxies => '127.0.0.1/32',
})->start;

my $n = 0;

# Everybody asks from an address of their own, unless they say otherwise.
sub api {
    my ($method, $path, $body, %opt) = @_;
    my %headers;

    $headers{Authorization} = "Bearer $opt{token}" if defined $opt{token};
    $headers{'X-Forwarded-For'} = $opt{addr} // '203.0.113.1';

    return $cp->request($method, $path, json => $body, headers => \%headers);
}

sub is_problem {
    my ($res, $status, $type, $name) = @_;

    is($res->status, $status, $name) or diag $res->body;
    is(eval { $res->json->{type} }, "/problems/$type", "$name: $type");
    is($res->header('Content-Type'), 'application/problem+json',
        "$name: a problem document");
}

# User and system time of a process, in hundredths of a second.
sub cpu_ticks {
    my ($pid) = @_;

    open my $fh, '<', "/proc/$pid/stat" or die "no process $pid\n";
    my ($rest) = <$fh> =~ /^.*\) (.*)$/;
    my @fields = split ' ', $rest;

    return $fields[11] + $fields[12];
}

sub register {
    my (%opt) = @_;
    my $name = $opt{username} // 'user' . ++$n;

    my $res = api(POST => '/auth/register', {
        username => $name, email => $opt{email} // "$name\@example.org",
        password => $PASSWORD }, %opt);

    is($res->status, 201, "$name is registered") or diag $res->body;

    return $res->json;
}

sub login {
    my ($name, $password, %opt) = @_;

    return api(POST => '/auth/login',
        { login => $name, password => $password // $PASSWORD }, %opt);
}

subtest 'registering' => sub {
    my $ada = register(username => 'Ada');

    like($ada->{user}{id}, qr/^\d+$/, 'an id, as text');
    is($ada->{user}{role}, 'user', 'the role of everybody');
    like($ada->{refresh_token}, qr/^lvrt_[\w-]{43}$/, 'a refresh token');

    my $me = api(GET => '/users/me/profile', undef,
        token => $ada->{access_token});
    is($me->json->{username}, 'Ada', 'the access token is good');
    is($me->json->{email}, 'Ada@example.org', 'the address is kept');
    ok(!$me->json->{email_verified}, 'and not verified');

    my %new = (username => 'ADA', email => 'x@example.org',
        password => $PASSWORD);

    is_problem(api(POST => '/auth/register', \%new), 409, 'username-taken',
        'the same username in other letters');

    # a taken e-mail address looks like any other
    register(username => 'eve', email => 'ada@example.org');

    for my $bad (
        [ password => 'too short', 'a short password' ],
        [ password => 'x' x 257, 'a password without end' ],
        [ password => 'aaaaaaaaaaaa', 'one repeated character' ],
        [ password => 'bobby.long.name', 'the username as password' ],
        [ username => 'a', 'a username of one letter' ],
        [ username => 'a b', 'a blank in the username' ],
        [ email => 'nowhere', 'no e-mail address' ])
    {
        my ($field, $value, $name) = @$bad;
        my $res = api(POST => '/auth/register', {
            username => 'bobby.long.name', email => 'bob@example.org',
            password => $PASSWORD, $field => $value });

        is($res->status, 422, $name) or diag $res->body;
        is($res->json->{errors}[0]{field}, $field, "$name: the field is named");
        unlike($res->body, qr/too short|x{20}|a{10}/, "$name: not echoed");
    }

    my $hash = $cp->sql("SELECT password_hash FROM users"
        . " WHERE username = 'Ada'");
    like($hash, qr/^\$argon2id\$/, 'argon2id in the database');
};

subtest 'logging in' => sub {
    my $user = register();
    my $name = $user->{user}{username};

    my $ok = login($name);
    is($ok->status, 200, 'with the password');
    is($ok->header('Cache-Control'), 'no-store', 'nothing for caches');
    is($ok->json->{user}{id}, $user->{user}{id}, 'the same user');
    is(login(uc $name)->status, 200, 'in other letters');

    my $wrong = login($name, 'wrong password');
    my $nobody = login('nobody-at-all', 'wrong password');
    is_problem($wrong, 401, 'login-failed', 'a wrong password');
    is($nobody->body =~ s/"request_id":"[^"]*"//r,
        $wrong->body =~ s/"request_id":"[^"]*"//r,
        'an unknown user: the same words');

    is_problem(login("$name\@example.org"), 401, 'login-failed',
        'an e-mail address that was not verified is nobody\'s');
    $cp->sql("UPDATE users SET email_verified_at = now() WHERE username ="
        . " '$name'");
    is(login("$name\@example.org")->status, 200, 'a verified one works');

    # a stale token does not keep anybody from logging in
    is(login($name, undef, token => 'stale')->status, 200,
        'with a stale token in the header');

    # who types another spelling does not get around the counter (the Kelvin
    # sign is a k in lower case)
    $cp->sql("UPDATE users SET username = 'kk-$name' WHERE username ="
        . " '$name'");
    is(login("\x{212a}K-$name", 'wrong', addr => "198.51.100.$_")->status,
        401, "a guess, spelled otherwise") for 1 .. 3;
    is(login("kk-$name", 'wrong', addr => "198.51.100.$_")->status, 401,
        'a guess') for 4 .. 5;
    is(login("K\x{212a}-$name", 'wrong', addr => '198.51.100.9')->status, 429,
        'all spellings of a name have one counter');
};

subtest 'no telling by time' => sub {

    # not by the clock, which other programs disturb: by the processor time
    # that the daemon takes, with a password hash that dwarfs all the rest
    my $slow = Live::Control->new(postgres => $cp->postgres, conf => {
        argon2_ops => 8, argon2_mem => 33554432 })->start;
    my %ticks = (known => 0, unknown => 0, early => 0);

    my $res = $slow->request(POST => '/auth/register', json => {
        username => 'timed', email => 't@example.org',
        password => $PASSWORD });
    is($res->status, 201, 'a user') or diag $res->body;

    # of a time when hashes cost an eighth
    my $older = Live::Control->new(postgres => $cp->postgres, conf => {
        argon2_ops => 1, argon2_mem => 33554432 })->start;
    is($older->request(POST => '/auth/register', json => { username => 'early',
        email => 'e@example.org', password => $PASSWORD })->status, 201,
        'an older one');
    $older->finish;

    for my $try (1 .. 4) {
        for my $who (qw(known unknown early)) {
            my $before = cpu_ticks($slow->pid);

            $res = $slow->request(POST => '/auth/login', json => {
                login => $who eq 'known' ? 'timed'
                    : $who eq 'early' ? 'early' : "nobody$try",
                password => 'wrong password' });
            is($res->status, 401, "$who is refused");
            $ticks{$who} += cpu_ticks($slow->pid) - $before;
        }
    }

    cmp_ok($ticks{known}, '>', 8, 'a known user costs a hash')
        or diag explain \%ticks;
    cmp_ok($ticks{unknown}, '>', $ticks{known} / 2, 'so does an unknown one')
        or diag explain \%ticks;
    cmp_ok($ticks{early}, '>', $ticks{known} / 2,
        'so does one with a cheaper hash') or diag explain \%ticks;
    $slow->finish;
};

subtest 'lock-out by account' => sub {
    my $user = register(addr => '203.0.113.7');
    my $name = $user->{user}{username};

    is(login($name, 'wrong', addr => "198.51.101.$_")->status, 401,
        "wrong password $_, each from another address") for 1 .. 5;

    my $res = login($name, undef, addr => '198.51.101.6');
    is_problem($res, 429, 'too-many-attempts', 'then not even the right one');
    cmp_ok($res->header('Retry-After'), '<=', 30, 'for 30 seconds');
    cmp_ok($res->header('Retry-After'), '>', 20, 'or somewhat less');

    is(login($name, undef, addr => '203.0.113.7')->status, 200,
        'the owner gets in from where they were before');

    is(login("$name-is-nobody", 'wrong', addr => "198.51.101.$_")->status,
        401, 'an unknown account') for 11 .. 15;
    is(login("$name-is-nobody", 'wrong', addr => '198.51.101.16')->status,
        429, 'is locked like one that exists');

    $cp->sql("UPDATE login_failures SET locked_until = now()"
        . " WHERE locked_until > now()");
    is(login($name, 'wrong', addr => '198.51.101.7')->status, 401,
        'after the wait there is another try');
    cmp_ok(login($name, undef, addr => '198.51.101.8')->header('Retry-After'),
        '>', 50, 'and then twice the wait');

    is(login($name, 'wrong', addr => '203.0.113.7')->status, 401,
        'guessing from a known address') for 1 .. 5;
    is(login($name, undef, addr => '203.0.113.7')->status, 429,
        'is bounded as well');
};

subtest 'lock-out by address' => sub {
    my $user = register();
    my $name = $user->{user}{username};

    login("guess$_", 'wrong', addr => "2001:db8:7::$_") for 1 .. 20;
    is(login($name, undef, addr => '2001:db8:7::ffff')->status, 429,
        'twenty accounts from one /64');
    is(login($name, undef, addr => '2001:db8:8::1')->status, 200,
        'the next /64 is another');

    # who has an account of their own does not win back guesses with it
    my $own = register(addr => '203.0.113.77');

    for my $i (1 .. 19) {
        login("other$i", 'wrong', addr => '203.0.113.77');
        login($own->{user}{username}, undef, addr => '203.0.113.77')
            if $i % 4 == 0;
    }

    is(login('other20', 'wrong', addr => '203.0.113.77')->status, 401,
        'the twentieth is still heard');
    is(login($own->{user}{username}, undef, addr => '203.0.113.77')->status,
        429, 'right passwords in between change nothing');
};

subtest 'many guesses at once' => sub {
    my $user = register();
    my $name = $user->{user}{username};
    my @got = $cp->parallel(40, sub {
        my ($c, $i) = @_;
        return $c->request(POST => '/auth/login',
            json => { login => $name, password => "guess $i" },
            headers => { 'X-Forwarded-For' => "198.51.102.$i" })->status;
    });

    is(scalar(grep { $_ == 401 } @got), 5, 'five of forty were looked at');
    is(scalar(grep { $_ == 429 } @got), 35, 'the others were not');
};

subtest 'several daemons are one' => sub {
    my $second = Live::Control->new(postgres => $cp->postgres,
        conf => { trusted_proxies => '127.0.0.1/32' })->start;
    my $user = register();
    my $name = $user->{user}{username};
    my $there = sub {
        my ($method, $path, $json, $addr) = @_;
        $second->request($method, $path, json => $json,
            token => $user->{access_token}, headers => {
                'X-Forwarded-For' => $addr // '203.0.113.1' })->status
    };

    is($there->(GET => '/users/me/profile'), 200,
        'a session of one is good at the other');

    login($name, 'wrong', addr => "198.51.103.$_") for 1 .. 3;
    $there->(POST => '/auth/login', { login => $name, password => 'wrong' },
        "198.51.103.$_") for 4 .. 5;
    is(login($name, undef, addr => '198.51.103.6')->status, 429,
        'they count failures together');
    is($there->(POST => '/auth/login', { login => $name,
        password => $PASSWORD }, '198.51.103.7'), 429, 'at both');

    api(POST => '/auth/logout', {}, token => $user->{access_token});
    is($there->(GET => '/users/me/profile'), 401,
        'a logout at one holds at the other at once');

    my @got = $cp->parallel(6, sub {
        my ($client, $i) = @_;
        $client = $second->client if $i % 2;
        $client->request(POST => '/auth/register', json => {
            username => $i % 3 ? 'twin' : 'TWIN',
            email => "twin$i\@example.org", password => $PASSWORD })->status
    });
    is("@{[ sort @got ]}", '201 409 409 409 409 409',
        'of six who want one name one gets it');
    $second->finish;
};

subtest 'refresh tokens' => sub {
    my $one = register();
    my $refresh = sub {
        api(POST => '/auth/refresh', { refresh_token => $_[0] })
    };

    my $two = $refresh->($one->{refresh_token});
    is($two->status, 200, 'new tokens') or diag $two->body;
    isnt($two->json->{refresh_token}, $one->{refresh_token}, 'another one');

    my $three = $refresh->($two->json->{refresh_token});
    is($three->status, 200, 'and so on');

    my $token = $three->json->{access_token};
    is(api(GET => '/auth/tokens', undef, token => $token)->status, 200,
        'the newest access token works');
    is(api(GET => '/auth/tokens', undef, token => $one->{access_token})
        ->status, 200, 'the first one is as good until it expires');

    is_problem($refresh->($one->{refresh_token}), 401, 'invalid-token',
        'a used refresh token');
    is_problem($refresh->($three->json->{refresh_token}), 401,
        'invalid-token', 'has ended the whole session');
    is(api(GET => '/auth/tokens', undef, token => $token)->status, 401,
        'its access tokens too');
    is($cp->sql("SELECT count(*) FROM audit_log WHERE action ="
        . " 'session.reuse' AND actor_id = $one->{user}{id}"), 1,
        'and stands in the audit log, once');

    is_problem($refresh->('lvrt_' . 'A' x 43), 401, 'invalid-token',
        'a made-up token');

    my $other = register();
    my @got = $cp->parallel(8, sub {
        $_[0]->request(POST => '/auth/refresh',
            json => { refresh_token => $other->{refresh_token} })->status;
    });
    is(scalar(grep { $_ == 200 } @got), 2,
        'of eight at once one is first, another could be its repetition');
    is($cp->sql("SELECT count(*) FROM sessions WHERE user_id ="
        . " $other->{user}{id} AND revoked_at IS NULL"), 0,
        'and the third has ended the session');

    my $old = register();
    $cp->sql("UPDATE sessions SET expires_at = now() WHERE user_id ="
        . " $old->{user}{id}");
    is($refresh->($old->{refresh_token})->status, 401, 'an expired session');

    is($cp->sql("SELECT count(*) FROM session_tokens WHERE"
        . " octet_length(hash) <> 32"), 0, 'only hashes are stored');
};

subtest 'logging out' => sub {
    my $user = register();
    my $name = $user->{user}{username};
    my ($a, $b, $c) = map { login($name)->json } 1 .. 3;
    my $works = sub {
        api(GET => '/auth/tokens', undef, token => $_[0]{access_token})
            ->status == 200 ? 1 : 0
    };

    is(api(POST => '/auth/logout', {}, token => $a->{access_token})->status,
        204, 'out');
    is($works->($a), 0, 'this access token is dead at once');
    is(api(POST => '/auth/refresh',
        { refresh_token => $a->{refresh_token} })->status, 401,
        'and the refresh token');
    is($works->($b), 1, 'other sessions go on');

    is(api(POST => '/auth/logout', { all => JSON::PP::true },
        token => $b->{access_token})->status, 204, 'out everywhere');
    is($works->($_), 0, 'no session is left') for $b, $c, $user;
};

subtest 'the number of sessions' => sub {
    my $user = register();
    my $id = $user->{user}{id};

    login($user->{user}{username}) for 1 .. 51;
    is($cp->sql("SELECT count(*) FROM sessions WHERE user_id = $id"
        . " AND revoked_at IS NULL"), 50, 'fifty at most');
    is(api(GET => '/auth/tokens', undef, token => $user->{access_token})
        ->status, 401, 'the oldest went');
};

subtest 'another password' => sub {
    my $user = register();
    my $name = $user->{user}{username};
    my $here = login($name)->json->{access_token};
    my $there = login($name)->json->{access_token};
    my $api = api(POST => '/auth/tokens', { name => 'x',
        scopes => ['profile:read'] }, token => $here)->json->{token};
    my $change = sub {
        api(POST => '/auth/password', { current_password => $_[0],
            new_password => $_[1] }, token => $here)
    };

    is_problem($change->('wrong password', 'another password'), 403,
        'wrong-password', 'not without the old one');
    is($change->($PASSWORD, 'short')->status, 422, 'not a short one');
    is($change->($PASSWORD, $name . $name)->status, 204, 'changed');
    is(login($name)->status, 401, 'the old password is dead');
    is(login($name, $name . $name)->status, 200, 'the new one works');
    is(api(GET => '/auth/tokens', undef, token => $here)->status, 200,
        'this session goes on');
    is(api(GET => '/auth/tokens', undef, token => $there)->status, 401,
        'others have ended');
    is(api(GET => '/users/me/profile', undef, token => $api)->status, 200,
        'API tokens go on');

    is($change->('wrong password', 'another password')->status, 403,
        "wrong again, $_") for 1 .. 5;
    is($change->($name . $name, 'another password')->status, 429,
        'nobody guesses on with a stolen access token');
};

subtest 'a hash of other costs is renewed' => sub {
    my $user = register();
    my $name = $user->{user}{username};
    my $hash = sub {
        $cp->sql("SELECT password_hash FROM users WHERE username = '$name'")
    };
    my $before = $hash->();

    like($before, qr/\$m=8,t=1,/, 'made with the costs of now');
    is(login($name)->status, 200, 'a login');
    is($hash->(), $before, 'leaves it');

    my $other = Live::Control->new(postgres => $cp->postgres,
        conf => { argon2_ops => 2, argon2_mem => 16384 })->start;
    is($other->request(POST => '/auth/login',
        json => { login => $name, password => $PASSWORD })->status, 200,
        'a login where the costs are higher');
    like($hash->(), qr/\$m=16,t=2,/, 'made it anew');
    $other->finish;
    is(login($name)->status, 200, 'it is good everywhere');
};

subtest 'API tokens' => sub {
    my $user = register();
    my $me = $user->{access_token};
    my $make = sub { api(POST => '/auth/tokens', { name => 'script', @_ },
        token => $me) };

    my $res = $make->(scopes => ['profile:read']);
    is($res->status, 201, 'made') or diag $res->body;

    my $token = $res->json->{token};
    my $id = $res->json->{id};
    like($token, qr/^lvat_[\w-]{43}$/, 'its form');

    my $list = api(GET => '/auth/tokens', undef, token => $me);
    is($list->json->{items}[0]{id}, $id, 'listed');
    unlike($list->body, qr/lvat_/, 'without the token');

    is(api(GET => '/users/me/profile', undef, token => $token)->json
        ->{username}, $user->{user}{username}, 'it is its user');
    isnt(api(GET => '/auth/tokens', undef, token => $me)->json
        ->{items}[0]{last_used_at}, undef, 'its use is noted');

    is_problem(api(PATCH => '/users/me', { bio => 'x' }, token => $token),
        403, 'scope', 'it does what its scopes say');
    is_problem(api(GET => '/auth/tokens', undef, token => $token), 403,
        'login-only', 'it sees no tokens');
    is_problem(api(POST => '/auth/password', { current_password => $PASSWORD,
        new_password => 'another password' }, token => $token), 403,
        'login-only', 'and changes no password');

    for my $bad ([ scopes => [] ], [ scopes => ['everything'] ],
        [ scopes => ['profile:read profile:write'] ],
        [ scopes => ['profile:read'], expires_at => '2020-01-01T00:00:00Z' ])
    {
        is($make->(@$bad)->status, 422, "refused: @$bad");
    }

    my $short = $make->(scopes => ['profile:read'],
        expires_at => '2099-01-01T00:00:00Z')->json;
    $cp->sql("UPDATE api_tokens SET expires_at = now() WHERE id ="
        . " $short->{id}");
    is(api(GET => '/users/me/profile', undef, token => $short->{token})
        ->status, 401, 'an expired one');

    my $eve = register();
    is(api(DELETE => "/auth/tokens/$id", undef,
        token => $eve->{access_token})->status, 404, 'another\'s: not there');
    is(api(DELETE => "/auth/tokens/$id", undef, token => $me)->status, 204,
        'ended');
    is(api(GET => '/users/me/profile', undef, token => $token)->status, 401,
        'is dead at once');
    is(api(DELETE => "/auth/tokens/$id", undef, token => $me)->status, 404,
        'it ends once');

    $cp->sql("INSERT INTO api_tokens (user_id, name, hash, scopes) SELECT"
        . " $user->{user}{id}, 'n', sha256(i::text::bytea), '{x}'"
        . ' FROM generate_series(1, 50) i');
    is_problem($make->(scopes => ['profile:read']), 409, 'too-many',
        'fifty at most');
};

subtest 'tokens that are none' => sub {
    my $user = register();
    my ($head, $claims, $sig) = split /\./, $user->{access_token};

    for my $bad ('x', 'a.b.c', "$head.$claims.", "$head.$claims",
        "$head.$claims.AAAA", 'lvat_', 'lvat_' . 'A' x 43, 'lvat_%00',
        'eyJhbGciOiJub25lIn0.' . $claims . '.', 'x' x 3000)
    {
        my $res = api(GET => '/users/1/profile', undef, token => $bad);
        is_problem($res, 401, 'invalid-token', substr($bad, 0, 30));
        like($res->header('WWW-Authenticate'), qr/^Bearer/, 'says what it is');
    }

    is(api(GET => '/users/me/profile')->status, 401, 'none at all');

    # a viewer token is signed with the same keys and opens nothing here
    my $stream = api(POST => '/streams', { title => 'x' },
        token => $user->{access_token});
    is($stream->status, 201, 'a stream') or diag $stream->body;
    my $viewer = api(POST => '/streams/' . $stream->json->{id} . '/token', {},
        token => $user->{access_token});
    my $text = $viewer->json->{token};
    like($text, qr/^eyJ/, 'a viewer token') or diag $viewer->body;
    is_problem(api(GET => '/users/me/profile', undef, token => $text), 401,
        'invalid-token', 'it');
};

subtest 'a closed house' => sub {
    my $closed = Live::Control->new(postgres => $cp->postgres,
        conf => { registration => 'closed' })->start;

    is_problem($closed->request(POST => '/auth/register', json => {
        username => 'late', email => 'late@example.org',
        password => $PASSWORD }), 403, 'registration-closed', 'too late');
    $closed->finish;
};

subtest 'nothing secret is written down' => sub {
    my $log = $cp->log;

    ok(length $log, 'there is a log');
    unlike($log, qr/\Q$PASSWORD\E|another password|wrong password/,
        'no passwords');
    unlike($log, qr/lv[ar]t_\w|eyJ\w/, 'no tokens');

    my $dump = $cp->sql('SELECT a FROM audit_log a');
    unlike($dump, qr/lv[ar]t_\w|eyJ\w|password"/, 'nor in the audit log');
};

$cp->finish;
done_testing;
