/*
 * Every way in which files can be mixed up, and what is said about it; and that
 * nobody is asked for a passphrase.
 */
#include "tls.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/pem.h>

#include "authority.h"

typedef struct fixture {
    folder folder;
    identity root, server, other;
    char ca[AUTHORITY_PATH_BYTES], cert[AUTHORITY_PATH_BYTES], key[AUTHORITY_PATH_BYTES],
        both[AUTHORITY_PATH_BYTES], other_key[AUTHORITY_PATH_BYTES];
} fixture;

static int setup(void **state)
{
    static fixture it;
    enter_folder(&it.folder);
    it.root = make_identity(&(wish){.name = "Root", .authority = true}, NULL);
    it.server = make_identity(&(wish){.name = "server", .alternatives = "DNS:localhost"}, &it.root);
    it.other = make_identity(&(wish){.name = "other"}, NULL);
    write_pem(it.ca, &it.folder, "ca.pem", &it.root, NULL);
    write_pem(it.cert, &it.folder, "cert.pem", &it.server, NULL);
    write_pem(it.key, &it.folder, "key.pem", NULL, &it.server);
    write_pem(it.both, &it.folder, "both.pem", &it.server, &it.server);
    write_pem(it.other_key, &it.folder, "other.pem", NULL, &it.other);
    *state = &it;
    return 0;
}

static int teardown(void **state)
{
    fixture *it = *state;
    free_identity(&it->root);
    free_identity(&it->server);
    free_identity(&it->other);
    leave_folder(&it->folder);
    return 0;
}

static int create(bool server, const vital_tls *options, const char *host,
                  char problem[VT_TLS_PROBLEM_BYTES])
{
    vt_tls_policy *policy;
    const vt_tls_setup setup = {
        .server = server,
        .options = options,
        .host = host,
        .peer = server ? "client" : "server",
    };
    int error = vt_tls_policy_create(&policy, &setup, problem);
    assert_true((error == 0) == (policy != NULL));
    vt_tls_policy_release(policy);
    return error;
}

