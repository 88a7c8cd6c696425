"""A path that stands still now and then, in the network namespace that it is run in: a
tunnel whose packets come back out of it, those of each period's first part at the end
of that part. The kernel here has no netem.

usage: holder.py NAME PERIOD_S HOLD_S
"""
import collections
import os
import pathlib
import select
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))
from crooked import PACKET_BYTES, open_tun  # noqa: E402  (it lives with tests/lab)


def main():
    name, period_s, hold_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    tunnel = open_tun(name)
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
