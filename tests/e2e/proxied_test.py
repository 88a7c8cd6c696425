"""`vital ping` and `vital connect` through a CONNECT proxy: plain or in TLS, to
servers that are plain or in TLS, asked for in all the ways there are."""
import base64
import select
import socket
import ssl
import subprocess
import threading

from authority import Authority
from peers import ClosedPort
from vital_process import DEADLINE, VITAL, Run, VitalCase


class Proxy:
    """A CONNECT proxy. What it was asked is in .heads. close() it."""

    def __init__(self, pem=None, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.heads = []
        self._answer = answer
        self._context = None
        if pem:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(pem)
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.place = "127.0.0.1:%d" % self._sock.getsockname()[1]
        self.url = ("https://" if pem else "http://") + self.place
        self._threads = [self._start(self._accept)]

    @staticmethod
    def _start(run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        thread.start()
        return thread

    def _accept(self):
        while True:
            try:
                conn, _ = self._sock.accept()
            except OSError:
                return
            conn.settimeout(DEADLINE)
            self._threads.append(self._start(self._serve, conn))

    def _serve(self, conn):
        try:
            if self._context:
                conn = self._context.wrap_socket(conn, server_side=True)
            with conn:
                self._tunnel(conn)
        except OSError:  # of TLS too: whoever is distrusted is left
            pass

    def _tunnel(self, conn):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            got = conn.recv(1)
            if not got:
                return
            head += got
        self.heads.append(head.decode())
        if not self._answer.startswith(b"HTTP/1.1 200"):
            conn.sendall(self._answer)
            return
        host, port = head.split()[1].decode().rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), DEADLINE) as far:
            conn.sendall(self._answer)
            self._relay(conn, far)

    @staticmethod
    def _relay(near, far):
        """In one thread: a socket of TLS is not for two."""
        while True:
            ready, _, _ = select.select([near, far], [], [], DEADLINE)
            if not ready:
                return
            for source in ready:
                data = source.recv(1 << 16)
                if not data:
                    if isinstance(near, ssl.SSLSocket):
                        near.unwrap()
                    return
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(1 << 16)
                (far if source is near else near).sendall(data)

    def close(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for thread in self._threads:
            thread.join(DEADLINE)


class ProxyCase(VitalCase):
    NOBODY = {name: "" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                    "ALL_PROXY", "no_proxy", "NO_PROXY")}

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.close)
        cls.cert = cls.authority.issue()

    def proxy(self, **options):
        proxy = Proxy(**options)
        self.addCleanup(proxy.close)
        return proxy

    def ping(self, url, *words, status=0, env=None):
        return self.run_vital("ping", "-c", "1", "--json", *words, url, status=status,
                              env={**self.NOBODY, **(env or {})})

    def verdict(self, url, *words):
        """What is said where it does not open, with the words of `ping` on stderr."""
        run = self.ping(url, *words, status=2)
        verdict = run.events("close")[0]
        self.assertIn(verdict["text"], run.err)
        return verdict


class Through(ProxyCase):
    def test_plain_and_secret_servers_through_plain_and_secret_proxies(self):
        trust = ("--ca", self.authority.ca, "--proxy-ca", self.authority.ca)
        text = "".join(f"{i} " + "x" * 3000 + "\n" for i in range(50))
        for server in (self.serve(), self.serve("--cert", self.cert)):
            for proxy in (self.proxy(), self.proxy(pem=self.cert)):
                with self.subTest(server=server.url, proxy=proxy.url):
                    words = ("--proxy", proxy.url, *trust)
                    opened = self.ping(server.url, *words).events("open")[0]
                    self.assertEqual(opened["peer"], proxy.place)
                    self.assertGreater(opened["proxy_ms"], 0)
                    secret = server.url.startswith("wss")
                    self.assertEqual(opened["tls_ms"] is not None, secret)
                    place = server.url.split("/")[2]
                    self.assertEqual(proxy.heads, [f"CONNECT {place} HTTP/1.1\r\nHost: {place}"
                                                   "\r\n\r\n"])
                    run = self.run_vital("connect", *words, server.url, stdin=text.encode(),
                                         status=0)
                    self.assertEqual(run.out, text)

    def test_ping_says_how_long_the_proxy_took(self):
        run = self.run_vital("ping", "-c", "1", "--proxy", self.proxy().url, self.serve().url,
                             status=0)
        self.assertRegex(run.out, r"^PING ws://\S+ \(\S+\): tcp [\d.]+ ms, proxy [\d.]+ ms, "
                                  r"upgrade [\d.]+ ms\n")

    def test_the_name_of_the_server_is_the_proxy_s_to_look_up(self):
        proxy = self.proxy()
        url = self.serve().url.replace("127.0.0.1", "localhost")
        opened = self.ping(url, "--proxy", proxy.url).events("open")[0]
        self.assertIsNone(opened["name_ms"])
        self.assertTrue(proxy.heads[0].startswith("CONNECT localhost:"))

    def test_user_and_password_of_the_url_are_sent(self):
        proxy = self.proxy()
        url = proxy.url.replace("//", "//me:p%40ss@")
        self.ping(self.serve().url, "--proxy", url)
        secret = base64.b64encode(b"me:p@ss").decode()
        self.assertIn(f"\r\nProxy-Authorization: Basic {secret}\r\n", proxy.heads[0])


