"""Runs the workloads, in rounds in which all servers take their turns, and writes the report.

usage: bench.py [--quick] [--rounds N] [--again] [WORD...]

A WORD picks the workload of that name, or those whose names begin with it. What was
measured before stays in results.json, until the same workload is measured again; so a
whole report can be put together from pieces. --quick looks whether all works, and writes nothing; --again writes
the report once more from what there is.
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import paper
import servers
from results import Results, Sample
from servers import HERE, SERVERS
from workloads import LOAD_CORE, QUICK, SERVER_CORE, WHOLE, WORKLOADS

RESULTS = HERE / "results.json"


def make_certificate(directory):
    certificate, key = str(directory / "cert.pem"), str(directory / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def machine_facts():
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n")
    cpu = [line.split(":")[1].strip() for line in lines
           if line.startswith("model name")]
    memory_kb = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return {"processor": f"{cpu[0] if cpu else 'unknown'}, {len(cpu)} cores",
            "memory": f"{memory_kb / 1024 / 1024:.1f} GiB", "kernel": os.uname().release,
            "system": next(line.split("=")[1].strip('"') for line in
                           pathlib.Path("/etc/os-release").read_text().split("\n")
                           if line.startswith("PRETTY_NAME="))}


class Runner:
    def __init__(self, size, rounds, certificate):
        self.size = size
        self.rounds = rounds
        self.certificate = certificate
        self.passed = self.failed = 0

    def measure(self, workload):
        """All servers that can, in each round, the first another each time."""
        can = [server for server in SERVERS if workload.needs in server.can and not server.missing]
        samples = []
        for number in range(self.rounds):
            turn = number % len(can)
            for server in can[turn:] + can[:turn]:
                sample = self.measure_once(workload, server)
                if sample:
                    samples.append(sample)
        return samples

    def measure_once(self, workload, server):
        began = time.monotonic()
        try:
            got = workload.run(server, self.size, self.certificate)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            self.failed += 1
            print(f"{workload.name:16} {server.name:12} FAILED: {error}", flush=True)
            return None
        self.passed += 1
        known = ("own_share", "share", "cpu_s_a_million", "p50_ms", "p99_ms")
        extra = {name: got[name] for name in known
                 if (got.get(name) or -1) >= 0}
        print(f"{workload.name:16} {server.name:12} {got['value']:14,.2f} {workload.unit:22} "
              + " ".join(f"{name} {value:.2f}" for name, value in extra.items())
              + f" ({time.monotonic() - began:.1f} s)", flush=True)
        return Sample(workload.name, server.name, got["value"], extra)


def keep(results, workload, samples):
    """Whatever comes after it, this is measured."""
    results.replace(workload.name, samples, time.strftime("%Y-%m-%d"), os.getloadavg()[0])
    results.facts = {**machine_facts(), "cores": f"{SERVER_CORE} the server, {LOAD_CORE} the load"}
    results.versions.update({server.name: server.read_version() for server in SERVERS
                             if not server.missing})
    results.save(RESULTS)


def arguments():
    parser = argparse.ArgumentParser(prog="bench.py")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    names = {one.name for one in WORKLOADS}
    chosen = [one for one in WORKLOADS
              if not asked.words or one.name in asked.words
              or any(one.name.startswith(word) for word in asked.words if word not in names)]
    if not chosen:
        parser.error("no workload begins so; there are " + " ".join(one.name for one in WORKLOADS))
    return asked, chosen


def main():
    asked, chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends what was started, too
    results = Results.load(RESULTS)
    if asked.again:
        paper.write(results)
        return 0
    if (os.cpu_count() or 1) < 2:
        print("bench: a server and its load need a core each, and there is one")
        return 1
    if not servers.build():
        return 1
    for server in SERVERS:
        if server.missing:
            print(f"without {server.full_name}: {', '.join(server.missing)} is not here")
    with tempfile.TemporaryDirectory() as directory:
        certificate = make_certificate(pathlib.Path(directory))
        runner = Runner(QUICK if asked.quick else WHOLE, 1 if asked.quick else asked.rounds,
                        certificate)
        for workload in chosen:
            samples = runner.measure(workload)
            if not asked.quick:
                keep(results, workload, samples)
    if not asked.quick:
        paper.write(results)
    print(f"{runner.passed} passed, {runner.failed} failed")
    return bool(runner.failed)


if __name__ == "__main__":
    sys.exit(main())
