/*
 * Lists of strings that end with NULL, as options give them.
 */
#ifndef VT_BASE_STRING_LIST_H
#define VT_BASE_STRING_LIST_H

#include <stddef.h>

size_t vt_string_list_count(const char *const *strings); /* NULL has none */
/* A copy of the list and of its strings; never NULL but without memory. */
char **vt_string_list_copy(const char *const *strings);
void vt_string_list_free(char **strings); /* accepts NULL */

#endif
