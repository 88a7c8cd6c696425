/*
 * What connections share. The linker puts the functions of the next section
 * between the compressor and the C library (--wrap), so that allocations are
 * counted and can be made to fail, zlib's too.
 */
#include "compressor.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    int left; /* allocations until they fail */
    int blocks;
} memory = {.left = INT_MAX};

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

void *__wrap_calloc(size_t count, size_t size)
{
    if (memory.left == 0)
        return NULL;
    memory.left--;
    memory.blocks++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    if (memory.left == 0)
        return NULL;
    memory.left--;
    memory.blocks += block == NULL;
    return __real_realloc(block, size);
}

void __wrap_free(void *block)
{
    memory.blocks -= block != NULL;
    __real_free(block);
}

/* All that there is to ask for; how much of it was there. */
static int use_all(vital_compressor *compressor)
{
    int got = 0;
    for (int bits = 9; bits <= 15; bits++) {
        got += vt_compressor_deflater(compressor, bits) != NULL;
        got += vt_compressor_inflater(compressor, bits) != NULL;
    }
    got += vt_compressor_room(compressor, 100) != NULL;
    return got + (vt_compressor_room(compressor, 1000) != NULL);
}

static void it_owns_nothing_until_it_is_used(void **state)
{
    (void)state;
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    assert_int_equal(memory.blocks, 1);
    vital_compressor_destroy(compressor);
    assert_int_equal(memory.blocks, 0);
    vital_compressor_destroy(NULL);
}

static void what_was_made_is_made_once_for_each_window(void **state)
{
    (void)state;
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    z_stream *nine = vt_compressor_deflater(compressor, 9);
    z_stream *ten = vt_compressor_deflater(compressor, 10);
    assert_ptr_not_equal(nine, ten);
    assert_ptr_equal(vt_compressor_deflater(compressor, 9), nine);
    z_stream *inflater = vt_compressor_inflater(compressor, 9);
    assert_ptr_equal(vt_compressor_inflater(compressor, 15), inflater);
    int blocks = memory.blocks;
    use_all(compressor);
    int all = memory.blocks;
    assert_true(all > blocks);
    use_all(compressor);
    assert_int_equal(memory.blocks, all);
    vital_compressor_destroy(compressor);
    assert_int_equal(memory.blocks, 0);
}

static void a_shared_one_comes_back_as_new(void **state)
{
    static const char text[] = "the same text twice, the same text twice";
    uint8_t first[200] = {0}, second[200] = {0};
    (void)state;
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    for (int i = 0; i < 2; i++) {
        z_stream *deflater = vt_compressor_deflater(compressor, 15);
        deflater->next_in = (uint8_t *)text;
        deflater->avail_in = sizeof text;
        deflater->next_out = i == 0 ? first : second;
        deflater->avail_out = sizeof first;
        assert_int_equal(deflate(deflater, Z_SYNC_FLUSH), Z_OK);
    }
    assert_memory_equal(first, second, sizeof first);
    vital_compressor_destroy(compressor);
}

static void an_inflater_takes_the_window_that_is_asked_for(void **state)
{
    /* A byte from 600 before: beyond a window of 9 bits, within one of 10. */
    static uint8_t plain[700], packed[1000], out[700];
    (void)state;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i < 600 ? i * 151 ^ i >> 3 : plain[i - 600]);
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    z_stream *deflater = vt_compressor_deflater(compressor, 15);
    deflater->next_in = plain;
    deflater->avail_in = sizeof plain;
    deflater->next_out = packed;
    deflater->avail_out = sizeof packed;
    assert_int_equal(deflate(deflater, Z_SYNC_FLUSH), Z_OK);
    uInt size = (uInt)sizeof packed - deflater->avail_out;
    for (int bits = 9; bits <= 10; bits++) {
        z_stream *inflater = vt_compressor_inflater(compressor, bits);
        int result = Z_OK;
        inflater->next_in = packed;
        inflater->avail_in = size;
        /* Byte by byte, so that what lies behind comes from the window. */
        for (size_t i = 0; i < sizeof out && result == Z_OK; i++) {
            inflater->next_out = out + i;
            inflater->avail_out = 1;
            result = inflate(inflater, Z_SYNC_FLUSH);
        }
        assert_int_equal(result, bits == 9 ? Z_DATA_ERROR : Z_OK);
    }
    assert_memory_equal(out, plain, sizeof plain);
    vital_compressor_destroy(compressor);
}

static void d7_each_allocation_may_fail_and_the_next_try_succeeds(void **state)
{
    (void)state;
    int failing = 0;
    for (;; failing++) {
        vital_compressor *compressor;
        memory.left = failing;
        int error = vital_compressor_create(&compressor);
        int got = error == 0 ? use_all(compressor) : 0;
        bool enough = memory.left > 0;
        memory.left = INT_MAX;
        assert_int_equal(error, failing == 0 ? VITAL_ENOMEM : 0);
        if (error == 0)
            assert_int_equal(use_all(compressor), 16);
        vital_compressor_destroy(compressor);
        assert_int_equal(memory.blocks, 0);
        if (enough) {
            assert_int_equal(got, 16);
            break;
        }
    }
    assert_true(failing > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_owns_nothing_until_it_is_used),
        cmocka_unit_test(what_was_made_is_made_once_for_each_window),
        cmocka_unit_test(a_shared_one_comes_back_as_new),
        cmocka_unit_test(an_inflater_takes_the_window_that_is_asked_for),
        cmocka_unit_test(d7_each_allocation_may_fail_and_the_next_try_succeeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
