/*
 * How connections begin: the opening handshake, from the stream to OPEN or to a
 * refusal, in both roles; and plain HTTP requests, which get their answer and end.
 */
#include "engine_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "close_code.h"
#include "invitation.h"
#include "random.h"
#include "redirect.h"
#include "rest.h"
#include "turnstile.h"

enum {
    LOCATION_SHOWN = 160, /* of what a redirect points to, in a verdict */
    SOON_S = 5,           /* who was turned away need not wait as after a 503 without a time */
};

/* ------------------------------------------------------------------ from the start */

void vt_engine_set_up(vital_engine *engine, const vital_policy *policy, vital_entropy entropy)
{
    engine->policy = policy;
    engine->entropy = entropy;
    engine->opened_us = -1;
    vt_engine_forget_flow(engine);
    engine->rules = (vt_reader_rules){
        .expect_masked = policy->role == VITAL_SERVER,
        .message_bytes = policy->limits.message_bytes,
        .pieces = policy->pieces,
    };
    vt_reader_init(&engine->reader, &engine->rules);
    vt_outbox_init(&engine->outbox);
}

void vt_engine_begin(vital_engine *engine, const vital_policy *policy, vital_entropy entropy,
                     vital_clock clock)
{
    vt_engine_set_up(engine, policy, entropy);
    engine->state = policy->role == VITAL_SERVER ? VT_OPENING : VT_CONNECTING;
    vt_engine_set_deadline(engine, clock, policy->limits.open_ms);
    if (policy->role == VITAL_CLIENT)
        vt_engine_flag(engine, VITAL_EVENT_CONNECT);
}

int vital_engine_create(vital_engine **out, const vital_policy *policy, vital_entropy entropy,
                        vital_clock clock)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return VITAL_ENOMEM;
    vt_engine_begin(*out, policy, entropy, clock);
    return 0;
}

void vt_engine_forget_opening(vital_engine *engine)
{
    vt_opening_finish(engine->opening);
    free(engine->opening);
    engine->opening = NULL;
}

/* malloc'd bytes to the wire; false without memory. */
static bool send_raw(vital_engine *engine, char *bytes, size_t size)
{
    bool sent = bytes != NULL && vt_outbox_raw(&engine->outbox, (vital_bytes){bytes, size}) == 0;
    free(bytes);
    return sent;
}

static bool send_text(vital_engine *engine, char *text)
{
    return send_raw(engine, text, text == NULL ? 0 : strlen(text));
}

void vital_engine_awaits(vital_engine *engine, const char *late)
{
    engine->late = late;
}

void vital_engine_connected(vital_engine *engine, vital_clock clock)
{
    assert(engine->state == VT_CONNECTING);
    engine->state = VT_OPENING;
    engine->opening = calloc(1, sizeof *engine->opening);
    if (engine->opening == NULL ||
        !send_text(engine, vt_opening_begin(engine->opening, engine->policy, &engine->entropy)))
        vt_engine_lose_without_memory(engine, clock);
}

/* False without memory. */
static bool start_packing(vital_engine *engine, const vt_deflate_terms *terms)
{
    engine->packing = vt_packing_create(engine->policy, terms);
    if (engine->packing == NULL)
        return false;
    vt_outbox_deflate_with(&engine->outbox, &engine->packing->deflater);
    vt_reader_inflate_with(&engine->reader, &engine->packing->inflater);
    return true;
}

/* What the application has chosen ends with its response, unless it is of the policy's
 * list. False without memory. */
static bool take_subprotocol(vital_engine *engine, const char *chosen)
{
    const char *const *known = engine->policy->subprotocols;
    while (known != NULL && *known != NULL && chosen != NULL && strcmp(*known, chosen) != 0)
        known++;
    engine->subprotocol = chosen != NULL && known != NULL ? *known : NULL;
    if (chosen == NULL || engine->subprotocol != NULL)
        return true;
    engine->subprotocol = engine->own_subprotocol = strdup(chosen);
    return engine->subprotocol != NULL;
}

