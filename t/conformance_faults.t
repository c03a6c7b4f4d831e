#!/usr/bin/perl

# Every conformance rule can fail: good recordings are damaged, one fault at a
# time, and the rule that is meant to see it must.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Storable qw(dclone);
use Test::More;

use Live::Conformance;
use Live::Nginx qw(wait_for);
use Live::Writer;

my $ng = Live::Nginx->new(workers => 2, conf => <<'EOC')->start;
live { live_store %%STORE%% 64m; }
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token off; }
    }
}
EOC

my $two = record('two', 'v0a0');
my $muxed = record('muxed', 'v0a0 muxed');

$ng->finish;

for (['two renditions', $two], ['the muxed one', $muxed]) {
    my ($name, $data) = @$_;
    my @wrong = Live::Conformance::check($data);

    is(scalar @wrong, 0, "$name: nothing wrong")
        or diag(map { "$_->{rule} ($_->{section}) $_->{text}: $_->{what}\n" }
            @wrong[0 .. ($#wrong < 20 ? $#wrong : 20)]);
}

# --- faults: rule => sub that damages a recording (of two renditions unless
# the rule's name has "muxed" behind it)

my %faults = faults();
my %tried;

for my $key (sort keys %faults) {
    my ($rule, $muxed_only) = $key =~ /\A(\w+)\.?(muxed)?/;
    my $data = dclone($muxed_only ? $muxed : $two);
    local $Storable::canonical = 1;
    my $old = Storable::freeze($data);
    $faults{$key}->($data);
    ok(Storable::freeze($data) ne $old, "$key: damaged")
        or next;

    my @by = Live::Conformance::check($data, $rule);

    ok(scalar @by, "$key: seen" . (@by ? ": $by[0]{what}" : ''))
        or diag('only by ' . join ' ', sort keys %{ { map { $_->{rule} => 1 }
            Live::Conformance::check($data) } });
    $tried{$rule} = 1;
}

is(join(' ', grep { !$tried{$_} } map { $_->{id} } Live::Conformance::rules()),
    '', 'there is a fault for every rule');

done_testing;

# A stream from its first segment over a codec change to its end.
sub record {
    my ($id, $tracks) = @_;
    my $w = Live::Writer->new($ng);
    my $rec = Live::Conformance->new(base => "/live/$id",
        get => sub { $ng->get('http', @_) });

    my $m = $w->live($id, $tracks, 9);
    my @names = $rec->snapshot;

    my $next = sub {
        $w->part(@_);
        $rec->reload($_, 0) for @names;
        $rec->snapshot;
    };

    for my $segment (1 .. 7) {
        my $cut = $segment == 3;
        $w->do('codec') if $segment == 4;
        $next->($segment == 4 ? 'disc' : ());
        $next->() for 1 .. 4;
        $next->($cut ? 'break' : 'last');
        $w->do('evict ' . ($m + $segment));
    }

    $next->() for 1 .. 3;
    $rec->again;
    $w->do('ended');
    $rec->snapshot for 1 .. 2;
    $w->close;

    return $rec->data;
}

# --- how to damage

# The text of playlists: those whose number the sub likes, of a rendition (all
# of them by default). sub gets the text in $_, the number, and the snapshot.
sub text {
    my ($sub, $name) = @_;

    return sub {
        my ($data) = @_;

        for my $n (defined $name ? $name : sort keys %{ $data->{lists} }) {
            my $i = 0;
            for my $snap (@{ $data->{lists}{$n} }) {
                for ($snap->{text}) { $sub->($i, $snap) }
                $i++;
            }
        }
    };
}

# From the n-th snapshot on.
sub later {
    my ($sub, $name) = @_;

    return text(sub { $sub->(@_) if $_[0] >= 40 }, $name // 'v0');
}

sub multi {
    my ($sub) = @_;

    return sub {
        my ($data) = @_;
        for my $snap (@{ $data->{multivariant} }) {
            for ($snap->{text}) { $sub->() }
        }
    };
}

# Bytes of media whose name matches.
sub bytes {
    my ($re, $sub, $max) = @_;

    return sub {
        my ($data) = @_;
        my @names = grep { $_ =~ $re } sort keys %{ $data->{media} };

        @names = @names[0 .. $max - 1] if $max;
        for my $name (@names) {
            for ($data->{media}{$name}{bytes}) { $sub->($name) }
        }
    };
}

# Adds to a 32 or 64 bit number in a box, so many bytes behind its type.
sub box_add {
    my ($type, $at, $n, $wide) = @_;

    return sub {
        my $pos = index($_, $type);
        return if $pos < 0;
        my $f = $wide ? 'Q>' : 'N';
        my $size = $wide ? 8 : 4;
        my $old = unpack $f, substr $_, $pos + 4 + $at, $size;
        substr $_, $pos + 4 + $at, $size, pack $f, $old + $n;
    };
}

sub faults {
    my $part = qr{/\d+\.\d+\.m4s\z};
    my $segment = qr{\Av0/\d+\.m4s\z};

    return (
    'P01' => text(sub { s/,URI="/,URI=/ }),
    'P01.end' => text(sub { s/\n\z// }),
    'P01.twice' => text(sub { s/(#EXT-X-TARGETDURATION.*\n)/$1$1/ }),
    'P01.unknown' => text(sub { s/\n#EXT-X-MAP/\n#EXT-X-FOO:1\n#EXT-X-MAP/ }),
    'P01.comma' => text(sub { s/(DURATION=[\d.]+)/$1,$1/ }),
    'P02' => text(sub { s/VERSION:\d/VERSION:5/ }),
    'P02.skip' => text(sub { s/VERSION:9/VERSION:6/ }),
    'P03' => text(sub { s/TARGETDURATION:2/TARGETDURATION:2.0/ }),
    'P04' => text(sub { s/EXTINF:2\.0,/EXTINF:2.5,/ }),
    'P05' => text(sub { s/(#EXT-X-MEDIA-SEQUENCE.*\n)(.*?m4s\n)/$2$1/s }),
    'P06' => text(sub { s/MEDIA-SEQUENCE:\d+/MEDIA-SEQUENCE:0/ }),
    'P07' => text(sub { s/#EXT-X-PART-INF.*\n// }),
    'P08' => text(sub { s/PART:DURATION=0\.3333/PART:DURATION=0.3533/ }),
    'P09' => text(sub { s/PART:DURATION=0\.3333/PART:DURATION=0.2333/g }),
    'P10' => text(sub { s/CAN-BLOCK-RELOAD=YES,// }),
    'P11' => text(sub { s/PART-HOLD-BACK=[\d.]+/PART-HOLD-BACK=0.7/ }),
    'P12' => text(sub { s/,HOLD-BACK=6\.0/,HOLD-BACK=5.9/ }),
    'P13' => text(sub { s/CAN-SKIP-UNTIL=12\.0/CAN-SKIP-UNTIL=11.0/ }),
    'P14' => text(sub { s/#EXT-X-MAP.*\n// }),
    'P15' => text(sub { s/#EXT-X-PROGRAM-DATE-TIME.*\n// }),
    'P16' => text(sub { s/(T\d\d:\d\d:\d)\d(\.\d+Z)/${1}9$2/ }),
    'P17' => text(sub { s/(.*)#EXT-X-PART:.*\n(#EXTINF)/$1$2/s }),
    'P18' => text(sub { s/(\d+)(\.m4s\n)/$1$2#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXT-X-PART:DURATION=0.333333,URI="@{[$1 + 1]}.0.m4s"\n/ }),
    'P19' => later(sub {
        s/(.*)((?:#EXT-X-PART:.*\n)+)(#EXTINF)/$1 . $3/se if $_[0] % 2;
        s/#EXT-X-PART:.*\n(?=(?:#EXT-X-PART:.*\n)*#EXTINF)//g if $_[0] % 2;
    }),
    'P19.all' => text(sub { s/#EXT-X-PART:.*\n//g }),
    'P20' => text(sub { s/URI="(\d+)\.2\.m4s"/URI="$1.3.m4s"/ }),
    'P21' => text(sub { s/\n(\d+)\.m4s\n/"\n" . ($1 + 1) . ".m4s\n"/e }),
    'P22' => text(sub { s/(HINT.*URI="\d+)\.(\d)/"$1." . ($2 + 1)/e }),
    'P22.two' => text(sub { s/(#EXT-X-PRELOAD-HINT.*\n)/$1$1/ }),
    'P22.end' => text(sub { s/(#EXT-X-ENDLIST)/#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.1.m4s"\n$1/ }),
    'P23' => text(sub { s/#EXT-X-PRELOAD-HINT.*\n// }),
    'P23.across' => sub {
        my ($data) = @_;
        for my $snap (@{ $data->{lists}{v0} }) {
            next if $snap->{text} =~ /PRELOAD|ENDLIST/;
            my ($msn) = $snap->{text} =~ /.*\n(\d+)\.m4s/s;
            $snap->{text} .= sprintf "#EXT-X-PRELOAD-HINT:TYPE=PART,"
                . "URI=\"%d.0.m4s\"\n", $msn + 1;
        }
    },
    'P24' => text(sub { s/(#EXTINF)/#EXT-X-GAP\n$1/ }),
    'P25' => later(sub { s/#EXT-X-PRELOAD.*\n(?:#EXT-X-REN.*\n)*\z/#EXT-X-ENDLIST\n/ }),
    'P26' => text(sub { s/URI="init/URI="http:\/\/cdn\/init/ }),
    'P26.query' => text(sub { s/\n(\d+\.m4s)/\n$1?token=x/ }),
    'P27' => text(sub { s/,INDEPENDENT=YES// }),
    'P28' => text(sub {
        for my $i (1 .. 4) { s/#EXTINF:2\.0,\n\d+\.m4s\n// }
        s/SKIPPED-SEGMENTS=(\d+)/'SKIPPED-SEGMENTS=' . ($1 + 4)/e }),
    'P29' => text(sub { s/(#EXT-X-MAP)/#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n$1/ }),
    'P30' => text(sub { s/#EXT-X-DISCONTINUITY\n// }),
    'P30.date' => text(sub { s/(#EXT-X-DISCONTINUITY\n.*\n)#EXT-X-PROG.*\n/$1/ }),

    'M01' => multi(sub { s/CODECS="/CODECS=/ }),
    'M01.uri' => multi(sub { s/v0\/index\.m3u8\n// }),
    'M02' => multi(sub { s/,AVERAGE-BANDWIDTH=\d+// }),
    'M02.video' => multi(sub { s/,FRAME-RATE=[\d.]+// }),
    'M02.order' => multi(sub { s/AVERAGE-BANDWIDTH=/AVERAGE-BANDWIDTH=9/ }),
    'M03' => multi(sub { s/AUDIO="audio"/AUDIO="sound"/ }),
    'M03.default' => multi(sub {
        my ($line) = /(#EXT-X-MEDIA:.*\n)/;
        $line =~ s/NAME="/NAME="x/;
        s/(#EXT-X-MEDIA)/$line$1/;
    }),
    'M03.name' => multi(sub { s/,NAME="[^"]*"// }),
    'M04' => multi(sub { s/\nv0/\n\/live\/two\/v0/ }),
    'M04.none' => multi(sub { s/\nv0/\nv1/ }),

    'S01' => later(sub { s/EXTINF:2\.0/EXTINF:1.999/g }),
    'S01.date' => later(sub { s/\.\d\d\dZ/.001Z/g }),
    'S02' => later(sub { s/PART:DURATION=0\.33333\d/PART:DURATION=0.3332/g }),
    'S03' => later(sub {
        s/DISCONTINUITY-SEQUENCE:(\d)/'DISCONTINUITY-SEQUENCE:' . ($1 + 1)/e }),
    'S03.map' => later(sub { s/(MAP:URI="init-\d+)/${1}0/g }),
    'S04' => later(sub { s/PART-TARGET=[\d.]+/PART-TARGET=0.35/ }),
    'S05' => text(sub { s/PART-TARGET=[\d.]+/PART-TARGET=0.35/ }, 'a0'),
    'S06' => sub {
        my $list = $_[0]{lists}{v0};
        ($list->[30], $list->[90]) = ($list->[90], $list->[30]);
    },
    'S07' => sub {
        my $list = $_[0]{lists}{v0};
        ($list->[30], $list->[39]) = ($list->[39], $list->[30]);
    },
    'S08' => sub {
        my $list = $_[0]{lists}{v0};
        my $i = 0;
        splice @$list, 1, $#$list - 30;
        for my $snap (@$list[1 .. $#$list]) {
            for ($snap->{text}) {
                my ($last) = /.*\n(\d+)\.m4s/s;
                s/MEDIA-SEQUENCE:\d+/MEDIA-SEQUENCE:$last/;
                s/#EXT-X-SKIP.*\n//;
            }
        }
    },
    'S09' => sub {
        my $list = $_[0]{lists}{v0};
        # as if segment 12 had ended a part earlier than was hinted
        for my $snap (@$list) {
            my ($last) = $list->[0]{text} =~ /.*\n(\d+)\.m4s/s;
            $last += 2;
            $snap->{text} =~ s/#EXT-X-PART:.*"$last\.5\.m4s"\n//;
        }
    },
    'S10' => sub {
        my $list = $_[0]{lists}{v0};
        push @$list, dclone($list->[50]);
    },
    'S11' => text(sub {
        my ($i, $snap) = @_;
        $snap->{query} =~ s/(_HLS_msn=)(\d+)/$1 . ($2 + 2)/e;
    }),
    'S12' => later(sub {
        my ($first) = /MEDIA-SEQUENCE:(\d+)/;
        my $n = 0;
        $n++ while $n < 7 && s/\n(?:(?:#EXT-X-DISC|#EXT-X-PROG|#EXT-X-PART:).*\n)*#EXTINF.*\n\d+\.m4s\n/\n/;
        s/MEDIA-SEQUENCE:\d+/"MEDIA-SEQUENCE:" . ($first + $n)/e;
    }),
    'S13' => text(sub {
        my ($i, $snap) = @_;
        s/(#EXTINF):2\.0/$1:2.00/ if $snap->{query} =~ /skip/ && /SKIP:/;
    }),
    'S13.count' => text(sub {
        s/(SKIPPED-SEGMENTS=)(\d+)/$1 . ($2 - 1)/e;
    }),
    'S14' => sub {
        my ($data) = @_;
        # three fewer are skipped, and given instead
        my %full;
        for my $snap (@{ $data->{lists}{v0} }) {
            if ($snap->{query} eq '') { $full{last} = $snap->{text} }
            next unless $snap->{text} =~ /SKIPPED-SEGMENTS=(\d+)/ && $1 > 1;
            my $n = $1;
            my $all = $full{last} // next;
            my @entries = $all =~ /((?:#EXT-X-(?:DISC|PROG|PART:).*\n)*#EXTINF.*\n\d+\.m4s\n)/g;
            my $one = $entries[$n - 1] // next;
            $snap->{text} =~ s/SKIPPED-SEGMENTS=\d+\n/'SKIPPED-SEGMENTS=' . ($n - 1) . "\n$one"/e;
        }
    },

    'X01' => text(sub { s/(DATE-TIME:.*T\d\d:\d)(\d)/$1 . ($2 + 1) % 10/ge }, 'a0'),
    'X02' => text(sub { s/#EXT-X-DISCONTINUITY\n// }, 'a0'),
    'X03' => text(sub { s/#EXT-X-RENDITION-REPORT.*\n// }, 'a0'),
    'X03.uri' => text(sub { s/URI="\.\.\//URI="..\/..\/two\// }),
    'X04' => text(sub { s/(LAST-MSN=)(\d+)/$1 . ($2 + 1)/e }),
    'X04.old' => text(sub { s/(LAST-MSN=)(\d+)/$1 . ($2 - 1)/e }),
    'X04.none' => text(sub { s/,LAST-MSN=\d+// }),

    'H01' => sub { $_[0]{lists}{v0}[3]{type} = 'text/plain' },
    'H02' => sub { $_->{cache} = 'max-age=10'
        for grep { $_->{query} eq '' } @{ $_[0]{lists}{v0} } },
    'H03' => sub { $_->{cache} = 'max-age=3600' for @{ $_[0]{lists}{v0} } },
    'H04' => sub { $_->{etag} = '"x"' for @{ $_[0]{lists}{v0} } },

    'H05' => sub { $_[0]{lists}{v0}[3]{status} = 503 },

    'F01' => sub { my $m = $_[0]{media};
        $m->{ (sort keys %$m)[9] }{status} = 404 },
    'F02' => bytes(qr/v0\/init/, sub { substr $_, 4, 4, 'free' }),
    'F02.trex' => bytes(qr/init/, box_add('trex', 4, 1)),
    'F03' => bytes($segment, sub { $_ = substr $_, 0, 5000 }, 1),
    'F03.mdat' => bytes($segment, sub { s/mdat/free/ }, 1),
    'F04' => bytes($segment, box_add('trun', 8, 4)),
    'F04.size' => bytes($segment, sub { s/(tfhd.{12})(....)/
        $1 . pack('N', unpack('N', $2) - 1)/se }),
    'F05' => bytes($segment, box_add('tfhd', 4, 7)),
    'F05.muxed' => bytes(qr{muxed/\d+\.m4s\z},
        sub { s/(tfhd....)\x00\x00\x00\x02/$1\x00\x00\x00\x01/sg }),
    'F06' => bytes($segment, sub { substr $_, -1, 1, '?' }),
    'F07' => bytes($segment, sub { s/(tfhd.{8})(....)/
        $1 . pack('N', unpack('N', $2) + 100)/se }),
    'F08' => bytes($part, sub { s/(tfhd.{8})(....)/
        $1 . pack('N', unpack('N', $2) + 100)/se }),
    'F09' => text(sub { s/(\.1\.m4s")/$1,INDEPENDENT=YES/g }, 'v0'),
    'F09.not' => text(sub { s/,INDEPENDENT=YES//g;
        s/#EXT-X-INDEPENDENT-SEGMENTS\n// }, 'v0'),
    'F10' => sub {
        my ($data) = @_;
        my ($at) = grep { m{\Av0/\d+\.m4s} } sort keys %{ $data->{media} };
        # the second part's moof in place of the first one's flags
        for ($data->{media}{$at}{bytes}) {
            my $pos = index $_, 'trun';
            my $flags = unpack 'N', substr $_, $pos + 4, 4;
            # without first-sample-flags all samples take the default
            substr $_, $pos + 4, 4, pack 'N', $flags & ~4 | 0x80000000;
            substr $_, $pos + 16, 4, '';
            my $moof = unpack 'N', $_;
            substr $_, 0, 4, pack 'N', $moof - 4;
            for my $box (qw(traf trun)) {
                my $p = index($_, $box) - 4;
                substr $_, $p, 4, pack 'N', unpack('N', substr $_, $p, 4) - 4;
            }
        }
    },
    'F11' => bytes($segment, box_add('tfdt', 4, 90, 1)),
    'F12' => bytes($segment, box_add('mfhd', 4, 1000)),
    'F13' => sub {
        my ($data) = @_;
        my @names = grep { m{\Aa0/\d+\.m4s} } sort keys %{ $data->{media} };
        my $add = box_add('tfdt', 4, 480, 1);
        for my $name (@names[5 .. $#names]) {
            for ($data->{media}{$name}{bytes}) { $add->() }
        }
    },
    'F14.muxed' => bytes(qr{muxed/\d+\.m4s\z}, box_add('tfdt', 4, 90000, 1)),
    'F15' => sub { my $m = $_[0]{media};
        my ($n) = grep { defined $m->{$_}{again} } sort keys %$m;
        $m->{$n}{again} .= 'x' },
    'F16' => sub { my $m = $_[0]{media};
        $m->{ (sort keys %$m)[9] }{cache} = 'max-age=1' },
    'F16.type' => sub { my $m = $_[0]{media};
        $m->{ (grep { /a0/ } sort keys %$m)[0] }{type} = 'video/mp4' },
    'F17' => multi(sub { s/avc1\.64001f/avc1.64002a/ }),
    'F17.audio' => multi(sub { s/,mp4a\.40\.2// }),
    'F18' => multi(sub { s/RESOLUTION=1280x720/RESOLUTION=1920x1080/ }),
    'F18.rate' => multi(sub { s/FRAME-RATE=30\.0/FRAME-RATE=25.0/ }),
    'F19' => multi(sub { s/BANDWIDTH=(\d+)/'BANDWIDTH=' . int($1 \/ 2)/e }),
    'F19.muxed' => multi(sub { s/AVERAGE-BANDWIDTH=(\d+)/'AVERAGE-BANDWIDTH=' . int($1 \/ 2)/e }),
    );
}
