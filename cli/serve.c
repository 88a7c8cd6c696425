/*
 * `vital serve`: an echo server. It answers in-band heartbeats, beats by ping,
 * says of every connection when it came and why it went, and shows all of them on
 * a page. Here are its options, its signals and its life; serve.h names the rest.
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vital/vital.h>

#include "backends.h"
#include "exits.h"
#include "heap.h"
#include "options.h"
#include "serve.h"
#include "signals.h"
#include "watchers.h"
#include "words.h"

enum {
    MESSAGE_BYTES = 1 << 20, /* vital's own default */
    THREADS_MOST = 256,
    OPENS_PER_S_MOST = 1000 * 1000,
    KEPT_BYTES = 16 * 1024 * 1024,
};

static const char program[] = "vital serve";

/* ------------------------------------------------------------------ the alarm */

static void drain(serve_state *serve);

/* Whatever is due by the clock: the feed, the hurt, the drain; and the next time. */
static void on_alarm(void *user)
{
    serve_state *serve = user;
    int64_t now_us = attend_now_us();
    if (serve->drain_us != 0 && now_us >= serve->drain_us)
        drain(serve);
    int64_t next_us = serve->drain_us != 0 ? serve->drain_us : INT64_MAX;
    int64_t feed_us = serve_feed_tick(serve, now_us);
    int64_t demo_us = serve_demo_tick(serve, now_us);
    next_us = feed_us < next_us ? feed_us : next_us;
    next_us = demo_us < next_us ? demo_us : next_us;
    if (next_us != INT64_MAX)
        attend_set_alarm(&serve->attend, next_us, on_alarm);
}

void serve_wake(serve_state *serve)
{
    int error = vital_loop_post(serve->workers[0].loop, on_alarm, serve);
    if (error < 0)
        output_problem(&serve->output, "cannot wake the main thread: %s", vital_strerror(error));
}

/* -------------------------------------------------------------------- life */

static void drain(serve_state *serve)
{
    serve->drain_us = 0;
    if (!serve_workers_tell(serve, serve_worker_drain))
        signals_obey(serve->drain_signal);
}

/* Those who ask for our health may have some time to look elsewhere. */
static void begin_to_drain(serve_state *serve, int number)
{
    const serve_settings *settings = serve->settings;
    serve->drain_signal = number;
    atomic_store(&serve->draining, true);
    uint64_t here = atomic_load(&serve->here);
    if (settings->json)
        output_event(&serve->output,
                     json_pack("{s:s, s:i, s:I, s:i}", "event", "draining", "code",
                               settings->drain_code, "connections", (json_int_t)here, "spread_ms",
                               settings->drain_spread_ms));
    output_note(&serve->output, OUTPUT_PLAIN, "%s: closing %s with %d%s%s%s%s",
                number == SIGINT ? "interrupted" : "terminated",
                words_count(here, "connection").text, settings->drain_code,
                settings->drain_after_ms > 0 ? " in " : "",
                settings->drain_after_ms > 0 ? words_span(settings->drain_after_ms).text : "",
                settings->drain_spread_ms > 0 ? ", spread over " : "",
                settings->drain_spread_ms > 0 ? words_span(settings->drain_spread_ms).text : "");
    serve->drain_us = attend_now_us() + (int64_t)settings->drain_after_ms * 1000;
    on_alarm(serve);
}

static void on_signal(void *user)
{
    serve_state *serve = user;
    int number = signals_take(serve->signals);
    if (number == SIGHUP)
        serve_workers_tell(serve, serve_worker_reload);
    else if (number != 0 && serve->drain_signal != 0)
        signals_obey(number);
    else if (number != 0)
        begin_to_drain(serve, number);
}

static void announce(serve_state *serve)
{
    for (size_t i = 0; i < serve->listen_count; i++) {
        const char *url = vital_server_url(serve->workers[0].servers[i]);
        if (serve->settings->json)
            output_event(&serve->output,
                         json_pack("{s:s, s:o, s:s}", "event", "listening", "url", output_text(url),
                                   "backend", vital_loop_backend(serve->workers[0].loop)));
        else
            output_line(&serve->output, "listening on %s", url);
    }
    const char *url = vital_server_url(serve->workers[0].servers[0]);
    output_note(&serve->output, OUTPUT_PLAIN, "try: vital ping %s", url);
    if (strncmp(url, "ws", 2) == 0 && url[2] != '+') /* a browser cannot reach a Unix socket */
        output_note(&serve->output, OUTPUT_PLAIN, "look: http%s", url + 2);
}

