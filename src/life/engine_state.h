/*
 * The inside of an engine, shared by engine.c (a connection's life),
 * engine_open.c (its beginning) and engine_end.c (its end), and by nobody else.
 */
#ifndef VT_LIFE_ENGINE_STATE_H
#define VT_LIFE_ENGINE_STATE_H

#include <vital/engine.h>

#include "backoff.h"
#include "beat.h"
#include "breaker.h"
#include "budget.h"
#include "ending.h"
#include "evidence.h"
#include "heartbeat.h"
#include "lull.h"
#include "opening.h"
#include "outbox.h"
#include "packing.h"
#include "prompt.h"
#include "reader.h"
#include "stats.h"
#include "utf8.h"

/* Drawn in engine.c. */
typedef enum vt_engine_state {
    VT_AWAY,
    VT_CONNECTING,
    VT_OPENING,
    VT_ASKING,
    VT_OPEN,
    VT_CLOSING,
    VT_ENDING,
    VT_GONE,
} vt_engine_state;

/* See engine_flow.c. Stamps are of the clock less all stalls; -1: there is none. */
typedef struct vt_flow {
    bool paused;
    int64_t paused_awake_us; /* since when */
    uint8_t *held;           /* owned; what came and was not pulled before the pause */
    size_t held_size;        /* 0 while it is the input */
    bool end_waits;          /* the stream has ended behind what is held */
    int end_error;
    int64_t offered_awake_us; /* bytes have been given out, and none have left since */
    int64_t message_awake_us; /* a message has begun, and is not complete */
} vt_flow;

struct vital_engine {
    const vital_policy *policy;
    vital_entropy entropy;
    vt_engine_state state;
    unsigned events; /* bit t: an event of type t waits */
    bool await_end;  /* ENDING: for the server to end the stream */
    bool leaving;    /* vital_engine_close() was called: there is no way back */
    bool want_drain;
    bool served; /* server: a plain request has its answer */
    vital_health told_health;

    vt_reader_rules rules;
    vt_reader reader;
    vt_input input; /* lent by vital_engine_read(), or the rest in `held` */
    vt_flow flow;
    vt_outbox outbox;
    vital_kind piece_kind; /* of the message that is sent in pieces */
    vt_utf8 piece_utf8;
    vt_packing *packing; /* owned; NULL without compression */
    vt_opening *opening; /* owned; NULL before anything came, and once open and pulled */
    vt_heartbeat heart;
    vital_evidence evidence; /* as last told */
    vt_change change;        /* since the look before, in the same silence */
    bool told;               /* since the last tick */
    vt_finding found;        /* when it was last looked at, in this silence */
    bool unsure;             /* the last limit has passed, and that did not tell enough */
    vt_party party;
    vt_beat beat;
    vt_budget control; /* the peer's control frames */
    vt_backoff backoff;
    vt_prompt prompt;
    bool bidden; /* AWAY: the server has said when to come back */
    struct {
        vital_hint why;
        int64_t retry_ms;
    } sooner; /* VITAL_EVENT_SOONER */
    vt_ending ending;

    size_t queue_counted;    /* of the queue, what the statistics know of */
    uint64_t confirmed;      /* messages proven received, or already reported */
    const char *subprotocol; /* NULL: none; one of the policy's, or the next */
    char *own_subprotocol;   /* owned; one that the application has chosen; NULL: none */
    const char *late;        /* CONNECTING: what a time-out would mean; NULL: not told */
    int64_t opened_us;       /* -1: this socket has not been open */

    int64_t deadline_us; /* of the state; and the stalls when it was set */
    int64_t deadline_stalled_us;
    int64_t patience_us; /* CLOSING, ENDING: deadline_us never moves beyond this */
    int64_t stalled_us;  /* as last told */
};

static inline void vt_engine_flag(vital_engine *engine, vital_event_type type)
{
    engine->events |= 1u << type;
}

static inline void vt_engine_set_deadline(vital_engine *engine, vital_clock clock, int64_t after_ms)
{
    engine->deadline_us = clock.now_us + after_ms * 1000;
    engine->deadline_stalled_us = clock.stalled_us;
    engine->stalled_us = clock.stalled_us;
}

static inline bool vt_engine_has_stream(const vital_engine *engine)
{
    return engine->state >= VT_OPENING && engine->state <= VT_ENDING;
}

/* ---- engine.c */

void vt_engine_finish(vital_engine *engine); /* accepts zeroed */

/* The queue has changed: so do the statistics. */
static inline void vt_engine_count_queue(vital_engine *engine)
{
    size_t bytes = engine->outbox.queued_bytes;
    vt_stats_queue(engine->policy->stats, engine->queue_counted, bytes);
    engine->queue_counted = bytes;
}

/* Who was told that the queue is full hears once that half of it is free. */
void vt_engine_tell_drain(vital_engine *engine);

