#!/usr/bin/perl
# Viewer tokens in front of static files and of proxy_pass.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);

use Live::Nginx qw(wait_for);
use Live::Token;

my $hs = Live::Token->new('HS256', kid => 'hs');
my $ed = Live::Token->new('EdDSA', kid => 'ed');
my $es = Live::Token->new('ES256', kid => 'es');
my $next = Live::Token->new('EdDSA', kid => 'next');
my $stranger = Live::Token->new('EdDSA', kid => 'ed');

my $ng = Live::Nginx->new(workers => 2, files => {
    'keys.json' => Live::Token::jwks($hs, $ed, $es),
    'html/live/demo/index.m3u8' => "playlist of demo\n",
    'html/live/other/index.m3u8' => "playlist of other\n",
    'html/401.html' => "the operator's own page\n",
}, conf => <<'EOC');
http {
    %%HTTP%%

    live_token_keys keys.json;
    log_format status '$live_token_status|$live_token_sub|$live_token_jti|$live_uri';
    log_format origin '$request_uri|$http_authorization|$http_cookie';
    access_log %%DIR%%/logs/status.log status;
    proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;

    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen [::1]:%%PORT_http%%;

        location /live/     { live_token on; }
        location /open/     { live_token off; alias %%DIR%%/html/live/; }
        location /chat/     { live_token on can=chat; alias %%DIR%%/html/live/; }
        location /both/     { live_token on can=watch,chat; alias %%DIR%%/html/live/; }
        location /noslash   { live_token on; alias %%DIR%%/html/live; }
        location /nocookie/ { live_token on; live_token_cookie off; alias %%DIR%%/html/live/; }
        location /cookie/   { live_token on; live_token_cookie t2; alias %%DIR%%/html/live/; }

        location ~ ^/re/(?<id>[^/]+)/ {
            live_token on stream=$id;
            proxy_pass http://127.0.0.1:%%PORT_origin%%;
        }

        location /page/ {
            live_token on;
            error_page 401 /401.html;
        }

        location /any/ {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            live_token on;
            alias %%DIR%%/html/live/;
        }

        location /cached/ {
            live_token on;
            proxy_pass http://127.0.0.1:%%PORT_origin%%;
            proxy_cache cache;
            proxy_cache_key $live_uri;
            proxy_cache_valid 200 1m;
        }

        location /handed/ {
            live_token on;
            proxy_pass http://127.0.0.1:%%PORT_origin%%;
            proxy_set_header Authorization "Bearer $live_token";
        }

        location /real/ {
            live_token on;
            alias %%DIR%%/html/live/;
            set_real_ip_from 127.0.0.1;
            real_ip_header X-Real-IP;
        }

        rewrite ^/short/(.*)$ /live/$1 last;
    }

    server {
        listen 127.0.0.1:%%PORT_origin%%;
        access_log %%DIR%%/logs/origin.log origin;
        location / {
            default_type text/plain;
            return 200 "origin: $request_uri auth=[$http_authorization] cookie=[$http_cookie]\n";
        }
    }
}
EOC

$ng->start;

my $file = '/live/demo/index.m3u8';

