/*
 * Option tables. popt finds the options, handles `-c5`, `--count=5`, `-qc 5` and
 * `--`, and prints the help; the values are read here, since popt would take
 * "5" for a time and "5x" for a number. Our table is turned into popt's, so
 * that neither can say something that the other does not know.
 */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <popt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vital/vital.h>

#include "exits.h"

enum {
    HELP_VALUE = 1000,  /* popt's value for --help; the others are row + 1 */
    AMOUNT_DIGITS = 12, /* before the point; more than any unit can use */
    DECIMALS = 3,
};

static const uint64_t FINE_MOST_US = UINT64_C(3600) * 1000 * 1000;

/* Of a message; more is a typing error. Twice of it is still a queue (vital_limits). */
static const size_t SIZE_MOST = (size_t)512 << 20;

/* ------------------------------------------------------------------ amounts */

typedef struct option_unit {
    const char *name;
    uint64_t factor;
} option_unit;

static const option_unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {0}};
static const option_unit fine_time_units[] = {
    {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {0}};
static const option_unit size_units[] = {
    {"B", 1},     {"KiB", 1 << 10}, {"MiB", 1 << 20},   {"GiB", 1 << 30},
    {"kB", 1000}, {"MB", 1000000},  {"GB", 1000000000}, {0},
};

typedef enum amount_problem {
    AMOUNT_FINE,
    AMOUNT_NO_NUMBER,
    AMOUNT_NO_UNIT,
    AMOUNT_UNKNOWN_UNIT,
    AMOUNT_TOO_FINE,
    AMOUNT_TOO_SMALL,
    AMOUNT_TOO_LARGE,
} amount_problem;

/* Reads "12.345" as 12345 thousandths; *end is what follows. By hand, since
 * strtod knows signs, exponents, hexadecimals and the locale's comma. */
static amount_problem read_thousandths(const char *text, uint64_t *out, const char **end)
{
    const char *at = text;
    uint64_t number = 0;
    while (*at >= '0' && *at <= '9' && at - text < AMOUNT_DIGITS)
        number = number * 10 + (uint64_t)(*at++ - '0');
    if (at == text)
        return AMOUNT_NO_NUMBER;
    if (*at >= '0' && *at <= '9')
        return AMOUNT_TOO_LARGE;
    int decimals = 0;
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9' && decimals < DECIMALS; decimals++)
            number = number * 10 + (uint64_t)(*at++ - '0');
        if (decimals == 0)
            return AMOUNT_NO_NUMBER;
        if (*at >= '0' && *at <= '9')
            return AMOUNT_TOO_FINE;
    }
    for (; decimals < DECIMALS; decimals++)
        number *= 10;
    *out = number;
    *end = at;
    return AMOUNT_FINE;
}

static amount_problem read_amount(const char *text, const option_unit *units, uint64_t most,
                                  uint64_t *out)
{
    uint64_t thousandths;
    const char *name;
    amount_problem problem = read_thousandths(text, &thousandths, &name);
    if (problem != AMOUNT_FINE)
        return problem;
    if (*name == '\0')
        return AMOUNT_NO_UNIT;
    const option_unit *unit = units;
    while (unit->name != NULL && strcmp(unit->name, name) != 0)
        unit++;
    if (unit->name == NULL)
        return AMOUNT_UNKNOWN_UNIT;
    if (thousandths / 1000 > most / unit->factor)
        return AMOUNT_TOO_LARGE;
    uint64_t product = thousandths * unit->factor; /* < 1000 * (most + factor): fits */
    if (product % 1000 != 0)
        return AMOUNT_TOO_FINE;
    if (product == 0)
        return AMOUNT_TOO_SMALL;
    if (product / 1000 > most)
        return AMOUNT_TOO_LARGE;
    *out = product / 1000;
    return AMOUNT_FINE;
}

const char *duration_parse(const char *text, int *out_ms)
{
    static const char *const sentences[] = {
        [AMOUNT_FINE] = NULL,
        [AMOUNT_NO_NUMBER] = "is not a time; write one as 250ms, 5s, 2m or 1h",
        [AMOUNT_NO_UNIT] = "has no unit; write a time as 250ms, 5s, 2m or 1h",
        [AMOUNT_UNKNOWN_UNIT] = "has a unit that is not known; a time is in ms, s, m or h",
        [AMOUNT_TOO_FINE] = "is finer than a millisecond",
        [AMOUNT_TOO_SMALL] = "is too short; the shortest time is 1ms",
        [AMOUNT_TOO_LARGE] = "is too long; the longest time is 596h",
    };
    uint64_t ms = 0;
    amount_problem problem = read_amount(text, time_units, INT_MAX, &ms);
    if (problem == AMOUNT_FINE)
        *out_ms = (int)ms;
    return sentences[problem];
}

