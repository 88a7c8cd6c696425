/*
 * A worker is a loop and its listening sockets. The first lives in the main
 * thread and attends to signals as well; the others have a thread each, and
 * the kernel spreads new connections among them. Workers share nothing but the
 * output and a few counters, and are spoken to through vital_loop_post().
 */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"

enum {
    SPARE_BYTES = 1 << 20, /* of the send queue, for small messages */
    DEMO_BEAT_MS = 1000,   /* so that there is something to see */
};

bool serve_address_is_local(const char *address)
{
    return strncmp(address, "unix:", strlen("unix:")) == 0;
}

static vital_heartbeat heartbeat_of(const serve_settings *settings)
{
    bool silent = settings->beat_ms == VITAL_NEVER;
    bool shown = settings->demo && settings->beat_ms == 0;
    return (vital_heartbeat){
        .kind = silent ? VITAL_BEAT_NONE : VITAL_BEAT_PING,
        .interval_ms = silent  ? 0
                       : shown ? DEMO_BEAT_MS
                               : settings->beat_ms,
        .answer_ms = settings->answer_ms,
        .text = settings->beat_text,
    };
}

static int listen_on(serve_worker *worker, size_t index, const char *address)
{
    serve_state *serve = worker->serve;
    const serve_settings *settings = serve->settings;
    const vital_listen_options options = {
        .address = address,
        .tls = serve_address_is_local(address) ? (vital_tls){.cert_file = NULL} : settings->tls,
        .events = SERVE_EVENTS,
        .user = &worker->nobody,
        .heartbeat = heartbeat_of(settings),
        /* a message of the largest size fits, and many small ones */
        .limits = {.message_bytes = settings->message_bytes,
                   .queue_bytes = settings->message_bytes + SPARE_BYTES,
                   .send_ms = settings->send_ms,
                   .connections = settings->connections,
                   .opens_per_s = settings->opens_per_s},
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
    snprintf(serve->addresses[index], SERVE_ADDRESS_BYTES, "%.*s", (int)strcspn(host, "/"), host);
}

int serve_worker_prepare(serve_state *serve, int number)
{
    serve_worker *worker = &serve->workers[number];
    worker->serve = serve;
    worker->number = (size_t)number;
    worker->nobody.worker = worker;
    worker->servers_left = serve->listen_count;
    int error = backend_create_loop(&worker->loop, serve->settings->backend, &serve->output);
    if (error < 0)
        return error;
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

int serve_workers_start(serve_state *serve)
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

bool serve_workers_tell(serve_state *serve, void (*what)(void *worker))
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

void serve_worker_drain(void *arg)
{
    serve_worker *worker = arg;
    serve_state *serve = worker->serve;
    const serve_settings *settings = serve->settings;
    const vital_drain drain = {
        .code = (uint16_t)settings->drain_code,
        .reason = settings->drain_code == SERVE_GOING_AWAY ? "server is shutting down"
                                                           : "server is restarting",
        .spread_ms = settings->drain_spread_ms,
        .retry_from_ms = settings->retry_from_ms,
        .retry_within_ms = settings->retry_within_ms,
    };
    for (size_t i = 0; i < serve->listen_count; i++) {
        vital_server *server = worker->servers[i];
        worker->servers[i] = NULL;
        if (vital_server_drain(server, &drain, worker_drained, worker) < 0)
            output_problem(&serve->output, "%s", vital_loop_problem(worker->loop));
    }
}

/* The first speaks for all: they read the same files. */
void serve_worker_reload(void *arg)
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

void serve_workers_finish(serve_state *serve)
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
    for (int i = 0; i < serve->worker_count; i++) {
        while (serve->workers[i].rounds != NULL)
            serve_round_finish(serve->workers[i].rounds);
    }
    free(serve->workers);
}
