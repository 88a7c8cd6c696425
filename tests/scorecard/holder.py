"""A path that stands still now and then, in the network namespace that it is run in: a
tunnel whose packets come back out of it, those of each period's first part at the end
of that part. The kernel here has no netem.

usage: holder.py NAME PERIOD_S HOLD_S
"""
import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_BYTES = 65536


def open_tunnel(name):
    tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return tunnel


def main():
    name, period_s, hold_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    tunnel = open_tunnel(name)
    print("ready", flush=True)
    began = time.monotonic()
    held = collections.deque()  # when to let it go, and the packet
    while True:
        wait = max(0, held[0][0] - time.monotonic()) if held else None
        if select.select([tunnel], [], [], wait)[0]:
            packet = os.read(tunnel, PACKET_BYTES)
            now = time.monotonic()
            since = (now - began) % period_s
            held.append((now - since + hold_s if since < hold_s else now, packet))
        while held and held[0][0] <= time.monotonic():
            try:
                os.write(tunnel, held.popleft()[1])
            except OSError:
                pass  # as a packet may be lost on any path


main()
