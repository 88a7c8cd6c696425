"""`vital serve` from outside: what it listens on, says, echoes, beats and how it ends."""
import pathlib
import selectors
import signal
import socket
import tempfile
import time
import zlib

from peers import (BINARY, CLOSE, PING, PONG, RSV1, TEXT, UPGRADE, Listener, close_payload, dial,
                   frame, header, open_socket, read_head)
from vital_process import BACKEND, DEADLINE, VitalCase


class ServeCase(VitalCase):
    def dial(self, server, headers=""):
        client = dial(server.url, headers=headers)
        self.addCleanup(client.close)
        return client

    def nothing_but(self, client, *texts):
        """The echoes of these texts, in order; a close proves that no more followed."""
        for text in texts:
            self.assertEqual(client.text(), text)
        client.send(CLOSE, close_payload(1000))
        got = client.receive()
        self.assertEqual((got.opcode, got.payload), (CLOSE, close_payload(1000)))
        client.ended()


class Listening(ServeCase):
    def test_it_says_where_it_listens_once_it_does(self):
        server = self.start("serve", "--listen", "127.0.0.1:0")
        said = server.line("").text
        self.assertRegex(said, r"^listening on ws://127\.0\.0\.1:[1-9]\d*/$")
        dial(said.removeprefix("listening on ")).close()
        server.note(r"^try: vital ping ws://127\.0\.0\.1:\d+/$")

    def test_several_addresses_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/echo.sock"
            server = self.start("serve", "--json", "-l", "127.0.0.1:0", "-l", f"unix:{path}")
            for starts in ("ws://127.0.0.1:", "ws+unix:"):
                server.url = server.event("listening")["url"]
                self.assertTrue(server.url.startswith(starts), server.url)
                client = self.dial(server)
                client.send(TEXT, "hello")
                self.nothing_but(client, "hello")
            self.assertEqual(self.interrupt(server), 0)

    def test_it_waits_with_what_was_asked_for_and_says_so(self):
        for name, backend in (("epoll", "epoll"), (BACKEND or "auto", {"uring": "io_uring"}.get(
                BACKEND, "epoll"))):
            with self.subTest(name=name):
                server = self.start("serve", "--json", "--listen", "127.0.0.1:0",
                                    "--backend", name)
                self.assertEqual(server.event("listening")["backend"], backend)
                self.assertEqual(self.interrupt(server), 0)

    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            server = self.serve("--listen", f"unix:{folder}/echo.sock")
            self.assertEqual(server.url, f"ws+unix:{folder}/echo.sock")
            run = self.run_vital("connect", server.url, stdin=b"hello\n", status=0)
            self.assertEqual(run.out, "hello\n")
            self.assertEqual(self.interrupt(server), 0)
            self.assertFalse(pathlib.Path(f"{folder}/echo.sock").exists())

    def test_ipv6(self):
        try:
            socket.socket(socket.AF_INET6).bind(("::1", 0))
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        server = self.serve("--listen", "[::1]:0")
        self.assertRegex(server.url, r"^ws://\[::1\]:\d+/$")
        run = self.run_vital("connect", server.url, stdin=b"hello\n", status=0)
        self.assertEqual(run.out, "hello\n")

    def test_an_address_that_cannot_be_had_is_a_sentence_and_exit_code_2(self):
        taken = Listener()
        self.addCleanup(taken.close)
        address = taken.url.split("/")[2]
        for words, sentence in (
                (("-l", address), f"cannot listen on {address}: Address already in use"),
                (("-l", "192.0.2.1:9001"),
                 "cannot listen on 192.0.2.1:9001: Cannot assign requested address"),
                (("-l", "127.0.0.1:65536"), "port must be a number from 0 to 65535"),
                (("-l", "nowhere.example:9001"), "address must be numeric"),
                (("-l", ""), "address"),
                (("-l", "unix:/nonexistent/echo.sock"), "No such file or directory"),
        ):
            with self.subTest(words=words):
                run = self.run_vital("serve", *words, status=2)
                self.assertEqual(run.out, "")
                self.assertTrue(run.err.startswith("vital serve: "), run.err)
                self.assertIn(sentence, run.err)

    def test_wrong_options_are_a_sentence_a_hint_and_exit_code_2(self):
        for words, sentence in (
                (("--beat", "5"), "--beat 5 has no unit; write a time as 250ms, 5s, 2m or 1h"),
                (("--beat", "-5s"), "--beat -5s is not a time"),
                (("--answer-within", "never"), "--answer-within never is not a time"),
                (("--threads", "0"), "--threads 0 is not between 1 and 256"),
                (("--threads", "many"), "--threads many is not a whole number"),
                (("--threads", "2", "-l", "unix:/tmp/x"), "a Unix socket has one listener"),
                (("--max-message", "10"), "--max-message 10 has no unit"),
                (("--drain-code", "1005"), "--drain-code is 1001 or 1012"),
                (("--drain-code",), "--drain-code needs a value"),
                (("--opens-per-s", "0"), "--opens-per-s 0 is not between 1 and 1000000"),
                (("--retry-from", "5s"), "--retry-from is later than --retry-within"),
                (("--retry-within", "17m"), "--retry-within is at most 999s"),
                (("--backend", "kqueue"), "--backend kqueue is not known"),
                (("--bogus",), "there is no option --bogus"),
                (("--json=yes",), "--json=yes takes no value"),
                (("ws://127.0.0.1:9001/",), "takes no argument"),
        ):
            with self.subTest(words=words):
                run = self.run_vital("serve", *words, status=2)
                first, second = run.err.splitlines()
                self.assertTrue(first.startswith("vital serve: " + sentence), first)
                self.assertEqual(second, "try: vital serve --help")
                self.assertEqual(run.out, "")


