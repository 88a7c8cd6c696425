/*
 * The part of the loop that every backend shares: turns, timers, posted calls,
 * and the account of our own lateness.
 *
 * The loop says when it will be back (due_us). Whenever it is back noticeably
 * later, because a callback was busy, the process stopped or the machine
 * starved, the difference goes into clock.stalled_us, on which everybody who
 * judges a peer's silence sets their watch. That is O(1) for any number of
 * connections.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "histogram.h"

enum {
    /* One turn of the wheel's 2048 slots is 41 s, more than a beat's interval. */
    TICK_US = 20 * 1000,
    /* Lateness below this is the scheduler's noise. */
    NOTICEABLE_US = 50 * 1000,
    /* After a long absence peers and network need time to come back too. */
    LONG_ABSENCE_US = 5 * 1000 * 1000,
    GRACE_US = 5 * 1000 * 1000,
    /* A suspension that is shorter has hurt nobody. */
    SLEEP_US = 1000 * 1000,
    /* A network comes up in many steps: the first is told so much later, with all that
     * came meanwhile, and the next so much after that. */
    NEWS_US = 250 * 1000,
    NEWS_APART_US = 1000 * 1000,
    /* A send that completes at once may be followed by the next, so often in a
     * turn; then it is the others' turn. */
    ROUNDS_A_TURN = 8,
};

struct vt_post {
    struct vt_post *next;
    void (*run)(void *arg);
    void *arg;
};

int vt_loop_create(vital_loop **out, const vt_backend *backend, void *world)
{
    *out = NULL;
    vital_loop *loop = calloc(1, backend->size);
    if (loop == NULL)
        return VITAL_ENOMEM;
    loop->backend = backend;
    vt_list_init(&loop->tasks);
    vt_list_init(&loop->residents);
    vt_list_init(&loop->graves);
    if (pthread_mutex_init(&loop->posts_lock, NULL) != 0)
        goto fail_lock;
    if (backend->start(loop, world) != 0)
        goto fail_start;
    uint8_t seed[VT_RANDOM_SEED_BYTES];
    if (backend->seed(loop, seed) != 0 || vt_random_init(&loop->random, seed) != 0)
        goto fail_random;
    loop->clock.now_us = backend->now_us(loop);
    loop->due_us = INT64_MAX;
    loop->told_us = INT64_MIN / 2;
    if (backend->slept_us != NULL)
        loop->slept_us = backend->slept_us(loop);
    vt_wheel_init(&loop->wheel, TICK_US, loop->clock.now_us);
    *out = loop;
    return 0;

fail_random:
    backend->finish(loop);
fail_start:
    pthread_mutex_destroy(&loop->posts_lock);
fail_lock:
    free(loop);
    return VITAL_ESYSTEM;
}

static void bury_the_dead(vital_loop *loop)
{
    vt_list *link;
    while ((link = vt_list_take(&loop->graves)) != NULL) {
        vt_grave *grave = VT_LIST_OWNER(link, vt_grave, link);
        grave->bury(grave);
    }
}

void vital_loop_destroy(vital_loop *loop)
{
    if (loop == NULL)
        return;
    vt_list *link;
    while ((link = vt_list_take(&loop->residents)) != NULL) {
        vt_resident *resident = VT_LIST_OWNER(link, vt_resident, link);
        resident->evict(resident);
    }
    bury_the_dead(loop);
    vt_timer_finish(&loop->news, loop);
    loop->backend->finish(loop);
    bury_the_dead(loop);
    /* Whoever posted what led here is past its lock then. */
    pthread_mutex_lock(&loop->posts_lock);
    pthread_mutex_unlock(&loop->posts_lock);
    while (loop->posts != NULL) {
        struct vt_post *post = loop->posts;
        loop->posts = post->next;
        free(post);
    }
    pthread_mutex_destroy(&loop->posts_lock);
    vt_wheel_finish(&loop->wheel);
    vt_random_finish(&loop->random);
    free(loop);
}

/* ----------------------------------------------------------- time and lateness */

static void count_lateness(vital_loop *loop, int64_t late_us)
{
    if (late_us < NOTICEABLE_US)
        return;
    loop->clock.stalled_us += late_us;
    if (late_us > LONG_ABSENCE_US)
        loop->clock.stalled_us += GRACE_US;
}

/* Our clock stood still while the machine slept, so there is nothing to credit but the
 * time that peers and networks need to come back. */
