/*
 * Bytes from the transport go to the engine, events from the engine to the
 * application, bytes from the engine to the transport, and the engine's deadline
 * to a timer. Events are pulled as soon as bytes have come, since those are
 * lent; everything else comes together once a turn, in settle(), so that many
 * messages leave in one write and the timer is looked at once.
 *
 * The timer is lazy: activity only ever moves a deadline later, so it is armed
 * again when it fires early, and at once only if the deadline came nearer.
 *
 * A server's connection to which nothing has been done for a moment comes to rest:
 * that is looked at whenever another one settles, so it costs no timer, and whoever
 * talks all the time is never folded and unfolded.
 */
#include "conn.h"

#include <assert.h>
#include <stdlib.h>

enum {
    RESTLESS_US = 100 * 1000, /* who was touched since stays awake */
    FOLDS_A_SETTLE = 2,       /* so more come to rest than leave it */
};

static void end_stream(vital_conn *conn, vt_stream_end how, vital_bytes farewell)
{
    vt_transport_end(&conn->transport, how, farewell);
    conn->awake->sending = false;
    conn->awake->paused = false;
    conn->awake->send_error = 0;
}

static void forget_peer(vital_conn *conn)
{
    conn->peer.family = AF_UNSPEC;
    free(conn->peer_text);
    conn->peer_text = NULL;
}

static vital_clock clock_of(const vital_conn *conn)
{
    return vt_loop_clock(conn->owner->loop);
}

static vital_clock clock_now_of(const vital_conn *conn)
{
    return vt_loop_clock_now(conn->owner->loop);
}

/* Or zeroed. */
static bool is_gone(const vital_conn *conn)
{
    return conn->timer.fire == NULL;
}

/* Of one that is awake. */
static vital_engine *engine_of(const vital_conn *conn)
{
    return conn->awake->engine;
}

int64_t vt_conn_phase_us(vital_conn *conn)
{
    int64_t began_us = conn->awake->began_us;
    conn->awake->began_us = clock_now_of(conn).now_us;
    return conn->awake->began_us - began_us;
}

/* ----------------------------------------------------------------------- rest */

static void settle(void *owner);

static void rouse(vital_conn *conn, vt_awake *awake)
{
    const vt_conn_owner *owner = conn->owner;
    vt_rest_unfold(&conn->rest, awake->engine, owner->policy, vt_loop_entropy(owner->loop),
                   vt_peer_path(&conn->peer));
    awake->conn = conn;
    awake->opening = (vital_opening){-1, -1, -1, conn->tls_us, conn->upgrade_us};
    vt_task_init(&awake->settle, settle, conn);
    conn->awake = awake;
}

/* False if it is gone, or without memory. */
static bool wake(vital_conn *conn)
{
    if (conn->awake != NULL)
        return true;
    vt_awake *awake = is_gone(conn) || conn->starved ? NULL : vt_commons_lend(conn->owner->commons);
    if (awake != NULL)
        rouse(conn, awake);
    return awake != NULL;
}

/* It cannot leave its rest for what must be done: it ends, and soon, since nobody is
 * called back from here. */
static void starve(vital_conn *conn)
{
    if (is_gone(conn) || conn->starved)
        return;
    conn->starved = true;
    vt_timer_arm(&conn->timer, conn->owner->loop, clock_of(conn).now_us);
}

static void fold(vital_conn *conn)
{
    vt_awake *awake = conn->awake;
    const vital_opening *opening = &awake->opening;
    if (awake->sending || awake->paused || awake->pulling || !vt_list_empty(&awake->settle.link) ||
        opening->tls_us > INT32_MAX || opening->upgrade_us > INT32_MAX ||
        !vt_rest_fold(&conn->rest, awake->engine, clock_of(conn).now_us))
        return;
    conn->tls_us = (int32_t)opening->tls_us;
    conn->upgrade_us = (int32_t)opening->upgrade_us;
    conn->awake = NULL;
    vt_commons_take_back(conn->owner->commons, awake);
}