const char *fine_duration_parse(const char *text, int64_t *out_us)
{
    static const char *const sentences[] = {
        [AMOUNT_FINE] = NULL,
        [AMOUNT_NO_NUMBER] = "is not a time; write one as 300us, 50ms or 2s",
        [AMOUNT_NO_UNIT] = "has no unit; write a time as 300us, 50ms or 2s",
        [AMOUNT_UNKNOWN_UNIT] = "has a unit that is not known; a time is in us, ms, s or m",
        [AMOUNT_TOO_FINE] = "is finer than a microsecond",
        [AMOUNT_TOO_SMALL] = "is too short; the shortest time is 1us",
        [AMOUNT_TOO_LARGE] = "is too long; the longest time is 60m",
    };
    uint64_t us = 0;
    amount_problem problem = read_amount(text, fine_time_units, FINE_MOST_US, &us);
    if (problem == AMOUNT_FINE)
        *out_us = (int64_t)us;
    return sentences[problem];
}

const char *number_parse(const char *text, double *out)
{
    uint64_t thousandths;
    const char *end;
    amount_problem problem = read_thousandths(text, &thousandths, &end);
    if (problem == AMOUNT_TOO_FINE)
        return "has more than three decimals";
    if (problem == AMOUNT_TOO_LARGE)
        return "is too large";
    if (problem != AMOUNT_FINE || *end != '\0')
        return "is not a number; write one as 10000 or 7.5";
    *out = (double)thousandths / 1000;
    return NULL;
}

const char *size_parse(const char *text, size_t *out_bytes)
{
    static const char *const sentences[] = {
        [AMOUNT_FINE] = NULL,
        [AMOUNT_NO_NUMBER] = "is not a size; write one as 512B, 64KiB or 1MiB",
        [AMOUNT_NO_UNIT] = "has no unit; write a size as 512B, 64KiB or 1MiB",
        [AMOUNT_UNKNOWN_UNIT] =
            "has a unit that is not known; a size is in B, KiB, MiB, GiB, kB, MB or GB",
        [AMOUNT_TOO_FINE] = "is not a whole number of bytes",
        [AMOUNT_TOO_SMALL] = "is too small; the smallest size is 1B",
        [AMOUNT_TOO_LARGE] = "is too large; the largest size is 512MiB",
    };
    uint64_t bytes = 0;
    amount_problem problem = read_amount(text, size_units, SIZE_MOST, &bytes);
    if (problem == AMOUNT_FINE)
        *out_bytes = (size_t)bytes;
    return sentences[problem];
}

/* ------------------------------------------------------------------- values */

int options_complain(const options_page *page, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", page->command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\ntry: %s --help\n", page->command);
    return EXITS_TROUBLE;
}

static int number_read(const options_page *page, const cli_option *option, const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0')
        return options_complain(page, "--%s %s is not a whole number", option->name, text);
    if (errno == ERANGE || number < option->into.least || number > option->into.most)
        return options_complain(page, "--%s %s is not between %d and %d", option->name, text,
                                option->into.least, option->into.most);
    *option->into.number = (int)number;
    return OPTIONS_READY;
}

static int out_of_memory(const options_page *page)
{
    fprintf(stderr, "%s: out of memory\n", page->command);
    return EXITS_TROUBLE;
}

/* Adds to the array, or begins one that has room for every word there is. */
static int texts_add(cli_options *options, const options_page *page, const cli_option *option,
                     const char *text, size_t words)
{
    const char **array = NULL;
    for (size_t i = 0; i < options->kept_count; i++) {
        if (options->kept[i] == (const void *)*option->into.texts)
            array = options->kept[i];
    }
    if (array == NULL) {
        array = calloc(words + 1, sizeof *array);
        if (array == NULL)
            return out_of_memory(page);
        options->kept[options->kept_count++] = array;
        *option->into.texts = array;
    }
    while (*array != NULL)
        array++;
    *array = text;
    return OPTIONS_READY;
}

static int value_read(cli_options *options, const options_page *page, const cli_option *option,
                      const char *text, size_t words)
{
    const char *problem = NULL;
    switch (option->kind) {
    case OPTION_FLAG:
        *option->into.flag = true;
        break;
    case OPTION_TEXT:
        *option->into.text = text;
        break;
    case OPTION_TEXTS:
        return texts_add(options, page, option, text, words);
    case OPTION_DURATION_OR_NEVER:
        if (strcmp(text, "never") == 0) {
            *option->into.duration_ms = VITAL_NEVER;
            break;
        }
        problem = duration_parse(text, option->into.duration_ms);
        break;
    case OPTION_DURATION:
        problem = duration_parse(text, option->into.duration_ms);
        break;
    case OPTION_SIZE:
        problem = size_parse(text, option->into.size_bytes);
        break;
    case OPTION_NUMBER:
        return number_read(page, option, text);
    }
    if (problem != NULL)
        return options_complain(page, "--%s %s %s", option->name, text, problem);
    return OPTIONS_READY;
}

