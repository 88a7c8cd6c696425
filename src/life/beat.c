/*
 * In-band beats need one care: two vitals that took each other's answers for
 * beats would answer for ever. So a server answers every beat, and a client
 * only one whose text differs from its answer.
 */
#include "beat.h"

int vt_beat_send(vt_beat *beat, const vital_heartbeat *policy, const vital_entropy *entropy,
                 vt_outbox *outbox)
{
    if (policy->kind == VITAL_BEAT_TEXT)
        return vt_outbox_beat(outbox, vital_text(policy->text));
    entropy->fill(entropy->source, beat->nonce, VT_NONCE_BYTES);
    return vt_outbox_ping(outbox, (vital_bytes){beat->nonce, VT_NONCE_BYTES}, true);
}

void vt_beat_left(vt_beat *beat, const vital_heartbeat *policy, uint64_t messages, bool owed)
{
    if (!owed || policy->kind != VITAL_BEAT_TEXT)
        beat->proves = messages;
}

bool vt_beat_is_pong(const vt_beat *beat, vital_bytes payload)
{
    return payload.size == VT_NONCE_BYTES && memcmp(payload.data, beat->nonce, payload.size) == 0;
}

static bool equals(vital_bytes text, const char *expected)
{
    return expected[0] != '\0' && text.size == strlen(expected) &&
           memcmp(text.data, expected, text.size) == 0;
}

vt_beat_text vt_beat_read_text(const vital_policy *policy, vital_bytes text)
{
    const vital_heartbeat *heartbeat = &policy->heartbeat;
    if (heartbeat->kind == VITAL_BEAT_TEXT && equals(text, heartbeat->reply))
        return VT_BEAT_TEXT_ANSWER;
    bool answers = policy->role == VITAL_SERVER || strcmp(heartbeat->text, heartbeat->reply) != 0;
    return answers && equals(text, heartbeat->text) ? VT_BEAT_TEXT_ASKS : VT_BEAT_TEXT_NONE;
}
