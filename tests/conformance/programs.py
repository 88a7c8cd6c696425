"""The programs under test, and what they tell of each connection."""
import asyncio
import json
import os
import pathlib
import re

from wire import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
VITAL = os.environ.get("VITAL") or str(ROOT / "build" / "vital")
SUBJECT = os.environ.get("SUBJECT") or str(ROOT / "build" / "tests" / "conformance_subject")

# Both programs agree on these; `vital serve` has only some of them as options.
SERVE_OPTIONS = {"message_bytes": "--max-message={}B", "subprotocol": "--subprotocol={}",
                 "compress": "--compress"}


class Told(dict):
    """What a program told: .name, and the fields of the event."""

    def __init__(self, name, **fields):
        super().__init__(fields)
        self.name = name


class Program:
    """A process, and the events that it prints, by the connection that they are about."""

    def __init__(self, words):
        self.words = words
        self.said = b""
        self.trouble = ""
        self._queues = {}

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            *self.words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE)
        self._listener = asyncio.create_task(self._listen())
        self._notes = asyncio.create_task(self._note())

    async def _listen(self):
        try:
            while line := await self.process.stdout.readline():
                about, event = self.read(line.decode(errors="replace").rstrip("\n"))
                self.queue(about).put_nowait(event)
        except ValueError:
            self.trouble = f"{self.words[0]} printed {line!r}"
        for queue in self._queues.values():  # nobody waits for who has ended
            queue.put_nowait(Told("end"))

    async def _note(self):
        while got := await self.process.stderr.read(65536):
            self.said += got

    def queue(self, about):
        return self._queues.setdefault(about, asyncio.Queue())

    async def event(self, about, name):
        """The next event of this name; others are passed over."""
        queue = self.queue(about)
        while True:
            if self._listener.done() and queue.empty():
                raise Failure(f"{self.words[0]} has ended; {self.trouble}")
            event = await queue.get()
            if event.name == name:
                return event
            if event.name in ("end", "problem"):
                raise Failure(f"instead of {name}: {event.name} {dict(event)}")

    def count_descriptors(self):
        """But for the one by which a loop, from its first client on, hears of the network."""
        directory = f"/proc/{self.process.pid}/fd"
        open_ones = [os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory)]
        with open("/proc/net/netlink") as table:
            hearing = {f"socket:[{line.split()[-1]}]" for line in table}
        news = sum(one in hearing for one in open_ones)
        return len(open_ones) - min(news, 1)

    async def leak(self):
        """Waits until all connections have left nothing behind; else says what has stayed."""
        for _ in range(200):  # what is closed politely is read for two seconds more
            more = self.count_descriptors() - self.descriptors
            if more <= 0:
                return ""
            await asyncio.sleep(0.1)
        return f"{self.words[0]} has {more} descriptors more than before its first connection"

    async def stop(self):
        """Ends it. Returns what is wrong with how it ended; "" if nothing is."""
        if self.process.returncode is None:
            self.ask_to_end()
        try:
            await asyncio.wait_for(asyncio.gather(
                self.process.wait(), self._listener, self._notes), 20)
        except asyncio.TimeoutError:
            self.process.kill()
            return f"{self.words[0]} did not end"
        if self.trouble:
            return self.trouble
        said = self.said.decode(errors="replace")
        if re.search(r"Sanitizer|runtime error:|assert", said):
            return said
        if self.process.returncode != 0:
            return f"{self.words[0]} exited with {self.process.returncode}\n{said[-2000:]}"
        return ""


class Serve(Program):
    """vital serve, with what these settings are there."""

    def __init__(self, settings):
        options = []
        for name, value in settings.items():
            for each in value if isinstance(value, (list, tuple)) else [value]:
                options.append(SERVE_OPTIONS[name].format(each))
        super().__init__([VITAL, "serve", "--json", "--listen", "127.0.0.1:0", "--beat", "never",
                          "--beat-text", "", *options])

    def read(self, line):
        event = json.loads(line)
        return event.get("peer", ""), Told(event.pop("event"), **event)

    async def start(self):
        await super().start()
        self.url = (await self.event("", "listening"))["url"]
        self.descriptors = self.count_descriptors()

    def ask_to_end(self):
        self.process.terminate()


class Subject(Program):
    """subject.c: clients, and servers for settings that `vital serve` does not have."""

    FIELDS = {
        "listening": ("url",), "open": ("subprotocol",), "pong": ("payload",),
        "close": ("cause", "code", "status", "final", "retry_ms", "reason", "text"),
        "problem": ("text",),
    }

    def __init__(self):
        super().__init__([SUBJECT])
        self._last_id = 0
        self.descriptors = 0

    async def start(self):
        await super().start()
        await self.listen({})  # then its loop is there
        self.descriptors = self.count_descriptors()

    def read(self, line):
        name, number, peer, *fields = line.split("\t")
        if name == "listening":
            fields = [peer]
        event = Told(name, **dict(zip(self.FIELDS[name], fields)))
        for field in {"code", "status", "final", "retry_ms"} & event.keys():
            event[field] = int(event[field])
        if name in ("pong", "close"):
            for field in {"payload", "reason", "text"} & event.keys():
                event[field] = bytes.fromhex(event[field]).decode(errors="replace")
        # A server's connections are known by their peers, a client is known by its number.
        return peer if int(number) < 0 and name in ("open", "pong", "close") else int(number), event

    def order(self, verb, number, target, settings):
        words = [verb, str(number), target]
        for name, value in settings.items():
            for each in value if isinstance(value, (list, tuple)) else [value]:
                words.append(f"{name}={each}")
        self.process.stdin.write(("\t".join(words) + "\n").encode())

    def connect(self, url, settings):
        self._last_id += 1
        self.order("connect", self._last_id, url, settings)
        return self._last_id

    async def listen(self, settings):
        """The URL of a server with these settings."""
        self._last_id += 1
        self.order("listen", -self._last_id, "127.0.0.1:0", settings)
        url = (await self.event(-self._last_id, "listening"))["url"]
        self.descriptors += 1
        return url

    def ask_to_end(self):
        self.process.stdin.close()


class Servers:
    """Those that the cases have asked for so far, by their settings."""

    def __init__(self):
        self.subject = Subject()
        self.all = [self.subject]
        self._known = {}

    async def find(self, settings, by_api):
        """(the program, its URL). A case that sets what `vital serve` cannot set, or gives
        orders, is for a server of the API."""
        by_api = by_api or not settings.keys() <= SERVE_OPTIONS.keys()
        key = (by_api, repr(sorted(settings.items())))
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._make(settings, by_api))
        return await asyncio.shield(self._known[key])

    async def _make(self, settings, by_api):
        if by_api:
            return self.subject, await self.subject.listen(settings)
        serve = Serve(settings)
        self.all.append(serve)
        await serve.start()
        return serve, serve.url
