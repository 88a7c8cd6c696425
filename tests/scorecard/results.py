"""What was measured, and what can be said of it; kept in a file, so that the report can be
written again without measuring again."""
import dataclasses
import json
import math
import statistics

from cost import Load, Traffic
from faults import Sample
from mistakes import FULL, Outcome
from peers import OTHERS, VITAL, VITAL_GIVEN, names_fault

ROLES = ("client", "server")
# A stall of the other end for a minute is longer than most limits here; who gives up then
# keeps to its settings, and makes no mistake.
BEARABLE_S = 10


@dataclasses.dataclass
class Results:
    facts: dict  # of the machine and the run: words
    versions: dict  # of the peers, by name
    samples: list
    outcomes: list
    traffic: list
    loads: list

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def load(cls, path):
        saved = json.loads(path.read_text())
        for name, kind in (("samples", Sample), ("outcomes", Outcome), ("traffic", Traffic),
                           ("loads", Load)):
            saved[name] = [kind(**item) for item in saved[name]]
        return cls(**saved)

    @property
    def kinds(self):
        """Those that took part."""
        return [kind for kind in (VITAL, VITAL_GIVEN, *OTHERS) if kind.name in self.versions]

    def samples_of(self, peer, fault, role):
        return [one for one in self.samples
                if (one.peer, one.fault, one.role) == (peer, fault, role)]

    def detection(self, peer, fault, role, doubt=False):
        """The times, in order; math.inf for what was not seen."""
        times = [one.doubt_s if doubt else one.after_s
                 for one in self.samples_of(peer, fault, role)]
        return sorted(math.inf if one is None else one for one in times)

    def accuracy(self, peer, fault, role):
        samples = self.samples_of(peer, fault, role)
        named = sum(one.after_s is not None and names_fault(fault, one.text) for one in samples)
        return named / len(samples) if samples else math.nan

    def outcomes_of(self, peer, condition):
        """All runs of it together; None if there was none."""
        found = [one for one in self.outcomes if (one.peer, one.condition) == (peer, condition)]
        if not found:
            return None
        by = {end: sum(one.by[end] for one in found) for end in ROLES}
        return Outcome(peer, condition, sum(one.count for one in found),
                       sum(one.hours for one in found), by)

    @property
    def conditions(self):
        return [one for one in FULL if any(of.condition == one.name for of in self.outcomes)]

    def mistakes(self, peer):
        """Of all conditions that a healthy connection should bear."""
        return sum(mistakes_in(one, self.outcomes_of(peer, one.name)) for one in self.conditions)

    def best_of_the_careful(self, fault, role):
        """Whom to beat: the fastest of those that make no more mistakes than vital does.
        (name, median)"""
        careful = [kind.name for kind in self.kinds
                   if not kind.is_vital and self.mistakes(kind.name) <= self.mistakes(VITAL.name)]
        return self.fastest(careful, fault, role)

    def best_of_all(self, fault, role):
        return self.fastest([kind.name for kind in self.kinds if not kind.is_vital], fault, role)

    def fastest(self, names, fault, role):
        medians = [(median(self.detection(name, fault, role)), name) for name in names]
        best, name = min(medians, default=(math.inf, "nobody"))
        return name, best


def mistakes_in(condition, outcome):
    """A minute's silence of the other end is more than a limit need bear; a stall of one's
    own, however long, is."""
    who = getattr(condition, "who", "both")
    if who == "both" or condition.seconds <= BEARABLE_S:
        return outcome.lost
    return outcome.by[who]


def median(times):
    return statistics.median_low(times) if times else math.nan


def p99(times):
    """The nearest rank."""
    return times[math.ceil(0.99 * len(times)) - 1] if times else math.nan
