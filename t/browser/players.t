#!/usr/bin/perl

# hls.js and shaka play on, with separate tracks and muxed, through a reload, a
# binary upgrade, the death of workers that are not the publisher's, and 25 s
# without the encoder. LIVE_STEADY=60: how long they are watched before (8 s).

use strict;
use warnings;

use File::Basename qw(basename);
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use FindBin;
use lib "$FindBin::Bin/../lib";

use Live::Browser;
use Live::Nginx qw(wait_for read_file repo_dir);

Live::Browser::available() or plan(skip_all => Live::Browser::missing());

my $top = repo_dir();
my $steady = $ENV{LIVE_STEADY} // 8;
my $outage = 25;

# A freeze shorter than this is the test machine's, not the stream's.
my $FREEZE_MS = 700;

my %files = (
    'html/hls.min.mjs' => "$top/node_modules/hls.js/dist/hls.min.mjs",
    'html/shaka-player.js' =>
        "$top/node_modules/shaka-player/dist/shaka-player.hls-es2021.js",
    (map { ("html/" . basename($_) => $_) } glob "$top/control-plane/web/*"),
    (map { ("html/$_" => "$top/t/browser/$_") } qw(shaka.html shaka.js)),
);

my $ng = Live::Nginx->new(
    files => { map { $_ => read_file($files{$_}) } keys %files },
    conf  => <<'EOC');
live { live_store %%STORE%% 192m; }
stream {
    server {
        listen 127.0.0.1:%%PORT_muxed%%;
        live_rtmp;
        live_publish_auth off;
    }
    server {
        listen 127.0.0.1:%%PORT_split%%;
        live_rtmp;
        live_publish_auth off;
        live_muxed off;
    }
    server {
        listen 127.0.0.1:%%PORT_fast%%;
        live_rtmp;
        live_publish_auth off;
        live_part 200ms;
    }
}
http {
    %%HTTP%%
    types {
        text/html html;
        text/css css;
        text/javascript js mjs;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        root %%DIR%%/html;
        location /live/ { live_hls; live_token off; }
        location = /status { live_status; }
    }
}
EOC

$ng->start;

# ---- the encoder

my %encoder;

# One encoder sends to several streams; each has the port of its name.
sub encode {
    my (@streams) = @_;
    my $name = join '+', @streams;
    my $log = $ng->dir . "/$name.log";
    my $urls = join '|', map {
        '[f=flv:flvflags=no_duration_filesize]rtmp://127.0.0.1:'
            . $ng->port($_) . "/live/$_"
    } @streams;

    chomp(my $source = `$top/scripts/demo-source 426x240 25`);

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        { exec 'ffmpeg', '-nostdin', '-v', 'warning', '-re', '-f', 'lavfi',
            '-i', $source, '-map', '0:v', '-map', '0:a', '-c:v', 'libx264',
            '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', 50,
            '-b:v', '400k', '-c:a', 'aac', '-b:a', '64k',
            '-flags', '+global_header', '-f', 'tee', $urls; }
        POSIX::_exit(127);
    }

    $encoder{$name} = $pid;
}

sub stop_encoder {
    my ($name, $sig) = @_;
    my $pid = delete $encoder{$name} // return;

    kill $sig, $pid;
    waitpid $pid, 0;
}

END {
    my $status = $?;
    stop_encoder($_, 'KILL') for keys %encoder;
    $? = $status;
}

encode('muxed', 'split');
encode('fast');

for my $stream (qw(muxed split fast)) {
    wait_for(sub {
        $ng->get('http', "/live/$stream/index.m3u8")->status == 200;
    }, 20, "the stream $stream") or BAIL_OUT("no $stream");
}

# ---- the players

my $b = Live::Browser->new;
my $url = 'http://127.0.0.1:' . $ng->port('http');

my %pages = (
    hls_split   => "$url/?stream=split",
    hls_muxed   => "$url/?stream=muxed",
    shaka_split => "$url/shaka.html?stream=split",
    shaka_muxed => "$url/shaka.html?stream=muxed",
    hls_fast    => "$url/?stream=fast",
);

my @through = grep { $_ ne 'hls_fast' } sort keys %pages;
my %base;                       # stalls and problems so far

