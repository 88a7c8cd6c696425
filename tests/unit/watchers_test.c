/*
 * The parts of watchers_ask() that need no request; serve_web_test.py asks it
 * whole ones.
 */
#include "watchers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_peer_of_this_machine_is_local(void **state)
{
    (void)state;
    static const char *const local[] = {"127.0.0.1:4711", "127.9.9.9:1", "[::1]:4711",
                                        "unix:", "unix:/run/x.sock"};
    static const char *const others[] = {"",          "192.0.2.1:127", "[::127.0.0.1]:1",
                                         "[::11]:80", "[fe80::1]:80",  "10.127.0.1:1",
                                         "12.7.0.0:1"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        assert_true(watchers_peer_is_local(local[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(watchers_peer_is_local(others[i]));
}

static void a_host_is_local_if_no_other_machine_can_be_meant(void **state)
{
    (void)state;
    static const char *const local[] = {"127.0.0.1", "127.0.0.1:9001", "127.8.0.1:1",
                                        "localhost", "LocalHost:80",   "[::1]",
                                        "[::1]:9001"};
    static const char *const others[] = {"",
                                         ":9001",
                                         "evil.test:9001",
                                         "127.0.0.1.evil.test:9001",
                                         "127.evil.test",
                                         "localhost.evil.test",
                                         "local",
                                         "[::1",
                                         "[::2]",
                                         "[::1]x",
                                         "192.0.2.1",
                                         "127.",
                                         "[::ffff:1]:1"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        if (!watchers_host_is_local(local[i]))
            fail_msg("%s is not taken for local", local[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (watchers_host_is_local(others[i]))
            fail_msg("%s is taken for local", others[i]);
    }
}

static void an_origin_is_ours_if_it_names_the_host(void **state)
{
    (void)state;
    assert_true(watchers_origin_is_ours("http://127.0.0.1:9001", "127.0.0.1:9001"));
    assert_true(watchers_origin_is_ours("https://LOCALHOST", "localhost"));
    assert_false(watchers_origin_is_ours("http://127.0.0.1:8000", "127.0.0.1:9001"));
    assert_false(watchers_origin_is_ours("http://127.0.0.1:9001.evil.test", "127.0.0.1:9001"));
    assert_false(watchers_origin_is_ours("null", "null"));
    assert_false(watchers_origin_is_ours("", ""));
}

static void a_token_is_long_enough_and_fits_into_a_header(void **state)
{
    (void)state;
    char longest[WATCHERS_TOKEN_MOST + 2];
    memset(longest, 'a', sizeof longest);
    longest[WATCHERS_TOKEN_MOST + 1] = '\0';
    assert_non_null(watchers_token_problem(""));
    assert_non_null(watchers_token_problem("fifteen letters"));
    assert_non_null(watchers_token_problem("sixteen letters."));
    assert_non_null(watchers_token_problem("sechzehn-h\xc3\xb6rbar"));
    assert_null(watchers_token_problem("sixteen-letters."));
    assert_non_null(watchers_token_problem(longest));
    longest[WATCHERS_TOKEN_MOST] = '\0';
    assert_null(watchers_token_problem(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_of_this_machine_is_local),
        cmocka_unit_test(a_host_is_local_if_no_other_machine_can_be_meant),
        cmocka_unit_test(an_origin_is_ours_if_it_names_the_host),
        cmocka_unit_test(a_token_is_long_enough_and_fits_into_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
