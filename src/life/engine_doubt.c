/*
 * What becomes of a peer that owes an answer, where the kernel has something to say
 * about it. When to look is the heartbeat's affair, what a reading means that of
 * evidence.h; here the two become a verdict, or a little more patience; or, by what
 * breaker.h says of all the others, a little more of that.
 */
#include "engine_state.h"

enum {
    COMES_AGAIN_US = 500 * 1000, /* who was put off comes again after so long */
    /* What was under way when a path was cut still comes for a while. */
    UNDER_WAY_US = 1000 * 1000,
    /* An answer that was lost as often by mere chance costs one beat more. */
    RETRANSMITS_OF_AN_ANSWER = 2,
};

void vital_engine_path(vital_engine *engine, uint32_t path)
{
    if (engine->party.standing == VT_STANDS_AWAY)
        engine->party.path = path;
}

void vt_engine_stand(vital_engine *engine)
{
    vt_standing standing = VT_STANDS_AWAY;
    if (engine->state == VT_OPEN)
        standing = engine->heart.health == VITAL_DOUBTFUL ? VT_STANDS_LATE : VT_STANDS_WELL;
    vt_breaker_stand(engine->policy->breaker, &engine->party, standing);
}

void vt_engine_beat(vital_engine *engine, vital_clock clock)
{
    if (vt_beat_send(&engine->beat, &engine->policy->heartbeat, &engine->entropy,
                     &engine->outbox) != 0)
        vt_engine_lose_without_memory(engine, clock);
}

void vt_engine_doubt(vital_engine *engine)
{
    engine->found = vt_engine_find(engine);
    vt_stats_beat(engine->policy->stats, VT_STATS_LATE);
    vt_engine_flag(engine, VITAL_EVENT_HEALTH);
}

void vt_engine_relieve(vital_engine *engine, vital_clock clock)
{
    if (engine->found == VT_FOUND_GONE || engine->found == VT_FOUND_UNSURE)
        vt_lulls_note(engine->policy->lulls, engine->party.path, clock);
    vt_engine_flag(engine, VITAL_EVENT_HEALTH);
    vt_engine_stand(engine);
    vt_breaker_heard(engine->policy->breaker, &engine->party, clock, engine->policy->stats);
}

void vital_engine_evidence(vital_engine *engine, const vital_evidence *evidence)
{
    if (engine->state != VT_OPEN)
        return;
    bool again = engine->heart.looked_awake_us > engine->heart.still_awake_us;
    engine->change = again ? vt_evidence_change(&engine->evidence, evidence) : VT_CHANGED_NOTHING;
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
    vt_finding finding = vt_evidence_find(&engine->evidence, engine->change);
    bool ours = finding == VT_FOUND_TAKEN && !vt_heartbeat_waiting(&engine->heart);
    return ours ? VT_FOUND_NOTHING : finding;
}

void vt_engine_asked(vital_engine *engine, vital_clock clock)
{
    vt_stats_beat(engine->policy->stats, VT_STATS_HEARD);
    vt_heartbeat_asked(&engine->heart, clock);
}

static void check_answer(vital_engine *engine, vital_clock clock)
{
    if (engine->told && engine->evidence.retransmits >= RETRANSMITS_OF_AN_ANSWER)
        vt_heartbeat_hasten(&engine->heart, clock.now_us);
}

/* What we send does not get across, whoever is at fault. */
static bool is_path(vt_finding finding)
{
    return finding == VT_FOUND_GONE || finding == VT_FOUND_HOMELESS;
}

/* What the kernel has not brought across yet, it asks again by itself; a second beat
 * would only wait behind it. */
static void ask_anew(vital_engine *engine, vital_clock clock, vt_finding finding)
{
    if (!is_path(finding) && vt_heartbeat_ask_again(&engine->heart))
        vt_engine_beat(engine, clock);
}

