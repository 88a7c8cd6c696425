"""What is measured, and how: each workload runs one server, and gives one figure."""
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time

from servers import TREE, VITAL

SERVER_CORE, LOAD_CORE = 0, 1
LOAD = TREE / "bench/bench_load"
PATIENCE_S = 30


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of it: of a whole run, or of one that only looks whether all works."""
    warm_ms: int
    echo_ms: int
    beat_ms: int
    beating: int
    beats_per_s: int
    ping_ms: int
    pinged_ms: int
    few: int
    many: int
    few_wss: int
    many_wss: int
    storm: int
    all: int
    settle_s: float


WHOLE = Size(warm_ms=200, echo_ms=800, beat_ms=1500, beating=10000, beats_per_s=20000,
             ping_ms=2000, pinged_ms=4500, few=5000, many=18000, few_wss=500, many_wss=2000,
             storm=15000, all=10000, settle_s=1)
QUICK = Size(warm_ms=50, echo_ms=150, beat_ms=300, beating=500, beats_per_s=2000,
             ping_ms=1000, pinged_ms=6000, few=200, many=800, few_wss=20, many_wss=80,
             storm=500, all=300, settle_s=0.1)


# ----------------------------------------------------------------------- programs


def free_port():
    """One that the system does not give to clients."""
    limits = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii")
    lowest = int(limits.split()[0])
    for _ in range(100):
        port = random.randrange(lowest - 8000, lowest)
        with socket.socket() as sock:
            with contextlib.suppress(OSError):
                sock.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no port is free")


def start(core, words, **options):
    return subprocess.Popen(("taskset", "-c", str(core), *map(str, words)), text=True, **options)


def end(child):
    if child.poll() is None:
        child.kill()
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()


def await_port(port, child):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if child.poll() is not None:
            raise RuntimeError(f"{child.args[3]} has ended with {child.returncode}")
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.connect(("127.0.0.1", port))
            return
        time.sleep(0.01)
    raise RuntimeError(f"{child.args[3]} does not listen")


@contextlib.contextmanager
def serving(server, mode="echo", ms=0, certificate=()):
    """The server, on its core: (its port, its pid)."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as said:
        child = start(SERVER_CORE, server.words(port, mode, ms, certificate),
                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                      env={**os.environ, **dict(server.environment)})
        try:
            await_port(port, child)
            yield port, child.pid
        except (RuntimeError, subprocess.SubprocessError) as error:
            said.seek(0)
            raise RuntimeError(f"{error}; the server says: {said.read()[-500:]}") from error
        finally:
            end(child)


