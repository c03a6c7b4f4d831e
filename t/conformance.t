#!/usr/bin/perl

# Streams of a real encoder, looked at as players do for a while, obey every
# conformance rule: muxed and apart, video or audio alone, with and without
# B-frames, odd frame rates, and over the encoder's absence and return.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Storable qw(nstore retrieve);
use Test::More;

use Live::Conformance;
use Live::Encoder;
use Live::Nginx qw(wait_for write_file);

my $ng = Live::Nginx->new(workers => 4, conf => <<'EOC')->start;
live { live_store %%STORE%% 160m; }
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

# Each is published and looked at by a process of its own, at the same time.

my %children;

for my $id (sort keys %case) {
    my ($port, %media) = @{ $case{$id} };

    $children{$id} = aside($id, sub {
        my $enc = publish($port, $id, %media);
        my $rec = recorder($id);

        $rec->follow(16);
        $rec->again;
        $enc->stop;
        wait_for(sub {
            $ng->get('http', "/live/$id/" . first($rec) . '/index.m3u8')->body
                =~ /ENDLIST/;
        }, 20) or die "$id does not end\n";
        $rec->snapshot;

        return $rec->data;
    });
}

# Away for a while: filler, then the encoder again.

for my $port ('muxed', 'apart') {
    my $id = "away_$port";

    $children{$id} = aside($id, sub {
        my $enc = publish($port, $id, fps => 25);
        my $rec = recorder($id);

        $rec->follow(4);
        $enc->kill;
        $rec->follow(5);
        $enc = publish($port, $id, fps => 25);
        $rec->follow(6);
        $enc->stop;

        return $rec->data;
    });
}

# The same, but it comes back with another picture size: a discontinuity, a new
# init section, and no hint at the part behind it.

for my $port ('muxed', 'apart') {
    my $id = "change_$port";

    $children{$id} = aside($id, sub {
        my $enc = publish($port, $id, fps => 25);
        my $rec = recorder($id);

        $rec->follow(4);
        $enc->kill;
        $rec->follow(2);
        $enc = publish($port, $id, fps => 25, size => '480x270');
        $rec->follow(10);
        $enc->stop;

        return $rec->data;
    });
}

for my $id (sort keys %children) {
    waitpid $children{$id}, 0;
    my $data = eval { retrieve($ng->dir . "/$id.recording") };

    ok($data, "$id: recorded") or diag($ng->read("$id.error")), next;

    # filler has other rates
    obeys($id, $data, $id =~ /away|change/ ? qr/\A(?:F18|F19)\z/ : undef);
    my $text = join '', map { $_->{text} } map { @$_ }
        values %{ $data->{lists} };

    if ($id =~ /away/) {
        unlike($text, qr/#EXT-X-DISCONTINUITY\n|EXT-X-GAP/,
            "$id: without a seam");
    } elsif ($id =~ /change/) {
        like($text, qr/#EXT-X-DISCONTINUITY\n#EXT-X-MAP/,
            "$id: with a discontinuity");
    } else {
        like($text, qr/#EXT-X-ENDLIST\n\z/, "$id: to its end");
    }
}

$ng->finish;
done_testing;

sub publish {
    my ($port, $id, %media) = @_;
    my $url = sprintf 'rtmp://127.0.0.1:%d/live/%s', $ng->port($port), $id;
    my $enc = Live::Encoder->ffmpeg($url,
        media => Live::Encoder::media(seconds => 40, %media));

    wait_for(sub { $ng->get('http', "/live/$id/index.m3u8")->status == 200 },
        15) or die "$id is not live:\n" . $enc->log;

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

# Runs a sub that returns a recording in a child; its pid.
sub aside {
    my ($id, $sub) = @_;
    my $pid = fork() // die "fork: $!";

    return $pid if $pid;

    my $data = eval { $sub->() };
    write_file($ng->dir . "/$id.error", $@) if $@;
    nstore($data, $ng->dir . "/$id.recording") if $data;
    POSIX::_exit(0);
}

sub obeys {
    my ($id, $data, $but) = @_;
    my @wrong = grep { !$but || $_->{rule} !~ $but }
        Live::Conformance::check($data);
    my $lists = $data->{lists};
    my $playlists = 0;

    $playlists += @$_ for values %$lists;
    cmp_ok($playlists, '>', 10, "$id: $playlists playlists of "
        . join ' ', sort keys %$lists);
    is(scalar @wrong, 0, "$id: obeys every rule")
        or diag(map { "$_->{rule} ($_->{section}) $_->{text}: $_->{what}\n" }
            @wrong[0 .. ($#wrong < 25 ? $#wrong : 25)]);
}
