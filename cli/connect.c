/*
 * `vital connect`: lines from stdin become messages, messages become lines on
 * stdout, and what happens to the connection is told on stderr. Sockets come
 * and go beneath it; the lines do not notice.
 *
 * stdin is read only as fast as the connection takes it: when the send queue is
 * full the line waits in `lines`, and stdin is not attended to until `drain`.
 *
 *     READING ---- end of stdin, all sent ----> CLOSING ---- verdict ----> done
 *        |    \---- Ctrl-C ------------------------^            ^
 *        +----- a verdict that is final ------------------------+
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vital/vital.h>

#include "attend.h"
#include "backends.h"
#include "client.h"
#include "exits.h"
#include "lines.h"
#include "options.h"
#include "output.h"
#include "signals.h"
#include "words.h"

enum {
    NORMAL = 1000,           /* RFC 6455 7.4.1 */
    MESSAGE_BYTES = 1 << 20, /* vital's own default */
    SPARE_BYTES = 1 << 20,   /* of the send queue, for small messages */
};

static const char program[] = "vital connect";

typedef struct connect_settings {
    const char *url;
    int beat_ms;
    int answer_ms;
    int open_ms;
    const char *beat_text; /* NULL: beat by ping frames */
    vital_reconnect reconnect;
    client_settings client;
    const char *const *headers;
    const char *const *subprotocols;
    size_t message_bytes;
    bool compress;
    bool binary;
    bool stay;
    bool json;
    bool quiet;
} connect_settings;

typedef struct connect_state {
    const connect_settings *settings;
    cli_output output;
    cli_attend attend;
    cli_lines lines;
    vital_conn *conn; /* NULL once the verdict is final */
    int signals;
    uint64_t line; /* its number, for problems */
    bool opened;   /* at least once */
    bool doubtful;
    bool blocked; /* a line waits for the send queue */
    bool closing;
    int interrupted; /* by this signal; 0 */
    int exit_code;
} connect_state;

/* ------------------------------------------------------------------- stdin */

static void pause_stdin(connect_state *client)
{
    attend_ignore_fd(&client->attend, STDIN_FILENO);
}

/* A line that cannot be sent now is kept and tried again; one that never can be
 * is reported and gone. */
static void send_line(connect_state *client, vital_bytes line)
{
    vital_kind kind = client->settings->binary ? VITAL_BINARY : VITAL_TEXT;
    int error = vital_send(client->conn, kind, line);
    if (error == VITAL_EFULL || error == VITAL_ECLOSED) {
        client->blocked = true;
        pause_stdin(client);
        return;
    }
    client->line++;
    lines_drop(&client->lines);
    if (error == VITAL_EINVAL)
        output_problem(&client->output, "line %" PRIu64 " is not valid UTF-8 and was not sent",
                       client->line);
    else if (error < 0)
        output_problem(&client->output, "line %" PRIu64 " was not sent: %s", client->line,
                       vital_strerror(error));
}

static void send_lines(connect_state *client)
{
    while (client->conn != NULL && !client->blocked && !client->closing) {
        vital_bytes line;
        lines_found found = lines_peek(&client->lines, &line);
        if (found == LINES_NONE)
            return;
        if (found == LINES_LINE) {
            send_line(client, line);
            continue;
        }
        client->line++;
        output_problem(&client->output,
                       "line %" PRIu64 " is longer than %zu bytes and was not sent", client->line,
                       client->lines.longest);
    }
}

static void on_stdin(void *user)
{
    connect_state *client = user;
    ssize_t got = lines_fill(&client->lines, STDIN_FILENO);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (got < 0)
        output_problem(&client->output, "cannot read stdin: %s", strerror(errno));
    if (got <= 0) {
        client->lines.ended = true;
        pause_stdin(client);
    }
    send_lines(client);
}

/* The queue has room again. */
static void resume_stdin(connect_state *client)
{
    if (!client->blocked)
        return;
    client->blocked = false;
    send_lines(client);
    if (!client->blocked && !client->lines.ended && !client->closing)
        attend_watch_fd(&client->attend, STDIN_FILENO, on_stdin);
}

/* Lines that were read and have no place in the queue: the verdict counts only
 * what the queue had accepted. */
static uint64_t count_waiting(connect_state *client)
{
    uint64_t count = 0;
    vital_bytes line;
    for (lines_found found; (found = lines_peek(&client->lines, &line)) != LINES_NONE; count++) {
        if (found == LINES_LINE)
            lines_drop(&client->lines);
    }
    return count;
}

