"""`vital bench` from outside: that its numbers are those of what has happened.

The servers here that are late or silent are so on purpose, by a time that is many times
what the machine's own lateness adds to it.
"""
import signal
import threading
import time

from peers import BINARY, CLOSE, PING, PONG, TEXT, ClosedPort, Listener
from vital_process import VitalCase


class Server:
    """Plays `serve(peer, number)` to each connection, in a thread of its own. close() it."""

    def __init__(self, serve):
        self._listener = Listener()
        self._serve = serve
        self.url = self._listener.url
        self.served = 0
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def _run(self):
        while True:
            try:
                peer = self._listener.websocket()
            except (OSError, AssertionError):
                return  # nobody comes any more
            self.served += 1
            self._threads.append(threading.Thread(target=self._play, args=(peer, self.served),
                                                  daemon=True))
            self._threads[-1].start()

    def _play(self, peer, number):
        try:
            self._serve(peer, number)
        except (OSError, AssertionError):
            pass  # the command has ended it
        peer.close()

    def close(self):
        self._listener.sock.shutdown(2)
        for thread in self._threads:
            thread.join()
        self._listener.close()


def echo(peer, _number=1):
    for got in iter(peer.receive, None):
        if got.opcode == CLOSE:
            peer.send(CLOSE, got.payload)
            return
        peer.send(PONG if got.opcode == PING else got.opcode, got.payload)


def stops_once(seconds, after):
    """An echo, but for a pause in the middle of which nothing is read."""
    def serve(peer, _number):
        for count, got in enumerate(iter(peer.receive, None)):
            if count == after:
                time.sleep(seconds)
            if got.opcode == CLOSE:
                peer.send(CLOSE, got.payload)
                return
            peer.send(got.opcode, got.payload)
    return serve


def says(opcode, payload):
    """Whatever it is told."""
    def serve(peer, _number):
        for got in iter(peer.receive, None):
            if got.opcode == CLOSE:
                peer.send(CLOSE, got.payload)
                return
            peer.send(opcode, payload)
    return serve


def says_nothing(peer, _number):
    for got in iter(peer.receive, None):
        if got.opcode == CLOSE:
            peer.send(CLOSE, got.payload)
            return


class Room:
    """Once all are there, passes on to everybody what anybody says, but not to number `deaf`."""

    def __init__(self, case, count, deaf=0, times=1):
        self.said = 0
        self._count = count
        self._peers = {}
        self._lock = threading.Condition()
        self._deaf = deaf
        self._times = times
        self.url = case.server(self._serve).url

    def _serve(self, peer, number):
        with self._lock:
            self._peers[number] = peer
            self._lock.notify_all()
        for got in iter(peer.receive, None):
            with self._lock:
                if got.opcode == CLOSE:
                    del self._peers[number]
                    peer.send(CLOSE, got.payload)
                    return
                self._lock.wait_for(lambda: len(self._peers) == self._count or self.said)
                self.said += 1
                for to, other in self._peers.items():
                    for _ in range(self._times if to != self._deaf else 0):
                        other.send(got.opcode, got.payload)


