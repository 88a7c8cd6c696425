/*
 * vital as a user has it, for tests/scorecard; peers.py says how it is called. With an
 * interval of 0 it does not beat, and only answers: so it serves as everybody's client
 * where a server's cost is measured. $ANSWER_MS is the answer limit, if it is to be given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vital/vital.h>

enum {
    BAD_USAGE = 2,
    URL_BYTES = 128,
    TEXT_BYTES = 3 * sizeof((vital_verdict){.code = 0}.text) + 1,
    US_PER_MS = 1000,
    US_PER_S = 1000 * 1000,
    LISTEN_WORDS = 5,
    CONNECT_WORDS = 9,
};

typedef struct clients {
    vital_loop *loop;
    const char *address;
    int port, first, count, over_ms, talk_ms;
    vital_conn **conns; /* of those that are open; by number less first */
    int started;
    int64_t begun_us, talk_us;
} clients;

static vital_heartbeat heartbeat;
static clients us; /* of the one loop */

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / US_PER_MS;
}

/* The number of the connection, which was in the path. */
static int number_of(const vital_conn *conn)
{
    return (int)(intptr_t)vital_user(conn);
}

static void tell(const char *event, const vital_conn *conn)
{
    printf("event=%s&at=%lld&name=%d", event, (long long)now_us(), number_of(conn));
}

static const char *escaped(const char *text, char *out)
{
    char *at = out;
    for (; *text != '\0' && at + 4 <= out + TEXT_BYTES; text++, at += 3)
        snprintf(at, 4, "%%%02X", (unsigned char)*text);
    *at = '\0';
    return out;
}

/* -------------------------------------------------------------------- events */

static int on_accept(vital_conn *conn, const vital_request *request)
{
    vital_set_user(conn, (void *)strtol(vital_request_path(request) + 1, NULL, 10));
    return 0;
}

static void on_open(vital_conn *conn, bool resumed)
{
    (void)resumed;
    tell("open", conn);
    if (us.conns == NULL)
        printf("&port=%s", strrchr(vital_conn_peer(conn), ':') + 1);
    else
        us.conns[number_of(conn) - us.first] = conn;
    putchar('\n');
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    if (us.conns == NULL)
        vital_send(conn, kind, message);
}

static void on_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    (void)pulse;
    vital_verdict suspicion;
    tell(health == VITAL_DOUBTFUL ? "doubt" : "alive", conn);
    if (vital_conn_suspicion(conn, &suspicion))
        printf("&cause=%s", vital_cause_name(suspicion.cause));
    putchar('\n');
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    char text[TEXT_BYTES];
    if (us.conns != NULL)
        us.conns[number_of(conn) - us.first] = NULL;
    if (verdict->open_ms < 0)
        return; /* it was never alive */
    tell("dead", conn);
    printf("&text=%s+%d+%s\n", vital_cause_name(verdict->cause), verdict->code,
           escaped(verdict->text, text));
}

static const vital_events events = {.accept = on_accept,
                                    .open = on_open,
                                    .message = on_message,
                                    .health = on_health,
                                    .close = on_close};

/* --------------------------------------------------------------------- roles */

static int serve(vital_loop *loop, const char *address, const char *port)
{
    char where[URL_BYTES];
    snprintf(where, sizeof where, "%s:%s", address, port);
    vital_server *server;
    vital_listen_options options = {.address = where, .events = events, .heartbeat = heartbeat};
    int error = vital_listen(&server, loop, &options);
    if (error == 0)
        printf("event=ready&at=%lld\n", (long long)now_us());
    return error != 0 ? error : vital_loop_run(loop);
}

static int64_t start_us(int index)
{
    return us.begun_us + (int64_t)us.over_ms * US_PER_MS * index / us.count;
}

static int connect_next(void)
{
    char url[URL_BYTES];
    int number = us.first + us.started++;
    snprintf(url, sizeof url, "ws://%s:%d/%d", us.address, us.port, number);
    vital_conn *conn;
    vital_connect_options options = {.url = url,
                                     .events = events,
                                     .user = (void *)(intptr_t)number,
                                     .heartbeat = heartbeat,
                                     .reconnect = {.never = true}};
    return vital_connect(&conn, us.loop, &options);
}

static void talk(void)
{
    us.talk_us += (int64_t)us.talk_ms * US_PER_MS;
    for (int i = 0; i < us.count; i++)
        if (us.conns[i] != NULL)
            vital_send(us.conns[i], VITAL_TEXT, vital_text("so it goes"));
}

/* Until when the loop may wait, in ms; -1 is for ever. */
static int wait_ms(void)
{
    int64_t next_us = INT64_MAX;
    if (us.started < us.count)
        next_us = start_us(us.started);
    if (us.talk_ms > 0 && us.talk_us < next_us)
        next_us = us.talk_us;
    int64_t wait_us = next_us - now_us();
    if (next_us == INT64_MAX)
        return -1;
    return wait_us > 0 ? (int)(wait_us / US_PER_MS) + 1 : 0;
}

static int be_clients(void)
{
    int error = 0;
    us.conns = calloc((size_t)us.count, sizeof(vital_conn *));
    if (us.conns == NULL)
        return VITAL_ENOMEM;
    us.begun_us = us.talk_us = now_us();
    while (error >= 0) {
        while (error >= 0 && us.started < us.count && now_us() >= start_us(us.started))
            error = connect_next();
        if (us.talk_ms > 0 && now_us() >= us.talk_us)
            talk();
        if (error >= 0)
            error = vital_loop_step(us.loop, wait_ms());
    }
    return error;
}

int main(int argc, char **argv)
{
    vital_loop *loop;
    if (argc < LISTEN_WORDS || vital_loop_create(&loop) != 0)
        return BAD_USAGE;
    bool is_server = strcmp(argv[1], "server") == 0;
    if (!is_server && argc < CONNECT_WORDS)
        return BAD_USAGE;
    const char *answer = getenv("ANSWER_MS");
    heartbeat.interval_ms = atoi(argv[4]);
    heartbeat.kind = heartbeat.interval_ms > 0 ? VITAL_BEAT_PING : VITAL_BEAT_NONE;
    heartbeat.answer_ms = answer != NULL ? atoi(answer) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int error;
    if (is_server) {
        error = serve(loop, argv[2], argv[3]);
    } else {
        us = (clients){.loop = loop,
                       .address = argv[2],
                       .port = atoi(argv[3]),
                       .first = atoi(argv[5]),
                       .count = atoi(argv[6]),
                       .over_ms = atoi(argv[7]),
                       .talk_ms = atoi(argv[8])};
        error = be_clients();
    }
    fprintf(stderr, "scorecard subject: %s\n", vital_loop_problem(loop));
    return error == 0 ? 0 : BAD_USAGE;
}
