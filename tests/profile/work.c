/*
 * Work of one kind, so many times, and nothing else: its instructions are counted from
 * outside (profile.py), and what it costs to begin is the same however often it is done.
 *
 *   echo     a server's engine is given a masked message of 64 bytes, and echoes it
 *   answer   it is given a ping, and answers
 *   beat     its own beat is due, leaves, and is answered
 *   rest     it is folded while nothing is under way, and unfolded
 *   arm      a timer of a wheel that has TIMERS armed ones is armed for the first time
 *   again    the same timer is armed for another time
 *   expire   one of TIMERS timers, which are due evenly over 25 s, comes out
 *   tick     the wheel is turned, and none of TIMERS timers is due
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vital/engine.h>

#include "engine_state.h"
#include "rest.h"
#include "wheel.h"

enum {
    BAD_USAGE = 2,
    MESSAGE_BYTES = 64,
    NONCE_BYTES = 8,
    FRAME_BYTES = 2 + 4 + MESSAGE_BYTES,
    INTERVAL_US = 25 * 1000 * 1000,
    TICK_US = 20 * 1000,
};

static const char request[] =
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

static vital_clock now = {.now_us = 1000 * 1000};
static vital_policy policy = {.role = VITAL_SERVER};
static vital_engine *engine;

/* Reproducible, which is all that is wanted of it here. */
static void fill(void *source, void *out, size_t size)
{
    (void)source;
    static uint32_t state = 1;
    for (uint8_t *at = out; size > 0; size--, at++) {
        state = state * 1664525 + 1013904223;
        *at = (uint8_t)(state >> 24);
    }
}

/* All that waits leaves; returns its first bytes. */
static const uint8_t *leave(void)
{
    static uint8_t first[FRAME_BYTES];
    vital_bytes bytes = vital_engine_pending(engine, now);
    assert(bytes.size > 0);
    memcpy(first, bytes.data, bytes.size < sizeof first ? bytes.size : sizeof first);
    vital_engine_written(engine, now, bytes.size);
    assert(vital_engine_pending(engine, now).size == 0);
    return first;
}

static void come(void *bytes, size_t size)
{
    vital_event event;
    vital_engine_read(engine, now, bytes, size);
    while (vital_engine_next(engine, now, &event)) {
        vital_response accepted = {.status = 0};
        const char *problem;
        if (event.type == VITAL_EVENT_REQUEST)
            vital_engine_respond(engine, now, &accepted, &problem);
        else if (event.type == VITAL_EVENT_MESSAGE)
            vital_engine_send(engine, now, event.message.kind, event.message.bytes);
    }
}

/* As a client writes it: masked, here with a key of zeros. */
static void come_frame(uint8_t opcode, const void *payload, size_t size)
{
    uint8_t frame[FRAME_BYTES] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | size)};
    memcpy(frame + 6, payload, size);
    come(frame, 6 + size);
}

static void open_engine(void)
{
    const char *problem;
    char bytes[sizeof request];
    if (vital_policy_init(&policy, &problem) != 0 ||
        vital_engine_create(&engine, &policy, (vital_entropy){fill, NULL}, now) != 0)
        abort();
    memcpy(bytes, request, sizeof bytes);
    come(bytes, sizeof bytes - 1);
    leave();
}

/* ------------------------------------------------------------ of a connection */

static void echo(void)
{
    static const uint8_t message[MESSAGE_BYTES];
    come_frame(2, message, sizeof message);
    leave();
}

static void answer(void)
{
    come_frame(9, "12345678", NONCE_BYTES);
    leave();
    now.now_us += INTERVAL_US; /* or the peer asked too often */
}

static void beat(void)
{
    now.now_us = vital_engine_deadline(engine);
    vital_engine_tick(engine, now);
    const uint8_t *ping = leave();
    now.now_us += 1000;
    come_frame(10, ping + 2, NONCE_BYTES);
}

static void rest(void)
{
    vt_rest record;
    if (!vt_rest_fold(&record, engine, now.now_us))
        abort();
    vt_rest_unfold(&record, engine, &policy, (vital_entropy){fill, NULL}, 0);
}

/* ----------------------------------------------------------------- of a wheel */

static vt_wheel wheel;
static vt_timer_id *ids;
static int64_t count, next;

static int64_t due_us(int64_t number)
{
    return now.now_us + TICK_US + INTERVAL_US * number / count;
}

static void fill_wheel(bool armed)
{
    static int owner;
    vt_wheel_init(&wheel, TICK_US, now.now_us);
    ids = calloc((size_t)count, sizeof *ids);
    for (int64_t i = 0; i < count; i++) {
        ids[i] = vt_wheel_add(&wheel, &owner);
        if (armed)
            vt_wheel_arm(&wheel, ids[i], due_us(i));
    }
}

static void arm(void)
{
    vt_wheel_arm(&wheel, ids[next % count], due_us(next % count));
    next++;
}

static void expire(void)
{
    static int64_t turned_us;
    if (turned_us == 0)
        turned_us = now.now_us;
    while (vt_wheel_expire(&wheel, turned_us) == NULL)
        turned_us += TICK_US;
}

/* The first of them is due at the end of the next tick. */
static void turn(void)
{
    if (vt_wheel_expire(&wheel, now.now_us) != NULL)
        abort();
}

/* ------------------------------------------------------------------------ */

static const struct kind {
    const char *name;
    void (*once)(void);
    bool timers, armed;
} kinds[] = {
    {"echo", echo, false, false},   {"answer", answer, false, false}, {"beat", beat, false, false},
    {"rest", rest, false, false},   {"arm", arm, true, false},        {"again", arm, true, true},
    {"expire", expire, true, true}, {"tick", turn, true, true},
};

static int do_it(const struct kind *kind, int64_t times)
{
    if (kind->timers)
        fill_wheel(kind->armed);
    else
        open_engine();
    for (int64_t i = 0; i < times; i++)
        kind->once();
    if (kind->timers)
        vt_wheel_finish(&wheel);
    free(ids);
    vital_engine_destroy(engine);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 4 && i < sizeof kinds / sizeof kinds[0]; i++) {
        count = strtoll(argv[3], NULL, 10);
        if (strcmp(argv[1], kinds[i].name) == 0)
            return do_it(&kinds[i], strtoll(argv[2], NULL, 10));
    }
    fprintf(stderr, "usage: %s KIND TIMES TIMERS\n", argv[0]);
    return BAD_USAGE;
}
