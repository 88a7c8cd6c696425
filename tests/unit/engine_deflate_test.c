/*
 * Connections that have agreed on compression, and those that have not: from the
 * options of both ends to the bytes on the wire.
 */
#include "engine_state.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "close_code.h"
#include "frame.h"
#include "handshake.h"

enum { TEXT_BYTES = 3000 };

static vital_policy compressing(vital_policy policy, vital_compression compression)
{
    policy.compression = compression;
    policy.compression.enabled = true;
    return policy;
}

static const vital_compression lean = {.enabled = true};
static const vital_compression keeping = {
    .enabled = true, .keep_context = true, .peer_keeps_context = true};

static void open_compressing(vital_compression of_client, vital_compression of_server)
{
    open_pair(compressing(usual_client, of_client), compressing(usual_server, of_server));
}

/* A text of so many bytes that has much to compress; how many leave for it. */
static size_t send_long_text(struct end *end, vital_kind kind)
{
    static char text[TEXT_BYTES + 1];
    for (size_t i = 0; i < TEXT_BYTES; i++)
        text[i] = (char)('a' + i / 7 % 26);
    size_t before = end->wire.size;
    assert_int_equal(try_send(end, kind, vital_text(text)), 0);
    settle(end);
    return end->wire.size - before;
}

static void both_directions_are_compressed_in_every_combination(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 16 * 3; n++) {
        const vital_compression of_client = {.keep_context = n & 1,
                                             .peer_keeps_context = n >> 1 & 1,
                                             .window_bits = n / 16 == 1 ? 9 : 0,
                                             .peer_window_bits = n / 16 == 2 ? 10 : 0};
        const vital_compression of_server = {.keep_context = n >> 2 & 1,
                                             .peer_keeps_context = n >> 3 & 1,
                                             .window_bits = n / 16 == 2 ? 9 : 0,
                                             .peer_window_bits = n / 16 == 1 ? 8 : 0};
        open_compressing(of_client, of_server);
        assert_true(vital_engine_compressed(client.engine));
        assert_true(vital_engine_compressed(server.engine));
        bool client_compresses = n / 16 != 1; /* it has been told 8, which zlib cannot */
        for (int i = 0; i < 3; i++) {
            size_t from_client = send_long_text(&client, VITAL_TEXT);
            size_t from_server = send_long_text(&server, VITAL_BINARY);
            assert_int_equal(from_client < TEXT_BYTES, client_compresses);
            assert_true(from_server < TEXT_BYTES);
            if (i > 0 && of_server.keep_context && of_client.peer_keeps_context)
                assert_true(from_server < 60);
            exchange();
            assert_log(&client, "binary(3000)");
            assert_log(&server, "text(3000)");
        }
        finish_pair();
    }
}

static void who_does_not_offer_or_accept_is_spoken_to_without(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_pair(i == 0 ? usual_client : compressing(usual_client, lean),
                  i == 1 ? usual_server : compressing(usual_server, lean));
        assert_false(vital_engine_compressed(client.engine));
        assert_false(vital_engine_compressed(server.engine));
        assert_true(send_long_text(&client, VITAL_TEXT) > TEXT_BYTES);
        assert_true(send_long_text(&server, VITAL_TEXT) > TEXT_BYTES);
        exchange();
        assert_log(&client, "text(3000)");
        assert_log(&server, "text(3000)");
        finish_pair();
    }
}

static void c5_an_idle_connection_keeps_no_memory_of_zlib_by_default(void **state)
{
    (void)state;
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    vital_policy of_client = compressing(usual_client, lean);
    vital_policy of_server = compressing(usual_server, lean);
    of_client.compressor = of_server.compressor = compressor;
    open_pair(of_client, of_server);
    for (int i = 0; i < 3; i++) {
        send_long_text(&client, VITAL_TEXT);
        send_long_text(&server, VITAL_TEXT);
        exchange();
        assert_null(server.engine->packing->deflater.own);
        assert_null(server.engine->packing->inflater.own);
        assert_null(client.engine->packing->deflater.own);
        assert_null(client.engine->packing->inflater.own);
        assert_null(server.engine->packing->own);
        assert_null(server.engine->reader.assembly);
        assert_null(server.engine->outbox.wire);
    }
    finish_pair();
    vital_compressor_destroy(compressor);

    open_compressing(keeping, keeping);
    assert_null(server.engine->packing->deflater.own); /* until there is something to keep */
    send_long_text(&server, VITAL_TEXT);
    exchange();
    assert_non_null(server.engine->packing->deflater.own);
    assert_non_null(client.engine->packing->inflater.own);
    assert_null(client.engine->packing->deflater.own);
}

