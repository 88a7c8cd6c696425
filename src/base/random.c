/*
 * ChaCha20 as a random generator: the keystream is what comes out when zeros
 * are encrypted. It is made a pool at a time, since a call into libcrypto for
 * each 4-byte mask would cost more than the mask. Bytes are erased from the
 * pool as they are handed out, so that a later look into the memory does not
 * show earlier masks; and erased bytes are zeros, which is just what the next
 * refill encrypts in place.
 */
#include "random.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

int vt_random_init(vt_random *random, const uint8_t seed[VT_RANDOM_SEED_BYTES])
{
    static const uint8_t start[16]; /* block counter and nonce; the key is used only once */

    *random = (vt_random){.used = VT_RANDOM_POOL_BYTES};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (cipher == NULL)
        return -1;
    if (EVP_EncryptInit_ex(cipher, EVP_chacha20(), NULL, seed, start) != 1) {
        EVP_CIPHER_CTX_free(cipher);
        return -1;
    }
    random->cipher = cipher;
    return 0;
}

int vt_random_init_system(vt_random *random)
{
    uint8_t seed[VT_RANDOM_SEED_BYTES];
    size_t have = 0;

    *random = (vt_random){0};
    while (have < sizeof(seed)) {
        ssize_t got = getrandom(seed + have, sizeof(seed) - have, 0);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            have += (size_t)got;
    }
    int result = vt_random_init(random, seed);
    OPENSSL_cleanse(seed, sizeof(seed));
    return result;
}

void vt_random_finish(vt_random *random)
{
    if (random == NULL)
        return;
    EVP_CIPHER_CTX_free(random->cipher);
    OPENSSL_cleanse(random, sizeof(*random));
}

static void refill(vt_random *random)
{
    int made = 0;
    int ok = EVP_EncryptUpdate(random->cipher, random->pool, &made, random->pool,
                               VT_RANDOM_POOL_BYTES);
    /* A stream cipher in memory cannot fail; going on without masks that
     * nobody can predict would be worse than to stop. */
    assert(ok == 1 && made == VT_RANDOM_POOL_BYTES);
    random->used = 0;
}

void vt_random_fill(void *random, void *out, size_t size)
{
    vt_random *self = random;
    uint8_t *to = out;

    assert(self->cipher != NULL);
    while (size > 0) {
        if (self->used == VT_RANDOM_POOL_BYTES)
            refill(self);
        size_t left = VT_RANDOM_POOL_BYTES - self->used;
        size_t take = size < left ? size : left;
        memcpy(to, self->pool + self->used, take);
        memset(self->pool + self->used, 0, take);
        self->used += take;
        to += take;
        size -= take;
    }
}

int64_t vt_random_between(void (*fill)(void *, void *, size_t), void *source, int64_t low,
                          int64_t high)
{
    /* A good source needs two draws at worst on average, and 64 with a chance
     * of 2^-64. A broken one, that gives the same number forever, does not
     * hold us up. */
    enum { DRAWS_MAX = 64 };

    if (high <= low)
        return low;
    uint64_t count = (uint64_t)high - (uint64_t)low + 1; /* 0: all 2^64 */
    /* The first multiple of count is in reach of the top only up to here; the
     * numbers above would favour the low end. */
    uint64_t surplus = count == 0 ? 0 : (UINT64_MAX % count + 1) % count;
    uint64_t drawn = 0;
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        fill(source, &drawn, sizeof(drawn));
        if (drawn <= UINT64_MAX - surplus)
            break;
    }
    if (count != 0)
        drawn %= count;
    return (int64_t)((uint64_t)low + drawn);
}
