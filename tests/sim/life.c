/*
 * Each client sends numbered messages at its leisure, and the server sends every
 * fourth back. Whoever draws has a generator of its own, so that leaving out a
 * fault, a feature or a client leaves the rest as it was, as far as it can be.
 *
 * Everything that an application can observe goes into one hash.
 */
#include "life.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "memory.h"
#include "naive.h"

enum {
    SECOND_US = 1000 * 1000,
    SERVER_HOST = 1,
    PROXY_HOST = 2,
    ROGUE_HOST = 3,
    NAIVE_HOST = 4,
    FIRST_CLIENT_HOST = 8,
    LARGE_BYTES = 200 * 1000,
    SOON_US = 40 * 1000, /* within two ticks a timer has fired */
};

static const char SERVER_ADDRESS[] = "10.0.0.1:9001";

/* -------------------------------------------------------------------- account */

/* FNV-1a, of a line for each thing that happens. */
static void hash_line(sim_life *life, const char *line)
{
    for (; *line != '\0'; line++)
        life->result.hash = (life->result.hash ^ (uint8_t)*line) * UINT64_C(1099511628211);
}

static void print_line(sim_life *life, bool counts, const char *who, const char *format,
                       va_list arguments)
{
    char line[640];
    int64_t now_us = vt_sim_now_us(life->sim) - life->start_us;
    int size = snprintf(line, sizeof line, "%9.3f  %-9s ", (double)now_us / SECOND_US, who);
    vsnprintf(line + size, sizeof line - (size_t)size, format, arguments);
    if (counts)
        hash_line(life, line);
    if (life->options->trace)
        puts(line);
}

void sim_note(sim_life *life, const char *who, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(life, true, who, format, arguments);
    va_end(arguments);
}

