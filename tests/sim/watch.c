/*
 * What must hold, whatever goes wrong. Of each verdict:
 *
 *   - it belongs to a socket, and each socket has one;
 *   - SILENT and DEAF have a reason: a path that was hurt, or a host that was gone;
 *     STUCK and SLOW: a program that was stopped. Loss is no reason, and our own
 *     lateness is none;
 *   - they come after a doubt, not before their deadlines, and never while an answer
 *     can be read; and where nothing gets across, soon.
 *
 * Of the heartbeat, as it is seen in the bytes:
 *
 *   - a beat leaves when one is due, and at no other time;
 *   - what was sent in doubt is held.
 *
 * Of the whole: whoever can reach the server is connected again; nothing is left.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "conn.h"
#include "life.h"
#include "memory.h"

enum {
    SECOND_US = 1000 * 1000,
    DEFAULT_INTERVAL_US = 25 * SECOND_US,
    DEFAULT_ANSWER_US = 10 * SECOND_US,
    SHORTEST_ANSWER_US = 5 * SECOND_US,
    LONGEST_ANSWER_US = 20 * SECOND_US,
    LIMITS_MOST = 3,           /* of a peer whose host is up */
    TICK_US = 20 * 1000,       /* the wheel's */
    SLACK_US = SECOND_US / 4,  /* the wheel's tick, and a send that waits for room */
    UNNOTICED_US = 100 * 1000, /* of our own lateness, in two stops */
    LATENESS_US = 5 * SECOND_US,
    MEMORY_A_CONNECTION = 16 * 1024,
    MEMORY_A_PROCESS = 96 * 1024,
    MEMORY_BESIDE = 4 * 1024 * 1024,
};

static int64_t interval_us(const sim_life *life)
{
    return life->options->interval_ms > 0 ? life->options->interval_ms * 1000 : DEFAULT_INTERVAL_US;
}

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* ------------------------------------------------------------- opening and doubt */

/* For so many answer limits a silence may last before it is judged. They begin anew when
 * something gets across, such as a beat that asks again; which may be lost, and sent anew. */
static int limits_most(const sim_life *life)
{
    return (life->net.loss_per_mille > 0 ? 3 : 2) * LIMITS_MOST;
}

/* Where many wait, some are put off, and spared. */
static int64_t put_off_us(const sim_watched *watched)
{
    enum { MOST_US = 31 * SECOND_US, MANY = 50 };
    bool many = watched->life->options->processes >= MANY;
    return watched->end == VT_SIM_SERVER && many ? MOST_US : 0;
}

static void join_crowd(sim_watched *watched, bool late)
{
    sim_life *life = watched->life;
    if (watched->end != VT_SIM_SERVER || watched->crowded == late)
        return;
    watched->crowded = late;
    long host = watched->path->hosts[VT_SIM_CLIENT] - life->net.hosts;
    sim_crowd_late(&life->crowd, (unsigned)host, late ? 1 : -1);
}

void sim_watch_open(sim_watched *watched)
{
    sim_life *life = watched->life;
    int64_t now_us = vt_sim_now_us(life->sim);
    if (watched->path != NULL)
        sim_violate(life, "%s opened twice", watched->name);
    sim_watch_forget(watched);
    watched->path = sim_net_hold(watched->conn->transport.stream);
    watched->path->owners[watched->end] = watched;
    watched->path->seen[watched->end].spoke_us = now_us;
    watched->path->seen[watched->end].before_us = now_us;
    watched->path->seen[watched->end].heard_us = now_us;
    watched->path->seen[watched->end].heard_awake_us = vt_sim_awake_us(life->sim);
    watched->opened_us = now_us;
    watched->doubtful = false;
    vt_list_init(&watched->link);
    vt_list_append(&life->open, &watched->link);
    sim_crowd_open(&life->crowd, watched->end == VT_SIM_SERVER);
    sim_note(life, watched->name, "open");
}

static bool ask_kernel(const sim_watched *watched, vital_evidence *out)
{
    vt_stream *stream = watched->conn->transport.stream;
    return stream != NULL && vt_stream_info(stream, out);
}

/* Of both ends of a path: who calls from where says which it is. */
static int64_t *lull_of(const sim_watched *watched)
{
    return &watched->path->hosts[VT_SIM_CLIENT]->lull_us[watched->end];
}

static void note_lull(sim_watched *watched)
{
    *lull_of(watched) = vt_sim_now_us(watched->life->sim);
}

