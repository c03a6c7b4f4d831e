#!/usr/bin/perl

# What every request goes through: addresses, methods, bodies, limits,
# conditions, Idempotency-Key, the log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::HTTP;
use Live::Nginx qw(wait_for read_file write_file);
use Live::Token;

my $cp = Live::Control->new(conf => {
    trusted_proxies => '127.0.0.1', body_timeout => 2,
    rate_report => '3/3600', log => '%DIR%/cp.log' })->start;
my $ada = $cp->register('ada');
my $n = 0;

sub is_problem {
    my ($res, $status, $type, $name) = @_;

    is($res->status, $status, "$name: $status") or diag $res->body;
    is($res->header('Content-Type'), 'application/problem+json',
        "$name: a problem document");
    my $json = eval { $res->json } // {};
    is($json->{type}, "/problems/$type", "$name: $type");
    is($json->{status}, $status, "$name: status in it");
    is($json->{request_id}, $res->header('X-Request-Id'), "$name: request id");
}

sub post {
    my ($json, %opt) = @_;
    return $cp->request(POST => '/streams', json => $json,
        token => $ada->{token}, %opt);
}

subtest 'addresses and methods' => sub {
    is_problem($cp->request(GET => '/nothing'), 404, 'not-found', 'nothing');
    is_problem($cp->request(GET => '/streams/live', root => 1), 404,
        'not-found', 'without /api');
    is_problem($cp->request(GET => '/metrics'), 404, 'not-found',
        'metrics below /api');
    is_problem($cp->request(POST => '/internal/publish', json => {}), 404,
        'not-found', 'internal below /api');

    my $res = $cp->request(DELETE => '/auth/login');
    is_problem($res, 405, 'method', 'DELETE of a POST');
    is($res->header('Allow'), 'POST', 'Allow');

    $res = $cp->request(PUT => '/streams/abc');
    is($res->header('Allow'), 'GET, HEAD, PATCH, DELETE', 'Allow, all of them');

    my $get = $cp->request(GET => '/streams/live');
    my $head = $cp->request(HEAD => '/streams/live');
    is($head->status, 200, 'HEAD like GET');
    is($head->header('Content-Length'), $get->header('Content-Length'),
        'its length');
    is($head->body, '', 'without the body');

    for my $path ('/streams/%00', '/streams/%ff', '/streams?q=%zz',
        '/streams?q=%00')
    {
        is_problem($cp->request(GET => $path), 400, 'bad-address', $path);
    }

    for my $path ('/streams/..%2f..', '/streams/a%2fb', '/users/0/profile',
        '/users/99999999999999999999/profile', '/users/-1/profile',
        '/streams/live/', '//streams', '/streams/../streams',
        '/streams/' . 'a' x 65)
    {
        is($cp->request(GET => $path)->status, 404, "$path: 404");
    }

    is($cp->request(GET => '/streams/live?limit=' . '1' x 5000)->status, 414,
        'an address that is too long');
    is_problem($cp->request(GET => '/streams/live?x=1'), 422, 'validation',
        'an unknown parameter');
    is_problem($cp->request(GET => '/streams/live?limit=1&limit=2'), 422,
        'validation', 'a parameter twice');
    is_problem($cp->request(GET => '/streams/live?limit=101'), 422,
        'validation', 'a parameter that is too large');
    is_problem($cp->request(GET => '/streams/live?cursor=AAAA'), 422,
        'validation', 'a cursor of nobody');
};

