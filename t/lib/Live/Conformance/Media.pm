package Live::Conformance::Media;

# Rules about init sections, segments and parts, and about what playlists say
# of them.

use strict;
use warnings;

use List::Util qw(max sum0);

use Live::Conformance;
use Live::M3U8;
use Live::MP4;

sub rule { Live::Conformance::rule(@_) }

# sub gets (context, name, segment, init, fragments) of each segment that was
# listed and fetched.
sub per_segment {
    my ($id, $section, $text, $sub) = @_;

    rule($id, $section, $text, sub {
        my ($c) = @_;
        my @wrong;

        for my $name ($c->names) {
            for my $s ($c->segments($name)) {
                my $path = "$name/$s->{msn}.m4s";
                next unless $c->{media}{$path};
                my $init = $c->init($name, $s->{map}) or next;
                push @wrong, map { "$path: $_" } $sub->($c, $name, $s, $init,
                    $c->fragments($path, $init));
            }
        }

        return @wrong;
    });
}

# The same for each part: (context, part's attributes, init, fragments, path).
sub per_part {
    my ($id, $section, $text, $sub) = @_;

    rule($id, $section, $text, sub {
        my ($c) = @_;
        my @wrong;

        for my $name ($c->names) {
            my %seen;
            for my $s (map { (@{ $_->{pl}{segments} }, $_->{pl}{open} // ()) }
                $c->lists($name))
            {
                for my $p (@{ $s->{parts} }) {
                    my $path = "$name/" . ($p->{URI} // next);
                    next if !$c->{media}{$path} || !$s->{map};
                    next if $seen{$path}++;
                    my $init = $c->init($name, $s->{map}) or next;
                    push @wrong, map { "$path: $_" } $sub->($c, $p, $init,
                        [ $c->fragments($path, $init) ], $path);
                }
            }
        }

        return @wrong;
    });
}

sub leading { Live::Conformance::Context::leading(@_) }

# Of a track: seconds that its fragments last.
sub seconds {
    my ($init, $id, @fragments) = @_;

    return sum0(map { $_->{duration} } grep { $_->{track} == $id } @fragments)
        / $init->{track}{$id}{timescale};
}

rule('F01', '6.2.1', 'all that is listed can be had', sub {
    my ($c) = @_;

    return map { "$_: $c->{media}{$_}{status}" }
        grep { $c->{media}{$_}{status} != 200 } sort keys %{ $c->{media} };
});

rule('F02', '3.1.2; 14496-12 8.1', 'an init section is ftyp and moov, with '
    . 'mvex', sub {
    my ($c) = @_;
    my @wrong;

    for my $path (grep { /init-/ } sort keys %{ $c->{media} }) {
        my $init = eval { Live::MP4::init($c->{media}{$path}{bytes}) };
        if (!$init) { push @wrong, "$path: $@"; next }
        push @wrong, "$path: @{ $init->{top} }"
            if "@{ $init->{top} }" ne 'ftyp moov';
        my $ids = join ' ', sort @{ $init->{ids} };
        my $trex = join ' ', sort keys %{ $init->{trex} };
        push @wrong, "$path: tracks ($ids), trex ($trex)" if $ids ne $trex;
        push @wrong, "$path: no track" if $ids eq '';
    }

    return @wrong;
});

rule('F03', '3.1.2; 23000-19 7.3', 'media are whole moof and mdat pairs', sub {
    my ($c) = @_;
    my @wrong;

    for my $name ($c->names) {
        my ($uri) = map { $_->{map} // () } $c->segments($name);
        my $init = $c->init($name, $uri) // { trex => {} };

        for my $path (grep { m{\A$name/\d} } sort keys %{ $c->{media} }) {
            my @f = eval { Live::MP4::fragments($c->{media}{$path}{bytes},
                $init) };
            push @wrong, "$path: " . ($@ || 'no fragment') unless @f;
        }
    }

    return @wrong;
});

per_segment('F04', '23000-19 7.3.2', 'samples lie in the mdat of their own '
    . 'fragment, and fill it', sub {
    my ($c, $name, $s, $init, @fragments) = @_;

    return map {
        my $from = $_->{moof}{at} + $_->{offset};
        (!$_->{base_is_moof} ? 'default-base-is-moof is missing' : (),
         $from != $_->{mdat}{from} || $_->{size} != $_->{mdat}{to} - $from
            ? "track $_->{track}: data at $from, $_->{size} bytes; mdat "
                . "$_->{mdat}{from} to $_->{mdat}{to}" : ());
    } @fragments;
});

per_segment('F05', '3.1.2', 'every track is in the init section, and every '
    . 'track of it is there', sub {
    my ($c, $name, $s, $init, @fragments) = @_;
    my %have = map { $_->{track} => 1 } @fragments;

    return ((map { "track $_ is not in the init section" }
        grep { !$init->{track}{$_} } keys %have),
        (map { "no media of track $_" } grep { !$have{$_} } @{ $init->{ids} }));
});

per_segment('F06', '4.4.4.9', 'a segment is its parts', sub {
    my ($c, $name, $s, $init) = @_;
    my $bytes = '';

    return () unless @{ $s->{parts} };

    for (@{ $s->{parts} }) {
        my $part = $c->{media}{"$name/$_->{URI}"} // return ();
        $bytes .= $part->{bytes};
    }

    return $bytes eq $c->{media}{"$name/$s->{msn}.m4s"}{bytes} ? ()
        : 'other bytes than its parts';
});

per_segment('F07', '4.4.4.1', 'EXTINF is what the media last', sub {
    my ($c, $name, $s, $init, @fragments) = @_;
    my $got = seconds($init, leading($init), @fragments);

    return abs($got - $s->{duration}) < 0.001 ? ()
        : sprintf '%.6f s, EXTINF %s', $got, $s->{duration};
});

per_part('F08', '4.4.4.9', "a part's DURATION is what its media last", sub {
    my ($c, $p, $init, $fragments) = @_;
    my $got = seconds($init, leading($init), @$fragments);

    return abs($got - $p->{DURATION}) < 0.0005 ? ()
        : sprintf '%.6f s, DURATION %s', $got, $p->{DURATION};
});

per_part('F09', '4.4.4.9', 'an independent part begins with a sync sample, '
    . 'and one that does is said to be', sub {
    my ($c, $p, $init, $fragments) = @_;
    my $id = leading($init);
    my ($first) = grep { $_->{track} == $id } @$fragments;

    return () unless $first;
    my $sync = $first->{samples}[0]{sync};
    my $said = ($p->{INDEPENDENT} // '') eq 'YES' ? 1 : 0;

    return $sync == $said ? () : "INDEPENDENT is $said, sync is $sync";
});

per_segment('F10', '3, 4.4.2.1', 'a segment begins with a sync sample, where '
    . 'the playlist says so', sub {
    my ($c, $name, $s, $init, @fragments) = @_;

    return () if grep { !$_->{pl}{independent} } $c->lists($name);
    my $id = leading($init);
    my ($first) = grep { $_->{track} == $id } @fragments;

    return !$first || $first->{samples}[0]{sync} ? () : 'no sync sample';
});

# sub gets (previous, next) fragments of a track with nothing between them, and
# the track.
sub per_step {
    my ($id, $section, $text, $sub) = @_;

    rule($id, $section, $text, sub {
        my ($c) = @_;
        my @wrong;

        for my $name ($c->names) {
            my (%last, $msn, $map);

            for my $s ($c->segments($name)) {
                my $path = "$name/$s->{msn}.m4s";
                my $init = $c->init($name, $s->{map});
                my $goes_on = defined $msn && $s->{msn} == $msn + 1
                    && !$s->{discontinuity};

                %last = () unless $goes_on;
                $msn = $s->{msn};
                next unless $init && $c->{media}{$path};

                for my $f ($c->fragments($path, $init)) {
                    my $t = $init->{track}{ $f->{track} } or next;
                    push @wrong, map { "$path: $_" }
                        $sub->($last{ $f->{track} }, $f, $t)
                        if $last{ $f->{track} };
                    $last{ $f->{track} } = $f;
                }
            }
        }

        return @wrong;
    });
}

per_step('F11', '23000-19 7.3.2.3', 'decode times go on without a hole', sub {
    my ($a, $b, $t) = @_;
    my $want = $a->{tfdt} + $a->{duration};

    return $b->{tfdt} == $want ? ()
        : "track $b->{track}: $b->{tfdt}, not $want (timescale "
            . "$t->{timescale})";
});

per_step('F12', '14496-12 8.8.5', 'sequence numbers of fragments grow', sub {
    my ($a, $b) = @_;

    return $b->{sequence} > $a->{sequence} ? ()
        : "$a->{sequence}, then $b->{sequence}";
});

per_segment('F13', '4.4.4.6', 'dates go with decode times', sub {
    my ($c, $name, $s, $init, @fragments) = @_;
    my $id = leading($init);
    my ($first) = grep { $_->{track} == $id } @fragments;

    return () unless $first && defined $s->{date};
    my $origin = $s->{date} - $first->{tfdt} / $init->{track}{$id}{timescale};
    my $old = $c->{origin}{"$name $s->{dseq}"} //= $origin;

    return abs($origin - $old) < 0.005 ? ()
        : sprintf '%.3f s off', $origin - $old;
});

per_segment('F14', 'design 6', 'tracks of a muxed segment go together', sub {
    my ($c, $name, $s, $init, @fragments) = @_;
    my %first;

    for my $f (@fragments) {
        $first{ $f->{track} }
            //= $f->{tfdt} / $init->{track}{ $f->{track} }{timescale};
    }

    my @times = sort { $a <=> $b } values %first;

    return @times && $times[-1] - $times[0] > 0.2
        ? sprintf '%.3f s apart', $times[-1] - $times[0] : ();
});

rule('F15', 'design 2.5', 'a name always means the same bytes', sub {
    my ($c) = @_;

    return grep { defined $c->{media}{$_}{again}
        && $c->{media}{$_}{again} ne $c->{media}{$_}{bytes} }
        sort keys %{ $c->{media} };
});

rule('F16', '6.2.1, design 6', 'media have a type and may be kept', sub {
    my ($c) = @_;
    my @wrong;

    for my $path (sort keys %{ $c->{media} }) {
        my $got = $c->{media}{$path};
        next unless $got->{status} == 200;
        my $type = $path =~ m{\Aa\d} ? 'audio/mp4' : 'video/mp4';
        push @wrong, "$path: " . ($got->{type} // 'no type')
            if ($got->{type} // '') ne $type;
        push @wrong, "$path: " . ($got->{cache} // 'no Cache-Control')
            if ($got->{cache} // '') !~ /\Amax-age=(\d+), immutable\z/
                || $1 < 3600;
        push @wrong, "$path: no ETag" unless $got->{etag};
    }

    return @wrong;
});

# --- what the multivariant playlist says

# Of each variant: its renditions' init sections.
sub inits {
    my ($c, $v) = @_;
    my ($name) = $v->{URI} =~ m{\A(\w+)/};
    my @names = ($name, map { ($_->{URI} // '') =~ m{\A(\w+)/} ? $1 : () }
        grep { ($_->{'GROUP-ID'} // '') eq ($v->{AUDIO} // '-') }
        @{ $c->multivariant->{media} });

    return map {
        my $n = $_;
        my ($s) = reverse $c->{lists}{$n} ? $c->segments($n) : ();
        $s ? [ $n, $c->init($n, $s->{map}) ] : ();
    } @names;
}

rule('F17', '4.4.6.2', 'CODECS is what the init sections say', sub {
    my ($c) = @_;
    my @wrong;

    for my $v (@{ $c->multivariant->{variants} }) {
        my %have;
        for my $init (map { $_->[1] // () } inits($c, $v)) {
            $have{ $_->{codecs} // '?' } = 1 for values %{ $init->{track} };
        }
        my $have = join ',', sort keys %have;
        my $said = join ',', sort split /,/, lc($v->{CODECS} // '');
        push @wrong, "$v->{URI}: $said, is $have" if $said ne $have;
    }

    return @wrong;
});

rule('F18', '4.4.6.2', 'RESOLUTION and FRAME-RATE are what the media have',
    sub {
    my ($c) = @_;
    my @wrong;

    for my $v (@{ $c->multivariant->{variants} }) {
        next unless $v->{RESOLUTION};
        my ($pair) = inits($c, $v);
        my ($name, $init) = @{ $pair // next };
        my $id = leading($init // next);
        my $t = $init->{track}{$id};
        push @wrong, "$v->{URI}: $v->{RESOLUTION}, is $t->{width}x$t->{height}"
            if $v->{RESOLUTION} ne "$t->{width}x$t->{height}";

        my ($samples, $duration) = (0, 0);
        for my $s ($c->segments($name)) {
            for my $f ($c->fragments("$name/$s->{msn}.m4s", $init)) {
                next if $f->{track} != $id;
                $samples += @{ $f->{samples} };
                $duration += $f->{duration} / $t->{timescale};
            }
        }
        next unless $duration;
        push @wrong, sprintf '%s: %s frames/s, has %.3f', $v->{URI},
            $v->{'FRAME-RATE'}, $samples / $duration
            if abs($samples / $duration - $v->{'FRAME-RATE'})
                > 0.02 * $v->{'FRAME-RATE'};
    }

    return @wrong;
});

rule('F19', '4.4.6.2', 'BANDWIDTH is not below any segment, '
    . 'AVERAGE-BANDWIDTH near them all', sub {
    my ($c) = @_;
    my @wrong;

    for my $v (@{ $c->multivariant->{variants} }) {
        my ($peak, $avg) = (0, 0);

        for (inits($c, $v)) {
            my ($bytes, $seconds, $most) = (0, 0, 0);

            for my $s ($c->segments($_->[0])) {
                my $got = $c->{media}{"$_->[0]/$s->{msn}.m4s"} // next;
                next if $s->{duration} < 0.5
                    * ($c->lists($_->[0]))[0]{pl}{target};
                my $n = length $got->{bytes};
                $bytes += $n;
                $seconds += $s->{duration};
                $most = max($most, 8 * $n / $s->{duration});
            }

            $peak += $most;
            $avg += 8 * $bytes / $seconds if $seconds;
        }

        next unless $peak;
        push @wrong, sprintf '%s: BANDWIDTH %d, seen %d', $v->{URI},
            $v->{BANDWIDTH}, $peak if $v->{BANDWIDTH} < 0.95 * $peak;
        push @wrong, sprintf '%s: BANDWIDTH %d, seen only %d', $v->{URI},
            $v->{BANDWIDTH}, $peak if $v->{BANDWIDTH} > 2 * $peak;
        my $said = $v->{'AVERAGE-BANDWIDTH'} // next;
        push @wrong, sprintf '%s: AVERAGE-BANDWIDTH %d, seen %d', $v->{URI},
            $said, $avg if $said < 0.7 * $avg || $said > 1.4 * $avg;
    }

    return @wrong;
});

1;
