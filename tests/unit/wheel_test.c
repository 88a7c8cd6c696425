/*
 * The wheel against a list of deadlines. The linker puts a function of this file
 * between the wheel and the C library (--wrap), so that allocations can be made
 * to fail.
 */
#include "wheel.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int allocations_left = INT_MAX;

void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    return __real_reallocarray(memory, count, size);
}

enum { TICK = 1000 };

static uint64_t seed;

/* 0 .. below - 1 */
static uint64_t any(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (seed >> 33) % below;
}

static int owners[8];

/* ------------------------------------------------------------- single rules */

static void a_timer_fires_within_one_tick_of_its_deadline(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    for (int64_t start = 0; start <= TICK; start += 125) {
        for (int64_t wait = 1; wait < 5 * TICK; wait += 77) {
            vt_wheel_init(&wheel, TICK, start);
            vt_timer_id id = vt_wheel_add(&wheel, owners);
            vt_wheel_arm(&wheel, id, start + wait);
            for (int64_t now = start; now < start + wait; now += 13)
                assert_null(vt_wheel_expire(&wheel, now));
            assert_null(vt_wheel_expire(&wheel, start + wait - 1));
            assert_ptr_equal(vt_wheel_expire(&wheel, start + wait + TICK), owners);
            assert_null(vt_wheel_expire(&wheel, start + wait + TICK));
            vt_wheel_finish(&wheel);
        }
    }
}

static void a_timer_fires_once_and_is_then_not_armed(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    vt_timer_id id = vt_wheel_add(&wheel, owners);
    assert_false(vt_wheel_armed(&wheel, id));
    vt_wheel_arm(&wheel, id, 3 * TICK);
    assert_true(vt_wheel_armed(&wheel, id));
    assert_ptr_equal(vt_wheel_expire(&wheel, 3 * TICK), owners);
    assert_false(vt_wheel_armed(&wheel, id));
    for (int64_t tick = 3; tick < 3 * VT_WHEEL_SLOTS; tick++)
        assert_null(vt_wheel_expire(&wheel, tick * TICK));
    vt_wheel_finish(&wheel);
}

static void a_new_deadline_replaces_the_old_one(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    vt_timer_id id = vt_wheel_add(&wheel, owners);
    vt_wheel_arm(&wheel, id, 3 * TICK);
    vt_wheel_arm(&wheel, id, 7 * TICK);
    assert_null(vt_wheel_expire(&wheel, 6 * TICK));
    vt_wheel_arm(&wheel, id, 100 * TICK);
    vt_wheel_arm(&wheel, id, 8 * TICK);
    assert_ptr_equal(vt_wheel_expire(&wheel, 8 * TICK), owners);
    assert_null(vt_wheel_expire(&wheel, 200 * TICK));
    vt_wheel_finish(&wheel);
}

static void never_disarms(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    vt_timer_id id = vt_wheel_add(&wheel, owners);
    vt_wheel_arm(&wheel, id, 3 * TICK);
    vt_wheel_arm(&wheel, id, INT64_MAX);
    assert_false(vt_wheel_armed(&wheel, id));
    assert_true(vt_wheel_next_us(&wheel) == INT64_MAX);
    assert_null(vt_wheel_expire(&wheel, 10 * TICK));
    vt_wheel_finish(&wheel);
}

static void a_deadline_in_the_past_fires_at_the_next_turn(void **unused)
{
    static const int64_t past[] = {INT64_MIN, -1, 0, 4 * TICK, 5 * TICK - 1, 5 * TICK};
    vt_wheel wheel;
    (void)unused;
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        vt_wheel_init(&wheel, TICK, 5 * TICK);
        vt_timer_id id = vt_wheel_add(&wheel, owners);
        vt_wheel_arm(&wheel, id, past[i]);
        assert_null(vt_wheel_expire(&wheel, 6 * TICK - 1));
        assert_int_equal(vt_wheel_next_us(&wheel), 6 * TICK);
        assert_ptr_equal(vt_wheel_expire(&wheel, 6 * TICK), owners);
        vt_wheel_finish(&wheel);
    }
}

