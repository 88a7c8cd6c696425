"""What `vital serve` answers beside the echo: health, metrics, the feed, the demo."""
import base64
import collections
import gzip
import hashlib
import json
import re
import select
import signal
import time

from peers import PING, PONG, TEXT, UPGRADE, dial, open_socket, read_head
from vital_process import DEADLINE, ROOT, VitalCase

Answer = collections.namedtuple("Answer", "status headers body")
TOKEN = "a-token-of-24-characters"
KEY = "0123456789abcdef0123456789abcdef"


class WebCase(VitalCase):
    def ask(self, server, path, *headers, method="GET", host=None):
        sock = open_socket(server.url)
        self.addCleanup(sock.close)
        host = host or server.url.split("/")[2]
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
        sock.sendall("\r\n".join(lines).encode())
        head, body = read_head(sock)
        while got := sock.recv(65536):
            body += got
        status, *lines = head.splitlines()
        return Answer(int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body)

    def dial(self, server, path="/", headers=""):
        client = dial(server.url, path=path, headers=headers, host=server.url.split("/")[2])
        self.addCleanup(client.close)
        return client

    def told(self, feed, wanted=lambda told: True):
        """The next that the feed tells for which wanted(told) is true."""
        give_up = time.monotonic() + DEADLINE
        while True:
            self.assertLess(time.monotonic(), give_up, "in vain")
            text = b""
            while not text.endswith(b"}"):  # a large one comes in fragments
                got = feed.receive()
                if got.opcode == PING:
                    feed.send(PONG, got.payload)
                else:
                    text += got.payload
            if wanted(told := json.loads(text)):
                return told

    def upgrade_status(self, server, path, *headers):
        answer = self.ask(server, path, "Upgrade: websocket", "Connection: Upgrade",
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                          "Sec-WebSocket-Version: 13", *headers)
        return answer.status, answer.body.decode()


