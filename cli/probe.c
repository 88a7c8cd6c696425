/*
 * `vital probe`: finds how long the path to a server bears silence. Each trial is
 * a connection of its own, silent for as long as probe_search says, and then asked
 * by a ping whether it still is there:
 *
 *     OPENING --- open ---> SILENT --- long enough ---> ASKED --- pong ---> LEAVING
 *        |                    |                           |                    |
 *        | refused            | ended by somebody         | no pong, a cut     | closed
 *        v                    v                           v                    v
 *       over                ENDED                        DEAD                ALIVE
 *
 * The connections send no beats of their own, one is open at a time, and whatever
 * the server says begins the silence anew.
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <vital/vital.h>

#include "attend.h"
#include "backends.h"
#include "client.h"
#include "exits.h"
#include "options.h"
#include "output.h"
#include "probe_search.h"
#include "signals.h"
#include "words.h"

enum {
    NONCE_BYTES = 8,
    URL_SHOWN = 1024,
    LOOK_US = 1000 * 1000, /* how often it is looked whether the server has spoken, */
    LOOKS = 16,            /* or so many times a silence, if that is shorter */
    TALK_US = 2000,        /* heard as one: the pulse counts in milliseconds */
    PATIENCE = 4,          /* silences that the server may break before it is believed */
    GOODBYE_MS = 1000,
    NORMAL = 1000, /* RFC 6455 7.4.1 */
    QUICK_MS = 120 * 1000,
};

static const char program[] = "vital probe";

typedef struct probe_settings {
    const char *url;
    int longest_ms; /* 0: not given */
    int answer_ms;
    const char *const *headers;
    client_settings client;
    bool quick;
    bool json;
    bool quiet;
} probe_settings;

typedef enum probe_phase { OPENING, SILENT, ASKED, LEAVING } probe_phase;

typedef struct probe_state {
    const probe_settings *settings;
    cli_output output;
    cli_attend attend;
    vital_conn *conn; /* NULL between trials */
    int signals;
    probe_search search;
    char url[URL_SHOWN]; /* without credentials, after redirects */
    bool shows_progress; /* a line on a terminal, which the next one takes the place of */
    bool progress_shown;
    bool finished; /* the result is out */
    int exit_code;

    /* The trial: */
    int number; /* from 1 */
    int silence_ms;
    probe_phase phase;
    int64_t since_us; /* of the silence */
    int64_t asked_us;
    int64_t most_us; /* the longest silence before the server spoke */
    int broken;      /* how often it did */
    unsigned char nonce[NONCE_BYTES];
} probe_state;

/* ---------------------------------------------------------------- what is told */

static void clear_progress(probe_state *probe)
{
    if (probe->progress_shown)
        fputs("\r\033[K", stderr);
    probe->progress_shown = false;
}

static void show_progress(probe_state *probe, int64_t silent_us)
{
    if (!probe->shows_progress)
        return;
    fprintf(stderr, "\r\033[Ksilent for %s of %s ... (Ctrl-C: what is known so far)",
            words_span(silent_us / 1000 / 1000 * 1000).text, words_span(probe->silence_ms).text);
    fflush(stderr);
    probe->progress_shown = true;
}

static const char *const outcome_names[] = {
    [PROBE_ALIVE] = "alive",
    [PROBE_DEAD] = "dead",
    [PROBE_ENDED] = "ended",
    [PROBE_SPOKE] = "spoke",
};

/* `what` is how it was seen. */
static void report_trial(probe_state *probe, probe_outcome outcome, int silence_ms,
                         const char *what)
{
    clear_progress(probe);
    if (probe->settings->quiet)
        return;
    if (probe->settings->json)
        output_event(&probe->output,
                     json_pack("{s:s, s:i, s:i, s:s, s:o}", "event", "trial", "number",
                               probe->number, "silence_ms", silence_ms, "outcome",
                               outcome_names[outcome], "text", output_text(what)));
    else
        output_line(&probe->output, "%d: silent for %s: %s", probe->number,
                    words_span(silence_ms).text, what);
}

