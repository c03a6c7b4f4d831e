#!/usr/bin/perl

# Secrets at rest: sealed by a key of the configuration, which can be replaced.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for write_file);
use Live::Token;

my $cp = Live::Control->new;
my $file = $cp->dir . '/secret.key';

sub key { return "$_[0] " . encode_base64(Live::Token::random_bytes(32), '') . "\n" }
sub sealed { return $cp->sql('SELECT sealed FROM signing_keys ORDER BY signs_at LIMIT 1') }

sub refused {
    my ($text, $like, $title) = @_;

    write_file($file, $text);
    my ($rc, $out) = $cp->run;
    isnt($rc, 0, "refused: $title");
    like($out, $like, 'says why');
    my ($secret) = $text =~ /(\S{20,})/;
    unlike($out, qr/\Q$secret\E/, 'without the key') if defined $secret;
}

my ($one, $two) = map { key($_) } qw(k1 k2);

subtest 'key files that are wrong' => sub {
    refused('', qr/no key/, 'empty');
    refused("# only a comment\n\n", qr/no key/, 'a comment');
    refused("k1\n", qr/not "id base64/, 'no key');
    refused("k1 QUJD\n", qr/32 bytes/, 'a short key');
    refused('k1 ' . encode_base64('x' x 33, ''), qr/32 bytes/, 'a long key');
    refused("k1 !" . 'A' x 43, qr/32 bytes/, 'not base64');
    refused('a/b ' . encode_base64('x' x 32, ''), qr/not "id base64/, 'an odd id');
    refused("$one$one", qr/two keys with one id/, 'an id twice');
    refused(join('', map { key("k$_") } 1 .. 9), qr/more keys/, 'too many');

    unlink $file;
    my ($rc, $out) = $cp->run;
    isnt($rc, 0, 'refused: no file');
    like($out, qr/cannot be opened/, 'says why');
};

write_file($file, "# the first one seals\n$one");
$cp->start;

my $kids = $cp->request(GET => '/jwks.json')->body;

subtest 'sealed' => sub {
    like(sealed(), qr/^v1\.k1\.[\w-]{80,}$/, 'by its key') or diag(sealed());
    is(length(sealed()) < 120, 1, 'nonce, 32 bytes, and a tag');
    unlike($cp->log, qr/\Q@{[ (split ' ', $one)[1] ]}\E/, 'the key is not in the log');
};

subtest 'another key in front' => sub {
    my $before = sealed();

    $cp->stop;
    write_file($file, "$two$one");
    $cp->sql("UPDATE timers SET next_at = now() WHERE name = 'secret_rotation'");
    $cp->start;
    ok(wait_for(sub { sealed() =~ /^v1\.k2\./ }, 20, 'sealed anew'), 'everything is sealed anew');
    isnt(sealed(), $before, 'another text');

    $cp->stop;
    write_file($file, $two);
    $cp->start;
    is($cp->request(GET => '/jwks.json')->body, $kids, 'the old key can go, the signing key is the same');
    my $ada = $cp->register('ada');
    is($cp->request(GET => '/auth/tokens', token => $ada->{token})->status, 200, 'and signs');
};

subtest 'what does not open' => sub {
    my $text = sealed();

    # bound to its row
    $cp->sql("INSERT INTO signing_keys (kid, public_key, sealed, signs_at) SELECT 'ffffffffffff', public_key, sealed, now() FROM signing_keys");
    ok(wait_for(sub { $cp->log =~ /ffffffffffff: none of the keys/ }, 20, 'the log'), 'a copy in another row does not open');
    my $bob = $cp->register('bob');
    is($cp->request(GET => '/auth/tokens', token => $bob->{token})->status, 200, 'the good key goes on');
    $cp->sql("DELETE FROM signing_keys WHERE kid = 'ffffffffffff'");

    # one bit
    (my $bad = $text) =~ s/(.)$/$1 eq 'A' ? 'Q' : 'A'/e;
    $cp->sql("UPDATE signing_keys SET sealed = '$bad'");
    $cp->stop;
    write_file($file, key('k2'));
    $cp->sql("UPDATE signing_keys SET sealed = '$text'");
    $cp->start;
    ok(wait_for(sub { $cp->log =~ /none of the keys in secret_key opens it/ }, 20, 'the log'), 'another key of the same name does not open it');
    is($cp->request(POST => '/auth/login', json => { login => 'bob', password => 'a long enough password' })->status, 503,
        'nothing is signed by then') ;
    is($cp->request(GET => '/auth/tokens', token => $bob->{token})->status, 200, 'what was signed is still verified');
};

$cp->finish;
done_testing;
