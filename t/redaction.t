#!/usr/bin/perl
# Tokens and keys appear in no log: stock "combined" and a format with
# everything in it, error logs at the debug level, with every kind of request
# that goes wrong, HTTP/2, and another nginx in front.
#
# What nginx itself writes before the module sees a request is listed in
# %before and said at %early; the README of ngx_live_module/http/ names the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Live::Nginx qw(wait_for);
use Live::Token;

my $key = Live::Token->new('HS256', kid => 'k');

sub conf {
    my ($listen, $upstream) = @_;

    return <<"EOC";
live { live_store %%STORE%% 64m; }

http {
    %%HTTP%%

    log_format everything '\$request|\$request_uri|\$uri|\$args|\$http_referer|\$live_uri|'
        '\$arg_token|\$arg_key|\$document_uri|\$query_string';
    access_log %%DIR%%/logs/everything.log everything;
    access_log %%DIR%%/logs/access.log;

    live_token_keys keys.json;
    large_client_header_buffers 4 2k;
    client_header_timeout 1s;

    server {
        listen 127.0.0.1:%%PORT_plain%%;
        server_name plain;
        location / { return 200 "\$request_uri\\n"; }
    }

    server {
        listen 127.0.0.1:%%PORT_http%% default_server;
        listen 127.0.0.1:%%PORT_h2%% http2;
        server_name live;

        location /live/   { live_token on; limit_except GET HEAD POST { deny all; } }
        location /open/   { live_hls; live_token off; }
        location /page/   { live_token on; error_page 401 404 /err.html; }
        location /front/  { live_token on; proxy_pass http://127.0.0.1:%%PORT_front%%; }
        location /dead/   { live_token on; proxy_pass http://127.0.0.1:%%PORT_dead%%; }
        location /slow/   { live_token on; proxy_pass http://127.0.0.1:%%PORT_slow%%; }
        location /limited/ { live_token on; limit_req zone=one; }
        location /denied/ { live_token on; deny all; }
        location /app/    { proxy_pass http://127.0.0.1:%%PORT_plain%%; }
    }

    limit_req_zone \$server_name zone=one:32k rate=1r/m;

    # another node in front that hands the token on
    server {
        listen 127.0.0.1:%%PORT_front%%;
        location / {
            live_token on stream=demo;
            live_cors off;
            alias %%DIR%%/html/live/;
        }
    }
}
EOC
}

# Each is the beginning of a debug message that nginx writes before a module
# sees the request.
my %before = (
    'http request line: "'   => 'HTTP/1: the request line as it came',
    'http uri: "'            => 'the path, decoded',
    'http args: "'           => 'the query',
    'http header: "'         => 'each header of the request',
    'http2 request line: "'  => 'HTTP/2: the request line as it came',
    'http2 header: "'        => 'HTTP/2: each header',
    'http2 table add: "'     => 'HTTP/2: each header that goes to the table',
);

# A request that nginx refuses while it reads the header reaches no module
# before the access log: at the info and debug levels nginx names it as it came.
my %early;

my $ng = Live::Nginx->new(workers => 2, log_level => 'debug', files => {
    'keys.json' => Live::Token::jwks($key),
    'html/live/demo/index.m3u8' => "playlist\n",
    'html/err.html' => "error page\n",
}, conf => conf());

$ng->start;

my @secrets;

# A token with a mark that no other text has.
sub token {
    my (%claims) = @_;
    my $t = $key->token(stream => 'demo', jti => 'j' . @secrets, %claims);

    push @secrets, $t;
    return $t;
}

sub garbage {
    my $t = "garbage" . @secrets . 'x' x 50;

    push @secrets, $t;
    return $t;
}

sub get { return $ng->get('http', @_) }

is(get('/live/~' . token() . '/demo/index.m3u8')->status, 200, 'path');
is(get('/live/%7e' . token() . '/demo/index.m3u8')->status, 200, 'path, encoded ~');
is(get('/live/~' . token() . '/demo/none.m4s')->status, 404, 'path, 404');
is(get('/live/~' . token(exp => 1) . '/demo/index.m3u8')->status, 401, 'path, expired');
is(get('/live/~' . garbage() . '/demo/index.m3u8')->status, 401, 'path, garbage');
is(get('/page/~' . token() . '/demo/none')->status, 404, 'path, with an error page');
is(get('/live/~' . token() . '/../../open/demo/index.m3u8')->status, 404, 'a token that ".." took away');
is(get('/live/x/../~' . token() . '//demo/./index.m3u8')->status, 200, 'a path to be cleaned');
is(get('/none/~' . token() . '/x')->status, 404, 'in a location that is not live');
is(get('/open/demo/index.m3u8?token=' . token())->status, 404, 'query, live_token off');
is(get('/live/demo/index.m3u8?a=b&token=' . token() . '&c')->status, 302, 'query');
is(get('/live/demo/index.m3u8?key=' . garbage())->status, 401, 'a key in the query');
is(get('/live/demo/index.m3u8?token=' . garbage())->status, 401, 'query, garbage');
is(get('/live/demo/index.m3u8', headers => { Authorization => 'Bearer ' . token() })->status, 200,
    'header');
is(get('/live/demo/index.m3u8', headers => { Cookie => 'live_token=' . token() })->status, 200,
    'cookie');
is(get('/live/demo/index.m3u8', headers => {
    Referer => 'http://localhost/watch?token=' . token() })->status, 401, 'Referer, query');
is(get('/live/demo/index.m3u8', headers => {
    Referer => 'http://localhost/live/~' . token() . '/demo/' })->status, 401, 'Referer, path');
is(get('/live/~' . token() . '/demo/index.m3u8', method => 'DELETE')->status, 403, 'another method');
is(get('/front/~' . token() . '/demo/index.m3u8')->status, 401, 'a proxy that does not hand it on');
is(get('/front/demo/index.m3u8', headers => { Authorization => 'Bearer ' . token() })->status, 401,
    'likewise from a header');
is(get('/front/demo/index.m3u8', headers => { Cookie => 'x=y; live_token=' . token() })->status, 401,
    'likewise from a cookie');
is(get('/dead/~' . token() . '/demo/x')->status, 502, 'no upstream: 502');
is(get('/limited/~' . token() . '/demo/x')->status, 404, 'limit_req: the first');
is(get('/limited/~' . token() . '/demo/x')->status, 503, 'limit_req: the second');
is(get('/denied/~' . token() . '/demo/x')->status, 403, 'deny all');

subtest 'HTTP/2' => sub {
    is($ng->get_h2('h2', '/live/~' . token() . '/demo/index.m3u8')->status, 200, 'path');
    is($ng->get_h2('h2', '/live/demo/index.m3u8?token=' . token())->status, 302, 'query');
    is($ng->get_h2('h2', '/live/demo/index.m3u8', '-H', 'Authorization: Bearer ' . token())->status,
        200, 'header');
    is($ng->get_h2('h2', '/live/demo/index.m3u8', '-b', 'live_token=' . token())->status, 200, 'cookie');
    is($ng->get_h2('h2', '/live/~' . token() . '/demo/none')->status, 404, 'not found');
};

subtest 'requests that are refused while they are read' => sub {
    my $first = @secrets;
    my $c = $ng->http('http');
    $c->write_raw('GET /live/~' . token() . "/demo/x HTTP/1.1\r\n\r\n");
    is($c->read_response->status, 400, '400: no Host');

    $c = $ng->http('http');
    $c->write_raw('GET /live/~' . token() . "/demo/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
    is($c->read_response->status, 400, '400: a wrong header');

    $c = $ng->http('http');
    $c->write_raw('GET /live/demo?token=' . token() . " HTTP/9.9\r\nHost: a\r\n\r\n");
    is($c->read_response->status, 505, '505: another version');

    $c = $ng->http('http');
    $c->write_raw('GET /live/~' . token() . '/../../../x' . " HTTP/1.1\r\nHost: a\r\n\r\n");
    is($c->read_response->status, 400, '400: a path out of the root');

    $c = $ng->http('http');
    $c->write_raw('GET /live/~' . token() . '/demo/' . 'x' x 3000 . " HTTP/1.1\r\nHost: a\r\n\r\n");
    is($c->read_response->status, 414, '414: a path that is too long');

    $c = $ng->http('http');
    $c->write_raw('GET /live/~' . token() . "/demo/x HTTP/1.1\r\nHost: a\r\nX: " . 'x' x 3000 . "\r\n\r\n");
    is($c->read_response->status, 400, '400: a header that is too long');

    $c = $ng->http('http');
    $c->write_raw('GET /live/~' . token() . "/demo/x HTTP/1.1\r\nHost: a\r\n");
    ok(wait_for(sub { $c->readable(0) }, 5, 'the time-out'), '408: half a header');

    $early{$_} = 1 for @secrets[$first .. $#secrets];
};

subtest 'a viewer that gives up (499)' => sub {
    my $slow = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
        LocalPort => $ng->port('slow')) or die $!;
    my $c = $ng->http('http');

    $c->send(GET => '/slow/~' . token() . '/demo/x');
    my $up = $slow->accept;
    $c->close;
    ok(wait_for(sub { $ng->log_grep(qr/" 499 /, 'access.log') }, 5, 'a 499'), 'is logged');
};

# What is not ours stays as it is.

is($ng->get('plain', '/~' . 'a' x 60 . '/x?token=' . 'b' x 60)->body,
    '/~' . 'a' x 60 . '/x?token=' . 'b' x 60 . "\n", 'a server without live locations');
is($ng->get('http', '/app/verify?token=mine&x=1')->body, "/app/verify?token=mine&x=1\n",
    "a location that is not live keeps its own token argument");
is($ng->get('http', '/app/~user/x')->body, "/app/~user/x\n", 'a user directory');

$ng->stop;

my $logs = $ng->all_logs;

ok($logs->{'access.log'} && $logs->{'everything.log'} && $logs->{'error.log'}, 'there are logs');
like($logs->{'access.log'}, qr{"GET /live/~-/demo/index\.m3u8 HTTP/1\.1" 200}, 'with the requests in them');

for my $name (sort keys %$logs) {
    my @found;

    for my $line (split /\n/, $logs->{$name}) {
        my ($secret) = grep { index($line, $_) >= 0 } @secrets;
        next unless defined $secret;

        if ($name eq 'error.log') {
            next if $line =~ /\[debug\]/ && grep { index($line, $_) >= 0 } keys %before;
            next if $early{$secret} && $line =~ /\[(?:debug|info)\]/;
        }

        push @found, $line;
    }

    ok(!@found, "no token in $name")
        or diag(scalar(@found) . " lines, such as\n", join "\n", @found > 8 ? @found[0 .. 7] : @found);
}

# Every exception is real, so that the list does not outlive its reasons.

for my $text (sort keys %before) {
    my @lines = grep { index($_, $text) >= 0 } split /\n/, $logs->{'error.log'};

    ok(scalar(grep { my $line = $_; grep { index($line, $_) >= 0 } @secrets } @lines),
        "nginx itself prints a token behind: $text");
}

$ng->finish;
done_testing;