/* The one door to a verdict for want of answers. */
static void convict(vital_engine *engine, vital_clock clock, vital_cause cause, vt_finding finding)
{
    vt_heartbeat *heart = &engine->heart;
    if (vt_heartbeat_held(heart, clock))
        return;
    vt_ruling ruling = VT_RULED_CONVICT;
    if (cause != VITAL_SLOW)
        ruling = vt_breaker_judge(engine->policy->breaker, &engine->party, clock,
                                  engine->policy->stats);
    switch (ruling) {
    case VT_RULED_CONVICT:
        vt_engine_lose_unanswered(engine, clock, cause, finding);
        break;
    case VT_RULED_ASK:
        vt_heartbeat_hold(heart, clock, COMES_AGAIN_US);
        ask_anew(engine, clock, finding);
        break;
    case VT_RULED_WAIT:
        vt_heartbeat_hold(heart, clock, COMES_AGAIN_US);
        break;
    case VT_RULED_SPARE:
        if (cause == VITAL_DEAF && vt_heartbeat_waiting(heart) && heart->health == VITAL_ALIVE) {
            vt_heartbeat_forget(heart, clock);
            break;
        }
        vt_heartbeat_hold(heart, clock, VT_BREAKER_SPARES_US);
        ask_anew(engine, clock, finding);
        break;
    }
}

/* The way to the host is well, as far as it can be seen. Behind a proxy that we have
 * asked for, which takes everything, it is not seen. */
static vital_cause cause_of_program(const vital_engine *engine, vt_finding finding)
{
    if (engine->evidence.relayed)
        return VITAL_SILENT;
    return finding == VT_FOUND_SHUT ? VITAL_SLOW : VITAL_STUCK;
}

/* For a whole answer limit nothing of ours has left, not even a beat: data before it is
 * not acknowledged. The peer may well be heard meanwhile. */
static bool is_dammed(const vital_engine *engine, vital_clock clock)
{
    int64_t limit_us = vt_heartbeat_answer_limit_us(&engine->heart, &engine->policy->heartbeat);
    int64_t offered_us = engine->flow.offered_awake_us;
    return offered_us >= 0 && limit_us != VT_NEVER_US &&
           clock.now_us - clock.stalled_us - offered_us >= limit_us;
}

/* The peer's way to us was well when ours to it was not: long after the beat left that
 * nobody acknowledges, its bytes came, or its kernel sent again what we have acknowledged
 * in vain. (In a silence both ends ask, and where a path is gone one way, neither hears of
 * an answer.) */
static bool hears_us_not(const vital_engine *engine, vital_clock clock)
{
    const vt_heartbeat *heart = &engine->heart;
    const vital_evidence *evidence = &engine->evidence;
    if (!vt_heartbeat_waiting(heart) || heart->blurred)
        return false;
    int64_t since_left_us = clock.now_us - clock.stalled_us - heart->left_awake_us;
    int64_t heard_after_us = heart->still_awake_us - heart->left_awake_us;
    int64_t acked_after_us = since_left_us - (int64_t)evidence->acked_ms * 1000;
    int64_t under_way_us = UNDER_WAY_US + evidence->rtt_us;
    return heard_after_us > under_way_us || acked_after_us > under_way_us;
}

static vital_cause cause_of_path(const vital_engine *engine, vital_clock clock, vt_finding finding)
{
    bool deaf = finding == VT_FOUND_GONE && hears_us_not(engine, clock);
    return deaf ? VITAL_DEAF : VITAL_SILENT;
}

/* A deaf peer's sounds are no sign that it hears us, so they do not put off what the
 * kernel's vain attempts prove. */
