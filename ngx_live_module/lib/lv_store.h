/*
 * The store: media shared by every worker of every generation.
 *
 * One region of memory (a mapped tmpfs file) that any number of processes use
 * at once. One of them writes a track, all of them read it, and any of them
 * may be killed at any instruction without harm to the others. lib/ knows no
 * file and no socket: the caller maps the region and rings the doorbells.
 *
 *   header | slots | streams | tracks | parts | sessions | bits | extents
 *
 * Everything but the extents is type-stable: the memory of a part entry is a
 * part entry for ever, so that a late reader can do no harm to it. Everything
 * is addressed by index or offset; no pointer is stored.
 *
 * Ownership and order, in short:
 *
 *   slot     a process holds its slot's robust mutex `life` until it dies.
 *            lv_store_reap() finds the dead and cleans up after them.
 *   lock     one robust mutex for directory, allocator and eviction. No system
 *            call under it. EOWNERDEAD: what was halfway is rebuilt from the
 *            parts that are reachable (mark and sweep); uncommitted extents of
 *            living slots survive.
 *   head     one 64-bit word a track: owner epoch (32) | part id (32).
 *            Commit and take-over are one compare-and-swap on it, so that the
 *            late commit of a displaced owner fails. Part entries form a list
 *            through `prev`; `ring` is an index over it that may be stale
 *            (a displaced owner may write it late) and is checked on reading.
 *   pin      a reader adds one to its own slot's cell of the part, fences, and
 *            re-checks the generation. The evictor bumps the generation,
 *            fences, then sums the cells: not zero means limbo.
 *   doorbell commit, then for each interested slot: set its dirty bit for the
 *            stream, exchange its flag with 1, ring it if the flag was 0. The
 *            receiver drains its socket, clears the flag, then takes the bits.
 *
 * Threads: a lv_store_t belongs to one thread of one process.
 */

#ifndef LV_STORE_H
#define LV_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include "lv_base.h"

#define LV_STORE_LAYOUT     5

#define LV_SLOTS            128     /* processes, of all generations */
#define LV_SLOT_WORDS       (LV_SLOTS / 64)
#define LV_COUNTERS         96      /* 64-bit counters a slot, for metrics */
#define LV_STREAMS_MAX      4096    /* upper limit; the real one is by size */
#define LV_STREAM_WORDS     (LV_STREAMS_MAX / 64)
#define LV_STREAM_TRACKS    8
#define LV_STREAM_ID_MAX    64
#define LV_RING             1024    /* parts that a track can list */
#define LV_INITS            32      /* init sections that a track can list */
#define LV_EXTENT           4096
#define LV_NONE             0       /* no part, no extent, no track: index 0 is
                                       never used */

typedef struct lv_store_s  lv_store_t;


/* ---- parts ------------------------------------------------------------- */

enum {
    LV_PART_FREE = 0,
    LV_PART_OPEN,                   /* being written by its owner slot */
    LV_PART_COMMITTED,
    LV_PART_LIMBO                   /* evicted, but still pinned */
};

#define LV_PART_INDEPENDENT   0x0001  /* begins with a key frame */
#define LV_PART_LAST          0x0002  /* known to end its segment */
#define LV_PART_UNLISTED      0x0004  /* its segment lists no parts */
#define LV_PART_FILLER        0x0008  /* made while the publisher was away */
#define LV_PART_DISCONTINUITY 0x0010  /* part 0 of a segment behind a
                                         discontinuity */
#define LV_PART_INIT          0x0020  /* an init section, not media */
#define LV_PART_FORCED        0x0040  /* its segment was cut without a key
                                         frame (part 0 only) */
#define LV_PART_BREAK         0x0080  /* with LV_PART_LAST: what follows is
                                         behind a discontinuity, so that no
                                         playlist may hint at it */

/* What a committed part says of itself; written before the commit, constant
 * until the generation changes (but for lv_track_list()). */
