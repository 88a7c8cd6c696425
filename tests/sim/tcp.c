/*
 * See tcp.h. A direction of a wire is a `way`: a sender's half (what is written,
 * transmitted, acknowledged; one retransmission timer) and a receiver's half
 * (what has come in order, what is read, the window).
 *
 *   sequence of a way:   0 ... acked ... received ... sent ... written
 *                              \_ on its way, or its ack is _/    \_ unsent
 *
 * Timing as Linux does it: RTO = SRTT + max(4 RTTVAR, 200 ms), 1 s before the
 * first round trip is known; the last segment is sent once more before retransmissions
 * are counted; of little data the first six are not doubled, all others are, up to
 * 120 s; then ETIMEDOUT (tcp(7), tcp_retries2), sooner if nobody owns the socket any
 * more (tcp_orphan_retries); calls after 1, 3, 7, 15, 31, 63 s.
 */
#include "tcp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "memory.h"

enum {
    WINDOW_BYTES = 64 * 1024,
    UNSENT_BYTES = 32 * 1024, /* what the kernel takes beyond the window */
    SEGMENT_BYTES = 16 * 1024,
    PACKET_BYTES = 1448, /* in which a kernel counts */
    ACKS_MOST = 8,
    CALLS_MOST = 7,
    FIRST_RTO_US = 1000 * 1000,
    LEAST_SPREAD_US = 200 * 1000,
    THIN_PACKETS = 4, /* fewer are a thin stream */
    THIN_RETRIES = 6,
    LONGEST_RTO_US = 120 * 1000 * 1000,
};

/* Linux counts retries (tcp_retries2: 15, tcp_orphan_retries: 8), but in the time that
 * so many would take from 200 ms on if each were doubled. */
static const int64_t GIVE_UP_US = INT64_C(924600) * 1000, ORPHAN_GIVE_UP_US = 102200 * 1000;

struct sim_segment {
    sim_segment *next;
    struct way *way;
    uint64_t first;  /* the sequence number of its first byte */
    int64_t sent_us; /* last */
    size_t size;     /* of the data; an end has none, and counts one */
    uint16_t flights;
    bool end;
    bool again;    /* was transmitted more than once */
    bool arrived;  /* and perhaps waits for earlier ones */
    bool released; /* nobody but flights knows it any more */
    uint8_t data[];
};

/* An acknowledgement on its way to the sender, or there. */
struct ack {
    int64_t at_us;
    uint64_t received;
    uint64_t edge;   /* the sequence up to which the receiver has room */
    int64_t sent_us; /* when what it acknowledges was sent; -1: it was sent twice */
};

struct way {
    vt_sim_wire *wire;
    vt_sim_end from;
    bool failed; /* given up, or reset: nothing goes any more */

    /* the sender */
    uint64_t written, sent, acked, edge;
    sim_segment *first, *last; /* not received in order yet */
    sim_segment *unsent;
    struct ack acks[ACKS_MOST]; /* by time */
    size_t ack_count;
    int64_t sent_us, acked_us; /* -1: never */
    int64_t srtt_us, rttvar_us;
    uint32_t retransmits, probes;
    int64_t trying_us;  /* since when it retransmits or probes */
    uint64_t tail_sent; /* of which the tail loss probe (RFC 8985 7) was the last */
    int reported;       /* errno of a router; 0: none */
    int64_t timer_us;   /* INT64_MAX: off */
    int timer_events;   /* on the agenda */

    /* the receiver */
    uint64_t received, read, advertised;
    int64_t last_us;  /* no earlier segment arrives before a later one */
    int64_t heard_us; /* -1: never */
    bool mending;     /* a retransmission of the first segment is asked for */
};

struct vt_sim_wire {
    sim_clockwork *world;
    void *path;
    vt_address to;
    sim_socket *ends[2];
    struct way ways[2]; /* by who sends */
    bool accepted;
    int calls;
    int64_t called_us; /* last */
    int users;         /* ends, and what is on the agenda */
};

/* Something without data on its way. */
struct packet {
    vt_sim_wire *wire;
    vt_sim_end to;
    int error; /* RESET, UNREACHABLE */
};

