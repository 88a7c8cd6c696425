"""Namespaces by system call, where the tools would cost a process each, or a signal.

Python 3.11 has no os.unshare() and os.setns() yet.
"""
import ctypes
import os
import signal
import sys
import tempfile
import threading

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function.__name__}: {os.strerror(error)}")


def mount(what, where, kind, flags=0):
    call(libc.mount, what.encode(), where.encode(), kind.encode(), ctypes.c_ulong(flags), None)


def isolate():
    """The rest of the program runs as the first process of a world apart: its network
    namespaces, its temporary files, and all that it starts end when it does, however it
    ends. Raises OSError for who may not."""
    call(libc.unshare, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET)
    child = os.fork()
    if child:
        # Ctrl-C comes to both; what was sent to us alone has to be passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, _: os.kill(child, number))
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    call(libc.prctl, PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    mount("none", "/run", "tmpfs")
    tempfile.tempdir = "/run"


def within(namespace, function, *arguments):
    """What the function returns, or raises, in that network namespace. A socket that it
    opens stays there."""
    result = []

    def enter():
        try:
            with open(f"/run/netns/{namespace}") as file:
                call(libc.setns, file.fileno(), CLONE_NEWNET)
            result.append((function(*arguments), None))
        except Exception as problem:  # it is the caller's
            result.append((None, problem))

    thread = threading.Thread(target=enter)  # no other enters it
    thread.start()
    thread.join()
    value, problem = result[0]
    if problem:
        raise problem
    return value
