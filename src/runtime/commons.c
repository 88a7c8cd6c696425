/*
 * A few spare ones are kept, for those that come to rest and those that leave it are
 * about as many. One is in reserve from the start, since a connection at rest that needs
 * memory and finds none must be able to say even that.
 */
#include "commons.h"

#include <stdlib.h>

#include "rest.h"

static void scrap(vt_awake *awake)
{
    if (awake == NULL)
        return;
    vital_engine_destroy(awake->engine);
    free(awake);
}

static vt_awake *make(void)
{
    vt_awake *awake = calloc(1, sizeof *awake);
    if (awake == NULL)
        return NULL;
    vt_list_init(&awake->recent);
    awake->engine = vt_rest_blank();
    if (awake->engine != NULL)
        return awake;
    free(awake);
    return NULL;
}

/* ------------------------------------------------------------------ its own life */

static void destroy(vt_commons *commons)
{
    vt_list *link;
    while ((link = vt_list_take(&commons->spare)) != NULL)
        scrap(VT_LIST_OWNER(link, vt_awake, recent));
    scrap(commons->reserve);
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
    vt_list_init(&commons->spare);
    commons->reserve = make();
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

vt_awake *vt_commons_lend(vt_commons *commons)
{
    vt_list *spare = vt_list_take(&commons->spare);
    if (spare == NULL)
        return make();
    commons->spare_count--;
    return VT_LIST_OWNER(spare, vt_awake, recent);
}

vt_awake *vt_commons_lend_reserve(vt_commons *commons)
{
    vt_awake *reserve = commons->reserve;
    commons->reserve = NULL;
    return reserve;
}

void vt_commons_take_back(vt_commons *commons, vt_awake *awake)
{
    vt_list_remove(&awake->recent);
    vital_engine *engine = awake->engine;
    *awake = (vt_awake){.engine = engine};
    vt_list_init(&awake->recent);
    if (commons->reserve == NULL) {
        commons->reserve = awake;
    } else if (commons->spare_count < VT_SPARE_MOST) {
        vt_list_append(&commons->spare, &awake->recent);
        commons->spare_count++;
    } else {
        scrap(awake);
    }
}
