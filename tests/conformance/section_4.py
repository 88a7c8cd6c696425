"""The opening handshake: RFC 6455 section 4. The requests that vital must take or refuse, and
those that it writes; the answers likewise."""
import base64
import random

import wire
from peer import Peer, answer, echo, fails, play_script
from requirements import CLIENT, SERVER
from wire import Failure, Head, accept_of, binary, ping, text

SUBPROTOCOLS = {"subprotocol": ["chat.v2", "chat.v1"]}
HEADERS_MOST = 64
HEADER_BYTES = 8192
KEYS = [base64.b64encode(random.Random(i).randbytes(16)).decode() for i in range(24)]


def fill(book):
    request_line(book)
    host(book)
    upgrade(book)
    key(book)
    version(book)
    others(book)
    grammar(book)
    answers(book)
    subprotocols(book)
    extensions(book)
    uris(book)
    written_requests(book)
    responses(book)
    response_subprotocols(book)
    response_grammar(book)


# --------------------------------------------------------------- vital is the server

def takes(book, requirement, sentence, edit, check=None, **options):
    """The request, changed by edit, opens a connection."""
    async def play(peer):
        await ask(peer, edit)
        await opened(peer, check)
    book.add(requirement, sentence, play, roles=(SERVER,), opened=False, **options)


def refuses(book, requirement, sentence, status, edit, in_words=True, body=True, **options):
    """The request, changed by edit, gets this status, perhaps a body that says why, and the end
    of the stream."""
    async def play(peer):
        await ask(peer, edit)
        await refused(peer, status, in_words, body)
    book.add(requirement, sentence, play, roles=(SERVER,), opened=False, **options)


async def ask(peer, edit):
    await peer.connect()
    peer.request = edit(wire.request(peer.host))
    data = peer.request.encode() if isinstance(peer.request, Head) else peer.request
    await peer.send(data)


async def opened(peer, check=None, compressed=False):
    answer = await peer.head()
    if answer.status != 101:
        raise Failure(f"it refused with {answer.line!r}: {peer.rest[:200]!r}")
    wire.require(answer.line == "HTTP/1.1 101 Switching Protocols", f"{answer.line!r}")
    wire.require(answer.one("Upgrade") == "websocket", "another Upgrade")
    wire.require(answer.one("Connection") == "Upgrade", "another Connection")
    if isinstance(peer.request, Head):
        sent = [value for name, value in peer.request.headers
                if name.lower() == "sec-websocket-key"][0].strip()
        wire.require(answer.one("Sec-WebSocket-Accept") == accept_of(sent), "a wrong accept")
    wire.require(answer.all("Content-Length") == [], "a body with a 101")
    if check is None:
        wire.require(answer.all("Sec-WebSocket-Protocol") == [], "a subprotocol")
        wire.require(answer.all("Sec-WebSocket-Extensions") == [], "an extension")
    else:
        check(answer)
    if compressed:
        peer.agree(answer)
    await peer.put(text("open"))
    await echo("open")(peer)
    await peer.goodbye()


async def refused(peer, status, in_words=True, with_body=True):
    answer = await peer.head()
    if answer.status != status:
        raise Failure(f"it answered {answer.line!r}, not {status}: {peer.rest[:200]!r}")
    wire.require(answer.all("Sec-WebSocket-Accept") == [], "an accept with a refusal")
    wire.require("close" in answer.one("Connection").lower(), "no Connection: close")
    if status == 426:  # 4.4, and RFC 9110 15.5.22
        wire.require(answer.one("Sec-WebSocket-Version") == "13", "no version")
        wire.require(answer.one("Upgrade").lower() == "websocket", "no Upgrade")
        wire.require("upgrade" in answer.one("Connection").lower(), "no Connection: Upgrade")
    if status == 405:
        wire.require("GET" in answer.one("Allow"), "no Allow")
    size = int(answer.one("Content-Length"))
    body = peer.rest
    while got := await peer.read():
        body += got
    size_wanted = size if with_body else 0  # RFC 9110 9.3.2: HEAD has the length, not the body
    wire.require(len(body) == size_wanted, f"{len(body)} bytes of body, not {size_wanted}")
    wire.require(size > 0 or not in_words, "no word why")


