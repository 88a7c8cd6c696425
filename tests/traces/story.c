/*
 * The language of the stories. Every kind of sentence is a row of a table: a
 * pattern of words, and what it does.
 *
 *   SIDE   client or server           TIME   "25 s", "1.5 s", "40 ms", "2 min", "1 h"
 *   N      a whole number             TEXT   "in quotes", with \r \n \" \\ \xHH
 */
#include "story.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { WORDS_MAX = 24, WORD_BYTES = 400, ARGUMENTS_MAX = 4, TEXTS_MAX = 16 };

struct word {
    char text[WORD_BYTES];
    size_t size;
    bool quoted;
};

struct arguments {
    enum world_side side;
    int64_t number[ARGUMENTS_MAX]; /* N and TIME, in order; TIME in microseconds */
    vital_bytes text[ARGUMENTS_MAX];
};

struct story {
    struct world_settings settings;
    struct world *world; /* NULL until something happens */
    char problem[300];
    char *texts[TEXTS_MAX]; /* that the policies point to; owned */
    int text_count;
};

/* False: see story->problem. */
typedef bool (*action)(struct story *story, const struct arguments *arguments);

__attribute__((format(printf, 2, 3))) static bool fail(struct story *story, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(story->problem, sizeof story->problem, format, arguments);
    va_end(arguments);
    return false;
}

/* ---------------------------------------------------------------- before it begins */

static bool set_policy(struct story *story)
{
    return story->world == NULL || fail(story, "this must be said before anything happens");
}

static bool is_seeded(struct story *story, const struct arguments *arguments)
{
    story->settings.seed = (uint64_t)arguments->number[0];
    return set_policy(story);
}

static bool has_delay(struct story *story, const struct arguments *arguments)
{
    story->settings.delay_us = arguments->number[0];
    return set_policy(story);
}

static vital_policy *policy_of(struct story *story, const struct arguments *arguments)
{
    return &story->settings.policies[arguments->side];
}

static int in_ms(int64_t us)
{
    return (int)(us / 1000);
}

static bool beats_every(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->heartbeat.interval_ms = in_ms(arguments->number[0]);
    return set_policy(story);
}

static bool never_beats(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->heartbeat.kind = VITAL_BEAT_NONE;
    return set_policy(story);
}

static bool wants_answers(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->heartbeat.answer_ms = in_ms(arguments->number[0]);
    return set_policy(story);
}

static const char *keep_text(struct story *story, vital_bytes text)
{
    char *copy = strndup(text.data, text.size);
    if (copy == NULL || story->text_count == TEXTS_MAX)
        abort();
    story->texts[story->text_count++] = copy;
    return copy;
}

static bool beats_by_text(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->heartbeat.kind = VITAL_BEAT_TEXT;
    return set_policy(story);
}

static bool has_text(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->heartbeat.text = keep_text(story, arguments->text[0]);
    return set_policy(story);
}

static bool has_text_and_reply(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->heartbeat.reply = keep_text(story, arguments->text[1]);
    return has_text(story, arguments);
}

static bool has_queue(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->limits.queue_bytes = (size_t)arguments->number[0];
    return set_policy(story);
}

static bool never_returns(struct story *story, const struct arguments *arguments)
{
    policy_of(story, arguments)->reconnect.never = true;
    return set_policy(story);
}

/* The world, from the first thing that happens on; NULL with a problem. */
static struct world *world_of(struct story *story)
{
    const char *problem = NULL;
    if (story->world == NULL)
        story->world = world_create(&story->settings, &problem);
    if (story->world == NULL)
        fail(story, "%s", problem);
    return story->world;
}

/* ------------------------------------------------------------------------- time */

static bool at(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world == NULL)
        return false;
    if (arguments->number[0] < world_now_us(world))
        return fail(story, "it is %.3f s already", (double)world_now_us(world) / 1e6);
    world_run_until(world, arguments->number[0]);
    return true;
}

