/*
 * Where a redirect leads, and where nobody follows.
 */
#include "redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vital/vital.h>

static vt_url parse(const char *text)
{
    vt_url url;
    const char *problem;
    if (vt_url_parse(&url, text, &problem) != 0)
        fail_msg("%s: %s", text, problem);
    return url;
}

static void assert_leads(const char *from, const char *location, const char *to)
{
    vt_url base = parse(from), out;
    const char *why = vt_redirect_resolve(&out, &base, location);
    if (why != NULL)
        fail_msg("%s from %s: %s", location, from, why);
    assert_string_equal(out.text, to);
    vt_url_finish(&base);
    vt_url_finish(&out);
}

static void assert_stays(const char *from, const char *location, const char *words)
{
    vt_url base = parse(from), out;
    const char *why = vt_redirect_resolve(&out, &base, location);
    if (why == NULL)
        fail_msg("%s from %s leads to %s", location, from, out.text);
    if (strstr(why, words) == NULL)
        fail_msg("%s from %s: \"%s\" does not say \"%s\"", location, from, why, words);
    assert_null(out.text);
    assert_null(out.host);
    vt_url_finish(&base);
}

static void the_statuses_that_point_elsewhere_are_five_rfc_9110_15_4(void **state)
{
    (void)state;
    int count = 0;
    for (int status = 100; status < 600; status++)
        count += vt_redirect_status(status);
    assert_int_equal(count, 5);
    assert_true(vt_redirect_status(301) && vt_redirect_status(302) && vt_redirect_status(303));
    assert_true(vt_redirect_status(307) && vt_redirect_status(308));
}

static void a_whole_url_is_taken_and_http_means_ws(void **state)
{
    (void)state;
    assert_leads("ws://a/x", "ws://b:9001/y?z", "ws://b:9001/y?z");
    assert_leads("ws://a/x", "http://b/y", "ws://b/y");
    assert_leads("ws://a/x", "HTTPS://B:443", "wss://b/");
    assert_leads("ws://a/x", "wss://a/x", "wss://a/x");
    assert_leads("wss://a/x", "https://b", "wss://b/");
    assert_leads("ws://a/x", "http://[::1]:80/", "ws://[::1]/");
}

static void a_reference_is_resolved_rfc_3986_5_4(void **state)
{
    (void)state;
    static const char base[] = "ws://a/b/c/d?q";
    static const char *const all[][2] = {
        {"//g", "ws://g/"},
        {"/g", "ws://a/g"},
        {"g", "ws://a/b/c/g"},
        {"./g", "ws://a/b/c/g"},
        {"g/", "ws://a/b/c/g/"},
        {"?y", "ws://a/b/c/d?y"},
        {"g?y", "ws://a/b/c/g?y"},
        {"", "ws://a/b/c/d?q"},
        {"#s", "ws://a/b/c/d?q"},
        {"g#s", "ws://a/b/c/g"},
        {".", "ws://a/b/c/"},
        {"./", "ws://a/b/c/"},
        {"..", "ws://a/b/"},
        {"../", "ws://a/b/"},
        {"../g", "ws://a/b/g"},
        {"../..", "ws://a/"},
        {"../../g", "ws://a/g"},
        {"../../../g", "ws://a/g"},
        {"/./g", "ws://a/g"},
        {"/../g", "ws://a/g"},
        {"g.", "ws://a/b/c/g."},
        {"..g", "ws://a/b/c/..g"},
        {"./../g", "ws://a/b/g"},
        {"g/./h", "ws://a/b/c/g/h"},
        {"g/../h", "ws://a/b/c/h"},
        {"g?y/../x", "ws://a/b/c/g?y/../x"},
        {"?a:b/c", "ws://a/b/c/d?a:b/c"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_leads(base, all[i][0], all[i][1]);
    assert_leads("wss://a:444/", "//b/", "wss://b/");
    assert_leads("wss://a:444/", "/x", "wss://a:444/x");
    assert_leads("ws://a", "x", "ws://a/x");
}

static void a_unix_socket_is_not_left(void **state)
{
    (void)state;
    assert_leads("ws+unix:/run/x:/a/b", "c", "ws+unix:/run/x:/a/c");
    assert_leads("ws+unix:/run/x", "/c?d", "ws+unix:/run/x:/c?d");
    assert_stays("ws+unix:/run/x", "ws://a/", "Unix socket");
    assert_stays("ws+unix:/run/x", "//a/", "Unix socket");
    assert_stays("ws+unix:/run/x", "ws+unix:/run/y", "Unix socket");
    assert_stays("ws://a/", "ws+unix:/run/docker.sock", "another scheme");
}

static void where_nobody_follows(void **state)
{
    (void)state;
    assert_stays("wss://a/", "ws://a/", "gives up TLS");
    assert_stays("wss://a/", "http://a/", "gives up TLS");
    assert_stays("ws://a/", "ftp://a/", "another scheme");
    assert_stays("ws://a/", "file:///etc/passwd", "another scheme");
    assert_stays("ws://a/", "javascript:alert(1)", "another scheme");
    assert_stays("ws://a/", "ws://user:word@b/", "credentials");
    assert_stays("ws://a/", "//user@b/", "credentials");
    assert_stays("ws://a/", "ws:b", "slashes");
    assert_stays("ws://a/", "ws://", "names no host");
    assert_stays("ws://a/", "ws://b:0/", "port");
    assert_stays("ws://a/", "/a b", "percent-encode");
    assert_stays("ws://a/", "/\xc3\xbc", "percent-encode");
    assert_stays("ws://a/", "//b\tc/", "letters, digits");
}

static void a15_an_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } all[] = {
        {"ws://a/x", "ws://A:80/y", true},
        {"ws://a/", "wss://a/", false},
        {"ws://a/", "ws://a:81/", false},
        {"ws://a/", "ws://a.b/", false},
        {"ws://a/", "ws://a./", false},
        {"ws+unix:/run/x:/a", "ws+unix:/run/x:/b", true},
        {"ws+unix:/run/x", "ws+unix:/run/y", false},
        {"ws://localhost/", "ws+unix:/run/x", false},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_url one = parse(all[i].one), other = parse(all[i].other);
        if (vt_redirect_same_origin(&one, &other) != all[i].same ||
            vt_redirect_same_origin(&other, &one) != all[i].same)
            fail_msg("%s and %s", all[i].one, all[i].other);
        vt_url_finish(&one);
        vt_url_finish(&other);
    }
}

static void a_location_is_shown_without_credentials_and_not_too_long(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"http://b/c", "http://b/c"},
        {"http://user:word@b/c@d", "http://b/c@d"},
        {"//u@v@b", "//b"},
        {"http://b?u@v", "http://b?u@v"},
        {"/c@d", "/c@d"},
        {"", ""},
    };
    char out[40];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_redirect_show(out, sizeof out, all[i][0]);
        assert_string_equal(out, all[i][1]);
    }
    vt_redirect_show(out, 12, "http://example.org/");
    assert_string_equal(out, "http://e...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_statuses_that_point_elsewhere_are_five_rfc_9110_15_4),
        cmocka_unit_test(a_whole_url_is_taken_and_http_means_ws),
        cmocka_unit_test(a_reference_is_resolved_rfc_3986_5_4),
        cmocka_unit_test(a_unix_socket_is_not_left),
        cmocka_unit_test(where_nobody_follows),
        cmocka_unit_test(a15_an_origin_is_scheme_host_and_port),
        cmocka_unit_test(a_location_is_shown_without_credentials_and_not_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
