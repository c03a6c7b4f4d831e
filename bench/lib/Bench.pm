package Bench;

# What the benchmarks share: the servers that are compared, the generators, CPU
# time and memory of a server's processes, the table.
#
#   my $ours = Bench::ours();          # Live::Nginx, 2 workers
#   my $rtmp = Bench::nginx_rtmp();    # Debian's libnginx-mod-rtmp, HLS in tmpfs
#   my $files = Bench::static();       # Debian's nginx, files in tmpfs
#   my $t = Bench::tool('rtmp_push', '-n', 40, ...);
#   $t->ready; ... my $numbers = $t->end;
#   my $before = Bench::cpu($ours); ... Bench::cpu($ours) - $before   # seconds
#   Bench::row('what', ours => 1.2, ref => 3.4, limit => 0.6, unit => 'ms');
#
# A row with a reference is judged by ours / ref, one without by ours.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path remove_tree);
use POSIX ();
use Time::HiRes qw(sleep time);

use Live::Nginx qw(wait_for read_file repo_dir);

our $SECONDS = $ENV{BENCH_SECONDS} // 10;
our $PUBLISHERS = $ENV{BENCH_PUBLISHERS} // 40;
our $VIEWERS = $ENV{BENCH_VIEWERS} // 1000;
our $MANY = $ENV{BENCH_MANY} // 10000;

