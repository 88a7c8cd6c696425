"""Every fault: what it does, what must be seen of it at either end, and how soon.

`client` and `server` are the verdicts that are right; none of them means that there
must be no verdict; None, that this end is not looked at. `within_s` is counted from
the fault; the time that its commands take, which on a busy machine are late, is not. Of a
verdict that is given more time than others, `suspected_s` is when the doubt must name it.
"""
import dataclasses
import signal
import time
import typing

import proxies
from scene import INTERVAL_S
from world import CLIENT_ADDRESS, NAT_ADDRESS

ANSWER_S = 6.5  # that vital adapts to on a path without delay, of which Linux asks 31 times 0.2 s
AT_ONCE_S = 1
NEXT_BEAT_S = INTERVAL_S + 1
EARLY_S = INTERVAL_S + 4
LATE_S = INTERVAL_S + ANSWER_S + 1
STUCK_S = INTERVAL_S + 3 * ANSWER_S + 1  # who is up is given three limits
STRANGER_S = 10  # the answer limit of who has measured no round trip yet
HOLE_S = 2 * INTERVAL_S + 4  # who still hears counts from the last that it has heard
GIVEN_S = 3
SELDOM_S = 8
NGINX, HAPROXY = proxies.BEFORE_A_SERVER

SILENT, STUCK, DEAF, CUT, SLOW = (("SILENT",), ("STUCK",), ("DEAF",), ("CUT",), ("SLOW",))
LEFT = ("CLOSED_BY_PEER 4408",)  # the other end was sooner, and could say so
TOLD = ("CLOSED_BY_PEER 1012",)
NONE = ()
ON_ITS_WAY = "nobody acknowledges it"  # the beat, when its way was taken: then TCP knows no more


def nothing(scene):
    pass


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    do: typing.Callable
    client: typing.Optional[tuple]
    server: typing.Optional[tuple]
    within_s: float = 0
    suspected_s: float = 0
    heal: typing.Callable = nothing  # before it the client need not come back
    lasts_s: float = 0  # of what must not be seen
    says: str = ""  # in the client's sentence: a regular expression
    back_s: float = 10
    retry_s: tuple = (0, 3600)  # the pause that the verdict announces
    serve: tuple = ()
    connect: tuple = ()
    client_beat_s: int = INTERVAL_S  # 0: never
    server_beat_s: int = INTERVAL_S
    congestion: str = "reno"
    proxy: typing.Optional[proxies.Proxy] = None
    idle_s: int = 60
    suspends_s: int = 0
    late_s: typing.Optional[tuple] = None  # each packet, by a time between these
    long: bool = False  # for the full run alone

    @property
    def interval_s(self):
        """Of who beats sooner."""
        return min(filter(None, (self.client_beat_s, self.server_beat_s)), default=INTERVAL_S)


# ------------------------------------------------------------------ paths

def drop(*match):
    def do(scene):
        scene.world.fault(*match, "drop")
    return do


def heal(scene):
    scene.world.heal()


def forget(scene):
    scene.world.forget()


def forget_and_speak(scene):
    scene.world.forget()
    scene.say(3)


def reset(scene):
    """The NAT tells both ends that it knows nothing of them."""
    scene.world.run("nat", "nft", "flush", "chain", "inet", "path", "strangers")
    scene.world.fault("ct", "state", "invalid", "meta", "l4proto", "tcp",
                      "reject", "with", "tcp", "reset")
    scene.world.forget()


def remember_briefly(scene):
    """The NAT forgets what is idle for a little longer than the interval."""
    scene.world.set("nat", **{
        "net/netfilter/nf_conntrack_tcp_timeout_established": INTERVAL_S + 1,
        "net/netfilter/nf_conntrack_tcp_timeout_unacknowledged": INTERVAL_S + 1})


def lose(percent):
    return drop("numgen", "random", "mod", "100", "<", str(percent))


def eat_pings(of_server=False, of_client=False):
    """By the first byte after a TCP header with timestamps."""
    def do(scene):
        if of_server:
            scene.world.fault("iifname", "far", "tcp", "sport", "9000", "@th,256,8", "0x89", "drop")
        if of_client:
            scene.world.fault("iifname", "near", "tcp", "dport", "9000", "@th,256,8", "0x89",
                              "drop")
    return do


def hole_for_large(scene):
    scene.world.fault("meta", "length", ">", "1200", "drop")
    scene.client.feed(b"x" * 100_000 + b"\n")


