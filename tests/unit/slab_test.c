/*
 * Cells that come and go in crowds, and chunks that are asked of the system and go back
 * to it.
 */
#include "slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/* ------------------------------------------------------------------- the system */

static bool no_memory;
static size_t mapped_bytes;

void *__real_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
void *__wrap_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t size);

void *__wrap_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset)
{
    if (no_memory)
        return MAP_FAILED;
    mapped_bytes += size;
    return __real_mmap64(address, size, access, flags, fd, offset);
}

int __wrap_munmap(void *address, size_t size)
{
    mapped_bytes -= size;
    return __real_munmap(address, size);
}

/* ------------------------------------------------------------------------ tests */

enum { CELL_BYTES = 1000, MANY = 1000, A_CHUNK = (VT_SLAB_CHUNK_BYTES - 48) / CELL_BYTES };

static void assert_zero(const uint8_t *cell)
{
    for (size_t i = 0; i < CELL_BYTES; i++)
        assert_int_equal(cell[i], 0);
}

static void cells_are_zero_aligned_and_apart(void **state)
{
    (void)state;
    vt_slab slab;
    uint8_t *cells[MANY];
    vt_slab_init(&slab, CELL_BYTES - 3);
    for (int i = 0; i < MANY; i++) {
        cells[i] = vt_slab_take(&slab);
        assert_non_null(cells[i]);
        assert_int_equal((uintptr_t)cells[i] % sizeof(void *), 0);
        assert_zero(cells[i]);
        memset(cells[i], i % 251 + 1, CELL_BYTES);
    }
    for (int i = 0; i < MANY; i++)
        for (size_t at = 0; at < CELL_BYTES; at++)
            assert_int_equal(cells[i][at], i % 251 + 1);
    vt_slab_finish(&slab);
    assert_int_equal(mapped_bytes, 0);
}

static void what_is_given_back_is_taken_again_and_zero(void **state)
{
    (void)state;
    vt_slab slab;
    vt_slab_init(&slab, CELL_BYTES);
    uint8_t *first = vt_slab_take(&slab), *second = vt_slab_take(&slab);
    size_t mapped = mapped_bytes;
    for (int i = 0; i < 10 * MANY; i++) {
        memset(first, 0xff, CELL_BYTES);
        memset(first, 0, CELL_BYTES);
        vt_slab_give(&slab, first);
        first = vt_slab_take(&slab);
        assert_zero(first);
        assert_ptr_not_equal(first, second);
    }
    assert_int_equal(mapped_bytes, mapped);
    vt_slab_finish(&slab);
}

static void a_crowd_that_has_gone_leaves_one_chunk(void **state)
{
    (void)state;
    vt_slab slab;
    void *cells[MANY];
    vt_slab_init(&slab, CELL_BYTES);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            cells[i] = vt_slab_take(&slab);
        assert_int_equal(mapped_bytes, (MANY + A_CHUNK - 1) / A_CHUNK * VT_SLAB_CHUNK_BYTES);
        for (int i = 0; i < MANY; i++) /* in another order than they came */
            vt_slab_give(&slab, cells[i * 7 % MANY]);
        assert_int_equal(mapped_bytes, VT_SLAB_CHUNK_BYTES);
    }
    vt_slab_finish(&slab);
    assert_int_equal(mapped_bytes, 0);
}

static void room_in_a_chunk_is_used_before_another_is_asked_for(void **state)
{
    (void)state;
    vt_slab slab;
    void *cells[2 * A_CHUNK];
    vt_slab_init(&slab, CELL_BYTES);
    for (int i = 0; i < 2 * A_CHUNK; i++)
        cells[i] = vt_slab_take(&slab);
    assert_int_equal(mapped_bytes, 2 * VT_SLAB_CHUNK_BYTES);
    for (int i = 0; i < 2 * A_CHUNK; i += 2)
        vt_slab_give(&slab, cells[i]);
    for (int i = 0; i < 2 * A_CHUNK; i += 2)
        cells[i] = vt_slab_take(&slab);
    assert_int_equal(mapped_bytes, 2 * VT_SLAB_CHUNK_BYTES);
    vt_slab_finish(&slab);
}

static void without_memory_there_is_none_and_what_there_is_stays(void **state)
{
    (void)state;
    vt_slab slab;
    vt_slab_init(&slab, CELL_BYTES);
    no_memory = true;
    assert_null(vt_slab_take(&slab));
    no_memory = false;
    assert_non_null(vt_slab_take(&slab));
    no_memory = true;
    int left = 0;
    while (vt_slab_take(&slab) != NULL)
        left++;
    no_memory = false;
    assert_int_equal(left, A_CHUNK - 1);
    vt_slab_finish(&slab);
    assert_int_equal(mapped_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_zero_aligned_and_apart),
        cmocka_unit_test(what_is_given_back_is_taken_again_and_zero),
        cmocka_unit_test(a_crowd_that_has_gone_leaves_one_chunk),
        cmocka_unit_test(room_in_a_chunk_is_used_before_another_is_asked_for),
        cmocka_unit_test(without_memory_there_is_none_and_what_there_is_stays),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
