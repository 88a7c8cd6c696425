/*
 * Without TLS the stream and its owner speak to each other directly. With it, bytes climb and
 * descend the layers, of which the first is next to the stream:
 *
 *      plain bytes in      plain bytes out
 *            |                   ^
 *        [layer 1]           [layer 1]        TLS to the server
 *            |                   |
 *        [layer 0]           [layer 0]        TLS to the proxy
 *            v                   |
 *         a flight             stream
 *
 * A flight is what the stream was given to send. While one is under way, records
 * wait in their layer; when it has left, so has its memory. Where each record of
 * the owner's ends in it is noted, since what a failed send has let through must
 * be known to the byte: a record that has not wholly left says nothing to anybody.
 */
#include "transport.h"

#include <assert.h>
#include <stdlib.h>

/* Of the owner's bytes in one flight, each of a whole record at most. */
enum { RECORDS_A_FLIGHT = 4, FAREWELL_BYTES = 512 };

struct mark {
    size_t plain;  /* the owner's bytes up to the end of a record, */
    size_t flight; /* and where that is in the flight */
};

struct vt_secrecy {
    vt_transport *transport; /* whose it is */
    const vt_transport_events *events;
    void *owner;
    vt_tls *layers[VT_TRANSPORT_LAYERS]; /* owned */
    size_t count;
    vital_bytes plain;  /* what the owner sends; size 0: nothing */
    size_t plain_taken; /* of that, made into records */
    size_t plain_left;  /* of that, gone */
    uint8_t *flight;    /* owned, while the stream sends it; NULL: nothing is */
    size_t flight_bytes;
    struct mark marks[RECORDS_A_FLIGHT];
    size_t marked;
    bool told;    /* the end */
    bool reading; /* bytes are climbing, further up the stack */
    bool dead;    /* ended meanwhile: to be freed there */
};

static void destroy(struct vt_secrecy *secrecy)
{
    for (size_t i = 0; i < secrecy->count; i++)
        vt_tls_destroy(secrecy->layers[i]);
    free(secrecy->flight);
    free(secrecy);
}

static void leave(struct vt_secrecy *secrecy)
{
    if (secrecy->reading)
        secrecy->dead = true;
    else
        destroy(secrecy);
}

/* --------------------------------------------------------------------- ending */

static void tell_failure(struct vt_secrecy *secrecy, const vital_failure *failure)
{
    if (secrecy->told)
        return;
    secrecy->told = true;
    secrecy->events->failed(secrecy->owner, failure);
}

static void tell_end(struct vt_secrecy *secrecy, int error)
{
    if (secrecy->told)
        return;
    secrecy->told = true;
    secrecy->events->bytes.received(secrecy->owner, NULL, 0, error);
}

/* The bytes end beneath this layer, and nobody has announced it. */
static void cut(struct vt_secrecy *secrecy, size_t layer)
{
    vt_tls *tls = secrecy->layers[layer];
    vt_tls_cut(tls);
    tell_failure(secrecy, vt_tls_failure(tls));
}

/* -------------------------------------------------------------------- sending */

/* Records of a layer become bytes of the layer below it. False: no memory, or TLS
 * has failed there. */
static bool descend(struct vt_secrecy *secrecy)
{
    bool good = true;
    for (size_t i = secrecy->count; i-- > 1;) {
        size_t size;
        uint8_t *records = vt_tls_take(secrecy->layers[i], &size);
        for (size_t at = 0; good && at < size; at += VT_TLS_RECORD_BYTES) {
            size_t left = size - at;
            good = vt_tls_write(secrecy->layers[i - 1], records + at,
                                left < VT_TLS_RECORD_BYTES ? left : VT_TLS_RECORD_BYTES);
        }
        free(records);
    }
    return good;
}

