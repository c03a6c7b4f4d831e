#!/usr/bin/perl

# All of it: a new user with curl, PostgreSQL, the control plane behind nginx,
# ffmpeg, and a viewer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use Live::Control;
use Live::Encoder;
use Live::Nginx qw(wait_for);

my $PASS = 'correct-horse';
my $cp = Live::Control->new;
my $ng = Live::Nginx->new(workers => 4, vars => { URL => $cp->url }, files => { 'node.key' => $cp->node_key . "\n" },
    allow_alerts => [ qr/exited on signal 9/ ], conf => <<'EOC');
live {
    live_store %%STORE%% 128m;
    live_control_plane %%URL%%;
    live_node_id one;
    live_node_key %%DIR%%/node.key;
    live_node_urls rtmp=rtmp://127.0.0.1:%%PORT_rtmp%%/live http=http://127.0.0.1:%%PORT_http%%;
    live_segment 1s; live_part 200ms; live_resume 1s;
}
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth %%URL%%/internal/publish; }
    server { listen 127.0.0.1:%%PORT_srt%% udp reuseport; live_srt; live_publish_auth %%URL%%/internal/publish; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /api/     { proxy_pass %%URL%%; }
        location /live/    { live_hls; live_token on; }
        location /control/ { live_control; }
        location /status   { live_status; }
    }
}
EOC

chmod 0644, $ng->dir . '/node.key';
$cp->conf(public_url => 'http://127.0.0.1:' . $ng->port('http'));
$cp->start;
$ng->start;

my $api = 'http://127.0.0.1:' . $ng->port('http') . '/api';
my $media = Live::Encoder::media(gop => 25, seconds => 20);