static void notice_sleep(vital_loop *loop)
{
    if (loop->backend->slept_us == NULL)
        return;
    int64_t slept_us = loop->backend->slept_us(loop) - loop->slept_us;
    if (slept_us < SLEEP_US)
        return;
    loop->slept_us += slept_us;
    loop->resumed = true;
    if (slept_us > LONG_ABSENCE_US)
        loop->clock.stalled_us += GRACE_US;
}

void vt_loop_woke(vital_loop *loop)
{
    loop->clock.now_us = loop->backend->now_us(loop);
    notice_sleep(loop);
    if (loop->due_us == INT64_MAX)
        return;
    int64_t late_us = loop->clock.now_us - loop->due_us;
    if (late_us >= 0) /* else it is something else that woke us */
        vt_histogram_note(&loop->stats.lag, late_us);
    count_lateness(loop, late_us);
}

/* Callbacks have run: the time that they took was not spent on the peers. */
static void attend(vital_loop *loop)
{
    int64_t then_us = loop->clock.now_us;
    loop->clock.now_us = loop->backend->now_us(loop);
    count_lateness(loop, loop->clock.now_us - then_us);
}

vital_clock vt_loop_clock(const vital_loop *loop)
{
    return loop->clock;
}

vital_clock vt_loop_clock_now(vital_loop *loop)
{
    return (vital_clock){loop->backend->now_us(loop), loop->clock.stalled_us};
}

/* ---------------------------------------------------------------------- turns */

static bool has_posts(vital_loop *loop)
{
    pthread_mutex_lock(&loop->posts_lock);
    bool some = loop->posts != NULL;
    pthread_mutex_unlock(&loop->posts_lock);
    return some;
}

int64_t vt_loop_next_us(vital_loop *loop)
{
    if (loop->backend->busy(loop) || !vt_list_empty(&loop->tasks) || has_posts(loop))
        return 0;
    return vt_wheel_next_us(&loop->wheel);
}

static void fire_timers(vital_loop *loop)
{
    vt_timer *timer;
    while ((timer = vt_wheel_expire(&loop->wheel, loop->clock.now_us)) != NULL) {
        if (timer->at_us > loop->clock.now_us) {
            /* Beyond the wheel's horizon when it was armed: not yet. */
            vt_wheel_arm(&loop->wheel, timer->id, timer->at_us);
            continue;
        }
        timer->at_us = INT64_MAX;
        timer->fire(timer->owner);
    }
}

static void run_posts(vital_loop *loop)
{
    pthread_mutex_lock(&loop->posts_lock);
    struct vt_post *newest = loop->posts;
    loop->posts = NULL;
    pthread_mutex_unlock(&loop->posts_lock);

    struct vt_post *oldest = NULL;
    while (newest != NULL) {
        struct vt_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct vt_post *post = oldest;
        oldest = post->next;
        post->run(post->arg);
        free(post);
    }
}

/* Those that are scheduled by now; what they schedule comes next time. */
static void run_tasks(vital_loop *loop)
{
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &loop->tasks);
    while ((link = vt_list_take(&ready)) != NULL) {
        vt_task *task = VT_LIST_OWNER(link, vt_task, link);
        task->run(task->owner);
    }
}

static void tell(vital_loop *loop, vital_hint hint)
{
    for (vt_list *link = loop->residents.next; link != &loop->residents; link = link->next) {
        vt_resident *resident = VT_LIST_OWNER(link, vt_resident, link);
        if (resident->hear != NULL)
            resident->hear(resident, hint);
    }
}

static void tell_resumed(vital_loop *loop)
{
    if (!loop->resumed)
        return;
    loop->resumed = false;
    tell(loop, VITAL_HINT_RESUMED);
}

static void tell_news(void *owner)
{
    vital_loop *loop = owner;
    vt_timer_finish(&loop->news, loop);
    loop->told_us = loop->clock.now_us;
    tell(loop, VITAL_HINT_NETWORK);
}

void vital_loop_network_changed(vital_loop *loop)
{
    if (loop == NULL || loop->news.fire != NULL)
        return;
    /* Without memory for a timer this is one of the hints that are not followed. */
    if (vt_timer_init(&loop->news, loop, tell_news, loop) != 0)
        return;
    int64_t soon_us = loop->backend->now_us(loop) + NEWS_US;
    int64_t next_us = loop->told_us + NEWS_APART_US;
    vt_timer_arm(&loop->news, loop, soon_us > next_us ? soon_us : next_us);
}

/* When we say that we shall be back, who are about to wait until then. What was
 * due before now is late already; work that has just come in is not. */
