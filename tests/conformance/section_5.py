"""Frames: RFC 6455 section 5."""
import asyncio
import itertools
import random

from peer import answer, closes, echo, fails
from requirements import CLIENT, SERVER
from wire import (BINARY, CLOSE, CONTINUATION, KINDS, PING, PONG, TEXT, Failure, Frame, binary,
                  close, cont, fragments, ping, pong, text)

OPCODES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close",
           PING: "ping", PONG: "pong"}
UNKNOWN = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
SIZES = (0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 131072, 1 << 20)
LIMIT = 1000  # of a program that is told so


def some(size, kind=BINARY):
    """Bytes that are not all the same."""
    if kind == TEXT:
        return (b"The quick brown fox. " * (size // 21 + 1))[:size]
    return random.Random(size).randbytes(size)


def frame_of(opcode, payload=b"", **how):
    return Frame(opcode, payload, **how)


def fill(book):
    masking(book)
    bits(book)
    lengths(book)
    keys(book)
    fragmentation(book)
    control(book)
    closing(book)
    pings(book)
    pongs(book)
    data(book)
    examples(book)


def masking(book):
    for opcode, name in OPCODES.items():
        begun = [text("be", fin=False)] if opcode == CONTINUATION else []
        for role, masked, what in ((SERVER, False, "unmasked"), (CLIENT, True, "masked")):
            wrong = frame_of(opcode, b"" if opcode == CLOSE else b"hello", masked=masked)
            book.add("5.1", f"a {name} frame that is {what} fails with 1002",
                     [*begun, wrong, fails(1002)], roles=(role,), attack="b14")
            book.add("5.1", f"a {name} frame that is {what} fails by its second byte",
                     [*begun, wrong.encode(not masked)[:2], fails(1002)], roles=(role,),
                     chopped=False, attack="b14")
    for role, masked in ((SERVER, False), (CLIENT, True)):
        book.add("5.1", "the mask is judged of every frame, not of the first one only",
                 [text("good"), echo("good"), text("bad", masked=masked), fails(1002)],
                 roles=(role,), attack="b14")
        book.add("5.1", "the mask is judged before a length above the limit",
                 [binary(masked=masked, length=1 << 62), fails(1002)], roles=(role,), attack="b14")
        book.add("5.1", "what follows a frame with the wrong mask is not looked at",
                 [text("bad", masked=masked), text("good"), close(1000), fails(1002)],
                 roles=(role,), attack="b14")


def bits(book):
    for rsv, opcode in itertools.product(range(1, 8), OPCODES):
        begun = [text("be", fin=False)] if opcode == CONTINUATION else []
        row = "b20" if rsv & 4 and opcode not in (TEXT, BINARY) else ""
        row = row or ("b12" if opcode >= CLOSE else "")
        wrong = frame_of(opcode, b"", rsv=rsv)
        named = f"reserved bits {rsv:03b} of a {OPCODES[opcode]} frame"
        book.add("5.2", f"{named} fail with 1002", [*begun, wrong, fails(1002)], chopped=False,
                 attack=row)
        book.add("5.2", f"{named} fail by the first byte",
                 [*begun, wrong.encode(False)[:1], fails(1002)], chopped=False, attack=row)
    for opcode, fin in itertools.product(UNKNOWN, (True, False)):
        last = "" if fin else " that is not final"
        wrong = frame_of(opcode, b"", fin=fin)
        book.add("5.2", f"opcode {opcode} in a frame{last} fails with 1002", [wrong, fails(1002)],
                 chopped=False)
        book.add("5.2", f"opcode {opcode} in a frame{last} fails by the first byte",
                 [wrong.encode(False)[:1], fails(1002)], chopped=False)
    for opcode in UNKNOWN:
        book.add("5.2", f"opcode {opcode} within a fragmented message fails with 1002",
                 [text("be", fin=False), frame_of(opcode, b"x"), fails(1002)], chopped=False)
        book.add("5.2", f"opcode {opcode} is judged before its length of 2^62 bytes",
                 [frame_of(opcode, length=1 << 62), fails(1002)], chopped=False, attack="b3")
        book.add("5.2", f"opcode {opcode} after a good message fails with 1002",
                 [text("good"), echo("good"), frame_of(opcode, b"x"), fails(1002)], chopped=False)


def lengths(book):
    for size, kind in itertools.product(SIZES, KINDS):
        payload = some(size, kind)
        book.add("5.2", f"a {KINDS[kind]} message of {size} bytes is read and comes back",
                 [frame_of(kind, payload), echo(payload, kind)])
    for opcode, width, length in itertools.product(
            (TEXT, BINARY, CONTINUATION), (2, 8), (0, 1, 125, 126, 255, 65535)):
        if width == 2 and length > 125:
            continue
        begun = [text("be", fin=False)] if opcode == CONTINUATION else []
        book.add("5.2", f"a length of {length} in {width} bytes, of a {OPCODES[opcode]} frame, is "
                 "not its shortest form and fails with 1002",
                 [*begun, frame_of(opcode, length=length, width=width), fails(1002)], chopped=False)
    for length in (1 << 63, (1 << 63) + 5, (1 << 64) - 1, 3 << 62):
        wrong = frame_of(BINARY, length=length, width=8)
        book.add("5.2", f"a length of {length:#x} has its highest bit set and fails with 1002",
                 [wrong, fails(1002)], attack="b1")
        book.add("5.2", f"a length of {length:#x} fails by its first byte",
                 [Cut(wrong, 3), fails(1002)], chopped=False, attack="b1")
    for length in ((1 << 63) - 1, (1 << 63) - 14, 1 << 62, 1 << 53, (1 << 32) + 1, 1 << 32,
                   (1 << 32) - 1, 1 << 31, (1 << 31) - 1, 1 << 30):
        for opcode in (TEXT, BINARY, CONTINUATION):
            begun = [text("be", fin=False)] if opcode == CONTINUATION else []
            row = "b2" if opcode == CONTINUATION else "b1"
            book.add("5.2", f"a {OPCODES[opcode]} frame that announces {length:#x} bytes fails "
                     "with 1009 before any of them",
                     [*begun, frame_of(opcode, length=length), fails(1009)], chopped=False,
                     attack=row)
    for kind in KINDS:
        limit = {"settings": {"message_bytes": LIMIT}}
        book.add("5.2", f"a {KINDS[kind]} message of just the limit is read",
                 [frame_of(kind, some(LIMIT, kind)), echo(some(LIMIT, kind), kind)], **limit)
        book.add("5.2", f"a {KINDS[kind]} message of one byte more fails with 1009",
                 [frame_of(kind, length=LIMIT + 1), fails(1009)], **limit)
        book.add("5.2", f"fragments of {KINDS[kind]} that come to the limit together are read",
                 [*fragments(kind, some(LIMIT, kind), 1, 400, 999), echo(some(LIMIT, kind), kind)],
                 **limit)
        book.add("5.2", f"fragments of {KINDS[kind]} that pass the limit together fail with 1009",
                 [frame_of(kind, some(600, kind), fin=False), cont(length=LIMIT - 599),
                  fails(1009)], **limit, attack="b5")
    book.add("5.2", "continuations without an end fail with 1009 when their sum passes the limit",
             [binary(b"x" * 100, fin=False), *[cont(b"x" * 100, fin=False)] * 20, fails(1009)],
             settings={"message_bytes": LIMIT}, attack="b5")
    book.add("5.2", "the limit that is not set is the default, 1 MiB, and not without bound",
             [binary(length=(1 << 20) + 1), fails(1009)], roles=(SERVER,), attack="b4")
    book.add("5.2", "a limit of 0 is the default, 1 MiB, and not without bound",
             [binary(length=(1 << 20) + 1), fails(1009)], settings={"message_bytes": 0},
             by_api=True, attack="b4")


class Cut:
    """The first bytes of a frame."""

    def __init__(self, frame, size):
        self.frame = frame
        self.size = size

    def encode(self, masks):
        return self.frame.encode(masks)[:self.size]


def keys(book):
    for key in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4", b"\x80\0\0\x80", b"\0\0\0\1",
                b"\x37\xfa\x21\x3d", b"\n\r\n\r", b"\x81\x80\x81\x80"):
        for size in (0, 1, 3, 4, 5, 7, 8, 9, 31, 125, 126, 4099, 65536):
            payload = some(size)
            book.add("5.3", f"{size} bytes masked with {key.hex()} are unmasked",
                     [binary(payload, key=key), echo(payload, BINARY)], roles=(SERVER,),
                     chopped=size < 126)
    book.add("5.3", "every frame has its own key",
             [*(Frame(CONTINUATION if i else TEXT, b"%03d" % i, fin=i == 99,
                      key=i.to_bytes(4, "little")) for i in range(100)),
              echo(b"".join(b"%03d" % i for i in range(100)))], roles=(SERVER,))
    book.add("5.3", "the masked bytes of a text need not be UTF-8",
             [text("caf\u00e9", key=b"\xff\xfe\xfd\xfc"), echo("caf\u00e9")], roles=(SERVER,))
    for pattern in (b"\x81\x85\x37\xfa\x21\x3d", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)),
                    b"\0" * 4096, b"\xff" * 4096):
        book.add("5.3", f"a payload that looks like something else, {pattern[:8]!r}, is a payload",
                 [binary(pattern), echo(pattern, BINARY)], attack="b21")
    book.add("5.3", "each frame that is sent has a fresh mask that nothing foretells",
             fresh_masks, roles=(CLIENT,), chopped=False, attack="b15")
    book.add("5.3", "nothing that a server sends is masked",
             [*[text("x"), echo("x")] * 5, ping(b"y"), answer(b"y")], roles=(SERVER,))


