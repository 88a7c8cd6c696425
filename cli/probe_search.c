/* The search of probe_search.h. */
#include "probe_search.h"

#include <assert.h>
#include <stdint.h>

enum {
    FIRST_MS = 15 * 1000, /* no path that bears less is worth a WebSocket */
    FIRST_PART = 16,      /* of the longest, if that is less */
    EXACT_PART = 20,      /* halving ends at a twentieth of what was borne, */
    EXACT_MS = 250,       /* or at this */
};

void probe_search_init(probe_search *search, int longest_ms, bool repeats)
{
    assert(longest_ms >= 1);
    *search = (probe_search){.longest_ms = longest_ms, .repeats = repeats};
}

static int less(int a, int b)
{
    return a < b ? a : b;
}

static int first_ms(const probe_search *search)
{
    int part_ms = search->longest_ms / FIRST_PART;
    return less(FIRST_MS, part_ms > 0 ? part_ms : 1);
}

/* After the first connection was dead. */
static int between(int borne_ms, int fatal_ms)
{
    int exact_ms = borne_ms / EXACT_PART > EXACT_MS ? borne_ms / EXACT_PART : EXACT_MS;
    if (fatal_ms - borne_ms <= exact_ms)
        return 0;
    if (borne_ms < fatal_ms / 2)
        return borne_ms * 2;
    return borne_ms + (fatal_ms - borne_ms) / 2;
}

int probe_search_next(const probe_search *search)
{
    bool enough = search->borne_ms >= search->longest_ms || search->spoke_ms > 0;
    if (enough || search->ended_times > (search->repeats ? 1 : 0))
        return 0;
    if (search->fatal_ms == 0)
        return search->longest_ms;
    if (search->borne_ms == 0)
        return search->fatal_ms <= first_ms(search) ? 0 : first_ms(search);
    return between(search->borne_ms, search->fatal_ms);
}

void probe_search_tell(probe_search *search, probe_outcome outcome, int silence_ms)
{
    switch (outcome) {
    case PROBE_ALIVE:
        if (search->borne_ms < silence_ms)
            search->borne_ms = silence_ms;
        break;
    case PROBE_DEAD:
        if (search->fatal_ms == 0 || search->fatal_ms > silence_ms)
            search->fatal_ms = silence_ms;
        break;
    case PROBE_ENDED:
        search->ended_last_ms = silence_ms > 0 ? silence_ms : 1;
        if (search->ended_times == 0 || search->ended_ms > search->ended_last_ms)
            search->ended_ms = search->ended_last_ms;
        search->ended_times++;
        break;
    case PROBE_SPOKE:
        search->spoke_ms = silence_ms > 0 ? silence_ms : 1;
        break;
    }
}

static bool was_coincidence(const probe_search *search)
{
    return search->ended_ms <= search->borne_ms;
}

int probe_search_limit_ms(const probe_search *search)
{
    if (search->ended_ms == 0 || was_coincidence(search))
        return search->fatal_ms;
    return search->fatal_ms > 0 ? less(search->ended_ms, search->fatal_ms) : search->ended_ms;
}

int probe_search_interval_ms(const probe_search *search, int answer_ms)
{
    if (search->spoke_ms > 0)
        return PROBE_INTERVAL_MOST_MS;
    /* Who ends silent connections does it at the limit; who forgets them was only
     * seen to have forgotten. */
    int limit_ms = probe_search_limit_ms(search);
    int sure_ms = limit_ms == search->fatal_ms ? search->borne_ms : limit_ms;
    int64_t interval_ms = (int64_t)sure_ms - 2 * (int64_t)answer_ms;
    if (interval_ms > sure_ms / 2)
        interval_ms = sure_ms / 2;
    if (interval_ms < PROBE_INTERVAL_LEAST_MS)
        return PROBE_INTERVAL_LEAST_MS;
    return interval_ms < PROBE_INTERVAL_MOST_MS ? (int)interval_ms : PROBE_INTERVAL_MOST_MS;
}
