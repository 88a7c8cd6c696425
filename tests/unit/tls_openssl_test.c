/*
 * Two machines in memory, or one against a bare OpenSSL that does what no honest
 * peer does: whatever the bytes are cut into, who is trusted and who is not, and
 * that nobody can make us work for nothing.
 */
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "authority.h"

enum { HEARD_BYTES = 256 * 1024 };

/* ---------------------------------------------------------------------- a side */

/* A machine and what it made of what came. */
typedef struct side {
    vt_tls *tls;
    vt_tls_policy *policy;
    vt_tls_outcome last; /* but for VT_TLS_MORE */
    int secured;
    size_t size;
    uint8_t heard[HEARD_BYTES];
} side;

typedef struct fixture {
    folder folder;
    identity root, server, client;
    char ca[AUTHORITY_PATH_BYTES], server_pem[AUTHORITY_PATH_BYTES],
        client_pem[AUTHORITY_PATH_BYTES];
    side at_client, at_server;
} fixture;

static vt_tls_policy *policy_of(bool server, const vital_tls *options, const char *host)
{
    char problem[VT_TLS_PROBLEM_BYTES];
    vt_tls_policy *policy = NULL;
    const vt_tls_setup setup = {
        .server = server,
        .options = options,
        .host = host,
        .peer = server ? "client" : "server",
    };
    if (vt_tls_policy_create(&policy, &setup, problem) != 0)
        fail_msg("%s", problem);
    return policy;
}

static void begin(side *self, vt_tls_policy *policy)
{
    vt_tls_destroy(self->tls);
    memset(self, 0, sizeof *self);
    self->policy = policy;
    assert_int_equal(vt_tls_create(&self->tls, policy), 0);
}

static void read_all(side *self)
{
    uint8_t plain[VT_TLS_RECORD_BYTES];
    size_t size;
    vt_tls_outcome outcome;
    while ((outcome = vt_tls_read(self->tls, plain, &size)) != VT_TLS_MORE) {
        self->last = outcome;
        self->secured += outcome == VT_TLS_SECURED;
        assert_true(self->size + size <= HEARD_BYTES);
        memcpy(self->heard + self->size, plain, size);
        self->size += size;
        if (outcome == VT_TLS_ENDED || outcome == VT_TLS_FAILED)
            return;
    }
}

/* All that one has to say reaches the other in pieces. False: nothing to say. */
static bool carry(side *from, side *to, size_t piece)
{
    size_t size;
    uint8_t *bytes = vt_tls_take(from->tls, &size);
    for (size_t at = 0; at < size; at += piece) {
        vt_tls_feed(to->tls, bytes + at, size - at < piece ? size - at : piece);
        read_all(to);
    }
    free(bytes);
    return size > 0;
}

static void talk(fixture *it, size_t piece)
{
    read_all(&it->at_client);
    while (carry(&it->at_client, &it->at_server, piece) ||
           carry(&it->at_server, &it->at_client, piece))
        continue;
}

static void begin_both(fixture *it, vt_tls_policy *client, vt_tls_policy *server)
{
    begin(&it->at_client, client);
    begin(&it->at_server, server);
}

/* A client with these options and a server with those shake hands. */
static void meet(fixture *it, const vital_tls *client, const char *host, const vital_tls *server)
{
    vt_tls_policy *of_client = policy_of(false, client, host);
    vt_tls_policy *of_server = policy_of(true, server, NULL);
    begin_both(it, of_client, of_server);
    vt_tls_policy_release(of_client); /* the machines hold their own */
    vt_tls_policy_release(of_server);
    talk(it, SIZE_MAX / 2);
}

static void meet_as_usual(fixture *it)
{
    meet(it, &(vital_tls){.ca_file = it->ca}, "localhost",
         &(vital_tls){.cert_file = it->server_pem});
    assert_int_equal(it->at_client.secured, 1);
    assert_int_equal(it->at_server.secured, 1);
}

