/*
 * The system's trust store is read once a loop, and by those who need it.
 */
#include "trust.h"

#include "live.h"

static void a_loop_has_one_and_another_loop_has_another(void **state)
{
    live *test = *state;
    const vital_tls usual = {.ca_file = NULL};
    live_add_loop(test);
    const vt_tls_trust *first = vt_trust_of(test->loop, &usual);
    assert_non_null(first);
    assert_ptr_equal(vt_trust_of(test->loop, &usual), first);
    const vt_tls_trust *second = vt_trust_of(test->other, &usual);
    assert_non_null(second);
    assert_ptr_not_equal(second, first);
}

static void who_believes_somebody_else_or_everybody_needs_none(void **state)
{
    live *test = *state;
    assert_null(vt_trust_of(test->loop, &(vital_tls){.ca_file = "ca.pem"}));
    assert_null(vt_trust_of(test->loop, &(vital_tls){.insecure = true}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(a_loop_has_one_and_another_loop_has_another),
        live_test(who_believes_somebody_else_or_everybody_needs_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
