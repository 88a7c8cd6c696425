"""Cases in which the peer is the client, and vital the server."""
import functools
import signal

from case import DEFLATES, LARGEST, SILENT_S, SIZES, UNSILENT_S, Script, without
from children import check

COMPRESSED_FROM = 256  # bytes; and what would not become smaller goes as it is, too
AS_IS = {"take what is not compressed"}
CLOSES = (
    (1000, "that was all"),
    (1001, "the page was left"),
    (3000, "a library's own"),
    (4999, "心" * 41),  # 123 bytes, the longest
)


def echoes(case, kind, size):
    server = case.serve("--max-message", f"{LARGEST}B")
    case.peer_connects(server)
    payload = case.sized(kind, size)
    case.peer_sends(payload)
    case.peer.expect("message", payload.patience_s, **payload.as_told)


def takes_fragments(case, kind):
    case.peer_connects(case.serve())
    payload = case.sized(kind, 65536)
    case.peer_sends(payload, fragments=case.fragments)
    case.peer.expect("message", **payload.as_told)


def answers_between_fragments(case):
    case.peer_connects(case.serve())
    payload = case.sized("text", 65536)
    case.peer_sends(payload, fragments="1000", ping="beef")
    case.peer.expect("pong", payload="beef")
    case.peer.expect("message", **payload.as_told)


def answers_pings(case, size):
    case.peer_connects(case.serve())
    payload = bytes(range(size)).hex()
    case.peer.do("ping", payload=payload)
    case.peer.expect("pong", payload=payload)


def ignores_a_pong_that_it_did_not_ask_for(case):
    case.peer_connects(case.serve())
    case.peer.do("pong", payload="cafe")
    hello = case.text("hello")
    case.peer_sends(hello)
    case.peer.expect("message", **hello.as_told)


def beats_by_ping(case):
    """A beat leaves only after the one before it was answered: so four beats are
    three answers. Who does not tell of them has at least answered in time."""
    server = case.serve("--beat", "200ms", "--answer-within", "1s")
    case.peer_connects(server)
    if case.peer_can("tell of pings"):
        payloads = {case.peer.expect("ping")["payload"] for _ in range(4)}
        check("the number of different nonces in 4 pings", len(payloads), 4)
    else:
        server.stays(UNSILENT_S)
    case.peer.do("close", code=1000, reason="")
    server.expect("close", cause="CLOSED_BY_PEER", code=1000, unconfirmed=0)


def answers_beats_by_text(case):
    """A beat is a text message that is exactly the text, however it is cut; what
    only resembles it is the application's. Answers overtake echoes, so that the
    last echo comes after all of them."""
    case.peer_connects(case.serve("--beat", "200ms", "--answer-within", "5s"))
    beat = case.text("heartbeat")
    others = [case.text("heartbeats"), case.text("heartbeat", kind="binary"), case.text("heart")]
    case.peer_sends(beat)
    case.peer_sends(others[0])
    case.peer_sends(beat)
    case.peer_sends(others[1])
    case.peer_sends(beat, **({"fragments": "5"} if case.peer_can("fragment") else {}))
    case.peer_sends(others[2])
    told = [case.peer.expect("message") for _ in range(6)]
    told = [(event["kind"], event["sha256"]) for event in told]
    answer, *echoes_of_others = [(payload.kind, payload.as_told["sha256"])
                                 for payload in (beat, *others)]
    check("the messages", sorted(told), sorted([answer] * 3 + echoes_of_others))
    check("the echoes", [event for event in told if event != answer], echoes_of_others)


def echoes_what_is_no_beat(case):
    case.peer_connects(case.serve("--beat-text", "tick"))
    for text in ("heartbeat", "tick", "tock"):
        payload = case.text(text)
        case.peer_sends(payload)
        case.peer.expect("message", **payload.as_told)


def hears_a_close(case, code, reason):
    server = case.serve()
    case.peer_connects(server)
    case.peer.do("close", code=code, reason=reason)
    server.expect("close", cause="CLOSED_BY_PEER", code=code, reason=reason, id=1)
    case.peer_hears_close(code)


def hears_a_close_without_a_code(case):
    server = case.serve()
    case.peer_connects(server)
    case.peer.do("close")
    server.expect("close", cause="CLOSED_BY_PEER", code=1005, reason="")
    case.peer_hears_close(1005)


def says_goodbye(case, code, reason):
    server = case.serve("--drain-code", str(code))
    case.peer_connects(server)
    server.signal(signal.SIGTERM)
    case.peer.expect("close", code=code, reason=reason)
    server.expect("close", cause="CLOSED_BY_US", code=code)
    server.expect("drained")
    server.exits(0)


def declines_deflate(case):
    opened = case.peer_connects(case.serve())
    check("that deflate was offered",
          "permessage-deflate" in opened.get("offered", "permessage-deflate"), True)
    check("the extensions agreed on", opened.get("extensions", ""), "")
    payload = case.text("very compressible " * 5000)
    case.peer_sends(payload)
    case.peer.expect("message", **payload.as_told)


