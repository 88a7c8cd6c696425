"""Cases in which the peer is the server, and vital the client."""
import base64
import functools
import hashlib
import signal

from case import DEFLATES, LARGEST, SILENT_S, SIZES, UNSILENT_S, Script, without
from children import check
from links import FEATURES

CLOSES = (
    (1000, "that was all", 0),  # with the exit status of vital connect
    (1001, "the page was left", 10),
    (3000, "a library's own", 10),
    (4999, "心" * 41, 10),  # 123 bytes, the longest
)
OUR_CLOSES = tuple((code, reason) for code, reason, _ in CLOSES)


def line(text):
    return text.encode() + b"\n"


def hears_message(client, payload):
    event = client.expect("message", payload.patience_s, kind=payload.kind)
    data = (base64.b64decode(event["data_base64"]) if payload.kind == "binary"
            else event["data"].encode())
    told = {"kind": event["kind"], "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    check("the message", told, payload.as_told)


def sends_and_hears(case, size):
    client = case.opened("--max-message", f"{LARGEST}B", path="/echo")
    payload = case.sized("text", size)
    client.feed(payload.data + b"\n", payload.patience_s)
    case.peer.expect("message", payload.patience_s, **payload.as_told)
    hears_message(client, payload)


def hears_binary(case, size):
    client = case.opened("--max-message", f"{LARGEST}B")
    payload = case.sized("binary", size)
    case.peer_sends(payload)
    hears_message(client, payload)


def mirrors(case, kind, size):
    case.mirror_connects()
    payload = case.sized(kind, size)
    case.peer_sends(payload)
    case.peer.expect("message", payload.patience_s, **payload.as_told)


def takes_fragments(case, kind):
    client = case.opened()
    payload = case.sized(kind, 65536)
    case.peer_sends(payload, fragments=case.fragments)
    hears_message(client, payload)


def answers_between_fragments(case):
    """By the mirror: that the message comes back after the pong shows the order."""
    case.mirror_connects()
    payload = case.sized("text", 65536)
    case.peer_sends(payload, fragments="1000", ping="beef")
    case.peer.expect("pong", payload="beef")
    case.peer.expect("message", **payload.as_told)


def answers_pings(case, size):
    case.opened()
    payload = bytes(range(size)).hex()
    case.peer.do("ping", payload=payload)
    case.peer.expect("pong", payload=payload)


def ignores_a_pong_that_it_did_not_ask_for(case):
    """The ping shows that the pong before it has left."""
    client = case.opened(path="/echo")
    case.peer.do("pong", payload="cafe")
    case.peer.do("ping", payload="beef")
    case.peer.expect("pong", payload="beef")
    client.feed(line("hello"))
    client.expect("message", data="hello")


def pings(case):
    program = case.ping("-c", "5", "-i", "50ms")
    case.peer.expect("open")
    if case.peer_can("tell of pings"):
        payloads = {case.peer.expect("ping")["payload"] for _ in range(5)}
        check("the number of different payloads in 5 pings", len(payloads), 5)
    program.expect("summary", sent=5, answered=5, late=0, lost=0)
    case.peer.expect("close", code=1000)
    program.exits(0)


def pings_by_text(case):
    program = case.ping("-c", "5", "-i", "50ms", "--text", "heartbeat", path="/echo")
    case.peer.expect("open")
    for _ in range(5):
        case.peer.expect("message", **case.text("heartbeat").as_told)
    program.expect("summary", sent=5, answered=5, late=0, lost=0)
    program.exits(0)


def beats_by_ping(case):
    """A beat leaves only after the one before it was answered: so four beats are
    three answers. The same holds for those by text. Who does not tell of them has
    at least answered in time."""
    client = case.opened("--beat", "200ms", "--answer-within", "1s", path="/echo")
    if case.peer_can("tell of pings"):
        for _ in range(4):
            case.peer.expect("ping")
    else:
        client.stays(UNSILENT_S)
    client.feed(line("hello"))
    client.expect("message", data="hello")
    check("doubts", client.seen("health"), [])


def beats_by_text(case):
    client = case.opened("--beat", "200ms", "--answer-within", "5s", "--beat-text", "heartbeat",
                         path="/echo")
    for _ in range(4):
        case.peer.expect("message", **case.text("heartbeat").as_told)
    client.feed(line("hello") + line("heartbeats"))
    client.expect("message", data="hello")
    client.expect("message", data="heartbeats")
    check("the number of messages that are shown", len(client.seen("message")), 2)
    check("doubts", client.seen("health"), [])
    check("pings beside the texts", case.peer.seen("ping"), [])


def hears_a_close(case, code, reason, status):
    client = case.opened("--no-retry")
    case.peer.do("close", code=code, reason=reason)
    client.expect("close", cause="CLOSED_BY_PEER", code=code, reason=reason, final=True,
                  retry_ms=None)
    client.exits(status)
    case.peer_hears_close(code)


def hears_a_close_without_a_code(case):
    client = case.opened("--no-retry")
    case.peer.do("close")
    client.expect("close", cause="CLOSED_BY_PEER", code=1005, reason="")
    client.exits(10)


def comes_back_after_a_close(case):
    client = case.opened("--retry-first", "200ms", path="/echo")
    case.peer.do("close", code=1001, reason="back soon")
    verdict = client.expect("close", cause="CLOSED_BY_PEER", code=1001, final=False)
    check(f"that the retry is within 200 ms ({verdict['retry_ms']} ms)",
          0 <= verdict["retry_ms"] <= 200, True)
    client.expect("open")
    case.peer.expect("open")
    client.feed(line("hello again"))
    client.expect("message", data="hello again")


def says_goodbye_at_the_end_of_stdin(case):
    client = case.opened()
    client.feed(line("one") + line("two"))
    client.end_input()
    case.peer.expect("message", **case.text("one").as_told)
    case.peer.expect("message", **case.text("two").as_told)
    case.peer.expect("close", code=1000, reason="")
    client.expect("close", cause="CLOSED_BY_US", code=1000, unsent=0)
    client.exits(0)


def says_goodbye_after_a_signal(case, number):
    client = case.opened()
    client.signal(number)
    case.peer.expect("close", code=1000, reason="")
    client.expect("close", cause="CLOSED_BY_US", code=1000)
    client.exits(128 + number)


def says_goodbye(case, code, reason):
    client = case.mirror_connects()
    case.peer_sends(case.text(f"close {code} {reason}"))
    case.peer.expect("close", code=code, reason=reason)
    client.expect("close", cause="CLOSED_BY_US", code=str(code))
    client.exits(0)


def does_without_deflate(case):
    client = case.connect(path="/echo")
    opened = case.peer.expect("open")
    check("what was offered", opened.get("offered", ""), "")
    check("the extensions agreed on", opened.get("extensions", ""), "")
    client.feed(line("very compressible " * 5000))
    client.expect("message", data="very compressible " * 5000)


def compresses(case, how):
    """Again and again, since what both remember of a message is used in the next."""
    case.suite.start_peer(deflate=how)
    client = case.mirror_connects(deflate=how)
    check("that vital compresses", client.opened["compressed"], "1")
    check("that they agreed on deflate",
          "permessage-deflate" in case.peer.opened.get("extensions", "permessage-deflate"), True)
    for size in (126, 65536, 126, 65536):
        payload = case.sized("text", size)
        case.peer_sends(payload)
        case.peer.expect("message", payload.patience_s, **payload.as_told)


def saves_bytes(case):
    relay = case.relay(case.suite.url + "/echo")
    client = case.connect(url=relay.url)
    client.expect("open", compressed=True)
    case.peer.expect("open")
    payload = case.sized("text", 65536)
    client.feed(payload.data + b"\n")
    hears_message(client, payload)
    case.check_compressed(payload, relay)


def agrees_on_a_subprotocol(case):
    client = case.connect("--subprotocol", "other", "--subprotocol", "heart.v1")
    client.expect("open", subprotocol="heart.v1")
    case.peer.expect("open", subprotocol="heart.v1")


def does_without_a_subprotocol(case):
    client = case.connect("--subprotocol", "other")
    client.expect("open", subprotocol="")
    case.peer.expect("open", subprotocol="")


def sends_headers(case):
    client = case.connect("--header", "X-Interop: yes, indeed")
    client.expect("open")
    case.peer.expect("open", header="yes, indeed")


def is_refused(case):
    client = case.connect(path="/refuse")
    client.expect("close", cause="REJECTED", status=401, final=True)
    client.exits(13)


def trusts_nobody_by_itself(case):
    """The system knows nothing of our authority. What a server says of that is a
    problem of its own."""
    case.peer.may_complain = True
    case.left_out.add("--ca")
    client = case.connect("--no-retry")
    client.expect("close", cause="UNTRUSTED", final=True)
    client.exits(12)


def wants_the_right_name(case):
    case.peer.may_complain = True
    client = case.connect("--no-retry", "--server-name", "elsewhere.example")
    client.expect("close", cause="UNTRUSTED", final=True)
    client.exits(12)


def survives_a_frozen_server(case, options):
    """In doubt, then sure; back when the server is, with the line that was typed
    meanwhile."""
    case.peer.may_complain = True
    client = case.opened("--beat", "500ms", "--answer-within", "1s", "--retry-first", "200ms",
                         *options, path="/echo")
    case.peer.signal(signal.SIGSTOP)
    client.expect("health", health="doubtful")
    # Through a tunnel it is the proxy's kernel that is seen, and not the server's.
    cause = "SILENT" if case.suite.tunnel else "STUCK"
    client.expect("close", SILENT_S, cause=cause, final=False)
    client.feed(line("typed meanwhile"))
    case.peer.signal(signal.SIGCONT)
    client.expect("open")
    case.peer.expect("open")
    client.expect("message", data="typed meanwhile")


def survives_a_restart(case):
    client = case.opened("--retry-first", "200ms", "--retry-max", "500ms", path="/echo")
    case.peer.kill()
    client.expect("close", cause="CUT", code=1006, final=False)
    client.feed(line("typed meanwhile"))
    client.expect("close", cause="UNREACHABLE", final=False)
    case.suite.start_peer()
    client.expect("open")
    case.peer.expect("open")
    client.expect("message", data="typed meanwhile")


def cases():
    """Titles continue "vital connect, to a server of ..."."""
    partial = functools.partial
    for size in SIZES:
        # As JSON it costs a second to read; over each link the mirror has it, too.
        rarely = FEATURES if size == LARGEST else set()
        yield Script(f"sends a line of {size} bytes, and hears it back",
                     partial(sends_and_hears, size=size), only_without=rarely)
        yield Script(f"hears {size} bytes of binary", partial(hears_binary, size=size),
                     only_without=rarely)
    for message in ("text", "binary"):
        for size in SIZES:
            yield Script(f"sends back {size} bytes of {message}",
                         partial(mirrors, kind=message, size=size),
                         only_without=without(message, size))
        yield Script(f"takes {message} in fragments", partial(takes_fragments, kind=message))
    yield Script("answers a ping between fragments", answers_between_fragments)
    for size in (0, 1, 125):
        yield Script(f"answers a ping with its {size} bytes", partial(answers_pings, size=size),
                     needs={"hear empty pongs"} if size == 0 else set())
    yield Script("ignores a pong that answers nothing", ignores_a_pong_that_it_did_not_ask_for)
    yield Script("pings (vital ping)", pings)
    yield Script("pings by text (vital ping)", pings_by_text)
    yield Script("beats by ping, and is answered", beats_by_ping,
                 only_without={"deflate"}, measures=True)
    yield Script("beats by text, and tells its answers from messages", beats_by_text,
                 measures=True)
    for code, reason, status in CLOSES:
        size = len(reason.encode())
        yield Script(f"hears the server close with {code} and {size} bytes of reason",
                     partial(hears_a_close, code=code, reason=reason, status=status))
    yield Script("hears the server close without a code", hears_a_close_without_a_code,
                 needs={"close without a code"})
    yield Script("comes back after a close with 1001", comes_back_after_a_close)
    yield Script("says goodbye at the end of stdin", says_goodbye_at_the_end_of_stdin)
    for number in (signal.SIGINT, signal.SIGTERM):
        yield Script(f"says goodbye after {number.name}",
                     partial(says_goodbye_after_a_signal, number=number))
    for code, reason in OUR_CLOSES:
        yield Script(f"says goodbye with {code} and {len(reason.encode())} bytes of reason",
                     partial(says_goodbye, code=code, reason=reason))
    yield Script("does without permessage-deflate", does_without_deflate,
                 only_without={"deflate"})
    for how, needs in DEFLATES:
        yield Script(f"compresses for a server that accepts it ({how})",
                     partial(compresses, how=how), needs=set(needs), only_with={"deflate"})
    yield Script("saves bytes by compressing", saves_bytes, only_with={"deflate"})
    yield Script("agrees on a subprotocol", agrees_on_a_subprotocol)
    yield Script("does without a subprotocol", does_without_a_subprotocol,
                 needs={"do without a subprotocol"})
    yield Script("sends headers", sends_headers)
    yield Script("is refused with 401", is_refused)
    yield Script("trusts no server that nobody vouches for", trusts_nobody_by_itself,
                 only_with={"tls"})
    yield Script("trusts no server that has another name", wants_the_right_name,
                 only_with={"tls"})
    yield Script("survives a frozen server, beating by ping",
                 partial(survives_a_frozen_server, options=()),
                 only_without={"deflate"}, measures=True)
    yield Script("survives a frozen server, beating by text",
                 partial(survives_a_frozen_server, options=("--beat-text", "heartbeat")),
                 only_without={"deflate"}, measures=True)
    yield Script("survives a server that is killed and started again", survives_a_restart,
                 needs={"be reached directly"})
