#!/usr/bin/perl

# What comes by enhanced RTMP plays in hls.js: AV1 with Opus, H.264 with FLAC;
# with AC-3, which the browser does not play in MP4, the picture alone; and of
# several sizes the player may take any.

use strict;
use warnings;

use POSIX ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Live::Browser;
use Live::Nginx qw(wait_for read_file repo_dir);

Live::Browser::available() or plan(skip_all => Live::Browser::missing());

my $top = repo_dir();
my $tools = ($ENV{BUILD} // "$top/build") . '/tools';

-x "$tools/flv_mux" && -x "$tools/rtmp_push" or BAIL_OUT('no tools');

my $page = <<'EOP';
<!doctype html><title>play</title><video muted playsinline></video>
<script type="module">
import Hls from './hls.min.mjs';
const video = document.querySelector('video');
const name = new URLSearchParams(location.search).get('stream');
const hls = new Hls({ lowLatencyMode: true });
window.fatal = [];
hls.on(Hls.Events.ERROR, (_, e) => { if (e.fatal) fatal.push(e.details); });
hls.loadSource(`/live/${name}/index.m3u8`);
hls.attachMedia(video);
video.play().catch(() => {});
window.seen = () => {
    const level = hls.levels[hls.currentLevel] ?? {};
    return { time: video.currentTime, start: video.buffered.length
        ? video.buffered.start(0) : 0, width: video.videoWidth,
        levels: hls.levels.length, codecs: level.codecs ?? '',
        audio: hls.audioTracks.length, ready: video.readyState, fatal };
};
window.take = n => { hls.nextLevel = n; };
</script>
EOP

my $ng = Live::Nginx->new(workers => 2,
    files => {
        'html/hls.min.mjs' =>
            read_file("$top/node_modules/hls.js/dist/hls.min.mjs"),
        'html/play.html' => $page,
    },
    conf => <<'EOC')->start;
live { live_store %%STORE%% 128m; live_segment 1s; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    types { text/html html; text/javascript mjs; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        root %%DIR%%/html;
        location /live/ { live_hls; live_token off; }
    }
}
EOC

my @video = ('-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25');
my @tone = ('-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000');
my @x264 = qw(-c:v libx264 -preset ultrafast -g 25);
my %media = (
    av1   => [ @video, @tone, qw(-c:v libaom-av1 -usage realtime -cpu-used 8
        -g 25 -b:v 200k -c:a libopus) ],
    flac  => [ @video, @tone, @x264, qw(-c:a flac) ],
    ac3   => [ @video, @tone, @x264, qw(-c:a ac3) ],
    small => [ @video, @x264, qw(-s 160x90) ],
    big   => [ @video, @tone, @x264, qw(-c:a aac) ],
);
my %stream = (av1 => [ 'av1' ], flac => [ 'flac' ], ac3 => [ 'ac3' ],
    sizes => [ '-m', 1, 'big', 'small' ]);
my @push;

for my $name (sort keys %media) {
    system('ffmpeg', '-nostdin', '-v', 'error', '-y', @{ $media{$name} },
        '-t', 4, '-strict', -2, '-movflags',
        'frag_keyframe+delay_moov+default_base_moof', $ng->dir . "/$name.mp4")
        == 0 or BAIL_OUT("ffmpeg could not make $name");
}

for my $name (sort keys %stream) {
    my @args = map { $media{$_} ? $ng->dir . "/$_.mp4" : $_ }
        @{ $stream{$name} };
    my $flv = $ng->dir . "/$name.flv";
    my @options = $args[0] eq '-m' ? splice(@args, 0, 2) : ();

    system("$tools/flv_mux", @options, $flv, @args) == 0
        or BAIL_OUT('flv_mux');

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$flv.log";
        open STDERR, '>&', \*STDOUT;
        { exec "$tools/rtmp_push", '-t', 120, 'rtmp://127.0.0.1:'
            . $ng->port('rtmp') . "/live/$name", $flv; }
        POSIX::_exit(127);
    }

    push @push, $pid;
}

END {
    my $status = $?;
    kill 'KILL', @push if @push;
    waitpid $_, 0 for @push;
    $? = $status;
}

my $b = Live::Browser->new;

for my $name (sort keys %stream) {
    wait_for(sub {
        $ng->get('http', "/live/$name/index.m3u8")->status == 200;
    }, 20, "the stream $name") or BAIL_OUT("no $name");

    $b->open($name => 'http://127.0.0.1:' . $ng->port('http')
        . "/play.html?stream=$name", width => 320, height => 200);
}

my %want = (
    av1   => [ 320, qr/^av01\.0\.\d+M\.08,Opus$/i ],
    flac  => [ 320, qr/^avc1\.\w+,fLaC$/i ],
    ac3   => [ 320, qr/^avc1\.\w+$/ ],
    sizes => [ qr/^(?:320|160)$/, qr/^avc1\.\w+,mp4a\.40\.2$/ ],
);

for my $name (sort keys %want) {
    my ($width, $codecs) = @{ $want{$name} };
    my $s;

    ok(wait_for(sub {
        $s = eval { $b->eval($name => 'seen()') } // return;
        return $s->{ready} >= 3 && $s->{time} > $s->{start} + 2;
    }, 30, "$name to play"), "$name plays") or diag(explain($s));

    like($s->{width}, ref $width ? $width : qr/^$width$/, '  its picture');
    like($s->{codecs}, $codecs, '  what it plays');
    is_deeply($s->{fatal}, [], '  without an error');
}

{
    my $s = $b->eval('sizes' => 'seen()');

    is($s->{levels}, 2, 'two sizes to choose from');

    for my $width (160, 320) {
        $b->eval(sizes => 'take(' . ($width == 160 ? 0 : 1) . ')');
        ok(wait_for(sub { $b->eval(sizes => 'seen()')->{width} == $width }, 20,
            "a width of $width"), "$width pixels wide when it is told to");
    }

    is_deeply($b->eval('sizes' => 'seen()')->{fatal}, [], 'without an error');
}

$b->quit;
done_testing();
