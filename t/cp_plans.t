#!/usr/bin/perl

# No query that the daemon prepares reads a large table from end to end: the
# plans that PostgreSQL makes of them, for any parameters, over 20,000 streams.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use Live::Control;

my $cp = Live::Control->new;
my ($rc, $text) = $cp->run('--queries');

is($rc, 0, 'the daemon lists its queries');

my @queries = @{ decode_json($text) };

# Not among these: what stays small in any installation (nodes, keys that sign,
# counters, timers), and the audit log's partitions of months to come.
my $month = $cp->sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')");
my $day = $cp->sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')");
my $large = qr/(?:users|sessions|session_tokens|api_tokens|follows|blocks
    |streams|stream_\w+|broadcasts|live_streams|reports|playback_sessions
    |audit_log_$month|chat_messages_$day|chat_(?:rooms|words|bans|notes|flags
    |polls|votes|questions|upvotes|likes|like_counts|reactions)
    |login_failures|subscriptions|chat_reviews|idempotency_keys|webhooks
    |webhook_deliveries)/x;

$cp->sql(<<'EOS');
INSERT INTO users (id, username, email) SELECT i, 'seed' || i,
    'seed' || i || '@example.org' FROM generate_series(1001, 11000) i;
INSERT INTO follows (follower_id, user_id)
    SELECT 1001 + i % 9999, 1001 + (i * 7) % 10000
    FROM generate_series(1, 20000) i
    WHERE 1001 + i % 9999 <> 1001 + (i * 7) % 10000 ON CONFLICT DO NOTHING;
INSERT INTO subscriptions (user_id, subscriber_id, until)
    SELECT user_id, follower_id, CASE WHEN follower_id % 3 = 0
        THEN now() + interval '1 day' END FROM follows;
INSERT INTO blocks (user_id, blocked_id)
    SELECT i, i + 1 FROM generate_series(1001, 10999) i;
INSERT INTO sessions (user_id, expires_at) SELECT 1001 + i % 10000,
    now() + make_interval(mins => i) FROM generate_series(1, 20000) i;
INSERT INTO session_tokens (hash, session_id)
    SELECT sha256(id::text::bytea), id FROM sessions;
INSERT INTO api_tokens (user_id, name, hash, scopes) SELECT 1001 + i % 10000,
    'x', sha256(i::text::bytea), '{streams:read}'
    FROM generate_series(1, 10000) i;
INSERT INTO login_failures (kind, value)
    SELECT 'addr', '10.' || i FROM generate_series(1, 10000) i;
INSERT INTO streams (id, user_id, title, description, category, tags, status,
        visibility, scheduled_at, created_at)
    SELECT 'seed' || i, 1001 + i % 10000,
        (ARRAY['Evening', 'Morning', 'Speedrun', 'Chess', 'Guitar', 'Cooking',
               'Painting', 'Football'])[1 + i % 8] || ' part ' || i,
        'A stream about ' || md5(i::text),
        (ARRAY['games', 'music', 'art', 'sports', 'talk'])[1 + i % 5],
        ARRAY['tag' || i % 503, 'kind' || i % 7],
        CASE i % 10 WHEN 0 THEN 'live' WHEN 1 THEN 'scheduled'
            ELSE 'ended' END,
        CASE i % 20 WHEN 3 THEN 'private' WHEN 7 THEN 'unlisted'
            WHEN 9 THEN 'followers' ELSE 'public' END,
        now() + make_interval(mins => i % 10000 - 1000),
        now() - make_interval(mins => i)
    FROM generate_series(1, 20000) i;
INSERT INTO stream_members (stream_id, user_id, role)
    SELECT 'seed' || i, 1001 + (i + 1) % 10000, 'moderator'
    FROM generate_series(1, 20000) i;
INSERT INTO stream_viewers (stream_id, user_id)
    SELECT 'seed' || 1 + i % 20000, 1001 + (i * 3) % 10000
    FROM generate_series(1, 20000) i;
INSERT INTO stream_keys (stream_id, hash)
    SELECT id, sha256(id::bytea) FROM streams;
INSERT INTO nodes (id, rtmp_url) SELECT 'node' || i, 'rtmp://n' || i || '/live'
    FROM generate_series(1, 5) i;
INSERT INTO broadcasts (stream_id, user_id, node_id, epoch, started_at,
        ended_at)
    SELECT id, user_id, 'node' || 1 + length(title) % 5, 1, now(),
        CASE WHEN status <> 'live' THEN now() END FROM streams;
INSERT INTO live_streams (stream_id, broadcast_id, node_id, viewers)
    SELECT stream_id, id, node_id, id % 997 FROM broadcasts
    WHERE ended_at IS NULL;
INSERT INTO playback_sessions (jti, stream_id, user_id, subject, expires_at)
    SELECT 'jti' || i, 'seed' || 1 + i % 20000, 1001 + i % 10000,
        (1001 + i % 10000)::text, now() + make_interval(mins => i % 600)
    FROM generate_series(1, 20000) i;
INSERT INTO reports (reporter_id, stream_id, user_id, reason, status)
    SELECT 1001 + i % 10000, 'seed' || 1 + i % 20000, 1001 + (i + 5) % 10000,
        'spam', CASE i % 20 WHEN 0 THEN 'open' ELSE 'resolved' END
    FROM generate_series(1, 10000) i ON CONFLICT DO NOTHING;
INSERT INTO audit_log (actor_id, action, object, object_id)
    SELECT 1001 + i % 10000, 'stream.update', 'stream', 'seed' || i
    FROM generate_series(1, 20000) i;