static bool after(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world != NULL)
        world_run_until(world, world_now_us(world) + arguments->number[0]);
    return world != NULL;
}

/* ------------------------------------------------------------------ the two sides */

static bool called(struct story *story, int error)
{
    return error == 0 || fail(story, "%s", vital_strerror(error));
}

static bool sends(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    return world != NULL &&
           called(story, world_send(world, arguments->side, VITAL_TEXT, arguments->text[0]));
}

static bool sends_bytes(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    size_t size = (size_t)arguments->number[0];
    char *bytes = calloc(1, size + 1);
    if (bytes == NULL)
        abort();
    int error = world == NULL
                    ? 0
                    : world_send(world, arguments->side, VITAL_BINARY, (vital_bytes){bytes, size});
    free(bytes);
    return world != NULL && called(story, error);
}

static bool pings(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    return world != NULL && called(story, world_ping(world, arguments->side, arguments->text[0]));
}

static bool closes_saying(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    const char *reason = keep_text(story, arguments->text[0]);
    return world != NULL && called(story, world_close(world, arguments->side,
                                                      (uint16_t)arguments->number[0], reason));
}

static bool closes(struct story *story, const struct arguments *arguments)
{
    struct arguments silent = *arguments;
    silent.text[0] = vital_text("");
    return closes_saying(story, &silent);
}

static bool tells_beats(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world != NULL)
        world_tally(world, arguments->side);
    return world != NULL;
}

static bool stalls(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world != NULL)
        world_stall(world, arguments->side, arguments->number[0]);
    return world != NULL;
}

static bool freezes(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world != NULL)
        world_freeze(world, arguments->side);
    return world != NULL;
}

static bool thaws(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world != NULL)
        world_thaw(world, arguments->side);
    return world != NULL;
}

/* -------------------------------------------------------------------- the network */

static bool mute(struct story *story, bool client, bool server)
{
    struct world *world = world_of(story);
    if (world == NULL)
        return false;
    world_mute(world, WORLD_CLIENT, client);
    world_mute(world, WORLD_SERVER, server);
    return true;
}

static bool swallows_all(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    return mute(story, true, true);
}

static bool swallows_from(struct story *story, const struct arguments *arguments)
{
    return mute(story, arguments->side == WORLD_CLIENT, arguments->side == WORLD_SERVER);
}

static bool heals(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    return mute(story, false, false);
}

static bool carries(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    if (world != NULL)
        world_set_rate(world, arguments->side, arguments->number[0]);
    return world != NULL;
}

static bool takes_nothing(struct story *story, const struct arguments *arguments)
{
    struct arguments nothing = *arguments;
    nothing.number[0] = 0;
    return carries(story, &nothing);
}

static bool takes_all(struct story *story, const struct arguments *arguments)
{
    struct arguments all = *arguments;
    all.number[0] = -1;
    return carries(story, &all);
}

static bool resets(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    struct world *world = world_of(story);
    if (world != NULL)
        world_cut(world, ECONNRESET);
    return world != NULL;
}

static bool ends(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    struct world *world = world_of(story);
    if (world != NULL)
        world_cut(world, 0);
    return world != NULL;
}

/* -------------------------------------------------------------- the server's side */

/* Holds from the next attempt on, the first one included. */
static bool host(struct story *story, enum world_host host)
{
    story->settings.host = host;
    if (story->world != NULL)
        world_host(story->world, host);
    return true;
}

static bool is_a_peer(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    return host(story, WORLD_PEER);
}

static bool refuses(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    return host(story, WORLD_REFUSES);
}

static bool listens(struct story *story, const struct arguments *arguments)
{
    (void)arguments;
    return host(story, WORLD_ENGINE);
}

