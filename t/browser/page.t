#!/usr/bin/perl

# "make run" as a new user has it: the page plays the demo, the printed key
# publishes a second stream, an interrupt ends everything.

use strict;
use warnings;

use File::Temp qw(tempdir);
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use FindBin;
use lib "$FindBin::Bin/../lib";

use Live::Browser;
use Live::HTTP;
use Live::Nginx qw(wait_for free_port read_file repo_dir);

Live::Browser::available() or plan(skip_all => Live::Browser::missing());

# what "make run" starts does not preload a sanitizer's runtime
plan(skip_all => 'the modules are built with sanitizers') if $ENV{LIVE_ASAN};

my $var = tempdir(CLEANUP => 1);
my ($http, $lock1) = free_port();
my ($rtmp, $lock2) = free_port();
my @started;

chmod 0755, $var;

END {
    my $status = $?;
    kill 'TERM', @started if @started;
    waitpid $_, 0 for @started;
    $? = $status;
}

sub spawn {
    my ($out, @command) = @_;
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        { exec @command; }
        POSIX::_exit(127);
    }

    push @started, $pid;

    return $pid;
}

sub get {
    my ($path) = @_;

    return Live::HTTP->new(port => $http)->request(GET => $path, close => 1);
}

sub post {
    my ($path, $json) = @_;

    return Live::HTTP->new(port => $http)->request(POST => $path, close => 1,
        headers => { 'Content-Type' => 'application/json' },
        body => encode_json($json));
}

# Processes that have this run's folder in their command line.
sub left {
    my @list;

    for my $file (glob '/proc/[0-9]*/cmdline') {
        my $text = eval { read_file($file) } // next;
        push @list, $text =~ tr/\0/ /r
            if $text =~ /\Q$var\E|127\.0\.0\.1:$rtmp\b/
                && $file !~ m{/$$/};
    }

    return @list;
}

