/*
 * The turnstile, before crowds of clients that do as vital's do: they come back
 * after the seconds that they were told, and at most a quarter later.
 */
#include "turnstile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "random.h"

#define S INT64_C(1000000)

enum { PER_S = 100, BURST = PER_S * VT_TURNSTILE_BURST_S };

static void up_to_the_rate_everybody_comes_in(void **state)
{
    (void)state;
    vital_turnstile turnstile = {.promised_us = 0};
    for (int64_t i = 0; i < 100 * PER_S; i++)
        assert_int_equal(vt_turnstile_pass(&turnstile, PER_S, i * S / PER_S), 0);
}

static void above_it_each_is_told_the_next_place(void **state)
{
    (void)state;
    vital_turnstile turnstile = {.promised_us = 0};
    const int64_t now_us = 3600 * S;
    for (int i = 0; i < BURST; i++)
        assert_int_equal(vt_turnstile_pass(&turnstile, PER_S, now_us), 0);
    for (int i = 0; i < 50 * PER_S; i++)
        assert_int_equal(vt_turnstile_pass(&turnstile, PER_S, now_us), 1 + i / PER_S);
}

static void places_that_are_over_are_forgotten(void **state)
{
    (void)state;
    vital_turnstile turnstile = {.promised_us = 0};
    for (int i = 0; i < BURST + 30 * PER_S; i++)
        vt_turnstile_pass(&turnstile, PER_S, 0);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(vt_turnstile_pass(&turnstile, PER_S, 40 * S), 0);
    assert_int_equal(vt_turnstile_pass(&turnstile, PER_S, 40 * S), 1);
}

static void one_a_second_is_a_rate_too(void **state)
{
    (void)state;
    vital_turnstile turnstile = {.promised_us = 0};
    static const int told[] = {0, 0, 1, 2, 3};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        assert_int_equal(vt_turnstile_pass(&turnstile, 1, 7 * S), told[i]);
    assert_int_equal(vt_turnstile_pass(&turnstile, 1, 8 * S), 0);
}

/* A million are told, at 100 a second: for almost three hours. */
static void nobody_is_sent_away_for_more_than_ten_minutes_nor_all_to_the_same_time(void **state)
{
    (void)state;
    static int told[VT_TURNSTILE_MAX_S + 1];
    vital_turnstile turnstile = {.promised_us = 0};
    for (int i = 0; i < 1000 * 1000; i++) {
        int after_s = vt_turnstile_pass(&turnstile, PER_S, 0);
        assert_in_range(after_s, 0, VT_TURNSTILE_MAX_S);
        told[after_s]++;
    }
    assert_int_equal(told[0], BURST);
    for (int i = 1; i <= 299; i++)
        assert_int_equal(told[i], PER_S);
    for (int i = 301; i <= 600; i++)
        assert_in_range(told[i], 3200, 3600);
}

/* ------------------------------------------------------------------- a crowd */

typedef struct crowd {
    int64_t *at_us; /* when each asks next; -1: it is in */
    size_t size;
    size_t refused; /* times */
    int64_t last_us;
    int *by_second; /* how many came in */
} crowd;

enum { SECONDS_MOST = 4000 };

static int by_time(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* Each round those who wait ask in the order of their times; who is told to come
 * back asks in a later round, and never before who asked earlier. */
static void come(crowd *self, int per_s, const vital_entropy *entropy)
{
    vital_turnstile turnstile = {.promised_us = 0};
    size_t waiting = self->size;
    for (int second = 0; waiting > 0; second++) {
        assert_true(second < SECONDS_MOST);
        qsort(self->at_us, waiting, sizeof *self->at_us, by_time);
        size_t next = 0, left = 0;
        for (; next < waiting && self->at_us[next] < (second + 1) * S; next++) {
            int64_t now_us = self->at_us[next];
            int after_s = vt_turnstile_pass(&turnstile, per_s, now_us);
            if (after_s == 0) {
                self->by_second[second]++;
                self->last_us = now_us;
                continue;
            }
            self->refused++;
            self->at_us[left++] = now_us + vt_random_between(entropy->fill, entropy->source,
                                                             after_s * S, after_s * S * 5 / 4);
        }
        while (next < waiting)
            self->at_us[left++] = self->at_us[next++];
        waiting = left;
    }
}

/* All within half a second, as after a cut of their common path. */
static void a_storm_comes_in_at_the_rate_and_within_its_time(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        int per_s;
        double refusals; /* of each, at most; the third takes longer than anybody is sent away */
    } all[] = {{15000, 100, 1.2}, {15000, 1000, 1.2}, {15000, 7, 3}, {1000, 50, 1.2}};
    vt_random *random = malloc(sizeof *random);
    const uint8_t seed[VT_RANDOM_SEED_BYTES] = {1};
    assert_non_null(random);
    assert_int_equal(vt_random_init(random, seed), 0);
    const vital_entropy entropy = {vt_random_fill, random};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        const int per_s = all[k].per_s;
        crowd self = {.size = all[k].size};
        self.at_us = calloc(self.size, sizeof *self.at_us);
        self.by_second = calloc(SECONDS_MOST, sizeof *self.by_second);
        assert_true(self.at_us != NULL && self.by_second != NULL);
        for (size_t i = 0; i < self.size; i++)
            self.at_us[i] = vt_random_between(entropy.fill, entropy.source, 0, S / 2);
        come(&self, per_s, &entropy);

        int64_t even_s = (int64_t)self.size / per_s;
        int64_t in = 0;
        for (int i = 0; i < SECONDS_MOST; i++) {
            in += self.by_second[i];
            assert_true(in <= (int64_t)(i + 1 + VT_TURNSTILE_BURST_S) * per_s + 1);
        }
        assert_int_equal(in, self.size);
        print_message("%zu at %d a second: in after %lld s (even: %lld s), refused %.2f times\n",
                      self.size, per_s, (long long)(self.last_us / S), (long long)even_s,
                      (double)self.refused / (double)self.size);
        assert_true(self.last_us < (even_s * 3 / 2 + 3) * S);
        assert_true((double)self.refused < all[k].refusals * (double)self.size);
        free(self.at_us);
        free(self.by_second);
    }
    vt_random_finish(random);
    free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_the_rate_everybody_comes_in),
        cmocka_unit_test(above_it_each_is_told_the_next_place),
        cmocka_unit_test(places_that_are_over_are_forgotten),
        cmocka_unit_test(one_a_second_is_a_rate_too),
        cmocka_unit_test(nobody_is_sent_away_for_more_than_ten_minutes_nor_all_to_the_same_time),
        cmocka_unit_test(a_storm_comes_in_at_the_rate_and_within_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
