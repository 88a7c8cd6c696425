"""One case: the programs that it starts, and the messages that they exchange."""
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import signal
import tempfile
import threading
import typing
import urllib.parse

import proxies
from children import PATIENCE_S, Child, check, read_form
from proxies import HeldPort, Task
from relay import Relay

LARGEST = 16 * 1024 * 1024
SMALLER = (0, 1, 125, 126, 65535, 65536)  # where the length is written in another way
SIZES = (*SMALLER, LARGEST)
# It takes a second or more: text goes with and without compression, binary with and
# without TLS.
LARGEST_WITHOUT = {"text": {"tls"}, "binary": {"deflate"}}
LARGE_S = 30  # patience with 16 MiB
DEFLATES = (("fresh", ()), ("takeover", ("keep context",)), ("narrow", ("narrow windows",)))
UNSILENT_S = 2  # 200 ms to the beat and 1 s to its answer would have passed
SILENT_S = 4  # 500 ms to the beat, 1 s to its answer, and what a busy machine adds

VITAL = os.environ["VITAL"]
MIRROR = os.environ["MIRROR"]

# One, two, three and four bytes a character, so that every cut falls within one
# for some message. No newline: it is also a line of stdin.
CHARACTERS = "a beat, ein Schlag für sich, 一次心跳, 💓. ".encode()


@dataclasses.dataclass(frozen=True)
class Script:
    """A case as it is written: a title, what it does, what a peer must be able to
    do for it (kinds.py says who cannot), the features that its link must and must not
    have (links.py), and whether it measures time, so that a busy machine would
    disturb it."""
    title: str
    play: typing.Callable
    needs: frozenset = frozenset()
    only_with: frozenset = frozenset()
    only_without: frozenset = frozenset()
    measures: bool = False

    def suits(self, cannot, link):
        return not (self.needs & cannot or self.only_without & link.carries
                    or self.only_with - link.carries)


def without(kind, size):
    """The features that a link must not have for such a message."""
    return LARGEST_WITHOUT[kind] if size == LARGEST else set()


