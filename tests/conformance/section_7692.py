"""Compression: RFC 7692, permessage-deflate. By default vital keeps no context, and takes any
window; what else it can be told is in the settings of a case."""
import itertools
import random
import zlib

import deflate
import wire
from deflate import NAME, Packer
from peer import answer, closes, echo, fails
from requirements import BOTH, CLIENT, SERVER
from section_4 import (adding, ask, answered, misbehaved, opened, refuses, without, works)
from wire import (BINARY, CONTINUATION, KINDS, PING, PONG, TEXT, Failure, Frame, binary, close,
                  cont, ping, text)

EXTENSIONS = "Sec-WebSocket-Extensions"
PACKED = 4  # the bit RSV1
ON = {"compress": 1}
NO_CONTEXT = f"{NAME}; server_no_context_takeover; client_no_context_takeover"
ALWAYS = {"compress": 1, "least_bytes": 1}  # compress even the smallest
PROSE = b"".join(b"%d bottles of beer on the wall, %d bottles of beer. " % (i, i)
                 for i in range(99, 0, -1))
NOISE = random.Random(7692).randbytes(70000)
HELLO = bytes.fromhex("f248cdc9c90700")  # 7.2.3.1


def fill(book):
    offers(book)
    answers(book)
    marks(book)
    takeover(book)
    windows(book)
    compressing(book)
    inflating(book)
    bad_data(book)
    examples(book)


def agreed(book, requirement, sentence, play, roles=BOTH, settings=None, terms=NO_CONTEXT,
           offer=NAME, **options):
    """A case on a connection that has agreed on compression: the peer offers `offer`, or
    answers with `terms`."""
    for role in roles:
        header = (EXTENSIONS, offer if role == SERVER else terms)
        book.add(requirement, sentence, play, roles=(role,), settings=settings or ON,
                 headers=(header,), rsv=PACKED, **options)


def told(settings):
    """What the program was told beside the usual, for the name of a case."""
    more = [f"{name}={value}" for name, value in settings.items() if name != "compress"]
    return f", told {' '.join(more)}" if more else ""


def packed(data, kind=TEXT, fin=True, **how):
    """A compressed message in a frame."""
    return Frame(kind, Packer(**how).pack(data), rsv=PACKED, fin=fin)


def in_frames(data, kind, *cuts):
    """Bytes of a compressed message, in fragments: only the first is marked."""
    frames = wire.fragments(kind, data, *cuts)
    return [wire.dataclasses.replace(frames[0], rsv=PACKED), *frames[1:]]


# ---------------------------------------------------------------- offers to a server

