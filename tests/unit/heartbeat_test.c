/*
 * The heartbeat on a clock that is moved by hand: when it beats, when it
 * doubts, when it gives up, and whom it does not blame.
 */
#include "heartbeat.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

#define MS INT64_C(1000)
#define S (1000 * MS)
#define HOUR (3600 * S)

/* Whatever the clock says first: a monotonic clock does not begin at zero. */
#define EPOCH (7 * S)

/* A heart and the hand that moves its clock. */
typedef struct patient {
    vt_heartbeat heart;
    vital_heartbeat policy;
    vt_random random;
    vital_entropy entropy;
    vital_clock clock;
} patient;

static void admit(patient *p, int interval_ms, int answer_ms, uint8_t seed)
{
    const uint8_t seeds[VT_RANDOM_SEED_BYTES] = {seed};
    memset(p, 0, sizeof *p);
    p->policy = (vital_heartbeat){.interval_ms = interval_ms, .answer_ms = answer_ms};
    assert_int_equal(vt_random_init(&p->random, seeds), 0);
    p->entropy = (vital_entropy){vt_random_fill, &p->random};
    p->clock.now_us = EPOCH;
    vt_heartbeat_start(&p->heart, &p->policy, &p->entropy, p->clock);
}

static void discharge(patient *p)
{
    vt_random_finish(&p->random);
}

static int64_t deadline(const patient *p)
{
    return vt_heartbeat_deadline(&p->heart, &p->policy);
}

static vt_beat_action tick(patient *p)
{
    return vt_heartbeat_tick(&p->heart, &p->policy, &p->entropy, p->clock);
}

/* Goes to the deadline, and not a microsecond further. */
static vt_beat_action tick_at_deadline(patient *p)
{
    assert_true(deadline(p) > p->clock.now_us);
    p->clock.now_us = deadline(p) - 1;
    assert_int_equal(tick(p), VT_BEAT_NOTHING);
    p->clock.now_us++;
    return tick(p);
}

static void pass(patient *p, int64_t us)
{
    p->clock.now_us += us;
}

/* Time in which we attend to nothing, and know it. */
static void stall(patient *p, int64_t us)
{
    p->clock.now_us += us;
    p->clock.stalled_us += us;
}

static void heard(patient *p)
{
    vt_heartbeat_heard(&p->heart, p->clock);
}

static void spoke(patient *p)
{
    vt_heartbeat_spoke(&p->heart, p->clock);
}

/* The stream takes the beat: bytes left, and the beat among them. */
static void leave(patient *p)
{
    spoke(p);
    vt_heartbeat_left(&p->heart, p->clock);
}

static void answer(patient *p)
{
    heard(p);
    vt_heartbeat_answered(&p->heart, p->clock, true);
}

/* Until the next beat is out. */
static void beat(patient *p)
{
    assert_int_equal(tick_at_deadline(p), VT_BEAT_SEND);
    leave(p);
}

static void beat_and_answer(patient *p, int64_t rtt_us)
{
    beat(p);
    pass(p, rtt_us);
    answer(p);
}

static int64_t limit(const patient *p)
{
    return vt_heartbeat_answer_limit_us(&p->heart, &p->policy);
}

/* --------------------------------------------------------------- when to beat */

static void the_first_beat_comes_after_half_to_a_whole_interval(void **state)
{
    (void)state;
    int64_t earliest = INT64_MAX;
    int64_t latest = 0;
    for (int seed = 0; seed < 256; seed++) {
        patient p;
        admit(&p, 20000, 0, (uint8_t)seed);
        int64_t after = deadline(&p) - EPOCH;
        assert_in_range(after, 10 * S, 20 * S);
        earliest = after < earliest ? after : earliest;
        latest = after > latest ? after : latest;
        assert_int_equal(tick_at_deadline(&p), VT_BEAT_SEND);
        discharge(&p);
    }
    assert_in_range(earliest, 10 * S, 10500 * MS); /* the whole window is used */
    assert_in_range(latest, 19500 * MS, 20 * S);
}