/* A connection is a descriptor; the soft limit is low for select(2)'s sake. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(serve_state *serve)
{
    int result = EXITS_TROUBLE;
    allow_many_descriptors();
    heap_keep(KEPT_BYTES);
    /* Without certificates to reload, a hang-up is what it is everywhere. */
    serve->signals = signals_open(serve->settings->tls.cert_file != NULL ? SIGHUP : 0);
    serve->workers = calloc((size_t)serve->worker_count, sizeof *serve->workers);
    if (serve->signals < 0 || serve->workers == NULL) {
        output_problem(&serve->output, "cannot start: %s", strerror(errno));
        goto fail;
    }
    for (int i = 0; i < serve->worker_count; i++) {
        if (serve_worker_prepare(serve, i) < 0)
            goto fail;
    }
    serve->workers_left = serve->worker_count;
    serve->attend = (cli_attend){.loop = serve->workers[0].loop, .user = serve};
    serve->began_us = attend_now_us();
    if (serve_workers_start(serve) < 0)
        goto fail;
    announce(serve);

    attend_watch_fd(&serve->attend, serve->signals, on_signal);
    int error = attend_run(&serve->attend);
    if (error < 0) {
        output_problem(&serve->output, "%s", vital_strerror(error));
        goto fail;
    }
    if (serve->settings->json)
        output_event(&serve->output, json_pack("{s:s}", "event", "drained"));
    output_note(&serve->output, OUTPUT_PLAIN, "drained");
    result = EXITS_FINE;
fail:
    if (serve->workers != NULL)
        serve_workers_finish(serve);
    if (serve->signals >= 0)
        close(serve->signals);
    return atomic_load(&serve->failed) ? EXITS_TROUBLE : result;
}

/* What the table cannot check. */
static int check(const serve_settings *settings, const options_page *page)
{
    int count = 0;
    if (settings->drain_code != SERVE_GOING_AWAY && settings->drain_code != SERVE_SERVICE_RESTART)
        return options_complain(page, "--drain-code is %d or %d", SERVE_GOING_AWAY,
                                SERVE_SERVICE_RESTART);
    if (settings->retry_from_ms > settings->retry_within_ms)
        return options_complain(page, "--retry-from is later than --retry-within");
    if (settings->retry_within_ms > SERVE_RETRY_MOST_MS)
        return options_complain(page, "--retry-within is at most 999s: more cannot be said");
    const char *weak = settings->token != NULL ? watchers_token_problem(settings->token) : NULL;
    if (weak != NULL)
        return options_complain(page, "the token of --token %s", weak);
    for (const char *const *address = settings->listen; *address != NULL; address++) {
        if (settings->threads > 1 && serve_address_is_local(*address))
            return options_complain(page, "a Unix socket has one listener: %s needs --threads 1",
                                    *address);
        if (strlen(*address) >= SERVE_ADDRESS_BYTES)
            return options_complain(page, "--listen %s is too long", *address);
        if (++count > SERVE_LISTEN_MOST)
            return options_complain(page, "--listen can be given %d times", SERVE_LISTEN_MOST);
    }
    return OPTIONS_READY;
}

static const char about[] =
    "Echoes what it is sent, answers heartbeats and watches its clients' pulse, which\n"
    "a page at / shows. There are /healthz and /metrics, too.";

static const char after[] =
    "SIGTERM or Ctrl-C drains: every connection is closed, then it ends with 0. A\n"
    "second one ends it at once. SIGHUP reads the files of --cert, --key and\n"
    "--client-ca again.\n";

