/*
 * Each fault is drawn with all of its numbers, whether it needs them or not, so
 * that what one kind means can change without moving the others.
 */
#include "plan.h"

#include <string.h>

#include "draw.h"
#include "memory.h"

static const struct {
    const char *word;
    int often;
    const char *text;
} KINDS[SIM_FAULT_KINDS] = {
#define SIM_FAULT_ROW(name, word, often, what) {word, often, what},
    SIM_FAULTS(SIM_FAULT_ROW)
#undef SIM_FAULT_ROW
};

const char *sim_fault_word(sim_fault_kind kind)
{
    return KINDS[kind].word;
}

const char *sim_fault_text(sim_fault_kind kind)
{
    return KINDS[kind].text;
}

bool sim_fault_parse(const char *words, uint64_t *kinds)
{
    *kinds = 0;
    while (*words != '\0') {
        size_t size = strcspn(words, ",");
        int kind = 0;
        while (kind < SIM_FAULT_KINDS &&
               (strlen(KINDS[kind].word) != size || memcmp(KINDS[kind].word, words, size) != 0))
            kind++;
        if (kind == SIM_FAULT_KINDS)
            return false;
        *kinds |= UINT64_C(1) << kind;
        words += size + (words[size] == ',');
    }
    return *kinds != 0;
}

static sim_fault_kind draw_kind(sim_draw *draw)
{
    int all = 0;
    for (int kind = 0; kind < SIM_FAULT_KINDS; kind++)
        all += KINDS[kind].often;
    int64_t drawn = sim_draw_between(draw, 0, all - 1);
    int kind = 0;
    for (; drawn >= KINDS[kind].often; kind++)
        drawn -= KINDS[kind].often;
    return (sim_fault_kind)kind;
}

/* Mostly short, sometimes long. */
static int64_t draw_time_us(sim_draw *draw)
{
    int64_t longest_ms = sim_draw_between(draw, 0, 3) == 0 ? SIM_LONGEST_STOP_S * 1000 : 4000;
    return sim_draw_between(draw, 10, longest_ms) * 1000;
}

void sim_plan_draw(sim_plan *plan, uint64_t seed, int64_t span_us, int64_t every_us, uint64_t kinds)
{
    sim_draw draw = sim_draw_of(seed, 2);
    size_t capacity = 0;
    *plan = (sim_plan){.count = 0};
    int64_t at_us = 0;
    for (;;) {
        at_us += sim_draw_between(&draw, 1, 2 * every_us);
        if (at_us >= span_us)
            return;
        sim_fault fault = {.kind = draw_kind(&draw), .at_us = at_us};
        fault.for_us = draw_time_us(&draw);
        fault.pick = sim_draw_next(&draw);
        if ((kinds >> fault.kind & 1) == 0)
            continue;
        if (plan->count == capacity) {
            capacity = capacity * 2 + 64;
            plan->faults = sim_obtain_more(plan->faults, capacity * sizeof *plan->faults);
        }
        plan->faults[plan->count++] = fault;
    }
}

void sim_plan_finish(sim_plan *plan)
{
    sim_release(plan->faults);
    *plan = (sim_plan){.count = 0};
}
