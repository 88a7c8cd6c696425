/*
 * The request of the opening handshake. The rules of RFC 6455 4.2.1 are checked
 * one after the other, each with a sentence of its own: who gets a 400 shall
 * know which line to look at. Where the RFC leaves a choice, the strict one is
 * taken, since a request that two parsers read differently is a hole in whatever
 * stands between them.
 */
#include "request.h"

#include <assert.h>
#include <string.h>

#include "draft.h"
#include "extension.h"
#include "handshake.h"
#include "percent.h"
#include "url.h"

enum { PARAMETER_NAME_MAX = 255 };

/* ----------------------------------------------------------------- reading */

/* Sixteen bytes are 21 characters of six bits and one of two, whose other bits
 * are zero, and the padding: no need to decode anything. */
static bool is_key(const char *text)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strlen(text) == VT_KEY_TEXT_BYTES && strspn(text, base64) == 22 &&
           strchr("AQgw", text[21]) != NULL && strcmp(text + 22, "==") == 0;
}

static vt_refusal refused(int status, const char *why)
{
    return (vt_refusal){.status = status, .why = why};
}

static const vt_refusal good = {0};

/* "HTTP/1.1": two digits and a dot. */
static bool is_version(const char *text)
{
    return strncmp(text, "HTTP/", 5) == 0 && text[5] >= '0' && text[5] <= '9' && text[6] == '.' &&
           text[7] >= '0' && text[7] <= '9' && text[8] == '\0';
}

/* Cuts "GET /chat HTTP/1.1", with exactly one space between the parts: RFC 9112
 * 3 lets a parser be lenient, and warns what comes of it. */
static vt_refusal cut_request_line(vital_request *out, char *line, char **target, bool plain)
{
    char *space = strchr(line, ' ');
    char *last = strrchr(line, ' ');
    if (space == NULL || space == last)
        return refused(400, "the request line is not that of HTTP/1.1 (RFC 9112 3)");
    *space = '\0';
    *last = '\0';
    if (!vt_is_token(vt_element_of(line)) || !is_version(last + 1))
        return refused(400, "the request line is not that of HTTP/1.1 (RFC 9112 3)");
    out->method = line;
    *target = space + 1;
    if (strcmp(last + 1, "HTTP/1.1") < 0 || last[6] != '1')
        return refused(505, "a WebSocket needs HTTP/1.1 (RFC 6455 4.1)");
    if (strcmp(line, "GET") == 0 || (plain && strcmp(line, "HEAD") == 0))
        return good;
    return refused(405, plain ? "only GET and HEAD are answered here"
                              : "a WebSocket is opened with GET (RFC 6455 4.1)");
}

/* The authority and path of "ws://host/path"; NULL if it is no such URI. The
 * RFC speaks of http and https here, and clients of ws and wss. */
static char *after_scheme(char *target)
{
    static const char *const schemes[] = {"ws://", "wss://", "http://", "https://", NULL};
    for (const char *const *each = schemes; *each != NULL; each++) {
        size_t size = strlen(*each);
        if (strlen(target) >= size && vt_same_any_case((vt_element){target, size}, *each))
            return target + size;
    }
    return NULL;
}

/* The query is what follows the first question mark (RFC 3986 3.4). */
static void cut_query(vital_request *out)
{
    char *query = strchr(out->path, '?');
    if (query == NULL)
        return;
    *query = '\0';
    out->query = query + 1;
}

static vt_refusal take_target(vital_request *out, char *target, const char *host)
{
    char *authority = after_scheme(target);
    out->path = target;
    if (authority != NULL) {
        size_t size = strcspn(authority, "/?");
        /* RFC 9112 3.2.2 prefers the target's authority to Host; who sends two
         * that differ is not to be routed by either. */
        if (!vt_same_any_case((vt_element){authority, size}, host))
            return refused(400, "Host differs from the host of the request target");
        out->path = "/";
        if (authority[size] == '/')
            out->path = authority + size;
        if (authority[size] == '?') {
            authority[size - 1] = '/'; /* the host, which is not empty, has been read */
            out->path = authority + size - 1;
        }
    }
    if (vt_path_problem(out->path) != NULL)
        return refused(400, "the request target is not a path of visible ASCII characters "
                            "without a fragment (RFC 6455 3)");
    cut_query(out);
    return good;
}

/* What is to be read from the stream after the head must be frames, nothing
 * else (CVE-2018-12541). */
