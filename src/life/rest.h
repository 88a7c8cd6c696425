/*
 * A server's connection at rest, in little memory: it is open, nothing of it is queued,
 * awaited, held or half read, and its peer is well. Most connections are, most of the
 * time. What must be remembered of such an engine is a vt_rest; the engine itself is
 * blank then, and may become another's.
 *
 *   fold     an engine at rest becomes a vt_rest, and is blank
 *   unfold   a blank engine becomes what was folded, and behaves as if it had never been
 *
 * A blank engine is zeroed memory, for vt_rest_unfold() and vt_engine_begin(), and else
 * for nobody.
 */
#ifndef VT_LIFE_REST_H
#define VT_LIFE_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

/* Times are as in vt_heartbeat. What ends with `_after_us` counts from heard_us. */
typedef struct vt_rest {
    int64_t heard_us;
    int64_t proved_us;
    int64_t opened_us;
    int32_t spoke_after_us;
    int32_t left_after_us;
    int32_t check_after_us; /* INT32_MAX: nothing is to be looked at */
    uint32_t interval_us;   /* UINT32_MAX: no beats */
    int32_t rtt_us;
    int32_t srtt_us;
    int32_t rttvar_us;
    uint32_t beats_sent;
    uint32_t beats_answered;
    uint32_t written; /* messages, since the beginning */
    uint32_t confirmed;
    uint16_t spare;      /* control frames */
    uint8_t subprotocol; /* of the policy's, from 1; 0: none */
    bool looks : 1;
    bool unsure : 1;
} vt_rest;

/* What zeroed memory must have to be a blank engine. */
size_t vt_rest_blank_bytes(void);
/* As vital_engine_destroy(), but its memory stays, and is zero: it is blank. */
void vt_rest_clear(vital_engine *engine);

/* vital_engine_create() without the memory. */
void vt_engine_begin(vital_engine *blank, const vital_policy *policy, vital_entropy entropy,
                     vital_clock clock);

/* False, and nothing has happened, if the engine is not at rest, or if a number does not
 * fit. */
bool vt_rest_fold(vt_rest *out, vital_engine *engine, int64_t now_us);
/* With the policy and the path (vital_engine_path) that the folded one had. */
void vt_rest_unfold(const vt_rest *rest, vital_engine *blank, const vital_policy *policy,
                    vital_entropy entropy, uint32_t path);

/* What may be asked of it without unfolding: as the namesakes in engine.h. */
void vt_rest_pulse(const vt_rest *rest, vital_clock clock, vital_pulse *out);
const char *vt_rest_subprotocol(const vt_rest *rest, const vital_policy *policy);
/* As vital_engine_destroy(), of any that rests. */
void vt_rest_finish(const vital_policy *policy, uint32_t path);

#endif
