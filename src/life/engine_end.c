/*
 * How connections end: the closing handshake of RFC 6455 section 7, failures,
 * lost streams, and whether a client comes back. Every way leads through
 * vt_engine_lose(), once for each socket.
 */
#include "engine_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "close_code.h"
#include "frame.h"
#include "random.h"
#include "utf8.h"
#include "verdict.h"

enum {
    REASON_MAX_BYTES = VT_CONTROL_PAYLOAD_MAX - 2,
    /* A client lets the server end the stream (RFC 6455 7.1.1), for so long. */
    AWAIT_END_MS = 1000,
    /* A peer that reads our last messages slowly is waited for, but not for
     * more than so many times the closing limit. */
    CLOSING_PATIENCE = 6,
};

/* ------------------------------------------------------------ losing a socket */

static bool was_stable(const vital_engine *engine)
{
    const vital_policy *policy = engine->policy;
    if (engine->ending.open_ms < policy->reconnect.stable_ms)
        return false;
    bool beats = policy->heartbeat.kind != VITAL_BEAT_NONE &&
                 policy->heartbeat.interval_ms != VITAL_NEVER;
    return engine->heart.beats_answered > 0 || !beats;
}

static vt_retry retry_of(const vital_engine *engine)
{
    vital_verdict verdict;
    vt_ending_verdict(&engine->ending, &verdict);
    return vt_verdict_retry(&verdict, engine->ending.retry_after_s);
}

bool vt_engine_returns(const vital_engine *engine)
{
    const vital_policy *policy = engine->policy;
    bool again = retry_of(engine).again ||
                 (engine->ending.cause == VITAL_UNTRUSTED && policy->reconnect.untrusted);
    return policy->role == VITAL_CLIENT && !policy->reconnect.never && !engine->leaving && again;
}

/* Decides whether and when a client comes back. */
static void plan_return(vital_engine *engine)
{
    vt_ending *ending = &engine->ending;
    const vital_policy *policy = engine->policy;
    vt_retry retry = retry_of(engine);

    ending->retry_ms = -1;
    ending->final = !vt_engine_returns(engine);
    if (ending->final)
        return;
    if (was_stable(engine))
        vt_backoff_reset(&engine->backoff);
    engine->bidden = retry.high_ms > 0;
    ending->retry_ms = engine->bidden
                           ? vt_random_between(engine->entropy.fill, engine->entropy.source,
                                               retry.low_ms, retry.high_ms)
                           : vt_backoff_next_ms(&engine->backoff, &policy->reconnect,
                                                &engine->entropy);
    if (!engine->bidden)
        ending->retry_ms = vt_engine_hinted_ms(engine, ending->clock, ending->retry_ms);
}

/* Events of a socket that nobody will pull any more; but that the queue has
 * room again is news for the next one too. */
static void forget_events(vital_engine *engine, unsigned kept)
{
    if ((engine->events & 1u << VITAL_EVENT_DRAIN) != 0)
        engine->want_drain = true;
    engine->events &= kept;
}

void vt_engine_lose(vital_engine *engine, vital_clock clock)
{
    vt_ending *ending = &engine->ending;
    assert(ending->decided && engine->state != VT_GONE);
    vt_outbox_tear(&engine->outbox);

    ending->clock = clock;
    ending->open_ms = engine->opened_us < 0 ? -1 : (clock.now_us - engine->opened_us) / 1000;
    ending->unsent = engine->outbox.accepted - engine->outbox.written;
    ending->unconfirmed = engine->outbox.written - engine->confirmed;
    engine->confirmed = engine->outbox.written; /* reported once */
    if (!engine->served)
        vt_stats_lost(engine->policy->stats, ending->cause, engine->opened_us >= 0);
    vt_engine_count_queue(engine);
    plan_return(engine);

    engine->input = (vt_input){NULL, 0};
    free(engine->own_subprotocol);
    engine->own_subprotocol = NULL;
    engine->subprotocol = NULL;
    forget_events(engine, 0);
    vt_engine_flag(engine, VITAL_EVENT_CLOSED);

    engine->state = ending->final ? VT_GONE : VT_AWAY;
    vt_engine_stand(engine);
    vt_engine_set_deadline(engine, clock, ending->retry_ms);
    if (ending->final)
        engine->deadline_us = INT64_MAX;
}

