"""Healthy connections that are declared dead: under loss, when the path stands still for
a moment, and when a program did, at one end or at both.

Both ends watch. Whoever was the first to give up has made the mistake; that the other end
then saw its connection end is none of its own.
"""
import dataclasses
import signal
import time

from peers import INTERVAL_S
from stage import deaths

WARM_S = 6  # every connection has beaten once
HOLD_PERIOD_S = 13  # no multiple of the interval


@dataclasses.dataclass(frozen=True)
class Weather:
    """Of the path, for all the time: a set of world.py, and how long it stands still."""
    name: str
    title: str
    rules: str
    hold_s: float = 0

    def prepare(self, trial):
        if self.hold_s:
            trial.stage.world.hold(int(self.rules[-1]), HOLD_PERIOD_S, self.hold_s)

    def begin(self, trial):
        trial.stage.world.afflict(self.rules, [port for _, port, _, _ in trial.casts])

    def plan(self, trial, timetable, when):
        timetable.at(when, lambda: self.begin(trial))

    def lasts_s(self, trial):
        return trial.weather_s


@dataclasses.dataclass(frozen=True)
class Stall:
    """`who`: client, server or both are stopped, and go on as if nothing had been."""
    who: str
    seconds: int
    after_s: float = 0  # another phase of the beats

    @property
    def name(self):
        return f"stall of {self.who} {self.seconds} s"

    @property
    def title(self):
        return f"{self.seconds} s stall, {'both ends' if self.who == 'both' else self.who}"

    def prepare(self, trial):
        pass

    def signal(self, trial, number):
        for _, _, server, clients in trial.casts:
            if self.who != "client":
                server.signal(number)
            if self.who != "server":
                clients.signal(number)

    def plan(self, trial, timetable, when):
        def stop():
            self.signal(trial, signal.SIGSTOP)
            timetable.at(time.monotonic() + self.seconds,
                         lambda: self.signal(trial, signal.SIGCONT))

        timetable.at(when + self.after_s, stop)

    def lasts_s(self, trial):
        return self.after_s + self.seconds + trial.settle_s


LOSS = Weather("loss", "10 % of all packets lost", "lossy")
SHORT_HOLD = Weather("hold 2 s", f"path stands still, 2 s of every {HOLD_PERIOD_S} s", "held_1", 2)
LONG_HOLD = Weather("hold 4 s", f"path stands still, 4 s of every {HOLD_PERIOD_S} s", "held_2", 4)
STALLS_S = (3, 10, 60)
QUICK = (LOSS, SHORT_HOLD, *(Stall("both", seconds) for seconds in STALLS_S))
FULL = (LOSS, SHORT_HOLD, LONG_HOLD,
        *(Stall(who, seconds) for who in ("client", "server", "both") for seconds in STALLS_S))
# A server that pings all its clients at one moment has one phase for all of them.
OTHER_PHASES = tuple(Stall(who, seconds, INTERVAL_S * third / 3) for third in (1, 2)
                     for who in ("client", "server", "both") for seconds in STALLS_S[:2])


@dataclasses.dataclass
class Outcome:
    """`by`: how many each end gave up. `hours`: of all connections together, until they
    were."""
    peer: str
    condition: str
    count: int
    hours: float
    by: dict

    @property
    def lost(self):
        return sum(self.by.values())

    @property
    def per_hour(self):
        return self.lost / self.hours


class Trial:
    def __init__(self, stage, condition, count, weather_s, settle_s):
        self.stage = stage
        self.condition = condition
        self.count = count
        self.weather_s = weather_s
        self.settle_s = settle_s
        self.casts = []

    def start(self):
        self.condition.prepare(self)
        for kind in self.stage.kinds:
            if not kind.environment or not kind.is_vital:  # as it is by default
                self.casts.append([kind, *self.stage.server(kind)])

    def plan(self, timetable, begin):
        self.from_s = begin + WARM_S
        self.until_s = self.from_s + self.condition.lasts_s(self)
        self.condition.plan(self, timetable, self.from_s)
        timetable.at(self.until_s, self.collect)

    def open(self):
        for cast in self.casts:
            kind, port, _ = cast
            cast.append(self.stage.clients(kind, port, 0, self.count, INTERVAL_S))

    def collect(self):
        self.outcomes = []
        for kind, _, server, clients in self.casts:
            told = {"client": deaths(clients), "server": deaths(server)}
            by, open_s = {"client": 0, "server": 0}, 0
            for name in range(self.count):
                ends = sorted((dead[name][0], end) for end, dead in told.items() if name in dead)
                ends = [(when, end) for when, end in ends if when < self.until_s]
                open_s += (ends[0][0] if ends else self.until_s) - self.from_s
                if ends:
                    by[ends[0][1]] += 1
            self.outcomes.append(Outcome(kind.name, self.condition.name, self.count,
                                         open_s / 3600, by))
            for child in (server, clients):
                child.kill()
