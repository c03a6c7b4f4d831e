package Live::Conformance::Playlist;

# Rules that one playlist must obey by itself.

use strict;
use warnings;

use Live::Conformance;
use List::Util qw(sum0 max);

sub rule { Live::Conformance::rule(@_) }

sub per_list {
    my ($id, $section, $text, $sub) = @_;

    rule($id, $section, $text, sub { $_[0]->each_list($sub) });
}

sub tags {
    my ($pl, $name) = @_;

    return grep { $_->[0] eq $name } @{ $pl->{tags} };
}

sub all_segments {
    my ($pl) = @_;

    return (@{ $pl->{segments} }, $pl->{open} // ());
}

per_list('P01', '4.1, 4.2', 'lines, tags and attribute lists are well-formed',
    sub { @{ $_[1]{syntax} } });

per_list('P02', '4.4.1.2', 'EXT-X-VERSION is there and high enough', sub {
    my ($snap, $pl) = @_;
    my $need = $pl->{skip} ? 9 : tags($pl, 'EXT-X-MAP') ? 6 : 3;

    return ($pl->{version} // 0) >= $need ? ()
        : 'version ' . ($pl->{version} // 'none') . ", needs $need";
});

per_list('P03', '4.4.3.1', 'EXT-X-TARGETDURATION is a decimal integer',
    sub { ($_[1]{target} // '') =~ /\A[1-9]\d*\z/ ? () : 'no target' });

per_list('P04', '4.4.3.1',
    'no EXTINF, rounded, is longer than the target duration', sub {
    my ($snap, $pl) = @_;

    return map { "$_->{uri} lasts $_->{duration}" }
        grep { int($_->{duration} + 0.5) > $pl->{target} }
        @{ $pl->{segments} };
});

per_list('P05', '4.4.3.2, 4.4.3.3',
    'sequence numbers come before the first segment', sub {
    my ($snap, $pl) = @_;

    return ((map { "$_ behind a segment" } @{ $pl->{early} }),
        $pl->{has_msn} ? () : 'no EXT-X-MEDIA-SEQUENCE');
});

per_list('P06', '4.4.3.2', 'sequence numbers are above 0 (hls.js)',
    sub { $_[1]{msn} > 0 ? () : 'EXT-X-MEDIA-SEQUENCE:0' });

per_list('P07', '4.4.3.7', 'EXT-X-PART-INF is there where parts are', sub {
    my ($snap, $pl) = @_;

    return tags($pl, 'EXT-X-PART') && !($pl->{part_target} // 0)
        ? 'no PART-TARGET' : ();
});

per_list('P08', '4.4.4.9', 'no part is longer than the part target', sub {
    my ($snap, $pl) = @_;

    return map { "$_->{URI} lasts $_->{DURATION}" }
        grep { $_->{DURATION} > $pl->{part_target} }
        map { @{ $_->{parts} } } all_segments($pl);
});

per_list('P09', '4.4.4.9',
    'no part but the last of its segment is under 85 % of the target', sub {
    my ($snap, $pl) = @_;
    my @parts;

    for my $s (all_segments($pl)) {
        my @of = @{ $s->{parts} };
        pop @of if defined $s->{uri};
        # of an open segment the newest one may be the last
        pop @of unless defined $s->{uri};
        push @parts, @of;
    }

    return map { "$_->{URI} lasts $_->{DURATION}" }
        grep { $_->{DURATION} < 0.85 * $pl->{part_target} } @parts;
});

per_list('P10', '4.4.3.8, B.1', 'CAN-BLOCK-RELOAD=YES', sub {
    ($_[1]{control}{'CAN-BLOCK-RELOAD'} // '') eq 'YES' ? () : 'missing';
});

per_list('P11', '4.4.3.8', 'PART-HOLD-BACK is three part targets', sub {
    my ($snap, $pl) = @_;
    my $got = $pl->{control}{'PART-HOLD-BACK'} // 0;

    return $got >= 3 * $pl->{part_target} - 1e-6 ? () : "PART-HOLD-BACK $got";
});

per_list('P12', '4.4.3.8', 'HOLD-BACK is at least three target durations',
    sub {
    my ($snap, $pl) = @_;
    my $got = $pl->{control}{'HOLD-BACK'};

    return !defined $got || $got >= 3 * $pl->{target} ? () : "HOLD-BACK $got";
});

per_list('P13', '4.4.3.8', 'CAN-SKIP-UNTIL is at least six target durations',
    sub {
    my ($snap, $pl) = @_;
    my $got = $pl->{control}{'CAN-SKIP-UNTIL'} // 0;

    return $got >= 6 * $pl->{target} ? () : "CAN-SKIP-UNTIL $got";
});

per_list('P14', '4.4.4.5, 3.1.2',
    'EXT-X-MAP stands before the first segment', sub {
    my ($snap, $pl) = @_;

    return () if $pl->{skip};
    return map { 'no map for ' . $_->{msn} } grep { !$_->{map} }
        all_segments($pl);
});

per_list('P15', '4.4.4.6, B.1', 'the first segment has a date', sub {
    my ($first) = all_segments($_[1]);

    return !$first || defined $first->{date} ? () : 'no date';
});

per_list('P16', '4.4.4.6', 'dates agree with durations', sub {
    my ($snap, $pl) = @_;
    my @segments = all_segments($pl);
    my @wrong;

    for my $i (1 .. $#segments) {
        my ($s, $t) = @segments[$i - 1, $i];
        next if $t->{discontinuity};
        next unless defined $s->{date} && defined $t->{date};
        my $off = $t->{date} - $s->{date} - $s->{duration};
        push @wrong, sprintf '%s: %.3f s off', $t->{msn}, $off
            if abs $off > 0.02;
    }

    return @wrong;
});

per_list('P17', '4.4.4.9', "a segment's parts add up to its duration", sub {
    my ($snap, $pl) = @_;

    return map { "$_->{uri}" } grep {
        my $sum = sum0 map { $_->{DURATION} } @{ $_->{parts} };
        @{ $_->{parts} } && abs($sum - $_->{duration}) > 0.001
    } @{ $pl->{segments} };
});

per_list('P18', '6.2.2', 'parts are listed near the end only', sub {
    my ($snap, $pl) = @_;
    my $limit = 3 * $pl->{target};

    return map { "$_->{uri}" } grep {
        @{ $_->{parts} }
            && $pl->{length} - $_->{at} - $_->{duration} > $limit + 0.001
    } @{ $pl->{segments} };
});

# A segment may list no parts at all (the first one, and those whose frames do
# not fit the rules), but then never.
rule('P19', '6.2.2', 'and there none is missing', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        my @segments = $c->segments($name);
        my %lists = map { $_->{msn} => 1 } grep { @{ $_->{parts} } } @segments;

        push @wrong, "$name: half of the segments list none"
            if 2 * keys %lists <= @segments;

        for my $snap ($c->lists($name)) {
            my $pl = $snap->{pl};

            push @wrong, map { "$name: $_->{uri} lists none" } grep {
                $lists{ $_->{msn} } && !@{ $_->{parts} }
                    && $pl->{length} - $_->{at} - $_->{duration}
                        < 3 * $pl->{target} - 0.001
            } @{ $pl->{segments} };
        }
    }

    return @wrong;
});

per_list('P20', '4.4.4.9', 'parts are named in order, from 0', sub {
    my ($snap, $pl) = @_;
    my @wrong;

    for my $s (all_segments($pl)) {
        my $k = 0;
        for (@{ $s->{parts} }) {
            push @wrong, "$_->{URI} in $s->{msn} as number $k"
                if $_->{URI} ne "$s->{msn}.$k.m4s";
            $k++;
        }
    }

    return @wrong;
});

per_list('P21', '4.4.4.1', 'segments are named by their sequence numbers',
    sub {
    return map { "$_->{uri} is number $_->{msn}" }
        grep { $_->{uri} ne "$_->{msn}.m4s" } @{ $_[1]{segments} };
});

per_list('P22', '4.4.5.3', 'one hint, for the part that comes next', sub {
    my ($snap, $pl) = @_;
    my @hints = @{ $pl->{hints} };

    return $pl->{endlist} && @hints ? 'hint behind the end' : ()
        if $pl->{endlist} || !@hints;
    return scalar(@hints) . ' hints' if @hints > 1;
    return 'not of a part' if ($hints[0]{TYPE} // '') ne 'PART';

    my $want = $pl->{open}
        ? "$pl->{open}{msn}." . @{ $pl->{open}{parts} } . '.m4s'
        : "$pl->{next_msn}.0.m4s";

    return $hints[0]{URI} eq $want ? () : "$hints[0]{URI}, not $want";
});

rule('P23', '4.4.5.3, B.1', 'a live playlist hints, but not at the part behind '
    . 'a discontinuity', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        my %after = map { ($_->{msn} - 1) => 1 }
            grep { $_->{discontinuity} }
            map { all_segments($_->{pl}) } $c->lists($name);

        for my $snap ($c->lists($name)) {
            my $pl = $snap->{pl};
            next if $pl->{endlist};
            my $hint = @{ $pl->{hints} };
            my $before = !$pl->{open} && $after{ $pl->{next_msn} - 1 };
            push @wrong, "$name: hint across a discontinuity"
                if $hint && $before;
            push @wrong, "$name: no hint" if !$hint && !$before;
        }
    }

    return @wrong;
});

per_list('P24', 'design 4', 'there is no EXT-X-GAP',
    sub { $_[1]{gaps} ? 'gap' : () });

per_list('P25', '4.4.3.4', 'behind the end there are no open parts', sub {
    my ($snap, $pl) = @_;

    return $pl->{endlist} && $pl->{open} ? 'open parts' : ();
});

per_list('P26', 'design 2.5', 'URIs are relative and carry nothing', sub {
    my ($snap, $pl) = @_;
    my @uris = ((map { $_->[1] } tags($pl, 'URI')),
        $snap->{text} =~ /URI="([^"]*)"/g);

    return grep { m{\A/|//|[?#~%]} } @uris;
});

per_list('P27', '4.4.2.1', 'EXT-X-INDEPENDENT-SEGMENTS is true', sub {
    my ($snap, $pl) = @_;

    return () unless $pl->{independent};
    return map { "$_->{msn}" } grep { @{ $_->{parts} }
        && ($_->{parts}[0]{INDEPENDENT} // '') ne 'YES' } all_segments($pl);
});

per_list('P28', '4.4.5.2', 'a delta update skips only what is old enough', sub {
    my ($snap, $pl) = @_;

    return () unless $pl->{skip};
    # what follows the skipped segments reaches CAN-SKIP-UNTIL back
    return $pl->{length} >= $pl->{control}{'CAN-SKIP-UNTIL'} - 0.001 ? ()
        : "only $pl->{length} s are left";
});

per_list('P29', '4.4.5.2, 6.2.5.1', 'a full playlist has no EXT-X-SKIP', sub {
    my ($snap, $pl) = @_;

    return $pl->{skip} && $snap->{query} !~ /_HLS_skip/ ? 'EXT-X-SKIP' : ();
});

per_list('P30', '4.4.4.3', 'a discontinuity comes with a date and, where the '
    . 'init section changes, with a map', sub {
    my ($snap, $pl) = @_;
    my @segments = all_segments($pl);
    my @wrong;

    for my $i (1 .. $#segments) {
        my ($s, $t) = @segments[$i - 1, $i];
        push @wrong, "$t->{msn}: no date"
            if $t->{discontinuity} && !defined $t->{date};
        push @wrong, "$t->{msn}: another map without a discontinuity"
            if !$t->{discontinuity} && $s->{map} && $t->{map}
                && $s->{map} ne $t->{map};
    }

    return @wrong;
});

# --- the multivariant playlist

sub per_multi {
    my ($id, $section, $text, $sub) = @_;

    rule($id, $section, $text, sub {
        my ($c) = @_;

        return map { $sub->($c, $_->{m}) } @{ $c->{multi} };
    });
}

per_multi('M01', '4.1, 4.2', 'the multivariant playlist is well-formed',
    sub { @{ $_[1]{syntax} } });

per_multi('M02', '4.4.6.2', 'it has variants, with what players need', sub {
    my ($c, $m) = @_;
    my @wrong = @{ $m->{variants} } ? () : 'no variant';

    for my $v (@{ $m->{variants} }) {
        my @need = qw(BANDWIDTH AVERAGE-BANDWIDTH CODECS);
        push @need, qw(RESOLUTION FRAME-RATE)
            if ($v->{CODECS} // '') =~ /avc|hvc|av01/;
        push @wrong, map { "$v->{URI}: no $_" } grep { !$v->{$_} } @need;
        push @wrong, "$v->{URI}: BANDWIDTH"
            if ($v->{BANDWIDTH} // 0) !~ /\A\d{3,}\z/;
        push @wrong, "$v->{URI}: AVERAGE-BANDWIDTH above BANDWIDTH"
            if ($v->{'AVERAGE-BANDWIDTH'} // 0) > ($v->{BANDWIDTH} // 0);
    }

    return @wrong;
});

per_multi('M03', '4.4.6.1, 4.4.6.2', 'groups exist, are named once, and have '
    . 'one default at most', sub {
    my ($c, $m) = @_;
    my (%group, %name, %default, @wrong);

    for my $a (@{ $m->{media} }) {
        my $id = ($a->{TYPE} // '') . ' ' . ($a->{'GROUP-ID'} // '');
        push @wrong, "$id: no TYPE, GROUP-ID or NAME"
            unless $a->{TYPE} && $a->{'GROUP-ID'} && $a->{NAME};
        $group{ $a->{'GROUP-ID'} // '' } = 1;
        push @wrong, "$id: two of one name" if $name{"$id/" . ($a->{NAME} // '')}++;
        push @wrong, "$id: two defaults"
            if ($a->{DEFAULT} // '') eq 'YES' && $default{$id}++;
    }

    push @wrong, map { "no group $_->{AUDIO}" }
        grep { $_->{AUDIO} && !$group{ $_->{AUDIO} } } @{ $m->{variants} };

    return @wrong;
});

per_multi('M04', '6.2.4, design 2.5', 'its URIs are relative, and each has a '
    . 'playlist', sub {
    my ($c, $m) = @_;
    my @wrong;

    for my $uri (grep { defined } map { $_->{URI} } @{ $m->{variants} },
        @{ $m->{media} })
    {
        my ($name) = $uri =~ m{\A([a-z0-9]+)/index\.m3u8\z};
        push @wrong, $uri unless defined $name && $c->{lists}{$name};
    }

    return @wrong;
});

1;
