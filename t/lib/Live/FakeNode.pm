package Live::FakeNode;

# A node that is not there: speaks what nginx speaks with the control plane
# (/internal/publish, /internal/heartbeat, /control/), signed with the node key,
# and keeps what a node keeps, so that tests can lose, repeat and reorder
# messages.
#
#   my $node = Live::FakeNode->new(url => 'http://127.0.0.1:8090',
#       key => $text_of_the_key, id => 'n1');
#   my $answer = $node->publish($key);          # { status, json }
#   my $stream = $node->go_live($answer->{json});
#   $node->beat;                                # { status, json }; takes it in
#   $node->end_stream($stream->{id}, 'encoder stopped');
#   $node->beat(lose => 'answer');              # it was read, we do not know
#   my $old = $node->report; ... $node->post($old);      # late, or again
#
# What a beat's answer told: commands (all), keys, revocations ({ "kind value"
# => item }), revocations_version, rooms ({ stream => item }, asked
# for when they are in open_rooms), rooms_version. A kick ends the stream here too, unless
# deaf => 1.

use strict;
use warnings;

use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

use Live::Token;

my $JSON = JSON::PP->new->canonical->utf8;

sub new {
    my ($class, %opt) = @_;

    return bless {
        id          => 'node',
        epoch       => int(time() * 1000),
        started     => int(time()),
        streams     => {},
        events      => [],
        next_event  => 1,
        sessions    => {},
        done        => [],
        commands    => [],
        revocations => {},
        revocations_version => 0,
        rooms       => {},
        open_rooms  => [],
        rooms_version => 0,
        keys_version => undef,
        stream_epoch => int(time()),
        http        => HTTP::Tiny->new(timeout => 20, keep_alive => 1),
        %opt,
    }, $class;
}

sub request {
    my ($self, $target, $body) = @_;
    my $res = $self->{http}->post("$self->{url}$target", {
        headers => {
            'Content-Type' => 'application/json',
            defined $self->{key} ? (Authorization =>
                Live::Token::node_header($self->{key}, 'POST', $target)) : (),
        },
        content => ref $body ? $JSON->encode($body) : $body,
    });

    return { status => $res->{status}, headers => $res->{headers}, text => $res->{content},
        json => eval { $JSON->decode($res->{content}) } };
}

sub publish {
    my ($self, $credential, %more) = @_;

    return $self->request('/internal/publish', { node => $self->{id}, credential => $credential,
        stream => undef, protocol => 'rtmp', addr => '192.0.2.7', encoder => 'fake/1.0', %more });
}

# A stream with media, from the answer to publish(), or from a hash of its own.
sub go_live {
    my ($self, $answer, %more) = @_;
    my $id = $answer->{stream};

    $self->{streams}{$id} = {
        id => $id, epoch => ++$self->{stream_epoch}, state => 'live',
        broadcast => $answer->{broadcast}, session => "s$self->{stream_epoch}",
        protocol => 'rtmp', addr => '192.0.2.7', encoder => 'fake/1.0',
        since => int(time()), viewers => 0, bitrate => 2_500_000, fps => 30,
        gop_ms => 2000, skew_ms => 3,
        tracks => [
            { name => 'v0', type => 'video', codec => 'avc1.64001f', width => 1280, height => 720,
                fps => 30, bitrate => 2_400_000 },
            { name => 'a0', type => 'audio', codec => 'mp4a.40.2', bitrate => 128_000 },
        ],
        %more,
    };
    $self->event('publish.start', $id);

    return $self->{streams}{$id};
}

sub event {
    my ($self, $type, $id, %more) = @_;
    my $stream = $self->{streams}{$id} // {};

    push @{ $self->{events} }, { id => $self->{next_event}++, type => $type, stream => $id,
        broadcast => $stream->{broadcast}, time => int(time()), protocol => 'rtmp',
        addr => '192.0.2.7', %more };
}

# The publisher is gone, the stream is filled for a while.
sub lose_publisher {
    my ($self, $id, %more) = @_;

    $self->event('publish.stop', $id, reason => 'connection closed', bytes => 1000, frames => 30, %more);
    $self->{streams}{$id}{state} = 'filling';
}

