/*
 * Options become a policy: the defaults put in place, and everything that is
 * wrong said in a sentence before anything is opened.
 */
#include <limits.h>

#include <vital/engine.h>

#include "extension.h"
#include "handshake.h"
#include "origin.h"
#include "url.h"
#include "utf8.h"

enum {
    DEFAULT_INTERVAL_MS = 25 * 1000, /* two chances inside the shortest common
                                        idle limit of a proxy, 55 s */
    DEFAULT_MESSAGE_BYTES = 1024 * 1024,
    DEFAULT_QUEUE_BYTES = 1024 * 1024,
    DEFAULT_HEADER_BYTES = 8 * 1024,
    DEFAULT_OPEN_MS = 10 * 1000,
    DEFAULT_CLOSE_MS = 5 * 1000,
    DEFAULT_MESSAGE_MS = 60 * 1000,
    SLOW_BYTES_A_MS = 16, /* what a bad mobile network still has */
    DEFAULT_SEND_MS = 60 * 1000,
    DEFAULT_CONTROL_PER_S = 20,
    DEFAULT_CONNECTIONS = 100 * 1000,
    DEFAULT_OPENS_PER_S = 20 * 1000, /* more than a loop can shake hands with */
    DEFAULT_FIRST_MS = 2 * 1000,
    DEFAULT_MIN_MS = 500,
    DEFAULT_MAX_MS = 60 * 1000,
    DEFAULT_STABLE_MS = 30 * 1000,
    /* Of 128 bytes of JSON a seventh is saved, for 9 us; of 256 half, for 10 us. */
    DEFAULT_LEAST_BYTES = 256,
    BEAT_TEXT_MAX_BYTES = 125, /* as a ping's: a beat is small */
    MESSAGE_MAX_BYTES = INT_MAX,
    MAX_PER_S = 1000 * 1000, /* a microsecond each */
};

static const char *const NO_NAMES[] = {NULL};

static const char *complete_heartbeat(vital_heartbeat *heartbeat, vital_role role)
{
    if ((unsigned)heartbeat->kind > VITAL_BEAT_NONE)
        return "heartbeat.kind is none of VITAL_BEAT_PING, VITAL_BEAT_TEXT and VITAL_BEAT_NONE";
    if (heartbeat->interval_ms < VITAL_NEVER || heartbeat->answer_ms < VITAL_NEVER)
        return "a heartbeat's time is negative";
    if (heartbeat->interval_ms == 0)
        heartbeat->interval_ms = DEFAULT_INTERVAL_MS;
    if (heartbeat->text == NULL)
        heartbeat->text = "heartbeat";
    if (heartbeat->reply == NULL)
        heartbeat->reply = heartbeat->text;

    size_t text_bytes = strlen(heartbeat->text);
    size_t reply_bytes = strlen(heartbeat->reply);
    if (text_bytes > BEAT_TEXT_MAX_BYTES || reply_bytes > BEAT_TEXT_MAX_BYTES)
        return "a heartbeat's text is longer than 125 bytes";
    if (!vt_utf8_valid(heartbeat->text, text_bytes) ||
        !vt_utf8_valid(heartbeat->reply, reply_bytes))
        return "a heartbeat's text is not valid UTF-8";
    if (heartbeat->kind == VITAL_BEAT_TEXT && (text_bytes == 0 || reply_bytes == 0))
        return "a heartbeat by text needs a text";
    if (heartbeat->kind == VITAL_BEAT_TEXT && role == VITAL_SERVER &&
        strcmp(heartbeat->text, heartbeat->reply) == 0)
        return "a server that beats by text needs a reply that differs from it: a client that "
               "beats by the same text would be taken for answering";
    return NULL;
}

static const char *complete_limits(vital_limits *limits)
{
    if (limits->open_ms < 0 || limits->close_ms < 0 || limits->control_per_s < 0 ||
        limits->connections < 0 || limits->opens_per_s < 0 || limits->message_ms < 0 ||
        limits->send_ms < 0)
        return "a limit is negative";
    if (limits->message_bytes > MESSAGE_MAX_BYTES || limits->queue_bytes > MESSAGE_MAX_BYTES ||
        limits->header_bytes > MESSAGE_MAX_BYTES)
        return "a limit is above 2 GiB";
    if (limits->control_per_s > MAX_PER_S || limits->opens_per_s > MAX_PER_S)
        return "a limit a second is above a million";
    if (limits->message_bytes == 0)
        limits->message_bytes = DEFAULT_MESSAGE_BYTES;
    if (limits->queue_bytes == 0)
        limits->queue_bytes = DEFAULT_QUEUE_BYTES;
    if (limits->header_bytes == 0)
        limits->header_bytes = DEFAULT_HEADER_BYTES;
    if (limits->open_ms == 0)
        limits->open_ms = DEFAULT_OPEN_MS;
    if (limits->close_ms == 0)
        limits->close_ms = DEFAULT_CLOSE_MS;
    if (limits->control_per_s == 0)
        limits->control_per_s = DEFAULT_CONTROL_PER_S;
    if (limits->connections == 0)
        limits->connections = DEFAULT_CONNECTIONS;
    if (limits->opens_per_s == 0)
        limits->opens_per_s = DEFAULT_OPENS_PER_S;
    if (limits->message_ms == 0)
        limits->message_ms = DEFAULT_MESSAGE_MS + (int)(limits->message_bytes / SLOW_BYTES_A_MS);
    if (limits->send_ms == 0)
        limits->send_ms = DEFAULT_SEND_MS;
    return NULL;
}