class Health(WebCase):
    def test_healthz_says_ok_to_get_and_head(self):
        server = self.serve()
        answer = self.ask(server, "/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
        head = self.ask(server, "/healthz", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["Content-Length"], "3")

    def test_healthz_is_for_everybody(self):
        server = self.serve("--token", TOKEN)
        answer = self.ask(server, "/healthz", "X-Forwarded-For: 192.0.2.1", host="evil.test")
        self.assertEqual(answer.status, 200)

    def test_before_a_drain_healthz_says_503_and_all_else_goes_on(self):
        server = self.serve("--drain-after", "1500ms")
        client = self.dial(server)
        began = server.signal(signal.SIGTERM)
        server.event("draining", connections=1)
        answer = self.ask(server, "/healthz")
        self.assertEqual((answer.status, answer.body), (503, b"draining\n"))
        late = self.dial(server)
        for one in (client, late):
            one.send(TEXT, "still here")
            self.assertEqual(one.text(), "still here")
        for one in (client, late):
            self.assertEqual(one.answer_close(), (1001, "server is shutting down"))
        self.assertEqual(server.wait(), 0)
        self.assertGreater(time.monotonic() - began, 1.5)

    def test_who_comes_too_many_at_once_is_told_when_and_health_is_not_counted(self):
        server = self.serve("--opens-per-s", "1")
        crowd = [open_socket(server.url) for _ in range(12)]
        for sock in crowd:
            self.addCleanup(sock.close)
        for sock in crowd:
            sock.sendall(UPGRADE.encode())
        heads = [read_head(sock)[0] for sock in crowd]
        refused = [head for head in heads if " 503 " in head.splitlines()[0]]
        told = [int(re.search(r"\r\nRetry-After: (\d+)\r\n", head)[1]) for head in refused]
        self.assertGreater(len(told), 2)  # ten, if that took no second
        self.assertGreater(max(told), min(told))
        self.assertEqual(self.ask(server, "/healthz").status, 200)
        metrics = self.ask(server, "/metrics").body.decode()
        self.assertIn(f"\nvital_opens_put_off_total {len(told)}\n", metrics)

    def test_other_paths_are_websockets_and_say_so(self):
        answer = self.ask(self.serve(), "/room/7")
        self.assertEqual((answer.status, answer.headers["Upgrade"]), (426, "websocket"))
        self.assertIn(b"WebSocket", answer.body)

    def test_what_went_well_is_not_logged_and_a_refusal_is(self):
        server = self.serve()
        self.ask(server, "/healthz")
        self.ask(server, "/metrics", host="evil.test")
        self.assertEqual(self.interrupt(server), 0)
        closes = server.events("close")
        self.assertEqual([event["status"] for event in closes], [403])


class Page(WebCase):
    page = (ROOT / "browser/page/dist/page.html").read_bytes()

    def test_it_is_gzipped_for_those_who_take_that(self):
        server = self.serve()
        for accepted, packed in ((None, False), ("gzip", True), ("deflate, GZip;q=0.5", True),
                                 ("*", True), ("gzip;q=0", False), ("identity", False),
                                 ("x-gzip-not, br", False), ("", False)):
            with self.subTest(accepted=accepted):
                lines = [f"Accept-Encoding: {accepted}"] if accepted is not None else []
                answer = self.ask(server, "/", *lines)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers.get("Content-Encoding"), "gzip" if packed else None)
                body = gzip.decompress(answer.body) if packed else answer.body
                self.assertTrue(body == self.page, "it is another page")
                self.assertEqual(answer.headers["Vary"], "Accept-Encoding")

    def test_only_its_own_script_and_style_may_run_and_nobody_may_frame_it(self):
        headers = self.ask(self.serve(), "/").headers
        policy = dict(part.split(" ", 1)
                      for part in headers["Content-Security-Policy"].split("; "))
        for element in ("script", "style"):
            [inside] = re.findall(rf"<{element}[^>]*>(.*?)</{element}>".encode(), self.page, re.S)
            digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
            self.assertEqual(policy.pop(f"{element}-src"), f"'sha256-{digest}'")
        self.assertEqual(policy, {
            "default-src": "'none'", "img-src": "data:", "connect-src": "'self'",
            "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"})
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")

    def test_who_has_it_is_not_sent_it_again(self):
        server = self.serve()
        first = self.ask(server, "/")
        self.assertEqual(first.headers["Cache-Control"], "no-cache")
        again = self.ask(server, "/", f"If-None-Match: {first.headers['ETag']}")
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(again.headers["ETag"], first.headers["ETag"])
        self.assertEqual(self.ask(server, "/", 'If-None-Match: "another"').status, 200)

    def test_head_has_its_length_and_no_body(self):
        answer = self.ask(self.serve(), "/", method="HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(int(answer.headers["Content-Length"]), len(self.page))

    def test_it_is_small(self):
        self.assertLessEqual(len(self.page), 60_000)


def parse_metrics(text):
    """Prometheus' text format 0.0.4, strictly. {name: {labels: value}}"""
    families, samples = {}, {}
    family = None
    assert text.endswith("\n")
    for line in text.splitlines():
        if match := re.fullmatch(r"# HELP (vital_[a-z_]+) ([A-Z].*\.)", line):
            family = match[1]
            assert family not in families, f"{family} is described twice"
            families[family] = None
        elif match := re.fullmatch(r"# TYPE (vital_[a-z_]+) (counter|gauge|histogram)", line):
            assert match[1] == family and families[family] is None, line
            families[family] = match[2]
        else:
            match = re.fullmatch(r'(vital_[a-z_]+)(?:\{([a-z]+)="([^"\\]*)"\})? (\d+(?:\.\d+)?)',
                                 line)
            assert match, f"not a sample: {line}"
            name, label, value, number = match.groups()
            suffix = name.removeprefix(family)
            wanted = ("_bucket", "_sum", "_count") if families[family] == "histogram" else ("",)
            assert suffix in wanted, f"{line} in {family}"
            assert (label == "le") == (suffix == "_bucket"), line
            assert families[family] != "counter" or name.endswith("_total"), line
            series = samples.setdefault(name, {})
            assert value not in series, f"twice: {line}"
            series[value] = float(number)
    for name in (name for name, kind in families.items() if kind == "histogram"):
        buckets = samples[name + "_bucket"]
        assert list(map(float, buckets)) == sorted(map(float, buckets)), name
        assert list(buckets.values()) == sorted(buckets.values()), name
        assert buckets["+Inf"] == samples[name + "_count"][None], name
    return samples


class Metrics(WebCase):
    def metrics(self, server, *headers):
        answer = self.ask(server, "/metrics", *headers)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["Content-Type"],
                         "text/plain; version=0.0.4; charset=utf-8")
        return parse_metrics(answer.body.decode())

    def until(self, server, name, label, value):
        """The metrics, once this one has that value."""
        give_up = time.monotonic() + DEADLINE
        while (metrics := self.metrics(server))[name][label] != value:
            self.assertLess(time.monotonic(), give_up, f"{name} is {metrics[name]}")
        return metrics

    def test_what_happens_to_connections_is_counted(self):
        server = self.serve("--beat", "100ms")
        client = self.dial(server)
        for _ in range(3):
            while (got := client.receive()).opcode != PING:
                pass
            client.send(PONG, got.payload)
        client.send(TEXT, "heartbeat")
        metrics = self.until(server, "vital_beats_heard_total", None, 1)
        self.assertEqual(metrics["vital_connections"][None], 1)
        self.assertEqual(metrics["vital_opens_total"]["opened"], 1)
        self.assertGreaterEqual(metrics["vital_beats_answered_total"][None], 3)
        self.assertEqual(metrics["vital_rtt_seconds_count"][None],
                         metrics["vital_beats_answered_total"][None])
        self.assertGreater(metrics["vital_rtt_seconds_sum"][None], 0)
        self.assertGreater(metrics["vital_loop_lag_seconds_count"][None], 0)
        client.reset()
        metrics = self.until(server, "vital_closes_total", "CUT", 1)
        self.assertEqual(metrics["vital_connections"][None], 0)

    def test_a_client_that_does_not_answer_is_a_detection(self):
        server = self.serve("--beat", "100ms", "--answer-within", "200ms")
        self.dial(server)
        server.event("close", cause="STUCK")  # its kernel lives
        metrics = self.metrics(server)
        self.assertEqual(metrics["vital_closes_total"]["STUCK"], 1)
        self.assertEqual(metrics["vital_beats_late_total"][None], 1)
        self.assertEqual(metrics["vital_detection_seconds_count"][None], 1)
        self.assertGreater(metrics["vital_detection_seconds_sum"][None], 0.25)

    def test_all_threads_are_summed_up(self):
        server = self.serve("--threads", "4")
        clients = [self.dial(server) for _ in range(20)]
        metrics = self.metrics(server)
        self.assertEqual(metrics["vital_loops"][None], 4)
        self.assertEqual(metrics["vital_connections"][None], len(clients))

    def test_head_has_the_length_and_no_body(self):
        answer = self.ask(self.serve(), "/metrics", method="HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertGreater(int(answer.headers["Content-Length"]), 1000)


class Watchers(WebCase):
    """Who may see what concerns all connections."""

    def statuses(self, server, *headers, query=""):
        """Of /metrics and of the feed, and what the page is told."""
        answer = self.ask(server, "/metrics" + query, *headers)
        feed, _ = self.upgrade_status(server, "/vital/feed" + query, *headers)
        about = self.ask(server, "/vital/about" + query, *headers)
        return answer.status, feed, json.loads(about.body)["feed"]

    def test_without_a_token_those_who_are_local_may(self):
        server = self.serve()
        self.assertEqual(self.ask(server, "/metrics").status, 200)
        port = server.url.rstrip("/").rsplit(":", 1)[1]
        self.assertEqual(self.ask(server, "/metrics", host=f"localhost:{port}").status, 200)
        feed = self.dial(server, "/vital/feed")
        self.assertEqual(self.told(feed)["loops"], 1)

    def test_who_was_passed_on_by_a_proxy_is_not_local(self):
        server = self.serve()
        for sign in ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "Via: 1.1 proxy",
                     "X-Real-IP: 127.0.0.1", "X-Forwarded-Host: localhost",
                     "x-forwarded-proto: https"):
            with self.subTest(sign=sign):
                self.assertEqual(self.statuses(server, sign), (403, 403, "local"))

    def test_a_name_that_was_bound_to_this_machine_is_not_local(self):
        answer = self.ask(self.serve(), "/metrics", host="rebound.test:9001")
        self.assertEqual(answer.status, 403)
        self.assertIn(b"--token", answer.body)

    def test_a_page_of_another_site_may_echo_if_it_is_let_in_but_not_watch(self):
        server = self.serve("--origin", "*")
        self.dial(server, headers="Origin: http://other.test\r\n")
        status, why = self.upgrade_status(server, "/vital/feed", "Origin: http://other.test")
        self.assertEqual(status, 403)
        self.assertIn("--token", why)

    def test_with_a_token_who_has_it_may_and_nobody_else(self):
        server = self.serve("--token", TOKEN)
        for headers, query in (((), ""), (("Authorization: Bearer wrong",), ""),
                               ((f"Authorization: Basic {TOKEN}",), ""), ((), "?token="),
                               ((), f"?token={TOKEN}x"), ((), f"?other={TOKEN}")):
            with self.subTest(headers=headers, query=query):
                self.assertEqual(self.statuses(server, *headers, query=query),
                                 (401, 401, "token"))
        forwarded = "X-Forwarded-For: 192.0.2.1"
        for headers, query in (((f"Authorization: Bearer {TOKEN}", forwarded), ""),
                               ((forwarded,), f"?token={TOKEN}")):
            with self.subTest(headers=headers, query=query):
                answer = self.ask(server, "/metrics" + query, *headers, host="vital.test")
                self.assertEqual(answer.status, 200)
                lines = "".join(line + "\r\n" for line in headers)
                feed = self.dial(server, "/vital/feed" + query, lines)
                self.assertEqual(self.told(feed)["watching"], 1)
                feed.close()
        answer = self.ask(server, "/metrics")
        self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        self.assertNotIn(TOKEN.encode(), answer.body)

    def test_the_token_may_come_from_the_environment(self):
        server = self.start("serve", "--json", "--listen", "127.0.0.1:0",
                            env={"VITAL_TOKEN": TOKEN})
        server.url = server.event("listening")["url"]
        self.assertEqual(self.ask(server, "/metrics").status, 401)
        self.assertEqual(self.ask(server, f"/metrics?token={TOKEN}").status, 200)

    def test_a_token_that_can_be_guessed_is_refused(self):
        run = self.run_vital("serve", "--token", "secret", status=2)
        self.assertIn("too short to be a secret", run.err)


