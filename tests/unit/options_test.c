/* The command line of the command: times, sizes, numbers, and what is said when
 * they are wrong. */
#include "options.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vital/vital.h>

/* ------------------------------------------------------------------ amounts */

static void assert_time(const char *text, int expected_ms)
{
    int ms = -7;
    const char *problem = duration_parse(text, &ms);
    if (problem != NULL)
        fail_msg("%s: %s", text, problem);
    if (ms != expected_ms)
        fail_msg("%s is %d ms, expected %d ms", text, ms, expected_ms);
}

static void assert_no_time(const char *text, const char *expected)
{
    int ms = -7;
    const char *problem = duration_parse(text, &ms);
    if (problem == NULL)
        fail_msg("%s was read as %d ms, expected a problem with \"%s\"", text, ms, expected);
    else if (strstr(problem, expected) == NULL)
        fail_msg("%s: \"%s\", expected \"%s\"", text, problem, expected);
    assert_int_equal(ms, -7);
}

static void assert_fine_time(const char *text, int64_t expected_us)
{
    int64_t us = -7;
    const char *problem = fine_duration_parse(text, &us);
    if (problem != NULL)
        fail_msg("%s: %s", text, problem);
    if (us != expected_us)
        fail_msg("%s is %lld us, expected %lld us", text, (long long)us, (long long)expected_us);
}

static void assert_no_fine_time(const char *text, const char *expected)
{
    int64_t us = -7;
    const char *problem = fine_duration_parse(text, &us);
    if (problem == NULL || strstr(problem, expected) == NULL)
        fail_msg("%s: \"%s\", expected \"%s\"", text, problem != NULL ? problem : "", expected);
    assert_int_equal(us, -7);
}

static void assert_size(const char *text, size_t expected_bytes)
{
    size_t bytes = 7;
    const char *problem = size_parse(text, &bytes);
    if (problem != NULL)
        fail_msg("%s: %s", text, problem);
    if (bytes != expected_bytes)
        fail_msg("%s is %zu bytes, expected %zu", text, bytes, expected_bytes);
}

static void assert_no_size(const char *text, const char *expected)
{
    size_t bytes = 7;
    const char *problem = size_parse(text, &bytes);
    if (problem == NULL)
        fail_msg("%s was read as %zu bytes, expected a problem with \"%s\"", text, bytes, expected);
    else if (strstr(problem, expected) == NULL)
        fail_msg("%s: \"%s\", expected \"%s\"", text, problem, expected);
    assert_int_equal(bytes, 7);
}

static void a_time_has_a_unit(void **state)
{
    (void)state;
    assert_time("250ms", 250);
    assert_time("5s", 5000);
    assert_time("2m", 120000);
    assert_time("1h", 3600000);
}

static void a_time_may_have_three_decimals(void **state)
{
    (void)state;
    assert_time("0.2s", 200);
    assert_time("1.5m", 90000);
    assert_time("0.001s", 1);
    assert_time("1.250s", 1250);
    assert_time("007s", 7000);
}

static void a_bare_number_is_no_time(void **state)
{
    (void)state;
    assert_no_time("5", "has no unit");
    assert_no_time("0", "has no unit");
    assert_no_time("0.5", "has no unit");
}

static void what_is_no_number_is_no_time(void **state)
{
    (void)state;
    assert_no_time("", "is not a time");
    assert_no_time("s", "is not a time");
    assert_no_time("-5s", "is not a time");
    assert_no_time("+5s", "is not a time");
    assert_no_time(" 5s", "is not a time");
    assert_no_time(".5s", "is not a time");
    assert_no_time("5.s", "is not a time");
    assert_no_time("inf", "is not a time");
}

static void a_unit_is_known_or_an_error(void **state)
{
    (void)state;
    assert_no_time("5x", "unit that is not known");
    assert_no_time("5S", "unit that is not known");
    assert_no_time("5s ", "unit that is not known");
    assert_no_time("1m30s", "unit that is not known");
    assert_no_time("1e3s", "unit that is not known");
    assert_no_time("0x10s", "unit that is not known");
}

static void a_time_is_whole_milliseconds_and_at_least_one(void **state)
{
    (void)state;
    assert_no_time("0s", "too short");
    assert_no_time("0.000h", "too short");
    assert_no_time("0.5ms", "finer than a millisecond");
    assert_no_time("1.0001s", "finer than a millisecond");
    assert_time("1ms", 1);
}

