/*
 * The simulated backend: processes whose sockets are ends of wires (tcp.h), and
 * whose clock is the world's, less what they have slept, plus what their own
 * callbacks take.
 *
 * Everything that is to happen is on one agenda. No address and no hash decides
 * an order anywhere.
 */
#include "loop_sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "memory.h"
#include "tcp.h"

enum {
    RECEIVE_BYTES = 64 * 1024,
    BACKLOG = 4096,
    LOOPS_MAX = 256,
    NAMES_MAX = 16,
    NAME_US = 2000,            /* what it takes to find a name */
    NAME_TIMEOUT_US = 5000000, /* or to give up */
    LIMBO_US = 5 * 1000 * 1000,
    LINGER_US = 2 * 1000 * 1000, /* a polite end waits so long for the peer's own */
};

struct vt_sim {
    sim_clockwork clockwork; /* first */
    uint64_t seed;
    struct sim_loop *loops[LOOPS_MAX]; /* in the order of their numbers */
    size_t loop_count;
    unsigned next_number;
    bool disturbed; /* any process may want something else than it did */
    bool ending;
    vt_list listeners;
    struct {
        char host[64];
        char address[64];
    } names[NAMES_MAX];
    size_t name_count;
    int64_t names_broken_us;  /* until then */
    int64_t ahead_us;         /* of the process that is running */
    struct sim_loop *running; /* it; NULL: none */
};

typedef struct sim_loop {
    vital_loop base;
    vt_sim *sim; /* set before the backend starts */
    unsigned number;
    int64_t away_us;   /* frozen or asleep until then */
    int64_t asleep_us; /* since then; INT64_MAX: awake */
    int64_t slept_us;  /* all in all, until the last waking */
    int64_t ahead_us;  /* what callbacks of this turn have taken */
    int64_t due_us;    /* when it meant to be back, by its own clock */
    int64_t late_us;   /* how late it was, all in all */
    int64_t next_us;   /* when it wants to run */
    bool in_turn;
    bool disturbed; /* next_us is to be found again */
    size_t streams;
    size_t chop_bytes;
    int64_t chop_pause_us;
    int scarce;    /* requests for memory refused, of a thousand */
    vt_list ready; /* streams with something to deliver */
    vt_list sending;
    vt_list calling; /* listeners with calls to take */
    vt_list answers; /* lookups that are answered */
    vt_list open;    /* all streams */
    uint8_t received[RECEIVE_BYTES];
} sim_loop;

typedef struct sim_stream {
    vt_stream base;
    sim_socket socket;
    bool connecting;
    bool paused;
    bool resting; /* until the pause after a read is over */
    bool ended;
    bool lingering;
    bool limbo;        /* what comes would be a mistake */
    vital_bytes bytes; /* being sent; size 0: nothing */
    size_t sent;
    bool tell_sent;
    vt_list open; /* in the loop's list of that name, as the next */
    vt_list ready;
    vt_list sending;
    vt_list waiting; /* in its listener's backlog */
    int holds;       /* the world's, beside the loop's */
    vt_grave grave;
} sim_stream;

typedef struct sim_listener {
    vt_listener base;
    vt_address address;
    vt_list link; /* in the world's */
    vt_list backlog;
    size_t backlog_count;
    vt_list calling;
    vt_grave grave;
} sim_listener;

typedef struct sim_lookup {
    vt_lookup base;
    vt_list link; /* in the loop's answers, once it has come */
    bool broken;
    uint16_t port;
    char host[64];
} sim_lookup;

static sim_loop *sim_of(vital_loop *loop)
{
    return (sim_loop *)loop;
}

/* ------------------------------------------------------------------ the world */

static sim_socket *take_call(sim_clockwork *clockwork, vt_sim_wire *wire, const vt_address *to);

vt_sim *vt_sim_create(uint64_t seed, const vt_sim_network *network)
{
    vt_sim *sim = sim_obtain(sizeof *sim);
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->clockwork.now_us = 1000000;
    sim->clockwork.ahead_us = &sim->ahead_us;
    sim->clockwork.network = network;
    sim->clockwork.accept = take_call;
    vt_list_init(&sim->listeners);
    return sim;
}

