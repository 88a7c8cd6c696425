/*
 * Which pages may connect, and all the ways to look like one of them.
 */
#include "origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const ANY[] = {"*", NULL};
static const char *const NONE[] = {NULL};
static const char *const LIST[] = {"https://app.example.org", "http://[2001:db8::1]:8000",
                                   "chrome-extension://abcdef", NULL};
static const char *const WITH_NULL[] = {"null", NULL};

static void assert_same(const char *origin, const char *host)
{
    if (!vt_origin_allowed(origin, host, false, NULL))
        fail_msg("%s was refused at %s", origin, host);
}

static void assert_other(const char *origin, const char *host)
{
    if (vt_origin_allowed(origin, host, false, NULL))
        fail_msg("%s was let in at %s", origin, host);
}

static void a_page_of_the_same_host_and_port_may_connect(void **state)
{
    (void)state;
    assert_same("http://example.org", "example.org");
    assert_same("http://example.org:9001", "example.org:9001");
    assert_same("https://example.org", "example.org"); /* TLS was taken off by a proxy */
    assert_same("https://Example.ORG", "eXample.org");
    assert_same("HTTP://example.org", "example.org");
    assert_same("http://127.0.0.1:9001", "127.0.0.1:9001");
    assert_same("http://localhost:9001", "localhost:9001");
    assert_same("http://[::1]:9001", "[::1]:9001");
    assert_same("http://[::1]", "[::1]");
    assert_same("http://xn--bcher-kva.example", "xn--bcher-kva.example"); /* as it comes */
}

static void the_usual_port_may_be_named_or_not(void **state)
{
    (void)state;
    assert_same("http://example.org:80", "example.org");
    assert_same("http://example.org", "example.org:80");
    assert_same("https://example.org", "example.org:443");
    assert_same("https://example.org:443", "example.org");
    assert_other("https://example.org", "example.org:80");
    assert_other("http://example.org", "example.org:443");
    assert_other("http://example.org", "example.org:9001");
    assert_other("http://example.org:9001", "example.org");
    assert_other("http://example.org:9002", "example.org:9001");
}

static void over_tls_the_page_came_over_tls_too(void **state)
{
    (void)state;
    static const char *const list[] = {"http://example.org", NULL};
    assert_true(vt_origin_allowed("https://example.org", "example.org", true, NULL));
    assert_true(vt_origin_allowed("https://example.org:9001", "example.org:9001", true, NULL));
    assert_false(vt_origin_allowed("http://example.org", "example.org", true, NULL));
    assert_false(vt_origin_allowed("http://example.org:9001", "example.org:9001", true, NULL));
    assert_true(vt_origin_allowed("http://example.org", "example.org", true, list)); /* as asked */
}

static void a13_a_foreign_page_may_not_connect(void **state)
{
    (void)state;
    assert_other("http://evil.test", "example.org");
    assert_other("http://evil.test:9001", "example.org:9001");
    assert_other("http://127.0.0.1:9001", "localhost:9001"); /* one machine, two origins */
    assert_other("http://[::1]:9001", "127.0.0.1:9001");
    assert_other("ws://example.org", "example.org"); /* no page has that scheme */
    assert_other("file://example.org", "example.org");
    assert_other("chrome-extension://example.org", "example.org");
}

