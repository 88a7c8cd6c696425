"""Text that is not UTF-8: RFC 6455 section 8."""
import itertools

from peer import answer, echo, fails
from wire import TEXT, Frame, cont, fragments, ping, text

# Every class of good text, at both ends of each length.
GOOD = {
    "ASCII": "Hello-world",
    "two bytes, the first": "\u0080", "two bytes, the last": "\u07ff",
    "three bytes, the first": "\u0800", "three bytes, the last": "\uffff",
    "four bytes, the first": "\U00010000", "four bytes, the last": "\U0010ffff",
    "the character before the surrogates": "\ud7ff",
    "the character after the surrogates": "\ue000",
    "the byte order mark": "\ufeff", "a byte order mark within": "a\ufeffb",
    "the replacement character": "\ufffd", "a noncharacter": "\ufffe",
    "noncharacters of the middle": "\ufdd0\ufdef", "noncharacters of plane 16": "\U0010fffe",
    "Greek": "\u03ba\u1f79\u03c3\u03bc\u03b5", "mathematics": "\U0001d49e\U0001d4b6",
    "a family of emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "all lengths in turn": "a\u00e9\u20ac\U0001f600" * 9, "NUL": "\0", "DEL": "\x7f",
}

# Every class of bad text: the bytes, and where the first stands that no text can have there.
BAD = {
    "a continuation byte alone, 80": ("80", 0), "a continuation byte alone, bf": ("bf", 0),
    "two continuation bytes": ("80bf", 0), "all continuation bytes": ("8081a0afb0bf", 0),
    "a byte that never occurs, c0": ("c0", 0), "a byte that never occurs, c1": ("c1", 0),
    "a byte that never occurs, f5": ("f5", 0), "a byte that never occurs, f8": ("f8", 0),
    "a byte that never occurs, fc": ("fc", 0), "a byte that never occurs, fe": ("fe", 0),
    "a byte that never occurs, ff": ("ff", 0), "fe and ff": ("fefeffff", 0),
    "a slash in two bytes": ("c0af", 0), "a slash in three bytes": ("e080af", 1),
    "a slash in four bytes": ("f08080af", 1), "a slash in five bytes": ("f8808080af", 0),
    "a slash in six bytes": ("fc80808080af", 0),
    "NUL in two bytes": ("c080", 0), "NUL in three bytes": ("e08080", 1),
    "NUL in four bytes": ("f0808080", 1),
    "the largest overlong in two bytes": ("c1bf", 0),
    "the largest overlong in three bytes": ("e09fbf", 1),
    "the largest overlong in four bytes": ("f08fbfbf", 1),
    "the first high surrogate": ("eda080", 1), "the last high surrogate": ("edafbf", 1),
    "the first low surrogate": ("edb080", 1), "the last low surrogate": ("edbfbf", 1),
    "a pair of surrogates": ("eda080edb080", 1),
    "a pair of surrogates, the last": ("edafbfedbfbf", 1),
    "just above U+10FFFF": ("f4908080", 1), "far above U+10FFFF": ("f7bfbfbf", 0),
    "five bytes": ("f888808080", 0), "six bytes": ("fc8480808080", 0),
    "two bytes cut short by ASCII": ("c320", 1), "three bytes cut short by ASCII": ("e28220", 2),
    "three bytes cut after one": ("e220", 1), "four bytes cut short by ASCII": ("f09f9820", 3),
    "four bytes cut after two": ("f09f20", 2), "four bytes cut after one": ("f020", 1),
    "two bytes cut short by another beginning": ("c3c3a9", 1),
    "three bytes cut short by another beginning": ("e282e282ac", 2),
    "four bytes cut short by another beginning": ("f09f98f09f9880", 3),
    "one continuation too many after two": ("c3a9a9", 2),
    "one continuation too many after three": ("e282acac", 3),
    "one continuation too many after four": ("f09f988080", 4),
    "a beginning twice": ("e2e2", 1), "Latin-1": ("4dfc6e6368656e", 1),
    "CESU-8": ("eda0bdedb880", 1), "modified UTF-8's NUL": ("61c08062", 1),
    "UTF-16 with its mark": ("fffe6100", 0),
    "a surrogate within good text": ("cebae1bdb9cf83cebcceb5eda080656469746564", 12),
    "a bad byte after 8 bytes of ASCII": ("6162636465666768ff", 8),
    "a bad byte after 33 bytes of ASCII": ("61" * 33 + "ff", 33),
    "a bad byte after 300 bytes of ASCII": ("61" * 300 + "ff6161", 300),
}

