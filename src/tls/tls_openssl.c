/*
 * The machine, on OpenSSL 3. OpenSSL reads and writes through a BIO of our own
 * that is nothing but two places in memory: what was fed and is lent to us, and
 * what is to leave, which exists only while there is any. So every byte leaves
 * through whoever owns the machine, and a quiet connection holds no buffer, ours
 * or (SSL_MODE_RELEASE_BUFFERS) OpenSSL's.
 *
 *   shaking hands --SECURED--> open --close_notify--> ENDED
 *         |                     |
 *         +------- FAILED <-----+
 */
#include "tls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tls_policy.h"
#include "tls_words.h"

enum {
    /* Handshake messages of the peer, and alerts that they earn it, with no data
     * between them: tickets, new keys, the wish to renegotiate (which is refused).
     * Each costs us more than it costs the peer. */
    ASIDES_MOST = 32,
    /* Nobody takes it: the owner is broken, or the peer makes us talk. */
    OUTPUT_MOST_BYTES = 512 * 1024,
    OUTPUT_FIRST_BYTES = 1024,
    CONTENT_ALERT = 21, /* RFC 8446 5.1 */
    CONTENT_HANDSHAKE = 22,
    ALERT_FATAL = 2,
};

struct vt_tls {
    SSL *ssl;              /* owned */
    vt_tls_policy *policy; /* held */
    const uint8_t *input;  /* lent */
    size_t input_size;
    uint8_t *output; /* owned */
    size_t output_size;
    size_t output_capacity;
    bool heard; /* a first byte */
    bool secured;
    bool ended;
    bool failed;
    int asides;
    int alert; /* that one of us has ended it with; 0: none */
    vital_failure failure;
    char *what; /* owned: the failure in words */
};

static vt_tls_parties parties_of(const vt_tls *tls)
{
    return (vt_tls_parties){
        .peer = tls->policy->peer,
        .host = tls->policy->host,
        .own_certificate = tls->policy->own_certificate,
    };
}

/* ------------------------------------------------------------ OpenSSL's bytes */

/* No input, and none that will come: OpenSSL stops where it is. */
static bool is_over(const vt_tls *tls)
{
    return tls->asides > ASIDES_MOST;
}

static int bio_read(BIO *bio, char *out, size_t room, size_t *got)
{
    vt_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (is_over(tls))
        return 0;
    if (tls->input_size == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = room < tls->input_size ? room : tls->input_size;
    memcpy(out, tls->input, *got);
    tls->input += *got;
    tls->input_size -= *got;
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *written)
{
    vt_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written = 0;
    if (size > OUTPUT_MOST_BYTES - tls->output_size)
        return 0;
    size_t capacity = tls->output_capacity > 0 ? tls->output_capacity : OUTPUT_FIRST_BYTES;
    while (capacity < tls->output_size + size)
        capacity *= 2;
    uint8_t *output = tls->output;
    if (capacity > tls->output_capacity)
        output = realloc(tls->output, capacity);
    if (output == NULL)
        return 0;
    tls->output = output;
    tls->output_capacity = capacity;
    memcpy(tls->output + tls->output_size, bytes, size);
    tls->output_size += size;
    *written = size;
    return 1;
}

static long bio_control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *vt_tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "vital");
    if (method != NULL) {
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_ctrl(method, bio_control);
    }
    return method;
}

