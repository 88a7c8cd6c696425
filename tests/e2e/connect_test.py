"""`vital connect` from outside: lines and messages, what it tells, when it comes
back, and how it ends."""
import base64
import os
import re
import select
import signal
import subprocess
import tempfile
import threading

from peers import (BINARY, CLOSE, PING, PONG, TEXT, ClosedPort, Listener, close_payload,
                   frame, header)
from vital_process import DEADLINE, VITAL, Process, VitalCase

QUICK = ("--retry-first", "20ms", "--retry-min", "10ms", "--retry-max", "50ms")


class ConnectCase(VitalCase):
    def listener(self, **options):
        listener = Listener(**options)
        self.addCleanup(listener.close)
        return listener

    def pair(self, *words, **options):
        """A client and the raw server that it is connected to."""
        listener = self.listener()
        client = self.connect(listener.url, *words, **options)
        peer = listener.websocket()
        return client, peer, listener

    def goodbye(self, client, peer):
        """stdin ends, the closing handshake is done, it ends with 0."""
        client.close_stdin()
        self.assertEqual(peer.answer_close(), (1000, ""))
        peer.close()
        self.assertEqual(client.wait(), 0)


class Lines(ConnectCase):
    def test_lines_become_messages_and_messages_lines(self):
        client, peer, _ = self.pair()
        client.say("hello", "", "grüße")
        self.assertEqual([peer.text() for _ in range(3)], ["hello", "", "grüße"])
        for text in ("first", "", "zweite größe"):
            peer.send(TEXT, text)
        self.goodbye(client, peer)
        self.assertEqual(client.out.join(), "first\n\nzweite größe")

    def test_frames_are_masked_rfc_5_3(self):
        client, peer, _ = self.pair()
        client.say("hello")
        self.assertTrue(peer.receive().masked)

    def test_a_last_line_without_a_newline_is_a_line(self):
        run = self.run_vital("connect", self.serve().url, stdin=b"one\ntwo", status=0)
        self.assertEqual(run.out, "one\ntwo\n")

    def test_the_end_of_stdin_sends_everything_first(self):
        lines = [f"line {number}" for number in range(5000)]
        run = self.run_vital("connect", self.serve().url, stdin="\n".join(lines).encode(),
                             status=0)
        self.assertEqual(run.out.splitlines(), lines)

    def test_what_is_said_until_the_goodbye_is_still_printed(self):
        client, peer, _ = self.pair()
        client.close_stdin()
        code, _ = peer.closing()
        peer.send(TEXT, "one more thing")
        peer.send(CLOSE, close_payload(code))
        peer.close()
        self.assertEqual(client.wait(), 0)
        self.assertEqual(client.out.join(), "one more thing")

    def test_stay_listens_after_the_end_of_stdin(self):
        client, peer, _ = self.pair("--stay")
        client.say("hello")
        client.close_stdin()
        self.assertEqual(peer.text(), "hello")
        peer.send(TEXT, "still there?")
        client.line("^still there[?]$")
        peer.goodbye(1000)
        self.assertEqual(client.wait(), 0)

    def test_binary_goes_to_stdout_as_it_is(self):
        client, peer, _ = self.pair()
        peer.send(BINARY, b"half a ")
        peer.send(BINARY, b"line\n")
        client.line("^half a line$")
        self.goodbye(client, peer)

    def test_binary_lines_go_and_come_as_lines(self):
        client, peer, _ = self.pair("--binary")
        client.write(b"one\n\xff\xfe\n\n")
        self.assertEqual([peer.message() for _ in range(3)],
                         [(BINARY, b"one"), (BINARY, b"\xff\xfe"), (BINARY, b"")])
        peer.send(BINARY, b"half a ")
        peer.send(TEXT, b"line")
        client.line("^half a $")
        client.line("^line$")
        self.goodbye(client, peer)

    def test_a_line_that_is_not_utf8_is_reported_and_left_out(self):
        client, peer, _ = self.pair()
        client.write(b"one\n\xff\xfe\nthree\n\xc3\n")
        self.assertEqual([peer.text(), peer.text()], ["one", "three"])
        client.note("^vital connect: line 2 is not valid UTF-8 and was not sent$")
        client.note("^vital connect: line 4 is not valid UTF-8 and was not sent$")
        self.goodbye(client, peer)

    def test_a_line_that_is_too_long_is_reported_and_left_out(self):
        client, peer, _ = self.pair("--max-message", "100kB")
        client.say("one", "x" * 100001, "y" * 100000, "four")
        self.assertEqual(peer.text(), "one")
        self.assertTrue(peer.text() == "y" * 100000)
        self.assertEqual(peer.text(), "four")
        client.note("^vital connect: line 2 is longer than 100000 bytes and was not sent$")
        self.goodbye(client, peer)

    def test_a_line_of_the_largest_size(self):
        line = "z" * (1 << 20)
        run = self.run_vital("connect", self.serve().url, stdin=line.encode(), status=0)
        self.assertTrue(run.out == line + "\n")

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        client, peer, _ = self.pair(stdout=False)
        peer.send(TEXT, "nobody reads this")
        self.assertEqual(client.wait(), 0)
        self.assertEqual(client.err.join().splitlines()[1:], [])