static void says(const side *self, vital_cause cause, const char *words)
{
    assert_int_equal(self->last, VT_TLS_FAILED);
    const vital_failure *failure = vt_tls_failure(self->tls);
    if (failure->cause != cause)
        fail_msg("%s and not %s: %s", vital_cause_name(failure->cause), vital_cause_name(cause),
                 failure->what);
    if (strstr(failure->what, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", failure->what, words);
}

static int setup(void **state)
{
    fixture *it = calloc(1, sizeof *it);
    enter_folder(&it->folder);
    it->root = make_identity(&(wish){.name = "Test Root", .authority = true}, NULL);
    it->server = make_identity(
        &(wish){.name = "server",
                .alternatives = "DNS:localhost,DNS:*.test.example,IP:127.0.0.1,IP:::1"},
        &it->root);
    it->client = make_identity(&(wish){.name = "client"}, &it->root);
    write_pem(it->ca, &it->folder, "ca.pem", &it->root, NULL);
    write_pem(it->server_pem, &it->folder, "server.pem", &it->server, &it->server);
    write_pem(it->client_pem, &it->folder, "client.pem", &it->client, &it->client);
    *state = it;
    return 0;
}

static int teardown(void **state)
{
    fixture *it = *state;
    vt_tls_destroy(it->at_client.tls);
    vt_tls_destroy(it->at_server.tls);
    free_identity(&it->root);
    free_identity(&it->server);
    free_identity(&it->client);
    leave_folder(&it->folder);
    free(it);
    return 0;
}

/* ------------------------------------------------------------------- the bytes */

static void any_segmentation_gives_the_same(void **state)
{
    fixture *it = *state;
    static const size_t pieces[] = {1, 2, 3, 5, 7, 16, 100, 1000, 16384, 1 << 20};
    vt_tls_policy *client = policy_of(false, &(vital_tls){.ca_file = it->ca}, "localhost");
    vt_tls_policy *server = policy_of(true, &(vital_tls){.cert_file = it->server_pem}, NULL);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        begin_both(it, client, server);
        talk(it, pieces[i]);
        assert_int_equal(it->at_client.secured, 1);
        assert_int_equal(it->at_server.secured, 1);
        assert_true(vt_tls_write(it->at_client.tls, "from the client", 15));
        assert_true(vt_tls_write(it->at_server.tls, "from the server", 15));
        vt_tls_end(it->at_client.tls);
        talk(it, pieces[i]);
        assert_int_equal(it->at_server.size, 15);
        assert_memory_equal(it->at_server.heard, "from the client", 15);
        assert_int_equal(it->at_server.last, VT_TLS_ENDED);
        assert_int_equal(it->at_client.size, 15);
        assert_memory_equal(it->at_client.heard, "from the server", 15);
    }
    vt_tls_policy_release(client);
    vt_tls_policy_release(server);
}

static void a_whole_record_goes_through_and_comes_out_whole(void **state)
{
    fixture *it = *state;
    static uint8_t bytes[VT_TLS_RECORD_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 8));
    meet_as_usual(it);
    for (int i = 0; i < 8; i++)
        assert_true(vt_tls_write(it->at_server.tls, bytes, sizeof bytes));
    talk(it, 1 << 20);
    assert_int_equal(it->at_client.size, 8 * sizeof bytes);
    for (size_t i = 0; i < 8; i++)
        assert_memory_equal(it->at_client.heard + i * sizeof bytes, bytes, sizeof bytes);
}

static void nothing_is_kept_to_leave_once_it_is_taken(void **state)
{
    fixture *it = *state;
    size_t size;
    meet_as_usual(it);
    assert_int_equal(vt_tls_waiting(it->at_client.tls), 0);
    assert_null(vt_tls_take(it->at_client.tls, &size));
    assert_int_equal(size, 0);
    assert_true(vt_tls_write(it->at_client.tls, "x", 1));
    assert_true(vt_tls_waiting(it->at_client.tls) > 1);
    uint8_t *bytes = vt_tls_take(it->at_client.tls, &size);
    assert_non_null(bytes);
    free(bytes);
    assert_int_equal(vt_tls_waiting(it->at_client.tls), 0);
}

/* ----------------------------------------------------------------------- names */

static void a_name_and_an_address_of_the_certificate_are_accepted(void **state)
{
    fixture *it = *state;
    static const char *const good[] = {"localhost",        "LOCALHOST", "localhost.",
                                       "any.test.example", "127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        meet(it, &(vital_tls){.ca_file = it->ca}, good[i],
             &(vital_tls){.cert_file = it->server_pem});
        assert_int_equal(it->at_client.secured, 1);
    }
    meet(it, &(vital_tls){.ca_file = it->ca, .server_name = "localhost"}, "elsewhere.test",
         &(vital_tls){.cert_file = it->server_pem});
    assert_int_equal(it->at_client.secured, 1);
}

