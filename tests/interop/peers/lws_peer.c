/*
 * libwebsockets, driven by lines on stdin; ../children.py says which. It tells
 * nobody of the pings that it answers, nor of the answer to its own close frame.
 */
#define _GNU_SOURCE
#include <libwebsockets.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MESSAGE_BYTES = 16 << 20,
    LINE_BYTES = 4096,
    FIELD_BYTES = 1024,
    HEADER_BYTES = 512,
    CLOSE = -1, /* among the kinds of frame */
};

/* What is to be written, one at each time that the connection is writable. */
struct piece {
    struct piece *next;
    int how; /* of enum lws_write_protocol, or CLOSE */
    int code;
    size_t size;
    unsigned char data[]; /* behind LWS_PRE bytes */
};

struct conn {
    struct lws *wsi;
    int number;
    bool echo;
    int code; /* of the peer's close frame; 1006 before that */
    char reason[HEADER_BYTES];
    unsigned char *message;
    size_t size;
    struct piece *first, **last;
    struct piece *leaving; /* compression still reads it until the next call */
};

static struct lws_context *context;
static struct lws_vhost *clients;
static struct conn *newest;
static int count;
static char header_to_send[FIELD_BYTES];
static char agreed_extensions[HEADER_BYTES]; /* of the last answer to a client */
static char agreed_subprotocol[HEADER_BYTES];
static char line[LINE_BYTES];
static size_t line_size;

/* ---------------------------------------------------------------- the lines */

/* tell("open", "conn", "1", NULL): names and values by turns. */
static void tell(const char *event, ...)
{
    char escaped[3 * FIELD_BYTES];
    va_list fields;
    printf("event=%s", event);
    va_start(fields, event);
    for (const char *key = va_arg(fields, char *); key != NULL; key = va_arg(fields, char *))
        printf("&%s=%s", key, lws_urlencode(escaped, va_arg(fields, char *), sizeof escaped));
    va_end(fields);
    putchar('\n');
}

static const char *number(long value)
{
    static char texts[4][24];
    static unsigned next;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof texts[0], "%ld", value);
    return text;
}

static const char *hex(const void *data, size_t size)
{
    static char text[2 * 125 + 1];
    text[0] = '\0';
    for (size_t i = 0; i < size && i < 125; i++)
        snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)data)[i]);
    return text;
}

static size_t from_hex(const char *text, unsigned char *out)
{
    size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++)
        sscanf(text + 2 * i, "%2hhx", &out[i]);
    return size;
}

/* The command's field of that name, until the next call for the same slot;
 * NULL if there is none. */
static const char *field(const char *name)
{
    static char slots[8][FIELD_BYTES];
    static unsigned next;
    size_t length = strlen(name);
    for (const char *at = line; at != NULL; at = strchr(at, '&'), at += at != NULL) {
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        char escaped[FIELD_BYTES];
        char *slot = slots[next++ % 8];
        snprintf(escaped, sizeof escaped, "%.*s", (int)strcspn(at + length + 1, "&"),
                 at + length + 1);
        lws_urldecode(slot, escaped, FIELD_BYTES);
        return slot;
    }
    return NULL;
}

/* ----------------------------------------------------------- what is written */

static struct piece *push(struct conn *conn, int how, size_t size)
{
    struct piece *piece = calloc(1, sizeof *piece + LWS_PRE + size);
    if (piece == NULL)
        abort();
    piece->how = how;
    piece->size = size;
    *conn->last = piece;
    conn->last = &piece->next;
    lws_callback_on_writable(conn->wsi);
    return piece;
}

static void push_bytes(struct conn *conn, int how, const void *data, size_t size)
{
    struct piece *piece = push(conn, how, size);
    if (size > 0)
        memcpy(piece->data + LWS_PRE, data, size);
}

