/*
 * What every backend shares: turns, timers, tasks, posts, burial, and the
 * account of our own lateness. On a fake backend, whose time is moved by hand;
 * only the posts of other threads need a real one.
 */
#include "loop.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fake_backend.h"

enum { MS = 1000, S = 1000 * MS, TICK_US = 20 * MS };

typedef struct fixture {
    vital_loop *loop;
    fake_loop *fake;
    char log[256]; /* a character for each thing that happened */
} fixture;

static fixture the;

static int setup(void **state)
{
    (void)state;
    the = (fixture){.loop = NULL};
    if (vt_loop_create(&the.loop, &FAKE_BACKEND, NULL) != 0)
        return -1;
    the.fake = fake_of(the.loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vital_loop_destroy(the.loop);
    return 0;
}

static void note(char what)
{
    size_t size = strlen(the.log);
    assert_true(size + 1 < sizeof the.log);
    the.log[size] = what;
    the.log[size + 1] = '\0';
}

static void step(int timeout_ms)
{
    assert_int_equal(vital_loop_step(the.loop, timeout_ms), 0);
}

static int64_t stalled_us(void)
{
    return vt_loop_clock(the.loop).stalled_us;
}

/* -------------------------------------------------------------------- timers */

/* Notes its name when it fires, and when that was. */
typedef struct alarm_clock {
    vt_timer timer;
    char name;
    int64_t fired_us; /* -1: not yet */
    int fired;
    void (*then)(struct alarm_clock *self);
    struct alarm_clock *other;
} alarm_clock;

static void ring(void *owner)
{
    alarm_clock *self = owner;
    note(self->name);
    self->fired++;
    self->fired_us = vt_loop_clock(the.loop).now_us;
    if (self->then != NULL)
        self->then(self);
}

static void start(alarm_clock *self, char name)
{
    *self = (alarm_clock){.name = name, .fired_us = -1};
    assert_int_equal(vt_timer_init(&self->timer, the.loop, ring, self), 0);
}

static void arm(alarm_clock *self, int64_t after_us)
{
    vt_timer_arm(&self->timer, the.loop, the.fake->now_us + after_us);
}

static void finish(alarm_clock *self)
{
    vt_timer_finish(&self->timer, the.loop);
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    alarm_clock clocks[5];
    const int after_ms[] = {500, 100, 300, 200, 400};
    for (int i = 0; i < 5; i++) {
        start(&clocks[i], (char)('a' + i));
        arm(&clocks[i], after_ms[i] * MS);
    }
    for (int i = 0; i < 20; i++)
        step(50);
    assert_string_equal(the.log, "bdcea");
    for (int i = 0; i < 5; i++)
        finish(&clocks[i]);
}

static void a_timer_is_never_early_and_at_most_a_tick_late(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    static const int64_t all[] = {0,       1,       999,     TICK_US - 1, TICK_US,    TICK_US + 1,
                                  37 * MS, 1234567, 40 * S,  40959 * MS,  40960 * MS, 40961 * MS,
                                  41 * S,  60 * S,  100 * S, 3600LL * S};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int64_t at_us = the.fake->now_us + all[i];
        int before = clock.fired;
        arm(&clock, all[i]);
        for (int turns = 0; clock.fired == before && turns < 1000; turns++)
            step(-1);
        if (clock.fired_us < at_us || clock.fired_us > at_us + TICK_US)
            fail_msg("armed for %" PRId64 " us: fired %" PRId64 " us later", all[i],
                     clock.fired_us - at_us + all[i]);
        assert_int_equal(clock.fired, before + 1);
        assert_int_equal(vital_loop_wait_ms(the.loop), -1);
    }
    finish(&clock);
}

static void a_timer_beyond_the_horizon_costs_one_turn_more(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 3600LL * S);
    int turns = 0;
    for (; clock.fired == 0 && turns < 200; turns++)
        step(-1);
    assert_int_equal(turns, 2);
    assert_int_equal(stalled_us(), 0);
    finish(&clock);
}

static void a_timer_fires_once_an_arming(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 50 * MS);
    arm(&clock, 100 * MS);
    for (int i = 0; i < 20; i++)
        step(20);
    assert_int_equal(clock.fired, 1);
    finish(&clock);
}

static void a_timer_that_is_disarmed_or_finished_stays_silent(void **state)
{
    (void)state;
    alarm_clock one, two;
    start(&one, '1');
    start(&two, '2');
    arm(&one, 50 * MS);
    arm(&two, 50 * MS);
    vt_timer_arm(&one.timer, the.loop, INT64_MAX);
    finish(&two);
    finish(&two); /* once more */
    for (int i = 0; i < 10; i++)
        step(20);
    assert_string_equal(the.log, "");
    finish(&one);
    vt_timer zeroed = {.fire = NULL};
    vt_timer_finish(&zeroed, the.loop);
}

