package Live::Redis;

# A Redis for tests: own folder, own ports, the real server.
#
#   my $redis = Live::Redis->new(password => 'x', users => [ 'bus on >y ~* +@all' ],
#       tls => 1, append => 1)->start;
#   $redis->port; $redis->tls_port; $redis->ca;
#   my $reply = $redis->call(XLEN => 'live:chat:0');  # strings, numbers, lists
#   $redis->pause; $redis->resume;      # SIGSTOP, SIGCONT
#   $redis->kill; $redis->start;        # SIGKILL; what it had is gone unless
#                                       # append is set
#   $redis->stop;
#
# Live::Redis->installed tells whether there is one. An error reply is a string
# that begins with "-".

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();

use Live::Nginx qw(free_port wait_for write_file);

my ($SERVER) = grep { -x } map { "$_/redis-server" } '/usr/bin',
    '/usr/local/bin';

sub installed { return $SERVER }

sub new {
    my ($class, %opt) = @_;
    my ($port, $lock) = free_port();
    my $self = bless { %opt, port => $port, locks => [ $lock ], owner => $$,
        dir => tempdir('live_redis.XXXXXX', TMPDIR => 1, CLEANUP => 1) },
        $class;

    if ($opt{tls}) {
        ($self->{tls_port}, $lock) = free_port();
        push @{ $self->{locks} }, $lock;
        $self->_certificate;
    }

    return $self;
}

sub port { return $_[0]{port} }
sub tls_port { return $_[0]{tls_port} }
sub ca { return "$_[0]{dir}/ca.pem" }
sub pid { return $_[0]{pid} }

sub _certificate {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $ec = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';

    write_file("$dir/ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");

    for my $command (
        "req -x509 $ec -days 2 -subj /CN=test-ca -keyout $dir/ca.key"
            . " -out $dir/ca.pem",
        "req $ec -subj /CN=redis -keyout $dir/key.pem -out $dir/csr.pem",
        "x509 -req -in $dir/csr.pem -CA $dir/ca.pem -CAkey $dir/ca.key"
            . " -CAcreateserial -days 2 -extfile $dir/ext -out $dir/cert.pem")
    {
        system("openssl $command > $dir/openssl.log 2>&1") == 0
            or die "openssl $command\n";
    }

    chmod 0755, $dir;
    chmod 0644, "$dir/ca.pem";
}

sub start {
    my ($self) = @_;
    my $dir = $self->{dir};
    my @lines = ("port $self->{port}", 'bind 127.0.0.1', "dir $dir",
        'save ""', 'daemonize no', 'stream-node-max-entries 10',
        $self->{append} ? ('appendonly yes', 'appendfsync always') : ());

    push @lines, "requirepass $self->{password}" if $self->{password};
    push @lines, map { "user $_" } @{ $self->{users} // [] };
    push @lines, "tls-port $self->{tls_port}", "tls-cert-file $dir/cert.pem",
        "tls-key-file $dir/key.pem", "tls-ca-cert-file $dir/ca.pem",
        'tls-auth-clients no' if $self->{tls};

    write_file("$dir/redis.conf", join("\n", @lines) . "\n");

    my $pid = fork() // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec $SERVER, "$dir/redis.conf" or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    wait_for(sub { ($self->call('PING') // '') eq 'PONG' }, 10, 'redis')
        or die "redis does not start\n";

    return $self;
}

sub pause { kill STOP => $_[0]{pid} }
sub resume { kill CONT => $_[0]{pid} }

sub kill {
    my ($self) = @_;

    return unless $self->{pid} && $self->{owner} == $$;
    kill CONT => $self->{pid};
    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = 0;
    delete $self->{socket};
}

sub stop { return $_[0]->kill }

sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->kill;
}

# --- a client

sub call {
    my ($self, @words) = @_;
    my $new = !$self->{socket};

    $self->{socket} ||= IO::Socket::INET->new(Timeout => 5,
        PeerAddr => "127.0.0.1:$self->{port}") // return undef;
    $self->_send(AUTH => $self->{password}) // return undef
        if $new && $self->{password};

    return $self->_send(@words);
}

sub _send {
    my ($self, @words) = @_;
    my $socket = $self->{socket};

    local $SIG{PIPE} = 'IGNORE';
    print $socket join '', '*' . @words . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @words;
    $socket->flush;

    my $reply = $self->_reply;
    delete $self->{socket} unless defined $reply;

    return $reply;
}

sub _reply {
    my ($self) = @_;
    my $socket = $self->{socket};
    my $line = do { local $/ = "\r\n"; <$socket> } // return undef;

    $line =~ s/\r\n\z//;
    my ($type, $rest) = $line =~ /^(.)(.*)/s;

    return $rest if $type eq '+' || $type eq ':';
    return $line if $type eq '-';
    return '' if $rest < 0;
    return [ map { $self->_reply } 1 .. $rest ] if $type eq '*';

    read($socket, my $data, $rest + 2) == $rest + 2 or return undef;

    return substr $data, 0, $rest;
}

1;