static void c6_a_message_can_be_kept_out_of_the_compression(void **state)
{
    (void)state;
    open_compressing(keeping, keeping);
    assert_true(send_long_text(&client, VITAL_TEXT_UNCOMPRESSED) > TEXT_BYTES);
    assert_true(send_long_text(&client, VITAL_BINARY_UNCOMPRESSED) > TEXT_BYTES);
    assert_true(send_long_text(&client, VITAL_TEXT) < TEXT_BYTES / 2);
    exchange();
    assert_log(&server, "text(3000) binary(3000) text(3000)");
    assert_int_equal(try_send(&client, VITAL_TEXT_UNCOMPRESSED, vital_text("\xff")), VITAL_EINVAL);
    assert_int_equal(try_send(&client, (vital_kind)4, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(try_send(&client, (vital_kind)7, vital_text("x")), VITAL_EINVAL);
}

static void small_messages_and_beats_are_not_compressed(void **state)
{
    (void)state;
    open_compressing(keeping, keeping);
    send_text(&client, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    settle(&client);
    assert_int_equal(client.wire.size, 6 + 64);
    exchange();
    assert_log(&server, "text(64)");
}

static void what_has_not_left_is_compressed_anew_on_the_next_socket(void **state)
{
    (void)state;
    open_compressing(keeping, keeping);
    client.room = 0;
    for (int i = 0; i < 3; i++)
        send_long_text(&client, VITAL_TEXT);
    leave(&client, 50); /* the first is half way */
    lose_stream(&client, 0);
    assert_null(client.engine->packing);
    client.room = SIZE_MAX;
    reopen_pair();
    assert_log(&client, "CUT connect open");
    assert_log(&server, "open text(3000) text(3000) text(3000)");
    assert_int_equal(client.verdict.unsent, 3);
}

/* ------------------------------------------------------------- a foreign peer */

/* The client's 101 from such a server. */
static void answer_with(const char *extensions)
{
    char key[VT_KEY_TEXT_BYTES + 1];
    char accept[VT_ACCEPT_TEXT_BYTES + 1];
    char answer[400];
    append(&client.wire, "", 1);
    const char *line = strstr((const char *)client.wire.data, "Sec-WebSocket-Key: ");
    assert_non_null(line);
    memcpy(key, line + strlen("Sec-WebSocket-Key: "), VT_KEY_TEXT_BYTES);
    key[VT_KEY_TEXT_BYTES] = '\0';
    vt_handshake_accept(accept, key);
    client.wire.size = 0;
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: %s\r\n\r\n",
             accept, extensions);
    come_text(&client, answer);
}

static void a8_a_client_that_is_told_8_bits_sends_its_messages_as_they_are(void **state)
{
    (void)state;
    ask_as_client(compressing(usual_client, lean));
    answer_with("permessage-deflate; client_max_window_bits=8; server_no_context_takeover");
    assert_log(&client, "open");
    assert_true(send_long_text(&client, VITAL_TEXT) > TEXT_BYTES);
    client.wire.size = 0;
    struct buffer bytes = {0};
    add_frame(&bytes, &client, (vt_frame){.fin = true, .rsv = 4, .opcode = VT_OP_TEXT, .size = 7},
              "\xf2\x48\xcd\xc9\xc9\x07");
    come(&client, bytes.data, bytes.size);
    free(bytes.data);
    assert_log(&client, "text:Hello");
}

static void a8_an_answer_that_was_not_offered_fails_the_handshake(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=99",
        "permessage-deflate; server_no_context_takeover; constructor",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover, permessage-deflate",
        "x-webkit-deflate-frame",
        "permessage-deflate;",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        ask_as_client(compressing(usual_client, lean));
        answer_with(answers[i]);
        assert_log(&client, "MISBEHAVED");
        assert_int_equal(client.verdict.status, 0);
        finish_end(&client);
    }
    ask_as_client(usual_client);
    answer_with("permessage-deflate");
    assert_log(&client, "MISBEHAVED");
    assert_non_null(strstr(client.verdict.text, "not offered"));
}

#define ASK_WITH(extensions)                                                       \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Extensions: " extensions "\r\n\r\n"

static void begin_server(void)
{
    reseed(1);
    begin_end(&server, compressing(usual_server, lean));
}

static void a7_nonsense_is_declined_and_malformed_nonsense_refused(void **state)
{
    (void)state;
    begin_server();
    come_text(&server, ASK_WITH("constructor; a=b, permessage-deflate; toString=1"));
    assert_log(&server, "open");
    assert_null(server.engine->packing);
    finish_end(&server);
    begin_server();
    come_text(&server, ASK_WITH("permessage-deflate; a=\"b"));
    assert_log(&server, "REJECTED");
    assert_status_left(&server, 400);
}

static void a20_compressed_bytes_before_the_upgrade_are_not_inflated(void **state)
{
    (void)state;
    static const char frame[] = "\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00";
    vital_policy asking = compressing(usual_server, lean);
    asking.ask = true;
    for (int with_the_request = 0; with_the_request < 2; with_the_request++) {
        struct buffer bytes = {0};
        reseed(1);
        begin_end(&server, asking);
        append(&bytes, ASK_WITH("permessage-deflate"), strlen(ASK_WITH("permessage-deflate")));
        if (!with_the_request) {
            come(&server, bytes.data, bytes.size);
            assert_log(&server, "request:/");
            bytes.size = 0;
        }
        append(&bytes, frame, sizeof frame - 1);
        come(&server, bytes.data, bytes.size);
        assert_null(server.engine->packing);
        assert_log(&server, "REJECTED");
        assert_status_left(&server, 400);
        free(bytes.data);
        finish_end(&server);
    }
}

static void c1_a_bomb_is_answered_with_1009(void **state)
{
    (void)state;
    static uint8_t zeros[VT_FRAGMENT_BYTES];
    vital_compressor *compressor;
    assert_int_equal(vital_compressor_create(&compressor), 0);
    vt_deflater deflater = {.shared = compressor, .bits = 15, .keeps = true};
    begin_server();
    come_text(&server, ASK_WITH("permessage-deflate"));
    assert_log(&server, "open");
    server.wire.size = 0;
    /* A GiB in a MiB, of which a thousandth is enough. */
    for (int i = 0; i < 65536 && server.closed == 0; i++) {
        struct buffer bytes = {0};
        vital_bytes packed = vt_deflate(&deflater, zeros, sizeof zeros, 0, false);
        add_frame(&bytes, &server,
                  (vt_frame){.rsv = i == 0 ? 4 : 0,
                             .opcode = i == 0 ? VT_OP_BINARY : VT_OP_CONTINUATION,
                             .size = packed.size},
                  packed.data);
        come(&server, bytes.data, bytes.size);
        free(bytes.data);
        assert_true(i <= 64); /* 1 MiB is the limit */
    }
    assert_log(&server, "OVERFLOW");
    assert_int_equal(server.verdict.code, VT_CLOSE_TOO_BIG);
    assert_close_left(&server, VT_CLOSE_TOO_BIG,
                      "a message above the limit (RFC 6455 7.4.1, 10.4)");
    vt_deflater_finish(&deflater);
    vital_compressor_destroy(compressor);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(both_directions_are_compressed_in_every_combination),
        TEST(who_does_not_offer_or_accept_is_spoken_to_without),
        TEST(c5_an_idle_connection_keeps_no_memory_of_zlib_by_default),
        TEST(c6_a_message_can_be_kept_out_of_the_compression),
        TEST(small_messages_and_beats_are_not_compressed),
        TEST(what_has_not_left_is_compressed_anew_on_the_next_socket),
        TEST(a8_a_client_that_is_told_8_bits_sends_its_messages_as_they_are),
        TEST(a8_an_answer_that_was_not_offered_fails_the_handshake),
        TEST(a7_nonsense_is_declined_and_malformed_nonsense_refused),
        TEST(a20_compressed_bytes_before_the_upgrade_are_not_inflated),
        TEST(c1_a_bomb_is_answered_with_1009),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
