/*
 * The two tables: each cause with its sentence, word for word, and each row of
 * what is tried again.
 */
#include "verdict.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "utf8.h"

/* ------------------------------------------------------------------ sentences */

struct example {
    const char *text;
    vital_verdict verdict;
    vt_circumstances circumstances;
};

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vital_verdict verdict = examples[i].verdict;
        vt_verdict_describe(&verdict, &examples[i].circumstances);
        assert_string_equal(verdict.text, examples[i].text);
    }
}

#define CHECK(examples) check(examples, sizeof(examples) / sizeof((examples)[0]))
#define HEARD(ms) .pulse = {.heard_ms = (ms)}

static void a_close_names_who_closed_the_code_and_the_reason(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"We closed the connection: 1000 normal closure.",
         {.cause = VITAL_CLOSED_BY_US, .code = 1000},
         {0}},
        {"We closed the connection: 1000 normal closure; the peer did not answer.",
         {.cause = VITAL_CLOSED_BY_US, .code = 1000},
         {.what = "the peer did not answer"}},
        {"We closed the connection: 1001 going away, \"moving house\".",
         {.cause = VITAL_CLOSED_BY_US, .code = 1001, .reason = "moving house"},
         {0}},
        {"We closed the connection.", {.cause = VITAL_CLOSED_BY_US, .code = 1006}, {0}},
        {"We closed the connection.", {.cause = VITAL_CLOSED_BY_US}, {0}},
        {"The peer closed the connection: 1001 going away, \"deploy\".",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1001, .reason = "deploy"},
         {0}},
        {"The peer closed the connection: 1012 service restart.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1012},
         {0}},
        {"The peer closed the connection: 1012 service restart, \"new version\"; it asks us to "
         "come "
         "back in 5 to 30 s.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1012, .reason = "new version; retry in 5-30 s"},
         {0}},
        {"The peer closed the connection: 1001 going away; it asks us to come back in 0 to 2 s.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1001, .reason = "going away; retry in 0-2 s"},
         {0}},
        {"The peer closed the connection: 1013 try again later; it asks us to come back in 700 to "
         "900 s.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1013, .reason = "retry in 700-900 s"},
         {0}},
        /* of no account: we do not come back, or not after that code */
        {"The peer closed the connection: 1012 service restart, \"retry in 5-30 s\".",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1012, .reason = "retry in 5-30 s", .final = true},
         {0}},
        {"The peer closed the connection: 1000 normal closure, \"retry in 5-30 s\".",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1000, .reason = "retry in 5-30 s"},
         {0}},
        {"We closed the connection: 1012 service restart, \"retry in 5-30 s\".",
         {.cause = VITAL_CLOSED_BY_US, .code = 1012, .reason = "retry in 5-30 s"},
         {0}},
        {"The peer closed the connection: 4408 no answer to the heartbeat.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 4408},
         {0}},
        {"The peer closed the connection: 4000 an application's code.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 4000},
         {0}},
        {"The peer closed the connection without a code.",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1005},
         {0}},
    };
    CHECK(examples);
}

static void unreachable_says_what_could_not_be_reached(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"No connection could be made: connection refused by 127.0.0.1:9.",
         {.cause = VITAL_UNREACHABLE, .error = ECONNREFUSED},
         {.what = "connection refused by 127.0.0.1:9"}},
        {"No connection could be made: Connection refused.",
         {.cause = VITAL_UNREACHABLE, .error = ECONNREFUSED},
         {0}},
        {"No connection could be made: the name example.org was not found.",
         {.cause = VITAL_UNREACHABLE},
         {.what = "the name example.org was not found."}},
        {"No connection could be made: error 99999.",
         {.cause = VITAL_UNREACHABLE, .error = 99999},
         {.what = ""}},
        {"No connection could be made.", {.cause = VITAL_UNREACHABLE}, {0}},
    };
    CHECK(examples);
}

static void rejected_says_what_the_server_answered(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"The server answered 404 Not Found instead of upgrading.",
         {.cause = VITAL_REJECTED, .status = 404},
         {.what = "Not Found"}},
        {"The proxy answered 407 Proxy Authentication Required instead of letting us through.",
         {.cause = VITAL_REJECTED, .status = 407},
         {.what = "Proxy Authentication Required", .refused_by_proxy = true}},
        {"The server answered 503 instead of upgrading.",
         {.cause = VITAL_REJECTED, .status = 503},
         {0}},
        {"We refused the upgrade with 426: only version 13 is spoken here.",
         {.cause = VITAL_REJECTED, .status = 426},
         {.what = "only version 13 is spoken here", .refused_by_us = true}},
        {"We refused the upgrade with 403.",
         {.cause = VITAL_REJECTED, .status = 403},
         {.refused_by_us = true}},
    };
    CHECK(examples);
}

