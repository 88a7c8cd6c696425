/*
 * What Linux says of its networks (rtnetlink(7)): whether a message of the kernel tells
 * that one may have come up, which is a reason to ask again. A descriptor to wait for,
 * and a judge of messages; who reads the one and tells the loop is the backend.
 *
 * News is: a link that has a carrier again, an address that was not there, and a way to
 * everywhere (a default route) that was not there. Whatever only refreshes what is known,
 * as routers do all the time, is none.
 */
#ifndef VT_LOOP_NETWORK_H
#define VT_LOOP_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VT_NETWORK_BITS = 512 };

/* Zeroed, with fd -1: closed. */
typedef struct vt_network {
    int fd;
    uint64_t down;                        /* links without a carrier, by hash */
    uint64_t known[VT_NETWORK_BITS / 64]; /* addresses and routes, by hash */
} vt_network;

/* False where the system does not let us: then there will be no news. */
bool vt_network_open(vt_network *network);
void vt_network_close(vt_network *network);

/* Reads what waits, a bounded part of it; whether any of it is news. */
bool vt_network_read(vt_network *network);

/* The same of one read's bytes. */
bool vt_network_judge(vt_network *network, const void *messages, size_t size);

#endif
