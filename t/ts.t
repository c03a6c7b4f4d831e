#!/usr/bin/perl

# Transport streams as FFmpeg and GStreamer write them, read by the demuxer:
# frame by frame what ffprobe says is in them (times, key frames, sizes), and
# the same pictures and sound when what came out is decoded.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp ();
use FindBin;

use Test::More;

my $top = abs_path("$FindBin::Bin/..");
my $tool = ($ENV{BUILD} // "$top/build") . '/tools/ts_dump';
my $work = File::Temp->newdir(TEMPLATE => 'live_ts.XXXXXX', TMPDIR => 1);

-x $tool or BAIL_OUT("$tool is not built");

my @ffmpeg = qw(ffmpeg -nostdin -v error -y);
my @picture = (qw(-f lavfi -i), 'testsrc=s=192x144:r=25:d=3');
my @sound = (qw(-f lavfi -i), 'sine=f=440:r=48000:d=3');
my @x264 = qw(-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25);
my @x265 = (qw(-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params),
    'keyint=25:log-level=none');

sub output {
    my (@cmd) = @_;

    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @cmd
        or die "$cmd[0]: $!\n";
    local $/;
    my $text = <$fh> // '';
    close $fh;

    return $text;
}

sub make {
    my ($name, @args) = @_;
    my $file = "$work/$name.ts";
    my $said = output(@ffmpeg, @args, $file);

    -s $file or BAIL_OUT("ffmpeg made no $name: $said");

    return $file;
}

# What the tool says: frames by kind, events, counts.
sub demux {
    my ($file, @options) = @_;
    my %all = (frames => { v => [], a => [] }, events => '', text => '');
    my %kind;

    for my $line (split /\n/, output($tool, @options, $file)) {
        $all{text} .= "$line\n";

        if ($line =~ /^track (\d+) (\S+) (\S+)/) {
            push @{ $all{tracks} }, $2;
            $kind{$1} = index($3, 'x') > 0 ? 'v' : 'a';

        } elsif ($line =~ /^frame (\d+) pts (-?\d+) dts (-?\d+) size (\d+)(.*)/) {
            push @{ $all{frames}{ $kind{$1} } }, {
                pts => $2, dts => $3, size => $4,
                key => index($5, 'key') >= 0 ? 1 : 0,
            };

        } elsif ($line =~ /^event (\d+)/) {
            $all{events} .= "$1 ";

        } elsif ($line =~ /^stat (\w+) (\d+)/) {
            $all{stat}{$1} = $2;
        }
    }

    return \%all;
}

sub probe {
    my ($file, $kind) = @_;
    my @packets;

    for my $line (split /\n/, output(qw(ffprobe -v error -select_streams),
        "$kind:0", '-show_entries', 'packet=pts,dts,size,flags', qw(-of compact
        -i), $file))
    {
        my %p = $line =~ /(\w+)=([^|]*)/g;
        push @packets, \%p if exists $p{pts};
    }

    return \@packets;
}

# The first difference in words; empty: none. `head` is how many bytes the
# container's packets have in front of each frame.
sub difference {
    my ($kind, $got, $want, $slack, $head) = @_;

    return scalar(@$got) . ' frames, not ' . @$want if @$got != @$want;

    for my $i (0 .. $#$got) {
        my ($g, $w) = ($got->[$i], $want->[$i]);

        for my $time (qw(pts dts)) {
            return "frame $i: $time $g->{$time}, not $w->{$time}"
                if abs($g->{$time} - $w->{$time}) > $slack;
        }

        my $key = $w->{flags} =~ /K/ ? 1 : 0;

        return "frame $i: key $g->{key}, not $key" if $g->{key} != $key;

        next if $kind eq 'v' || !defined $head;

        return "frame $i: $g->{size} bytes, not $w->{size}"
            if $g->{size} != $w->{size} - $head;
    }

    return '';
}

sub md5 {
    my ($text) = output(@ffmpeg, @_) =~ /MD5=(\w+)/;

    return $text // 'nothing';
}

sub picture_ok {
    my ($name, $file, $codec) = @_;
    my $raw = "$work/raw.$codec";
    my $all = demux($file, '-v', $raw);
    my $diff = difference('v', $all->{frames}{v}, probe($file, 'v'), 0);

    is($diff, '', "$name: pictures as ffprobe lists them")
        or diag($all->{text});
    is(md5('-f', $codec, '-i', $raw, qw(-map 0:v -f md5 -)),
        md5('-i', $file, qw(-map 0:v -f md5 -)), "$name: the same when decoded");

    return $all;
}

sub sound_ok {
    my ($name, $file, $head, $slack) = @_;
    my $all = demux($file);
    my $diff = difference('a', $all->{frames}{a}, probe($file, 'a'),
        $slack // 0, $head);

    is($diff, '', "$name: frames as ffprobe lists them") or diag($all->{text});

    return $all;
}

sub codecs_are {
    my ($all, $want, $name) = @_;

    is(join(' ', @{ $all->{tracks} // [] }), $want, $name);
    is($all->{stat}{broken} + $all->{stat}{losses} + $all->{stat}{resyncs}, 0,
        "$name: nothing broken");
}

# ---- pictures

my $avc = make('avc', @picture, @sound, @x264, qw(-bf 2 -c:a aac -b:a 64k));
my $all = picture_ok('H.264 with B-frames', $avc, 'h264');

codecs_are($all, 'avc1.4D400B mp4a.40.2', 'H.264 and AAC');

for my $n (1, 187, 189, 65536) {
    is(demux($avc, '-n', $n)->{text}, demux($avc)->{text},
        "pieces of $n bytes make no difference");
}

picture_ok('slices', make('slices', @picture, @x264, qw(-slices 4 -bf 0)),
    'h264');
picture_ok('no delimiters, bounded PES packets',
    make('naked', @picture, @x264, qw(-bsf:v h264_metadata=aud=remove -f mpegts
        -omit_video_pes_length 0)), 'h264');
picture_ok('MBAFF', make('mbaff', @picture, @x264, qw(-flags +ilme+ildct)),
    'h264');
$all = picture_ok('HEVC', make('hevc', @picture, @sound, @x265,
    qw(-c:a libopus -b:a 64k)), 'hevc');
codecs_are($all, 'hvc1.1.6.L60.90 opus', 'HEVC and Opus');

# ---- sound

sound_ok('ADTS', $avc, 7);

my $aac = "$work/aac.m4a";
output(@ffmpeg, @sound, qw(-c:a aac -b:a 64k), $aac);

my $adts = make('adts', '-i', $aac, qw(-c copy));
my $latm = make('latm', '-i', $aac, qw(-c copy -mpegts_flags +latm));

demux($adts, '-a', "$work/adts.raw");
$all = demux($latm, '-a', "$work/latm.raw");
codecs_are($all, 'mp4a.40.2', 'LATM');
is(difference('a', $all->{frames}{a}, probe($latm, 'a'), 0), '',
    'LATM: frames as ffprobe lists them');
codecs_are(demux(make('liar', '-i', $adts, qw(-c copy -mpegts_flags +latm))),
    'mp4a.40.2', 'ADTS that is announced as LATM');
ok(output('cmp', "$work/adts.raw", "$work/latm.raw") eq ''
    && -s "$work/latm.raw", 'LATM has the frames that ADTS has');

sub copied_ok {
    my ($name, $codecs, $file, $head) = @_;
    my $raw = "$work/sound.raw";
    my $got = sound_ok($name, $file, $head);

    codecs_are($got, $codecs, $name);
    demux($file, '-a', $raw);
    output(@ffmpeg, '-i', $file, qw(-map 0:a -c copy -f data), "$work/want.raw");
    ok(output('cmp', $raw, "$work/want.raw") eq '' && -s $raw,
        "$name: byte for byte");
}

copied_ok('MP3', 'mp4a.6B',
    make('mp3', @sound, qw(-c:a libmp3lame -b:a 64k)), 0);
copied_ok('AC-3', 'ac-3', make('ac3', @sound, qw(-c:a ac3 -b:a 96k)), 0);
copied_ok('E-AC-3', 'ec-3', make('eac3', @sound, qw(-c:a eac3 -b:a 96k)), 0);
copied_ok('Opus', 'opus', make('opus', @sound, qw(-c:a libopus -b:a 64k)), 0);

like(demux(make('mp2', @sound, qw(-c:a mp2)))->{text},
    qr/event 2 MPEG audio layer II on PID 256 is not supported/,
    'layer II is refused in words');

# ---- both muxers, other packets

picture_ok('packets of 192 bytes', make('m2ts', '-i', $avc,
    qw(-c copy -f mpegts -mpegts_m2ts_mode 1)), 'h264');

SKIP: {
    my $gst = "$work/gst.ts";

    skip 'no GStreamer', 3 if system('gst-inspect-1.0 --exists mpegtsmux '
        . '2>/dev/null && gst-inspect-1.0 --exists x264enc 2>/dev/null');

    output('sh', '-c', "exec gst-launch-1.0 -q mpegtsmux name=m ! filesink "
        . "location=$gst videotestsrc num-buffers=75 ! "
        . "video/x-raw,width=192,height=144,framerate=25/1 ! "
        . "x264enc speed-preset=ultrafast key-int-max=25 ! h264parse ! m. "
        . "audiotestsrc num-buffers=140 ! audio/x-raw,rate=48000,channels=2 ! "
        . "audioconvert ! avenc_aac ! aacparse ! m.");
    $all = picture_ok('GStreamer', $gst, 'h264');
    sound_ok('GStreamer', $gst, 7, 1);
}

# ---- what the field does

sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', $file or die "$file: $!\n";
    local $/;
    return <$fh>;
}

sub write_file {
    my ($name, $bytes) = @_;

    open my $fh, '>:raw', "$work/$name" or die "$name: $!\n";
    print $fh $bytes;
    close $fh;

    return "$work/$name";
}

my $whole = slurp($avc);
my $cut = demux(write_file('cut.ts', substr $whole, 188 * 40 + 77));

ok($cut->{frames}{v}[0]{key}, 'from the middle of a packet: begins at a key');
is(scalar @{ $cut->{frames}{v} }, 50, '… and goes on to the end');

my $wrapped = make('wrap', '-i', $avc, qw(-c copy -output_ts_offset 95441));
my $frames = demux($wrapped);
my @dts = map { $_->{dts} } @{ $frames->{frames}{v} };

is(scalar(grep { $dts[$_] - $dts[$_ - 1] != 3600 } 1 .. $#dts), 0,
    '33 bits wrap, time goes on');
cmp_ok($dts[-1], '>', 1 << 33, '… beyond them');
is($frames->{stat}{jumps}, 0, '… and it is no jump');

my $two = write_file('two.ts', $whole . slurp($wrapped));

is(demux($two)->{stat}{jumps}, 1, 'another clock is a jump, told once');

my @packets = unpack '(a188)*', $whole;
my @video = grep { (unpack('n', substr $packets[$_], 1) & 0x1fff) == 256 }
    0 .. $#packets;
my ($lost) = grep { $_ > 200 && !(ord(substr $packets[$_], 1, 1) & 0x40) }
    @video;

splice @packets, $lost, 1;
$all = demux(write_file('lost.ts', join '', @packets));
is($all->{stat}{losses}, 1, 'a lost packet is seen');
is($all->{stat}{aborted}, 1, '… its picture is dropped');
cmp_ok($all->{stat}{awaiting}, '<', 25, '… and a key frame ends it');
is(scalar(@{ $all->{frames}{v} }) + $all->{stat}{awaiting}
    + $all->{stat}{aborted}, 75, '… nothing else is missing');

done_testing();