void vt_sim_destroy(vt_sim *sim)
{
    if (sim == NULL)
        return;
    /* What is still on its way belongs to nobody: let it come to its end. */
    sim->ending = true;
    while (vt_agenda_next_us(&sim->clockwork.agenda) != INT64_MAX) {
        sim->clockwork.now_us = vt_agenda_next_us(&sim->clockwork.agenda);
        vt_agenda_run_next(&sim->clockwork.agenda);
    }
    vt_agenda_finish(&sim->clockwork.agenda);
    sim_release(sim);
}

int64_t vt_sim_now_us(const vt_sim *sim)
{
    return sim->clockwork.now_us + sim->ahead_us;
}

static int64_t now_us(vital_loop *base);

int64_t vt_sim_awake_us(const vt_sim *sim)
{
    return sim->running == NULL ? vt_sim_now_us(sim)
                                : now_us(&sim->running->base) - sim->running->late_us;
}

size_t vt_sim_wires(const vt_sim *sim)
{
    return sim->clockwork.wires;
}

void vt_sim_name(vt_sim *sim, const char *host, const char *address)
{
    assert(sim->name_count < NAMES_MAX);
    strncpy(sim->names[sim->name_count].host, host, sizeof sim->names[0].host - 1);
    strncpy(sim->names[sim->name_count].address, address, sizeof sim->names[0].address - 1);
    sim->name_count++;
}

void vt_sim_break_names(vt_sim *sim, int64_t until_us)
{
    sim->names_broken_us = until_us;
}

/* Somebody's code is called, which may ask any process for anything. */
struct appointment {
    vt_sim *sim;
    unsigned number; /* of the process in which it runs; UINT_MAX: in none */
    void (*run)(void *arg);
    void *arg;
};

/* The machine is awake again: its clock has missed the time that it slept. */
static void wake_up(sim_loop *loop)
{
    int64_t now_us = loop->sim->clockwork.now_us;
    if (loop->asleep_us == INT64_MAX)
        return;
    loop->slept_us += (now_us < loop->away_us ? now_us : loop->away_us) - loop->asleep_us;
    loop->asleep_us = INT64_MAX;
    loop->disturbed = true;
}

/* What its callbacks took has passed before it runs again. */
static void end_turn(sim_loop *loop)
{
    if (loop->ahead_us > 0)
        loop->away_us = loop->sim->clockwork.now_us + loop->ahead_us;
    loop->ahead_us = loop->sim->ahead_us = 0;
}

/* NULL: it is gone. */
static sim_loop *find_loop(const vt_sim *sim, unsigned number)
{
    for (size_t i = 0; i < sim->loop_count; i++) {
        if (sim->loops[i]->number == number)
            return sim->loops[i];
    }
    return NULL;
}

static void keep_appointment(void *arg)
{
    struct appointment *appointment = arg;
    vt_sim *sim = appointment->sim;
    if (sim->ending) {
        sim_release(appointment);
        return;
    }
    sim_loop *loop = NULL;
    if (appointment->number != UINT32_MAX) {
        loop = find_loop(sim, appointment->number);
        if (loop == NULL) {
            sim_release(appointment);
            return;
        }
        if (loop->away_us > sim->clockwork.now_us) {
            vt_agenda_add(&sim->clockwork.agenda, loop->away_us, keep_appointment, appointment);
            return;
        }
        wake_up(loop);
    }
    sim->disturbed = true;
    if (loop != NULL)
        sim_memory_scarce(loop->scarce);
    sim->running = loop;
    appointment->run(appointment->arg);
    sim->running = NULL;
    sim_memory_scarce(0);
    if (loop != NULL)
        end_turn(loop);
    sim_release(appointment);
}

static void appoint(vt_sim *sim, unsigned number, int64_t at_us, void (*run)(void *), void *arg)
{
    struct appointment *appointment = sim_obtain(sizeof *appointment);
    *appointment = (struct appointment){sim, number, run, arg};
    if (at_us < sim->clockwork.now_us)
        at_us = sim->clockwork.now_us;
    vt_agenda_add(&sim->clockwork.agenda, at_us, keep_appointment, appointment);
}

