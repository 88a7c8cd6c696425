/*
 * What anybody says, all hear: the fan-out that `vital serve`, which echoes, does not
 * have. The library has no broadcast of its own yet, so this sends to one after the other.
 *
 * usage: bench_vital_all PORT epoll|uring
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <vital/vital.h>

typedef struct member {
    vital_conn *conn;
    struct member *previous, *next;
} member;

static member *everyone;

static void join(vital_conn *conn, bool resumed)
{
    member *new = calloc(1, sizeof *new);
    (void)resumed;
    if (new == NULL)
        exit(1);
    *new = (member){.conn = conn, .next = everyone};
    if (everyone != NULL)
        everyone->previous = new;
    everyone = new;
    vital_set_user(conn, new);
}

static void leave(vital_conn *conn, const vital_verdict *verdict)
{
    member *gone = vital_user(conn);
    (void)verdict;
    if (gone == NULL) /* it was never open */
        return;
    if (gone->next != NULL)
        gone->next->previous = gone->previous;
    if (gone->previous != NULL)
        gone->previous->next = gone->next;
    else
        everyone = gone->next;
    free(gone);
}

static void say(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    (void)conn;
    for (const member *to = everyone; to != NULL; to = to->next)
        vital_send(to->conn, kind, message);
}

int main(int argc, char **argv)
{
    char address[32];
    struct rlimit limit;
    vital_loop *loop;
    vital_server *server;
    if (argc < 3)
        return 2;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    vital_loop_options how = {.backend = strcmp(argv[2], "uring") == 0 ? VITAL_BACKEND_URING
                                                                       : VITAL_BACKEND_EPOLL};
    vital_listen_options setup = {
        .address = address,
        .events = {.open = join, .message = say, .close = leave},
        .heartbeat = {.kind = VITAL_BEAT_NONE},
        .limits = {.opens_per_s = 1000000},
    };
    return vital_loop_create_with(&loop, &how) || vital_listen(&server, loop, &setup) ||
           vital_loop_run(loop);
}
