/*
 * A reference is resolved as RFC 3986 5.2 has it, by putting a URL together as
 * text and parsing that as any other: so nothing comes out of a redirect that
 * could not have been typed.
 */
#include "redirect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vital/vital.h>

#include "head.h"

bool vt_redirect_status(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The size of "scheme:", 0 if there is none (RFC 3986 3.1). */
static size_t scheme_size(const char *location)
{
    size_t size = strspn(location, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+-.");
    bool letter = (location[0] | 0x20) >= 'a' && (location[0] | 0x20) <= 'z';
    return letter && location[size] == ':' ? size + 1 : 0;
}

/* "ws:" or "wss:" for what is one of the two, or asks for one by HTTP; or NULL. */
static const char *scheme_of(vt_element scheme)
{
    if (vt_same_any_case(scheme, "ws:") || vt_same_any_case(scheme, "http:"))
        return "ws:";
    if (vt_same_any_case(scheme, "wss:") || vt_same_any_case(scheme, "https:"))
        return "wss:";
    return NULL;
}

/* RFC 3986 5.2.4, in place; `path` begins with a slash and has no query. */
static void remove_dots(char *path)
{
    char *out = path;
    for (const char *in = path; *in != '\0';) {
        size_t size = 1 + strcspn(in + 1, "/");
        bool one = size == 2 && in[1] == '.';
        bool two = size == 3 && in[1] == '.' && in[2] == '.';
        if (two) {
            while (out > path && *--out != '/')
                continue;
        }
        if (!one && !two) {
            memmove(out, in, size);
            out += size;
        } else if (in[size] == '\0') {
            *out++ = '/';
        }
        in += size;
    }
    *out = '\0';
}

/* The path and query to which a reference without scheme and authority leads;
 * malloc'd, NULL without memory. */
static char *path_from(const char *base, const char *reference)
{
    int kept = (int)strcspn(base, "?"); /* its path */
    if (reference[0] == '/')
        kept = 0;
    else if (reference[0] != '?' && reference[0] != '\0')
        while (base[kept - 1] != '/')
            kept--;
    char *joined;
    if (reference[0] == '\0')
        return strdup(base);
    if (asprintf(&joined, "%.*s%s", kept, base, reference) < 0)
        return NULL;
    char *query = strchr(joined, '?');
    if (query != NULL)
        *query = '\0';
    char *path;
    remove_dots(joined);
    int size = asprintf(&path, "%s%s%s", joined, query != NULL ? "?" : "",
                        query != NULL ? query + 1 : "");
    free(joined);
    return size < 0 ? NULL : path;
}

/* The whole URL as text; NULL without memory. *why if there is none. */
static char *url_text(const vt_url *from, const char *location, const char **why)
{
    char *text = NULL;
    const char *secure = from->secure ? "wss:" : "ws:";
    size_t scheme = scheme_size(location);
    bool network = scheme > 0 || strncmp(location, "//", 2) == 0;
    if (network && from->socket != NULL) {
        *why = "it leads off the Unix socket";
    } else if (scheme > 0) {
        const char *to = scheme_of((vt_element){location, scheme});
        if (to == NULL)
            *why = "it leads to another scheme";
        else if (asprintf(&text, "%s%s", to, location + scheme) < 0)
            text = NULL;
    } else if (network) {
        if (asprintf(&text, "%s%s", secure, location) < 0)
            text = NULL;
    } else {
        char *path = path_from(from->path, location);
        if (path != NULL &&
            (from->socket != NULL ? asprintf(&text, "ws+unix:%s:%s", from->socket, path)
                                  : asprintf(&text, "%s//%s%s", secure, from->authority, path)) < 0)
            text = NULL;
        free(path);
    }
    return text;
}

const char *vt_redirect_resolve(vt_url *out, const vt_url *from, const char *location)
{
    const char *why = "out of memory";
    char *reference = strndup(location, strcspn(location, "#"));
    char *text = reference != NULL ? url_text(from, reference, &why) : NULL;
    *out = (vt_url){0};
    if (text != NULL && vt_url_parse(out, text, &why) == 0) {
        why = NULL;
        if (out->credentials != NULL)
            why = "it carries credentials";
        else if (from->secure && !out->secure)
            why = "it gives up TLS";
    }
    if (why != NULL)
        vt_url_finish(out);
    free(reference);
    free(text);
    return why;
}

bool vt_redirect_same_origin(const vt_url *one, const vt_url *other)
{
    if (one->socket != NULL || other->socket != NULL)
        return one->socket != NULL && other->socket != NULL &&
               strcmp(one->socket, other->socket) == 0;
    return one->secure == other->secure && one->port == other->port &&
           strcmp(one->host, other->host) == 0;
}

void vt_redirect_show(char *out, size_t room, const char *location)
{
    const char *slashes = strstr(location, "//");
    const char *authority = slashes != NULL ? slashes + 2 : location;
    const char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
    const char *rest = slashes != NULL && at != NULL ? at + 1 : authority;
    int size = snprintf(out, room, "%.*s%s", (int)(authority - location), location, rest);
    if (size >= 0 && (size_t)size >= room && room > 4)
        memcpy(out + room - 4, "...", 4);
}
