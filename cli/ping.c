/*
 * `vital ping`: ping(8) for WebSockets. The connection sends no beats of its
 * own; each ping carries the run's random name and its number, and the pong
 * that brings both back is its answer. A text has no room for a number: in text
 * mode one ping at a time awaits its answer.
 *
 * A slot remembers a ping that was sent:
 *
 *     WAITING ---- timeout ----> OVERDUE        (told: "no answer yet")
 *        |                          |
 *        +----- answer ---------> ANSWERED <--- answer, told as late
 *
 * What is not ANSWERED at the end is lost. RFC 6455 5.5.3 lets a peer answer
 * only the latest of several pings, and TCP keeps order: so an answer settles
 * every older ping with it.
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
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
#include "signals.h"
#include "words.h"

enum {
    RUN_BYTES = 8,
    PAYLOAD_BYTES = RUN_BYTES + 4,
    URL_SHOWN = 1024,
    SLOTS = 8192,      /* pings of which the answer is awaited; older ones are lost */
    GOODBYE_MS = 1000, /* to wait for the peer's close: the summary is out already */
    NORMAL = 1000,     /* RFC 6455 7.4.1 */
};

static const char program[] = "vital ping";

typedef struct ping_settings {
    const char *url;
    int count; /* 0: until interrupted */
    int interval_ms;
    int timeout_ms;
    const char *text; /* NULL: ping frames */
    const char *const *headers;
    client_settings client;
    bool json;
    bool compress;
    bool quiet;
} ping_settings;

typedef enum slot_state { WAITING, OVERDUE, ANSWERED } slot_state;

typedef struct ping_slot {
    int64_t sent_us;
    slot_state state;
} ping_slot;

typedef struct ping_tally {
    uint32_t sent;
    uint32_t answered; /* within the timeout */
    uint32_t late;
    double min_us, max_us, sum_us, squares_us;
} ping_tally;

typedef struct ping_state {
    const ping_settings *settings;
    cli_output output;
    cli_attend attend;
    vital_conn *conn; /* NULL once the verdict is in */
    int signals;
    unsigned char run[RUN_BYTES];
    char url[URL_SHOWN]; /* without credentials, after redirects */
    char peer[128];
    int64_t start_us; /* of the first ping */
    int64_t next_us;  /* when the next one is due */
    uint32_t oldest;  /* no ping before this one is still without an answer */
    uint32_t overdue; /* every ping before this one is answered or overdue */
    ping_tally tally;
    bool opened;
    bool finished; /* the summary is out */
    int exit_code;
    ping_slot slots[SLOTS]; /* of ping n: slots[n % SLOTS]; the first is 1 */
} ping_state;

static ping_slot *slot_of(ping_state *ping, uint32_t seq)
{
    return &ping->slots[seq % SLOTS];
}

/* ----------------------------------------------------------------- summary */

static uint32_t lost(const ping_tally *tally)
{
    return tally->sent - tally->answered - tally->late;
}

/* ping(8)'s mdev: the standard deviation. */
static int64_t deviation_us(const ping_tally *tally, double mean_us)
{
    double variance = tally->squares_us / (tally->answered + tally->late) - mean_us * mean_us;
    return variance > 0 ? (int64_t)sqrt(variance) : 0;
}

static void summarize_json(ping_state *ping, int64_t took_us, double loss_percent)
{
    const ping_tally *tally = &ping->tally;
    bool any = tally->answered + tally->late > 0;
    double mean_us = any ? tally->sum_us / (tally->answered + tally->late) : -1;
    output_event(&ping->output,
                 json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:o}", "event",
                           "summary", "sent", (json_int_t)tally->sent, "answered",
                           (json_int_t)tally->answered, "late", (json_int_t)tally->late, "lost",
                           (json_int_t)lost(tally), "loss_percent", loss_percent, "time_ms",
                           output_ms(took_us), "min_ms",
                           output_ms(any ? (int64_t)tally->min_us : -1), "avg_ms",
                           output_ms((int64_t)mean_us), "max_ms",
                           output_ms(any ? (int64_t)tally->max_us : -1), "mdev_ms",
                           output_ms(any ? deviation_us(tally, mean_us) : -1)));
}

