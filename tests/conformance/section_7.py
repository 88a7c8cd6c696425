"""Closing: RFC 6455 section 7."""
import asyncio
import time

from peer import Peer, closes, echo, fails
from requirements import CLIENT, SERVER
from wire import (CLOSE, PONG, TEXT, Failure, Frame, binary, close, code_may_be_sent, cont,
                  fragments,
                  ping, response, text)

# Every class of codes, and both ends of each range (7.4.2).
REGISTERED = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
FREE = (3000, 3001, 3500, 3999, 4000, 4001, 4408, 4500, 4998, 4999)
RESERVED = (1004, 1005, 1006, 1015)
UNUSED = (0, 1, 2, 3, 100, 255, 256, 500, 998, 999, 1016, 1017, 1100, 1999, 2000, 2001, 2500, 2998,
          2999, 5000, 5001, 9999, 10000, 32767, 32768, 65534, 65535)
REASON = "so long, and thanks"


def fill(book):
    ends(book)
    begins(book)
    under_way(book)
    unclean(book)
    fails_well(book)
    by_itself(book)
    codes(book)


def order(code, reason=""):
    return text(f"please close {code} {reason}".rstrip())


def comes_close(code, reason=""):
    """Its own close frame; the rest is the case's."""
    async def expect(peer):
        peer.waiting = f"its close frame with {code}"
        payload = await peer.control(CLOSE)
        if payload != code.to_bytes(2, "big") + reason.encode():
            raise Failure(f"its close frame says {payload!r}, not {code} {reason!r}")
    return expect


def is_over(cause, code, reason="", **more):
    """The stream ends, and the verdict is this one."""
    async def expect(peer):
        await peer.ends()
        await peer.verdict(cause=cause, code=code, reason=reason, **more)
        peer.over = True
    return expect


async def ends_our_side(peer):
    peer.end_stream()


async def resets(peer):
    peer.reset()
    await peer.verdict(cause="CUT", code=1006)
    peer.over = True


def no_end_for(seconds):
    """Nothing comes meanwhile, and the stream does not end: the one way to see a wait."""
    async def expect(peer):
        try:
            got = await asyncio.wait_for(peer.receive(), seconds)
        except asyncio.TimeoutError:
            return
        raise Failure("it ended the stream at once" if got is None else f"came {got}")
    return expect


def ends(book):
    book.add("7.1.1", "a server ends the stream as soon as both close frames have passed",
             [close(1000), closes(1000)], roles=(SERVER,))
    book.add("7.1.1", "a server that began ends the stream as soon as it is answered",
             [order(1000), comes_close(1000), close(1000), is_over("CLOSED_BY_US", 1000)],
             roles=(SERVER,), by_api=True)
    for began, script in (("the server", [close(1000), comes_close(1000)]),
                          ("it", [order(1000), comes_close(1000), close(1000)])):
        cause = "CLOSED_BY_US" if began == "it" else "CLOSED_BY_PEER"
        book.add("7.1.1", f"a client waits for the server to end the stream; {began} began",
                 [*script, no_end_for(0.3), ends_our_side, is_over(cause, 1000)], roles=(CLIENT,),
                 chopped=False)
        book.add("7.1.1", f"a client ends the stream if the server does not; {began} began",
                 [*script, is_over(cause, 1000)], roles=(CLIENT,), chopped=False)
    book.add("7.1.1", "whoever sends on after the end is read for a while, not reset",
             [close(1000), *[binary(b"x" * 50000)] * 10, closes(1000)])


