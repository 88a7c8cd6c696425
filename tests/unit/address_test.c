/*
 * Addresses to text and back.
 */
#include "loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_text(const vt_address *address, const char *want)
{
    char have[VT_ADDRESS_TEXT_BYTES];
    memset(have, 'x', sizeof have);
    vt_address_text(have, address);
    assert_string_equal(have, want);
}

static void numeric_addresses_go_to_text_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        uint16_t port;
        int family;
        size_t size;
        const char *text;
    } all[] = {
        {"192.0.2.7", 80, AF_INET, sizeof(struct sockaddr_in), "192.0.2.7:80"},
        {"0.0.0.0", 0, AF_INET, sizeof(struct sockaddr_in), "0.0.0.0:0"},
        {"::1", 80, AF_INET6, sizeof(struct sockaddr_in6), "[::1]:80"},
        {"::", 65535, AF_INET6, sizeof(struct sockaddr_in6), "[::]:65535"},
        {"2001:DB8:0:0::A", 9, AF_INET6, sizeof(struct sockaddr_in6), "[2001:db8::a]:9"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_address address;
        assert_true(vt_address_numeric(&address, all[i].host, all[i].port));
        assert_int_equal(address.any.sa_family, all[i].family);
        assert_int_equal(address.size, all[i].size);
        assert_text(&address, all[i].text);
    }
}

static void a_port_is_kept_in_network_order(void **state)
{
    (void)state;
    vt_address address;
    assert_true(vt_address_numeric(&address, "127.0.0.1", 0x1234));
    assert_int_equal(address.in.sin_port, htons(0x1234));
    assert_true(vt_address_numeric(&address, "::1", 0x1234));
    assert_int_equal(address.in6.sin6_port, htons(0x1234));
}

static void a_mapped_ipv4_peer_is_written_as_ipv4(void **state)
{
    (void)state;
    vt_address address;
    assert_true(vt_address_numeric(&address, "::ffff:192.0.2.7", 51234));
    assert_text(&address, "192.0.2.7:51234");
}

static void a_name_is_not_numeric(void **state)
{
    (void)state;
    static const char *const all[] = {
        "",       "localhost", "127.1",     "1.2.3.4.5", "0x7f000001", "[::1]",
        "::1%lo", ":::",       "1.2.3.256", " 1.2.3.4",  "1.2.3.4:80"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_address address;
        if (vt_address_numeric(&address, all[i], 80))
            fail_msg("\"%s\" was taken for a numeric address", all[i]);
    }
}

static void a_unix_path_goes_to_text_and_back(void **state)
{
    (void)state;
    vt_address address;
    assert_true(vt_address_unix(&address, "/run/x.sock"));
    assert_int_equal(address.un.sun_family, AF_UNIX);
    assert_string_equal(address.un.sun_path, "/run/x.sock");
    assert_text(&address, "unix:/run/x.sock");
}

static void a_unix_path_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    vt_address address;
    char path[109];
    memset(path, 'a', sizeof path);
    path[108] = '\0';
    assert_false(vt_address_unix(&address, path));
    path[107] = '\0';
    assert_true(vt_address_unix(&address, path));
    assert_int_equal(address.size, sizeof address.un);
    char want[VT_ADDRESS_TEXT_BYTES];
    snprintf(want, sizeof want, "unix:%s", path);
    assert_text(&address, want);
    assert_false(vt_address_unix(&address, ""));
}

static void a_path_without_a_final_nul_is_read_to_its_size(void **state)
{
    (void)state;
    vt_address address = {.size = sizeof address.un};
    address.un.sun_family = AF_UNIX;
    memset(address.un.sun_path, 'b', sizeof address.un.sun_path);
    char want[5 + 108 + 1] = "unix:";
    memset(want + 5, 'b', 108);
    assert_text(&address, want);

    address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 3);
    assert_text(&address, "unix:bbb");
}

static void an_abstract_name_begins_with_an_at_sign(void **state)
{
    (void)state;
    vt_address address;
    assert_true(vt_address_unix(&address, "@vital"));
    assert_int_equal(address.un.sun_path[0], '\0');
    assert_int_equal(address.size, offsetof(struct sockaddr_un, sun_path) + 6);
    assert_text(&address, "unix:@vital");
}

static void a_nameless_peer_is_just_unix(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    vt_address address = {.size = sizeof address.un};
    assert_int_equal(getpeername(ends[0], &address.any, &address.size), 0);
    assert_text(&address, "unix:");
    close(ends[0]);
    close(ends[1]);
}

