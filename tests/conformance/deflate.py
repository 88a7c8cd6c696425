"""permessage-deflate, RFC 7692, as a stranger has it: with Python's zlib."""
import zlib

from wire import Failure, require

NAME = "permessage-deflate"
TAIL = b"\0\0\xff\xff"
WORDS = ("server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits",
         "client_max_window_bits")


def parse(value):
    """The parameters of one offer or answer: {name: value or None}."""
    name, *parameters = [part.strip() for part in value.split(";")]
    require(name == NAME, f"the extension {name!r}")
    found = {}
    for parameter in parameters:
        key, equals, text = parameter.partition("=")
        key = key.strip()
        require(key in WORDS, f"the parameter {parameter!r}")
        require(key not in found, f"{key} twice")
        found[key] = text.strip().strip('"') if equals else None
        if key.endswith("takeover"):
            require(not equals, f"{parameter!r}, which has no value")
        elif equals:
            require(found[key] in [str(bits) for bits in range(8, 16)], f"{parameter!r}")
    return found


def judge_answer(offer, answer):
    """RFC 7692 7.1: what the answer of a server must meet, and may not say."""
    offer, answer = parse(offer), parse(answer)
    if "server_no_context_takeover" in offer:
        require("server_no_context_takeover" in answer,
                "an answer that ignores the offer (7.1.1.1)")
    if "server_max_window_bits" in offer:
        bits = answer.get("server_max_window_bits")
        require(bits is not None and int(bits) <= int(offer["server_max_window_bits"]),
                f"server_max_window_bits={bits} to an offer of less (7.1.2.1)")
    if "client_max_window_bits" in answer:
        require("client_max_window_bits" in offer, "an answer to what was not offered (7.1.2.2)")
        bits = answer["client_max_window_bits"]
        most = offer["client_max_window_bits"] or 15
        require(bits is not None and int(bits) <= int(most), f"client_max_window_bits={bits}")


class Packer:
    """What a sender does. keeps: the context goes on from message to message."""

    def __init__(self, bits=15, keeps=False, level=6, strategy=zlib.Z_DEFAULT_STRATEGY):
        self.how = (level, zlib.DEFLATED, -max(bits, 9), 8, strategy)
        self.keeps = keeps
        self.zlib = zlib.compressobj(*self.how)

    def pack(self, data):
        if not self.keeps:
            self.zlib = zlib.compressobj(*self.how)
        out = self.zlib.compress(data) + self.zlib.flush(zlib.Z_SYNC_FLUSH)
        return out.removesuffix(TAIL) or b"\0"


class Inflater:
    """What a receiver does, with a window of just so many bits."""

    def __init__(self, bits=15, keeps=False):
        self.bits = bits
        self.keeps = keeps
        self.zlib = zlib.decompressobj(-bits)

    def unpack(self, data):
        if not self.keeps:
            self.zlib = zlib.decompressobj(-self.bits)
        try:
            return self.zlib.decompress(data + TAIL)
        except zlib.error as error:
            raise Failure(f"it sent deflate data that zlib does not take: {error}") from None


def inflater_of(answer, sender):
    """For what comes from the "server" or the "client" by this answer."""
    terms = parse(answer)
    return Inflater(bits=int(terms.get(f"{sender}_max_window_bits") or 15),
                    keeps=f"{sender}_no_context_takeover" not in terms)
