/*
 * Built in the place of loop_uring.c where there is no liburing.
 */
#include "backend.h"

const vt_backend *const vt_backend_uring = NULL;
