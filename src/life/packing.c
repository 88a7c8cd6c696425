/*
 * Terms name the two ends as server and client; here they become ours and the
 * peer's. A connection without context takeover owns no more than this struct.
 */
#include "packing.h"

#include <stdlib.h>

vt_packing *vt_packing_create(const vital_policy *policy, const vt_deflate_terms *terms)
{
    const bool server = policy->role == VITAL_SERVER;
    vital_compressor *shared = policy->compressor;
    vt_packing *packing = calloc(1, sizeof *packing);
    if (packing == NULL)
        return NULL;
    if (shared == NULL) {
        if (vital_compressor_create(&packing->own) != 0) {
            free(packing);
            return NULL;
        }
        shared = packing->own;
    }
    packing->deflater = (vt_deflater){
        .shared = shared,
        .bits = server ? terms->server_bits : terms->client_bits,
        .keeps = server ? terms->server_keeps : terms->client_keeps,
        .least_bytes = policy->compression.least_bytes,
    };
    packing->inflater = (vt_inflater){
        .shared = shared,
        .bits = server ? terms->client_bits : terms->server_bits,
        .keeps = server ? terms->client_keeps : terms->server_keeps,
    };
    return packing;
}

void vt_packing_destroy(vt_packing *packing)
{
    if (packing == NULL)
        return;
    vt_deflater_finish(&packing->deflater);
    vt_inflater_finish(&packing->inflater);
    vital_compressor_destroy(packing->own);
    free(packing);
}
