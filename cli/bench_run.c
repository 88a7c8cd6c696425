/*
 * A run from its first connection to its last. The loop here is vital's own step, and
 * not that of the other commands: whoever is to load a server cannot afford a second
 * system call for each wait. Only while the next message is due within the millisecond
 * is the wait one of ppoll, which is as exact as that needs. Signals are looked for
 * every tenth of a second.
 */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "attend.h"
#include "backends.h"
#include "exits.h"
#include "heap.h"
#include "signals.h"
#include "words.h"

enum {
    OPENING_AT_ONCE = 256,
    LOOK_US = 100 * 1000,
    TELL_US = 1000 * 1000,
    GOODBYE_US = 1000 * 1000,
    GOODBYE_EACH_US = 50, /* and so much more for each connection */
    NORMAL = 1000,        /* RFC 6455 7.4.1 */
    TIMER_SLACK_NS = 1000,
    ROOM_BYTES = 1024 * 1024, /* of a queue, and two messages */
    CONTROL_PER_S = 1000000,  /* pongs are what we came for */
    KEPT_BYTES = 256 * 1024 * 1024,
    ALPHABET = 64,
};

static const char program[] = "vital bench";

void bench_note(bench_state *bench, int64_t us)
{
    bench_times_note(&bench->recent, us);
    if (bench->phase == BENCH_MEASURING)
        bench->answered++;
}

/* ---------------------------------------------------------------------- phases */

static void enter(bench_state *bench, bench_phase phase, int64_t now_us)
{
    bench->phase = phase;
    bench->phase_us = now_us;
    bench->look_us = now_us;
}

static void read_subject(bench_state *bench, bench_subject *out)
{
    int pid = bench->settings->pid;
    if (pid == 0 || bench->subject_lost || bench_subject_read(out, pid))
        return;
    bench->subject_lost = true;
    bench_clear_progress(bench);
    output_problem(&bench->output, "process %d (--pid): %s", pid, strerror(errno));
}

static void leave(bench_state *bench, int64_t now_us)
{
    enter(bench, BENCH_LEAVING, now_us);
    bench->sending = false;
    for (size_t i = 0; i < bench->begun; i++) {
        if (bench->conns[i].conn != NULL)
            vital_close(bench->conns[i].conn, NORMAL, NULL);
    }
}

static void finish(bench_state *bench, int64_t now_us)
{
    bench_times_add(&bench->times, &bench->recent);
    bench_clear_progress(bench);
    bench_tell_result(bench);
    leave(bench, now_us);
}

static void begin_measuring(bench_state *bench, int64_t now_us)
{
    enter(bench, BENCH_MEASURING, now_us);
    bench->recent = (bench_times){.count = 0};
    bench->tell_us = now_us;
    read_subject(bench, &bench->at_begin);
    bench_subject_read(&bench->own_before, getpid());
}

static void end_measuring(bench_state *bench, int64_t now_us)
{
    bench->mode->act(bench, now_us);
    bench->measured_us = now_us - bench->phase_us;
    bench->sending = false;
    bench_subject_read(&bench->own, getpid());
    read_subject(bench, &bench->at_end);
    enter(bench, BENCH_SETTLING, now_us);
}

/* Memory for the load, now that it is known of how many. */
static bool prepare(bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    bench->active = calloc((size_t)settings->connections, sizeof(bench_conn *));
    for (size_t i = 0; bench->active != NULL && i < bench->begun; i++) {
        if (!bench->conns[i].open)
            continue;
        bench->conns[i].index = bench->active_count;
        bench->active[bench->active_count++] = &bench->conns[i];
    }
    bench->window = settings->in_flight > 0 ? (uint64_t)settings->in_flight
                    : settings->rate > 0    ? UINT64_MAX
                                            : 1;
    if (settings->rate > 0 || bench->active_count == 0)
        return bench->active != NULL;
    bench->sent_us = calloc(bench->active_count, bench->window * sizeof(int64_t));
    return bench->active != NULL && bench->sent_us != NULL;
}

