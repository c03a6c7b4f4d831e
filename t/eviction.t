#!/usr/bin/perl

# A full store: the oldest segments go before their time, the newest ones and
# the publishers stay, and the log, the status and the metrics say so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use JSON::PP ();
use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for repo_dir);
use Live::Prometheus;

# 6 Mbit/s for a window of 20 s would need 15 MB. The publishers promise to
# need less than they do.

my $ng = Live::Nginx->new(conf => <<'EOC');
live {
    live_store %%STORE%% 8m;
    live_window 20s;
    live_segment 1s;
    live_max_bitrate 1m;
}

stream {
    server {
        listen 127.0.0.1:%%PORT_rtmp%%;
        live_rtmp;
        live_publish_auth off;
    }
}

http {
    %%HTTP%%

    server {
        listen 127.0.0.1:%%PORT_http%% reuseport;

        location /live/   { live_hls; live_token off; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

$ng->start;

my $enc = Live::Encoder->ffmpeg('rtmp://127.0.0.1:' . $ng->port('rtmp')
    . '/live/noisy', media => noise());
my $s;

ok(wait_for(sub {
    $s = JSON::PP::decode_json($ng->get('http', '/status')->body);
    $s = $s->{streams}[0] // return;
    return $s->{evicted_segments} >= 3;
}, 40, 'three evictions'), 'segments are evicted') or diag(explain($s));

is($s->{state}, 'live', 'the stream goes on');
ok($s->{publisher}{connected}, 'with its publisher');
cmp_ok($s->{tracks}[0]{held_ms}, '>', 3000, 'with what it was promised');
cmp_ok($s->{tracks}[0]{held_ms}, '<', 19_000, 'though not its whole window');
is($s->{frames_dropped}, 0, 'no frame is dropped');

my $playlist = $ng->get('http', '/live/noisy/v0/index.m3u8')->body;
my ($last) = reverse $playlist =~ /^(\d+\.m4s)$/mg;
my ($first) = $playlist =~ /^(\d+\.m4s)$/m;

is($ng->get('http', "/live/noisy/v0/$last")->status, 200,
    'the newest segment is served');
cmp_ok($first, 'lt', $last, 'so are older ones');

my $metrics = Live::Prometheus->parse($ng->get('http', '/metrics')->body);

cmp_ok($metrics->value('ngx_live_store_evicted_segments_total'), '>=', 3,
    'the metric counts them');

$enc->stop;

my ($told, $evicted);

ok(wait_for(sub {
    $s = JSON::PP::decode_json($ng->get('http', '/status')->body)
        ->{streams}[0] // return;
    $evicted = $s->{evicted_segments};
    $told = 0;
    $told += $1 for $ng->log_text =~ /"noisy" lost (\d+) of its oldest/g;
    return $told == $evicted;
}, 5), 'the log tells of each, once')
    or diag("told $told of $evicted", join "\n", $ng->log_grep(qr/lost/));

$ng->finish;
done_testing;


# 12 s of what no encoder can make small.
sub noise {
    my $dir = repo_dir() . '/build/testdata';
    my $path = "$dir/noise.flv";

    return $path if -s $path;

    make_path($dir);
    system('ffmpeg', '-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i',
        'testsrc2=size=320x180:rate=25,noise=alls=100:allf=t', '-t', 12,
        qw(-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p
        -g 25 -b:v 6M -maxrate 6M -bufsize 3M -f flv), "$path.$$") == 0
        or die "ffmpeg could not make $path\n";
    rename "$path.$$", $path or die "$path: $!\n";

    return $path;
}
