/*
 * What is done after a loss, and what is said about it. Both are tables that a
 * person can check line by line: retry_table.def, which the browser's client
 * shares, and one function or one phrase for the sentence of each cause.
 *
 * A sentence may quote the peer (a close reason, a reason phrase) and goes to
 * logs and terminals. So all that is quoted passes through one filter: valid
 * UTF-8 is kept, but nothing that would move a cursor, end a line or turn the
 * direction of the text around.
 */
#include "verdict.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "close_code.h"
#include "invitation.h"
#include "utf8.h"

/* -------------------------------------------------------------- again or not */

/* A typing error in a Retry-After must not end a connection that heals itself. */
enum { RETRY_AFTER_MAX_S = 3600 };

enum policy { STOP, BACKOFF, WINDOW, AS_TOLD };

static const struct row {
    vital_cause cause;
    int from, to;
    enum policy policy;
    int low_ms, high_ms;
} retries[] = {
#define RETRY(cause, from, to, policy, low_ms, high_ms) \
    {VITAL_##cause, from, to, policy, low_ms, high_ms},
#include "retry_table.def"
#undef RETRY
};

static bool matches(const struct row *row, const vital_verdict *verdict)
{
    if (row->cause != verdict->cause)
        return false;
    if (row->cause == VITAL_CLOSED_BY_PEER)
        return row->from <= verdict->code && verdict->code <= row->to;
    if (row->cause == VITAL_REJECTED)
        return row->from <= verdict->status && verdict->status <= row->to;
    return true;
}

static const struct row *find_row(const vital_verdict *verdict)
{
    for (size_t i = 0; i < sizeof retries / sizeof retries[0]; i++)
        if (matches(&retries[i], verdict))
            return &retries[i];
    return NULL;
}

/* Whether the peer has said when it wants us back, where that counts. */
static bool invited(const vital_verdict *verdict, vt_invitation *out)
{
    const struct row *row = find_row(verdict);
    return verdict->cause == VITAL_CLOSED_BY_PEER && row != NULL && row->policy == AS_TOLD &&
           vt_invitation_read(out, verdict->reason);
}

vt_retry vt_verdict_retry(const vital_verdict *verdict, int retry_after_s)
{
    const struct row *row = find_row(verdict);
    vt_invitation told;

    if (row == NULL || row->policy == STOP)
        return (vt_retry){.again = false};
    if (invited(verdict, &told))
        return (vt_retry){true, told.from_s * INT64_C(1000), told.within_s * INT64_C(1000)};
    if (row->policy == AS_TOLD && row->cause == VITAL_REJECTED && retry_after_s >= 0) {
        if (retry_after_s > RETRY_AFTER_MAX_S)
            retry_after_s = RETRY_AFTER_MAX_S;
        /* Never early, and a quarter more to spread those who were told the same. */
        return (vt_retry){true, retry_after_s * INT64_C(1000), retry_after_s * INT64_C(1250)};
    }
    return (vt_retry){true, row->low_ms, row->high_ms};
}

/* ------------------------------------------------------------ building a text */

/* Adds to a text of so many bytes; what does not fit is left out from there on,
 * and three dots say so. */
struct sentence {
    char *text;
    size_t room; /* with the final NUL */
    size_t used;
    bool full;
};

/* A character goes in whole or not at all, so that the text stays valid UTF-8. */
static void add_character(struct sentence *sentence, const char *bytes, size_t size)
{
    if (sentence->full || sentence->used + size >= sentence->room) {
        sentence->full = true;
        return;
    }
    memcpy(sentence->text + sentence->used, bytes, size);
    sentence->used += size;
    sentence->text[sentence->used] = '\0';
}

static size_t utf8_size(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Whether a valid character steers the terminal or the line instead of being
 * seen: C0 and C1 controls, line and paragraph separators, bidirectional marks. */
static bool steers(const uint8_t *bytes, size_t size)
{
    if (size == 1)
        return bytes[0] < 0x20 || bytes[0] == 0x7F;
    if (size == 2)
        return bytes[0] == 0xC2 && bytes[1] < 0xA0;
    if (size == 3 && bytes[0] == 0xE2 && bytes[1] == 0x80) /* U+200E, U+200F, U+2028..202E */
        return (bytes[2] >= 0xA8 && bytes[2] <= 0xAE) || bytes[2] == 0x8E || bytes[2] == 0x8F;
    return size == 3 && bytes[0] == 0xE2 && bytes[1] == 0x81 && bytes[2] >= 0xA6 &&
           bytes[2] <= 0xA9; /* U+2066..2069 */
}

/* Text that is not ours: what is not valid or steers becomes a question mark. */
static void add_quoted(struct sentence *sentence, const char *text, size_t size)
{
    while (size > 0 && !sentence->full) {
        const uint8_t *bytes = (const uint8_t *)text;
        size_t character = utf8_size(bytes[0]);
        const bool valid = character <= size && vt_utf8_valid(bytes, character);
        if (!valid)
            character = 1;
        if (valid && !steers(bytes, character))
            add_character(sentence, text, character);
        else
            add_character(sentence, "?", 1);
        text += character;
        size -= character;
    }
}

static void add(struct sentence *sentence, const char *text)
{
    add_quoted(sentence, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void add_format(struct sentence *sentence,
                                                             const char *format, ...)
{
    char piece[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    add(sentence, piece);
}

/* "40 ms", "0.4 s", "9.8 s", "75 s", "240 s", "12 min", "5 h", "3 days": as exact
 * as a person needs it, and in the unit in which proxies state their limits. */
static void add_duration(struct sentence *sentence, int64_t ms)
{
    const int64_t tenths = ms < INT64_MAX - 50 ? (ms + 50) / 100 : ms / 100;
    const int64_t s = tenths / 10;

    if (ms < 100)
        add_format(sentence, "%" PRId64 " ms", ms);
    else if (tenths < 1000 && tenths % 10 != 0)
        add_format(sentence, "%" PRId64 ".%" PRId64 " s", s, tenths % 10);
    else if (s < 600)
        add_format(sentence, "%" PRId64 " s", s);
    else if (s < 120 * 60)
        add_format(sentence, "%" PRId64 " min", s / 60);
    else if (s < 48 * 3600)
        add_format(sentence, "%" PRId64 " h", s / 3600);
    else
        add_format(sentence, "%" PRId64 " days", s / 86400);
}

/* Three dots in place of the last characters, if something was left out. */
static void mark_if_cut(struct sentence *sentence)
{
    static const char dots[] = "...";
    size_t end = sentence->used;

    if (!sentence->full)
        return;
    while (end + sizeof dots > sentence->room || ((uint8_t)sentence->text[end] & 0xC0) == 0x80)
        end--;
    memcpy(sentence->text + end, dots, sizeof dots);
    sentence->used = end + strlen(dots);
}

/* ------------------------------------------------------------------ sentences */

/* The defaults, as each one documents them. The tolerance is for the ticks of the
 * proxy's timer and for the way to us. */
enum { IDLE_LIMIT_TOLERANCE_MS = 1500 };

/* A silence that is shorter is none, to a person. */
enum { WORTH_SAYING_MS = 100 };

static const struct idle_limit {
    int limit_s;
    const char *who;
    bool several;
} idle_limits[] = {
    {55, "Heroku", false}, {60, "nginx and AWS ALB", true}, {100, "Cloudflare", false},
    {240, "Azure", false}, {300, "Envoy", false},           {350, "AWS NLB", false},
};

static const struct idle_limit *find_idle_limit(int64_t silence_ms)
{
    for (size_t i = 0; i < sizeof idle_limits / sizeof idle_limits[0]; i++) {
        const int64_t limit_ms = idle_limits[i].limit_s * INT64_C(1000);
        if (silence_ms >= limit_ms - IDLE_LIMIT_TOLERANCE_MS &&
            silence_ms <= limit_ms + IDLE_LIMIT_TOLERANCE_MS)
            return &idle_limits[i];
    }
    return NULL;
}

const char *vt_verdict_idle_limit(int64_t silence_ms)
{
    const struct idle_limit *limit = find_idle_limit(silence_ms);

    return limit != NULL ? limit->who : NULL;
}

/* Lead and the words, if there are any, without the full stop they may end with. */
static bool add_what(struct sentence *sentence, const char *lead, const char *what)
{
    size_t size = what != NULL ? strlen(what) : 0;

    while (size > 0 && (what[size - 1] == '.' || what[size - 1] == ' '))
        size--;
    if (size == 0)
        return false;
    add(sentence, lead);
    add_quoted(sentence, what, size);
    return true;
}

/* The system's words, such as "Connection refused". They come in English, and
 * from a function that any thread may call, unlike those of strerror(). */
static void add_error(struct sentence *sentence, const char *lead, int error)
{
    const char *words = error != 0 ? strerrordesc_np(error) : NULL;

    if (error == 0)
        return;
    add(sentence, lead);
    if (words != NULL)
        add(sentence, words);
    else
        add_format(sentence, "error %d", error);
}

static void say_closed(struct sentence *sentence, const vital_verdict *verdict, const char *what)
{
    const bool ours = verdict->cause == VITAL_CLOSED_BY_US;
    const bool framed = verdict->code != 0 && verdict->code != VT_CLOSE_NO_STATUS &&
                        verdict->code != VT_CLOSE_ABNORMAL;
    const char *words = vt_close_code_words(verdict->code);
    vt_invitation told = {.words_bytes = strlen(verdict->reason)};
    const bool invites = !verdict->final && invited(verdict, &told);
    size_t reason = told.words_bytes;
    if (reason == strlen(words) && memcmp(verdict->reason, words, reason) == 0)
        reason = 0; /* the code says it already */

    add(sentence, ours ? "We closed the connection" : "The peer closed the connection");
    if (framed)
        add_format(sentence, ": %u %s", (unsigned)verdict->code, words);
    else if (!ours)
        add(sentence, " without a code");
    if (reason > 0) {
        add(sentence, framed ? ", \"" : ": \"");
        add_quoted(sentence, verdict->reason, reason);
        add(sentence, "\"");
    }
    if (invites)
        add_format(sentence, "; it asks us to come back in %d to %d s", told.from_s, told.within_s);
    add_what(sentence, "; ", what);
}

static void say_unreachable(struct sentence *sentence, const vital_verdict *verdict,
                            const char *what)
{
    add(sentence, "No connection could be made");
    if (!add_what(sentence, ": ", what))
        add_error(sentence, ": ", verdict->error);
}

static void say_rejected(struct sentence *sentence, const vital_verdict *verdict,
                         const vt_circumstances *circumstances)
{
    if (circumstances->refused_by_us) {
        add_format(sentence, "We refused the upgrade with %d", verdict->status);
        add_what(sentence, ": ", circumstances->what);
        return;
    }
    bool by_proxy = circumstances->refused_by_proxy;
    add_format(sentence, "The %s answered %d", by_proxy ? "proxy" : "server", verdict->status);
    add_what(sentence, " ", circumstances->what);
    add(sentence, by_proxy ? " instead of letting us through" : " instead of upgrading");
}

/* What the evidence adds to a silence. */
static void say_gone(struct sentence *sentence, const vital_evidence *evidence)
{
    const uint32_t times = evidence->retransmits + 1;
    const char *hop = evidence->relayed ? "the path to the proxy" : "the path";

    if (evidence->retransmits > 0)
        add_format(sentence,
                   ": our kernel has sent it %" PRIu32 " times, and nobody acknowledges it", times);
    else
        add(sentence, ": nobody answers what our kernel asks");
    add_error(sentence, "; a router says: ", evidence->error);
    add_format(sentence, ", so %s or the host is gone", hop);
}

/* Nobody else is at fault, and the system says why. */
static void say_homeless(struct sentence *sentence, const vital_evidence *evidence)
{
    if (evidence->error == EADDRNOTAVAIL) {
        add(sentence, "the address that we spoke from is ours no more");
        return;
    }
    add(sentence, "our own system has no way to send it");
    add_error(sentence, " (", evidence->error);
    add(sentence, evidence->error != 0 ? ")" : "");
}

static void say_who_is_gone(struct sentence *sentence, const vital_evidence *evidence,
                            vt_finding finding)
{
    if (finding == VT_FOUND_HOMELESS) {
        add(sentence, ": ");
        say_homeless(sentence, evidence);
    } else if (finding == VT_FOUND_GONE)
        say_gone(sentence, evidence);
    else if (finding == VT_FOUND_TAKEN || finding == VT_FOUND_SHUT)
        add(sentence, ": the proxy still acknowledges what we send, so the path behind it or the "
                      "peer is gone");
    else
        add(sentence, ": the path or the peer is gone");
}

static void say_unanswered(struct sentence *sentence, const vt_circumstances *circumstances)
{
    const char *beat = circumstances->text_beat ? "heartbeat message" : "ping";

    if (circumstances->could_not_send)
        add_format(sentence, "Our %s could not leave", beat);
    else
        add_format(sentence, "No answer to our %s", beat);
    if (circumstances->quiet_ms >= 0) {
        add(sentence, " for ");
        add_duration(sentence, circumstances->quiet_ms);
    }
}

static void say_silent(struct sentence *sentence, const vital_verdict *verdict,
                       const vt_circumstances *circumstances)
{
    say_unanswered(sentence, circumstances);
    add(sentence,
        circumstances->could_not_send ? ", and nothing was heard" : ", and nothing else was heard");
    say_who_is_gone(sentence, &verdict->evidence, circumstances->finding);
    if (!add_what(sentence, "; ", circumstances->what))
        add_error(sentence, "; the system says: ", verdict->error);
}

static void say_stuck(struct sentence *sentence, const vt_circumstances *circumstances)
{
    say_unanswered(sentence, circumstances);
    add(sentence, ". The peer's kernel still acknowledges what we send, so the host is up and the "
                  "program is stuck");
}

static void say_deaf(struct sentence *sentence, const vital_verdict *verdict,
                     const vt_circumstances *circumstances)
{
    const int64_t quiet_ms = circumstances->quiet_ms;

    add(sentence, "We hear the peer, but it does not hear us: ");
    if (quiet_ms >= 0) {
        add(sentence, "for ");
        add_duration(sentence, quiet_ms);
        add(sentence, " ");
    }
    if (circumstances->finding == VT_FOUND_HOMELESS)
        say_homeless(sentence, &verdict->evidence);
    else
        add_format(sentence, "nobody has acknowledged what our kernel has sent %" PRIu32 " times",
                   verdict->evidence.retransmits + 1);
    add(sentence, ", while bytes came, the last of them ");
    add_duration(sentence, verdict->pulse.heard_ms);
    add(sentence, " ago");
}

/* The host says so itself, where there is evidence. */
static void say_shut(struct sentence *sentence, const vt_circumstances *circumstances)
{
    add(sentence, "The peer does not read what we send: its kernel has had no room for more for ");
    add_duration(sentence, circumstances->quiet_ms);
    add(sentence, ", and nothing was heard");
}

/* What our own side of the socket knows: how long it has taken no byte more, and
 * that the peer, if it was heard meanwhile, is there. */
static void say_slow(struct sentence *sentence, const vital_verdict *verdict, int64_t quiet_ms)
{
    const int64_t heard_ms = verdict->pulse.heard_ms;

    add(sentence, "The peer does not read what we send: no byte of it has left for ");
    add_duration(sentence, quiet_ms);
    if (heard_ms >= 0 && heard_ms < quiet_ms) {
        add(sentence, ", though the peer was heard ");
        add_duration(sentence, heard_ms);
        add(sentence, " ago");
    }
}

static void say_cut(struct sentence *sentence, const vital_verdict *verdict, const char *what)
{
    const int64_t silence_ms = verdict->pulse.heard_ms;
    const struct idle_limit *limit = find_idle_limit(silence_ms);

    switch (verdict->error) {
    case 0:
        add(sentence, "The peer ended the stream without a close frame");
        break;
    case ECONNRESET:
        add(sentence, "The connection was reset");
        break;
    case EPIPE:
        add(sentence, "Sending failed, since the peer had ended the stream");
        break;
    default:
        add(sentence, "The connection failed");
        add_error(sentence, " (", verdict->error);
        add(sentence, ")");
        break;
    }
    if (silence_ms >= WORTH_SAYING_MS) {
        add(sentence, " after ");
        add_duration(sentence, silence_ms);
        add(sentence, " of silence");
    }
    if (limit != NULL)
        add_format(sentence, "; %s %s idle connections after %d s", limit->who,
                   limit->several ? "close" : "closes", limit->limit_s);
    add_what(sentence, "; ", what);
}

/* Causes whose sentence is one phrase, and what is known besides. */
static void say_phrase(struct sentence *sentence, vital_cause cause, const char *what)
{
    static const char *const phrases[VITAL_CAUSE_COUNT] = {
        [VITAL_UNTRUSTED] = "TLS established no trust",
        [VITAL_MISBEHAVED] = "The peer broke the protocol",
        [VITAL_OVERFLOW] = "A limit of ours was reached",
        [VITAL_SUPERSEDED] = "The connection was resumed on another socket",
    };
    const unsigned index = (unsigned)cause;
    const char *phrase = index < VITAL_CAUSE_COUNT ? phrases[index] : NULL;

    add(sentence, phrase != NULL ? phrase : "The connection was lost");
    add_what(sentence, ": ", what);
}

static void say(struct sentence *sentence, const vital_verdict *verdict,
                const vt_circumstances *circumstances)
{
    const char *what = circumstances->what;

    switch (verdict->cause) {
    case VITAL_CLOSED_BY_US:
    case VITAL_CLOSED_BY_PEER:
        say_closed(sentence, verdict, what);
        break;
    case VITAL_UNREACHABLE:
        say_unreachable(sentence, verdict, what);
        break;
    case VITAL_REJECTED:
        say_rejected(sentence, verdict, circumstances);
        break;
    case VITAL_SILENT:
        say_silent(sentence, verdict, circumstances);
        break;
    case VITAL_SLOW:
        if (circumstances->finding == VT_FOUND_SHUT)
            say_shut(sentence, circumstances);
        else
            say_slow(sentence, verdict, circumstances->quiet_ms);
        break;
    case VITAL_STUCK:
        say_stuck(sentence, circumstances);
        break;
    case VITAL_DEAF:
        say_deaf(sentence, verdict, circumstances);
        break;
    case VITAL_CUT:
        say_cut(sentence, verdict, what);
        break;
    case VITAL_UNTRUSTED:
    case VITAL_MISBEHAVED:
    case VITAL_OVERFLOW:
    case VITAL_SUPERSEDED:
    case VITAL_CAUSE_COUNT:
    default:
        say_phrase(sentence, verdict->cause, what);
        break;
    }
    add(sentence, ".");
}

/* What is lost with a connection that does not come back. After an orderly close
 * that a message was not confirmed is the rule, and no news: only the number in
 * the verdict says so. */
static void say_lost_messages(struct sentence *sentence, const vital_verdict *verdict)
{
    const bool orderly = verdict->cause == VITAL_CLOSED_BY_US ||
                         verdict->cause == VITAL_CLOSED_BY_PEER;
    const uint64_t unsent = verdict->unsent;
    const uint64_t unconfirmed = orderly ? 0 : verdict->unconfirmed;

    if (!verdict->final || (unsent == 0 && unconfirmed == 0))
        return;
    if (unsent > 0)
        add_format(sentence, " %" PRIu64 " %s not sent", unsent,
                   unsent == 1 ? "message was" : "messages were");
    if (unsent > 0 && unconfirmed > 0)
        add_format(sentence, ", %" PRIu64 " %s", unconfirmed, unconfirmed == 1 ? "was" : "were");
    else if (unconfirmed > 0)
        add_format(sentence, " %" PRIu64 " %s", unconfirmed,
                   unconfirmed == 1 ? "message was" : "messages were");
    if (unconfirmed > 0)
        add(sentence, " sent without proof of arrival");
    add(sentence, ".");
}

void vt_verdict_describe(vital_verdict *verdict, const vt_circumstances *circumstances)
{
    /* The messages are counted first, so that a long reason cannot push them out. */
    char counts[128] = "";
    struct sentence tail = {.text = counts, .room = sizeof counts};
    say_lost_messages(&tail, verdict);
    assert(!tail.full);

    struct sentence main_part = {.text = verdict->text, .room = sizeof verdict->text - tail.used};
    verdict->text[0] = '\0';
    say(&main_part, verdict, circumstances);
    mark_if_cut(&main_part);
    memcpy(verdict->text + main_part.used, counts, tail.used + 1);
}
