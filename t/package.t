#!/usr/bin/perl

# What the packager makes of real media, as FFmpeg reads it: the same pictures,
# without an error or a warning, whatever happened to the publisher.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Encoder;

my $top = abs_path("$FindBin::Bin/..");
my $tool = ($ENV{BUILD} // "$top/build") . '/tools/flv_pack';
my $work = File::Temp->newdir(TEMPLATE => 'live_package.XXXXXX', TMPDIR => 1);

-x $tool or BAIL_OUT("$tool is not built");

sub output {
    my (@cmd) = @_;

    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @cmd
        or die "$cmd[0]: $!\n";
    local $/;
    my $text = <$fh> // '';
    close $fh;

    return $text;
}

# Packages; returns what the tool says and the files by track.
my $count = 0;

sub package_ok {
    my ($name, @steps) = @_;
    my $dir = "$work/" . ++$count;
    my (%files, %said);

    mkdir $dir;
    my $text = output($tool, (grep { $_ eq '-r' } @steps), $dir,
        grep { $_ ne '-r' } @steps);

    ok($? == 0, "$name: the rules hold") or diag($text);

    for my $f (sort glob "$dir/*.mp4") {
        push @{ $files{$1} }, $f if $f =~ m{/(\w+)-\d+\.mp4$};
    }

    for my $line (split /\n/, $text) {
        my ($track) = $line =~ /^([va]\d) /;
        $said{$track} = { $line =~ /(\w+)=(\S+)/g } if $track;
        $said{events} .= "$1 " if $line =~ /event (\d+)/;
    }

    for my $track (sort keys %files) {
        my $errors = '';

        for my $f (@{ $files{$track} }) {
            # in ticks of a frame two pictures may have one time
            $errors .= output('ffmpeg', '-nostdin', '-v', 'warning', '-i', $f,
                '-enc_time_base', '1:90000', '-f', 'null', '-');
        }

        is($errors, '', "  $track: FFmpeg has nothing to say");
    }

    return (\%files, \%said);
}

# Hashes of all pictures (or, for audio, of all packets), in order.
sub frames {
    my ($file, $stream, @how) = @_;

    my $text = output('ffmpeg', '-nostdin', '-v', 'error', '-i', $file, '-map',
        "0:$stream", @how, '-f', 'framemd5', '-');

    return [ map { (split /,\s*/)[5] } grep { /^\d/ } split /\n/, $text ];
}

sub stamps {
    my ($file, $stream) = @_;

    return [ split /\s+/, output('ffprobe', '-v', 'error', '-select_streams',
        $stream, '-show_entries', 'packet=pts_time', '-of', 'csv=p=0',
        $file) =~ s/,//gr ];
}

my $one = Live::Encoder::media(seconds => 12, rate => 44100, bframes => 2);
my $two = Live::Encoder::media(seconds => 8, fps => 30, size => '256x144');

# ---- nothing happens --------------------------------------------------------

my ($f, $said) = package_ok('B-frames, 44.1 kHz', $one);

is_deeply(frames($f->{v0}[0], 'v'), frames($one, 'v'),
    '  the same pictures come out');
is_deeply(frames($f->{muxed}[0], 'v'), frames($one, 'v'), '  muxed, too');

my $in = frames($one, 'a', '-c', 'copy');
my $out = frames($f->{a0}[0], 'a', '-c', 'copy');
my %has = map { $_ => 1 } @$out;
my $missing = grep { !$has{$_} } @$in;
ok($missing <= 4, "  and the same sound but for the end: $missing of "
    . @$in . ' frames are missing');
is_deeply(frames($f->{a0}[0], 'a', '-c', 'copy'),
    frames($f->{muxed}[0], 'a', '-c', 'copy'), '  muxed, too');

my ($vi, $ai) = (stamps($one, 'v'), stamps($one, 'a'));
my ($vo, $ao) = (stamps($f->{v0}[0], 'v'), stamps($f->{a0}[0], 'a'));
my ($first) = grep { $out->[$_] eq $in->[1] } 0 .. $#$out;
my $skew = ($ao->[$first] - $vo->[0]) - ($ai->[1] - $vi->[0]);
cmp_ok(abs $skew, '<', 0.004, sprintf('  in step: %.1f ms', $skew * 1000));

package_ok('30 fps, 48 kHz, audio comes late', '-r', $two);
package_ok('24/1.001 fps, open end', Live::Encoder::media(seconds => 7.3,
    fps => '24000/1001', bframes => 3, gop => 37));
package_ok('60 fps, short key frame interval',
    Live::Encoder::media(seconds => 6, fps => 60, gop => 20));
package_ok('one key frame in 12 s', Live::Encoder::media(seconds => 12,
    gop => 300));

# ---- somebody goes ----------------------------------------------------------

($f, $said) = package_ok('away for 9 s', $one, 'away:9', $one);
is(scalar @{ $f->{muxed} }, 1, '  one init section');
is($said->{v0}{discontinuities}, 0, '  no discontinuity');
cmp_ok($said->{v0}{fillers}, '>', 25, '  filled');

my $shown = frames($f->{v0}[0], 'v');
my %real = map { $_ => 1 } @{ frames($one, 'v') };
is(scalar(grep { !$real{$_} } @$shown), 0,
    '  every picture that is shown is one that was sent');

($f, $said) = package_ok('killed, away for 4 s', $one, 'kill:4', $one);
is($said->{v0}{discontinuities}, 0, '  no discontinuity');

($f, $said) = package_ok('comes back as another encoder', $one, 'away:3', $two,
    'kill:2', $one);
is($said->{v0}{discontinuities}, 2, '  discontinuities');
is(scalar @{ $f->{v0} }, 3, '  and init sections');

($f, $said) = package_ok('comes back without sound', $one, 'away:2',
    "video:$one");
cmp_ok($said->{a0}{end}, '>', 24, '  silence to the end');

($f, $said) = package_ok('comes back without picture', $one, 'away:2',
    "audio:$one");
cmp_ok($said->{v0}{end}, '>', 24, '  the last key frame to the end');

package_ok('sound alone, then both', "audio:$one", 'away:2', $one);
package_ok('picture alone, then both', "video:$one", 'away:2', $one);

# ---- several tracks of one publisher -----------------------------------------

{
    my $mux = ($ENV{BUILD} // "$top/build") . '/tools/flv_mux';
    my @parts = ('-movflags', 'frag_keyframe+delay_moov+default_base_moof');

    # the same pictures from encoders that are not alike
    my $mp4 = sub {
        my ($name, $in, %o) = @_;
        my $path = "$work/$name.mp4";

        output('ffmpeg', '-nostdin', '-v', 'error', '-y',
            ($o{at} ? ('-ss', $o{at}) : ()), '-i', $in,
            ($o{t} ? ('-t', $o{t}) : ()), @{ $o{args} }, @parts, $path);

        return $path;
    };
    my @x264 = qw(-an -c:v libx264 -preset ultrafast -g 50);
    my $v0 = $mp4->('v0', $one, args => [ qw(-c copy) ]);
    my $v1 = $mp4->('v1', $one, args => [ @x264, qw(-s 160x90 -bf 0) ]);
    my $v2 = $mp4->('v2', $one, args => [ @x264, qw(-s 80x46 -r 12.5 -g 25) ]);
    my $short = $mp4->('short', $one, t => 5, args => [ @x264,
        qw(-s 160x90 -bf 0) ]);
    my $late = $mp4->('late', $one, at => 5, args => [ @x264,
        qw(-s 160x90 -bf 3) ]);
    my $lazy = $mp4->('lazy', $one, args => [ @x264, qw(-s 160x90 -g 85) ]);
    my $tracks = sub {
        my ($name, @files) = @_;
        my @options = $files[0] eq '-d' ? splice(@files, 0, 2) : ();
        my $flv = "$work/$name.flv";
        output($mux, '-m', 0, @options, $flv, @files);
        return $flv;
    };
    my $all = $tracks->('all', $v0, $v1, $v2);

    ($f, $said) = package_ok('three sizes', $all);
    is($said->{$_}{forced}, 0, "  $_ begins its segments with key frames")
        for qw(v1 v2);
    is($said->{$_}{parts}, $said->{v0}{parts}, "  $_ has v0's parts")
        for qw(v1 v2);
    is(scalar @{ frames($f->{v1}[0], 'v') }, scalar @{ frames($one, 'v') },
        '  all its pictures');

    ($f, $said) = package_ok('three sizes, away for 3 s', $all, 'away:3', $all);
    is($said->{v1}{discontinuities}, 0, '  no discontinuity');

    ($f, $said) = package_ok('one size ends', $tracks->('ends', $v0, $short));
    cmp_ok($said->{v1}{end}, '>', 11, '  its last key frame to the end');

    ($f, $said) = package_ok('one size comes late', $tracks->('later',
        '-d', 5000, $v0, $late));
    is($said->{v1}{forced}, 0, '  it begins with a segment');
    cmp_ok($said->{v1}{segments}, '<', $said->{v0}{segments}, '  a later one');

    ($f, $said) = package_ok('decode times that differ by two frames',
        $tracks->('shift', '-d', 80, $v0, $v1));
    is($said->{v1}{forced}, 0, '  segments begin with key frames');

    ($f, $said) = package_ok('key frames at other times', $tracks->('lazy', $v0,
        $lazy));
    cmp_ok($said->{v1}{forced}, '>', 0, '  segments begin without them');
    is($said->{v1}{parts}, $said->{v0}{parts}, "  v0's parts all the same");
}

# ---- HEVC --------------------------------------------------------------------

{
    my $open = "$work/open.mp4";
    output('ffmpeg', '-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i',
        'testsrc2=size=160x90:rate=25', '-t', 6, qw(-c:v libx265 -preset
        ultrafast -tag:v hvc1 -x265-params), 'log-level=none:keyint=50:'
        . 'min-keyint=50:bframes=0:open-gop=1', '-movflags',
        'frag_keyframe+delay_moov+default_base_moof', $open);
    output(($ENV{BUILD} // "$top/build") . '/tools/flv_mux', "$work/open.flv",
        $open);

    # the same CRA picture twice is no stream: a filler's are BLA pictures
    ($f, $said) = package_ok('key frames that are not IDR, away for 3 s',
        "$work/open.flv", 'away:3', "$work/open.flv");
    cmp_ok($said->{v0}{fillers}, '>', 5, '  filled');
}

# ---- silence ------------------------------------------------------------------

for my $channels (1, 2, 3, 4, 5, 6, 8) {
    my $media = Live::Encoder::media(seconds => 5, channels => $channels,
        size => '160x90');

    ($f) = package_ok("$channels channels, away for 3 s", $media, 'away:3',
        $media);

    my $text = output('ffmpeg', '-nostdin', '-v', 'info', '-ss', 6, '-t', 1,
        '-i', $f->{a0}[0], '-af', 'volumedetect', '-f', 'null', '-');
    my ($volume) = $text =~ /max_volume: (\S+)/;
    cmp_ok($volume, '<', -90, "  silent meanwhile: $volume dB");
}

done_testing();
