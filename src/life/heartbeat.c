/*
 * The heart of it: a beat only where there is silence, one deadline instead of
 * a count of missed beats, and no blame for what we were too late to see.
 *
 * There is at most one unanswered beat: on TCP a later one queues behind it in
 * the same stream and can say nothing that it will not (RFC 9293 keeps order).
 * Activity costs one store; deadlines are derived when they are asked for.
 */
#include "heartbeat.h"

#include <assert.h>

#include "random.h"

enum {
    DEFAULT_ANSWER_US = 10 * 1000 * 1000, /* before any round trip is known */
    SHORTEST_ANSWER_US = 5 * 1000 * 1000,
    LONGEST_ANSWER_US = 20 * 1000 * 1000,
    /* Linux's retransmission timeout is SRTT plus 4 RTTVAR or this, whichever is
     * more. A segment that is lost five times running leaves again after
     * 1 + 2 + 4 + 8 + 16 = 31 of them. */
    LEAST_SPREAD_US = 200 * 1000,
    RTOS_OF_FIVE_LOSSES = 31,
    /* A silence this long is worth the first look at the evidence. A look is two
     * system calls. */
    LOOK_US = 1000 * 1000,
    LOOK_AGAIN_US = 500 * 1000,
    CHECK_US = 1000 * 1000,
};

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

static int64_t awake_us(vital_clock clock)
{
    return clock.now_us - clock.stalled_us;
}

/* U[numerator/denominator, 1] of the interval: jitter only downwards, so that
 * the promised interval is never exceeded. */
static int64_t draw_interval_us(const vital_heartbeat *policy, const vital_entropy *entropy,
                                int numerator, int denominator)
{
    if (policy->kind == VITAL_BEAT_NONE || policy->interval_ms == VITAL_NEVER)
        return VT_NEVER_US;
    int64_t longest_us = (int64_t)policy->interval_ms * 1000;
    return vt_random_between(entropy->fill, entropy->source, longest_us * numerator / denominator,
                             longest_us);
}

void vt_heartbeat_start(vt_heartbeat *heart, const vital_heartbeat *policy,
                        const vital_entropy *entropy, vital_clock clock)
{
    *heart = (vt_heartbeat){
        .state = VT_BEAT_QUIET,
        .health = VITAL_ALIVE,
        .interval_us = draw_interval_us(policy, entropy, 1, 2),
        .soon_us = VT_NEVER_US,
        .check_us = VT_NEVER_US,
        .heard_us = clock.now_us,
        .spoke_us = clock.now_us,
        .stalled_us = clock.stalled_us,
        .limits = 1,
        .proved_us = -1,
        .rtt_us = -1,
        .srtt_us = -1,
        .rttvar_us = -1,
    };
}

/* A sign of life, or of our own doing: the silence that counts begins now. */
static void begin_silence(vt_heartbeat *heart, vital_clock clock)
{
    heart->sign_awake_us = heart->still_awake_us = awake_us(clock);
    heart->limits = 1;
}

bool vt_heartbeat_heard(vt_heartbeat *heart, vital_clock clock)
{
    heart->heard_us = clock.now_us;
    heart->check_us = VT_NEVER_US;
    begin_silence(heart, clock);
    bool doubted = heart->health == VITAL_DOUBTFUL;
    if (doubted && heart->held_awake_us != 0) {
        /* That the peer is heard before it has heard us says nothing yet: our kernel
         * tries again only after a pause as long as it has tried in vain. */
        heart->left_awake_us = awake_us(clock);
        heart->held_awake_us = 0;
    }
    heart->health = VITAL_ALIVE;
    return doubted;
}

void vt_heartbeat_excuse(vt_heartbeat *heart, vital_clock clock)
{
    if (heart->state == VT_BEAT_QUEUED && heart->limits == 1)
        begin_silence(heart, clock);
}

