/* The grammar of bench_limit.h, read by hand from left to right. */
#include "bench_limit.h"

#include <string.h>

#include "options.h"

typedef struct measure_name {
    const char *name;
    bench_measure measure;
} measure_name;

static const measure_name names[] = {
    {"min", BENCH_MIN},
    {"mean", BENCH_MEAN},
    {"max", BENCH_MAX},
    {"rate", BENCH_RATE},
    {"failed", BENCH_FAILED},
    {"lost", BENCH_LOST},
    {"unanswered", BENCH_UNANSWERED},
    {"memory", BENCH_MEMORY},
    {"cpu", BENCH_CPU},
};

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " ");
}

/* "p99.9", of that size. False if it is none, or not between 0 and 100. */
static bool read_percentile(double *out, const char *word, size_t size)
{
    char digits[8];
    double percent;
    if (word[0] != 'p' || size < 2 || size > sizeof digits)
        return false;
    memcpy(digits, word + 1, size - 1);
    digits[size - 1] = '\0';
    if (number_parse(digits, &percent) != NULL || percent > 100)
        return false;
    *out = percent / 100;
    return true;
}

static const char *read_measure(bench_limit *out, const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) == size && memcmp(names[i].name, word, size) == 0) {
            out->measure = names[i].measure;
            return NULL;
        }
    }
    out->measure = BENCH_PERCENTILE;
    if (read_percentile(&out->part, word, size))
        return NULL;
    return "does not begin with a measure: p50, p99.9 and the like, min, mean, max, rate, "
           "failed, lost, unanswered, memory or cpu";
}

static const char *read_value(bench_limit *out, const char *text)
{
    int64_t us;
    size_t bytes;
    const char *problem;
    switch (out->measure) {
    case BENCH_PERCENTILE:
    case BENCH_MIN:
    case BENCH_MEAN:
    case BENCH_MAX:
        problem = fine_duration_parse(text, &us);
        out->value = problem == NULL ? (double)us : 0;
        return problem;
    case BENCH_MEMORY:
        problem = size_parse(text, &bytes);
        out->value = problem == NULL ? (double)bytes : 0;
        return problem;
    case BENCH_RATE:
    case BENCH_FAILED:
    case BENCH_LOST:
    case BENCH_UNANSWERED:
    case BENCH_CPU:
        break;
    }
    return number_parse(text, &out->value);
}

const char *bench_limit_parse(bench_limit *out, const char *text)
{
    const char *word = skip_spaces(text);
    size_t size = strcspn(word, " <>=");
    const char *at = skip_spaces(word + size);
    *out = (bench_limit){.text = text, .above = *at == '>'};
    const char *problem = read_measure(out, word, size);
    if (problem != NULL)
        return problem;
    if (*at != '>' && *at != '<')
        return "does not compare; write it as 'p99>50ms', 'rate<10000' or 'failed>0'";
    at++;
    out->or_same = *at == '=';
    return read_value(out, skip_spaces(out->or_same ? at + 1 : at));
}

bool bench_limit_fails(const bench_limit *limit, double measured)
{
    if (limit->above ? measured > limit->value : measured < limit->value)
        return true;
    return limit->or_same && !(measured > limit->value) && !(measured < limit->value);
}
