package Live::Token;

# Signing keys, tokens, stream keys and node signatures for tests.
#
#   my $key = Live::Token->new('HS256', kid => 'a');    # EdDSA, ES256, HS256
#   $ng->write('keys.json', Live::Token::jwks($key));
#   my $token = $key->token(stream => 'demo');          # can: watch, 60 s
#   my $token = $key->token(stream => 'demo', exp => undef, can => ['chat']);
#   my $bad = $key->token(stream => 'demo', -header => { alg => 'none' });
#
#   $ng->write('stream.keys', Live::Token::stream_keys(demo => 'secret'));
#   my $value = Live::Token::node_header($node_key, GET => '/status');
#
# Core Perl; EdDSA and ES256 are signed by openssl(1).

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use File::Temp qw(tempdir);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

my $JSON = JSON::PP->new->canonical->utf8;

sub new {
    my ($class, $alg, %opt) = @_;
    my $self = bless { alg => $alg, kid => $opt{kid} }, $class;

    if ($alg eq 'HS256') {
        $self->{secret} = $opt{secret} // random_bytes(32);
        return $self;
    }

    $self->{dir} = tempdir('live_token.XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $self->{pem} = "$self->{dir}/key.pem";

    _openssl('genpkey', '-out', $self->{pem}, $alg eq 'EdDSA'
        ? ('-algorithm', 'ed25519')
        : ('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'));

    return $self;
}

sub random_bytes {
    my ($n) = @_;

    open my $fh, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read($fh, my $bytes, $n) == $n or die "/dev/urandom: $!\n";

    return $bytes;
}

# The key as a JSON Web Key (a hash; public part only, where there is one).
sub jwk {
    my ($self) = @_;
    my %jwk = defined $self->{kid} ? (kid => $self->{kid}) : ();

    if ($self->{alg} eq 'HS256') {
        return { %jwk, kty => 'oct', k => encode_base64url($self->{secret}) };
    }

    my $der = _openssl('pkey', '-in', $self->{pem}, '-pubout', '-outform',
        'DER');

    if ($self->{alg} eq 'EdDSA') {
        return { %jwk, kty => 'OKP', crv => 'Ed25519',
            x => encode_base64url(substr $der, -32) };
    }

    return { %jwk, kty => 'EC', crv => 'P-256',
        x => encode_base64url(substr $der, -64, 32),
        y => encode_base64url(substr $der, -32) };
}

# A key file's text.
sub jwks { return $JSON->encode({ keys => [ map { $_->jwk } @_ ] }) }

# A signed token. Defaults: can watch, exp in 60 s; an undef claim is left
# out. -header replaces the header, -claims (a string) the claims.
sub token {
    my ($self, %claims) = @_;
    my $header = delete $claims{-header} // {
        alg => $self->{alg},
        typ => 'JWT',
        defined $self->{kid} ? (kid => $self->{kid}) : (),
    };
    my $text = delete $claims{-claims};

    %claims = (can => ['watch'], exp => time() + 60, %claims);
    delete $claims{$_} for grep { !defined $claims{$_} } keys %claims;

    my $input = encode_base64url($JSON->encode($header)) . '.'
        . encode_base64url($text // $JSON->encode(\%claims));

    return $input . '.' . encode_base64url($self->_sign($input));
}

sub _sign {
    my ($self, $input) = @_;

    return hmac_sha256($input, $self->{secret}) if $self->{alg} eq 'HS256';

    my $file = "$self->{dir}/input";
    open my $fh, '>:raw', $file or die "$file: $!\n";
    print $fh $input;
    close $fh;

    if ($self->{alg} eq 'EdDSA') {
        return _openssl('pkeyutl', '-sign', '-rawin', '-inkey', $self->{pem},
            '-in', $file);
    }

    my $der = _openssl('dgst', '-sha256', '-sign', $self->{pem}, $file);

    # SEQUENCE { INTEGER r, INTEGER s }, both to 32 bytes
    my ($r, $s) = unpack 'x2 x C/a x C/a', $der;

    return join '', map { substr(("\0" x 32) . $_, -32) } $r, $s;
}

sub _openssl {
    my (@args) = @_;

    open my $fh, '-|', 'openssl', @args or die "openssl: $!\n";
    binmode $fh;
    my $out = do { local $/; <$fh> } // '';
    close $fh or die "openssl @args failed\n";

    return $out;
}

# A file for live_stream_keys, from pairs of stream id and key.
sub stream_keys {
    my (@pairs) = @_;
    my $text = "# stream keys of a test\n";

    while (my ($id, $key) = splice @pairs, 0, 2) {
        $text .= "$id " . sha256_hex($key) . "\n";
    }

    return $text;
}

# The value of the Authorization header for live_node_key. Options: time,
# nonce (32 hexadecimal digits).
sub node_header {
    my ($key, $method, $target, %opt) = @_;
    my $time = $opt{time} // time();
    my $nonce = $opt{nonce} // unpack 'H*', random_bytes(16);
    my $mac = hmac_sha256_hex(
        "live-node-1\n$method\n$target\n$time\n$nonce\n", $key);

    return "Live-Node $time:$nonce:$mac";
}

1;