static void the_loop_over_expiries_ends_though_each_timer_is_armed_for_the_past(void **unused)
{
    static const int64_t jumps[] = {1,
                                    2,
                                    63,
                                    64,
                                    65,
                                    VT_WHEEL_HORIZON - 1,
                                    VT_WHEEL_HORIZON,
                                    VT_WHEEL_HORIZON + 1,
                                    VT_WHEEL_SLOTS,
                                    1000000};
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    vt_timer_id ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = vt_wheel_add(&wheel, &owners[i]);
        vt_wheel_arm(&wheel, ids[i], TICK);
    }
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        int fired = 0;
        now += jumps[i] * TICK;
        for (int *owner; (owner = vt_wheel_expire(&wheel, now)) != NULL; fired++)
            vt_wheel_arm(&wheel, ids[owner - owners], now - 5 * TICK);
        assert_int_equal(fired, 3);
    }
    vt_wheel_finish(&wheel);
}

/* What is armed in the middle of a long expiry must not take the place of a
 * tick that the expiry still has to go through: it would fire too early. */
static void a_timer_armed_in_an_expiry_keeps_its_deadline_after_any_jump(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    for (int64_t jump = 1; jump < 3 * VT_WHEEL_SLOTS; jump += 511) {
        for (int64_t wait = 1; wait <= VT_WHEEL_HORIZON; wait += 89) {
            vt_wheel_init(&wheel, TICK, 0);
            vt_timer_id id = vt_wheel_add(&wheel, owners);
            vt_timer_id last = vt_wheel_add(&wheel, owners + 1);
            vt_wheel_arm(&wheel, id, TICK);
            int64_t now = jump * TICK;
            vt_wheel_arm(&wheel, last, now); /* keeps the expiry going to its end */
            assert_ptr_equal(vt_wheel_expire(&wheel, now), owners);
            vt_wheel_arm(&wheel, id, now + wait * TICK);
            assert_ptr_equal(vt_wheel_expire(&wheel, now), owners + 1);
            assert_null(vt_wheel_expire(&wheel, now));
            assert_int_equal(vt_wheel_next_us(&wheel), now + wait * TICK);
            assert_null(vt_wheel_expire(&wheel, now + wait * TICK - 1));
            assert_ptr_equal(vt_wheel_expire(&wheel, now + wait * TICK), owners);
            vt_wheel_finish(&wheel);
        }
    }
}

/* The second ring's tick, and how many of them it looks ahead. */
static const int64_t FAR_TICK = VT_WHEEL_HORIZON * (int64_t)TICK;
enum { FAR = VT_WHEEL_FAR_HORIZON };

static void a_deadline_beyond_the_horizon_comes_out_less_than_a_horizon_early(void **unused)
{
    static const int64_t waits[] = {FAR_TICK + 1, FAR_TICK + TICK,   2 * FAR_TICK - 1,
                                    2 * FAR_TICK, 5 * FAR_TICK + 77, FAR * FAR_TICK};
    vt_wheel wheel;
    (void)unused;
    for (int64_t now = -7 * FAR_TICK; now < 0; now += FAR_TICK / 7) {
        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
            vt_wheel_init(&wheel, TICK, now);
            vt_timer_id id = vt_wheel_add(&wheel, owners);
            vt_wheel_arm(&wheel, id, now + waits[i]);
            int64_t next_us = vt_wheel_next_us(&wheel);
            assert_true(next_us > now + waits[i] - FAR_TICK && next_us <= now + waits[i]);
            assert_null(vt_wheel_expire(&wheel, next_us - 1));
            assert_ptr_equal(vt_wheel_expire(&wheel, next_us), owners);
            assert_null(vt_wheel_expire(&wheel, now + 2 * waits[i]));
            vt_wheel_finish(&wheel);
        }
    }
}

static void a_deadline_is_touched_twice_however_far_it_is(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    for (int64_t wait = FAR_TICK + 2 * TICK; wait < FAR * FAR_TICK; wait += FAR_TICK * 13 + 5) {
        int times = 0;
        vt_wheel_init(&wheel, TICK, 17);
        vt_timer_id id = vt_wheel_add(&wheel, owners);
        vt_wheel_arm(&wheel, id, wait);
        for (int64_t now = 0; now < wait; times++) {
            now = vt_wheel_next_us(&wheel);
            assert_ptr_equal(vt_wheel_expire(&wheel, now), owners);
            if (now < wait)
                vt_wheel_arm(&wheel, id, wait);
        }
        assert_in_range(times, 1, 2);
        vt_wheel_finish(&wheel);
    }
}

