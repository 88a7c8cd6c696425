/*
 * Where a client's streams come from: its target, or a proxy, is dialled, and what
 * answers is led through that and into TLS, if the target says so. When to try,
 * when to give up and when to come back is the engine's affair; this file only does
 * what it is asked.
 */
#include <vital/vital.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conn.h"
#include "dial.h"
#include "passage.h"
#include "string_list.h"
#include "target.h"
#include "trust.h"

struct client {
    vital_conn conn; /* first */
    vital_policy policy;
    vital_events events;
    vt_conn_owner owner; /* of the connection, as we are */
    vt_target target;
    char **texts; /* owned, as the next: what the policy points to */
    char **subprotocols;
    vt_proxy proxy;     /* owned; used if the way has it */
    vt_passage_way way; /* of this attempt; owned: its proxy_tls */
    vt_dial *dial;      /* while there is no stream */
    vt_passage passage; /* while there is, and the server cannot be asked yet */
    vt_address address; /* that was reached */
    vt_address from;    /* ours; of size 0: as the system picks */
    vt_resident resident;
};

static struct client *client_of(vital_conn *conn)
{
    return (struct client *)conn;
}

static vital_clock clock_of(const struct client *client)
{
    return vt_loop_clock(client->conn.owner->loop);
}

/* ----------------------------------------------------------------- connecting */

static void on_found(void *owner)
{
    struct client *client = owner;
    client->conn.awake->opening.name_us = vt_conn_phase_us(&client->conn);
    vital_engine_awaits(client->conn.awake->engine, "no address answered within the time limit");
}

/* What it would mean if time ran out now. */
static void await_passage(struct client *client, bool proxied)
{
    static const char proxy[] = "the proxy did not let us through within the time limit";
    static const char tls[] = "the server accepted the connection but did not finish the TLS "
                              "handshake within the time limit";
    vital_engine_awaits(client->conn.awake->engine, proxied ? proxy : tls);
}

static void on_passed(void *owner, vt_passage_step step)
{
    struct client *client = owner;
    vital_conn *conn = &client->conn;
    switch (step) {
    case VT_PASSAGE_PROXIED:
        conn->awake->opening.proxy_us = vt_conn_phase_us(conn);
        await_passage(client, false);
        break;
    case VT_PASSAGE_SECURED:
        conn->awake->opening.tls_us = vt_conn_phase_us(conn);
        break;
    case VT_PASSAGE_THROUGH:
        conn->awake->relayed = client->way.proxy != NULL;
        vt_conn_adopt(conn, &client->address);
        vital_engine_connected(conn->awake->engine, clock_of(client));
        break;
    }
}

static void on_blocked(void *owner, const vital_failure *failure)
{
    struct client *client = owner;
    vital_engine_failed(client->conn.awake->engine, clock_of(client), failure);
    vt_conn_touch(&client->conn);
}

static const vt_passage_events PASSAGE_EVENTS = {
    .passed = on_passed,
    .failed = on_blocked,
};

static void on_connected(void *owner, vt_stream *stream, const vt_address *address)
{
    struct client *client = owner;
    vital_conn *conn = &client->conn;
    client->dial = NULL;
    conn->awake->opening.connect_us = vt_conn_phase_us(conn);
    client->address = *address;
    client->passage.events = &PASSAGE_EVENTS;
    client->passage.owner = client;
    await_passage(client, client->way.proxy != NULL);
    vt_passage_start(&client->passage, &conn->transport, stream, &client->way);
}

static void on_failed(void *owner, int error, const char *what)
{
    struct client *client = owner;
    char whole[512];
    client->dial = NULL;
    snprintf(whole, sizeof whole, "%s%s", client->way.proxy != NULL ? "the proxy: " : "", what);
    vital_engine_unreachable(client->conn.awake->engine, clock_of(client), error, whole);
    vt_conn_touch(&client->conn);
}

