/*
 * The way from a stream to the server, on streams in memory.
 */
#include "passage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"

#include "pipe_stream.h"

enum { STEPS_MOST = 8 };

typedef struct fixture {
    vital_loop *loop;
    folder folder;
    vt_tls_policy *client_policy, *server_policy;
    vt_transport transport; /* of the passage */
    pipe_stream stream;
    vt_tls *server; /* the other side */
    vt_passage passage;
    vt_passage_way way;
    vt_proxy proxy;
    vt_passage_step steps[STEPS_MOST];
    int passed, failures;
    vital_cause cause;
    int error, status;
    char what[320];
} fixture;

static void on_passed(void *owner, vt_passage_step step)
{
    fixture *it = owner;
    assert_true(it->passed < STEPS_MOST);
    it->steps[it->passed++] = step;
}

static void on_failed(void *owner, const vital_failure *failure)
{
    fixture *it = owner;
    it->failures++;
    it->cause = failure->cause;
    it->error = failure->error;
    it->status = failure->status;
    snprintf(it->what, sizeof it->what, "%s", failure->what);
}

static const vt_passage_events EVENTS = {.passed = on_passed, .failed = on_failed};

static vt_tls_policy *policy_of(bool server, const vital_tls *options)
{
    char problem[VT_TLS_PROBLEM_BYTES];
    vt_tls_policy *policy = NULL;
    const vt_tls_setup setup = {.server = server,
                                .options = options,
                                .host = "localhost",
                                .peer = server ? "client" : "server"};
    if (vt_tls_policy_create(&policy, &setup, problem) != 0)
        fail_msg("%s", problem);
    return policy;
}

static int setup(void **state)
{
    fixture *it = calloc(1, sizeof *it);
    char ca[AUTHORITY_PATH_BYTES], pem[AUTHORITY_PATH_BYTES];
    identity own = make_identity(&(wish){.alternatives = "DNS:localhost"}, NULL);
    if (pipe_loop_create(&it->loop) != 0)
        return -1;
    enter_folder(&it->folder);
    write_pem(ca, &it->folder, "ca.pem", &own, NULL);
    write_pem(pem, &it->folder, "server.pem", &own, &own);
    it->client_policy = policy_of(false, &(vital_tls){.ca_file = ca});
    it->server_policy = policy_of(true, &(vital_tls){.cert_file = pem});
    assert_int_equal(vt_tls_create(&it->server, it->server_policy), 0);
    it->stream.base.loop = it->loop;
    it->passage.events = &EVENTS;
    it->passage.owner = it;
    free_identity(&own);
    *state = it;
    return 0;
}

