/*
 * vital-sim: lives through seeds, and tells which of them broke a property. The
 * last line is the sum; its hash is that of everything that happened in all of
 * them, so that two builds can be compared.
 */
#include <inttypes.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "shrink.h"

enum { EXIT_FINE = 0, EXIT_VIOLATED = 1, EXIT_USAGE = 2, JOBS_MOST = 64, FAULT_EVERY_S = 30 };

static const int64_t HOUR_US = INT64_C(3600) * 1000000;

struct settings {
    char *seeds; /* malloc'd by popt, as the next */
    char *only;
    char *without;
    char *keep;
    int clients;
    int processes;
    int naive;
    double hours;
    double fault_every_s;
    double beat_s;
    int opens_per_s;
    double loss; /* of a hundred packets; less than 0: drawn */
    int no_faults;
    int quiet;
    int jobs;
    int no_shrink;
    int trace;

    uint64_t first, last; /* of the seeds */
    uint64_t kinds;
    unsigned features;
};

/* ------------------------------------------------------------------- reading */

/* "7" or "1..1000". */
static bool parse_seeds(const char *text, uint64_t *first, uint64_t *last)
{
    char *end;
    *first = strtoull(text, &end, 10);
    *last = *first;
    if (end == text)
        return false;
    if (end[0] == '.' && end[1] == '.')
        *last = strtoull(end + 2, &end, 10);
    return *end == '\0' && *last >= *first;
}

static const char *const FEATURE_WORDS[SIM_FEATURE_COUNT] = {
#define SIM_FEATURE_WORD(name, word, what) word,
    SIM_FEATURES(SIM_FEATURE_WORD)
#undef SIM_FEATURE_WORD
};

