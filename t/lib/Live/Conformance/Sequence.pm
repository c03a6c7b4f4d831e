package Live::Conformance::Sequence;

# Rules about how playlists change, and how renditions go together.

use strict;
use warnings;

use Live::Conformance;
use Live::M3U8;

sub rule { Live::Conformance::rule(@_) }

sub all_segments {
    my ($pl) = @_;

    return (@{ $pl->{segments} }, $pl->{open} // ());
}

sub position { Live::Conformance::Context::position(@_) }

# What must be the same whenever something is listed: sub gives (key, value)
# pairs of a playlist; undefined values say nothing.
sub constant {
    my ($id, $section, $text, $sub) = @_;

    rule($id, $section, $text, sub {
        my ($c) = @_;
        my @wrong;

        for my $name ($c->names) {
            my %seen;

            for my $snap ($c->lists($name)) {
                my @pairs = $sub->($snap->{pl});

                while (my ($key, $value) = splice @pairs, 0, 2) {
                    next unless defined $value;
                    $seen{$key} //= $value;
                    push @wrong, "$name $key: was $seen{$key}, is $value"
                        if $seen{$key} ne $value;
                }
            }
        }

        return @wrong;
    });
}

constant('S01', '6.2.2', 'a segment never changes', sub {
    my ($pl) = @_;

    return map {
        my $s = $_;
        map { ("$s->{msn} $_" => $s->{$_}) } qw(uri duration date)
    } @{ $pl->{segments} };
});

constant('S02', '6.2.2', 'a part never changes', sub {
    my ($pl) = @_;

    return map { my $p = $_;
        map { ("$p->{URI} $_" => $p->{$_} // '') } qw(DURATION INDEPENDENT) }
        map { @{ $_->{parts} } } all_segments($pl);
});

constant('S03', '6.2.2, 4.4.4.3',
    "a segment's discontinuity sequence and map never change", sub {
    my ($pl) = @_;

    return map { ("$_->{msn} discontinuity sequence" => $_->{dseq},
        "$_->{msn} map" => $_->{map}) } all_segments($pl);
});

constant('S04', '4.4.3.1, 4.4.3.7, 4.4.3.8, 6.2.2',
    'targets and hold-backs never change', sub {
    my ($pl) = @_;

    return (TARGETDURATION => $pl->{target},
        'PART-TARGET' => $pl->{part_target},
        map { ($_ => $pl->{control}{$_} // 'none') }
            qw(PART-HOLD-BACK HOLD-BACK CAN-SKIP-UNTIL CAN-BLOCK-RELOAD));
});

rule('S05', '4.4.3.1, 4.4.3.7, 4.4.3.8',
    'targets are the same for all renditions', sub {
    my ($c) = @_;
    my %seen;

    for my $name ($c->names) {
        my $pl = ($c->lists($name))[-1]{pl};
        $seen{ join ' ', map { $_ // 'none' } $pl->{target},
            $pl->{part_target}, $pl->{control}{'PART-HOLD-BACK'} }++;
    }

    return keys %seen > 1 ? join '; ', sort keys %seen : ();
});

rule('S06', '6.2.2', 'the sequence number never goes down', sub {
    $_[0]->each_pair(sub {
        my ($a, $b) = @_;

        return $b->{msn} < $a->{msn} ? "$a->{msn}, then $b->{msn}" : ();
    });
});

rule('S07', '6.2.2', 'the end never goes back', sub {
    $_[0]->each_pair(sub {
        my ($a, $b) = @_;

        return position($b) < position($a)
            ? position($a) . ', then ' . position($b) : ();
    });
});

rule('S08', '6.2.2', 'nothing is left out between two playlists', sub {
    $_[0]->each_pair(sub {
        my ($a, $b) = @_;

        return $b->{msn} + $b->{skip} > $a->{next_msn}
            ? "$a->{next_msn}, then $b->{msn} and $b->{skip} skipped" : ();
    });
});

rule('S09', '4.4.5.3', 'what was hinted comes, if the stream goes on', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        my @snaps = map { $_->{pl} } $c->lists($name);
        my %listed = map { $_->{URI} => 1 }
            map { @{ $_->{parts} } } map { all_segments($_) } @snaps;

        for my $i (0 .. $#snaps - 1) {
            my $hint = $snaps[$i]{hint} // next;
            my ($later) = grep { position($_) > position($snaps[$i]) }
                @snaps[$i + 1 .. $#snaps];
            # it may have come and gone between two looks at a slow pace
            next unless $later && !$later->{endlist};
            my ($msn) = $hint =~ /\A(\d+)/;
            my ($s) = grep { $_->{msn} == $msn } all_segments($later);
            next if $s && defined $s->{uri} && !@{ $s->{parts} };
            push @wrong, "$name: $hint" unless $listed{$hint};
        }
    }

    return @wrong;
});

rule('S10', '4.4.3.4', 'nothing changes after the end', sub {
    $_[0]->each_pair(sub {
        my ($a, $b) = @_;

        return () unless $a->{endlist};
        return 'goes on' unless $b->{endlist}
            && position($a) == position($b);
        return ();
    });
});

rule('S11', '6.2.5.2', 'a blocking reload has what was asked for', sub {
    $_[0]->each_list(sub {
        my ($snap, $pl) = @_;
        my ($msn) = $snap->{query} =~ /_HLS_msn=(\d+)/ or return ();
        my ($part) = $snap->{query} =~ /_HLS_part=(\d+)/;

        return () if $pl->{endlist} || $pl->{next_msn} > $msn;
        return () if defined $part && $pl->{open}
            && $pl->{open}{msn} == $msn && @{ $pl->{open}{parts} } > $part;
        return 'the edge is ' . position($pl);
    });
});

rule('S12', '6.2.2', 'the playlist does not shrink below three target '
    . 'durations', sub {
    $_[0]->each_pair(sub {
        my ($a, $b) = @_;

        return () if $b->{msn} == $a->{msn} || $b->{skip};
        return $b->{length} < 3 * $b->{target} ? "$b->{length} s" : ();
    });
});

# A delta update and a full playlist of the same state.
sub same_state {
    my ($c, $name) = @_;
    my %full;
    my @pairs;

    for my $snap ($c->lists($name)) {
        my $pl = $snap->{pl};
        my $key = "$pl->{msn} " . position($pl);
        $full{$key} = $pl if $snap->{query} !~ /_HLS_skip/;
    }

    for my $snap ($c->lists($name)) {
        my $pl = $snap->{pl};
        my $full = $full{ "$pl->{msn} " . position($pl) };
        push @pairs, [ $pl, $full ] if $pl->{skip} && $full;
    }

    return @pairs;
}

rule('S13', '6.2.5.1', 'a delta update is the full playlist without what it '
    . 'skips', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        for (same_state($c, $name)) {
            my ($delta, $full) = @$_;
            my @a = grep { !/EXT-X-(?:VERSION|SKIP|RENDITION-REPORT)/ }
                split /\n/, $delta->{text};
            my @b = grep { !/EXT-X-(?:VERSION|RENDITION-REPORT)/ }
                split /\n/, $full->{text};
            my @head = splice @b, 0, 1;

            # the same header; then what is left must be the full one's end
            my %have = map { $_ => 1 } @b;
            my @strange = grep { !$have{$_} } @a[1 .. $#a];
            push @wrong, map { "$name: $_" } @strange[0 .. 0] if @strange;

            my ($first) = all_segments($delta) or next;
            my ($same) = grep { $_->{msn} == $first->{msn} }
                all_segments($full);
            push @wrong, "$name: wrong number of segments"
                if @{ $delta->{segments} } + $delta->{skip}
                    != @{ $full->{segments} } || !$same
                    || ($same->{uri} // '') ne ($first->{uri} // '');
        }
    }

    return @wrong;
});

rule('S14', '6.2.5.1', 'all that is old enough is skipped', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        for (same_state($c, $name)) {
            my ($delta, $full) = @$_;
            my $old = grep { $full->{length} - $_->{at} - $_->{duration}
                >= $full->{control}{'CAN-SKIP-UNTIL'} }
                @{ $full->{segments} };
            push @wrong, "$name: $delta->{skip} of $old"
                if $delta->{skip} < $old;
        }
    }

    return @wrong;
});

# --- renditions

rule('X01', '6.2.4', 'the same number means the same time in all renditions',
    sub {
    my ($c) = @_;
    my (%date, @wrong);

    for my $name ($c->names) {
        for my $s ($c->segments($name)) {
            next unless defined $s->{date};
            $date{ $s->{msn} } //= [ $name, $s->{date} ];
            my ($other, $date) = @{ $date{ $s->{msn} } };
            push @wrong, sprintf '%s: %s and %s are %.3f s apart', $s->{msn},
                $name, $other, $s->{date} - $date
                if abs($s->{date} - $date) > 0.1;
        }
    }

    return @wrong;
});

rule('X02', '6.2.4, 4.4.3.3',
    'discontinuity sequences are the same in all renditions', sub {
    my ($c) = @_;
    my (%dseq, @wrong);

    for my $name ($c->names) {
        for my $s ($c->segments($name)) {
            $dseq{ $s->{msn} } //= $s->{dseq};
            push @wrong, "$name $s->{msn}: $s->{dseq}, not $dseq{$s->{msn}}"
                if $dseq{ $s->{msn} } != $s->{dseq};
        }
    }

    return @wrong;
});

rule('X03', '4.4.5.4, B.1',
    'there is a report of every other rendition, and of no other', sub {
    my ($c) = @_;
    my %offered = map { $_ => 1 }
        Live::M3U8::renditions($c->multivariant);

    return $c->each_list(sub {
        my ($snap, $pl) = @_;

        return () if $pl->{endlist} || !$offered{ $snap->{name} };

        my @got = sort map { $_->{URI} // '' } @{ $pl->{reports} };
        my @want = sort map { "../$_/index.m3u8" }
            grep { $_ ne $snap->{name} } keys %offered;

        return "@got" eq "@want" ? () : "reports (@got), not (@want)";
    });
});

rule('X04', '4.4.5.4', 'reports tell the truth', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        for my $snap ($c->lists($name)) {
            for my $report (@{ $snap->{pl}{reports} }) {
                my ($other) = ($report->{URI} // '')
                    =~ m{\A\.\./(\w+)/} or next;
                next unless $c->{lists}{$other};
                my $what = untrue($c, $snap, $other, $report);
                push @wrong, "$name on $other: $what" if $what;
            }
        }
    }

    return @wrong;
});

# A report must not be behind what was seen before the playlist was asked for,
# nor ahead of what was seen after it had come.
sub untrue {
    my ($c, $snap, $other, $report) = @_;
    my ($before, $after);

    for my $o ($c->lists($other)) {
        $before = $o if $o->{end} <= $snap->{start};
        $after //= $o if $o->{start} >= $snap->{end};
    }

    my $msn = $report->{'LAST-MSN'} // return 'no LAST-MSN';
    my $part = $report->{'LAST-PART'};
    my $has = sub {
        my ($pl) = @_;
        return 1 if $pl->{next_msn} > $msn;
        return $pl->{open} && $pl->{open}{msn} == $msn
            && defined $part && @{ $pl->{open}{parts} } > $part;
    };

    return "$msn." . ($part // '-') . ' is not there yet'
        if $after && !$has->($after->{pl});

    if ($before) {
        my $pl = $before->{pl};
        my ($last, $k) = $pl->{open}
            ? ($pl->{open}{msn}, $#{ $pl->{open}{parts} })
            : ($pl->{next_msn} - 1, -1);

        return "$msn." . ($part // '-') . " is old: it was at $last.$k"
            if $msn < $last || $msn == $last && ($part // 0) < $k;
    }

    return;
}

# --- how it is delivered

rule('H01', '4, 6.2.1', 'playlists have their type', sub {
    my ($c) = @_;
    my @all = (@{ $c->{multi} }, map { $c->lists($_) } $c->names);

    return map { $_->{type} // 'none' }
        grep { ($_->{type} // '') ne 'application/vnd.apple.mpegurl' } @all;
});

rule('H05', '6.2.5.2', 'every reload of a stream that goes on is answered',
    sub { $_[0]->refused });

rule('H02', 'design 6', 'a bare playlist is kept for a second at most', sub {
    my ($c) = @_;
    my @bare = (@{ $c->{multi} }, grep { $_->{query} !~ /_HLS_msn/ }
        map { $c->lists($_) } $c->names);

    return map { $_->{cache} // 'none' } grep {
        ($_->{cache} // '') !~ /\A(?:max-age=[01]|no-cache)\z/ } @bare;
});

rule('H03', '6.2.5.2, design 6',
    'a directive is kept for six target durations at most', sub {
    $_[0]->each_list(sub {
        my ($snap, $pl) = @_;

        return () unless $snap->{query} =~ /_HLS_msn/;
        my ($age) = ($snap->{cache} // '') =~ /\Amax-age=(\d+)\z/;
        return defined $age && $age <= 6 * $pl->{target} ? ()
            : $snap->{cache} // 'none';
    });
});

rule('H04', 'design 2.5, 6', 'playlists of one ETag are the same', sub {
    my ($c) = @_;
    my (%text, @wrong);

    for my $name ($c->names) {
        for my $snap ($c->lists($name)) {
            my $etag = $snap->{etag}
                // do { push @wrong, "$name: no ETag"; next };
            my $key = "$name $etag";
            $text{$key} //= $snap->{text};
            push @wrong, $key if $text{$key} ne $snap->{text};
        }
    }

    return @wrong;
});

1;
