/*
 * What may be said in a room, and who is banned: checked against what
 * _settings.c has read. Moderators are above all of this but the length.
 */

#include "ngx_live_chat.h"
#include "ngx_live_limit.h"


/* ---- bans --------------------------------------------------------------- */

/* Asked once for each change of the room's bans. */
ngx_uint_t
ngx_live_chat_banned(ngx_live_chat_member_t *m)
{
    size_t                 len;
    u_char                *ip;
    lv_str_t               user, device, addr;
    uint64_t               now, until;
    uint32_t               version;
    lv_store_t            *st;
    ngx_live_chat_room_t  *room;

    st = ngx_live_store();
    room = m->room;

    if (st == NULL || room == NULL) {
        return LV_BAN_NONE;
    }

    now = ngx_live_now_ms();
    version = lv_room_bans_version(room->room);

    if (m->bans != version || !m->bans_known) {
        user.data = m->user.data;
        user.len = m->user.len;
        device.data = m->device.data;
        device.len = m->device.len;
        ip = ngx_live_sockaddr_ip(m->connection->sockaddr, &len);
        addr.data = ip;
        addr.len = ip ? len : 0;

        m->banned = (uint8_t) lv_room_banned(st, room->room, room->gen, user,
                                             device, addr, now, &until);
        m->banned_until = until;
        m->bans = version;
        m->bans_known = 1;
    }

    if (m->banned != LV_BAN_NONE && m->banned_until != 0
        && m->banned_until <= now)
    {
        m->bans_known = 0;               /* a lighter one may go on */
        m->banned = LV_BAN_NONE;
    }

    return m->banned;
}


/* ---- a text ------------------------------------------------------------- */

static const char *
ngx_live_chat_words_check(ngx_live_chat_rules_t *rules, lv_str_t *said,
    uint8_t *status, const char **text)
{
    const lv_words_t   *sets[2];
    lv_words_result_t   found;

    sets[0] = ngx_live_chat_words_of_all();
    sets[1] = rules->words;

    if (sets[0] == NULL && sets[1] == NULL) {
        return NULL;
    }

    lv_words_check(sets, 2, *said, &found);

    switch (found.action) {

    case LV_WORDS_BLOCK:
        *text = "This room does not take that word.";
        return "blocked";

    case LV_WORDS_HOLD:
        *status = LV_ROOM_HELD;
        break;

    case LV_WORDS_MASK:
        said->len = lv_words_mask(sets, 2, (uint8_t *) said->data, said->len);
        break;

    default:
        break;
    }

    return NULL;
}


static const char *
ngx_live_chat_style_check(ngx_live_chat_member_t *m, lv_str_t *said,
    uint8_t *status, const char **text)
{
    ngx_live_chat_rules_t  *rules;

    rules = &m->room->rules;

    if (m->role < rules->least) {
        *text = rules->least == LV_ROLE_FOLLOWER
                ? "Only followers may write here now."
                : "Only subscribers may write here now.";
        return "members_only";
    }

    if (rules->emotes && !lv_chat_text_emotes_only(*said)) {
        *text = "Only emotes may be sent here now.";
        return "emotes_only";
    }

    if (!rules->links && lv_chat_text_has_link(*said)) {
        *text = "This room takes no links.";
        return "links";
    }

    if (rules->hold) {
        *status = LV_ROOM_HELD;
    }

    return ngx_live_chat_words_check(rules, said, status, text);
}


/* Slow mode, and what was said before. */
static const char *
ngx_live_chat_again_check(ngx_live_chat_member_t *m, lv_str_t *said,
    const char **text, uint64_t *retry_ms)
{
    bool                    same;
    size_t                  n;
    uint8_t                 folded[LV_CHAT_TEXT_BYTES];
    uint64_t                hash;
    lv_store_t             *st;
    ngx_live_chat_rules_t  *rules;

    rules = &m->room->rules;

    if (rules->slow_ms == 0 && !rules->unique) {
        return NULL;
    }

    st = ngx_live_store();
    hash = 0;

    if (rules->unique) {
        n = lv_fold_text(*said, folded, sizeof(folded));
        hash = lv_room_hash(st, folded, n, 3);
    }

    *retry_ms = lv_room_writes(st, m->room->room, m->author, hash,
                               m->role >= LV_ROLE_VIP ? 0 : rules->slow_ms,
                               ngx_live_now_ms(), &same);
    if (*retry_ms) {
        *text = "This room is in slow mode.";
        return "slow_mode";
    }

    if (same) {
        *text = "You have just said that.";
        return "not_unique";
    }

    return NULL;
}


const char *
ngx_live_chat_rules_check(ngx_live_chat_member_t *m, lv_str_t *said,
    size_t chars, uint8_t *status, const char **text, uint64_t *retry_ms)
{
    const char  *code;

    *retry_ms = 0;
    ngx_live_chat_rules(m->room);

    if (chars > m->room->rules.max_length) {
        *text = "The message is too long.";
        return "too_long";
    }

    if (m->role >= LV_ROLE_MODERATOR) {
        return NULL;
    }

    code = ngx_live_chat_style_check(m, said, status, text);

    return code ? code : ngx_live_chat_again_check(m, said, text, retry_ms);
}
