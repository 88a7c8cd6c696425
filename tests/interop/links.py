"""What a connection is carried by: TLS or not, compressed or not."""
import dataclasses
import pathlib
import subprocess

FEATURES = frozenset({"deflate", "tls"})
DAYS = "2"


@dataclasses.dataclass(frozen=True)
class Link:
    """`carries` is a set of FEATURES."""
    name: str
    carries: frozenset

    @property
    def secure(self):
        return "tls" in self.carries

    @property
    def compressed(self):
        return "deflate" in self.carries


LINKS = (
    Link("ws", frozenset()),
    Link("ws deflate", frozenset({"deflate"})),
    Link("wss", frozenset({"tls"})),
    Link("wss deflate", frozenset({"tls", "deflate"})),
)


class Authority:
    """Nobody else's: what it says of 127.0.0.1 and localhost holds for one run."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = self.file("ca.pem")
        self.cert = self.file("server.pem")
        self.key = self.file("server.key")
        self.make("/CN=vital interop CA", self.ca, self.file("ca.key"),
                  "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        self.make("/CN=localhost", self.cert, self.key, "subjectAltName=DNS:localhost,IP:127.0.0.1",
                  "basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth",
                  signed_by=("-CA", self.ca, "-CAkey", self.file("ca.key")))
        self.both = self.file("server-both.pem")
        pathlib.Path(self.both).write_text(
            "".join(pathlib.Path(name).read_text() for name in (self.cert, self.key)))

    def file(self, name):
        return f"{self.directory}/{name}"

    def make(self, subject, cert, key, *extensions, signed_by=()):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS, "-subj", subject,
                   "-out", cert, "-keyout", key, *signed_by]
        for extension in extensions:
            command += ["-addext", extension]
        subprocess.run(command, check=True, capture_output=True)
