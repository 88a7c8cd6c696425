/*
 * One header from one source: two sources that disagree would make it a matter
 * of chance who one is. Secrets are copied as seldom as possible, appear in no
 * sentence, and are wiped.
 */
#include "credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "head.h"

void vt_credentials_free(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* RFC 6750 2.1: b64token. */
static bool is_token68(const char *text)
{
    size_t size = strspn(text,
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");
    return size > 0 && text[size + strspn(text + size, "=")] == '\0';
}

static const char *problem_of(const vital_credentials *given, const char *of_url)
{
    if ((given->user != NULL || of_url != NULL) && given->bearer != NULL)
        return "credentials are a user's or a bearer's, not both";
    if (given->user != NULL && of_url != NULL)
        return "the credentials are in the URL and in the options";
    if (given->password != NULL && given->user == NULL)
        return "credentials.password needs credentials.user";
    if (given->bearer != NULL && !is_token68(given->bearer))
        return "a bearer token holds only letters, digits and -._~+/, and = at its end (RFC 6750)";
    if (given->user == NULL)
        return NULL;
    if (strchr(given->user, ':') != NULL)
        return "a user's name holds no colon (RFC 7617)";
    if (!vt_is_text(vt_element_of(given->user)) || strchr(given->user, '\t') != NULL)
        return "a user's name holds no control characters (RFC 7617)";
    if (given->password != NULL &&
        (!vt_is_text(vt_element_of(given->password)) || strchr(given->password, '\t') != NULL))
        return "a password holds no control characters (RFC 7617)";
    return NULL;
}

/* "Authorization: Basic ..." of "user:password"; NULL without memory. */
static char *write_basic(const char *pair)
{
    static const char name[] = "Authorization: Basic ";
    size_t size = strlen(pair);
    char *line = malloc(sizeof name - 1 + VT_BASE64_SIZE(size));
    if (line == NULL)
        return NULL;
    memcpy(line, name, sizeof name - 1);
    vt_base64(line + sizeof name - 1, pair, size);
    return line;
}

int vt_credentials_write(char **line, const vital_credentials *given, const char *of_url,
                         const char **problem)
{
    *line = NULL;
    *problem = problem_of(given, of_url);
    if (*problem != NULL)
        return VITAL_EINVAL;
    if (given->bearer != NULL)
        return asprintf(line, "Authorization: Bearer %s", given->bearer) < 0 ? VITAL_ENOMEM : 0;
    if (of_url != NULL) {
        *line = write_basic(of_url);
        return *line != NULL ? 0 : VITAL_ENOMEM;
    }
    if (given->user == NULL)
        return 0;
    char *pair;
    if (asprintf(&pair, "%s:%s", given->user, given->password != NULL ? given->password : "") < 0)
        return VITAL_ENOMEM;
    *line = write_basic(pair);
    vt_credentials_free(pair);
    return *line != NULL ? 0 : VITAL_ENOMEM;
}