sub with_path  { my ($t, $rest) = @_; return '/live/~' . $t . ($rest // '/demo/index.m3u8') }
sub by_header  { my ($t, $path) = @_; return $ng->get('http', $path // $file,
    headers => { Authorization => "Bearer $t" }) }

sub refused {
    my ($res, $status, $title, $name) = @_;

    subtest $name => sub {
        is($res->status, $status, 'status');
        like($res->body, qr/^\{"status":$status,"title":"\Q$title\E","detail":"[A-Z][^"]+\."\}\n$/,
            'a short clear body');
        is($res->header('Content-Type'), 'application/problem+json', 'type');
        is($res->header('Cache-Control'), 'no-store', 'never cached');
        ok($res->header('Access-Control-Allow-Origin'), 'CORS');

        like($res->header('WWW-Authenticate') // '', qr/^Bearer realm="live"/,
            'a challenge') if $status == 401 || $status == 403;
    };
}

# --- accepted

my $token = $ed->token(stream => 'demo', sub => 'u1', jti => 'j1');

subtest 'a good token is accepted wherever it stands' => sub {
    my $res = $ng->get('http', with_path($token));
    is($res->status, 200, 'path');
    is($res->body, "playlist of demo\n", 'the file behind it');

    is(by_header($token)->body, "playlist of demo\n", 'header');

    $res = $ng->get('http', $file, headers => { Cookie => "a=b; live_token=$token; c=d" });
    is($res->body, "playlist of demo\n", 'cookie');

    $res = $ng->get('http', "$file?_HLS_msn=7&token=$token&_HLS_part=2");
    is($res->status, 302, 'query: redirected');
    is($res->header('Location'), with_path($token) . '?_HLS_msn=7&_HLS_part=2', 'to the path');
    is($res->header('Cache-Control'), 'private, no-store', 'for nobody else');
    is($res->body, '', 'no body');
    is($ng->get('http', $res->header('Location'))->body, "playlist of demo\n", 'which works');

    is($ng->get('http', "$file?token=$token", method => 'HEAD')->status, 302, 'HEAD likewise');
};

for my $key ($hs, $ed, $es) {
    my $bare = $key->token(stream => 'demo', -header => { alg => $key->{alg} });

    is(by_header($key->token(stream => 'demo'))->status, 200, "$key->{alg} with a kid");
    is(by_header($bare)->status, 200, "$key->{alg} without a kid");
}

is(by_header($ed->token(stream => '*'))->status, 200, 'any stream');
is(by_header($ed->token(stream => ['x', 'demo']))->status, 200, 'a list of streams');
is(by_header($ed->token(stream => 'demo', can => 'chat watch'))->status, 200, 'can as words');
is(by_header($ed->token(stream => 'demo', ip => '127.0.0.0/8'))->status, 200, 'this address');
is($ng->get('http', '/open/demo/index.m3u8')->status, 200, 'live_token off');
is($ng->get('http', "/open/~$token/demo/index.m3u8")->status, 200,
    'live_token off, and a token all the same');
is($ng->get('http', "/open/demo/index.m3u8?token=$token")->status, 200,
    'live_token off, and a token in the query');
is($ng->get('http', "/live/%7E$token/demo/index.m3u8")->status, 200, 'an encoded ~');
is($ng->get('http', "/short/~$token/demo/index.m3u8")->status, 200, 'behind a rewrite');
is($ng->get('http', "/noslash/~$token/demo/index.m3u8")->status, 200, 'location without a slash');

is($ng->get('http', "/noslash/demo/index.m3u8?token=$token")->header('Location'),
    "/noslash/~$token/demo/index.m3u8", 'redirect in a location without a slash');
is($ng->get('http', "/short/demo/index.m3u8?token=$token")->header('Location'),
    "/~$token/short/demo/index.m3u8", 'redirect of a rewritten URI');
is($ng->get('http', "/~$token/short/demo/index.m3u8")->status, 200, 'which works, too');

is($ng->get('http', "/re/demo/x?token=$token")->header('Location'), "/~$token/re/demo/x",
    'redirect in a regular expression location');
is($ng->get('http', "/re/demo/x?token=$token", method => 'POST', body => 'x')->status, 200,
    'a POST is not redirected');
is($ng->get('http', "$file?token=$token", headers => { Upgrade => 'websocket' })->status, 200,
    'nor is a WebSocket');

# --- refused

my ($h, $c, $s) = split /\./, $token;

refused($ng->get('http', $file), 401, 'none', 'no token');
is($ng->get('http', $file)->header('WWW-Authenticate'), 'Bearer realm="live"',
    'no token: the challenge names no error');
refused($ng->get('http', '/live/~garbage/demo/index.m3u8'), 401, 'malformed', 'garbage in the path');
refused($ng->get('http', '/live/~' . ('x' x 60) . '/demo/index.m3u8'), 401, 'malformed',
    'long garbage in the path');
refused(by_header('garbage'), 401, 'malformed', 'garbage in the header');
refused(by_header("$h.$c"), 401, 'malformed', 'no signature');
refused(by_header("$h.$c."), 401, 'bad signature', 'an empty signature');
refused(by_header($ed->token(stream => 'demo', -claims => 'x')), 401, 'malformed', 'claims that are not JSON');
refused(by_header($ed->token(stream => 'demo', exp => undef)), 401, 'malformed', 'no exp');
refused(by_header($ed->token(stream => 'demo', exp => time() - 60)), 401, 'expired', 'expired');
like(by_header($ed->token(stream => 'demo', exp => time() - 60))->header('WWW-Authenticate'),
    qr/error="invalid_token", error_description="The token has expired\."/, 'expired: the challenge says so');
refused(by_header($ed->token(stream => 'demo', nbf => time() + 60)), 401, 'not yet valid', 'not yet valid');
refused(by_header($ed->token(stream => 'other')), 403, 'wrong stream', 'another stream');
refused(by_header($ed->token(stream => 'demo', can => ['chat'])), 403, 'not allowed', 'may only chat');
refused(by_header($ed->token(stream => 'demo', ip => '10.1.2.3')), 403, 'wrong address', 'another address');
refused(by_header($ed->token(stream => 'demo', sub => 'x' x 2000)), 401, 'too large', 'too large');
refused(by_header($ed->token(stream => 'demo', -header => { alg => 'HS256', kid => 'ed' })),
    401, 'wrong algorithm', 'HS256 for an Ed25519 key');
refused(by_header($ed->token(stream => 'demo', -header => { alg => 'none' })), 401,
    'wrong algorithm', 'none');
refused(by_header($ed->token(stream => 'demo', -header => { alg => 'EdDSA', kid => 'x' })), 401,
    'unknown key', 'an unknown key');

refused(by_header($stranger->token(stream => 'demo')), 401, 'bad signature', 'signed by a stranger');
refused($ng->get('http', "$file?token=garbage"), 401, 'malformed', 'garbage in the query');
refused($ng->get('http', $file, headers => { Cookie => 'live_token=garbage' }), 401, 'malformed',
    'garbage in the cookie');
refused($ng->get('http', "/chat/demo/index.m3u8", headers => { Authorization => "Bearer $token" }),
    403, 'not allowed', 'chat with a token to watch');
refused($ng->get('http', "/both/demo/index.m3u8", headers => { Authorization => "Bearer $token" }),
    403, 'not allowed', 'both are needed');
refused($ng->get('http', '/live/'), 404, 'no stream', 'no stream in the path');
refused($ng->get('http', '/live/a%20b/x'), 404, 'no stream', 'not a stream in the path');
refused($ng->get('http', '/nocookie/demo/index.m3u8', headers => { Cookie => "live_token=$token" }),
    401, 'none', 'cookies are off');
is($ng->get('http', '/cookie/demo/index.m3u8', headers => { Cookie => "t2=$token" })->status, 200,
    'a cookie of another name');
is($ng->get('http', $file, headers => { Authorization => 'Basic YTpi' })->status, 401,
    'another scheme is no token');
is($ng->get('http', $file, method => 'HEAD')->body, '', 'HEAD: refused without a body');

is($ng->get('http', '/page/demo/x')->body, "the operator's own page\n", 'error_page works');
is($ng->get('http', '/page/demo/x')->status, 401, 'error_page: the status');
is($ng->get('http', '/any/demo/index.m3u8')->status, 200, 'satisfy any: allowed by address');

# --- the address as nginx knows it

subtest 'ip is compared with the address that realip found' => sub {
    my $t = $ed->token(stream => 'demo', ip => '10.1.2.0/24');

    is($ng->get('http', '/real/demo/index.m3u8', headers => {
        Authorization => "Bearer $t", 'X-Real-IP' => '10.1.2.77' })->status, 200, 'inside');
    is($ng->get('http', '/real/demo/index.m3u8', headers => {
        Authorization => "Bearer $t", 'X-Real-IP' => '10.1.3.77' })->status, 403, 'outside');
};

# --- upstreams

subtest 'an upstream gets neither the token nor a trace of it' => sub {
    my $body = $ng->get('http', "/~$token/re/demo/a%20b?x=1")->body;
    is($body, "origin: /re/demo/a%20b?x=1 auth=[] cookie=[]\n", 'path');

    $body = $ng->get('http', '/re/demo/x', headers => { Authorization => "Bearer $token" })->body;
    is($body, "origin: /re/demo/x auth=[] cookie=[]\n", 'header');

    $body = $ng->get('http', '/re/demo/x', headers => {
        Cookie => "a=b; live_token=$token;c=d" })->body;
    is($body, "origin: /re/demo/x auth=[] cookie=[a=b; c=d]\n", 'cookie; the others stay');

    $body = $ng->get('http', "/handed/~$token/demo/x")->body;
    is($body, "origin: /handed/demo/x auth=[Bearer $token] cookie=[]\n",
        'but $live_token hands it on');
};

subtest 'proxy_cache by $live_uri: two viewers, one request to the origin' => sub {
    my $one = $ed->token(stream => 'demo', sub => 'one');
    my $two = $hs->token(stream => 'demo', sub => 'two');
    my $uri = 'demo/index.m3u8?_HLS_msn=1';

    is($ng->get('http', "/cached/~$one/$uri")->status, 200, 'the first viewer');
    is($ng->get('http', "/cached/~$two/$uri")->status, 200, 'the second viewer');
    is($ng->get('http', "/cached/$uri", headers => { Authorization => "Bearer $two" })->status,
        200, 'the second viewer, token in the header');
    is($ng->get('http', "/cached/$uri")->status, 401, 'no token: refused in spite of the cache');

    my @lines = grep { m{^/cached/} } split /\n/, $ng->log_text('origin.log');
    is_deeply(\@lines, ["/cached/$uri|-|-"], 'the origin was asked once');
};

# --- variables

subtest 'variables' => sub {
    my $t = $hs->token(stream => 'demo', sub => 'user 7', jti => 'abc');

    $ng->get('http', "/live/~$t/demo/index.m3u8?a=b");
    by_header($hs->token(stream => 'demo', exp => 1));

    wait_for(sub { $ng->log_grep(qr/^expired\|/, 'status.log') >= 2 }, 5, 'the log');

    # two workers may write them in either order
    wait_for(sub { $ng->log_grep(qr/user 7/, 'status.log') }, 5, 'the log');
    is(($ng->log_grep(qr/user 7/, 'status.log'))[-1],
        'valid|user 7|abc|/live/demo/index.m3u8?a=b', 'a good token');
    is(($ng->log_grep(qr/^expired/, 'status.log'))[-1],
        'expired|-|-|/live/demo/index.m3u8', 'an expired one');
};

# --- keys

subtest 'a new key works without a reload' => sub {
    my $t = $next->token(stream => 'demo');

    is(by_header($t)->status, 401, 'unknown at first');

    $ng->write('keys.new', Live::Token::jwks($next, $hs));
    rename "$ng->{dir}/keys.new", "$ng->{dir}/keys.json";

    # both workers, so a few times in a row
    ok(wait_for(sub { !grep { by_header($t)->status != 200 } 1 .. 8 }, 10, 'the new key'),
        'known after a moment');
    is(by_header($hs->token(stream => 'demo'))->status, 200, 'a key that stayed');
    ok(wait_for(sub { !grep { by_header($token)->status != 401 } 1 .. 8 }, 10, 'the old key to go'),
        'a remembered token of a key that went is refused');

    $ng->write('keys.json', '{"keys":[');
    ok(wait_for(sub { $ng->log_grep(qr/keys\.json": not JSON/) >= 2 }, 5, 'the complaint'),
        'a broken file is complained about');
    is(by_header($t)->status, 200, 'and the keys stay');

    sleep 1.2;
    is(scalar($ng->log_grep(qr/keys\.json": not JSON/)), 2, 'once in each worker');
    $ng->write('keys.json', Live::Token::jwks($ed, $hs));
    ok(wait_for(sub { !grep { by_header($token)->status != 200 } 1 .. 8 }, 10, 'the file'),
        'a good file is taken again');
};

# --- limits

subtest 'bad signatures are limited by address' => sub {
    $ng->reload;

    my $good = $hs->token(stream => 'demo', jti => 'good');
    my %seen;

    # both workers remember it
    by_header($good) for 1 .. 20;
    $seen{ by_header("$h.$c." . 'A' x 80 . $_ . 'AAAA')->status }++ for 'AA' .. 'DZ';

    ok($seen{429}, 'after a while nothing is verified any more')
        or diag(explain(\%seen));
    is(by_header($good)->status, 200, 'a token that is remembered goes on');
    refused(by_header("$h.$c." . 'A' x 86), 429, 'limited', 'the limit says what it is');
    ok(wait_for(sub { by_header($ed->token(stream => 'demo', jti => 'j' . time()))->status == 200 }, 10,
        'the limit to pass'), 'a new token is taken a moment later');
};

# --- configuration

sub bad_conf {
    my ($directives, $want, $name) = @_;
    my $bad = Live::Nginx->new(workers => 1, conf => <<"EOC", files => {
http {
    %%HTTP%%
    server { listen 127.0.0.1:%%PORT_http%%; $directives }
}
EOC
        'keys.json' => Live::Token::jwks($ed),
        'bad.json' => '{"keys":[{"kty":"OKP","crv":"Ed25519","d":"AA","x":"AA"}]}' });
    my ($rc, $out) = $bad->test_conf;

    ok($rc != 0, "$name: refused");
    like($out, $want, "$name: says why");
}

bad_conf('location /a/ { live_token on; }', qr/"live_token on" needs "live_token_keys"/, 'no keys');
bad_conf('live_token_keys none.json;', qr/none\.json" failed \(2:/, 'no such file');
bad_conf('live_token_keys bad.json;', qr/bad\.json": a private key stands in the file/, 'a private key');
bad_conf('location ~ ^/a { live_token on; live_token_keys keys.json; }', qr/needs "stream="/, 'no prefix');
bad_conf('live_token maybe;', qr/is neither "on" nor "off"/, 'maybe');
bad_conf('live_token on can=fly;', qr/can= takes watch, chat, publish/, 'can=fly');
bad_conf('live_token on; live_token off;', qr/is duplicate/, 'twice');
bad_conf('live_cors example.org;', qr/takes off, \*, or origins/, 'an origin without a scheme');

$ng->finish;
done_testing;