static bool parse_features(char *words, unsigned *features)
{
    for (char *word = strtok(words, ","); word != NULL; word = strtok(NULL, ",")) {
        int feature = 0;
        while (feature < SIM_FEATURE_COUNT && strcmp(word, FEATURE_WORDS[feature]) != 0)
            feature++;
        if (feature == SIM_FEATURE_COUNT)
            return false;
        *features &= ~(1u << feature);
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *complete(struct settings *settings)
{
    settings->features = SIM_ALL_FEATURES;
    settings->kinds = settings->no_faults ? 0 : UINT64_MAX;
    if (!parse_seeds(settings->seeds == NULL ? "1..100" : settings->seeds, &settings->first,
                     &settings->last))
        return "--seeds is a number, or a range such as 1..1000";
    if (settings->only != NULL && !sim_fault_parse(settings->only, &settings->kinds))
        return "--only has a word that is no fault; --list tells them";
    if (settings->without != NULL && !parse_features(settings->without, &settings->features))
        return "--without has a word that is no feature; --list tells them";
    if (settings->clients < 1 || settings->processes < 1 ||
        settings->processes > SIM_PROCESSES_MOST || !(settings->hours > 0))
        return "there must be clients, up to 240 processes, and some time";
    if (!(settings->fault_every_s > 0) || settings->beat_s < 0 || settings->opens_per_s < 0 ||
        settings->naive < 0 || settings->jobs < 1 || settings->jobs > JOBS_MOST)
        return "a number is too small, or too large";
    if (settings->loss > 50)
        return "--loss is of a hundred packets, and at most 50";
    if (settings->keep != NULL && settings->first != settings->last)
        return "--keep is about one seed";
    return NULL;
}

/* -------------------------------------------------------------------- a seed */

static sim_options options_of(const struct settings *settings, uint64_t seed)
{
    return (sim_options){
        .seed = seed,
        .clients = settings->clients,
        .processes = settings->processes,
        .naive = settings->naive,
        .span_us = (int64_t)(settings->hours * (double)HOUR_US),
        .interval_ms = (int64_t)(settings->beat_s * 1000),
        .opens_per_s = settings->opens_per_s,
        .loss_per_mille = settings->loss < 0 ? -1 : (int)(settings->loss * 10),
        .features = settings->features,
        .quiet = settings->quiet,
        .trace = settings->trace,
    };
}

/* Leaves out all but those whose numbers are listed. */
static void keep_only(sim_plan *plan, const char *numbers)
{
    for (size_t i = 0; i < plan->count; i++)
        plan->faults[i].off = true;
    while (*numbers != '\0') {
        char *end;
        size_t number = strtoull(numbers, &end, 10);
        if (end == numbers)
            return;
        if (number < plan->count)
            plan->faults[number].off = false;
        numbers = end + (*end == ',');
    }
}

static sim_plan plan_of(const struct settings *settings, const sim_options *options)
{
    sim_plan plan;
    sim_plan_draw(&plan, options->seed, options->span_us,
                  (int64_t)(settings->fault_every_s * 1000000), settings->kinds);
    if (settings->keep != NULL)
        keep_only(&plan, settings->keep);
    return plan;
}

/* How to see it again. */
static void print_command(const struct settings *settings, const sim_options *options,
                          const sim_plan *plan)
{
    printf("vital-sim --seeds %" PRIu64 " --clients %d --processes %d --hours %.6g --trace",
           options->seed, options->clients, options->processes,
           (double)options->span_us / (double)HOUR_US);
    if (settings->fault_every_s != FAULT_EVERY_S)
        printf(" --fault-every %.6g", settings->fault_every_s);
    if (options->opens_per_s > 0)
        printf(" --opens-per-s %d", options->opens_per_s);
    if (options->interval_ms > 0)
        printf(" --beat %.6g", settings->beat_s);
    if (options->loss_per_mille >= 0)
        printf(" --loss %.6g", settings->loss);
    if (options->quiet)
        printf(" --quiet");
    const char *before = " --without ";
    for (int feature = 0; feature < SIM_FEATURE_COUNT; feature++) {
        if ((options->features >> feature & 1) == 0) {
            printf("%s%s", before, FEATURE_WORDS[feature]);
            before = ",";
        }
    }
    if (settings->only != NULL)
        printf(" --only %s", settings->only);
    before = " --keep ";
    for (size_t i = 0; i < plan->count && !settings->no_faults; i++) {
        if (!plan->faults[i].off) {
            printf("%s%zu", before, i);
            before = ",";
        }
    }
    puts(before[0] == ' ' ? " --no-faults" : "");
}

/* The least of it that still fails, told as a story. */
static void tell_failure(const struct settings *settings, uint64_t seed)
{
    sim_options options = options_of(settings, seed);
    sim_plan plan = plan_of(settings, &options);
    printf("seed %" PRIu64 " is shrunk; what is left of it, and how to see it again:\n", seed);
    fflush(stdout);
    sim_shrink(&options, &plan);
    print_command(settings, &options, &plan);
    options.trace = true;
    sim_live(&options, &plan);
    sim_plan_finish(&plan);
}

static sim_result live_seed(const struct settings *settings, uint64_t seed)
{
    sim_options options = options_of(settings, seed);
    sim_plan plan = plan_of(settings, &options);
    sim_result result = sim_live(&options, &plan);
    sim_plan_finish(&plan);
    return result;
}

/* ------------------------------------------------------------------ many seeds */

static void add(sim_result *sum, const sim_result *one)
{
    sum->connections += one->connections;
    sum->beats += one->beats;
    sum->messages += one->messages;
    sum->faults += one->faults;
    sum->verdicts += one->verdicts;
    sum->naive_beats += one->naive_beats;
    sum->naive_mistakes += one->naive_mistakes;
    sum->violations += one->violations;
    sum->hash = (sum->hash ^ one->hash) * UINT64_C(1099511628211);
}

static void tell_progress(const struct settings *settings, uint64_t seed)
{
    if (isatty(STDERR_FILENO) && !settings->trace && (seed - settings->first) % 50 == 0)
        fprintf(stderr, "\rseed %" PRIu64 " of %" PRIu64, seed, settings->last);
}

/* Every jobs-th seed, from the first-th on; results go into the pipe. */
static void work(const struct settings *settings, int job, int out)
{
    for (uint64_t seed = settings->first + (uint64_t)job; seed <= settings->last;
         seed += (uint64_t)settings->jobs) {
        sim_result result = live_seed(settings, seed);
        if (write(out, &result, sizeof result) != sizeof result)
            _exit(EXIT_USAGE);
    }
    _exit(EXIT_FINE);
}

static bool start_jobs(const struct settings *settings, int pipes[])
{
    for (int job = 0; job < settings->jobs; job++) {
        int ends[2];
        if (pipe(ends) != 0)
            return false;
        pid_t child = fork();
        if (child < 0)
            return false;
        if (child == 0) {
            close(ends[0]);
            work(settings, job, ends[1]);
        }
        close(ends[1]);
        pipes[job] = ends[0];
    }
    return true;
}

/* False if the one who lives through that seed has died of it. */
static bool next_result(const struct settings *settings, const int pipes[], uint64_t seed,
                        sim_result *out)
{
    if (settings->jobs == 1) {
        *out = live_seed(settings, seed);
        return true;
    }
    uint8_t *at = (uint8_t *)out;
    size_t left = sizeof *out;
    int in = pipes[(seed - settings->first) % (uint64_t)settings->jobs];
    while (left > 0) {
        ssize_t size = read(in, at, left);
        if (size <= 0)
            return false;
        at += size;
        left -= (size_t)size;
    }
    return true;
}

static void print_sum(const struct settings *settings, const sim_result *sum)
{
    uint64_t seeds = settings->last - settings->first + 1;
    if (settings->naive > 0)
        printf("naive: beats %" PRIu64 ", healthy connections given up %" PRIu64 "\n",
               sum->naive_beats, sum->naive_mistakes);
    printf("seeds %" PRIu64 ", connections %" PRIu64 ", virtual hours %.0f, messages %" PRIu64
           ", beats %" PRIu64 ", faults %" PRIu64 ", violations %" PRIu64 ", hash %016" PRIx64 "\n",
           seeds, sum->connections, (double)seeds * settings->hours * settings->clients,
           sum->messages, sum->beats, sum->faults, sum->violations, sum->hash);
}

static int live(const struct settings *settings)
{
    sim_result sum = {.hash = UINT64_C(14695981039346656037)};
    int pipes[JOBS_MOST];
    uint64_t failed = 0;
    if (settings->jobs > 1 && !start_jobs(settings, pipes)) {
        perror("vital-sim");
        return EXIT_USAGE;
    }
    for (uint64_t seed = settings->first; seed <= settings->last; seed++) {
        sim_result result;
        if (!next_result(settings, pipes, seed, &result)) {
            printf("seed %" PRIu64 ": the program has died of it\n", seed);
            return EXIT_VIOLATED;
        }
        add(&sum, &result);
        if (result.violations > 0) {
            printf("seed %" PRIu64 ": %" PRIu64 " violations, the first: %s\n", seed,
                   result.violations, result.first_violation);
            failed = failed == 0 ? seed : failed;
        }
        tell_progress(settings, seed);
    }
    if (isatty(STDERR_FILENO) && !settings->trace)
        fprintf(stderr, "\r\033[K");
    if (failed > 0 && !settings->no_shrink && !settings->trace)
        tell_failure(settings, failed);
    print_sum(settings, &sum);
    return sum.violations > 0 ? EXIT_VIOLATED : EXIT_FINE;
}

static void list(void)
{
    puts("Faults, for --only:");
    for (int kind = 0; kind < SIM_FAULT_KINDS; kind++)
        printf("  %-14s %s\n", sim_fault_word((sim_fault_kind)kind),
               sim_fault_text((sim_fault_kind)kind));
    puts("Features, for --without:");
#define SIM_FEATURE_LINE(name, word, what) printf("  %-14s %s\n", word, what);
    SIM_FEATURES(SIM_FEATURE_LINE)
#undef SIM_FEATURE_LINE
}

int main(int argc, const char **argv)
{
    struct settings settings = {.clients = 20,
                                .processes = 4,
                                .hours = 1,
                                .fault_every_s = FAULT_EVERY_S,
                                .loss = -1,
                                .jobs = 1};
    int listing = 0;
    const struct poptOption table[] = {
        {"seeds", 's', POPT_ARG_STRING, &settings.seeds, 0, "one, or a range (1..100)", "A..B"},
        {"clients", 'c', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &settings.clients, 0,
         "clients of the one server", "COUNT"},
        {"processes", 'p', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &settings.processes, 0,
         "processes that they are spread over", "COUNT"},
        {"hours", 'H', POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &settings.hours, 0,
         "virtual hours of each seed", "HOURS"},
        {"opens-per-s", 0, POPT_ARG_INT, &settings.opens_per_s, 0,
         "that the server lets in; the others are told when to come back", "N"},
        {"beat", 0, POPT_ARG_DOUBLE, &settings.beat_s, 0,
         "interval of the heartbeat, if not the default", "SECONDS"},
        {"quiet", 'q', POPT_ARG_NONE, &settings.quiet, 0, "nobody says anything but beats", NULL},
        {"naive", 0, POPT_ARG_INT, &settings.naive, 0,
         "add clients with a fixed timer and a plain timeout, for comparison", "COUNT"},
        {"fault-every", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &settings.fault_every_s, 0,
         "mean time between faults", "SECONDS"},
        {"loss", 0, POPT_ARG_DOUBLE, &settings.loss, 0,
         "packets lost on every path, instead of a number from 0 to 10", "PERCENT"},
        {"no-faults", 0, POPT_ARG_NONE, &settings.no_faults, 0, "only what the network is like",
         NULL},
        {"only", 0, POPT_ARG_STRING, &settings.only, 0, "only these faults", "WORD,..."},
        {"without", 0, POPT_ARG_STRING, &settings.without, 0, "without these features", "WORD,..."},
        {"keep", 0, POPT_ARG_STRING, &settings.keep, 0, "only the faults with these numbers",
         "N,..."},
        {"list", 0, POPT_ARG_NONE, &listing, 0, "list faults and features", NULL},
        {"jobs", 'j', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &settings.jobs, 0,
         "seeds to live through at the same time", "COUNT"},
        {"no-shrink", 0, POPT_ARG_NONE, &settings.no_shrink, 0,
         "do not look for the least of a seed that fails", NULL},
        {"trace", 't', POPT_ARG_NONE, &settings.trace, 0, "print all that happens", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("vital-sim", argc, argv, table, 0);
    int said = poptGetNextOpt(context);
    const char *extra = poptGetArg(context);
    const char *problem = complete(&settings);
    int status = EXIT_USAGE;
    if (said < -1)
        fprintf(stderr, "vital-sim: %s: %s\n", poptBadOption(context, 0), poptStrerror(said));
    else if (extra != NULL)
        fprintf(stderr, "vital-sim: what is %s?\n", extra);
    else if (problem != NULL)
        fprintf(stderr, "vital-sim: %s\n", problem);
    else if (listing)
        list(), status = EXIT_FINE;
    else
        status = live(&settings);
    poptFreeContext(context);
    char *const texts[] = {settings.seeds, settings.only, settings.without, settings.keep};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        sim_release(texts[i]); /* malloc'd by popt, whose requests are not counted */
    return status;
}
