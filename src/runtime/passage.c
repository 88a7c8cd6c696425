/*
 * One step after the other; each begins where the one before has passed.
 */
#include "passage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void fail(vt_passage *passage, const vital_failure *failure)
{
    passage->transport = NULL;
    passage->events->failed(passage->owner, failure);
}

static void go_through(vt_passage *passage)
{
    passage->transport = NULL;
    passage->events->passed(passage->owner, VT_PASSAGE_THROUGH);
}

static void on_secured(void *owner)
{
    vt_passage *passage = owner;
    passage->events->passed(passage->owner, VT_PASSAGE_SECURED);
    go_through(passage);
}

/* Nobody speaks before they are asked: this is the end of the stream. */
static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    char what[128];
    (void)data, (void)size;
    if (error != 0)
        snprintf(what, sizeof what, "in the TLS handshake: %s", strerror(error));
    else
        snprintf(what, sizeof what, "the server ended TLS as soon as it was up");
    fail(owner, &(vital_failure){.cause = VITAL_UNREACHABLE, .error = error, .what = what});
}

static void on_sent(void *owner, size_t size, int error)
{
    (void)owner, (void)size, (void)error; /* nothing but what TLS says itself */
}

static void on_failed(void *owner, const vital_failure *failure)
{
    fail(owner, failure);
}

static const vt_transport_events EVENTS = {
    .secured = on_secured,
    .received = on_received,
    .sent = on_sent,
    .failed = on_failed,
};

void vt_passage_start(vt_passage *passage, vt_transport *transport, vt_stream *stream,
                      const vt_passage_way *way)
{
    passage->transport = transport;
    passage->way = way;
    vt_transport_start(transport, stream, &EVENTS, passage);
    if (way->tls == NULL)
        go_through(passage);
    else if (vt_transport_secure(transport, way->tls) != 0)
        fail(passage, &(vital_failure){.cause = VITAL_OVERFLOW, .what = "no memory for TLS"});
}

void vt_passage_abandon(vt_passage *passage)
{
    if (passage->transport != NULL)
        vt_transport_end(passage->transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    passage->transport = NULL;
}
