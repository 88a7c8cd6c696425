/*
 * Options that become a policy: every default, and every mistake in words.
 */
#include <vital/engine.h>

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static vital_policy client(void)
{
    return (vital_policy){.role = VITAL_CLIENT, .host = "example.org", .path = "/"};
}

static vital_policy server(void)
{
    return (vital_policy){.role = VITAL_SERVER};
}

static void assert_good(vital_policy policy)
{
    const char *problem = "not touched";
    int error = vital_policy_init(&policy, &problem);
    if (error != 0)
        fail_msg("%d: %s", error, problem);
    assert_null(problem);
}

static void assert_bad(vital_policy policy, const char *words)
{
    const char *problem = NULL;
    int error = vital_policy_init(&policy, &problem);
    if (error != VITAL_EINVAL)
        fail_msg("%d, and not VITAL_EINVAL for: %s", error, words);
    assert_non_null(problem);
    if (strstr(problem, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", problem, words);
}

/* A policy with one thing changed. */
#define BAD(make, words, ...)       \
    do {                            \
        vital_policy policy = make; \
        __VA_ARGS__;                \
        assert_bad(policy, words);  \
    } while (0)
#define GOOD(make, ...)             \
    do {                            \
        vital_policy policy = make; \
        __VA_ARGS__;                \
        assert_good(policy);        \
    } while (0)

/* -------------------------------------------------------------------- defaults */

static void assert_defaults(const vital_policy *policy)
{
    assert_int_equal(policy->heartbeat.kind, VITAL_BEAT_PING);
    assert_int_equal(policy->heartbeat.interval_ms, 25000);
    assert_int_equal(policy->heartbeat.answer_ms, 0); /* follows the round trip */
    assert_string_equal(policy->heartbeat.text, "heartbeat");
    assert_string_equal(policy->heartbeat.reply, "heartbeat");
    assert_int_equal(policy->limits.message_bytes, 1024 * 1024);
    assert_int_equal(policy->limits.queue_bytes, 1024 * 1024);
    assert_int_equal(policy->limits.header_bytes, 8 * 1024);
    assert_int_equal(policy->limits.open_ms, 10000);
    assert_int_equal(policy->limits.close_ms, 5000);
    assert_int_equal(policy->limits.control_per_s, 20);
    assert_int_equal(policy->limits.connections, 100000);
    assert_int_equal(policy->limits.opens_per_s, 20000);
    assert_int_equal(policy->limits.message_ms, 60000 + 1024 * 1024 / 16);
    assert_int_equal(policy->limits.send_ms, 60000);
    assert_int_equal(policy->reconnect.first_ms, 2000);
    assert_int_equal(policy->reconnect.min_ms, 500);
    assert_int_equal(policy->reconnect.max_ms, 60000);
    assert_int_equal(policy->reconnect.stable_ms, 30000);
    assert_false(policy->reconnect.never);
    assert_null(policy->headers[0]);
    assert_null(policy->subprotocols[0]);
}

static void the_defaults_are_those_of_the_header(void **state)
{
    (void)state;
    const char *problem = NULL;
    vital_policy policies[] = {client(), server()};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(vital_policy_init(&policies[i], &problem), 0);
        assert_defaults(&policies[i]);
        /* Whoever initialises twice gets the same. */
        assert_int_equal(vital_policy_init(&policies[i], &problem), 0);
        assert_defaults(&policies[i]);
    }
}

static void b4_a_limit_of_zero_is_the_default_and_never_without_bound(void **state)
{
    (void)state;
    const char *problem = NULL;
    vital_policy policies[] = {client(), server()};
    for (size_t i = 0; i < 2; i++) {
        policies[i].limits = (vital_limits){.message_bytes = 0};
        assert_int_equal(vital_policy_init(&policies[i], &problem), 0);
        const vital_limits *limits = &policies[i].limits;
        assert_in_range(limits->message_bytes, 1, 1 << 20);
        assert_in_range(limits->queue_bytes, 1, 1 << 20);
        assert_in_range(limits->header_bytes, 1, 8 << 10);
        assert_in_range(limits->open_ms, 1, 10 * 1000);
        assert_in_range(limits->close_ms, 1, 5 * 1000);
        assert_in_range(limits->control_per_s, 1, 20);
        assert_in_range(limits->connections, 1, 100 * 1000);
        assert_in_range(limits->opens_per_s, 1, 20 * 1000);
    }
}

static void what_was_given_is_kept(void **state)
{
    (void)state;
    static const char *const headers[] = {"Authorization: Bearer x", NULL};
    static const char *const subprotocols[] = {"chat", "superchat", NULL};
    const vital_policy given = {
        .role = VITAL_CLIENT,
        .heartbeat = {VITAL_BEAT_TEXT, 1, 2, "t", "r"},
        .limits = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
        .reconnect = {true, 10, 11, 12, 13, true},
        .host = "[::1]:9001",
        .path = "/chat?room=1",
        .headers = headers,
        .subprotocols = subprotocols,
    };
    vital_policy policy = given;
    const char *problem = NULL;
    assert_int_equal(vital_policy_init(&policy, &problem), 0);
    assert_memory_equal(&policy.heartbeat, &given.heartbeat, sizeof given.heartbeat);
    assert_memory_equal(&policy.limits, &given.limits, sizeof given.limits);
    assert_int_equal(policy.reconnect.never, true);
    assert_int_equal(policy.reconnect.first_ms, 10);
    assert_int_equal(policy.reconnect.min_ms, 11);
    assert_int_equal(policy.reconnect.max_ms, 12);
    assert_int_equal(policy.reconnect.stable_ms, 13);
    assert_ptr_equal(policy.headers, headers);
    assert_ptr_equal(policy.subprotocols, subprotocols);
}

static void a_reply_is_the_text_unless_it_is_given(void **state)
{
    (void)state;
    const char *problem = NULL;
    vital_policy policy = client();
    policy.heartbeat.text = "ping";
    assert_int_equal(vital_policy_init(&policy, &problem), 0);
    assert_string_equal(policy.heartbeat.reply, "ping");
}

static void the_ends_of_the_backoff_follow_each_other(void **state)
{
    (void)state;
    static const struct {
        int first, min, max; /* as given */
        int got_first, got_min, got_max;
    } all[] = {
        {0, 0, 100, 100, 100, 100}, /* the longest delay is shorter than every default */
        {0, 0, 1000, 1000, 500, 1000},
        {0, 90000, 0, 2000, 90000, 90000}, /* the shortest is above the longest default */
        {0, 700, 0, 2000, 700, 60000},
        {5000, 0, 0, 5000, 500, 60000},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *problem = NULL;
        vital_policy policy = client();
        policy.reconnect.first_ms = all[i].first;
        policy.reconnect.min_ms = all[i].min;
        policy.reconnect.max_ms = all[i].max;
        assert_int_equal(vital_policy_init(&policy, &problem), 0);
        assert_int_equal(policy.reconnect.first_ms, all[i].got_first);
        assert_int_equal(policy.reconnect.min_ms, all[i].got_min);
        assert_int_equal(policy.reconnect.max_ms, all[i].got_max);
    }
}

/* ------------------------------------------------------------------- heartbeat */

static void a_heartbeat_that_means_nothing_is_refused(void **state)
{
    (void)state;
    BAD(client(), "heartbeat.kind", policy.heartbeat.kind = (vital_beat)3);
    BAD(client(), "heartbeat.kind", policy.heartbeat.kind = (vital_beat)-1);
    BAD(client(), "negative", policy.heartbeat.interval_ms = -2);
    BAD(client(), "negative", policy.heartbeat.answer_ms = -2);
    BAD(client(), "negative", policy.heartbeat.answer_ms = INT_MIN);
}

static void a_heartbeat_may_be_switched_off(void **state)
{
    (void)state;
    GOOD(client(), policy.heartbeat.kind = VITAL_BEAT_NONE);
    GOOD(client(), policy.heartbeat.interval_ms = VITAL_NEVER);
    GOOD(client(), policy.heartbeat.answer_ms = VITAL_NEVER);
    GOOD(server(), policy.heartbeat.text = "");
}

static void the_text_of_a_beat_is_small_valid_and_there(void **state)
{
    (void)state;
    char text[127];
    memset(text, 't', sizeof text);
    text[126] = '\0';
    BAD(client(), "125 bytes", policy.heartbeat.text = text);
    BAD(client(), "125 bytes", policy.heartbeat.reply = text);
    text[125] = '\0';
    GOOD(client(), policy.heartbeat.text = text);
    GOOD(client(), policy.heartbeat.reply = text);
    BAD(client(), "UTF-8", policy.heartbeat.text = "\xff");
    BAD(client(), "UTF-8", policy.heartbeat.reply = "\xc3");
    GOOD(client(), policy.heartbeat.text = "\xe5\xbf\x83\xe8\xb7\xb3");
    BAD(client(), "needs a text", policy.heartbeat.kind = VITAL_BEAT_TEXT;
        policy.heartbeat.text = "");
    BAD(client(), "needs a text", policy.heartbeat.kind = VITAL_BEAT_TEXT;
        policy.heartbeat.reply = "");
}

static void a_server_that_beats_by_text_needs_a_reply_of_its_own(void **state)
{
    (void)state;
    BAD(server(), "reply", policy.heartbeat.kind = VITAL_BEAT_TEXT);
    BAD(server(), "reply", policy.heartbeat.kind = VITAL_BEAT_TEXT;
        policy.heartbeat.text = policy.heartbeat.reply = "x");
    GOOD(server(), policy.heartbeat.kind = VITAL_BEAT_TEXT; policy.heartbeat.reply = "here");
    GOOD(client(), policy.heartbeat.kind = VITAL_BEAT_TEXT);
}

/* ---------------------------------------------------------- limits and returning */

static void a_negative_limit_is_refused(void **state)
{
    (void)state;
    BAD(client(), "a limit is negative", policy.limits.open_ms = -1);
    BAD(client(), "a limit is negative", policy.limits.close_ms = -1);
    BAD(client(), "a limit is negative", policy.limits.control_per_s = -1);
    BAD(client(), "a limit is negative", policy.limits.connections = -1);
    BAD(client(), "a limit is negative", policy.limits.opens_per_s = -1);
    BAD(client(), "above a million", policy.limits.opens_per_s = 1000 * 1000 + 1);
    BAD(client(), "a limit is negative", policy.limits.message_ms = -1);
    BAD(client(), "a limit is negative", policy.limits.send_ms = -1);
}

static void a_limit_above_2_gib_is_refused(void **state)
{
    (void)state;
    BAD(client(), "2 GiB", policy.limits.message_bytes = (size_t)INT_MAX + 1);
    BAD(client(), "2 GiB", policy.limits.queue_bytes = (size_t)INT_MAX + 1);
    BAD(client(), "2 GiB", policy.limits.header_bytes = SIZE_MAX); /* a negative number */
    GOOD(client(), policy.limits.message_bytes = INT_MAX; policy.limits.queue_bytes = INT_MAX;
         policy.limits.header_bytes = INT_MAX);
}

static void windows_of_compression_are_those_that_zlib_has(void **state)
{
    (void)state;
    vital_policy usual = server();
    const char *problem;
    assert_int_equal(vital_policy_init(&usual, &problem), 0);
    assert_false(usual.compression.enabled);
    assert_int_equal(usual.compression.window_bits, 15);
    assert_int_equal(usual.compression.peer_window_bits, 15);
    assert_int_equal(usual.compression.least_bytes, 256);
    for (int bits = 9; bits <= 15; bits++)
        GOOD(server(), policy.compression.window_bits = bits);
    for (int bits = 8; bits <= 15; bits++)
        GOOD(client(), policy.compression.peer_window_bits = bits);
    BAD(server(), "from 9 to 15", policy.compression.window_bits = 8);
    BAD(server(), "from 9 to 15", policy.compression.window_bits = 16);
    BAD(server(), "from 9 to 15", policy.compression.window_bits = -1);
    BAD(client(), "from 8 to 15", policy.compression.peer_window_bits = 7);
    BAD(client(), "from 8 to 15", policy.compression.peer_window_bits = 16);
}

static void a_way_back_that_means_nothing_is_refused(void **state)
{
    (void)state;
    BAD(client(), "reconnect", policy.reconnect.first_ms = -1);
    BAD(client(), "reconnect", policy.reconnect.min_ms = -1);
    BAD(client(), "reconnect", policy.reconnect.max_ms = -1);
    BAD(client(), "reconnect", policy.reconnect.stable_ms = -1);
    BAD(client(), "reconnect.min_ms is above reconnect.max_ms", policy.reconnect.min_ms = 2;
        policy.reconnect.max_ms = 1);
    GOOD(client(), policy.reconnect.min_ms = 1; policy.reconnect.max_ms = 1);
}

/* ---------------------------------------------------------------------- target */

static void a_client_needs_a_host_and_a_path(void **state)
{
    (void)state;
    BAD(client(), "host and a path", policy.host = NULL);
    BAD(client(), "host and a path", policy.path = NULL);
    GOOD(server(), policy.host = NULL; policy.path = NULL);
}

static void a12_a_target_cannot_become_a_header(void **state)
{
    (void)state;
    BAD(client(), "", policy.host = "h\r\nX: y");
    BAD(client(), "", policy.host = "");
    BAD(client(), "", policy.path = "/ HTTP/1.1\r\nX: y");
    BAD(client(), "", policy.path = "/a b");
    BAD(client(), "", policy.path = "");
    BAD(client(), "", policy.path = "no/slash");
}

static void headers_are_checked_one_by_one(void **state)
{
    (void)state;
    static const char *const injected[] = {"A: b", "X: y\r\nZ: z", NULL};
    static const char *const nameless[] = {"no colon", NULL};
    static const char *const ours[] = {"Sec-WebSocket-Key: x", NULL};
    static const char *const good[] = {"A: b", "Origin: http://example.org", NULL};
    BAD(client(), "", policy.headers = injected);
    BAD(client(), "", policy.headers = nameless);
    BAD(client(), "", policy.headers = ours);
    GOOD(client(), policy.headers = good);
}

static void subprotocols_are_distinct_tokens_rfc_4_1(void **state)
{
    (void)state;
    static const char *const spaced[] = {"chat room", NULL};
    static const char *const empty[] = {"", NULL};
    static const char *const twice[] = {"a", "b", "a", NULL};
    static const char *const good[] = {"a", "b", "A", NULL};
    BAD(client(), "", policy.subprotocols = spaced);
    BAD(client(), "", policy.subprotocols = empty);
    BAD(client(), "named twice", policy.subprotocols = twice);
    BAD(server(), "named twice", policy.subprotocols = twice);
    GOOD(client(), policy.subprotocols = good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_header),
        cmocka_unit_test(b4_a_limit_of_zero_is_the_default_and_never_without_bound),
        cmocka_unit_test(what_was_given_is_kept),
        cmocka_unit_test(a_reply_is_the_text_unless_it_is_given),
        cmocka_unit_test(the_ends_of_the_backoff_follow_each_other),
        cmocka_unit_test(a_heartbeat_that_means_nothing_is_refused),
        cmocka_unit_test(a_heartbeat_may_be_switched_off),
        cmocka_unit_test(the_text_of_a_beat_is_small_valid_and_there),
        cmocka_unit_test(a_server_that_beats_by_text_needs_a_reply_of_its_own),
        cmocka_unit_test(a_negative_limit_is_refused),
        cmocka_unit_test(a_limit_above_2_gib_is_refused),
        cmocka_unit_test(windows_of_compression_are_those_that_zlib_has),
        cmocka_unit_test(a_way_back_that_means_nothing_is_refused),
        cmocka_unit_test(a_client_needs_a_host_and_a_path),
        cmocka_unit_test(a12_a_target_cannot_become_a_header),
        cmocka_unit_test(headers_are_checked_one_by_one),
        cmocka_unit_test(subprotocols_are_distinct_tokens_rfc_4_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
