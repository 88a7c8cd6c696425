"""The programs that a case plays with, each by what it prints.

`vital --json` prints a JSON object a line. The peers and the mirror print lines
of key=value&..., percent-encoded, which every language reads and writes without
a library, and the peers are commanded in the same form:

    do=listen     port subprotocol [cert key: files, for TLS] [deflate]
                  -> listening
    do=connect    url [ca: a file] [deflate] [header]
                  [subprotocols, with commas between]
                  [page: for a browser, its URL if it is another server's]
                  -> open, or refused status
    do=send       kind file [fragments: sizes of all but the last, with commas
                  between] [ping: sent after each of those]
    do=ping       payload, in hex, as everywhere -> pong, with the payload
    do=pong       payload
    do=close      [code reason]

$INTEROP_CA is the authority's file from the beginning, for whom it comes too late in
`connect`. Without deflate a peer neither offers nor accepts it. It is `takeover`, or `fresh`
for no context takeover in either direction, or `narrow` for windows of 10 bits.

A peer says `ready` once it listens to commands, which are for its newest
connection. Its servers echo on the path /echo and refuse with 401 on /refuse.
For each connection there is `open` with conn (counted from 1), subprotocol, and
as far as its API tells them the extensions that were agreed on and those that the
client offered, and at a server the header X-Interop. Then message (kind, size,
sha256), ping, pong, close (code, reason; 1005 for none in the close frame, 1006
for no close frame), and `problem` for what ought not to happen.

Everything that is waited for has a deadline. A child is the first of a process
group of its own, for one may have children in turn; nothing else is ended.
"""
import fcntl
import os
import select
import signal
import subprocess
import threading
import time
import urllib.parse

PATIENCE_S = 10  # for what takes some milliseconds


class Failure(Exception):
    """Something was not as it should be."""


class TooLate(Failure):
    """It did not happen, as yet."""


def check(what, is_, should_be):
    if is_ != should_be:
        raise Failure(f"{what} is {is_!r}, and should be {should_be!r}")


def read_form(line):
    return dict(urllib.parse.parse_qsl(line.decode().strip(), keep_blank_values=True))


class Child:
    """A program and the events that it printed, which are looked at in order."""
    living = set()
    none_may_start = False
    registering = threading.Lock()

    @classmethod
    def end_all(cls):
        """Whoever waits for one of them fails at once."""
        with cls.registering:
            cls.none_may_start = True
            for child in cls.living:
                child.signal(signal.SIGKILL)

    def __init__(self, name, command, read=read_form, environment=()):
        self.name = name
        self.read = read
        self.events = []
        self.next = 0  # the first event that was not looked at
        self.errors = b""
        self.ended = False  # no event will follow
        self.may_complain = False
        self.changed = threading.Condition()
        with self.registering:
            if self.none_may_start:
                raise Failure("interrupted")
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            env={**os.environ, **dict(environment)},
                                            start_new_session=True)
            self.living.add(self)
        stdin = self.process.stdin.fileno()
        fcntl.fcntl(stdin, fcntl.F_SETFL, fcntl.fcntl(stdin, fcntl.F_GETFL) | os.O_NONBLOCK)
        self.threads = [threading.Thread(target=follow, daemon=True)
                        for follow in (self._follow_events, self._follow_errors)]
        for thread in self.threads:
            thread.start()

    def _follow_events(self):
        for line in self.process.stdout:
            try:
                event = self.read(line)
            except ValueError:
                event = {"event": "problem", "text": f"printed {line[:200]!r}"}
            with self.changed:
                self.events.append(event)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _follow_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def concerns(self, event):
        """Whether the event is of the case that is played now."""
        return True

    def check_hope(self, event, name):
        """Fails where it is of no use to wait for the name any longer."""
        if event.get("event") == "problem" and not self.may_complain:
            raise Failure(f"{self.name} met a problem: {event['text']}")
        if event.get("event") == "close" and name in ("message", "ping", "pong"):
            raise Failure(f"{self.name} was closed before it told of {name}")
        if event.get("event") == "refused" and name == "open":
            raise Failure(f"{self.name} was refused with {event['status']}")

    def expect(self, name, within=PATIENCE_S, **fields):
        """The next event of that name; what comes before it is passed over."""
        deadline = time.monotonic() + within
        with self.changed:
            while True:
                while self.next < len(self.events):
                    event = self.events[self.next]
                    self.next += 1
                    if not self.concerns(event):
                        continue
                    self.check_hope(event, name)
                    if event.get("event") == name:
                        for key, value in fields.items():
                            check(f"{self.name}: {key} of {name}", event.get(key), value)
                        return event
                if self.ended:
                    raise Failure(f"{self.name} ended before it told of {name}")
                if not self.changed.wait(max(0, deadline - time.monotonic())):
                    raise TooLate(f"{self.name} told of no {name} within {within} s")

    def seen(self, name):
        """All events of that name until now."""
        with self.changed:
            return [event for event in self.events
                    if event.get("event") == name and self.concerns(event)]

    def feed(self, data, within=PATIENCE_S):
        deadline = time.monotonic() + within
        stdin = self.process.stdin.fileno()
        view = memoryview(data)
        while view:
            if not select.select([], [stdin], [], max(0, deadline - time.monotonic()))[1]:
                raise Failure(f"{self.name} did not read its stdin within {within} s")
            try:
                view = view[os.write(stdin, view):]
            except BrokenPipeError:
                raise Failure(f"{self.name} has closed its stdin") from None

    def end_input(self):
        self.process.stdin.close()

    def signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def exits(self, status, within=PATIENCE_S):
        try:
            check(f"{self.name}'s exit status", self.process.wait(within), status)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} had not ended after {within} s") from None

    def stays(self, seconds):
        """Fails if there is a `close` within that time."""
        try:
            event = self.expect("close", seconds)
        except TooLate:
            return
        raise Failure(f"{self.name} was closed: {event}")

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()
        with self.registering:
            self.living.discard(self)
        for thread in self.threads:
            thread.join()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            file.close()

    def story(self):
        """What it told, for a person who looks for the reason of a failure."""
        with self.changed:
            lines = [str(event)[:300] for event in self.events[-12:]]
        lines += self.errors.decode(errors="replace").splitlines()[-12:]
        return "".join(f"{self.name}: {line}\n" for line in lines)


class Peer(Child):
    """Another implementation. It outlives a case: so its events are told apart
    by their connections."""
    conn = 0

    def concerns(self, event):
        if event["event"] == "open":
            return int(event["conn"]) > self.conn
        return int(event.get("conn", self.conn)) == self.conn

    def expect(self, name, within=PATIENCE_S, **fields):
        fields = {key: str(value) for key, value in fields.items()}
        event = super().expect(name, within, **fields)
        if name == "open":
            self.conn = int(event["conn"])
        return event

    def do(self, what, **fields):
        self.feed(urllib.parse.urlencode({"do": what, **fields}).encode() + b"\n")