static int teardown(void **state)
{
    fixture *it = *state;
    vt_transport_end(&it->transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    vt_proxy_finish(&it->proxy);
    vt_tls_destroy(it->server);
    vt_tls_policy_release(it->client_policy);
    vt_tls_policy_release(it->server_policy);
    leave_folder(&it->folder);
    vital_loop_destroy(it->loop);
    free(it);
    return 0;
}

static void start(fixture *it)
{
    vt_passage_start(&it->passage, &it->transport, &it->stream.base, &it->way);
}

static void comes(fixture *it, const void *bytes, size_t size, int error)
{
    uint8_t copy[16 * 1024];
    assert_true(size <= sizeof copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    it->stream.base.events->received(it->stream.base.owner, copy, size, error);
}

/* What was sent has left; it goes to the TLS of the server, whose answer comes. */
static bool answer_tls(fixture *it)
{
    vital_bytes sent = it->stream.sending;
    uint8_t plain[VT_TLS_RECORD_BYTES];
    size_t size;
    if (sent.size == 0)
        return false;
    vt_tls_feed(it->server, sent.data, sent.size);
    while (vt_tls_read(it->server, plain, &size) != VT_TLS_MORE)
        assert_int_equal(size, 0);
    it->stream.sending.size = 0;
    it->stream.base.events->sent(it->stream.base.owner, sent.size, 0);
    uint8_t *bytes = vt_tls_take(it->server, &size);
    if (size > 0)
        comes(it, bytes, size, 0);
    free(bytes);
    return true;
}

/* ---------------------------------------------------------------------- straight */

static void a_straight_way_is_through_at_once(void **state)
{
    fixture *it = *state;
    start(it);
    assert_int_equal(it->passed, 1);
    assert_int_equal(it->steps[0], VT_PASSAGE_THROUGH);
    vt_passage_abandon(&it->passage); /* it is not under way any more */
    assert_false(it->stream.closed);
}

/* --------------------------------------------------------------------------- TLS */

static void a_way_into_tls_is_through_when_that_is_up(void **state)
{
    fixture *it = *state;
    it->way.tls = it->client_policy;
    start(it);
    assert_int_equal(it->passed, 0);
    while (answer_tls(it))
        continue;
    assert_int_equal(it->passed, 2);
    assert_int_equal(it->steps[0], VT_PASSAGE_SECURED);
    assert_int_equal(it->steps[1], VT_PASSAGE_THROUGH);
    assert_true(vt_transport_ready(&it->transport));
    assert_int_equal(it->failures, 0);
}

static void what_tls_says_against_the_server_is_the_failure(void **state)
{
    fixture *it = *state;
    it->way.tls = it->client_policy;
    start(it);
    comes(it, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0);
    assert_int_equal(it->failures, 1);
    assert_int_equal(it->cause, VITAL_MISBEHAVED);
    assert_int_equal(it->passed, 0);
    assert_true(it->stream.closed);
    vt_passage_abandon(&it->passage); /* it is not under way any more */
}

static void a_stream_that_ends_on_the_way_is_unreachable(void **state)
{
    fixture *it = *state;
    it->way.tls = it->client_policy;
    start(it);
    comes(it, NULL, 0, ECONNRESET);
    assert_int_equal(it->failures, 1);
    assert_int_equal(it->cause, VITAL_UNREACHABLE);
    assert_int_equal(it->error, ECONNRESET);
    assert_string_equal(it->what,
                        "the server failed in the middle of the TLS handshake: Connection reset by "
                        "peer");
}

static void who_abandons_it_hears_no_more(void **state)
{
    fixture *it = *state;
    it->way.tls = it->client_policy;
    start(it);
    vt_passage_abandon(&it->passage);
    assert_true(it->stream.closed);
    assert_int_equal(it->stream.how, VT_END_ABRUPT);
    assert_int_equal(it->passed + it->failures, 0);
}

/* ------------------------------------------------------------------- the proxy */

static const char YES[] = "HTTP/1.1 200 OK\r\n\r\n";

static void start_proxied(fixture *it, const char *url)
{
    const char *problem;
    assert_int_equal(vt_proxy_parse(&it->proxy, url, &problem), 0);
    it->way.proxy = &it->proxy;
    it->way.host = "localhost";
    it->way.port = 443;
    it->way.head_bytes = 1024;
    start(it);
}

static void request_leaves(fixture *it)
{
    static const char EXPECTED[] = "CONNECT localhost:443 HTTP/1.1\r\n";
    vital_bytes sent = it->stream.sending;
    assert_true(sent.size > strlen(EXPECTED));
    assert_memory_equal(sent.data, EXPECTED, strlen(EXPECTED));
    it->stream.sending.size = 0;
    it->stream.base.events->sent(it->stream.base.owner, sent.size, 0);
}

static void fails(const fixture *it, vital_cause cause, const char *words)
{
    assert_int_equal(it->failures, 1);
    assert_int_equal(it->cause, cause);
    if (strstr(it->what, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", it->what, words);
    assert_true(it->stream.closed);
}

static void a_proxy_that_agrees_lets_us_through(void **state)
{
    fixture *it = *state;
    start_proxied(it, "http://p");
    request_leaves(it);
    comes(it, YES, 10, 0);
    assert_int_equal(it->passed, 0);
    comes(it, YES + 10, strlen(YES) - 10, 0);
    assert_int_equal(it->passed, 2);
    assert_int_equal(it->steps[0], VT_PASSAGE_PROXIED);
    assert_int_equal(it->steps[1], VT_PASSAGE_THROUGH);
    assert_false(it->stream.closed);
}

static void tls_with_the_server_goes_through_the_proxy(void **state)
{
    fixture *it = *state;
    it->way.tls = it->client_policy;
    start_proxied(it, "http://p");
    request_leaves(it);
    comes(it, YES, strlen(YES), 0);
    while (answer_tls(it))
        continue;
    assert_int_equal(it->passed, 3);
    assert_int_equal(it->steps[0], VT_PASSAGE_PROXIED);
    assert_int_equal(it->steps[1], VT_PASSAGE_SECURED);
    assert_int_equal(it->steps[2], VT_PASSAGE_THROUGH);
}

static void a_proxy_of_https_is_proven_before_it_is_asked(void **state)
{
    fixture *it = *state;
    it->way.proxy_tls = it->client_policy;
    start_proxied(it, "https://user:secret@p");
    assert_null(memmem(it->stream.sending.data, it->stream.sending.size, "CONNECT", 7));
    comes(it, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0);
    fails(it, VITAL_MISBEHAVED, "does not speak TLS");
}

static void a_proxy_that_refuses_is_rejected_with_its_status(void **state)
{
    fixture *it = *state;
    start_proxied(it, "http://p");
    request_leaves(it);
    comes(it, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 46, 0);
    fails(it, VITAL_REJECTED, "Proxy Authentication Required");
    assert_int_equal(it->status, 407);
}

static void a_proxy_that_is_none_misbehaves(void **state)
{
    fixture *it = *state;
    start_proxied(it, "http://p");
    request_leaves(it);
    comes(it, "220 mail\r\n", 10, 0);
    fails(it, VITAL_MISBEHAVED, "the proxy does not answer in HTTP/1.1");
}

static void a_proxy_that_hangs_up_is_unreachable(void **state)
{
    fixture *it = *state;
    start_proxied(it, "http://p");
    request_leaves(it);
    comes(it, NULL, 0, 0);
    fails(it, VITAL_UNREACHABLE, "the proxy ended the stream before it let us through");
}

static void a_yes_before_the_question_has_left_is_none(void **state)
{
    fixture *it = *state;
    it->way.tls = it->client_policy;
    start_proxied(it, "http://p");
    comes(it, YES, strlen(YES), 0);
    fails(it, VITAL_MISBEHAVED, "before it has been asked");
}

static void who_abandons_a_question_under_way_keeps_nothing_of_it(void **state)
{
    fixture *it = *state;
    start_proxied(it, "http://p");
    vt_passage_abandon(&it->passage);
    assert_true(it->stream.closed);
    assert_null(it->passage.request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(a_straight_way_is_through_at_once),
        CASE(a_way_into_tls_is_through_when_that_is_up),
        CASE(what_tls_says_against_the_server_is_the_failure),
        CASE(a_stream_that_ends_on_the_way_is_unreachable),
        CASE(who_abandons_it_hears_no_more),
        CASE(a_proxy_that_agrees_lets_us_through),
        CASE(tls_with_the_server_goes_through_the_proxy),
        CASE(a_proxy_of_https_is_proven_before_it_is_asked),
        CASE(a_proxy_that_refuses_is_rejected_with_its_status),
        CASE(a_proxy_that_is_none_misbehaves),
        CASE(a_proxy_that_hangs_up_is_unreachable),
        CASE(a_yes_before_the_question_has_left_is_none),
        CASE(who_abandons_a_question_under_way_keeps_nothing_of_it),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