static void later_beats_come_after_four_fifths_to_a_whole_interval(void **state)
{
    (void)state;
    patient p;
    int64_t earliest = INT64_MAX;
    int64_t latest = 0;
    admit(&p, 25000, 0, 1);
    beat_and_answer(&p, 40 * MS);
    for (int i = 0; i < 300; i++) {
        int64_t before = p.clock.now_us - 40 * MS; /* we were silent since the beat left */
        beat_and_answer(&p, 40 * MS);
        int64_t after = p.clock.now_us - 40 * MS - before;
        assert_in_range(after, 20 * S, 25 * S);
        earliest = after < earliest ? after : earliest;
        latest = after > latest ? after : latest;
    }
    assert_in_range(earliest, 20 * S, 20100 * MS);
    assert_in_range(latest, 24900 * MS, 25 * S);
    discharge(&p);
}

/* An hour in which the peer sends every `heard_every`, and we every
 * `spoke_every`; 0 for never. The peer answers beats. Returns the beats. */
static uint64_t beats_of_an_hour(int64_t heard_every, int64_t spoke_every)
{
    patient p;
    admit(&p, 25000, 0, 3);
    for (int64_t at = 0; at < HOUR; at += 100 * MS) {
        pass(&p, 100 * MS);
        if (heard_every > 0 && at % heard_every == 0)
            heard(&p);
        if (spoke_every > 0 && at % spoke_every == 0)
            spoke(&p);
        vt_beat_action action = tick(&p);
        if (action == VT_BEAT_SEND) {
            leave(&p);
            answer(&p);
        } else {
            assert_int_equal(action, VT_BEAT_NOTHING);
        }
    }
    discharge(&p);
    return p.heart.beats_sent;
}

static void traffic_both_ways_costs_no_beat(void **state)
{
    (void)state;
    assert_int_equal(beats_of_an_hour(5 * S, 5 * S), 0);
    /* 19 s is below the shortest interval, but for the first, of 12.5 s. */
    assert_in_range(beats_of_an_hour(19 * S, 19 * S), 0, 1);
}

static void an_idle_connection_beats_once_an_interval(void **state)
{
    (void)state;
    assert_in_range(beats_of_an_hour(0, 0), 3600 / 25, 3600 / 20 + 1);
}

static void traffic_in_one_direction_leaves_the_other_to_the_beats(void **state)
{
    (void)state;
    assert_in_range(beats_of_an_hour(S, 0), 3600 / 25, 3600 / 20 + 1);
    assert_in_range(beats_of_an_hour(0, S), 3600 / 25, 3600 / 20 + 1);
}

static void a_heart_that_is_switched_off_never_beats(void **state)
{
    (void)state;
    patient p;
    admit(&p, VITAL_NEVER, 0, 1);
    assert_int_equal(deadline(&p), VT_NEVER_US);
    pass(&p, 1000 * HOUR);
    assert_int_equal(tick(&p), VT_BEAT_NOTHING);
    discharge(&p);

    admit(&p, 25000, 0, 1);
    p.policy.kind = VITAL_BEAT_NONE;
    vt_heartbeat_start(&p.heart, &p.policy, &p.entropy, p.clock);
    assert_int_equal(deadline(&p), VT_NEVER_US);
    pass(&p, 1000 * HOUR);
    assert_int_equal(tick(&p), VT_BEAT_NOTHING);
    discharge(&p);
}

static void there_is_one_beat_at_a_time(void **state)
{
    (void)state;
    patient p;
    admit(&p, 1000, 30000, 1);
    beat(&p);
    for (int i = 0; i < 29; i++) { /* a beat would be due every second */
        pass(&p, S);
        assert_int_not_equal(tick(&p), VT_BEAT_SEND);
    }
    assert_int_equal(p.heart.beats_sent, 1);
    discharge(&p);
}

/* ----------------------------------------------------------- doubt and verdict */

static void silence_is_doubted_at_half_the_limit_and_lost_at_the_whole(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    int64_t left = p.clock.now_us;
    assert_int_equal(deadline(&p) - left, 4 * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_DOUBT);
    assert_int_equal(p.heart.health, VITAL_DOUBTFUL);
    assert_int_equal(deadline(&p) - left, 8 * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_LOST);
    discharge(&p);
}