static void arm_again(alarm_clock *self)
{
    if (self->fired < 3)
        arm(self, 100 * MS);
}

static void a_timer_may_arm_itself_again(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    clock.then = arm_again;
    arm(&clock, 100 * MS);
    int64_t began_us = the.fake->now_us;
    for (int i = 0; i < 10; i++)
        step(100);
    assert_int_equal(clock.fired, 3);
    assert_in_range(clock.fired_us - began_us, 300 * MS, 300 * MS + 3 * TICK_US);
    finish(&clock);
}

static void arm_for_the_past(alarm_clock *self)
{
    if (self->fired < 50)
        arm(self, -10 * MS);
}

static void a_timer_armed_for_the_past_again_and_again_starves_nobody(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    clock.then = arm_for_the_past;
    arm(&clock, -1);
    for (int turns = 0; clock.fired < 50; turns++) {
        int before = clock.fired;
        assert_true(turns < 200);
        step(-1);
        assert_in_range(clock.fired - before, 0, 1);
    }
    finish(&clock);
}

static void finish_the_other(alarm_clock *self)
{
    finish(self->other);
}

static void a_timer_may_finish_another_that_is_due_as_well(void **state)
{
    (void)state;
    alarm_clock one, two;
    start(&one, '1');
    start(&two, '2');
    one.then = two.then = finish_the_other;
    one.other = &two;
    two.other = &one;
    arm(&one, 50 * MS);
    arm(&two, 50 * MS);
    for (int i = 0; i < 10; i++)
        step(20);
    assert_int_equal(strlen(the.log), 1);
    finish(&one);
    finish(&two);
}

static void finish_itself(alarm_clock *self)
{
    finish(self);
}

static void a_timer_may_finish_itself(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    clock.then = finish_itself;
    arm(&clock, 0);
    for (int i = 0; i < 5; i++)
        step(20);
    assert_string_equal(the.log, "t");
}

/* ------------------------------------------------------- the account of lateness */

typedef struct chore {
    vt_task task;
    char name;
    int again; /* schedules itself so many times */
    struct chore *next;
} chore;

static void do_chore(void *owner)
{
    chore *self = owner;
    note(self->name);
    if (self->again > 0) {
        self->again--;
        vt_task_schedule(&self->task, the.loop);
    }
    if (self->next != NULL)
        vt_task_schedule(&self->next->task, the.loop);
}

static void start_chore(chore *self, char name)
{
    *self = (chore){.name = name};
    vt_task_init(&self->task, do_chore, self);
}

static void work_200_ms(fake_loop *loop)
{
    loop->now_us += 200 * MS;
}

static void work_40_ms(fake_loop *loop)
{
    loop->now_us += 40 * MS;
}

static void work_5_s(fake_loop *loop)
{
    loop->now_us += 5 * S;
}

static void work_5_s_and_more(fake_loop *loop)
{
    loop->now_us += 5 * S + 1;
}

static void work_in_a_timer(alarm_clock *self)
{
    (void)self;
    work_200_ms(the.fake);
}

static void work_in_a_post(void *arg)
{
    work_200_ms(arg);
}

static void being_on_time_is_no_lateness(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    for (int i = 1; i < 100; i++) {
        arm(&clock, i * 77 * MS);
        while (clock.fired < i)
            step(-1);
        step(0);
        step(30);
    }
    assert_int_equal(stalled_us(), 0);
    finish(&clock);
}

static void lateness_is_counted_whenever_something_was_due(void **state)
{
    (void)state;
    alarm_clock clock;
    vital_stats stats;
    start(&clock, 't');
    for (int i = 1; i <= 10; i++) {
        arm(&clock, i * 100 * MS);
        while (clock.fired < i)
            step(-1);
    }
    vital_loop_stats(the.loop, &stats);
    assert_in_range(stats.lag.count, 10, 20);
    assert_int_equal(stats.lag.buckets[0], stats.lag.count);

    arm(&clock, 300 * MS);
    step(0);
    the.fake->now_us += 500 * MS;
    step(0);
    vital_loop_stats(the.loop, &stats);
    assert_in_range(stats.lag.sum_us, 180 * MS, 200 * MS);
    assert_int_equal(stats.stalled_us, stalled_us());
    finish(&clock);
}

