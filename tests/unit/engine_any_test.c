/*
 * What holds for every connection, whatever happens to it: random bytes in random
 * pieces, random lives of two ends, and ten thousand that begin together.
 */
#include "pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "wheel.h"

/* The usual policies, with compression in one of its ways or none. */
static vital_policy with_compression(vital_policy policy, int way)
{
    policy.compression = (vital_compression){
        .enabled = way > 0,
        .keep_context = way == 2,
        .peer_keeps_context = way == 2,
        .window_bits = way == 1 ? 10 : 0,
    };
    return policy;
}

/* ------------------------------------------------------- whatever happens: pieces */

/* A random stream of a peer: mostly good, at times not. */
static void babble(struct buffer *out, const struct end *to)
{
    static const char *const texts[] = {"", "heartbeat", "hello", "h\xc3\xa9", "\xf0\x9f\xab\x80"};
    static const char zeros[70000];
    for (int n = (int)draw(1, 12); n > 0; n--) {
        vt_frame frame = {.fin = true, .opcode = VT_OP_TEXT};
        const char *payload = texts[draw(0, 4)];
        frame.size = strlen(payload);
        switch (draw(0, 11)) {
        case 0:
            frame = (vt_frame){.fin = true, .opcode = VT_OP_BINARY};
            frame.size = (uint64_t)draw(0, 2) == 0 ? (uint64_t)draw(0, 70000) : 126;
            payload = zeros;
            break;
        case 1:
            frame.opcode = VT_OP_PING;
            break;
        case 2:
            frame.opcode = VT_OP_PONG;
            break;
        case 3: /* in two fragments, with a ping between them */
            frame.fin = false;
            add_frame(out, to, frame, payload);
            add_frame(out, to, (vt_frame){.fin = true, .opcode = VT_OP_PING, .size = 1}, "p");
            frame = (vt_frame){.fin = true, .opcode = VT_OP_CONTINUATION, .size = frame.size};
            break;
        case 4:
            if (draw(0, 3) != 0)
                break;
            frame.opcode = VT_OP_CLOSE;
            payload = draw(0, 1) == 0 ? "\x03\xe9 going" : "\x03\xee";
            frame.size = strlen(payload);
            break;
        case 5:
            if (draw(0, 5) == 0)
                frame.rsv = 4; /* deflate data, or a violation */
            if (draw(0, 1) == 0) {
                payload = "\xf2\x48\xcd\xc9\xc9\x07";
                frame.rsv = 4;
                frame.size = 7;
            }
            break;
        case 6:
            if (draw(0, 5) == 0) {
                payload = "\xc3";
                frame.size = 1;
            }
            break;
        default:
            break;
        }
        add_frame(out, to, frame, payload);
    }
}

/* Feeds it in pieces of up to so many bytes, at one moment; the events. */
static char *events_of(bool of_server, int way, const struct buffer *stream, int64_t piece)
{
    open_pair(with_compression(usual_client, way), with_compression(usual_server, way));
    struct end *to = of_server ? &server : &client;
    to->room = 0; /* what leaves, and when, may differ; what is told may not */
    reseed((int)piece);
    for (size_t at = 0; at < stream->size && to->closed == 0;) {
        size_t size = (size_t)draw(1, piece);
        if (size > stream->size - at)
            size = stream->size - at;
        come(to, stream->data + at, size);
        at += size;
    }
    to->room = SIZE_MAX;
    settle(to);
    lose_stream(to, 0);
    assert_int_equal(to->closed, 1);
    note(to, "%u \"%s\" %s", (unsigned)to->verdict.code, to->verdict.reason, to->verdict.text);
    char *events = to->log;
    to->log = NULL;
    finish_pair();
    return events;
}

static void the_same_bytes_in_any_pieces_give_the_same_events(void **state)
{
    (void)state;
    static const int64_t pieces[] = {1, 3, 20, 5000};
    for (int round = 0; round < 450; round++) {
        struct buffer stream = {0};
        const bool of_server = round % 2 == 0;
        const struct end to = {.policy = of_server ? usual_server : usual_client};
        reseed(round);
        babble(&stream, &to);
        char *whole = events_of(of_server, round % 3, &stream, 100000000);
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            if (pieces[i] == 1 && stream.size > 5000)
                continue;
            char *cut = events_of(of_server, round % 3, &stream, pieces[i]);
            assert_string_equal(cut, whole);
            free(cut);
        }
        free(whole);
        free(stream.data);
    }
}

/* -------------------------------------------------------- whatever happens: lives */

enum { MESSAGES_MAX = 4000 };

