/*
 * The response of the opening handshake: a 101 that answers the key, or another
 * answer in HTTP that any client understands, after which the stream ends. A
 * client checks a 101 strictly and a refusal hardly at all.
 */
#include "response.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "draft.h"
#include "handshake.h"
#include "redirect.h"

/* A server that asks for more than a week is not believed. */
enum { RETRY_AFTER_MAX_S = 7 * 24 * 3600 };

/* ----------------------------------------------------------------- writing */

/* Whether some header of a caller's has that name. */
static bool names(const char *const *headers, const char *name)
{
    for (; headers != NULL && *headers != NULL; headers++) {
        if (vt_same_any_case((vt_element){*headers, strcspn(*headers, ":")}, name))
            return true;
    }
    return false;
}

static const char *headers_problem(const char *const *headers)
{
    const char *problem = NULL;
    for (; problem == NULL && headers != NULL && *headers != NULL; headers++)
        problem = vt_header_problem(*headers);
    return problem;
}

/* RFC 9110 6.4.1. */
static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

const char *vt_response_problem(const vital_response *response, const vital_request *request)
{
    bool accepts = response->status == 0 || response->status == 101;
    const char *subprotocol = response->subprotocol;
    if (!request->upgrade && (response->status < 200 || response->status > 599))
        return "a plain request is answered with a status from 200 to 599";
    if (request->upgrade && !accepts && (response->status < 300 || response->status > 599))
        return "an upgrade is accepted with 101 or refused with a status from 300 to 599";
    if (subprotocol != NULL && !accepts)
        return "a subprotocol belongs to a 101";
    if (subprotocol != NULL && subprotocol[0] != '\0' &&
        !vital_request_offers(request, subprotocol))
        return "this subprotocol was not offered (RFC 6455 4.2.2)";
    if (response->body.size > 0 && response->body.data == NULL)
        return "the body is NULL";
    if (response->body.size > 0 && (accepts || has_no_body(response->status)))
        return "a response of this status has no body";
    return headers_problem(response->headers);
}

static void add_headers(vt_draft *out, const char *const *headers)
{
    for (; headers != NULL && *headers != NULL; headers++) {
        assert(vt_header_problem(*headers) == NULL);
        vt_draft_add(out, *headers, "\r\n", NULL);
    }
}

char *vt_switch_write(const vital_request *request, const char *subprotocol,
                      const vt_deflate_terms *deflate, const char *const *headers)
{
    const char *key = vital_request_header(request, "Sec-WebSocket-Key");
    assert(key != NULL);
    assert(subprotocol == NULL || vt_subprotocol_problem(subprotocol) == NULL);
    char accept[VT_ACCEPT_TEXT_BYTES + 1];
    vt_handshake_accept(accept, key);

    vt_draft out = vt_draft_begin();
    vt_draft_add(&out, "HTTP/1.1 101 Switching Protocols\r\n", NULL);
    vt_draft_add(&out, "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", NULL);
    vt_draft_add(&out, "Sec-WebSocket-Accept: ", accept, "\r\n", NULL);
    if (subprotocol != NULL)
        vt_draft_add(&out, "Sec-WebSocket-Protocol: ", subprotocol, "\r\n", NULL);
    char extensions[VT_EXTENSIONS_TEXT_BYTES];
    vt_extensions_answer(extensions, deflate);
    if (extensions[0] != '\0')
        vt_draft_add(&out, "Sec-WebSocket-Extensions: ", extensions, "\r\n", NULL);
    add_headers(&out, headers);
    vt_draft_add(&out, "\r\n", NULL);
    return out.data;
}

/* RFC 9110 15, RFC 6585. */
static const char *status_words(int status)
{
    static const struct {
        int status;
        const char *words;
    } known[] = {
        {200, "OK"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
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
    return status < 400 ? "" : "Refused";
}

static void add_length(vt_draft *out, size_t size)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", size);
    vt_draft_add(out, "Content-Length: ", length, "\r\n", NULL);
}

char *vt_answer_write(const vital_response *response, bool head, size_t *size)
{
    int status = response->status;
    char number[16];
    assert(status >= 200 && status <= 599);
    snprintf(number, sizeof number, "%d", status);

    vt_draft out = vt_draft_begin();
    vt_draft_add(&out, "HTTP/1.1 ", number, " ", status_words(status), "\r\n", NULL);
    if (response->body.size > 0 && !names(response->headers, "Content-Type"))
        vt_draft_add(&out, "Content-Type: text/plain; charset=utf-8\r\n", NULL);
    if (!has_no_body(status))
        add_length(&out, response->body.size);
    /* RFC 9110 15.5.22 and 7.8: a 426 names in Upgrade what is required, and
     * Upgrade in Connection; RFC 6455 4.4 wants the version. */
    if (status == 426)
        vt_draft_add(&out, "Connection: close, Upgrade\r\n", "Upgrade: websocket\r\n",
                     "Sec-WebSocket-Version: 13\r\n", NULL);
    else
        vt_draft_add(&out, "Connection: close\r\n", NULL);
    if (status == 405 && !names(response->headers, "Allow")) /* RFC 9110 15.5.6 */
        vt_draft_add(&out, "Allow: GET\r\n", NULL);
    add_headers(&out, response->headers);
    vt_draft_add(&out, "\r\n", NULL);
    if (!head)
        vt_draft_append(&out, response->body.data, response->body.size);
    *size = out.size;
    return out.data;
}

/* ----------------------------------------------------------------- reading */

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

/* Two of them are none: nobody knows which one was meant. */
static const char *location(const vt_headers *headers)
{
    size_t count;
    const char *text = vt_headers_find(headers, "Location", &count);
    return count == 1 ? text : NULL;
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

vt_response vt_response_parse(vt_head *head, const char *key, const char *const *subprotocols,
                              const vital_compression *compression)
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
    if (out.status != 101) {
        out.retry_after_s = retry_after_s(&headers);
        if (problem == 0 && vt_redirect_status(out.status))
            out.location = location(&headers);
    } else if (problem != 0)
        out.violation = why;
    else
        out.violation = check_switch(&out, &headers, key, subprotocols);
    if (out.status == 101 && out.violation == NULL)
        out.violation = vt_extensions_check(&out.deflate, &headers, compression);
    return out;
}
