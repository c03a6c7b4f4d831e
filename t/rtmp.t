#!/usr/bin/perl

# RTMP in stream{}: real encoders, and what nginx offers every stream server:
# TLS, PROXY protocol, access rules, connection limits, variables, logs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::Stream;

my $ng = Live::Nginx->new(conf => <<'EOC');
live { live_store %%STORE%% 128m; }
stream {
    limit_conn_zone $binary_remote_addr zone=perip:1m;
    log_format live '$remote_addr|$status|$live_stream|$bytes_received|$live_reason';
    access_log %%DIR%%/logs/stream.log live;

    live_publish_auth off;

    server { listen 127.0.0.1:%%PORT_rtmp%%; listen [::1]:%%PORT_rtmp%%;
             listen unix:%%DIR%%/rtmp.sock; live_rtmp; }
    server { listen 127.0.0.1:%%PORT_unix%%;
             proxy_pass unix:%%DIR%%/rtmp.sock; }
    server { listen 127.0.0.1:%%PORT_udp%% udp; live_rtmp; }
    server { listen 127.0.0.1:%%PORT_deny%%; live_rtmp; deny all; }
    server { listen 127.0.0.1:%%PORT_limit%%; live_rtmp; limit_conn perip 1; }
    server { listen 127.0.0.1:%%PORT_rtmps%% ssl; live_rtmp;
             ssl_certificate %%DIR%%/cert.pem;
             ssl_certificate_key %%DIR%%/key.pem; }
    server { listen 127.0.0.1:%%PORT_proxied%% proxy_protocol; live_rtmp;
             set_real_ip_from 127.0.0.9; }
    server { listen 127.0.0.1:%%PORT_front%%;
             proxy_pass 127.0.0.1:%%PORT_proxied%%; proxy_protocol on;
             proxy_bind 127.0.0.9; }
    server { listen 127.0.0.1:%%PORT_both%% ssl proxy_protocol; live_rtmp;
             set_real_ip_from 127.0.0.9;
             ssl_certificate %%DIR%%/cert.pem;
             ssl_certificate_key %%DIR%%/key.pem; }
    server { listen [::1]:%%PORT_front6%%;
             proxy_pass 127.0.0.1:%%PORT_both%%; proxy_protocol on;
             proxy_bind 127.0.0.9; }
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

system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2"
    . " -keyout " . $ng->dir . "/key.pem -out " . $ng->dir
    . "/cert.pem 2> /dev/null") == 0 or die "openssl\n";

$ng->start;

sub url { return sprintf 'rtmp://127.0.0.1:%d/live/%s', $ng->port($_[0]), $_[1] }

# What ffmpeg, as a player, makes of the first seconds.
sub decodes {
    my ($id, $name, @want) = @_;
    my $url = sprintf 'http://127.0.0.1:%d/live/%s/index.m3u8',
        $ng->port('http'), $id;

    # vfr: on a busy machine a live source's pictures are not evenly spaced
    my $out = `ffmpeg -nostdin -hide_banner -v info -i $url -t 2 -fps_mode vfr \\
        -f null - 2>&1`;

    like($out, $_, "$name: $_") for @want;
    unlike($out, qr/error|invalid|non.monoton/i, "$name: no complaints")
        or diag($out);
}

my %sender = (
    ffmpeg    => sub { Live::Encoder->ffmpeg(@_, live => 1) },
    gstreamer => sub { Live::Encoder->gstreamer(@_) },
    librtmp   => sub { Live::Encoder->librtmp(@_) },
);

for my $name (sort keys %sender) {
    my $enc = $sender{$name}->(url(rtmp => $name));
    my $v = Live::Stream->new($ng, 'http', $name);

    ok($v->wait_live, "$name publishes")
        or diag($enc->log, $ng->tail);

    decodes($name, $name, qr/Video: h264/, qr/Audio: aac/);

    my $st = $v->status;
    is($st->{publisher}{protocol}, 'rtmp', "$name: protocol in the status");
    is($st->{publisher}{address}, '127.0.0.1', "$name: address in the status");

    $enc->stop;
    ok($v->wait_state('ended'), "$name: goodbye ends the stream");
    ok($v->playlist->{endlist}, "$name: ENDLIST");
}

{
    my %kind = (
        'audio only' => [ { video => 0 }, [ qr/Audio: aac/ ], 'audioonly' ],
        'video only' => [ { audio => 0 }, [ qr/Video: h264/ ], 'videoonly' ],
        'B-frames'   => [ { bframes => 2 }, [ qr/Video: h264/ ], 'bframes' ],
        '44.1 kHz mono, 30 fps' => [ { rate => 44100, channels => 1,
            fps => 30 }, [ qr/44100 Hz, mono/ ], 'r44' ],
    );
    my %run;

    for my $name (sort keys %kind) {
        my ($media, $want, $id) = @{ $kind{$name} };
        $run{$name} = Live::Encoder->ffmpeg(url(rtmp => $id),
            media => Live::Encoder::media(%$media));
    }

    for my $name (sort keys %kind) {
        my ($media, $want, $id) = @{ $kind{$name} };
        my $v = Live::Stream->new($ng, 'http', $id);

        ok($v->wait_live, "$name is live") or diag($run{$name}->log);
        decodes($id, $name, @$want);
    }
}

