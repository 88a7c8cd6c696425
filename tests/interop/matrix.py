"""Every peer in every role that it has, every case; see ./run.

A peer is a process for all cases of its role, since some take long to start; it
is replaced after a failure, or when a case may have left it in disorder.
"""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

here = pathlib.Path(__file__).resolve().parent
build = here.parents[1] / "build"
os.environ.setdefault("VITAL", str(build / "vital"))
os.environ.setdefault("MIRROR", str(build / "tests" / "interop_mirror"))

import as_client  # noqa: E402: they want to know the programs
import as_server  # noqa: E402
from case import MIRROR, VITAL, Case, Payloads  # noqa: E402
from children import Failure, Peer  # noqa: E402

SUBPROTOCOL = "heart.v1"  # of every server that is a peer
START_S = 30  # java has to compile its source first


@dataclasses.dataclass
class Kind:
    """A peer, and what its API allows."""
    name: str
    command: list
    roles: tuple
    offers_deflate: bool
    closes_without_a_code: bool


KINDS = [
    Kind("ws", ["node", str(here / "peers" / "ws_peer.js")], ("client", "server"),
         offers_deflate=True, closes_without_a_code=True),
    Kind("websockets", ["/usr/bin/python3", "-B", str(here / "peers" / "websockets_peer.py")],
         ("client", "server"), offers_deflate=True, closes_without_a_code=False),
    Kind("java", ["java", str(here / "peers" / "JavaPeer.java")], ("client",),
         offers_deflate=False, closes_without_a_code=False),
]


def has_jdk():
    """17 or later, and the compiler: a JRE does not run a source."""
    if shutil.which("java") is None:
        return False
    version, modules = (
        subprocess.run(["java", flag], capture_output=True, text=True, timeout=START_S,
                       check=False).stdout
        for flag in ("--version", "--list-modules"))
    major = re.match(r"\S+ (\d+)", version)
    return (major is not None and int(major[1]) >= 17
            and "jdk.compiler@" in modules and "java.net.http@" in modules)


class Suite:
    """The cases of a peer in a role, one after another."""
    printing = threading.Lock()
    interrupted = False  # all of them

    def __init__(self, kind, role, payloads, words):
        module = as_server if role == "client" else as_client
        self.kind = kind
        self.role = role
        self.payloads = payloads
        self.name = f"{'serve' if role == 'client' else 'connect'}, {kind.name} {role}"
        named = [(f"{self.name}: {title}", function) for title, function in module.cases(kind)]
        self.cases = [case for case in named if all(word in case[0] for word in words)]
        self.peer = None
        self.port = 0  # of a server: the same again if it is started again
        self.passed = self.failed = 0
        self.seconds = 0.0

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def start_peer(self):
        self.stop_peer()
        self.peer = Peer(f"{self.kind.name} {self.role}", self.kind.command)
        self.peer.expect("ready", START_S)
        if self.role == "server":
            self.peer.do("listen", port=self.port, subprotocol=SUBPROTOCOL)
            self.port = int(self.peer.expect("listening")["port"])

    def stop_peer(self):
        if self.peer is not None:
            self.peer.kill()
        self.peer = None

    def problem_with(self, function):
        """Plays the case. Returns what was wrong, and what each program told."""
        case = Case(self)
        try:
            if self.peer is None:
                self.start_peer()
            function(case)
            case.finish()
            return ""
        except Failure as failure:
            problem = f"{failure}\n"
        except Exception:  # of the case itself: no reason to lose the others
            problem = traceback.format_exc()
        case.abandon()
        return problem + case.story()

    def run(self):
        start = time.monotonic()
        for name, function in self.cases:
            if self.interrupted:
                break
            began = time.monotonic()
            problem = self.problem_with(function)
            took = time.monotonic() - began
            if problem:
                self.failed += 1
            else:
                self.passed += 1
            with self.printing:
                print(f"{'not ok' if problem else 'ok'} {name} ({took:.2f} s)")
                if problem:
                    print("# " + problem.rstrip().replace("\n", "\n# "))
                sys.stdout.flush()
            if problem or self.peer.may_complain:
                self.stop_peer()
        self.stop_peer()
        self.seconds = time.monotonic() - start


def run_together(suites):
    # Most of a case is waiting, for the other process or for time to pass.
    with concurrent.futures.ThreadPoolExecutor(len(suites)) as pool:
        try:
            for future in [pool.submit(suite.run) for suite in suites]:
                future.result()
        except KeyboardInterrupt:
            Suite.interrupted = True
            raise


def main():
    words = sys.argv[1:]
    for program in (VITAL, MIRROR):
        if not os.access(program, os.X_OK):
            print(f"there is no {program}: make build", file=sys.stderr)
            return 1
    with tempfile.TemporaryDirectory(prefix="vital-interop-") as directory:
        payloads = Payloads(directory)
        suites = [Suite(kind, role, payloads, words) for kind in KINDS for role in kind.roles]
        suites = [suite for suite in suites if suite.cases]
        skipped = [suite for suite in suites if suite.kind.name == "java" and not has_jdk()]
        suites = [suite for suite in suites if suite not in skipped]
        skipped = sum(len(suite.cases) for suite in skipped)
        loudly = f"SKIPPED: no JDK of 17 or later: {skipped} cases of java.net.http.WebSocket"
        if skipped:
            print(loudly, flush=True)
        if suites:
            run_together(suites)

    print()
    for suite in suites:
        print(f"vital {suite.name:<30} {suite.passed:3d} passed {suite.failed:3d} failed "
              f"{suite.seconds:6.1f} s")
    if skipped:
        print(loudly)
    passed = sum(suite.passed for suite in suites)
    failed = sum(suite.failed for suite in suites)
    if passed + failed + skipped == 0:
        print("no case has a name with " + " and ".join(words))
        failed = 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return failed > 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
