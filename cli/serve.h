/*
 * What the files of `vital serve` share, and nobody else includes.
 *
 *   serve.c        options, signals, the life of the process
 *   serve_worker.c loops and their listeners, each in a thread
 *   serve_conn.c   connections: who they are, their echo, the log
 *   serve_web.c    plain HTTP: the page, /healthz, /metrics
 *   serve_round.c  asks every worker something, on its own thread
 *   serve_feed.c   what the page is told of all connections, once a second
 *   serve_demo.c   --demo: a visitor hurts a connection of their own
 *
 * A worker's connections are its thread's alone. Whoever wants to know of all of
 * them, or to reach one wherever it is, goes round.
 */
#ifndef VITAL_CLI_SERVE_H
#define VITAL_CLI_SERVE_H

#include <pthread.h>
#include <stdatomic.h>

#include <vital/vital.h>

#include "attend.h"
#include "output.h"

enum {
    SERVE_LISTEN_MOST = 16,
    SERVE_RETRY_MOST_MS = 999 * 1000, /* a longer time cannot be said */
    SERVE_ADDRESS_BYTES = 256,
    SERVE_PEER_BYTES = 80,   /* of "[IPv6%scope]:port" */
    SERVE_KEY_BYTES = 32,    /* of the hexadecimal name that a page gives its connection */
    SERVE_GOING_AWAY = 1001, /* RFC 6455 7.4.1 */
    SERVE_POLICY = 1008,
    SERVE_SERVICE_RESTART = 1012, /* these: the IANA registry of close codes */
    SERVE_TRY_AGAIN_LATER = 1013,
    SERVE_INTERNAL_ERROR = 1011,
};

typedef struct serve_settings {
    const char *const *listen;
    const char *const *subprotocols;
    const char *const *origins; /* NULL: the same host and port */
    const char *token;          /* NULL: who is local may watch */
    int beat_ms;
    int answer_ms;
    int send_ms;
    int drain_after_ms;
    int drain_spread_ms;
    int retry_from_ms;
    int retry_within_ms;
    const char *beat_text;
    vital_tls tls; /* for network addresses; without a cert_file: none */
    size_t message_bytes;
    int connections;
    int opens_per_s; /* 0: the library's default */
    int threads;
    int drain_code;
    const char *backend_name; /* as given; NULL: auto */
    vital_backend backend;
    bool compress;
    bool demo;
    bool json;
    bool quiet;
} serve_settings;

typedef struct serve_state serve_state;
typedef struct serve_worker serve_worker;
typedef struct serve_round serve_round;

typedef enum serve_role {
    SERVE_NOBODY, /* not accepted: a handshake, or a plain request */
    SERVE_ECHO,
    SERVE_FEED,
    SERVE_DEMO,
    SERVE_ROLES,
} serve_role;

typedef enum serve_hurt { SERVE_WELL, SERVE_FROZEN, SERVE_SILENCED } serve_hurt;

/* What a page's own connection may suffer, with --demo. */
typedef struct serve_page {
    char key[SERVE_KEY_BYTES + 1];
    serve_hurt hurt;
    int64_t hurt_until_us;
} serve_page;

/* An echo that waits for room in the queue, and reading with it. */
typedef struct serve_kept {
    vital_kind kind;
    size_t size;
    uint8_t bytes[];
} serve_kept;

/* A connection as we know it: little, since there are many. vital_user() of each is one,
 * from the start: its worker's `nobody` until it is accepted. */
typedef struct serve_client serve_client;
struct serve_client {
    serve_worker *worker;
    vital_conn *conn;
    serve_client *previous; /* in the worker's list */
    serve_client *next;
    uint64_t id;        /* from 1; 0 until it is open */
    int64_t open_us;    /* on attend_now_us() */
    serve_kept *echo;   /* owned, as the next; NULL: none */
    serve_page *page;   /* NULL: it is no page's own, or cannot be hurt */
    serve_round *round; /* that will answer it; NULL: none */
    uint8_t role;       /* serve_role */
    bool doubtful;
};

static inline serve_hurt serve_hurt_of(const serve_client *client)
{
    return client->page != NULL ? client->page->hurt : SERVE_WELL;
}

