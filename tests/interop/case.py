"""One case: the programs that it starts, and the messages that they exchange."""
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import signal
import threading
import typing

from children import PATIENCE_S, Child, check, read_form

LARGEST = 16 * 1024 * 1024
SIZES = (0, 1, 125, 126, 65535, 65536, LARGEST)  # where the length is written in another way
LARGE_S = 30  # patience with 16 MiB
SILENT_S = 4  # 500 ms to the beat, 1 s to its answer, and what a busy machine adds

VITAL = os.environ["VITAL"]
MIRROR = os.environ["MIRROR"]

# One, two, three and four bytes a character, so that every cut falls within one
# for some message. No newline: it is also a line of stdin.
CHARACTERS = "a beat, ein Schlag für sich, 一次心跳, 💓. ".encode()


@dataclasses.dataclass(frozen=True)
class Script:
    """A case as it is written: a title, what it does, what a peer must be able to
    do for it (kinds.py says who cannot), and whether it measures time, so that a
    busy machine would disturb it."""
    title: str
    play: typing.Callable
    needs: frozenset = frozenset()
    measures: bool = False


class Payload:
    """A message, in a file for the peer to send."""

    def __init__(self, kind, data, path):
        self.kind = kind
        self.data = data
        self.path = path
        self.path.write_bytes(data)
        self.patience_s = LARGE_S if len(data) == LARGEST else PATIENCE_S
        self.as_told = {"kind": kind, "size": len(data),
                        "sha256": hashlib.sha256(data).hexdigest()}


class Payloads:
    """Made once, for all suites."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.made = {}
        self.making = threading.Lock()

    def of_size(self, kind, size):
        def make():
            if kind == "binary":
                return random.Random(size).randbytes(size)
            text = (CHARACTERS * (size // len(CHARACTERS) + 1))[:size]
            return text.decode(errors="ignore").encode().ljust(size, b".")

        return self.get(f"{kind}-of-{size}", kind, make)

    def of_text(self, text, kind):
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.get(f"{kind}-{name}", kind, text.encode)

    def get(self, name, kind, make):
        with self.making:
            if name not in self.made:
                self.made[name] = Payload(kind, make(), self.directory / name)
            return self.made[name]


class Case:
    """What a case has at hand. Leaving it ends what it started; and if all went
    well, it has to end well, too."""

    def __init__(self, suite):
        self.suite = suite
        self.started = []  # (child, how to end it)

    @property
    def peer(self):
        return self.suite.peer

    def start(self, end, *command, read=read_form):
        name = os.path.basename(command[0])
        if command[0] == VITAL:
            name += " " + command[1]
        child = Child(name, command, read)
        self.started.append((child, end))
        return child

    def peer_can(self, what):
        return what not in self.suite.kind.cannot

    # vital, in its several shapes

    def serve(self, *options):
        """A server on a port of its own, which drains at the end."""
        def drain(child):
            child.signal(signal.SIGTERM)
            child.exits(0)

        server = self.start(drain, VITAL, "serve", "--json", "--listen", "127.0.0.1:0", *options,
                            read=json.loads)
        server.url = server.expect("listening")["url"]
        return server

    def connect(self, *options, path="/"):
        """A client of the peer, which closes at the end."""
        def close(child):
            child.end_input()
            child.exits(0)

        return self.start(close, VITAL, "connect", "--json", *options, self.suite.url + path,
                          read=json.loads)

    def opened(self, *options, path="/"):
        client = self.connect(*options, path=path)
        client.expect("open")
        self.peer.expect("open")
        return client

    def ping(self, *options, path="/"):
        return self.start(lambda child: child.exits(0), VITAL, "ping", "--json", *options,
                          self.suite.url + path, read=json.loads)

    # the mirror, which is killed at the end

    def mirror(self, *arguments):
        return self.start(lambda child: None, MIRROR, *arguments)

    def mirror_listens(self, *subprotocols):
        server = self.mirror("listen", *subprotocols)
        server.url = server.expect("listening")["url"]
        return server

    def mirror_connects(self):
        client = self.mirror("connect", self.suite.url + "/")
        client.expect("open")
        self.peer.expect("open")
        return client

    # the peer

    def peer_connects(self, server, **options):
        self.peer_dials(server, **options)
        return self.peer.expect("open")

    def peer_dials(self, server, **options):
        self.peer.do("connect", url=server.url, **self.suite.dialling, **options)

    def peer_hears_close(self, code):
        """The answer to its own."""
        if self.peer_can("hear its close answered"):
            self.peer.expect("close", code=code)
        else:
            self.peer.expect("close")

    def peer_sends(self, payload, **options):
        self.peer.do("send", kind=payload.kind, file=payload.path, **options)

    def sized(self, kind, size):
        return self.suite.payloads.of_size(kind, size)

    def text(self, text, kind="text"):
        return self.suite.payloads.of_text(text, kind)

    # the end

    def finish(self):
        for child, end in self.started:
            if child.process.poll() is None:
                end(child)
        for child, _ in self.started:
            child.kill()  # if only to have read all that it said
            if not child.may_complain:
                check(f"what {child.name} complained about", child.errors, b"")
        if not self.peer.may_complain:
            check(f"what {self.peer.name} complained about", self.peer.seen("problem"), [])

    def abandon(self):
        for child, _ in self.started:
            child.kill()

    def story(self):
        children = [child for child, _ in self.started] + ([self.peer] if self.peer else [])
        return "".join(child.story() for child in children)