static struct way *way_from(const sim_socket *socket)
{
    return &socket->wire->ways[socket->end];
}

static struct way *way_to(const sim_socket *socket)
{
    return &socket->wire->ways[vt_sim_other(socket->end)];
}

static int64_t now_us(const struct way *way)
{
    const sim_clockwork *world = way->wire->world;
    return world->now_us + *world->ahead_us;
}

static uint64_t length(const sim_segment *segment)
{
    return segment->size + segment->end;
}

/* ------------------------------------------------------------------ lifetimes */

static void free_segment(sim_segment *segment)
{
    segment->released = true;
    if (segment->flights == 0)
        sim_release(segment);
}

static void free_segments(sim_segment *segment)
{
    while (segment != NULL) {
        sim_segment *next = segment->next;
        free_segment(segment);
        segment = next;
    }
}

static void clear_way(struct way *way)
{
    free_segments(way->first);
    way->first = way->last = way->unsent = NULL;
    way->timer_us = INT64_MAX;
    way->failed = true;
}

static void let_go(vt_sim_wire *wire)
{
    if (--wire->users > 0)
        return;
    clear_way(&wire->ways[0]);
    clear_way(&wire->ways[1]);
    wire->world->wires--;
    wire->world->network->close(wire->world->network->owner, wire->path);
    sim_release(wire);
}

static void at(vt_sim_wire *wire, int64_t at_us, void (*run)(void *arg), void *arg)
{
    wire->users++;
    if (at_us < wire->world->now_us)
        at_us = wire->world->now_us;
    vt_agenda_add(&wire->world->agenda, at_us, run, arg);
}

static void tell(sim_socket *socket)
{
    if (socket != NULL)
        socket->changed(socket);
}

/* Whether that end's kernel still knows the connection. */
static bool is_there(const vt_sim_wire *wire, vt_sim_end end)
{
    return wire->ends[end] != NULL && wire->ends[end]->error == 0;
}

/* The connection is over for that end, whatever it was doing. The other will hear of
 * it when it next says something. */
static void fail_end(vt_sim_wire *wire, vt_sim_end end, int error)
{
    clear_way(&wire->ways[end]);
    sim_socket *socket = wire->ends[end];
    if (socket == NULL || socket->error != 0)
        return;
    socket->error = error;
    tell(socket);
}

static vt_sim_fate carry(vt_sim_wire *wire, vt_sim_end from, size_t size)
{
    const vt_sim_network *network = wire->world->network;
    return network->carry(network->owner, wire->path, from, size);
}

static bool passes(const vt_sim_wire *wire, vt_sim_end from)
{
    const vt_sim_network *network = wire->world->network;
    return network->passes(network->owner, wire->path, from);
}

/* ------------------------------------------------------------ resets and their like */

static void take_error(void *arg)
{
    struct packet *packet = arg;
    vt_sim_wire *wire = packet->wire;
    fail_end(wire, packet->to, packet->error);
    sim_release(packet);
    let_go(wire);
}

static void send_error(vt_sim_wire *wire, vt_sim_end to, int error, int64_t at_us)
{
    struct packet *packet = sim_obtain(sizeof *packet);
    *packet = (struct packet){.wire = wire, .to = to, .error = error};
    at(wire, at_us, take_error, packet);
}

static void send_reset(vt_sim_wire *wire, vt_sim_end from)
{
    vt_sim_fate fate = carry(wire, from, 0);
    if (fate.outcome == VT_SIM_ARRIVES)
        send_error(wire, vt_sim_other(from), ECONNRESET, fate.at_us);
}

void vt_sim_wire_reset(vt_sim_wire *wire)
{
    wire->users++; /* an end may close the other on hearing of it */
    fail_end(wire, VT_SIM_CLIENT, ECONNRESET);
    fail_end(wire, VT_SIM_SERVER, ECONNRESET);
    let_go(wire);
}

bool vt_sim_wire_open(const vt_sim_wire *wire, vt_sim_end end)
{
    return wire->ends[end] != NULL;
}

/* ---------------------------------------------------------- acknowledgements */

