#include "close_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void only_codes_with_a_meaning_on_the_wire_are_valid_rfc_7_4(void **unused)
{
    static const struct {
        uint16_t first;
        uint16_t last;
        bool valid;
    } ranges[] = {
        {0, 999, false},     {1000, 1003, true}, {1004, 1006, false},  {1007, 1014, true},
        {1015, 2999, false}, {3000, 4999, true}, {5000, 65535, false},
    };
    unsigned next = 0;
    (void)unused;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        assert_int_equal(ranges[i].first, next); /* the table leaves nothing out */
        for (unsigned code = ranges[i].first; code <= ranges[i].last; code++) {
            if (vt_close_code_valid((uint16_t)code) != ranges[i].valid)
                fail_msg("%u: valid is %d, expected %d", code, !ranges[i].valid, ranges[i].valid);
        }
        next = ranges[i].last + 1U;
    }
    assert_int_equal(next, 65536);
}

static void every_code_has_words(void **unused)
{
    (void)unused;
    for (unsigned code = 0; code <= 65535; code++) {
        const char *words = vt_close_code_words((uint16_t)code);
        assert_non_null(words);
        assert_true(strlen(words) > 3);
    }
}

static void the_words_are_those_of_the_code_or_of_its_range(void **unused)
{
    (void)unused;
    assert_string_equal(vt_close_code_words(1000), "normal closure");
    assert_string_equal(vt_close_code_words(1001), "going away");
    assert_string_equal(vt_close_code_words(1006), "no close frame");
    assert_string_equal(vt_close_code_words(1014), "bad gateway");
    assert_string_equal(vt_close_code_words(4408), "no answer to the heartbeat");
    assert_string_equal(vt_close_code_words(0), "not a close code");
    assert_string_equal(vt_close_code_words(999), "not a close code");
    assert_string_equal(vt_close_code_words(1004), "a reserved code");
    assert_string_equal(vt_close_code_words(1016), "a reserved code");
    assert_string_equal(vt_close_code_words(2999), "a reserved code");
    assert_string_equal(vt_close_code_words(3000), "a registered code");
    assert_string_equal(vt_close_code_words(3999), "a registered code");
    assert_string_equal(vt_close_code_words(4000), "an application's code");
    assert_string_equal(vt_close_code_words(4999), "an application's code");
    assert_string_equal(vt_close_code_words(5000), "not a close code");
    assert_string_equal(vt_close_code_words(65535), "not a close code");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_codes_with_a_meaning_on_the_wire_are_valid_rfc_7_4),
        cmocka_unit_test(every_code_has_words),
        cmocka_unit_test(the_words_are_those_of_the_code_or_of_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
