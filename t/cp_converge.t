#!/usr/bin/perl

# Whatever is lost, late, repeated, or dies: two heartbeats later the database
# says what the nodes have. Steps are taken at random, by default the same ones:
# LIVE_SEED=NUMBER takes others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::FakeNode;

my $STEPS = 120;
my $ROUNDS = 6;

my $seed = $ENV{LIVE_SEED} // 1;
srand $seed;
note "LIVE_SEED=$seed";

my $cp = Live::Control->new->start;
my $two = Live::Control->new(postgres => $cp->postgres)->start;
my $ada = $cp->register('ada');
my (@nodes, %key, %late, @steps);

for my $n (1 .. 3) {
    push @nodes, Live::FakeNode->new(key => $cp->node_key, id => "n$n", url => ($n == 1 ? $two : $cp)->url);
}

for (1 .. 4) {
    my $json = $cp->request(POST => '/streams', token => $ada->{token}, json => { id => "s$_", title => 'x' })->json;
    $key{ $json->{id} } = $json->{key}{key};
}

my @ids = sort keys %key;

sub pick { return $_[rand @_] }

# Time goes by, as between two heartbeats; so many seconds for those who wait
# for media, who have 10.
sub tick {
    $cp->sql("UPDATE live_streams SET last_seen_at = last_seen_at - interval '2s';"
        . "UPDATE broadcasts SET ended_at = ended_at - interval '2s', opened_at = opened_at - interval '2s', last_seen_at = last_seen_at - interval '$_[0]s' WHERE opened_at > now() - interval '1 hour'");
}

my %step = (
    publish => sub {
        my ($node, $id) = @_;
        my $res = $node->publish($key{$id});
        return "$res->{status}" if $res->{status} != 200;
        my $have = $node->{streams}{$id};
        $node->go_live($res->{json}, $have ? (epoch => $have->{epoch}, tracks => $have->{tracks})
            : rand() < .2 ? (tracks => []) : ());
        return 'accepted';
    },
    # the control plane was away, the node remembered
    remember => sub {
        my ($node, $id) = @_;
        return if $node->{streams}{$id};
        $node->go_live({ stream => $id, broadcast => pick(undef, 1 .. 3) });
        return 'remembered';
    },
    lose => sub {
        my ($node, $id) = @_;
        $node->lose_publisher($id) if $node->{streams}{$id} && $node->{streams}{$id}{state} eq 'live';
        return;
    },
    end => sub {
        my ($node, $id) = @_;
        $node->end_stream($id, 'encoder stopped') if $node->{streams}{$id};
        return;
    },
    # its end is told by nothing
    vanish => sub { my ($node, $id) = @_; delete $node->{streams}{$id}; return },
    crash => sub {
        my ($node) = @_;
        return if rand() < .5;
        $node->{streams} = {};
        $node->{events} = [];
        $node->{next_event} = 1;
        $node->{epoch} += 1000;
        $late{ $node->{id} } = [];
        return 'crashed';
    },
    beat => sub {
        my ($node) = @_;
        push @{ $late{ $node->{id} } }, $node->report;
        shift @{ $late{ $node->{id} } } if @{ $late{ $node->{id} } } > 5;
        my $res = $node->beat(lose => pick('', '', '', 'request', 'answer'));
        return $res ? $res->{status} : 'lost';
    },
    late => sub {
        my ($node) = @_;
        my $report = pick(@{ $late{ $node->{id} } // [] }) or return;
        return $node->post($report)->{status};
    },
    deaf => sub { $_[0]{deaf} = rand() < .5; return },
    stop => sub { $cp->request(POST => "/streams/$_[1]/stop", token => $ada->{token}, json => {})->status },
    start => sub { $two->request(POST => "/streams/$_[1]/start", token => $ada->{token})->status },
    tick => sub { tick(2); return },
);

my @names = (('beat') x 6, ('publish') x 4, ('late') x 2, ('tick') x 2, sort keys %step);

# Streams as nodes have them: id => [nodes]
sub truth {
    my %have;

    for my $node (@nodes) {
        for my $stream (values %{ $node->{streams} }) {
            push @{ $have{ $stream->{id} } }, $node->{id} if @{ $stream->{tracks} };
        }
    }

    return \%have;
}

for my $round (1 .. $ROUNDS) {
    @steps = ();
    my @bad;

    for (1 .. $STEPS) {
        my ($name, $node, $id) = (pick(@names), pick(@nodes), pick(@ids));
        my $got = $step{$name}->($node, $id) // '';
        push @steps, "$name $node->{id} $id $got";
        push @bad, $steps[-1] if $got =~ /^(?:500|422|400)$/;
    }

    is("@bad", '', "round $round: everything was answered");

    $_->{deaf} = 0 for @nodes;

    # two heartbeats of each, in turn; what was ordered in the second one is
    # done with it
    for (1 .. 2) {
        tick(6);
        $_->beat for @nodes;
    }

    my $have = truth();
    my %live = map { split /\|/ } split /\n/, $cp->sql("SELECT stream_id, node_id FROM live_streams");
    my $wrong = 0;

    for my $id (@ids) {
        my $nodes = join ' ', @{ $have->{$id} // [] };
        next if $nodes eq ($live{$id} // '');
        $wrong++;
        diag "$id: nodes have \"$nodes\", the database \"" . ($live{$id} // '') . '"';
    }

    is($wrong, 0, "round $round: the database says what the nodes have") or diag "seed $seed:\n", join "\n", @steps;
    is($cp->sql("SELECT count(*) FROM streams s LEFT JOIN live_streams l ON l.stream_id = s.id WHERE (s.status = 'live') <> (l.stream_id IS NOT NULL)"),
        0, "round $round: a stream is live when it is in live_streams");
    is($cp->sql("SELECT count(*) FROM live_streams l JOIN broadcasts b ON b.id = l.broadcast_id WHERE b.ended_at IS NOT NULL OR b.started_at IS NULL"),
        0, "round $round: and its broadcast is open");
}

is($cp->sql("SELECT count(*) FROM broadcasts WHERE ended_at < started_at - interval '1 hour'"), 0, 'broadcasts end after they began');

$two->finish;
$cp->finish;
done_testing;
