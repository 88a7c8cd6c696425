/*
 * Time goes from one thing that is due to the next: a piece of bytes arrives, a
 * deadline comes, a pipe takes bytes again, a process attends again. At one
 * moment what arrives is read before any clock is looked at (engine.h, rule 3).
 */
#include "world.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close_code.h"
#include "mask.h"
#include "opening.h"
#include "random.h"
#include "reader.h"
#include "utf8.h"

enum { LINKS_MAX = 100, PIECE_BYTES = 500, SHOWN_MAX = 123 };

#define NEVER INT64_MAX

struct bytes {
    uint8_t *data; /* owned */
    size_t size;
};

struct piece {
    struct piece *next;
    int64_t arrives_us;
    bool end; /* of the stream, with `error` */
    int error;
    size_t size;
    uint8_t data[];
};

struct pipe {
    struct piece *first, **last;
    int64_t free_us;   /* when it takes bytes again */
    bool shut;         /* the end is in it */
    struct bytes seen; /* by the printer, and not a whole frame yet */
    bool upgraded;     /* the printer is past the head */
    int fragments;     /* of one message, not printed yet */
    uint64_t fragmented_bytes;
};

struct actor {
    enum world_side side;
    vital_engine *engine;    /* NULL: a peer, or nobody yet */
    struct link *link;       /* the present one; NULL: no stream */
    uint64_t sent, answered; /* beats, as last seen */
    int64_t stalled_us;      /* of the process, when the last beat left */
    vt_random random;
};

struct peer {
    vt_opening opening;
    vt_reader reader;
    bool upgraded;
    bool closing; /* it has sent its close frame */
};

struct link {
    int number;
    int64_t connects_us; /* when the client may know; NEVER: it does */
    bool accepted;       /* by the server's process */
    enum world_host host;
    struct actor server;
    struct peer peer;
    struct pipe pipes[2]; /* by the side they lead from */
};

struct process {
    int64_t attends_us; /* from when on; NEVER: frozen */
    int64_t absent_us;  /* since when; NEVER: it attends */
    int64_t stalled_us;
};

struct world {
    struct world_settings settings;
    int64_t now_us;
    struct process processes[2];
    struct actor client;
    struct link *links[LINKS_MAX];
    int count;
    bool mute[2];
    int64_t rate[2];
    bool peer_answers;
    char *answer;
    bool silent_printer;
    FILE *out;
    char *trace;
    size_t trace_size;
};

static const vt_reader_rules peer_rules = {.expect_masked = true, .message_bytes = 1 << 24};

/* -------------------------------------------------------------------- printing */

__attribute__((format(printf, 4, 5))) static void
print(struct world *world, enum world_side side, const struct link *link, const char *format, ...)
{
    char who[24];
    va_list arguments;
    if (world->silent_printer)
        return;
    const bool peer = side == WORLD_SERVER && link != NULL && link->host == WORLD_PEER;
    snprintf(who, sizeof who, "%s", side == WORLD_CLIENT ? "client" : peer ? "peer" : "server");
    if (side == WORLD_SERVER && link != NULL && link->number > 1)
        snprintf(who + strlen(who), sizeof who - strlen(who), "/%d", link->number);
    int64_t ms = (world->now_us + 500) / 1000;
    fprintf(world->out, "%5" PRId64 ".%03d  %-8s  ", ms / 1000, (int)(ms % 1000), who);
    va_start(arguments, format);
    vfprintf(world->out, format, arguments);
    va_end(arguments);
    fputc('\n', world->out);
}

static bool is_shown(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] < 0x20 || data[i] == 0x7F)
            return false;
    return size <= SHOWN_MAX && vt_utf8_valid(data, size);
}

/* "text", or how long it is. */
static const char *show(char out[SHOWN_MAX + 24], const void *data, size_t size)
{
    if (is_shown(data, size))
        snprintf(out, SHOWN_MAX + 24, "\"%.*s\"", (int)size, (const char *)data);
    else
        snprintf(out, SHOWN_MAX + 24, "%zu bytes", size);
    return out;
}

static const char *show_time(char out[32], int64_t us)
{
    if (us < 1000 * 1000)
        snprintf(out, 32, "%.4g ms", (double)us / 1e3);
    else
        snprintf(out, 32, "%.4g s", (double)us / 1e6);
    return out;
}