/* ------------------------------------------------------------------ parsing */

static size_t table_size(const cli_option *table)
{
    size_t size = 0;
    while (table != NULL && table[size].name != NULL)
        size++;
    return size;
}

/* A row of the table, or of the rest of it. */
static const cli_option *option_at(const options_page *page, size_t row)
{
    size_t size = table_size(page->table);
    return row < size ? &page->table[row] : &page->more[row - size];
}

/* Owned by the caller; NULL if out of memory. */
static struct poptOption *popt_table(const options_page *page, size_t size)
{
    struct poptOption *rows = calloc(size + 2, sizeof *rows);
    if (rows == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        const cli_option *option = option_at(page, i);
        rows[i] = (struct poptOption){
            .longName = option->name,
            .shortName = option->letter,
            .argInfo = option->kind == OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
            .val = (int)i + 1,
            .descrip = option->help,
            .argDescrip = option->value,
        };
    }
    rows[size] = (struct poptOption){
        .longName = "help",
        .shortName = 'h',
        .argInfo = POPT_ARG_NONE,
        .val = HELP_VALUE,
        .descrip = "show this help",
    };
    return rows;
}

static int print_help(poptContext context, const options_page *page)
{
    char usage[64];
    snprintf(usage, sizeof usage, "[OPTION...]%s%s", page->argument != NULL ? " " : "",
             page->argument != NULL ? page->argument : "");
    poptSetOtherOptionHelp(context, usage);
    poptPrintHelp(context, stdout, 0);
    printf("\n%s\n%s", page->about, page->after != NULL ? page->after : "");
    return EXITS_FINE;
}

static int complain_option(poptContext context, const options_page *page, int error)
{
    const char *word = poptBadOption(context, POPT_BADOPTION_NOALIAS);
    switch (error) {
    case POPT_ERROR_BADOPT:
        return options_complain(page, "there is no option %s", word);
    case POPT_ERROR_NOARG:
        return options_complain(page, "%s needs a value", word);
    case POPT_ERROR_UNWANTEDARG:
        return options_complain(page, "%s takes no value", word);
    default:
        return options_complain(page, "%s: %s", word, poptStrerror(error));
    }
}

static int read_options(cli_options *options, poptContext context, const options_page *page,
                        size_t words)
{
    int row;
    while ((row = poptGetNextOpt(context)) > 0) {
        if (row == HELP_VALUE)
            return print_help(context, page);
        char *text = poptGetOptArg(context);
        if (text != NULL)
            options->kept[options->kept_count++] = text;
        const cli_option *option = option_at(page, (size_t)row - 1);
        int result = value_read(options, page, option, text, words);
        if (result != OPTIONS_READY)
            return result;
    }
    return row == -1 ? OPTIONS_READY : complain_option(context, page, row);
}

static int read_argument(cli_options *options, poptContext context, const options_page *page)
{
    const char *argument = poptGetArg(context);
    if (page->argument == NULL) {
        if (argument != NULL)
            return options_complain(page, "takes no argument, and `%s` is one", argument);
        return OPTIONS_READY;
    }
    if (argument == NULL)
        return options_complain(page, "which %s?", page->argument);
    const char *extra = poptGetArg(context);
    if (extra != NULL)
        return options_complain(page, "takes one %s, and `%s` is one too many", page->argument,
                                extra);
    char *copy = strdup(argument);
    if (copy == NULL)
        return out_of_memory(page);
    options->kept[options->kept_count++] = copy;
    options->argument = copy;
    return OPTIONS_READY;
}

int options_read(cli_options *options, const options_page *page, int argc, const char **argv)
{
    int result;
    size_t size = table_size(page->table) + table_size(page->more);
    size_t words = (size_t)argc;
    poptContext context = NULL;
    *options = (struct cli_options){0};

    struct poptOption *rows = popt_table(page, size);
    /* A word gives at most one string, a row at most one array; `-abc` is one
     * word of many options, but only the last of them can have a value. */
    options->kept = calloc(words + size + 1, sizeof *options->kept);
    argv[0] = page->command;
    if (rows != NULL && options->kept != NULL)
        context = poptGetContext(NULL, argc, argv, rows, 0);
    if (context == NULL) {
        result = out_of_memory(page);
        goto fail;
    }
    result = read_options(options, context, page, words);
    if (result == OPTIONS_READY)
        result = read_argument(options, context, page);
fail:
    poptFreeContext(context); /* accepts NULL */
    free(rows);
    return result;
}

void options_finish(cli_options *options)
{
    for (size_t i = 0; i < options->kept_count; i++)
        free(options->kept[i]);
    free(options->kept);
    *options = (struct cli_options){0};
}