static int64_t rto_us(const struct way *way)
{
    int64_t rto = FIRST_RTO_US;
    if (way->srtt_us >= 0) {
        int64_t spread = 4 * way->rttvar_us;
        rto = way->srtt_us + (spread > LEAST_SPREAD_US ? spread : LEAST_SPREAD_US);
    }
    /* Little data is sent again at a steady pace at first. */
    bool thin = way->sent - way->acked < THIN_PACKETS * PACKET_BYTES;
    uint32_t doublings = way->retransmits + way->probes;
    if (thin && way->probes == 0)
        doublings = doublings > THIN_RETRIES ? doublings - THIN_RETRIES : 0;
    for (uint32_t i = 0; i < doublings && rto < LONGEST_RTO_US; i++)
        rto *= 2;
    return rto < LONGEST_RTO_US ? rto : LONGEST_RTO_US;
}

static void measure(struct way *way, int64_t rtt_us)
{
    if (way->srtt_us < 0) {
        way->srtt_us = rtt_us;
        way->rttvar_us = rtt_us / 2;
        return;
    }
    int64_t error_us = rtt_us > way->srtt_us ? rtt_us - way->srtt_us : way->srtt_us - rtt_us;
    way->rttvar_us += (error_us - way->rttvar_us) / 4;
    way->srtt_us += (rtt_us - way->srtt_us) / 8;
}

static void on_timer(void *arg);

static void arm(struct way *way, int64_t at_us)
{
    if (way->failed || at_us >= way->timer_us)
        return;
    way->timer_us = at_us < now_us(way) ? now_us(way) : at_us;
    way->timer_events++;
    at(way->wire, way->timer_us, on_timer, way);
}

/* What has been acknowledged by now. */
static void settle(struct way *way)
{
    size_t done = 0;
    bool advanced = false;
    for (; done < way->ack_count && way->acks[done].at_us <= now_us(way); done++) {
        const struct ack *ack = &way->acks[done];
        way->acked_us = ack->at_us;
        if (ack->edge > way->edge)
            way->edge = ack->edge;
        way->probes = 0;
        if (ack->received <= way->acked)
            continue;
        way->acked = ack->received;
        way->retransmits = 0;
        way->reported = 0;
        advanced = true;
        if (ack->sent_us >= 0)
            measure(way, ack->at_us - ack->sent_us);
    }
    if (done == 0)
        return;
    way->ack_count -= done;
    memmove(way->acks, way->acks + done, way->ack_count * sizeof way->acks[0]);
    /* RFC 6298 5.3: the timer begins anew, if it runs at all. */
    if (advanced && way->timer_us != INT64_MAX && way->acked < way->sent)
        arm(way, way->acked_us + rto_us(way));
}

static bool somebody_waits(const struct way *way)
{
    const sim_socket *sender = way->wire->ends[way->from];
    return way->unsent != NULL || (sender != NULL && sender->blocked);
}

static void push_out(struct way *way);

static void on_ack(void *arg)
{
    struct way *way = arg;
    push_out(way);
    let_go(way->wire);
}

static void advertise(struct way *way)
{
    uint64_t edge = way->read + WINDOW_BYTES;
    if (edge > way->advertised)
        way->advertised = edge;
}

/* What the receiver has, and has advertised, is to be known at `at_us`. */
static void put_ack(struct way *way, int64_t at_us, int64_t sent_us)
{
    if (way->ack_count == ACKS_MOST)
        way->ack_count--;
    /* One may overtake what a busy process will only send later. */
    size_t place = way->ack_count++;
    for (; place > 0 && way->acks[place - 1].at_us > at_us; place--)
        way->acks[place] = way->acks[place - 1];
    way->acks[place] = (struct ack){at_us, way->received, way->advertised, sent_us};
    if (somebody_waits(way) || way->timer_us != INT64_MAX)
        at(way->wire, at_us, on_ack, way);
}

/* The receiver says it. Several that follow each other closely count as the last of
 * them. */