/* The frames of a large message are one line, until something comes between. */
static void print_fragments(struct world *world, enum world_side from, struct link *link,
                            const char *more)
{
    struct pipe *pipe = &link->pipes[from];
    if (pipe->fragments > 0)
        print(world, from, link, "> %d fragment%s, %" PRIu64 " bytes%s", pipe->fragments,
              pipe->fragments == 1 ? "" : "s", pipe->fragmented_bytes, more);
    pipe->fragments = 0;
    pipe->fragmented_bytes = 0;
}

static void print_close(struct world *world, enum world_side from, struct link *link,
                        const uint8_t *payload, size_t size)
{
    char shown[SHOWN_MAX + 24];
    if (size < 2)
        print(world, from, link, "> close");
    else if (size == 2)
        print(world, from, link, "> close %d", payload[0] << 8 | payload[1]);
    else
        print(world, from, link, "> close %d %s", payload[0] << 8 | payload[1],
              show(shown, payload + 2, size - 2));
}

static void print_frame(struct world *world, enum world_side from, struct link *link,
                        const vt_frame *frame, const uint8_t *payload, bool beat)
{
    static const char *const names[16] = {[VT_OP_TEXT] = "text",
                                          [VT_OP_BINARY] = "binary",
                                          [VT_OP_PING] = "ping",
                                          [VT_OP_PONG] = "pong"};
    struct pipe *pipe = &link->pipes[from];
    char shown[SHOWN_MAX + 24];
    size_t size = (size_t)frame->size;
    const char *name = names[frame->opcode];

    if (!vt_opcode_is_control(frame->opcode) &&
        (!frame->fin || frame->opcode == VT_OP_CONTINUATION)) {
        pipe->fragments++;
        pipe->fragmented_bytes += size;
        if (frame->fin)
            print_fragments(world, from, link, ", the last");
        return;
    }
    print_fragments(world, from, link, "");
    if (frame->opcode == VT_OP_CLOSE)
        print_close(world, from, link, payload, size);
    else if (beat)
        print(world, from, link, "> beat, a %s", frame->opcode == VT_OP_PING ? "ping" : "text");
    else if (size == 0 || (vt_opcode_is_control(frame->opcode) && size == 8))
        print(world, from, link, "> %s", name == NULL ? "?" : name); /* a nonce tells nobody */
    else
        print(world, from, link, "> %s %s", name == NULL ? "?" : name, show(shown, payload, size));
}

static void drop(struct bytes *bytes, size_t size)
{
    bytes->size -= size;
    memmove(bytes->data, bytes->data + size, bytes->size);
}

/* Takes what it can make sense of off the front of what was seen. */
static bool print_next(struct world *world, enum world_side from, struct link *link, bool *beat)
{
    struct pipe *pipe = &link->pipes[from];
    struct bytes *seen = &pipe->seen;
    vt_frame frame;
    const char *why;
    if (!pipe->upgraded) {
        const uint8_t *end = memmem(seen->data, seen->size, "\r\n\r\n", 4);
        if (end == NULL)
            return false;
        const uint8_t *line = memmem(seen->data, seen->size, "\r\n", 2);
        print(world, from, link, "> %.*s", (int)(line - seen->data), (const char *)seen->data);
        pipe->upgraded = true;
        drop(seen, (size_t)(end + 4 - seen->data));
        return true;
    }
    int header = vt_frame_decode(&frame, seen->data, seen->size, &why);
    if (header < 0) {
        print(world, from, link, "> %zu bytes that are no frame", seen->size);
        drop(seen, seen->size);
    }
    if (header <= 0 || seen->size - (size_t)header < frame.size)
        return false;
    if (frame.masked)
        vt_mask(seen->data + header, (size_t)frame.size, frame.key, 0);
    const bool may_be = frame.opcode == VT_OP_PING || frame.opcode == VT_OP_TEXT;
    print_frame(world, from, link, &frame, seen->data + header, may_be && *beat);
    if (may_be)
        *beat = false;
    drop(seen, (size_t)header + (size_t)frame.size);
    return true;
}

/* -------------------------------------------------------------------- the pipes */

