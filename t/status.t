#!/usr/bin/perl

# /status and /metrics: every worker tells of all of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::Prometheus;

my $ng = Live::Nginx->new(conf => <<'EOC');
live { live_store %%STORE%% 64m; live_resume 4s; }

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
        keepalive_requests 1;

        location /live/   { live_hls; live_token off; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

judge_itself();

$ng->start;

my $url = 'rtmp://127.0.0.1:' . $ng->port('rtmp') . '/live';
my ($first, $second);

before_anything();
what_is_refused();
one_stream();
from_every_worker();
viewers();
pages_of_streams();
metrics();
publisher_killed();
refused();
what_the_log_says();
worker_killed();
reloaded();
without_a_store();

$ng->finish;
done_testing;


sub status {
    my ($query, %opt) = @_;
    my $res = $ng->get('http', '/status' . ($query // ''), %opt);

    return $res->status == 200 ? JSON::PP::decode_json($res->body) : undef;
}

sub metrics_now {
    return Live::Prometheus->parse($ng->get('http', '/metrics')->body);
}

# The stream of that id as /status shows it once the condition holds.
sub stream_when {
    my ($id, $cond, $what) = @_;
    my $stream;

    wait_for(sub {
        my $page = status("?stream=$id") // return;
        $stream = $page->{streams}[0] // return;
        return $cond->($stream);
    }, 20, $what) or diag(explain($stream));

    return $stream;
}

# The judge finds what is wrong, else its silence says nothing.
sub judge_itself {
    my $good = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n";
    my @bad = (
        [ 'no type', "# HELP a_total A.\na_total 1\n" ],
        [ 'no help', "# TYPE a_total counter\na_total 1\n" ],
        [ 'no line feed', substr($good, 0, -1) ],
        [ 'twice', $good . "a_total 2\n" ],
        [ 'a bad value', $good =~ s/ 1$/ one/mr ],
        [ 'a bad label', $good =~ s/a_total 1/a_total{b=c} 1/r ],
        [ 'a counter without _total', $good =~ s/a_total/a/gr ],
        [ 'a gauge with _total', $good =~ s/counter/gauge/r ],
        [ 'milliseconds', $good =~ s/a_total/a_ms_total/gr ],
        [ 'scattered', $good . ($good =~ s/a_total/b_total/gr)
            . "a_total{x=\"1\"} 1\n" ],
    );

    is(join('; ', Live::Prometheus->parse($good)->complaints), '',
        'the judge accepts what is right');
    isnt(join('; ', Live::Prometheus->parse($_->[1])->complaints), '',
        "the judge finds: $_->[0]") for @bad;
}

sub before_anything {
    my $res = $ng->get('http', '/status');

    is($res->status, 200, 'status with no stream');
    is($res->header('Content-Type'), 'application/json', 'is JSON');
    is($res->header('Cache-Control'), 'no-store', 'never cached');

    my $page = JSON::PP::decode_json($res->body);

    is_deeply($page->{streams}, [], 'an empty list of streams');
    is($page->{next}, undef, 'and no next page');
    is(scalar @{ $page->{workers} }, 4, 'four workers');
    is_deeply([ sort { $a <=> $b } map { $_->{pid} } @{ $page->{workers} } ],
        [ $ng->workers ], 'by their pids');
    is($page->{node}{generation}, 1, 'the first configuration');
    cmp_ok($page->{store}{bytes}, '>', 50 * 1024 * 1024, "the store's size");
    cmp_ok($page->{store}{bytes_free}, '<=', $page->{store}{bytes},
        'and what of it is free');

    my $head = $ng->get('http', '/status', method => 'HEAD');

    is($head->status, 200, 'HEAD');
    is($head->body, '', 'has no body');
    cmp_ok($head->header('Content-Length'), '>', 200, 'but its length');

    $head = $ng->get('http', '/metrics', method => 'HEAD');
    is($head->status . $head->body, '200', 'HEAD of the metrics');
    is($head->header('Content-Type'),
        'text/plain; version=0.0.4; charset=utf-8', 'their type');
    is($head->header('Cache-Control'), 'no-store', 'never cached');

}

sub what_is_refused {
    for my $path ('/status', '/metrics') {
        is($ng->get('http', $path, method => 'POST', body => 'x')->status, 405,
            "POST $path");

        for my $name (qw(X-Forwarded-For Forwarded X-Real-IP Via)) {
            my $res = $ng->get('http', $path, headers => { $name => 'a' });
            is($res->status, 403, "$path that a proxy passes on ($name)");
        }
    }

    is($ng->get('http', "/status?$_")->status, 400, "?$_")
        for qw(limit=0 limit=501 limit=x limit= from=0 from=-1 from=x);
}

sub one_stream {
    my $media = Live::Encoder::media(fps => 25, gop => 50);

    $first = Live::Encoder->ffmpeg("$url/alpha", media => $media);

    my $s = stream_when('alpha', sub {
        my ($video) = grep { $_->{kind} eq 'video' } @{ $_[0]{tracks} };
        return $_[0]{state} eq 'live' && @{ $_[0]{tracks} } == 2
            && $video->{gop_ms} && $video->{fps} && $video->{bitrate};
    }, 'the stream to be live') or return;

    my ($video, $audio) = map { my $kind = $_;
        grep { $_->{kind} eq $kind } @{ $s->{tracks} } } qw(video audio);

    is($s->{id}, 'alpha', 'its id');
    cmp_ok(abs($s->{epoch} - time), '<', 30, 'its epoch is its start');
    ok($s->{publisher}{connected}, 'its publisher is there');
    is($s->{publisher}{protocol}, 'rtmp', 'by RTMP');
    is($s->{publisher}{address}, '127.0.0.1', 'from here');
    like($s->{publisher}{encoder}, qr/Lavf|FMLE/, 'with ffmpeg');
    ok((grep { $_ == $s->{publisher}{pid} } $ng->workers),
        'in one of the workers');

    is($video->{name}, 'v0', 'video: name');
    like($video->{codecs}, qr/^avc1\.[0-9a-f]{6}$/i, 'video: codec');
    is("$video->{width}x$video->{height}", '320x180', 'video: size');
    is($video->{frame_rate}, 25, 'video: frame rate');
    cmp_ok(abs($video->{fps} - 25), '<', 1, 'video: frame rate as measured');
    is($video->{gop_ms}, 2000, 'video: GOP');
    cmp_ok($video->{bitrate}, '>', 50_000, 'video: bit rate');
    cmp_ok($video->{bitrate}, '<', 900_000, 'in bits a second');
    cmp_ok($video->{bitrate_peak}, '>=', $video->{bitrate_avg},
        'video: peak and average');
    is($video->{filler} ? 1 : 0, 0, 'video: not a filler');

    is($audio->{name}, 'a0', 'audio: name');
    is($audio->{codecs}, 'mp4a.40.2', 'audio: codec');
    is($audio->{sample_rate}, 48000, 'audio: rate');
    is($audio->{channels}, 2, 'audio: channels');

    is($s->{target_duration_s}, 2, 'target duration');
    cmp_ok($s->{part_target_ms}, '>', 300, 'part target');
    cmp_ok($s->{part_target_ms}, '<', 400, 'in milliseconds');
    cmp_ok(abs($s->{av_skew_ms}), '<', 300, 'audio and video go together');
    cmp_ok($s->{bytes_in}, '>', 10_000, 'bytes are counted');
    cmp_ok($s->{frames_in}, '>', 50, 'and frames');
    is($s->{frames_dropped}, 0, 'none dropped');
    is($s->{evicted_segments}, 0, 'nothing evicted');
    cmp_ok($s->{store_bytes}, '>', 10_000, 'memory in use');
    cmp_ok($s->{store_bytes_reserved}, '>', 1_000_000, 'memory reserved');
    is($s->{viewers}, 0, 'nobody watches');
}

# Every worker shows what one of them ingests.
sub from_every_worker {
    my (%seen, $publisher);

    wait_for(sub {
        my $page = status() // return;
        my ($s) = grep { $_->{id} eq 'alpha' } @{ $page->{streams} };

        $seen{ $page->{node}{pid} } = $s ? $s->{state} : 'missing';
        $publisher = $s->{publisher}{pid} if $s;

        return keys %seen == 4;
    }, 20, 'an answer of each worker');

    is_deeply([ sort { $a <=> $b } keys %seen ], [ $ng->workers ],
        'every worker was asked');
    is_deeply([ grep { $_ ne 'live' } values %seen ], [],
        'and each shows the stream');
    ok((grep { $_ != $publisher } keys %seen),
        'though another one ingests it');
}

sub viewers {
    for my $agent ('one', 'two', 'two') {
        $ng->get('http', '/live/alpha/v0/index.m3u8',
            headers => { 'User-Agent' => $agent });
    }

    my $s = stream_when('alpha', sub { $_[0]{viewers} == 2 },
        'two viewers to be counted');

    is($s->{viewers}, 2, 'viewers are counted by session');
}

sub pages_of_streams {
    $second = Live::Encoder->ffmpeg("$url/bravo");
    stream_when('bravo', sub { $_[0]{state} eq 'live' }, 'a second stream');

    is_deeply([ sort map { $_->{id} } @{ status()->{streams} } ],
        [ 'alpha', 'bravo' ], 'both streams on one page');
    is_deeply([ map { $_->{id} } @{ status('?stream=bravo')->{streams} } ],
        [ 'bravo' ], 'one stream, by its id');
    is_deeply(status('?stream=third')->{streams}, [], 'an unknown stream');

    my $page = status('?limit=1');
    my @ids = map { $_->{id} } @{ $page->{streams} };

    is(scalar @ids, 1, 'a page of one');
    ok($page->{next}, 'tells of the next');

    $page = status("?limit=1&from=$page->{next}");
    push @ids, map { $_->{id} } @{ $page->{streams} };

    is_deeply([ sort @ids ], [ 'alpha', 'bravo' ], 'which has the other');
}

sub metrics {
    my $m = metrics_now();

    is(join("\n", $m->complaints), '', 'metrics: nothing to complain about');
    is($m->value('ngx_live_streams', state => 'live'), 2, 'streams by state');
    is($m->value('ngx_live_publishers'), 2, 'publishers');
    is($m->value('ngx_live_viewers'), 2, 'viewers');
    is($m->value('ngx_live_workers'), 4, 'workers');
    is($m->value('ngx_live_tracks'), 4, 'tracks');
    is($m->value('ngx_live_publish_started_total'), 2, 'publishes');
    is($m->value('ngx_live_publish_stopped_total'), 0, 'none has stopped');
    cmp_ok($m->value('ngx_live_hls_responses_total', type => 'playlist'), '>=',
        3, 'playlists');
    cmp_ok($m->value('ngx_live_ingest_bytes_total'), '>', 10_000,
        'bytes from publishers');
    cmp_ok(abs($m->value('ngx_live_start_time_seconds') - time), '<', 120,
        'start time');
    cmp_ok($m->value('ngx_live_store_free_bytes'), '<',
        $m->value('ngx_live_store_size_bytes'), 'the store is in use');

    # What a peer chooses must never make a series.
    my $before = scalar $m->series;

    $ng->get('http', "/live/no-such-$_/index.m3u8") for 1 .. 20;
    $m = metrics_now();

    is(scalar $m->series, $before, 'requests make no new series');
    is(join(' ', grep { /alpha|bravo|no-such|127\.0/ } $m->series), '',
        'no stream or address in any');
    cmp_ok($m->value('ngx_live_hls_errors_total', reason => 'not_found'), '>=',
        20, 'but they are counted');

    # Counters never go down, whoever answers.
    my %last;

    for (1 .. 20) {
        my $now = metrics_now();

        for my $name (grep { ($now->type($_) // '') eq 'counter' }
            $now->names)
        {
            for my $key (grep { /^\Q$name\E(?:\{|$)/ } $now->series) {
                my $value = $now->{value}{$key};
                fail("$key went from $last{$key} to $value")
                    if $value < ($last{$key} // 0);
                $last{$key} = $value;
            }
        }
    }

    pass('counters only go up, from worker to worker');
}

sub publisher_killed {
    $second->kill;

    my $s = stream_when('bravo', sub { $_[0]{state} eq 'interrupted' },
        'the killed publisher to be missed');

    ok(!$s->{publisher}{connected}, 'an interrupted stream says so');

    $s = stream_when('bravo', sub { $_[0]{tracks}[0]{filler} },
        'the filler');
    ok($s->{tracks}[0]{filler}, 'and that it is being filled');

    stream_when('bravo', sub { $_[0]{state} eq 'ended' }, 'the end');

    my $m = metrics_now();

    is($m->value('ngx_live_streams', state => 'ended'), 1, 'it has ended');
    is($m->value('ngx_live_publishers'), 1, 'one publisher is left');
    is($m->value('ngx_live_publish_stopped_total'), 1, 'one has stopped');
    cmp_ok($m->value('ngx_live_fills_total'), '>', 0, 'fillers count');
    is($m->value('ngx_live_streams_ended_total'), 1, 'and the end does');
}

sub refused {
    my $enc = Live::Encoder->ffmpeg("$url/-no-such-name");

    $enc->wait(15);

    my $by = metrics_now()->by('ngx_live_publish_refused_total', 'reason');
    my $sum = 0;
    $sum += $_ for values %$by;

    is_deeply([ sort keys %$by ], [ qw(auth bad_request busy drain full) ],
        'refusals have five reasons');
    is($sum, 1, 'one publisher was refused') or diag(explain($by));
}

# Each once, at its level.
sub what_the_log_says {
    my %expected = (
        'notice: publish of "alpha" started, rtmp from 127.0.0.1' => 1,
        'notice: publish of "bravo" started, rtmp from 127.0.0.1' => 1,
        'notice: publish of "bravo" (?:lost|ended) after \d+ ms: .' => 1,
        'notice: publish of "alpha" (?:lost|ended|finished)' => 0,
        'notice: stream "bravo" ended' => 1,
        'error: publish refused, rtmp from 127.0.0.1: .' => 1,
        'error: publish refused.*no-such-name' => 0,
    );

    for my $line (sort keys %expected) {
        my ($level, $text) = $line =~ /^(\w+): (.*)$/;
        my @found = grep { /live: $text/ } split /\n/, $ng->log_text;

        is(scalar @found, $expected{$line}, "the log, $expected{$line} times: "
            . $text) or diag(join "\n", @found);
        is((grep { !/ \[$level\] / } @found), 0, "at level $level") if @found;
    }
}

# What the dead worker counted stays; what it held does not.
sub worker_killed {
    my $s = status('?stream=alpha')->{streams}[0];
    my $started = metrics_now()->value('ngx_live_publish_started_total');

    $ng->kill_worker(KILL => $s->{publisher}{pid});

    stream_when('alpha', sub { $_[0]{state} ne 'live' },
        'the dead worker to be missed');

    wait_for(sub { $ng->workers == 4 && @{ status()->{workers} } == 4 }, 10,
        'its successor');

    my $m = metrics_now();

    is($m->value('ngx_live_publishers'), 0, 'no publisher is left');
    is($m->value('ngx_live_publish_started_total'), $started,
        'what the dead worker counted stays');
    is($m->value('ngx_live_hls_waiting_requests'), 0, 'nobody waits');
    is($m->value('ngx_live_hls_pinned_parts'), 0, 'nothing is pinned');
    cmp_ok($m->value('ngx_live_store_repairs_total'), '>', 0,
        'the repair is counted');
    is(join("\n", $m->complaints), '', 'nothing to complain about');
}

sub reloaded {
    my $before = status()->{node};

    $ng->reload;

    my $after;
    wait_for(sub { $after = status(); $after
        && $after->{node}{generation} == $before->{generation} + 1 }, 10,
        'a worker of the new generation');

    is($after->{node}{generation}, 2, 'the second configuration');
    cmp_ok($after->{node}{uptime_s}, '>=', $before->{uptime_s},
        'the same nginx goes on');
    cmp_ok($after->{node}{loaded_s}, '<', 10, 'loaded just now');
    ok((grep { $_->{id} eq 'alpha' } @{ $after->{streams} }),
        'with the same streams');
}

sub without_a_store {
    my $other = Live::Nginx->new(workers => 1, conf => <<'EOC');
http {
    %%HTTP%%

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

    $other->start;
    is($other->get('http', $_)->status, 503, "$_ without a live block")
        for '/status', '/metrics';
    is(scalar $other->log_grep(qr/no part in a store/), 2,
        'the log says why');
    $other->finish;
}