static void acknowledge(struct way *way, int64_t sent_us)
{
    vt_sim_fate fate = carry(way->wire, vt_sim_other(way->from), 0);
    advertise(way);
    if (fate.outcome == VT_SIM_ARRIVES)
        put_ack(way, fate.at_us, sent_us);
    else
        arm(way, (way->sent_us > now_us(way) ? way->sent_us : now_us(way)) + rto_us(way));
}

/* Data says it too, of what comes the other way. */
static void acknowledge_with_data(struct way *way, int64_t at_us)
{
    advertise(way);
    if (way->received > way->acked || way->advertised > way->edge)
        put_ack(way, at_us, -1);
}

/* ------------------------------------------------------------------- segments */

static void segment_arrives(void *arg);

static void transmit(struct way *way, sim_segment *segment)
{
    vt_sim_wire *wire = way->wire;
    vt_sim_fate fate = carry(wire, way->from, segment->size);
    segment->again = segment->sent_us >= 0;
    segment->sent_us = way->sent_us = now_us(way);
    if (fate.outcome == VT_SIM_RESET)
        send_error(wire, way->from, ECONNRESET, fate.at_us);
    if (fate.outcome == VT_SIM_UNREACHABLE)
        way->reported = EHOSTUNREACH;
    if (fate.outcome != VT_SIM_ARRIVES) {
        arm(way, now_us(way) + rto_us(way));
        return;
    }
    if (!segment->again) {
        if (fate.at_us < way->last_us)
            fate.at_us = way->last_us;
        way->last_us = fate.at_us;
    }
    segment->flights++;
    at(wire, fate.at_us, segment_arrives, segment);
    acknowledge_with_data(&wire->ways[vt_sim_other(way->from)], fate.at_us);
}

static void put_arrival(sim_socket *socket, sim_segment *segment)
{
    segment->next = NULL;
    if (socket->last != NULL)
        socket->last->next = segment;
    else
        socket->first = segment;
    socket->last = segment;
    socket->unread_bytes += segment->size;
}

/* What has come in order goes to the socket. */
static void take_in_order(struct way *way, sim_socket *socket)
{
    while (way->first != NULL && way->first->arrived) {
        sim_segment *segment = way->first;
        way->first = segment->next;
        if (way->first == NULL)
            way->last = NULL;
        way->received += length(segment);
        put_arrival(socket, segment);
    }
    way->mending = false;
}

static void mend(void *arg)
{
    struct way *way = arg;
    if (way->mending && way->first != NULL && !way->first->arrived && way->first != way->unsent)
        transmit(way, way->first);
    let_go(way->wire);
}

/* The first segment that is missing is not on its way: the sender hears of it, and
 * sends it again (RFC 6582, RFC 6675). */
static void ask_for_first(struct way *way)
{
    vt_sim_fate fate = carry(way->wire, vt_sim_other(way->from), 0);
    if (way->mending || fate.outcome != VT_SIM_ARRIVES)
        return; /* the timer will do it */
    way->mending = true;
    at(way->wire, fate.at_us + (way->srtt_us > 0 ? way->srtt_us / 4 : 0), mend, way);
}

static void segment_arrives(void *arg)
{
    sim_segment *segment = arg;
    struct way *way = segment->way;
    vt_sim_wire *wire = way->wire;
    sim_socket *socket = wire->ends[vt_sim_other(way->from)];
    segment->flights--;
    if (!passes(wire, way->from)) {
        if (!segment->released)
            arm(way, segment->sent_us + rto_us(way));
    } else if (!is_there(wire, vt_sim_other(way->from))) {
        if (segment->size > 0) {
            send_reset(wire, vt_sim_other(way->from));
            arm(way, segment->sent_us + rto_us(way)); /* for who does not hear of it */
        } else if (!way->failed && !segment->arrived) {
            way->received = segment->first + length(segment);
            acknowledge(way, -1);
        }
    } else if (!segment->released && !segment->arrived && !way->failed) {
        bool in_order = way->first == segment;
        segment->arrived = true;
        way->heard_us = now_us(way);
        if (in_order)
            take_in_order(way, socket);
        /* A gap, or what follows the one that is closed now. */
        if (way->first != NULL && way->first != way->unsent && way->first->flights == 0)
            ask_for_first(way);
        acknowledge(way, segment->again ? -1 : segment->sent_us);
        if (in_order)
            tell(socket);
    } else if (!way->failed) {
        acknowledge(way, -1); /* it is here already */
    }
    if (segment->released && segment->flights == 0)
        sim_release(segment);
    let_go(wire);
}

