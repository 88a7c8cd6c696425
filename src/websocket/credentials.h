/*
 * Who a client says it is: the Authorization header of RFC 7617 (Basic) and
 * RFC 6750 (Bearer).
 */
#ifndef VT_WEBSOCKET_CREDENTIALS_H
#define VT_WEBSOCKET_CREDENTIALS_H

#include <vital/vital.h>

/* "Authorization: ..." in *line, malloc'd, for what the caller gave or, as
 * "user:password", the URL; NULL in *line if neither did. 0, VITAL_ENOMEM, or
 * VITAL_EINVAL with a static sentence in *problem, which quotes nothing. */
int vt_credentials_write(char **line, const vital_credentials *given, const char *of_url,
                         const char **problem);

/* Forgets a text before it is freed: what was secret is not left in the heap.
 * Accepts NULL. */
void vt_credentials_free(char *secret);

#endif
