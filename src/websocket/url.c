/*
 * Where to connect: a URL is cut from left to right, and every part is checked
 * before it is kept. Stricter than RFC 3986 on purpose: what comes out of here
 * goes into a request line, a Host header and a resolver, and a byte that means
 * something there must not come from here. People type these texts, so each
 * mistake that people make has its own sentence, which says what to write.
 */
#include "url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <vital/vital.h>

#include "credentials.h"
#include "percent.h"

enum {
    WS_PORT = 80,   /* RFC 6455 3 */
    WSS_PORT = 443, /* RFC 6455 3 */
    HOST_MAX = 253, /* a name, RFC 1035 3.1 as text */
    SOCKET_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
};

/* A piece of the text. */
typedef struct span {
    const char *text;
    size_t size;
} span;

void vt_url_finish(vt_url *url)
{
    if (url == NULL)
        return;
    free(url->host);
    free(url->socket);
    free(url->path);
    free(url->authority);
    vt_credentials_free(url->credentials);
    free(url->text);
    *url = (vt_url){0};
}

/* ------------------------------------------------------------------ checks */

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_visible(char c)
{
    return c > 0x20 && c < 0x7f;
}

/* strchr() finds the final NUL; this does not. */
static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

const char *vt_path_problem(const char *path)
{
    if (path[0] != '/')
        return "the path must begin with '/'";
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '#')
            return "a WebSocket URL has no fragment (#); write %23 for the character "
                   "(RFC 6455 section 3)";
        if (!is_visible(*c))
            return "the path holds a space, a control character or a byte that is not ASCII; "
                   "percent-encode it";
    }
    return NULL;
}

static const char *host_problem(span host)
{
    if (host.size == 0)
        return "the URL names no host";
    if (host.size > HOST_MAX)
        return "the host is longer than the 253 characters of a name";
    for (size_t i = 0; i < host.size; i++) {
        char c = host.text[i];
        if ((unsigned char)c >= 0x80)
            return "the host is not ASCII; write an international name in its xn-- form";
        if (!is_letter(c) && !is_digit(c) && !is_one_of(c, "-._"))
            return "a host holds only letters, digits, '-', '.' and '_'";
        if (c == '.' && (i == 0 || host.text[i - 1] == '.'))
            return "the host has an empty part between its dots";
    }
    return NULL;
}

/* Nothing but digits, at most 65535; -1 else. */
static int port_number(span digits)
{
    int port = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (!is_digit(digits.text[i]))
            return -1;
        port = port * 10 + (digits.text[i] - '0');
        if (port > UINT16_MAX)
            return -1;
    }
    return digits.size > 0 ? port : -1;
}

/* Text in brackets, without them. */
static bool is_ipv6(span host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.size >= sizeof text)
        return false;
    memcpy(text, host.text, host.size);
    text[host.size] = '\0';
    return strlen(text) == host.size && inet_pton(AF_INET6, text, &address) == 1;
}

/* ------------------------------------------------------------------- parts */

/* Cuts "host:port" or "[host]:port"; `port` is what follows the colon, with
 * NULL text if there is no colon. */
static const char *cut_authority(span authority, span *host, span *port)
{
    const char *end = authority.text + authority.size;
    *port = (span){NULL, 0};
    if (authority.size > 0 && authority.text[0] == '[') {
        const char *close = memchr(authority.text, ']', authority.size);
        if (close == NULL)
            return "the bracket of the IPv6 address is not closed";
        *host = (span){authority.text + 1, (size_t)(close - authority.text - 1)};
        if (!is_ipv6(*host))
            return "what stands in the brackets is not an IPv6 address";
        if (close + 1 == end)
            return NULL;
        if (close[1] != ':')
            return "only a port may follow the bracket of an IPv6 address";
        *port = (span){close + 2, (size_t)(end - close - 2)};
        return NULL;
    }
    const char *colon = authority.size > 0 ? memchr(authority.text, ':', authority.size) : NULL;
    if (colon == NULL) {
        *host = authority;
        return NULL;
    }
    *host = (span){authority.text, (size_t)(colon - authority.text)};
    *port = (span){colon + 1, (size_t)(end - colon - 1)};
    if (memchr(port->text, ':', port->size) != NULL)
        return "an IPv6 address stands in brackets, such as [::1]:9001";
    return NULL;
}