static void silent_says_which_beat_stayed_without_an_answer_and_for_how_long(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"No answer to our ping for 10 s, and nothing else was heard: the path or the peer is "
         "gone.",
         {.cause = VITAL_SILENT, .code = 1006},
         {.quiet_ms = 10000}},
        {"No answer to our heartbeat message for 9.8 s, and nothing else was heard: the path or "
         "the peer is gone.",
         {.cause = VITAL_SILENT},
         {.quiet_ms = 9800, .text_beat = true}},
        {"Our ping could not leave for 35 s, and nothing was heard: the path or the peer is gone.",
         {.cause = VITAL_SILENT},
         {.quiet_ms = 35000, .could_not_send = true}},
        {"Our heartbeat message could not leave for 35 s, and nothing was heard: the path or the "
         "peer is gone.",
         {.cause = VITAL_SILENT},
         {.quiet_ms = 35000, .could_not_send = true, .text_beat = true}},
        {"No answer to our ping, and nothing else was heard: the path or the peer is gone.",
         {.cause = VITAL_SILENT},
         {.quiet_ms = -1}},
        {"No answer to our ping for 5 s, and nothing else was heard: the path or the peer is "
         "gone; the system says: No route to host.",
         {.cause = VITAL_SILENT, .error = EHOSTUNREACH},
         {.quiet_ms = 5000}},
    };
    CHECK(examples);
}

static void a_cut_after_a_known_idle_limit_names_the_likely_proxy(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"The connection was reset after 60.1 s of silence; nginx and AWS ALB close idle "
         "connections after 60 s.",
         {.cause = VITAL_CUT, .code = 1006, .error = ECONNRESET, HEARD(60100)},
         {0}},
        {"The peer ended the stream without a close frame after 55 s of silence; Heroku closes "
         "idle connections after 55 s.",
         {.cause = VITAL_CUT, HEARD(55000)},
         {0}},
        {"The connection was reset after 350 s of silence; AWS NLB closes idle connections after "
         "350 s.",
         {.cause = VITAL_CUT, .error = ECONNRESET, HEARD(350400)},
         {0}},
    };
    CHECK(examples);
}

static void a_cut_says_how_the_stream_ended(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"The peer ended the stream without a close frame after 0.4 s of silence.",
         {.cause = VITAL_CUT, HEARD(400)},
         {0}},
        {"The peer ended the stream without a close frame.", {.cause = VITAL_CUT, HEARD(-1)}, {0}},
        {"The connection was reset.", {.cause = VITAL_CUT, .error = ECONNRESET, HEARD(40)}, {0}},
        {"Sending failed, since the peer had ended the stream after 75 s of silence.",
         {.cause = VITAL_CUT, .error = EPIPE, HEARD(75000)},
         {0}},
        {"The connection failed (Connection timed out) after 12 min of silence.",
         {.cause = VITAL_CUT, .error = ETIMEDOUT, HEARD(12 * 60 * 1000 + 20)},
         {0}},
        {"The peer ended the stream without a close frame after 2 s of silence; in the middle of "
         "the opening handshake.",
         {.cause = VITAL_CUT, HEARD(2000)},
         {.what = "in the middle of the opening handshake"}},
    };
    CHECK(examples);
}

static void every_other_cause_has_a_phrase_and_what_is_known(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"The peer broke the protocol: a frame from a client must be masked (RFC 6455 5.1).",
         {.cause = VITAL_MISBEHAVED, .code = 1002},
         {.what = "a frame from a client must be masked (RFC 6455 5.1)"}},
        {"The peer broke the protocol.", {.cause = VITAL_MISBEHAVED}, {0}},
        {"A limit of ours was reached: a message of more than 1048576 bytes.",
         {.cause = VITAL_OVERFLOW, .code = 1009},
         {.what = "a message of more than 1048576 bytes"}},
        {"A limit of ours was reached.", {.cause = VITAL_OVERFLOW}, {0}},
        {"TLS established no trust: the certificate ended yesterday.",
         {.cause = VITAL_UNTRUSTED},
         {.what = "the certificate ended yesterday"}},
        {"The peer does not read what we send: no byte of it has left for 60 s, though the peer "
         "was heard 0.2 s ago.",
         {.cause = VITAL_SLOW, .pulse = {.heard_ms = 200}},
         {.quiet_ms = 60000}},
        {"The peer does not read what we send: no byte of it has left for 60 s.",
         {.cause = VITAL_SLOW, .pulse = {.heard_ms = 70000}},
         {.quiet_ms = 60000}},
        {"The connection was resumed on another socket.", {.cause = VITAL_SUPERSEDED}, {0}},
        {"The connection was lost.", {.cause = VITAL_CAUSE_COUNT}, {0}},
    };
    CHECK(examples);
}