void sim_tell(sim_life *life, const char *who, const char *format, ...)
{
    if (!life->options->trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(life, false, who, format, arguments);
    va_end(arguments);
}

void sim_violate(sim_life *life, const char *format, ...)
{
    char what[SIM_PROBLEM_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (life->result.violations++ == 0)
        snprintf(life->result.first_violation, sizeof what, "%s", what);
    sim_note(life, "VIOLATION", "%s", what);
}

static uint8_t *fate_of(sim_client *client, uint64_t number)
{
    if (number >= client->fates_size) {
        size_t size = (size_t)number * 2 + 64;
        client->fates = sim_obtain_more(client->fates, size);
        memset(client->fates + client->fates_size, 0, size - client->fates_size);
        client->fates_size = size;
    }
    return &client->fates[number];
}

static void excuse(sim_client *client, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        *fate_of(client, number) |= SIM_EXCUSED;
}

/* Once, and in order; but what a verdict has counted as unconfirmed may still be
 * on its way along the lost socket, and come after what went along the next. */
static void take_message(sim_client *client, uint64_t count)
{
    sim_life *life = client->watched.life;
    uint8_t *fate = fate_of(client, count);
    life->result.messages++;
    if ((*fate & SIM_ARRIVED) != 0)
        sim_violate(life, "message %" PRIu64 " of client/%d came twice", count, client->number);
    if (count <= client->arrived && (*fate & SIM_EXCUSED) == 0)
        sim_violate(life, "message %" PRIu64 " of client/%d came out of order", count,
                    client->number);
    *fate |= SIM_ARRIVED;
    for (uint64_t missing = client->arrived + 1; missing < count; missing++) {
        if (*fate_of(client, missing) == 0)
            sim_violate(life, "message %" PRIu64 " of client/%d was lost in silence", missing,
                        client->number);
    }
    if (client->arrived < count)
        client->arrived = count;
}

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

bool sim_recent(const sim_life *life, int64_t since_us, int64_t window_us)
{
    return since_us != INT64_MIN && vt_sim_now_us(life->sim) - since_us < window_us;
}

/* -------------------------------------------------------------------- clients */

static void start_client(void *arg);

/* The attempt has begun when it was told that it would. */
static void check_return(const sim_client *client)
{
    enum { TICK_US = 20 * 1000, NAME_US = 2000 };
    sim_life *life = client->watched.life;
    vital_opening opening;
    vital_conn_opening(client->watched.conn, &opening);
    int64_t began_us = vt_sim_now_us(life->sim) - later(opening.name_us, 0) -
                       later(opening.connect_us, 0) - later(opening.upgrade_us, 0);
    bool late = sim_recent(life, client->process->disturbed_us, SIM_AFTERMATH_US);
    if (client->retry_us == INT64_MIN || late)
        return;
    if (began_us < client->retry_us || began_us > client->retry_us + TICK_US + NAME_US)
        sim_violate(life, "%s returns %.3f s %s the time that was told", client->watched.name,
                    (double)llabs(began_us - client->retry_us) / SECOND_US,
                    began_us < client->retry_us ? "before" : "after");
}

static void client_open(vital_conn *conn, bool resumed)
{
    sim_client *client = vital_user(conn);
    (void)resumed;
    check_return(client);
    client->refusals = 0;
    sim_watch_open(&client->watched);
    client->echoed = 0;
}

/* The verdict's two counts name exact messages, and each only once. */
static void account_for_messages(sim_client *client, const vital_verdict *verdict)
{
    sim_life *life = client->watched.life;
    if (verdict->unsent + verdict->unconfirmed > client->accepted) {
        sim_violate(life, "%s: more messages lost than were sent", client->watched.name);
        return;
    }
    uint64_t kept = client->accepted - verdict->unsent;
    if (kept - verdict->unconfirmed < client->proven)
        sim_violate(life, "%s: a message is told of twice as unconfirmed", client->watched.name);
    client->proven = kept;
    if (verdict->unconfirmed > 0)
        excuse(client, kept - verdict->unconfirmed + 1, kept);
    if (verdict->final && verdict->unsent > 0)
        excuse(client, kept + 1, client->accepted);
}

/* If its process was stopped since the verdict, it begins by a time of its own. */
static void begin_attempt(void *arg)
{
    sim_client *client = arg;
    const sim_life *life = client->watched.life;
    if (vt_sim_now_us(life->sim) == client->retry_us + SOON_US &&
        client->process->disturbed_us < client->told_us)
        client->tries_awake_us = vt_sim_awake_us(life->sim) - SOON_US;
}

/* Who is asked to come back at some time does: written anew on purpose, from the
 * grammar in docs/verdicts.md. That the attempt begins then is check_return()'s. */
static bool check_invitation(const sim_client *client, const vital_verdict *verdict)
{
    int from_s, within_s;
    const char *asks = strstr(verdict->reason, "retry in ");
    if (asks == NULL || sscanf(asks, "retry in %d-%d s", &from_s, &within_s) != 2)
        return false;
    if (verdict->retry_ms < from_s * 1000 || verdict->retry_ms > within_s * 1000)
        sim_violate(client->watched.life, "%s was asked to %s, and returns in %.3f s",
                    client->watched.name, asks, (double)verdict->retry_ms / 1000);
    return true;
}

/* By the retry table: a code or a status may have a window of its own, all else
 * is drawn by the backoff. */
static void check_retry(sim_client *client, const vital_verdict *verdict)
{
    enum { FIRST_MS = 2000, MIN_MS = 500, MAX_MS = 60 * 1000, STABLE_MS = 30 * 1000 };
    sim_life *life = client->watched.life;
    const char *name = client->watched.name;
    bool window = check_invitation(client, verdict) || verdict->cause == VITAL_REJECTED ||
                  verdict->code == 1012 || verdict->code == 1013;
    bool stable = verdict->open_ms >= STABLE_MS && verdict->pulse.beats_answered > 0;
    if (verdict->retry_ms < 0 || verdict->retry_ms > (window ? 120 * 1000 : MAX_MS))
        sim_violate(life, "%s waits %" PRId64 " ms before the next attempt", name,
                    verdict->retry_ms);
    if (!window && stable && verdict->retry_ms > FIRST_MS)
        sim_violate(life, "%s was stable, and yet waits %" PRId64 " ms", name, verdict->retry_ms);
    client->backoffs = stable ? 0 : client->backoffs;
    if (!window && client->backoffs++ > 0 && verdict->retry_ms < MIN_MS)
        sim_violate(life, "%s was not stable, and waits only %" PRId64 " ms", name,
                    verdict->retry_ms);
    client->longest_retries += verdict->retry_ms == MAX_MS;
    if (client->longest_retries >= 2)
        sim_violate(life, "%s waits for just the longest time, again: no jitter", name);
    client->told_us = vt_sim_now_us(life->sim);
    client->retry_us = client->told_us + verdict->retry_ms * 1000;
    vt_sim_at_in(client->process->loop, client->retry_us + SOON_US, begin_attempt, client);
}

/* An attempt fails at its limit, if not for another reason before it. */
static void check_attempt(const sim_client *client, const vital_verdict *verdict)
{
    enum { LIMIT_US = 10 * SECOND_US, TICKS_US = 60 * 1000, UNNOTICED_US = 150 * 1000 };
    sim_life *life = client->watched.life;
    int64_t took_us = vt_sim_awake_us(life->sim) - client->tries_awake_us;
    if (client->tries_awake_us == INT64_MIN || verdict->open_ms >= 0)
        return;
    bool late = strstr(verdict->text, "within the time limit") != NULL;
    if (late ? took_us < LIMIT_US : took_us > LIMIT_US + TICKS_US + UNNOTICED_US)
        sim_violate(life, "%s tried for %.3f s, where the limit is 10 s: %s", client->watched.name,
                    (double)took_us / SECOND_US, verdict->text);
}

/* Who comes when it was told to finds a place; or the next time, if others came before:
 * of a crowd at the gate one in 10^5 comes six times too late. */
static void check_refusals(sim_client *client, const vital_verdict *verdict)
{
    enum { MOST = 7 };
    client->refusals += verdict->status == 503;
    if (client->refusals > MOST && client->watched.trusted)
        sim_violate(client->watched.life, "%s was told %d times to come back later",
                    client->watched.name, client->refusals);
}

static void client_close(vital_conn *conn, const vital_verdict *verdict)
{
    sim_client *client = vital_user(conn);
    sim_life *life = client->watched.life;
    sim_watch_verdict(&client->watched, verdict);
    account_for_messages(client, verdict);
    check_attempt(client, verdict);
    check_refusals(client, verdict);
    client->tries_awake_us = INT64_MIN;
    if (verdict->open_ms >= 0)
        client->away_us = vt_sim_now_us(life->sim);
    if (!verdict->final) {
        if (client->left_us != INT64_MAX)
            sim_violate(life, "%s has said goodbye, and comes back", client->watched.name);
        check_retry(client, verdict);
        return;
    }
    client->watched.conn = NULL;
    if (!life->ending && client->left_us == INT64_MAX)
        sim_violate(life, "%s was given up for good", client->watched.name);
    if (!life->ending)
        vt_sim_at_in(client->process->loop,
                     vt_sim_now_us(life->sim) + sim_draw_between(&client->draw, 0, 20 * SECOND_US),
                     start_client, client);
}

static void client_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    sim_client *client = vital_user(conn);
    (void)pulse;
    sim_watch_health(&client->watched, health, client->accepted);
}

static void client_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    sim_client *client = vital_user(conn);
    char text[64] = "";
    int number;
    uint64_t count = 0;
    (void)kind;
    if (!client->watched.trusted)
        return;
    memcpy(text, message.data, message.size < 63 ? message.size : 63);
    if (sscanf(text, "%d %" SCNu64, &number, &count) != 2 || number != client->number)
        sim_violate(client->watched.life, "%s hears what is not its own: %s", client->watched.name,
                    text);
    if (count <= client->echoed)
        sim_violate(client->watched.life, "echo %" PRIu64 " of %s came twice or late", count,
                    client->watched.name);
    client->echoed = count;
}

