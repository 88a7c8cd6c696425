"""RFC 6455 on the wire, written by hand: frames to bytes, right or wrong, and bytes to
frames, checked. Shares nothing with what it tests."""
import base64
import collections
import dataclasses
import hashlib
import os
import typing

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KINDS = {TEXT: "text", BINARY: "binary"}

NO_STATUS, ABNORMAL = 1005, 1006


class Failure(AssertionError):
    """The program under test did not do what it must."""


# ------------------------------------------------------------------- to the program

def xor(payload, key):
    """RFC 6455 5.3."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame as it shall be sent. What is None is as it should be: the mask as the role
    demands, the length that of the payload in its shortest form."""
    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    masked: typing.Optional[bool] = None
    key: typing.Optional[bytes] = None
    length: typing.Optional[int] = None  # announced
    width: typing.Optional[int] = None  # bytes of the long length: 0, 2, 8
    only: typing.Optional[int] = None  # so many bytes of the payload are sent

    def encode(self, masks):
        masked = masks if self.masked is None else self.masked
        length = len(self.payload) if self.length is None else self.length
        width = self.width
        if width is None:
            width = 0 if length < 126 else 2 if length < 65536 else 8
        short = {0: length, 2: 126, 8: 127}[width]
        head = bytes([(0x80 if self.fin else 0) | self.rsv << 4 | self.opcode,
                      (0x80 if masked else 0) | short])
        if width:
            head += length.to_bytes(width, "big")
        payload = self.payload
        if masked:
            key = self.key or os.urandom(4)
            head += key
            payload = xor(payload, key)
        return head + (payload if self.only is None else payload[:self.only])


def text(payload="", **how):
    return Frame(TEXT, payload.encode() if isinstance(payload, str) else payload, **how)


def binary(payload=b"", **how):
    return Frame(BINARY, payload, **how)


def cont(payload=b"", **how):
    return Frame(CONTINUATION, payload.encode() if isinstance(payload, str) else payload, **how)


def ping(payload=b"", **how):
    return Frame(PING, payload, **how)


def pong(payload=b"", **how):
    return Frame(PONG, payload, **how)


def close(code=None, reason="", **how):
    payload = b"" if code is None else code.to_bytes(2, "big")
    return Frame(CLOSE, payload + (reason.encode() if isinstance(reason, str) else reason), **how)


def fragments(kind, payload, *cuts):
    """A message cut at these places."""
    places = [0, *cuts, len(payload)]
    parts = [payload[a:b] for a, b in zip(places, places[1:])]
    last = len(parts) - 1
    return [Frame(CONTINUATION if i else kind, part, fin=i == last)
            for i, part in enumerate(parts)]


# ----------------------------------------------------------------- from the program

Received = collections.namedtuple("Received", "opcode payload fin rsv key")


class Incoming:
    """What comes from the program: bytes in, frames out. Everything that RFC 6455 asks of a
    sender is checked of every frame in every case."""

    def __init__(self, masked, rsv=0):
        self.held = bytearray()
        self.masked = masked
        self.rsv = rsv  # bits that the first frame of a message may have
        self.keys = []
        self._kind = None  # of the message that is under way
        self._closed = False

    def feed(self, data):
        self.held += data
        while (frame := self._take()) is not None:
            self._judge(frame)
            yield frame

    def _take(self):
        held = self.held
        if len(held) < 2:
            return None
        size, at = held[1] & 0x7F, 2
        width = {126: 2, 127: 8}.get(size, 0)
        if len(held) < at + width:
            return None
        if width:
            size, at = int.from_bytes(held[at:at + width], "big"), at + width
            require(size >= (126 if width == 2 else 65536) and size < 1 << 63,
                    f"a length of {size} in {width} bytes (5.2)")
        require(bool(held[1] & 0x80) == self.masked,
                "a frame that is not masked" if self.masked else "a masked frame (5.1)")
        key = None
        if self.masked:
            key, at = bytes(held[at:at + 4]), at + 4
        if len(held) < at + size:
            return None
        payload = bytes(held[at:at + size])
        if key is not None:
            payload = xor(payload, key)
            self.keys.append(key)
        frame = Received(held[0] & 15, payload, bool(held[0] & 0x80), held[0] >> 4 & 7, key)
        del held[:at + size]
        return frame

    def _judge(self, frame):
        """5.2, 5.4, 5.5, 5.5.1, and 7 of RFC 7692 for the reserved bits."""
        require(not self._closed, "a frame after the close frame (5.5.1)")
        require(frame.opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG),
                f"opcode {frame.opcode} (5.2)")
        first = frame.opcode in (TEXT, BINARY)
        require(frame.rsv & ~(self.rsv if first else 0) == 0, f"reserved bits {frame.rsv} (5.2)")
        if frame.opcode >= CLOSE:
            require(frame.fin, "a fragmented control frame (5.5)")
            require(len(frame.payload) <= 125, "a control frame above 125 bytes (5.5)")
            if frame.opcode == CLOSE:
                self._closed = True
                judge_close(frame.payload)
            return
        require(first == (self._kind is None), "fragments that are not in their order (5.4)")
        self._kind = None if frame.fin else frame.opcode if first else self._kind


def judge_close(payload):
    require(len(payload) != 1, "a close frame of one byte (5.5.1)")
    if payload:
        code = int.from_bytes(payload[:2], "big")
        require(code_may_be_sent(code), f"a close frame with code {code} (7.4)")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise Failure("it sent a close reason that is not UTF-8 (5.5.1)") from None


def code_may_be_sent(code):
    return code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code <= 4999


def require(holds, what):
    if not holds:
        raise Failure(f"it sent {what}")


# -------------------------------------------------------------------- the handshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455 1.3


def accept_of(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


@dataclasses.dataclass
class Head:
    """A first line and headers, in their order, to be changed before they are written."""
    line: str
    headers: list

    def without(self, name):
        return Head(self.line, [h for h in self.headers if h[0].lower() != name.lower()])

    def having(self, name, value):
        """In place of what there is of that name, or at the end."""
        if not any(h[0] == name for h in self.headers):
            return self.adding(name, value)
        return Head(self.line, [(name, value) if h[0] == name else h for h in self.headers])

    def adding(self, name, value):
        return Head(self.line, [*self.headers, (name, value)])

    def one(self, name):
        return next(value for key, value in self.headers if key == name)

    def under(self, line):
        return Head(line, self.headers)

    def encode(self):
        """Latin-1, so that any bytes can be said."""
        lines = [self.line, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def request(host="127.0.0.1", path="/", key=KEY):
    return Head(f"GET {path} HTTP/1.1", [
        ("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", "13")])


def response(key):
    return Head("HTTP/1.1 101 Switching Protocols", [
        ("Upgrade", "websocket"), ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_of(key))])


class Answer:
    """A head that has come, cut strictly."""

    def __init__(self, data):
        lines = data.decode("latin-1").split("\r\n")
        require("\n" not in "".join(lines) and "\r" not in "".join(lines), "a bare CR or LF")
        self.line = lines[0]
        self.headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            require(colon and name and name == name.strip(), f"the header {line!r}")
            self.headers.append((name.lower(), value.strip(" \t")))

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def one(self, name):
        """The value of a header that must be there once."""
        values = self.all(name)
        require(len(values) == 1, f"{name} {len(values)} times")
        return values[0]

    @property
    def status(self):
        words = self.line.split(" ", 2)
        require(len(words) == 3 and words[0] == "HTTP/1.1" and words[1].isdigit()
                and len(words[1]) == 3, f"the status line {self.line!r}")
        return int(words[1])
