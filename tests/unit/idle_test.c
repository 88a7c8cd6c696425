/*
 * What an idle connection costs a server: all that is allocated for it, with what malloc
 * adds, counted over a few hundred on real sockets. It is a count, and the same each time.
 */
#include "conn.h"

#include <malloc.h>

#include "live.h"
#include "raw_websocket.h"

enum {
    FEW = 100,
    MANY = 400,
    /* A member of its server and a stream, its slot in the wheel, whose arrays grow by
     * doubling, and a little to spare. Of the two ways to wait. */
    MOST_BYTES_EPOLL = 352,
    MOST_BYTES_URING = 384,
};

typedef struct crowd {
    vital_server *server;
    raw_peer peers[MANY];
    vital_conn *conns[MANY];
    int open;
    int heard;
} crowd;

static void on_open(vital_conn *conn, bool resumed)
{
    crowd *self = vital_user(conn);
    (void)resumed;
    self->conns[self->open++] = conn;
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    crowd *self = vital_user(conn);
    (void)kind, (void)message;
    self->heard++;
}

static void come_in(live *test, crowd *self, int count)
{
    const char *port = strrchr(vital_server_url(self->server), ':') + 1;
    while (self->open < count) {
        int before = self->open;
        raw_connect(&self->peers[before], (uint16_t)strtol(port, NULL, 10), 0);
        raw_upgrade_client(test, &self->peers[before]);
        step_until(test, self->open > before, "it is open");
        free(self->peers[before].bytes); /* what is counted is the server's */
        self->peers[before].bytes = NULL;
        self->peers[before].size = self->peers[before].capacity = 0;
    }
}

/* The first talks, so that the others may come to rest. */
static bool all_rest(live *test, crowd *self)
{
    int heard = self->heard, awake = 0;
    raw_frame(&self->peers[0], VT_OP_BINARY, true, "x", 1);
    step_until(test, self->heard > heard, "it is heard");
    for (int i = 1; i < self->open; i++)
        awake += self->conns[i]->awake != NULL;
    return awake == 0;
}

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static size_t at_rest(live *test, crowd *self, int count)
{
    come_in(test, self, count);
    step_until(test, all_rest(test, self), "all are at rest");
    return allocated();
}

static void an_idle_connection_takes_little_memory(void **state)
{
    live *test = *state;
    const char *backend = getenv("VITAL_BACKEND");
    bool uring = backend != NULL && strcmp(backend, "uring") == 0;
    size_t most = uring ? MOST_BYTES_URING : MOST_BYTES_EPOLL;
    crowd *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->server = live_listen(test->loop, &(vital_listen_options){
                                               .address = "127.0.0.1:0",
                                               .events = {.open = on_open, .message = on_message},
                                               .user = self,
                                           });
    size_t few_bytes = at_rest(test, self, FEW);
    size_t many_bytes = at_rest(test, self, MANY);
    if (many_bytes == 0) {
        print_message("this malloc does not count\n");
    } else {
        size_t each = (many_bytes - few_bytes) / (MANY - FEW);
        print_message("%zu bytes an idle connection\n", each);
        assert_in_range(each, sizeof(vt_rest), most);
    }
    for (int i = 0; i < MANY; i++)
        raw_close(&self->peers[i]);
    step_until(test, vital_server_count(self->server) == 0, "all have gone");
    /* But for the wheel, and what is kept for the next ones. */
    assert_true(allocated() <= few_bytes + (size_t)(MANY - FEW) * 32);
    vital_loop_destroy(test->loop);
    test->loop = NULL;
    free(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {live_test(an_idle_connection_takes_little_memory)};
    return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