def change_address(scene):
    world = scene.world
    world.set("client", **{"net/ipv4/conf/all/promote_secondaries": 1})
    world.run("client", "ip", "addr", "add", "10.201.1.3/24", "dev", "eth0")
    world.run("client", "ip", "addr", "del", f"{CLIENT_ADDRESS}/24", "dev", "eth0")


def unplug(scene):
    scene.world.run("client", "ip", "link", "set", "eth0", "down")


def plug(scene):
    scene.world.run("client", "ip", "link", "set", "eth0", "up")
    scene.world.run("client", "ip", "route", "replace", "default", "via", NAT_ADDRESS)


def unreachable(kind):
    def do(scene):
        scene.world.fault("iifname", "near", "reject", "with", "icmp", "type", kind)
        scene.world.fault("iifname", "far", "drop")
    return do


def slow_down(scene):
    for device in ("near", "far"):
        scene.world.run("nat", "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate",
                        "64kbit", "burst", "2k", "latency", "500ms")
    scene.client.feed(b"x" * 20_000 + b"\n")


# ------------------------------------------------------------------ programs

def stop(whom):
    def do(scene):
        getattr(scene, whom).signal(signal.SIGSTOP)
    return do


def go_on(whom):
    def do(scene):
        getattr(scene, whom).signal(signal.SIGCONT)
    return do


def stop_client_for(seconds):
    def do(scene):
        scene.client.signal(signal.SIGSTOP)
        time.sleep(seconds)
        scene.client.signal(signal.SIGCONT)
    return do


def suspend(scene):
    """The whole machine: nothing of it is heard meanwhile."""
    scene.world.fault("drop")
    scene.client.signal(signal.SIGSTOP)
    time.sleep(scene.fault.suspends_s)
    scene.world.heal()
    scene.client.signal(signal.SIGUSR1)
    scene.client.signal(signal.SIGCONT)


def stop_reading(scene):
    """The server stops while much is sent to it."""
    scene.server.signal(signal.SIGSTOP)
    for _ in range(2):
        scene.client.feed(b"x" * 1_000_000 + b"\n")


def kill(whom):
    def do(scene):
        getattr(scene, whom).signal(signal.SIGKILL)
    return do


def kill_unseen(scene):
    """The goodbye of its kernel is lost as well."""
    scene.world.fault("tcp", "flags", "&", "(fin | rst)", "!=", "0", "drop")
    scene.server.signal(signal.SIGKILL)


def end(whom):
    def do(scene):
        getattr(scene, whom).signal(signal.SIGTERM)
    return do


def serve_again(scene):
    scene.await_end(scene.server)
    scene.world.heal()
    scene.serve()


def connect_again(scene):
    scene.connect()
    scene.client.expect("open")


def proxy_again(scene):
    scene.await_end(scene.front)
    scene.put_before()