def offers(book):
    def takes(requirement, offer, settings=ON, then=None, headers=None):
        async def play(peer):
            await ask(peer, headers or adding(EXTENSIONS, offer))
            await opened(peer, lambda head: deflate.judge_answer(
                then or offer, head.one(EXTENSIONS)), compressed=True)
        book.add(requirement, f"the offer {offer!r} is met{told(settings)}", play, roles=(SERVER,), opened=False,
                 settings=settings, chopped=len(offer) < 30)

    def declines(requirement, offer, settings=ON, **options):
        async def play(peer):
            await ask(peer, adding(EXTENSIONS, offer))
            await opened(peer)
        book.add(requirement, f"the offer {offer[:80]!r} is declined{told(settings)}", play, roles=(SERVER,),
                 opened=False, settings=settings, chopped=False, **options)

    bits = range(9, 16)
    takes("7692:5", NAME)
    for before in ("x-unknown", f"{NAME}; unknown", f"{NAME}; server_max_window_bits=8",
                   "x-unknown; a=1; b, x-other", f"{NAME}; client_max_window_bits=7"):
        takes("7692:5", f"{before}, {NAME}; client_max_window_bits=10",
              then=f"{NAME}; client_max_window_bits=10")
    takes("7692:5", f"{NAME}; server_no_context_takeover, {NAME}; server_max_window_bits=10",
          then=f"{NAME}; server_no_context_takeover")
    takes("7692:5", "two headers", then=f"{NAME}; server_max_window_bits=9", headers=lambda head:
          head.adding(EXTENSIONS, "x-unknown").adding(
              EXTENSIONS, f"{NAME}; server_max_window_bits=9"))
    takes("7692:5", f"\t{NAME} ; server_max_window_bits = 10 ;client_max_window_bits ,",
          then=f"{NAME}; server_max_window_bits=10; client_max_window_bits")
    declines("7692:5", "x-webkit-deflate-frame")
    declines("7692:5", NAME, {"message_bytes": 1 << 20})  # it was not told to
    declines("7692:5", "permessage-bzip2; client_max_window_bits")

    takes("7692:7.1.1.1", f"{NAME}; server_no_context_takeover")
    takes("7692:7.1.1.1", f"{NAME}; server_no_context_takeover", {"compress": 1, "keep_context": 1})
    takes("7692:7.1.1.2", f"{NAME}; client_no_context_takeover")
    takes("7692:7.1.1.2", f"{NAME}; client_no_context_takeover",
          {"compress": 1, "peer_keeps_context": 1})
    for number in bits:
        takes("7692:7.1.2.1", f"{NAME}; server_max_window_bits={number}")
        takes("7692:7.1.2.1", f'{NAME}; server_max_window_bits="{number}"')
        takes("7692:7.1.2.1", f"{NAME}; server_max_window_bits={number}",
              {"compress": 1, "window_bits": 11})
    for number in range(8, 16):
        takes("7692:7.1.2.2", f"{NAME}; client_max_window_bits={number}")
        takes("7692:7.1.2.2", f"{NAME}; client_max_window_bits={number}",
              {"compress": 1, "peer_window_bits": 10})
    takes("7692:7.1.2.2", f"{NAME}; client_max_window_bits")
    takes("7692:7.1.2.2", f"{NAME}; client_max_window_bits", {"compress": 1, "peer_window_bits": 9})
    declines("7692:7.1.2.2", NAME, {"compress": 1, "peer_window_bits": 9})
    declines("7692:7.1.2.1", f"{NAME}; server_max_window_bits=8", attack="a8")
    for value in ("7", "16", "0", "1", "99", "015", "09", "+9", "-9", "9a", "1e1", "0x9", "10.0",
                  "100000000010"):
        declines("7692:7.1.2.1", f"{NAME}; server_max_window_bits={value}", attack="a8")
        declines("7692:7.1.2.2", f"{NAME}; client_max_window_bits={value}", attack="a8")
    declines("7692:7.1.2.1", f"{NAME}; server_max_window_bits", attack="a8")
    for parameter in ("server_no_context_takeover=1", "client_no_context_takeover=true", "unknown",
                      "unknown=1", "server_max_window_bits=10; server_max_window_bits=10",
                      "client_max_window_bits; client_max_window_bits=10",
                      "server_no_context_takeover; server_no_context_takeover",
                      "client_no_context_takeover; client_no_context_takeover",
                      "Server_No_Context_Takeover", "constructor", "__proto__",
                      "; ".join(f"a{i}" for i in range(700))):
        declines("7692:7.1", f"{NAME}; {parameter}", attack="a7")
    for wrong in (f"{NAME};", f"{NAME}; =10", f"{NAME}; server_max_window_bits=", ";", "=",
                  f"{NAME} server_no_context_takeover", f'{NAME}; server_max_window_bits="10',
                  f'{NAME}; server_max_window_bits=""', f'{NAME}; a="b c"', f"{NAME}; a=b=c",
                  f"{NAME}; a b", "per message-deflate", f'"{NAME}"', f"{NAME}; ; a", "", ","):
        refuses(book, "7692:7.1", f"{wrong!r} is no list of extensions", 400,
                adding(EXTENSIONS, wrong), settings=ON, chopped=False, attack="a7")
    for offer in itertools.product(
            ("", "; server_no_context_takeover"), ("", "; client_no_context_takeover"),
            ("", "; server_max_window_bits=10"),
            ("", "; client_max_window_bits", "; client_max_window_bits=12")):
        takes("7692:7.1.3", NAME + "".join(offer),
              {"compress": 1, "keep_context": 1, "peer_keeps_context": 1})


# ------------------------------------------------------------------ answers to a client

