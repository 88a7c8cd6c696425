#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_sha1(const char *text, const char *expected_hex)
{
    uint8_t digest[VT_SHA1_BYTES];
    char hex[2 * VT_SHA1_BYTES + 1];
    static const char digits[] = "0123456789abcdef";

    vt_sha1(digest, text, strlen(text));
    for (size_t i = 0; i < VT_SHA1_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[sizeof(hex) - 1] = '\0';
    assert_string_equal(hex, expected_hex);
}

static void sha1_gives_the_digests_of_rfc_3174_7_3(void **unused)
{
    (void)unused;
    check_sha1("abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    check_sha1("", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void base64_pads_as_in_rfc_4648_10(void **unused)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char out[32];
        memset(out, 'x', sizeof(out));
        vt_base64(out, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(out, pairs[i][1]);
        assert_int_equal(strlen(out) + 1, VT_BASE64_SIZE(strlen(pairs[i][0])));
        assert_int_equal(out[VT_BASE64_SIZE(strlen(pairs[i][0]))], 'x');
    }
}

static void base64_uses_the_whole_alphabet(void **unused)
{
    uint8_t data[48];
    char out[VT_BASE64_SIZE(sizeof(data))];
    (void)unused;
    /* 64 numbers of six bits, 0 to 63, packed. */
    for (unsigned i = 0; i < 16; i++) {
        uint32_t four = (4 * i) << 18 | (4 * i + 1) << 12 | (4 * i + 2) << 6 | (4 * i + 3);
        data[3 * i] = (uint8_t)(four >> 16);
        data[3 * i + 1] = (uint8_t)(four >> 8);
        data[3 * i + 2] = (uint8_t)four;
    }
    vt_base64(out, data, sizeof(data));
    assert_string_equal(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

static void both_together_answer_the_key_of_rfc_6455_1_3(void **unused)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t digest[VT_SHA1_BYTES];
    char out[VT_BASE64_SIZE(VT_SHA1_BYTES)];
    (void)unused;
    vt_sha1(digest, key, sizeof(key) - 1);
    vt_base64(out, digest, sizeof(digest));
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_gives_the_digests_of_rfc_3174_7_3),
        cmocka_unit_test(base64_pads_as_in_rfc_4648_10),
        cmocka_unit_test(base64_uses_the_whole_alphabet),
        cmocka_unit_test(both_together_answer_the_key_of_rfc_6455_1_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