void vt_heartbeat_spoke(vt_heartbeat *heart, vital_clock clock)
{
    heart->spoke_us = clock.now_us;
    /* That bytes leave proves nothing of the peer; but while the beat itself
     * is still queued behind them, its answer cannot be overdue. */
    vt_heartbeat_excuse(heart, clock);
}

void vt_heartbeat_left(vt_heartbeat *heart, vital_clock clock)
{
    assert(heart->state == VT_BEAT_QUEUED);
    heart->state = VT_BEAT_OUT;
    heart->left_us = clock.now_us;
    heart->left_awake_us = awake_us(clock);
    if (heart->limits == 1) /* else it only asks again */
        begin_silence(heart, clock);
    heart->blurred = heart->paused;
    heart->beats_sent++;
}

/* A peer asks because it has heard nothing. If it does not hear the answer either, there is
 * no need to wait for the next silence to ask it. */
void vt_heartbeat_asked(vt_heartbeat *heart, vital_clock clock)
{
    if (heart->state == VT_BEAT_QUIET && heart->interval_us != VT_NEVER_US)
        heart->check_us = clock.now_us + CHECK_US;
}

void vt_heartbeat_hasten(vt_heartbeat *heart, int64_t by_us)
{
    if (heart->state == VT_BEAT_QUIET && by_us < heart->soon_us)
        heart->soon_us = by_us;
}

/* RFC 6298 section 2, with its alpha of 1/8 and beta of 1/4. */
static void measure(vt_heartbeat *heart, int64_t rtt_us)
{
    heart->rtt_us = rtt_us;
    if (heart->srtt_us < 0) {
        heart->srtt_us = rtt_us;
        heart->rttvar_us = rtt_us / 2;
        return;
    }
    int64_t error_us = rtt_us > heart->srtt_us ? rtt_us - heart->srtt_us : heart->srtt_us - rtt_us;
    heart->rttvar_us += (error_us - heart->rttvar_us) / 4;
    heart->srtt_us += (rtt_us - heart->srtt_us) / 8;
}

int64_t vt_heartbeat_answered(vt_heartbeat *heart, vital_clock clock, bool exact)
{
    assert(heart->state == VT_BEAT_OUT);
    heart->state = VT_BEAT_QUIET;
    heart->proved_us = clock.now_us;
    heart->held_awake_us = 0;
    heart->beats_answered++;
    /* A round trip that we ourselves slept through measures our sleep, and one
     * whose answer may be a forgotten beat's measures nothing. */
    bool slept = clock.now_us - heart->left_us != awake_us(clock) - heart->left_awake_us;
    bool another = !exact && heart->owed > 0;
    heart->owed = another ? heart->owed - 1 : 0;
    if (slept || another || heart->blurred)
        return -1;
    measure(heart, clock.now_us - heart->left_us);
    return heart->rtt_us;
}

bool vt_heartbeat_pause(vt_heartbeat *heart, vital_clock clock, bool pause)
{
    bool doubted = pause && heart->health == VITAL_DOUBTFUL;
    if (heart->paused == pause)
        return false;
    heart->paused = pause;
    heart->blurred = true;
    if (pause)
        heart->health = VITAL_ALIVE; /* as far as can be told */
    else
        begin_silence(heart, clock);
    return doubted;
}

int64_t vt_heartbeat_answer_limit_us(const vt_heartbeat *heart, const vital_heartbeat *policy)
{
    if (policy->answer_ms == VITAL_NEVER || heart->paused)
        return VT_NEVER_US;
    if (policy->answer_ms > 0)
        return (int64_t)policy->answer_ms * 1000;
    if (heart->srtt_us < 0)
        return DEFAULT_ANSWER_US;

    int64_t spread_us = 4 * heart->rttvar_us;
    int64_t slow_us = heart->srtt_us + spread_us + 1000 * 1000;
    int64_t rto_us = heart->srtt_us + (spread_us > LEAST_SPREAD_US ? spread_us : LEAST_SPREAD_US);
    int64_t lossy_us = heart->srtt_us + RTOS_OF_FIVE_LOSSES * rto_us;
    int64_t limit_us = slow_us > lossy_us ? slow_us : lossy_us;
    if (limit_us < SHORTEST_ANSWER_US)
        return SHORTEST_ANSWER_US;
    return limit_us > LONGEST_ANSWER_US ? LONGEST_ANSWER_US : limit_us;
}