class Backpressure(ConnectCase):
    COUNT = 100_000

    def lines(self):
        return [f"line {number} " + "." * 180 for number in range(self.COUNT)]

    def feed(self, client, lines, stalled):
        """Writes them all, and notes when the client took no more for a second."""
        view = memoryview("".join(line + "\n" for line in lines).encode())
        os.set_blocking(client.stdin_fd, False)
        while view:
            _, writable, _ = select.select([], [client.stdin_fd], [], 1)
            if not writable:
                stalled.set()
                select.select([], [client.stdin_fd], [], DEADLINE)
            view = view[os.write(client.stdin_fd, view):]
        client.close_stdin()

    def test_a_slow_server_is_waited_for_and_no_line_is_lost(self):
        listener = self.listener(receive_buffer=65536)
        client = self.connect(listener.url, "--quiet")
        peer = listener.websocket()
        lines, stalled = self.lines(), threading.Event()
        feeder = threading.Thread(target=self.feed, args=(client, lines, stalled))
        feeder.start()
        self.addCleanup(feeder.join)
        # Nothing is read until stdin, the queue and the sockets are full.
        self.assertTrue(stalled.wait(DEADLINE), "stdin was read without end")
        for number, line in enumerate(lines):
            got = peer.text()
            if got != line:
                self.fail(f"instead of line {number} came: {got[:80]}")
        self.assertEqual(peer.answer_close(), (1000, ""))
        peer.close()
        self.assertEqual(client.wait(), 0)
        self.assertEqual(client.err.join(), "")

    def test_they_come_back_from_an_echo_server_in_order(self):
        # The server takes them faster than a busy machine lets the client read its
        # echoes; its queue, twice this size, holds them all.
        client = self.connect(self.serve("--max-message", "32MiB").url, "--quiet")
        lines = self.lines()
        feeder = threading.Thread(target=self.feed, args=(client, lines, threading.Event()))
        feeder.start()
        self.addCleanup(feeder.join)
        self.assertEqual(client.wait(2 * DEADLINE), 0)
        came = client.out.join().splitlines()
        self.assertEqual(len(came), self.COUNT)
        self.assertTrue(came == lines, "not in order")


