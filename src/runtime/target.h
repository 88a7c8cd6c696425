/*
 * Where a client connects to: where its options say, or where redirects have led
 * it from there in this attempt; and what it may say there. Credentials, headers
 * and certificates were given for one origin, and are taken to no other.
 */
#ifndef VT_RUNTIME_TARGET_H
#define VT_RUNTIME_TARGET_H

#include <vital/vital.h>

#include "tls.h"
#include "url.h"

typedef struct vt_target {
    vital_loop *loop;
    vt_url asked;   /* what the options say */
    char **headers; /* owned: theirs, and Authorization */
    vital_tls tls;  /* a copy */
    vt_tls_policy *asked_tls;
    vt_url led; /* where redirects have led; zeroed: nowhere */
    vt_tls_policy *led_tls;
    bool foreign;  /* another origin has been seen: nothing is told any more */
    int redirects; /* how many are followed in one attempt, */
    int left;      /* and how many of them are left */
} vt_target;

/* 0 or an error with a sentence, after which the target is to be finished all the
 * same. */
int vt_target_init(vt_target *target, vital_loop *loop, const vital_connect_options *options,
                   char problem[VT_TLS_PROBLEM_BYTES]);
void vt_target_finish(vt_target *target); /* accepts zeroed */

/* An attempt begins: back to what was asked for. */
void vt_target_begin(vt_target *target);
/* NULL: the target is where the location leads. Or why not, a static sentence,
 * and nothing has changed. */
const char *vt_target_follow(vt_target *target, const char *location);

const vt_url *vt_target_url(const vt_target *target);
const char *const *vt_target_headers(const vt_target *target);
vt_tls_policy *vt_target_tls(const vt_target *target); /* NULL: in plain */

#endif