/* `response` is that of a server; a client has none. */
static void open_up(vital_engine *engine, vital_clock clock, const vital_response *response)
{
    const char *subprotocol = vt_opening_subprotocol(engine->opening, engine->policy, response);
    if (!take_subprotocol(engine, subprotocol)) {
        vt_engine_lose_without_memory(engine, clock);
        return;
    }
    const vt_deflate_terms *deflate = &engine->opening->deflate;
    if (deflate->agreed && !start_packing(engine, deflate)) {
        vt_engine_lose_without_memory(engine, clock);
        return;
    }
    engine->state = VT_OPEN;
    engine->opened_us = clock.now_us;
    engine->told_health = VITAL_ALIVE;
    vt_stats_opened(engine->policy->stats);
    vt_heartbeat_start(&engine->heart, &engine->policy->heartbeat, &engine->entropy, clock);
    engine->party.reprieve = VT_REPRIEVE_NONE;
    engine->prompt.waits = false;
    vt_engine_stand(engine);
    vt_engine_flag(engine, VITAL_EVENT_OPEN);
    vt_engine_tell_drain(engine);
}

/* ------------------------------------------------------------ a server's answer */

static void accept(vital_engine *engine, vital_clock clock, const vital_response *response)
{
    if (send_text(engine, vt_opening_answer(engine->opening, engine->policy, response)))
        open_up(engine, clock, response);
    else
        vt_engine_lose_without_memory(engine, clock);
}

/* The stream ends with the response, whose verdict is decided. */
static void answer(vital_engine *engine, vital_clock clock, const vital_response *response)
{
    const char *method = engine->opening != NULL ? engine->opening->request.method : NULL;
    size_t size = 0;
    char *bytes = vt_answer_write(response, method != NULL && strcmp(method, "HEAD") == 0, &size);
    engine->ending.status = response->status;
    if (send_raw(engine, bytes, size))
        vt_engine_end(engine, clock);
    else
        vt_engine_lose(engine, clock);
}

void vt_engine_refuse(vital_engine *engine, vital_clock clock, int status, const char *what)
{
    static const char *const both_methods[] = {"Allow: GET, HEAD", NULL};
    char body[320];
    snprintf(body, sizeof body, "%s\n", what);
    vt_ending_decide(&engine->ending, VITAL_REJECTED, VT_CLOSE_ABNORMAL, what);
    answer(engine, clock,
           &(vital_response){
               .status = status,
               .headers = status == 405 && engine->policy->http ? both_methods : NULL,
               .body = vital_text(body),
           });
}

void vt_engine_turn_away(vital_engine *engine, vital_clock clock, uint16_t code)
{
    vt_invitation told = {.from_s = SOON_S, .within_s = SOON_S};
    char after[32];
    const char *const headers[] = {after, NULL};
    if (engine->ending.reason != NULL)
        vt_invitation_read(&told, engine->ending.reason);
    snprintf(after, sizeof after, "Retry-After: %d",
             (int)vt_random_between(engine->entropy.fill, engine->entropy.source, told.from_s,
                                    told.within_s));
    vt_ending_decide(&engine->ending, VITAL_CLOSED_BY_US, code, NULL);
    answer(engine, clock,
           &(vital_response){
               .status = 503,
               .headers = headers,
               .body = vital_text("the server closed this connection before it was open\n"),
           });
}

/* More come at once than are let in. */
static void put_off(vital_engine *engine, vital_clock clock, int after_s)
{
    char after[32], body[96];
    const char *const headers[] = {after, NULL};
    snprintf(after, sizeof after, "Retry-After: %d", after_s);
    snprintf(body, sizeof body, "too many come at once: come back in %d s\n", after_s);
    vt_stats_put_off(engine->policy->stats);
    vt_ending_decide(&engine->ending, VITAL_REJECTED, VT_CLOSE_ABNORMAL,
                     "more come at once than opens_per_s lets in");
    answer(engine, clock,
           &(vital_response){.status = 503, .headers = headers, .body = vital_text(body)});
}

