/*
 * The connections of `vital serve`: which of its few paths they want, their echo,
 * and what is said of them when they come and go. Every path is the echo, but
 * those of the page's own.
 */
#include "serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

/* --------------------------------------------------------------- who they are */

static void enlist(serve_client *client)
{
    serve_client **list = &client->worker->open[client->role];
    client->next = *list;
    if (client->next != NULL)
        client->next->previous = client;
    *list = client;
    client->worker->open_count[client->role]++;
}

static void strike_off(serve_client *client)
{
    if (client->next != NULL)
        client->next->previous = client->previous;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        client->worker->open[client->role] = client->next;
    client->worker->open_count[client->role]--;
}

static void set_doubtful(serve_client *client, bool doubtful)
{
    if (client->doubtful == doubtful)
        return;
    client->doubtful = doubtful;
    client->worker->doubtful += doubtful ? 1 : UINT64_MAX;
}

/* Lower-case hexadecimal of the whole length, or nothing. False without memory. */
static bool take_key(serve_client *client, const vital_request *request)
{
    char key[SERVE_KEY_BYTES + 1];
    if (!vital_request_parameter(request, "key", key, sizeof key) ||
        strspn(key, "0123456789abcdef") != SERVE_KEY_BYTES)
        return true;
    client->page = calloc(1, sizeof *client->page);
    if (client->page != NULL)
        memcpy(client->page->key, key, sizeof key);
    return client->page != NULL;
}

static int on_accept(vital_conn *conn, const vital_request *request)
{
    const serve_client *nobody = vital_user(conn);
    const serve_settings *settings = nobody->worker->serve->settings;
    const char *path = vital_request_path(request);
    serve_role role = SERVE_ECHO;
    if (strcmp(path, "/vital/feed") == 0) {
        if (!serve_web_may_watch(conn, request))
            return 403;
        role = SERVE_FEED;
    } else if (strcmp(path, "/vital/demo") == 0) {
        if (!settings->demo)
            return serve_web_refuse(conn, 403, "connections can be hurt only with --demo");
        role = SERVE_DEMO;
    }
    serve_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        goto fail;
    client->worker = nobody->worker;
    client->conn = conn;
    client->role = (uint8_t)role;
    if (settings->demo && role == SERVE_ECHO && !take_key(client, request))
        goto fail;
    vital_set_user(conn, client);
    return 0;

fail:
    free(client);
    return serve_web_refuse(conn, 503, "out of memory");
}

static void log_open(const serve_client *client, uint64_t here)
{
    serve_state *serve = client->worker->serve;
    bool compressed = vital_conn_compressed(client->conn);
    vital_tls_facts tls;
    if (serve->settings->quiet)
        return;
    const char *peer = vital_conn_peer(client->conn);
    vital_conn_tls(client->conn, &tls);
    if (serve->settings->json)
        output_event(&serve->output,
                     json_pack("{s:s, s:I, s:o, s:b, s:o, s:o, s:I}", "event", "open", "id",
                               (json_int_t)client->id, "peer", output_text(peer), "compressed",
                               (int)compressed, "tls", output_known(tls.version), "certificate",
                               output_known(tls.peer), "connections", (json_int_t)here));
    output_note(&serve->output, OUTPUT_GOOD, "open #%" PRIu64 " %s%s%s (%s)%s", client->id, peer,
                tls.peer[0] != '\0' ? ", " : "", tls.peer, words_count(here, "connection").text,
                compressed ? ", compressed" : "");
}

static void on_open(vital_conn *conn, bool resumed)
{
    serve_client *client = vital_user(conn);
    serve_state *serve = client->worker->serve;
    (void)resumed;
    client->id = atomic_fetch_add(&serve->last_id, 1) + 1;
    client->open_us = attend_now_us();
    enlist(client);
    log_open(client, atomic_fetch_add(&serve->here, 1) + 1);
    if (client->role == SERVE_FEED)
        serve_feed_join(client);
}

