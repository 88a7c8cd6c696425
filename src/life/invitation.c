/*
 * Strict on purpose: a reason is written for people, and what looks like an
 * invitation by chance must not keep a client away. The JavaScript client reads it
 * by one regular expression (browser/src/verdict.ts), which is to say the same.
 */
#include "invitation.h"

#include <stdio.h>
#include <string.h>

static const char LEAD[] = "retry in ";
static const char SEPARATOR[] = "; ";

enum { DIGITS_MOST = 3 };

/* Behind the digits; NULL if there are none, or too many. */
static const char *read_seconds(const char *text, int *out)
{
    int count = 0;
    *out = 0;
    for (; text[count] >= '0' && text[count] <= '9'; count++) {
        if (count == DIGITS_MOST)
            return NULL;
        *out = *out * 10 + (text[count] - '0');
    }
    return count > 0 ? text + count : NULL;
}

static const char *last_lead(const char *reason)
{
    const char *found = NULL;
    for (const char *at = reason; (at = strstr(at, LEAD)) != NULL; at++)
        found = at;
    return found;
}

bool vt_invitation_read(vt_invitation *out, const char *reason)
{
    const size_t gap = sizeof SEPARATOR - 1;
    int from_s, within_s;
    const char *begin = last_lead(reason);
    if (begin == NULL)
        return false;
    size_t before = (size_t)(begin - reason);
    if (before > 0 && (before < gap || memcmp(begin - gap, SEPARATOR, gap) != 0))
        return false;
    const char *at = read_seconds(begin + sizeof LEAD - 1, &from_s);
    if (at == NULL || *at != '-')
        return false;
    at = read_seconds(at + 1, &within_s);
    if (at == NULL || strcmp(at, " s") != 0 || from_s > within_s)
        return false;
    *out = (vt_invitation){
        .from_s = from_s,
        .within_s = within_s,
        .words_bytes = before > 0 ? before - gap : 0,
    };
    return true;
}

void vt_invitation_write(char out[VT_INVITATION_BYTES], const char *words, int from_s, int within_s)
{
    char tail[VT_INVITATION_BYTES];
    size_t size = words != NULL ? strlen(words) : 0;
    snprintf(tail, sizeof tail, "%s%s%d-%d s", size > 0 ? SEPARATOR : "", LEAD, from_s, within_s);
    size_t room = VT_INVITATION_BYTES - 1 - strlen(tail);
    if (size > room) {
        size = room;
        while (size > 0 && ((unsigned char)words[size] & 0xC0) == 0x80)
            size--; /* not inside of a character */
    }
    snprintf(out, VT_INVITATION_BYTES, "%.*s%s", (int)size, size > 0 ? words : "", tail);
}