INSERT INTO idempotency_keys (id, request_hash)
    SELECT sha256(i::text::bytea), sha256('x')
    FROM generate_series(1, 10000) i;
INSERT INTO webhooks (id, user_id, url, events, sealed, platform)
    SELECT i, 1000 + i, 'https://example.org/', '{stream.live}', 'x',
        i % 1000 = 0 FROM generate_series(1, 10000) i;
INSERT INTO webhook_deliveries (webhook_id, event_id, event, payload, status)
    SELECT 1 + i % 10000, 'e' || i, 'stream.live', '{}',
        CASE i % 100 WHEN 0 THEN 'pending' ELSE 'delivered' END
    FROM generate_series(1, 30000) i;
INSERT INTO chat_messages (stream_id, id, kind, user_id, subject,
        message_text, "timestamp", status)
    SELECT 'seed' || 1 + i % 500, chat_id(now()) + i, 'message',
        1001 + i % 10000, (1001 + i % 10000)::text, 'hello', now(),
        CASE WHEN i % 100 = 0 THEN 'held' ELSE 'ok' END
    FROM generate_series(1, 50000) i;
DELETE FROM chat_rooms;
INSERT INTO chat_rooms (stream_id, version, keep_days)
    SELECT 'seed' || i, i, CASE WHEN i % 1000 = 0 THEN 3 END
    FROM generate_series(1, 20000) i;
UPDATE counters SET value = 20000 WHERE name = 'chat_rooms';
INSERT INTO chat_reviews (stream_id, url, on_timeout, sealed)
    SELECT 'seed' || i, 'https://example.org/', 'deny', 'v1.k1.x'
    FROM generate_series(1, 20000) i;
INSERT INTO stream_passphrases (stream_id, sealed)
    SELECT 'seed' || i, 'v1.k1.x' FROM generate_series(1, 20000) i;
INSERT INTO chat_words (list, word, kind, action)
    SELECT 's:seed' || i % 200, 'word' || i, 'exact', 'block'
    FROM generate_series(1, 20000) i;
INSERT INTO chat_bans (stream_id, kind, value, until)
    SELECT 'seed' || 1 + i % 500, 'sub', i::text,
        CASE WHEN i % 2 = 0 THEN now() + make_interval(mins => i) END
    FROM generate_series(1, 20000) i;
INSERT INTO chat_notes (stream_id, user_id, text)
    SELECT 'seed' || 1 + i % 500, 1001 + i % 10000, 'x'
    FROM generate_series(1, 20000) i;
INSERT INTO chat_flags (stream_id, message_id, subject, done_at)
    SELECT 'seed' || 1 + i % 500, i, 'x', CASE WHEN i % 10 > 0 THEN now() END
    FROM generate_series(1, 20000) i;
INSERT INTO chat_polls (id, stream_id, question, choices, closed_at, correct)
    SELECT i, 'seed' || 1 + i % 20000, '?', '["a", "b"]',
        CASE WHEN i % 100 > 0 THEN now() END, i % 2
    FROM generate_series(1, 20000) i;
INSERT INTO chat_votes (poll_id, subject, choice)
    SELECT 1 + i % 20000, i::text, i % 2 FROM generate_series(1, 50000) i;
INSERT INTO chat_questions (stream_id, id, upvotes)
    SELECT 'seed' || 1 + i % 500, i, i % 97 FROM generate_series(1, 20000) i;
INSERT INTO chat_upvotes (stream_id, message_id, subject)
    SELECT stream_id, id, 'x' FROM chat_questions;
INSERT INTO chat_likes (stream_id, subject)
    SELECT 'seed' || 1 + i % 500, i::text FROM generate_series(1, 20000) i;
INSERT INTO chat_reactions (stream_id, hour, reaction, count)
    SELECT 'seed' || 1 + i % 500, now() + make_interval(hours => i / 500),
        'x', 1 FROM generate_series(1, 20000) i;
VACUUM ANALYZE;
EOS

cmp_ok(scalar @queries, '>', 20, scalar(@queries) . ' queries are registered');

# Lists with filters that may be absent. PostgreSQL sees that a plan for any
# parameters is much worse than one for those given, and goes on making the
# latter: it is asked for its seventh.
my %filters = (
    admin_reports_list => [
        "'open', NULL, NULL, NULL, 21", 'NULL, 1500, NULL, NULL, 21',
        'NULL, NULL, NULL, NULL, 21', 'NULL, NULL, NULL, 5000, 21',
    ],
);

sub plan_of {
    my ($q, $mode, $times, $args) = @_;

    return $cp->sql("SET plan_cache_mode = $mode; PREPARE q AS $q->{sql};"
        . join(' ', ('EXPLAIN EXECUTE q' . ($args ne '' ? "($args)" : '')
            . ';') x $times));
}

my %seen;

for my $q (sort { $a->{name} cmp $b->{name} } @queries) {
    is($seen{ $q->{name} }++, 0, "$q->{name} is one query's name")
        if $seen{ $q->{name} };

    for my $args (@{ $filters{ $q->{name} } // [''] }) {
        my $name = $q->{name} . ($args ne '' ? " ($args)" : '');
        my $plan = eval { $args ne '' ? plan_of($q, 'auto', 7, $args)
            : plan_of($q, 'force_generic_plan', 1,
                join ', ', ('NULL') x $q->{params}) };

        if (!defined $plan) {
            fail("$name is prepared");
            diag($@);
            next;
        }

        my @whole = $plan =~ /Seq Scan on ($large)\b/g;

        is_deeply(\@whole, [], "$name goes by indexes") or diag($plan);
    }
}

$cp->finish;
done_testing;