class Feed(WebCase):
    def test_it_tells_of_every_connection_about_once_a_second(self):
        server = self.serve("--beat", "100ms")
        client = self.dial(server)
        feed = self.dial(server, "/vital/feed")
        began = time.monotonic()
        told = self.told(feed)
        self.assertLess(time.monotonic() - began, 0.9)  # the first at once
        self.assertEqual((told["stats"]["open"], told["watching"]), (2, 1))
        [row] = told["connections"]
        self.assertEqual(row["peer"], "%s:%d" % client.sock.getsockname())
        self.assertEqual((row["id"], row["hurt"], row["doubtful"]), (1, None, False))
        while (got := client.receive()).opcode != PING:
            pass
        client.send(PONG, got.payload)
        told = self.told(feed, lambda t: t["stats"]["answered"] > 0)
        row = told["connections"][0]
        self.assertEqual(row["answered"], 1)
        self.assertGreater(row["rtt_ms"], 0)
        self.assertEqual(sum(told["stats"]["rtt"]["buckets"]), told["stats"]["rtt"]["count"])
        client.close()
        told = self.told(feed, lambda t: not t["connections"])
        self.assertEqual(told["stats"]["closed"], {"CUT": 1})
        self.assertLess(time.monotonic() - began, DEADLINE)

    def test_the_table_is_bounded_and_the_newest_are_in_it_whatever_their_thread(self):
        server = self.serve("--threads", "3")
        clients = [self.dial(server) for _ in range(230)]
        feed = self.dial(server, "/vital/feed")
        told = self.told(feed, lambda t: t["stats"]["open"] == len(clients) + 1)
        self.assertEqual(told["echoing"], len(clients))
        self.assertEqual([row["id"] for row in told["connections"]],
                         list(range(230, 30, -1)))

    def test_doubt_is_told(self):
        server = self.serve("--beat", "100ms", "--answer-within", "4s")
        self.dial(server)
        feed = self.dial(server, "/vital/feed")
        told = self.told(feed, lambda t: t["doubtful"] >= 1)
        self.assertTrue(told["connections"][0]["doubtful"])

    def test_nothing_is_to_be_said_to_it(self):
        feed = self.dial(self.serve(), "/vital/feed")
        feed.send(TEXT, "hello")
        self.assertEqual(feed.closing()[0], 1008)

    def test_whoever_watches_is_no_reason_not_to_drain(self):
        server = self.serve("--threads", "2")
        feed = self.dial(server, "/vital/feed")
        self.told(feed)
        server.signal(signal.SIGTERM)
        self.assertEqual(feed.answer_close()[0], 1001)
        self.assertEqual(server.wait(), 0)


