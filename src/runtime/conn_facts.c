/*
 * What one may ask about a connection. None of it leaves its rest for that.
 */
#include "conn.h"

#include <string.h>

void vital_conn_pulse(const vital_conn *conn, vital_pulse *out)
{
    if (conn->awake != NULL)
        vital_engine_pulse(conn->awake->engine, vt_loop_clock_now(conn->owner->loop), out);
    else
        vt_rest_pulse(&conn->rest, vt_loop_clock_now(conn->owner->loop), out);
}

/* Who is at rest is well. */
bool vital_conn_suspicion(const vital_conn *conn, vital_verdict *out)
{
    return conn->awake != NULL &&
           vital_engine_suspicion(conn->awake->engine, vt_loop_clock_now(conn->owner->loop), out);
}

size_t vital_conn_queued(const vital_conn *conn)
{
    return conn->awake != NULL ? vital_engine_queued(conn->awake->engine) : 0;
}

const char *vital_conn_peer(const vital_conn *conn)
{
    char text[VT_ADDRESS_TEXT_BYTES];
    if (conn->peer.family == AF_UNSPEC)
        return "";
    if (conn->peer_text == NULL) {
        vital_conn *cache = (vital_conn *)conn; /* a text made on demand changes nothing */
        vt_peer_text(text, &conn->peer);
        cache->peer_text = strdup(text);
    }
    return conn->peer_text != NULL ? conn->peer_text : "";
}

const char *vital_conn_url(const vital_conn *conn)
{
    return conn->awake != NULL && conn->awake->url != NULL ? conn->awake->url : "";
}

const char *vital_conn_subprotocol(const vital_conn *conn)
{
    return conn->awake != NULL ? vital_engine_subprotocol(conn->awake->engine)
                               : vt_rest_subprotocol(&conn->rest, conn->owner->policy);
}

bool vital_conn_compressed(const vital_conn *conn)
{
    return conn->awake != NULL && vital_engine_compressed(conn->awake->engine);
}

vital_loop *vital_conn_loop(const vital_conn *conn)
{
    return conn->owner->loop;
}

void vital_conn_opening(const vital_conn *conn, vital_opening *out)
{
    *out = conn->awake != NULL ? conn->awake->opening
                               : (vital_opening){-1, -1, -1, conn->tls_us, conn->upgrade_us};
}

void vital_conn_tls(const vital_conn *conn, vital_tls_facts *out)
{
    const vt_tls *tls = vt_transport_tls(&conn->transport);
    *out = (vital_tls_facts){.version = "", .cipher = ""};
    if (tls != NULL && vt_tls_secured(tls))
        vt_tls_describe(tls, out);
}

void *vital_user(const vital_conn *conn)
{
    return conn->user;
}

void vital_set_user(vital_conn *conn, void *user)
{
    conn->user = user;
}
