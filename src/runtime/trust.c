/*
 * A system's store is large and the same for everybody, and a program may have
 * thousands of clients. It is read when the first of them needs it, and not again:
 * what the system trusts changes with its updates.
 */
#include "trust.h"

#include <stdlib.h>

struct shared_trust {
    vt_tls_trust *trust; /* owned */
    vt_resident resident;
};

static void evict(vt_resident *resident)
{
    struct shared_trust *shared = VT_LIST_OWNER(resident, struct shared_trust, resident);
    vt_tls_trust_destroy(shared->trust);
    free(shared);
}

const vt_tls_trust *vt_trust_of(vital_loop *loop, const vital_tls *options)
{
    if (options->ca_file != NULL || options->insecure)
        return NULL;
    vt_resident *resident = vt_loop_find(loop, evict);
    if (resident != NULL)
        return VT_LIST_OWNER(resident, struct shared_trust, resident)->trust;
    struct shared_trust *shared = malloc(sizeof *shared);
    if (shared == NULL)
        return NULL;
    shared->trust = vt_tls_trust_create();
    if (shared->trust == NULL) {
        free(shared);
        return NULL;
    }
    vt_loop_settle(loop, &shared->resident, evict);
    return shared->trust;
}
