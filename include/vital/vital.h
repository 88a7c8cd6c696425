/*
 * vital: WebSocket connections that stay alive, know when they are dead, say
 * why, and come back.
 *
 * Everything runs on one loop in one thread; vital_loop_post() is the only
 * function that another thread may call. Every callback may send, close or
 * connect. Strings and bytes given to a function are copied before it returns;
 * bytes given to a callback are borrowed and end with it.
 *
 * An error is about your call: functions return 0 or a negative VITAL_E...
 * number, and vital_loop_problem() says in a sentence what was wrong. A
 * verdict is about the connection: it comes to the `close` callback.
 */
#ifndef VITAL_VITAL_H
#define VITAL_VITAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITAL_VERSION "0.1.0"

/* Where a time in ms is asked for, 0 is the default. A heartbeat's interval and
 * answer limit can be switched off with this. */
#define VITAL_NEVER (-1)

/* ------------------------------------------------------------------ errors */

/* name, value, sentence */
#define VITAL_ERRORS(X)                                               \
    X(VITAL_EINVAL, -1, "an argument is not valid")                   \
    X(VITAL_ENOMEM, -2, "out of memory")                              \
    X(VITAL_EFULL, -3, "the send queue is full; wait for drain")      \
    X(VITAL_ETOOBIG, -4, "the message is larger than the send queue") \
    X(VITAL_ECLOSED, -5, "the connection is closing or closed")       \
    X(VITAL_ESYSTEM, -6, "the system refused; errno says why")        \
    X(VITAL_EUNSUPPORTED, -7, "this build of vital cannot do that")   \
    X(VITAL_ESTATE, -8, "not possible in the connection's present state")

typedef enum vital_error {
#define VITAL_ERROR_VALUE(name, value, sentence) name = (value),
    VITAL_ERRORS(VITAL_ERROR_VALUE)
#undef VITAL_ERROR_VALUE
} vital_error;

/* A static sentence for any number; "no error" for 0. Never NULL. */
const char *vital_strerror(int error);

/* -------------------------------------------------------------- basic types */

typedef struct vital_loop vital_loop;
typedef struct vital_server vital_server;
typedef struct vital_conn vital_conn;       /* may lose its socket and come back */
typedef struct vital_request vital_request; /* HTTP: to upgrade, or a plain one */

typedef struct vital_bytes {
    const void *data;
    size_t size;
} vital_bytes;

static inline vital_bytes vital_text(const char *string)
{
    return (vital_bytes){string, strlen(string)};
}

/* The last two are for sending only: messages that hold a secret beside what
 * somebody else has written. Compressed together, their size gives the secret
 * away (CRIME, BREACH). */
typedef enum vital_kind {
    VITAL_TEXT = 1,
    VITAL_BINARY = 2,
    VITAL_TEXT_UNCOMPRESSED = 5,
    VITAL_BINARY_UNCOMPRESSED = 6,
} vital_kind;

/* Where a piece stands in its message; both, if it is all of it. */
enum { VITAL_FIRST = 1, VITAL_LAST = 2 };

/* Dead is not a state of health: it is a verdict. */
typedef enum vital_health { VITAL_ALIVE, VITAL_DOUBTFUL } vital_health;

/* ---------------------------------------------------------------- heartbeat */

typedef enum vital_beat {
    VITAL_BEAT_PING = 0, /* RFC 6455 5.5.2, with a random nonce */
    VITAL_BEAT_TEXT = 1, /* an in-band text message, for peers that see no pings */
    VITAL_BEAT_NONE = 2, /* answer the peer's beats, send none: no death is seen */
} vital_beat;

typedef struct vital_heartbeat {
    vital_beat kind;
    int interval_ms;   /* silence before a beat; 0: 25 s. Jittered down to 4/5 */
    int answer_ms;     /* 0: 10 s at first, then from the measured round trip */
    const char *text;  /* the in-band beat; NULL: "heartbeat"; "": none */
    const char *reply; /* its answer; NULL: the same text */
} vital_heartbeat;