const char *vt_authority_problem(const char *authority)
{
    span host;
    span port;
    const char *problem = cut_authority((span){authority, strlen(authority)}, &host, &port);
    if (problem != NULL)
        return problem;
    if (host.size == 0)
        return "the host is empty";
    for (size_t i = 0; i < host.size && authority[0] != '['; i++) {
        /* RFC 3986's reg-name, which is wider than what names a host of ours. */
        char c = host.text[i];
        if (!is_letter(c) && !is_digit(c) && !is_one_of(c, "-._~%!$&'()*+,;="))
            return "the host holds a character that no host has";
    }
    if (port.size > 0 && port_number(port) < 0) /* RFC 3986 3.2.3 lets it be empty */
        return "the port is not a number up to 65535";
    return NULL;
}

static char *copy(span from, bool to_lower)
{
    char *out = strndup(from.text, from.size);
    for (char *c = out; to_lower && c != NULL && *c != '\0'; c++)
        *c = lower(*c);
    return out;
}

/* A path in origin form from what follows the authority; NULL without memory. */
static char *path_of(const char *rest)
{
    char *out;
    if (asprintf(&out, "%s%s", rest[0] == '/' ? "" : "/", rest) < 0)
        return NULL;
    return out;
}

/* "[::1]:9001"; the default port is left out, as RFC 6455 4.1 has it. */
static char *authority_of(const vt_url *url)
{
    bool bare = url->port == (url->secure ? WSS_PORT : WS_PORT);
    bool ipv6 = strchr(url->host, ':') != NULL;
    char port[sizeof ":65535"] = "";
    if (!bare)
        snprintf(port, sizeof port, ":%u", (unsigned)url->port);
    char *out;
    if (asprintf(&out, "%s%s%s%s", ipv6 ? "[" : "", url->host, ipv6 ? "]" : "", port) < 0)
        return NULL;
    return out;
}

/* ------------------------------------------------------------------ ws, wss */

/* Takes "user:password@" off the front of the authority (RFC 3986 3.2.1). Both
 * are percent-decoded, each by itself: the colon between them is the first. */
static int take_credentials(vt_url *out, span *authority, const char **problem)
{
    const char *at = memrchr(authority->text, '@', authority->size);
    if (at == NULL)
        return 0;
    size_t size = (size_t)(at - authority->text);
    const char *text = authority->text;
    const char *colon = memchr(text, ':', size);
    size_t user = colon != NULL ? (size_t)(colon - text) : size;
    *authority = (span){at + 1, authority->size - size - 1};
    *problem = "the credentials before the '@' are empty";
    if (size == 0)
        return VITAL_EINVAL;
    *problem = "an '@' in the credentials of a URL is written %40";
    if (memchr(text, '@', size) != NULL)
        return VITAL_EINVAL;

    out->credentials = calloc(1, size + 2);
    if (out->credentials == NULL)
        return VITAL_ENOMEM;
    bool good = vt_percent_decode(out->credentials, size + 2, text, user, false);
    size_t used = strlen(out->credentials);
    *problem = "a user's name holds no colon (RFC 7617)";
    if (good && strchr(out->credentials, ':') != NULL)
        return VITAL_EINVAL;
    out->credentials[used++] = ':';
    if (good && colon != NULL)
        good = vt_percent_decode(out->credentials + used, size + 2 - used, colon + 1,
                                 size - user - 1, false);
    for (const char *c = out->credentials; *c != '\0'; c++)
        good = good && (unsigned char)*c >= 0x20 && *c != 0x7f;
    *problem = good ? NULL : "the credentials of the URL are not well encoded";
    return good ? 0 : VITAL_EINVAL;
}