def begins(book):
    for code in (*REGISTERED, *FREE):
        book.add("7.1.2", f"its close frame has the code {code} and the reason that it was given",
                 [order(code, REASON), comes_close(code, REASON), close(code), ends_our_side,
                  is_over("CLOSED_BY_US", code, REASON)], by_api=True)
    for code in (*RESERVED, 0, 999, 1016, 2999, 5000):
        book.add("7.1.2", f"it never sends {code}, even if the application says so",
                 [order(code, REASON), comes_close(1000), close(1000), ends_our_side,
                  is_over("CLOSED_BY_US", 1000)], by_api=True)
    book.add("7.1.2", "a close frame needs no reason",
             [order(1000), comes_close(1000), close(1000), ends_our_side,
              is_over("CLOSED_BY_US", 1000)], by_api=True)
    book.add("7.1.2", "what it had to say it says before its close frame",
             [text("please send 300000"), order(1000), echo(b"*" * 300000), comes_close(1000),
              close(1000), ends_our_side, is_over("CLOSED_BY_US", 1000)], by_api=True)


def under_way(book):
    for code in (1000, 1001, 4000, None):
        named = code or "no code"
        book.add("7.1.3", f"a close frame with {named} is answered once, and nothing follows",
                 [text("a"), close(code), echo("a"), closes(code)])
    book.add("7.1.3", "after its close frame it sends nothing, whatever comes",
             [order(1000), comes_close(1000), text("late"), ping(b"late"), binary(b"late"),
              close(1000), ends_our_side, is_over("CLOSED_BY_US", 1000)], by_api=True)
    book.add("7.1.3", "the answer to its close frame may have another code",
             [order(1000), comes_close(1000), close(4001, "mine"), ends_our_side,
              is_over("CLOSED_BY_US", 1000)], by_api=True)
    book.add("7.1.3", "the answer to its close frame may have no code",
             [order(1000), comes_close(1000), close(), ends_our_side,
              is_over("CLOSED_BY_US", 1000)], by_api=True)
    book.add("7.1.3", "close frames that cross are one goodbye",
             [order(1001), close(1000), crossed, ends_our_side], by_api=True)
    book.add("7.1.3", "a message that was under way when it said goodbye is still read",
             [text("a", fin=False), ping(b""), comes_pong, order_within(1000)], by_api=True,
             chopped=False)


def order_within(code):
    """An order cannot come within a message: so the message is ended first."""
    async def play(peer):
        await peer.put(cont(b"b"))
        await echo("ab")(peer)
        await peer.put(order(code), text("x", fin=False))
        await comes_close(code)(peer)
        await peer.put(cont(b"y"), close(code))
        peer.end_stream()
        await is_over("CLOSED_BY_US", code)(peer)
    return play


async def comes_pong(peer):
    await peer.control(PONG)


async def crossed(peer):
    """Both have begun: it answers with one close frame, of its own code or ours."""
    peer.waiting = "its close frame"
    code = int.from_bytes((await peer.control(CLOSE))[:2], "big")
    if code not in (1000, 1001):
        raise Failure(f"it closes with {code}")
    if peer.vital == "client":
        peer.end_stream()
    await peer.ends()
    await peer.verdict()
    peer.over = True


def unclean(book):
    cut = is_over("CUT", 1006)
    begun = {
        "at the beginning": [], "after a message": [text("a"), echo("a")],
        "within a header": [b"\x81"], "within a long length": [LongLength()],
        "within a payload": [binary(b"x" * 300, only=10)],
        "between fragments": [text("a", fin=False)],
        "within a control frame": [ping(b"xyz", only=1)],
        "within a close frame": [close(1000, only=1)],
    }
    for where, script in begun.items():
        book.add("7.1.4", f"an end of the stream {where} is not clean: 1006",
                 [*script, ends_our_side, cut])
    book.add("7.1.4", "a reset is not clean: 1006", [text("a"), echo("a"), resets], chopped=False)
    book.add("7.1.4", "an end after both close frames is clean", [close(1000), closes(1000)])
    book.add("7.1.5", "without a close frame the code is 1006", [ends_our_side, cut])
    book.add("7.1.5", "with a close frame without a code, the code is 1005", [close(), closes()])
    for code in (1000, 1001, 1003, 1008, 1011, 3000, 4000, 4999):
        book.add("7.1.5", f"with a close frame of {code} the code is {code}",
                 [close(code), closes(code)])
    book.add("7.1.6", "without a reason the reason is empty", [close(1000), closes(1000)])
    book.add("7.1.6", "without a close frame the reason is empty", [ends_our_side, cut])
    for reason in ("x", REASON, "\u00e9\u20ac\U0001f600", "a" * 123, "\t", '"quoted" \\ back'):
        book.add("7.1.6", f"the reason {ascii(reason[:20])} is that of the close frame",
                 [close(1001, reason), closes(1001, reason)])