static const vital_events CLIENT = {
    .open = client_open,
    .message = client_message,
    .close = client_close,
    .health = client_health,
};

static void say_something(sim_client *client)
{
    sim_life *life = client->watched.life;
    static char text[LARGE_BYTES];
    int size = snprintf(text, sizeof text, "%d %" PRIu64 " ", client->number, client->accepted + 1);
    bool large = sim_draw_between(&client->draw, 0, 49) == 0;
    int64_t padding = sim_draw_between(&client->draw, 20 * 1000, LARGE_BYTES - 64);
    if (large && life->has[SIM_LARGE_FEATURE]) {
        memset(text + size, 'x', (size_t)padding);
        size += (int)padding;
    }
    if (vital_send(client->watched.conn, VITAL_TEXT, (vital_bytes){text, (size_t)size}) == 0) {
        client->accepted++;
        client->accepted_us = vt_sim_now_us(life->sim);
    }
}

static void talk(void *arg)
{
    sim_client *client = arg;
    sim_life *life = client->watched.life;
    if (client->watched.conn == NULL || client->left_us != INT64_MAX || life->ending)
        return;
    say_something(client);
    vt_sim_at_in(client->process->loop,
                 vt_sim_now_us(life->sim) + sim_draw_between(&client->draw, 1, 120) * SECOND_US,
                 talk, client);
}

