/*
 * `vital serve`: an echo server. It answers in-band heartbeats, beats by ping,
 * and says of every connection when it came and why it went.
 *
 * A worker is a loop and its listening sockets. The first lives in the main
 * thread and attends to signals as well; the others have a thread each, and
 * the kernel spreads new connections among them. Workers share nothing but the
 * output and two counters, and are spoken to through vital_loop_post().
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vital/vital.h>

#include "attend.h"
#include "exits.h"
#include "options.h"
#include "output.h"
#include "signals.h"
#include "words.h"

enum {
    MESSAGE_BYTES = 1 << 20, /* vital's own default */
    SPARE_BYTES = 1 << 20,   /* of the send queue, for small messages */
    THREADS_MOST = 256,
    LISTEN_MOST = 16,
    ADDRESS_BYTES = 256,
    PEER_BYTES = 80,        /* of "[IPv6%scope]:port" */
    GOING_AWAY = 1001,      /* RFC 6455 7.4.1 */
    SERVICE_RESTART = 1012, /* these three: the IANA registry of close codes */
    TRY_AGAIN_LATER = 1013,
    INTERNAL_ERROR = 1011,
};

static const char program[] = "vital serve";

typedef struct serve_settings {
    const char *const *listen;
    const char *const *subprotocols;
    const char *const *origins; /* NULL: the same host and port */
    int beat_ms;
    int answer_ms;
    int send_ms;
    const char *beat_text;
    vital_tls tls; /* for network addresses; without a cert_file: none */
    size_t message_bytes;
    int connections;
    int threads;
    int drain_code;
    bool compress;
    bool json;
    bool quiet;
} serve_settings;

typedef struct serve_state serve_state;

/* A connection as the log knows it. vital_user() of each is one, from the
 * start: its worker's `nobody` until the connection is open. */
typedef struct serve_client {
    serve_state *serve;
    uint64_t id; /* from 1 */
    char peer[PEER_BYTES];
    void *echo; /* owned; what waits for room in the queue, and reading with it */
    size_t echo_bytes;
    vital_kind echo_kind;
} serve_client;

typedef struct serve_worker {
    serve_state *serve;
    vital_loop *loop;
    vital_server *servers[LISTEN_MOST];
    size_t servers_left;
    serve_client nobody;
    pthread_t thread;
    bool running; /* in a thread of its own */
} serve_worker;

struct serve_state {
    const serve_settings *settings;
    cli_output output;
    cli_attend attend; /* to the first worker's loop */
    int signals;
    bool draining;
    int worker_count;
    int workers_left; /* with the main thread only */
    serve_worker *workers;
    size_t listen_count;
    char addresses[LISTEN_MOST][ADDRESS_BYTES]; /* with the ports that were picked */
    atomic_uint_least64_t last_id;
    atomic_uint_least64_t here; /* connections now */
    atomic_bool failed;
};

/* ------------------------------------------------------------- connections */

static void on_open(vital_conn *conn, bool resumed)
{
    const serve_client *nobody = vital_user(conn);
    serve_state *serve = nobody->serve;
    const char *peer = vital_conn_peer(conn);
    serve_client *client = calloc(1, sizeof *client);
    (void)resumed;
    if (client == NULL) {
        vital_close(conn, TRY_AGAIN_LATER, "out of memory");
        return;
    }
    client->serve = serve;
    client->id = atomic_fetch_add(&serve->last_id, 1) + 1;
    snprintf(client->peer, sizeof client->peer, "%s", peer);
    vital_set_user(conn, client);
    uint64_t here = atomic_fetch_add(&serve->here, 1) + 1;
    vital_tls_facts tls;
    vital_conn_tls(conn, &tls);
    if (serve->settings->json && !serve->settings->quiet)
        output_event(&serve->output,
                     json_pack("{s:s, s:I, s:o, s:b, s:o, s:o, s:I}", "event", "open", "id",
                               (json_int_t)client->id, "peer", output_text(peer), "compressed",
                               (int)vital_conn_compressed(conn), "tls", output_known(tls.version),
                               "certificate", output_known(tls.peer), "connections",
                               (json_int_t)here));
    output_note(&serve->output, OUTPUT_GOOD, "open #%" PRIu64 " %s%s%s (%s)%s", client->id, peer,
                tls.peer[0] != '\0' ? ", " : "", tls.peer, words_count(here, "connection").text,
                vital_conn_compressed(conn) ? ", compressed" : "");
}

/* Keeps the echo that has no place in the queue. False without memory. */
static bool keep_echo(serve_client *client, vital_kind kind, vital_bytes message)
{
    free(client->echo);
    client->echo = malloc(message.size + 1);
    if (client->echo == NULL)
        return false;
    memcpy(client->echo, message.data, message.size);
    client->echo_bytes = message.size;
    client->echo_kind = kind;
    return true;
}

