/*
 * URLs and addresses as people write them, rightly and wrongly.
 */
#include "url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vital/vital.h>

typedef struct expected {
    const char *text;
    bool secure;
    const char *host;
    int port;
    const char *socket;
    const char *path;
    const char *authority;
} expected;

static void assert_text(const char *have, const char *want)
{
    if (want == NULL) {
        assert_null(have);
        return;
    }
    assert_non_null(have);
    assert_string_equal(have, want);
}

static void assert_parses(const expected *want)
{
    vt_url url;
    const char *problem = NULL;
    int error = vt_url_parse(&url, want->text, &problem);
    if (error != 0)
        fail_msg("%s: %s", want->text, problem);
    assert_null(problem);
    assert_int_equal(url.secure, want->secure);
    assert_int_equal(url.port, want->port);
    assert_text(url.host, want->host);
    assert_text(url.socket, want->socket);
    assert_text(url.path, want->path);
    assert_text(url.authority, want->authority);
    vt_url_finish(&url);
}

static void assert_zeroed(const vt_url *url)
{
    assert_null(url->host);
    assert_null(url->socket);
    assert_null(url->path);
    assert_null(url->authority);
    assert_null(url->credentials);
    assert_null(url->text);
    assert_int_equal(url->port, 0);
}

static void assert_problem(const char *text, const char *words)
{
    vt_url url;
    const char *problem = NULL;
    int error = vt_url_parse(&url, text, &problem);
    if (error != VITAL_EINVAL)
        fail_msg("%s: %d and not VITAL_EINVAL", text, error);
    assert_non_null(problem);
    if (strstr(problem, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, problem, words);
    assert_zeroed(&url);
}

static void assert_address_problem(const char *text, const char *words)
{
    vt_url url;
    const char *problem = NULL;
    int error = vt_url_parse_address(&url, text, &problem);
    if (error != VITAL_EINVAL)
        fail_msg("%s: %d and not VITAL_EINVAL", text, error);
    assert_non_null(problem);
    if (strstr(problem, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, problem, words);
    assert_zeroed(&url);
}

static void assert_address(const char *text, const char *host, int port, const char *socket)
{
    vt_url url;
    const char *problem = NULL;
    int error = vt_url_parse_address(&url, text, &problem);
    if (error != 0)
        fail_msg("%s: %s", text, problem);
    assert_text(url.host, host);
    assert_int_equal(url.port, port);
    assert_text(url.socket, socket);
    vt_url_finish(&url);
}

/* ------------------------------------------------------------------- ws, wss */

static void a_url_has_host_port_path_and_query_rfc_3(void **state)
{
    (void)state;
    static const expected all[] = {
        {"ws://example.org:9001/chat?room=1", false, "example.org", 9001, NULL, "/chat?room=1",
         "example.org:9001"},
        {"wss://example.org:9443/chat", true, "example.org", 9443, NULL, "/chat",
         "example.org:9443"},
        {"ws://192.0.2.7:1/", false, "192.0.2.7", 1, NULL, "/", "192.0.2.7:1"},
        {"ws://a_b-c.example.:65535/", false, "a_b-c.example.", 65535, NULL, "/",
         "a_b-c.example.:65535"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_parses(&all[i]);
}

static void the_default_port_is_80_or_443_and_not_named_rfc_3(void **state)
{
    (void)state;
    static const expected all[] = {
        {"ws://h/", false, "h", 80, NULL, "/", "h"},
        {"wss://h/", true, "h", 443, NULL, "/", "h"},
        {"ws://h:80/", false, "h", 80, NULL, "/", "h"},
        {"wss://h:443/", true, "h", 443, NULL, "/", "h"},
        {"ws://h:443/", false, "h", 443, NULL, "/", "h:443"},
        {"wss://h:80/", true, "h", 80, NULL, "/", "h:80"},
        {"ws://h:/x", false, "h", 80, NULL, "/x", "h"},
        {"wss://[::1]:", true, "::1", 443, NULL, "/", "[::1]"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_parses(&all[i]);
}

static void a_missing_path_is_a_slash_rfc_3(void **state)
{
    (void)state;
    static const expected all[] = {
        {"ws://h", false, "h", 80, NULL, "/", "h"},
        {"ws://h?x=1", false, "h", 80, NULL, "/?x=1", "h"},
        {"ws://h:9?x=/a@b:c", false, "h", 9, NULL, "/?x=/a@b:c", "h:9"},
        {"ws://h/?", false, "h", 80, NULL, "/?", "h"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_parses(&all[i]);
}

static void scheme_and_host_are_in_any_case_and_the_path_is_not_rfc_3(void **state)
{
    (void)state;
    static const expected all[] = {
        {"WS://Example.ORG/Chat", false, "example.org", 80, NULL, "/Chat", "example.org"},
        {"wSs://EXAMPLE.org", true, "example.org", 443, NULL, "/", "example.org"},
        {"ws://[2001:DB8::A]/", false, "2001:db8::a", 80, NULL, "/", "[2001:db8::a]"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_parses(&all[i]);
}

static void an_ipv6_address_stands_in_brackets_rfc_3986_3_2_2(void **state)
{
    (void)state;
    static const expected all[] = {
        {"ws://[::1]:9001/x", false, "::1", 9001, NULL, "/x", "[::1]:9001"},
        {"ws://[::ffff:192.0.2.7]", false, "::ffff:192.0.2.7", 80, NULL, "/", "[::ffff:192.0.2.7]"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_parses(&all[i]);
    assert_problem("ws://[::1/", "not closed");
    assert_problem("ws://[]/", "not an IPv6 address");
    assert_problem("ws://[::g]/", "not an IPv6 address");
    assert_problem("ws://[127.0.0.1]/", "not an IPv6 address");
    assert_problem("ws://[fe80::1%25eth0]/", "not an IPv6 address");
    assert_problem("ws://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]/",
                   "not an IPv6 address");
    assert_problem("ws://[::1]x/", "only a port");
    assert_problem("ws://::1:9001/", "brackets");
}

static void percent_encoding_is_left_alone(void **state)
{
    (void)state;
    static const expected url = {"ws://h/a%2Fb%20c?d=%23%00", false, "h", 80, NULL,
                                 "/a%2Fb%20c?d=%23%00",       "h"};
    assert_parses(&url);
}

static void a_fragment_is_a_problem_rfc_3(void **state)
{
    (void)state;
    assert_problem("ws://h/x#y", "RFC 6455 section 3");
    assert_problem("ws://h#", "RFC 6455 section 3");
    assert_problem("ws+unix:/run/x.sock:/p#y", "RFC 6455 section 3");
}

static void credentials_are_decoded_and_not_shown_rfc_3986_3_2_1(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"ws://user@h/", "user:"},
        {"ws://user:word@h:80/", "user:word"},
        {"ws://user:@h/", "user:"},
        {"ws://:word@h/", ":word"},
        {"ws://u%40v:a%3Ab%2fc@h/", "u@v:a:b/c"},
        {"ws://u:a:b@h/", "u:a:b"},
        {"ws://u:1+1@h/", "u:1+1"},
        {"ws://u:%C3%BC@h/", "u:\xc3\xbc"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_url url;
        const char *problem;
        if (vt_url_parse(&url, all[i][0], &problem) != 0)
            fail_msg("%s: %s", all[i][0], problem);
        assert_string_equal(url.credentials, all[i][1]);
        assert_string_equal(url.host, "h");
        assert_string_equal(url.authority, "h");
        assert_string_equal(url.text, "ws://h/");
        vt_url_finish(&url);
    }
}

static void credentials_that_cannot_be_said_are_a_problem(void **state)
{
    (void)state;
    assert_problem("ws://@h", "empty");
    assert_problem("ws://a@b@h", "%40");
    assert_problem("ws://a%3Ab@h", "colon");
    assert_problem("ws://a:%4@h", "well encoded");
    assert_problem("ws://a%:b@h", "well encoded");
    assert_problem("ws://a:%0d%0aX:%20y@h", "well encoded");
    assert_problem("ws://a%00:b@h", "well encoded");
    assert_problem("ws://a:b\n@h", "well encoded");
    assert_problem("ws://u:p@", "names no host");
}

static void a_url_is_shown_as_it_was_understood(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"WS://H:80", "ws://h/"},
        {"wss://h:443/a?b", "wss://h/a?b"},
        {"ws://[::1]:9001/", "ws://[::1]:9001/"},
        {"ws+unix:///run/x.sock", "ws+unix:/run/x.sock"},
        {"ws+unix:@name:/a?b", "ws+unix:@name:/a?b"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_url url, again;
        const char *problem;
        assert_int_equal(vt_url_parse(&url, all[i][0], &problem), 0);
        assert_string_equal(url.text, all[i][1]);
        assert_int_equal(vt_url_parse(&again, url.text, &problem), 0);
        assert_string_equal(again.text, url.text);
        vt_url_finish(&url);
        vt_url_finish(&again);
    }
}

static void a_port_is_from_1_to_65535(void **state)
{
    (void)state;
    static const char *const all[] = {
        "ws://h:0/",   "ws://h:65536/", "ws://h:99999999999999999999/",
        "ws://h:-1/",  "ws://h:+1/",    "ws://h:8o/",
        "ws://h:80 /", "ws://[::1]:x/"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_problem(all[i], "from 1 to 65535");
}

static void what_no_host_holds_is_a_problem(void **state)
{
    (void)state;
    assert_problem("ws:///path", "names no host");
    assert_problem("ws://", "names no host");
    assert_problem("ws://:9001/", "names no host");
    assert_problem("ws://a b/", "letters, digits");
    assert_problem("ws://a\r\nX: y/", "letters, digits");
    assert_problem("ws://a\\b/", "letters, digits");
    assert_problem("ws://a%41/", "letters, digits");
    assert_problem("ws://b\xc3\xbc"
                   "cher.example/",
                   "xn--");
    assert_problem("ws://a..b/", "empty part");
    assert_problem("ws://.a/", "empty part");

    char longest[600] = "ws://";
    memset(longest + 5, 'a', 254);
    assert_problem(longest, "253");
    longest[5 + 253] = '\0';
    vt_url url;
    const char *problem;
    assert_int_equal(vt_url_parse(&url, longest, &problem), 0);
    vt_url_finish(&url);
}

static void what_no_path_holds_is_a_problem(void **state)
{
    (void)state;
    assert_problem("ws://h/a b", "percent-encode");
    assert_problem("ws://h/ HTTP/1.1\r\nX: y", "percent-encode");
    assert_problem("ws://h/\xc3\xbc", "percent-encode");
    assert_problem("ws://h/\x7f", "percent-encode");
    assert_problem("ws://h?\t", "percent-encode");
}

static void another_scheme_is_told_what_to_write(void **state)
{
    (void)state;
    assert_problem("http://h/", "use ws:// instead of http://");
    assert_problem("HTTPS://h/", "use wss:// instead of https://");
    assert_problem("ftp://h/", "the scheme must be ws, wss or ws+unix");
    assert_problem("wss+unix:///x", "the scheme must be ws, wss or ws+unix");
    assert_problem("ws:h", "two slashes");
    assert_problem("wss:/h", "two slashes");
    assert_problem("localhost:9001/x", "has no scheme");
    assert_problem("example.org", "has no scheme");
    assert_problem("", "has no scheme");
    assert_problem("//h/x", "has no scheme");
}

/* ------------------------------------------------------------------- ws+unix */

static void a_unix_socket_has_a_path_of_its_own_and_one_behind_a_colon(void **state)
{
    (void)state;
    static const expected all[] = {
        {"ws+unix:/run/x.sock:/path?q=:1", false, NULL, 0, "/run/x.sock", "/path?q=:1",
         "localhost"},
        {"ws+unix:///run/x.sock:/path", false, NULL, 0, "/run/x.sock", "/path", "localhost"},
        {"WS+Unix:/run/X y.sock", false, NULL, 0, "/run/X y.sock", "/", "localhost"},
        {"ws+unix:/run/x.sock:", false, NULL, 0, "/run/x.sock", "/", "localhost"},
        {"ws+unix:/run/x.sock:?q", false, NULL, 0, "/run/x.sock", "/?q", "localhost"},
        {"ws+unix:@name:/p", false, NULL, 0, "@name", "/p", "localhost"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_parses(&all[i]);
}

static void a_unix_socket_that_makes_no_sense_is_a_problem(void **state)
{
    (void)state;
    assert_problem("ws+unix:run/x.sock", "must begin with '/'");
    assert_problem("ws+unix://run/x.sock", "must begin with '/'");
    assert_problem("ws+unix:", "must begin with '/'");
    assert_problem("ws+unix::/path", "must begin with '/'");
    assert_problem("ws+unix:/run/x.sock:path", "must begin with '/'");
    assert_problem("ws+unix:/run/x.sock?q", "a colon stands between");
    assert_problem("ws+unix:/run/x.sock:/a b", "percent-encode");
    assert_problem("ws+unix:/run/\n.sock", "control character");

    char text[200] = "ws+unix:/";
    memset(text + 9, 'a', 107);
    assert_problem(text, "107 bytes");
    text[9 + 106] = '\0';
    vt_url url;
    const char *problem;
    assert_int_equal(vt_url_parse(&url, text, &problem), 0);
    assert_int_equal(strlen(url.socket), 107);
    vt_url_finish(&url);
}

/* ----------------------------------------------------------------- addresses */

static void an_address_is_numeric_and_has_a_port(void **state)
{
    (void)state;
    assert_address("127.0.0.1:9001", "127.0.0.1", 9001, NULL);
    assert_address("0.0.0.0:0", "0.0.0.0", 0, NULL);
    assert_address("[::1]:9001", "::1", 9001, NULL);
    assert_address("[::]:65535", "::", 65535, NULL);
    assert_address("localhost:9001", "127.0.0.1", 9001, NULL);
    assert_address("LocalHost:0", "127.0.0.1", 0, NULL);
    assert_address("unix:/run/x.sock", NULL, 0, "/run/x.sock");
    assert_address("unix:x.sock", NULL, 0, "x.sock");
    assert_address("unix:@name", NULL, 0, "@name");
}

static void a_wrong_address_is_told_what_to_write(void **state)
{
    (void)state;
    assert_address_problem(":9001", "0.0.0.0:port or [::]:port");
    assert_address_problem("9001", "write an address and a port");
    assert_address_problem("127.0.0.1", "write an address and a port");
    assert_address_problem("127.0.0.1:", "write an address and a port");
    assert_address_problem("[::1]", "write an address and a port");
    assert_address_problem("[::1]:", "write an address and a port");
    assert_address_problem("", "write an address and a port");
    assert_address_problem("localhost", "write an address and a port");
    assert_address_problem("example.org:80", "must be numeric");
    assert_address_problem("localhost.:80", "must be numeric");
    assert_address_problem("127.1:80", "must be numeric");
    assert_address_problem("127.0.0.1.2.3.4.5.6:80", "must be numeric");
    assert_address_problem("127.0.0.1:65536", "from 0 to 65535");
    assert_address_problem("127.0.0.1:80/", "from 0 to 65535");
    assert_address_problem("::1:9001", "brackets");
    assert_address_problem("[::1:9001", "not closed");
    assert_address_problem("ws://127.0.0.1:9001", "not a URL");
    assert_address_problem("unix:", "unix:/run/x.sock");
}

/* -------------------------------------------------------------------- others */

static void paths_and_authorities_hold_nothing_that_ends_a_header(void **state)
{
    (void)state;
    assert_null(vt_path_problem("/"));
    assert_null(vt_path_problem("/a?b=c&d[]=\"<>"));
    assert_non_null(vt_path_problem(""));
    assert_non_null(vt_path_problem("a"));
    assert_non_null(vt_path_problem("*"));
    assert_non_null(vt_path_problem("/a\r\nX: y"));
    assert_non_null(vt_path_problem("/a b"));
    assert_null(vt_authority_problem("example.org:80"));
    assert_null(vt_authority_problem("[::1]:80"));
    assert_non_null(vt_authority_problem(""));
    assert_non_null(vt_authority_problem("a\r\nX: y"));
    assert_non_null(vt_authority_problem("user@host"));
    assert_non_null(vt_authority_problem("a/b"));
}

static void an_authority_is_a_host_and_perhaps_a_port_rfc_3986_3_2(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",      "a:0",          "a:65535",       "a:",  "1.2.3.4:5",
        "[::1]:", "[2001:db8::]", "a-b._~!$&'()*", "%41", "a,b;c=d"};
    static const char *const bad[] = {":80",    "a:b",  "a:65536", "a:-1",   "a:1:2",
                                      "::1",    "[::1", "[]",      "[::g]",  "[a]:80",
                                      "[::1]x", "a[b]", "a]:80",   "[::1]:x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (vt_authority_problem(good[i]) != NULL)
            fail_msg("%s: %s", good[i], vt_authority_problem(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (vt_authority_problem(bad[i]) == NULL)
            fail_msg("%s was taken for an authority", bad[i]);
    }
}

static void finishing_accepts_null_and_zeroed(void **state)
{
    (void)state;
    vt_url url = {0};
    vt_url_finish(NULL);
    vt_url_finish(&url);
    vt_url_finish(&url);
}

static uint32_t random_of(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void mutated_urls_never_get_a_bad_byte_through(void **state)
{
    (void)state;
    static const char *const roots[] = {"ws://example.org:9001/chat?room=1",
                                        "wss://[2001:db8::1]:443/x",
                                        "ws+unix:///run/x.sock:/p",
                                        "ws+unix:@name:/p",
                                        "127.0.0.1:9001",
                                        "[::1]:9001",
                                        "unix:/run/x",
                                        "localhost:0"};
    static const char alphabet[] = "/:@?#[]%. \r\n\t\x7f\xff"
                                   "aW0";
    uint32_t seed = 6455;
    for (int round = 0; round < 40000; round++) {
        char text[64];
        size_t size = strlen(strcpy(text, roots[random_of(&seed) % 8]));
        for (uint32_t n = random_of(&seed) % 4; n > 0; n--)
            text[random_of(&seed) % size] = alphabet[random_of(&seed) % (sizeof alphabet - 1)];
        if (random_of(&seed) % 4 == 0)
            text[random_of(&seed) % size] = '\0';
        vt_url url;
        const char *problem;
        if (vt_url_parse(&url, text, &problem) == 0) {
            assert_null(vt_path_problem(url.path));
            assert_null(vt_authority_problem(url.authority));
        }
        vt_url_finish(&url);
        vt_url_parse_address(&url, text, &problem);
        vt_url_finish(&url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_host_port_path_and_query_rfc_3),
        cmocka_unit_test(the_default_port_is_80_or_443_and_not_named_rfc_3),
        cmocka_unit_test(a_missing_path_is_a_slash_rfc_3),
        cmocka_unit_test(scheme_and_host_are_in_any_case_and_the_path_is_not_rfc_3),
        cmocka_unit_test(an_ipv6_address_stands_in_brackets_rfc_3986_3_2_2),
        cmocka_unit_test(percent_encoding_is_left_alone),
        cmocka_unit_test(a_fragment_is_a_problem_rfc_3),
        cmocka_unit_test(credentials_are_decoded_and_not_shown_rfc_3986_3_2_1),
        cmocka_unit_test(credentials_that_cannot_be_said_are_a_problem),
        cmocka_unit_test(a_url_is_shown_as_it_was_understood),
        cmocka_unit_test(a_port_is_from_1_to_65535),
        cmocka_unit_test(what_no_host_holds_is_a_problem),
        cmocka_unit_test(what_no_path_holds_is_a_problem),
        cmocka_unit_test(another_scheme_is_told_what_to_write),
        cmocka_unit_test(a_unix_socket_has_a_path_of_its_own_and_one_behind_a_colon),
        cmocka_unit_test(a_unix_socket_that_makes_no_sense_is_a_problem),
        cmocka_unit_test(an_address_is_numeric_and_has_a_port),
        cmocka_unit_test(a_wrong_address_is_told_what_to_write),
        cmocka_unit_test(paths_and_authorities_hold_nothing_that_ends_a_header),
        cmocka_unit_test(an_authority_is_a_host_and_perhaps_a_port_rfc_3986_3_2),
        cmocka_unit_test(finishing_accepts_null_and_zeroed),
        cmocka_unit_test(mutated_urls_never_get_a_bad_byte_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
