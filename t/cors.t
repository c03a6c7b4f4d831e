#!/usr/bin/perl
# CORS headers on every status, whoever made the answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Live::Nginx;
use Live::Token;

my $key = Live::Token->new('HS256', kid => 'k');

my $ng = Live::Nginx->new(workers => 2, files => {
    'keys.json' => Live::Token::jwks($key),
    'html/live/demo/index.m3u8' => "playlist\n",
    'html/plain/x' => "plain\n",
    'html/err.html' => "error page\n",
}, conf => <<'EOC');
live { live_store %%STORE%% 64m; }

http {
    %%HTTP%%

    live_token_keys keys.json;
    limit_req_zone $server_port zone=one:32k rate=1r/m;

    server {
        listen 127.0.0.1:%%PORT_http%%;

        location /hls/     { live_hls; live_token off; }
        location /live/    { live_token on; }
        location /page/    { live_token on; error_page 401 404 /err.html; }
        location /limited/ { live_hls; live_token off; limit_req zone=one; }
        location /denied/  { live_hls; live_token off; deny all; }
        location /listed/  { live_hls; live_token off;
                             live_cors https://a.example https://b.example:8443; }
        location /off/     { live_hls; live_token off; live_cors off; }
        location /nocookie/ { live_token on; live_token_cookie off; }
        location /proxied/ { live_token on; proxy_pass http://127.0.0.1:%%PORT_origin%%; }
        location /bad/     { live_token on; proxy_pass http://127.0.0.1:%%PORT_dead%%; }
        location /plain/   { }
    }

    server {
        listen 127.0.0.1:%%PORT_origin%%;
        add_header Access-Control-Allow-Origin https://of.the.origin;
        add_header Access-Control-Allow-Methods PUT;
        location / { return 200 "origin\n"; }
    }
}
EOC

$ng->start;

my $page = 'https://player.example';
my $token = $key->token(stream => 'demo');

sub get {
    my ($path, %opt) = @_;
    my %headers = (Origin => $page, %{ delete $opt{headers} // {} });

    return $ng->get('http', $path, headers => \%headers, %opt);
}

sub allows {
    my ($res, $status, $origin, $credentials, $vary, $name) = @_;

    subtest $name => sub {
        is($res->status, $status, 'status');
        is_deeply([ $res->headers('Access-Control-Allow-Origin') ],
            defined $origin ? [$origin] : [], 'Allow-Origin, once');
        is($res->header('Access-Control-Allow-Credentials'), $credentials ? 'true' : undef,
            'Allow-Credentials');
        is(scalar(grep { /\bOrigin\b/ } $res->headers('Vary')), $vary, 'Vary: Origin');
        like($res->header('Access-Control-Expose-Headers') // '', qr/\bDate\b/, 'Expose-Headers')
            if defined $origin;
    };
}

# Without tokens: one answer for all pages.

allows(get('/hls/none/index.m3u8'), 404, '*', 0, 0, '404 of a handler');
allows(get('/hls/none/index.m3u8', headers => { Origin => undef }), 404, '*', 0, 0, 'without an Origin');
allows(get('/denied/x/y'), 403, '*', 0, 0, '403 of an access rule');
get('/limited/x/y');
allows(get('/limited/x/y'), 503, '*', 0, 0, '503 of limit_req');
allows(get('/hls/none/index.m3u8', method => 'DELETE'), 405, '*', 0, 0, 'status 405');

# A token in the path: likewise.

allows(get("/live/~$token/demo/index.m3u8"), 200, '*', 0, 0, '200, token in the path');
allows(get("/live/~$token/demo/none"), 404, '*', 0, 0, '404, token in the path');
allows(get('/live/~' . 'x' x 60 . '/demo/none'), 401, '*', 0, 0, '401, bad token in the path');

{
    my $modified = get("/live/~$token/demo/index.m3u8")->header('Last-Modified');
    allows(get("/live/~$token/demo/index.m3u8", headers => { 'If-Modified-Since' => $modified }),
        304, '*', 0, 0, 'status 304');
    allows(get("/live/~$token/demo/index.m3u8", headers => { Range => 'bytes=2-3' }), 206, '*', 0, 0, 'status 206');
    allows(get("/live/~$token/demo/index.m3u8", headers => { Range => 'bytes=200-' }), 416, '*', 0, 0, 'status 416');
}

# On a plain path the cookie may be the key: the page's own origin.

allows(get('/live/demo/index.m3u8', headers => { Cookie => "live_token=$token" }), 200, $page, 1, 1,
    'a cookie');
allows(get('/live/demo/index.m3u8'), 401, $page, 1, 1, '401 without a token');
allows(get('/live/demo/index.m3u8', headers => { Origin => undef, Cookie => "live_token=$token" }), 200,
    '*', 0, 1, 'a cookie without an Origin');
allows(get("/live/demo/index.m3u8?token=$token"), 302, $page, 1, 1, 'status 302');
allows(get('/nocookie/demo/index.m3u8'), 401, '*', 0, 0, 'cookies are off: one answer for all');

# Error pages and upstreams.

allows(get('/page/demo/x'), 401, $page, 1, 1, '401 with an error page');
is(get('/page/demo/x')->body, "error page\n", 'which it is');
allows(get("/page/~$token/demo/x"), 404, '*', 0, 0, '404 with an error page');
allows(get("/proxied/~$token/demo/x"), 200, '*', 0, 0, 'in place of what an upstream says');
is(get("/proxied/~$token/demo/x")->header('Access-Control-Allow-Methods'), undef,
    'and nothing of that is left');
allows(get("/bad/~$token/demo/x"), 502, '*', 0, 0, 'status 502');

# Lists.

allows(get('/listed/x/y', headers => { Origin => 'https://a.example' }), 404, 'https://a.example', 0, 1,
    'a listed origin');
allows(get('/listed/x/y', headers => { Origin => 'https://b.example:8443' }), 404,
    'https://b.example:8443', 0, 1, 'another one');
allows(get('/listed/x/y', headers => { Origin => 'https://b.example' }), 404, undef, 0, 1, 'another port');
allows(get('/listed/x/y', headers => { Origin => 'https://a.example.evil' }), 404, undef, 0, 1, 'a longer one');
allows(get('/listed/x/y', headers => { Origin => undef }), 404, undef, 0, 1, 'none');
allows(get('/off/x/y'), 404, undef, 0, 0, 'live_cors off');
allows(get('/plain/x'), 200, undef, 0, 0, 'a location that is not live');

# Preflight requests carry no token.

sub preflight {
    my ($path, %headers) = @_;

    return get($path, method => 'OPTIONS', headers => {
        'Access-Control-Request-Method' => 'GET',
        'Access-Control-Request-Headers' => 'authorization, range', %headers });
}

subtest 'preflight' => sub {
    my $res = preflight('/live/demo/index.m3u8');

    allows($res, 204, $page, 1, 1, 'in a location with live_token on');
    like($res->header('Access-Control-Allow-Headers'), qr/\bAuthorization\b.*\bRange\b/, 'headers');
    like($res->header('Access-Control-Allow-Methods'), qr/\bGET\b/, 'methods');
    is($res->header('Access-Control-Max-Age'), 86400, 'for a day');
    is($res->body, '', 'no body');

    allows(preflight('/hls/demo/index.m3u8'), 204, '*', 0, 0, 'with live_token off');
    allows(preflight('/denied/demo/index.m3u8'), 204, '*', 0, 0, 'behind an access rule');
    allows(preflight('/listed/x/y', Origin => 'https://a.example'), 204, 'https://a.example', 0, 1,
        'a listed origin');
    isnt(preflight('/off/x/y')->status, 204, 'not with live_cors off');
    is(get('/live/demo/x', method => 'OPTIONS')->status, 401, 'not any OPTIONS');
};

$ng->finish;
done_testing;