/* That a path came back makes its watcher more patient with it for ten minutes, by the
 * clock of a machine that may have slept. */
static bool is_patient(const sim_watched *watched)
{
    const int64_t for_us = (10 + 5) * 60 * INT64_C(1000000);
    int64_t lull_us = *lull_of(watched);
    return lull_us > 0 && sim_recent(watched->life, lull_us, for_us);
}

void sim_watch_health(sim_watched *watched, vital_health health, uint64_t accepted)
{
    vital_evidence info;
    if (watched->doubtful && health == VITAL_ALIVE)
        note_lull(watched);
    watched->doubtful = health == VITAL_DOUBTFUL;
    join_crowd(watched, watched->doubtful);
    watched->relieved_us = vt_sim_now_us(watched->life->sim);
    watched->accepted_in_doubt = accepted;
    sim_note(watched->life, watched->name, "%s", watched->doubtful ? "doubtful" : "alive");
    if (watched->doubtful && ask_kernel(watched, &info))
        sim_tell(watched->life, watched->name,
                 "its kernel: %u packets unacknowledged, %u times retransmitted, window %u, "
                 "unsent %u, data %u ms ago, ack %u ms ago",
                 info.unacked_packets, info.retransmits, info.window_bytes, info.unsent_bytes,
                 info.heard_ms, info.acked_ms);
}

void sim_watch_forget(sim_watched *watched)
{
    if (watched->path == NULL)
        return;
    join_crowd(watched, false);
    sim_crowd_open(&watched->life->crowd, -(watched->end == VT_SIM_SERVER));
    watched->path->owners[watched->end] = NULL;
    sim_net_release(watched->path);
    watched->path = NULL;
    watched->doubtful = false;
    vt_list_remove(&watched->link);
}

/* ------------------------------------------------------------------- verdicts */

/* Written anew on purpose, from DESIGN.md. */
static int64_t answer_limit_us(const vital_pulse *pulse)
{
    if (pulse->srtt_us < 0)
        return DEFAULT_ANSWER_US;
    int64_t spread_us = later(4 * pulse->rttvar_us, SECOND_US / 5);
    int64_t limit_us = later(pulse->srtt_us + 4 * pulse->rttvar_us + SECOND_US,
                             32 * pulse->srtt_us + 31 * spread_us);
    limit_us = later(limit_us, SHORTEST_ANSWER_US);
    return limit_us < LONGEST_ANSWER_US ? limit_us : LONGEST_ANSWER_US;
}

/* The process at the other end; NULL if none of ours is. */
static const sim_process *peer_of(const sim_watched *watched)
{
    sim_life *life = watched->life;
    if (watched->end == VT_SIM_CLIENT)
        return &life->server_process;
    for (int i = 0; i < life->options->processes; i++) {
        if (watched->path->hosts[VT_SIM_CLIENT] == &life->net.hosts[life->processes[i].host])
            return &life->processes[i];
    }
    return NULL;
}

/* What happens behind the proxy is not seen from here. */
static bool hidden(const sim_watched *watched)
{
    const sim_life *life = watched->life;
    return !watched->trusted || peer_of(watched) == NULL ||
           (watched->proxied && (life->net.loss_per_mille > 0 ||
                                 sim_recent(life, life->last_fault_us, SIM_AFTERMATH_US)));
}

/* A path that was hurt, or a host that was not there. A program that was stopped is
 * none of that, where the evidence tells of its host. */
static bool may_be_silent(const sim_watched *watched)
{
    const sim_life *life = watched->life;
    int64_t now_us = vt_sim_now_us(life->sim);
    bool late = sim_recent(life, watched->process->disturbed_us, SIM_AFTERMATH_US);
    int64_t window_us = late ? SIM_AFTERMATH_US : 60 * SECOND_US;
    return sim_path_hurt_since(watched->path, now_us - window_us, now_us) ||
           sim_recent(life, watched->path->hosts[vt_sim_other(watched->end)]->disturbed_us,
                      SIM_AFTERMATH_US);
}

/* The program was stopped after it was asked; or what it says cannot get here, while
 * its host's acknowledgements can: they are small, and wait for nothing that was lost. */
static bool may_be_stuck(const sim_watched *watched)
{
    const sim_process *peer = peer_of(watched);
    int64_t now_us = vt_sim_now_us(watched->life->sim);
    return sim_path_hurt_since(watched->path, now_us - 60 * SECOND_US, now_us) ||
           peer->disturbed_us >= watched->path->seen[watched->end].asked_us;
}

