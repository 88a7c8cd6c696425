"""T_D: how long after a fault each end declares the connection dead, and in which words.

The connections of a process have their faults one after another, evenly over two intervals
and for all peers at the same moment, so that every phase between beat and fault has its
share. Where whole processes are frozen, several are, one after another.
"""
import dataclasses
import signal
import time

from peers import INTERVAL_S, names_fault
from stage import client_ports, deaths

WARM_S = 4 * INTERVAL_S  # after which both ends have measured a round trip
SPREAD_S = 2 * INTERVAL_S
STRIKES = 20  # in that time
PATIENCE_S = 28  # the slowest peer needs an interval and 20 s
# vital needs an interval and 30 s, if nothing was ever asked at that end, so that no
# round trip is known there.
FROZEN_PATIENCE_S = 38


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    title: str
    needs_beats: bool  # else the kernel tells at once


FAULTS = (
    Fault("path", "path gone, both ways", True),
    Fault("towards", "path gone, towards the peer", True),
    Fault("from", "path gone, from the peer", True),
    Fault("unreachable", "host unreachable (ICMP)", True),
    Fault("frozen", "program frozen", True),
    Fault("reset", "reset", False),
    Fault("end", "end of stream, no close frame", False),
)

# What is done to a connection, and which fault that is to a client and to a server.
DEEDS = (
    ("both", "path", "path"),
    ("from_client", "towards", "from"),
    ("from_server", "from", "towards"),
    ("unreachable", "unreachable", "unreachable"),
    ("reset by server", "reset", None),
    ("reset by client", None, "reset"),
    ("end of server", "end", None),
)


@dataclasses.dataclass
class Sample:
    """after_s: None if it was not seen for as long as we looked; doubt_s likewise, of the first
    doubt that has named the fault."""
    peer: str
    fault: str
    role: str
    after_s: float | None
    doubt_s: float | None
    text: str

    @property
    def named(self):
        return self.after_s is not None and names_fault(self.fault, self.text)


def sample(child, kind, fault, role, struck):
    """`struck`: {name: when}, of the connections of that process."""
    dead, doubts = deaths(child), child.seen("doubt")
    samples = []
    for name, when in struck.items():
        after, text = dead.get(name, (None, ""))
        doubted = [int(told["at"]) / 1e6 - when for told in doubts
                   if int(told["name"]) == name and int(told["at"]) / 1e6 >= when
                   and names_fault(fault, told.get("cause", ""))]
        if after is not None and after < when:
            continue  # it was a mistake, and is no detection
        after = None if after is None else after - when
        samples.append(Sample(kind.name, fault, role, after, min(doubted, default=None), text))
    return samples


def deed_to(name):
    return DEEDS[name % len(DEEDS)][0]


