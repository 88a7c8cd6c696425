/*
 * A backend without a network, whose time moves only while the loop waits, and
 * when a test moves it: the smallest thing that backend.h can mean.
 */
#ifndef VT_TESTS_FAKE_BACKEND_H
#define VT_TESTS_FAKE_BACKEND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "backend.h"

enum { FAKE_START_US = 1000 * 1000 };

typedef struct fake_loop {
    vital_loop base; /* first */
    int64_t now_us;
    int64_t slept_us;                         /* so far */
    int64_t late_us;                          /* the next wait ends so much later than it should */
    void (*complete)(struct fake_loop *loop); /* once, in the next wait, after the wake-up */
    int wakes, submits, connects, lookups, cancels, watches;
    int refusal;       /* errno of every connect */
    vt_lookup *lookup; /* owned: the one that waits for its answer */
    char host[128];
} fake_loop;

static inline fake_loop *fake_of(vital_loop *loop)
{
    return (fake_loop *)loop;
}

static inline int fake_start(vital_loop *loop, void *world)
{
    (void)world;
    fake_of(loop)->now_us = FAKE_START_US;
    fake_of(loop)->refusal = ECONNREFUSED;
    return 0;
}

static inline void fake_finish(vital_loop *loop)
{
    free(fake_of(loop)->lookup);
}

static inline int64_t fake_now_us(vital_loop *loop)
{
    return fake_of(loop)->now_us;
}

static inline int64_t fake_slept_us(vital_loop *loop)
{
    return fake_of(loop)->slept_us;
}

static inline void fake_watch_network(vital_loop *loop)
{
    fake_of(loop)->watches++;
}

static inline int fake_seed(vital_loop *loop, uint8_t seed[VT_RANDOM_SEED_BYTES])
{
    (void)loop;
    memset(seed, 7, VT_RANDOM_SEED_BYTES);
    return 0;
}

static inline int fake_fd(const vital_loop *loop)
{
    (void)loop;
    return -1;
}

static inline int fake_wait(vital_loop *base, int64_t until_us)
{
    fake_loop *loop = fake_of(base);
    void (*complete)(fake_loop *) = loop->complete;
    if (until_us != INT64_MAX && until_us > loop->now_us)
        loop->now_us = until_us;
    loop->now_us += loop->late_us;
    loop->late_us = 0;
    vt_loop_woke(base);
    loop->complete = NULL;
    if (complete != NULL)
        complete(loop);
    return 0;
}

static inline void fake_submit(vital_loop *loop)
{
    fake_of(loop)->submits++;
}

static inline bool fake_busy(vital_loop *loop)
{
    (void)loop;
    return false;
}

static inline void fake_wake(vital_loop *loop)
{
    fake_of(loop)->wakes++;
}

static inline vt_stream *fake_connect(vital_loop *loop, const vt_address *from,
                                      const vt_address *to)
{
    (void)from, (void)to;
    fake_of(loop)->connects++;
    errno = fake_of(loop)->refusal;
    return NULL;
}

static inline vt_listener *fake_listen(vital_loop *loop, const vt_address *on, bool share_port,
                                       vt_address *bound)
{
    (void)loop, (void)on, (void)share_port, (void)bound;
    errno = EOPNOTSUPP;
    return NULL;
}

static inline vt_lookup *fake_lookup(vital_loop *loop, const char *host, uint16_t port)
{
    fake_loop *fake = fake_of(loop);
    (void)port;
    assert_null(fake->lookup);
    fake->lookups++;
    strncpy(fake->host, host, sizeof fake->host - 1);
    fake->lookup = calloc(1, sizeof *fake->lookup);
    if (fake->lookup != NULL)
        fake->lookup->loop = loop;
    return fake->lookup;
}

/* To be called in `complete`, as a backend would. */
static inline void fake_answer(fake_loop *loop, const vt_address *addresses, size_t count,
                               const char *problem)
{
    vt_lookup *lookup = loop->lookup;
    assert_non_null(lookup);
    loop->lookup = NULL;
    lookup->found(lookup->owner, addresses, count, problem);
    free(lookup);
}

static inline void fake_cancel(vt_lookup *lookup)
{
    fake_loop *loop = fake_of(lookup->loop);
    assert_ptr_equal(loop->lookup, lookup);
    assert_null(lookup->found);
    loop->cancels++;
    loop->lookup = NULL;
    free(lookup);
}

/* No stream ever comes to be, so what is done with streams is left out. */
static const vt_backend FAKE_BACKEND = {
    .name = "fake",
    .size = sizeof(fake_loop),
    .start = fake_start,
    .finish = fake_finish,
    .now_us = fake_now_us,
    .seed = fake_seed,
    .fd = fake_fd,
    .slept_us = fake_slept_us,
    .watch_network = fake_watch_network,
    .wait = fake_wait,
    .submit = fake_submit,
    .busy = fake_busy,
    .wake = fake_wake,
    .connect = fake_connect,
    .listen = fake_listen,
    .lookup = fake_lookup,
    .cancel = fake_cancel,
};

#endif
