/*
 * The sentences of TLS. OpenSSL's own are written for its developers ("unable to
 * get local issuer certificate"), so those that people meet are written again
 * here: what was expected, what came instead, since when.
 */
#include "tls_words.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Of the names in a certificate, so many are told; the rest is counted. */
enum { NAMES_TOLD = 3 };

/* Text that grows in a place of VT_TLS_WORDS_BYTES, and is cut there. */
typedef struct draft {
    char *text;
    size_t used;
} draft;

__attribute__((format(printf, 2, 3))) static void add(draft *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = VT_TLS_WORDS_BYTES - to->used;
    int size = vsnprintf(to->text + to->used, room, format, arguments);
    va_end(arguments);
    if (size > 0)
        to->used += (size_t)size < room ? (size_t)size : room - 1;
}

/* --------------------------------------------------------------- certificates */

/* The common name if there is one, else the whole name. */
static void add_name(draft *to, const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *text = NULL;
    if (at >= 0 &&
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))) >= 0)
        add(to, "\"%s\"", (const char *)text);
    else
        add(to, "somebody without a name");
    OPENSSL_free(text);
}

static void add_time(draft *to, const ASN1_TIME *time)
{
    struct tm parts;
    char text[40] = "an unreadable date";
    if (ASN1_TIME_to_tm(time, &parts) == 1)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    add(to, "%s", text);
}

static void add_count(draft *to, int count, const char *singular)
{
    add(to, "%d %s%s", count, singular, count == 1 ? "" : "s");
}

/* ", 2 days ago" or ", in 5 hours"; without days, hours; without hours, nothing. */
static void add_distance(draft *to, const ASN1_TIME *time)
{
    enum { HOUR_S = 3600 };
    int days = 0, seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, time, NULL) != 1) /* NULL: now */
        return;
    bool ago = days > 0 || seconds > 0;
    int whole_days = ago ? days : -days;
    int hours = (ago ? seconds : -seconds) / HOUR_S;
    if (whole_days == 0 && hours == 0)
        return;
    add(to, ago ? ", " : ", in ");
    if (whole_days > 0)
        add_count(to, whole_days, "day");
    else
        add_count(to, hours, "hour");
    if (ago)
        add(to, " ago");
}

/* Whose certificate it is: the peer's own, or one above it. */
static void add_owner(draft *to, X509_STORE_CTX *verification, const vt_tls_parties *parties)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(verification);
    add(to, "the %s's certificate", parties->peer);
    if (X509_STORE_CTX_get_error_depth(verification) > 0 && certificate != NULL) {
        add(to, " goes back to ");
        add_name(to, X509_get_subject_name(certificate));
        add(to, ", whose certificate");
    }
}

static bool add_alternative(draft *to, const GENERAL_NAME *name, const char *before)
{
    char text[INET6_ADDRSTRLEN];
    int kind;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
    if (kind == GEN_DNS) {
        add(to, "%s%.*s", before, ASN1_STRING_length(value),
            (const char *)ASN1_STRING_get0_data(value));
        return true;
    }
    int size = kind == GEN_IPADD ? ASN1_STRING_length(value) : 0;
    if (size != 4 && size != 16)
        return false;
    inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), text, sizeof text);
    add(to, "%s%s", before, text);
    return true;
}

/* "is for a.example, b.example and 2 more, not for c.example" */
static void add_mismatch(draft *to, const X509 *certificate, const char *host)
{
    GENERAL_NAMES *names = certificate == NULL
                               ? NULL
                               : X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int told = 0, more = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        if (told == NAMES_TOLD)
            more++;
        else if (add_alternative(to, sk_GENERAL_NAME_value(names, i),
                                 told == 0 ? " is for " : ", "))
            told++;
    }
    if (more > 0)
        add(to, " and %d more", more);
    if (told > 0)
        add(to, ", not for %s", host);
    else /* RFC 9525: a common name is none */
        add(to, " names no host at all, so not %s", host);
    GENERAL_NAMES_free(names);
}

static void add_revocation(draft *to, X509_STORE_CTX *verification)
{
    X509_CRL *list = X509_STORE_CTX_get0_current_crl(verification);
    X509_REVOKED *entry = NULL;
    add(to, " was revoked");
    if (list == NULL ||
        X509_CRL_get0_by_cert(list, &entry, X509_STORE_CTX_get_current_cert(verification)) == 0)
        return;
    add(to, " on ");
    add_time(to, X509_REVOKED_get0_revocationDate(entry));
}