static void the_time_of_a_busy_callback_is_ours(void **state)
{
    (void)state;
    the.fake->complete = work_200_ms;
    step(10);
    assert_int_equal(stalled_us(), 200 * MS);

    alarm_clock clock;
    start(&clock, 't');
    clock.then = work_in_a_timer;
    arm(&clock, 30 * MS);
    while (clock.fired == 0)
        step(-1);
    assert_int_equal(stalled_us(), 400 * MS);
    finish(&clock);

    assert_int_equal(vital_loop_post(the.loop, work_in_a_post, the.fake), 0);
    step(0);
    assert_int_equal(stalled_us(), 600 * MS);

    vt_task task;
    vt_task_init(&task, work_in_a_post, the.fake);
    vt_task_schedule(&task, the.loop);
    step(0);
    assert_int_equal(stalled_us(), 800 * MS);
    vt_task_finish(&task);
}

static void a_little_lateness_is_noise(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        the.fake->complete = work_40_ms;
        step(10);
    }
    the.fake->late_us = 40 * MS;
    step(10);
    assert_int_equal(stalled_us(), 0);
}

static void a_wait_that_ends_late_is_ours(void **state)
{
    (void)state;
    the.fake->late_us = 700 * MS;
    step(10);
    assert_int_equal(stalled_us(), 700 * MS);

    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 500 * MS);
    the.fake->late_us = 700 * MS;
    step(-1);
    assert_int_equal(clock.fired, 1);
    assert_int_equal(stalled_us(), 1400 * MS);
    finish(&clock);
}

static void a_wait_for_nothing_cannot_end_late(void **state)
{
    (void)state;
    the.fake->late_us = 3 * S;
    step(-1);
    assert_int_equal(stalled_us(), 0);
}

static void an_absence_of_more_than_five_seconds_gives_five_more(void **state)
{
    (void)state;
    the.fake->complete = work_5_s;
    step(10);
    assert_int_equal(stalled_us(), 5 * S);
    the.fake->complete = work_5_s_and_more;
    step(10);
    assert_int_equal(stalled_us(), 5 * S + 5 * S + 1 + 5 * S);
    the.fake->late_us = 60 * S;
    step(10);
    assert_int_equal(stalled_us(), 15 * S + 1 + 60 * S + 5 * S);
}

/* ---------------------------------------------------------------------- news */

/* Notes what it hears. */
static void hear(vt_resident *resident, vital_hint hint)
{
    (void)resident;
    note(hint == VITAL_HINT_RESUMED ? 'r' : 'n');
}

static void evict_nobody(vt_resident *resident)
{
    (void)resident;
}

static vt_resident listener, deaf;

static void settle_listener(void)
{
    vt_loop_settle(the.loop, &deaf, evict_nobody);
    vt_loop_settle(the.loop, &listener, evict_nobody);
    vt_loop_hear(&listener, hear);
}

static void a_change_of_the_network_is_told_a_quarter_of_a_second_later(void **state)
{
    (void)state;
    settle_listener();
    int64_t changed_us = the.fake->now_us;
    vital_loop_network_changed(the.loop);
    while (the.log[0] == '\0')
        step(-1);
    assert_string_equal(the.log, "n");
    assert_in_range(the.fake->now_us - changed_us, 250 * MS, 250 * MS + TICK_US);
    step(10000);
    assert_string_equal(the.log, "n");
    assert_int_equal(vital_loop_wait_ms(the.loop), -1);
}

static void changes_of_one_moment_are_told_once(void **state)
{
    (void)state;
    settle_listener();
    for (int i = 0; i < 100; i++) {
        vital_loop_network_changed(the.loop);
        step(2);
    }
    step(10000);
    assert_string_equal(the.log, "n");
}

static void a_network_that_never_rests_is_told_once_a_second(void **state)
{
    (void)state;
    settle_listener();
    int64_t until_us = the.fake->now_us + 10 * S;
    while (the.fake->now_us < until_us) {
        vital_loop_network_changed(the.loop);
        step(10);
    }
    assert_in_range(strlen(the.log), 9, 10);
}

static void without_a_loop_no_network_changes(void **state)
{
    (void)state;
    vital_loop_network_changed(NULL);
}

static void what_has_not_been_told_ends_with_the_loop(void **state)
{
    (void)state;
    settle_listener();
    vital_loop_network_changed(the.loop);
}

static void the_network_is_watched_once(void **state)
{
    (void)state;
    assert_int_equal(the.fake->watches, 0);
    vt_loop_watch_network(the.loop);
    vt_loop_watch_network(the.loop);
    assert_int_equal(the.fake->watches, 1);
}

static void a_machine_that_has_slept_is_told_when_the_loop_wakes(void **state)
{
    (void)state;
    settle_listener();
    step(10);
    the.fake->slept_us = 3600LL * S;
    step(10);
    assert_string_equal(the.log, "r");
    step(10);
    assert_string_equal(the.log, "r");
}

static void after_a_sleep_peers_have_five_seconds_to_come_back_and_no_more(void **state)
{
    (void)state;
    the.fake->slept_us = 5LL * S;
    step(10);
    assert_int_equal(stalled_us(), 0);
    the.fake->slept_us += 3600LL * S;
    step(10);
    assert_int_equal(stalled_us(), 5 * S);
}

