/* Batches between nodes: see lv_bus.h. */

#include "lv_bus.h"
#include "lv_stream_id.h"
#include "lv_utf8.h"


#define LV_BUS_VERSION    1
#define LV_BUS_LABEL      "live-bus-1"
#define LV_BUS_ITEM_HEAD  3
#define LV_BUS_ENTRY_HEAD (4 + 4 * 8 + 4 + 3 + 2)


/* Kinds that members of other nodes see, or that act upon what they see. All
 * others are sums (reactions) or between a member and the control plane. */
static const bool  carried[LV_ROOM_KINDS] = {
    [LV_ROOM_MESSAGE] = true, [LV_ROOM_QUESTION] = true,
    [LV_ROOM_FLAG] = true, [LV_ROOM_DELETE] = true, [LV_ROOM_CLEAR] = true,
    [LV_ROOM_TIMEOUT] = true, [LV_ROOM_BAN] = true, [LV_ROOM_UNBAN] = true,
    [LV_ROOM_PIN] = true, [LV_ROOM_REVIEW] = true, [LV_ROOM_POLL] = true,
    [LV_ROOM_EVENT] = true
};


unsigned
lv_bus_shard(lv_str_t room)
{
    size_t    i;
    uint32_t  h;

    h = 2166136261u;

    for (i = 0; i < room.len; i++) {
        h = (h ^ room.data[i]) * 16777619u;
    }

    return (h ^ h >> 16) % LV_BUS_SHARDS;
}


/* What came from the control plane, or from another node, is known there. */
bool
lv_bus_carries(const lv_room_entry_t *e)
{
    return e->origin == 0 && !(e->flags & LV_ROOM_REMOTE)
           && e->kind < LV_ROOM_KINDS && carried[e->kind];
}


/* ---- writing ------------------------------------------------------------ */

static uint8_t *
put_bytes(uint8_t *p, lv_str_t s)
{
    if (s.len > 0) {
        memcpy(p, s.data, s.len);
    }

    return p + s.len;
}


static uint8_t *
put_room(uint8_t *p, lv_str_t room)
{
    *p++ = (uint8_t) room.len;

    return put_bytes(p, room);
}


void
lv_bus_begin(lv_bus_batch_t *b, const lv_bus_head_t *head)
{
    uint8_t   *p;
    lv_str_t   node;

    node = head->node;
    node.len = node.len < LV_BUS_NODE_MAX ? node.len : LV_BUS_NODE_MAX;

    p = b->data;
    *p++ = 'L';
    *p++ = 'B';
    *p++ = LV_BUS_VERSION;
    *p++ = (uint8_t) head->shard;
    p = lv_put64(p, head->born);
    p = lv_put64(p, head->seq);
    p = lv_put64(p, head->acked);
    p = lv_put64(p, head->time_ms);
    p = put_room(p, node);

    b->len = (size_t) (p - b->data);
    b->head = b->len;
}


static size_t
item_size(const lv_bus_item_t *item)
{
    const lv_room_entry_t  *e;

    e = &item->e;

    switch (item->type) {

    case LV_BUS_ENTRY:
        return 1 + item->room.len + LV_BUS_ENTRY_HEAD + e->user.len
               + e->subject.len + e->name.len + e->text.len + item->text.len;

    case LV_BUS_PRESENCE:
    case LV_BUS_REACTION:
        return 1 + item->room.len + 4 + item->text.len;

    case LV_BUS_LOST:
        return 1 + item->room.len;

    case LV_BUS_COMMAND:
        return item->text.len;

    default:
        return LV_BUS_SHARDS * 8;
    }
}


static uint8_t *
put_entry(uint8_t *p, const lv_room_entry_t *e)
{
    *p++ = (uint8_t) e->kind;
    *p++ = e->status;
    *p++ = e->flags & LV_ROOM_DELETED;
    *p++ = (uint8_t) e->role;
    p = lv_put64(p, e->id);
    p = lv_put64(p, e->time_ms);
    p = lv_put64(p, e->media_ms);
    p = lv_put64(p, e->target);
    p = lv_put32(p, e->count);
    *p++ = (uint8_t) e->user.len;
    *p++ = (uint8_t) e->subject.len;
    *p++ = (uint8_t) e->name.len;
    p = lv_put16(p, (uint16_t) e->text.len);
    p = put_bytes(p, e->user);
    p = put_bytes(p, e->subject);
    p = put_bytes(p, e->name);

    return put_bytes(p, e->text);
}