/* A client that writes faster than it reads is read no faster than it reads. */
static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    serve_client *client = vital_user(conn);
    int error = vital_send(conn, kind, message);
    if (error == VITAL_EFULL && keep_echo(client, kind, message)) {
        vital_pause(conn, true);
        return;
    }
    if (error == 0 || error == VITAL_ECLOSED) /* a closing connection is owed no echo */
        return;
    output_problem(&client->serve->output,
                   "#%" PRIu64 " cannot be sent an echo, so it is closed: %s", client->id,
                   vital_strerror(error));
    vital_close(conn, INTERNAL_ERROR, "the echo could not be sent");
}

static void on_drain(vital_conn *conn)
{
    serve_client *client = vital_user(conn);
    void *echo = client->echo;
    client->echo = NULL;
    vital_pause(conn, false);
    if (echo != NULL)
        on_message(conn, client->echo_kind, (vital_bytes){echo, client->echo_bytes});
    free(echo);
}

static void log_close(const serve_client *client, const vital_verdict *verdict)
{
    serve_state *serve = client->serve;
    if (serve->settings->json && !serve->settings->quiet) {
        json_t *event = output_verdict(verdict);
        if (event != NULL && client->id > 0) {
            json_object_set_new(event, "id", json_integer((json_int_t)client->id));
            json_object_set_new(event, "peer", output_text(client->peer));
        }
        output_event(&serve->output, event);
    }
    const char *cause = vital_cause_name(verdict->cause);
    bool calm = verdict->cause == VITAL_CLOSED_BY_US || verdict->cause == VITAL_CLOSED_BY_PEER;
    output_tone tone = calm ? OUTPUT_PLAIN : OUTPUT_BAD;
    if (client->id == 0)
        output_note(&serve->output, tone, "not opened: %s: %s", cause, verdict->text);
    else
        output_note(&serve->output, tone, "close #%" PRIu64 " %s after %s: %s: %s", client->id,
                    client->peer, words_span(verdict->open_ms).text, cause, verdict->text);
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    serve_client *client = vital_user(conn);
    log_close(client, verdict);
    if (client->id == 0)
        return;
    atomic_fetch_sub(&client->serve->here, 1);
    free(client->echo);
    free(client);
}

/* ----------------------------------------------------------------- workers */

static bool is_local(const char *address)
{
    return strncmp(address, "unix:", strlen("unix:")) == 0;
}

static int listen_on(serve_worker *worker, size_t index, const char *address)
{
    serve_state *serve = worker->serve;
    const serve_settings *settings = serve->settings;
    bool silent = settings->beat_ms == VITAL_NEVER;
    const vital_listen_options options = {
        .address = address,
        .tls = is_local(address) ? (vital_tls){.cert_file = NULL} : settings->tls,
        .events = {.open = on_open, .message = on_message, .drain = on_drain, .close = on_close},
        .user = &worker->nobody,
        .heartbeat = {.kind = silent ? VITAL_BEAT_NONE : VITAL_BEAT_PING,
                      .interval_ms = silent ? 0 : settings->beat_ms,
                      .answer_ms = settings->answer_ms,
                      .text = settings->beat_text},
        /* a message of the largest size fits, and many small ones */
        .limits = {.message_bytes = settings->message_bytes,
                   .queue_bytes = settings->message_bytes + SPARE_BYTES,
                   .send_ms = settings->send_ms,
                   .connections = settings->connections},
        .compression = {.enabled = settings->compress},
        .subprotocols = settings->subprotocols,
        .origins = settings->origins,
        .share_port = serve->worker_count > 1,
    };
    int error = vital_listen(&worker->servers[index], worker->loop, &options);
    if (error < 0)
        output_problem(&serve->output, "%s", vital_loop_problem(worker->loop));
    return error;
}

/* "127.0.0.1:9001" of "wss://127.0.0.1:9001/": what the other workers listen on. */
static void note_address(serve_state *serve, size_t index, const char *url)
{
    const char *after = strstr(url, "://");
    const char *host = after != NULL ? after + strlen("://") : url;
    snprintf(serve->addresses[index], ADDRESS_BYTES, "%.*s", (int)strcspn(host, "/"), host);
}