static void on_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    serve_client *client = vital_user(conn);
    serve_state *serve = client->worker->serve;
    set_doubtful(client, health == VITAL_DOUBTFUL);
    if (!serve->settings->json || serve->settings->quiet)
        return;
    vital_verdict suspicion;
    bool suspected = vital_conn_suspicion(conn, &suspicion);
    json_t *event = output_health(health, pulse, suspected ? &suspicion : NULL);
    if (event != NULL)
        json_object_set_new(event, "id", json_integer((json_int_t)client->id));
    output_event(&serve->output, event);
}

/* ---------------------------------------------------------------- what they say */

/* Keeps the echo that has no place in the queue. False without memory. */
static bool keep_echo(serve_client *client, vital_kind kind, vital_bytes message)
{
    free(client->echo);
    client->echo = malloc(sizeof *client->echo + message.size);
    if (client->echo == NULL)
        return false;
    client->echo->kind = kind;
    client->echo->size = message.size;
    if (message.size > 0)
        memcpy(client->echo->bytes, message.data, message.size);
    return true;
}

/* A client that writes faster than it reads is read no faster than it reads. */
static void echo(serve_client *client, vital_kind kind, vital_bytes message)
{
    int error = vital_send(client->conn, kind, message);
    if (error == VITAL_EFULL && keep_echo(client, kind, message)) {
        vital_pause(client->conn, true);
        return;
    }
    if (error == 0 || error == VITAL_ECLOSED) /* a closing connection is owed no echo */
        return;
    output_problem(&client->worker->serve->output,
                   "#%" PRIu64 " cannot be sent an echo, so it is closed: %s", client->id,
                   vital_strerror(error));
    vital_close(client->conn, SERVE_INTERNAL_ERROR, "the echo could not be sent");
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    serve_client *client = vital_user(conn);
    if (client->role == SERVE_ECHO)
        echo(client, kind, message);
    else if (client->role == SERVE_DEMO && kind == VITAL_TEXT)
        serve_demo_order(client, message);
    else
        vital_close(conn, SERVE_POLICY, "nothing is to be said here");
}

static void on_drain(vital_conn *conn)
{
    serve_client *client = vital_user(conn);
    serve_kept *kept = client->echo;
    client->echo = NULL;
    vital_pause(conn, serve_hurt_of(client) != SERVE_WELL);
    if (kept != NULL)
        echo(client, kept->kind, (vital_bytes){kept->bytes, kept->size});
    free(kept);
}

/* ------------------------------------------------------------- how they have gone */

/* A page that was loaded and a health check that went well are no news. */
static bool is_news(const serve_client *client, const vital_verdict *verdict)
{
    return client->id > 0 || verdict->status == 0 || verdict->status >= 400;
}

static void log_close(const serve_client *client, const vital_verdict *verdict)
{
    serve_state *serve = client->worker->serve;
    if (serve->settings->quiet || !is_news(client, verdict))
        return;
    const char *peer = client->id > 0 ? vital_conn_peer(client->conn) : "";
    if (serve->settings->json) {
        json_t *event = output_verdict(verdict);
        if (event != NULL && client->id > 0) {
            json_object_set_new(event, "id", json_integer((json_int_t)client->id));
            json_object_set_new(event, "peer", output_text(peer));
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
                    peer, words_span(verdict->open_ms).text, cause, verdict->text);
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    serve_client *client = vital_user(conn);
    log_close(client, verdict);
    if (client == &client->worker->nobody)
        return;
    if (client->id > 0) {
        strike_off(client);
        set_doubtful(client, false);
        atomic_fetch_sub(&client->worker->serve->here, 1);
        serve_demo_forget(client);
        if (client->role == SERVE_FEED)
            serve_feed_leave(client);
    }
    if (client->round != NULL)
        client->round->asker = NULL;
    free(client->echo);
    free(client->page);
    free(client);
}

const vital_events SERVE_EVENTS = {
    .accept = on_accept,
    .http = serve_web_answer,
    .open = on_open,
    .message = on_message,
    .health = on_health,
    .drain = on_drain,
    .close = on_close,
};
