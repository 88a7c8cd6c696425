/*
 * The wheel of wheel.h. The arithmetic of time is done in ticks: a deadline is
 * rounded up to a tick and the clock down, so nothing fires early; in the far ring
 * it is rounded down, so nothing fires late. A ring itself knows no time, only how
 * many slots lie ahead of its hand; that is why a jump of years needs no more than
 * one walk over a horizon.
 */
#include "wheel.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

enum {
    WORD_BITS = 64,
    SCAN_IDS = 64, /* looked at without a branch: two cache lines */
    CAPACITY_MIN = 64,
    NEAR_SLOTS = 2 * VT_WHEEL_HORIZON,
    FAR_SLOTS = 2 * VT_WHEEL_FAR_HORIZON,
};

_Static_assert(VT_WHEEL_SLOTS < UINT16_MAX, "a slot and 'not armed' fit into 16 bits");
_Static_assert((NEAR_SLOTS & (NEAR_SLOTS - 1)) == 0, "a slot is found by a mask");
_Static_assert((FAR_SLOTS & (FAR_SLOTS - 1)) == 0, "a slot is found by a mask");
_Static_assert(NEAR_SLOTS % WORD_BITS == 0 && FAR_SLOTS % WORD_BITS == 0, "no word of two rings");

/* ----------------------------------------------------------------- the rings */

static int64_t ticks_passed(const vt_ring *ring, int64_t at_us)
{
    return at_us / ring->tick_us - (at_us % ring->tick_us < 0);
}

static void init_ring(vt_ring *ring, int64_t tick_us, int64_t now_us)
{
    ring->tick_us = tick_us;
    ring->turned_tick = ticks_passed(ring, now_us);
}

/* Its slots are two horizons. */
static uint32_t horizon_of(const vt_ring *ring)
{
    return ring->slots / 2;
}

static uint32_t slot_ahead(const vt_ring *ring, uint32_t distance)
{
    return (ring->hand + distance) & (ring->slots - 1);
}

/* How far from the hand the first slot with anything in it is; `slots` if all are
 * empty. */
static uint32_t first_occupied(const vt_wheel *wheel, const vt_ring *ring)
{
    const uint64_t *occupied = wheel->occupied + ring->first_slot / WORD_BITS;
    uint32_t words = ring->slots / WORD_BITS;
    uint32_t word = ring->hand / WORD_BITS;
    uint32_t bit = ring->hand % WORD_BITS;
    uint64_t bits = occupied[word] & UINT64_MAX << bit;

    /* The hand's word is looked at twice: its upper bits first, its lower last. */
    for (uint32_t i = 0; i <= words; i++) {
        if (bits != 0) {
            uint32_t found = word * WORD_BITS + (uint32_t)__builtin_ctzll(bits);
            return (found - ring->hand) & (ring->slots - 1);
        }
        word = (word + 1) & (words - 1);
        bits = occupied[word];
    }
    return ring->slots;
}

void vt_wheel_init(vt_wheel *wheel, int64_t tick_us, int64_t now_us)
{
    assert(tick_us > 0);
    *wheel = (vt_wheel){
        .near = {.first_slot = 0, .slots = NEAR_SLOTS},
        .far = {.first_slot = NEAR_SLOTS, .slots = FAR_SLOTS},
    };
    init_ring(&wheel->near, tick_us, now_us);
    init_ring(&wheel->far, tick_us * VT_WHEEL_HORIZON, now_us);
}

void vt_wheel_finish(vt_wheel *wheel)
{
    if (wheel == NULL)
        return;
    free(wheel->due);
    free(wheel->spare);
    free(wheel->owners);
    *wheel = (vt_wheel){0};
}

