/*
 * A life: a server and its clients in a few processes, on a network, through
 * a plan of faults, until the world has healed and everybody has said goodbye.
 *
 * Here is what a life is made of, for the files that live it: life.c (who is
 * there, and what they say), faults.c (what goes wrong), watch.c (what must
 * hold).
 */
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/vital.h>

#include "crowd.h"
#include "net.h"
#include "plan.h"
#include "proxy.h"
#include "rogue.h"

enum { SIM_PROCESSES_MOST = 240, SIM_PROBLEM_BYTES = 256 };

/* What the world is like beside its faults; each may be left out.
 * name, word for --without, what it is */
#define SIM_FEATURES(X)                                         \
    X(SIM_LOSS, "loss", "packets get lost")                     \
    X(SIM_NAT, "nat", "some hosts are behind a NAT")            \
    X(SIM_PROXY, "proxy", "some clients go through a proxy")    \
    X(SIM_NARROW, "narrow", "some links have little bandwidth") \
    X(SIM_CHOP, "chop", "some programs read and write in bits") \
    X(SIM_ROGUE, "rogue", "somebody breaks the protocol")       \
    X(SIM_TEXT, "text", "some clients beat by text")            \
    X(SIM_LARGE, "big", "some messages are large")

typedef enum sim_feature {
#define SIM_FEATURE_NAME(name, word, what) name##_FEATURE,
    SIM_FEATURES(SIM_FEATURE_NAME)
#undef SIM_FEATURE_NAME
        SIM_FEATURE_COUNT
} sim_feature;

enum { SIM_ALL_FEATURES = (1 << SIM_FEATURE_COUNT) - 1 };

typedef struct sim_options {
    uint64_t seed;
    int clients;
    int processes;       /* that the clients are spread over */
    int naive;           /* of another kind, for comparison: naive.h */
    int64_t span_us;     /* how long faults may come; then the world heals */
    int64_t interval_ms; /* of the heartbeat; 0: the default */
    int opens_per_s;     /* that the server lets in; 0: the default */
    int loss_per_mille;  /* packets lost, if not drawn; -1 */
    unsigned features;   /* bit f: feature f may be there */
    bool quiet;          /* nobody says anything but beats */
    bool trace;          /* print what happens */
} sim_options;

typedef struct sim_result {
    uint64_t connections; /* sockets */
    uint64_t beats;
    uint64_t messages;
    uint64_t faults;
    uint64_t verdicts;
    uint64_t naive_beats;
    uint64_t naive_mistakes; /* healthy connections that a naive client gave up */
    uint64_t violations;
    uint64_t hash; /* of everything that happened, in its order */
    char first_violation[SIM_PROBLEM_BYTES];
} sim_result;

sim_result sim_live(const sim_options *options, const sim_plan *plan);

/* ------------------------------------------------------------------ the inside */

typedef struct sim_life sim_life;

typedef struct sim_process {
    vital_loop *loop; /* NULL: not running */
    unsigned host;
    int64_t struck_us;    /* since when something was wrong with it; INT64_MIN: never */
    int64_t disturbed_us; /* and until when */
    int64_t scarce_us;    /* the same, for its memory */
    int64_t slept_us;     /* until when its machine last slept */
} sim_process;

/* One end of vital's, and its present socket. */
typedef struct sim_watched {
    sim_life *life;
    vital_conn *conn;
    const sim_process *process;
    char name[20];
    vt_sim_end end;
    bool proxied; /* somebody is in between */
    bool trusted; /* the other end is one of ours, too */
    bool text;    /* it beats by text */
    bool doubtful;
    bool crowded;               /* it counts as late in the crowd */
    uint64_t accepted_in_doubt; /* messages accepted when the doubt began */
    int64_t relieved_us;        /* when it last ended, or began */
    int64_t opened_us;
    sim_path *path; /* held while open; NULL: it is not */
    vt_list link;   /* in the life's open ones */
} sim_watched;

/* What is known of a message. */
enum { SIM_EXCUSED = 1 /* a verdict has counted it */, SIM_ARRIVED = 2 };