void vt_sim_at(vt_sim *sim, int64_t at_us, void (*run)(void *arg), void *arg)
{
    appoint(sim, UINT32_MAX, at_us, run, arg);
}

void vt_sim_at_in(vital_loop *loop, int64_t at_us, void (*run)(void *arg), void *arg)
{
    appoint(sim_of(loop)->sim, sim_of(loop)->number, at_us, run, arg);
}

/* When a process wants to run next. */
static int64_t loop_time_us(vt_sim *sim, sim_loop *loop)
{
    int64_t now_us = sim->clockwork.now_us;
    if (loop->disturbed || sim->disturbed) {
        loop->disturbed = false;
        loop->next_us = vt_loop_next_us(&loop->base);
        if (loop->next_us != 0 && loop->next_us != INT64_MAX)
            loop->next_us += loop->slept_us;
        if (loop->asleep_us != INT64_MAX && loop->next_us != INT64_MAX)
            loop->next_us += loop->away_us - loop->asleep_us;
        if (loop->next_us < loop->away_us)
            loop->next_us = loop->away_us;
    }
    return loop->next_us < now_us ? now_us : loop->next_us;
}

/* Written anew on purpose: the account in loop.c is what is being tested. */
static void count_lateness(sim_loop *loop, int64_t late_us)
{
    enum { NOTICEABLE_US = 50 * 1000, LONG_US = 5 * 1000 * 1000 };
    if (late_us >= NOTICEABLE_US)
        loop->late_us += late_us > LONG_US ? late_us + LONG_US : late_us;
}

static void step(sim_loop *loop)
{
    wake_up(loop);
    if (loop->due_us != INT64_MAX)
        count_lateness(loop, now_us(&loop->base) - loop->due_us);
    loop->sim->running = loop;
    loop->in_turn = true;
    sim_memory_scarce(loop->scarce);
    vital_loop_step(&loop->base, 0);
    sim_memory_scarce(0);
    loop->in_turn = false;
    loop->sim->running = NULL;
    loop->due_us = vt_wheel_next_us(&loop->base.wheel);
    if (loop->due_us < now_us(&loop->base))
        loop->due_us = now_us(&loop->base);
    loop->disturbed = true;
    end_turn(loop);
}

void vt_sim_run(vt_sim *sim, int64_t until_us)
{
    for (;;) {
        sim_loop *next = NULL;
        int64_t at_us = vt_agenda_next_us(&sim->clockwork.agenda);
        for (size_t i = 0; i < sim->loop_count; i++) {
            int64_t loop_us = loop_time_us(sim, sim->loops[i]);
            if (loop_us < at_us) {
                at_us = loop_us;
                next = sim->loops[i];
            }
        }
        sim->disturbed = false;
        if (at_us > until_us)
            break;
        sim->clockwork.now_us = at_us;
        if (next != NULL)
            step(next);
        else
            vt_agenda_run_next(&sim->clockwork.agenda);
    }
    if (sim->clockwork.now_us < until_us)
        sim->clockwork.now_us = until_us;
}

/* ----------------------------------------------------------------- a process */

static int start(vital_loop *base, void *world)
{
    sim_loop *loop = sim_of(base);
    vt_sim *sim = world;
    if (sim->loop_count == LOOPS_MAX) {
        errno = EMFILE;
        return -1;
    }
    loop->sim = sim;
    loop->number = sim->next_number++;
    loop->asleep_us = INT64_MAX;
    loop->due_us = INT64_MAX;
    loop->disturbed = true;
    vt_list_init(&loop->ready);
    vt_list_init(&loop->sending);
    vt_list_init(&loop->calling);
    vt_list_init(&loop->answers);
    vt_list_init(&loop->open);
    sim->loops[sim->loop_count++] = loop;
    return 0;
}

static void close_socket(sim_stream *stream, bool reset);

static void finish(vital_loop *base)
{
    sim_loop *loop = sim_of(base);
    while (!vt_list_empty(&loop->open))
        close_socket(VT_LIST_OWNER(loop->open.next, sim_stream, open), false);
    vt_sim *sim = loop->sim;
    size_t at = 0;
    while (sim->loops[at] != loop)
        at++;
    sim->loop_count--;
    memmove(sim->loops + at, sim->loops + at + 1, (sim->loop_count - at) * sizeof sim->loops[0]);
}