my $BUILD = abs_path($ENV{BUILD} // repo_dir() . '/build');
$ENV{LIVE_MODULES_DIR} //= "$BUILD/modules";

my $TICKS = POSIX::sysconf(POSIX::_SC_CLK_TCK());
my $SHM = "/dev/shm/ngx_live_bench.$$";

my @rows;
my @tools;

END {
    my $status = $?;
    $_->stop for grep { defined } @tools;
    remove_tree($SHM) if -d $SHM;
    $? = $status;
}

# ---- servers

# What README.md recommends for many viewers, for all sides; sendfile is for the
# references' files. With tcp_nopush, too, as in Debian's nginx.conf, plain HLS
# from files costs about 10 % less; nothing of ours uses it.
my $TUNED = <<"EOC";
sendfile on;
    access_log off;
    keepalive_requests 10000000;
    connection_pool_size 2k;
    request_pool_size 6k;

    ssl_certificate $SHM/cert.pem;
    ssl_certificate_key $SHM/key.pem;
EOC

my $EVENTS = <<'EOC';
worker_rlimit_nofile %%FILES%%;
events { worker_connections %%CONNECTIONS%%; }
EOC

sub _nginx {
    my (%opt) = @_;
    my $files = POSIX::sysconf(POSIX::_SC_OPEN_MAX());
    chomp(my $hard = `sh -c 'ulimit -Hn'`);

    $files = $hard eq 'unlimited' ? 65536 : $hard;

    my $ng = Live::Nginx->new(
        workers   => 2,
        log_level => 'notice',
        modules   => $opt{modules},
        vars      => { FILES => $files, CONNECTIONS => $files - 200,
            SHM => _shm(), TUNED => $TUNED, %{ $opt{vars} // {} } },
        conf      => "%%GLOBALS%%\n$EVENTS$opt{conf}",
    );

    return $ng->start;
}

sub _shm {
    return $SHM if -d $SHM;

    make_path($SHM);
    chmod 0755, $SHM;
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
        . "-nodes -days 2 -subj /CN=localhost -keyout $SHM/key.pem "
        . "-out $SHM/cert.pem 2> /dev/null") == 0 or die "no certificate\n";

    return $SHM;
}

sub shm { return _shm() }

sub ours {
    my (%opt) = @_;

    return _nginx(
        vars => { SIZE => $opt{size} // '512m' },
        conf => <<'EOC');
live { live_store %%STORE%% %%SIZE%%; }
stream {
    server {
        listen 127.0.0.1:%%PORT_rtmp%% backlog=4096;
        live_rtmp;
        live_publish_auth off;
    }
}
http {
    %%HTTP%%
    %%TUNED%%

    server {
        listen 127.0.0.1:%%PORT_http%% backlog=4096;
        listen 127.0.0.1:%%PORT_https%% ssl http2 backlog=4096;
        location /live/ { live_hls; live_token off; }
        location = /status { live_status; }
    }
}
EOC
}

sub nginx_rtmp {
    my $dir = _shm() . '/hls';

    remove_tree($dir);

    return _nginx(
        modules => ['/usr/lib/nginx/modules/ngx_rtmp_module.so'],
        conf    => <<'EOC');
rtmp {
    server {
        listen 127.0.0.1:%%PORT_rtmp%%;
        application live {
            live on;
            hls on;
            hls_path %%SHM%%/hls;
            hls_fragment 2s;
            hls_playlist_length 20s;
        }
    }
}
http {
    %%HTTP%%
    %%TUNED%%
    types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
    server {
        listen 127.0.0.1:%%PORT_http%% backlog=4096;
        listen 127.0.0.1:%%PORT_https%% ssl http2 backlog=4096;
        root %%SHM%%;
    }
}
EOC
}

# nginx with a module that only sends buffers: Makefile, bench/.
sub floor_module {
    my ($period_ms, $bytes) = @_;

    return _nginx(
        modules => ["$BUILD/bench/ngx_http_floor_module.so"],
        vars    => { PERIOD => $period_ms, BYTES => $bytes },
        conf    => <<'EOC');
http {
    %%HTTP%%
    %%TUNED%%
    server {
        listen 127.0.0.1:%%PORT_http%% backlog=4096;
        location /live/ { floor %%PERIOD%% %%BYTES%%; }
    }
}
EOC
}

sub static {
    return _nginx(modules => [], conf => <<'EOC');
http {
    %%HTTP%%
    %%TUNED%%
    types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }
    server {
        listen 127.0.0.1:%%PORT_http%% backlog=4096;
        root %%SHM%%;
    }
}
EOC
}

# What many idle members take little memory with, for both sides of a chat.
my $SMALL = <<'EOC';
connection_pool_size 384;
        request_pool_size 384;
        client_header_buffer_size 512;
EOC

sub chat {
    return _nginx(vars => { SMALL => $SMALL }, conf => <<'EOC');
live { live_store %%STORE%% 256m; live_chat_buffer 64m; }
http {
    %%HTTP%%
    %%TUNED%%
    live_token off;
    live_chat_rate off;

    server {
        listen 127.0.0.1:%%PORT_http%% backlog=4096;
        listen 127.0.0.1:%%PORT_slow%% backlog=4096 sndbuf=8k;
        %%SMALL%%
        location /chat/ { live_chat; }
    }
}
EOC
}

# Messages beyond the buffer's length would be dropped in a flood.
sub nchan {
    return _nginx(
        modules => ['/usr/lib/nginx/modules/ngx_nchan_module.so'],
        vars => { SMALL => $SMALL }, conf => <<'EOC');
http {
    %%HTTP%%
    %%TUNED%%
    nchan_shared_memory_size 256m;

    server {
        listen 127.0.0.1:%%PORT_http%% backlog=4096;
        %%SMALL%%
        location ~ ^/chat/(\w+)$ {
            nchan_pubsub websocket;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_message_buffer_length 10000;
            nchan_message_timeout 5s;
        }
    }
}
EOC
}

sub _pids {
    my ($ng) = @_;

    return grep { defined } $ng->master, $ng->all_workers;
}

# CPU seconds, user and system, of all processes of a server (or generator) so
# far.
sub cpu {
    my ($server) = @_;
    my $ticks = 0;

    for my $pid ($server->isa('Bench::Tool') ? $server->pids : _pids($server)) {
        my $stat = eval { read_file("/proc/$pid/stat") } // next;
        my @field = split ' ', $stat =~ s/.*\) //sr;
        $ticks += $field[11] + $field[12];
    }

    return $ticks / $TICKS;
}

# kB of memory of a server's processes that is theirs: not the store, no files.
sub memory {
    my ($ng) = @_;
    my $sum = 0;

    for my $pid (_pids($ng)) {
        my $text = eval { read_file("/proc/$pid/status") } // next;
        $sum += $1 if $text =~ /^RssAnon:\s+(\d+) kB/m;
    }

    return $sum;
}

# ---- media

# 8 s of H.264 (ultrafast) and AAC, encoded once; size, frame rate, bit rate,
# GOP:
my %MEDIA = (
    av    => '1280x720 25 2540k 50 -c:a aac -b:a 128k',
    av30  => '1280x720 30 2540k 60 -c:a aac -b:a 128k',
    video => '1280x720 25 2540k 50 -an',
    small => '320x180 25 200k 10 -c:a aac -b:a 48k',
    low   => '426x240 30 250k 60 -c:a aac -b:a 48k',
    high  => '1920x1080 60 5870k 120 -c:a aac -b:a 128k',
);

sub media {
    my ($name) = @_;
    my ($size, $fps, $rate, $gop, $audio) = split ' ', $MEDIA{$name}, 5;
    my $file = "$BUILD/bench/$name.flv";

    return $file if -s $file;

    make_path("$BUILD/bench");
    system('ffmpeg -v error -y -f lavfi -i '
        . "'testsrc2=s=$size:r=$fps,noise=alls=12:allf=t' "
        . '-f lavfi -i sine=f=440:r=48000 -t 8 -c:v libx264 -preset ultrafast '
        . "-tune zerolatency -b:v $rate -maxrate $rate -minrate $rate "
        . "-bufsize 1000k -x264-params nal-hrd=cbr:scenecut=0 -g $gop "
        . "-pix_fmt yuv420p $audio -f flv $file.part && mv $file.part $file")
        == 0 or die "ffmpeg: no $file\n";

    return $file;
}

# ---- generators

sub tool {
    my ($name, @args) = @_;

    return Bench::Tool->new("$BUILD/tools/$name", @args);
}

# Publishers of the file to a server, until stop(); waits until all are on.
sub push_streams {
    my ($ng, $n, %opt) = @_;
    my $tool = tool('rtmp_push', '-n', $n, '-r', $opt{ramp} // 50 * $n,
        @{ $opt{args} // [] },
        'rtmp://127.0.0.1:' . $ng->port('rtmp') . '/live/'
            . ($opt{name} // 'b%d'), media($opt{media} // 'av'));

    $tool->ready(30);
    push @tools, $tool;

    return $tool;
}

# The scheme https is HTTP/2 over TLS.
sub playlist_url {
    my ($ng, $track, $scheme) = @_;

    return url($ng, "/live/b0/$track/index.m3u8", $scheme);
}

sub url {
    my ($ng, $path, $scheme) = @_;

    $scheme //= 'http';

    return "${scheme}://127.0.0.1:" . $ng->port($scheme) . $path;
}

# Waits until a playlist has this many segments.
sub wait_segments {
    my ($ng, $path, $n) = @_;

    wait_for(sub {
        my $res = eval { $ng->get('http', $path) } // return;
        return $res->status == 200
            && (() = $res->body =~ /^#EXTINF/mg) >= $n;
    }, 30, "$n segments in $path") or die "no $path\n";
}

# ---- the table

sub row {
    my ($what, %v) = @_;

    $v{what} = $what;
    $v{value} = $v{ref} ? $v{ours} / $v{ref} : $v{ours};
    $v{ok} = !defined $v{limit} ? '' : $v{value} <= $v{limit} ? 'ok' : 'OVER';
    push @rows, \%v;

    _print(\%v);
}

sub note { printf "  %s\n", join '', @_ }

sub _number {
    my ($v, $unit) = @_;

    return '' unless defined $v;

    return sprintf('%.*f', abs($v) < 10 ? 3 : abs($v) < 1000 ? 1 : 0, $v)
        . ($unit ? " $unit" : '');
}

sub _print {
    my ($r) = @_;

    printf "%-52s %12s %12s %7s %7s  %s\n", $r->{what},
        _number($r->{ours}, $r->{unit}), _number($r->{ref}, $r->{unit}),
        $r->{ref} ? sprintf('%.2f', $r->{value}) : '',
        defined $r->{limit} ? $r->{limit} : '', $r->{ok};
}

sub head {
    printf "%-52s %12s %12s %7s %7s\n", 'what', 'ours', 'reference', 'ratio',
        'limit';
}

sub over { return scalar grep { $_->{ok} eq 'OVER' } @rows }
sub rows { return @rows }

# ---- a generator that runs

package Bench::Tool;

use strict;
use warnings;

use IO::Select;
use Time::HiRes qw(time);

sub new {
    my ($class, @command) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!\n";

    if ($pid == 0) {
        { exec @command; }
        POSIX::_exit(127);
    }

    return bless { pid => $pid, out => $out, name => $command[0], text => '',
        owner => $$ }, $class;
}

# Waits for the line "ready".
sub ready {
    my ($self, $timeout) = @_;
    my $end = time() + ($timeout // 60);

    until ($self->{text} =~ /^ready$/m) {
        IO::Select->new($self->{out})->can_read($end - time())
            or die "$self->{name}: not ready\n";
        sysread $self->{out}, $self->{text}, 4096, length $self->{text}
            or die "$self->{name} ended: $self->{text}\n";
    }

    return $self;
}

# Its processes.
sub pids {
    my ($self) = @_;
    my $list = "/proc/$self->{pid}/task/$self->{pid}/children";

    return ($self->{pid}, split ' ', Live::Nginx::read_file($list));
}

# Waits for its end; the numbers that it printed.
sub end {
    my ($self) = @_;

    return {} unless $self->{pid};

    while (sysread $self->{out}, $self->{text}, 4096, length $self->{text}) { }

    close $self->{out};
    $self->{pid} = undef;

    my ($line) = $self->{text} =~ /^(\w+=.*)$/m;

    return { map { split /=/, $_, 2 } split ' ', $line // '' };
}

sub stop {
    my ($self) = @_;

    return {} if !$self->{pid} || $self->{owner} != $$;

    kill 'TERM', $self->{pid};

    return $self->end;
}

# Perl would wait for it to end by itself.
sub DESTROY {
    my ($self) = @_;
    local $?;

    $self->stop;
}

1;
