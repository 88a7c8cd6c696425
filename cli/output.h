/*
 * What a command says: data on stdout, diagnostics on stderr. With --json every
 * event is an object on a line of stdout, and stderr keeps to problems.
 *
 * Lines are whole whichever threads write them, and flushed one by one. Writing
 * waits for whoever reads stdout: that is the only backpressure there is, and
 * it holds up the loop, hence the heartbeat too.
 */
#ifndef VITAL_CLI_OUTPUT_H
#define VITAL_CLI_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include <vital/vital.h>

typedef enum output_tone { OUTPUT_PLAIN, OUTPUT_GOOD, OUTPUT_DOUBT, OUTPUT_BAD } output_tone;

typedef struct cli_output {
    const char *program; /* borrowed: "vital ping" */
    bool json;
    bool quiet;
    bool stdout_is_terminal;
    bool colour;      /* on stderr: it is a terminal, and NO_COLOR is not set */
    atomic_int error; /* errno of the first failed write to stdout; 0 */
} cli_output;

void output_init(cli_output *output, const char *program, bool json, bool quiet);

/* errno of the first write to stdout that failed; 0. Nothing is written after. */
int output_error(cli_output *output);

/* After a failed write: the exit code. A reader who has gone is no problem. */
int output_broken(cli_output *output);

/* A line of data. */
void output_line(cli_output *output, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A message as data: its bytes as they are, except that a terminal is spared
 * control characters in text. Text is followed by a newline. */
void output_message(cli_output *output, vital_kind kind, vital_bytes message);

/* Writes the object on a line of its own, and releases it. */
void output_event(cli_output *output, json_t *event);

/* What happens, in words, on stderr; not with --json or --quiet. */
void output_note(cli_output *output, output_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What went wrong, on stderr; always. */
void output_problem(cli_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For JSON: a string from anywhere, with `?` for what is not UTF-8; base64;
 * milliseconds from microseconds, and null for what is negative, hence unknown. */
json_t *output_text(const char *text);
json_t *output_known(const char *text); /* null for "" */
json_t *output_base64(vital_bytes bytes);
json_t *output_ms(int64_t us);
json_t *output_whole_ms(int64_t ms);

/* The event that tells of a verdict, and the one that tells of a turn of health, whose
 * `suspicion` is NULL where there is none: their callers may add to them. */
json_t *output_verdict(const vital_verdict *verdict);
json_t *output_health(vital_health health, const vital_pulse *pulse,
                      const vital_verdict *suspicion);

#endif