def answers(book):
    def takes(requirement, header, settings=ON):
        answered(book, requirement, f"the answer {header!r} is one{told(settings)}",
                 adding(EXTENSIONS, header), works, settings, chopped=len(header) < 30)

    def fails_with(requirement, header, settings=ON, **options):
        answered(book, requirement, f"the answer {header[:130]!r} fails{told(settings)}",
                 adding(EXTENSIONS, header), misbehaved, settings, chopped=False, **options)

    both = {"compress": 1, "keep_context": 1, "peer_keeps_context": 1}
    must = f"{NAME}; server_no_context_takeover"  # since it is offered by default
    book.add("7692:5", "what a client offers is an offer", offer_is_one(ON), roles=(CLIENT,),
             opened=False, chopped=False, settings=ON)
    for settings in (both, {"compress": 1, "window_bits": 10},
                     {"compress": 1, "peer_window_bits": 9},
                     {"compress": 1, "window_bits": 9, "peer_window_bits": 8, "keep_context": 1}):
        book.add("7692:5", f"what a client with {settings} offers is what it was told",
                 offer_is_one(settings), roles=(CLIENT,), opened=False, chopped=False,
                 settings=settings)
    answered(book, "7692:5", "a server may decline by saying nothing", without(EXTENSIONS), works,
             ON)
    takes("7692:5", must)
    takes("7692:5", f"{NAME} ; server_no_context_takeover ;client_no_context_takeover")
    for wrong in (f"{must}, {NAME}", f"x-unknown, {must}", f"{must}, x-unknown", "x-unknown", ""):
        fails_with("7692:5", wrong)
    answered(book, "7692:5", "two answers in two headers fail", lambda head: head.adding(
        EXTENSIONS, must).adding(EXTENSIONS, must), misbehaved, ON, chopped=False)
    takes("7692:7.1.1.1", must, both)
    takes("7692:7.1.1.1", NAME, both)
    fails_with("7692:7.1.1.1", NAME)
    fails_with("7692:7.1.1.1", f"{NAME}; client_no_context_takeover")
    takes("7692:7.1.1.2", f"{must}; client_no_context_takeover")
    takes("7692:7.1.1.2", f"{NAME}; client_no_context_takeover", both)
    for bits in range(8, 16):
        takes("7692:7.1.2.1", f"{must}; server_max_window_bits={bits}")
        takes("7692:7.1.2.2", f"{must}; client_max_window_bits={bits}")
        asked = {"compress": 1, "window_bits": 11, "peer_window_bits": 11}
        for word, requirement, fine in (
                ("server", "7692:7.1.2.1", bits <= 11),
                ("client", "7692:7.1.2.2", bits <= 11)):
            header = f"{must}; server_max_window_bits=11; {word}_max_window_bits={bits}"
            if word == "server":
                header = f"{must}; server_max_window_bits={bits}"
            (takes if fine else fails_with)(requirement, header, asked)
    fails_with("7692:7.1.2.1", must, {"compress": 1, "peer_window_bits": 11})
    for value in ("7", "16", "0", "99", "010", "+9", "9a", '"', "-1"):
        fails_with("7692:7.1.2.1", f"{must}; server_max_window_bits={value}", attack="a8")
        fails_with("7692:7.1.2.2", f"{must}; client_max_window_bits={value}", attack="a8")
    fails_with("7692:7.1.2.1", f"{must}; server_max_window_bits", attack="a8")
    fails_with("7692:7.1.2.2", f"{must}; client_max_window_bits", attack="a8")
    for parameter in ("server_no_context_takeover", "client_no_context_takeover=1", "unknown",
                      "x=1",
                      "server_max_window_bits=10; server_max_window_bits=10",
                      "client_no_context_takeover; client_no_context_takeover", "", "=", "a b"):
        fails_with("7692:7.1", f"{must}; {parameter}")
    for header in (f"{must}; client_no_context_takeover; server_max_window_bits=10",
                   f"{must}; client_max_window_bits=10; server_max_window_bits=15",
                   f'{must}; client_max_window_bits="10"'):
        takes("7692:7.1.3", header)


