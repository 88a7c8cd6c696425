/*
 * Names to addresses, through the whole loop, against a name server of the
 * test's own on loopback: c-ares is pointed to it by taking the place of its
 * ares_init_options(), since nothing of vital's may say where to ask.
 */
#include "resolver.h"

#include <ares.h>
#include <dlfcn.h>

#include "live.h"

enum { FOUND_MAX = 4096, QUERY_BYTES = 512, TYPE_A = 1, TYPE_AAAA = 28 };

/* ------------------------------------------------------------ the name server */

typedef struct name_server {
    int fd;
    int channels; /* how often c-ares has read its configuration */
    int queries;
    int ignored;      /* so many queries are lost on the way */
    bool withhold;    /* the answers stay here */
    size_t held_size; /* the last query that was withheld */
    uint8_t held[QUERY_BYTES];
    struct sockaddr_in held_from;
    char servers[64]; /* where c-ares is to ask */
} name_server;

static name_server server;

int ares_init_options(ares_channel *channel, struct ares_options *options, int mask)
{
    int (*genuine)(ares_channel *, struct ares_options *, int);
    void *symbol = dlsym(RTLD_NEXT, "ares_init_options");
    assert_non_null(symbol);
    memcpy(&genuine, &symbol, sizeof genuine);
    server.channels++;
    int status = genuine(channel, options, mask);
    if (status == ARES_SUCCESS)
        status = ares_set_servers_ports_csv(*channel, server.servers);
    return status;
}