static int64_t promise_us(vital_loop *loop, int64_t until_us)
{
    int64_t now_us = loop->backend->now_us(loop);
    int64_t due_us = vt_wheel_next_us(&loop->wheel);
    int64_t back_us = until_us > now_us ? until_us : now_us;
    return back_us < due_us ? back_us : due_us;
}

static int fail_to_wait(vital_loop *loop)
{
    const char *why = errno == EEXIST
                          ? "a loop on io_uring stays with the thread that has first stepped it"
                          : strerror(errno);
    return vt_loop_fail(loop, VITAL_ESYSTEM, "waiting for events failed: %s", why);
}

int vital_loop_step(vital_loop *loop, int timeout_ms)
{
    int64_t until_us = vt_loop_next_us(loop);
    if (timeout_ms >= 0) {
        int64_t limit_us = loop->backend->now_us(loop) + (int64_t)timeout_ms * 1000;
        /* Embedded in another loop, we are late only against what we told it
         * last (due_us is left as it is); waiting ourselves, against this. */
        if (limit_us < until_us)
            until_us = limit_us;
    }
    if (timeout_ms != 0)
        loop->due_us = promise_us(loop, until_us);
    if (loop->backend->wait(loop, until_us) != 0)
        return fail_to_wait(loop);
    tell_resumed(loop);
    attend(loop);
    fire_timers(loop);
    attend(loop);
    run_posts(loop);
    int round = 0;
    do {
        run_tasks(loop);
        loop->backend->submit(loop);
    } while (!vt_list_empty(&loop->tasks) && ++round < ROUNDS_A_TURN);
    attend(loop);
    bury_the_dead(loop);
    loop->due_us = vt_wheel_next_us(&loop->wheel);
    return 0;
}

int vital_loop_run(vital_loop *loop)
{
    int error = 0;
    loop->stop = false;
    while (!loop->stop && error == 0)
        error = vital_loop_step(loop, -1);
    return error;
}

void vital_loop_stop(vital_loop *loop)
{
    loop->stop = true;
}

int vital_loop_fd(const vital_loop *loop)
{
    return loop->backend->fd(loop);
}

int vital_loop_wait_ms(vital_loop *loop)
{
    int64_t due_us = vt_loop_next_us(loop);
    if (due_us == INT64_MAX)
        return -1;
    int64_t wait_us = due_us - loop->backend->now_us(loop);
    if (wait_us <= 0)
        return 0;
    int64_t wait_ms = (wait_us + 999) / 1000;
    return wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
}

int vital_loop_post(vital_loop *loop, void (*run)(void *arg), void *arg)
{
    if (loop == NULL || run == NULL)
        return VITAL_EINVAL;
    struct vt_post *post = malloc(sizeof *post);
    if (post == NULL)
        return VITAL_ENOMEM;
    post->run = run;
    post->arg = arg;
    pthread_mutex_lock(&loop->posts_lock);
    post->next = loop->posts;
    loop->posts = post;
    /* Inside the lock: what was posted may end the loop at once. */
    loop->backend->wake(loop);
    pthread_mutex_unlock(&loop->posts_lock);
    return 0;
}

/* --------------------------------------------------------------------- timers */

int vt_timer_init(vt_timer *timer, vital_loop *loop, void (*fire)(void *owner), void *owner)
{
    *timer = (vt_timer){
        .id = vt_wheel_add(&loop->wheel, timer),
        .at_us = INT64_MAX,
        .fire = fire,
        .owner = owner,
    };
    if (timer->id != VT_NO_TIMER)
        return 0;
    timer->fire = NULL;
    return VITAL_ENOMEM;
}

void vt_timer_finish(vt_timer *timer, vital_loop *loop)
{
    if (timer->fire == NULL)
        return;
    vt_wheel_remove(&loop->wheel, timer->id);
    timer->fire = NULL;
}

void vt_timer_arm(vt_timer *timer, vital_loop *loop, int64_t at_us)
{
    timer->at_us = at_us;
    vt_wheel_arm(&loop->wheel, timer->id, at_us);
}

/* ---------------------------------------------------------------------- tasks */

void vt_task_init(vt_task *task, void (*run)(void *owner), void *owner)
{
    vt_list_init(&task->link);
    task->run = run;
    task->owner = owner;
}

void vt_task_finish(vt_task *task)
{
    if (task->run != NULL)
        vt_list_remove(&task->link);
}

void vt_task_schedule(vt_task *task, vital_loop *loop)
{
    if (vt_list_empty(&task->link)) /* in no list yet */
        vt_list_append(&loop->tasks, &task->link);
}

