/*
 * The opening handshake as a machine: bytes in, one outcome (RFC 6455 4).
 *
 *   client:  vt_opening_begin() gives the request; then feed what comes
 *   server:  feed what comes; then vt_opening_answer() gives the 101
 */
#ifndef VT_LIFE_OPENING_H
#define VT_LIFE_OPENING_H

#include <vital/engine.h>

#include "extension.h"
#include "handshake.h"
#include "reader.h"
#include "request.h"
#include "response.h"

/* RFC 6455 4.1: the client waits for the answer before it sends more. What comes
 * earlier is a second request, smuggled past somebody. */
#define VT_OPENING_EARLY_DATA "data follows the request before its answer"

typedef enum vt_opening_outcome {
    VT_OPENING_MORE,    /* not yet */
    VT_OPENING_REQUEST, /* server: a good request, or a plain one if the policy
                           wants those; see opening->request */
    VT_OPENING_OPEN,    /* client: upgraded */
    VT_OPENING_FAILED,  /* see opening->failure */
} vt_opening_outcome;

typedef struct vt_opening_failure {
    vital_cause cause;    /* REJECTED, MISBEHAVED or OVERFLOW */
    int status;           /* client: what the server said; server: what to say to the client */
    int retry_after_s;    /* -1: not said */
    const char *what;     /* as long as the opening lives, as the next */
    const char *location; /* client: where a redirect points; else NULL */
} vt_opening_failure;

typedef struct vt_opening {
    vt_head head;
    size_t interim_bytes;            /* client: of heads that came before the answer */
    char key[VT_KEY_TEXT_BYTES + 1]; /* client */
    vital_request request;           /* server; borrows from head */
    vt_response response;            /* client */
    vt_deflate_terms deflate;        /* once it is open, or may be */
    vt_opening_failure failure;
} vt_opening;

/* Zeroed is a good start. */
void vt_opening_finish(vt_opening *opening); /* accepts NULL and zeroed */

/* The request, malloc'd; NULL without memory. */
char *vt_opening_begin(vt_opening *opening, const vital_policy *policy,
                       const vital_entropy *entropy);

/* Takes the head from the front of *input; a client's frames may follow it. Interim
 * responses (RFC 9110 15.2) are passed over, within the limit for the head. */
vt_opening_outcome vt_opening_feed(vt_opening *opening, const vital_policy *policy,
                                   vt_input *input);

/* What both sides speak; NULL if nothing. Points into the policy, or into the
 * response with which a server accepts (NULL for a client). */
const char *vt_opening_subprotocol(const vt_opening *opening, const vital_policy *policy,
                                   const vital_response *response);

/* The 101, malloc'd; NULL without memory. The response has no problem. */
char *vt_opening_answer(const vt_opening *opening, const vital_policy *policy,
                        const vital_response *response);

#endif