typedef struct {
    uint32_t  seq;        /* count of parts on the track, from 0 */
    uint32_t  msn;        /* media sequence number of its segment */
    uint16_t  part;       /* index in its segment */
    uint16_t  flags;      /* LV_PART_* */
    uint32_t  init_msn;   /* the init section it needs */
    uint32_t  disc_seq;   /* discontinuity sequence of its segment */
    uint64_t  tfdt;       /* decode time of its first sample, track timescale */
    uint32_t  duration;   /* sum of its samples' durations, track timescale */
    uint32_t  samples;
    uint64_t  pdt_ms;     /* wall clock (Unix ms) of its first sample */
    uint64_t  commit_ms;  /* when it was committed (Unix ms) */
    uint32_t  key_off;    /* where its first key sample's bytes are, counted */
    uint32_t  key_len;    /* from the part's first byte; len 0: has none */
} lv_part_info_t;

/* Private to the store. */
typedef struct {
    _Atomic uint32_t  word;      /* generation << 2 | LV_PART_FREE and so on;
                                    the generation is bumped whenever it stops
                                    being what it was. One word, so that a late
                                    state change of a displaced owner fails. */
    _Atomic uint16_t  owner;     /* slot that has (had) it open */
    _Atomic uint32_t  track;     /* index */
    _Atomic uint32_t  prev;      /* part id committed before on this track */
    _Atomic uint32_t  extent;    /* first extent of the chain */
    _Atomic uint32_t  offset;    /* of its first byte in that extent */
    _Atomic uint32_t  len;       /* bytes: moof and mdat */
    uint32_t          stream;    /* index; whose account it is on … */
    uint32_t          stream_gen;   /* … as long as the stream is that one */
    uint32_t          next_free; /* free and limbo lists, under the lock */
    uint32_t          extents;   /* in the chain */
    _Atomic uint64_t  limbo_ms;  /* since when */
    lv_part_info_t    info;
    _Atomic uint16_t  pin[LV_SLOTS];
} lv_part_t;

/* A part as a reader holds it. `gen` is what the part was when it was found. */
typedef struct {
    uint32_t        id;
    uint32_t        gen;
    uint32_t        extent;
    uint32_t        offset;
    uint32_t        len;
    lv_part_info_t  info;        /* a checked copy */
} lv_part_ref_t;


/* ---- tracks and streams ------------------------------------------------ */

enum { LV_KIND_VIDEO = 1, LV_KIND_AUDIO = 2 };

/* What players are told of a track. Written by the owner through
 * lv_track_set_desc(), read through lv_track_desc(). */
typedef struct {
    uint8_t   kind;              /* LV_KIND_* */
    char      name[8];           /* "v0", "a0": the rendition's path */
    char      codecs[32];        /* RFC 6381, e.g. "avc1.64001f" */
    char      language[12];
    uint8_t   captions;          /* LV_CAPTIONS_*, seen so far */
    uint8_t   transfer;          /* video: transfer characteristics (ISO/IEC
                                    23091-2), 0 or 2: unknown */
    uint32_t  timescale;
    uint32_t  width, height;     /* video: after cropping, square pixels */
    uint32_t  rate_milli;        /* frames a second × 1000 */
    uint32_t  sample_rate;
    uint32_t  channels;
    uint32_t  frame_ts;          /* nominal duration of one sample, timescale */
    uint32_t  config_len;        /* what lv_fmp4_track_t wants, for comparing by
                                    content and for making init sections */
    uint8_t   config[512];
    /* figures, updated once a segment */
    uint32_t  peak_bps;          /* the largest segment's bit rate so far */
    uint32_t  avg_bps;
    uint32_t  gop_ms;
    uint32_t  fps_milli;         /* measured, last segment */
    uint32_t  last_bps;          /* last segment */
} lv_track_desc_t;