static void begin_load(bench_state *bench, int64_t now_us)
{
    if (bench->mode->opens_itself)
        bench->begun = (size_t)bench->settings->connections;
    else
        bench_tell_ready(bench, now_us - bench->phase_us);
    if (!prepare(bench)) {
        output_problem(&bench->output, "out of memory");
        leave(bench, now_us);
        return;
    }
    if (bench->settings->warm_up_ms > 0)
        enter(bench, BENCH_WARMING, now_us);
    else
        begin_measuring(bench, now_us);
    bench->sending = true;
    bench->began_us = now_us;
    bench->mode->begin(bench, now_us);
}

/* When the present phase is over, if nothing ends it before. */
static int64_t phase_end_us(const bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    if (bench->phase == BENCH_WARMING)
        return bench->phase_us + (int64_t)settings->warm_up_ms * 1000;
    if (bench->phase == BENCH_MEASURING)
        return bench->phase_us + (int64_t)settings->duration_ms * 1000;
    return INT64_MAX;
}

static void look_at_phase(bench_state *bench, int64_t now_us)
{
    const bench_settings *settings = bench->settings;
    int64_t passed_us = now_us - bench->phase_us;
    switch (bench->phase) {
    case BENCH_OPENING:
        if (bench->under_way == 0 && bench->open == 0)
            bench->over = true; /* why was told */
        else if (bench->under_way == 0 && bench->begun == (size_t)settings->connections)
            begin_load(bench, now_us);
        break;
    case BENCH_WARMING:
        if (now_us >= phase_end_us(bench))
            begin_measuring(bench, now_us);
        break;
    case BENCH_MEASURING:
        if (now_us >= phase_end_us(bench) || bench->mode->done(bench))
            end_measuring(bench, now_us);
        break;
    case BENCH_SETTLING:
        if (passed_us >= (int64_t)settings->timeout_ms * 1000 || bench->mode->settled(bench)) {
            bench->mode->give_up(bench, now_us);
            finish(bench, now_us);
        }
        break;
    case BENCH_LEAVING:
        if (bench->open + bench->under_way == 0 ||
            passed_us >= GOODBYE_US + GOODBYE_EACH_US * (int64_t)bench->begun)
            bench->over = true;
        break;
    }
}

/* What is known so far is told at once; a second signal ends us. */
static void look_for_signals(bench_state *bench, int64_t now_us)
{
    int number = signals_take(bench->signals);
    if (number == 0)
        return;
    if (bench->phase == BENCH_LEAVING || bench->interrupted)
        signals_obey(number);
    bench->interrupted = true;
    if (bench->phase == BENCH_MEASURING)
        end_measuring(bench, now_us);
    if (bench->phase == BENCH_SETTLING) {
        finish(bench, now_us);
        return;
    }
    bench_clear_progress(bench);
    output_problem(&bench->output, "interrupted before anything was measured, with %s open",
                   words_count(bench->open, "connection").text);
    bench->exit_code = EXITS_UNANSWERED;
    leave(bench, now_us);
}

/* ----------------------------------------------------------------- connections */

static void on_open(vital_conn *from, bool resumed)
{
    bench_conn *conn = vital_user(from);
    bench_state *bench = conn->bench;
    (void)resumed;          /* a connection that does not come back resumes nothing */
    if (bench->opened == 0) /* now after redirects */
        snprintf(bench->url, sizeof bench->url, "%s", vital_conn_url(from));
    bench_times_note(&bench->opens, attend_now_us() - conn->since_us);
    conn->open = true;
    bench->under_way--;
    bench->open++;
    bench->opened++;
    if (bench->mode->opened != NULL && bench->phase != BENCH_LEAVING)
        bench->mode->opened(conn);
    if (bench->phase == BENCH_OPENING)
        bench->look_us = 0;
}