static bool is_unanswered(const vital_verdict *verdict)
{
    return verdict->cause == VITAL_SILENT || verdict->cause == VITAL_STUCK ||
           verdict->cause == VITAL_DEAF ||
           (verdict->cause == VITAL_SLOW && verdict->evidence.known);
}

/* Of a program that is stopped only its kernel is heard, by acknowledgements, which are lost
 * as easily as what they acknowledge: at one in ten, all of nine are for one beat of 10^7.
 * Then nobody can know better. */
static bool seems_silent(const sim_watched *watched, const vital_verdict *verdict)
{
    enum { EARLY_RETRANSMITS = 8 };
    return watched->life->net.loss_per_mille > 0 && may_be_stuck(watched) &&
           verdict->evidence.retransmits >= EARLY_RETRANSMITS;
}

static void judge_cause(const sim_watched *watched, const vital_verdict *verdict)
{
    sim_life *life = watched->life;
    bool path = verdict->cause == VITAL_SILENT || verdict->cause == VITAL_DEAF;
    if (hidden(watched) || (path && seems_silent(watched, verdict)))
        return;
    if (path ? !may_be_silent(watched) : !may_be_stuck(watched))
        sim_violate(life, "%s declared a healthy peer %s", watched->name,
                    vital_cause_name(verdict->cause));
}

/* When it may come at the earliest: sooner only if the kernel has tried in vain, later
 * if the host is up. */
static int64_t least_us(const vital_verdict *verdict)
{
    enum { EARLY_RETRANSMITS = 8, EARLY_US = 3 * SECOND_US };
    int64_t limit_us = answer_limit_us(&verdict->pulse);
    if (verdict->cause == VITAL_STUCK || verdict->cause == VITAL_SLOW)
        return LIMITS_MOST * limit_us;
    bool early = verdict->evidence.retransmits >= EARLY_RETRANSMITS && limit_us > EARLY_US;
    return early ? EARLY_US : limit_us;
}

static void judge_unanswered(const sim_watched *watched, const vital_verdict *verdict)
{
    sim_life *life = watched->life;
    const sim_seen *seen = &watched->path->seen[watched->end];
    /* The later sign counts; that clock goes back when it gives grace. */
    bool left_last = seen->left_us >= seen->heard_us || verdict->cause == VITAL_DEAF;
    int64_t since_us = left_last ? seen->left_awake_us : seen->heard_awake_us;
    int64_t quiet_us = vt_sim_awake_us(life->sim) - since_us;
    judge_cause(watched, verdict);
    if (!watched->doubtful && verdict->cause != VITAL_DEAF)
        sim_violate(life, "%s had no doubt before its verdict", watched->name);
    /* Of a beat that could not leave it is not seen when it was due. */
    bool left = seen->blocked_us < seen->left_us;
    if (left && quiet_us < least_us(verdict))
        sim_violate(life, "%s judged after %.3f s, before the answer limit of %.3f s",
                    watched->name, (double)quiet_us / SECOND_US,
                    (double)least_us(verdict) / SECOND_US);
    /* While bytes leave slowly, and the beat with them, each of them is a sign. */
    bool waited = sim_recent(life, seen->blocked_us, 120 * SECOND_US);
    bool asked = !seen->asked && seen->left_us > watched->opened_us; /* and it has left */
    int64_t most_us = limits_most(life) * answer_limit_us(&verdict->pulse) + put_off_us(watched);
    if (quiet_us > most_us + 2 * TICK_US + UNNOTICED_US && !waited && asked)
        sim_violate(life, "%s judged after %.3f s, long after the answer limit of %.3f s",
                    watched->name, (double)quiet_us / SECOND_US, (double)most_us / SECOND_US);
    if (watched->end == VT_SIM_SERVER && verdict->cause != VITAL_SLOW && left &&
        !sim_crowd_allows(&life->crowd, vt_sim_now_us(life->sim), quiet_us))
        sim_violate(life, "%s was given up after %.3f s, with %d others late", watched->name,
                    (double)quiet_us / SECOND_US, life->crowd.late - 1);
    if (seen->unread > 0)
        sim_violate(life, "%s judged with %zu bytes unread", watched->name, seen->unread);
}

/* Where nothing was wrong and nothing is lost, a goodbye is answered in time, and
 * what was accepted before it has left before it. */
