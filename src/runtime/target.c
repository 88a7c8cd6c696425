/*
 * A redirect is the server's word on where to go, and no more: whoever it leads
 * to is a stranger until it is of the same scheme, host and port, and once a
 * stranger was on the way, all that follows comes from one.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "head.h"
#include "loop.h"
#include "redirect.h"
#include "string_list.h"
#include "trust.h"

enum {
    DEFAULT_REDIRECTS = 5,
    REDIRECTS_MAX = 100,
};

static int fail(char problem[VT_TLS_PROBLEM_BYTES], int error, const char *sentence)
{
    snprintf(problem, VT_TLS_PROBLEM_BYTES, "%s",
             error == VITAL_ENOMEM ? "out of memory" : sentence);
    return error;
}

static int take_url(vt_target *target, const char *text, char problem[VT_TLS_PROBLEM_BYTES])
{
    const char *sentence = NULL;
    vt_address address;
    int error = vt_url_parse(&target->asked, text, &sentence);
    if (error == 0 && target->asked.socket != NULL &&
        !vt_address_unix(&address, target->asked.socket)) {
        error = VITAL_EINVAL;
        sentence = "the path of the Unix socket is too long";
    }
    return error == 0 ? 0 : fail(problem, error, sentence);
}

/* The options' headers, and the one that says who we are. */
static int take_headers(vt_target *target, const vital_connect_options *options,
                        char problem[VT_TLS_PROBLEM_BYTES])
{
    const char *sentence = NULL;
    char *authorization = NULL;
    int error = vt_credentials_write(&authorization, &options->credentials,
                                     target->asked.credentials, &sentence);
    size_t count = vt_string_list_count(options->headers);
    for (size_t i = 0; error == 0 && authorization != NULL && i < count; i++) {
        const char *line = options->headers[i];
        if (vt_same_any_case((vt_element){line, strcspn(line, ":")}, "Authorization")) {
            error = VITAL_EINVAL;
            sentence = "there are credentials and an Authorization header";
        }
    }
    const char **lines = error == 0 ? calloc(count + 2, sizeof *lines) : NULL;
    if (lines != NULL) {
        for (size_t i = 0; i < count; i++)
            lines[i] = options->headers[i];
        lines[count] = authorization;
        target->headers = vt_string_list_copy(lines);
    }
    free(lines);
    vt_credentials_free(authorization);
    if (error == 0 && target->headers == NULL)
        error = VITAL_ENOMEM;
    return error == 0 ? 0 : fail(problem, error, sentence);
}

static int make_tls(vt_tls_policy **out, vt_target *target, const vt_url *url,
                    const vital_tls *options, char problem[VT_TLS_PROBLEM_BYTES])
{
    *out = NULL;
    if (!url->secure)
        return 0;
    const vt_tls_setup setup = {
        .options = options,
        .host = url->host,
        .trust = vt_trust_of(target->loop, options),
        .peer = "server",
    };
    return vt_tls_policy_create(out, &setup, problem);
}

int vt_target_init(vt_target *target, vital_loop *loop, const vital_connect_options *options,
                   char problem[VT_TLS_PROBLEM_BYTES])
{
    *target = (vt_target){.loop = loop, .redirects = options->redirects};
    if (target->redirects < VITAL_NEVER || target->redirects > REDIRECTS_MAX)
        return fail(problem, VITAL_EINVAL, "redirects are 1 to 100, or VITAL_NEVER");
    if (target->redirects == 0)
        target->redirects = DEFAULT_REDIRECTS;
    if (target->redirects == VITAL_NEVER)
        target->redirects = 0;

    int error = take_url(target, options->url, problem);
    if (error == 0)
        error = take_headers(target, options, problem);
    if (error != 0)
        return error;
    if (!vt_tls_options_copy(&target->tls, &options->tls))
        return fail(problem, VITAL_ENOMEM, NULL);
    error = make_tls(&target->asked_tls, target, &target->asked, &target->tls, problem);
    vt_target_begin(target);
    return error;
}

static void forget_led(vt_target *target)
{
    vt_url_finish(&target->led);
    vt_tls_policy_release(target->led_tls);
    target->led_tls = NULL;
}

void vt_target_finish(vt_target *target)
{
    forget_led(target);
    vt_url_finish(&target->asked);
    vt_tls_policy_release(target->asked_tls);
    vt_tls_options_finish(&target->tls);
    /* One of the headers may be a secret. */
    for (char **line = target->headers; line != NULL && *line != NULL; line++)
        explicit_bzero(*line, strlen(*line));
    vt_string_list_free(target->headers);
    *target = (vt_target){.redirects = 0};
}

void vt_target_begin(vt_target *target)
{
    forget_led(target);
    target->foreign = false;
    target->left = target->redirects;
}

const char *vt_target_follow(vt_target *target, const char *location)
{
    if (target->left == 0)
        return target->redirects == 0 ? "redirects are not followed" : "after too many redirects";
    vt_url to;
    vt_tls_policy *tls = NULL;
    const char *why = vt_redirect_resolve(&to, vt_target_url(target), location);
    if (why != NULL)
        return why;
    bool foreign = target->foreign || !vt_redirect_same_origin(&target->asked, &to);
    if (foreign) {
        char problem[VT_TLS_PROBLEM_BYTES];
        vital_tls strange = target->tls;
        strange.cert_file = strange.key_file = strange.server_name = NULL;
        if (make_tls(&tls, target, &to, &strange, problem) != 0) {
            vt_url_finish(&to);
            return "its TLS could not be prepared";
        }
    }
    forget_led(target);
    target->led = to;
    target->led_tls = tls;
    target->foreign = foreign;
    target->left--;
    return NULL;
}

const vt_url *vt_target_url(const vt_target *target)
{
    return target->led.path != NULL ? &target->led : &target->asked;
}

const char *const *vt_target_headers(const vt_target *target)
{
    return target->foreign ? NULL : (const char *const *)target->headers;
}

vt_tls_policy *vt_target_tls(const vt_target *target)
{
    return target->foreign ? target->led_tls : target->asked_tls;
}