static void the_kernel_gives_back_the_abstract_name(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@vital-address-test-%d", (int)getpid());
    vt_address address;
    assert_true(vt_address_unix(&address, name));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &address.any, address.size), 0);
    vt_address bound = {.size = sizeof bound.un};
    assert_int_equal(getsockname(fd, &bound.any, &bound.size), 0);
    char want[VT_ADDRESS_TEXT_BYTES];
    snprintf(want, sizeof want, "unix:%s", name);
    assert_text(&bound, want);
    close(fd);
}

static void what_cannot_be_printed_is_not(void **state)
{
    (void)state;
    vt_address address;
    assert_true(vt_address_unix(&address, "/run/a\nb\x1b[2J\x7f"));
    assert_text(&address, "unix:/run/a?b?[2J?");
    assert_true(vt_address_unix(&address, "@ab"));
    address.un.sun_path[2] = '\0';
    assert_text(&address, "unix:@a?");
}

static uint32_t path_of(const char *host, uint16_t port)
{
    vt_address address;
    assert_true(vt_address_numeric(&address, host, port));
    vt_peer peer;
    assert_true(vt_peer_note(&peer, &address));
    return vt_peer_path(&peer);
}

static void the_same_way_leads_to_an_address_or_an_ipv6_network(void **state)
{
    (void)state;
    assert_int_equal(path_of("192.0.2.7", 80), path_of("192.0.2.7", 8080));
    assert_int_not_equal(path_of("192.0.2.7", 80), path_of("192.0.2.8", 80));
    assert_int_equal(path_of("::ffff:192.0.2.7", 80), path_of("192.0.2.7", 80));
    assert_int_equal(path_of("2001:db8:1:2::3", 80), path_of("2001:db8:1:2:ffff::", 80));
    assert_int_not_equal(path_of("2001:db8:1:2::3", 80), path_of("2001:db8:1:3::3", 80));
    vt_address here;
    assert_true(vt_address_unix(&here, "/run/x.sock"));
    vt_peer peer;
    vt_peer_note(&peer, &here);
    assert_int_equal(vt_peer_path(&peer), 0);
}

static void an_unknown_family_is_said_to_be_so(void **state)
{
    (void)state;
    vt_address address = {0};
    assert_text(&address, "unknown");
    address.any.sa_family = AF_NETLINK;
    address.size = sizeof address.any;
    assert_text(&address, "unknown");
}

/* ------------------------------------------------------------------------ peers */

static void assert_peer(const vt_address *address, const char *want)
{
    char have[VT_ADDRESS_TEXT_BYTES];
    vt_peer peer;
    memset(have, 'x', sizeof have);
    assert_true(vt_peer_note(&peer, address));
    vt_peer_text(have, &peer);
    assert_string_equal(have, want);
}

static void a_peer_is_remembered_by_its_address(void **state)
{
    (void)state;
    vt_address address;
    assert_true(vt_address_numeric(&address, "192.0.2.7", 80));
    assert_peer(&address, "192.0.2.7:80");
    assert_true(vt_address_numeric(&address, "2001:db8::a", 65535));
    assert_peer(&address, "[2001:db8::a]:65535");
    assert_true(vt_address_numeric(&address, "::ffff:192.0.2.7", 1));
    assert_peer(&address, "192.0.2.7:1");
    assert_int_equal(sizeof(vt_peer), 20);
}

static void a_nameless_unix_socket_is_remembered_and_a_name_is_not(void **state)
{
    (void)state;
    vt_peer peer;
    vt_address address = {.size = sizeof(sa_family_t)};
    address.any.sa_family = AF_UNIX;
    assert_peer(&address, "unix:");
    assert_true(vt_address_unix(&address, "/run/x.sock"));
    assert_false(vt_peer_note(&peer, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_go_to_text_and_back),
        cmocka_unit_test(a_port_is_kept_in_network_order),
        cmocka_unit_test(a_mapped_ipv4_peer_is_written_as_ipv4),
        cmocka_unit_test(a_name_is_not_numeric),
        cmocka_unit_test(a_unix_path_goes_to_text_and_back),
        cmocka_unit_test(a_unix_path_that_does_not_fit_is_refused),
        cmocka_unit_test(a_path_without_a_final_nul_is_read_to_its_size),
        cmocka_unit_test(an_abstract_name_begins_with_an_at_sign),
        cmocka_unit_test(a_nameless_peer_is_just_unix),
        cmocka_unit_test(the_kernel_gives_back_the_abstract_name),
        cmocka_unit_test(what_cannot_be_printed_is_not),
        cmocka_unit_test(the_same_way_leads_to_an_address_or_an_ipv6_network),
        cmocka_unit_test(an_unknown_family_is_said_to_be_so),
        cmocka_unit_test(a_peer_is_remembered_by_its_address),
        cmocka_unit_test(a_nameless_unix_socket_is_remembered_and_a_name_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
