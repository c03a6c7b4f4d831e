package Live::MP4;

# Reads fragmented MP4 (ISO/IEC 14496-12) for tests: init sections, and the
# moof/mdat pairs of segments and parts. Knows what CMAF needs, dies on what
# is damaged.
#
#   my $init = Live::MP4::init($bytes);
#   $init->{track}{1}{timescale}, {handler}, {codecs}, {width} …
#   for my $f (Live::MP4::fragments($bytes, $init)) {
#       $f->{track}, {sequence}, {tfdt}, {duration}, @{ $f->{samples} }
#   }

use strict;
use warnings;

# Boxes of a byte range: { type, at (of the box), head, size, body }.
sub boxes {
    my ($bytes, $at, $end) = @_;
    my @boxes;

    $at //= 0;
    $end //= length $bytes;

    while ($at < $end) {
        die "box header cut off at $at\n" if $end - $at < 8;
        my ($size, $type) = unpack 'Na4', substr $bytes, $at, 8;
        my $head = 8;

        if ($size == 1) {
            die "box header cut off at $at\n" if $end - $at < 16;
            $size = unpack 'Q>', substr $bytes, $at + 8, 8;
            $head = 16;
        }

        die "box $type at $at: size $size\n"
            if $size < $head || $at + $size > $end;
        push @boxes, { type => $type, at => $at, head => $head,
            size => $size, from => $at + $head, to => $at + $size };
        $at += $size;
    }

    return @boxes;
}

# The box at a path of types below a box (or the file).
sub box {
    my ($bytes, $in, @path) = @_;

    for my $type (@path) {
        my ($found) = grep { $_->{type} eq $type }
            boxes($bytes, $in ? @$in{qw(from to)} : ());
        return undef unless $found;
        $in = $found;
    }

    return $in;
}

