/*
 * The simulated backend. TCP is modelled as far as an application can tell:
 * bytes arrive in order or not at all, a send that nobody reads fills a window
 * and blocks, an end and a reset arrive like data, and a closed socket answers
 * what still comes with a reset.
 *
 * Everything that is to happen is on one agenda. No address and no hash decides
 * an order anywhere.
 */
#include "loop_sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agenda.h"
#include "backend.h"

enum {
    WINDOW_BYTES = 64 * 1024, /* on the way and unread, in one direction */
    LOOPS_MAX = 256,
    NAMES_MAX = 16,
    NAME_US = 2000, /* what it takes to find a name */
};

struct vt_sim {
    int64_t now_us;
    uint64_t seed;
    vt_random random;
    const vt_sim_network *network;
    vt_agenda agenda;
    struct sim_loop *loops[LOOPS_MAX]; /* by number; NULL: gone */
    size_t loop_count;
    vt_list listeners;
    struct {
        char host[64];
        char address[64];
    } names[NAMES_MAX];
    size_t name_count;
};

typedef struct sim_loop {
    vital_loop base;
    vt_sim *sim; /* set before the backend starts */
    size_t number;
    int64_t frozen_us; /* until then */
    vt_list ready;     /* completions to deliver */
    vt_list sending;
    uint8_t received[WINDOW_BYTES];
} sim_loop;

typedef struct sim_stream sim_stream;

/* One direction of a wire, towards `to`. */
struct way {
    sim_stream *to;  /* NULL: closed there */
    int64_t last_us; /* nothing arrives before this */
    size_t filled;   /* bytes that have left and are not read */
    bool lost;       /* something did not arrive: nothing after it does */
};

struct vt_sim_wire {
    vt_sim *sim;
    void *user;
    struct way ways[2]; /* by vt_sim_direction */
    int users;          /* open ends, and what is on its way */
};

/* Something on its way along a wire. */
typedef enum cargo_kind { CALL, ANSWER, REFUSAL, DATA, END, RESET } cargo_kind;

struct cargo {
    vt_sim_wire *wire;
    vt_sim_direction direction;
    cargo_kind kind;
    vt_address to; /* CALL */
    size_t size;
    uint8_t data[];
};

/* What has come and was not yet delivered to the owner. */
struct arrival {
    vt_list link;
    cargo_kind kind;
    size_t size;
    size_t taken;
    uint8_t data[];
};

struct sim_stream {
    vt_stream base;
    vt_sim_wire *wire; /* NULL: the world has let go of it */
    vt_sim_direction sends;
    bool paused;
    bool ended;
    bool blocked;
    vital_bytes bytes; /* being sent */
    size_t sent;       /* of those, and not yet told */
    bool tell_sent;
    vt_list arrivals;
    vt_list ready; /* in the loop's list of that name */
    vt_list sending;
    vt_grave grave;
};

typedef struct sim_listener {
    vt_listener base;
    vt_address address;
    vt_list link; /* in the world's */
    vt_grave grave;
} sim_listener;

typedef struct sim_lookup {
    vt_lookup base;
    bool told;
    uint16_t port;
    char host[64];
} sim_lookup;

static sim_loop *sim_of(vital_loop *loop)
{
    return (sim_loop *)loop;
}

/* ------------------------------------------------------------------ the world */

bool vt_sim_at(vt_sim *sim, int64_t at_us, void (*run)(void *arg), void *arg)
{
    return vt_agenda_add(&sim->agenda, at_us < sim->now_us ? sim->now_us : at_us, run, arg);
}

vt_sim *vt_sim_create(uint64_t seed, const vt_sim_network *network)
{
    vt_sim *sim = calloc(1, sizeof *sim);
    uint8_t bytes[VT_RANDOM_SEED_BYTES] = {0};
    memcpy(bytes, &seed, sizeof seed);
    if (sim == NULL || vt_random_init(&sim->random, bytes) != 0) {
        free(sim);
        return NULL;
    }
    sim->seed = seed;
    sim->now_us = 1000000;
    sim->network = network;
    vt_list_init(&sim->listeners);
    return sim;
}