int
lv_bus_add(lv_bus_batch_t *b, const lv_bus_item_t *item)
{
    size_t    size;
    uint8_t  *p;
    unsigned  i;

    size = LV_BUS_ITEM_HEAD + item_size(item);

    if (size > LV_BUS_BATCH_MAX - LV_BUS_MAC - b->len) {
        return size > LV_BUS_BATCH_MAX - LV_BUS_MAC - LV_BUS_HEAD_MAX
               ? LV_ERROR : LV_AGAIN;
    }

    p = b->data + b->len;
    *p++ = (uint8_t) item->type;
    p = lv_put16(p, (uint16_t) (size - LV_BUS_ITEM_HEAD));

    switch (item->type) {

    case LV_BUS_ENTRY:
        p = put_room(p, item->room);
        p = put_entry(p, &item->e);
        (void) put_bytes(p, item->text);
        break;

    case LV_BUS_PRESENCE:
    case LV_BUS_REACTION:
        p = put_room(p, item->room);
        p = lv_put32(p, item->n);
        (void) put_bytes(p, item->text);
        break;

    case LV_BUS_LOST:
        (void) put_room(p, item->room);
        break;

    case LV_BUS_COMMAND:
        (void) put_bytes(p, item->text);
        break;

    case LV_BUS_STATE:
        for (i = 0; i < LV_BUS_SHARDS; i++) {
            p = lv_put64(p, item->acked[i]);
        }

        break;
    }

    b->len += size;

    return LV_OK;
}


bool
lv_bus_empty(const lv_bus_batch_t *b)
{
    return b->len == b->head;
}


int
lv_bus_seal(lv_bus_batch_t *b, const lv_nodekeys_t *keys)
{
    lv_str_t  text = { b->data, b->len };

    if (lv_node_seal(keys, LV_BUS_LABEL, text, b->data + b->len) != LV_OK) {
        return LV_ERROR;
    }

    b->len += LV_BUS_MAC;

    return LV_OK;
}


/* ---- reading ------------------------------------------------------------ */

int
lv_bus_open(const lv_nodekeys_t *keys, unsigned shard, lv_str_t text,
    lv_bus_head_t *head, size_t *at, size_t *end)
{
    size_t          least;
    lv_str_t        body;
    const uint8_t  *p;

    least = LV_BUS_HEAD_MAX - LV_BUS_NODE_MAX + LV_BUS_MAC;
    p = text.data;

    if (text.len < least || text.len > LV_BUS_BATCH_MAX
        || p[0] != 'L' || p[1] != 'B' || p[2] != LV_BUS_VERSION)
    {
        return LV_ERROR;
    }

    head->shard = p[3];
    head->born = lv_be64(p + 4);
    head->seq = lv_be64(p + 12);
    head->acked = lv_be64(p + 20);
    head->time_ms = lv_be64(p + 28);
    head->node.len = p[36];
    head->node.data = p + 37;

    if (head->node.len == 0 || head->node.len > LV_BUS_NODE_MAX
        || text.len < least + head->node.len)
    {
        return LV_ERROR;
    }

    *at = 37 + head->node.len;
    *end = text.len - LV_BUS_MAC;
    body.data = p;
    body.len = *end;

    if (head->shard != shard
        || lv_node_sealed(keys, LV_BUS_LABEL, body, p + *end) != LV_OK)
    {
        return LV_DECLINED;
    }

    return head->seq != 0 && head->acked < head->seq ? LV_OK : LV_ERROR;
}


static bool
get_room(lv_str_t *in, lv_str_t *room)
{
    if (in->len < 1 || in->len - 1 < in->data[0]) {
        return false;
    }

    room->len = in->data[0];
    room->data = in->data + 1;
    in->data += 1 + room->len;
    in->len -= 1 + room->len;

    return lv_stream_id_valid(*room);
}


