# The API over 100,000 streams, of which 10,000 are live: how long a request
# takes beside the same prepared query in pgbench, as many clients, against the
# same database in the same run. And the control plane's own CPU time for a
# viewer token.

package Bench::Control;

use strict;
use warnings;

use JSON::PP;
use List::Util qw(max);
use POSIX ();

use Live::Control;
use Live::Nginx qw(read_file write_file);

my $STREAMS = 100_000;
my $CLIENTS = 8;

my $SEED = <<"EOS";
INSERT INTO users (id, username, display_name)
    SELECT i, 'user' || i, 'User ' || i FROM generate_series(1001, 21000) i;
INSERT INTO streams (id, user_id, title, description, category, tags, status,
        visibility, created_at, armed_at)
    SELECT 'seed' || i, 1001 + i % 20000, 'Stream number ' || i,
        'About ' || md5(i::text),
        (ARRAY['games', 'music', 'art', 'sports', 'talk'])[1 + i % 5],
        ARRAY['tag' || i % 500],
        CASE WHEN i % 10 = 0 THEN 'live' ELSE 'ready' END, 'public',
        now() - make_interval(mins => i), now()
    FROM generate_series(1, $STREAMS) i;
INSERT INTO stream_keys (stream_id, hash)
    SELECT id, sha256(('key-' || id)::bytea) FROM streams;
INSERT INTO nodes (id, rtmp_url, last_seen_at)
    VALUES ('n1', 'rtmp://n1/live', now() + interval '1 day');
INSERT INTO broadcasts (stream_id, user_id, title, node_id, started_at,
        last_seen_at)
    SELECT id, user_id, title, 'n1', now(), now() + interval '1 day'
    FROM streams WHERE status = 'live';
INSERT INTO live_streams (stream_id, broadcast_id, node_id, viewers,
        last_seen_at)
    SELECT stream_id, id, 'n1', id % 997, now() + interval '1 day'
    FROM broadcasts;
VACUUM ANALYZE;
EOS

# What is asked: the query's name, its parameters as SQL over pgbench's
# variables (:i is a random stream; a variable is a parameter, as ours are), the
# request that leads to it ("%d" for the stream).
my @ASKED = (
    {
        what   => 'GET /streams/live',
        query  => 'live',
        params => [':first', ':none'],
        args   => ['/api/streams/live'],
    },
    {
        what   => 'GET /streams/{id}',
        query  => 'stream_show',
        params => ["'seed' || :i::integer", ':nobody', ':no'],
        args   => ['/api/streams/seed%d'],
    },
    {
        what   => 'POST /internal/publish',
        query  => 'publish_key',
        params => ['NULL', "'n1'", "'rtmp'", "'10.0.0.1'", 'NULL',
            q{encode(sha256(('key-seed' || :i::integer)::bytea), 'hex')},
            q{encode(sha256(('key-seed' || :i::integer)::bytea), 'hex')}],
        args   => ['-m', 'POST', '-b', '{"node":"n1","protocol":"rtmp",'
            . '"addr":"10.0.0.1","stream":null,"encoder":null,'
            . '"credential":"key-seed%d"}', '/internal/publish'],
        signed => 1,
    },
);

my $seconds = $Bench::SECONDS / 6;

# Queries a second.
sub pgbench {
    my ($cp, $sql, $params) = @_;
    my $pg = $cp->postgres;
    my $file = $pg->dir . '/pgbench.sql';

    # pgbench takes what follows a colon for a variable
    $sql =~ s/HH24:MI/HH24.MI/g;
    $sql =~ s/\$(\d+)/$params->[$1 - 1]/g;

    write_file($file, "\\set i random(1, $STREAMS)\n"
        . "\\set first 2147483647\n\\set none 0\n\\set nobody 0\n"
        . "\\set no 0\n$sql;\n");
    chmod 0644, $file;

    my $out = $pg->run('pgbench', '-n', '-M', 'prepared', '-c', $CLIENTS,
        '-j', 2, '-T', $seconds < 1 ? 1 : int $seconds, '-f', $file,
        '-h', $pg->dir, '-p', $pg->port, '-U', 'postgres', 'live');

    return $out =~ /tps = ([\d.]+)/ ? $1 : die "pgbench: $out\n";
}

# Requests a second.
sub requests {
    my ($cp, @args) = @_;
    my $path = pop @args;
    my $got = Bench::tool('api_load', '-c', $CLIENTS, '-t', $seconds,
        '-r', $STREAMS, @args, $cp->url . $path)->end;

    die "$path: $got->{bad} of $got->{requests} failed with $got->{status}\n"
        if $got->{bad} || !$got->{requests};

    return $got->{requests} / $got->{seconds};
}

# CPU seconds of the daemon, user and system, so far.
sub cpu {
    my ($cp) = @_;
    my $stat = read_file('/proc/' . $cp->pid . '/stat');
    my @field = split ' ', $stat =~ s/.*\) //sr;

    return ($field[11] + $field[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

return sub {
    my $cp = Live::Control->new(conf => { threads => $CLIENTS },
        pg => { conf => { shared_buffers => '512MB' } });
    my ($rc, $text) = $cp->run('--queries');
    my %sql = map { $_->{name} => $_->{sql} } @{ decode_json($text) };

    $cp->sql($SEED);
    $cp->start;

    # the best of several rounds, in turn: a busy moment of the machine counts
    # for neither
    for my $asked (@ASKED) {
        my ($ours, $theirs) = (0, 0);
        my @args = ($asked->{signed} ? ('-k', $cp->node_key_file) : (),
            @{ $asked->{args} });

        for (1 .. 4) {
            $theirs = max($theirs, pgbench($cp, $sql{ $asked->{query} },
                $asked->{params}));
            $ours = max($ours, requests($cp, @args));
        }

        Bench::row("$asked->{what}: us a request, $CLIENTS clients",
            ours => 1e6 / $ours, ref => 1e6 / $theirs, limit => 2,
            unit => 'us');
    }

    my $before = cpu($cp);
    my $rate = requests($cp, '-m', 'POST', '-b', '{}',
        '/api/streams/seed%d/token');
    my $spent = cpu($cp) - $before;

    Bench::note(sprintf 'viewer tokens: %.0f a second', $rate);
    Bench::row('a viewer token: CPU us of the control plane',
        ours => 1e6 * $spent / ($rate * $seconds), limit => 200, unit => 'us');

    $cp->finish;
};