void vt_sim_destroy(vt_sim *sim)
{
    if (sim == NULL)
        return;
    /* What is still on its way belongs to nobody: let it arrive there. */
    while (vt_agenda_next_us(&sim->agenda) != INT64_MAX)
        vt_agenda_run_next(&sim->agenda);
    vt_random_finish(&sim->random);
    vt_agenda_finish(&sim->agenda);
    free(sim);
}

int64_t vt_sim_now_us(const vt_sim *sim)
{
    return sim->now_us;
}

static void fill(void *random, void *out, size_t size)
{
    vt_random_fill(random, out, size);
}

vital_entropy vt_sim_entropy(vt_sim *sim)
{
    return (vital_entropy){fill, &sim->random};
}

void vt_sim_name(vt_sim *sim, const char *host, const char *address)
{
    assert(sim->name_count < NAMES_MAX);
    strncpy(sim->names[sim->name_count].host, host, sizeof sim->names[0].host - 1);
    strncpy(sim->names[sim->name_count].address, address, sizeof sim->names[0].address - 1);
    sim->name_count++;
}

/* When a process wants to run next. */
static int64_t loop_time_us(const vt_sim *sim, sim_loop *loop)
{
    int64_t at_us = vt_loop_next_us(&loop->base);
    if (at_us < sim->now_us)
        at_us = sim->now_us;
    return at_us < loop->frozen_us ? loop->frozen_us : at_us;
}

void vt_sim_run(vt_sim *sim, int64_t until_us)
{
    for (;;) {
        sim_loop *next = NULL;
        int64_t at_us = vt_agenda_next_us(&sim->agenda);
        for (size_t i = 0; i < sim->loop_count; i++) {
            if (sim->loops[i] == NULL)
                continue;
            int64_t loop_us = loop_time_us(sim, sim->loops[i]);
            if (loop_us < at_us) {
                at_us = loop_us;
                next = sim->loops[i];
            }
        }
        if (at_us > until_us)
            break;
        sim->now_us = at_us;
        if (next != NULL)
            vital_loop_step(&next->base, 0);
        else
            vt_agenda_run_next(&sim->agenda);
    }
    if (sim->now_us < until_us)
        sim->now_us = until_us;
}

/* ----------------------------------------------------------------- a process */

static void want_delivery(sim_stream *stream)
{
    bool something = stream->tell_sent || (!stream->paused && !vt_list_empty(&stream->arrivals));
    if (something && stream->base.events != NULL)
        vt_list_append(&sim_of(stream->base.loop)->ready, &stream->ready);
}

static int start(vital_loop *base, void *world)
{
    sim_loop *loop = sim_of(base);
    vt_sim *sim = world;
    if (sim->loop_count == LOOPS_MAX) {
        errno = EMFILE;
        return -1;
    }
    loop->sim = sim;
    loop->number = sim->loop_count;
    vt_list_init(&loop->ready);
    vt_list_init(&loop->sending);
    sim->loops[sim->loop_count++] = loop;
    return 0;
}

static void finish(vital_loop *base)
{
    sim_loop *loop = sim_of(base);
    loop->sim->loops[loop->number] = NULL;
}

static int64_t now_us(vital_loop *base)
{
    return sim_of(base)->sim->now_us;
}

/* Each process has entropy of its own, so that what one draws moves no other. */
static int seed(vital_loop *base, uint8_t out[VT_RANDOM_SEED_BYTES])
{
    sim_loop *loop = sim_of(base);
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
    sim_loop *loop = sim_of(base);
    return !vt_list_empty(&loop->ready) || !vt_list_empty(&loop->sending);
}

static void wake(vital_loop *base)
{
    (void)base; /* the world looks at every process before it goes on */
}

static const vt_backend SIM;

int vt_sim_loop_create(vital_loop **out, vt_sim *sim)
{
    return vt_loop_create(out, &SIM, sim);
}

