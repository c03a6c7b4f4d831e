package Live::Receiver;

# Somebody's server that takes webhooks, and misbehaves when told to. It runs
# in a process of its own and keeps what it got in a file.
#
#   my $receiver = Live::Receiver->new;
#   $receiver->url;                     # http://127.0.0.1:PORT/hook
#   $receiver->behave('fail 2');        # the next two get a 500, then 200
#   my @got = $receiver->got;           # { path, headers, body, json, time }
#   Live::Receiver::signature_of($got, $secret)     # whether it is right
#   $receiver->opened;                  # connections that came
#
# What it does, by behave(): ok; status N; fail N; hang (no answer); redirect
# URL; huge (an answer without end); head (headers without end); drip (a byte
# a second); review (a chat's reviewer: a text that begins with "deny" or "hold"
# gets that verdict, with "late" none for two seconds). With bind => '::' it listens on IPv6 (and IPv4) too.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use File::Temp qw(tempdir);
use Fcntl qw(:flock);
use IO::Socket::IP;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

use Live::Nginx qw(read_file write_file);

my $JSON = JSON::PP->new->utf8->canonical;

sub new {
    my ($class, %opt) = @_;
    my $self = bless { dir => tempdir('ngx_live_hook.XXXXXX', TMPDIR => 1,
        CLEANUP => 1), owner => $$ }, $class;

    my $server = IO::Socket::IP->new(LocalHost => $opt{bind} // '127.0.0.1',
        Listen => 64, ReuseAddr => 1, ($opt{bind} ? (V6Only => 0) : ()))
        or die "Live::Receiver: $!\n";
    $self->{port} = $server->sockport;
    $self->behave('ok');

    $self->{pid} = fork // die "fork: $!";

    if (!$self->{pid}) {
        $self->_serve($server);
        POSIX::_exit(0);
    }

    return $self;
}

sub port { return $_[0]{port} }
sub url  { return "http://127.0.0.1:$_[0]{port}" . ($_[1] // '/hook') }

sub behave {
    my ($self, $how) = @_;

    write_file("$self->{dir}/how.new", $how);
    rename "$self->{dir}/how.new", "$self->{dir}/how";
    unlink "$self->{dir}/count";

    return $self;
}

sub got {
    my ($self) = @_;

    return map { $JSON->decode($_) } split /\n/, $self->_file('got');
}

sub opened { return length $_[0]->_file('opened') }

sub forget { unlink "$_[0]{dir}/got", "$_[0]{dir}/opened" }

sub signature_of {
    my ($got, $secret) = @_;
    my ($t, $v1) = ($got->{headers}{'live-signature'} // '')
        =~ /^t=(\d+),v1=([0-9a-f]{64})$/ or return 0;

    return abs($t - time()) < 60
        && $v1 eq hmac_sha256_hex("$t.$got->{body}", $secret);
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;

    kill 'KILL', $pid;
    waitpid $pid, 0;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);

    $self->stop if $self->{owner} == $$;
}

sub _file {
    my ($self, $name) = @_;

    return -e "$self->{dir}/$name" ? read_file("$self->{dir}/$name") : '';
}

sub _append {
    my ($self, $name, $text) = @_;

    open my $fh, '>>', "$self->{dir}/$name" or return;
    flock $fh, LOCK_EX;
    syswrite $fh, $text;
}

# Counts what came since behave().
sub _count {
    my ($self) = @_;

    $self->_append('count', '.');

    return length $self->_file('count');
}

# A process a connection: one that hangs keeps nobody waiting.
sub _serve {
    my ($self, $server) = @_;

    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';

    while (1) {
        my $client = $server->accept or next;
        $self->_append('opened', '.');
        next if fork;
        close $server;
        alarm 30;
        eval { $self->_one($client) };
        POSIX::_exit(0);
    }
}

sub _one {
    my ($self, $client) = @_;
    my ($method, $path) = (<$client> // '') =~ /^(\S+) (\S+)/ or return;
    my (%header, $body);

    while (defined(my $line = <$client>)) {
        $line =~ s/\r?\n$//;
        last if $line eq '';
        $header{ lc $1 } = $2 if $line =~ /^([^:]+):\s*(.*)$/;
    }

    read $client, $body, $header{'content-length'} // 0;
    $self->_append('got', $self->{last} = $JSON->encode({ method => $method, path => $path,
        headers => \%header, body => $body, time => time(),
        json => eval { $JSON->decode($body) } }) . "\n");

    $self->_answer($client, split / /, $self->_file('how'));
}

sub _review {
    my ($self, $client) = @_;
    my $last = $JSON->decode($self->{last});
    my ($said) = ($last->{json}{text} // '') =~ /^(deny|hold|late)/;

    sleep 2 if ($said // '') eq 'late';
    my $text = $JSON->encode({ action => $said // 'allow',
        message => "It says $last->{json}{text}." });
    print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($text)
        . "\r\nConnection: close\r\n\r\n$text";
}

sub _answer {
    my ($self, $client, $how, $arg) = @_;
    my $status = 200;
    my $more = '';

    $client->autoflush(1);

    if ($how eq 'review') {
        return $self->_review($client);
    } elsif ($how eq 'hang') {
        sleep 30;
    } elsif ($how eq 'status') {
        $status = $arg;
    } elsif ($how eq 'fail') {
        $status = $self->_count > $arg ? 200 : 500;
    } elsif ($how eq 'redirect') {
        $status = 307;
        $more = "Location: $arg\r\n";
    } elsif ($how eq 'huge') {
        print $client "HTTP/1.1 200 OK\r\n\r\n";
        print $client 'x' x 65536 or last for 1 .. 1000;
        return;
    } elsif ($how eq 'head') {
        print $client "HTTP/1.1 200 OK\r\n";
        print $client 'X-More: ' . 'x' x 1000 . "\r\n" or last for 1 .. 100000;
        return;
    } elsif ($how eq 'drip') {
        print $client "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        print $client 'x' and sleep 1 for 1 .. 100;
        return;
    }

    my $text = "answer $status \x{1}\xff";
    print $client "HTTP/1.1 $status X\r\n${more}Content-Length: "
        . length($text) . "\r\nConnection: close\r\n\r\n$text";
}

1;
