/*
 * The sentences: each certificate that is not good says what is wrong with it, in
 * words that a person can act on.
 */
#include "tls_words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "authority.h"

static char words[VT_TLS_WORDS_BYTES];

static const vt_tls_parties CLIENT = {.peer = "server", .host = "example.org"};

static void says(const char *text)
{
    if (strstr(words, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", words, text);
}

static int put_into_words(int good, X509_STORE_CTX *verification)
{
    if (!good && words[0] == '\0')
        vt_tls_say_untrusted(words, verification, &CLIENT);
    return good;
}

/* Verifies it as a client would; `list` and `between` may be NULL. */
static void verify(const identity *leaf, const identity *root, X509 *between, X509_CRL *list)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    words[0] = '\0';
    if (root != NULL)
        X509_STORE_add_cert(store, root->certificate);
    if (between != NULL)
        sk_X509_push(untrusted, between);
    if (list != NULL)
        X509_STORE_add_crl(store, list);
    assert_int_equal(X509_STORE_CTX_init(verification, store, leaf->certificate, untrusted), 1);
    X509_STORE_CTX_set_default(verification, "ssl_server");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(verification);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set1_host(param, CLIENT.host, 0);
    if (list != NULL)
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK);
    X509_STORE_CTX_set_verify_cb(verification, put_into_words);
    bool good = X509_verify_cert(verification) == 1;
    assert_int_equal(good, words[0] == '\0');
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(verification);
    X509_STORE_free(store);
    ERR_clear_error();
}

static identity root;

static int setup(void **state)
{
    (void)state;
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL); /* its sentences are loaded with it */
    root = make_identity(&(wish){.name = "Test Root", .authority = true}, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_identity(&root);
    return 0;
}

/* Made by the root as wished, verified, and what is said of it. */
static void issued(const wish *wanted, const char *text)
{
    identity leaf = make_identity(wanted, &root);
    verify(&leaf, &root, NULL, NULL);
    says(text);
    free_identity(&leaf);
}

/* ---------------------------------------------------------------- certificates */

static void a_good_one_gives_no_reason_to_speak(void **state)
{
    (void)state;
    identity leaf = make_identity(&(wish){.alternatives = "DNS:example.org"}, &root);
    verify(&leaf, &root, NULL, NULL);
    assert_string_equal(words, "");
    free_identity(&leaf);
}

static void an_expired_one_says_since_when(void **state)
{
    (void)state;
    char date[40];
    time_t then = time(NULL) - 3 * 24 * 3600;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&then));
    issued(&(wish){.alternatives = "DNS:example.org", .since_days = -9, .until_days = -3},
           "the server's certificate expired on ");
    says(date);
    says(" UTC, 3 days ago");
}

static void one_of_the_future_doubts_the_clock(void **state)
{
    (void)state;
    issued(&(wish){.alternatives = "DNS:example.org", .since_days = 3, .until_days = 9},
           "the server's certificate is not valid before ");
    says("; is the clock right?");
    says(" UTC, in ");
}

static void one_for_another_name_says_for_which(void **state)
{
    (void)state;
    issued(&(wish){.alternatives = "DNS:a.example,IP:127.0.0.1"},
           "the server's certificate is for a.example, 127.0.0.1, not for example.org");
    issued(&(wish){.alternatives = "IP:::1"}, "is for ::1, not for example.org");
    issued(&(wish){.alternatives = "DNS:a.example,email:a@b.example,DNS:b.example,DNS:c.example,"
                                   "DNS:d.example,DNS:e.example"},
           "is for a.example, b.example, c.example and 2 more, not for example.org");
}

static void a_common_name_is_no_name(void **state)
{
    (void)state;
    issued(&(wish){.name = "example.org"},
           "the server's certificate names no host at all, so not example.org");
}

static void one_that_issued_itself_is_called_self_signed(void **state)
{
    (void)state;
    identity own = make_identity(&(wish){.name = "own", .alternatives = "DNS:example.org"}, NULL);
    verify(&own, &root, NULL, NULL);
    says("the server's certificate is self-signed");
    free_identity(&own);
}