def compresses(case, how):
    """Again and again, since what both remember of a message is used in the next."""
    server = case.mirror_listens(deflate=how)
    opened = case.peer_connects(server, header="yes", deflate=how)
    server.expect("open", compressed="1")
    check("that they agreed on deflate",
          "permessage-deflate" in opened.get("extensions", "permessage-deflate"), True)
    for size in (126, 65536, 126, 65536):
        payload = case.sized("text", size)
        case.peer_sends(payload)
        case.peer.expect("message", **payload.as_told)


def saves_bytes(case):
    relay = case.relay(case.serve().url)
    case.peer_connects(relay)
    payload = case.sized("text", 65536)
    case.peer_sends(payload)
    case.peer.expect("message", **payload.as_told)
    case.check_compressed(payload, relay)


def agrees_on_a_subprotocol(case):
    """Of those that both have, the one that the server prefers."""
    server = case.mirror_listens("heart.v2", "heart.v1")
    opened = case.peer_connects(server, header="yes", subprotocols="other,heart.v1,heart.v2")
    check("the subprotocol", opened["subprotocol"], "heart.v2")
    server.expect("open", subprotocol="heart.v2")


def refuses(case):
    server = case.mirror_listens("heart.v1")
    case.peer_dials(server)
    case.peer.expect("refused", status=401)


def refuses_a_page(case, options=()):
    case.peer_dials(case.serve(*options), page="http://elsewhere.example/")
    case.peer.expect("refused", status=403)


def accepts_a_page(case):
    case.peer_connects(case.serve("--origin", "http://elsewhere.example"),
                       page="http://elsewhere.example/")


def accepts(case):
    server = case.mirror_listens("heart.v1")
    case.peer_connects(server, header="yes", subprotocols="heart.v1")


def drops_a_frozen_client(case):
    """And the client can come again."""
    case.peer.may_complain = True
    server = case.serve("--beat", "500ms", "--answer-within", "1s")
    case.peer_connects(server)
    case.peer.signal(signal.SIGSTOP)
    server.expect("close", SILENT_S, cause="STUCK", id=1)
    case.peer.signal(signal.SIGCONT)
    case.peer.expect("close")
    case.peer_connects(server)
    server.expect("open", id=2)
    hello = case.text("hello again")
    case.peer_sends(hello)
    case.peer.expect("message", **hello.as_told)


def cases():
    """Titles continue "vital serve, by a client of ..."."""
    partial = functools.partial
    for message in ("text", "binary"):
        for size in SIZES:
            as_is = size < COMPRESSED_FROM or message == "binary"  # which is random
            yield Script(f"echoes {size} bytes of {message}",
                         partial(echoes, kind=message, size=size),
                         needs=AS_IS if as_is else set(), only_without=without(message, size))
        yield Script(f"takes {message} in fragments", partial(takes_fragments, kind=message),
                     needs={"fragment", *(AS_IS if message == "binary" else ())})
    yield Script("answers a ping between fragments", answers_between_fragments,
                 needs={"fragment", "ping"})
    for size in (0, 1, 125):
        yield Script(f"answers a ping with its {size} bytes", partial(answers_pings, size=size),
                     needs={"ping"})
    yield Script("ignores a pong that answers nothing", ignores_a_pong_that_it_did_not_ask_for,
                 needs={"ping"})
    yield Script("beats by ping, and is answered", beats_by_ping,
                 only_without={"deflate"}, measures=True)
    yield Script("answers beats by text, and echoes the rest", answers_beats_by_text,
                 needs=AS_IS)
    yield Script("answers the beat that it was told, no other", echoes_what_is_no_beat,
                 needs=AS_IS)
    for code, reason in CLOSES:
        size = len(reason.encode())
        yield Script(f"hears the client close with {code} and {size} bytes of reason",
                     partial(hears_a_close, code=code, reason=reason),
                     needs={"close with any code"} if code == 1001 else set())
    yield Script("hears the client close without a code", hears_a_close_without_a_code,
                 needs={"close without a code"})
    yield Script("says goodbye with 1001 and its reason",
                 partial(says_goodbye, code=1001, reason="server is shutting down"))
    yield Script("says goodbye with 1012 and its reason",
                 partial(says_goodbye, code=1012, reason="server is restarting"),
                 needs={"know 1012"})
    yield Script("declines permessage-deflate", declines_deflate, needs={"deflate"},
                 only_without={"deflate"})
    for how, needs in DEFLATES:
        yield Script(f"compresses for a client that offers it ({how})",
                     partial(compresses, how=how), needs={"send headers", *needs},
                     only_with={"deflate"})
    yield Script("saves bytes by compressing", saves_bytes, only_with={"deflate"})
    yield Script("agrees on a subprotocol", agrees_on_a_subprotocol, needs={"send headers"})
    yield Script("refuses with 401 for want of a header", refuses)
    yield Script("refuses a page of another server", refuses_a_page, needs={"be a page"})
    yield Script("refuses a page of others than those that it was told",
                 partial(refuses_a_page, options=("--origin", "http://another.example")),
                 needs={"be a page"})
    yield Script("takes the page that it was told", accepts_a_page, needs={"be a page"})
    yield Script("takes who sends the header", accepts, needs={"send headers"})
    yield Script("drops a frozen client as STUCK, and takes it back", drops_a_frozen_client,
                 only_without={"deflate"}, measures=True)
