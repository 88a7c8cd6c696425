/*
 * Extensions are parsed in one pass over the header, whatever stands in it, and
 * judged in two steps. What is not even the grammar of RFC 6455 9.1 fails the
 * handshake, as that section wants. What is grammar, but makes no sense, declines
 * an offer on the server's side and fails the connection on the client's, as RFC
 * 7692 7.1 wants: a server may say no, but a client cannot un-agree.
 *
 * A comma inside of a quoted value would be no separator; but such a value is no
 * token, which 9.1 forbids: both halves are then malformed, as they should be.
 */
#include "extension.h"

#include <stdio.h>

static const char HEADER[] = "Sec-WebSocket-Extensions";
static const char DEFLATE[] = "permessage-deflate";

/* In both roles zlib's raw deflate: it takes a window of 9 bits at least. */
enum { OUR_BITS_LEAST = 9 };

/* What one element of the list says of permessage-deflate. */
struct parameters {
    bool senseless; /* undefined, twice, or a value that cannot be */
    bool server_no_context;
    bool client_no_context;
    bool client_bits_named; /* with a value or without */
    uint8_t server_bits;    /* 0: not named */
    uint8_t client_bits;    /* 0: no value */
};

/* -------------------------------------------------------------------- grammar */

/* The rest of an element that is being read. */
struct scan {
    const char *at;
    const char *end;
};

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
}

static bool take_character(struct scan *scan, char wanted)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != wanted)
        return false;
    scan->at++;
    return true;
}

static bool take_token(struct scan *scan, vt_element *out)
{
    skip_space(scan);
    const char *begin = scan->at;
    while (scan->at < scan->end && strchr(";= \t", *scan->at) == NULL)
        scan->at++;
    *out = (vt_element){begin, (size_t)(scan->at - begin)};
    return vt_is_token(*out);
}

/* The beginning of a value; its whole size. */
struct value {
    size_t size;
    char text[3];
};

static void add_to_value(struct value *value, char character)
{
    if (value->size < sizeof value->text)
        value->text[value->size] = character;
    value->size++;
}

/* A token, or a token in quotes, in which any character may have a backslash. */
static bool take_value(struct scan *scan, struct value *out)
{
    vt_element token;
    out->size = 0;
    if (!take_character(scan, '"')) {
        if (!take_token(scan, &token))
            return false;
        for (size_t i = 0; i < token.size; i++)
            add_to_value(out, token.text[i]);
        return true;
    }
    while (scan->at < scan->end && *scan->at != '"') {
        if (*scan->at == '\\')
            scan->at++;
        if (scan->at == scan->end || !vt_is_token((vt_element){scan->at, 1}))
            return false;
        add_to_value(out, *scan->at++);
    }
    return take_character(scan, '"') && out->size > 0;
}

/* ----------------------------------------------------------------- parameters */

/* "8" to "15", without leading zeros (RFC 7692 7.1.2); else 0. */
static uint8_t window_bits(const struct value *value)
{
    const char *text = value->text;
    if (value->size == 1 && (text[0] == '8' || text[0] == '9'))
        return (uint8_t)(text[0] - '0');
    if (value->size == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5')
        return (uint8_t)(10 + text[1] - '0');
    return 0;
}

/* `value` is NULL where there is none. */
static void note(struct parameters *out, vt_element name, const struct value *value)
{
    bool *flag = vt_same(name, "server_no_context_takeover")   ? &out->server_no_context
                 : vt_same(name, "client_no_context_takeover") ? &out->client_no_context
                                                               : NULL;
    if (flag != NULL) {
        out->senseless |= *flag || value != NULL;
        *flag = true;
    } else if (vt_same(name, "server_max_window_bits")) {
        uint8_t bits = value != NULL ? window_bits(value) : 0;
        out->senseless |= out->server_bits != 0 || bits == 0;
        out->server_bits = bits;
    } else if (vt_same(name, "client_max_window_bits")) {
        uint8_t bits = value != NULL ? window_bits(value) : 0;
        out->senseless |= out->client_bits_named || (value != NULL && bits == 0);
        out->client_bits_named = true;
        out->client_bits = bits;
    } else {
        out->senseless = true;
    }
}

/* False if the element is no extension by the grammar. */
static bool parse(vt_element element, vt_element *name, struct parameters *out)
{
    struct scan scan = {element.text, element.text + element.size};
    *out = (struct parameters){.senseless = false};
    if (!take_token(&scan, name))
        return false;
    while (take_character(&scan, ';')) {
        vt_element parameter;
        struct value value;
        if (!take_token(&scan, &parameter))
            return false;
        bool has_value = take_character(&scan, '=');
        if (has_value && !take_value(&scan, &value))
            return false;
        note(out, parameter, has_value ? &value : NULL);
    }
    skip_space(&scan);
    return scan.at == scan.end;
}

static uint8_t least(int a, int b)
{
    return (uint8_t)(a < b ? a : b);
}

/* --------------------------------------------------------------------- server */

static bool accept(vt_deflate_terms *out, const struct parameters *offer,
                   const vital_compression *ours)
{
    if (offer->senseless || !ours->enabled)
        return false;
    if (offer->server_bits != 0 && offer->server_bits < OUR_BITS_LEAST)
        return false;
    /* A limit of ours may only be answered where the offer knows the word (7.1.2.2). */
    if (!offer->client_bits_named && ours->peer_window_bits < VT_WINDOW_BITS_MOST)
        return false;

    int server_bits = offer->server_bits != 0 ? offer->server_bits : VT_WINDOW_BITS_MOST;
    int client_bits = offer->client_bits != 0 ? offer->client_bits : VT_WINDOW_BITS_MOST;
    *out = (vt_deflate_terms){
        .agreed = true,
        .server_keeps = ours->keep_context && !offer->server_no_context,
        .client_keeps = ours->peer_keeps_context && !offer->client_no_context,
        .server_bits_asked = offer->server_bits != 0,
        .server_bits = least(server_bits, ours->window_bits),
        .client_bits = least(client_bits, ours->peer_window_bits),
    };
    return true;
}

const char *vt_extensions_choose(vt_deflate_terms *out, const vt_headers *request,
                                 const vital_compression *ours)
{
    vt_elements list = {.headers = request, .name = HEADER};
    vt_element element;
    bool empty = true;

    *out = (vt_deflate_terms){.agreed = false};
    while (vt_elements_next(&list, &element)) {
        vt_element name;
        struct parameters offer;
        empty = false;
        if (!parse(element, &name, &offer))
            return "Sec-WebSocket-Extensions is not a list of extensions (RFC 6455 9.1)";
        if (!out->agreed && vt_same(name, DEFLATE))
            accept(out, &offer, ours);
    }
    if (empty && vt_headers_find(request, HEADER, NULL) != NULL)
        return "Sec-WebSocket-Extensions names nothing (RFC 6455 9.1)";
    return NULL;
}

void vt_extensions_answer(char out[VT_EXTENSIONS_TEXT_BYTES], const vt_deflate_terms *terms)
{
    char server_bits[48] = "";
    char client_bits[48] = "";

    out[0] = '\0';
    if (!terms->agreed)
        return;
    if (terms->server_bits_asked || terms->server_bits < VT_WINDOW_BITS_MOST)
        snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%d",
                 terms->server_bits);
    if (terms->client_bits < VT_WINDOW_BITS_MOST)
        snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%d",
                 terms->client_bits);
    /* Not to keep a context may be said without being asked (7.1.1), and tells
     * the other side that it need not keep one either. */
    snprintf(out, VT_EXTENSIONS_TEXT_BYTES, "%s%s%s%s%s", DEFLATE,
             terms->server_keeps ? "" : "; server_no_context_takeover",
             terms->client_keeps ? "" : "; client_no_context_takeover", server_bits, client_bits);
}