void vt_sim_freeze(vital_loop *loop, int64_t until_us)
{
    sim_of(loop)->frozen_us = until_us;
}

/* ---------------------------------------------------------------------- wires */

static void let_go(vt_sim_wire *wire)
{
    if (--wire->users > 0)
        return;
    wire->sim->network->close(wire->sim->network->owner, wire->user);
    free(wire);
}

static struct way *way_from(const sim_stream *stream)
{
    return &stream->wire->ways[stream->sends];
}

static struct way *way_to(const sim_stream *stream)
{
    return &stream->wire->ways[1 - stream->sends];
}

static void arrive(void *arg);

/* Puts something on its way; it is lost if there is no memory, as it may be. */
static void dispatch(vt_sim_wire *wire, vt_sim_direction direction, struct cargo *cargo,
                     int64_t at_us)
{
    struct way *way = &wire->ways[direction];
    if (cargo == NULL)
        return;
    if (at_us == VT_SIM_NEVER)
        way->lost = true;
    if (way->lost) {
        free(cargo);
        return;
    }
    if (at_us < way->last_us)
        at_us = way->last_us;
    way->last_us = at_us;
    cargo->wire = wire;
    cargo->direction = direction;
    wire->users++;
    if (!vt_sim_at(wire->sim, at_us, arrive, cargo)) {
        wire->users--;
        free(cargo);
    }
}

static struct cargo *new_cargo(cargo_kind kind, const void *data, size_t size)
{
    struct cargo *cargo = calloc(1, sizeof *cargo + size);
    if (cargo == NULL)
        return NULL;
    cargo->kind = kind;
    cargo->size = size;
    if (size > 0)
        memcpy(cargo->data, data, size);
    return cargo;
}

static void send_cargo(vt_sim_wire *wire, vt_sim_direction direction, cargo_kind kind,
                       const void *data, size_t size)
{
    const vt_sim_network *network = wire->sim->network;
    dispatch(wire, direction, new_cargo(kind, data, size),
             network->carry(network->owner, wire->user, direction, size));
}

static void put_arrival(sim_stream *stream, cargo_kind kind, const void *data, size_t size)
{
    struct arrival *arrival = malloc(sizeof *arrival + size);
    if (arrival == NULL)
        return;
    *arrival = (struct arrival){.kind = kind, .size = size};
    if (size > 0)
        memcpy(arrival->data, data, size);
    vt_list_init(&arrival->link);
    vt_list_append(&stream->arrivals, &arrival->link);
    want_delivery(stream);
}

static sim_stream *new_stream(sim_loop *loop, vt_sim_wire *wire, vt_sim_direction sends)
{
    sim_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->base.loop = &loop->base;
    stream->wire = wire;
    stream->sends = sends;
    vt_list_init(&stream->arrivals);
    vt_list_init(&stream->ready);
    vt_list_init(&stream->sending);
    wire->ways[1 - sends].to = stream;
    wire->users++;
    return stream;
}

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

/* A call reaches the server's host. */
static void take_call(struct cargo *call)
{
    vt_sim_wire *wire = call->wire;
    sim_listener *listener = find_listener(wire->sim, &call->to);
    sim_stream *stream = listener == NULL
                             ? NULL
                             : new_stream(sim_of(listener->base.loop), wire, VT_SIM_TO_CLIENT);
    if (stream == NULL) {
        send_cargo(wire, VT_SIM_TO_CLIENT, REFUSAL, NULL, 0);
        return;
    }
    send_cargo(wire, VT_SIM_TO_CLIENT, ANSWER, NULL, 0);
    vt_address nobody = {.size = sizeof nobody.in, .in = {.sin_family = AF_INET}};
    listener->base.accepted(listener->base.owner, &stream->base, &nobody);
}

