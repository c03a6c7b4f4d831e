#!/usr/bin/perl

# What one has of one's account: sessions, lists, the e-mail address; and a
# refresh whose answer was lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Person;

my $PASSWORD = 'a long enough password';
my $cp = Live::Control->new(conf => { trusted_proxies => '127.0.0.1' })->start;
my $ann = person($cp, 'ann');
my $bob = person($cp, 'bob');

sub refresh {
    my ($token, %headers) = @_;

    return $cp->request(POST => '/auth/refresh', json => {
        refresh_token => $token }, headers => \%headers);
}

sub login {
    my ($name, %headers) = @_;

    my $res = $cp->request(POST => '/auth/login', json => { login => $name,
        password => $PASSWORD }, headers => \%headers);
    is($res->status, 200, "$name logs in") or diag $res->body;

    return $res->json;
}

subtest 'sessions' => sub {
    my $two = login('ann', 'User-Agent' => 'telephone',
        'X-Forwarded-For' => '192.0.2.9');
    my $items = $ann->get('/auth/sessions')->json->{items};

    is(scalar @$items, 2, 'two of them');
    is($items->[0]{user_agent}, 'telephone', 'the newest first');
    is($items->[0]{addr}, '192.0.2.9', 'from where');
    is_deeply([ map { $_->{current} ? 1 : 0 } @$items ], [ 0, 1 ],
        'which one is this');

    my $id = $items->[0]{id};
    is($bob->delete("/auth/sessions/$id")->status, 404, 'nobody else ends it');
    is($ann->delete("/auth/sessions/$id")->status, 204, 'she does');
    is($cp->request(GET => '/auth/sessions', token => $two->{access_token})
        ->status, 401, 'its access token is dead');
    is(refresh($two->{refresh_token})->status, 401, 'its refresh token too');
    is($ann->delete("/auth/sessions/$id")->status, 404, 'once');
    is(scalar @{ $ann->get('/auth/sessions')->json->{items} }, 1, 'one left');
};

subtest 'follows and blocks' => sub {
    my @others = map { person($cp, "other$_") } 1 .. 3;

    $ann->post('/users/' . $_->id . '/follow') for @others;
    $ann->put('/users/' . $bob->id . '/block');

    my $page = $ann->get('/users/me/follows?limit=2')->json;
    is_deeply([ map { $_->{user}{username} } @{ $page->{items} } ],
        [ 'other3', 'other2' ], 'whom she follows');
    $page = $ann->get("/users/me/follows?limit=2&cursor=$page->{next}")->json;
    is_deeply([ map { $_->{user}{username} } @{ $page->{items} } ],
        [ 'other1' ], 'the rest');
    is_deeply([ map { $_->{user}{username} }
        @{ $ann->get('/users/me/blocks')->json->{items} } ], [ 'bob' ],
        'whom she blocked');
    is_deeply($bob->get('/users/me/blocks')->json->{items}, [],
        'nobody learns who blocked them');
};

subtest 'the e-mail address' => sub {
    $cp->sql('UPDATE users SET email_verified_at = now() WHERE id = '
        . $ann->id);

    is($ann->post('/auth/email', { email => 'new@example.org',
        current_password => 'not this one' })->status, 403,
        'not without the password');
    is($ann->post('/auth/email', { email => 'not an address',
        current_password => $PASSWORD })->status, 422, 'an address');
    is($ann->post('/auth/email', { email => 'ANN@example.org',
        current_password => $PASSWORD })->status, 204, 'the same one');
    is($ann->get('/users/me/profile')->json->{email_verified}, JSON::PP::true,
        'stays verified');
    is($ann->post('/auth/email', { email => 'new@example.org',
        current_password => $PASSWORD })->status, 204, 'another one');

    my $me = $ann->get('/users/me/profile')->json;
    is($me->{email}, 'new@example.org', 'is hers');
    is($me->{email_verified}, JSON::PP::false, 'and not verified');
    is($cp->sql("SELECT count(*) FROM audit_log WHERE action = 'user.email'"),
        2, 'the audit log has it');

    is($ann->post('/auth/email', { email => 'x@example.org',
        current_password => 'wrong' })->status, 403, 'a guess') for 1 .. 5;
    is($ann->post('/auth/email', { email => 'x@example.org',
        current_password => $PASSWORD })->status, 429,
        'guessing is locked out as at the login');
    $cp->sql('DELETE FROM login_failures');
};

subtest 'a refresh whose answer was lost' => sub {
    my %phone = ('User-Agent' => 'phone/1', 'X-Forwarded-For' => '192.0.2.1');
    my $one = login('bob', %phone);

    my $lost = refresh($one->{refresh_token}, %phone)->json;
    my $again = refresh($one->{refresh_token}, %phone);
    is($again->status, 200, 'the same client may come with it again');
    is(refresh($again->json->{refresh_token}, %phone)->status, 200,
        'and goes on');

    # the lost answer was not lost: somebody has read it
    is(refresh($lost->{refresh_token}, %phone)->status, 401,
        'who uses what was in the lost answer is found out');
    is($cp->request(GET => '/auth/sessions',
        token => $again->json->{access_token})->status, 401,
        'and the session is over');
};

subtest 'a reused refresh token is still found out' => sub {
    my %phone = ('User-Agent' => 'phone/1', 'X-Forwarded-For' => '192.0.2.1');
    my %cases = (
        'a third time' => sub {
            refresh($_[0], %phone);
            is(refresh($_[0], %phone)->status, 200, 'a second time');
            return refresh($_[0], %phone);
        },
        'from another address' => sub {
            refresh($_[0], %phone);
            return refresh($_[0], %phone, 'X-Forwarded-For' => '192.0.2.2');
        },
        'by another program' => sub {
            refresh($_[0], %phone);
            return refresh($_[0], %phone, 'User-Agent' => 'thief/1');
        },
        'after its successor was used' => sub {
            refresh(refresh($_[0], %phone)->json->{refresh_token}, %phone);
            return refresh($_[0], %phone);
        },
        'later' => sub {
            refresh($_[0], %phone);
            $cp->sql("UPDATE session_tokens SET used_at = used_at"
                . " - interval '11 s'");
            return refresh($_[0], %phone);
        },
    );

    for my $what (sort keys %cases) {
        my $session = login('bob', %phone);
        is($cases{$what}->($session->{refresh_token})->status, 401, $what);
        is($cp->request(GET => '/auth/sessions',
            token => $session->{access_token})->status, 401,
            "$what: the session is over");
    }
};

$cp->finish;
done_testing;