static void summarize_words(ping_state *ping, int64_t took_us, double loss_percent)
{
    const ping_tally *tally = &ping->tally;
    cli_output *output = &ping->output;
    output_line(output, "--- %s ---", ping->url);
    output_line(output,
                "%" PRIu32 " sent, %" PRIu32 " answered, %" PRIu32 " late, %" PRIu32
                " lost (%.3g%%), time %" PRId64 " ms",
                tally->sent, tally->answered, tally->late, lost(tally), loss_percent,
                took_us / 1000);
    if (tally->answered + tally->late == 0)
        return;
    double mean_us = tally->sum_us / (tally->answered + tally->late);
    output_line(output, "rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms", tally->min_us / 1000,
                mean_us / 1000, tally->max_us / 1000, (double)deviation_us(tally, mean_us) / 1000);
}

/* Once; nothing is counted after it. */
static void finish(ping_state *ping)
{
    if (ping->finished)
        return;
    ping->finished = true;
    const ping_tally *tally = &ping->tally;
    ping->exit_code = tally->answered + tally->late > 0 ? EXITS_FINE : EXITS_UNANSWERED;
    if (!ping->opened)
        return;
    int64_t took_us = attend_now_us() - ping->start_us;
    double loss_percent = tally->sent > 0 ? 100.0 * lost(tally) / tally->sent : 0;
    if (ping->settings->json)
        summarize_json(ping, took_us, loss_percent);
    else
        summarize_words(ping, took_us, loss_percent);
}

static void leave(ping_state *ping)
{
    finish(ping);
    if (ping->conn != NULL)
        vital_close(ping->conn, NORMAL, NULL);
}

/* ----------------------------------------------------------------- answers */

static void count_answer(ping_tally *tally, bool late, double rtt_us)
{
    bool first = tally->answered + tally->late == 0;
    if (late)
        tally->late++;
    else
        tally->answered++;
    if (first || rtt_us < tally->min_us)
        tally->min_us = rtt_us;
    if (first || rtt_us > tally->max_us)
        tally->max_us = rtt_us;
    tally->sum_us += rtt_us;
    tally->squares_us += rtt_us * rtt_us;
}

static void report_answer(ping_state *ping, uint32_t seq, bool late, int64_t rtt_us, uint32_t with)
{
    if (ping->settings->quiet)
        return;
    if (ping->settings->json) {
        json_t *event = json_pack("{s:s, s:I, s:o}", "event", late ? "late" : "pong", "seq",
                                  (json_int_t)seq, "rtt_ms", output_ms(rtt_us));
        if (event != NULL && with != seq)
            json_object_set_new(event, "with", json_integer(with));
        output_event(&ping->output, event);
        return;
    }
    char together[40] = "";
    if (with != seq)
        snprintf(together, sizeof together, " (together with seq=%" PRIu32 ")", with);
    if (late)
        output_line(&ping->output, "late: seq=%" PRIu32 " time=%s%s", seq, words_ms(rtt_us).text,
                    together);
    else
        output_line(&ping->output, "pong from %s: seq=%" PRIu32 " time=%s%s", ping->peer, seq,
                    words_ms(rtt_us).text, together);
}

/* An answer to ping `last` has come, and with it to all before it. */
static void settle(ping_state *ping, uint32_t last)
{
    int64_t now_us = attend_now_us();
    for (uint32_t seq = ping->oldest; seq <= last; seq++) {
        ping_slot *slot = slot_of(ping, seq);
        bool late = slot->state == OVERDUE;
        int64_t rtt_us = now_us - slot->sent_us;
        slot->state = ANSWERED;
        count_answer(&ping->tally, late, (double)rtt_us);
        report_answer(ping, seq, late, rtt_us, last);
    }
    ping->oldest = last + 1;
    if (ping->overdue < ping->oldest)
        ping->overdue = ping->oldest;
}

static bool all_settled(const ping_state *ping)
{
    uint32_t count = (uint32_t)ping->settings->count;
    return count > 0 && ping->tally.sent == count && ping->overdue > count;
}

