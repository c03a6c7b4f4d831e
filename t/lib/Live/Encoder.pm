package Live::Encoder;

# Real encoders that publish in the background, from media made once.
#
#   my $flv = Live::Encoder::media(fps => 25, seconds => 10);   # a path
#   my $enc = Live::Encoder->ffmpeg("rtmp://127.0.0.1:$port/live/a",
#                                   media => $flv);
#   $enc->running; $enc->log;
#   $enc->stop;          # as its user would: says goodbye
#   $enc->kill;          # SIGKILL: the connection just closes
#
# Also ->gstreamer($url), ->librtmp($url) (ffmpeg's or curl's are not used for
# that: rtmpdump's library comes through GStreamer's rtmpsink).
#
# A URL with srt:// gets MPEG-TS; of GStreamer, with srtsink. ->srt($url, $ts,
# bitrate => …) sends a transport stream as it is, with srt-live-transmit.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp ();
use POSIX ();
use Scalar::Util ();

use Live::Nginx qw(wait_for read_file);

my $REPO = abs_path(dirname(__FILE__) . '/../../..');
my @ALIVE;

# Makes (or finds) an FLV file: H.264 and AAC unless said otherwise.
# fps 25, seconds 10, gop (frames, 2 s), size 320x180, rate (Hz) 48000,
# channels 2, video 1, audio 1, bframes 0, bitrate 300k.
sub media {
    my %o = (fps => 25, seconds => 10, size => '320x180', rate => 48000,
        channels => 2, video => 1, audio => 1, bframes => 0,
        bitrate => '300k', @_);
    $o{gop} //= 2 * POSIX::ceil(eval $o{fps});

    my $dir = "$REPO/build/testdata";
    (my $name = join '_', map { "$_$o{$_}" } sort keys %o) =~ tr{/:}{--};
    my $path = "$dir/$name.flv";

    return $path if -s $path;

    make_path($dir);

    my @in;
    push @in, '-f', 'lavfi', '-i', "testsrc2=size=$o{size}:rate=$o{fps}"
        if $o{video};
    push @in, '-f', 'lavfi', '-i', "sine=frequency=440:sample_rate=$o{rate}"
        if $o{audio};

    my @out;
    push @out, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt',
        'yuv420p', '-g', $o{gop}, '-keyint_min', $o{gop}, '-sc_threshold', 0,
        '-bf', $o{bframes}, '-b:v', $o{bitrate}, '-maxrate', $o{bitrate},
        '-bufsize', $o{bitrate} if $o{video};
    push @out, '-c:a', 'aac', '-b:a', '64k', '-ac', $o{channels} if $o{audio};

    my $tmp = "$path.$$";
    system('ffmpeg', '-nostdin', '-v', 'error', '-y', @in, '-t', $o{seconds},
        @out, '-f', 'flv', $tmp) == 0 or die "ffmpeg could not make $path\n";
    rename $tmp, $path or die "$path: $!\n";

    return $path;
}

sub _spawn {
    my ($class, @cmd) = @_;
    my $log = File::Temp->new(TEMPLATE => 'live_encoder.XXXXXX', TMPDIR => 1);

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log->filename;
        open STDERR, '>&', \*STDOUT;
        $ENV{GST_DEBUG_NO_COLOR} = 1;
        { exec @cmd; }
        POSIX::_exit(127);
    }

    my $self = bless { pid => $pid, log => $log, owner => $$ }, $class;
    push @ALIVE, $self;
    Scalar::Util::weaken($ALIVE[-1]);

    return $self;
}