/* What is known of the connection's pulse. Ages are -1 where never. */
typedef struct vital_pulse {
    int64_t rtt_us;     /* of the last answered beat; -1 before the first */
    int64_t srtt_us;    /* smoothed (RFC 6298); -1 before the first */
    int64_t rttvar_us;  /* its mean deviation; -1 before the first */
    int64_t heard_ms;   /* since the last byte from the peer */
    int64_t proof_ms;   /* since the last answered beat */
    int64_t waiting_ms; /* since the unanswered beat left; -1: none is out */
    uint64_t beats_sent;
    uint64_t beats_answered;
} vital_pulse;

/* ---------------------------------------------------------------- reconnect */

typedef struct vital_reconnect {
    bool never;     /* one socket, then the verdict is final */
    int first_ms;   /* the first attempt comes within U(0, this); 0: 2 s */
    int min_ms;     /* shortest later delay; 0: 0.5 s */
    int max_ms;     /* longest later delay; 0: 60 s */
    int stable_ms;  /* the backoff starts over after this long open and one
                       answered beat; 0: 30 s */
    bool untrusted; /* come back after UNTRUSTED too: a certificate may be renewed */
} vital_reconnect;

/* -------------------------------------------------------------- credentials */

/* Of a client: an Authorization header. A user, with a password or without, or a
 * bearer's token. */
typedef struct vital_credentials {
    const char *user;
    const char *password;
    const char *bearer;
} vital_credentials;

/* ------------------------------------------------------------------- limits */

/* Zero means the default, never "unlimited". */
typedef struct vital_limits {
    size_t message_bytes; /* largest message from the peer; 0: 1 MiB */
    size_t queue_bytes;   /* accepted and not yet sent; 0: 1 MiB */
    size_t header_bytes;  /* HTTP head of the opening handshake; 0: 8 KiB */
    int open_ms;          /* name, TCP, TLS and upgrade together; 0: 10 s */
    int close_ms;         /* the closing handshake; 0: 5 s */
    int control_per_s;    /* pings and pongs from the peer; 0: 20, burst of 100 */
    int connections;      /* of a server; 0: 100000 */
    int opens_per_s;      /* upgrades that a server lets in, the others get 503 and their
                             time to come back; 0: 20000, in bursts of 2 s */
    int message_ms;       /* from a message's first byte to its last; 0: 1 min, and
                             what message_bytes take at 16 KB/s */
    int send_ms;          /* for which nothing leaves though something waits; 0: 60 s */
} vital_limits;

/* -------------------------------------------------------------- compression */

/* permessage-deflate (RFC 7692). The defaults keep no memory for a connection
 * between its messages: each message is compressed by itself, by a compressor
 * that all connections of a loop share. */
typedef struct vital_compression {
    bool enabled;            /* client: offer it; server: accept offers of it */
    bool keep_context;       /* refer to our earlier messages: smaller ones, for about
                                260 KiB a connection (less with fewer bits) */
    bool peer_keeps_context; /* let the peer do so: for about 40 KiB a connection */
    int window_bits;         /* what we refer back by, at most; 9 to 15; 0: 15 */
    int peer_window_bits;    /* what the peer may refer back by; 8 to 15; 0: 15 */
    size_t least_bytes;      /* smaller messages go as they are; 0: 256 */
} vital_compression;

/* ---------------------------------------------------------------------- TLS */

/* TLS 1.2 and 1.3. The name in the server's certificate is always checked. Files
 * are PEM and are read once, within the call that they are given to; a file that
 * cannot be used is an error of that call. */
typedef struct vital_tls {
    const char *ca_file;     /* who is trusted. A client: instead of the system's
                                store. A server: asks its clients for certificates
                                of these; NULL: asks for none */
    const char *crl_file;    /* what they have revoked, with ca_file */
    const char *cert_file;   /* ours, and the way up from it. A server has one */
    const char *key_file;    /* its key, not encrypted; NULL: in cert_file */
    const char *server_name; /* client: the name to ask for and to find in the
                                certificate; NULL: the host of the URL */
    bool insecure;           /* client: believe whoever answers; to try things out */
    bool cert_optional;      /* server: a client without a certificate is welcome */
} vital_tls;

/* What TLS has agreed on, and proven. */
typedef struct vital_tls_facts {
    const char *version; /* "TLSv1.3"; "" for a connection in plain, as the next */
    const char *cipher;
    bool resumed;   /* a shorter handshake, from what an earlier connection left */
    char peer[256]; /* the subject of the peer's certificate (RFC 4514), "CN=..."; "" */
} vital_tls_facts;

