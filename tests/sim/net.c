/*
 * See net.h. A path remembers since when nothing has passed in a direction: a
 * run of losses of five seconds is a hole, whatever made it, since an answer
 * limit bears one of those, and hardly more.
 */
#include "net.h"

#include <string.h>

#include "memory.h"

static const int64_t NEVER_US = INT64_MIN;
static const int64_t DRY_US = INT64_C(5) * 1000 * 1000;

void sim_net_init(sim_net *net, vt_sim *sim, uint64_t seed)
{
    *net = (sim_net){.sim = sim, .draw = sim_draw_of(seed, 1)};
    vt_list_init(&net->paths);
    for (size_t i = 0; i < SIM_HOSTS; i++)
        net->hosts[i].disturbed_us = NEVER_US;
}

void sim_net_place(sim_net *net, const vital_loop *process, unsigned host)
{
    net->host_of_process[vt_sim_number(process)] = host;
}

/* ---------------------------------------------------------------------- paths */

static void *open_path(void *owner, vt_sim_wire *wire, vital_loop *from, const vt_address *to)
{
    sim_net *net = owner;
    int64_t now_us = vt_sim_now_us(net->sim);
    unsigned server = ntohl(to->in.sin_addr.s_addr) % SIM_HOSTS;
    sim_path *path = sim_obtain(sizeof *path);
    *path = (sim_path){
        .wire = wire,
        .hosts = {&net->hosts[net->host_of_process[vt_sim_number(from)]], &net->hosts[server]},
        .draw = sim_draw_of(net->draw.state, net->opened + 1),
        .packet_most = INT64_MAX,
        .mapped_us = now_us,
        .dry_us = {INT64_MAX, INT64_MAX},
        .hurt_us = NEVER_US,
        .holds = 1,
        .seen = {{.blocked_us = NEVER_US}, {.blocked_us = NEVER_US}},
    };
    path->address = path->hosts[VT_SIM_CLIENT]->address;
    path->delay_us = sim_draw_between(&path->draw, net->delay_us / 2, net->delay_us * 2);
    vt_list_init(&path->link);
    vt_list_append(&net->paths, &path->link);
    net->count++;
    net->opened++;
    return path;
}

/* Each host has an address of its own, whichever NAT is in between. */
static void tell_caller(void *owner, void *user, vt_address *out)
{
    const sim_net *net = owner;
    const sim_path *path = user;
    uint32_t host = (uint32_t)(path->hosts[VT_SIM_CLIENT] - net->hosts);
    out->in.sin_addr.s_addr = htonl(0x0a010000 + host);
}

static void close_path(void *owner, void *user)
{
    sim_net *net = owner;
    sim_path *path = user;
    vt_list_remove(&path->link);
    net->count--;
    path->wire = NULL;
    sim_net_release(path);
}

sim_path *sim_net_hold(vt_stream *stream)
{
    sim_path *path = vt_sim_stream_path(stream);
    path->holds++;
    return path;
}

void sim_net_release(sim_path *path)
{
    if (path == NULL || --path->holds > 0)
        return;
    sim_release(path);
}

sim_path *sim_net_pick(sim_net *net, uint64_t pick)
{
    if (net->count == 0)
        return NULL;
    vt_list *link = net->paths.next;
    for (pick %= net->count; pick > 0; pick--)
        link = link->next;
    return VT_LIST_OWNER(link, sim_path, link);
}

/* -------------------------------------------------------------------- packets */

static bool broken(const sim_path *path, vt_sim_end from, int64_t now_us)
{
    return path->hosts[0]->down_us > now_us || path->hosts[1]->down_us > now_us ||
           path->hole_us[from] > now_us;
}

/* Data did not pass: somebody may come to think that the path is dead. */
static vt_sim_fate lose(sim_path *path, vt_sim_end from, size_t size, int64_t now_us)
{
    if (size > 0 && path->dry_us[from] == INT64_MAX)
        path->dry_us[from] = now_us;
    return (vt_sim_fate){.outcome = VT_SIM_LOST};
}

/* Whoever does not know the connection: a NAT that has forgotten it, or the
 * router before an address that is gone. */
static vt_sim_fate meet_stranger(sim_path *path, vt_sim_end from, size_t size, int64_t now_us)
{
    path->hurt_us = now_us;
    vt_sim_fate fate = lose(path, from, size, now_us);
    fate.at_us = now_us + path->delay_us;
    if (path->hosts[VT_SIM_CLIENT]->answer == SIM_RESETS)
        fate.outcome = VT_SIM_RESET;
    if (path->hosts[VT_SIM_CLIENT]->answer == SIM_ICMP)
        fate.outcome = VT_SIM_UNREACHABLE;
    return fate;
}

