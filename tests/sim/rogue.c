/*
 * One connection is one misdeed: what is said first, what is said once the other
 * side has answered, and whether it reads on.
 */
#include "rogue.h"

#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "handshake.h"
#include "memory.h"

enum {
    SAID_MOST = 4096,
    HEARD_MOST = 2048,
    SECOND_US = 1000 * 1000,
    PATIENCE_US = 40 * SECOND_US, /* then it hangs up */
    CALL_EVERY_S = 20,
};

struct misdeed {
    vt_list link;
    sim_rogue *rogue;
    vt_stream *stream;
    bool serves;   /* it was called */
    bool upgraded; /* the handshake is over, or will never be */
    bool sending;
    char heard[HEARD_MOST]; /* of the other's handshake */
    size_t heard_size;
    uint8_t said[SAID_MOST];
    size_t said_size;
    vt_timer patience;
};

struct sim_rogue {
    vital_loop *loop;
    sim_draw draw;
    vt_address to;
    vt_listener *listener;
    vt_list misdeeds;
    vt_timer call;
    bool calm;
};

static int64_t draw(sim_rogue *rogue, int64_t low, int64_t high)
{
    return sim_draw_between(&rogue->draw, low, high);
}

/* ---------------------------------------------------------------- what is said */

static void say(struct misdeed *misdeed, const void *bytes, size_t size)
{
    if (size > SAID_MOST - misdeed->said_size)
        return;
    memcpy(misdeed->said + misdeed->said_size, bytes, size);
    misdeed->said_size += size;
}

static void say_text(struct misdeed *misdeed, const char *text)
{
    say(misdeed, text, strlen(text));
}

static void say_rubbish(struct misdeed *misdeed)
{
    for (int64_t left = draw(misdeed->rogue, 1, 64); left > 0; left--) {
        uint8_t byte = (uint8_t)draw(misdeed->rogue, 0, 255);
        say(misdeed, &byte, 1);
    }
}

static void say_frame(struct misdeed *misdeed, vt_frame frame, const char *payload)
{
    uint8_t header[VT_FRAME_HEADER_MAX];
    frame.masked ^= !misdeed->serves; /* the key is zero, which is one, too */
    say(misdeed, header, vt_frame_encode(header, &frame));
    say(misdeed, payload, strlen(payload));
}

/* After the handshake: frames, all but the last of them fine. */
static void misbehave(struct misdeed *misdeed)
{
    const vt_frame text = {.fin = true, .opcode = VT_OP_TEXT, .size = 5};
    const vt_frame ping = {.fin = true, .opcode = VT_OP_PING, .size = 5};
    say_frame(misdeed, text, "1 abc");
    switch (draw(misdeed->rogue, 0, 8)) {
    case 0:
        say_frame(misdeed, (vt_frame){.fin = true, .rsv = 2, .opcode = VT_OP_TEXT, .size = 1}, "x");
        break;
    case 1: /* the wrong way to mask */
        say_frame(misdeed, (vt_frame){.fin = true, .masked = true, .opcode = VT_OP_PING}, "");
        break;
    case 2:
        say_frame(misdeed, (vt_frame){.fin = true, .opcode = VT_OP_TEXT, .size = 2}, "\xc3\x28");
        break;
    case 3: /* more than there will ever be */
        say_frame(misdeed, (vt_frame){.fin = true, .opcode = VT_OP_BINARY, .size = INT64_MAX}, "");
        break;
    case 4:
        for (int i = 0; i < 300; i++)
            say_frame(misdeed, ping, "flood");
        break;
    case 5:
        say_frame(misdeed, (vt_frame){.fin = true, .opcode = VT_OP_CONTINUATION, .size = 1}, "x");
        break;
    case 6: /* a message without an end */
        say_frame(misdeed, (vt_frame){.opcode = VT_OP_TEXT, .size = 1}, "x");
        break;
    case 7:
        say_frame(misdeed, (vt_frame){.fin = true, .opcode = VT_OP_CLOSE, .size = 1}, "x");
        break;
    default:
        say_rubbish(misdeed);
        break;
    }
}

static void begin_as_client(struct misdeed *misdeed)
{
    static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    switch (draw(misdeed->rogue, 0, 7)) {
    case 0:
        say_rubbish(misdeed);
        break;
    case 1: /* half a request, and nothing more */
        say(misdeed, REQUEST, (size_t)draw(misdeed->rogue, 1, sizeof REQUEST - 2));
        break;
    case 2: /* says nothing at all */
        break;
    case 3: /* does not wait for the answer */
        say_text(misdeed, REQUEST);
        misbehave(misdeed);
        break;
    default:
        say_text(misdeed, REQUEST);
        break;
    }
}