static void one_by_a_stranger_names_the_stranger(void **state)
{
    (void)state;
    identity stranger = make_identity(&(wish){.name = "Stranger", .authority = true}, NULL);
    identity leaf = make_identity(&(wish){.alternatives = "DNS:example.org"}, &stranger);
    verify(&leaf, &root, NULL, NULL);
    says("the server's certificate was issued by \"Stranger\", whom nobody here trusts");
    verify(&leaf, &root, stranger.certificate, NULL);
    says("the server's certificate goes back to \"Stranger\", whose certificate is self-signed");
    free_identity(&leaf);
    free_identity(&stranger);
}

static void what_is_wrong_above_is_not_blamed_on_the_server(void **state)
{
    (void)state;
    identity between = make_identity(
        &(wish){.name = "Between", .authority = true, .since_days = -9, .until_days = -3}, &root);
    identity leaf = make_identity(&(wish){.alternatives = "DNS:example.org"}, &between);
    verify(&leaf, &root, between.certificate, NULL);
    says("the server's certificate goes back to \"Between\", whose certificate expired on ");
    free_identity(&leaf);
    free_identity(&between);
}

static void a_revoked_one_says_when(void **state)
{
    (void)state;
    identity leaf = make_identity(&(wish){.alternatives = "DNS:example.org"}, &root);
    X509_CRL *list = make_revocations(&root, leaf.certificate);
    char date[40];
    time_t then = time(NULL) - 3600;
    strftime(date, sizeof date, "was revoked on %Y-%m-%d", gmtime(&then));
    verify(&leaf, &root, NULL, list);
    says(date);
    X509_CRL_free(list);

    list = make_revocations(&root, NULL);
    verify(&leaf, &root, NULL, list);
    assert_string_equal(words, "");
    X509_CRL_free(list);

    identity stranger = make_identity(&(wish){.name = "Stranger", .authority = true}, NULL);
    list = make_revocations(&stranger, NULL);
    verify(&leaf, &root, NULL, list);
    says("there is no revocation list of its issuer");
    X509_CRL_free(list);
    free_identity(&stranger);
    free_identity(&leaf);
}

static void one_for_another_purpose_says_so(void **state)
{
    (void)state;
    issued(&(wish){.alternatives = "DNS:example.org", .purpose = "clientAuth"},
           "the server's certificate is not one for a server");
}

static void whatever_else_is_said_in_openssl_s_words(void **state)
{
    (void)state;
    identity between = make_identity(&(wish){.name = "No Authority"}, &root);
    identity leaf = make_identity(&(wish){.alternatives = "DNS:example.org"}, &between);
    verify(&leaf, &root, between.certificate, NULL);
    says("the server's certificate ");
    free_identity(&leaf);
    free_identity(&between);
}

static void long_names_are_cut_and_not_overrun(void **state)
{
    (void)state;
    char alternatives[1024] = "";
    for (int i = 0; i < 3; i++) {
        size_t used = strlen(alternatives);
        snprintf(alternatives + used, sizeof alternatives - used, "%sDNS:", i == 0 ? "" : ",");
        used = strlen(alternatives);
        memset(alternatives + used, 'a' + i, 200);
        alternatives[used + 200] = '\0';
    }
    issued(&(wish){.alternatives = alternatives}, "the server's certificate is for aaaa");
    assert_int_equal(strlen(words), VT_TLS_WORDS_BYTES - 1);
}

/* ---------------------------------------------------------------------- alerts */

static void alerts_about_our_certificate_are_about_trust(void **state)
{
    (void)state;
    static const int about_us[] = {42, 43, 44, 45, 46, 48, 49, 116};
    const vt_tls_parties shown = {.peer = "server", .own_certificate = true};
    for (size_t i = 0; i < sizeof about_us / sizeof about_us[0]; i++) {
        assert_int_equal(vt_tls_say_alert(words, about_us[i], true, &CLIENT), VITAL_UNTRUSTED);
        says("the server wants a certificate of ours, and we have none (alert ");
        assert_int_equal(vt_tls_say_alert(words, about_us[i], false, &shown), VITAL_UNTRUSTED);
        says("the server does not accept our certificate (alert ");
    }
    says("116, certificate required)");
}