static const vt_dial_events DIAL_EVENTS = {
    .found = on_found,
    .connected = on_connected,
    .failed = on_failed,
};

/* From here on the request, the TLS and what is shown are those of the target. */
static void aim(struct client *client)
{
    const vt_url *url = vt_target_url(&client->target);
    client->policy.host = url->authority;
    client->policy.path = url->path;
    client->policy.headers = vt_target_headers(&client->target);
    client->way.host = url->host;
    client->way.port = url->port;
    client->way.tls = vt_target_tls(&client->target);
    client->conn.awake->url = url->text;
}

static void dial(struct client *client)
{
    const vt_url *url = vt_target_url(&client->target);
    bool proxied = client->way.proxy != NULL;
    const vt_dial_to to = {
        .socket = url->socket,
        .host = proxied ? client->proxy.host : url->host,
        .port = proxied ? client->proxy.port : url->port,
        .from = client->from.size > 0 ? &client->from : NULL,
    };
    aim(client);
    client->dial = vt_dial_start(client->conn.owner->loop, &to, &DIAL_EVENTS, client);
    if (client->dial == NULL)
        on_failed(client, ENOMEM, "no memory to connect");
}

static void start_connecting(vital_conn *conn)
{
    vt_target_begin(&client_of(conn)->target);
    dial(client_of(conn));
}

static void redirect(vital_conn *conn, const char *location)
{
    struct client *client = client_of(conn);
    const char *why = vt_target_follow(&client->target, location);
    if (why != NULL) {
        vital_engine_unfollowed(conn->awake->engine, clock_of(client), why);
        return;
    }
    dial(client);
}

static void abandon(vital_conn *conn)
{
    struct client *client = client_of(conn);
    vt_dial_cancel(client->dial);
    client->dial = NULL;
    vt_passage_abandon(&client->passage);
}

/* ----------------------------------------------------------------- life cycle */

static void free_client(struct client *client)
{
    vt_target_finish(&client->target);
    vt_proxy_finish(&client->proxy);
    vt_tls_policy_release(client->way.proxy_tls);
    vt_string_list_free(client->texts);
    vt_string_list_free(client->subprotocols);
    free(client);
}

static void bury(vt_grave *grave)
{
    free_client(VT_LIST_OWNER(grave, struct client, conn.grave));
}

static void hear(vt_resident *resident, vital_hint hint)
{
    vt_conn_hint(&VT_LIST_OWNER(resident, struct client, resident)->conn, hint);
}

static void gone(vital_conn *conn)
{
    struct client *client = client_of(conn);
    vital_loop *loop = conn->owner->loop;
    vt_loop_leave(&client->resident);
    abandon(conn);
    vt_conn_finish(conn);
    vt_loop_bury(loop, &conn->grave, bury);
}

static void evict(vt_resident *resident)
{
    gone(&VT_LIST_OWNER(resident, struct client, resident)->conn);
}

/* Copies what the options point to, and completes the policy. */
static int make_policy(struct client *client, vital_loop *loop,
                       const vital_connect_options *options, const char **problem)
{
    const char *const texts[] = {options->heartbeat.text == NULL ? "heartbeat"
                                                                 : options->heartbeat.text,
                                 options->heartbeat.reply, NULL};
    client->texts = vt_string_list_copy(texts);
    client->subprotocols = vt_string_list_copy(options->subprotocols);
    if (client->texts == NULL || client->subprotocols == NULL)
        return VITAL_ENOMEM;
    client->policy = (vital_policy){
        .role = VITAL_CLIENT,
        .heartbeat = options->heartbeat,
        .limits = options->limits,
        .pieces = options->events.piece != NULL,
        .compression = options->compression,
        .reconnect = options->reconnect,
        .host = client->target.asked.authority,
        .path = client->target.asked.path,
        .headers = (const char *const *)client->target.headers,
        .follow = true,
        .stats = vt_loop_stats(loop),
        .breaker = vt_commons_breaker(loop),
        .lulls = vt_commons_lulls(loop),
        .subprotocols = (const char *const *)client->subprotocols,
    };
    client->policy.heartbeat.text = client->texts[0];
    client->policy.heartbeat.reply = client->texts[1];
    if (client->policy.breaker == NULL || client->policy.lulls == NULL)
        return VITAL_ENOMEM;
    client->owner = (vt_conn_owner){
        .loop = loop,
        .commons = vt_commons_of(loop),
        .policy = &client->policy,
        .events = &client->events,
        .connect = start_connecting,
        .redirect = redirect,
        .abandon = abandon,
        .gone = gone,
    };
    if (options->compression.enabled) {
        client->policy.compressor = vt_commons_compressor(loop);
        if (client->policy.compressor == NULL)
            return VITAL_ENOMEM;
    }
    return vital_policy_init(&client->policy, problem);
}

