/*
 * How fast things go: pausing, for who cannot keep up with the peer, and the two
 * limits on a peer that is too slow. One is on what it takes of ours, the other on
 * what it has begun to say. Both are judged on the clock that stands still while
 * we do not look, and the second not while we do not read.
 */
#include "engine_state.h"

#include <stdlib.h>

#include "close_code.h"

static int64_t awake_us(vital_clock clock)
{
    return clock.now_us - clock.stalled_us;
}

/* -------------------------------------------------------------------- pausing */

bool vital_engine_paused(const vital_engine *engine)
{
    return engine->flow.paused && engine->state == VT_OPEN;
}

void vital_engine_pause(vital_engine *engine, vital_clock clock, bool pause)
{
    vt_flow *flow = &engine->flow;
    if (engine->state != VT_OPEN || flow->paused == pause)
        return;
    flow->paused = pause;
    engine->stalled_us = clock.stalled_us;
    if (vt_heartbeat_pause(&engine->heart, clock, pause))
        vt_engine_flag(engine, VITAL_EVENT_HEALTH);
    vt_engine_stand(engine);
    if (pause) {
        flow->paused_awake_us = awake_us(clock);
        return;
    }
    int64_t paused_us = awake_us(clock) - flow->paused_awake_us;
    vt_budget_excuse(&engine->control, engine->policy->limits.control_per_s, paused_us);
    if (flow->message_awake_us >= 0)
        flow->message_awake_us += paused_us;
}

/* In place of what is kept already, of which the input may be the rest. */
static bool keep(vital_engine *engine)
{
    vt_flow *flow = &engine->flow;
    uint8_t *kept = malloc(flow->held_size + engine->input.size);
    if (kept == NULL)
        return false;
    if (flow->held_size > 0)
        memcpy(kept, flow->held, flow->held_size);
    memcpy(kept + flow->held_size, engine->input.data, engine->input.size);
    free(flow->held);
    flow->held = kept;
    flow->held_size += engine->input.size;
    return true;
}

void vt_engine_hold(vital_engine *engine, vital_clock clock)
{
    if (engine->input.size == 0)
        return;
    if (!keep(engine)) {
        vt_engine_lose_without_memory(engine, clock);
        return;
    }
    engine->input = (vt_input){NULL, 0};
}

void vt_engine_unhold(vital_engine *engine)
{
    vt_flow *flow = &engine->flow;
    if (engine->input.size > 0 || flow->held == NULL)
        return;
    if (flow->held_size == 0) { /* it has been the input, and is used up */
        free(flow->held);
        flow->held = NULL;
    }
    engine->input = (vt_input){flow->held, flow->held_size};
    flow->held_size = 0;
}

bool vt_engine_put_off_end(vital_engine *engine, vital_clock clock, int error)
{
    vt_flow *flow = &engine->flow;
    if (flow->held_size == 0 || engine->state != VT_OPEN)
        return false;
    vital_engine_pause(engine, clock, false); /* there is nobody left to slow down */
    flow->end_waits = true;
    flow->end_error = error;
    return true;
}

void vt_engine_forget_flow(vital_engine *engine)
{
    free(engine->flow.held);
    engine->flow = (vt_flow){.offered_awake_us = -1, .message_awake_us = -1};
}

/* ------------------------------------------------------------- who is too slow */

void vt_engine_offered(vital_engine *engine, vital_clock clock)
{
    if (engine->flow.offered_awake_us < 0)
        engine->flow.offered_awake_us = awake_us(clock);
}

void vt_engine_progressed(vital_engine *engine, vital_clock clock)
{
    engine->flow.offered_awake_us = vt_outbox_in_flight(&engine->outbox) ? awake_us(clock) : -1;
}

void vt_engine_note_message(vital_engine *engine, vital_clock clock)
{
    vt_flow *flow = &engine->flow;
    if (engine->reader.assembly == NULL)
        flow->message_awake_us = -1;
    else if (flow->message_awake_us < 0)
        flow->message_awake_us = awake_us(clock);
}

static int64_t limit_us(int64_t since_awake_us, int limit_ms)
{
    return since_awake_us < 0 ? INT64_MAX : since_awake_us + (int64_t)limit_ms * 1000;
}

static int64_t send_limit_us(const vital_engine *engine)
{
    return limit_us(engine->flow.offered_awake_us, engine->policy->limits.send_ms);
}

static int64_t message_limit_us(const vital_engine *engine)
{
    if (engine->flow.paused)
        return INT64_MAX;
    return limit_us(engine->flow.message_awake_us, engine->policy->limits.message_ms);
}

int64_t vt_engine_flow_deadline(const vital_engine *engine)
{
    int64_t send_us = send_limit_us(engine);
    int64_t message_us = message_limit_us(engine);
    int64_t first_us = send_us < message_us ? send_us : message_us;
    return first_us == INT64_MAX ? INT64_MAX : first_us + engine->stalled_us;
}

bool vt_engine_too_slow(vital_engine *engine, vital_clock clock)
{
    if (awake_us(clock) >= send_limit_us(engine)) {
        /* Not even a close frame would leave. Who is heard, and whose kernel takes
         * nothing, is no slow reader. */
        if (vt_engine_find(engine) == VT_FOUND_GONE)
            vt_engine_lose_unanswered(engine, clock, VITAL_DEAF, VT_FOUND_GONE);
        else
            vt_engine_lose_for(engine, clock, VITAL_SLOW, VT_CLOSE_ABNORMAL, NULL);
        return true;
    }
    if (awake_us(clock) >= message_limit_us(engine)) {
        vt_engine_fail(engine, clock, VT_CLOSE_POLICY,
                       "a message that was not complete within our limit");
        return true;
    }
    return false;
}
