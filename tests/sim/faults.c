/*
 * What each kind of fault does. Whatever it strikes is remembered as disturbed,
 * for as long as that lasts: by that watch.c knows which verdicts have a reason.
 */
#include "life.h"
#include "memory.h"

enum { SECOND_US = 1000 * 1000, SCARCE_OF_THOUSAND = 200 };

static const int64_t FOR_GOOD_US = INT64_MAX;

typedef struct strike {
    sim_life *life;
    const sim_fault *fault;
} strike;

static sim_process *some_process(sim_life *life, const sim_fault *fault)
{
    return &life->processes[fault->pick % (uint64_t)life->options->processes];
}

static void disturb(sim_life *life, sim_process *process, int64_t for_us)
{
    int64_t now_us = vt_sim_now_us(life->sim);
    int64_t until_us = now_us + for_us;
    if (process->disturbed_us < now_us)
        process->struck_us = now_us;
    if (process->disturbed_us < until_us)
        process->disturbed_us = until_us;
    if (life->last_fault_us < until_us)
        life->last_fault_us = until_us;
}

static void freeze(sim_life *life, sim_process *process, int64_t for_us)
{
    if (process->loop == NULL)
        return;
    disturb(life, process, for_us);
    vt_sim_freeze(process->loop, vt_sim_now_us(life->sim) + for_us);
}

/* ---------------------------------------------------------------- busy callbacks */

static void be_busy(void *arg)
{
    const strike *struck = arg;
    sim_process *process = some_process(struck->life, struck->fault);
    disturb(struck->life, process, struck->fault->for_us);
    vt_sim_busy(process->loop, struck->fault->for_us);
}

/* --------------------------------------------------------------- the server's end */

static void gone(sim_life *life, sim_process *process, int64_t for_us)
{
    disturb(life, process, for_us);
    vital_loop_destroy(process->loop);
    process->loop = NULL;
}

static void restart_server(sim_life *life, int64_t for_us)
{
    if (life->server_process.loop == NULL)
        return;
    sim_forget_members(life);
    gone(life, &life->server_process, for_us);
    vt_sim_at(life->sim, vt_sim_now_us(life->sim) + for_us, sim_start_server, life);
}

static void finish_drain(void *arg)
{
    sim_life *life = arg;
    if (life->draining)
        restart_server(life, SECOND_US);
}

/* Half of the time with an invitation, half of the time over some seconds. */
static void drain_server(void *arg)
{
    const strike *struck = arg;
    sim_life *life = struck->life;
    const uint64_t pick = struck->fault->pick;
    vital_drain drain = {.code = pick >> 34 & 1 ? 1001 : 1012, .reason = "restarting"};
    if (pick >> 32 & 1) {
        drain.retry_from_ms = (int)(pick % 30) * 1000;
        drain.retry_within_ms = drain.retry_from_ms + (int)(1 + pick % 61) * 1000;
    }
    if (pick >> 33 & 1)
        drain.spread_ms = 2000 + (int)(pick % 6000);
    if (life->draining)
        return;
    life->draining = true;
    disturb(life, &life->server_process, 10 * SECOND_US);
    bool scarce = sim_recent(life, life->server_process.scarce_us, SECOND_US);
    if (drain.spread_ms > 0 && !scarce) { /* without memory for a timer they go at once */
        int64_t spread_us = drain.spread_ms * INT64_C(1000);
        life->farewell = (sim_farewell){vital_server_count(life->server), life->deserters,
                                        spread_us, vt_sim_now_us(life->sim) + spread_us / 2};
        vt_sim_at_in(life->server_process.loop, life->farewell.half_us, sim_watch_spread, life);
    }
    sim_must(vital_server_drain(life->server, &drain, NULL, NULL) == 0);
    vt_sim_at(life->sim, vt_sim_now_us(life->sim) + 10 * SECOND_US, finish_drain, life);
}

