/*
 * Percent-encoding, taken off or refused.
 */
#include "percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_decodes(const char *text, bool form, const char *expected)
{
    char out[64];
    if (!vt_percent_decode(out, sizeof out, text, strlen(text), form))
        fail_msg("\"%s\" was refused", text);
    assert_string_equal(out, expected);
}

static void assert_refused(const char *text)
{
    char out[64];
    if (vt_percent_decode(out, sizeof out, text, strlen(text), true))
        fail_msg("\"%s\" became \"%s\"", text, out);
}

static void every_byte_but_nul_comes_out(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char text[4], expected[2] = {(char)byte, '\0'};
        static const char digits[] = "0123456789abcdef";
        text[0] = '%';
        text[1] = digits[byte >> 4];
        text[2] = digits[byte & 15];
        text[3] = '\0';
        assert_decodes(text, false, expected);
    }
    assert_decodes("", false, "");
    assert_decodes("a%2Fb%2fc", false, "a/b/c");
    assert_decodes("%2525", false, "%25"); /* once, and no more */
}

static void a_plus_is_a_space_in_a_form_only(void **state)
{
    (void)state;
    assert_decodes("a+b%2B", true, "a b+");
    assert_decodes("a+b%2B", false, "a+b+");
}

static void what_is_not_encoded_well_is_refused(void **state)
{
    (void)state;
    assert_refused("%");
    assert_refused("%4");
    assert_refused("a%4");
    assert_refused("%4g");
    assert_refused("%g4");
    assert_refused("%-1");
    assert_refused("%%41");
    assert_refused("%00");
    assert_refused("a%00b");
    char out[8];
    assert_false(vt_percent_decode(out, sizeof out, "a\0b", 3, false));
    assert_false(vt_percent_decode(out, sizeof out, "%41", 2, false)); /* beyond the size */
}

static void nothing_is_written_beyond_the_room(void **state)
{
    (void)state;
    char out[5] = "....";
    assert_true(vt_percent_decode(out, 4, "%41bc", 5, false));
    assert_string_equal(out, "Abc");
    memset(out, '.', sizeof out);
    assert_false(vt_percent_decode(out, 4, "abcd", 4, false));
    assert_int_equal(out[4], '.');
    assert_false(vt_percent_decode(out, 0, "", 0, false));
    assert_true(vt_percent_decode(out, 1, "", 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_but_nul_comes_out),
        cmocka_unit_test(a_plus_is_a_space_in_a_form_only),
        cmocka_unit_test(what_is_not_encoded_well_is_refused),
        cmocka_unit_test(nothing_is_written_beyond_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