static void put(struct world *world, enum world_side from, struct link *link, struct piece *piece)
{
    struct pipe *pipe = &link->pipes[from];
    int64_t begins_us = world->now_us > pipe->free_us ? world->now_us : pipe->free_us;
    if (world->rate[from] > 0)
        begins_us += (int64_t)piece->size * 1000000 / world->rate[from];
    pipe->free_us = begins_us;
    piece->arrives_us = begins_us + world->settings.delay_us;
    piece->next = NULL;
    *pipe->last = piece;
    pipe->last = &piece->next;
}

static struct piece *new_piece(const void *data, size_t size)
{
    struct piece *piece = calloc(1, sizeof *piece + size);
    assert(piece != NULL);
    piece->size = size;
    if (size > 0)
        memcpy(piece->data, data, size);
    return piece;
}

static void send_bytes(struct world *world, enum world_side from, struct link *link,
                       vital_bytes bytes, bool beat)
{
    struct pipe *pipe = &link->pipes[from];
    if (pipe->shut || bytes.size == 0)
        return;
    put(world, from, link, new_piece(bytes.data, bytes.size));
    pipe->seen.data = realloc(pipe->seen.data, pipe->seen.size + bytes.size);
    assert(pipe->seen.data != NULL);
    memcpy(pipe->seen.data + pipe->seen.size, bytes.data, bytes.size);
    pipe->seen.size += bytes.size;
    while (pipe->seen.size > 0 && print_next(world, from, link, &beat))
        ;
}

static void send_end(struct world *world, enum world_side from, struct link *link, int error)
{
    struct pipe *pipe = &link->pipes[from];
    if (pipe->shut)
        return;
    pipe->shut = true;
    struct piece *piece = new_piece(NULL, 0);
    piece->end = true;
    piece->error = error;
    put(world, from, link, piece);
}

static struct piece *take_piece(struct pipe *pipe)
{
    struct piece *piece = pipe->first;
    pipe->first = piece->next;
    if (pipe->first == NULL)
        pipe->last = &pipe->first;
    return piece;
}

static void empty_pipe(struct pipe *pipe)
{
    while (pipe->first != NULL)
        free(take_piece(pipe));
}

/* ------------------------------------------------------------------- the engines */

static vital_clock clock_of(const struct world *world, enum world_side side)
{
    return (vital_clock){world->now_us, world->processes[side].stalled_us};
}

static bool attends(const struct world *world, enum world_side side)
{
    return world->processes[side].attends_us <= world->now_us;
}

static void begin_attempt(struct world *world)
{
    assert(world->count < LINKS_MAX);
    struct link *link = calloc(1, sizeof *link);
    assert(link != NULL);
    link->number = world->count + 1;
    link->host = world->settings.host;
    link->connects_us = world->now_us + 2 * world->settings.delay_us;
    for (int side = 0; side < 2; side++)
        link->pipes[side].last = &link->pipes[side].first;
    link->server.side = WORLD_SERVER;
    vt_reader_init(&link->peer.reader, &peer_rules);
    world->links[world->count++] = link;
    world->client.link = link;
}

/* The verdict, what it says of the messages, and what comes next. */
static void print_verdict(struct world *world, const struct actor *actor,
                          const vital_verdict *verdict)
{
    const struct link *link = actor->side == WORLD_CLIENT ? NULL : actor->link;
    char shown[32];
    print(world, actor->side, link, "%s: %s", vital_cause_name(verdict->cause), verdict->text);
    if (verdict->unconfirmed > 0 || verdict->unsent > 0)
        print(world, actor->side, link, "%" PRIu64 " unconfirmed, %" PRIu64 " unsent",
              verdict->unconfirmed, verdict->unsent);
    if (!verdict->final)
        print(world, actor->side, link, "returns in %s",
              show_time(shown, verdict->retry_ms * 1000));
    else if (actor->side == WORLD_CLIENT)
        print(world, actor->side, link, "does not return");
}

static void lose_stream(struct world *world, struct actor *actor)
{
    struct link *link = actor->link;
    if (link == NULL)
        return;
    if (link->connects_us == NEVER) {
        const struct pipe *pipe = &link->pipes[actor->side];
        if (pipe->free_us <= world->now_us && world->rate[actor->side] != 0)
            send_bytes(world, actor->side, link, vital_engine_farewell(actor->engine), false);
        send_end(world, actor->side, link, 0);
    }
    link->connects_us = NEVER;
    if (actor->side == WORLD_CLIENT)
        actor->link = NULL;
}