/* ------------------------------------------------------------------- the rest */

static void fill(void *random, void *out, size_t size)
{
    vt_random_fill(random, out, size);
}

vital_entropy vt_loop_entropy(vital_loop *loop)
{
    return (vital_entropy){fill, &loop->random};
}

vital_stats *vt_loop_stats(vital_loop *loop)
{
    return &loop->stats;
}

void vital_loop_stats(const vital_loop *loop, vital_stats *out)
{
    *out = loop->stats;
    out->stalled_us = loop->clock.stalled_us;
}

int vt_loop_fail(vital_loop *loop, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(loop->problem, sizeof loop->problem, format, arguments);
    va_end(arguments);
    return error;
}

const char *vital_loop_problem(const vital_loop *loop)
{
    return loop->problem;
}

void vt_loop_bury(vital_loop *loop, vt_grave *grave, void (*bury)(vt_grave *grave))
{
    grave->bury = bury;
    vt_list_init(&grave->link);
    vt_list_append(&loop->graves, &grave->link);
}

void vt_loop_settle(vital_loop *loop, vt_resident *resident, void (*evict)(vt_resident *resident))
{
    resident->evict = evict;
    resident->hear = NULL;
    vt_list_init(&resident->link);
    vt_list_append(&loop->residents, &resident->link);
}

vt_resident *vt_loop_find(const vital_loop *loop, void (*evict)(vt_resident *resident))
{
    for (vt_list *link = loop->residents.next; link != &loop->residents; link = link->next) {
        vt_resident *resident = VT_LIST_OWNER(link, vt_resident, link);
        if (resident->evict == evict)
            return resident;
    }
    return NULL;
}

void vt_loop_hear(vt_resident *resident, void (*hear)(vt_resident *resident, vital_hint hint))
{
    resident->hear = hear;
}

void vt_loop_watch_network(vital_loop *loop)
{
    if (!loop->watches && loop->backend->watch_network != NULL)
        loop->backend->watch_network(loop);
    loop->watches = true;
}

void vt_loop_leave(vt_resident *resident)
{
    vt_list_remove(&resident->link);
}

/* ------------------------------------------- operations, handed to the backend */

vt_stream *vt_stream_connect(vital_loop *loop, const vt_address *to, const vt_stream_events *events,
                             void *owner)
{
    return vt_stream_connect_from(loop, NULL, to, events, owner);
}

vt_stream *vt_stream_connect_from(vital_loop *loop, const vt_address *from, const vt_address *to,
                                  const vt_stream_events *events, void *owner)
{
    vt_stream *stream = loop->backend->connect(loop, from, to);
    if (stream != NULL)
        vt_stream_adopt(stream, events, owner);
    return stream;
}

void vt_stream_adopt(vt_stream *stream, const vt_stream_events *events, void *owner)
{
    stream->events = events;
    stream->owner = owner;
}

void vt_stream_send(vt_stream *stream, vital_bytes bytes)
{
    stream->loop->backend->send(stream, bytes);
}

void vt_stream_pause(vt_stream *stream, bool pause)
{
    stream->loop->backend->pause(stream, pause);
}

void vt_stream_poll(vt_stream *stream)
{
    stream->loop->backend->poll(stream);
}

bool vt_stream_info(vt_stream *stream, vital_evidence *out)
{
    return stream->loop->backend->info(stream, out);
}

void vt_stream_close(vt_stream *stream, vt_stream_end how, vital_bytes farewell)
{
    stream->events = NULL;
    stream->owner = NULL;
    stream->loop->backend->close(stream, how, farewell);
}

vt_listener *vt_listener_open(vital_loop *loop, const vt_address *on, bool share_port,
                              vt_accepted *accepted, void *owner, vt_address *bound)
{
    vt_listener *listener = loop->backend->listen(loop, on, share_port, bound);
    if (listener != NULL) {
        listener->accepted = accepted;
        listener->owner = owner;
    }
    return listener;
}

void vt_listener_close(vt_listener *listener)
{
    listener->loop->backend->unlisten(listener);
}

vt_lookup *vt_lookup_start(vital_loop *loop, const char *host, uint16_t port, vt_found *found,
                           void *owner)
{
    vt_lookup *lookup = loop->backend->lookup(loop, host, port);
    if (lookup != NULL) {
        lookup->found = found;
        lookup->owner = owner;
    }
    return lookup;
}

void vt_lookup_cancel(vt_lookup *lookup)
{
    lookup->found = NULL;
    lookup->loop->backend->cancel(lookup);
}