def offer_is_one(settings):
    async def play(peer):
        await peer.listen()
        head = await peer.head()
        offer = deflate.parse(head.one(EXTENSIONS))
        for name, word in (("keep_context", "client_no_context_takeover"),
                           ("peer_keeps_context", "server_no_context_takeover")):
            if bool(settings.get(name)) == (word in offer):
                raise Failure(f"with {settings} it offers {offer}")
        for name, word in (("window_bits", "client_max_window_bits"),
                           ("peer_window_bits", "server_max_window_bits")):
            bits = settings.get(name)
            if bits is not None and offer.get(word) != str(bits):
                raise Failure(f"with {settings} it offers {offer}")
        out = wire.response(head.one("Sec-WebSocket-Key"))
        await peer.send(out.encode())
        await works(peer)
    return play


# ------------------------------------------------------------------------- messages

def marks(book):
    for kind in KINDS:
        name = KINDS[kind]
        agreed(book, "7692:6", f"a {name} message that is marked is inflated",
               [packed(b"marked", kind), echo(b"marked", kind)])
        agreed(book, "7692:6", f"a {name} message that is not marked is taken as it is",
               [Frame(kind, b"plain"), echo(b"plain", kind)], attack="c3")
        agreed(book, "7692:6", f"marked {name} messages and others, in turn",
               [packed(b"1", kind), Frame(kind, b"2"), packed(b"3", kind), Frame(kind, b"4"),
                *(echo(b"%d" % i, kind) for i in range(1, 5))], attack="c3")
        agreed(book, "7692:6", f"a {name} message in fragments is marked in its first frame",
               [*in_frames(Packer().pack(PROSE), kind, 5, 9), echo(PROSE, kind)])
        agreed(book, "7692:6", f"a mark on a later {name} fragment fails with 1002",
               [packed(b"a", kind, fin=False), Frame(CONTINUATION, b"", rsv=PACKED), fails(1002)],
               attack="b20")
        agreed(book, "7692:6", f"a mark on a later fragment of a plain {name} message fails with "
               "1002", [Frame(kind, b"a", fin=False), Frame(CONTINUATION, b"b", rsv=PACKED),
                        fails(1002)], attack="b20")
        for rsv in (1, 2, 3, 5, 6, 7):
            agreed(book, "7692:6", f"reserved bits {rsv:03b} of a {name} frame fail with 1002",
                   [Frame(kind, HELLO, rsv=rsv), fails(1002)], chopped=False)
        book.add("7692:6",
                 f"a mark on a {name} message where nothing was agreed on fails with 1002",
                 [Frame(kind, HELLO, rsv=PACKED), fails(1002)], settings=ON)
    for opcode, payload in ((8, b"\x03\xe8"), (PING, b"x"), (PONG, b"x")):
        agreed(book, "7692:6", f"a mark on a control frame, {opcode}, fails with 1002",
               [Frame(opcode, payload, rsv=PACKED), fails(1002)], attack="b20")
        agreed(book, "7692:6", f"a mark on a control frame, {opcode}, within a message fails with "
               "1002", [packed(b"a", fin=False), Frame(opcode, payload, rsv=PACKED), fails(1002)],
               attack="b20")
    agreed(book, "7692:6", "control frames are never compressed",
           [ping(PROSE[:125]), answer(PROSE[:125]), packed(PROSE), echo(PROSE),
            close(1000, "x" * 123), closes(1000, "x" * 123)])


def takeover(book):
    keeps = {"compress": 1, "keep_context": 1, "peer_keeps_context": 1, "least_bytes": 1}

    def in_context(count, sender_keeps):
        packer = Packer(keeps=sender_keeps)
        return [*(Frame(TEXT, packer.pack(PROSE), rsv=PACKED) for _ in range(count)),
                *[echo(PROSE)] * count]
    for count in (2, 5, 20):
        for role, requirement in ((SERVER, "7692:7.1.1.2"), (CLIENT, "7692:7.1.1.1")):
            agreed(book, requirement, f"{count} messages in one context of the peer",
                   in_context(count, True), (role,), keeps, terms=NAME, chopped=False)
            agreed(book, requirement, f"{count} messages, each in a context of its own, where one "
                   "was agreed on", in_context(count, False), (role,), keeps, terms=NAME,
                   chopped=False)
            agreed(book, requirement, f"{count} messages, each in a context of its own",
                   in_context(count, False), (role,), ON, chopped=False)
    for role, requirement in ((SERVER, "7692:7.1.1.1"), (CLIENT, "7692:7.1.1.2")):
        agreed(book, requirement, "its messages refer to earlier ones if that was agreed on",
               refers_back(True), (role,), keeps, terms=NAME, chopped=False)
        agreed(book, requirement, "its messages do not refer to earlier ones by default",
               refers_back(False), (role,), ALWAYS, chopped=False)
        agreed(book, requirement, "its messages do not refer to earlier ones if the peer says so",
               refers_back(False), (role,), keeps, chopped=False, terms=NO_CONTEXT,
               offer=f"{NAME}; server_no_context_takeover")
        agreed(book, requirement, "what is not compressed does not enter the context",
               [binary(NOISE[:500]), echo(NOISE[:500], BINARY), packed(b"a"), echo(b"a"),
                packed(b"a"), echo(b"a")], (role,), ALWAYS)


