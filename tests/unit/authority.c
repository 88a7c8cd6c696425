/*
 * Certificates with libcrypto. P-256 keys, since they are made in no time.
 */
#include "authority.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static long next_serial = 1;

static void add_extension(X509 *to, const X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, (X509 *)(uintptr_t)issuer, to, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(to, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void set_time(ASN1_TIME *time, int days, long otherwise_s)
{
    assert_non_null(X509_gmtime_adj(time, days != 0 ? (long)days * DAY_S : otherwise_s));
}

identity make_identity(const wish *wanted, const identity *issuer)
{
    identity made = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    X509 *certificate = made.certificate;
    assert_non_null(made.key);
    assert_non_null(certificate);
    const identity *by = issuer != NULL ? issuer : &made;

    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), next_serial++);
    set_time(X509_getm_notBefore(certificate), wanted->since_days, -HOUR_S);
    set_time(X509_getm_notAfter(certificate), wanted->until_days, DAY_S);
    if (wanted->name != NULL)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)wanted->name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(by->certificate));
    X509_set_pubkey(certificate, made.key);
    add_extension(certificate, by->certificate, NID_basic_constraints,
                  wanted->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(certificate, by->certificate, NID_subject_key_identifier, "hash");
    if (wanted->alternatives != NULL)
        add_extension(certificate, by->certificate, NID_subject_alt_name, wanted->alternatives);
    if (wanted->purpose != NULL)
        add_extension(certificate, by->certificate, NID_ext_key_usage, wanted->purpose);
    assert_true(X509_sign(certificate, by->key, EVP_sha256()) > 0);
    return made;
}

void free_identity(identity *who)
{
    X509_free(who->certificate);
    EVP_PKEY_free(who->key);
}

X509_CRL *make_revocations(const identity *issuer, const X509 *revoked)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -HOUR_S);
    ASN1_TIME *next = X509_gmtime_adj(NULL, DAY_S);
    assert_non_null(list);
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->certificate));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, next);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry,
                                      (ASN1_INTEGER *)(uintptr_t)X509_get0_serialNumber(revoked));
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(list, entry);
    }
    assert_true(X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return list;
}

/* ---------------------------------------------------------------------- files */

void enter_folder(folder *at)
{
    snprintf(at->path, sizeof at->path, "/tmp/vital-pem-XXXXXX");
    assert_non_null(mkdtemp(at->path));
}

void leave_folder(folder *at)
{
    DIR *directory = opendir(at->path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
    assert_int_equal(rmdir(at->path), 0);
}

static FILE *create(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name)
{
    snprintf(out, AUTHORITY_PATH_BYTES, "%s/%s", at->path, name);
    FILE *file = fopen(out, "we");
    assert_non_null(file);
    return file;
}

const char *write_pem(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name,
                      const identity *certificate, const identity *key)
{
    FILE *file = create(out, at, name);
    if (certificate != NULL)
        assert_int_equal(PEM_write_X509(file, certificate->certificate), 1);
    if (key != NULL)
        assert_int_equal(PEM_write_PrivateKey(file, key->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    return out;
}

const char *write_revocations(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name,
                              X509_CRL *list)
{
    FILE *file = create(out, at, name);
    assert_int_equal(PEM_write_X509_CRL(file, list), 1);
    assert_int_equal(fclose(file), 0);
    return out;
}

const char *write_text(char out[AUTHORITY_PATH_BYTES], const folder *at, const char *name,
                       const char *text)
{
    FILE *file = create(out, at, name);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return out;
}
