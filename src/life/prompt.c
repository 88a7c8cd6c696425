/*
 * Jitter here is short, for somebody waits; it is there for the server that a whole
 * house, or a whole company, comes back to when its uplink does.
 */
#include "prompt.h"

#include "random.h"

enum {
    ASKS_APART_US = 2 * 1000 * 1000,
    CLIENT_ASKS_WITHIN_US = 1000 * 1000,
    SERVER_ASKS_WITHIN_US = 5 * 1000 * 1000,
    TRIES_APART_US = 10 * 1000 * 1000,
    TRIES_WITHIN_US = 500 * 1000,
};

static int64_t soon_us(const vital_entropy *entropy, int64_t within_us)
{
    return vt_random_between(entropy->fill, entropy->source, 0, within_us);
}

int64_t vt_prompt_ask_us(vital_hint hint, vital_role role, int64_t left_us,
                         const vital_entropy *entropy, int64_t now_us)
{
    int64_t at_us = now_us;
    if (hint != VITAL_HINT_REPORT)
        at_us += soon_us(entropy,
                         role == VITAL_SERVER ? SERVER_ASKS_WITHIN_US : CLIENT_ASKS_WITHIN_US);
    return at_us > left_us + ASKS_APART_US ? at_us : left_us + ASKS_APART_US;
}

int64_t vt_prompt_try_us(vt_prompt *prompt, const vital_entropy *entropy, int64_t now_us,
                         int64_t due_us)
{
    int64_t at_us = now_us + soon_us(entropy, TRIES_WITHIN_US);
    if (prompt->tried && at_us < prompt->tried_us + TRIES_APART_US)
        at_us = prompt->tried_us + TRIES_APART_US;
    if (at_us >= due_us)
        return due_us;
    prompt->tried = true;
    prompt->tried_us = at_us;
    return at_us;
}

void vt_prompt_unspent(vt_prompt *prompt)
{
    prompt->tried = false;
}