static void messages_that_are_lost_are_counted_when_the_verdict_is_final(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"We closed the connection: 1000 normal closure. 3 messages were not sent.",
         {.cause = VITAL_CLOSED_BY_US, .code = 1000, .unsent = 3, .final = true},
         {0}},
        {"We closed the connection: 1000 normal closure. 1 message was not sent.",
         {.cause = VITAL_CLOSED_BY_US, .code = 1000, .unsent = 1, .final = true},
         {0}},
        {"The peer broke the protocol. 2 messages were sent without proof of arrival.",
         {.cause = VITAL_MISBEHAVED, .unconfirmed = 2, .final = true},
         {0}},
        {"The peer broke the protocol. 3 messages were not sent, 1 was sent without proof of "
         "arrival.",
         {.cause = VITAL_MISBEHAVED, .unsent = 3, .unconfirmed = 1, .final = true},
         {0}},
        /* After an orderly close that is the rule, and no news. */
        {"We closed the connection: 1000 normal closure.",
         {.cause = VITAL_CLOSED_BY_US, .code = 1000, .unconfirmed = 2, .final = true},
         {0}},
        {"The peer closed the connection: 1001 going away. 3 messages were not sent.",
         {.cause = VITAL_CLOSED_BY_PEER,
          .code = 1001,
          .unsent = 3,
          .unconfirmed = 1,
          .final = true},
         {0}},
        {"We closed the connection: 1000 normal closure.",
         {.cause = VITAL_CLOSED_BY_US, .code = 1000, .unsent = 3, .unconfirmed = 1},
         {0}},
    };
    CHECK(examples);
}

static void durations_are_as_exact_as_a_person_needs(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } durations[] = {
        {0, "0 ms"},
        {99, "99 ms"},
        {100, "0.1 s"},
        {9840, "9.8 s"},
        {9960, "10 s"},
        {75000, "75 s"},
        {75149, "75.1 s"},
        {99949, "99.9 s"},
        {99950, "100 s"},
        {240900, "240 s"},
        {599900, "599 s"},
        {600000, "10 min"},
        {119 * 60 * 1000, "119 min"},
        {120 * 60 * 1000, "2 h"},
        {47 * 3600 * 1000, "47 h"},
        {INT64_C(48) * 3600 * 1000, "2 days"},
        {INT64_MAX, "106751991167 days"},
    };
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        char expected[128];
        vital_verdict verdict = {.cause = VITAL_SILENT};
        const vt_circumstances circumstances = {.quiet_ms = durations[i].ms};
        vt_verdict_describe(&verdict, &circumstances);
        snprintf(expected, sizeof expected,
                 "No answer to our ping for %s, and nothing else was "
                 "heard: the path or the peer is gone.",
                 durations[i].text);
        assert_string_equal(verdict.text, expected);
    }
}

static void what_a_peer_says_cannot_steer_a_terminal(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"The peer closed the connection: 1000 normal closure, \"?[31mred??\".",
         {.cause = VITAL_CLOSED_BY_PEER, .code = 1000, .reason = "\x1B[31mred\r\n"},
         {0}},
        /* a C1 control, a reversal of direction, a line separator */
        {"The peer closed the connection: 1000 normal closure, \"a?b?c?d\".",
         {.cause = VITAL_CLOSED_BY_PEER,
          .code = 1000,
          .reason = "a\xC2\x9B"
                    "b\xE2\x80\xAE"
                    "c\xE2\x80\xA8"
                    "d"},
         {0}},
        {"The server answered 404 ?Not? Found? instead of upgrading.",
         {.cause = VITAL_REJECTED, .status = 404},
         {.what = "\x7FNot\xFF Found\xE2"}},
        {"The peer closed the connection: 1000 normal closure, \"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC "
         "\xF0\x9F\x92\x94\".",
         {.cause = VITAL_CLOSED_BY_PEER,
          .code = 1000,
          .reason = "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x92\x94"},
         {0}},
    };
    CHECK(examples);
}