static int read_settings(cli_options *options, serve_settings *to, int argc, const char **argv)
{
    /* clang-format off */
    const cli_option table[] = {
        {"listen", 'l', OPTION_TEXTS, {.texts = &to->listen}, "ADDRESS",
         "127.0.0.1:9001 (the default), [::]:9001, port 0 for any, unix:/PATH; may be repeated"},
        {"beat", 'b', OPTION_DURATION_OR_NEVER, {.duration_ms = &to->beat_ms}, "TIME",
         "silence before a heartbeat (25s), or never"},
        {"beat-text", 't', OPTION_TEXT, {.text = &to->beat_text}, "TEXT",
         "the in-band beat of clients, answered by itself (heartbeat); '' for none"},
        {"answer-within", 'a', OPTION_DURATION, {.duration_ms = &to->answer_ms}, "TIME",
         "how long a beat may stay without an answer (10s, then by the round trip)"},
        {"send-within", 0, OPTION_DURATION, {.duration_ms = &to->send_ms}, "TIME",
         "how long a client may take nothing of what waits for it (60s)"},
        {"subprotocol", 'p', OPTION_TEXTS, {.texts = &to->subprotocols}, "NAME",
         "speak a subprotocol; may be repeated, the preferred one first"},
        {"origin", 'o', OPTION_TEXTS, {.texts = &to->origins}, "ORIGIN",
         "let web pages of this origin connect, '*' all (those of the same host and port); may "
         "be repeated"},
        {"compress", 'z', OPTION_FLAG, {.flag = &to->compress}, NULL,
         "compress messages for clients that offer it (permessage-deflate)"},
        {"cert", 0, OPTION_TEXT, {.text = &to->tls.cert_file}, "FILE",
         "speak wss, with this certificate (PEM) and those between it and its root"},
        {"key", 0, OPTION_TEXT, {.text = &to->tls.key_file}, "FILE",
         "its key (in the file of --cert)"},
        {"client-ca", 0, OPTION_TEXT, {.text = &to->tls.ca_file}, "FILE",
         "let in only clients with a certificate of one of these (PEM)"},
        {"threads", 'n', OPTION_NUMBER,
         {.number = &to->threads, .least = 1, .most = THREADS_MOST}, "COUNT",
         "loops that share the port, each in its thread (1)"},
        {"backend", 0, OPTION_TEXT, {.text = &to->backend_name}, "NAME",
         "what loops wait with: epoll, uring, or auto (epoll, for now)"},
        {"max-message", 'm', OPTION_SIZE, {.size_bytes = &to->message_bytes}, "SIZE",
         "largest message (1MiB)"},
        {"max-connections", 0, OPTION_NUMBER,
         {.number = &to->connections, .least = 1, .most = INT_MAX}, "COUNT",
         "connections at one time, of each loop (100000)"},
        {"opens-per-s", 0, OPTION_NUMBER,
         {.number = &to->opens_per_s, .least = 1, .most = OPENS_PER_S_MOST}, "COUNT",
         "opens a second, of each loop; the others are told when to come back (20000)"},
        {"token", 0, OPTION_TEXT, {.text = &to->token}, "TOKEN",
         "who may see /metrics and all connections, from anywhere (without: who is local)"},
        {"demo", 0, OPTION_FLAG, {.flag = &to->demo}, NULL,
         "let visitors of the page hurt their own connection; beat every 1s"},
        {"drain-after", 0, OPTION_DURATION, {.duration_ms = &to->drain_after_ms}, "TIME",
         "how long /healthz says 503 before anybody is closed (0)"},
        {"drain-code", 0, OPTION_NUMBER,
         {.number = &to->drain_code, .least = 1000, .most = 4999}, "CODE",
         "close code when asked to end: 1001 going away (the default), 1012 restarting"},
        {"drain-spread", 0, OPTION_DURATION, {.duration_ms = &to->drain_spread_ms}, "TIME",
         "over which they are closed then, one after the other (0: all at once)"},
        {"retry-from", 0, OPTION_DURATION, {.duration_ms = &to->retry_from_ms}, "TIME",
         "ask whom is closed to come back not before this (0), with --retry-within"},
        {"retry-within", 0, OPTION_DURATION, {.duration_ms = &to->retry_within_ms}, "TIME",
         "and within this, at most 999s; the reason says it: \"retry in 5-30 s\""},
        {"json", 'j', OPTION_FLAG, {.flag = &to->json}, NULL,
         "print every event as one JSON object a line"},
        {"quiet", 'q', OPTION_FLAG, {.flag = &to->quiet}, NULL,
         "do not log opens and closes"},
        {0},
    };
    /* clang-format on */
    const options_page page = {
        .command = program,
        .about = about,
        .after = after,
        .table = table,
    };
    int result = options_read(options, &page, argc, argv);
    if (result == OPTIONS_READY)
        result = backend_read(&page, to->backend_name, &to->backend);
    return result == OPTIONS_READY ? check(to, &page) : result;
}

int serve_command(int argc, const char **argv)
{
    static const char *const usual[] = {"127.0.0.1:9001", NULL};
    cli_options options;
    serve_settings settings = {
        .listen = usual,
        .token = getenv("VITAL_TOKEN"),
        .threads = 1,
        .message_bytes = MESSAGE_BYTES,
        .drain_code = SERVE_GOING_AWAY,
    };
    int result = read_settings(&options, &settings, argc, argv);
    if (result == OPTIONS_READY) {
        serve_state serve = {
            .settings = &settings, .signals = -1, .worker_count = settings.threads};
        while (settings.listen[serve.listen_count] != NULL)
            serve.listen_count++;
        output_init(&serve.output, program, settings.json, settings.quiet);
        result = run(&serve);
    }
    options_finish(&options);
    return result;
}
