#!/usr/bin/perl

# Webhooks: what happens reaches the servers that asked for it, signed, in
# order, at least once, and never an address that is not public.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for);
use Live::Person;
use Live::Receiver;

my $cp = Live::Control->new(conf => { webhook_allow_private => 'on' })->start;
my $ann = person($cp, 'ann');
my $bob = person($cp, 'bob');
my $root = person($cp, 'root', role => 'admin');

my @EVENTS = qw(stream.created stream.updated stream.deleted stream.live
    stream.ended publish.refused key.created key.revoked member.set
    member.removed);

sub hook {
    my ($who, $url, %more) = @_;
    my $res = $who->post('/webhooks', { url => $url, events => ['key.created'],
        %more });

    $res->status == 201 or diag $res->body;

    return $res->json;
}

# Deliveries of a webhook, the oldest first.
sub deliveries {
    my ($who, $hook) = @_;
    my @items = reverse @{ $who->get("/webhooks/$hook->{id}/deliveries?limit=100")
        ->json->{items} };

    return @items;
}

sub test_delivery {
    my ($who, $hook) = @_;
    my $res = $who->post("/webhooks/$hook->{id}/test");

    $res->status == 202 or diag $res->body;

    return $res->json->{id};
}

# Waits until a delivery is what it is to be, and returns it.
sub delivery {
    my ($who, $hook, $id, $want) = @_;
    my $found;

    wait_for(sub {
        ($found) = grep { $_->{id} eq $id } deliveries($who, $hook);
        return $found && $want->($found);
    }, 25, "delivery $id") or diag explain $found;

    return $found;
}

# Failures are waited for: not in a test.
sub hurry {
    $cp->sql('UPDATE webhook_deliveries SET next_at = now()'
        . " WHERE status = 'pending'");
    $cp->sql('UPDATE webhooks SET retry_at = NULL');
}

subtest 'a webhook: made, shown, changed, gone' => sub {
    my $res = $ann->post('/webhooks', { url => 'https://example.org/x',
        events => [qw(stream.live stream.ended stream.live)],
        description => 'mine' });
    my $hook = $res->json;

    is($res->status, 201, 'made');
    like($hook->{secret}, qr/^whsec_[A-Za-z0-9_-]{43}$/, 'its secret');
    is($res->header('Cache-Control'), 'no-store', 'nobody keeps the answer');
    is("@{ $hook->{events} }", 'stream.ended stream.live', 'events, once each');

    my $sealed = $cp->sql("SELECT sealed FROM webhooks WHERE id = $hook->{id}");
    like($sealed, qr/^v1\.k1\./, 'sealed in the database');
    unlike($sealed, qr/\Q$hook->{secret}\E/, 'not as it is');
    unlike($cp->log, qr/\Q$hook->{secret}\E/, 'nor in the log');

    my $got = $ann->get("/webhooks/$hook->{id}");
    is($got->status, 200, 'shown');
    ok(!exists $got->json->{secret}, 'without the secret');
    is(scalar @{ $ann->get('/webhooks')->json->{items} }, 1, 'listed');
    is(scalar @{ $bob->get('/webhooks')->json->{items} }, 0,
        'not for others');

    for my $path ("/webhooks/$hook->{id}", "/webhooks/$hook->{id}/deliveries") {
        is($bob->get($path)->status, 404, "$path is not there for others");
        is($root->get($path)->status, 404, "$path is not there for admins");
    }
    is($bob->delete("/webhooks/$hook->{id}")->status, 404, 'nor to be deleted');
    is($bob->post("/webhooks/$hook->{id}/test")->status, 404, 'nor tested');

    my $etag = $got->header('ETag');
    my $new = $ann->patch("/webhooks/$hook->{id}",
        { description => 'other', enabled => \0 }, 'If-Match' => $etag);
    is($new->status, 200, 'changed');
    is($new->json->{description}, 'other', 'the description');
    ok(!$new->json->{enabled}, 'disabled');
    is($ann->patch("/webhooks/$hook->{id}", { description => 'x' },
        'If-Match' => $etag)->status, 412, 'not over another change');
    is($ann->post("/webhooks/$hook->{id}/test")->status, 409,
        'no test of a disabled one');

    is($ann->delete("/webhooks/$hook->{id}")->status, 204, 'deleted');
    is($ann->get("/webhooks/$hook->{id}")->status, 404, 'gone');
};