/* This one has settled: it may rest in a while, and others now. Who may not is looked at
 * again when it has settled again. */
static void come_to_rest(vital_conn *conn)
{
    vt_list *recent = &conn->owner->commons->recent;
    int64_t now_us = clock_of(conn).now_us;
    if (conn->owner->policy->role != VITAL_SERVER)
        return;
    conn->awake->touched_us = now_us;
    vt_list_append(recent, &conn->awake->recent);
    for (int i = 0; i < FOLDS_A_SETTLE; i++) {
        vt_awake *first = VT_LIST_OWNER(recent->next, vt_awake, recent);
        if (first->touched_us + RESTLESS_US > now_us)
            return; /* if nobody else, this one */
        vt_list_remove(&first->recent);
        fold(first->conn);
    }
}

/* --------------------------------------------------------------------- events */

/* An abandoned or lost socket. False if that was the last of the connection,
 * which does not exist any more then. */
static bool take_closed(vital_conn *conn, const vital_verdict *verdict)
{
    if (conn->owner->abandon != NULL)
        conn->owner->abandon(conn);
    bool given_up = verdict->cause == VITAL_SILENT || verdict->cause == VITAL_STUCK;
    end_stream(conn, given_up ? VT_END_LIMBO : VT_END_POLITE,
               vital_engine_farewell(engine_of(conn)));
    if (conn->owner->events->close != NULL)
        conn->owner->events->close(conn, verdict);
    forget_peer(conn);
    if (!verdict->final)
        return true;
    conn->owner->gone(conn);
    return false;
}

/* What the callback has answered by itself is answered. */
static void take_request(vital_conn *conn, const vital_request *request,
                         int (*answer)(vital_conn *conn, const vital_request *request))
{
    const char *problem;
    vital_response response = {.status = answer(conn, request)};
    if (response.status == VITAL_LATER)
        return;
    if (vital_engine_respond(engine_of(conn), clock_of(conn), &response, &problem) != VITAL_EINVAL)
        return;
    response.status = 500; /* not a status with which one can answer */
    vital_engine_respond(engine_of(conn), clock_of(conn), &response, &problem);
}

static void take_health(vital_conn *conn, vital_health health)
{
    if (conn->owner->events->health == NULL)
        return;
    vital_pulse pulse;
    vital_engine_pulse(engine_of(conn), clock_of(conn), &pulse);
    conn->owner->events->health(conn, health, &pulse);
}

/* What the kernel knows is the engine's to judge. */
static void testify(vital_conn *conn)
{
    vital_evidence evidence;
    if (conn->transport.stream == NULL || !vt_stream_info(conn->transport.stream, &evidence))
        return;
    evidence.relayed = conn->awake->relayed;
    vital_engine_evidence(engine_of(conn), &evidence);
}

/* False if the connection is gone. */
static bool dispatch(vital_conn *conn, const vital_event *event)
{
    const vital_events *events = conn->owner->events;
    switch (event->type) {
    case VITAL_EVENT_CONNECT:
        conn->awake->opening = (vital_opening){-1, -1, -1, -1, -1};
        conn->awake->began_us = clock_now_of(conn).now_us;
        conn->owner->connect(conn);
        break;
    case VITAL_EVENT_REDIRECT:
        end_stream(conn, VT_END_ABRUPT, (vital_bytes){NULL, 0});
        forget_peer(conn);
        conn->awake->opening = (vital_opening){-1, -1, -1, -1, -1}; /* of the last hop */
        conn->awake->began_us = clock_now_of(conn).now_us;
        conn->owner->redirect(conn, event->location);
        break;
    case VITAL_EVENT_REQUEST:
        take_request(conn, event->request, events->accept);
        break;
    case VITAL_EVENT_HTTP:
        take_request(conn, event->request, events->http);
        break;
    case VITAL_EVENT_OPEN:
        conn->awake->opening.upgrade_us = vt_conn_phase_us(conn);
        testify(conn);
        if (events->open != NULL)
            events->open(conn, false);
        break;
    case VITAL_EVENT_MESSAGE:
        if (events->message != NULL)
            events->message(conn, event->message.kind, event->message.bytes);
        break;
    case VITAL_EVENT_PIECE:
        events->piece(conn, event->message.kind, event->message.bytes, event->message.place);
        break;
    case VITAL_EVENT_PONG:
        if (events->pong != NULL)
            events->pong(conn, event->pong);
        break;
    case VITAL_EVENT_HEALTH:
        take_health(conn, event->health);
        break;
    case VITAL_EVENT_DRAIN:
        if (events->drain != NULL)
            events->drain(conn);
        break;
    case VITAL_EVENT_SOONER:
        if (events->sooner != NULL)
            events->sooner(conn, event->sooner.why, event->sooner.retry_ms);
        break;
    case VITAL_EVENT_CLOSED:
        return take_closed(conn, &event->verdict);
    }
    return true;
}