/* A16 of the attacks that we know. */
static void a16_a_wrong_name_is_refused_and_both_names_are_said(void **state)
{
    fixture *it = *state;
    static const char *const bad[] = {"server",    "example",  "a.b.example",
                                      "127.0.0.2", "localhos", "localhost.example.org"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        meet(it, &(vital_tls){.ca_file = it->ca}, bad[i],
             &(vital_tls){.cert_file = it->server_pem});
        assert_int_equal(it->at_client.secured, 0);
        says(&it->at_client, VITAL_UNTRUSTED,
             "is for localhost, *.test.example, 127.0.0.1 and 1 more");
        says(&it->at_client, VITAL_UNTRUSTED, bad[i]);
    }
}

static void insecure_believes_whoever_answers(void **state)
{
    fixture *it = *state;
    meet(it, &(vital_tls){.insecure = true}, "elsewhere.test",
         &(vital_tls){.cert_file = it->server_pem});
    assert_int_equal(it->at_client.secured, 1);
    assert_int_equal(it->at_server.secured, 1);
}

/* ----------------------------------------------------------------------- trust */

static void an_authority_that_nobody_named_is_refused(void **state)
{
    fixture *it = *state;
    meet(it, &(vital_tls){0}, "localhost", &(vital_tls){.cert_file = it->server_pem});
    says(&it->at_client, VITAL_UNTRUSTED, "issued by \"Test Root\", whom nobody here trusts");
    assert_int_equal(vt_tls_failure(it->at_client.tls)->alert, 48);
    says(&it->at_server, VITAL_UNTRUSTED, "does not accept our certificate (alert 48");
    assert_int_equal(vt_tls_failure(it->at_server.tls)->alert, 48);
}

/* The server's certificate is made anew as wished; the client trusts the root. */
static void refused_for(fixture *it, const wish *wanted, bool self_signed, const char *words)
{
    char path[AUTHORITY_PATH_BYTES];
    identity leaf = make_identity(wanted, self_signed ? NULL : &it->root);
    write_pem(path, &it->folder, "leaf.pem", &leaf, &leaf);
    free_identity(&leaf);
    meet(it, &(vital_tls){.ca_file = it->ca}, "localhost", &(vital_tls){.cert_file = path});
    assert_int_equal(it->at_client.secured, 0);
    says(&it->at_client, VITAL_UNTRUSTED, words);
}

static void expired_too_early_and_self_signed_certificates_are_refused(void **state)
{
    fixture *it = *state;
    refused_for(it, &(wish){.alternatives = "DNS:localhost", .since_days = -9, .until_days = -1},
                false, "expired on ");
    assert_int_equal(vt_tls_failure(it->at_client.tls)->alert, 45);
    refused_for(it, &(wish){.alternatives = "DNS:localhost", .since_days = 1, .until_days = 9},
                false, "not valid before ");
    refused_for(it, &(wish){.alternatives = "DNS:localhost"}, true, "is self-signed");
    refused_for(it, &(wish){.alternatives = "DNS:localhost", .purpose = "clientAuth"}, false,
                "not one for a server");
    refused_for(it, &(wish){.name = "localhost"}, false, "names no host at all");
}

static void a_self_signed_certificate_that_is_named_is_trusted(void **state)
{
    fixture *it = *state;
    char path[AUTHORITY_PATH_BYTES];
    identity own = make_identity(&(wish){.alternatives = "DNS:localhost"}, NULL);
    write_pem(path, &it->folder, "own.pem", &own, &own);
    free_identity(&own);
    meet(it, &(vital_tls){.ca_file = path}, "localhost", &(vital_tls){.cert_file = path});
    assert_int_equal(it->at_client.secured, 1);
}

static void a_revoked_certificate_is_refused(void **state)
{
    fixture *it = *state;
    char path[AUTHORITY_PATH_BYTES];
    X509_CRL *list = make_revocations(&it->root, it->server.certificate);
    write_revocations(path, &it->folder, "crl.pem", list);
    X509_CRL_free(list);
    meet(it, &(vital_tls){.ca_file = it->ca, .crl_file = path}, "localhost",
         &(vital_tls){.cert_file = it->server_pem});
    says(&it->at_client, VITAL_UNTRUSTED, "was revoked on ");
    meet(it, &(vital_tls){.ca_file = it->ca}, "localhost",
         &(vital_tls){.cert_file = it->server_pem,
                      .ca_file = it->ca,
                      .crl_file = path,
                      .cert_optional = true});
    assert_int_equal(it->at_client.secured, 1); /* the list is for those who hold it */
}