subtest 'what a webhook cannot be' => sub {
    my %ok = (url => 'https://example.org/', events => ['stream.live']);

    for my $wrong (
        [ { events => [] }, 'no events' ],
        [ { events => ['no.such'] }, 'an event that does not exist' ],
        [ { events => ['webhook.test'] }, 'one that nobody asks for' ],
        [ { events => ['user.suspended'] }, 'one of the platform' ],
        [ { url => 'ftp://example.org/' }, 'another protocol' ],
        [ { url => 'file:///etc/passwd' }, 'a file' ],
        [ { url => 'http://a:b@example.org/' }, 'a password in the URL' ],
        [ { url => 'https:///x' }, 'no host' ],
        [ { stream => 'nosuch' }, "a stream that is not there" ],
    ) {
        is($ann->post('/webhooks', { %ok, %{ $wrong->[0] } })->status, 422,
            $wrong->[1]);
    }

    is($ann->post('/webhooks', { %ok, platform => \1 })->status, 403,
        'of the platform, by a user');
    is($ann->get('/webhooks?platform=true')->status, 403, 'nor listed');

    $bob->post('/streams', { id => 'bobs', title => 'x' });
    is($ann->post('/webhooks', { %ok, stream => 'bobs' })->status, 422,
        "somebody else's stream");

    my @made = map { $ann->post('/webhooks', \%ok)->json->{id} } 1 .. 20;
    is($ann->post('/webhooks', \%ok)->status, 409, 'no more than 20');
    $ann->delete("/webhooks/$_") for @made;
};