/* The end of the road of one cargo. */
static void arrive(void *arg)
{
    struct cargo *cargo = arg;
    vt_sim_wire *wire = cargo->wire;
    struct way *way = &wire->ways[cargo->direction];
    if (cargo->kind == CALL)
        take_call(cargo);
    else if (way->to != NULL)
        put_arrival(way->to, cargo->kind, cargo->data, cargo->size);
    else if (cargo->kind == DATA) /* nobody reads here any more */
        send_cargo(wire, (vt_sim_direction)(1 - cargo->direction), RESET, NULL, 0);
    free(cargo);
    let_go(wire);
}

void vt_sim_wire_reset(vt_sim_wire *wire)
{
    for (int direction = 0; direction < 2; direction++) {
        struct way *way = &wire->ways[direction];
        if (way->to != NULL)
            put_arrival(way->to, RESET, NULL, 0);
        way->lost = true;
    }
}

/* -------------------------------------------------------------------- streams */

static vt_stream *stream_connect(vital_loop *base, const vt_address *to)
{
    sim_loop *loop = sim_of(base);
    const vt_sim_network *network = loop->sim->network;
    vt_sim_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        return NULL;
    wire->sim = loop->sim;
    sim_stream *stream = new_stream(loop, wire, VT_SIM_TO_SERVER);
    struct cargo *call = new_cargo(CALL, NULL, 0);
    if (stream == NULL || call == NULL) {
        free(stream);
        free(call);
        free(wire);
        errno = ENOMEM;
        return NULL;
    }
    int64_t arrives_us = VT_SIM_NEVER;
    wire->user = network->open(network->owner, wire, &arrives_us);
    call->to = *to;
    dispatch(wire, VT_SIM_TO_SERVER, call, arrives_us);
    return &stream->base;
}

static void stream_send(vt_stream *base, vital_bytes bytes)
{
    sim_stream *stream = (sim_stream *)base;
    assert(stream->bytes.size == 0 && bytes.size > 0);
    stream->bytes = bytes;
    stream->sent = 0;
    vt_list_append(&sim_of(base->loop)->sending, &stream->sending);
}

static void send_some(sim_stream *stream)
{
    struct way *way = way_from(stream);
    size_t room = WINDOW_BYTES - way->filled;
    size_t size = stream->bytes.size - stream->sent;
    if (size > room)
        size = room;
    stream->blocked = size < stream->bytes.size - stream->sent;
    if (size > 0) {
        way->filled += size;
        send_cargo(stream->wire, stream->sends, DATA,
                   (const uint8_t *)stream->bytes.data + stream->sent, size);
        stream->sent += size;
    }
    if (stream->sent == stream->bytes.size) {
        stream->tell_sent = true;
        want_delivery(stream);
    }
}

static void submit(vital_loop *base)
{
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &sim_of(base)->sending);
    while ((link = vt_list_take(&ready)) != NULL)
        send_some(VT_LIST_OWNER(link, sim_stream, sending));
}

/* The peer has read: who waited for room goes on. */
static void make_room(sim_stream *stream, size_t size)
{
    struct way *way = way_to(stream);
    way->filled -= size;
    sim_stream *peer = stream->wire->ways[stream->sends].to;
    if (peer != NULL && peer->blocked && peer->bytes.size > 0)
        vt_list_append(&sim_of(peer->base.loop)->sending, &peer->sending);
}

static void deliver_arrival(sim_stream *stream, const struct arrival *arrival)
{
    const vt_stream_events *events = stream->base.events;
    uint8_t *lent = sim_of(stream->base.loop)->received;
    switch (arrival->kind) {
    case ANSWER:
        events->connected(stream->base.owner, 0);
        break;
    case REFUSAL:
        stream->ended = true;
        events->connected(stream->base.owner, ECONNREFUSED);
        break;
    case DATA:
        memcpy(lent, arrival->data, arrival->size);
        make_room(stream, arrival->size);
        events->received(stream->base.owner, lent, arrival->size, 0);
        break;
    case END:
    case RESET:
        stream->ended = true;
        events->received(stream->base.owner, lent, 0, arrival->kind == END ? 0 : ECONNRESET);
        break;
    case CALL:
        break;
    }
}

