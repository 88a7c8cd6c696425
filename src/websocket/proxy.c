/*
 * Proxies are named by URLs that people type, with passwords in them that hold
 * whatever passwords hold. What comes of it goes into a request, so it is checked
 * as a URL of ours is, and by the same function.
 */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>

#include "digest.h"
#include "draft.h"
#include "response.h"
#include "url.h"

enum { CREDENTIALS_MAX = 512 }; /* "user:password", decoded */

void vt_proxy_finish(vt_proxy *proxy)
{
    if (proxy == NULL)
        return;
    free(proxy->host);
    free(proxy->credentials);
    *proxy = (vt_proxy){0};
}

/* ----------------------------------------------------------------- credentials */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986 2.1, and no control characters (RFC 7617 2). The size, or -1. */
static int decode(char out[CREDENTIALS_MAX], const char *text, size_t size)
{
    int used = 0;
    for (size_t i = 0; i < size; i++) {
        int byte = (unsigned char)text[i];
        if (byte == '%') {
            int high = i + 2 < size ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0)
                return -1;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte < 0x20 || byte == 0x7f || used == CREDENTIALS_MAX)
            return -1;
        out[used++] = (char)byte;
    }
    return used;
}

/* "user:password", percent-encoded. The user ends at the first colon, so one in
 * its name, encoded, cannot be told from that: RFC 7617 forbids it. */
static int make_credentials(vt_proxy *out, const char *text, size_t size, const char **problem)
{
    char plain[CREDENTIALS_MAX + 1];
    const char *colon = memchr(text, ':', size);
    size_t user_size = colon != NULL ? (size_t)(colon - text) : size;
    int user = decode(plain, text, user_size);
    if (user >= 0 && memchr(plain, ':', (size_t)user) != NULL)
        user = -1;
    int all = user < 0 ? -1 : decode(plain, text, size);
    if (all < 0) {
        *problem = "the user or the password of the proxy is too long, or badly encoded: write "
                   "%40 for '@', %3A for ':' and %25 for '%'";
        return VITAL_EINVAL;
    }
    if (colon == NULL)
        plain[all++] = ':';
    char encoded[VT_BASE64_SIZE(CREDENTIALS_MAX + 1)];
    vt_base64(encoded, plain, (size_t)all);
    if (asprintf(&out->credentials, "Basic %s", encoded) < 0) {
        out->credentials = NULL;
        return VITAL_ENOMEM;
    }
    return 0;
}

/* ------------------------------------------------------------------------- URL */

static bool skip(const char **text, const char *prefix)
{
    size_t size = strlen(prefix);
    if (strlen(*text) < size || !vt_same_any_case((vt_element){*text, size}, prefix))
        return false;
    *text += size;
    return true;
}

/* The last '@' of the authority: passwords hold them, hosts do not. */
static const char *end_of_credentials(const char *text)
{
    const char *end = NULL;
    for (const char *c = text; *c != '\0' && strchr("/?#", *c) == NULL; c++) {
        if (*c == '@')
            end = c;
    }
    return end;
}

/* As a URL of ours is, whose default ports are the same. */
static int parse_place(vt_proxy *out, const char *place, const char **problem)
{
    vt_url url;
    char *text;
    if (asprintf(&text, "%s://%s", out->secure ? "wss" : "ws", place) < 0)
        return VITAL_ENOMEM;
    int error = vt_url_parse(&url, text, problem);
    free(text);
    if (error != 0)
        return error;
    if (strcmp(url.path, "/") != 0) {
        *problem = "the URL of a proxy has no path";
        error = VITAL_EINVAL;
    } else {
        out->host = url.host;
        out->port = url.port;
        url.host = NULL;
    }
    vt_url_finish(&url);
    return error;
}

int vt_proxy_parse(vt_proxy *out, const char *url, const char **problem)
{
    *out = (vt_proxy){0};
    int error = 0;
    out->secure = skip(&url, "https://");
    if (!out->secure && !skip(&url, "http://") && strstr(url, "://") != NULL) {
        *problem = "a proxy is http:// or https://; others are not spoken";
        error = VITAL_EINVAL;
    }
    const char *at = error == 0 ? end_of_credentials(url) : NULL;
    if (at != NULL)
        error = make_credentials(out, url, (size_t)(at - url), problem);
    if (error == 0)
        error = parse_place(out, at != NULL ? at + 1 : url, problem);
    if (error == VITAL_ENOMEM)
        *problem = "out of memory";
    if (error != 0)
        vt_proxy_finish(out);
    return error;
}

/* -------------------------------------------------------------------- exchange */

char *vt_proxy_request(const vt_proxy *proxy, const char *host, uint16_t port)
{
    char number[8];
    bool ipv6 = strchr(host, ':') != NULL;
    snprintf(number, sizeof number, ":%u", (unsigned)port);
    vt_draft out = vt_draft_begin();
    const char *open = ipv6 ? "[" : "", *close = ipv6 ? "]" : "";
    vt_draft_add(&out, "CONNECT ", open, host, close, number, " HTTP/1.1\r\n", NULL);
    vt_draft_add(&out, "Host: ", open, host, close, number, "\r\n", NULL);
    if (proxy->credentials != NULL)
        vt_draft_add(&out, "Proxy-Authorization: ", proxy->credentials, "\r\n", NULL);
    vt_draft_add(&out, "\r\n", NULL);
    return out.data;
}

void vt_proxy_answer_finish(vt_proxy_answer *answer)
{
    vt_head_finish(&answer->head);
}

static vt_proxy_outcome fail(vt_proxy_answer *answer, const char *violation)
{
    answer->violation = violation;
    return VT_PROXY_FAILED;
}

vt_proxy_outcome vt_proxy_feed(vt_proxy_answer *answer, const void *bytes, size_t size,
                               size_t limit_bytes)
{
    /* A response to an upgrade is read strictly only if it is a 101, which would be
     * none to CONNECT; and then the key does not fit it. */
    static const char no_key[] = "AAAAAAAAAAAAAAAAAAAAAA==";
    static const vital_compression none = {.enabled = false};
    size_t used;
    int complete = vt_head_feed(&answer->head, bytes, size, limit_bytes, &used);
    if (complete == VITAL_ENOMEM)
        return fail(answer, "out of memory");
    if (complete == VITAL_ETOOBIG)
        return fail(answer, "the head of the proxy's answer is larger than our limit");
    if (complete == 0)
        return VT_PROXY_MORE;

    vt_response response = vt_response_parse(&answer->head, no_key, NULL, &none);
    answer->status = response.status;
    memcpy(answer->reason, response.reason, sizeof answer->reason);
    if (response.status == 0)
        return fail(answer, "the proxy does not answer in HTTP/1.1");
    if (response.status < 200)
        return fail(answer, "the proxy answers CONNECT with an interim status");
    if (response.status > 299)
        return VT_PROXY_REFUSED;
    if (used < size)
        return fail(answer, "data follows the proxy's answer before anything was asked");
    return VT_PROXY_OPEN;
}