async def fresh_masks(peer):
    count = 200
    for number in range(count):
        await peer.put(text(str(number)))
        await echo(str(number))(peer)
    known = peer.incoming.keys
    if len(set(known)) != count:
        raise Failure(f"it used {len(set(known))} masks for {count} frames")
    for bit in range(32):
        ones = sum(int.from_bytes(key, "big") >> bit & 1 for key in known)
        if not 50 < ones < 150:  # seven deviations from a half
            raise Failure(f"bit {bit} of its masks is set in {ones} of {count}")
    steps = [int.from_bytes(b, "big") - int.from_bytes(a, "big") for a, b in zip(known, known[1:])]
    if len(set(steps)) < count - 2:
        raise Failure("its masks follow each other in equal steps")
    await peer.goodbye()


def fragmentation(book):
    for kind in KINDS:
        name = KINDS[kind]
        whole = some(300, kind)
        for count in (2, 3, 5, 10, 50, 150):
            cuts = [len(whole) * i // count for i in range(1, count)]
            book.add("5.4", f"a {name} message in {count} fragments is put together",
                     [*fragments(kind, whole, *cuts), echo(whole, kind)])
        for cuts, where in (((0,), "first"), ((150, 150), "middle"), ((300,), "last"),
                            ((0, 0, 0), "first three")):
            book.add("5.4", f"a {name} message whose {where} fragment is empty is put together",
                     [*fragments(kind, whole, *cuts), echo(whole, kind)], attack="b8")
        for count in (2, 3, 20):
            book.add("5.4", f"{count} empty fragments are an empty {name} message",
                     [*fragments(kind, b"", *[0] * (count - 1)), echo(b"", kind)], attack="b8")
        for size in (125, 126, 127, 65535, 65536):
            large = some(2 * size, kind)
            book.add("5.4", f"two {name} fragments of {size} bytes are put together",
                     [*fragments(kind, large, size), echo(large, kind)])
        for size in (1, 16384, 40000):
            large = some(100000 if size > 1 else 400, kind)
            book.add("5.4", f"a {name} message in fragments of {size} bytes is put together",
                     [*fragments(kind, large, *range(size, len(large), size)), echo(large, kind)])
        book.add("5.4", f"a {name} message that is whole follows one in fragments",
                 [*fragments(kind, whole, 7), frame_of(kind, b"next"), echo(whole, kind),
                  echo(b"next", kind)])
        book.add("5.4", f"two {name} messages in fragments, one after the other, stay apart",
                 [*fragments(kind, b"first", 2), *fragments(kind, b"second", 3),
                  echo(b"first", kind), echo(b"second", kind)])
        book.add("5.4", f"a {name} message is read when its last fragment comes, not before",
                 [frame_of(kind, b"a", fin=False), cont(b"b", fin=False), ping(b"?"), answer(b"?"),
                  cont(b"c"), echo(b"abc", kind)])
        for size in (0, 1, 125):
            payload = some(size)
            book.add("5.4", f"a ping of {size} bytes between {name} fragments is answered at once",
                     [frame_of(kind, b"a", fin=False), ping(payload), answer(payload), cont(b"b"),
                      echo(b"ab", kind)])
            book.add("5.4", f"a pong of {size} bytes between {name} fragments changes nothing",
                     [frame_of(kind, b"a", fin=False), pong(payload), cont(b"b"),
                      echo(b"ab", kind)])
        book.add("5.4", f"pings after each of ten {name} fragments are answered, each at once",
                 [*itertools.chain(*([frame_of(CONTINUATION if i else kind, b"%d" % i, fin=False),
                                      ping(b"%d" % i), answer(b"%d" % i)] for i in range(10))),
                  cont(b"end"), echo(b"0123456789end", kind)])
        book.add("5.4", f"a close between {name} fragments ends the connection",
                 [frame_of(kind, b"a", fin=False), close(1000), closes(1000)])
        for other, fin in itertools.product(KINDS, (True, False)):
            what = "whole" if fin else "begun"
            book.add("5.4", f"a {KINDS[other]} message that is {what} within a fragmented {name} "
                     "message fails with 1002",
                     [frame_of(kind, b"a", fin=False), frame_of(other, b"b", fin=fin), fails(1002)])
        book.add("5.4", f"a continuation after a whole {name} message fails with 1002",
                 [frame_of(kind, b"a"), echo(b"a", kind), cont(b"b"), fails(1002)])
        book.add("5.4", f"a continuation after the last {name} fragment fails with 1002",
                 [*fragments(kind, b"ab", 1), echo(b"ab", kind), cont(b"c"), fails(1002)])
    for fin, payload in itertools.product((True, False), (b"", b"a")):
        final = "" if fin else " that is not final"
        book.add("5.4", f"a continuation of {len(payload)} bytes{final} of no message fails with "
                 "1002", [cont(payload, fin=fin), fails(1002)])
        book.add("5.4", f"a continuation of {len(payload)} bytes{final} of no message fails by its "
                 "first byte", [cont(payload, fin=fin).encode(False)[:1], fails(1002)],
                 chopped=False)
    book.add("5.4", "a continuation after only a ping fails with 1002",
             [ping(b"x"), answer(b"x"), cont(b"a"), fails(1002)])
    book.add("5.4", "131,000 fragments of one byte are one message",
             [binary(b"x", fin=False), *[cont(b"x", fin=False)] * 130998, cont(b"x"),
              echo(b"x" * 131000, BINARY)], chopped=False, attack="b6")
    book.add("5.4", "100,000 empty fragments are an empty message",
             [binary(fin=False), *[cont(fin=False)] * 99998, cont(), echo(b"", BINARY)],
             chopped=False, attack="b8")
    book.add("5.4", "10,000 empty messages come back one by one",
             [*[text("")] * 1000, *[echo("")] * 1000] * 10, chopped=False, attack="b8")


def control(book):
    for opcode in (CLOSE, PING, PONG):
        name = OPCODES[opcode]
        for payload in (b"", b"\x03\xe8"):
            wrong = frame_of(opcode, payload, fin=False)
            book.add("5.5", f"a {name} frame of {len(payload)} bytes that is not final fails with "
                     "1002", [wrong, fails(1002)], attack="b12")
        book.add("5.5", f"a {name} frame that is not final fails by its first byte",
                 [wrong.encode(False)[:1], fails(1002)], chopped=False, attack="b12")
        book.add("5.5", f"a {name} frame in two fragments fails with 1002",
                 [frame_of(opcode, b"\x03\xe8", fin=False), cont(b"b"), fails(1002)], attack="b12")
        for length in (126, 127, 128, 255, 65535, 65536, 1 << 20):
            wrong = frame_of(opcode, length=length)
            book.add("5.5", f"a {name} frame of {length} bytes fails with 1002",
                     [wrong, fails(1002)], attack="b12")
            book.add("5.5", f"a {name} frame of {length} bytes fails by its second byte",
                     [Cut(wrong, 2), fails(1002)], chopped=False, attack="b12")
        for width in (2, 8):
            book.add("5.5", f"a {name} frame whose short length is written in {width} bytes fails "
                     "with 1002", [frame_of(opcode, length=2, width=width), fails(1002)],
                     attack="b12")
        book.add("5.5", f"a {name} frame that is too long fails within a message too",
                 [text("a", fin=False), frame_of(opcode, length=126), fails(1002)], attack="b12")
        if opcode != CLOSE:
            book.add("5.5", f"a {name} frame of 125 bytes is read",
                     [frame_of(opcode, some(125)), *([answer(some(125))] if opcode == PING else []),
                      text("on"), echo("on")])


def closing(book):
    book.add("5.5.1", "a close frame without code is answered without one", [close(), closes()])
    for code in (1000, 1001, 3000, 4999):
        book.add("5.5.1", f"a close frame with {code} is answered with {code}",
                 [close(code), closes(code)])
    for size in (1, 2, 100, 122, 123):
        reason = some(size, TEXT).decode()
        book.add("5.5.1", f"a reason of {size} bytes is heard",
                 [close(1000, reason), closes(1000, reason)])
    for reason in ("Tsch\u00fc\u00df", "\u20ac" * 41, "\U0001f44b bye", "\ufeff", "\U0010ffff"):
        book.add("5.5.1", f"the reason {ascii(reason)} is heard",
                 [close(1000, reason), closes(1000, reason)])
    for byte in (0, 3, 255):
        book.add("5.5.1", f"a close frame of the one byte {byte} fails with 1002",
                 [Frame(CLOSE, bytes([byte])), fails(1002)], attack="b17")
        book.add("5.5.1", f"a close frame of one byte fails before the byte {byte} has come",
                 [Frame(CLOSE, bytes([byte]), only=0), fails(1002)], chopped=False, attack="b17")
    for bad in (b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82",
                b"good\xfebad", b"\xf0\x9f\x91"):
        book.add("5.5.1", f"the reason {bad.hex()} is not UTF-8 and fails with 1007",
                 [close(1000, bad), fails(1007)], attack="b17")
    for after, name in (([text("late")], "a message"), ([ping(b"late")], "a ping"),
                        ([close(1001)], "a second close"), ([b"\xff" * 300], "garbage"),
                        ([binary(b"x" * 100000)], "100,000 bytes"),
                        ([text("a", fin=False)], "half a message"),
                        ([text("x")] * 1000, "a thousand messages")):
        book.add("5.5.1", f"{name} after the close frame is not looked at",
                 [close(1000), *after, closes(1000)], attack="b19")
    book.add("5.5.1", "what came before the close frame is answered before the close frame",
             [text("before"), close(1000), echo("before"), closes(1000)])
    book.add("5.5.1", "a ping just before the close frame is answered or not, but nothing after it",
             ping_then_close)
    book.add("5.5.1", "a close frame at the very beginning is enough", [close(1000), closes(1000)])


async def ping_then_close(peer):
    await peer.put(ping(b"x"), close(1000))
    peer.waiting = "the answer to our close frame"
    frame = await peer.receive()
    if frame is not None and frame.opcode == PONG:
        frame = await peer.receive()
    peer.unread(frame)
    await closes(1000)(peer)


def pings(book):
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 100, 124, 125):
        payload = some(size)
        book.add("5.5.2", f"a ping of {size} bytes is answered with just these",
                 [ping(payload), answer(payload)])
    for payload in (b"\0" * 125, b"\xff" * 125, b"\x80\x81\xfe", bytes(range(125)),
                    "\u20ac".encode()):
        book.add("5.5.2", f"a ping of {payload[:4].hex()}... need not be text",
                 [ping(payload), answer(payload)])
    book.add("5.5.2", "twenty pings, one after the other, get twenty answers",
             [*itertools.chain(*([ping(b"%d" % i), answer(b"%d" % i)] for i in range(20)))])
    book.add("5.5.2", "of many pings at once the latest is answered",
             many_pings)
    book.add("5.5.2", "a ping between messages is answered in between",
             [text("a"), echo("a"), ping(b"b"), answer(b"b"), text("c"), echo("c")])
    book.add("5.5.2", "more pings than twenty a second after a burst of a hundred fail with 1008",
             flood(PING), chopped=False, attack="b9")
    book.add("5.5.2", "pings of a peer that does not read cost one pong", unread_pings,
             by_api=True, chopped=False, attack="b9")
    book.add("5.5.2", "its own ping has its payload and goes out once",
             [text("please ping are you there"), comes(PING, b"are you there"),
              pong(b"are you there"), text("on"), echo("on")], by_api=True)


