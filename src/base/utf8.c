/*
 * UTF-8 validation by an automaton that is a shift. Every byte has one 64-bit
 * row; the state is a bit position in it, and the six bits found there are the
 * next state. So the only thing that one byte has to wait for from the byte
 * before it is one shift, and a bad byte needs no branch of its own: BAD leads
 * to BAD, and a block is judged at its end. Text is mostly ASCII, which needs
 * no automaton at all and is skipped 32 bytes at a time.
 */
#include "utf8.h"

#include <string.h>

/* Each state says how many bytes are missing and which the next may be. */
enum {
    START = 0,     /* none missing */
    ONE = 6,       /* 80..BF */
    TWO = 12,      /* 80..BF, then ONE */
    THREE = 18,    /* 80..BF, then TWO */
    AFTER_E0 = 24, /* A0..BF, then ONE: below is overlong */
    AFTER_ED = 30, /* 80..9F, then ONE: above are surrogates */
    AFTER_F0 = 36, /* 90..BF, then TWO: below is overlong */
    AFTER_F4 = 42, /* 80..8F, then TWO: above is beyond U+10FFFF */
    BAD = 48,
    STATE_MASK = 63,
};

enum { BLOCK_BYTES = 16 };

#define AT(state, next) ((uint64_t)(next) << (state))
#define ROW(start, one, two, three, e0, ed, f0, f4)                                         \
    (AT(START, start) | AT(ONE, one) | AT(TWO, two) | AT(THREE, three) | AT(AFTER_E0, e0) | \
     AT(AFTER_ED, ed) | AT(AFTER_F0, f0) | AT(AFTER_F4, f4) | AT(BAD, BAD))

#define LEAD(next) ROW(next, BAD, BAD, BAD, BAD, BAD, BAD, BAD)
#define CONT_80_8F ROW(BAD, START, ONE, TWO, BAD, ONE, BAD, TWO)
#define CONT_90_9F ROW(BAD, START, ONE, TWO, BAD, ONE, TWO, BAD)
#define CONT_A0_BF ROW(BAD, START, ONE, TWO, ONE, BAD, TWO, BAD)

#define X2(row) row, row
#define X3(row) row, row, row
#define X4(row) X2(row), X2(row)
#define X8(row) X4(row), X4(row)
#define X16(row) X8(row), X8(row)
#define X32(row) X16(row), X16(row)
#define X64(row) X32(row), X32(row)

static const uint64_t rows[256] = {
    X64(LEAD(START)), X64(LEAD(START)),                                 /* 00..7F */
    X16(CONT_80_8F),  X16(CONT_90_9F),  X32(CONT_A0_BF),                /* 80..BF */
    X2(LEAD(BAD)),                                                      /* C0, C1: overlong */
    X16(LEAD(ONE)),   X8(LEAD(ONE)),    X4(LEAD(ONE)),   X2(LEAD(ONE)), /* C2..DF */
    LEAD(AFTER_E0),   X8(LEAD(TWO)),    X4(LEAD(TWO)),                  /* E0..EC */
    LEAD(AFTER_ED),   X2(LEAD(TWO)),                                    /* ED..EF */
    LEAD(AFTER_F0),   X3(LEAD(THREE)),  LEAD(AFTER_F4),                 /* F0..F4 */
    X8(LEAD(BAD)),    X3(LEAD(BAD)),                                    /* F5..FF: never */
};

static bool all_ascii(const uint8_t data[32])
{
    uint64_t words[4];
    memcpy(words, data, sizeof(words));
    return ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) == 0;
}

bool vt_utf8_feed(vt_utf8 *utf8, const uint8_t *data, size_t size)
{
    uint64_t state = utf8->state;
    size_t at = 0;

    while (at < size) {
        if (state == START) {
            while (size - at >= 32 && all_ascii(data + at))
                at += 32;
        }
        size_t end = size - at < BLOCK_BYTES ? size : at + BLOCK_BYTES;
        for (; at < end; at++)
            state = rows[data[at]] >> state & STATE_MASK;
        if (state == BAD)
            break;
    }
    utf8->state = (uint8_t)state;
    return state != BAD;
}

bool vt_utf8_valid(const void *data, size_t size)
{
    vt_utf8 utf8 = {0};
    return vt_utf8_feed(&utf8, data, size) && vt_utf8_complete(&utf8);
}
