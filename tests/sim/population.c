/*
 * Each client sends numbered messages at its leisure. The properties:
 *
 *   - one verdict for each lost socket or failed attempt, none without one;
 *   - nobody is declared silent unless the path had a hole or the other side was
 *     stopped: neither loss nor our own lateness is a reason;
 *   - a message arrives at most once, in order; and once, unless a verdict has
 *     counted it as unconfirmed, or as unsent for good;
 *   - when the world has healed, everybody is connected within a bound;
 *   - after the end nothing is left: no connection, no wire.
 *
 * Everything that an application can observe goes into one hash.
 */
#include "population.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

enum { SECOND_US = 1000 * 1000, LONGEST_STOP_S = 90 };

static const char URL[] = "ws://server:9001/";
static const char ADDRESS[] = "10.0.0.1:9001";

/* For so long after a fault its victims may be found silent: a beat's interval,
 * its answer limit, and a few stops of the one who judges, with their grace. */
static const int64_t AFTERMATH_US = (25 + 20 + 4 * (LONGEST_STOP_S + 5)) * INT64_C(1000000);
/* The longest pause between two attempts is 60 s, an attempt takes up to 10 s,
 * and what was cut is noticed within 35 s. */
static const int64_t HEALED_US = INT64_C(300) * SECOND_US;

typedef struct sim_world sim_world;

typedef struct sim_client {
    sim_world *world;
    int number;
    int process;
    vital_conn *conn; /* NULL: gone */
    bool open;
    uint64_t accepted; /* messages, numbered from 1 */
    uint64_t arrived;  /* the last number that the server has seen */
    uint8_t *excused;  /* by number: a verdict has counted it */
    size_t excused_size;
} sim_client;

struct sim_world {
    const sim_options *options;
    sim_result result;
    vt_sim *sim;
    sim_net net;
    vt_sim_network network;
    vital_loop *server_loop;
    vital_server *server;
    vital_loop *loops[SIM_PROCESSES_MOST];
    int64_t server_frozen_us; /* until then, last; INT64_MIN: never */
    int64_t frozen_us[SIM_PROCESSES_MOST];
    int64_t calm_us; /* no faults from then on */
    bool ending;
    sim_client *clients;
};

/* -------------------------------------------------------------------- account */

static int64_t draw(sim_world *world, int64_t low, int64_t high)
{
    vital_entropy entropy = vt_sim_entropy(world->sim);
    return vt_random_between(entropy.fill, entropy.source, low, high);
}

/* FNV-1a, of a line for each thing that happens. */
__attribute__((format(printf, 2, 3))) static void note(sim_world *world, const char *format, ...)
{
    char line[512];
    int64_t now_us = vt_sim_now_us(world->sim);
    int size = snprintf(line, sizeof line, "%6" PRId64 ".%06" PRId64 "  ", now_us / SECOND_US,
                        now_us % SECOND_US);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + size, sizeof line - (size_t)size, format, arguments);
    va_end(arguments);
    for (const char *at = line; *at != '\0'; at++)
        world->result.hash = (world->result.hash ^ (uint8_t)*at) * UINT64_C(1099511628211);
    if (world->options->trace)
        puts(line);
}

__attribute__((format(printf, 2, 3))) static void violate(sim_world *world, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (world->result.violations++ == 0)
        snprintf(world->result.first_violation, sizeof what, "%s", what);
    note(world, "VIOLATION  %s", what);
}

static void excuse(sim_client *client, uint64_t first, uint64_t last)
{
    if (last >= client->excused_size) {
        size_t size = (size_t)last * 2 + 64;
        client->excused = realloc(client->excused, size);
        if (client->excused == NULL)
            abort();
        memset(client->excused + client->excused_size, 0, size - client->excused_size);
        client->excused_size = size;
    }
    for (uint64_t number = first; number <= last; number++)
        client->excused[number] = 1;
}

static bool recent(const sim_world *world, int64_t fault_us)
{
    return fault_us != INT64_MIN && vt_sim_now_us(world->sim) - fault_us < AFTERMATH_US;
}

static void count_beats(sim_world *world, const vital_pulse *pulse)
{
    world->result.beats += pulse->beats_sent;
}

/* -------------------------------------------------------------------- clients */

static void client_open(vital_conn *conn, bool resumed)
{
    sim_client *client = vital_user(conn);
    (void)resumed;
    if (client->open)
        violate(client->world, "client %d opened twice", client->number);
    client->open = true;
    note(client->world, "client %d  open", client->number);
}