static void a_late_tick_doubts_before_it_gives_up(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    pass(&p, HOUR); /* a tick that nobody called, and no stall that was told */
    assert_int_equal(tick(&p), VT_BEAT_DOUBT);
    assert_int_equal(tick(&p), VT_BEAT_LOST);
    discharge(&p);
}

static void an_answer_ends_the_waiting(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    assert_true(vt_heartbeat_waiting(&p.heart));
    pass(&p, 4 * S - 1);
    answer(&p);
    assert_false(vt_heartbeat_waiting(&p.heart));
    pass(&p, 8 * S);
    assert_int_equal(tick(&p), VT_BEAT_NOTHING);
    assert_int_equal(p.heart.beats_answered, 1);
    discharge(&p);
}

static void any_byte_ends_the_doubt(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    assert_false(vt_heartbeat_heard(&p.heart, p.clock));
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_DOUBT);
    pass(&p, S);
    assert_true(vt_heartbeat_heard(&p.heart, p.clock));
    assert_int_equal(p.heart.health, VITAL_ALIVE);
    assert_false(vt_heartbeat_heard(&p.heart, p.clock)); /* told once */
    discharge(&p);
}

static void what_is_heard_moves_the_doubt_and_the_verdict(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    pass(&p, 3 * S);
    heard(&p);
    int64_t sign = p.clock.now_us;
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_DOUBT);
    assert_int_equal(p.clock.now_us - sign, 4 * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_LOST);
    assert_int_equal(p.clock.now_us - sign, 8 * S);
    discharge(&p);
}

static void a_peer_that_talks_and_never_answers_is_not_lost(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    for (int64_t at = 0; at < HOUR; at += S) {
        pass(&p, S);
        heard(&p);
        vt_beat_action action = tick(&p);
        if (action == VT_BEAT_SEND)
            leave(&p);
        else
            assert_int_equal(action, VT_BEAT_NOTHING);
    }
    /* The unanswered ones are forgotten, so that our direction is kept open. */
    assert_in_range(p.heart.beats_sent, 3600 / 25, 3600 / 20 + 1);
    assert_int_equal(p.heart.beats_answered, 0);
    assert_int_equal(p.heart.health, VITAL_ALIVE);
    discharge(&p);
}

static void a_beat_is_forgotten_at_the_limit_by_a_peer_that_talks(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    int64_t left = p.clock.now_us;
    pass(&p, 7 * S);
    heard(&p);
    assert_int_equal(deadline(&p) - left, 8 * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_NOTHING);
    assert_false(vt_heartbeat_waiting(&p.heart));
    assert_in_range(deadline(&p) - left, 20 * S, 25 * S); /* we are silent since then */
    discharge(&p);
}

static void without_an_answer_limit_nobody_is_lost_and_the_path_is_kept_open(void **state)
{
    (void)state;
    for (int talks = 0; talks <= 1; talks++) {
        patient p;
        admit(&p, 25000, VITAL_NEVER, 1);
        for (int64_t at = 0; at < HOUR; at += S) {
            pass(&p, S);
            if (talks)
                heard(&p);
            vt_beat_action action = tick(&p);
            if (action == VT_BEAT_SEND)
                leave(&p);
            else
                assert_int_equal(action, VT_BEAT_NOTHING);
        }
        assert_int_equal(p.heart.health, VITAL_ALIVE);
        assert_in_range(p.heart.beats_sent, 3600 / 25, 3600 / 20 + 1);
        discharge(&p);
    }
}

/* ------------------------------------------------------- what could not be sent */

static void a_beat_that_waits_behind_moving_bytes_is_not_overdue(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_SEND);
    for (int i = 0; i < 100; i++) {
        pass(&p, 3900 * MS); /* a byte leaves now and then: the beat will */
        assert_int_equal(tick(&p), VT_BEAT_NOTHING);
        spoke(&p);
    }
    leave(&p);
    assert_int_equal(p.heart.beats_sent, 1);
    assert_int_equal(deadline(&p) - p.clock.now_us, 4 * S); /* only now it counts */
    discharge(&p);
}