static void crash_server(sim_life *life, const sim_fault *fault)
{
    if (life->server_process.loop == NULL)
        return;
    sim_host_cut(&life->net, life->server_process.host, vt_sim_now_us(life->sim) + fault->for_us);
    vt_sim_crash(life->server_process.loop);
    restart_server(life, fault->for_us);
}

static void restart_proxy(sim_life *life, int64_t for_us)
{
    if (life->proxy_process.loop == NULL)
        return;
    sim_proxy_destroy(life->proxy);
    life->proxy = NULL;
    gone(life, &life->proxy_process, for_us);
    vt_sim_at(life->sim, vt_sim_now_us(life->sim) + for_us, sim_start_proxy, life);
}

/* ------------------------------------------------------------------- machines */

/* Its link is cut, and its clock stands still. */
static void put_to_sleep(sim_life *life, sim_process *process, int64_t for_us)
{
    int64_t until_us = vt_sim_now_us(life->sim) + for_us;
    disturb(life, process, for_us);
    sim_host_cut(&life->net, process->host, until_us);
    if (process->slept_us < until_us)
        process->slept_us = until_us;
    vt_sim_sleep(process->loop, until_us);
}

/* One by one they go, and in another order they come back. */
static void cut_all_links(sim_life *life, const sim_fault *fault)
{
    sim_draw draw = {fault->pick};
    int64_t now_us = vt_sim_now_us(life->sim);
    for (int i = 0; i < life->options->processes; i++) {
        int64_t for_us = sim_draw_between(&draw, SECOND_US, fault->for_us + 10 * SECOND_US);
        disturb(life, &life->processes[i], for_us);
        sim_host_cut(&life->net, life->processes[i].host, now_us + for_us);
    }
}

static void end_slowness(void *arg)
{
    const strike *struck = arg;
    vt_sim_chop(some_process(struck->life, struck->fault)->loop, 0, 0);
}

static void read_slowly(strike *struck)
{
    sim_process *process = some_process(struck->life, struck->fault);
    disturb(struck->life, process, struck->fault->for_us);
    vt_sim_chop(process->loop, 1000, 50 * 1000);
    vt_sim_at(struck->life->sim, vt_sim_now_us(struck->life->sim) + struck->fault->for_us,
              end_slowness, struck);
}

static void end_scarcity(void *arg)
{
    const strike *struck = arg;
    vt_sim_scarce(some_process(struck->life, struck->fault)->loop, 0);
}

static void make_memory_scarce(strike *struck)
{
    sim_process *process = some_process(struck->life, struck->fault);
    int64_t until_us = vt_sim_now_us(struck->life->sim) + struck->fault->for_us;
    disturb(struck->life, process, struck->fault->for_us);
    process->scarce_us = until_us;
    vt_sim_scarce(process->loop, SCARCE_OF_THOUSAND);
    vt_sim_at(struck->life->sim, until_us, end_scarcity, struck);
}

/* ---------------------------------------------------------------------- paths */

static void strike_path(sim_life *life, const sim_fault *fault)
{
    sim_path *path = sim_net_pick(&life->net, fault->pick);
    int64_t until_us = vt_sim_now_us(life->sim) + fault->for_us;
    if (path == NULL)
        return;
    if (fault->pick >> 32 & 1)
        until_us = FOR_GOOD_US; /* half of the holes heal, the others do not */
    if (fault->kind != SIM_HOLE_TO_CLIENT && fault->kind != SIM_LIMIT)
        sim_path_make_hole(&life->net, path, VT_SIM_CLIENT, until_us);
    if (fault->kind != SIM_HOLE_TO_SERVER && fault->kind != SIM_LIMIT)
        sim_path_make_hole(&life->net, path, VT_SIM_SERVER, until_us);
    if (fault->kind == SIM_LIMIT)
        sim_path_limit(&life->net, path, 1200);
}

static void reset_path(sim_life *life, const sim_fault *fault)
{
    sim_path *path = sim_net_pick(&life->net, fault->pick);
    if (path != NULL)
        sim_path_reset(&life->net, path);
}

/* ------------------------------------------------------------------ all of them */