static bool
get_text(lv_str_t *in, size_t len, size_t max, lv_str_t *text)
{
    if (len > max || len > in->len || !lv_utf8_valid(in->data, len)) {
        return false;
    }

    text->data = in->data;
    text->len = len;
    in->data += len;
    in->len -= len;

    return true;
}


static int
get_entry(lv_str_t *in, lv_room_entry_t *e)
{
    const uint8_t  *p;

    if (in->len < LV_BUS_ENTRY_HEAD) {
        return LV_ERROR;
    }

    p = in->data;
    memset(e, 0, sizeof(lv_room_entry_t));
    e->kind = (lv_room_kind_e) p[0];
    e->status = p[1];
    e->flags = p[2];
    e->role = (lv_role_e) p[3];
    e->id = lv_be64(p + 4);
    e->time_ms = lv_be64(p + 12);
    e->media_ms = lv_be64(p + 20);
    e->target = lv_be64(p + 28);
    e->count = lv_be32(p + 36);

    in->data += LV_BUS_ENTRY_HEAD;
    in->len -= LV_BUS_ENTRY_HEAD;

    if (!lv_bus_carries(e) || e->status > LV_ROOM_SHADOW
        || (e->flags & ~LV_ROOM_DELETED) || e->role >= LV_ROLES || e->id == 0
        || !get_text(in, p[40], LV_ROOM_USER_MAX, &e->user)
        || !get_text(in, p[41], LV_ROOM_USER_MAX, &e->subject)
        || !get_text(in, p[42], LV_ROOM_NAME_MAX, &e->name)
        || !get_text(in, lv_be16(p + 43), LV_ROOM_TEXT_MAX, &e->text))
    {
        return LV_ERROR;
    }

    return LV_OK;
}


static int
get_item(lv_str_t in, lv_bus_item_t *item)
{
    unsigned  i;

    switch (item->type) {

    case LV_BUS_ENTRY:
        if (!get_room(&in, &item->room) || get_entry(&in, &item->e) != LV_OK)
        {
            return LV_ERROR;
        }

        return get_text(&in, in.len, LV_BUS_BATCH_MAX, &item->text)
               ? LV_OK : LV_ERROR;

    case LV_BUS_PRESENCE:
    case LV_BUS_REACTION:
        if (!get_room(&in, &item->room) || in.len < 4) {
            return LV_ERROR;
        }

        item->n = lv_be32(in.data);
        in.data += 4;
        in.len -= 4;

        return get_text(&in, in.len, LV_ROOM_REACTION_MAX, &item->text)
               ? LV_OK : LV_ERROR;

    case LV_BUS_LOST:
        return get_room(&in, &item->room) ? LV_OK : LV_ERROR;

    case LV_BUS_COMMAND:
        return get_text(&in, in.len, LV_BUS_COMMAND_MAX, &item->text)
               ? LV_OK : LV_ERROR;

    case LV_BUS_STATE:
        if (in.len < LV_BUS_SHARDS * 8) {
            return LV_ERROR;
        }

        for (i = 0; i < LV_BUS_SHARDS; i++) {
            item->acked[i] = lv_be64(in.data + i * 8);
        }

        return LV_OK;

    default:
        return LV_DECLINED;              /* of a later version */
    }
}


int
lv_bus_next(lv_str_t text, size_t *at, size_t end, lv_bus_item_t *item)
{
    int       rc;
    lv_str_t  in;

    for ( ;; ) {

        if (*at == end) {
            return LV_DECLINED;
        }

        if (end - *at < LV_BUS_ITEM_HEAD) {
            return LV_ERROR;
        }

        item->type = (lv_bus_type_e) text.data[*at];
        in.len = lv_be16(text.data + *at + 1);
        *at += LV_BUS_ITEM_HEAD;

        if (in.len > end - *at) {
            return LV_ERROR;
        }

        in.data = text.data + *at;
        *at += in.len;
        item->text.len = 0;

        rc = get_item(in, item);

        if (rc != LV_DECLINED) {
            return rc;
        }
    }
}