/* ----------------------------------------------------------------- verdicts */

/* One cause for each thing that a person would do differently.
 * name, word, what it means */
#define VITAL_CAUSES(X)                                                    \
    X(VITAL_CLOSED_BY_US, "CLOSED_BY_US", "we closed it")                  \
    X(VITAL_CLOSED_BY_PEER, "CLOSED_BY_PEER", "the peer closed it")        \
    X(VITAL_UNREACHABLE, "UNREACHABLE", "no connection could be made")     \
    X(VITAL_UNTRUSTED, "UNTRUSTED", "TLS could not prove who is who")      \
    X(VITAL_REJECTED, "REJECTED", "the upgrade was refused")               \
    X(VITAL_SILENT, "SILENT", "beats stayed without an answer")            \
    X(VITAL_STUCK, "STUCK", "the host is up, the program does not answer") \
    X(VITAL_DEAF, "DEAF", "we hear the peer, it does not hear us")         \
    X(VITAL_SLOW, "SLOW", "the peer does not read what we send")           \
    X(VITAL_CUT, "CUT", "the stream ended without a close frame")          \
    X(VITAL_MISBEHAVED, "MISBEHAVED", "the peer broke RFC 6455")           \
    X(VITAL_OVERFLOW, "OVERFLOW", "a limit of ours was reached")           \
    X(VITAL_SUPERSEDED, "SUPERSEDED", "resumed on another socket")

typedef enum vital_cause {
#define VITAL_CAUSE_VALUE(name, word, meaning) name,
    VITAL_CAUSES(VITAL_CAUSE_VALUE)
#undef VITAL_CAUSE_VALUE
        VITAL_CAUSE_COUNT
} vital_cause;

/* "SILENT" for VITAL_SILENT; "?" for a number that is no cause. */
const char *vital_cause_name(vital_cause cause);

/* What the kernel knew of the way to the peer when it was judged (tcp(7), TCP_INFO).
 * Its word ends at the next hop of TCP, which may be a proxy before the peer. */
typedef struct vital_evidence {
    bool known;               /* false, and the rest zero: there is none (not TCP, not asked) */
    bool relayed;             /* a proxy that we asked for the way is the next hop */
    uint32_t unacked_packets; /* sent, and not acknowledged */
    uint32_t retransmits;     /* of the oldest of those, one after the other */
    uint32_t probes;          /* of a window that is shut, unanswered; or attempts to send at all */
    uint32_t rto_us;          /* until the next one */
    uint32_t rtt_us;          /* smoothed; 0: not measured yet */
    uint32_t rttvar_us;
    uint32_t window_bytes; /* that the peer has room for; 0: it does not read */
    uint32_t unsent_bytes; /* that the kernel holds back */
    uint64_t acked_bytes;  /* since the beginning */
    uint32_t heard_ms;     /* since data last came */
    uint32_t acked_ms;     /* since an acknowledgement last came */
    int error; /* errno that a router has reported (ICMP), or why we cannot send; 0: none */
} vital_evidence;

/* Messages count from 1 in the order in which vital_send() accepted them. The
 * last `unsent` of them have not left; the `unconfirmed` before those have
 * left, but nothing proves that the peer has them. */
typedef struct vital_verdict {
    vital_cause cause;
    uint16_t code;           /* close code received or sent; 1005 none, 1006 cut */
    char reason[124];        /* the close reason, UTF-8; "" if none */
    int error;               /* errno of the socket; 0 if none */
    int status;              /* HTTP status of a refused upgrade; 0 if none */
    int alert;               /* TLS alert that ended it, ours or the peer's; 0 if none */
    int64_t open_ms;         /* how long the connection was open; -1 never */
    vital_pulse pulse;       /* as last seen */
    vital_evidence evidence; /* by which a silence was judged */
    uint64_t unconfirmed;    /* messages sent and not proven received */
    uint64_t unsent;         /* messages kept for the next socket; lost if final */
    bool final;              /* no further attempt will be made */
    int64_t retry_ms;        /* until the next attempt; -1 if final */
    char text[320];          /* what happened and how we know, in one sentence */
} vital_verdict;

/* ------------------------------------------------------------------- hints */

