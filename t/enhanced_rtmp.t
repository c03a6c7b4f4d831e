#!/usr/bin/perl

# Enhanced RTMP, end to end: what an encoder sends as HEVC, AV1, Opus and so on
# comes out as LL-HLS that FFmpeg reads without a complaint; several tracks are
# renditions of one stream; what cannot be carried is refused with a reason
# (field notes: Enhanced RTMP FourCC, legacy HEVC). Two workers; what is watched
# comes from the one that does not publish, too.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Stream;

my $top = abs_path("$FindBin::Bin/..");
my $mux = ($ENV{BUILD} // "$top/build") . '/tools/flv_mux';
my $work = File::Temp->newdir(TEMPLATE => 'live_ertmp.XXXXXX', TMPDIR => 1);

-x $mux or BAIL_OUT("$mux is not built");

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 128m; live_segment 1s; live_part 200ms;
       live_drain_timeout 1s; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off;
             live_rtmp_timeout 60s; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        add_header X-Pid $pid always;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC

# ---- media ------------------------------------------------------------------

my %video = (
    hevc  => [ qw(-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params
        log-level=none:keyint=25:min-keyint=25:bframes=2:open-gop=0) ],
    pq    => [ qw(-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt
        yuv420p10le -x265-params), 'log-level=none:keyint=25:min-keyint=25:'
        . 'colorprim=9:transfer=16:colormatrix=9' ],
    av1   => [ qw(-c:v libaom-av1 -usage realtime -cpu-used 8 -g 25
        -b:v 200k) ],
    h264  => [ qw(-c:v libx264 -preset ultrafast -g 25 -bf 2) ],
    small => [ qw(-c:v libx264 -preset ultrafast -g 25 -bf 0 -s 160x90) ],
    tiny  => [ qw(-c:v libx265 -preset ultrafast -tag:v hvc1 -s 96x54
        -x265-params log-level=none:keyint=25:min-keyint=25:open-gop=0) ],
);

my %audio = (
    aac  => [ qw(-c:a aac) ],
    opus => [ qw(-c:a libopus -b:a 48k) ],
    o60  => [ qw(-c:a libopus -b:a 48k -frame_duration 60) ],
    flac => [ qw(-c:a flac) ],
    ac3  => [ qw(-c:a ac3) ],
    eac3 => [ qw(-c:a eac3) ],
);

my $SECONDS = 5;

# Fragmented MP4 of a codec, 25 fps or 48 kHz.
sub mp4 {
    my ($codec) = @_;
    my $path = "$work/$codec.mp4";
    my @in = $video{$codec}
        ? ('-i', 'testsrc2=size=320x180:rate=25')
        : ('-i', 'sine=frequency=440:sample_rate=48000');

    return $path if -s $path;

    system('ffmpeg', '-nostdin', '-v', 'error', '-y', '-f', 'lavfi', @in,
        '-t', $SECONDS, @{ $video{$codec} // $audio{$codec} }, '-strict', -2,
        '-movflags', 'frag_keyframe+delay_moov+default_base_moof', $path)
        == 0 or die "ffmpeg could not make $codec\n";

    return $path;
}

# As an encoder's messages.
sub tags {
    my ($options, @codecs) = @_;
    my $flv = "$work/" . join('_', @$options, @codecs) . '.flv';

    system($mux, @$options, $flv, map { mp4($_) } @codecs) == 0
        or die "flv_mux @codecs\n";

    return Live::RTMP::load_flv($flv);
}

my %connect = (
    fourCcList => [ 'av01', 'hvc1' ],
    videoFourCcInfoMap => Live::RTMP::object('*' => 4),
    capsEx => 15,
);

sub publisher {
    my ($name, %o) = @_;

    return Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
        name => $name, chunk_size => 60000, timeout => 10,
        connect => { %connect }, %o);
}

sub feed {
    my ($c, $tags) = @_;

    $c->send_tag($_) for @$tags;
    $c->poll;
}

sub output {
    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @_
        or die "$_[0]: $!\n";
    local $/;
    my $text = <$fh> // '';
    close $fh;
    return $text;
}

sub url { return sprintf 'http://127.0.0.1:%d/live/%s/%s', $ng->port('http'),
    @_ }

# The playlist as a worker gives it that does not publish.
sub elsewhere {
    my ($v) = @_;
    my $pid = $v->status->{publisher}{pid};
    my $res;

    wait_for(sub {
        $res = $v->get('index.m3u8');
        return $res->status == 200 && $res->header('X-Pid') != $pid;
    }, 10, 'an answer of the other worker') or return undef;

    return $res->body;
}

sub codecs { return [ $_[0] =~ /CODECS="([^"]+)"/g ] }

# ---- one track of each --------------------------------------------------------

my @cases = (
    [ 'HEVC and AAC', [], [ qw(hevc aac) ], 'hevc 320 180 aac',
        qr/^hvc1\.1\.6\.L\d+\.90,mp4a\.40\.2$/ ],
    [ 'HEVC as hev1, times with nanoseconds', [ '-n', '-x' ], [ qw(hevc) ],
        'hevc 320 180', qr/^hvc1\.1\.6\.L\d+\.90$/ ],
    [ 'HEVC with the codec id 12', [ '-l' ], [ qw(hevc aac) ],
        'hevc 320 180 aac', qr/^hvc1\./ ],
    [ 'HEVC in PQ, Opus of 60 ms', [], [ qw(pq o60) ],
        'hevc 320 180 opus', qr/^hvc1\.2\.4\.L\d+\.90,Opus$/ ],
    [ 'AV1 and Opus', [], [ qw(av1 opus) ], 'av1 320 180 opus',
        qr/^av01\.0\.00M\.08,Opus$/ ],
    [ 'H.264 as avc1 and FLAC', [], [ qw(h264 flac) ], 'h264 320 180 flac',
        qr/^avc1\.[0-9A-F]{6},fLaC$/ ],
    [ 'AC-3', [], [ qw(h264 ac3) ], 'h264 320 180 ac3',
        qr/^avc1\.[0-9A-F]{6},ac-3$/ ],
    [ 'E-AC-3', [], [ qw(h264 eac3) ], 'h264 320 180 eac3',
        qr/^avc1\.[0-9A-F]{6},ec-3$/ ],
);

my (%conn, %view, %id);

for my $i (0 .. $#cases) {
    my ($name, $options, $codecs) = @{ $cases[$i] };

    $conn{$name} = publisher("case$i");
    feed($conn{$name}, tags($options, @$codecs));
    $view{$name} = Live::Stream->new($ng, 'http', "case$i");
    $id{$name} = "case$i";
}

for my $case (@cases) {
    my ($name, undef, undef, $want, $codecs) = @$case;

    ok($view{$name}->wait_live, "$name: live") or diag($ng->tail);

    my $text = elsewhere($view{$name});
    like(codecs($text)->[0], $codecs, '  codecs in the playlist');

    # a second and a half from the start of the window
    my $out = output('ffmpeg', '-nostdin', '-hide_banner', '-v', 'warning',
        '-live_start_index', 0, '-i', url($id{$name}, 'index.m3u8'), '-t', 1.5,
        '-enc_time_base', '1:90000', '-f', 'null', '-');
    is($out, '', '  FFmpeg decodes it without a word');

    $out = output('ffprobe', '-v', 'error', '-show_entries',
        'stream=codec_name,width,height', '-of', 'csv=p=0:s=\ ',
        url($id{$name}, 'index.m3u8'));
    my @said = sort map { s/\s+$//r } grep { /\S/ } split /\n/, $out;
    my %seen;
    is(join(' ', map { @$_ } [ grep { / / && !$seen{$_}++ } @said ],
        [ grep { !/ / && !$seen{$_}++ } @said ]), $want,
        '  and knows what it is');
}

like($view{'HEVC in PQ, Opus of 60 ms'}->get('index.m3u8')->body,
    qr/VIDEO-RANGE=PQ/, 'HDR is announced');

{
    my $text = $view{'AC-3'}->get('index.m3u8')->body;

    unlike($text, qr/muxed/, 'sound that browsers do not play is not muxed');
    like(codecs($text)->[1], qr/^avc1\.\w+$/,
        '  and the picture alone is offered beside it');
}

{
    my ($msn) = $view{'AV1 and Opus'}->playlist('v0')->{map} =~ /(\d+)/;
    my $init = $view{'AV1 and Opus'}->get("a0/init-$msn.mp4")->body;

    like($init, qr/dOps\0\x01\x01\x38\0\0\xbb\x80\0\0\0/,
        'Opus: one channel, a pre-skip of 312, 48 kHz');
}

$_->unpublish('x') for values %conn;
%conn = ();

# ---- several tracks -----------------------------------------------------------

for my $type (0 .. 2) {
    my @codecs = $type == 2 ? qw(h264 small tiny aac opus)
                            : qw(h264 small aac);
    my $c = publisher("multi$type");
    my $v = Live::Stream->new($ng, 'http', "multi$type");

    feed($c, tags([ '-m', $type ], @codecs));
    ok($v->wait_live, "multitrack, type $type") or diag($ng->tail);

    my $text = elsewhere($v);
    my @sizes = $text =~ /RESOLUTION=(\w+)/g;
    is("@sizes", $type == 2 ? '320x180 160x90 96x54' : '320x180 160x90',
        '  renditions in their sizes');
    like($text, qr/URI="a1\/index\.m3u8"/, '  and both sounds') if $type == 2;

    my $lead = $v->playlist('v0');
    my @names = grep { $_ ne 'v0' } @{ $v->renditions };

    for my $name (@names) {
        my $pl;

        wait_for(sub { $pl = $v->playlist($name);
            $pl->{last_msn} >= $lead->{last_msn} }, 10, "$name to come up");

        my %of = map { $_->{msn} => $_->{duration} } @{ $lead->{segments} };
        my @both = grep { defined $of{ $_->{msn} } } @{ $pl->{segments} };

        cmp_ok(scalar @both, '>=', 3, "  $name: segments of the same numbers");
        is(scalar(grep { abs($_->{duration} - $of{ $_->{msn} })
                > ($name =~ /^v/ ? 0.0005 : 0.07) } @both), 0,
            '    last as long');
        my %part = map { $_->{uri} => 1 } @{ $pl->{parts} };
        is(scalar(grep { !$part{ $_->{uri} } } grep {
            $_->{msn} >= $pl->{parts}[0]{msn} && $_->{msn} <= $pl->{last_msn}
            } @{ $lead->{parts} }), 0, '    and have the same parts');

        next if $name =~ /^a/;

        my $out = output('ffmpeg', '-nostdin', '-hide_banner', '-v', 'warning',
            '-live_start_index', 0, '-i', url("multi$type",
            "$name/index.m3u8"), '-t', 1.5, '-enc_time_base', '1:90000', '-f',
            'null', '-');
        is($out, '', '    FFmpeg decodes it without a word');
        unlike($pl->{text}, qr/INDEPENDENT=NO/, '    begins with key frames');
    }

    $c->unpublish("multi$type");
}

# ---- capabilities -------------------------------------------------------------

{
    my $c = Live::RTMP->new(port => $ng->port('rtmp'), timeout => 10);
    $c->handshake;
    my $tx = $c->command('connect', Live::RTMP::object(app => 'live',
        tcUrl => 'rtmp://127.0.0.1/live', %connect));
    my $got = $c->wait_command('_result', $tx);
    my %props = %{ $got->[2] };

    is($props{capsEx}, 15,
        'reconnect, multitrack, ModEx and nanoseconds are told');
    my %video = %{ $props{videoFourCcInfoMap} };
    is(join(' ', sort keys %video), 'av01 avc1 hvc1', 'and the codecs');
    is_deeply($props{fourCcList}, [ qw(avc1 hvc1 av01 mp4a Opus fLaC ac-3 ec-3
        .mp3) ], '  as a list, too');

    $c = Live::RTMP->new(port => $ng->port('rtmp'), timeout => 10);
    $c->handshake;
    $tx = $c->command('connect', Live::RTMP::object(app => 'live'));
    %props = %{ $c->wait_command('_result', $tx)->[2] };
    ok(!exists $props{capsEx}, 'not to those that did not ask');
}

# ---- refusals -----------------------------------------------------------------

sub refused {
    my ($name, $data, $reason) = @_;
    my $c = publisher('refused');

    $c->send_video($data, 0);

    my $st = $c->wait_status(5);
    is($st && $st->{code}, 'NetStream.Publish.BadName', "refused: $name");
    like($st && $st->{description}, $reason, '  and the encoder is told why');
    ok(wait_for(sub { $ng->log_grep($reason) }, 5), '  so is the log');
}

my $hvcc = substr tags([ '-l' ], 'hevc')->[0]{data}, 5;

refused('VP9', "\x90vp09\1\0\0\0", qr/HLS has no place for VP9/);
refused('HEVC as H.264', "\x17\0\0\0\0$hvcc",
    qr/HEVC is sent as H\.264 \(codec id 7\)/);
refused('a codec that nobody knows', "\x90zzzz\1", qr/unknown FourCC/);

{
    my $c = publisher('dts');
    my $v = Live::Stream->new($ng, 'http', 'dts');

    $c->send_audio("\x90dtsc\1\2\3", 0);
    feed($c, tags([], 'h264'));
    ok($v->wait_live, 'sound that cannot be carried: the picture goes on');
    ok($ng->log_grep(qr/audio codec not supported: dtsc/), '  the log says so');
    $c->unpublish('dts');
}

# ---- an old worker lets its publishers go -------------------------------------

{
    my $able = publisher('able');
    my $old = publisher('old', connect => {});
    my $tags = tags([], 'hevc', 'aac');

    feed($_, $tags) for $able, $old;
    ok(Live::Stream->new($ng, 'http', $_)->wait_live, "$_ publishes")
        for qw(able old);

    $ng->reload;

    my $st = $able->wait_status(15);
    is($st && $st->{code}, 'NetConnection.Connect.ReconnectRequest',
        'drained: who can reconnect is asked to');
    ok($old->closed_within(15), 'who cannot is closed');
    isnt(($old->{status} // {})->{code} // '',
        'NetConnection.Connect.ReconnectRequest', '  without being asked');
}

$ng->stop;
is(scalar $ng->log_grep(qr/\[(alert|crit|emerg)\]/), 0, 'nothing worse is logged')
    or diag($ng->tail);

done_testing();