static void open_server(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof address;
    server = (name_server){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    assert_true(server.fd >= 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server.servers, sizeof server.servers, "127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
}

static void put16(uint8_t **at, unsigned value)
{
    *(*at)++ = (uint8_t)(value >> 8);
    *(*at)++ = (uint8_t)value;
}

/* "two.test" has two IPv4 addresses and one IPv6, "many.test" has thirty IPv4
 * ones; nothing else exists (RFC 1035 4.1). */
static void answer(const uint8_t *query, size_t size, const struct sockaddr_in *to)
{
    uint8_t reply[2048];
    size_t question = 12;
    char name[256] = "";
    while (question < size && query[question] != 0) {
        size_t label = query[question];
        assert_true(question + 1 + label < size && strlen(name) + label + 2 < sizeof name);
        if (name[0] != '\0')
            strcat(name, ".");
        strncat(name, (const char *)query + question + 1, label);
        question += 1 + label;
    }
    assert_true(question + 5 <= size);
    unsigned type = (unsigned)query[question + 1] << 8 | query[question + 2];
    question += 5;

    bool two = strcmp(name, "two.test") == 0, many = strcmp(name, "many.test") == 0;
    unsigned count = type == TYPE_A ? (two ? 2 : many ? 30 : 0) : type == TYPE_AAAA && two ? 1 : 0;
    uint8_t *at = reply;
    memcpy(at, query, 2);
    at += 2;
    put16(&at, two || many ? 0x8580 : 0x8583); /* an authority's answer; 3: no such name */
    put16(&at, 1);
    put16(&at, count);
    put16(&at, 0);
    put16(&at, 0);
    memcpy(at, query + 12, question - 12);
    at += question - 12;
    for (unsigned i = 0; i < count; i++) {
        put16(&at, 0xC00C); /* the name of the question */
        put16(&at, type);
        put16(&at, 1);
        put16(&at, 0);
        put16(&at, 60);
        put16(&at, type == TYPE_A ? 4 : 16);
        if (type == TYPE_A) {
            memcpy(at, (uint8_t[]){192, 0, 2, (uint8_t)(i + 1)}, 4);
            at += 4;
        } else {
            inet_pton(AF_INET6, "2001:db8::7", at);
            at += 16;
        }
    }
    ssize_t sent = sendto(server.fd, reply, (size_t)(at - reply), 0, (const struct sockaddr *)to,
                          sizeof *to);
    assert_int_equal(sent, at - reply);
}

/* Answers what has come; always true, so that conditions may begin with it. */
static bool serve(void)
{
    for (;;) {
        uint8_t query[QUERY_BYTES];
        struct sockaddr_in from;
        socklen_t from_size = sizeof from;
        ssize_t size = recvfrom(server.fd, query, sizeof query, 0, (struct sockaddr *)&from,
                                &from_size);
        if (size < 0)
            return true;
        server.queries++;
        if (server.withhold) {
            server.held_size = (size_t)size;
            memcpy(server.held, query, (size_t)size);
            server.held_from = from;
        } else if (server.ignored > 0) {
            server.ignored--;
        } else {
            answer(query, (size_t)size, &from);
        }
    }
}

/* --------------------------------------------------------------------- findings */

typedef struct finding {
    int told;
    size_t count;
    char texts[1024]; /* all addresses, sorted as they came */
    char problem[128];
    live *test;
    const char *next; /* looked up in the callback */
} finding;

static vt_lookup *start(live *test, finding *self, const char *name);

static void on_found(void *owner, const vt_address *addresses, size_t count, const char *problem)
{
    finding *self = owner;
    self->told++;
    self->count = count;
    for (size_t i = 0; i < count; i++) {
        char text[VT_ADDRESS_TEXT_BYTES];
        vt_address_text(text, &addresses[i]);
        strncat(self->texts, text, sizeof self->texts - strlen(self->texts) - 2);
        strcat(self->texts, " ");
    }
    snprintf(self->problem, sizeof self->problem, "%s", problem);
    const char *next = self->next;
    self->next = NULL;
    if (next != NULL)
        start(self->test, self, next);
}

static vt_lookup *start(live *test, finding *self, const char *name)
{
    int told = self->told;
    self->test = test;
    vt_lookup *lookup = vt_lookup_start(test->loop, name, 9001, on_found, self);
    assert_non_null(lookup);
    assert_int_equal(self->told, told); /* never from inside */
    return lookup;
}

static int setup(void **state)
{
    if (live_setup(state) != 0)
        return -1;
    open_server();
    return 0;
}

static int teardown(void **state)
{
    close(server.fd);
    return live_teardown(state);
}

/* ------------------------------------------------------------------------ tests */

static void localhost_is_found_in_the_hosts_file_without_asking(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    start(test, &found, "localhost");
    step_until(test, serve() && found.told == 1, "localhost is found");
    assert_says(found.texts, "127.0.0.1:9001 ");
    assert_string_equal(found.problem, "");
    assert_int_equal(server.queries, 0);
}

static void a_name_has_all_its_addresses_of_both_families(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    start(test, &found, "two.test");
    step_until(test, serve() && found.told == 1, "the name is found");
    assert_int_equal(found.count, 3);
    assert_says(found.texts, "192.0.2.1:9001 ");
    assert_says(found.texts, "192.0.2.2:9001 ");
    assert_says(found.texts, "[2001:db8::7]:9001 ");
    assert_string_equal(found.problem, "");
}

static void of_too_many_addresses_the_first_are_taken(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    start(test, &found, "many.test");
    step_until(test, serve() && found.told == 1, "the name is found");
    assert_int_equal(found.count, VT_LOOKUP_ADDRESSES);
}

static void a_name_that_does_not_exist_is_said_so(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    start(test, &found, "nobody.test");
    step_until(test, serve() && found.told == 1, "the answer is told");
    assert_int_equal(found.count, 0);
    assert_says(found.problem, "not found");
}

static void a_name_that_is_no_name_is_told_later_too(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    char lengthy[400];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    start(test, &found, lengthy);
    step_until(test, serve() && found.told == 1, "the answer is told");
    assert_int_equal(found.count, 0);
    assert_true(strlen(found.problem) > 0);
}

static void a_server_that_is_not_there_is_no_reason_to_wait(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    int taken = server.fd;
    open_server(); /* another, and only c-ares will know the first one's address */
    close(server.fd);
    server.fd = taken;
    start(test, &found, "two.test");
    step_until(test, serve() && found.told == 1, "the failure is told");
    assert_int_equal(found.count, 0);
    assert_true(strlen(found.problem) > 0);
}

static void a_query_that_was_lost_is_sent_again(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    server.ignored = 2; /* one for each family */
    start(test, &found, "two.test");
    step_until(test, serve() && found.told == 1, "the name is found");
    assert_int_equal(found.count, 3);
    assert_true(server.queries >= 4);
}

static void a_cancelled_lookup_is_not_heard_of_again(void **state)
{
    live *test = *state;
    finding cancelled = {.told = 0}, found = {.told = 0};
    server.withhold = true;
    vt_lookup *lookup = start(test, &cancelled, "two.test");
    step_until(test, serve() && server.queries > 0, "the question has come");
    vt_lookup_cancel(lookup);
    server.withhold = false;
    answer(server.held, server.held_size, &server.held_from);
    start(test, &found, "two.test");
    step_until(test, serve() && found.told == 1, "the second lookup is told");
    assert_int_equal(cancelled.told, 0);
}

static void a_lookup_may_be_cancelled_between_its_answer_and_the_telling(void **state)
{
    live *test = *state;
    finding cancelled = {.told = 0}, found = {.told = 0};
    vt_lookup_cancel(start(test, &cancelled, "localhost")); /* c-ares knows already */
    start(test, &found, "localhost");
    step_until(test, found.told == 1, "the second lookup is told");
    assert_int_equal(cancelled.told, 0);
}

static void a_cancelled_lookup_ends_with_the_loop(void **state)
{
    live *test = *state;
    finding cancelled = {.told = 0};
    server.withhold = true;
    vt_lookup *lookup = start(test, &cancelled, "two.test");
    step_until(test, serve() && server.queries > 0, "the question has come");
    vt_lookup_cancel(lookup);
    vital_loop_destroy(test->loop);
    test->loop = NULL;
    assert_int_equal(cancelled.told, 0);
}

static void many_lookups_at_once_are_all_told_once(void **state)
{
    live *test = *state;
    enum { COUNT = 60 };
    static finding findings[COUNT];
    memset(findings, 0, sizeof findings);
    for (int i = 0; i < COUNT; i++)
        start(test, &findings[i],
              i % 3 == 0   ? "two.test"
              : i % 3 == 1 ? "nobody.test"
                           : "localhost");
    for (int i = 0; i < COUNT; i++) {
        step_until(test, serve() && findings[i].told == 1, "each lookup is told");
        assert_int_equal(findings[i].count > 0, i % 3 != 1);
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(findings[i].told, 1);
}

static void another_lookup_may_be_started_when_one_is_told(void **state)
{
    live *test = *state;
    finding found = {.next = "two.test"};
    start(test, &found, "nobody.test");
    step_until(test, serve() && found.told == 2, "the second lookup is told");
    assert_int_equal(found.count, 3);
}

static void an_idle_resolver_wants_nothing(void **state)
{
    live *test = *state;
    finding found = {.told = 0};
    start(test, &found, "two.test");
    step_until(test, serve() && found.told == 1, "the name is found");
    for (int i = 0; i < 5; i++)
        assert_int_equal(vital_loop_step(test->loop, 0), 0);
    step_until(test, vital_loop_wait_ms(test->loop) == -1, "no timer is armed any more");
}

static void look_up(live *test, finding *self, const char *name)
{
    *self = (finding){.told = 0};
    start(test, self, name);
    step_until(test, serve() && self->told == 1, "the lookup is told");
}

static void after_a_failure_the_configuration_is_read_again(void **state)
{
    live *test = *state;
    finding found;
    look_up(test, &found, "two.test");
    look_up(test, &found, "two.test");
    assert_int_equal(server.channels, 1);
    look_up(test, &found, "nobody.test"); /* with what has served so far */
    assert_int_equal(found.count, 0);
    assert_int_equal(server.channels, 1);
    look_up(test, &found, "two.test");
    assert_int_equal(found.count, 3);
    assert_int_equal(server.channels, 2);
    look_up(test, &found, "two.test");
    assert_int_equal(found.count, 3);
    assert_int_equal(server.channels, 2);
}

static void a_name_server_that_is_new_is_asked_after_a_failure(void **state)
{
    live *test = *state;
    finding found;
    char genuine[sizeof server.servers];
    snprintf(genuine, sizeof genuine, "%s", server.servers);
    int taken = server.fd;
    open_server(); /* another, which goes away: nobody is there */
    close(server.fd);
    server.fd = taken;
    look_up(test, &found, "two.test");
    assert_int_equal(found.count, 0);
    assert_int_equal(server.queries, 0);
    snprintf(server.servers, sizeof server.servers, "%s", genuine); /* the network came up */
    look_up(test, &found, "two.test");
    assert_int_equal(found.count, 3);
}

static void a_failure_spoils_no_question_that_is_still_open(void **state)
{
    live *test = *state;
    finding held = {.told = 0}, found;
    char lengthy[400];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    server.withhold = true;
    vt_lookup *lookup = start(test, &held, "two.test");
    step_until(test, serve() && server.queries > 0, "the question has come");
    for (int i = 0; i < 2; i++) {
        look_up(test, &found, lengthy);
        assert_int_equal(found.count, 0);
    }
    assert_int_equal(server.channels, 1);
    assert_int_equal(held.told, 0);
    vt_lookup_cancel(lookup);
}

#define resolver_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        resolver_test(localhost_is_found_in_the_hosts_file_without_asking),
        resolver_test(a_name_has_all_its_addresses_of_both_families),
        resolver_test(of_too_many_addresses_the_first_are_taken),
        resolver_test(a_name_that_does_not_exist_is_said_so),
        resolver_test(a_name_that_is_no_name_is_told_later_too),
        resolver_test(a_server_that_is_not_there_is_no_reason_to_wait),
        resolver_test(a_query_that_was_lost_is_sent_again),
        resolver_test(a_cancelled_lookup_is_not_heard_of_again),
        resolver_test(a_lookup_may_be_cancelled_between_its_answer_and_the_telling),
        resolver_test(a_cancelled_lookup_ends_with_the_loop),
        resolver_test(many_lookups_at_once_are_all_told_once),
        resolver_test(another_lookup_may_be_started_when_one_is_told),
        resolver_test(an_idle_resolver_wants_nothing),
        resolver_test(after_a_failure_the_configuration_is_read_again),
        resolver_test(a_name_server_that_is_new_is_asked_after_a_failure),
        resolver_test(a_failure_spoils_no_question_that_is_still_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
