"""What all measurements share: the world, the peers that take part, a timetable, and the
processes with what they told."""
import heapq
import itertools
import sys
import time

from peers import INTERVAL_S, INTEROP
from world import SERVER

sys.path.insert(0, str(INTEROP))
from children import Child, Failure  # noqa: E402  (it lives with tests/interop)

START_S = 60  # of a process, while many start at once on a busy machine
FIRST_PORT = 9001


class Timetable:
    """What is to be done when, of all measurements that run beside each other."""

    def __init__(self):
        self.entries = []
        self.order = itertools.count()

    def at(self, when, action):
        heapq.heappush(self.entries, (when, next(self.order), action))

    def play(self, progress):
        while self.entries:
            when, _, action = self.entries[0]
            wait = when - time.monotonic()
            if wait > 0:
                progress(max(entry[0] for entry in self.entries) - time.monotonic())
                time.sleep(min(wait, 1))
                continue
            heapq.heappop(self.entries)
            action()


class Stage:
    def __init__(self, world, kinds):
        self.world = world
        self.kinds = kinds
        self.ports = itertools.count(FIRST_PORT)
        self.servers = []
        self.opening = []  # client processes, and how many connections they open

    def server(self, kind):
        """Its port, and the process, which may not listen before await_servers()."""
        port = next(self.ports)
        server = self.start(kind, self.world.server, f"{kind.name} server", "server", SERVER,
                            port, INTERVAL_S * 1000)
        self.servers.append(server)
        return port, server

    def await_servers(self):
        for server in self.servers:
            server.expect("ready", START_S)
        self.servers.clear()

    def clients(self, kind, port, first, count, over_s, talk_s=0, interval_s=INTERVAL_S):
        client = self.start(kind, self.world.client, f"{kind.name} client", "client", SERVER,
                            port, int(interval_s * 1000), first, count, int(over_s * 1000),
                            int(talk_s * 1000))
        self.opening.append((client, count))
        return client

    def await_clients(self):
        """All that were started have opened all that they should."""
        deadline = time.monotonic() + START_S
        for client, count in self.opening:
            while len(client.seen("open")) < count:
                if time.monotonic() > deadline or client.ended:
                    raise Failure(f"{client.name} has opened {len(client.seen('open'))} of "
                                  f"{count} connections\n{client.story()}")
                time.sleep(0.05)
        self.opening.clear()

    def start(self, kind, space, name, *arguments):
        command = (*self.world.inside(space), *kind.command, *map(str, arguments))
        return Child(name, command, environment=kind.environment)



def deaths(child):
    """{name: (when, in s, and all that was said of it)}."""
    return {int(told["name"]): (int(told["at"]) / 1e6, told.get("text", ""))
            for told in child.seen("dead")}


def client_ports(server):
    """{name: the client's port}, as its server saw it."""
    return {int(told["name"]): int(told["port"]) for told in server.seen("open")}