/* False if the connection is gone. */
static bool pull(vital_conn *conn)
{
    if (conn->awake->pulling)
        return true; /* who dispatches, goes on to what is new */
    vital_event event;
    bool here = true;
    conn->awake->pulling = true;
    while (here && vital_engine_next(engine_of(conn), clock_of(conn), &event))
        here = dispatch(conn, &event);
    if (here)
        conn->awake->pulling = false;
    return here;
}

/* ------------------------------------------------------------ once in a turn */

static void flush(vital_conn *conn)
{
    if (conn->transport.stream == NULL || conn->awake->sending)
        return;
    vital_bytes bytes = vital_engine_pending(engine_of(conn), clock_of(conn));
    if (bytes.size == 0)
        return;
    if (!vt_transport_ready(&conn->transport)) {
        /* A refusal, to a client that has not even finished TLS: it cannot be told. */
        vital_engine_ended(engine_of(conn), clock_of(conn), 0);
        return;
    }
    conn->awake->sending = true;
    vt_transport_send(&conn->transport, bytes);
}

/* Reads on, if the engine is ready for it again. False if the connection is gone. */
static bool resume(vital_conn *conn)
{
    if (!conn->awake->paused || vital_engine_paused(engine_of(conn)))
        return true;
    conn->awake->paused = false;
    vt_transport_pause(&conn->transport, false);
    vt_transport_poll(&conn->transport);
    return !is_gone(conn);
}

static void settle(void *owner)
{
    vital_conn *conn = owner;
    if (!pull(conn))
        return;
    flush(conn);
    if (!pull(conn)) /* flushing may have found the end */
        return;
    if (!resume(conn))
        return;
    int64_t deadline_us = vital_engine_deadline(engine_of(conn));
    if (deadline_us < conn->timer.at_us)
        vt_timer_arm(&conn->timer, conn->owner->loop, deadline_us);
    come_to_rest(conn);
}

void vt_conn_touch(vital_conn *conn)
{
    vt_task_schedule(&conn->awake->settle, conn->owner->loop);
}

void vt_conn_hint(vital_conn *conn, vital_hint hint)
{
    if (!wake(conn))
        return; /* one of those that are not followed */
    vital_engine_hint(engine_of(conn), clock_of(conn), hint);
    vt_conn_touch(conn);
}

/* Ends it with the memory that is kept for that. */
static void give_up_starved(vital_conn *conn)
{
    static const vital_failure failure = {.cause = VITAL_OVERFLOW, .what = "out of memory"};
    rouse(conn, vt_commons_lend_reserve(conn->owner->commons));
    vital_engine_failed(engine_of(conn), clock_of(conn), &failure);
    pull(conn);
}

