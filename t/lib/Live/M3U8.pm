package Live::M3U8;

# Parses playlists for the conformance rules: strictly, keeping what is wrong
# instead of dying of it. Live::Conformance says what must hold.
#
#   my $pl = Live::M3U8::media($text);
#   $pl->{tags}        [[name, value], …] in order, as they stand
#   $pl->{syntax}      [what is wrong with the lines themselves]
#   $pl->{segments}    [{ msn, duration, uri, date, map, discontinuity, dseq,
#                         parts }], complete ones
#   $pl->{open}        the segment that has only parts yet, or undef
#   $pl->{hint}, {reports}, {skip}, {endlist}, {control}, {target} …

use strict;
use warnings;

use Time::Local qw(timegm);

my %ONCE = map { $_ => 1 } qw(
    EXT-X-VERSION EXT-X-TARGETDURATION EXT-X-MEDIA-SEQUENCE
    EXT-X-DISCONTINUITY-SEQUENCE EXT-X-ENDLIST EXT-X-PART-INF
    EXT-X-SERVER-CONTROL EXT-X-INDEPENDENT-SEGMENTS EXT-X-SKIP EXTM3U
);

my %KNOWN = (%ONCE, map { $_ => 1 } qw(
    EXTINF EXT-X-DISCONTINUITY EXT-X-MAP EXT-X-PROGRAM-DATE-TIME EXT-X-PART
    EXT-X-PRELOAD-HINT EXT-X-RENDITION-REPORT EXT-X-GAP EXT-X-DATERANGE
    EXT-X-STREAM-INF EXT-X-MEDIA
));

# Tags and URIs: [[name, value, line number]], a URI's name being 'URI'.
sub lines {
    my ($text, $syntax) = @_;
    my (@lines, %count);
    my $n = 0;

    push @$syntax, 'does not end with a line end' if $text !~ /\n\z/;
    push @$syntax, 'has a byte order mark' if $text =~ /\A\xef\xbb\xbf/;
    push @$syntax, 'has control characters' if $text =~ /[\x00-\x09\x0b-\x1f]/;
    push @$syntax, 'does not begin with #EXTM3U' if $text !~ /\A#EXTM3U\n/;

    for my $line (split /\n/, $text) {
        $n++;
        next if $line eq '';

        if ($line =~ /\A#(EXT[A-Z0-9-]*)(?::(.*))?\z/) {
            push @lines, [ $1, $2, $n ];
            push @$syntax, "unknown tag $1" unless $KNOWN{$1};
            push @$syntax, "$1 more than once"
                if $ONCE{$1} && ++$count{$1} == 2;

        } elsif ($line !~ /\A#/) {
            push @lines, [ 'URI', $line, $n ];
        }
    }

    return @lines;
}