/* The first of each cause is told in full: the others will be the same. */
static void tell_failure(bench_state *bench, const vital_verdict *verdict)
{
    if (bench->failures[verdict->cause])
        return;
    bench->failures[verdict->cause] = true;
    bench_clear_progress(bench);
    if (bench->settings->json && !bench->settings->quiet)
        output_event(&bench->output, output_verdict(verdict));
    output_problem(&bench->output, "%s: %s", vital_cause_name(verdict->cause), verdict->text);
    if (verdict->error == EADDRNOTAVAIL && bench->opened > 0)
        output_problem(&bench->output, "all ports of our address are in use; give others with "
                                       "--from, such as 127.0.0.2 and 127.0.0.3");
}

static void on_close(vital_conn *from, const vital_verdict *verdict)
{
    bench_conn *conn = vital_user(from);
    bench_state *bench = conn->bench;
    bool ours = conn->leaving || bench->phase == BENCH_LEAVING;
    if (!ours)
        tell_failure(bench, verdict);
    conn->conn = NULL;
    if (conn->open) {
        bench->open--;
        bench->lost += ours ? 0 : 1;
    } else {
        bench->under_way--;
        bench->failed += ours ? 0 : 1;
    }
    conn->open = false;
    if (bench->mode->closed != NULL && bench->phase != BENCH_LEAVING)
        bench->mode->closed(conn);
    if (!conn->leaving)
        bench->look_us = 0;
}

/* A port of ours leads to a server but once: there are 28,000 on an address. */
static const char *next_address(bench_state *bench)
{
    const char *const *from = bench->settings->from;
    if (from == NULL)
        return NULL;
    if (from[bench->from_next] == NULL)
        bench->from_next = 0;
    return from[bench->from_next++];
}

bool bench_open(bench_state *bench, bench_conn *conn)
{
    conn->bench = bench;
    conn->leaving = false;
    conn->since_us = attend_now_us();
    bench->connect.user = conn;
    bench->connect.from = next_address(bench);
    if (vital_connect(&conn->conn, bench->loop, &bench->connect) != 0) {
        bench_clear_progress(bench);
        output_problem(&bench->output, "%s", vital_loop_problem(bench->loop));
        leave(bench, conn->since_us);
        return false;
    }
    if (bench->url[0] == '\0') {
        snprintf(bench->url, sizeof bench->url, "%s", vital_conn_url(conn->conn));
        bench_tell_start(bench);
    }
    bench->under_way++;
    return true;
}

/* The first goes alone: what it meets is what all would meet. */
static void open_more(bench_state *bench)
{
    size_t most = bench->opened > 0 ? OPENING_AT_ONCE : 1;
    while (bench->begun < (size_t)bench->settings->connections && bench->under_way < most &&
           (bench->opened > 0 || bench->begun == 0) &&
           bench_open(bench, &bench->conns[bench->begun]))
        bench->begun++;
}

/* -------------------------------------------------------------------- the loop */

/* Waits until then, or until something has happened, and handles that. */
static int step(bench_state *bench, int64_t until_us)
{
    int64_t left_us = until_us - attend_now_us();
    if (left_us >= 1000)
        return vital_loop_step(bench->loop, left_us < LOOK_US ? (int)(left_us / 1000) : 100);
    int due_ms = vital_loop_wait_ms(bench->loop);
    if (left_us > 0 && due_ms != 0) {
        struct pollfd polled = {.fd = vital_loop_fd(bench->loop), .events = POLLIN};
        struct timespec wait = {.tv_nsec = (long)left_us * 1000};
        if (ppoll(&polled, 1, &wait, NULL) < 0 && errno != EINTR)
            return VITAL_ESYSTEM;
    }
    return vital_loop_step(bench->loop, 0);
}

static void look(bench_state *bench, int64_t now_us)
{
    look_for_signals(bench, now_us);
    if (output_error(&bench->output) != 0)
        bench->over = true;
    if (bench->phase == BENCH_OPENING)
        open_more(bench);
    bench->look_us = now_us + LOOK_US;
    look_at_phase(bench, now_us);
    if (phase_end_us(bench) < bench->look_us)
        bench->look_us = phase_end_us(bench);
    if (bench->phase < BENCH_SETTLING && now_us >= bench->tell_us + TELL_US) {
        bench_tell_progress(bench, now_us, now_us - bench->tell_us);
        bench->tell_us = now_us;
    }
}

