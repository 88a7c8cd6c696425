"""Peers that are not vital: raw RFC 6455 ends, a plain HTTP server, a wire tap.

They share no code with what they test. A test drives them in a straight line:
every call waits, with a deadline, for what it names.
"""
import base64
import collections
import hashlib
import http.server
import os
import random
import socket
import struct
import threading
import time

from vital_process import DEADLINE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1 = 0x40  # stands with the opcode: RFC 7692 6

Frame = collections.namedtuple("Frame", "opcode payload fin masked at")


def masked_bytes(payload, key):
    """RFC 6455 5.3."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def frame(opcode, payload=b"", mask=False, fin=True):
    """The bytes of one frame, RFC 6455 5.2."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload)
    bit = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += struct.pack(">BH", bit | 126, size)
    else:
        head += struct.pack(">BQ", bit | 127, size)
    if mask:
        key = os.urandom(4)
        return head + key + masked_bytes(payload, key)
    return head + payload


def close_payload(code, reason=""):
    return struct.pack(">H", code) + reason.encode()


class Frames:
    """Bytes in, frames out."""

    def __init__(self):
        self._held = bytearray()

    def feed(self, data):
        self._held += data
        frames, at, now = [], 0, time.monotonic()
        while True:
            found = self._one(at, now)
            if found is None:
                del self._held[:at]
                return frames
            frames.append(found[0])
            at = found[1]

    def _one(self, at, now):
        held = self._held
        if len(held) < at + 2:
            return None
        first, second = held[at], held[at + 1]
        size, at = second & 0x7F, at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(held) < at + wide:
                return None
            size, at = int.from_bytes(held[at:at + wide], "big"), at + wide
        key = None
        if second & 0x80:
            key, at = bytes(held[at:at + 4]), at + 4
        if len(held) < at + size:
            return None
        payload = bytes(held[at:at + size])
        if key is not None:
            payload = masked_bytes(payload, key)
        return Frame(first & 0x7F, payload, bool(first & 0x80), key is not None, now), at + size


class RawWebSocket:
    """One end of a connection after its handshake; close() it."""

    def __init__(self, sock, head, rest=b"", client=False):
        self.sock = sock
        self.head = head  # of the other side, as text
        self._client = client
        self._frames = Frames()
        self._ready = collections.deque(self._frames.feed(rest))

    def send(self, opcode, payload=b"", fin=True):
        self.sock.sendall(frame(opcode, payload, self._client, fin))

    def receive(self, within=DEADLINE):
        """The next frame; None at the end of the stream."""
        while not self._ready:
            self.sock.settimeout(within)
            try:
                got = self.sock.recv(1 << 18)
            except ConnectionResetError:
                got = b""
            except TimeoutError:
                raise AssertionError(f"no frame has come within {within} s") from None
            if not got:
                return None
            self._ready.extend(self._frames.feed(got))
        return self._ready.popleft()

    def receive_opcode(self, opcode):
        """The next frame of this kind; the others are passed over."""
        while True:
            got = self.receive()
            if got is None:
                raise AssertionError(f"the stream has ended without a frame of opcode {opcode}")
            if got.opcode == opcode:
                return got

    def message(self):
        """The next message, put together: (its opcode, its payload)."""
        first = got = self.receive()
        parts = []
        while got is not None:
            if got.opcode != (CONTINUATION if parts else first.opcode) or first.opcode > BINARY:
                break
            parts.append(got.payload)
            if got.fin:
                return first.opcode, b"".join(parts)
            got = self.receive()
        raise AssertionError(f"instead of a message: {str(got)[:200]}")

    def text(self):
        """The next message, which is a text."""
        opcode, payload = self.message()
        if opcode != TEXT:
            raise AssertionError(f"instead of a text, {len(payload)} bytes of binary")
        return payload.decode()

    def closing(self):
        """Waits for the close frame: (its code, its reason)."""
        payload = self.receive_opcode(CLOSE).payload
        return (int.from_bytes(payload[:2], "big") if payload else 1005), payload[2:].decode()

    def answer_close(self):
        """Waits for the close frame and completes the handshake."""
        code, reason = self.closing()
        self.send(CLOSE, close_payload(code) if code != 1005 else b"")
        return code, reason

    def goodbye(self, code, reason=""):
        """Begins the closing handshake, and ends the stream as a server does."""
        self.send(CLOSE, close_payload(code, reason))
        self.closing()
        self.close()

    def ended(self):
        """Waits for the end of the stream."""
        while self.receive() is not None:
            pass

    def reset(self):
        """Ends it as a crash of the host would be seen: RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


def read_head(sock):
    """An HTTP head, and the bytes that came after it."""
    sock.settimeout(DEADLINE)
    held = b""
    while b"\r\n\r\n" not in held:
        got = sock.recv(65536)
        if not got:
            raise AssertionError(f"the stream ended within the head: {held!r}")
        held += got
    head, rest = held.split(b"\r\n\r\n", 1)
    return head.decode("latin-1") + "\r\n", rest


def header(head, name):
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name.lower():
            return value.strip()
    return None


def accept_key(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def address_of(url):
    """(family, address) of ws://HOST:PORT/ or ws+unix:/PATH."""
    if url.startswith("ws+unix:"):
        return socket.AF_UNIX, url.removeprefix("ws+unix:")
    host, _, port = url.split("/")[2].rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return family, (host.strip("[]"), int(port))