static bool encrypt(struct vt_secrecy *secrecy)
{
    const uint8_t *bytes = secrecy->plain.data;
    vt_tls *top = secrecy->layers[secrecy->count - 1];
    while (secrecy->plain_taken < secrecy->plain.size && secrecy->marked < RECORDS_A_FLIGHT) {
        size_t left = secrecy->plain.size - secrecy->plain_taken;
        size_t size = left < VT_TLS_RECORD_BYTES ? left : VT_TLS_RECORD_BYTES;
        if (!vt_tls_write(top, bytes + secrecy->plain_taken, size) || !descend(secrecy))
            return false;
        secrecy->plain_taken += size;
        secrecy->marks[secrecy->marked++] = (struct mark){
            .plain = secrecy->plain_taken,
            .flight = vt_tls_waiting(secrecy->layers[0]),
        };
    }
    return true;
}

/* Lets leave what can. A layer that has no memory for it stops here, and says so
 * when it is read; or the next beat, which cannot leave, finds out. */
static void pump(struct vt_secrecy *secrecy)
{
    if (secrecy->flight != NULL)
        return;
    descend(secrecy); /* what TLS has to say itself */
    encrypt(secrecy);
    size_t size;
    secrecy->flight = vt_tls_take(secrecy->layers[0], &size);
    secrecy->flight_bytes = size;
    if (size > 0)
        vt_stream_send(secrecy->transport->stream, (vital_bytes){secrecy->flight, size});
}

static void on_sent(void *owner, size_t size, int error)
{
    struct vt_secrecy *secrecy = owner;
    vt_transport *transport = secrecy->transport;
    free(secrecy->flight);
    secrecy->flight = NULL;
    for (size_t i = 0; i < secrecy->marked && secrecy->marks[i].flight <= size; i++)
        secrecy->plain_left = secrecy->marks[i].plain;
    secrecy->marked = 0;
    size_t left = secrecy->plain_left;
    if (secrecy->plain.size > 0 && (error != 0 || left == secrecy->plain.size)) {
        secrecy->plain.size = 0;
        secrecy->events->bytes.sent(secrecy->owner, left, error);
    }
    if (error == 0 && transport->secrecy == secrecy) /* who was told may have ended it */
        pump(secrecy);
}

void vt_transport_send(vt_transport *transport, vital_bytes bytes)
{
    struct vt_secrecy *secrecy = transport->secrecy;
    if (secrecy == NULL) {
        vt_stream_send(transport->stream, bytes);
        return;
    }
    assert(secrecy->plain.size == 0 && bytes.size > 0 && vt_transport_ready(transport));
    secrecy->plain = bytes;
    secrecy->plain_taken = secrecy->plain_left = 0;
    pump(secrecy);
}

/* ------------------------------------------------------------------ receiving */

/* False: there is no use in going on. */
static bool climb(struct vt_secrecy *secrecy, size_t layer, const uint8_t *bytes, size_t size)
{
    vt_tls *tls = secrecy->layers[layer];
    uint8_t plain[VT_TLS_RECORD_BYTES];
    size_t got;
    vt_tls_feed(tls, bytes, size);
    for (;;) {
        vt_tls_outcome outcome = vt_tls_read(tls, plain, &got);
        bool top = layer + 1 == secrecy->count;
        switch (outcome) {
        case VT_TLS_MORE:
            return true;
        case VT_TLS_SECURED:
            secrecy->events->secured(secrecy->owner);
            break;
        case VT_TLS_DATA:
            if (top)
                secrecy->events->bytes.received(secrecy->owner, plain, got, 0);
            else
                climb(secrecy, layer + 1, plain, got);
            break;
        case VT_TLS_ENDED:
            if (top)
                tell_end(secrecy, 0);
            else
                cut(secrecy, layer + 1);
            return false;
        case VT_TLS_FAILED:
            tell_failure(secrecy, vt_tls_failure(tls));
            return false;
        }
        if (secrecy->dead || secrecy->told)
            return false;
    }
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    struct vt_secrecy *secrecy = owner;
    if (secrecy->told)
        return; /* what follows the end of TLS is nobody's */
    secrecy->reading = true;
    if (size > 0)
        climb(secrecy, 0, data, size);
    else if (error != 0)
        tell_end(secrecy, error);
    else
        cut(secrecy, 0);
    secrecy->reading = false;
    if (secrecy->dead)
        destroy(secrecy);
    else if (!secrecy->told) /* else it waits for the end, which says it */
        pump(secrecy);
}

