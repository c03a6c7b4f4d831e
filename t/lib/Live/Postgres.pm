package Live::Postgres;

# A PostgreSQL cluster under test: own folder, socket and port, gone at the
# end. As root it runs as the user postgres (or nobody).
#
#   my $pg = Live::Postgres->new;       # runs, with an empty database "live"
#   $pg->url;                           # postgresql:///live?host=…
#   $pg->sql('SELECT 1');               # "1"; rows as lines, columns by "|"
#   $pg->stop; $pg->start; $pg->restart; $pg->kill9;
#   my $standby = $pg->standby;         # streams from it, read only
#
# Options of new(): fsync (0), ssl (0: with it, also on TCP, for host names
# "localhost" and "127.0.0.1"; the CA is ca_file), conf ({ name => value } of
# postgresql.conf).
#
# Environment: LIVE_PG_BIN (the newest below /usr/lib/postgresql), LIVE_KEEP=1.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use POSIX ();
use Scalar::Util qw(weaken);

use Live::Nginx qw(wait_for free_port read_file write_file);

my @ALIVE;

sub new {
    my ($class, %opt) = @_;
    my $self = bless { %opt, owner => $$, conf => $opt{conf} // {} }, $class;

    $self->{bin} = $ENV{LIVE_PG_BIN}
        // (sort { ($b =~ m{/(\d+)/})[0] <=> ($a =~ m{/(\d+)/})[0] }
            glob '/usr/lib/postgresql/*/bin')[0]
        // die "Live::Postgres: PostgreSQL is not installed\n";
    $self->{dir} = abs_path(tempdir('ngx_live_pg.XXXXXX', TMPDIR => 1));
    chmod 0755, $self->{dir};
    ($self->{port}, $self->{lock}) = free_port();

    if ($> == 0) {
        my @who = getpwnam('postgres');
        @who = getpwnam('nobody') unless @who;
        @$self{qw(uid gid)} = @who[2, 3];
        chown $self->{uid}, $self->{gid}, $self->{dir};
    }

    push @ALIVE, $self;
    weaken($ALIVE[-1]);

    $self->{standby_of} ? $self->_basebackup : $self->_initdb;
    $self->_configure;
    $self->start;

    if (!$self->{standby_of}) {
        $self->sql('CREATE DATABASE live', 'postgres');
    }

    return $self;
}

sub dir     { return $_[0]{dir} }
sub pid     { return $_[0]{pid} }
sub port    { return $_[0]{port} }
sub ca_file { return "$_[0]{dir}/ca.pem" }

sub url {
    my ($self, $db) = @_;
    $db //= 'live';

    return "postgresql:///$db?host=$self->{dir}&port=$self->{port}"
        . '&user=postgres';
}

# Over TCP; mode is libpq's sslmode, host the name that the certificate must
# have.
sub tls_url {
    my ($self, $mode, $host, $ca) = @_;

    return "postgresql://postgres\@$host:$self->{port}/live?sslmode=$mode"
        . '&sslrootcert=' . ($ca // $self->ca_file)
        . '&hostaddr=127.0.0.1';
}

sub standby {
    my ($self, %opt) = @_;

    return (ref $self)->new(%opt, standby_of => $self);
}

# Runs a program of PostgreSQL's as its user; dies when it fails.
sub run {
    my ($self, $program, @args) = @_;
    my $out = "$self->{dir}/out." . ++$self->{runs};
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        $self->_become;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        exec "$self->{bin}/$program", @args or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    my $rc = $?;
    my $text = -e $out ? read_file($out) : '';
    unlink $out;
    die "$program failed: $text\n" if $rc;

    return $text;
}

sub _become {
    my ($self) = @_;

    chdir $self->{dir};
    return unless defined $self->{uid};
    $) = "$self->{gid} $self->{gid}";
    POSIX::setgid($self->{gid});
    POSIX::setuid($self->{uid});
}

sub _initdb {
    my ($self) = @_;

    $self->run('initdb', '-D', "$self->{dir}/data", '-U', 'postgres', '-A',
        'trust', '-E', 'UTF8', '--locale=C.UTF-8',
        $self->{fsync} ? () : '--no-sync');
}

sub _basebackup {
    my ($self) = @_;
    my $primary = $self->{standby_of};

    $self->run('pg_basebackup', '-D', "$self->{dir}/data", '-h',
        $primary->{dir}, '-p', $primary->{port}, '-U', 'postgres', '-R', '-X',
        'stream', '-c', 'fast', '--no-sync');
}

