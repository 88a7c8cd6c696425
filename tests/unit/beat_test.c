/*
 * What a beat looks like on the wire, and what is taken for its answer.
 */
#include "beat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "random.h"

static vt_random numbers;
static const vital_entropy entropy = {vt_random_fill, &numbers};

static int begin(void **state)
{
    (void)state;
    const uint8_t seed[VT_RANDOM_SEED_BYTES] = {1};
    return vt_random_init(&numbers, seed);
}

static int end(void **state)
{
    (void)state;
    vt_random_finish(&numbers);
    return 0;
}

/* A beat's frame as it leaves a server, and its payload. */
static vt_frame frame_of(vt_outbox *outbox, const uint8_t **payload)
{
    const vt_outbox_frames frames = {.open = true};
    vital_bytes wire = vt_outbox_pending(outbox, &frames);
    vt_frame frame;
    const char *why = NULL;
    int header = vt_frame_decode(&frame, wire.data, wire.size, &why);
    if (header <= 0)
        fail_msg("no frame in %zu bytes: %s", wire.size, why == NULL ? "too short" : why);
    assert_int_equal(wire.size, (size_t)header + frame.size);
    *payload = (const uint8_t *)wire.data + header;
    return frame;
}

static void a_ping_beat_carries_eight_random_bytes_rfc_5_5_2(void **state)
{
    (void)state;
    const vital_heartbeat policy = {.kind = VITAL_BEAT_PING};
    uint8_t seen[100][VT_NONCE_BYTES];
    for (int i = 0; i < 100; i++) {
        vt_outbox outbox;
        vt_beat beat = {.proves = 0};
        const uint8_t *payload;
        vt_outbox_init(&outbox);
        assert_int_equal(vt_beat_send(&beat, &policy, &entropy, &outbox), 0);
        vt_frame frame = frame_of(&outbox, &payload);
        assert_int_equal(frame.opcode, VT_OP_PING);
        assert_true(frame.fin);
        assert_int_equal(frame.size, VT_NONCE_BYTES);
        assert_memory_equal(payload, beat.nonce, VT_NONCE_BYTES);
        memcpy(seen[i], beat.nonce, VT_NONCE_BYTES);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(seen[k], seen[i], VT_NONCE_BYTES);
        vt_outbox_finish(&outbox);
    }
}

static void a_text_beat_is_a_text_message(void **state)
{
    (void)state;
    const vital_heartbeat policy = {.kind = VITAL_BEAT_TEXT, .text = "are you there", .reply = "y"};
    vt_outbox outbox;
    vt_beat beat = {.proves = 0};
    const uint8_t *payload;
    vt_outbox_init(&outbox);
    assert_int_equal(vt_beat_send(&beat, &policy, &entropy, &outbox), 0);
    vt_frame frame = frame_of(&outbox, &payload);
    assert_int_equal(frame.opcode, VT_OP_TEXT);
    assert_true(frame.fin);
    assert_int_equal(frame.size, strlen(policy.text));
    assert_memory_equal(payload, policy.text, strlen(policy.text));
    assert_int_equal(outbox.accepted, 0); /* no message of the application */
    vt_outbox_finish(&outbox);
}

static void the_outbox_says_when_a_beat_has_left_whatever_its_kind(void **state)
{
    (void)state;
    static const vital_beat kinds[] = {VITAL_BEAT_PING, VITAL_BEAT_TEXT};
    for (size_t i = 0; i < 2; i++) {
        const vital_heartbeat policy = {.kind = kinds[i], .text = "beat", .reply = "beat"};
        vt_outbox outbox;
        vt_beat beat = {.proves = 0};
        vt_outbox_init(&outbox);
        assert_int_equal(vt_beat_send(&beat, &policy, &entropy, &outbox), 0);
        size_t size = vt_outbox_pending(&outbox, &(vt_outbox_frames){.open = true}).size;
        assert_false(vt_outbox_written(&outbox, size - 1).beat);
        assert_true(vt_outbox_written(&outbox, 1).beat);
        vt_outbox_finish(&outbox);
    }
}

