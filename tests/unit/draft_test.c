/*
 * A text that grows: whole whatever its pieces, and nothing without memory.
 */
#include "draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Memory may run out: the n-th allocation from now fails. */
static int fails_in = -1;

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static int fails(void)
{
    return fails_in >= 0 && fails_in-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static void pieces_become_one_text(void **state)
{
    (void)state;
    vt_draft out = vt_draft_begin();
    vt_draft_add(&out, "GET ", "", "/", NULL);
    vt_draft_append(&out, " HTTP/1.1 and more", 9);
    vt_draft_append(&out, NULL, 0);
    assert_string_equal(out.data, "GET / HTTP/1.1");
    assert_int_equal(out.size, 14);
    free(out.data);
}

static void a_text_of_any_size_is_whole(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
        char bytes[3000];
        vt_draft out = vt_draft_begin();
        memset(bytes, 'x', sizeof bytes);
        for (int i = 0; i < 40; i++)
            vt_draft_append(&out, bytes, piece);
        assert_int_equal(out.size, 40 * piece);
        assert_int_equal(strspn(out.data, "x"), 40 * piece);
        assert_int_equal(strlen(out.data), 40 * piece);
        free(out.data);
    }
}

static void bytes_are_kept_as_they_are(void **state)
{
    (void)state;
    vt_draft out = vt_draft_begin();
    vt_draft_append(&out, "a\0b", 3);
    vt_draft_add(&out, "c", NULL);
    assert_int_equal(out.size, 4);
    assert_memory_equal(out.data, "a\0bc", 5);
    free(out.data);
}

static void without_memory_it_is_null_and_stays_so(void **state)
{
    (void)state;
    char bytes[4000];
    memset(bytes, 'x', sizeof bytes);
    fails_in = 0;
    vt_draft out = vt_draft_begin();
    vt_draft_add(&out, "a", "b", NULL);
    assert_null(out.data);

    out = vt_draft_begin();
    vt_draft_add(&out, "a", NULL);
    fails_in = 0;
    vt_draft_append(&out, bytes, sizeof bytes);
    assert_null(out.data);
    vt_draft_append(&out, bytes, sizeof bytes);
    vt_draft_add(&out, "c", NULL);
    assert_null(out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_one_text),
        cmocka_unit_test(a_text_of_any_size_is_whole),
        cmocka_unit_test(bytes_are_kept_as_they_are),
        cmocka_unit_test(without_memory_it_is_null_and_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