static void other_alerts_end_a_handshake_or_a_connection(void **state)
{
    (void)state;
    for (int alert = 0; alert < 256; alert++) {
        vital_cause in_handshake = vt_tls_say_alert(words, alert, true, &CLIENT);
        if (in_handshake == VITAL_UNTRUSTED)
            continue;
        assert_int_equal(in_handshake, VITAL_UNREACHABLE);
        says("the server ended the TLS handshake with alert ");
        assert_int_equal(vt_tls_say_alert(words, alert, false, &CLIENT), VITAL_CUT);
        says("the server ended TLS with alert ");
    }
    vt_tls_say_alert(words, 70, true, &CLIENT);
    says("alert 70, no version in common");
}

/* ---------------------------------------------------------------------- errors */

static void errors_have_the_cause_of_what_a_person_would_do(void **state)
{
    (void)state;
    static const struct {
        int reason;
        vital_cause cause;
        const char *text;
    } all[] = {
        {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, VITAL_UNTRUSTED, "has no certificate"},
        {SSL_R_CERTIFICATE_VERIFY_FAILED, VITAL_UNTRUSTED, "cannot be verified"},
        {SSL_R_UNSUPPORTED_PROTOCOL, VITAL_UNREACHABLE, "neither TLS 1.2 nor TLS 1.3"},
        {SSL_R_NO_SHARED_CIPHER, VITAL_UNREACHABLE, "no TLS cipher in common"},
        {SSL_R_NO_APPLICATION_PROTOCOL, VITAL_UNREACHABLE, "HTTP/1.1"},
        {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, VITAL_MISBEHAVED, "TLS: decryption failed"},
        {SSL_R_BAD_LENGTH, VITAL_MISBEHAVED, "TLS: "},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        unsigned long error = ERR_PACK(ERR_LIB_SSL, 0, (unsigned long)all[i].reason);
        assert_int_equal(vt_tls_say_error(words, error, &CLIENT), all[i].cause);
        says(all[i].text);
    }
    assert_int_equal(
        vt_tls_say_error(words, ERR_PACK(ERR_LIB_SSL, 0, ERR_R_MALLOC_FAILURE), &CLIENT),
        VITAL_OVERFLOW);
    assert_int_equal(vt_tls_say_error(words, 0, &CLIENT), VITAL_MISBEHAVED);
    says("not understood");
}

static void a_peer_without_tls_is_told_from_one_with_http(void **state)
{
    (void)state;
    vt_tls_say_no_tls(words, 'H', &CLIENT);
    says("the server does not speak TLS but, it seems, plain HTTP; is it ws://");
    vt_tls_say_no_tls(words, 0x80, &CLIENT);
    assert_string_equal(words, "the server does not speak TLS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_gives_no_reason_to_speak),
        cmocka_unit_test(an_expired_one_says_since_when),
        cmocka_unit_test(one_of_the_future_doubts_the_clock),
        cmocka_unit_test(one_for_another_name_says_for_which),
        cmocka_unit_test(a_common_name_is_no_name),
        cmocka_unit_test(one_that_issued_itself_is_called_self_signed),
        cmocka_unit_test(one_by_a_stranger_names_the_stranger),
        cmocka_unit_test(what_is_wrong_above_is_not_blamed_on_the_server),
        cmocka_unit_test(a_revoked_one_says_when),
        cmocka_unit_test(one_for_another_purpose_says_so),
        cmocka_unit_test(whatever_else_is_said_in_openssl_s_words),
        cmocka_unit_test(long_names_are_cut_and_not_overrun),
        cmocka_unit_test(alerts_about_our_certificate_are_about_trust),
        cmocka_unit_test(other_alerts_end_a_handshake_or_a_connection),
        cmocka_unit_test(errors_have_the_cause_of_what_a_person_would_do),
        cmocka_unit_test(a_peer_without_tls_is_told_from_one_with_http),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
