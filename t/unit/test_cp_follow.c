/* What a node's report about one stream means, case by case. */

#include "handler/internal.h"
#include "tap.h"


/* A stream that is live on the node, and nothing in the database. */
static follow_facts_t
facts(void)
{
    follow_facts_t  f;

    memset(&f, 0, sizeof(f));
    f.exists = true;
    f.media = true;
    f.found_why = "";

    return f;
}


/* The same with a broadcast that ended. */
static follow_facts_t
ended(const char *why, bool old)
{
    follow_facts_t  f;

    f = facts();
    f.reported = true;
    f.found = "7";
    f.found_here = true;
    f.found_why = why;
    f.found_old = old;

    return f;
}


static void
is(follow_facts_t f, follow_e want, const char *name)
{
    is_int(follow_decide(&f), want, name);
}


static void
test_unknown(void)
{
    follow_facts_t  f;

    f = facts();
    is(f, FOLLOW_OPEN, "live, never asked: a broadcast of its own");

    f.media = false;
    is(f, FOLLOW_NOTHING, "without media it waits");

    f = facts();
    f.barred = true;
    is(f, FOLLOW_KICK, "stopped, or its user suspended: it may not");

    f.media = false;
    is(f, FOLLOW_KICK, "not even before its media");

    f = facts();
    f.exists = false;
    is(f, FOLLOW_NOTHING, "a stream that was never ours");

    f.reported = true;
    is(f, FOLLOW_KICK, "one that was deleted");

    f.ended = true;
    f.media = false;
    is(f, FOLLOW_NOTHING, "which has ended");
}


static void
test_open(void)
{
    follow_facts_t  f;

    f = facts();
    f.found = "7";
    f.found_open = true;
    f.found_here = true;
    f.open = "7";
    f.open_here = true;
    is(f, FOLLOW_LIVE, "its broadcast is live with the first media");

    f.barred = true;
    is(f, FOLLOW_LIVE, "an open one was ended by whoever barred it");

    f.media = false;
    f.barred = false;
    is(f, FOLLOW_NOTHING, "not before");

    f.ended = true;
    is(f, FOLLOW_END, "it ends");

    f.ended = false;
    f.media = true;
    f.found_here = false;
    f.open_here = false;
    is(f, FOLLOW_KICK, "it went to another node");

    f.media = false;
    f.ended = true;
    is(f, FOLLOW_NOTHING, "whose broadcast does not end here");
}


static void
test_other_open(void)
{
    follow_facts_t  f;

    f = facts();
    f.open = "8";
    f.open_here = true;
    f.open_fresh = true;
    is(f, FOLLOW_LIVE, "the one that was just allowed");

    f.open_fresh = false;
    is(f, FOLLOW_OPEN, "one of an epoch that is gone: another one");

    f.open_here = false;
    is(f, FOLLOW_KICK, "one on another node");

    f = ended("encoder stopped", true);
    f.open = "8";
    f.open_here = true;
    is(f, FOLLOW_NOTHING, "an old report beside a new broadcast");

    f.open_here = false;
    is(f, FOLLOW_KICK, "it is live on another node meanwhile");
}


static void
test_ended(void)
{
    size_t           i;
    follow_facts_t   f;

    static const char *const  orders[] = {
        BROADCAST_WHY_STOPPED, BROADCAST_WHY_KICKED, BROADCAST_WHY_DELETED,
        BROADCAST_WHY_SUSPENDED, BROADCAST_WHY_REVOKED, BROADCAST_WHY_MOVED
    };

    static const char *const  silences[] = {
        BROADCAST_WHY_NODE_LOST, BROADCAST_WHY_LOST, BROADCAST_WHY_NO_MEDIA
    };

    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        is(ended(orders[i], false), FOLLOW_KICK, orders[i]);
        is(ended(orders[i], true), FOLLOW_KICK, "however long ago");
    }

    for (i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
        is(ended(silences[i], false), FOLLOW_LIVE, silences[i]);
        is(ended(silences[i], true), FOLLOW_LIVE, "however long ago");
    }

    is(ended("encoder stopped", false), FOLLOW_NOTHING, "a late report");
    is(ended("encoder stopped", true), FOLLOW_LIVE, "a node that insists");

    f = ended("encoder stopped", true);
    f.media = false;
    is(f, FOLLOW_NOTHING, "without media there is nothing to insist on");

    f.ended = true;
    is(f, FOLLOW_NOTHING, "both say that it has ended");

    f = ended(BROADCAST_WHY_KICKED, true);
    f.media = false;
    f.ended = true;
    is(f, FOLLOW_NOTHING, "it was kicked, and has ended");
}


int
main(void)
{
    test_unknown();
    test_open();
    test_other_open();
    test_ended();

    return done_testing();
}