/* Returns what the callback is to return: to close is to return -1. */
static int write_next(struct conn *conn)
{
    free(conn->leaving);
    struct piece *piece = conn->leaving = conn->first;
    if (piece == NULL)
        return 0;
    conn->first = piece->next;
    if (conn->first == NULL)
        conn->last = &conn->first;
    else
        lws_callback_on_writable(conn->wsi);
    if (piece->how == CLOSE) {
        if (piece->code != 0)
            lws_close_reason(conn->wsi, piece->code, piece->data + LWS_PRE, piece->size);
        return -1;
    }
    return lws_write(conn->wsi, piece->data + LWS_PRE, piece->size, piece->how) < 0 ? -1 : 0;
}

/* Fragments are cut by bytes, also within a character. */
static void send_file(struct conn *conn)
{
    const char *ping = field("ping");
    const char *sizes = field("fragments");
    FILE *file = fopen(field("file"), "rb");
    unsigned char *message = malloc(MESSAGE_BYTES);
    if (file == NULL || message == NULL)
        abort();
    size_t size = fread(message, 1, MESSAGE_BYTES, file);
    fclose(file);
    int how = strcmp(field("kind"), "text") == 0 ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
    size_t from = 0;
    while (sizes != NULL && *sizes != '\0') {
        char *rest;
        size_t bytes = strtoul(sizes, &rest, 10);
        push_bytes(conn, how | LWS_WRITE_NO_FIN, message + from, bytes);
        how = LWS_WRITE_CONTINUATION;
        from += bytes;
        sizes = *rest == ',' ? rest + 1 : NULL;
        if (ping != NULL) {
            unsigned char payload[FIELD_BYTES];
            push_bytes(conn, LWS_WRITE_PING, payload, from_hex(ping, payload));
        }
    }
    push_bytes(conn, how, message + from, size - from);
    free(message);
}

/* --------------------------------------------------------------- connections */

static const char *copy_header(struct lws *wsi, enum lws_token_indexes token, char *out)
{
    if (lws_hdr_copy(wsi, out, HEADER_BYTES, token) < 0)
        out[0] = '\0';
    return out;
}

static void attend(struct conn *conn, struct lws *wsi, bool is_client)
{
    char offered[HEADER_BYTES], path[HEADER_BYTES], custom[HEADER_BYTES] = "";
    *conn = (struct conn){.wsi = wsi, .number = ++count, .code = 1006, .last = &conn->first};
    conn->message = malloc(MESSAGE_BYTES);
    newest = conn;
    if (is_client) {
        tell("open", "conn", number(conn->number), "extensions", agreed_extensions, "subprotocol",
             agreed_subprotocol, NULL);
        return;
    }
    const char *subprotocol = lws_get_protocol(wsi)->name;
    conn->echo = strcmp(copy_header(wsi, WSI_TOKEN_GET_URI, path), "/echo") == 0;
    lws_hdr_custom_copy(wsi, custom, sizeof custom, "x-interop:", strlen("x-interop:"));
    bool offers = *copy_header(wsi, WSI_TOKEN_PROTOCOL, path) != '\0';
    tell("open", "conn", number(conn->number), "header", custom, "subprotocol",
         offers ? subprotocol : "", "offered", copy_header(wsi, WSI_TOKEN_EXTENSIONS, offered),
         NULL);
}

static void tell_message(struct conn *conn, bool binary)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_Digest(conn->message, conn->size, digest, NULL, EVP_sha256(), NULL);
    tell("message", "conn", number(conn->number), "kind", binary ? "binary" : "text", "size",
         number((long)conn->size), "sha256", hex(digest, 32), NULL);
    if (conn->echo)
        push_bytes(conn, binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT, conn->message, conn->size);
    conn->size = 0;
}

