/* A client that heals itself: stop the server, start it again, and watch. */
#include <stdio.h>
#include <vital/vital.h>

static void heard(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    (void)conn, (void)kind;
    printf("%.*s\n", (int)message.size, (const char *)message.data);
}

static void closed(vital_conn *conn, const vital_verdict *verdict)
{
    fprintf(stderr, "%s\n", verdict->text);
    if (verdict->final)
        vital_loop_stop(vital_conn_loop(conn));
    else
        fprintf(stderr, "Next try in %d ms.\n", (int)verdict->retry_ms);
}

int main(void)
{
    vital_loop *loop;
    vital_conn *conn;
    vital_connect_options options = {.url = "ws://127.0.0.1:9001/",
                                     .events = {.message = heard, .close = closed}};
    return vital_loop_create(&loop) || vital_connect(&conn, loop, &options) ||
           vital_send(conn, VITAL_TEXT, vital_text("hello")) || vital_loop_run(loop);
}
