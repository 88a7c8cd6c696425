/*
 * One logical connection: it wires the small machines together and contains
 * none. Bytes and time come in, machines judge them, events wait to be pulled.
 *
 *            +---------------------- vt_engine_lose() ----------------------+
 *            v                                                              |
 *   AWAY --tick()--> CONNECTING --connected()--> OPENING --101 came--> OPEN |
 *                                                  |  ^                |  | |
 *                       server: REQUEST pulled     v  |                |  | |
 *                                                 ASKING --respond()---+  | |
 *                                                                         | |
 *   OPEN --close()--> CLOSING --peer's close--> ENDING --flushed, ended, -+-+
 *   OPEN --peer's close, violation, refusal---> ENDING   or out of time   |
 *   any  --stream ended, silent, out of time------------------------------+
 *
 *   AWAY, CONNECTING     client only; no stream. AWAY waits for the next attempt.
 *   OPENING, ASKING      the opening handshake; only raw bytes leave.
 *   OPEN                 the heart beats.
 *   CLOSING              our close frame is queued; messages still come in.
 *   ENDING               the verdict is known; last bytes leave, input is ignored.
 *   GONE                 final: nothing happens any more.
 */
#include "engine_state.h"

#include <assert.h>
#include <stdlib.h>

#include "close_code.h"
#include "frame.h"
#include "utf8.h"

enum {
    /* Control frames may come in bursts of so many seconds' worth. */
    CONTROL_BURST_S = 5,
    /* What a queued message costs beside its payload: bounds empty ones too. */
    MESSAGE_OVERHEAD_BYTES = 64,
};

/* ----------------------------------------------------------------- life cycle */

static void stop_packing(vital_engine *engine)
{
    vt_outbox_deflate_with(&engine->outbox, NULL);
    vt_reader_inflate_with(&engine->reader, NULL);
    vt_packing_destroy(engine->packing);
    engine->packing = NULL;
}

void vt_engine_finish(vital_engine *engine)
{
    if (engine->policy == NULL) /* it is blank */
        return;
    if (engine->state >= VT_OPEN && engine->state <= VT_ENDING && engine->opened_us >= 0)
        vt_stats_abandoned(engine->policy->stats);
    vt_breaker_stand(engine->policy->breaker, &engine->party, VT_STANDS_AWAY);
    vt_ending_finish(&engine->ending);
    vt_opening_finish(engine->opening);
    free(engine->opening);
    vt_reader_finish(&engine->reader);
    vt_outbox_finish(&engine->outbox);
    vt_engine_count_queue(engine);
    stop_packing(engine);
    vt_engine_forget_flow(engine);
    free(engine->own_subprotocol);
}

void vital_engine_destroy(vital_engine *engine)
{
    if (engine != NULL)
        vt_engine_finish(engine);
    free(engine);
}

static size_t queued_bytes(const vital_engine *engine)
{
    return engine->outbox.queued_bytes + engine->outbox.queued_count * MESSAGE_OVERHEAD_BYTES;
}

void vt_engine_tell_drain(vital_engine *engine)
{
    if (!engine->want_drain || engine->state != VT_OPEN ||
        queued_bytes(engine) > engine->policy->limits.queue_bytes / 2)
        return;
    engine->want_drain = false;
    vt_engine_flag(engine, VITAL_EVENT_DRAIN);
}

/* Who has pulled the end of a socket reads its request and its last message no
 * more, and its stream no longer holds bytes that were given out. */
static void forget_socket(vital_engine *engine)
{
    vt_engine_forget_opening(engine);
    vt_reader_finish(&engine->reader);
    stop_packing(engine);
    vt_engine_forget_flow(engine);
    if (engine->state == VT_GONE)
        vt_outbox_clear(&engine->outbox);
    else
        vt_outbox_rewind(&engine->outbox);
    vt_engine_count_queue(engine);
}

/* ------------------------------------------------------------------ bytes in */

void vital_engine_read(vital_engine *engine, vital_clock clock, void *bytes, size_t size)
{
    assert(engine->input.size == 0); /* rule 2: pulled until there was nothing left */
    engine->stalled_us = clock.stalled_us;
    if (!vt_engine_has_stream(engine) || engine->state == VT_ENDING || size == 0)
        return;
    if (engine->state == VT_ASKING) {
        vt_engine_refuse(engine, clock, 400, VT_OPENING_EARLY_DATA);
        return;
    }
    engine->input = (vt_input){bytes, size};
    if (engine->flow.held_size > 0)
        vt_engine_hold(engine, clock); /* behind what has not been pulled yet */
    if (engine->state == VT_CLOSING)
        vt_engine_extend_closing(engine, clock); /* the peer has still things to say */
    if (engine->state >= VT_OPEN && vt_heartbeat_heard(&engine->heart, clock))
        vt_engine_relieve(engine, clock);
}

