/*
 * --demo: whoever looks at the page may hurt a connection of their own, to see
 * what becomes of it. Which one that is, is said by a name of 128 random bits that
 * the page gave it when it opened it (?key=...), and told nobody else.
 *
 *   freeze    nothing of it is read or answered, until it is released, or for the
 *             time that was asked for: as if this program had stopped
 *   silence   the same, but there is no release: as if all packets were dropped
 *             on the way. After that time it is cut
 *   release   it is read again, and what has come is answered
 *   cut       its stream ends without a goodbye
 *
 * An order is {"do": "freeze", "key": "...", "ms": 5000}, where ms may be missing and
 * is a minute at most; its answer has "done": true, or false and "why".
 */
#include "serve.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_MS = 60 * 1000, /* that anybody stays hurt */
    EVERY_US = 250 * 1000,  /* look for who is to be released */
};

typedef enum deed { FREEZE, SILENCE, RELEASE, CUT, DEEDS } deed;

static const char *const deed_words[] = {
    [FREEZE] = "freeze", [SILENCE] = "silence", [RELEASE] = "release", [CUT] = "cut"};

typedef struct order {
    serve_round round; /* first */
    deed what;
    int64_t ms;
    char key[SERVE_KEY_BYTES + 1];
    bool *found; /* owned; of each worker */
} order;

/* --------------------------------------------------------------------- the hurting */

static void set_hurt(serve_client *client, serve_hurt hurt, int64_t ms)
{
    bool was_hurt = serve_hurt_of(client) != SERVE_WELL, is_hurt = hurt != SERVE_WELL;
    if (client->page == NULL)
        return;
    client->page->hurt = hurt;
    client->page->hurt_until_us = attend_now_us() + ms * 1000;
    if (was_hurt == is_hurt)
        return;
    client->worker->hurt += is_hurt ? 1 : UINT64_MAX;
    if (is_hurt)
        atomic_fetch_add(&client->worker->serve->hurting, 1);
    else
        atomic_fetch_sub(&client->worker->serve->hurting, 1);
}

static void release_client(serve_client *client)
{
    set_hurt(client, SERVE_WELL, 0);
    if (client->echo == NULL) /* else its echo has to leave first */
        vital_pause(client->conn, false);
}

static void hurt(serve_client *client, deed what, int64_t ms)
{
    switch (what) {
    case FREEZE:
    case SILENCE:
        set_hurt(client, what == FREEZE ? SERVE_FROZEN : SERVE_SILENCED, ms);
        vital_pause(client->conn, true);
        serve_wake(client->worker->serve);
        break;
    case RELEASE:
        if (serve_hurt_of(client) == SERVE_FROZEN)
            release_client(client);
        break;
    case CUT:
        vital_cut(client->conn);
        break;
    case DEEDS:
        break;
    }
}

void serve_demo_forget(serve_client *client)
{
    set_hurt(client, SERVE_WELL, 0);
}

static void end_hurts(void *arg)
{
    serve_worker *worker = arg;
    int64_t now_us = attend_now_us();
    if (worker->hurt == 0)
        return;
    for (serve_client *client = worker->open[SERVE_ECHO]; client != NULL; client = client->next) {
        if (serve_hurt_of(client) == SERVE_WELL || now_us < client->page->hurt_until_us)
            continue;
        if (serve_hurt_of(client) == SERVE_FROZEN)
            release_client(client);
        else
            vital_cut(client->conn);
    }
}

int64_t serve_demo_tick(serve_state *serve, int64_t now_us)
{
    if (atomic_load(&serve->hurting) == 0)
        return INT64_MAX;
    serve_workers_tell(serve, end_hurts);
    return now_us + EVERY_US;
}

/* ------------------------------------------------------------------------ the orders */

static void answer(vital_conn *conn, const char *what, const char *why)
{
    json_t *told = json_pack("{s:o, s:b, s:o}", "do", output_known(what), "done", why == NULL,
                             "why", output_known(why != NULL ? why : ""));
    char *text = told != NULL ? json_dumps(told, JSON_COMPACT) : NULL;
    if (text != NULL)
        vital_send(conn, VITAL_TEXT, vital_text(text));
    free(text);
    json_decref(told);
}

static void obey(serve_round *round, serve_worker *worker)
{
    order *given = (order *)round;
    for (serve_client *client = worker->open[SERVE_ECHO]; client != NULL; client = client->next) {
        if (client->page == NULL || !vital_secret_matches(client->page->key, given->key))
            continue;
        given->found[worker->number] = true;
        hurt(client, given->what, given->ms);
        return;
    }
}

static void report(serve_round *round)
{
    const order *given = (const order *)round;
    bool found = false;
    for (int i = 0; i < round->origin->serve->worker_count; i++)
        found = found || given->found[i];
    if (round->asker != NULL)
        answer(round->asker->conn, deed_words[given->what],
               found ? NULL : "there is no such connection, or no longer");
    serve_round_finish(round);
}

static void release(serve_round *round)
{
    order *given = (order *)round;
    free(given->found);
    free(given);
}

/* A copy goes round; `what` of it is all that is set. False without memory. */
static bool begin(serve_client *from, const order *what)
{
    order *given = malloc(sizeof *given);
    if (given == NULL)
        return false;
    *given = *what;
    given->round = (serve_round){
        .origin = from->worker, .visit = obey, .done = report, .release = release, .asker = from};
    given->found = calloc((size_t)from->worker->serve->worker_count, sizeof *given->found);
    if (given->found != NULL)
        return serve_round_begin(&given->round, from->worker);
    free(given);
    return false;
}

static deed deed_of(const char *word)
{
    deed what = FREEZE;
    while (what < DEEDS && strcmp(word, deed_words[what]) != 0)
        what++;
    return what;
}

/* NULL, or what is wrong with it. */
static const char *read_order(order *out, const char *word, const char *key, json_int_t ms)
{
    out->what = deed_of(word);
    out->ms = ms;
    if (out->what == DEEDS)
        return "what can be done is freeze, silence, release and cut";
    if (strlen(key) != SERVE_KEY_BYTES)
        return "the key is what the connection was opened with: /?key= and 32 hexadecimal digits";
    if (ms < 1 || ms > LONGEST_MS)
        return "ms is from 1 to 60000";
    memcpy(out->key, key, sizeof out->key);
    return NULL;
}

void serve_demo_order(serve_client *from, vital_bytes text)
{
    order given = {.what = DEEDS};
    const char *word = "", *key = "";
    const char *why = "an order is {\"do\": \"freeze\", \"key\": \"...\", \"ms\": 5000}";
    json_int_t ms = LONGEST_MS;
    json_t *told = json_loadb(text.data, text.size, 0, NULL);
    if (told != NULL &&
        json_unpack(told, "{s:s, s:s, s?I}", "do", &word, "key", &key, "ms", &ms) == 0)
        why = read_order(&given, word, key, ms);
    if (why == NULL && from->round != NULL)
        why = "one order at a time";
    if (why == NULL && !begin(from, &given))
        why = "out of memory";
    if (why != NULL)
        answer(from->conn, word, why);
    json_decref(told);
}
