/*
 * The options of TLS are many and the same for every client, so they are one
 * table, that a command adds to its own.
 */
#include "client.h"

#include <string.h>

#include "output.h"

void client_options(cli_option table[CLIENT_OPTIONS], client_settings *to)
{
    /* clang-format off */
    const cli_option rows[] = {
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
        {0},
    };
    /* clang-format on */
    _Static_assert(sizeof rows <= CLIENT_OPTIONS * sizeof rows[0], "the rows fit");
    memcpy(table, rows, sizeof rows);
}

void client_apply(vital_connect_options *options, const client_settings *settings)
{
    options->tls = settings->tls;
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
    json_object_set_new(event, "tls_ms", output_ms(opening.tls_us));
    json_object_set_new(event, "upgrade_ms", output_ms(opening.upgrade_us));
}