static json_t *known_ms(int ms)
{
    return ms > 0 ? json_integer(ms) : json_null();
}

static void tell_result_json(probe_state *probe, bool complete, int interval_ms)
{
    const probe_search *search = &probe->search;
    output_event(&probe->output,
                 json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:i}", "event", "result",
                           "complete", (int)complete, "limit_ms",
                           known_ms(probe_search_limit_ms(search)), "borne_ms",
                           known_ms(search->borne_ms), "fatal_ms", known_ms(search->fatal_ms),
                           "ended_ms", known_ms(search->ended_ms), "spoke_ms",
                           known_ms(search->spoke_ms), "interval_ms", interval_ms));
}

static void tell_ended(probe_state *probe)
{
    const probe_search *search = &probe->search;
    int apart_ms = abs(search->ended_last_ms - search->ended_ms);
    if (search->borne_ms >= search->ended_ms)
        output_line(&probe->output,
                    "no limit: one connection was ended after %s, another was not after %s",
                    words_span(search->ended_ms).text, words_span(search->borne_ms).text);
    else if (apart_ms > 1000 + search->ended_ms / 10)
        output_line(&probe->output,
                    "unclear: silent connections were ended after %s and after %s; perhaps for "
                    "another reason than silence",
                    words_span(search->ended_ms).text, words_span(search->ended_last_ms).text);
    else
        output_line(&probe->output, "idle limit: silent connections are ended after %s%s",
                    words_span(search->ended_ms).text,
                    search->ended_times > 1 ? ", twice" : "; this was seen once");
}

static void tell_forgotten(probe_state *probe)
{
    const probe_search *search = &probe->search;
    if (search->borne_ms > 0)
        output_line(&probe->output,
                    "idle limit: more than %s and at most %s; then something on the way has "
                    "forgotten the connection, and tells nobody",
                    words_span(search->borne_ms).text, words_span(search->fatal_ms).text);
    else
        output_line(&probe->output,
                    "idle limit: at most %s; then something on the way has forgotten the "
                    "connection, or the server answers no pings",
                    words_span(search->fatal_ms).text);
}

static void tell_limit(probe_state *probe)
{
    const probe_search *search = &probe->search;
    if (search->ended_ms > 0)
        tell_ended(probe);
    if (search->fatal_ms > 0)
        tell_forgotten(probe);
    if (search->spoke_ms > 0)
        output_line(&probe->output,
                    "the server itself speaks after %s at the latest: no longer silence can be "
                    "tried, nor is there one",
                    words_span(search->spoke_ms).text);
    if (search->ended_ms == 0 && search->fatal_ms == 0 && search->borne_ms > 0)
        output_line(&probe->output, "no limit was found: a silence of %s is borne",
                    words_span(search->borne_ms).text);
}

static void tell_interval(probe_state *probe, int interval_ms)
{
    const char *why;
    if (interval_ms == PROBE_INTERVAL_MOST_MS)
        why = "the default: a path that bears more today may be another one tomorrow";
    else if (interval_ms > PROBE_INTERVAL_LEAST_MS)
        why = "half of what is sure to be borne, or less, so that an answer has time as well";
    else
        why = "the shortest: little more than the time for an answer is sure to be borne";
    output_line(&probe->output, "recommended: --beat %gs (%s)", interval_ms / 1000.0, why);
}

