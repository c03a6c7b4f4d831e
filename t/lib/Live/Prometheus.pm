package Live::Prometheus;

# Reads and judges Prometheus' text format (version 0.0.4).
#
#   my $m = Live::Prometheus->parse($text);
#   is($m->value('ngx_live_streams', state => 'live'), 1);
#   is_deeply([ $m->complaints ], []);
#
# complaints() are what "promtool check metrics" would say, and the naming
# rules of prometheus.io/docs/practices/naming.

use strict;
use warnings;

my $NAME = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $LABEL = qr/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/;
my $NUMBER = qr/[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|Inf)|NaN/;

sub parse {
    my ($class, $text) = @_;
    my $self = bless { type => {}, help => {}, value => {}, order => [],
        bad => [] }, $class;

    $self->_bad('does not end in a line feed') if $text !~ /\n\z/;
    $self->_line($_) for split /\n/, $text;
    $self->_names;

    return $self;
}

sub complaints { return @{ $_[0]{bad} } }
sub names      { return sort keys %{ $_[0]{type} } }
sub type       { return $_[0]{type}{ $_[1] } }
sub series     { return sort keys %{ $_[0]{value} } }

# The value of a series; undef without one.
sub value {
    my ($self, $name, %label) = @_;

    return $self->{value}{ _key($name, %label) };
}

# { label value => number } over one label of a metric.
sub by {
    my ($self, $name, $label) = @_;

    return { map { $_ =~ /\A\Q$name\E\{\Q$label\E="([^"]*)"\}\z/
        ? ($1 => $self->{value}{$_}) : () } keys %{ $self->{value} } };
}

sub _bad { push @{ $_[0]{bad} }, $_[1]; return }

sub _key {
    my ($name, %label) = @_;

    return $name unless %label;
    return "$name\{" . join(',', map { qq{$_="$label{$_}"} } sort keys %label)
        . '}';
}

sub _line {
    my ($self, $line) = @_;

    return if $line eq '';

    if ($line =~ /\A# (HELP|TYPE) ($NAME) (.+)\z/) {
        my ($what, $name, $text) = (lc $1, $2, $3);

        $self->_bad("$name has two lines of $what")
            if defined $self->{$what}{$name};
        $self->_bad("$name: $what behind its values")
            if grep { $_ eq $name } @{ $self->{order} };
        $self->_bad("$name: no such type: $text")
            if $what eq 'type' && $text !~ /\A(?:counter|gauge)\z/;
        $self->{$what}{$name} = $text;
        return;
    }

    unless ($line =~ /\A($NAME)(?:\{((?:$LABEL,?)+)\})? ($NUMBER)\z/) {
        return $self->_bad("not a sample: $line");
    }

    my ($name, $labels, $value) = ($1, $2, $+);
    my %label;

    while (defined $labels && $labels =~ /\G$LABEL,?/gc) {
        $self->_bad("label $1 twice: $line") if exists $label{$1};
        $label{$1} = $2;
    }

    my $key = _key($name, %label);

    $self->_bad("twice: $key") if exists $self->{value}{$key};
    $self->_bad("$name has no type") unless $self->{type}{$name};
    $self->_bad("$name has no help") unless $self->{help}{$name};
    $self->_bad("$name is not in one group")
        if ($self->{order}[-1] // '') ne $name
            && grep { $_ eq $name } @{ $self->{order} };

    push @{ $self->{order} }, $name
        if ($self->{order}[-1] // '') ne $name;
    $self->{value}{$key} = $value;
}

sub _names {
    my ($self) = @_;

    for my $name (sort keys %{ $self->{type} }) {
        my $type = $self->{type}{$name};

        $self->_bad("$name: a counter's name ends in _total")
            if $type eq 'counter' && $name !~ /_total\z/;
        $self->_bad("$name: only a counter's name ends in _total")
            if $type ne 'counter' && $name =~ /_total\z/;
        $self->_bad("$name: not a base unit") if $name =~
            /_(?:ms|milliseconds|minutes|hours|kilobytes|megabytes|kb|mb|bits
              |percent)(?:_total)?\z/x;
        $self->_bad("$name: a type in the name")
            if $name =~ /_(?:counter|gauge|histogram|summary)(?:_|\z)/;
        $self->_bad("$name: upper case") if $name =~ /[A-Z]/;
        $self->_bad("$name has no values")
            unless grep { /\A\Q$name\E(?:\{|\z)/ } keys %{ $self->{value} };
        $self->_bad("$name: help does not end in a full stop")
            if ($self->{help}{$name} // '') !~ /\.\z/;
    }
}

1;
