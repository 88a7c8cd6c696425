/*
 * The public lists of errors and causes, in words.
 */
#include <vital/vital.h>

const char *vital_strerror(int error)
{
    switch (error) {
    case 0:
        return "no error";
#define VITAL_ERROR_CASE(name, value, sentence) \
    case name:                                  \
        return sentence;
        VITAL_ERRORS(VITAL_ERROR_CASE)
#undef VITAL_ERROR_CASE
    default:
        return "an unknown error";
    }
}

const char *vital_cause_name(vital_cause cause)
{
    static const char *const WORDS[] = {
#define VITAL_CAUSE_WORD(name, word, meaning) [name] = word,
        VITAL_CAUSES(VITAL_CAUSE_WORD)
#undef VITAL_CAUSE_WORD
    };
    return (unsigned)cause < VITAL_CAUSE_COUNT ? WORDS[cause] : "?";
}