/* Once. What the trial under way has borne so far is known too. */
static void finish(probe_state *probe, bool complete)
{
    if (probe->finished)
        return;
    probe->finished = true;
    clear_progress(probe);
    if (probe->number == 0 || (probe->number == 1 && probe->phase == OPENING))
        return;
    probe->exit_code = complete ? EXITS_FINE : EXITS_UNANSWERED;
    int interval_ms = probe_search_interval_ms(&probe->search, probe->settings->answer_ms);
    if (probe->settings->json) {
        tell_result_json(probe, complete, interval_ms);
        return;
    }
    output_line(&probe->output, "--- %s ---", probe->url);
    tell_limit(probe);
    int64_t silent_us = attend_now_us() - probe->since_us;
    if (!complete && probe->phase == SILENT)
        output_line(&probe->output, "interrupted: connection %d has been silent for %s",
                    probe->number, words_span(silent_us / 1000).text);
    if (complete || probe_search_limit_ms(&probe->search) > 0)
        tell_interval(probe, interval_ms);
}

/* --------------------------------------------------------------------- trials */

static void begin_trial(void *user);
static void look(void *user);

static void tell_outcome(probe_state *probe, probe_outcome outcome, int64_t silence_us,
                         const char *what)
{
    int silence_ms = (int)(silence_us / 1000);
    if (silence_ms > probe->silence_ms || outcome == PROBE_ALIVE || outcome == PROBE_DEAD)
        silence_ms = probe->silence_ms;
    probe_search_tell(&probe->search, outcome, silence_ms);
    report_trial(probe, outcome, silence_ms, what);
}

static void leave(probe_state *probe)
{
    probe->phase = LEAVING;
    vital_close(probe->conn, NORMAL, NULL);
}

static void give_up(void *user)
{
    probe_state *probe = user;
    char what[128];
    snprintf(what, sizeof what, "no answer within %s: the path has forgotten it",
             words_span(probe->settings->answer_ms).text);
    tell_outcome(probe, PROBE_DEAD, 0, what);
    probe->phase = LEAVING;
    vital_cut(probe->conn);
}

static void ask(probe_state *probe)
{
    clear_progress(probe);
    int error = vital_ping(probe->conn, (vital_bytes){probe->nonce, NONCE_BYTES});
    if (error == VITAL_ECLOSED)
        return; /* somebody is ending it right now, which on_close() will tell */
    if (error < 0) {
        output_problem(&probe->output, "the ping was not sent: %s", vital_strerror(error));
        finish(probe, false);
        probe->exit_code = EXITS_TROUBLE;
        vital_cut(probe->conn);
        return;
    }
    probe->phase = ASKED;
    probe->asked_us = attend_now_us();
    attend_set_alarm(&probe->attend, probe->asked_us + (int64_t)probe->settings->answer_ms * 1000,
                     give_up);
}

/* False if it has spoken so often that it cannot be expected to be silent. */
static bool begin_silence_anew(probe_state *probe, int64_t heard_us)
{
    char what[128];
    if (probe->most_us < heard_us - probe->since_us)
        probe->most_us = heard_us - probe->since_us;
    probe->since_us = heard_us;
    if (++probe->broken < PATIENCE)
        return true;
    snprintf(what, sizeof what, "the server has spoken, for the %dth time", PATIENCE);
    tell_outcome(probe, PROBE_SPOKE, probe->most_us, what);
    leave(probe);
    return false;
}

static void look(void *user)
{
    probe_state *probe = user;
    int64_t now_us = attend_now_us();
    int64_t silence_us = (int64_t)probe->silence_ms * 1000;
    vital_pulse pulse;
    vital_conn_pulse(probe->conn, &pulse);
    int64_t heard_us = now_us - pulse.heard_ms * 1000;
    if (pulse.heard_ms >= 0 && heard_us > probe->since_us + TALK_US &&
        !begin_silence_anew(probe, heard_us))
        return;
    int64_t end_us = probe->since_us + silence_us;
    if (now_us >= end_us) {
        ask(probe);
        return;
    }
    show_progress(probe, now_us - probe->since_us);
    int64_t next_us = now_us + (silence_us / LOOKS < LOOK_US ? silence_us / LOOKS : LOOK_US);
    attend_set_alarm(&probe->attend, next_us < end_us ? next_us : end_us, look);
}

