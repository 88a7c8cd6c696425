/*
 * The intrusive list: what is in it, in which order, and that taking out twice
 * is harmless.
 */
#include "list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct item {
    char name;
    vt_list link;
} item;

enum { ITEMS = 4 };

static item items[ITEMS];
static vt_list list;

static int fresh_items(void **state)
{
    (void)state;
    vt_list_init(&list);
    for (int i = 0; i < ITEMS; i++) {
        items[i].name = (char)('a' + i);
        vt_list_init(&items[i].link);
    }
    return 0;
}

/* Forwards, and backwards the same. */
static void assert_order(const vt_list *head, const char *want)
{
    char have[ITEMS + 1] = "", reverse[ITEMS + 1] = "";
    size_t count = 0;
    for (vt_list *link = head->next; link != head; link = link->next)
        have[count++] = VT_LIST_OWNER(link, item, link)->name;
    assert_string_equal(have, want);
    for (vt_list *link = head->previous; link != head; link = link->previous)
        reverse[--count] = VT_LIST_OWNER(link, item, link)->name;
    assert_memory_equal(reverse, want, strlen(want));
}

static void append_all(void)
{
    for (int i = 0; i < ITEMS; i++)
        vt_list_append(&list, &items[i].link);
}

static void a_fresh_list_is_empty_and_a_fresh_link_in_none(void **state)
{
    (void)state;
    assert_true(vt_list_empty(&list));
    assert_true(vt_list_empty(&items[0].link));
    assert_null(vt_list_take(&list));
    assert_order(&list, "");
}

static void links_stay_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    append_all();
    assert_false(vt_list_empty(&list));
    assert_false(vt_list_empty(&items[0].link));
    assert_order(&list, "abcd");
}

static void the_first_is_taken_first(void **state)
{
    (void)state;
    append_all();
    for (int i = 0; i < ITEMS; i++) {
        vt_list *link = vt_list_take(&list);
        assert_ptr_equal(link, &items[i].link);
        assert_true(vt_list_empty(link));
    }
    assert_null(vt_list_take(&list));
}

static void a_link_leaves_from_anywhere_and_twice_is_harmless(void **state)
{
    (void)state;
    append_all();
    vt_list_remove(&items[1].link);
    assert_order(&list, "acd");
    vt_list_remove(&items[1].link);
    assert_order(&list, "acd");
    vt_list_remove(&items[3].link);
    vt_list_remove(&items[0].link);
    assert_order(&list, "c");
    vt_list_remove(&items[2].link);
    assert_true(vt_list_empty(&list));
}

static void appending_takes_a_link_from_wherever_it_was(void **state)
{
    (void)state;
    vt_list other;
    vt_list_init(&other);
    append_all();
    vt_list_append(&list, &items[0].link);
    assert_order(&list, "bcda");
    vt_list_append(&list, &items[0].link);
    assert_order(&list, "bcda");
    vt_list_append(&other, &items[2].link);
    assert_order(&list, "bda");
    assert_order(&other, "c");
}

static void a_whole_list_moves_in_its_order(void **state)
{
    (void)state;
    vt_list other;
    vt_list_init(&other);
    append_all();
    vt_list_move(&other, &list);
    assert_true(vt_list_empty(&list));
    assert_order(&other, "abcd");
    vt_list_move(&other, &list); /* of nothing */
    assert_order(&other, "abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_fresh_list_is_empty_and_a_fresh_link_in_none, fresh_items),
        cmocka_unit_test_setup(links_stay_in_the_order_in_which_they_came, fresh_items),
        cmocka_unit_test_setup(the_first_is_taken_first, fresh_items),
        cmocka_unit_test_setup(a_link_leaves_from_anywhere_and_twice_is_harmless, fresh_items),
        cmocka_unit_test_setup(appending_takes_a_link_from_wherever_it_was, fresh_items),
        cmocka_unit_test_setup(a_whole_list_moves_in_its_order, fresh_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
