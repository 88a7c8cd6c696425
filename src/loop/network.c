/*
 * What is known is kept as bits, by hash: it is bounded on a machine with a hundred
 * thousand routes, and a collision costs a beat at most, or is made up for by the next
 * message of the many that a network's coming up brings.
 *
 * When a link goes down, Linux does not tell which routes went with it. Then all is
 * forgotten, and what comes next is news.
 */
#include "network.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_A_TURN = 16, BUFFER_BYTES = 8192 };

/* Which links have no carrier now; the answers are messages like all others. */
static void ask_for_links(const vt_network *network)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } ask = {
        .header = {.nlmsg_len = sizeof ask,
                   .nlmsg_type = RTM_GETLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .link = {.ifi_family = AF_UNSPEC},
    };
    ssize_t sent = send(network->fd, &ask, sizeof ask, MSG_NOSIGNAL);
    (void)sent; /* without it the first carrier that comes is not noticed */
}

bool vt_network_open(vt_network *network)
{
    const struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                     RTMGRP_IPV6_ROUTE,
    };
    *network = (vt_network){
        .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE)};
    if (network->fd < 0)
        return false;
    if (bind(network->fd, (const struct sockaddr *)&groups, sizeof groups) != 0) {
        vt_network_close(network);
        return false;
    }
    ask_for_links(network);
    return true;
}

void vt_network_close(vt_network *network)
{
    if (network->fd >= 0)
        close(network->fd);
    network->fd = -1;
}

/* ------------------------------------------------------------------- messages */

/* FNV-1a. */
static uint32_t mix(uint32_t sum, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * 16777619u;
    return sum;
}

/* Where the next one begins, behind one at `at` that takes `step` with its padding; the end,
 * if there is none. (The macros of the headers run past a length that is not a
 * multiple of four.) */
static size_t next(size_t at, size_t step, size_t end)
{
    return step < end - at ? at + step : end;
}

/* Adds the attributes of these types, in their order. */
static uint32_t mix_attributes(uint32_t sum, const void *attributes, size_t size, uint64_t types)
{
    size_t at = 0;
    while (size - at >= sizeof(struct rtattr)) {
        const struct rtattr *attribute = (const void *)((const uint8_t *)attributes + at);
        const size_t length = attribute->rta_len;
        const uint16_t type = attribute->rta_type & 0x3fff; /* NLA_TYPE_MASK */
        if (length < RTA_LENGTH(0) || length > size - at)
            break;
        if (type < 64 && (types >> type & 1) != 0)
            sum = mix(mix(sum, &type, sizeof type), RTA_DATA(attribute), length - RTA_LENGTH(0));
        at = next(at, RTA_ALIGN(length), size);
    }
    return sum;
}

/* Whether that was not known. It is now, or not any more. */
static bool learn(vt_network *network, uint32_t hash, bool here)
{
    hash = (hash ^ hash >> 16) % VT_NETWORK_BITS;
    uint64_t *word = &network->known[hash / 64];
    const uint64_t bit = UINT64_C(1) << hash % 64;
    bool before = (*word & bit) != 0;
    *word = here ? *word | bit : *word & ~bit;
    return here && !before;
}

static bool judge_link(vt_network *network, const struct ifinfomsg *link, bool here)
{
    if ((link->ifi_flags & IFF_LOOPBACK) != 0)
        return false;
    const uint64_t bit = UINT64_C(1) << ((unsigned)link->ifi_index % 64);
    const bool was_down = (network->down & bit) != 0;
    const bool down = here && (link->ifi_flags & IFF_RUNNING) == 0;
    network->down = down ? network->down | bit : network->down & ~bit;
    if (down && !was_down)
        memset(network->known, 0, sizeof network->known);
    return here && was_down && !down;
}

static bool judge_address(vt_network *network, const struct ifaddrmsg *address, size_t size,
                          bool here)
{
    /* One that is still being checked for duplicates is told again when it has been. */
    if (address->ifa_scope != RT_SCOPE_UNIVERSE ||
        (address->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0)
        return false;
    uint32_t hash = mix(RTM_NEWADDR, &address->ifa_index, sizeof address->ifa_index);
    hash = mix_attributes(hash, IFA_RTA(address), size - NLMSG_ALIGN(sizeof *address),
                          1u << IFA_ADDRESS | 1u << IFA_LOCAL);
    return learn(network, hash, here);
}

static bool judge_route(vt_network *network, const struct rtmsg *route, size_t size, bool here)
{
    if (route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST ||
        route->rtm_table != RT_TABLE_MAIN || (route->rtm_flags & RTM_F_CLONED) != 0)
        return false;
    uint32_t hash = mix(RTM_NEWROUTE, &route->rtm_family, sizeof route->rtm_family);
    hash = mix_attributes(hash, RTM_RTA(route), size - NLMSG_ALIGN(sizeof *route),
                          1u << RTA_OIF | 1u << RTA_GATEWAY | 1u << RTA_MULTIPATH);
    return learn(network, hash, here);
}

static bool judge_one(vt_network *network, const struct nlmsghdr *message, size_t size)
{
    const void *body = NLMSG_DATA(message);
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return size >= sizeof(struct ifinfomsg) &&
               judge_link(network, body, message->nlmsg_type == RTM_NEWLINK);
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return size >= NLMSG_ALIGN(sizeof(struct ifaddrmsg)) &&
               judge_address(network, body, size, message->nlmsg_type == RTM_NEWADDR);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return size >= NLMSG_ALIGN(sizeof(struct rtmsg)) &&
               judge_route(network, body, size, message->nlmsg_type == RTM_NEWROUTE);
    default:
        return false;
    }
}

bool vt_network_judge(vt_network *network, const void *messages, size_t size)
{
    bool news = false;
    size_t at = 0;
    while (size - at >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *message = (const void *)((const uint8_t *)messages + at);
        const size_t length = message->nlmsg_len;
        if (length < NLMSG_HDRLEN || length > size - at)
            break;
        news |= judge_one(network, message, length - NLMSG_HDRLEN);
        at = next(at, NLMSG_ALIGN(length), size);
    }
    return news;
}

bool vt_network_read(vt_network *network)
{
    _Alignas(struct nlmsghdr) uint8_t buffer[BUFFER_BYTES];
    bool news = false;
    for (int i = 0; i < READS_A_TURN; i++) {
        struct sockaddr_nl from = {.nl_family = AF_UNSPEC};
        socklen_t from_size = sizeof from;
        ssize_t size = recvfrom(network->fd, buffer, sizeof buffer, MSG_DONTWAIT,
                                (struct sockaddr *)&from, &from_size);
        if (size < 0 && errno == ENOBUFS) /* some were lost, and one of them may have been it */
            news = true;
        else if (size <= 0 && errno != EINTR)
            return news;
        else if (size > 0 && from.nl_pid == 0) /* the kernel, and nobody else's program */
            news |= vt_network_judge(network, buffer, (size_t)size);
    }
    return news;
}
