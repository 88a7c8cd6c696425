/*
 * An early end of a comparison tells who guesses how much of the guess was right
 * (CVE-2021-33880); OpenSSL's looks at every byte and branches at none.
 */
#include <openssl/crypto.h>

#include <vital/vital.h>

bool vital_secret_matches(const char *given, const char *secret)
{
    if (given == NULL || secret == NULL)
        return false;
    size_t size = strlen(secret);
    return strlen(given) == size && CRYPTO_memcmp(given, secret, size) == 0;
}
