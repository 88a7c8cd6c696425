"""What the watching costs: beats and bytes on the wire, time of the processor, memory."""
import dataclasses
import os
import pathlib
import time

from peers import INTERVAL_S, VITAL


TALK_S = 1  # how often a busy connection says something
OPENED_PER_S = 400
SETTLE_S = INTERVAL_S + 2
LOAD_S = 15
FEW, MANY = 2000, 6000


@dataclasses.dataclass
class Traffic:
    """An hour of one connection, both ends and both ways together. `beats` are pings."""
    peer: str
    state: str
    beats: float
    bytes: float


class Steady:
    """Idle connections, and others that talk both ways."""

    def __init__(self, stage, counts, warm_s, window_s):
        self.stage = stage
        self.counts = counts  # {"idle": connections, "busy": connections}
        self.warm_s = warm_s
        self.window_s = window_s
        self.casts = []
        self.traffic = []

    def start(self):
        for kind in self.stage.kinds:
            if not kind.environment or not kind.is_vital:
                for state in self.counts:
                    self.casts.append([kind, state, *self.stage.server(kind)])
        for _, _, port, _ in self.casts:
            self.stage.world.count(port)

    def plan(self, timetable, begin):
        timetable.at(begin + self.warm_s, self.begin)
        timetable.at(begin + self.warm_s + self.window_s, self.collect)

    def open(self):
        for cast in self.casts:
            kind, state, port, _ = cast
            cast.append(self.stage.clients(kind, port, 0, self.counts[state], INTERVAL_S,
                                           TALK_S if state == "busy" else 0))

    def count(self):
        return time.monotonic(), self.stage.world.counted([port for _, _, port, *_ in self.casts])

    def begin(self):
        self.before = self.count()

    def collect(self):
        (began, before), (ended, after) = self.before, self.count()
        for kind, state, port, server, clients in self.casts:
            hours = self.counts[state] * (ended - began) / 3600
            count = {what: after[port][what] - before[port][what] for what in after[port]}
            self.traffic.append(Traffic(kind.name, state, count["ping"] / hours,
                                        count["bytes"] / hours))
            for child in (server, clients):
                child.kill()


@dataclasses.dataclass
class Load:
    """Of a server. `cpu_s`: for a million beats, asked for or answered, of the program and of
    what the kernel does for it. `bytes_each`: resident memory an idle connection."""
    peer: str
    cpu_s: float
    bytes_each: float


def cpu_of(pid):
    """Of all threads, in s: the clock of another process (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def load_of(stage, kind):
    """Everybody's clients are vital's here, which only answer, so that what is measured
    is the server alone."""
    port, server = stage.server(kind)
    stage.await_servers()
    stage.world.count(port)
    pid = server.process.pid
    clients = [stage.clients(VITAL, port, 0, FEW, FEW / OPENED_PER_S, interval_s=0)]
    stage.await_clients()
    time.sleep(SETTLE_S)
    few_bytes = resident_bytes(pid)
    clients.append(stage.clients(VITAL, port, FEW, MANY - FEW, (MANY - FEW) / OPENED_PER_S,
                                 interval_s=0))
    stage.await_clients()
    time.sleep(SETTLE_S)
    many_bytes = resident_bytes(pid)
    before, cpu_s = stage.world.counted([port])[port]["ping"], cpu_of(pid)
    time.sleep(LOAD_S)
    cpu_s = cpu_of(pid) - cpu_s
    beats = stage.world.counted([port])[port]["ping"] - before
    gone = len(server.seen("dead"))
    for child in (server, *clients):
        child.kill()
    if gone or not beats:
        raise RuntimeError(f"{server.name} lost {gone} of {MANY} connections, and beat {beats} times")
    return Load(kind.name, cpu_s / beats * 1e6, (many_bytes - few_bytes) / (MANY - FEW))
