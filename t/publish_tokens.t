#!/usr/bin/perl
# live_publish_auth token: stream keys and tokens, wherever encoders put them,
# and that none of them gets into a log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Token;

my $signer = Live::Token->new('EdDSA', kid => 'k');
my $stranger = Live::Token->new('EdDSA', kid => 'k');

# as openssl rand -hex 20 makes them; the last has what needs to be encoded
my ($key, $spare, $other, $odd) = map { unpack 'H*', Live::Token::random_bytes(20) } 1 .. 4;
$odd = "a&b=$odd+c d%";

my $ng = Live::Nginx->new(workers => 2, log_level => 'debug', files => {
    'stream.keys' => Live::Token::stream_keys(demo => $key, demo => $spare, other => $other, odd => $odd),
    'keys.json' => Live::Token::jwks($signer),
}, conf => <<'EOC');
live { live_store %%STORE%% 128m; }

stream {
    log_format all '$remote_addr $live_stream $live_reason';
    access_log %%DIR%%/logs/stream.log all;

    live_stream_keys stream.keys;
    live_token_keys keys.json;

    server { listen 127.0.0.1:%%PORT_both%%; live_rtmp; }
    server { listen 127.0.0.1:%%PORT_keys%%; live_rtmp; live_token_keys off; }
    server { listen 127.0.0.1:%%PORT_tokens%%; live_rtmp; live_stream_keys off; }
    server { listen 127.0.0.1:%%PORT_limit%%; live_rtmp; }
}
EOC

$ng->start;

my @secrets = ($key, $spare, $other, $odd);
my $from = 2;               # wrong keys are counted by address: each its own

