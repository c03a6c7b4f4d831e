#!/usr/bin/perl

# Streams are found: what is live, by words, filters and schedule; and what is
# not public is found by its owner alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Person;

my $cp = Live::Control->new->start;
my $ann = person($cp, 'ann');
my $bob = person($cp, 'bob');
my $mod = person($cp, 'mod', role => 'moderator');
my $anyone = anyone($cp);

sub stream {
    my ($who, $id, %with) = @_;
    my $res = $who->post('/streams', { id => $id, title => $id, %with });
    die $res->body unless $res->status == 201;
}

sub live {
    my ($id, $viewers) = @_;
    $cp->sql("UPDATE streams SET status = 'live', start_time = now()"
        . " WHERE id = '$id'");
    $cp->sql("INSERT INTO broadcasts (stream_id, user_id, node_id, started_at)"
        . " SELECT id, user_id, 'n1', now() FROM streams WHERE id = '$id'");
    $cp->sql("INSERT INTO live_streams (stream_id, broadcast_id, node_id,"
        . " viewers) SELECT stream_id, id, node_id, $viewers FROM broadcasts"
        . " WHERE stream_id = '$id'");
}

sub hours {
    my ($n) = @_;
    return $cp->sql("SELECT to_char(now() AT TIME ZONE 'UTC' + interval"
        . " '$n hours', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");
}