static void judge_goodbye(const sim_watched *watched, const vital_verdict *verdict)
{
    sim_life *life = watched->life;
    if (hidden(watched) || may_be_silent(watched) || watched->doubtful ||
        life->net.loss_per_mille > 0 ||
        sim_recent(life, peer_of(watched)->disturbed_us, SIM_AFTERMATH_US) ||
        sim_recent(life, watched->process->disturbed_us, SIM_AFTERMATH_US))
        return;
    if (verdict->unsent > 0)
        sim_violate(life, "%s left %" PRIu64 " messages behind when it said goodbye", watched->name,
                    verdict->unsent);
    if (strstr(verdict->text, "did not answer") != NULL)
        sim_violate(life, "%s: its goodbye was not answered", watched->name);
}

void sim_watch_verdict(sim_watched *watched, const vital_verdict *verdict)
{
    sim_life *life = watched->life;
    sim_note(life, watched->name, "%s: %s", vital_cause_name(verdict->cause), verdict->text);
    sim_note(life, watched->name,
             "code %u, %" PRIu64 " unconfirmed, %" PRIu64 " unsent, returns in %" PRId64 " ms",
             (unsigned)verdict->code, verdict->unconfirmed, verdict->unsent, verdict->retry_ms);
    life->result.verdicts++;
    life->result.beats += verdict->pulse.beats_sent;
    if ((verdict->open_ms >= 0) != (watched->path != NULL))
        sim_violate(life, "%s: a verdict that does not fit its socket", watched->name);
    bool ours = watched->trusted && !sim_recent(life, watched->process->scarce_us, 60 * SECOND_US);
    if (ours && (verdict->cause == VITAL_MISBEHAVED || verdict->cause == VITAL_OVERFLOW))
        sim_violate(life, "%s: %s", watched->name, verdict->text);
    bool needs_socket = is_unanswered(verdict) || verdict->cause == VITAL_CUT ||
                        verdict->cause == VITAL_CLOSED_BY_PEER;
    if (watched->path == NULL && needs_socket)
        sim_violate(life, "%s was never open, and yet %s", watched->name,
                    vital_cause_name(verdict->cause));
    if (watched->path == NULL)
        return;
    if (is_unanswered(verdict))
        judge_unanswered(watched, verdict);
    else if (watched->doubtful)
        note_lull(watched); /* if it was heard to say goodbye */
    if (verdict->cause == VITAL_CLOSED_BY_US)
        judge_goodbye(watched, verdict);
    sim_watch_forget(watched);
}

/* ---------------------------------------------------------------- the heartbeat */

static void tell_frame(sim_watched *watched, const vt_frame *frame, vital_bytes payload)
{
    sim_life *life = watched->life;
    int shown = payload.size < 40 ? (int)payload.size : 40;
    if (frame->opcode == VT_OP_PING)
        sim_tell(life, watched->name, "> beat, a ping");
    else if (frame->opcode == VT_OP_PONG)
        sim_tell(life, watched->name, "> pong");
    else if (frame->opcode == VT_OP_CLOSE && payload.size >= 2)
        sim_tell(life, watched->name, "> close %d \"%.*s\"",
                 ((const uint8_t *)payload.data)[0] << 8 | ((const uint8_t *)payload.data)[1],
                 (int)payload.size - 2, (const char *)payload.data + 2);
    else
        sim_tell(life, watched->name, "> %s%s \"%.*s%s\"", frame->fin ? "" : "the beginning of ",
                 frame->opcode == VT_OP_TEXT ? "text" : "more", shown, (const char *)payload.data,
                 frame->size > 40 ? "..." : "");
}

/* Until when the last beat may have waited for its answer: from when it left. */
static int64_t longest_wait_us(const sim_seen *seen)
{
    return later(seen->asked_us, seen->left_us) + LONGEST_ANSWER_US;
}

/* What gets across puts off the answer limit, too. */
static int64_t acked_us(const sim_watched *watched)
{
    vital_evidence info;
    return ask_kernel(watched, &info)
               ? vt_sim_now_us(watched->life->sim) - (int64_t)info.acked_ms * 1000
               : INT64_MIN / 2;
}

/* Whether now is when it is looked if that answer got across. */
static bool is_checked(int64_t answered_us, int64_t now_us)
{
    int64_t checked_us = answered_us + SECOND_US;
    return now_us >= checked_us && now_us <= checked_us + 3 * TICK_US;
}

/* A beat leaves only in a silence, of one direction at least; or when our answer to the
 * peer's did not get across. */