subtest 'bodies' => sub {
    my %bad = (
        'not JSON' => [ 400, 'json', '{"title": ' ],
        'a list' => [ 400, 'json', '[]' ],
        'nothing but a text' => [ 400, 'json', '"x"' ],
        'a name twice' => [ 400, 'json', '{"title":"a","title":"b"}' ],
        'broken UTF-8' => [ 400, 'json', "{\"title\":\"\xff\"}" ],
        'an overlong form' => [ 400, 'json', "{\"title\":\"\xc0\x80\"}" ],
        'a surrogate' => [ 400, 'json', '{"title":"\ud800"}' ],
        'NUL, escaped' => [ 400, 'json', '{"title":"a\u0000b"}' ],
        'NUL' => [ 400, 'json', "{\"title\":\"a\0b\"}" ],
        'more behind it' => [ 400, 'json', '{"title":"a"} x' ],
        'too deep' => [ 400, 'json', '{"title":' . '[' x 33 . ']' x 33 . '}' ],
        'very deep' => [ 400, 'json', '[' x 60000 ],
        'a number too large' => [ 400, 'json', '{"title":1e999}' ],
        'too large' => [ 413, 'too-large', '{"title":"' . 'a' x 65536 . '"}' ],
        'an unknown field' => [ 422, 'validation', '{"title":"a","x":1}' ],
        'a field too few' => [ 422, 'validation', '{}' ],
        'nothing' => [ 422, 'validation', '' ],
        'a wrong type' => [ 422, 'validation', '{"title":7}' ],
        'a control' => [ 422, 'validation', '{"title":"a\u0007"}' ],
        'a C1 control' => [ 422, 'validation', '{"title":"a\u0085"}' ],
        'blanks' => [ 422, 'validation', '{"title":"  "}' ],
        'too long' => [ 422, 'validation', '{"title":"' . 'é' x 141 . '"}' ],
    );

    for my $name (sort keys %bad) {
        my ($status, $type, $body) = @{ $bad{$name} };
        is_problem($cp->request(POST => '/streams', body => $body,
            token => $ada->{token}), $status, $type, $name);
    }

    is_problem($cp->request(POST => '/streams', body => '{"title":"a"}',
        token => $ada->{token}, headers => { 'Content-Type' => $_ // '' }),
        415, 'content-type', "content type " . ($_ // 'none'))
        for 'text/plain', 'application/jsonx', undef;
    is_problem($cp->request(POST => '/streams', body => '{"title":"a"}',
        token => $ada->{token}, headers => { 'Content-Encoding' => 'gzip' }),
        415, 'content-type', 'an encoded body');

    my $res = $cp->request(POST => '/streams', token => $ada->{token},
        body => '{"title":"' . 'é' x 140 . '"}',
        headers => { 'Content-Type' => 'application/json; charset=utf-8' });
    is($res->status, 201, '140 characters, two bytes each') or diag $res->body;

    is(post({ title => '  spaces around  ' })->json->{title}, 'spaces around',
        'trimmed');

    my $big = $cp->client;
    is($big->request(POST => '/streams', body => 'x' x 3_000_000,
        token => $ada->{token})->status, 413, 'three million bytes');
};

subtest 'slow bodies are cut off' => sub {
    my $start = time;

    for my $text (
        "POST /api/streams HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            . "Content-Type: application/json\r\n\r\n{",
        "POST /api/streams HTTP/1.1\r\nHost: x\r\n")
    {
        my $c = Live::HTTP->new(port => $cp->port, timeout => 20);
        $c->write_raw($text);

        # a byte now and then does not help
        my $res;
        wait_for(sub {
            eval { $c->write_raw(' ') };
            $res = $c->readable(0.2) ? $c->read_response : undef;
        }, 20, 'the answer');
        is($res && $res->status, 408, 'cut off');
        is($res && $res->header('Content-Type'), 'application/problem+json',
            'with a problem document');
        is(length $res->body, $res->header('Content-Length'), 'all of it');
    }

    is($cp->request(GET => '/healthz', root => 1)->status, 200, 'all is well');
};

subtest 'conditions' => sub {
    my $res = post({ title => 'v' });
    my $path = '/streams/' . $res->json->{id};
    my %ada = (token => $ada->{token});

    $res = $cp->request(GET => $path, %ada);
    my $etag = $res->header('ETag');
    like($etag, qr/^"[\w.-]+"$/, 'an ETag');

    $res = $cp->request(GET => $path, %ada,
        headers => { 'If-None-Match' => $etag });
    is($res->status, 304, 'not modified');
    is($res->body, '', 'nothing');
    is($cp->request(GET => $path, %ada,
        headers => { 'If-None-Match' => '"x"' })->status, 200, 'modified');

    $res = $cp->request(PATCH => $path, %ada, json => { title => 'w' },
        headers => { 'If-Match' => $etag });
    is($res->status, 200, 'changed') or diag $res->body;
    isnt($res->header('ETag'), $etag, 'another ETag');
    is_problem($cp->request(PATCH => $path, %ada, json => { title => 'z' },
        headers => { 'If-Match' => $etag }), 412, 'changed', 'too late');
    is($cp->request(GET => $path, %ada)->json->{title}, 'w', 'not changed');
    is($cp->request(PATCH => $path, %ada, json => { title => 'z' },
        headers => { 'If-Match' => '"77", *' })->status, 200, 'any');
};

subtest 'Idempotency-Key' => sub {
    my $key = 'a-key-that-nobody-guesses';
    my $res = post({ title => 'once' }, key => $key);
    is($res->status, 201, 'made') or diag $res->body;
    is($res->header('Idempotent-Replayed'), undef, 'the first time');

    my $again = post({ title => 'once' }, key => $key);
    is($again->status, 201, 'again');
    is($again->header('Idempotent-Replayed'), 'true', 'it says so');
    is($again->body, $res->body, 'the same answer');
    is($again->header('ETag'), $res->header('ETag'), 'the same ETag');
    is($cp->sql("SELECT count(*) FROM streams WHERE title = 'once'"), 1,
        'one stream');

    is_problem(post({ title => 'other' }, key => $key), 422,
        'idempotency-key', 'for another request');

    my $bob = $cp->register('bob');
    is(post({ title => 'once' }, key => $key, token => $bob->{token})
        ->header('Idempotent-Replayed'), undef, "somebody else's key");

    is_problem(post({ title => 'x' }, key => 'short'), 400, 'idempotency-key',
        'a short key');

    # nothing was done: the same key may be used for what is right
    $key = 'another-key-nobody-guesses';
    is(post({ title => 'x', id => '!' }, key => $key)->status, 422, 'wrong');
    is(post({ title => 'x', id => 'right' }, key => $key)->status, 201,
        'and then right');

    my @got = $cp->parallel(12, sub {
        my $r = $_[0]->request(POST => '/streams', json => { title => 'all' },
            key => 'all-at-the-same-time', token => $ada->{token});
        return [ $r->status, eval { $r->json->{id} } ];
    });
    is(scalar(grep { $_->[0] == 201 } @got), 12, 'twelve at once');
    is(scalar(keys %{ { map { $_->[1] => 1 } @got } }), 1, 'one stream');

    my $stored = $cp->sql('SELECT * FROM idempotency_keys');
    unlike($stored, qr/nobody-guesses|once/, 'neither keys nor answers lie'
        . ' open in the database');

    $cp->sql("UPDATE idempotency_keys SET created_at = now() - interval '25h'");
    $cp->sql("UPDATE timers SET next_at = now()");
    # jobs that are due run when a daemon starts
    my $second = Live::Control->new(postgres => $cp->postgres)->start;
    ok(wait_for(sub { $cp->sql('SELECT count(*) FROM idempotency_keys') == 0 },
        20, 'the job'), 'forgotten after a day');
    $second->finish;
};

subtest 'limits' => sub {
    my @got = map { $cp->request(POST => "/users/$ada->{id}/report",
        json => { reason => 'spam' }, token => $ada->{token}) } 1 .. 4;

    is($got[0]->header('RateLimit-Limit'), 3, 'the limit');
    is_deeply([ map { $_->header('RateLimit-Remaining') } @got ],
        [ 2, 1, 0, 0 ], 'what remains');
    cmp_ok($got[2]->header('RateLimit-Reset'), '>', 3000, 'until it is full');
    is_problem($got[3], 429, 'rate-limit', 'too many');
    cmp_ok($got[3]->header('Retry-After'), '>', 1000, 'when again');

    my $eve = $cp->register('eve');
    isnt($cp->request(POST => "/users/$ada->{id}/report",
        json => { reason => 'spam' }, token => $eve->{token})->status, 429,
        'an account has its own');
};

subtest 'too many for the slow pool' => sub {
    # one runs, one waits, the others are told
    my $slow = Live::Control->new(postgres => $cp->postgres, conf => {
        slow_threads => 1, slow_queue => 1, argon2_ops => 4,
        argon2_mem => 67108864 })->start;
    my @got = $slow->parallel(12, sub {
        my $res = $_[0]->request(POST => '/auth/register',
            json => { username => "slow$_[1]", password => 'a long password',
                email => "slow$_[1]\@example.org" });
        return [ $res->status, $res->header('Retry-After') ];
    });
    my @busy = grep { $_->[0] == 503 } @got;
    is(scalar(grep { $_->[0] !~ /^(?:201|503)$/ } @got), 0,
        'served or told to come again')
        or diag join ' ', map { $_->[0] } @got;
    cmp_ok(scalar @busy, '>', 0, 'some are told');
    cmp_ok(scalar @busy, '<', 12, 'some are served');
    is(scalar(grep { !$_->[1] } @busy), 0, 'and when to come');
    $slow->finish;
};

subtest 'the database asks to try again' => sub {
    # the first two inserts, and later all of them, collide with "another"
    my $collide = sub {
        my ($times, $when) = @_;
        $cp->sql('DROP TRIGGER IF EXISTS collide ON streams;'
            . ' DROP SEQUENCE IF EXISTS collisions;'
            . ' CREATE SEQUENCE collisions;'
            . ' CREATE OR REPLACE FUNCTION collide() RETURNS trigger'
            . ' LANGUAGE plpgsql AS $$ BEGIN'
            . " IF nextval('collisions') <= $times THEN"
            . " RAISE EXCEPTION 'collision' USING ERRCODE = '40001'; END IF;"
            . ' RETURN NEW; END $$;'
            . " CREATE CONSTRAINT TRIGGER collide AFTER INSERT ON streams $when"
            . ' FOR EACH ROW EXECUTE FUNCTION collide()');
    };

    for my $when ('NOT DEFERRABLE', 'DEFERRABLE INITIALLY DEFERRED') {
        $collide->(2, $when);
        my $key = "collision-0123456789-$when" =~ s/ /-/gr;
        my $res = post({ title => "again $when" }, key => $key);
        is($res->status, 201, "$when: the third try") or diag $res->body;
        is($cp->sql("SELECT count(*) FROM streams WHERE title ="
            . " 'again $when'"), 1, 'once');
        is(post({ title => "again $when" }, key => $key)->body, $res->body,
            'its answer is kept');
    }

    $collide->(1000, 'NOT DEFERRABLE');
    my $res = post({ title => 'never' });
    is_problem($res, 503, 'busy', 'always');
    is($res->header('Retry-After'), 1, 'Retry-After');
    is($cp->sql('SELECT last_value FROM collisions'), 4, 'four tries');
    $cp->sql('DROP TRIGGER collide ON streams');
};

subtest 'where a request comes from' => sub {
    my $log = sub {
        my ($forwarded, %more) = @_;
        my $res = $cp->request(GET => '/streams/live', headers => {
            'X-Forwarded-For' => $forwarded, %more });
        my $id = $res->header('X-Request-Id');
        my $line;
        wait_for(sub { ($line) = grep { ($_->{request_id} // '') eq $id }
            $cp->log_objects }, 5, 'a line in the log');
        return $line;
    };

    is($log->('203.0.113.9')->{addr}, '203.0.113.9', 'the forwarded address');
    is($log->('1.1.1.1, 203.0.113.9')->{addr}, '203.0.113.9',
        'what the proxy saw, not what the client says');
    is($log->('203.0.113.9, 127.0.0.1')->{addr}, '203.0.113.9',
        'through two proxies');
    is($log->('<script>')->{addr}, '127.0.0.1', 'what is no address');
    is($log->('2001:db8::1')->{addr}, '2001:db8::1', 'IPv6');

    is($log->('1.2.3.4', 'X-Request-Id' => 'from-nginx-1')->{request_id},
        'from-nginx-1', "nginx's request id");
    like($log->('1.2.3.4', 'X-Request-Id' => 'a b"c')->{request_id},
        qr/^[0-9a-f]{16}$/, 'a bad one is replaced');
};

subtest 'the log' => sub {
    my @lines = $cp->log_objects;
    is(scalar(grep { $_->{bad} } @lines), 0, 'one JSON object a line')
        or diag map { $_->{bad} } grep { $_->{bad} } @lines;

    my ($line) = grep { ($_->{route} // '') eq '/streams/{id}' } @lines;
    is_deeply([ sort grep { $_ ne 'user' } keys %$line ], [ sort qw(time level
        event method route status ms addr request_id complete) ],
        'what a line has');
    unlike($cp->log, qr/long enough password|nobody-guesses|lvrt_\w|eyJ\w/,
        'no secrets');
};

subtest 'metrics' => sub {
    my $text = $cp->request(GET => '/metrics', root => 1)->body;

    like($text, qr/^live_api_requests_total
        \{method="POST",route="\/streams",status="2xx"\}\ \d/mx,
        'requests by route and status');
    like($text, qr/^live_api_request_seconds_bucket
        \{method="POST",route="\/streams",le="\+Inf"\}\ \d/mx,
        'a histogram of each route');
    like($text, qr/^live_api_$_ \d+$/m, $_) for qw(db_connections slow_waiting
        slow_running rate_limited_total replayed_total);
};

subtest 'signals' => sub {
    is($cp->node(POST => '/internal/publish', {})->status, 422,
        'the node key opens') or diag $cp->log;
    is_problem($cp->request(POST => '/internal/publish', json => {},
        root => 1), 401, 'node-key', 'without it');
    my $line = { headers => { Authorization => Live::Token::node_header(
        $cp->node_key, 'POST', '/internal/publish') }, root => 1, json => {} };
    is($cp->request(POST => '/internal/publish', %$line)->status, 422,
        'a signature is good');
    is($cp->request(POST => '/internal/publish', %$line)->status, 401,
        'once');

    # another node key and another log, without a restart
    my $key = 'f' x 64;
    write_file($cp->node_key_file, "$key\n");
    rename $cp->dir . '/cp.log', $cp->dir . '/cp.log.1';
    $cp->signal('HUP');
    ok(wait_for(sub { -e $cp->dir . '/cp.log'
        && read_file($cp->dir . '/cp.log') =~ /read again/ }, 5, 'the log'),
        'the log is opened again');
    is($cp->node(POST => '/internal/publish', {})->status, 401,
        'the old node key is refused');
    $cp->postgres->{keys}{node} = $key;
    delete $cp->{client};
    is($cp->node(POST => '/internal/publish', {})->status, 422,
        'the new one opens');

    # a request that is under way when it is told to end
    my $c = Live::HTTP->new(port => $cp->port);
    my $body = '{"title":"drained"}';
    $c->write_raw("POST /api/streams HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer $ada->{token}\r\n"
        . "Content-Type: application/json\r\nContent-Length: "
        . length($body) . "\r\n\r\n" . substr $body, 0, 5);
    wait_for(sub { $cp->request(GET => '/healthz', root => 1)->status == 200 },
        5);
    $cp->signal('TERM');
    ok(wait_for(sub { $cp->log =~ /draining/ }, 5), 'it drains');
    $c->write_raw(substr $body, 5);
    my $res = $c->read_response;
    is($res->status, 201, 'what was under way is finished');
    is($res->header('Connection'), 'close', 'and was the last');

    $cp->stop;
    is($cp->{status}, 0, 'it ended by itself');
    like($cp->log, qr/"ended"/, 'and says so');
};

$cp->finish;
done_testing;
