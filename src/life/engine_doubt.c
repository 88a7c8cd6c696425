/*
 * What becomes of a peer that owes an answer, where the kernel has something to say
 * about it. When to look is the heartbeat's affair, what a reading means that of
 * evidence.h; here the two become a verdict, or a little more patience.
 */
#include "engine_state.h"

void vt_engine_beat(vital_engine *engine, vital_clock clock)
{
    if (vt_beat_send(&engine->beat, &engine->policy->heartbeat, &engine->entropy,
                     &engine->outbox) != 0)
        vt_engine_lose_without_memory(engine, clock);
}

void vt_engine_doubt(vital_engine *engine)
{
    vt_stats_beat(engine->policy->stats, VT_STATS_LATE);
    vt_engine_flag(engine, VITAL_EVENT_HEALTH);
}

void vital_engine_evidence(vital_engine *engine, const vital_evidence *evidence)
{
    if (engine->state != VT_OPEN)
        return;
    engine->acked_before = engine->heart.looked_awake_us > engine->heart.still_awake_us
                               ? engine->evidence.acked_bytes
                               : UINT64_MAX;
    engine->evidence = *evidence;
    engine->heart.looks = evidence->known;
    engine->told = true;
}

bool vital_engine_suspects(const vital_engine *engine, vital_clock clock)
{
    return engine->state == VT_OPEN &&
           (vt_heartbeat_judges(&engine->heart, &engine->policy->heartbeat, clock) ||
            clock.now_us >= vt_engine_flow_deadline(engine));
}

/* A beat that waits with us says nothing, when the kernel has nothing to do. */
vt_finding vt_engine_find(const vital_engine *engine)
{
    if (!engine->told)
        return VT_FOUND_NOTHING;
    vt_finding finding = vt_evidence_find(&engine->evidence, engine->acked_before);
    bool ours = finding == VT_FOUND_TAKEN && !vt_heartbeat_waiting(&engine->heart);
    return ours ? VT_FOUND_NOTHING : finding;
}

/* The way to the host is well, as far as it can be seen. Behind a proxy that we have
 * asked for, which takes everything, it is not seen. */
static void give_up_on_program(vital_engine *engine, vital_clock clock, vt_finding finding)
{
    vital_cause cause = finding == VT_FOUND_SHUT ? VITAL_SLOW : VITAL_STUCK;
    if (engine->evidence.relayed)
        cause = VITAL_SILENT;
    vt_engine_lose_unanswered(engine, clock, cause, finding);
}

static void wait_for_path(vital_engine *engine, vital_clock clock, bool late)
{
    int64_t silent_us = clock.now_us - clock.stalled_us - engine->heart.still_awake_us;
    bool doubted = engine->heart.health == VITAL_DOUBTFUL;
    bool certain = vt_evidence_early(&engine->evidence, silent_us);
    if (late || engine->heart.limits > 1 || (doubted && certain))
        vt_engine_lose_unanswered(engine, clock, VITAL_SILENT, VT_FOUND_GONE);
    else if (vt_heartbeat_doubt(&engine->heart))
        vt_engine_doubt(engine);
}

/* A host that is up is given more time, in which we ask again: each beat proves anew
 * that it is. */
static void wait_for_program(vital_engine *engine, vital_clock clock, vt_finding finding)
{
    if (!vt_heartbeat_wait(&engine->heart, &engine->policy->heartbeat))
        give_up_on_program(engine, clock, finding);
    else if (vt_heartbeat_ask_again(&engine->heart))
        vt_engine_beat(engine, clock);
}

void vt_engine_look(vital_engine *engine, vital_clock clock, bool late)
{
    vt_finding finding = vt_engine_find(engine);
    switch (finding) {
    case VT_FOUND_MOVING:
        vt_heartbeat_moved(&engine->heart, clock);
        break;
    case VT_FOUND_GONE:
        wait_for_path(engine, clock, late);
        break;
    case VT_FOUND_SHUT:
    case VT_FOUND_TAKEN:
        if (late)
            wait_for_program(engine, clock, finding);
        break;
    case VT_FOUND_UNSURE:
        if (late && !vt_heartbeat_wait(&engine->heart, &engine->policy->heartbeat))
            vt_engine_lose_unanswered(engine, clock, VITAL_SILENT, finding);
        break;
    case VT_FOUND_NOTHING:
        if (late)
            vt_engine_lose_unanswered(engine, clock, VITAL_SILENT, finding);
        break;
    }
}

bool vt_engine_deaf(vital_engine *engine, vital_clock clock)
{
    const vital_heartbeat *policy = &engine->policy->heartbeat;
    if (!engine->told || !vt_heartbeat_unanswered(&engine->heart, policy, clock))
        return false;
    if (vt_engine_find(engine) != VT_FOUND_GONE)
        return false; /* the answer alone was lost */
    vt_engine_lose_unanswered(engine, clock, VITAL_DEAF, VT_FOUND_GONE);
    return true;
}
