"""wss from outside: what `vital serve` offers to the openssl command, whom the
clients trust, and that certificates are renewed under way."""
import re
import signal
import socket
import ssl
import threading

from authority import Authority, openssl
from peers import Listener
from vital_process import DEADLINE, VitalCase


class TlsCase(VitalCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.close)
        cls.cert = cls.authority.issue()

    def serve_wss(self, *words, cert=None):
        """A server of wss, which also has .address."""
        server = self.serve("--cert", cert or self.cert, *words)
        self.assertRegex(server.url, r"^wss://127\.0\.0\.1:\d+/$")
        server.address = server.url.split("/")[2]
        return server

    def ping(self, url, *words, status=0, env=None):
        return self.run_vital("ping", "-c", "1", *words, url, status=status, env=env)


class Facts(TlsCase):
    """What a scanner would find out about the server."""

    def s_client(self, server, *words, stdin=b"", check=True):
        return openssl("s_client", "-connect", server.address, "-CAfile", self.authority.ca,
                       "-verify_return_error", *words, stdin=stdin, check=check)

    def refused(self, server, *words):
        """The server ends such a handshake with an alert; which one is returned."""
        said = self.s_client(server, *words, check=False)
        self.assertIn("Cipher is (NONE)", said)
        return re.search(r"alert ([\w /]+?):", said)[1]

    def test_1_2_and_1_3_are_offered_and_nothing_older(self):
        server = self.serve_wss()
        for version, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            said = self.s_client(server, version)
            self.assertIn(f"New, {name}", said)
            self.assertIn("Verification: OK", said)
        weak = ("-cipher", "ALL:@SECLEVEL=0")
        for version in ("-tls1", "-tls1_1"):
            self.assertEqual(self.refused(server, version, *weak), "protocol version")

    def test_ciphers_have_forward_secrecy_and_authenticate(self):
        server = self.serve_wss()
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                       "ECDHE-ECDSA-CHACHA20-POLY1305"):
            self.assertIn(f"Cipher is {cipher}",
                          self.s_client(server, "-tls1_2", "-cipher", cipher))
        for cipher in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256",
                       "aNULL:@SECLEVEL=0", "eNULL:@SECLEVEL=0"):
            self.assertEqual(self.refused(server, "-tls1_2", "-cipher", cipher),
                             "handshake failure")

    def test_no_compression_and_no_early_data(self):
        server = self.serve_wss()
        said = self.s_client(server, "-tls1_2", "-comp")
        self.assertIn("Compression: NONE", said)
        self.assertIn("Secure Renegotiation IS supported", said)
        upgrade = (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = self.s_client(server, "-tls1_3", "-ign_eof", stdin=upgrade)
        self.assertIn("200 OK", said)
        self.assertIn("Max Early Data: 0", said)

    def test_no_renegotiation(self):
        server = self.serve_wss()
        said = self.s_client(server, "-tls1_2", stdin=b"R\n", check=False)
        self.assertIn("RENEGOTIATING", said)
        self.assertIn("no renegotiation", said)

    def test_sessions_are_resumed(self):
        server = self.serve_wss()
        with_ticket = self.authority.folder / "session"
        for version in ("-tls1_2", "-tls1_3"):
            request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
            said = self.s_client(server, version, "-ign_eof", "-sess_out", with_ticket,
                                 stdin=request)
            self.assertRegex(said, r"(?m)^New, ")
            self.assertRegex(self.s_client(server, version, "-sess_in", with_ticket),
                             r"(?m)^Reused, ")

    def test_http_1_1_is_the_only_protocol_above(self):
        server = self.serve_wss()
        self.assertIn("ALPN protocol: http/1.1",
                      self.s_client(server, "-alpn", "h2,http/1.1"))
        self.assertEqual(self.refused(server, "-alpn", "h2"), "no application protocol")

    def test_the_whole_chain_is_sent(self):
        chain = self.authority.folder / "chain.pem"
        chain.write_text(self.cert.read_text() + self.authority.ca.read_text())
        said = self.s_client(self.serve_wss(cert=chain), "-showcerts")
        self.assertEqual(said.count("BEGIN CERTIFICATE"), 2)


class Trust(TlsCase):
    def untrusted(self, url, *words, env=None):
        """Both clients refuse it, finally, each by its exit code; what they say."""
        run = self.ping(url, *words, status=2, env=env)
        self.assertIn("UNTRUSTED: TLS established no trust: ", run.err)
        again = self.run_vital("connect", "--json", *words, url, status=12, env=env)
        verdict = again.events("close")[-1]
        self.assertEqual((verdict["cause"], verdict["final"]), ("UNTRUSTED", True))
        self.assertIn(verdict["text"], run.err)
        return verdict

    def test_a_named_authority_is_accepted_and_others_are_not(self):
        url = self.serve_wss().url
        self.ping(url, "--ca", self.authority.ca)
        self.assertIn('was issued by "Test Root", whom nobody here trusts',
                      self.untrusted(url)["text"])
        other = self.authority.self_signed()
        self.assertIn("nobody here trusts", self.untrusted(url, "--ca", other)["text"])

    def test_the_system_s_store_is_believed_by_default(self):
        url = self.serve_wss().url
        self.ping(url, env={"SSL_CERT_FILE": str(self.authority.ca)})

    def test_a_wrong_name_is_refused(self):
        url = self.serve_wss(cert=self.authority.issue(names="DNS:vital.test")).url
        said = self.untrusted(url, "--ca", self.authority.ca)
        self.assertIn("is for vital.test, not for 127.0.0.1", said["text"])
        self.ping(url, "--ca", self.authority.ca, "--server-name", "vital.test")
        self.ping(url, "--insecure")
        named = self.serve_wss(cert=self.authority.issue(subject="localhost", names=None)).url
        said = self.untrusted(named.replace("127.0.0.1", "localhost"), "--ca", self.authority.ca)
        self.assertIn("names no host at all, so not localhost", said["text"])

    def test_an_expired_one_is_refused(self):
        url = self.serve_wss(cert=self.authority.issue(days=-1)).url
        said = self.untrusted(url, "--ca", self.authority.ca)
        self.assertRegex(said["text"], r"expired on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, 1 day ago")
        self.assertEqual(said["alert"], 45)

    def test_a_self_signed_one_is_refused_unless_it_is_named(self):
        cert = self.authority.self_signed()
        url = self.serve_wss(cert=cert).url
        self.assertIn("is self-signed", self.untrusted(url)["text"])
        self.assertIn("is self-signed", self.untrusted(url, "--ca", self.authority.ca)["text"])
        self.ping(url, "--ca", cert)

    def test_client_certificates(self):
        server = self.serve_wss("--client-ca", self.authority.ca)
        alice = self.authority.issue("alice", names=None)
        self.ping(server.url, "--ca", self.authority.ca, "--cert", alice)
        opened = server.event("open")
        self.assertEqual((opened["tls"], opened["certificate"]), ("TLSv1.3", "CN=alice"))
        said = self.untrusted(server.url, "--ca", self.authority.ca)
        self.assertIn("wants a certificate of ours, and we have none", said["text"])
        stranger = self.authority.self_signed()
        said = self.untrusted(server.url, "--ca", self.authority.ca, "--cert", stranger)
        self.assertIn("does not accept our certificate", said["text"])
        self.assertIn("the client has no certificate",
                      server.event("close", cause="UNTRUSTED")["text"])

    def test_who_was_told_to_comes_back_to_a_renewed_certificate(self):
        cert = self.authority.issue(days=-1, path=self.authority.folder / "renewed.pem")
        server = self.serve_wss(cert=cert)
        client = self.connect(server.url, "--json", "--ca", self.authority.ca, "--retry-untrusted",
                              "--retry-first", "50ms", "--retry-min", "50ms", "--retry-max", "50ms")
        self.assertFalse(client.event("close", cause="UNTRUSTED")["final"])
        self.authority.issue(path=cert)
        server.signal(signal.SIGHUP)
        server.event("reloaded")
        client.event("open")

    def test_a_server_of_another_kind_is_named(self):
        listener = Listener()
        self.addCleanup(listener.close)
        plain = self.serve().url.replace("ws:", "wss:")
        self.assertIn("does not speak TLS but, it seems, plain HTTP",
                      self.ping(plain, status=2).err)
        silent = listener.url.replace("ws:", "wss:")
        self.assertIn("did not finish the TLS handshake within the time limit",
                      self.ping(silent, "-W", "200ms", status=2).err)

    def test_a_server_of_old_versions_only_is_unreachable(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertWarns(DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        url, _ = self.answer(context)
        said = self.ping(url, "--ca", self.authority.ca, status=2).err
        self.assertIn("UNREACHABLE: ", said)
        self.assertIn("no version in common", said)

    def test_the_name_is_sent_with_the_hello_but_no_address_is(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert)
        context.set_alpn_protocols(["http/1.1"])
        names = []
        context.sni_callback = lambda sock, name, _: names.append(name)
        url, heard = self.answer(context)
        self.ping(url.replace("127.0.0.1", "localhost"), "--ca", self.authority.ca, status=2)
        self.ping(url, "--ca", self.authority.ca, status=2)
        self.ping(url, "--ca", self.authority.ca, "--server-name", "localhost.", status=2)
        self.assertEqual(names, ["localhost", None, "localhost"])
        self.assertEqual(heard, ["http/1.1"] * 3)

    def answer(self, context):
        """A server that shakes hands with whoever comes, and then hangs up: its URL,
        and which protocols it agreed on."""
        sock = socket.create_server(("127.0.0.1", 0))
        heard = []

        def run():
            while True:
                try:
                    conn, _ = sock.accept()
                except OSError:
                    return
                conn.settimeout(DEADLINE)
                try:
                    with context.wrap_socket(conn, server_side=True) as peer:
                        heard.append(peer.selected_alpn_protocol())
                        peer.recv(1)
                except (ssl.SSLError, OSError):
                    conn.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def stop():
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
            thread.join(DEADLINE)

        self.addCleanup(stop)
        return f"wss://127.0.0.1:{sock.getsockname()[1]}/", heard


class Command(TlsCase):
    def test_echoes_come_back(self):
        for words in ((), ("--threads", "2")):
            server = self.serve_wss(*words)
            text = "".join(f"{i} " + "x" * 5000 + "\n" for i in range(50))
            run = self.run_vital("connect", "--ca", self.authority.ca, server.url,
                                 stdin=text.encode(), status=0)
            self.assertEqual(run.out, text)
            self.assertEqual(self.interrupt(server), 0)

    def test_ping_breaks_the_opening_down(self):
        url = self.serve_wss().url.replace("127.0.0.1", "localhost")
        ms = r"\d+(\.\d+)? ms"
        run = self.ping(url, "--ca", self.authority.ca)
        self.assertRegex(run.out, rf"^PING {url} \(.*\): name {ms}, tcp {ms}, tls {ms}, "
                                  rf"upgrade {ms}\n")
        opened = self.ping(url, "--json", "--ca", self.authority.ca).events("open")[0]
        self.assertEqual(opened["tls"], "TLSv1.3")
        for field in ("name_ms", "connect_ms", "tls_ms", "upgrade_ms"):
            self.assertGreater(opened[field], 0)

    def test_unix_sockets_stay_in_plain(self):
        socket_path = self.authority.folder / "echo.sock"
        server = self.start("serve", "--json", "--cert", self.cert, "-l", "127.0.0.1:0", "-l",
                            f"unix:{socket_path}")
        secure = server.event("listening")["url"]
        local = server.event("listening")["url"]
        self.assertEqual(local, f"ws+unix:{socket_path}")
        self.ping(local)
        self.ping(secure, "--ca", self.authority.ca)
        server.signal(signal.SIGHUP)
        server.event("reloaded")
        self.assertEqual(self.interrupt(server), 0)

    def test_a_reload_serves_the_new_certificate_and_drops_nobody(self):
        for threads in ("1", "3"):
            cert = self.authority.issue("first", path=self.authority.folder / "live.pem")
            server = self.serve_wss("--threads", threads, cert=cert)
            client = self.connect(server.url, "--ca", self.authority.ca, "--stay")
            client.say("before")
            client.line("^before$")
            self.authority.issue("second", path=cert)
            server.signal(signal.SIGHUP)
            server.event("reloaded")
            client.say("after")
            client.line("^after$")
            said = openssl("s_client", "-connect", server.address)
            if threads == "1":
                self.assertIn("CN = second", said)

            cert.write_text("broken")
            server.signal(signal.SIGHUP)
            server.note("the certificates stay as they were: .* holds no certificate in PEM form")
            client.say("still")
            client.line("^still$")
            client.close_stdin()
            self.interrupt(client)
            self.assertEqual(self.interrupt(server), 0)

    def test_without_certificates_a_hangup_ends_it(self):
        server = self.serve()
        server.signal(signal.SIGHUP)
        self.assertEqual(server.wait(), -signal.SIGHUP)

    def test_files_that_cannot_be_used_are_a_sentence_and_exit_code_2(self):
        ca, cert = self.authority.ca, self.cert
        for words, sentence in (
                (("serve", "--cert", "/nowhere"), "/nowhere: No such file or directory"),
                (("serve", "--cert", ca), "holds no private key"),
                (("serve", "--cert", ca, "--key", cert), "is not that of the certificate"),
                (("serve", "--key", cert), "tls.cert_file is missing"),
                (("serve", "--client-ca", ca), "tls.cert_file is missing"),
                (("ping", "--ca", "/nowhere", "wss://h/"), "/nowhere: No such file or directory"),
                (("ping", "--key", cert, "wss://h/"), "needs a tls.cert_file"),
                (("connect", "--insecure", "--ca", ca, "wss://h/"), "contradict each other"),
        ):
            with self.subTest(words=words):
                run = self.run_vital(*words, status=2)
                self.assertIn(sentence, run.err)
                self.assertEqual(run.out, "")
