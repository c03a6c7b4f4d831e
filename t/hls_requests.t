#!/usr/bin/perl

# What the HLS location answers to, with which status and headers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;

use Live::Nginx qw(wait_for);
use Live::Writer;

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token off; }
    }
    server {
        listen 127.0.0.1:%%PORT_h2%% http2;
        location /live/ { live_hls; live_token off; }
    }
}
EOC

my $w = Live::Writer->new($ng);
my $m = $w->live('a', 'v0a0 muxed', 3);
$w->part for 1 .. 2;

sub get {
    my ($path, %opt) = @_;

    return $ng->get('http', "/live/$path", %opt);
}

sub status_is {
    my ($path, $status, $name, %opt) = @_;
    my $res = get($path, %opt);

    is($res->status, $status, $name);
    is($res->header('Cache-Control'), 'no-store', "… not to be cached")
        if $status >= 400;

    return $res;
}

# --- playlists

my $res = get('a/index.m3u8');
is($res->status, 200, 'multivariant playlist');
is($res->header('Content-Type'), 'application/vnd.apple.mpegurl', 'its type');
is($res->header('Cache-Control'), 'max-age=1', 'kept for a second');
is($res->header('Vary'), 'Accept-Encoding', 'varies');
like($res->body, qr{\Q"\E\nmuxed/index.m3u8|\nmuxed/index.m3u8\n},
    'offers the muxed view');

for my $rendition (qw(v0 a0 muxed)) {
    $res = get("a/$rendition/index.m3u8");
    is($res->status, 200, "$rendition playlist");
    like($res->body, qr/\A#EXTM3U\n.*#EXTINF/s, 'with segments');
    is($res->header('Content-Length'), length $res->body, 'length');
    like($res->header('ETag'), qr/\A"[0-9a-f]{16}"\z/, 'strong ETag');
    unlike($res->body, qr{://|"/}, 'relative URIs only');
}

my $plain = get('a/v0/index.m3u8');
my $etag = $plain->header('ETag');
my $again = get('a/v0/index.m3u8', headers => { 'If-None-Match' => $etag });
is($again->status, 304, 'unchanged: 304');
is($again->body, '', 'without a body');

my $head = get('a/v0/index.m3u8', method => 'HEAD');
is($head->status, 200, 'HEAD');
is($head->header('Content-Length'), length $plain->body, 'same length');
is($head->header('ETag'), $etag, 'same ETag');

$res = get('a/v0/index.m3u8', headers => { 'Accept-Encoding' => 'gzip' });
is($res->header('Content-Encoding'), 'gzip', 'gzip');
is($res->header('Content-Length'), length $res->body, 'with its length');
isnt($res->header('ETag'), $etag, 'an ETag of its own');
my $body = $res->body;
gunzip(\$body, \my $unpacked);
is($unpacked, $plain->body, 'the same playlist');
cmp_ok(length $res->body, '<', length($plain->body) / 2, 'smaller');

$res = get("a/v0/index.m3u8?_HLS_msn=$m");
is($res->status, 200, 'a directive that is met');
is($res->header('Cache-Control'), 'max-age=12',
    'kept for six target durations');
is($res->body, $plain->body, 'the same for everybody');

# a change is seen
$w->part;
$res = get('a/v0/index.m3u8', headers => { 'If-None-Match' => $etag });
is($res->status, 200, 'changed: 200');
isnt($res->header('ETag'), $etag, 'another ETag');

# --- directives

status_is('a/v0/index.m3u8?_HLS_part=0', 400, 'part without msn');
status_is('a/v0/index.m3u8?_HLS_msn=x', 400, 'msn that is no number');
status_is("a/v0/index.m3u8?_HLS_msn=$m&_HLS_part=-1", 400, 'negative part');
status_is('a/v0/index.m3u8?_HLS_msn=' . ($m + 6), 400,
    'msn beyond last complete + 3');
status_is('a/v0/index.m3u8?_HLS_msn=99999999999', 400, 'msn beyond 32 bits');
is(get('a/v0/index.m3u8?_HLS_foo=1&x=y')->status, 200, 'unknown directives');

# --- media

my %type = (v0 => 'video/mp4', a0 => 'audio/mp4', muxed => 'video/mp4');

for my $rendition (sort keys %type) {
    my $init = get("a/$rendition/init-$m.mp4");
    my $segment = get("a/$rendition/$m.m4s");
    my @parts = map { get("a/$rendition/$m.$_.m4s") } 0 .. 5;

    is(join(' ', map { $_->status } $init, $segment, @parts),
        '200 ' x 7 . '200', "$rendition: init, segment, parts");
    like($init->body, qr/\A....ftyp/s, 'an init section');
    is($segment->body, join('', map { $_->body } @parts),
        'the segment is its parts');
    is($segment->header('Content-Type'), $type{$rendition}, 'type');
    like($segment->header('Cache-Control'), qr/\Amax-age=\d{5,}, immutable\z/,
        'to be kept');
    my %etags = map { $_->header('ETag') => 1 } $init, $segment, @parts;
    is(scalar keys %etags, 8, 'ETags differ');
}

is(get("a/muxed/$m.2.m4s")->body,
    get("a/v0/$m.2.m4s")->body . get("a/a0/$m.2.m4s")->body,
    'a muxed part: video, then audio');

my $whole = get("a/v0/$m.m4s");

for (['0-99', 0, 100], ['20000-20300', 20000, 301], ['-50', -50, 50],
     [ '100000-', 100000, length($whole->body) - 100000 ])
{
    my ($range, $from, $length) = @$_;

    $res = get("a/v0/$m.m4s", headers => { Range => "bytes=$range" });
    is($res->status, 206, "range $range");
    is($res->body, substr($whole->body, $from, $length), 'its bytes');
}

$res = get("a/v0/$m.m4s", headers => { Range => 'bytes=0-1,5-6' });
is($res->status, 200, 'several ranges: all of it');
is($res->body, $whole->body, 'its bytes');
$res = get("a/v0/$m.m4s", headers => { Range => 'bytes=9999999-' });
is($res->status, 416, 'range behind the end');
is(join(',', $res->headers('Cache-Control')), 'no-store', 'not to be cached');

$res = get("a/v0/$m.m4s",
    headers => { 'If-None-Match' => $whole->header('ETag') });
is($res->status, 304, 'media: 304');
$res = get("a/v0/$m.m4s", headers => {
    'If-Range' => $whole->header('ETag'), Range => 'bytes=0-9' });
is($res->status, 206, 'If-Range with the ETag');
$res = get("a/v0/$m.m4s", method => 'HEAD');
is($res->header('Content-Length'), length $whole->body, 'HEAD of a segment');

# a part that is asked for again, by now by either worker

my $part = get("a/muxed/$m.2.m4s");

sub is_part {
    my ($got, $name) = @_;

    $got->body eq $part->body && !grep({
        ($got->header($_) // '') ne ($part->header($_) // '') }
        qw(Content-Type Content-Length ETag Cache-Control Accept-Ranges))
        or return fail($name);
}

is_part(get("a/muxed/$m.2.m4s"), 'again') for 1 .. 8;
is_part($ng->get_h2('h2', "/live/a/muxed/$m.2.m4s"), 'and by HTTP/2');

for (1 .. 8) {
    $res = get("a/muxed/$m.2.m4s", headers => { Range => 'bytes=70-90' });
    $res->status == 206 && $res->body eq substr $part->body, 70, 21
        or fail('a range of it');
    $res = get("a/muxed/$m.2.m4s",
        headers => { 'If-None-Match' => $part->header('ETag') });
    $res->status == 304 or fail('304');
    $res = get("a/muxed/$m.2.m4s", method => 'HEAD');
    $res->status == 200 && $res->header('Content-Length') == length $part->body
        && $res->body eq '' or fail('HEAD');
}

pass('a part asked for again, in all ways, is what it was');

# --- what is not there

status_is('none/index.m3u8', 404, 'no such stream');
status_is('a/v7/index.m3u8', 404, 'no such track');
status_is('a/', 404, 'no file');
status_is('a/v0/index.mpd', 404, 'no such file');
status_is('a/v0/0' . $m . '.m4s', 404, 'another spelling');
status_is("a/v0/$m.6.m4s", 404, 'a part that the segment does not have');
status_is('a/v0/' . ($m + 3) . '.m4s', 404, 'the open segment');
status_is('a/v0/' . ($m + 3) . '.9.m4s', 404, 'a part far ahead');
status_is('a/v0/' . ($m - 1) . '.m4s', 404, 'before the first');
status_is('a/v0/init-' . ($m + 1) . '.mp4', 404, 'no such init section');
status_is('a/muxed/init-' . ($m + 1) . '.mp4', 404, 'nor a muxed one');

$w->do('evict ' . ($m + 1));
status_is("a/v0/$m.m4s", 410, 'a segment that has left');
status_is("a/v0/$m.0.m4s", 410, 'a part that has left');
status_is("a/muxed/$m.0.m4s", 410, 'a muxed part that has left');
status_is("a/muxed/$m.2.m4s", 410, 'one that was often asked for') for 1 .. 8;
is(get("a/v0/init-$m.mp4")->status, 200, 'its init section is still needed');

$res = status_is('a/v0/index.m3u8', 405, 'POST', method => 'POST',
    body => 'x');
is($res->header('Allow'), 'GET, HEAD', 'says what is allowed');

# --- a late track and a codec change

$w->part for 1 .. 2;
$w->part('break');
unlike(get('a/v0/index.m3u8')->body, qr/PRELOAD-HINT/,
    'no hint across a discontinuity');
$w->do('codec');
my ($n) = $w->part('disc');
like(get('a/muxed/index.m3u8')->body,
    qr/#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="init-$n\.mp4"\n/,
    'a new map behind it');
is(get("a/muxed/init-$n.mp4")->status, 200, 'the new muxed init section');
is(get("a/muxed/init-$m.mp4")->status, 200, 'the old one, too');

# --- HTTP/2

$res = $ng->get_h2('h2', '/live/a/v0/' . ($m + 1) . '.m4s');
is($res->status, 200, 'HTTP/2 segment');
is($res->body, get('a/v0/' . ($m + 1) . '.m4s')->body, 'the same bytes');
is($ng->get_h2('h2', '/live/a/index.m3u8')->status, 200, 'HTTP/2 playlist');
is($ng->get_h2('h2', '/live/none/index.m3u8')->status, 404, 'HTTP/2 404');

# --- the end

$w->do('ended');
like(get('a/v0/index.m3u8')->body, qr/#EXT-X-ENDLIST\n\z/, 'ENDLIST');
is(get('a/v0/index.m3u8?_HLS_msn=' . ($m + 1000))->status, 200,
    'nobody waits for what will not come');

# --- a new stream of the same name has other names

my $next = $w->live('a', 'v0a0', 1);
cmp_ok($next, '>', $m, 'numbering goes on');
$res = get('a/index.m3u8');
like($res->body, qr/EXT-X-MEDIA:TYPE=AUDIO.*\nv0\/index\.m3u8/s,
    'separate renditions when the muxed view is off');
is(get('a/muxed/index.m3u8')->status, 404, 'which is not there then');

# --- where the directive may stand

for (['location ~ /live/ { live_hls; }', qr/needs a location by prefix/],
     ['location /live { live_hls; }', qr/prefix that ends in/],
     ['location = /live/ { live_hls; } location /x/ { live_hls; live_hls; }',
      qr/conflicts|duplicate/])
{
    my ($location, $error) = @$_;
    my $bad = Live::Nginx->new(conf => "live { live_store %%STORE%% 64m; }\n"
        . "http { %%HTTP%% server { listen 127.0.0.1:%%PORT_http%%; "
        . "$location } }\n");
    my ($rc, $out) = $bad->test_conf;

    isnt($rc, 0, "refused: $location");
    like($out, $error, 'says why');
}

$w->close;
$ng->finish;
done_testing;