static void a_sentence_that_does_not_fit_is_cut_between_characters(void **state)
{
    (void)state;
    char what[2001];

    /* Three bytes a character, from each of three places. */
    for (size_t shift = 0; shift < 3; shift++) {
        memset(what, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof what; i += 3)
            memcpy(what + i, "\xE2\x82\xAC\0", 4);
        vital_verdict verdict = {.cause = VITAL_MISBEHAVED, .unsent = 2, .final = true};
        vt_verdict_describe(&verdict, &(vt_circumstances){.what = what});
        const size_t size = strlen(verdict.text);
        assert_in_range(size, sizeof verdict.text - 8, sizeof verdict.text - 1);
        assert_true(vt_utf8_valid(verdict.text, size));
        assert_non_null(strstr(verdict.text, "... 2 messages were not sent."));
    }
}

static uint64_t random_state;

static uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void draw_words(char *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(draw() % 4 == 0 ? 128 + draw() % 128 : 1 + draw() % 255);
}

static void no_input_makes_a_text_that_is_too_long_or_not_printable(void **state)
{
    (void)state;
    random_state = 20240607;
    for (int round = 0; round < 100000; round++) {
        struct {
            vital_verdict verdict;
            uint8_t fence[16];
        } guarded;
        char what[600];
        memset(&guarded, 0xA5, sizeof guarded);
        vital_verdict *verdict = &guarded.verdict;
        draw_words(what, sizeof what);
        what[draw() % sizeof what] = '\0';
        what[sizeof what - 1] = '\0';
        draw_words(verdict->reason, sizeof verdict->reason); /* not even ended by a NUL */
        if (draw() % 2 == 0)
            verdict->reason[draw() % sizeof verdict->reason] = '\0';
        verdict->cause = (vital_cause)(draw() % (VITAL_CAUSE_COUNT + 2));
        verdict->code = (uint16_t)draw();
        verdict->error = draw() % 2 == 0 ? (int)(draw() % 140) : (int)draw();
        verdict->status = (int)draw();
        verdict->pulse.heard_ms = (int64_t)(draw() >> draw() % 64);
        verdict->unsent = draw() >> draw() % 64;
        verdict->unconfirmed = draw() >> draw() % 64;
        verdict->final = draw() % 2 == 0;
        const vt_circumstances circumstances = {
            .what = draw() % 4 == 0 ? NULL : what,
            .quiet_ms = (int64_t)(draw() >> draw() % 64),
            .could_not_send = draw() % 2 == 0,
            .refused_by_us = draw() % 2 == 0,
            .text_beat = draw() % 2 == 0,
        };
        vt_verdict_describe(verdict, &circumstances);

        const size_t size = strnlen(verdict->text, sizeof verdict->text);
        assert_in_range(size, 10, sizeof verdict->text - 1);
        assert_true(vt_utf8_valid(verdict->text, size));
        assert_int_equal(verdict->text[size - 1], '.');
        for (size_t i = 0; i < size; i++)
            assert_true((uint8_t)verdict->text[i] >= 0x20 && verdict->text[i] != 0x7F);
        for (size_t i = 0; i < sizeof guarded.fence; i++)
            assert_int_equal(guarded.fence[i], 0xA5);
    }
}

/* ----------------------------------------------------------------- idle limits */

static void an_idle_limit_is_known_within_a_second_and_a_half(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *who;
    } limits[] = {
        {55000, "Heroku"}, {60000, "nginx and AWS ALB"}, {100000, "Cloudflare"}, {240000, "Azure"},
        {300000, "Envoy"}, {350000, "AWS NLB"},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_string_equal(vt_verdict_idle_limit(limits[i].ms), limits[i].who);
        assert_string_equal(vt_verdict_idle_limit(limits[i].ms - 1500), limits[i].who);
        assert_string_equal(vt_verdict_idle_limit(limits[i].ms + 1500), limits[i].who);
        assert_null(vt_verdict_idle_limit(limits[i].ms - 1501));
        assert_null(vt_verdict_idle_limit(limits[i].ms + 1501));
    }
    assert_null(vt_verdict_idle_limit(-1));
    assert_null(vt_verdict_idle_limit(0));
    assert_null(vt_verdict_idle_limit(INT64_MIN));
    assert_null(vt_verdict_idle_limit(INT64_MAX));
}

/* -------------------------------------------------------------- again or not */

enum { NO_RETRY_AFTER = -1 };