static void refused(bool server, const vital_tls *options, int error, const char *words)
{
    char problem[VT_TLS_PROBLEM_BYTES] = "";
    assert_int_equal(create(server, options, server ? NULL : "localhost", problem), error);
    if (strstr(problem, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", problem, words);
}

static void accepted(bool server, const vital_tls *options)
{
    char problem[VT_TLS_PROBLEM_BYTES] = "";
    if (create(server, options, server ? NULL : "localhost", problem) != 0)
        fail_msg("%s", problem);
}

/* ------------------------------------------------------------------ what works */

static void a_key_may_be_beside_its_certificate_or_in_the_same_file(void **state)
{
    const fixture *it = *state;
    accepted(true, &(vital_tls){.cert_file = it->cert, .key_file = it->key});
    accepted(true, &(vital_tls){.cert_file = it->both});
    accepted(true, &(vital_tls){.cert_file = it->both, .ca_file = it->ca, .cert_optional = true});
}

static void a_client_needs_nothing(void **state)
{
    const fixture *it = *state;
    accepted(false, &(vital_tls){0});
    accepted(false, &(vital_tls){.insecure = true});
    accepted(false, &(vital_tls){.ca_file = it->ca, .cert_file = it->both});
}

static void a_numeric_host_is_good_and_an_empty_one_is_not(void **state)
{
    (void)state;
    char problem[VT_TLS_PROBLEM_BYTES];
    assert_int_equal(create(false, &(vital_tls){0}, "127.0.0.1", problem), 0);
    assert_int_equal(create(false, &(vital_tls){0}, "::1", problem), 0);
    assert_int_equal(create(false, &(vital_tls){0}, "example.org.", problem), 0);
    assert_int_equal(create(false, &(vital_tls){0}, "", problem), VITAL_EINVAL);
    refused(false, &(vital_tls){.server_name = ""}, VITAL_EINVAL, "name");
}

/* ---------------------------------------------------------------- what does not */

static void options_of_the_other_role_are_refused(void **state)
{
    const fixture *it = *state;
    refused(true, &(vital_tls){.key_file = it->key}, VITAL_EINVAL, "tls.cert_file is missing");
    refused(true, &(vital_tls){.cert_file = it->both, .insecure = true}, VITAL_EINVAL, "clients");
    refused(true, &(vital_tls){.cert_file = it->both, .server_name = "a"}, VITAL_EINVAL, "clients");
    refused(true, &(vital_tls){.cert_file = it->both, .cert_optional = true}, VITAL_EINVAL,
            "tls.ca_file");
    refused(false, &(vital_tls){.cert_optional = true}, VITAL_EINVAL, "servers");
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    const fixture *it = *state;
    refused(false, &(vital_tls){.insecure = true, .ca_file = it->ca}, VITAL_EINVAL, "contradict");
    refused(false, &(vital_tls){.key_file = it->key}, VITAL_EINVAL, "needs a tls.cert_file");
    refused(false, &(vital_tls){.crl_file = it->ca}, VITAL_EINVAL, "needs a tls.ca_file");
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
    const fixture *it = *state;
    refused(true, &(vital_tls){.cert_file = "/nonexistent/cert.pem"}, VITAL_ESYSTEM,
            "tls.cert_file /nonexistent/cert.pem: No such file or directory");
    refused(true, &(vital_tls){.cert_file = it->cert, .key_file = "/nonexistent/key.pem"},
            VITAL_ESYSTEM, "tls.key_file /nonexistent/key.pem: No such file or directory");
    refused(true, &(vital_tls){.cert_file = it->both, .ca_file = "/nonexistent"}, VITAL_ESYSTEM,
            "tls.ca_file /nonexistent: No such file");
    refused(false, &(vital_tls){.ca_file = it->folder.path}, VITAL_ESYSTEM, "Is a directory");
    refused(false, &(vital_tls){.ca_file = it->ca, .crl_file = "/nonexistent"}, VITAL_ESYSTEM,
            "tls.crl_file /nonexistent: No such file");
    char path[AUTHORITY_PATH_BYTES];
    write_text(path, &it->folder, "empty.pem", "");
    refused(false, &(vital_tls){.ca_file = path}, VITAL_EINVAL, "is empty");
}

static void a_file_that_holds_something_else_is_named(void **state)
{
    const fixture *it = *state;
    char text[AUTHORITY_PATH_BYTES];
    write_text(text, &it->folder, "text.pem", "this is no PEM\n");
    refused(true, &(vital_tls){.cert_file = text, .key_file = it->key}, VITAL_EINVAL,
            "holds no certificate in PEM form");
    refused(true, &(vital_tls){.cert_file = it->cert, .key_file = text}, VITAL_EINVAL,
            "holds no private key in PEM form");
    refused(true, &(vital_tls){.cert_file = it->cert}, VITAL_EINVAL, "name its file in tls.key");
    refused(false, &(vital_tls){.ca_file = text}, VITAL_EINVAL, "holds no certificate");
    refused(false, &(vital_tls){.ca_file = it->ca, .crl_file = it->ca}, VITAL_EINVAL,
            "holds no revocation list");

    static const char DAMAGED[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    write_text(text, &it->folder, "damaged.pem", DAMAGED);
    refused(true, &(vital_tls){.cert_file = text, .key_file = it->key}, VITAL_EINVAL,
            "cannot be used");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    const fixture *it = *state;
    refused(true, &(vital_tls){.cert_file = it->cert, .key_file = it->other_key}, VITAL_EINVAL,
            "is not that of the certificate in");
    identity rsa = {.key = EVP_RSA_gen(2048)};
    char path[AUTHORITY_PATH_BYTES];
    write_pem(path, &it->folder, "rsa.pem", NULL, &rsa);
    refused(true, &(vital_tls){.cert_file = it->cert, .key_file = path}, VITAL_EINVAL,
            "is not that of the certificate in");
    free_identity(&rsa);
}

static void an_encrypted_key_is_refused_and_nobody_is_asked_for_a_passphrase(void **state)
{
    const fixture *it = *state;
    char path[AUTHORITY_PATH_BYTES];
    snprintf(path, sizeof path, "%s/secret.pem", it->folder.path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    PEM_write_PrivateKey(file, it->server.key, EVP_aes_128_cbc(), (const unsigned char *)"x", 1,
                         NULL, NULL);
    fclose(file);
    refused(true, &(vital_tls){.cert_file = it->cert, .key_file = path}, VITAL_EINVAL,
            "is encrypted");
}

static void so_many_policies_as_anyone_likes_can_be_made(void **state)
{
    const fixture *it = *state;
    for (int i = 0; i < 300; i++) /* OpenSSL numbers some of its things in a byte */
        accepted(true, &(vital_tls){.cert_file = it->both});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_may_be_beside_its_certificate_or_in_the_same_file),
        cmocka_unit_test(a_client_needs_nothing),
        cmocka_unit_test(a_numeric_host_is_good_and_an_empty_one_is_not),
        cmocka_unit_test(options_of_the_other_role_are_refused),
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named_with_the_reason),
        cmocka_unit_test(a_file_that_holds_something_else_is_named),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
        cmocka_unit_test(an_encrypted_key_is_refused_and_nobody_is_asked_for_a_passphrase),
        cmocka_unit_test(so_many_policies_as_anyone_likes_can_be_made),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