def comes(opcode, payload):
    async def expect(peer):
        peer.waiting = f"a {OPCODES[opcode]} frame"
        came = await peer.control(opcode)
        if came != payload:
            raise Failure(f"its {OPCODES[opcode]} says {came!r}, not {payload!r}")
    return expect


async def many_pings(peer):
    """5.5.3: "may elect to send a pong for only the most recently processed ping"."""
    await peer.put(*(ping(b"%d" % i) for i in range(50)))
    peer.waiting = "the pong of the latest of 50 pings"
    seen = []
    while not seen or seen[-1] != 49:
        number = int(await peer.control(PONG))
        if number >= 50 or seen and number <= seen[-1]:
            raise Failure(f"after the pongs {seen} it answers {number}")
        seen.append(number)
    await peer.goodbye()


async def unread_pings(peer):
    """Its socket is full, so that a pong cannot leave before the next ping has come."""
    size, count, pings_sent = 3 << 20, 4, 80
    await peer.put(*[text(f"please send {size}")] * count)
    peer.waiting = "the first bytes of what was asked for"
    while not peer.incoming.held:  # then the order is being obeyed, and not much of it fits
        peer.incoming.held += await peer.read()
    for number in range(pings_sent):
        await peer.put(ping(b"%d" % number))
        await asyncio.sleep(0.001)  # they shall not come in one read
    peer.waiting = "the pong of the latest ping"
    pongs_seen = []
    got = 0
    while got < size * count or not pongs_seen or pongs_seen[-1] != pings_sent - 1:
        frame = await peer.receive()
        if frame is None or frame.opcode == CLOSE:
            raise Failure("it has ended")
        if frame.opcode == PONG:
            pongs_seen.append(int(frame.payload))
        else:
            got += len(frame.payload)
    if len(pongs_seen) > 3:
        raise Failure(f"it kept {len(pongs_seen)} pongs for a peer that does not read")
    await peer.goodbye()