typedef struct {
    _Atomic uint32_t  gen;       /* bumped when freed */
    _Atomic uint32_t  stream;    /* index; LV_NONE when free */
    uint32_t          next_free;
    _Atomic uint64_t  head;      /* owner epoch << 32 | part id */
    _Atomic uint32_t  tail_seq;  /* the oldest part that may be listed */
    _Atomic uint32_t  init[LV_INITS];   /* part ids, newest at init_count-1 */
    _Atomic uint32_t  init_count;       /* modulo LV_INITS: the place */
    char              name[8];   /* desc.name, constant for its life */
    _Atomic uint32_t  desc_seq;  /* desc[desc_seq % 2] is the one that counts;
                                    the other is written, then desc_seq goes up:
                                    a writer killed halfway harms nothing */
    lv_track_desc_t   desc[2];
    _Atomic uint32_t  ring[LV_RING];    /* part ids by seq % LV_RING */
} lv_track_t;

enum {
    LV_STREAM_FREE = 0,
    LV_STREAM_STARTING,          /* first GOP: no playlist yet */
    LV_STREAM_LIVE,
    LV_STREAM_INTERRUPTED,       /* publisher gone, filler runs */
    LV_STREAM_ENDED              /* ENDLIST; removed after its window */
};

/* Set once, before the state becomes LIVE; constant for the stream's life. */
typedef struct {
    uint32_t  part_target_us;    /* PART-TARGET */
    uint32_t  target_s;          /* TARGETDURATION */
    uint32_t  part_frames;       /* N */
    uint32_t  window_ms;
    uint32_t  resume_ms;
    uint8_t   muxed;             /* offer the muxed view: 0, 1 */
    uint8_t   lead;              /* place in track[] of the leading track */
} lv_timing_t;

/* About the publisher; for status pages only. */
typedef struct {
    char      addr[48];
    char      protocol[8];       /* "rtmp", "rtmps", "srt", … */
    char      encoder[64];       /* flashVer or the like, printable ASCII */
    uint8_t   owner_key[32];     /* SHA-256 of what authorised it (the key, or
                                    the address): the same value is the same
                                    broadcaster */
    uint64_t  since_ms;
    uint32_t  pid;
    char      broadcast[24];     /* what the control plane calls it, or "" */
    char      displaced_addr[48];  /* whom it displaced, and when (Unix ms) */
    uint64_t  displaced_ms;
} lv_publisher_t;

/* The network between encoder and node, where the protocol measures it (SRT);
 * for status pages. Counts are of this publish. By the owner, about once a
 * second; may tear between fields. */
typedef struct {
    _Atomic uint32_t  rtt_us;    /* 0: not yet known */
    _Atomic uint32_t  latency_ms;    /* agreed on */
    _Atomic uint32_t  buffered;  /* packets that wait for their time */
    _Atomic uint32_t  rate_bps;
    _Atomic uint32_t  key_bits;  /* 0: in the clear */
    _Atomic uint64_t  packets;
    _Atomic uint64_t  retransmitted;
    _Atomic uint64_t  lost;      /* were missing for a while */
    _Atomic uint64_t  dropped;   /* … until it was too late */
    _Atomic uint64_t  undecrypted;
} lv_link_t;

typedef struct {
    _Atomic uint32_t  gen;       /* bumped on creation and removal */
    _Atomic uint32_t  state;     /* LV_STREAM_* */
    uint32_t          next_free;
    _Atomic uint32_t  next_hash;
    uint8_t           id_len;
    char              id[LV_STREAM_ID_MAX + 1];
    _Atomic uint32_t  epoch;     /* Unix second of creation; the first msn */
    _Atomic uint64_t  owner;     /* owner epoch << 32 | slot; slot LV_SLOTS:
                                    nobody */
    _Atomic uint64_t  interest[LV_SLOT_WORDS];
    _Atomic uint32_t  track_count;
    _Atomic uint32_t  track[LV_STREAM_TRACKS];   /* track indices */
    _Atomic uint32_t  extents;   /* in use by its committed and open parts */
    _Atomic uint32_t  parts;     /* part entries, likewise */
    uint32_t          reserved;  /* extents promised to it at admission */
    lv_timing_t       timing;
    _Atomic uint64_t  state_ms;  /* when `state` changed, Unix ms */
    _Atomic uint64_t  input_ms;  /* when the publisher's last media came */
    /* figures by the owner, plain stores, may tear between fields */
    _Atomic uint64_t  bytes_in;
    _Atomic uint64_t  frames_in;
    _Atomic uint64_t  frames_dropped;
    _Atomic int32_t   skew_ms;   /* audio minus video, at arrival */
    _Atomic uint32_t  evicted;   /* segments evicted under pressure */
    _Atomic uint32_t  evicted_told;  /* of them, those that a log tells of */
    _Atomic uint32_t  kick;      /* it is to end: lv_stream_kick() */
    char              kick_reason[160];
    _Atomic uint32_t  publisher_seq;             /* as with desc_seq */
    lv_publisher_t    publisher[2];
    lv_link_t         link;      /* while the protocol has one */
    uint8_t           scratch[256];  /* the packager's own; see lv_packager.h.
                                        Written only by the owner. */
} lv_stream_t;


