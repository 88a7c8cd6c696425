/*
 * libwebsockets; ../servers.py says how it is called. What a connection has to say waits
 * in a queue of its own for its turn to write, and as much of it goes as the socket takes.
 * The heartbeat is its validity policy.
 */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECEIVE_BYTES = 65536,
    MARGIN_S = 10,
    DESCRIPTORS = 60000,
};

typedef struct message {
    struct message *next;
    size_t size;
    enum lws_write_protocol kind;
    unsigned char bytes[]; /* after LWS_PRE of room */
} message;

struct conn {
    message *first, *last; /* owned; to be sent */
    message *coming;       /* owned; not all of it is here; NULL: none */
    struct lws *wsi;
    struct conn *previous, *next;
};

static struct lws_context *context;
static struct conn *everyone;
static bool to_all;

static void say(struct conn *conn, const message *what)
{
    size_t bytes = sizeof *what + LWS_PRE + what->size;
    message *copy = malloc(bytes);
    if (copy == NULL)
        exit(1);
    memcpy(copy, what, bytes);
    copy->next = NULL;
    if (conn->last != NULL)
        conn->last->next = copy;
    else
        conn->first = copy;
    conn->last = copy;
    lws_callback_on_writable(conn->wsi);
}

static void receive(struct conn *conn, const void *data, size_t size)
{
    size_t held = conn->coming != NULL ? conn->coming->size : 0;
    message *grown = realloc(conn->coming, sizeof *grown + LWS_PRE + held + size);
    if (grown == NULL)
        exit(1);
    memcpy(grown->bytes + LWS_PRE + held, data, size);
    grown->size = held + size;
    grown->kind = lws_frame_is_binary(conn->wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    conn->coming = grown;
    if (lws_remaining_packet_payload(conn->wsi) > 0 || !lws_is_final_fragment(conn->wsi))
        return;
    for (struct conn *to = everyone; to_all && to != NULL; to = to->next)
        say(to, grown);
    if (!to_all)
        say(conn, grown);
    free(grown);
    conn->coming = NULL;
}

static int write_queue(struct conn *conn)
{
    while (conn->first != NULL && !lws_send_pipe_choked(conn->wsi)) {
        message *next = conn->first;
        int sent = lws_write(conn->wsi, next->bytes + LWS_PRE, next->size, next->kind);
        conn->first = next->next;
        free(next);
        if (conn->first == NULL)
            conn->last = NULL;
        if (sent < 0)
            return -1;
    }
    if (conn->first != NULL)
        lws_callback_on_writable(conn->wsi);
    return 0;
}

static void join(struct conn *conn, struct lws *wsi)
{
    conn->wsi = wsi;
    conn->next = everyone;
    if (everyone != NULL)
        everyone->previous = conn;
    everyone = conn;
}

static void leave(struct conn *conn)
{
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        everyone = conn->next;
    while (conn->first != NULL) {
        message *next = conn->first->next;
        free(conn->first);
        conn->first = next;
    }
    free(conn->coming);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        join(user, wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        receive(user, in, size);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_queue(user);
    case LWS_CALLBACK_CLOSED:
        leave(user);
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "default",
         .callback = on_event,
         .per_session_data_size = sizeof(struct conn),
         .rx_buffer_size = RECEIVE_BYTES},
        {.name = NULL},
    };
    if (argc < 4)
        return 2;
    to_all = strcmp(argv[2], "all") == 0;
    lws_retry_bo_t policy = {.secs_since_valid_ping = (uint16_t)(atoi(argv[3]) / 1000)};
    policy.secs_since_valid_hangup = (uint16_t)(policy.secs_since_valid_ping + MARGIN_S);
    struct lws_context_creation_info info = {
        .port = atoi(argv[1]),
        .iface = "127.0.0.1",
        .protocols = protocols,
        .vhost_name = "bench",
        .fd_limit_per_thread = DESCRIPTORS,
        .retry_and_idle_policy = strcmp(argv[2], "beat") == 0 ? &policy : NULL,
    };
    if (argc > 5) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = argv[4];
        info.ssl_private_key_filepath = argv[5];
    }
    lws_set_log_level(LLL_ERR, NULL);
    context = lws_create_context(&info);
    while (context != NULL && lws_service(context, 0) >= 0)
        continue;
    return 1;
}
