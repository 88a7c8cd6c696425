/*
 * From options to an SSL_CTX. Everything that can be wrong with a file is found
 * here, before a connection depends on it, and has a sentence of its own: who
 * sets up TLS has three files and many ways to mix them up.
 *
 * What is offered is what is good today (RFC 9325): 1.2 and 1.3, ephemeral keys,
 * authenticated ciphers. Older peers are told that there is nothing in common.
 */
#include "tls_policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* RFC 9325 4.2. TLS 1.3 has ciphers of its own, all of them good. */
static const char CIPHERS[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* RFC 7301: the handshake above is HTTP/1.1's. */
static const unsigned char ALPN[] = "\x08http/1.1";

static const unsigned char SESSION_CONTEXT[] = "vital";

/* Room for its sentence, and where it goes. */
typedef struct complaint {
    char *problem;
    int error;
} complaint;

__attribute__((format(printf, 3, 4))) static bool complain(complaint *to, int error,
                                                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to->problem, VT_TLS_PROBLEM_BYTES, format, arguments);
    va_end(arguments);
    to->error = error;
    ERR_clear_error();
    return false;
}

static bool complain_of_memory(complaint *to)
{
    return complain(to, VITAL_ENOMEM, "out of memory");
}

/* -------------------------------------------------------------------- options */

/* NULL stays NULL. */
static bool copy(const char **out, const char *text)
{
    *out = text != NULL ? strdup(text) : NULL;
    return *out != NULL || text == NULL;
}

bool vt_tls_options_copy(vital_tls *out, const vital_tls *options)
{
    *out = *options;
    /* All of them, so that what is finished afterwards is ours in any case. */
    bool ca = copy(&out->ca_file, options->ca_file);
    bool crl = copy(&out->crl_file, options->crl_file);
    bool cert = copy(&out->cert_file, options->cert_file);
    bool key = copy(&out->key_file, options->key_file);
    bool name = copy(&out->server_name, options->server_name);
    if (ca && crl && cert && key && name)
        return true;
    vt_tls_options_finish(out);
    return false;
}

void vt_tls_options_finish(vital_tls *options)
{
    free((char *)options->ca_file);
    free((char *)options->crl_file);
    free((char *)options->cert_file);
    free((char *)options->key_file);
    free((char *)options->server_name);
    *options = (vital_tls){.ca_file = NULL};
}

/* ---------------------------------------------------------------------- files */

/* What the system says against reading it; OpenSSL would not tell which file. */
static bool is_readable(const char *option, const char *path, complaint *to)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : read(fd, &byte, 1);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return complain(to, VITAL_ESYSTEM, "cannot read tls.%s %s: %s", option, path,
                        strerror(error));
    if (got == 0)
        return complain(to, VITAL_EINVAL, "tls.%s %s is empty", option, path);
    return true;
}

