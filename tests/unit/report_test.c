/*
 * What a router reports (ICMP) reaches the connection by IP_RECVERR, makes it ask, and
 * convicts nobody. The router is this test: it looks at what our own TCP sends on a
 * loopback of its own, and answers it with a report, as a router that has lost its way
 * would.
 */
#include <vital/vital.h>

#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netpacket/packet.h>

#include "live.h"
#include "own_network.h"

/* Sees all packets of IPv4, and may send some. */
typedef struct router {
    int ear, mouth;
    struct iphdr ip; /* of the last packet to the port, as the next */
    struct tcphdr tcp;
    uint32_t next; /* the number after its last byte */
} router;

static void open_router(router *self)
{
    *self = (router){
        .ear = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_IP)),
        .mouth = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP),
    };
    if (self->ear >= 0 && self->mouth >= 0)
        return;
    close(self->ear);
    close(self->mouth);
    print_message("SKIPPED, needs CAP_NET_RAW: a router's report\n");
    skip();
}

static void close_router(const router *self)
{
    close(self->ear);
    close(self->mouth);
}

/* Listens until nothing more is to be heard. */
static void overhear(router *self, uint16_t port)
{
    struct packet {
        struct iphdr ip;
        struct tcphdr tcp;
        uint8_t rest[2048];
    } packet;
    ssize_t size;
    while ((size = recv(self->ear, &packet, sizeof packet, 0)) > 0) {
        bool tcp = packet.ip.protocol == IPPROTO_TCP && packet.ip.ihl == 5;
        if ((size_t)size < offsetof(struct packet, rest) || !tcp || packet.tcp.dest != htons(port))
            continue;
        self->ip = packet.ip;
        self->tcp = packet.tcp;
        self->next = ntohl(packet.tcp.seq) + ntohs(packet.ip.tot_len) - (uint32_t)sizeof packet.ip -
                     4u * packet.tcp.doff;
    }
}

static uint16_t checksum(const void *bytes, size_t size)
{
    const uint16_t *at = bytes;
    uint32_t sum = 0;
    for (size_t i = 0; i < size / 2; i++)
        sum += at[i];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

/* RFC 792: the head of the packet that it is about, and eight bytes of what was in it. */
static void report(const router *self, uint8_t code)
{
    struct {
        struct icmphdr icmp;
        struct iphdr ip;
        uint16_t source, dest;
        uint32_t seq;
    } answer = {
        .icmp = {.type = ICMP_DEST_UNREACH, .code = code},
        .ip = self->ip,
        .source = self->tcp.source,
        .dest = self->tcp.dest,
        .seq = htonl(self->next), /* TCP believes only what is on its way, or would be next */
    };
    answer.icmp.checksum = checksum(&answer, sizeof answer);
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = self->ip.saddr};
    assert_int_equal(
        sendto(self->mouth, &answer, sizeof answer, 0, (const struct sockaddr *)&to, sizeof to),
        sizeof answer);
}

static uint64_t beats_answered(vital_conn *conn)
{
    vital_pulse pulse;
    vital_conn_pulse(conn, &pulse);
    return pulse.beats_answered;
}

static void a_connection_asks_when_a_router_reports_and_is_not_given_up(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, seen = {.opens = 0};
    router between;
    unsigned port = 0;
    own_network_enter();
    open_router(&between);
    vital_server *server = live_listen(
        test->loop, &(vital_listen_options){.address = "127.0.0.1:0",
                                            .events = WITNESS,
                                            .user = &at_server,
                                            .heartbeat = {.interval_ms = 600000}});
    assert_int_equal(sscanf(vital_server_url(server), "ws://127.0.0.1:%u/", &port), 1);
    vital_conn *conn = live_connect(test->loop,
                                    &(vital_connect_options){.url = vital_server_url(server),
                                                             .events = WITNESS,
                                                             .user = &seen,
                                                             .heartbeat = {.interval_ms = 600000}});
    step_until(test, seen.opens == 1 && at_server.opens == 1, "both are open");
    for (uint8_t code = ICMP_NET_UNREACH; code <= ICMP_HOST_UNREACH; code++) {
        uint64_t before = beats_answered(conn);
        overhear(&between, (uint16_t)port);
        report(&between, code);
        step_until(test, beats_answered(conn) == before + 1, "it has asked, and was answered");
    }
    assert_int_equal(seen.closes, 0);
    assert_int_equal(at_server.closes, 0);
    assert_int_equal(seen.doubts, 0);
    close_router(&between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(a_connection_asks_when_a_router_reports_and_is_not_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
