/*
 * A small world in which engines live: a client, a server, the network between
 * them, one clock for all, and a printer that writes down what happens. Nothing
 * in it is random but for its seed, so the same story gives the same trace.
 *
 *   process   the client's or the server's: it attends to its engines, unless it
 *             stalls or is frozen
 *   link      one TCP connection: two pipes. A client that returns has a new one,
 *             and the server a new engine; the old ones live on until they end
 *   pipe      bytes on their way in one direction, in order, each piece with the
 *             time at which it arrives
 *
 * Instead of the server's engine there may be a peer that is none of ours, and
 * says only what it is told to.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

#include "frame.h"

struct world;

enum world_side { WORLD_CLIENT, WORLD_SERVER };

/* How the server's side meets a client. */
enum world_host {
    WORLD_ENGINE,  /* an engine of ours */
    WORLD_PEER,    /* upgrades, and then does what it is told */
    WORLD_HTTP,    /* answers everything with world_answer() and ends */
    WORLD_REFUSES, /* the port is closed */
};

/* What can be chosen before anything happens; changed in place. Texts that the
 * policies point to are borrowed. */
struct world_settings {
    uint64_t seed;
    int64_t delay_us; /* one way */
    enum world_host host;
    vital_policy policies[2]; /* by side; not completed */
};

/* NULL, with a sentence in *problem, for a policy that is not valid. */
struct world *world_create(const struct world_settings *settings, const char **problem);
void world_destroy(struct world *world); /* accepts NULL */

/* What was printed since the last call; malloc'd. */
char *world_take_trace(struct world *world);
void world_print_nothing(struct world *world, bool nothing);

int64_t world_now_us(const struct world *world);
void world_run_until(struct world *world, int64_t at_us);

/* ---- the two sides. What an engine does not accept is printed; VITAL_ESTATE is
 * returned where there is no engine. */

int world_send(struct world *world, enum world_side side, vital_kind kind, vital_bytes message);
int world_ping(struct world *world, enum world_side side, vital_bytes payload);
int world_close(struct world *world, enum world_side side, uint16_t code, const char *reason);
/* A line with the beats of the side's connection so far. */
void world_tally(struct world *world, enum world_side side);

/* ---- processes */

void world_stall(struct world *world, enum world_side side, int64_t us);
void world_freeze(struct world *world, enum world_side side);
void world_thaw(struct world *world, enum world_side side);

/* ---- the network; a direction is named by where it leads from */

void world_mute(struct world *world, enum world_side from, bool mute); /* TCP keeps trying */
void world_set_rate(struct world *world, enum world_side from, int64_t bytes_per_s); /* -1: any */
void world_cut(struct world *world, int error); /* the link ends for both; 0: orderly */

/* ---- the server's side, for the clients to come; and the peer, for this one */

void world_host(struct world *world, enum world_host host);
void world_answer(struct world *world, const char *head); /* copied */
void world_peer_answers(struct world *world, bool beats); /* pings, and texts like ours */
int world_peer_sends(struct world *world, vt_opcode opcode, vital_bytes payload);
int world_peer_sends_bytes(struct world *world, vital_bytes bytes);

#endif