static int64_t now_us(vital_loop *base)
{
    const sim_loop *loop = sim_of(base);
    return loop->sim->clockwork.now_us - loop->slept_us + loop->ahead_us;
}

/* Each process has entropy of its own, so that what one draws moves no other. */
static int seed(vital_loop *base, uint8_t out[VT_RANDOM_SEED_BYTES])
{
    const sim_loop *loop = sim_of(base);
    uint64_t words[] = {loop->sim->seed, loop->number + 1};
    memset(out, 0, VT_RANDOM_SEED_BYTES);
    memcpy(out, words, sizeof words);
    return 0;
}

static int no_fd(const vital_loop *base)
{
    (void)base;
    return -1;
}

static bool busy(vital_loop *base)
{
    const sim_loop *loop = sim_of(base);
    return !vt_list_empty(&loop->ready) || !vt_list_empty(&loop->sending) ||
           !vt_list_empty(&loop->calling) || !vt_list_empty(&loop->answers);
}

static void wake(vital_loop *base)
{
    sim_of(base)->disturbed = true;
}

static const vt_backend SIM;

int vt_sim_loop_create(vital_loop **out, vt_sim *sim)
{
    return vt_loop_create(out, &SIM, sim);
}

unsigned vt_sim_number(const vital_loop *loop)
{
    return ((const sim_loop *)loop)->number;
}

size_t vt_sim_streams(const vital_loop *loop)
{
    return ((const sim_loop *)loop)->streams;
}

void vt_sim_freeze(vital_loop *loop, int64_t until_us)
{
    sim_loop *frozen = sim_of(loop);
    if (frozen->away_us < until_us)
        frozen->away_us = until_us;
    frozen->disturbed = true;
}

void vt_sim_sleep(vital_loop *loop, int64_t until_us)
{
    sim_loop *sleeper = sim_of(loop);
    if (sleeper->asleep_us == INT64_MAX)
        sleeper->asleep_us = sleeper->sim->clockwork.now_us;
    vt_sim_freeze(loop, until_us);
}

void vt_sim_busy(vital_loop *loop, int64_t time_us)
{
    sim_loop *busy = sim_of(loop);
    busy->ahead_us += time_us;
    busy->sim->ahead_us += time_us;
    if (busy->in_turn)
        count_lateness(busy, time_us);
}

void vt_sim_crash(vital_loop *base)
{
    sim_loop *loop = sim_of(base);
    for (vt_list *link = loop->open.next; link != &loop->open; link = link->next) {
        sim_stream *stream = VT_LIST_OWNER(link, sim_stream, open);
        if (stream->socket.wire != NULL)
            sim_tcp_vanish(&stream->socket);
    }
}

void vt_sim_scarce(vital_loop *loop, int of_thousand)
{
    sim_of(loop)->scarce = of_thousand;
}

void vt_sim_chop(vital_loop *loop, size_t most_bytes, int64_t pause_us)
{
    sim_of(loop)->chop_bytes = most_bytes;
    sim_of(loop)->chop_pause_us = pause_us;
}

/* -------------------------------------------------------------------- streams */

static void want_delivery(sim_stream *stream)
{
    sim_loop *loop = sim_of(stream->base.loop);
    const sim_socket *socket = &stream->socket;
    bool news = stream->connecting && (socket->connected || socket->error != 0);
    bool bytes = !stream->connecting && !stream->paused && !stream->resting && !stream->ended &&
                 socket->wire != NULL && sim_tcp_readable(socket);
    if (stream->tell_sent || news || bytes) {
        vt_list_append(&loop->ready, &stream->ready);
        loop->disturbed = true;
    }
}

static void changed(sim_socket *socket)
{
    sim_stream *stream = VT_LIST_OWNER(socket, sim_stream, socket);
    sim_loop *loop = sim_of(stream->base.loop);
    want_delivery(stream);
    if (stream->bytes.size > 0 && !stream->tell_sent && !socket->blocked) {
        vt_list_append(&loop->sending, &stream->sending);
        loop->disturbed = true;
    }
}