static void a_beat_that_cannot_leave_is_lost_after_the_limit_too(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_SEND);
    int64_t asked = p.clock.now_us;
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_DOUBT);
    assert_int_equal(p.clock.now_us - asked, 4 * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_LOST);
    assert_int_equal(p.clock.now_us - asked, 8 * S);
    assert_false(vt_heartbeat_waiting(&p.heart)); /* "could not", not "did not answer" */
    assert_int_equal(p.heart.beats_sent, 0);
    discharge(&p);
}

static void bytes_that_leave_are_no_sign_of_the_peer_once_the_beat_is_out(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    int64_t left = p.clock.now_us;
    vt_beat_action action = VT_BEAT_NOTHING;
    while (action != VT_BEAT_LOST) {
        pass(&p, 100 * MS);
        spoke(&p);
        action = tick(&p);
        assert_true(p.clock.now_us <= left + 8 * S);
    }
    assert_int_equal(p.clock.now_us - left, 8 * S);
    discharge(&p);
}

/* --------------------------------------------------------------- our own stall */

/* A beat is out for a second, then nobody attends for a minute while the answer
 * waits in the kernel, then one tick: what does it say? */
static vt_beat_action tick_after_a_minute(bool told)
{
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    pass(&p, S);
    if (told)
        stall(&p, 60 * S);
    else
        pass(&p, 60 * S);
    vt_beat_action action = tick(&p);
    discharge(&p);
    return action;
}

static void our_own_stall_is_not_the_peers_silence(void **state)
{
    (void)state;
    assert_int_equal(tick_after_a_minute(true), VT_BEAT_NOTHING);
    assert_int_equal(tick_after_a_minute(false), VT_BEAT_DOUBT); /* so it does matter */
}

static void every_deadline_against_the_peer_moves_by_the_stall(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    int64_t left = p.clock.now_us;
    pass(&p, S);
    stall(&p, 3 * S);
    assert_int_equal(tick(&p), VT_BEAT_NOTHING);
    assert_int_equal(deadline(&p) - left, (4 + 3) * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_DOUBT);
    stall(&p, 60 * S);
    assert_int_equal(tick(&p), VT_BEAT_NOTHING);
    assert_int_equal(deadline(&p) - left, (8 + 3 + 60) * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_LOST);
    discharge(&p);
}

static void stalls_of_the_past_give_no_credit(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    stall(&p, 5 * S); /* quiet: nobody was waited for */
    assert_int_equal(tick(&p), VT_BEAT_NOTHING);
    beat(&p);
    int64_t left = p.clock.now_us;
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_DOUBT);
    assert_int_equal(p.clock.now_us - left, 4 * S);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_LOST);
    assert_int_equal(p.clock.now_us - left, 8 * S);
    discharge(&p);
}

static void a_stall_does_not_put_off_our_own_beat(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    stall(&p, 26 * S); /* the path has been idle all the same */
    assert_int_equal(tick(&p), VT_BEAT_SEND);
    discharge(&p);
}

static void a_round_trip_that_we_slept_through_is_not_measured(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    pass(&p, 20 * MS);
    stall(&p, 3 * S);
    answer(&p);
    assert_int_equal(p.heart.rtt_us, -1);
    assert_int_equal(p.heart.beats_answered, 1); /* but it proves as much as any */
    beat_and_answer(&p, 20 * MS);
    assert_int_equal(p.heart.rtt_us, 20 * MS);
    discharge(&p);
}

static void an_answer_that_may_be_a_forgotten_beats_is_not_measured(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    beat(&p);
    pass(&p, 7 * S);
    heard(&p);
    assert_false(p.heart.owed);
    assert_int_equal(tick_at_deadline(&p), VT_BEAT_NOTHING); /* forgotten */
    assert_true(p.heart.owed);
    beat(&p);
    pass(&p, 40 * MS);
    heard(&p);
    vt_heartbeat_answered(&p.heart, p.clock, false);
    assert_false(p.heart.owed);
    assert_int_equal(p.heart.rtt_us, -1);
    beat_and_answer(&p, 30 * MS);
    assert_int_equal(p.heart.rtt_us, 30 * MS);
    discharge(&p);
}

