/*
 * The linker sends every call of malloc() and its family in this program to
 * __wrap_malloc() and so on (meson.build); libraries that are shared, and their
 * own requests, are not touched.
 */
#include "memory.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);
int __wrap_asprintf(char **out, const char *format, ...);
void __wrap_free(void *memory);

static size_t held_bytes;
static int scarce_of_thousand;
static sim_draw draws;
static uint64_t refused;

/* --------------------------------------------------------------- the world's */

void sim_must(bool held)
{
    if (held)
        return;
    fputs("vital-sim: the world has run out of memory\n", stderr);
    exit(2);
}

void *sim_obtain(size_t size)
{
    return sim_obtain_more(NULL, size);
}

void *sim_obtain_more(void *memory, size_t size)
{
    memory = __real_realloc(memory, size);
    sim_must(memory != NULL);
    return memory;
}

void sim_release(void *memory)
{
    __real_free(memory);
}

/* ------------------------------------------------------------- the library's */

size_t sim_memory_bytes(void)
{
    return held_bytes;
}

void sim_memory_scarce(int of_thousand)
{
    scarce_of_thousand = of_thousand;
}

void sim_memory_seed(uint64_t seed)
{
    draws = sim_draw_of(seed, 4);
}

uint64_t sim_memory_refused(void)
{
    return refused;
}

static bool refuse(void)
{
    if (scarce_of_thousand == 0 || sim_draw_between(&draws, 1, 1000) > scarce_of_thousand)
        return false;
    refused++;
    return true;
}

static void *count(void *memory)
{
    if (memory != NULL)
        held_bytes += malloc_usable_size(memory);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return refuse() ? NULL : count(__real_calloc(number, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (refuse())
        return NULL;
    size_t before = memory == NULL ? 0 : malloc_usable_size(memory);
    void *after = __real_realloc(memory, size);
    if (after != NULL)
        held_bytes -= before;
    return count(after);
}

void *__wrap_reallocarray(void *memory, size_t number, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(number, size, &bytes) ? NULL : __wrap_realloc(memory, bytes);
}

char *__wrap_strndup(const char *text, size_t most)
{
    size_t size = strnlen(text, most);
    char *copy = __wrap_malloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, SIZE_MAX);
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    *out = __wrap_malloc((size_t)size + 1);
    if (*out == NULL)
        return -1;
    va_start(arguments, format);
    vsnprintf(*out, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return size;
}

void __wrap_free(void *memory)
{
    if (memory != NULL)
        held_bytes -= malloc_usable_size(memory);
    __real_free(memory);
}
