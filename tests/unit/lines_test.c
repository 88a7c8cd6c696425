/* Lines from a pipe: whole, in order, bounded, and kept until dropped. */
#include "lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONGEST = 8 };

/* Feeds the input in pieces of so many bytes, and writes what is found: "a|" is
 * a line, "!|" one that was too long. */
static void digest(const char *input, size_t piece, char *found)
{
    int ends[2];
    cli_lines lines;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(lines_init(&lines, LONGEST), 0);
    size_t size = strlen(input);
    for (size_t at = 0; !lines.ended;) {
        size_t left = size - at < piece ? size - at : piece;
        if (left > 0)
            assert_int_equal(write(ends[1], input + at, left), left);
        else
            close(ends[1]);
        at += left;
        assert_int_equal(lines_fill(&lines, ends[0]), left);
        vital_bytes line;
        for (lines_found kind; (kind = lines_peek(&lines, &line)) != LINES_NONE;) {
            if (kind == LINES_TOO_LONG) {
                found = stpcpy(found, "!|");
                continue;
            }
            vital_bytes again;
            assert_int_equal(lines_peek(&lines, &again), LINES_LINE);
            assert_ptr_equal(again.data, line.data);
            assert_int_equal(again.size, line.size);
            found += sprintf(found, "%.*s|", (int)line.size, (const char *)line.data);
            lines_drop(&lines);
        }
    }
    close(ends[0]);
    lines_finish(&lines);
}

static void assert_lines(const char *input, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(input) + 1; piece++) {
        char found[256] = "";
        digest(input, piece, found);
        if (strcmp(found, expected) != 0)
            fail_msg("in pieces of %zu: found %s, expected %s", piece, found, expected);
    }
}

static void lines_are_the_same_in_any_segmentation(void **state)
{
    (void)state;
    assert_lines("one\ntwo\nthree\n", "one|two|three|");
    assert_lines("\n\na\n", "||a|");
}

static void the_last_line_needs_no_newline(void **state)
{
    (void)state;
    assert_lines("one\ntwo", "one|two|");
    assert_lines("", "");
}

static void a_line_of_the_longest_size_is_a_line(void **state)
{
    (void)state;
    assert_lines("12345678\nx\n", "12345678|x|");
    assert_lines("12345678", "12345678|");
}

static void a_longer_line_is_told_once_and_the_next_is_whole(void **state)
{
    (void)state;
    assert_lines("123456789\nx\n", "!|x|");
    assert_lines("123456789012345678901234567890\nx", "!|x|");
    assert_lines("x\n123456789", "x|!|");
    assert_lines("123456789\n123456789\n", "!|!|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_in_any_segmentation),
        cmocka_unit_test(the_last_line_needs_no_newline),
        cmocka_unit_test(a_line_of_the_longest_size_is_a_line),
        cmocka_unit_test(a_longer_line_is_told_once_and_the_next_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
