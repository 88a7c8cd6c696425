"""`vital ping` from outside: its lines, its counts and its exit codes."""
import re
import signal
import socket

from peers import (CLOSE, PING, PONG, TEXT, ClosedPort, HttpServer, Listener, close_payload)
from vital_process import VitalCase


class PingCase(VitalCase):
    def listener(self):
        listener = Listener()
        self.addCleanup(listener.close)
        return listener

    def ping(self, url, *words):
        return self.start("ping", *words, url)

    def finish(self, peer):
        """Plays the goodbye."""
        self.assertEqual(peer.answer_close(), (1000, ""))
        peer.close()


class Answered(PingCase):
    def test_answered_pings_in_words(self):
        url = self.serve().url
        run = self.run_vital("ping", "-c", "3", "-i", "20ms", url, status=0)
        host = re.escape(url.split("/")[2])
        lines = run.out.splitlines()
        ms = r"\d+(\.\d+)? ms"
        self.assertRegex(lines[0], rf"^PING {re.escape(url)} \({host}\): tcp {ms}, upgrade {ms}$")
        for seq in (1, 2, 3):
            self.assertRegex(lines[seq], rf"^pong from {host}: seq={seq} time={ms}$")
        self.assertEqual(lines[4], f"--- {url} ---")
        self.assertRegex(lines[5],
                         r"^3 sent, 3 answered, 0 late, 0 lost \(0%\), time \d+ ms$")
        self.assertRegex(lines[6], r"^rtt min/avg/max/mdev = (\d+\.\d{3}/){3}\d+\.\d{3} ms$")
        self.assertEqual(len(lines), 7)
        self.assertEqual(run.err, "")

    def test_the_events_of_json(self):
        url = self.serve().url
        run = self.run_vital("ping", "--json", "-c", "2", "-i", "20ms", url, status=0)
        opened, first, second, summary, closed = run.events()
        self.assertEqual(set(opened), {"event", "url", "peer", "compressed", "tls", "name_ms",
                                       "connect_ms", "proxy_ms", "tls_ms", "upgrade_ms"})
        self.assertEqual((opened["event"], opened["url"], opened["peer"], opened["name_ms"]),
                         ("open", url, url.split("/")[2], None))
        for field in ("connect_ms", "upgrade_ms"):
            self.assertGreater(opened[field], 0)
        for seq, pong in ((1, first), (2, second)):
            rtt = pong.pop("rtt_ms")
            self.assertEqual(pong, {"event": "pong", "seq": seq})
            self.assertGreater(rtt, 0)
        self.assertEqual(
            {key: summary[key] for key in ("event", "sent", "answered", "late", "lost",
                                           "loss_percent")},
            {"event": "summary", "sent": 2, "answered": 2, "late": 0, "lost": 0,
             "loss_percent": 0})
        self.assertGreaterEqual(summary["time_ms"], 20)
        self.assertLessEqual(summary["min_ms"], summary["avg_ms"])
        self.assertLessEqual(summary["avg_ms"], summary["max_ms"])
        self.assertGreaterEqual(summary["mdev_ms"], 0)
        self.assertEqual((closed["event"], closed["cause"], closed["code"], closed["final"]),
                         ("close", "CLOSED_BY_US", 1000, True))

    def test_a_name_is_looked_up_and_timed(self):
        url = self.serve().url.replace("127.0.0.1", "localhost")
        run = self.run_vital("ping", "--json", "-c", "1", url, status=0)
        self.assertGreater(run.events("open")[0]["name_ms"], 0)
        run = self.run_vital("ping", "-c", "1", url, status=0)
        self.assertRegex(run.out,
                         r"^PING ws://localhost:\d+/ \(127\.0\.0\.1:\d+\): name .* ms, tcp ")

    def test_text_is_the_in_band_beat(self):
        listener = self.listener()
        ping = self.ping(listener.url, "--json", "-c", "2", "-i", "10ms", "--text", "heartbeat")
        peer = listener.websocket()
        for seq in (1, 2):
            self.assertEqual(peer.text(), "heartbeat")
            peer.send(TEXT, "something else")
            peer.send(TEXT, "heartbeat")
            self.assertEqual(ping.event("pong")["seq"], seq)
        self.finish(peer)
        self.assertEqual(ping.wait(), 0)

    def test_text_with_a_vital_server(self):
        run = self.run_vital("ping", "-c", "2", "-i", "10ms", "--text", "heartbeat",
                             self.serve().url, status=0)
        self.assertIn("2 sent, 2 answered, 0 late, 0 lost (0%)", run.out)

    def test_quiet_is_the_first_line_and_the_summary(self):
        url = self.serve().url
        run = self.run_vital("ping", "-q", "-c", "3", "-i", "10ms", url, status=0)
        self.assertEqual([line.split()[0] for line in run.out.splitlines()],
                         ["PING", "---", "3", "rtt"])
        run = self.run_vital("ping", "-q", "--json", "-c", "3", "-i", "10ms", url, status=0)
        self.assertEqual([e["event"] for e in run.events()], ["open", "summary"])

    def test_the_interval_is_kept(self):
        listener = self.listener()
        self.ping(listener.url, "-i", "200ms", "-c", "4")
        peer = listener.websocket()
        times = []
        for _ in range(4):
            ping = peer.receive_opcode(PING)
            times.append(ping.at)
            peer.send(PONG, ping.payload)
        self.assertGreater(times[3] - times[0], 0.55)
        self.finish(peer)

    def test_headers_are_sent(self):
        listener = self.listener()
        self.ping(listener.url, "-H", "X-Token: one two", "-H", "X-More: 3")
        _, head = listener.accept()
        self.assertIn("\r\nX-Token: one two\r\n", head)
        self.assertIn("\r\nX-More: 3\r\n", head)