static void see_beat(const sim_watched *watched, sim_seen *seen)
{
    sim_life *life = watched->life;
    int64_t now_us = vt_sim_now_us(life->sim);
    if (watched->doubtful) {                            /* it asks again a peer whose host is up */
        bool first = seen->blocked_us >= seen->left_us; /* it is the one that had to wait */
        bool lost = life->net.loss_per_mille > 0;       /* the answer may have been, often */
        if (!hidden(watched) && !may_be_stuck(watched) && !first && !lost)
            sim_violate(life, "%s asks a healthy peer again", watched->name);
        seen->asked_us = now_us;
        seen->pings++;
        seen->behind_bytes = 0;
        return;
    }
    int64_t since_us = seen->before_us < seen->heard_us ? seen->before_us : seen->heard_us;
    int64_t silence_us = now_us - since_us;
    int64_t least_us = seen->pings == 0 ? interval_us(life) / 2 : interval_us(life) * 4 / 5;
    /* A beat that waited for room leaves when there is some, not when it is due; and
     * a busy callback moves our stamps, not those of its turn. */
    bool waited = sim_recent(life, seen->blocked_us, 120 * SECOND_US) ||
                  sim_recent(life, watched->process->disturbed_us, interval_us(life));
    /* Who was put off, talks and does not seem to hear us is asked again at once. */
    waited |= put_off_us(watched) > 0 &&
              sim_recent(life, watched->relieved_us, put_off_us(watched));
    bool checked = is_checked(seen->answered_us, now_us) ||
                   is_checked(seen->answered_before_us, now_us);
    bool unheard = (silence_us >= SECOND_US || checked) &&
                   (life->net.loss_per_mille > 0 || may_be_silent(watched));
    if (silence_us < least_us && !waited && !unheard)
        sim_violate(life, "%s beats after %.3f s of silence, before one was due", watched->name,
                    (double)silence_us / SECOND_US);
    if (silence_us > interval_us(life) + TICK_US && !waited &&
        !sim_recent(life, watched->process->disturbed_us, SIM_AFTERMATH_US) &&
        !sim_recent(life, watched->relieved_us, TICK_US) && now_us > longest_wait_us(seen) &&
        now_us > acked_us(watched) + LONGEST_ANSWER_US)
        sim_violate(life, "%s beats after %.3f s of silence, too late", watched->name,
                    (double)silence_us / SECOND_US);
    if (seen->pings > 0 && seen->asked_us > seen->heard_us)
        sim_violate(life, "%s beats again, and its last beat is unanswered", watched->name);
    if (seen->pings == 0 && !waited) {
        life->first_beats++;
        life->early_first_beats += silence_us < interval_us(life) * 3 / 4;
    }
    seen->asked = true;
    seen->asked_us = now_us;
    seen->pings++;
    seen->behind_bytes = 0;
}

static bool is_text_beat(const vt_frame *frame, vital_bytes payload)
{
    return frame->opcode == VT_OP_TEXT && payload.size == 9 &&
           memcmp(payload.data, "heartbeat", 9) == 0;
}

static bool is_beat(const sim_watched *watched, const vt_frame *frame, vital_bytes payload)
{
    return watched->text ? is_text_beat(frame, payload) : frame->opcode == VT_OP_PING;
}

/* A ping waits for what is on its way, and at most one fragment more. (A beat by
 * text waits for the end of the message, since messages do not nest.) */
static void see_data(const sim_watched *watched, sim_seen *seen, const vt_frame *frame)
{
    enum { MOST_BYTES = 3 * 16 * 1024 };
    sim_life *life = watched->life;
    int64_t due_us = later(seen->heard_us + interval_us(life), longest_wait_us(seen));
    bool late = sim_recent(life, watched->process->disturbed_us, interval_us(life));
    bool waits = seen->asked_us > seen->heard_us; /* there is one on its way */
    bool due = vt_sim_now_us(life->sim) > due_us + TICK_US && !late && !watched->text &&
               !watched->doubtful && !waits;
    seen->behind_bytes = due ? seen->behind_bytes + frame->size : 0;
    if (seen->behind_bytes > MOST_BYTES)
        sim_violate(life, "%s lets its beat wait behind %" PRIu64 " bytes", watched->name,
                    seen->behind_bytes);
}