class Events(ConnectCase):
    def test_open(self):
        listener = self.listener()
        client = self.connect(listener.url, "--json", "--subprotocol", "chat")
        listener.websocket("Sec-WebSocket-Protocol: chat\r\n")
        opened = client.event("open")
        for field in ("connect_ms", "upgrade_ms"):
            self.assertGreater(opened.pop(field), 0)
        self.assertEqual(opened, {
            "event": "open", "resumed": False, "url": listener.url,
            "peer": listener.url.split("/")[2], "subprotocol": "chat", "compressed": False,
            "tls": None, "name_ms": None, "proxy_ms": None, "tls_ms": None})

    def test_messages(self):
        client, peer, _ = self.pair("--json")
        peer.send(TEXT, 'a "quoted"\nline, grüße \U0001f497 \0')
        for size in range(5):
            peer.send(BINARY, bytes(range(250, 250 + size)))
        self.assertEqual(client.event("message"), {
            "event": "message", "kind": "text", "data": 'a "quoted"\nline, grüße \U0001f497 \0'})
        for size in range(5):
            came = client.event("message")
            self.assertEqual((came["kind"], base64.b64decode(came["data_base64"], validate=True)),
                             ("binary", bytes(range(250, 250 + size))))

    def test_health_and_silence(self):
        client, peer, _ = self.pair("--json", "--beat", "200ms", "--answer-within", "600ms",
                                    "--no-retry")
        beat = peer.receive_opcode(PING)
        peer.send(PONG, beat.payload)
        beat = peer.receive_opcode(PING)
        doubt = client.event("health")
        self.assertEqual((doubt["event"], doubt["health"]), ("health", "doubtful"))
        self.assertGreater(doubt["rtt_ms"], 0)
        self.assertGreaterEqual(doubt["waiting_ms"], 200)
        self.assertEqual(doubt["cause"], "STUCK")
        self.assertIn("so the host is up and the program is stuck.", doubt["text"])
        peer.send(PONG, beat.payload)
        alive = client.event("health")
        self.assertEqual(alive["health"], "alive")
        self.assertIsNone(alive["waiting_ms"])
        self.assertEqual((alive["cause"], alive["text"]), (None, None))
        self.assertGreaterEqual(alive["rtt_ms"], 200) # of this answer, not of the one before
        peer.receive_opcode(PING)
        client.event("health", health="doubtful")
        lost = client.event("close")
        self.assertEqual((lost["cause"], lost["code"], lost["final"]), ("STUCK", 1006, True))
        self.assertRegex(lost["text"], r"^No answer to our ping for [\d.]+ m?s")
        self.assertEqual(client.wait(), 15)
        self.assertEqual(peer.closing(), (4408, "your host answers, your program does not"))

    def test_any_byte_ends_a_doubt(self):
        client, peer, _ = self.pair("--json", "--beat", "200ms", "--answer-within", "1s")
        client.event("health", health="doubtful")
        peer.send(TEXT, "not the answer")
        client.event("message", data="not the answer")
        client.event("health", health="alive")

    def test_close(self):
        client, peer, _ = self.pair("--json", "--no-retry")
        client.event("open")
        client.say("hello")
        peer.text()
        peer.goodbye(4000, "had enough")
        lost = client.event("close")
        self.assertGreaterEqual(lost.pop("open_ms"), 0)
        self.assertEqual(lost, {
            "event": "close", "cause": "CLOSED_BY_PEER", "code": 4000, "reason": "had enough",
            "text": 'The peer closed the connection: 4000 an application\'s code, "had enough".',
            "final": True, "retry_ms": None, "status": 0, "alert": 0, "unconfirmed": 1, "unsent": 0})
        self.assertEqual(client.wait(), 10)
        self.assertEqual(client.err.join(), "")

    def test_every_line_of_json_is_an_object_and_stderr_is_for_problems(self):
        client, peer, listener = self.pair("--json", *QUICK)
        client.event("open")
        peer.reset()
        again = listener.websocket()
        client.event("open")
        client.write(b"\xff\n")
        client.note("^vital connect: line 1 is not valid UTF-8 and was not sent$")
        self.goodbye(client, again)
        self.assertEqual([e["event"] for e in client.events()], ["open", "close", "open", "close"])
        self.assertEqual(len(client.err.seen), 1)


