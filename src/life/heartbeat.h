/*
 * When to beat, when to doubt, when to give up: one small machine, pure.
 *
 *             due                 it has wholly left
 *   QUIET ------------>  QUEUED  --------------------->  OUT
 *     ^                     |                             |  |
 *     |  answered; or not, by a peer that keeps talking   |  |
 *     +---------------------|-----------------------------+  |
 *                           |                                |
 *                           +-- no sign for the limit -------+--->  LOST
 *
 *   Half-way to LOST the health turns DOUBTFUL; any byte turns it back.
 *
 *   Where the kernel gives evidence, it is looked at now and then in a silence. It
 *   may end the silence sooner, or have us wait for two limits more: what it says
 *   is judged by the owner, by evidence.h.
 *
 * A beat is due when either direction has been silent for the interval, so a
 * connection that talks both ways costs none. Silence is judged on a clock that
 * stands still while we ourselves were not attending (vital_clock): our
 * lateness moves every deadline by as much.
 *
 * Guarantee: a peer of which nothing is heard from time t on is LOST no later
 * than t + interval + answer limit (plus our own lateness), provided the beat
 * could leave; if it could not, no later than the same after the last byte that
 * left. A peer of which any byte arrives within the answer limit is not.
 *
 * RTT estimation: RFC 6298. The answer limit and what is doubted: DESIGN.md.
 */
#ifndef VT_LIFE_HEARTBEAT_H
#define VT_LIFE_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/engine.h>

#define VT_NEVER_US INT64_MAX

typedef enum vt_beat_state {
    VT_BEAT_QUIET,  /* no beat is due or on its way */
    VT_BEAT_QUEUED, /* asked for, and has not wholly left */
    VT_BEAT_OUT,    /* has left; an answer is awaited */
} vt_beat_state;

/* Two clocks: `_us` stamps are of the clock, `_awake_us` ones of the clock less
 * all stalls until then, on which the peer's silence is judged. */
typedef struct vt_heartbeat {
    vt_beat_state state;
    vital_health health;
    bool paused;            /* we do not read: silence says nothing */
    bool blurred;           /* OUT: we did not read all the time, so its time is no round trip */
    uint32_t owed;          /* beats that were forgotten and may still be answered */
    int64_t interval_us;    /* this time's, jittered; VT_NEVER_US: never */
    int64_t soon_us;        /* the next beat is due by then, whatever was heard; VT_NEVER_US: not */
    int64_t check_us;       /* QUIET: when to look whether our answer to the peer's beat has
                               got across; VT_NEVER_US: not */
    int64_t heard_us;       /* when bytes last came */
    int64_t spoke_us;       /* when bytes last left */
    int64_t left_us;        /* OUT: when the beat left */
    int64_t left_awake_us;  /* OUT: the same, for the round trip */
    int64_t sign_awake_us;  /* the last sign of life since the beat was asked for */
    int64_t still_awake_us; /* the same, but that the kernel gets on is none */
    int64_t looked_awake_us; /* when the evidence was last looked at */
    bool looks;              /* there is evidence */
    int64_t held_awake_us;   /* no verdict before; 0: whenever one is due */
    int limits;              /* how many answer limits the silence may last: 1 to VT_LIMITS_MOST */
    int64_t stalled_us;      /* the stalls, as last told */
    int64_t proved_us;       /* when a beat was last answered; -1: never */
    int64_t rtt_us;          /* -1 before the first answer */
    int64_t srtt_us;
    int64_t rttvar_us;
    uint64_t beats_sent;
    uint64_t beats_answered;
} vt_heartbeat;

typedef enum vt_beat_action {
    VT_BEAT_NOTHING,
    VT_BEAT_SEND,  /* send a beat, and say vt_heartbeat_left() once it has */
    VT_BEAT_CHECK, /* look whether our answer got across; if not, vt_heartbeat_hasten() */
    VT_BEAT_LOOK,  /* look at the evidence */
    VT_BEAT_DOUBT, /* health has become doubtful */
    VT_BEAT_LOST,  /* the limit is reached: give it up, or vt_heartbeat_wait() */
} vt_beat_action;