class Payload:
    """A message, in a file for the peer to send."""

    def __init__(self, kind, data, path):
        self.kind = kind
        self.data = data
        self.path = path
        self.path.write_bytes(data)
        self.size = len(data)
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

    def scratch(self):
        """A new directory."""
        return pathlib.Path(tempfile.mkdtemp(dir=self.directory))

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
        self.held = []  # ports and relays
        self.left_out = set()  # of the options that the link needs

    @property
    def peer(self):
        return self.suite.peer

    def start(self, end, *command, read=read_form, environment=(), serves=False):
        name = os.path.basename(command[0])
        if command[0] == VITAL:
            name += " " + command[1]
        child = Child(name, command, read, environment)
        child.serves = serves
        self.started.append((child, end))
        return child

    def peer_can(self, what):
        return what not in self.suite.cannot

    @property
    def fragments(self):
        """The sizes of all but the last."""
        return "1,0,125,20000" if self.peer_can("send empty fragments") else "1,125,20000"

    # vital, in its several shapes

    def serve(self, *options, address="127.0.0.1:0"):
        """A server on a port of its own, which drains at the end. Behind a proxy it
        leaves TLS to that."""
        def drain(child):
            child.signal(signal.SIGTERM)
            child.exits(0)

        link, authority = self.suite.link, self.suite.authority
        if link.secure and not self.suite.is_behind_proxy:
            options += ("--cert", authority.cert, "--key", authority.key)
        if link.compressed:
            options += ("--compress",)
        server = self.start(drain, VITAL, "serve", "--json", "--listen", address, *options,
                            read=json.loads, serves=True)
        server.url = server.expect("listening")["url"]
        return server

    @staticmethod
    def address_of(server):
        return urllib.parse.urlsplit(server.url).netloc

    def connect(self, *options, path="/", url=None, environment=()):
        """A client of the peer, or whoever has that URL, which closes at the end."""
        def close(child):
            child.end_input()
            child.exits(0)

        return self.start(close, VITAL, "connect", "--json", *self.link_options, *options,
                          url or self.suite.url + path, read=json.loads,
                          environment=environment)

    def opened(self, *options, path="/"):
        client = self.connect(*options, path=path)
        client.expect("open")
        self.peer.expect("open")
        return client

    def ping(self, *options, path="/"):
        return self.start(lambda child: child.exits(0), VITAL, "ping", "--json",
                          *self.link_options, *options, self.suite.url + path, read=json.loads)

    @property
    def link_options(self):
        """Of a client; what comes after them counts more."""
        options = []
        if self.suite.link.compressed:
            options += ["--compress"]
        if self.suite.link.secure and "--ca" not in self.left_out:
            options += ["--ca", self.suite.authority.ca]
        if self.suite.tunnel and "--proxy" not in self.left_out:
            options += ["--proxy", self.suite.tunnel.url]
        return options

    # the mirror, which is killed at the end

    def mirror(self, what, deflate, *arguments):
        if self.suite.link.compressed:
            arguments += (f"deflate={deflate}",)
        return self.start(lambda child: None, MIRROR, what, *arguments)

    def mirror_listens(self, *subprotocols, deflate="fresh"):
        arguments = [f"subprotocol={name}" for name in subprotocols]
        if self.suite.link.secure:
            authority = self.suite.authority
            arguments += [f"cert={authority.cert}", f"key={authority.key}"]
        server = self.mirror("listen", deflate, *arguments)
        server.url = server.expect("listening")["url"]
        return server

    def mirror_connects(self, path="/", deflate="fresh"):
        arguments = [f"url={self.suite.url}{path}"]
        if self.suite.link.secure:
            arguments += [f"ca={self.suite.authority.ca}"]
        if self.suite.tunnel:
            arguments += [f"proxy={self.suite.tunnel.url}"]
        client = self.mirror("connect", deflate, *arguments)
        client.opened = client.expect("open")
        self.peer.opened = self.peer.expect("open")
        return client

    def hold_port(self):
        port = HeldPort()
        self.held.append(port)
        return port

    def relay(self, url):
        """A way to that server on which bytes are counted, and its URL."""
        parts = urllib.parse.urlsplit(url)
        relay = Relay(parts.hostname, parts.port)
        self.held.append(relay)
        relay.url = parts._replace(netloc=f"127.0.0.1:{relay.port}").geturl()
        return relay

    # proxies, which are killed at the end

    def proxy(self, proxy, port=None, **about):
        """On a port of its own, or in an earlier one's place."""
        port = port or self.hold_port()
        child = self.start(lambda child: None, *proxy.command(Task(
            directory=self.suite.payloads.scratch(), port=port.number, **about)))
        port.await_listener(child)
        child.port = port
        return child

    def front(self, server, idle_s=60, port=None):
        """The suite's proxy before the server."""
        secure = self.suite.link.secure
        front = self.proxy(self.suite.proxy, port, upstream=self.address_of(server),
                           idle_s=idle_s, authority=self.suite.authority if secure else None)
        front.url = f"{'wss' if secure else 'ws'}://127.0.0.1:{front.port.number}/"
        return front

    def between(self, idle_s=60, port=None, extra=""):
        """A proxy to go through, other than the suite's own."""
        proxy = self.proxy(proxies.BETWEEN, port, idle_s=idle_s, extra=extra)
        proxy.address = f"127.0.0.1:{proxy.port.number}"
        proxy.url = f"http://{proxy.address}"
        return proxy

    def between_in_tls(self):
        """The same, which is spoken to in TLS."""
        proxy = self.proxy(proxies.TLS, upstream=self.between().address,
                           authority=self.suite.authority)
        proxy.url = f"https://127.0.0.1:{proxy.port.number}"
        return proxy

    # the peer

    def peer_connects(self, server, **options):
        self.peer_dials(server, **options)
        return self.peer.expect("open")

    def peer_dials(self, server, **options):
        """It offers compression, if it knows that, for vital to take or decline."""
        if self.suite.link.secure:
            options["ca"] = self.suite.authority.ca
        self.peer.do("connect", url=server.url, **{"deflate": "takeover", **options})

    def peer_hears_close(self, code):
        """The answer to its own."""
        if self.peer_can("hear its close answered"):
            self.peer.expect("close", code=code)
        else:
            self.peer.expect("close")

    def peer_sends(self, payload, **options):
        self.peer.do("send", kind=payload.kind, file=payload.path, **options)

    def check_compressed(self, payload, relay):
        """In both directions, with some allowance for handshakes."""
        for name, size in (("there", relay.there), ("back", relay.back)):
            most = payload.size // 4
            check(f"that {name} went at most {most} bytes ({size})", size <= most, True)

    def sized(self, kind, size):
        return self.suite.payloads.of_size(kind, size)

    def text(self, text, kind="text"):
        return self.suite.payloads.of_text(text, kind)

    # the end

    def finish(self):
        # A client says goodbye while there is somebody to say it to.
        for child, end in sorted(self.started, key=lambda started: started[0].serves):
            if child.process.poll() is None:
                end(child)
        for child, _ in self.started:
            child.kill()  # if only to have read all that it said
            if not child.may_complain:
                check(f"what {child.name} complained about", child.errors, b"")
        if not self.peer.may_complain:
            check(f"what {self.peer.name} complained about", self.peer.seen("problem"), [])

        self.release()

    def abandon(self):
        for child, _ in self.started:
            child.kill()
        self.release()

    def release(self):
        for held in self.held:
            held.close()

    def story(self):
        children = [child for child, _ in self.started] + ([self.peer] if self.peer else [])
        return "".join(child.story() for child in children)
