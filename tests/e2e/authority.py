"""Certificates for tests, made on the spot by the openssl command, so that nothing
here expires but what is meant to."""
import pathlib
import subprocess
import tempfile


def openssl(*words, stdin=b"", within=30, check=True):
    """What the command says, on both."""
    run = subprocess.run(["openssl", *map(str, words)], input=stdin, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=within, check=False)
    said = run.stdout.decode(errors="replace")
    if check and run.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, words))}:\n{said}")
    return said


class Authority:
    """A root, in .ca, and what it issues. close() it."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="vital-pem-")
        self.folder = pathlib.Path(self._folder.name)
        self.ca = self.folder / "ca.pem"
        self._self_signed(self.ca, "/CN=Test Root", "basicConstraints=critical,CA:TRUE")

    def close(self):
        self._folder.cleanup()

    def _self_signed(self, path, subject, *extensions):
        words = []
        for extension in extensions:
            words += ["-addext", extension]
        key = path.with_suffix(".key")
        openssl("req", "-x509", *self._new_key(key), "-subj", subject, "-days", "2", *words,
                "-out", path)
        return path

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)

    @staticmethod
    def _join(path):
        """The key into the file of its certificate."""
        path.write_text(path.read_text() + path.with_suffix(".key").read_text())
        return path

    def self_signed(self, names="IP:127.0.0.1,DNS:localhost"):
        """The file of a certificate that nobody has issued, and its key."""
        path = self.folder / f"self-{len(list(self.folder.iterdir()))}.pem"
        return self._join(self._self_signed(path, "/CN=self", f"subjectAltName={names}"))

    def issue(self, subject="server", names="IP:127.0.0.1,DNS:localhost", days=2, path=None):
        """The file of a certificate and its key. Days below zero: it has expired."""
        path = path or self.folder / f"leaf-{len(list(self.folder.iterdir()))}.pem"
        key, request = path.with_suffix(".key"), path.with_suffix(".csr")
        extensions = path.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}\n" if names else "")
        openssl("req", "-new", *self._new_key(key), "-subj", f"/CN={subject}", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
                self.ca.with_suffix(".key"), "-days", days, "-extfile", extensions, "-out", path)
        return self._join(path)
