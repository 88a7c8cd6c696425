/*
 * The opening handshake, both roles. The rules of RFC 6455 4 are checked one
 * after the other, each with a sentence of its own: who gets a 400 or a failed
 * connection shall know which line to look at. Where the RFC leaves a choice,
 * the strict one is taken, since a handshake that two parsers read differently
 * is a hole in whatever stands between them. Extensions are declined by not
 * being named in the answer, as 9.1 has it; none is offered.
 */
#include "handshake.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "url.h"

/* RFC 6455 1.3 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* A server that asks for more than a week is not believed. */
enum { RETRY_AFTER_MAX_S = 7 * 24 * 3600 };

/* -------------------------------------------------------------------- keys */

void vt_handshake_key(char out[VT_KEY_TEXT_BYTES + 1], const uint8_t nonce[16])
{
    static_assert(VT_BASE64_SIZE(16) == VT_KEY_TEXT_BYTES + 1, "the key is base64 of 16 bytes");
    vt_base64(out, nonce, 16);
}

void vt_handshake_accept(char out[VT_ACCEPT_TEXT_BYTES + 1], const char *key)
{
    static_assert(VT_BASE64_SIZE(VT_SHA1_BYTES) == VT_ACCEPT_TEXT_BYTES + 1, "base64 of a SHA-1");
    char text[VT_KEY_TEXT_BYTES + sizeof ACCEPT_GUID];
    uint8_t digest[VT_SHA1_BYTES];
    assert(strlen(key) == VT_KEY_TEXT_BYTES);
    memcpy(text, key, VT_KEY_TEXT_BYTES);
    memcpy(text + VT_KEY_TEXT_BYTES, ACCEPT_GUID, sizeof ACCEPT_GUID);
    vt_sha1(digest, text, sizeof text - 1);
    vt_base64(out, digest, sizeof digest);
}

/* Sixteen bytes are 21 characters of six bits and one of two, whose other bits
 * are zero, and the padding: no need to decode anything. */
static bool is_key(const char *text)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strlen(text) == VT_KEY_TEXT_BYTES && strspn(text, base64) == 22 &&
           strchr("AQgw", text[21]) != NULL && strcmp(text + 22, "==") == 0;
}

/* ------------------------------------------------------- what a caller sets */

const char *vt_header_problem(const char *line)
{
    static const char *const reserved[] = {"Host",           "Upgrade",           "Connection",
                                           "Content-Length", "Transfer-Encoding", NULL};
    vt_element name = {line, strcspn(line, ":")};
    if (line[name.size] != ':')
        return "a header must be written as \"Name: value\"";
    if (!vt_is_token(name))
        return "the name of a header must be a token (RFC 9110 5.6.2)";
    if (!vt_is_text(vt_element_of(line + name.size)))
        return "a header must not hold control characters or line breaks";
    for (const char *const *each = reserved; *each != NULL; each++) {
        if (vt_same_any_case(name, *each))
            return "Host, Upgrade, Connection and the headers of a body belong to the handshake";
    }
    size_t prefix = strlen("Sec-WebSocket-");
    if (name.size >= prefix && vt_same_any_case((vt_element){line, prefix}, "Sec-WebSocket-"))
        return "the headers named Sec-WebSocket-... belong to the handshake";
    return NULL;
}

const char *vt_subprotocol_problem(const char *name)
{
    if (vt_is_token(vt_element_of(name)))
        return NULL;
    return "the name of a subprotocol must be a token: no spaces, commas or control characters "
           "(RFC 6455 4.1)";
}

/* ----------------------------------------------------- reading the request */

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
static vt_refusal cut_request_line(vital_request *out, char *line, char **target)
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
    if (strcmp(line, "GET") != 0)
        return refused(405, "a WebSocket is opened with GET (RFC 6455 4.1)");
    return good;
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
    return good;
}

/* What is to be read from the stream after the head must be frames, nothing
 * else (CVE-2018-12541). */