static BIO *make_bio(vt_tls *tls)
{
    BIO *bio = BIO_new(tls->policy->method);
    if (bio != NULL) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ------------------------------------------------------------------- failures */

static void fail(vt_tls *tls, vital_cause cause, const char *what)
{
    if (tls->failed || tls->ended)
        return;
    tls->failed = true;
    free(tls->what);
    tls->what = strdup(what);
    tls->failure = (vital_failure){
        .cause = cause,
        .alert = tls->alert,
        .what = tls->what, /* without memory there are no words */
    };
}

/* The alert that the peer has ended it with; 0: it has not. */
static int received_alert(unsigned long error)
{
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    return reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : 0;
}

/* OpenSSL has stopped. */
static void fail_by_openssl(vt_tls *tls)
{
    char what[VT_TLS_WORDS_BYTES];
    unsigned long error = ERR_peek_error();
    int alert = received_alert(error);
    vt_tls_parties parties = parties_of(tls);
    if (is_over(tls)) {
        fail(tls, VITAL_MISBEHAVED,
             "TLS: more new keys, tickets or renegotiations in a row than "
             "data could need");
    } else if (alert != 0) {
        tls->alert = alert;
        vital_cause cause = vt_tls_say_alert(what, alert, !tls->secured, &parties);
        fail(tls, cause, what);
    } else if (tls->what != NULL) {
        char *words = tls->what; /* of the verification */
        tls->what = NULL;
        fail(tls, VITAL_UNTRUSTED, words);
        free(words);
    } else {
        vital_cause cause = vt_tls_say_error(what, error, &parties);
        fail(tls, cause, what);
    }
}

/* The first thing that verification finds wrong is put into words while it can
 * be looked at; OpenSSL then ends the handshake with the alert that fits. */
static int on_verified(int good, X509_STORE_CTX *verification)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
    vt_tls *tls = SSL_get_app_data(ssl);
    if (good || tls->what != NULL)
        return good;
    char what[VT_TLS_WORDS_BYTES];
    vt_tls_parties parties = parties_of(tls);
    vt_tls_say_untrusted(what, verification, &parties);
    tls->what = strdup(what);
    return 0;
}

/* Sees in plain what comes and goes beside the data. */
static void on_message(int sent, int version, int content, const void *bytes, size_t size, SSL *ssl,
                       void *user)
{
    vt_tls *tls = user;
    const uint8_t *message = bytes;
    (void)version, (void)ssl;
    bool alert = content == CONTENT_ALERT && size == 2;
    if (alert && sent && message[0] == ALERT_FATAL)
        tls->alert = message[1];
    if (tls->secured && (sent ? alert : content == CONTENT_HANDSHAKE))
        tls->asides++;
}

/* ----------------------------------------------------------------- life cycle */

int vt_tls_create(vt_tls **out, vt_tls_policy *policy)
{
    vt_tls *tls = calloc(1, sizeof *tls);
    *out = tls;
    if (tls == NULL)
        return VITAL_ENOMEM;
    tls->policy = policy;
    vt_tls_policy_hold(policy);
    tls->ssl = SSL_new(policy->context);
    BIO *bio = make_bio(tls);
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        goto fail;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    int verify = SSL_get_verify_mode(tls->ssl);
    SSL_set_verify(tls->ssl, verify, verify == SSL_VERIFY_NONE ? NULL : on_verified);
    SSL_set_msg_callback(tls->ssl, on_message);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    if (policy->server) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    if (!policy->numeric && SSL_set_tlsext_host_name(tls->ssl, policy->host) != 1)
        goto fail;
    if (policy->session != NULL && SSL_set_session(tls->ssl, policy->session) != 1)
        goto fail;
    return 0;

fail:
    vt_tls_destroy(tls);
    *out = NULL;
    ERR_clear_error();
    return VITAL_ENOMEM;
}

void vt_tls_destroy(vt_tls *tls)
{
    if (tls == NULL)
        return;
    /* A lost stream is what we live with: its session is as good as before, though
     * nobody said goodbye, which OpenSSL would hold against it. */
    if (tls->ssl != NULL && (!tls->failed || tls->failure.cause == VITAL_CUT))
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    vt_tls_policy_release(tls->policy);
    free(tls->output);
    free(tls->what);
    free(tls);
}

/* ------------------------------------------------------------------- bytes in */

void vt_tls_feed(vt_tls *tls, const uint8_t *bytes, size_t size)
{
    assert(tls->input_size == 0);
    tls->input = bytes;
    tls->input_size = size;
}

/* A first record is a handshake, or an alert that refuses one (RFC 8446 5.1). */
static bool begins_well(vt_tls *tls)
{
    if (tls->heard || tls->input_size == 0)
        return true;
    tls->heard = true;
    if (tls->input[0] == CONTENT_HANDSHAKE || tls->input[0] == CONTENT_ALERT)
        return true;
    char what[VT_TLS_WORDS_BYTES];
    vt_tls_parties parties = parties_of(tls);
    vt_tls_say_no_tls(what, tls->input[0], &parties);
    fail(tls, VITAL_MISBEHAVED, what);
    return false;
}