def request_line(book):
    one = "4.2.1 request 1"
    takes(book, one, "the request of 4.2.1, and no more, opens a connection", lambda head: head)
    for target in ("/chat", "/?", "/chat?room=1&x=%20", "//", "/a/../b", "/~:@!$&'()*+,;=",
                   "/" + "x" * 4000):
        takes(book, one, f"the target {target[:30]} is one", at_target(target))
    takes(book, one, "a target in absolute form is its path", lambda head: head.under(
        f"GET http://{dict(head.headers)['Host']}/chat HTTP/1.1"))
    for target in ("", "*", "chat", "?x", "/a b", "/a#b", "#", "/a\tb", "http://", "/\x7f", "\\"):
        refuses(book, one, f"the target {target!r} is none", 400, at_target(target))
    refuses(book, one, "a target of another authority than Host is refused", 400,
            at_target("http://example.org:1/chat"))
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "Get", "GETS",
                   "PRI"):
        refuses(book, one, f"the method {method} is not GET", 405,
                lambda head, method=method: head.under(f"{method} / HTTP/1.1"))
    refuses(book, one, "HEAD is not GET, and is answered without a body", 405,
            lambda head: head.under("HEAD / HTTP/1.1"), body=False)
    for line in ("GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET  / HTTP/1.1", "GET /  HTTP/1.1",
                 "GET\t/\tHTTP/1.1", "GET / HTTP/1.1\t", "GET / HTTP/11", "GET / HTTP/1.10",
                 "GET / HTTP/01.1", "GET / HTTP/1.", "GET / http/1.1", "GET / HTTP 1.1",
                 "GET / HTTP/1,1", "GET HTTP/1.1", "GET/ HTTP/1.1", "/ HTTP/1.1", "G@T / HTTP/1.1",
                 "GET / HTTPS/1.1"):
        refuses(book, one, f"the line {line!r} is no request line", 400,
                lambda head, line=line: head.under(line))
    for number in ("0.9", "1.0", "2.0", "3.1", "9.9"):
        refuses(book, one, f"HTTP/{number} cannot be upgraded", 505,
                lambda head, number=number: head.under(f"GET / HTTP/{number}"))
    takes(book, one, "a higher HTTP/1 is 1.1 or later",
          lambda head: head.under("GET / HTTP/1.2"))
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-OpenSSH_9\r\n",
                 b"\r\n\r\n", b"\0\0\0\0", b"GET /\r\n", b"\n", b"{}\n"):
        refuses(book, one, f"{junk[:8]!r} is no request, and answered at once", 400,
                lambda head, junk=junk: junk)


def at_target(target):
    return lambda head: head.under(f"GET {target} HTTP/1.1")


def host(book):
    two = "4.2.1 request 2"
    for value in ("example.org", "EXAMPLE.org:9001", "127.0.0.1", "[::1]", "[::1]:80", "a.b-c_d"):
        takes(book, two, f"Host {value} is one", having("Host", value))
    for value in ("", "a b", "a/b", "a?b", "a#b", "user@a", "a:b", "a:99999", "a:-1", "a:1:2",
                  "[::1", "::1", "[]", "a\x7f", "http://a"):
        refuses(book, two, f"Host {value!r} is none", 400, having("Host", value))
    refuses(book, two, "without Host it is refused", 400, without("Host"))
    for second in ("example.org", "127.0.0.1"):
        refuses(book, two, f"a second Host, {second}, is refused", 400, adding("Host", second),
                attack="a14")
    takes(book, two, "Host may stand last",
          lambda head: head.without("Host").adding("Host", "example.org"))


def having(name, value):
    return lambda head: head.having(name, value)


def adding(name, value):
    return lambda head: head.adding(name, value)


def without(name):
    return lambda head: head.without(name)


def upgrade(book):
    three, four = "4.2.1 request 3", "4.2.1 request 4"
    for value in ("websocket", "WebSocket", "WEBSOCKET", "wEBsOCKET", "h2c, websocket",
                  "websocket, h2c", "websocket,", ",websocket", ", ,websocket , h2c",
                  "\twebsocket\t"):
        takes(book, three, f"Upgrade {value!r} has websocket", having("Upgrade", value))
    takes(book, three, "websocket may be in a second Upgrade",
          lambda head: head.having("Upgrade", "h2c").adding("upgrade", "websocket"))
    for value in ("", "websockets", "web", "websocket2", "web socket", "h2c", "websocket;", ",",
                  "websocket/13", '"websocket"', "ws"):
        refuses(book, three, f"Upgrade {value!r} has no websocket", 426, having("Upgrade", value),
                by_api=True)
    refuses(book, three, "without Upgrade it is refused with 426", 426, without("Upgrade"),
            by_api=True)
    for value in ("Upgrade", "upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade, keep-alive",
                  "keep-alive,upgrade", ",,Upgrade,,", "close, Upgrade", "Upgrade, HTTP2-Settings"):
        takes(book, four, f"Connection {value!r} has Upgrade", having("Connection", value))
    takes(book, four, "Upgrade may be in a second Connection",
          lambda head: head.having("Connection", "keep-alive").adding("Connection", "Upgrade"))
    for value in ("", "close", "keep-alive", "Upgraded", "Up grade", "Upgrade;", '"Upgrade"',
                  "keep-alive Upgrade", "websocket"):
        refuses(book, four, f"Connection {value!r} has no Upgrade", 400,
                having("Connection", value))
    refuses(book, four, "without Connection it is refused", 400, without("Connection"))


