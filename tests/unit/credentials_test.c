/*
 * The header that says who a client is, and what cannot be said in one.
 */
#include "credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_line(vital_credentials given, const char *of_url, const char *expected)
{
    char *line;
    const char *problem;
    int error = vt_credentials_write(&line, &given, of_url, &problem);
    if (error != 0)
        fail_msg("%d: %s", error, problem);
    if (expected == NULL)
        assert_null(line);
    else
        assert_string_equal(line, expected);
    vt_credentials_free(line);
}

static void assert_problem(vital_credentials given, const char *of_url, const char *words)
{
    char *line;
    const char *problem;
    assert_int_equal(vt_credentials_write(&line, &given, of_url, &problem), VITAL_EINVAL);
    assert_null(line);
    assert_non_null(strstr(problem, words));
}

static void without_credentials_there_is_no_header(void **state)
{
    (void)state;
    assert_line((vital_credentials){.user = NULL}, NULL, NULL);
}

static void basic_is_base64_of_user_and_password_rfc_7617_2(void **state)
{
    (void)state;
    assert_line((vital_credentials){.user = "Aladdin", .password = "open sesame"}, NULL,
                "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_line((vital_credentials){.user = "test", .password = "123\xc2\xa3"}, NULL,
                "Authorization: Basic dGVzdDoxMjPCow==");
    assert_line((vital_credentials){.user = "a"}, NULL, "Authorization: Basic YTo=");
    assert_line((vital_credentials){.user = "a", .password = "b:c"}, NULL,
                "Authorization: Basic YTpiOmM=");
    assert_line((vital_credentials){.user = ""}, NULL, "Authorization: Basic Og==");
    assert_line((vital_credentials){.user = NULL}, "Aladdin:open sesame",
                "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

static void a_bearer_has_a_token_rfc_6750_2_1(void **state)
{
    (void)state;
    assert_line((vital_credentials){.bearer = "mF_9.B5f-4.1JqM"}, NULL,
                "Authorization: Bearer mF_9.B5f-4.1JqM");
    assert_line((vital_credentials){.bearer = "a+/~=="}, NULL, "Authorization: Bearer a+/~==");
    static const char *const bad[] = {"", "=", "a b", "a=b", "a\r\nX: y", "a,b", "\xc3\xbc", "a\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_problem((vital_credentials){.bearer = bad[i]}, NULL, "RFC 6750");
}

static void a12_what_basic_cannot_say_is_refused(void **state)
{
    (void)state;
    assert_problem((vital_credentials){.user = "a:b"}, NULL, "colon");
    assert_problem((vital_credentials){.user = "a\r\nX"}, NULL, "control");
    assert_problem((vital_credentials){.user = "a\tb"}, NULL, "control");
    assert_problem((vital_credentials){.user = "a", .password = "b\n"}, NULL, "control");
    assert_problem((vital_credentials){.password = "b"}, NULL, "needs");
}

static void two_sources_are_refused_and_quoted_by_neither(void **state)
{
    (void)state;
    assert_problem((vital_credentials){.user = "a"}, "c:d", "in the URL and in the options");
    assert_problem((vital_credentials){.bearer = "a"}, "c:d", "not both");
    assert_problem((vital_credentials){.user = "a", .bearer = "b"}, NULL, "not both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_credentials_there_is_no_header),
        cmocka_unit_test(basic_is_base64_of_user_and_password_rfc_7617_2),
        cmocka_unit_test(a_bearer_has_a_token_rfc_6750_2_1),
        cmocka_unit_test(a12_what_basic_cannot_say_is_refused),
        cmocka_unit_test(two_sources_are_refused_and_quoted_by_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