class Pages(ServeCase):
    def status(self, server, origin):
        sock = open_socket(server.url)
        self.addCleanup(sock.close)
        lines = f"Origin: {origin}\r\n" if origin is not None else ""
        sock.sendall(UPGRADE.replace("\r\n\r\n", f"\r\n{lines}\r\n").encode())
        return read_head(sock)[0].split()[1]

    def test_a13_a_foreign_page_is_refused_by_default(self):
        server = self.serve()
        for origin, status in ((None, "101"), ("http://evil.test", "403"), ("null", "403")):
            self.assertEqual(self.status(server, origin), status)
        lost = server.event("close")
        self.assertEqual((lost["cause"], lost["status"]), ("REJECTED", 403))
        self.assertIn("We refused the upgrade with 403: pages of this Origin", lost["text"])

    def test_origins_can_be_listed_or_all(self):
        server = self.serve("-o", "https://a.example", "--origin", "http://b.example:8000")
        for origin, status in (("https://a.example", "101"), ("http://b.example:8000", "101"),
                               ("http://a.example", "403"), (None, "101")):
            self.assertEqual(self.status(server, origin), status)
        self.assertEqual(self.status(self.serve("--origin", "*"), "null"), "101")
        run = self.run_vital("serve", "--origin", "https://a.example/app", status=2)
        self.assertIn("an origin is a scheme and a host", run.err)