# The ids of a list, page by page.
sub found {
    my ($who, $path, $limit) = @_;
    my ($cursor, @ids) = ('');
    my $sep = $path =~ /\?/ ? '&' : '?';

    for (1 .. 50) {
        my $res = $who->get($path . $sep . 'limit=' . ($limit // 100)
            . $cursor);
        return "status " . $res->status . ' ' . $res->body
            if $res->status != 200;
        push @ids, map { $_->{id} } @{ $res->json->{items} };
        return join ' ', @ids unless defined $res->json->{next};
        $cursor = '&cursor=' . $res->json->{next};
    }

    return "no end: @ids";
}

stream($ann, 'guitar', title => 'Guitar lesson for beginners',
    category => 'Music', tags => ['guitar', 'lesson']);
stream($ann, 'chess', title => 'Blitz chess', category => 'games',
    tags => ['chess'], description => 'openings and a little guitar');
stream($bob, 'piano', title => 'Piano at night', category => 'music',
    tags => ['piano', 'lesson']);
stream($bob, 'run', title => 'Speedrun any%', category => 'games');
stream($bob, 'idle', title => 'Nothing on');
stream($bob, 'hidden', title => 'Guitar in private', category => 'music',
    tags => ['guitar'], visibility => 'private');
stream($bob, 'link', title => 'Guitar by link', category => 'music',
    tags => ['guitar'], visibility => 'unlisted');
stream($bob, 'fans', title => 'Guitar for fans', category => 'music',
    tags => ['guitar'], visibility => 'followers');
live($_->[0], $_->[1]) for ['chess', 5], ['piano', 50], ['run', 5],
    ['hidden', 1000], ['link', 1000], ['fans', 1000];

# ---- live

is(found($anyone, '/streams/live'), 'piano run chess', 'live ones, by viewers');
is(found($anyone, '/streams/live', 1), 'piano run chess', 'one a page');
is($anyone->get('/streams/live')->json->{items}[0]{viewers}, 50,
    'with their viewers');
is($anyone->get('/streams/live')->json->{items}[0]{user}{username}, 'bob',
    'and their owner');
is(found($bob, '/streams/live'), 'piano run chess',
    "own ones that are not public are in nobody's list of live ones");

# ---- all

my $all = 'piano run chess idle guitar';

is(found($anyone, '/streams'), $all, 'live ones first, then the newest');
is(found($anyone, '/streams', 1), $all, 'one a page, across both orders');
is(found($anyone, '/streams', 2), $all, 'two a page');
is(found($mod, '/streams'), $all, 'the same for a moderator');

# ---- filters

is(found($anyone, '/streams?category=music'), 'piano guitar', 'a category');
is(found($anyone, '/streams?category=MUSIC', 1), 'piano guitar',
    'in whatever case');
is(found($anyone, '/streams?tag=lesson'), 'piano guitar', 'a tag');
is(found($anyone, '/streams?tag=lesson&category=games'), '', 'both');
is(found($anyone, '/streams?user=' . $bob->id), 'piano run idle',
    "somebody's, as far as they are public");
is(found($bob, '/streams?user=' . $bob->id, 2),
    'link hidden fans piano run idle', 'one sees all of their own');
is(found($ann, '/streams?user=' . $bob->id), 'piano run idle',
    "nobody else's");
is(found($anyone, '/streams?user=' . $bob->id . '&q=piano'), 'piano',
    "words in somebody's");

# ---- words

is(found($anyone, '/streams?q=guitar'), 'chess guitar',
    'in title and description');
is(found($anyone, '/streams?q=guitar+lesson'), 'guitar', 'all words');
is(found($anyone, '/streams?q=piano+or+blitz'), 'piano chess', 'or any');
is(found($anyone, '/streams?q=guitar+-lesson'), 'chess', 'and not');
is(found($anyone, '/streams?q=guitar&category=music'), 'guitar',
    'in a category');
is(found($anyone, '/streams?q=gitar'), 'guitar', 'mistyped: what looks alike');
is(found($anyone, '/streams?q=speedrunn', 1), 'run', 'also what is live');
is(found($anyone, '/streams?q=zzzzzz'), '', 'nothing');
is(found($anyone, '/streams?q=%22%27%28%29%26%7C%21%3A%2A%5C'), '',
    'nothing but signs');
is(found($anyone, "/streams?q=%27%3B+DROP+TABLE+streams%3B--"), '',
    'SQL is words');

# ---- schedule

stream($ann, 'soon', scheduled_at => hours(1), category => 'talk');
stream($bob, 'later', scheduled_at => hours(48));
stream($bob, 'secret', scheduled_at => hours(2), visibility => 'private');
stream($bob, 'late', scheduled_at => hours(3));
$cp->sql("UPDATE streams SET scheduled_at = now() - interval '20 minutes'"
    . " WHERE id = 'late'");

is(found($anyone, '/streams?upcoming=true'), 'late soon later',
    'what is announced, in its order');
is(found($anyone, '/streams?upcoming=true', 1), 'late soon later',
    'one a page');
is(found($anyone, '/streams?upcoming=true&category=talk'), 'soon',
    'in a category');
is(found($anyone, '/streams?upcoming=true&user=' . $bob->id), 'late later',
    "somebody's");
is(found($bob, '/streams?upcoming=true&user=' . $bob->id),
    'late secret later', 'one sees all of their own');

# ---- suspended

$cp->sql("UPDATE users SET suspended_at = now() WHERE username = 'bob'");
is(found($anyone, '/streams/live'), 'chess',
    'a suspended user is in no list');
is($anyone->get('/streams/piano')->status, 404, 'nor found by id');
$cp->sql("UPDATE users SET suspended_at = NULL WHERE username = 'bob'");

# ---- admin

is(found($mod, '/admin/streams?live=true', 2),
    'link hidden fans piano run chess',
    'a moderator of the platform sees all that is live');
is(found($mod, '/admin/streams?live=true&node=n2'), '', 'by node');
is($mod->get('/admin/streams?live=true&q=x')->status, 422,
    'words do not go with it');
is(found($mod, '/admin/streams?live=true&node=n1', 2),
    'link hidden fans piano run chess', 'on this one');
is(found($mod, '/admin/streams?q=private'), 'hidden', 'by words');
is(found($mod, '/admin/streams?user=' . $bob->id, 3),
    'late secret later fans link hidden idle run piano', 'by owner');
like(found($ann, '/admin/streams'), qr/^status 403/, 'nobody else');

# ---- what is wrong

for my $query ('limit=0', 'limit=101', 'limit=x', 'cursor=x', 'sort=id',
    'upcoming=maybe', 'user=ann', 'q=', 'q=' . 'x' x 201, 'tag=%00',
    'cursor=WyJhIiwiYiIsImMiXQ', 'cursor=WyIxIiwieCIsInkiXQ')
{
    my $status = $anyone->get("/streams?$query")->status;
    ok($status == 400 || $status == 422, "?$query is refused ($status)");
}

$cp->finish;
done_testing;