typedef struct sim_client {
    sim_watched watched; /* first */
    int number;
    sim_process *process;
    const char *url;
    sim_draw draw;
    uint64_t accepted; /* messages, numbered from 1 */
    uint64_t arrived;  /* the last number that the server has seen */
    uint64_t echoed;   /* the last number that came back on this socket */
    uint8_t *fates;    /* by number: what is known of it */
    size_t fates_size;
    uint64_t proven;        /* messages of which no verdict may speak any more */
    uint64_t seen;          /* the last number that its bytes have shown */
    int64_t accepted_us;    /* when the last was accepted */
    int64_t away_us;        /* since when it has no socket */
    int64_t left_us;        /* since when it is leaving; INT64_MAX: it is not */
    int64_t told_us;        /* when it was last told of a loss that it comes back from */
    int64_t retry_us;       /* when the next attempt is to begin; INT64_MIN: whenever */
    int64_t tries_awake_us; /* since when it tries, by vt_sim_awake_us(); INT64_MIN: unknown */
    int backoffs;           /* since it was last stable */
    int refusals;           /* since it was last open: 503 */
    int longest_retries;    /* how often it was told to wait for just the longest time */
} sim_client;

/* A connection of the server's. */
typedef struct sim_member {
    sim_watched watched; /* first */
} sim_member;

/* A server that says goodbye over a time. */
typedef struct sim_farewell {
    size_t here;      /* when it began */
    size_t deserters; /* until then */
    int64_t spread_us;
    int64_t half_us; /* when half of it is over */
} sim_farewell;

struct sim_life {
    const sim_options *options;
    const sim_plan *plan;
    sim_result result;
    vt_sim *sim;
    sim_net net;
    sim_crowd crowd;
    vt_sim_network network;
    size_t memory_bytes; /* that the library held before */
    bool has[SIM_FEATURE_COUNT];
    sim_process server_process;
    vital_server *server;
    bool draining;
    sim_farewell farewell;
    size_t deserters;     /* the server's connections that ended, and not by it */
    int64_t opens_due_us; /* by when the server may have let in all that it has, at its rate */
    sim_process proxy_process;
    sim_proxy *proxy;
    sim_process rogue_process;
    sim_rogue *rogue;
    struct sim_naive *naive;
    sim_process naive_process;
    sim_process processes[SIM_PROCESSES_MOST];
    int64_t last_fault_us; /* until when it lasted */
    uint64_t first_beats, early_first_beats;
    int64_t start_us, calm_us; /* no faults from then on */
    bool ending;
    sim_client *clients; /* one more than asked for, if there is a rogue */
    int client_count;
    vt_list open; /* watched */
    uint64_t members;
    void *strikes;   /* faults.c's */
    int64_t busy_us; /* the next callback of the server takes so long; 0: as always */
};

/* For so long after a stop its victims may be found silent: a beat's interval,
 * its answer limit, and a few stops of the one who judges, with their grace. */
#define SIM_AFTERMATH_US ((25 + 20 + 4 * (SIM_LONGEST_STOP_S + 5)) * INT64_C(1000000))
/* The longest pause between two attempts is 60 s, an attempt takes up to 10 s,
 * what was cut is noticed within 45 s, and an attempt may fail by loss. */
#define SIM_HEALED_US (300 * INT64_C(1000000))

/* ---- life.c */
__attribute__((format(printf, 3, 4))) void sim_note(sim_life *life, const char *who,
                                                    const char *format, ...);
/* As sim_note(), but only for whoever reads: not part of the hash. */
__attribute__((format(printf, 3, 4))) void sim_tell(sim_life *life, const char *who,
                                                    const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_violate(sim_life *life, const char *format, ...);
void sim_start_server(void *life);
void sim_start_proxy(void *life);
void sim_forget_members(sim_life *life); /* the server ends, and tells nobody */
void sim_leave(void *client);            /* it says goodbye, and begins anew */
bool sim_recent(const sim_life *life, int64_t since_us, int64_t window_us);

/* ---- faults.c */
void sim_schedule_faults(sim_life *life);

/* ---- watch.c */
void sim_watch_open(sim_watched *watched);
/* The server has let one in. */
void sim_watch_rate(sim_life *life);
/* Half of the time is over in which a server was to say goodbye to so many. */
void sim_watch_spread(void *life);
void sim_watch_health(sim_watched *watched, vital_health health, uint64_t accepted);
void sim_watch_verdict(sim_watched *watched, const vital_verdict *verdict);
void sim_watch_forget(sim_watched *watched); /* its socket is gone, with its process */
void sim_watch_frame(void *life, sim_path *path, vt_sim_end end, const vt_frame *frame,
                     vital_bytes payload);
void sim_watch_audit(void *life); /* now, and again and again */
/* When all have gone. */
void sim_watch_end(sim_life *life);

#endif
