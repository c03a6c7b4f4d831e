package Live::Control;

# The control plane under test: a PostgreSQL cluster (Live::Postgres), its
# schema, one daemon or several, and a JSON client.
#
#   my $cp = Live::Control->new->start;
#   my $res = $cp->request(POST => '/streams', json => { title => 'x' },
#       token => $access_token);        # below /api
#   is($res->status, 201); $res->json->{id}; $res->header('ETag');
#   $cp->request(GET => '/metrics', root => 1);       # not below /api
#   $cp->node(POST => '/internal/publish', { … });    # with the node key
#   my $ada = $cp->register('ada');     # {id, username, token, refresh_token}
#   $cp->make($ada => 'admin');         # her role
#   $cp->sql('SELECT …');
#   my @got = $cp->parallel(10, sub { my ($client, $i) = @_; … });
#   $cp->stop; $cp->start; $cp->kill9; $cp->signal('HUP');
#   $cp->finish;                        # stops; tests "no sanitizer errors"
#
# Options of new(): conf ({ name => value }; %DIR% is the daemon's folder),
# postgres (of another one, whose database and keys this daemon then shares:
# $cp->postgres), pg ({ options of Live::Postgres }), migrate (1), database (a
# URL instead of the cluster's).
#
# Rate limits are off unless conf says otherwise.
#
# Environment: LIVE_CONTROL_PLANE ($BUILD/control-plane), LIVE_ASAN, LIVE_KEEP.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(remove_tree make_path);
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();
use Scalar::Util qw(weaken);
use Storable ();
use Test::More ();

use Live::HTTP;
use Live::Nginx qw(wait_for free_port read_file write_file repo_dir);
use Live::Postgres;
use Live::Token;

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;
my @ALIVE;

my @RATES = qw(read write search login register token report invalid);

sub program {
    return $ENV{LIVE_CONTROL_PLANE}
        // ($ENV{BUILD} // repo_dir() . '/build') . '/control-plane';
}