/* Those that strike the server, the proxy, or everybody. */
static void strike_servers(strike *struck)
{
    sim_life *life = struck->life;
    const sim_fault *fault = struck->fault;
    int64_t now_us = vt_sim_now_us(life->sim);
    switch (fault->kind) {
    case SIM_FREEZE_SERVER:
        freeze(life, &life->server_process, fault->for_us);
        break;
    case SIM_BUSY_SERVER:
        disturb(life, &life->server_process, fault->for_us);
        life->busy_us = fault->for_us;
        break;
    case SIM_RESTART_SERVER:
        restart_server(life, fault->for_us);
        break;
    case SIM_DRAIN_SERVER:
        if (life->server_process.loop != NULL && !life->draining)
            vt_sim_at_in(life->server_process.loop, now_us, drain_server, struck);
        break;
    case SIM_CRASH_SERVER:
        crash_server(life, fault);
        break;
    case SIM_FREEZE_PROXY:
        freeze(life, &life->proxy_process, fault->for_us);
        break;
    case SIM_RESTART_PROXY:
        restart_proxy(life, fault->for_us);
        break;
    case SIM_NO_NAMES:
        for (int i = 0; i < life->options->processes; i++)
            disturb(life, &life->processes[i], fault->for_us);
        vt_sim_break_names(life->sim, now_us + fault->for_us);
        break;
    default:
        break;
    }
}

/* Those that strike a path, a client, or a process or machine with clients. */
static void strike_clients(strike *struck)
{
    sim_life *life = struck->life;
    const sim_fault *fault = struck->fault;
    sim_process *process = some_process(life, fault);
    sim_client *client = &life->clients[fault->pick % (uint64_t)life->options->clients];
    int64_t now_us = vt_sim_now_us(life->sim);
    switch (fault->kind) {
    case SIM_FREEZE_PROCESS:
        freeze(life, process, fault->for_us);
        break;
    case SIM_BUSY_PROCESS:
        vt_sim_at_in(process->loop, now_us, be_busy, struck);
        break;
    case SIM_SLEEP:
        put_to_sleep(life, process, fault->for_us);
        break;
    case SIM_HOLE_TO_SERVER:
    case SIM_HOLE_TO_CLIENT:
    case SIM_HOLE:
    case SIM_LIMIT:
        strike_path(life, fault);
        break;
    case SIM_RESET_PATH:
        reset_path(life, fault);
        break;
    case SIM_OUTAGE:
        disturb(life, process, fault->for_us);
        sim_host_cut(&life->net, process->host, now_us + fault->for_us);
        break;
    case SIM_STORM:
        cut_all_links(life, fault);
        break;
    case SIM_MOVE:
        disturb(life, process, 0);
        sim_host_move(&life->net, process->host);
        break;
    case SIM_SCARCITY:
        make_memory_scarce(struck);
        break;
    case SIM_SLOW_READER:
        read_slowly(struck);
        break;
    case SIM_LEAVE:
        vt_sim_at_in(client->process->loop, now_us, sim_leave, client);
        break;
    default:
        break;
    }
}

static void strike_now(void *arg)
{
    strike *struck = arg;
    sim_life *life = struck->life;
    const sim_fault *fault = struck->fault;
    int64_t until_us = vt_sim_now_us(life->sim) + fault->for_us;
    life->result.faults++;
    sim_note(life, "fault", "%s, for %.3f s", sim_fault_text(fault->kind),
             (double)fault->for_us / SECOND_US);
    if (life->last_fault_us < until_us)
        life->last_fault_us = until_us;
    strike_servers(struck);
    strike_clients(struck);
}

void sim_schedule_faults(sim_life *life)
{
    life->strikes = sim_obtain(life->plan->count * sizeof(strike) + 1);
    strike *strikes = life->strikes;
    for (size_t i = 0; i < life->plan->count; i++) {
        const sim_fault *fault = &life->plan->faults[i];
        strikes[i] = (strike){life, fault};
        if (!fault->off)
            vt_sim_at(life->sim, life->start_us + fault->at_us, strike_now, &strikes[i]);
    }
}