# curl, as a user types it.
sub curl {
    my ($method, $path, $json, $token) = @_;
    my @args = ('curl', '-sS', '-X', $method, '-w', '\n%{http_code}',
        ($token ? ('-H', "Authorization: Bearer $token") : ()),
        (defined $json ? ('-H', 'Content-Type: application/json', '-d', JSON::PP::encode_json($json)) : ()),
        $path =~ /^http/ ? $path : "$api$path");

    open my $fh, '-|', @args or die "curl: $!\n";
    my $text = do { local $/; <$fh> };
    close $fh;

    my ($body, $status) = $text =~ /^(.*)\n(\d+)$/s;
    my $got = eval { JSON::PP::decode_json($body) };

    return wantarray ? ($status, $got // $body) : ($got // $body);
}

my ($status, $user) = curl(POST => '/auth/register', { username => 'ada', email => 'ada@example.org', password => 'a long enough password' });
is($status, 201, 'a new user registers') or diag explain $user;
my $login = $user->{access_token};

($status, my $stream) = curl(POST => '/streams', { title => 'My first stream' }, $login);
is($status, 201, 'makes a stream') or diag explain $stream;
my $id = $stream->{id};
my $key = ref $stream->{key} ? $stream->{key}{key} : $stream->{key};
like($key, qr/^[a-z2-7]{32}$/, 'and gets its key');

sub state { return scalar curl(GET => "/streams/$id", undef, $login)->{status} }
sub push_it { return Live::Encoder->ffmpeg('rtmp://127.0.0.1:' . $ng->port('rtmp') . "/live/$key", media => $media) }
sub listed { return scalar grep { $_->{id} eq $id } @{ curl(GET => '/streams/live')->{items} } }

is(main::state(), 'ready', 'nothing is live');

my $encoder = push_it();
ok(wait_for(\&listed, 20, 'the stream in the list'), 'pushed with the key, the stream is found in /streams/live') or diag $encoder->log;

($status, my $viewer) = curl(POST => "/streams/$id/token", {});
is($status, 201, 'a viewer asks for a token');

sub plays { my ($code, $text) = curl(GET => $_[0]); return $code == 200 && $text =~ /^#EXTM3U/ }

ok(wait_for(sub { plays($viewer->{urls}{hls}) }, 20, 'the playlist'), 'and watches with it');
(my $bare = $viewer->{urls}{hls}) =~ s{/~[^/]+}{};
is((curl(GET => $bare))[0], 401, 'without one nobody does');

ok(wait_for(sub { curl(GET => "/streams/$id", undef, $login)->{viewers} == 1 }, 20, 'a viewer'), 'one viewer is counted');
ok(wait_for(sub { plays($viewer->{urls}{hls}); curl(GET => "/streams/$id", undef, $login)->{view_count} == 1 }, 20, 'a view'), 'and one view');

my $stats = curl(GET => "/streams/$id/stats", undef, $login)->{live};
is($stats->{node}, 'one', 'the figures: where');
is_deeply([ map { $_->{width} } grep { $_->{type} eq 'video' } @{ $stats->{tracks} } ], [ 320 ], 'its picture');
is($stats->{health}{state}, 'good', 'its health') or diag explain $stats;

subtest 'revoked within 5 s' => sub {
    my $start = time;

    is((curl(POST => "/streams/$id/token/revoke", { jti => $viewer->{jti} }, $login))[0], 204, 'revoked');
    ok(wait_for(sub { !plays($viewer->{urls}{hls}) }, 20, 'the refusal'), 'it stops playing');
    note sprintf 'after %.1f s', time - $start;

    $viewer = curl(POST => "/streams/$id/token", {});
    ok(wait_for(sub { plays($viewer->{urls}{hls}) }, 5, 'the playlist'), 'another token plays');
    is((curl(PATCH => "/streams/$id", { visibility => 'private' }, $login))[0], 200, 'made private');
    ok(wait_for(sub { !plays($viewer->{urls}{hls}) }, 20, 'the refusal'), 'it stops, too');
    is((curl(POST => "/streams/$id/token", {}))[0], 404, 'and nobody gets another');

    my $own = curl(POST => "/streams/$id/token", {}, $login);
    ok(wait_for(sub { plays($own->{urls}{hls}) }, 5, 'the playlist'), 'but who may');
    is((curl(PATCH => "/streams/$id", { visibility => 'public' }, $login))[0], 200, 'made public again');
};

$encoder->stop;
ok(wait_for(sub { main::state() eq 'ended' }, 20, 'the end'), 'the encoder stops: it ends in the API');
ok(!listed(), 'and is no more in the list');

my ($first) = @{ curl(GET => "/streams/$id/broadcasts", undef, $login)->{items} };
ok($first->{ended_at}, 'the broadcast has ended');
is(join(' ', sort map { $_->{type} } @{ $first->{media} }), 'audio video', 'what it was');
cmp_ok($first->{ingest}{bytes}, '>', 10_000, 'how much it was');
is($first->{views}, 3, 'how often it was watched');

subtest 'stopped by its user' => sub {
    $encoder = push_it();
    ok(wait_for(\&listed, 20, 'live'), 'live again');
    is((curl(POST => "/streams/$id/stop", { reason => 'Enough for today.' }, $login))[0], 200, 'stopped');
    ok(wait_for(sub { !$encoder->running }, 10, 'the encoder'), 'the encoder is dropped');

    $encoder = push_it();
    ok(wait_for(sub { !$encoder->running }, 10, 'the encoder'), 'and refused when it comes back');
    is(main::state(), 'ended', 'it stays ended');
    is((curl(POST => "/streams/$id/start", undef, $login))[0], 200, 'started again');
};

subtest 'a passphrase for SRT' => sub {
    my $srt = sub {
        my ($pass) = @_;
        return Live::Encoder->ffmpeg('srt://127.0.0.1:' . $ng->port('srt') . "?streamid=$key&pkt_size=1316"
            . ($pass ? "&passphrase=$pass" : ''), media => $media);
    };
    my $refused = sub {
        my ($like, $title, @pass) = @_;
        my $before = () = $ng->log_text =~ /refused, srt from \S+: $like/g;
        my $wrong = $srt->(@pass);

        ok(wait_for(sub { my $now = () = $ng->log_text =~ /refused, srt from \S+: $like/g; $now > $before }), $title)
            or diag($wrong->log, $ng->tail);
        $wrong->kill;
    };

    is((curl(PUT => "/streams/$id/passphrase", { passphrase => $PASS }, $login))[0], 204, 'set');
    is(scalar(curl(GET => "/streams/$id/passphrase", undef, $login))->{set}, JSON::PP::true, 'there is one');
    $refused->(qr/wrong passphrase/, 'a wrong one is refused', 'wrong-horse');
    $refused->(qr/only one side/, 'so is none');

    $encoder = $srt->($PASS);
    ok(wait_for(\&listed, 20, 'live'), 'live with the right one') or diag($encoder->log, $ng->tail);
    my $token = curl(POST => "/streams/$id/token", {});
    ok(wait_for(sub { plays($token->{urls}{hls}) }, 20, 'the playlist'), 'and it plays');
    my $bits = sub {
        my $status = curl(GET => 'http://127.0.0.1:' . $ng->port('http') . '/status');
        my ($stream) = grep { $_->{publisher} && $_->{publisher}{connected} } @{ $status->{streams} };
        return $stream ? $stream->{publisher}{link}{key_bits} : 0;
    };
    ok($bits->(), 'encrypted');
    $encoder->stop;
    ok(wait_for(sub { !$bits->() }, 10, 'no publisher'), 'the encoder goes');

    $cp->stop;
    $refused->(qr/wrong passphrase/, 'what is remembered of a stream is its passphrase, too', 'wrong-horse');
    $encoder = $srt->($PASS);
    ok(wait_for($bits, 20, 'the publisher') && $ng->log_text =~ /let in, as it was before/,
        'the right one opens it while the control plane is away') or diag($encoder->log, $ng->tail);
    $encoder->stop;
    $cp->start;
    ok(wait_for(sub { !listed() }, 20, 'the end'), 'it ends');

    is((curl(DELETE => "/streams/$id/passphrase", undef, $login))[0], 204, 'taken away');
    $encoder = $srt->();
    ok(wait_for(\&listed, 20, 'live'), 'live without one') or diag($encoder->log, $ng->tail);
    $encoder->stop;
    ok(wait_for(sub { !listed() }, 20, 'the end'), 'it ends');
};

unlike($cp->log, qr/commands to node/, 'the node took what was posted to /control/');

subtest 'the node is killed' => sub {
    $encoder = push_it();
    ok(wait_for(\&listed, 20, 'live'), 'live');

    # stopped first, so that nobody starts others
    kill 'KILL', $ng->master, $ng->all_workers;
    my $direct = sub { $cp->request(GET => "/streams/$id", token => $login)->json->{status} };
    ok(wait_for(sub { $direct->() eq 'ended' }, 30, 'the end'), 'it ends in the API');
    is($cp->request(GET => "/streams/$id/broadcasts", token => $login)->json->{items}[0]{ended_why}, 'node lost', 'which knows why');
    $encoder->kill;

    $ng->start;
    $encoder = push_it();
    ok(wait_for(\&listed, 20, 'live'), 'the node is back, and so is the encoder');
    my @broadcasts = @{ curl(GET => "/streams/$id/broadcasts", undef, $login)->{items} };
    is($broadcasts[0]{ended_at}, undef, 'a broadcast is open');
    isnt($broadcasts[0]{ended_why}, $broadcasts[1]{ended_why}, 'another one than that which was lost');
    $encoder->stop;
};

unlike($cp->log . $ng->all_logs, qr/\Q$key\E|\Q$viewer->{token}\E|$PASS/,
    'no log has the key, the token or the passphrase');

$ng->finish;
$cp->finish;
done_testing;