static int worker_prepare(serve_state *serve, int number)
{
    serve_worker *worker = &serve->workers[number];
    worker->serve = serve;
    worker->nobody.serve = serve;
    worker->servers_left = serve->listen_count;
    int error = vital_loop_create(&worker->loop);
    if (error < 0) {
        output_problem(&serve->output, "%s", vital_strerror(error));
        return error;
    }
    for (size_t i = 0; i < serve->listen_count; i++) {
        error = listen_on(worker, i,
                          number == 0 ? serve->settings->listen[i] : serve->addresses[i]);
        if (error < 0)
            return error;
        if (number == 0)
            note_address(serve, i, vital_server_url(worker->servers[i]));
    }
    return 0;
}

static void worker_gone(void *arg)
{
    serve_state *serve = arg;
    if (--serve->workers_left == 0)
        attend_stop(&serve->attend);
}

static void *worker_run(void *arg)
{
    serve_worker *worker = arg;
    serve_state *serve = worker->serve;
    int error = vital_loop_run(worker->loop);
    if (error == 0)
        error = vital_loop_post(serve->workers[0].loop, worker_gone, serve);
    if (error < 0) {
        output_problem(&serve->output, "a worker ended: %s", vital_strerror(error));
        atomic_store(&serve->failed, true);
    }
    return NULL;
}

static void worker_drained(void *arg)
{
    serve_worker *worker = arg;
    if (--worker->servers_left > 0)
        return;
    if (worker->running)
        vital_loop_stop(worker->loop);
    else
        worker_gone(worker->serve);
}

static void worker_drain(void *arg)
{
    serve_worker *worker = arg;
    serve_state *serve = worker->serve;
    int code = serve->settings->drain_code;
    const char *reason = code == GOING_AWAY ? "server is shutting down" : "server is restarting";
    for (size_t i = 0; i < serve->listen_count; i++) {
        vital_server *server = worker->servers[i];
        worker->servers[i] = NULL;
        vital_server_drain(server, (uint16_t)code, reason, worker_drained, worker);
    }
}

/* The first speaks for all: they read the same files. */
static void worker_reload(void *arg)
{
    serve_worker *worker = arg;
    serve_state *serve = worker->serve;
    for (size_t i = 0; i < serve->listen_count; i++) {
        vital_server *server = worker->servers[i];
        if (server == NULL || strncmp(vital_server_url(server), "wss:", strlen("wss:")) != 0)
            continue;
        if (vital_server_reload_tls(server) < 0) {
            output_problem(&serve->output, "the certificates stay as they were: %s",
                           vital_loop_problem(worker->loop));
            return;
        }
    }
    if (worker != serve->workers)
        return;
    if (serve->settings->json)
        output_event(&serve->output, json_pack("{s:s}", "event", "reloaded"));
    output_note(&serve->output, OUTPUT_PLAIN, "reloaded the certificates");
}

static void worker_stop(void *arg)
{
    serve_worker *worker = arg;
    vital_loop_stop(worker->loop);
}

/* Where the workers have drained this only joins; after a failure it ends them. */
static void workers_finish(serve_state *serve)
{
    for (int i = 0; i < serve->worker_count; i++) {
        serve_worker *worker = &serve->workers[i];
        if (!worker->running)
            continue;
        vital_loop_post(worker->loop, worker_stop, worker);
        pthread_join(worker->thread, NULL);
    }
    /* Only now: a worker's last post goes to the first one's loop. */
    for (int i = serve->worker_count - 1; i >= 0; i--)
        vital_loop_destroy(serve->workers[i].loop);
    free(serve->workers);
}

/* -------------------------------------------------------------------- life */

/* False if one of them cannot be told. */
static bool tell_workers(serve_state *serve, void (*what)(void *worker))
{
    for (int i = 0; i < serve->worker_count; i++) {
        int error = vital_loop_post(serve->workers[i].loop, what, &serve->workers[i]);
        if (error < 0) {
            output_problem(&serve->output, "cannot tell a worker: %s", vital_strerror(error));
            return false;
        }
    }
    return true;
}

static void drain(serve_state *serve, int number)
{
    serve->draining = true;
    uint64_t here = atomic_load(&serve->here);
    if (serve->settings->json)
        output_event(&serve->output,
                     json_pack("{s:s, s:i, s:I}", "event", "draining", "code",
                               serve->settings->drain_code, "connections", (json_int_t)here));
    output_note(&serve->output, OUTPUT_PLAIN, "%s: closing %s with %d",
                number == SIGINT ? "interrupted" : "terminated",
                words_count(here, "connection").text, serve->settings->drain_code);
    if (!tell_workers(serve, worker_drain))
        signals_obey(number);
}

static void on_signal(void *user)
{
    serve_state *serve = user;
    int number = signals_take(serve->signals);
    if (number == SIGHUP)
        tell_workers(serve, worker_reload);
    else if (number != 0 && serve->draining)
        signals_obey(number);
    else if (number != 0)
        drain(serve, number);
}