/* A library asks nobody for a passphrase; that it should have is worth knowing. */
static int no_passphrase(char *out, int size, int writing, void *asked)
{
    (void)out, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

vt_tls_trust *vt_tls_trust_create(void)
{
    /* A store is all that it is, and OpenSSL counts who holds it. */
    X509_STORE *store = X509_STORE_new();
    if (store != NULL && X509_STORE_set_default_paths(store) != 1) {
        X509_STORE_free(store);
        store = NULL;
    }
    ERR_clear_error(); /* a system without certificates trusts nobody */
    return (vt_tls_trust *)store;
}

void vt_tls_trust_destroy(vt_tls_trust *trust)
{
    X509_STORE_free((X509_STORE *)trust);
}

static bool load_system_trust(SSL_CTX *context, const vt_tls_trust *trust, complaint *to)
{
    if (trust == NULL)
        return SSL_CTX_set_default_verify_paths(context) == 1 || complain_of_memory(to);
    SSL_CTX_set1_cert_store(context, (X509_STORE *)(uintptr_t)trust);
    return true;
}

static bool load_trust(SSL_CTX *context, const vital_tls *options, complaint *to)
{
    if (!is_readable("ca_file", options->ca_file, to))
        return false;
    if (SSL_CTX_load_verify_file(context, options->ca_file) != 1)
        return complain(to, VITAL_EINVAL, "tls.ca_file %s holds no certificate in PEM form",
                        options->ca_file);
    /* Whoever names a certificate means to trust it, be it no root. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

static bool load_revocations(SSL_CTX *context, const vital_tls *options, complaint *to)
{
    if (options->crl_file == NULL)
        return true;
    if (options->ca_file == NULL)
        return complain(to, VITAL_EINVAL, "tls.crl_file needs a tls.ca_file: whose list it is");
    if (!is_readable("crl_file", options->crl_file, to))
        return false;
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == NULL)
        return complain_of_memory(to);
    if (X509_load_crl_file(lookup, options->crl_file, X509_FILETYPE_PEM) <= 0)
        return complain(to, VITAL_EINVAL, "tls.crl_file %s holds no revocation list in PEM form",
                        options->crl_file);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return true;
}

static bool load_key(SSL_CTX *context, const vital_tls *options, complaint *to)
{
    const char *path = options->key_file != NULL ? options->key_file : options->cert_file;
    if (!is_readable("key_file", path, to))
        return false;
    bool encrypted = false;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
    bool read = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb(context, NULL);
    if (encrypted)
        return complain(to, VITAL_EINVAL, "the key in %s is encrypted; decrypt it first", path);
    /* A key of another kind was taken for one whose certificate is still to come. */
    if (read && SSL_CTX_check_private_key(context) == 1)
        return true;
    unsigned long error = ERR_peek_error();
    bool mismatch = ERR_GET_LIB(error) == ERR_LIB_X509 &&
                    ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH;
    if (read || mismatch)
        return complain(to, VITAL_EINVAL, "the key in %s is not that of the certificate in %s",
                        path, options->cert_file);
    if (options->key_file == NULL)
        return complain(to, VITAL_EINVAL, "%s holds no private key; name its file in tls.key_file",
                        path);
    return complain(to, VITAL_EINVAL, "tls.key_file %s holds no private key in PEM form", path);
}

static bool load_certificate(SSL_CTX *context, const vital_tls *options, complaint *to)
{
    if (!is_readable("cert_file", options->cert_file, to))
        return false;
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1) {
        unsigned long error = ERR_peek_error(); /* the first: those after it follow from it */
        if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
            return complain(to, VITAL_EINVAL, "tls.cert_file %s holds no certificate in PEM form",
                            options->cert_file);
        const char *why = ERR_reason_error_string(error);
        return complain(to, VITAL_EINVAL, "tls.cert_file %s cannot be used: %s", options->cert_file,
                        why != NULL ? why : "its certificate is damaged");
    }
    return load_key(context, options, to);
}

/* -------------------------------------------------------------------- context */

static bool set_what_all_have(SSL_CTX *context, complaint *to)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_recv_max_early_data(context, 0);
    bool set = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
               SSL_CTX_set_cipher_list(context, CIPHERS) == 1;
    return set || complain(to, VITAL_EUNSUPPORTED, "this OpenSSL cannot do TLS 1.2 as we want it");
}

/* Who speaks of ALPN and does not know HTTP/1.1 is refused (RFC 7301 3.2). */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *size,
                       const unsigned char *offered, unsigned int offered_size, void *user)
{
    (void)ssl, (void)user;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, size, ALPN, sizeof ALPN - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Sessions live in tickets, which the clients keep: no state here, and keys that
 * end with the policy. */
static bool set_up_server(vt_tls_policy *policy, const vital_tls *options, complaint *to)
{
    SSL_CTX *context = policy->context;
    if (options->cert_file == NULL)
        return complain(to, VITAL_EINVAL, "a server needs a certificate: tls.cert_file is missing");
    if (options->insecure || options->server_name != NULL)
        return complain(to, VITAL_EINVAL, "tls.insecure and tls.server_name are for clients");
    if (options->ca_file == NULL && (options->cert_optional || options->crl_file != NULL))
        return complain(to, VITAL_EINVAL,
                        "clients are asked for a certificate only with a tls.ca_file");
    if (!load_certificate(context, options, to))
        return false;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, SESSION_CONTEXT, sizeof SESSION_CONTEXT - 1);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    if (options->ca_file == NULL)
        return true;

    if (!load_trust(context, options, to) || !load_revocations(context, options, to))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->ca_file);
    if (names == NULL)
        return complain_of_memory(to);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(
        context, SSL_VERIFY_PEER | (options->cert_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
        NULL);
    return true;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    vt_tls_policy *policy = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(policy->session);
    policy->session = session;
    return 1; /* it is ours now */
}