static void on_timer(void *owner)
{
    vital_conn *conn = owner;
    if (conn->starved) {
        give_up_starved(conn);
        return;
    }
    if (!wake(conn)) {
        starve(conn);
        return;
    }
    /* What has happened in this turn is told before anything else does. */
    if (!pull(conn))
        return;
    /* Before judging, read: the answer may have arrived already. */
    if (vital_engine_suspects(engine_of(conn), clock_of(conn)) && conn->transport.stream != NULL) {
        vt_transport_poll(&conn->transport);
        if (is_gone(conn))
            return; /* buried at the end of this turn */
        if (vital_engine_suspects(engine_of(conn), clock_of(conn)))
            testify(conn);
    }
    vital_engine_tick(engine_of(conn), clock_of(conn));
    /* At once: if that gave up an attempt, its answer may be due in this turn. */
    if (pull(conn))
        vt_conn_touch(conn);
}

/* ------------------------------------------------------------------ transport */

static void on_secured(void *owner)
{
    vital_conn *conn = owner;
    conn->awake->opening.tls_us = vt_conn_phase_us(conn);
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    vital_conn *conn = owner;
    if (!wake(conn)) {
        starve(conn);
        return;
    }
    if (size > 0)
        vital_engine_read(engine_of(conn), clock_of(conn), data, size);
    else
        vital_engine_ended(engine_of(conn), clock_of(conn),
                           error != 0 ? error : conn->awake->send_error);
    if (pull(conn))
        vt_conn_touch(conn);
}

/* After a failed send nothing more can leave, but what the peer said last, its
 * close frame perhaps, may still be readable: the end comes from there. */
static void on_sent(void *owner, size_t size, int error)
{
    vital_conn *conn = owner;
    conn->awake->sending = error != 0;
    conn->awake->send_error = error;
    vital_engine_written(engine_of(conn), clock_of(conn), size);
    if (error != 0 && conn->awake->paused) /* then the reading side says nothing */
        vital_engine_ended(engine_of(conn), clock_of(conn), error);
    vt_conn_touch(conn);
}

static void on_failed(void *owner, const vital_failure *failure)
{
    vital_conn *conn = owner;
    if (!wake(conn)) {
        starve(conn);
        return;
    }
    vital_engine_failed(engine_of(conn), clock_of(conn), failure);
    if (pull(conn))
        vt_conn_touch(conn);
}

static void on_reported(void *owner, int error)
{
    (void)error; /* the evidence quotes it */
    vt_conn_hint(owner, VITAL_HINT_REPORT);
}

static const vt_transport_events TRANSPORT_EVENTS = {
    .bytes = {.received = on_received, .sent = on_sent, .reported = on_reported},
    .secured = on_secured,
    .failed = on_failed,
};

void vt_conn_adopt(vital_conn *conn, const vt_address *peer)
{
    vt_transport_adopt(&conn->transport, &TRANSPORT_EVENTS, conn);
    forget_peer(conn);
    if (!vt_peer_note(&conn->peer, peer)) {
        char text[VT_ADDRESS_TEXT_BYTES];
        vt_address_text(text, peer);
        conn->peer_text = strdup(text); /* without memory it has no name */
    }
    vital_engine_path(engine_of(conn), vt_peer_path(&conn->peer));
    vt_conn_touch(conn);
}

int vt_conn_secure(vital_conn *conn, vt_tls_policy *policy)
{
    return vt_transport_secure(&conn->transport, policy, &TRANSPORT_EVENTS, conn);
}

/* ----------------------------------------------------------------- life cycle */

int vt_conn_init(vital_conn *conn, const vt_conn_owner *owner)
{
    *conn = (vital_conn){.owner = owner};
    if (vt_timer_init(&conn->timer, owner->loop, on_timer, conn) != 0)
        return VITAL_ENOMEM;
    vt_awake *awake = vt_commons_lend(owner->commons);
    if (awake == NULL) {
        vt_timer_finish(&conn->timer, owner->loop);
        return VITAL_ENOMEM;
    }
    vital_clock clock = clock_now_of(conn);
    vt_engine_begin(awake->engine, owner->policy, vt_loop_entropy(owner->loop), clock);
    awake->conn = conn;
    awake->began_us = clock.now_us;
    awake->opening = (vital_opening){-1, -1, -1, -1, -1};
    vt_task_init(&awake->settle, settle, conn);
    conn->awake = awake;
    vt_conn_touch(conn);
    return 0;
}

