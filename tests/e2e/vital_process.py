"""The command as a child process whose lines are waited for, never polled with sleeps.

Every line is stamped when it is read, so a bound on time is checked between the
moment of a fault and the moment at which the command told of it. A deadline is
only for what never comes: it is long, and costs nothing while all is well.
"""
import collections
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VITAL = os.environ.get("VITAL") or str(ROOT / "build" / "vital")
DEADLINE = 30.0
BACKEND = os.environ.get("VITAL_BACKEND")

Line = collections.namedtuple("Line", "at text")


def _on_backend(words):
    """The same command, waiting with $VITAL_BACKEND if that is set."""
    if BACKEND and words and words[0] in ("serve", "connect", "ping", "probe", "bench"):
        return (words[0], "--backend", BACKEND, *words[1:])
    return words


def _heed_hangups():
    """In the child: as if started from a terminal, also where the tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Event(dict):
    """A line of --json, and when it was read."""

    def __init__(self, line):
        super().__init__(json.loads(line.text))
        self.at = line.at


class Lines:
    """What a descriptor says, line by line. Owns the descriptor."""

    def __init__(self, fd):
        self.seen = []
        self.ended = False
        self._next = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(fd,), daemon=True)
        self._thread.start()

    def _read(self, fd):
        rest = b""
        while True:
            try:
                got = os.read(fd, 1 << 16)
            except OSError:  # the other end of a terminal is gone
                got = b""
            now = time.monotonic()
            *whole, rest = (rest + got).split(b"\n")
            if not got and rest:
                whole.append(rest)
            with self._changed:
                self.seen += [Line(now, text.decode(errors="replace")) for text in whole]
                self.ended = not got
                self._changed.notify_all()
            if not got:
                os.close(fd)
                return

    def find(self, wanted, what, within=DEADLINE):
        """The next line for which wanted(line) is not None, and that value of it."""
        until = time.monotonic() + within
        with self._changed:
            while True:
                while self._next < len(self.seen):
                    line = self.seen[self._next]
                    self._next += 1
                    found = wanted(line)
                    if found is not None:
                        return found
                left = until - time.monotonic()
                if self.ended or left <= 0:
                    told = "\n".join(f"  {seen.at:.3f} {seen.text[:300]}"
                                     for seen in self.seen[-40:])
                    why = "the end came" if self.ended else f"{within:.0f} s passed"
                    raise AssertionError(f"{why} without {what}; these lines were seen:\n{told}")
                self._changed.wait(left)

    def count(self):
        with self._changed:
            return len(self.seen)

    def join(self):
        self._thread.join(DEADLINE)
        return "\n".join(line.text for line in self.seen)


class Process:
    """A child. end() must be called; it ends the child however it is."""

    def __init__(self, *words, env=None, terminal=False, stdout=True):
        out_read, out_write = os.pipe()
        err_read, err_write = pty.openpty() if terminal else os.pipe()
        in_read, self._stdin = os.pipe()
        os.set_inheritable(self._stdin, False)
        self.words = words
        self._child = subprocess.Popen(
            [str(word) for word in words], stdin=in_read, stdout=out_write, stderr=err_write,
            env={**os.environ, **(env or {})}, close_fds=True, preexec_fn=_heed_hangups)
        for fd in (in_read, out_write, err_write):
            os.close(fd)
        self.out = None
        if stdout:
            self.out = Lines(out_read)
        else:
            os.close(out_read)
        self.err = Lines(err_read)
        self.pid = self._child.pid

    # ------------------------------------------------------------ what it says

    def line(self, pattern, within=DEADLINE):
        """The next line of stdout that matches."""
        return self._match(self.out, pattern, within)

    def note(self, pattern, within=DEADLINE):
        """The next line of stderr that matches."""
        return self._match(self.err, pattern, within)

    def _match(self, lines, pattern, within):
        def wanted(line):
            return line if re.search(pattern, line.text) else None
        return lines.find(wanted, f"/{pattern}/ from {' '.join(map(str, self.words[1:]))}", within)

    def event(self, name, within=DEADLINE, **fields):
        """The next event of --json with this name and these fields."""
        def wanted(line):
            event = Event(line)
            same = event["event"] == name and all(event.get(k) == v for k, v in fields.items())
            return event if same else None
        return self.out.find(wanted, f"event {name} {fields or ''}", within)

    def events(self, name=None):
        """All events until now. After wait(): all there are."""
        events = [Event(line) for line in list(self.out.seen)]
        return [event for event in events if name in (None, event["event"])]

    # ------------------------------------------------------------ what it is told

    def say(self, *lines):
        self.write("".join(line + "\n" for line in lines).encode())

    def write(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self._stdin, view):]

    @property
    def stdin_fd(self):
        return self._stdin

    def close_stdin(self):
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None

    def signal(self, number):
        """Returns the moment just before the signal was sent."""
        now = time.monotonic()
        os.kill(self.pid, number)
        return now

    # ------------------------------------------------------------ how it ends

    def wait(self, within=DEADLINE):
        """Its exit status, once all that it has said is read."""
        try:
            status = self._child.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{' '.join(map(str, self.words[1:]))} has not ended within {within:.0f} s; "
                f"stderr:\n" + "\n".join(line.text for line in self.err.seen)) from None
        self.err.join()
        if self.out:
            self.out.join()
        return status

    def end(self):
        """Ends it, stopped or not. Returns what a sanitizer had to say."""
        self.close_stdin()
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        said = self.err.join()
        if self.out:
            self.out.join()
        return said if re.search(r"Sanitizer|runtime error:", said) else None


class Run(collections.namedtuple("Run", "status out err")):
    """A command that was run to its end."""

    def events(self, name=None):
        events = [json.loads(line) for line in self.out.splitlines()]
        return [event for event in events if name in (None, event["event"])]


class VitalCase(unittest.TestCase):
    """Ends whatever a test has started, and fails where a sanitizer complained."""

    maxDiff = None

    def start(self, *words, **options):
        process = Process(VITAL, *_on_backend(words), **options)
        self.addCleanup(self._end, process)
        return process

    def _end(self, process):
        complaint = process.end()
        if complaint:
            self.fail(f"a sanitizer found something:\n{complaint}")

    def run_vital(self, *words, stdin=b"", status=None, env=None):
        run = subprocess.run([VITAL, *map(str, _on_backend(words))], input=stdin, capture_output=True,
                             env={**os.environ, **(env or {})}, timeout=DEADLINE, check=False)
        run = Run(run.returncode, *(s.decode(errors="replace") for s in (run.stdout, run.stderr)))
        if status is not None:
            self.assertEqual(run.status, status, f"{words}:\n{run.out}{run.err}")
        return run

    def serve(self, *words):
        """A server with --json on a port of its own. It has .url."""
        if "--listen" not in words:
            words = ("--listen", "127.0.0.1:0", *words)
        server = self.start("serve", "--json", *words)
        server.url = server.event("listening")["url"]
        return server

    def connect(self, url, *words, **options):
        return self.start("connect", *words, url, **options)

    def interrupt(self, process, number=signal.SIGINT):
        process.signal(number)
        return process.wait()
