/*
 * fanout: one connection says something, and all others hear it, from a server that
 * passes on to everybody what anybody says. A message tells its number in its first
 * sixteen characters. Whether the sender hears itself is not looked at.
 *
 * Of the last messages it is known when each was due and how many have not heard it; a
 * message that is pushed out by another, or is older than --timeout, is given up.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attend.h"

enum {
    DIGITS = BENCH_FANOUT_LEAST_BYTES,
    LOOK_US = 100 * 1000,
};

static bench_flight *flight_of(bench_state *bench, uint64_t number)
{
    return &bench->flights[number % BENCH_FLIGHTS];
}

/* ------------------------------------------------------------------------ sending */

static int64_t scheduled_us(const bench_state *bench, uint64_t number)
{
    return bench->began_us + (int64_t)(number * 1000000 / (uint64_t)bench->settings->rate);
}

/* Who was there first and still is; NULL if nobody is. */
static bench_conn *sender_of(bench_state *bench)
{
    while (bench->sender < bench->active_count && !bench->active[bench->sender]->open)
        bench->sender++;
    return bench->sender < bench->active_count ? bench->active[bench->sender] : NULL;
}

static void abandon(bench_state *bench, bench_flight *flight, int64_t now_us)
{
    bench->unanswered += flight->left;
    for (; flight->left > 0; flight->left--)
        bench_times_note(&bench->recent, now_us - flight->due_us);
}

static bool send_one(bench_state *bench, int64_t now_us)
{
    char digits[DIGITS + 1];
    uint64_t number = bench->messages;
    const bench_conn *sender = sender_of(bench);
    bool binary = !bench->settings->text;
    if (sender == NULL)
        return false;
    snprintf(digits, sizeof digits, "%016" PRIx64, number);
    memcpy(bench->payload, digits, DIGITS);
    if (vital_send(sender->conn, binary ? VITAL_BINARY : VITAL_TEXT,
                   (vital_bytes){bench->payload, bench->settings->size_bytes}) != 0)
        return false;
    bench_flight *flight = flight_of(bench, number);
    abandon(bench, flight, now_us);
    bool scheduled = bench->settings->rate > 0;
    *flight = (bench_flight){.due_us = scheduled ? scheduled_us(bench, number) : now_us,
                             .left = bench->open - 1};
    bench->messages++;
    return true;
}

/* Without a rate: the next one, once one of those that are under way has arrived. */
static void catch_up(bench_state *bench, int64_t now_us)
{
    if (bench->settings->rate == 0 && bench->sending)
        bench->due = bench->arrived + bench->window;
    while (bench->messages < bench->due && bench->open > 1 && send_one(bench, now_us))
        ;
}

static void begin(bench_state *bench, int64_t now_us)
{
    catch_up(bench, now_us);
}

/* What some have not heard for so long they never will. */
static void abandon_old(bench_state *bench, int64_t now_us)
{
    int64_t before_us = now_us - (int64_t)bench->settings->timeout_ms * 1000;
    for (size_t i = 0; i < BENCH_FLIGHTS; i++) {
        bench_flight *flight = &bench->flights[i];
        if (flight->left == 0 || flight->due_us > before_us)
            continue;
        abandon(bench, flight, now_us);
        bench->arrived++;
    }
}

static int64_t act(bench_state *bench, int64_t now_us)
{
    if (now_us >= bench->rest_us) {
        abandon_old(bench, now_us);
        bench->rest_us = now_us + LOOK_US;
    }
    int64_t next_us = bench->rest_us;
    while (bench->settings->rate > 0 && bench->sending) {
        int64_t due_us = scheduled_us(bench, bench->due);
        if (due_us > now_us) {
            next_us = due_us < next_us ? due_us : next_us;
            break;
        }
        bench->due++;
    }
    catch_up(bench, now_us);
    return next_us;
}

/* ------------------------------------------------------------------------ hearing */

static bool read_number(uint64_t *out, const bench_state *bench, vital_bytes message)
{
    const char *text = message.data;
    uint64_t number = 0;
    if (message.size != bench->settings->size_bytes)
        return false;
    for (int i = 0; i < DIGITS; i++) {
        char digit = text[i];
        if (digit >= '0' && digit <= '9')
            number = number << 4 | (uint64_t)(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            number = number << 4 | (uint64_t)(digit - 'a' + 10);
        else
            return false;
    }
    *out = number;
    return number < bench->messages;
}

static void on_message(vital_conn *from, vital_kind kind, vital_bytes message)
{
    bench_conn *conn = vital_user(from);
    bench_state *bench = conn->bench;
    uint64_t number;
    (void)kind;
    if (conn == sender_of(bench))
        return;
    if (!read_number(&number, bench, message) || number < conn->answered) {
        bench->strange++; /* or heard twice */
        return;
    }
    conn->answered = number + 1;
    bench_flight *flight = flight_of(bench, number);
    if (bench->messages - number > BENCH_FLIGHTS || flight->left == 0)
        return; /* given up already */
    int64_t now_us = attend_now_us();
    bench_note(bench, now_us - flight->due_us);
    if (--flight->left > 0)
        return;
    bench->arrived++;
    bench_times_note(&bench->whole, now_us - flight->due_us);
    catch_up(bench, now_us);
}

static void on_drain(vital_conn *from)
{
    const bench_conn *conn = vital_user(from);
    catch_up(conn->bench, attend_now_us());
}

static bool settled(const bench_state *bench)
{
    for (size_t i = 0; i < BENCH_FLIGHTS; i++) {
        if (bench->flights[i].left > 0)
            return false;
    }
    return true;
}

static void give_up(bench_state *bench, int64_t now_us)
{
    for (size_t i = 0; i < BENCH_FLIGHTS; i++)
        abandon(bench, &bench->flights[i], now_us);
}

/* Who is alone has nobody to talk to. */
static bool done(const bench_state *bench)
{
    return bench->open < 2;
}

const bench_mode BENCH_FANOUT = {
    .name = "fanout",
    .answers = "deliveries",
    .begin = begin,
    .act = act,
    .settled = settled,
    .give_up = give_up,
    .done = done,
    .message = on_message,
    .drain = on_drain,
};
