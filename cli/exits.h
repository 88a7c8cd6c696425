/* The exit codes of `vital`, in one place; documented in vital(1). */
#ifndef VITAL_CLI_EXITS_H
#define VITAL_CLI_EXITS_H

#include <vital/vital.h>

enum {
    EXITS_FINE = 0,
    EXITS_UNANSWERED =
        1,             /* `vital ping`, `bench`: nothing was answered; `vital probe`: interrupted */
    EXITS_TROUBLE = 2, /* bad usage, or the command could not do its work */
    EXITS_LIMIT = 3,   /* `vital bench`: a --fail-if */
    EXITS_SIGNAL = 128, /* plus the signal's number */
};

/* 0 if the connection ended as it should (we closed it, or the peer did with
 * 1000), else the cause's own code, from 10 on. */
int exits_of_verdict(const vital_verdict *verdict);

#endif