static vt_refusal check_body(const vt_headers *headers)
{
    size_t count;
    const char *length = vt_headers_find(headers, "Content-Length", &count);
    if (vt_headers_find(headers, "Transfer-Encoding", NULL) != NULL)
        return refused(400, "an upgrade request has no body, but there is Transfer-Encoding");
    if (count == 0)
        return good;
    if (count > 1 || length[0] == '\0' || length[strspn(length, "0123456789")] != '\0')
        return refused(400, "Content-Length is not one number (RFC 9112 6.3)");
    if (length[strspn(length, "0")] != '\0')
        return refused(413, "an upgrade request has no body");
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

vt_refusal vt_request_parse(vital_request *out, vt_head *head)
{
    char *line;
    char *target;
    const char *why;
    out->method = out->path = "";
    int status = vt_head_cut(head, &line, &out->headers, &why);
    if (status != 0)
        return refused(status, why);

    vt_refusal refusal = cut_request_line(out, line, &target);
    if (refusal.status != 0)
        return refusal;

    size_t count;
    const char *host = vt_headers_find(&out->headers, "Host", &count);
    if (count != 1 || vt_authority_problem(host) != NULL)
        return refused(400, "Host must be there once and name a host (RFC 9112 3.2)");
    refusal = take_target(out, target, host);
    if (refusal.status == 0)
        refusal = check_body(&out->headers);
    if (refusal.status == 0)
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

const char *vital_request_path(const vital_request *request)
{
    return request->path;
}

const char *vital_request_header(const vital_request *request, const char *name)
{
    return vt_headers_find(&request->headers, name, NULL);
}

/* ----------------------------------------------------------------- writing */

/* A text that grows. Without memory it becomes NULL and stays so: who writes
 * looks once, at the end. */
typedef struct draft {
    char *data; /* owned */
    size_t size;
    size_t capacity;
} draft;

static draft draft_begin(void)
{
    enum { FIRST_CAPACITY = 512 };
    return (draft){.data = malloc(FIRST_CAPACITY), .capacity = FIRST_CAPACITY};
}

/* The strings up to NULL. */
__attribute__((sentinel)) static void add(draft *out, ...)
{
    const char *piece;
    va_list pieces;
    va_start(pieces, out);
    while (out->data != NULL && (piece = va_arg(pieces, const char *)) != NULL) {
        size_t size = strlen(piece) + 1;
        if (out->capacity - out->size < size) {
            size_t capacity = (out->capacity + size) * 2;
            char *data = realloc(out->data, capacity);
            if (data == NULL)
                free(out->data);
            out->data = data;
            out->capacity = capacity;
        }
        if (out->data != NULL)
            memcpy(out->data + out->size, piece, size);
        out->size += size - 1;
    }
    va_end(pieces);
}

char *vt_request_write(const vt_request_parts *parts)
{
    assert(vt_path_problem(parts->path) == NULL);
    assert(vt_authority_problem(parts->host) == NULL);
    draft out = draft_begin();
    add(&out, "GET ", parts->path, " HTTP/1.1\r\n", NULL);
    add(&out, "Host: ", parts->host, "\r\n", NULL);
    add(&out, "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", NULL);
    add(&out, "Sec-WebSocket-Key: ", parts->key, "\r\n", NULL);
    add(&out, "Sec-WebSocket-Version: 13\r\n", NULL);
    const char *before = "Sec-WebSocket-Protocol: ";
    for (const char *const *each = parts->subprotocols; each != NULL && *each != NULL; each++) {
        assert(vt_subprotocol_problem(*each) == NULL);
        add(&out, before, *each, each[1] == NULL ? "\r\n" : "", NULL);
        before = ", ";
    }
    for (const char *const *each = parts->headers; each != NULL && *each != NULL; each++) {
        assert(vt_header_problem(*each) == NULL);
        add(&out, *each, "\r\n", NULL);
    }
    add(&out, "\r\n", NULL);
    return out.data;
}

char *vt_response_write(const vital_request *request, const char *subprotocol)
{
    const char *key = vital_request_header(request, "Sec-WebSocket-Key");
    assert(key != NULL);
    assert(subprotocol == NULL || vt_subprotocol_problem(subprotocol) == NULL);
    char accept[VT_ACCEPT_TEXT_BYTES + 1];
    vt_handshake_accept(accept, key);

    draft out = draft_begin();
    add(&out, "HTTP/1.1 101 Switching Protocols\r\n", NULL);
    add(&out, "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", NULL);
    add(&out, "Sec-WebSocket-Accept: ", accept, "\r\n", NULL);
    if (subprotocol != NULL)
        add(&out, "Sec-WebSocket-Protocol: ", subprotocol, "\r\n", NULL);
    add(&out, "\r\n", NULL);
    return out.data;
}

/* RFC 9110 15.5 and 15.6, RFC 6585. */
static const char *status_words(int status)
{
    static const struct {
        int status;
        const char *words;
    } known[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].status == status)
            return known[i].words;
    }
    return "Refused";
}

char *vt_refusal_write(int status, const char *why)
{
    if (status < 400 || status > 599) /* an application's mistake, not the peer's */
        status = 500;
    const char *words = status_words(status);
    if (why == NULL)
        why = words;
    char number[16];
    char length[24];
    snprintf(number, sizeof number, "%d", status);
    snprintf(length, sizeof length, "%zu", strlen(why) + 1);

    draft out = draft_begin();
    add(&out, "HTTP/1.1 ", number, " ", words, "\r\n", NULL);
    add(&out, "Content-Type: text/plain; charset=utf-8\r\n", NULL);
    add(&out, "Content-Length: ", length, "\r\n", NULL);
    /* RFC 9110 15.5.22 and 7.8: a 426 names in Upgrade what is required, and
     * Upgrade in Connection; RFC 6455 4.4 wants the version. */
    if (status == 426)
        add(&out, "Connection: close, Upgrade\r\n", "Upgrade: websocket\r\n",
            "Sec-WebSocket-Version: 13\r\n", NULL);
    else
        add(&out, "Connection: close\r\n", NULL);
    if (status == 405) /* RFC 9110 15.5.6 */
        add(&out, "Allow: GET\r\n", NULL);
    add(&out, "\r\n", why, "\n", NULL);
    return out.data;
}

