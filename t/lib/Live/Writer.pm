package Live::Writer;

# Writes a stream into the store of a running nginx, part by part, by
# t/tools/store_writer (which lists the commands): for tests that say when what
# happens.
#
#   my $w = Live::Writer->new($ng);
#   $w->do('claim a v0a0 muxed');
#   $w->do('segment');                  # dies with the tool's words on error
#   $w->do('live');
#   my ($msn, $part) = $w->part('last');
#   $w->first;                          # the stream's first msn
#   $w->run(333, 30);                   # in real time; returns at once
#   $w->wait;                           # … until that is done

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Open2;

my $REPO = abs_path(dirname(__FILE__) . '/../../..');

sub new {
    my ($class, $ng) = @_;
    my $build = $ENV{BUILD} // "$REPO/build";
    my $self = bless {}, $class;

    $self->{pid} = open2($self->{out}, $self->{in},
        "$build/tools/store_writer", $ng->store, $ng->dir . '/nginx.pid');
    $self->{in}->autoflush(1);

    return $self;
}

# One command; the words behind "ok" of its last answer.
sub do {
    my ($self, $line) = @_;

    $self->send($line);

    return $self->answer($line =~ /^segment/ ? 1 : 0);
}

sub send {
    my ($self, $line) = @_;

    print { $self->{in} } "$line\n";
    # an answer of its own behind those whose number is not known
    print { $self->{in} } "evict 0\n" if $line =~ /^(?:segment|run)/;
}

sub answer {
    my ($self, $many) = @_;
    my @last;

    while (1) {
        my $line = readline $self->{out} // die "store_writer ended\n";
        chomp $line;
        die "store_writer: $line\n" if $line !~ /^ok/;
        my (undef, @words) = split ' ', $line;

        if (!$many) { @last = @words; last }
        last unless @words;
        @last = @words;
    }

    $self->{first} //= $last[0] if @last;

    return @last;
}

sub part { my ($self, @words) = @_; return $self->do("part @words") }

sub first { return $_[0]{first} }

sub run {
    my ($self, $ms, $segments) = @_;

    $self->send("run $ms $segments");
}

sub wait { return $_[0]->answer(1) }

# Claims, writes whole segments, goes live.
sub live {
    my ($self, $id, $tracks, $segments) = @_;

    delete $self->{first};
    $self->do("claim $id $tracks");
    $self->do('segment') for 1 .. ($segments // 1);
    $self->do('live');

    return $self->{first};
}

sub kill {
    my ($self) = @_;

    return unless $self->{pid};
    kill 'KILL', $self->{pid};
    waitpid delete $self->{pid}, 0;
}

sub close {
    my ($self) = @_;

    return unless $self->{pid};
    CORE::close($self->{in});
    waitpid delete $self->{pid}, 0;
}

sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->kill;
}

1;