def flood(opcode):
    """Far above the budget: it ends with 1008, and there is never more than a pong a ping."""
    async def play(peer):
        count = 5000
        await peer.put(*(frame_of(opcode, b"%d" % i) for i in range(count)))
        peer.waiting = "a close frame with 1008"
        pongs_seen = 0
        while (frame := await peer.receive()) is not None and frame.opcode == PONG:
            pongs_seen += 1
        if frame is None or frame.opcode != CLOSE:
            raise Failure("it took the flood")
        if pongs_seen > (100 + 20 * 30 if opcode == PING else 0):
            raise Failure(f"it answered with {pongs_seen} pongs")
        peer.unread(frame)
        await fails(1008)(peer)
    return play


def pongs(book):
    for size in (0, 1, 2, 124, 125):
        book.add("5.5.3", f"a pong of {size} bytes that answers nothing is ignored",
                 [pong(some(size)), text("on"), echo("on")])
    book.add("5.5.3", "eighty pongs that answer nothing are ignored",
             [*[pong(b"x")] * 80, text("on"), echo("on")])
    book.add("5.5.3", "a pong never gets an answer",
             [pong(b"x"), ping(b"y"), answer(b"y")])
    book.add("5.5.3", "a flood of pongs keeps nothing and fails with 1008", flood(PONG),
             chopped=False, attack="b10")
    book.add("5.5.3", "the pong to its ping is told to the application", told_pong(b"mine"),
             by_api=True)
    book.add("5.5.3", "a pong to no ping of its own is told too", told_pong(b"other"), by_api=True)


