/*
 * What the command cannot do, and interop needs: a client that sends binary
 * messages and closes with any code, and a server that has subprotocols and
 * looks at headers. Both send every message back as it came; the text message
 * "close CODE REASON" is an order instead. Prints what happens in lines of
 * key=value&..., as the peers do.
 *
 * usage: mirror connect url=URL [ca=FILE] [proxy=URL] [deflate=HOW]
 *        mirror listen [subprotocol=NAME ...] [cert=FILE key=FILE] [deflate=HOW]
 *
 * It refuses with 401 who sends no X-Interop. HOW to compress is takeover, fresh or
 * narrow, as in children.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vital/vital.h>

enum {
    MESSAGE_BYTES = 16 << 20,
    UNAUTHORIZED = 401,
    UNEXPECTED = 1011,
    ORDER_BYTES = 256,
    SUBPROTOCOLS_MOST = 4,
    NARROW_BITS = 10,
    BAD_USAGE = 2,
};

typedef struct setup {
    const char *url, *proxy;
    const char *subprotocols[SUBPROTOCOLS_MOST + 1];
    vital_tls tls;
    vital_compression compression;
} setup;

static const vital_limits limits = {.message_bytes = MESSAGE_BYTES,
                                    .queue_bytes = 2 * MESSAGE_BYTES};

static int on_accept(vital_conn *conn, const vital_request *request)
{
    (void)conn;
    return vital_request_header(request, "X-Interop") != NULL ? 0 : UNAUTHORIZED;
}

static void on_open(vital_conn *conn, bool resumed)
{
    (void)resumed;
    printf("event=open&subprotocol=%s&compressed=%d\n", vital_conn_subprotocol(conn),
           vital_conn_compressed(conn));
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    static const char close[] = "close ";
    char order[ORDER_BYTES];
    char *rest;
    if (kind != VITAL_TEXT || message.size < strlen(close) || message.size >= sizeof order ||
        memcmp(message.data, close, strlen(close)) != 0) {
        int error = vital_send(conn, kind, message);
        if (error != 0)
            vital_close(conn, UNEXPECTED, vital_strerror(error));
        return;
    }
    memcpy(order, message.data, message.size);
    order[message.size] = '\0';
    long code = strtol(order + strlen(close), &rest, 10);
    vital_close(conn, (uint16_t)code, *rest == ' ' ? rest + 1 : NULL);
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    printf("event=close&cause=%s&code=%d\n", vital_cause_name(verdict->cause), verdict->code);
    if (vital_user(conn) != NULL) /* the one connection of a client */
        vital_loop_stop(vital_user(conn));
}

static int start_server(vital_loop *loop, const setup *wanted)
{
    const vital_listen_options options = {
        .address = "127.0.0.1:0",
        .tls = wanted->tls,
        .events = {.accept = on_accept, .open = on_open, .message = on_message, .close = on_close},
        .limits = limits,
        .compression = wanted->compression,
        .subprotocols = wanted->subprotocols,
    };
    vital_server *server;
    int error = vital_listen(&server, loop, &options);
    if (error == 0)
        printf("event=listening&url=%s\n", vital_server_url(server));
    return error;
}

static int start_client(vital_loop *loop, const setup *wanted)
{
    const vital_connect_options options = {
        .url = wanted->url,
        .tls = wanted->tls,
        .proxy = wanted->proxy,
        .events = {.open = on_open, .message = on_message, .close = on_close},
        .user = loop,
        .heartbeat = {.text = ""},
        .reconnect = {.never = true},
        .limits = limits,
        .compression = wanted->compression,
    };
    vital_conn *conn;
    return vital_connect(&conn, loop, &options);
}

static bool read_deflate(const char *how, vital_compression *out)
{
    *out = (vital_compression){.enabled = true, .least_bytes = 1};
    if (strcmp(how, "fresh") == 0)
        return true;
    out->keep_context = out->peer_keeps_context = true;
    if (strcmp(how, "narrow") == 0)
        out->window_bits = out->peer_window_bits = NARROW_BITS;
    return strcmp(how, "narrow") == 0 || strcmp(how, "takeover") == 0;
}

/* KEY=VALUE; returns whether it is one that we know. */
static bool read_argument(char *argument, setup *out)
{
    char *value = strchr(argument, '=');
    size_t count = 0;
    if (value == NULL)
        return false;
    *value++ = '\0';
    if (strcmp(argument, "url") == 0)
        out->url = value;
    else if (strcmp(argument, "proxy") == 0)
        out->proxy = value;
    else if (strcmp(argument, "ca") == 0)
        out->tls.ca_file = value;
    else if (strcmp(argument, "cert") == 0)
        out->tls.cert_file = value;
    else if (strcmp(argument, "key") == 0)
        out->tls.key_file = value;
    else if (strcmp(argument, "deflate") == 0)
        return read_deflate(value, &out->compression);
    else if (strcmp(argument, "subprotocol") == 0) {
        while (out->subprotocols[count] != NULL)
            count++;
        if (count == SUBPROTOCOLS_MOST)
            return false;
        out->subprotocols[count] = value;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    vital_loop *loop;
    setup wanted = {.url = NULL};
    bool understood = argc >= 2;
    for (int i = 2; i < argc; i++)
        understood = read_argument(argv[i], &wanted) && understood;
    if (!understood || vital_loop_create(&loop) != 0)
        return BAD_USAGE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int error = strcmp(argv[1], "listen") == 0 ? start_server(loop, &wanted)
                                               : start_client(loop, &wanted);
    if (error == 0)
        error = vital_loop_run(loop);
    if (error != 0)
        fprintf(stderr, "mirror: %s\n", vital_loop_problem(loop));
    vital_loop_destroy(loop);
    return error == 0 ? 0 : BAD_USAGE;
}
