/*
 * The name in Host counts because of DNS rebinding: a page of evil.test, whose
 * name now leads to 127.0.0.1, is loaded by a browser of this machine, and may
 * read what that host answers. The Origin counts because the echo may be open to
 * pages of others (--origin) without their seeing who else is there.
 */
#include "watchers.h"

#include <string.h>
#include <strings.h>

/* By these a proxy says that it is one (RFC 9110 7.6.3, RFC 7239, and customs). */
static const char *const signs[] = {"Via",       "Forwarded",        "X-Forwarded-For",
                                    "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto"};

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool watchers_peer_is_local(const char *peer)
{
    return starts(peer, "127.") || starts(peer, "[::1]:") || starts(peer, "unix:");
}

/* "127.0.0.1" to "127.255.255.255", and no name that merely begins so. */
static bool is_loopback_number(const char *host, size_t size)
{
    return size > 4 && starts(host, "127.") && strspn(host, "0123456789.") >= size;
}

bool watchers_host_is_local(const char *host)
{
    static const char localhost[] = "localhost";
    size_t size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (size > strlen(host) || (host[size] != '\0' && host[size] != ':'))
        return false;
    if (size == strlen("[::1]") && starts(host, "[::1]"))
        return true;
    if (size == sizeof localhost - 1 && strncasecmp(host, localhost, size) == 0)
        return true;
    return is_loopback_number(host, size);
}

bool watchers_origin_is_ours(const char *origin, const char *host)
{
    const char *after = strstr(origin, "://");
    return after != NULL && strcasecmp(after + strlen("://"), host) == 0;
}

static bool was_passed_on(const vital_request *request)
{
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (vital_request_header(request, signs[i]) != NULL)
            return true;
    }
    return false;
}

static bool has_token(const char *token, const vital_request *request)
{
    static const char bearer[] = "Bearer ";
    char given[WATCHERS_TOKEN_MOST + 1];
    const char *header = vital_request_header(request, "Authorization");
    if (header != NULL && strncasecmp(header, bearer, sizeof bearer - 1) == 0 &&
        vital_secret_matches(header + sizeof bearer - 1, token))
        return true;
    return vital_request_parameter(request, "token", given, sizeof given) &&
           vital_secret_matches(given, token);
}

watchers_answer watchers_ask(const char *token, const char *peer, const vital_request *request)
{
    if (token != NULL)
        return has_token(token, request) ? WATCHERS_YES : WATCHERS_TOKEN;
    const char *host = vital_request_header(request, "Host");
    const char *origin = vital_request_header(request, "Origin");
    if (!watchers_peer_is_local(peer) || was_passed_on(request))
        return WATCHERS_LOCAL;
    /* Whoever comes by a Unix socket is on this machine whatever they call it. */
    if (!starts(peer, "unix:") && (host == NULL || !watchers_host_is_local(host)))
        return WATCHERS_LOCAL;
    if (origin != NULL && (host == NULL || !watchers_origin_is_ours(origin, host)))
        return WATCHERS_LOCAL;
    return WATCHERS_YES;
}

const char *watchers_token_problem(const char *token)
{
    if (strlen(token) < WATCHERS_TOKEN_LEAST)
        return "is too short to be a secret; give it 16 characters at least, such as those of "
               "`openssl rand -hex 16`";
    if (strlen(token) > WATCHERS_TOKEN_MOST)
        return "is too long; 200 characters are enough";
    for (const char *at = token; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            return "has a space or another character that fits into no header";
    }
    return NULL;
}
