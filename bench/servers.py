"""Who is measured, and how each is started.

A peer is a program that is called

    PEER PORT MODE MS [CERT KEY]

and listens on 127.0.0.1, for wss:// if it is given a certificate. MODE is `echo`, `all`
(what anybody says, all hear), or `beat` (an echo that pings its clients, every MS
milliseconds of silence or so). Nobody compresses. The floors know only PORT.
"""
import dataclasses
import functools
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tests/scorecard"))
from program import Program, of_debian  # pylint: disable=wrong-import-position

TREE = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
BUILD = TREE / "bench/peers"
NODE_MODULES = ROOT / "tests/interop/node_modules"
BUN = HERE / "node_modules/bun/bin/bun.exe"  # so it is called on every system
VITAL = TREE / "vital"

ALL = frozenset({"echo", "storm", "beats", "idle", "wss", "pings", "all"})


@functools.cache
def has_ring():
    """io_uring is often forbidden, in containers and by administrators."""
    words = [str(VITAL), "serve", "--json", "--backend", "uring", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        listens = server.stdout.readline() != b""
        server.kill()
    return listens


@dataclasses.dataclass(frozen=True)
class Server(Program):
    can: frozenset = ALL
    environment: tuple = ()
    floor: bool = False
    vital: str = ""  # the backend, if it is vital

    @property
    def missing(self):
        by_ring = "uring" in self.name
        return super().missing or (["io_uring"] if by_ring and not has_ring() else [])

    def words(self, port, mode, ms, certificate):
        """The command line; `certificate` is () or (certificate, key)."""
        if self.floor:
            return (*self.command, str(port))
        if self.vital and mode == "all":
            return (str(TREE / "bench/bench_vital_all"), str(port), self.vital)
        if self.vital:
            tls = ("--cert", certificate[0], "--key", certificate[1]) if certificate else ()
            return (*self.command, "--listen", f"127.0.0.1:{port}", "--quiet",
                    "--opens-per-s", "1000000", "--backend", self.vital,
                    "--beat", f"{ms}ms" if mode == "beat" else "never", *tls)
        return (*self.command, str(port), mode, str(ms), *certificate)


def vital(backend):
    return Server(f"vital {backend}", f"`vital serve --backend {backend}`",
                  (str(VITAL), "serve"), (str(VITAL),),
                  ("git", "-C", str(HERE), "describe", "--always", "--abbrev=10", "--exclude=*"),
                  vital=backend)


def floor(name, what, needs=()):
    program = str(TREE / f"bench/bench_floor_{name}")
    return Server(f"{name} floor", what, (program,), (program, *needs), ("uname", "-r"),
                  can=frozenset({"echo", "storm", "beats"}), floor=True)


SERVERS = (
    vital("epoll"),
    vital("uring"),
    Server("lws", "libwebsockets", (str(BUILD / "lws_peer"),),
           ("gcc", "/usr/include/libwebsockets.h"), of_debian("libwebsockets-dev")),
    Server("beast", "Boost.Beast", (str(BUILD / "beast_peer"),),
           ("g++", "/usr/include/boost/beast.hpp"), of_debian("libboost-dev")),
    Server("gorilla", "Go gorilla/websocket", (str(BUILD / "gorilla_peer"),),
           ("go", "/usr/share/gocode/src/github.com/gorilla/websocket"),
           of_debian("golang-github-gorilla-websocket-dev")),
    Server("ws", "npm ws", ("node", str(HERE / "peers/ws_peer.js")), ("node",),
           ("node", "-p", f"require('{NODE_MODULES}/ws/package.json').version + "
                          "' on Node ' + process.versions.node"),
           environment=(("NODE_PATH", str(NODE_MODULES)),)),
    Server("bun", "Bun", (str(BUN), str(HERE / "peers/bun_peer.js")), (str(BUN),),
           (str(BUN), "--version")),
    floor("epoll", "an echo of plain TCP, by epoll"),
    floor("uring", "an echo of plain TCP, by io_uring"),
)


def build():
    """Compiles what is not compiled yet. Returns whether all went well."""
    return subprocess.run(["make", "-s", "-C", str(HERE / "peers"), f"OUT={BUILD}",
                           "--no-print-directory"], check=False).returncode == 0
