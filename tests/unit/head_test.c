/*
 * Gathering and cutting the head of an HTTP message.
 */
#include "head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vital/vital.h>

enum { LIMIT = 8192 };

/* In pieces of so many bytes; the sum of what was used in *used. */
static int feed(vt_head *head, const char *bytes, size_t size, size_t piece, size_t *used)
{
    int result = 0;
    *used = 0;
    while (result == 0 && *used < size) {
        size_t left = size - *used;
        size_t taken;
        result = vt_head_feed(head, bytes + *used, left < piece ? left : piece, LIMIT, &taken);
        *used += taken;
    }
    return result;
}

/* A head from text that is complete, cut. */
static int cut(vt_head *head, const char *text, vt_headers *headers, const char **why)
{
    size_t used;
    char *line;
    *head = (vt_head){0};
    assert_int_equal(feed(head, text, strlen(text), SIZE_MAX, &used), 1);
    return vt_head_cut(head, &line, headers, why);
}

static void assert_refused(const char *text, int status, const char *words)
{
    vt_head head;
    vt_headers headers;
    const char *why = NULL;
    int have = cut(&head, text, &headers, &why);
    if (have != status)
        fail_msg("%s: %d and not %d", text, have, status);
    assert_non_null(why);
    if (strstr(why, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, why, words);
    vt_head_finish(&head);
}

/* --------------------------------------------------------------- gathering */

static void a_head_ends_with_its_empty_line_however_it_is_cut_rfc_9112_2_1(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\n\r\n";
    size_t want = strlen("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        vt_head head = {0};
        size_t used;
        assert_int_equal(feed(&head, text, sizeof text - 1, piece, &used), 1);
        assert_int_equal(used, want);
        assert_int_equal(head.size, want);
        assert_memory_equal(head.data, text, want);
        vt_head_finish(&head);
        assert_null(head.data);
    }
}

static void an_unfinished_head_waits_for_more(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r";
    vt_head head = {0};
    size_t used;
    assert_int_equal(vt_head_feed(&head, text, 0, LIMIT, &used), 0);
    assert_int_equal(used, 0);
    assert_int_equal(vt_head_feed(&head, text, sizeof text - 1, LIMIT, &used), 0);
    assert_int_equal(used, sizeof text - 1);
    assert_int_equal(vt_head_feed(&head, "\nrest", 5, LIMIT, &used), 1);
    assert_int_equal(used, 1);
    vt_head_finish(&head);
}

static void a_head_may_fill_the_limit_and_not_pass_it(void **state)
{
    (void)state;
    static char text[LIMIT + 2];
    static const size_t pieces[] = {1, 7, 1000, SIZE_MAX};
    memset(text, 'a', sizeof text);
    memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        vt_head head = {0};
        size_t used;
        memcpy(text + LIMIT - 4, "\r\n\r\naa", 6);
        assert_int_equal(feed(&head, text, sizeof text, pieces[i], &used), 1);
        assert_int_equal(used, LIMIT);
        vt_head_finish(&head);

        memcpy(text + LIMIT - 4, "a\r\n\r\na", 6);
        assert_int_equal(feed(&head, text, sizeof text, pieces[i], &used), VITAL_ETOOBIG);
        assert_true(head.capacity <= LIMIT);
        assert_int_equal(vt_head_feed(&head, "\n", 1, LIMIT, &used), VITAL_ETOOBIG);
        vt_head_finish(&head);
    }
}

static void a1_a_megabyte_byte_by_byte_is_linear_work(void **state)
{
    (void)state;
    /* Quadratic work would be 5 * 10^11 steps here, and hang. */
    enum { MEGABYTE = 1024 * 1024 };
    vt_head head = {0};
    size_t used;
    assert_int_equal(vt_head_feed(&head, "GET / HTTP/1.1\r\nA: ", 19, MEGABYTE, &used), 0);
    for (size_t i = 19; i < MEGABYTE - 1; i++)
        assert_int_equal(vt_head_feed(&head, "a", 1, MEGABYTE, &used), 0);
    assert_int_equal(vt_head_feed(&head, "a", 1, MEGABYTE, &used), VITAL_ETOOBIG);
    vt_head_finish(&head);
}

