/*
 * A connection at rest, over real sockets: what is said of it is what was said before,
 * and whatever is done to it, or comes to it, finds it as it was.
 */
#include "conn.h"

#include <sys/mman.h>

#include "live.h"
#include "raw_websocket.h"

/* ------------------------------------------------------------ memory that is scarce */

static bool no_memory;

void *__real_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset);

void *__wrap_mmap64(void *address, size_t size, int access, int flags, int fd, off_t offset)
{
    return no_memory ? MAP_FAILED : __real_mmap64(address, size, access, flags, fd, offset);
}

/* -------------------------------------------------------------------- the scene */

/* A server with two connections: of one nothing is heard, and the other talks. */
typedef struct scene {
    vital_server *server;
    raw_peer quiet, talker;
    witness seen;     /* by both */
    vital_conn *conn; /* the quiet one's */
} scene;

static vital_conn *join(live *test, scene *self, raw_peer *peer)
{
    int opens = self->seen.opens;
    const char *port = strrchr(vital_server_url(self->server), ':') + 1;
    raw_connect(peer, (uint16_t)strtol(port, NULL, 10), 0);
    raw_upgrade_client(test, peer);
    step_until(test, self->seen.opens > opens, "the server has it");
    return self->seen.conn;
}

static void talk(live *test, scene *self)
{
    int messages = self->seen.messages;
    raw_frame(&self->talker, VT_OP_BINARY, true, "x", 1);
    step_until(test, self->seen.messages > messages, "the talker is heard");
}

static bool rests(live *test, scene *self)
{
    talk(test, self);
    return self->conn->awake == NULL;
}

static void set_up(live *test, scene *self)
{
    *self = (scene){.server = NULL};
    vital_events events = WITNESS;
    self->server = live_listen(test->loop, &(vital_listen_options){
                                               .address = "127.0.0.1:0",
                                               .events = events,
                                               .user = &self->seen,
                                           });
    self->conn = join(test, self, &self->quiet);
    join(test, self, &self->talker);
}

static void lull(live *test, scene *self)
{
    step_until(test, rests(test, self), "the quiet one is at rest");
}

/* More than lie in the two chunks that may be there. */
enum { LENT_MOST = 2 * VT_SLAB_CHUNK_BYTES / sizeof(vt_awake) };

/* What there is is used up, and there is no more. */
static void use_up_memory(scene *self, vt_awake *lent[LENT_MOST])
{
    int count = 0;
    no_memory = true;
    while ((lent[count] = vt_commons_lend(self->conn->owner->commons)) != NULL)
        count++;
}

static void give_memory_back(vt_commons *commons, vt_awake *lent[LENT_MOST])
{
    no_memory = false;
    for (int i = 0; lent[i] != NULL; i++)
        vt_commons_take_back(commons, lent[i]);
}

static void clear_away(live *test, scene *self)
{
    raw_close(&self->quiet);
    raw_close(&self->talker);
    step_until(test, vital_server_count(self->server) == 0, "both are gone");
}

/* ------------------------------------------------------------------------ tests */

static void what_is_said_at_rest_is_what_was_said_before(void **state)
{
    scene here;
    live *test = *state;
    vital_opening awake, rest;
    vital_pulse pulse;
    char peer[128];
    set_up(test, &here);
    assert_non_null(here.conn->awake);
    vital_conn_opening(here.conn, &awake);
    snprintf(peer, sizeof peer, "%s", vital_conn_peer(here.conn));
    assert_true(awake.upgrade_us >= 0);
    lull(test, &here);
    vital_conn_opening(here.conn, &rest);
    assert_memory_equal(&rest, &awake, sizeof rest);
    assert_string_equal(vital_conn_peer(here.conn), peer);
    assert_string_equal(vital_conn_subprotocol(here.conn), "");
    assert_string_equal(vital_conn_url(here.conn), "");
    assert_false(vital_conn_compressed(here.conn));
    assert_int_equal(vital_conn_queued(here.conn), 0);
    assert_ptr_equal(vital_conn_loop(here.conn), test->loop);
    assert_ptr_equal(vital_user(here.conn), &here.seen);
    vital_conn_pulse(here.conn, &pulse);
    assert_true(pulse.heard_ms >= 100);
    assert_null(here.conn->awake);
    clear_away(test, &here);
}

static void what_comes_finds_it_as_it_was(void **state)
{
    scene here;
    live *test = *state;
    set_up(test, &here);
    lull(test, &here);
    raw_frame(&here.quiet, VT_OP_TEXT, true, "hello", 5);
    step_until(test, strcmp(here.seen.text, "hello") == 0, "the message has come");
    assert_non_null(here.conn->awake);
    lull(test, &here);
    clear_away(test, &here);
}

static void what_is_sent_leaves(void **state)
{
    scene here;
    live *test = *state;
    set_up(test, &here);
    lull(test, &here);
    assert_int_equal(vital_send(here.conn, VITAL_TEXT, vital_text("hello")), 0);
    step_until(test, raw_reaches(&here.quiet, VT_OP_TEXT), "the message is there");
    lull(test, &here);
    assert_int_equal(vital_ping(here.conn, vital_text("there?")), 0);
    step_until(test, raw_reaches(&here.quiet, VT_OP_PING), "the ping is there");
    clear_away(test, &here);
}