/* ------------------------------------------------------------------ messages */

static void prove(vital_engine *engine, vital_clock clock, bool exact)
{
    vt_stats_answered(engine->policy->stats, vt_heartbeat_answered(&engine->heart, clock, exact));
    vt_breaker_heard(engine->policy->breaker, &engine->party, clock, engine->policy->stats);
    /* TCP keeps order: who answered the beat has received all that went before. */
    engine->confirmed = engine->beat.proves;
}

/* True if the text is for the application. */
static bool take_text(vital_engine *engine, vital_clock clock, vital_bytes text)
{
    switch (vt_beat_read_text(engine->policy, text)) {
    case VT_BEAT_TEXT_ANSWER:
        if (vt_heartbeat_waiting(&engine->heart))
            prove(engine, clock, false);
        return false;
    case VT_BEAT_TEXT_ASKS:
        vt_engine_asked(engine, clock);
        if (vt_outbox_answer(&engine->outbox, vital_text(engine->policy->heartbeat.reply)) != 0)
            vt_engine_fail(engine, clock, VT_CLOSE_INTERNAL_ERROR, "out of memory");
        return false;
    case VT_BEAT_TEXT_NONE:
        break;
    }
    return true;
}

/* True if the pong is for the application. */
static bool take_pong(vital_engine *engine, vital_clock clock, vital_bytes payload)
{
    if (!vt_heartbeat_waiting(&engine->heart) || !vt_beat_is_pong(&engine->beat, payload))
        return true;
    prove(engine, clock, true);
    return false;
}

/* The late answer to a ping beat that was forgotten: asked for, and no flood. */
static bool pays_a_debt(vital_engine *engine, vital_bytes payload)
{
    if (engine->heart.owed == 0 || payload.size != VT_NONCE_BYTES)
        return false;
    engine->heart.owed--;
    return true;
}

static bool within_budget(vital_engine *engine, vital_clock clock)
{
    if (vt_budget_take(&engine->control, engine->policy->limits.control_per_s, CONTROL_BURST_S,
                       clock.now_us))
        return true;
    vt_engine_fail(engine, clock, VT_CLOSE_POLICY, "too many control frames");
    return false;
}

/* True if *out has become an event for the application. */
static bool take_item(vital_engine *engine, vital_clock clock, const vt_item *item,
                      vital_event *out)
{
    vital_bytes bytes = {item->data, item->size};
    switch (item->type) {
    case VT_ITEM_TEXT:
    case VT_ITEM_BINARY:
        out->type = engine->policy->pieces ? VITAL_EVENT_PIECE : VITAL_EVENT_MESSAGE;
        out->message.kind = item->type == VT_ITEM_TEXT ? VITAL_TEXT : VITAL_BINARY;
        out->message.bytes = bytes;
        out->message.place = (item->first ? VITAL_FIRST : 0) | (item->last ? VITAL_LAST : 0);
        if (item->last)
            engine->flow.message_awake_us = -1;
        return item->type == VT_ITEM_BINARY || !item->first || !item->last ||
               take_text(engine, clock, bytes);
    case VT_ITEM_PING:
        vt_engine_asked(engine, clock);
        if (within_budget(engine, clock) && vt_outbox_pong(&engine->outbox, bytes) != 0)
            vt_engine_fail(engine, clock, VT_CLOSE_INTERNAL_ERROR, "out of memory");
        return false;
    case VT_ITEM_PONG:
        out->type = VITAL_EVENT_PONG;
        out->pong = bytes;
        return take_pong(engine, clock, bytes) &&
               (pays_a_debt(engine, bytes) || within_budget(engine, clock));
    case VT_ITEM_CLOSE:
        vt_engine_take_close(engine, clock, item);
        return false;
    case VT_ITEM_VIOLATION:
        vt_engine_fail(engine, clock, item->code, item->why);
        return false;
    case VT_ITEM_NONE:
        break;
    }
    return false;
}

/* -------------------------------------------------------------------- events */

static bool take_flag(vital_engine *engine, vital_event_type type)
{
    bool flagged = (engine->events & 1u << type) != 0;
    engine->events &= ~(1u << type);
    return flagged;
}

