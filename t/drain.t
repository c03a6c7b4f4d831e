#!/usr/bin/perl

# Old workers keep their publishers after a reload, but not for ever: until
# live_drain_timeout, or while live_drain_max newer generations live. The
# encoder reconnects to a new worker, and the stream goes on without a seam.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::Stream;

my $conf = <<'EOC';
live { live_store %%STORE%% 64m; live_segment 1s; live_part 200ms; LIMIT }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC

sub start {
    my ($limit) = @_;
    (my $text = $conf) =~ s/LIMIT/$limit/;
    my $ng = Live::Nginx->new(workers => 2, conf => $text);

    $ng->start;
    my $enc = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/a',
        $ng->port('rtmp')), media => Live::Encoder::media(gop => 25));
    my $v = Live::Stream->new($ng, 'http', 'a');
    ok($v->wait_live, "$limit: live") or diag($enc->log);

    return ($ng, $enc, $v);
}

# The next generation is known by the second in which it was loaded.
sub reload {
    my ($ng) = @_;
    my $now = int time();
    wait_for(sub { int(time()) > $now }, 3);
    $ng->reload;
}

{
    my ($ng, $enc, $v) = start('live_drain_max 2;');
    my $pid = $v->status->{publisher}{pid};

    reload($ng);
    is($v->status->{publisher}{pid}, $pid, 'one reload: it stays');
    ok($enc->running, 'the encoder noticed nothing');

    # its own publisher keeps the second generation alive, too
    my $other = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/b',
        $ng->port('rtmp')), media => Live::Encoder::media(gop => 25));
    my $b = Live::Stream->new($ng, 'http', 'b');
    ok($b->wait_live, 'another publisher, in the second generation');

    my $before = $v->playlist;
    reload($ng);
    ok(defined $enc->wait(10), 'live_drain_max: it is asked to go');
    ok(wait_for(sub { $ng->log_grep(qr/publish of "a" lost/) }, 5), 'logged');
    ok($other->running, 'the second generation keeps its own');
    ok(wait_for(sub { !grep { $_ == $pid } $ng->all_workers }, 10),
        'the old worker is gone');

    $enc = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/a',
        $ng->port('rtmp')), media => Live::Encoder::media(gop => 25));
    ok($v->wait_live, 'back, with a new worker');
    isnt($v->status->{publisher}{pid}, $pid, 'another one');
    is($v->playlist->{discontinuities}, 0, 'without a discontinuity');
    is($v->playlist->{map}, $before->{map}, 'with the same init section');

    # nginx has an alert for what is open in an old worker at a fast stop
    $_->kill for $enc, $other;
    wait_for(sub { $ng->all_workers == $ng->workers }, 10, 'old workers to go');
    $ng->finish;
}

{
    my ($ng, $enc, $v) = start('live_drain_timeout 1s;');

    reload($ng);
    ok(defined $enc->wait(10), 'live_drain_timeout: it is asked to go');
    $ng->finish;
}

done_testing;