static int64_t due_us(const vt_heartbeat *heart)
{
    if (heart->interval_us == VT_NEVER_US)
        return VT_NEVER_US;
    int64_t silent_us = earlier(heart->heard_us, heart->spoke_us);
    return earlier(silent_us + heart->interval_us, heart->soon_us);
}

/* The peer talks, and yet the limit has passed without an answer: somebody lost
 * it (a middlebox that eats pings, a peer that knows no in-band beat). The path
 * lives, so the beat is forgotten, and the next silence asks again. So it is
 * where no answer is insisted on: beats still keep the path open. */
static int64_t forget_awake_us(const vt_heartbeat *heart, const vital_heartbeat *policy)
{
    if (heart->state != VT_BEAT_OUT)
        return VT_NEVER_US;
    int64_t limit_us = vt_heartbeat_answer_limit_us(heart, policy);
    if (limit_us == VT_NEVER_US && heart->paused && heart->interval_us < LONGEST_ANSWER_US)
        return heart->left_awake_us + heart->interval_us;
    if (limit_us == VT_NEVER_US)
        return heart->left_awake_us + LONGEST_ANSWER_US;
    bool talks = heart->health == VITAL_ALIVE && heart->heard_us > heart->left_us;
    return talks ? later(heart->left_awake_us + limit_us, heart->held_awake_us) : VT_NEVER_US;
}

/* When the silence of a waiting connection is worth a doubt, or a verdict. */
static int64_t silence_awake_us(const vt_heartbeat *heart, const vital_heartbeat *policy)
{
    int64_t limit_us = vt_heartbeat_answer_limit_us(heart, policy);
    if (limit_us == VT_NEVER_US)
        return VT_NEVER_US;
    if (heart->health == VITAL_ALIVE)
        return heart->sign_awake_us + limit_us / 2;
    return later(heart->sign_awake_us + heart->limits * limit_us, heart->held_awake_us);
}

static int64_t look_awake_us(const vt_heartbeat *heart, const vital_heartbeat *policy)
{
    if (!heart->looks || vt_heartbeat_answer_limit_us(heart, policy) == VT_NEVER_US)
        return VT_NEVER_US;
    return later(heart->still_awake_us + LOOK_US, heart->looked_awake_us + LOOK_AGAIN_US);
}

/* Of the clock less all stalls, on which all of these are judged. */
static int64_t judge_awake_us(const vt_heartbeat *heart, const vital_heartbeat *policy)
{
    int64_t judge_us = earlier(silence_awake_us(heart, policy), look_awake_us(heart, policy));
    return earlier(judge_us, forget_awake_us(heart, policy));
}

int64_t vt_heartbeat_deadline(const vt_heartbeat *heart, const vital_heartbeat *policy)
{
    if (heart->state == VT_BEAT_QUIET)
        return earlier(due_us(heart), heart->check_us);
    int64_t deadline_us = judge_awake_us(heart, policy);
    return deadline_us == VT_NEVER_US ? VT_NEVER_US : deadline_us + heart->stalled_us;
}

static void forget(vt_heartbeat *heart)
{
    heart->state = VT_BEAT_QUIET;
    heart->owed++;
}