def key(book):
    five = "4.2.1 request 5"
    for value in KEYS[:6]:
        takes(book, five, f"the key {value} is one", having("Sec-WebSocket-Key", value))
    for value, what in (
            ("AAAAAAAAAAAAAAAAAAAAAA==", "all zeros"), ("/////////////////////w==", "all ones"),
            ("+++++++++++++++++++++w==", "pluses")):
        takes(book, five, f"a key of {what} is one", having("Sec-WebSocket-Key", value))
    takes(book, five, "white space around the key is not part of it",
          having("Sec-WebSocket-Key", f" \t{wire.KEY}\t "))
    refuses(book, five, "without a key it is refused", 400, without("Sec-WebSocket-Key"))
    for size in (0, 1, 8, 14, 15, 17, 18, 20, 24, 32, 100):
        value = base64.b64encode(b"k" * size).decode()
        refuses(book, five, f"a key of {size} bytes is refused", 400,
                having("Sec-WebSocket-Key", value))
    for value, what in (
            (wire.KEY[:-1], "without its last padding"), (wire.KEY[:-2], "without padding"),
            (wire.KEY + "=", "with too much padding"), ("=" + wire.KEY[:-1], "padded in front"),
            (wire.KEY.replace("5", "_"), "in another alphabet"), ("!" + wire.KEY[1:], "with a !"),
            (wire.KEY[:21] + "Z==", "whose last bits are not zero"),
            (wire.KEY[:8] + " " + wire.KEY[9:], "with a space"), ("*" * 24, "of stars"),
            (f'"{wire.KEY}"', "in quotes"), (wire.KEY + "," + wire.KEY, "that is two"),
            (wire.KEY + " " + wire.KEY, "twice in a line"), (wire.KEY[:23] + "A", "unpadded")):
        refuses(book, five, f"a key {what} is refused", 400, having("Sec-WebSocket-Key", value))
    for second in (wire.KEY, KEYS[0]):
        refuses(book, five, f"a second key, {second}, is refused", 400,
                adding("Sec-WebSocket-Key", second), attack="a14")


def version(book):
    six = "4.2.1 request 6"
    takes(book, six, "version 13 is the one", having("Sec-WebSocket-Version", "13"))
    takes(book, six, "white space around the version is not part of it",
          having("Sec-WebSocket-Version", "  13\t"))
    for value in ("", "0", "1", "4", "6", "7", "8", "9", "12", "14", "25", "130", "255", "256",
                  "013", "+13", "-13", "13.0", "13a", "0x0d", "thirteen", "13, 13", "13, 8",
                  "8, 13", "1 3", '"13"'):
        refuses(book, six, f"version {value!r} is refused with 426, and 13 is named", 426,
                having("Sec-WebSocket-Version", value), attack="a9")
        if value in ("0", "7", "8", "14", "255"):
            refuses(book, "4.4", f"who asks for version {value} is told of 13", 426,
                    having("Sec-WebSocket-Version", value), attack="a9")
    refuses(book, six, "without a version it is refused with 426", 426,
            without("Sec-WebSocket-Version"))
    for second in ("13", "8"):
        refuses(book, six, f"a second version, {second}, is refused with 426", 426,
                adding("Sec-WebSocket-Version", second), attack="a9")

    async def comes_again(peer):
        """4.4: who is told of a version may try again with it, on another connection."""
        await ask(peer, having("Sec-WebSocket-Version", "8"))
        await refused(peer, 426)
        peer.finish()
        peer.begin_again()
        await ask(peer, lambda head: head)
        await opened(peer)
    book.add("4.4", "who was told of version 13 may come again with it", comes_again,
             roles=(SERVER,), opened=False)


def others(book):
    seven, eight = "4.2.1 request 7", "4.2.1 request 8"
    takes(book, seven, "a program that is no browser sends no Origin", lambda head: head)
    for name, value in (("Cookie", "a=b; c=d"), ("User-Agent", "x/1 (y)"), ("X-Unknown", ""),
                        ("Authorization", "Bearer x"), ("Accept-Language", "de, en;q=0.5"),
                        ("X-8-Bit", "caf\xe9"), ("Sec-WebSocket-Unknown", "1"), ("DNT", "1"),
                        ("Pragma", "no-cache"), ("X-Long", "y" * 4000), ("Content-Length", "0")):
        takes(book, eight, f"{name} is not minded", adding(name, value))
    for count in (1, 20, HEADERS_MOST - 5):
        takes(book, eight, f"{count} more headers are not minded", many(count))
    takes(book, eight, "the headers may come in any order",
          lambda head: Head(head.line, head.headers[::-1]))
    for count in (HEADERS_MOST - 4, HEADERS_MOST, 200):
        refuses(book, eight, f"{count} more headers are too many", 431, many(count),
                attack="a2")
    for size in (HEADER_BYTES, 2 * HEADER_BYTES, 100000):
        refuses(book, eight, f"a header of {size} bytes is too large", 431,
                adding("X-Large", "y" * size), attack="a1")
    for size in (1, 5, 100, 1 << 40):
        refuses(book, eight, f"a body of {size} bytes has no place in an upgrade", 413,
                adding("Content-Length", str(size)), attack="a5")
    for value in ("chunked", "identity", "gzip, chunked"):
        refuses(book, eight, f"Transfer-Encoding {value} has no place in an upgrade", 400,
                adding("Transfer-Encoding", value), attack="a5")
    for value in ("", "-1", "x", "1 1", "+0", "0, 0", "0x0"):
        refuses(book, eight, f"Content-Length {value!r} is no number", 400,
                adding("Content-Length", value), attack="a5")
    refuses(book, eight, "two Content-Length are refused", 400, lambda head: head.adding(
        "Content-Length", "0").adding("Content-Length", "0"), attack="a5")
    for after, what in ((text("early").encode(True), "a frame"), (b"x", "a byte"),
                        (b"GET / HTTP/1.1\r\n\r\n", "a second request"), (b"\0" * 9000, "zeros")):
        refuses(book, eight, f"{what} before the answer is refused", 400,
                lambda head, after=after: head.encode() + after, chopped=False, attack="a10")


