"""Instructions for one piece of work, by callgrind; see ./run.

A program does it so many times, and then twice as often: the difference is the work, and
nothing of what it takes to begin. No clock is looked at, so a busy machine counts the same.
"""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from peers import BINARY, PING, PONG, dial

FIGURES = pathlib.Path(__file__).with_name("figures.json")
COUNTED = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
NEAR = 0.05  # of the figure
# A wheel of a million may cost as much as one of a thousand, and little more.
SAME = 1.05
PATIENCE_S = 60


@dataclasses.dataclass(frozen=True)
class Engine:
    """work.c says what it does."""
    title: str
    kind: str
    times: int
    timers: int = 0

    def count(self, times):
        return counted(subprocess.run(
            [*COUNTED, os.environ["WORK"], self.kind, str(times), str(self.timers)],
            capture_output=True, text=True, timeout=PATIENCE_S, check=True).stderr)


@dataclasses.dataclass(frozen=True)
class Server:
    """`vital serve`, of which one client asks, one thing after the other: with all that the
    loop and the calls into the system cost on our side."""
    title: str
    opcode: int
    times: int

    def count(self, times):
        server = subprocess.Popen(
            [*COUNTED, os.environ["VITAL"], "serve", "--json", "--quiet", "--backend", "epoll",
             "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.ask(json.loads(server.stdout.readline())["url"], times)
            server.send_signal(signal.SIGTERM)
            return counted(server.communicate(timeout=PATIENCE_S)[1])
        finally:
            server.kill()
            server.wait()

    def ask(self, url, times):
        client = dial(url)
        answer = PONG if self.opcode == PING else self.opcode
        for _ in range(times):
            client.send(self.opcode, b"x" * (8 if self.opcode == PING else 64))
            client.receive_opcode(answer)
        client.close()


THOUSAND, MILLION = 1_000, 1_000_000
WORK = (
    Engine("an echo of 64 bytes, the engine", "echo", 2000),
    Engine("a ping of the peer's answered, the engine", "answer", 2000),
    Engine("a beat of ours, and its answer, the engine", "beat", 2000),
    Engine("a rest: folded and unfolded", "rest", 2000),
    Server("an echo of 64 bytes, vital serve", BINARY, 500),
    Engine("a timer armed, of a thousand", "arm", 400, THOUSAND),
    Engine("a timer armed, of a million", "arm", 100_000, MILLION),
    Engine("a timer armed anew, of a thousand", "again", 400, THOUSAND),
    Engine("a timer armed anew, of a million", "again", 100_000, MILLION),
    Engine("a timer that comes out, of a thousand", "expire", 400, THOUSAND),
    Engine("a timer that comes out, of a million", "expire", 100_000, MILLION),
    Engine("a turn with nothing due, of a thousand", "tick", 1000, THOUSAND),
    Engine("a turn with nothing due, of a million", "tick", 1000, MILLION),
)


def counted(stderr):
    found = re.search(r"Collected : (\d+)", stderr)
    if not found:
        raise RuntimeError(f"callgrind has not counted: {stderr[-500:]}")
    return int(found[1])


def measure(work):
    return (work.count(2 * work.times) - work.count(work.times)) / work.times


def compiler():
    """By which the instructions are what they are."""
    return subprocess.run(["cc", "--version"], capture_output=True, text=True,
                          check=True).stdout.splitlines()[0]


def checks(figures, kept):
    """Pairs: whether it holds, and what."""
    for title, figure in figures.items():
        if kept is None:
            break
        before = kept.get(title, 0)
        yield (abs(figure - before) <= NEAR * before,
               f"{title}: {figure:,.0f} instructions, committed are {before:,.0f}")
    for one, other in zip(WORK, WORK[1:]):
        if isinstance(other, Engine) and other.timers == MILLION:
            yield (figures[other.title] <= SAME * figures[one.title],
                   f"{other.title}: {figures[other.title]:,.0f}, and "
                   f"{figures[one.title]:,.0f} of a thousand")


def main():
    if not shutil.which("valgrind"):
        print("SKIPPED: instructions are not counted, since there is no valgrind")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        figures = dict(zip((work.title for work in WORK), pool.map(measure, WORK)))
    width = max(map(len, figures))
    for title, figure in figures.items():
        print(f"{title:{width}}  {figure:10,.0f}")
    print(f"instructions each, {time.monotonic() - began:.0f} s")
    if sys.argv[1:] == ["--write"]:
        FIGURES.write_text(json.dumps(
            {"compiler": compiler(),
             "instructions": {title: round(figure) for title, figure in figures.items()}},
            indent=1) + "\n")
    committed = json.loads(FIGURES.read_text())
    kept, skipped = committed["instructions"], 0
    if committed["compiler"] != compiler():
        print(f"SKIPPED: the figures are those of another compiler: {committed['compiler']}")
        kept, skipped = None, 1
    passed = failed = 0
    for holds, what in checks(figures, kept):
        print(("ok " if holds else "not ok ") + what)
        passed, failed = passed + holds, failed + (not holds)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