/* --------------------------------------------------------------------- client */

void vt_extensions_offer(char out[VT_EXTENSIONS_TEXT_BYTES], const vital_compression *ours)
{
    char server_bits[48] = "";
    char client_bits[48] = "; client_max_window_bits"; /* we can be told, too */

    out[0] = '\0';
    if (!ours->enabled)
        return;
    if (ours->peer_window_bits < VT_WINDOW_BITS_MOST)
        snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%d",
                 ours->peer_window_bits);
    if (ours->window_bits < VT_WINDOW_BITS_MOST)
        snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%d", ours->window_bits);
    snprintf(out, VT_EXTENSIONS_TEXT_BYTES, "%s%s%s%s%s", DEFLATE,
             ours->peer_keeps_context ? "" : "; server_no_context_takeover",
             ours->keep_context ? "" : "; client_no_context_takeover", server_bits, client_bits);
}

/* RFC 7692 7.1.1.1, 7.1.2.1, 7.1.2.2: what was asked must be met. */
static const char *check_answer(vt_deflate_terms *out, const struct parameters *answer,
                                const vital_compression *ours)
{
    int server_bits = answer->server_bits != 0 ? answer->server_bits : VT_WINDOW_BITS_MOST;
    int client_bits = answer->client_bits != 0 ? answer->client_bits : VT_WINDOW_BITS_MOST;

    if (answer->senseless || (answer->client_bits_named && answer->client_bits == 0))
        return "the response's permessage-deflate has a parameter that is unknown, there twice, or "
               "without a value that it can have (RFC 7692 7.1)";
    if (!ours->peer_keeps_context && !answer->server_no_context)
        return "the response ignores our server_no_context_takeover (RFC 7692 7.1.1.1)";
    if (server_bits > ours->peer_window_bits)
        return "the response ignores our server_max_window_bits (RFC 7692 7.1.2.1)";
    if (answer->client_bits > ours->window_bits)
        return "the response's client_max_window_bits is above our offer (RFC 7692 7.1.2.2)";
    *out = (vt_deflate_terms){
        .agreed = true,
        .server_keeps = !answer->server_no_context,
        .client_keeps = ours->keep_context && !answer->client_no_context,
        .server_bits = (uint8_t)server_bits,
        .client_bits = least(client_bits, ours->window_bits),
    };
    return NULL;
}

const char *vt_extensions_check(vt_deflate_terms *out, const vt_headers *response,
                                const vital_compression *ours)
{
    vt_elements list = {.headers = response, .name = HEADER};
    vt_element element;
    vt_element name;
    struct parameters answer;

    *out = (vt_deflate_terms){.agreed = false};
    if (vt_headers_find(response, HEADER, NULL) == NULL)
        return NULL;
    if (!vt_elements_next(&list, &element) || !parse(element, &name, &answer))
        return "the response's Sec-WebSocket-Extensions is not a list of extensions "
               "(RFC 6455 9.1)";
    if (!ours->enabled || !vt_same(name, DEFLATE))
        return "the response uses an extension that was not offered (RFC 6455 4.1)";
    if (vt_elements_next(&list, &element))
        return "the response uses more extensions than were offered (RFC 6455 9.1)";
    return check_answer(out, &answer, ours);
}