sub demo_pids {
    return grep {
        (eval { read_file("/proc/$_/cmdline") } // '')
            =~ m{^ffmpeg\0.*rtmp://127\.0\.0\.1:$rtmp/}s;
    } map { m{/proc/(\d+)} } glob '/proc/[0-9]*';
}

# ---- it starts

@ENV{qw(VAR HTTP_PORT RTMP_PORT DEMO_SIZE DEMO_FPS DEMO_BITRATE STORE_SIZE)}
    = ($var, $http, $rtmp, '640x360', 25, '800k', 96);

my $run = spawn("$var/out", repo_dir() . '/scripts/run');

ok(wait_for(sub { -e "$var/out" && read_file("$var/out") =~ /Ctrl-C ends/ },
    40, 'the address of the page'), 'starts');

my $out = read_file("$var/out");

diag($out) unless Test::More->builder->is_passing;

like($out, qr{http://localhost:$http/}, 'prints the address of the page');
like($out, qr{rtmp://localhost:$rtmp/live\b}, 'prints the RTMP address');

my ($key) = $out =~ /Stream key +(\S+)/;
my ($store) = read_file("$var/nginx.conf") =~ /live_store (\S+)/;

unlike($out, qr/is not there yet/, 'the demo is live by then');
ok(defined $key && length $key >= 32, 'prints a key');

my ($password) = $out =~ /user demo, password (\S+)/;

is(post('/api/auth/login', { login => 'demo', password => $password })
    ->status, 200, 'prints a login, which works');
ok(-e $store, 'the store is there');

# ---- the page plays it

# In the stream's first seconds, as those who wait for it see it.
my $b = Live::Browser->new;

$b->open(demo => "http://localhost:$http/");
$b->open(phone => "http://localhost:$http/?stream=mine", width => 360,
    height => 640);

ok(wait_for(sub {
    my $r = $b->read('demo');
    return $r->{stats}{state} eq 'playing' && $r->{stats}{time} > 0;
}, 20, 'the demo to play'), 'the demo plays');

ok(wait_for(sub {
    $b->eval(phone => 'document.getElementById("message").innerText')
        =~ /is not live/;
}, 10, '"not live"'), 'says of a stream without a publisher that it is not live');
cmp_ok($b->eval(phone => 'document.documentElement.scrollWidth'), '<=', 360,
    'the page fits on a phone');

is($b->read('demo')->{stats}{stalls}, 0, 'no stall in the first seconds');
sleep 4;                        # catches up with the live edge
my $before = @{ $b->read('demo')->{stats}{problems} };
$b->reset('demo');
sleep 10;

my $r = $b->read('demo');
my ($s, $m) = @{$r}{qw(stats monitor)};

is($s->{engine} =~ s/ .*//r, 'hls.js', 'played by hls.js');
cmp_ok($m->{clocks}, '>=', $m->{samples} * 0.8, 'the picture moves');
is($s->{stalls}, 0, 'no stall');
is_deeply($m->{jumps}, [], 'no jump');
is(scalar @{ $s->{problems} }, $before, 'no error in hls.js');
is_deeply($r->{log}, [], 'nothing on the console');
cmp_ok($m->{lag}, '<=', 1500, 'at most 1.5 s behind, by the clock in the '
    . 'picture');
ok(defined $s->{latency} && abs($s->{latency} - $m->{lag} / 1000) < 0.6,
    'the latency that the page knows is about that');
is("$s->{width}x$s->{height}", '640x360', 'the picture is the demo\'s');
cmp_ok($s->{bitrate}, '>', 100_000, 'the bitrate is known');

my $text = $b->eval(demo => 'document.getElementById("stats").innerText');

like($text, qr/^Latency\n+\d\.\d\d s$/m, 'the page shows the latency');
like($text, qr/^Bitrate\n+\d\.\d\d Mb\/s$/m, 'the page shows the bitrate');
like($text, qr/^Stalls\n+none$/m, 'the page shows the stalls');
like($b->eval(demo => 'live.player.url'), qr{^/live/~[^/]+/demo/},
    'played with a viewer token');
is(get('/live/demo/index.m3u8')->status, 401, 'which is needed');
ok(wait_for(sub {
    $b->eval(demo => 'document.getElementById("live-list").innerText')
        =~ /Demo stream/;
}, 15, 'the list of what is live'), 'the page lists what is live');

diag("picture $m->{lag} ms behind (at most $m->{lagMax}), page says "
    . ($s->{latency} // 'nothing'));

# ---- the key that was printed

my $ffmpeg = spawn("$var/mine.log", 'ffmpeg', '-nostdin', '-v', 'warning',
    '-re', '-f', 'lavfi', '-i', 'testsrc2=s=426x240:r=25[out0];'
        . 'sine=r=48000[out1]', '-c:v', 'libx264', '-preset', 'ultrafast',
    '-g', 50, '-c:a', 'aac', '-f', 'flv',
    "rtmp://127.0.0.1:$rtmp/live/$key");

ok(wait_for(sub {
    my $now = $b->read('phone')->{stats};
    return $now->{state} eq 'playing' && $now->{time} > 1;
}, 25, 'the second stream to play'),
    'a stream pushed with the printed key plays by itself')
    or diag(read_file("$var/mine.log"));

unlike(read_file($_), qr/\Q$key\E|\Q$password\E|~eyJ/, "no secret in $_")
    for grep { -f } "$var/nginx.conf", "$var/control-plane.conf",
        glob "$var/logs/*";

unless (Test::More->builder->is_passing) {
    diag('screenshots: ', join ' ', $b->shot('demo'), $b->shot('phone'));
    diag(read_file("$var/logs/error.log"));
    diag(explain($r));
}

$b->quit;
kill 'TERM', $ffmpeg;
waitpid $ffmpeg, 0;

# ---- a demo that dies is started again

my ($demo) = demo_pids();

kill 'KILL', $demo;
ok(wait_for(sub { grep { $_ != $demo } demo_pids() }, 10, 'another encoder'),
    'the demo is started again');

unlike(read_file("$var/logs/error.log"), qr/\[(?:error|crit|alert|emerg)\]/,
    'no error in the log');

# ---- Ctrl-C: the terminal sends it to the whole group

kill 'INT', -$run;
my $gone = wait_for(sub { waitpid($run, POSIX::WNOHANG()) == $run }, 15,
    'the end');
ok($gone, 'ends on an interrupt');
@started = ();

ok(wait_for(sub { !left() }, 5), 'no process is left')
    or diag(join "\n", left());
ok(!-e $store, 'no store is left');

# ---- and starts again, with what there was

$run = spawn("$var/out2", repo_dir() . '/scripts/run');

ok(wait_for(sub { -e "$var/out2" && read_file("$var/out2") =~ /Ctrl-C ends/ },
    40, 'the second start'), 'starts again');
like(read_file("$var/out2"), qr/Stream key +\Q$key\E$/m, 'with the same key');
kill 'INT', -$run;
ok(wait_for(sub { waitpid($run, POSIX::WNOHANG()) == $run }, 15, 'the end'),
    'ends again');
@started = ();

done_testing();
