"""A client and a server of vital in a world, and what they said of each other.

The client sends numbered lines, the server echoes them: so it is seen whether what was
sent arrives in its order, and that no more is lost than a verdict has reported.
"""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import proxies
from children import Child, Failure, TooLate
from world import SERVER_ADDRESS

VITAL = os.environ["VITAL"]
SUSPENDED = os.environ["SUSPENDED"]  # the library that lets a program sleep as a machine does

PORT = 9000
BEHIND = "127.0.0.1:9001"  # of a server that has a proxy before it
TOKEN = "the-lab-asks-for-metrics"
INTERVAL_S = 2
OPEN_S = 10  # patience with what takes some milliseconds
EVERY_S = 0.25  # is looked whether somebody has beaten


def read_stamped(line):
    return {**json.loads(line), "at": time.monotonic()}


def name_of(verdict):
    """The cause, and a code only if it is from a close frame: "CLOSED_BY_PEER 4408"."""
    framed = verdict["code"] not in (0, 1006)
    return f"{verdict['cause']} {verdict['code']}" if framed else verdict["cause"]


def seconds(interval_s):
    return f"{interval_s}s" if interval_s else "never"


class Actor(Child):
    """Its connections come and go, and that is no failure."""

    def check_hope(self, event, name):
        pass


class Scene:
    def __init__(self, world, fault, chance):
        self.world = world
        self.fault = fault
        self.chance = chance
        self.directory = tempfile.TemporaryDirectory()
        self.children = []
        self.held = None
        self.server = self.front = self.client = None
        self.sent = 0

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        for child in self.children:
            child.signal(signal.SIGCONT)
            child.kill()
        if self.held:
            self.held.close()
        self.directory.cleanup()

    def start(self, name, place, *command, read=read_stamped, environment=()):
        child = Actor(name, self.world.inside(place, *command), read, environment)
        self.children.append(child)
        return child

    # the actors

    def serve(self):
        address = BEHIND if self.fault.proxy else f"{SERVER_ADDRESS}:{PORT}"
        self.server = self.start("server", "server", VITAL, "serve", "--json", "--listen", address,
                                 "--token", TOKEN, "--beat", seconds(self.fault.server_beat_s),
                                 *self.fault.serve)
        self.server.expect("listening", OPEN_S)

    def put_before(self):
        """The proxy, in the place of an earlier one if there was one."""
        if not self.held:
            self.held = self.world.within("server", proxies.HeldPort, SERVER_ADDRESS, PORT)
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.directory.name))
        task = proxies.Task(directory, PORT, BEHIND, self.fault.idle_s, host=SERVER_ADDRESS)
        self.front = self.start(self.fault.proxy.name, "server", *self.fault.proxy.command(task))
        self.world.within("server", self.held.await_listener, self.front)

    def connect(self):
        environment = {}
        self.sent = 0
        if self.fault.suspends_s:
            environment = {"LD_PRELOAD": SUSPENDED, "LAB_SUSPENDED_S": str(self.fault.suspends_s)}
        self.client = self.start(
            "client", "client", VITAL, "connect", "--json", "--beat",
            seconds(self.fault.client_beat_s), "--open-within", "2s", "--retry-first", "200ms",
            "--retry-min", "200ms", "--retry-max", "1s", *self.fault.connect,
            f"ws://{SERVER_ADDRESS}:{PORT}/", environment=environment)

    def begin(self):
        """Open, heard, and at some moment between two beats. Somebody has had an answer, and
        so knows how long one takes: if only one end beats, it is that."""
        self.serve()
        if self.fault.proxy:
            self.put_before()
        self.connect()
        self.client.expect("open", OPEN_S)
        self.server.expect("open", OPEN_S, id=1)
        self.say()
        self.arrive(OPEN_S)
        interval_s = self.fault.interval_s
        until = time.monotonic() + interval_s + OPEN_S
        while not self.have_beaten():
            if time.monotonic() > until:
                raise Failure(f"nobody has beaten within {interval_s + OPEN_S} s")
            time.sleep(EVERY_S)
        time.sleep(interval_s * self.chance.random())

    def have_beaten(self):
        """Whether somebody has, if anybody ever does."""
        if not self.fault.client_beat_s and not self.fault.server_beat_s:
            return True
        return any(self.metrics("vital_beats_answered_total", "vital_beats_heard_total"))

    @staticmethod
    def await_end(child):
        try:
            child.process.wait(OPEN_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"{child.name} has not ended after {OPEN_S} s") from None

    # what they say

    def say(self, lines=1):
        for _ in range(lines):
            self.sent += 1
            self.client.feed(f"{self.sent}\n".encode())

    def heard(self):
        return [int(event["data"]) for event in self.client.seen("message")
                if event["data"].isdigit()]

    def arrive(self, within_s):
        """The last number has come back."""
        try:
            while self.client.expect("message", within_s)["data"] != str(self.sent):
                pass
        except TooLate:
            raise Failure(f"number {self.sent} has not come back within {within_s} s") from None

    def check_numbers(self):
        heard = self.heard()
        if sorted(set(heard)) != heard:
            raise Failure(f"the numbers came back as {heard}")
        lost = self.sent - len(heard)
        reported = sum(verdict["unconfirmed"] for verdict in self.client.seen("close"))
        if lost > reported:
            raise Failure(f"{lost} numbers are lost, and {reported} are reported")

    def metrics(self, *names):
        """What the server has counted."""
        host, port = BEHIND.split(":") if self.fault.proxy else (SERVER_ADDRESS, PORT)
        asked = http.client.HTTPConnection(host, port, timeout=OPEN_S)
        self.world.within("server", asked.connect)
        asked.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        lines = asked.getresponse().read().decode().splitlines()
        asked.close()
        counts = dict(line.rsplit(" ", 1) for line in lines)
        return [int(counts[name]) for name in names]

    def beats(self):
        return sum(self.metrics("vital_beats_sent_total", "vital_beats_heard_total"))

    def story(self):
        return "".join(child.story() for child in self.children)