void vt_engine_lose_for(vital_engine *engine, vital_clock clock, vital_cause cause, uint16_t code,
                        const char *what)
{
    vt_ending_decide(&engine->ending, cause, code, what);
    vt_engine_lose(engine, clock);
}

void vt_engine_lose_without_memory(vital_engine *engine, vital_clock clock)
{
    vt_engine_lose_for(engine, clock, VITAL_OVERFLOW, VT_CLOSE_INTERNAL_ERROR, "out of memory");
}

/* A frozen program that wakes up later reads why it was given up. */
static void write_farewell(vital_engine *engine, vital_cause cause)
{
    const char *reason = cause == VITAL_STUCK ? "your host answers, your program does not"
                                              : "no answer to the heartbeat";
    vt_ending *ending = &engine->ending;
    if (vt_outbox_in_flight(&engine->outbox))
        return; /* the stream is in the middle of something that it does not take */
    vt_outbox_rewind(&engine->outbox); /* nothing but the close frame */
    vt_outbox_frames frames = {
        .open = true,
        .hold_messages = true,
        .mask = engine->policy->role == VITAL_CLIENT ? &engine->entropy : NULL,
    };
    vital_bytes frame = {NULL, 0};
    if (vt_outbox_close(&engine->outbox, VT_CLOSE_NO_ANSWER, vital_text(reason), true) == 0)
        frame = vt_outbox_pending(&engine->outbox, &frames);
    if (frame.data != NULL && frame.size <= sizeof ending->farewell) {
        memcpy(ending->farewell, frame.data, frame.size);
        ending->farewell_bytes = frame.size;
    }
}

/* A deaf peer may be heard until the end: what counts is when it last heard us. */
static int64_t last_sign_us(const vital_engine *engine, vital_cause cause)
{
    const vt_heartbeat *heart = &engine->heart;
    if (cause != VITAL_DEAF)
        return heart->heard_us;
    return heart->proved_us >= 0 ? heart->proved_us : engine->opened_us;
}

void vt_engine_lose_unanswered(vital_engine *engine, vital_clock clock, vital_cause cause,
                               vt_finding finding)
{
    engine->ending.finding = finding;
    engine->ending.could_not_send = !vt_heartbeat_waiting(&engine->heart);
    vt_stats_detected(engine->policy->stats, clock.now_us - last_sign_us(engine, cause));
    write_farewell(engine, cause);
    vt_engine_lose_for(engine, clock, cause, VT_CLOSE_ABNORMAL, NULL);
}

void vital_engine_unreachable(vital_engine *engine, vital_clock clock, int error, const char *what)
{
    assert(engine->state == VT_CONNECTING);
    engine->ending.error = error;
    if (error == 0 || error == ENETUNREACH) /* no name, or no way to begin with */
        vt_prompt_unspent(&engine->prompt);
    vt_engine_lose_for(engine, clock, VITAL_UNREACHABLE, VT_CLOSE_ABNORMAL, what);
}

void vital_engine_ended(vital_engine *engine, vital_clock clock, int error)
{
    if (!vt_engine_has_stream(engine) || vt_engine_put_off_end(engine, clock, error))
        return;
    vt_ending *ending = &engine->ending;
    if (!ending->decided)
        ending->error = error;
    if (engine->state == VT_CLOSING)
        vt_ending_decide(ending, VITAL_CLOSED_BY_US, ending->code,
                         "the peer ended the stream without a close frame of its own");
    if (engine->state == VT_OPENING && engine->policy->role == VITAL_CLIENT)
        vt_ending_decide(ending, VITAL_UNREACHABLE, VT_CLOSE_ABNORMAL,
                         "the server ended the stream before it answered the upgrade");
    vt_ending_decide(ending, VITAL_CUT, VT_CLOSE_ABNORMAL, NULL);
    vt_engine_lose(engine, clock);
}

void vital_engine_failed(vital_engine *engine, vital_clock clock, const vital_failure *failure)
{
    vt_ending *ending = &engine->ending;
    if (engine->state != VT_CONNECTING && !vt_engine_has_stream(engine))
        return;
    if (engine->state == VT_CLOSING || ending->decided) {
        vital_engine_ended(engine, clock, failure->error);
        return;
    }
    ending->error = failure->error;
    ending->status = failure->status;
    ending->alert = failure->alert;
    ending->by_proxy = failure->cause == VITAL_REJECTED;
    vt_engine_lose_for(engine, clock, failure->cause, VT_CLOSE_ABNORMAL, failure->what);
}