static void wait_for_path(vital_engine *engine, vital_clock clock, vt_finding finding, bool late)
{
    if (is_dammed(engine, clock) && engine->heart.heard_us > engine->heart.spoke_us) {
        convict(engine, clock, VITAL_DEAF, finding);
        return;
    }
    vital_cause cause = cause_of_path(engine, clock, finding);
    int64_t since_us = cause == VITAL_DEAF ? engine->heart.left_awake_us
                                           : engine->heart.still_awake_us;
    int64_t silent_us = clock.now_us - clock.stalled_us - since_us;
    bool doubted = engine->heart.health == VITAL_DOUBTFUL;
    bool overdue = late || (engine->unsure && engine->heart.limits > 1);
    bool lulls = vt_lulls_expected(engine->policy->lulls, engine->party.path, clock);
    bool certain = vt_evidence_early(&engine->evidence, silent_us, lulls);
    if (overdue || (doubted && certain))
        convict(engine, clock, cause, finding);
    else if (vt_heartbeat_doubt(&engine->heart))
        vt_engine_doubt(engine);
}

/* A host that is up is given more time, in which we ask again: each beat proves anew
 * that it is. */
static void wait_for_program(vital_engine *engine, vital_clock clock, vt_finding finding)
{
    if (!vt_heartbeat_wait(&engine->heart, &engine->policy->heartbeat))
        convict(engine, clock, cause_of_program(engine, finding), finding);
    else if (vt_heartbeat_ask_again(&engine->heart))
        vt_engine_beat(engine, clock);
}

/* TCP has not sent again often enough to tell. Once it has, that was all that the limit
 * had waited for. */
static void wait_to_be_sure(vital_engine *engine, vital_clock clock)
{
    const bool more = vt_heartbeat_wait(&engine->heart, &engine->policy->heartbeat);
    engine->unsure = true;
    if (!more)
        convict(engine, clock, VITAL_SILENT, VT_FOUND_UNSURE);
}

void vt_engine_look(vital_engine *engine, vital_clock clock, vt_beat_action action)
{
    if (action == VT_BEAT_CHECK) {
        check_answer(engine, clock);
        return;
    }
    bool late = action == VT_BEAT_LOST;
    vt_finding finding = engine->found = vt_engine_find(engine);
    switch (finding) {
    case VT_FOUND_MOVING:
        vt_heartbeat_moved(&engine->heart, clock);
        break;
    case VT_FOUND_GONE:
    case VT_FOUND_HOMELESS:
        wait_for_path(engine, clock, finding, late);
        break;
    case VT_FOUND_SHUT:
    case VT_FOUND_TAKEN:
        engine->unsure = false;
        if (late)
            wait_for_program(engine, clock, finding);
        break;
    case VT_FOUND_UNSURE:
        if (late)
            wait_to_be_sure(engine, clock);
        break;
    case VT_FOUND_NOTHING:
        if (late)
            convict(engine, clock, VITAL_SILENT, finding);
        break;
    }
}

bool vt_engine_deaf(vital_engine *engine, vital_clock clock)
{
    const vital_heartbeat *policy = &engine->policy->heartbeat;
    if (!engine->told || !vt_heartbeat_unanswered(&engine->heart, policy, clock))
        return false;
    vt_finding finding = vt_engine_find(engine);
    if (!is_path(finding))
        return false; /* the answer alone was lost */
    convict(engine, clock, VITAL_DEAF, finding);
    return engine->state != VT_OPEN;
}

bool vital_engine_suspicion(const vital_engine *engine, vital_clock clock, vital_verdict *out)
{
    vital_cause cause = VITAL_SILENT;
    if (vital_engine_health(engine) != VITAL_DOUBTFUL)
        return false;
    switch (engine->found) {
    case VT_FOUND_MOVING:
        return false; /* it takes its time, and that is all that is known */
    case VT_FOUND_SHUT:
    case VT_FOUND_TAKEN:
        cause = cause_of_program(engine, engine->found);
        break;
    case VT_FOUND_GONE:
    case VT_FOUND_HOMELESS:
        cause = cause_of_path(engine, clock, engine->found);
        break;
    case VT_FOUND_UNSURE:
    case VT_FOUND_NOTHING:
        break;
    }
    vt_engine_write_suspicion(engine, clock, cause, out);
    return true;
}