/* A reason to ask or to try now, that did not come from the peer. */
typedef enum vital_hint {
    VITAL_HINT_REPORT,  /* a router says that the peer cannot be reached (ICMP) */
    VITAL_HINT_NETWORK, /* a network has come up, or has changed */
    VITAL_HINT_RESUMED, /* the machine has slept */
} vital_hint;

/* ------------------------------------------------------------------- events */

/* Returned by accept and http: vital_respond() will be called, within the rest
 * of limits.open_ms. The request itself ends with the callback. */
#define VITAL_LATER 1

/* Any may be NULL. */
typedef struct vital_events {
    /* Server: 0 accepts, an HTTP status from 300 to 599 refuses. Whoever wants to
     * say more calls vital_respond(), after which the result does not count. */
    int (*accept)(vital_conn *conn, const vital_request *request);
    /* Server: a plain HTTP request, GET or HEAD without a body. It is answered
     * with vital_respond(), or by returning a status from 200 to 599. Without
     * this callback it is refused with 426 and a sentence. */
    int (*http)(vital_conn *conn, const vital_request *request);
    /* resumed: nothing was lost since the last socket. */
    void (*open)(vital_conn *conn, bool resumed);
    void (*message)(vital_conn *conn, vital_kind kind, vital_bytes message);
    /* In place of `message`, which is not called then: each message as it comes, a
     * small one (up to 125 bytes) always whole. Text is valid so far, but a piece
     * may end inside of a character; the last one may be empty. */
    void (*piece)(vital_conn *conn, vital_kind kind, vital_bytes piece, unsigned place);
    /* A pong that answers no beat of ours: to vital_ping(), or unsolicited. */
    void (*pong)(vital_conn *conn, vital_bytes payload);
    /* Turned doubtful: vital_conn_suspicion() says what for. */
    void (*health)(vital_conn *conn, vital_health health, const vital_pulse *pulse);
    void (*drain)(vital_conn *conn); /* after VITAL_EFULL: half empty again */
    /* Once for each lost socket or failed attempt. When the verdict is final,
     * the connection ends with this call. */
    void (*close)(vital_conn *conn, const vital_verdict *verdict);
    /* Client, while away: the next attempt comes sooner than the verdict has said. */
    void (*sooner)(vital_conn *conn, vital_hint why, int64_t retry_ms);
} vital_events;

/* --------------------------------------------------------------- statistics */

/* Times, counted by their size: from 16 us to 67 s in buckets of which the next is
 * at most a quarter larger, below and above them one each. */
enum { VITAL_BUCKETS = 90 };
typedef struct vital_histogram {
    uint64_t count;
    int64_t sum_us;
    uint64_t buckets[VITAL_BUCKETS];
} vital_histogram;

/* The longest time in that bucket; INT64_MAX for the last one, and beyond. */
int64_t vital_bucket_us(size_t bucket);

/* Of a loop, since it was created; `open` and `queue_bytes` are of now. An attempt
 * that did not open is in `failed`, an open connection that lost its socket in
 * `closed`, each under its verdict's cause. */
typedef struct vital_stats {
    uint64_t open;
    uint64_t opened;
    uint64_t failed[VITAL_CAUSE_COUNT];
    uint64_t closed[VITAL_CAUSE_COUNT];
    uint64_t put_off;  /* of `failed`: refused, since more came than limits.opens_per_s */
    uint64_t requests; /* plain HTTP requests that were answered */
    uint64_t beats_sent;
    uint64_t beats_answered;
    uint64_t beats_late;       /* of our beats, those that made a connection doubtful */
    uint64_t beats_heard;      /* of the peers: their pings, and their in-band beats */
    uint64_t queue_bytes;      /* accepted, and not sent */
    vital_histogram rtt;       /* of answered beats */
    uint64_t mistakes;         /* given up as SILENT or STUCK, and heard within 5 s after all */
    uint64_t breaker_opened;   /* many were late at once: verdicts were put off */
    uint64_t deferred;         /* connections whose verdict was put off for that */
    uint64_t deferred_alive;   /* of these, those that turned out to be there */
    vital_histogram detection; /* of those lost for want of answers: since the last sign */
    vital_histogram lag;       /* how late the loop was, whenever it was due */
    int64_t stalled_us;        /* lateness of ours that was held against no peer */
} vital_stats;