static sim_stream *new_stream(sim_loop *loop)
{
    sim_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    stream->base.loop = &loop->base;
    stream->socket.changed = changed;
    vt_list_init(&stream->open);
    vt_list_init(&stream->ready);
    vt_list_init(&stream->sending);
    vt_list_init(&stream->waiting);
    vt_list_append(&loop->open, &stream->open);
    loop->streams++;
    return stream;
}

static void bury_stream(vt_grave *grave)
{
    sim_stream *stream = VT_LIST_OWNER(grave, sim_stream, grave);
    if (stream->holds == 0)
        free(stream);
    else
        stream->base.loop = NULL; /* the last hold frees it */
}

static void tell_left(const sim_stream *stream)
{
    const vt_sim_network *network = sim_of(stream->base.loop)->sim->clockwork.network;
    if (network->left != NULL && stream->socket.wire != NULL)
        network->left(network->owner, sim_tcp_path(&stream->socket), stream->socket.end,
                      stream->socket.unread_bytes);
}

static void close_socket(sim_stream *stream, bool reset)
{
    sim_loop *loop = sim_of(stream->base.loop);
    if (stream->socket.wire != NULL)
        sim_tcp_close(&stream->socket, reset);
    vt_list_remove(&stream->open);
    vt_list_remove(&stream->ready);
    vt_list_remove(&stream->sending);
    vt_list_remove(&stream->waiting);
    loop->streams--;
    vt_loop_bury(&loop->base, &stream->grave, bury_stream);
}

/* A time of the world at which something is to be done to a stream, which may
 * be gone by then. */
static void hold(sim_stream *stream, int64_t after_us, void (*run)(void *arg))
{
    vt_sim *sim = sim_of(stream->base.loop)->sim;
    stream->holds++;
    vt_agenda_add(&sim->clockwork.agenda, sim->clockwork.now_us + after_us, run, stream);
}

/* False if the stream was gone. */
static bool release_hold(sim_stream *stream)
{
    stream->holds--;
    if (stream->base.loop != NULL)
        return true;
    if (stream->holds == 0)
        free(stream);
    return false;
}

static vt_stream *stream_connect(vital_loop *base, const vt_address *from, const vt_address *to)
{
    (void)from; /* a process of the simulation has one address */
    sim_loop *loop = sim_of(base);
    sim_stream *stream = new_stream(loop);
    if (stream == NULL)
        return NULL;
    stream->connecting = true;
    sim_tcp_connect(&stream->socket, &loop->sim->clockwork, base, to);
    return &stream->base;
}

static void stream_send(vt_stream *base, vital_bytes bytes)
{
    sim_stream *stream = (sim_stream *)base;
    assert(stream->bytes.size == 0 && bytes.size > 0);
    stream->bytes = bytes;
    stream->sent = 0;
    if (!stream->socket.blocked)
        vt_list_append(&sim_of(base->loop)->sending, &stream->sending);
}

/* As much as the kernel takes; whoever watches sees it. */
static size_t write_some(sim_stream *stream, vital_bytes bytes)
{
    const vt_sim_network *network = sim_of(stream->base.loop)->sim->clockwork.network;
    size_t taken = sim_tcp_write(&stream->socket, bytes.data, bytes.size);
    if (network->wrote != NULL)
        network->wrote(network->owner, sim_tcp_path(&stream->socket), stream->socket.end,
                       (vital_bytes){bytes.data, taken}, taken == bytes.size);
    return taken;
}

static void send_some(sim_stream *stream)
{
    const sim_loop *loop = sim_of(stream->base.loop);
    vital_bytes left = {(const uint8_t *)stream->bytes.data + stream->sent,
                        stream->bytes.size - stream->sent};
    if (stream->socket.error != 0) { /* told as EPIPE is: after what is unread */
        stream->tell_sent = true;
        want_delivery(stream);
        return;
    }
    if (loop->chop_bytes > 0 && left.size > loop->chop_bytes)
        left.size = loop->chop_bytes;
    stream->sent += write_some(stream, left);
    stream->tell_sent = stream->sent == stream->bytes.size;
    if (stream->tell_sent)
        want_delivery(stream);
    else if (!stream->socket.blocked)
        vt_list_append(&sim_of(stream->base.loop)->sending, &stream->sending);
}