static void on_open(vital_conn *conn, bool resumed)
{
    probe_state *probe = vital_user(conn);
    (void)resumed;
    snprintf(probe->url, sizeof probe->url, "%s", vital_conn_url(conn));
    if (probe->number == 1)
        output_note(&probe->output, OUTPUT_PLAIN, "PROBE %s (%s): silences of up to %s", probe->url,
                    vital_conn_peer(conn), words_span(probe->search.longest_ms).text);
    if (!probe->shows_progress)
        output_note(&probe->output, OUTPUT_PLAIN, "connection %d is to be silent for %s ...",
                    probe->number, words_span(probe->silence_ms).text);
    probe->phase = SILENT;
    probe->since_us = attend_now_us();
    probe->most_us = 0;
    probe->broken = 0;
    look(probe);
}

static void on_pong(vital_conn *conn, vital_bytes payload)
{
    probe_state *probe = vital_user(conn);
    char what[128];
    if (probe->phase != ASKED || payload.size != NONCE_BYTES ||
        memcmp(payload.data, probe->nonce, NONCE_BYTES) != 0)
        return;
    snprintf(what, sizeof what, "alive, it has answered after %s",
             words_ms(attend_now_us() - probe->asked_us).text);
    tell_outcome(probe, PROBE_ALIVE, 0, what);
    leave(probe);
}

/* A refused connection, and the last if it is not the first: the result is what is
 * known by then. */
static void end_by(probe_state *probe, const vital_verdict *verdict)
{
    clear_progress(probe);
    output_problem(&probe->output, "%s: %s", vital_cause_name(verdict->cause), verdict->text);
    finish(probe, false);
    probe->exit_code = EXITS_TROUBLE;
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    probe_state *probe = vital_user(conn);
    probe->conn = NULL;
    if (!probe->finished && probe->phase == SILENT)
        tell_outcome(probe, PROBE_ENDED, attend_now_us() - probe->since_us, verdict->text);
    else if (!probe->finished && probe->phase == ASKED)
        tell_outcome(probe, PROBE_DEAD, 0, verdict->text);
    if (probe->settings->json && !probe->settings->quiet)
        output_event(&probe->output, output_verdict(verdict));
    if (!probe->finished && probe->phase == OPENING)
        end_by(probe, verdict);
    if (probe->finished)
        attend_stop(&probe->attend);
    else
        attend_set_alarm(&probe->attend, attend_now_us(), begin_trial);
}

static void begin_trial(void *user)
{
    probe_state *probe = user;
    const probe_settings *settings = probe->settings;
    probe->silence_ms = probe_search_next(&probe->search);
    if (probe->silence_ms == 0) {
        finish(probe, true);
        attend_stop(&probe->attend);
        return;
    }
    probe->number++;
    probe->phase = OPENING;
    vital_connect_options options = {
        .url = settings->url,
        .events = {.open = on_open, .pong = on_pong, .close = on_close},
        .user = probe,
        .heartbeat = {.kind = VITAL_BEAT_NONE, .text = ""},
        .reconnect = {.never = true},
        .limits = {.open_ms = settings->answer_ms, .close_ms = GOODBYE_MS},
        .headers = settings->headers,
    };
    client_apply(&options, &settings->client);
    if (vital_connect(&probe->conn, probe->attend.loop, &options) < 0) {
        output_problem(&probe->output, "%s", vital_loop_problem(probe->attend.loop));
        finish(probe, false);
        probe->exit_code = EXITS_TROUBLE;
        attend_stop(&probe->attend);
    }
}

/* ------------------------------------------------------------------ the command */

static void on_signal(void *user)
{
    probe_state *probe = user;
    int number = signals_take(probe->signals);
    if (number == 0)
        return;
    if (probe->finished)
        signals_obey(number);
    finish(probe, false);
    if (probe->conn != NULL)
        leave(probe);
    else
        attend_stop(&probe->attend);
}