static void print_event(struct world *world, struct actor *actor, const vital_event *event)
{
    const struct link *link = actor->side == WORLD_CLIENT ? NULL : actor->link;
    char shown[SHOWN_MAX + 24];
    vital_pulse pulse;
    switch (event->type) {
    case VITAL_EVENT_CONNECT:
        print(world, actor->side, link, "connect");
        break;
    case VITAL_EVENT_REQUEST:
    case VITAL_EVENT_HTTP:
    case VITAL_EVENT_REDIRECT:
    case VITAL_EVENT_SOONER: /* no story has a hint */
        break;
    case VITAL_EVENT_OPEN:
        print(world, actor->side, link, "open");
        break;
    case VITAL_EVENT_PIECE: /* no story asks for pieces */
    case VITAL_EVENT_MESSAGE:
        print(world, actor->side, link, "message %s",
              show(shown, event->message.bytes.data, event->message.bytes.size));
        break;
    case VITAL_EVENT_PONG:
        print(world, actor->side, link, "pong %s", show(shown, event->pong.data, event->pong.size));
        break;
    case VITAL_EVENT_HEALTH:
        vital_engine_pulse(actor->engine, clock_of(world, actor->side), &pulse);
        if (event->health == VITAL_ALIVE)
            print(world, actor->side, link, "alive again");
        else if (pulse.waiting_ms >= 0)
            print(world, actor->side, link, "doubtful: nothing heard for %s",
                  show_time(shown, pulse.heard_ms * 1000));
        else
            print(world, actor->side, link, "doubtful: the beat could not leave");
        break;
    case VITAL_EVENT_DRAIN:
        print(world, actor->side, link, "drain");
        break;
    case VITAL_EVENT_CLOSED:
        print_verdict(world, actor, &event->verdict);
        break;
    }
}

/* Beats that have left or were answered since the last look; true if one left. */
static bool look_at_beats(struct world *world, struct actor *actor)
{
    char shown[32];
    vital_pulse pulse;
    vital_engine_pulse(actor->engine, clock_of(world, actor->side), &pulse);
    const struct link *link = actor->side == WORLD_CLIENT ? NULL : actor->link;
    const int64_t stalled_us = world->processes[actor->side].stalled_us;
    const bool left = pulse.beats_sent > actor->sent;
    if (pulse.beats_answered > actor->answered && stalled_us != actor->stalled_us)
        print(world, actor->side, link, "answered while we were away");
    else if (pulse.beats_answered > actor->answered)
        print(world, actor->side, link, "answered in %s", show_time(shown, pulse.rtt_us));
    if (left)
        actor->stalled_us = stalled_us;
    actor->sent = pulse.beats_sent;
    actor->answered = pulse.beats_answered;
    return left;
}

static void pull(struct world *world, struct actor *actor)
{
    vital_event event;
    while (vital_engine_next(actor->engine, clock_of(world, actor->side), &event)) {
        print_event(world, actor, &event);
        if (event.type == VITAL_EVENT_CLOSED)
            lose_stream(world, actor);
        if (event.type == VITAL_EVENT_CONNECT)
            begin_attempt(world);
    }
    look_at_beats(world, actor);
}

/* As much as the pipe takes now. */
static void flush(struct world *world, struct actor *actor)
{
    for (;;) {
        struct link *link = actor->link;
        vital_clock clock = clock_of(world, actor->side);
        vital_bytes bytes = vital_engine_pending(actor->engine, clock);
        if (bytes.size == 0 || link == NULL || world->rate[actor->side] == 0 ||
            link->pipes[actor->side].free_us > world->now_us)
            return;
        if (world->rate[actor->side] > 0 && bytes.size > PIECE_BYTES)
            bytes.size = PIECE_BYTES; /* a slow path takes little at a time */
        struct piece *copy = new_piece(bytes.data, bytes.size); /* written() frees it */
        vital_engine_written(actor->engine, clock, bytes.size);
        send_bytes(world, actor->side, link, (vital_bytes){copy->data, copy->size},
                   look_at_beats(world, actor));
        free(copy);
        pull(world, actor);
    }
}

static void settle(struct world *world, struct actor *actor)
{
    pull(world, actor);
    flush(world, actor);
    pull(world, actor);
}

/* --------------------------------------------------------------------- the peer */

