"""Python's `websockets` with its own keepalive; ../peers.py says how it is called. It
pings every interval, and closes with 1011 when no pong has come for ping_timeout, whose
default of 20 s is left as it is.

An end is told when it is decided upon: the application's recv() hears of it up to two
close_timeout later, since a goodbye is waited for.
"""
import asyncio
import sys
import time
import urllib.parse

from websockets.exceptions import ConnectionClosed
from websockets.legacy.client import WebSocketClientProtocol, connect
from websockets.legacy.server import WebSocketServerProtocol, serve

ROLE, ADDRESS = sys.argv[1:3]
PORT, INTERVAL, FIRST, COUNT, OVER, TALK = map(int, (sys.argv[3:] + ["0"] * 4)[:6])
HOW = {"ping_interval": INTERVAL / 1000, "compression": None}


def tell(event, **fields):
    at = time.monotonic_ns() // 1000
    print(urllib.parse.urlencode({"event": event, "at": at, **fields}), flush=True)


class Watched:
    name = None
    told = False

    def tell_dead(self, text):
        if self.name is not None and not self.told:
            self.told = True
            tell("dead", name=self.name, text=text)

    def fail_connection(self, code=1006, reason=""):
        self.tell_dead(f"{code} {reason} {getattr(self, 'transfer_data_exc', '')!r}")
        super().fail_connection(code, reason)

    def connection_lost(self, exc):
        self.tell_dead(f"{self.close_code or 1006} {self.close_reason or ''} {exc!r}")
        super().connection_lost(exc)


class Client(Watched, WebSocketClientProtocol):
    pass


class Server(Watched, WebSocketServerProtocol):
    pass


async def accepted(ws):
    ws.name = ws.path[1:]
    tell("open", name=ws.name, port=ws.remote_address[1])
    try:
        async for message in ws:
            await ws.send(message)
    except ConnectionClosed:
        pass  # which has been told


async def talk_on(ws):
    try:
        while True:
            await asyncio.sleep(TALK / 1000)
            await ws.send("so it goes")
    except ConnectionClosed:
        pass


async def attend(number):
    await asyncio.sleep(OVER / 1000 * number / COUNT)
    ws = await connect(f"ws://{ADDRESS}:{PORT}/{FIRST + number}", create_protocol=Client, **HOW)
    ws.name = FIRST + number
    tell("open", name=ws.name)
    talking = asyncio.ensure_future(talk_on(ws)) if TALK else None
    try:
        async for _ in ws:
            pass
    except ConnectionClosed:
        pass
    if talking:
        await talking


async def main():
    if ROLE == "server":
        async with serve(accepted, ADDRESS, PORT, create_protocol=Server, backlog=4096, **HOW):
            tell("ready")
            await asyncio.Future()
    await asyncio.gather(*(attend(number) for number in range(COUNT)))


asyncio.run(main())
