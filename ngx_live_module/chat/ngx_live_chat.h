/*
 * Chat: WebSocket members of the rooms in the store (lib/lv_room.h). README.md
 * in this folder has the protocol.
 *
 *   _module.c     directives, process init, the once-a-second look
 *   _handshake.c  from a request to a member
 *   _member.c     one connection: reading, writing, closing
 *   _wait.c       time-outs; members of a worker that shuts down
 *   _room.c       what this worker keeps of a room; rounds of delivery
 *   _round.c      what a round gives to members
 *   _react.c      reactions
 *   _event.c      what is sent, as JSON
 *   _hello.c      who a member is, and what it gets first
 *   _say.c        what members say and do
 *   _name.c       names: of guests, those that look like others', who is here
 *   _hold.c       members of a room that has no settings yet
 *   _settings.c   settings and words of a room, as they are in the store
 *   _review.c     a service that is asked before a message is shown
 *   _rules.c      what of that forbids a message; bans
 *
 * A member belongs to one worker, and its memory to its request, which nginx
 * keeps until the connection is over (so that limit_conn counts it, and the
 * access log has it when it ends). Nothing finalizes a request but
 * ngx_live_chat_reap(), outside of all loops: until then a member that is gone
 * has `gone` set.
 */

#ifndef NGX_LIVE_CHAT_H
#define NGX_LIVE_CHAT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_live_core.h"
#include "ngx_live_http.h"
#include "lv_chat_msg.h"
#include "lv_chat_text.h"
#include "lv_fold.h"
#include "lv_json.h"
#include "lv_room_bus.h"
#include "lv_words.h"
#include "lv_ws.h"

#include <jansson.h>

#define NGX_LIVE_CHAT_PROTOCOL  "live.chat.v1"

#define NGX_LIVE_CHAT_BATCH     256   /* members written to in one turn */
#define NGX_LIVE_CHAT_TURN      100   /* members timed out, or ended, in one */
#define NGX_LIVE_CHAT_HELLO_S   10    /* for the first message to come */
#define NGX_LIVE_CHAT_CLOSE_S   5     /* for a close to be sent */
#define NGX_LIVE_CHAT_DRAIN_MS  5000  /* closes of a reload are spread over */
#define NGX_LIVE_CHAT_RESUME    49152 /* bytes of history in a hello */
#define NGX_LIVE_CHAT_FRAMES    50    /* a second a member, of any kind … */
#define NGX_LIVE_CHAT_EMOJIS    16    /* kinds of reaction counted at a time */
#define NGX_LIVE_CHAT_AHEAD     64   /* entries that wait for a round */
#define NGX_LIVE_CHAT_REACT_MS  250   /* between updates of reactions */
#define NGX_LIVE_CHAT_SAVE_MS   10000 /* between saving how many there were */
#define NGX_LIVE_CHAT_STAFF     256   /* owner, co-hosts, moderators known */
#define NGX_LIVE_CHAT_NAMES     50    /* told of with every change … */
#define NGX_LIVE_CHAT_NAMES_MAX 200   /* … and on request */

/* A rate that is not configured: the default, unless live_chat_rate is off. */
#define NGX_LIVE_CHAT_UNSET        UINT32_MAX
#define NGX_LIVE_CHAT_ROOM_RATE    { 200 * 1000, 400 }
#define NGX_LIVE_CHAT_ADDR_RATE    { 20 * 1000, 100 }

typedef struct {
    ngx_http_complex_value_t  *stream;    /* NULL: from the path */
    ngx_live_http_origins_t    origins;
    ngx_msec_t                 tick;      /* live_chat_tick */
    size_t                     queue;     /* live_chat_queue, bytes */
    ngx_uint_t                 rate;      /* live_chat_rate: messages a second
                                             × 1000; 0: no limit */
    ngx_uint_t                 burst;
    lv_room_rate_t             room_rate; /* live_chat_room_rate */
    lv_room_rate_t             addr_rate; /* live_chat_address_rate */
    ngx_int_t                  history;   /* messages in a hello */
} ngx_live_chat_conf_t;

typedef struct {
    ngx_msec_t                 ping;      /* live_chat_ping */
} ngx_live_chat_main_conf_t;

/* Members were told of different numbers: all are told again. */
#define NGX_LIVE_CHAT_UNTOLD    UINT32_MAX

/* Whole frames, shared by whoever they are queued for. */
typedef struct {
    ngx_uint_t  refs;
    size_t      len;
    u_char      data[1];
} ngx_live_chat_buf_t;

typedef struct ngx_live_chat_out_s  ngx_live_chat_out_t;

struct ngx_live_chat_out_s {
    ngx_live_chat_out_t  *next;
    ngx_live_chat_buf_t  *buf;
    size_t                pos;
};