static bool talks(const sim_client *client)
{
    return !client->watched.life->options->quiet && client->watched.trusted;
}

static void start_client(void *arg)
{
    sim_client *client = arg;
    sim_life *life = client->watched.life;
    if (life->ending || client->watched.conn != NULL)
        return;
    client->left_us = INT64_MAX;
    client->retry_us = client->tries_awake_us = INT64_MIN;
    client->backoffs = 0;
    client->away_us = vt_sim_now_us(life->sim);
    vital_connect_options options = {
        .url = client->url,
        .events = CLIENT,
        .user = client,
        .heartbeat = {.kind = client->watched.text ? VITAL_BEAT_TEXT : VITAL_BEAT_PING,
                      .interval_ms = (int)life->options->interval_ms},
        .limits = {.message_ms = 3600 * 1000},
    };
    int error = vital_connect(&client->watched.conn, client->process->loop, &options);
    if (error == VITAL_ENOMEM && sim_recent(life, client->process->scarce_us, SECOND_US)) {
        vt_sim_at_in(client->process->loop, client->process->scarce_us + SECOND_US, start_client,
                     client);
        return;
    }
    if (error != 0)
        sim_violate(life, "%s could not begin: %s", client->watched.name,
                    vital_loop_problem(client->process->loop));
    else if (talks(client))
        talk(client);
}

/* With a last word, which is to go before the goodbye. */
static void leave(sim_client *client, uint16_t code, const char *reason)
{
    if (client->watched.conn == NULL || client->left_us != INT64_MAX)
        return;
    if (talks(client))
        say_something(client);
    client->left_us = vt_sim_now_us(client->watched.life->sim);
    sim_note(client->watched.life, client->watched.name, "closes %u", (unsigned)code);
    vital_close(client->watched.conn, code, reason);
}

void sim_leave(void *client)
{
    leave(client, 1001, "for now");
}

/* --------------------------------------------------------------------- server */

static void server_open(vital_conn *conn, bool resumed)
{
    sim_life *life = vital_user(conn);
    sim_member *member = sim_obtain(sizeof *member);
    (void)resumed;
    *member = (sim_member){.watched = {.life = life, .conn = conn}};
    member->watched.process = &life->server_process;
    member->watched.end = VT_SIM_SERVER;
    snprintf(member->watched.name, sizeof member->watched.name, "server/%" PRIu64, ++life->members);
    vital_set_user(conn, member);
    sim_watch_open(&member->watched);
    sim_watch_rate(life);
    const sim_host *from = member->watched.path->hosts[VT_SIM_CLIENT];
    member->watched.proxied = from == &life->net.hosts[PROXY_HOST];
    member->watched.trusted = from != &life->net.hosts[ROGUE_HOST];
}

/* A message says whose it is. */
static sim_client *sender_of(sim_life *life, vital_bytes message, uint64_t *count)
{
    char text[64] = "";
    int number = -1;
    memcpy(text, message.data, message.size < 63 ? message.size : 63);
    if (sscanf(text, "%d %" SCNu64, &number, count) == 2 && number >= 0 &&
        number < life->options->clients)
        return &life->clients[number];
    sim_violate(life, "a message that nobody sent: %s", text);
    return NULL;
}