/* ---- opening ----------------------------------------------------------- */

typedef void (*lv_store_ring_pt)(void *ctx, unsigned slot);

typedef struct {
    const char  *owner;          /* whose store: the pid file's path */
    uint8_t      secret[32];     /* random; names of doorbells, cookies */
    uint64_t     now_ms;         /* Unix ms */
    uint64_t     rooms;          /* bytes for the chat's rooms (lv_room.h), at
                                    most half of it; 0: the least */
    uint32_t     born_min;       /* names of streams begin at this second or
                                    later; 0: at that of the clock */
} lv_store_conf_t;

/* May what begins with these bytes (of a file, at most 4096) be made a store?
 * Nothing, zeros, or a store of any version; anything else is somebody's. */
bool lv_store_replaceable(const uint8_t *head, size_t n);
/* The second that streams' names have got to in the store that begins with
 * these bytes; 0: it cannot be told. For the next one's `born_min`. */
uint32_t lv_store_born_min(const uint8_t *head, size_t n);

/* Makes a fresh store in zeroed memory of `size` bytes. LV_ERROR with *err. */
int lv_store_format(void *base, size_t size, const lv_store_conf_t *conf,
    const char **err);

/* Opens a formatted store. *err tells a wrong magic, another layout, another
 * size, another owner apart. `ring` is called to ring a slot's doorbell. */
lv_store_t *lv_store_attach(void *base, size_t size, const char *owner,
    lv_store_ring_pt ring, void *ctx, const char **err);
void lv_store_detach(lv_store_t *st);     /* leaves the slot, too */

/* Takes a slot for this process (after fork, in the thread that will hold
 * it). LV_ERROR: all are taken. */
int lv_store_join(lv_store_t *st, uint32_t pid, uint32_t generation,
    uint64_t now_ms, const char **err);
void lv_store_leave(lv_store_t *st);
/* This process finishes what it has and takes no more; shown to the others. */
void lv_store_leaving(lv_store_t *st);
unsigned lv_store_slot(lv_store_t *st);

/* The janitor; any process, once a second. Finds dead slots: clears their
 * pins, gives back what they had open, marks their streams interrupted and
 * rings every slot. Frees limbo parts that nobody pins. Removes ended streams
 * after their window. Returns the number of dead slots found. */
int lv_store_reap(lv_store_t *st, uint64_t now_ms);

typedef struct {
    uint32_t  pid, generation;
    uint64_t  since_ms;
    int       used, leaving;
} lv_slot_info_t;

void lv_store_slot_info(lv_store_t *st, unsigned slot, lv_slot_info_t *info);
const uint8_t *lv_store_secret(lv_store_t *st);      /* 32 bytes */

typedef struct {
    uint32_t  extents, extents_free, extents_limbo, extents_reserved;
    uint32_t  parts, parts_free;
    uint32_t  streams, streams_used;
    uint32_t  tracks, tracks_used;
    uint32_t  slots_used;
    uint64_t  evictions;         /* segments, under pressure */
    uint64_t  repairs;           /* EOWNERDEAD or dead slots */
} lv_store_stat_t;