static int receive(struct conn *conn, const void *data, size_t size)
{
    if (conn->size + size > MESSAGE_BYTES) {
        tell("problem", "conn", number(conn->number), "text", "a message is too large", NULL);
        return -1;
    }
    memcpy(conn->message + conn->size, data, size);
    conn->size += size;
    if (lws_is_final_fragment(conn->wsi) && lws_remaining_packet_payload(conn->wsi) == 0)
        tell_message(conn, lws_frame_is_binary(conn->wsi));
    return 0;
}

static void hear_close(struct conn *conn, const unsigned char *data, size_t size)
{
    conn->code = size >= 2 ? data[0] << 8 | data[1] : 1005;
    snprintf(conn->reason, sizeof conn->reason, "%.*s", size > 2 ? (int)size - 2 : 0, data + 2);
}

static void leave(struct conn *conn)
{
    tell("close", "conn", number(conn->number), "code", number(conn->code), "reason", conn->reason,
         NULL);
    if (newest == conn)
        newest = NULL;
    while (conn->first != NULL) {
        struct piece *piece = conn->first;
        conn->first = piece->next;
        free(piece);
    }
    free(conn->leaving);
    free(conn->message);
}

/* --------------------------------------------------------------- the commands */

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size);

static struct lws_protocols protocols[] = {
    {.name = "default", .callback = on_event, .per_session_data_size = sizeof(struct conn)},
    {.name = "", .callback = on_event, .per_session_data_size = sizeof(struct conn)},
    {.name = NULL},
};

/* What a client offers; a server takes what comes. */
static const struct lws_extension *extensions(void)
{
    static struct lws_extension deflate[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, NULL},
        {NULL, NULL, NULL},
    };
    static const struct {
        const char *how, *offer;
    } known[] = {
        {"takeover", "permessage-deflate; client_max_window_bits"},
        {"fresh", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
        {"narrow", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"},
    };
    const char *how = field("deflate");
    for (size_t i = 0; how != NULL && i < LWS_ARRAY_SIZE(known); i++)
        if (strcmp(how, known[i].how) == 0)
            deflate[0].client_offer = known[i].offer;
    return how == NULL ? NULL : deflate;
}

static void listen_at(void)
{
    static char subprotocol[FIELD_BYTES];
    snprintf(subprotocol, sizeof subprotocol, "%s", field("subprotocol"));
    protocols[1].name = subprotocol;
    struct lws_context_creation_info info = {
        .port = atoi(field("port")),
        .iface = "127.0.0.1",
        .protocols = protocols,
        .extensions = extensions(),
        .vhost_name = "server",
    };
    if (field("cert") != NULL) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = field("cert");
        info.ssl_private_key_filepath = field("key");
    }
    struct lws_vhost *vhost = lws_create_vhost(context, &info);
    if (vhost == NULL)
        tell("problem", "text", "cannot listen", NULL);
    else
        tell("listening", NULL);
}

static void connect_to(void)
{
    struct lws_context_creation_info vhost = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .extensions = extensions(),
        .vhost_name = "client",
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .client_ssl_ca_filepath = field("ca"),
    };
    if (clients != NULL)
        lws_vhost_destroy(clients);
    clients = lws_create_vhost(context, &vhost);
    char url[FIELD_BYTES], path[FIELD_BYTES];
    const char *scheme, *rest;
    snprintf(url, sizeof url, "%s", field("url"));
    snprintf(header_to_send, sizeof header_to_send, "%s", field("header") ? field("header") : "");
    struct lws_client_connect_info info = {.context = context, .vhost = clients, .path = path};
    if (clients == NULL || lws_parse_uri(url, &scheme, &info.address, &info.port, &rest) != 0) {
        tell("problem", "text", "cannot connect", NULL);
        return;
    }
    snprintf(path, sizeof path, "/%s", rest);
    info.host = info.address;
    info.protocol = field("subprotocols");
    info.local_protocol_name = "default";
    info.ssl_connection = strcmp(scheme, "wss") == 0 ? LCCSCF_USE_SSL : 0;
    lws_client_connect_via_info(&info);
}