static void server_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    sim_member *member = vital_user(conn);
    sim_life *life = member->watched.life;
    uint64_t count = 0;
    if (!member->watched.trusted)
        return;
    sim_client *client = sender_of(life, message, &count);
    if (client == NULL)
        return;
    sim_note(life, member->watched.name, "message %" PRIu64 " of client/%d", count, client->number);
    take_message(client, count);
    if (count % 4 == 0)
        vital_send(conn, kind, message);
    if (life->busy_us == 0)
        return;
    vt_sim_busy(life->server_process.loop, life->busy_us);
    if (life->server_process.disturbed_us < vt_sim_now_us(life->sim))
        life->server_process.disturbed_us = vt_sim_now_us(life->sim);
    life->busy_us = 0;
}

static void server_close(vital_conn *conn, const vital_verdict *verdict)
{
    sim_life *life = vital_user(conn);
    if (!verdict->final)
        sim_violate(life, "a server's verdict that is not final");
    if (verdict->open_ms < 0) { /* never open: a refused or unfinished request */
        sim_note(life, "server", "%s  %s", vital_cause_name(verdict->cause), verdict->text);
        return;
    }
    sim_member *member = vital_user(conn);
    member->watched.life->deserters += verdict->cause != VITAL_CLOSED_BY_US;
    sim_watch_verdict(&member->watched, verdict);
    sim_release(member);
}

static void server_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    sim_member *member = vital_user(conn);
    (void)pulse;
    sim_watch_health(&member->watched, health, 0);
}

void sim_forget_members(sim_life *life)
{
    vt_list *link = life->open.next;
    while (link != &life->open) {
        sim_watched *watched = VT_LIST_OWNER(link, sim_watched, link);
        link = link->next;
        if (watched->end != VT_SIM_SERVER)
            continue;
        sim_watch_forget(watched);
        sim_release(watched);
    }
}

static vt_address address_of(const char *text)
{
    vt_address address = {.size = 0};
    char host[32];
    unsigned port = 0;
    sim_must(sscanf(text, "%31[^:]:%u", host, &port) == 2 &&
             vt_address_numeric(&address, host, (uint16_t)port));
    return address;
}

void sim_start_server(void *arg)
{
    sim_life *life = arg;
    sim_process *process = &life->server_process;
    if (process->loop != NULL)
        return;
    sim_note(life, "server", "listens");
    vital_listen_options options = {
        .address = SERVER_ADDRESS,
        .events = {.open = server_open,
                   .message = server_message,
                   .close = server_close,
                   .health = server_health},
        .user = life,
        .heartbeat = {.interval_ms = (int)life->options->interval_ms},
        /* A large message over a narrow, lossy link takes its time. */
        .limits = {.connections = 4 * 1000 * 1000,
                   .opens_per_s = life->options->opens_per_s,
                   .message_ms = 3600 * 1000},
    };
    life->draining = false;
    life->opens_due_us = 0;
    sim_must(vt_sim_loop_create(&process->loop, life->sim) == 0);
    sim_net_place(&life->net, process->loop, SERVER_HOST);
    if (vital_listen(&life->server, process->loop, &options) != 0)
        sim_violate(life, "the server could not start: %s", vital_loop_problem(process->loop));
}

void sim_start_proxy(void *arg)
{
    static const int64_t LIMITS_S[] = {55, 60, 100, 240};
    sim_life *life = arg;
    sim_process *process = &life->proxy_process;
    sim_draw draw = sim_draw_of(life->options->seed, 5);
    if (process->loop != NULL)
        return;
    sim_proxy_options options = {
        .on = address_of("10.0.0.2:9001"),
        .to = address_of(SERVER_ADDRESS),
        .idle_us = LIMITS_S[sim_draw_between(&draw, 0, 3)] * SECOND_US,
        .resets = sim_draw_between(&draw, 0, 1) == 0,
    };
    sim_note(life, "proxy", "listens");
    sim_must(vt_sim_loop_create(&process->loop, life->sim) == 0);
    sim_net_place(&life->net, process->loop, PROXY_HOST);
    life->proxy = sim_proxy_create(process->loop, &options);
}

/* ------------------------------------------------------------------ a beginning */