static void peer_sends(struct world *world, struct link *link, vt_opcode opcode,
                       vital_bytes payload)
{
    const vt_frame frame = {.fin = true, .opcode = opcode, .size = payload.size};
    uint8_t *bytes = malloc(VT_FRAME_HEADER_MAX + payload.size);
    assert(bytes != NULL);
    size_t size = vt_frame_encode(bytes, &frame);
    if (payload.size > 0)
        memcpy(bytes + size, payload.data, payload.size);
    send_bytes(world, WORLD_SERVER, link, (vital_bytes){bytes, size + payload.size}, false);
    free(bytes);
}

static void peer_hears(struct world *world, struct link *link, const vt_item *item)
{
    const vital_heartbeat *beat = &world->settings.policies[WORLD_CLIENT].heartbeat;
    vital_bytes payload = {item->data, item->size};
    char shown[SHOWN_MAX + 24];
    switch (item->type) {
    case VT_ITEM_PING:
        if (world->peer_answers)
            peer_sends(world, link, VT_OP_PONG, payload);
        break;
    case VT_ITEM_TEXT:
    case VT_ITEM_BINARY:
        if (beat->kind == VITAL_BEAT_TEXT && payload.size == strlen(beat->text) &&
            memcmp(payload.data, beat->text, payload.size) == 0) {
            if (world->peer_answers)
                peer_sends(world, link, VT_OP_TEXT, vital_text(beat->reply));
            break;
        }
        print(world, WORLD_SERVER, link, "message %s", show(shown, payload.data, payload.size));
        break;
    case VT_ITEM_CLOSE: {
        const uint8_t code[2] = {(uint8_t)(item->code >> 8), (uint8_t)item->code};
        if (!link->peer.closing)
            peer_sends(world, link, VT_OP_CLOSE,
                       (vital_bytes){code, item->code == VT_CLOSE_NO_STATUS ? 0 : sizeof code});
        send_end(world, WORLD_SERVER, link, 0);
        break;
    }
    case VT_ITEM_PONG:
    case VT_ITEM_NONE:
        break;
    case VT_ITEM_VIOLATION:
        print(world, WORLD_SERVER, link, "is told %s", item->why);
        break;
    }
}

/* Somebody who is not ours reads the request, and what follows it. */
static void peer_reads(struct world *world, struct link *link, const struct piece *piece)
{
    struct peer *peer = &link->peer;
    struct piece *copy = new_piece(piece->data, piece->size);
    vt_input input = {copy->data, copy->size};
    const vital_policy *policy = &world->settings.policies[WORLD_SERVER];
    if (!peer->upgraded && vt_opening_feed(&peer->opening, policy, &input) == VT_OPENING_REQUEST) {
        peer->upgraded = true;
        if (link->host == WORLD_HTTP) {
            send_bytes(world, WORLD_SERVER, link, vital_text(world->answer), false);
            send_end(world, WORLD_SERVER, link, 0);
        } else {
            char *answer = vt_opening_answer(&peer->opening, policy,
                                             &(vital_response){.status = 101});
            assert(answer != NULL);
            send_bytes(world, WORLD_SERVER, link, vital_text(answer), false);
            free(answer);
        }
    }
    while (peer->upgraded && input.size > 0 && !link->pipes[WORLD_SERVER].shut) {
        vt_item item = vt_reader_next(&peer->reader, &input);
        peer_hears(world, link, &item);
    }
    free(copy);
}

/* ----------------------------------------------------------------- what is due */

static int64_t when_attended(const struct world *world, enum world_side side, int64_t due_us)
{
    int64_t attends_us = world->processes[side].attends_us;
    return due_us > attends_us ? due_us : attends_us;
}

static void earlier(int64_t *next_us, int64_t us)
{
    if (us < *next_us)
        *next_us = us;
}

static int64_t engine_due_us(const struct world *world, const struct actor *actor)
{
    if (actor->engine == NULL)
        return NEVER;
    int64_t due_us = vital_engine_deadline(actor->engine);
    const struct link *link = actor->link;
    /* A pipe that was full takes the next piece. */
    if (link != NULL && world->rate[actor->side] > 0 &&
        link->pipes[actor->side].free_us > world->now_us)
        earlier(&due_us, link->pipes[actor->side].free_us);
    return when_attended(world, actor->side, due_us);
}

