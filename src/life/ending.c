/*
 * Words are copied when they are known, since what they point to ends with the
 * socket. Where there is no memory for them a verdict is given without.
 */
#include "ending.h"

#include <stdlib.h>

static char *copy_words(const void *words, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, words, size);
        copy[size] = '\0';
    }
    return copy;
}

void vt_ending_finish(vt_ending *ending)
{
    free(ending->what);
    free(ending->reason);
    *ending = (vt_ending){.decided = false};
}

void vt_ending_decide(vt_ending *ending, vital_cause cause, uint16_t code, const char *what)
{
    if (ending->decided)
        return;
    ending->decided = true;
    ending->cause = cause;
    ending->code = code;
    ending->retry_after_s = -1;
    if (what != NULL)
        ending->what = copy_words(what, strlen(what));
}

void vt_ending_set_reason(vt_ending *ending, vital_bytes reason)
{
    free(ending->reason);
    ending->reason = reason.size > 0 ? copy_words(reason.data, reason.size) : NULL;
}

void vt_ending_verdict(const vt_ending *ending, vital_verdict *out)
{
    *out = (vital_verdict){
        .cause = ending->cause,
        .code = ending->code,
        .error = ending->error,
        .status = ending->status,
        .alert = ending->alert,
        .open_ms = ending->open_ms,
        .unconfirmed = ending->unconfirmed,
        .unsent = ending->unsent,
        .final = ending->final,
        .retry_ms = ending->retry_ms,
    };
    if (ending->reason != NULL)
        strncpy(out->reason, ending->reason, sizeof out->reason - 1);
}
