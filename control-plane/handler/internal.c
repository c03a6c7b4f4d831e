#include "handler/internal.h"

#include "handler/chat_room.h"
#include "http/router.h"

/*
 * Between nodes and us. The handlers look at the bodies themselves: a node of
 * another version may say more, or less, than this one reads.
 */
const route_t  routes_internal[] = {
    { .method = "POST", .path = "/internal/publish", .handler = publish_post,
      .access = ACCESS_NODE, .flags = ROUTE_NO_TX },
    { .method = "POST", .path = "/internal/heartbeat",
      .handler = heartbeat_post, .access = ACCESS_NODE },
    { .method = "POST", .path = "/internal/chat", .handler = chat_push_post,
      .access = ACCESS_NODE },
    { 0 }
};
