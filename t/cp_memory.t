#!/usr/bin/perl

# Memory is flat: reads, writes and errors of all kinds, again and again, and
# the daemon is as large as it was when each had been seen a few thousand times.
#
# MEMORY_REQUESTS=1000000 prove -It/lib t/cp_memory.t is the long run. With
# sanitizers what grows is theirs; there the end of the process tells of leaks.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Nginx qw(read_file repo_dir);

my $load = ($ENV{BUILD} // repo_dir() . '/build') . '/tools/api_load';
plan skip_all => 'api_load is not built' unless -x $load;

my $wanted = $ENV{MEMORY_REQUESTS} // 50_000;
my $GROWTH_KIB = 3072;          # what allocators move about in

my $cp = Live::Control->new->start;
my $ann = $cp->register('ann');
my $node_key = $cp->node_key_file;

$cp->sql(<<'EOQ');
INSERT INTO streams (id, user_id, title, description, tags)
 SELECT 's' || i, 1, 'Stream number ' || i, repeat('words ', 50), '{a,b}'
   FROM generate_series(1, 300) i;
INSERT INTO stream_keys (stream_id, hash)
 SELECT 's' || i, sha256(convert_to('key' || i, 'UTF8'))
   FROM generate_series(1, 300) i;
INSERT INTO nodes (id, last_seen_at) VALUES ('n', now() + interval '1 day');
EOQ

my $auth = "Authorization: Bearer $ann->{token}";

# [requests' share, arguments]: long and short answers, each kind of end.
my @KINDS = (
    [ '/api/streams/live' ],
    [ '-r', 300, '/api/streams/s%d' ],
    [ '/api/streams?q=number&limit=50' ],
    [ '/api/streams?q=nmber' ],
    [ '-H', $auth, '/api/auth/sessions' ],
    [ '-H', $auth, '-r', 300, '/api/streams/s%d/keys' ],
    [ '-m', 'POST', '-r', 300, '/api/streams/s%d/token' ],
    [ '-m', 'POST', '-H', $auth, '-b', '{"ttl_s":60}',
        '/api/streams/s1/publish-token' ],
    [ '-m', 'PATCH', '-H', $auth, '-b', '{"bio":"number %d"}', '-r', 9999,
        '/api/users/me' ],
    [ '-m', 'PATCH', '-H', $auth, '-r', 300,
        '-b', '{"tags":["x","y"],"settings":{"part_ms":200}}',
        '/api/streams/s%d' ],
    [ '-m', 'POST', '-k', $node_key, '-r', 300,
        '-b', '{"node":"n","credential":"key%d","protocol":"rtmp"}',
        '/internal/publish' ],
    [ '-m', 'POST', '-k', $node_key,
        '-b', '{"node":"n","credential":"no such key"}', '/internal/publish' ],
    # refused: no route, no login, no token, no JSON, no such field, a value
    [ '/api/no/such/route/%d' ],
    [ '/api/auth/tokens' ],
    [ '-H', 'Authorization: Bearer eyJ.e30.x', '/api/streams' ],
    [ '-m', 'POST', '-b', '{"a":[[[{"b":"', '/api/auth/refresh' ],
    [ '-m', 'POST', '-H', $auth, '-b', '{"title":"x","no_such":1}',
        '/api/streams' ],
    [ '-m', 'PATCH', '-H', "$auth\r\nIf-Match: \"0\"", '-b', '{"bio":"x"}',
        '/api/users/me' ],
    [ '-m', 'DELETE', '-H', $auth, '-r', 9999, '/api/auth/tokens/%d' ],
    [ '/api/streams?cursor=WyIxIiwiMiIsIjMiXQ' ],
    [ '-m', 'POST', '/internal/heartbeat' ],
    [ '/metrics' ],
);

sub rss_kib {
    my ($kib) = read_file('/proc/' . $cp->pid . '/status')
        =~ /^RssAnon:\s+(\d+)/m;
    return $kib;
}

my ($done, $failed, $rounds, @sizes) = (0, 0, 0);
my $seconds = $wanted > 100_000 ? 1 : 0.2;

while ($done < $wanted || $rounds < 4) {
    for my $kind (@KINDS) {
        # the tool's own memory is its end's to free
        local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
        my ($path, @args) = reverse @$kind;
        open my $fh, '-|', $load, '-c', 4, '-t', $seconds, reverse(@args),
            $cp->url . $path or die "$load: $!\n";
        my $line = <$fh> // '';
        close $fh;

        my %got = $line =~ /(\w+)=(\d+)/g;
        if (!%got || $got{status} >= 500) {
            $failed++;
            diag "@$kind: $line";
        }
        $done += ($got{requests} // 0) + ($got{bad} // 0);
    }

    push @sizes, [ $done, rss_kib() ];
    note "$done requests: $sizes[-1][1] KiB";
    $rounds++;
}

ok($done >= $wanted, "$done requests");
is($failed, 0, 'none ended with a 5xx');

# from a fifth of the way on
my ($from) = grep { $_->[0] >= $done / 5 } @sizes;
my $growth = $sizes[-1][1] - $from->[1];

SKIP: {
    skip 'sanitizers', 1 if $ENV{LIVE_ASAN};
    ok($growth < $GROWTH_KIB, "memory is flat: $growth KiB more after "
        . ($sizes[-1][0] - $from->[0]) . ' requests');
}

diag "RSS: $from->[1] KiB at $from->[0], $sizes[-1][1] KiB at $sizes[-1][0]";

$cp->finish;
done_testing;