/* Sends what the window takes, and lets a writer go on. */
static void push_out(struct way *way)
{
    settle(way);
    while (way->unsent != NULL && way->unsent->first < way->edge) {
        sim_segment *segment = way->unsent;
        way->unsent = segment->next;
        way->sent += length(segment);
        transmit(way, segment);
    }
    if (way->unsent != NULL && way->sent == way->acked)
        arm(way, now_us(way) + rto_us(way)); /* the window is shut: ask now and then */
    sim_socket *sender = way->wire->ends[way->from];
    if (sender != NULL && sender->blocked && way->written - way->sent < UNSENT_BYTES / 2) {
        sender->blocked = false;
        tell(sender);
    }
}

/* ---------------------------------------------------------- the timer of a way */

/* A packet without data, to which the receiver answers with what it has. */
static void probe_arrives(void *arg)
{
    struct way *way = arg;
    vt_sim_wire *wire = way->wire;
    if (passes(wire, way->from)) {
        if (!is_there(wire, vt_sim_other(way->from)))
            send_reset(wire, vt_sim_other(way->from));
        else
            acknowledge(way, -1);
    }
    if (way->ack_count > 0 && !way->failed)
        at(wire, way->acks[way->ack_count - 1].at_us, on_ack, way);
    let_go(wire);
}

static void probe(struct way *way)
{
    vt_sim_fate fate = carry(way->wire, way->from, 0);
    if (fate.outcome == VT_SIM_RESET)
        send_error(way->wire, way->from, ECONNRESET, fate.at_us);
    if (fate.outcome == VT_SIM_ARRIVES)
        at(way->wire, fate.at_us, probe_arrives, way);
}

static void fire_timer(struct way *way)
{
    settle(way);
    way->timer_us = INT64_MAX;
    bool in_flight = way->acked < way->sent;
    if (way->failed || (!in_flight && way->unsent == NULL))
        return;
    if (!in_flight)
        way->probes++;
    else if (way->tail_sent == way->sent || way->sent - way->acked > SEGMENT_BYTES)
        way->retransmits++;
    else
        way->tail_sent = way->sent; /* the last is sent once more before that counts */
    bool orphan = way->wire->ends[way->from] == NULL;
    if (way->retransmits + way->probes <= 1)
        way->trying_us = now_us(way);
    else if (now_us(way) - way->trying_us >= (orphan ? ORPHAN_GIVE_UP_US : GIVE_UP_US)) {
        fail_end(way->wire, way->from, ETIMEDOUT);
        return;
    }
    if (in_flight && way->first != NULL && way->first != way->unsent && !way->first->arrived)
        transmit(way, way->first);
    else
        probe(way);
    arm(way, now_us(way) + rto_us(way));
}

static void on_timer(void *arg)
{
    struct way *way = arg;
    way->timer_events--;
    if (way->timer_us <= now_us(way)) {
        fire_timer(way);
    } else if (way->timer_us != INT64_MAX && way->timer_events == 0) {
        way->timer_events++;
        at(way->wire, way->timer_us, on_timer, way);
    }
    let_go(way->wire);
}

/* -------------------------------------------------------------------- calling */

void sim_socket_attach(sim_socket *socket, vt_sim_wire *wire, vt_sim_end end)
{
    socket->wire = wire;
    socket->end = end;
    wire->ends[end] = socket;
    wire->users++;
}

static void answer_arrives(void *arg)
{
    vt_sim_wire *wire = arg;
    sim_socket *socket = wire->ends[VT_SIM_CLIENT];
    if (socket != NULL && !socket->connected && socket->error == 0 && passes(wire, VT_SIM_SERVER)) {
        socket->connected = true;
        if (wire->calls == 1) { /* each kernel has measured it on its own */
            measure(&wire->ways[VT_SIM_CLIENT], wire->world->now_us - wire->called_us);
            measure(&wire->ways[VT_SIM_SERVER], wire->world->now_us - wire->called_us);
        }
        tell(socket);
    }
    let_go(wire);
}

