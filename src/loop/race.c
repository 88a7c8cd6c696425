/*
 * A path that swallows packets must cost a quarter of a second and not the whole
 * limit: so the next address is tried beside the one that does not answer, not
 * after it. A refusal is an answer, and costs nothing.
 */
#include "race.h"

#include <assert.h>

/* Moves the address at `from` up to `to`; those between move down. */
static void move_up(vt_address *addresses, size_t from, size_t to)
{
    vt_address moved = addresses[from];
    for (; from > to; from--)
        addresses[from] = addresses[from - 1];
    addresses[to] = moved;
}

void vt_race_order(vt_address *addresses, size_t count)
{
    for (size_t at = 1; at < count; at++) {
        sa_family_t before = addresses[at - 1].any.sa_family;
        size_t other = at;
        while (other < count && addresses[other].any.sa_family == before)
            other++;
        if (other == count)
            return; /* the rest is of one family */
        move_up(addresses, other, at);
    }
}

void vt_race_begin(vt_race *race, size_t count, int64_t now_us)
{
    *race = (vt_race){.count = count, .due_us = now_us};
}

bool vt_race_take(vt_race *race, int64_t now_us, size_t *index)
{
    if (race->next == race->count || now_us < race->due_us)
        return false;
    *index = race->next++;
    race->running++;
    race->due_us = now_us + VT_RACE_DELAY_US;
    return true;
}

void vt_race_failed(vt_race *race, int64_t now_us)
{
    assert(race->running > 0);
    race->running--;
    race->due_us = now_us;
}

bool vt_race_lost(const vt_race *race)
{
    return race->running == 0 && race->next == race->count;
}

int64_t vt_race_due_us(const vt_race *race)
{
    return race->next == race->count ? INT64_MAX : race->due_us;
}
