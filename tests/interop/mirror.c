/*
 * What the command cannot do, and interop needs: a client that sends binary
 * messages and closes with any code, and a server that has subprotocols and
 * looks at headers. Both send every message back as it came; the text message
 * "close CODE REASON" is an order instead. Prints what happens in lines of
 * key=value&..., as the peers do.
 *
 * usage: mirror connect URL
 *        mirror listen SUBPROTOCOL...    refuses with 401 who sends no X-Interop
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vital/vital.h>

enum { MESSAGE_BYTES = 16 << 20, UNAUTHORIZED = 401, UNEXPECTED = 1011, ORDER_BYTES = 256 };

static int on_accept(vital_conn *conn, const vital_request *request)
{
    (void)conn;
    return vital_request_header(request, "X-Interop") != NULL ? 0 : UNAUTHORIZED;
}

static void on_open(vital_conn *conn, bool resumed)
{
    (void)resumed;
    printf("event=open&subprotocol=%s\n", vital_conn_subprotocol(conn));
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

int main(int argc, char **argv)
{
    static const vital_limits limits = {.message_bytes = MESSAGE_BYTES,
                                        .queue_bytes = 2 * MESSAGE_BYTES};
    vital_loop *loop;
    if (argc < 3 || vital_loop_create(&loop) != 0)
        return 2;
    int error;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(argv[1], "listen") == 0) {
        const vital_listen_options options = {
            .address = "127.0.0.1:0",
            .events = {.accept = on_accept,
                       .open = on_open,
                       .message = on_message,
                       .close = on_close},
            .limits = limits,
            .subprotocols = (const char *const *)argv + 2,
        };
        vital_server *server;
        error = vital_listen(&server, loop, &options);
        if (error == 0)
            printf("event=listening&url=%s\n", vital_server_url(server));
    } else {
        const vital_connect_options options = {
            .url = argv[2],
            .events = {.open = on_open, .message = on_message, .close = on_close},
            .user = loop,
            .heartbeat = {.text = ""},
            .reconnect = {.never = true},
            .limits = limits,
        };
        vital_conn *conn;
        error = vital_connect(&conn, loop, &options);
    }
    if (error == 0)
        error = vital_loop_run(loop);
    if (error != 0)
        fprintf(stderr, "mirror: %s\n", vital_loop_problem(loop));
    vital_loop_destroy(loop);
    return error == 0 ? 0 : 2;
}