static void on_pong(vital_conn *conn, vital_bytes payload)
{
    ping_state *ping = vital_user(conn);
    const unsigned char *bytes = payload.data;
    if (ping->finished || ping->settings->text != NULL || payload.size != PAYLOAD_BYTES ||
        memcmp(bytes, ping->run, RUN_BYTES) != 0)
        return;
    uint32_t seq = 0;
    for (int i = RUN_BYTES; i < PAYLOAD_BYTES; i++)
        seq = seq << 8 | bytes[i];
    if (seq < ping->oldest || seq > ping->tally.sent)
        return; /* a second answer, or never asked */
    settle(ping, seq);
    if (all_settled(ping))
        leave(ping);
}

static void on_alarm(void *user);

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    ping_state *ping = vital_user(conn);
    const char *text = ping->settings->text;
    if (ping->finished || text == NULL || kind != VITAL_TEXT || message.size != strlen(text) ||
        memcmp(message.data, text, message.size) != 0 || ping->oldest > ping->tally.sent)
        return;
    settle(ping, ping->tally.sent);
    if (all_settled(ping))
        leave(ping);
    else /* the next one may have waited for this */
        attend_set_alarm(&ping->attend, attend_now_us(), on_alarm);
}

/* ------------------------------------------------------------------- pings */

static void send_ping(ping_state *ping, int64_t now_us)
{
    uint32_t seq = ping->tally.sent + 1;
    unsigned char payload[PAYLOAD_BYTES];
    int error;
    if (ping->settings->text != NULL) {
        error = vital_send(ping->conn, VITAL_TEXT, vital_text(ping->settings->text));
    } else {
        memcpy(payload, ping->run, RUN_BYTES);
        for (int i = 0; i < 4; i++)
            payload[RUN_BYTES + i] = (unsigned char)(seq >> (24 - 8 * i));
        error = vital_ping(ping->conn, (vital_bytes){payload, sizeof payload});
    }
    if (error < 0) {
        output_problem(&ping->output, "seq=%" PRIu32 " was not sent: %s", seq,
                       vital_strerror(error));
        return;
    }
    if (seq - ping->oldest >= SLOTS) /* the slot is taken from one that is now lost */
        ping->oldest = seq - SLOTS + 1;
    if (ping->overdue < ping->oldest)
        ping->overdue = ping->oldest;
    *slot_of(ping, seq) = (ping_slot){now_us, WAITING};
    ping->tally.sent = seq;
}

static void report_overdue(ping_state *ping, uint32_t seq, int64_t waited_us)
{
    if (ping->settings->quiet)
        return;
    if (ping->settings->json)
        output_event(&ping->output, json_pack("{s:s, s:I, s:o}", "event", "timeout", "seq",
                                              (json_int_t)seq, "waited_ms", output_ms(waited_us)));
    else
        output_line(&ping->output, "no answer yet: seq=%" PRIu32 " after %s", seq,
                    words_span(waited_us / 1000).text);
}

/* Pings are sent in order and wait equally long, so they are overdue in order. */
static void find_overdue(ping_state *ping, int64_t now_us)
{
    int64_t timeout_us = (int64_t)ping->settings->timeout_ms * 1000;
    for (; ping->overdue <= ping->tally.sent; ping->overdue++) {
        ping_slot *slot = slot_of(ping, ping->overdue);
        if (now_us - slot->sent_us < timeout_us)
            return;
        slot->state = OVERDUE;
        report_overdue(ping, ping->overdue, now_us - slot->sent_us);
    }
}

/* A text answer does not say which text it is for. So the next text is sent once
 * the last is answered or overdue, or one lost answer would shift all others. */
static bool may_send(const ping_state *ping)
{
    uint32_t count = (uint32_t)ping->settings->count;
    bool waiting = ping->overdue <= ping->tally.sent;
    return (count == 0 || ping->tally.sent < count) && !(waiting && ping->settings->text != NULL);
}

