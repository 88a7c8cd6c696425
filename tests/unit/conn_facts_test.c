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

static live *test;
static scene here;

static vital_conn *join(raw_peer *peer)
{
    int opens = here.seen.opens;
    const char *port = strrchr(vital_server_url(here.server), ':') + 1;
    raw_connect(peer, (uint16_t)strtol(port, NULL, 10), 0);
    raw_upgrade_client(test, peer);
    step_until(test, here.seen.opens > opens, "the server has it");
    return here.seen.conn;
}

static void talk(void)
{
    int messages = here.seen.messages;
    raw_frame(&here.talker, VT_OP_BINARY, true, "x", 1);
    step_until(test, here.seen.messages > messages, "the talker is heard");
}

static bool rests(void)
{
    talk();
    return here.conn->awake == NULL;
}

static int set_up(void **state)
{
    if (live_setup(state) != 0)
        return -1;
    test = *state;
    here = (scene){.server = NULL};
    vital_events events = WITNESS;
    here.server = live_listen(test->loop, &(vital_listen_options){
                                              .address = "127.0.0.1:0",
                                              .events = events,
                                              .user = &here.seen,
                                          });
    here.conn = join(&here.quiet);
    join(&here.talker);
    return 0;
}

static void lull(void)
{
    step_until(test, rests(), "the quiet one is at rest");
}

/* More than lie in the two chunks that may be there. */
enum { LENT_MOST = 2 * VT_SLAB_CHUNK_BYTES / sizeof(vt_awake) };

/* What there is is used up, and there is no more. */
static void use_up_memory(vt_awake *lent[LENT_MOST])
{
    int count = 0;
    no_memory = true;
    while ((lent[count] = vt_commons_lend(here.conn->owner->commons)) != NULL)
        count++;
}

static void give_memory_back(vt_commons *commons, vt_awake *lent[LENT_MOST])
{
    no_memory = false;
    for (int i = 0; lent[i] != NULL; i++)
        vt_commons_take_back(commons, lent[i]);
}

static int clear_away(void **state)
{
    raw_close(&here.quiet);
    raw_close(&here.talker);
    step_until(test, vital_server_count(here.server) == 0, "both are gone");
    return live_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, clear_away)

/* ------------------------------------------------------------------------ tests */

static void what_is_said_at_rest_is_what_was_said_before(void **state)
{
    (void)state;
    vital_opening awake, rest;
    vital_pulse pulse;
    char peer[128];
    assert_non_null(here.conn->awake);
    vital_conn_opening(here.conn, &awake);
    snprintf(peer, sizeof peer, "%s", vital_conn_peer(here.conn));
    assert_true(awake.upgrade_us >= 0);
    lull();
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
}

static void what_comes_finds_it_as_it_was(void **state)
{
    (void)state;
    lull();
    raw_frame(&here.quiet, VT_OP_TEXT, true, "hello", 5);
    step_until(test, strcmp(here.seen.text, "hello") == 0, "the message has come");
    assert_non_null(here.conn->awake);
    lull();
}

static void what_is_sent_leaves(void **state)
{
    (void)state;
    lull();
    assert_int_equal(vital_send(here.conn, VITAL_TEXT, vital_text("hello")), 0);
    step_until(test, raw_reaches(&here.quiet, VT_OP_TEXT), "the message is there");
    lull();
    assert_int_equal(vital_ping(here.conn, vital_text("there?")), 0);
    step_until(test, raw_reaches(&here.quiet, VT_OP_PING), "the ping is there");
}

static void a_goodbye_is_said(void **state)
{
    (void)state;
    lull();
    vital_close(here.conn, 1001, "so long");
    raw_expect_close(test, &here.quiet, 1001, "so long");
}

static void it_can_be_cut(void **state)
{
    (void)state;
    lull();
    vital_cut(here.conn);
    step_until(test, here.seen.closes == 1, "the end is told");
    assert_cause(&here.seen, VITAL_CLOSED_BY_US);
}

static void a_paused_one_does_not_rest_and_reads_nothing(void **state)
{
    (void)state;
    lull();
    vital_pause(here.conn, true);
    raw_frame(&here.quiet, VT_OP_TEXT, true, "hello", 5);
    for (int i = 0; i < 50; i++)
        talk();
    assert_non_null(here.conn->awake);
    assert_string_equal(here.seen.text, "x");
    vital_pause(here.conn, false);
    step_until(test, strcmp(here.seen.text, "hello") == 0, "the message has come");
    lull();
}

