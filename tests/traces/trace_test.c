/*
 * The stories of tests/traces: what each tells must happen again, line by line.
 *
 *   trace_test [FILE.md ...]             compare; all of tests/traces by default
 *   trace_test --update [FILE.md ...]    write what happens now into the files
 *
 * A trace that was updated is only as right as whoever has read its diff.
 */
#include "story.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIRECTORY "tests/traces"

enum { FILES_MAX = 200, LINES_MAX = 1000, CONTEXT = 3 };

static bool update;

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (file == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    if (getdelim(&text, &size, '\0', file) < 0)
        fail_msg("%s: there is nothing in it", path);
    fclose(file);
    return text;
}

/* All or nothing: the old file is there until the new one is whole. */
static void write_file(const char *path, const char *text)
{
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || rename(temporary, path) != 0)
        fail_msg("%s: %s", temporary, strerror(errno));
}

/* ------------------------------------------------------------------ differences */

static int cut_lines(char *text, char *lines[LINES_MAX])
{
    int count = 0;
    while (*text != '\0' && count < LINES_MAX) {
        lines[count++] = text;
        text += strcspn(text, "\n");
        if (*text == '\n')
            *text++ = '\0';
    }
    return count;
}

static bool same(char *const *a, int i, char *const *b, int k)
{
    return strcmp(a[i], b[k]) == 0;
}

/* common[i][k] is how many lines a from i on and b from k on have in common. */
static uint16_t (*count_common(char *const *a, int as, char *const *b, int bs))[LINES_MAX + 1]
{
    uint16_t(*common)[LINES_MAX + 1] = calloc(LINES_MAX + 1, sizeof *common);
    assert_non_null(common);
    for (int i = as - 1; i >= 0; i--)
        for (int k = bs - 1; k >= 0; k--) {
            uint16_t down = common[i + 1][k];
            uint16_t right = common[i][k + 1];
            common[i][k] = same(a, i, b, k) ? (uint16_t)(common[i + 1][k + 1] + 1)
                           : down > right   ? down
                                            : right;
        }
    return common;
}

/* Like diff -u: what both have is shown only near a difference. */
static void print_difference(const char *expected, const char *happened)
{
    static char *a[LINES_MAX];
    static char *b[LINES_MAX];
    char *old = strdup(expected);
    char *new = strdup(happened);
    assert_true(old != NULL && new != NULL);
    const int as = cut_lines(old, a);
    const int bs = cut_lines(new, b);
    uint16_t(*common)[LINES_MAX + 1] = count_common(a, as, b, bs);
    int last_difference = -CONTEXT - 1;
    for (int i = 0, k = 0; i < as || k < bs;) {
        if (i < as && k < bs && same(a, i, b, k)) {
            bool near = i - last_difference <= CONTEXT;
            for (int n = 0; n < CONTEXT && !near; n++)
                near = i + n + 1 >= as || k + n + 1 >= bs ? i + n + 1 < as || k + n + 1 < bs
                                                          : !same(a, i + n + 1, b, k + n + 1);
            if (near)
                print_error("    %s\n", a[i]);
            i++;
            k++;
        } else if (k == bs || (i < as && common[i + 1][k] >= common[i][k + 1])) {
            print_error("  - %s\n", a[i++]);
            last_difference = i;
        } else {
            print_error("  + %s\n", b[k++]);
            last_difference = i;
        }
    }
    free(common);
    free(old);
    free(new);
}

/* ----------------------------------------------------------------------- a file */

struct fence {
    const char *begin; /* of what is inside */
    const char *end;
    int line; /* of the fence in the file */
};

/* The next fenced block of that kind from `at` on. */
static bool find_fence(const char *text, const char *at, const char *kind, struct fence *out)
{
    char opening[32];
    snprintf(opening, sizeof opening, "\n```%s\n", kind);
    const char *found = strstr(at, opening);
    if (found == NULL)
        return false;
    out->begin = found + strlen(opening);
    out->end = strstr(out->begin - 1, "\n```\n");
    if (out->end == NULL)
        return false;
    out->end++;
    out->line = 2;
    for (const char *p = text; p < found; p++)
        out->line += *p == '\n';
    return true;
}

