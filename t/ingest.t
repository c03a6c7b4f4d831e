#!/usr/bin/perl

# Publishing over HTTP: a POST with a fragmented MP4, from FFmpeg to what players
# get, over several workers; who may, what is refused, how it ends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use JSON::PP ();
use Test::More;

use Live::Encoder;
use Live::HTTP;
use Live::Nginx qw(wait_for read_file);
use Live::Stream;
use Live::Token;

my ($key, $spare, $other) = map { unpack 'H*', Live::Token::random_bytes(20) }
    1 .. 3;

my $ng = Live::Nginx->new(workers => 2, files => {
    'stream.keys' => Live::Token::stream_keys(keyed => $key, keyed => $spare,
        other => $other),
}, conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_segment 1s;
    live_part 200ms;
    live_window 20s;
}
http {
    %%HTTP%%
    add_header X-Worker $pid always;
    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;
        client_max_body_size 1k;
        location /live/   { live_hls; live_token off; }
        location /ingest/ { live_ingest; live_publish_auth off; }
        location /keyed/  { live_ingest; live_stream_keys %%DIR%%/stream.keys; }
        location /short/  { live_ingest; live_publish_auth off;
                            client_body_timeout 1s; }
        location /status  { live_status; }
    }
}
EOC

$ng->start;

my $http = $ng->port('http');
my $dir = File::Temp->newdir;

sub view { return Live::Stream->new($ng, 'http', $_[0]) }
sub url  { return "http://127.0.0.1:$http$_[0]" }

# A fragmented MP4 of n seconds.
sub mp4 {
    my ($name, %o) = @_;
    my $path = "$dir/$name.mp4";

    system('ffmpeg', '-nostdin', '-v', 'error', '-y', '-i',
        Live::Encoder::media(%{ $o{media} // {} }), '-t', $o{seconds} // 4,
        @{ $o{codec} // [ '-c', 'copy' ] }, '-movflags',
        $o{flags} // 'empty_moov+default_base_moof+frag_keyframe', $path) == 0
        or die "ffmpeg failed\n";

    return read_file($path);
}

sub encoder {
    my ($path, @args) = @_;

    return Live::Encoder->_spawn('ffmpeg', '-nostdin', '-v', 'warning', '-re',
        '-stream_loop', -1, '-i', Live::Encoder::media(bframes => 2),
        '-c', 'copy', '-f', 'mp4', '-movflags',
        'empty_moov+default_base_moof+frag_keyframe', '-frag_duration',
        500000, '-method', 'POST', @args, url($path));
}

sub post {
    my ($path, $body, %o) = @_;

    return Live::HTTP->new(port => $http, timeout => 20,
        $o{local} ? (local => $o{local}) : ())->request($o{method} // 'POST',
        $path, body => $body, headers => $o{headers} // {});
}

# ---- FFmpeg publishes, players of another worker play

my $enc = encoder('/ingest/a');
my $a = view('a');

ok($a->wait_live, 'an encoder that posts is live') or diag($enc->log);

my $pub = $a->status->{publisher};
is($pub->{protocol}, 'cmaf', 'as what it is');

my $playlist;

ok(wait_for(sub {
    my $res = Live::HTTP->new(port => $http)->request(GET =>
        '/live/a/v0/index.m3u8');
    $playlist = $res->body;
    return $res->status == 200 && $res->header('X-Worker') != $pub->{pid};
}, 15, 'the other worker'), 'the other worker has it, too');

ok(wait_for(sub { (() = $a->get('a0/index.m3u8')->body =~ /^#EXTINF/mg) >= 3 },
    20, 'segments'), 'audio and video have segments');

my $seen = `ffprobe -v error -live_start_index 0 -read_intervals %+2 -show_entries stream=codec_name -of csv=p=0 @{[url('/live/a/index.m3u8')]} 2>&1`;
my %codec = map { $_ => 1 } grep { /\S/ } split /\n/, $seen;

is(join(' ', sort keys %codec), 'aac h264',
    'FFmpeg plays it without complaint') or diag($seen);

# ---- another publisher

my $res = post('/ingest/a', mp4('short', seconds => 1), local => '127.0.0.2');

is($res->status, 409, 'a second publisher is refused');
like($res->body, qr/"detail":"[^"]{10,}"/, '  and told why');
is($a->status->{publisher}{pid}, $pub->{pid}, '  the first one goes on');

# ---- lost, and ended

$enc->kill;
ok($a->wait_state('interrupted'), 'a killed encoder: the stream is filled');

my $file = mp4('four');

$res = post('/ingest/b', $file);
is($res->status, 200, 'a whole file, with a length: 200 at its end');
like(view('b')->get('v0/index.m3u8')->body, qr/#EXT-X-ENDLIST\n\z/,
    '  and the stream has ended');

unlike($ng->log_text('error.log'), qr/"b" is filled/,
    '  whose audio was not taken for missing');

my $chunks = Live::HTTP->new(port => $http, timeout => 20);

$chunks->send(PUT => '/ingest/c', headers => { 'Transfer-Encoding' => 'chunked' });
for (my $at = 0; $at < length $file; $at += 1009) {
    my $piece = substr $file, $at, 1009;
    $chunks->write_raw(sprintf("%x\r\n", length $piece) . "$piece\r\n");
}
$chunks->write_raw("0\r\n\r\n");
is($chunks->read_response->status, 200, 'the same in chunks, with PUT');
is(scalar(() = view('c')->get('v0/index.m3u8')->body =~ /^#EXTINF/mg),
    scalar(() = view('b')->get('v0/index.m3u8')->body =~ /^#EXTINF/mg),
    '  makes the same segments');

my $silent = Live::HTTP->new(port => $http, timeout => 20);

$silent->send(POST => '/short/d', headers => { 'Content-Length' => 1e6 });
$silent->write_raw($file);
ok(view('d')->wait_state('interrupted'),
    'silence for client_body_timeout: it is lost');

# ---- what is refused

sub refused {
    my ($body, $why, $title) = @_;
    my $got = post('/ingest/e', $body);

    is($got->status, 400, "$title: 400");
    like($got->body, $why, '  and why');
}

refused('no MP4 at all, ' x 100, qr/no MP4/, 'other bytes');
refused(mp4('plain', flags => '+faststart'), qr/not fragmented/,
    'an MP4 that is not fragmented');
refused(mp4('base', flags => 'empty_moov+frag_keyframe'),
    qr/default_base_moof/, 'offsets from the start of the file');
is(post('/ingest/e', '', method => 'DELETE')->status, 405, 'other methods');

# ---- keys

is(post('/keyed/keyed', $file)->status, 401, 'no key: 401');
is(post("/keyed/keyed?key=x$key", $file)->status, 403, 'a wrong key: 403');
is(post("/keyed/other?key=$key", $file)->status, 403,
    "another stream's key: 403");

$enc = encoder("/keyed/keyed?key=$key");
ok(view('keyed')->wait_live, 'a key in the query') or diag($enc->log);
is(post('/keyed/keyed', $file, headers => { Authorization => "Bearer $spare" })
    ->status, 409, 'the other key of the stream does not take it over');
is(post('/keyed/other', $file, headers => { Authorization => "Bearer $other" })
    ->status, 200, 'a key in the header');
unlike($ng->all_logs, qr/$key|$spare|$other/, 'no key is in any log');
$enc->kill;

$ng->stop;
$ng->finish;
done_testing();