/* What one side has sent, and what became of it: each message is its number. */
struct account {
    uint32_t sent;
    uint32_t next; /* the receiver expects at least this number */
    bool arrived[MESSAGES_MAX];
    bool excused[MESSAGES_MAX];    /* a verdict has named it */
    bool impossible[MESSAGES_MAX]; /* final and never sent: may not arrive */
};

static struct account of_client;
static struct account of_server;

/* Messages carry their number and are otherwise anything. */
static void receive(struct end *end, vital_bytes message)
{
    struct account *account = end->user; /* of the sender */
    uint32_t number;
    assert_true(message.size >= sizeof number);
    memcpy(&number, message.data, sizeof number);
    if (number < account->next)
        fail_msg("message %u came after %u", number, account->next);
    assert_true(number < account->sent);
    account->arrived[number] = true;
    account->next = number + 1;
}

static void send_numbered(struct end *end, struct account *account)
{
    static uint8_t bytes[60000];
    size_t size = sizeof account->sent + (size_t)(draw(0, 5) == 0 ? draw(0, 50000) : draw(0, 200));
    if (account->sent == MESSAGES_MAX)
        return;
    memcpy(bytes, &account->sent, sizeof account->sent);
    int error = try_send(end, VITAL_BINARY, (vital_bytes){bytes, size});
    if (error == 0)
        account->sent++;
    else
        assert_true(error == VITAL_EFULL || error == VITAL_ECLOSED);
}

/* A new verdict: the last `unsent` have not left, `unconfirmed` before those. */
static void audit(struct end *end, struct account *account, int *audited)
{
    if (end->closed == *audited)
        return;
    assert_int_equal(end->closed, *audited + 1);
    *audited = end->closed;
    uint64_t unsent = end->verdict.unsent;
    uint64_t unconfirmed = end->verdict.unconfirmed;
    assert_true(unsent + unconfirmed <= account->sent);
    for (uint64_t i = 1; i <= unsent + unconfirmed; i++) {
        uint64_t number = account->sent - i;
        if (i > unsent || end->verdict.final)
            account->excused[number] = true;
        if (i <= unsent) {
            if (account->arrived[number])
                fail_msg("message %lu arrived and is called unsent", (unsigned long)number);
            account->impossible[number] = end->verdict.final;
        }
    }
}

static void assert_all_accounted_for(const struct account *account)
{
    for (uint32_t i = 0; i < account->sent; i++) {
        if (!account->arrived[i] && !account->excused[i])
            fail_msg("message %u of %u is neither there nor named", i, account->sent);
        if (account->arrived[i] && account->impossible[i])
            fail_msg("message %u of %u arrived after it was called unsent", i, account->sent);
    }
}

/* A deadline that has come is answered by something happening. */
static void tick_until_quiet(struct end *end)
{
    for (int i = 0; deadline(end) <= now.now_us; i++) {
        if (i == 5)
            fail_msg("the deadline stays %ld us in the past", (long)(now.now_us - deadline(end)));
        tick(end);
    }
}

/* One life: a client and its servers, one after another. */
struct life {
    int client_audited;
    int server_audited;
    int connected;    /* attempts that had a stream */
    bool closed_away; /* the client was closed between two attempts */
    int way;          /* of compression */
};

/* The link between the two is gone: each hears of it. */
static void cut(struct life *life)
{
    int error = draw(0, 1) == 0 ? 0 : ECONNRESET;
    if (client.streams)
        lose_stream(&client, error);
    if (server.streams)
        lose_stream(&server, error);
    audit(&client, &of_client, &life->client_audited);
    audit(&server, &of_server, &life->server_audited);
    client.wire.size = server.wire.size = 0;
}

static void begin_server(struct life *life)
{
    begin_end(&server, with_compression(usual_server, life->way));
    server.on_message = receive;
    server.user = &of_client;
    memset(&of_server, 0, sizeof of_server);
    life->server_audited = 0;
}

/* The client asks for a stream: there is always a server that has one. */
static void connect_if_asked(struct life *life)
{
    if (client.attempts == life->connected)
        return;
    if (!server.streams) {
        assert_int_equal(server.closed, 1); /* exactly one verdict a socket */
        assert_all_accounted_for(&of_server);
        finish_end(&server);
        begin_server(life);
    }
    life->connected = client.attempts;
    connect_client();
}

