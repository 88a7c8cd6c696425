/*
 * Which backend a loop gets. io_uring is not what `auto` means until it has been shown
 * to cost less than epoll for what servers do.
 */
#include "backend.h"

int vital_loop_create(vital_loop **out)
{
    return vital_loop_create_with(out, NULL);
}

int vital_loop_create_with(vital_loop **out, const vital_loop_options *options)
{
    vital_backend backend = options == NULL ? VITAL_BACKEND_AUTO : options->backend;
    if (out == NULL)
        return VITAL_EINVAL;
    *out = NULL;
    switch (backend) {
    case VITAL_BACKEND_AUTO:
    case VITAL_BACKEND_EPOLL:
        return vt_loop_create(out, &vt_backend_epoll, NULL);
    case VITAL_BACKEND_URING:
        if (vt_backend_uring == NULL)
            return VITAL_EUNSUPPORTED;
        return vt_loop_create(out, vt_backend_uring, NULL);
    }
    return VITAL_EINVAL;
}

const char *vital_loop_backend(const vital_loop *loop)
{
    return loop->backend->name;
}
