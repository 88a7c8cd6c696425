/*
 * Gives streams of bytes to vital's engine and prints what it made of them, for
 * differential.js to compare with what another implementation made of the same.
 *
 * A case on stdin, numbers little-endian:
 *
 *     u8 role of vital (0 client, 1 server),
 *     u8 bits of the peer's deflate window (0: no compression), u8 whether the
 *     peer keeps its context,
 *     u32 message limit, u32 count of pieces, u32 size of each, and the bytes
 *
 * Its outcome on stdout: u32 size of what follows, and records of
 *
 *     u8 type, u32 number of the piece, u32 size, bytes
 *
 *     'T' 'B'  a text or binary message
 *     'O'      a pong of the peer
 *     'P'      our pong: the latest ping of this piece
 *     'C'      our close frame: the end of the case
 *     'V'      the verdict, as text: its cause, code and reason
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vital/engine.h>

enum {
    CLIENT = 0,
    OP_CLOSE = 0x8,
    OP_PONG = 0xA,
    CONTROL_PER_S = 1000 * 1000, /* how many pings are too many is another test's */
};

enum { HEAD_BYTES = 512 };

/* Both up to the extension, if there is one. */
static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/* The key is of zeros: see no_entropy(). */
static const char RESPONSE[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n";

static const vital_clock now = {.now_us = 1000000};

/* Zeros: so the answer to our key is known, and masking changes nothing. */
static void no_entropy(void *source, void *out, size_t size)
{
    (void)source;
    memset(out, 0, size);
}

/* ------------------------------------------------------------------ records */

typedef struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
} buffer;

static void grow(buffer *to, size_t size)
{
    if (size <= to->capacity)
        return;
    to->capacity = size * 2;
    to->data = realloc(to->data, to->capacity);
    assert(to->data != NULL);
}

static void add_number(buffer *to, uint32_t number)
{
    grow(to, to->size + 4);
    for (int i = 0; i < 4; i++)
        to->data[to->size++] = (uint8_t)(number >> 8 * i);
}

static void add_record(buffer *to, char type, uint32_t piece, vital_bytes bytes)
{
    grow(to, to->size + 9 + bytes.size);
    to->data[to->size++] = (uint8_t)type;
    add_number(to, piece);
    add_number(to, (uint32_t)bytes.size);
    if (bytes.size > 0)
        memcpy(to->data + to->size, bytes.data, bytes.size);
    to->size += bytes.size;
}

/* --------------------------------------------------------------- one stream */

typedef struct stream {
    vital_engine *engine;
    vital_role role;
    int window_bits; /* the peer's; 0: no compression */
    bool peer_keeps_context;
    buffer *out;
    uint32_t piece;
    bool over;
} stream;

static void pull(stream *self)
{
    vital_event event;
    while (vital_engine_next(self->engine, now, &event)) {
        if (event.type == VITAL_EVENT_MESSAGE)
            add_record(self->out, event.message.kind == VITAL_TEXT ? 'T' : 'B', self->piece,
                       event.message.bytes);
        if (event.type == VITAL_EVENT_PONG)
            add_record(self->out, 'O', self->piece, event.pong);
        if (event.type == VITAL_EVENT_CLOSED) {
            char text[256];
            int size = snprintf(text, sizeof text, "%s %d %s",
                                vital_cause_name(event.verdict.cause), event.verdict.code,
                                event.verdict.reason);
            add_record(self->out, 'V', self->piece, (vital_bytes){text, (size_t)size});
        }
    }
}

/* Only control frames leave, and those are short. */
static void read_wire(stream *self, vital_bytes wire)
{
    const uint8_t *at = wire.data;
    const uint8_t *end = at + wire.size;
    while (at < end) {
        size_t size = at[1] & 0x7F;
        const uint8_t *payload = at + 2 + (self->role == VITAL_CLIENT ? 4 : 0);
        uint8_t opcode = at[0] & 0x0F;
        assert(opcode == OP_PONG || opcode == OP_CLOSE);
        add_record(self->out, opcode == OP_PONG ? 'P' : 'C', self->piece,
                   (vital_bytes){payload, size});
        self->over = opcode == OP_CLOSE;
        at = payload + size;
    }
}

