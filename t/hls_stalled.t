#!/usr/bin/perl

# Five hundred readers that do not read, over HTTP/1.1 and HTTP/2, pin all of
# the store that they can. Publishers and viewers beside them, of the same
# stream and of another one, have every part in time.

# serial

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp;
use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::Stream;

my ($CONNECTIONS, $STREAMS) = (250, 250);

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 96m; live_segment 1s; live_window 8s;
       live_max_bitrate 4m; live_muxed off; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%% sndbuf=16k;
        listen 127.0.0.1:%%PORT_h2%% http2 sndbuf=16k;
        location /live/   { live_hls; live_token off; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

my $tools = ($ENV{BUILD} // "$FindBin::Bin/../build") . '/tools';
my $dir = File::Temp->newdir;
my $url = 'http://127.0.0.1:' . $ng->port('http') . '/live';
my %pid;

END { kill 'KILL', $_ for values %pid }

# --- two publishers, and how viewers fare without any stalled reader

run('push', 'rtmp_push', '-n', 2, '-t', 60,
    'rtmp://127.0.0.1:' . $ng->port('rtmp') . '/live/s%d',
    Live::Encoder::media(gop => 25, size => '640x360', bitrate => '2500k'));

for (0, 1) {
    ok(Live::Stream->new($ng, 'http', "s$_")->wait_live, "s$_ is live");
}

wait_for(sub { segments() >= 6 }, 20, 'six segments');

# --- the readers

run('stall', 'hls_stall', '-n', $CONNECTIONS, '-m', $STREAMS, '-c', 4,
    '-t', 22, "$url/s0/v0/index.m3u8", $ng->port('h2'));

my $most = 0;
ok(wait_for(sub {
    my $now = metric('ngx_live_hls_pinned_parts');
    $most = $now if $now > $most;
    return $most >= $CONNECTIONS + $STREAMS;
}, 15, 'pins'), 'the readers pin parts') or diag("$most pinned");

run("view$_", 'hls_swarm', '-n', 10, '-r', 1, '-t', 15, '-L', "$dir/parts$_",
    "$url/s$_/v0/index.m3u8") for 0, 1;

wait_for(sub {
    my $now = metric('ngx_live_hls_pinned_parts');
    $most = $now if $now > $most;
    return !running('view0') && !running('view1');
}, 40, 'the viewers');

my $stall = result('stall');
cmp_ok($most, '>=', 3 * ($CONNECTIONS + $STREAMS), "$most parts pinned at once");
is("$stall->{connections} $stall->{streams}", "$CONNECTIONS $STREAMS",
    'by 250 connections and 250 HTTP/2 streams');
cmp_ok($stall->{cut}, '>', 0, "connections were cut off: $stall->{cut}");
cmp_ok($stall->{h2_cut}, '>', 0, "streams were, too: $stall->{h2_cut}");
is($stall->{bad_lists}, 0, 'playlists were there all the time');
is(metric('ngx_live_hls_slow_readers_reset_total') > 0 ? 1 : 0, 1,
    'which is counted');

for (0, 1) {
    my $who = $_ ? 'another stream' : 'the same stream';
    my $v = result("view$_");

    is($v->{bad}, 0, "viewers of $who: no error") or diag($v->{last_bad});
    is($v->{closed}, 0, 'no closed connection');
    is($v->{stalls}, 0, 'no stall');

    my @parts = parts("$dir/parts$_");
    my @gaps = gaps(@parts);
    cmp_ok(scalar @parts, '>=', 25, scalar(@parts) . ' parts waited for');
    is("@gaps", '', 'none is missing');
}

is(metric('ngx_live_hls_errors_total', 'reason="timeout"'), 0, 'no blocked request in vain');
is(metric('ngx_live_ingest_dropped_frames_total'), 0, 'no frame was dropped');
is(metric('ngx_live_publish_started_total'), 2, 'two publishers began');
is(metric('ngx_live_publish_stopped_total'), 0, 'and go on');
is(scalar($ng->log_grep(qr/store is full/)), 0, 'the store had room');

kill 'TERM', $pid{push};
my $push = result('push');
is($push->{lost} + $push->{refused}, 0, 'their connections were never closed');

# --- what they had pinned is given back

ok(wait_for(sub { metric('ngx_live_hls_pinned_parts') == 0 }, 10,
    'pins to go'), 'when the readers have gone, nothing is pinned');

$ng->finish;
done_testing;

sub run {
    my ($name, $tool, @args) = @_;

    $pid{$name} = fork() // die "fork: $!";

    if ($pid{$name} == 0) {
        # a load generator's memory goes with it
        $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
        open STDOUT, '>', "$dir/$name" or die;
        exec "$tools/$tool", @args or die "$tool: $!";
    }
}

sub running {
    my ($name) = @_;

    return unless $pid{$name};
    delete $pid{$name} if waitpid($pid{$name}, 1) == $pid{$name};

    return exists $pid{$name};
}

# Waits for it to end: its line of name=value.
sub result {
    my ($name) = @_;

    wait_for(sub { !running($name) }, 40, "$name to end");

    my ($line) = grep { /=/ } split /\n/, Live::Nginx::read_file("$dir/$name");

    return { map { split /=/, $_, 2 } split ' ', $line // '' };
}

# The blocking reloads that were answered: [msn, part], in order.
sub parts {
    my ($file) = @_;

    return sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] }
        map { [ (split ' ')[3, 4] ] }
        split /\n/, Live::Nginx::read_file($file);
}

sub gaps {
    my @parts = @_;
    my @gaps;

    for my $i (1 .. $#parts) {
        my ($m, $p, $n, $q) = (@{ $parts[$i - 1] }, @{ $parts[$i] });
        push @gaps, "$m.$p to $n.$q"
            unless ($n == $m && $q == $p + 1) || ($n == $m + 1 && $q == 0);
    }

    return @gaps;
}

sub segments {
    my $n = () = $ng->get('http', '/live/s0/v0/index.m3u8')->body
        =~ /^\d+\.m4s/mg;

    return $n;
}

sub metric {
    my ($name, $label) = @_;
    my $text = $ng->get('http', '/metrics')->body;

    $label = defined $label ? "\\{\Q$label\E\\}" : '';

    return $text =~ /^$name$label (\d+)/m ? $1 : -1;
}