static vt_refusal check_body(const vt_headers *headers)
{
    size_t count;
    const char *length = vt_headers_find(headers, "Content-Length", &count);
    if (vt_headers_find(headers, "Transfer-Encoding", NULL) != NULL)
        return refused(400, "a request has no body here, but there is Transfer-Encoding");
    if (count == 0)
        return good;
    if (count > 1 || length[0] == '\0' || length[strspn(length, "0123456789")] != '\0')
        return refused(400, "Content-Length is not one number (RFC 9112 6.3)");
    if (length[strspn(length, "0")] != '\0')
        return refused(413, "a request has no body here");
    return good;
}

/* RFC 6455 4.1, item 10 of the request. */
static vt_refusal check_subprotocols(const vt_headers *headers)
{
    vt_element seen[VT_SUBPROTOCOLS_MAX];
    vt_element next;
    size_t count = 0;
    vt_elements elements = {.headers = headers, .name = "Sec-WebSocket-Protocol"};
    while (vt_elements_next(&elements, &next)) {
        if (!vt_is_token(next))
            return refused(400, "a subprotocol in Sec-WebSocket-Protocol is not a token "
                                "(RFC 6455 4.1)");
        for (size_t i = 0; i < count; i++) {
            if (seen[i].size == next.size && memcmp(seen[i].text, next.text, next.size) == 0)
                return refused(400, "Sec-WebSocket-Protocol names a subprotocol twice "
                                    "(RFC 6455 4.1)");
        }
        /* Bounds the comparing above, which is quadratic. */
        if (count == VT_SUBPROTOCOLS_MAX)
            return refused(400, "Sec-WebSocket-Protocol names more than 64 subprotocols");
        seen[count++] = next;
    }
    if (count == 0 && vt_headers_find(headers, "Sec-WebSocket-Protocol", NULL) != NULL)
        return refused(400, "Sec-WebSocket-Protocol names nothing (RFC 6455 4.3)");
    return good;
}

/* RFC 6455 4.2.1, items 3 to 6. The version comes before the key: the client of
 * another version may have another kind of key. */
static vt_refusal check_upgrade(const vt_headers *headers)
{
    size_t count;
    vt_headers_find(headers, "Origin", &count);
    if (count > 1)
        return refused(400, "there is more than one Origin (RFC 6454 7.3)");
    if (vt_headers_find(headers, "Upgrade", NULL) == NULL)
        return refused(426, "This is a WebSocket server, and this was a plain HTTP request. "
                            "Connect with a WebSocket client, to ws:// and not http://; a proxy "
                            "between must pass on the Upgrade and Connection headers.");
    if (!vt_headers_name(headers, "Upgrade", "websocket"))
        return refused(426, "Upgrade does not name websocket (RFC 6455 4.2.1)");
    if (!vt_headers_name(headers, "Connection", "Upgrade"))
        return refused(400, "Connection does not name Upgrade; a proxy between must pass it on "
                            "(RFC 6455 4.2.1)");
    const char *version = vt_headers_find(headers, "Sec-WebSocket-Version", &count);
    if (count != 1 || strcmp(version, "13") != 0)
        return refused(426, "Sec-WebSocket-Version must be there once and be 13 (RFC 6455 4.2.1)");
    const char *key = vt_headers_find(headers, "Sec-WebSocket-Key", &count);
    if (count != 1 || !is_key(key))
        return refused(400, "Sec-WebSocket-Key must be there once and be base64 of 16 bytes "
                            "(RFC 6455 4.2.1)");
    return good;
}

/* A proxy that takes away Upgrade leaves the rest, and whoever sent it is to hear
 * of that, not to be given a page. */
static bool wants_upgrade(const vt_headers *headers)
{
    return vt_headers_name(headers, "Upgrade", "websocket") ||
           vt_headers_find(headers, "Sec-WebSocket-Key", NULL) != NULL;
}

vt_refusal vt_request_parse(vital_request *out, vt_head *head, bool plain)
{
    char *line;
    char *target;
    const char *why;
    out->method = out->path = out->query = "";
    out->upgrade = true;
    int status = vt_head_cut(head, &line, &out->headers, &why);
    if (status != 0)
        return refused(status, why);

    vt_refusal refusal = cut_request_line(out, line, &target, plain);
    if (refusal.status != 0)
        return refusal;

    size_t count;
    const char *host = vt_headers_find(&out->headers, "Host", &count);
    if (count != 1 || vt_authority_problem(host) != NULL)
        return refused(400, "Host must be there once and name a host (RFC 9112 3.2)");
    refusal = take_target(out, target, host);
    if (refusal.status == 0)
        refusal = check_body(&out->headers);
    out->upgrade = !plain || wants_upgrade(&out->headers);
    if (refusal.status != 0 || !out->upgrade)
        return refusal;

    if (strcmp(out->method, "GET") != 0)
        return refused(405, "a WebSocket is opened with GET (RFC 6455 4.1)");
    refusal = check_upgrade(&out->headers);
    if (refusal.status == 0)
        refusal = check_subprotocols(&out->headers);
    return refusal;
}

