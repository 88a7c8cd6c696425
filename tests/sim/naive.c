/*
 * Every 25 s a ping, 10 s for its pong, a second until the next attempt: no
 * jitter, no look at what has already come, no thought of one's own sleep.
 */
#include "naive.h"

#include <string.h>

#include "memory.h"

enum { SECOND_US = 1000 * 1000, BEAT_US = 25 * SECOND_US, ANSWER_US = 10 * SECOND_US };

struct one {
    sim_naive *naive;
    vt_stream *stream; /* NULL: away */
    sim_path *path;    /* held */
    bool open;
    bool asked;
    int64_t asked_us;
    vt_timer timer;
};

struct sim_naive {
    sim_life *life;
    vital_loop *loop;
    vt_address to;
    int count;
    struct one ones[];
};

static int64_t now_us(const struct one *one)
{
    return vt_loop_clock_now(one->naive->loop).now_us;
}

static void hang_up(struct one *one)
{
    if (one->stream != NULL)
        vt_stream_close(one->stream, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    sim_net_release(one->path);
    one->stream = NULL;
    one->path = NULL;
    one->open = one->asked = false;
}

static void come_back_later(struct one *one)
{
    hang_up(one);
    vt_timer_arm(&one->timer, one->naive->loop, now_us(one) + SECOND_US);
}

/* Was there any reason to give it up? */
static void give_up(struct one *one)
{
    sim_life *life = one->naive->life;
    int64_t world_us = vt_sim_now_us(life->sim);
    bool reason = sim_path_hurt_since(one->path, world_us - 60 * SECOND_US, world_us) ||
                  sim_recent(life, life->server_process.disturbed_us, 60 * SECOND_US);
    if (!reason)
        life->result.naive_mistakes++;
    come_back_later(one);
}

static void ping(struct one *one)
{
    static const uint8_t PING[] = {0x89, 0x84, 0, 0, 0, 0, 'b', 'e', 'a', 't'};
    one->asked = true;
    one->asked_us = now_us(one);
    one->naive->life->result.naive_beats++;
    vt_stream_send(one->stream, (vital_bytes){PING, sizeof PING});
    vt_timer_arm(&one->timer, one->naive->loop, one->asked_us + ANSWER_US);
}

static void on_connected(void *owner, int error)
{
    static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    struct one *one = owner;
    if (error != 0) {
        come_back_later(one);
        return;
    }
    vt_stream_send(one->stream, vital_text(REQUEST));
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    struct one *one = owner;
    (void)error;
    if (size == 0) {
        come_back_later(one);
        return;
    }
    if (!one->open) { /* the 101, all of it for all that this one cares */
        one->open = true;
        vt_timer_arm(&one->timer, one->naive->loop, now_us(one) + BEAT_US);
        return;
    }
    if (one->asked && (data[0] & 0x0f) == VT_OP_PONG) {
        one->asked = false;
        vt_timer_arm(&one->timer, one->naive->loop, one->asked_us + BEAT_US);
    }
}

static void on_sent(void *owner, size_t size, int error)
{
    (void)owner, (void)size, (void)error; /* what goes wrong is heard of elsewhere */
}

static const vt_stream_events ONE = {
    .connected = on_connected,
    .received = on_received,
    .sent = on_sent,
};

static void on_timer(void *owner)
{
    struct one *one = owner;
    if (one->stream != NULL && one->asked) {
        give_up(one);
    } else if (one->stream != NULL && one->open) {
        ping(one);
    } else if (one->stream == NULL) {
        one->stream = vt_stream_connect(one->naive->loop, &one->naive->to, &ONE, one);
        sim_must(one->stream != NULL);
        one->path = sim_net_hold(one->stream);
        vt_timer_arm(&one->timer, one->naive->loop, now_us(one) + ANSWER_US);
    } else {
        come_back_later(one); /* no answer to the upgrade */
    }
}

sim_naive *sim_naive_create(sim_life *life, const vt_address *to, int count)
{
    vital_loop *loop = life->naive_process.loop;
    sim_naive *naive = sim_obtain(sizeof *naive + (size_t)count * sizeof naive->ones[0]);
    *naive = (sim_naive){.life = life, .loop = loop, .to = *to, .count = count};
    for (int i = 0; i < count; i++) {
        struct one *one = &naive->ones[i];
        *one = (struct one){.naive = naive};
        sim_must(vt_timer_init(&one->timer, loop, on_timer, one) == 0);
        vt_timer_arm(&one->timer, loop, now_us(one) + SECOND_US);
    }
    return naive;
}

void sim_naive_destroy(sim_naive *naive)
{
    if (naive == NULL)
        return;
    for (int i = 0; i < naive->count; i++) {
        hang_up(&naive->ones[i]);
        vt_timer_finish(&naive->ones[i].timer, naive->loop);
    }
    sim_release(naive);
}