static void a_deadline_beyond_both_horizons_comes_out_at_the_second(void **unused)
{
    static const int64_t beyond[] = {2 * FAR * FAR_TICK, INT64_MAX / 2, INT64_MAX - 1};
    vt_wheel wheel;
    (void)unused;
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        vt_wheel_init(&wheel, TICK, -7);
        vt_timer_id id = vt_wheel_add(&wheel, owners);
        vt_wheel_arm(&wheel, id, beyond[i]);
        assert_null(vt_wheel_expire(&wheel, (FAR - 1) * FAR_TICK - 1));
        assert_ptr_equal(vt_wheel_expire(&wheel, (FAR - 1) * FAR_TICK), owners);
        vt_wheel_finish(&wheel);
    }
}

static void a_jump_of_years_fires_everything_once_in_the_order_of_ticks_and_ids(void **unused)
{
    enum { COUNT = 5 };
    static const int64_t ticks[COUNT] = {900, 3, 2048, 900, 1};
    static const int order[COUNT] = {4, 1, 0, 3, 2};
    const int64_t years = INT64_C(300) * 365 * 86400 * 1000000;
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    for (int i = 0; i < COUNT; i++)
        vt_wheel_arm(&wheel, vt_wheel_add(&wheel, &owners[i]), ticks[i] * TICK);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(vt_wheel_expire(&wheel, years), &owners[order[i]]);
    assert_null(vt_wheel_expire(&wheel, years));
    /* And the wheel goes on from there. */
    vt_wheel_arm(&wheel, 0, years + 17 * TICK);
    assert_null(vt_wheel_expire(&wheel, years + 16 * TICK));
    assert_ptr_equal(vt_wheel_expire(&wheel, years + 17 * TICK), &owners[0]);
    vt_wheel_finish(&wheel);
}

static void a_clock_that_goes_back_fires_nothing(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 100 * TICK);
    vt_timer_id id = vt_wheel_add(&wheel, owners);
    vt_wheel_arm(&wheel, id, 101 * TICK);
    assert_null(vt_wheel_expire(&wheel, 50 * TICK));
    assert_null(vt_wheel_expire(&wheel, INT64_MIN));
    assert_ptr_equal(vt_wheel_expire(&wheel, 101 * TICK), owners);
    vt_wheel_finish(&wheel);
}

static void a_timer_removed_in_an_expiry_does_not_fire(void **unused)
{
    vt_wheel wheel;
    vt_timer_id ids[4];
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    for (int i = 0; i < 4; i++) {
        ids[i] = vt_wheel_add(&wheel, &owners[i]);
        vt_wheel_arm(&wheel, ids[i], i < 3 ? TICK : 2 * TICK);
    }
    assert_ptr_equal(vt_wheel_expire(&wheel, 5 * TICK), &owners[0]);
    vt_wheel_remove(&wheel, ids[0]); /* the one that has just fired */
    vt_wheel_remove(&wheel, ids[1]); /* one due in the same tick */
    vt_wheel_remove(&wheel, ids[3]); /* one due in a later tick of this expiry */
    assert_ptr_equal(vt_wheel_expire(&wheel, 5 * TICK), &owners[2]);
    assert_null(vt_wheel_expire(&wheel, 5 * TICK));
    assert_true(vt_wheel_next_us(&wheel) == INT64_MAX);
    vt_wheel_finish(&wheel);
}

static void a_removed_id_is_used_again_and_not_armed(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    vt_timer_id id = vt_wheel_add(&wheel, &owners[0]);
    vt_wheel_arm(&wheel, id, TICK);
    vt_wheel_remove(&wheel, id);
    assert_int_equal(vt_wheel_add(&wheel, &owners[1]), id);
    assert_false(vt_wheel_armed(&wheel, id));
    assert_null(vt_wheel_expire(&wheel, 10 * TICK));
    vt_wheel_arm(&wheel, id, 11 * TICK);
    assert_ptr_equal(vt_wheel_expire(&wheel, 11 * TICK), &owners[1]);
    vt_wheel_finish(&wheel);
}

