/*
 * io_uring is often forbidden (containers do, and so can the administrator), so why
 * there is none is said in words.
 */
#include "backends.h"

#include <errno.h>
#include <string.h>

int backend_read(const options_page *page, const char *text, vital_backend *out)
{
    if (text == NULL || strcmp(text, "auto") == 0)
        *out = VITAL_BACKEND_AUTO;
    else if (strcmp(text, "epoll") == 0)
        *out = VITAL_BACKEND_EPOLL;
    else if (strcmp(text, "uring") == 0)
        *out = VITAL_BACKEND_URING;
    else
        return options_complain(page, "--backend %s is not known; there are auto, epoll and uring",
                                text);
    return OPTIONS_READY;
}

static const char *no_uring(int error)
{
    if (error == VITAL_EUNSUPPORTED)
        return "this vital was built without liburing";
    switch (errno) {
    case EPERM:
    case EACCES:
        return "the system forbids it, by kernel.io_uring_disabled or a container's filter";
    case ENOSYS:
        return "this kernel is too old for it, which has to be Linux 6.1 or later";
    default:
        return strerror(errno);
    }
}

int backend_create_loop(vital_loop **out, vital_backend backend, cli_output *output)
{
    vital_loop_options options = {.backend = backend};
    int error = vital_loop_create_with(out, &options);
    if (error != 0 && error != VITAL_ENOMEM && backend == VITAL_BACKEND_URING)
        output_problem(output, "no io_uring: %s; --backend epoll works everywhere",
                       no_uring(error));
    else if (error != 0)
        output_problem(output, "cannot start: %s",
                       error == VITAL_ESYSTEM ? strerror(errno) : vital_strerror(error));
    return error;
}
