/*
 * Bytes from the transport go to the engine, events from the engine to the
 * application, bytes from the engine to the transport, and the engine's deadline
 * to a timer. Events are pulled as soon as bytes have come, since those are
 * lent; everything else comes together once a turn, in settle(), so that many
 * messages leave in one write and the timer is looked at once.
 *
 * The timer is lazy: activity only ever moves a deadline later, so it is armed
 * again when it fires early, and at once only if the deadline came nearer.
 */
#include "conn.h"

#include <stdlib.h>

static void end_stream(vital_conn *conn, vt_stream_end how, vital_bytes farewell)
{
    vt_transport_end(&conn->transport, how, farewell);
    conn->sending = false;
    conn->paused = false;
    conn->send_error = 0;
}

static void forget_peer(vital_conn *conn)
{
    conn->peer.size = 0;
    free(conn->peer_text);
    conn->peer_text = NULL;
}

static vital_clock clock_of(const vital_conn *conn)
{
    return vt_loop_clock(conn->loop);
}

int64_t vt_conn_phase_us(vital_conn *conn)
{
    int64_t began_us = conn->began_us;
    conn->began_us = vt_loop_clock_now(conn->loop).now_us;
    return conn->began_us - began_us;
}

/* --------------------------------------------------------------------- events */

/* An abandoned or lost socket. False if that was the last of the connection,
 * which does not exist any more then. */
static bool take_closed(vital_conn *conn, const vital_verdict *verdict)
{
    if (conn->owner->abandon != NULL)
        conn->owner->abandon(conn);
    bool given_up = verdict->cause == VITAL_SILENT || verdict->cause == VITAL_STUCK;
    end_stream(conn, given_up ? VT_END_LIMBO : VT_END_POLITE, vital_engine_farewell(conn->engine));
    if (conn->events->close != NULL)
        conn->events->close(conn, verdict);
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
    if (vital_engine_respond(conn->engine, clock_of(conn), &response, &problem) != VITAL_EINVAL)
        return;
    response.status = 500; /* not a status with which one can answer */
    vital_engine_respond(conn->engine, clock_of(conn), &response, &problem);
}

static void take_health(vital_conn *conn, vital_health health)
{
    if (conn->events->health == NULL)
        return;
    vital_pulse pulse;
    vital_engine_pulse(conn->engine, clock_of(conn), &pulse);
    conn->events->health(conn, health, &pulse);
}

/* What the kernel knows is the engine's to judge. */
static void testify(vital_conn *conn)
{
    vital_evidence evidence;
    if (conn->transport.stream == NULL || !vt_stream_info(conn->transport.stream, &evidence))
        return;
    evidence.relayed = conn->relayed;
    vital_engine_evidence(conn->engine, &evidence);
}

