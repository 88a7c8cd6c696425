/*
 * The end of a close reason that says when to come back: what is one, what is
 * none, and that what is written is read again.
 */
#include "invitation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "utf8.h"

static void assert_window(const char *reason, int from_s, int within_s)
{
    vt_invitation read;
    if (!vt_invitation_read(&read, reason))
        fail_msg("\"%s\" is not taken for an invitation", reason);
    if (read.from_s != from_s || read.within_s != within_s)
        fail_msg("\"%s\" is taken for %d-%d s, not %d-%d s", reason, read.from_s, read.within_s,
                 from_s, within_s);
}

static void a_window_stands_at_the_end_of_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *reason;
        int from_s, within_s;
        size_t words_bytes;
    } all[] = {
        {"retry in 5-30 s", 5, 30, 0},
        {"restarting; retry in 5-30 s", 5, 30, 10},
        {"restarting; retry in 0-1 s", 0, 1, 10},
        {"restarting; retry in 0-0 s", 0, 0, 10},
        {"restarting; retry in 7-7 s", 7, 7, 10},
        {"retry in 005-030 s", 5, 30, 0},
        {"Neustart, gl\xC3\xBC\x63klich; retry in 60-600 s", 60, 600, 20},
        /* the last one counts */
        {"retry in 1-2 s; retry in 3-4 s", 3, 4, 14},
        {"retry in a while; retry in 3-4 s", 3, 4, 16},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_invitation read;
        assert_window(all[i].reason, all[i].from_s, all[i].within_s);
        assert_true(vt_invitation_read(&read, all[i].reason));
        assert_int_equal(read.words_bytes, all[i].words_bytes);
    }
}

static void what_differs_by_a_character_is_none(void **state)
{
    (void)state;
    static const char *const all[] = {
        "",
        "restarting",
        "retry",
        "retry in ",
        "retry in 5",
        "retry in 5-",
        "retry in 5-30",
        "retry in 5-30 ",
        "retry in 5-30s",
        "retry in 5-30 s.",
        "retry in 5-30 s ",
        "retry in 5-30 sec",
        "retry in 5 - 30 s",
        "retry in 5..30 s",
        "retry in -30 s",
        "retry in 5 s",
        "Retry in 5-30 s",
        "retry  in 5-30 s",
        "retry in  5-30 s",
        "do not retry in 5-30 s",
        "restarting, retry in 5-30 s",
        "restarting;retry in 5-30 s",
        ";retry in 5-30 s",
        " retry in 5-30 s",
        "retry in 5-30 s; or not",
        "retry in 5-30 s; retry in 5-x s",
        "retry in \xD9\xA5-30 s", /* a digit five, elsewhere */
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_invitation read = {.from_s = -7};
        if (vt_invitation_read(&read, all[i]))
            fail_msg("\"%s\" is taken for an invitation", all[i]);
        assert_int_equal(read.from_s, -7);
    }
}

static void a_hostile_window_is_none(void **state)
{
    (void)state;
    static const char *const all[] = {
        "retry in 30-5 s",
        "retry in 1-0 s",
        "retry in -5-30 s",
        "retry in 5--30 s",
        "retry in +5-30 s",
        "retry in 0-1000 s",
        "retry in 1000-2000 s",
        "retry in 999999999-999999999 s",
        "retry in 4294967297-4294967298 s",
        "retry in 1e3-1e4 s",
        "retry in 0x5-0x1e s",
        "retry in 5.5-30.5 s",
        "retry in 0005-030 s",
        "retry in 5-30 s\nretry in ",
    };
    vt_invitation read;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (vt_invitation_read(&read, all[i]))
            fail_msg("\"%s\" is taken for an invitation", all[i]);
    assert_window("retry in 0-999 s", 0, VT_INVITATION_MAX_S);
    assert_window("retry in 999-999 s", VT_INVITATION_MAX_S, VT_INVITATION_MAX_S);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char *const words[] = {NULL, "", "restarting", "a; b", "; retry in 1-2 s"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char reason[VT_INVITATION_BYTES];
        vt_invitation read;
        size_t size = words[i] != NULL ? strlen(words[i]) : 0;
        vt_invitation_write(reason, words[i], 3, 44);
        assert_window(reason, 3, 44);
        assert_true(vt_invitation_read(&read, reason));
        assert_int_equal(read.words_bytes, size);
        if (size > 0)
            assert_memory_equal(reason, words[i], size);
    }
}

/* Of each number of bytes, so that the end comes at each place of a character. */
static void long_words_are_cut_between_characters_to_fit_a_close_frame(void **state)
{
    (void)state;
    static const char *const fillers[] = {"x", "\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\xAB\x80"};
    for (size_t kind = 0; kind < sizeof fillers / sizeof fillers[0]; kind++) {
        for (int ahead = 0; ahead < 4; ahead++) {
            char words[VT_INVITATION_BYTES] = "", reason[VT_INVITATION_BYTES];
            memset(words, '.', (size_t)ahead);
            while (strlen(words) + strlen(fillers[kind]) < sizeof words)
                strcat(words, fillers[kind]);
            vt_invitation_write(reason, words, 100, 999);
            assert_true(strlen(reason) <= 123);
            assert_true(strlen(reason) > 123 - strlen(fillers[kind]));
            assert_true(vt_utf8_valid(reason, strlen(reason)));
            assert_window(reason, 100, 999);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_stands_at_the_end_of_the_reason),
        cmocka_unit_test(what_differs_by_a_character_is_none),
        cmocka_unit_test(a_hostile_window_is_none),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(long_words_are_cut_between_characters_to_fit_a_close_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
