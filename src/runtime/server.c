/*
 * Where a server's streams come from: a listener. A server lends its policy to
 * its connections, counts them, and ends when it is drained or its loop is.
 */
#include <vital/vital.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "close_code.h"
#include "conn.h"
#include "invitation.h"
#include "spread.h"
#include "stats.h"
#include "string_list.h"
#include "turnstile.h"
#include "url.h"
#include "utf8.h"

/* Above the limit of connections; a client of ours reads Retry-After. */
static const char FULL[] = "HTTP/1.1 503 Service Unavailable\r\n"
                           "Retry-After: 30\r\n"
                           "Connection: close\r\n"
                           "Content-Length: 0\r\n\r\n";

struct vital_server {
    vital_loop *loop;
    vital_policy policy;
    vital_turnstile turnstile;
    vital_events events;
    vt_conn_owner owner; /* of its members */
    void *user;
    char **texts; /* owned, as the next two: what the policy points to */
    char **subprotocols;
    char **origins;            /* NULL: the same host and port */
    vital_tls tls;             /* owned copy, to be read again */
    vt_tls_policy *tls_policy; /* NULL: ws:// */
    char url[VT_ADDRESS_TEXT_BYTES + 16];
    vt_listener *listener; /* NULL once draining */
    vt_list members;       /* who was told to go, behind the others */
    size_t count;
    size_t told;      /* of them */
    vt_timer turn;    /* draining: when the next are told; set up with the first spread */
    int64_t until_us; /* by when they all are */
    uint16_t code;    /* what they are told */
    char reason[VT_INVITATION_BYTES];
    void (*drained)(void *arg);
    void *drained_arg;
    vt_task last; /* drained, and nobody left */
    vt_resident resident;
    vt_grave grave;
};

struct member {
    vital_conn conn; /* first */
    vt_list link;    /* in the server's members */
};

static vital_server *server_of(const struct member *member)
{
    return VT_LIST_OWNER(member->conn.owner, vital_server, owner);
}

/* ---------------------------------------------------------------- connections */

static void bury_member(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, struct member, conn.grave));
}

static void member_gone(vital_conn *conn)
{
    struct member *member = (struct member *)conn;
    vital_server *server = server_of(member);
    vt_list_remove(&member->link);
    server->count--;
    server->told -= conn->told;
    vt_conn_finish(conn);
    vt_loop_bury(server->loop, &conn->grave, bury_member);
    if (server->count == 0 && server->listener == NULL)
        vt_task_schedule(&server->last, server->loop);
}

static void accepted(void *owner, vt_stream *stream, const vt_address *peer)
{
    vital_server *server = owner;
    /* In TLS there are no words before a handshake. */
    vital_bytes farewell = {FULL, server->tls_policy == NULL ? sizeof FULL - 1 : 0};
    if (server->count >= (size_t)server->policy.limits.connections)
        goto refuse;
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL)
        goto refuse;
    if (vt_conn_init(&member->conn, &server->owner) != 0) {
        free(member);
        goto refuse;
    }
    member->conn.transport.stream = stream;
    vt_conn_adopt(&member->conn, peer);
    if (server->tls_policy != NULL && vt_conn_secure(&member->conn, server->tls_policy) != 0) {
        vt_conn_finish(&member->conn);
        free(member);
        return;
    }
    member->conn.user = server->user;
    vt_list_init(&member->link);
    vt_list_append(&server->members, &member->link);
    server->count++;
    return;

refuse:
    vt_stats_lost(vt_loop_stats(server->loop), VITAL_OVERFLOW, false);
    vt_stream_close(stream, VT_END_POLITE, farewell);
}

/* ----------------------------------------------------------------- life cycle */

static void free_server(vital_server *server)
{
    vt_string_list_free(server->texts);
    vt_string_list_free(server->subprotocols);
    vt_string_list_free(server->origins);
    vt_tls_policy_release(server->tls_policy);
    vt_tls_options_finish(&server->tls);
    free(server);
}

