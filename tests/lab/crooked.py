"""A cable that delays each packet by itself: those that are sent later may come sooner.
It is two TUN devices, and a thread that carries packets between them; for the kernel
here has no netem.
"""
import fcntl
import heapq
import os
import select
import struct
import threading
import time

from isolation import within

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES = 65536
UNDER_WAY = 10000  # packets; more are lost, as on any link


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Cable:
    def __init__(self, late_s, *ends):
        """Each end: a namespace, and the device's name there."""
        self.late_s = late_s
        self.under_way = []  # (when it comes out, in which order it went in, where, packet)
        self.count = 0
        self.fds = [within(namespace, open_tun, device) for namespace, device in ends]
        self.waking, self.wake = os.pipe()
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def carry(self):
        other = dict(zip(self.fds, reversed(self.fds)))
        while True:
            left = self.under_way[0][0] - time.monotonic() if self.under_way else None
            ready, _, _ = select.select([*self.fds, self.waking], [], [],
                                        left if left is None else max(0, left))
            if self.waking in ready:
                return
            for fd in ready:
                self.take(fd, other[fd])
            self.deliver(time.monotonic())

    def take(self, source, target):
        try:
            packet = os.read(source, PACKET_BYTES)
        except OSError:  # the device is down, or not up yet
            return
        if len(self.under_way) < UNDER_WAY:
            self.count += 1
            heapq.heappush(self.under_way, (time.monotonic() + self.late_s(), self.count, target,
                                            packet))

    def deliver(self, now):
        while self.under_way and self.under_way[0][0] <= now:
            _, _, target, packet = heapq.heappop(self.under_way)
            try:
                os.write(target, packet)
            except OSError:
                pass  # the same

    def close(self):
        os.write(self.wake, b".")
        self.thread.join()
        for fd in (*self.fds, self.waking, self.wake):
            os.close(fd)