sub body {
    my ($bytes, $box, $skip) = @_;
    my $from = $box->{from} + ($skip // 0);

    return substr $bytes, $from, $box->{to} - $from;
}

sub init {
    my ($bytes) = @_;
    my @top = boxes($bytes);
    my %init = (top => [ map { $_->{type} } @top ], track => {}, trex => {},
        ids => []);
    my ($moov) = grep { $_->{type} eq 'moov' } @top;

    die "no moov\n" unless $moov;

    for my $box (boxes($bytes, @$moov{qw(from to)})) {
        if ($box->{type} eq 'trak') {
            my $track = _track($bytes, $box);
            $init{track}{ $track->{id} } = $track;
            push @{ $init{ids} }, $track->{id};

        } elsif ($box->{type} eq 'mvex') {
            for my $trex (grep { $_->{type} eq 'trex' }
                boxes($bytes, @$box{qw(from to)}))
            {
                my ($id, undef, $duration, $size, $flags)
                    = unpack 'N5', body($bytes, $trex, 4);
                $init{trex}{$id} = { duration => $duration, size => $size,
                    flags => $flags };
            }
        }
    }

    return \%init;
}

sub _track {
    my ($bytes, $trak) = @_;
    my %t;

    my $tkhd = body($bytes, box($bytes, $trak, 'tkhd'));
    my $wide = ord($tkhd) == 1;
    $t{id} = unpack 'N', substr $tkhd, $wide ? 20 : 12, 4;

    my $mdhd = body($bytes, box($bytes, $trak, qw(mdia mdhd)));
    $t{timescale} = unpack 'N', substr $mdhd, ord($mdhd) == 1 ? 20 : 12, 4;

    my $hdlr = body($bytes, box($bytes, $trak, qw(mdia hdlr)));
    $t{handler} = substr $hdlr, 8, 4;

    my $stsd = box($bytes, $trak, qw(mdia minf stbl stsd));
    my ($entry) = boxes($bytes, $stsd->{from} + 8, $stsd->{to});
    my $body = body($bytes, $entry);
    $t{entry} = $entry->{type};

    if ($t{handler} eq 'vide') {
        @t{qw(width height)} = unpack 'nn', substr $body, 24, 4;
        my ($avcc) = grep { $_->{type} eq 'avcC' }
            boxes($bytes, $entry->{from} + 78, $entry->{to});
        $t{codecs} = sprintf '%s.%s', $t{entry},
            unpack 'H6', substr body($bytes, $avcc), 1, 3 if $avcc;

    } else {
        @t{qw(channels rate)} = (unpack('n', substr $body, 16, 2),
            unpack('n', substr $body, 24, 2));
        my ($esds) = grep { $_->{type} eq 'esds' }
            boxes($bytes, $entry->{from} + 28, $entry->{to});
        $t{codecs} = _mp4a(body($bytes, $esds, 4)) if $esds;
    }

    return \%t;
}

# "mp4a.40.2" out of an ES_Descriptor.
sub _mp4a {
    my ($d) = @_;
    my ($type, $at) = (undef, 0);

    while ($at < length $d) {
        my $tag = ord substr $d, $at++, 1;
        my $n = 0;

        while (1) {
            my $byte = ord substr $d, $at++, 1;
            $n = $n << 7 | $byte & 127;
            last unless $byte & 128;
        }

        if ($tag == 3) { $at += 3 }
        elsif ($tag == 4) { $type = ord substr $d, $at, 1; $at += 13 }
        elsif ($tag == 5) {
            return sprintf 'mp4a.%x.%d', $type, ord(substr $d, $at, 1) >> 3;
        } else { $at += $n }
    }

    return;
}

# The moof/mdat pairs of a segment or part.
sub fragments {
    my ($bytes, $init) = @_;
    my (@fragments, $moof);

    for my $box (boxes($bytes)) {
        if ($box->{type} eq 'moof') {
            die "two moofs in a row\n" if $moof;
            $moof = $box;

        } elsif ($box->{type} eq 'mdat') {
            die "mdat without moof\n" unless $moof;
            push @fragments, _fragment($bytes, $init, $moof, $box);
            $moof = undef;
        }
    }

    die "moof without mdat\n" if $moof;

    return @fragments;
}

sub _fragment {
    my ($bytes, $init, $moof, $mdat) = @_;
    my %f = (samples => [], duration => 0, size => 0, mdat => $mdat,
        moof => $moof);

    $f{sequence} = unpack 'N', body($bytes, box($bytes, $moof, 'mfhd'), 4);

    my @trafs = grep { $_->{type} eq 'traf' }
        boxes($bytes, @$moof{qw(from to)});
    die scalar(@trafs) . " trafs\n" if @trafs != 1;

    my $tfhd = body($bytes, box($bytes, $trafs[0], 'tfhd'));
    my ($flags, $id) = unpack 'NN', $tfhd;
    my $at = 8;
    my %default = %{ $init->{trex}{$id} // {} };

    $f{track} = $id;
    $f{base_is_moof} = $flags & 0x20000 ? 1 : 0;
    $at += 8 if $flags & 1;
    $at += 4 if $flags & 2;

    for ([ 8, 'duration' ], [ 0x10, 'size' ], [ 0x20, 'flags' ]) {
        next unless $flags & $_->[0];
        $default{ $_->[1] } = unpack 'N', substr $tfhd, $at, 4;
        $at += 4;
    }

    my $tfdt = body($bytes, box($bytes, $trafs[0], 'tfdt')
        // die "no tfdt\n");
    $f{tfdt} = ord($tfdt) == 1 ? unpack 'x4 Q>', $tfdt : unpack 'x4 N', $tfdt;

    for my $trun (grep { $_->{type} eq 'trun' }
        boxes($bytes, @{ $trafs[0] }{qw(from to)}))
    {
        _run(\%f, \%default, body($bytes, $trun));
    }

    die "no sample\n" unless @{ $f{samples} };
    $f{offset} //= 0;

    return \%f;
}

sub _run {
    my ($f, $default, $trun) = @_;
    my ($flags, $count) = unpack 'NN', $trun;
    my $at = 8;
    my $first;

    $flags &= 0xffffff;

    if ($flags & 1) {
        $f->{offset} //= unpack 'l>', substr $trun, $at, 4;
        $at += 4;
    }

    if ($flags & 4) {
        $first = unpack 'N', substr $trun, $at, 4;
        $at += 4;
    }

    for my $i (0 .. $count - 1) {
        my %s = %$default;

        $s{flags} = $first if $i == 0 && defined $first;

        for ([ 0x100, 'duration' ], [ 0x200, 'size' ], [ 0x400, 'flags' ],
             [ 0x800, 'cts' ])
        {
            next unless $flags & $_->[0];
            die "trun cut off\n" if $at + 4 > length $trun;
            $s{ $_->[1] } = unpack $_->[1] eq 'cts' ? 'l>' : 'N',
                substr $trun, $at, 4;
            $at += 4;
        }

        $f->{duration} += $s{duration} // 0;
        $f->{size} += $s{size} // 0;
        $s{sync} = ($s{flags} // 0) & 0x10000 ? 0 : 1;
        push @{ $f->{samples} }, \%s;
    }
}

1;
