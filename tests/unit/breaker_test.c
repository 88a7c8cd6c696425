#include "breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define S INT64_C(1000000)

enum { CROWD = 2000 };

static vital_breaker *breaker;
static vital_stats stats;
static vital_clock now;
static vt_party crowd[CROWD];

static int setup(void **state)
{
    (void)state;
    now = (vital_clock){.now_us = 100 * S};
    stats = (vital_stats){.open = 0};
    for (int i = 0; i < CROWD; i++)
        crowd[i] = (vt_party){.path = (uint32_t)i};
    return vital_breaker_create(&breaker);
}

static int teardown(void **state)
{
    (void)state;
    vital_breaker_destroy(breaker);
    return 0;
}

static void stand(int from, int to, vt_standing standing)
{
    for (int i = from; i < to; i++)
        vt_breaker_stand(breaker, &crowd[i], standing);
}

static vt_ruling judge(int i)
{
    return vt_breaker_judge(breaker, &crowd[i], now, &stats);
}

static void hear(int i)
{
    vt_breaker_heard(breaker, &crowd[i], now, &stats);
}

static void pass(int64_t us)
{
    now.now_us += us;
}

/* So many are open, and so many of them late. */
static void be_late(int late, int open)
{
    stand(0, open, VT_STANDS_WELL);
    stand(0, late, VT_STANDS_LATE);
}

/* 100 of 200 are late, and the first 20 have been put off. */
static void open_the_breaker(void)
{
    be_late(100, 200);
    for (int i = 0; i < 20; i++)
        assert_int_not_equal(judge(i), VT_RULED_CONVICT);
    assert_int_equal(stats.breaker_opened, 1);
}

static void a_few_are_given_up_each_by_itself(void **state)
{
    (void)state;
    be_late(49, 60);
    for (int i = 0; i < 49; i++)
        assert_int_equal(judge(i), VT_RULED_CONVICT);
    assert_int_equal(stats.breaker_opened, 0);
    assert_int_equal(stats.deferred, 0);
}

static void fifty_are_many(void **state)
{
    (void)state;
    be_late(50, 60);
    assert_int_equal(judge(0), VT_RULED_ASK);
    assert_int_equal(stats.breaker_opened, 1);
    assert_int_equal(stats.deferred, 1);
}

static void but_not_if_they_are_one_in_twenty(void **state)
{
    (void)state;
    be_late(60, 1200);
    assert_int_equal(judge(0), VT_RULED_CONVICT);
    stand(60, 61, VT_STANDS_LATE);
    assert_int_equal(judge(0), VT_RULED_ASK);
}

static void who_shares_an_address_is_one(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        crowd[i].path = (uint32_t)(i % 49);
    be_late(1000, 1000);
    assert_int_equal(judge(0), VT_RULED_CONVICT);
    stand(1000, 1001, VT_STANDS_LATE);
    assert_int_equal(judge(0), VT_RULED_ASK);
}

static void who_is_heard_or_gone_is_late_no_more(void **state)
{
    (void)state;
    be_late(60, 100);
    stand(0, 6, VT_STANDS_WELL);
    stand(6, 11, VT_STANDS_AWAY);
    assert_int_equal(judge(20), VT_RULED_CONVICT);
    stand(0, 1, VT_STANDS_LATE);
    assert_int_equal(judge(20), VT_RULED_ASK);
}

static void who_is_gone_is_not_open_any_more(void **state)
{
    (void)state;
    be_late(60, 1300);
    assert_int_equal(judge(0), VT_RULED_CONVICT);
    stand(1100, 1300, VT_STANDS_AWAY);
    assert_int_equal(judge(0), VT_RULED_ASK);
}