# --- nginx's own features

{
    my $enc = Live::Encoder->ffmpeg('rtmps://127.0.0.1:' . $ng->port('rtmps')
        . '/live/tls', args => [ '-tls_verify', 0 ]);
    my $v = Live::Stream->new($ng, 'http', 'tls');

    ok($v->wait_live, 'RTMPS: "listen … ssl"') or diag($enc->log);
    is($v->status->{publisher}{protocol}, 'rtmps', 'RTMPS in the status');
}

{
    my $enc = Live::Encoder->ffmpeg(url(front => 'proxied'));
    my $v = Live::Stream->new($ng, 'http', 'proxied');

    ok($v->wait_live, 'behind PROXY protocol') or diag($enc->log);
    is($v->status->{publisher}{address}, '127.0.0.1',
        'the address is the one in the PROXY header, not the proxy\'s');
    $enc->kill;
    ok(wait_for(sub { $ng->log_grep(qr/^127\.0\.0\.1\|200\|proxied\|/,
        'stream.log') }, 10), 'and in the log');
}

{
    my $enc = Live::Encoder->ffmpeg(sprintf('rtmps://[::1]:%d/live/both',
        $ng->port('front6')), args => [ '-tls_verify', 0 ]);
    my $v = Live::Stream->new($ng, 'http', 'both');

    ok($v->wait_live, 'RTMPS behind PROXY protocol') or diag($enc->log);
    is($v->status->{publisher}{protocol}, 'rtmps', 'it is RTMPS');
    is($v->status->{publisher}{address}, '::1',
        'with the IPv6 address of the encoder');
}

{
    my %from = (
        IPv6 => [ 'rtmp://[::1]:' . $ng->port('rtmp') . '/live/six', '::1' ],
        'a unix socket' => [ url(unix => 'six'), 'unix:' ],
    );

    for my $kind (sort keys %from) {
        my ($url, $addr) = @{ $from{$kind} };
        my $enc = Live::Encoder->ffmpeg($url);
        my $v = Live::Stream->new($ng, 'http', 'six');

        ok($v->wait_live, "by $kind") or diag($enc->log);
        is($v->status->{publisher}{address}, $addr, "by $kind: the address");
        $enc->stop;
        ok($v->wait_state('ended'), "by $kind: ended");
    }

    my $udp = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '127.0.0.1',
        PeerPort => $ng->port('udp')) or die "socket: $!\n";
    $udp->send("\3" . 'x' x 1000);
    ok(wait_for(sub { $ng->log_grep(qr/RTMP comes by TCP/) }, 5, 'the line'),
        'UDP is refused, and the log says so');
}

{
    my $enc = Live::Encoder->ffmpeg(url(deny => 'denied'));

    ok(defined $enc->wait(10), '"deny all": the encoder is turned away');
    ok(!%{ Live::Stream->new($ng, 'http', 'denied')->status },
        'and there is no stream');
    ok($ng->log_grep(qr/access forbidden by rule/), 'logged by nginx');
}

{
    my $one = Live::Encoder->ffmpeg(url(limit => 'first'));
    my $v = Live::Stream->new($ng, 'http', 'first');
    ok($v->wait_live, 'limit_conn: the first is let in');

    my $two = Live::Encoder->ffmpeg(url(limit => 'second'));
    ok(defined $two->wait(10), 'limit_conn: the second is turned away');
    ok($one->running, 'the first goes on');
}

{
    my $enc = Live::Encoder->ffmpeg(url(rtmp => 'logged'));
    my $v = Live::Stream->new($ng, 'http', 'logged');

    ok($v->wait_live, 'a stream to be logged');
    $enc->stop;

    my ($line) = @{ wait_for(sub {
        my @l = $ng->log_grep(qr/\|logged\|/, 'stream.log'); @l && \@l;
    }, 10, 'a line in the stream log') || [] };

    like($line // '', qr/^127\.0\.0\.1\|200\|logged\|\d{4,}\|.+/,
        'variables: $live_stream, $bytes_received, $live_reason');

    my @start = $ng->log_grep(qr/publish of "logged" started/);
    my @stop = $ng->log_grep(qr/publish of "logged" (?!started)/);
    is(scalar @start, 1, 'one line for the start');
    is(scalar @stop, 1, 'one line for the stop');
}

# --- refusals

{
    my $enc = Live::Encoder->ffmpeg(url(rtmp => '_bad.id'));

    ok(defined $enc->wait(15), 'a bad stream id is refused');
    ok($ng->log_grep(qr/publish refused.*name is not valid/),
        'with its reason in the log');
}

$ng->finish;
done_testing;
