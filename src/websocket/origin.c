/*
 * An origin is taken apart and its parts are compared, each whole: comparing the
 * beginning or the end of the text is how look-alikes ("example.org.evil.test")
 * have come in. What cannot be taken apart is nobody's origin.
 */
#include "origin.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "head.h"
#include "url.h"

/* A scheme that has no default port: such an origin has none unless it says so. */
enum { NO_PORT = 0 };

typedef struct origin {
    vt_element scheme;
    vt_element host; /* an IPv6 address with its brackets */
    int port;
} origin;

static bool is_one_of(vt_element scheme, const char *one, const char *other)
{
    return vt_same_any_case(scheme, one) || vt_same_any_case(scheme, other);
}

static int default_port(vt_element scheme)
{
    if (is_one_of(scheme, "http", "ws"))
        return 80;
    return is_one_of(scheme, "https", "wss") ? 443 : NO_PORT;
}

/* Digits only, 1 to 65535; -1 else. */
static int port_of(const char *digits)
{
    int port = 0;
    size_t size = strlen(digits);
    if (size == 0 || size > 5 || strspn(digits, "0123456789") != size)
        return -1;
    for (; *digits != '\0'; digits++)
        port = port * 10 + (*digits - '0');
    return port >= 1 && port <= UINT16_MAX ? port : -1;
}

/* Cuts "host", "host:port" or "[host]:port". False if it is none of them. */
static bool cut_authority(const char *text, int usual_port, vt_element *host, int *port)
{
    if (vt_authority_problem(text) != NULL)
        return false;
    const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
    if (text[0] == '[' && bracket == NULL)
        return false;
    size_t size = bracket != NULL ? (size_t)(bracket + 1 - text) : strcspn(text, ":");
    *host = (vt_element){text, size};
    *port = usual_port;
    if (text[size] == ':')
        *port = port_of(text + size + 1);
    else if (text[size] != '\0')
        return false;
    return size > 0 && *port >= 0;
}

static bool cut(origin *out, const char *text)
{
    const char *end = strstr(text, "://");
    if (end == NULL)
        return false;
    out->scheme = (vt_element){text, (size_t)(end - text)};
    return vt_is_token(out->scheme) &&
           cut_authority(end + 3, default_port(out->scheme), &out->host, &out->port);
}

const char *vt_origin_problem(const char *allowed)
{
    origin out;
    if (strcmp(allowed, "*") == 0 || strcmp(allowed, "null") == 0 || cut(&out, allowed))
        return NULL;
    return "an origin is a scheme and a host, and a port if it is not the usual one, such as "
           "https://example.org or http://127.0.0.1:8000, without a path; or * for every origin";
}

static bool same(const origin *one, const origin *other)
{
    return vt_same_elements(one->scheme, other->scheme) &&
           vt_same_elements(one->host, other->host) && one->port == other->port;
}

/* Host names no scheme, and a proxy may have taken off TLS: so a port that is not
 * named is the usual one of the page's scheme. But what TLS protects up to here is
 * not for a page that anybody on its way could have written. */
static bool is_same_host(const origin *from, const char *host, bool secure)
{
    vt_element ours;
    int port;
    return is_one_of(from->scheme, secure ? "https" : "http", "https") &&
           cut_authority(host, default_port(from->scheme), &ours, &port) &&
           vt_same_elements(from->host, ours) && from->port == port;
}

bool vt_origin_allowed(const char *text, const char *host, bool secure, const char *const *allowed)
{
    origin from, other;
    bool whole = cut(&from, text);
    if (allowed == NULL)
        return whole && is_same_host(&from, host, secure);
    for (; *allowed != NULL; allowed++) {
        if (strcmp(*allowed, "*") == 0 || strcmp(*allowed, text) == 0)
            return true;
        if (whole && cut(&other, *allowed) && same(&from, &other))
            return true;
    }
    return false;
}
