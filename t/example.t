#!/usr/bin/perl

# nginx.conf.example as it stands, with a control plane behind it: pages, API
# and HLS over TLS with HTTP/2, RTMPS and RTMP in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use Live::Control;
use Live::Encoder;
use Live::Nginx qw(wait_for read_file repo_dir);
use Live::WebSocket;

my $text = read_file(repo_dir() . '/nginx.conf.example');

like($text, qr/^load_module modules\/\Q$_\E\.so;/m, "the example loads $_")
    for qw(ngx_http_live_module ngx_stream_live_module);
unlike($text, qr/\t| $/m, 'no tabs, no spaces at the end');

# Ports, paths and the user are this test's, all else is the example's.

my $cp = Live::Control->new->start;
my $control = '127.0.0.1:' . $cp->port;
my $web = repo_dir() . '/control-plane/web';
my $conf = $text;

$conf =~ s/^\s*(?:load_module|user|worker_processes|worker_rlimit_nofile|pid
    |error_log)\s[^;]*;.*\n//mgx;
$conf =~ s/127\.0\.0\.1:8090/$control/g;
$conf =~ s/listen (?:127\.0\.0\.1:)?(\d+)/listen 127.0.0.1:%%PORT_$1x%%/g;
$conf =~ s{/dev/shm/ngx_live\.store}{%%STORE%%};
$conf =~ s{(?:/var/log/nginx|/run)/}{%%DIR%%/logs/}g;
$conf =~ s{/var/lib/ngx_live}{%%DIR%%/state};
$conf =~ s{/etc/(?:ssl|ngx_live)/}{%%DIR%%/}g;
$conf =~ s{/usr/local/share/ngx_live/web}{$web};
$conf =~ s/^http\s*\{/http {\n    %%HTTP%%/m;
$conf =~ s/^\s*access_log %%DIR%%.*\n//mg;

my ($pem, $key) = certificate();
my $ng = Live::Nginx->new(conf => $conf, workers => 2, files => {
    'node.key' => read_file($cp->node_key_file),
    'this.host.pem' => $pem,
    'this.host.key' => $key,
});

$ng->start;

my $https = 'https://this.host:' . $ng->port('443x');
my @tls = ('--http2', '--cacert', $ng->dir . '/this.host.pem', '--resolve',
    'this.host:' . $ng->port('443x') . ':127.0.0.1', '-D', '-');

# A request over TLS: (version and status, body).
sub ask {
    my ($path, @args) = @_;
    my $out = $ng->curl(@tls, @args, "$https$path");
    my ($head, $body) = split /\r\n\r\n/, $out, 2;

    return ($head =~ m{^(HTTP/\S+ \d+)} ? $1 : '', $body // '');
}

is($ng->get('80x', '/x')->status, 301, 'plain HTTP is sent to HTTPS');

my ($status, $body) = ask('/');

is($status, 'HTTP/2 200', 'the page, over HTTP/2');
like($body, qr/<title>Live/, 'is the page');
is((ask('/player.js'))[0], 'HTTP/2 200', 'with its scripts');

# ---- a broadcaster, with curl

my @json = ('-H', 'Content-Type: application/json', '--data-binary');

($status, $body) = ask('/api/auth/register', @json, encode_json({
    username => 'ann', email => 'ann@this.host.example',
    password => 'correct horse battery' }));
is($status, 'HTTP/2 201', 'registers') or diag($body);

my @ann = ('-H', 'Authorization: Bearer ' . decode_json($body)->{access_token});

($status, $body) = ask('/api/streams', @ann, @json,
    encode_json({ id => 'show', title => 'A show' }));
is($status, 'HTTP/2 201', 'makes a stream') or diag($body);

my $stream_key = decode_json($body)->{key}{key};
my $enc = Live::Encoder->ffmpeg('rtmps://127.0.0.1:' . $ng->port('1936x')
    . "/live/$stream_key");

ok(wait_for(sub { (ask('/api/streams/live'))[1] =~ /"show"/ }, 25,
    '"show" among what is live'), 'pushes over RTMPS, and is listed as live')
    or diag($enc->log);

# ---- a viewer

($status, $body) = ask('/api/streams/show/token', @json, '{}');
is($status, 'HTTP/2 201', 'a viewer has a token') or diag($body);

my $token = decode_json($body)->{token} // '';

($status, $body) = ask("/live/~$token/show/index.m3u8");
is($status, 'HTTP/2 200', 'the playlist, over HTTP/2');
like($body, qr/^#EXTM3U\n/, 'is one');
is((ask('/live/show/index.m3u8'))[0], 'HTTP/2 401', 'without a token: 401');

# ---- the room, at both of its addresses

my $owner = decode_json((ask('/api/streams/show/token', @ann, @json,
    '{}'))[1])->{token};

for my $path ('/chat/show', '/api/streams/show/chat') {
    my $ws = Live::WebSocket->connect($ng->port('443x'), $path, tls => 1,
        token => $owner);

    $ws->send({ type => 'message', text => "at $path" });
    ok($ws->message(type => 'message', text => "at $path"),
        "talks at $path");
    $ws->close;
}

($status, $body) = ask('/api/streams/show/chat', @ann, @json,
    encode_json({ text => 'by the API' }));
like($status, qr{ 202$}, 'and there through the API') or diag($body);

# ---- what is not for viewers

is((ask($_))[0], 'HTTP/2 401', "$_ is not for everybody")
    for qw(/status /metrics);
is((ask('/control/', @json, '{}'))[0], 'HTTP/2 401', 'nor is /control/');
is((ask('/internal/heartbeat', @json, '{}'))[0], 'HTTP/2 404',
    'what nodes ask the control plane is not served here');
is($ng->get('8081x', $_)->status, 200, "this machine has $_")
    for qw(/status /metrics);

# ---- plain RTMP, and no key

$enc->stop;

my $other = Live::Encoder->ffmpeg('rtmp://127.0.0.1:' . $ng->port('1935x')
    . '/live/nobodys-key');

ok(wait_for(sub { !$other->running }, 20, 'the refusal'),
    'RTMP: a key that is not known is refused');
$other->stop;

ok(wait_for(sub { (ask('/api/streams/live'))[1] !~ /"show"/ }, 25,
    'the end'), 'what has ended is not listed');

my $logs = join '', map { read_file($_) } grep { -f } glob $ng->dir . '/logs/*';

unlike($logs, qr/\Q$stream_key\E|\Q$token\E/, 'no key or token in a log');

$ng->finish;
$cp->finish;
done_testing();

sub certificate {
    my $dir = $cp->dir;

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        . " -nodes -days 2 -subj /CN=this.host -addext"
        . " subjectAltName=DNS:this.host -keyout $dir/tls.key"
        . " -out $dir/tls.pem 2> /dev/null") == 0 or die 'openssl';

    return (read_file("$dir/tls.pem"), read_file("$dir/tls.key"));
}