static void next_is_the_tick_of_the_earliest_timer(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    for (int64_t start = 0; start < VT_WHEEL_SLOTS + 5; start += 61) {
        vt_wheel_init(&wheel, TICK, 0);
        assert_true(vt_wheel_next_us(&wheel) == INT64_MAX);
        vt_timer_id early = vt_wheel_add(&wheel, owners);
        vt_timer_id late = vt_wheel_add(&wheel, owners + 1);
        assert_true(vt_wheel_next_us(&wheel) == INT64_MAX);
        int64_t now = start * TICK;
        assert_null(vt_wheel_expire(&wheel, now));
        vt_wheel_arm(&wheel, late, now + VT_WHEEL_HORIZON * (int64_t)TICK);
        assert_int_equal(vt_wheel_next_us(&wheel), now + VT_WHEEL_HORIZON * (int64_t)TICK);
        for (int64_t wait = 2; wait < VT_WHEEL_HORIZON; wait += 97) {
            vt_wheel_arm(&wheel, early, now + wait * TICK - TICK + 1); /* rounds up */
            assert_int_equal(vt_wheel_next_us(&wheel), now + wait * TICK);
        }
        vt_wheel_finish(&wheel);
    }
}

static void next_is_not_later_than_now_while_an_expiry_is_unfinished(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    for (int i = 0; i < 2; i++)
        vt_wheel_arm(&wheel, vt_wheel_add(&wheel, &owners[i]), TICK + i * TICK);
    assert_non_null(vt_wheel_expire(&wheel, 10 * TICK));
    assert_true(vt_wheel_next_us(&wheel) <= 10 * TICK);
    /* Going on later, with a clock that has moved, loses nothing either. */
    vt_wheel_arm(&wheel, 0, 11 * TICK);
    assert_ptr_equal(vt_wheel_expire(&wheel, 11 * TICK), &owners[1]);
    assert_ptr_equal(vt_wheel_expire(&wheel, 11 * TICK), &owners[0]);
    assert_null(vt_wheel_expire(&wheel, 11 * TICK));
    vt_wheel_finish(&wheel);
}

static void without_memory_there_is_no_timer_and_no_harm(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    for (int failing = 0; failing < 3; failing++) {
        allocations_left = failing;
        assert_int_equal(vt_wheel_add(&wheel, owners), VT_NO_TIMER);
    }
    allocations_left = INT_MAX;
    assert_int_equal(vt_wheel_add(&wheel, owners), 0);
    uint32_t room = wheel.capacity;
    vt_wheel_arm(&wheel, 0, TICK);
    for (uint32_t i = 1; i < room; i++)
        vt_wheel_arm(&wheel, vt_wheel_add(&wheel, owners), TICK);
    for (int failing = 0; failing < 3; failing++) {
        allocations_left = failing;
        assert_int_equal(vt_wheel_add(&wheel, owners), VT_NO_TIMER);
    }
    allocations_left = INT_MAX;
    for (uint32_t i = 0; i < room; i++)
        assert_ptr_equal(vt_wheel_expire(&wheel, TICK), owners);
    assert_null(vt_wheel_expire(&wheel, TICK));
    vt_wheel_finish(&wheel);
}

static void finishing_accepts_null_and_zeroed_and_twice(void **unused)
{
    vt_wheel wheel;
    (void)unused;
    vt_wheel_finish(NULL);
    memset(&wheel, 0, sizeof(wheel));
    vt_wheel_finish(&wheel);
    vt_wheel_init(&wheel, TICK, 0);
    vt_wheel_add(&wheel, owners);
    vt_wheel_finish(&wheel);
    vt_wheel_finish(&wheel);
}

/* ------------------------------------------------------ the list of deadlines */

enum { MODEL_TIMERS = 150 };

struct entry {
    bool exists;
    bool armed;
    bool far;     /* in the second ring */
    int64_t tick; /* at which it is to come out, of the first */
    vt_timer_id id;
};

struct model {
    struct entry entries[MODEL_TIMERS];
    int64_t turned; /* the tick of the last expiry */
};

static void model_arm(struct model *model, struct entry *entry, int64_t at_us)
{
    entry->armed = at_us != INT64_MAX;
    int64_t tick = (at_us - 1) / TICK + 1;
    if (at_us <= 0 || tick <= model->turned)
        tick = model->turned + 1;
    int64_t far_turned = model->turned / VT_WHEEL_HORIZON;
    int64_t far_tick = at_us / FAR_TICK;
    if (far_tick > far_turned + FAR)
        far_tick = far_turned + FAR;
    entry->far = tick > model->turned + VT_WHEEL_HORIZON;
    entry->tick = entry->far ? far_tick * VT_WHEEL_HORIZON : tick;
}