/* "3 17 ..." is number 17 of client 3. */
static void see_message(sim_watched *watched, vital_bytes payload)
{
    char text[SIM_SEEN_PAYLOAD + 1] = "";
    int client;
    uint64_t number;
    if (watched->end != VT_SIM_CLIENT)
        return;
    memcpy(text, payload.data, payload.size);
    if (sscanf(text, "%d %" SCNu64, &client, &number) != 2)
        return;
    sim_client *sender = (sim_client *)watched;
    sender->seen = number;
    if (watched->doubtful && sender->left_us == INT64_MAX && number > watched->accepted_in_doubt)
        sim_violate(watched->life, "%s sent message %" PRIu64 " in doubt", watched->name, number);
}

void sim_watch_frame(void *watcher, sim_path *path, vt_sim_end end, const vt_frame *frame,
                     vital_bytes payload)
{
    const sim_life *life = watcher;
    sim_watched *watched = path->owners[end];
    sim_seen *seen = &path->seen[end];
    seen->closes |= frame->opcode == VT_OP_CLOSE;
    if (watched == NULL)
        return;
    if (life->options->trace)
        tell_frame(watched, frame, payload);
    if (frame->opcode == VT_OP_PONG || (!watched->text && is_text_beat(frame, payload))) {
        seen->answered_before_us = seen->answered_us;
        seen->answered_us = vt_sim_now_us(life->sim);
    }
    if (is_beat(watched, frame, payload))
        see_beat(watched, seen);
    else if (frame->opcode == VT_OP_TEXT)
        see_message(watched, payload);
    if (frame->opcode == VT_OP_TEXT || frame->opcode == VT_OP_CONTINUATION)
        see_data(watched, seen, frame);
}

/* --------------------------------------------------------------------- the audit */

static bool is_closing(const sim_watched *watched)
{
    return watched->path->seen[VT_SIM_CLIENT].closes || watched->path->seen[VT_SIM_SERVER].closes;
}

/* What waits before the beat gets across, however slowly. */
static bool moves(const sim_watched *watched)
{
    vital_evidence info;
    return ask_kernel(watched, &info) && info.acked_ms < 5000 &&
           info.unacked_packets + info.unsent_bytes > 1;
}

/* A path that nothing passes is known as such by the beat that it swallows: as soon as
 * the kernel has sent it nine times, and a second for two looks; or later, if it has come
 * back before. */
static bool notices_hole_late(const sim_watched *watched)
{
    enum { EARLY_US = 3 * SECOND_US, LULL_US = 6 * SECOND_US };
    enum { TRIES_TAKE_RTOS = 10, FEW_PACKETS = 3 };
    const sim_path *path = watched->path;
    const sim_seen *seen = &path->seen[watched->end];
    int64_t now_us = vt_sim_now_us(watched->life->sim);
    vital_evidence info;
    bool swallowed = path->hole_us[watched->end] > now_us && seen->left_us > seen->heard_us &&
                     path->hole_since_us[watched->end] < seen->asked_us && !seen->asked;
    if (!swallowed || !ask_kernel(watched, &info) || info.unacked_packets > FEW_PACKETS ||
        info.unacked_packets == 0) /* it waits before a window that is shut */
        return false;
    int64_t rto_us = info.rtt_us + later(4 * (int64_t)info.rttvar_us, SECOND_US / 5);
    if (info.rtt_us == 0) /* it was never measured */
        rto_us = SECOND_US;
    int64_t since_us = later(seen->left_us, seen->asked_us);
    int64_t least_us = is_patient(watched) ? LULL_US : EARLY_US;
    return now_us > since_us + later(TRIES_TAKE_RTOS * rto_us, least_us) + 2 * SECOND_US +
                        put_off_us(watched);
}

