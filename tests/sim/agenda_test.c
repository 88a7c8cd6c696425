/* The agenda against a list that is searched from end to end. */
#include "agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 1000 };

static int ran[MOST];
static int count;

static void run(void *arg)
{
    ran[count++] = *(int *)arg;
}

static void what_is_earlier_comes_first(void **state)
{
    (void)state;
    static int names[] = {0, 1, 2};
    vt_agenda agenda = {.heap = NULL};
    count = 0;
    assert_int_equal(vt_agenda_next_us(&agenda), INT64_MAX);
    vt_agenda_add(&agenda, 30, run, &names[2]);
    vt_agenda_add(&agenda, -10, run, &names[0]);
    vt_agenda_add(&agenda, 20, run, &names[1]);
    assert_int_equal(vt_agenda_next_us(&agenda), -10);
    for (int i = 0; i < 3; i++) {
        vt_agenda_run_next(&agenda);
        assert_int_equal(ran[i], i);
    }
    assert_int_equal(vt_agenda_next_us(&agenda), INT64_MAX);
    vt_agenda_finish(&agenda);
    vt_agenda_finish(&agenda);
    vt_agenda_finish(NULL);
}

static void at_one_time_the_order_is_that_of_asking(void **state)
{
    (void)state;
    static int names[MOST];
    vt_agenda agenda = {.heap = NULL};
    count = 0;
    for (int i = 0; i < MOST; i++) {
        names[i] = i;
        vt_agenda_add(&agenda, 5, run, &names[i]);
    }
    for (int i = 0; i < MOST; i++) {
        vt_agenda_run_next(&agenda);
        assert_int_equal(ran[i], i);
    }
    vt_agenda_finish(&agenda);
}

static void any_order_of_asking_comes_out_in_order_of_time(void **state)
{
    (void)state;
    static int times[MOST];
    for (unsigned seed = 1; seed <= 50; seed++) {
        vt_agenda agenda = {.heap = NULL};
        unsigned next = seed;
        int added = 0, taken = 0;
        count = 0;
        while (taken < MOST) {
            next = next * 1103515245 + 12345;
            bool add = added < MOST && (taken == added || (next >> 16) % 3 > 0);
            if (!add) {
                vt_agenda_run_next(&agenda);
                /* Nothing that is still there is earlier. */
                assert_true(ran[taken] <= vt_agenda_next_us(&agenda));
                taken++;
                continue;
            }
            times[added] = (int)((next >> 20) % 100);
            vt_agenda_add(&agenda, times[added], run, &times[added]);
            added++;
        }
        assert_int_equal(agenda.count, 0);
        vt_agenda_finish(&agenda);
    }
}

static vt_agenda growing;

static void add_another(void *arg)
{
    (void)arg;
    if (++count < 10)
        vt_agenda_add(&growing, count, add_another, NULL);
}

static void what_runs_may_add(void **state)
{
    (void)state;
    count = 0;
    vt_agenda_add(&growing, 0, add_another, NULL);
    while (vt_agenda_next_us(&growing) != INT64_MAX)
        vt_agenda_run_next(&growing);
    assert_int_equal(count, 10);
    vt_agenda_finish(&growing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_earlier_comes_first),
        cmocka_unit_test(at_one_time_the_order_is_that_of_asking),
        cmocka_unit_test(any_order_of_asking_comes_out_in_order_of_time),
        cmocka_unit_test(what_runs_may_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