/* --------------------------------------------------------- client certificates */

static void a_client_shows_its_certificate_when_asked(void **state)
{
    fixture *it = *state;
    const vital_tls asks = {.cert_file = it->server_pem, .ca_file = it->ca};
    vital_tls_facts facts;
    meet(it, &(vital_tls){.ca_file = it->ca, .cert_file = it->client_pem}, "localhost", &asks);
    assert_int_equal(it->at_server.secured, 1);
    vt_tls_describe(it->at_server.tls, &facts);
    assert_string_equal(facts.peer, "CN=client");
    vt_tls_describe(it->at_client.tls, &facts);
    assert_string_equal(facts.peer, "CN=server");
    assert_string_equal(facts.version, "TLSv1.3");
    assert_false(facts.resumed);
}

static void a_client_without_one_is_refused_and_told(void **state)
{
    fixture *it = *state;
    const vital_tls asks = {.cert_file = it->server_pem, .ca_file = it->ca};
    meet(it, &(vital_tls){.ca_file = it->ca}, "localhost", &asks);
    says(&it->at_server, VITAL_UNTRUSTED, "the client has no certificate");
    says(&it->at_client, VITAL_UNTRUSTED, "wants a certificate of ours, and we have none");
    assert_int_equal(vt_tls_failure(it->at_client.tls)->alert, 116);
}

static void a_client_with_a_stranger_s_certificate_is_refused_and_told(void **state)
{
    fixture *it = *state;
    char path[AUTHORITY_PATH_BYTES];
    identity own = make_identity(&(wish){.name = "stranger"}, NULL);
    write_pem(path, &it->folder, "own.pem", &own, &own);
    free_identity(&own);
    for (int optional = 0; optional < 2; optional++) {
        const vital_tls asks = {
            .cert_file = it->server_pem, .ca_file = it->ca, .cert_optional = optional == 1};
        meet(it, &(vital_tls){.ca_file = it->ca, .cert_file = path}, "localhost", &asks);
        says(&it->at_server, VITAL_UNTRUSTED, "the client's certificate is self-signed");
        says(&it->at_client, VITAL_UNTRUSTED, "does not accept our certificate");
    }
}

static void a_server_may_welcome_clients_without_one(void **state)
{
    fixture *it = *state;
    const vital_tls asks = {.cert_file = it->server_pem, .ca_file = it->ca, .cert_optional = true};
    vital_tls_facts facts;
    meet(it, &(vital_tls){.ca_file = it->ca}, "localhost", &asks);
    assert_int_equal(it->at_server.secured, 1);
    vt_tls_describe(it->at_server.tls, &facts);
    assert_string_equal(facts.peer, "");
}

/* ------------------------------------------------------------------ resumption */

static bool resumed_at(const side *self)
{
    vital_tls_facts facts;
    assert_true(vt_tls_secured(self->tls));
    vt_tls_describe(self->tls, &facts);
    return facts.resumed;
}

static void a_client_that_comes_back_resumes(void **state)
{
    fixture *it = *state;
    vt_tls_policy *client = policy_of(false, &(vital_tls){.ca_file = it->ca}, "localhost");
    vt_tls_policy *server = policy_of(true, &(vital_tls){.cert_file = it->server_pem}, NULL);
    for (int i = 0; i < 4; i++) {
        begin_both(it, client, server);
        talk(it, 1 << 20);
        assert_int_equal(resumed_at(&it->at_client), i > 0);
        assert_int_equal(resumed_at(&it->at_server), i > 0);
    }
    /* a reload makes new keys, and whoever comes with an old ticket is welcome */
    vt_tls_policy *renewed = policy_of(true, &(vital_tls){.cert_file = it->server_pem}, NULL);
    begin_both(it, client, renewed);
    talk(it, 1 << 20);
    assert_false(resumed_at(&it->at_client));
    vt_tls_policy_release(client);
    vt_tls_policy_release(server);
    vt_tls_policy_release(renewed);
}