static void announce(serve_state *serve)
{
    for (size_t i = 0; i < serve->listen_count; i++) {
        const char *url = vital_server_url(serve->workers[0].servers[i]);
        if (serve->settings->json)
            output_event(&serve->output,
                         json_pack("{s:s, s:o}", "event", "listening", "url", output_text(url)));
        else
            output_line(&serve->output, "listening on %s", url);
    }
    output_note(&serve->output, OUTPUT_PLAIN, "try: vital ping %s",
                vital_server_url(serve->workers[0].servers[0]));
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

static int start_threads(serve_state *serve)
{
    for (int i = 1; i < serve->worker_count; i++) {
        serve_worker *worker = &serve->workers[i];
        worker->running = true;
        int error = pthread_create(&worker->thread, NULL, worker_run, worker);
        if (error != 0) {
            worker->running = false;
            output_problem(&serve->output, "cannot start a thread: %s", strerror(error));
            return VITAL_ESYSTEM;
        }
    }
    return 0;
}

static int run(serve_state *serve)
{
    int result = EXITS_TROUBLE;
    allow_many_descriptors();
    /* Without certificates to reload, a hang-up is what it is everywhere. */
    serve->signals = signals_open(serve->settings->tls.cert_file != NULL ? SIGHUP : 0);
    serve->workers = calloc((size_t)serve->worker_count, sizeof *serve->workers);
    if (serve->signals < 0 || serve->workers == NULL) {
        output_problem(&serve->output, "cannot start: %s", strerror(errno));
        goto fail;
    }
    for (int i = 0; i < serve->worker_count; i++) {
        if (worker_prepare(serve, i) < 0)
            goto fail;
    }
    if (start_threads(serve) < 0)
        goto fail;
    announce(serve);

    serve->workers_left = serve->worker_count;
    serve->attend = (cli_attend){.loop = serve->workers[0].loop, .user = serve};
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
        workers_finish(serve);
    if (serve->signals >= 0)
        close(serve->signals);
    return atomic_load(&serve->failed) ? EXITS_TROUBLE : result;
}

/* What the table cannot check. */
static int check(const serve_settings *settings, const options_page *page)
{
    int count = 0;
    if (settings->drain_code != GOING_AWAY && settings->drain_code != SERVICE_RESTART)
        return options_complain(page, "--drain-code is %d or %d", GOING_AWAY, SERVICE_RESTART);
    for (const char *const *address = settings->listen; *address != NULL; address++) {
        if (settings->threads > 1 && is_local(*address))
            return options_complain(page, "a Unix socket has one listener: %s needs --threads 1",
                                    *address);
        if (strlen(*address) >= ADDRESS_BYTES)
            return options_complain(page, "--listen %s is too long", *address);
        if (++count > LISTEN_MOST)
            return options_complain(page, "--listen can be given %d times", LISTEN_MOST);
    }
    return OPTIONS_READY;
}

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
        {"max-message", 'm', OPTION_SIZE, {.size_bytes = &to->message_bytes}, "SIZE",
         "largest message (1MiB)"},
        {"max-connections", 0, OPTION_NUMBER,
         {.number = &to->connections, .least = 1, .most = INT_MAX}, "COUNT",
         "connections at one time, of each loop (100000)"},
        {"drain-code", 0, OPTION_NUMBER,
         {.number = &to->drain_code, .least = 1000, .most = 4999}, "CODE",
         "close code when asked to end: 1001 going away (the default), 1012 restarting"},
        {"json", 'j', OPTION_FLAG, {.flag = &to->json}, NULL,
         "print every event as one JSON object a line"},
        {"quiet", 'q', OPTION_FLAG, {.flag = &to->quiet}, NULL,
         "do not log opens and closes"},
        {0},
    };
    /* clang-format on */
    const options_page page = {
        .command = program,
        .about = "Echoes what it is sent, answers heartbeats and watches its clients' pulse.",
        .after = "SIGTERM or Ctrl-C drains: every connection is closed, then it ends with 0. A\n"
                 "second one ends it at once. SIGHUP reads the files of --cert, --key and\n"
                 "--client-ca again.\n",
        .table = table,
    };
    int result = options_read(options, &page, argc, argv);
    return result == OPTIONS_READY ? check(to, &page) : result;
}

int serve_command(int argc, const char **argv)
{
    static const char *const usual[] = {"127.0.0.1:9001", NULL};
    cli_options options;
    serve_settings settings = {
        .listen = usual, .threads = 1, .message_bytes = MESSAGE_BYTES, .drain_code = GOING_AWAY};
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
