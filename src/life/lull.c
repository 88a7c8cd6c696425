#include "lull.h"

#include <stdlib.h>

struct vital_lulls {
    struct lull {
        uint32_t path; /* 0: none */
        uint32_t until_s;
    } at[VT_LULLS];
};

int vital_lulls_create(vital_lulls **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? VITAL_ENOMEM : 0;
}

void vital_lulls_destroy(vital_lulls *lulls)
{
    free(lulls);
}

static uint32_t now_s(vital_clock clock)
{
    return (uint32_t)(clock.now_us / 1000000);
}

void vt_lulls_note(vital_lulls *lulls, uint32_t path, vital_clock clock)
{
    if (lulls == NULL || path == 0)
        return;
    lulls->at[path % VT_LULLS] = (struct lull){path, now_s(clock) + VT_LULLS_FOR_S};
}

bool vt_lulls_expected(const vital_lulls *lulls, uint32_t path, vital_clock clock)
{
    if (lulls == NULL || path == 0)
        return false;
    const struct lull *lull = &lulls->at[path % VT_LULLS];
    return lull->path == path && now_s(clock) < lull->until_s;
}