/* Input that nobody will look at is not lent any longer. */
static vt_tls_outcome settle(vt_tls *tls, vt_tls_outcome outcome)
{
    if (outcome == VT_TLS_FAILED || outcome == VT_TLS_ENDED)
        tls->input_size = 0;
    return outcome;
}

vt_tls_outcome vt_tls_read(vt_tls *tls, uint8_t out[VT_TLS_RECORD_BYTES], size_t *size)
{
    *size = 0;
    if (tls->ended)
        return settle(tls, VT_TLS_ENDED);
    if (tls->failed || !begins_well(tls))
        return settle(tls, VT_TLS_FAILED);

    ERR_clear_error();
    bool shaking = !tls->secured;
    int result = shaking ? SSL_do_handshake(tls->ssl)
                         : SSL_read_ex(tls->ssl, out, VT_TLS_RECORD_BYTES, size);
    if (result == 1 && shaking) {
        tls->secured = true;
        return VT_TLS_SECURED;
    }
    if (result == 1) {
        tls->asides = 0;
        return VT_TLS_DATA;
    }
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return VT_TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        tls->ended = true;
        return settle(tls, VT_TLS_ENDED);
    default:
        fail_by_openssl(tls);
        return settle(tls, VT_TLS_FAILED);
    }
}

void vt_tls_cut(vt_tls *tls)
{
    char what[VT_TLS_WORDS_BYTES];
    if (tls->secured) {
        fail(tls, VITAL_CUT,
             "TLS was not ended either, so the last of what was said may be "
             "missing");
        return;
    }
    snprintf(what, sizeof what, "the %s ended the stream in the middle of the TLS handshake",
             tls->policy->peer);
    fail(tls, VITAL_UNREACHABLE, what);
}

/* ------------------------------------------------------------------ bytes out */

bool vt_tls_write(vt_tls *tls, const void *bytes, size_t size)
{
    size_t written;
    assert(tls->secured && size > 0 && size <= VT_TLS_RECORD_BYTES);
    ERR_clear_error();
    if (tls->failed)
        return false;
    if (SSL_write_ex(tls->ssl, bytes, size, &written) == 1)
        return true;
    fail_by_openssl(tls);
    return false;
}

void vt_tls_end(vt_tls *tls)
{
    if (!tls->secured || tls->failed)
        return;
    ERR_clear_error();
    SSL_shutdown(tls->ssl); /* what it makes of it shows in what there is to take */
}

size_t vt_tls_waiting(const vt_tls *tls)
{
    return tls->output_size;
}

uint8_t *vt_tls_take(vt_tls *tls, size_t *size)
{
    uint8_t *output = tls->output;
    *size = tls->output_size;
    tls->output = NULL;
    tls->output_size = tls->output_capacity = 0;
    return output;
}

/* ---------------------------------------------------------------------- facts */

const vital_failure *vt_tls_failure(const vt_tls *tls)
{
    return &tls->failure;
}

bool vt_tls_secured(const vt_tls *tls)
{
    return tls->secured;
}

/* RFC 4514, but for characters beyond ASCII, which stay UTF-8. */
static void write_subject(char *out, size_t room, const X509 *certificate)
{
    BIO *text = BIO_new(BIO_s_mem());
    if (text != NULL && X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
                                           XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) > 0) {
        int size = BIO_read(text, out, (int)room - 1);
        out[size > 0 ? size : 0] = '\0';
    }
    BIO_free(text);
}

void vt_tls_describe(const vt_tls *tls, vital_tls_facts *out)
{
    *out = (vital_tls_facts){
        .version = SSL_get_version(tls->ssl),
        .cipher = SSL_get_cipher_name(tls->ssl),
        .resumed = SSL_session_reused(tls->ssl) == 1,
    };
    const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (certificate != NULL)
        write_subject(out->peer, sizeof out->peer, certificate);
}