/* ------------------------------------------------------------------ events */

static void on_open(vital_conn *conn, bool resumed)
{
    connect_state *client = vital_user(conn);
    bool again = client->opened;
    client->opened = true;
    client->doubtful = false;
    if (client->settings->json) {
        json_t *event = json_pack("{s:s, s:b, s:o, s:o, s:o}", "event", "open", "resumed",
                                  (int)resumed, "url", output_text(vital_conn_url(conn)), "peer",
                                  output_text(vital_conn_peer(conn)), "subprotocol",
                                  output_text(vital_conn_subprotocol(conn)));
        client_tell(event, conn);
        output_event(&client->output, event);
    }
    output_note(&client->output, OUTPUT_GOOD, "%s %s (%s)%s%s", again ? "open again" : "open",
                vital_conn_url(conn), vital_conn_peer(conn),
                vital_conn_compressed(conn) ? ", compressed" : "",
                resumed ? ", nothing was lost" : "");
    resume_stdin(client);
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    connect_state *client = vital_user(conn);
    if (client->settings->json) {
        bool text = kind == VITAL_TEXT;
        output_event(
            &client->output,
            json_pack("{s:s, s:s, s:o}", "event", "message", "kind", text ? "text" : "binary",
                      text ? "data" : "data_base64",
                      text ? json_stringn(message.data, message.size) : output_base64(message)));
        return;
    }
    if (client->settings->binary)
        kind = VITAL_TEXT; /* to us they are lines */
    if (kind == VITAL_BINARY && client->output.stdout_is_terminal)
        output_note(&client->output, OUTPUT_PLAIN, "<binary, %zu bytes>", message.size);
    else
        output_message(&client->output, kind, message);
}

static void on_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    connect_state *client = vital_user(conn);
    bool doubtful = health == VITAL_DOUBTFUL;
    bool before = client->doubtful;
    client->doubtful = doubtful;
    vital_verdict suspicion;
    bool suspected = vital_conn_suspicion(conn, &suspicion);
    if (client->settings->json)
        output_event(&client->output, output_health(health, pulse, suspected ? &suspicion : NULL));
    if (suspected)
        output_note(&client->output, OUTPUT_DOUBT, "doubtful, perhaps %s: %s",
                    vital_cause_name(suspicion.cause), suspicion.text);
    else if (doubtful)
        output_note(&client->output, OUTPUT_DOUBT, "doubtful: no answer for %s",
                    words_span(pulse->waiting_ms < 0 ? pulse->heard_ms : pulse->waiting_ms).text);
    else if (before && pulse->rtt_us >= 0)
        output_note(&client->output, OUTPUT_GOOD, "alive again: rtt %s",
                    words_ms(pulse->rtt_us).text);
    else if (before)
        output_note(&client->output, OUTPUT_GOOD, "alive again");
}

static void on_drain(vital_conn *conn)
{
    resume_stdin(vital_user(conn));
}

static void report_end(connect_state *client, const vital_verdict *verdict)
{
    uint64_t unsent = verdict->unsent + count_waiting(client);
    if (client->exit_code == EXITS_FINE || client->interrupted != 0)
        output_note(&client->output, OUTPUT_PLAIN, "%s", verdict->text);
    else if (!client->settings->json) /* there the event says it */
        output_problem(&client->output, "%s: %s", vital_cause_name(verdict->cause), verdict->text);
    if (unsent > 0)
        output_problem(&client->output, "not sent: %s", words_count(unsent, "line").text);
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    connect_state *client = vital_user(conn);
    client->doubtful = false;
    if (client->settings->json)
        output_event(&client->output, output_verdict(verdict));
    if (verdict->final) {
        client->conn = NULL;
        client->exit_code = client->interrupted != 0 ? EXITS_SIGNAL + client->interrupted
                                                     : exits_of_verdict(verdict);
        report_end(client, verdict);
        attend_stop(&client->attend);
        return;
    }
    output_note(&client->output, OUTPUT_BAD, "%s: %s", vital_cause_name(verdict->cause),
                verdict->text);
    output_note(&client->output, OUTPUT_PLAIN, "retrying in %s%s%s",
                words_span(verdict->retry_ms).text, verdict->unsent > 0 ? "; kept: " : "",
                verdict->unsent > 0 ? words_count(verdict->unsent, "line").text : "");
}