# An attribute list (4.2); what is wrong goes to @$syntax.
sub attributes {
    my ($value, $syntax, $tag) = @_;
    my %a;
    my $rest = $value // '';

    while (length $rest) {
        unless ($rest =~ s/\A([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(?:,|\z)//) {
            push @$syntax, "$tag: bad attribute list \"$value\"";
            last;
        }

        my ($name, $v) = ($1, $2);
        push @$syntax, "$tag: $name more than once" if exists $a{$name};
        push @$syntax, "$tag: attribute list ends with a comma"
            if $rest eq '' && $value =~ /,\z/;
        $v =~ s/\A"(.*)"\z/$1/s;
        $a{$name} = $v;
    }

    return \%a;
}

# Seconds since the epoch, with fractions; undef: no such date.
sub date {
    my ($s) = @_;

    $s =~ /\A(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d(?:\.\d+)?)Z\z/
        or return undef;

    my ($seconds, $fraction) = (int $6, $6 - int $6);
    my $t = eval { timegm($seconds, $5, $4, $3, $2 - 1, $1) };

    return defined $t ? $t + $fraction : undef;
}

sub media {
    my ($text) = @_;
    my %pl = (text => $text, syntax => [], segments => [], tags => [],
        reports => [], hints => [], gaps => 0, msn => 0, dseq => 0,
        skip => 0, early => [], control => {}, target => 0, part_target => 0);
    my ($seg, $map, $started, $closed);
    my $next = sub {
        $seg //= { parts => [] };
        $started = 1;
        return $seg;
    };

    $pl{tags} = [ lines($text, $pl{syntax}) ];

    for (@{ $pl{tags} }) {
        my ($tag, $value) = @$_;

        push @{ $pl{syntax} }, "$tag behind the end" if $closed;
        push @{ $pl{early} }, $tag
            if $started && $tag =~ /\AEXT-X-(?:MEDIA|DISCONTINUITY)-SEQUENCE/;

        if ($tag eq 'EXT-X-VERSION') { $pl{version} = $value }
        elsif ($tag eq 'EXT-X-TARGETDURATION') { $pl{target} = $value }
        elsif ($tag eq 'EXT-X-MEDIA-SEQUENCE') {
            $pl{msn} = $value; $pl{has_msn} = 1;
        }
        elsif ($tag eq 'EXT-X-DISCONTINUITY-SEQUENCE') { $pl{dseq} = $value }
        elsif ($tag eq 'EXT-X-INDEPENDENT-SEGMENTS') { $pl{independent} = 1 }
        elsif ($tag eq 'EXT-X-ENDLIST') { $pl{endlist} = 1; $closed = 1 }
        elsif ($tag eq 'EXT-X-GAP') { $pl{gaps}++ }
        elsif ($tag eq 'EXT-X-DISCONTINUITY') {
            $next->()->{discontinuity} = 1;
        }
        elsif ($tag eq 'EXT-X-PROGRAM-DATE-TIME') {
            $next->()->{date} = date($value);
            push @{ $pl{syntax} }, "bad date $value"
                unless defined $seg->{date};
        }
        elsif ($tag eq 'EXTINF') {
            my ($d) = $value =~ /\A(\d+(?:\.\d+)?),/;
            push @{ $pl{syntax} }, "bad EXTINF $value" unless defined $d;
            $next->()->{duration} = $d;
        }
        elsif ($tag eq 'URI') {
            push @{ $pl{syntax} }, "URI $value without EXTINF"
                unless $seg && defined $seg->{duration};
            my $s = $next->();
            $s->{uri} = $value;
            $s->{duration} //= 0;
            $s->{map} = $map;
            push @{ $pl{segments} }, $s;
            $seg = undef;
        }
        elsif (defined $value) {
            my $a = attributes($value, $pl{syntax}, $tag);

            if ($tag eq 'EXT-X-MAP') { $map = $a->{URI}; $next->() }
            elsif ($tag eq 'EXT-X-PART-INF') {
                $pl{part_target} = $a->{'PART-TARGET'};
            }
            elsif ($tag eq 'EXT-X-SERVER-CONTROL') { $pl{control} = $a }
            elsif ($tag eq 'EXT-X-SKIP') {
                $pl{skip} = $a->{'SKIPPED-SEGMENTS'} // 0;
            }
            elsif ($tag eq 'EXT-X-PART') {
                push @{ $next->()->{parts} }, $a;
            }
            elsif ($tag eq 'EXT-X-PRELOAD-HINT') { push @{ $pl{hints} }, $a }
            elsif ($tag eq 'EXT-X-RENDITION-REPORT') {
                push @{ $pl{reports} }, $a;
            }
        }
    }

    $pl{hint} = $pl{hints}[0]{URI} if @{ $pl{hints} };
    $pl{open} = $seg if $seg && (@{ $seg->{parts} });
    $pl{dangling} = 1 if $seg && !@{ $seg->{parts} };
    $pl{open}{map} = $map if $pl{open};
    _number(\%pl);

    return \%pl;
}

# Sequence numbers, discontinuity sequence, and times from the start.
sub _number {
    my ($pl) = @_;
    my $msn = $pl->{msn} + $pl->{skip};
    my $dseq = $pl->{dseq};
    my $at = 0;

    for my $s (@{ $pl->{segments} }, $pl->{open} // ()) {
        $s->{msn} = $msn++;
        $dseq++ if $s->{discontinuity};
        $s->{dseq} = $dseq;
        $s->{at} = $at;

        if (!defined $s->{uri}) {
            $s->{duration} = 0;
            $s->{duration} += $_->{DURATION} // 0 for @{ $s->{parts} };
        }

        $at += $s->{duration} // 0;
        $s->{index} = 0;
    }

    $pl->{length} = $at;
    $pl->{next_msn} = $pl->{open} ? $msn - 1 : $msn;
}

sub multivariant {
    my ($text) = @_;
    my %m = (syntax => [], variants => [], media => [], text => $text);
    my $inf;

    for (lines($text, $m{syntax})) {
        my ($tag, $value) = @$_;

        if ($tag eq 'EXT-X-VERSION') { $m{version} = $value }
        elsif ($tag eq 'EXT-X-STREAM-INF') {
            push @{ $m{syntax} }, 'STREAM-INF without URI' if $inf;
            $inf = attributes($value, $m{syntax}, $tag);
        }
        elsif ($tag eq 'EXT-X-MEDIA') {
            push @{ $m{media} }, attributes($value, $m{syntax}, $tag);
        }
        elsif ($tag eq 'URI') {
            push @{ $m{syntax} }, "URI $value without STREAM-INF" unless $inf;
            push @{ $m{variants} }, { %{ $inf // {} }, URI => $value };
            $inf = undef;
        }
    }

    push @{ $m{syntax} }, 'STREAM-INF without URI' if $inf;

    return \%m;
}

# Names of the renditions that it offers ("v0", "a0", "muxed").
sub renditions {
    my ($m) = @_;
    my %seen;

    return grep { !$seen{$_}++ } map { m{\A(\w+)/index\.m3u8\z} ? $1 : () }
        map { $_->{URI} // () } @{ $m->{variants} }, @{ $m->{media} };
}

1;
