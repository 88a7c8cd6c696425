/*
 * What is not kept is known: it is as it always is at rest, or it is set before it is
 * next looked at. The answer's nonce matters while an answer is awaited, the signs of life
 * of a silence from the beat on that begins it, the kernel's evidence until the next tick.
 *
 * Stamps are kept by their distance from the last byte that was heard, which is short
 * where beats are; 35 minutes fit. An engine with numbers that do not fit stays as it is.
 */
#include "rest.h"

#include <assert.h>

#include "engine_state.h"

size_t vt_rest_blank_bytes(void)
{
    return sizeof(vital_engine);
}

void vt_rest_clear(vital_engine *engine)
{
    vt_engine_finish(engine);
    memset(engine, 0, sizeof *engine);
}

/* ------------------------------------------------------------------ what rests */

/* `looked`: a look at the evidence in this silence would have something before it. */
static bool heart_rests(const vt_heartbeat *heart)
{
    return heart->state == VT_BEAT_QUIET && heart->health == VITAL_ALIVE && !heart->paused &&
           heart->owed == 0 && heart->soon_us == VT_NEVER_US && heart->limits == 1 &&
           heart->held_awake_us == 0 && heart->looked_awake_us <= heart->still_awake_us;
}

static bool outbox_rests(const vt_outbox *outbox)
{
    return outbox->first == NULL && outbox->wire == NULL && !outbox->unfinished &&
           !outbox->within && outbox->accepted == outbox->written;
}

static bool flow_rests(const vt_flow *flow)
{
    return !flow->paused && flow->held == NULL && !flow->end_waits && flow->offered_awake_us < 0 &&
           flow->message_awake_us < 0;
}

static bool engine_rests(const vital_engine *engine)
{
    return engine->policy->role == VITAL_SERVER && engine->state == VT_OPEN &&
           engine->events == 0 && !engine->leaving && !engine->want_drain &&
           engine->told_health == VITAL_ALIVE && engine->reader.assembly == NULL &&
           engine->input.size == 0 && engine->packing == NULL && engine->opening == NULL &&
           engine->own_subprotocol == NULL && !engine->ending.decided &&
           engine->party.standing != VT_STANDS_LATE && engine->party.reprieve == VT_REPRIEVE_NONE &&
           heart_rests(&engine->heart) && outbox_rests(&engine->outbox) &&
           flow_rests(&engine->flow);
}

/* --------------------------------------------------------------------- folding */

/* The stamp's distance from `from_us`, within what an int32_t holds. */
static int32_t after_us(int64_t at_us, int64_t from_us)
{
    int64_t after = at_us - from_us;
    if (after >= INT32_MAX)
        return INT32_MAX - 1;
    return after < INT32_MIN ? INT32_MIN : (int32_t)after;
}

static bool heart_fits(const vt_heartbeat *heart)
{
    int64_t check_us = heart->check_us == VT_NEVER_US ? 0 : heart->check_us - heart->heard_us;
    /* A beat that left so long ago holds no hint back; nor does it matter by how much we
     * have spoken later than the peer. */
    return heart->spoke_us - heart->heard_us >= INT32_MIN && check_us >= 0 &&
           check_us < INT32_MAX && heart->left_us - heart->heard_us < INT32_MAX &&
           (heart->interval_us < UINT32_MAX || heart->interval_us == VT_NEVER_US) &&
           heart->rtt_us <= INT32_MAX && heart->srtt_us <= INT32_MAX &&
           heart->rttvar_us <= INT32_MAX && heart->beats_sent <= UINT32_MAX &&
           heart->beats_answered <= UINT32_MAX;
}

/* From 1; 0: it is none of the policy's. */
static size_t number_of(const vital_policy *policy, const char *subprotocol)
{
    if (policy->subprotocols == NULL || subprotocol == NULL)
        return 0;
    for (size_t i = 0; policy->subprotocols[i] != NULL; i++)
        if (policy->subprotocols[i] == subprotocol)
            return i + 1;
    return 0;
}

/* A budget of control frames that is whole needs no memory. */
static bool engine_fits(const vital_engine *engine, int64_t now_us)
{
    return heart_fits(&engine->heart) && engine->control.whole_us <= now_us &&
           engine->control.spare >= 0 && engine->control.spare <= UINT16_MAX &&
           engine->outbox.written <= UINT32_MAX &&
           number_of(engine->policy, engine->subprotocol) <= UINT8_MAX;
}