/* Somebody who may do more in the room, whether here or not. */
typedef struct {
    uint64_t     author;                  /* as in entries */
    uint64_t     looks;                   /* what the name looks like */
    lv_role_e    role;
} ngx_live_chat_staff_t;

/* Of a room's settings, as they are enforced; see _settings.c. */
typedef struct {
    uint32_t     settings_version, words_version;
    uint64_t     visible;                 /* changes with what members see */
    char        *poll;                    /* the open one, JSON; or NULL */
    ngx_live_chat_staff_t  *staff;
    ngx_uint_t   nstaff;
    char        *review_url;              /* whom to ask; or NULL */
    char        *review_secret;
    unsigned     review_without;          /* an answer: the verdict */
    uint32_t     slow_ms;
    uint32_t     max_length;
    lv_role_e    least;                   /* role that may write */
    lv_words_t  *words;
    unsigned     emotes:1;
    unsigned     unique:1;
    unsigned     links:1;
    unsigned     hold:1;
} ngx_live_chat_rules_t;

typedef struct {
    u_char      name[LV_CHAT_REACTION_MAX];
    size_t      len;
    uint32_t    count;                    /* not yet added to all workers' */
    uint32_t    unsaved;                  /* not yet in the log */
} ngx_live_chat_emoji_t;

/* What a worker keeps of a room in which it has members. */
typedef struct {
    lv_room_t              *room;
    uint32_t                gen;
    uint32_t                index;
    uint64_t                epoch;
    uint64_t                next;         /* entries before it were given out */
    char                    id[LV_STREAM_ID_MAX + 1];
    ngx_queue_t             members;
    ngx_uint_t              count;
    ngx_queue_t            *at;           /* the round under way: who is next;
                                             NULL: there is none */
    ngx_live_chat_buf_t    *buf;          /* what everybody gets in it … */
    ngx_live_chat_buf_t    *mod_buf;      /* … and what moderators do */
    ngx_event_t             timer;        /* the next round */
    ngx_event_t             react;        /* the next update of reactions */
    ngx_event_t             post;
    ngx_msec_t              last;         /* when the last round began */
    ngx_msec_t              tick;
    uint32_t                told;         /* members, in the last presence */
    ngx_msec_t              told_at;
    ngx_live_chat_rules_t   rules;
    uint64_t                rules_told;   /* rules.visible, as last told */
    uint32_t                who_told;     /* version of who is here */
    ngx_live_chat_emoji_t   emoji[NGX_LIVE_CHAT_EMOJIS];  /* received here */
    lv_room_reaction_t      seen[LV_ROOM_REACTIONS];      /* told members */
    ngx_msec_t              reacted;
    ngx_msec_t              reactions_saved;
    unsigned                presence:1;   /* to be told */
} ngx_live_chat_room_t;

/* Queues of members that wait for something, the longest first. */
typedef enum {
    NGX_LIVE_CHAT_W_HELLO = 0,
    NGX_LIVE_CHAT_W_IDLE,
    NGX_LIVE_CHAT_W_PING,
    NGX_LIVE_CHAT_W_CLOSE,
    NGX_LIVE_CHAT_WAITS
} ngx_live_chat_wait_e;

typedef struct ngx_live_chat_hold_s  ngx_live_chat_hold_t;

/* What a delivery looks at stands first, in as few cache lines as may be. */
typedef struct {
    ngx_queue_t             queue;        /* in the room */
    ngx_connection_t       *connection;
    ngx_live_chat_out_t    *out, **out_last;
    size_t                  queued;       /* bytes */
    lv_role_e               role;
    unsigned                bans_known:1;
    unsigned                joined:1;
    unsigned                waits:1;      /* in a queue by `wait` */
    unsigned                draining:1;
    unsigned                pressed:1;    /* it has to wait for a round */
    unsigned                closed:1;     /* a close frame is the last one */
    unsigned                gone:1;
    unsigned                broken:1;     /* nothing can be sent */
    unsigned                guest:1;      /* named by itself */
    unsigned                seated:1;     /* in the list of who is here */
    unsigned                noted:1;      /* the log has that it errs … */
    unsigned                hasty:1;      /* … and that it was limited */
    ngx_live_chat_conf_t   *conf;
    ngx_http_request_t     *request;
    ngx_live_chat_room_t   *room;         /* NULL unless joined */
    ngx_queue_t             wait;         /* in one of the queues, or in the
                                             one of those who are gone */
    ngx_queue_t             drain;
    time_t                  since;        /* in that queue */
    lv_ws_t                 ws;
    ngx_str_t               stream;
    ngx_str_t               user;         /* "": a reader */
    ngx_str_t               name;
    ngx_str_t               device;
    ngx_live_chat_hold_t   *hold;         /* its hello waits for settings */
    uint32_t                reviews;      /* messages under review */
    uint64_t                author;
    uint32_t                bans;         /* version that `banned` is of */
    uint64_t                banned_until;
    ngx_msec_t              said, framed;              /* rates: when, … */
    uint32_t                said_level, framed_level;  /* … how much */
    uint8_t                 banned;       /* LV_BAN_NONE … */
} ngx_live_chat_member_t;

