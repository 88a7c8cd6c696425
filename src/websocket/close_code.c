/*
 * Which close codes may be on the wire, and what they say to a person. 1004 is
 * reserved without a meaning; 1005, 1006 and 1015 are words for what happened
 * without a close frame, and so are never in one (RFC 6455 7.4.1). 1012 to 1014
 * came later, through the IANA registry (RFC 6455 7.4.2, 11.7).
 */
#include "close_code.h"

bool vt_close_code_valid(uint16_t code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != VT_CLOSE_NO_STATUS &&
           code != VT_CLOSE_ABNORMAL;
}

const char *vt_close_code_words(uint16_t code)
{
    switch (code) {
#define VT_CLOSE_CODE_CASE(name, value, words) \
    case name:                                 \
        return words;
        VT_CLOSE_CODES(VT_CLOSE_CODE_CASE)
#undef VT_CLOSE_CODE_CASE
    default:
        break;
    }
    if (code >= 3000 && code <= 3999)
        return "a registered code";
    if (code >= 4000 && code <= 4999)
        return "an application's code";
    if (code >= 1000 && code <= 2999)
        return "a reserved code";
    return "not a close code";
}
