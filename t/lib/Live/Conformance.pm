package Live::Conformance;

# The project's own conformance test of playlists and media: a recorder, and
# rules by number, each with the place in draft-pantos-hls-rfc8216bis-22 (or
# ISO/IEC 14496-12, 23000-19, or "design") that it is from.
#
#   my $rec = Live::Conformance->new(get => sub { $ng->get('http', @_) },
#       base => '/live/a');
#   $rec->snapshot;                 # all playlists now, and all new media
#   $rec->follow(20);               # or for so many seconds, as players do
#   my @wrong = Live::Conformance::check($rec->data);
#   # each: { rule, section, text, what }
#
# What is recorded is plain data, so that t/conformance_faults.t can copy it,
# damage it, and see that each rule can fail:
#
#   multivariant  [{ text, start, end, type, cache, etag }]
#   lists         { v0 => [{ the same, query }] }
#   media         { 'v0/1.m4s' => { bytes, again, type, cache, etag } }
#
# `again` are the bytes that the same name gave later.

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Live::M3U8;
use Live::MP4;

my (@rules, $loaded);

# Registers a rule: sub gets the context (below), returns what is wrong.
sub rule {
    my ($id, $section, $text, $sub) = @_;

    push @rules, { id => $id, section => $section, text => $text,
        sub => $sub };
}

sub rules {
    unless ($loaded++) {
        require Live::Conformance::Playlist;
        require Live::Conformance::Sequence;
        require Live::Conformance::Media;
    }

    return @rules;
}

# By all rules, or by one.
sub check {
    my ($data, $only) = @_;
    my $c = Live::Conformance::Context->new($data);
    my @wrong;

    for my $rule (rules()) {
        next if defined $only && $rule->{id} ne $only;
        my @what = eval { $rule->{sub}->($c) };
        push @what, "check died: $@" if $@;
        push @wrong, map { { rule => $rule->{id}, section => $rule->{section},
            text => $rule->{text}, what => $_ } } @what;
    }

    return @wrong;
}

# --- recording

sub new {
    my ($class, %opt) = @_;

    return bless { %opt, data => { multivariant => [], lists => {},
        media => {} } }, $class;
}

sub data { return $_[0]{data} }

sub _get {
    my ($self, $path) = @_;
    my $start = time();
    my $res = $self->{get}->("$self->{base}/$path");

    return { status => $res->status, text => $res->body, start => $start,
        end => time(), type => scalar $res->header('Content-Type'),
        cache => scalar $res->header('Cache-Control'),
        etag => scalar $res->header('ETag') };
}

sub _list {
    my ($self, $name, $query) = @_;
    my $got = $self->_get("$name/index.m3u8$query");

    $got->{query} = $query;
    push @{ $self->{data}{lists}{$name} }, $got;

    return $got;
}