sub end_stream {
    my ($self, $id, $reason, %more) = @_;

    $self->event('publish.stop', $id, reason => $reason, bytes => 1000, frames => 30, %more)
        if $self->{streams}{$id}{state} eq 'live';
    $self->event('stream.ended', $id, reason => $reason);
    delete $self->{streams}{$id};
}

# The body of a heartbeat as things are now.
sub report {
    my ($self) = @_;
    my @streams = map { $self->{streams}{$_} } sort keys %{ $self->{streams} };

    return $JSON->encode({
        node => {
            id => $self->{id}, epoch => $self->{epoch}, version => 'fake/1.0',
            started => $self->{started}, draining => $self->{draining} ? JSON::PP::true : JSON::PP::false,
            rtmp_url => $self->{rtmp_url}, http_url => $self->{http_url}, cpu => 0.25, workers => 4,
            store => { size => 1 << 30, used => 1 << 20 }, capacity => { publishers_max => 100 },
        },
        seen => { keys => $self->{keys_version}, revocations => $self->{revocations_version},
            rooms => $self->{rooms_version},
            rooms_new => [ grep { !$self->{rooms}{$_} } @{ $self->{open_rooms} } ],
            commands => [ @{ $self->{done} } ] },
        streams => \@streams,
        events => $self->{events},
        sessions => [ map { { jti => $_, stream => $self->{sessions}{$_} } } sort keys %{ $self->{sessions} } ],
    });
}

# Sends a report; nothing is done with the answer.
sub post { return $_[0]->request('/internal/heartbeat', $_[1] // $_[0]->report) }

# One heartbeat. lose => 'request': it never arrives; 'answer': it is not read.
sub beat {
    my ($self, %opt) = @_;
    my $lose = $opt{lose} // '';

    return if $lose eq 'request';

    my $answer = $self->post;
    return $answer if $lose eq 'answer' || $answer->{status} != 200;

    $self->take($answer->{json});

    return $answer;
}

sub take {
    my ($self, $json) = @_;

    @{ $self->{events} } = grep { $_->{id} > $json->{events} } @{ $self->{events} };

    if ($json->{keys}) {
        $self->{keys_version} = $json->{keys}{version};
        $self->{jwks} = $json->{keys}{jwks};
    }

    if (my $revocations = $json->{revocations}) {
        %{ $self->{revocations} } = () if $revocations->{full};
        $self->{revocations}{"$_->{kind} $_->{value}"} = $_ for @{ $revocations->{items} };
        $self->{revocations_version} = $revocations->{version};
    }

    if (my $rooms = $json->{rooms}) {
        $self->{rooms}{ $_->{stream} } = { %{ $self->{rooms}{ $_->{stream} } // {} }, %$_ }
            for @{ $rooms->{items} };
        $self->{rooms_version} = $rooms->{version};
    }

    @{ $self->{done} } = ();
    $self->command($_) for @{ $json->{commands} // [] };
}

sub command {
    my ($self, $command) = @_;

    push @{ $self->{commands} }, $command;
    return if $self->{deaf};

    push @{ $self->{done} }, $command->{id};

    if ($command->{type} eq 'kick') {
        $self->end_stream($command->{stream}, $command->{reason}) if $self->{streams}{ $command->{stream} };

    } elsif ($command->{type} ne 'chat') {
        $self->{draining} = $command->{type} eq 'drain';
    }
}

# Listens where the control plane posts commands; http_url is set.
sub listen {
    my ($self) = @_;

    $self->{listener} = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8, ReuseAddr => 1)
        or die "listen: $!\n";
    $self->{http_url} = 'http://127.0.0.1:' . $self->{listener}->sockport;
}

# Takes one post to /control/ within the time; returns its request line,
# headers and commands, which are carried out.
sub control {
    my ($self, $seconds) = @_;

    return unless IO::Select->new($self->{listener})->can_read($seconds);

    my $client = $self->{listener}->accept or return;
    my ($line, %header) = (scalar <$client>);

    while (defined(my $text = <$client>)) {
        $text =~ s/\r?\n$//;
        last if $text eq '';
        $header{ lc $1 } = $2 if $text =~ /^([^:]+):\s*(.*)$/;
    }

    read $client, my $body, $header{'content-length'} // 0;
    print $client "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    close $client;

    $line =~ s/\r?\n$//;
    my $json = $JSON->decode($body);
    $self->command($_) for @{ $json->{commands} };

    return { line => $line, header => \%header, commands => $json->{commands} };
}

1;