/* The connection is open. The first beat comes after U[1/2, 1] of the interval. */
void vt_heartbeat_start(vt_heartbeat *heart, const vital_heartbeat *policy,
                        const vital_entropy *entropy, vital_clock clock);

/* So many answer limits are granted to a peer whose host is known to be up; one, if the
 * limit was given. */
enum { VT_LIMITS_MOST = 3 };

/* Any byte came. True if this ended a doubt. */
bool vt_heartbeat_heard(vt_heartbeat *heart, vital_clock clock);
void vt_heartbeat_spoke(vt_heartbeat *heart, vital_clock clock); /* any byte left */
void vt_heartbeat_left(vt_heartbeat *heart, vital_clock clock);  /* the beat has wholly left */
/* The peer's beat came, and is being answered. */
void vt_heartbeat_asked(vt_heartbeat *heart, vital_clock clock);
/* A matched answer came. `exact`: it can be the answer to no other beat. The round
 * trip in us; -1 if this one could not be measured. */
int64_t vt_heartbeat_answered(vt_heartbeat *heart, vital_clock clock, bool exact);

/* It is our own doing that the beat has not left yet. */
void vt_heartbeat_excuse(vt_heartbeat *heart, vital_clock clock);

/* The beat is answered no more: it is time for the next. */
void vt_heartbeat_forget(vt_heartbeat *heart, vital_clock clock);
/* There is a reason to ask: the next beat is due then at the latest. It changes nothing
 * while one is on its way, and never where there are no beats. */
void vt_heartbeat_hasten(vt_heartbeat *heart, int64_t by_us);

/* ---- what the evidence says */

/* The kernel gets on with what waits before the beat: the limit begins anew. */
void vt_heartbeat_moved(vt_heartbeat *heart, vital_clock clock);
/* True if this began a doubt. */
bool vt_heartbeat_doubt(vt_heartbeat *heart);
/* One limit more; or false: there have been enough, or the limit is not ours to stretch. */
bool vt_heartbeat_wait(vt_heartbeat *heart, const vital_heartbeat *policy);
/* No verdict for so long, whatever is due; a sign of life is heard all the same, and ends
 * it. Nor is the beat of a peer that talks forgotten meanwhile. */
void vt_heartbeat_hold(vt_heartbeat *heart, vital_clock clock, int64_t for_us);
bool vt_heartbeat_held(const vt_heartbeat *heart, vital_clock clock);
/* While waiting: ask again, since the first beat has been taken. False if the beat
 * has not left; else it is to be sent, as after VT_BEAT_SEND. */
bool vt_heartbeat_ask_again(vt_heartbeat *heart);
/* Whether the limit has passed without an answer to the beat, by a peer that talks. */
bool vt_heartbeat_unanswered(const vt_heartbeat *heart, const vital_heartbeat *policy,
                             vital_clock clock);
/* Whether a tick now would end in a judgement. */
bool vt_heartbeat_judges(const vt_heartbeat *heart, const vital_heartbeat *policy,
                         vital_clock clock);

/* We read no more, or again. While we do not, beats still leave, but no answer is
 * insisted on: our own not reading is never the peer's death. True if this ended
 * a doubt. */
bool vt_heartbeat_pause(vt_heartbeat *heart, vital_clock clock, bool pause);

vt_beat_action vt_heartbeat_tick(vt_heartbeat *heart, const vital_heartbeat *policy,
                                 const vital_entropy *entropy, vital_clock clock);
int64_t vt_heartbeat_deadline(const vt_heartbeat *heart, const vital_heartbeat *policy);

/* Whether an answer is awaited that could match. */
static inline bool vt_heartbeat_waiting(const vt_heartbeat *heart)
{
    return heart->state == VT_BEAT_OUT;
}

/* For how long there may be no sign of the peer once a beat is on its way. */
int64_t vt_heartbeat_answer_limit_us(const vt_heartbeat *heart, const vital_heartbeat *policy);

void vt_heartbeat_pulse(const vt_heartbeat *heart, vital_clock clock, vital_pulse *out);

#endif