static void on_sooner(vital_conn *conn, vital_hint why, int64_t retry_ms)
{
    connect_state *client = vital_user(conn);
    bool resumed = why == VITAL_HINT_RESUMED;
    if (client->settings->json)
        output_event(&client->output,
                     json_pack("{s:s, s:s, s:I}", "event", "sooner", "why",
                               resumed ? "resumed" : "network", "retry_ms", (json_int_t)retry_ms));
    const char *what = resumed ? "this machine has slept" : "the network is back";
    if (retry_ms < 1000)
        output_note(&client->output, OUTPUT_PLAIN, "%s, trying now", what);
    else
        output_note(&client->output, OUTPUT_PLAIN, "%s, trying in %s", what,
                    words_span(retry_ms).text);
}

static void on_signal(void *user)
{
    connect_state *client = user;
    int number = signals_take(client->signals);
    if (number == 0)
        return;
    if (client->interrupted != 0)
        signals_obey(number);
    client->interrupted = number;
    client->closing = true;
    pause_stdin(client);
    if (client->conn != NULL)
        vital_close(client->conn, NORMAL, NULL);
}

/* Says goodbye once stdin has ended and every line has left. Not before the
 * first open: `vital connect URL </dev/null` is a question that needs an answer. */
static void each_turn(void *user)
{
    connect_state *client = user;
    if (output_error(&client->output) != 0) {
        attend_stop(&client->attend);
        return;
    }
    if (!client->lines.ended || client->settings->stay || client->closing || client->blocked ||
        !client->opened || client->conn == NULL || vital_conn_queued(client->conn) > 0)
        return;
    client->closing = true;
    vital_close(client->conn, NORMAL, NULL);
}

/* -------------------------------------------------------------------- life */

/* With no beat text of its own the client takes no message for a beat: whatever
 * the peer says is data. */
static vital_heartbeat heartbeat_of(const connect_settings *settings)
{
    vital_heartbeat heartbeat = {
        .kind = settings->beat_text != NULL ? VITAL_BEAT_TEXT : VITAL_BEAT_PING,
        .interval_ms = settings->beat_ms,
        .answer_ms = settings->answer_ms,
        .text = settings->beat_text != NULL ? settings->beat_text : "",
    };
    if (settings->beat_ms == VITAL_NEVER) {
        heartbeat.kind = VITAL_BEAT_NONE;
        heartbeat.interval_ms = 0;
    }
    return heartbeat;
}

static int begin(connect_state *client, vital_loop *loop)
{
    const connect_settings *settings = client->settings;
    vital_connect_options options = {
        .url = settings->url,
        .events = {.open = on_open,
                   .message = on_message,
                   .health = on_health,
                   .drain = on_drain,
                   .close = on_close,
                   .sooner = on_sooner},
        .user = client,
        .heartbeat = heartbeat_of(settings),
        .reconnect = settings->reconnect,
        /* a message of the largest size fits beside another, and many small ones */
        .limits = {.open_ms = settings->open_ms,
                   .message_bytes = settings->message_bytes,
                   .queue_bytes = 2 * settings->message_bytes + SPARE_BYTES},
        .compression = {.enabled = settings->compress},
        .headers = settings->headers,
        .subprotocols = settings->subprotocols,
    };
    client_apply(&options, &settings->client);
    client->attend = (cli_attend){.loop = loop, .user = client, .turn = each_turn};
    attend_watch_fd(&client->attend, client->signals, on_signal);
    attend_watch_fd(&client->attend, STDIN_FILENO, on_stdin);
    return vital_connect(&client->conn, loop, &options);
}

static int run(connect_state *client)
{
    vital_loop *loop = NULL;
    int error = lines_init(&client->lines, client->settings->message_bytes);
    if (error == 0 &&
        backend_create_loop(&loop, client->settings->client.backend, &client->output) < 0) {
        lines_finish(&client->lines);
        return client->exit_code;
    }
    client->signals = error == 0 ? signals_open(0) : -1;
    if (client->signals < 0) {
        output_problem(&client->output, "cannot start: %s",
                       error < 0 ? vital_strerror(error) : strerror(errno));
        goto fail;
    }
    error = begin(client, loop);
    if (error < 0) {
        output_problem(&client->output, "%s", vital_loop_problem(loop));
        goto fail;
    }
    error = attend_run(&client->attend);
    if (error < 0) {
        output_problem(&client->output, "%s", vital_strerror(error));
        client->exit_code = EXITS_TROUBLE;
    }
    if (output_error(&client->output) != 0)
        client->exit_code = output_broken(&client->output);
fail:
    vital_loop_destroy(loop);
    lines_finish(&client->lines);
    if (client->signals >= 0)
        close(client->signals);
    return client->exit_code;
}

