/*
 * The connection without sockets: bytes and time go in, bytes and events come
 * out. For a program with an event loop of its own, and for tests.
 *
 * An engine is one *logical* connection, as vital_conn is. It owns no socket,
 * reads no clock, starts no timer and calls nobody back. The rules:
 *
 *   1. After every call that changes it (read, ended, written, tick, send,
 *      close, ...), pull vital_engine_next() until it returns false, then
 *      offer vital_engine_pending() to the stream and tell what left with
 *      vital_engine_written(); then call vital_engine_tick() no later than
 *      vital_engine_deadline().
 *   2. Bytes given to vital_engine_read() are lent, and changed in place, until
 *      vital_engine_next() has returned false.
 *   3. Before a tick, read what has already arrived: an engine judges by what
 *      it was given. If it suspects the peer (vital_engine_suspects), tell it
 *      what the kernel knows (vital_engine_evidence), if that is to be had.
 */
#ifndef VITAL_ENGINE_H
#define VITAL_ENGINE_H

#include <vital/vital.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vital_engine vital_engine;

typedef enum vital_role { VITAL_CLIENT, VITAL_SERVER } vital_role;

/* Time as an argument. `now_us` is a monotonic clock; `stalled_us` the sum of
 * all the time so far in which the caller could not attend to its connections
 * (a busy callback, a stopped process). Deadlines against the peer stand still
 * meanwhile: our own lateness is never the peer's death. */
typedef struct vital_clock {
    int64_t now_us;
    int64_t stalled_us;
} vital_clock;

/* Cryptographically strong bytes (RFC 6455 10.3), from the caller. */
typedef struct vital_entropy {
    void (*fill)(void *source, void *out, size_t size);
    void *source;
} vital_entropy;

/* What engines that compress can share, as long as one thread uses them: see
 * vital_policy. It must outlive them. */
typedef struct vital_compressor vital_compressor;
int vital_compressor_create(vital_compressor **out);         /* 0 or VITAL_ENOMEM */
void vital_compressor_destroy(vital_compressor *compressor); /* accepts NULL */

/* Likewise, what engines share to see that many of their peers are lost at once, which
 * is then our own uplink's fault: their verdicts are put off, for a bounded time. */
typedef struct vital_breaker vital_breaker;
int vital_breaker_create(vital_breaker **out);      /* 0 or VITAL_ENOMEM */
void vital_breaker_destroy(vital_breaker *breaker); /* accepts NULL */

/* And to remember which paths stand still for some seconds now and then, and go on: what
 * TCP sends there in vain proves less. */
typedef struct vital_lulls vital_lulls;
int vital_lulls_create(vital_lulls **out);    /* 0 or VITAL_ENOMEM */
void vital_lulls_destroy(vital_lulls *lulls); /* accepts NULL */

/* What the engines of a server share so that no more than limits.opens_per_s of all
 * their upgrades are let in; the others are refused with 503, and told when to come
 * back. One thread's; it must outlive them. */
typedef struct vital_turnstile vital_turnstile;
int vital_turnstile_create(vital_turnstile **out);        /* 0 or VITAL_ENOMEM */
void vital_turnstile_destroy(vital_turnstile *turnstile); /* accepts NULL */

/* Borrowed for the engine's life: shared by all connections of a kind. Fill it
 * with vital_policy_init(), which checks it and puts the defaults in place. */