def open_socket(url, receive_buffer=None):
    family, address = address_of(url)
    sock = socket.socket(family)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(DEADLINE)
    sock.connect(address)
    return sock


UPGRADE = ("GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def dial(url, receive_buffer=None, headers="", path="/", host="test"):
    """A raw client of this server, which asks with these headers too."""
    sock = open_socket(url, receive_buffer)
    asked = UPGRADE.replace("GET / ", f"GET {path} ").replace("Host: test", f"Host: {host}")
    sock.sendall((asked[:-2] + headers + "\r\n").encode())
    head, rest = read_head(sock)
    if not head.startswith("HTTP/1.1 101"):
        raise AssertionError(head)
    return RawWebSocket(sock, head, rest, client=True)


class Listener:
    """A server that does only what the test does. close() it."""

    def __init__(self, receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(16)
        self.sock.settimeout(DEADLINE)
        self.url = f"ws://127.0.0.1:{self.sock.getsockname()[1]}/"
        self._accepted = []

    def accept(self):
        """(socket, the head of the request): the answer is the test's."""
        sock, _ = self.sock.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted.append(sock)
        head, _ = read_head(sock)
        return sock, head

    def websocket(self, extra=""):
        """Accepts the next connection and its upgrade."""
        sock, head = self.accept()
        sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept_key(header(head, 'Sec-WebSocket-Key'))}\r\n"
                      f"{extra}\r\n").encode())
        return RawWebSocket(sock, head)

    def close_last(self):
        """Of the accepted ones."""
        self._accepted.pop().close()

    def refuse(self, status, extra=""):
        """Answers the next request with an HTTP status."""
        sock, _ = self.accept()
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n{extra}\r\n".encode())
        sock.close()

    def close(self):
        for sock in self._accepted:
            sock.close()
        self.sock.close()


class ClosedPort:
    """A port where nobody listens, and nobody will: it is bound."""

    def __init__(self):
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._sock.getsockname()[1]}/"

    def close(self):
        self._sock.close()


def free_port():
    """A port that stays free while a server on it is down: not one of those that
    the system gives to the next socket that asks for any."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as limits:
        lowest = int(limits.read().split()[0])
    for _ in range(100):
        port = random.randrange(lowest - 8000, lowest)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class HttpServer:
    """Speaks HTTP and no WebSocket. close() it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"hello\n")

        def log_message(self, *_):
            pass

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"ws://127.0.0.1:{self._server.server_port}/"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class TapConnection:
    """A connection that passes through the tap, and its frames, each with the
    time at which it passed."""

    def __init__(self):
        self.to_server = []
        self.to_client = []

    def beats(self, frames, text="heartbeat"):
        return [f.at for f in frames if f.opcode == TEXT and f.payload == text.encode()]


class Tap:
    """A relay in front of a server that notes every frame. close() it."""

    def __init__(self, url):
        self._target = url
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen(16)
        self.url = f"ws://127.0.0.1:{self._sock.getsockname()[1]}/"
        self.connections = []
        self._sockets = []
        self._changed = threading.Condition()
        self._spawn(self._accept)

    def _spawn(self, run, *args):
        threading.Thread(target=run, args=args, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._sock.accept()
                server = open_socket(self._target)
            except OSError:
                return
            server.settimeout(None)
            connection = TapConnection()
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._sockets += [client, server]
                self.connections.append(connection)
                self._changed.notify_all()
            self._spawn(self._pump, client, server, connection.to_server)
            self._spawn(self._pump, server, client, connection.to_client)

    def _pump(self, source, sink, noted):
        held, frames = b"", None  # a head first, then frames
        while True:
            try:
                got = source.recv(65536)
                if got:
                    sink.sendall(got)
            except OSError:
                got = b""
            if not got:
                for sock in (source, sink):  # both directions: as a process that is gone
                    try:
                        sock.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                return
            if frames is None:
                held += got
                if b"\r\n\r\n" not in held:
                    continue
                frames, got = Frames(), held.split(b"\r\n\r\n", 1)[1]
            with self._changed:
                noted += frames.feed(got)
                self._changed.notify_all()

    def until(self, done, what, within=DEADLINE):
        """Waits until done() is true; it is asked after everything that passes."""
        with self._changed:
            if not self._changed.wait_for(done, within):
                raise AssertionError(f"within {within:.0f} s the wire did not show {what}")

    def close(self):
        # shutdown first: closing alone does not wake a thread that accepts
        for sock in (self._sock, *self._sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
