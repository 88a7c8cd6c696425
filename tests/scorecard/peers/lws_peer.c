/*
 * libwebsockets with its validity policy; ../peers.py says how it is called. A ping
 * leaves when nothing has proved the connection valid for secs_since_valid_ping, and it
 * hangs up at secs_since_valid_hangup, 10 s later, as its own default has it (300, 310).
 * Why it hung up is told to nobody.
 */
#include <arpa/inet.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum {
    MARGIN_S = 10,
    MESSAGE_BYTES = 64,
    NAME_BYTES = 16,
    CONNECTIONS_MOST = 10000,
    MS = 1000, /* in microseconds */
};

struct conn {
    struct lws *wsi;
    int number; /* of a client's */
    lws_sorted_usec_list_t timer;
    char name[NAME_BYTES];
    bool talks;
    size_t size; /* of what is to be written; 0: nothing */
    unsigned char message[LWS_PRE + MESSAGE_BYTES];
};

static struct lws_context *context;
static struct lws_vhost *vhost;
static lws_retry_bo_t policy;
static const char *address;
static int port, first, talk_ms;

static void tell(const char *event, const char *name, int from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("event=%s&at=%lld", event, now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    if (name != NULL)
        printf("&name=%s", name);
    if (from != 0)
        printf("&port=%d", from);
    putchar('\n');
}

static int port_of_peer(struct lws *wsi)
{
    struct sockaddr_in peer = {.sin_family = AF_INET};
    socklen_t size = sizeof peer;
    getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&peer, &size);
    return ntohs(peer.sin_port);
}

static void write_soon(struct conn *conn, const void *data, size_t size)
{
    conn->size = size < MESSAGE_BYTES ? size : MESSAGE_BYTES;
    memcpy(conn->message + LWS_PRE, data, conn->size);
    lws_callback_on_writable(conn->wsi);
}

static void talk(lws_sorted_usec_list_t *timer)
{
    struct conn *conn = lws_container_of(timer, struct conn, timer);
    static const char words[] = "so it goes";
    write_soon(conn, words, strlen(words));
    lws_sul_schedule(context, 0, timer, talk, (lws_usec_t)talk_ms * MS);
}

static void attend(struct conn *conn, struct lws *wsi, bool is_client)
{
    conn->wsi = wsi;
    if (is_client) {
        tell("open", conn->name, 0);
        conn->talks = talk_ms > 0;
        if (conn->talks)
            lws_sul_schedule(context, 0, &conn->timer, talk, (lws_usec_t)talk_ms * MS);
        return;
    }
    char path[NAME_BYTES + 1] = "/";
    lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    snprintf(conn->name, sizeof conn->name, "%s", path + 1);
    tell("open", conn->name, port_of_peer(wsi));
}

static void leave(struct conn *conn)
{
    if (conn->talks)
        lws_sul_cancel(&conn->timer);
    tell("dead", conn->name, 0);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct conn *conn = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        attend(conn, wsi, reason == LWS_CALLBACK_CLIENT_ESTABLISHED);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        write_soon(conn, in, size);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        size = conn->size;
        conn->size = 0;
        return size > 0 && lws_write(wsi, conn->message + LWS_PRE, size, LWS_WRITE_TEXT) < 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
        leave(conn);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "default", .callback = on_event, .per_session_data_size = sizeof(struct conn)},
    {.name = NULL},
};

static void connect_now(lws_sorted_usec_list_t *timer)
{
    struct conn *conn = lws_container_of(timer, struct conn, timer);
    char path[NAME_BYTES + 1];
    snprintf(conn->name, sizeof conn->name, "%d", first + conn->number);
    snprintf(path, sizeof path, "/%s", conn->name);
    struct lws_client_connect_info info = {
        .context = context,
        .vhost = vhost,
        .address = address,
        .port = port,
        .path = path,
        .host = address,
        .local_protocol_name = "default",
        .userdata = conn,
        .retry_and_idle_policy = &policy,
    };
    lws_client_connect_via_info(&info);
}

static void connect_all(int count, int over_ms)
{
    struct conn *conns = calloc((size_t)count, sizeof *conns);
    for (int i = 0; conns != NULL && i < count; i++) {
        conns[i].number = i;
        lws_sul_schedule(context, 0, &conns[i].timer, connect_now,
                         (lws_usec_t)over_ms * MS * i / count + 1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    bool is_server = strcmp(argv[1], "server") == 0;
    address = argv[2];
    port = atoi(argv[3]);
    policy.secs_since_valid_ping = (uint16_t)(atoi(argv[4]) / 1000);
    policy.secs_since_valid_hangup = (uint16_t)(policy.secs_since_valid_ping + MARGIN_S);
    struct lws_context_creation_info info = {
        .port = is_server ? port : CONTEXT_PORT_NO_LISTEN,
        .iface = is_server ? address : NULL,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .vhost_name = "scorecard",
        .retry_and_idle_policy = &policy,
        .fd_limit_per_thread = CONNECTIONS_MOST,
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    lws_set_log_level(LLL_ERR, NULL);
    context = lws_create_context(&info);
    vhost = context != NULL ? lws_create_vhost(context, &info) : NULL;
    if (vhost == NULL)
        return 1;
    if (is_server) {
        tell("ready", NULL, 0);
    } else if (argc >= 9) {
        first = atoi(argv[5]);
        talk_ms = atoi(argv[8]);
        connect_all(atoi(argv[6]), atoi(argv[7]));
    }
    while (lws_service(context, 0) >= 0)
        continue;
    return 0;
}