static void a_time_fits_into_an_int(void **state)
{
    (void)state;
    assert_time("2147483647ms", INT_MAX);
    assert_time("596h", 596 * 3600000);
    assert_no_time("2147483648ms", "too long");
    assert_no_time("597h", "too long");
    assert_no_time("596.9h", "too long");
    assert_no_time("999999999999h", "too long");
    assert_no_time("99999999999999999999999999h", "too long");
}

static void a_size_has_a_unit(void **state)
{
    (void)state;
    assert_size("512B", 512);
    assert_size("64KiB", 65536);
    assert_size("1MiB", 1048576);
    assert_size("0.5GiB", 536870912);
    assert_size("64kB", 64000);
    assert_size("16MB", 16000000);
    assert_size("1.5KiB", 1536);
}

static void a_size_is_whole_bytes_within_bounds(void **state)
{
    (void)state;
    assert_no_size("65536", "has no unit");
    assert_no_size("64K", "unit that is not known");
    assert_no_size("1mib", "unit that is not known");
    assert_no_size("0B", "too small");
    assert_no_size("0.5B", "not a whole number of bytes");
    assert_no_size("1.1KiB", "not a whole number of bytes");
    assert_no_size("513MiB", "too large");
    assert_no_size("0.001GiB", "not a whole number of bytes");
    assert_no_size("1.5GiB", "too large");
    assert_no_size("MiB", "is not a size");
}

/* ------------------------------------------------------------ command lines */

typedef struct line_values {
    bool flag;
    const char *text;
    const char *const *texts;
    int beat_ms;
    size_t bytes;
    int number;
    cli_options options;
    char said[512]; /* on stderr */
} line_values;

/* Reads one command line, with what is said to stderr and stdout in `said`. */
static int read_line(line_values *values, int argc, const char **argv)
{
    const cli_option table[] = {
        {"flag", 'f', OPTION_FLAG, {.flag = &values->flag}, NULL, "a flag"},
        {"text", 't', OPTION_TEXT, {.text = &values->text}, "TEXT", "a text"},
        {"header", 'H', OPTION_TEXTS, {.texts = &values->texts}, "TEXT", "many texts"},
        {"beat",
         'b',
         OPTION_DURATION_OR_NEVER,
         {.duration_ms = &values->beat_ms},
         "TIME",
         "a time"},
        {"size", 0, OPTION_SIZE, {.size_bytes = &values->bytes}, "SIZE", "a size"},
        {"count",
         'c',
         OPTION_NUMBER,
         {.number = &values->number, .least = 1, .most = 9},
         "COUNT",
         "a count"},
        {0},
    };
    const options_page page = {
        .command = "vital test", .about = "Is a test.", .argument = "URL", .table = table};

    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    int err = dup(STDERR_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    int result = options_read(&values->options, &page, argc, argv);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    rewind(file);
    size_t size = fread(values->said, 1, sizeof values->said - 1, file);
    values->said[size] = '\0';
    fclose(file);
    return result;
}

#define READ(values, ...)                                                                    \
    read_line(values, (int)(sizeof((const char *[]){"test", __VA_ARGS__}) / sizeof(char *)), \
              (const char *[]){"test", __VA_ARGS__, NULL})

static void assert_complaint(line_values *values, int result, const char *expected)
{
    assert_int_equal(result, 2);
    if (strstr(values->said, expected) == NULL)
        fail_msg("it said \"%s\", expected \"%s\"", values->said, expected);
    assert_non_null(strstr(values->said, "try: vital test --help"));
    options_finish(&values->options);
}

static void every_kind_of_value_is_read(void **state)
{
    (void)state;
    line_values values = {.beat_ms = 5, .number = 3};
    int result = READ(&values, "--flag", "-t", "word", "ws://host/", "-H", "A: 1", "--header=B: 2",
                      "--beat=1.5s", "--size", "64KiB", "-c5");
    assert_int_equal(result, OPTIONS_READY);
    assert_string_equal(values.said, "");
    assert_true(values.flag);
    assert_string_equal(values.text, "word");
    assert_string_equal(values.texts[0], "A: 1");
    assert_string_equal(values.texts[1], "B: 2");
    assert_null(values.texts[2]);
    assert_int_equal(values.beat_ms, 1500);
    assert_int_equal(values.bytes, 65536);
    assert_int_equal(values.number, 5);
    assert_string_equal(values.options.argument, "ws://host/");
    options_finish(&values.options);
}

static void what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    line_values values = {.text = "before", .beat_ms = 5, .number = 3};
    assert_int_equal(READ(&values, "ws://host/"), OPTIONS_READY);
    assert_false(values.flag);
    assert_string_equal(values.text, "before");
    assert_null(values.texts);
    assert_int_equal(values.beat_ms, 5);
    assert_int_equal(values.number, 3);
    options_finish(&values.options);
}

