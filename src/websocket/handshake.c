/*
 * The key and its answer, and what a caller may put into a handshake: nothing
 * that could end a header and begin another, and nothing that is the
 * handshake's own to say.
 */
#include "handshake.h"

#include <assert.h>
#include <string.h>

#include "digest.h"
#include "head.h"

/* RFC 6455 1.3 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

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
