"""Every row of the table of attacks has a test that bears its number: a5_..., b12_..., c1_...

Faults that have hurt others, most of them with a CVE number; the number of a row stands at the
beginning of the name of each test that plays it. A: the handshake, B: frames, C: compression.
usage: attacks_check.py ROOT
"""
import pathlib
import re
import subprocess
import sys

ROWS = {
    "a1": "a megabyte of header, byte by byte",
    "a2": "two thousand headers",
    "a3": "a request at one byte a second",
    "a4": "TCP or TLS open, then silence",
    "a5": "an upgrade with a huge or chunked body",
    "a6": "a header of 32,000 spaces",
    "a7": "extensions without sense or end",
    "a8": "window bits that cannot be",
    "a9": "a bad version behind a proxy",
    "a10": "frames before the answer",
    "a11": "a proxy's headers from anybody",
    "a12": "line breaks in what the caller sets",
    "a13": "a foreign Origin",
    "a14": "bare LF, folded lines, what is doubled",
    "a15": "a redirect to another origin",
    "a16": "a wrong name in the certificate",
    "a17": "closing inside the callback of the upgrade",
    "a18": "a flag in the URL instead of credentials",
    "a19": "guessing a token by time",
    "a20": "compressed or large data before the upgrade",
    "b1": "a length with its highest bit set, or near 2^63",
    "b2": "lengths whose sum overflows",
    "b3": "an unknown opcode with a huge length",
    "b4": "a limit that is 0 or not set",
    "b5": "continuation without an end",
    "b6": "131,000 fragments of one byte",
    "b7": "the same, and what it costs",
    "b8": "frames and fragments of no bytes",
    "b9": "a flood of pings by who does not read",
    "b10": "a flood of pongs",
    "b11": "a pong while the socket is full",
    "b12": "control frames that are long, fragmented, marked",
    "b13": "a ping of less than it says",
    "b14": "masked by a server, or not by a client",
    "b15": "masks that can be foretold",
    "b16": "bad UTF-8, cut anywhere",
    "b17": "close frames that may not be",
    "b18": "the same bytes in other pieces",
    "b19": "data after the close frame",
    "b20": "the mark of compression where it has no place",
    "b21": "patterns of data that a loop cannot leave",
    "c1": "a bomb",
    "c2": "a message that just fills its buffer",
    "c3": "a plain message where compression is on",
    "c4": "the caller's buffer freed while it is compressed",
    "c5": "ten thousand compressed connections",
    "c6": "a secret and an attacker's text in one context",
    "c7": "last blocks, trailing garbage, empty blocks",
}


def names(root):
    """Of all tests: C functions, Python methods, and the cases of the conformance suite."""
    for path in sorted(root.glob("tests/**/*.c")):
        yield from re.findall(r"^static void (\w+)\(void \*\*", path.read_text(), re.MULTILINE)
    for path in sorted(root.glob("tests/**/*_test.py")):
        yield from re.findall(r"^    def test_(\w+)\(self", path.read_text(), re.MULTILINE)
    suite = root / "tests" / "conformance" / "suite.py"
    yield from subprocess.run([sys.executable, "-B", suite, "--list"], check=True, text=True,
                              capture_output=True).stdout.splitlines()


def main():
    found = {}
    for name in names(pathlib.Path(sys.argv[1])):
        row = name.split("_")[0]
        found[row] = found.get(row, 0) + 1
    missing = 0
    for number, (row, what) in enumerate(ROWS.items(), 1):
        outcome = "ok" if found.get(row) else "not ok"
        missing += outcome != "ok"
        print(f"{outcome} {number} - {row}, {what}: {found.get(row, 0)} tests")
    print(f"1..{len(ROWS)}")
    return missing > 0


sys.exit(main())
