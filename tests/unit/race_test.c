/*
 * Happy Eyeballs as numbers: the order of addresses, and when each is tried.
 */
#include "race.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000)

/* "6a 6b 4a": family and name. The names come out in their new order. */
static void assert_order(const char *given, const char *ordered)
{
    vt_address addresses[16];
    char have[64] = "";
    size_t count = 0;
    for (const char *at = given; *at != '\0'; at += at[2] == ' ' ? 3 : 2, count++) {
        char host[32];
        snprintf(host, sizeof host, at[0] == '6' ? "2001:db8::%x" : "192.0.2.%d", at[1] - 'a' + 1);
        assert_true(vt_address_numeric(&addresses[count], host, 80));
    }
    vt_race_order(addresses, count);
    for (size_t i = 0; i < count; i++) {
        bool six = addresses[i].any.sa_family == AF_INET6;
        int name = six ? addresses[i].in6.sin6_addr.s6_addr[15]
                       : (int)(ntohl(addresses[i].in.sin_addr.s_addr) & 0xff);
        snprintf(have + strlen(have), sizeof have - strlen(have), "%s%c%c", i > 0 ? " " : "",
                 six ? '6' : '4', 'a' + name - 1);
    }
    assert_string_equal(have, ordered);
}

static void the_families_take_turns_rfc_8305_4(void **state)
{
    (void)state;
    assert_order("", "");
    assert_order("4a", "4a");
    assert_order("6a 6b 6c", "6a 6b 6c");
    assert_order("6a 6b 6c 4a 4b", "6a 4a 6b 4b 6c");
    assert_order("4a 4b 6a", "4a 6a 4b"); /* the resolver's first stays first */
    assert_order("6a 4a 6b 4b", "6a 4a 6b 4b");
    assert_order("6a 6b 6c 6d 4a", "6a 4a 6b 6c 6d");
    assert_order("4a 6a 6b 6c 4b 4c", "4a 6a 4b 6b 4c 6c");
}

static void assert_takes(vt_race *race, int64_t now_us, size_t expected)
{
    size_t index = SIZE_MAX;
    assert_true(vt_race_take(race, now_us, &index));
    assert_int_equal(index, expected);
}

static void assert_takes_none(vt_race *race, int64_t now_us)
{
    size_t index;
    assert_false(vt_race_take(race, now_us, &index));
}

static void who_does_not_answer_is_joined_by_the_next_after_250_ms_rfc_8305_5(void **state)
{
    (void)state;
    vt_race race;
    vt_race_begin(&race, 3, 7 * MS);
    assert_takes(&race, 7 * MS, 0);
    assert_takes_none(&race, 7 * MS);
    assert_int_equal(vt_race_due_us(&race), 257 * MS);
    assert_takes_none(&race, 257 * MS - 1);
    assert_takes(&race, 257 * MS, 1);
    assert_takes(&race, 600 * MS, 2); /* later than was due: from then on */
    assert_int_equal(vt_race_due_us(&race), INT64_MAX);
    assert_false(vt_race_lost(&race)); /* three are under way */
}

static void a_failure_brings_the_next_at_once(void **state)
{
    (void)state;
    vt_race race;
    vt_race_begin(&race, 3, 0);
    assert_takes(&race, 0, 0);
    vt_race_failed(&race, 30 * MS);
    assert_int_equal(vt_race_due_us(&race), 30 * MS);
    assert_takes(&race, 30 * MS, 1);
    assert_takes_none(&race, 30 * MS); /* one failure, one attempt */
    assert_int_equal(vt_race_due_us(&race), 280 * MS);
    vt_race_failed(&race, 40 * MS);
    assert_takes(&race, 40 * MS, 2);
    assert_false(vt_race_lost(&race));
    vt_race_failed(&race, 50 * MS);
    assert_true(vt_race_lost(&race));
    assert_takes_none(&race, 400 * MS);
}

static void a_race_is_lost_only_when_the_slowest_has_failed(void **state)
{
    (void)state;
    vt_race race;
    vt_race_begin(&race, 2, 0);
    assert_takes(&race, 0, 0);
    assert_takes(&race, 250 * MS, 1);
    vt_race_failed(&race, 260 * MS);
    assert_false(vt_race_lost(&race));
    vt_race_failed(&race, 9000 * MS);
    assert_true(vt_race_lost(&race));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_families_take_turns_rfc_8305_4),
        cmocka_unit_test(who_does_not_answer_is_joined_by_the_next_after_250_ms_rfc_8305_5),
        cmocka_unit_test(a_failure_brings_the_next_at_once),
        cmocka_unit_test(a_race_is_lost_only_when_the_slowest_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