static void submit(vital_loop *base)
{
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &sim_of(base)->sending);
    while ((link = vt_list_take(&ready)) != NULL)
        send_some(VT_LIST_OWNER(link, sim_stream, sending));
}

static void end_rest(void *arg)
{
    sim_stream *stream = arg;
    if (!release_hold(stream))
        return;
    stream->resting = false;
    want_delivery(stream);
}

static void deliver_bytes(sim_stream *stream, size_t size)
{
    sim_loop *loop = sim_of(stream->base.loop);
    const vt_sim_network *network = loop->sim->clockwork.network;
    if (network->read != NULL)
        network->read(network->owner, sim_tcp_path(&stream->socket), stream->socket.end);
    if (loop->chop_pause_us > 0) {
        stream->resting = true;
        hold(stream, loop->chop_pause_us, end_rest);
    }
    stream->base.events->received(stream->base.owner, loop->received, size, 0);
}

/* One buffer's worth a turn, so that no peer starves another. */
static void deliver(sim_stream *stream)
{
    sim_loop *loop = sim_of(stream->base.loop);
    const vt_stream_events *events = stream->base.events;
    size_t most = loop->chop_bytes > 0 ? loop->chop_bytes : RECEIVE_BYTES;
    size_t size;
    if (stream->lingering) {
        sim_read outcome = sim_tcp_read(&stream->socket, loop->received, RECEIVE_BYTES, &size);
        loop->base.stats.mistakes += stream->limbo && outcome == SIM_READ_BYTES;
        stream->limbo = stream->limbo && outcome != SIM_READ_BYTES;
        if (outcome > SIM_READ_BYTES)
            close_socket(stream, false);
        return;
    }
    switch (sim_tcp_read(&stream->socket, loop->received, most, &size)) {
    case SIM_READ_NOTHING:
        break;
    case SIM_READ_BYTES:
        deliver_bytes(stream, size);
        break;
    case SIM_READ_END:
        stream->ended = true;
        events->received(stream->base.owner, loop->received, 0, 0);
        break;
    case SIM_READ_ERROR:
        stream->ended = true;
        events->received(stream->base.owner, loop->received, 0, (int)size);
        break;
    }
}

static void deliver_connected(sim_stream *stream)
{
    int error = stream->socket.error;
    stream->connecting = false;
    stream->ended = error != 0;
    stream->base.events->connected(stream->base.owner, error);
}

static void deliver_sent(sim_stream *stream)
{
    const vt_sim_network *network = sim_of(stream->base.loop)->sim->clockwork.network;
    size_t size = stream->sent;
    if (network->told != NULL && stream->socket.wire != NULL)
        network->told(network->owner, sim_tcp_path(&stream->socket), stream->socket.end);
    stream->tell_sent = false;
    stream->bytes.size = 0;
    stream->base.events->sent(stream->base.owner, size, stream->socket.error != 0 ? EPIPE : 0);
}

/* Between each call the stream may be closed: it is buried only later. */
static void serve(sim_stream *stream)
{
    if (stream->connecting) {
        deliver_connected(stream);
    } else {
        if (stream->tell_sent)
            deliver_sent(stream);
        bool mine = stream->base.events != NULL || stream->lingering;
        if (mine && !stream->paused && !stream->resting && !stream->ended &&
            sim_tcp_readable(&stream->socket))
            deliver(stream);
    }
    if (stream->base.events != NULL || (stream->lingering && stream->socket.wire != NULL))
        want_delivery(stream);
}

static void accept_calls(sim_listener *listener)
{
    vt_list *link;
    while ((link = vt_list_take(&listener->backlog)) != NULL) {
        sim_stream *stream = VT_LIST_OWNER(link, sim_stream, waiting);
        vt_address caller = {.size = sizeof caller.in, .in = {.sin_family = AF_INET}};
        const vt_sim_network *network = sim_of(listener->base.loop)->sim->clockwork.network;
        if (network->caller != NULL && stream->socket.wire != NULL)
            network->caller(network->owner, sim_tcp_path(&stream->socket), &caller);
        listener->backlog_count--;
        listener->base.accepted(listener->base.owner, &stream->base, &caller);
        if (stream->base.events != NULL)
            want_delivery(stream);
        if (listener->base.accepted == NULL)
            break; /* closed by its owner */
    }
}