/* ------------------------------------------------------------------- closing */

/* A new closing limit from here, and a new bound to all of them together. */
static void set_limits(vital_engine *engine, vital_clock clock)
{
    int64_t limit_ms = engine->policy->limits.close_ms;
    vt_engine_set_deadline(engine, clock, limit_ms);
    engine->patience_us = clock.now_us + CLOSING_PATIENCE * limit_ms * 1000;
}

void vt_engine_end(vital_engine *engine, vital_clock clock)
{
    engine->state = VT_ENDING;
    forget_events(engine, ~(1u << VITAL_EVENT_DRAIN | 1u << VITAL_EVENT_HEALTH));
    engine->input.size = 0;
    set_limits(engine, clock);
}

void vt_engine_fail(vital_engine *engine, vital_clock clock, uint16_t code, const char *what)
{
    bool ours = code == VT_CLOSE_TOO_BIG || code == VT_CLOSE_INTERNAL_ERROR ||
                code == VT_CLOSE_POLICY;
    vt_ending_decide(&engine->ending, ours ? VITAL_OVERFLOW : VITAL_MISBEHAVED, code, what);
    vt_ending_set_reason(&engine->ending, (vital_bytes){NULL, 0}); /* of a goodbye of ours */
    size_t size = strlen(what);
    vital_bytes reason = {what, size < REASON_MAX_BYTES ? size : REASON_MAX_BYTES};
    if (vt_outbox_close(&engine->outbox, code, reason, true) != 0) {
        vt_engine_lose(engine, clock);
        return;
    }
    vt_engine_end(engine, clock);
    vt_engine_closing_progress(engine, clock); /* a goodbye of ours may have left */
}

void vital_engine_close(vital_engine *engine, vital_clock clock, uint16_t code, const char *reason)
{
    engine->leaving = true;
    if (engine->state >= VT_CLOSING)
        return; /* it ends as it ends, and for good */
    if ((engine->events & 1u << VITAL_EVENT_CLOSED) != 0) {
        /* The loss that nobody has pulled yet is the last one. */
        engine->ending.final = true;
        engine->ending.retry_ms = -1;
        engine->state = VT_GONE;
        engine->deadline_us = INT64_MAX;
        return;
    }
    size_t size = reason == NULL ? 0 : strlen(reason);
    if (!vt_close_code_valid(code) || size > REASON_MAX_BYTES || !vt_utf8_valid(reason, size)) {
        code = VT_CLOSE_NORMAL;
        size = 0;
    }
    vital_bytes words = {reason, size};
    vt_ending_finish(&engine->ending); /* of the last socket, while away */
    engine->ending.code = code;
    vt_ending_set_reason(&engine->ending, words);
    if (engine->policy->role == VITAL_SERVER && engine->state != VT_OPEN) {
        vt_engine_turn_away(engine, clock, code);
        return;
    }
    if (engine->state != VT_OPEN) {
        if (engine->state == VT_AWAY)
            engine->opened_us = -1;
        vt_engine_lose_for(engine, clock, VITAL_CLOSED_BY_US, code, NULL);
        return;
    }
    if (vt_outbox_close(&engine->outbox, code, words, false) != 0) {
        vt_engine_lose_without_memory(engine, clock);
        return;
    }
    engine->state = VT_CLOSING;
    engine->events &= ~(1u << VITAL_EVENT_DRAIN);
    set_limits(engine, clock);
}

void vital_engine_cut(vital_engine *engine, vital_clock clock)
{
    if (!vt_engine_has_stream(engine)) {
        vital_engine_close(engine, clock, VT_CLOSE_NORMAL, NULL);
        return;
    }
    engine->leaving = true;
    vt_ending_decide(&engine->ending, VITAL_CLOSED_BY_US, VT_CLOSE_ABNORMAL,
                     "it was cut without a goodbye");
    vt_engine_lose(engine, clock);
}

