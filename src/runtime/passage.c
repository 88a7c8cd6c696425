/*
 * One step after the other; each is skipped where the way does not have it.
 *
 *   start --> TLS with the proxy --> CONNECT --> TLS with the server --> through
 */
#include "passage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whatever was under way is over. */
static void let_go(vt_passage *passage)
{
    passage->transport = NULL;
    passage->asking = false;
    free(passage->request);
    passage->request = NULL;
    vt_proxy_answer_finish(&passage->answer);
    passage->answer = (vt_proxy_answer){.status = 0};
}

/* The words may lie in what is ended here, and so may bytes that are being sent. */
static void fail(vt_passage *passage, const vital_failure *failure)
{
    char what[320];
    vital_failure told = *failure;
    snprintf(what, sizeof what, "%s", failure->what != NULL ? failure->what : "");
    told.what = what;
    vt_transport_end(passage->transport, VT_END_POLITE, (vital_bytes){NULL, 0});
    let_go(passage);
    passage->events->failed(passage->owner, &told);
}

static void fail_for_memory(vt_passage *passage)
{
    fail(passage, &(vital_failure){.cause = VITAL_OVERFLOW, .what = "out of memory"});
}

/* ----------------------------------------------------------------------- steps */

static const vt_transport_events EVENTS;

static void go_through(vt_passage *passage)
{
    let_go(passage);
    passage->events->passed(passage->owner, VT_PASSAGE_THROUGH);
}

static void secure(vt_passage *passage, vt_tls_policy *policy)
{
    if (vt_transport_secure(passage->transport, policy, &EVENTS, passage) != 0)
        fail_for_memory(passage);
}

static void ask_proxy(vt_passage *passage)
{
    const vt_passage_way *way = passage->way;
    passage->asking = true;
    passage->request = vt_proxy_request(way->proxy, way->host, way->port);
    if (passage->request == NULL)
        fail_for_memory(passage);
    else
        vt_transport_send(passage->transport, vital_text(passage->request));
}

static void reach_server(vt_passage *passage)
{
    if (passage->way->tls != NULL)
        secure(passage, passage->way->tls);
    else
        go_through(passage);
}

static bool is_at_proxy(const vt_passage *passage)
{
    return passage->way->proxy != NULL && passage->answer.status == 0;
}

static void on_secured(void *owner)
{
    vt_passage *passage = owner;
    if (is_at_proxy(passage)) {
        ask_proxy(passage);
        return;
    }
    passage->events->passed(passage->owner, VT_PASSAGE_SECURED);
    go_through(passage);
}

/* ------------------------------------------------------------------- the proxy */

static void take_answer(vt_passage *passage, const uint8_t *data, size_t size)
{
    vt_proxy_answer *answer = &passage->answer;
    switch (vt_proxy_feed(answer, data, size, passage->way->head_bytes)) {
    case VT_PROXY_MORE:
        break;
    case VT_PROXY_OPEN:
        if (passage->request != NULL) {
            fail(passage, &(vital_failure){.cause = VITAL_MISBEHAVED,
                                           .what = "the proxy answers before it has been asked"});
            break;
        }
        passage->asking = false;
        passage->events->passed(passage->owner, VT_PASSAGE_PROXIED);
        reach_server(passage);
        break;
    case VT_PROXY_REFUSED:
        fail(passage, &(vital_failure){.cause = VITAL_REJECTED,
                                       .status = answer->status,
                                       .what = answer->reason});
        break;
    case VT_PROXY_FAILED:
        fail(passage, &(vital_failure){.cause = VITAL_MISBEHAVED, .what = answer->violation});
        break;
    }
}

/* ---------------------------------------------------------------------- events */

static void take_end(vt_passage *passage, int error)
{
    char what[128];
    const char *who = is_at_proxy(passage) ? "proxy" : "server";
    const char *when = passage->asking ? "before it let us through"
                                       : "in the middle of the TLS handshake";
    if (error != 0)
        snprintf(what, sizeof what, "the %s failed %s: %s", who, when, strerror(error));
    else
        snprintf(what, sizeof what, "the %s ended the stream %s", who, when);
    fail(passage, &(vital_failure){.cause = VITAL_UNREACHABLE, .error = error, .what = what});
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    vt_passage *passage = owner;
    if (size == 0)
        take_end(passage, error);
    else if (passage->asking)
        take_answer(passage, data, size);
    else /* only who was asked speaks */
        fail(passage, &(vital_failure){.cause = VITAL_MISBEHAVED,
                                       .what = "the server speaks before it is asked"});
}

static void on_sent(void *owner, size_t size, int error)
{
    vt_passage *passage = owner;
    (void)size;
    if (error != 0)
        return; /* the end comes from the reading side, with what was said before it */
    free(passage->request);
    passage->request = NULL;
}

static void on_failed(void *owner, const vital_failure *failure)
{
    fail(owner, failure);
}

static const vt_transport_events EVENTS = {
    .bytes = {.received = on_received, .sent = on_sent},
    .secured = on_secured,
    .failed = on_failed,
};

/* ----------------------------------------------------------------- life cycle */

void vt_passage_start(vt_passage *passage, vt_transport *transport, vt_stream *stream,
                      const vt_passage_way *way)
{
    passage->transport = transport;
    passage->way = way;
    vt_transport_start(transport, stream, &EVENTS, passage);
    if (way->proxy == NULL)
        reach_server(passage);
    else if (way->proxy_tls != NULL)
        secure(passage, way->proxy_tls);
    else
        ask_proxy(passage);
}

void vt_passage_abandon(vt_passage *passage)
{
    if (passage->transport == NULL)
        return;
    vt_transport_end(passage->transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    let_go(passage);
}
