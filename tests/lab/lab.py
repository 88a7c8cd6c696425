"""Every fault on a real network path, many worlds at a time; see ./run."""
import collections
import concurrent.futures
import datetime
import math
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import threading
import time

import isolation
from faults import FAULTS
from scene import INTERVAL_S, VITAL
from trial import Trial

TOOLS = ("ip", "nft", "conntrack", "tc", "nsenter")
AT_ONCE = 8 * os.cpu_count()  # nearly all of a trial is waiting
LONG_FROM = 20  # runs of each fault: who asks for so many has the time for all faults, and
REPORT = pathlib.Path(__file__).resolve().parents[2] / "docs/lab-report.md"  # wants this
PROGRESS_S = 10


class Attention:
    """How late this program itself was: what it says of others cannot be truer. It ends
    with the program."""
    EVERY_S = 0.05
    DISTURBED_S = 0.25

    def __init__(self):
        self.lags = []  # (when, by how much), only what is worth it
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            before = time.monotonic()
            time.sleep(self.EVERY_S)
            lag_s = time.monotonic() - before - self.EVERY_S
            if lag_s > self.DISTURBED_S:
                self.lags.append((before, lag_s))

    def disturbed(self, since):
        return any(at >= since for at, _ in self.lags)


class Lab:
    def __init__(self, faults, runs, at_once, writes):
        self.faults = faults
        self.runs = runs
        self.at_once = at_once
        self.writes = writes
        self.began = time.monotonic()
        self.attention = Attention()
        self.done = []
        self.told = time.monotonic()

    def run(self):
        # What lasts longest goes first, so that the last world is not alone for long.
        order = sorted(self.faults, key=lambda fault: -(fault.back_s + fault.within_s
                                                        + fault.lasts_s))
        trials = [Trial(fault, number) for number in range(self.runs) for fault in order]
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as pool:
            futures = [pool.submit(self.play, trial) for trial in trials]
            try:
                for future in concurrent.futures.as_completed(futures):
                    self.report(future.result(), len(trials))
            except KeyboardInterrupt:
                self.interrupted(len(trials))
                os._exit(130)  # the first process of a world apart: all of it ends

    def play(self, trial):
        began = time.monotonic()
        trial.play()
        trial.disturbed = self.attention.disturbed(began)
        return trial

    def report(self, trial, count):
        self.done.append(trial)
        few = self.runs == 1
        if trial.wrong or few:
            print(f"{'not ok' if trial.wrong else 'ok'} {trial.fault.name}"
                  + ("" if few else f", run {trial.number}"))
        for line in "\n".join(trial.wrong + [trial.story] if trial.wrong else []).splitlines():
            print("# " + line)
        if not few and time.monotonic() - self.told > PROGRESS_S:
            self.told = time.monotonic()
            failed = sum(1 for done in self.done if done.wrong)
            print(f"{len(self.done)} of {count} runs, {failed} failed")
        sys.stdout.flush()

    def interrupted(self, count):
        print(f"\nInterrupted after {len(self.done)} of {count} runs\n\n" + table(self.rows()),
              flush=True)
        if self.writes:
            write_report(self, f"interrupted after {len(self.done)} of {count} runs")

    def rows(self):
        return [row(fault, self.done) for fault in self.faults]


def share(part, whole):
    return "-" if not whole else f"{100 * part / whole:.1f} %".replace("100.0", "100")


def spread(times):
    """Median, 99th percentile and maximum."""
    if not times:
        return "-"
    times = sorted(times)
    late = times[math.ceil(0.99 * len(times)) - 1]
    return f"{statistics.median(times):.2f} / {late:.2f} / {times[-1]:.2f}"


def words(names):
    """Each verdict, and how often."""
    counts = collections.Counter(names).most_common()
    return ", ".join(f"{name} {count}" for name, count in counts) or "-"


COLUMNS = ("fault", "runs", "passed", "named", "client says", "after", "server says", "after",
           "bound", "suspected after", "bound", "back after", "beats", "disturbed")


def row(fault, trials):
    mine = [trial for trial in trials if trial.fault is fault]
    said = [zip(*(trial.verdicts[end] for trial in mine if end in trial.verdicts))
            for end in ("client", "server")]
    client, server = (tuple(both) or ((), ()) for both in said)
    return (fault.name, len(mine), sum(not trial.wrong for trial in mine),
            share(sum(trial.named for trial in mine), len(mine)),
            words(client[0]), spread(client[1]), words(server[0]), spread(server[1]),
            f"{fault.within_s:g}" if fault.within_s else "none may",
            spread([after_s for trial in mine for _, after_s in trial.suspicions.values()]),
            f"{fault.suspected_s:g}" if fault.suspected_s else "-",
            spread([trial.back_s for trial in mine if trial.back_s is not None]),
            sum(trial.beats for trial in mine), sum(trial.disturbed for trial in mine))


def table(rows):
    """Markdown that is a table on a screen, too."""
    rows = [tuple(map(str, row)) for row in (COLUMNS, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
             for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|",
                      *lines[1:]])


def write_report(lab, how_far):
    took_s = time.monotonic() - lab.began
    REPORT.write_text(f"""# The lab's report

`make lab RUNS={lab.runs}`, {datetime.date.today()}, {how_far} in {round(took_s / 60)} minutes: \
Linux {platform.release()}, {os.cpu_count()} processors, {lab.at_once} worlds at a time, beats \
every {INTERVAL_S} s.
What the columns mean, and how a fault is made: [lab.md](lab.md). Times are median / 99th
percentile / maximum, in seconds.

{table(lab.rows())}
""")


def why_not():
    """What this machine lacks, or nothing."""
    if os.geteuid() != 0:
        return "it makes network namespaces, for which it needs root: sudo make lab"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return "there is no " + " and no ".join(missing)
    try:
        isolation.isolate()
    except OSError as problem:
        return f"namespaces cannot be made here ({problem})"
    return ""


def main():
    wanted, runs = sys.argv[1:], int(os.environ.get("RUNS") or 1)
    faults = [fault for fault in FAULTS if all(word in fault.name for word in wanted)
              and (not fault.long or runs >= LONG_FROM or wanted)]
    if not faults:
        print("no fault has a name with " + " and ".join(wanted))
        print("0 passed, 1 failed")
        return 1
    if runs < 1:
        print(f"RUNS={runs} proves nothing: at least 1\n0 passed, 1 failed")
        return 1
    problem = why_not()
    if problem:
        print(f"SKIPPED: the lab, {len(faults)} faults: {problem}")
        print(f"0 passed, 0 failed, {len(faults)} skipped")
        return 0
    lab = Lab(faults, runs, int(os.environ.get("WORLDS") or AT_ONCE),
              writes=runs >= LONG_FROM and not wanted)
    lab.run()
    print("\n" + table(lab.rows()))
    if lab.writes:
        write_report(lab, f"all {len(lab.done)} runs")
        print(f"\nwritten: {REPORT}")
    failed = sum(1 for trial in lab.done if trial.wrong)
    print(f"{len(lab.done) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not os.access(VITAL, os.X_OK):
        sys.exit(f"there is no {VITAL}: make build")
    sys.exit(main())