class Environment(ProxyCase):
    def test_each_scheme_has_its_variable(self):
        plain, secret = self.serve().url, self.serve("--cert", self.cert).url
        trust = ("--ca", self.authority.ca)
        for url, name, asked in ((plain, "http_proxy", True), (secret, "https_proxy", True),
                                 (secret, "http_proxy", False), (plain, "https_proxy", False),
                                 (plain, "HTTP_PROXY", False), (secret, "HTTPS_PROXY", True)):
            with self.subTest(url=url, name=name):
                proxy = self.proxy()
                run = self.run_env(url, trust, {name: proxy.url})
                self.assertEqual(run.status, 0, run.err)
                self.assertEqual(len(proxy.heads), int(asked))

    def run_env(self, url, words, env):
        """With these of the variables, and no other."""
        unset = [f"--unset={name}" for name in self.NOBODY]
        run = subprocess.run(["env", *unset, *(f"{k}={v}" for k, v in env.items()), VITAL, "ping",
                              "-c", "1", *map(str, words), url], capture_output=True,
                             timeout=DEADLINE, check=False)
        return Run(run.returncode, run.stdout.decode(), run.stderr.decode())

    def test_exempt_hosts_and_an_empty_option_go_straight(self):
        proxy = self.proxy()
        url = self.serve().url
        self.ping(url, env={"http_proxy": proxy.url, "no_proxy": "x, 127.0.0.1"})
        self.ping(url, "--proxy", "", env={"http_proxy": proxy.url})
        self.assertEqual(proxy.heads, [])
        self.ping(url, "--proxy", proxy.url, env={"no_proxy": "*"})
        self.assertEqual(len(proxy.heads), 1)


class Refused(ProxyCase):
    def test_a_status_is_said_in_words_and_decides_whether_to_come_back(self):
        for answer, final in ((b"407 Proxy Authentication Required", True),
                              (b"403 Forbidden", True), (b"502 Bad Gateway", False)):
            with self.subTest(answer=answer):
                proxy = self.proxy(answer=b"HTTP/1.1 " + answer + b"\r\n\r\n")
                client = self.connect("ws://127.0.0.1:1/", "--json", "--proxy", proxy.url)
                verdict = client.event("close")
                self.assertEqual((verdict["cause"], verdict["status"], verdict["final"]),
                                 ("REJECTED", int(answer[:3]), final))
                self.assertEqual(verdict["text"], f"The proxy answered {answer.decode()} instead "
                                                  "of letting us through.")

    def test_what_is_no_proxy_is_named(self):
        for answer, cause, words in (
                (b"220 mail.example.org\r\n", "MISBEHAVED", "does not answer in HTTP/1.1"),
                (b"", "UNREACHABLE", "the proxy ended the stream before it let us through"),
                (b"HTTP/1.1 302 Found\r\nX: " + b"x" * 9000, "MISBEHAVED", "larger than our limit"),
                (b"HTTP/1.1 101 Hm\r\n\r\n", "MISBEHAVED", "interim status")):
            with self.subTest(answer=answer[:20]):
                proxy = self.proxy(answer=answer)
                verdict = self.verdict("ws://127.0.0.1:1/", "--proxy", proxy.url)
                self.assertEqual(verdict["cause"], cause)
                self.assertIn(words, verdict["text"])

    def test_a_proxy_that_is_not_there(self):
        closed = ClosedPort()
        self.addCleanup(closed.close)
        proxy = closed.url.replace("ws://", "http://")
        verdict = self.verdict("ws://127.0.0.1:1/", "--proxy", proxy)
        self.assertEqual(verdict["cause"], "UNREACHABLE")
        self.assertIn("the proxy: 127.0.0.1:", verdict["text"])

    def test_a_proxy_that_says_nothing_is_given_up_in_time(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = "http://127.0.0.1:%d" % silent.getsockname()[1]
            verdict = self.verdict("ws://127.0.0.1:1/", "--proxy", proxy, "-W", "200ms")
        self.assertIn("the proxy did not let us through within the time limit", verdict["text"])

    def test_a_proxy_of_https_has_to_be_trusted(self):
        proxy = self.proxy(pem=self.cert)
        verdict = self.verdict("ws://127.0.0.1:1/", "--proxy", proxy.url, "--ca",
                               self.authority.ca)
        self.assertEqual((verdict["cause"], verdict["final"]), ("UNTRUSTED", True))
        self.assertIn("the proxy's certificate was issued by", verdict["text"])
        self.assertEqual(proxy.heads, [])

    def test_wrong_urls_are_a_sentence_and_exit_code_2(self):
        for proxy, words in (("socks5://h", "http:// or https://"), ("http://", "no host"),
                             ("http://h/x", "no path"), ("http://u:%@h", "badly encoded")):
            run = self.run_vital("ping", "--proxy", proxy, "ws://h/", status=2)
            self.assertIn("options.proxy: ", run.err)
            self.assertIn(words, run.err)
        run = self.run_vital("ping", "--proxy", "http://h", "ws+unix:/run/x", status=2)
        self.assertIn("not reached through a proxy", run.err)
