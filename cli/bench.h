/*
 * What the files of `vital bench` share, and nobody else includes.
 *
 *   bench.c        options, and what is wrong with them
 *   bench_run.c    a run: connections, its loop, its phases
 *   bench_load.c   echo, beat and idle: what passes over connections that are open
 *   bench_fanout.c fanout: what one says to all
 *   bench_churn.c  churn and storm: connections that come, and go
 *   bench_report.c what is told, meanwhile and in the end
 *
 *   OPENING -----> WARMING -----> MEASURING -----> SETTLING -----> LEAVING
 *    all are open,  --warm-up      --duration       what is owed    all are closed
 *    or have failed                                 has come
 *
 * A message is due at a time that the rate says; it is sent then, or as soon after as
 * can be, and its answer is as late as it comes after the time at which it was due.
 * So a server that stops for a second is late for all that was due in that second,
 * though nothing of it could be sent meanwhile ("coordinated omission"). Without a rate
 * there is no schedule: a message is due when it is sent.
 */
#ifndef VITAL_CLI_BENCH_H
#define VITAL_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/vital.h>

#include "bench_limit.h"
#include "bench_subject.h"
#include "bench_times.h"
#include "client.h"
#include "output.h"

enum {
    BENCH_LIMITS_MOST = 16,
    BENCH_URL_SHOWN = 1024,
    BENCH_FLIGHTS = 1024,          /* messages to everybody that are followed */
    BENCH_FANOUT_LEAST_BYTES = 16, /* each says its number */
};

typedef struct bench_state bench_state;
typedef struct bench_conn bench_conn;

/* What is done with the connections, and what is counted as an answer. */
typedef struct bench_mode {
    const char *name;
    const char *answers; /* how an answer is called, in the plural */
    bool opens_itself;   /* there is nothing open when it begins */
    void (*begin)(bench_state *bench, int64_t now_us);
    /* Does what is due. When it is to be called again; INT64_MAX: by events alone. */
    int64_t (*act)(bench_state *bench, int64_t now_us);
    bool (*settled)(const bench_state *bench);           /* nothing more is owed */
    void (*give_up)(bench_state *bench, int64_t now_us); /* on what is owed still */
    bool (*done)(const bench_state *bench);              /* before the time is over */
    void (*opened)(bench_conn *conn); /* with the next: NULL, or of one that opens itself */
    void (*closed)(bench_conn *conn); /* or has failed */
    void (*message)(vital_conn *conn, vital_kind kind, vital_bytes message);
    void (*pong)(vital_conn *conn, vital_bytes payload);
    void (*drain)(vital_conn *conn);
} bench_mode;

typedef struct bench_settings {
    const char *url;
    const char *mode_name; /* as given; NULL: echo */
    const bench_mode *mode;
    int connections;
    int rate;      /* a second, of all together; 0: none */
    int in_flight; /* 0: not given */
    int duration_ms;
    int warm_up_ms; /* 0: none */
    int timeout_ms;
    size_t size_bytes;
    int pid; /* 0: none */
    const char *const *limit_texts;
    bench_limit limits[BENCH_LIMITS_MOST];
    size_t limit_count;
    const char *const *headers;
    const char *const *from; /* our own addresses; NULL: as the system picks */
    client_settings client;
    bool text;
    bool together;
    bool compress;
    bool json;
    bool quiet;
} bench_settings;

/* A message to everybody. */
typedef struct bench_flight {
    int64_t due_us;
    size_t left; /* who have not heard it */
} bench_flight;

/* A connection, and its messages, which are numbered from 0. */
struct bench_conn {
    bench_state *bench;
    vital_conn *conn; /* NULL: not begun, or gone */
    int64_t since_us; /* when it began to connect */
    int64_t due_us;   /* when it was due itself, where connections are */
    uint64_t sent;
    uint64_t answered; /* all before this one are */
    size_t index;      /* among the active ones */
    bool open;
    bool leaving; /* we have closed it */
};

typedef enum bench_phase {
    BENCH_OPENING,
    BENCH_WARMING,
    BENCH_MEASURING,
    BENCH_SETTLING,
    BENCH_LEAVING,
} bench_phase;

struct bench_state {
    const bench_settings *settings;
    const bench_mode *mode;
    cli_output output;
    vital_loop *loop;
    int signals;
    vital_connect_options connect; /* of every connection, but for its user */
    char url[BENCH_URL_SHOWN];     /* without credentials, after redirects */
    int exit_code;

    bench_phase phase;
    int64_t phase_us; /* since when */
    int64_t look_us;  /* when to look at signals and phases again */
    int64_t tell_us;  /* when to show the progress again */
    bool shows_progress;
    bool progress_shown;
    bool interrupted;
    bool over;

    bench_conn *conns; /* owned; as many as the settings say */
    size_t begun;
    size_t under_way; /* of those, neither open nor failed */
    size_t open;
    size_t opened;
    size_t failed;
    size_t lost;
    bool failures[VITAL_CAUSE_COUNT]; /* of which one was told */
    bench_conn **active;              /* owned; those that were open when the load began */
    size_t active_count;

    void *payload;     /* owned; of every message */
    bool sending;      /* what comes due is still sent */
    uint64_t window;   /* messages of a connection without an answer, at most */
    int64_t began_us;  /* the first message is due */
    uint64_t due;      /* messages that have come due, with a rate */
    int64_t *sent_us;  /* owned; without a rate: `window` of each active connection */
    size_t from_next;  /* of the settings' addresses */
    uint64_t strange;  /* messages that were no answer */
    uint64_t messages; /* fanout: that were sent; churn: connections that were begun */
    uint64_t arrived;  /* of those to everybody, the ones that all have heard */
    int64_t rest_us;   /* churn: no connection before that; fanout: nothing is old before that */
    size_t sender;     /* among the active ones */
    bench_flight flights[BENCH_FLIGHTS];

    bench_times recent; /* of the answers since the progress was last told, */
    bench_times times;  /* and of those before, since the measuring began */
    bench_times opens;
    bench_times whole;   /* until a message to everybody was heard by the last */
    uint64_t answered;   /* while measuring */
    uint64_t unanswered; /* given up */
    int64_t measured_us; /* how long that took */
    bench_subject before, own_before, own;
    bench_subject at_begin, at_end; /* the measuring's */
    bool subject_lost;
};

/* ---- bench_load.c */

extern const bench_mode BENCH_ECHO, BENCH_BEAT, BENCH_IDLE;

/* ---- bench_fanout.c */

extern const bench_mode BENCH_FANOUT;

/* ---- bench_churn.c */

extern const bench_mode BENCH_CHURN, BENCH_STORM;

/* ---- bench_run.c */

/* The exit code. */
int bench_run(const bench_settings *settings);
/* Opens a connection that is not. False if it cannot: then the run is over. */
bool bench_open(bench_state *bench, bench_conn *conn);
/* An answer has come, so long after it was due. */
void bench_note(bench_state *bench, int64_t us);

/* ---- bench_report.c */

void bench_tell_start(bench_state *bench);
void bench_tell_ready(bench_state *bench, int64_t took_us);
/* Once a second; `span_us` since it was last told. Forgets what is recent. */
void bench_tell_progress(bench_state *bench, int64_t now_us, int64_t span_us);
void bench_clear_progress(bench_state *bench);
/* The result. Sets the exit code. */
void bench_tell_result(bench_state *bench);

#endif