static void a_nap_of_less_than_a_second_is_none(void **state)
{
    (void)state;
    settle_listener();
    the.fake->slept_us = 999 * MS;
    step(10);
    assert_string_equal(the.log, "");
    the.fake->slept_us += 1 * MS; /* unless it was a part of one */
    step(10);
    assert_string_equal(the.log, "r");
}

static void an_embedding_program_is_late_against_what_it_was_told(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 1 * S);
    step(0);
    int64_t told_us = the.fake->now_us + vital_loop_wait_ms(the.loop) * MS;
    the.fake->now_us += 900 * MS; /* earlier than it had to be */
    step(0);
    assert_int_equal(stalled_us(), 0);
    assert_int_equal(clock.fired, 0);
    the.fake->now_us = told_us + 2 * S;
    step(0);
    assert_int_equal(clock.fired, 1);
    assert_in_range(stalled_us(), 2 * S - 1 * MS, 2 * S + 1 * MS);

    int64_t before_us = stalled_us();
    the.fake->now_us += 60 * S; /* nothing was due */
    step(0);
    assert_int_equal(stalled_us(), before_us);
    finish(&clock);
}

static void a_program_that_works_between_its_steps_is_late_too(void **state)
{
    (void)state;
    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 500 * MS);
    step(100);
    the.fake->now_us += 3 * S;
    step(100);
    assert_int_equal(clock.fired, 1);
    assert_in_range(stalled_us(), 3 * S - 500 * MS, 3 * S - 300 * MS);
    finish(&clock);
}

static void an_idle_program_that_begins_anew_has_missed_nothing(void **state)
{
    (void)state;
    chore some;
    start_chore(&some, 'c');
    static const int timeouts_ms[] = {0, 10, -1};
    for (int i = 0; i < 3; i++) {
        the.fake->now_us += 60 * S; /* building its world, or asleep: nothing was due */
        vt_task_schedule(&some.task, the.loop);
        step(timeouts_ms[i]);
    }
    assert_string_equal(the.log, "ccc");
    assert_int_equal(stalled_us(), 0);
}

static void a_program_with_work_for_us_is_late_for_what_was_due(void **state)
{
    (void)state;
    chore some;
    alarm_clock clock;
    start_chore(&some, 'c');
    start(&clock, 't');
    arm(&clock, 500 * MS);
    step(100);
    the.fake->now_us += 3 * S;
    vt_task_schedule(&some.task, the.loop);
    step(100);
    assert_int_equal(clock.fired, 1);
    assert_in_range(stalled_us(), 3 * S - 500 * MS, 3 * S - 300 * MS);
    finish(&clock);
}

static void the_clock_of_a_turn_stands_still_and_can_be_read_again(void **state)
{
    (void)state;
    step(0);
    int64_t turn_us = vt_loop_clock(the.loop).now_us;
    the.fake->now_us += 5 * MS;
    assert_int_equal(vt_loop_clock(the.loop).now_us, turn_us);
    assert_int_equal(vt_loop_clock_now(the.loop).now_us, turn_us + 5 * MS);
    assert_int_equal(vt_loop_clock_now(the.loop).stalled_us, 0);
}

/* --------------------------------------------------------------------- tasks */

static void a_task_runs_once_however_often_it_was_asked_for(void **state)
{
    (void)state;
    chore one, two;
    start_chore(&one, '1');
    start_chore(&two, '2');
    vt_task_schedule(&one.task, the.loop);
    vt_task_schedule(&two.task, the.loop);
    vt_task_schedule(&one.task, the.loop);
    step(0);
    assert_string_equal(the.log, "12");
    step(0);
    assert_string_equal(the.log, "12");
}

static void what_a_task_schedules_runs_in_the_same_turn(void **state)
{
    (void)state;
    chore one, two;
    start_chore(&one, '1');
    start_chore(&two, '2');
    one.next = &two;
    vt_task_schedule(&one.task, the.loop);
    step(0);
    assert_string_equal(the.log, "12");
}

static void each_round_of_tasks_is_followed_by_a_submission(void **state)
{
    (void)state;
    chore one;
    start_chore(&one, '1');
    one.again = 3;
    step(0);
    int before = the.fake->submits;
    vt_task_schedule(&one.task, the.loop);
    step(0);
    assert_string_equal(the.log, "1111");
    assert_int_equal(the.fake->submits - before, 4);
}