static void bury_server(vt_grave *grave)
{
    free_server(VT_LIST_OWNER(grave, vital_server, grave));
}

static void last_is_gone(void *owner)
{
    vital_server *server = owner;
    vt_loop_leave(&server->resident);
    vt_timer_finish(&server->turn, server->loop);
    vt_loop_bury(server->loop, &server->grave, bury_server);
    if (server->drained != NULL)
        server->drained(server->drained_arg);
}

static void evict(vt_resident *resident)
{
    vital_server *server = VT_LIST_OWNER(resident, vital_server, resident);
    if (server->listener != NULL)
        vt_listener_close(server->listener);
    server->listener = NULL;
    while (!vt_list_empty(&server->members))
        member_gone(&VT_LIST_OWNER(server->members.next, struct member, link)->conn);
    vt_task_finish(&server->last);
    vt_timer_finish(&server->turn, server->loop);
    vt_loop_bury(server->loop, &server->grave, bury_server);
}

/* That a network has come up is no news to who is reached through another one. */
static void hear(vt_resident *resident, vital_hint hint)
{
    vital_server *server = VT_LIST_OWNER(resident, vital_server, resident);
    if (hint != VITAL_HINT_RESUMED)
        return;
    for (vt_list *link = server->members.next; link != &server->members; link = link->next)
        vt_conn_hint(&VT_LIST_OWNER(link, struct member, link)->conn, hint);
}

static int make_policy(vital_server *server, const vital_listen_options *options,
                       const char **problem)
{
    const char *const texts[] = {options->heartbeat.text == NULL ? "heartbeat"
                                                                 : options->heartbeat.text,
                                 options->heartbeat.reply, NULL};
    server->texts = vt_string_list_copy(texts);
    server->subprotocols = vt_string_list_copy(options->subprotocols);
    if (options->origins != NULL)
        server->origins = vt_string_list_copy(options->origins);
    if (server->texts == NULL || server->subprotocols == NULL ||
        (options->origins != NULL && server->origins == NULL))
        return VITAL_ENOMEM;
    server->policy = (vital_policy){
        .role = VITAL_SERVER,
        .heartbeat = options->heartbeat,
        .limits = options->limits,
        .pieces = options->events.piece != NULL,
        .compression = options->compression,
        .subprotocols = (const char *const *)server->subprotocols,
        .origins = (const char *const *)server->origins,
        .secure = options->tls.cert_file != NULL,
        .ask = options->events.accept != NULL,
        .http = options->events.http != NULL,
        .turnstile = &server->turnstile,
        .stats = vt_loop_stats(server->loop),
        .breaker = vt_commons_breaker(server->loop),
        .lulls = vt_commons_lulls(server->loop),
    };
    server->policy.heartbeat.text = server->texts[0];
    server->policy.heartbeat.reply = server->texts[1];
    if (server->policy.breaker == NULL || server->policy.lulls == NULL)
        return VITAL_ENOMEM;
    server->owner = (vt_conn_owner){
        .loop = server->loop,
        .commons = vt_commons_of(server->loop),
        .policy = &server->policy,
        .events = &server->events,
        .gone = member_gone,
    };
    if (options->compression.enabled) {
        server->policy.compressor = vt_commons_compressor(server->loop);
        if (server->policy.compressor == NULL)
            return VITAL_ENOMEM;
    }
    return vital_policy_init(&server->policy, problem);
}

/* From its own options, or as they are again. */
static int make_tls(vt_tls_policy **out, vital_server *server)
{
    char problem[VT_TLS_PROBLEM_BYTES];
    const vt_tls_setup setup = {.server = true, .options = &server->tls, .peer = "client"};
    int error = vt_tls_policy_create(out, &setup, problem);
    return error == 0 ? 0 : vt_loop_fail(server->loop, error, "%s", problem);
}

