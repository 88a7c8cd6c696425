/* Which proxy the environment wants for a URL. */
#include "proxies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* "name=value" */
static const char *const *environment;

static char *get(const char *name)
{
    size_t size = strlen(name);
    for (const char *const *each = environment; *each != NULL; each++) {
        if (strncmp(*each, name, size) == 0 && (*each)[size] == '=')
            return (char *)(uintptr_t)(*each + size + 1);
    }
    return NULL;
}

static void finds(const char *const *variables, const char *url, const char *expected)
{
    environment = variables;
    const char *found = proxy_of(url, get);
    if ((found == NULL) != (expected == NULL) || (found != NULL && strcmp(found, expected) != 0))
        fail_msg("%s: %s and not %s", url, found != NULL ? found : "none",
                 expected != NULL ? expected : "none");
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void each_scheme_has_its_variable(void **state)
{
    (void)state;
    finds(LIST("x=y"), "wss://h/", NULL);
    finds(LIST("https_proxy=http://s", "http_proxy=http://p"), "wss://h/", "http://s");
    finds(LIST("https_proxy=http://s", "http_proxy=http://p"), "ws://h/", "http://p");
    finds(LIST("HTTPS_PROXY=http://s"), "WSS://h/", "http://s");
    finds(LIST("https_proxy=http://a", "HTTPS_PROXY=http://b"), "wss://h/", "http://a");
    finds(LIST("all_proxy=http://a"), "wss://h/", "http://a");
    finds(LIST("ALL_PROXY=http://a"), "ws://h/", "http://a");
    finds(LIST("http_proxy=http://p", "all_proxy=http://a"), "ws://h/", "http://p");
}

static void http_proxy_in_capitals_may_come_from_a_header_and_is_not_read(void **state)
{
    (void)state;
    finds(LIST("HTTP_PROXY=http://evil"), "ws://h/", NULL);
    finds(LIST("HTTP_PROXY=http://evil"), "wss://h/", NULL);
}

static void an_empty_variable_is_none_and_hides_those_after_it(void **state)
{
    (void)state;
    finds(LIST("https_proxy=", "all_proxy=http://a"), "wss://h/", NULL);
}

static void a_unix_socket_has_no_proxy(void **state)
{
    (void)state;
    finds(LIST("http_proxy=http://p", "all_proxy=http://a"), "ws+unix:/run/x", NULL);
    finds(LIST("all_proxy=http://a"), "nonsense", NULL);
}

static void hosts_can_be_exempt(void **state)
{
    (void)state;
    static const struct {
        const char *list, *url;
        bool exempt;
    } all[] = {
        {"*", "ws://h/", true},
        {"", "ws://h/", false},
        {"h", "ws://h/", true},
        {"h", "ws://h:9001/path", true},
        {"H", "ws://h", true},
        {"example.org", "ws://example.org/", true},
        {"example.org", "ws://a.example.org/", true},
        {".example.org", "ws://a.example.org/", true},
        {".example.org", "ws://example.org/", true},
        {"example.org", "ws://badexample.org/", false},
        {"a.example.org", "ws://example.org/", false},
        {"x, y example.org,z", "ws://example.org/", true},
        {"x,,  ,y", "ws://example.org/", false},
        {".", "ws://example.org/", false},
        {"127.0.0.1", "ws://127.0.0.1:80/", true},
        {"127.0.0.1", "ws://127.0.0.2/", false},
        {"::1", "ws://[::1]:80/", true},
        {"[::1]", "ws://[::1]/", true},
        {"h", "ws://user:h@other/", false},
        {"h", "ws://user:pass@h:1/", true},
        {"h", "ws://other/@h", false},
        {"h", "ws://other?x=@h", false},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (int capitals = 0; capitals < 2; capitals++) {
            char list[64];
            snprintf(list, sizeof list, "%s=%s", capitals ? "NO_PROXY" : "no_proxy", all[i].list);
            finds(LIST("http_proxy=http://p", list), all[i].url, all[i].exempt ? NULL : "http://p");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scheme_has_its_variable),
        cmocka_unit_test(http_proxy_in_capitals_may_come_from_a_header_and_is_not_read),
        cmocka_unit_test(an_empty_variable_is_none_and_hides_those_after_it),
        cmocka_unit_test(a_unix_socket_has_no_proxy),
        cmocka_unit_test(hosts_can_be_exempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