/* `text` follows "ws://". 0 or an error with everything still in *out. */
static int parse_network(vt_url *out, const char *text, const char **problem)
{
    span authority = {text, strcspn(text, "/?#")};
    const char *rest = text + authority.size;
    span host;
    span port;
    int error = take_credentials(out, &authority, problem);
    if (error != 0)
        return error;
    *problem = cut_authority(authority, &host, &port);
    if (*problem == NULL && authority.text[0] != '[')
        *problem = host_problem(host);
    if (*problem != NULL)
        return VITAL_EINVAL;

    int number = out->secure ? WSS_PORT : WS_PORT;
    if (port.size > 0) /* "host:" has the default port, RFC 3986 3.2.3 */
        number = port_number(port);
    if (number < 1) {
        *problem = "the port must be a number from 1 to 65535";
        return VITAL_EINVAL;
    }
    out->port = (uint16_t)number;
    out->path = path_of(rest);
    out->host = copy(host, true);
    if (out->path == NULL || out->host == NULL)
        return VITAL_ENOMEM;
    *problem = vt_path_problem(out->path);
    if (*problem != NULL)
        return VITAL_EINVAL;
    out->authority = authority_of(out);
    if (out->authority == NULL || asprintf(&out->text, "%s://%s%s", out->secure ? "wss" : "ws",
                                           out->authority, out->path) < 0) {
        out->text = NULL;
        return VITAL_ENOMEM;
    }
    return 0;
}

/* ----------------------------------------------------------------- ws+unix */

static const char *socket_problem(span name)
{
    if (name.size == 0)
        return "the Unix socket has no path; write unix:/run/x.sock";
    if (name.size > SOCKET_MAX)
        return "the path of a Unix socket has at most 107 bytes";
    for (size_t i = 0; i < name.size; i++) {
        if ((unsigned char)name.text[i] < 0x20 || name.text[i] == 0x7f)
            return "the path of the Unix socket holds a control character";
    }
    return NULL;
}

/* `text` follows "ws+unix:". Both "/run/x.sock" and "///run/x.sock" are in use:
 * the latter has an empty authority, as file: URLs do. */
static int parse_unix(vt_url *out, const char *text, const char **problem)
{
    if (strncmp(text, "//", 2) == 0)
        text += 2;
    span name = {text, strcspn(text, ":?#")};
    const char *rest = text + name.size;
    if (text[0] != '/' && text[0] != '@') {
        *problem = "the path of the Unix socket must begin with '/', as in "
                   "ws+unix:/run/x.sock:/path";
        return VITAL_EINVAL;
    }
    if (rest[0] == '?' || rest[0] == '#') {
        *problem = "a colon stands between the Unix socket and the path, as in "
                   "ws+unix:/run/x.sock:/path?query";
        return VITAL_EINVAL;
    }
    *problem = socket_problem(name);
    if (*problem != NULL)
        return VITAL_EINVAL;
    if (rest[0] == ':')
        rest++;
    if (rest[0] != '\0' && rest[0] != '/' && rest[0] != '?') {
        *problem = "the path after the Unix socket must begin with '/', as in "
                   "ws+unix:/run/x.sock:/path";
        return VITAL_EINVAL;
    }
    out->path = path_of(rest);
    out->socket = copy(name, false);
    out->authority = strdup("localhost");
    if (out->path == NULL || out->socket == NULL || out->authority == NULL)
        return VITAL_ENOMEM;
    *problem = vt_path_problem(out->path);
    if (*problem != NULL)
        return VITAL_EINVAL;
    bool bare = strcmp(out->path, "/") == 0;
    if (asprintf(&out->text, "ws+unix:%s%s%s", out->socket, bare ? "" : ":",
                 bare ? "" : out->path) < 0) {
        out->text = NULL;
        return VITAL_ENOMEM;
    }
    return 0;
}

