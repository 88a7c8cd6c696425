"""Three network namespaces of our own: clients, a router, servers.

    client 10.203.1.2 -- 10.203.1.1 router 10.203.2.1 -- 10.203.2.2 server

Faults are sets of nftables in the router, by the ports of a connection, so that any
number of connections suffer each its own at its own time. A relay in user space would
acknowledge for the peer's kernel, and there would be nothing to detect.
"""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SERVER = "10.203.2.2"
PREFIX = "vital-scorecard-"
LOSS_PERCENT = 10
# Of IPv4 with TCP's time stamps, which is what all peers here send: the first byte of
# a frame that begins a packet.
FIRST_BYTE = "@th,256,8"
PING, PONG = "0x89", "0x8a"

# What drops or refuses, by (client's port, server's port).
SETS = ("both", "from_client", "from_server", "unreachable")
RULES = f"""
table inet score {{
    {chr(10).join(f"set {name} {{ type inet_service . inet_service; }}" for name in SETS)}
    set lossy {{ type inet_service; }}
    set held_1 {{ type inet_service; }}
    set held_2 {{ type inet_service; }}
    chain faults {{
        type filter hook forward priority 0; policy accept;
        tcp sport . tcp dport @both counter drop
        tcp dport . tcp sport @both counter drop
        tcp sport . tcp dport @from_client counter drop
        tcp dport . tcp sport @from_server counter drop
        tcp sport . tcp dport @unreachable reject with icmp type host-unreachable
        tcp dport . tcp sport @unreachable reject with icmp type host-unreachable
        tcp dport @lossy numgen random mod 100 < {LOSS_PERCENT} counter drop
        tcp sport @lossy numgen random mod 100 < {LOSS_PERCENT} counter drop
    }}
    chain held {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "tun*" accept
        tcp dport @held_1 meta mark set 1
        tcp sport @held_1 meta mark set 1
        tcp dport @held_2 meta mark set 2
        tcp sport @held_2 meta mark set 2
    }}
    chain counted {{ type filter hook forward priority -10; policy accept; }}
}}
"""


def run(*command, given=None, check=True):
    done = subprocess.run(command, input=given, text=True, capture_output=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class World:
    """With it the namespaces exist, and no longer."""

    def __init__(self, congestion):
        self.congestion = congestion
        self.client, self.router, self.server = (
            f"{PREFIX}{os.getpid()}-{side}" for side in ("client", "router", "server"))
        self.holders = []

    def __enter__(self):
        remove_leftovers()
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def build(self):
        for space in (self.client, self.router, self.server):
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        for number, space in enumerate((self.client, self.server), 1):
            here, there = f"side{number}", f"10.203.{number}"
            run("ip", "link", "add", here, "netns", self.router, "type", "veth",
                "peer", "name", "way", "netns", space)
            run("ip", "-n", space, "addr", "add", f"{there}.2/24", "dev", "way")
            run("ip", "-n", self.router, "addr", "add", f"{there}.1/24", "dev", here)
            run("ip", "-n", space, "link", "set", "way", "up")
            run("ip", "-n", self.router, "link", "set", here, "up")
            run("ip", "-n", space, "route", "add", "default", "via", f"{there}.1",
                "congctl", self.congestion)
        # Thousands of connections come at once, and are no attack.
        run(*self.inside(self.server), "sysctl", "-qw", "net.core.somaxconn=8192",
            "net.ipv4.tcp_max_syn_backlog=8192")
        run(*self.inside(self.client), "sysctl", "-qw",
            "net.ipv4.ip_local_port_range=20000 60999")
        run(*self.inside(self.router), "sysctl", "-qw", "net.ipv4.ip_forward=1",
            "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
            # An answer to each that is refused, not to one a second.
            "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000")
        self.nft(RULES)

    def remove(self):
        for holder in self.holders:
            holder.kill()
            holder.wait()
        for space in (self.client, self.router, self.server):
            run("ip", "netns", "del", space, check=False)

    def inside(self, space):
        return ("ip", "netns", "exec", space)

    def nft(self, rules):
        run(*self.inside(self.router), "nft", "-f", "-", given=rules)

    def strike(self, pairs):
        """{name of the set: connections, given by (client's port, server's port)}: the faults
        are upon them, all at once."""
        self.nft("".join(
            f"add element inet score {name} "
            f"{{ {', '.join(f'{ours} . {theirs}' for ours, theirs in those)} }}\n"
            for name, those in pairs.items()))

    def afflict(self, name, ports):
        """All connections of these servers."""
        self.nft(f"add element inet score {name} {{ {', '.join(map(str, ports))} }}\n")

    def reset(self, space, pairs):
        """Ends these sockets of one side; the other is sent a reset."""
        mine, other = ("sport", "dport") if space == self.client else ("dport", "sport")
        wanted = " or ".join(f"( {mine} = :{ours} and {other} = :{theirs} )"
                             for ours, theirs in pairs)
        run(*self.inside(space), "ss", "-Knt", wanted)

    def hold(self, number, period_s, hold_s):
        """From now on, for the servers in the set held_<number>: each period, what is sent
        within the first hold_s of it comes at the end of those, in its order."""
        tun = f"tun{number}"
        holder = subprocess.Popen([*self.inside(self.router), sys.executable, "-B",
                                   str(HERE / "holder.py"), tun, str(period_s), str(hold_s)],
                                  stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.holders.append(holder)
        if holder.stdout.readline() != "ready\n":
            raise RuntimeError("holder.py has not begun")
        run("ip", "-n", self.router, "link", "set", tun, "up")
        run("ip", "-n", self.router, "rule", "add", "fwmark", str(number), "table", str(number))
        run("ip", "-n", self.router, "route", "add", "default", "dev", tun, "table", str(number))

    def count(self, port):
        """Counts what passes to and from that server from now on."""
        rules = ""
        for way, match in (("there", "dport"), ("back", "sport")):
            for what, also in (("bytes", ""), ("ping", f"{FIRST_BYTE} {PING}"),
                               ("pong", f"{FIRST_BYTE} {PONG}")):
                counter = f"{what}_{way}_{port}"
                rules += f"add counter inet score {counter}\n"
                rules += f"add rule inet score counted tcp {match} {port} {also} " \
                         f"counter name {counter}\n"
        self.nft(rules)

    def counted(self, ports):
        """{port: {"bytes": ..., "ping": ..., "pong": ...}}, both ways together."""
        found = {port: dict.fromkeys(("bytes", "ping", "pong"), 0) for port in ports}
        told = json.loads(run(*self.inside(self.router), "nft", "-j", "list", "counters"))
        for item in told["nftables"]:
            if "counter" in item and item["counter"].get("name", "").count("_") == 2:
                what, _, port = item["counter"]["name"].split("_")
                if int(port) in found:
                    unit = "bytes" if what == "bytes" else "packets"
                    found[int(port)][what] += item["counter"][unit]
        return found


def remove_leftovers():
    """Of a run that was killed outright."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        owner = name.removeprefix(PREFIX).split("-")[0]
        if name.startswith(PREFIX) and not os.path.exists(f"/proc/{owner}"):
            run("ip", "netns", "del", name, check=False)
