"""Every peer in every role that it has, over every link, every case; see ./run.

A peer is a process for all cases of a suite, since some take long to start; it is
replaced after a failure, or when a case may have left it in disorder. First all
that does not measure time is played, as much at once as keeps the machine busy;
then, with little else going on, what does.
"""
import concurrent.futures
import os
import signal
import sys
import tempfile
import threading
import time
import traceback

import as_client
import as_server
import kinds
import through_proxy
import through_tunnel
from case import MIRROR, VITAL, Case, Payloads
from children import Child, Failure, Peer
from links import LINKS, Authority
from proxies import BEFORE_A_SERVER, BETWEEN

SUBPROTOCOL = "heart.v1"  # of every server that is a peer
PROXIES_OF_OTHERS = {f(f"{word}_proxy") for f in (str.lower, str.upper)
                     for word in ("http", "https", "all", "no")}
START_S = 60  # of a virtual machine or a browser, while all others start, too
AT_ONCE = 2 * os.cpu_count() + 1  # a case waits for another process most of the time


class Suite:
    """The cases of a peer in a role over a link, one after another."""
    printing = threading.Lock()

    def __init__(self, kind, role, link, proxy=None):
        self.kind = kind
        self.role = role
        self.link = link
        self.proxy = proxy
        self.is_behind_proxy = proxy in BEFORE_A_SERVER  # vital is, and the peer is its client
        self.cannot = kind.cannot_do(role, link)
        if self.is_behind_proxy:
            self.row = f"{proxy.name}, before a server"
            self.name = f"serve, behind {proxy.name}, {link.name}"
            scripts = through_proxy.cases(proxy)
        elif proxy:
            self.row = f"{proxy.name}, by CONNECT"
            self.name = f"connect, through {proxy.name}, {link.name}"
            self.cannot |= {"be reached directly"}
            scripts = (*as_client.cases(), *through_tunnel.cases())
        else:
            self.row = f"{kind.full_name} {role}"
            self.name = (f"{'serve' if role == 'client' else 'connect'}, {kind.name} {role}, "
                         f"{link.name}")
            scripts = as_server.cases() if role == "client" else as_client.cases()
        self.missing = (*kind.missing, *(proxy.missing if proxy else ()))
        self.scripts = [script for script in scripts if script.suits(self.cannot, link)]
        self.payloads = self.authority = None  # there are none before the run
        self.peer = None
        self.tunnel = None  # the proxy that vital has to go through
        self.port = None  # of a server: the same again if it is started again
        self.passed = self.failed = 0
        self.seconds = 0.0

    def select(self, words):
        """Leaves the cases that have every word in their name."""
        self.scripts = [script for script in self.scripts
                        if all(word in f"{self.name}: {script.title}" for word in words)]

    @property
    def url(self):
        return f"{'wss' if self.link.secure else 'ws'}://127.0.0.1:{self.port.number}"

    def start_peer(self, deflate="takeover"):
        """A server accepts compression, whether vital will offer it or not."""
        self.stop_peer()
        self.peer = Peer(f"{self.kind.name} {self.role}", self.kind.command)
        self.peer.expect("ready", START_S)
        if self.role == "server":
            secure = ({"cert": self.authority.cert, "key": self.authority.key}
                      if self.link.secure else {})
            self.peer.do("listen", port=self.port.number, subprotocol=SUBPROTOCOL,
                         deflate=deflate, **secure)
            self.peer.expect("listening")

    def stop_peer(self):
        if self.peer is not None:
            self.peer.kill()
        self.peer = None

    def problem_with(self, script):
        """Plays the case. Returns what was wrong, and what each program told."""
        case = Case(self)
        try:
            if self.peer is None:
                self.start_peer()
            script.play(case)
            case.finish()
            return ""
        except Failure as failure:
            problem = f"{failure}\n"
        except Exception:  # of the case itself: no reason to lose the others
            problem = traceback.format_exc()
        case.abandon()
        return problem + case.story()

    def report(self, script, problem, took):
        with self.printing:
            print(f"{'not ok' if problem else 'ok'} {self.name}: {script.title} ({took:.2f} s)")
            if problem:
                print("# " + problem.rstrip().replace("\n", "\n# "))
            sys.stdout.flush()

    def run(self, measuring):
        start = time.monotonic()
        case = Case(self)  # around all the others
        self.port = case.hold_port()
        if self.proxy and not self.is_behind_proxy:
            self.tunnel = case.between()
        self.play(measuring)
        case.abandon()
        self.seconds += time.monotonic() - start

    def play(self, measuring):
        for script in self.scripts:
            if script.measures != measuring or Child.none_may_start:
                continue
            began = time.monotonic()
            problem = self.problem_with(script)
            if Child.none_may_start:
                break
            if problem:
                self.failed += 1
            else:
                self.passed += 1
            self.report(script, problem, time.monotonic() - began)
            if problem or self.peer.may_complain:
                self.stop_peer()
        self.stop_peer()