static void only_its_own_pong_answers_a_ping(void **state)
{
    (void)state;
    const vt_beat beat = {.nonce = {1, 2, 3, 4, 5, 6, 7, 8}};
    uint8_t payload[VT_NONCE_BYTES + 1] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    assert_true(vt_beat_is_pong(&beat, (vital_bytes){payload, 8}));
    assert_false(vt_beat_is_pong(&beat, (vital_bytes){payload, 7}));
    assert_false(vt_beat_is_pong(&beat, (vital_bytes){payload, 9}));
    assert_false(vt_beat_is_pong(&beat, (vital_bytes){NULL, 0}));
    for (size_t i = 0; i < VT_NONCE_BYTES; i++) {
        payload[i] ^= 0x80;
        assert_false(vt_beat_is_pong(&beat, (vital_bytes){payload, 8}));
        payload[i] ^= 0x80;
    }
}

static void an_answer_proves_the_messages_before_its_beat(void **state)
{
    (void)state;
    static const vital_beat kinds[] = {VITAL_BEAT_PING, VITAL_BEAT_TEXT};
    for (size_t i = 0; i < 2; i++) {
        const vital_heartbeat policy = {.kind = kinds[i], .text = "beat", .reply = "beat"};
        vt_beat beat = {.proves = 0};
        vt_beat_left(&beat, &policy, 3, false);
        assert_int_equal(beat.proves, 3);
        vt_beat_left(&beat, &policy, 5, true); /* the one before was forgotten */
        assert_int_equal(beat.proves, kinds[i] == VITAL_BEAT_PING ? 5 : 3);
        vt_beat_left(&beat, &policy, 7, false);
        assert_int_equal(beat.proves, 7);
    }
}

/* --------------------------------------------------------------- in-band texts */

static const char *name_of(vt_beat_text what)
{
    static const char *const names[] = {"a message", "a question", "an answer"};
    return names[what];
}

static void assert_is(vital_role role, vital_heartbeat heartbeat, const char *text,
                      vt_beat_text expected)
{
    const vital_policy policy = {.role = role, .heartbeat = heartbeat};
    vt_beat_text what = vt_beat_read_text(&policy, vital_text(text));
    if (what != expected)
        fail_msg("a %s that beats by %s takes \"%s\" (text \"%s\", reply \"%s\") for %s, not %s",
                 role == VITAL_SERVER ? "server" : "client",
                 heartbeat.kind == VITAL_BEAT_TEXT ? "text" : "ping", text, heartbeat.text,
                 heartbeat.reply, name_of(what), name_of(expected));
}

static const vital_heartbeat same_ping = {VITAL_BEAT_PING, 0, 0, "heartbeat", "heartbeat"};
static const vital_heartbeat same_text = {VITAL_BEAT_TEXT, 0, 0, "heartbeat", "heartbeat"};
static const vital_heartbeat two_ping = {VITAL_BEAT_PING, 0, 0, "ping", "pong"};
static const vital_heartbeat two_text = {VITAL_BEAT_TEXT, 0, 0, "ping", "pong"};
static const vital_heartbeat no_text = {VITAL_BEAT_PING, 0, 0, "", ""};

static void a_server_answers_its_clients_beats_whatever_its_own_kind(void **state)
{
    (void)state;
    assert_is(VITAL_SERVER, same_ping, "heartbeat", VT_BEAT_TEXT_ASKS);
    assert_is(VITAL_SERVER, two_ping, "ping", VT_BEAT_TEXT_ASKS);
    assert_is(VITAL_SERVER, two_text, "ping", VT_BEAT_TEXT_ASKS);
}

static void who_beats_by_text_takes_the_reply_for_an_answer(void **state)
{
    (void)state;
    assert_is(VITAL_CLIENT, same_text, "heartbeat", VT_BEAT_TEXT_ANSWER);
    assert_is(VITAL_CLIENT, two_text, "pong", VT_BEAT_TEXT_ANSWER);
    assert_is(VITAL_SERVER, two_text, "pong", VT_BEAT_TEXT_ANSWER);
}