int vital_engine_respond(vital_engine *engine, vital_clock clock, const vital_response *response,
                         const char **problem)
{
    *problem = "there is no request to answer, or no longer";
    if (engine->state != VT_ASKING)
        return VITAL_ESTATE;
    bool upgrade = engine->opening->request.upgrade;
    *problem = vt_response_problem(response, &engine->opening->request);
    if (*problem != NULL)
        return VITAL_EINVAL;
    *problem = "the body is larger than limits.queue_bytes";
    if (response->body.size > engine->policy->limits.queue_bytes)
        return VITAL_ETOOBIG;
    *problem = NULL;
    if (upgrade && response->status <= 101) {
        accept(engine, clock, response);
        return 0;
    }
    if (upgrade) {
        vt_ending_decide(&engine->ending, VITAL_REJECTED, VT_CLOSE_ABNORMAL,
                         "the application refused this request");
    } else {
        vt_ending_decide(&engine->ending, VITAL_CLOSED_BY_US, VT_CLOSE_ABNORMAL,
                         "a plain HTTP request was answered");
        vt_stats_served(engine->policy->stats);
        engine->served = true;
    }
    answer(engine, clock, response);
    return 0;
}

/* -------------------------------------------------------------- the peer's part */

/* A client's: what the server answered becomes the verdict. */
static void fail_opening(vital_engine *engine, vital_clock clock, const char *why_unfollowed)
{
    const vt_opening_failure *failure = &engine->opening->failure;
    vt_ending *ending = &engine->ending;
    char location[LOCATION_SHOWN], what[LOCATION_SHOWN + 256];
    snprintf(what, sizeof what, "%s", failure->what);
    if (failure->location != NULL) {
        vt_redirect_show(location, sizeof location, failure->location);
        snprintf(what, sizeof what, "%s%spointing to %s%s%s%s", failure->what,
                 failure->what[0] != '\0' ? ", " : "", location, why_unfollowed != NULL ? " (" : "",
                 why_unfollowed != NULL ? why_unfollowed : "", why_unfollowed != NULL ? ")" : "");
    }
    if (failure->cause == VITAL_REJECTED)
        ending->status = failure->status;
    vt_ending_decide(ending, failure->cause, VT_CLOSE_ABNORMAL, what);
    ending->retry_after_s = failure->retry_after_s;
    vt_engine_lose(engine, clock);
}

void vital_engine_unfollowed(vital_engine *engine, vital_clock clock, const char *why)
{
    assert(engine->state == VT_CONNECTING && engine->opening != NULL);
    fail_opening(engine, clock, why);
}

/* A good request. A plain one costs little, and may be a question of our health. */
static void take_request(vital_engine *engine, vital_clock clock)
{
    const vital_policy *policy = engine->policy;
    engine->state = VT_ASKING;
    if (!engine->opening->request.upgrade) {
        vt_engine_flag(engine, VITAL_EVENT_HTTP);
        return;
    }
    int after_s = policy->turnstile == NULL
                      ? 0
                      : vt_turnstile_pass(policy->turnstile, policy->limits.opens_per_s,
                                          clock.now_us);
    if (after_s > 0)
        put_off(engine, clock, after_s);
    else if (policy->ask)
        vt_engine_flag(engine, VITAL_EVENT_REQUEST);
    else
        accept(engine, clock, &(vital_response){.status = 101});
}

/* A server needs an opening from the first byte on: a crowd that has only connected does
 * without. */
void vt_engine_feed_opening(vital_engine *engine, vital_clock clock)
{
    if (engine->opening == NULL)
        engine->opening = calloc(1, sizeof *engine->opening);
    vt_opening *opening = engine->opening;
    if (opening == NULL) {
        vt_engine_lose_without_memory(engine, clock);
        return;
    }
    switch (vt_opening_feed(opening, engine->policy, &engine->input)) {
    case VT_OPENING_MORE:
        break;
    case VT_OPENING_REQUEST:
        take_request(engine, clock);
        break;
    case VT_OPENING_OPEN:
        open_up(engine, clock, NULL);
        break;
    case VT_OPENING_FAILED:
        if (engine->policy->role == VITAL_SERVER) {
            vt_engine_refuse(engine, clock, opening->failure.status, opening->failure.what);
            break;
        }
        if (opening->failure.location != NULL && engine->policy->follow) {
            engine->state = VT_CONNECTING; /* within the same limit of time */
            engine->input = (vt_input){NULL, 0};
            vt_engine_flag(engine, VITAL_EVENT_REDIRECT);
            break;
        }
        fail_opening(engine, clock, NULL);
        break;
    }
}