static int64_t link_due_us(const struct world *world, const struct link *link)
{
    int64_t next_us = NEVER;
    const bool open = !world->mute[WORLD_CLIENT] && !world->mute[WORLD_SERVER];
    if (link->connects_us != NEVER && open)
        earlier(&next_us, when_attended(world, WORLD_CLIENT, link->connects_us));
    if (link->connects_us == NEVER && !link->accepted && link->host != WORLD_REFUSES)
        earlier(&next_us, world->processes[WORLD_SERVER].attends_us);
    for (enum world_side from = WORLD_CLIENT; from <= WORLD_SERVER; from++) {
        const struct piece *piece = link->pipes[from].first;
        const bool heard = from == WORLD_SERVER || link->accepted;
        if (piece != NULL && !world->mute[from] && heard)
            earlier(&next_us,
                    when_attended(world, from == WORLD_CLIENT ? WORLD_SERVER : WORLD_CLIENT,
                                  piece->arrives_us));
    }
    earlier(&next_us, engine_due_us(world, &link->server));
    return next_us;
}

static int64_t next_due_us(const struct world *world)
{
    int64_t next_us = engine_due_us(world, &world->client);
    for (int i = 0; i < world->count; i++)
        earlier(&next_us, link_due_us(world, world->links[i]));
    for (int side = 0; side < 2; side++)
        if (world->processes[side].absent_us != NEVER)
            earlier(&next_us, world->processes[side].attends_us);
    return next_us;
}

static void come_back(struct world *world, enum world_side side)
{
    struct process *process = &world->processes[side];
    char shown[32];
    if (process->absent_us == NEVER || process->attends_us > world->now_us)
        return;
    int64_t absence_us = world->now_us - process->absent_us;
    process->stalled_us += absence_us;
    process->absent_us = NEVER;
    print(world, side, NULL, "attends again, after %s", show_time(shown, absence_us));
}

static void seed_actor(struct world *world, struct actor *actor, int number)
{
    uint8_t seed[VT_RANDOM_SEED_BYTES] = {0};
    memcpy(seed, &world->settings.seed, sizeof world->settings.seed);
    seed[sizeof world->settings.seed] = (uint8_t)number;
    int error = vt_random_init(&actor->random, seed);
    assert(error == 0);
    (void)error;
}

static void accept_link(struct world *world, struct link *link)
{
    link->accepted = true;
    if (link->host != WORLD_ENGINE)
        return;
    link->server.link = link;
    seed_actor(world, &link->server, link->number);
    int error = vital_engine_create(&link->server.engine, &world->settings.policies[WORLD_SERVER],
                                    (vital_entropy){vt_random_fill, &link->server.random},
                                    clock_of(world, WORLD_SERVER));
    assert(error == 0);
    (void)error;
}

static void deliver(struct world *world, enum world_side from, struct link *link)
{
    struct actor *to = from == WORLD_CLIENT ? &link->server : &world->client;
    struct piece *piece = take_piece(&link->pipes[from]);
    if (to->side == WORLD_CLIENT && to->link != link) {
        free(piece); /* the client has left this link */
        return;
    }
    if (to->engine == NULL) {
        if (piece->end)
            send_end(world, WORLD_SERVER, link, 0);
        else
            peer_reads(world, link, piece);
    } else if (piece->end) {
        vital_engine_ended(to->engine, clock_of(world, to->side), piece->error);
        settle(world, to);
    } else {
        vital_engine_read(to->engine, clock_of(world, to->side), piece->data, piece->size);
        settle(world, to);
    }
    free(piece);
}

static void do_link(struct world *world, struct link *link)
{
    const bool open = !world->mute[WORLD_CLIENT] && !world->mute[WORLD_SERVER];
    if (link->connects_us <= world->now_us && open && attends(world, WORLD_CLIENT)) {
        link->connects_us = NEVER;
        if (link->host == WORLD_REFUSES) {
            world->client.link = NULL;
            vital_engine_unreachable(world->client.engine, clock_of(world, WORLD_CLIENT),
                                     ECONNREFUSED, NULL);
        } else {
            vital_engine_connected(world->client.engine, clock_of(world, WORLD_CLIENT));
        }
        settle(world, &world->client);
    }
    if (link->connects_us == NEVER && !link->accepted && link->host != WORLD_REFUSES &&
        attends(world, WORLD_SERVER))
        accept_link(world, link);
    for (enum world_side from = WORLD_CLIENT; from <= WORLD_SERVER; from++) {
        enum world_side to = from == WORLD_CLIENT ? WORLD_SERVER : WORLD_CLIENT;
        while (link->pipes[from].first != NULL && !world->mute[from] && attends(world, to) &&
               (to == WORLD_CLIENT || link->accepted) &&
               link->pipes[from].first->arrives_us <= world->now_us)
            deliver(world, from, link);
    }
}

