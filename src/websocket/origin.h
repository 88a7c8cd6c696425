/*
 * Which web pages may connect (RFC 6455 10.2, RFC 6454). A browser sends the
 * user's cookies along with whatever page asks it to, and says in Origin which
 * page that was; programs that are no browser send what they like, or nothing.
 */
#ifndef VT_WEBSOCKET_ORIGIN_H
#define VT_WEBSOCKET_ORIGIN_H

#include <stdbool.h>

/* What a list of origins may hold: "https://example.org", "http://[::1]:8000",
 * "null", or "*" for everybody. NULL, or a static sentence. */
const char *vt_origin_problem(const char *allowed);

/* `origin` is the Origin header, anything at all; `host` the Host header, which
 * came over TLS if `secure`. `allowed`, which ends with NULL, has no problem; NULL:
 * the same host and port, and a page that came over TLS too. */
bool vt_origin_allowed(const char *origin, const char *host, bool secure,
                       const char *const *allowed);

#endif
