"""The peers: how each is built and started, and what it has no way to do."""
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess

here = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["INTEROP_BUILD"])

BOTH = ("client", "server")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A peer. `cannot` leaves out the cases that need one of these things; each set
    holds for the roles and the links that have all words of its key."""
    name: str
    full_name: str
    command: tuple
    needs: tuple  # programs, and files by their whole path
    builds: str = ""
    roles: tuple = BOTH
    is_browser: bool = False
    cannot: dict = dataclasses.field(default_factory=dict, hash=False)

    @property
    def missing(self):
        return [need for need in self.needs
                if not (os.path.exists(need) if need.startswith("/") else shutil.which(need))]


    def cannot_do(self, role, link):
        cannot = set() if self.is_browser else {"be a page"}
        return cannot | {what for words, things in self.cannot.items() for what in things
                if {role, *link.carries}.issuperset(words.split())}


def script(name):
    return str(here / "peers" / name)


KINDS = (
    Kind("ws", "npm ws", ("node", script("ws_peer.js")), needs=("node",)),
    Kind("websockets", "Python websockets",
         ("/usr/bin/python3", "-B", script("websockets_peer.py")),
         needs=("/usr/lib/python3/dist-packages/websockets",),
         cannot={"": {"close without a code"}}),
    Kind("gorilla", "Go gorilla/websocket", (str(BUILD / "gorilla_peer"),),
         needs=("go", "/usr/share/gocode/src/github.com/gorilla/websocket"),
         builds="gorilla_peer",
         cannot={"": {"keep context", "narrow windows"}}),
    Kind("beast", "Boost.Beast", (str(BUILD / "beast_peer"),),
         needs=("g++", "/usr/include/boost/beast.hpp"), builds="beast_peer"),
    # The limits of compression are faults of Debian's 4.1: its client reads again and
    # again what comes uncompressed, an empty fragment makes it forget that the next
    # one continues, and its server agrees to a smaller window without saying so.
    Kind("lws", "libwebsockets", (str(BUILD / "lws_peer"),),
         needs=("gcc", "/usr/include/libwebsockets.h"), builds="lws_peer",
         cannot={"": {"tell of pings", "hear its close answered", "close without a code",
                      "know 1012"},
                 "server": {"do without a subprotocol", "hear empty pongs"},
                 "deflate": {"send empty fragments"},
                 "client deflate": {"take what is not compressed", "ping"},
                 "server deflate": {"narrow windows"}}),
    Kind("java", "java.net.http", ("java", "-cp", str(BUILD), "JavaPeer"),
         needs=("java", "javac"), builds="JavaPeer.class", roles=("client",),
         cannot={"": {"close without a code", "deflate"}}),
    Kind("chromium", "Chromium", ("node", script("chromium_peer.js")),
         needs=("node", "chromium", "certutil"), roles=("client",), is_browser=True,
         cannot={"": {"ping", "tell of pings", "fragment", "send headers",
                      "close with any code"}}),
)
OF_PROXIES = KINDS[0]  # whom vital talks to through one


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
