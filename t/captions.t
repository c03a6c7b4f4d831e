#!/usr/bin/perl

# Captions inside H.264 (CEA-608 in SEI) that begin in the middle of a stream:
# they stay in the pictures and are announced (field notes: CEA-608/708 in SEI).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Stream;

my $ng = Live::Nginx->new(conf => <<'EOC');
live { live_store %%STORE%% 64m; live_segment 1s; live_part 200ms; }
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp; live_publish_auth off; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC

$ng->start;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));
my $c = Live::RTMP->publisher(port => $ng->port('rtmp'), app => 'live',
    name => 'cc', chunk_size => 60000, timeout => 10);
my $v = Live::Stream->new($ng, 'http', 'cc');

# "resume caption loading" on channel 1, of field 1
my $sei = "\6\4\x0e\xb5\0\x31GA94\3\x41\xff\xfc\x94\x20\xff\x80";

sub feed {
    my ($from, $to, $before) = @_;

    for my $tag (@$tags) {
        next if $tag->{type} == 18;
        next if $tag->{header} ? $from > 0
            : $tag->{ts} < $from || $tag->{ts} >= $to;

        my %tag = %$tag;
        substr($tag{data}, 5, 0) = Live::RTMP::nalu($before)
            if defined $before && $tag{type} == 9 && !$tag{header};
        $c->send_tag(\%tag);
    }

    $c->poll;
}

sub multivariant { return $v->get('index.m3u8')->body }

feed(0, 3000);
ok($v->wait_live, 'a stream without captions') or diag($ng->tail);
unlike(multivariant(), qr/CAPTIONS/, 'nothing is said of any');

feed(3000, 7000, $sei);
ok(wait_for(sub { multivariant() =~ /CLOSED-CAPTIONS="cc"/ }, 10,
    'captions to be announced'), 'announced when they come');
like(multivariant(), qr/^\#\QEXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",\E
    \QNAME="CC1",AUTOSELECT=YES,INSTREAM-ID="CC1"\E$/mx, 'as channel 1');

my $url = sprintf 'http://127.0.0.1:%d/live/cc/index.m3u8', $ng->port('http');
my $seen = `ffmpeg -nostdin -hide_banner -v error -live_start_index -2 -i $url \\
    -map 0:v -c copy -t 1 -f h264 - 2> /dev/null`;

cmp_ok(index($seen, substr $sei, 1, -1), '>', 0, 'they are in the pictures');

$c->unpublish('cc');
$ng->finish;
done_testing;