/* What comes out first of all that is due by then: of the first ring, and then by
 * tick and by id; NULL if there is none. */
static struct entry *model_first(struct model *model, int64_t by_tick)
{
    struct entry *first = NULL;
    for (int i = 0; i < MODEL_TIMERS; i++) {
        struct entry *entry = &model->entries[i];
        if (!entry->exists || !entry->armed || entry->tick > by_tick)
            continue;
        if (first == NULL || entry->far < first->far ||
            (entry->far == first->far &&
             (entry->tick < first->tick || (entry->tick == first->tick && entry->id < first->id))))
            first = entry;
    }
    return first;
}

static int64_t model_next_us(const struct model *model)
{
    int64_t next_us = INT64_MAX;
    for (int i = 0; i < MODEL_TIMERS; i++) {
        const struct entry *entry = &model->entries[i];
        if (entry->exists && entry->armed && entry->tick * TICK < next_us)
            next_us = entry->tick * TICK;
    }
    return next_us;
}

static int64_t any_deadline(int64_t now)
{
    switch (any(10)) {
    case 0:
        return now - (int64_t)any(50 * TICK);
    case 1:
        return now + (int64_t)any(any(2) == 0 ? 5000 * TICK : 2 * FAR * (uint64_t)FAR_TICK);
    case 2:
        return INT64_MAX;
    case 3:
        return now;
    case 4:
        return now + (VT_WHEEL_HORIZON - 2 + (int64_t)any(4)) * TICK;
    case 5:
        return now + (int64_t)any(INT64_C(2048) * TICK);
    default:
        return now + (int64_t)any(40 * TICK);
    }
}

static void change_something(vt_wheel *wheel, struct model *model, int64_t now)
{
    struct entry *entry = &model->entries[any(MODEL_TIMERS)];

    if (!entry->exists) {
        entry->id = vt_wheel_add(wheel, entry);
        entry->exists = true;
        entry->armed = false;
    } else if (any(12) == 0) {
        vt_wheel_remove(wheel, entry->id);
        entry->exists = false;
    } else {
        int64_t at_us = any_deadline(now);
        vt_wheel_arm(wheel, entry->id, at_us);
        model_arm(model, entry, at_us);
    }
}

static int64_t any_step(void)
{
    switch (any(40)) {
    case 0:
        return (int64_t)any(INT64_C(6000) * TICK);
    case 1:
        return INT64_C(100) * 365 * 86400 * 1000000;
    case 2:
        return FAR_TICK;
    case 3:
        return 0;
    case 4:
        return (int64_t)any(300 * FAR_TICK);
    default:
        return (int64_t)any(4 * TICK);
    }
}

static void expire_both(vt_wheel *wheel, struct model *model, int64_t now)
{
    if (now / TICK > model->turned)
        model->turned = now / TICK;
    int64_t target = model->turned;
    for (;;) {
        struct entry *expected = model_first(model, target);
        int64_t next_us = vt_wheel_next_us(wheel);
        if (expected == NULL)
            assert_int_equal(next_us, model_next_us(model));
        else
            assert_true(next_us <= now);
        struct entry *got = vt_wheel_expire(wheel, now);
        if (got != expected)
            fail_msg("%p came out, expected %p (ticks %lld, %lld)", (void *)got, (void *)expected,
                     got == NULL ? -1LL : (long long)got->tick,
                     expected == NULL ? -1LL : (long long)expected->tick);
        if (got == NULL)
            return;
        got->armed = false;
        for (uint64_t changes = any(4); changes > 0; changes--)
            change_something(wheel, model, now);
    }
}

