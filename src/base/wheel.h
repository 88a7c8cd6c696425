/*
 * A dense timing wheel: many timers, few of them due.
 *
 * Each timer is one 16-bit number in an array, the slot in which it is due.
 * Arming it is a store. A turn of the wheel scans the array for one value,
 * at memory speed and without touching what the timers belong to, and only if
 * the slot's count says that anything is there. The price: a tick costs time
 * in proportion to all timers (a tenth of a millisecond for a million), which
 * is why the wheel has one tick for all and not a deadline for each.
 *
 *   due[id]   0 = not armed, s + 1 = due in slot s
 *
 *            the hand
 *               v
 *   ... . . . . # # # # o o o o o o o o . . . . ...    the ring of slots
 *               |-left--|--- horizon ---|
 *
 *   #  ticks that this expiry still has to go through (none between expiries)
 *   o  where timers may be armed: the tick after those, and up to the horizon
 *   .  empty
 *
 * An expiry walks at most a horizon of slots however far time has jumped, since
 * all that is armed is within one. The ring is two horizons long, so that what
 * is armed in the middle of an expiry is never among the ticks still to go.
 *
 * A second ring of the same kind, whose tick is the horizon of the first, keeps what
 * is further away. From there a timer comes out early, within the first ring's
 * horizon of its deadline: who arms a timer looks at its own deadline when it comes
 * out, and arms it again. So however long a deadline, its timer is touched twice.
 * (Beyond the second ring's horizon, of hours, it comes out there, and more often.)
 * Connections look anyway, since activity does not touch the wheel at all: they are
 * re-armed lazily. Nothing else comes out before its deadline.
 */
#ifndef VT_BASE_WHEEL_H
#define VT_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In ticks of each ring. The first ring's is also the second's tick, in the first's. */
enum { VT_WHEEL_HORIZON = 2048, VT_WHEEL_FAR_HORIZON = 256 };
enum { VT_WHEEL_SLOTS = 2 * (VT_WHEEL_HORIZON + VT_WHEEL_FAR_HORIZON) }; /* of both rings */

typedef uint32_t vt_timer_id;
#define VT_NO_TIMER UINT32_MAX

typedef struct vt_ring {
    int64_t tick_us;
    int64_t turned_tick; /* every tick up to this one has been, or is being, expired */
    uint32_t first_slot; /* of its slots, among those of the wheel */
    uint32_t slots;
    uint32_t hand;    /* the first slot that has not been expired */
    uint32_t left;    /* slots that the present expiry still has to go through */
    uint32_t scan_id; /* where the expiry of the hand's slot goes on */
} vt_ring;

typedef struct vt_wheel {
    vt_ring near, far;
    uint16_t *due;      /* by timer id */
    vt_timer_id *spare; /* stack of ids that were given back */
    void **owners;      /* by timer id */
    uint32_t size;      /* ids handed out so far */
    uint32_t capacity;
    uint32_t spare_count;
    uint32_t counts[VT_WHEEL_SLOTS];
    uint64_t occupied[VT_WHEEL_SLOTS / 64]; /* bit s: counts[s] > 0 */
} vt_wheel;

/* The resolution is the tick: what is armed for t within the horizon comes out in
 * [t, t + tick_us]. */
void vt_wheel_init(vt_wheel *wheel, int64_t tick_us, int64_t now_us);
void vt_wheel_finish(vt_wheel *wheel); /* accepts NULL and zeroed */

/* A new timer, not armed; VT_NO_TIMER without memory. The owner is borrowed, and
 * not NULL. */
vt_timer_id vt_wheel_add(vt_wheel *wheel, void *owner);
void vt_wheel_remove(vt_wheel *wheel, vt_timer_id id);

/* Replaces an earlier deadline. A deadline in the past fires at the next turn;
 * INT64_MAX disarms. */
void vt_wheel_arm(vt_wheel *wheel, vt_timer_id id, int64_t at_us);
bool vt_wheel_armed(const vt_wheel *wheel, vt_timer_id id);

/* The owner of the next timer that is due by now, disarmed; NULL when there is
 * none. Timers may be added, removed and armed between calls: one armed for
 * the past meanwhile comes out at a later turn, so the loop over this ends.
 * By tick, and within a tick by id, from the first ring and then the second: same
 * calls, same order. */
void *vt_wheel_expire(vt_wheel *wheel, int64_t now_us);

/* When the wheel has to be turned next, past if an expiry was left unfinished;
 * INT64_MAX while nothing is armed. */
int64_t vt_wheel_next_us(const vt_wheel *wheel);

#endif