static void a_task_without_end_leaves_the_turn_to_others(void **state)
{
    (void)state;
    chore one;
    start_chore(&one, '1');
    one.again = 100;
    vt_task_schedule(&one.task, the.loop);
    step(-1);
    assert_string_equal(the.log, "11111111");
    assert_int_equal(vital_loop_wait_ms(the.loop), 0);
    int64_t before_us = the.fake->now_us;
    step(-1);
    assert_int_equal(strlen(the.log), 16);
    assert_int_equal(the.fake->now_us, before_us);
    vt_task_finish(&one.task);
    step(0);
    assert_int_equal(strlen(the.log), 16);
}

static void finish_a_chore(void *owner)
{
    vt_task_finish(&((chore *)owner)->task);
}

static void a_task_may_finish_another_of_the_same_round(void **state)
{
    (void)state;
    chore victim;
    vt_task murderer;
    start_chore(&victim, 'v');
    vt_task_init(&murderer, finish_a_chore, &victim);
    vt_task_schedule(&murderer, the.loop);
    vt_task_schedule(&victim.task, the.loop);
    step(0);
    assert_string_equal(the.log, "");
    vt_task zeroed = {.run = NULL};
    vt_task_finish(&zeroed);
}

/* -------------------------------------------------------- burial, and residents */

typedef struct corpse {
    vt_grave grave;
    char name;
} corpse;

static void bury(vt_grave *grave)
{
    note(VT_LIST_OWNER(grave, corpse, grave)->name);
}

static void bury_and_note(void *arg)
{
    vt_loop_bury(the.loop, &((corpse *)arg)->grave, bury);
    note('-');
}

static void the_dead_are_buried_when_the_turn_is_over(void **state)
{
    (void)state;
    corpse one = {.name = '1'}, two = {.name = '2'};
    chore some;
    start_chore(&some, 'c');
    assert_int_equal(vital_loop_post(the.loop, bury_and_note, &one), 0);
    assert_int_equal(vital_loop_post(the.loop, bury_and_note, &two), 0);
    vt_task_schedule(&some.task, the.loop);
    step(0);
    assert_string_equal(the.log, "--c12");
}

static void who_dies_between_turns_is_buried_with_the_loop(void **state)
{
    (void)state;
    corpse one = {.name = '1'};
    vt_loop_bury(the.loop, &one.grave, bury);
    assert_string_equal(the.log, "");
    vital_loop_destroy(the.loop);
    the.loop = NULL;
    assert_string_equal(the.log, "1");
}

typedef struct tenant {
    vt_resident resident;
    vt_grave grave;
    char name;
} tenant;

static void bury_tenant(vt_grave *grave)
{
    (void)grave;
    note('+');
}

static void evict(vt_resident *resident)
{
    tenant *self = VT_LIST_OWNER(resident, tenant, resident);
    note(self->name);
    vt_loop_bury(the.loop, &self->grave, bury_tenant);
}

static void residents_are_evicted_and_then_buried_with_the_loop(void **state)
{
    (void)state;
    tenant tenants[] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}};
    for (int i = 0; i < 3; i++)
        vt_loop_settle(the.loop, &tenants[i].resident, evict);
    assert_ptr_equal(vt_loop_find(the.loop, evict), &tenants[0].resident);
    assert_null(vt_loop_find(the.loop, NULL));
    vt_loop_leave(&tenants[1].resident);
    vital_loop_destroy(the.loop);
    the.loop = NULL;
    assert_string_equal(the.log, "ac++");
}

/* --------------------------------------------------------------------- posts */

static void note_post(void *arg)
{
    note(*(const char *)arg);
}

static void post_another(void *arg)
{
    note('p');
    assert_int_equal(vital_loop_post(the.loop, note_post, arg), 0);
}

static void posts_run_in_their_order_and_wake_the_loop(void **state)
{
    (void)state;
    const char names[] = "abc";
    int before = the.fake->wakes;
    for (int i = 0; i < 3; i++)
        assert_int_equal(vital_loop_post(the.loop, note_post, (void *)(uintptr_t)&names[i]), 0);
    assert_int_equal(the.fake->wakes, before + 3);
    assert_int_equal(vital_loop_wait_ms(the.loop), 0);
    step(-1);
    assert_string_equal(the.log, "abc");
}

static void what_a_post_posts_runs_in_the_next_turn(void **state)
{
    (void)state;
    char name = 'n';
    assert_int_equal(vital_loop_post(the.loop, post_another, &name), 0);
    step(-1);
    assert_string_equal(the.log, "p");
    step(-1);
    assert_string_equal(the.log, "pn");
}

static void a_post_that_never_ran_ends_with_the_loop(void **state)
{
    (void)state;
    char name = 'n';
    assert_int_equal(vital_loop_post(the.loop, note_post, &name), 0);
    vital_loop_destroy(the.loop);
    the.loop = NULL;
    assert_string_equal(the.log, "");
}

