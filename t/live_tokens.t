#!/usr/bin/perl

# A playing stream behind tokens, with stock nginx's proxy_cache in front: real
# players, one request to the origin for many viewers, no secret in any log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::Stream;
use Live::Token;

my $signer = Live::Token->new('EdDSA', kid => 'e1');
my $key = 'k' . join '', map { ('a' .. 'z', 0 .. 9)[ rand 36 ] } 1 .. 40;

my $ng = Live::Nginx->new(log_level => 'debug', files => {
    'jwks.json' => Live::Token::jwks($signer),
    'streams' => Live::Token::stream_keys(show => $key),
}, conf => <<'EOC');
live { live_store %%STORE%% 64m; live_segment 1s; live_part 200ms; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp;
             live_publish_auth token; live_stream_keys %%DIR%%/streams; }
}
http {
    %%HTTP%%
    live_token_keys %%DIR%%/jwks.json;
    proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;
    log_format origin '$request_uri';

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token on; }
        location /named/ { live_hls; live_token on stream=$arg_s; }
        location /status { live_status; live_token off; }
    }
    server {
        listen 127.0.0.1:%%PORT_origin%%;
        access_log %%DIR%%/logs/origin.log origin;
        location /live/  { live_hls; live_token off; }
    }
    server {
        listen 127.0.0.1:%%PORT_cdn%%;
        location /live/ {
            live_token on;
            proxy_pass http://127.0.0.1:%%PORT_origin%%;
            proxy_cache cache;
            proxy_cache_key $live_uri;
            proxy_cache_lock on;
        }
    }
}
EOC

chmod 0644, map { $ng->dir . "/$_" } qw(jwks.json streams);
$ng->start;

my $enc = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/%s',
    $ng->port('rtmp'), $key), media => Live::Encoder::media(gop => 25));
my $v = Live::Stream->new($ng, 'http', 'show');
ok($v->wait_live, 'published with a stream key') or diag($enc->log, $ng->tail);

my @token = map { $signer->token(stream => 'show', sub => "viewer$_") } 1, 2;
my $expired = $signer->token(stream => 'show', exp => 1);
my $other = $signer->token(stream => 'elsewhere');

sub play {
    my ($port, $token) = @_;
    my $url = sprintf 'http://127.0.0.1:%d/live/~%s/show/index.m3u8',
        $ng->port($port), $token;

    return scalar `ffmpeg -nostdin -hide_banner -v info -i $url -t 1 -f null - 2>&1`;
}

like(play(http => $token[0]), qr/Video: h264.*frame=/s, 'ffmpeg plays with a token in the path');
is($ng->get('http', '/live/show/index.m3u8')->status, 401, 'no token: 401');
is($ng->get('http', "/live/~$expired/show/index.m3u8")->status, 401, 'expired: 401');
is($ng->get('http', "/live/~$other/show/index.m3u8")->status, 403, "another stream's: 403");

is($ng->get('http', "/named/~$other/show/index.m3u8?s=elsewhere")->status, 403,
    "stream= does not open another stream's path");
is($ng->get('http', "/named/~$token[0]/show/index.m3u8?s=show")->status, 200,
    'stream= that is the path\'s');

my ($part) = $ng->get('http', "/live/~$token[0]/show/muxed/index.m3u8")->body
    =~ /#EXT-X-PART:.*URI="([^"]+)"/;
my %status;

for (1 .. 4) {
    $status{ join ' ', map { $ng->get('http', $_)->status }
        "/named/~$token[0]/show/muxed/$part?s=show",
        "/named/~$other/show/muxed/$part?s=elsewhere",
        "/live/~$other/show/muxed/$part", "/live/show/muxed/$part" }++;
}

is(join(', ', sort keys %status), '200 403 403 401',
    'a part that others just had is for nobody else');

my $res = $ng->get('http', '/live/show/muxed/index.m3u8', headers => {
    Authorization => "Bearer $token[0]" });
is($res->status, 200, 'a token in the header');
unlike($res->body, qr/\Q$token[0]\E/, 'never inside a playlist');

my $pl = Live::Stream::parse($res->body);
my $path = "show/muxed/$pl->{segments}[-1]{uri}";
my @body = map { $ng->get('cdn', "/live/~$_/$path") } @token;

is($_->status, 200, 'a segment through the cache') for @body;
ok($body[0]->body eq $body[1]->body && length $body[0]->body > 1000,
    'the same bytes for both viewers');
is(scalar(my @asked = $ng->log_grep(qr{/\Q$path\E$}, 'origin.log')), 1,
    'the origin was asked once');
is($ng->get('cdn', "/live/$path")->status, 401, 'without a token the cache gives nothing');

like(play(cdn => $token[1]), qr/Video: h264.*frame=/s, 'ffmpeg plays through the cache');

$enc->stop;
ok(wait_for(sub { ($v->status->{state} // '') eq 'ended' }, 10), 'ended');

$res = $ng->get('origin', '/live/show/muxed/index.m3u8?_HLS_msn='
    . ($pl->{last_msn} + 1000));
is($res->status . ' ' . $res->header('Cache-Control'), '200 max-age=1',
    "its end is not kept under the next stream's names");

# What nginx prints of a request before any module sees it is documented; it
# is at the debug level alone.
my %logs = %{ $ng->all_logs };
my $found = 0;

for my $name (sort keys %logs) {
    for my $line (split /\n/, $logs{$name}) {
        for my $secret ($key, @token) {
            next if index($line, $secret) < 0;
            next if $line =~ /\[debug\].*(?:http request line|http uri|http header|http args|recv|posix_memalign)/;
            $found++ or diag("$name: $line");
        }
    }
}

is($found, 0, 'no key and no token in any log');

$ng->finish;
done_testing;
