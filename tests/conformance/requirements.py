"""The numbered requirements, in our words, and the roles of vital that each is about. The
suite fails if one of them has no case in a role that it applies to.

Where a section numbers its rules, the number follows: "4.1 response 3" is the third thing that
a client must check of a response. Left out is what has nothing to do with the wire of one
connection: 4.1's waiting for other connections to the same address, proxies (tests/interop) and
TLS (the tests of wss).
"""
SERVER, CLIENT = "server", "client"
BOTH = (SERVER, CLIENT)

REQUIREMENTS = {
    "4.1 connection 1": ("the URI is valid, or nothing is opened", (CLIENT,)),
    "4.1 connection 4": ("a connection that cannot be opened fails", (CLIENT,)),
    "4.1 request 1": ("a request of HTTP/1.1 as its grammar has it", (CLIENT,)),
    "4.1 request 2": ("GET, and HTTP/1.1", (CLIENT,)),
    "4.1 request 3": ("the target is the resource of the URI", (CLIENT,)),
    "4.1 request 4": ("Host, with a port that is not the default", (CLIENT,)),
    "4.1 request 5": ("Upgrade: websocket", (CLIENT,)),
    "4.1 request 6": ("Connection: Upgrade", (CLIENT,)),
    "4.1 request 7": ("Sec-WebSocket-Key: 16 random bytes in base64", (CLIENT,)),
    "4.1 request 8": ("Origin, from browsers only", (CLIENT,)),
    "4.1 request 9": ("Sec-WebSocket-Version: 13", (CLIENT,)),
    "4.1 request 10": ("Sec-WebSocket-Protocol: distinct tokens, by preference", (CLIENT,)),
    "4.1 request 11": ("Sec-WebSocket-Extensions, if at all, as 9.1 has it", (CLIENT,)),
    "4.1 request 12": ("other headers, such as cookies and credentials", (CLIENT,)),
    "4.1 response 1": ("a status that is not 101 is HTTP's affair", (CLIENT,)),
    "4.1 response 2": ("Upgrade is websocket, in any case", (CLIENT,)),
    "4.1 response 3": ("Connection has Upgrade, in any case", (CLIENT,)),
    "4.1 response 4": ("Sec-WebSocket-Accept fits the key", (CLIENT,)),
    "4.1 response 5": ("no extension that was not asked for", (CLIENT,)),
    "4.1 response 6": ("no subprotocol that was not asked for", (CLIENT,)),
    "4.2.1 request 1": ("GET, HTTP/1.1 or later, and a request-target", (SERVER,)),
    "4.2.1 request 2": ("Host", (SERVER,)),
    "4.2.1 request 3": ("Upgrade has websocket, in any case", (SERVER,)),
    "4.2.1 request 4": ("Connection has Upgrade, in any case", (SERVER,)),
    "4.2.1 request 5": ("Sec-WebSocket-Key: 16 bytes in base64", (SERVER,)),
    "4.2.1 request 6": ("Sec-WebSocket-Version: 13", (SERVER,)),
    "4.2.1 request 7": ("Origin need not be there", (SERVER,)),
    "4.2.1 request 8": ("other headers are optional, unknown ones ignored", (SERVER,)),
    "4.2.2 answer 4": ("subprotocol and extensions: of those offered, or none", (SERVER,)),
    "4.2.2 answer 5.1": ("the status line of a 101", (SERVER,)),
    "4.2.2 answer 5.2": ("Upgrade: websocket", (SERVER,)),
    "4.2.2 answer 5.3": ("Connection: Upgrade", (SERVER,)),
    "4.2.2 answer 5.4": ("Sec-WebSocket-Accept answers the key", (SERVER,)),
    "4.2.2 answer 5.5": ("Sec-WebSocket-Protocol, only if one is chosen", (SERVER,)),
    "4.2.2 answer 5.6": ("Sec-WebSocket-Extensions, only if one is chosen", (SERVER,)),
    "4.3": ("the grammar of the handshake's headers", BOTH),
    "4.4": ("a version that is not spoken", BOTH),
    "5.1": ("who masks, and who does not", BOTH),
    "5.2": ("the bits of a frame", BOTH),
    "5.3": ("masking", BOTH),
    "5.4": ("fragmentation", BOTH),
    "5.5": ("control frames", BOTH),
    "5.5.1": ("close frames", BOTH),
    "5.5.2": ("pings", BOTH),
    "5.5.3": ("pongs", BOTH),
    "5.6": ("data frames", BOTH),
    "5.7": ("the examples", BOTH),
    "5.8": ("what is reserved for extensions", BOTH),
    "6.1": ("sending data", BOTH),
    "6.2": ("receiving data", BOTH),
    "7.1.1": ("the server ends the stream", BOTH),
    "7.1.2": ("beginning the closing handshake", BOTH),
    "7.1.3": ("the closing handshake is under way", BOTH),
    "7.1.4": ("the connection is closed, cleanly or not", BOTH),
    "7.1.5": ("the code of the connection's end", BOTH),
    "7.1.6": ("the reason of the connection's end", BOTH),
    "7.1.7": ("failing the connection", BOTH),
    "7.2.1": ("a client that ends by itself", (CLIENT,)),
    "7.2.2": ("a server that ends by itself", (SERVER,)),
    "7.2.3": ("coming back after an abnormal end", (CLIENT,)),
    "7.3": ("a normal end", BOTH),
    "7.4.1": ("the codes with a meaning", BOTH),
    "7.4.2": ("the ranges of codes", BOTH),
    "8.1": ("text that is not UTF-8", BOTH),
}


def section_of(requirement):
    """"4.1" of "4.1 request 3"."""
    return requirement.split(" ")[0]