static void a_post_without_a_loop_or_a_function_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(vital_loop_post(NULL, note_post, NULL), VITAL_EINVAL);
    assert_int_equal(vital_loop_post(the.loop, NULL, NULL), VITAL_EINVAL);
}

enum { THREADS = 8, POSTS = 5000 };

typedef struct poster {
    vital_loop *loop;
    pthread_t thread;
    int number;
    struct letter {
        struct poster *from;
        int number;
    } letters[POSTS];
    int arrived;
    int out_of_order;
} poster;

static int posters_done;

static void receive_letter(void *arg)
{
    struct letter *letter = arg;
    poster *from = letter->from;
    from->out_of_order += letter->number != from->arrived;
    from->arrived++;
    posters_done += from->arrived == POSTS;
    if (posters_done == THREADS)
        vital_loop_stop(from->loop);
}

static void *post_letters(void *arg)
{
    poster *self = arg;
    for (int i = 0; i < POSTS; i++) {
        self->letters[i] = (struct letter){self, i};
        assert_int_equal(vital_loop_post(self->loop, receive_letter, &self->letters[i]), 0);
    }
    return NULL;
}

static void posts_of_many_threads_all_arrive_each_threads_in_order(void **state)
{
    (void)state;
    vital_loop *loop;
    poster *posters = calloc(THREADS, sizeof *posters);
    assert_non_null(posters);
    assert_int_equal(vital_loop_create(&loop), 0);
    posters_done = 0;
    for (int i = 0; i < THREADS; i++) {
        posters[i].loop = loop;
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_letters, &posters[i]), 0);
    }
    assert_int_equal(vital_loop_run(loop), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].arrived, POSTS);
        assert_int_equal(posters[i].out_of_order, 0);
    }
    vital_loop_destroy(loop);
    free(posters);
}

enum { ROUNDS = 200, DAWDLES = 50 };

static atomic_bool loop_is_gone;
static atomic_int late_wakes; /* those that came upon a loop that was gone */

/* Gives the owner all the time it needs to run what was posted, if it can. */
static void wake_slowly(vital_loop *loop)
{
    for (int i = 0; i < DAWDLES && !atomic_load(&loop_is_gone); i++)
        sched_yield();
    if (atomic_load(&loop_is_gone))
        atomic_fetch_add(&late_wakes, 1);
    else
        fake_of(loop)->wakes++;
}

typedef struct ending {
    vital_loop *loop;
    bool over; /* the owner's alone */
} ending;

static void end_it(void *arg)
{
    ending *self = arg;
    self->over = true;
    vital_loop_stop(self->loop);
}

static void *post_the_end(void *arg)
{
    ending *self = arg;
    int error = vital_loop_post(self->loop, end_it, self);
    return error == 0 ? self : NULL;
}

/* The owner destroys its loop while the poster may not have returned yet. */
static void end_by_post(const vt_backend *backend)
{
    ending self = {.loop = NULL};
    pthread_t thread;
    void *posted;
    if (backend != NULL)
        assert_int_equal(vt_loop_create(&self.loop, backend, NULL), 0);
    else
        assert_int_equal(vital_loop_create(&self.loop), 0);
    atomic_store(&loop_is_gone, false);
    assert_int_equal(pthread_create(&thread, NULL, post_the_end, &self), 0);
    while (!self.over) /* awake, so that nothing but the lock keeps it from the post */
        assert_int_equal(vital_loop_step(self.loop, 0), 0);
    vital_loop_destroy(self.loop);
    atomic_store(&loop_is_gone, true);
    assert_int_equal(pthread_join(thread, &posted), 0);
    assert_ptr_equal(posted, &self);
}

static void posting_is_done_with_a_loop_that_the_post_ends(void **state)
{
    (void)state;
    vt_backend slow = FAKE_BACKEND;
    slow.wake = wake_slowly;
    atomic_store(&late_wakes, 0);
    for (int i = 0; i < ROUNDS; i++)
        end_by_post(&slow);
    assert_int_equal(atomic_load(&late_wakes), 0);
}

/* For the sanitizers. */
static void a_real_loop_may_be_destroyed_by_what_another_thread_posts(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++)
        end_by_post(NULL);
}

/* ------------------------------------------------------------- steps and runs */

static void a_step_waits_no_longer_than_it_was_told(void **state)
{
    (void)state;
    int64_t began_us = the.fake->now_us;
    step(0);
    assert_int_equal(the.fake->now_us - began_us, 0);
    step(70);
    assert_int_equal(the.fake->now_us - began_us, 70 * MS);

    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 200 * MS);
    step(50);
    assert_int_equal(the.fake->now_us - began_us, 120 * MS);
    step(10000);
    assert_int_equal(clock.fired, 1);
    assert_in_range(the.fake->now_us - began_us, 270 * MS, 270 * MS + TICK_US);
    finish(&clock);
}