/* Something that should have left has not, or somebody has not noticed. */
static void audit_open(sim_watched *watched)
{
    sim_life *life = watched->life;
    const sim_seen *seen = &watched->path->seen[watched->end];
    int64_t now_us = vt_sim_now_us(life->sim);
    bool leaving = watched->end == VT_SIM_CLIENT ? ((sim_client *)watched)->left_us != INT64_MAX
                                                 : life->draining;
    bool ending = life->ending || leaving;
    const sim_process *process = watched->process;
    int64_t while_us = interval_us(life) + LONGEST_ANSWER_US;
    /* Who has slept is due by a clock that stood still meanwhile. */
    if (ending || sim_recent(life, process->slept_us, while_us))
        return;
    int64_t spoke_us = seen->spoke_us < seen->heard_us ? seen->spoke_us : seen->heard_us;
    /* Nor is a beat due while one is out, on a clock that stands still while we do. */
    int64_t waits_us = later(longest_wait_us(seen), acked_us(watched) + LONGEST_ANSWER_US);
    bool late = process->disturbed_us > seen->asked_us;
    int64_t due_us = later(spoke_us + interval_us(life), waits_us + (late ? LATENESS_US : 0));
    due_us = later(due_us, process->disturbed_us);
    bool stopped = sim_recent(life, process->disturbed_us, while_us);
    /* For room in the kernel, or for an answer, for longer than if it was not late. */
    bool asked = seen->asked_us >= seen->heard_us || longest_wait_us(seen) > process->struck_us;
    bool waits = seen->blocked_us >= seen->spoke_us || (stopped && asked) || watched->doubtful;
    if (now_us > due_us + SLACK_US && !waits &&
        !sim_path_hurt_since(watched->path, spoke_us, now_us))
        sim_violate(life, "%s missed a beat: %.3f s of silence", watched->name,
                    (double)(now_us - spoke_us) / SECOND_US);
    int64_t heard_us = later(seen->heard_us, watched->opened_us);
    if (watched->doubtful && seen->heard_us > watched->relieved_us && !is_closing(watched) &&
        now_us > later(seen->heard_us, process->disturbed_us) + SECOND_US)
        sim_violate(life, "%s has heard its peer, and is still doubtful", watched->name);
    if (!stopped && notices_hole_late(watched) && !is_closing(watched))
        sim_violate(life, "%s has not noticed that the path is gone", watched->name);
    int64_t most_us = interval_us(life) + limits_most(life) * LONGEST_ANSWER_US;
    if (sim_recent(life, process->disturbed_us, most_us))
        return;
    if (now_us > heard_us + most_us + SLACK_US && !moves(watched))
        sim_violate(life, "%s has heard nothing for %.3f s, and has not noticed", watched->name,
                    (double)(now_us - heard_us) / SECOND_US);
}

/* What was accepted leaves at once, if nothing is in the way; and who has said
 * goodbye is gone within six closing limits and a second, of either kind. */
static void audit_client(const sim_client *client)
{
    enum { GOODBYE_US = 2 * (6 * 5 + 1) * SECOND_US };
    sim_life *life = client->watched.life;
    const sim_watched *watched = &client->watched;
    int64_t now_us = vt_sim_now_us(life->sim);
    if (sim_recent(life, client->process->disturbed_us, SIM_AFTERMATH_US) || !watched->trusted)
        return;
    if (watched->conn != NULL && now_us - GOODBYE_US > client->left_us)
        sim_violate(life, "%s has said goodbye, and is still here", watched->name);
    if (watched->path == NULL || watched->doubtful || client->left_us != INT64_MAX ||
        is_closing(watched))
        return;
    const sim_seen *seen = &watched->path->seen[VT_SIM_CLIENT];
    bool waits = seen->blocked_us >= seen->spoke_us;
    int64_t since_us = later(client->accepted_us, watched->opened_us);
    if (client->seen < client->accepted && !waits && now_us > since_us + SECOND_US &&
        now_us > watched->relieved_us + SECOND_US)
        sim_violate(life, "%s keeps message %" PRIu64 " to itself", watched->name,
                    client->accepted);
}

static void audit_away(const sim_client *client)
{
    sim_life *life = client->watched.life;
    const sim_host *host = &life->net.hosts[client->process->host];
    int64_t since_us = later(client->away_us, client->process->disturbed_us);
    since_us = later(since_us, life->server_process.disturbed_us);
    since_us = later(since_us, host->disturbed_us);
    if (client->watched.proxied)
        since_us = later(since_us, life->last_fault_us);
    if (vt_sim_now_us(life->sim) > since_us + SIM_HEALED_US && client->watched.trusted)
        sim_violate(life, "%s has not come back for %.0f s", client->watched.name,
                    (double)(vt_sim_now_us(life->sim) - since_us) / SECOND_US);
}

static void audit_memory(sim_life *life)
{
    size_t held = sim_memory_bytes() - life->memory_bytes;
    size_t most = MEMORY_BESIDE + (size_t)life->options->processes * MEMORY_A_PROCESS +
                  (life->net.count + (size_t)life->client_count) * (size_t)MEMORY_A_CONNECTION;
    bool calm = !sim_recent(life, later(life->last_fault_us, life->start_us), SIM_HEALED_US / 2);
    if (calm && held > most)
        sim_violate(life, "%zu bytes are held for %zu connections", held, life->net.count);
}

