/*
 * Cryptographically strong random numbers from a seed: the ChaCha20 keystream
 * of libcrypto under a 256-bit key. RFC 6455 10.3 wants masks that nobody can
 * predict; a test wants the same numbers each time; one generator gives both,
 * by where its seed comes from.
 */
#ifndef VT_BASE_RANDOM_H
#define VT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { VT_RANDOM_SEED_BYTES = 32, VT_RANDOM_POOL_BYTES = 1024 };

typedef struct vt_random {
    void *cipher; /* owned: libcrypto's context; NULL once finished */
    size_t used;  /* of the pool */
    uint8_t pool[VT_RANDOM_POOL_BYTES];
} vt_random;

/* 0, or -1 without memory. */
int vt_random_init(vt_random *random, const uint8_t seed[VT_RANDOM_SEED_BYTES]);
/* The seed from the operating system. 0, or -1 without entropy or memory. */
int vt_random_init_system(vt_random *random);
void vt_random_finish(vt_random *random); /* accepts NULL and zeroed */

/* `random` is a vt_random: the shape that vital_entropy wants. */
void vt_random_fill(void *random, void *out, size_t size);

/* Uniform in [low, high], from any source of that shape; low if high <= low. */
int64_t vt_random_between(void (*fill)(void *, void *, size_t), void *source, int64_t low,
                          int64_t high);

#endif