class Words(ConnectCase):
    def test_what_happens_is_told_on_stderr(self):
        client, peer, listener = self.pair(*QUICK)
        address = listener.url.split("/")[2]
        self.assertEqual(client.note("").text, f"open {listener.url} ({address})")
        peer.close()
        self.assertRegex(client.note("").text,
                         "^CUT: The peer ended the stream without a close frame")
        self.assertRegex(client.note("").text, r"^retrying in \d+ ms$")
        again = listener.websocket()
        self.assertEqual(client.note("").text, f"open again {listener.url} ({address})")
        self.goodbye(client, again)
        self.assertEqual(client.note("").text, "We closed the connection: 1000 normal closure.")

    def test_doubt_in_words(self):
        client, peer, _ = self.pair("--beat", "200ms", "--answer-within", "1s", "--beat-text", "hb")
        self.assertEqual(peer.text(), "hb")
        peer.send(TEXT, "hb")
        client.note(r"^doubtful, perhaps STUCK: No answer to our heartbeat message for 0\.\d s\. The "
                    r"peer's kernel still acknowledges what we send")
        peer.send(TEXT, "hb")
        client.note(r"^alive again: rtt ")

    def test_quiet_says_only_what_went_wrong(self):
        client, peer, _ = self.pair("--quiet", "--no-retry")
        peer.goodbye(4000)
        self.assertEqual(client.wait(), 10)
        self.assertEqual(client.err.join(),
                         "vital connect: CLOSED_BY_PEER: The peer closed the connection: 4000 "
                         "an application's code.")

    def test_a_peer_cannot_steer_the_terminal(self):
        client, peer, _ = self.pair("--no-retry")
        peer.goodbye(4000, "red \033[31m and\r\nmore \u009b1m")
        self.assertEqual(client.wait(), 10)
        said = client.err.join()
        self.assertIn('"red ?[31m and??more ?1m"', said)
        self.assertNotRegex(said, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_colours_are_for_terminals_and_not_with_no_color(self):
        coloured = {"TERM": "xterm", "NO_COLOR": ""}
        for terminal, env, wanted in ((True, coloured, True), (False, coloured, False),
                                      (True, {**coloured, "NO_COLOR": "1"}, False),
                                      (True, {**coloured, "TERM": "dumb"}, False)):
            with self.subTest(terminal=terminal, env=env):
                client, peer, _ = self.pair("--no-retry", terminal=terminal, env=env)
                peer.close()
                self.assertEqual(client.wait(), 18)
                self.assertEqual("\033[" in client.err.join(), wanted)


class ComingBack(ConnectCase):
    def test_unsent_lines_are_kept_across_a_reconnect(self):
        client, peer, listener = self.pair(*QUICK, "--json")
        client.event("open")
        client.say("before")
        self.assertEqual(peer.text(), "before")
        peer.reset()
        client.event("close", cause="CUT", final=False)
        client.say("while away 1", "while away 2")
        # A server that takes the call and drops it before the upgrade is done.
        sock, _ = listener.accept()
        client.say("while away 3")
        sock.close()
        lost = client.event("close")
        self.assertEqual((lost["cause"], lost["open_ms"]), ("UNREACHABLE", None))
        again = listener.websocket()
        self.assertEqual([again.text() for _ in range(3)],
                         ["while away 1", "while away 2", "while away 3"])
        self.goodbye(client, again)

    def test_a_busy_server_is_given_the_time_that_it_asks_for(self):
        listener = self.listener()
        client = self.connect(listener.url, "--json")
        listener.refuse("503 Service Unavailable", "Retry-After: 40\r\n")
        lost = client.event("close")
        self.assertEqual((lost["cause"], lost["status"], lost["final"]), ("REJECTED", 503, False))
        self.assertTrue(40000 <= lost["retry_ms"] <= 50000, lost)

    def test_what_is_lost_for_good_is_counted(self):
        listener = self.listener()
        client = self.connect(listener.url)
        client.say("one", "two")
        sock, _ = listener.accept()
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(client.wait(), 13)
        self.assertRegex(client.err.join(), r"403 Forbidden instead of upgrading\. 2 messages were "
                                            r"not sent\.(\n.*)?not sent: 2 lines$")

    def test_no_more_than_one_socket_at_a_time(self):
        client, peer, listener = self.pair(*QUICK, "--beat", "100ms", "--answer-within", "100ms")
        # Silent, it is given up, and its socket with it.
        again = listener.websocket()
        peer.ended()
        self.assertFalse(select.select([listener.sock], [], [], 0)[0])
        again.close()
        client.note("^STUCK: ")


class Ending(ConnectCase):
    """One exit code a cause, as vital(1) promises."""

    def ends(self, code, cause, play, *words, retry=()):
        listener = self.listener()
        client = self.connect(listener.url, "--json", *(retry or ("--no-retry",)), *words)
        play(listener)
        self.assertEqual(client.wait(), code)
        last = client.events("close")[-1]
        self.assertEqual((last["cause"], last["final"]), (cause, True))
        return last

    def says(self, *frames):
        """A server that says this, and ends the stream once the client has answered."""
        def play(listener):
            peer = listener.websocket()
            for data in frames:
                peer.sock.sendall(data)
                peer.closing()
                peer.close()
        return play

    def test_closed_by_peer_with_1000_is_0(self):
        self.ends(0, "CLOSED_BY_PEER", self.says(frame(CLOSE, close_payload(1000, "done"))))

    def test_closed_by_peer_is_10(self):
        last = self.ends(10, "CLOSED_BY_PEER", self.says(frame(CLOSE)))
        self.assertEqual(last["code"], 1005)
        self.ends(10, "CLOSED_BY_PEER", self.says(frame(CLOSE, close_payload(1001))))

    def test_unreachable_is_11(self):
        nobody = ClosedPort()
        self.addCleanup(nobody.close)
        run = self.run_vital("connect", "--no-retry", nobody.url, status=11)
        self.assertRegex(run.err, "^vital connect: UNREACHABLE: .*refused")

    def test_rejected_is_13(self):
        last = self.ends(13, "REJECTED", lambda listener: listener.refuse("404 Not Found"))
        self.assertEqual((last["status"], last["text"]),
                         (404, "The server answered 404 Not Found instead of upgrading."))

    def test_stuck_is_15(self):
        self.ends(15, "STUCK", self.says(), "--beat", "100ms", "--answer-within", "100ms")

    def test_cut_is_18(self):
        self.ends(18, "CUT", lambda listener: listener.websocket().close())
        self.ends(18, "CUT", lambda listener: listener.websocket().reset())

    def test_misbehaved_is_19(self):
        for name, data, code in (("masked", frame(TEXT, "x", mask=True), 1002),
                                 ("reserved opcode", frame(3), 1002),
                                 ("fragmented ping", frame(PING, fin=False), 1002),
                                 ("not UTF-8", frame(TEXT, b"\xff"), 1007),
                                 ("close code 1005", frame(CLOSE, close_payload(1005)), 1002)):
            with self.subTest(name):
                self.assertEqual(self.ends(19, "MISBEHAVED", self.says(data))["code"], code)

    def test_misbehaved_in_the_handshake_is_19(self):
        def wrong_key(listener):
            sock, _ = listener.accept()
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         b"Connection: Upgrade\r\nSec-WebSocket-Accept: bm90IHRoaXMgb25l\r\n\r\n")
        self.assertIn("Sec-WebSocket-Accept", self.ends(19, "MISBEHAVED", wrong_key)["text"])

        def unasked_subprotocol(listener):
            listener.websocket("Sec-WebSocket-Protocol: chat\r\n")
        self.ends(19, "MISBEHAVED", unasked_subprotocol)

    def test_overflow_is_20(self):
        last = self.ends(20, "OVERFLOW", self.says(frame(TEXT, "x" * 1001)), "--max-message", "1kB")
        self.assertEqual(last["code"], 1009)

    def test_some_verdicts_are_final_without_no_retry(self):
        for code in (1002, 1003, 1007, 1008, 1009, 1010, 4401, 4403):
            with self.subTest(code=code):
                self.ends(10, "CLOSED_BY_PEER", self.says(frame(CLOSE, close_payload(code))),
                          retry=QUICK)
        for status in ("200 OK", "301 Moved Permanently", "401 Unauthorized", "403 Forbidden",
                       "404 Not Found"):
            with self.subTest(status=status):
                self.ends(13, "REJECTED", lambda listener, s=status: listener.refuse(s),
                          retry=QUICK)

    def test_others_are_tried_again(self):
        for code in (1001, 1011, 1014, 3000, 4000, 4408):
            with self.subTest(code=code):
                listener = self.listener()
                client = self.connect(listener.url, "--json", *QUICK)
                listener.websocket().goodbye(code)
                client.event("close", code=code, final=False)
                listener.websocket()
                client.event("open")

    def test_signals(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number.name):
                client, peer, _ = self.pair("--json")
                client.event("open")
                client.signal(number)
                self.assertEqual(peer.answer_close(), (1000, ""))
                peer.close()
                self.assertEqual(client.wait(), code)
                self.assertEqual(client.events("close")[-1]["cause"], "CLOSED_BY_US")

    def test_a_second_signal_does_not_wait_for_the_peer(self):
        client, peer, _ = self.pair("--json")
        client.event("open")
        client.signal(signal.SIGINT)
        peer.closing()
        self.assertEqual(self.interrupt(client), 130)

    def test_a_signal_while_away(self):
        nobody = ClosedPort()
        self.addCleanup(nobody.close)
        client = self.connect(nobody.url, "--json")
        client.event("close", final=False)
        self.assertEqual(self.interrupt(client), 130)


