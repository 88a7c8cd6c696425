/* An echo server with heartbeats, on ws://127.0.0.1:9001/. */
#include <vital/vital.h>

static void echo(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    if (vital_send(conn, kind, message) != 0)
        vital_close(conn, 1013, "you read more slowly than you write");
}

int main(void)
{
    vital_loop *loop;
    vital_server *server;
    vital_listen_options setup = {.address = "127.0.0.1:9001", .events = {.message = echo}};
    return vital_loop_create(&loop) || vital_listen(&server, loop, &setup) || vital_loop_run(loop);
}
