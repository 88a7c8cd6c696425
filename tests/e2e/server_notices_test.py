"""A server notices too: of a thousand clients the stopped one is dropped, and the
others notice nothing."""
import asyncio
import resource
import signal
import threading

from peers import PING, PONG, TEXT, UPGRADE, Frames, address_of, frame
from vital_process import DEADLINE, VitalCase

OTHERS = 999
BEAT = 1.0
ANSWER = 1.0
SLACK = 0.5


class Other(asyncio.Protocol):
    """A raw client that answers pings, and notes everything else."""

    def __init__(self, crowd):
        self.crowd = crowd
        self.head = b""
        self.frames = None
        self.transport = None
        self.pings = 0
        self.echo = None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(UPGRADE.encode())

    def data_received(self, data):
        if self.frames is None:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return
            head, data = self.head.split(b"\r\n\r\n", 1)
            if not head.startswith(b"HTTP/1.1 101"):
                self.crowd.troubles.append(head)
            self.frames = Frames()
            self.crowd.opened += 1
        for got in self.frames.feed(data):
            if got.opcode == PING:
                self.pings += 1
                self.transport.write(frame(PONG, got.payload, mask=True))
            elif got.opcode == TEXT:
                self.echo = got.payload.decode()
            else:
                self.crowd.troubles.append(got)
        self.crowd.changed.set()

    def connection_lost(self, error):
        if not self.crowd.leaving:
            self.crowd.troubles.append(f"lost: {error}")
        self.crowd.changed.set()


class Crowd:
    """Many raw clients in a thread of their own; leave() ends them."""

    def __init__(self, url, count):
        _, (self.host, self.port) = address_of(url)
        self.opened = 0
        self.troubles = []
        self.clients = []
        self.leaving = False
        self.changed = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.run(self._join(count))

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(2 * DEADLINE)

    async def _until(self, done):
        async def wait():
            while not done():
                self.changed.clear()
                await self.changed.wait()
        await asyncio.wait_for(wait(), DEADLINE)

    async def _join(self, count):
        self.changed = asyncio.Event()
        for _ in range(count):
            _, client = await self.loop.create_connection(
                lambda: Other(self), self.host, self.port)
            self.clients.append(client)
        await self._until(lambda: self.opened == count)

    def until_pinged(self, times):
        """Every one has been pinged so often since it joined."""
        self.run(self._until(lambda: all(c.pings >= times for c in self.clients)))

    def echo(self):
        """Every one sends a message of its own and waits for it to come back."""
        async def say():
            for number, client in enumerate(self.clients):
                client.transport.write(frame(TEXT, f"client {number}", mask=True))
            await self._until(lambda: all(c.echo == f"client {number}"
                                          for number, c in enumerate(self.clients)))
        self.run(say())

    def leave(self):
        async def go():
            self.leaving = True
            for client in self.clients:
                client.transport.abort()
        self.run(go())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class ServerNotices(VitalCase):
    @classmethod
    def setUpClass(cls):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def test_a_stopped_client_is_dropped_and_the_others_notice_nothing(self):
        server = self.serve("--beat", "1s", "--answer-within", "1s")
        client = self.connect(server.url, "--json", "--retry-first", "100ms")
        client.event("open")
        number = server.event("open")["id"]
        crowd = Crowd(server.url, OTHERS)
        self.addCleanup(crowd.leave)
        crowd.until_pinged(1)
        self.assertEqual(client.events("close"), [])

        fault = client.signal(signal.SIGSTOP)
        doubt = server.event("health", health="doubtful", id=number)
        self.assertEqual(doubt["cause"], "STUCK")
        dropped = server.event("close")
        self.assertEqual((dropped["id"], dropped["cause"]), (number, "STUCK"))
        self.assertLess(dropped.at - fault, BEAT + ANSWER + SLACK)
        self.assertRegex(dropped["text"], r"^No answer to our ping for 1(\.\d)? s\. The peer")

        client.signal(signal.SIGCONT)
        told = client.event("close")
        self.assertEqual((told["cause"], told["code"], told["reason"], told["final"]),
                         ("CLOSED_BY_PEER", 4408, "your host answers, your program does not",
                          False))
        client.event("open")
        client.say("back")
        client.event("message", data="back")

        crowd.until_pinged(3)
        crowd.echo()
        self.assertEqual(crowd.troubles, [])
        self.assertEqual([e["id"] for e in server.events("close")], [number])
        self.assertEqual(server.events("open")[-1]["connections"], OTHERS + 1)

    def test_the_log_for_people_names_it_too(self):
        server = self.start("serve", "--listen", "127.0.0.1:0", "--beat", "200ms",
                            "--answer-within", "300ms")
        url = server.line("^listening on ").text.removeprefix("listening on ")
        client = self.connect(url)
        client.note("^open ")
        server.note(r"^open #1 127\.0\.0\.1:\d+ \(1 connection\)$")
        client.signal(signal.SIGSTOP)
        server.note(r"^close #1 127\.0\.0\.1:\d+ after .*: STUCK: No answer to our ping")
