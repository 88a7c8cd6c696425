/*
 * A raw peer that speaks TLS: a bare OpenSSL on its socket, to do by hand what no
 * honest peer does. It verifies nobody.
 */
#ifndef VT_TESTS_RAW_TLS_H
#define VT_TESTS_RAW_TLS_H

#include "raw_websocket.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

typedef struct raw_tls {
    raw_peer peer;
    SSL_CTX *context;
    SSL *ssl;
    bool ended; /* by close_notify */
    size_t size;
    uint8_t bytes[64 * 1024];
} raw_tls;

/* `pem`: certificate and key of a server; NULL: a client. The peer is connected. */
static inline void raw_tls_start(raw_tls *self, const char *pem)
{
    self->context = SSL_CTX_new(pem != NULL ? TLS_server_method() : TLS_client_method());
    self->ended = false;
    self->size = 0;
    if (pem != NULL) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(self->context, pem), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(self->context, pem, SSL_FILETYPE_PEM), 1);
    }
    self->ssl = SSL_new(self->context);
    SSL_set_fd(self->ssl, self->peer.fd);
    if (pem != NULL)
        SSL_set_accept_state(self->ssl);
    else
        SSL_set_connect_state(self->ssl);
}

static inline bool raw_tls_shakes(raw_tls *self)
{
    ERR_clear_error();
    return SSL_do_handshake(self->ssl) == 1;
}

static inline void raw_tls_send(raw_tls *self, const void *bytes, size_t size)
{
    ERR_clear_error();
    assert_int_equal(SSL_write(self->ssl, bytes, (int)size), size);
}

/* Whether the text has come. */
static inline bool raw_tls_has(raw_tls *self, const char *text)
{
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(self->ssl, self->bytes + self->size,
                             sizeof self->bytes - 1 - self->size, &got);
    self->size += got;
    self->bytes[self->size] = '\0';
    self->ended |= SSL_get_error(self->ssl, result) == SSL_ERROR_ZERO_RETURN;
    return self->size > 0 && memmem(self->bytes, self->size, text, strlen(text)) != NULL;
}

static inline bool raw_tls_ended(raw_tls *self)
{
    raw_tls_has(self, "");
    return self->ended;
}

/* Its socket too, and without a word. */
static inline void raw_tls_close(raw_tls *self)
{
    SSL_free(self->ssl);
    SSL_CTX_free(self->context);
    raw_close(&self->peer);
    ERR_clear_error();
}

#endif
