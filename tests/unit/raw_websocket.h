/*
 * What a raw peer says when it speaks WebSocket, well or badly.
 */
#ifndef VT_TESTS_RAW_WEBSOCKET_H
#define VT_TESTS_RAW_WEBSOCKET_H

#include "raw_peer.h"

#include "digest.h"
#include "frame.h"
#include "mask.h"

/* -------------------------------------------------------------- the handshake */

static inline void raw_take_head(raw_peer *peer)
{
    const char *end = strstr((const char *)peer->bytes, "\r\n\r\n");
    assert_non_null(end);
    raw_take(peer, (size_t)(end + 4 - (const char *)peer->bytes));
}

/* Waits for a request and answers it. `listener` -1: it was accepted before. */
static inline void raw_upgrade_server(live *test, raw_peer *peer, int listener)
{
    static const char NAME[] = "Sec-WebSocket-Key: ";
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char key[24 + sizeof GUID], accept[VT_BASE64_SIZE(VT_SHA1_BYTES)], answer[256];
    uint8_t hash[VT_SHA1_BYTES];

    if (listener >= 0)
        step_until(test, raw_accept(peer, listener), "the client comes");
    step_until(test, raw_has(peer, "\r\n\r\n"), "the client's request has come");
    const char *header = strstr((const char *)peer->bytes, NAME);
    assert_non_null(header);
    memcpy(key, header + strlen(NAME), 24);
    memcpy(key + 24, GUID, sizeof GUID);
    vt_sha1(hash, key, 24 + strlen(GUID));
    vt_base64(accept, hash, sizeof hash);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    raw_take_head(peer);
    raw_send(peer, answer, strlen(answer));
}

static const char RAW_REQUEST[] = "GET /raw HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* Sends a request and takes the answer, which is to be yes. */
static inline void raw_upgrade_client(live *test, raw_peer *peer)
{
    raw_send(peer, RAW_REQUEST, strlen(RAW_REQUEST));
    step_until(test, raw_has(peer, "\r\n\r\n"), "the server's answer has come");
    assert_int_equal(strncmp((const char *)peer->bytes, "HTTP/1.1 101 ", 13), 0);
    raw_take_head(peer);
}

/* --------------------------------------------------------------------- frames */

/* A whole frame; masked (with a key of zeros) as a client's must be. */
static inline void raw_frame(const raw_peer *peer, vt_opcode opcode, bool masked,
                             const void *payload, size_t size)
{
    uint8_t bytes[VT_FRAME_HEADER_MAX + 1024];
    vt_frame frame = {.fin = true, .opcode = opcode, .masked = masked, .size = size};
    size_t head = vt_frame_encode(bytes, &frame);
    assert_true(head + size <= sizeof bytes);
    if (size > 0)
        memcpy(bytes + head, payload, size);
    raw_send(peer, bytes, head + size);
}

static inline void raw_close_frame(const raw_peer *peer, bool masked, uint16_t code,
                                   const char *reason)
{
    uint8_t payload[2 + 123];
    size_t size = strlen(reason);
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    memcpy(payload + 2, reason, size);
    raw_frame(peer, VT_OP_CLOSE, masked, payload, 2 + size);
}

/* Whether a whole frame has come: its payload, unmasked in place, stays until
 * raw_take() of *used. */
static inline bool raw_next(raw_peer *peer, vt_frame *frame, uint8_t **payload, size_t *used)
{
    const char *why;
    raw_read(peer, 64 * 1024);
    int head = peer->size == 0 ? 0 : vt_frame_decode(frame, peer->bytes, peer->size, &why);
    assert_true(head >= 0);
    if (head == 0 || peer->size - (size_t)head < frame->size)
        return false;
    *payload = peer->bytes + head;
    *used = (size_t)head + (size_t)frame->size;
    if (frame->masked)
        vt_mask(*payload, (size_t)frame->size, frame->key, 0);
    return true;
}

/* Takes frames until one of the opcode, which it leaves: whether that has come. */
static inline bool raw_reaches(raw_peer *peer, vt_opcode opcode)
{
    vt_frame frame;
    uint8_t *payload = NULL;
    size_t used = 0;
    while (raw_next(peer, &frame, &payload, &used)) {
        if (frame.opcode == opcode) {
            if (frame.masked) /* looked at again: put the mask back */
                vt_mask(payload, (size_t)frame.size, frame.key, 0);
            return true;
        }
        raw_take(peer, used);
    }
    return false;
}

/* Takes all until the close frame, and that: it has this code and reason. */
static inline void raw_expect_close(live *test, raw_peer *peer, uint16_t code, const char *reason)
{
    vt_frame frame;
    uint8_t *payload = NULL;
    size_t used = 0;
    step_until(test, raw_reaches(peer, VT_OP_CLOSE), "a close frame comes to the raw peer");
    assert_true(raw_next(peer, &frame, &payload, &used));
    assert_true(frame.size >= 2);
    assert_int_equal(payload[0] << 8 | payload[1], code);
    assert_int_equal(frame.size - 2, strlen(reason));
    assert_memory_equal(payload + 2, reason, strlen(reason));
    raw_take(peer, used);
}

#endif