class Opening(ConnectCase):
    def test_headers_and_subprotocols(self):
        listener = self.listener()
        self.connect(listener.url + "chat?room=1", "-H", "X-Token: one two", "-H", "X-More:3",
                     "-p", "first", "-p", "second")
        _, head = listener.accept()
        self.assertTrue(head.startswith("GET /chat?room=1 HTTP/1.1\r\n"), head)
        self.assertEqual(header(head, "host"), listener.url.split("/")[2])
        self.assertEqual(header(head, "x-token"), "one two")
        self.assertEqual(header(head, "x-more"), "3")
        self.assertEqual(re.split(", *", header(head, "sec-websocket-protocol")),
                         ["first", "second"])
        self.assertEqual(header(head, "sec-websocket-version"), "13")
        self.assertEqual(len(base64.b64decode(header(head, "sec-websocket-key"))), 16)

    def test_who_we_are_in_the_url_an_option_or_a_file(self):
        listener = self.listener()
        host = listener.url.removeprefix("ws://")
        basic = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 2
        with tempfile.NamedTemporaryFile("w", suffix=".secret") as secret:
            secret.write("Aladdin:open sesame\nnot this\n")
            secret.flush()
            for url, words, expected in (
                    (f"ws://Aladdin:open%20sesame@{host}", (), basic),
                    (listener.url, ("--user", "Aladdin:open sesame"), basic),
                    (listener.url, ("-u", f"@{secret.name}"), basic),
                    (listener.url, ("--bearer", "mF_9.B5f-4.1JqM"), "Bearer mF_9.B5f-4.1JqM"),
            ):
                with self.subTest(url=url, words=words):
                    client = self.connect(url, "--no-retry", *words)
                    _, head = listener.accept()
                    self.assertEqual(header(head, "authorization"), expected)
                    listener.close_last()
                    client.wait()
                    self.assertNotIn("sesame", client.err.join())

    def test_credentials_are_shown_nowhere(self):
        server = self.serve()
        url = server.url.replace("ws://", "ws://user:hunter2@")
        for words in ((), ("--json",)):
            run = self.run_vital("connect", url, *words, stdin=b"x\n", status=0)
            self.assertIn(server.url, run.out + run.err)
            self.assertNotIn("hunter2", run.out + run.err)
        run = self.run_vital("ping", url, "-c", "1", status=0)
        self.assertNotIn("hunter2", run.out + run.err)
        run = self.run_vital("connect", "ws://user:hunter2@127.0.0.1:1/", "-n", status=11)
        self.assertNotIn("hunter2", run.out + run.err)

    def test_a15_redirects_are_followed_with_empty_hands(self):
        first, second = self.listener(), self.listener()
        client = self.connect(first.url, "--user", "a:b", "-H", "Cookie: c=1")
        sock, head = first.accept()
        self.assertEqual(header(head, "authorization"), "Basic YTpi")
        sock.sendall(f"HTTP/1.1 302 Found\r\nLocation: {second.url}there\r\n\r\n".encode())
        sock, head = second.accept()
        self.assertTrue(head.startswith("GET /there HTTP/1.1\r\n"), head)
        self.assertNotRegex(head.lower(), "authorization|cookie")
        sock.close()
        client.note("^UNREACHABLE: ")

    def test_redirects_are_not_followed_without_end_or_at_all(self):
        for words, asked, why in ((("--follow", "0"), 1, "redirects are not followed"),
                                  (("--follow", "1"), 2, "after too many redirects")):
            listener = self.listener()
            client = self.connect(listener.url, *words)
            for _ in range(asked):
                listener.refuse("301 Moved", "Location: /x\r\n")
            self.assertEqual(client.wait(), 13)
            self.assertIn(f"answered 301 Moved, pointing to /x ({why}) instead of upgrading",
                          client.err.join())

    def test_they_are_sent_again_on_return_with_a_new_key(self):
        listener = self.listener()
        self.connect(listener.url, "-H", "X-Token: 1", *QUICK)
        heads = []
        for _ in range(2):
            sock, head = listener.accept()
            sock.close()
            heads.append(head)
            self.assertEqual(header(head, "x-token"), "1")
        self.assertNotEqual(*(header(head, "sec-websocket-key") for head in heads))

    def test_wrong_options_are_a_sentence_a_hint_and_exit_code_2(self):
        url = "ws://127.0.0.1:1/"
        for words, sentence in (
                ((), "which URL?"),
                (("--beat", "5", url),
                 "--beat 5 has no unit; write a time as 250ms, 5s, 2m or 1h"),
                (("--answer-within", "3", url), "--answer-within 3 has no unit"),
                (("--retry-max", "30", url), "--retry-max 30 has no unit"),
                (("--retry-min=1.2345s", url), "--retry-min 1.2345s is finer than a millisecond"),
                (("--beat", "", url), "--beat  is not a time"),
                (("--beat", "0s", url), "--beat 0s is too short"),
                (("--max-message", "5", url),
                 "--max-message 5 has no unit; write a size as 512B, 64KiB or 1MiB"),
                (("--max-message", "2GiB", url), "--max-message 2GiB is too large"),
                (("--bogus", url), "there is no option --bogus"),
                (("--no-retry=1", url), "--no-retry=1 takes no value"),
                ((url, "more"), "takes one URL, and `more` is one too many"),
                (("--user", "a", "--bearer", "b", url), "--user and --bearer exclude each other"),
                (("--user", "@/nonexistent", url), "--user @/nonexistent: No such file"),
                (("--bearer", "@/dev/null", url), "--bearer @/dev/null: the file has no line"),
                (("--bearer", "x" * 5000, url), "the value of --bearer is too long"),
                (("--follow", "101", url), "--follow 101 is not between 0 and 100"),
        ):
            with self.subTest(words=words):
                run = self.run_vital("connect", *words, status=2)
                first, second = run.err.splitlines()
                self.assertTrue(first.startswith("vital connect: " + sentence), first)
                self.assertEqual(second, "try: vital connect --help")
                self.assertEqual(run.out, "")

    def test_what_only_the_library_can_refuse_is_a_sentence_and_exit_code_2(self):
        url = "ws://127.0.0.1:1/"
        for words in (("-H", "no colon", url), ("-H", "X: a\r\nY: b", url),
                      ("-H", "Host: other", url), ("-p", "two words", url),
                      ("-p", "twice", "-p", "twice", url), ("http://127.0.0.1/",), ("",),
                      ("--bearer", "two words", url), ("-u", "a", "ws://b@127.0.0.1:1/"),
                      ("--bearer", "x", "-H", "Authorization: y", url),
                      ("--retry-min", "2s", "--retry-max", "1s", url)):
            with self.subTest(words=words):
                run = self.run_vital("connect", *words, status=2)
                self.assertRegex(run.err, r"^vital connect: .{10,}\n$")
                self.assertEqual(run.out, "")