# Good so far, but over too early.
UNFINISHED = {
    "one byte of two": "c3", "one byte of three": "e2", "two bytes of three": "e282",
    "one byte of four": "f0", "two bytes of four": "f09f", "three bytes of four": "f09f98",
    "the beginning of a last character": "4142e282",
    "the last of many is cut": "e282ac" * 50 + "e2",
}


def can_go_on(data):
    """Whether some bytes after these make good text of them; a check of the tables."""
    for more in range(4):
        for rest in itertools.product(b"\x80\x90\xa0\xbf", repeat=more):
            try:
                (data + bytes(rest)).decode()
                return True
            except UnicodeDecodeError:
                pass
    return False


def fill(book):
    good(book)
    bad(book)
    unfinished(book)


def good(book):
    for name, words in GOOD.items():
        data = words.encode()
        book.add("8.1", f"{name} is text", [text(data), echo(data)])
        book.add("8.1", f"{name} is text in a fragment a byte",
                 [*fragments(TEXT, data, *range(1, len(data))), echo(data)])
        if len(data) <= 8:
            for cut in range(1, len(data)):
                book.add("8.1", f"{name} is text, cut by fragments after {cut} bytes",
                         [*fragments(TEXT, data, cut), echo(data)])
    for words in ("\u00e9", "\u20ac", "\U0001f600"):
        data = words.encode()
        for cut in range(1, len(data)):
            book.add("8.1",
                     f"a ping inside a character, after {cut} of its {len(data)} bytes, does "
                     "not disturb the text",
                     [text(data[:cut], fin=False), ping(b"\xff"), answer(b"\xff"),
                      cont(data[cut:]), echo(data)])
            book.add("8.1", f"an empty fragment inside a character, after {cut} of its {len(data)} "
                     "bytes, does not disturb the text",
                     [text(data[:cut], fin=False), cont(fin=False), cont(data[cut:]), echo(data)])


def bad(book):
    for name, (digits, at) in BAD.items():
        data = bytes.fromhex(digits)
        assert can_go_on(data[:at]) and not can_go_on(data[:at + 1]), name
        book.add("8.1", f"{name} fails with 1007", [text(data), fails(1007)], attack="b16")
        book.add("8.1", f"{name} fails with 1007 at its first bad byte, before the frame is there",
                 [text(data + b"a" * 50, only=at + 1), fails(1007)], attack="b16")
        book.add("8.1", f"{name} fails with 1007 within good text",
                 [text(b"good " + data + b" good"), fails(1007)], chopped=False, attack="b16")
        book.add("8.1", f"{name} fails with 1007 at its first bad byte, in a fragment of its own",
                 [text(data[:at], fin=False), cont(data[at:at + 1], fin=False), fails(1007)],
                 attack="b16")
        book.add("8.1", f"{name} fails with 1007 at its first bad byte, in fragments a byte each",
                 [*(Frame(0 if i else TEXT, data[i:i + 1], fin=False) for i in range(at + 1)),
                  fails(1007)], chopped=False, attack="b16")
        book.add("8.1", f"{name} fails with 1007 in the last fragment",
                 [text(b"good", fin=False), cont(data), fails(1007)], chopped=False, attack="b16")


def unfinished(book):
    for name, digits in UNFINISHED.items():
        data = bytes.fromhex(digits)
        assert can_go_on(data), name
        book.add("8.1", f"text that ends with {name} fails with 1007", [text(data), fails(1007)],
                 attack="b16")
        book.add("8.1", f"fragments that end with {name} fail with 1007",
                 [text(b"good", fin=False), cont(data), fails(1007)], attack="b16")
        book.add("8.1", f"fragments that end with {name} fail when an empty last one comes",
                 [text(data, fin=False), cont(), fails(1007)], attack="b16")
        book.add("8.1", f"{name} is not bad as long as more may come",
                 [text(data, fin=False), ping(b"?"), answer(b"?"), cont(b"\xff"), fails(1007)],
                 attack="b16")