/* What waits without needing input, in the order in which it makes sense. */
static bool next_flagged(vital_engine *engine, vital_event *out)
{
    if (engine->events == 0)
        return false;
    for (int type = VITAL_EVENT_CONNECT; type <= VITAL_EVENT_SOONER; type++) {
        /* What has come tells of the pulse: it is read first. */
        if (type == VITAL_EVENT_HEALTH && engine->input.size > 0)
            continue;
        if (!take_flag(engine, (vital_event_type)type))
            continue;
        out->type = (vital_event_type)type;
        if (type == VITAL_EVENT_REQUEST || type == VITAL_EVENT_HTTP)
            out->request = &engine->opening->request;
        if (type == VITAL_EVENT_REDIRECT)
            out->location = engine->opening->failure.location;
        if (type == VITAL_EVENT_SOONER)
            memcpy(&out->sooner, &engine->sooner, sizeof out->sooner);
        if (type == VITAL_EVENT_CLOSED)
            vt_engine_write_verdict(engine, &out->verdict);
        if (type == VITAL_EVENT_HEALTH) {
            out->health = engine->heart.health;
            if (engine->told_health == out->health)
                continue; /* doubted and heard between two pulls: nothing to tell */
            engine->told_health = out->health;
        }
        return true;
    }
    return false;
}

bool vital_engine_next(vital_engine *engine, vital_clock clock, vital_event *out)
{
    bool told = (engine->events & 1u << VITAL_EVENT_CLOSED) == 0;
    if (!vt_engine_has_stream(engine) && told)
        forget_socket(engine);
    if (engine->opened_us >= 0 && engine->opening != NULL)
        vt_engine_forget_opening(engine); /* whoever was asked has done with the request */
    for (;;) {
        if (next_flagged(engine, out))
            return true;
        if (vital_engine_paused(engine))
            vt_engine_hold(engine, clock);
        else if (engine->state == VT_OPEN || engine->state == VT_CLOSING)
            vt_engine_unhold(engine);
        if (engine->state == VT_OPENING && engine->input.size > 0) {
            vt_engine_feed_opening(engine, clock);
        } else if ((engine->state == VT_OPEN || engine->state == VT_CLOSING) &&
                   engine->input.size > 0) {
            vt_item item = vt_reader_next(&engine->reader, &engine->input);
            if (take_item(engine, clock, &item, out))
                return true;
        } else {
            /* Whoever asks on has done with the last message: an idle connection
             * keeps no buffer of it. */
            vt_reader_release(&engine->reader);
            if (engine->state == VT_OPEN)
                vt_engine_note_message(engine, clock);
            if (engine->flow.end_waits) {
                engine->flow.end_waits = false;
                vital_engine_ended(engine, clock, engine->flow.end_error);
            }
            if (engine->events == 0)
                return false;
        }
    }
}

/* ----------------------------------------------------------------- bytes out */

vital_bytes vital_engine_pending(vital_engine *engine, vital_clock clock)
{
    if (!vt_engine_has_stream(engine) || vt_outbox_empty(&engine->outbox))
        return (vital_bytes){NULL, 0};
    vital_bytes bytes = vt_outbox_pending(
        &engine->outbox,
        &(vt_outbox_frames){
            .open = engine->opened_us >= 0,
            /* What is sent in doubt may be lost with the socket, unproven; what is
             * held goes out whole, on this socket or the next one. */
            .hold_messages = engine->state == VT_OPEN && engine->heart.health == VITAL_DOUBTFUL,
            .mask = engine->policy->role == VITAL_CLIENT ? &engine->entropy : NULL,
        });
    if (bytes.data == NULL && bytes.size == SIZE_MAX) {
        vt_engine_lose_without_memory(engine, clock);
        return (vital_bytes){NULL, 0};
    }
    if (bytes.size > 0)
        vt_engine_offered(engine, clock);
    return bytes;
}

void vital_engine_written(vital_engine *engine, vital_clock clock, size_t size)
{
    if (!vt_engine_has_stream(engine) || size == 0)
        return;
    engine->stalled_us = clock.stalled_us;
    vt_outbox_left left = vt_outbox_written(&engine->outbox, size);
    vt_engine_count_queue(engine);
    vt_engine_progressed(engine, clock);

    if (engine->state == VT_OPEN || engine->state == VT_CLOSING) {
        vt_heartbeat_spoke(&engine->heart, clock);
        if (left.beat) {
            vt_heartbeat_left(&engine->heart, clock);
            vt_stats_beat(engine->policy->stats, VT_STATS_SENT);
            vt_beat_left(&engine->beat, &engine->policy->heartbeat, left.confirms,
                         engine->heart.owed > 0);
        }
    }
    vt_engine_tell_drain(engine);
    if (engine->state >= VT_CLOSING)
        vt_engine_closing_progress(engine, clock);
}