static bool answers_http(struct story *story, const struct arguments *arguments)
{
    char head[2 * WORD_BYTES];
    host(story, WORLD_HTTP);
    struct world *world = world_of(story);
    snprintf(head, sizeof head, "HTTP/1.1 %d %.*s\r\n%.*s%s\r\n", (int)arguments->number[0],
             (int)arguments->text[0].size, (const char *)arguments->text[0].data,
             (int)arguments->text[1].size,
             arguments->text[1].data == NULL ? "" : (const char *)arguments->text[1].data,
             arguments->text[1].size == 0 ? "" : "\r\n");
    if (world != NULL)
        world_answer(world, head);
    return world != NULL;
}

static bool peer_answers(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    (void)arguments;
    if (world != NULL)
        world_peer_answers(world, true);
    return world != NULL;
}

static bool peer_eats(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    (void)arguments;
    if (world != NULL)
        world_peer_answers(world, false);
    return world != NULL;
}

static bool peer_sends(struct story *story, vt_opcode opcode, vital_bytes payload)
{
    struct world *world = world_of(story);
    return world != NULL && called(story, world_peer_sends(world, opcode, payload));
}

static bool peer_sends_text(struct story *story, const struct arguments *arguments)
{
    return peer_sends(story, VT_OP_TEXT, arguments->text[0]);
}

static bool peer_sends_ping(struct story *story, const struct arguments *arguments)
{
    return peer_sends(story, VT_OP_PING, arguments->text[0]);
}

static bool peer_sends_pong(struct story *story, const struct arguments *arguments)
{
    return peer_sends(story, VT_OP_PONG, arguments->text[0]);
}

static bool peer_closes(struct story *story, const struct arguments *arguments)
{
    uint8_t payload[2 + WORD_BYTES];
    size_t size = arguments->text[0].size;
    payload[0] = (uint8_t)(arguments->number[0] >> 8);
    payload[1] = (uint8_t)arguments->number[0];
    if (size > 123)
        return fail(story, "the reason is too long");
    memcpy(payload + 2, arguments->text[0].data, size);
    return peer_sends(story, VT_OP_CLOSE, (vital_bytes){payload, 2 + size});
}

static bool peer_sends_bytes(struct story *story, const struct arguments *arguments)
{
    struct world *world = world_of(story);
    return world != NULL && called(story, world_peer_sends_bytes(world, arguments->text[0]));
}

/* ---------------------------------------------------------------------- the grammar */

static const struct sentence {
    const char *pattern;
    action act;
} sentences[] = {
    /* before anything happens */
    {"the seed is N", is_seeded},
    {"the way takes TIME", has_delay},
    {"SIDE beats every TIME", beats_every},
    {"SIDE never beats", never_beats},
    {"SIDE wants answers within TIME", wants_answers},
    {"SIDE beats by text", beats_by_text},
    {"SIDE has the text TEXT", has_text},
    {"SIDE has the text TEXT and the reply TEXT", has_text_and_reply},
    {"SIDE queues at most N bytes", has_queue},
    {"client never returns", never_returns},

    /* time */
    {"at TIME", at},
    {"after TIME", after},

    /* the two sides */
    {"SIDE sends TEXT", sends},
    {"SIDE sends N bytes", sends_bytes},
    {"SIDE pings TEXT", pings},
    {"SIDE closes N", closes},
    {"SIDE closes N TEXT", closes_saying},
    {"SIDE stalls TIME", stalls},
    {"SIDE is frozen", freezes},
    {"SIDE is thawed", thaws},
    {"SIDE tells its beats", tells_beats},

    /* the network */
    {"network swallows everything", swallows_all},
    {"network swallows what SIDE sends", swallows_from},
    {"network heals", heals},
    {"network carries N bytes a second from SIDE", carries},
    {"network takes nothing from SIDE", takes_nothing},
    {"network takes everything from SIDE", takes_all},
    {"network resets the connection", resets},
    {"network ends the connection", ends},

    /* who is there, from the next attempt on */
    {"server listens", listens},
    {"server refuses connections", refuses},
    {"server answers N TEXT", answers_http},
    {"server answers N TEXT with TEXT", answers_http},
    {"server is a peer", is_a_peer},

    /* what that peer does */
    {"peer answers beats", peer_answers},
    {"peer eats beats", peer_eats},
    {"peer sends TEXT", peer_sends_text},
    {"peer sends ping TEXT", peer_sends_ping},
    {"peer sends pong TEXT", peer_sends_pong},
    {"peer sends bytes TEXT", peer_sends_bytes},
    {"peer closes N TEXT", peer_closes},
};