class Bench(VitalCase):
    def server(self, serve):
        server = Server(serve)
        self.addCleanup(server.close)
        return server

    def bench(self, url, *words, status=0):
        return self.run_vital("bench", *words, url, status=status)

    def result(self, url, *words, status=0):
        (result,) = self.bench(url, "--json", *words, status=status).events("result")
        return result

    # ------------------------------------------------------------------ echo and beat

    def test_an_echo_as_fast_as_it_comes(self):
        result = self.result(self.serve().url, "-c", "5", "-d", "300ms")
        self.assertEqual((result["opened"], result["failed"], result["lost"]), (5, 0, 0))
        self.assertEqual((result["unanswered"], result["strange"]), (0, 0))
        self.assertGreater(result["answered"], 5)
        self.assertGreaterEqual(result["seconds"], 0.3)
        # What was under way in the end is in the latency, and not in the rate.
        extra = result["latency"]["count"] - result["answered"]
        self.assertTrue(0 <= extra <= 5, extra)
        self.assertAlmostEqual(result["per_s"], result["answered"] / result["seconds"], 3)
        self.assertEqual(result["opening"]["count"], 5)
        latency = result["latency"]
        self.assertLessEqual(latency["min_ms"], latency["p50_ms"])
        self.assertLessEqual(latency["p50_ms"], latency["p99_ms"])
        self.assertLessEqual(latency["p99_ms"], latency["max_ms"])

    def test_what_is_sent_is_what_was_asked_for(self):
        seen = []

        def serve(peer, _number):
            got = peer.receive()
            seen.append((got.opcode, len(got.payload), got.masked))
            peer.send(got.opcode, got.payload)
            echo(peer)

        url = self.server(serve).url
        self.result(url, "-c", "1", "-d", "50ms")
        self.result(url, "-c", "1", "-d", "50ms", "--text", "--size", "300B")
        self.result(url, "-c", "1", "-d", "50ms", "--mode", "beat", "--rate", "100")
        self.assertEqual(seen, [(BINARY, 64, True), (TEXT, 300, True), (PING, 8, True)])

    def test_so_many_are_in_flight(self):
        held = []

        def serve(peer, _number):
            while True:  # all that come before an answer
                try:
                    held.append(peer.receive(within=0.3))
                except AssertionError:
                    break
            for got in held:
                peer.send(got.opcode, got.payload)
            says_nothing(peer, 1)

        self.result(self.server(serve).url, "-c", "1", "-i", "7", "-d", "600ms", "-W", "100ms")
        self.assertEqual([got.opcode for got in held], [BINARY] * 7)

    def test_a_rate_is_kept_and_evenly_spread_over_connections(self):
        counts = {}

        def serve(peer, number):
            for got in iter(peer.receive, None):
                if got.opcode == CLOSE:
                    peer.send(CLOSE, got.payload)
                    return
                counts[number] = counts.get(number, 0) + 1
                peer.send(got.opcode, got.payload)

        result = self.result(self.server(serve).url, "-c", "4", "-r", "400", "-d", "500ms")
        self.assertTrue(200 <= result["latency"]["count"] <= 201, result)
        self.assertEqual(sum(counts.values()), result["latency"]["count"])
        self.assertEqual(sorted(counts), [1, 2, 3, 4])
        self.assertTrue(all(50 <= count <= 51 for count in counts.values()), counts)

    def test_a_server_that_stops_is_late_for_all_that_was_due_meanwhile(self):
        result = self.result(self.server(stops_once(0.5, after=10)).url,
                             "-c", "1", "-r", "200", "-i", "1", "-d", "1s")
        self.assertTrue(200 <= result["latency"]["count"] <= 201, result)
        self.assertEqual(result["unanswered"], 0)
        # Of 200 that are due in a second, 100 are due in that half of it: the first of
        # them waits for 500 ms, the last for nothing.
        self.assertGreaterEqual(result["latency"]["max_ms"], 500)
        self.assertGreaterEqual(result["latency"]["p90_ms"], 380)

    def test_without_a_rate_it_is_late_once(self):
        result = self.result(self.server(stops_once(0.5, after=10)).url, "-c", "1", "-d", "1s")
        self.assertGreaterEqual(result["latency"]["max_ms"], 500)
        self.assertLess(result["latency"]["p50_ms"], 250)

    def test_beats_are_answered_together_and_evenly(self):
        url = self.serve("--beat", "never").url
        for words in ((), ("--together",)):
            with self.subTest(words=words):
                result = self.result(url, "-m", "beat", "-c", "20", "-r", "250", "-d", "400ms",
                                     *words)
                self.assertEqual((result["unanswered"], result["lost"]), (0, 0))
                self.assertTrue(100 <= result["latency"]["count"] <= 120, result)

    def test_together_they_are_due_at_one_moment(self):
        times = []

        def serve(peer, _number):
            for got in iter(peer.receive, None):
                if got.opcode == PING:
                    times.append(got.at)
                elif got.opcode == CLOSE:
                    peer.send(CLOSE, got.payload)
                    return

        server = self.server(serve)
        self.bench(server.url, "-m", "beat", "-c", "4", "-r", "4", "-d", "800ms", "--together",
                   "-W", "50ms", status=1)
        self.assertEqual(len(times), 4)
        self.assertLess(max(times) - min(times), 0.4)  # and not 0.75

    def test_one_pong_answers_all_pings_before_it(self):
        def serve(peer, _number):
            first = peer.receive()
            last = peer.receive()
            self.assertEqual((first.opcode, last.opcode), (PING, PING))
            peer.send(PONG, last.payload)
            echo(peer)

        result = self.result(self.server(serve).url, "-m", "beat", "-c", "1", "-r", "50",
                             "-d", "200ms")
        self.assertEqual(result["unanswered"], 0)
        self.assertTrue(10 <= result["latency"]["count"] <= 11, result)

    def test_without_a_rate_a_beat_is_due_every_25_s(self):
        run = self.bench(self.serve().url, "-m", "beat", "-c", "50", "-d", "20ms", "--json")
        self.assertEqual(run.events("result")[0]["rate"], 2)

    def test_a_warm_up_is_not_counted(self):
        url = self.server(stops_once(0.4, after=3)).url
        result = self.result(url, "-c", "1", "-w", "700ms", "-d", "200ms")
        self.assertLess(result["latency"]["max_ms"], 400)
        self.assertLess(result["seconds"], 0.6)

    # ------------------------------------------------------------------ what goes wrong

    def test_what_is_never_answered_counts_with_the_time_it_has_waited(self):
        run = self.bench(self.server(says_nothing).url, "--json", "-c", "1", "-r", "100",
                         "-d", "300ms", "-W", "200ms", status=1)
        (result,) = run.events("result")
        self.assertEqual(result["answered"], 0)
        self.assertTrue(30 <= result["unanswered"] <= 31, result)
        self.assertEqual(result["latency"]["count"], result["unanswered"])
        self.assertGreaterEqual(result["latency"]["max_ms"], 500)
        self.assertGreaterEqual(result["latency"]["min_ms"], 190)

    def test_another_message_is_no_answer(self):
        result = self.result(self.server(says(TEXT, b"hello")).url, "-c", "1", "-d", "100ms",
                             "-W", "100ms", status=1)
        self.assertEqual((result["answered"], result["strange"]), (0, 1))

    def test_connections_that_are_lost_are_counted_and_the_first_told(self):
        def serve(peer, number):
            if number > 2:
                echo(peer)
                return
            peer.receive()
            peer.goodbye(1011, "no more")

        run = self.bench(self.server(serve).url, "--json", "-c", "3", "-d", "200ms", "-W", "100ms")
        (result,) = run.events("result")
        self.assertEqual((result["opened"], result["lost"], result["unanswered"]), (3, 2, 2))
        (told,) = run.events("close")
        self.assertEqual((told["cause"], told["code"]), ("CLOSED_BY_PEER", 1011))
        self.assertEqual(run.err.count("CLOSED_BY_PEER"), 1)

    def test_a_server_that_is_not_there_is_told_once(self):
        port = ClosedPort()
        self.addCleanup(port.close)
        run = self.bench(port.url, "-c", "500", status=2)
        self.assertRegex(run.err, r"\ABENCH [^\n]*\nvital bench: UNREACHABLE: [^\n]*\n\Z")
        self.assertEqual(run.out, "")

    def test_who_hangs_up_on_the_first_message_ends_it(self):
        def serve(peer, _number):
            peer.receive()
            peer.goodbye(1013, "full")

        run = self.bench(self.server(serve).url, "-c", "1", "-d", "1h", status=1)
        self.assertIn("CLOSED_BY_PEER", run.err)
        self.assertIn("\n0 echoes in ", run.out)
        self.assertIn("\nconnections: 1 opened, 0 failed, 1 lost\nunanswered: 1, ", run.out)

    # ------------------------------------------------------------------ idle and --pid

    def test_idle_holds_connections_and_counts_the_servers_pings(self):
        server = self.serve("--beat", "200ms")
        result = self.result(server.url, "-m", "idle", "-c", "30", "-d", "1s",
                             "--pid", server.pid)
        self.assertEqual((result["opened"], result["lost"]), (30, 0))
        self.assertGreater(result["answered"], 30)
        process = result["process"]
        self.assertEqual(process["pid"], server.pid)
        self.assertGreater(process["before_bytes"], 100000)
        self.assertGreater(process["cpu_s"], 0)
        self.assertAlmostEqual(process["cpu_s_a_million"],
                               process["cpu_s"] / result["answered"] * 1e6, 3)
        self.assertAlmostEqual(process["bytes_a_connection"],
                               (process["bytes"] - process["before_bytes"]) / 30, 3)

    def test_idle_without_pings_is_no_failure(self):
        run = self.bench(self.serve("--beat", "never").url, "-m", "idle", "-c", "2", "-d", "50ms")
        self.assertIn("0 pings of the server in ", run.out)

    def test_a_process_that_is_not_there(self):
        run = self.bench(self.serve().url, "--pid", "2147483647", status=2)
        self.assertIn("vital bench: process 2147483647 (--pid): ", run.err)

    # ------------------------------------------------------------------ fanout

    def test_what_one_says_all_others_hear(self):
        room = Room(self, 4)
        result = self.result(room.url, "-m", "fanout", "-c", "4", "-r", "50", "-d", "400ms",
                             "--text")
        self.assertTrue(20 <= room.said <= 21, room.said)
        self.assertEqual(result["latency"]["count"], 3 * room.said)
        self.assertEqual(result["whole"]["count"], room.said)
        self.assertEqual((result["unanswered"], result["strange"]), (0, 0))

    def test_without_a_rate_the_next_is_said_when_all_have_heard_the_last(self):
        room = Room(self, 3)
        result = self.result(room.url, "-m", "fanout", "-c", "3", "-d", "200ms")
        self.assertEqual(result["latency"]["count"], 2 * room.said)
        self.assertGreater(room.said, 2)
        self.assertEqual(result["unanswered"], 0)

    def test_who_does_not_hear_it_is_counted(self):
        room = Room(self, 3, deaf=2)
        run = self.bench(room.url, "--json", "-m", "fanout", "-c", "3", "-d", "700ms",
                         "-W", "200ms")
        (result,) = run.events("result")
        self.assertGreaterEqual(room.said, 2)  # it goes on after --timeout
        self.assertEqual(result["unanswered"], room.said)
        self.assertEqual(result["latency"]["count"], 2 * room.said)
        self.assertEqual(result["whole"]["count"], 0)
        self.assertGreaterEqual(result["latency"]["max_ms"], 200)

    def test_heard_twice_is_once_too_often(self):
        room = Room(self, 2, times=2)
        result = self.result(room.url, "-m", "fanout", "-c", "2", "-r", "20", "-d", "200ms")
        self.assertEqual(result["latency"]["count"], room.said)
        self.assertGreaterEqual(result["strange"], room.said - 1)

    # ------------------------------------------------------------------ churn and storm

    def test_churn_opens_echoes_closes_and_opens_again(self):
        ends = []

        def serve(peer, _number):
            got = peer.receive()
            peer.send(got.opcode, got.payload)
            ends.append((got.opcode, len(got.payload), peer.answer_close()[0]))

        server = self.server(serve)
        result = self.result(server.url, "-m", "churn", "-c", "3", "-d", "500ms")
        self.assertEqual((result["failed"], result["lost"], result["unanswered"]), (0, 0, 0))
        self.assertGreater(result["opened"], 6)
        self.assertEqual(result["opened"], result["latency"]["count"])
        self.assertEqual(server.served, result["opened"])
        self.assertEqual(set(ends), {(BINARY, 64, 1000)})

    def test_churn_keeps_a_rate(self):
        result = self.result(self.serve().url, "-m", "churn", "-c", "50", "-r", "250", "-d", "400ms")
        self.assertTrue(100 <= result["latency"]["count"] <= 101, result)
        self.assertEqual(result["unanswered"], 0)

    def test_churn_is_late_for_want_of_places(self):
        def serve(peer, _number):
            time.sleep(0.2)
            echo(peer)

        result = self.result(self.server(serve).url, "-m", "churn", "-c", "1", "-r", "20",
                             "-d", "1s")
        self.assertTrue(20 <= result["latency"]["count"] <= 21, result)
        self.assertGreaterEqual(result["unanswered"], 14)  # five fit into a second
        self.assertGreaterEqual(result["latency"]["p50_ms"], 400)

    def test_churn_does_not_hammer_at_a_closed_door(self):
        port = ClosedPort()
        self.addCleanup(port.close)
        run = self.bench(port.url, "--json", "-m", "churn", "-c", "1", "-d", "550ms", status=1)
        (result,) = run.events("result")
        self.assertTrue(2 <= result["failed"] <= 6, result)
        self.assertEqual(run.err.count("UNREACHABLE"), 1)

    def test_a_storm_is_over_when_the_last_has_its_answer(self):
        server = self.serve()
        result = self.result(server.url, "-m", "storm", "-c", "200", "-d", "1h",
                             "-p", server.pid)
        self.assertEqual((result["answered"], result["opened"], result["failed"]), (200, 200, 0))
        self.assertLess(result["seconds"], 60)
        self.assertGreaterEqual(result["seconds"] * 1000, result["latency"]["max_ms"])
        self.assertGreaterEqual(result["latency"]["max_ms"], result["opening"]["max_ms"])
        self.assertGreater(result["process"]["bytes_a_connection"], 0)

    def test_a_storm_that_nobody_answers_ends_in_time(self):
        result = self.result(self.server(says_nothing).url, "-m", "storm", "-c", "3", "-d", "300ms",
                             status=1)
        self.assertEqual((result["answered"], result["opened"], result["unanswered"]), (0, 3, 3))
        self.assertGreaterEqual(result["latency"]["min_ms"], 300)

    def test_a_storm_on_a_closed_door_is_over_at_once(self):
        port = ClosedPort()
        self.addCleanup(port.close)
        result = self.result(port.url, "-m", "storm", "-c", "50", "-d", "1h", status=1)
        self.assertEqual((result["failed"], result["opened"]), (50, 0))

    # ------------------------------------------------------------------ where from

    def test_it_comes_from_each_address_in_turn(self):
        peers = []
        server = self.server(lambda peer, _: (peers.append(peer.sock.getpeername()[0]), echo(peer)))
        self.bench(server.url, "-c", "4", "-d", "50ms", "--from", "127.0.0.3",
                   "--from", "127.0.0.4")
        self.assertEqual(sorted(peers), ["127.0.0.3", "127.0.0.3", "127.0.0.4", "127.0.0.4"])

    def test_an_address_that_is_none_or_not_ours(self):
        url = self.serve().url
        run = self.bench(url, "--from", "localhost", status=2)
        self.assertIn("vital bench: options.from is not a numeric address", run.err)
        run = self.bench(url, "--from", "192.0.2.1", status=2)
        self.assertIn("Cannot assign requested address", run.err)

    # ------------------------------------------------------------------ limits

    def test_a_limit_that_is_kept_and_one_that_is_not(self):
        url = self.serve().url
        self.bench(url, "-c", "2", "-d", "50ms", "--fail-if", "failed>0", "-f", "max>60m")
        run = self.bench(url, "-c", "2", "-d", "50ms", "-f", "max<60m", "-f", "lost>0", "--json",
                         status=3)
        self.assertRegex(run.err, r"vital bench: --fail-if 'max<60m': it is [\d.]+ ms\n\Z")
        self.assertEqual(run.events("result")[0]["broken"], ["max<60m"])

    def test_a_limit_on_memory_is_that_of_the_process(self):
        server = self.serve()
        run = self.bench(server.url, "-c", "2", "-d", "50ms", "-p", server.pid,
                         "-f", "memory<512MiB", status=3)
        self.assertIn("--fail-if 'memory<512MiB': it is ", run.err)

    def test_bad_options_are_sentences(self):
        url = "ws://127.0.0.1:9/"
        for words, sentence in (
                (("-f", "p99"), "--fail-if 'p99' does not compare"),
                (("-f", "p99>50"), "--fail-if 'p99>50' has no unit; write a time as 300us"),
                (("-f", "cpu>5"), "--fail-if 'cpu>5' needs the --pid of the server"),
                (("-m", "sing"), "--mode sing is not known; there are "),
                (("-m", "idle", "-r", "5"), "--mode idle has no schedule"),
                (("-m", "storm", "-w", "5s"), "--mode storm has no schedule"),
                (("-m", "churn", "-i", "5"), "--mode churn sends one message over each"),
                (("-m", "fanout", "-c", "1"), "--mode fanout needs two --connections"),
                (("-m", "fanout", "-s", "15B"), "--mode fanout needs messages of 16B"),
                (("-m", "churn", "--together", "-r", "5"), "--together is for --mode echo and"),
                (("--together",), "--together needs a --rate"),
                (("-s", "64"), "--size 64 has no unit"),
                (("-r", "0"), "--rate 0 is not between 1 and ")):
            with self.subTest(words=words):
                run = self.bench(url, *words, status=2)
                self.assertTrue(run.err.startswith(f"vital bench: {sentence}"), run.err)
                self.assertTrue(run.err.endswith("\ntry: vital bench --help\n"), run.err)
                self.assertEqual(run.out, "")

    # ------------------------------------------------------------------ what is told

    def test_in_words(self):
        server = self.serve()
        run = self.bench(server.url, "-c", "2", "-d", "100ms", "-p", server.pid)
        self.assertRegex(run.err, r"\ABENCH ws://127\.0\.0\.1:\d+/: echo, 2 connections, for 100 ms\n"
                                  r"2 connections open after [\d.]+ ms\n\Z")
        lines = run.out.splitlines()
        for line, pattern in zip(lines, (
                r"^--- ws://127\.0\.0\.1:\d+/ ---$",
                r"^\d+ echoes in 0\.1\d s: \d+ a second$",
                r"^latency: p50 [\d.]+ ms, p90 .* p99 .* p99\.9 .* p99\.99 .* max .* mean ",
                r"^opening: p50 ",
                r"^connections: 2 opened, 0 failed, 0 lost$",
                rf"^memory of process {server.pid}: [\d.]+ MiB, then [\d.]+ MiB: ",
                rf"^CPU of process {server.pid}: [\d.]+ s, which is [\d.]+ s for a million echoes$",
                r"^this program took \d+ % of a core")):
            self.assertRegex(line, pattern)
        self.assertEqual(len(lines), 8, run.out)

    def test_an_interrupt_tells_what_is_known(self):
        run = self.start("bench", self.serve().url, "-c", "2", "-d", "1h", "--json")
        run.event("progress")
        run.signal(signal.SIGINT)
        result = run.event("result")
        self.assertTrue(result["interrupted"])
        self.assertGreater(result["answered"], 0)
        self.assertLess(result["seconds"], 60)
        self.assertEqual(run.wait(), 0)

    def test_an_interrupt_before_anything_was_measured(self):
        run = self.start("bench", self.serve().url, "-w", "1h", "--json")
        run.event("ready")
        run.signal(signal.SIGINT)
        run.note("vital bench: interrupted before anything was measured, with 50 connections open")
        self.assertEqual(run.wait(), 1)

    def test_a_terminal_shows_one_line_that_is_drawn_again(self):
        run = self.start("bench", self.serve().url, "-c", "2", "-d", "1500ms", terminal=True)
        run.note(r"echo 1\.0 s of 1\.5 s: \d+ echoes a second, p50 .* ms, p99 .* ms")
        run.line("^latency: ")
        self.assertEqual(run.wait(), 0)

    def test_json_tells_the_progress_and_quiet_only_the_result(self):
        url = self.serve().url
        run = self.bench(url, "-c", "3", "-d", "1100ms", "--json")
        self.assertEqual([event["event"] for event in run.events()],
                         ["ready", "progress", "result"])
        ready, progress, _ = run.events()
        self.assertEqual((ready["open"], ready["failed"], ready["url"]), (3, 0, url))
        self.assertEqual(progress["open"], 3)
        self.assertGreater(progress["per_s"], 0)
        self.assertEqual(run.err, "")
        run = self.bench(url, "-c", "3", "-d", "50ms", "--quiet")
        self.assertEqual(run.err, "")
        self.assertIn(" echoes in ", run.out)


if __name__ == "__main__":
    import unittest

    unittest.main()