/* Whether a feature is there, in this life: a third of the time, or always. */
static void draw_features(sim_life *life)
{
    sim_draw draw = sim_draw_of(life->options->seed, 6);
    for (int feature = 0; feature < SIM_FEATURE_COUNT; feature++) {
        bool drawn = sim_draw_between(&draw, 0, 2) == 0;
        bool usual = feature == SIM_LOSS_FEATURE || feature == SIM_LARGE_FEATURE;
        life->has[feature] = (drawn || usual) && (life->options->features >> feature & 1) != 0;
    }
}

static void make_network(sim_life *life)
{
    sim_draw draw = sim_draw_of(life->options->seed, 7);
    life->network = sim_net_template;
    life->network.owner = &life->net;
    life->sim = vt_sim_create(life->options->seed, &life->network);
    sim_net_init(&life->net, life->sim, life->options->seed);
    life->net.frame = sim_watch_frame;
    life->net.watcher = life;
    life->net.delay_us = sim_draw_between(&draw, 100, 150 * 1000);
    life->net.jitter_us = sim_draw_between(&draw, 0, 50 * 1000);
    int64_t loss = sim_draw_between(&draw, 0, 100);
    if (life->options->loss_per_mille >= 0)
        loss = life->options->loss_per_mille;
    life->net.loss_per_mille = life->has[SIM_LOSS_FEATURE] ? (int)loss : 0;
    vt_sim_name(life->sim, "server", "10.0.0.1");
    vt_sim_name(life->sim, "proxy", "10.0.0.2");
    vt_sim_name(life->sim, "rogue", "10.0.0.3");
}

static sim_process undisturbed(unsigned host)
{
    return (sim_process){
        .host = host,
        .struck_us = INT64_MIN,
        .disturbed_us = INT64_MIN,
        .scarce_us = INT64_MIN,
        .slept_us = INT64_MIN,
    };
}

/* Its link, its NAT, and how its programs read. */
static void make_host(sim_life *life, sim_process *process, unsigned host)
{
    sim_draw draw = sim_draw_of(life->options->seed, 100 + host);
    sim_host *made = &life->net.hosts[host];
    int64_t nat_s = sim_draw_between(&draw, 35, 300);
    int64_t answer = sim_draw_between(&draw, 0, 2);
    int64_t bytes_per_s = sim_draw_between(&draw, 32 * 1000, 400 * 1000);
    int64_t chop = sim_draw_between(&draw, 1, 2000);
    if (life->has[SIM_NAT_FEATURE])
        made->nat_us = nat_s * SECOND_US;
    made->answer = (sim_answer)answer;
    if (life->has[SIM_NARROW_FEATURE] && host % 2 == 0)
        made->bytes_per_s = bytes_per_s;
    *process = undisturbed(host);
    sim_must(vt_sim_loop_create(&process->loop, life->sim) == 0);
    sim_net_place(&life->net, process->loop, host);
    if (life->has[SIM_CHOP_FEATURE] && host % 2 == 1)
        vt_sim_chop(process->loop, (size_t)chop, 0);
}

static void make_rogue(sim_life *life)
{
    vt_address to = address_of(SERVER_ADDRESS);
    vt_address on = address_of("10.0.0.3:9001");
    if (!life->has[SIM_ROGUE_FEATURE])
        return;
    make_host(life, &life->rogue_process, ROGUE_HOST);
    life->rogue = sim_rogue_create(life->rogue_process.loop, life->options->seed, &to, &on);
}

static void make_clients(sim_life *life)
{
    const sim_options *options = life->options;
    life->client_count = options->clients + (life->rogue != NULL);
    life->clients = sim_obtain((size_t)life->client_count * sizeof *life->clients);
    for (int i = 0; i < life->client_count; i++) {
        sim_client *client = &life->clients[i];
        int process = i % options->processes;
        bool rogue = i == options->clients;
        bool proxied = life->has[SIM_PROXY_FEATURE] && process == options->processes - 1 && !rogue;
        *client = (sim_client){
            .watched = {.life = life,
                        .end = VT_SIM_CLIENT,
                        .proxied = proxied,
                        .trusted = !rogue,
                        .text = life->has[SIM_TEXT_FEATURE] && process == 0},
            .number = i,
            .process = &life->processes[process],
            .url = rogue     ? "ws://rogue:9001/"
                   : proxied ? "ws://proxy:9001/"
                             : "ws://server:9001/",
            .draw = sim_draw_of(options->seed, 1000 + (uint64_t)i),
            .away_us = life->start_us,
            .left_us = INT64_MAX,
            .retry_us = INT64_MIN,
            .tries_awake_us = INT64_MIN,
        };
        client->watched.process = client->process;
        snprintf(client->watched.name, sizeof client->watched.name, "client/%d", i);
        vt_sim_at_in(client->process->loop,
                     life->start_us + sim_draw_between(&client->draw, 0, 10 * SECOND_US),
                     start_client, client);
    }
}

