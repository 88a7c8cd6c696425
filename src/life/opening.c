/*
 * Gathers the head of the handshake and judges it. What is legal is decided in
 * request.c and response.c; what a failure means for the connection, here.
 */
#include "opening.h"

#include "origin.h"

void vt_opening_finish(vt_opening *opening)
{
    if (opening != NULL)
        vt_head_finish(&opening->head);
}

char *vt_opening_begin(vt_opening *opening, const vital_policy *policy,
                       const vital_entropy *entropy)
{
    uint8_t nonce[16];
    entropy->fill(entropy->source, nonce, sizeof nonce);
    vt_handshake_key(opening->key, nonce);
    return vt_request_write(&(vt_request_parts){
        .host = policy->host,
        .path = policy->path,
        .key = opening->key,
        .headers = policy->headers,
        .subprotocols = policy->subprotocols,
        .compression = &policy->compression,
    });
}

static vt_opening_outcome fail(vt_opening *opening, vital_cause cause, int status, const char *what)
{
    opening->failure = (vt_opening_failure){
        .cause = cause,
        .status = status,
        .retry_after_s = -1,
        .what = what,
    };
    return VT_OPENING_FAILED;
}

/* Without an Origin it is no browser, whose user could be misused. */
static bool may_come(const vital_request *request, const vital_policy *policy)
{
    const char *origin = vital_request_header(request, "Origin");
    return origin == NULL || vt_origin_allowed(origin, vital_request_header(request, "Host"),
                                               policy->secure, policy->origins);
}

static vt_opening_outcome judge_request(vt_opening *opening, const vital_policy *policy,
                                        const vt_input *rest)
{
    vt_refusal refusal = vt_request_parse(&opening->request, &opening->head, policy->http);
    if (refusal.status != 0)
        return fail(opening, VITAL_REJECTED, refusal.status, refusal.why);
    if (rest->size > 0)
        return fail(opening, VITAL_REJECTED, 400, VT_OPENING_EARLY_DATA);
    if (!opening->request.upgrade)
        return VT_OPENING_REQUEST;
    if (!may_come(&opening->request, policy))
        return fail(opening, VITAL_REJECTED, 403,
                    "pages of this Origin may not connect here (RFC 6455 10.2)");
    const char *why = vt_extensions_choose(&opening->deflate, &opening->request.headers,
                                           &policy->compression);
    if (why != NULL)
        return fail(opening, VITAL_REJECTED, 400, why);
    return VT_OPENING_REQUEST;
}

static vt_opening_outcome judge_response(vt_opening *opening, const vital_policy *policy)
{
    opening->response = vt_response_parse(&opening->head, opening->key, policy->subprotocols,
                                          &policy->compression);
    const vt_response *response = &opening->response;
    if (response->violation != NULL)
        return fail(opening, VITAL_MISBEHAVED, response->status, response->violation);
    if (response->status != 101) {
        fail(opening, VITAL_REJECTED, response->status, response->reason);
        opening->failure.retry_after_s = response->retry_after_s;
        opening->failure.location = response->location;
        return VT_OPENING_FAILED;
    }
    opening->deflate = response->deflate;
    return VT_OPENING_OPEN;
}

/* Not the answer yet, as 103 is not; 101 is (RFC 9110 15.2). */
static bool is_interim(const vt_response *response)
{
    return response->violation == NULL && response->status < 200 && response->status != 101;
}

vt_opening_outcome vt_opening_feed(vt_opening *opening, const vital_policy *policy, vt_input *input)
{
    bool server = policy->role == VITAL_SERVER;
    for (;;) {
        size_t used = 0;
        size_t limit_bytes = policy->limits.header_bytes - opening->interim_bytes;
        int complete = vt_head_feed(&opening->head, input->data, input->size, limit_bytes, &used);
        input->data += used;
        input->size -= used;
        if (complete == VITAL_ETOOBIG)
            return fail(opening, server ? VITAL_REJECTED : VITAL_OVERFLOW, server ? 431 : 0,
                        "the head of the handshake is larger than our limit");
        if (complete < 0)
            return fail(opening, VITAL_OVERFLOW, server ? 503 : 0, "out of memory");
        if (complete == 0)
            return VT_OPENING_MORE;
        if (server)
            return judge_request(opening, policy, input);
        size_t head_bytes = opening->head.size;
        vt_opening_outcome outcome = judge_response(opening, policy);
        if (!is_interim(&opening->response))
            return outcome;
        opening->interim_bytes += head_bytes;
        vt_head_finish(&opening->head);
        if (input->size == 0)
            return VT_OPENING_MORE;
    }
}

const char *vt_opening_subprotocol(const vt_opening *opening, const vital_policy *policy,
                                   const vital_response *response)
{
    if (policy->role == VITAL_CLIENT)
        return opening->response.subprotocol;
    if (response->subprotocol == NULL)
        return vt_request_subprotocol(&opening->request, policy->subprotocols);
    return response->subprotocol[0] != '\0' ? response->subprotocol : NULL;
}

char *vt_opening_answer(const vt_opening *opening, const vital_policy *policy,
                        const vital_response *response)
{
    return vt_switch_write(&opening->request, vt_opening_subprotocol(opening, policy, response),
                           &opening->deflate, response->headers);
}
