/*
 * Names: who has no account says one, and nobody is to be taken for another.
 *
 * A guest's name that looks like that of the owner, of somebody who moderates,
 * or like a title is refused. One that looks like that of somebody who is here
 * gets a mark behind it, and so does a display name of an account that looks
 * like the staff's: "Ann #17", by the account's number or, of guests, by what
 * they are known by. No name has that sign of itself.
 */

#include "ngx_live_chat.h"
#include "ngx_live_limit.h"


/* What guests would be taken for the house with. */
static const char *const  ngx_live_chat_titles[] = {
    "admin", "administrator", "moderator", "mod", "owner", "host", "system",
    "support", "staff", "official", "server", "root"
};


/* A name by the rules of names. */
ngx_int_t
ngx_live_chat_named(ngx_live_chat_member_t *m, u_char *p, size_t len)
{
    size_t   n;
    uint8_t  name[LV_CHAT_NAME_BYTES];

    n = ngx_min(len, sizeof(name));
    ngx_memcpy(name, p, n);

    if (ngx_live_store() == NULL || lv_chat_name_clean(name, &n) != LV_OK) {
        ngx_live_chat_error(m, NULL, "bad_name", "This is not a name.", 0);
        ngx_live_chat_close(m, LV_WS_POLICY, "this is not a name");
        return NGX_ERROR;
    }

    return ngx_live_chat_copy(m, &m->name, name, n);
}


ngx_int_t
ngx_live_chat_guest(ngx_live_chat_member_t *m, lv_str_t name)
{
    size_t       n;
    u_char      *ip, user[6 + 16];
    uint8_t      skeleton[LV_CHAT_SKELETON_MAX];
    lv_str_t     text;
    lv_store_t  *st;

    if (ngx_live_chat_named(m, (u_char *) name.data, name.len) != NGX_OK) {
        return NGX_ERROR;
    }

    st = ngx_live_store();

    text.data = m->name.data;
    text.len = m->name.len;
    n = lv_chat_name_skeleton(text, skeleton);
    m->author = lv_room_hash(st, skeleton, n, 2);

    ip = ngx_live_sockaddr_ip(m->connection->sockaddr, &n);
    m->author = lv_room_hash(st, ip ? ip : (u_char *) "", n, m->author);

    (void) ngx_sprintf(user, "guest:%016xL", m->author);
    m->role = LV_ROLE_VIEWER;
    m->guest = 1;

    return ngx_live_chat_copy(m, &m->user, user, sizeof(user));
}


static ngx_uint_t
ngx_live_chat_titled(lv_store_t *st, uint64_t looks)
{
    lv_str_t           text;
    ngx_uint_t         i, n;
    static uint64_t    hashes[sizeof(ngx_live_chat_titles)
                              / sizeof(ngx_live_chat_titles[0])];

    n = sizeof(hashes) / sizeof(hashes[0]);

    for (i = 0; i < n; i++) {

        if (hashes[i] == 0) {
            text.data = (const uint8_t *) ngx_live_chat_titles[i];
            text.len = ngx_strlen(ngx_live_chat_titles[i]);
            hashes[i] = ngx_live_chat_looks(st, text);
        }

        if (hashes[i] == looks) {
            return 1;
        }
    }

    return 0;
}


/* "name #mark"; the name is cut, at a character, where that is too long. */
static ngx_int_t
ngx_live_chat_mark(ngx_live_chat_member_t *m)
{
    size_t      len, n;
    u_char      name[LV_ROOM_NAME_MAX], mark[2 + 24], *p;
    ngx_str_t   id;

    id = m->user;

    if (m->guest) {
        id.data += id.len - 4;
        id.len = 4;
    }

    id.len = ngx_min(id.len, 20);
    p = ngx_cpymem(mark, " #", 2);
    len = (size_t) (ngx_cpymem(p, id.data, id.len) - mark);

    n = ngx_min(m->name.len, sizeof(name) - len);

    while (n > 0 && n < m->name.len && (m->name.data[n] & 0xc0) == 0x80) {
        n--;
    }

    ngx_memcpy(name, m->name.data, n);
    ngx_memcpy(name + n, mark, len);

    return ngx_live_chat_copy(m, &m->name, name, n + len);
}


