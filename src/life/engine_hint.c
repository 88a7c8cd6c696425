/*
 * What becomes of a hint: an open connection asks, a client that waits tries, and one
 * that is trying will not wait for long if that fails. How soon is prompt.h's affair;
 * that no hint ever convicts anybody follows from its asking only.
 */
#include "engine_state.h"

static void try_sooner(vital_engine *engine, vital_clock clock, vital_hint hint)
{
    /* Who has told us when to come back is not asked before. */
    if (engine->bidden)
        return;
    int64_t at_us = vt_prompt_try_us(&engine->prompt, &engine->entropy, clock.now_us,
                                     engine->deadline_us);
    if (at_us == engine->deadline_us)
        return;
    engine->deadline_us = at_us;
    engine->sooner.why = hint;
    engine->sooner.retry_ms = (at_us - clock.now_us) / 1000;
    if ((engine->events & 1u << VITAL_EVENT_CLOSED) != 0)
        engine->ending.retry_ms = engine->sooner.retry_ms; /* nobody has been told another */
    else
        vt_engine_flag(engine, VITAL_EVENT_SOONER);
}

void vital_engine_hint(vital_engine *engine, vital_clock clock, vital_hint hint)
{
    switch (engine->state) {
    case VT_OPEN:
        vt_heartbeat_hasten(&engine->heart,
                            vt_prompt_ask_us(hint, engine->policy->role, engine->heart.left_us,
                                             &engine->entropy, clock.now_us));
        break;
    case VT_AWAY:
        if (hint != VITAL_HINT_REPORT)
            try_sooner(engine, clock, hint);
        break;
    case VT_CONNECTING:
    case VT_OPENING:
        engine->prompt.waits |= hint != VITAL_HINT_REPORT;
        break;
    default: /* it ends, whatever comes */
        break;
    }
}

int64_t vt_engine_hinted_ms(vital_engine *engine, vital_clock clock, int64_t retry_ms)
{
    if (!engine->prompt.waits)
        return retry_ms;
    int64_t due_us = clock.now_us + retry_ms * 1000;
    int64_t at_us = vt_prompt_try_us(&engine->prompt, &engine->entropy, clock.now_us, due_us);
    return (at_us - clock.now_us) / 1000;
}
