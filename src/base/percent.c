/*
 * What cannot be decoded is refused and not passed on: a text that two readers
 * decode differently is a way past one of them. So is a NUL, which ends a string
 * here and nowhere else.
 */
#include "percent.h"

/* -1 if it is no hexadecimal digit. */
static int value_of(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool vt_percent_decode(char *out, size_t room, const char *text, size_t size, bool form)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char c = form && text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = i + 1 < size ? value_of(text[i + 1]) : -1;
            int low = i + 2 < size ? value_of(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || used + 1 >= room)
            return false;
        out[used++] = c;
    }
    if (used >= room)
        return false;
    out[used] = '\0';
    return true;
}