void vt_conn_finish(vital_conn *conn)
{
    vt_awake *awake = conn->awake;
    if (is_gone(conn))
        return;
    vt_transport_end(&conn->transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    vt_timer_finish(&conn->timer, conn->owner->loop);
    conn->awake = NULL;
    if (awake == NULL)
        vt_rest_finish(conn->owner->policy, vt_peer_path(&conn->peer));
    forget_peer(conn);
    if (awake == NULL)
        return;
    vt_task_finish(&awake->settle);
    vt_rest_clear(awake->engine);
    vt_commons_take_back(conn->owner->commons, awake);
}

/* ------------------------------------------------------------------ public API */

int vital_respond(vital_conn *conn, const vital_response *response)
{
    if (conn == NULL || response == NULL)
        return VITAL_EINVAL;
    if (!wake(conn))
        return is_gone(conn) ? VITAL_ECLOSED : VITAL_ENOMEM;
    const char *problem;
    int error = vital_engine_respond(engine_of(conn), clock_of(conn), response, &problem);
    if (error != 0)
        return vt_loop_fail(conn->owner->loop, error, "%s", problem);
    vt_conn_touch(conn);
    return 0;
}

int vital_send(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    if (conn == NULL)
        return VITAL_EINVAL;
    if (!wake(conn))
        return is_gone(conn) ? VITAL_ECLOSED : VITAL_ENOMEM;
    int error = vital_engine_send(engine_of(conn), clock_of(conn), kind, message);
    if (error == 0)
        vt_conn_touch(conn);
    return error;
}

int vital_send_piece(vital_conn *conn, vital_kind kind, vital_bytes piece, unsigned place)
{
    if (conn == NULL)
        return VITAL_EINVAL;
    if (!wake(conn))
        return is_gone(conn) ? VITAL_ECLOSED : VITAL_ENOMEM;
    int error = vital_engine_send_piece(engine_of(conn), clock_of(conn), kind, piece, place);
    if (error == 0)
        vt_conn_touch(conn);
    return error;
}

int vital_ping(vital_conn *conn, vital_bytes payload)
{
    if (conn == NULL)
        return VITAL_EINVAL;
    if (!wake(conn))
        return is_gone(conn) ? VITAL_ECLOSED : VITAL_ENOMEM;
    int error = vital_engine_ping(engine_of(conn), clock_of(conn), payload);
    if (error == 0)
        vt_conn_touch(conn);
    return error;
}

/* Wakes a connection for what cannot fail. */
static bool wake_or_starve(vital_conn *conn)
{
    if (conn == NULL)
        return false;
    bool awake = wake(conn);
    if (!awake)
        starve(conn);
    return awake;
}

void vital_pause(vital_conn *conn, bool pause)
{
    if (!wake_or_starve(conn))
        return;
    vital_engine_pause(engine_of(conn), clock_of(conn), pause);
    if (vital_engine_paused(engine_of(conn)) && !conn->awake->paused) {
        conn->awake->paused = true;
        vt_transport_pause(&conn->transport, true);
    }
    vt_conn_touch(conn);
}

void vital_close(vital_conn *conn, uint16_t code, const char *reason)
{
    if (!wake_or_starve(conn))
        return;
    vital_engine_close(engine_of(conn), clock_now_of(conn), code, reason);
    /* An attempt that was under way is over, and its answer may be due in this turn. */
    if (conn->owner->abandon != NULL)
        conn->owner->abandon(conn);
    vt_conn_touch(conn);
}

void vital_cut(vital_conn *conn)
{
    if (!wake_or_starve(conn))
        return;
    vital_engine_cut(engine_of(conn), clock_now_of(conn));
    if (conn->owner->abandon != NULL)
        conn->owner->abandon(conn);
    vt_conn_touch(conn);
}
