/*
 * A small reader of frames, written anew on purpose: the one in src/websocket is
 * what is being tested.
 */
#include "seen.h"

#include "mask.h"
#include "net.h"

/* Takes the handshake's head from the front of *bytes. */
static void skip_head(sim_seen *seen, vital_bytes *bytes)
{
    static const char END[] = "\r\n\r\n";
    const char *at = bytes->data;
    while (bytes->size > 0 && seen->head_matched < 4) {
        seen->head_matched = *at == END[seen->head_matched] ? seen->head_matched + 1 : *at == '\r';
        at++;
        bytes->size--;
    }
    bytes->data = at;
}

static void take_header(sim_seen *seen, vital_bytes *bytes)
{
    const uint8_t *at = bytes->data;
    const char *why;
    while (bytes->size > 0 && !seen->in_frame && seen->header_size < VT_FRAME_HEADER_MAX) {
        seen->header[seen->header_size++] = *at++;
        bytes->size--;
        seen->in_frame = vt_frame_decode(&seen->frame, seen->header, seen->header_size, &why) > 0;
    }
    bytes->data = at;
    if (!seen->in_frame) /* a peer that breaks the protocol: look no further */
        return;
    seen->header_size = 0;
    seen->position = 0;
}

static void take_payload(sim_seen *seen, vital_bytes *bytes)
{
    uint64_t left = seen->frame.size - seen->position;
    size_t size = bytes->size < left ? bytes->size : (size_t)left;
    if (seen->position < SIM_SEEN_PAYLOAD) {
        size_t room = SIM_SEEN_PAYLOAD - (size_t)seen->position;
        memcpy(seen->payload + seen->position, bytes->data, size < room ? size : room);
    }
    seen->position += size;
    bytes->data = (const uint8_t *)bytes->data + size;
    bytes->size -= size;
}

static void tell_frame(sim_net *net, sim_path *path, vt_sim_end end)
{
    sim_seen *seen = &path->seen[end];
    size_t size = seen->frame.size < SIM_SEEN_PAYLOAD ? (size_t)seen->frame.size : SIM_SEEN_PAYLOAD;
    if (seen->frame.masked)
        vt_mask(seen->payload, size, seen->frame.key, 0);
    seen->in_frame = false;
    net->frame(net->watcher, path, end, &seen->frame, (vital_bytes){seen->payload, size});
}

void sim_seen_wrote(void *owner, void *user, vt_sim_end end, vital_bytes bytes, bool all)
{
    sim_net *net = owner;
    sim_path *path = user;
    sim_seen *seen = &path->seen[end];
    if (net->frame == NULL)
        return;
    if (!all)
        seen->blocked_us = vt_sim_now_us(net->sim);
    if (bytes.size == 0)
        return;
    if (!seen->in_frame && seen->header_size == 0)
        seen->before_us = seen->spoke_us;
    skip_head(seen, &bytes);
    while (bytes.size > 0 && seen->header_size < VT_FRAME_HEADER_MAX) {
        if (!seen->in_frame)
            take_header(seen, &bytes);
        if (!seen->in_frame)
            continue;
        take_payload(seen, &bytes);
        if (seen->position == seen->frame.size)
            tell_frame(net, path, end);
    }
    seen->spoke_us = vt_sim_now_us(net->sim);
}

void sim_seen_told(void *owner, void *user, vt_sim_end end)
{
    sim_net *net = owner;
    sim_path *path = user;
    sim_seen *seen = &path->seen[end];
    if (!seen->asked)
        return;
    seen->asked = false;
    seen->left_us = vt_sim_now_us(net->sim);
    seen->left_awake_us = vt_sim_awake_us(net->sim);
}

void sim_seen_read(void *owner, void *user, vt_sim_end end)
{
    sim_net *net = owner;
    sim_path *path = user;
    path->seen[end].heard_us = vt_sim_now_us(net->sim);
    path->seen[end].heard_awake_us = vt_sim_awake_us(net->sim);
}

void sim_seen_left(void *owner, void *user, vt_sim_end end, size_t unread)
{
    sim_path *path = user;
    (void)owner;
    path->seen[end].unread = unread;
}
