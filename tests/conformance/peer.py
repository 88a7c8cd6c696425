"""The other end of the socket: a peer that can send any bytes, in any chunks, at any pace,
and knows what has to come back."""
import asyncio
import socket
import struct

import deflate
import wire
from wire import CLOSE, CONTINUATION, KINDS, NO_STATUS, PING, PONG, TEXT, Failure

HEAD_MOST = 64 * 1024
WHOLE, BYTES = "whole", "byte by byte"
CHOPPED_MOST = 600  # bytes that are sent one by one; the rest of a write follows in pieces
PIECE = 1021

# What the program itself says of the end, by the code with which it failed the connection.
CAUSES = {1002: "MISBEHAVED", 1007: "MISBEHAVED", 1008: "OVERFLOW", 1009: "OVERFLOW"}


class Peer:
    """One connection of a case. `vital` is the role of the program under test."""

    def __init__(self, servers, case, number):
        self.servers = servers
        self.case = case
        self.vital = case.role
        self.pace = case.pace
        self.waiting = "the connection"
        self.over = False
        self.number = number
        self.sock = None
        self.rest = b""  # came with the head
        self.url = ""
        self._listener = None
        # An address of its own, by which the server's events are told apart.
        self._source = f"127.1.{number >> 8}.{number & 255}"
        self._loop = asyncio.get_running_loop()
        self.begin_again()

    def begin_again(self):
        """On another socket."""
        self._frames = []
        self.inflater = None
        self.incoming = wire.Incoming(masked=self.vital == "client", rsv=self.case.rsv)

    # ------------------------------------------------------------------ the socket

    async def connect(self):
        """vital is the server."""
        self.program, self.url = await self.servers.find(self.case.settings, self.case.by_api)
        host, port = self.url.removeprefix("ws://").rstrip("/").split(":")
        self.host = f"{host}:{port}"
        self.sock = socket.socket()
        self._prepare()
        self.sock.bind((self._source, 0))
        self.about = "%s:%d" % self.sock.getsockname()
        await self._loop.sock_connect(self.sock, (host, int(port)))

    async def listen(self):
        """vital is the client, and is told to connect."""
        self._listener = socket.socket()
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(4)
        self.port = self._listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}{self.case.path}"
        self.program = self.servers.subject
        self.about = self.program.connect(self.url, self.case.settings)
        await self.accept()

    async def accept(self):
        self.sock, _ = await self._loop.sock_accept(self._listener)
        self._prepare()

    def _prepare(self):
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send(self, data):
        """As the case wants it: in one write, or in as many as there are bytes. What the
        program does not wait for, since it has found fault already, is its own affair."""
        try:
            if self.pace == WHOLE:
                await self._loop.sock_sendall(self.sock, data)
                return
            at = 0
            while at < len(data):
                size = 1 if at < CHOPPED_MOST else PIECE
                await self._loop.sock_sendall(self.sock, data[at:at + size])
                at += size
                await asyncio.sleep(0)
        except (BrokenPipeError, ConnectionResetError):
            pass

    async def read(self):
        """Some bytes; none at the end of the stream."""
        try:
            return await self._loop.sock_recv(self.sock, 1 << 18)
        except ConnectionResetError:
            raise Failure("it reset the connection") from None

    def end_stream(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was faster

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def finish(self):
        for sock in (self.sock, self._listener):
            if sock is not None:
                sock.close()

    # --------------------------------------------------------------- the handshake

    async def head(self):
        """The head that comes from the program; what came after it is kept."""
        self.waiting = "a head of HTTP"
        held = b""
        while b"\r\n\r\n" not in held:
            got = await self.read()
            if not got:
                raise Failure(f"it ended the stream after {held!r} instead of a head")
            held += got
            wire.require(len(held) < HEAD_MOST, "a head that does not end")
        data, self.rest = held.split(b"\r\n\r\n", 1)
        return wire.Answer(data)

    async def open(self):
        """The usual handshake, so that the case can begin after it."""
        pace, self.pace = self.pace, WHOLE
        if self.vital == "server":
            await self.connect()
            head = wire.request(self.host, self.case.path)
            for name, value in self.case.headers:
                head = head.adding(name, value)
            await self.send(head.encode())
            self.answer = await self.head()
            if self.answer.status != 101:
                raise Failure(f"it answered {self.answer.line!r} to the upgrade")
        else:
            await self.listen()
            self.answer = await self.head()
            wire.require(not self.rest, f"{self.rest!r} before the answer to its request (4.1)")
            head = wire.response(self.answer.one("Sec-WebSocket-Key"))
            for name, value in self.case.headers:
                head = head.adding(name, value)
            await self.send(head.encode())
        self.pace = pace
        if self.case.rsv:
            self.agree(self.answer if self.vital == "server" else head)

    def agree(self, answer):
        """On compression, as this answer of the server says."""
        self.incoming.rsv = 4
        self.inflater = deflate.inflater_of(answer.one("Sec-WebSocket-Extensions"), self.vital)

    # -------------------------------------------------------------------- frames

    def encode(self, what):
        return what if isinstance(what, bytes) else what.encode(self.vital == "server")

    async def put(self, *what):
        await self.send(b"".join(self.encode(each) for each in what))

    async def receive(self):
        """The next frame, checked; None at the end of the stream."""
        while not self._frames:
            got, self.rest = self.rest or await self.read(), b""
            if not got:
                if self.incoming.held:
                    raise Failure(f"it ended within a frame: {bytes(self.incoming.held[:40])!r}")
                return None
            self._frames += self.incoming.feed(got)
        return self._frames.pop(0)

    def unread(self, frame):
        """So that it is the next one again."""
        self._frames.insert(0, frame)

    async def message(self):
        """(kind, payload, rsv) of the next message, inflated if it is compressed; control
        frames are not expected."""
        parts, first = [], None
        while True:
            frame = await self.receive()
            if frame is None:
                raise Failure("it ended the stream instead")
            if frame.opcode >= CLOSE:
                raise Failure(f"instead came {describe(frame)}")
            first = first or frame
            parts.append(frame.payload)
            if frame.fin:
                data = b"".join(parts)
                self.packed_bytes = len(data)
                if first.rsv:
                    data = self.inflater.unpack(data)
                return first.opcode, data, first.rsv

    async def control(self, opcode):
        frame = await self.receive()
        if frame is None or frame.opcode != opcode:
            raise Failure(f"instead came {describe(frame)}")
        return frame.payload

    async def verdict(self, **expected):
        """What the program says of the end."""
        self.waiting = "the program's verdict"
        event = await self.program.event(self.about, "close")
        for name, value in expected.items():
            if event[name] != value:
                raise Failure(f"its verdict has {name} {event[name]!r} instead of {value!r}: "
                              f"{event['text']}")
        return event

    async def last_words(self):
        """Of the program, on a connection of a case that has failed."""
        try:
            event = await asyncio.wait_for(self.program.event(self.about, "close"), 1)
        except (AttributeError, TimeoutError, Failure):
            return ""
        return f"; it says: {event['cause']}: {event['text']}"

    async def ends(self):
        """Nothing more comes, and the stream ends."""
        self.waiting = "the end of the stream"
        frame = await self.receive()
        if frame is not None:
            raise Failure(f"before the end of the stream came {describe(frame)}")

    async def goodbye(self):
        """Shows that all is well: the closing handshake, begun by us."""
        await self.put(wire.close(1000))
        await closes(1000)(self)


def describe(frame):
    if frame is None:
        return "the end of the stream"
    if frame.opcode == CLOSE:
        return "a close frame of %s %r" % (
            int.from_bytes(frame.payload[:2], "big") or NO_STATUS, frame.payload[2:].decode())
    names = {CONTINUATION: "a continuation", PING: "a ping", PONG: "a pong"}
    name = names.get(frame.opcode) or f"a {KINDS[frame.opcode]} message"
    return f"{name} of {len(frame.payload)} bytes: {frame.payload[:40]!r}"


# ----------------------------------------------------------- what a script expects next

def echo(payload, kind=TEXT):
    if isinstance(payload, str):
        payload = payload.encode()

    async def expect(peer):
        peer.waiting = f"the echo of {len(payload)} bytes"
        came, data, _ = await peer.message()
        if came != kind or data != payload:
            raise Failure(f"it gave back {len(data)} bytes of {KINDS[came]}, {data[:40]!r}, not "
                          f"{len(payload)} of {KINDS[kind]}, {payload[:40]!r}")
    return expect


def answer(payload):
    async def expect(peer):
        peer.waiting = f"a pong of {payload!r}"
        came = await peer.control(PONG)
        if came != payload:
            raise Failure(f"its pong says {came!r} and not {payload!r}")
    return expect


def fails(code):
    """It fails the connection with just this code (7.1.7), says so, and ends the stream."""
    async def expect(peer):
        peer.waiting = f"a close frame with {code}"
        payload = await peer.control(CLOSE)
        came = int.from_bytes(payload[:2], "big") or NO_STATUS
        if came != code:
            raise Failure(f"it failed the connection with {came} {payload[2:].decode()!r} and not "
                          f"with {code}")
        await peer.ends()
        await peer.verdict(cause=CAUSES[code], code=code)
        peer.over = True
    return expect


def closes(code=None, reason=""):
    """It answers our close frame with the same code, and the stream ends."""
    async def expect(peer):
        peer.waiting = "the answer to our close frame"
        payload = await peer.control(CLOSE)
        if payload[:2] != (b"" if code is None else code.to_bytes(2, "big")):
            raise Failure(f"it answered our close frame with {payload!r}")
        if peer.vital == "client":
            peer.end_stream()  # a client waits for the server to do that (7.1.1)
        await peer.ends()
        await peer.verdict(cause="CLOSED_BY_PEER", code=code or NO_STATUS, reason=reason)
        peer.over = True
    return expect


async def play_script(peer, steps):
    """What is to be sent until the next expectation goes out as one. A frame that is there a
    hundred thousand times is encoded once: other cases wait meanwhile."""
    encoded = {}
    out = []
    for step in [*steps, None]:
        if isinstance(step, bytes) or hasattr(step, "encode"):
            if id(step) not in encoded:
                encoded[id(step)] = peer.encode(step)
            out.append(encoded[id(step)])
            continue
        if out:
            await peer.send(b"".join(out))
            out = []
        if step is not None:
            await step(peer)
    if not peer.over:
        await peer.goodbye()
