"""Cases in which `vital connect` goes through a proxy by CONNECT, and which are about
that; all that a client can do is played through it besides (as_client.py)."""
import functools

from as_client import hears_message, line
from case import Script
from children import check
from proxies import BETWEEN

IDLE_S = 2  # the proxy's patience
BEATS = ("--beat", "500ms")  # before that
CUT_WITHIN_S = 4 * IDLE_S  # it looks from time to time only
RETRIES = ("--retry-first", "200ms", "--retry-max", "500ms")
BASIC = "BasicAuth anna secret"


def goes_through(case, *options, **about):
    """And not past it: then nothing would take any time there."""
    client = case.connect(*options, path="/echo", **about)
    opened = client.expect("open")
    check("that it went through a proxy", opened["proxy_ms"] is not None, True)
    case.peer.expect("open")
    payload = case.sized("text", 65536)
    client.feed(payload.data + b"\n")
    hears_message(client, payload)


def says_who_it_is(case):
    goes_through(case, "--proxy", f"http://anna:secret@{case.between(extra=BASIC).address}")


def is_not_believed(case, userinfo, status):
    proxy = case.between(extra=BASIC)
    client = case.connect("--no-retry", "--proxy", f"http://{userinfo}{proxy.address}")
    client.expect("close", cause="REJECTED", status=status, final=True)
    client.exits(13)


def is_not_let_through(case):
    client = case.connect("--no-retry", "--proxy", case.between(extra="ConnectPort 1").url)
    client.expect("close", cause="REJECTED", status=403, final=True)
    client.exits(13)


def goes_through_in_tls(case):
    goes_through(case, "--proxy", case.between_in_tls().url,
                 "--proxy-ca", case.suite.authority.ca)


def does_not_trust_it(case):
    """The authority is nobody's whom the system knows."""
    client = case.connect("--no-retry", "--proxy", case.between_in_tls().url)
    client.expect("close", cause="UNTRUSTED", final=True)
    client.exits(12)


def is_sent_by_the_environment(case):
    name = "https_proxy" if case.suite.link.secure else "http_proxy"
    case.left_out.add("--proxy")
    goes_through(case, environment={name: case.suite.tunnel.url})


def beats(case):
    proxy = case.between(idle_s=IDLE_S)
    client = case.connect(*BEATS, "--proxy", proxy.url, path="/echo")
    client.expect("open")
    client.stays(2 * IDLE_S)
    client.feed(line("hello"))
    client.expect("message", data="hello")
    check("doubts", client.seen("health"), [])


def is_cut_without_beats(case):
    case.peer.may_complain = True
    proxy = case.between(idle_s=IDLE_S)
    client = case.connect("--beat", "never", "--proxy", proxy.url, *RETRIES)
    client.expect("open")
    client.expect("close", CUT_WITHIN_S, cause="CUT", final=False)
    client.expect("open")


def comes_back_after_the_proxy(case):
    """That is killed, and started again in the same place."""
    case.peer.may_complain = True
    proxy = case.between()
    client = case.connect("--proxy", proxy.url, *RETRIES, path="/echo")
    client.expect("open")
    proxy.kill()
    client.expect("close", cause="CUT", code=1006, final=False)
    client.feed(line("typed meanwhile"))
    client.expect("close", cause="UNREACHABLE", final=False)
    case.between(port=proxy.port)
    client.expect("open")
    client.expect("message", data="typed meanwhile")


def comes_back_after_the_server(case):
    """Which the proxy cannot reach for a time."""
    client = case.opened(*RETRIES, path="/echo")
    case.peer.kill()
    client.expect("close", cause="CUT", code=1006, final=False)
    client.feed(line("typed meanwhile"))
    client.expect("close", cause="REJECTED", status=BETWEEN.without_server, final=False)
    case.suite.start_peer()
    client.expect("open")
    client.expect("message", data="typed meanwhile")


def cases():
    """Titles continue "vital connect, through a proxy ..."."""
    partial = functools.partial
    yield Script("goes through", goes_through)
    yield Script("says who it is", says_who_it_is)
    yield Script("is refused when it does not say who it is",
                 partial(is_not_believed, userinfo="", status=407))
    yield Script("is refused when it is not known",
                 partial(is_not_believed, userinfo="bob:x@", status=401))
    yield Script("is not let through to any port", is_not_let_through)
    yield Script("speaks TLS with the proxy, too", goes_through_in_tls)
    yield Script("speaks TLS with no proxy that it cannot trust", does_not_trust_it)
    yield Script("is sent there by the environment", is_sent_by_the_environment)
    yield Script("beats, which keeps the way open", beats, measures=True)
    yield Script("is cut off when it does not beat", is_cut_without_beats, measures=True)
    yield Script("comes back after the proxy was killed", comes_back_after_the_proxy)
    yield Script("comes back after the server was killed", comes_back_after_the_server)