def many(count):
    def edit(head):
        for number in range(count):
            head = head.adding(f"X-{number}", str(number))
        return head
    return edit


def grammar(book):
    def raw(edit):
        return lambda head: edit(head.encode())
    for change, what in ((str.lower, "in small letters"), (str.upper, "in capitals"),
                         (str.swapcase, "in swapped case")):
        takes(book, "4.3", f"the names of headers may be {what}",
              lambda head, change=change: Head(
                  head.line, [(change(name), value) for name, value in head.headers]))
    for space, what in (("", "no space"), (" ", "one space"), ("\t", "a tab"), ("   \t ", "many")):
        takes(book, "4.3", f"{what} may follow the colon", lambda head, space=space: (
            "\r\n".join([head.line, *(f"{n}:{space}{v}{space}" for n, v in head.headers), "", ""])
        ).encode(), chopped=False)
    for old, new, what in (
            (b"\r\n", b"\n", "every line in LF"), (b"Upgrade: w", b"Upgrade: \nw", "an LF inside"),
            (b"\r\n\r\n", b"\n\n", "the end in LF"),
            (b"Host:", b"Host :", "a space before a colon"),
            (b"\r\nUpgrade:", b"\r\n Upgrade:", "a folded line"),
            (b"\r\nUpgrade:", b"\r\n\tUpgrade:", "a line folded by a tab"),
            (b"Host:", b"Host", "a header without a colon"), (b"Host:", b":", "one without a name"),
            (b"Host:", b"H@st:", "a name that is no token"),
            (b"Host:", b"H\xf6st:", "an 8-bit name"),
            (b"websocket", b"web\0socket", "a NUL"), (b"websocket", b"web\rsocket", "a CR alone"),
            (b"websocket", b"websocket\x7f", "a DEL"),
            (b"websocket", b"\x1bwebsocket", "an escape"),
            (b"GET ", b"\0GET ", "a NUL in front"),
            (b" HTTP/1.1\r\n", b" HTTP/1.1\n", "an LF first"),
            (b" HTTP/1.1\r\n", b" HTTP/1.1\r\r\n", "two CR"), (b"Host", b"Ho st", "a name of two")):
        refuses(book, "4.3", f"{what} is refused", 400, raw(
            lambda data, old=old, new=new: data.replace(old, new)), attack="a14")
    takes(book, "4.3", "empty elements of a list are none", lambda head: head.having(
        "Upgrade", ",, websocket ,,").having("Connection", ", Upgrade,"))
    takes(book, "4.3", "a list with 32,000 spaces is read in no time", adding(
        "X-List", "b" + " " * 7000 + "x"), attack="a6", settings=SUBPROTOCOLS)