sub _configure {
    my ($self) = @_;
    my %conf = (
        listen_addresses => $self->{ssl} ? '127.0.0.1' : '',
        unix_socket_directories => $self->{dir},
        port => $self->{port},
        fsync => $self->{fsync} ? 'on' : 'off',
        max_connections => 200,
        shared_buffers => '32MB',
        log_min_messages => 'warning',
        wal_level => 'replica',
        %{ $self->{conf} },
    );

    if ($self->{ssl}) {
        $self->_certificates;
        %conf = (%conf, ssl => 'on', ssl_cert_file => "$self->{dir}/cert.pem",
            ssl_key_file => "$self->{dir}/key.pem");
        # without TLS nobody gets in by TCP
        write_file("$self->{dir}/data/pg_hba.conf",
            "local all all trust\nlocal replication all trust\n"
            . "hostssl all all 127.0.0.1/32 trust\n");
    }

    open my $fh, '>>', "$self->{dir}/data/postgresql.auto.conf"
        or die "postgresql.auto.conf: $!";
    print $fh "$_ = '$conf{$_}'\n" for sort keys %conf;
    close $fh;
}

sub _certificates {
    my ($self) = @_;
    my $dir = $self->{dir};

    write_file("$dir/ext", "subjectAltName=DNS:localhost\n");

    for my $command (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            . " -keyout $dir/ca.key -out $dir/ca.pem -subj /CN=test-ca",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            . " -keyout $dir/key.pem -out $dir/req.pem -subj /CN=localhost",
        "x509 -req -in $dir/req.pem -CA $dir/ca.pem -CAkey $dir/ca.key -days 2"
            . " -CAcreateserial -extfile $dir/ext -out $dir/cert.pem")
    {
        my $text = `openssl $command 2>&1`;
        die "openssl: $text\n" if $?;
    }

    chmod 0600, "$dir/key.pem";
    chown $self->{uid}, $self->{gid}, "$dir/key.pem", "$dir/cert.pem"
        if defined $self->{uid};
}

sub start {
    my ($self) = @_;

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        $self->_become;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/log" or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        # a signal to the test's group is not meant for the database
        POSIX::setsid();
        exec "$self->{bin}/postgres", '-D', "$self->{dir}/data"
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    wait_for(sub {
        die "PostgreSQL ended:\n" . $self->log if waitpid($pid, POSIX::WNOHANG);
        return eval { $self->run('pg_isready', '-q', '-h', $self->{dir}, '-p',
            $self->{port}, '-U', 'postgres'); 1 };
    }, 30, 'PostgreSQL') or die "PostgreSQL does not start:\n" . $self->log;

    return $self;
}

sub log { return read_file("$_[0]{dir}/log") }

# mode: fast (the default), smart, immediate.
sub stop {
    my ($self, $mode) = @_;
    my %signal = (smart => 'TERM', fast => 'INT', immediate => 'QUIT',
        kill => 'KILL');

    my $pid = delete $self->{pid} // return;

    # the children of a killed one end by themselves, a moment later
    my @children = map { /(\d+)/ } `ps -o pid= --ppid $pid`;

    kill 'CONT', $pid, @children;
    kill $signal{ $mode // 'fast' }, $pid;
    waitpid $pid, 0;
    wait_for(sub { !grep { alive($_) } $pid, @children }, 30);
}

sub kill9 { $_[0]->stop('kill') }

# Whether a process runs; one that only waits for its parent does not.
sub alive {
    my ($pid) = @_;

    open my $fh, '<', "/proc/$pid/stat" or return 0;
    my ($state) = (<$fh> // '') =~ /\) (\S)/;

    return defined $state && $state ne 'Z';
}

sub restart {
    my ($self, $mode) = @_;

    $self->stop($mode);
    $self->start;
}

# What it answers, without the line feed at the end. Dies on an error.
sub sql {
    my ($self, $sql, $db) = @_;
    my $in = "$self->{dir}/in." . $$ . '.' . ++$self->{queries};

    write_file($in, $sql);
    chmod 0644, $in;
    my @psql = (qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres), '-h',
        $self->{dir}, '-p', $self->{port}, '-d', $db // 'live', '-f', $in);
    my $out = `@psql 2>&1`;
    my $rc = $?;
    unlink $in;
    die "$out\nin: $sql\n" if $rc;
    chomp $out;

    return $out;
}

sub _cleanup {
    my ($self) = @_;

    return if $self->{owner} != $$ || $self->{gone}++;
    $self->stop('immediate');
    remove_tree($self->{dir}) unless $ENV{LIVE_KEEP};
}

sub finish { $_[0]->_cleanup }

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);

    $self->_cleanup;
}

END {
    local $?;
    $_ && $_->_cleanup for @ALIVE;
}

1;