static void the_wheel_does_what_a_list_of_deadlines_does(void **unused)
{
    (void)unused;
    for (uint64_t round = 1; round <= 60; round++) {
        vt_wheel wheel;
        struct model model;

        seed = round;
        int64_t now = (int64_t)any(INT64_C(10000) * TICK);
        memset(&model, 0, sizeof(model));
        model.turned = now / TICK;
        vt_wheel_init(&wheel, TICK, now);
        for (int step = 0; step < 1500; step++) {
            for (uint64_t changes = any(4); changes > 0; changes--)
                change_something(&wheel, &model, now);
            for (int i = 0; i < MODEL_TIMERS; i += 13) {
                const struct entry *entry = &model.entries[i];
                if (entry->exists)
                    assert_int_equal(vt_wheel_armed(&wheel, entry->id), entry->armed);
            }
            now += any_step();
            expire_both(&wheel, &model, now);
        }
        vt_wheel_finish(&wheel);
    }
}

static void each_of_100000_timers_fires_once_within_a_tick(void **unused)
{
    enum { COUNT = 100000, TURNS = 2100 };
    static int64_t deadlines[COUNT];
    vt_wheel wheel;
    size_t fired = 0;
    (void)unused;
    seed = 7;
    vt_wheel_init(&wheel, TICK, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(vt_wheel_add(&wheel, &deadlines[i]), i);
        deadlines[i] = 1 + (int64_t)any(VT_WHEEL_HORIZON * (uint64_t)TICK);
        vt_wheel_arm(&wheel, i, deadlines[i]);
    }
    for (int64_t now = 0; now < TURNS * (int64_t)TICK; now += TICK) {
        int64_t *before = NULL;
        for (int64_t *owner; (owner = vt_wheel_expire(&wheel, now)) != NULL; before = owner) {
            if (*owner > now || *owner <= now - TICK)
                fail_msg("the timer for %lld fired at %lld", (long long)*owner, (long long)now);
            assert_true(before == NULL || before < owner);
            *owner = INT64_MIN; /* not again */
            fired++;
        }
    }
    assert_int_equal(fired, COUNT);
    vt_wheel_finish(&wheel);
}

static void all_of_100000_timers_in_one_tick_come_out_by_id(void **unused)
{
    enum { COUNT = 100000 };
    static char things[COUNT];
    vt_wheel wheel;
    (void)unused;
    vt_wheel_init(&wheel, TICK, 0);
    for (uint32_t i = 0; i < COUNT; i++)
        vt_wheel_arm(&wheel, vt_wheel_add(&wheel, &things[i]), 9 * TICK);
    for (uint32_t i = 0; i < COUNT; i++) {
        const char *owner = vt_wheel_expire(&wheel, 9 * TICK);
        if (owner != &things[i])
            fail_msg("number %u is not in its turn", i);
    }
    assert_null(vt_wheel_expire(&wheel, 9 * TICK));
    vt_wheel_finish(&wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_within_one_tick_of_its_deadline),
        cmocka_unit_test(a_timer_fires_once_and_is_then_not_armed),
        cmocka_unit_test(a_new_deadline_replaces_the_old_one),
        cmocka_unit_test(never_disarms),
        cmocka_unit_test(a_deadline_in_the_past_fires_at_the_next_turn),
        cmocka_unit_test(the_loop_over_expiries_ends_though_each_timer_is_armed_for_the_past),
        cmocka_unit_test(a_timer_armed_in_an_expiry_keeps_its_deadline_after_any_jump),
        cmocka_unit_test(a_deadline_beyond_the_horizon_comes_out_less_than_a_horizon_early),
        cmocka_unit_test(a_deadline_is_touched_twice_however_far_it_is),
        cmocka_unit_test(a_deadline_beyond_both_horizons_comes_out_at_the_second),
        cmocka_unit_test(a_jump_of_years_fires_everything_once_in_the_order_of_ticks_and_ids),
        cmocka_unit_test(a_clock_that_goes_back_fires_nothing),
        cmocka_unit_test(a_timer_removed_in_an_expiry_does_not_fire),
        cmocka_unit_test(a_removed_id_is_used_again_and_not_armed),
        cmocka_unit_test(next_is_the_tick_of_the_earliest_timer),
        cmocka_unit_test(next_is_not_later_than_now_while_an_expiry_is_unfinished),
        cmocka_unit_test(without_memory_there_is_no_timer_and_no_harm),
        cmocka_unit_test(finishing_accepts_null_and_zeroed_and_twice),
        cmocka_unit_test(the_wheel_does_what_a_list_of_deadlines_does),
        cmocka_unit_test(each_of_100000_timers_fires_once_within_a_tick),
        cmocka_unit_test(all_of_100000_timers_in_one_tick_come_out_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
