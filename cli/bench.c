/*
 * `vital bench`: how many messages a server answers, how fast, and what its
 * connections cost. One loop, hence one core: see bench.h for what happens, and when.
 */
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "exits.h"
#include "options.h"

enum {
    CONNECTIONS_MOST = 1000000,
    RATE_MOST = 100000000,
    IN_FLIGHT_MOST = 65536,
    DESCRIPTORS_BESIDE = 32, /* what there is but connections */
    BEAT_S = 25,             /* vital's own interval */
};

static const char program[] = "vital bench";

static const bench_mode *const modes[] = {&BENCH_ECHO,   &BENCH_IDLE,  &BENCH_BEAT,
                                          &BENCH_FANOUT, &BENCH_CHURN, &BENCH_STORM};

static int choose_mode(bench_settings *settings, const options_page *page)
{
    const char *name = settings->mode_name != NULL ? settings->mode_name : "echo";
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i]->name, name) == 0)
            settings->mode = modes[i];
    }
    if (settings->mode == NULL)
        return options_complain(
            page, "--mode %s is not known; there are echo, idle, beat, fanout, churn and storm",
            name);
    return OPTIONS_READY;
}

static int read_limits(bench_settings *settings, const options_page *page)
{
    for (size_t i = 0; settings->limit_texts != NULL && settings->limit_texts[i] != NULL; i++) {
        const char *text = settings->limit_texts[i];
        if (i == BENCH_LIMITS_MOST)
            return options_complain(page, "--fail-if can be given %d times", BENCH_LIMITS_MOST);
        bench_limit *limit = &settings->limits[settings->limit_count++];
        const char *problem = bench_limit_parse(limit, text);
        if (problem != NULL)
            return options_complain(page, "--fail-if '%s' %s", text, problem);
        bool of_process = limit->measure == BENCH_MEMORY || limit->measure == BENCH_CPU;
        if (of_process && settings->pid == 0)
            return options_complain(page, "--fail-if '%s' needs the --pid of the server", text);
    }
    return OPTIONS_READY;
}

/* The soft limit is low for select(2)'s sake. */
static int allow_descriptors(const bench_settings *settings, const options_page *page)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)settings->connections + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return OPTIONS_READY;
    if (limit.rlim_max < needed) { /* the administrator may have more */
        limit.rlim_cur = limit.rlim_max = needed;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
            return OPTIONS_READY;
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_max < needed)
        return options_complain(page,
                                "--connections %d is more than the %llu descriptors that are "
                                "allowed here; try: ulimit -Hn %llu",
                                settings->connections, (unsigned long long)limit.rlim_max,
                                (unsigned long long)needed);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return OPTIONS_READY;
}

/* What does not go together with a mode. */
static int check_load(const bench_settings *settings, const options_page *page)
{
    const bench_mode *mode = settings->mode;
    bool quiet = mode == &BENCH_IDLE || mode == &BENCH_STORM;
    if (quiet && (settings->rate > 0 || settings->in_flight > 0 || settings->warm_up_ms > 0))
        return options_complain(
            page, "--mode %s has no schedule: it takes no --rate, --in-flight or --warm-up",
            mode->name);
    if (mode == &BENCH_CHURN && settings->in_flight > 0)
        return options_complain(page, "--mode churn sends one message over each connection; how "
                                      "many are open is said with --connections");
    if (mode == &BENCH_FANOUT && settings->size_bytes < BENCH_FANOUT_LEAST_BYTES)
        return options_complain(page, "--mode fanout needs messages of %dB at least",
                                BENCH_FANOUT_LEAST_BYTES);
    if (mode == &BENCH_FANOUT && settings->connections < 2)
        return options_complain(page, "--mode fanout needs two --connections at least");
    if (settings->together && mode != &BENCH_ECHO && mode != &BENCH_BEAT)
        return options_complain(page, "--together is for --mode echo and --mode beat");
    return OPTIONS_READY;
}

static int check(bench_settings *settings, const options_page *page)
{
    int result = choose_mode(settings, page);
    if (result == OPTIONS_READY)
        result = read_limits(settings, page);
    if (result == OPTIONS_READY)
        result = allow_descriptors(settings, page);
    if (result == OPTIONS_READY)
        result = client_check(&settings->client, page);
    if (result != OPTIONS_READY)
        return result;
    result = check_load(settings, page);
    if (result != OPTIONS_READY)
        return result;
    if (settings->mode == &BENCH_BEAT && settings->rate == 0)
        settings->rate = settings->connections < BEAT_S ? 1 : settings->connections / BEAT_S;
    if (settings->together && settings->rate == 0)
        return options_complain(page, "--together needs a --rate");
    return OPTIONS_READY;
}