class LongLength:
    def encode(self, masks):
        return binary(length=300).encode(masks)[:3]


def fails_well(book):
    bad = Frame(3, b"")
    for after, name in (([text("good")], "a good message"), ([close(1000)], "a close frame"),
                        ([ping(b"x")], "a ping"), ([bad], "another bad frame"),
                        ([b"\0" * 1000], "garbage"), ([binary(b"x" * 200000)], "200,000 bytes")):
        book.add("7.1.7", f"{name} after a bad frame is not looked at", [bad, *after, fails(1002)])
    book.add("7.1.7", "what it fails for is said in words", reason_given)
    book.add("7.1.7", "a bad frame while it closes fails it all the same",
             [order(1000), comes_close(1000), bad, ends_our_side, never_mind], by_api=True)
    book.add("7.1.7", "a bad frame between fragments ends the message too",
             [text("a", fin=False), bad, cont(b"b"), fails(1002)])
    book.add("7.1.7", "bad text and a bad frame: the first of them counts",
             [text(b"\xff"), bad, fails(1007)])
    book.add("7.1.7", "a bad frame and bad text: the first of them counts",
             [bad, text(b"\xff"), fails(1002)])
    book.add("7.1.7", "too large and a bad frame: the first of them counts",
             [binary(length=1 << 40), bad, fails(1009)])
    book.add("7.1.7", "other connections do not notice", others_live, chopped=False)


async def never_mind(peer):
    """Its close frame has gone: all that is left is to end the stream."""
    await peer.ends()
    await peer.verdict()
    peer.over = True


async def reason_given(peer):
    await peer.put(Frame(3, b""))
    payload = await peer.control(CLOSE)
    if payload[:2] != (1002).to_bytes(2, "big") or b"5.2" not in payload:
        raise Failure(f"its close frame does not name what was wrong: {payload!r}")
    await is_over("MISBEHAVED", 1002)(peer)


async def others_live(peer):
    """A second connection to the same program fails; the first one goes on."""
    other = Peer(peer.servers, peer.case, peer.number + 32768)
    try:
        await other.open()
        await other.put(Frame(3, b""))
        await fails(1002)(other)
    finally:
        other.finish()
    await peer.put(text("still here"))
    await echo("still here")(peer)
    await peer.goodbye()


def by_itself(book):
    soon = {"settings": {"close_ms": 300}, "by_api": True, "chopped": False}
    for requirement in ("7.2.1", "7.2.2"):
        book.add(requirement, "it waits for the answer to its close frame, but not for ever",
                 [order(1000), comes_close(1000), no_end_for(0.2), is_over("CLOSED_BY_US", 1000)],
                 **soon)
        book.add(requirement, "a peer that talks on without answering is left after a while",
                 [order(1000), comes_close(1000), talks_on], **soon)
        book.add(requirement, "a peer that ends the stream instead of answering is gone",
                 [order(4000, REASON), comes_close(4000, REASON), ends_our_side,
                  is_over("CLOSED_BY_US", 4000, REASON)], by_api=True)
        book.add(requirement, "what the peer still says before its close frame is read",
                 [order(1000), comes_close(1000), *fragments(TEXT, b"going on", 3), close(1000),
                  ends_our_side, is_over("CLOSED_BY_US", 1000)], by_api=True)
    again = {"settings": {"retry_ms": 100}, "chopped": False}
    for name, end in (("an end of the stream", "end"), ("a reset", "reset"),
                      ("a close with 1001", 1001), ("a bad frame", "bad")):
        book.add("7.2.3", f"after {name} it comes back, after a pause and with a new key",
                 comes_back(end), **again)
    for code in (1000, 1008):
        book.add("7.2.3", f"after a close with {code} it does not come back",
                 [close(code), closes(code), is_final], **again)
    for code in (1000, 4000):
        for reason in ("", REASON):
            words = "with a reason" if reason else "without a reason"
            book.add("7.3", f"a normal end with {code}, {words}, begun by the peer",
                     [text("a"), echo("a"), close(code, reason), closes(code, reason)])
            book.add("7.3", f"a normal end with {code}, {words}, begun by it",
                     [text("a"), echo("a"), order(code, reason), comes_close(code, reason),
                      close(code, reason), ends_our_side, is_over("CLOSED_BY_US", code, reason)],
                     by_api=True)


