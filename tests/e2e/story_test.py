"""The story: a connection that beats, is lost in every way, says why and comes back.

`make demo` tells the same in words; here it is asserted, through --json.
"""
import signal

from peers import ClosedPort, HttpServer, Tap, free_port
from vital_process import VitalCase

BEAT = 1.0
ANSWER = 2.0
SLACK = 0.5  # what the promise leaves to the machine
CLIENT = ("--json", "--beat", "1s", "--beat-text", "heartbeat", "--answer-within", "2s",
          "--open-within", "3s", "--retry-first", "200ms", "--retry-min", "100ms",
          "--retry-max", "3s")


class Story(VitalCase):
    def tap(self, server):
        tap = Tap(server.url)
        self.addCleanup(tap.close)
        return tap

    def returns_echo(self, client, *lines):
        for line in lines:
            client.event("message", data=line)

    def test_beats_flow_and_are_told_apart_from_messages(self):
        tap = self.tap(self.serve())
        client = self.connect(tap.url, *CLIENT)
        client.event("open")
        wire, = tap.connections
        tap.until(lambda: len(wire.beats(wire.to_client)) >= 3, "three answered beats")
        client.say("hello")
        self.returns_echo(client, "hello")

        sent = wire.beats(wire.to_server)
        for earlier, later in zip(sent, sent[1:]):
            self.assertGreater(later - earlier, 0.7 * BEAT)
        self.assertLessEqual(len(wire.beats(wire.to_client)), len(wire.beats(wire.to_server)))
        self.assertEqual([e["data"] for e in client.events("message")], ["hello"])
        self.assertEqual(client.events("close"), [])

    def test_a_stopped_server_is_doubted_given_up_and_rejoined(self):
        server = self.serve()
        tap = self.tap(server)
        client = self.connect(tap.url, *CLIENT)
        client.event("open")
        old = tap.connections[0]
        tap.until(lambda: old.beats(old.to_client), "an answered beat")

        fault = server.signal(signal.SIGSTOP)
        doubt = client.event("health", health="doubtful")
        lost = client.event("close")
        self.assertLess(doubt.at, lost.at)
        self.assertLess(lost.at - fault, BEAT + ANSWER + SLACK)
        self.assertEqual((lost["cause"], lost["code"], lost["final"]), ("STUCK", 1006, False))
        self.assertRegex(lost["text"],
                         r"^No answer to our heartbeat message for 2(\.\d)? s\. The peer's kernel")
        self.assertLessEqual(lost["retry_ms"], 200)

        # The kernel of the stopped server still takes the call; nobody answers it.
        client.say("typed while away", "and this")
        vain = client.event("close")
        self.assertEqual((vain["cause"], vain["open_ms"], vain["unsent"]), ("UNREACHABLE", None, 2))
        self.assertIn("did not answer the upgrade", vain["text"])
        self.assertTrue(100 <= vain["retry_ms"] <= max(100, 3 * (lost["retry_ms"] + 1)), vain)
        tap.until(lambda: len(tap.connections) > 2, "the second retry")
        server.signal(signal.SIGCONT)
        client.event("open")
        self.returns_echo(client, "typed while away", "and this")
        self.assertEqual(len(tap.connections), 3)

        # One connection, one timer: of the old ones nothing is left.
        new = tap.connections[2]
        tap.until(lambda: len(new.beats(new.to_server)) >= 4, "four beats after the return")
        beats = new.beats(new.to_server)
        for earlier, later in zip(beats, beats[1:]):
            self.assertGreater(later - earlier, 0.7 * BEAT, beats)
        self.assertFalse([at for at in old.beats(old.to_server) if at > lost.at])
        self.assertEqual(len(client.events("close")), 2)

    def test_a_killed_server_is_cut_at_once_and_retried_with_growing_pauses(self):
        address = f"127.0.0.1:{free_port()}"
        server = self.serve("--listen", address)
        client = self.connect(server.url, *CLIENT)
        client.event("open")
        client.say("before")
        self.returns_echo(client, "before")

        fault = server.signal(signal.SIGKILL)
        lost = client.event("close")
        self.assertEqual((lost["cause"], lost["code"], lost["final"]), ("CUT", 1006, False))
        self.assertLess(lost.at - fault, SLACK)

        client.say("typed while down")
        pauses, gaps, before = [lost["retry_ms"]], [], lost
        while len(pauses) < 5 or pauses[-1] < 3 * pauses[0] or pauses[-1] < 500:
            self.assertLess(len(pauses), 60, f"they do not grow: {pauses}")
            refused = client.event("close")
            self.assertEqual(refused["cause"], "UNREACHABLE", refused)
            self.assertRegex(refused["text"], "[Rr]efused")
            pauses.append(refused["retry_ms"])
            gaps.append((refused.at - before.at) * 1000)
            before = refused
        # What is told is what is done; and each is drawn from the window that the
        # one before it opens.
        for told, done in zip(pauses, gaps):
            self.assertGreater(done, told - 50, pauses)
            self.assertLess(done, told + 500, pauses)
        self.assertLessEqual(pauses[0], 200)
        ends = [min(3000, max(100, 3 * (last + 1))) for last in pauses]
        for end, pause in zip(ends, pauses[1:]):
            self.assertTrue(100 <= pause <= end, pauses)
        self.assertTrue(any(pause < 0.95 * end for end, pause in zip(ends, pauses[1:])),
                        f"without jitter: {pauses}")

        again = self.serve("--listen", address)
        client.event("open")
        self.returns_echo(client, "typed while down")
        client.close_stdin()
        self.assertEqual(client.wait(), 0)
        again.event("close", cause="CLOSED_BY_PEER", code=1000)

    def test_a_clean_shutdown_is_closed_by_peer_with_its_code_and_reason(self):
        for code, reason, least in ((1001, "server is shutting down", 0),
                                    (1012, "server is restarting", 5000)):
            with self.subTest(code=code):
                server = self.serve("--drain-code", code)
                client = self.connect(server.url, *CLIENT)
                client.event("open")
                server.event("open")
                self.assertEqual(self.interrupt(server, signal.SIGTERM), 0)
                lost = client.event("close")
                self.assertEqual((lost["cause"], lost["code"], lost["reason"], lost["final"]),
                                 ("CLOSED_BY_PEER", code, reason, False))
                self.assertIn(f"{code}", lost["text"])
                self.assertIn(f'"{reason}"', lost["text"])
                self.assertGreaterEqual(lost["retry_ms"], least)

    def test_a_wrong_port_is_unreachable(self):
        nobody = ClosedPort()
        self.addCleanup(nobody.close)
        client = self.connect(nobody.url, *CLIENT)
        lost = client.event("close")
        self.assertEqual((lost["cause"], lost["code"], lost["status"], lost["open_ms"]),
                         ("UNREACHABLE", 1006, 0, None))
        self.assertFalse(lost["final"])
        self.assertRegex(lost["text"], "^No connection could be made: .*refused")

    def test_a_plain_http_server_is_rejected_with_its_status(self):
        http = HttpServer()
        self.addCleanup(http.close)
        client = self.connect(http.url, *CLIENT)
        lost = client.event("close")
        self.assertEqual((lost["cause"], lost["status"], lost["final"], lost["retry_ms"]),
                         ("REJECTED", 200, True, None))
        self.assertEqual(lost["text"], "The server answered 200 OK instead of upgrading.")
        self.assertEqual(client.wait(), 13)
