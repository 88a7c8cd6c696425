/*
 * TLS 1.2 and 1.3 as a machine: bytes in, bytes out, whatever carries them (RFC
 * 8446, RFC 5246). It owns no socket and calls nobody back. It is not pure, as
 * the layers beside it are: OpenSSL draws its own random numbers, and looks at the
 * wall clock when it checks a certificate.
 *
 *   what came  --vt_tls_feed()-->  vt_tls_read()   -->  plain bytes, and outcomes
 *   to leave   <--vt_tls_take()--  vt_tls_write()  <--  plain bytes
 *
 * After each call there may be something to take: the machine also speaks for
 * itself. What it never does: renegotiate, compress, send or take early data,
 * speak SSL, TLS 1.0 or 1.1, or a cipher without forward secrecy.
 */
#ifndef VT_TLS_TLS_H
#define VT_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

enum {
    VT_TLS_RECORD_BYTES = 16 * 1024, /* of plain bytes, RFC 8446 5.1 */
    VT_TLS_PROBLEM_BYTES = 256,
};

/* ------------------------------------------------------------------- policies */

/* The system's trust store, read once: it may hold hundreds of certificates, nearly
 * a megabyte of them. Policies that were given it hold it. */
typedef struct vt_tls_trust vt_tls_trust;
vt_tls_trust *vt_tls_trust_create(void);        /* NULL without memory */
void vt_tls_trust_destroy(vt_tls_trust *trust); /* accepts NULL */

/* What all connections of a kind have in common: certificates, whom to trust,
 * and what makes the next handshake shorter. Counted: whoever was given one
 * releases it, and each vt_tls holds its own. */
typedef struct vt_tls_policy vt_tls_policy;

typedef struct vt_tls_setup {
    bool server;
    const vital_tls *options;  /* borrowed, as the rest: nothing is kept */
    const char *host;          /* client: a name or a numeric address */
    const vt_tls_trust *trust; /* client: if the options name no ca_file; NULL: its own */
    const char *peer;          /* what sentences call the other side: "server"; static */
} vt_tls_setup;

/* A copy of the options, and of the strings in them. False without memory. */
bool vt_tls_options_copy(vital_tls *out, const vital_tls *options);
void vt_tls_options_finish(vital_tls *copy); /* accepts zeroed */

/* 0, or VITAL_EINVAL, VITAL_ESYSTEM (a file) or VITAL_ENOMEM, with a sentence. */
int vt_tls_policy_create(vt_tls_policy **out, const vt_tls_setup *setup,
                         char problem[VT_TLS_PROBLEM_BYTES]);
void vt_tls_policy_release(vt_tls_policy *policy); /* accepts NULL */

/* ---------------------------------------------------------------- connections */

typedef struct vt_tls vt_tls;

typedef enum vt_tls_outcome {
    VT_TLS_MORE,    /* all that was fed has been used */
    VT_TLS_SECURED, /* once: the handshake is complete, and the peer proven */
    VT_TLS_DATA,    /* plain bytes */
    VT_TLS_ENDED,   /* the peer has said that it will send no more; and from then on */
    VT_TLS_FAILED,  /* vt_tls_failure() says why; and from then on */
} vt_tls_outcome;

/* 0 or VITAL_ENOMEM. A first vt_tls_read() begins the handshake. */
int vt_tls_create(vt_tls **out, vt_tls_policy *policy);
void vt_tls_destroy(vt_tls *tls); /* accepts NULL */

/* Bytes that came. Lent until vt_tls_read() has said VT_TLS_MORE. */
void vt_tls_feed(vt_tls *tls, const uint8_t *bytes, size_t size);
vt_tls_outcome vt_tls_read(vt_tls *tls, uint8_t out[VT_TLS_RECORD_BYTES], size_t *size);

/* Once secured, at most VT_TLS_RECORD_BYTES: they become records of their own.
 * False: it has failed. */
bool vt_tls_write(vt_tls *tls, const void *bytes, size_t size);
/* We shall send no more: close_notify, once secured. */
void vt_tls_end(vt_tls *tls);

/* What is to leave. It becomes the caller's to free(); NULL with size 0: nothing. */
uint8_t *vt_tls_take(vt_tls *tls, size_t *size);
size_t vt_tls_waiting(const vt_tls *tls); /* bytes to take */

/* The stream beneath has ended, in order, but without a close_notify: fails. That
 * is what somebody does who wants a part of what was said to be missed (RFC 8446
 * 6.1). No effect on what has ended or failed. */
void vt_tls_cut(vt_tls *tls);
/* After VT_TLS_FAILED. As long as the machine lives. */
const vital_failure *vt_tls_failure(const vt_tls *tls);

bool vt_tls_secured(const vt_tls *tls);

/* Once secured. The strings live as long as the machine. */
void vt_tls_describe(const vt_tls *tls, vital_tls_facts *out);

#endif