async def talks_on(peer):
    """More bytes buy it time, but within a bound: six times the limit."""
    began = time.monotonic()
    while time.monotonic() - began < 15:
        await peer.put(text("and another thing"))
        try:
            got = await asyncio.wait_for(peer.receive(), 0.1)
        except asyncio.TimeoutError:
            continue
        if got is not None:
            raise Failure(f"after its close frame came {got}")
        await peer.verdict(cause="CLOSED_BY_US", code=1000)
        peer.over = True
        return
    raise Failure("it listens to a peer that does not answer its close frame, for ever")


async def is_final(peer):
    """closes() has taken the verdict, which is the last one: there is no second attempt."""
    try:
        await asyncio.wait_for(peer.accept(), 0.5)
    except asyncio.TimeoutError:
        return
    raise Failure("it came back")


def comes_back(end):
    async def play(peer):
        first_key = peer.answer.one("Sec-WebSocket-Key")
        await peer.put(text("a"))
        await echo("a")(peer)
        if end == "reset":
            peer.reset()
        elif end == "end":
            peer.end_stream()
        elif end == "bad":
            await peer.put(Frame(3, b""))
        else:
            await peer.put(close(end))
            await comes_close(end)(peer)
            peer.end_stream()
        ended = time.monotonic()
        verdict = await peer.verdict(final=0)
        if not 0 <= verdict["retry_ms"] <= 100:
            raise Failure(f"it says that it will come back in {verdict['retry_ms']} ms")
        peer.waiting = "the next attempt"
        await peer.accept()
        late_ms = (time.monotonic() - ended) * 1000
        if late_ms < verdict["retry_ms"] - 50:
            raise Failure(f"it came back after {late_ms:.0f} ms and not {verdict['retry_ms']}")
        peer.begin_again()
        peer.answer = await peer.head()
        if peer.answer.one("Sec-WebSocket-Key") == first_key:
            raise Failure("it used its key again")
        await peer.send(response(peer.answer.one("Sec-WebSocket-Key")).encode())
        await peer.put(text("b"))
        await echo("b")(peer)
        await peer.goodbye()
    return play


def codes(book):
    for code in REGISTERED:
        book.add("7.4.1", f"a close frame with {code} is good",
                 [close(code, REASON), closes(code, REASON)])
    for code in RESERVED:
        for reason in ("", REASON):
            book.add("7.4.1", f"a close frame with {code}, which is never sent, fails with 1002"
                     + (", also with a reason" if reason else ""),
                     [close(code, reason), fails(1002)], attack="b17")
    for code in FREE:
        book.add("7.4.2", f"a close frame with {code} is good",
                 [close(code, REASON), closes(code, REASON)])
    for code in UNUSED:
        assert not code_may_be_sent(code)
        for reason in ("", REASON):
            book.add("7.4.2", f"a close frame with {code}, which is in no range, fails with 1002"
                     + (", also with a reason" if reason else ""),
                     [close(code, reason), fails(1002)], attack="b17")
    book.add("7.4.2", "a bad code and a bad reason: the code counts",
             [Frame(CLOSE, b"\x03\xed\xff"), fails(1002)], attack="b17")