def run_together(suites, measuring):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for future in [pool.submit(suite.run, measuring) for suite in suites]:
                future.result()
        except KeyboardInterrupt:
            Child.end_all()
            raise


def select(words):
    """The suites to run, and those that this machine cannot have."""
    suites = [Suite(kind, role, link) for kind in kinds.KINDS for role in kind.roles
              for link in LINKS if not link.carries & kind.cannot_do(role, link)]
    suites += [Suite(kinds.OF_PROXIES, "client", link, proxy) for proxy in BEFORE_A_SERVER
               for link in LINKS]
    suites += [Suite(kinds.OF_PROXIES, "server", link, BETWEEN) for link in LINKS
               if not link.compressed]  # it sees neither
    for suite in suites:
        suite.select(words)
    suites = [suite for suite in suites if suite.scripts]
    return ([suite for suite in suites if not suite.missing],
            [suite for suite in suites if suite.missing])


def cell(suite):
    if suite is None:
        return "-"
    if suite.failed:
        return f"{suite.failed} FAILED"
    return f"{suite.passed} ok"


def print_table(suites):
    """A row for each peer and role, a column for each link."""
    print(f"\n{'vital talks to':<32}" + "".join(f"{link.name:>14}" for link in LINKS))
    for row in dict.fromkeys(suite.row for suite in suites):
        found = {suite.link: suite for suite in suites if suite.row == row}
        print(f"{row:<32}" + "".join(f"{cell(found.get(link)):>14}" for link in LINKS))


def report(suites, skipped):
    print_table(suites)
    for suite in skipped:
        print(f"SKIPPED: vital {suite.name}, {len(suite.scripts)} cases: there is no "
              + " and no ".join(suite.missing))
    passed = sum(suite.passed for suite in suites)
    failed = sum(suite.failed for suite in suites)
    left_out = sum(len(suite.scripts) for suite in skipped)
    if passed + failed + left_out == 0:
        print("no case has a name with " + " and ".join(sys.argv[1:]))
        failed = 1
    print(f"{passed} passed, {failed} failed" + (f", {left_out} skipped" if left_out else ""))
    return failed > 0


def main():
    for program in (VITAL, MIRROR):
        if not os.access(program, os.X_OK):
            print(f"there is no {program}: make build", file=sys.stderr)
            return 1
    suites, skipped = select(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="vital-interop-",
                                     ignore_cleanup_errors=True) as directory:
        payloads, authority = Payloads(directory), Authority(directory)
        for suite in suites:
            suite.payloads, suite.authority = payloads, authority
        for name in PROXIES_OF_OTHERS:
            os.environ.pop(name, None)
        os.environ.update(TMPDIR=directory, INTEROP_CA=authority.ca)  # of the children
        if not kinds.build({suite.kind for suite in suites}):
            return 1
        run_together(suites, measuring=False)
        run_together(suites, measuring=True)
    return report(suites, skipped)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