const char *vt_request_subprotocol(const vital_request *request, const char *const *ours)
{
    for (; ours != NULL && *ours != NULL; ours++) {
        vt_elements elements = {.headers = &request->headers, .name = "Sec-WebSocket-Protocol"};
        vt_element offered;
        while (vt_elements_next(&elements, &offered)) {
            if (vt_same(offered, *ours))
                return *ours;
        }
    }
    return NULL;
}

/* ----------------------------------------------------------------- looking */

const char *vital_request_method(const vital_request *request)
{
    return request->method;
}

const char *vital_request_path(const vital_request *request)
{
    return request->path;
}

const char *vital_request_query(const vital_request *request)
{
    return request->query;
}

/* "a=1&b=2": whether the pair at the beginning has that name, which is compared
 * decoded; and its value. */
static bool is_pair_of(const char *pair, size_t size, const char *name, vt_element *value)
{
    char decoded[PARAMETER_NAME_MAX + 1];
    const char *equals = memchr(pair, '=', size);
    size_t name_size = equals != NULL ? (size_t)(equals - pair) : size;
    *value = (vt_element){"", 0};
    if (equals != NULL)
        *value = (vt_element){equals + 1, size - name_size - 1};
    return vt_percent_decode(decoded, sizeof decoded, pair, name_size, true) &&
           strcmp(decoded, name) == 0;
}

bool vital_request_parameter(const vital_request *request, const char *name, char *out, size_t room)
{
    const char *pair = request->query;
    while (*pair != '\0') {
        vt_element value;
        size_t size = strcspn(pair, "&");
        if (size > 0 && is_pair_of(pair, size, name, &value))
            return vt_percent_decode(out, room, value.text, value.size, true);
        pair += size + (pair[size] == '&');
    }
    return false;
}

const char *vital_request_header(const vital_request *request, const char *name)
{
    return vt_headers_find(&request->headers, name, NULL);
}

const vital_header *vital_request_headers(const vital_request *request, size_t *count)
{
    *count = request->headers.count;
    return request->headers.at;
}

vital_bytes vital_request_subprotocol(const vital_request *request, size_t index)
{
    vt_elements elements = {.headers = &request->headers, .name = "Sec-WebSocket-Protocol"};
    vt_element offered = {NULL, 0};
    for (size_t i = 0; i <= index; i++) {
        if (!vt_elements_next(&elements, &offered))
            return (vital_bytes){NULL, 0};
    }
    return (vital_bytes){offered.text, offered.size};
}

bool vital_request_offers(const vital_request *request, const char *subprotocol)
{
    const char *const ours[] = {subprotocol, NULL};
    return vt_request_subprotocol(request, ours) != NULL;
}

/* ----------------------------------------------------------------- writing */

char *vt_request_write(const vt_request_parts *parts)
{
    assert(vt_path_problem(parts->path) == NULL);
    assert(vt_authority_problem(parts->host) == NULL);
    vt_draft out = vt_draft_begin();
    vt_draft_add(&out, "GET ", parts->path, " HTTP/1.1\r\n", NULL);
    vt_draft_add(&out, "Host: ", parts->host, "\r\n", NULL);
    vt_draft_add(&out, "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", NULL);
    vt_draft_add(&out, "Sec-WebSocket-Key: ", parts->key, "\r\n", NULL);
    vt_draft_add(&out, "Sec-WebSocket-Version: 13\r\n", NULL);
    const char *before = "Sec-WebSocket-Protocol: ";
    for (const char *const *each = parts->subprotocols; each != NULL && *each != NULL; each++) {
        assert(vt_subprotocol_problem(*each) == NULL);
        vt_draft_add(&out, before, *each, each[1] == NULL ? "\r\n" : "", NULL);
        before = ", ";
    }
    char extensions[VT_EXTENSIONS_TEXT_BYTES] = "";
    if (parts->compression != NULL)
        vt_extensions_offer(extensions, parts->compression);
    if (extensions[0] != '\0')
        vt_draft_add(&out, "Sec-WebSocket-Extensions: ", extensions, "\r\n", NULL);
    for (const char *const *each = parts->headers; each != NULL && *each != NULL; each++) {
        assert(vt_header_problem(*each) == NULL);
        vt_draft_add(&out, *each, "\r\n", NULL);
    }
    vt_draft_add(&out, "\r\n", NULL);
    return out.data;
}
