"""`vital probe` from outside: what it makes of servers and paths that bear silence, and do not.

The peers here measure the silence themselves, so that a test means the same however
late the command is.
"""
import signal
import threading
import time

from peers import CLOSE, PING, PONG, ClosedPort, Listener, close_payload
from vital_process import VitalCase


class Path:
    """A server, or what stands before one, with its own idea of silence. close() it."""

    def __init__(self, serve):
        self._listener = Listener()
        self._serve = serve
        self.url = self._listener.url
        self.served = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                peer = self._listener.websocket()
            except (OSError, AssertionError):
                return  # nobody comes any more
            self.served += 1
            try:
                self._serve(peer)
            except (OSError, AssertionError):
                pass  # the command has ended it
            peer.close()

    def close(self):
        self._listener.sock.shutdown(2)
        self._thread.join()
        self._listener.close()


def ends_after(silence):
    """As a reverse proxy does."""
    def serve(peer):
        try:
            peer.receive(within=silence)
        except AssertionError:
            peer.send(CLOSE, close_payload(1001, "idle"))
            peer.ended()
    return serve


def forgets_after(silence):
    """As a NAT does: what comes later goes nowhere."""
    def serve(peer):
        last = time.monotonic()
        for got in iter(peer.receive, None):
            forgotten, last = got.at - last > silence, got.at
            if forgotten:
                peer.ended()
                return
            if got.opcode == PING:
                peer.send(PONG, got.payload)
            elif got.opcode == CLOSE:
                peer.send(CLOSE, got.payload)
                return
    return serve


class Probe(VitalCase):
    def path(self, serve):
        path = Path(serve)
        self.addCleanup(path.close)
        return path

    def probe(self, url, *words, status=0):
        return self.run_vital("probe", *words, url, status=status)

    def result(self, run):
        (result,) = run.events("result")
        return result

    def test_a_path_without_a_limit_is_found_with_one_connection(self):
        run = self.probe(self.serve("--beat", "never").url, "--json", "--max", "300ms")
        (trial,) = run.events("trial")
        self.assertEqual((trial["number"], trial["silence_ms"], trial["outcome"]),
                         (1, 300, "alive"))
        self.assertEqual(self.result(run), {
            "event": "result", "complete": True, "limit_ms": None, "borne_ms": 300,
            "fatal_ms": None, "ended_ms": None, "spoke_ms": None, "interval_ms": 5000})

    def test_in_words(self):
        url = self.serve("--beat", "never").url
        run = self.probe(url, "--max", "100ms")
        lines = run.out.splitlines()
        self.assertRegex(lines[0], r"^1: silent for 100 ms: alive, it has answered after .* ms$")
        self.assertEqual(lines[1], f"--- {url} ---")
        self.assertEqual(lines[2], "no limit was found: a silence of 100 ms is borne")
        self.assertRegex(lines[3], r"^recommended: --beat 5s \(the shortest: ")
        self.assertIn(f"PROBE {url} (127.0.0.1:", run.err)
        quiet = self.probe(url, "--max", "100ms", "--quiet")
        self.assertEqual(quiet.out.splitlines(), lines[1:])
        self.assertEqual(quiet.err, "")

    def test_who_ends_silent_connections_is_found_twice(self):
        path = self.path(ends_after(0.4))
        run = self.probe(path.url, "--json", "--max", "20s")
        self.assertEqual([trial["outcome"] for trial in run.events("trial")], ["ended", "ended"])
        self.assertIn('1001 going away, "idle"', run.events("trial")[0]["text"])
        result = self.result(run)
        self.assertTrue(result["complete"])
        self.assertGreaterEqual(result["limit_ms"], 390)
        self.assertEqual(result["limit_ms"], result["ended_ms"])
        self.assertIsNone(result["fatal_ms"])
        self.assertEqual(path.served, 2)

    def test_quick_believes_what_it_has_seen_once(self):
        path = self.path(ends_after(0.2))
        run = self.probe(path.url, "--quick")
        self.assertRegex(run.out, r"idle limit: silent connections are ended after [\w. ]+; "
                                  r"this was seen once\n")
        self.assertEqual(path.served, 1)

    def test_a_path_that_forgets_is_found_by_halving(self):
        run = self.probe(self.path(forgets_after(0.5)).url, "--json", "--max", "2s",
                         "--timeout", "300ms")
        outcomes = [trial["outcome"] for trial in run.events("trial")]
        self.assertEqual(set(outcomes), {"alive", "dead"})
        self.assertEqual(outcomes[0], "dead")
        result = self.result(run)
        self.assertLessEqual(result["borne_ms"], 500)
        self.assertLess(result["borne_ms"], result["fatal_ms"])
        self.assertLessEqual(result["fatal_ms"] - result["borne_ms"], 250)
        self.assertEqual(result["limit_ms"], result["fatal_ms"])
        self.assertEqual(result["interval_ms"], 5000)

    def test_a_server_that_speaks_is_not_waited_for_in_vain(self):
        run = self.probe(self.serve("--beat", "100ms").url, "--json")
        (trial,) = run.events("trial")
        self.assertEqual(trial["outcome"], "spoke")
        result = self.result(run)
        self.assertTrue(result["complete"])
        self.assertEqual(result["spoke_ms"], trial["silence_ms"])
        self.assertLess(result["spoke_ms"], 600000)

    def test_an_interrupt_tells_what_is_known(self):
        run = self.start("probe", self.serve("--beat", "never").url)
        run.note("connection 1 is to be silent for 10 min 0 s")
        run.signal(signal.SIGINT)
        run.line("^--- ws://")
        run.line("^interrupted: connection 1 has been silent for ")
        self.assertEqual(run.wait(), 1)

    def test_a_terminal_shows_the_silence_as_it_passes(self):
        run = self.start("probe", self.serve("--beat", "never").url, "--max", "100ms",
                         terminal=True)
        run.note("silent for .* of 100 ms ")
        run.line("^no limit was found")
        self.assertEqual(run.wait(), 0)

    def test_a_server_that_is_not_there_is_told(self):
        port = ClosedPort()
        self.addCleanup(port.close)
        run = self.probe(port.url, status=2)
        self.assertIn("vital probe: UNREACHABLE: ", run.err)
        self.assertEqual(run.out, "")

    def test_a_server_that_goes_away_ends_it_with_what_is_known(self):
        listener = Listener()
        self.addCleanup(listener.close)
        run = self.start("probe", "--json", "--max", "200ms", "--timeout", "200ms", listener.url)
        peer = listener.websocket()
        listener.sock.close()
        peer.ended()
        peer.close()
        result = run.event("result")
        self.assertEqual((result["complete"], result["fatal_ms"]), (False, 200))
        self.assertEqual(run.wait(), 2)


if __name__ == "__main__":
    import unittest

    unittest.main()
