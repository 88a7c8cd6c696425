/*
 * The URLs of proxies, what is asked of them, and every answer they may give.
 */
#include "proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vital/vital.h>

enum { LIMIT = 8 * 1024 };

/* ------------------------------------------------------------------------- URL */

static void every_way_to_name_a_proxy_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool secure;
        const char *host;
        uint16_t port;
        const char *credentials;
    } all[] = {
        {"http://proxy.example", false, "proxy.example", 80, NULL},
        {"http://proxy.example/", false, "proxy.example", 80, NULL},
        {"https://proxy.example", true, "proxy.example", 443, NULL},
        {"HTTP://Proxy.Example:3128/", false, "proxy.example", 3128, NULL},
        {"proxy.example:8080", false, "proxy.example", 8080, NULL},
        {"127.0.0.1:3128", false, "127.0.0.1", 3128, NULL},
        {"https://[::1]:3128", true, "::1", 3128, NULL},
        {"http://user:pass@h:1", false, "h", 1, "Basic dXNlcjpwYXNz"},
        {"user:pass@h:1", false, "h", 1, "Basic dXNlcjpwYXNz"},
        {"http://user@h", false, "h", 80, "Basic dXNlcjo="},
        {"http://:@h", false, "h", 80, "Basic Og=="},
        {"http://u:p%40s%3as%25@h", false, "h", 80, "Basic dTpwQHM6cyU="},
        {"http://u:p@ss:w@h:2", false, "h", 2, "Basic dTpwQHNzOnc="},
        {"http://%C3%BC:x@h", false, "h", 80, "Basic w7w6eA=="},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_proxy proxy;
        const char *problem = NULL;
        if (vt_proxy_parse(&proxy, all[i].url, &problem) != 0)
            fail_msg("%s: %s", all[i].url, problem);
        assert_int_equal(proxy.secure, all[i].secure);
        assert_string_equal(proxy.host, all[i].host);
        assert_int_equal(proxy.port, all[i].port);
        if (all[i].credentials == NULL)
            assert_null(proxy.credentials);
        else
            assert_string_equal(proxy.credentials, all[i].credentials);
        vt_proxy_finish(&proxy);
    }
    vt_proxy_finish(NULL);
}