def run_json(words):
    """What a load says in the end."""
    child = start(LOAD_CORE, words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = child.communicate(timeout=4 * PATIENCE_S)
    finally:
        end(child)
    if child.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {err.strip()[-500:]}")
    return json.loads(out.splitlines()[-1])


def load(mode, server, port, pid, **settings):
    words = [f"{name}={value}" for name, value in settings.items()]
    return run_json((LOAD, mode, f"port={port}", f"pid={pid}", f"floor={int(server.floor)}",
                     *words))


def bench(port, *words):
    return run_json((VITAL, "bench", "--json", "--quiet", *words, f"ws://127.0.0.1:{port}/"))


# ----------------------------------------------------------------------- workloads


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    needs: str  # what a server must be able to do
    unit: str
    run: object  # run(server, size, certificate) is {"value": ..., and what else is known}
    most_wins: bool = False


def echo(connections, in_flight, bytes_):
    def run(server, size, _certificate):
        with serving(server) as (port, pid):
            got = load("echo", server, port, pid, connections=connections, in_flight=in_flight,
                       size=bytes_, warm_ms=size.warm_ms, ms=size.echo_ms)
        return {"value": got["per_s"], **got}
    return run


def beats(together):
    def run(server, size, _certificate):
        with serving(server) as (port, pid):
            got = load("beat", server, port, pid, connections=size.beating, rate=size.beats_per_s,
                       together=int(together), warm_ms=size.beating * 1000 // size.beats_per_s,
                       ms=size.beat_ms)
        return {"value": got["cpu_s_a_million"], **got}
    return run


def storm(server, size, _certificate):
    with serving(server) as (port, pid):
        got = load("storm", server, port, pid, connections=size.storm)
    return {"value": got["seconds"], **got}


def pings(server, size, _certificate):
    with serving(server, "beat", size.ping_ms) as (port, pid):
        got = bench(port, "-m", "idle", "-c", size.beating, "-d", f"{size.pinged_ms}ms", "-p", pid)
    if not got["answered"]:
        raise RuntimeError(f"{server.name} has not pinged anybody")
    return of_process(got)


def of_process(got):
    """CPU time a million answers, and what else there is."""
    process = got["process"]
    return {"value": process["cpu_s_a_million"], "answered": got["answered"],
            "per_s": got["per_s"], "own_share": got["own_share"],
            "share": process["cpu_s"] / got["seconds"]}


def fan_out(server, size, _certificate):
    with serving(server, "all") as (port, pid):
        got = bench(port, "-m", "fanout", "-c", size.all, "-d", f"{size.beat_ms}ms", "-p", pid)
    return {**of_process(got), "p50_ms": got["whole"]["p50_ms"]}


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def await_ready(child):
    for line in child.stdout:
        event = json.loads(line)
        if event["event"] == "ready":
            if event["failed"]:
                raise RuntimeError(f"{event['failed']} connections failed")
            return
    raise RuntimeError("the clients have ended")


def idle(secure):
    def run(server, size, certificate):
        few, many = (size.few_wss, size.many_wss) if secure else (size.few, size.many)
        scheme = "wss" if secure else "ws"
        children, memory = [], []
        with serving(server, certificate=certificate if secure else ()) as (port, pid):
            try:
                for count in (few, many - few):
                    children.append(start(
                        LOAD_CORE, (VITAL, "bench", "-m", "idle", "-c", count, "-d", "1h", "-k",
                                    "--json", f"{scheme}://127.0.0.1:{port}/"),
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
                    await_ready(children[-1])
                    time.sleep(size.settle_s)
                    memory.append(resident_bytes(pid))
            finally:
                for child in children:
                    end(child)
        return {"value": (memory[1] - memory[0]) / (many - few)}
    return run


S_A_MILLION = "CPU seconds a million"
WORKLOADS = (
    Workload("idle", "Memory of an idle connection (resident, slope of 5,000 to 18,000)", "idle",
             "bytes", idle(False)),
    Workload("idle-wss", "Memory of an idle connection over TLS (slope of 500 to 2,000)", "wss",
             "bytes", idle(True)),
    Workload("pings", "The server's own pings, every 2 s or so, to 10,000 clients that answer",
             "pings", S_A_MILLION, pings),
    Workload("beats-spread", "Answering pings of 10,000 clients, 20,000 a second, one by one",
             "beats", S_A_MILLION, beats(False)),
    Workload("beats-together", "Answering pings of 10,000 clients, all at once, twice a second",
             "beats", S_A_MILLION, beats(True)),
    Workload("echo-64-50x1", "Echo of 64 bytes: 50 connections, 1 in flight", "echo", "a second",
             echo(50, 1, 64), True),
    Workload("echo-64-50x16", "Echo of 64 bytes: 50 connections, 16 in flight", "echo", "a second",
             echo(50, 16, 64), True),
    Workload("echo-64-500x1", "Echo of 64 bytes: 500 connections, 1 in flight", "echo", "a second",
             echo(500, 1, 64), True),
    Workload("echo-64-500x16", "Echo of 64 bytes: 500 connections, 16 in flight", "echo",
             "a second", echo(500, 16, 64), True),
    Workload("echo-16k", "Echo of 16 KiB: 50 connections, 1 in flight", "echo", "a second",
             echo(50, 1, 16384), True),
    Workload("fan-out", "One message of 64 bytes to 10,000 connections", "all", S_A_MILLION,
             fan_out),
    Workload("storm", "15,000 clients connect, upgrade, and have a pong", "storm", "seconds",
             storm),
)