static void assert_retry(vital_verdict verdict, int retry_after_s, vt_retry expected)
{
    const vt_retry retry = vt_verdict_retry(&verdict, retry_after_s);

    if (retry.again != expected.again || retry.low_ms != expected.low_ms ||
        retry.high_ms != expected.high_ms)
        fail_msg("cause %d, code %u, status %d, Retry-After %d: {%d, %lld, %lld} is not "
                 "{%d, %lld, %lld}",
                 (int)verdict.cause, (unsigned)verdict.code, verdict.status, retry_after_s,
                 retry.again, (long long)retry.low_ms, (long long)retry.high_ms, expected.again,
                 (long long)expected.low_ms, (long long)expected.high_ms);
}

static const vt_retry stop = {false, 0, 0};
static const vt_retry backoff = {true, 0, 0};
static const vt_retry restart = {true, 5000, 30000};
static const vt_retry busy = {true, 30000, 120000};

static void each_cause_has_its_answer(void **state)
{
    (void)state;
    static const struct {
        vital_cause cause;
        const vt_retry *expected;
    } rows[] = {
        {VITAL_CLOSED_BY_US, &stop}, {VITAL_UNREACHABLE, &backoff}, {VITAL_UNTRUSTED, &stop},
        {VITAL_SILENT, &backoff},    {VITAL_STUCK, &backoff},       {VITAL_DEAF, &backoff},
        {VITAL_SLOW, &backoff},      {VITAL_CUT, &backoff},         {VITAL_MISBEHAVED, &backoff},
        {VITAL_OVERFLOW, &backoff},  {VITAL_SUPERSEDED, &stop},     {VITAL_CAUSE_COUNT, &stop},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int code = 0; code <= 5000; code += 503) {
            const vital_verdict verdict = {
                .cause = rows[i].cause, .code = (uint16_t)code, .status = code};
            assert_retry(verdict, NO_RETRY_AFTER, *rows[i].expected);
            assert_retry(verdict, 7, *rows[i].expected);
        }
}