/* Plays a story and the trace that follows it. What happened, or NULL. */
static char *play(const char *path, struct story *story, const struct fence *fence)
{
    const char *problem = NULL;
    int line = 0;
    char *sentences = strndup(fence->begin, (size_t)(fence->end - fence->begin));
    assert_non_null(sentences);
    char *happened = story_play(story, sentences, &line, &problem);
    if (happened == NULL)
        print_error("%s:%d: %s\n", path, fence->line + line, problem);
    free(sentences);
    return happened;
}

/* Compares the whole file; `out` gets it with the traces as they are now. */
static bool play_file(const char *path, const char *text, FILE *out)
{
    struct story *story = story_begin();
    struct fence told;
    struct fence trace;
    const char *at = text;
    bool good = true;
    int stories = 0;
    while (good && find_fence(text, at, "story", &told)) {
        char *happened = play(path, story, &told);
        good = happened != NULL;
        if (good && !find_fence(text, told.end, "trace", &trace)) {
            print_error("%s:%d: no trace follows this story\n", path, told.line);
            good = false;
        }
        if (good) {
            size_t size = (size_t)(trace.end - trace.begin);
            if (!update && (strlen(happened) != size || memcmp(happened, trace.begin, size) != 0)) {
                char *expected = strndup(trace.begin, size);
                print_error("%s:%d: this is not what happens (- told, + happens):\n", path,
                            trace.line);
                print_difference(expected, happened);
                free(expected);
                good = false;
            }
            fwrite(at, 1, (size_t)(trace.begin - at), out);
            fputs(happened, out);
            at = trace.end;
            stories++;
        }
        free(happened);
    }
    fputs(at, out);
    story_end(story);
    if (good && stories == 0)
        print_error("%s: there is no story in it\n", path);
    return good && stories > 0;
}

static void the_story_is_what_happens(void **state)
{
    const char *path = *state;
    char *text = read_file(path);
    char *now = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&now, &size);
    assert_non_null(out);
    bool good = play_file(path, text, out);
    fclose(out);
    if (good && update && strcmp(text, now) != 0) {
        print_message("%s is updated: read its diff\n", path);
        write_file(path, now);
    }
    free(text);
    free(now);
    if (!good)
        fail();
}

/* ------------------------------------------------------------------------- main */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_directory(char *paths[FILES_MAX])
{
    int count = 0;
    DIR *directory = opendir(DIRECTORY);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".md") != 0 || count == FILES_MAX)
            continue;
        if (asprintf(&paths[count], DIRECTORY "/%s", entry->d_name) >= 0)
            count++;
    }
    if (directory != NULL)
        closedir(directory);
    qsort(paths, (size_t)count, sizeof paths[0], by_name);
    return count;
}

int main(int argc, char **argv)
{
    static char *paths[FILES_MAX];
    static struct CMUnitTest tests[FILES_MAX];
    int count = 0;
    for (int i = 1; i < argc && count < FILES_MAX; i++) {
        if (strcmp(argv[i], "--update") == 0)
            update = true;
        else
            paths[count++] = strdup(argv[i]);
    }
    if (count == 0)
        count = list_directory(paths);
    if (count == 0) {
        fprintf(stderr, "no stories in " DIRECTORY ": run this in the root of the tree\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        const char *slash = strrchr(paths[i], '/');
        tests[i] = (struct CMUnitTest){
            .name = slash == NULL ? paths[i] : slash + 1,
            .test_func = the_story_is_what_happens,
            .initial_state = paths[i],
        };
    }
    int failed = _cmocka_run_group_tests("traces", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(paths[i]);
    return failed;
}