extern ngx_module_t  ngx_http_live_chat_module;

/* _handshake.c */
ngx_int_t ngx_live_chat_handler(ngx_http_request_t *r);

/* _member.c */
void ngx_live_chat_member_init(ngx_cycle_t *cycle);
ngx_int_t ngx_live_chat_member_begin(ngx_live_chat_member_t *m);
/* Queues frames for a member; takes no reference of the caller's. */
void ngx_live_chat_put(ngx_live_chat_member_t *m, ngx_live_chat_buf_t *buf);
/* Bytes that came, and more that there may be, when a hold is over. */
void ngx_live_chat_resume(ngx_live_chat_member_t *m, u_char *p, size_t n);
/* Says why, then closes. */
void ngx_live_chat_close(ngx_live_chat_member_t *m, ngx_uint_t code,
    const char *reason);
/* Nothing is done with it any more; broken: nothing can be sent, either. */
void ngx_live_chat_gone(ngx_live_chat_member_t *m, ngx_uint_t broken);
/* Ends the requests of all who are gone. */
void ngx_live_chat_reap_all(void);
void ngx_live_chat_control(ngx_live_chat_member_t *m, ngx_uint_t opcode,
    const u_char *p, size_t len);
/* One reference, or NULL. */
ngx_live_chat_buf_t *ngx_live_chat_buf(const void *p, size_t len);
void ngx_live_chat_buf_release(ngx_live_chat_buf_t *buf);

/* _wait.c */
void ngx_live_chat_wait_init(ngx_cycle_t *cycle);
void ngx_live_chat_wait_second(void);
void ngx_live_chat_wait(ngx_live_chat_member_t *m, ngx_live_chat_wait_e wait);
/* The worker shuts down: the member is closed when its turn comes. */
void ngx_live_chat_drain(ngx_live_chat_member_t *m);
void ngx_live_chat_undrain(ngx_live_chat_member_t *m);
/* The worker exits: whoever is still there is closed. */
void ngx_live_chat_exit(lv_store_t *st);

/* _room.c */
void ngx_live_chat_rung(lv_store_t *st);
void ngx_live_chat_room_second(lv_store_t *st, uint64_t now_ms);
/* Joins: *err is a sentence when that is not possible. */
ngx_int_t ngx_live_chat_room_join(ngx_live_chat_member_t *m,
    const char **err);
void ngx_live_chat_room_leave(ngx_live_chat_member_t *m);
/* After an entry was added; may close members, and free the room. */
ngx_uint_t ngx_live_chat_pressed(ngx_live_chat_room_t *room);
/* A round when the next update of reactions may be. */
void ngx_live_chat_react_later(ngx_live_chat_room_t *room);

/* _react.c */
void ngx_live_chat_room_react(ngx_live_chat_room_t *room, lv_str_t name);
void ngx_live_chat_save_reactions(ngx_live_chat_room_t *room,
    lv_store_t *st);
/* Are there any, here or of other workers, that members do not know of? */
ngx_uint_t ngx_live_chat_reacted(ngx_live_chat_room_t *room, lv_store_t *st);

/* _round.c */
void ngx_live_chat_round_reset(void);
void ngx_live_chat_round_entry(ngx_live_chat_room_t *room, lv_store_t *st,
    lv_room_entry_t *e);
void ngx_live_chat_round_reactions(ngx_live_chat_room_t *room,
    lv_store_t *st);
void ngx_live_chat_round_presence(ngx_live_chat_room_t *room,
    lv_store_t *st);
void ngx_live_chat_round_settings(ngx_live_chat_room_t *room);
/* Into room->buf and room->mod_buf; NGX_DECLINED: there is nothing. */
ngx_int_t ngx_live_chat_round_bufs(ngx_live_chat_room_t *room);

/* _event.c: JSON texts are made in one place, good until the next one */
/* May that member see that entry? */
ngx_uint_t ngx_live_chat_sees(lv_room_entry_t *e, lv_role_e role,
    uint64_t author);