static int take_from(struct client *client, const char *from, const char **problem)
{
    if (from == NULL)
        return 0;
    *problem = "options.from is not a numeric address without a port, such as 192.0.2.7";
    if (!vt_address_numeric(&client->from, from, 0))
        return VITAL_EINVAL;
    *problem = "options.from: a Unix socket is not reached from an address";
    return client->target.asked.socket != NULL ? VITAL_EINVAL : 0;
}

/* What is dialled in place of the target. */
static int make_proxy(struct client *client, vital_loop *loop, const vital_connect_options *options,
                      char problem[VT_TLS_PROBLEM_BYTES])
{
    const char *why;
    if (options->proxy == NULL || options->proxy[0] == '\0')
        return 0;
    int error = vt_proxy_parse(&client->proxy, options->proxy, &why);
    if (error == 0 && client->target.asked.socket != NULL) {
        why = "a Unix socket is not reached through a proxy";
        error = VITAL_EINVAL;
    }
    if (error != 0) {
        snprintf(problem, VT_TLS_PROBLEM_BYTES, "options.proxy: %s", why);
        return error;
    }
    client->way.proxy = &client->proxy;
    client->way.head_bytes = client->policy.limits.header_bytes;
    if (!client->proxy.secure)
        return 0;
    const vt_tls_setup setup = {
        .options = &options->proxy_tls,
        .host = client->proxy.host,
        .trust = vt_trust_of(loop, &options->proxy_tls),
        .peer = "proxy",
    };
    return vt_tls_policy_create(&client->way.proxy_tls, &setup, problem);
}

int vital_connect(vital_conn **out, vital_loop *loop, const vital_connect_options *options)
{
    if (out == NULL || loop == NULL || options == NULL)
        return VITAL_EINVAL;
    *out = NULL;
    if (options->url == NULL)
        return vt_loop_fail(loop, VITAL_EINVAL, "options.url is missing");
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return vt_loop_fail(loop, VITAL_ENOMEM, "out of memory");

    char target_problem[VT_TLS_PROBLEM_BYTES];
    const char *problem = target_problem;
    int error = vt_target_init(&client->target, loop, options, target_problem);
    if (error != 0)
        goto fail;
    error = take_from(client, options->from, &problem);
    if (error != 0)
        goto fail;
    problem = "out of memory";
    error = make_policy(client, loop, options, &problem);
    if (error != 0)
        goto fail;
    problem = target_problem;
    error = make_proxy(client, loop, options, target_problem);
    if (error != 0)
        goto fail;
    problem = "out of memory";
    client->events = options->events;
    error = vt_conn_init(&client->conn, &client->owner);
    if (error != 0)
        goto fail;
    client->conn.user = options->user;
    client->conn.awake->url = client->target.asked.text;
    vt_loop_settle(loop, &client->resident, evict);
    vt_loop_hear(&client->resident, hear);
    vt_loop_watch_network(loop);
    *out = &client->conn;
    return 0;

fail:
    free_client(client);
    return vt_loop_fail(loop, error, "%s", problem);
}
