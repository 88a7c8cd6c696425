/*
 * Which messages of the kernel are news: messages made by hand, and at the end a real
 * change, in a network namespace of the test's own.
 */
#include "network.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "own_network.h"

static vt_network network;

static int setup(void **state)
{
    (void)state;
    network = (vt_network){.fd = -1};
    return 0;
}

/* ------------------------------------------------------------ messages by hand */

/* Grows at its end. */
typedef struct letter {
    _Alignas(struct nlmsghdr) uint8_t bytes[512];
    size_t size;
    size_t last; /* where the last message begins */
} letter;

static void *add(letter *to, size_t size)
{
    void *at = to->bytes + to->size;
    to->size += NLMSG_ALIGN(size);
    struct nlmsghdr *message = (void *)(to->bytes + to->last);
    message->nlmsg_len = (uint32_t)(to->size - to->last);
    return at;
}

static void begin(letter *to, uint16_t type)
{
    to->last = to->size;
    struct nlmsghdr *message = (void *)(to->bytes + to->size);
    add(to, sizeof *message);
    message->nlmsg_type = type;
}

static void add_attribute(letter *to, uint16_t type, const void *data, size_t size)
{
    struct rtattr *attribute = add(to, RTA_LENGTH(size));
    *attribute = (struct rtattr){.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(size)};
    memcpy(RTA_DATA(attribute), data, size);
}

static void add_link(letter *to, uint16_t type, int index, unsigned flags)
{
    begin(to, type);
    struct ifinfomsg *link = add(to, sizeof *link);
    *link = (struct ifinfomsg){.ifi_index = index, .ifi_flags = flags};
}

static void add_address(letter *to, uint16_t type, const char *text, uint8_t flags, uint8_t scope)
{
    begin(to, type);
    struct in_addr four = {inet_addr(text)};
    struct ifaddrmsg *address = add(to, sizeof *address);
    *address = (struct ifaddrmsg){
        .ifa_family = AF_INET, .ifa_index = 3, .ifa_flags = flags, .ifa_scope = scope};
    add_attribute(to, IFA_LOCAL, &four, sizeof four);
}

static void add_route(letter *to, uint16_t type, const char *gateway, uint8_t size)
{
    begin(to, type);
    struct in_addr four = {inet_addr(gateway)};
    struct rtmsg *route = add(to, sizeof *route);
    *route = (struct rtmsg){.rtm_family = AF_INET,
                            .rtm_dst_len = size,
                            .rtm_table = RT_TABLE_MAIN,
                            .rtm_type = RTN_UNICAST};
    add_attribute(to, RTA_GATEWAY, &four, sizeof four);
}

static bool judge(const letter *from)
{
    return vt_network_judge(&network, from->bytes, from->size);
}

static bool link_is_news(uint16_t type, int index, unsigned flags)
{
    letter it = {.size = 0};
    add_link(&it, type, index, flags);
    return judge(&it);
}

static bool address_is_news(uint16_t type, const char *text)
{
    letter it = {.size = 0};
    add_address(&it, type, text, 0, RT_SCOPE_UNIVERSE);
    return judge(&it);
}

static bool route_is_news(uint16_t type, const char *gateway)
{
    letter it = {.size = 0};
    add_route(&it, type, gateway, 0);
    return judge(&it);
}

static void a_carrier_that_comes_back_is_news(void **state)
{
    (void)state;
    assert_false(link_is_news(RTM_NEWLINK, 3, IFF_UP));
    assert_true(link_is_news(RTM_NEWLINK, 3, IFF_UP | IFF_RUNNING));
    assert_false(link_is_news(RTM_NEWLINK, 3, IFF_UP | IFF_RUNNING));
}

static void a_link_that_has_one_and_is_told_of_again_is_not(void **state)
{
    (void)state;
    assert_false(link_is_news(RTM_NEWLINK, 3, IFF_UP | IFF_RUNNING));
    assert_false(link_is_news(RTM_NEWLINK, 4, IFF_UP | IFF_RUNNING));
}

static void links_are_told_apart(void **state)
{
    (void)state;
    assert_false(link_is_news(RTM_NEWLINK, 3, IFF_UP));
    assert_false(link_is_news(RTM_NEWLINK, 4, IFF_UP | IFF_RUNNING));
    assert_false(link_is_news(RTM_DELLINK, 3, IFF_UP));
    assert_false(link_is_news(RTM_NEWLINK, 3, IFF_UP | IFF_RUNNING));
}

static void our_own_loopback_is_no_network(void **state)
{
    (void)state;
    assert_false(link_is_news(RTM_NEWLINK, 1, IFF_LOOPBACK));
    assert_false(link_is_news(RTM_NEWLINK, 1, IFF_LOOPBACK | IFF_UP | IFF_RUNNING));
}

