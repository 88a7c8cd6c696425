/*
 * What went wrong in TLS, in words, and which verdict that is. Sentences have no
 * full stop, and may quote the peer's certificate: they are not to be trusted.
 */
#ifndef VT_TLS_TLS_WORDS_H
#define VT_TLS_TLS_WORDS_H

#include <openssl/x509.h>

#include "tls.h"

enum { VT_TLS_WORDS_BYTES = 320 };

/* Who takes part: `peer` is "server", `host` whom we expect (NULL: nobody). */
typedef struct vt_tls_parties {
    const char *peer;
    const char *host;
    bool own_certificate; /* we have shown one */
} vt_tls_parties;

/* Why a certificate was found wanting, as the verification stands (X509_verify_cert).
 * "the server's certificate expired on 2026-01-31 12:00:00 UTC, 2 days ago" */
void vt_tls_say_untrusted(char out[VT_TLS_WORDS_BYTES], X509_STORE_CTX *verification,
                          const vt_tls_parties *parties);

/* An alert that the peer has sent, while it shook hands or after. */
vital_cause vt_tls_say_alert(char out[VT_TLS_WORDS_BYTES], int alert, bool handshake,
                             const vt_tls_parties *parties);

/* What OpenSSL has against what the peer did: an error of its queue (err.h). */
vital_cause vt_tls_say_error(char out[VT_TLS_WORDS_BYTES], unsigned long error,
                             const vt_tls_parties *parties);

/* The first byte that came is of no TLS record. */
void vt_tls_say_no_tls(char out[VT_TLS_WORDS_BYTES], uint8_t first, const vt_tls_parties *parties);

#endif
