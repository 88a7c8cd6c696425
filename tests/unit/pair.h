/*
 * Engines without sockets, for the tests of the engine: two of them and the
 * bytes between them, or one and the frames of a peer that is not one of ours.
 * Time is moved by hand, and what happens is a line of words: "connect open
 * text:hello CUT".
 */
#ifndef PAIR_H
#define PAIR_H

#include <vital/engine.h>

#include "frame.h"

#define MS INT64_C(1000)
#define S (1000 * MS)
#define HOUR (3600 * S)

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* An engine with its stream: what leaves is in `wire`, what happens in `log`. */
struct end {
    vital_engine *engine;
    vital_policy policy;
    struct buffer wire;
    size_t room;  /* what the stream takes at once */
    char *log;    /* words with spaces between them; NULL: nothing yet */
    bool streams; /* there is a stream now */
    int attempts; /* at a stream; a server has one to begin with */
    int closed;   /* verdicts so far */
    vital_verdict verdict;
    void (*on_message)(struct end *end, vital_bytes message);
    void (*on_redirect)(struct end *end);
    void *user;
};

extern vital_clock now;
int64_t draw(int64_t low, int64_t high); /* from all entropy of the engines */
void reseed(int number);                 /* the same numbers, and the clock, from the start */
void pass(int64_t us);
void stall(int64_t us); /* pass, without attending to anything */

/* ---- one engine */

void begin_end(struct end *end, vital_policy policy); /* completes the policy */
void finish_end(struct end *end);

void pull(struct end *end);                                 /* all events, into the log */
size_t leave(struct end *end, size_t most);                 /* into the wire; returns what left */
void settle(struct end *end);                               /* both, as the stream has room */
void come(struct end *end, const void *bytes, size_t size); /* from the peer */
void come_text(struct end *end, const char *text);
void tick(struct end *end);
int64_t deadline(const struct end *end);
/* A tick just before the deadline, which must change nothing, and one at it. */
void tick_at_deadline(struct end *end);
void lose_stream(struct end *end, int error);
void send_text(struct end *end, const char *text);
void send_bytes(struct end *end, size_t size); /* a binary message of x */
int try_send(struct end *end, vital_kind kind, vital_bytes bytes);
uint64_t beats_of(const struct end *end); /* sent on this socket */

/* A word for the log; and what the log says now, which empties it. */
__attribute__((format(printf, 2, 3))) void note(struct end *end, const char *format, ...);
void assert_log(struct end *end, const char *expected);

/* ---- a client and a server */

extern struct end client;
extern struct end server;
extern const vital_policy usual_client;
extern const vital_policy usual_server;

void open_pair(vital_policy client_policy, vital_policy server_policy);
void open_usual_pair(void);
void connect_client(void); /* gives it a stream; it asks */
void reopen_pair(void);    /* the client returns in its time, to a new server */
void finish_pair(void);
int end_test(void **state); /* teardown */

void deliver(struct end *from, struct end *to, size_t size); /* at most so much of the wire */
void exchange(void);                                         /* until nobody has more to say */
void run_until(int64_t at); /* both, on a link that costs no time */

/* ---- a foreign peer */

void append(struct buffer *buffer, const void *data, size_t size);
void take(struct buffer *buffer, size_t size); /* off the front */

/* A frame as the peer of `to` writes it; masked for a server. */
void add_frame(struct buffer *out, const struct end *to, vt_frame frame, const void *payload);
void come_frame(struct end *to, vt_opcode opcode, const char *payload);
/* The next frame that has left, off the wire. The payload, with a NUL, of a
 * control frame; or NULL. */
vt_frame frame_from(struct end *from, char payload[VT_CONTROL_PAYLOAD_MAX + 1]);
void assert_close_left(struct end *from, uint16_t code, const char *reason);
void assert_status_left(struct end *from, int status);

#define REQUEST                                                                      \
    "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

void ask_as_client(vital_policy policy); /* it has connected, and waits for the 101 */

#endif