static void tell_name(sim_lookup *lookup)
{
    const vt_sim *sim = sim_of(lookup->base.loop)->sim;
    vt_found *found = lookup->base.found;
    vt_address address;
    size_t count = 0;
    for (size_t i = 0; i < sim->name_count && count == 0 && !lookup->broken; i++) {
        if (strcmp(sim->names[i].host, lookup->host) == 0)
            count = vt_address_numeric(&address, sim->names[i].address, lookup->port);
    }
    const char *problem = lookup->broken ? "Timeout while contacting DNS servers"
                                         : "Domain name not found";
    if (found != NULL)
        found(lookup->base.owner, &address, count, count == 0 ? problem : "");
    sim_release(lookup);
}

static int wait(vital_loop *base, int64_t until_us)
{
    (void)until_us; /* the world steps a process when it is time */
    sim_loop *loop = sim_of(base);
    vt_list ready, *link;
    vt_loop_woke(base);
    vt_list_init(&ready);
    vt_list_move(&ready, &loop->calling);
    while ((link = vt_list_take(&ready)) != NULL)
        accept_calls(VT_LIST_OWNER(link, sim_listener, calling));
    while ((link = vt_list_take(&loop->answers)) != NULL)
        tell_name(VT_LIST_OWNER(link, sim_lookup, link));
    vt_list_move(&ready, &loop->ready);
    while ((link = vt_list_take(&ready)) != NULL)
        serve(VT_LIST_OWNER(link, sim_stream, ready));
    return 0;
}

static void stream_pause(vt_stream *base, bool pause)
{
    sim_stream *stream = (sim_stream *)base;
    stream->paused = pause;
    vt_list_remove(&stream->ready);
    want_delivery(stream);
}

static void stream_poll(vt_stream *base)
{
    sim_stream *stream = (sim_stream *)base;
    if (!stream->connecting && !stream->paused && !stream->ended &&
        sim_tcp_readable(&stream->socket))
        deliver(stream);
}

static void end_linger(void *arg)
{
    sim_stream *stream = arg;
    if (release_hold(stream) && stream->socket.wire != NULL)
        close_socket(stream, false);
}

static void stream_close(vt_stream *base, vt_stream_end how, vital_bytes farewell)
{
    sim_stream *stream = (sim_stream *)base;
    bool in_flight = stream->bytes.size > 0 && !stream->tell_sent;
    bool live = !stream->connecting && !stream->ended;
    tell_left(stream);
    stream->bytes.size = 0;
    stream->tell_sent = false;
    vt_list_remove(&stream->ready);
    vt_list_remove(&stream->sending);
    if (how == VT_END_ABRUPT || !live) {
        close_socket(stream, how == VT_END_ABRUPT);
        return;
    }
    if (farewell.size > 0 && !in_flight && stream->socket.error == 0)
        write_some(stream, farewell);
    sim_tcp_shut(&stream->socket);
    stream->lingering = true;
    stream->paused = stream->resting = false;
    stream->limbo = how == VT_END_LIMBO;
    hold(stream, stream->limbo ? LIMBO_US : LINGER_US, end_linger);
    want_delivery(stream);
}

void *vt_sim_stream_path(vt_stream *stream)
{
    return sim_tcp_path(&((sim_stream *)stream)->socket);
}

static bool stream_info(vt_stream *base, vital_evidence *out)
{
    sim_tcp_info(&((sim_stream *)base)->socket, out);
    return true;
}

/* ------------------------------------------------------------------ listeners */

static sim_listener *find_listener(const vt_sim *sim, const vt_address *to)
{
    for (vt_list *link = sim->listeners.next; link != &sim->listeners; link = link->next) {
        sim_listener *listener = VT_LIST_OWNER(link, sim_listener, link);
        if (listener->address.size == to->size &&
            memcmp(&listener->address.any, &to->any, to->size) == 0)
            return listener;
    }
    return NULL;
}

