"""The peers: how each is built and started, and what its API has no way to do."""
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess

here = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["INTEROP_BUILD"])

BOTH = ("client", "server")
GORILLA = "/usr/share/gocode/src/github.com/gorilla/websocket"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A peer. `cannot` leaves out the cases that need one of these things."""
    name: str
    full_name: str
    command: tuple
    needs: tuple  # programs, and files by their whole path
    builds: str = ""
    roles: tuple = BOTH
    cannot: frozenset = frozenset()

    @property
    def missing(self):
        return [need for need in self.needs
                if not (os.path.exists(need) if need.startswith("/") else shutil.which(need))]


def script(name):
    return str(here / "peers" / name)


KINDS = (
    Kind("ws", "npm ws", ("node", script("ws_peer.js")), needs=("node",)),
    Kind("websockets", "Python websockets",
         ("/usr/bin/python3", "-B", script("websockets_peer.py")),
         needs=("/usr/lib/python3/dist-packages/websockets",),
         cannot=frozenset({"close without a code"})),
    Kind("gorilla", "Go gorilla/websocket", (str(BUILD / "gorilla_peer"),),
         needs=("go", GORILLA), builds="gorilla_peer"),
    Kind("beast", "Boost.Beast", (str(BUILD / "beast_peer"),),
         needs=("g++", "/usr/include/boost/beast.hpp"), builds="beast_peer"),
    Kind("lws", "libwebsockets", (str(BUILD / "lws_peer"),),
         needs=("gcc", "/usr/include/libwebsockets.h"), builds="lws_peer",
         cannot=frozenset({"tell of pings", "hear its close answered", "close without a code",
                           "know 1012", "do without a subprotocol", "hear empty pongs"})),
    Kind("java", "java.net.http", ("java", "-cp", str(BUILD), "JavaPeer"),
         needs=("java", "javac"), builds="JavaPeer.class", roles=("client",),
         cannot=frozenset({"close without a code", "deflate"})),
    Kind("chromium", "Chromium", ("node", script("chromium_peer.js")), needs=("node", "chromium"),
         roles=("client",),
         cannot=frozenset({"ping", "tell of pings", "fragment", "send headers",
                           "close with any code"})),
)


def build(kinds):
    """Compiles what is not compiled yet. Returns whether all went well."""
    targets = [f"{BUILD}/{kind.builds}" for kind in kinds if kind.builds]
    command = ["make", "-C", str(here / "peers"), f"OUT={BUILD}", "--no-print-directory"]
    if not targets or subprocess.run([*command, "-q", *targets], check=False).returncode == 0:
        return True
    print("==> compiling " + ", ".join(kind.full_name for kind in kinds if kind.builds), flush=True)
    with subprocess.Popen([*command, "-s", "-j2", *targets], start_new_session=True) as make:
        try:
            return make.wait() == 0
        except KeyboardInterrupt:
            os.killpg(make.pid, signal.SIGTERM)
            raise