/* On the loop's thread; vital_loop_post() leads there. */
void vital_loop_stats(const vital_loop *loop, vital_stats *out);
/* Several loops, as if they were one. */
void vital_stats_add(vital_stats *sum, const vital_stats *more);

/* --------------------------------------------------------------------- loop */

/* What a loop waits with. */
typedef enum vital_backend {
    VITAL_BACKEND_AUTO,  /* whichever is better: epoll, for now */
    VITAL_BACKEND_EPOLL, /* epoll(7) */
    /* io_uring(7), from Linux 6.1 on. Such a loop stays with the thread that first
     * steps it. VITAL_EUNSUPPORTED if vital was built without it; VITAL_ESYSTEM where
     * the system has none (errno ENOSYS) or forbids it (EPERM). */
    VITAL_BACKEND_URING,
} vital_backend;

typedef struct vital_loop_options {
    vital_backend backend;
} vital_loop_options;

int vital_loop_create(vital_loop **out);
int vital_loop_create_with(vital_loop **out, const vital_loop_options *options);
const char *vital_loop_backend(const vital_loop *loop); /* "epoll" or "io_uring" */
/* Ends all that runs on it at once, without callbacks. Accepts NULL. */
void vital_loop_destroy(vital_loop *loop);

/* Until vital_loop_stop(). Returns 0 or a negative error. */
int vital_loop_run(vital_loop *loop);
void vital_loop_stop(vital_loop *loop);

/* Embed in a loop of yours: poll vital_loop_fd() for reading, for at most
 * vital_loop_wait_ms(), then step with timeout 0. A step handles what is ready,
 * waiting for it at most timeout_ms (-1: as long as it takes). */
int vital_loop_step(vital_loop *loop, int timeout_ms);
int vital_loop_fd(const vital_loop *loop);
int vital_loop_wait_ms(vital_loop *loop); /* -1: nothing is due */

/* Calls run(arg) on the loop's thread, soon. The door for other threads. What
 * has not run when the loop is destroyed never does. */
int vital_loop_post(vital_loop *loop, void (*run)(void *arg), void *arg);

/* A network has come up, or has changed: clients that wait try now, at most once in 10 s,
 * and those that are open ask whether the way is still there. On Linux a loop with a
 * client notices by itself; this is for programs that know more, or in another way (of
 * Android's ConnectivityManager, of a network manager). It may be called often: what
 * comes within a second counts once. */
void vital_loop_network_changed(vital_loop *loop);

/* A sentence on the last call that failed on this loop; "" if none has. */
const char *vital_loop_problem(const vital_loop *loop);

/* ------------------------------------------------------------------- server */

typedef struct vital_listen_options {
    const char *address; /* "127.0.0.1:9001", "[::]:9001", "unix:/run/x.sock" */
    vital_tls tls;       /* with a cert_file: wss://, and nothing else */
    vital_events events;
    void *user; /* first vital_user() of each connection */
    vital_heartbeat heartbeat;
    vital_limits limits;
    vital_compression compression;
    const char *const *subprotocols; /* by preference, NULL at the end */
    /* The web pages that may connect, by their Origin: NULL, those of the host and
     * port in Host (https:// only, with TLS); else exactly these, such as "https://example.org",
     * ended by NULL; "*" is every page. Who sends no Origin is no browser, and may. */
    const char *const *origins;
    bool share_port; /* several loops listen on one port */
} vital_listen_options;

int vital_listen(vital_server **out, vital_loop *loop, const vital_listen_options *options);
/* "ws://127.0.0.1:9001/" or wss://, with the port that was picked for port 0. */
const char *vital_server_url(const vital_server *server);
size_t vital_server_count(const vital_server *server); /* connections now */
/* Reads the files of options.tls again, for the connections to come; those that
 * are here stay. If a file cannot be used, all stays as it was, and the error is
 * returned. VITAL_ESTATE without TLS. */
int vital_server_reload_tls(vital_server *server);

/* How a server ends. Clients of ours, and whoever reads docs/verdicts.md, come back
 * after 1001, 1012 and 1013, and in the window of retry_from_ms and retry_within_ms,
 * which is rounded up to seconds and stands at the end of the reason: "restarting;
 * retry in 5-30 s". It counts from each client's own close, and ends after 999 s at most. */