static void a_client_proven_by_certificate_is_still_known_when_it_resumes(void **state)
{
    fixture *it = *state;
    const vital_tls shows = {.ca_file = it->ca, .cert_file = it->client_pem};
    const vital_tls asks = {.cert_file = it->server_pem, .ca_file = it->ca};
    vt_tls_policy *client = policy_of(false, &shows, "localhost");
    vt_tls_policy *server = policy_of(true, &asks, NULL);
    vital_tls_facts facts;
    for (int i = 0; i < 2; i++) {
        begin_both(it, client, server);
        talk(it, 1 << 20);
        assert_int_equal(resumed_at(&it->at_server), i > 0);
        vt_tls_describe(it->at_server.tls, &facts);
        assert_string_equal(facts.peer, "CN=client");
    }
    vt_tls_policy_release(client);
    vt_tls_policy_release(server);
}

/* --------------------------------------------------------------------- the end */

static void e11_an_end_without_close_notify_is_cut(void **state)
{
    fixture *it = *state;
    meet_as_usual(it);
    vt_tls_cut(it->at_client.tls);
    read_all(&it->at_client);
    says(&it->at_client, VITAL_CUT, "may be missing");

    meet_as_usual(it);
    vt_tls_end(it->at_server.tls);
    talk(it, 1 << 20);
    assert_int_equal(it->at_client.last, VT_TLS_ENDED);
    vt_tls_cut(it->at_client.tls); /* the stream ends as well: nothing new */
    read_all(&it->at_client);
    assert_int_equal(it->at_client.last, VT_TLS_ENDED);
}

static void an_end_in_the_handshake_leaves_nothing(void **state)
{
    fixture *it = *state;
    meet_as_usual(it);
    vt_tls_policy *policy = policy_of(false, &(vital_tls){.ca_file = it->ca}, "localhost");
    begin(&it->at_client, policy);
    vt_tls_policy_release(policy);
    read_all(&it->at_client);
    vt_tls_cut(it->at_client.tls);
    read_all(&it->at_client);
    says(&it->at_client, VITAL_UNREACHABLE, "in the middle of the TLS handshake");
}

static void who_has_heard_the_end_may_still_speak(void **state)
{
    fixture *it = *state;
    meet_as_usual(it);
    vt_tls_end(it->at_client.tls);
    talk(it, 1 << 20);
    assert_int_equal(it->at_server.last, VT_TLS_ENDED);
    assert_true(vt_tls_write(it->at_server.tls, "farewell", 8));
    talk(it, 1 << 20);
    assert_memory_equal(it->at_client.heard, "farewell", 8);
}

/* --------------------------------------------------------------- peers unlike us */

/* A bare OpenSSL as the other side. */
typedef struct bare {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
} bare;

static void start_bare(bare *peer, const fixture *it, bool server)
{
    peer->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_security_level(peer->context, 0);
    SSL_CTX_set_cipher_list(peer->context, "ALL");
    SSL_CTX_set_min_proto_version(peer->context, 0);
    if (server) {
        SSL_CTX_use_certificate_chain_file(peer->context, it->server_pem);
        SSL_CTX_use_PrivateKey_file(peer->context, it->server_pem, SSL_FILETYPE_PEM);
    }
}

static void connect_bare(bare *peer, bool server)
{
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    if (server)
        SSL_set_accept_state(peer->ssl);
    else
        SSL_set_connect_state(peer->ssl);
}

static void end_bare(bare *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    *peer = (bare){.ssl = NULL};
    ERR_clear_error();
}

/* What the bare one has to say reaches ours; whether there was any. */
static bool hear(bare *from, side *to)
{
    static uint8_t bytes[64 * 1024];
    int size = BIO_read(from->out, bytes, sizeof bytes);
    if (size <= 0)
        return false;
    vt_tls_feed(to->tls, bytes, (size_t)size);
    read_all(to);
    return true;
}

static void answer(side *from, bare *to)
{
    size_t size;
    uint8_t *bytes = vt_tls_take(from->tls, &size);
    if (size > 0)
        BIO_write(to->in, bytes, (int)size);
    free(bytes);
}

/* Both shake hands as far as they get. */
static void meet_bare(side *ours, bare *peer)
{
    char plain[256];
    read_all(ours);
    for (int i = 0; i < 8; i++) {
        answer(ours, peer);
        if (SSL_do_handshake(peer->ssl) == 1)
            SSL_read(peer->ssl, plain, sizeof plain);
        hear(peer, ours);
    }
    ERR_clear_error();
}

