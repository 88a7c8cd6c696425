/*
 * What a beat is on the wire, and which answer is its own. When to beat is
 * heartbeat.h's affair.
 *
 * A ping beats with a random nonce, so that only its own pong matches. A text
 * beat has nothing to tell its answers apart, so any answer matches while one
 * is awaited.
 */
#ifndef VT_LIFE_BEAT_H
#define VT_LIFE_BEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/engine.h>

#include "outbox.h"

enum { VT_NONCE_BYTES = 8 };

typedef struct vt_beat {
    uint8_t nonce[VT_NONCE_BYTES];
    uint64_t proves; /* messages that its answer will prove received */
} vt_beat;

/* Queues a beat. 0 or VITAL_ENOMEM. */
int vt_beat_send(vt_beat *beat, const vital_heartbeat *policy, const vital_entropy *entropy,
                 vt_outbox *outbox);

/* The beat has left, and so many messages before it. `owed`: an earlier beat was
 * forgotten unanswered; the next text answer may be its own, and proves no more
 * than that one asked about. */
void vt_beat_left(vt_beat *beat, const vital_heartbeat *policy, uint64_t messages, bool owed);

/* Whether a pong is the answer to the last ping beat. */
bool vt_beat_is_pong(const vt_beat *beat, vital_bytes payload);

/* What a text message is. */
typedef enum vt_beat_text {
    VT_BEAT_TEXT_NONE,   /* a message like any other */
    VT_BEAT_TEXT_ASKS,   /* the peer's beat: to be answered */
    VT_BEAT_TEXT_ANSWER, /* the answer to a beat of ours */
} vt_beat_text;
vt_beat_text vt_beat_read_text(const vital_policy *policy, vital_bytes text);

#endif
