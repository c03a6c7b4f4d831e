package Live::Nginx;

# An nginx under test: own folder, own free ports, own store, several workers.
#
#   use lib 't/lib';                    # or FindBin
#   use Live::Nginx;
#   my $ng = Live::Nginx->new(conf => <<'EOC');
#   live { live_store %%STORE%% 64m; }
#   stream { server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; } }
#   http {
#       %%HTTP%%
#       server { listen 127.0.0.1:%%PORT_http%%; ... }
#   }
#   EOC
#   $ng->start;
#   my $res = $ng->get('http', '/status');          # Live::HTTP response
#   is($res->status, 200);
#   $ng->reload; $ng->upgrade; $ng->kill_worker(KILL => $pid);
#   $ng->finish;        # stops; tests "no alerts", "no sanitizer errors"
#   done_testing;
#
# In the template:
#   %%GLOBALS%%   user, worker_processes, pid, error_log, load_module ...; put
#                 in front of the template when it does not stand in it
#   %%EVENTS%%    in %%GLOBALS%% too, unless the template has an events block
#   %%HTTP%%      temporary folders, access_log (stock "combined"), root
#   %%PORT_x%%    a free port (both TCP and UDP), the same for the same x
#   %%DIR%%       the instance's folder (0755), removed at the end
#   %%STORE%%     a file name in /dev/shm, removed at the end
#
# Options of new(): conf (required), workers (4), log_level (info), files
# ({ name => bytes }, written below %%DIR%%), vars ({ NAME => value } for
# %%NAME%%), modules ([names without .so], the default: both of ours where
# they are built), asan (LIVE_ASAN), allow_alerts ([qr/../]).
#
# Environment: LIVE_MODULES_DIR (build/modules), LIVE_NGINX (/usr/sbin/nginx),
# LIVE_STREAM_MODULE (Debian's path; empty where nginx has stream built in),
# LIVE_ASAN=1 (modules were built with ASan and UBSan), LIVE_LOG_LEVEL,
# LIVE_KEEP=1 (leave the folder).

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use Fcntl qw(:flock O_RDWR O_CREAT);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Scalar::Util qw(weaken);
use Test::More ();
use Time::HiRes qw(sleep time);

use Live::HTTP;

our @EXPORT_OK = qw(wait_for free_port read_file write_file repo_dir);

my $REPO = abs_path(dirname(__FILE__) . '/../../..');
my $NEXT = 0;
my @ALIVE;                  # weak references, for END

# A killed test stops its nginx too.
for my $sig (qw(INT TERM HUP)) {
    $SIG{$sig} = sub { exit 1 } unless $SIG{$sig};
}

sub repo_dir { return $REPO }