static void on_reported(void *owner, int error)
{
    const struct vt_secrecy *secrecy = owner;
    if (secrecy->events->bytes.reported != NULL)
        secrecy->events->bytes.reported(secrecy->owner, error);
}

static const vt_stream_events STREAM_EVENTS = {
    .received = on_received,
    .sent = on_sent,
    .reported = on_reported,
};

void vt_transport_poll(vt_transport *transport)
{
    vt_stream_poll(transport->stream);
}

void vt_transport_pause(vt_transport *transport, bool pause)
{
    vt_stream_pause(transport->stream, pause);
}

/* ----------------------------------------------------------------- life cycle */

void vt_transport_start(vt_transport *transport, vt_stream *stream,
                        const vt_transport_events *events, void *owner)
{
    *transport = (vt_transport){.stream = stream};
    vt_stream_adopt(stream, &events->bytes, owner);
}

void vt_transport_adopt(vt_transport *transport, const vt_transport_events *events, void *owner)
{
    struct vt_secrecy *secrecy = transport->secrecy;
    if (secrecy == NULL) {
        vt_stream_adopt(transport->stream, &events->bytes, owner);
        return;
    }
    secrecy->events = events;
    secrecy->owner = owner;
}

int vt_transport_secure(vt_transport *transport, vt_tls_policy *policy,
                        const vt_transport_events *events, void *owner)
{
    uint8_t nothing[VT_TLS_RECORD_BYTES];
    size_t none;
    struct vt_secrecy *secrecy = transport->secrecy;
    vt_tls *tls;
    if (vt_tls_create(&tls, policy) != 0)
        return VITAL_ENOMEM;
    if (secrecy == NULL)
        secrecy = calloc(1, sizeof *secrecy);
    if (secrecy == NULL) {
        vt_tls_destroy(tls);
        return VITAL_ENOMEM;
    }
    assert(secrecy->count < VT_TRANSPORT_LAYERS && secrecy->plain.size == 0);
    transport->secrecy = secrecy;
    secrecy->transport = transport;
    secrecy->events = events;
    secrecy->owner = owner;
    vt_stream_adopt(transport->stream, &STREAM_EVENTS, secrecy);
    secrecy->layers[secrecy->count++] = tls;
    vt_tls_read(tls, nothing, &none); /* a client speaks first */
    pump(secrecy);
    return 0;
}

bool vt_transport_ready(const vt_transport *transport)
{
    const struct vt_secrecy *secrecy = transport->secrecy;
    return transport->stream != NULL &&
           (secrecy == NULL || vt_tls_secured(secrecy->layers[secrecy->count - 1]));
}

const vt_tls *vt_transport_tls(const vt_transport *transport)
{
    const struct vt_secrecy *secrecy = transport->secrecy;
    return secrecy == NULL ? NULL : secrecy->layers[secrecy->count - 1];
}

/* The last bytes, and the end of each layer within the one below it. What TLS has
 * to say against the peer, if it has failed, has been said by itself. */
static uint8_t *say_goodbye(struct vt_secrecy *secrecy, vital_bytes farewell, size_t *size)
{
    vt_tls *top = secrecy->layers[secrecy->count - 1];
    if (farewell.size > 0 && vt_tls_secured(top))
        vt_tls_write(top, farewell.data, farewell.size);
    for (size_t i = secrecy->count; i-- > 0;) {
        vt_tls_end(secrecy->layers[i]);
        descend(secrecy);
    }
    return vt_tls_take(secrecy->layers[0], size);
}

void vt_transport_end(vt_transport *transport, vt_stream_end how, vital_bytes farewell)
{
    vt_stream *stream = transport->stream;
    struct vt_secrecy *secrecy = transport->secrecy;
    transport->stream = NULL;
    transport->secrecy = NULL;
    if (stream == NULL)
        return;
    if (secrecy == NULL) {
        vt_stream_close(stream, how, farewell);
        return;
    }
    uint8_t *last = NULL;
    size_t size = 0;
    if (how != VT_END_ABRUPT && secrecy->flight == NULL)
        last = say_goodbye(secrecy, farewell, &size);
    vt_stream_close(stream, how, (vital_bytes){last, size <= FAREWELL_BYTES ? size : 0});
    free(last);
    leave(secrecy);
}
