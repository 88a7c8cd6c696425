/*
 * Which proxy the environment wants for a URL, by the customs of curl and others.
 * The library does not look there: that is for a program to decide.
 */
#ifndef VITAL_CLI_PROXIES_H
#define VITAL_CLI_PROXIES_H

/* The URL of a proxy, as the environment has it; NULL: none. `get` is getenv().
 *
 *   wss://   https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY
 *   ws://    http_proxy, all_proxy, ALL_PROXY
 *
 * The first that is set counts, and is none if it is empty. HTTP_PROXY is not
 * looked at: a CGI program has it from whoever sends a header "Proxy". None for a
 * Unix socket, nor for a host that no_proxy or NO_PROXY names: a list with commas
 * or spaces of "*", addresses, and domains, which mean what is below them too. */
const char *proxy_of(const char *url, char *(*get)(const char *name));

#endif
