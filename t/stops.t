#!/usr/bin/perl

# Every publish that started has one stop, in the log and in the metrics,
# however its worker ends: stopped at once, drained for long enough, or with
# all of nginx.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Stream;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));

my $conf = <<'EOC';
live { live_store %%STORE%% 128m; live_segment 1s; live_part 200ms;
       live_drain_timeout 1s; live_max_bitrate 2m; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/   { live_hls; live_token off; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

my $ng = Live::Nginx->new(workers => 2, conf => $conf)->start;

# --- one worker is told to stop at once

my $a = publish('term');
my $pid = view('term')->status->{publisher}{pid};
$ng->kill_worker(TERM => $pid);
ok($a->closed_within(10), 'a worker that stops closes its publisher');
ok(wait_for(sub { stops('term') }, 10, 'a line'), 'and logs the stop');
ok(wait_for(sub { $ng->workers == 2 && !grep { $_ == $pid } $ng->workers },
    10, 'a new worker'), 'there is a new worker');
counted(1);
ok(view('term')->wait_state('interrupted'), 'the stream is filled');
is(scalar(stops('term')), 1, 'the stop is logged once');

# --- an old worker has drained for long enough

$a = publish('drain');
$ng->reload;
ok($a->closed_within(20), 'live_drain_timeout: closed');
ok(wait_for(sub { stops('drain') }, 10, 'a line'), 'logged');
counted(2);
is(scalar(stops('drain')), 1, 'once');

# --- a worker is killed

$a = publish('kill');
$ng->kill_worker(KILL => view('kill')->status->{publisher}{pid});
ok(wait_for(sub { stops('kill') }, 10, 'a line'),
    'a killed worker\'s stop is told by another');
counted(3);
is(scalar(stops('kill')), 1, 'once');

# --- all of nginx is told to stop at once

ok(wait_for(sub { $ng->workers == 2 }, 10, 'two workers'), 'both are there');
my @all = map { publish($_) } qw(one two three four);
$ng->stop('TERM');
is(scalar(stops($_)), 1, "nginx stops: \"$_\" has one stop")
    for qw(one two three four);

$ng->finish;

# --- all of nginx is told to stop when it is done: without workers that serve
# what they write, publishers are not kept, whatever live_drain_timeout

$conf =~ s/live_drain_timeout 1s/live_drain_timeout 1h/;
$ng = Live::Nginx->new(workers => 2, conf => $conf)->start;
my @kept = map { publish($_) } qw(five six);
my $master = $ng->master;
$ng->reload;
ok(!$kept[0]->closed_within(6), 'a reload: the publisher stays');
kill QUIT => $master;
ok($_->closed_within(15), 'nginx quits: the publisher is told to go') for @kept;
ok(wait_for(sub { !kill 0, $master }, 15, 'the end'), 'and nginx ends');
is(scalar(stops($_)), 1, "nginx quits: \"$_\" has one stop") for qw(five six);

$ng->finish;
done_testing;

sub publish {
    my ($name) = @_;
    my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => $name, chunk_size => 60000, timeout => 10);

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
        && $_->{ts} < 2500 } @$tags;
    $c->poll;
    ok(view($name)->wait_live, "$name: live");

    return $c;
}

sub view { return Live::Stream->new($ng, 'http', $_[0]) }

sub stops { return $ng->log_grep(qr/live: publish of "$_[0]" (?!started)/) }

sub counted {
    my ($n) = @_;
    my ($started, $stopped);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(sub {
        my $text = eval { $ng->get('http', '/metrics')->body } // return;
        ($started) = $text =~ /^ngx_live_publish_started_total (\d+)/m;
        ($stopped) = $text =~ /^ngx_live_publish_stopped_total (\d+)/m;
        return $started == $n && $stopped == $n;
    }, 10, 'the counters'), "$n started, $n stopped")
        or diag("started $started, stopped $stopped");
}