static void begin(sim_life *life)
{
    const sim_options *options = life->options;
    life->result.hash = UINT64_C(14695981039346656037);
    life->memory_bytes = sim_memory_bytes();
    sim_memory_seed(options->seed);
    vt_list_init(&life->open);
    draw_features(life);
    make_network(life);
    life->start_us = vt_sim_now_us(life->sim);
    life->calm_us = life->start_us + options->span_us;
    sim_crowd_init(&life->crowd);
    life->last_fault_us = INT64_MIN;
    life->server_process = undisturbed(SERVER_HOST);
    life->proxy_process = undisturbed(PROXY_HOST);
    sim_start_server(life);
    if (life->has[SIM_PROXY_FEATURE])
        sim_start_proxy(life);
    make_rogue(life);
    for (int i = 0; i < options->processes; i++)
        make_host(life, &life->processes[i], FIRST_CLIENT_HOST + (unsigned)i);
    if (options->naive > 0) {
        make_host(life, &life->naive_process, NAIVE_HOST);
        vt_address to = address_of(SERVER_ADDRESS);
        life->naive = sim_naive_create(life, &to, options->naive);
    }
    make_clients(life);
    sim_schedule_faults(life);
    sim_watch_audit(life);
}

/* ----------------------------------------------------------------------- an end */

/* Everybody says goodbye. What was accepted has arrived or is excused. */
static void say_goodbye(void *client)
{
    leave(client, 1000, "the end");
}

static void end(sim_life *life)
{
    life->ending = true;
    if (life->rogue != NULL)
        sim_rogue_calm(life->rogue);
    for (int i = 0; i < life->client_count; i++)
        vt_sim_at_in(life->clients[i].process->loop, vt_sim_now_us(life->sim), say_goodbye,
                     &life->clients[i]);
    sim_naive_destroy(life->naive);
    vt_sim_run(life->sim, vt_sim_now_us(life->sim) + 90 * SECOND_US);
    sim_watch_end(life);
}

static void clean_up(sim_life *life)
{
    sim_forget_members(life);
    sim_release(life->strikes);
    sim_proxy_destroy(life->proxy);
    sim_rogue_destroy(life->rogue);
    vital_loop_destroy(life->server_process.loop);
    vital_loop_destroy(life->proxy_process.loop);
    vital_loop_destroy(life->rogue_process.loop);
    vital_loop_destroy(life->naive_process.loop);
    for (int i = 0; i < life->options->processes; i++)
        vital_loop_destroy(life->processes[i].loop);
    vt_sim_destroy(life->sim);
    for (int i = 0; i < life->client_count; i++)
        sim_release(life->clients[i].fates);
    sim_release(life->clients);
    if (sim_memory_bytes() != life->memory_bytes && life->result.violations++ == 0)
        snprintf(life->result.first_violation, SIM_PROBLEM_BYTES,
                 "%zd bytes of memory are left after the end",
                 (ssize_t)(sim_memory_bytes() - life->memory_bytes));
}

sim_result sim_live(const sim_options *options, const sim_plan *plan)
{
    sim_life *life = sim_obtain(sizeof *life);
    *life = (sim_life){.options = options, .plan = plan};
    begin(life);
    vt_sim_run(life->sim, life->calm_us + SIM_HEALED_US + SIM_LONGEST_STOP_S * SECOND_US);
    end(life);
    life->result.connections = life->net.opened;
    clean_up(life);
    sim_result result = life->result;
    sim_release(life);
    return result;
}