static void begin_as_server(struct misdeed *misdeed)
{
    char answer[256];
    char accept[VT_ACCEPT_TEXT_BYTES + 1];
    char key[VT_KEY_TEXT_BYTES + 1] = "AAAAAAAAAAAAAAAAAAAAAA==";
    const char *found = strstr(misdeed->heard, "Sec-WebSocket-Key: ");
    if (found != NULL && draw(misdeed->rogue, 0, 9) > 0)
        sscanf(found, "Sec-WebSocket-Key: %24s", key);
    vt_handshake_accept(accept, key);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    switch (draw(misdeed->rogue, 0, 7)) {
    case 0:
        say_rubbish(misdeed);
        break;
    case 1:
        say_text(misdeed, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n");
        break;
    case 2:
        break;
    default:
        say_text(misdeed, answer);
        misbehave(misdeed);
        break;
    }
}

/* ------------------------------------------------------------------ a connection */

static void hang_up(struct misdeed *misdeed, vt_stream_end how)
{
    vt_stream_close(misdeed->stream, how, (vital_bytes){NULL, 0});
    vt_timer_finish(&misdeed->patience, misdeed->rogue->loop);
    vt_list_remove(&misdeed->link);
    sim_release(misdeed);
}

static void out_of_patience(void *owner)
{
    struct misdeed *misdeed = owner;
    hang_up(misdeed, draw(misdeed->rogue, 0, 1) == 0 ? VT_END_ABRUPT : VT_END_POLITE);
}

static void flush(struct misdeed *misdeed)
{
    if (misdeed->sending || misdeed->said_size == 0)
        return;
    misdeed->sending = true;
    vt_stream_send(misdeed->stream, (vital_bytes){misdeed->said, misdeed->said_size});
}

static void on_connected(void *owner, int error)
{
    struct misdeed *misdeed = owner;
    if (error != 0) {
        hang_up(misdeed, VT_END_ABRUPT);
        return;
    }
    begin_as_client(misdeed);
    flush(misdeed);
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    struct misdeed *misdeed = owner;
    (void)error;
    if (size == 0) {
        hang_up(misdeed, VT_END_POLITE);
        return;
    }
    if (misdeed->upgraded)
        return;
    size_t room = HEARD_MOST - 1 - misdeed->heard_size;
    memcpy(misdeed->heard + misdeed->heard_size, data, size < room ? size : room);
    misdeed->heard_size += size < room ? size : room;
    if (strstr(misdeed->heard, "\r\n\r\n") == NULL)
        return;
    misdeed->upgraded = true;
    if (misdeed->serves)
        begin_as_server(misdeed);
    else
        misbehave(misdeed);
    flush(misdeed);
    if (draw(misdeed->rogue, 0, 3) == 0)
        vt_stream_pause(misdeed->stream, true); /* and reads no more */
}

static void on_sent(void *owner, size_t size, int error)
{
    struct misdeed *misdeed = owner;
    (void)error;
    memmove(misdeed->said, misdeed->said + size, misdeed->said_size - size);
    misdeed->said_size -= size;
    misdeed->sending = false;
    if (error == 0)
        flush(misdeed);
}

static const vt_stream_events MISDEED = {
    .connected = on_connected,
    .received = on_received,
    .sent = on_sent,
};

static struct misdeed *begin(sim_rogue *rogue)
{
    struct misdeed *misdeed = sim_obtain(sizeof *misdeed);
    *misdeed = (struct misdeed){.rogue = rogue};
    vt_list_init(&misdeed->link);
    vt_list_append(&rogue->misdeeds, &misdeed->link);
    sim_must(vt_timer_init(&misdeed->patience, rogue->loop, out_of_patience, misdeed) == 0);
    vt_timer_arm(&misdeed->patience, rogue->loop,
                 vt_loop_clock(rogue->loop).now_us + draw(rogue, 1, PATIENCE_US));
    return misdeed;
}

static void on_accepted(void *owner, vt_stream *stream, const vt_address *peer)
{
    struct misdeed *misdeed = begin(owner);
    (void)peer;
    misdeed->serves = true;
    misdeed->stream = stream;
    vt_stream_adopt(stream, &MISDEED, misdeed);
}

static void call(void *owner)
{
    sim_rogue *rogue = owner;
    if (rogue->calm)
        return;
    struct misdeed *misdeed = begin(rogue);
    misdeed->stream = vt_stream_connect(rogue->loop, &rogue->to, &MISDEED, misdeed);
    sim_must(misdeed->stream != NULL);
    vt_timer_arm(&rogue->call, rogue->loop,
                 vt_loop_clock(rogue->loop).now_us + draw(rogue, 1, CALL_EVERY_S) * SECOND_US);
}

/* ------------------------------------------------------------------ life cycle */

sim_rogue *sim_rogue_create(vital_loop *loop, uint64_t seed, const vt_address *to,
                            const vt_address *on)
{
    vt_address bound;
    sim_rogue *rogue = sim_obtain(sizeof *rogue);
    *rogue = (sim_rogue){.loop = loop, .draw = sim_draw_of(seed, 3), .to = *to};
    vt_list_init(&rogue->misdeeds);
    rogue->listener = vt_listener_open(loop, on, false, on_accepted, rogue, &bound);
    sim_must(rogue->listener != NULL && vt_timer_init(&rogue->call, loop, call, rogue) == 0);
    vt_timer_arm(&rogue->call, loop, vt_loop_clock(loop).now_us + SECOND_US);
    return rogue;
}

void sim_rogue_calm(sim_rogue *rogue)
{
    rogue->calm = true;
}

void sim_rogue_destroy(sim_rogue *rogue)
{
    if (rogue == NULL)
        return;
    while (!vt_list_empty(&rogue->misdeeds))
        hang_up(VT_LIST_OWNER(rogue->misdeeds.next, struct misdeed, link), VT_END_ABRUPT);
    vt_timer_finish(&rogue->call, rogue->loop);
    vt_listener_close(rogue->listener);
    sim_release(rogue);
}
