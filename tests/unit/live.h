/*
 * What the tests with real sockets share. All is on loopback or on Unix sockets
 * in a directory of the test's own; a test waits for what is to happen, with a
 * deadline that only a broken program meets; and afterwards not one descriptor
 * may be left.
 */
#ifndef VT_TESTS_LIVE_H
#define VT_TESTS_LIVE_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <vital/vital.h>

enum { LIVE_PATIENCE_S = 30 };

typedef struct live {
    vital_loop *loop;
    vital_loop *other; /* a second one, if the test wants it; stepped along */
    int descriptors;   /* before the test */
    char directory[64];
} live;

static inline int64_t live_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int live_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* With what these tests are to wait: $VITAL_BACKEND, "epoll" (as without it) or
 * "uring". */
static inline int live_create_loop(vital_loop **out)
{
    const char *named = getenv("VITAL_BACKEND");
    bool uring = named != NULL && strcmp(named, "uring") == 0;
    vital_loop_options options = {uring ? VITAL_BACKEND_URING : VITAL_BACKEND_EPOLL};
    int error = vital_loop_create_with(out, &options);
    if (error == VITAL_ESYSTEM)
        print_error("no loop on %s: %s\n", uring ? "io_uring" : "epoll", strerror(errno));
    return error;
}

/* -------------------------------------------------------------------- waiting */

static inline void live_step(const live *test)
{
    assert_int_equal(vital_loop_step(test->loop, test->other != NULL ? 1 : 5), 0);
    if (test->other != NULL)
        assert_int_equal(vital_loop_step(test->other, 1), 0);
}

/* True, for the loop that goes on. */
static inline bool live_step_before(const live *test, int64_t give_up_ms, const char *what)
{
    if (live_now_ms() > give_up_ms)
        fail_msg("waited %d s in vain until %s", LIVE_PATIENCE_S, what);
    live_step(test);
    return true;
}

/* step_until(test, seen.closes == 1, "the client is told"); */
#define step_until(test, condition, what)                             \
    for (int64_t give_up_ms = live_now_ms() + LIVE_PATIENCE_S * 1000; \
         !(condition) && live_step_before(test, give_up_ms, what);)   \
    continue

/* -------------------------------------------------------------------- fixture */

static inline int live_setup(void **state)
{
    live *test = calloc(1, sizeof *test);
    if (test == NULL)
        return -1;
    test->descriptors = live_descriptors();
    snprintf(test->directory, sizeof test->directory, "/tmp/vital-test-XXXXXX");
    if (mkdtemp(test->directory) == NULL || live_create_loop(&test->loop) != 0)
        return -1;
    *state = test;
    return 0;
}

/* An empty directory and no descriptor more than before: nothing was forgotten. */
static inline int live_teardown(void **state)
{
    live *test = *state;
    vital_loop_destroy(test->loop);
    vital_loop_destroy(test->other);
    int left = live_descriptors() - test->descriptors;
    int removed = rmdir(test->directory);
    if (left != 0)
        print_error("%d descriptors were left open\n", left);
    if (removed != 0)
        print_error("%s: %s\n", test->directory, strerror(errno));
    free(test);
    return left == 0 && removed == 0 ? 0 : -1;
}

#define live_test(name) cmocka_unit_test_setup_teardown(name, live_setup, live_teardown)

static inline void live_add_loop(live *test)
{
    assert_int_equal(live_create_loop(&test->other), 0);
}

static inline void assert_says(const char *sentence, const char *words)
{
    if (strstr(sentence, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", sentence, words);
}

static inline vital_server *live_listen(vital_loop *loop, const vital_listen_options *options)
{
    vital_server *server = NULL;
    if (vital_listen(&server, loop, options) != 0)
        fail_msg("%s", vital_loop_problem(loop));
    return server;
}

static inline vital_conn *live_connect(vital_loop *loop, const vital_connect_options *options)
{
    vital_conn *conn = NULL;
    if (vital_connect(&conn, loop, options) != 0)
        fail_msg("%s", vital_loop_problem(loop));
    return conn;
}

/* ------------------------------------------------------------------ witnesses */

/* What happened to the connections whose vital_user() this is. */
typedef struct witness {
    int accepts, opens, messages, pongs, doubts, reliefs, drains, closes, finals;
    vital_conn *conn; /* the last that opened; NULL once it has ended */
    vital_kind kind;  /* of the last message, as the next two */
    size_t size;
    char text[256]; /* as much of it as fits, NUL at its end */
    char pong[128];
    vital_pulse doubtful; /* the pulse at the last doubt */
    vital_verdict verdict;
    char peer[128]; /* as named in the close callback */
    bool echo;      /* answers each message with itself */
    bool stop;      /* stops the loop at open, message, pong, close */
} witness;

static inline void witness_copy(char *out, size_t room, vital_bytes bytes)
{
    size_t size = bytes.size < room ? bytes.size : room - 1;
    if (size > 0)
        memcpy(out, bytes.data, size);
    out[size] = '\0';
}

static inline void witness_stop(const witness *seen, vital_conn *conn)
{
    if (seen->stop)
        vital_loop_stop(vital_conn_loop(conn));
}

static inline int witness_accept(vital_conn *conn, const vital_request *request)
{
    witness *seen = vital_user(conn);
    (void)request;
    seen->accepts++;
    return 0;
}

static inline void witness_open(vital_conn *conn, bool resumed)
{
    witness *seen = vital_user(conn);
    assert_false(resumed);
    seen->opens++;
    seen->conn = conn;
    witness_stop(seen, conn);
}

static inline void witness_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    witness *seen = vital_user(conn);
    seen->messages++;
    seen->kind = kind;
    seen->size = message.size;
    witness_copy(seen->text, sizeof seen->text, message);
    if (seen->echo)
        assert_int_equal(vital_send(conn, kind, message), 0);
    witness_stop(seen, conn);
}

static inline void witness_pong(vital_conn *conn, vital_bytes payload)
{
    witness *seen = vital_user(conn);
    seen->pongs++;
    witness_copy(seen->pong, sizeof seen->pong, payload);
    witness_stop(seen, conn);
}

static inline void witness_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    witness *seen = vital_user(conn);
    if (health == VITAL_DOUBTFUL)
        seen->doubts++;
    else
        seen->reliefs++;
    if (health == VITAL_DOUBTFUL)
        seen->doubtful = *pulse;
}

static inline void witness_drain(vital_conn *conn)
{
    witness *seen = vital_user(conn);
    seen->drains++;
}

static inline void witness_close(vital_conn *conn, const vital_verdict *verdict)
{
    witness *seen = vital_user(conn);
    seen->closes++;
    seen->finals += verdict->final;
    seen->verdict = *verdict;
    snprintf(seen->peer, sizeof seen->peer, "%s", vital_conn_peer(conn));
    if (verdict->final && seen->conn == conn)
        seen->conn = NULL;
    witness_stop(seen, conn);
}

static const vital_events WITNESS = {
    .open = witness_open,
    .message = witness_message,
    .pong = witness_pong,
    .health = witness_health,
    .drain = witness_drain,
    .close = witness_close,
};

static inline void assert_cause(const witness *seen, vital_cause cause)
{
    if (seen->verdict.cause != cause)
        fail_msg("%s and not %s: %s", vital_cause_name(seen->verdict.cause),
                 vital_cause_name(cause), seen->verdict.text);
}

#endif
