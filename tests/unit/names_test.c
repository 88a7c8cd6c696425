/* The public lists of errors and causes, in words. */
#include <vital/vital.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void every_error_has_a_sentence_of_its_own(void **state)
{
    (void)state;
#define VITAL_ERROR_CHECK(name, value, sentence)         \
    assert_string_equal(vital_strerror(name), sentence); \
    assert_true((value) < 0);
    VITAL_ERRORS(VITAL_ERROR_CHECK)
#undef VITAL_ERROR_CHECK
    assert_string_equal(vital_strerror(VITAL_EFULL), "the send queue is full; wait for drain");
}

static void what_is_no_error_is_said_to_be_none(void **state)
{
    (void)state;
    assert_string_equal(vital_strerror(0), "no error");
    assert_string_equal(vital_strerror(-1000), "an unknown error");
    assert_string_equal(vital_strerror(1), "an unknown error");
}

static void every_cause_has_its_word(void **state)
{
    (void)state;
    for (int cause = 0; cause < VITAL_CAUSE_COUNT; cause++)
        assert_string_not_equal(vital_cause_name((vital_cause)cause), "?");
    assert_string_equal(vital_cause_name(VITAL_SILENT), "SILENT");
    assert_string_equal(vital_cause_name(VITAL_SUPERSEDED), "SUPERSEDED");
}

static void a_number_that_is_no_cause_is_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(vital_cause_name(VITAL_CAUSE_COUNT), "?");
    assert_string_equal(vital_cause_name((vital_cause)999), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_sentence_of_its_own),
        cmocka_unit_test(what_is_no_error_is_said_to_be_none),
        cmocka_unit_test(every_cause_has_its_word),
        cmocka_unit_test(a_number_that_is_no_cause_is_a_question_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
