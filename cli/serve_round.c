/*
 * A round is a post to each worker, and a post home from each. Nothing is shared
 * meanwhile: a visit changes only what the round keeps for that worker, and the
 * origin looks at it only when all are home.
 *
 * Workers end one after the other; a round that one of them can no more take
 * part in never comes home, and is released with the process.
 */
#include "serve.h"

#include <stdlib.h>

struct serve_stop {
    serve_round *round;
    serve_worker *worker;
};

static void come_home(void *arg)
{
    struct serve_stop *stop = arg;
    serve_round *round = stop->round;
    if (--round->waiting == 0)
        round->done(round);
}

static void complain(serve_state *serve, int error)
{
    output_problem(&serve->output, "cannot tell a worker: %s", vital_strerror(error));
}

static void call_at(void *arg)
{
    struct serve_stop *stop = arg;
    stop->round->visit(stop->round, stop->worker);
    int error = vital_loop_post(stop->round->origin->loop, come_home, stop);
    if (error < 0)
        complain(stop->worker->serve, error);
}

void serve_round_again(serve_round *round)
{
    serve_state *serve = round->origin->serve;
    round->waiting = serve->worker_count;
    for (int i = 0; i < serve->worker_count; i++) {
        int error = vital_loop_post(serve->workers[i].loop, call_at, &round->stops[i]);
        if (error < 0)
            complain(serve, error);
    }
}

bool serve_round_begin(serve_round *round, serve_worker *origin)
{
    serve_state *serve = origin->serve;
    round->origin = origin;
    round->stops = calloc((size_t)serve->worker_count, sizeof *round->stops);
    if (round->stops == NULL) {
        round->release(round);
        return false;
    }
    for (int i = 0; i < serve->worker_count; i++)
        round->stops[i] = (struct serve_stop){round, &serve->workers[i]};
    if (round->asker != NULL)
        round->asker->round = round;
    round->next = origin->rounds;
    if (round->next != NULL)
        round->next->previous = round;
    origin->rounds = round;
    serve_round_again(round);
    return true;
}

void serve_round_finish(serve_round *round)
{
    if (round->next != NULL)
        round->next->previous = round->previous;
    if (round->previous != NULL)
        round->previous->next = round->next;
    else
        round->origin->rounds = round->next;
    if (round->asker != NULL)
        round->asker->round = NULL;
    free(round->stops);
    round->release(round);
}
