/*
 * Plain HTTP beside the WebSockets, on the same port: the page, a health check,
 * metrics, and what the page must know of the server before it asks for more.
 * All other paths are WebSockets, and say so.
 */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"
#include "page.h"
#include "watchers.h"

static serve_state *serve_of(const vital_conn *conn)
{
    const serve_client *client = vital_user(conn);
    return client->worker->serve;
}

/* ---------------------------------------------------------------- who may see it */

int serve_web_refuse(vital_conn *conn, int status, const char *why)
{
    static const char *const bearer[] = {"WWW-Authenticate: Bearer", "Cache-Control: no-store",
                                         NULL};
    char body[320];
    snprintf(body, sizeof body, "%s\n", why);
    const vital_response response = {
        .status = status,
        .headers = status == 401 ? bearer : NULL,
        .body = vital_text(body),
    };
    vital_respond(conn, &response);
    return status; /* which has been said */
}

static watchers_answer may_watch(const vital_conn *conn, const vital_request *request)
{
    return watchers_ask(serve_of(conn)->settings->token, vital_conn_peer(conn), request);
}

bool serve_web_may_watch(vital_conn *conn, const vital_request *request)
{
    switch (may_watch(conn, request)) {
    case WATCHERS_YES:
        return true;
    case WATCHERS_TOKEN:
        serve_web_refuse(conn, 401,
                         "this needs the token that `vital serve --token` was given, as "
                         "`Authorization: Bearer TOKEN` or as `?token=TOKEN`");
        return false;
    case WATCHERS_LOCAL:
        serve_web_refuse(conn, 403,
                         "this is for visitors from the same machine, who ask for it by a local "
                         "name and through no proxy; others need `vital serve --token`");
        return false;
    }
    return false;
}

/* -------------------------------------------------------------------- the page */

/* Whether a list such as "gzip, deflate;q=0.5" takes gzip (RFC 9110 12.5.3). */
static bool takes_gzip(const char *list)
{
    for (const char *at = list; at != NULL && *at != '\0';) {
        at += strspn(at, " \t,");
        size_t size = strcspn(at, ",");
        size_t name = strcspn(at, " \t;,");
        bool meant = (name == 4 && strncasecmp(at, "gzip", 4) == 0) || (name == 1 && *at == '*');
        const char *weight = memchr(at, '=', size);
        if (meant && (weight == NULL || strtod(weight + 1, NULL) > 0))
            return true;
        at += size;
    }
    return false;
}

static int answer_page(vital_conn *conn, const vital_request *request)
{
    /* The first only if it is gzipped. */
    static const char *const headers[] = {"Content-Encoding: gzip",
                                          "Content-Type: text/html; charset=utf-8",
                                          "Cache-Control: no-cache",
                                          "Vary: Accept-Encoding",
                                          "X-Content-Type-Options: nosniff",
                                          "Referrer-Policy: no-referrer",
                                          "Cross-Origin-Opener-Policy: same-origin",
                                          page_policy,
                                          page_etag,
                                          NULL};
    static const char *const same[] = {page_etag, "Cache-Control: no-cache",
                                       "Vary: Accept-Encoding", NULL};
    const char *known = vital_request_header(request, "If-None-Match");
    bool gzip = takes_gzip(vital_request_header(request, "Accept-Encoding"));
    vital_response response = {
        .status = 200,
        .headers = gzip ? headers : headers + 1,
        .body = gzip ? page_packed : page_plain,
    };
    if (known != NULL && strstr(known, page_tag) != NULL)
        response = (vital_response){.status = 304, .headers = same};
    return vital_respond(conn, &response) == 0 ? 200 : 500;
}

/* What the page asks first, so that it offers only what there is. */
static int answer_about(vital_conn *conn, const vital_request *request)
{
    static const char *const json[] = {"Content-Type: application/json", "Cache-Control: no-store",
                                       "X-Content-Type-Options: nosniff", NULL};
    static const char *const words[] = {
        [WATCHERS_YES] = "open", [WATCHERS_TOKEN] = "token", [WATCHERS_LOCAL] = "local"};
    const serve_settings *settings = serve_of(conn)->settings;
    const char *beat = settings->beat_text != NULL ? settings->beat_text : "heartbeat";
    json_t *about = json_pack("{s:s, s:b, s:s, s:o}", "version", VITAL_VERSION, "demo",
                              (int)settings->demo, "feed", words[may_watch(conn, request)], "beat",
                              output_text(beat[0] != '\0' ? beat : "heartbeat"));
    char *text = about != NULL ? json_dumps(about, JSON_COMPACT) : NULL;
    int status = 500;
    if (text != NULL) {
        const vital_response response = {.status = 200, .headers = json, .body = vital_text(text)};
        status = vital_respond(conn, &response) == 0 ? 200 : 500;
    }
    free(text);
    json_decref(about);
    return status;
}

/* ------------------------------------------------------------------ for machines */

static int answer_health(vital_conn *conn)
{
    static const char *const fresh[] = {"Cache-Control: no-store", NULL};
    bool draining = atomic_load(&serve_of(conn)->draining);
    const vital_response response = {
        .status = draining ? 503 : 200,
        .headers = fresh,
        .body = vital_text(draining ? "draining\n" : "ok\n"),
    };
    return vital_respond(conn, &response) == 0 ? 200 : 500;
}

static void tell_metrics(serve_client *client, const vital_stats *stats, uint64_t doubtful)
{
    static const char *const type[] = {"Content-Type: " METRICS_TYPE, "Cache-Control: no-store",
                                       NULL};
    const metrics_source source = {
        .stats = stats,
        .doubtful = doubtful,
        .loops = client->worker->serve->worker_count,
    };
    char *text = metrics_write(&source);
    if (text == NULL) {
        serve_web_refuse(client->conn, 503, "out of memory");
        return;
    }
    const vital_response response = {.status = 200, .headers = type, .body = vital_text(text)};
    vital_respond(client->conn, &response);
    free(text);
}

/* Later, when every worker has been asked for its numbers. */
static int answer_metrics(vital_conn *conn, const vital_request *request)
{
    const serve_client *nobody = vital_user(conn);
    if (!serve_web_may_watch(conn, request))
        return 403;
    serve_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return serve_web_refuse(conn, 503, "out of memory");
    client->worker = nobody->worker;
    client->conn = conn;
    vital_set_user(conn, client);
    return serve_feed_count(client, tell_metrics) ? VITAL_LATER
                                                  : serve_web_refuse(conn, 503, "out of memory");
}

int serve_web_answer(vital_conn *conn, const vital_request *request)
{
    const char *path = vital_request_path(request);
    if (strcmp(path, "/") == 0)
        return answer_page(conn, request);
    if (strcmp(path, "/healthz") == 0)
        return answer_health(conn);
    if (strcmp(path, "/metrics") == 0)
        return answer_metrics(conn, request);
    if (strcmp(path, "/vital/about") == 0)
        return answer_about(conn, request);
    return serve_web_refuse(conn, 426, "there is a WebSocket here, and no page; see /");
}