vt_beat_action vt_heartbeat_tick(vt_heartbeat *heart, const vital_heartbeat *policy,
                                 const vital_entropy *entropy, vital_clock clock)
{
    heart->stalled_us = clock.stalled_us;

    if (awake_us(clock) >= forget_awake_us(heart, policy))
        forget(heart);

    if (heart->state == VT_BEAT_QUIET) {
        if (clock.now_us < vt_heartbeat_deadline(heart, policy))
            return VT_BEAT_NOTHING;
        heart->check_us = VT_NEVER_US;
        if (clock.now_us < due_us(heart))
            return VT_BEAT_CHECK;
        heart->state = VT_BEAT_QUEUED;
        heart->soon_us = VT_NEVER_US;
        begin_silence(heart, clock);
        heart->interval_us = draw_interval_us(policy, entropy, 4, 5);
        return VT_BEAT_SEND;
    }
    if (awake_us(clock) < silence_awake_us(heart, policy)) {
        if (awake_us(clock) < look_awake_us(heart, policy))
            return VT_BEAT_NOTHING;
        heart->looked_awake_us = awake_us(clock);
        return VT_BEAT_LOOK;
    }
    if (heart->health == VITAL_DOUBTFUL)
        return VT_BEAT_LOST;
    heart->health = VITAL_DOUBTFUL;
    return VT_BEAT_DOUBT;
}

void vt_heartbeat_forget(vt_heartbeat *heart, vital_clock clock)
{
    assert(heart->state == VT_BEAT_OUT);
    forget(heart);
    vt_heartbeat_hasten(heart, clock.now_us);
}

void vt_heartbeat_moved(vt_heartbeat *heart, vital_clock clock)
{
    heart->sign_awake_us = awake_us(clock);
    heart->limits = 1;
}

bool vt_heartbeat_doubt(vt_heartbeat *heart)
{
    bool began = heart->health == VITAL_ALIVE;
    heart->health = VITAL_DOUBTFUL;
    return began;
}

bool vt_heartbeat_wait(vt_heartbeat *heart, const vital_heartbeat *policy)
{
    if (policy->answer_ms != 0 || heart->limits == VT_LIMITS_MOST)
        return false;
    heart->limits++;
    return true;
}

void vt_heartbeat_hold(vt_heartbeat *heart, vital_clock clock, int64_t for_us)
{
    heart->held_awake_us = awake_us(clock) + for_us;
}

bool vt_heartbeat_held(const vt_heartbeat *heart, vital_clock clock)
{
    return awake_us(clock) < heart->held_awake_us;
}

bool vt_heartbeat_ask_again(vt_heartbeat *heart)
{
    if (heart->state != VT_BEAT_OUT)
        return false;
    heart->state = VT_BEAT_QUEUED;
    heart->owed++;
    return true;
}

bool vt_heartbeat_unanswered(const vt_heartbeat *heart, const vital_heartbeat *policy,
                             vital_clock clock)
{
    return heart->heard_us > heart->left_us && awake_us(clock) >= forget_awake_us(heart, policy) &&
           vt_heartbeat_answer_limit_us(heart, policy) != VT_NEVER_US;
}

bool vt_heartbeat_judges(const vt_heartbeat *heart, const vital_heartbeat *policy,
                         vital_clock clock)
{
    if (heart->state == VT_BEAT_QUIET)
        return clock.now_us >= heart->check_us;
    return awake_us(clock) >= judge_awake_us(heart, policy);
}

static int64_t age_ms(int64_t stamp_us, vital_clock clock)
{
    return stamp_us < 0 ? -1 : (clock.now_us - stamp_us) / 1000;
}

void vt_heartbeat_pulse(const vt_heartbeat *heart, vital_clock clock, vital_pulse *out)
{
    *out = (vital_pulse){
        .rtt_us = heart->rtt_us,
        .srtt_us = heart->srtt_us,
        .rttvar_us = heart->rttvar_us,
        .heard_ms = age_ms(heart->heard_us, clock),
        .proof_ms = age_ms(heart->proved_us, clock),
        .waiting_ms = heart->state == VT_BEAT_OUT ? age_ms(heart->left_us, clock) : -1,
        .beats_sent = heart->beats_sent,
        .beats_answered = heart->beats_answered,
    };
}