static void a_goodbye_is_said(void **state)
{
    scene here;
    live *test = *state;
    set_up(test, &here);
    lull(test, &here);
    vital_close(here.conn, 1001, "so long");
    raw_expect_close(test, &here.quiet, 1001, "so long");
    clear_away(test, &here);
}

static void it_can_be_cut(void **state)
{
    scene here;
    live *test = *state;
    set_up(test, &here);
    lull(test, &here);
    vital_cut(here.conn);
    step_until(test, here.seen.closes == 1, "the end is told");
    assert_cause(&here.seen, VITAL_CLOSED_BY_US);
    clear_away(test, &here);
}

static void a_paused_one_does_not_rest_and_reads_nothing(void **state)
{
    scene here;
    live *test = *state;
    set_up(test, &here);
    lull(test, &here);
    vital_pause(here.conn, true);
    raw_frame(&here.quiet, VT_OP_TEXT, true, "hello", 5);
    for (int i = 0; i < 50; i++)
        talk(test, &here);
    assert_non_null(here.conn->awake);
    assert_string_equal(here.seen.text, "x");
    vital_pause(here.conn, false);
    step_until(test, strcmp(here.seen.text, "hello") == 0, "the message has come");
    lull(test, &here);
    clear_away(test, &here);
}

static void the_end_of_its_stream_is_told(void **state)
{
    scene here;
    live *test = *state;
    set_up(test, &here);
    lull(test, &here);
    raw_close(&here.quiet);
    step_until(test, here.seen.closes == 1, "the end is told");
    assert_cause(&here.seen, VITAL_CUT);
    assert_int_equal(vital_server_count(here.server), 1);
    clear_away(test, &here);
}

/* ------------------------------------------------------------- without memory */

static void without_memory_a_send_is_refused_and_nothing_is_lost(void **state)
{
    scene here;
    live *test = *state;
    vt_awake *lent[LENT_MOST];
    set_up(test, &here);
    lull(test, &here);
    use_up_memory(&here, lent);
    int error = vital_send(here.conn, VITAL_TEXT, vital_text("hello"));
    int ping_error = vital_ping(here.conn, vital_text("hello"));
    give_memory_back(here.conn->owner->commons, lent);
    assert_int_equal(error, VITAL_ENOMEM);
    assert_int_equal(ping_error, VITAL_ENOMEM);
    assert_int_equal(vital_send(here.conn, VITAL_TEXT, vital_text("hello")), 0);
    step_until(test, raw_reaches(&here.quiet, VT_OP_TEXT), "the message is there");
    clear_away(test, &here);
}

/* One end of all without memory; `what` makes it need some. */
static void starve(live *test, void (*what)(scene *here))
{
    scene here;
    vt_awake *lent[LENT_MOST];
    set_up(test, &here);
    lull(test, &here);
    vt_commons *commons = here.conn->owner->commons;
    use_up_memory(&here, lent);
    what(&here);
    for (int i = 0; i < 1000 && here.seen.closes == 0; i++)
        live_step(test);
    give_memory_back(commons, lent);
    assert_int_equal(here.seen.closes, 1);
    assert_cause(&here.seen, VITAL_OVERFLOW);
    assert_says(here.seen.verdict.text, "out of memory");
    assert_non_null(commons->reserve);
    clear_away(test, &here);
}

static void close_it(scene *here)
{
    vital_close(here->conn, 1001, NULL);
    assert_int_equal(here->seen.closes, 0); /* nobody is called back from inside */
    assert_int_equal(vital_send(here->conn, VITAL_TEXT, vital_text("x")), VITAL_ENOMEM);
}

static void say_something(scene *here)
{
    raw_frame(&here->quiet, VT_OP_TEXT, true, "hello", 5);
}

static void let_its_timer_fire(scene *here)
{
    vt_timer_arm(&here->conn->timer, here->conn->owner->loop, 0);
}

static void pause_it(scene *here)
{
    vital_pause(here->conn, true);
}

static void without_memory_for_what_must_be_done_it_ends(void **state)
{
    starve(*state, close_it);
    starve(*state, say_something);
    starve(*state, let_its_timer_fire);
    starve(*state, pause_it);
}

static void a_hint_that_finds_no_memory_is_not_followed(void **state)
{
    scene here;
    live *test = *state;
    vt_awake *lent[LENT_MOST];
    set_up(test, &here);
    lull(test, &here);
    use_up_memory(&here, lent);
    vt_conn_hint(here.conn, VITAL_HINT_RESUMED);
    give_memory_back(here.conn->owner->commons, lent);
    assert_null(here.conn->awake);
    vt_conn_hint(here.conn, VITAL_HINT_RESUMED);
    assert_non_null(here.conn->awake);
    clear_away(test, &here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(what_is_said_at_rest_is_what_was_said_before),
        live_test(what_comes_finds_it_as_it_was),
        live_test(what_is_sent_leaves),
        live_test(a_goodbye_is_said),
        live_test(it_can_be_cut),
        live_test(a_paused_one_does_not_rest_and_reads_nothing),
        live_test(the_end_of_its_stream_is_told),
        live_test(without_memory_a_send_is_refused_and_nothing_is_lost),
        live_test(without_memory_for_what_must_be_done_it_ends),
        live_test(a_hint_that_finds_no_memory_is_not_followed),
    };
    return cmocka_run_group_tests_name("conn_facts", tests, NULL, NULL);
}