/* `often` ends sockets and lives more often. */
static void something_happens(struct life *life, bool often)
{
    client.room = server.room = (size_t)draw(0, 30000);
    switch (draw(0, often ? 40 : 400)) {
    case 0:
        cut(life);
        break;
    case 1:
        life->closed_away = client.closed == client.attempts;
        vital_engine_close(client.engine, now, 1000, NULL);
        break;
    case 2:
        vital_engine_close(server.engine, now, 1001, "restart");
        break;
    case 3:
        pass(draw(0, 40 * S));
        break;
    case 4:
        stall(draw(0, 40 * S));
        break;
    default:
        pass(draw(0, 200 * MS));
        break;
    }
    if (draw(0, 3) == 0)
        send_numbered(&client, &of_client);
    if (draw(0, 3) == 0)
        send_numbered(&server, &of_server);
    if (draw(0, 9) == 0)
        (void)vital_engine_ping(client.engine, now, vital_text("p"));
    settle(&client);
    settle(&server);
}

static void bytes_and_time_move(struct life *life)
{
    if (client.streams && server.streams) {
        deliver(&client, &server, (size_t)draw(0, 40000));
        deliver(&server, &client, (size_t)draw(0, 40000));
    }
    tick_until_quiet(&client);
    tick_until_quiet(&server);
    /* A stream that one side has ended has an end for the other too, after what
     * was still on the way. */
    if (client.streams != server.streams) {
        deliver(&client, &server, SIZE_MAX);
        deliver(&server, &client, SIZE_MAX);
        cut(life);
    }
    audit(&client, &of_client, &life->client_audited);
    audit(&server, &of_server, &life->server_audited);
}

static void live(int seed)
{
    struct life life = {.way = seed % 3};
    reseed(seed);
    begin_end(&client, with_compression(usual_client, life.way));
    client.on_message = receive;
    client.user = &of_server;
    memset(&of_client, 0, sizeof of_client);
    begin_server(&life);
    connect_if_asked(&life);
    for (int step = 0; client.closed == 0 || !client.verdict.final; step++) {
        something_happens(&life, step > 1500);
        bytes_and_time_move(&life);
        connect_if_asked(&life);
    }
    /* Exactly one verdict an attempt, and one for a close between two. */
    assert_int_equal(client.closed, client.attempts + life.closed_away);
    cut(&life);
    assert_all_accounted_for(&of_client);
    assert_all_accounted_for(&of_server);
    finish_pair();
}

static void every_message_arrives_once_in_order_or_is_named_by_a_verdict(void **state)
{
    (void)state;
    for (int seed = 0; seed < 180; seed++)
        live(seed);
}

/* --------------------------------------------------------- many at the same time */

static void ten_thousand_that_opened_together_do_not_beat_in_one_tick(void **state)
{
    (void)state;
    enum { COUNT = 10000, TICK_MS = 20, MOST_IN_A_TICK = COUNT / 200 };
    static struct end all[COUNT];
    static vt_wheel wheel;
    static vt_timer_id timers[COUNT];
    reseed(1);
    int64_t start = now.now_us;
    int64_t first = INT64_MAX;
    int64_t last = 0;
    int beats = 0;
    vt_wheel_init(&wheel, TICK_MS * MS, start);
    for (int i = 0; i < COUNT; i++) {
        begin_end(&all[i], usual_server);
        come_text(&all[i], REQUEST);
        timers[i] = vt_wheel_add(&wheel, &all[i]);
        vt_wheel_arm(&wheel, timers[i], deadline(&all[i]));
        all[i].wire.size = 0;
    }
    while (beats < COUNT) {
        now.now_us = vt_wheel_next_us(&wheel);
        assert_true(now.now_us <= start + 25 * S + TICK_MS * MS);
        int in_this_tick = 0;
        for (struct end *one; (one = vt_wheel_expire(&wheel, now.now_us)) != NULL;) {
            tick(one);
            if (beats_of(one) == 0) { /* beyond the wheel's horizon */
                vt_wheel_arm(&wheel, timers[one - all], deadline(one));
                continue;
            }
            in_this_tick++;
            first = now.now_us < first ? now.now_us : first;
            last = now.now_us;
        }
        beats += in_this_tick;
        if (in_this_tick > MOST_IN_A_TICK)
            fail_msg("%d beats in one tick", in_this_tick);
    }
    assert_true(first >= start + 12500 * MS);
    assert_true(last - first >= 12 * S); /* half an interval, all of it used */
    for (int i = 0; i < COUNT; i++)
        finish_end(&all[i]);
    vt_wheel_finish(&wheel);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(the_same_bytes_in_any_pieces_give_the_same_events),
        TEST(every_message_arrives_once_in_order_or_is_named_by_a_verdict),
        TEST(ten_thousand_that_opened_together_do_not_beat_in_one_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