/* Whether the client's NAT still knows the connection, which it sees used. */
static bool is_known(sim_path *path, int64_t now_us)
{
    const sim_host *client = path->hosts[VT_SIM_CLIENT];
    if (client->nat_us > 0 && now_us - path->mapped_us > client->nat_us)
        path->forgotten = true;
    path->mapped_us = now_us;
    return !path->forgotten && path->address == client->address;
}

static int64_t queue_us(sim_path *path, vt_sim_end from, size_t size, int64_t now_us)
{
    enum { HEADER_BYTES = 66 };
    int64_t bytes_per_s = path->hosts[VT_SIM_CLIENT]->bytes_per_s;
    if (bytes_per_s == 0 || size == 0) /* an acknowledgement is small */
        return 0;
    if (path->busy_us[from] < now_us)
        path->busy_us[from] = now_us;
    path->busy_us[from] += (int64_t)(size + HEADER_BYTES) * 1000000 / bytes_per_s;
    return path->busy_us[from] - now_us;
}

static void end_run(sim_path *path, vt_sim_end from, int64_t now_us)
{
    if (path->dry_us[from] == INT64_MAX)
        return;
    path->run_us[from] = now_us - path->dry_us[from];
    path->run_end_us[from] = now_us;
    path->dry_us[from] = INT64_MAX;
    if (path->run_us[from] > DRY_US)
        path->hurt_us = now_us;
}

static vt_sim_fate carry(void *owner, void *user, vt_sim_end from, size_t size)
{
    sim_net *net = owner;
    sim_path *path = user;
    int64_t now_us = vt_sim_now_us(net->sim);
    if (broken(path, from, now_us) || (int64_t)size > path->packet_most) {
        path->hurt_us = now_us;
        return lose(path, from, size, now_us);
    }
    if (!is_known(path, now_us))
        return meet_stranger(path, from, size, now_us);
    if (sim_draw_between(&path->draw, 1, 1000) <= net->loss_per_mille)
        return lose(path, from, size, now_us);
    if (size > 0) {
        end_run(path, from, now_us);
    }
    return (vt_sim_fate){
        .outcome = VT_SIM_ARRIVES,
        .at_us = now_us + path->delay_us + queue_us(path, from, size, now_us) +
                 sim_draw_between(&path->draw, 0, net->jitter_us),
    };
}

static bool passes(void *owner, void *user, vt_sim_end from)
{
    const sim_net *net = owner;
    sim_path *path = user;
    int64_t now_us = vt_sim_now_us(net->sim);
    if (!broken(path, from, now_us) && path->address == path->hosts[VT_SIM_CLIENT]->address)
        return true;
    path->hurt_us = now_us;
    return false;
}

bool sim_path_hurt_since(const sim_path *path, int64_t since_us, int64_t now_us)
{
    static const int64_t LATELY_US = INT64_C(30) * 1000 * 1000;
    int64_t dry_us = 0; /* there and back */
    for (int end = 0; end < 2; end++) {
        if (path->dry_us[end] != INT64_MAX)
            dry_us += now_us - path->dry_us[end];
        else if (now_us - path->run_end_us[end] < LATELY_US)
            dry_us += path->run_us[end];
    }
    return path->hurt_us >= since_us || dry_us > DRY_US;
}

const vt_sim_network sim_net_template = {
    .open = open_path,
    .carry = carry,
    .passes = passes,
    .close = close_path,
    .caller = tell_caller,
    .wrote = sim_seen_wrote,
    .told = sim_seen_told,
    .read = sim_seen_read,
    .left = sim_seen_left,
};

/* --------------------------------------------------------------------- faults */

void sim_path_make_hole(sim_net *net, sim_path *path, vt_sim_end from, int64_t until_us)
{
    if (path->hole_us[from] <= vt_sim_now_us(net->sim))
        path->hole_since_us[from] = vt_sim_now_us(net->sim);
    path->hole_us[from] = until_us;
    path->hurt_us = vt_sim_now_us(net->sim);
}

void sim_path_limit(sim_net *net, sim_path *path, int64_t packet_most)
{
    path->packet_most = packet_most;
    path->hurt_us = vt_sim_now_us(net->sim);
}

void sim_path_reset(sim_net *net, sim_path *path)
{
    path->hurt_us = vt_sim_now_us(net->sim);
    vt_sim_wire_reset(path->wire);
}

void sim_host_cut(sim_net *net, unsigned host, int64_t until_us)
{
    if (net->hosts[host].down_us < until_us)
        net->hosts[host].down_us = until_us;
    net->hosts[host].disturbed_us = until_us;
}

void sim_host_move(sim_net *net, unsigned host)
{
    net->hosts[host].address++;
    net->hosts[host].disturbed_us = vt_sim_now_us(net->sim);
}