class Demo(WebCase):
    def order(self, control, what, key=KEY, **more):
        control.send(TEXT, json.dumps({"do": what, "key": key, **more}))
        return json.loads(control.text())

    def start_demo(self, *words):
        server = self.serve("--demo", "--beat", "never", *words)
        client = self.dial(server, f"/?key={KEY}")
        return server, client, self.dial(server, "/vital/demo")

    def test_without_demo_there_is_none(self):
        server = self.serve()
        self.assertEqual(self.upgrade_status(server, "/vital/demo"),
                         (403, "connections can be hurt only with --demo\n"))
        self.assertFalse(json.loads(self.ask(server, "/vital/about").body)["demo"])
        self.assertTrue(json.loads(self.ask(self.serve("--demo"), "/vital/about").body)["demo"])

    def test_a_frozen_connection_is_answered_when_it_is_released(self):
        server, client, control = self.start_demo("--threads", "3")
        self.assertEqual(self.order(control, "freeze"), {"do": "freeze", "done": True, "why": None})
        client.send(TEXT, "heartbeat")
        client.send(TEXT, "anybody?")
        feed = self.dial(server, "/vital/feed")
        self.assertEqual(self.told(feed)["connections"][0]["hurt"], "frozen")
        self.assertEqual(select.select([client.sock], [], [], 0)[0], [])
        self.assertTrue(self.order(control, "release")["done"])
        self.assertEqual(sorted([client.text(), client.text()]), ["anybody?", "heartbeat"])

    def test_it_thaws_by_itself(self):
        _, client, control = self.start_demo()
        began = time.monotonic()
        self.order(control, "freeze", ms=600)
        client.send(TEXT, "anybody?")
        self.assertEqual(client.text(), "anybody?")
        self.assertGreater(time.monotonic() - began, 0.6)

    def test_a_silenced_connection_is_cut_in_the_end_and_not_released(self):
        _, client, control = self.start_demo()
        began = time.monotonic()
        self.order(control, "silence", ms=900)
        client.send(TEXT, "anybody?")
        self.order(control, "release")
        client.ended()
        self.assertGreater(time.monotonic() - began, 0.9)

    def test_a_cut_has_no_close_frame(self):
        server, client, control = self.start_demo()
        self.order(control, "cut")
        client.ended()
        lost = server.event("close", id=1)
        self.assertEqual((lost["cause"], lost["code"]), ("CLOSED_BY_US", 1006))

    def test_nobody_elses_connection_can_be_hurt(self):
        server, client, control = self.start_demo()
        self.dial(server)  # without a key: the empty one is nobody's
        for key in ("f" * 32, "", KEY[:-1], KEY.upper(), KEY + "0"):
            with self.subTest(key=key):
                answer = self.order(control, "cut", key=key)
                self.assertFalse(answer["done"])
                self.assertTrue(answer["why"])
        client.send(TEXT, "well")
        self.assertEqual(client.text(), "well")

    def test_an_order_that_makes_no_sense_is_answered_in_a_sentence(self):
        _, client, control = self.start_demo()
        for text in ("", "{", "[]", "{}", '{"do": 1, "key": 2}', '{"do": "freeze"}',
                     json.dumps({"do": "explode", "key": KEY}),
                     json.dumps({"do": "freeze", "key": KEY, "ms": 0}),
                     json.dumps({"do": "freeze", "key": KEY, "ms": 60001}),
                     json.dumps({"do": "freeze", "key": KEY, "ms": "long"})):
            with self.subTest(text=text):
                control.send(TEXT, text)
                answer = json.loads(control.text())
                self.assertFalse(answer["done"])
                self.assertGreater(len(answer["why"]), 15)
        client.send(TEXT, "well")
        self.assertEqual(client.text(), "well")

    def test_a_hurt_connection_does_not_hold_up_a_drain(self):
        server, client, control = self.start_demo()
        self.order(control, "freeze")
        server.signal(signal.SIGTERM)
        control.answer_close()
        self.assertEqual(client.answer_close()[0], 1001)
        self.assertEqual(server.wait(), 0)
