/*
 * The command line of one command, from one table that is both the parser and
 * the --help. Values are checked here: times and sizes have units, numbers have
 * ranges, and whatever is wrong is said in a sentence.
 */
#ifndef VITAL_CLI_OPTIONS_H
#define VITAL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_TEXTS,             /* may be given again; an array that ends with NULL */
    OPTION_DURATION,          /* "250ms" */
    OPTION_DURATION_OR_NEVER, /* the same, or "never": VITAL_NEVER */
    OPTION_SIZE,              /* "64KiB" */
    OPTION_NUMBER,            /* a bare one, least <= n <= most */
} option_kind;

/* Where a value goes; what is there before is the default. The strings belong
 * to the `options`, and live as long. */
typedef union option_target {
    bool *flag;
    const char **text;
    const char *const **texts;
    int *duration_ms;
    size_t *size_bytes;
    struct {
        int *number;
        int least, most;
    };
} option_target;

typedef struct cli_option {
    const char *name; /* without dashes; NULL ends the table */
    char letter;      /* 0: none */
    option_kind kind;
    option_target into;
    const char *value; /* what --help calls the value; NULL for a flag */
    const char *help;
} cli_option;

typedef struct options_page {
    const char *command;  /* "vital ping" */
    const char *about;    /* what it does: the second line of --help */
    const char *argument; /* what its one argument is called; NULL: it takes none */
    const char *after;    /* the last lines of --help */
    const cli_option *table;
    const cli_option *more; /* the rest of the table; NULL: none */
} options_page;

typedef struct cli_options {
    const char *argument;
    void **kept; /* owned: every string and array that a value points to */
    size_t kept_count;
} cli_options;

enum { OPTIONS_READY = -1 };

/* Returns OPTIONS_READY, or the exit code: after --help, or after it has said
 * what is wrong. argv[0] is replaced by the command. Finish it in either case. */
int options_read(cli_options *options, const options_page *page, int argc, const char **argv);
void options_finish(cli_options *options);

/* Says what is wrong with the command line, and what to try. The exit code. */
int options_complain(const options_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "1.5s" is 1500, "1.5KiB" is 1536. NULL, or what is wrong, as a sentence that
 * follows the value. A time is 1 ms to INT_MAX ms, a size 1 B to 512 MiB. */
const char *duration_parse(const char *text, int *out_ms);
const char *size_parse(const char *text, size_t *out_bytes);
/* "300us" to "60m", in microseconds; "7.5", not negative. As the above. */
const char *fine_duration_parse(const char *text, int64_t *out_us);
const char *number_parse(const char *text, double *out);

#endif
