/*
 * The dial does what the race says: it begins attempts, reports what failed, and
 * hands over the first stream that is connected. All others are closed at once,
 * before anybody is told.
 *
 *   start --a name--> looking up --> racing --> connected
 *     |                    |          ^  |
 *     +--- an address ----------------+  +----> failed
 *                          +------------------> failed
 */
#include "dial.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race.h"

struct attempt {
    vt_dial *dial;
    vt_stream *stream; /* NULL: not begun, or failed */
    vt_address address;
};

struct vt_dial {
    vital_loop *loop;
    const vt_dial_events *events;
    void *owner;
    vt_dial_to to;
    vt_lookup *lookup; /* while the name is asked for */
    vt_task begin;     /* of an address that needs no looking up */
    vt_timer timer;    /* for the race; only where there is one */
    vt_race race;
    struct attempt *attempts; /* owned; race.count of them */
    size_t last;              /* the attempt that failed last, */
    int last_error;           /* and why */
};

static const vital_bytes NOTHING = {NULL, 0};

void vt_dial_cancel(vt_dial *dial)
{
    if (dial == NULL)
        return;
    if (dial->lookup != NULL)
        vt_lookup_cancel(dial->lookup);
    for (size_t i = 0; dial->attempts != NULL && i < dial->race.count; i++) {
        if (dial->attempts[i].stream != NULL)
            vt_stream_close(dial->attempts[i].stream, VT_END_ABRUPT, NOTHING);
    }
    vt_timer_finish(&dial->timer, dial->loop);
    vt_task_finish(&dial->begin);
    free(dial->attempts);
    free(dial);
}

static void fail(vt_dial *dial, int error, const char *what)
{
    const vt_dial_events *events = dial->events;
    void *owner = dial->owner;
    vt_dial_cancel(dial);
    events->failed(owner, error, what);
}

/* -------------------------------------------------------------------- racing */

static void on_connected(void *owner, int error);

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    (void)owner, (void)data, (void)size, (void)error; /* not before it is connected */
}

static void on_sent(void *owner, size_t size, int error)
{
    (void)owner, (void)size, (void)error; /* likewise */
}

static const vt_stream_events ATTEMPT_EVENTS = {
    .connected = on_connected,
    .received = on_received,
    .sent = on_sent,
};

static void lose(vt_dial *dial)
{
    char address[VT_ADDRESS_TEXT_BYTES] = "";
    char what[512];
    vt_address_text(address, &dial->attempts[dial->last].address);
    if (dial->race.count == 1)
        snprintf(what, sizeof what, "%s: %s", address, strerror(dial->last_error));
    else
        snprintf(what, sizeof what, "none of %zu addresses of %s, the last %s: %s",
                 dial->race.count, dial->to.host, address, strerror(dial->last_error));
    fail(dial, dial->last_error, what);
}

static void note_failure(vt_dial *dial, size_t index, int error)
{
    dial->last = index;
    dial->last_error = error;
    vt_race_failed(&dial->race, vt_loop_clock(dial->loop).now_us);
}

/* Begins what is due. The dial may have ended after it. */
static void go_on(vt_dial *dial)
{
    size_t index;
    while (vt_race_take(&dial->race, vt_loop_clock(dial->loop).now_us, &index)) {
        struct attempt *attempt = &dial->attempts[index];
        attempt->stream = vt_stream_connect_from(dial->loop, dial->to.from, &attempt->address,
                                                 &ATTEMPT_EVENTS, attempt);
        if (attempt->stream == NULL)
            note_failure(dial, index, errno);
    }
    if (vt_race_lost(&dial->race))
        lose(dial);
    else if (dial->timer.fire != NULL)
        vt_timer_arm(&dial->timer, dial->loop, vt_race_due_us(&dial->race));
}

static void on_timer(void *owner)
{
    go_on(owner);
}

static void on_connected(void *owner, int error)
{
    struct attempt *attempt = owner;
    vt_dial *dial = attempt->dial;
    vt_stream *stream = attempt->stream;
    attempt->stream = NULL; /* the dial's no more */
    if (error != 0) {
        vt_stream_close(stream, VT_END_ABRUPT, NOTHING);
        note_failure(dial, (size_t)(attempt - dial->attempts), error);
        go_on(dial);
        return;
    }
    const vt_dial_events *events = dial->events;
    vt_address address = attempt->address;
    owner = dial->owner;
    vt_dial_cancel(dial);
    events->connected(owner, stream, &address);
}

/* Takes the addresses. False without memory. */
static bool prepare(vt_dial *dial, const vt_address *addresses, size_t count)
{
    assert(count > 0 && count <= VT_DIAL_ADDRESSES);
    vt_address ordered[VT_DIAL_ADDRESSES];
    memcpy(ordered, addresses, count * sizeof *addresses);
    vt_race_order(ordered, count);

    dial->attempts = calloc(count, sizeof *dial->attempts);
    if (dial->attempts == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        dial->attempts[i].dial = dial;
        dial->attempts[i].address = ordered[i];
    }
    vt_race_begin(&dial->race, count, vt_loop_clock(dial->loop).now_us);
    return count == 1 || vt_timer_init(&dial->timer, dial->loop, on_timer, dial) == 0;
}

/* ------------------------------------------------------------------ beginning */

static void on_found(void *owner, const vt_address *addresses, size_t count, const char *problem)
{
    vt_dial *dial = owner;
    dial->lookup = NULL;
    dial->events->found(dial->owner);
    if (count == 0) {
        char what[512];
        snprintf(what, sizeof what, "the name %s was not found: %s", dial->to.host, problem);
        fail(dial, 0, what);
        return;
    }
    if (prepare(dial, addresses, count < VT_DIAL_ADDRESSES ? count : VT_DIAL_ADDRESSES))
        go_on(dial);
    else
        fail(dial, ENOMEM, "no memory to try the addresses");
}

static void begin(void *owner)
{
    go_on(owner);
}

vt_dial *vt_dial_start(vital_loop *loop, const vt_dial_to *to, const vt_dial_events *events,
                       void *owner)
{
    vt_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return NULL;
    dial->loop = loop;
    dial->events = events;
    dial->owner = owner;
    dial->to = *to;
    vt_task_init(&dial->begin, begin, dial);

    vt_address address;
    if (to->socket != NULL ? vt_address_unix(&address, to->socket)
                           : vt_address_numeric(&address, to->host, to->port)) {
        if (!prepare(dial, &address, 1))
            goto fail;
        vt_task_schedule(&dial->begin, loop);
        return dial;
    }
    assert(to->socket == NULL);
    dial->lookup = vt_lookup_start(loop, to->host, to->port, on_found, dial);
    if (dial->lookup != NULL)
        return dial;
fail:
    vt_dial_cancel(dial);
    return NULL;
}
