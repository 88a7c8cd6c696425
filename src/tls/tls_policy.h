/*
 * The inside of a policy, for the rest of src/tls.
 */
#ifndef VT_TLS_TLS_POLICY_H
#define VT_TLS_TLS_POLICY_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "tls.h"

struct vt_tls_policy {
    size_t holders;
    SSL_CTX *context;     /* owned, as all of these */
    BIO_METHOD *method;   /* how OpenSSL reaches the bytes of a vt_tls */
    SSL_SESSION *session; /* client: the last one, to resume; NULL: none */
    char *host;           /* client: whom to expect, without a final dot */
    bool numeric;         /* the host is an address: no SNI (RFC 6066 3) */
    bool server;
    bool own_certificate;
    const char *peer; /* borrowed, static */
};

void vt_tls_policy_hold(vt_tls_policy *policy);

/* Of BIOs whose data is a vt_tls. NULL without memory. */
BIO_METHOD *vt_tls_bio_method(void);

#endif
