/*
 * Messages in pieces: where they stand in the queue, and what is left of them when
 * the socket is lost. What the frames are is outbox_test.c's part; here a frame is
 * told by its first byte and its size: "T3+ c2+ c1" is a text of three frames.
 */
#include "outbox_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "reader.h"

static const vt_outbox_frames frames = {.open = true};
static const vt_outbox_frames holding = {.open = true, .hold_messages = true};

static void add(vt_outbox *outbox, const char *text, unsigned place)
{
    assert_int_equal(vt_outbox_piece(outbox, VITAL_TEXT, vital_text(text), place), 0);
}

static void add_whole(vt_outbox *outbox, const char *text)
{
    assert_int_equal(vt_outbox_message(outbox, VITAL_BINARY, vital_text(text)), 0);
}

/* What leaves now, frame by frame. */
static void assert_leaves_holding(vt_outbox *outbox, const char *expected, bool hold)
{
    char story[500] = "";
    for (;;) {
        vital_bytes bytes = vt_outbox_pending(outbox, hold ? &holding : &frames);
        if (bytes.size == 0)
            break;
        for (size_t at = 0; at < bytes.size;) {
            vt_frame frame;
            const char *why;
            int head = vt_frame_decode(&frame, (const uint8_t *)bytes.data + at, bytes.size - at,
                                       &why);
            assert_true(head > 0);
            size_t used = strlen(story);
            snprintf(story + used, sizeof story - used, "%s%c%zu%s", used > 0 ? " " : "",
                     "cTB.....xpP"[frame.opcode], (size_t)frame.size, frame.fin ? "" : "+");
            at += (size_t)head + (size_t)frame.size;
        }
        vt_outbox_written(outbox, bytes.size);
    }
    assert_string_equal(story, expected);
}

static void assert_leaves(vt_outbox *outbox, const char *expected)
{
    assert_leaves_holding(outbox, expected, false);
}

static void assert_idle(const vt_outbox *outbox)
{
    assert_true(vt_outbox_empty(outbox));
    assert_null(outbox->first);
    assert_null(outbox->last);
    assert_null(outbox->framing);
    assert_null(outbox->wire);
    assert_int_equal(outbox->queued_bytes, 0);
    assert_int_equal(outbox->queued_count, 0);
}

static void each_piece_leaves_as_it_comes_rfc_5_4(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    add(&outbox, "abc", VITAL_FIRST);
    assert_leaves(&outbox, "T3+");
    assert_true(outbox.unfinished);
    assert_int_equal(outbox.accepted, 1);
    assert_int_equal(outbox.written, 0);
    assert_true(vt_outbox_awaits_piece(&outbox));
    add(&outbox, "", 0);
    add(&outbox, "de", 0);
    assert_leaves(&outbox, "c0+ c2+");
    add(&outbox, "", VITAL_LAST);
    assert_leaves(&outbox, "c0");
    assert_int_equal(outbox.written, 1);
    assert_false(outbox.unfinished);
    assert_false(vt_outbox_awaits_piece(&outbox));
    add(&outbox, "all of it", VITAL_FIRST | VITAL_LAST);
    assert_leaves(&outbox, "T9");
    assert_int_equal(outbox.accepted, 2);
    assert_int_equal(outbox.written, 2);
    assert_idle(&outbox);
    vt_outbox_finish(&outbox);
}

static void what_is_given_meanwhile_waits_behind_it(void **state)
{
    (void)state;
    for (int leaves_at_once = 0; leaves_at_once < 2; leaves_at_once++) {
        vt_outbox outbox;
        vt_outbox_init(&outbox);
        add_whole(&outbox, "before");
        add(&outbox, "a", VITAL_FIRST);
        if (leaves_at_once)
            assert_leaves(&outbox, "B6 T1+");
        add_whole(&outbox, "later");
        add(&outbox, "bc", 0);
        add_whole(&outbox, "last of all");
        assert_int_equal(vt_outbox_ping(&outbox, vital_text("p"), false), 0);
        assert_leaves(&outbox, leaves_at_once ? "p1 c2+" : "p1 B6 T1+ c2+");
        assert_int_equal(outbox.queued_count, 2);
        add(&outbox, "def", VITAL_LAST);
        assert_leaves(&outbox, "c3 B5 B11");
        assert_int_equal(outbox.written, 4);
        assert_idle(&outbox);
        vt_outbox_finish(&outbox);
    }
}

static void text_beats_and_a_close_find_their_place(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    add(&outbox, "a", VITAL_FIRST);
    assert_leaves(&outbox, "T1+");
    assert_int_equal(vt_outbox_beat(&outbox, vital_text("beat")), 0);
    assert_leaves(&outbox, ""); /* messages do not nest */
    add(&outbox, "b", VITAL_LAST);
    assert_leaves(&outbox, "c1 T4");
    /* Who closes finishes no message any more: the goodbye does not wait for it. */
    add(&outbox, "a", VITAL_FIRST);
    add_whole(&outbox, "never");
    assert_int_equal(vt_outbox_close(&outbox, 1000, (vital_bytes){NULL, 0}, false), 0);
    assert_leaves(&outbox, "T1+ x2");
    vt_outbox_finish(&outbox);
}