static void each_forgotten_beat_is_owed_an_answer_but_an_exact_one_settles_all(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 8000, 1);
    for (uint32_t beats = 1; beats <= 3; beats++) {
        beat(&p);
        pass(&p, 7 * S);
        heard(&p);
        assert_int_equal(tick_at_deadline(&p), VT_BEAT_NOTHING); /* forgotten */
        assert_int_equal(p.heart.owed, beats);
    }
    beat(&p);
    vt_heartbeat_answered(&p.heart, p.clock, false);
    assert_int_equal(p.heart.owed, 2);
    beat_and_answer(&p, 30 * MS);
    assert_int_equal(p.heart.owed, 0);
    assert_int_equal(p.heart.rtt_us, 30 * MS);
    discharge(&p);
}

/* ------------------------------------------------------- round trips and limits */

static void the_first_round_trip_sets_the_estimate_rfc_6298_2_2(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 0, 1);
    beat_and_answer(&p, 100 * MS);
    assert_int_equal(p.heart.rtt_us, 100 * MS);
    assert_int_equal(p.heart.srtt_us, 100 * MS);
    assert_int_equal(p.heart.rttvar_us, 50 * MS);
    discharge(&p);
}

static void later_round_trips_are_smoothed_rfc_6298_2_3(void **state)
{
    (void)state;
    static const int64_t rtts_ms[] = {100, 200, 100, 50, 400, 400, 400, 1, 2000, 40, 40, 40, 40};
    patient p;
    double srtt = 0;
    double rttvar = 0;
    admit(&p, 25000, 0, 1);
    for (size_t i = 0; i < sizeof rtts_ms / sizeof rtts_ms[0]; i++) {
        double rtt = (double)(rtts_ms[i] * MS);
        rttvar = i == 0 ? rtt / 2 : 0.75 * rttvar + 0.25 * fabs(srtt - rtt);
        srtt = i == 0 ? rtt : 0.875 * srtt + 0.125 * rtt;
        beat_and_answer(&p, rtts_ms[i] * MS);
        if (fabs((double)p.heart.srtt_us - srtt) > 10)
            fail_msg("round trip %zu: srtt %ld and not %.0f", i, (long)p.heart.srtt_us, srtt);
        if (fabs((double)p.heart.rttvar_us - rttvar) > 10)
            fail_msg("round trip %zu: rttvar %ld and not %.0f", i, (long)p.heart.rttvar_us, rttvar);
    }
    discharge(&p);
}

static void the_limit_is_ten_seconds_before_any_round_trip(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 0, 1);
    assert_int_equal(limit(&p), 10 * S);
    discharge(&p);
}

static void the_limit_follows_the_round_trip_between_five_and_twenty_seconds(void **state)
{
    (void)state;
    /* Linux: RTO = srtt + max(4 rttvar, 200 ms), where 4 rttvar is 2 rtt after the
     * first one; the limit is srtt + max(4 rttvar + 1 s, 31 RTO), clamped to
     * [5 s, 20 s]. */
    static const struct {
        int64_t rtt_ms;
        int64_t limit_ms;
    } all[] = {
        {0, 6200}, {1, 6232}, {66, 8312}, {100, 9400}, {200, 18800}, {216, 20000}, {5000, 20000},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        patient p;
        admit(&p, 25000, 0, 1);
        beat_and_answer(&p, all[i].rtt_ms * MS);
        assert_int_equal(limit(&p), all[i].limit_ms * MS);
        assert_in_range(limit(&p), 5 * S, 20 * S);
        discharge(&p);
    }
}

static void a_limit_that_was_given_is_not_adapted(void **state)
{
    (void)state;
    patient p;
    admit(&p, 25000, 1500, 1);
    assert_int_equal(limit(&p), 1500 * MS);
    beat_and_answer(&p, 700 * MS);
    assert_int_equal(limit(&p), 1500 * MS);
    discharge(&p);
}