static void do_engine(struct world *world, struct actor *actor)
{
    if (actor->engine == NULL || !attends(world, actor->side))
        return;
    if (vital_engine_deadline(actor->engine) <= world->now_us)
        vital_engine_tick(actor->engine, clock_of(world, actor->side));
    settle(world, actor);
}

void world_run_until(struct world *world, int64_t at_us)
{
    for (;;) {
        int64_t due_us = next_due_us(world);
        if (due_us > at_us)
            break;
        if (due_us > world->now_us)
            world->now_us = due_us;
        come_back(world, WORLD_CLIENT);
        come_back(world, WORLD_SERVER);
        for (int i = 0; i < world->count; i++)
            do_link(world, world->links[i]);
        do_engine(world, &world->client);
        for (int i = 0; i < world->count; i++)
            do_engine(world, &world->links[i]->server);
    }
    world->now_us = at_us;
}

/* ----------------------------------------------------------------- life of a world */

struct world *world_create(const struct world_settings *settings, const char **problem)
{
    struct world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    world->settings = *settings;
    world->rate[WORLD_CLIENT] = world->rate[WORLD_SERVER] = -1;
    world->peer_answers = true;
    world->processes[WORLD_CLIENT].absent_us = world->processes[WORLD_SERVER].absent_us = NEVER;
    for (int side = 0; side < 2; side++) {
        if (vital_policy_init(&world->settings.policies[side], problem) != 0) {
            free(world);
            return NULL;
        }
    }
    world->out = open_memstream(&world->trace, &world->trace_size);
    assert(world->out != NULL);
    world->client.side = WORLD_CLIENT;
    seed_actor(world, &world->client, 0);
    int error = vital_engine_create(&world->client.engine, &world->settings.policies[WORLD_CLIENT],
                                    (vital_entropy){vt_random_fill, &world->client.random},
                                    clock_of(world, WORLD_CLIENT));
    assert(error == 0);
    (void)error;
    settle(world, &world->client);
    return world;
}

static void finish_actor(struct actor *actor)
{
    vital_engine_destroy(actor->engine);
    vt_random_finish(&actor->random);
}

void world_destroy(struct world *world)
{
    if (world == NULL)
        return;
    for (int i = 0; i < world->count; i++) {
        struct link *link = world->links[i];
        finish_actor(&link->server);
        vt_opening_finish(&link->peer.opening);
        vt_reader_finish(&link->peer.reader);
        for (int side = 0; side < 2; side++) {
            empty_pipe(&link->pipes[side]);
            free(link->pipes[side].seen.data);
        }
        free(link);
    }
    finish_actor(&world->client);
    fclose(world->out);
    free(world->trace);
    free(world->answer);
    free(world);
}

char *world_take_trace(struct world *world)
{
    fclose(world->out);
    char *trace = world->trace;
    world->out = open_memstream(&world->trace, &world->trace_size);
    assert(trace != NULL && world->out != NULL);
    return trace;
}

void world_print_nothing(struct world *world, bool nothing)
{
    world->silent_printer = nothing;
}

int64_t world_now_us(const struct world *world)
{
    return world->now_us;
}

/* ------------------------------------------------------------------ what is told */

static struct link *present_link(const struct world *world)
{
    return world->count == 0 ? NULL : world->links[world->count - 1];
}

static struct actor *actor_of(struct world *world, enum world_side side)
{
    if (side == WORLD_CLIENT)
        return &world->client;
    struct link *link = present_link(world);
    return link == NULL || link->server.engine == NULL ? NULL : &link->server;
}

/* A call that the engine does not accept is a part of the story. */
static void print_refusal(struct world *world, const struct actor *actor, int error)
{
    print(world, actor->side, actor->side == WORLD_CLIENT ? NULL : actor->link, "cannot: %s",
          vital_strerror(error));
}

int world_send(struct world *world, enum world_side side, vital_kind kind, vital_bytes message)
{
    struct actor *actor = actor_of(world, side);
    if (actor == NULL)
        return VITAL_ESTATE;
    int error = vital_engine_send(actor->engine, clock_of(world, side), kind, message);
    if (error != 0)
        print_refusal(world, actor, error);
    settle(world, actor);
    return 0;
}