static void client_close(vital_conn *conn, const vital_verdict *verdict)
{
    sim_client *client = vital_user(conn);
    sim_world *world = client->world;
    note(world, "client %d  %s %u retry %" PRId64 " unsent %" PRIu64 " unconfirmed %" PRIu64 "  %s",
         client->number, vital_cause_name(verdict->cause), (unsigned)verdict->code,
         verdict->retry_ms, verdict->unsent, verdict->unconfirmed, verdict->text);
    if ((verdict->open_ms >= 0) != client->open)
        violate(world, "client %d: a verdict that does not fit its socket", client->number);
    bool reason = recent(world, world->net.hole_us) || recent(world, world->server_frozen_us);
    if (verdict->cause == VITAL_SILENT && !reason)
        violate(world, "client %d declared a healthy server silent", client->number);
    if (verdict->cause == VITAL_MISBEHAVED || verdict->cause == VITAL_OVERFLOW)
        violate(world, "client %d: %s", client->number, verdict->text);
    client->open = false;
    count_beats(world, &verdict->pulse);

    if (verdict->unsent + verdict->unconfirmed > client->accepted)
        violate(world, "client %d: more messages lost than were sent", client->number);
    uint64_t kept = client->accepted - verdict->unsent;
    if (verdict->unconfirmed > 0)
        excuse(client, kept - verdict->unconfirmed + 1, kept);
    if (verdict->final) {
        if (verdict->unsent > 0)
            excuse(client, kept + 1, client->accepted);
        if (!world->ending)
            violate(world, "client %d was given up for good", client->number);
        client->conn = NULL;
    }
}

static void client_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    sim_client *client = vital_user(conn);
    (void)pulse;
    note(client->world, "client %d  %s", client->number,
         health == VITAL_ALIVE ? "alive" : "doubtful");
}

static const vital_events CLIENT = {
    .open = client_open,
    .close = client_close,
    .health = client_health,
};

static void talk(void *arg)
{
    sim_client *client = arg;
    sim_world *world = client->world;
    if (client->conn == NULL || world->ending)
        return;
    char text[64];
    snprintf(text, sizeof text, "%d %" PRIu64, client->number, client->accepted + 1);
    if (vital_send(client->conn, VITAL_TEXT, vital_text(text)) == 0)
        client->accepted++;
    vt_sim_at(world->sim, vt_sim_now_us(world->sim) + draw(world, 1, 120) * SECOND_US, talk,
              client);
}

static void start_client(void *arg)
{
    sim_client *client = arg;
    vital_connect_options options = {.url = URL, .events = CLIENT, .user = client};
    vital_loop *loop = client->world->loops[client->process];
    if (vital_connect(&client->conn, loop, &options) != 0)
        violate(client->world, "client %d could not begin: %s", client->number,
                vital_loop_problem(loop));
    talk(client);
}

/* --------------------------------------------------------------------- server */

static void server_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    sim_world *world = vital_user(conn);
    char text[64] = "";
    int number = -1;
    uint64_t count = 0;
    if (message.size < sizeof text)
        memcpy(text, message.data, message.size);
    if (sscanf(text, "%d %" SCNu64, &number, &count) != 2 || number < 0 ||
        number >= world->options->clients) {
        violate(world, "a message that nobody sent: %s", text);
        return;
    }
    sim_client *client = &world->clients[number];
    note(world, "server  message %" PRIu64 " of client %d", count, number);
    world->result.messages++;
    if (count <= client->arrived)
        violate(world, "message %" PRIu64 " of client %d came twice or late", count, number);
    for (uint64_t missing = client->arrived + 1; missing < count; missing++) {
        if (missing >= client->excused_size || !client->excused[missing])
            violate(world, "message %" PRIu64 " of client %d was lost in silence", missing, number);
    }
    client->arrived = count;
    if (count % 4 == 0)
        vital_send(conn, kind, message);
}

static void server_close(vital_conn *conn, const vital_verdict *verdict)
{
    sim_world *world = vital_user(conn);
    note(world, "server  %s %u  %s", vital_cause_name(verdict->cause), (unsigned)verdict->code,
         verdict->text);
    bool reason = recent(world, world->net.hole_us);
    for (int i = 0; i < world->options->processes; i++)
        reason |= recent(world, world->frozen_us[i]);
    if (verdict->cause == VITAL_SILENT && !reason)
        violate(world, "the server declared a healthy client silent");
    if (verdict->cause == VITAL_MISBEHAVED || verdict->cause == VITAL_OVERFLOW)
        violate(world, "server: %s", verdict->text);
    if (!verdict->final)
        violate(world, "a server's verdict that is not final");
    count_beats(world, &verdict->pulse);
}

static void start_server(void *arg)
{
    sim_world *world = arg;
    if (world->server_loop != NULL)
        return;
    note(world, "server  starts");
    vital_listen_options options = {
        .address = ADDRESS,
        .events = {.message = server_message, .close = server_close},
        .user = world,
    };
    if (vt_sim_loop_create(&world->server_loop, world->sim) != 0 ||
        vital_listen(&world->server, world->server_loop, &options) != 0)
        violate(world, "the server could not start");
}

/* --------------------------------------------------------------------- faults */

static void freeze(sim_world *world, vital_loop *loop, int64_t *frozen_us)
{
    int64_t longest_ms = draw(world, 0, 3) == 0 ? LONGEST_STOP_S * 1000 : 4000;
    int64_t until_us = vt_sim_now_us(world->sim) + draw(world, 10, longest_ms) * 1000;
    vt_sim_freeze(loop, until_us);
    *frozen_us = until_us;
}