static void flush(stream *self, bool opened)
{
    vital_bytes wire;
    while ((wire = vital_engine_pending(self->engine, now)).size > 0) {
        if (opened)
            read_wire(self, wire);
        vital_engine_written(self->engine, now, wire.size);
        pull(self);
    }
}

/* A copy, since the engine changes what it reads. */
static void give(stream *self, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size);
    assert(copy != NULL);
    memcpy(copy, bytes, size);
    vital_engine_read(self->engine, now, copy, size);
    pull(self);
    free(copy);
}

/* The peer's head: it offers compression, or answers the offer. */
static int write_head(const stream *self, char out[HEAD_BYTES])
{
    bool server = self->role == VITAL_SERVER;
    char extension[128] = "";
    if (self->window_bits > 0)
        snprintf(extension, sizeof extension,
                 "Sec-WebSocket-Extensions: permessage-deflate; %s_max_window_bits=%d%s\r\n",
                 server ? "client" : "server", self->window_bits,
                 !server && !self->peer_keeps_context ? "; server_no_context_takeover" : "");
    return snprintf(out, HEAD_BYTES, "%s%s\r\n", server ? REQUEST : RESPONSE, extension);
}

static void open_up(stream *self, const vital_policy *policy)
{
    vital_entropy entropy = {.fill = no_entropy};
    char head[HEAD_BYTES];
    int size = write_head(self, head);
    int error = vital_engine_create(&self->engine, policy, entropy, now);
    assert(error == 0);
    pull(self);
    if (self->role == VITAL_CLIENT) {
        vital_engine_connected(self->engine, now);
        flush(self, false);
    }
    give(self, head, (size_t)size);
    flush(self, false);
    assert(vital_engine_compressed(self->engine) == (self->window_bits > 0));
}

static uint32_t take_number(const uint8_t **at)
{
    uint32_t number = 0;
    for (int i = 3; i >= 0; i--)
        number = number << 8 | (*at)[i];
    *at += 4;
    return number;
}

static void play(const uint8_t *input, buffer *out)
{
    stream self = {.out = out};
    self.role = *input++ == CLIENT ? VITAL_CLIENT : VITAL_SERVER;
    self.window_bits = *input++;
    self.peer_keeps_context = *input++ != 0;
    vital_policy policy = {
        .role = self.role,
        .heartbeat = {.kind = VITAL_BEAT_NONE, .text = ""},
        .limits = {.message_bytes = take_number(&input), .control_per_s = CONTROL_PER_S},
        .reconnect = {.never = true},
        .compression = {.enabled = self.window_bits > 0,
                        .peer_keeps_context = self.peer_keeps_context},
        .host = "a",
        .path = "/",
    };
    const char *problem = NULL;
    int error = vital_policy_init(&policy, &problem);
    assert(error == 0);
    open_up(&self, &policy);

    uint32_t count = take_number(&input);
    const uint8_t *sizes = input;
    const uint8_t *bytes = input + (size_t)count * 4;
    for (self.piece = 0; self.piece < count && !self.over; self.piece++) {
        uint32_t size = take_number(&sizes);
        give(&self, bytes, size);
        flush(&self, true);
        bytes += size;
    }
    vital_engine_ended(self.engine, now, 0);
    pull(&self);
    vital_engine_destroy(self.engine);
}

int main(void)
{
    buffer input = {0};
    buffer out = {0};
    uint8_t head[4];
    setvbuf(stdin, NULL, _IOFBF, 1 << 20);
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    while (fread(head, sizeof head, 1, stdin) == 1) {
        const uint8_t *at = head;
        size_t size = take_number(&at);
        grow(&input, size);
        if (fread(input.data, size, 1, stdin) != 1)
            return 2;
        out.size = 0;
        add_number(&out, 0); /* its own size, once it is known */
        play(input.data, &out);
        size = out.size;
        out.size = 0;
        add_number(&out, (uint32_t)(size - 4));
        if (fwrite(out.data, size, 1, stdout) != 1)
            return 2;
        fflush(stdout);
    }
    free(input.data);
    free(out.data);
    return 0;
}
