package Live::FakeControl;

# A control plane for tests of the module: it speaks the protocol between nodes
# and control plane (publish decisions, heartbeats), over HTTP or HTTPS with
# keep-alive, checks the nodes' signatures, and can be slow, dead or wrong.
#
#   my $cp = Live::FakeControl->new(node_key => $key);   # tls => 1; port => n
#   $cp->start;
#   live { live_control_plane @{[$cp->url]}; … }         # http://127.0.0.1:port
#   $cp->publisher($credential => { stream => 'demo' }); # a 200
#   $cp->publisher($credential => 'No.');                # a 403 with that detail
#   $cp->keys('v1', $jwks); $cp->revoke(kind => 'jti', value => 'x');
#   $cp->rooms(3, { stream => 'demo', settings => {} });   # version, items
#   $cp->command(type => 'kick', stream => 'demo', reason => 'Enough.');
#   $cp->mode(heartbeat => { delay => 5 });     # or publish; {} for as usual
#         delay, status, body (bytes), raw (instead of a response), close (no
#         answer), huge (bytes of body), chunked, once (closes afterwards),
#         noack (no event is acknowledged), reject (a batch of chat with such
#         a text)
#   my @seen = $cp->requests('publish');        # { path, body, conn, time … }
#   $cp->stop;                                  # dead: connections are refused
#
# A process of its own, and one for each connection. What it answers with is in
# a file that each request reads anew; what it got is in another.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use Fcntl qw(:flock);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Live::Nginx qw(free_port read_file write_file wait_for);

my $JSON = JSON::PP->new->canonical->utf8->allow_nonref;

