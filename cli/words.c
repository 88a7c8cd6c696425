/*
 * Numbers for people: as many figures as are worth reading, never more.
 */
#include "words.h"

#include <inttypes.h>
#include <stdio.h>

cli_words words_ms(int64_t us)
{
    int decimals = us < 1000 ? 3 : us < 10000 ? 2 : us < 100000 ? 1 : 0;
    cli_words words;
    snprintf(words.text, sizeof words.text, "%.*f ms", decimals, (double)us / 1000.0);
    return words;
}

cli_words words_span(int64_t ms)
{
    enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
    cli_words words;
    if (ms < SECOND)
        snprintf(words.text, sizeof words.text, "%" PRId64 " ms", ms);
    else if (ms < MINUTE)
        snprintf(words.text, sizeof words.text, "%.1f s", (double)(ms / 100) / 10.0);
    else if (ms < HOUR)
        snprintf(words.text, sizeof words.text, "%" PRId64 " min %" PRId64 " s", ms / MINUTE,
                 ms % MINUTE / SECOND);
    else
        snprintf(words.text, sizeof words.text, "%" PRId64 " h %" PRId64 " min", ms / HOUR,
                 ms % HOUR / MINUTE);
    return words;
}

cli_words words_count(uint64_t count, const char *singular)
{
    cli_words words;
    snprintf(words.text, sizeof words.text, "%" PRIu64 " %s%s", count, singular,
             count == 1 ? "" : "s");
    return words;
}