def told_pong(payload):
    async def play(peer):
        await peer.put(text("please ping mine"))
        await comes(PING, b"mine")(peer)
        await peer.put(pong(payload))
        peer.waiting = "the event of the pong"
        event = await peer.program.event(peer.about, "pong")
        if event["payload"] != payload.decode():
            raise Failure(f"it tells of a pong of {event['payload']!r}")
        await peer.goodbye()
    return play


def data(book):
    for kind in KINDS:
        book.add("5.6", f"an empty {KINDS[kind]} message is a message",
                 [frame_of(kind), echo(b"", kind)])
    book.add("5.6", "binary data is not text", [binary(b"\xff\xfe\0\x80"),
                                                echo(b"\xff\xfe\0\x80", BINARY)])
    book.add("5.6", "binary data may look like text", [binary(b"text"), echo(b"text", BINARY)])
    book.add("5.6", "all 256 bytes are data", [binary(bytes(range(256))),
                                               echo(bytes(range(256)), BINARY)])
    book.add("5.6", "text may hold NUL and control characters", [text("a\0b\x7f\r\n\x1bc"),
                                                                 echo("a\0b\x7f\r\n\x1bc")])
    book.add("5.6", "text and binary stay what they are, in turn",
             [text("1"), binary(b"2"), text("3"), echo("1"), echo(b"2", BINARY), echo("3")])


