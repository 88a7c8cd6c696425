/*
 * Secrets are equal or not, and how long it takes to say so tells nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <vital/vital.h>

static void only_the_same_text_matches(void **state)
{
    (void)state;
    static const char *const others[] = {"",          "t",          "token",   "token-124",
                                         "Token-123", "token-1234", "oken-123"};
    assert_true(vital_secret_matches("token-123", "token-123"));
    assert_true(vital_secret_matches("", ""));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(vital_secret_matches(others[i], "token-123"));
}

static void what_is_not_there_matches_nothing(void **state)
{
    (void)state;
    assert_false(vital_secret_matches(NULL, "token"));
    assert_false(vital_secret_matches("token", NULL));
    assert_false(vital_secret_matches(NULL, NULL));
}

static int64_t spent_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The least of many times: what else the machine does only adds to it. */
static int64_t fastest_ns(const char *given, const char *secret)
{
    enum { TRIES = 30 };
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        int64_t began_ns = spent_ns();
        bool matches = vital_secret_matches(given, secret);
        int64_t took_ns = spent_ns() - began_ns;
        assert_false(matches);
        if (took_ns < best_ns)
            best_ns = took_ns;
    }
    return best_ns;
}

/* `size` times x, but for one place. */
static char *text_with(size_t size, size_t other)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    if (other < size)
        text[other] = 'y';
    return text;
}

/* Long texts, so that the clock can tell. The length may be known: what it takes to
 * find that one is no part of the comparison. */
static void a19_a_guess_takes_as_long_wherever_it_is_wrong(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *secret = text_with(SIZE, SIZE);
    char *shorter = text_with(SIZE - 1, SIZE);
    char *early = text_with(SIZE, 0);
    char *late = text_with(SIZE, SIZE - 1);
    int64_t lengths_ns = fastest_ns(shorter, secret);
    int64_t early_ns = fastest_ns(early, secret) - lengths_ns;
    int64_t late_ns = fastest_ns(late, secret) - lengths_ns;
    if (early_ns < late_ns / 2 || late_ns < early_ns / 2)
        fail_msg("%lld ns if the first byte is wrong, %lld ns if the last is", (long long)early_ns,
                 (long long)late_ns);
    free(secret);
    free(shorter);
    free(early);
    free(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_same_text_matches),
        cmocka_unit_test(what_is_not_there_matches_nothing),
        cmocka_unit_test(a19_a_guess_takes_as_long_wherever_it_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
