/*
 * A page beside the WebSocket, on the same port.
 */
#include <vital/vital.h>

static int page(vital_conn *conn, const vital_request *request)
{
    static const char *const html[] = {"Content-Type: text/html", NULL};
    vital_response alive = {.status = 200, .headers = html, .body = vital_text("<h1>alive</h1>")};
    if (strcmp(vital_request_path(request), "/") != 0)
        return 404;
    return vital_respond(conn, &alive);
}

int main(void)
{
    vital_loop *loop;
    vital_server *server;
    vital_listen_options setup = {.address = "127.0.0.1:9001", .events = {.http = page}};
    return vital_loop_create(&loop) || vital_listen(&server, loop, &setup) || vital_loop_run(loop);
}