void sim_watch_audit(void *arg)
{
    sim_life *life = arg;
    for (vt_list *link = life->open.next; link != &life->open; link = link->next)
        audit_open(VT_LIST_OWNER(link, sim_watched, link));
    for (int i = 0; i < life->client_count && !life->ending; i++) {
        audit_client(&life->clients[i]);
        if (life->clients[i].watched.path == NULL)
            audit_away(&life->clients[i]);
    }
    audit_memory(life);
    /* Often enough to tell times of a beat's interval apart. */
    vt_sim_at(life->sim, vt_sim_now_us(life->sim) + interval_us(life) / 5, sim_watch_audit, life);
}

/* ------------------------------------------------------------------- the server */

/* The credit of two seconds, and then one in each part of a second. */
void sim_watch_rate(sim_life *life)
{
    enum { CREDIT_US = 2 * SECOND_US };
    int64_t now_us = vt_sim_now_us(life->sim);
    if (life->options->opens_per_s == 0)
        return;
    life->opens_due_us = later(life->opens_due_us, now_us) + SECOND_US / life->options->opens_per_s;
    if (life->opens_due_us > now_us + CREDIT_US + UNNOTICED_US)
        sim_violate(life, "the server lets in more than %d a second", life->options->opens_per_s);
}

/* Of a crowd half is still there, but for who has left by himself. */
void sim_watch_spread(void *arg)
{
    enum { CROWD = 8 };
    sim_life *life = arg;
    const sim_farewell *farewell = &life->farewell;
    size_t left = life->deserters - farewell->deserters;
    if (vt_sim_now_us(life->sim) > farewell->half_us)
        return; /* it was busy meanwhile */
    for (vt_list *link = life->open.next; link != &life->open; link = link->next) {
        const sim_watched *watched = VT_LIST_OWNER(link, sim_watched, link);
        left += watched->end == VT_SIM_SERVER && !watched->path->seen[VT_SIM_SERVER].closes;
    }
    if (farewell->here >= CROWD && left < farewell->here / 5)
        sim_violate(life, "of %zu connections %zu are left at half of a goodbye of %.3f s",
                    farewell->here, left, (double)farewell->spread_us / SECOND_US);
}

/* -------------------------------------------------------------------- the end */

/* Nobody is given up who would have been heard, if nothing went wrong. */
static void check_mistakes(sim_life *life, const sim_process *process, const char *who)
{
    vital_stats stats;
    if (process->loop == NULL || life->result.faults > 0)
        return;
    vital_loop_stats(process->loop, &stats);
    if (stats.mistakes > 0)
        sim_violate(life, "%s has given up %" PRIu64 " connections that were well", who,
                    stats.mistakes);
}

static void check_nothing_runs(sim_life *life, const sim_process *process, const char *who)
{
    const vital_loop *loop = process->loop;
    if (loop == NULL)
        return;
    if (vt_sim_streams(loop) > 0)
        sim_violate(life, "%s has still %zu sockets", who, vt_sim_streams(loop));
    size_t graves = 0;
    for (const vt_list *link = loop->graves.next; link != &loop->graves; link = link->next)
        graves++;
    if (graves > 2 * (size_t)life->client_count) /* all of them in the last turn, twice */
        sim_violate(life, "%s has not buried its dead: %zu", who, graves);
    if (loop->wheel.size > loop->wheel.spare_count)
        sim_violate(life, "%s has still %u timers", who,
                    loop->wheel.size - loop->wheel.spare_count);
}

void sim_watch_end(sim_life *life)
{
    for (int i = 0; i < life->client_count; i++) {
        const sim_client *client = &life->clients[i];
        if (client->watched.conn != NULL)
            sim_violate(life, "%s has not ended", client->watched.name);
        for (uint64_t number = client->arrived + 1; number <= client->accepted; number++) {
            if (number >= client->fates_size || client->fates[number] == 0)
                sim_violate(life, "message %" PRIu64 " of %s never came", number,
                            client->watched.name);
        }
    }
    if (life->first_beats >= 60 && life->early_first_beats == 0)
        sim_violate(life, "the first beats are not spread");
    if (life->server_process.loop != NULL && vital_server_count(life->server) != 0)
        sim_violate(life, "the server has still %zu connections", vital_server_count(life->server));
    check_mistakes(life, &life->server_process, "the server");
    check_nothing_runs(life, &life->server_process, "the server");
    for (int i = 0; i < life->options->processes; i++) {
        check_mistakes(life, &life->processes[i], "a process of clients");
        check_nothing_runs(life, &life->processes[i], "a process of clients");
    }
}