static int read_settings(cli_options *options, connect_settings *to, int argc, const char **argv)
{
    /* clang-format off */
    const cli_option table[] = {
        {"beat", 'b', OPTION_DURATION_OR_NEVER, {.duration_ms = &to->beat_ms}, "TIME",
         "silence before a heartbeat (25s), or never"},
        {"beat-text", 't', OPTION_TEXT, {.text = &to->beat_text}, "TEXT",
         "beat by this text message instead of ping frames"},
        {"answer-within", 'a', OPTION_DURATION, {.duration_ms = &to->answer_ms}, "TIME",
         "how long a beat may stay without an answer (10s, then by the round trip)"},
        {"open-within", 'w', OPTION_DURATION, {.duration_ms = &to->open_ms}, "TIME",
         "how long an attempt to connect may take (10s)"},
        {"retry-first", 0, OPTION_DURATION, {.duration_ms = &to->reconnect.first_ms}, "TIME",
         "the first retry comes within this (2s)"},
        {"retry-min", 0, OPTION_DURATION, {.duration_ms = &to->reconnect.min_ms}, "TIME",
         "shortest pause before a later retry (500ms)"},
        {"retry-max", 0, OPTION_DURATION, {.duration_ms = &to->reconnect.max_ms}, "TIME",
         "longest pause before a later retry (1m)"},
        {"retry-untrusted", 0, OPTION_FLAG, {.flag = &to->reconnect.untrusted}, NULL,
         "come back after UNTRUSTED too: the certificate may be renewed"},
        {"no-retry", 'n', OPTION_FLAG, {.flag = &to->reconnect.never}, NULL,
         "do not come back: the first verdict is final"},
        {"header", 'H', OPTION_TEXTS, {.texts = &to->headers}, "'NAME: VALUE'",
         "add a header to the opening handshake; may be repeated"},
        {"subprotocol", 'p', OPTION_TEXTS, {.texts = &to->subprotocols}, "NAME",
         "offer a subprotocol; may be repeated, the preferred one first"},
        {"compress", 'z', OPTION_FLAG, {.flag = &to->compress}, NULL,
         "offer to compress messages (permessage-deflate)"},
        {"binary", 'B', OPTION_FLAG, {.flag = &to->binary}, NULL,
         "send lines as binary messages, and print binary messages as lines"},
        {"max-message", 'm', OPTION_SIZE, {.size_bytes = &to->message_bytes}, "SIZE",
         "largest message, and longest line (1MiB)"},
        {"stay", 's', OPTION_FLAG, {.flag = &to->stay}, NULL,
         "keep listening after the end of stdin"},
        {"json", 'j', OPTION_FLAG, {.flag = &to->json}, NULL,
         "print every event as one JSON object a line"},
        {"quiet", 'q', OPTION_FLAG, {.flag = &to->quiet}, NULL,
         "say only what went wrong"},
        {0},
    };
    /* clang-format on */
    cli_option more[CLIENT_OPTIONS];
    client_options(more, &to->client);
    const options_page page = {
        .command = program,
        .about = "Sends lines from stdin as messages and prints messages as lines, over a\n"
                 "connection that comes back when it is lost.",
        .argument = "URL",
        .after = "Exit codes: 0 closed by us or with 1000, 2 bad usage, 10 and up by verdict:\n"
                 "see vital(1); 130 after Ctrl-C.\n",
        .table = table,
        .more = more,
    };
    int result = options_read(options, &page, argc, argv);
    to->url = options->argument;
    return result == OPTIONS_READY ? client_check(&to->client, &page) : result;
}

int connect_command(int argc, const char **argv)
{
    cli_options options;
    connect_settings settings = {.message_bytes = MESSAGE_BYTES,
                                 .client = {.follow = CLIENT_FOLLOW}};
    int result = read_settings(&options, &settings, argc, argv);
    if (result == OPTIONS_READY) {
        connect_state client = {.settings = &settings, .signals = -1, .exit_code = EXITS_TROUBLE};
        output_init(&client.output, program, settings.json, settings.quiet);
        result = run(&client);
    }
    options_finish(&options);
    return result;
}