static const char about[] =
    "Loads a WebSocket server, and measures how many messages it answers and how\n"
    "fast. Modes: echo (messages that come back), beat (pings), idle (connect, and\n"
    "hold), fanout (one says, all hear), churn (connect, echo, close, again), storm\n"
    "(all connect at once).";

static const char after[] =
    "--fail-if takes a measure, > or <, and a value: p50, p99.9, min, mean, max (of\n"
    "times), rate, failed, lost, unanswered, memory, cpu; 'p99>50ms', 'rate<10000'.\n"
    "Exit codes: 0 measured, 1 nothing was answered, 2 anything else, 3 a --fail-if.\n";

static int read_settings(cli_options *options, bench_settings *to, int argc, const char **argv)
{
    /* clang-format off */
    const cli_option table[] = {
        {"connections", 'c', OPTION_NUMBER,
         {.number = &to->connections, .least = 1, .most = CONNECTIONS_MOST}, "COUNT",
         "connections (50)"},
        {"mode", 'm', OPTION_TEXT, {.text = &to->mode_name}, "MODE",
         "what to do: echo, idle, beat, fanout, churn or storm (echo)"},
        {"rate", 'r', OPTION_NUMBER, {.number = &to->rate, .least = 1, .most = RATE_MOST},
         "COUNT", "messages a second, of all connections together (as fast as they are answered)"},
        {"in-flight", 'i', OPTION_NUMBER,
         {.number = &to->in_flight, .least = 1, .most = IN_FLIGHT_MOST}, "COUNT",
         "messages of a connection without an answer, at most (1; with --rate: no limit)"},
        {"duration", 'd', OPTION_DURATION, {.duration_ms = &to->duration_ms}, "TIME",
         "how long to measure (10s)"},
        {"warm-up", 'w', OPTION_DURATION, {.duration_ms = &to->warm_up_ms}, "TIME",
         "how long to do so before (0)"},
        {"size", 's', OPTION_SIZE, {.size_bytes = &to->size_bytes}, "SIZE",
         "of a message (64B)"},
        {"text", 't', OPTION_FLAG, {.flag = &to->text}, NULL,
         "send text messages, and not binary ones"},
        {"together", 0, OPTION_FLAG, {.flag = &to->together}, NULL,
         "with --rate: all connections at the same moment, and not evenly spread"},
        {"timeout", 'W', OPTION_DURATION, {.duration_ms = &to->timeout_ms}, "TIME",
         "how long to wait for a connection, and in the end for answers (10s)"},
        {"from", 0, OPTION_TEXTS, {.texts = &to->from}, "ADDRESS",
         "connect from this address of ours; if repeated, from each in turn"},
        {"pid", 'p', OPTION_NUMBER, {.number = &to->pid, .least = 1, .most = INT_MAX}, "PID",
         "measure the memory and the CPU time of this process: the server, if it is local"},
        {"fail-if", 'f', OPTION_TEXTS, {.texts = &to->limit_texts}, "LIMIT",
         "end with 3 if the result is such, as 'p99>50ms'; may be repeated"},
        {"header", 'H', OPTION_TEXTS, {.texts = &to->headers}, "'NAME: VALUE'",
         "add a header to the opening handshakes; may be repeated"},
        {"compress", 'z', OPTION_FLAG, {.flag = &to->compress}, NULL,
         "offer to compress messages (permessage-deflate)"},
        {"json", 'j', OPTION_FLAG, {.flag = &to->json}, NULL,
         "print every event as one JSON object a line"},
        {"quiet", 'q', OPTION_FLAG, {.flag = &to->quiet}, NULL,
         "only the result"},
        {0},
    };
    /* clang-format on */
    cli_option more[CLIENT_OPTIONS];
    client_options(more, &to->client);
    const options_page page = {
        .command = program,
        .about = about,
        .argument = "URL",
        .after = after,
        .table = table,
        .more = more,
    };
    int result = options_read(options, &page, argc, argv);
    to->url = options->argument;
    return result == OPTIONS_READY ? check(to, &page) : result;
}

int bench_command(int argc, const char **argv)
{
    cli_options options;
    bench_settings settings = {
        .connections = 50,
        .duration_ms = 10000,
        .timeout_ms = 10000,
        .size_bytes = 64,
        .client = {.follow = CLIENT_FOLLOW},
    };
    int result = read_settings(&options, &settings, argc, argv);
    if (result == OPTIONS_READY)
        result = bench_run(&settings);
    options_finish(&options);
    return result;
}
