/*
 * The options that say how a server is reached are many and the same for every
 * client, so they are one table, that a command adds to its own.
 *
 * A command line can be seen by everybody on the machine: so a secret can also be
 * in a file.
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"
#include "output.h"
#include "proxies.h"

void client_options(cli_option table[CLIENT_OPTIONS], client_settings *to)
{
    /* clang-format off */
    const cli_option rows[] = {
        {"user", 'u', OPTION_TEXT, {.text = &to->user}, "NAME:PASSWORD",
         "say who we are (HTTP Basic); @FILE takes its first line"},
        {"bearer", 0, OPTION_TEXT, {.text = &to->bearer}, "TOKEN",
         "say that we hold this token; @FILE takes its first line"},
        {"follow", 0, OPTION_NUMBER, {.number = &to->follow, .least = 0, .most = 100}, "COUNT",
         "redirects to follow (5); 0 for none"},
        {"ca", 0, OPTION_TEXT, {.text = &to->tls.ca_file}, "FILE",
         "wss: trust the certificates in this file (PEM) instead of the system's"},
        {"cert", 0, OPTION_TEXT, {.text = &to->tls.cert_file}, "FILE",
         "wss: our certificate (PEM), for servers that ask for one"},
        {"key", 0, OPTION_TEXT, {.text = &to->tls.key_file}, "FILE",
         "wss: the key of our certificate (in the file of --cert)"},
        {"server-name", 0, OPTION_TEXT, {.text = &to->tls.server_name}, "NAME",
         "wss: the name that the server's certificate has to be for (the URL's host)"},
        {"insecure", 'k', OPTION_FLAG, {.flag = &to->tls.insecure}, NULL,
         "wss: believe whoever answers, whatever the certificate"},
        {"proxy", 'x', OPTION_TEXT, {.text = &to->proxy}, "URL",
         "go through this proxy, http://[USER:PASSWORD@]HOST[:PORT] or https://; '' for none "
         "(as the environment says)"},
        {"proxy-ca", 0, OPTION_TEXT, {.text = &to->proxy_tls.ca_file}, "FILE",
         "trust the certificates in this file (PEM) for a proxy of https://"},
        {"backend", 0, OPTION_TEXT, {.text = &to->backend_name}, "NAME",
         "what to wait with: epoll, uring, or auto (epoll, for now)"},
        {0},
    };
    /* clang-format on */
    _Static_assert(sizeof rows <= CLIENT_OPTIONS * sizeof rows[0], "the rows fit");
    memcpy(table, rows, sizeof rows);
}

/* The value, or the first line of the file that it names. */
static int read_secret(client_settings *settings, const options_page *page, const char *option,
                       const char *value)
{
    char *secret = settings->secret;
    if (value[0] != '@') {
        if (snprintf(secret, CLIENT_SECRET_BYTES, "%s", value) >= CLIENT_SECRET_BYTES)
            return options_complain(page, "the value of --%s is too long", option);
        return OPTIONS_READY;
    }
    FILE *file = fopen(value + 1, "re");
    if (file == NULL)
        return options_complain(page, "--%s %s: %s", option, value, strerror(errno));
    bool read = fgets(secret, CLIENT_SECRET_BYTES, file) != NULL;
    fclose(file);
    if (!read)
        return options_complain(page, "--%s %s: the file has no line", option, value);
    secret[strcspn(secret, "\r\n")] = '\0';
    return OPTIONS_READY;
}

int client_check(client_settings *settings, const options_page *page)
{
    int result = backend_read(page, settings->backend_name, &settings->backend);
    if (result != OPTIONS_READY)
        return result;
    if (settings->user != NULL && settings->bearer != NULL)
        return options_complain(page, "--user and --bearer exclude each other");
    if (settings->bearer != NULL)
        return read_secret(settings, page, "bearer", settings->bearer);
    if (settings->user == NULL)
        return OPTIONS_READY;
    result = read_secret(settings, page, "user", settings->user);
    settings->password = result == OPTIONS_READY ? strchr(settings->secret, ':') : NULL;
    if (settings->password != NULL)
        *settings->password++ = '\0';
    return result;
}

void client_apply(vital_connect_options *options, const client_settings *settings)
{
    options->tls = settings->tls;
    options->redirects = settings->follow > 0 ? settings->follow : VITAL_NEVER;
    if (settings->bearer != NULL)
        options->credentials.bearer = settings->secret;
    if (settings->user != NULL)
        options->credentials = (vital_credentials){settings->secret, settings->password, NULL};
    options->proxy = settings->proxy != NULL ? settings->proxy : proxy_of(options->url, getenv);
    options->proxy_tls = settings->proxy_tls;
}

void client_tell(json_t *event, const vital_conn *conn)
{
    vital_opening opening;
    vital_tls_facts tls;
    if (event == NULL)
        return;
    vital_conn_opening(conn, &opening);
    vital_conn_tls(conn, &tls);
    json_object_set_new(event, "compressed", json_boolean(vital_conn_compressed(conn)));
    json_object_set_new(event, "tls", output_known(tls.version));
    json_object_set_new(event, "name_ms", output_ms(opening.name_us));
    json_object_set_new(event, "connect_ms", output_ms(opening.connect_us));
    json_object_set_new(event, "proxy_ms", output_ms(opening.proxy_us));
    json_object_set_new(event, "tls_ms", output_ms(opening.tls_us));
    json_object_set_new(event, "upgrade_ms", output_ms(opening.upgrade_us));
}
