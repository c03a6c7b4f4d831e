# Age of the newest frame that can be downloaded. The publisher stamps every
# frame with the wall clock at which it is handed over; a client has each part
# as soon as there is one, and reads the newest stamp in it. The age is looked
# at every millisecond: it grows until the next part is there.

package Bench::Age;

use strict;
use warnings;
no warnings 'portable';         # hex() of 64 bits

use Time::HiRes qw(time);

my $STAMP = qr/ngx-live-wall-us([0-9a-f]{16})/;

# ([when a part was there, the newest frame's stamp], ...)
sub follow {
    my ($ng, $seconds) = @_;
    my $http = $ng->http('http');
    my $path = '/live/b0/muxed/';
    my $list = $http->request(GET => "${path}index.m3u8")->body;
    my ($query, @seen) = ('');
    my $end = time() + $seconds;

    while (time() < $end) {
        my ($msn) = $list =~ /#EXT-X-MEDIA-SEQUENCE:(\d+)/;
        my $part = 0;
        my $uri;

        for (split /\n/, $list) {
            if (/^#EXT-X-PART:.*URI="([^"]+)"/) {
                $uri = $1;
                $part++;
            } elsif (/^[^#]/) {
                $msn++;
                $part = 0;
            }
        }

        die "no parts in the playlist\n" unless defined $uri;

        my $body = $http->request(GET => "$path$uri")->body;
        my @stamps = $body =~ /$STAMP/g;

        push @seen, [time(), hex($stamps[-1]) / 1e6] if @stamps;

        $query = "?_HLS_msn=$msn&_HLS_part=$part";
        my $res = $http->request(GET => "${path}index.m3u8$query",
            timeout => 10);
        die "$query: ", $res->status, "\n" unless $res->status == 200;
        $list = $res->body;
    }

    return @seen;
}

return sub {
    my $ng = Bench::ours();
    my $push = Bench::push_streams($ng, 1, args => ['-w']);

    Bench::wait_segments($ng, '/live/b0/muxed/index.m3u8', 2);

    my @seen = follow($ng, $Bench::SECONDS);
    my @ages;

    shift @seen;                # it was there before we asked

    for my $i (0 .. $#seen - 1) {
        my ($at, $stamp) = @{ $seen[$i] };

        for (my $t = $at; $t < $seen[$i + 1][0]; $t += 0.001) {
            push @ages, $t - $stamp;
        }
    }

    $push->stop;
    $ng->stop;

    die "no stamped frame came\n" unless @ages;
    @ages = sort { $a <=> $b } @ages;

    Bench::row('age of the newest downloadable frame: median',
        ours => $ages[@ages / 2], limit => 0.25, unit => 's');
    Bench::row('age of the newest downloadable frame: longest',
        ours => $ages[-1], limit => 0.45, unit => 's');
};