lv_json_t *ngx_live_chat_json(const char *type);
/* Sends what ngx_live_chat_json() began. */
void ngx_live_chat_send(ngx_live_chat_member_t *m, lv_json_t *j);
/* The same as frames in a buffer of its own. */
ngx_live_chat_buf_t *ngx_live_chat_json_buf(lv_json_t *j);
/* Adds an entry as an object, or as a frame to `frames`. */
void ngx_live_chat_entry_json(lv_json_t *j, lv_room_entry_t *e,
    lv_room_entry_t *target);
void ngx_live_chat_frame(lv_text_t *frames, lv_text_t *json);
void ngx_live_chat_id(lv_json_t *j, const char *name, uint64_t id);
void ngx_live_chat_error(ngx_live_chat_member_t *m, const lv_chat_msg_t *msg,
    const char *code, const char *text, uint64_t retry_ms);

/* _hello.c */
void ngx_live_chat_hello(ngx_live_chat_member_t *m, lv_chat_msg_t *msg);
/* Its second half: who it is has been found out. */
void ngx_live_chat_welcome(ngx_live_chat_member_t *m, lv_chat_msg_t *msg);
ngx_int_t ngx_live_chat_copy(ngx_live_chat_member_t *m, ngx_str_t *to,
    const void *p, size_t len);

/* _name.c */
/* Who has no account is known by name and address. NGX_ERROR: closed. */
ngx_int_t ngx_live_chat_guest(ngx_live_chat_member_t *m, lv_str_t name);
/* A name as a token has it. NGX_ERROR: closed. */
ngx_int_t ngx_live_chat_named(ngx_live_chat_member_t *m, u_char *p,
    size_t len);
/* In the room: is the name taken for somebody else's? NGX_ERROR: closed;
 * otherwise it is in the list of who is here. */
ngx_int_t ngx_live_chat_enter(ngx_live_chat_member_t *m);
uint64_t ngx_live_chat_looks(lv_store_t *st, lv_str_t name);
/* "named" and, where they are few enough, "who". */
void ngx_live_chat_who_json(lv_json_t *j, ngx_live_chat_room_t *room,
    lv_store_t *st, ngx_uint_t max);
/* The role of a user of that room, as far as it is known. */
lv_role_e ngx_live_chat_role(ngx_live_chat_room_t *room, lv_store_t *st,
    lv_str_t user);

/* _hold.c */
/* True: the hello has to wait, ngx_live_chat_welcome() follows. */
ngx_uint_t ngx_live_chat_held(ngx_live_chat_member_t *m, lv_chat_msg_t *msg);
/* Bytes behind it wait, too; n is less than a buffer. */
void ngx_live_chat_hold_bytes(ngx_live_chat_member_t *m, u_char *p, size_t n);
/* The member is gone. */
void ngx_live_chat_unhold(ngx_live_chat_member_t *m);

/* _review.c */
void ngx_live_chat_review_init(void);
void ngx_live_chat_review_conf(ngx_live_chat_rules_t *rules, json_t *json);
/* True: a service is asked, what becomes of it comes later. */
ngx_uint_t ngx_live_chat_review(ngx_live_chat_member_t *m,
    lv_chat_msg_t *msg, lv_room_entry_t *e);
/* The member is gone; what it said is not. */
void ngx_live_chat_review_gone(ngx_live_chat_member_t *m);

/* _say.c */
/* A message that may be said, unless the member is banned by now. */
void ngx_live_chat_say(ngx_live_chat_member_t *m, lv_chat_msg_t *msg,
    lv_room_entry_t *e);
/* Whose it is. */
void ngx_live_chat_author(ngx_live_chat_member_t *m, lv_room_entry_t *e);
void ngx_live_chat_said(ngx_live_chat_member_t *m, u_char *p, size_t len);

/* _settings.c */
void ngx_live_chat_rules(ngx_live_chat_room_t *room);
/* The settings alone, of any room; to be freed. */
void ngx_live_chat_rules_of(lv_store_t *st, lv_room_t *room, uint32_t gen,
    ngx_live_chat_rules_t *rules);
void ngx_live_chat_rules_free(ngx_live_chat_rules_t *rules);
/* What members are told of them. */
void ngx_live_chat_rules_json(lv_json_t *j, ngx_live_chat_rules_t *rules);
const lv_words_t *ngx_live_chat_words_of_all(void);

/* _rules.c */
/* NULL: may be said (*status); otherwise the code of what is wrong with it,
 * and *text a sentence. The text may be changed in place; chars: its length in
 * code points. */
const char *ngx_live_chat_rules_check(ngx_live_chat_member_t *m,
    lv_str_t *said, size_t chars, uint8_t *status, const char **text,
    uint64_t *retry_ms);
/* How the member is banned now. */
ngx_uint_t ngx_live_chat_banned(ngx_live_chat_member_t *m);

#endif
