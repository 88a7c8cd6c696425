"""A small internet: a client, a NAT that forgets, a server. Each is a network namespace,
the network between them is the kernel's own, and every fault of a path is a command.

    isolation.isolate()
    with World("mine") as world:
        subprocess.run(world.inside("server", "vital", "serve", "--listen", "10.201.2.2:9000"))
        world.fault("drop")
        world.heal()

Several live side by side under different names.

    client  10.201.1.2 ------- 10.201.1.1  nat  10.201.2.1 ------- 10.201.2.2  server
                            near               far

What makes it lose in silence: it picks up no connection in the middle (tcp_loose),
what belongs to none is dropped before it could leave untranslated (invalid), and what
comes for a mapping that is gone is not answered by the NAT's own TCP (strangers).
"""
import subprocess
import time

import crooked
from isolation import within

CLIENT_ADDRESS = "10.201.1.2"
NAT_ADDRESS = "10.201.1.1"
SERVER_ADDRESS = "10.201.2.2"

RULES = """
table ip translation {
    chain outwards {
        type nat hook postrouting priority srcnat
        oifname "far" masquerade
    }
}
table inet path {
    chain faults {
        type filter hook forward priority filter - 10
    }
    chain known {
        type filter hook forward priority filter; policy drop
        ct state invalid drop
        ct state established,related accept
        iifname "near" ct state new accept
    }
    chain strangers {
        type filter hook input priority filter
        iifname "far" drop
    }
}
"""

CABLE = "link add eth0 netns {0}-client type veth peer name near netns {0}-nat"
BEGINNING = """
netns add {0}-client
netns add {0}-nat
netns add {0}-server
link add eth0 netns {0}-server type veth peer name far netns {0}-nat
"""
SETTINGS = {
    "client": f"""
link set lo up
addr add {CLIENT_ADDRESS}/24 dev eth0
link set eth0 up
route add default via {NAT_ADDRESS}
""",
    "nat": f"""
link set lo up
addr add {NAT_ADDRESS}/24 dev near
addr add 10.201.2.1/24 dev far
link set near up
link set far up
""",
    "server": f"""
link set lo up
addr add {SERVER_ADDRESS}/24 dev eth0
link set eth0 up
""",
}
PLACES = tuple(SETTINGS)
CONGESTION = "net/ipv4/tcp_congestion_control"
FORWARDING = {"net/ipv4/ip_forward": 1, "net/netfilter/nf_conntrack_tcp_loose": 0}


class Trouble(Exception):
    """A command that makes the world, or hurts it, has failed."""


def run(*command, told=""):
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def write_settings(settings):
    for name, value in settings.items():
        with open(f"/proc/sys/{name}", "w") as file:
            file.write(f"{value}\n")


class World:
    def __init__(self, name, late_s=None, congestion="reno"):
        """`late_s`: the client's cable is one that delays each packet for as long as that
        function says, so that they overtake each other. `congestion`: of both ends; for
        little data Reno is as good as Linux's usual cubic, and is allowed everywhere."""
        self.name = name
        self.cable = None
        self.busy_s = 0  # with commands, until now
        try:
            run("ip", "-batch", "-", told=(BEGINNING + ("" if late_s else CABLE)).format(name))
            if late_s:
                self.cable = crooked.Cable(late_s, (f"{name}-client", "eth0"),
                                           (f"{name}-nat", "near"))
            for place, lines in SETTINGS.items():
                run("ip", "-n", f"{name}-{place}", "-batch", "-", told=lines)
            self.set("nat", **FORWARDING)
            for place in ("client", "server"):
                self.set(place, **{CONGESTION: congestion})
            run(*self.inside("nat", "nft", "-f", "-"), told=RULES)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.close()

    def close(self):
        """Whatever runs in it goes on, without a network."""
        if self.cable:
            self.cable.close()
        for place in PLACES:
            subprocess.run(("ip", "netns", "del", f"{self.name}-{place}"), check=False,
                           capture_output=True)

    def inside(self, place, *command):
        """The command that runs that one there."""
        return ("nsenter", f"--net=/run/netns/{self.name}-{place}", "--", *command)

    def run(self, place, *command):
        began = time.monotonic()
        try:
            return run(*self.inside(place, *command))
        finally:
            self.busy_s += time.monotonic() - began

    def within(self, place, function, *arguments):
        return within(f"{self.name}-{place}", function, *arguments)

    def set(self, place, **settings):
        """Files of /proc/sys, by what comes after that."""
        self.within(place, write_settings, settings)

    def fault(self, *rule):
        """A rule on what goes through the NAT, in nft's words, until heal()."""
        self.run("nat", "nft", "add", "rule", "inet", "path", "faults", *rule)

    def heal(self):
        self.run("nat", "nft", "flush", "chain", "inet", "path", "faults")

    def forget(self):
        """The NAT has no mapping any more."""
        self.run("nat", "conntrack", "-D", "-p", "tcp")
