/*
 * Delta debugging (Zeller and Hildebrandt, IEEE TSE 28(2), 2002) on the plan:
 * leave out chunks of it, half at first, one fault at last. Any violation counts,
 * not just the first one: a shorter story of another fault is worth as much.
 */
#include "shrink.h"

enum { LIVES_MOST = 300 };

typedef struct shrinking {
    sim_options *options;
    sim_plan *plan;
    int lives;
} shrinking;

static bool fails(shrinking *search)
{
    if (search->lives++ >= LIVES_MOST)
        return false;
    return sim_live(search->options, search->plan).violations > 0;
}

static size_t faults_left(const sim_plan *plan)
{
    size_t left = 0;
    for (size_t i = 0; i < plan->count; i++)
        left += !plan->faults[i].off;
    return left;
}

/* Switches off `size` of those that are on, beginning with the from-th. Returns
 * how many. */
static size_t leave_out(const sim_plan *plan, bool *changed, size_t from, size_t size)
{
    size_t on = 0, done = 0;
    for (size_t i = 0; i < plan->count; i++) {
        changed[i] = !plan->faults[i].off && on >= from && on < from + size;
        on += !plan->faults[i].off;
        plan->faults[i].off |= changed[i];
        done += changed[i];
    }
    return done;
}

static void shrink_plan(shrinking *search)
{
    sim_plan *plan = search->plan;
    bool changed[plan->count + 1];
    for (size_t size = faults_left(plan); size > 0; size /= 2) {
        size_t from = 0;
        while (leave_out(plan, changed, from, size) > 0) {
            if (fails(search))
                continue;
            for (size_t i = 0; i < plan->count; i++)
                plan->faults[i].off &= !changed[i];
            from += size;
        }
    }
}

static void shrink_features(shrinking *search)
{
    for (unsigned feature = 0; feature < SIM_FEATURE_COUNT; feature++) {
        unsigned before = search->options->features;
        search->options->features &= ~(1u << feature);
        if (search->options->features != before && !fails(search))
            search->options->features = before;
    }
}

/* Halves a number while that still fails. */
static void shrink_number(shrinking *search, int *number)
{
    while (*number > 1) {
        int before = *number;
        *number = before / 2;
        if (!fails(search)) {
            *number = before;
            return;
        }
    }
}

static void shrink_span(shrinking *search)
{
    for (;;) {
        int64_t before_us = search->options->span_us;
        search->options->span_us = before_us / 2;
        if (before_us > 1000 && fails(search))
            continue;
        search->options->span_us = before_us;
        return;
    }
}

void sim_shrink(sim_options *options, sim_plan *plan)
{
    shrinking search = {options, plan, 0};
    shrink_plan(&search);
    shrink_features(&search);
    shrink_number(&search, &options->clients);
    shrink_number(&search, &options->processes);
    shrink_span(&search);
    shrink_plan(&search);
}
