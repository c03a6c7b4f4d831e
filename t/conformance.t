#!/usr/bin/perl

# Streams of a real encoder, looked at as players do for a while, obey every
# conformance rule: muxed and apart, video or audio alone, with and without
# B-frames, odd frame rates, and over the encoder's absence and return.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Live::Conformance;
use Live::Encoder;
use Live::Nginx qw(wait_for);

my $ng = Live::Nginx->new(workers => 4, conf => <<'EOC')->start;
live { live_store %%STORE%% 128m; }
stream {
    live_publish_auth off;
    server { listen 127.0.0.1:%%PORT_muxed%%; live_rtmp; }
    server { listen 127.0.0.1:%%PORT_apart%%; live_rtmp; live_muxed off; }
    server { listen 127.0.0.1:%%PORT_short%%; live_rtmp; live_muxed off;
             live_part 200ms; live_segment 1s; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token off; }
    }
}
EOC

my %case = (
    muxed     => [ 'muxed', fps => 25 ],
    apart     => [ 'apart', fps => 25 ],
    bframes   => [ 'apart', fps => 30, bframes => 2, rate => 44100 ],
    ntsc      => [ 'muxed', fps => '30000/1001' ],
    video     => [ 'muxed', fps => 25, audio => 0 ],
    audio     => [ 'apart', video => 0 ],
    short     => [ 'short', fps => 50, gop => 50 ],
);

for my $id (sort keys %case) {
    my ($port, %media) = @{ $case{$id} };
    my $enc = publish($port, $id, %media);
    my $rec = recorder($id);

    $rec->follow(16);
    $rec->again;
    $enc->stop;
    ok(wait_for(sub {
        $ng->get('http', "/live/$id/" . first($rec) . '/index.m3u8')->body
            =~ /ENDLIST/;
    }, 20, "$id to end"), "$id: ends");
    $rec->snapshot;
    obeys($id, $rec);
}

# --- away for a while: filler, then the encoder again

for my $port ('muxed', 'apart') {
    my $id = "away_$port";
    my $enc = publish($port, $id, fps => 25);
    my $rec = recorder($id);

    $rec->follow(4);
    $enc->kill;
    $rec->follow(5);
    $enc = publish($port, $id, fps => 25);
    $rec->follow(6);
    $enc->stop;
    obeys($id, $rec, qr/\A(?:F18|F19)\z/);    # filler has other rates

    my $text = join '', map { $_->{text} } map { @$_ }
        values %{ $rec->data->{lists} };
    unlike($text, qr/#EXT-X-DISCONTINUITY\n|EXT-X-GAP/, "$id: without a seam");
}

$ng->finish;
done_testing;

sub publish {
    my ($port, $id, %media) = @_;
    my $url = sprintf 'rtmp://127.0.0.1:%d/live/%s', $ng->port($port), $id;
    my $enc = Live::Encoder->ffmpeg($url,
        media => Live::Encoder::media(seconds => 40, %media));

    ok(wait_for(sub { $ng->get('http', "/live/$id/index.m3u8")->status == 200 },
        15, "$id to be live"), "$id: live");

    return $enc;
}

sub recorder {
    my ($id) = @_;

    return Live::Conformance->new(base => "/live/$id",
        get => sub { $ng->get('http', @_) });
}

sub first {
    my ($rec) = @_;

    return (sort keys %{ $rec->data->{lists} })[0];
}

sub obeys {
    my ($id, $rec, $but) = @_;
    my @wrong = grep { !$but || $_->{rule} !~ $but }
        Live::Conformance::check($rec->data);
    my $lists = $rec->data->{lists};
    my $playlists = 0;

    $playlists += @$_ for values %$lists;
    cmp_ok($playlists, '>', 10, "$id: $playlists playlists of "
        . join ' ', sort keys %$lists);
    is(scalar @wrong, 0, "$id: obeys every rule")
        or diag(map { "$_->{rule} ($_->{section}) $_->{text}: $_->{what}\n" }
            @wrong[0 .. ($#wrong < 25 ? $#wrong : 25)]);
}