void vt_engine_take_close(vital_engine *engine, vital_clock clock, const vt_item *item)
{
    vt_ending *ending = &engine->ending;
    if (engine->state == VT_OPEN) {
        vt_ending_decide(ending, VITAL_CLOSED_BY_PEER, item->code, NULL);
        vt_ending_set_reason(ending, (vital_bytes){item->data, item->size});
        /* RFC 6455 5.5.1: answer with the same code. Who comes back keeps what is
         * queued for the next socket, since this peer need not read any more; who
         * does not, sends it first: it is the peer's to read or to discard. */
        bool now = vt_engine_returns(engine);
        if (vt_outbox_close(&engine->outbox, item->code, (vital_bytes){NULL, 0}, now) != 0) {
            vt_engine_lose(engine, clock);
            return;
        }
    } else {
        vt_ending_decide(ending, VITAL_CLOSED_BY_US, ending->code, NULL);
    }
    engine->await_end = engine->policy->role == VITAL_CLIENT;
    vt_engine_end(engine, clock);
    vt_engine_closing_progress(engine, clock);
}

void vt_engine_extend_closing(vital_engine *engine, vital_clock clock)
{
    vt_engine_set_deadline(engine, clock, engine->policy->limits.close_ms);
    if (engine->deadline_us > engine->patience_us)
        engine->deadline_us = engine->patience_us;
}

void vt_engine_closing_progress(vital_engine *engine, vital_clock clock)
{
    /* A refused upgrade ends without a close frame. */
    bool told = engine->opened_us < 0 ? !vt_outbox_in_flight(&engine->outbox)
                                      : vt_outbox_close_written(&engine->outbox);
    if (!told || engine->state == VT_CLOSING) /* the peer has time to answer from now */
        vt_engine_extend_closing(engine, clock);
    else if (engine->await_end)
        vt_engine_set_deadline(engine, clock, AWAIT_END_MS);
    else
        vt_engine_lose(engine, clock);
}

void vt_engine_closing_late(vital_engine *engine, vital_clock clock)
{
    vt_ending_decide(&engine->ending, VITAL_CLOSED_BY_US, engine->ending.code,
                     "the peer did not answer our close frame in time");
    vt_engine_lose(engine, clock);
}

/* ------------------------------------------------------------------- verdicts */

static void describe(const vital_engine *engine, const vt_ending *ending, vital_verdict *out)
{
    int64_t awake_us = ending->clock.now_us - ending->clock.stalled_us;
    int64_t quiet_since_us = engine->heart.still_awake_us;
    if (ending->cause == VITAL_SLOW && ending->finding != VT_FOUND_SHUT)
        quiet_since_us = engine->flow.offered_awake_us;
    if (ending->cause == VITAL_DEAF && vt_heartbeat_waiting(&engine->heart))
        quiet_since_us = engine->heart.left_awake_us;
    else if (ending->cause == VITAL_DEAF)
        quiet_since_us = engine->flow.offered_awake_us;
    vt_ending_verdict(ending, out);
    vital_engine_pulse(engine, ending->clock, &out->pulse);
    if (ending->finding != VT_FOUND_NOTHING)
        out->evidence = engine->evidence;
    vt_circumstances circumstances = {
        .what = ending->what,
        .quiet_ms = (awake_us - quiet_since_us) / 1000,
        .could_not_send = ending->could_not_send,
        .finding = ending->finding,
        .refused_by_proxy = ending->by_proxy,
        .text_beat = engine->policy->heartbeat.kind == VITAL_BEAT_TEXT,
        .refused_by_us = engine->policy->role == VITAL_SERVER,
    };
    vt_verdict_describe(out, &circumstances);
}

void vt_engine_write_verdict(const vital_engine *engine, vital_verdict *out)
{
    describe(engine, &engine->ending, out);
}

void vt_engine_write_suspicion(const vital_engine *engine, vital_clock clock, vital_cause cause,
                               vital_verdict *out)
{
    vt_ending ending = {
        .cause = cause,
        .code = VT_CLOSE_ABNORMAL,
        .finding = engine->found,
        .could_not_send = !vt_heartbeat_waiting(&engine->heart),
        .clock = clock,
        .open_ms = (clock.now_us - engine->opened_us) / 1000,
        .unsent = engine->outbox.accepted - engine->outbox.written,
        .unconfirmed = engine->outbox.written - engine->confirmed,
        .retry_ms = -1,
    };
    describe(engine, &ending, out);
}

vital_bytes vital_engine_farewell(const vital_engine *engine)
{
    return (vital_bytes){engine->ending.farewell, engine->ending.farewell_bytes};
}
