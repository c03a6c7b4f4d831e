#!/usr/bin/perl

# Publishers and viewers through reload, binary upgrade and killed workers:
# nobody is lost, no media sequence number is lost or used twice, and what one
# worker writes another serves.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::Stream;

my $ng = Live::Nginx->new(conf => <<'EOC');
live { live_store %%STORE%% 64m; live_segment 1s; live_part 200ms;
       live_window 20s; live_resume 20s; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        add_header X-Worker $pid always;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC

$ng->start;

my $media = Live::Encoder::media(gop => 25, seconds => 20);
my %enc = map { $_ => Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/%s',
    $ng->port('rtmp'), $_), media => $media) } qw(a b);
my %view = map { $_ => Live::Stream->new($ng, 'http', $_) } keys %enc;

ok($view{$_}->wait_live, "stream $_ is live") or diag($enc{$_}->log, $ng->tail)
    for sort keys %view;

# Follows a stream for some segments: every msn once, in order, each part as
# soon as the playlist names it, no discontinuity. Returns the workers' pids
# that answered.
sub follow {
    my ($v, $segments, $name) = @_;
    my (%worker, @problem);
    my $pl = $v->playlist;
    my $next = $pl->{next_msn};
    my $end = $next + $segments;
    my $stop = time() + 20 + 2 * $segments;

    while ($next < $end && time() < $stop) {
        my $new = eval { $v->playlist($pl->{rendition},
            "?_HLS_msn=$next&_HLS_part=0") };

        if (!$new) {
            push @problem, "msn $next: $@";
            last;
        }

        $worker{ $new->{worker} }++ if $new->{worker};

        push @problem, "went from $pl->{next_msn} to $new->{next_msn}"
            if $new->{next_msn} < $pl->{next_msn};
        push @problem, 'discontinuity' if $new->{discontinuities};

        my @msn = map { $_->{msn} } @{ $new->{segments} };
        my ($part) = grep { $_->{msn} == $next && $_->{part} == 0 }
            @{ $new->{parts} };

        if (!$part) {
            push @problem, "msn $next is not listed" if !grep { $_ == $next } @msn;
        } else {
            my $res = $v->get("$pl->{rendition}/$part->{uri}");
            push @problem, "$part->{uri}: " . $res->status
                unless $res->status == 200 && length($res->body) > 100;
            $worker{ $res->header('X-Worker') }++;
        }

        $pl = $new;
        $next++;
    }

    push @problem, "only up to $next of $end" if $next < $end;
    ok(!@problem, "$name: every segment in order") or diag(join "\n", @problem);

    return \%worker;
}

sub publisher { return $view{ $_[0] }->status->{publisher} }

# --- any worker serves any stream

{
    my $pid = publisher('a')->{pid};
    my $worker = follow($view{a}, 3, 'four workers');

    # which worker accepts a connection is chance
    for (1 .. 50) {
        last if grep { $_ != $pid } keys %$worker;
        $worker->{ $view{a}->playlist->{worker} }++;
    }

    ok((grep { $_ != $pid } keys %$worker),
        "a worker that does not write (not $pid) served it")
        or diag(join ' ', keys %$worker);
}

# --- reload

{
    my %since = map { $_ => publisher($_)->{since_ms} } keys %enc;
    my $pid = publisher('a')->{pid};

    ok($ng->reload, 'reload');

    my $worker = follow($view{a}, 4, 'reload');
    my %new = map { $_ => 1 } $ng->workers;

    for (1 .. 50) {
        last if grep { $new{$_} } keys %$worker;
        $worker->{ $view{a}->playlist->{worker} }++;
    }

    ok(!$new{$pid}, "the publisher's worker $pid is an old one");
    ok((grep { $new{$_} } keys %$worker), 'new workers serve what it writes');
    is(publisher($_)->{since_ms}, $since{$_}, "$_: still the same publish")
        for sort keys %enc;
    is(publisher('a')->{pid}, $pid, 'written by the old worker');
    ok($enc{$_}->running, "$_: the encoder noticed nothing") for sort keys %enc;
}

# --- binary upgrade

{
    my %since = map { $_ => publisher($_)->{since_ms} } keys %enc;

    ok($ng->upgrade, 'binary upgrade');

    follow($view{b}, 4, 'upgrade');
    is(publisher($_)->{since_ms}, $since{$_}, "$_: still the same publish")
        for sort keys %enc;
    ok($enc{$_}->running, "$_: the encoder noticed nothing") for sort keys %enc;
}

# --- a killed worker

{
    # bring b onto another worker than a's
    my ($pa, $pb);

    for (1 .. 20) {
        $enc{b}->kill;
        $enc{b} = Live::Encoder->ffmpeg(sprintf(
            'rtmp://127.0.0.1:%d/live/b', $ng->port('rtmp')), media => $media);
        my $was = publisher('b')->{since_ms};
        wait_for(sub { (publisher('b')->{since_ms} // 0) != $was
            && $view{b}->status->{state} eq 'live' }, 15, 'b to be back');
        ($pa, $pb) = (publisher('a')->{pid}, publisher('b')->{pid});
        last if $pa != $pb;
    }

    isnt($pa, $pb, 'two publishers on two workers');

    my $since = publisher('a')->{since_ms};
    my $before = $view{b}->playlist;

    $ng->kill_worker(KILL => $pb);

    follow($view{a}, 3, "killed worker, another's stream");
    is(publisher('a')->{since_ms}, $since, 'a: still the same publish');
    ok($enc{a}->running, 'a: the encoder noticed nothing');

    ok($view{b}->wait_state('interrupted'), 'b: interrupted, not gone');
    ok(defined $enc{b}->wait(10), 'b: its encoder saw the connection close');
    my @died;
    wait_for(sub { @died = $ng->log_grep(
        qr/publish of "b" lost: its worker $pb died/) }, 5);
    is(scalar @died, 1, 'b: the publish that died has its one stop');

    # the filler runs on the same time line
    ok(wait_for(sub {
        $view{b}->playlist->{next_msn} > $before->{next_msn} + 2
    }, 15, 'the filler'), 'b: filled while nobody publishes');

    $enc{b} = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/b',
        $ng->port('rtmp')), media => $media);
    ok($view{b}->wait_live, 'b: resumed');
    follow($view{b}, 2, 'resumed');

    my $after = $view{b}->playlist;
    is($after->{discontinuities}, 0, 'b: no discontinuity');
    ok(!$after->{gaps}, 'b: no gap');
    is($after->{map}, $before->{map}, 'b: the same init section');

    my %seen;
    my @twice = grep { $seen{$_}++ } map { $_->{msn} } @{ $after->{segments} };
    is("@twice", '', 'b: no media sequence number twice');
}

# --- stop and start: numbers go on

{
    my $last = $view{a}->playlist->{next_msn};

    $_->kill for values %enc;
    $ng->stop('QUIT');
    $ng->start;

    $enc{a} = Live::Encoder->ffmpeg(sprintf('rtmp://127.0.0.1:%d/live/a',
        $ng->port('rtmp')), media => $media);
    ok($view{a}->wait_live, 'live again after stop and start');

    cmp_ok($view{a}->playlist->{msn}, '>=', $last,
        'no media sequence number is used again');
}

$ng->finish;
done_testing;