static void what_no_head_begins_with_is_complete_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        size_t used;
    } all[] = {
        {"GET / HTTP/1.1\nHost", 19, 15},        /* a bare LF */
        {"GET / HTTP/1.1\r\nA: b\nC", 23, 21},   /* later */
        {"GET / HTTP/1.1\rX", 16, 16},           /* a bare CR */
        {"\x16\x03\x01\x02\x00\x01", 6, 1},      /* a TLS ClientHello */
        {"GET / HTTP/1.1\r\nA: b\0c", 23, 21},   /* a NUL */
        {"SSH-2.0-OpenSSH_9.2\r\nmore", 25, 21}, /* another protocol */
        {"\r\nGET / HTTP/1.1\r\n\r\n", 20, 2},   /* no request line */
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t piece = 1; piece <= all[i].size; piece++) {
            vt_head head = {0};
            vt_headers headers;
            char *line;
            const char *why = NULL;
            size_t used;
            assert_int_equal(feed(&head, all[i].bytes, all[i].size, piece, &used), 1);
            assert_int_equal(used, all[i].used);
            assert_int_equal(vt_head_cut(&head, &line, &headers, &why), 400);
            assert_non_null(why);
            vt_head_finish(&head);
        }
    }
}

static void finishing_accepts_null_and_zeroed(void **state)
{
    (void)state;
    vt_head head = {0};
    vt_head_finish(NULL);
    vt_head_finish(&head);
    vt_head_finish(&head);
}

/* ----------------------------------------------------------------- cutting */

static void headers_are_cut_and_their_values_trimmed_rfc_9112_5(void **state)
{
    (void)state;
    vt_head head;
    vt_headers headers;
    const char *why;
    assert_int_equal(cut(&head,
                         "GET / HTTP/1.1\r\nHost:h\r\nEmpty:\r\nBlank: \t \r\n"
                         "X-Two:\t a  b: c \t\r\nhost: other\r\n\xc3-Name: \r\n\r\n",
                         &headers, &why),
                     400); /* the last name is no token, and all before it are kept */
    assert_int_equal(headers.count, 5);
    size_t count;
    assert_string_equal(vt_headers_find(&headers, "HOST", &count), "h");
    assert_int_equal(count, 2);
    assert_string_equal(vt_headers_find(&headers, "empty", &count), "");
    assert_int_equal(count, 1);
    assert_string_equal(vt_headers_find(&headers, "blank", NULL), "");
    assert_string_equal(vt_headers_find(&headers, "x-two", NULL), "a  b: c");
    assert_null(vt_headers_find(&headers, "X-Tw", &count));
    assert_int_equal(count, 0);
    vt_head_finish(&head);
}

static void high_bytes_are_allowed_in_values_rfc_9110_5_5(void **state)
{
    (void)state;
    vt_head head;
    vt_headers headers;
    const char *why;
    assert_int_equal(cut(&head, "GET / HTTP/1.1\r\nA: \xc3\xbc\xff\r\n\r\n", &headers, &why), 0);
    assert_string_equal(vt_headers_find(&headers, "A", NULL), "\xc3\xbc\xff");
    vt_head_finish(&head);
}