class PathFaults:
    """All that happens to single connections, and the end of whole programs."""

    def __init__(self, stage, each):
        self.stage = stage
        self.each = each
        self.count = each * len(DEEDS)
        self.struck = {}  # name: when
        self.casts = []
        self.ended = {}

    def start(self):
        for kind in self.stage.kinds:
            port, server = self.stage.server(kind)
            self.casts.append([kind, port, server])

    def plan(self, timetable, begin):
        first = begin + WARM_S
        for number in range(STRIKES):
            # In turn along the order in which they were opened, which is that of their phases.
            names = range(self.count * number // STRIKES, self.count * (number + 1) // STRIKES)
            timetable.at(first + SPREAD_S * number / STRIKES,
                         lambda names=names: self.strike_all(names))
        self.client_ports = [client_ports(server) for _, _, server, *_ in self.casts]
        timetable.at(first + SPREAD_S, lambda: self.end("doomed"))
        timetable.at(first + SPREAD_S + PATIENCE_S, lambda: self.end("server"))
        timetable.at(first + SPREAD_S + PATIENCE_S + 1, self.collect)

    def open(self):
        for cast in self.casts:
            kind, port, _ = cast
            cast.append(self.stage.clients(kind, port, 0, self.count, INTERVAL_S))
            cast.append(self.stage.clients(kind, port, self.count, self.each, INTERVAL_S))

    def strike_all(self, names):
        world = self.stage.world
        pairs = {}
        for name in names:
            for ports, (_, port, *_) in zip(self.client_ports, self.casts):
                pairs.setdefault(deed_to(name), []).append((ports[name], port))
        pairs.pop("end of server", None)
        for space, deed in ((world.server, "reset by server"), (world.client, "reset by client")):
            if deed in pairs:
                self.note_time(names, (deed,))
                world.reset(space, pairs.pop(deed))
        if pairs:
            self.note_time(names, pairs)
            world.strike(pairs)

    def note_time(self, names, deeds):
        now = time.monotonic()
        self.struck.update((name, now) for name in names if deed_to(name) in deeds)

    def end(self, who):
        for _, port, server, _, doomed in self.casts:
            self.ended[who, port] = time.monotonic()
            (server if who == "server" else doomed).signal(signal.SIGKILL)

    def collect(self):
        self.samples = []
        for kind, port, server, clients, doomed in self.casts:
            for number, (deed, to_client, to_server) in enumerate(DEEDS):
                names = range(number, self.count, len(DEEDS))
                struck = ({name: self.ended["server", port] for name in names}
                          if deed == "end of server"
                          else {name: self.struck[name] for name in names})
                if to_client:
                    self.samples += sample(clients, kind, to_client, "client", struck)
                if to_server:
                    self.samples += sample(server, kind, to_server, "server", struck)
            names = range(self.count, self.count + self.each)
            self.samples += sample(server, kind, "end", "server",
                                   {name: self.ended["doomed", port] for name in names})
            for child in (server, clients, doomed):
                child.kill()


class FrozenPrograms:
    """Several programs, one after another; those of the other role look on, in one."""

    def __init__(self, stage, programs, each):
        self.stage = stage
        self.programs = programs
        self.each = each
        self.casts = []  # kind, role that looks on, its process, {program: its names}

    def start(self):
        self.waiting = []
        for kind in self.stage.kinds:
            servers = [self.stage.server(kind) for _ in range(self.programs)]
            port, watcher = self.stage.server(kind)
            self.waiting.append((kind, servers, port, watcher))

    def plan(self, timetable, begin):
        first = begin + WARM_S
        self.when = {}
        for number in range(self.programs):
            timetable.at(first + SPREAD_S * (number + 0.5) / self.programs,
                         lambda number=number: self.freeze(number))
        timetable.at(first + SPREAD_S + FROZEN_PATIENCE_S, self.collect)

    def open(self):
        for kind, servers, port, watcher in self.waiting:
            looking = []
            for number, (its_port, _) in enumerate(servers):
                looking.append(self.stage.clients(kind, its_port, number * self.each, self.each,
                                                  INTERVAL_S))
            clients = [self.stage.clients(kind, port, number * self.each, self.each, INTERVAL_S)
                       for number in range(self.programs)]
            self.casts.append((kind, [server for _, server in servers], looking, clients, watcher))

    def freeze(self, number):
        for _, servers, _, clients, _ in self.casts:
            self.when[id(servers[number])] = time.monotonic()
            servers[number].signal(signal.SIGSTOP)
            self.when[id(clients[number])] = time.monotonic()
            clients[number].signal(signal.SIGSTOP)

    def collect(self):
        self.samples = []
        for kind, servers, looking, clients, watcher in self.casts:
            for number in range(self.programs):
                names = range(number * self.each, (number + 1) * self.each)
                frozen = self.when[id(servers[number])]
                self.samples += sample(looking[number], kind, "frozen", "client",
                                       dict.fromkeys(names, frozen))
                frozen = self.when[id(clients[number])]
                self.samples += sample(watcher, kind, "frozen", "server",
                                       dict.fromkeys(names, frozen))
            for child in (*servers, *looking, *clients, watcher):
                child.kill()