void lv_store_stat(lv_store_t *st, lv_store_stat_t *stat);

/* Walks every part, extent and list under the lock and compares. For tests:
 * LV_OK or LV_ERROR with a text of what is wrong. */
int lv_store_check(lv_store_t *st, char *err, size_t errlen);


/*
 * Takes `key` for ttl_s seconds: true for the first of all processes, false for
 * the others. Of two keys that have the same place the later one is taken, and
 * the earlier one forgotten: for things that are rare, and where two would be a
 * nuisance and no harm.
 */
bool lv_store_claim(lv_store_t *st, uint64_t key, uint32_t now_s,
    uint32_t ttl_s);


/* ---- counters (metrics) ------------------------------------------------ */

/* Own cell only, no atomic needed; the sum includes dead slots' counts. */
void lv_counter_add(lv_store_t *st, unsigned counter, uint64_t n);
uint64_t lv_counter_sum(lv_store_t *st, unsigned counter);

/* A counter that goes up and down with what this process holds. What a dead
 * one held is gone with it: the sum is over living slots, and who takes a slot
 * starts at 0 (reset, right after lv_store_join()). */
void lv_gauge_reset(lv_store_t *st, unsigned counter);
uint64_t lv_gauge_sum(lv_store_t *st, unsigned counter);


/* ---- streams: any process ---------------------------------------------- */

/* Lock-free on success; on a miss looks again under the lock. NULL: none.
 * *gen is what lv_stream_alive() needs. */
lv_stream_t *lv_stream_find(lv_store_t *st, const char *id, size_t len,
    uint32_t *gen);
lv_stream_t *lv_stream_at(lv_store_t *st, uint32_t index, uint32_t *gen);
uint32_t lv_stream_index(lv_store_t *st, lv_stream_t *s);
uint32_t lv_stream_count(lv_store_t *st);       /* indices are 1 … count */
static inline bool
lv_stream_alive(lv_stream_t *s, uint32_t gen)
{
    return atomic_load_explicit(&s->gen, memory_order_acquire) == gen;
}

/* The track of that name ("v0"), or NULL. */
lv_track_t *lv_stream_track(lv_store_t *st, lv_stream_t *s, const char *name,
    size_t len);
lv_track_t *lv_stream_track_at(lv_store_t *st, lv_stream_t *s, unsigned n);
int lv_track_desc(lv_track_t *t, lv_track_desc_t *out);    /* LV_AGAIN: torn */
void lv_stream_publisher(lv_stream_t *s, lv_publisher_t *out);

/* Doorbell. Interest is set before looking for what one would wait for. It is
 * counted, so that several parts of a process can watch a stream; `gen` is the
 * stream's, as it was found: to stop watching one that is gone does nothing to
 * the one that has its place. */
void lv_stream_watch(lv_store_t *st, lv_stream_t *s, uint32_t gen);
void lv_stream_unwatch(lv_store_t *st, lv_stream_t *s, uint32_t gen);
void lv_stream_notify(lv_store_t *st, lv_stream_t *s);     /* all watchers */
/* Clears the own flag and takes the dirty bits, one a stream index (bit
 * index % 64 of word index / 64). Returns the number of words with bits. */
int lv_bell_take(lv_store_t *st, uint64_t dirty[LV_STREAM_WORDS]);
/* For the ring callback, when the bell could not be rung: the next one who
 * has something to tell tries again. */
void lv_bell_failed(lv_store_t *st, unsigned slot);


/* ---- streams: the owner ------------------------------------------------ */

/* Finds or creates the directory entry and takes it over.
 *   reserve   bytes promised (admission): refused when they do not fit.
 *   fresh     an ENDED entry is replaced by a new one; a living one is kept.
 * On success *epoch is the new owner epoch: every older owner's commits fail
 * from now on. LV_DECLINED: refused, *err says why (store full, directory
 * full). LV_ERROR: a bad id. */