sub all_reset {
    for my $name (@_) {
        my $s = $b->read($name)->{stats};
        $base{$name} = { stalls => $s->{stalls},
            reloads => $s->{reloads},
            problems => scalar @{ $s->{problems} } };
        $b->reset($name);
    }
}

# Nobody noticed anything since the last all_reset().
sub played_on {
    my ($what, @names) = @_;

    for my $name (@names) {
        my $r = $b->read($name);
        my ($s, $m) = @{$r}{qw(stats monitor)};
        my @new = @{ $s->{problems} };
        splice @new, 0, $base{$name}{problems};
        @new = grep { $_->{fatal} || $name =~ /shaka/ } @new;

        my $trace = delete $m->{trace};
        my $fine = $s->{stalls} == $base{$name}{stalls}
            && $s->{reloads} == $base{$name}{reloads} && !@new
            && !@{ $m->{jumps} } && $m->{freeze} < $FREEZE_MS
            && $s->{state} eq 'playing' && $m->{samples} > 10;

        ok($fine, "$what: $name plays on") and next;

        diag(explain($r));
        diag('wall clock ms, ms since it moved, time, ahead, rate, readyState');
        diag($_) for @$trace;
        diag('screenshot: ', $b->shot($name));
    }
}

# Small: pages that compile their scripts and paint in software are soon more
# than two cores carry in real time.
sub open_page {
    my ($name) = @_;

    $b->open($name => $pages{$name}, width => 480, height => 320);

    ok(wait_for(sub {
        my $s = $b->read($name)->{stats} // return;
        return $s->{state} eq 'playing' && $s->{time} > 0;
    }, 30, "$name to play"), "$name plays")
        or diag(explain($b->read($name)), $b->shot($name));
}

# Watches pages at the live edge for a while.
sub watch {
    my (@names) = @_;

    for my $name (@names) {
        wait_for(sub { $b->read($name)->{stats}{behind} < 2 }, 20,
            "$name to be at the live edge");
    }

    sleep 4;
    all_reset(@names);
    sleep $steady;
    played_on('for a while', @names);

    for my $name (@names) {
        my ($s, $m) = @{ $b->read($name) }{qw(stats monitor)};

        cmp_ok($m->{clocks}, '>=', $m->{samples} * 0.7,
            "$name: the picture moves");
        note("$name: picture $m->{lag} ms behind, at most $m->{lagMax} ms;",
            map { " $_ " . ($s->{$_} // '-') } qw(behind target rate stalls));
    }
}

# How far behind is looked at alone; page.t does so with the defaults.
open_page('hls_fast');
watch('hls_fast');
cmp_ok($b->read('hls_fast')->{monitor}{lag}, '<=', 1000,
    'parts of 200 ms: at most 1 s behind');
$b->close('hls_fast');
stop_encoder('fast', 'TERM');

open_page($_) for @through;
watch(@through);

# ---- reload

all_reset(@through);
$ng->reload;
sleep 6;
played_on('reload', @through);

# ---- binary upgrade

all_reset(@through);
$ng->upgrade;
sleep 6;
played_on('upgrade', @through);

# ---- a worker dies, with the viewers that it has

my %publisher = map { $_->{publisher}{pid} => 1 }
    @{ decode_json($ng->get('http', '/status')->body)->{streams} };

all_reset(@through);

my @victims = grep { !$publisher{$_} } $ng->workers;

$ng->kill_worker(KILL => $_) for @victims[0, 1];
sleep 6;
played_on('two workers killed', @through);

# ---- the encoder is gone for a while

all_reset(@through);
stop_encoder('muxed+split', 'KILL');
sleep $outage;
encode('muxed', 'split');
sleep 10;
played_on("$outage s without the encoder", @through);

for my $name (@through) {
    $b->reset($name);
}

sleep 2;

for my $name (@through) {
    my $r = $b->read($name);
    my $m = $r->{monitor};

    cmp_ok($m->{clocks}, '>=', $m->{samples} * 0.7,
        "$name: the picture moves again")
        or diag(explain($r), $b->shot($name));
}

$b->quit;
stop_encoder('muxed+split', 'TERM');
$ng->finish;

done_testing();