def examples(book):
    """5.7, to the byte."""
    hello = bytes.fromhex("818537fa213d7f9f4d5158")
    book.add("5.7", "a single-frame masked text message", [hello, echo("Hello")], roles=(SERVER,))
    book.add("5.7", "a single-frame unmasked text message",
             [bytes.fromhex("810548656c6c6f"), echo("Hello")], roles=(CLIENT,))
    book.add("5.7", "a fragmented unmasked text message",
             [bytes.fromhex("010348656c"), bytes.fromhex("80026c6f"), echo("Hello")],
             roles=(CLIENT,))
    book.add("5.7", "an unmasked ping request and its masked response",
             [bytes.fromhex("890548656c6c6f"), answer(b"Hello")], roles=(CLIENT,))
    book.add("5.7", "a masked ping request and its unmasked response",
             [bytes.fromhex("898537fa213d7f9f4d5158"), answer(b"Hello")], roles=(SERVER,))
    for size, head in ((256, "827e0100"), (65536, "827f0000000000010000")):
        book.add("5.7", f"{size} bytes of binary in a single unmasked frame",
                 [bytes.fromhex(head) + some(size), echo(some(size), BINARY)], roles=(CLIENT,))
    for rsv, opcode in ((4, TEXT), (2, TEXT), (1, BINARY)):
        book.add("5.8", f"reserved bits {rsv:03b} without an extension fail with 1002",
                 [Frame(opcode, b"x", rsv=rsv), fails(1002)])
    for opcode in (3, 7, 11, 15):
        book.add("5.8", f"opcode {opcode} without an extension fails with 1002",
                 [Frame(opcode, b"x"), fails(1002)])