/* ---- engine_flow.c */

/* Bytes have been given out, or some of them have left. */
void vt_engine_offered(vital_engine *engine, vital_clock clock);
void vt_engine_progressed(vital_engine *engine, vital_clock clock);
/* OPEN: when somebody will have been too slow; and whether it has been so long,
 * which has then ended the socket. */
int64_t vt_engine_flow_deadline(const vital_engine *engine);
bool vt_engine_too_slow(vital_engine *engine, vital_clock clock);
/* All that has come was pulled: a message has begun, or not. */
void vt_engine_note_message(vital_engine *engine, vital_clock clock);
/* Paused: the rest of the lent bytes is kept; else what was kept is the input. */
void vt_engine_hold(vital_engine *engine, vital_clock clock);
void vt_engine_unhold(vital_engine *engine);
/* Whether an end of the stream is put off until what is held has been pulled. */
bool vt_engine_put_off_end(vital_engine *engine, vital_clock clock, int error);
void vt_engine_forget_flow(vital_engine *engine);

/* ---- engine_doubt.c */

/* Tells the breaker how this one stands: whatever may have changed it has happened. */
void vt_engine_stand(vital_engine *engine);
/* Queues a beat. */
void vt_engine_beat(vital_engine *engine, vital_clock clock);
/* The health has turned doubtful: the beat is late. And it is no more: a sign came. */
void vt_engine_doubt(vital_engine *engine);
void vt_engine_relieve(vital_engine *engine, vital_clock clock);
/* What the evidence says that was told for this tick. */
vt_finding vt_engine_find(const vital_engine *engine);
/* OPEN: time to look at the evidence: VT_BEAT_CHECK, _LOOK or _LOST. */
void vt_engine_look(vital_engine *engine, vital_clock clock, vt_beat_action action);
/* OPEN: the peer asks whether we are there. */
void vt_engine_asked(vital_engine *engine, vital_clock clock);
/* OPEN: whether the peer talks and hears nothing, which has then ended the socket. */
bool vt_engine_deaf(vital_engine *engine, vital_clock clock);

/* ---- engine_hint.c */

/* The attempt that fails now may have been too early: how long to wait, instead of so
 * long. */
int64_t vt_engine_hinted_ms(vital_engine *engine, vital_clock clock, int64_t retry_ms);

/* ---- engine_open.c */

/* Zeroed memory becomes an engine without a state. */
void vt_engine_set_up(vital_engine *engine, const vital_policy *policy, vital_entropy entropy);
/* OPENING, with input. */
void vt_engine_feed_opening(vital_engine *engine, vital_clock clock);
/* Server, OPENING or ASKING: refuses, and says why in the body and the verdict. */
void vt_engine_refuse(vital_engine *engine, vital_clock clock, int status, const char *what);
/* Likewise, with 503: we are closing. The ending's reason may invite to come back. */
void vt_engine_turn_away(vital_engine *engine, vital_clock clock, uint16_t code);
void vt_engine_forget_opening(vital_engine *engine);

/* ---- engine_end.c */

/* The one way out of every state: the stream is over, and the verdict, which
 * has been decided, is ready to be pulled. */
void vt_engine_lose(vital_engine *engine, vital_clock clock);
void vt_engine_lose_for(vital_engine *engine, vital_clock clock, vital_cause cause, uint16_t code,
                        const char *what);
void vt_engine_lose_without_memory(vital_engine *engine, vital_clock clock);
/* No answer, whatever was found to be the cause: with a farewell for a peer that
 * wakes up later. */
void vt_engine_lose_unanswered(vital_engine *engine, vital_clock clock, vital_cause cause,
                               vt_finding finding);

/* The verdict is decided, and last bytes may leave within the closing limit. */
void vt_engine_end(vital_engine *engine, vital_clock clock);
/* RFC 6455 7.1.7: fail the connection, telling the peer why. */
void vt_engine_fail(vital_engine *engine, vital_clock clock, uint16_t code, const char *what);
/* The peer's close frame. */
void vt_engine_take_close(vital_engine *engine, vital_clock clock, const vt_item *item);
/* CLOSING or ENDING: something still moves, so the limit begins anew. */
void vt_engine_extend_closing(vital_engine *engine, vital_clock clock);
/* Decided, but not yet lost: whether the engine will come back. */
bool vt_engine_returns(const vital_engine *engine);
/* ENDING or CLOSING: bytes have left. */
void vt_engine_closing_progress(vital_engine *engine, vital_clock clock);
/* CLOSING or ENDING: out of time. */
void vt_engine_closing_late(vital_engine *engine, vital_clock clock);

void vt_engine_write_verdict(const vital_engine *engine, vital_verdict *out);
/* OPEN: what it would be now, for that cause. */
void vt_engine_write_suspicion(const vital_engine *engine, vital_clock clock, vital_cause cause,
                               vital_verdict *out);

#endif