bool vt_rest_fold(vt_rest *out, vital_engine *engine, int64_t now_us)
{
    const vt_heartbeat *heart = &engine->heart;
    if (!engine_rests(engine) || !engine_fits(engine, now_us))
        return false;
    *out = (vt_rest){
        .heard_us = heart->heard_us,
        .proved_us = heart->proved_us,
        .opened_us = engine->opened_us,
        .spoke_after_us = after_us(heart->spoke_us, heart->heard_us),
        .left_after_us = after_us(heart->left_us, heart->heard_us),
        .check_after_us = heart->check_us == VT_NEVER_US
                              ? INT32_MAX
                              : after_us(heart->check_us, heart->heard_us),
        .interval_us = heart->interval_us == VT_NEVER_US ? UINT32_MAX
                                                         : (uint32_t)heart->interval_us,
        .rtt_us = (int32_t)heart->rtt_us,
        .srtt_us = (int32_t)heart->srtt_us,
        .rttvar_us = (int32_t)heart->rttvar_us,
        .beats_sent = (uint32_t)heart->beats_sent,
        .beats_answered = (uint32_t)heart->beats_answered,
        .written = (uint32_t)engine->outbox.written,
        .confirmed = (uint32_t)engine->confirmed,
        .spare = (uint16_t)engine->control.spare,
        .subprotocol = (uint8_t)number_of(engine->policy, engine->subprotocol),
        .looks = heart->looks,
        .unsure = engine->unsure,
    };
    memset(engine, 0, sizeof *engine); /* it owns nothing */
    return true;
}

/* ------------------------------------------------------------------- unfolding */

/* The signs of life are as old as the last byte, or older: what matters of them is set
 * by the beat that begins the next silence. */
static void unfold_heart(const vt_rest *rest, vt_heartbeat *out)
{
    *out = (vt_heartbeat){
        .state = VT_BEAT_QUIET,
        .health = VITAL_ALIVE,
        .interval_us = rest->interval_us == UINT32_MAX ? VT_NEVER_US : rest->interval_us,
        .soon_us = VT_NEVER_US,
        .check_us = rest->check_after_us == INT32_MAX ? VT_NEVER_US
                                                      : rest->heard_us + rest->check_after_us,
        .heard_us = rest->heard_us,
        .spoke_us = rest->heard_us + rest->spoke_after_us,
        .left_us = rest->heard_us + rest->left_after_us,
        .looks = rest->looks,
        .limits = 1,
        .proved_us = rest->proved_us,
        .rtt_us = rest->rtt_us,
        .srtt_us = rest->srtt_us,
        .rttvar_us = rest->rttvar_us,
        .beats_sent = rest->beats_sent,
        .beats_answered = rest->beats_answered,
    };
}

/* As the breaker knows it. */
static vt_party party_of(const vital_policy *policy, uint32_t path)
{
    return (vt_party){
        .path = path,
        .standing = policy->breaker != NULL ? VT_STANDS_WELL : VT_STANDS_AWAY,
    };
}

void vt_rest_unfold(const vt_rest *rest, vital_engine *blank, const vital_policy *policy,
                    vital_entropy entropy, uint32_t path)
{
    assert(blank->policy == NULL);
    vt_engine_set_up(blank, policy, entropy);
    blank->state = VT_OPEN;
    blank->opened_us = rest->opened_us;
    unfold_heart(rest, &blank->heart);
    blank->unsure = rest->unsure;
    blank->party = party_of(policy, path);
    blank->control.spare = rest->spare;
    blank->outbox.accepted = blank->outbox.written = rest->written;
    blank->confirmed = rest->confirmed;
    if (rest->subprotocol > 0)
        blank->subprotocol = policy->subprotocols[rest->subprotocol - 1];
}

/* --------------------------------------------------------------- without that */

void vt_rest_pulse(const vt_rest *rest, vital_clock clock, vital_pulse *out)
{
    vt_heartbeat heart;
    unfold_heart(rest, &heart);
    vt_heartbeat_pulse(&heart, clock, out);
}

const char *vt_rest_subprotocol(const vt_rest *rest, const vital_policy *policy)
{
    return rest->subprotocol > 0 ? policy->subprotocols[rest->subprotocol - 1] : "";
}

void vt_rest_finish(const vital_policy *policy, uint32_t path)
{
    vt_party party = party_of(policy, path);
    vt_stats_abandoned(policy->stats);
    vt_breaker_stand(policy->breaker, &party, VT_STANDS_AWAY);
}