/* ---------------------------------------------------- reading the response */

/* "HTTP/1.1 404 Not Found"; servers leave out the reason, and its space. */
static const char *take_status(vt_response *out, const char *line)
{
    if (strncmp(line, "HTTP/", 5) != 0)
        return "the peer does not speak HTTP";
    if (strncmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' || line[7] > '9' || line[8] != ' ')
        return "the peer answers with another HTTP than HTTP/1.1 (RFC 9112 4)";

    const char *digits = line + 9;
    if (strspn(digits, "0123456789") != 3 || digits[0] == '0' || digits[0] > '5' ||
        (digits[3] != '\0' && digits[3] != ' '))
        return "the status of the response is not a number from 100 to 599 (RFC 9112 4)";
    out->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');

    const char *reason = digits[3] == ' ' ? digits + 4 : digits + 3;
    size_t size = strlen(reason);
    if (size >= sizeof out->reason)
        size = sizeof out->reason - 1;
    for (size_t i = 0; i < size; i++)
        out->reason[i] = (char)(reason[i] >= 0x20 && reason[i] < 0x7f ? reason[i] : '?');
    if (out->status == 101 && line[7] == '0')
        return "the response is 101 of HTTP/1.0, which has no upgrade (RFC 6455 4.2.2)";
    return NULL;
}

/* Seconds; a date is as good as nothing without a clock. */
static int retry_after_s(const vt_headers *headers)
{
    const char *text = vt_headers_find(headers, "Retry-After", NULL);
    if (text == NULL || text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return -1;
    int seconds = 0;
    for (; *text != '\0'; text++) {
        seconds = seconds * 10 + (*text - '0');
        if (seconds > RETRY_AFTER_MAX_S)
            return RETRY_AFTER_MAX_S;
    }
    return seconds;
}

/* RFC 6455 4.1, what a client must check of a 101, items 2 to 6. */
static const char *check_switch(vt_response *out, const vt_headers *headers, const char *key,
                                const char *const *offered)
{
    size_t count;
    const char *upgrade = vt_headers_find(headers, "Upgrade", &count);
    if (count != 1 || !vt_same_any_case(vt_element_of(upgrade), "websocket"))
        return "the response's Upgrade is not websocket (RFC 6455 4.1)";
    if (!vt_headers_name(headers, "Connection", "Upgrade"))
        return "the response's Connection does not name Upgrade (RFC 6455 4.1)";

    char accept[VT_ACCEPT_TEXT_BYTES + 1];
    vt_handshake_accept(accept, key);
    const char *accepted = vt_headers_find(headers, "Sec-WebSocket-Accept", &count);
    if (count == 0)
        return "the response has no Sec-WebSocket-Accept (RFC 6455 4.1)";
    if (count > 1)
        return "the response has more than one Sec-WebSocket-Accept (RFC 6455 11.3.3)";
    if (strcmp(accepted, accept) != 0)
        return "the response's Sec-WebSocket-Accept does not fit our key (RFC 6455 4.1)";

    if (vt_headers_find(headers, "Sec-WebSocket-Extensions", NULL) != NULL)
        return "the response uses an extension that was not offered (RFC 6455 4.1)";

    const char *subprotocol = vt_headers_find(headers, "Sec-WebSocket-Protocol", &count);
    if (count > 1)
        return "the response has more than one Sec-WebSocket-Protocol (RFC 6455 11.3.4)";
    for (; count > 0 && offered != NULL && *offered != NULL; offered++) {
        if (strcmp(subprotocol, *offered) == 0)
            out->subprotocol = *offered;
    }
    if (count > 0 && out->subprotocol == NULL)
        return "the response chooses a subprotocol that was not offered (RFC 6455 4.1)";
    return NULL;
}

vt_response vt_response_parse(vt_head *head, const char *key, const char *const *offered)
{
    vt_response out = {.retry_after_s = -1};
    vt_headers headers;
    char *line;
    const char *why = NULL;
    bool http = head->size >= 5 && memcmp(head->data, "HTTP/", 5) == 0;
    int problem = vt_head_cut(head, &line, &headers, &why);
    if (line == NULL) {
        out.violation = http ? why : "the peer does not speak HTTP";
        return out;
    }
    out.violation = take_status(&out, line);
    if (out.violation != NULL)
        return out;
    /* A refusal is one however sloppy its headers are: what a person wants to
     * know is the status. */
    if (out.status != 101)
        out.retry_after_s = retry_after_s(&headers);
    else if (problem != 0)
        out.violation = why;
    else
        out.violation = check_switch(&out, &headers, key, offered);
    return out;
}
