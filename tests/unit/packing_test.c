/*
 * What the two ends of a socket make of the same terms.
 */
#include "packing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const vt_deflate_terms TERMS = {.agreed = true,
                                       .server_keeps = true,
                                       .client_keeps = false,
                                       .server_bits = 10,
                                       .client_bits = 8};

static void each_end_deflates_what_the_other_inflates(void **state)
{
    (void)state;
    const vital_policy ours = {.role = VITAL_SERVER, .compression.least_bytes = 7};
    const vital_policy theirs = {.role = VITAL_CLIENT};
    vt_packing *server = vt_packing_create(&ours, &TERMS);
    vt_packing *client = vt_packing_create(&theirs, &TERMS);
    assert_non_null(server);
    assert_non_null(client);
    assert_int_equal(server->deflater.bits, 10);
    assert_int_equal(client->inflater.bits, 10);
    assert_true(server->deflater.keeps && client->inflater.keeps);
    assert_int_equal(client->deflater.bits, 8);
    assert_int_equal(server->inflater.bits, 8);
    assert_false(client->deflater.keeps || server->inflater.keeps);
    assert_int_equal(server->deflater.least_bytes, 7);
    vt_packing_destroy(server);
    vt_packing_destroy(client);
    vt_packing_destroy(NULL);
}

static void what_can_be_shared_is(void **state)
{
    (void)state;
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    const vital_policy shared = {.role = VITAL_SERVER, .compressor = compressor};
    const vital_policy alone = {.role = VITAL_SERVER};
    vt_packing *one = vt_packing_create(&shared, &TERMS);
    vt_packing *two = vt_packing_create(&alone, &TERMS);
    assert_ptr_equal(one->deflater.shared, compressor);
    assert_ptr_equal(one->inflater.shared, compressor);
    assert_null(one->own);
    assert_non_null(two->own);
    assert_ptr_equal(two->deflater.shared, two->own);
    assert_ptr_equal(two->inflater.shared, two->own);
    vt_packing_destroy(one);
    vt_packing_destroy(two);
    vital_compressor_destroy(compressor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_deflates_what_the_other_inflates),
        cmocka_unit_test(what_can_be_shared_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
