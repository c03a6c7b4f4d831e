#!/usr/bin/perl

# The load tool for installations: viewers of a real stream and chat members,
# over TLS, by name, with tokens; and what it says when things are not well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for repo_dir);
use Live::Token;

my $tool = ($ENV{BUILD} // repo_dir() . '/build') . '/tools/live_load';
my $key = Live::Token->new('HS256', kid => 'a');

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC');
live { live_store %%STORE%% 64m; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
    server { listen 127.0.0.1:%%PORT_apart%%; live_rtmp; live_publish_auth off;
             live_muxed off; }
}
http {
    %%HTTP%%
    live_token_keys %%DIR%%/keys.json;
    ssl_certificate %%DIR%%/cert.pem;
    ssl_certificate_key %%DIR%%/key.pem;

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token off; }
        location /chat/ { live_chat; live_token off; }
        location /slow/ { live_chat; live_token off;
                          live_chat_rate 1r/s burst=1; }
    }
    server {
        listen 127.0.0.1:%%PORT_https%% ssl;
        location /live/ { live_hls; live_token on; }
        location /chat/ { live_chat; live_token on; }
    }
}
EOC

system('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes '
    . '-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost '
    . '-keyout ' . $ng->dir . '/key.pem -out ' . $ng->dir
    . '/cert.pem 2> /dev/null') == 0 or die "no certificate\n";
$ng->write('keys.json', Live::Token::jwks($key));
$ng->start;

my $enc = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/a',
    $ng->port('rtmp')), media => Live::Encoder::media(seconds => 20));

my $apart = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/b',
    $ng->port('apart')), media => Live::Encoder::media(seconds => 20));

for my $track ('a/muxed', 'b/v0') {
    ok(wait_for(sub {
        my $res = $ng->get('http', "/live/$track/index.m3u8");
        return $res->status == 200 && (() = $res->body =~ /^#EXTINF/mg) >= 3;
    }, 20), "$track is live") or diag($enc->log, $ng->tail);
}

# The exit status, the summary's numbers, and all that it said.
sub load {
    my (@args) = @_;
    my $text = qx{@{[ join ' ', map { "'$_'" } $tool, @args ]} 2>&1};
    my ($line) = $text =~ /^(seconds=.*)$/m;

    return ($? >> 8, { map { split /=/ } split ' ', $line // '' }, $text);
}

sub url {
    my ($scheme, $path, $host) = @_;

    return "$scheme://" . ($host // 'localhost') . ':'
        . $ng->port($scheme =~ /tps|wss/ ? 'https' : 'http') . $path;
}

{
    my ($status, $got, $text) = load('-V', url('http', '/live/a/index.m3u8'),
        '-v', 20, '-C', url('ws', '/chat/a'), '-c', 30, '-m', 10, '-e', 20,
        '-t', 3, '-r', 1);

    is($got->{errors}, 0, 'all is well') or diag($text, $ng->tail);
    is($status, $got->{stalls} ? 1 : 0, 'and the exit status says so');
    cmp_ok($got->{parts}, '>=', 20 * 5, 'viewers had their parts');
    cmp_ok($got->{accepted}, '>=', 20, 'messages were accepted');
    is($got->{delivered}, 30 * $got->{accepted}, 'each reached every member');
    is($got->{missing} + $got->{doubled}, 0, 'none is missing or came twice');
    cmp_ok($got->{reactions}, '>=', 40, 'reactions were sent');
    like($text, qr/viewers 20: .* members 30: /, 'a line for each second');
}

{
    my $token = $key->token(stream => 'b', can => ['watch', 'chat'],
        sub => 'u1', name => 'Ann');
    my @args = ('-V', url('https', '/live/b/index.m3u8'), '-v', 3, '-C',
        url('wss', '/chat/b'), '-c', 4, '-m', 1, '-t', 3, '-r', 0.5);

    $ng->write('tokens', "$token\n$token\n");

    local $ENV{SSL_CERT_FILE} = $ng->dir . '/cert.pem';
    my ($status, $got, $text) = load(@args, '-T', '@' . $ng->dir . '/tokens',
        '-q');

    is($got->{errors}, 0, 'over TLS, with tokens of a file, of a certificate that is '
        . 'checked') or diag($text, $ng->tail);
    cmp_ok($got->{parts}, '>=', 2 * 3 * 5, 'video and audio apart: both');
    is($got->{delivered}, 4 * $got->{accepted}, 'and chat');

    ($status, $got, $text) = load(@args, '-t', 1);
    is($status, 1, 'without a token: exit status 1');
    like($text, qr/not 200: HTTP\/1\.1 401/, 'what viewers were told');

    delete $ENV{SSL_CERT_FILE};
    ($status, $got, $text) = load(@args, '-t', 1, '-T', $token);
    like($text, qr/no connection/, 'a certificate that nobody vouches for is '
        . 'refused');
    ($status, $got, $text) = load(@args, '-T', $token, '-k');
    cmp_ok($got->{parts}, '>', 0, 'unless that is asked for')
        or diag($text);
}

{
    my ($status, $got, $text) = load('-C', url('ws', '/slow/a'), '-c', 2, '-m',
        20, '-t', 1, '-r', 0.5);

    cmp_ok($got->{refused}, '>', 5, 'what the server refuses is counted');
    like($text, qr/refused: .*rate_limited/, 'and its reason told');
    is($got->{missing}, 0, 'and is not missing');
}

$_->stop for $enc, $apart;
$ng->stop;
done_testing;