static void obey_newest(const char *what)
{
    unsigned char payload[FIELD_BYTES];
    if (newest == NULL) {
        tell("problem", "text", "there is no connection", NULL);
    } else if (strcmp(what, "send") == 0) {
        send_file(newest);
    } else if (strcmp(what, "ping") == 0) {
        push_bytes(newest, LWS_WRITE_PING, payload, from_hex(field("payload"), payload));
    } else if (strcmp(what, "pong") == 0) {
        push_bytes(newest, LWS_WRITE_PONG, payload, from_hex(field("payload"), payload));
    } else if (strcmp(what, "close") == 0) {
        const char *reason = field("reason") ? field("reason") : "";
        const char *code = field("code");
        push_bytes(newest, CLOSE, reason, strlen(reason));
        struct piece *piece = newest->first;
        while (piece->next != NULL)
            piece = piece->next;
        piece->code = code == NULL ? 0 : atoi(code);
    }
}

static void follow_commands(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != '\n') {
            if (line_size < sizeof line - 1)
                line[line_size++] = data[i];
            continue;
        }
        line[line_size] = '\0';
        line_size = 0;
        const char *what = field("do");
        if (strcmp(what, "listen") == 0)
            listen_at();
        else if (strcmp(what, "connect") == 0)
            connect_to();
        else
            obey_newest(what);
    }
}

/* ------------------------------------------------------- what libwebsockets says */

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct conn *conn = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: {
        char path[HEADER_BYTES];
        if (strcmp(copy_header(wsi, WSI_TOKEN_GET_URI, path), "/refuse") != 0)
            return 0;
        lws_return_http_status(wsi, HTTP_STATUS_UNAUTHORIZED, NULL);
        return 1;
    }
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        if (header_to_send[0] != '\0') {
            unsigned char **at = in;
            return lws_add_http_header_by_name(
                wsi, (const unsigned char *)"x-interop:", (const unsigned char *)header_to_send,
                (int)strlen(header_to_send), at, *at + size);
        }
        return 0;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        copy_header(wsi, WSI_TOKEN_EXTENSIONS, agreed_extensions);
        copy_header(wsi, WSI_TOKEN_PROTOCOL, agreed_subprotocol);
        return 0;
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        attend(conn, wsi, reason == LWS_CALLBACK_CLIENT_ESTABLISHED);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (lws_http_client_http_response(wsi) >= 300)
            tell("refused", "status", number(lws_http_client_http_response(wsi)), NULL);
        else
            tell("problem", "text", in != NULL ? in : "cannot connect", NULL);
        return 0;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(conn, in, size);
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        tell("pong", "conn", number(conn->number), "payload", hex(in, size), NULL);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_next(conn);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        hear_close(conn, in, size);
        return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
        leave(conn);
        return 0;
    default:
        return 0;
    }
}

static int on_input(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    char data[LINE_BYTES];
    (void)wsi, (void)user, (void)in, (void)size;
    if (reason == LWS_CALLBACK_RAW_CLOSE_FILE)
        exit(0);
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        ssize_t got = read(STDIN_FILENO, data, sizeof data);
        if (got <= 0)
            exit(0);
        follow_commands(data, (size_t)got);
    }
    return 0;
}

int main(void)
{
    static const struct lws_protocols inputs[] = {{.name = "input", .callback = on_input},
                                                  {.name = NULL}};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = inputs,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .vhost_name = "input",
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    lws_set_log_level(LLL_ERR, NULL);
    context = lws_create_context(&info);
    struct lws_vhost *vhost = context != NULL ? lws_create_vhost(context, &info) : NULL;
    lws_sock_file_fd_type input = {.filefd = STDIN_FILENO};
    if (vhost == NULL ||
        lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, input, "input", NULL) == NULL)
        return 1;
    tell("ready", NULL);
    while (lws_service(context, 0) >= 0) {
    }
    return 0;
}