/* "example.org." is example.org in a certificate. */
static bool set_host(vt_tls_policy *policy, const char *host, complaint *to)
{
    size_t size = strlen(host);
    if (size > 1 && host[size - 1] == '.')
        size--;
    policy->host = strndup(host, size);
    if (policy->host == NULL)
        return complain_of_memory(to);
    struct in6_addr address;
    policy->numeric = inet_pton(AF_INET, policy->host, &address) == 1 ||
                      inet_pton(AF_INET6, policy->host, &address) == 1;

    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(policy->context);
    /* RFC 9525 6.3: whole labels, and not the subject's common name. */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (size == 0 || (policy->numeric ? X509_VERIFY_PARAM_set1_ip_asc(param, policy->host)
                                      : X509_VERIFY_PARAM_set1_host(param, policy->host, 0)) != 1)
        return complain(to, VITAL_EINVAL, "\"%s\" is no name that a certificate could have",
                        policy->host);
    return true;
}

static bool set_up_client(vt_tls_policy *policy, const vt_tls_setup *setup, complaint *to)
{
    SSL_CTX *context = policy->context;
    const vital_tls *options = setup->options;
    const char *host = options->server_name != NULL ? options->server_name : setup->host;
    if (options->cert_optional)
        return complain(to, VITAL_EINVAL, "tls.cert_optional is for servers");
    if (options->cert_file == NULL && options->key_file != NULL)
        return complain(to, VITAL_EINVAL, "tls.key_file needs a tls.cert_file");
    if (options->insecure && (options->ca_file != NULL || options->crl_file != NULL))
        return complain(to, VITAL_EINVAL, "tls.insecure and tls.ca_file contradict each other");
    if (!set_host(policy, host, to))
        return false;
    if (options->ca_file == NULL && !options->insecure &&
        !load_system_trust(context, setup->trust, to))
        return false;
    if (options->ca_file != NULL && !load_trust(context, options, to))
        return false;
    if (!load_revocations(context, options, to))
        return false;
    if (options->cert_file != NULL && !load_certificate(context, options, to))
        return false;
    SSL_CTX_set_verify(context, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    return SSL_CTX_set_alpn_protos(context, ALPN, sizeof ALPN - 1) == 0 || complain_of_memory(to);
}

/* ----------------------------------------------------------------- life cycle */

int vt_tls_policy_create(vt_tls_policy **out, const vt_tls_setup *setup,
                         char problem[VT_TLS_PROBLEM_BYTES])
{
    complaint to = {problem, VITAL_ENOMEM};
    *out = NULL;
    snprintf(problem, VT_TLS_PROBLEM_BYTES, "out of memory");
    vt_tls_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return VITAL_ENOMEM;
    policy->holders = 1;
    policy->server = setup->server;
    policy->peer = setup->peer;
    policy->own_certificate = setup->options->cert_file != NULL;
    ERR_clear_error();
    policy->context = SSL_CTX_new(setup->server ? TLS_server_method() : TLS_client_method());
    policy->method = vt_tls_bio_method();
    if (policy->context == NULL || policy->method == NULL)
        goto fail;
    SSL_CTX_set_app_data(policy->context, policy);
    bool set = set_what_all_have(policy->context, &to) &&
               (setup->server ? set_up_server(policy, setup->options, &to)
                              : set_up_client(policy, setup, &to));
    if (!set)
        goto fail;
    *out = policy;
    return 0;

fail:
    vt_tls_policy_release(policy);
    return to.error;
}

void vt_tls_policy_hold(vt_tls_policy *policy)
{
    policy->holders++;
}

void vt_tls_policy_release(vt_tls_policy *policy)
{
    if (policy == NULL || --policy->holders > 0)
        return;
    SSL_SESSION_free(policy->session);
    SSL_CTX_free(policy->context);
    BIO_meth_free(policy->method);
    free(policy->host);
    free(policy);
}
