/*
 * Clients and servers of the public API, as many as the suite asks for, in one
 * process: what `vital serve` and `vital connect` do not let it set or see.
 *
 * Orders come as lines on stdin, their words between tabs:
 *
 *     connect  ID  URL      [NAME=VALUE]...
 *     listen   ID  ADDRESS  [NAME=VALUE]...
 *
 * and events go as lines to stdout: EVENT, ID, the address of the peer, and
 * then what belongs to the event. Every message is sent back as it came, but a
 * text that begins with "please " is an order:
 *
 *     please close CODE REASON     please ping PAYLOAD     please send SIZE
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vital/vital.h>

enum {
    LINE_BYTES = 16 * 1024,
    ORDER_BYTES = 256,
    LIST_MOST = 16,
    UNEXPECTED = 1011, /* RFC 6455 7.4.1: internal error */
};

/* ------------------------------------------------------------------ events */

static long id_of(vital_conn *conn)
{
    return (long)(intptr_t)vital_user(conn);
}

/* "/refuse/403" is refused with 403. */
static int on_accept(vital_conn *conn, const vital_request *request)
{
    static const char refuse[] = "/refuse/";
    const char *path = vital_request_path(request);
    (void)conn;
    return strncmp(path, refuse, strlen(refuse)) == 0 ? atoi(path + strlen(refuse)) : 0;
}

static void on_open(vital_conn *conn, bool resumed)
{
    (void)resumed;
    printf("open\t%ld\t%s\t%s\n", id_of(conn), vital_conn_peer(conn), vital_conn_subprotocol(conn));
}

/* A field in hexadecimal, since it may hold anything. */
static void put_field(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    putchar('\t');
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
}

static void on_pong(vital_conn *conn, vital_bytes payload)
{
    printf("pong\t%ld\t%s", id_of(conn), vital_conn_peer(conn));
    put_field(payload.data, payload.size);
    putchar('\n');
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    printf("close\t%ld\t%s\t%s\t%d\t%d\t%d\t%lld", id_of(conn), vital_conn_peer(conn),
           vital_cause_name(verdict->cause), verdict->code, verdict->status, verdict->final,
           (long long)verdict->retry_ms);
    put_field(verdict->reason, strlen(verdict->reason));
    put_field(verdict->text, strlen(verdict->text));
    putchar('\n');
}

static int send_many(vital_conn *conn, size_t size)
{
    char *message = malloc(size + 1);
    if (message == NULL)
        return VITAL_ENOMEM;
    memset(message, '*', size);
    int error = vital_send(conn, VITAL_TEXT, (vital_bytes){message, size});
    free(message);
    return error;
}

/* True if the text was an order. */
static bool obey(vital_conn *conn, vital_bytes text, int *error)
{
    static const char please[] = "please ";
    char order[ORDER_BYTES];
    char *rest;
    if (text.size < strlen(please) || text.size >= sizeof order ||
        memcmp(text.data, please, strlen(please)) != 0)
        return false;
    memcpy(order, text.data, text.size);
    order[text.size] = '\0';
    const char *verb = order + strlen(please);
    if (strncmp(verb, "close ", 6) == 0) {
        long code = strtol(verb + 6, &rest, 10);
        vital_close(conn, (uint16_t)code, *rest == ' ' ? rest + 1 : NULL);
    } else if (strncmp(verb, "ping ", 5) == 0) {
        *error = vital_ping(conn, vital_text(verb + 5));
    } else if (strncmp(verb, "send ", 5) == 0) {
        *error = send_many(conn, strtoul(verb + 5, NULL, 10));
    } else {
        return false;
    }
    return true;
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    int error = 0;
    if (kind != VITAL_TEXT || !obey(conn, message, &error))
        error = vital_send(conn, kind, message);
    if (error != 0 && error != VITAL_ECLOSED)
        vital_close(conn, UNEXPECTED, vital_strerror(error));
}

static const vital_events events = {.accept = on_accept,
                                    .open = on_open,
                                    .message = on_message,
                                    .pong = on_pong,
                                    .close = on_close};

/* ------------------------------------------------------------------ orders */

/* What an order may set; the texts lie in its line. */
typedef struct settings {
    const char *subprotocols[LIST_MOST + 1];
    const char *headers[LIST_MOST + 1];
    size_t subprotocol_count;
    size_t header_count;
    vital_limits limits;
    vital_compression compression;
    vital_reconnect reconnect;
} settings;

/* Among the limits; false if it is none. */
static bool set_limit(settings *to, const char *name, int number)
{
    if (strcmp(name, "message_bytes") == 0)
        to->limits.message_bytes = (size_t)number;
    else if (strcmp(name, "header_bytes") == 0)
        to->limits.header_bytes = (size_t)number;
    else if (strcmp(name, "open_ms") == 0)
        to->limits.open_ms = number;
    else if (strcmp(name, "close_ms") == 0)
        to->limits.close_ms = number;
    else
        return false;
    return true;
}

