/*
 * Messages and pings over connections that are open. Message n of all belongs to
 * connection n modulo their number, so connections take turns, evenly spread over
 * time; or, together, those of a round are all due at its first moment. When the k-th
 * message of a connection was due follows from that, and nothing is kept for it:
 * TCP keeps order, so answers are counted. Only without a rate is it written down
 * when a message was sent.
 */
#include "bench.h"

#include <string.h>

#include "attend.h"

enum {
    AT_ONCE_LEAST = 4096, /* messages that come due before it is looked what has come */
    PINGS_EVERY_US = 100 * 1000,
};

/* ------------------------------------------------------------------- the schedule */

static int64_t scheduled_us(const bench_state *bench, uint64_t number)
{
    if (bench->settings->together)
        number -= number % bench->active_count;
    return bench->began_us + (int64_t)(number * 1000000 / (uint64_t)bench->settings->rate);
}

/* How many of this connection's messages have come due. */
static uint64_t came_due(const bench_conn *conn)
{
    const bench_state *bench = conn->bench;
    if (bench->settings->rate == 0)
        return bench->sending ? UINT64_MAX : conn->sent;
    return (bench->due + bench->active_count - 1 - conn->index) / bench->active_count;
}

static int64_t *sent_us(const bench_conn *conn, uint64_t number)
{
    const bench_state *bench = conn->bench;
    return &bench->sent_us[conn->index * bench->window + number % bench->window];
}

static int64_t due_us(const bench_conn *conn, uint64_t number)
{
    const bench_state *bench = conn->bench;
    if (bench->settings->rate == 0)
        return *sent_us(conn, number);
    return scheduled_us(bench, number * bench->active_count + conn->index);
}

/* ------------------------------------------------------------------------ sending */

static int send_one(const bench_conn *conn)
{
    const bench_state *bench = conn->bench;
    if (bench->mode == &BENCH_BEAT)
        return vital_ping(conn->conn, (vital_bytes){&conn->sent, sizeof conn->sent});
    return vital_send(conn->conn, bench->settings->text ? VITAL_TEXT : VITAL_BINARY,
                      (vital_bytes){bench->payload, bench->settings->size_bytes});
}

/* Sends what is due, as far as there is room for it. What is not sent now is when the
 * queue drains, an answer comes, or the connection's next message is due. */
static void catch_up(bench_conn *conn, int64_t now_us)
{
    bench_state *bench = conn->bench;
    uint64_t due = came_due(conn);
    while (conn->open && conn->sent < due && conn->sent - conn->answered < bench->window &&
           send_one(conn) == 0) {
        if (bench->settings->rate == 0)
            *sent_us(conn, conn->sent) = now_us;
        conn->sent++;
    }
}

static void begin(bench_state *bench, int64_t now_us)
{
    for (size_t i = 0; bench->settings->rate == 0 && i < bench->active_count; i++)
        catch_up(bench->active[i], now_us);
}

static int64_t act(bench_state *bench, int64_t now_us)
{
    if (!bench->sending || bench->settings->rate == 0)
        return INT64_MAX;
    size_t most = bench->active_count > AT_ONCE_LEAST ? bench->active_count : AT_ONCE_LEAST;
    for (size_t i = 0; i < most; i++) {
        int64_t next_us = scheduled_us(bench, bench->due);
        if (next_us > now_us)
            return next_us;
        bench_conn *conn = bench->active[bench->due % bench->active_count];
        bench->due++;
        catch_up(conn, now_us);
    }
    return now_us;
}

/* ------------------------------------------------------------------------ answers */

/* All messages before this number are answered. */
static void settle(bench_conn *conn, uint64_t number)
{
    bench_state *bench = conn->bench;
    int64_t now_us = attend_now_us();
    for (; conn->answered < number; conn->answered++)
        bench_note(bench, now_us - due_us(conn, conn->answered));
    catch_up(conn, now_us);
}

static void on_echo(vital_conn *from, vital_kind kind, vital_bytes message)
{
    bench_conn *conn = vital_user(from);
    bench_state *bench = conn->bench;
    (void)kind;
    if (conn->answered < conn->sent && message.size == bench->settings->size_bytes &&
        memcmp(message.data, bench->payload, message.size) == 0)
        settle(conn, conn->answered + 1);
    else
        bench->strange++;
}

/* A peer may answer only the latest of several pings (RFC 6455 5.5.3). */
static void on_pong(vital_conn *from, vital_bytes payload)
{
    bench_conn *conn = vital_user(from);
    uint64_t number;
    if (payload.size != sizeof number)
        return;
    memcpy(&number, payload.data, sizeof number);
    if (number >= conn->answered && number < conn->sent)
        settle(conn, number + 1);
}

static void on_other(vital_conn *from, vital_kind kind, vital_bytes message)
{
    const bench_conn *conn = vital_user(from);
    (void)kind, (void)message;
    conn->bench->strange++;
}

static void on_drain(vital_conn *from)
{
    catch_up(vital_user(from), attend_now_us());
}

/* --------------------------------------------------------------- what is owed still */

/* Who has gone owes nothing that would be worth waiting for. */
static bool settled(const bench_state *bench)
{
    for (size_t i = 0; i < bench->active_count; i++) {
        const bench_conn *conn = bench->active[i];
        if (conn->open && conn->answered < came_due(conn))
            return false;
    }
    return true;
}

/* It has waited at least so long. */
static void give_up(bench_state *bench, int64_t now_us)
{
    for (size_t i = 0; i < bench->active_count; i++) {
        bench_conn *conn = bench->active[i];
        for (uint64_t due = came_due(conn); conn->answered < due; conn->answered++) {
            bench_times_note(&bench->recent, now_us - due_us(conn, conn->answered));
            bench->unanswered++;
        }
    }
}

static bool nobody_is_left(const bench_state *bench)
{
    return bench->open == 0;
}

const bench_mode BENCH_ECHO = {
    .name = "echo",
    .answers = "echoes",
    .begin = begin,
    .act = act,
    .settled = settled,
    .give_up = give_up,
    .done = nobody_is_left,
    .message = on_echo,
    .drain = on_drain,
};

const bench_mode BENCH_BEAT = {
    .name = "beat",
    .answers = "pongs",
    .begin = begin,
    .act = act,
    .settled = settled,
    .give_up = give_up,
    .done = nobody_is_left,
    .message = on_other,
    .pong = on_pong,
};

/* --------------------------------------------------------------------------- idle */

/* The library answers the server's pings, and counts them. */
static uint64_t pings_heard(const bench_state *bench)
{
    vital_stats stats;
    vital_loop_stats(bench->loop, &stats);
    return stats.beats_heard;
}

static void begin_idle(bench_state *bench, int64_t now_us)
{
    (void)now_us;
    bench->due = pings_heard(bench);
}

static int64_t act_idle(bench_state *bench, int64_t now_us)
{
    uint64_t heard = pings_heard(bench);
    if (bench->phase == BENCH_MEASURING)
        bench->answered += heard - bench->due;
    bench->due = heard;
    return now_us + PINGS_EVERY_US;
}

static bool settled_idle(const bench_state *bench)
{
    (void)bench;
    return true;
}

static void give_up_idle(bench_state *bench, int64_t now_us)
{
    (void)bench, (void)now_us;
}

const bench_mode BENCH_IDLE = {
    .name = "idle",
    .answers = "pings of the server",
    .begin = begin_idle,
    .act = act_idle,
    .settled = settled_idle,
    .give_up = give_up_idle,
    .done = nobody_is_left,
    .message = on_other,
};