FAULTS = (
    Fault("the path is gone", drop(), SILENT, SILENT, EARLY_S, heal=heal),
    Fault("the path is gone, under BBR", drop(), SILENT, None, LATE_S, heal=heal,
          server_beat_s=0, congestion="bbr"),
    Fault("idle mapping forgotten", forget, SILENT, SILENT, EARLY_S),
    Fault("mapping forgotten, while we speak", forget_and_speak, SILENT, SILENT, EARLY_S),
    Fault("server pushes into an expired NAT", forget, SILENT, SILENT, EARLY_S + 3,
          client_beat_s=5),
    Fault("NAT answers RST", reset, CUT, CUT, NEXT_BEAT_S, heal=heal),
    Fault("NAT with a short memory, and beats", remember_briefly, NONE, NONE, lasts_s=12),
    Fault("NAT with a short memory, beats too seldom", remember_briefly, SILENT, None,
          2 * SELDOM_S + 4, client_beat_s=SELDOM_S, server_beat_s=0),
    Fault("hole towards the client", drop("iifname", "far"), SILENT, SILENT + DEAF + LEFT,
          HOLE_S, heal=heal),
    Fault("hole towards the server", drop("iifname", "near"), SILENT + DEAF + LEFT, SILENT,
          HOLE_S, heal=heal),
    Fault("loss of 1 %", lose(1), NONE, NONE, lasts_s=20),
    Fault("loss of 10 %", lose(10), NONE, NONE, lasts_s=20),
    Fault("loss of 30 %", lose(30), NONE, NONE, lasts_s=20),
    Fault("ping eater, of the server's", eat_pings(of_server=True), STUCK + LEFT + CUT,
          SILENT + DEAF, 5 + 3 * STRANGER_S + 1, heal=heal,
          client_beat_s=5),
    Fault("ping eater, of the client's", eat_pings(of_client=True), SILENT + DEAF,
          STUCK + LEFT + CUT, 5 + 3 * STRANGER_S + 1, heal=heal, server_beat_s=5),
    Fault("ping eater, and beats by text", eat_pings(True, True), NONE, NONE, lasts_s=15,
          connect=("--beat-text", "heartbeat"), server_beat_s=0),
    Fault("address of the client changes", change_address, SILENT, SILENT, EARLY_S,
          says=f"the address that we spoke from is ours no more|{ON_ITS_WAY}"),
    Fault("hole for packets over 1200 bytes", hole_for_large, DEAF, None,
          INTERVAL_S + STRANGER_S + 1, heal=heal),
    Fault("link of the client down", unplug, SILENT, SILENT, EARLY_S, heal=plug,
          says=f"no way to send it .Network is unreachable.|{ON_ITS_WAY}"),
    Fault("router says: host unreachable", unreachable("host-unreachable"), SILENT, SILENT,
          EARLY_S, heal=heal, says="No route to host"),
    Fault("router says: network unreachable", unreachable("net-unreachable"), SILENT, SILENT,
          EARLY_S, heal=heal, says="Network is unreachable"),
    Fault("slow link, 64 kbit/s", slow_down, NONE, NONE, lasts_s=15),
    Fault("delay and reordering", nothing, NONE, NONE, lasts_s=15, late_s=(0.05, 0.4),
          connect=("--open-within", "5s")),
    Fault("server stopped", stop("server"), STUCK, None, STUCK_S, LATE_S,
          heal=go_on("server"), server_beat_s=0),
    Fault("server stopped, limit of 3 s", stop("server"), STUCK, None,
          INTERVAL_S + GIVEN_S + 1, heal=go_on("server"),
          connect=("--answer-within", f"{GIVEN_S}s")),
    Fault("client stopped", stop("client"), None, STUCK, STUCK_S, LATE_S,
          heal=go_on("client"), client_beat_s=0),
    Fault("client stopped for 8 s", stop_client_for(8), NONE, NONE, lasts_s=12),
    Fault("server killed", kill("server"), CUT, None, AT_ONCE_S, heal=serve_again),
    Fault("server killed, FIN and RST lost", kill_unseen, SILENT, None, EARLY_S,
          heal=serve_again),
    Fault("client killed", kill("client"), None, CUT, AT_ONCE_S, heal=connect_again),
    Fault("server does not read", stop_reading, SLOW, None, STUCK_S, LATE_S,
          heal=go_on("server"), server_beat_s=0),
    Fault("server restarts, 1012", end("server"), TOLD, None, AT_ONCE_S, heal=serve_again,
          serve=("--drain-code", "1012"), retry_s=(5, 30), back_s=45),
    Fault("machine of the client suspended", suspend, SILENT + CUT + LEFT, SILENT, 8 + LATE_S,
          suspends_s=8),
    *(Fault(f"{proxy.name} cuts the idle, beats in time", nothing, NONE, NONE, lasts_s=14,
            proxy=proxy, idle_s=5) for proxy in (NGINX, HAPROXY)),
    *(Fault(f"{proxy.name} cuts the idle, no beats", nothing, CUT, None, 5 + 2, proxy=proxy,
            idle_s=5, client_beat_s=0, server_beat_s=0)
      for proxy in (NGINX, HAPROXY)),
    *(Fault(f"{proxy.name} restarts", kill("front"), CUT, CUT, AT_ONCE_S, heal=proxy_again,
            proxy=proxy) for proxy in (NGINX, HAPROXY)),
    Fault("the path is gone, beats every 25 s", drop(), SILENT, SILENT, 25 + 4, heal=heal,
          client_beat_s=25, server_beat_s=25, long=True),
    Fault("nginx cuts the idle after 60 s", nothing, CUT, None, 60 + 2, proxy=NGINX, idle_s=60,
          client_beat_s=0, server_beat_s=0,
          says="nginx and AWS ALB close idle connections after 60 s", long=True),
)
