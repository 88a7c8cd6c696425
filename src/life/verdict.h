/*
 * The verdict on a lost socket: its sentence, and whether to try again.
 * Both are tables here, and one page in docs/verdicts.md.
 */
#ifndef VT_LIFE_VERDICT_H
#define VT_LIFE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/vital.h>

#include "evidence.h"

/* Whether to try again, and in which window. A window of 0, 0 is the backoff's. */
typedef struct vt_retry {
    bool again;
    int64_t low_ms;
    int64_t high_ms;
} vt_retry;

/* retry_after_s is the server's Retry-After, or -1. It counts where the server
 * told us to wait (HTTP 429 and 503), for at most an hour; so does the invitation in
 * a close reason (after 1001, 1012 and 1013). */
vt_retry vt_verdict_retry(const vital_verdict *verdict, int retry_after_s);

/* What a sentence may name beyond the verdict's own fields. */
typedef struct vt_circumstances {
    const char *what;      /* what failed or was broken, in words without a full stop;
                              REJECTED: the reason phrase; or NULL. Not trusted */
    int64_t quiet_ms;      /* SLOW: how long nothing has left. SILENT, STUCK: how long nothing was
                              heard after the beat left, or how long it could not. DEAF: how long
                              it has been out; below 0: not known */
    bool could_not_send;   /* SILENT: the beat itself was stuck in our queue */
    vt_finding finding;    /* of a silence: what the verdict's evidence has shown */
    bool refused_by_us;    /* REJECTED: we are the server; what is our reason */
    bool refused_by_proxy; /* REJECTED: what is the proxy's reason phrase */
    bool text_beat;        /* the beat was an in-band message */
} vt_circumstances;

/* Writes verdict->text from the other fields: valid UTF-8 without control
 * characters, cut short where it does not fit. Messages that are lost are named
 * when the verdict is final. */
void vt_verdict_describe(vital_verdict *verdict, const vt_circumstances *circumstances);

/* Which known idle limit, of a proxy or a balancer, matches a cut after so long
 * a silence: "nginx and AWS ALB" for 60 s. NULL if none does. */
const char *vt_verdict_idle_limit(int64_t silence_ms);

#endif