static void leave_slot(vt_wheel *wheel, vt_timer_id id)
{
    if (wheel->due[id] == 0)
        return;
    uint32_t slot = wheel->due[id] - 1U;
    wheel->due[id] = 0;
    wheel->counts[slot]--;
    if (wheel->counts[slot] == 0)
        wheel->occupied[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

/* `ahead` ticks after the last one that was turned, from 1. */
static void enter_slot(vt_wheel *wheel, const vt_ring *ring, vt_timer_id id, uint64_t ahead)
{
    if (ahead > horizon_of(ring))
        ahead = horizon_of(ring);
    uint32_t slot = ring->first_slot + slot_ahead(ring, ring->left + (uint32_t)ahead - 1);
    wheel->due[id] = (uint16_t)(slot + 1);
    wheel->counts[slot]++;
    wheel->occupied[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

/* -------------------------------------------------------------------- timers */

static bool grow(vt_wheel *wheel)
{
    if (wheel->capacity > VT_NO_TIMER / 2)
        return false;
    uint32_t capacity = wheel->capacity == 0 ? CAPACITY_MIN : wheel->capacity * 2;

    /* Each array that has grown stays grown: the capacity is that of the
     * smallest. */
    uint16_t *due = reallocarray(wheel->due, capacity, sizeof(*due));
    if (due == NULL)
        return false;
    wheel->due = due;
    vt_timer_id *spare = reallocarray(wheel->spare, capacity, sizeof(*spare));
    if (spare == NULL)
        return false;
    wheel->spare = spare;
    void **owners = reallocarray(wheel->owners, capacity, sizeof(*owners));
    if (owners == NULL)
        return false;
    wheel->owners = owners;
    wheel->capacity = capacity;
    return true;
}

vt_timer_id vt_wheel_add(vt_wheel *wheel, void *owner)
{
    vt_timer_id id;

    assert(owner != NULL);
    if (wheel->spare_count > 0) {
        id = wheel->spare[--wheel->spare_count];
    } else {
        if (wheel->size == wheel->capacity && !grow(wheel))
            return VT_NO_TIMER;
        id = wheel->size++;
    }
    wheel->due[id] = 0;
    wheel->owners[id] = owner;
    return id;
}

void vt_wheel_remove(vt_wheel *wheel, vt_timer_id id)
{
    assert(id < wheel->size && wheel->owners[id] != NULL);
    leave_slot(wheel, id);
    wheel->owners[id] = NULL;
    wheel->spare[wheel->spare_count++] = id;
}

void vt_wheel_arm(vt_wheel *wheel, vt_timer_id id, int64_t at_us)
{
    const vt_ring *near = &wheel->near;
    const vt_ring *far = &wheel->far;

    assert(id < wheel->size && wheel->owners[id] != NULL);
    leave_slot(wheel, id);
    if (at_us == INT64_MAX)
        return;
    int64_t tick = at_us / near->tick_us + (at_us % near->tick_us > 0);
    uint64_t ahead = 1;
    if (tick > near->turned_tick)
        ahead = (uint64_t)tick - (uint64_t)near->turned_tick;
    if (ahead <= VT_WHEEL_HORIZON) {
        enter_slot(wheel, near, id, ahead);
    } else {
        /* More than one far tick lies between now and then, so it is not 0. */
        ahead = (uint64_t)ticks_passed(far, at_us) - (uint64_t)far->turned_tick;
        enter_slot(wheel, far, id, ahead);
    }
}

bool vt_wheel_armed(const vt_wheel *wheel, vt_timer_id id)
{
    assert(id < wheel->size && wheel->owners[id] != NULL);
    return wheel->due[id] != 0;
}

/* -------------------------------------------------------------------- expiry */

/* The first id from `from` on with that value; `size` if there is none. The
 * inner loop has a fixed length and no way out, so that it becomes a few vector
 * comparisons. */
static uint32_t find_due(const uint16_t *due, uint32_t from, uint32_t size, uint16_t value)
{
    while (size - from >= SCAN_IDS) {
        const uint16_t *block = due + from;
        uint16_t hit = 0;
        for (size_t i = 0; i < SCAN_IDS; i++)
            hit = (uint16_t)(hit | (block[i] == value));
        if (hit != 0)
            break;
        from += SCAN_IDS;
    }
    while (from < size && due[from] != value)
        from++;
    return from;
}

static void move_hand(vt_ring *ring, uint32_t distance)
{
    if (distance == 0)
        return;
    ring->hand = slot_ahead(ring, distance);
    ring->left -= distance;
    ring->scan_id = 0;
}

/* Makes the ticks up to now those that are to be expired; false if there is none. */
static bool turn(vt_ring *ring, int64_t now_us)
{
    int64_t now_tick = ticks_passed(ring, now_us);

    if (now_tick <= ring->turned_tick)
        return false;
    uint64_t passed = (uint64_t)now_tick - (uint64_t)ring->turned_tick;
    ring->left = passed < horizon_of(ring) ? (uint32_t)passed : horizon_of(ring);
    ring->turned_tick = now_tick;
    return true;
}

/* The owner of the next timer in the ticks that the expiry has to go through. */
static void *expire_ring(vt_wheel *wheel, vt_ring *ring)
{
    if (ring->left == 0)
        return NULL;
    uint32_t distance = first_occupied(wheel, ring);
    if (distance >= ring->left) {
        move_hand(ring, ring->left);
        return NULL;
    }
    move_hand(ring, distance);
    uint16_t value = (uint16_t)(ring->first_slot + ring->hand + 1);
    uint32_t id = find_due(wheel->due, ring->scan_id, wheel->size, value);
    assert(id < wheel->size); /* the slot's count says so */
    ring->scan_id = id + 1;
    leave_slot(wheel, id);
    return wheel->owners[id];
}

void *vt_wheel_expire(vt_wheel *wheel, int64_t now_us)
{
    bool turned;
    do {
        void *owner = expire_ring(wheel, &wheel->near);
        if (owner == NULL)
            owner = expire_ring(wheel, &wheel->far);
        if (owner != NULL)
            return owner;
        turned = turn(&wheel->near, now_us);
        if (turned)
            turn(&wheel->far, now_us);
    } while (turned);
    return NULL;
}

static int64_t next_of_ring(const vt_wheel *wheel, const vt_ring *ring)
{
    uint32_t distance = first_occupied(wheel, ring);
    int64_t tick = ring->turned_tick;
    int64_t at_us;

    if (distance == ring->slots)
        return INT64_MAX;
    if (distance >= ring->left)
        tick += distance - ring->left + 1;
    if (__builtin_mul_overflow(tick, ring->tick_us, &at_us))
        return INT64_MAX;
    return at_us;
}

int64_t vt_wheel_next_us(const vt_wheel *wheel)
{
    int64_t near_us = next_of_ring(wheel, &wheel->near);
    int64_t far_us = next_of_ring(wheel, &wheel->far);
    return near_us < far_us ? near_us : far_us;
}
