/*
 * What a loop's connections share, and the memory that is lent to those that are awake.
 */
#include "commons.h"

#include <sys/mman.h>

#include "live.h"
#include "rest.h"

/* ------------------------------------------------------------ memory that is scarce */

static bool no_memory;

void *__real_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset);

void *__wrap_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset)
{
    return no_memory ? MAP_FAILED : __real_mmap64(address, size, access, flags, fd, offset);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

/* ------------------------------------------------------------------------ tests */

static void each_loop_has_its_own(void **state)
{
    live *test = *state;
    vt_commons *commons = vt_commons_of(test->loop);
    assert_non_null(commons);
    assert_ptr_equal(vt_commons_of(test->loop), commons);
    live_add_loop(test);
    assert_ptr_not_equal(vt_commons_of(test->other), commons);
}

static void a_loop_has_one_compressor(void **state)
{
    live *test = *state;
    vital_compressor *compressor = vt_commons_compressor(test->loop);
    assert_non_null(compressor);
    assert_ptr_equal(vt_commons_compressor(test->loop), compressor);
    live_add_loop(test);
    assert_ptr_not_equal(vt_commons_compressor(test->other), compressor);
}

static void a_loop_has_one_breaker(void **state)
{
    live *test = *state;
    vital_breaker *breaker = vt_commons_breaker(test->loop);
    assert_non_null(breaker);
    assert_ptr_equal(vt_commons_breaker(test->loop), breaker);
}

static void without_memory_there_is_none(void **state)
{
    live *test = *state;
    no_memory = true;
    vt_commons *commons = vt_commons_of(test->loop);
    vital_breaker *breaker = vt_commons_breaker(test->loop);
    vital_compressor *compressor = vt_commons_compressor(test->loop);
    no_memory = false;
    assert_null(commons);
    assert_null(breaker);
    assert_null(compressor);
}

static void what_is_given_back_is_lent_again_without_new_memory(void **state)
{
    live *test = *state;
    vt_commons *commons = vt_commons_of(test->loop);
    vt_awake *first = vt_commons_lend(commons);
    assert_non_null(first);
    first->sending = first->paused = true;
    first->send_error = 5;
    vt_commons_take_back(commons, first);
    no_memory = true;
    vt_awake *again = vt_commons_lend(commons);
    no_memory = false;
    assert_ptr_equal(again, first);
    assert_false(again->sending || again->paused);
    assert_int_equal(again->send_error, 0);
    assert_non_null(again->engine);
    vt_commons_take_back(commons, again);
}

static void they_lie_apart_from_each_other_with_their_engines(void **state)
{
    live *test = *state;
    vt_commons *commons = vt_commons_of(test->loop);
    vt_awake *one = vt_commons_lend(commons), *other = vt_commons_lend(commons);
    assert_non_null(one);
    assert_non_null(other);
    ptrdiff_t apart = (char *)other - (char *)one;
    assert_true((size_t)llabs(apart) >= sizeof *one + vt_rest_blank_bytes());
    assert_ptr_equal(one->engine, one + 1);
    vt_commons_take_back(commons, one);
    vt_commons_take_back(commons, other);
}

static void the_reserve_is_there_when_all_else_is_lent(void **state)
{
    live *test = *state;
    vt_commons *commons = vt_commons_of(test->loop);
    no_memory = true;
    while (vt_commons_lend(commons) != NULL)
        continue;
    vt_awake *reserve = vt_commons_lend_reserve(commons);
    no_memory = false;
    assert_non_null(reserve);
    vt_commons_take_back(commons, reserve);
    assert_ptr_equal(commons->reserve, reserve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(each_loop_has_its_own),
        live_test(a_loop_has_one_compressor),
        live_test(a_loop_has_one_breaker),
        live_test(without_memory_there_is_none),
        live_test(what_is_given_back_is_lent_again_without_new_memory),
        live_test(they_lie_apart_from_each_other_with_their_engines),
        live_test(the_reserve_is_there_when_all_else_is_lent),
    };
    return cmocka_run_group_tests_name("commons", tests, NULL, NULL);
}
