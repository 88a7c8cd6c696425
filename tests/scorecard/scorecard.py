"""Measures all, prints it, and writes the report; see ./run."""
import argparse
import platform
import os
import resource
import signal
import subprocess
import sys
import time

import checks
import cost
import mistakes
import peers
import report
import tables
from faults import FrozenPrograms, PathFaults
from mistakes import Trial
from results import Results
from stage import Child, Failure, Stage, Timetable
from world import World

SAVED = peers.BUILD / "results.json"
FILES_MOST = 20000


class Plan:
    """How much of everything. `quick` is for CI: the same, with fewer of each."""

    def __init__(self, quick):
        self.quick = quick
        self.each = 20 if quick else 50  # connections to a fault, a peer and a round
        self.programs, self.of_program = (2, 10) if quick else (5, 10)
        self.rounds = 1 if quick else 2
        self.conditions = (mistakes.QUICK if quick
                           else mistakes.FULL + mistakes.OTHER_PHASES)
        self.weather_s, self.settle_s = (70, 11) if quick else (180, 26)
        self.idle, self.busy = 200, 20
        self.warm_s, self.window_s = (20, 55) if quick else (40, 140)

    def faults(self, stage):
        return [PathFaults(stage, self.each),
                FrozenPrograms(stage, self.programs, self.of_program)]

    def healthy(self, stage):
        trials = [Trial(stage, condition, 50, self.weather_s, self.settle_s)
                  for condition in self.conditions]
        return [*trials, cost.Steady(stage, {"idle": self.idle, "busy": self.busy}, self.warm_s,
                                     self.window_s)]


def show(words):
    """Progress: one line that changes, or one now and then."""
    now = time.monotonic()
    if sys.stdout.isatty():
        print(f"\r\033[K{words}", end="", flush=True)
    elif now - show.last > 15:
        print(words, flush=True)
        show.last = now


show.last = float("-inf")


def play(what, measurements, stage):
    print(f"==> {what}", flush=True)
    for one in measurements:
        one.start()
    stage.await_servers()
    for one in measurements:
        one.open()
    stage.await_clients()
    timetable, begin = Timetable(), time.monotonic() + 0.2
    for one in measurements:
        one.plan(timetable, begin)
    timetable.play(lambda left: show(f"    {left:.0f} s to go"))
    if sys.stdout.isatty():
        print("\r\033[K", end="")


def measure(plan, stage, results):
    if plan.quick:
        rounds = [plan.faults(stage)]
        healthy = plan.healthy(stage)
        play("faults, and healthy connections beside them", rounds[0] + healthy, stage)
    else:
        rounds = [plan.faults(stage) for _ in range(plan.rounds)]
        for number, faults in enumerate(rounds, 1):
            play(f"faults, round {number} of {plan.rounds}", faults, stage)
        healthy = plan.healthy(stage)
        play("healthy connections", healthy, stage)
    for faults in rounds:
        for one in faults:
            results.samples += one.samples
    for one in healthy:
        if isinstance(one, Trial):
            results.outcomes += one.outcomes
        else:
            results.traffic += one.traffic
    if not plan.quick:
        for kind in stage.kinds:
            if kind.name != peers.VITAL_GIVEN.name:
                print(f"==> a server of {kind.full_name} with {cost.MANY} connections", flush=True)
                try:
                    results.loads.append(cost.load_of(stage, kind))
                except (Failure, RuntimeError) as failure:
                    print(f"    not measured: {failure}")


def facts(congestion):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                if line.startswith("model name")), platform.machine())
    return {"date": time.strftime("%Y-%m-%d"), "cpu": f"{os.cpu_count()} × {cpu}",
            "kernel": f"Linux {platform.release()}", "congestion": congestion,
            "node": run_of("node", "--version"), "go": run_of("go", "version").split()[2],
            "python": run_of("/usr/bin/python3", "--version").split()[-1],
            "interval": str(peers.INTERVAL_S)}


def run_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def print_all(results):
    for table in tables.all_of(results):
        print(table.as_text())
        if table.note:
            print(table.note)
    passed = failed = 0
    print()
    for good, words in checks.all_of(results):
        print(f"{'ok' if good else 'not ok'} {words}")
        passed, failed = passed + good, failed + (not good)
    return passed, failed


def take_part(quick):
    """Those that this machine can have, and those that it cannot."""
    kinds = [peers.VITAL, *(() if quick else (peers.VITAL_GIVEN,)), *peers.OTHERS]
    return ([kind for kind in kinds if not kind.missing], [kind for kind in kinds if kind.missing])


def skip(why):
    print(f"SKIPPED: the scorecard: {why}\n0 passed, 0 failed, 1 skipped")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="tests/scorecard/run")
    parser.add_argument("--quick", action="store_true", help="fewer of each, and no report")
    parser.add_argument("--congestion", default="cubic", help="of TCP (Linux's default is cubic)")
    parser.add_argument("--again", action="store_true", help="the report of the last figures")
    options = parser.parse_args()
    if options.again:
        results = Results.load(SAVED)
        print_all(results)
        report.write(results)
        return 0
    if os.geteuid() != 0:
        return skip("only root may make network namespaces (sudo make scorecard)")
    if not os.path.exists("/dev/net/tun"):
        return skip("there is no /dev/net/tun")
    if not peers.build():
        return 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MOST, FILES_MOST))
    kinds, missing = take_part(options.quick)
    results = Results(facts(options.congestion), {kind.name: kind.read_version() for kind in kinds},
                      [], [], [], [])
    began = time.monotonic()
    try:
        with World(options.congestion) as world:
            measure(Plan(options.quick), Stage(world, kinds), results)
    finally:
        Child.end_all()
    results.facts["seconds"] = f"{time.monotonic() - began:.0f}"
    results.save(SAVED)
    passed, failed = print_all(results)
    if not options.quick:
        report.write(results)
    for kind in missing:
        print(f"SKIPPED: {kind.full_name}: there is no " + " and no ".join(kind.missing))
    print(f"{results.facts['seconds']} s")
    print(f"{passed} passed, {failed} failed" + (f", {len(missing)} skipped" if missing else ""))
    return failed > 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
