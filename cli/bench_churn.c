/*
 * churn and storm, in which opening is what is measured. In churn a connection is opened,
 * says something, hears it back, is closed, and then its place is free for the next. In
 * a storm all connections are opened at one moment, each asks by a ping, and it is over
 * when the last has its answer.
 */
#include "bench.h"

#include <string.h>

#include "attend.h"

enum {
    REST_US = 100 * 1000, /* after a failure: or nothing but failures would be measured */
    NORMAL = 1000,        /* RFC 6455 7.4.1 */
};

/* -------------------------------------------------------------------------- churn */

static int64_t scheduled_us(const bench_state *bench, uint64_t number)
{
    return bench->began_us + (int64_t)(number * 1000000 / (uint64_t)bench->settings->rate);
}

/* The active ones are here the places that are free. */
static void begin_churn(bench_state *bench, int64_t now_us)
{
    (void)now_us;
    for (size_t i = bench->begun; i-- > 0;)
        bench->active[bench->active_count++] = &bench->conns[i];
}

static bool may_start(const bench_state *bench, int64_t now_us)
{
    return bench->active_count > 0 && now_us >= bench->rest_us;
}

static void start_one(bench_state *bench, int64_t due_us)
{
    bench_conn *conn = bench->active[--bench->active_count];
    conn->due_us = due_us;
    conn->answered = 0;
    bench->messages++;
    bench_open(bench, conn);
}

static int64_t act_churn(bench_state *bench, int64_t now_us)
{
    bool scheduled = bench->settings->rate > 0;
    int64_t next_us = INT64_MAX;
    if (!bench->sending)
        return next_us;
    while (scheduled && (next_us = scheduled_us(bench, bench->due)) <= now_us)
        bench->due++;
    while (may_start(bench, now_us) && (!scheduled || bench->messages < bench->due))
        start_one(bench, scheduled ? scheduled_us(bench, bench->messages) : now_us);
    bool rests = now_us < bench->rest_us;
    return rests && bench->rest_us < next_us ? bench->rest_us : next_us;
}

static void on_opened(bench_conn *conn)
{
    const bench_settings *settings = conn->bench->settings;
    vital_send(conn->conn, settings->text ? VITAL_TEXT : VITAL_BINARY,
               (vital_bytes){conn->bench->payload, settings->size_bytes});
}

static void on_echo(vital_conn *from, vital_kind kind, vital_bytes message)
{
    bench_conn *conn = vital_user(from);
    bench_state *bench = conn->bench;
    (void)kind;
    if (conn->answered > 0 || message.size != bench->settings->size_bytes ||
        memcmp(message.data, bench->payload, message.size) != 0) {
        bench->strange++;
        return;
    }
    conn->answered = 1;
    conn->leaving = true;
    bench_note(bench, attend_now_us() - conn->due_us);
    vital_close(from, NORMAL, NULL);
}

static void on_closed(bench_conn *conn)
{
    bench_state *bench = conn->bench;
    bench->active[bench->active_count++] = conn;
    if (conn->answered > 0)
        return;
    int64_t now_us = attend_now_us();
    bench->unanswered++;
    bench->rest_us = now_us + REST_US;
    bench_times_note(&bench->recent, now_us - conn->due_us);
}

static bool settled_churn(const bench_state *bench)
{
    return bench->active_count == bench->begun;
}

static void give_up_churn(bench_state *bench, int64_t now_us)
{
    for (size_t i = 0; i < bench->begun; i++) {
        const bench_conn *conn = &bench->conns[i];
        if (conn->conn == NULL || conn->answered > 0)
            continue;
        bench->unanswered++;
        bench_times_note(&bench->recent, now_us - conn->due_us);
    }
    for (; bench->messages < bench->due; bench->messages++) { /* for want of a place */
        bench->unanswered++;
        bench_times_note(&bench->recent, now_us - scheduled_us(bench, bench->messages));
    }
}

static bool never_done(const bench_state *bench)
{
    (void)bench;
    return false;
}

const bench_mode BENCH_CHURN = {
    .name = "churn",
    .answers = "connections with an echo",
    .opens_itself = true,
    .begin = begin_churn,
    .act = act_churn,
    .settled = settled_churn,
    .give_up = give_up_churn,
    .done = never_done,
    .opened = on_opened,
    .closed = on_closed,
    .message = on_echo,
};

/* -------------------------------------------------------------------------- storm */

static void begin_storm(bench_state *bench, int64_t now_us)
{
    bench->messages = bench->begun; /* that are neither answered nor in vain */
    for (size_t i = 0; i < bench->begun && bench->phase == BENCH_MEASURING; i++) {
        bench->conns[i].due_us = now_us;
        bench_open(bench, &bench->conns[i]);
    }
}

static int64_t act_storm(bench_state *bench, int64_t now_us)
{
    (void)bench, (void)now_us;
    return INT64_MAX;
}

static void ask(bench_conn *conn)
{
    vital_ping(conn->conn, (vital_bytes){&conn->index, sizeof conn->index});
}

static void on_answer(vital_conn *from, vital_bytes payload)
{
    bench_conn *conn = vital_user(from);
    bench_state *bench = conn->bench;
    if (conn->answered > 0 || payload.size != sizeof conn->index)
        return;
    conn->answered = 1;
    bench->messages--;
    bench_note(bench, attend_now_us() - conn->due_us);
    bench->look_us = 0;
}

static void on_message(vital_conn *from, vital_kind kind, vital_bytes message)
{
    const bench_conn *conn = vital_user(from);
    (void)kind, (void)message;
    conn->bench->strange++;
}

static void in_vain(bench_conn *conn)
{
    if (conn->answered == 0)
        conn->bench->messages--;
}

static bool storm_is_over(const bench_state *bench)
{
    return bench->messages == 0;
}

/* All time that there was has passed. */
static bool settled_storm(const bench_state *bench)
{
    (void)bench;
    return true;
}

static void give_up_storm(bench_state *bench, int64_t now_us)
{
    for (size_t i = 0; i < bench->begun; i++) {
        if (bench->conns[i].answered > 0)
            continue;
        bench->unanswered++;
        bench_times_note(&bench->recent, now_us - bench->conns[i].due_us);
    }
}

const bench_mode BENCH_STORM = {
    .name = "storm",
    .answers = "connections with an answer",
    .opens_itself = true,
    .begin = begin_storm,
    .act = act_storm,
    .settled = settled_storm,
    .give_up = give_up_storm,
    .done = storm_is_over,
    .opened = ask,
    .closed = in_vain,
    .message = on_message,
    .pong = on_answer,
};
