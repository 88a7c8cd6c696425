"""Who is measured, in which settings, and by which words each names a fault.

A peer is a program of two roles, with both ends of a connection its own, each watching
the other:

    PEER server ADDRESS PORT INTERVAL_MS
    PEER client ADDRESS PORT INTERVAL_MS FIRST COUNT OVER_MS TALK_MS

A client opens COUNT connections to ws://ADDRESS:PORT/NAME, evenly over OVER_MS, whose
names are the numbers from FIRST on; if TALK_MS is not 0, each says something so often,
and hears it back. Both print lines of key=value&..., percent-encoded, each with `at`, in
microseconds of CLOCK_MONOTONIC: event=ready (a server listens), open (name; at a server
also port, the client's), dead (name, and in text all that the API says of it), and where
there is such a thing doubt (name, cause, as far as it is known) and alive (name).
"""
import dataclasses
import os
import pathlib
import re
import subprocess

from program import Program, of_debian

HERE = pathlib.Path(__file__).resolve().parent
INTEROP = HERE.parent / "interop"
BUILD = pathlib.Path(os.environ.get("SCORECARD_BUILD", HERE.parents[1] / "build/scorecard"))
SUBJECT = os.environ.get("SUBJECT", str(HERE.parents[1] / "build/tests/scorecard_subject"))

INTERVAL_S = 5
GIVEN_ANSWER_S = 10


@dataclasses.dataclass(frozen=True)
class Kind(Program):
    settings: str
    is_vital: bool = False
    environment: tuple = ()


VITAL = Kind(
    "vital", "vital", (SUBJECT,), (SUBJECT,),
    ("git", "-C", str(HERE), "describe", "--always", "--abbrev=10", "--exclude=*"),
    f"`interval_ms` {INTERVAL_S * 1000}, everything else as it is by default (so the answer "
    "limit comes from the round trip: 5 s here)", is_vital=True)
VITAL_GIVEN = dataclasses.replace(
    VITAL, name=f"vital {GIVEN_ANSWER_S} s", full_name=f"vital, answer limit {GIVEN_ANSWER_S} s",
    settings=f"the same with `answer_ms` {GIVEN_ANSWER_S * 1000}, which is libwebsockets' margin",
    environment=(("ANSWER_MS", str(GIVEN_ANSWER_S * 1000)),))
OTHERS = (
    Kind("ws", "npm ws", ("node", str(HERE / "peers/ws_peer.js")), ("node",),
         ("node", "-p", f"require('{INTEROP}/node_modules/ws/package.json').version"),
         f"the README's patterns: the server pings every {INTERVAL_S} s and terminates who has "
         f"not answered the ping before; the client terminates {INTERVAL_S} s + 1 s after the "
         "last ping", environment=(("NODE_PATH", str(INTEROP / "node_modules")),)),
    Kind("websockets", "Python websockets",
         ("/usr/bin/python3", "-B", str(HERE / "peers/websockets_peer.py")),
         ("/usr/lib/python3/dist-packages/websockets",), of_debian("python3-websockets"),
         f"`ping_interval` {INTERVAL_S}, `ping_timeout` 20, its default, at both ends"),
    Kind("lws", "libwebsockets", (str(BUILD / "lws_peer"),),
         ("gcc", "/usr/include/libwebsockets.h"), of_debian("libwebsockets-dev"),
         f"`secs_since_valid_ping` {INTERVAL_S}, `secs_since_valid_hangup` {INTERVAL_S + 10} "
         "(the margin of 10 s is its default's: 300 and 310), at both ends"),
    Kind("gorilla", "Go gorilla/websocket", (str(BUILD / "gorilla_peer"),),
         ("go", "/usr/share/gocode/src/github.com/gorilla/websocket"),
         of_debian("golang-github-gorilla-websocket-dev"),
         f"the chat example's pumps at both ends: `pingPeriod` {INTERVAL_S} s, nine tenths of "
         f"`pongWait` ({INTERVAL_S / 0.9:.2f} s)"),
)

# A verdict names the fault if one of these is among what the API says of it. Where the
# same words come with another fault, they name neither: "timeout" says that nothing was
# heard, which is the truth of a silent path, and not that the program was at fault.
NAMED_BY = {
    "path": r"\bSILENT\b|time(d )?-?out",
    "towards": r"\bDEAF\b|no answer to the heartbeat",
    "from": r"\bSILENT\b|time(d )?-?out",
    "unreachable": r"no route|unreach",
    "frozen": r"\bSTUCK\b",
    "reset": r"reset",
    "end": r"1006|EOF|without a close frame",
}


def names_fault(fault, text):
    return re.search(NAMED_BY[fault], text, re.IGNORECASE) is not None


def build():
    """Compiles what is not compiled yet. Returns whether all went well."""
    return subprocess.run(["make", "-s", "-C", str(HERE / "peers"), f"OUT={BUILD}",
                           "--no-print-directory"], check=False).returncode == 0
