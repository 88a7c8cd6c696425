"""Python's `websockets`, driven by lines on stdin; ../children.py says which.

Its `legacy` is what Debian 12's release 10.4 offers as websockets.connect() and
websockets.serve(); later releases still have it under this name.
"""
import asyncio
import hashlib
import http
import ssl
import sys
import urllib.parse

from websockets.exceptions import ConnectionClosed, InvalidStatusCode
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory)
from websockets.legacy.client import WebSocketClientProtocol, connect
from websockets.legacy.server import WebSocketServerProtocol, serve

# No beats of its own, and no extensions but those that are passed.
LIMITS = {"max_size": 16 * 1024 * 1024, "ping_interval": None, "compression": None}
DEFLATE = {
    "takeover": {},
    "fresh": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "narrow": {"server_max_window_bits": 10, "client_max_window_bits": 10},
}


def tell(event, **fields):
    print(urllib.parse.urlencode({"event": event, **fields}), flush=True)


def deflate_by(factory, how):
    return [factory(**DEFLATE[how])] if how else None


class Watched:
    """Tells of pings, which the package answers without a word."""
    conn = 0

    async def pong(self, data=b""):
        tell("ping", conn=self.conn, payload=data.hex())
        await super().pong(data)


class Client(Watched, WebSocketClientProtocol):
    pass


class Server(Watched, WebSocketServerProtocol):
    async def process_request(self, path, headers):
        return (http.HTTPStatus.UNAUTHORIZED, [], b"") if path == "/refuse" else None


class Peer:
    def __init__(self):
        self.socket = None  # of the newest connection
        self.count = 0
        self.running = set()

    async def attend(self, ws, echo, **about):
        self.socket = ws
        self.count += 1
        ws.conn = self.count
        tell("open", conn=ws.conn, subprotocol=ws.subprotocol or "",
             extensions=",".join(extension.name for extension in ws.extensions), **about)
        try:
            async for message in ws:
                data = message.encode() if isinstance(message, str) else message
                tell("message", conn=ws.conn, kind="text" if data is not message else "binary",
                     size=len(data), sha256=hashlib.sha256(data).hexdigest())
                if echo:
                    await ws.send(message)
        except ConnectionClosed:
            pass  # with another code than 1000 and 1001
        await ws.wait_closed()
        tell("close", conn=ws.conn, code=ws.close_code, reason=ws.close_reason)

    async def listen(self, port, subprotocol, cert=None, key=None, deflate=None):
        async def accepted(ws):
            await self.attend(ws, ws.path == "/echo",
                              header=ws.request_headers.get("X-Interop", ""),
                              offered=ws.request_headers.get("Sec-WebSocket-Extensions", ""))

        secure = None
        if cert:
            secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            secure.load_cert_chain(cert, key)
        self.server = await serve(
            accepted, "127.0.0.1", int(port), subprotocols=[subprotocol], ssl=secure,
            extensions=deflate_by(ServerPerMessageDeflateFactory, deflate),
            create_protocol=Server, **LIMITS)
        tell("listening")

    async def connect(self, url, ca=None, deflate=None, header=None, subprotocols=None):
        try:
            ws = await connect(url, extra_headers={"X-Interop": header} if header else None,
                               subprotocols=subprotocols and subprotocols.split(","),
                               ssl=ca and ssl.create_default_context(cafile=ca),
                               extensions=deflate_by(ClientPerMessageDeflateFactory, deflate),
                               create_protocol=Client, **LIMITS)
        except InvalidStatusCode as refusal:
            tell("refused", status=refusal.status_code)
            return
        self.start(self.attend(
            ws, False, offered=ws.request_headers.get("Sec-WebSocket-Extensions", "")))

    async def send(self, kind, file, fragments=None, ping=None):
        """Fragments of a text are cut by characters."""
        with open(file, "rb") as opened:
            message = opened.read()
        if kind == "text":
            message = message.decode()

        async def pieces():
            rest = message
            for size in map(int, fragments.split(",")):
                yield rest[:size]
                rest = rest[size:]
                if ping:
                    await self.ping(ping)
            yield rest

        await self.socket.send(pieces() if fragments else message)

    async def ping(self, payload):
        """The package says that a pong came by the ping that has the same payload."""
        conn = self.socket.conn
        waiter = await self.socket.ping(bytes.fromhex(payload))
        waiter.add_done_callback(lambda done: done.cancelled() or done.exception()
                                 or tell("pong", conn=conn, payload=payload))

    async def pong(self, payload):
        await self.socket.pong(bytes.fromhex(payload))

    async def close(self, code, reason):
        await self.socket.close(int(code), reason)

    def start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def obey(self, command):
        try:
            await getattr(self, command.pop("do"))(**command)
        except Exception as error:  # whatever it is, the runner is to know
            tell("problem", text=repr(error))


async def main():
    peer = Peer()
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    tell("ready")
    while line := await stdin.readline():
        command = dict(urllib.parse.parse_qsl(line.decode().strip(), keep_blank_values=True))
        await peer.obey(command)


asyncio.run(main())