/* The next ping or the next timeout, whichever is first. */
static void on_alarm(void *user)
{
    ping_state *ping = user;
    int64_t interval_us = (int64_t)ping->settings->interval_ms * 1000;
    int64_t timeout_us = (int64_t)ping->settings->timeout_ms * 1000;
    int64_t now_us = attend_now_us();
    if (ping->finished)
        return;
    find_overdue(ping, now_us);
    if (now_us >= ping->next_us && may_send(ping)) {
        send_ping(ping, now_us);
        ping->next_us += interval_us;
        if (ping->next_us < now_us) /* we were held up: no burst to make up for it */
            ping->next_us = now_us + interval_us;
    }
    if (all_settled(ping)) {
        leave(ping);
        return;
    }
    int64_t wake_us = may_send(ping) ? ping->next_us : INT64_MAX;
    if (ping->overdue <= ping->tally.sent) {
        int64_t due_us = slot_of(ping, ping->overdue)->sent_us + timeout_us;
        if (due_us < wake_us)
            wake_us = due_us;
    }
    attend_set_alarm(&ping->attend, wake_us, on_alarm);
}

/* -------------------------------------------------------------- connection */

/* Adds "tls 1.2 ms, "; nothing for what did not happen. */
static void add_phase(char *text, size_t room, const char *name, int64_t took_us)
{
    size_t used = strlen(text);
    if (took_us >= 0)
        snprintf(text + used, room - used, "%s %s, ", name, words_ms(took_us).text);
}

static void report_opening(ping_state *ping)
{
    const char *url = ping->url;
    if (ping->settings->json) {
        json_t *event = json_pack("{s:s, s:o, s:o}", "event", "open", "url", output_text(url),
                                  "peer", output_text(ping->peer));
        client_tell(event, ping->conn);
        output_event(&ping->output, event);
        return;
    }
    vital_opening took;
    vital_conn_opening(ping->conn, &took);
    char phases[256] = "";
    bool local = strncmp(url, "ws+unix:", strlen("ws+unix:")) == 0;
    add_phase(phases, sizeof phases, "name", took.name_us);
    add_phase(phases, sizeof phases, local ? "socket" : "tcp", took.connect_us);
    add_phase(phases, sizeof phases, "proxy", took.proxy_us);
    add_phase(phases, sizeof phases, "tls", took.tls_us);
    output_line(&ping->output, "PING %s (%s): %supgrade %s%s", url, ping->peer, phases,
                words_ms(took.upgrade_us).text,
                vital_conn_compressed(ping->conn) ? ", compressed" : "");
}

static void on_open(vital_conn *conn, bool resumed)
{
    ping_state *ping = vital_user(conn);
    (void)resumed; /* a connection that does not come back resumes nothing */
    snprintf(ping->url, sizeof ping->url, "%s", vital_conn_url(conn));
    snprintf(ping->peer, sizeof ping->peer, "%s", vital_conn_peer(conn));
    report_opening(ping);
    ping->opened = true;
    ping->start_us = attend_now_us();
    ping->next_us = ping->start_us;
    attend_set_alarm(&ping->attend, ping->start_us, on_alarm);
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    ping_state *ping = vital_user(conn);
    ping->conn = NULL;
    attend_stop(&ping->attend);
    bool ours = ping->finished;
    if (ping->settings->json && !ping->settings->quiet)
        output_event(&ping->output, output_verdict(verdict));
    if (ours)
        return;
    output_problem(&ping->output, "%s: %s", vital_cause_name(verdict->cause), verdict->text);
    finish(ping);
    ping->exit_code = EXITS_TROUBLE;
}

static void on_signal(void *user)
{
    ping_state *ping = user;
    int number = signals_take(ping->signals);
    if (number == 0)
        return;
    if (ping->finished)
        signals_obey(number);
    leave(ping);
}

static void each_turn(void *user)
{
    ping_state *ping = user;
    if (output_error(&ping->output) != 0)
        attend_stop(&ping->attend);
}