/* False if the connection is gone. */
static bool dispatch(vital_conn *conn, const vital_event *event)
{
    const vital_events *events = conn->events;
    switch (event->type) {
    case VITAL_EVENT_CONNECT:
        conn->opening = (vital_opening){-1, -1, -1, -1, -1};
        conn->began_us = vt_loop_clock_now(conn->loop).now_us;
        conn->owner->connect(conn);
        break;
    case VITAL_EVENT_REDIRECT:
        end_stream(conn, VT_END_ABRUPT, (vital_bytes){NULL, 0});
        forget_peer(conn);
        conn->opening = (vital_opening){-1, -1, -1, -1, -1}; /* of the last hop */
        conn->began_us = vt_loop_clock_now(conn->loop).now_us;
        conn->owner->redirect(conn, event->location);
        break;
    case VITAL_EVENT_REQUEST:
        take_request(conn, event->request, events->accept);
        break;
    case VITAL_EVENT_HTTP:
        take_request(conn, event->request, events->http);
        break;
    case VITAL_EVENT_OPEN:
        conn->opening.upgrade_us = vt_conn_phase_us(conn);
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
    if (conn->pulling)
        return true; /* who dispatches, goes on to what is new */
    vital_event event;
    bool here = true;
    conn->pulling = true;
    while (here && vital_engine_next(conn->engine, clock_of(conn), &event))
        here = dispatch(conn, &event);
    if (here)
        conn->pulling = false;
    return here;
}

/* ------------------------------------------------------------ once in a turn */

static void flush(vital_conn *conn)
{
    if (conn->transport.stream == NULL || conn->sending)
        return;
    vital_bytes bytes = vital_engine_pending(conn->engine, clock_of(conn));
    if (bytes.size == 0)
        return;
    if (!vt_transport_ready(&conn->transport)) {
        /* A refusal, to a client that has not even finished TLS: it cannot be told. */
        vital_engine_ended(conn->engine, clock_of(conn), 0);
        return;
    }
    conn->sending = true;
    vt_transport_send(&conn->transport, bytes);
}

/* Reads on, if the engine is ready for it again. False if the connection is gone. */
static bool resume(vital_conn *conn)
{
    if (!conn->paused || vital_engine_paused(conn->engine))
        return true;
    conn->paused = false;
    vt_transport_pause(&conn->transport, false);
    vt_transport_poll(&conn->transport);
    return conn->engine != NULL;
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
    int64_t deadline_us = vital_engine_deadline(conn->engine);
    if (deadline_us < conn->timer.at_us)
        vt_timer_arm(&conn->timer, conn->loop, deadline_us);
}

void vt_conn_touch(vital_conn *conn)
{
    vt_task_schedule(&conn->settle, conn->loop);
}

void vt_conn_hint(vital_conn *conn, vital_hint hint)
{
    vital_engine_hint(conn->engine, clock_of(conn), hint);
    vt_conn_touch(conn);
}

static void on_timer(void *owner)
{
    vital_conn *conn = owner;
    /* What has happened in this turn is told before anything else does. */
    if (!pull(conn))
        return;
    /* Before judging, read: the answer may have arrived already. */
    if (vital_engine_suspects(conn->engine, clock_of(conn)) && conn->transport.stream != NULL) {
        vt_transport_poll(&conn->transport);
        if (conn->engine == NULL)
            return; /* gone: buried at the end of this turn */
        if (vital_engine_suspects(conn->engine, clock_of(conn)))
            testify(conn);
    }
    vital_engine_tick(conn->engine, clock_of(conn));
    /* At once: if that gave up an attempt, its answer may be due in this turn. */
    if (pull(conn))
        vt_conn_touch(conn);
}

/* ------------------------------------------------------------------ transport */

static void on_secured(void *owner)
{
    vital_conn *conn = owner;
    conn->opening.tls_us = vt_conn_phase_us(conn);
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    vital_conn *conn = owner;
    if (size > 0)
        vital_engine_read(conn->engine, clock_of(conn), data, size);
    else
        vital_engine_ended(conn->engine, clock_of(conn), error != 0 ? error : conn->send_error);
    if (pull(conn))
        vt_conn_touch(conn);
}

/* After a failed send nothing more can leave, but what the peer said last, its
 * close frame perhaps, may still be readable: the end comes from there. */
static void on_sent(void *owner, size_t size, int error)
{
    vital_conn *conn = owner;
    conn->sending = error != 0;
    conn->send_error = error;
    vital_engine_written(conn->engine, clock_of(conn), size);
    if (error != 0 && conn->paused) /* then the reading side says nothing */
        vital_engine_ended(conn->engine, clock_of(conn), error);
    vt_conn_touch(conn);
}

static void on_failed(void *owner, const vital_failure *failure)
{
    vital_conn *conn = owner;
    vital_engine_failed(conn->engine, clock_of(conn), failure);
    if (pull(conn))
        vt_conn_touch(conn);
}

static void on_reported(void *owner, int error)
{
    (void)error; /* the evidence quotes it */
    vt_conn_hint(owner, VITAL_HINT_REPORT);
}

static const vt_transport_events TRANSPORT_EVENTS = {
    .secured = on_secured,
    .received = on_received,
    .sent = on_sent,
    .failed = on_failed,
    .reported = on_reported,
};

void vt_conn_adopt(vital_conn *conn, const vt_address *peer)
{
    vt_transport_adopt(&conn->transport, &TRANSPORT_EVENTS, conn);
    conn->peer = *peer;
    vital_engine_path(conn->engine, vt_address_path(peer));
    vt_conn_touch(conn);
}

/* ------------------------------------------------ what a loop's connections share */

struct commons {
    vital_loop *loop;
    vital_compressor *compressor; /* owned, as the next; NULL until wanted */
    vital_breaker *breaker;
    vt_resident resident;
    vt_grave grave;
};

static void bury_commons(vt_grave *grave)
{
    struct commons *commons = VT_LIST_OWNER(grave, struct commons, grave);
    vital_compressor_destroy(commons->compressor);
    vital_breaker_destroy(commons->breaker);
    free(commons);
}

/* The engines that end with the loop, too, still use them. */
static void evict_commons(vt_resident *resident)
{
    struct commons *commons = VT_LIST_OWNER(resident, struct commons, resident);
    vt_loop_bury(commons->loop, &commons->grave, bury_commons);
}

/* NULL without memory. */
static struct commons *commons_of(vital_loop *loop)
{
    vt_resident *resident = vt_loop_find(loop, evict_commons);
    if (resident != NULL)
        return VT_LIST_OWNER(resident, struct commons, resident);
    struct commons *commons = calloc(1, sizeof *commons);
    if (commons == NULL)
        return NULL;
    commons->loop = loop;
    vt_loop_settle(loop, &commons->resident, evict_commons);
    return commons;
}

vital_compressor *vt_conn_compressor(vital_loop *loop)
{
    struct commons *commons = commons_of(loop);
    if (commons != NULL && commons->compressor == NULL)
        vital_compressor_create(&commons->compressor);
    return commons != NULL ? commons->compressor : NULL;
}

vital_breaker *vt_conn_breaker(vital_loop *loop)
{
    struct commons *commons = commons_of(loop);
    if (commons != NULL && commons->breaker == NULL)
        vital_breaker_create(&commons->breaker);
    return commons != NULL ? commons->breaker : NULL;
}

/* ----------------------------------------------------------------- life cycle */

int vt_conn_init(vital_conn *conn, vital_loop *loop, const vital_policy *policy,
                 const vital_events *events, const vt_conn_owner *owner)
{
    *conn = (vital_conn){
        .loop = loop,
        .owner = owner,
        .events = events,
        .began_us = vt_loop_clock_now(loop).now_us,
        .opening = {-1, -1, -1, -1, -1},
    };
    vt_task_init(&conn->settle, settle, conn);
    if (vt_timer_init(&conn->timer, loop, on_timer, conn) != 0)
        return VITAL_ENOMEM;
    int error = vital_engine_create(&conn->engine, policy, vt_loop_entropy(loop),
                                    vt_loop_clock_now(loop));
    if (error != 0)
        vt_timer_finish(&conn->timer, loop);
    else
        vt_conn_touch(conn);
    return error;
}

void vt_conn_finish(vital_conn *conn)
{
    if (conn->loop == NULL)
        return;
    end_stream(conn, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    forget_peer(conn);
    vt_timer_finish(&conn->timer, conn->loop);
    vt_task_finish(&conn->settle);
    vital_engine_destroy(conn->engine);
    conn->engine = NULL;
}

/* ------------------------------------------------------------------ public API */

int vital_respond(vital_conn *conn, const vital_response *response)
{
    if (conn == NULL || response == NULL)
        return VITAL_EINVAL;
    if (conn->engine == NULL)
        return VITAL_ECLOSED;
    const char *problem;
    int error = vital_engine_respond(conn->engine, clock_of(conn), response, &problem);
    if (error != 0)
        return vt_loop_fail(conn->loop, error, "%s", problem);
    vt_conn_touch(conn);
    return 0;
}

int vital_send(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    if (conn == NULL)
        return VITAL_EINVAL;
    if (conn->engine == NULL)
        return VITAL_ECLOSED;
    int error = vital_engine_send(conn->engine, clock_of(conn), kind, message);
    if (error == 0)
        vt_conn_touch(conn);
    return error;
}

int vital_send_piece(vital_conn *conn, vital_kind kind, vital_bytes piece, unsigned place)
{
    if (conn == NULL)
        return VITAL_EINVAL;
    if (conn->engine == NULL)
        return VITAL_ECLOSED;
    int error = vital_engine_send_piece(conn->engine, clock_of(conn), kind, piece, place);
    if (error == 0)
        vt_conn_touch(conn);
    return error;
}

int vital_ping(vital_conn *conn, vital_bytes payload)
{
    if (conn == NULL)
        return VITAL_EINVAL;
    if (conn->engine == NULL)
        return VITAL_ECLOSED;
    int error = vital_engine_ping(conn->engine, clock_of(conn), payload);
    if (error == 0)
        vt_conn_touch(conn);
    return error;
}

void vital_pause(vital_conn *conn, bool pause)
{
    if (conn == NULL || conn->engine == NULL)
        return;
    vital_engine_pause(conn->engine, clock_of(conn), pause);
    if (vital_engine_paused(conn->engine) && !conn->paused) {
        conn->paused = true;
        vt_transport_pause(&conn->transport, true);
    }
    vt_conn_touch(conn);
}

void vital_close(vital_conn *conn, uint16_t code, const char *reason)
{
    if (conn == NULL || conn->engine == NULL)
        return;
    vital_engine_close(conn->engine, vt_loop_clock_now(conn->loop), code, reason);
    /* An attempt that was under way is over, and its answer may be due in this turn. */
    if (conn->owner->abandon != NULL)
        conn->owner->abandon(conn);
    vt_conn_touch(conn);
}

void vital_cut(vital_conn *conn)
{
    if (conn == NULL || conn->engine == NULL)
        return;
    vital_engine_cut(conn->engine, vt_loop_clock_now(conn->loop));
    if (conn->owner->abandon != NULL)
        conn->owner->abandon(conn);
    vt_conn_touch(conn);
}

void vital_conn_pulse(const vital_conn *conn, vital_pulse *out)
{
    vital_engine_pulse(conn->engine, vt_loop_clock_now(conn->loop), out);
}

size_t vital_conn_queued(const vital_conn *conn)
{
    return vital_engine_queued(conn->engine);
}

const char *vital_conn_peer(const vital_conn *conn)
{
    if (conn->peer.size == 0)
        return "";
    if (conn->peer_text == NULL) {
        vital_conn *cache = (vital_conn *)conn; /* a text made on demand changes nothing */
        cache->peer_text = malloc(VT_ADDRESS_TEXT_BYTES);
        if (cache->peer_text == NULL)
            return "";
        vt_address_text(cache->peer_text, &conn->peer);
    }
    return conn->peer_text;
}

const char *vital_conn_url(const vital_conn *conn)
{
    return conn->url != NULL ? conn->url : "";
}

const char *vital_conn_subprotocol(const vital_conn *conn)
{
    return vital_engine_subprotocol(conn->engine);
}

bool vital_conn_compressed(const vital_conn *conn)
{
    return vital_engine_compressed(conn->engine);
}

vital_loop *vital_conn_loop(const vital_conn *conn)
{
    return conn->loop;
}

void vital_conn_opening(const vital_conn *conn, vital_opening *out)
{
    *out = conn->opening;
}

void vital_conn_tls(const vital_conn *conn, vital_tls_facts *out)
{
    const vt_tls *tls = vt_transport_tls(&conn->transport);
    *out = (vital_tls_facts){.version = "", .cipher = ""};
    if (tls != NULL && vt_tls_secured(tls))
        vt_tls_describe(tls, out);
}

void *vital_user(const vital_conn *conn)
{
    return conn->user;
}

void vital_set_user(vital_conn *conn, void *user)
{
    conn->user = user;
}
