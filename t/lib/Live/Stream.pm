package Live::Stream;

# A running stream as a test sees it: /status and the playlists of one server.
#
#   my $v = Live::Stream->new($ng, 'http', 'a');
#   $v->wait_live;                     # the first media playlist is there
#   $v->status->{publisher}{pid};
#   my $pl = $v->playlist;             # parsed media playlist, leading track
#   $pl->{msn}, @{ $pl->{segments} }, $pl->{endlist} …

use strict;
use warnings;

use JSON::PP ();

use Live::Nginx qw(wait_for);

sub new {
    my ($class, $ng, $port, $id) = @_;

    return bless { ng => $ng, port => $port, id => $id }, $class;
}

sub status {
    my ($self) = @_;
    my $res = eval { $self->{ng}->get($self->{port}, '/status') };

    return {} unless $res && $res->status == 200;

    my ($s) = grep { $_->{id} eq $self->{id} }
        @{ JSON::PP::decode_json($res->body)->{streams} };

    return $s // {};
}

sub wait_state {
    my ($self, $state, $timeout) = @_;

    return wait_for(sub { ($self->status->{state} // 'none') eq $state },
        $timeout // 15, "stream $self->{id} to be $state");
}

sub wait_live { return $_[0]->wait_state('live', $_[1]) }

sub get {
    my ($self, $path, %opt) = @_;

    return $self->{ng}->get($self->{port}, "/live/$self->{id}/$path", %opt);
}

# The media playlist of a rendition ("muxed", "v0", "a0"); the first that the
# multivariant playlist names unless said otherwise.
sub playlist {
    my ($self, $rendition, $query) = @_;

    $rendition //= $self->renditions->[0] // die "no renditions\n";
    my $res = $self->get("$rendition/index.m3u8" . ($query // ''));

    die "playlist: " . $res->status . "\n" unless $res->status == 200;

    my $pl = parse($res->body);
    $pl->{rendition} = $rendition;
    $pl->{worker} = $res->header('X-Worker');

    return $pl;
}

sub renditions {
    my ($self) = @_;
    my $res = $self->get('index.m3u8');

    return [] unless $res->status == 200;

    my %seen;
    return [ grep { !$seen{$_}++ }
        $res->body =~ m{^(\w+)/index\.m3u8}mg,
        $res->body =~ m{URI="(\w+)/index\.m3u8"}g ];
}

# What tests of a stream's life need; the full rules are in Live::Conformance.
sub parse {
    my ($text) = @_;
    my %pl = (segments => [], parts => [], text => $text,
        discontinuities => 0);
    my ($n, $seg);

    for (split /\r?\n/, $text) {
        if (/^#EXT-X-MEDIA-SEQUENCE:(\d+)/) {
            $n = $pl{msn} = $1;
        } elsif (/^#EXT-X-TARGETDURATION:(\d+)/) {
            $pl{target} = $1;
        } elsif (/^#EXT-X-PART-INF:PART-TARGET=([\d.]+)/) {
            $pl{part_target} = $1;
        } elsif (/^#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)/) {
            $n += $1;
        } elsif (/^#EXT-X-ENDLIST/) {
            $pl{endlist} = 1;
        } elsif (/^#EXT-X-GAP/) {
            $pl{gaps}++;
        } elsif ($_ eq '#EXT-X-DISCONTINUITY') {
            $pl{discontinuities}++;
        } elsif (/^#EXT-X-PRELOAD-HINT:.*URI="([^"]+)"/) {
            $pl{hint} = $1;
        } elsif (/^#EXT-X-PART:.*URI="((\d+)\.(\d+)\.m4s)"/) {
            my %part = (uri => $1, msn => $2, part => $3);
            ($part{duration}) = /DURATION=([\d.]+)/;
            push @{ $pl{parts} }, \%part;
        } elsif (/^#EXTINF:([\d.]+)/) {
            $seg = { duration => $1 };
        } elsif (/^#EXT-X-MAP:URI="([^"]+)"/) {
            $pl{map} = $1;
        } elsif (/^#EXT-X-PROGRAM-DATE-TIME:(\S+)/) {
            $pl{date} //= $1;
        } elsif (length && !/^#/) {
            push @{ $pl{segments} }, { %$seg, uri => $_, msn => $n++ };
        }
    }

    $pl{last_msn} = $n - 1 if defined $n;
    $pl{next_msn} = $n;

    return \%pl;
}

1;