void vt_tls_say_untrusted(char out[VT_TLS_WORDS_BYTES], X509_STORE_CTX *verification,
                          const vt_tls_parties *parties)
{
    draft to = {out, 0};
    int error = X509_STORE_CTX_get_error(verification);
    X509 *certificate = X509_STORE_CTX_get_current_cert(verification);
    out[0] = '\0';
    add_owner(&to, verification, parties);
    if (certificate == NULL) {
        add(&to, ": %s", X509_verify_cert_error_string(error));
        return;
    }
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        add(&to, " expired on ");
        add_time(&to, X509_get0_notAfter(certificate));
        add_distance(&to, X509_get0_notAfter(certificate));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        add(&to, " is not valid before ");
        add_time(&to, X509_get0_notBefore(certificate));
        add_distance(&to, X509_get0_notBefore(certificate));
        add(&to, "; is the clock right?");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        add_mismatch(&to, certificate, parties->host);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        add(&to, " is self-signed, and not one that is trusted here");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        add(&to, " was issued by ");
        add_name(&to, X509_get_issuer_name(certificate));
        add(&to, ", whom nobody here trusts");
        break;
    case X509_V_ERR_CERT_REVOKED:
        add_revocation(&to, verification);
        break;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        add(&to, " cannot be looked up: there is no revocation list of its issuer");
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        add(&to, " is not one for a %s", parties->peer);
        break;
    default:
        add(&to, ": %s", X509_verify_cert_error_string(error));
        break;
    }
}

/* --------------------------------------------------------------------- alerts */

/* RFC 8446 6.2, as far as people meet them. */
static const struct alert {
    int number;
    const char *words;
    bool about_us; /* about our certificate, or that we have none */
} alerts[] = {
    {SSL_AD_HANDSHAKE_FAILURE, "handshake failure", false},
    {SSL_AD_BAD_CERTIFICATE, "bad certificate", true},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported certificate", true},
    {SSL_AD_CERTIFICATE_REVOKED, "certificate revoked", true},
    {SSL_AD_CERTIFICATE_EXPIRED, "certificate expired", true},
    {SSL_AD_CERTIFICATE_UNKNOWN, "certificate unknown", true},
    {SSL_AD_UNKNOWN_CA, "unknown certificate authority", true},
    {SSL_AD_ACCESS_DENIED, "access denied", true},
    {SSL_AD_DECRYPT_ERROR, "a signature does not fit", false},
    {SSL_AD_PROTOCOL_VERSION, "no version in common", false},
    {SSL_AD_INSUFFICIENT_SECURITY, "it demands other ciphers", false},
    {SSL_AD_INTERNAL_ERROR, "internal error", false},
    {SSL_AD_UNRECOGNIZED_NAME, "unrecognized name", false},
    {SSL_AD_CERTIFICATE_REQUIRED, "certificate required", true},
    {SSL_AD_NO_APPLICATION_PROTOCOL, "it does not speak HTTP/1.1", false},
};

static const struct alert *find_alert(int number)
{
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (alerts[i].number == number)
            return &alerts[i];
    }
    return NULL;
}

vital_cause vt_tls_say_alert(char out[VT_TLS_WORDS_BYTES], int alert, bool handshake,
                             const vt_tls_parties *parties)
{
    const struct alert *known = find_alert(alert);
    const char *words = known != NULL ? known->words : SSL_alert_desc_string_long(alert);
    draft to = {out, 0};
    out[0] = '\0';
    if (known != NULL && known->about_us) {
        if (parties->own_certificate)
            add(&to, "the %s does not accept our certificate", parties->peer);
        else
            add(&to, "the %s wants a certificate of ours, and we have none", parties->peer);
        add(&to, " (alert %d, %s)", alert, words);
        return VITAL_UNTRUSTED;
    }
    add(&to, "the %s ended %s with alert %d, %s", parties->peer,
        handshake ? "the TLS handshake" : "TLS", alert, words);
    return handshake ? VITAL_UNREACHABLE : VITAL_CUT;
}

/* --------------------------------------------------------------------- errors */

vital_cause vt_tls_say_error(char out[VT_TLS_WORDS_BYTES], unsigned long error,
                             const vt_tls_parties *parties)
{
    draft to = {out, 0};
    out[0] = '\0';
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) {
        add(&to, "out of memory");
        return VITAL_OVERFLOW;
    }
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        add(&to, "the %s has no certificate", parties->peer);
        return VITAL_UNTRUSTED;
    case SSL_R_CERTIFICATE_VERIFY_FAILED: /* without a verification that could be asked */
        add(&to, "the %s's certificate cannot be verified", parties->peer);
        return VITAL_UNTRUSTED;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
        add(&to, "the %s speaks neither TLS 1.2 nor TLS 1.3", parties->peer);
        return VITAL_UNREACHABLE;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SHARED_GROUPS:
        add(&to, "the %s and we have no TLS cipher in common", parties->peer);
        return VITAL_UNREACHABLE;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        add(&to, "the %s does not want to speak HTTP/1.1", parties->peer);
        return VITAL_UNREACHABLE;
    default: {
        const char *words = ERR_reason_error_string(error);
        add(&to, "TLS: %s", words != NULL ? words : "not understood");
        return VITAL_MISBEHAVED;
    }
    }
}

void vt_tls_say_no_tls(char out[VT_TLS_WORDS_BYTES], uint8_t first, const vt_tls_parties *parties)
{
    draft to = {out, 0};
    out[0] = '\0';
    add(&to, "the %s does not speak TLS", parties->peer);
    if (first >= 'A' && first <= 'Z')
        add(&to, " but, it seems, plain HTTP; is it ws:// that belongs here, and not wss://?");
}