/* --------------------------------------------------------------- the whole */

static bool skip(const char **text, const char *prefix)
{
    size_t size = strlen(prefix);
    for (size_t i = 0; i < size; i++) {
        if (lower((*text)[i]) != prefix[i])
            return false;
    }
    *text += size;
    return true;
}

static const char *scheme_problem(const char *text)
{
    if (skip(&text, "http://"))
        return "use ws:// instead of http://";
    if (skip(&text, "https://"))
        return "use wss:// instead of https://";
    if (skip(&text, "ws:") || skip(&text, "wss:"))
        return "two slashes follow the scheme, as in ws://example.org/path";
    if (strstr(text, "://") != NULL)
        return "the scheme must be ws, wss or ws+unix";
    return "the URL has no scheme; write it whole, as in ws://example.org:9001/path";
}

int vt_url_parse(vt_url *out, const char *text, const char **problem)
{
    *out = (vt_url){0};
    *problem = NULL;

    int error = VITAL_EINVAL;
    if (skip(&text, "ws://")) {
        error = parse_network(out, text, problem);
    } else if (skip(&text, "wss://")) {
        out->secure = true;
        error = parse_network(out, text, problem);
    } else if (skip(&text, "ws+unix:")) {
        error = parse_unix(out, text, problem);
    } else {
        *problem = scheme_problem(text);
    }
    if (error != 0)
        vt_url_finish(out);
    return error;
}

/* --------------------------------------------------------------- addresses */

static const char *address_host_problem(span host, bool bracketed)
{
    struct in_addr address;
    char text[INET_ADDRSTRLEN];
    if (bracketed)
        return NULL; /* checked where it was cut */
    if (host.size == 0)
        return "write 0.0.0.0:port or [::]:port for every address of this host, or "
               "127.0.0.1:port for this host alone";
    if (host.size < sizeof text) {
        memcpy(text, host.text, host.size);
        text[host.size] = '\0';
        if (inet_pton(AF_INET, text, &address) == 1)
            return NULL;
    }
    return "the address must be numeric, such as 127.0.0.1:9001 or [::1]:9001, or "
           "localhost:9001, or unix:/run/x.sock";
}

static int parse_host_and_port(vt_url *out, const char *text, const char **problem)
{
    span host;
    span port;
    if (strstr(text, "://") != NULL) {
        *problem = "write an address and not a URL, such as 127.0.0.1:9001";
        return VITAL_EINVAL;
    }
    *problem = cut_authority((span){text, strlen(text)}, &host, &port);
    if (*problem != NULL)
        return VITAL_EINVAL;
    if (port.size == 0) {
        *problem = "write an address and a port, such as 127.0.0.1:9001";
        return VITAL_EINVAL;
    }
    /* The name that everybody types; all others would need a resolver. */
    const char *word = host.text;
    if (host.size == strlen("localhost") && skip(&word, "localhost"))
        host = (span){"127.0.0.1", strlen("127.0.0.1")};
    *problem = address_host_problem(host, text[0] == '[');
    if (*problem != NULL)
        return VITAL_EINVAL;
    int number = port_number(port);
    if (number < 0) {
        *problem = "the port must be a number from 0 to 65535";
        return VITAL_EINVAL;
    }
    out->port = (uint16_t)number;
    out->host = copy(host, true);
    return out->host != NULL ? 0 : VITAL_ENOMEM;
}

int vt_url_parse_address(vt_url *out, const char *text, const char **problem)
{
    *out = (vt_url){0};
    *problem = NULL;
    if (!skip(&text, "unix:"))
        return parse_host_and_port(out, text, problem);

    span name = {text, strlen(text)};
    *problem = socket_problem(name);
    if (*problem != NULL)
        return VITAL_EINVAL;
    out->socket = copy(name, false);
    return out->socket != NULL ? 0 : VITAL_ENOMEM;
}
