/*
 * Close codes (RFC 6455 7.4 and the IANA registry).
 */
#ifndef VT_WEBSOCKET_CLOSE_CODE_H
#define VT_WEBSOCKET_CLOSE_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* name, value, what it says to a person */
#define VT_CLOSE_CODES(X)                                      \
    X(VT_CLOSE_NORMAL, 1000, "normal closure")                 \
    X(VT_CLOSE_GOING_AWAY, 1001, "going away")                 \
    X(VT_CLOSE_PROTOCOL_ERROR, 1002, "protocol error")         \
    X(VT_CLOSE_UNSUPPORTED_DATA, 1003, "unsupported data")     \
    X(VT_CLOSE_NO_STATUS, 1005, "no code given")               \
    X(VT_CLOSE_ABNORMAL, 1006, "no close frame")               \
    X(VT_CLOSE_INVALID_PAYLOAD, 1007, "invalid payload")       \
    X(VT_CLOSE_POLICY, 1008, "policy violation")               \
    X(VT_CLOSE_TOO_BIG, 1009, "message too big")               \
    X(VT_CLOSE_MANDATORY_EXTENSION, 1010, "missing extension") \
    X(VT_CLOSE_INTERNAL_ERROR, 1011, "internal error")         \
    X(VT_CLOSE_SERVICE_RESTART, 1012, "service restart")       \
    X(VT_CLOSE_TRY_AGAIN_LATER, 1013, "try again later")       \
    X(VT_CLOSE_BAD_GATEWAY, 1014, "bad gateway")               \
    X(VT_CLOSE_TLS_HANDSHAKE, 1015, "TLS handshake failed")    \
    X(VT_CLOSE_NO_ANSWER, 4408, "no answer to the heartbeat")

enum {
#define VT_CLOSE_CODE_VALUE(name, value, words) name = (value),
    VT_CLOSE_CODES(VT_CLOSE_CODE_VALUE)
#undef VT_CLOSE_CODE_VALUE
};

/* Whether the code may stand in a close frame, in either direction. */
bool vt_close_code_valid(uint16_t code);

/* "going away" for 1001; "an application's code" and the like for ranges. */
const char *vt_close_code_words(uint16_t code);

#endif