static void each_turn(void *user)
{
    probe_state *probe = user;
    if (output_error(&probe->output) != 0)
        attend_stop(&probe->attend);
}

static int run(probe_state *probe)
{
    vital_loop *loop = NULL;
    int error = backend_create_loop(&loop, probe->settings->client.backend, &probe->output);
    if (error < 0)
        return probe->exit_code;
    probe->signals = signals_open(0);
    if (probe->signals < 0 || getrandom(probe->nonce, NONCE_BYTES, 0) != NONCE_BYTES) {
        output_problem(&probe->output, "cannot start: %s", strerror(errno));
        goto fail;
    }
    probe->attend = (cli_attend){.loop = loop, .user = probe, .turn = each_turn};
    attend_watch_fd(&probe->attend, probe->signals, on_signal);
    attend_set_alarm(&probe->attend, attend_now_us(), begin_trial);
    error = attend_run(&probe->attend);
    if (error < 0) {
        output_problem(&probe->output, "%s", vital_strerror(error));
        probe->exit_code = EXITS_TROUBLE;
    }
    if (output_error(&probe->output) != 0)
        probe->exit_code = output_broken(&probe->output);
fail:
    vital_loop_destroy(loop);
    if (probe->signals >= 0)
        close(probe->signals);
    return probe->exit_code;
}

static int read_settings(cli_options *options, probe_settings *to, int argc, const char **argv)
{
    /* clang-format off */
    const cli_option table[] = {
        {"max", 'm', OPTION_DURATION, {.duration_ms = &to->longest_ms}, "TIME",
         "the longest silence to try (10m; 2m with --quick)"},
        {"quick", 'Q', OPTION_FLAG, {.flag = &to->quick}, NULL,
         "try two minutes at most, and what was seen once not again"},
        {"timeout", 'W', OPTION_DURATION, {.duration_ms = &to->answer_ms}, "TIME",
         "how long to wait for a connection, and for an answer after a silence (10s)"},
        {"header", 'H', OPTION_TEXTS, {.texts = &to->headers}, "'NAME: VALUE'",
         "add a header to the opening handshakes; may be repeated"},
        {"json", 'j', OPTION_FLAG, {.flag = &to->json}, NULL,
         "print every event as one JSON object a line"},
        {"quiet", 'q', OPTION_FLAG, {.flag = &to->quiet}, NULL,
         "only the result"},
        {0},
    };
    /* clang-format on */
    cli_option more[CLIENT_OPTIONS];
    client_options(more, &to->client);
    const options_page page = {
        .command = program,
        .about = "Finds how long the path to a server bears silence.",
        .argument = "URL",
        .after = "Exit codes: 0 a result, 1 interrupted before it, 2 anything else.\n",
        .table = table,
        .more = more,
    };
    int result = options_read(options, &page, argc, argv);
    to->url = options->argument;
    if (to->longest_ms == 0)
        to->longest_ms = to->quick ? QUICK_MS : 5 * QUICK_MS;
    return result == OPTIONS_READY ? client_check(&to->client, &page) : result;
}

int probe_command(int argc, const char **argv)
{
    cli_options options;
    probe_settings settings = {.answer_ms = 10000, .client = {.follow = CLIENT_FOLLOW}};
    probe_state probe = {.settings = &settings, .exit_code = EXITS_TROUBLE};
    int result = read_settings(&options, &settings, argc, argv);
    if (result == OPTIONS_READY) {
        output_init(&probe.output, program, settings.json, settings.quiet);
        probe.shows_progress = isatty(STDERR_FILENO) == 1 && !settings.json && !settings.quiet;
        probe_search_init(&probe.search, settings.longest_ms, !settings.quick);
        result = run(&probe);
    }
    options_finish(&options);
    return result;
}