class Beats(ConnectCase):
    def test_beats_by_ping_frames(self):
        _, peer, _ = self.pair("--beat", "300ms")
        nonces = set()
        for _ in range(3):
            beat = peer.receive()
            self.assertEqual((beat.opcode, len(beat.payload)), (PING, 8))
            peer.send(PONG, beat.payload)
            nonces.add(beat.payload)
        self.assertEqual(len(nonces), 3)

    def test_beats_by_text_and_takes_them_for_no_message(self):
        client, peer, _ = self.pair("--beat", "200ms", "--beat-text", "are you there?")
        for number in range(3):
            self.assertEqual(peer.text(), "are you there?")
            peer.send(TEXT, "are you there?")
            peer.send(TEXT, f"message {number}")
        client.line("^message 2$")
        self.assertEqual([line.text for line in client.out.seen],
                         ["message 0", "message 1", "message 2"])

    def test_without_beat_text_everything_is_a_message(self):
        client, peer, _ = self.pair()
        peer.send(TEXT, "heartbeat")
        client.line("^heartbeat$")
        client.say("heartbeat")
        self.assertEqual(peer.text(), "heartbeat")

    def test_pings_of_the_server_are_answered(self):
        _, peer, _ = self.pair()
        for payload in (b"", b"x" * 125):
            peer.send(PING, payload)
            self.assertEqual(peer.receive_opcode(PONG).payload, payload)

    def test_beat_never_sends_none(self):
        client, peer, _ = self.pair("--beat", "never")
        beaten, other, _ = self.pair("--beat", "200ms")
        for _ in range(3):
            other.send(PONG, other.receive_opcode(PING).payload)
        client.say("hello")
        self.assertEqual(peer.text(), "hello")  # and no beat before it
        self.goodbye(beaten, other)