static ngx_uint_t
ngx_live_chat_like_staff(ngx_live_chat_member_t *m, uint64_t looks)
{
    ngx_uint_t              i;
    ngx_live_chat_rules_t  *rules;

    rules = &m->room->rules;

    for (i = 0; i < rules->nstaff; i++) {
        if (rules->staff[i].looks == looks
            && rules->staff[i].author != m->author)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_live_chat_enter(ngx_live_chat_member_t *m)
{
    uint64_t           looks;
    lv_str_t           text;
    lv_store_t        *st;
    ngx_uint_t         like;
    lv_room_person_t   person;

    st = ngx_live_store();

    if (m->user.len == 0 || st == NULL || m->user.len > LV_ROOM_USER_MAX) {
        return NGX_OK;
    }

    text.data = m->name.data;
    text.len = m->name.len;
    looks = ngx_live_chat_looks(st, text);
    like = m->role < LV_ROLE_MODERATOR
           && (ngx_live_chat_like_staff(m, looks)
               || ngx_live_chat_titled(st, looks));

    if (like && m->guest) {
        ngx_live_chat_error(m, NULL, "name_taken", "That name could be taken "
                            "for somebody else's.", 0);
        ngx_live_chat_close(m, LV_WS_POLICY, "the name is taken");
        return NGX_ERROR;
    }

    if (m->guest && !like) {
        like = lv_room_looks(st, m->room->room, m->room->gen, looks,
                             m->author);
    }

    if (like && ngx_live_chat_mark(m) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&person, sizeof(lv_room_person_t));
    person.author = m->author;
    person.looks = looks;
    person.role = m->role;
    person.user_len = (uint8_t) m->user.len;
    person.name_len = (uint8_t) m->name.len;
    ngx_memcpy(person.user, m->user.data, m->user.len);
    ngx_memcpy(person.name, m->name.data, m->name.len);

    lv_room_enter(st, m->room->room, m->room->gen, &person);
    m->seated = 1;

    return NGX_OK;
}


void
ngx_live_chat_who_json(lv_json_t *j, ngx_live_chat_room_t *room,
    lv_store_t *st, ngx_uint_t max)
{
    size_t                    n, i;
    lv_str_t                  text;
    static lv_room_person_t   people[NGX_LIVE_CHAT_NAMES_MAX];

    max = ngx_min(max, NGX_LIVE_CHAT_NAMES_MAX);
    n = lv_room_who(st, room->room, room->gen, NULL, 0);

    lv_json_int(j, "named", (int64_t) n);

    if (n > max && max < NGX_LIVE_CHAT_NAMES_MAX) {
        return;
    }

    n = lv_room_who(st, room->room, room->gen, people, max);

    lv_json_open(j, "who", '[');

    for (i = 0; i < ngx_min(n, max); i++) {
        lv_json_open(j, NULL, '{');
        text.data = people[i].user;
        text.len = people[i].user_len;
        lv_json_utf8(j, "user", text);
        text.data = people[i].name;
        text.len = people[i].name_len;
        lv_json_utf8(j, "name", text);
        lv_json_text(j, "role", lv_role_name(people[i].role));
        lv_json_close(j, '}');
    }

    lv_json_close(j, ']');
}


lv_role_e
ngx_live_chat_role(ngx_live_chat_room_t *room, lv_store_t *st, lv_str_t user)
{
    uint64_t    author;
    lv_role_e   role;
    ngx_uint_t  i;

    role = lv_room_role(st, room->room, room->gen, user);
    author = lv_room_hash(st, user.data, user.len, 1);
    ngx_live_chat_rules(room);

    for (i = 0; i < room->rules.nstaff; i++) {
        if (room->rules.staff[i].author == author) {
            return room->rules.staff[i].role;
        }
    }

    return role;
}
