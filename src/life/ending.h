/*
 * The end of a socket, from the moment it is decided until it is told: the
 * first decision stands, and what follows from it is not another cause.
 */
#ifndef VT_LIFE_ENDING_H
#define VT_LIFE_ENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

#include "evidence.h"

enum { VT_FAREWELL_BYTES = 64 };

/* Zeroed is a good start. */
typedef struct vt_ending {
    bool decided;
    vital_cause cause;
    uint16_t code;
    int error;           /* errno, or 0 */
    int status;          /* HTTP, or 0 */
    int alert;           /* TLS, or 0 */
    int retry_after_s;   /* -1: not said */
    bool could_not_send; /* SILENT: the beat never left */
    vt_finding finding;  /* of a silence: what the kernel's evidence has shown */
    bool by_proxy;       /* REJECTED: before the server was asked */
    char *what;          /* owned; without memory NULL, which a verdict survives */
    char *reason;        /* owned, likewise */

    /* once the socket is lost */
    vital_clock clock;
    int64_t open_ms;
    uint64_t unconfirmed;
    uint64_t unsent;
    bool final;
    int64_t retry_ms;
    size_t farewell_bytes;
    uint8_t farewell[VT_FAREWELL_BYTES];
} vt_ending;

/* Back to the start; frees what is owned. */
void vt_ending_finish(vt_ending *ending);

/* Copies `what`, which may be NULL. No effect once decided. */
void vt_ending_decide(vt_ending *ending, vital_cause cause, uint16_t code, const char *what);
void vt_ending_set_reason(vt_ending *ending, vital_bytes reason); /* copies */

/* All of the verdict but its pulse and its sentence. */
void vt_ending_verdict(const vt_ending *ending, vital_verdict *out);

#endif