class Unanswered(PingCase):
    def test_an_answer_that_never_comes_is_lost(self):
        listener = self.listener()
        ping = self.ping(listener.url, "--json", "-c", "1", "-W", "300ms")
        peer = listener.websocket()
        missing = ping.event("timeout", seq=1)
        self.assertGreaterEqual(missing["waited_ms"], 300)
        self.finish(peer)
        summary = ping.event("summary", sent=1, answered=0, late=0, lost=1, loss_percent=100,
                             min_ms=None, avg_ms=None, max_ms=None, mdev_ms=None)
        self.assertGreaterEqual(summary["time_ms"], 300)
        self.assertEqual(ping.wait(), 1)

    def test_a_late_answer_is_named_late_and_counts_as_an_answer(self):
        listener = self.listener()
        ping = self.ping(listener.url, "--json", "-W", "400ms", "-i", "30s")
        peer = listener.websocket()
        asked = peer.receive_opcode(PING)
        ping.event("timeout", seq=1)
        peer.send(PONG, asked.payload)
        late = ping.event("late", seq=1)
        self.assertGreater(late["rtt_ms"], 400)
        ping.signal(signal.SIGINT)
        ping.event("summary", sent=1, answered=0, late=1, lost=0, loss_percent=0)
        self.finish(peer)
        self.assertEqual(ping.wait(), 0)

    def test_late_and_lost_in_words(self):
        listener = self.listener()
        ping = self.ping(listener.url, "-W", "400ms", "-i", "600ms")
        peer = listener.websocket()
        first = peer.receive_opcode(PING)
        ping.line(r"^no answer yet: seq=1 after \d+(\.\d)? m?s$")
        peer.send(PONG, first.payload)
        ping.line(r"^late: seq=1 time=\d+ ms$")
        ping.line("^no answer yet: seq=2 ")
        ping.signal(signal.SIGINT)
        ping.line(r"^\d sent, 0 answered, 1 late, \d lost \(")
        self.finish(peer)
        self.assertEqual(ping.wait(), 0)

    def test_lost_pings_end_with_1(self):
        listener = self.listener()
        ping = self.ping(listener.url, "-c", "2", "-i", "10ms", "-W", "100ms")
        peer = listener.websocket()
        self.finish(peer)
        self.assertEqual(ping.wait(), 1)
        ping.line(r"^2 sent, 0 answered, 0 late, 2 lost \(100%\), time \d+ ms$")

    def test_a_pong_answers_the_older_pings_too_rfc_5_5_3(self):
        listener = self.listener()
        ping = self.ping(listener.url, "--json", "-c", "3", "-i", "10ms")
        peer = listener.websocket()
        for _ in range(3):
            last = peer.receive_opcode(PING)
        peer.send(PONG, last.payload)
        self.assertEqual([ping.event("pong").get("with") for _ in range(3)], [3, 3, None])
        self.finish(peer)
        self.assertEqual(ping.wait(), 0)

    def test_pongs_that_answer_nothing_are_not_counted(self):
        listener = self.listener()
        ping = self.ping(listener.url, "--json", "-c", "1", "-W", "300ms")
        peer = listener.websocket()
        asked = peer.receive_opcode(PING).payload
        for payload in (b"", b"unasked", asked[:-1], asked[:-1] + b"\x09"):
            peer.send(PONG, payload)
        self.finish(peer)
        ping.event("summary", answered=0, late=0, lost=1)
        self.assertEqual(ping.wait(), 1)


