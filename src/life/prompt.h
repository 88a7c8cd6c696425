/*
 * How soon to follow a hint (vital_hint): from outside comes word that it may be worth
 * asking, or trying, now. Hints cost nothing to give, and may be wrong, forged, or many;
 * so each is followed within bounds.
 *
 *   ask   an open connection beats: after a report of a router at once, else within 1 s,
 *         of a server within 5 s, since it has many; and never within 2 s of the last beat
 *   try   a client that waits for its next attempt begins it within 0.5 s, and such
 *         attempts are 10 s apart; but for those that did not leave this machine
 */
#ifndef VT_LIFE_PROMPT_H
#define VT_LIFE_PROMPT_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/engine.h>

typedef struct vt_prompt {
    bool tried;
    bool waits;       /* a hint has come while an attempt was under way */
    int64_t tried_us; /* when the last attempt was due that followed a hint */
} vt_prompt;

/* When to beat; the last beat has left at `left_us`. */
int64_t vt_prompt_ask_us(vital_hint hint, vital_role role, int64_t left_us,
                         const vital_entropy *entropy, int64_t now_us);

/* When to try, if it was due at `due_us`: then, or sooner. */
int64_t vt_prompt_try_us(vt_prompt *prompt, const vital_entropy *entropy, int64_t now_us,
                         int64_t due_us);
/* The attempt has failed, and the way it would have taken was not there. */
void vt_prompt_unspent(vt_prompt *prompt);

#endif