static void a_line_that_is_not_strict_is_refused_rfc_9112(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\nHost: h\n\n", 400, "CRLF");
    assert_refused("GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400, "CRLF");
    assert_refused("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400, "CRLF");
    assert_refused("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400, "CRLF");
    assert_refused("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "folded");
    assert_refused("GET / HTTP/1.1\r\nA: b\r\n\tc: d\r\n\r\n", 400, "folded");
    assert_refused("GET / HTTP/1.1\r\n A: b\r\n\r\n", 400, "folded");
    assert_refused("GET / HTTP/1.1\r\nA : b\r\n\r\n", 400, "before the colon");
    assert_refused("GET / HTTP/1.1\r\nA\t: b\r\n\r\n", 400, "before the colon");
    assert_refused("GET / HTTP/1.1\r\n: b\r\n\r\n", 400, "no name");
    assert_refused("GET / HTTP/1.1\r\nA b\r\n\r\n", 400, "no colon");
    assert_refused("GET / HTTP/1.1\r\nA b: c\r\n\r\n", 400, "not a token");
    assert_refused("GET / HTTP/1.1\r\nA(: c\r\n\r\n", 400, "not a token");
    assert_refused("GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400, "control");
    assert_refused("GET / HTTP/1.1\r\nA\x7f: b\r\n\r\n", 400, "control");
    assert_refused("GET / HTTP/1.1\x1b\r\nA: b\r\n\r\n", 400, "control");
    assert_refused("HELO example.org\r\n", 400, "not HTTP");
}

static void a2_more_than_64_headers_are_refused_with_431(void **state)
{
    (void)state;
    for (int count = 63; count <= 66; count++) {
        char text[1024] = "GET / HTTP/1.1\r\n";
        for (int i = 0; i < count; i++)
            strcat(text, "A: b\r\n");
        strcat(text, "\r\n");
        vt_head head;
        vt_headers headers;
        const char *why = NULL;
        assert_int_equal(cut(&head, text, &headers, &why), count > 64 ? 431 : 0);
        assert_int_equal(headers.count, count > 64 ? 64 : count);
        vt_head_finish(&head);
    }
}

static void the_first_line_is_given_even_if_a_header_is_bad(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.0 404 No\r\nbad\r\n\r\n";
    vt_head head = {0};
    vt_headers headers;
    char *line;
    const char *why = NULL;
    size_t used;
    assert_int_equal(feed(&head, text, strlen(text), SIZE_MAX, &used), 1);
    assert_int_equal(vt_head_cut(&head, &line, &headers, &why), 400);
    assert_string_equal(line, "HTTP/1.0 404 No");
    /* A second time finds the NULs of the first: refused, and nothing worse. */
    assert_int_equal(vt_head_cut(&head, &line, &headers, &why), 400);
    assert_null(line);
    vt_head_finish(&head);
    assert_int_equal(vt_head_cut(&head, &line, &headers, &why), 400);
}

/* ------------------------------------------------------------------- lists */

static void a_list_goes_over_several_headers_rfc_9110_5_3(void **state)
{
    (void)state;
    vt_head head;
    vt_headers headers;
    const char *why;
    assert_int_equal(cut(&head,
                         "GET / HTTP/1.1\r\nA: one , two\r\nB: no\r\na:\r\n"
                         "a: ,, \t,three,\r\nA: fo ur\r\n\r\n",
                         &headers, &why),
                     0);
    static const char *const want[] = {"one", "two", "three", "fo ur"};
    vt_elements list = {.headers = &headers, .name = "A"};
    vt_element have;
    for (size_t i = 0; i < 4; i++) {
        assert_true(vt_elements_next(&list, &have));
        assert_int_equal(have.size, strlen(want[i]));
        assert_memory_equal(have.text, want[i], have.size);
    }
    assert_false(vt_elements_next(&list, &have));
    assert_false(vt_elements_next(&list, &have));
    assert_true(vt_headers_name(&headers, "a", "THREE"));
    assert_false(vt_headers_name(&headers, "a", "fo"));
    assert_false(vt_headers_name(&headers, "c", "one"));
    vt_head_finish(&head);
}

static void tokens_are_those_of_rfc_9110_5_6_2(void **state)
{
    (void)state;
    assert_true(vt_is_token(vt_element_of("!#$%&'*+-.^_`|~09azAZ")));
    assert_false(vt_is_token(vt_element_of("")));
    for (int c = 0; c < 256; c++) {
        char text = (char)c;
        bool separator = c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c) != NULL;
        if (vt_is_token((vt_element){&text, 1}) == separator)
            fail_msg("character %d", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_ends_with_its_empty_line_however_it_is_cut_rfc_9112_2_1),
        cmocka_unit_test(an_unfinished_head_waits_for_more),
        cmocka_unit_test(a_head_may_fill_the_limit_and_not_pass_it),
        cmocka_unit_test(a1_a_megabyte_byte_by_byte_is_linear_work),
        cmocka_unit_test(what_no_head_begins_with_is_complete_at_once),
        cmocka_unit_test(finishing_accepts_null_and_zeroed),
        cmocka_unit_test(headers_are_cut_and_their_values_trimmed_rfc_9112_5),
        cmocka_unit_test(high_bytes_are_allowed_in_values_rfc_9110_5_5),
        cmocka_unit_test(a_line_that_is_not_strict_is_refused_rfc_9112),
        cmocka_unit_test(a2_more_than_64_headers_are_refused_with_431),
        cmocka_unit_test(the_first_line_is_given_even_if_a_header_is_bad),
        cmocka_unit_test(a_list_goes_over_several_headers_rfc_9110_5_3),
        cmocka_unit_test(tokens_are_those_of_rfc_9110_5_6_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