int world_ping(struct world *world, enum world_side side, vital_bytes payload)
{
    struct actor *actor = actor_of(world, side);
    if (actor == NULL)
        return VITAL_ESTATE;
    int error = vital_engine_ping(actor->engine, clock_of(world, side), payload);
    if (error != 0)
        print_refusal(world, actor, error);
    settle(world, actor);
    return 0;
}

int world_close(struct world *world, enum world_side side, uint16_t code, const char *reason)
{
    struct actor *actor = actor_of(world, side);
    if (actor == NULL)
        return VITAL_ESTATE;
    vital_engine_close(actor->engine, clock_of(world, side), code, reason);
    settle(world, actor);
    return 0;
}

void world_tally(struct world *world, enum world_side side)
{
    const struct actor *actor = actor_of(world, side);
    vital_pulse pulse;
    if (actor == NULL)
        return;
    vital_engine_pulse(actor->engine, clock_of(world, side), &pulse);
    print(world, side, side == WORLD_CLIENT ? NULL : actor->link,
          "beats: %" PRIu64 " sent, %" PRIu64 " answered", pulse.beats_sent, pulse.beats_answered);
}

static void leave_for(struct world *world, enum world_side side, int64_t attends_us)
{
    struct process *process = &world->processes[side];
    if (process->absent_us == NEVER)
        process->absent_us = world->now_us;
    process->attends_us = attends_us;
}

void world_stall(struct world *world, enum world_side side, int64_t us)
{
    char shown[32];
    print(world, side, NULL, "stalls for %s", show_time(shown, us));
    leave_for(world, side, world->now_us + us);
}

void world_freeze(struct world *world, enum world_side side)
{
    print(world, side, NULL, "is frozen");
    leave_for(world, side, NEVER);
}

void world_thaw(struct world *world, enum world_side side)
{
    world->processes[side].attends_us = world->now_us;
}

void world_mute(struct world *world, enum world_side from, bool mute)
{
    world->mute[from] = mute;
    /* TCP tries again once the path is there. */
    for (int i = 0; i < world->count && !mute; i++) {
        for (struct piece *piece = world->links[i]->pipes[from].first; piece != NULL;
             piece = piece->next) {
            if (piece->arrives_us < world->now_us + world->settings.delay_us)
                piece->arrives_us = world->now_us + world->settings.delay_us;
        }
    }
}

void world_set_rate(struct world *world, enum world_side from, int64_t bytes_per_s)
{
    world->rate[from] = bytes_per_s;
    settle(world, &world->client);
    for (int i = 0; i < world->count; i++)
        if (world->links[i]->server.engine != NULL)
            settle(world, &world->links[i]->server);
}

void world_cut(struct world *world, int error)
{
    struct link *link = present_link(world);
    if (link == NULL)
        return;
    for (enum world_side from = WORLD_CLIENT; from <= WORLD_SERVER; from++) {
        if (error != 0)
            empty_pipe(&link->pipes[from]);
        send_end(world, from, link, error);
    }
}

void world_host(struct world *world, enum world_host host)
{
    world->settings.host = host;
}

void world_answer(struct world *world, const char *head)
{
    free(world->answer);
    world->answer = strdup(head);
    assert(world->answer != NULL);
}

void world_peer_answers(struct world *world, bool beats)
{
    world->peer_answers = beats;
}

/* The peer of the present link, if there is one that speaks. */
static struct link *peer_link(const struct world *world)
{
    struct link *link = present_link(world);
    return link != NULL && link->host == WORLD_PEER && link->peer.upgraded ? link : NULL;
}

int world_peer_sends(struct world *world, vt_opcode opcode, vital_bytes payload)
{
    struct link *link = peer_link(world);
    if (link == NULL)
        return VITAL_ESTATE;
    peer_sends(world, link, opcode, payload);
    link->peer.closing |= opcode == VT_OP_CLOSE;
    return 0;
}

int world_peer_sends_bytes(struct world *world, vital_bytes bytes)
{
    struct link *link = peer_link(world);
    if (link == NULL)
        return VITAL_ESTATE;
    send_bytes(world, WORLD_SERVER, link, bytes, false);
    return 0;
}