sub new {
    my ($class, %opt) = @_;
    my ($port, $lock) = $opt{port} ? ($opt{port}) : free_port();
    my $self = bless {
        host => '127.0.0.1', %opt, port => $port, lock => $lock,
        dir => tempdir('live_control.XXXXXX', TMPDIR => 1, CLEANUP => 1),
        owner => $$,
        state => { publishers => {}, revocations => [], commands => [],
            mode => {} },
    }, $class;

    write_file("$self->{dir}/log", '');
    $self->certificate($opt{name} // 'localhost') if $opt{tls};
    $self->_save;

    return $self;
}

sub port { return $_[0]{port} }

sub url {
    my ($self, $host) = @_;

    return ($self->{tls} ? 'https' : 'http') . '://'
        . ($host // $self->{host}) . ":$self->{port}";
}

# --- TLS: an authority of its own, and a certificate for a name

sub certificate {
    my ($self, $name) = @_;
    my $dir = $self->{dir};
    my $san = $name =~ /^[\d.]+$/ ? "IP:$name" : "DNS:$name";

    unless (-e "$dir/ca.pem") {
        _run("openssl req -x509 -newkey ec -pkeyopt "
            . "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca "
            . "-keyout $dir/ca.key -out $dir/ca.pem");
    }

    write_file("$dir/ext", "subjectAltName=$san\n");
    _run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        . "-subj /CN=$name -keyout $dir/key.pem -out $dir/csr.pem");
    _run("openssl x509 -req -in $dir/csr.pem -CA $dir/ca.pem -CAkey "
        . "$dir/ca.key -CAcreateserial -days 2 -extfile $dir/ext "
        . "-out $dir/cert.pem");
}

sub ca { return "$_[0]{dir}/ca.pem" }

sub _run { system("$_[0] >/dev/null 2>&1") == 0 or die "failed: $_[0]\n" }

# --- what it answers with

sub _save {
    my ($self) = @_;

    write_file("$self->{dir}/state.new", $JSON->encode($self->{state}));
    rename "$self->{dir}/state.new", "$self->{dir}/state" or die "$!\n";
}

sub publisher {
    my ($self, $credential, $answer) = @_;

    $self->{state}{publishers}{$credential} = $answer;
    $self->_save;
}

sub keys {
    my ($self, $version, $jwks) = @_;

    $self->{state}{keys} = { version => $version,
        jwks => ref $jwks ? $jwks : $JSON->decode($jwks) };
    $self->_save;
}

# Several at once: value is a list then.
sub revoke {
    my ($self, %item) = @_;
    my $list = $self->{state}{revocations};
    my $values = ref $item{value} ? $item{value} : [ $item{value} ];

    push @$list, { before => 0, until => int(time) + 3600, %item,
        value => $_ } for @$values;
    $self->_save;

    return scalar @$list;
}

sub rooms {
    my ($self, $version, @items) = @_;

    $self->{state}{rooms} = { version => $version, items => \@items };
    $self->_save;
}

sub command {
    my ($self, %command) = @_;
    my $id = 1 + @{ $self->{state}{commands} };

    push @{ $self->{state}{commands} }, { id => "$id", %command };
    $self->_save;

    return "$id";
}

sub mode {
    my ($self, %mode) = @_;

    $self->{state}{mode}{$_} = $mode{$_} for CORE::keys %mode;
    $self->_save;
}

# --- what it got

sub requests {
    my ($self, $what) = @_;

    return grep { !$what || $_->{what} eq $what } map { $JSON->decode($_) }
        split /\n/, read_file("$self->{dir}/log");
}

sub last_beat {
    my ($self) = @_;
    my @all = $self->requests('heartbeat');

    return @all ? $all[-1] : undef;
}

# Waits for a heartbeat that came after this call (or has what is asked for).
sub wait_beat {
    my ($self, $cond, $timeout) = @_;
    my $from = time;
    my $found;

    wait_for(sub {
        for my $r ($self->requests('heartbeat')) {
            next if $r->{time} < $from;
            local $_ = $r->{body};
            return $found = $r if !$cond || $cond->($r->{body});
        }
        return;
    }, $timeout // 10, 'a heartbeat');

    return $found;
}

# All events that heartbeats told of, once each.
sub events {
    my ($self) = @_;
    my (%seen, @list);

    for my $r ($self->requests('heartbeat')) {
        push @list, grep { !$seen{ $_->{id} }++ } @{ $r->{body}{events} };
    }

    return @list;
}

# --- the process

sub start {
    my ($self) = @_;

    return if $self->{pid};

    my $listen;

    wait_for(sub { $listen = IO::Socket::INET->new(Listen => 128,
        LocalAddr => $self->{host}, LocalPort => $self->{port},
        ReuseAddr => 1) }, 5) or die "listen: $!\n";

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        eval { $self->_serve($listen) };
        warn $@ if $@;
        POSIX::_exit(0);
    }

    POSIX::setpgid($pid, $pid);
    close $listen;
    $self->{pid} = $pid;

    return $self;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;

    kill 'KILL', -$pid;
    waitpid $pid, 0;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->stop if $self->{owner} == $$;
}

sub _serve {
    my ($self, $listen) = @_;
    my $conn = 0;

    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

    while (1) {
        my $sock = $listen->accept // next;
        $conn++;
        my $pid = fork() // next;

        if ($pid == 0) {
            close $listen;
            eval { $self->_connection($sock, "$$.$conn") };
            warn $@ if $@ && $@ !~ /^closed/;
            POSIX::_exit(0);
        }

        close $sock;
    }
}

sub _connection {
    my ($self, $sock, $conn) = @_;
    my $sni = '';

    if ($self->{tls}) {
        require IO::Socket::SSL;
        IO::Socket::SSL->start_SSL($sock, SSL_server => 1,
            SSL_cert_file => "$self->{dir}/cert.pem",
            SSL_key_file => "$self->{dir}/key.pem") or return;
        $sni = $sock->get_servername // '';
    }

    my $buf = '';
    my $n = 0;

    while (1) {
        my $head = _until($sock, \$buf, qr/\A(.*?\r\n)\r\n/s) // return;
        my ($method, $target) = $head =~ m{^(\S+) (\S+) HTTP/1\.1\r\n} or return;
        my %header = map { /^([^:]+):\s*(.*)$/ ? (lc $1 => $2) : () }
            split /\r\n/, $head;
        my $len = $header{'content-length'} // 0;

        while (length $buf < $len) {
            sysread($sock, $buf, 65536, length $buf) or return;
        }

        my $body = substr $buf, 0, $len, '';
        my $state = $JSON->decode(read_file("$self->{dir}/state"));
        my ($what) = $target =~ m{/internal/(\w+)$};
        $what //= 'other';

        my $json = eval { $JSON->decode($body) };
        $self->_log({ what => $what, method => $method, path => $target,
            headers => \%header, body => $json, conn => $conn, sni => $sni,
            time => time(), n => ++$n });

        my $mode = $state->{mode}{$what} // {};
        $self->_answer($sock, $state, $mode, $what, $method, $target,
            \%header, $json) or return;
    }
}

sub _until {
    my ($sock, $buf, $re) = @_;

    while (1) {
        return $1 if $$buf =~ s/$re//;
        sysread($sock, $$buf, 65536, length $$buf) or return;
    }
}

sub _log {
    my ($self, $entry) = @_;

    open my $fh, '>>', "$self->{dir}/log" or die "log: $!\n";
    flock $fh, LOCK_EX;
    syswrite $fh, $JSON->encode($entry) . "\n";
}

sub _answer {
    my ($self, $sock, $state, $mode, $what, $method, $target, $header, $json)
        = @_;

    sleep $mode->{delay} if $mode->{delay};
    return 0 if $mode->{close};

    if (defined $mode->{raw}) {
        _write($sock, $mode->{raw});
        return 0;
    }

    my ($status, $body) = (200, undef);

    if (!$self->_signed($method, $target, $header)) {
        ($status, $body) = (401, { detail => 'A bad signature.' });

    } elsif ($what eq 'publish') {
        ($status, $body) = _publish($state, $json);

    } elsif ($what eq 'heartbeat') {
        $body = _heartbeat($state, $mode, $json);

    } elsif ($what eq 'chat') {
        ($status, $body) = _chat($mode, $json);

    } else {
        ($status, $body) = (404, { detail => 'No.' });
    }

    $body = $JSON->encode($body);
    $status = $mode->{status} if $mode->{status};
    $body = $mode->{body} if defined $mode->{body};
    $body = ' ' x $mode->{huge} . $body if $mode->{huge};

    my $head = "HTTP/1.1 $status x\r\nContent-Type: application/json\r\n";
    $head .= "Connection: close\r\n" if $mode->{once};

    if ($mode->{chunked}) {
        my $half = int(length($body) / 2);
        $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
            grep { length } substr($body, 0, $half), substr($body, $half);
        _write($sock, "${head}Transfer-Encoding: chunked\r\n\r\n"
            . "${body}0\r\n\r\n");

    } else {
        _write($sock, $head . 'Content-Length: ' . length($body)
            . "\r\n\r\n$body");
    }

    return !$mode->{once};
}

sub _write {
    my ($sock, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $sock, $bytes, 65536;
        return unless $n;
        substr $bytes, 0, $n, '';
    }
}

sub _signed {
    my ($self, $method, $target, $header) = @_;
    my $key = $self->{node_key} // return 1;
    my ($t, $nonce, $mac) = ($header->{authorization} // '')
        =~ /^Live-Node (\d+):([0-9a-f]{32}):([0-9a-f]{64})$/ or return 0;

    # a nonce is good for once
    open my $fh, '+>>', "$self->{dir}/nonces" or die "nonces: $!\n";
    flock $fh, LOCK_EX;
    seek $fh, 0, 0;
    return 0 if grep { $_ eq "$nonce\n" } <$fh>;
    print $fh "$nonce\n";

    return abs($t - time) < 60 && $mac eq hmac_sha256_hex(
        "live-node-1\n$method\n$target\n$t\n$nonce\n", $key);
}

sub _publish {
    my ($state, $json) = @_;
    my $answer = $state->{publishers}{ $json->{credential} // '' };

    return (403, { type => '/problems/forbidden',
        detail => 'This stream key is not known.' }) unless defined $answer;
    return (403, { type => '/problems/forbidden', detail => $answer })
        unless ref $answer;
    return (403, { detail => 'That key is for another stream.' })
        if defined $json->{stream} && $json->{stream} ne $answer->{stream};

    return (200, $answer);
}

sub _chat {
    my ($mode, $json) = @_;
    my @items = @{ $json->{items} };

    return (422, { detail => 'No.' }) if defined $mode->{reject}
        && grep { ($_->{text} // '') =~ /$mode->{reject}/ } @items;

    return (200, { acknowledged => @items ? $items[-1]{id} : undef });
}

sub _heartbeat {
    my ($state, $mode, $json) = @_;
    my $seen = $json->{seen};
    my %answer = (interval_ms => $mode->{interval} // 500);
    my %done = map { $_ => 1 } @{ $seen->{commands} };
    my $all = $state->{revocations};
    my $from = $seen->{revocations};
    my @events = @{ $json->{events} };

    $from = 0 if $from > @$all;

    $answer{keys} = $state->{keys}
        if $state->{keys} && ($seen->{keys} // '') ne $state->{keys}{version};
    $answer{revocations} = { version => scalar @$all,
        full => $from ? JSON::PP::false : JSON::PP::true,
        items => [ @$all[$from .. $#$all] ] };
    $answer{rooms} = $state->{rooms} if $state->{rooms}
        && ($seen->{rooms} != $state->{rooms}{version}
            || @{ $seen->{rooms_new} });
    $answer{commands} = [ grep { !$done{ $_->{id} } }
        @{ $state->{commands} } ];
    $answer{events} = $events[-1]{id} if @events && !$mode->{noack};

    return \%answer;
}

1;
