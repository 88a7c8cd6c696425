/*
 * Clients that were thrown out together must not come back together. So every
 * delay is drawn at random from a whole window, never from its end; a window
 * grows from the delay that was drawn before, so that clients drift apart even
 * when they fail in step. At the longest delay the window is still as wide as
 * it can be: [min, max].
 */
#include "backoff.h"

#include "random.h"

/* Each window is at most so many times as long as the last delay. */
enum { GROWTH = 3 };

static int64_t at_least(int64_t value, int64_t low)
{
    return value < low ? low : value;
}

int64_t vt_backoff_next_ms(vt_backoff *backoff, const vital_reconnect *policy,
                           const vital_entropy *entropy)
{
    const int64_t min = at_least(policy->min_ms, 0);
    const int64_t max = at_least(policy->max_ms, min);
    int64_t low = 0;
    int64_t high = at_least(policy->first_ms, 0);

    if (backoff->attempts > 0) {
        /* Bounded before it is multiplied: the last delay may have come from a
         * policy with longer ones. */
        const int64_t last = backoff->last_ms < max ? backoff->last_ms : max;
        low = min;
        high = at_least(last * GROWTH, min);
        if (high > max)
            high = max;
    }
    backoff->last_ms = vt_random_between(entropy->fill, entropy->source, low, high);
    if (backoff->attempts < UINT32_MAX)
        backoff->attempts++;
    return backoff->last_ms;
}

void vt_backoff_reset(vt_backoff *backoff)
{
    *backoff = (vt_backoff){0};
}
