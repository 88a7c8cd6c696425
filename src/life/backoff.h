/*
 * How long to stay away before the next attempt: decorrelated jitter.
 *
 *   first attempt        U(0, first)
 *   each one after it    U(min, clamp(3 * the last one, min, max))
 *
 * The clamp comes before the jitter: clamping last would make every client wait
 * exactly the same longest time, and return in one wave.
 */
#ifndef VT_LIFE_BACKOFF_H
#define VT_LIFE_BACKOFF_H

#include <stdint.h>

#include <vital/engine.h>

typedef struct vt_backoff {
    int64_t last_ms;   /* the last delay; 0: none since the beginning or the last reset */
    uint32_t attempts; /* since then */
} vt_backoff;

int64_t vt_backoff_next_ms(vt_backoff *backoff, const vital_reconnect *policy,
                           const vital_entropy *entropy);

/* The connection has proven stable: begin anew. */
void vt_backoff_reset(vt_backoff *backoff);

#endif