subtest 'every change of a stream is told, once, in order, signed' => sub {
    my $receiver = Live::Receiver->new;
    my $hook = hook($ann, $receiver->url('/a?b=c'), events => \@EVENTS);
    my $other = Live::Receiver->new;
    hook($bob, $other->url, events => \@EVENTS);

    my $stream = $ann->post('/streams', { id => 'show', title => 'Show' })
        ->json;
    $ann->patch('/streams/show', { title => 'A show' });
    my @once = ('Idempotency-Key' => 'one-key-for-one-key-0123456789');
    my ($key) = map { $ann->post('/streams/show/keys', { label => 'second' },
        @once)->json } 1 .. 2;

    # what is refused did not happen
    is($ann->post('/streams', { id => 'show', title => 'Again' })->status, 409,
        'no second stream of that id');
    is($ann->patch('/streams/show', { title => 'x' }, 'If-Match' => '"99"')
        ->status, 412, 'no change over another');
    is($ann->patch('/streams/show', { scheduled_at => '2001-01-01T00:00:00Z' })
        ->status, 422, 'none into the past');

    my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key);
    $node->beat;
    $node->go_live($node->publish($key->{key})->{json});
    $node->beat for 1 .. 3;
    $node->event('publish.refused', 'show', reason => 'There is no room.')
        for 1 .. 2;
    $node->event('publish.refused', 'nothing', reason => 'There is no room.');
    $node->beat;
    $node->end_stream('show', 'encoder stopped');
    $node->beat;

    $ann->put('/streams/show/members/' . $bob->id, { role => 'vip' });
    $ann->delete('/streams/show/members/' . $bob->id);
    $ann->delete("/streams/show/keys/$key->{id}");
    is($node->publish($key->{key})->{status}, 403, 'the key is dead')
        for 1 .. 3;
    $ann->delete('/streams/show');

    my @want = qw(stream.created stream.updated key.created stream.live
        publish.refused stream.ended member.set member.removed key.revoked publish.refused
        stream.deleted);

    wait_for(sub { $receiver->got >= @want }, 15, 'deliveries');
    my @got = $receiver->got;

    is(join(' ', map { $_->{json}{type} } @got), "@want",
        'each once, in order; refusals once a minute');
    is_deeply([ grep { !Live::Receiver::signature_of($_, $hook->{secret}) }
        @got ], [], 'signed with the secret');
    ok(!Live::Receiver::signature_of($got[0], 'x'), 'and no other');
    is($got[0]{path}, '/a?b=c', 'at the path');
    is($got[0]{method}, 'POST', 'posted');
    is($got[0]{headers}{'content-type'}, 'application/json', 'JSON');

    for my $i (0 .. $#want) {
        is($got[$i]{headers}{'live-event'}, $want[$i],
            "$want[$i] has its header");
    }

    is_deeply([ sort keys %{ $got[3]{json} } ], [qw(data id time type)],
        'the envelope');
    like($got[3]{json}{id}, qr/^evt_[0-9a-f]{32}$/, 'its id');
    is($got[3]{json}{data}{stream}{id}, 'show', 'which stream');
    is($got[3]{json}{data}{stream}{user}{username}, 'ann', 'whose');
    ok($got[3]{json}{data}{broadcast}{started_at}, 'since when it is live');
    is("$got[4]{json}{data}{why}: $got[4]{json}{data}{reason}",
        'node: There is no room.', 'what a node refused by itself');
    is($got[5]{json}{data}{broadcast}{ended_why}, 'encoder stopped',
        'why it ended');
    is($got[9]{json}{data}{why}, 'revoked', 'why it was refused');
    unlike(join('', map { $_->{body} } @got), qr/\Q$key->{key}\E/,
        'no key in any');

    my %seen;
    ok(!(grep { $seen{ $_->{headers}{'live-delivery'} }++ } @got),
        'a number each');

    wait_for(sub { !grep { $_->{status} ne 'delivered' }
        deliveries($ann, $hook) }, 10, 'the log');
    my @log = deliveries($ann, $hook);
    is(scalar @log, scalar @want, 'all in the log');
    is($log[0]{response_status}, 200, 'with the status');
    is($log[0]{response}, 'answer 200 ??', 'and the printable beginning');
    is($log[0]{attempts}, 1, 'at the first attempt');

    is(join(' ', map { $_->{json}{type} } $other->got), '',
        "nothing of another's streams");

    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'a webhook of one stream, and those of the platform' => sub {
    my ($one, $all) = map { Live::Receiver->new } 1 .. 2;

    $ann->post('/streams', { id => $_, title => $_ }) for qw(s1 s2);
    my $hook = hook($ann, $one->url, stream => 's1');
    my $platform = hook($root, $all->url, platform => \1,
        events => [qw(key.created user.created user.suspended report.created)]);

    is(scalar @{ $root->get('/webhooks?platform=true')->json->{items} }, 1,
        "the platform's are listed");

    $ann->post("/streams/$_/keys", {}) for qw(s2 s1);
    my $eve = person($cp, 'eve');
    $bob->post('/users/' . $eve->id . '/report', { reason => 'spam' });
    $root->post('/admin/users/' . $eve->id . '/suspend', { reason => 'spam' });

    wait_for(sub { $all->got >= 5 && $one->got >= 1 }, 15, 'deliveries');
    is(join(' ', map { $_->{json}{data}{stream}{id} } $one->got), 's1',
        'of one stream');
    is(join(' ', map { $_->{json}{type} } $all->got), 'key.created key.created'
        . ' user.created report.created user.suspended', 'of all users');

    $cp->make($root => 'user');
    $ann->post('/streams/s1/keys', {});
    wait_for(sub { $one->got >= 2 }, 10, 'delivery');
    is(scalar(deliveries($ann, $hook)), 2, "the user's own");
    is($cp->sql('SELECT count(*) FROM webhook_deliveries WHERE webhook_id = '
        . $platform->{id}), 5, 'who is no admin any more hears nothing');
    $cp->make($root => 'admin');

    $root->delete("/webhooks/$platform->{id}");
    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'what fails is tried again, and those behind it wait' => sub {
    my $receiver = Live::Receiver->new->behave('fail 2');
    my $hook = hook($ann, $receiver->url);
    my ($first, $second) = map { test_delivery($ann, $hook) } 1 .. 2;

    my $d = delivery($ann, $hook, $first, sub { $_[0]{response_status} });
    is($d->{status}, 'pending', 'it failed, and is not given up');
    is($d->{response_status}, 500, 'the status is in the log');
    is($d->{error}, 'It answered 500.', 'and says what happened');
    ok($d->{next_at}, 'and when it is tried again');

    # the webhook may be tried, the delivery not yet: one of another webhook
    # that came later says that the sender has looked at both
    $cp->sql("UPDATE webhook_deliveries SET next_at = now()"
        . " + interval '1 hour' WHERE id = $first");
    $cp->sql('UPDATE webhooks SET retry_at = NULL');
    my $fence = hook($ann, Live::Receiver->new->url);
    delivery($ann, $fence, test_delivery($ann, $fence),
        sub { $_[0]{attempts} });
    is(scalar($receiver->got), 1, 'the one behind it waits');
    $ann->delete("/webhooks/$fence->{id}");

    hurry();
    delivery($ann, $hook, $first, sub { $_[0]{attempts} == 2
        && $_[0]{response_status} });
    wait_for(sub { hurry(); $receiver->got >= 4 }, 15, 'all');

    my @ids = map { $_->{headers}{'live-delivery'} } $receiver->got;
    is("@ids", "$first $first $first $second", 'in order, by the same number');

    $d = delivery($ann, $hook, $first, sub { $_[0]{status} eq 'delivered' });
    is($d->{attempts}, 3, 'three attempts');
    is($d->{error}, undef, 'without an error');
    is($ann->get("/webhooks/$hook->{id}")->json->{failures}, 0,
        'the webhook is well');

    my @got = $receiver->got;
    ok(!(grep { !Live::Receiver::signature_of($_, $hook->{secret}) } @got),
        'each attempt is signed for its time');

    my $res = $ann->post("/webhooks/$hook->{id}/deliveries/$first/replay");
    is($res->status, 202, 'asked for once more');
    is($res->json->{replay_of}, $first, 'knows what it repeats');
    delivery($ann, $hook, $res->json->{id},
        sub { $_[0]{status} eq 'delivered' });
    is(($receiver->got)[-1]{body}, $got[0]{body}, 'the same text');
    is($ann->post("/webhooks/$hook->{id}/deliveries/999999/replay")->status,
        404, 'of no such delivery');
    is($bob->post("/webhooks/$hook->{id}/deliveries/$first/replay")->status,
        404, 'not by others');

    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'after five attempts those behind may pass' => sub {
    my $receiver = Live::Receiver->new->behave('status 503');
    my $hook = hook($ann, $receiver->url);
    my ($first, $second) = map { test_delivery($ann, $hook) } 1 .. 2;

    wait_for(sub { hurry(); $receiver->got >= 5 }, 20, 'five attempts');
    is((grep { $_->{headers}{'live-delivery'} eq $second }
        ($receiver->got)[0 .. 4]), 0, 'the second waits');
    $receiver->behave('ok');
    $cp->sql("UPDATE webhook_deliveries SET next_at = now()"
        . " + interval '1 hour' WHERE id = $first");
    $cp->sql('UPDATE webhooks SET retry_at = NULL');
    delivery($ann, $hook, $second, sub { $_[0]{status} eq 'delivered' });
    pass('the second is through');

    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'a day later it is given up, after days the webhook is disabled' => sub {
    my $receiver = Live::Receiver->new->behave('status 404');
    my $hook = hook($ann, $receiver->url);
    my $id = test_delivery($ann, $hook);

    delivery($ann, $hook, $id, sub { $_[0]{response_status} });
    $cp->sql("UPDATE webhook_deliveries SET created_at = now()"
        . " - interval '24 hours' WHERE id = $id");
    hurry();
    my $d = delivery($ann, $hook, $id, sub { $_[0]{status} eq 'failed' });
    is($d->{next_at}, undef, 'given up');

    $cp->sql("UPDATE webhooks SET failing_since = now() - interval '4 days'"
        . " WHERE id = $hook->{id}");
    $id = test_delivery($ann, $hook);
    hurry();

    my $json;
    wait_for(sub {
        $json = $ann->get("/webhooks/$hook->{id}")->json;
        return !$json->{enabled};
    }, 15, 'disabled');
    like($json->{disabled_why}, qr/three days.*It answered 404/,
        'and says why');

    my $before = $receiver->got;
    $ann->post('/streams/s1/keys', {});
    is(scalar(deliveries($ann, $hook)), 2, 'nothing more is written');

    $receiver->behave('ok');
    $json = $ann->patch("/webhooks/$hook->{id}", { enabled => \1 })->json;
    is($json->{disabled_why}, undef, 'enabled again');
    hurry();
    delivery($ann, $hook, $id, sub { $_[0]{status} eq 'delivered' });
    is(scalar($receiver->got), $before + 1, 'what waited arrives');

    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'servers that misbehave' => sub {
    my $receiver = Live::Receiver->new;
    my $elsewhere = Live::Receiver->new;
    my $hook = hook($ann, $receiver->url);

    $receiver->behave('redirect ' . $elsewhere->url);
    my $id = test_delivery($ann, $hook);
    my $d = delivery($ann, $hook, $id, sub { $_[0]{response_status} });
    is($d->{status}, 'pending', 'a redirect is a failure');
    like($d->{error}, qr/307; redirects are not followed/, 'and says so');
    is($elsewhere->opened, 0, 'nobody went there');

    $receiver->behave('huge');
    hurry();
    $d = delivery($ann, $hook, $id, sub { $_[0]{status} eq 'delivered' });
    is(length $d->{response}, 500, 'of an endless answer the beginning');

    $receiver->behave('head');
    $id = test_delivery($ann, $hook);
    $d = delivery($ann, $hook, $id, sub { $_[0]{error}
        || $_[0]{status} eq 'delivered' });
    ok($d->{attempts} >= 1, 'headers without end are cut off');

    # a hook that hangs does not hold up another one
    $receiver->behave('hang');
    $id = test_delivery($ann, $hook);
    hurry();
    wait_for(sub { grep { $_->{headers}{'live-delivery'} eq $id }
        $receiver->got }, 15, 'the hanging request');
    my $well = hook($ann, $elsewhere->url);
    my $fine = test_delivery($ann, $well);
    delivery($ann, $well, $fine, sub { $_[0]{status} eq 'delivered' });
    ($d) = grep { $_->{id} eq $id } deliveries($ann, $hook);
    is($d->{response_status}, undef, 'the other one still waits');

    $d = delivery($ann, $hook, $id, sub { $_[0]{error} });
    like($d->{error}, qr/Timeout/, 'until its time is over');

    $ann->delete("/webhooks/$_->{id}") for $hook, $well;
};

subtest 'a daemon that is killed in the middle' => sub {
    my $receiver = Live::Receiver->new->behave('hang');
    my $hook = hook($ann, $receiver->url);
    my $id = test_delivery($ann, $hook);

    wait_for(sub { $receiver->got }, 10, 'the request');
    $cp->kill9;
    $receiver->behave('ok');
    $cp->start;

    is($cp->sql("SELECT leased_until > now() FROM webhooks"
        . " WHERE id = $hook->{id}"), 't', 'its lease is still there');
    is(scalar($receiver->got), 1, 'and nobody else sends');
    $cp->sql('UPDATE webhooks SET leased_until = now()');
    my $d = delivery($ann, $hook, $id,
        sub { $_[0]{status} eq 'delivered' });
    is($d->{attempts}, 2, 'it is sent again');
    my @ids = map { $_->{headers}{'live-delivery'} } $receiver->got;
    is("@ids", "$id $id", 'by the same number');

    # one that ends in order lets go of what it cannot wait for
    $receiver->behave('hang');
    $id = test_delivery($ann, $hook);
    wait_for(sub { $receiver->got == 3 }, 10, 'the request');
    $cp->stop;
    is($cp->sql("SELECT leased_until IS NULL FROM webhooks"
        . " WHERE id = $hook->{id}"), 't', 'no lease is left');
    $receiver->behave('ok');
    $cp->start;
    delivery($ann, $hook, $id, sub { $_[0]{status} eq 'delivered' });

    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'several daemons' => sub {
    my @more = map { Live::Control->new(postgres => $cp->postgres,
        conf => { webhook_allow_private => 'on' })->start } 1 .. 2;
    my $receiver = Live::Receiver->new;
    my $hook = hook($ann, $receiver->url);
    my @ids = map { test_delivery($ann, $hook) } 1 .. 30;

    wait_for(sub { $receiver->got >= 30 }, 20, 'all of them');
    is(join(' ', map { $_->{headers}{'live-delivery'} } $receiver->got),
        "@ids", 'each once, in order');
    $_->finish for @more;
    $ann->delete("/webhooks/$hook->{id}");
};

subtest 'a flood is bounded' => sub {
    my $hook = hook($ann, 'https://example.org/');
    $cp->sql("UPDATE webhooks SET retry_at = now() + interval '1 hour'"
        . " WHERE id = $hook->{id}");
    $cp->sql("INSERT INTO webhook_deliveries (webhook_id, event_id, event,"
        . " payload) SELECT $hook->{id}, 'e' || i, 'x', '{}'"
        . ' FROM generate_series(1, 1999) i');
    $ann->post('/streams/s1/keys', {}) for 1 .. 2;
    is($cp->sql('SELECT count(*) FROM webhook_deliveries'
        . " WHERE webhook_id = $hook->{id} AND event = 'key.created'"), 1,
        'the last one that fits');
    ok($ann->get("/webhooks/$hook->{id}")->json->{missed_at},
        'that some were missed is shown');
    is($ann->post("/webhooks/$hook->{id}/test")->status, 409,
        'no more by hand');
    $ann->delete("/webhooks/$hook->{id}");
};

my $metrics = $cp->request(GET => '/metrics', root => 1)->body;
like($metrics, qr/^live_webhook_attempts_total\{result="delivered"\} [1-9]/m,
    'figures about deliveries');

subtest 'addresses that are not public' => sub {
    $cp->stop->conf(webhook_allow_private => 'off');
    $cp->start;

    my $receiver = Live::Receiver->new(bind => '::');
    my $port = $receiver->port;
    my @hosts = ('127.0.0.1', 'localhost', '127.1', '2130706433', '0x7f000001',
        '017700000001', '0.0.0.0', '0', '[::1]', '[::]', '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::7f00:1]',
        '[2002:7f00:1::]', '10.0.0.1', '172.16.0.1', '192.168.0.1',
        '169.254.169.254', '100.64.0.1', '198.18.0.1', '224.0.0.1',
        '255.255.255.255', '[fe80::1]', '[fc00::1]', '[fd00::1]', '[ff02::1]',
        '[2001:db8::1]');

    my @left = @hosts;

    while (my @some = splice @left, 0, 14) {
        my %hook = map { $_ => hook($ann, "http://$_:$port/") } @some;
        my %id = map { $_ => test_delivery($ann, $hook{$_}) } @some;

        for my $host (@some) {
            my $d = delivery($ann, $hook{$host}, $id{$host},
                sub { $_[0]{error} });
            like($d->{error}, qr/not one of the public Internet/,
                "host $host");
            $ann->delete("/webhooks/$hook{$host}{id}");
        }
    }

    is($receiver->opened, 0, 'no connection was made');

    my $all = $cp->request(GET => '/metrics', root => 1)->body;
    like($all, qr/^live_webhook_refused_total @{[ scalar @hosts ]}$/m,
        'and they are counted');
};

unlike($cp->log, qr/"level":"error"/, 'no errors in the log')
    or diag join "\n", grep { /"error"/ } split /\n/, $cp->log;
$cp->finish;
done_testing;
