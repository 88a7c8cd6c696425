/*
 * The two streams. Whatever a peer sends may end up here, so nothing of it
 * reaches a terminal unseen: control characters, which could move the cursor or
 * worse, are shown as `?`.
 */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exits.h"

enum {
    NOTE_BYTES = 2048, /* a longer note is cut; a verdict's sentence is 320 */
    REAL_DIGITS = 12,  /* of a number in JSON: microseconds of eleven days */
};

static const char *const tone_colours[] = {
    [OUTPUT_PLAIN] = "",
    [OUTPUT_GOOD] = "\033[32m",
    [OUTPUT_DOUBT] = "\033[33m",
    [OUTPUT_BAD] = "\033[31m",
};

/* NO_COLOR: https://no-color.org */
static bool wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && (no_colour == NULL || no_colour[0] == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

void output_init(cli_output *output, const char *program, bool json, bool quiet)
{
    output->program = program;
    output->json = json;
    output->quiet = quiet;
    output->stdout_is_terminal = isatty(STDOUT_FILENO) == 1;
    output->colour = wants_colour();
    atomic_init(&output->error, 0);
}

int output_error(cli_output *output)
{
    return atomic_load_explicit(&output->error, memory_order_relaxed);
}

int output_broken(cli_output *output)
{
    int error = output_error(output);
    if (error == 0 || error == EPIPE)
        return EXITS_FINE;
    output_problem(output, "cannot write to stdout: %s", strerror(error));
    return EXITS_TROUBLE;
}

/* Shows control characters, of ASCII and of Latin-1 (U+0080 to U+009F), as `?`. */
static void tame(char *text, size_t size, const char *allowed)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == 0xc2 && i + 1 < size && (unsigned char)text[i + 1] < 0xa0) {
            text[i] = '?';
            text[i + 1] = '?';
        } else if (byte == 0x7f || (byte < 0x20 && (byte == 0 || strchr(allowed, byte) == NULL))) {
            text[i] = '?';
        }
    }
}

/* ------------------------------------------------------------------ stdout */

static void write_data(cli_output *output, const void *data, size_t size, const char *tail)
{
    if (output_error(output) != 0)
        return;
    flockfile(stdout);
    errno = 0;
    bool written = fwrite_unlocked(data, 1, size, stdout) == size &&
                   fputs_unlocked(tail, stdout) != EOF && fflush_unlocked(stdout) == 0;
    int error = errno;
    funlockfile(stdout);
    int none = 0;
    if (!written)
        atomic_compare_exchange_strong(&output->error, &none, error != 0 ? error : EIO);
}

void output_line(cli_output *output, const char *format, ...)
{
    char line[NOTE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    size_t kept = (size_t)size < sizeof line ? (size_t)size : sizeof line - 1;
    tame(line, kept, "");
    write_data(output, line, kept, "\n");
}

void output_message(cli_output *output, vital_kind kind, vital_bytes message)
{
    const char *tail = kind == VITAL_TEXT ? "\n" : "";
    char *tamed = NULL;
    if (kind == VITAL_TEXT && output->stdout_is_terminal && message.size > 0)
        tamed = malloc(message.size);
    if (tamed == NULL) {
        write_data(output, message.data, message.size, tail);
        return;
    }
    memcpy(tamed, message.data, message.size);
    tame(tamed, message.size, "\n\t");
    write_data(output, tamed, message.size, tail);
    free(tamed);
}

void output_event(cli_output *output, json_t *event)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS);
    char *line = event != NULL ? json_dumps(event, flags) : NULL;
    if (line != NULL)
        write_data(output, line, strlen(line), "\n");
    else
        output_problem(output, "an event could not be written: out of memory");
    free(line);
    json_decref(event);
}

/* ------------------------------------------------------------------ stderr */

static void write_note(const cli_output *output, output_tone tone, const char *program,
                       const char *format, va_list arguments)
{
    char note[NOTE_BYTES];
    if (vsnprintf(note, sizeof note, format, arguments) < 0)
        return;
    tame(note, strlen(note), "");
    bool coloured = output->colour && tone != OUTPUT_PLAIN;
    fprintf(stderr, "%s%s%s%s%s\n", coloured ? tone_colours[tone] : "", program,
            program[0] != '\0' ? ": " : "", note, coloured ? "\033[0m" : "");
}

void output_note(cli_output *output, output_tone tone, const char *format, ...)
{
    if (output->json || output->quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    write_note(output, tone, "", format, arguments);
    va_end(arguments);
}

void output_problem(cli_output *output, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_note(output, OUTPUT_BAD, output->program, format, arguments);
    va_end(arguments);
}

/* -------------------------------------------------------------------- JSON */

json_t *output_text(const char *text)
{
    json_t *string = json_string(text);
    char *ascii = string == NULL ? strdup(text) : NULL;
    if (ascii == NULL)
        return string;
    for (char *at = ascii; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    string = json_string(ascii);
    free(ascii);
    return string;
}

json_t *output_known(const char *text)
{
    return text[0] == '\0' ? json_null() : output_text(text);
}

json_t *output_base64(vital_bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes.data;
    size_t size = (bytes.size + 2) / 3 * 4;
    char *text = malloc(size + 1);
    if (text == NULL)
        return NULL;
    char *to = text;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t held = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t three = (uint32_t)from[i] << 16;
        if (held > 1)
            three |= (uint32_t)from[i + 1] << 8;
        if (held > 2)
            three |= from[i + 2];
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = held > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = held > 2 ? digits[three & 63] : '=';
    }
    json_t *string = json_stringn_nocheck(text, size);
    free(text);
    return string;
}

json_t *output_ms(int64_t us)
{
    return us < 0 ? json_null() : json_real((double)us / 1000.0);
}

json_t *output_whole_ms(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer(ms);
}

json_t *output_verdict(const vital_verdict *verdict)
{
    return json_pack("{s:s, s:s, s:i, s:o, s:o, s:b, s:o, s:i, s:i, s:o, s:I, s:I}", "event",
                     "close", "cause", vital_cause_name(verdict->cause), "code", (int)verdict->code,
                     "reason", output_text(verdict->reason), "text", output_text(verdict->text),
                     "final", (int)verdict->final, "retry_ms",
                     output_whole_ms(verdict->final ? -1 : verdict->retry_ms), "status",
                     verdict->status, "alert", verdict->alert, "open_ms",
                     output_whole_ms(verdict->open_ms), "unconfirmed",
                     (json_int_t)verdict->unconfirmed, "unsent", (json_int_t)verdict->unsent);
}

json_t *output_health(vital_health health, const vital_pulse *pulse, const vital_verdict *suspicion)
{
    bool suspected = suspicion != NULL;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "event", "health", "health",
                     health == VITAL_DOUBTFUL ? "doubtful" : "alive", "cause",
                     output_known(suspected ? vital_cause_name(suspicion->cause) : ""), "text",
                     output_known(suspected ? suspicion->text : ""), "rtt_ms",
                     output_ms(pulse->rtt_us), "waiting_ms", output_whole_ms(pulse->waiting_ms));
}