static void begin_server(fixture *it)
{
    vt_tls_policy *policy = policy_of(true, &(vital_tls){.cert_file = it->server_pem}, NULL);
    begin(&it->at_server, policy);
    vt_tls_policy_release(policy);
}

static void begin_client(fixture *it)
{
    vt_tls_policy *policy = policy_of(false, &(vital_tls){.ca_file = it->ca}, "localhost");
    begin(&it->at_client, policy);
    vt_tls_policy_release(policy);
}

static void versions_below_1_2_are_refused(void **state)
{
    fixture *it = *state;
    static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        bare peer;
        start_bare(&peer, it, false);
        SSL_CTX_set_max_proto_version(peer.context, old[i]);
        connect_bare(&peer, false);
        begin_server(it);
        meet_bare(&it->at_server, &peer);
        assert_int_equal(it->at_server.secured, 0);
        says(&it->at_server, VITAL_UNREACHABLE, "the client speaks neither TLS 1.2 nor TLS 1.3");
        assert_int_equal(vt_tls_failure(it->at_server.tls)->alert, 70);
        end_bare(&peer);

        start_bare(&peer, it, true);
        SSL_CTX_set_max_proto_version(peer.context, old[i]);
        connect_bare(&peer, true);
        begin_client(it);
        meet_bare(&it->at_client, &peer);
        assert_int_equal(it->at_client.secured, 0);
        says(&it->at_client, VITAL_UNREACHABLE, "version");
        end_bare(&peer);
    }
}

static void both_versions_are_spoken_in_both_roles(void **state)
{
    fixture *it = *state;
    static const struct {
        int number;
        const char *name;
    } versions[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        bare peer;
        vital_tls_facts facts;
        start_bare(&peer, it, false);
        SSL_CTX_set_min_proto_version(peer.context, versions[i].number);
        SSL_CTX_set_max_proto_version(peer.context, versions[i].number);
        connect_bare(&peer, false);
        begin_server(it);
        meet_bare(&it->at_server, &peer);
        assert_int_equal(it->at_server.secured, 1);
        vt_tls_describe(it->at_server.tls, &facts);
        assert_string_equal(facts.version, versions[i].name);
        assert_non_null(strstr(facts.cipher, "GCM"));
        end_bare(&peer);

        start_bare(&peer, it, true);
        SSL_CTX_set_max_proto_version(peer.context, versions[i].number);
        connect_bare(&peer, true);
        begin_client(it);
        meet_bare(&it->at_client, &peer);
        assert_int_equal(it->at_client.secured, 1);
        vt_tls_describe(it->at_client.tls, &facts);
        assert_string_equal(facts.version, versions[i].name);
        end_bare(&peer);
    }
}

static void ciphers_without_forward_secrecy_are_refused(void **state)
{
    fixture *it = *state;
    static const char *const weak[] = {"AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                       "aNULL", "eNULL"};
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        bare peer;
        start_bare(&peer, it, false);
        SSL_CTX_set_max_proto_version(peer.context, TLS1_2_VERSION);
        assert_int_equal(SSL_CTX_set_cipher_list(peer.context, weak[i]), 1);
        connect_bare(&peer, false);
        begin_server(it);
        meet_bare(&it->at_server, &peer);
        says(&it->at_server, VITAL_UNREACHABLE, "no TLS cipher in common");
        end_bare(&peer);
    }
}