static void who_beats_by_ping_has_no_use_for_a_reply(void **state)
{
    (void)state;
    assert_is(VITAL_CLIENT, two_ping, "pong", VT_BEAT_TEXT_NONE);
    assert_is(VITAL_SERVER, two_ping, "pong", VT_BEAT_TEXT_NONE);
}

static void a_client_answers_only_a_text_that_differs_from_its_answer(void **state)
{
    (void)state;
    assert_is(VITAL_CLIENT, two_ping, "ping", VT_BEAT_TEXT_ASKS);
    assert_is(VITAL_CLIENT, two_text, "ping", VT_BEAT_TEXT_ASKS);
    assert_is(VITAL_CLIENT, same_ping, "heartbeat", VT_BEAT_TEXT_NONE);
}

static void no_two_vitals_answer_each_other_for_ever(void **state)
{
    (void)state;
    static const vital_heartbeat *const all[] = {&same_ping, &same_text, &two_ping, &two_text};
    /* Whatever the two do, an answer is never a question to who asked: only what
     * differs from the reply is answered with it, or by a server to a client. */
    for (size_t s = 0; s < 4; s++) {
        if (s == 1)
            continue; /* a policy that vital_policy_init() refuses */
        for (size_t c = 0; c < 4; c++) {
            const vital_policy server = {.role = VITAL_SERVER, .heartbeat = *all[s]};
            const vital_policy client = {.role = VITAL_CLIENT, .heartbeat = *all[c]};
            const vital_policy *at = &server;
            vital_bytes text = vital_text(client.heartbeat.text);
            int answers = 0;
            while (vt_beat_read_text(at, text) == VT_BEAT_TEXT_ASKS) {
                text = vital_text(at->heartbeat.reply);
                at = at == &server ? &client : &server;
                assert_true(++answers < 3);
            }
        }
    }
}

static void a_beat_is_the_whole_text_and_nothing_but_it(void **state)
{
    (void)state;
    static const char *const others[] = {"",           "heartbea",  "heartbeat ",
                                         "heartbeats", "Heartbeat", "heartbeat\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_is(VITAL_SERVER, same_ping, others[i], VT_BEAT_TEXT_NONE);
        assert_is(VITAL_CLIENT, same_text, others[i], VT_BEAT_TEXT_NONE);
    }
    const vital_policy policy = {.role = VITAL_SERVER, .heartbeat = same_ping};
    assert_int_equal(vt_beat_read_text(&policy, (vital_bytes){"heartbeat\0", 10}),
                     VT_BEAT_TEXT_NONE);
}

static void an_empty_text_is_switched_off_and_matches_nothing(void **state)
{
    (void)state;
    assert_is(VITAL_SERVER, no_text, "", VT_BEAT_TEXT_NONE);
    assert_is(VITAL_SERVER, no_text, "heartbeat", VT_BEAT_TEXT_NONE);
    assert_is(VITAL_CLIENT, no_text, "", VT_BEAT_TEXT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_beat_carries_eight_random_bytes_rfc_5_5_2),
        cmocka_unit_test(a_text_beat_is_a_text_message),
        cmocka_unit_test(the_outbox_says_when_a_beat_has_left_whatever_its_kind),
        cmocka_unit_test(only_its_own_pong_answers_a_ping),
        cmocka_unit_test(an_answer_proves_the_messages_before_its_beat),
        cmocka_unit_test(a_server_answers_its_clients_beats_whatever_its_own_kind),
        cmocka_unit_test(who_beats_by_text_takes_the_reply_for_an_answer),
        cmocka_unit_test(who_beats_by_ping_has_no_use_for_a_reply),
        cmocka_unit_test(a_client_answers_only_a_text_that_differs_from_its_answer),
        cmocka_unit_test(no_two_vitals_answer_each_other_for_ever),
        cmocka_unit_test(a_beat_is_the_whole_text_and_nothing_but_it),
        cmocka_unit_test(an_empty_text_is_switched_off_and_matches_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