static void what_names_no_proxy_is_refused_in_a_sentence(void **state)
{
    (void)state;
    char endless[2048] = "http://u:";
    memset(endless + strlen(endless), 'p', 1000);
    strcat(endless, "@h");
    const struct {
        const char *url, *words;
    } all[] = {
        {"", "names no host"},
        {"http://", "names no host"},
        {"socks5://h:1080", "http:// or https://"},
        {"ftp://h", "http:// or https://"},
        {"http://h/path", "no path"},
        {"http://h?query", "no path"},
        {"http://h#there", "fragment"},
        {"http://h:0", "port"},
        {"http://h:65536", "port"},
        {"http://h x", "host"},
        {"http://h\r\nX: y", "host"},
        {"http://u:%@h", "badly encoded"},
        {"http://u:%4@h", "badly encoded"},
        {"http://u:%zz@h", "badly encoded"},
        {"http://u:%0d%0a@h", "badly encoded"},
        {"http://u:\n@h", "badly encoded"},
        {"http://a%3Ab:c@h", "badly encoded"},
        {endless, "too long"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_proxy proxy;
        const char *problem = NULL;
        assert_int_equal(vt_proxy_parse(&proxy, all[i].url, &problem), VITAL_EINVAL);
        if (strstr(problem, all[i].words) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", all[i].url, problem, all[i].words);
        assert_null(proxy.host);
        assert_null(proxy.credentials);
    }
}

/* --------------------------------------------------------------------- request */

static void asks(const char *url, const char *host, uint16_t port, const char *expected)
{
    vt_proxy proxy;
    const char *problem;
    assert_int_equal(vt_proxy_parse(&proxy, url, &problem), 0);
    char *request = vt_proxy_request(&proxy, host, port);
    assert_string_equal(request, expected);
    free(request);
    vt_proxy_finish(&proxy);
}

static void the_request_names_host_and_port_twice_rfc_9110_9_3_6(void **state)
{
    (void)state;
    asks("http://p", "example.org", 443,
         "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n");
    asks("http://p", "::1", 9001, "CONNECT [::1]:9001 HTTP/1.1\r\nHost: [::1]:9001\r\n\r\n");
    asks("http://user:pass@p", "h", 80,
         "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n"
         "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
}

/* ---------------------------------------------------------------------- answer */

static vt_proxy_outcome feed(vt_proxy_answer *answer, const char *text, size_t piece)
{
    vt_proxy_outcome outcome = VT_PROXY_MORE;
    *answer = (vt_proxy_answer){.status = 0};
    for (size_t at = 0; outcome == VT_PROXY_MORE && at < strlen(text); at += piece) {
        size_t left = strlen(text) - at;
        outcome = vt_proxy_feed(answer, text + at, left < piece ? left : piece, LIMIT);
    }
    return outcome;
}

static void every_answer_has_its_outcome_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        vt_proxy_outcome outcome;
        int status;
        const char *words; /* of the reason or the violation */
    } all[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", VT_PROXY_OPEN, 200, "OK"},
        {"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n", VT_PROXY_OPEN, 200, "Conn"},
        {"HTTP/1.1 204\r\n\r\n", VT_PROXY_OPEN, 204, ""},
        /* RFC 9110 9.3.6: these mean nothing here */
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", VT_PROXY_OPEN, 200, "OK"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", VT_PROXY_OPEN, 200, "OK"},
        {"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
         VT_PROXY_REFUSED, 407, "Proxy Authentication Required"},
        {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nbody", VT_PROXY_REFUSED, 502,
         "Bad Gateway"},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", VT_PROXY_REFUSED, 302, "Found"},
        {"HTTP/1.1 400 \x1b[31m\r\n\r\n", VT_PROXY_FAILED, 0, "HTTP/1.1"},
        {"HTTP/1.1 100 Continue\r\n\r\n", VT_PROXY_FAILED, 100, "interim"},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", VT_PROXY_FAILED, 101,
         "interim"},
        {"HTTP/1.1 600 What\r\n\r\n", VT_PROXY_FAILED, 0, "HTTP/1.1"},
        {"HTTP/2 200\r\n\r\n", VT_PROXY_FAILED, 0, "HTTP/1.1"},
        {"SSH-2.0-OpenSSH_9.2\r\n", VT_PROXY_FAILED, 0, "HTTP/1.1"},
        {"\n", VT_PROXY_FAILED, 0, "HTTP/1.1"},
        {"HTTP/1.1 200 OK\n\n", VT_PROXY_FAILED, 0, "HTTP/1.1"},
        {"HTTP/1.1 200 OK\r\n", VT_PROXY_MORE, 0, ""},
    };
    static const size_t pieces[] = {1, 3, 1000};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            vt_proxy_answer answer;
            vt_proxy_outcome outcome = feed(&answer, all[i].text, pieces[p]);
            if (outcome != all[i].outcome || answer.status != all[i].status)
                fail_msg("%s: %d and %d, not %d and %d", all[i].text, (int)outcome, answer.status,
                         (int)all[i].outcome, all[i].status);
            const char *said = outcome == VT_PROXY_FAILED ? answer.violation : answer.reason;
            if (strstr(said, all[i].words) == NULL)
                fail_msg("%s: \"%s\" does not say \"%s\"", all[i].text, said, all[i].words);
            vt_proxy_answer_finish(&answer);
        }
    }
}

static void what_follows_a_yes_at_once_is_not_the_server_s(void **state)
{
    (void)state;
    vt_proxy_answer answer;
    assert_int_equal(feed(&answer, "HTTP/1.1 200 OK\r\n\r\n\x81\x02hi", 1000), VT_PROXY_FAILED);
    assert_non_null(strstr(answer.violation, "before anything was asked"));
    vt_proxy_answer_finish(&answer);
}

static void an_endless_answer_is_cut_at_the_limit(void **state)
{
    (void)state;
    char line[1024];
    vt_proxy_answer answer = {.status = 0};
    memset(line, 'x', sizeof line);
    assert_int_equal(vt_proxy_feed(&answer, "HTTP/1.1 200 OK\r\nX: ", 20, LIMIT), VT_PROXY_MORE);
    vt_proxy_outcome outcome = VT_PROXY_MORE;
    size_t fed = 0;
    for (; outcome == VT_PROXY_MORE; fed += sizeof line)
        outcome = vt_proxy_feed(&answer, line, sizeof line, LIMIT);
    assert_int_equal(outcome, VT_PROXY_FAILED);
    assert_true(fed <= LIMIT + sizeof line);
    assert_non_null(strstr(answer.violation, "larger than our limit"));
    vt_proxy_answer_finish(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_name_a_proxy_is_understood),
        cmocka_unit_test(what_names_no_proxy_is_refused_in_a_sentence),
        cmocka_unit_test(the_request_names_host_and_port_twice_rfc_9110_9_3_6),
        cmocka_unit_test(every_answer_has_its_outcome_in_any_pieces),
        cmocka_unit_test(what_follows_a_yes_at_once_is_not_the_server_s),
        cmocka_unit_test(an_endless_answer_is_cut_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