static void the_time_to_wait_is_told(void **state)
{
    (void)state;
    assert_int_equal(vital_loop_wait_ms(the.loop), -1);
    alarm_clock clock;
    start(&clock, 't');
    arm(&clock, 200 * MS);
    assert_in_range(vital_loop_wait_ms(the.loop), 200, 220);
    the.fake->now_us += 150 * MS;
    assert_in_range(vital_loop_wait_ms(the.loop), 50, 70);
    the.fake->now_us += 1 * S;
    assert_int_equal(vital_loop_wait_ms(the.loop), 0);
    step(0);
    assert_int_equal(vital_loop_wait_ms(the.loop), -1);

    chore some;
    start_chore(&some, 'c');
    vt_task_schedule(&some.task, the.loop);
    assert_int_equal(vital_loop_wait_ms(the.loop), 0);
    vt_task_finish(&some.task);
    finish(&clock);
}

static void stop(void *arg)
{
    (void)arg;
    note('s');
    vital_loop_stop(the.loop);
}

static void a_run_ends_with_the_turn_in_which_it_was_stopped_and_can_be_resumed(void **state)
{
    (void)state;
    char name = 'n';
    for (int i = 0; i < 3; i++) {
        the.log[0] = '\0';
        assert_int_equal(vital_loop_post(the.loop, stop, NULL), 0);
        assert_int_equal(vital_loop_post(the.loop, note_post, &name), 0);
        assert_int_equal(vital_loop_run(the.loop), 0);
        assert_string_equal(the.log, "sn");
    }
}

static int wait_in_vain(vital_loop *loop, int64_t until_us)
{
    (void)loop, (void)until_us;
    errno = EBADF;
    return -1;
}

static void a_wait_that_fails_ends_the_run_with_a_sentence(void **state)
{
    (void)state;
    vt_backend broken = FAKE_BACKEND;
    broken.wait = wait_in_vain;
    vital_loop *loop;
    assert_int_equal(vt_loop_create(&loop, &broken, NULL), 0);
    assert_string_equal(vital_loop_problem(loop), "");
    assert_int_equal(vital_loop_run(loop), VITAL_ESYSTEM);
    assert_non_null(strstr(vital_loop_problem(loop), strerror(EBADF)));
    vital_loop_destroy(loop);
}

static int start_in_vain(vital_loop *loop, void *world)
{
    (void)loop, (void)world;
    return -1;
}

static int seed_in_vain(vital_loop *loop, uint8_t seed[VT_RANDOM_SEED_BYTES])
{
    (void)loop, (void)seed;
    return -1;
}

static void a_loop_that_cannot_start_is_an_error_and_leaves_nothing(void **state)
{
    (void)state;
    vital_loop *loop = the.loop;
    vt_backend broken = FAKE_BACKEND;
    broken.start = start_in_vain;
    assert_int_equal(vt_loop_create(&loop, &broken, NULL), VITAL_ESYSTEM);
    assert_null(loop);
    broken = FAKE_BACKEND;
    broken.seed = seed_in_vain;
    assert_int_equal(vt_loop_create(&loop, &broken, NULL), VITAL_ESYSTEM);
    assert_null(loop);
    assert_int_equal(vital_loop_create(NULL), VITAL_EINVAL);
    vital_loop_destroy(NULL);
}

