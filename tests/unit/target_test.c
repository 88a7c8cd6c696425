/*
 * Where a client may go, how often, and what it takes along.
 */
#include "target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static vital_loop *loop; /* for what its clients share */

static int make_loop(void **state)
{
    (void)state;
    return vital_loop_create(&loop);
}

static int end_loop(void **state)
{
    (void)state;
    vital_loop_destroy(loop);
    return 0;
}

static const char *const COOKIE[] = {"Cookie: a=1", "X-Key: k", NULL};

static void begin(vt_target *target, const vital_connect_options *options)
{
    char problem[VT_TLS_PROBLEM_BYTES];
    if (vt_target_init(target, loop, options, problem) != 0)
        fail_msg("%s: %s", options->url, problem);
}

static void assert_follows(vt_target *target, const char *location, const char *text)
{
    const char *why = vt_target_follow(target, location);
    if (why != NULL)
        fail_msg("%s: %s", location, why);
    assert_string_equal(vt_target_url(target)->text, text);
}

static void assert_stays(vt_target *target, const char *location, const char *words)
{
    const vt_url *url = vt_target_url(target);
    const char *why = vt_target_follow(target, location);
    assert_non_null(why);
    if (strstr(why, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", location, why, words);
    assert_ptr_equal(vt_target_url(target), url);
}

static void credentials_become_a_header_beside_the_others(void **state)
{
    (void)state;
    static const struct {
        vital_connect_options options;
        const char *line;
    } all[] = {
        {{.url = "ws://Aladdin:open%20sesame@h/"},
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {{.url = "ws://h/", .credentials = {.user = "Aladdin", .password = "open sesame"}},
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {{.url = "ws://h/", .credentials = {.bearer = "t.1"}}, "Authorization: Bearer t.1"},
        {{.url = "ws://h/"}, NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_target target;
        vital_connect_options options = all[i].options;
        options.headers = COOKIE;
        begin(&target, &options);
        const char *const *headers = vt_target_headers(&target);
        assert_string_equal(headers[0], COOKIE[0]);
        assert_string_equal(headers[1], COOKIE[1]);
        if (all[i].line == NULL)
            assert_null(headers[2]);
        else
            assert_string_equal(headers[2], all[i].line);
        assert_string_equal(vt_target_url(&target)->text, "ws://h/");
        vt_target_finish(&target);
    }
}

static void who_one_is_must_be_clear(void **state)
{
    (void)state;
    static const char *const said[] = {"authorization: Bearer x", NULL};
    static const struct {
        vital_connect_options options;
        const char *words;
    } all[] = {
        {{.url = "ws://u@h/", .credentials = {.bearer = "t"}}, "not both"},
        {{.url = "ws://u@h/", .headers = said}, "Authorization header"},
        {{.url = "ws://h/", .credentials = {.bearer = "t"}, .headers = said},
         "Authorization header"},
        {{.url = "ws://h/", .redirects = -2}, "redirects"},
        {{.url = "ws://h/", .redirects = 101}, "redirects"},
        {{.url = "nonsense"}, "scheme"},
        {{.url = "wss://h/", .tls = {.ca_file = "/nonexistent"}}, "/nonexistent"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_target target;
        char problem[VT_TLS_PROBLEM_BYTES];
        assert_true(vt_target_init(&target, loop, &all[i].options, problem) < 0);
        if (strstr(problem, all[i].words) == NULL)
            fail_msg("%zu: %s", i, problem);
        vt_target_finish(&target);
    }
}

static void within_the_origin_everything_is_taken_along(void **state)
{
    (void)state;
    vt_target target;
    begin(&target, &(vital_connect_options){.url = "ws://u:p@h:9/a", .headers = COOKIE});
    const char *const *headers = vt_target_headers(&target);
    assert_follows(&target, "/b", "ws://h:9/b");
    assert_ptr_equal(vt_target_headers(&target), headers);
    assert_follows(&target, "http://H:9/c?d", "ws://h:9/c?d");
    assert_ptr_equal(vt_target_headers(&target), headers);
    vt_target_finish(&target);
}

static void a15_to_another_origin_nothing_is_taken_along(void **state)
{
    (void)state;
    static const char *const all[] = {"ws://other:9/", "ws://h:10/", "ws://h/", "wss://h:9/",
                                      "//h.:9/"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_target target;
        begin(&target, &(vital_connect_options){.url = "ws://u:p@h:9/a", .headers = COOKIE});
        assert_null(vt_target_follow(&target, all[i]));
        assert_null(vt_target_headers(&target));
        /* Whoever was there may lead back: it is the stranger who asks. */
        if (!vt_target_url(&target)->secure) {
            assert_follows(&target, "ws://h:9/a", "ws://h:9/a");
            assert_null(vt_target_headers(&target));
        }
        vt_target_begin(&target); /* the next attempt is our own again */
        assert_non_null(vt_target_headers(&target));
        assert_string_equal(vt_target_url(&target)->text, "ws://h:9/a");
        vt_target_finish(&target);
    }
}

static void tls_is_gained_and_never_given_up(void **state)
{
    (void)state;
    vt_target target;
    begin(&target, &(vital_connect_options){.url = "ws://h/a"});
    assert_null(vt_target_tls(&target));
    assert_follows(&target, "https://h/b", "wss://h/b");
    vt_tls_policy *tls = vt_target_tls(&target);
    assert_non_null(tls);
    assert_stays(&target, "http://h/c", "gives up TLS");
    assert_ptr_equal(vt_target_tls(&target), tls);
    vt_target_begin(&target);
    assert_null(vt_target_tls(&target));
    vt_target_finish(&target);

    begin(&target, &(vital_connect_options){.url = "wss://h/a"});
    tls = vt_target_tls(&target);
    assert_non_null(tls);
    assert_follows(&target, "/b", "wss://h/b");
    assert_ptr_equal(vt_target_tls(&target), tls); /* and its sessions */
    assert_follows(&target, "wss://other/", "wss://other/");
    assert_ptr_not_equal(vt_target_tls(&target), tls); /* another name to be proven */
    vt_target_finish(&target);
}

static void a_loop_ends(void **state)
{
    (void)state;
    static const struct {
        int given, followed;
    } all[] = {{0, 5}, {1, 1}, {100, 100}, {VITAL_NEVER, 0}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_target target;
        begin(&target, &(vital_connect_options){.url = "ws://h/", .redirects = all[i].given});
        for (int attempt = 0; attempt < 2; attempt++) {
            int followed = 0;
            while (followed <= 100 && vt_target_follow(&target, "/") == NULL)
                followed++;
            assert_int_equal(followed, all[i].followed);
            assert_stays(&target, "/x", followed == 0 ? "not followed" : "too many");
            vt_target_begin(&target);
        }
        vt_target_finish(&target);
    }
}

static void finishing_accepts_zeroed(void **state)
{
    (void)state;
    vt_target target = {.redirects = 0};
    vt_target_finish(&target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_become_a_header_beside_the_others),
        cmocka_unit_test(who_one_is_must_be_clear),
        cmocka_unit_test(within_the_origin_everything_is_taken_along),
        cmocka_unit_test(a15_to_another_origin_nothing_is_taken_along),
        cmocka_unit_test(tls_is_gained_and_never_given_up),
        cmocka_unit_test(a_loop_ends),
        cmocka_unit_test(finishing_accepts_zeroed),
    };
    return cmocka_run_group_tests(tests, make_loop, end_loop);
}