typedef struct vital_policy {
    vital_role role;
    vital_heartbeat heartbeat;
    vital_limits limits;
    vital_reconnect reconnect; /* client */
    bool pieces;               /* VITAL_EVENT_PIECE, not VITAL_EVENT_MESSAGE */
    vital_compression compression;
    vital_compressor *compressor; /* borrowed; NULL: each engine has one of its own
                                     while compression is agreed on */
    vital_breaker *breaker;       /* borrowed, must outlive the engines; NULL: each is judged
                                     by itself */
    vital_lulls *lulls;           /* likewise; NULL: nothing is remembered */
    vital_stats *stats;           /* borrowed, must outlive the engines; counts what happens
                                     to them, all but `lag` and `stalled_us`. NULL: nobody does */
    const char *host;             /* client: the Host header */
    const char *path;             /* client: path and query */
    const char *const *headers;   /* client: "Name: value" */
    bool follow;                  /* client: VITAL_EVENT_REDIRECT, not a verdict */
    const char *const *subprotocols;
    bool ask;                   /* server: VITAL_EVENT_REQUEST, not an automatic yes */
    const char *const *origins; /* server: as vital_listen_options */
    bool secure;                /* server: the stream comes through TLS */
    bool http;                  /* server: VITAL_EVENT_HTTP, not an automatic 426 */
    vital_turnstile *turnstile; /* server: borrowed; NULL: as many as come */
} vital_policy;

/* 0, or VITAL_EINVAL with a static sentence in *problem. */
int vital_policy_init(vital_policy *policy, const char **problem);

/* Why a stream was lost or could not be had, as the layer beneath the engine knows
 * it: TLS, a proxy. Zero where there is nothing to say. */
typedef struct vital_failure {
    vital_cause cause;
    int error;        /* an errno */
    int status;       /* REJECTED: of HTTP, by a proxy */
    int alert;        /* of TLS (RFC 8446 6) */
    const char *what; /* in words, without a full stop */
} vital_failure;

typedef enum vital_event_type {
    VITAL_EVENT_CONNECT,  /* client: bring a stream, then vital_engine_connected() */
    VITAL_EVENT_REDIRECT, /* client: end the stream; bring another, with host, path and
                             headers in the policy as they are to be there, or
                             vital_engine_unfollowed() */
    VITAL_EVENT_REQUEST,  /* server: to be answered by vital_engine_respond() */
    VITAL_EVENT_HTTP,     /* server: a plain request, likewise */
    VITAL_EVENT_OPEN,
    VITAL_EVENT_MESSAGE,
    VITAL_EVENT_PIECE, /* instead of messages, if the policy wants pieces */
    VITAL_EVENT_PONG,
    VITAL_EVENT_HEALTH,
    VITAL_EVENT_DRAIN,
    VITAL_EVENT_CLOSED, /* send the farewell if that needs no waiting; end the stream */
    VITAL_EVENT_SOONER, /* client, away: the deadline came nearer, after a hint */
} vital_event_type;

typedef struct vital_event {
    vital_event_type type;
    union {
        const vital_request *request; /* until the next event is asked for, as the next */
        const char *location;         /* of a redirect; not trusted */
        struct {
            vital_kind kind;
            vital_bytes bytes;
            unsigned place; /* PIECE: VITAL_FIRST, VITAL_LAST, both, or 0 between */
        } message;
        vital_bytes pong;
        vital_health health;
        vital_verdict verdict;
        struct {
            vital_hint why;
            int64_t retry_ms;
        } sooner;
    };
} vital_event;

/* A client begins by asking for a stream; a server has one and waits for the
 * request. Borrows policy. */
int vital_engine_create(vital_engine **out, const vital_policy *policy, vital_entropy entropy,
                        vital_clock clock);
void vital_engine_destroy(vital_engine *engine); /* accepts NULL */

/* Client: the stream is there, or it could not be had. `error` is an errno;
 * `what` says what failed: "the name example.org was not found"; copied. */
void vital_engine_connected(vital_engine *engine, vital_clock clock);
void vital_engine_unreachable(vital_engine *engine, vital_clock clock, int error, const char *what);
/* Client: what will not have happened if the time for opening is over now: "the
 * server did not finish the TLS handshake within the time limit". Borrowed. */
void vital_engine_awaits(vital_engine *engine, const char *late);
/* Client, before the next event after VITAL_EVENT_REDIRECT: it stays a rejection.
 * `why` is part of the verdict's sentence; copied. */
void vital_engine_unfollowed(vital_engine *engine, vital_clock clock, const char *why);