static void never_switches_a_time_off(void **state)
{
    (void)state;
    line_values values = {0};
    assert_int_equal(READ(&values, "--beat", "never", "ws://host/"), OPTIONS_READY);
    assert_int_equal(values.beat_ms, VITAL_NEVER);
    options_finish(&values.options);
}

static void after_two_dashes_everything_is_an_argument(void **state)
{
    (void)state;
    line_values values = {0};
    assert_int_equal(READ(&values, "--", "--flag"), OPTIONS_READY);
    assert_false(values.flag);
    assert_string_equal(values.options.argument, "--flag");
    options_finish(&values.options);
}

static void a_wrong_line_gets_a_sentence_and_exit_code_2(void **state)
{
    (void)state;
    line_values v = {0};
    assert_complaint(&v, READ(&v, "--wrong", "u"), "there is no option --wrong");
    assert_complaint(&v, READ(&v, "u", "--text"), "--text needs a value");
    assert_complaint(&v, READ(&v, "--flag=1", "u"), "--flag=1 takes no value");
    assert_complaint(&v, READ(&v, "--beat", "5", "u"), "--beat 5 has no unit; write a time as");
    assert_complaint(&v, READ(&v, "--size", "9", "u"), "--size 9 has no unit; write a size as");
    assert_complaint(&v, READ(&v, "-c", "x", "u"), "--count x is not a whole number");
    assert_complaint(&v, READ(&v, "-c", "10", "u"), "--count 10 is not between 1 and 9");
    assert_complaint(&v, READ(&v, "-c", "99999999999999999999", "u"), "is not between 1 and 9");
    assert_complaint(&v, READ(&v, "u", "w"), "takes one URL, and `w` is one too many");
    assert_complaint(&v, READ(&v, "--flag"), "which URL?");
}

static void help_comes_from_the_same_table(void **state)
{
    (void)state;
    line_values values = {0};
    assert_int_equal(READ(&values, "--help"), 0);
    assert_non_null(strstr(values.said, "Usage: vital test [OPTION...] URL"));
    assert_non_null(strstr(values.said, "-H, --header=TEXT"));
    assert_non_null(strstr(values.said, "many texts"));
    options_finish(&values.options);
}

static void a_fine_time_goes_down_to_a_microsecond(void **unused)
{
    (void)unused;
    assert_fine_time("1us", 1);
    assert_fine_time("1.5ms", 1500);
    assert_fine_time("2s", 2000000);
    assert_fine_time("60m", INT64_C(3600000000));
    assert_no_fine_time("50", "has no unit; write a time as 300us");
    assert_no_fine_time("", "is not a time");
    assert_no_fine_time("1h", "a time is in us, ms, s or m");
    assert_no_fine_time("1.5us", "finer than a microsecond");
    assert_no_fine_time("0us", "is too short");
    assert_no_fine_time("61m", "the longest time is 60m");
}

static void a_number_may_have_decimals_and_nothing_else(void **unused)
{
    double number = -7;
    (void)unused;
    assert_null(number_parse("7.5", &number));
    assert_true(number > 7.499 && number < 7.501);
    assert_null(number_parse("10000", &number));
    assert_true(number > 9999.9 && number < 10000.1);
    static const char *const others[] = {"", "x", "-1", "1e3", "5ms", "0.1234", "1234567890123"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        number = -7;
        assert_non_null(number_parse(others[i], &number));
        assert_true(number < -6.9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_has_a_unit),
        cmocka_unit_test(a_time_may_have_three_decimals),
        cmocka_unit_test(a_bare_number_is_no_time),
        cmocka_unit_test(a_fine_time_goes_down_to_a_microsecond),
        cmocka_unit_test(a_number_may_have_decimals_and_nothing_else),
        cmocka_unit_test(what_is_no_number_is_no_time),
        cmocka_unit_test(a_unit_is_known_or_an_error),
        cmocka_unit_test(a_time_is_whole_milliseconds_and_at_least_one),
        cmocka_unit_test(a_time_fits_into_an_int),
        cmocka_unit_test(a_size_has_a_unit),
        cmocka_unit_test(a_size_is_whole_bytes_within_bounds),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(never_switches_a_time_off),
        cmocka_unit_test(after_two_dashes_everything_is_an_argument),
        cmocka_unit_test(a_wrong_line_gets_a_sentence_and_exit_code_2),
        cmocka_unit_test(help_comes_from_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
