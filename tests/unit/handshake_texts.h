/*
 * The texts of the handshake's tests: the example of RFC 6455, line by line, so
 * that a case can be that example with one line changed; and how such a text is
 * gathered, and spoilt.
 */
#ifndef VT_TESTS_HANDSHAKE_TEXTS_H
#define VT_TESTS_HANDSHAKE_TEXTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extension.h"
#include "head.h"

enum { LIMIT = 8192 };

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define LINE "GET /chat?room=1 HTTP/1.1\r\n"
#define HOST "Host: server.example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEYED "Sec-WebSocket-Key: " KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define END "\r\n"
#define FIELDS HOST UPGRADE CONNECTION KEYED VERSION
#define REQUEST LINE FIELDS END
/* A good request with more headers. */
#define WITH(more) LINE FIELDS more END
#define OFFER(names) WITH("Sec-WebSocket-Protocol: " names "\r\n")

/* Nothing agreed, and nothing offered. */
#define NO_DEFLATE ((vt_deflate_terms){.agreed = false})
#define NO_COMPRESSION ((vital_compression){.enabled = false})

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPTED "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define RESPONSE SWITCH UPGRADE CONNECTION ACCEPTED END
#define ANSWER(more) SWITCH UPGRADE CONNECTION ACCEPTED more END

/* In pieces of so many bytes: whether it became complete. */
static inline bool gather(vt_head *head, const char *bytes, size_t size, size_t piece)
{
    *head = (vt_head){0};
    int result = 0;
    for (size_t at = 0; result == 0 && at < size;) {
        size_t used;
        size_t left = size - at;
        result = vt_head_feed(head, bytes + at, left < piece ? left : piece, LIMIT, &used);
        at += used;
    }
    return result == 1;
}

static inline uint32_t random_of(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Changes, inserts, removes, repeats and cuts. Returns the new size. */
static inline size_t mutate(char *text, size_t size, size_t room, uint32_t *seed)
{
    static const char spice[] = "\r\n\r\n :,\t\0\x7f\xff=/?#HTTP/1.1 101 13websocketUpgrade";
    for (uint32_t n = random_of(seed) % 4; n > 0 && size > 1; n--) {
        size_t at = random_of(seed) % size;
        size_t run = 1 + random_of(seed) % 8;
        switch (random_of(seed) % 5) {
        case 0:
            text[at] = (char)random_of(seed);
            break;
        case 1:
            text[at] = spice[random_of(seed) % (sizeof spice - 1)];
            break;
        case 2: /* remove a run */
            run = run < size - at ? run : size - at;
            memmove(text + at, text + at + run, size - at - run);
            size -= run;
            break;
        case 3: /* repeat from there to the end */
            if (size + (size - at) <= room) {
                memmove(text + size, text + at, size - at);
                size += size - at;
            }
            break;
        default:
            size = at;
        }
    }
    return size;
}

#endif