static void restart_server(sim_world *world)
{
    vital_loop_destroy(world->server_loop);
    world->server_loop = NULL;
    vt_sim_at(world->sim, vt_sim_now_us(world->sim) + draw(world, 0, 20) * SECOND_US, start_server,
              world);
}

static void fault(void *arg)
{
    sim_world *world = arg;
    int64_t now_us = vt_sim_now_us(world->sim);
    if (now_us >= world->calm_us)
        return;
    world->result.faults++;
    int64_t process = draw(world, 0, world->options->processes - 1);
    switch (draw(world, 0, 9)) {
    case 0:
        note(world, "fault  the server stops for a while");
        if (world->server_loop != NULL)
            freeze(world, world->server_loop, &world->server_frozen_us);
        break;
    case 1:
    case 2:
        note(world, "fault  process %" PRId64 " stops for a while", process);
        freeze(world, world->loops[process], &world->frozen_us[process]);
        break;
    case 3:
        note(world, "fault  the server restarts");
        if (world->server_loop != NULL)
            restart_server(world);
        break;
    case 4:
        note(world, "fault  a way to the server becomes a hole");
        sim_net_silence_some(&world->net, true, false);
        break;
    case 5:
        note(world, "fault  a way to a client becomes a hole");
        sim_net_silence_some(&world->net, false, true);
        break;
    case 6:
    case 7:
        note(world, "fault  a path is forgotten");
        sim_net_silence_some(&world->net, true, true);
        break;
    default:
        note(world, "fault  a connection is reset");
        sim_net_reset_some(&world->net);
        break;
    }
    vt_sim_at(world->sim, now_us + draw(world, 1, 60 * 1000) * 1000, fault, world);
}

/* --------------------------------------------------------------------- a life */

static void begin(sim_world *world)
{
    const sim_options *options = world->options;
    world->result.hash = UINT64_C(14695981039346656037);
    world->network = sim_net_template;
    world->network.owner = &world->net;
    sim_net_init(&world->net);
    world->sim = vt_sim_create(options->seed, &world->network);
    world->clients = calloc((size_t)options->clients, sizeof *world->clients);
    if (world->sim == NULL || world->clients == NULL)
        abort();
    world->net.sim = world->sim;
    world->net.delay_us = draw(world, 100, 150 * 1000);
    world->net.jitter_us = draw(world, 0, 50 * 1000);
    world->net.loss_per_mille = (int)draw(world, 0, 100);
    vt_sim_name(world->sim, "server", "10.0.0.1");
    world->server_frozen_us = INT64_MIN;
    start_server(world);
    for (int i = 0; i < options->processes; i++) {
        world->frozen_us[i] = INT64_MIN;
        if (vt_sim_loop_create(&world->loops[i], world->sim) != 0)
            abort();
    }
    for (int i = 0; i < options->clients; i++) {
        sim_client *client = &world->clients[i];
        client->world = world;
        client->number = i;
        client->process = i % options->processes;
        vt_sim_at(world->sim, vt_sim_now_us(world->sim) + draw(world, 0, 10 * SECOND_US),
                  start_client, client);
    }
}

static void check_healed(sim_world *world)
{
    for (int i = 0; i < world->options->clients; i++) {
        if (!world->clients[i].open)
            violate(world, "client %d has not come back", i);
    }
}

/* Everybody says goodbye. What was accepted has arrived or is excused. */
static void end(sim_world *world)
{
    world->ending = true;
    for (int i = 0; i < world->options->clients; i++) {
        if (world->clients[i].conn != NULL)
            vital_close(world->clients[i].conn, 1000, "the end");
    }
    vt_sim_run(world->sim, vt_sim_now_us(world->sim) + 60 * SECOND_US);
    for (int i = 0; i < world->options->clients; i++) {
        sim_client *client = &world->clients[i];
        if (client->conn != NULL)
            violate(world, "client %d has not ended", i);
        for (uint64_t number = client->arrived + 1; number <= client->accepted; number++) {
            if (number >= client->excused_size || !client->excused[number])
                violate(world, "message %" PRIu64 " of client %d never came", number, i);
        }
    }
    if (vital_server_count(world->server) != 0)
        violate(world, "the server has still %zu connections", vital_server_count(world->server));
    if (world->net.count != 0)
        violate(world, "%zu wires are left", world->net.count);
}

sim_result sim_live(const sim_options *options)
{
    sim_world world = {.options = options};
    begin(&world);
    int64_t start_us = vt_sim_now_us(world.sim);
    world.calm_us = start_us + options->span_us;
    if (options->faults)
        vt_sim_at(world.sim, start_us + draw(&world, 1, 60) * SECOND_US, fault, &world);
    vt_sim_run(world.sim, world.calm_us + HEALED_US);
    check_healed(&world);
    end(&world);

    world.result.connections = world.net.opened;
    vital_loop_destroy(world.server_loop);
    for (int i = 0; i < options->processes; i++)
        vital_loop_destroy(world.loops[i]);
    vt_sim_destroy(world.sim);
    for (int i = 0; i < options->clients; i++)
        free(world.clients[i].excused);
    free(world.clients);
    return world.result;
}
