"""Cases in which `vital serve` is behind a reverse proxy. What does not listen to
npm's ws as a client listens to `vital connect`."""
import functools
import signal

from as_client import hears_message, line
from case import LARGEST, SIZES, SMALLER, Script, without
from children import check

IDLE_S = 2  # the proxy's patience
BEATS = ("--beat", "500ms")  # before that
CUT_WITHIN_S = 4 * IDLE_S  # it looks from time to time only


def echoes(case, kind, size):
    front = case.front(case.serve("--max-message", f"{LARGEST}B"))
    case.peer_connects(front)
    payload = case.sized(kind, size)
    case.peer_sends(payload)
    case.peer.expect("message", payload.patience_s, **payload.as_told)


def connects(case, size):
    front = case.front(case.serve())
    client = case.connect(url=front.url)
    client.expect("open", compressed=case.suite.link.compressed)
    payload = case.sized("text", size)
    client.feed(payload.data + b"\n", payload.patience_s)
    hears_message(client, payload)


def passes_pings_on(case):
    case.peer_connects(case.front(case.serve()))
    case.peer.do("ping", payload="beef")
    case.peer.expect("pong", payload="beef")


def passes_fragments_on(case):
    case.peer_connects(case.front(case.serve()))
    payload = case.sized("text", 65536)
    case.peer_sends(payload, fragments="1000", ping="beef")
    case.peer.expect("pong", payload="beef")
    case.peer.expect("message", **payload.as_told)


def passes_a_close_in(case):
    server = case.serve()
    case.peer_connects(case.front(server))
    case.peer.do("close", code=3000, reason="a library's own")
    server.expect("close", cause="CLOSED_BY_PEER", code=3000, reason="a library's own")
    case.peer.expect("close", code=3000)


def passes_a_close_out(case):
    server = case.serve("--drain-code", "1012")
    front = case.front(server)
    case.peer_connects(front)
    client = case.connect(url=front.url)
    client.expect("open")
    server.signal(signal.SIGTERM)
    case.peer.expect("close", code=1012, reason="server is restarting")
    client.expect("close", cause="CLOSED_BY_PEER", code=1012, reason="server is restarting",
                  final=False)
    server.exits(0)


def lets_a_subprotocol_be_agreed_on(case):
    front = case.front(case.serve("--subprotocol", "heart.v1"))
    client = case.connect("--subprotocol", "other", "--subprotocol", "heart.v1", url=front.url)
    client.expect("open", subprotocol="heart.v1")


def is_kept_open_by_the_server(case):
    server = case.serve(*BEATS)
    case.peer_connects(case.front(server, IDLE_S))
    server.stays(2 * IDLE_S)
    hello = case.text("hello")
    case.peer_sends(hello)
    case.peer.expect("message", **hello.as_told)


def is_kept_open_by_the_client(case, options):
    server = case.serve("--beat", "never")
    client = case.connect(*BEATS, *options, url=case.front(server, IDLE_S).url)
    client.expect("open")
    client.stays(2 * IDLE_S)
    client.feed(line("hello"))
    client.expect("message", data="hello")
    check("doubts", client.seen("health"), [])


def is_cut_without_beats(case):
    """Which shows that it was the beats that kept it open, and what is said else."""
    server = case.serve("--beat", "never")
    client = case.connect("--beat", "never", "--retry-first", "200ms",
                          url=case.front(server, IDLE_S).url)
    client.expect("open")
    verdict = client.expect("close", CUT_WITHIN_S, cause="CUT", final=False)
    check(f"that it was idle for {IDLE_S} s ({verdict['open_ms']} ms)",
          verdict["open_ms"] >= 900 * IDLE_S, True)  # nginx looks seldom at the clock
    server.expect("close", cause="CUT")
    client.expect("open")


def comes_back_after_the_proxy(case):
    """That is killed, and started again in the same place."""
    server = case.serve()
    front = case.front(server)
    client = case.connect("--retry-first", "200ms", "--retry-max", "500ms", url=front.url)
    client.expect("open")
    front.kill()
    client.expect("close", cause="CUT", code=1006, final=False)
    client.feed(line("typed meanwhile"))
    client.expect("close", cause="UNREACHABLE", final=False)
    case.front(server, port=front.port)
    client.expect("open")
    client.expect("message", data="typed meanwhile")


def comes_back_after_the_server(case, status):
    """Of which the proxy says for a time that it is not there; HAProxy with the advice
    to come back in a second."""
    address = f"127.0.0.1:{case.hold_port().number}"
    server = case.serve(address=address)
    front = case.front(server)
    client = case.connect("--retry-first", "200ms", "--retry-max", "500ms", url=front.url)
    client.expect("open")
    server.kill()
    client.expect("close", cause="CUT", code=1006, final=False)
    client.feed(line("typed meanwhile"))
    client.expect("close", cause="REJECTED", status=status, final=False)
    case.serve(address=address)
    client.expect("open")
    client.expect("message", data="typed meanwhile")


def cases(proxy):
    """Titles continue "vital serve, behind ..."."""
    partial = functools.partial
    for kind, sizes in (("text", SMALLER), ("binary", SIZES)):
        for size in sizes:
            yield Script(f"echoes {size} bytes of {kind}", partial(echoes, kind=kind, size=size),
                         only_without=without(kind, size))
    for size in SMALLER:
        yield Script(f"echoes {size} bytes for vital connect", partial(connects, size=size))
    yield Script("hears and answers pings", passes_pings_on)
    yield Script("takes fragments, and pings between", passes_fragments_on)
    yield Script("hears a client close with 3000 and its reason", passes_a_close_in)
    yield Script("says goodbye with 1012 and its reason", passes_a_close_out)
    yield Script("agrees on a subprotocol", lets_a_subprotocol_be_agreed_on)
    yield Script("keeps an idle connection by pings", is_kept_open_by_the_server, measures=True)
    yield Script("is kept idle by a client's pings",
                 partial(is_kept_open_by_the_client, options=()), measures=True)
    yield Script("is kept idle by a client's texts",
                 partial(is_kept_open_by_the_client, options=("--beat-text", "heartbeat")),
                 measures=True)
    yield Script("is cut off when it does not beat", is_cut_without_beats, measures=True)
    yield Script("is found again by vital connect after the proxy was killed",
                 comes_back_after_the_proxy)
    yield Script("is found again by vital connect after it was killed itself",
                 partial(comes_back_after_the_server, status=proxy.without_server))