static void call_arrives(void *arg)
{
    vt_sim_wire *wire = arg;
    if (!passes(wire, VT_SIM_CLIENT) || wire->ends[VT_SIM_CLIENT] == NULL) {
        let_go(wire);
        return;
    }
    if (!wire->accepted) {
        sim_socket *socket = wire->world->accept(wire->world, wire, &wire->to);
        wire->accepted = socket != NULL;
        if (socket != NULL)
            socket->connected = true;
    }
    vt_sim_fate fate = carry(wire, VT_SIM_SERVER, 0);
    if (fate.outcome == VT_SIM_ARRIVES && wire->accepted)
        at(wire, fate.at_us, answer_arrives, wire);
    else if (fate.outcome == VT_SIM_ARRIVES)
        send_error(wire, VT_SIM_CLIENT, ECONNREFUSED, fate.at_us);
    let_go(wire);
}

static void call(void *arg)
{
    static const int64_t WAIT_US = 1000 * 1000;
    vt_sim_wire *wire = arg;
    const sim_socket *socket = wire->ends[VT_SIM_CLIENT];
    if (socket != NULL && !socket->connected && socket->error == 0) {
        vt_sim_fate fate = carry(wire, VT_SIM_CLIENT, 0);
        wire->called_us = wire->world->now_us;
        if (fate.outcome == VT_SIM_ARRIVES)
            at(wire, fate.at_us, call_arrives, wire);
        if (fate.outcome == VT_SIM_RESET)
            send_error(wire, VT_SIM_CLIENT, ECONNREFUSED, fate.at_us);
        if (fate.outcome == VT_SIM_UNREACHABLE)
            send_error(wire, VT_SIM_CLIENT, EHOSTUNREACH, fate.at_us);
        if (wire->calls++ < CALLS_MOST)
            at(wire, wire->world->now_us + (WAIT_US << (wire->calls - 1)), call, wire);
        else
            send_error(wire, VT_SIM_CLIENT, ETIMEDOUT, wire->world->now_us);
    }
    let_go(wire);
}

void sim_tcp_connect(sim_socket *socket, sim_clockwork *world, vital_loop *from,
                     const vt_address *to)
{
    vt_sim_wire *wire = sim_obtain(sizeof *wire);
    *wire = (vt_sim_wire){.world = world, .to = *to};
    for (int end = 0; end < 2; end++) {
        wire->ways[end] = (struct way){
            .wire = wire,
            .from = (vt_sim_end)end,
            .edge = WINDOW_BYTES,
            .advertised = WINDOW_BYTES,
            .sent_us = -1,
            .acked_us = -1,
            .srtt_us = -1,
            .timer_us = INT64_MAX,
            .heard_us = -1,
        };
    }
    world->wires++;
    wire->path = world->network->open(world->network->owner, wire, from, to);
    sim_socket_attach(socket, wire, VT_SIM_CLIENT);
    at(wire, world->now_us, call, wire);
}

/* ------------------------------------------------------------------ a socket's end */

static void append(struct way *way, const void *data, size_t size, bool end)
{
    sim_segment *segment = sim_obtain(sizeof *segment + size);
    *segment = (sim_segment){
        .way = way,
        .first = way->written,
        .sent_us = -1,
        .size = size,
        .end = end,
    };
    if (size > 0)
        memcpy(segment->data, data, size);
    if (way->last != NULL)
        way->last->next = segment;
    else
        way->first = segment;
    way->last = segment;
    if (way->unsent == NULL)
        way->unsent = segment;
    way->written += length(segment);
}