static int go(bench_state *bench)
{
    bench->tell_us = bench->phase_us = attend_now_us();
    if (bench->mode->opens_itself)
        begin_load(bench, bench->phase_us);
    while (!bench->over) {
        int64_t now_us = attend_now_us();
        if (now_us >= bench->look_us)
            look(bench, now_us);
        int64_t wake_us = bench->look_us;
        if (bench->sending) {
            int64_t due_us = bench->mode->act(bench, now_us);
            wake_us = due_us < wake_us ? due_us : wake_us;
        }
        int error = bench->over ? 0 : step(bench, wake_us);
        if (error < 0)
            return error;
    }
    return 0;
}

/* ------------------------------------------------------------------- the command */

/* Letters that do not repeat soon, so that a server that compresses has something to
 * do; always the same. */
static void fill_payload(bench_state *bench)
{
    static const char letters[ALPHABET + 1] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = bench->payload;
    uint32_t state = 1;
    for (size_t i = 0; i < bench->settings->size_bytes; i++) {
        state = state * 1664525 + 1013904223; /* Numerical Recipes */
        to[i] = letters[state >> 26];
    }
}

static void set_connect_options(bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    size_t room = 2 * settings->size_bytes + ROOM_BYTES;
    bench->connect = (vital_connect_options){
        .url = settings->url,
        .events = {.open = on_open,
                   .message = bench->mode->message,
                   .pong = bench->mode->pong,
                   .drain = bench->mode->drain,
                   .close = on_close},
        .heartbeat = {.kind = VITAL_BEAT_NONE, .text = ""},
        .reconnect = {.never = true},
        .limits = {.open_ms = settings->timeout_ms,
                   .message_bytes = settings->size_bytes + ROOM_BYTES,
                   .queue_bytes = room,
                   .control_per_s = CONTROL_PER_S},
        .compression = {.enabled = settings->compress},
        .headers = settings->headers,
    };
    client_apply(&bench->connect, &settings->client);
}

static bool start(bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    if (settings->pid != 0 && !bench_subject_read(&bench->before, settings->pid)) {
        output_problem(&bench->output, "process %d (--pid): %s", settings->pid, strerror(errno));
        return false;
    }
    bench->signals = signals_open(0);
    if (bench->signals < 0) {
        output_problem(&bench->output, "cannot start: %s", strerror(errno));
        return false;
    }
    bench->conns = calloc((size_t)settings->connections, sizeof *bench->conns);
    bench->payload = malloc(settings->size_bytes);
    if (bench->conns == NULL || bench->payload == NULL) {
        output_problem(&bench->output, "out of memory");
        return false;
    }
    fill_payload(bench);
    set_connect_options(bench);
    heap_keep(KEPT_BYTES);
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* a wait ends when it is over */
    return backend_create_loop(&bench->loop, settings->client.backend, &bench->output) == 0;
}

int bench_run(const bench_settings *settings)
{
    bench_state *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        fprintf(stderr, "%s: out of memory\n", program);
        return EXITS_TROUBLE;
    }
    bench->settings = settings;
    bench->mode = settings->mode;
    bench->signals = -1;
    bench->exit_code = EXITS_TROUBLE;
    bench->shows_progress = isatty(STDERR_FILENO) == 1 && !settings->json && !settings->quiet;
    output_init(&bench->output, program, settings->json, settings->quiet);
    int error = start(bench) ? go(bench) : 0;
    if (error < 0) {
        output_problem(&bench->output, "%s", vital_strerror(error));
        bench->exit_code = EXITS_TROUBLE;
    }
    if (output_error(&bench->output) != 0)
        bench->exit_code = output_broken(&bench->output);
    int result = bench->exit_code;
    vital_loop_destroy(bench->loop);
    if (bench->signals >= 0)
        close(bench->signals);
    free(bench->conns);
    free(bench->active);
    free(bench->sent_us);
    free(bench->payload);
    free(bench);
    return result;
}
