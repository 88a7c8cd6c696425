/*
 * What is told of all connections: their numbers, to whoever asks, and once a
 * second, while somebody watches, a table of those that came last. A round brings
 * copies home; a second round hands the text that was made of them to the
 * watchers of each worker. Nobody watches, nothing is done.
 */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 200,              /* of the table, and of what a worker tells */
    EVERY_US = 1000 * 1000,  /* tell the watchers */
    SOON_US = 100 * 1000,    /* after the last time, if somebody new is watching */
    SLOW_BYTES = 256 * 1024, /* that a watcher has not taken: it misses a turn */
};

typedef struct row {
    uint64_t id;
    char peer[SERVE_PEER_BYTES];
    int64_t open_us;
    vital_pulse pulse;
    size_t queued;
    bool doubtful;
    serve_hurt hurt;
} row;

/* What one worker tells. */
typedef struct share {
    vital_stats stats;
    uint64_t doubtful;
    uint64_t echoing; /* connections that are in a table, if there is room */
    size_t count;
    row *rows; /* owned; NULL: without memory there is no table */
} share;

typedef struct census {
    serve_round round; /* first */
    bool table;
    serve_counted *counted; /* NULL: it is for the watchers */
    share *shares;          /* owned; one for each worker */
    char *text;             /* owned; once it is written */
} census;

/* ------------------------------------------------------------------------ asking */

static void release(serve_round *round)
{
    census *all = (census *)round;
    for (int i = 0; all->shares != NULL && i < round->origin->serve->worker_count; i++)
        free(all->shares[i].rows);
    free(all->shares);
    free(all->text);
    free(all);
}

static void fill_row(row *out, const serve_client *client)
{
    *out = (row){
        .id = client->id,
        .open_us = client->open_us,
        .queued = vital_conn_queued(client->conn),
        .doubtful = client->doubtful,
        .hurt = serve_hurt_of(client),
    };
    snprintf(out->peer, sizeof out->peer, "%s", vital_conn_peer(client->conn));
    vital_conn_pulse(client->conn, &out->pulse);
}

static void count_worker(serve_round *round, serve_worker *worker)
{
    census *all = (census *)round;
    share *mine = &all->shares[worker->number];
    vital_loop_stats(worker->loop, &mine->stats);
    mine->doubtful = worker->doubtful;
    mine->echoing = worker->open_count[SERVE_ECHO];
    if (!all->table)
        return;
    mine->rows = calloc(ROWS, sizeof *mine->rows);
    const serve_client *client = mine->rows != NULL ? worker->open[SERVE_ECHO] : NULL;
    for (; client != NULL && mine->count < ROWS; client = client->next)
        fill_row(&mine->rows[mine->count++], client);
}

static census *create(serve_worker *origin, void (*done)(serve_round *round))
{
    census *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    all->round = (serve_round){
        .origin = origin, .visit = count_worker, .done = done, .release = release};
    all->shares = calloc((size_t)origin->serve->worker_count, sizeof *all->shares);
    if (all->shares != NULL)
        return all;
    free(all);
    return NULL;
}

static void sum_up(const census *all, vital_stats *stats, uint64_t *doubtful)
{
    *stats = (vital_stats){.open = 0};
    *doubtful = 0;
    for (int i = 0; i < all->round.origin->serve->worker_count; i++) {
        vital_stats_add(stats, &all->shares[i].stats);
        *doubtful += all->shares[i].doubtful;
    }
}

static void tell_asker(serve_round *round)
{
    const census *all = (const census *)round;
    vital_stats stats;
    uint64_t doubtful;
    sum_up(all, &stats, &doubtful);
    if (round->asker != NULL)
        all->counted(round->asker, &stats, doubtful);
    serve_round_finish(round);
}

bool serve_feed_count(serve_client *client, serve_counted *done)
{
    census *all = create(client->worker, tell_asker);
    if (all == NULL)
        return false;
    all->counted = done;
    all->round.asker = client;
    return serve_round_begin(&all->round, client->worker);
}

/* ------------------------------------------------------------------- the watchers */

/* Trailing zeros are left out: most buckets are empty. */
static json_t *json_histogram(const vital_histogram *histogram)
{
    size_t count = VITAL_BUCKETS;
    while (count > 0 && histogram->buckets[count - 1] == 0)
        count--;
    json_t *buckets = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(buckets, json_integer((json_int_t)histogram->buckets[i]));
    return json_pack("{s:I, s:o}", "count", (json_int_t)histogram->count, "buckets", buckets);
}

static json_t *json_causes(const uint64_t counts[VITAL_CAUSE_COUNT])
{
    json_t *causes = json_object();
    for (int cause = 0; cause < VITAL_CAUSE_COUNT; cause++) {
        if (counts[cause] > 0)
            json_object_set_new(causes, vital_cause_name((vital_cause)cause),
                                json_integer((json_int_t)counts[cause]));
    }
    return causes;
}

