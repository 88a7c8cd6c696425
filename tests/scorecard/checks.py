"""What is demanded of vital; each is a line, ok or not ok, with its figures."""
from faults import FAULTS
from peers import INTERVAL_S, VITAL
from results import ROLES, median, mistakes_in
from mistakes import LONG_HOLD

AT_ONCE_S = 0.25  # of what the kernel tells; a busy machine takes its time
# An interval is drawn from the last fifth before what was asked for.
MEAN_INTERVAL_S = 0.9 * INTERVAL_S
# Three an hour at the default interval of 25 s, and as many for each beat here: when the
# first of a connection's beats comes early, and of two ends the faster one beats.
MORE_BEATS = 3 * 25 * 0.9 / 3600
NAMED_AT_LEAST = 0.99


def detection(results):
    for fault in FAULTS:
        for role in ROLES:
            ours = median(results.detection(VITAL.name, fault.name, role,
                                            doubt=fault.name == "frozen"))
            about = f"{fault.title}, seen by a {role}"
            if not fault.needs_beats:
                yield ours <= AT_ONCE_S, f"{about}: at once ({ours:.2f} s)"
                continue
            name, best = results.best_of_the_careful(fault.name, role)
            said = "suspected of just that" if fault.name == "frozen" else "declared dead"
            yield (ours <= best / 2, f"{about}: {said} after {ours:.1f} s, at most half of the "
                   f"{best:.1f} s of {name}, the fastest that makes no more mistakes")


def mistakes(results):
    others = [kind for kind in results.kinds if not kind.is_vital]
    for condition in results.conditions:
        if condition == LONG_HOLD:
            continue  # longer than the 3 s after which a proven silence is death by design
        ours = mistakes_in(condition, results.outcomes_of(VITAL.name, condition.name))
        least = min(mistakes_in(condition, results.outcomes_of(kind.name, condition.name))
                    for kind in others)
        yield (ours == 0 or ours < least, f"{condition.title}: {ours} mistakes, and the fewest "
               f"of the others {least}")


def cost(results):
    for traffic in results.traffic:
        if traffic.peer != VITAL.name:
            continue
        most = 0 if traffic.state == "busy" else 3600 / MEAN_INTERVAL_S * (1 + MORE_BEATS)
        yield (traffic.beats <= most, f"{traffic.state} connection: {traffic.beats:.1f} beats an "
               f"hour, at most {most:.0f}")


def causes(results):
    for fault in FAULTS:
        for role in ROLES:
            share = results.accuracy(VITAL.name, fault.name, role)
            yield (share >= NAMED_AT_LEAST, f"{fault.title}, seen by a {role}: named by "
                   f"{100 * share:.1f} % of the verdicts")


def all_of(results):
    return [*detection(results), *mistakes(results), *causes(results), *cost(results)]