typedef struct vital_drain {
    uint16_t code;       /* as for vital_close(); 0: 1001, going away */
    const char *reason;  /* NULL: none. At most 123 bytes of UTF-8, cut short for the window */
    int spread_ms;       /* over which connections are closed, evenly; 0: all at once */
    int retry_from_ms;   /* with the next: not before this */
    int retry_within_ms; /* and within this; 0: no window is named */
} vital_drain;

/* Accepts no more, closes every connection, the oldest first, and calls drained when
 * the last is gone; the server ends with that call. Until its turn a connection is
 * used as ever. VITAL_ESTATE: it drains already. */
int vital_server_drain(vital_server *server, const vital_drain *drain, void (*drained)(void *arg),
                       void *arg);

/* ------------------------------------------------------------------- client */

typedef struct vital_connect_options {
    /* ws:// or wss://[user:password@]host[:port]/path?query, ws+unix:/socket[:/path] */
    const char *url;
    vital_credentials credentials;
    /* Redirects to follow in one attempt, to ws from ws and to wss; 0: 5, VITAL_NEVER:
     * none. To another scheme, host or port nothing of the credentials, the headers
     * and the certificate is taken along. */
    int redirects;
    vital_tls tls; /* for wss:// */
    /* http:// or https://[user:password@]host[:port], to go through by CONNECT; NULL or
     * "": none. The environment is not read. */
    const char *proxy;
    vital_tls proxy_tls; /* for a proxy of https:// */
    /* An address of ours to connect from, numeric and without a port; NULL: whichever the
     * system picks. Only addresses of its family are reached. */
    const char *from;
    vital_events events;
    void *user;
    vital_heartbeat heartbeat;
    vital_reconnect reconnect;
    vital_limits limits;
    vital_compression compression;
    const char *const *headers;      /* "Name: value", NULL at the end */
    const char *const *subprotocols; /* offered, by preference, NULL at the end */
} vital_connect_options;

int vital_connect(vital_conn **out, vital_loop *loop, const vital_connect_options *options);

/* --------------------------------------------------------------- connection */

/* All or nothing. Text must be valid UTF-8. Accepted also while the connection
 * is away; it is sent on return. VITAL_EFULL: wait for drain. */
int vital_send(vital_conn *conn, vital_kind kind, vital_bytes message);

/* A message in pieces, for one that is large, or comes slowly: the first with
 * VITAL_FIRST, the last, which may be empty, with VITAL_LAST. The queue gives
 * back what has left, so it need not hold the whole. Other messages wait behind
 * it, and so do beats and answers by text. If the socket is lost when some of it
 * has left, it is lost too, and counts as unconfirmed: the next piece gets
 * VITAL_ESTATE, as whatever fits into no message. */
int vital_send_piece(vital_conn *conn, vital_kind kind, vital_bytes piece, unsigned place);

/* A ping of your own, at most 125 bytes; its pong comes to the pong callback.
 * VITAL_ESTATE while the connection is not open, VITAL_EFULL while an earlier one
 * has not left; no drain follows that. */
int vital_ping(vital_conn *conn, vital_bytes payload);

/* Reads no more from the peer, or again: for who cannot keep up with it. Messages
 * wait, in the system, and the peer is slowed down; so do its beats, which stay
 * without an answer. Ours go on, and no silence is held against the peer. Takes
 * effect at once, also within a callback; only while the connection is open, and
 * it ends with the socket and with vital_close(). */
void vital_pause(vital_conn *conn, bool pause);

/* Sends what is queued, then says goodbye; the verdict comes to `close`. The
 * code is 1000 to 1014 (not 1004 to 1006) or 3000 to 4999, the reason at most
 * 123 bytes of UTF-8 or NULL; anything else closes with 1000 and no reason.
 * A connection that is away ends at once. */
void vital_close(vital_conn *conn, uint16_t code, const char *reason);

/* The same without a goodbye, and at once: the peer finds its stream cut. What is
 * queued is lost, and the verdict says how much that was. */
void vital_cut(vital_conn *conn);