# media: a file, repeated for ever in real time, not encoded again; or live =>
# 1: encodes a moving picture and a tone as it goes; fast => 1: as fast as the
# server takes it. args: further options in
# front of the URL.
sub ffmpeg {
    my ($class, $url, %o) = @_;
    my @in;

    if ($o{live}) {
        @in = ('-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25',
            '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000',
            '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency',
            '-g', 50, '-b:v', '300k', '-c:a', 'aac', '-b:a', '64k');
    } else {
        @in = ($o{fast} ? () : '-re', $o{once} ? () : ('-stream_loop', -1), '-i',
            $o{media} // media(), '-c', 'copy');
    }

    return $class->_spawn('ffmpeg', '-nostdin', '-v', 'warning', @in,
        @{ $o{args} // [] }, '-f', $url =~ /^srt:/ ? 'mpegts' : 'flv', $url);
}

# A file as it is, $o{bitrate} bits a second; $o{chunk} bytes a packet. Begins
# when the connection is there: $o{wait} seconds after it was asked for (1).
sub srt {
    my ($class, $url, $file, %o) = @_;
    my $rate = $o{bitrate} // 2_000_000;
    my $chunk = $o{chunk} // 1316;
    my $wait = $o{wait} // 1;
    my $loop = $o{loop} ? 1 : 0;

    my $pace = 'use Time::HiRes qw(time sleep); my ($f, $r, $c, $w, $l) = @ARGV;'
        . ' $| = 1; binmode STDOUT; sleep $w; my ($t, $n) = (time, 0);'
        . ' do { open my $h, "<:raw", $f or die; while (read $h, my $b, $c) {'
        . ' syswrite STDOUT, $b or exit; $n += length $b;'
        . ' my $s = $t + $n * 8 / $r - time; sleep $s if $s > 0.002 } }'
        . ' while $l; sleep 600';

    # the shell is replaced, and the pipe ends with it
    return $class->_spawn('bash', '-c', 'exec srt-live-transmit -q -a:no '
        . '-chunk:"$1" file://con "$2" < <(exec perl -e "$3" "$4" "$5" "$1" '
        . '"$6" "$7")', 'srt', $chunk, $url, $pace, $file, $rate, $wait, $loop);
}

# rtmp2sink (GStreamer's own RTMP), or rtmpsink (librtmp) with sink =>.
sub gstreamer {
    my ($class, $url, %o) = @_;
    my $sink = $o{sink} // 'rtmp2sink';

    my @out = $url =~ /^srt:/ ? ('mpegtsmux', 'name=mux', 'alignment=7', '!',
            'srtsink', "uri=$url")
        : ('flvmux', 'name=mux', 'streamable=true', '!', $sink,
            "location=$url");

    return $class->_spawn(qw(gst-launch-1.0 -q -e), @out,
        qw(videotestsrc is-live=true !), 'video/x-raw,width=320,height=180,'
        . 'framerate=25/1', '!', qw(x264enc tune=zerolatency
        speed-preset=ultrafast key-int-max=50 bitrate=300 ! h264parse
        ! queue ! mux. audiotestsrc is-live=true !), 'audio/x-raw,rate=48000',
        qw(! audioconvert ! avenc_aac ! aacparse ! queue ! mux.));
}

sub librtmp {
    my ($class, $url, %o) = @_;

    return $class->gstreamer($url, sink => 'rtmpsink');
}

sub pid { return $_[0]{pid} }
sub log { return read_file($_[0]{log}->filename) }

sub running {
    my ($self) = @_;

    return 0 unless $self->{pid};

    if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
        $self->{status} = $?;
        $self->{pid} = 0;
        return 0;
    }

    return 1;
}

# Waits for it to end by itself; the wait status, or undef on a time-out.
sub wait {
    my ($self, $timeout) = @_;

    wait_for(sub { !$self->running }, $timeout // 10) or return;

    return $self->{status};
}

sub stop { return $_[0]->_end('INT') }
sub kill { return $_[0]->_end('KILL') }

sub _end {
    my ($self, $sig) = @_;

    return unless $self->running;

    CORE::kill($sig, $self->{pid});
    wait_for(sub { !$self->running }, 10) and return 1;

    CORE::kill('KILL', $self->{pid});
    wait_for(sub { !$self->running }, 5);

    return;
}

sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;
    local ($?, $@, $!);
    $self->_end('KILL');
}

END {
    my $status = $?;
    $_->DESTROY for grep { defined } @ALIVE;
    $? = $status;
}

1;