/* A call reaches the server's host, whose kernel takes it for the process. */
static sim_socket *take_call(sim_clockwork *clockwork, vt_sim_wire *wire, const vt_address *to)
{
    sim_listener *listener = find_listener((vt_sim *)clockwork, to);
    if (listener == NULL || listener->backlog_count == BACKLOG)
        return NULL;
    sim_loop *loop = sim_of(listener->base.loop);
    sim_stream *stream = new_stream(loop);
    if (stream == NULL)
        return NULL;
    sim_socket_attach(&stream->socket, wire, VT_SIM_SERVER);
    vt_list_append(&listener->backlog, &stream->waiting);
    listener->backlog_count++;
    vt_list_append(&loop->calling, &listener->calling);
    loop->disturbed = true;
    return &stream->socket;
}

static vt_listener *stream_listen(vital_loop *base, const vt_address *on, bool share_port,
                                  vt_address *bound)
{
    vt_sim *sim = sim_of(base)->sim;
    (void)share_port;
    if (find_listener(sim, on) != NULL) {
        errno = EADDRINUSE;
        return NULL;
    }
    sim_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->base.loop = base;
    listener->address = *on;
    *bound = *on;
    vt_list_init(&listener->link);
    vt_list_init(&listener->backlog);
    vt_list_init(&listener->calling);
    vt_list_append(&sim->listeners, &listener->link);
    return &listener->base;
}

static void bury_listener(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, sim_listener, grave));
}

static void stream_unlisten(vt_listener *base)
{
    sim_listener *listener = (sim_listener *)base;
    vt_list *link;
    listener->base.accepted = NULL;
    while ((link = vt_list_take(&listener->backlog)) != NULL)
        close_socket(VT_LIST_OWNER(link, sim_stream, waiting), true);
    vt_list_remove(&listener->link);
    vt_list_remove(&listener->calling);
    vt_loop_bury(base->loop, &listener->grave, bury_listener);
}

/* ---------------------------------------------------------------------- names */

/* The answer has come: the process hears of it when it runs. */
static void answer_name(void *arg)
{
    sim_lookup *lookup = arg;
    if (lookup->base.found == NULL) { /* cancelled, and perhaps its process is gone */
        sim_release(lookup);
        return;
    }
    sim_loop *loop = sim_of(lookup->base.loop);
    vt_list_append(&loop->answers, &lookup->link);
    loop->disturbed = true;
}

static vt_lookup *start_lookup(vital_loop *base, const char *host, uint16_t port)
{
    vt_sim *sim = sim_of(base)->sim;
    sim_lookup *lookup = sim_obtain(sizeof *lookup);
    *lookup = (sim_lookup){
        .base = {.loop = base},
        .broken = sim->clockwork.now_us < sim->names_broken_us,
        .port = port,
    };
    vt_list_init(&lookup->link);
    strncpy(lookup->host, host, sizeof lookup->host - 1);
    int64_t after_us = lookup->broken ? NAME_TIMEOUT_US : NAME_US;
    vt_agenda_add(&sim->clockwork.agenda, sim->clockwork.now_us + after_us, answer_name, lookup);
    return &lookup->base;
}

/* Nobody is told: found is NULL. */
static void cancel(vt_lookup *base)
{
    sim_lookup *lookup = (sim_lookup *)base;
    if (vt_list_empty(&lookup->link))
        return; /* on the agenda still */
    vt_list_remove(&lookup->link);
    sim_release(lookup);
}

static const vt_backend SIM = {
    .name = "sim",
    .size = sizeof(sim_loop),
    .start = start,
    .finish = finish,
    .now_us = now_us,
    .seed = seed,
    .fd = no_fd,
    .wait = wait,
    .submit = submit,
    .busy = busy,
    .wake = wake,
    .connect = stream_connect,
    .send = stream_send,
    .pause = stream_pause,
    .poll = stream_poll,
    .info = stream_info,
    .close = stream_close,
    .listen = stream_listen,
    .unlisten = stream_unlisten,
    .lookup = start_lookup,
    .cancel = cancel,
};
