"""Sending and receiving: RFC 6455 section 6."""
import itertools

from peer import echo
from wire import (BINARY, CLOSE, KINDS, PONG, TEXT, Failure, Frame, binary, cont, fragments, ping,
                  text)


def fill(book):
    # Every frame that comes is checked by wire.Incoming: these make the program send.
    for size in (0, 1, 125, 126, 16383, 16384, 16385, 65535, 65536, 1000000):
        book.add("6.1", f"a message of its own of {size} bytes is well framed",
                 [text(f"please send {size}"), echo(b"*" * size)], by_api=True, chopped=False)
    for kind, size in itertools.product(KINDS, (0, 1, 125, 126, 16384, 16385, 65536, 300000)):
        payload = b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
        book.add("6.1",
                 f"{size} bytes of {KINDS[kind]} are sent as {KINDS[kind]}, in frames of the "
                 "shortest form", [Frame(kind, payload), echo(payload, kind)], chopped=False)
    book.add("6.1", "messages leave in the order in which they were given",
             [*(text(str(i)) for i in range(300)), *(echo(str(i)) for i in range(300))])
    book.add("6.1", "a pong goes between the fragments of a large message", pong_between,
             by_api=True, chopped=False)
    book.add("6.1", "a message that is large does not keep back the next one",
             [binary(b"x" * 300000), text("small"), echo(b"x" * 300000, BINARY), echo("small")],
             chopped=False)
    for kind in KINDS:
        name = KINDS[kind]
        book.add("6.2", f"a {name} message in one frame is received",
                 [Frame(kind, b"m"), echo(b"m", kind)])
        book.add("6.2", f"a {name} message in fragments is received as one",
                 [*fragments(kind, b"message", 1, 2, 6), echo(b"message", kind)])
        book.add("6.2", f"the kind of a {name} message is that of its first frame",
                 [Frame(kind, b"a", fin=False), cont(b"b"), echo(b"ab", kind)])
        for count in (2, 10, 100):
            book.add("6.2", f"{count} {name} messages in one write are received one by one",
                     [*(Frame(kind, b"%d" % i) for i in range(count)),
                      *(echo(b"%d" % i, kind) for i in range(count))])
    for step in (1, 2, 3, 5, 7, 11, 13, 64, 1000, 4096):
        book.add("6.2", f"text, ping, binary and fragments in pieces of {step} bytes are received",
                 in_pieces(step), chopped=False, attack="b18")


async def pong_between(peer):
    """6.1 and 5.4: a control frame need not wait for the end of a message."""
    size = 8 << 20
    await peer.put(text(f"please send {size}"))
    peer.waiting = "the beginning of the message"
    first = await peer.receive()
    await peer.put(ping(b"now"))
    got, pong_at = len(first.payload), None
    peer.waiting = "the rest of the message, and a pong"
    while got < size or pong_at is None:
        frame = await peer.receive()
        if frame is None or frame.opcode == CLOSE:
            raise Failure("it has ended")
        if frame.opcode == PONG:
            pong_at = got
        else:
            got += len(frame.payload)
    if pong_at == size:
        raise Failure("its pong came after the whole message")
    await peer.goodbye()


def in_pieces(step):
    """The same bytes in other pieces: the same answers."""
    async def play(peer):
        frames = [text("first"), ping(b"between"), binary(bytes(range(256)) * 5),
                  *fragments(TEXT, "\u20ac\U0001f600\u00e9".encode(), 1, 4, 8), text("last")]
        data = b"".join(peer.encode(frame) for frame in frames)
        for at in range(0, len(data), step):
            await peer.send(data[at:at + step])
        peer.waiting = "the echoes"
        seen = []
        while len(seen) < 5:
            frame = await peer.receive()
            if frame is None:
                raise Failure(f"it ended after {len(seen)} frames")
            seen.append((frame.opcode, frame.payload))
        echoes = [(frame.opcode, frame.payload) for frame in frames
                  if frame.opcode in KINDS and frame.fin]
        echoes.insert(2, (TEXT, "\u20ac\U0001f600\u00e9".encode()))
        if [each for each in seen if each[0] != PONG] != echoes or (PONG, b"between") not in seen:
            raise Failure(f"it answered {[(kind, data[:20]) for kind, data in seen]}")
        await peer.goodbye()
    return play