/* Of compression; false if it is none. */
static bool set_compression(settings *to, const char *name, int number)
{
    if (strcmp(name, "compress") == 0)
        to->compression.enabled = number != 0;
    else if (strcmp(name, "keep_context") == 0)
        to->compression.keep_context = number != 0;
    else if (strcmp(name, "peer_keeps_context") == 0)
        to->compression.peer_keeps_context = number != 0;
    else if (strcmp(name, "window_bits") == 0)
        to->compression.window_bits = number;
    else if (strcmp(name, "peer_window_bits") == 0)
        to->compression.peer_window_bits = number;
    else if (strcmp(name, "least_bytes") == 0)
        to->compression.least_bytes = (size_t)number;
    else
        return false;
    return true;
}

/* NULL, or what is wrong with the option. */
static const char *set(settings *to, char *name)
{
    char *value = strchr(name, '=');
    if (value == NULL)
        return "an option is NAME=VALUE";
    *value++ = '\0';
    int number = atoi(value);
    if (strcmp(name, "subprotocol") == 0 && to->subprotocol_count < LIST_MOST)
        to->subprotocols[to->subprotocol_count++] = value;
    else if (strcmp(name, "header") == 0 && to->header_count < LIST_MOST)
        to->headers[to->header_count++] = value;
    else if (strcmp(name, "retry_ms") == 0)
        to->reconnect = (vital_reconnect){
            .never = number == 0, .first_ms = number, .min_ms = number, .max_ms = number};
    else if (!set_limit(to, name, number) && !set_compression(to, name, number))
        return "an option that is not known";
    return NULL;
}

static int do_connect(vital_loop *loop, long id, const char *url, const settings *with)
{
    const vital_connect_options options = {
        .url = url,
        .events = events,
        .user = (void *)(intptr_t)id,
        .heartbeat = {.kind = VITAL_BEAT_NONE, .text = ""},
        .reconnect = with->reconnect,
        .limits = with->limits,
        .compression = with->compression,
        .headers = with->headers,
        .subprotocols = with->subprotocols,
    };
    vital_conn *conn;
    return vital_connect(&conn, loop, &options);
}

static int do_listen(vital_loop *loop, long id, const char *address, const settings *with)
{
    const vital_listen_options options = {
        .address = address,
        .events = events,
        .user = (void *)(intptr_t)id,
        .heartbeat = {.kind = VITAL_BEAT_NONE, .text = ""},
        .limits = with->limits,
        .compression = with->compression,
        .subprotocols = with->subprotocols,
    };
    vital_server *server;
    int error = vital_listen(&server, loop, &options);
    if (error == 0)
        printf("listening\t%ld\t%s\n", id, vital_server_url(server));
    return error;
}

static void take_order(vital_loop *loop, char *line)
{
    /* Times that a busy machine does not reach; the cases of times set shorter ones. */
    settings with = {.reconnect.never = true,
                     .limits = {.message_bytes = 4 << 20,
                                .queue_bytes = 16 << 20,
                                .open_ms = 60 * 1000,
                                .close_ms = 60 * 1000}};
    const char *problem = NULL;
    char *words[3] = {NULL, NULL, NULL};
    char *word;
    char *rest = line;
    for (size_t i = 0; (word = strsep(&rest, "\t")) != NULL && problem == NULL; i++) {
        if (i < 3)
            words[i] = word;
        else
            problem = set(&with, word);
    }
    long id = words[1] != NULL ? atol(words[1]) : 0;
    if (problem == NULL && words[2] == NULL)
        problem = "an order has three words";
    if (problem == NULL) {
        bool connect = strcmp(words[0], "connect") == 0;
        int error = connect ? do_connect(loop, id, words[2], &with)
                            : do_listen(loop, id, words[2], &with);
        problem = error == 0 ? NULL : vital_loop_problem(loop);
    }
    if (problem != NULL)
        printf("problem\t%ld\t\t%s\n", id, problem);
}

/* Takes what stdin has. False at its end. */
static bool read_orders(vital_loop *loop)
{
    static char held[LINE_BYTES];
    static size_t size;
    ssize_t got = read(STDIN_FILENO, held + size, sizeof held - size);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    size += (size_t)got;
    char *newline;
    while ((newline = memchr(held, '\n', size)) != NULL) {
        *newline = '\0';
        take_order(loop, held);
        size -= (size_t)(newline + 1 - held);
        memmove(held, newline + 1, size);
    }
    return true;
}

int main(void)
{
    vital_loop *loop;
    if (vital_loop_create(&loop) != 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int error = 0;
    bool here = true;
    while (here && error == 0) {
        struct pollfd polled[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = vital_loop_fd(loop), .events = POLLIN},
        };
        poll(polled, 2, vital_loop_wait_ms(loop));
        if (polled[0].revents != 0)
            here = read_orders(loop);
        error = vital_loop_step(loop, 0);
    }
    vital_loop_destroy(loop);
    return error == 0 ? 0 : 2;
}