sub new {
    my ($class, %opt) = @_;
    my $self = bless {
        conf => { map({ ("rate_$_" => 'off') } @RATES), %{ $opt{conf} // {} } },
        postgres => $opt{postgres}
            // Live::Postgres->new(%{ $opt{pg} // {} }),
        migrate  => $opt{migrate} // 1,
        database => $opt{database},
        asan     => $ENV{LIVE_ASAN},
        owner    => $$,
    }, $class;

    -x program() or die 'Live::Control: ' . program() . " is not built\n";

    $self->{dir} = abs_path(tempdir('ngx_live_cp.XXXXXX', TMPDIR => 1));
    ($self->{port}, $self->{lock}) = free_port();

    # those who share a database share its keys
    my $keys = $self->{postgres}{keys} //= {
        node => unpack('H*', Live::Token::random_bytes(32)),
        secret => 'k1 ' . _base64(Live::Token::random_bytes(32)),
    };

    write_file("$self->{dir}/node.key", "$keys->{node}\n");
    write_file("$self->{dir}/secret.key", "$keys->{secret}\n");
    chmod 0600, "$self->{dir}/node.key", "$self->{dir}/secret.key";

    push @ALIVE, $self;
    weaken($ALIVE[-1]);

    $self->conf;
    $self->migrate if $self->{migrate} && !$self->{postgres}{migrated}++;

    return $self;
}

sub _base64 {
    require MIME::Base64;
    return MIME::Base64::encode_base64($_[0], '');
}

sub dir      { return $_[0]{dir} }
sub pid      { return $_[0]{pid} }
sub port     { return $_[0]{port} }
sub postgres { return $_[0]{postgres} }
sub url      { return "http://127.0.0.1:$_[0]{port}" }
sub node_key { return $_[0]{postgres}{keys}{node} }
sub node_key_file { return "$_[0]{dir}/node.key" }
sub sql      { my $self = shift; return $self->{postgres}->sql(@_) }

# Writes the configuration, with some names changed; takes effect with the
# next start().
sub conf {
    my ($self, %more) = @_;

    %{ $self->{conf} } = (%{ $self->{conf} }, %more);

    my %conf = (
        listen => "127.0.0.1:$self->{port}",
        database => $self->{database} // $self->{postgres}->url,
        sql_dir => repo_dir() . '/sql',
        openapi => repo_dir() . '/control-plane/openapi.json',
        node_key => "$self->{dir}/node.key",
        secret_key => "$self->{dir}/secret.key",
        # argon2id at its cheapest
        argon2_ops => 1, argon2_mem => 8192,
        %{ $self->{conf} },
    );

    write_file("$self->{dir}/control-plane.conf",
        join '', map { "$_ " . $conf{$_} =~ s/%DIR%/$self->{dir}/gr . "\n" }
            grep { defined $conf{$_} } sort keys %conf);

    return $self;
}

# Runs the program with arguments: (its status, what it printed).
sub run {
    my ($self, @args) = @_;
    my $out = "$self->{dir}/run.$$." . ++$self->{runs};
    my $pid = fork // die "fork: $!";

    $self->_exec($out, @args) if !$pid;
    waitpid $pid, 0;

    return ($? >> 8, read_file($out));
}

sub _exec {
    my ($self, $out, @args) = @_;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $out or POSIX::_exit(127);
    open STDERR, '>&', \*STDOUT;

    if ($self->{asan}) {
        my $log = "$self->{dir}/sanitizer";
        $ENV{ASAN_OPTIONS} = "detect_leaks=1:exitcode=99:log_path=$log";
        $ENV{UBSAN_OPTIONS} = "print_stacktrace=1:log_path=$log";
    }

    exec program(), '-c', "$self->{dir}/control-plane.conf", @args
        or POSIX::_exit(127);
}

sub migrate {
    my ($self) = @_;
    my ($rc, $text) = $self->run('--migrate');

    die "--migrate: $text\n" if $rc;

    return $text;
}

# Starts the daemon and waits until it is ready. wait => 0: until it listens.
sub start {
    my ($self, %opt) = @_;
    my $out = "$self->{dir}/log";

    my $pid = fork // die "fork: $!";
    $self->_exec($out) if !$pid;
    $self->{pid} = $pid;

    wait_for(sub {
        die "the control plane ended:\n" . $self->log
            if waitpid($pid, POSIX::WNOHANG);
        my $path = ($opt{wait} // 1) ? '/readyz' : '/healthz';
        return eval { $self->client->request(GET => $path, root => 1)->status
            == 200 };
    }, 20, 'the control plane') or die $self->log;

    return $self;
}

sub stop {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} // return $self;

    delete $self->{client};
    kill $signal // 'TERM', $pid;
    waitpid $pid, 0;
    $self->{status} = $?;

    return $self;
}

sub kill9   { return $_[0]->stop('KILL') }
sub restart { return $_[0]->stop->start }
sub signal  { return kill $_[1], $_[0]{pid} }

sub log {
    my ($self) = @_;
    # what it says before and while it opens its own
    return join '', map { -e $_ ? read_file($_) : () } "$self->{dir}/log",
        sort glob "$self->{dir}/cp.log*";
}

# The log's lines as objects; with a route, the requests of that one.
sub log_objects {
    my ($self, $route) = @_;
    my @lines = map { eval { $JSON->decode($_) } // { bad => $_ } }
        split /\n/, $self->log;

    return defined $route
        ? grep { ($_->{route} // '') eq $route } @lines
        : @lines;
}

# A client of its own: Live::Control::Client, keep-alive.
sub client {
    my ($self, %opt) = @_;

    return Live::Control::Client->new(port => $self->{port},
        node_key => $self->node_key, %opt);
}

sub request {
    my $self = shift;

    # not another process' connection
    if (!$self->{client} || $self->{client}{owner} != $$) {
        $self->{client} = $self->client;
    }

    return $self->{client}->request(@_);
}

sub node {
    my ($self, $method, $path, $json, %opt) = @_;

    return $self->request($method, $path, node => 1, root => 1,
        (defined $json ? (json => $json) : ()), %opt);
}

# A new user who is logged in.
sub register {
    my ($self, $name, %opt) = @_;
    my $res = $self->request(POST => '/auth/register', json => {
        username => $name, email => "$name\@example.org",
        password => 'a long enough password', %opt });

    $res->status == 201 or die 'register: ' . $res->body . "\n";
    my $json = $res->json;

    return { %{ $json->{user} // {} }, id => $json->{user}{id},
        username => $name, token => $json->{access_token},
        refresh_token => $json->{refresh_token} };
}

sub make {
    my ($self, $user, $role) = @_;

    $self->sql("UPDATE users SET role = '$role' WHERE id = $user->{id}");

    return $user;
}

# fn->(client, i) in n processes at once, each with a client of its own; what
# they return, in order.
sub parallel {
    my ($self, $n, $fn) = @_;
    my @children;

    for my $i (1 .. $n) {
        my $file = "$self->{dir}/parallel.$i";
        my $pid = fork // die "fork: $!";

        if (!$pid) {
            my $got = eval { $fn->($self->client, $i) };
            my $err = $@;
            eval { Storable::nstore([ $got, $err ], $file) };
            POSIX::_exit(0);
        }

        push @children, [ $pid, $file ];
    }

    waitpid $_->[0], 0 for @children;

    return map {
        my $got = -e $_->[1] ? Storable::retrieve($_->[1])
            : [ undef, "no result\n" ];
        unlink $_->[1];
        die $got->[1] if $got->[1];
        $got->[0];
    } @children;
}

sub sanitizer_errors {
    my ($self) = @_;

    return map { read_file($_) } glob "$self->{dir}/sanitizer.*";
}

sub finish {
    my ($self) = @_;

    $self->stop if $self->{pid};

    if ($self->{asan}) {
        my @errors = $self->sanitizer_errors;
        Test::More::ok(!@errors, 'no sanitizer errors')
            or Test::More::diag(join "\n", @errors);
    }

    $self->_cleanup;
}

sub _cleanup {
    my ($self) = @_;

    return if $self->{owner} != $$ || $self->{gone}++;
    $self->stop('KILL') if $self->{pid};
    remove_tree($self->{dir}) if $self->{dir} && !$ENV{LIVE_KEEP};
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);

    $self->_cleanup;
}

# Before the databases: Live::Postgres' END was compiled earlier, and so runs
# later.
END {
    local $?;
    $_ && $_->_cleanup for @ALIVE;
}


package Live::Control::Client;

use strict;
use warnings;

sub new {
    my ($class, %opt) = @_;

    return bless { timeout => 15, %opt, owner => $$ }, $class;
}

# Options: json (a body), body (raw), headers, token (Bearer), key
# (Idempotency-Key), root (not below /api), node (sign with the node key),
# abandon (hang up without waiting for the answer; returns nothing).
# A kept connection that the daemon has closed is opened again.
sub request {
    my ($self, $method, $path, %opt) = @_;
    my %headers = %{ $opt{headers} // {} };
    my $body = $opt{body};

    $path = "/api$path" unless $opt{root} || $opt{node};

    if (defined $opt{json}) {
        $body = $JSON->encode($opt{json});
    }

    $headers{'Content-Type'} //= 'application/json' if defined $body;
    $headers{Authorization} = "Bearer $opt{token}" if defined $opt{token};
    $headers{'Idempotency-Key'} = $opt{key} if defined $opt{key};

    my $kept = $self->{http} && !$self->{http}->readable(0);
    delete $self->{http} unless $kept;

    my $try = sub {
        # once a request: a node's nonce is good for one
        $headers{Authorization} = Live::Token::node_header($self->{node_key},
            $method, $path) if $opt{node};
        $self->{http} //= Live::HTTP->new(port => $self->{port},
            timeout => $self->{timeout});
        return $self->{http}->request($method, $path, headers => \%headers,
            (defined $body ? (body => $body) : ()));
    };

    if ($opt{abandon}) {
        my $http = Live::HTTP->new(port => $self->{port});
        $http->send($method, $path, headers => \%headers,
            (defined $body ? (body => $body) : ()));
        $http->close;
        return;
    }

    my $res = eval { $try->() };

    if (!$res) {
        my $err = $@;
        delete $self->{http};

        # a write may have been done: only the caller knows whether it may be
        # done again
        die $err unless $kept && $method eq 'GET';
        $res = $try->();
    }

    if (($res->header('Connection') // '') =~ /close/i) {
        delete $self->{http};
    }

    return bless $res, 'Live::Control::Response';
}


package Live::Control::Response;

use parent -norequire, 'Live::HTTP::Response';

sub json { return $JSON->decode($_[0]->body) }

1;
