/*
 * Times and amounts as people write them. The results are values, so that they
 * can be used in place: printf("%s", words_ms(us).text).
 */
#ifndef VITAL_CLI_WORDS_H
#define VITAL_CLI_WORDS_H

#include <stdint.h>

typedef struct cli_words {
    char text[40];
} cli_words;

/* As ping(8) does, three or four figures: "0.214 ms", "12.3 ms", "2514 ms". */
cli_words words_ms(int64_t us);

/* How long something took or will take: "300 ms", "1.5 s", "2 min 5 s", "3 h 20 min". */
cli_words words_span(int64_t ms);

/* "1 line", "3 lines". */
cli_words words_count(uint64_t count, const char *singular);

#endif
