/*
 * Addresses to text and back, without ever asking anybody: names are the
 * resolver's part. The text is for people and their logs, and a peer chooses
 * the name of its own Unix socket, so what cannot be printed is not printed.
 */
#include "loop.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* RFC 4291 2.5.5.2 */
static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

static const size_t unix_prefix_bytes = offsetof(struct sockaddr_un, sun_path);

static void unix_text(char out[VT_ADDRESS_TEXT_BYTES], const vt_address *address)
{
    size_t size = address->size > unix_prefix_bytes ? address->size - unix_prefix_bytes : 0;
    if (size > sizeof address->un.sun_path)
        size = sizeof address->un.sun_path;
    char name[sizeof address->un.sun_path + 1];
    memcpy(name, address->un.sun_path, size);
    name[size] = '\0';

    if (size > 0 && name[0] == '\0')
        name[0] = '@'; /* abstract: unix(7), and all of its bytes count */
    else
        size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            name[i] = '?';
    }
    snprintf(out, VT_ADDRESS_TEXT_BYTES, "unix:%s", name);
}

static void in6_text(char out[VT_ADDRESS_TEXT_BYTES], const struct sockaddr_in6 *in6)
{
    char host[INET6_ADDRSTRLEN] = "";
    unsigned port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
        snprintf(out, VT_ADDRESS_TEXT_BYTES, "%s:%u", host, port);
        return;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    snprintf(out, VT_ADDRESS_TEXT_BYTES, "[%s]:%u", host, port);
}

void vt_address_text(char out[VT_ADDRESS_TEXT_BYTES], const vt_address *address)
{
    char host[INET_ADDRSTRLEN] = "";
    sa_family_t family = address->size >= sizeof family ? address->any.sa_family : AF_UNSPEC;
    switch (family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
        snprintf(out, VT_ADDRESS_TEXT_BYTES, "%s:%u", host, (unsigned)ntohs(address->in.sin_port));
        return;
    case AF_INET6:
        in6_text(out, &address->in6);
        return;
    case AF_UNIX:
        unix_text(out, address);
        return;
    default:
        snprintf(out, VT_ADDRESS_TEXT_BYTES, "unknown");
    }
}

bool vt_address_numeric(vt_address *out, const char *host, uint16_t port)
{
    *out = (vt_address){0};
    if (inet_pton(AF_INET, host, &out->in.sin_addr) == 1) {
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons(port);
        out->size = sizeof out->in;
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->in6.sin6_addr) == 1) {
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons(port);
        out->size = sizeof out->in6;
        return true;
    }
    return false;
}

bool vt_address_unix(vt_address *out, const char *path)
{
    size_t size = strlen(path);
    *out = (vt_address){0};
    if (size == 0 || size >= sizeof out->un.sun_path)
        return false;
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, path, size);
    /* An abstract name has no final NUL: it would be a part of the name. */
    bool abstract = path[0] == '@';
    if (abstract)
        out->un.sun_path[0] = '\0';
    out->size = (socklen_t)(unix_prefix_bytes + size + (abstract ? 0 : 1));
    return true;
}

/* FNV-1a: short, and spread well enough for a table of counters. */
static uint32_t hash(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * 16777619u;
    return sum ^ sum >> 16;
}

bool vt_peer_note(vt_peer *out, const vt_address *address)
{
    sa_family_t family = address->size >= sizeof family ? address->any.sa_family : AF_UNSPEC;
    *out = (vt_peer){.family = family == AF_INET ? AF_INET6 : family};
    switch (family) {
    case AF_INET:
        memcpy(out->ip, MAPPED, sizeof MAPPED);
        memcpy(out->ip + sizeof MAPPED, &address->in.sin_addr, sizeof address->in.sin_addr);
        out->port = address->in.sin_port;
        break;
    case AF_INET6:
        memcpy(out->ip, &address->in6.sin6_addr, sizeof out->ip);
        out->port = address->in6.sin6_port;
        break;
    default:
        break;
    }
    return family != AF_UNIX || address->size <= unix_prefix_bytes;
}

void vt_peer_text(char out[VT_ADDRESS_TEXT_BYTES], const vt_peer *peer)
{
    vt_address address = {.size = sizeof address.any.sa_family};
    address.any.sa_family = peer->family;
    if (peer->family == AF_INET6) {
        memcpy(&address.in6.sin6_addr, peer->ip, sizeof peer->ip);
        address.in6.sin6_port = peer->port;
        address.size = sizeof address.in6;
    }
    vt_address_text(out, &address);
}

uint32_t vt_peer_path(const vt_peer *peer)
{
    enum { NETWORK_BYTES = 8 };
    if (peer->family != AF_INET6)
        return 0;
    if (memcmp(peer->ip, MAPPED, sizeof MAPPED) == 0)
        return hash(peer->ip + sizeof MAPPED, sizeof peer->ip - sizeof MAPPED);
    return hash(peer->ip, NETWORK_BYTES);
}