static void the_end_of_its_stream_is_told(void **state)
{
    (void)state;
    lull();
    raw_close(&here.quiet);
    step_until(test, here.seen.closes == 1, "the end is told");
    assert_cause(&here.seen, VITAL_CUT);
    assert_int_equal(vital_server_count(here.server), 1);
}

/* ------------------------------------------------------------- without memory */

static void without_memory_a_send_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    vt_awake *lent[LENT_MOST];
    lull();
    use_up_memory(lent);
    int error = vital_send(here.conn, VITAL_TEXT, vital_text("hello"));
    int ping_error = vital_ping(here.conn, vital_text("hello"));
    give_memory_back(here.conn->owner->commons, lent);
    assert_int_equal(error, VITAL_ENOMEM);
    assert_int_equal(ping_error, VITAL_ENOMEM);
    assert_int_equal(vital_send(here.conn, VITAL_TEXT, vital_text("hello")), 0);
    step_until(test, raw_reaches(&here.quiet, VT_OP_TEXT), "the message is there");
}

/* One end of all without memory; `what` makes it need some. */
static void starve(void (*what)(void))
{
    vt_awake *lent[LENT_MOST];
    lull();
    vt_commons *commons = here.conn->owner->commons;
    use_up_memory(lent);
    what();
    for (int i = 0; i < 1000 && here.seen.closes == 0; i++)
        live_step(test);
    give_memory_back(commons, lent);
    assert_int_equal(here.seen.closes, 1);
    assert_cause(&here.seen, VITAL_OVERFLOW);
    assert_says(here.seen.verdict.text, "out of memory");
    assert_non_null(commons->reserve);
}

static void close_it(void)
{
    vital_close(here.conn, 1001, NULL);
    assert_int_equal(here.seen.closes, 0); /* nobody is called back from inside */
    assert_int_equal(vital_send(here.conn, VITAL_TEXT, vital_text("x")), VITAL_ENOMEM);
}

static void say_something(void)
{
    raw_frame(&here.quiet, VT_OP_TEXT, true, "hello", 5);
}

static void let_its_timer_fire(void)
{
    vt_timer_arm(&here.conn->timer, here.conn->owner->loop, 0);
}

static void pause_it(void)
{
    vital_pause(here.conn, true);
}

static void without_memory_for_a_goodbye_it_ends(void **state)
{
    (void)state;
    starve(close_it);
}

static void without_memory_for_what_comes_it_ends(void **state)
{
    (void)state;
    starve(say_something);
}

static void without_memory_for_its_deadline_it_ends(void **state)
{
    (void)state;
    starve(let_its_timer_fire);
}

static void without_memory_for_a_pause_it_ends(void **state)
{
    (void)state;
    starve(pause_it);
}

static void a_hint_that_finds_no_memory_is_not_followed(void **state)
{
    (void)state;
    vt_awake *lent[LENT_MOST];
    lull();
    use_up_memory(lent);
    vt_conn_hint(here.conn, VITAL_HINT_RESUMED);
    give_memory_back(here.conn->owner->commons, lent);
    assert_null(here.conn->awake);
    vt_conn_hint(here.conn, VITAL_HINT_RESUMED);
    assert_non_null(here.conn->awake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_at_rest_is_what_was_said_before),
        TEST(what_comes_finds_it_as_it_was),
        TEST(what_is_sent_leaves),
        TEST(a_goodbye_is_said),
        TEST(it_can_be_cut),
        TEST(a_paused_one_does_not_rest_and_reads_nothing),
        TEST(the_end_of_its_stream_is_told),
        TEST(without_memory_a_send_is_refused_and_nothing_is_lost),
        TEST(without_memory_for_a_goodbye_it_ends),
        TEST(without_memory_for_what_comes_it_ends),
        TEST(without_memory_for_its_deadline_it_ends),
        TEST(without_memory_for_a_pause_it_ends),
        TEST(a_hint_that_finds_no_memory_is_not_followed),
    };
    return cmocka_run_group_tests_name("conn_facts", tests, NULL, NULL);
}