static const char *complete_reconnect(vital_reconnect *reconnect)
{
    if (reconnect->first_ms < 0 || reconnect->min_ms < 0 || reconnect->max_ms < 0 ||
        reconnect->stable_ms < 0)
        return "a time of reconnect is negative";
    if (reconnect->max_ms == 0)
        reconnect->max_ms = reconnect->min_ms > DEFAULT_MAX_MS ? reconnect->min_ms : DEFAULT_MAX_MS;
    if (reconnect->min_ms == 0)
        reconnect->min_ms = reconnect->max_ms < DEFAULT_MIN_MS ? reconnect->max_ms : DEFAULT_MIN_MS;
    if (reconnect->first_ms == 0)
        reconnect->first_ms = DEFAULT_FIRST_MS < reconnect->max_ms ? DEFAULT_FIRST_MS
                                                                   : reconnect->max_ms;
    if (reconnect->min_ms > reconnect->max_ms)
        return "reconnect.min_ms is above reconnect.max_ms";
    if (reconnect->stable_ms == 0)
        reconnect->stable_ms = DEFAULT_STABLE_MS;
    return NULL;
}

static const char *complete_compression(vital_compression *compression)
{
    if (compression->window_bits == 0)
        compression->window_bits = VT_WINDOW_BITS_MOST;
    if (compression->peer_window_bits == 0)
        compression->peer_window_bits = VT_WINDOW_BITS_MOST;
    if (compression->least_bytes == 0)
        compression->least_bytes = DEFAULT_LEAST_BYTES;
    if (compression->window_bits <= VT_WINDOW_BITS_LEAST ||
        compression->window_bits > VT_WINDOW_BITS_MOST)
        return "compression.window_bits is not from 9 to 15";
    if (compression->peer_window_bits < VT_WINDOW_BITS_LEAST ||
        compression->peer_window_bits > VT_WINDOW_BITS_MOST)
        return "compression.peer_window_bits is not from 8 to 15";
    return NULL;
}

static const char *check_names(vital_policy *policy)
{
    if (policy->headers == NULL)
        policy->headers = NO_NAMES;
    if (policy->subprotocols == NULL)
        policy->subprotocols = NO_NAMES;

    const char *problem = NULL;
    for (size_t i = 0; problem == NULL && policy->headers[i] != NULL; i++)
        problem = vt_header_problem(policy->headers[i]);
    for (size_t i = 0; problem == NULL && policy->subprotocols[i] != NULL; i++) {
        problem = vt_subprotocol_problem(policy->subprotocols[i]);
        for (size_t k = 0; problem == NULL && k < i; k++) {
            if (strcmp(policy->subprotocols[k], policy->subprotocols[i]) == 0)
                problem = "a subprotocol is named twice";
        }
    }
    return problem;
}

static const char *check_origins(const char *const *origins)
{
    const char *problem = NULL;
    for (; problem == NULL && origins != NULL && *origins != NULL; origins++)
        problem = vt_origin_problem(*origins);
    return problem;
}

static const char *check_target(const vital_policy *policy)
{
    if (policy->host == NULL || policy->path == NULL)
        return "a client's policy needs a host and a path";
    const char *problem = vt_authority_problem(policy->host);
    return problem != NULL ? problem : vt_path_problem(policy->path);
}

int vital_policy_init(vital_policy *policy, const char **problem)
{
    *problem = complete_heartbeat(&policy->heartbeat, policy->role);
    if (*problem == NULL)
        *problem = complete_limits(&policy->limits);
    if (*problem == NULL)
        *problem = complete_reconnect(&policy->reconnect);
    if (*problem == NULL)
        *problem = complete_compression(&policy->compression);
    if (*problem == NULL)
        *problem = check_names(policy);
    if (*problem == NULL && policy->role == VITAL_CLIENT)
        *problem = check_target(policy);
    if (*problem == NULL && policy->role == VITAL_SERVER)
        *problem = check_origins(policy->origins);
    return *problem == NULL ? 0 : VITAL_EINVAL;
}
