/*
 * The simulated network. A host has a link, and perhaps a NAT behind it; between
 * two hosts lies a path, one for each connection:
 *
 *   client's host -- link -- NAT -- path (delay, jitter, loss, holes) -- link -- server's host
 *
 * Packets get lost, or late, or are answered by a middlebox; what TCP makes of it
 * is tcp.c's part. Who connects is told apart by process, who is connected to by
 * the last number of its address.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "draw.h"
#include "loop_sim.h"
#include "seen.h"

enum { SIM_HOSTS = 256 };

/* How whoever does not know a connection answers its packets. */
typedef enum sim_answer { SIM_SILENCE, SIM_RESETS, SIM_ICMP } sim_answer;

typedef struct sim_host {
    int64_t down_us;      /* its link is cut until then */
    unsigned address;     /* counts how often it has changed */
    int64_t nat_us;       /* its NAT forgets after this; 0: there is none */
    sim_answer answer;    /* of that NAT, and of routers to an address that is gone */
    int64_t bytes_per_s;  /* 0: as many as you like */
    int64_t disturbed_us; /* when something of the above last hurt it */
    int64_t lull_us[2];   /* by watcher: when a doubt of the path to it last ended; 0: never */
} sim_host;

typedef struct sim_path {
    vt_list link;
    vt_sim_wire *wire;  /* NULL: gone; somebody still holds the path */
    sim_host *hosts[2]; /* by end */
    unsigned address;   /* the client's, when it called */
    sim_draw draw;
    int64_t delay_us;
    int64_t hole_us[2]; /* by sender: nothing passes until then */
    int64_t hole_since_us[2];
    int64_t packet_most; /* larger ones vanish; INT64_MAX: none do */
    int64_t mapped_us;   /* when the NAT last saw a packet of it */
    bool forgotten;
    int64_t busy_us[2]; /* by sender: until then the link carries earlier packets */
    int64_t run_us[2];  /* how long data last did not pass, and until when that was */
    int64_t run_end_us[2];
    int64_t dry_us[2]; /* since when nothing has passed; INT64_MAX: it does */
    int64_t hurt_us;   /* when it last was, or seemed, broken; INT64_MIN: never */
    int holds;
    sim_seen seen[2]; /* by end */
    void *owners[2];  /* by end: whose it is, for whoever watches; NULL: nobody's */
} sim_path;

typedef struct sim_net {
    vt_sim *sim;
    sim_draw draw;
    int64_t delay_us;  /* of a new path: U(this / 2, 2 * this) */
    int64_t jitter_us; /* of each packet */
    int loss_per_mille;
    sim_host hosts[SIM_HOSTS];
    unsigned host_of_process[1024];
    vt_list paths; /* in the order in which they were opened */
    size_t count;
    uint64_t opened;
    /* Told of each frame that an end has wholly written; NULL: nobody is. The
     * payload is at most SIM_SEEN_PAYLOAD bytes, unmasked. */
    void (*frame)(void *watcher, sim_path *path, vt_sim_end end, const vt_frame *frame,
                  vital_bytes payload);
    void *watcher;
} sim_net;

void sim_net_init(sim_net *net, vt_sim *sim, uint64_t seed);
extern const vt_sim_network sim_net_template; /* its owner is to be set to the net */

/* The process runs on that host: as a client. Servers are found by address. */
void sim_net_place(sim_net *net, const vital_loop *process, unsigned host);

/* The path of a stream's connection, kept until it is released. */
sim_path *sim_net_hold(vt_stream *stream);
void sim_net_release(sim_path *path); /* accepts NULL */

/* The pick-th path, counted around; NULL if there is none. */
sim_path *sim_net_pick(sim_net *net, uint64_t pick);

/* Whether the path may have been taken for dead at some time since then, with
 * good reason. */
bool sim_path_hurt_since(const sim_path *path, int64_t since_us, int64_t now_us);

/* ---- faults */

void sim_path_make_hole(sim_net *net, sim_path *path, vt_sim_end from, int64_t until_us);
void sim_path_limit(sim_net *net, sim_path *path, int64_t packet_most);
void sim_path_reset(sim_net *net, sim_path *path);
void sim_host_cut(sim_net *net, unsigned host, int64_t until_us);
void sim_host_move(sim_net *net, unsigned host); /* it has another address now */

#endif