static bool is_number(const struct word *word, double *out)
{
    char *end;
    *out = strtod(word->text, &end);
    return !word->quoted && word->size > 0 && isdigit((unsigned char)word->text[0]) && *end == '\0';
}

/* Microseconds; -1 if it is no time. */
static int64_t read_time(const struct word *amount, const struct word *unit)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"ms", 1e3}, {"s", 1e6}, {"min", 60e6}, {"h", 3600e6}};
    double value;
    if (!is_number(amount, &value))
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit->text, units[i].name) == 0)
            return (int64_t)(value * units[i].us + 0.5);
    return -1;
}

/* Takes as many words as one element of a pattern stands for; 0: they do not fit. */
static int match_element(const char *element, size_t length, const struct word *words, int count,
                         struct arguments *out, int *numbers, int *texts)
{
    double value;
    if (length == 4 && memcmp(element, "SIDE", 4) == 0) {
        out->side = strcmp(words[0].text, "server") == 0 ? WORLD_SERVER : WORLD_CLIENT;
        return strcmp(words[0].text, "client") == 0 || out->side == WORLD_SERVER;
    }
    if (length == 4 && memcmp(element, "TEXT", 4) == 0) {
        out->text[(*texts)++] = (vital_bytes){words[0].text, words[0].size};
        return words[0].quoted;
    }
    if (length == 4 && memcmp(element, "TIME", 4) == 0) {
        int64_t time_us = count < 2 ? -1 : read_time(&words[0], &words[1]);
        out->number[(*numbers)++] = time_us;
        return time_us < 0 ? 0 : 2;
    }
    if (length == 1 && element[0] == 'N') {
        if (!is_number(&words[0], &value))
            return 0;
        out->number[(*numbers)++] = (int64_t)value;
        return 1;
    }
    return !words[0].quoted && words[0].size == length &&
           memcmp(words[0].text, element, length) == 0;
}

static bool match(const char *pattern, const struct word *words, int count, struct arguments *out)
{
    int numbers = 0;
    int texts = 0;
    *out = (struct arguments){.side = WORLD_CLIENT};
    while (*pattern != '\0') {
        size_t length = strcspn(pattern, " ");
        int taken = count == 0
                        ? 0
                        : match_element(pattern, length, words, count, out, &numbers, &texts);
        if (taken == 0)
            return false;
        words += taken;
        count -= taken;
        pattern += length;
        pattern += strspn(pattern, " ");
    }
    return count == 0;
}

/* One character of a quoted text; false at its end. */
static bool read_quoted(const char **at, char *out)
{
    const char *p = *at;
    if (*p == '"' || *p == '\0')
        return false;
    if (*p != '\\') {
        *out = *p++;
    } else if (p[1] == 'x' && isxdigit((unsigned char)p[2]) && isxdigit((unsigned char)p[3])) {
        const char digits[] = {p[2], p[3], '\0'};
        *out = (char)strtol(digits, NULL, 16);
        p += 4;
    } else {
        *out = p[1] == 'n' ? '\n' : p[1] == 'r' ? '\r' : p[1];
        p += p[1] == '\0' ? 1 : 2;
    }
    *at = p;
    return true;
}

/* Cuts a line into words. -1 if that cannot be done. */
static int read_words(const char *line, struct word words[WORDS_MAX])
{
    int count = 0;
    for (;;) {
        line += strspn(line, " \t");
        if (*line == '\0' || *line == '#')
            return count;
        if (count == WORDS_MAX)
            return -1;
        struct word *word = &words[count++];
        *word = (struct word){.quoted = *line == '"'};
        char character = 0;
        line += word->quoted;
        while (word->quoted ? read_quoted(&line, &character)
                            : *line != '\0' && strchr(" \t", *line) == NULL) {
            if (word->size == WORD_BYTES - 1)
                return -1;
            word->text[word->size++] = word->quoted ? character : *line++;
        }
        if (word->quoted && *line++ != '"')
            return -1;
    }
}

