/*
 * What can be seen of one end of a connection by looking at its bytes: when it
 * spoke and heard, and which frames it has sent. Frames are told to whoever
 * watches the network (net.h).
 */
#ifndef SIM_SEEN_H
#define SIM_SEEN_H

#include "frame.h"
#include "loop_sim.h"

enum { SIM_SEEN_PAYLOAD = 128 };

typedef struct sim_seen {
    int64_t spoke_us;       /* when the application last wrote; or when it connected */
    int64_t before_us;      /* the same, before the frame that it is at */
    int64_t heard_us;       /* and read */
    int64_t heard_awake_us; /* the same, by vt_sim_awake_us() */
    int64_t blocked_us;     /* when the kernel last did not take all; INT64_MIN: never */
    size_t unread;          /* what it left unread when it closed its end */
    unsigned head_matched;  /* of the end of the handshake's head; 4: it is over */
    uint8_t header[VT_FRAME_HEADER_MAX];
    size_t header_size;
    vt_frame frame;
    bool in_frame;
    uint64_t position;                 /* in its payload */
    uint8_t payload[SIM_SEEN_PAYLOAD]; /* its beginning */

    /* For watch.c: the goodbye and the heartbeat. */
    bool closes; /* a close frame was written */
    bool asked;  /* a beat was written, and its end is not told that it has left */
    int64_t asked_us;
    int64_t answered_us;        /* when the peer's beat was, as far as that can be told */
    int64_t answered_before_us; /* and the one before that */
    int64_t left_us;            /* when it was told */
    int64_t left_awake_us;      /* the same, by vt_sim_awake_us() */
    uint64_t pings;
    uint64_t behind_bytes; /* of data, since a beat is due */
} sim_seen;

void sim_seen_wrote(void *net, void *path, vt_sim_end end, vital_bytes bytes, bool all);
void sim_seen_told(void *net, void *path, vt_sim_end end);
void sim_seen_read(void *net, void *path, vt_sim_end end);
void sim_seen_left(void *net, void *path, vt_sim_end end, size_t unread);

#endif
