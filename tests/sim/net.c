/*
 * Each wire has a delay of its own and remembers which of its directions have
 * become holes; a piece that enters a hole is gone, as behind a middlebox that
 * has forgotten the connection.
 */
#include "net.h"

#include <stdlib.h>

enum {
    FIRST_RTO_US = 200 * 1000, /* Linux's least */
    RETRIES_MOST = 15,
    /* A piece that is on its way for so long was in a hole, whatever made it: an
     * answer limit bears two of these, there and back, and hardly more. */
    HOLE_US = 5 * 1000 * 1000,
};

struct net_wire {
    vt_list link;
    vt_sim_wire *wire;
    int64_t delay_us;
    bool hole[2]; /* by vt_sim_direction */
};

static int64_t draw(sim_net *net, int64_t low, int64_t high)
{
    vital_entropy entropy = vt_sim_entropy(net->sim);
    return vt_random_between(entropy.fill, entropy.source, low, high);
}

void sim_net_init(sim_net *net)
{
    vt_list_init(&net->wires);
    net->hole_us = INT64_MIN;
}

/* How long a piece is on its way, with all its retransmissions. */
static int64_t travel_us(sim_net *net, const struct net_wire *wire)
{
    int64_t travel = wire->delay_us + draw(net, 0, net->jitter_us);
    int64_t rto_us = FIRST_RTO_US + 2 * wire->delay_us;
    for (int i = 0; i < RETRIES_MOST && draw(net, 1, 1000) <= net->loss_per_mille; i++) {
        travel += rto_us;
        rto_us *= 2;
    }
    if (travel > HOLE_US)
        net->hole_us = vt_sim_now_us(net->sim) + travel;
    return travel;
}

static void *open_wire(void *owner, vt_sim_wire *sim_wire, int64_t *arrives_us)
{
    sim_net *net = owner;
    struct net_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        abort(); /* the world itself must not fail */
    wire->wire = sim_wire;
    wire->delay_us = draw(net, net->delay_us / 2, net->delay_us * 2);
    vt_list_init(&wire->link);
    vt_list_append(&net->wires, &wire->link);
    net->count++;
    net->opened++;
    *arrives_us = vt_sim_now_us(net->sim) + travel_us(net, wire);
    return wire;
}

static int64_t carry(void *owner, void *user, vt_sim_direction direction, size_t size)
{
    sim_net *net = owner;
    const struct net_wire *wire = user;
    (void)size;
    if (wire->hole[direction])
        return VT_SIM_NEVER;
    return vt_sim_now_us(net->sim) + travel_us(net, wire);
}

static void close_wire(void *owner, void *user)
{
    sim_net *net = owner;
    struct net_wire *wire = user;
    vt_list_remove(&wire->link);
    net->count--;
    free(wire);
}

const vt_sim_network sim_net_template = {.open = open_wire, .carry = carry, .close = close_wire};

static struct net_wire *some_wire(sim_net *net)
{
    if (net->count == 0)
        return NULL;
    vt_list *link = net->wires.next;
    for (int64_t i = draw(net, 0, (int64_t)net->count - 1); i > 0; i--)
        link = link->next;
    return VT_LIST_OWNER(link, struct net_wire, link);
}

void sim_net_reset_some(sim_net *net)
{
    struct net_wire *wire = some_wire(net);
    if (wire != NULL)
        vt_sim_wire_reset(wire->wire);
}

void sim_net_silence_some(sim_net *net, bool to_server, bool to_client)
{
    struct net_wire *wire = some_wire(net);
    if (wire == NULL)
        return;
    wire->hole[VT_SIM_TO_SERVER] |= to_server;
    wire->hole[VT_SIM_TO_CLIENT] |= to_client;
    net->hole_us = vt_sim_now_us(net->sim);
}