# Publishes and gives up: (code, description).
sub publish {
    my ($port, $name, %opt) = @_;
    my $c = Live::RTMP->new(port => $ng->port($port), timeout => 10,
        from => $opt{from} // '127.0.' . int($from / 250) . '.' . ($from++ % 250 + 1));

    $c->handshake;
    $c->connect_app($opt{app} // 'live', $opt{tcUrl} ? (tcUrl => $opt{tcUrl}) : ());
    $c->create_stream;

    my $code = $c->publish($name);
    my $text = $c->{status}{description};

    $c->close;

    return ($code, $text);
}

sub accepted {
    my ($want, $name, $title, %opt) = @_;
    my $before = () = $ng->log_text('stream.log') =~ /^\S+ \Q$want\E /mg;
    my ($code, $text) = publish($opt{port} // 'both', $name, %opt);

    is($code, 'NetStream.Publish.Start', $title) or diag($text);
    ok(wait_for(sub { (() = $ng->log_text('stream.log') =~ /^\S+ \Q$want\E /mg) > $before }, 10,
        "$want in the log"), "$title: it is stream \"$want\"");
}

sub refused {
    my ($name, $why, $title, %opt) = @_;
    my ($code, $text) = publish($opt{port} // 'both', $name, %opt);

    is($code, 'NetStream.Publish.BadName', "refused: $title");
    like($text, $why, "and told why: $title");
}

sub token {
    my (%claims) = @_;
    my $t = $signer->token(can => ['publish'], %claims);

    push @secrets, $t;
    return $t;
}

sub encoded {
    my ($text) = @_;

    return join '', map { sprintf '%%%02x', ord } split //, $text;
}

# --- stream keys

accepted('demo', $key, 'a key as the name');
accepted('demo', $spare, 'the other key of the stream');
accepted('demo', "demo?key=$key", 'a key in the query of the name');
accepted('demo', "demo?token=$key", 'a key that is called token');
accepted('demo', "demo?a=b&key=$key&c", 'a key among other arguments');
accepted('demo', 'demo', 'a key in the query of the application', app => "live?key=$key");
accepted('demo', 'demo', 'a key in the query of tcUrl', tcUrl => "rtmp://127.0.0.1/live?key=$key");
accepted('demo', "demo?key=$key", 'the name counts more than tcUrl',
    tcUrl => "rtmp://127.0.0.1/live?key=wrong");
accepted('odd', 'odd?key=' . encoded($odd), 'a key with odd characters, encoded');
accepted('demo', $key, 'where only keys are taken', port => 'keys');

refused('demo', qr/key is not known/, 'only a name');
refused("wrong?key=", qr/key is not known/, 'an empty key');
refused("x$key", qr/key is not known/, 'a wrong key');
refused(uc $key, qr/key is not known/, 'a key in capitals');
refused("demo?key=x$key", qr/key is not known/, 'a wrong key in the query');
refused("other?key=$key", qr/key is for another stream/, "another stream's name");
refused($key, qr/key is not known/, 'a key where only tokens are taken', port => 'tokens');
refused('x' x 1900, qr/key is not known/, 'a long name');

# --- tokens

accepted('demo', token(stream => 'demo'), 'a token as the name');
accepted('demo', 'demo?token=' . token(stream => 'demo'), 'a token in the query');
accepted('demo', 'demo?key=' . token(stream => 'demo'), 'a token that is called key');
accepted('live-7', 'live-7?token=' . token(stream => '*'), 'a token for any stream');
accepted('b', 'b?token=' . token(stream => ['a', 'b']), 'a token for two streams');
accepted('demo', 'demo', 'a token in the query of tcUrl',
    tcUrl => 'rtmp://127.0.0.1/live?token=' . token(stream => 'demo'));
accepted('demo', token(stream => 'demo', ip => '127.0.0.0/8'), 'a token for this network');
accepted('demo', token(stream => 'demo'), 'where only tokens are taken', port => 'tokens');

refused(token(stream => ['a', 'b']), qr/several streams/, 'a token for two streams as the name');
refused(token(stream => '*'), qr/several streams/, 'a token for any stream as the name');
refused('demo?token=' . token(stream => 'other'), qr/another stream/, 'for another stream');
refused(token(stream => 'demo', can => ['watch']), qr/does not allow/, 'only to watch');
refused(token(stream => 'demo', exp => time() - 60), qr/has expired/, 'expired');
refused(token(stream => 'demo', nbf => time() + 60), qr/not valid yet/, 'not yet valid');
refused(token(stream => 'demo', ip => '10.0.0.0/8'), qr/another address/, 'for another address');
refused(token(stream => 'demo', -header => { alg => 'none' }), qr/algorithm/, 'alg none');
push @secrets, $stranger->token(stream => 'demo', can => ['publish']);
refused($secrets[-1], qr/signature is not valid/, 'signed by a stranger');
refused(token(stream => 'demo'), qr/key is not known/, 'a token where only keys are taken', port => 'keys');
refused('a.b.c', qr/malformed/, 'garbage with two dots');
refused('demo?token=' . token(stream => '*', -claims => '{}'), qr/malformed/, 'no claims');

# --- names

refused("de..mo?key=" . token(stream => '*'), qr/name is not valid/, 'a name that is no stream');

# --- limits

subtest 'wrong keys are limited by address' => sub {
    my @at = (from => '127.1.1.1');
    my $text = '';

    for (1 .. 40) {
        (my $code, $text) = publish('limit', "wrong$_", @at);
        last if $text =~ /Too many wrong keys/;
    }

    like($text, qr/Too many wrong keys/, 'after some wrong ones');

    # each worker counts by itself
    my @codes = map { (publish('limit', $key, @at))[0] } 1 .. 3;
    ok(1, "a good one meanwhile: @codes");
    is((publish('limit', $key, from => '127.1.1.2'))[0], 'NetStream.Publish.Start',
        'another address is not concerned');
};

# --- a new key without a reload

subtest 'a key is added, another goes' => sub {
    my $fresh = unpack 'H*', Live::Token::random_bytes(20);

    push @secrets, $fresh;
    $ng->write('new', Live::Token::stream_keys(demo => $fresh));
    rename "$ng->{dir}/new", "$ng->{dir}/stream.keys";

    ok(wait_for(sub { $ng->log_grep(qr/stream\.keys" was loaded again/) >= 2 }, 10, 'both workers'),
        'read again');
    is((publish('both', $fresh))[0], 'NetStream.Publish.Start', 'the new one works');
    is((publish('both', $key))[0], 'NetStream.Publish.BadName', 'the old one does not');
};

# --- secrets

$ng->stop;

my $logs = $ng->all_logs;

ok($logs->{'stream.log'} && $logs->{'error.log'} =~ /\[debug\]/, 'there are logs, at the debug level');

for my $name (sort keys %$logs) {
    my @found = grep { my $line = $_; grep { index($line, $_) >= 0
        || index($line, encoded($_)) >= 0 } @secrets } split /\n/, $logs->{$name};

    ok(!@found, "no key, no token in $name") or diag(join "\n", map { substr $_, 0, 200 } @found);
}

# --- configuration

{
    my $bad = Live::Nginx->new(workers => 1, conf => <<'EOC', files => { keys => "demo secret\n" });
live { live_store %%STORE%% 64m; }
stream { server { listen 127.0.0.1:%%PORT_x%%; live_rtmp; } }
EOC
    my ($rc, $out) = $bad->test_conf;
    like($out, qr/needs "live_stream_keys" or "live_token_keys"/, 'no keys: nginx does not start open');

    $bad->conf($bad->{conf} =~ s/live_rtmp;/live_rtmp; live_stream_keys keys;/r);
    ($rc, $out) = $bad->test_conf;
    ok($rc != 0, 'a file with a key in it is refused');
    like($out, qr/keys", line 1: no SHA-256 of 64/, 'and the line is named');
    unlike($out, qr/secret/, 'but not shown');
}

$ng->finish;
done_testing;
