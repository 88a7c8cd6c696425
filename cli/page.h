/* The page at / of `vital serve`, as embed_page.py makes C of it. */
#ifndef VITAL_CLI_PAGE_H
#define VITAL_CLI_PAGE_H

#include <vital/vital.h>

extern const vital_bytes page_plain;
extern const vital_bytes page_packed; /* by gzip */

extern const char page_tag[]; /* quoted, as it stands in If-None-Match */
/* Headers: "ETag: ..." with that, and "Content-Security-Policy: ...". */
extern const char page_etag[];
extern const char page_policy[];

#endif