sub new {
    my ($class, %opt) = @_;

    die "Live::Nginx: no conf\n" unless defined $opt{conf};

    my $self = bless {
        conf      => $opt{conf},
        workers   => $opt{workers} // 4,
        log_level => $opt{log_level} // $ENV{LIVE_LOG_LEVEL} // 'info',
        modules   => $opt{modules},
        asan      => $opt{asan} // $ENV{LIVE_ASAN},
        allow     => [ @{ $opt{allow_alerts} // [] } ],
        vars      => { %{ $opt{vars} // {} } },
        nginx     => $ENV{LIVE_NGINX} // '/usr/sbin/nginx',
        ports     => {},
        locks     => [],
        owner     => $$,
    }, $class;

    $self->{dir} = abs_path(tempdir('ngx_live_test.XXXXXX', TMPDIR => 1));
    chmod 0755, $self->{dir};
    make_path("$self->{dir}/logs", "$self->{dir}/html");
    $self->{store} = "/dev/shm/ngx_live_test.$$." . $NEXT++ . '.store';

    $self->write($_, $opt{files}{$_}) for keys %{ $opt{files} // {} };
    $self->conf($opt{conf});

    push @ALIVE, $self;
    weaken($ALIVE[-1]);

    return $self;
}

# Sets a new configuration (ports already handed out keep their numbers);
# takes effect with start() or reload().
sub conf {
    my ($self, $conf) = @_;

    $self->{conf} = $conf;
    $self->write('nginx.conf', $self->expand($conf));

    return $self;
}

sub expand {
    my ($self, $text) = @_;

    $text = "%%GLOBALS%%\n$text" unless $text =~ /%%GLOBALS%%/;

    my $events = $text =~ /^\s*events\s*\{/m ? '' : $self->_events;

    $text =~ s/%%GLOBALS%%/$self->_globals . $events/ge;
    $text =~ s/%%EVENTS%%/$self->_events/ge;
    $text =~ s/%%HTTP%%/$self->_http/ge;
    $text =~ s/%%PORT_(\w+)%%/$self->port($1)/ge;
    $text =~ s/%%DIR%%/$self->{dir}/g;
    $text =~ s/%%STORE%%/$self->{store}/g;
    $text =~ s/%%(\w+)%%/$self->{vars}{$1}
        \/\/ die "Live::Nginx: no value for %%$1%%\n"/ge;

    return $text;
}

sub _events { return "events { worker_connections 4096; }\n" }

sub _globals {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $text = '';

    $text .= "user www-data;\n" if $> == 0;
    $text .= "worker_processes $self->{workers};\n"
        . "working_directory $dir;\n"
        . "pid $dir/nginx.pid;\n"
        . "lock_file $dir/nginx.lock;\n"
        . "error_log $dir/logs/error.log $self->{log_level};\n";

    # nginx gives the new binary of an upgrade none but these
    $text .= "env $_;\n" for $self->{asan}
        ? qw(LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS) : ();

    $text .= "load_module $_;\n" for $self->_module_files;

    return $text;
}

sub _module_files {
    my ($self) = @_;
    my $dir = $ENV{LIVE_MODULES_DIR} // "$REPO/build/modules";
    my $stream = $ENV{LIVE_STREAM_MODULE}
        // '/usr/lib/nginx/modules/ngx_stream_module.so';
    my @files;

    $dir = "$REPO/$dir" unless $dir =~ m{^/};

    push @files, $stream if length $stream && -e $stream;

    if ($self->{modules}) {
        push @files, map { m{/} ? $_ : "$dir/$_.so" } @{ $self->{modules} };

    } else {
        push @files, grep { -e } map { "$dir/$_.so" }
            qw(ngx_http_live_module ngx_stream_live_module);
    }

    return @files;
}

sub _http {
    my ($self) = @_;
    my $dir = $self->{dir};

    return join("\n    ", "access_log $dir/logs/access.log;", "root $dir/html;",
        map { "${_}_temp_path $dir/${_}_temp;" }
            qw(client_body proxy fastcgi uwsgi scgi)) . "\n";
}

# --- the folder

sub dir   { return $_[0]{dir} }
sub store { return $_[0]{store} }

sub write {
    my ($self, $name, $bytes) = @_;
    my $path = "$self->{dir}/$name";

    make_path(dirname($path));
    write_file($path, $bytes);

    return $path;
}

sub read { return read_file("$_[0]{dir}/$_[1]") }

sub log_text {
    my ($self, $name) = @_;
    my $path = "$self->{dir}/logs/" . ($name // 'error.log');

    return -e $path ? read_file($path) : '';
}

# Lines of a log file (error.log) that match.
sub log_grep {
    my ($self, $re, $name) = @_;

    return grep { /$re/ } split /\n/, $self->log_text($name);
}

# Every file below logs/: { name => text }.
sub all_logs {
    my ($self) = @_;
    my %text;

    for my $path (glob "$self->{dir}/logs/*") {
        next unless -f $path;
        my ($name) = $path =~ m{([^/]+)$};
        $text{$name} = read_file($path);
    }

    return \%text;
}

# --- ports

sub port {
    my ($self, $name) = @_;

    return $name if $name =~ /^\d+$/;

    unless ($self->{ports}{$name}) {
        my ($port, $lock) = free_port();
        $self->{ports}{$name} = $port;
        push @{ $self->{locks} }, $lock;
    }

    return $self->{ports}{$name};
}

# A port that is free for TCP and UDP on every address, and a lock that keeps
# other tests off it for as long as the handle lives. Below the kernel's
# ephemeral range, so that no outgoing connection takes it.
sub free_port {
    my $dir = '/tmp/ngx_live_test_ports';

    mkdir $dir;
    chmod 01777, $dir;

    for (1 .. 500) {
        my $port = 10240 + int(rand(22000));

        sysopen(my $lock, "$dir/$port", O_RDWR | O_CREAT) or next;
        flock($lock, LOCK_EX | LOCK_NB) or next;

        my $tcp = IO::Socket::INET->new(Listen => 1, Proto => 'tcp',
            LocalAddr => '0.0.0.0', LocalPort => $port) or next;
        my $udp = IO::Socket::INET->new(Proto => 'udp',
            LocalAddr => '0.0.0.0', LocalPort => $port) or next;

        return wantarray ? ($port, $lock) : $port;
    }

    die "Live::Nginx: no free port\n";
}

# --- processes

# Runs "nginx -t": (exit status, output).
sub test_conf {
    my ($self) = @_;

    return $self->_run('-t');
}

sub _run {
    my ($self, @args) = @_;
    my $dir = $self->{dir};
    my $out = "$dir/run.out";

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        # The master's and workers' working folder is how _processes() knows
        # them from other people's.
        chdir $dir or POSIX::_exit(127);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        $self->_sanitizer_env if $self->{asan};
        # by absolute path: for USR2 nginx executes argv[0] again
        { exec '/bin/sh', '-c', 'ulimit -n $(ulimit -Hn); exec "$@"', 'sh',
            $self->{nginx}, '-p', "$dir/", '-c', "$dir/nginx.conf",
            '-e', "$dir/logs/error.log", @args; }
        POSIX::_exit(127);
    }

    waitpid($pid, 0);

    return ($? >> 8 || $? & 127, read_file($out));
}

sub _sanitizer_env {
    my ($self) = @_;
    my $log = "$self->{dir}/logs/sanitizer";

    chomp(my $asan = `gcc -print-file-name=libasan.so`);
    chomp(my $ubsan = `gcc -print-file-name=libubsan.so`);

    $ENV{LD_PRELOAD} = join ' ', map { abs_path($_) } $asan, $ubsan;
    $ENV{ASAN_OPTIONS} = "detect_leaks=0:abort_on_error=0:exitcode=99"
        . ":log_path=$log:detect_odr_violation=0";
    $ENV{UBSAN_OPTIONS} = "print_stacktrace=1:log_path=$log";
    $ENV{LIVE_ASAN_RUNNING} = 1;
    # workers run as another user and must be able to write beside the logs
    chmod 01777, "$self->{dir}/logs";
}

# Starts nginx and waits until it has written its pid file and all workers run.
# Dies with nginx's own words when it does not start.
sub start {
    my ($self) = @_;
    my ($rc, $out) = $self->_run;

    die "nginx did not start ($rc):\n$out" . $self->tail if $rc != 0;

    wait_for(sub { $self->master && $self->workers >= $self->{workers} },
        20, 'nginx to start') or die "nginx did not start:\n" . $self->tail;

    $self->{started} = 1;

    return $self;
}

sub master {
    my ($self) = @_;
    my $file = "$self->{dir}/nginx.pid";

    return undef unless -s $file;

    my $pid = read_file($file);
    chomp $pid;

    return $pid =~ /^\d+$/ && kill(0, $pid) ? $pid : undef;
}

# nginx processes of this instance: ([pid, ppid, title], ...), of every
# generation.
sub _processes {
    my ($self) = @_;
    my @list;

    opendir my $dh, '/proc' or die "/proc: $!";

    for my $pid (grep { /^\d+$/ } readdir $dh) {
        my $cwd = readlink "/proc/$pid/cwd" // next;
        next unless $cwd eq $self->{dir};

        open my $fh, '<', "/proc/$pid/cmdline" or next;
        my $title = do { local $/; <$fh> } // '';
        $title =~ tr/\0/ /;
        next unless $title =~ /^nginx: /;

        open $fh, '<', "/proc/$pid/stat" or next;
        my $stat = <$fh> // next;
        my ($state, $ppid) = $stat =~ /\) (\S) (\d+)/ or next;
        next if $state eq 'Z';

        push @list, [$pid, $ppid, $title];
    }

    return @list;
}

# Pids of the current master's workers that are not shutting down (their
# number in scalar context).
sub workers {
    my ($self) = @_;
    my $master = $self->master // return ();

    my @pids = sort { $a <=> $b } map { $_->[0] } grep {
        $_->[1] == $master && $_->[2] =~ /worker process/
            && $_->[2] !~ /shutting down/
    } $self->_processes;

    return @pids;
}

# Pids of every worker of every generation, those that shut down included.
sub all_workers {
    my ($self) = @_;

    my @pids = sort { $a <=> $b } map { $_->[0] }
        grep { $_->[2] =~ /worker process/ } $self->_processes;

    return @pids;
}

sub signal {
    my ($self, $sig, $pid) = @_;

    $pid //= $self->master // die "Live::Nginx: no master\n";
    kill $sig, $pid or die "kill $sig $pid: $!\n";
}

# Reloads and waits for a new set of workers. Old ones may still be draining.
sub reload {
    my ($self, %opt) = @_;
    my %old = map { $_ => 1 } $self->workers;

    $self->signal('HUP');

    return wait_for(sub {
        my @now = $self->workers;
        return @now >= $self->{workers} && !grep { $old{$_} } @now;
    }, $opt{timeout} // 20, 'new workers after a reload');
}

# Binary upgrade: USR2, the new master's workers, WINCH (old workers drain),
# QUIT of the old master (it stays until its workers are gone).
# With keep => 1 it stops after WINCH and returns the old master's pid.
sub upgrade {
    my ($self, %opt) = @_;
    my $old = $self->master // die "Live::Nginx: no master\n";

    $self->signal(USR2 => $old);

    wait_for(sub {
        my $now = $self->master;
        return $now && $now != $old && $self->workers >= $self->{workers};
    }, $opt{timeout} // 20, 'the new master') or return;

    push @{ $self->{old_masters} }, $old;

    $self->signal(WINCH => $old);
    return $old if $opt{keep};

    $self->signal(QUIT => $old);

    return $old;
}

# Kills a worker; the alert that nginx logs for it is expected.
sub kill_worker {
    my ($self, $sig, $pid) = @_;

    push @{ $self->{allow} }, qr/process $pid exited on signal/;
    $self->signal($sig, $pid);
}

sub allow_alert { my $self = shift; push @{ $self->{allow} }, @_ }

# Stops every process of this instance: QUIT or TERM to the masters, KILL to
# what is left after 10 s.
sub stop {
    my ($self, $sig) = @_;

    return unless $self->{started} || $self->_processes;

    my @masters = map { $_->[0] }
        grep { $_->[2] =~ /master process/ } $self->_processes;

    kill $sig // 'TERM', $_ for @masters;

    my $gone = wait_for(sub { !$self->_processes }, 10);

    unless ($gone) {
        push @{ $self->{stuck} }, map { "$_->[0] ($_->[2])" }
            $self->_processes;
        kill 'KILL', $_->[0] for $self->_processes;
        wait_for(sub { !$self->_processes }, 5);
    }

    $self->{started} = 0;

    return $gone;
}

# --- HTTP

# A new keep-alive connection (Live::HTTP) to a port by name or number.
sub http {
    my ($self, $port, %opt) = @_;

    return Live::HTTP->new(port => $self->port($port), %opt);
}

# One request on a connection of its own.
sub get {
    my ($self, $port, $path, %opt) = @_;

    return $self->http($port, timeout => $opt{timeout} // 10)
        ->request($opt{method} // 'GET', $path, %opt, close => 1);
}

# curl with -s: its output. For HTTP/2: --http2-prior-knowledge.
sub curl {
    my ($self, @args) = @_;

    open my $fh, '-|', 'curl', '-s', '--max-time', 20, @args
        or die "curl: $!";
    binmode $fh;
    my $out = do { local $/; <$fh> };
    close $fh;

    return $out // '';
}

# GET over HTTP/2 in clear text, as a Live::HTTP response.
sub get_h2 {
    my ($self, $port, $path, @args) = @_;
    my $out = $self->curl('--http2-prior-knowledge', '-D', '-', @args,
        '--path-as-is', 'http://127.0.0.1:' . $self->port($port) . $path);

    return Live::HTTP::parse($out);
}

# --- the end

# Stops nginx and runs the tests that every test file has to pass.
sub finish {
    my ($self) = @_;

    $self->stop;
    $self->{finished} = 1;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @alerts = $self->alerts;
    my @errors = $self->sanitizer_errors;
    my @stuck = @{ $self->{stuck} // [] };

    Test::More::ok(!@alerts, 'no alerts')
        or Test::More::diag(join "\n", @alerts[0 .. ($#alerts < 20
            ? $#alerts : 20)]);
    Test::More::ok(!@errors, 'no sanitizer errors')
        or Test::More::diag(join "\n", @errors[0 .. ($#errors < 60
            ? $#errors : 60)]);
    Test::More::ok(!@stuck, 'nginx stopped in time')
        or Test::More::diag("still running: @stuck");

    unless (Test::More->builder->is_passing) {
        Test::More::diag("the end of error.log:\n" . $self->tail);
    }
}

# Lines at [alert], [crit] or [emerg] that were not expected.
sub alerts {
    my ($self) = @_;

    return grep {
        my $line = $_;
        !grep { $line =~ $_ } @{ $self->{allow} };
    } $self->log_grep(qr/\[(?:alert|crit|emerg)\]/);
}

sub sanitizer_errors {
    my ($self) = @_;
    my @lines = $self->log_grep(qr/Sanitizer|runtime error:/);

    push @lines, split /\n/, read_file($_)
        for glob "$self->{dir}/logs/sanitizer.*";

    return @lines;
}

sub tail {
    my ($self, $count) = @_;
    my @lines = $self->log_grep(qr/^(?!\S+ \S+ \[(?:debug|notice)\])/);

    $count //= 30;
    splice @lines, 0, @lines - $count if @lines > $count;

    return join("\n", @lines) . "\n";
}

sub _cleanup {
    my ($self) = @_;

    return if $self->{cleaned}++ || $self->{owner} != $$;

    $self->stop('TERM');
    unlink $self->{store};

    remove_tree($self->{dir})
        unless $ENV{LIVE_KEEP} || ! -d $self->{dir};

    Test::More::diag("left: $self->{dir}") if $ENV{LIVE_KEEP};
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->_cleanup;
}

# A test that forgets finish() would not notice a crash of a worker.
END {
    my $status = $?;

    for my $self (grep { defined && $_->{owner} == $$ } @ALIVE) {
        if ($status == 0 && $self->{started} && !$self->{finished}) {
            Test::More::diag('Live::Nginx: finish() was not called');
            $status = 1;
        }

        $self->_cleanup;
    }

    $? = $status;
}

# --- helpers

# Polls until the condition is true; returns what it returned. On a time-out
# prints what was waited for and returns false.
sub wait_for {
    my ($cond, $timeout, $what) = @_;
    my $end = time() + ($timeout // 10);

    while (1) {
        my $got = $cond->();
        return $got if $got;
        last if time() > $end;
        sleep 0.01;
    }

    Test::More::diag("timed out waiting for $what") if defined $what;

    return;
}

sub read_file {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;

    return scalar(<$fh>) // '';
}

sub write_file {
    my ($path, $bytes) = @_;

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print $fh $bytes;
    close $fh or die "$path: $!\n";
}

1;