def refers_back(expected):
    async def play(peer):
        sizes = []
        for _ in range(3):
            await peer.put(text(PROSE))
            await echo(PROSE)(peer)
            sizes.append(peer.packed_bytes)
        if (sizes[2] < sizes[0] // 4) != expected:
            raise Failure(f"its three echoes have {sizes} bytes")
        await peer.goodbye()
    return play


def windows(book):
    far = NOISE[:30000] + b"".join(NOISE[i:i + 200] for i in range(0, 30000, 1000))
    for bits in range(9, 16):
        # With a smaller window zlib could not inflate it: deflate.Inflater has just this one.
        agreed(book, "7692:7.1.2.1", f"with {bits} bits the server refers back by no more",
               [binary(far), echo(far, BINARY)], (SERVER,), ALWAYS, chopped=False,
               offer=f"{NAME}; server_max_window_bits={bits}")
        agreed(book, "7692:7.1.2.2", f"with {bits} bits the client refers back by no more",
               [binary(far), echo(far, BINARY)], (CLIENT,), ALWAYS, chopped=False,
               terms=f"{NO_CONTEXT}; client_max_window_bits={bits}")
    agreed(book, "7692:7.1.2.2", "with 8 bits the client sends what zlib can: as it is",
           [text(PROSE), echo(PROSE)], (CLIENT,), ALWAYS,
           terms=f"{NO_CONTEXT}; client_max_window_bits=8", attack="a8")
    for bits in range(8, 16):
        agreed(book, "7692:7.1.2.2", f"what a client with {bits} bits sends is inflated",
               [packed(far, BINARY, bits=bits) if bits > 8 else packed(PROSE[:200], BINARY),
                echo(far if bits > 8 else PROSE[:200], BINARY)], (SERVER,), chopped=False,
               offer=f"{NAME}; client_max_window_bits={bits}")
        agreed(book, "7692:7.1.2.1", f"what a server with {bits} bits sends is inflated",
               [packed(far, BINARY, bits=bits) if bits > 8 else packed(PROSE[:200], BINARY),
                echo(far if bits > 8 else PROSE[:200], BINARY)], (CLIENT,), chopped=False,
               terms=f"{NO_CONTEXT}; server_max_window_bits={bits}")


def compressing(book):
    for size, kind in itertools.product((0, 1, 2, 10, 255, 256, 1000, 5000, 16384, 65536, 500000),
                                        KINDS):
        payload = (PROSE * (size // len(PROSE) + 1))[:size]
        agreed(book, "7692:7.2.1",
               f"{size} bytes of {KINDS[kind]} go out so that zlib can read them",
               [Frame(kind, payload), echo(payload, kind)], settings=ALWAYS, chopped=False)
    for size in (1, 1000, 16384, 70000):
        agreed(book, "7692:7.2.1", f"{size} bytes of noise go out, compressed or not",
               [binary(NOISE[:size]), echo(NOISE[:size], BINARY)], settings=ALWAYS, chopped=False)
    agreed(book, "7692:7.2.1", "what can be compressed is, and is marked", gets_smaller,
           chopped=False)
    agreed(book, "7692:7.2.1", "small messages go as they are", stays_plain, chopped=False,
           attack="c6")
    agreed(book, "7692:7.2.1", "noise after prose after noise",
           [binary(NOISE[:20000] + PROSE + NOISE[20000:40000]),
            echo(NOISE[:20000] + PROSE + NOISE[20000:40000], BINARY)], settings=ALWAYS,
           chopped=False)


async def gets_smaller(peer):
    await peer.put(text(PROSE))
    peer.waiting = "the echo"
    _, data, rsv = await peer.message()
    if data != PROSE or rsv != PACKED or peer.packed_bytes > len(PROSE) // 3:
        raise Failure(f"the echo has {peer.packed_bytes} bytes of {len(PROSE)}, bits {rsv:03b}")
    await peer.goodbye()


async def stays_plain(peer):
    await peer.put(text("a" * 100))
    peer.waiting = "the echo"
    _, data, rsv = await peer.message()
    if data != b"a" * 100 or rsv != 0:
        raise Failure(f"a message of 100 bytes has bits {rsv:03b}")
    await peer.goodbye()


def inflating(book):
    for size, kind in itertools.product((0, 1, 125, 126, 127, 1000, 65535, 65536, 300000), KINDS):
        payload = (PROSE * (size // len(PROSE) + 1))[:size]
        agreed(book, "7692:7.2.2", f"{size} bytes of {KINDS[kind]} are inflated",
               [packed(payload, kind), echo(payload, kind)], chopped=size < 1000)
    for level, strategy in itertools.product((0, 1, 6, 9), (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED,
                                                           zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)):
        agreed(book, "7692:7.2.2",
               f"what zlib's level {level}, strategy {strategy} gives is inflated",
               [packed(PROSE + NOISE[:300], BINARY, level=level, strategy=strategy),
                echo(PROSE + NOISE[:300], BINARY)], chopped=False)
    data = Packer().pack(PROSE)
    for cut in (0, 1, 2, 3, 10, len(data) - 2, len(data) - 1, len(data)):
        agreed(book, "7692:7.2.2", f"a message cut by fragments after {cut} bytes is inflated",
               [*in_frames(data, TEXT, cut), echo(PROSE)])
    agreed(book, "7692:7.2.2", "a message in a fragment a byte is inflated",
           [*in_frames(data, TEXT, *range(1, len(data))), echo(PROSE)])
    agreed(book, "7692:7.2.2", "a ping between compressed fragments is answered at once",
           [*in_frames(data, TEXT, 20)[:1], ping(b"?"), answer(b"?"),
            *in_frames(data, TEXT, 20)[1:], echo(PROSE)])
    agreed(book, "7692:7.2.2", "empty fragments within a compressed message are nothing",
           [*in_frames(data, TEXT, 0, 0, 20, 20, len(data)), echo(PROSE)])
    agreed(book, "7692:7.2.2", "an empty message, compressed to 00, is empty",
           [Frame(TEXT, b"\0", rsv=PACKED), echo(b"")], attack="c7")
    agreed(book, "7692:7.2.2", "a hundred compressed messages in one write",
           [*[packed(b"again and again")] * 100, *[echo(b"again and again")] * 100])
    for words in ("\u00e9", "\u20ac", "\U0001f600" * 50):
        agreed(book, "7692:7.2.2", f"{ascii(words[:1])} is text when it is inflated",
               [packed(words.encode()), echo(words)])
    limit = {"compress": 1, "message_bytes": 1000}
    for kind in KINDS:
        agreed(book, "7692:7.2.2", f"a {KINDS[kind]} message that inflates to the limit is read",
               [packed(b"a" * 1000, kind), echo(b"a" * 1000, kind)], settings=limit, attack="c1")
        for size in (1001, 2000, 100000, 10000000):
            agreed(book, "7692:7.2.2",
                   f"a {KINDS[kind]} message that inflates to {size} bytes, more "
                   "than the limit, fails with 1009",
                   [packed(b"a" * size, kind), fails(1009)], settings=limit, chopped=size < 5000,
                   attack="c1")
    agreed(book, "7692:7.2.2", "a bomb, 1 MB that would be a gigabyte, fails with 1009",
           bomb, chopped=False, attack="c1")


async def bomb(peer):
    """It need not read it all: what is behind the limit is not looked at."""
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = zeros.compress(bytes(6 << 20)) + zeros.flush(zlib.Z_FULL_FLUSH)
    payload = block * ((1 << 20) // len(block))
    await peer.put(Frame(BINARY, payload, rsv=PACKED, fin=False))
    await fails(1009)(peer)


def bad_data(book):
    for digits, what in (
            ("07", "a block of the reserved type"), ("ff", "a block of no type"),
            ("0000000000", "a stored block whose length is not repeated"),
            ("000500000048656c6c6f", "a stored block with a wrong complement"),
            ("f248cdc9c907", "a block that is not ended"), ("f248", "two bytes of a block"),
            ("04c1", "a bad dynamic block"), ("edfd01", "the beginning of a dynamic block"),
            ("4a04a2", "a distance too far back"), ("f248cdc9c90700ff", "a block and garbage"),
            ("789c", "a header of zlib"), ("1f8b0800", "a header of gzip")):
        agreed(book, "7692:7.2.2", f"{what} fails with 1007",
               [Frame(BINARY, bytes.fromhex(digits), rsv=PACKED), fails(1007)], attack="c7")
        agreed(book, "7692:7.2.2", f"{what} fails with 1007 in the last fragment",
               [Frame(BINARY, b"", rsv=PACKED, fin=False), cont(bytes.fromhex(digits)),
                fails(1007)], attack="c7")
    for bad in ("ff", "c3", "eda080", "f4908080", "e282", "48656c6c6f80"):
        data = bytes.fromhex(bad)
        agreed(book, "7692:7.2.2", f"{bad} is not UTF-8 when it is inflated, and fails with 1007",
               [packed(data), fails(1007)], attack="b16")
        agreed(book, "7692:7.2.2", f"{bad} is no text, but is binary data",
               [packed(data, BINARY), echo(data, BINARY)])
    text_first = Packer(level=0).pack(b"good\xff" + b"a" * 200)
    agreed(book, "7692:7.2.2", "bad text fails with 1007 before the rest of its message has come",
           [Frame(TEXT, text_first, rsv=PACKED, only=12), fails(1007)], chopped=False, attack="b16")
    agreed(book, "7692:7.2.2", "after bad deflate data nothing is looked at",
           [Frame(BINARY, b"\xff", rsv=PACKED), text("good"), close(1000), fails(1007)],
           attack="c7")


def examples(book):
    def example(number, sentence, frames, *echoes, **options):
        agreed(book, f"7692:7.2.3.{number}", sentence,
               [*frames, *(echo(words) for words in echoes or ("Hello",))], **options)

    def plain(digits, **how):
        return Frame(how.pop("opcode", TEXT), bytes.fromhex(digits), **how)
    example(1, "Hello in one block", [plain("f248cdc9c90700", rsv=PACKED)])
    example(1, "Hello in one block, in two fragments",
            [plain("f248cd", rsv=PACKED, fin=False), plain("c9c90700", opcode=CONTINUATION)])
    agreed(book, "7692:7.2.3.1", "the two frames of the RFC, to the byte",
           [bytes.fromhex("4103f248cd8004c9c90700"), echo("Hello")], (CLIENT,))
    keeps = {"compress": 1, "peer_keeps_context": 1}
    example(2, "Hello twice, the second by the window of the first",
            [plain("f248cdc9c90700", rsv=PACKED), plain("f200110000", rsv=PACKED)], "Hello",
            "Hello", settings=keeps, terms=NAME)
    example(2, "Hello twice, without a window that goes on",
            [plain("f248cdc9c90700", rsv=PACKED)] * 2, "Hello", "Hello")
    example(3, "Hello in a block without compression",
            [plain("000500faff48656c6c6f00", rsv=PACKED)])
    example(4, "Hello in a block that says that it is the last, with an empty one behind it",
            [plain("f348cdc9c9070000", rsv=PACKED)], attack="c7")
    example(4, "Hello twice, each in a block that says that it is the last",
            [plain("f348cdc9c9070000", rsv=PACKED)] * 2, "Hello", "Hello", attack="c7")
    example(5, "Hello in two blocks", [plain("f24805000000ffffcac9c90700", rsv=PACKED)])
    example(6, "an empty fragment behind what a flush has ended",
            [plain("f248cdc9c907000000ffff", rsv=PACKED, fin=False),
             plain("00", opcode=CONTINUATION)])
    example(6, "an empty message", [plain("00", rsv=PACKED)], "")