static void a13_null_and_nonsense_may_not_connect(void **state)
{
    (void)state;
    static const char *const all[] = {"null",
                                      "",
                                      " ",
                                      "*",
                                      "example.org",
                                      "//example.org",
                                      "http:example.org",
                                      "http:/example.org",
                                      "http://",
                                      "://example.org",
                                      "http://:80",
                                      "http://[::1",
                                      "http://example.org:",
                                      "http://example.org:x",
                                      "http://example.org:0",
                                      "http://example.org:65536",
                                      "http://example.org:4294967376",
                                      "http://example.org:-80",
                                      "http://example.org:+80",
                                      "http://example.org: 80",
                                      "http://example.org:80:80"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_other(all[i], "example.org");
    assert_other("null", "null");
    assert_other("http://[::1]x", "[::1]x");
}

static void a13_a_look_alike_may_not_connect(void **state)
{
    (void)state;
    static const char *const all[] = {
        "http://example.org.evil.test",
        "http://evil-example.org",
        "http://evilexample.org",
        "http://sub.example.org",
        "http://example.or",
        "http://example.orgg",
        "http://example.org@evil.test",
        "http://evil.test@example.org",
        "http://example.org/",
        "http://example.org/evil.test",
        "http://evil.test/example.org",
        "http://evil.test?example.org",
        "http://evil.test#example.org",
        "http://example.org#",
        "http://example.org:80.evil.test",
        "http://evil.test:80/http://example.org",
        "http://example.org http://evil.test",
        "http://example.org,http://evil.test",
        "http://example.org\\.evil.test",
        "http://example.org.",
        "http://.example.org",
        "http://example%2eorg",
        "http://ex\xd0\xb0mple.org", /* a Cyrillic a */
        "http://example.org\t",
        " http://example.org",
        "http://http://example.org",
        "http://xn--exmple-4nf.org",
    };
    static const char *const list[] = {"http://example.org", NULL};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_other(all[i], "example.org");
        if (vt_origin_allowed(all[i], "example.org", false, list))
            fail_msg("%s was taken for one of the list", all[i]);
    }
}

static void a_list_is_exact_and_knows_no_host(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        bool allowed;
    } all[] = {
        {"https://app.example.org", true},
        {"https://app.example.org:443", true},
        {"HTTPS://APP.example.org", true},
        {"http://app.example.org", false},
        {"https://app.example.org:8443", false},
        {"https://example.org", false},
        {"http://[2001:db8::1]:8000", true},
        {"http://[2001:DB8::1]:8000", true},
        {"http://[2001:db8::1]", false},
        {"chrome-extension://abcdef", true},
        {"moz-extension://abcdef", false},
        /* A name that an attacker makes point to us (DNS rebinding) is the same
         * host by Host; a list does not look at Host. */
        {"http://rebound.evil.test:9001", false},
        {"null", false},
        {"*", false},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (vt_origin_allowed(all[i].origin, "rebound.evil.test:9001", false, LIST) !=
            all[i].allowed)
            fail_msg("%s", all[i].origin);
    }
    assert_false(vt_origin_allowed("http://h", "h", false, NONE));
}

static void a_list_may_let_everybody_in_or_null(void **state)
{
    (void)state;
    assert_true(vt_origin_allowed("http://evil.test", "example.org", false, ANY));
    assert_true(vt_origin_allowed("null", "example.org", false, ANY));
    assert_true(vt_origin_allowed("\xff", "example.org", false, ANY));
    assert_true(vt_origin_allowed("null", "example.org", false, WITH_NULL));
    assert_false(vt_origin_allowed("http://example.org", "example.org", false, WITH_NULL));
    assert_false(vt_origin_allowed("Null", "example.org", false, WITH_NULL));
}

static void what_no_origin_is_may_not_be_listed(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "example.org",
                                      "https://example.org/",
                                      "https://",
                                      "https://*.example.org/",
                                      "https://a b",
                                      "http://h:0",
                                      "http://u@h",
                                      "**"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (vt_origin_problem(bad[i]) == NULL)
            fail_msg("\"%s\" was let through", bad[i]);
    }
    for (const char *const *each = LIST; *each != NULL; each++)
        assert_null(vt_origin_problem(*each));
    assert_null(vt_origin_problem("*"));
    assert_null(vt_origin_problem("null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_of_the_same_host_and_port_may_connect),
        cmocka_unit_test(the_usual_port_may_be_named_or_not),
        cmocka_unit_test(over_tls_the_page_came_over_tls_too),
        cmocka_unit_test(a13_a_foreign_page_may_not_connect),
        cmocka_unit_test(a13_null_and_nonsense_may_not_connect),
        cmocka_unit_test(a13_a_look_alike_may_not_connect),
        cmocka_unit_test(a_list_is_exact_and_knows_no_host),
        cmocka_unit_test(a_list_may_let_everybody_in_or_null),
        cmocka_unit_test(what_no_origin_is_may_not_be_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
