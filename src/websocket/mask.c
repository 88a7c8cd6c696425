/*
 * XOR with a repeating key of four bytes, 32 bytes at a time. A lane is loaded
 * whole before it is stored, which is correct at any alignment and also in
 * place. The vector type says outright what an optimiser may or may not find in
 * a plain loop; where there are no vector registers it becomes plain words.
 */
#include "mask.h"

#include <string.h>

typedef uint64_t lane __attribute__((vector_size(32)));

enum { WORD_BYTES = 8, LANE_BYTES = 32 };

/* The key twice over, turned so that it begins with the byte for `offset`. */
static uint64_t key_word(const uint8_t key[4], uint64_t offset)
{
    uint8_t turned[WORD_BYTES];
    uint64_t word;

    for (size_t i = 0; i < WORD_BYTES; i++)
        turned[i] = key[(offset + i) % 4];
    memcpy(&word, turned, sizeof(word));
    return word;
}

/* `out` is `data`, or does not overlap it. */
static inline void mask_into(uint8_t *out, const uint8_t *data, size_t size, uint64_t word)
{
    size_t at = 0;

    for (; size - at >= LANE_BYTES; at += LANE_BYTES) {
        lane piece;
        memcpy(&piece, data + at, sizeof(piece));
        piece ^= word;
        memcpy(out + at, &piece, sizeof(piece));
    }
    for (; size - at >= WORD_BYTES; at += WORD_BYTES) {
        uint64_t piece;
        memcpy(&piece, data + at, sizeof(piece));
        piece ^= word;
        memcpy(out + at, &piece, sizeof(piece));
    }
    uint8_t turned[WORD_BYTES];
    memcpy(turned, &word, sizeof(turned));
    for (size_t i = 0; at < size; i++, at++)
        out[at] = data[at] ^ turned[i];
}

void vt_mask(uint8_t *data, size_t size, const uint8_t key[4], uint64_t offset)
{
    mask_into(data, data, size, key_word(key, offset));
}

void vt_mask_copy(uint8_t *out, const uint8_t *data, size_t size, const uint8_t key[4],
                  uint64_t offset)
{
    mask_into(out, data, size, key_word(key, offset));
}