/* One arrival a turn, so that no peer starves another. */
static void deliver(sim_stream *stream)
{
    if (stream->tell_sent) {
        size_t size = stream->sent;
        stream->tell_sent = false;
        stream->bytes.size = 0;
        stream->base.events->sent(stream->base.owner, size, 0);
    }
    if (stream->base.events == NULL || stream->paused || stream->ended)
        return;
    vt_list *link = vt_list_take(&stream->arrivals);
    if (link == NULL)
        return;
    struct arrival *arrival = VT_LIST_OWNER(link, struct arrival, link);
    deliver_arrival(stream, arrival);
    free(arrival);
    want_delivery(stream);
}

static int wait(vital_loop *base, int64_t until_us)
{
    (void)until_us; /* the world steps a process when it is time */
    vt_list ready, *link;
    vt_loop_woke(base);
    vt_list_init(&ready);
    vt_list_move(&ready, &sim_of(base)->ready);
    while ((link = vt_list_take(&ready)) != NULL)
        deliver(VT_LIST_OWNER(link, sim_stream, ready));
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
    while (stream->base.events != NULL && !stream->paused && !stream->ended &&
           !vt_list_empty(&stream->arrivals))
        deliver(stream);
}

static void bury_stream(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, sim_stream, grave));
}

static void stream_close(vt_stream *base, vt_stream_end how, vital_bytes farewell)
{
    sim_stream *stream = (sim_stream *)base;
    bool in_flight = stream->bytes.size > 0 && stream->sent < stream->bytes.size;
    if (!stream->ended) {
        if (how == VT_END_POLITE && farewell.size > 0 && !in_flight)
            send_cargo(stream->wire, stream->sends, DATA, farewell.data, farewell.size);
        send_cargo(stream->wire, stream->sends, how == VT_END_POLITE ? END : RESET, NULL, 0);
    }
    vt_list *link;
    while ((link = vt_list_take(&stream->arrivals)) != NULL)
        free(VT_LIST_OWNER(link, struct arrival, link));
    vt_list_remove(&stream->ready);
    vt_list_remove(&stream->sending);
    way_to(stream)->to = NULL;
    let_go(stream->wire);
    stream->wire = NULL;
    vt_loop_bury(base->loop, &stream->grave, bury_stream);
}

/* ------------------------------------------------------------------ listeners */

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
    vt_list_remove(&listener->link);
    vt_loop_bury(base->loop, &listener->grave, bury_listener);
}

/* ---------------------------------------------------------------------- names */

static void tell_name(void *arg)
{
    sim_lookup *lookup = arg;
    vt_found *found = lookup->base.found;
    if (found != NULL) {
        const vt_sim *sim = sim_of(lookup->base.loop)->sim;
        vt_address address;
        size_t count = 0;
        for (size_t i = 0; i < sim->name_count && count == 0; i++) {
            if (strcmp(sim->names[i].host, lookup->host) == 0)
                count = vt_address_numeric(&address, sim->names[i].address, lookup->port);
        }
        lookup->base.found = NULL;
        found(lookup->base.owner, &address, count, count == 0 ? "Domain name not found" : "");
    }
    free(lookup);
}

static vt_lookup *start_lookup(vital_loop *base, const char *host, uint16_t port)
{
    vt_sim *sim = sim_of(base)->sim;
    sim_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    lookup->base.loop = base;
    lookup->port = port;
    strncpy(lookup->host, host, sizeof lookup->host - 1);
    if (!vt_sim_at(sim, sim->now_us + NAME_US, tell_name, lookup)) {
        free(lookup);
        return NULL;
    }
    return &lookup->base;
}

static void cancel(vt_lookup *lookup)
{
    (void)lookup; /* nobody is told: found is NULL */
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
    .close = stream_close,
    .listen = stream_listen,
    .unlisten = stream_unlisten,
    .lookup = start_lookup,
    .cancel = cancel,
};