int lv_stream_claim(lv_store_t *st, const char *id, size_t len,
    uint64_t reserve, uint64_t now_ms, lv_stream_t **out, uint32_t *epoch,
    const char **err);

/* Take-over of an entry that exists, only if its owner word is still `seen`
 * (adopting an interrupted stream: one of many workers wins). LV_DECLINED:
 * somebody else was faster. */
int lv_stream_adopt(lv_store_t *st, lv_stream_t *s, uint64_t seen,
    uint32_t *epoch);

bool lv_stream_owned(lv_store_t *st, lv_stream_t *s, uint32_t epoch);

/* State changes by the owner; false: displaced. Notifies. */
bool lv_stream_set_state(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    uint32_t state, uint64_t now_ms);

/* Gives the stream up: owner becomes nobody, state INTERRUPTED (or ENDED).
 * Notifies every slot, so that another worker adopts it. */
void lv_stream_release(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    uint32_t state, uint64_t now_ms);

/* Any process: asks the owner to drop the publisher and to end the stream at
 * once; `reason` is a sentence for the encoder, of printable ASCII. Rings
 * every slot. LV_DECLINED: that stream is not there, or has ended. */
int lv_stream_kick(lv_store_t *st, const char *id, size_t len,
    const char *reason);
/* NULL: nobody has asked. Stays until the stream is removed. */
static inline const char *
lv_stream_kicked(lv_stream_t *s)
{
    return atomic_load_explicit(&s->kick, memory_order_acquire)
           ? s->kick_reason : NULL;
}

/* Removes an entry at once (its parts go free or to limbo). */
void lv_stream_remove(lv_store_t *st, lv_stream_t *s, uint64_t now_ms);

/* Who publishes, by the owner that begins to. */
void lv_stream_set_publisher(lv_store_t *st, lv_stream_t *s,
    const lv_publisher_t *p);

/* The publish that began at `since_ms` in process `pid` has stopped, says that
 * process, or whoever finds it dead: pid becomes 0. false: it is another's
 * publish by now, or has been told before; so each is told once. */
bool lv_stream_publisher_stopped(lv_store_t *st, lv_stream_t *s, uint32_t pid,
    uint64_t since_ms);

/* Adds a track; returns it, or NULL when there is no room. */
lv_track_t *lv_track_add(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    const lv_track_desc_t *desc);
/* false: displaced, nothing is changed. */
bool lv_track_set_desc(lv_store_t *st, lv_stream_t *s, lv_track_t *t,
    uint32_t epoch, const lv_track_desc_t *desc);
/* Takes LV_PART_UNLISTED from the committed parts of segment `msn`: only as
 * long as the stream is not LIVE, so that nobody has been told otherwise.
 * false: displaced, nothing is changed. */
bool lv_track_list(lv_store_t *st, lv_stream_t *s, lv_track_t *t,
    uint32_t epoch, uint32_t msn);


/* ---- writing a part: the owner ----------------------------------------- */

/* An open part. Private memory of the writer; the bytes go straight to
 * extents. */
typedef struct {
    lv_store_t   *st;
    lv_stream_t  *stream;
    lv_track_t   *track;
    uint32_t      epoch;
    uint32_t      part;          /* id; LV_NONE: not open */
    uint32_t      head_room;     /* bytes left free in front for the moof */
    uint32_t      len;           /* payload bytes written so far */
    uint32_t      tail;          /* last extent */
    uint32_t      tail_used;     /* bytes used of it */
} lv_part_writer_t;

/* Leaves `head_room` bytes (at most LV_EXTENT / 2) free in front.
 * LV_AGAIN: no memory (everything else is within its reservation).
 * LV_DECLINED: displaced. */
int lv_part_open(lv_part_writer_t *w, lv_store_t *st, lv_stream_t *s,
    lv_track_t *t, uint32_t epoch, uint32_t head_room);
