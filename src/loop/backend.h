/*
 * What a backend of the loop provides. Only src/loop includes this; everybody
 * else speaks loop.h. Operations mean what loop.h says of their namesakes.
 */
#ifndef VT_LOOP_BACKEND_H
#define VT_LOOP_BACKEND_H

#include <pthread.h>

#include "loop.h"

/* The beginning of each backend's own stream, listener and lookup. */
struct vt_stream {
    vital_loop *loop;
    const vt_stream_events *events; /* NULL until adopted, and once closed */
    void *owner;
};

struct vt_listener {
    vital_loop *loop;
    vt_accepted *accepted;
    void *owner;
};

struct vt_lookup {
    vital_loop *loop;
    vt_found *found; /* NULL: cancelled, or told */
    void *owner;
};

typedef struct vt_backend {
    const char *name;
    size_t size; /* of the backend's loop, which begins with a struct vital_loop */

    int (*start)(vital_loop *loop, void *world); /* 0, or -1 with errno */
    void (*finish)(vital_loop *loop);

    int64_t (*now_us)(vital_loop *loop);
    int (*seed)(vital_loop *loop, uint8_t seed[VT_RANDOM_SEED_BYTES]); /* 0 or -1 */
    int (*fd)(const vital_loop *loop);
    /* For how long the machine has slept so far, while now_us stood still. NULL: unknown. */
    int64_t (*slept_us)(vital_loop *loop);
    /* Once: calls vital_loop_network_changed() whenever a network may have come up. NULL:
     * it does not know. */
    void (*watch_network)(vital_loop *loop);

    /* Waits until something completes or until_us, calls vt_loop_woke(), then
     * delivers. 0, or -1 with errno. */
    int (*wait)(vital_loop *loop, int64_t until_us);
    void (*submit)(vital_loop *loop); /* tries each send once */
    bool (*busy)(vital_loop *loop);   /* something is left for the next turn */
    void (*wake)(vital_loop *loop);   /* ends a wait; from any thread */

    vt_stream *(*connect)(vital_loop *loop, const vt_address *from, const vt_address *to);
    void (*send)(vt_stream *stream, vital_bytes bytes);
    void (*pause)(vt_stream *stream, bool pause);
    void (*poll)(vt_stream *stream);
    bool (*info)(vt_stream *stream, vital_evidence *out);
    void (*close)(vt_stream *stream, vt_stream_end how, vital_bytes farewell);

    vt_listener *(*listen)(vital_loop *loop, const vt_address *on, bool share_port,
                           vt_address *bound);
    void (*unlisten)(vt_listener *listener);

    vt_lookup *(*lookup)(vital_loop *loop, const char *host, uint16_t port);
    void (*cancel)(vt_lookup *lookup);
} vt_backend;

extern const vt_backend vt_backend_epoll;
extern const vt_backend *const vt_backend_uring; /* NULL: built without liburing */

struct vital_loop {
    const vt_backend *backend;
    vital_clock clock;
    int64_t due_us;    /* when we said that we would be back; later is our lateness */
    vital_stats stats; /* all but stalled_us, which is the clock's */
    vt_wheel wheel;
    vt_random random;
    bool stop;
    bool watches;     /* the network */
    bool resumed;     /* the machine has slept, and nobody has been told yet */
    int64_t slept_us; /* as last seen */
    int64_t told_us;  /* when changes of the network were last told */
    vt_timer news;    /* while some wait to be told */
    vt_list tasks;
    vt_list residents;
    vt_list graves;
    pthread_mutex_t posts_lock;
    struct vt_post *posts; /* newest first; the only thing that threads share */
    char problem[256];
};

/* As vital_loop_create(), on a backend of one's choice. `world` is what that
 * backend's start() wants: NULL for the real one. */
int vt_loop_create(vital_loop **out, const vt_backend *backend, void *world);

/* When the loop wants to be back; INT64_MAX: nothing is due. */
int64_t vt_loop_next_us(vital_loop *loop);

/* The wait is over: reads the clock, and counts it as ours if it is late. */
void vt_loop_woke(vital_loop *loop);

#endif
