/*
 * One story at a time: the engines, their clock and their entropy are global, so
 * that a test reads like what happens in it.
 */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mask.h"
#include "random.h"

/* ----------------------------------------------------------------- one engine */

void append(struct buffer *buffer, const void *data, size_t size)
{
    if (buffer->size + size > buffer->capacity) {
        buffer->capacity = (buffer->size + size) * 2;
        buffer->data = realloc(buffer->data, buffer->capacity);
        assert_non_null(buffer->data);
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void take(struct buffer *buffer, size_t size)
{
    assert_true(size <= buffer->size);
    buffer->size -= size;
    if (buffer->size > 0)
        memmove(buffer->data, buffer->data + size, buffer->size);
}

vital_clock now;
static vt_random numbers;
static const vital_entropy entropy = {vt_random_fill, &numbers};

int64_t draw(int64_t low, int64_t high)
{
    return vt_random_between(vt_random_fill, &numbers, low, high);
}

void reseed(int number)
{
    uint8_t seed[VT_RANDOM_SEED_BYTES] = {(uint8_t)number, (uint8_t)(number >> 8)};
    vt_random_finish(&numbers);
    assert_int_equal(vt_random_init(&numbers, seed), 0);
    now = (vital_clock){7 * S, 0};
}

void note(struct end *end, const char *format, ...)
{
    char word[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    size_t had = end->log == NULL ? 0 : strlen(end->log);
    end->log = realloc(end->log, had + strlen(word) + 2);
    assert_non_null(end->log);
    sprintf(end->log + had, "%s%s", had == 0 ? "" : " ", word);
}

void assert_log(struct end *end, const char *expected)
{
    assert_string_equal(end->log == NULL ? "" : end->log, expected);
    free(end->log);
    end->log = NULL;
}

static void note_bytes(struct end *end, const char *word, vital_bytes bytes)
{
    if (bytes.size <= 20)
        note(end, "%s:%.*s", word, (int)bytes.size, (const char *)bytes.data);
    else
        note(end, "%s(%zu)", word, bytes.size);
}

/* "piece(300" begins a message, "300)" ends one. */
static void note_piece(struct end *end, vital_bytes bytes, unsigned place)
{
    if (end->on_message != NULL)
        end->on_message(end, bytes);
    note(end, "%s%zu%s", (place & VITAL_FIRST) != 0 ? "piece(" : "", bytes.size,
         (place & VITAL_LAST) != 0 ? ")" : "");
}

static void take_verdict(struct end *end, const vital_verdict *verdict)
{
    note(end, "%s", vital_cause_name(verdict->cause));
    end->verdict = *verdict;
    end->closed++;
    end->streams = false;
    assert_true(verdict->text[0] != '\0');
    assert_int_equal(verdict->final, verdict->retry_ms < 0);
}

/* Pulls all events. */
void pull(struct end *end)
{
    vital_event event;
    while (vital_engine_next(end->engine, now, &event)) {
        switch (event.type) {
        case VITAL_EVENT_CONNECT:
            note(end, "connect");
            end->attempts++;
            break;
        case VITAL_EVENT_REQUEST:
            note(end, "request:%s", vital_request_path(event.request));
            break;
        case VITAL_EVENT_REDIRECT:
            note(end, "redirect:%s", event.location);
            if (end->on_redirect != NULL)
                end->on_redirect(end);
            break;
        case VITAL_EVENT_HTTP:
            note(end, "http:%s", vital_request_path(event.request));
            break;
        case VITAL_EVENT_OPEN:
            note(end, "open");
            break;
        case VITAL_EVENT_MESSAGE:
            if (end->on_message != NULL)
                end->on_message(end, event.message.bytes);
            else
                note_bytes(end, event.message.kind == VITAL_TEXT ? "text" : "binary",
                           event.message.bytes);
            break;
        case VITAL_EVENT_PIECE:
            note_piece(end, event.message.bytes, event.message.place);
            break;
        case VITAL_EVENT_PONG:
            note_bytes(end, "pong", event.pong);
            break;
        case VITAL_EVENT_HEALTH:
            note(end, "%s", event.health == VITAL_ALIVE ? "alive" : "doubtful");
            break;
        case VITAL_EVENT_DRAIN:
            note(end, "drain");
            break;
        case VITAL_EVENT_CLOSED:
            take_verdict(end, &event.verdict);
            break;
        case VITAL_EVENT_SOONER:
            note(end, "sooner:%s", event.sooner.why == VITAL_HINT_RESUMED ? "resumed" : "network");
            break;
        }
    }
}

/* The stream is offered all, and takes so much. Returns what left. */
size_t leave(struct end *end, size_t most)
{
    size_t left = 0;
    for (;;) {
        vital_bytes bytes = vital_engine_pending(end->engine, now);
        size_t size = bytes.size < most - left ? bytes.size : most - left;
        if (size == 0)
            break;
        append(&end->wire, bytes.data, size);
        vital_engine_written(end->engine, now, size);
        left += size;
        pull(end);
    }
    pull(end);
    return left;
}

void settle(struct end *end)
{
    pull(end);
    leave(end, end->room);
}

/* The bytes come from the peer. They are lent in a place of their own, so that
 * a sanitizer sees whoever reads beyond or later. */
void come(struct end *end, const void *bytes, size_t size)
{
    uint8_t *lent = malloc(size == 0 ? 1 : size);
    assert_non_null(lent);
    memcpy(lent, bytes, size);
    vital_engine_read(end->engine, now, lent, size);
    pull(end);
    free(lent);
    settle(end);
}

void come_text(struct end *end, const char *text)
{
    come(end, text, strlen(text));
}

void begin_end(struct end *end, vital_policy policy)
{
    const char *problem = NULL;
    memset(end, 0, sizeof *end);
    end->policy = policy;
    end->room = SIZE_MAX;
    if (vital_policy_init(&end->policy, &problem) != 0)
        fail_msg("%s", problem);
    assert_int_equal(vital_engine_create(&end->engine, &end->policy, entropy, now), 0);
    end->streams = end->policy.role == VITAL_SERVER;
    end->attempts = end->streams;
    pull(end);
}

void finish_end(struct end *end)
{
    vital_engine_destroy(end->engine);
    free(end->wire.data);
    free(end->log);
    memset(end, 0, sizeof *end);
}

void tick(struct end *end)
{
    vital_engine_tick(end->engine, now);
    settle(end);
}

int64_t deadline(const struct end *end)
{
    return vital_engine_deadline(end->engine);
}

/* A tick just before the deadline, which changes nothing, and one at it. */
void tick_at_deadline(struct end *end)
{
    assert_true(deadline(end) > now.now_us && deadline(end) < INT64_MAX);
    int64_t at = deadline(end);
    now.now_us = at - 1;
    tick(end);
    assert_int_equal(deadline(end), at);
    now.now_us = at;
    tick(end);
}

void lose_stream(struct end *end, int error)
{
    vital_engine_ended(end->engine, now, error);
    pull(end);
}

void pass(int64_t us)
{
    now.now_us += us;
}

void stall(int64_t us)
{
    now.now_us += us;
    now.stalled_us += us;
}

/* -------------------------------------------------------------- a pair of them */

struct end client;
struct end server;

const vital_policy usual_client = {.role = VITAL_CLIENT, .host = "h", .path = "/"};
const vital_policy usual_server = {.role = VITAL_SERVER};

void deliver(struct end *from, struct end *to, size_t size)
{
    if (size > from->wire.size)
        size = from->wire.size;
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    assert_non_null(bytes);
    memcpy(bytes, from->wire.data == NULL ? bytes : from->wire.data, size);
    take(&from->wire, size);
    if (size > 0)
        come(to, bytes, size);
    free(bytes);
}

/* Until both have nothing more to say. */
void exchange(void)
{
    do {
        settle(&client);
        settle(&server);
        deliver(&client, &server, SIZE_MAX);
        deliver(&server, &client, SIZE_MAX);
    } while (client.wire.size > 0 || server.wire.size > 0);
}

void connect_client(void)
{
    client.streams = true;
    client.wire.size = 0;
    vital_engine_connected(client.engine, now);
    settle(&client);
}

void open_pair(vital_policy client_policy, vital_policy server_policy)
{
    reseed(1);
    begin_end(&client, client_policy);
    begin_end(&server, server_policy);
    connect_client();
    exchange();
    assert_log(&client, "connect open");
    assert_log(&server, "open");
}

void open_usual_pair(void)
{
    open_pair(usual_client, usual_server);
}

/* The client is back; so is a new server. */
void reopen_pair(void)
{
    vital_policy policy = server.policy;
    finish_end(&server);
    begin_end(&server, policy);
    tick_at_deadline(&client);
    connect_client();
    exchange();
}

void finish_pair(void)
{
    finish_end(&client);
    finish_end(&server);
}

int end_test(void **state)
{
    (void)state;
    finish_pair();
    vt_random_finish(&numbers);
    return 0;
}

int try_send(struct end *end, vital_kind kind, vital_bytes bytes)
{
    return vital_engine_send(end->engine, now, kind, bytes);
}

void send_text(struct end *end, const char *text)
{
    assert_int_equal(vital_engine_send(end->engine, now, VITAL_TEXT, vital_text(text)), 0);
}

/* Bytes that no test looks into. */
void send_bytes(struct end *end, size_t size)
{
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', size);
    assert_int_equal(vital_engine_send(end->engine, now, VITAL_BINARY, (vital_bytes){bytes, size}),
                     0);
    free(bytes);
}

uint64_t beats_of(const struct end *end)
{
    vital_pulse pulse;
    vital_engine_pulse(end->engine, now, &pulse);
    return pulse.beats_sent;
}

/* Both run, with a link that costs no time, until a moment. */
void run_until(int64_t at)
{
    exchange();
    for (;;) {
        int64_t next = deadline(&client) < deadline(&server) ? deadline(&client)
                                                             : deadline(&server);
        if (next > at)
            break;
        now.now_us = next > now.now_us ? next : now.now_us;
        vital_engine_tick(client.engine, now);
        vital_engine_tick(server.engine, now);
        exchange();
    }
    now.now_us = at;
}

/* -------------------------------------------------------------- a foreign peer */

/* A frame as the peer of `to` would write it. */
void add_frame(struct buffer *out, const struct end *to, vt_frame frame, const void *payload)
{
    uint8_t header[VT_FRAME_HEADER_MAX];
    frame.masked = to->policy.role == VITAL_SERVER;
    memcpy(frame.key, "\x12\x34\x56\x78", 4);
    append(out, header, vt_frame_encode(header, &frame));
    size_t at = out->size;
    append(out, payload, (size_t)frame.size);
    if (frame.masked && frame.size > 0)
        vt_mask(out->data + at, (size_t)frame.size, frame.key, 0);
}

void come_frame(struct end *to, vt_opcode opcode, const char *payload)
{
    struct buffer bytes = {0};
    add_frame(&bytes, to, (vt_frame){.fin = true, .opcode = opcode, .size = strlen(payload)},
              payload);
    come(to, bytes.data, bytes.size);
    free(bytes.data);
}

/* The next frame that has left `from`, unmasked; taken off its wire. */
vt_frame frame_from(struct end *from, char payload[VT_CONTROL_PAYLOAD_MAX + 1])
{
    vt_frame frame;
    const char *why = NULL;
    int header = vt_frame_decode(&frame, from->wire.data, from->wire.size, &why);
    if (header <= 0)
        fail_msg("no frame in %zu bytes: %s", from->wire.size, why == NULL ? "too short" : why);
    size_t size = (size_t)frame.size;
    assert_true(from->wire.size >= (size_t)header + size);
    if (frame.masked)
        vt_mask(from->wire.data + header, size, frame.key, 0);
    if (payload != NULL) {
        assert_true(size <= VT_CONTROL_PAYLOAD_MAX);
        memcpy(payload, from->wire.data + header, size);
        payload[size] = '\0';
    }
    take(&from->wire, (size_t)header + size);
    return frame;
}

void assert_close_left(struct end *from, uint16_t code, const char *reason)
{
    char payload[VT_CONTROL_PAYLOAD_MAX + 1];
    vt_frame frame = frame_from(from, payload);
    assert_int_equal(frame.opcode, VT_OP_CLOSE);
    assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], code);
    assert_string_equal(payload + 2, reason);
    assert_int_equal(from->wire.size, 0);
}

/* A client that has asked, and the start of the server's answer. */
void ask_as_client(vital_policy policy)
{
    reseed(1);
    begin_end(&client, policy);
    connect_client();
    assert_log(&client, "connect");
}

void assert_status_left(struct end *from, int status)
{
    int left = 0;
    append(&from->wire, "", 1);
    assert_int_equal(sscanf((const char *)from->wire.data, "HTTP/1.1 %d", &left), 1);
    assert_int_equal(left, status);
    from->wire.size = 0;
}
