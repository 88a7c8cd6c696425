/*
 * The environment is asked, not trusted to be well-formed: what is found goes to
 * the library as it is, which says what is wrong with it.
 */
#include "proxies.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

typedef struct host {
    const char *text;
    size_t size;
} host;

static const char *first(char *(*get)(const char *name), const char *const *names)
{
    for (; *names != NULL; names++) {
        const char *value = get(*names);
        if (value != NULL)
            return value;
    }
    return NULL;
}

static bool has_scheme(const char *url, const char *scheme)
{
    return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

/* Without user, port and brackets. */
static host host_of(const char *url)
{
    const char *begin = strstr(url, "://") + strlen("://");
    size_t size = strcspn(begin, "/?#");
    for (size_t i = size; i-- > 0;) {
        if (begin[i] == '@') {
            size -= i + 1;
            begin += i + 1;
            break;
        }
    }
    if (size > 0 && begin[0] == '[')
        return (host){begin + 1, strcspn(begin + 1, "]")};
    size_t named = strcspn(begin, ":/?#");
    return (host){begin, named < size ? named : size};
}

/* One entry of no_proxy: the same, or a domain above it. */
static bool covers(const char *entry, size_t size, host target)
{
    if (size == 1 && entry[0] == '*')
        return true;
    if (size > 2 && entry[0] == '[' && entry[size - 1] == ']') {
        entry++;
        size -= 2;
    }
    if (size > 0 && entry[0] == '.') {
        entry++;
        size--;
    }
    if (size == 0 || size > target.size)
        return false;
    const char *tail = target.text + (target.size - size);
    return strncasecmp(tail, entry, size) == 0 && (size == target.size || tail[-1] == '.');
}

static bool is_exempt(const char *list, host target)
{
    static const char between[] = ", \t";
    while (list != NULL && *list != '\0') {
        size_t size = strcspn(list, between);
        if (covers(list, size, target))
            return true;
        list += size;
        list += strspn(list, between);
    }
    return false;
}

const char *proxy_of(const char *url, char *(*get)(const char *name))
{
    static const char *const for_wss[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                          NULL};
    static const char *const for_ws[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const for_none[] = {"no_proxy", "NO_PROXY", NULL};
    bool wss = has_scheme(url, "wss://");
    if (!wss && !has_scheme(url, "ws://"))
        return NULL;
    const char *proxy = first(get, wss ? for_wss : for_ws);
    if (proxy == NULL || proxy[0] == '\0' || is_exempt(first(get, for_none), host_of(url)))
        return NULL;
    return proxy;
}
