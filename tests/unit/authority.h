/*
 * A certificate authority for tests: whatever a certificate can be or lack, made
 * on the spot, so that nothing here expires but what is meant to.
 */
#ifndef VT_TESTS_AUTHORITY_H
#define VT_TESTS_AUTHORITY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ssl.h>

enum { AUTHORITY_PATH_BYTES = 128 };

/* A key and its certificate. */
typedef struct identity {
    X509 *certificate;
    EVP_PKEY *key;
} identity;

/* Zero is a certificate of now, for nobody. */
typedef struct wish {
    const char *name;         /* the subject's common name */
    const char *alternatives; /* "DNS:a.example,IP:127.0.0.1" */
    const char *purpose;      /* "serverAuth"; NULL: any */
    bool authority;
    int since_days; /* from now; 0: an hour ago */
    int until_days; /* from now; 0: tomorrow */
} wish;

/* Issued by itself if `issuer` is NULL. */
identity make_identity(const wish *wanted, const identity *issuer);
void free_identity(identity *who);
/* A list of the issuer's with one entry, or none. */
X509_CRL *make_revocations(const identity *issuer, const X509 *revoked);

/* A directory for files; leave_directory() removes all that is in it. */
typedef struct folder {
    char path[32];
} folder;
void enter_folder(folder *at);
void leave_folder(folder *at);

/* Writes folder/name, in PEM form; NULL is left out. The path is written to out,
 * which is returned. */
const char *write_pem(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name,
                      const identity *certificate, const identity *key);
const char *write_revocations(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name,
                              X509_CRL *list);
const char *write_text(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name,
                       const char *text);

#endif