static json_t *json_stats(const vital_stats *stats)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
                     "open", (json_int_t)stats->open, "opened", (json_int_t)stats->opened, "failed",
                     json_causes(stats->failed), "closed", json_causes(stats->closed), "requests",
                     (json_int_t)stats->requests, "sent", (json_int_t)stats->beats_sent, "answered",
                     (json_int_t)stats->beats_answered, "late", (json_int_t)stats->beats_late,
                     "heard", (json_int_t)stats->beats_heard, "queue",
                     (json_int_t)stats->queue_bytes, "mistakes", (json_int_t)stats->mistakes, "rtt",
                     json_histogram(&stats->rtt), "detection", json_histogram(&stats->detection),
                     "lag", json_histogram(&stats->lag), "stalled_ms",
                     output_ms(stats->stalled_us));
}

static json_t *json_row(const row *from, int64_t now_us)
{
    static const char *const words[] = {
        [SERVE_WELL] = "", [SERVE_FROZEN] = "frozen", [SERVE_SILENCED] = "silenced"};
    return json_pack(
        "{s:I, s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:o}", "id", (json_int_t)from->id,
        "peer", output_text(from->peer), "open_ms", (json_int_t)((now_us - from->open_us) / 1000),
        "rtt_ms", output_ms(from->pulse.rtt_us), "srtt_ms", output_ms(from->pulse.srtt_us),
        "heard_ms", output_whole_ms(from->pulse.heard_ms), "proof_ms",
        output_whole_ms(from->pulse.proof_ms), "sent", (json_int_t)from->pulse.beats_sent,
        "answered", (json_int_t)from->pulse.beats_answered, "queue", (json_int_t)from->queued,
        "doubtful", (int)from->doubtful, "hurt", output_known(words[from->hurt]));
}

static int newest_first(const void *a, const void *b)
{
    const row *const *one = a, *const *other = b;
    return (*one)->id < (*other)->id ? 1 : -1; /* an id is given once */
}

/* The newest of all workers, each of which has told its own newest. */
static json_t *json_table(const census *all)
{
    int workers = all->round.origin->serve->worker_count;
    size_t count = 0;
    const row **rows = calloc((size_t)workers * ROWS, sizeof *rows);
    json_t *table = rows != NULL ? json_array() : NULL;
    for (int i = 0; rows != NULL && i < workers; i++) {
        for (size_t k = 0; k < all->shares[i].count; k++)
            rows[count++] = &all->shares[i].rows[k];
    }
    if (count > 0)
        qsort(rows, count, sizeof *rows, newest_first);
    int64_t now_us = attend_now_us();
    for (size_t i = 0; i < count && i < ROWS; i++)
        json_array_append_new(table, json_row(rows[i], now_us));
    free(rows);
    return table;
}

static char *write_text(const census *all)
{
    serve_state *serve = all->round.origin->serve;
    vital_stats stats;
    uint64_t doubtful, echoing = 0;
    sum_up(all, &stats, &doubtful);
    for (int i = 0; i < serve->worker_count; i++)
        echoing += all->shares[i].echoing;
    int64_t up_us = attend_now_us() - serve->began_us;
    json_t *told = json_pack("{s:I, s:i, s:I, s:I, s:I, s:b, s:o, s:o}", "up_ms",
                             (json_int_t)(up_us / 1000), "loops", serve->worker_count, "echoing",
                             (json_int_t)echoing, "watching",
                             (json_int_t)atomic_load(&serve->watching), "doubtful",
                             (json_int_t)doubtful, "draining", (int)atomic_load(&serve->draining),
                             "stats", json_stats(&stats), "connections", json_table(all));
    char *text = told != NULL ? json_dumps(told, JSON_COMPACT) : NULL;
    json_decref(told);
    return text;
}

static void tell_watchers(serve_round *round, serve_worker *worker)
{
    const census *all = (const census *)round;
    for (serve_client *client = worker->open[SERVE_FEED]; client != NULL; client = client->next) {
        if (vital_conn_queued(client->conn) < SLOW_BYTES)
            vital_send(client->conn, VITAL_TEXT, vital_text(all->text));
    }
}

static void all_told(serve_round *round)
{
    round->origin->serve->feeding = false;
    serve_round_finish(round);
}

static void all_counted(serve_round *round)
{
    census *all = (census *)round;
    all->text = write_text(all);
    if (all->text == NULL) {
        all_told(round);
        return;
    }
    round->visit = tell_watchers;
    round->done = all_told;
    serve_round_again(round);
}

void serve_feed_join(serve_client *client)
{
    serve_state *serve = client->worker->serve;
    atomic_fetch_add(&serve->watching, 1);
    serve_wake(serve);
}

void serve_feed_leave(serve_client *client)
{
    atomic_fetch_sub(&client->worker->serve->watching, 1);
}

int64_t serve_feed_tick(serve_state *serve, int64_t now_us)
{
    if (atomic_load(&serve->watching) == 0)
        return INT64_MAX;
    if (serve->feeding || now_us < serve->fed_us + SOON_US)
        return now_us + SOON_US;
    census *all = create(&serve->workers[0], all_counted);
    serve->fed_us = now_us;
    if (all == NULL)
        return now_us + EVERY_US;
    all->table = true;
    serve->feeding = serve_round_begin(&all->round, &serve->workers[0]);
    return now_us + EVERY_US;
}