/* ---------------------------------------------------------------------- time */

/* With credit for our own lateness since the deadline was set. */
static int64_t credited_deadline_us(const vital_engine *engine)
{
    if (engine->deadline_us == INT64_MAX)
        return INT64_MAX;
    return engine->deadline_us + engine->stalled_us - engine->deadline_stalled_us;
}

int64_t vital_engine_deadline(const vital_engine *engine)
{
    const vital_heartbeat *heartbeat = &engine->policy->heartbeat;
    switch (engine->state) {
    case VT_OPEN: {
        int64_t heart_us = vt_heartbeat_deadline(&engine->heart, heartbeat);
        int64_t flow_us = vt_engine_flow_deadline(engine);
        return flow_us < heart_us ? flow_us : heart_us;
    }
    case VT_AWAY:
        return engine->deadline_us; /* our own absence: nothing to credit */
    default:
        return credited_deadline_us(engine);
    }
}

static void tick_open(vital_engine *engine, vital_clock clock)
{
    if (vt_engine_too_slow(engine, clock))
        return;
    if (vt_outbox_awaits_piece(&engine->outbox))
        vt_heartbeat_excuse(&engine->heart, clock); /* a text beat waits for the message's end */
    if (vt_engine_deaf(engine, clock))
        return;
    vt_beat_action action = vt_heartbeat_tick(&engine->heart, &engine->policy->heartbeat,
                                              &engine->entropy, clock);
    switch (action) {
    case VT_BEAT_NOTHING:
        break;
    case VT_BEAT_SEND:
        vt_engine_beat(engine, clock);
        break;
    case VT_BEAT_DOUBT:
        vt_engine_doubt(engine);
        break;
    case VT_BEAT_CHECK:
    case VT_BEAT_LOOK:
    case VT_BEAT_LOST:
        vt_engine_look(engine, clock, action);
        break;
    }
}

static void run_out_of_time(vital_engine *engine, vital_clock clock)
{
    switch (engine->state) {
    case VT_AWAY:
        vt_ending_finish(&engine->ending);
        engine->opened_us = -1;
        engine->await_end = false;
        engine->late = NULL;
        engine->prompt.waits = false;
        engine->state = VT_CONNECTING;
        vt_engine_set_deadline(engine, clock, engine->policy->limits.open_ms);
        vt_engine_flag(engine, VITAL_EVENT_CONNECT);
        break;
    case VT_CONNECTING:
        vt_engine_lose_for(engine, clock, VITAL_UNREACHABLE, VT_CLOSE_ABNORMAL,
                           engine->late != NULL ? engine->late
                                                : "no connection within the time limit");
        break;
    case VT_ASKING:
        vt_engine_refuse(engine, clock, 503, "the application did not answer this request in time");
        break;
    case VT_OPENING:
        if (engine->policy->role == VITAL_SERVER)
            vt_engine_refuse(engine, clock, 408, "the opening handshake took too long");
        else
            vt_engine_lose_for(engine, clock, VITAL_UNREACHABLE, VT_CLOSE_ABNORMAL,
                               "the server accepted the connection but did not answer the upgrade "
                               "within the time limit");
        break;
    case VT_CLOSING:
    case VT_ENDING:
        vt_engine_closing_late(engine, clock);
        break;
    case VT_OPEN:
    case VT_GONE:
        break;
    }
}

void vital_engine_tick(vital_engine *engine, vital_clock clock)
{
    engine->stalled_us = clock.stalled_us;
    if (engine->state == VT_OPEN)
        tick_open(engine, clock);
    else if (clock.now_us >= vital_engine_deadline(engine))
        run_out_of_time(engine, clock);
    if (vt_engine_has_stream(engine))
        engine->told = false; /* what was told is of that moment */
    vt_engine_stand(engine);
}

/* ------------------------------------------------------------ what users ask */

/* Who said goodbye takes no more; whom the peer is just leaving, and who will
 * be back, keeps it for the next socket. */