# Fetches what a playlist lists, the first time that it does.
sub _media {
    my ($self, $name, $text) = @_;
    my $media = $self->{data}{media};

    for my $uri ($text =~ /^([^#\s]\S*)$/mg,
        $text =~ /^#EXT-X-(?:PART|MAP):.*?URI="([^"]+)"/mg)
    {
        next if $media->{"$name/$uri"};
        my $got = $self->_get("$name/$uri");
        $media->{"$name/$uri"} = { %$got, bytes => delete $got->{text} };
        delete $media->{"$name/$uri"}{text};
    }
}

# Every playlist in full and as a delta update, and new media.
sub snapshot {
    my ($self) = @_;
    my $got = $self->_get('index.m3u8');

    push @{ $self->{data}{multivariant} }, $got;

    my $m = Live::M3U8::multivariant($got->{text});
    my @names = Live::M3U8::renditions($m);

    for my $name (@names) {
        my $full = $self->_list($name, '');
        $self->_list($name, '?_HLS_skip=YES');
        $self->_media($name, $full->{text});
    }

    return @names;
}

# What a player does next: a blocking reload for what the last playlist of the
# rendition hints at, or for the next segment's first part.
sub reload {
    my ($self, $name, $skip) = @_;
    my $pl = Live::M3U8::media($self->{data}{lists}{$name}[-1]{text});
    my ($msn, $part) = ($pl->{hint} // '') =~ /\A(\d+)\.(\d+)\./;

    ($msn, $part) = ($pl->{next_msn}, 0) unless defined $msn;

    my $query = "?_HLS_msn=$msn&_HLS_part=$part";
    my $got = $self->_list($name, $query . ($skip ? '&_HLS_skip=YES' : ''));
    $self->_media($name, $got->{text});

    return $got;
}

# The same for all renditions in turn, for so many seconds, with a snapshot of
# everything now and then.
sub follow {
    my ($self, $seconds) = @_;
    my $end = time() + $seconds;
    my @names = $self->snapshot;
    my $round = 0;

    while (time() < $end) {
        for my $name (@names) {
            my $got = $self->reload($name, $round % 2);
            return if $got->{text} =~ /#EXT-X-ENDLIST/;
        }

        $self->snapshot if ++$round % 8 == 0;
    }
}

# Asks for media again: the same name must give the same bytes.
sub again {
    my ($self) = @_;
    my $media = $self->{data}{media};

    for my $name (sort keys %$media) {
        my $got = $self->_get($name);
        $media->{$name}{again} = $got->{text} if $got->{status} == 200;
    }
}

# --- what the rules look at

package Live::Conformance::Context;

use Digest::MD5 qw(md5);

# Parsed once, however often a text is looked at.
my %parsed;

sub new {
    my ($class, $data) = @_;
    my $self = bless { data => $data, media => $data->{media} }, $class;

    $self->{multi} = [ map { { %$_, m => Live::M3U8::multivariant($_->{text}) } }
        @{ $data->{multivariant} } ];

    for my $name (keys %{ $data->{lists} }) {
        for my $snap (@{ $data->{lists}{$name} }) {
            if ($snap->{status} != 200) {
                push @{ $self->{refused} }, "$name$snap->{query}: "
                    . $snap->{status};
                next;
            }

            my $pl = $parsed{ $snap->{text} }
                //= Live::M3U8::media($snap->{text});
            push @{ $self->{lists}{$name} }, { %$snap, name => $name,
                pl => $pl };
        }
    }

    return $self;
}

sub names { return sort keys %{ $_[0]{lists} } }
sub lists { return @{ $_[0]{lists}{ $_[1] } } }
sub refused { return @{ $_[0]{refused} // [] } }

# sub gets (snapshot, playlist) of every media playlist; returns all it said,
# with the rendition's name in front.
sub each_list {
    my ($self, $sub) = @_;
    my @wrong;

    for my $name ($self->names) {
        for my $snap ($self->lists($name)) {
            push @wrong, map { "$name$snap->{query}: $_" }
                $sub->($snap, $snap->{pl});
        }
    }

    return @wrong;
}

# The same with each two that follow each other.
sub each_pair {
    my ($self, $sub) = @_;
    my @wrong;

    for my $name ($self->names) {
        my @snaps = $self->lists($name);

        for my $i (1 .. $#snaps) {
            push @wrong, map { "$name$snaps[$i]{query}: $_" }
                $sub->($snaps[$i - 1]{pl}, $snaps[$i]{pl}, $snaps[$i]);
        }
    }

    return @wrong;
}

# The last multivariant playlist.
sub multivariant { return $_[0]{multi}[-1]{m} }

# Where a playlist's edge is, as a number that grows.
sub position {
    my ($pl) = @_;
    my $s = $pl->{open};

    return ($s->{msn} + 0) * 100_000 + @{ $s->{parts} } if $s;
    return ($pl->{next_msn}) * 100_000;
}

# A parsed init section, or undef.
sub init {
    my ($self, $name, $uri) = @_;
    my $path = "$name/" . ($uri // '');

    $self->{init}{$path} //= do {
        my $got = $self->{media}{$path};
        $got ? eval { Live::MP4::init($got->{bytes}) } // {} : {};
    };

    return $self->{init}{$path}{top} ? $self->{init}{$path} : undef;
}

# The fragments of a file, or () when they cannot be read.
sub fragments {
    my ($self, $path, $init) = @_;

    $self->{fragments}{$path} //= do {
        my $got = $self->{media}{$path};
        my $trex = join ' ', map { %{ $init->{trex}{$_} }{qw(duration flags
            size)} } sort keys %{ $init->{trex} };
        $got ? _fragments($got->{bytes}, $init, $trex) : [];
    };

    return @{ $self->{fragments}{$path} };
}

sub _fragments {
    my ($bytes, $init, $trex) = @_;

    return $parsed{ md5($bytes) . $trex }
        //= [ eval { Live::MP4::fragments($bytes, $init) } ];
}

# Every complete segment that was listed: { name, msn, s } once each, in
# order, with its init section.
sub segments {
    my ($self, $name) = @_;

    $self->{segments}{$name} //= do {
        my %seen;
        for my $snap ($self->lists($name)) {
            for my $s (@{ $snap->{pl}{segments} }) {
                my $old = $seen{ $s->{msn} };
                $seen{ $s->{msn} } = { %$s, map => $s->{map} // $old->{map},
                    parts => @{ $s->{parts} } ? $s->{parts}
                        : $old->{parts} // [] };
            }
        }
        my $map;
        [ map { $_->{map} //= $map; $map = $_->{map}; $_ }
            map { $seen{$_} } sort { $a <=> $b } keys %seen ];
    };

    return @{ $self->{segments}{$name} };
}

# The track that leads a rendition: video, if it has any.
sub leading {
    my ($init) = @_;
    my @ids = @{ $init->{ids} };
    my ($video) = grep { $init->{track}{$_}{handler} eq 'vide' } @ids;

    return $video // $ids[0];
}

1;