static bool wants_tls(const vital_tls *tls)
{
    return tls->cert_file != NULL || tls->key_file != NULL || tls->ca_file != NULL ||
           tls->crl_file != NULL || tls->server_name != NULL || tls->insecure || tls->cert_optional;
}

static int set_up_tls(vital_server *server, const vital_tls *options, const vt_address *address)
{
    if (!wants_tls(options))
        return 0;
    if (address->any.sa_family == AF_UNIX)
        return vt_loop_fail(server->loop, VITAL_EINVAL,
                            "a Unix socket needs no TLS, and has none here: options.tls must be "
                            "empty");
    if (!vt_tls_options_copy(&server->tls, options))
        return vt_loop_fail(server->loop, VITAL_ENOMEM, "out of memory");
    return make_tls(&server->tls_policy, server);
}

static int make_address(vt_address *out, const char *text, const char **problem)
{
    vt_url url = {.port = 0};
    int error = vt_url_parse_address(&url, text, problem);
    if (error != 0)
        return error;
    bool fits = url.socket != NULL ? vt_address_unix(out, url.socket)
                                   : vt_address_numeric(out, url.host, url.port);
    vt_url_finish(&url);
    if (fits)
        return 0;
    *problem = "this address cannot be listened on: write a numeric address and a port, such as "
               "127.0.0.1:9001, or unix:/path/of/socket";
    return VITAL_EINVAL;
}

static int start_listening(vital_server *server, const vt_address *address, bool share_port)
{
    vt_address bound;
    char text[VT_ADDRESS_TEXT_BYTES];
    server->listener = vt_listener_open(server->loop, address, share_port, accepted, server,
                                        &bound);
    if (server->listener == NULL) {
        int error = errno;
        vt_address_text(text, address);
        vt_loop_fail(server->loop, VITAL_ESYSTEM, "cannot listen on %s: %s", text, strerror(error));
        errno = error;
        return VITAL_ESYSTEM;
    }
    vt_address_text(text, &bound);
    if (bound.any.sa_family == AF_UNIX)
        snprintf(server->url, sizeof server->url, "ws+%s", text);
    else
        snprintf(server->url, sizeof server->url, "%s://%s/",
                 server->tls_policy != NULL ? "wss" : "ws", text);
    return 0;
}

int vital_listen(vital_server **out, vital_loop *loop, const vital_listen_options *options)
{
    if (out == NULL || loop == NULL || options == NULL)
        return VITAL_EINVAL;
    *out = NULL;
    if (options->address == NULL)
        return vt_loop_fail(loop, VITAL_EINVAL, "options.address is missing");
    vital_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return vt_loop_fail(loop, VITAL_ENOMEM, "out of memory");
    server->loop = loop;
    server->events = options->events;
    server->user = options->user;
    vt_list_init(&server->members);
    vt_task_init(&server->last, last_is_gone, server);

    const char *problem = "out of memory";
    vt_address address;
    int error = make_address(&address, options->address, &problem);
    if (error != 0) {
        vt_loop_fail(loop, error, "cannot listen on %s: %s", options->address, problem);
        goto fail;
    }
    error = make_policy(server, options, &problem);
    if (error != 0) {
        vt_loop_fail(loop, error, "%s", problem);
        goto fail;
    }
    error = set_up_tls(server, &options->tls, &address);
    if (error != 0)
        goto fail;
    error = start_listening(server, &address, options->share_port);
    if (error != 0)
        goto fail;
    vt_loop_settle(loop, &server->resident, evict);
    vt_loop_hear(&server->resident, hear);
    *out = server;
    return 0;

fail:
    free_server(server);
    return error;
}

const char *vital_server_url(const vital_server *server)
{
    return server->url;
}

size_t vital_server_count(const vital_server *server)
{
    return server->count;
}

int vital_server_reload_tls(vital_server *server)
{
    vt_tls_policy *renewed;
    if (server == NULL)
        return VITAL_EINVAL;
    if (server->tls_policy == NULL)
        return vt_loop_fail(server->loop, VITAL_ESTATE, "this server speaks no TLS");
    int error = make_tls(&renewed, server);
    if (error != 0)
        return error;
    vt_tls_policy_release(server->tls_policy); /* whom it serves holds it */
    server->tls_policy = renewed;
    return 0;
}