static int run(ping_state *ping)
{
    const ping_settings *settings = ping->settings;
    vital_loop *loop = NULL;
    int error = backend_create_loop(&loop, settings->client.backend, &ping->output);
    if (error < 0)
        return ping->exit_code;
    ping->signals = signals_open(0);
    if (ping->signals < 0 || getrandom(ping->run, RUN_BYTES, 0) != RUN_BYTES) {
        output_problem(&ping->output, "cannot start: %s", strerror(errno));
        goto fail;
    }
    ping->attend = (cli_attend){.loop = loop, .user = ping, .turn = each_turn};
    attend_watch_fd(&ping->attend, ping->signals, on_signal);

    vital_connect_options options = {
        .url = settings->url,
        .events = {.open = on_open, .message = on_message, .pong = on_pong, .close = on_close},
        .user = ping,
        .heartbeat = {.kind = VITAL_BEAT_NONE, .text = ""},
        .reconnect = {.never = true},
        .limits = {.open_ms = settings->timeout_ms, .close_ms = GOODBYE_MS},
        .compression = {.enabled = settings->compress},
        .headers = settings->headers,
    };
    client_apply(&options, &settings->client);
    error = vital_connect(&ping->conn, loop, &options);
    if (error < 0) {
        output_problem(&ping->output, "%s", vital_loop_problem(loop));
        goto fail;
    }
    snprintf(ping->url, sizeof ping->url, "%s", vital_conn_url(ping->conn));
    error = attend_run(&ping->attend);
    if (error < 0) {
        output_problem(&ping->output, "%s", vital_strerror(error));
        ping->exit_code = EXITS_TROUBLE;
    }
    if (output_error(&ping->output) != 0)
        ping->exit_code = output_broken(&ping->output);
fail:
    vital_loop_destroy(loop);
    if (ping->signals >= 0)
        close(ping->signals);
    return ping->exit_code;
}

static int read_settings(cli_options *options, ping_settings *to, int argc, const char **argv)
{
    /* clang-format off */
    const cli_option table[] = {
        {"count", 'c', OPTION_NUMBER, {.number = &to->count, .least = 1, .most = INT_MAX}, "COUNT",
         "stop after COUNT pings (without: Ctrl-C)"},
        {"interval", 'i', OPTION_DURATION, {.duration_ms = &to->interval_ms}, "TIME",
         "from one ping to the next (1s)"},
        {"timeout", 'W', OPTION_DURATION, {.duration_ms = &to->timeout_ms}, "TIME",
         "how long to wait for the connection, and for an answer before it is late (10s)"},
        {"text", 't', OPTION_TEXT, {.text = &to->text}, "TEXT",
         "send this text message instead of a ping frame, and wait for the same text"},
        {"header", 'H', OPTION_TEXTS, {.texts = &to->headers}, "'NAME: VALUE'",
         "add a header to the opening handshake; may be repeated"},
        {"compress", 'z', OPTION_FLAG, {.flag = &to->compress}, NULL,
         "offer to compress messages (permessage-deflate)"},
        {"json", 'j', OPTION_FLAG, {.flag = &to->json}, NULL,
         "print every event as one JSON object a line"},
        {"quiet", 'q', OPTION_FLAG, {.flag = &to->quiet}, NULL,
         "only the first line and the summary"},
        {0},
    };
    /* clang-format on */
    cli_option more[CLIENT_OPTIONS];
    client_options(more, &to->client);
    const options_page page = {
        .command = program,
        .about = "Measures whether a WebSocket answers, and how fast.",
        .argument = "URL",
        .after = "Exit codes: 0 answered, 1 unanswered, 2 anything else.\n",
        .table = table,
        .more = more,
    };
    int result = options_read(options, &page, argc, argv);
    to->url = options->argument;
    return result == OPTIONS_READY ? client_check(&to->client, &page) : result;
}

int ping_command(int argc, const char **argv)
{
    cli_options options;
    ping_settings settings = {
        .interval_ms = 1000, .timeout_ms = 10000, .client = {.follow = CLIENT_FOLLOW}};
    ping_state *ping = NULL;
    int result = read_settings(&options, &settings, argc, argv);
    if (result != OPTIONS_READY)
        goto fail;
    ping = calloc(1, sizeof *ping);
    if (ping == NULL) {
        fprintf(stderr, "%s: out of memory\n", program);
        result = EXITS_TROUBLE;
        goto fail;
    }
    ping->settings = &settings;
    ping->oldest = ping->overdue = 1;
    ping->exit_code = EXITS_TROUBLE;
    output_init(&ping->output, program, settings.json, settings.quiet);
    result = run(ping);
fail:
    free(ping);
    options_finish(&options);
    return result;
}