static void an_address_is_news_once(void **state)
{
    (void)state;
    assert_true(address_is_news(RTM_NEWADDR, "192.0.2.1"));
    assert_false(address_is_news(RTM_NEWADDR, "192.0.2.1")); /* renewed */
    assert_true(address_is_news(RTM_NEWADDR, "192.0.2.2"));
    assert_false(address_is_news(RTM_DELADDR, "192.0.2.1"));
    assert_true(address_is_news(RTM_NEWADDR, "192.0.2.1"));
}

static void an_address_that_is_still_being_checked_is_not_there_yet(void **state)
{
    (void)state;
    letter checked = {.size = 0};
    add_address(&checked, RTM_NEWADDR, "192.0.2.1", IFA_F_TENTATIVE, RT_SCOPE_UNIVERSE);
    assert_false(judge(&checked));
    assert_true(address_is_news(RTM_NEWADDR, "192.0.2.1"));
}

static void an_address_of_the_link_alone_leads_nowhere(void **state)
{
    (void)state;
    letter it = {.size = 0};
    add_address(&it, RTM_NEWADDR, "169.254.7.7", 0, RT_SCOPE_LINK);
    assert_false(judge(&it));
}

static void a_default_route_is_news_once(void **state)
{
    (void)state;
    assert_true(route_is_news(RTM_NEWROUTE, "192.0.2.254"));
    assert_false(route_is_news(RTM_NEWROUTE, "192.0.2.254"));
    assert_true(route_is_news(RTM_NEWROUTE, "192.0.2.253"));
    assert_false(route_is_news(RTM_DELROUTE, "192.0.2.254"));
    assert_true(route_is_news(RTM_NEWROUTE, "192.0.2.254"));
}

static void a_route_to_somewhere_is_not(void **state)
{
    (void)state;
    letter it = {.size = 0};
    add_route(&it, RTM_NEWROUTE, "192.0.2.254", 24);
    assert_false(judge(&it));
}

static void with_a_link_its_routes_are_gone_though_nobody_tells(void **state)
{
    (void)state;
    assert_true(route_is_news(RTM_NEWROUTE, "192.0.2.254"));
    assert_false(link_is_news(RTM_NEWLINK, 3, IFF_UP));
    assert_true(route_is_news(RTM_NEWROUTE, "192.0.2.254"));
}

static void one_of_many_messages_is_enough(void **state)
{
    (void)state;
    letter it = {.size = 0};
    add_link(&it, RTM_NEWLINK, 3, IFF_UP | IFF_RUNNING);
    add_address(&it, RTM_NEWADDR, "192.0.2.1", 0, RT_SCOPE_UNIVERSE);
    add_link(&it, RTM_NEWLINK, 4, IFF_UP | IFF_RUNNING);
    assert_true(judge(&it));
    assert_false(judge(&it));
}

/* At each place, and with a length that lies: nothing is read that is not there, as a
 * sanitizer would say. */
static void what_is_cut_off_or_lies_about_its_length_is_no_news(void **state)
{
    (void)state;
    letter it = {.size = 0};
    add_route(&it, RTM_NEWROUTE, "192.0.2.254", 0);
    for (size_t size = 0; size < it.size; size++) {
        uint8_t *exactly = test_malloc(size + 1);
        memcpy(exactly, it.bytes, size);
        assert_false(vt_network_judge(&network, exactly, size));
        test_free(exactly);
    }
    struct nlmsghdr *message = (void *)it.bytes;
    static const uint32_t lies[] = {0, 1, 15, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        message->nlmsg_len = lies[i];
        assert_false(judge(&it));
    }
}

/* -------------------------------------------------------------- a real network */

static void set_loopback_address(const char *text)
{
    struct ifreq ask = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text)};
    memcpy(&ask.ifr_addr, &address, sizeof address);
    assert_int_equal(ioctl(fd, SIOCSIFADDR, &ask), 0);
    close(fd);
}

static bool read_news(void)
{
    struct pollfd ready = {.fd = network.fd, .events = POLLIN};
    bool news = false;
    while (!news && poll(&ready, 1, 2000) > 0)
        news = vt_network_read(&network);
    return news;
}

static void a_new_address_of_this_machine_is_told_by_the_kernel(void **state)
{
    (void)state;
    own_network_enter();
    assert_true(vt_network_open(&network));
    set_loopback_address("192.0.2.1");
    assert_true(read_news());
    vt_network_close(&network);
    assert_int_equal(network.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
        TEST(a_carrier_that_comes_back_is_news),
        TEST(a_link_that_has_one_and_is_told_of_again_is_not),
        TEST(links_are_told_apart),
        TEST(our_own_loopback_is_no_network),
        TEST(an_address_is_news_once),
        TEST(an_address_that_is_still_being_checked_is_not_there_yet),
        TEST(an_address_of_the_link_alone_leads_nowhere),
        TEST(a_default_route_is_news_once),
        TEST(a_route_to_somewhere_is_not),
        TEST(with_a_link_its_routes_are_gone_though_nobody_tells),
        TEST(one_of_many_messages_is_enough),
        TEST(what_is_cut_off_or_lies_about_its_length_is_no_news),
        TEST(a_new_address_of_this_machine_is_told_by_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