/* Before VITAL_EVENT_OPEN: a hash of the peer's address, for the breaker and the lulls. Peers
 * with the same number are taken for one path. So are, by the breaker, all of those that
 * were not told, or told 0; lulls are not remembered of them. */
void vital_engine_path(vital_engine *engine, uint32_t path);

/* Server: answers VITAL_EVENT_REQUEST or VITAL_EVENT_HTTP, as vital_respond().
 * After an error *problem is a static sentence. */
int vital_engine_respond(vital_engine *engine, vital_clock clock, const vital_response *response,
                         const char **problem);

void vital_engine_read(vital_engine *engine, vital_clock clock, void *bytes, size_t size);
void vital_engine_ended(vital_engine *engine, vital_clock clock, int error); /* 0: end of stream */
/* The stream ended, or could not be had, in a way of which more is known. Copies. */
void vital_engine_failed(vital_engine *engine, vital_clock clock, const vital_failure *failure);
/* Stays where it is until it is written, or until VITAL_EVENT_CLOSED has been
 * pulled and the next event is asked for. Empty: nothing to send. */
vital_bytes vital_engine_pending(vital_engine *engine, vital_clock clock);
void vital_engine_written(vital_engine *engine, vital_clock clock, size_t size);

/* After VITAL_EVENT_CLOSED: what a peer that has been given up may still be
 * told, on a stream that takes it at once. Often empty. Until the next call. */
vital_bytes vital_engine_farewell(const vital_engine *engine);

/* When to tick, on the clock's now_us; INT64_MAX: no need. */
int64_t vital_engine_deadline(const vital_engine *engine);
void vital_engine_tick(vital_engine *engine, vital_clock clock);

/* Whether a tick now would judge a silence of the peer. */
bool vital_engine_suspects(const vital_engine *engine, vital_clock clock);
/* What the kernel knows of the stream: after VITAL_EVENT_OPEN, by which the engine
 * learns that there is such evidence, and whenever it suspects the peer. Copied.
 * Without it a silence is judged by time alone, and the verdict says less. */
void vital_engine_evidence(vital_engine *engine, const vital_evidence *evidence);

/* Word from outside that it may be worth asking, or trying, now. Convicts nobody: an open
 * connection beats, a client that is away may come back sooner than it said. */
void vital_engine_hint(vital_engine *engine, vital_clock clock, vital_hint hint);

bool vital_engine_next(vital_engine *engine, vital_clock clock, vital_event *out);

/* As vital_send(), vital_send_piece(), vital_ping(), vital_close(), vital_cut(). */
int vital_engine_send(vital_engine *engine, vital_clock clock, vital_kind kind,
                      vital_bytes message);
int vital_engine_send_piece(vital_engine *engine, vital_clock clock, vital_kind kind,
                            vital_bytes piece, unsigned place);
int vital_engine_ping(vital_engine *engine, vital_clock clock, vital_bytes payload);
void vital_engine_close(vital_engine *engine, vital_clock clock, uint16_t code, const char *reason);
void vital_engine_cut(vital_engine *engine, vital_clock clock);

/* As vital_pause(). A caller whose engine is paused reads no more from its stream:
 * what is left of the bytes that it has lent is copied. After a resumption, which
 * may come by itself, vital_engine_next() goes on with that. */
void vital_engine_pause(vital_engine *engine, vital_clock clock, bool pause);
bool vital_engine_paused(const vital_engine *engine);

vital_health vital_engine_health(const vital_engine *engine);
/* As vital_conn_suspicion(). */
bool vital_engine_suspicion(const vital_engine *engine, vital_clock clock, vital_verdict *out);
void vital_engine_pulse(const vital_engine *engine, vital_clock clock, vital_pulse *out);
size_t vital_engine_queued(const vital_engine *engine);
const char *vital_engine_subprotocol(const vital_engine *engine); /* "" if none */
bool vital_engine_compressed(const vital_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
