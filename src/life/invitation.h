/*
 * The invitation: a server that ends says at the end of its close reason when its
 * clients may come back, in words for people and programs alike. A close reason is
 * all that a script in a page is told.
 *
 *   reason      = [ words "; " ] invitation
 *   invitation  = "retry in " seconds "-" seconds " s"
 *   seconds     = 1*3DIGIT
 *
 * "restarting; retry in 5-30 s": not before 5 s and within 30 s of this close. What
 * differs by a character, or has its times reversed, is no invitation; so nobody can
 * be sent away for longer than the digits allow.
 */
#ifndef VT_LIFE_INVITATION_H
#define VT_LIFE_INVITATION_H

#include <stdbool.h>
#include <stddef.h>

enum {
    VT_INVITATION_MAX_S = 999,
    VT_INVITATION_BYTES = 124, /* of a close reason (RFC 6455 5.5) and its NUL */
};

typedef struct vt_invitation {
    int from_s;
    int within_s;
    size_t words_bytes; /* of the reason, before it */
} vt_invitation;

/* False, and *out as it was, if the reason does not end in one. */
bool vt_invitation_read(vt_invitation *out, const char *reason);

/* The reason, with the invitation at its end. So many of the words as there is room
 * for, which are valid UTF-8, and stay so; NULL: none. Times: 0 <= from <= within <=
 * VT_INVITATION_MAX_S. */
void vt_invitation_write(char out[VT_INVITATION_BYTES], const char *words, int from_s,
                         int within_s);

#endif
