/*
 * A kernel that gets no acknowledgement sends again, after ever longer times, and
 * says how often it has. Each time is one more packet that would have to be lost by
 * mere chance; so a count of them bounds the chance of blaming a path that only
 * loses some.
 */
#include "evidence.h"

enum {
    /* With the first transmission, and the probe that Linux sends before it begins
     * to count, these are 7 and 10 packets in a row: at a loss of one in ten, one
     * connection in 10^7 beats, and in 10^10. The first is only asked at the answer
     * limit, which by itself bears no more. */
    RETRANSMITS_LATE = 5,
    RETRANSMITS_EARLY = 8,
    /* Of a window that is shut: each is lost by itself, there or back, and nothing
     * was sent before the first that counts. */
    PROBES_LATE = 8,
    /* Of a window that is open: our system has tried to send, and to send again. What
     * fails on this side of the wire fails by no chance. */
    PROBES_AT_HOME = 2,
    /* A link that comes back within this is no news to anybody; nor within the second, on a
     * path that is known to stand still now and then. */
    EARLY_US = 3 * 1000 * 1000,
    EARLY_AFTER_LULLS_US = 6 * 1000 * 1000,
};

/* Nothing is on its way, there would be room for all that waits, and it does not go:
 * so the reason is with us, such as a link that is down, or an address that was ours. */
static bool is_homeless(const vital_evidence *now)
{
    return now->unacked_packets == 0 && now->unsent_bytes > 0 &&
           now->unsent_bytes <= now->window_bytes && now->probes >= PROBES_AT_HOME;
}

vt_change vt_evidence_change(const vital_evidence *before, const vital_evidence *now)
{
    if (!before->known)
        return VT_CHANGED_NOTHING;
    if (before->window_bytes == 0 && now->window_bytes > 0)
        return VT_CHANGED_ROOM;
    return now->acked_bytes > before->acked_bytes ? VT_CHANGED_ACKED : VT_CHANGED_NOTHING;
}

vt_finding vt_evidence_find(const vital_evidence *now, vt_change change)
{
    if (!now->known)
        return VT_FOUND_NOTHING;
    if (is_homeless(now))
        return VT_FOUND_HOMELESS;
    if (now->retransmits >= RETRANSMITS_LATE || now->probes >= PROBES_LATE)
        return VT_FOUND_GONE;
    if (change == VT_CHANGED_ROOM) /* who has just made it has not had time to answer */
        return VT_FOUND_MOVING;
    if (now->unacked_packets == 0 && now->unsent_bytes == 0)
        return VT_FOUND_TAKEN;
    if (change == VT_CHANGED_ACKED)
        return VT_FOUND_MOVING;
    if (now->window_bytes == 0 && now->unacked_packets == 0)
        return VT_FOUND_SHUT;
    return VT_FOUND_UNSURE;
}

bool vt_evidence_early(const vital_evidence *now, int64_t silent_us, bool lulls)
{
    if (is_homeless(now))
        return silent_us >= EARLY_US;
    return now->retransmits >= RETRANSMITS_EARLY &&
           silent_us >= (lulls ? EARLY_AFTER_LULLS_US : EARLY_US);
}