/* ----------------------------------------------------------------------- pulse */

static void the_pulse_tells_ages_and_counts(void **state)
{
    (void)state;
    patient p;
    vital_pulse pulse;
    admit(&p, 25000, 8000, 1);
    pass(&p, 1500 * MS);
    vt_heartbeat_pulse(&p.heart, p.clock, &pulse);
    assert_int_equal(pulse.rtt_us, -1);
    assert_int_equal(pulse.srtt_us, -1);
    assert_int_equal(pulse.rttvar_us, -1);
    assert_int_equal(pulse.heard_ms, 1500); /* since the open, which was heard */
    assert_int_equal(pulse.proof_ms, -1);
    assert_int_equal(pulse.waiting_ms, -1);
    assert_int_equal(pulse.beats_sent, 0);

    beat(&p);
    pass(&p, 40 * MS);
    vt_heartbeat_pulse(&p.heart, p.clock, &pulse);
    assert_int_equal(pulse.waiting_ms, 40);
    assert_int_equal(pulse.beats_sent, 1);
    assert_int_equal(pulse.beats_answered, 0);

    answer(&p);
    pass(&p, 300 * MS);
    heard(&p);
    pass(&p, 200 * MS);
    vt_heartbeat_pulse(&p.heart, p.clock, &pulse);
    assert_int_equal(pulse.rtt_us, 40 * MS);
    assert_int_equal(pulse.heard_ms, 200);
    assert_int_equal(pulse.proof_ms, 500);
    assert_int_equal(pulse.waiting_ms, -1);
    assert_int_equal(pulse.beats_answered, 1);
    discharge(&p);
}

/* ------------------------------------------------------------------ properties */

static int64_t draw(patient *p, int64_t low, int64_t high)
{
    return vt_random_between(vt_random_fill, &p->random, low, high);
}

/* One thing that may happen at any time. */
static void something_happens(patient *p)
{
    switch (draw(p, 0, 5)) {
    case 0:
        heard(p);
        break;
    case 1:
        spoke(p);
        break;
    case 2:
        if (p->heart.state == VT_BEAT_QUEUED)
            leave(p);
        break;
    case 3:
        if (p->heart.state == VT_BEAT_OUT)
            answer(p);
        break;
    case 4:
        stall(p, draw(p, 0, 2 * S));
        break;
    default:
        break;
    }
    pass(p, draw(p, 0, 2 * S));
}

static void a_tick_before_the_deadline_does_nothing_and_one_at_it_moves_on(void **state)
{
    (void)state;
    patient p;
    for (int round = 0; round < 200; round++) {
        admit(&p, 10000, round % 2 == 0 ? 6000 : 0, (uint8_t)round);
        for (int i = 0; i < 300; i++) {
            something_happens(&p);
            (void)tick(&p); /* tells of the stalls */
            if (p.heart.health == VITAL_DOUBTFUL && i % 3 == 0)
                heard(&p);
            int64_t at = deadline(&p);
            vt_heartbeat before = p.heart;
            if (at > p.clock.now_us) {
                if (i % 5 != 0)
                    continue;
                p.clock.now_us = at - 1;
                assert_int_equal(tick(&p), VT_BEAT_NOTHING);
                assert_int_equal(p.heart.state, before.state);
                p.clock.now_us = at;
            }
            vt_beat_action action = tick(&p);
            assert_true(action != VT_BEAT_NOTHING || p.heart.state != before.state);
            if (action == VT_BEAT_LOST)
                break;
            if (action != VT_BEAT_DOUBT)
                assert_true(deadline(&p) > p.clock.now_us);
        }
        discharge(&p);
    }
}

