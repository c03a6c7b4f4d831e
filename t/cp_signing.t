#!/usr/bin/perl

# Signing keys: the same for all daemons, published before they sign, good
# until the last token has expired; and that their private halves are sealed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Test::More;

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for);

my $cp = Live::Control->new->start;
my $two = Live::Control->new(postgres => $cp->postgres)->start;
my $ada = $cp->register('ada');
my $id = $cp->request(POST => '/streams', token => $ada->{token}, json => { title => 'x' })->json->{id};

sub jwks { return $_[0]->request(GET => '/jwks.json') }
sub kids { return join ' ', sort map { $_->{kid} } @{ jwks($_[0])->json->{keys} } }

# The kid of a token that the daemon signs now.
sub signs {
    my $token = $_[0]->request(POST => "/streams/$id/token", json => {})->json->{token} // return '';

    return JSON::PP::decode_json(decode_base64url((split /\./, $token)[0]))->{kid};
}

# Time goes by for the keys.
sub later {
    my ($seconds) = @_;

    $cp->sql("UPDATE signing_keys SET signs_at = signs_at - interval '${seconds}s', retires_at = retires_at - interval '${seconds}s', gone_at = gone_at - interval '${seconds}s'");
}

# The daemons look whether it is time for a new key.
sub due {
    $_->stop for $cp, $two;
    $cp->sql("UPDATE timers SET next_at = now() WHERE name = 'signing_rotation'");
    $_->start for $cp, $two;
}

my $first = kids($cp);

subtest 'the first key' => sub {
    like($first, qr/^[0-9a-f]{12}$/, 'there is one');
    is(kids($two), $first, 'the same for both daemons');
    is(signs($cp), $first, 'one signs with it');
    is(signs($two), $first, 'and the other');

    my $res = jwks($cp);
    like($res->header('Cache-Control'), qr/^public, max-age=\d+$/, 'it can be kept for a while');
    like($res->header('ETag'), qr/^"[0-9a-f]{16}"$/, 'and has a version');
    is($cp->request(GET => '/jwks.json', headers => { 'If-None-Match' => $res->header('ETag') })->status, 304, 'that can be asked for');
    ok(!grep({ exists $_->{d} } @{ $res->json->{keys} }), 'nothing private in it');

    is($two->request(GET => '/auth/tokens', token => $ada->{token})->status, 200, 'the other daemon takes the login of the first');
};

subtest 'daemons that begin at once have one key' => sub {
    $cp->sql('DELETE FROM signing_keys');
    my @more = map { Live::Control->new(postgres => $cp->postgres) } 1 .. 4;
    my @pids;

    $_->start(wait => 0) for @more;
    ok(wait_for(sub { (grep { jwks($_)->status == 200 } @more) == 4 }, 20, 'keys'), 'all have keys');
    is($cp->sql('SELECT count(*) FROM signing_keys'), 1, 'there is one');
    $_->stop for @more;
};

subtest 'a new key' => sub {
    my $old = $cp->sql('SELECT kid FROM signing_keys');
    ok(wait_for(sub { kids($cp) eq $old && kids($two) eq $old }, 20, 'the key'), 'one key');

    my $login = $cp->request(POST => '/auth/login', json => { login => 'ada', password => 'a long enough password' })->json->{access_token};
    my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key);
    $node->beat;
    my $version = $node->{keys_version};

    my ($rc, $text) = $cp->run('--rotate-key');
    is($rc, 0, 'made') or diag($text);
    my ($new) = $text =~ /^(?:\{.*\n)*([0-9a-f]{12}) signs in 600 seconds/m or diag($text);
    my $both = join ' ', sort $old, $new;

    ok(wait_for(sub { kids($cp) eq $both && kids($two) eq $both }, 20, 'both keys'), 'both daemons publish it');
    is(signs($cp), $old, 'it does not sign yet');
    $node->beat;
    isnt($node->{keys_version}, $version, 'nodes get it');
    is(scalar @{ $node->{jwks}{keys} }, 2, 'beside the old one');

    later(601);
    ok(wait_for(sub { signs($cp) eq $new && signs($two) eq $new }, 20, 'the new key'), 'then it signs');
    is(kids($cp), $both, 'the old one is still good');
    is($cp->request(GET => '/auth/tokens', token => $login)->status, 200, 'what it signed is taken');

    later(86400);
    ok(wait_for(sub { kids($two) eq $both }, 20, 'both'), 'for as long as a token lives');
    later(3601);
    ok(wait_for(sub { kids($cp) eq $new && kids($two) eq $new }, 20, 'one key'), 'then it is gone');
    is($cp->request(GET => '/auth/tokens', token => $login)->status, 401, 'and what it signed is not taken any more');
};

subtest 'keys are replaced by themselves' => sub {
    my $old = kids($cp);

    $cp->sql("UPDATE signing_keys SET signs_at = now() - interval '31 days'");
    due();
    ok(wait_for(sub { $cp->sql('SELECT count(*) FROM signing_keys WHERE gone_at IS NULL OR gone_at > now()') == 2 }, 20, 'another key'),
        'after 30 days there is another');
    is(signs($cp), $old, 'that does not sign at once');
    due();
    ok(wait_for(sub { $cp->sql("SELECT next_at > now() FROM timers WHERE name = 'signing_rotation'") eq 't' }, 20, 'a run'), 'the job runs again');
    is($cp->sql('SELECT count(*) FROM signing_keys WHERE gone_at IS NULL OR gone_at > now()'), 2, 'and makes no third');
};

subtest 'the database goes away' => sub {
    my $kid = signs($cp);

    $cp->postgres->stop;
    is(jwks($cp)->status, 200, 'the keys are still there');
    $cp->postgres->start;
    ok(wait_for(sub { (eval { signs($cp) } // '') eq $kid }, 20, 'signing'), 'and sign when it is back');
};

unlike($cp->log, qr/PRIVATE|"x":|sealed":"v1/, 'no key in the log');

$two->finish;
$cp->finish;
done_testing;