static void alpn_is_http_1_1_or_nothing(void **state)
{
    fixture *it = *state;
    bare peer;
    start_bare(&peer, it, false);
    SSL_CTX_set_alpn_protos(peer.context, (const uint8_t *)"\x02h2\x08http/1.1", 12);
    connect_bare(&peer, false);
    begin_server(it);
    meet_bare(&it->at_server, &peer);
    const unsigned char *chosen;
    unsigned int size;
    SSL_get0_alpn_selected(peer.ssl, &chosen, &size);
    assert_int_equal(size, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    end_bare(&peer);

    start_bare(&peer, it, false);
    SSL_CTX_set_alpn_protos(peer.context, (const uint8_t *)"\x02h2", 3);
    connect_bare(&peer, false);
    begin_server(it);
    meet_bare(&it->at_server, &peer);
    says(&it->at_server, VITAL_UNREACHABLE, "HTTP/1.1");
    end_bare(&peer);
}

static void who_speaks_no_tls_is_found_out_at_the_first_byte(void **state)
{
    fixture *it = *state;
    begin_client(it);
    read_all(&it->at_client);
    vt_tls_feed(it->at_client.tls, (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    read_all(&it->at_client);
    says(&it->at_client, VITAL_MISBEHAVED, "plain HTTP");

    begin_server(it);
    vt_tls_feed(it->at_server.tls, (const uint8_t *)"G", 1);
    read_all(&it->at_server);
    says(&it->at_server, VITAL_MISBEHAVED, "the client does not speak TLS");
}

static void garbage_in_place_of_a_handshake_is_refused(void **state)
{
    fixture *it = *state;
    uint8_t bytes[4096];
    for (unsigned seed = 1; seed <= 200; seed++) {
        srand(seed);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rand();
        bytes[0] = 22;
        bytes[1] = 3;
        bytes[2] = 1;
        bytes[3] = (uint8_t)(seed % 16);
        begin_server(it);
        vt_tls_feed(it->at_server.tls, bytes, sizeof bytes);
        read_all(&it->at_server);
        assert_int_equal(it->at_server.last, VT_TLS_FAILED);
        assert_true(strlen(vt_tls_failure(it->at_server.tls)->what) > 10);
    }
}

static void a_changed_byte_is_noticed(void **state)
{
    fixture *it = *state;
    size_t size;
    for (size_t at = 0;; at++) {
        meet_as_usual(it);
        assert_true(vt_tls_write(it->at_client.tls, "integrity", 9));
        uint8_t *bytes = vt_tls_take(it->at_client.tls, &size);
        if (at == size) {
            free(bytes);
            break;
        }
        bytes[at] ^= 0x40;
        vt_tls_feed(it->at_server.tls, bytes, size);
        read_all(&it->at_server);
        free(bytes);
        assert_int_equal(it->at_server.size, 0);
        /* a longer length waits for more; all else is found out */
        if (it->at_server.last == VT_TLS_FAILED)
            assert_int_equal(vt_tls_failure(it->at_server.tls)->cause, VITAL_MISBEHAVED);
        else
            assert_true(at == 3 || at == 4);
    }
}

/* --------------------------------------------------------------------- floods */

/* A bare client of this version has shaken hands with our server. */
static void begin_flood(fixture *it, bare *peer, int version)
{
    start_bare(peer, it, false);
    SSL_CTX_set_max_proto_version(peer->context, version);
    SSL_CTX_set_min_proto_version(peer->context, version);
    connect_bare(peer, false);
    begin_server(it);
    meet_bare(&it->at_server, peer);
    assert_int_equal(it->at_server.secured, 1);
}

/* E10 of the attacks that we know. */
static void e10_a_flood_of_new_keys_is_ended(void **state)
{
    fixture *it = *state;
    bare peer;
    begin_flood(it, &peer, TLS1_3_VERSION);
    int sent = 0;
    for (; it->at_server.last != VT_TLS_FAILED && sent < 1000; sent++) {
        assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(peer.ssl), 1);
        hear(&peer, &it->at_server);
    }
    says(&it->at_server, VITAL_MISBEHAVED, "more new keys");
    assert_true(sent <= 40);
    assert_true(vt_tls_waiting(it->at_server.tls) < 16 * 1024);
    end_bare(&peer);
}

static void e10_a_flood_in_one_piece_is_ended_as_soon(void **state)
{
    fixture *it = *state;
    bare peer;
    begin_flood(it, &peer, TLS1_3_VERSION);
    for (int i = 0; i < 1000; i++) {
        SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(peer.ssl);
    }
    hear(&peer, &it->at_server);
    says(&it->at_server, VITAL_MISBEHAVED, "more new keys");
    assert_true(vt_tls_waiting(it->at_server.tls) < 16 * 1024);
    end_bare(&peer);
}

static void new_keys_now_and_then_are_fine(void **state)
{
    fixture *it = *state;
    bare peer;
    char plain[16];
    begin_flood(it, &peer, TLS1_3_VERSION);
    for (int i = 1; i <= 100; i++) {
        SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
        assert_int_equal(SSL_write(peer.ssl, "beat", 4), 4);
        hear(&peer, &it->at_server);
        assert_int_equal(it->at_server.last, VT_TLS_DATA);
        assert_int_equal(it->at_server.size, 4 * i);
        assert_true(vt_tls_write(it->at_server.tls, "tick", 4));
        answer(&it->at_server, &peer);
        assert_int_equal(SSL_read(peer.ssl, plain, sizeof plain), 4);
    }
    end_bare(&peer);
}

static void e10_renegotiation_is_refused(void **state)
{
    fixture *it = *state;
    bare peer;
    char plain[16];
    begin_flood(it, &peer, TLS1_2_VERSION);
    assert_int_equal(SSL_renegotiate(peer.ssl), 1);
    SSL_do_handshake(peer.ssl);
    assert_true(hear(&peer, &it->at_server));
    assert_int_equal(it->at_server.secured, 1);
    assert_true(it->at_server.last != VT_TLS_FAILED);
    answer(&it->at_server, &peer);
    assert_true(SSL_read(peer.ssl, plain, sizeof plain) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    end_bare(&peer);
}

static void e10_a_flood_of_wishes_to_renegotiate_is_ended(void **state)
{
    fixture *it = *state;
    bare peer;
    start_bare(&peer, it, true);
    SSL_CTX_set_max_proto_version(peer.context, TLS1_2_VERSION);
    connect_bare(&peer, true);
    begin_client(it);
    meet_bare(&it->at_client, &peer);
    assert_int_equal(it->at_client.secured, 1);
    int sent = 0;
    for (; it->at_client.last != VT_TLS_FAILED && sent < 1000; sent++) {
        SSL_renegotiate(peer.ssl);
        SSL_do_handshake(peer.ssl);
        assert_true(hear(&peer, &it->at_client));
    }
    says(&it->at_client, VITAL_MISBEHAVED, "renegotiations");
    assert_true(sent <= 40);
    assert_true(vt_tls_waiting(it->at_client.tls) < 16 * 1024);
    end_bare(&peer);
}

static void early_data_is_neither_offered_nor_taken(void **state)
{
    fixture *it = *state;
    bare peer;
    start_bare(&peer, it, false);
    connect_bare(&peer, false);
    begin_server(it);
    meet_bare(&it->at_server, &peer);
    assert_int_equal(it->at_server.secured, 1);
    SSL_SESSION *session = SSL_get1_session(peer.ssl);
    assert_non_null(session);
    assert_true(SSL_SESSION_is_resumable(session));
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    SSL_SESSION_free(session);
    end_bare(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(any_segmentation_gives_the_same),
        CASE(a_whole_record_goes_through_and_comes_out_whole),
        CASE(nothing_is_kept_to_leave_once_it_is_taken),
        CASE(a_name_and_an_address_of_the_certificate_are_accepted),
        CASE(a16_a_wrong_name_is_refused_and_both_names_are_said),
        CASE(insecure_believes_whoever_answers),
        CASE(an_authority_that_nobody_named_is_refused),
        CASE(expired_too_early_and_self_signed_certificates_are_refused),
        CASE(a_self_signed_certificate_that_is_named_is_trusted),
        CASE(a_revoked_certificate_is_refused),
        CASE(a_client_shows_its_certificate_when_asked),
        CASE(a_client_without_one_is_refused_and_told),
        CASE(a_client_with_a_stranger_s_certificate_is_refused_and_told),
        CASE(a_server_may_welcome_clients_without_one),
        CASE(a_client_that_comes_back_resumes),
        CASE(a_client_proven_by_certificate_is_still_known_when_it_resumes),
        CASE(e11_an_end_without_close_notify_is_cut),
        CASE(an_end_in_the_handshake_leaves_nothing),
        CASE(who_has_heard_the_end_may_still_speak),
        CASE(versions_below_1_2_are_refused),
        CASE(both_versions_are_spoken_in_both_roles),
        CASE(ciphers_without_forward_secrecy_are_refused),
        CASE(alpn_is_http_1_1_or_nothing),
        CASE(who_speaks_no_tls_is_found_out_at_the_first_byte),
        CASE(garbage_in_place_of_a_handshake_is_refused),
        CASE(a_changed_byte_is_noticed),
        CASE(e10_a_flood_of_new_keys_is_ended),
        CASE(e10_a_flood_in_one_piece_is_ended_as_soon),
        CASE(new_keys_now_and_then_are_fine),
        CASE(e10_renegotiation_is_refused),
        CASE(e10_a_flood_of_wishes_to_renegotiate_is_ended),
        CASE(early_data_is_neither_offered_nor_taken),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