static void on_hold_what_has_begun_goes_on_and_nothing_begins(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    add(&outbox, "a", VITAL_FIRST);
    assert_leaves_holding(&outbox, "", true);
    assert_leaves(&outbox, "T1+");
    add(&outbox, "b", 0);
    add_whole(&outbox, "later");
    assert_leaves_holding(&outbox, "c1+", true);
    add(&outbox, "c", VITAL_LAST);
    assert_leaves_holding(&outbox, "c1", true);
    assert_leaves(&outbox, "B5");
    assert_idle(&outbox);
    vt_outbox_finish(&outbox);
}

static void a_message_of_which_nothing_has_gone_survives_the_socket(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    add(&outbox, "abc", VITAL_FIRST);
    add(&outbox, "def", 0);
    vital_bytes bytes = vt_outbox_pending(&outbox, &frames);
    assert_int_equal(bytes.size, 10);
    vt_outbox_written(&outbox, 4); /* of the first frame's five */
    vt_outbox_tear(&outbox);
    vt_outbox_rewind(&outbox);
    assert_true(outbox.unfinished);
    assert_int_equal(outbox.written, 0);
    add(&outbox, "g", VITAL_LAST);
    assert_leaves(&outbox, "T3+ c3+ c1");
    assert_idle(&outbox);
    vt_outbox_finish(&outbox);
}

static void a_message_of_which_pieces_have_gone_is_torn(void **state)
{
    (void)state;
    /* 0: unfinished, a piece is queued; 1: unfinished, none is; 2: finished;
     * 3: finished, and another has begun. */
    for (int way = 0; way < 4; way++) {
        vt_outbox outbox;
        vt_outbox_init(&outbox);
        add(&outbox, "abc", VITAL_FIRST);
        assert_leaves(&outbox, "T3+");
        add_whole(&outbox, "kept");
        if (way != 1)
            add(&outbox, "def", way == 0 ? 0 : VITAL_LAST);
        if (way == 3)
            add(&outbox, "new", VITAL_FIRST);
        vt_outbox_tear(&outbox);
        vt_outbox_rewind(&outbox);
        assert_int_equal(outbox.unfinished, way == 3);
        assert_int_equal(outbox.written, 1);
        assert_int_equal(outbox.accepted, way == 3 ? 3 : 2);
        assert_leaves(&outbox, way == 3 ? "B4 T3+" : "B4");
        if (way == 3)
            add(&outbox, "", VITAL_LAST);
        assert_leaves(&outbox, way == 3 ? "c0" : "");
        assert_int_equal(outbox.written, outbox.accepted);
        assert_idle(&outbox);
        vt_outbox_tear(&outbox); /* of nothing */
        assert_int_equal(outbox.written, outbox.accepted);
        vt_outbox_finish(&outbox);
    }
}

static void pieces_are_compressed_as_one_message_rfc_7692_6_1(void **state)
{
    (void)state;
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    for (int keeps = 0; keeps < 2; keeps++) {
        vt_deflater deflater = {.shared = compressor, .bits = 15, .keeps = keeps};
        vt_inflater inflater = {.shared = compressor, .bits = 15, .keeps = keeps};
        vt_reader_rules rules = {.message_bytes = 1 << 20};
        vt_reader reader;
        vt_outbox outbox;
        char text[3001] = "";
        vt_outbox_init(&outbox);
        vt_reader_init(&reader, &rules);
        vt_reader_inflate_with(&reader, &inflater);
        vt_outbox_deflate_with(&outbox, &deflater);
        memset(text, 'x', sizeof text - 1);
        for (int message = 0; message < 3; message++) {
            for (int piece = 0; piece < 4; piece++) {
                unsigned place = piece == 0 ? VITAL_FIRST : piece == 3 ? VITAL_LAST : 0;
                add(&outbox, piece == 3 ? "" : text, place);
                vital_bytes bytes = vt_outbox_pending(&outbox, &frames);
                assert_in_range(bytes.size, 3, 100);
                uint8_t copy[100];
                memcpy(copy, bytes.data, bytes.size);
                vt_input input = {copy, bytes.size};
                vt_item item = vt_reader_next(&reader, &input);
                assert_int_equal(item.type, piece == 3 ? VT_ITEM_TEXT : VT_ITEM_NONE);
                assert_int_equal(item.size, piece == 3 ? 9000 : 0);
                vt_outbox_written(&outbox, bytes.size);
            }
        }
        vt_reader_finish(&reader);
        vt_inflater_finish(&inflater);
        vt_deflater_finish(&deflater);
        assert_idle(&outbox);
    }
    vital_compressor_destroy(compressor);
}

static void forgetting_the_queue_forgets_what_is_unfinished(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    add(&outbox, "a", VITAL_FIRST);
    add(&outbox, "b", 0);
    assert_leaves(&outbox, "T1+ c1+");
    add(&outbox, "c", 0);
    vt_outbox_clear(&outbox);
    assert_idle(&outbox);
    assert_false(outbox.unfinished);
    add_whole(&outbox, "next");
    assert_leaves(&outbox, "B4");
    vt_outbox_finish(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_leaves_as_it_comes_rfc_5_4),
        cmocka_unit_test(what_is_given_meanwhile_waits_behind_it),
        cmocka_unit_test(text_beats_and_a_close_find_their_place),
        cmocka_unit_test(on_hold_what_has_begun_goes_on_and_nothing_begins),
        cmocka_unit_test(a_message_of_which_nothing_has_gone_survives_the_socket),
        cmocka_unit_test(a_message_of_which_pieces_have_gone_is_torn),
        cmocka_unit_test(pieces_are_compressed_as_one_message_rfc_7692_6_1),
        cmocka_unit_test(forgetting_the_queue_forgets_what_is_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
