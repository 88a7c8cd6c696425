/* Lists of strings that end with NULL. */
#include "string_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_copy_has_strings_of_its_own_in_the_same_order(void **state)
{
    (void)state;
    char first[] = "one";
    const char *const list[] = {first, "", "three", NULL};
    char **copy = vt_string_list_copy(list);
    assert_non_null(copy);
    first[0] = 'X';
    assert_string_equal(copy[0], "one");
    assert_string_equal(copy[1], "");
    assert_string_equal(copy[2], "three");
    assert_null(copy[3]);
    vt_string_list_free(copy);
}

static void no_list_and_an_empty_one_are_copied_to_an_empty_one(void **state)
{
    (void)state;
    const char *const empty[] = {NULL};
    for (int i = 0; i < 2; i++) {
        char **copy = vt_string_list_copy(i == 0 ? NULL : empty);
        assert_non_null(copy);
        assert_null(copy[0]);
        vt_string_list_free(copy);
    }
    vt_string_list_free(NULL);
}

static void a_list_is_counted_up_to_its_end(void **state)
{
    (void)state;
    const char *const list[] = {"a", "b", NULL, "c"};
    assert_int_equal(vt_string_list_count(list), 2);
    assert_int_equal(vt_string_list_count(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_strings_of_its_own_in_the_same_order),
        cmocka_unit_test(no_list_and_an_empty_one_are_copied_to_an_empty_one),
        cmocka_unit_test(a_list_is_counted_up_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
