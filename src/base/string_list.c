/*
 * What a caller gives is copied before the call returns; lists of strings too.
 */
#include "string_list.h"

#include <stdlib.h>
#include <string.h>

size_t vt_string_list_count(const char *const *strings)
{
    size_t count = 0;
    while (strings != NULL && strings[count] != NULL)
        count++;
    return count;
}

char **vt_string_list_copy(const char *const *strings)
{
    size_t count = vt_string_list_count(strings);
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(strings[i]);
        if (copy[i] == NULL) {
            vt_string_list_free(copy);
            return NULL;
        }
    }
    return copy;
}

void vt_string_list_free(char **strings)
{
    if (strings == NULL)
        return;
    for (size_t i = 0; strings[i] != NULL; i++)
        free(strings[i]);
    free(strings);
}
