/*
 * Each direction has one piece under way: while it has not left, its reader is
 * paused. That is a buffer of 64 KiB at most, and back-pressure for nothing.
 */
#include "proxy.h"

#include <string.h>

#include "memory.h"

struct pair;

struct leg {
    struct pair *pair;
    struct leg *other;
    vt_stream *stream; /* NULL: gone */
    void *piece;       /* owned: on its way to this leg's peer */
    int64_t heard_us;
};

struct pair {
    vt_list link;
    sim_proxy *proxy;
    struct leg legs[2]; /* towards the client, towards the server */
    vt_timer idle;
};

struct sim_proxy {
    vital_loop *loop;
    sim_proxy_options options;
    vt_listener *listener;
    vt_list pairs;
    size_t cuts;
};

static void end_pair(struct pair *pair, vt_stream_end how)
{
    for (int i = 0; i < 2; i++) {
        if (pair->legs[i].stream != NULL)
            vt_stream_close(pair->legs[i].stream, how, (vital_bytes){NULL, 0});
        sim_release(pair->legs[i].piece);
    }
    vt_timer_finish(&pair->idle, pair->proxy->loop);
    vt_list_remove(&pair->link);
    sim_release(pair);
}

static void on_idle(void *owner)
{
    struct pair *pair = owner;
    const sim_proxy *proxy = pair->proxy;
    int64_t now_us = vt_loop_clock(proxy->loop).now_us;
    int64_t heard_us = pair->legs[0].heard_us < pair->legs[1].heard_us ? pair->legs[0].heard_us
                                                                       : pair->legs[1].heard_us;
    if (now_us < heard_us + proxy->options.idle_us) {
        vt_timer_arm(&pair->idle, proxy->loop, heard_us + proxy->options.idle_us);
        return;
    }
    pair->proxy->cuts++;
    end_pair(pair, proxy->options.resets ? VT_END_ABRUPT : VT_END_POLITE);
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    struct leg *leg = owner;
    struct leg *other = leg->other;
    if (size == 0) {
        end_pair(leg->pair, error == 0 ? VT_END_POLITE : VT_END_ABRUPT);
        return;
    }
    leg->heard_us = vt_loop_clock(leg->pair->proxy->loop).now_us;
    other->piece = sim_obtain(size);
    memcpy(other->piece, data, size);
    vt_stream_pause(leg->stream, true);
    vt_stream_send(other->stream, (vital_bytes){other->piece, size});
}

static void on_sent(void *owner, size_t size, int error)
{
    struct leg *leg = owner;
    (void)size;
    if (error != 0)
        return; /* its end comes from the reading side */
    sim_release(leg->piece);
    leg->piece = NULL;
    vt_stream_pause(leg->other->stream, false);
}

static void on_connected(void *owner, int error)
{
    struct leg *leg = owner;
    if (error != 0)
        end_pair(leg->pair, VT_END_ABRUPT);
    else
        vt_stream_pause(leg->other->stream, false);
}

static const vt_stream_events LEG = {
    .connected = on_connected,
    .received = on_received,
    .sent = on_sent,
};

static void on_accepted(void *owner, vt_stream *stream, const vt_address *peer)
{
    sim_proxy *proxy = owner;
    struct pair *pair = sim_obtain(sizeof *pair);
    (void)peer;
    *pair = (struct pair){.proxy = proxy};
    vt_list_init(&pair->link);
    sim_must(vt_timer_init(&pair->idle, proxy->loop, on_idle, pair) == 0);
    for (int i = 0; i < 2; i++) {
        pair->legs[i].pair = pair;
        pair->legs[i].other = &pair->legs[1 - i];
        pair->legs[i].heard_us = vt_loop_clock(proxy->loop).now_us;
    }
    vt_list_append(&proxy->pairs, &pair->link);
    pair->legs[0].stream = stream;
    vt_stream_adopt(stream, &LEG, &pair->legs[0]);
    vt_stream_pause(stream, true); /* until there is somebody to pass it on to */
    pair->legs[1].stream = vt_stream_connect(proxy->loop, &proxy->options.to, &LEG, &pair->legs[1]);
    sim_must(pair->legs[1].stream != NULL);
    vt_timer_arm(&pair->idle, proxy->loop, pair->legs[0].heard_us + proxy->options.idle_us);
}

sim_proxy *sim_proxy_create(vital_loop *loop, const sim_proxy_options *options)
{
    vt_address bound;
    sim_proxy *proxy = sim_obtain(sizeof *proxy);
    *proxy = (sim_proxy){.loop = loop, .options = *options};
    vt_list_init(&proxy->pairs);
    proxy->listener = vt_listener_open(loop, &options->on, false, on_accepted, proxy, &bound);
    sim_must(proxy->listener != NULL);
    return proxy;
}

void sim_proxy_destroy(sim_proxy *proxy)
{
    if (proxy == NULL)
        return;
    vt_listener_close(proxy->listener);
    while (!vt_list_empty(&proxy->pairs))
        end_pair(VT_LIST_OWNER(proxy->pairs.next, struct pair, link), VT_END_ABRUPT);
    sim_release(proxy);
}

size_t sim_proxy_cuts(const sim_proxy *proxy)
{
    return proxy->cuts;
}