static bool play_words(struct story *story, const struct word *words, int count);

/* "every TIME for TIME: SENTENCE; SENTENCE". The words after the colon. */
static bool repeat(struct story *story, const struct word *words, int count)
{
    int64_t every_us = count < 6 ? -1 : read_time(&words[1], &words[2]);
    int64_t for_us = -1;
    struct word unit;
    if (every_us > 0 && strcmp(words[3].text, "for") == 0) {
        unit = words[5];
        if (unit.size > 0 && unit.text[unit.size - 1] == ':')
            unit.text[--unit.size] = '\0';
        for_us = read_time(&words[4], &unit);
    }
    struct world *world = world_of(story);
    if (world == NULL)
        return false;
    if (for_us < 0)
        return fail(story, "say: every TIME for TIME: SENTENCE; SENTENCE");
    const int64_t end_us = world_now_us(world) + for_us;
    while (world_now_us(world) + every_us <= end_us) {
        world_run_until(world, world_now_us(world) + every_us);
        for (int i = 6; i < count;) {
            struct word sentence[WORDS_MAX];
            int size = 0;
            bool more = true;
            while (i < count && more) {
                sentence[size] = words[i++];
                struct word *word = &sentence[size++];
                more = word->quoted || word->text[word->size - 1] != ';';
                if (!more)
                    word->text[--word->size] = '\0';
                if (word->size == 0 && !word->quoted)
                    size--; /* a semicolon of its own */
            }
            if (!play_words(story, sentence, size))
                return false;
        }
    }
    world_run_until(world, end_us);
    return true;
}

static bool play_words(struct story *story, const struct word *words, int count)
{
    struct arguments arguments;
    if (count > 0 && !words[0].quoted && strcmp(words[0].text, "every") == 0)
        return repeat(story, words, count);
    if (count > 1 && !words[0].quoted && strcmp(words[0].text, "quietly") == 0) {
        struct world *world = world_of(story);
        if (world == NULL)
            return false;
        world_print_nothing(world, true);
        bool good = play_words(story, words + 1, count - 1);
        world_print_nothing(world, false);
        return good;
    }
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
        if (match(sentences[i].pattern, words, count, &arguments))
            return sentences[i].act(story, &arguments);
    return fail(story, "no such sentence: see README.md here");
}

static bool play_line(struct story *story, const char *line)
{
    struct word words[WORDS_MAX];
    int count = read_words(line, words);
    if (count < 0)
        return fail(story, "a text without an end, or a line that is too long");
    return count == 0 || play_words(story, words, count);
}

struct story *story_begin(void)
{
    struct story *story = calloc(1, sizeof *story);
    if (story == NULL)
        abort();
    story->settings = (struct world_settings){
        .seed = 1,
        .delay_us = 20 * 1000,
        .policies = {{.role = VITAL_CLIENT, .host = "example.org", .path = "/"},
                     {.role = VITAL_SERVER}},
    };
    return story;
}

void story_end(struct story *story)
{
    if (story == NULL)
        return;
    world_destroy(story->world);
    for (int i = 0; i < story->text_count; i++)
        free(story->texts[i]);
    free(story);
}

char *story_play(struct story *story, const char *text, int *line, const char **problem)
{
    char *copy = strdup(text);
    char *rest = copy;
    bool good = copy != NULL;
    *line = 0;
    for (char *one; good && (one = strsep(&rest, "\n")) != NULL;) {
        ++*line;
        good = play_line(story, one);
    }
    free(copy);
    if (!good) {
        *problem = story->problem;
        return NULL;
    }
    return story->world == NULL ? strdup("") : world_take_trace(story->world);
}
