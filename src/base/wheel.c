/*
 * The wheel of wheel.h. The arithmetic of time is done in ticks: a deadline is
 * rounded up to a tick and the clock down, so nothing fires early. The ring
 * itself knows no time, only how many slots lie ahead of the hand; that is why
 * a jump of years needs no more than one walk over a horizon.
 */
#include "wheel.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

enum {
    WORD_BITS = 64,
    WORDS = VT_WHEEL_SLOTS / WORD_BITS,
    SCAN_IDS = 64, /* looked at without a branch: two cache lines */
    CAPACITY_MIN = 64,
};

_Static_assert(VT_WHEEL_SLOTS < UINT16_MAX, "a slot and 'not armed' fit into 16 bits");
_Static_assert((VT_WHEEL_SLOTS & (VT_WHEEL_SLOTS - 1)) == 0, "a slot is found by a mask");

void vt_wheel_init(vt_wheel *wheel, int64_t tick_us, int64_t now_us)
{
    assert(tick_us > 0);
    *wheel = (vt_wheel){.tick_us = tick_us};
    wheel->turned_tick = now_us / tick_us - (now_us % tick_us < 0);
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

/* ------------------------------------------------------------------ the ring */

static uint32_t slot_ahead(const vt_wheel *wheel, uint32_t distance)
{
    return (wheel->hand + distance) % VT_WHEEL_SLOTS;
}

/* How far from the hand the first slot with anything in it is; VT_WHEEL_SLOTS
 * if all are empty. */
static uint32_t first_occupied(const vt_wheel *wheel)
{
    uint32_t word = wheel->hand / WORD_BITS;
    uint32_t bit = wheel->hand % WORD_BITS;
    uint64_t bits = wheel->occupied[word] & UINT64_MAX << bit;

    /* The hand's word is looked at twice: its upper bits first, its lower last. */
    for (uint32_t i = 0; i <= WORDS; i++) {
        if (bits != 0) {
            uint32_t found = word * WORD_BITS + (uint32_t)__builtin_ctzll(bits);
            return (found - wheel->hand) % VT_WHEEL_SLOTS;
        }
        word = (word + 1) % WORDS;
        bits = wheel->occupied[word];
    }
    return VT_WHEEL_SLOTS;
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

static void enter_slot(vt_wheel *wheel, vt_timer_id id, uint32_t slot)
{
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

/* A place for what is due beyond the horizon: those that are armed at about the
 * same time share one, and come out of it in one turn, not each in its own. */
static uint64_t far_ahead(const vt_wheel *wheel)
{
    enum { SHARED_TICKS = VT_WHEEL_HORIZON / 2 };
    int64_t past = wheel->turned_tick % SHARED_TICKS;
    return VT_WHEEL_HORIZON - (uint64_t)(past < 0 ? past + SHARED_TICKS : past);
}

void vt_wheel_arm(vt_wheel *wheel, vt_timer_id id, int64_t at_us)
{
    assert(id < wheel->size && wheel->owners[id] != NULL);
    leave_slot(wheel, id);
    if (at_us == INT64_MAX)
        return;

    int64_t tick = at_us / wheel->tick_us + (at_us % wheel->tick_us > 0);
    uint64_t ahead = 1;
    if (tick > wheel->turned_tick)
        ahead = (uint64_t)tick - (uint64_t)wheel->turned_tick;
    if (ahead > VT_WHEEL_HORIZON)
        ahead = far_ahead(wheel);
    enter_slot(wheel, id, slot_ahead(wheel, wheel->left + (uint32_t)ahead - 1));
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

static void move_hand(vt_wheel *wheel, uint32_t distance)
{
    if (distance == 0)
        return;
    wheel->hand = slot_ahead(wheel, distance);
    wheel->left -= distance;
    wheel->scan_id = 0;
}

/* False if no tick has passed since the last expiry began. */
static bool begin_expiry(vt_wheel *wheel, int64_t now_us)
{
    int64_t now_tick = now_us / wheel->tick_us - (now_us % wheel->tick_us < 0);

    if (now_tick <= wheel->turned_tick)
        return false;
    uint64_t passed = (uint64_t)now_tick - (uint64_t)wheel->turned_tick;
    wheel->left = passed < VT_WHEEL_HORIZON ? (uint32_t)passed : VT_WHEEL_HORIZON;
    wheel->turned_tick = now_tick;
    return true;
}

void *vt_wheel_expire(vt_wheel *wheel, int64_t now_us)
{
    do {
        uint32_t distance = first_occupied(wheel);
        if (distance < wheel->left) {
            move_hand(wheel, distance);
            uint16_t value = (uint16_t)(wheel->hand + 1);
            uint32_t id = find_due(wheel->due, wheel->scan_id, wheel->size, value);
            assert(id < wheel->size); /* the slot's count says so */
            wheel->scan_id = id + 1;
            leave_slot(wheel, id);
            return wheel->owners[id];
        }
        move_hand(wheel, wheel->left);
    } while (begin_expiry(wheel, now_us));
    return NULL;
}

int64_t vt_wheel_next_us(const vt_wheel *wheel)
{
    uint32_t distance = first_occupied(wheel);
    int64_t tick = wheel->turned_tick;
    int64_t at_us;

    if (distance == VT_WHEEL_SLOTS)
        return INT64_MAX;
    if (distance >= wheel->left)
        tick += distance - wheel->left + 1;
    if (__builtin_mul_overflow(tick, wheel->tick_us, &at_us))
        return INT64_MAX;
    return at_us;
}
