/*
 * Who may see what concerns all connections. Without a token: who is local, that
 * is, comes from this machine, names it by a name that is only its own, and
 * shows no sign of having been passed on. With one: who has it, wherever they
 * are, and nobody else; behind a proxy on the same machine everybody's peer is
 * local, and a proxy need not leave a sign.
 */
#ifndef VITAL_CLI_WATCHERS_H
#define VITAL_CLI_WATCHERS_H

#include <stdbool.h>

#include <vital/vital.h>

typedef enum watchers_answer {
    WATCHERS_YES,
    WATCHERS_TOKEN, /* no: the token is missing or wrong (HTTP 401) */
    WATCHERS_LOCAL, /* no: only who is local may (HTTP 403) */
} watchers_answer;

enum { WATCHERS_TOKEN_LEAST = 16, WATCHERS_TOKEN_MOST = 200 };

/* `peer` is that of vital_conn_peer(). The token comes as "Authorization: Bearer
 * TOKEN" or as ?token=TOKEN. */
watchers_answer watchers_ask(const char *token, const char *peer, const vital_request *request);

/* NULL, or what is wrong with a token, as a sentence that follows it. */
const char *watchers_token_problem(const char *token);

/* For watchers_ask(): "127.0.0.1:4711", "[::1]:4711", "unix:"; and of a Host
 * header "127.0.0.1:9001", "[::1]", "localhost:9001". */
bool watchers_peer_is_local(const char *peer);
bool watchers_host_is_local(const char *host);
/* Whether an Origin is that of the pages of this host. */
bool watchers_origin_is_ours(const char *origin, const char *host);

#endif