static void a_sample_is_asked_and_the_others_wait(void **state)
{
    (void)state;
    be_late(100, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(judge(i), i < VT_BREAKER_SAMPLE ? VT_RULED_ASK : VT_RULED_WAIT);
    pass(S / 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(judge(i), VT_RULED_WAIT);
    assert_int_equal(stats.deferred, 100);
}

static void nobody_waits_longer_than_ten_seconds(void **state)
{
    (void)state;
    open_the_breaker();
    pass(VT_BREAKER_ASKS_US - 1);
    assert_int_equal(judge(0), VT_RULED_WAIT);
    assert_int_equal(judge(30), VT_RULED_WAIT);
    pass(1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(judge(i), VT_RULED_CONVICT);
    assert_int_equal(stats.deferred_alive, 0);
}

static void our_own_lateness_does_not_end_the_wait(void **state)
{
    (void)state;
    open_the_breaker();
    pass(60 * S);
    now.stalled_us += 60 * S;
    assert_int_equal(judge(0), VT_RULED_WAIT);
}

static void if_some_are_heard_all_get_a_new_limit(void **state)
{
    (void)state;
    open_the_breaker();
    pass(3 * S);
    for (int i = 0; i < VT_BREAKER_ENOUGH - 1; i++)
        hear(i);
    assert_int_equal(judge(10), VT_RULED_WAIT);
    hear(VT_BREAKER_ENOUGH - 1);
    assert_int_equal(judge(10), VT_RULED_SPARE); /* who has waited */
    assert_int_equal(judge(50), VT_RULED_SPARE); /* and who comes only now */
    assert_int_equal(stats.deferred_alive, VT_BREAKER_ENOUGH);
    assert_int_equal(stats.deferred, 21);
}

static void who_was_not_put_off_proves_nothing_by_being_heard(void **state)
{
    (void)state;
    open_the_breaker();
    for (int i = 100; i < 200; i++)
        hear(i);
    assert_int_equal(judge(10), VT_RULED_WAIT);
    assert_int_equal(stats.deferred_alive, 0);
}

static void nobody_is_spared_twice_in_a_silence(void **state)
{
    (void)state;
    open_the_breaker();
    for (int i = 0; i < VT_BREAKER_ENOUGH; i++)
        hear(i);
    assert_int_equal(judge(10), VT_RULED_SPARE);
    pass(VT_BREAKER_SPARES_US);
    assert_int_equal(judge(10), VT_RULED_CONVICT);
    hear(11);
    assert_int_equal(judge(11), VT_RULED_ASK); /* it was heard: this is another silence */
}

static void after_an_outage_that_stays_verdicts_go_their_way_for_a_while(void **state)
{
    (void)state;
    open_the_breaker();
    pass(VT_BREAKER_ASKS_US);
    assert_int_equal(judge(0), VT_RULED_CONVICT);
    pass(VT_BREAKER_CONVICTS_US - 1);
    assert_int_equal(judge(40), VT_RULED_CONVICT);
    pass(1);
    assert_int_equal(judge(41), VT_RULED_ASK);
    assert_int_equal(stats.breaker_opened, 2);
}

static void without_a_breaker_every_verdict_goes_its_way(void **state)
{
    (void)state;
    vt_party party = {.path = 1};
    vt_breaker_stand(NULL, &party, VT_STANDS_LATE);
    assert_int_equal(vt_breaker_judge(NULL, &party, now, NULL), VT_RULED_CONVICT);
    vt_breaker_heard(NULL, &party, now, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_few_are_given_up_each_by_itself),
        TEST(fifty_are_many),
        TEST(but_not_if_they_are_one_in_twenty),
        TEST(who_shares_an_address_is_one),
        TEST(who_is_heard_or_gone_is_late_no_more),
        TEST(who_is_gone_is_not_open_any_more),
        TEST(a_sample_is_asked_and_the_others_wait),
        TEST(nobody_waits_longer_than_ten_seconds),
        TEST(our_own_lateness_does_not_end_the_wait),
        TEST(if_some_are_heard_all_get_a_new_limit),
        TEST(who_was_not_put_off_proves_nothing_by_being_heard),
        TEST(nobody_is_spared_twice_in_a_silence),
        TEST(after_an_outage_that_stays_verdicts_go_their_way_for_a_while),
        TEST(without_a_breaker_every_verdict_goes_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