def answers(book):
    for number, value in enumerate(KEYS):
        takes(book, "4.2.2 answer 5.4", f"the key {value} is answered", having(
            "Sec-WebSocket-Key", value), chopped=number < 2)
    takes(book, "4.2.2 answer 5.4", "the key of the RFC gets the answer of the RFC",
          lambda head: head, check=lambda answer: wire.require(
              answer.one("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "another"))
    for part, what in (("5.1", "a 101 says HTTP/1.1 101 Switching Protocols"),
                       ("5.2", "a 101 has Upgrade: websocket, once"),
                       ("5.3", "a 101 has Connection: Upgrade, once")):
        takes(book, f"4.2.2 answer {part}", what, lambda head: head)
    for status in (300, 302, 307, 399, 400, 401, 403, 404, 410, 426, 429, 451, 500, 503, 599):
        refuses(book, "4.2.2 answer 4", f"the application may refuse with {status}", status,
                at_target(f"/refuse/{status}"), in_words=False, by_api=True)
    for status in (99, 200, 204, 299, 600):
        refuses(book, "4.2.2 answer 4", f"{status} refuses nothing, and becomes 500", 500,
                at_target(f"/refuse/{status}"), in_words=False, by_api=True)


def subprotocols(book):
    four, five = "4.2.2 answer 4", "4.2.2 answer 5.5"

    def chosen(name):
        return lambda answer: wire.require(
            answer.all("Sec-WebSocket-Protocol") == ([name] if name else []),
            f"the subprotocol {answer.all('Sec-WebSocket-Protocol')}, not {name}")
    for offered, name in (
            ("chat.v1", "chat.v1"), ("chat.v2", "chat.v2"), ("chat.v1, chat.v2", "chat.v2"),
            ("chat.v2,chat.v1", "chat.v2"), ("other, chat.v1", "chat.v1"), ("other", None),
            ("CHAT.V1", None), ("chat", None), ("chat.v11", None), (", chat.v1 ,", "chat.v1"),
            ("a,b,c,d,e,f,chat.v1", "chat.v1")):
        takes(book, five, f"of {offered!r} it speaks {name}",
              adding("Sec-WebSocket-Protocol", offered), chosen(name), settings=SUBPROTOCOLS)
    takes(book, five, "an offer may go over two headers", lambda head: head.adding(
        "Sec-WebSocket-Protocol", "chat.v1").adding("Sec-WebSocket-Protocol", "chat.v2"),
          chosen("chat.v2"), settings=SUBPROTOCOLS)
    takes(book, five, "without an offer none is chosen", lambda head: head, chosen(None),
          settings=SUBPROTOCOLS)
    takes(book, five, "who speaks none chooses none", adding("Sec-WebSocket-Protocol", "chat"))
    for offered, what in (("chat.v1, chat.v1", "twice the same"), ("a b", "a name of two words"),
                          ("a/b", "a name that is no token"), ('"a"', "a name in quotes"),
                          ("a;b", "a name with a parameter"), ("", "nothing"), (", ,", "nothing"),
                          ("caf\xe9", "an 8-bit name")):
        refuses(book, four, f"an offer of {what}, {offered!r}, is refused", 400,
                adding("Sec-WebSocket-Protocol", offered), settings=SUBPROTOCOLS)


def extensions(book):
    def none(answer):
        wire.require(answer.all("Sec-WebSocket-Extensions") == [], "an extension")
    for offer in ("x-unknown", "x-unknown; a=1; b", "mux; max-channels=4; flow-control, deflate-x",
                  "permessage-bzip2", "bbf-usp-protocol; eid=\"1\""):
        takes(book, "4.2.2 answer 5.6", f"the extension {offer!r} is declined by not naming it",
              adding("Sec-WebSocket-Extensions", offer), none)
    takes(book, "4.2.2 answer 5.6", "without an offer there is no extension", lambda head: head,
          none)
    for offer, what in (("constructor", "constructor"), ("; ".join(["x"] + ["a"] * 2000), "params"),
                        (", ".join(["x-unknown"] * 500), "five hundred times the same")):
        takes(book, "4.2.2 answer 5.6", f"an offer of {what} is declined",
              adding("Sec-WebSocket-Extensions", offer), none, chopped=False)


# --------------------------------------------------------------- vital is the client

def uris(book):
    one, four = "4.1 connection 1", "4.1 connection 4"
    for uri in ("", "ws:", "ws://", "ws:///chat", "ws://:80/", "ws://a b/", "ws://a:99999/",
                "ws://a:x/", "ws://a:-1/", "ws://[::1/", "ws://[::g]/", "ws://a/b c", "ws://a/#b",
                "ws://a/\x7f", "mailto:a@b", "127.0.0.1:80", "/chat", "wss", "ws//a/", "ftp://a/"):
        book.add(one, f"{uri!r} is no URI of a WebSocket, and nothing is tried", not_tried(uri),
                 opened=False, chopped=False)
    for what, play in (("a port where nobody listens", nobody_listens),
                       ("a server that ends the stream at once", ends_at_once),
                       ("a server that resets the connection", resets_at_once),
                       ("a server that never answers", never_answers),
                       ("a server that ends within its answer", ends_within)):
        book.add(four, f"{what} is unreachable", play, opened=False, chopped=False,
                 settings={"open_ms": 400} if play is never_answers else {})


def not_tried(uri):
    async def play(peer):
        subject = peer.servers.subject
        number = subject.connect(uri, {})
        peer.waiting = "the refusal of this URI"
        told = await subject.queue(number).get()
        if told.name != "problem" or not told["text"]:
            raise Failure(f"it took the URI: {told.name} {dict(told)}")
    return play


async def nobody_listens(peer):
    subject = peer.servers.subject
    peer.program = subject
    peer.about = subject.connect("ws://127.0.0.1:1/", {})
    await peer.verdict(cause="UNREACHABLE", final=1)


async def ends_at_once(peer):
    await peer.listen()
    peer.sock.close()
    await peer.verdict(cause="UNREACHABLE")


async def resets_at_once(peer):
    await peer.listen()
    await peer.head()
    peer.reset()
    await peer.verdict(cause="UNREACHABLE")


async def never_answers(peer):
    await peer.listen()
    await peer.head()
    await peer.verdict(cause="UNREACHABLE")
    await peer.ends()


async def ends_within(peer):
    await peer.listen()
    head = wire.response((await peer.head()).one("Sec-WebSocket-Key")).encode()
    await peer.send(head[:-10])
    peer.end_stream()
    await peer.verdict(cause="UNREACHABLE")


def writes(book, requirement, sentence, check, path="/", settings=None):
    """The request that it writes passes a check; and the connection works."""
    async def play(peer):
        await peer.open()
        check(peer, peer.answer)
        await peer.put(text("open"))
        await echo("open")(peer)
        await peer.goodbye()
    book.add(requirement, sentence, play, opened=False, chopped=False, path=path,
             settings=settings or {})


def written_requests(book):
    def line_is(target):
        return lambda peer, head: wire.require(head.line == f"GET {target} HTTP/1.1", head.line)

    def header_is(name, value):
        return lambda peer, head: wire.require(
            head.one(name) == (value(peer) if callable(value) else value), str(head.all(name)))

    def absent(name):
        return lambda peer, head: wire.require(head.all(name) == [], f"{name}: {head.all(name)}")

    writes(book, "4.1 request 1", "its request is HTTP, with CRLF and no header twice",
           lambda peer, head: wire.require(
               len({name for name, _ in head.headers}) == len(head.headers), "a header twice"))
    writes(book, "4.1 request 2", "it asks with GET and HTTP/1.1", line_is("/"))
    for path, target in (("/", "/"), ("", "/"), ("/chat", "/chat"), ("?a", "/?a"),
                         ("/a?b=c&d", "/a?b=c&d"), ("/%20%C3%A9", "/%20%C3%A9"), ("//a", "//a")):
        writes(book, "4.1 request 3", f"the resource of ws://host{path} is {target}",
               line_is(target), path=path)
    writes(book, "4.1 request 4", "Host names the host and the port",
           header_is("Host", lambda peer: f"127.0.0.1:{peer.port}"))
    writes(book, "4.1 request 5", "Upgrade is websocket", header_is("Upgrade", "websocket"))
    writes(book, "4.1 request 6", "Connection is Upgrade", header_is("Connection", "Upgrade"))
    writes(book, "4.1 request 7", "the key is base64 of 16 bytes", lambda peer, head: wire.require(
        len(base64.b64decode(head.one("Sec-WebSocket-Key"), validate=True)) == 16, "a bad key"))
    book.add("4.1 request 7", "each connection has a key of its own", keys_differ, opened=False,
             chopped=False)
    writes(book, "4.1 request 8", "it is no browser, and names no Origin", absent("Origin"))
    writes(book, "4.1 request 9", "the version is 13", header_is("Sec-WebSocket-Version", "13"))
    writes(book, "4.1 request 10", "without subprotocols none is offered",
           absent("Sec-WebSocket-Protocol"))
    for names in (["chat"], ["chat.v2", "chat.v1"], ["a", "b", "c", "D-e_f"]):
        writes(book, "4.1 request 10", f"{', '.join(names)} are offered in this order",
               lambda peer, head, names=names: wire.require(
                   head.one("Sec-WebSocket-Protocol").replace(" ", "").split(",") == names,
                   str(head.all("Sec-WebSocket-Protocol"))), settings={"subprotocol": names})
    writes(book, "4.1 request 11", "no extension is offered unless it was asked for",
           absent("Sec-WebSocket-Extensions"))
    for name, value in (("Cookie", "a=b"), ("Authorization", "Bearer x"), ("X-Empty", ""),
                        ("Origin", "http://example.org"), ("User-Agent", "me")):
        writes(book, "4.1 request 12", f"{name} is sent as it was given", header_is(name, value),
               settings={"header": f"{name}: {value}"})


async def keys_differ(peer):
    keys = set()
    for number in range(20):
        other = Peer(peer.servers, peer.case, peer.number)
        await other.listen()
        keys.add((await other.head()).one("Sec-WebSocket-Key"))
        other.finish()
        await other.verdict(cause="UNREACHABLE")
    if len(keys) < 20:
        raise Failure(f"it used {len(keys)} keys for 20 connections")


def answered(book, requirement, sentence, edit, then, settings=None, **options):
    """The response, changed by edit, and what must come of it."""
    async def play(peer):
        await peer.listen()
        peer.answer = await peer.head()
        wire.require(not peer.rest, "something before the answer")
        out = edit(wire.response(peer.answer.one("Sec-WebSocket-Key")))
        await peer.send(out.encode() if isinstance(out, Head) else out)
        await then(peer)
    book.add(requirement, sentence, play, roles=(CLIENT,), opened=False, settings=settings or {},
             **options)


def script(*steps):
    async def then(peer):
        await play_script(peer, steps)
    return then


async def works(peer):
    await peer.put(text("open"))
    await echo("open")(peer)
    await peer.goodbye()


def is_lost(cause, status=None):
    """It ends the connection without a byte, and says why."""
    async def then(peer):
        peer.waiting = "the end of the stream"
        while got := await peer.read():
            raise Failure(f"it went on with {got[:40]!r}")
        expected = {"cause": cause, "code": 1006}
        if status is not None:
            expected["status"] = status
        await peer.verdict(**expected)
    return then


misbehaved = is_lost("MISBEHAVED")


def responses(book):
    one, two, three, four, five = (f"4.1 response {i}" for i in range(1, 6))
    for status in (200, 201, 204, 300, 304, 400, 401, 402, 403, 404, 405, 407, 408, 410, 413, 426,
                   429, 431, 451, 500, 501, 502, 503, 504, 505, 599):
        answered(book, one, f"{status} is a refusal", lambda head, status=status: Head(
            f"HTTP/1.1 {status} Whatever", [("Content-Length", "0")]), is_lost("REJECTED", status))
    answered(book, one, "a refusal may have a body", lambda head: (
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever"), is_lost("REJECTED", 403))
    answered(book, one, "a refusal is one whatever the rest says",
             lambda head: head.under("HTTP/1.1 404 Not Found"), is_lost("REJECTED", 404))
    answered(book, one, "a refusal of HTTP/1.0 is one",
             lambda head: head.under("HTTP/1.0 404 Not Found"), is_lost("REJECTED", 404))
    for status in (100, 102, 103, 199):
        answered(book, one, f"{status} is not the answer yet", lambda head, status=status: (
            f"HTTP/1.1 {status} Wait\r\nX-Hint: 1\r\n\r\n".encode() + head.encode()), works)
    answered(book, one, "interim responses without an end are above a limit of ours",
             lambda head: b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, is_lost("OVERFLOW"))
    answered(book, "4.4", "a 426 that names other versions is a refusal", lambda head: Head(
        "HTTP/1.1 426 Upgrade Required", [("Sec-WebSocket-Version", "8, 7")]),
             is_lost("REJECTED", 426))
    for value in ("websocket", "WebSocket", "WEBSOCKET", "  websocket\t"):
        answered(book, two, f"Upgrade {value!r} is websocket", having("Upgrade", value), works)
    for value in ("", "h2c", "websockets", "websocket2", "web socket", '"websocket"',
                  "websocket, h2c", "h2c, websocket", "websocket/13"):
        answered(book, two, f"Upgrade {value!r} is not websocket", having("Upgrade", value),
                 misbehaved)
    answered(book, two, "without Upgrade it fails", without("Upgrade"), misbehaved)
    answered(book, two, "a second Upgrade fails", adding("Upgrade", "websocket"), misbehaved)
    for value in ("Upgrade", "upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,close",
                  ",Upgrade"):
        answered(book, three, f"Connection {value!r} has Upgrade", having("Connection", value),
                 works)
    answered(book, three, "Upgrade may be in a second Connection", lambda head: head.having(
        "Connection", "keep-alive").adding("Connection", "Upgrade"), works)
    for value in ("", "close", "keep-alive", "Upgraded", "Up grade", '"Upgrade"', "websocket"):
        answered(book, three, f"Connection {value!r} has no Upgrade", having("Connection", value),
                 misbehaved)
    answered(book, three, "without Connection it fails", without("Connection"), misbehaved)
    accept = "Sec-WebSocket-Accept"
    answered(book, four, "the accept that fits opens the connection", lambda head: head, works)
    answered(book, four, "white space around the accept is not part of it", changing(
        accept, lambda value: f"\t {value} \t"), works)
    for change, what in (
            (lambda value: "", "empty"), (str.lower, "in small letters"),
            (str.upper, "in capitals"),
            (lambda value: value[:-1], "cut"), (lambda value: value + "=", "too long"),
            (lambda value: value[1:] + value[0], "turned"), (lambda value: f'"{value}"', "quoted"),
            (lambda value: accept_of(wire.KEY), "of another key"),
            (lambda value: value[:5] + " " + value[5:], "with a space"),
            (lambda value: f"{value}, {value}", "twice"), (lambda value: "x" * 28, "of nothing")):
        answered(book, four, f"an accept that is {what} fails", changing(accept, change),
                 misbehaved)
    answered(book, four, "without an accept it fails", without(accept), misbehaved)
    answered(book, four, "two accepts fail, even if both fit", lambda head: head.adding(
        accept, dict(head.headers)[accept]), misbehaved)
    answered(book, four, "two accepts fail, if one fits", adding(accept, accept_of(wire.KEY)),
             misbehaved)
    for value in ("x-unknown", "permessage-deflate",
                  "permessage-deflate; server_max_window_bits=10",
                  "a, b", "", "mux"):
        answered(book, five, f"the extension {value!r} was not asked for, and fails",
                 adding("Sec-WebSocket-Extensions", value), misbehaved)


def changing(name, change):
    return lambda head: head.having(name, change(dict(head.headers)[name]))


def response_subprotocols(book):
    six = "4.1 response 6"
    header = "Sec-WebSocket-Protocol"

    def speaks(name):
        async def then(peer):
            told = await peer.program.event(peer.about, "open")
            if told["subprotocol"] != name:
                raise Failure(f"it speaks {told['subprotocol']!r}")
            await works(peer)
        return then
    for name in SUBPROTOCOLS["subprotocol"]:
        answered(book, six, f"{name}, which was offered, may be chosen", adding(header, name),
                 speaks(name), SUBPROTOCOLS)
    answered(book, six, "none need be chosen", lambda head: head, speaks(""), SUBPROTOCOLS)
    for name in ("chat.v3", "CHAT.V1", "", "chat.v1, chat.v2", "chat.v1,", '"chat.v1"', "chat v1"):
        answered(book, six, f"the subprotocol {name!r} was not offered, and fails",
                 adding(header, name), misbehaved, SUBPROTOCOLS)
    answered(book, six, "a subprotocol where none was offered fails", adding(header, "chat.v1"),
             misbehaved)
    answered(book, six, "two subprotocols fail", lambda head: head.adding(
        header, "chat.v1").adding(header, "chat.v2"), misbehaved, SUBPROTOCOLS)


def response_grammar(book):
    one = "4.1 response 1"
    for line in ("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 101 Whatever it is", "HTTP/1.1 101 ",
                 "HTTP/1.2 101 Later", "HTTP/1.1 101 caf\xe9"):
        answered(book, one, f"the line {line!r} is a 101", lambda head, line=line: head.under(line),
                 works)
    for line in ("HTTP/1.0 101 Old", "HTTP/2.0 101 New", "HTTP/1.1 0101 Octal",
                 "HTTP/1.1 1010 Long",
                 "HTTP/1.1 10 Short", "HTTP/1.1  101 Spaced", "HTTP/1.1\t101 Tab",
                 " HTTP/1.1 101 A",
                 "HTTP/1.1 101Switching", "http/1.1 101 Small", "HTTP/1.1 -101 Minus", "HTTP/1.1",
                 "HTTP/1.1 abc Letters", "HTTP/1.1 600 Above", "HTTP/1.1 099 Below",
                 "HTTP/11 101 A",
                 "HTTPS/1.1 101 A", "101 Switching Protocols", "SSH-2.0-OpenSSH_9.2", ""):
        answered(book, one, f"the line {line!r} is no status line of ours",
                 lambda head, line=line: head.under(line), misbehaved)

    def raw(old, new):
        return lambda head: head.encode().replace(old, new)
    for old, new, what in (
            (b"\r\n", b"\n", "every line in LF"), (b"\r\n\r\n", b"\n\n", "the end in LF"),
            (b"Upgrade: w", b"Upgrade : w", "a space before a colon"),
            (b"Upgrade: w", b"Upgrade:\r\n w", "a folded line"),
            (b"Upgrade: w", b"Upgrade w", "a header without a colon"),
            (b"Upgrade: w", b": w", "one without a name"), (b"websocket", b"web\0socket", "a NUL"),
            (b"websocket", b"web\rsocket", "a CR alone"), (b"websocket", b"websocket\x7f", "a DEL"),
            (b"\r\nUpgrade", b"\r\n Upgrade", "a first line that is folded"),
            (b"Protocols\r\n", b"Protocols\n", "an LF first")):
        answered(book, "4.3", f"{what} fails", raw(old, new), misbehaved)
    for change, what in ((str.lower, "in small letters"), (str.upper, "in capitals")):
        answered(book, "4.3", f"the names of headers may be {what}",
                 lambda head, change=change: Head(
                     head.line, [(change(name), value) for name, value in head.headers]), works)
    answered(book, "4.3", "white space around values may be any", lambda head: (
        "\r\n".join([head.line, *(f"{n}:\t  {v} \t" for n, v in head.headers), "", ""])).encode(),
             works)
    for name, value in (("Server", "x"), ("Date", "now"), ("Set-Cookie", "a=b"),
                        ("X-8-Bit", "\xe9"),
                        ("X-Long", "y" * 6000), ("Sec-WebSocket-Version", "13")):
        answered(book, "4.3", f"{name} is not minded", adding(name, value), works)
    answered(book, "4.3", f"{HEADERS_MOST - 3} more headers are not minded", many(HEADERS_MOST - 3),
             works)
    answered(book, "4.3", f"{HEADERS_MOST} more headers are too many", many(HEADERS_MOST),
             misbehaved)
    answered(book, "4.3", "a head above 8 KiB is above a limit of ours",
             adding("X-Large", "y" * HEADER_BYTES), is_lost("OVERFLOW"))

    answered(book, one, "what comes in one write with the 101 is not lost", lambda head: (
        head.encode() + ping(b"x").encode(False)), script(answer(b"x")))
    answered(book, one, "a message in one write with the 101 is not lost", lambda head: (
        head.encode() + text("glued").encode(False)), script(echo("glued")))
    answered(book, one, "a bad frame in one write with the 101 is one", lambda head: (
        head.encode() + binary(b"x", masked=True).encode(False)), script(fails(1002)))
