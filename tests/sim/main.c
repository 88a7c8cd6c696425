/*
 * vital-sim: lives through seeds, and tells which of them broke a property. The
 * last line is the sum; its hash is that of everything that happened in all of
 * them, so that two builds can be compared.
 */
#include <inttypes.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "population.h"

enum { EXIT_FINE = 0, EXIT_VIOLATED = 1, EXIT_USAGE = 2 };

static const int64_t HOUR_US = INT64_C(3600) * 1000000;

struct settings {
    char *seeds; /* malloc'd by popt */
    int clients;
    int processes;
    double hours;
    int no_faults;
    int trace;
};

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

static void add(sim_result *sum, const sim_result *one)
{
    sum->connections += one->connections;
    sum->beats += one->beats;
    sum->messages += one->messages;
    sum->faults += one->faults;
    sum->violations += one->violations;
    sum->hash = (sum->hash ^ one->hash) * UINT64_C(1099511628211);
}

static int live(const struct settings *settings, uint64_t first, uint64_t last)
{
    sim_result sum = {.hash = UINT64_C(14695981039346656037)};
    bool watched = isatty(STDERR_FILENO) && !settings->trace;
    for (uint64_t seed = first; seed <= last; seed++) {
        sim_options options = {
            .seed = seed,
            .clients = settings->clients,
            .processes = settings->processes,
            .span_us = (int64_t)(settings->hours * (double)HOUR_US),
            .faults = !settings->no_faults,
            .trace = settings->trace,
        };
        sim_result result = sim_live(&options);
        add(&sum, &result);
        if (result.violations > 0)
            printf("seed %" PRIu64 ": %" PRIu64 " violations, the first: %s\n", seed,
                   result.violations, result.first_violation);
        if (watched && (seed - first) % 50 == 0)
            fprintf(stderr, "\rseed %" PRIu64 " of %" PRIu64, seed, last);
    }
    if (watched)
        fprintf(stderr, "\r\033[K");
    uint64_t seeds = last - first + 1;
    printf("seeds %" PRIu64 ", connections %" PRIu64 ", virtual hours %.0f, messages %" PRIu64
           ", beats %" PRIu64 ", faults %" PRIu64 ", violations %" PRIu64 ", hash %016" PRIx64 "\n",
           seeds, sum.connections, (double)seeds * settings->hours * settings->clients,
           sum.messages, sum.beats, sum.faults, sum.violations, sum.hash);
    return sum.violations > 0 ? EXIT_VIOLATED : EXIT_FINE;
}

int main(int argc, const char **argv)
{
    struct settings settings = {.clients = 20, .processes = 4, .hours = 1};
    const struct poptOption table[] = {
        {"seeds", 's', POPT_ARG_STRING, &settings.seeds, 0, "one, or a range (1..100)", "A..B"},
        {"clients", 'c', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &settings.clients, 0,
         "clients of the one server", "COUNT"},
        {"processes", 'p', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &settings.processes, 0,
         "processes that they are spread over", "COUNT"},
        {"hours", 'H', POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &settings.hours, 0,
         "virtual hours of each seed", "HOURS"},
        {"no-faults", 0, POPT_ARG_NONE, &settings.no_faults, 0, "only delay, jitter and loss",
         NULL},
        {"trace", 't', POPT_ARG_NONE, &settings.trace, 0, "print all that happens", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("vital-sim", argc, argv, table, 0);
    int said = poptGetNextOpt(context);
    const char *extra = poptGetArg(context);
    uint64_t first, last;
    int status = EXIT_USAGE;
    if (said < -1)
        fprintf(stderr, "vital-sim: %s: %s\n", poptBadOption(context, 0), poptStrerror(said));
    else if (extra != NULL)
        fprintf(stderr, "vital-sim: what is %s?\n", extra);
    else if (!parse_seeds(settings.seeds == NULL ? "1..100" : settings.seeds, &first, &last))
        fprintf(stderr, "vital-sim: --seeds is a number, or a range such as 1..1000\n");
    else if (settings.clients < 1 || settings.processes < 1 ||
             settings.processes > SIM_PROCESSES_MOST || !(settings.hours > 0))
        fprintf(stderr, "vital-sim: there must be clients, up to %d processes, and some time\n",
                SIM_PROCESSES_MOST);
    else
        status = live(&settings, first, last);
    free(settings.seeds);
    poptFreeContext(context);
    return status;
}