static void the_last_problem_is_kept_and_cut_to_its_room(void **state)
{
    (void)state;
    assert_int_equal(vt_loop_fail(the.loop, VITAL_EFULL, "%d %s", 7, "bridges"), VITAL_EFULL);
    assert_string_equal(vital_loop_problem(the.loop), "7 bridges");
    char lengthy[1000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    assert_int_equal(vt_loop_fail(the.loop, VITAL_EINVAL, "%s", lengthy), VITAL_EINVAL);
    assert_in_range(strlen(vital_loop_problem(the.loop)), 100, 255);
}

static void entropy_comes_from_the_backends_seed(void **state)
{
    (void)state;
    uint8_t one[64], two[64];
    vital_loop *loop;
    vital_entropy entropy = vt_loop_entropy(the.loop);
    entropy.fill(entropy.source, one, sizeof one);
    assert_int_equal(vt_loop_create(&loop, &FAKE_BACKEND, NULL), 0);
    entropy = vt_loop_entropy(loop);
    entropy.fill(entropy.source, two, sizeof two);
    assert_memory_equal(one, two, sizeof one);
    entropy.fill(entropy.source, two, sizeof two);
    assert_memory_not_equal(one, two, sizeof one);
    vital_loop_destroy(loop);
}

/* --------------------------------------------------------------------- names */

static void note_found(void *owner, const vt_address *addresses, size_t count, const char *problem)
{
    (void)addresses;
    assert_ptr_equal(owner, &the);
    note((char)('0' + count));
    assert_string_equal(problem, count == 0 ? "no such host" : "");
}

static void answer_none(fake_loop *loop)
{
    fake_answer(loop, NULL, 0, "no such host");
}

static void a_lookup_is_answered_in_a_turn_or_cancelled(void **state)
{
    (void)state;
    vt_lookup *lookup = vt_lookup_start(the.loop, "example.test", 80, note_found, &the);
    assert_non_null(lookup);
    assert_string_equal(the.log, "");
    the.fake->complete = answer_none;
    step(0);
    assert_string_equal(the.log, "0");

    lookup = vt_lookup_start(the.loop, "example.test", 80, note_found, &the);
    vt_lookup_cancel(lookup);
    step(0);
    assert_string_equal(the.log, "0");
    assert_int_equal(the.fake->cancels, 1);
}

#define loop_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(timers_fire_in_the_order_of_their_deadlines),
        loop_test(a_timer_is_never_early_and_at_most_a_tick_late),
        loop_test(a_timer_beyond_the_horizon_costs_one_turn_more),
        loop_test(a_timer_fires_once_an_arming),
        loop_test(a_timer_that_is_disarmed_or_finished_stays_silent),
        loop_test(a_timer_may_arm_itself_again),
        loop_test(a_timer_armed_for_the_past_again_and_again_starves_nobody),
        loop_test(a_timer_may_finish_another_that_is_due_as_well),
        loop_test(a_timer_may_finish_itself),
        loop_test(being_on_time_is_no_lateness),
        loop_test(lateness_is_counted_whenever_something_was_due),
        loop_test(the_time_of_a_busy_callback_is_ours),
        loop_test(a_little_lateness_is_noise),
        loop_test(a_wait_that_ends_late_is_ours),
        loop_test(a_wait_for_nothing_cannot_end_late),
        loop_test(an_absence_of_more_than_five_seconds_gives_five_more),
        loop_test(a_change_of_the_network_is_told_a_quarter_of_a_second_later),
        loop_test(changes_of_one_moment_are_told_once),
        loop_test(a_network_that_never_rests_is_told_once_a_second),
        loop_test(without_a_loop_no_network_changes),
        loop_test(what_has_not_been_told_ends_with_the_loop),
        loop_test(the_network_is_watched_once),
        loop_test(a_machine_that_has_slept_is_told_when_the_loop_wakes),
        loop_test(after_a_sleep_peers_have_five_seconds_to_come_back_and_no_more),
        loop_test(a_nap_of_less_than_a_second_is_none),
        loop_test(an_embedding_program_is_late_against_what_it_was_told),
        loop_test(a_program_that_works_between_its_steps_is_late_too),
        loop_test(an_idle_program_that_begins_anew_has_missed_nothing),
        loop_test(a_program_with_work_for_us_is_late_for_what_was_due),
        loop_test(the_clock_of_a_turn_stands_still_and_can_be_read_again),
        loop_test(a_task_runs_once_however_often_it_was_asked_for),
        loop_test(what_a_task_schedules_runs_in_the_same_turn),
        loop_test(each_round_of_tasks_is_followed_by_a_submission),
        loop_test(a_task_without_end_leaves_the_turn_to_others),
        loop_test(a_task_may_finish_another_of_the_same_round),
        loop_test(the_dead_are_buried_when_the_turn_is_over),
        loop_test(who_dies_between_turns_is_buried_with_the_loop),
        loop_test(residents_are_evicted_and_then_buried_with_the_loop),
        loop_test(posts_run_in_their_order_and_wake_the_loop),
        loop_test(what_a_post_posts_runs_in_the_next_turn),
        loop_test(a_post_that_never_ran_ends_with_the_loop),
        loop_test(a_post_without_a_loop_or_a_function_is_an_error),
        loop_test(posts_of_many_threads_all_arrive_each_threads_in_order),
        loop_test(posting_is_done_with_a_loop_that_the_post_ends),
        loop_test(a_real_loop_may_be_destroyed_by_what_another_thread_posts),
        loop_test(a_step_waits_no_longer_than_it_was_told),
        loop_test(the_time_to_wait_is_told),
        loop_test(a_run_ends_with_the_turn_in_which_it_was_stopped_and_can_be_resumed),
        loop_test(a_wait_that_fails_ends_the_run_with_a_sentence),
        loop_test(a_loop_that_cannot_start_is_an_error_and_leaves_nothing),
        loop_test(the_last_problem_is_kept_and_cut_to_its_room),
        loop_test(entropy_comes_from_the_backends_seed),
        loop_test(a_lookup_is_answered_in_a_turn_or_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