struct serve_worker {
    serve_state *serve;
    size_t number;
    vital_loop *loop;
    vital_server *servers[SERVE_LISTEN_MOST];
    size_t servers_left;
    serve_client nobody;
    serve_client *open[SERVE_ROLES]; /* those that are, the newest of each first */
    uint64_t open_count[SERVE_ROLES];
    uint64_t doubtful;
    uint64_t hurt;
    serve_round *rounds; /* that began here, and are not over */
    pthread_t thread;
    bool running; /* in a thread of its own */
};

struct serve_state {
    const serve_settings *settings;
    cli_output output;
    cli_attend attend; /* to the first worker's loop, as what is said to be its own */
    int64_t began_us;
    int signals;
    int drain_signal; /* 0: none has come; its own */
    int64_t drain_us; /* when to drain; 0: not, or it is done; its own */
    int64_t fed_us;   /* when the feed last began a round; its own */
    bool feeding;     /* a round for the feed is under way; its own */
    atomic_bool draining;
    int worker_count;
    int workers_left; /* with the main thread only */
    serve_worker *workers;
    size_t listen_count;
    char addresses[SERVE_LISTEN_MOST][SERVE_ADDRESS_BYTES]; /* with the ports that were picked */
    atomic_uint_least64_t last_id;
    atomic_uint_least64_t here;     /* connections now */
    atomic_uint_least64_t watching; /* of which are feeds */
    atomic_uint_least64_t hurting;  /* or are hurt, and must be released in time */
    atomic_bool failed;
};

/* ---- serve_worker.c */

bool serve_address_is_local(const char *address);         /* a Unix socket's */
int serve_worker_prepare(serve_state *serve, int number); /* 0 or an error, which was told */
int serve_workers_start(serve_state *serve);              /* likewise */
/* Calls what(worker) on each worker's loop. False if one of them cannot be told. */
bool serve_workers_tell(serve_state *serve, void (*what)(void *worker));
void serve_worker_drain(void *worker);
void serve_worker_reload(void *worker);
/* Where the workers have drained this only joins; after a failure it ends them. */
void serve_workers_finish(serve_state *serve);

/* ---- serve_conn.c */

extern const vital_events SERVE_EVENTS;

/* ---- serve_web.c */

/* Whether a request may see what concerns all connections; if not, it has been
 * answered. */
bool serve_web_may_watch(vital_conn *conn, const vital_request *request);
int serve_web_refuse(vital_conn *conn, int status, const char *why);
int serve_web_answer(vital_conn *conn, const vital_request *request);

/* ---- serve_round.c */

/* Embedded at the beginning of what goes round. `visit` is called once for each
 * worker, on its thread; `done` on the origin's when all have been visited, and
 * may go round once more. It ends with serve_round_finish(), or with the
 * process; `release` frees what it is embedded in. */
struct serve_round {
    serve_worker *origin;
    void (*visit)(serve_round *round, serve_worker *worker);
    void (*done)(serve_round *round);
    void (*release)(serve_round *round);
    serve_client *asker;      /* of the origin, whose `round` this is; NULL: none, or gone */
    struct serve_stop *stops; /* owned; one for each worker */
    int waiting;
    serve_round *previous; /* in the origin's list */
    serve_round *next;
};

/* On the origin's thread, all zero but what is above and the asker. Owns the round
 * from now on: false if it could not begin, and has been released. */
bool serve_round_begin(serve_round *round, serve_worker *origin);
void serve_round_again(serve_round *round);
void serve_round_finish(serve_round *round); /* its asker has no round then */

/* ---- serve_feed.c */

/* The numbers of all workers, for /metrics: done(client, ...) on the client's
 * thread, if it is still there then. False without memory. */
typedef void serve_counted(serve_client *client, const vital_stats *stats, uint64_t doubtful);
bool serve_feed_count(serve_client *client, serve_counted *done);
void serve_feed_join(serve_client *client);
void serve_feed_leave(serve_client *client);
/* On the main thread: whoever watches is told. When to be called again; INT64_MAX. */
int64_t serve_feed_tick(serve_state *serve, int64_t now_us);

/* ---- serve_demo.c */

/* Takes an order from a page. */
void serve_demo_order(serve_client *from, vital_bytes text);
void serve_demo_forget(serve_client *client); /* it has ended */
/* On the main thread: what has been hurt for long enough is released. */
int64_t serve_demo_tick(serve_state *serve, int64_t now_us);

/* ---- serve.c */

/* From any thread: there is somebody new to tick for. */
void serve_wake(serve_state *serve);

#endif
