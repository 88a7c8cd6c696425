/*
 * What goes wrong in a life, all of it drawn before it begins: so a part of it
 * can be left out, and the rest is as it was. A plan is what a failing seed is
 * shrunk to.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, word for --only, how often, what happens */
#define SIM_FAULTS(X)                                                            \
    X(SIM_FREEZE_SERVER, "freeze-server", 3, "the server's program is stopped")  \
    X(SIM_FREEZE_PROCESS, "freeze", 5, "a program of clients is stopped")        \
    X(SIM_BUSY_SERVER, "busy-server", 2, "a callback of the server takes long")  \
    X(SIM_BUSY_PROCESS, "busy", 2, "a callback of clients takes long")           \
    X(SIM_SLEEP, "sleep", 2, "a machine with clients sleeps")                    \
    X(SIM_RESTART_SERVER, "restart", 2, "the server is ended, and starts again") \
    X(SIM_DRAIN_SERVER, "drain", 2, "the server says goodbye, and starts again") \
    X(SIM_CRASH_SERVER, "crash", 1, "the server's machine loses power")          \
    X(SIM_HOLE_TO_SERVER, "hole-up", 4, "a way to a server becomes a hole")      \
    X(SIM_HOLE_TO_CLIENT, "hole-down", 4, "a way to a client becomes a hole")    \
    X(SIM_HOLE, "hole", 6, "a path becomes a hole")                              \
    X(SIM_OUTAGE, "outage", 3, "a host's link is cut for a while")               \
    X(SIM_STORM, "storm", 1, "all links are cut, one by one, and come back")     \
    X(SIM_RESET_PATH, "reset", 6, "a connection is reset from the middle")       \
    X(SIM_MOVE, "move", 2, "a host gets another address")                        \
    X(SIM_LIMIT, "large", 2, "a path swallows large packets")                    \
    X(SIM_NO_NAMES, "names", 1, "no name is found")                              \
    X(SIM_SCARCITY, "memory", 1, "memory is scarce")                             \
    X(SIM_SLOW_READER, "slow", 2, "a program reads slowly")                      \
    X(SIM_LEAVE, "leave", 4, "a client says goodbye, and begins anew")           \
    X(SIM_FREEZE_PROXY, "freeze-proxy", 1, "the proxy is stopped")               \
    X(SIM_RESTART_PROXY, "restart-proxy", 1, "the proxy is ended, and starts again")

typedef enum sim_fault_kind {
#define SIM_FAULT_NAME(name, word, often, what) name,
    SIM_FAULTS(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
        SIM_FAULT_KINDS
} sim_fault_kind;

typedef struct sim_fault {
    sim_fault_kind kind;
    int64_t at_us;  /* from the beginning of the life */
    int64_t for_us; /* how long, where that means anything */
    uint64_t pick;  /* of whatever it strikes */
    bool off;       /* left out */
} sim_fault;

typedef struct sim_plan {
    sim_fault *faults; /* owned; by time */
    size_t count;
} sim_plan;

enum { SIM_LONGEST_STOP_S = 90 };

/* `kinds`: bit k allows kind k. */
void sim_plan_draw(sim_plan *plan, uint64_t seed, int64_t span_us, int64_t every_us,
                   uint64_t kinds);
void sim_plan_finish(sim_plan *plan);

const char *sim_fault_word(sim_fault_kind kind);
const char *sim_fault_text(sim_fault_kind kind);
/* "hole,reset" to bits; false if a word is none. */
bool sim_fault_parse(const char *words, uint64_t *kinds);

#endif