class Network(ConnectCase):
    """In a network of the client's own, which may be had without being root."""

    def own_network(self, *words):
        alone = ("unshare", "--map-root-user", "--net")
        try:
            subprocess.run(["ip", "-V"], check=True, capture_output=True)
            subprocess.run([*alone, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"needs ip and namespaces of its own: {error}")
        process = Process(*alone, VITAL, *words)
        self.addCleanup(self._end, process)
        return process

    def change(self, process, *words):
        subprocess.run(["nsenter", "-t", str(process.pid), "-U", "-n", "--preserve-credentials",
                        "ip", *words], check=True, timeout=DEADLINE)

    def test_a_network_that_comes_up_ends_the_waiting(self):
        client = self.own_network("connect", "--json", "--retry-first", "1ms", "--retry-min", "60s",
                                  "--retry-max", "60s", "ws://192.0.2.7:9/")
        self.assertLess(client.event("close")["retry_ms"], 60000)
        self.assertEqual(client.event("close")["retry_ms"], 60000)
        self.change(client, "address", "add", "192.0.2.1/24", "dev", "lo")
        self.change(client, "link", "set", "lo", "up")
        sooner = client.event("sooner")
        self.assertEqual(sooner["why"], "network")
        self.assertLessEqual(sooner["retry_ms"], 500)
        again = client.event("close")
        self.assertLess(again.at - sooner.at, 10)
        self.interrupt(client)