static bool takes_messages(const vital_engine *engine)
{
    if (engine->state < VT_CLOSING)
        return true;
    return engine->state == VT_ENDING && vt_engine_returns(engine);
}

static bool is_text(vital_kind kind)
{
    return kind == VITAL_TEXT || kind == VITAL_TEXT_UNCOMPRESSED;
}

static bool is_binary(vital_kind kind)
{
    return kind == VITAL_BINARY || kind == VITAL_BINARY_UNCOMPRESSED;
}

/* Whether the queue takes so many bytes more: 0 or the error. */
static int make_room(vital_engine *engine, size_t size)
{
    size_t limit = engine->policy->limits.queue_bytes;
    if (size > limit)
        return VITAL_ETOOBIG;
    /* An empty queue takes any message up to the limit, whatever its overhead. */
    if (queued_bytes(engine) > 0 && queued_bytes(engine) + size + MESSAGE_OVERHEAD_BYTES > limit) {
        engine->want_drain = true;
        return VITAL_EFULL;
    }
    return 0;
}

int vital_engine_send(vital_engine *engine, vital_clock clock, vital_kind kind, vital_bytes message)
{
    (void)clock;
    if (!takes_messages(engine))
        return VITAL_ECLOSED;
    if ((!is_text(kind) && !is_binary(kind)) || (message.data == NULL && message.size > 0))
        return VITAL_EINVAL;
    if (is_text(kind) && !vt_utf8_valid(message.data, message.size))
        return VITAL_EINVAL;
    int error = make_room(engine, message.size);
    if (error == 0)
        error = vt_outbox_message(&engine->outbox, kind, message);
    vt_engine_count_queue(engine);
    return error;
}

int vital_engine_send_piece(vital_engine *engine, vital_clock clock, vital_kind kind,
                            vital_bytes piece, unsigned place)
{
    (void)clock;
    const bool first = (place & VITAL_FIRST) != 0;
    vt_utf8 utf8 = first ? (vt_utf8){0} : engine->piece_utf8;
    if (!takes_messages(engine))
        return VITAL_ECLOSED;
    if ((!is_text(kind) && !is_binary(kind)) || (piece.data == NULL && piece.size > 0) ||
        place > (VITAL_FIRST | VITAL_LAST))
        return VITAL_EINVAL;
    if (first == engine->outbox.unfinished)
        return VITAL_ESTATE;
    if (!first && kind != engine->piece_kind)
        return VITAL_EINVAL;
    if (is_text(kind) && (!vt_utf8_feed(&utf8, piece.data, piece.size) ||
                          ((place & VITAL_LAST) != 0 && !vt_utf8_complete(&utf8))))
        return VITAL_EINVAL;
    int error = make_room(engine, piece.size);
    if (error == 0)
        error = vt_outbox_piece(&engine->outbox, kind, piece, place);
    vt_engine_count_queue(engine);
    if (error != 0)
        return error;
    engine->piece_kind = kind;
    engine->piece_utf8 = utf8;
    return 0;
}

int vital_engine_ping(vital_engine *engine, vital_clock clock, vital_bytes payload)
{
    (void)clock;
    if (engine->state >= VT_CLOSING)
        return VITAL_ECLOSED;
    if (engine->state != VT_OPEN)
        return VITAL_ESTATE;
    if (payload.size > VT_CONTROL_PAYLOAD_MAX || (payload.data == NULL && payload.size > 0))
        return VITAL_EINVAL;
    return vt_outbox_ping(&engine->outbox, payload, false);
}

vital_health vital_engine_health(const vital_engine *engine)
{
    return engine->state == VT_OPEN ? engine->heart.health : VITAL_ALIVE;
}

void vital_engine_pulse(const vital_engine *engine, vital_clock clock, vital_pulse *out)
{
    if (engine->opened_us >= 0) {
        vt_heartbeat_pulse(&engine->heart, clock, out);
        return;
    }
    *out = (vital_pulse){
        .rtt_us = -1,
        .srtt_us = -1,
        .rttvar_us = -1,
        .heard_ms = -1,
        .proof_ms = -1,
        .waiting_ms = -1,
    };
}

size_t vital_engine_queued(const vital_engine *engine)
{
    return engine->outbox.queued_bytes;
}

bool vital_engine_compressed(const vital_engine *engine)
{
    return engine->packing != NULL;
}

const char *vital_engine_subprotocol(const vital_engine *engine)
{
    return engine->subprotocol == NULL ? "" : engine->subprotocol;
}