int lv_part_write(lv_part_writer_t *w, const void *p, size_t n);
/* Overwrites n bytes at payload offset `at` (all written before). */
void lv_part_patch(lv_part_writer_t *w, uint32_t at, const void *p, size_t n);
/* Reads n bytes of payload at offset `at` back (all written before). */
void lv_part_peek(lv_part_writer_t *w, uint32_t at, void *p, size_t n);
/* Forgets payload beyond `len`; the extents are kept for what follows. */
void lv_part_rewind(lv_part_writer_t *w, uint32_t len);

/* Puts `head` (moof and mdat header) in front and commits. A head longer than
 * the room gets an extent of its own. Fills info->seq. On LV_OK the part is
 * visible, watchers are NOT yet rung (lv_stream_notify). LV_DECLINED:
 * displaced, the part is gone. LV_AGAIN: no memory for the head, still open.
 * An init section is committed with LV_PART_INIT in info->flags and no head:
 * it goes to the track's init list, not to its ring. Its name is info->msn;
 * init_msn is set to the same, seq to 0. One that no part has needed yet is
 * replaced; when the list is full the oldest one goes, and what needs it is
 * evicted before. */
int lv_part_commit(lv_part_writer_t *w, const void *head, size_t head_len,
    lv_part_info_t *info);
void lv_part_abort(lv_part_writer_t *w);

/* Evicts the stream's parts of segments before msn `keep_msn`, and init
 * sections that nothing lists any more. The newest segment stays. Nothing
 * happens once `epoch` is not the owner's any more. */
void lv_stream_evict(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    uint32_t keep_msn, uint64_t now_ms);


/* ---- reading ----------------------------------------------------------- */

/* The order that is safe: lv_stream_find() (gives gen), the track, find, pin,
 * then lv_stream_alive(s, gen). A track's memory becomes another stream's once
 * its stream is removed; that last look tells, and then the pin keeps. */

/* Newest and oldest listed part. LV_DECLINED: none. */
int lv_track_newest(lv_store_t *st, lv_track_t *t, lv_part_ref_t *ref);
int lv_track_oldest(lv_store_t *st, lv_track_t *t, lv_part_ref_t *ref);
/* By count. LV_DECLINED: gone or not there yet. */
int lv_track_part(lv_store_t *st, lv_track_t *t, uint32_t seq,
    lv_part_ref_t *ref);
/* By name. LV_DECLINED: gone; LV_AGAIN: newer than the newest. */
int lv_track_find(lv_store_t *st, lv_track_t *t, uint32_t msn, uint32_t part,
    lv_part_ref_t *ref);
int lv_track_init(lv_store_t *st, lv_track_t *t, uint32_t init_msn,
    lv_part_ref_t *ref);

/* LV_DECLINED: it is not that part any more. A pinned part's bytes stay until
 * the same slot unpins it. */
int lv_part_pin(lv_store_t *st, const lv_part_ref_t *ref);
void lv_part_unpin(lv_store_t *st, uint32_t id);
/* Is a pinned part evicted meanwhile, and since when (Unix ms)? 0: no. */
uint64_t lv_part_limbo_since(lv_store_t *st, uint32_t id);

/* The bytes of a pinned (or own) part as runs of memory: extents that lie side
 * by side come as one. Start with *it = 0; false: no more. */
typedef struct { uint32_t extent, left, started; } lv_run_t;
bool lv_part_run(lv_store_t *st, const lv_part_ref_t *ref, lv_run_t *it,
    const uint8_t **p, size_t *n);


/* ---- viewer sessions --------------------------------------------------- */

/* Notes that session `hash` (64 bits of a digest, not 0) of stream index
 * `stream` was seen. Lock-free, bounded: the oldest makes room. Returns true
 * when it is new. */
bool lv_session_seen(lv_store_t *st, uint32_t stream, uint32_t gen,
    uint64_t hash, uint32_t now_s);
/* Adds up sessions seen within `idle_s`: count[stream index] (count has
 * lv_stream_count() + 1 places). */
void lv_session_count(lv_store_t *st, uint32_t now_s, uint32_t idle_s,
    uint32_t *count);

#endif
