/*
 * Who is awake lies in a slab, so that a crowd that has come to rest gives back what it
 * took. One is in reserve from the start, since a connection at rest that needs memory
 * and finds none must be able to say even that.
 */
#include "commons.h"

#include <assert.h>
#include <stdlib.h>

#include "rest.h"

vt_awake *vt_commons_lend(vt_commons *commons)
{
    vt_awake *awake = vt_slab_take(&commons->awake);
    if (awake == NULL)
        return NULL;
    awake->engine = (vital_engine *)(void *)(awake + 1);
    vt_list_init(&awake->recent);
    return awake;
}

vt_awake *vt_commons_lend_reserve(vt_commons *commons)
{
    vt_awake *reserve = commons->reserve;
    assert(reserve != NULL);
    commons->reserve = NULL;
    return reserve;
}

void vt_commons_take_back(vt_commons *commons, vt_awake *awake)
{
    vt_list_remove(&awake->recent);
    memset(awake, 0, sizeof *awake);
    vt_slab_give(&commons->awake, awake);
    if (commons->reserve == NULL)
        commons->reserve = vt_commons_lend(commons); /* that one */
}

/* ------------------------------------------------------------------ its own life */

static void destroy(vt_commons *commons)
{
    vt_slab_finish(&commons->awake);
    vital_compressor_destroy(commons->compressor);
    vital_breaker_destroy(commons->breaker);
    vital_lulls_destroy(commons->lulls);
    free(commons);
}

static void bury(vt_grave *grave)
{
    destroy(VT_LIST_OWNER(grave, vt_commons, grave));
}

/* The connections that end with the loop, too, still use it. */
static void evict(vt_resident *resident)
{
    vt_commons *commons = VT_LIST_OWNER(resident, vt_commons, resident);
    vt_loop_bury(commons->loop, &commons->grave, bury);
}

vt_commons *vt_commons_of(vital_loop *loop)
{
    vt_resident *resident = vt_loop_find(loop, evict);
    if (resident != NULL)
        return VT_LIST_OWNER(resident, vt_commons, resident);
    vt_commons *commons = calloc(1, sizeof *commons);
    if (commons == NULL)
        return NULL;
    commons->loop = loop;
    vt_list_init(&commons->recent);
    vt_slab_init(&commons->awake, sizeof(vt_awake) + vt_rest_blank_bytes());
    commons->reserve = vt_commons_lend(commons);
    if (commons->reserve == NULL) {
        destroy(commons);
        return NULL;
    }
    vt_loop_settle(loop, &commons->resident, evict);
    return commons;
}

/* -------------------------------------------------------------------- its goods */

vital_compressor *vt_commons_compressor(vital_loop *loop)
{
    vt_commons *commons = vt_commons_of(loop);
    if (commons != NULL && commons->compressor == NULL)
        vital_compressor_create(&commons->compressor);
    return commons != NULL ? commons->compressor : NULL;
}

vital_breaker *vt_commons_breaker(vital_loop *loop)
{
    vt_commons *commons = vt_commons_of(loop);
    if (commons != NULL && commons->breaker == NULL)
        vital_breaker_create(&commons->breaker);
    return commons != NULL ? commons->breaker : NULL;
}

vital_lulls *vt_commons_lulls(vital_loop *loop)
{
    vt_commons *commons = vt_commons_of(loop);
    if (commons != NULL && commons->lulls == NULL)
        vital_lulls_create(&commons->lulls);
    return commons != NULL ? commons->lulls : NULL;
}