class Interrupted(PingCase):
    def test_ctrl_c_prints_the_summary_and_ends_with_0(self):
        ping = self.ping(self.serve().url, "-i", "20ms")
        ping.line("seq=2 ")
        self.assertEqual(self.interrupt(ping), 0)
        ping.line(r"^\d+ sent, \d+ answered, 0 late, \d lost ")

    def test_ctrl_c_without_an_answer_ends_with_1(self):
        listener = self.listener()
        ping = self.ping(listener.url, "-i", "20ms")
        peer = listener.websocket()
        peer.receive_opcode(PING)
        ping.signal(signal.SIGINT)
        ping.line(r"^\d+ sent, 0 answered, 0 late, \d+ lost \(100%\)")
        self.finish(peer)
        self.assertEqual(ping.wait(), 1)

    def test_a_second_one_does_not_wait_for_the_goodbye(self):
        listener = self.listener()
        ping = self.ping(listener.url)
        peer = listener.websocket()
        ping.line("^PING ")
        ping.signal(signal.SIGINT)
        peer.closing()
        self.assertEqual(self.interrupt(ping), 130)


class Trouble(PingCase):
    def test_a_connection_that_is_lost_is_told_and_ends_with_2(self):
        listener = self.listener()
        ping = self.ping(listener.url, "--json", "-i", "20ms")
        peer = listener.websocket()
        asked = peer.receive_opcode(PING)
        peer.send(PONG, asked.payload)
        ping.event("pong")
        peer.send(CLOSE, close_payload(1011, "no more"))
        lost = ping.event("close")
        self.assertEqual((lost["cause"], lost["code"], lost["reason"]),
                         ("CLOSED_BY_PEER", 1011, "no more"))
        ping.event("summary", answered=1)
        self.assertEqual(ping.wait(), 2)

    def test_unreachable(self):
        nobody = ClosedPort()
        self.addCleanup(nobody.close)
        run = self.run_vital("ping", nobody.url, status=2)
        self.assertRegex(run.err,
                         "^vital ping: UNREACHABLE: No connection could be made: .*refused")
        self.assertEqual(run.out, "")
        run = self.run_vital("ping", "--json", nobody.url, status=2)
        self.assertEqual([(e["event"], e["cause"]) for e in run.events()],
                         [("close", "UNREACHABLE")])

    def test_a_name_that_does_not_exist(self):
        run = self.run_vital("ping", "--json", "-W", "20s", "ws://nowhere.invalid/", status=2)
        lost = run.events("close")[0]
        self.assertEqual(lost["cause"], "UNREACHABLE")
        self.assertIn("nowhere.invalid", lost["text"])

    def test_rejected(self):
        http = HttpServer()
        self.addCleanup(http.close)
        run = self.run_vital("ping", http.url, status=2)
        self.assertEqual(run.err, "vital ping: REJECTED: The server answered 200 OK instead of "
                                  "upgrading.\n")

    def test_a_server_that_does_not_answer_the_upgrade(self):
        listener = self.listener()
        run = self.run_vital("ping", "-W", "300ms", listener.url, status=2)
        self.assertRegex(run.err, "^vital ping: UNREACHABLE: .*did not answer the upgrade")

    def test_a_server_that_ends_the_stream_within_the_upgrade(self):
        listener = self.listener()
        ping = self.ping(listener.url)
        sock, _ = listener.accept()
        sock.sendall(b"HTTP/1.1 101 Swi")
        sock.shutdown(socket.SHUT_RDWR)
        self.assertEqual(ping.wait(), 2)
        ping.note("^vital ping: UNREACHABLE: .*ended the stream before it answered")

    def test_wrong_options_are_a_sentence_a_hint_and_exit_code_2(self):
        url = "ws://127.0.0.1:1/"
        for words, sentence in (
                ((), "which URL?"),
                ((url, url), f"takes one URL, and `{url}` is one too many"),
                (("-i", "1", url), "--interval 1 has no unit; write a time as 250ms, 5s, 2m or 1h"),
                (("-W", "0s", url), "--timeout 0s is too short"),
                (("-i", "1 s", url), "--interval 1 s has a unit that is not known"),
                (("-i", "1e3s", url), "--interval 1e3s has a unit that is not known"),
                (("-W", "1000h", url), "--timeout 1000h is too long"),
                (("-c", "0", url), "--count 0 is not between 1 and "),
                (("-c", "1.5", url), "--count 1.5 is not a whole number"),
                (("-X", url), "there is no option -X"),
                (("-c",), "-c needs a value"),
        ):
            with self.subTest(words=words):
                run = self.run_vital("ping", *words, status=2)
                first, second = run.err.splitlines()
                self.assertTrue(first.startswith("vital ping: " + sentence), first)
                self.assertEqual(second, "try: vital ping --help")
                self.assertEqual(run.out, "")

    def test_a_url_that_cannot_be_used_is_a_sentence_and_exit_code_2(self):
        for url in ("", "http://127.0.0.1/", "ws://", "ws:///x", "ws://127.0.0.1:99999/",
                    "ws://127.0.0.1/#part", "wss://127.0.0.1/", "ws://user@127.0.0.1/"):
            with self.subTest(url=url):
                run = self.run_vital("ping", url, status=2)
                self.assertRegex(run.err, r"^vital ping: .{10,}\n$")
                self.assertEqual(run.out, "")