static void a_close_code_of_the_peer_decides_whether_to_come_back(void **state)
{
    (void)state;
    static const struct {
        int code;
        const vt_retry *expected;
    } rows[] = {
        {1000, &stop},    {1001, &backoff}, {1002, &stop},    {1003, &stop},    {1005, &backoff},
        {1007, &stop},    {1008, &stop},    {1009, &stop},    {1010, &stop},    {1011, &backoff},
        {1012, &restart}, {1013, &busy},    {1014, &backoff}, {2000, &backoff}, {3000, &backoff},
        {3999, &backoff}, {4000, &backoff}, {4400, &backoff}, {4401, &stop},    {4402, &backoff},
        {4403, &stop},    {4404, &backoff}, {4408, &backoff}, {4999, &backoff}, {0, &backoff},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_retry((vital_verdict){.cause = VITAL_CLOSED_BY_PEER, .code = (uint16_t)rows[i].code},
                     NO_RETRY_AFTER, *rows[i].expected);
}

static void an_http_status_decides_whether_to_ask_again(void **state)
{
    (void)state;
    static const struct {
        int status;
        const vt_retry *expected;
    } rows[] = {
        {0, &stop},   {100, &stop},    {200, &stop},     {204, &stop},    {301, &stop},
        {302, &stop}, {307, &stop},    {308, &stop},     {400, &stop},    {401, &stop},
        {403, &stop}, {404, &stop},    {405, &stop},     {407, &stop},    {408, &backoff},
        {410, &stop}, {418, &stop},    {425, &backoff},  {426, &stop},    {429, &busy},
        {431, &stop}, {499, &stop},    {500, &backoff},  {501, &backoff}, {502, &backoff},
        {503, &busy}, {504, &backoff}, {505, &backoff},  {599, &backoff}, {600, &stop},
        {999, &stop}, {-1, &stop},     {INT_MAX, &stop},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_retry((vital_verdict){.cause = VITAL_REJECTED, .status = rows[i].status},
                     NO_RETRY_AFTER, *rows[i].expected);
}

static void a_retry_after_is_never_undercut_and_spread_by_a_quarter(void **state)
{
    (void)state;
    const vital_verdict unavailable = {.cause = VITAL_REJECTED, .status = 503};
    const vital_verdict too_many = {.cause = VITAL_REJECTED, .status = 429};

    assert_retry(unavailable, 10, (vt_retry){true, 10000, 12500});
    assert_retry(too_many, 60, (vt_retry){true, 60000, 75000});
    /* "at once" leaves it to the backoff */
    assert_retry(unavailable, 0, backoff);
    /* an hour at most */
    assert_retry(unavailable, 3600, (vt_retry){true, 3600000, 4500000});
    assert_retry(unavailable, INT_MAX, (vt_retry){true, 3600000, 4500000});
    assert_retry(unavailable, INT_MIN, busy);
    /* where the server did not tell us to wait, it does not count */
    assert_retry((vital_verdict){.cause = VITAL_REJECTED, .status = 500}, 10, backoff);
    assert_retry((vital_verdict){.cause = VITAL_REJECTED, .status = 403}, 10, stop);
    assert_retry((vital_verdict){.cause = VITAL_CLOSED_BY_PEER, .code = 1012}, 10, restart);
}

static void an_invitation_counts_after_codes_that_ask_to_come_back(void **state)
{
    (void)state;
    static const vt_retry invited = {true, 7000, 9000};
    static const struct {
        int code;
        const vt_retry *expected;
    } rows[] = {
        {1001, &invited}, {1012, &invited}, {1013, &invited}, {1000, &stop}, {1008, &stop},
        {1011, &backoff}, {1014, &backoff}, {3000, &backoff}, {4401, &stop}, {4408, &backoff},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_retry((vital_verdict){.cause = VITAL_CLOSED_BY_PEER,
                                     .code = (uint16_t)rows[i].code,
                                     .reason = "bye; retry in 7-9 s"},
                     NO_RETRY_AFTER, *rows[i].expected);
}

static void an_invitation_that_is_none_leaves_it_to_the_table(void **state)
{
    (void)state;
    vital_verdict verdict = {.cause = VITAL_CLOSED_BY_PEER, .reason = "retry in 9-7 s"};
    verdict.code = 1001;
    assert_retry(verdict, NO_RETRY_AFTER, backoff);
    verdict.code = 1012;
    assert_retry(verdict, NO_RETRY_AFTER, restart);
    verdict.code = 1013;
    assert_retry(verdict, NO_RETRY_AFTER, busy);
    /* not ours to invite by */
    assert_retry(
        (vital_verdict){.cause = VITAL_CLOSED_BY_US, .code = 1012, .reason = "retry in 7-9 s"},
        NO_RETRY_AFTER, stop);
    assert_retry(
        (vital_verdict){
            .cause = VITAL_REJECTED, .status = 503, .code = 1012, .reason = "retry in 7-9 s"},
        NO_RETRY_AFTER, busy);
}

static void an_invitation_to_come_at_once_is_the_backoffs(void **state)
{
    (void)state;
    const vital_verdict soon = {
        .cause = VITAL_CLOSED_BY_PEER, .code = 1012, .reason = "retry in 0-0 s"};
    assert_retry(soon, NO_RETRY_AFTER, backoff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_names_who_closed_the_code_and_the_reason),
        cmocka_unit_test(unreachable_says_what_could_not_be_reached),
        cmocka_unit_test(rejected_says_what_the_server_answered),
        cmocka_unit_test(silent_says_which_beat_stayed_without_an_answer_and_for_how_long),
        cmocka_unit_test(a_cut_after_a_known_idle_limit_names_the_likely_proxy),
        cmocka_unit_test(a_cut_says_how_the_stream_ended),
        cmocka_unit_test(every_other_cause_has_a_phrase_and_what_is_known),
        cmocka_unit_test(messages_that_are_lost_are_counted_when_the_verdict_is_final),
        cmocka_unit_test(durations_are_as_exact_as_a_person_needs),
        cmocka_unit_test(what_a_peer_says_cannot_steer_a_terminal),
        cmocka_unit_test(a_sentence_that_does_not_fit_is_cut_between_characters),
        cmocka_unit_test(no_input_makes_a_text_that_is_too_long_or_not_printable),
        cmocka_unit_test(an_idle_limit_is_known_within_a_second_and_a_half),
        cmocka_unit_test(each_cause_has_its_answer),
        cmocka_unit_test(a_close_code_of_the_peer_decides_whether_to_come_back),
        cmocka_unit_test(an_http_status_decides_whether_to_ask_again),
        cmocka_unit_test(a_retry_after_is_never_undercut_and_spread_by_a_quarter),
        cmocka_unit_test(an_invitation_counts_after_codes_that_ask_to_come_back),
        cmocka_unit_test(an_invitation_that_is_none_leaves_it_to_the_table),
        cmocka_unit_test(an_invitation_to_come_at_once_is_the_backoffs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
