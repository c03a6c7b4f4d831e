# CPU time of one request: a part, a playlist; beside a file of the same size.

package Bench::Requests;

use strict;
use warnings;

use Live::Nginx qw(write_file);
use Time::HiRes qw(sleep);

my $TRACK = '/live/b0/v0/';

# The newest part of 70 to 100 kB.
sub pick_part {
    my ($ng) = @_;
    my $list = $ng->get('http', "${TRACK}index.m3u8")->body;
    my @parts = reverse $list =~ /#EXT-X-PART:[^\n]*URI="([^"]+)"/g;

    for my $uri (@parts) {
        my $res = $ng->get('http', "$TRACK$uri");
        my $n = length $res->body;
        return ($uri, $res->body) if $n >= 70_000 && $n <= 100_000;
    }

    die "no part of 70 to 100 kB\n";
}

# CPU microseconds a request: the median of several short rounds, ours and the
# reference in turn, so that a busy moment of the machine counts for neither.
sub cost {
    my ($pairs, @args) = @_;
    my %rounds;

    for (1 .. 5) {
        for my $side (sort keys %$pairs) {
            my ($ng, $url) = @{ $pairs->{$side} };
            my $before = Bench::cpu($ng);
            my $got = Bench::tool('http_load', '-c', 8, '-t',
                $Bench::SECONDS / 12, @args, $url)->end;

            die "$url: $got->{bad} of $got->{requests} failed\n"
                if $got->{bad} || !$got->{requests};

            push @{ $rounds{$side} },
                1e6 * (Bench::cpu($ng) - $before) / $got->{requests};
        }
    }

    return map { $_ => (sort { $a <=> $b } @{ $rounds{$_} })[2] }
        keys %rounds;
}

return sub {
    my $ours = Bench::ours();
    my $files = Bench::static();
    my $push = Bench::push_streams($ours, 1);
    my $url = 'http://127.0.0.1:' . $ours->port('http') . $TRACK;
    my $file = 'http://127.0.0.1:' . $files->port('http') . '/';
    my $dir = Bench::shm();

    Bench::wait_segments($ours, "${TRACK}index.m3u8", 6);

    my ($uri, $part) = pick_part($ours);
    write_file("$dir/part.m4s", $part);

    Bench::row(sprintf('a part of %d kB: CPU us a request',
        length($part) / 1000), cost({ ours => [$ours, "$url$uri"],
        ref => [$files, "${file}part.m4s"] }), limit => 0.85, unit => 'us');

    my $res = $ours->get('http', "${TRACK}index.m3u8");
    write_file("$dir/plain.m3u8", $res->body);

    Bench::row(sprintf('a playlist of %d bytes: CPU us a request',
        length $res->body), cost({ ours => [$ours, "${url}index.m3u8"],
        ref => [$files, "${file}plain.m3u8"] }), limit => 0.75, unit => 'us');

    $res = $ours->get('http', "${TRACK}index.m3u8",
        headers => { 'Accept-Encoding' => 'gzip' });
    die "no gzip\n" unless ($res->header('Content-Encoding') // '') eq 'gzip';
    write_file("$dir/gzip.m3u8", $res->body);

    Bench::row(sprintf('a playlist, gzip, %d bytes: CPU us a request',
        length $res->body), cost({ ours => [$ours, "${url}index.m3u8"],
        ref => [$files, "${file}gzip.m3u8"] }, '-z'), limit => 0.75,
        unit => 'us');

    $push->stop;
    $ours->stop;
    $files->stop;
};