/* The guarantee of heartbeat.h. */
static void silence_is_lost_within_an_interval_and_a_limit_of_its_beginning(void **state)
{
    (void)state;
    patient p;
    for (int round = 0; round < 2000; round++) {
        admit(&p, 10000, round % 2 == 0 ? 6000 : 0, (uint8_t)round);
        int64_t end = p.clock.now_us + draw(&p, 0, 60 * S);
        while (p.clock.now_us < end) { /* a life, with all that belongs to it */
            something_happens(&p);
            vt_beat_action action = tick(&p);
            if (action == VT_BEAT_DOUBT || action == VT_BEAT_LOST)
                heard(&p);
            if (action == VT_BEAT_SEND)
                leave(&p);
        }
        heard(&p);
        int64_t silent_since = p.clock.now_us;
        int64_t stalled = p.clock.stalled_us;
        vt_beat_action action = VT_BEAT_NOTHING;
        while (action != VT_BEAT_LOST) {
            if (deadline(&p) > p.clock.now_us)
                p.clock.now_us = deadline(&p);
            action = tick(&p);
            if (action == VT_BEAT_SEND)
                leave(&p);
            if (draw(&p, 0, 9) == 0)
                spoke(&p); /* we may talk as we like */
        }
        int64_t took = p.clock.now_us - silent_since - (p.clock.stalled_us - stalled);
        if (took > 10 * S + limit(&p))
            fail_msg("round %d: %ld us, over 10 s and %ld us", round, (long)took, (long)limit(&p));
        assert_true(took >= limit(&p));
        discharge(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_beat_comes_after_half_to_a_whole_interval),
        cmocka_unit_test(later_beats_come_after_four_fifths_to_a_whole_interval),
        cmocka_unit_test(traffic_both_ways_costs_no_beat),
        cmocka_unit_test(an_idle_connection_beats_once_an_interval),
        cmocka_unit_test(traffic_in_one_direction_leaves_the_other_to_the_beats),
        cmocka_unit_test(a_heart_that_is_switched_off_never_beats),
        cmocka_unit_test(there_is_one_beat_at_a_time),
        cmocka_unit_test(silence_is_doubted_at_half_the_limit_and_lost_at_the_whole),
        cmocka_unit_test(a_late_tick_doubts_before_it_gives_up),
        cmocka_unit_test(an_answer_ends_the_waiting),
        cmocka_unit_test(any_byte_ends_the_doubt),
        cmocka_unit_test(what_is_heard_moves_the_doubt_and_the_verdict),
        cmocka_unit_test(a_peer_that_talks_and_never_answers_is_not_lost),
        cmocka_unit_test(a_beat_is_forgotten_at_the_limit_by_a_peer_that_talks),
        cmocka_unit_test(without_an_answer_limit_nobody_is_lost_and_the_path_is_kept_open),
        cmocka_unit_test(a_beat_that_waits_behind_moving_bytes_is_not_overdue),
        cmocka_unit_test(a_beat_that_cannot_leave_is_lost_after_the_limit_too),
        cmocka_unit_test(bytes_that_leave_are_no_sign_of_the_peer_once_the_beat_is_out),
        cmocka_unit_test(our_own_stall_is_not_the_peers_silence),
        cmocka_unit_test(every_deadline_against_the_peer_moves_by_the_stall),
        cmocka_unit_test(stalls_of_the_past_give_no_credit),
        cmocka_unit_test(a_stall_does_not_put_off_our_own_beat),
        cmocka_unit_test(a_round_trip_that_we_slept_through_is_not_measured),
        cmocka_unit_test(an_answer_that_may_be_a_forgotten_beats_is_not_measured),
        cmocka_unit_test(each_forgotten_beat_is_owed_an_answer_but_an_exact_one_settles_all),
        cmocka_unit_test(the_first_round_trip_sets_the_estimate_rfc_6298_2_2),
        cmocka_unit_test(later_round_trips_are_smoothed_rfc_6298_2_3),
        cmocka_unit_test(the_limit_is_ten_seconds_before_any_round_trip),
        cmocka_unit_test(the_limit_follows_the_round_trip_between_five_and_twenty_seconds),
        cmocka_unit_test(a_limit_that_was_given_is_not_adapted),
        cmocka_unit_test(the_pulse_tells_ages_and_counts),
        cmocka_unit_test(a_tick_before_the_deadline_does_nothing_and_one_at_it_moves_on),
        cmocka_unit_test(silence_is_lost_within_an_interval_and_a_limit_of_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