class Echoes(ServeCase):
    def test_text_and_binary_come_back_as_they_were(self):
        client = self.dial(self.serve())
        for opcode, payload in ((TEXT, "grüße".encode()), (BINARY, bytes(range(256))), (TEXT, b""),
                                (BINARY, b"x" * 65536)):
            client.send(opcode, payload)
            kind, echo = client.message()
            self.assertEqual(kind, opcode)
            self.assertTrue(echo == payload, f"{len(payload)} bytes came back otherwise")

    def test_an_in_band_beat_is_answered_once_and_not_echoed_as_well(self):
        client = self.dial(self.serve())
        for text in ("heartbeat", "one", "heartbeat", "heartbeat", "heartbeats"):
            client.send(TEXT, text)
        client.send(CLOSE, close_payload(1000))
        texts = []
        while (got := client.receive()).opcode == TEXT:
            texts.append(got.payload.decode())
        self.assertEqual(texts.count("heartbeat"), 3)  # these overtake what is queued
        self.assertEqual([t for t in texts if t != "heartbeat"], ["one", "heartbeats"])

    def test_the_beat_of_another_text(self):
        client = self.dial(self.serve("--beat-text", "ping?"))
        client.send(TEXT, "ping?")
        self.assertEqual(client.text(), "ping?")
        client.send(TEXT, "heartbeat")
        self.nothing_but(client, "heartbeat")

    def test_no_text_is_a_beat(self):
        client = self.dial(self.serve("--beat-text", ""))
        for text in ("one", "heartbeat", "", "two"):
            client.send(TEXT, text)
        self.nothing_but(client, "one", "heartbeat", "", "two")

    def test_a_subprotocol_is_the_first_of_its_own_that_the_client_offers(self):
        url = self.serve("-p", "first", "-p", "second").url
        for offered, spoken in ((("second", "first"), "first"), (("other", "second"), "second"),
                                (("other",), ""), ((), "")):
            with self.subTest(offered=offered):
                words = [word for name in offered for word in ("--subprotocol", name)]
                run = self.run_vital("connect", "--json", *words, url, status=0)
                self.assertEqual(run.events("open")[0]["subprotocol"], spoken)

    def test_messages_are_compressed_if_both_ends_are_asked_to(self):
        lines = "\n".join(f"{n} " + "a line with much in it that repeats, " * 20
                          for n in range(100)) + "\n"
        for served, connected in ((True, True), (True, False), (False, True)):
            with self.subTest(served=served, connected=connected):
                server = self.serve(*["--compress"] * served)
                run = self.run_vital("connect", *["--compress"] * connected, server.url,
                                     stdin=lines.encode(), status=0)
                self.assertEqual(run.out, lines)
                both = served and connected
                self.assertEqual("compressed" in run.err, both)
                self.assertEqual(server.event("open")["compressed"], both)
                self.assertEqual(self.interrupt(server), 0)

    def test_what_is_compressed_by_zlib_itself_is_echoed_compressed(self):
        server = self.serve("--compress")
        client = self.dial(server, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
        self.assertEqual(header(client.head, "Sec-WebSocket-Extensions"),
                         "permessage-deflate; server_no_context_takeover; "
                         "client_no_context_takeover")
        text = "to be said again and again, " * 40
        deflater = zlib.compressobj(wbits=-15)
        packed = deflater.compress(text.encode()) + deflater.flush(zlib.Z_SYNC_FLUSH)
        client.send(TEXT | RSV1, packed[:-4])
        got = client.receive()
        self.assertEqual(got.opcode, TEXT | RSV1)
        self.assertLess(len(got.payload), 100)
        self.assertEqual(zlib.decompressobj(wbits=-15).decompress(got.payload).decode(), text)

    def test_four_threads_share_a_port(self):
        server = self.serve("--threads", "4")
        clients = [self.dial(server) for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(TEXT, f"hello {number}")
        for number, client in enumerate(clients):
            self.assertEqual(client.text(), f"hello {number}")
        opens = [server.event("open") for _ in clients]
        self.assertEqual(sorted(e["id"] for e in opens), list(range(1, 41)))
        self.assertEqual(max(e["connections"] for e in opens), 40)
        server.signal(signal.SIGTERM)
        for client in clients:
            self.assertEqual(client.answer_close(), (1001, "server is shutting down"))
        self.assertEqual(server.wait(), 0)
        self.assertEqual(len(server.events("close")), 40)
        self.assertEqual(server.events()[-1], {"event": "drained"})

    def test_a_message_that_is_too_large_is_closed_with_1009(self):
        server = self.serve("--max-message", "1kB")
        client = self.dial(server)
        client.send(TEXT, "x" * 1000)
        self.assertEqual(client.text(), "x" * 1000)
        client.send(TEXT, "x" * 1001)
        self.assertEqual(client.closing()[0], 1009)
        lost = server.event("close")
        self.assertEqual((lost["cause"], lost["code"]), ("OVERFLOW", 1009))

    def flood(self, server, seconds):
        """A client that has written until nobody takes more; how many messages went whole."""
        client = dial(server.url, receive_buffer=4096)
        self.addCleanup(client.close)
        message = frame(BINARY, bytes(range(256)) * 256, mask=True)
        client.sock.settimeout(seconds)
        sent = 0
        try:
            while True:
                client.sock.sendall(message)
                sent += 1
        except TimeoutError:
            return client, sent

    def test_a_client_that_writes_faster_than_it_reads_is_slowed_down_and_loses_nothing(self):
        server = self.serve("--max-message", "64KiB")
        client, sent = self.flood(server, 2)
        self.assertGreater(sent, 10)
        for _ in range(sent):
            self.assertEqual(client.message(), (BINARY, bytes(range(256)) * 256))

    def test_a_client_that_reads_nothing_is_slow(self):
        server = self.serve("--max-message", "64KiB", "--send-within", "1500ms")
        client, _ = self.flood(server, 1)
        lost = server.event("close")
        self.assertEqual((lost["cause"], lost["code"]), ("SLOW", 1006))
        self.assertRegex(lost["text"], r"no byte of it has left for 1\.\d s")


class Log(ServeCase):
    def test_every_event_is_a_json_object_on_a_line_of_stdout(self):
        server = self.serve()
        client = self.dial(server)
        peer = "%s:%d" % client.sock.getsockname()
        self.assertEqual(server.event("open"), {
            "event": "open", "id": 1, "peer": peer, "compressed": False, "tls": None,
            "certificate": None, "connections": 1})
        client.send(CLOSE, close_payload(4000, "had enough"))
        lost = server.event("close")
        self.assertGreaterEqual(lost.pop("open_ms"), 0)
        self.assertEqual(lost, {
            "event": "close", "id": 1, "peer": peer, "cause": "CLOSED_BY_PEER", "code": 4000,
            "reason": "had enough", "final": True, "retry_ms": None, "status": 0, "alert": 0,
            "unconfirmed": 0, "unsent": 0,
            "text": 'The peer closed the connection: 4000 an application\'s code, "had enough".'})
        self.assertEqual(self.interrupt(server, signal.SIGTERM), 0)
        self.assertEqual(server.events()[-2:], [
            {"event": "draining", "code": 1001, "connections": 0, "spread_ms": 0},
            {"event": "drained"}])
        self.assertEqual(server.err.join(), "")

    def test_opens_and_closes_in_words(self):
        server = self.start("serve", "--listen", "127.0.0.1:0")
        url = server.line("^listening on ").text.removeprefix("listening on ")
        client = dial(url)
        peer = "%s:%d" % client.sock.getsockname()
        self.assertEqual(server.note("^open").text, f"open #1 {peer} (1 connection)")
        client.reset()
        self.assertRegex(server.note("^close").text,
                         rf"^close #1 {peer} after .*: CUT: The connection was reset")
        server.signal(signal.SIGTERM)
        server.note("^terminated: closing 0 connections with 1001$")
        server.note("^drained$")
        self.assertEqual(server.wait(), 0)

    def test_quiet_logs_no_opens_and_closes(self):
        server = self.start("serve", "--listen", "127.0.0.1:0", "--quiet")
        url = server.line("^listening on ").text.removeprefix("listening on ")
        self.run_vital("connect", url, stdin=b"hello\n", status=0)
        self.assertEqual(self.interrupt(server), 0)
        self.assertEqual(server.err.join(), "")

    def test_an_unfinished_handshake_has_no_number(self):
        server = self.serve()
        sock = open_socket(server.url)
        sock.sendall(b"nonsense\r\n\r\n")
        head, _ = read_head(sock)
        sock.close()
        self.assertTrue(head.startswith("HTTP/1.1 400 "), head)
        lost = server.event("close")
        self.assertNotIn("id", lost)
        self.assertIsNone(lost["open_ms"])

    def test_a_plain_get_is_told_to_upgrade_in_words(self):
        server = self.serve()
        sock = open_socket(server.url)
        sock.sendall(b"GET /room HTTP/1.1\r\nHost: test\r\n\r\n")
        head, body = read_head(sock)
        while got := sock.recv(4096):
            body += got
        sock.close()
        self.assertTrue(head.startswith("HTTP/1.1 426 Upgrade Required\r\n"), head)
        self.assertEqual(header(head, "upgrade").lower(), "websocket")
        self.assertRegex(header(head, "content-type"), "^text/plain")
        self.assertEqual(int(header(head, "content-length")), len(body))
        self.assertIn(b"WebSocket", body)
        lost = server.event("close")
        self.assertEqual((lost["cause"], lost["status"]), ("CLOSED_BY_US", 426))


class Beats(ServeCase):
    def test_idle_clients_are_pinged_at_jittered_times(self):
        beat = 1.0
        server = self.serve("--beat", "1s")
        opened, pings = {}, {}
        with selectors.DefaultSelector() as ready:
            for _ in range(20):
                client = self.dial(server)
                opened[client] = time.monotonic()
                pings[client] = []
                ready.register(client.sock, selectors.EVENT_READ, client)
            while any(len(seen) < 3 for seen in pings.values()):
                turn = ready.select(DEADLINE)
                self.assertTrue(turn, "nobody is pinged")
                for key, _ in turn:
                    ping = key.data.receive()
                    self.assertEqual((ping.opcode, len(ping.payload)), (PING, 8))
                    key.data.send(PONG, ping.payload)
                    pings[key.data].append(ping)

        firsts = [seen[0].at - opened[client] for client, seen in pings.items()]
        gaps = [later.at - earlier.at for seen in pings.values()
                for earlier, later in zip(seen, seen[1:])]
        for first in firsts:
            self.assertGreater(first, 0.5 * beat - 0.1)
            self.assertLess(first, beat + 0.5)
        for gap in gaps:
            self.assertGreater(gap, 0.8 * beat - 0.1)
            self.assertLess(gap, beat + 0.5)
        # Twenty draws from half a second, forty or more from a fifth of one.
        self.assertGreater(max(firsts) - min(firsts), 0.15)
        self.assertGreater(max(gaps) - min(gaps), 0.05)
        nonces = [ping.payload for seen in pings.values() for ping in seen]
        self.assertEqual(len(set(nonces)), len(nonces), "a nonce was used twice")

    def test_a_client_that_talks_is_not_pinged(self):
        client = self.dial(self.serve("--beat", "500ms"))
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            client.send(TEXT, "still here")
            self.assertEqual(client.text(), "still here")  # and so no ping

    def test_beat_never_sends_none(self):
        quiet = self.dial(self.serve("--beat", "never"))
        beaten = self.dial(self.serve("--beat", "200ms"))
        for _ in range(4):
            beaten.send(PONG, beaten.receive_opcode(PING).payload)
        self.nothing_but(quiet)


class Ending(ServeCase):
    def test_sigterm_closes_every_connection_with_1001_and_ends_with_0(self):
        server = self.serve()
        clients = [self.dial(server) for _ in range(5)]
        for _ in clients:
            server.event("open")
        server.signal(signal.SIGTERM)
        server.event("draining", code=1001, connections=5)
        for client in clients:
            self.assertEqual(client.answer_close(), (1001, "server is shutting down"))
            client.ended()
        server.event("drained")
        self.assertEqual(server.wait(), 0)
        self.assertEqual({e["cause"] for e in server.events("close")}, {"CLOSED_BY_US"})

    def test_the_drain_code_1012(self):
        server = self.serve("--drain-code", "1012")
        client = self.dial(server)
        server.signal(signal.SIGINT)
        self.assertEqual(client.answer_close(), (1012, "server is restarting"))
        self.assertEqual(server.wait(), 0)

    def test_a_drain_says_when_to_come_back(self):
        server = self.serve("--drain-code", "1012", "--retry-from", "5s", "--retry-within", "30s")
        client = self.dial(server)
        server.signal(signal.SIGTERM)
        self.assertEqual(client.answer_close(), (1012, "server is restarting; retry in 5-30 s"))
        self.assertEqual(server.wait(), 0)

    def test_a_spread_drain_serves_who_waits_and_ends_at_once_at_a_second_signal(self):
        server = self.serve("--drain-spread", "1h")
        first = self.dial(server)
        server.event("open")
        second = self.dial(server)
        server.event("open")
        server.signal(signal.SIGTERM)
        server.event("draining", connections=2, spread_ms=3600 * 1000)
        self.assertEqual(first.answer_close()[0], 1001)
        second.send(TEXT, "still here")
        self.assertEqual(second.text(), "still here")
        self.assertEqual(self.interrupt(server, signal.SIGTERM), 128 + signal.SIGTERM)

    def test_a_spread_drain_of_few_ends_in_its_time(self):
        server = self.serve("--drain-spread", "600ms")
        clients = [self.dial(server) for _ in range(3)]
        for _ in clients:
            server.event("open")
        asked = server.signal(signal.SIGTERM)
        for client in clients:
            self.assertEqual(client.answer_close()[0], 1001)
        drained = server.event("drained")
        self.assertGreaterEqual(drained.at - asked, 0.35)  # the last of three
        self.assertEqual(server.wait(), 0)

    def test_while_draining_nobody_is_let_in(self):
        server = self.serve()
        client = self.dial(server)
        server.signal(signal.SIGTERM)
        server.event("draining")
        self.assertEqual(client.closing()[0], 1001)
        with self.assertRaises(ConnectionRefusedError):
            open_socket(server.url)
        client.send(CLOSE, close_payload(1001))
        self.assertEqual(server.wait(), 0)

    def test_a_second_signal_does_not_wait_for_a_client_that_says_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                server = self.serve()
                client = self.dial(server)
                server.signal(number)
                server.event("draining")
                client.closing()
                self.assertEqual(self.interrupt(server, number), 128 + number)

    def test_a_client_that_says_nothing_does_not_hold_up_the_end_for_ever(self):
        server = self.serve()
        client = self.dial(server)
        server.event("open")
        asked = server.signal(signal.SIGTERM)
        drained = server.event("drained")
        self.assertEqual(server.wait(), 0)
        self.assertLess(drained.at - asked, 5 + 2.5)  # limits.close_ms
        self.assertEqual(client.closing()[0], 1001)