void vital_conn_pulse(const vital_conn *conn, vital_pulse *out);
/* While the health is doubtful: the verdict as it would be by what was seen so far, for
 * whoever wants to act sooner, such as on a program that is STUCK, which is given three
 * answer limits. Not decided: whether there would be another attempt, and when (false and
 * -1). False, and nothing is written, while nothing is suspected. */
bool vital_conn_suspicion(const vital_conn *conn, vital_verdict *out);
size_t vital_conn_queued(const vital_conn *conn); /* bytes accepted, not sent */
/* "192.0.2.7:51234", perhaps a proxy's; "" while away. */
const char *vital_conn_peer(const vital_conn *conn);
/* Client: where it connects to, after redirects, and without credentials. "" of a
 * server's. Until the next attempt. */
const char *vital_conn_url(const vital_conn *conn);
const char *vital_conn_subprotocol(const vital_conn *conn); /* "" if none */
bool vital_conn_compressed(const vital_conn *conn);         /* both sides have agreed on it */
vital_loop *vital_conn_loop(const vital_conn *conn);

/* How long the last open took, in microseconds; -1 for what did not happen. */
typedef struct vital_opening {
    int64_t name_us;
    int64_t connect_us; /* through a proxy: to that, as the name */
    int64_t proxy_us;   /* until it let us through */
    int64_t tls_us;
    int64_t upgrade_us;
} vital_opening;
void vital_conn_opening(const vital_conn *conn, vital_opening *out);

/* While connected. The strings are the connection's, until it is away. */
void vital_conn_tls(const vital_conn *conn, vital_tls_facts *out);

void *vital_user(const vital_conn *conn);
void vital_set_user(vital_conn *conn, void *user);

/* ------------------------------------------------------------------ request */

/* Who asks is vital_conn_peer(), always the other end of the socket; what TLS has
 * proven of them is vital_conn_tls(), in accept and http already. Headers in
 * which a proxy says for whom it asks (Forwarded, X-Forwarded-For) are headers
 * like any other; whether to believe them is for you to decide, who know
 * whether everybody comes through that proxy. */

typedef struct vital_header {
    const char *name;
    const char *value;
} vital_header;

const char *vital_request_method(const vital_request *request); /* "GET" or "HEAD" */
/* As they came, percent-encoded: "/room/7" and "lang=en" of "/room/7?lang=en". */
const char *vital_request_path(const vital_request *request);
const char *vital_request_query(const vital_request *request); /* "" if none */
/* The first parameter of that name in the query, decoded. False if there is none,
 * if it does not fit, or if it is not well encoded. */
bool vital_request_parameter(const vital_request *request, const char *name, char *out,
                             size_t room);
/* The first header of that name, in any case; NULL if there is none. */
const char *vital_request_header(const vital_request *request, const char *name);
/* For who knows what "Authorization" or a cookie must say: whether it does, in a time
 * that depends on the length and tells nothing of where they differ. NULL is none. */
bool vital_secret_matches(const char *given, const char *secret);
/* All of them, in their order. */
const vital_header *vital_request_headers(const vital_request *request, size_t *count);
/* The subprotocols that are offered, by the client's preference; empty after the
 * last. Not terminated by a NUL. */
vital_bytes vital_request_subprotocol(const vital_request *request, size_t index);
bool vital_request_offers(const vital_request *request, const char *subprotocol);

/* ----------------------------------------------------------------- response */

typedef struct vital_response {
    /* To accept: 101, or 0. To refuse: 300 to 599. To a plain request: 200 to 599. */
    int status;
    const char *const *headers; /* "Name: value", NULL at the end */
    vital_bytes body;           /* not of a 101; plain text, unless a header says otherwise */
    const char *subprotocol;    /* of a 101: one that is offered, or "" for none; NULL: the
                                   first of the listener's that is offered */
} vital_response;

/* Answers the request of accept or http, in the callback or after VITAL_LATER. A
 * body is at most limits.queue_bytes, and a peer that takes it too slowly is
 * left: limits.close_ms without progress, six times that in all. VITAL_EINVAL:
 * not such a response; VITAL_ESTATE: there is nothing (any more) to answer.
 * After a plain request comes a last `close`, with CLOSED_BY_US. */
int vital_respond(vital_conn *conn, const vital_response *response);

#ifdef __cplusplus
}
#endif
#endif