size_t sim_tcp_write(sim_socket *socket, const void *data, size_t size)
{
    struct way *way = way_from(socket);
    settle(way);
    uint64_t room = UNSENT_BYTES - (way->written - way->sent);
    if (way->written - way->sent >= UNSENT_BYTES)
        room = 0;
    if (way->edge > way->sent)
        room += way->edge - way->sent;
    size_t taken = size < room ? size : (size_t)room;
    for (size_t at = 0; at < taken && !way->failed; at += SEGMENT_BYTES) {
        size_t part = taken - at < SEGMENT_BYTES ? taken - at : SEGMENT_BYTES;
        append(way, (const uint8_t *)data + at, part, false);
    }
    push_out(way);
    socket->blocked = taken < size && !way->failed;
    if (socket->blocked && way->ack_count > 0)
        at(way->wire, way->acks[0].at_us, on_ack, way);
    return taken;
}

bool sim_tcp_readable(const sim_socket *socket)
{
    return socket->first != NULL || socket->error != 0;
}

/* The window opens as the application reads; a sender that waits for it is told. */
static void open_window(struct way *way, size_t size)
{
    way->read += size;
    if (!way->failed && somebody_waits(way) &&
        way->read + WINDOW_BYTES - way->advertised >= WINDOW_BYTES / 4)
        acknowledge(way, -1);
}

sim_read sim_tcp_read(sim_socket *socket, uint8_t *out, size_t most, size_t *size)
{
    *size = 0;
    while (socket->first != NULL && *size < most) {
        sim_segment *segment = socket->first;
        size_t part = segment->size - socket->taken;
        if (segment->end && *size > 0)
            break;
        if (part > most - *size)
            part = most - *size;
        if (part > 0)
            memcpy(out + *size, segment->data + socket->taken, part);
        *size += part;
        socket->taken += part;
        if (socket->taken < segment->size)
            break;
        bool end = segment->end;
        socket->first = segment->next;
        if (socket->first == NULL)
            socket->last = NULL;
        socket->taken = 0;
        free_segment(segment);
        if (end)
            return SIM_READ_END;
    }
    if (*size > 0) {
        socket->unread_bytes -= *size;
        open_window(way_to(socket), *size);
        return SIM_READ_BYTES;
    }
    *size = (size_t)socket->error;
    return socket->error != 0 ? SIM_READ_ERROR : SIM_READ_NOTHING;
}

void sim_tcp_shut(sim_socket *socket)
{
    struct way *way = way_from(socket);
    if (way->failed)
        return;
    append(way, NULL, 0, true);
    push_out(way);
}

static void detach(sim_socket *socket)
{
    vt_sim_wire *wire = socket->wire;
    free_segments(socket->first);
    socket->first = socket->last = NULL;
    socket->wire = NULL;
    wire->ends[socket->end] = NULL;
    let_go(wire);
}

void sim_tcp_close(sim_socket *socket, bool reset)
{
    vt_sim_wire *wire = socket->wire;
    if (reset && !way_from(socket)->failed) {
        clear_way(way_from(socket));
        send_reset(wire, socket->end);
    }
    detach(socket);
}

void sim_tcp_vanish(sim_socket *socket)
{
    clear_way(way_from(socket));
    detach(socket);
}

void *sim_tcp_path(const sim_socket *socket)
{
    return socket->wire->path;
}

static uint32_t age_ms(const struct way *way, int64_t stamp_us)
{
    return stamp_us < 0 ? UINT32_MAX : (uint32_t)((now_us(way) - stamp_us) / 1000);
}

void sim_tcp_info(sim_socket *socket, vital_evidence *out)
{
    struct way *way = way_from(socket);
    settle(way);
    *out = (vital_evidence){
        .unacked_packets = (uint32_t)((way->sent - way->acked + PACKET_BYTES - 1) / PACKET_BYTES),
        .known = true,
        .error = way->reported,
        .retransmits = way->retransmits,
        .probes = way->probes,
        .rto_us = (uint32_t)rto_us(way),
        .rtt_us = way->srtt_us < 0 ? 0 : (uint32_t)way->srtt_us,
        .rttvar_us = (uint32_t)way->rttvar_us,
        .window_bytes = way->edge > way->acked ? (uint32_t)(way->edge - way->acked) : 0,
        .unsent_bytes = (uint32_t)(way->written - way->sent),
        .acked_bytes = way->acked,
        .heard_ms = age_ms(way, way_to(socket)->heard_us),
        .acked_ms = age_ms(way, way->acked_us),
    };
}