/* --------------------------------------------------------------------- draining */

static const char *drain_problem(const vital_drain *drain)
{
    const bool window = drain->retry_within_ms != 0 || drain->retry_from_ms != 0;
    const size_t size = drain->reason != NULL ? strlen(drain->reason) : 0;
    if (drain->code != 0 && !vt_close_code_valid(drain->code))
        return "drain.code is none that a close frame can have";
    if (size >= VT_INVITATION_BYTES || !vt_utf8_valid(drain->reason, size))
        return "drain.reason is not UTF-8 of at most 123 bytes";
    if (drain->spread_ms < 0 || drain->retry_from_ms < 0 || drain->retry_within_ms < 0)
        return "a time of drain is negative";
    if (drain->retry_from_ms > drain->retry_within_ms)
        return "drain.retry_from_ms is above drain.retry_within_ms";
    if (drain->retry_within_ms > VT_INVITATION_MAX_S * 1000)
        return "drain.retry_within_ms is above 999 s, which an invitation cannot say";
    if (window && drain->code != 0 && drain->code != VT_CLOSE_GOING_AWAY &&
        drain->code != VT_CLOSE_SERVICE_RESTART && drain->code != VT_CLOSE_TRY_AGAIN_LATER)
        return "a window to come back needs drain.code 1001, 1012 or 1013: after others no client "
               "looks for one";
    return NULL;
}

/* Whose turn it is. They are told in the order in which they came. */
static void tell_some(void *owner)
{
    vital_server *server = owner;
    int64_t next_us;
    size_t due = vt_spread_due(server->count - server->told, server->until_us,
                               vt_loop_clock_now(server->loop).now_us, &next_us);
    for (; due > 0; due--) {
        struct member *member = VT_LIST_OWNER(server->members.next, struct member, link);
        vt_list_append(&server->members, &member->link);
        member->conn.told = true;
        server->told++;
        vital_close(&member->conn, server->code, server->reason);
    }
    if (next_us != INT64_MAX)
        vt_timer_arm(&server->turn, server->loop, next_us);
}

static int whole_seconds(int ms)
{
    return ms / 1000 + (ms % 1000 > 0);
}

static void note_goodbye(vital_server *server, const vital_drain *drain)
{
    server->code = drain->code != 0 ? drain->code : VT_CLOSE_GOING_AWAY;
    if (drain->retry_within_ms > 0)
        vt_invitation_write(server->reason, drain->reason, whole_seconds(drain->retry_from_ms),
                            whole_seconds(drain->retry_within_ms));
    else if (drain->reason != NULL)
        snprintf(server->reason, sizeof server->reason, "%s", drain->reason);
}

int vital_server_drain(vital_server *server, const vital_drain *drain, void (*drained)(void *arg),
                       void *arg)
{
    if (server == NULL || drain == NULL)
        return VITAL_EINVAL;
    const char *problem = drain_problem(drain);
    if (problem != NULL)
        return vt_loop_fail(server->loop, VITAL_EINVAL, "%s", problem);
    if (server->listener == NULL)
        return vt_loop_fail(server->loop, VITAL_ESTATE, "this server is draining already");
    vt_listener_close(server->listener);
    server->listener = NULL;
    server->drained = drained;
    server->drained_arg = arg;
    note_goodbye(server, drain);
    server->until_us = vt_loop_clock_now(server->loop).now_us;
    /* Without memory for a timer they go at once. */
    if (drain->spread_ms > 0 && vt_timer_init(&server->turn, server->loop, tell_some, server) == 0)
        server->until_us += (int64_t)drain->spread_ms * 1000;
    tell_some(server);
    if (server->count == 0)
        vt_task_schedule(&server->last, server->loop);
    return 0;
}
