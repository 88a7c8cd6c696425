"""The results as tables: the same for the screen and for the report."""
import dataclasses
import math

from faults import FAULTS
from results import ROLES, median, p99


@dataclasses.dataclass
class Table:
    title: str
    note: str
    head: list
    rows: list

    def as_text(self):
        widths = [max(len(row[i]) for row in (self.head, *self.rows))
                  for i in range(len(self.head))]
        lines = [f"\n{self.title}"]
        for row in (self.head, *self.rows):
            lines.append("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                   for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
        return "\n".join(lines)

    def as_markdown(self):
        align = [":--"] + ["--:"] * (len(self.head) - 1)
        lines = ["| " + " | ".join(row) + " |" for row in (self.head, align, *self.rows)]
        return "\n".join(lines) + "\n"


def seconds(value):
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "not seen"
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}"


def pair(times):
    if not times:
        return "-"
    return f"{seconds(median(times))} / {seconds(p99(times))}"


def detection(results):
    rows = []
    for fault in FAULTS:
        for role in ROLES:
            row = [f"{fault.title}; {role}"]
            row += [pair(results.detection(kind.name, fault.name, role)) for kind in results.kinds]
            rows.append(row)
            if fault.name == "frozen":
                doubts = [pair(results.detection(kind.name, fault.name, role, doubt=True))
                          if kind.is_vital else "-" for kind in results.kinds]
                rows.append([f"the same, by the doubt; {role}", *doubts])
    count = min((len(results.samples_of(kind.name, fault.name, role)) for kind in results.kinds
                 for fault in FAULTS for role in ROLES
                 if results.samples_of(kind.name, fault.name, role)), default=0)
    return Table("T_D in s, median / p99, and who watches",
                 f"At least {count} connections in each cell.",
                 ["fault; who watches", *(kind.name for kind in results.kinds)], rows)


def lost(condition, outcome):
    if outcome is None:
        return "-"
    if not hasattr(condition, "who"):
        return f"{outcome.per_hour:.1f}" if outcome.lost else "0"
    if condition.who == "both":
        return f"{outcome.lost} of {outcome.count}"
    other = "server" if condition.who == "client" else "client"
    return f"{outcome.by[condition.who]} + {outcome.by[other]} of {outcome.count}"


def mistakes(results):
    kinds = [kind for kind in results.kinds
             if any(one.peer == kind.name for one in results.outcomes)]
    rows = []
    for condition in results.conditions:
        unit = "" if hasattr(condition, "who") else "; an hour"
        rows.append([condition.title + unit,
                     *(lost(condition, results.outcomes_of(kind.name, condition.name))
                       for kind in kinds)])
    return Table("mistakes: healthy connections declared dead",
                 "For a stall of one end: those that it gave up itself + those that the other "
                 "end gave up.",
                 ["condition", *(kind.name for kind in kinds)], rows)


def accuracy(results):
    rows = []
    for fault in FAULTS:
        for role in ROLES:
            cells = [results.accuracy(kind.name, fault.name, role) for kind in results.kinds]
            rows.append([f"{fault.title}; {role}",
                         *("-" if math.isnan(cell) else f"{100 * cell:.0f} %" for cell in cells)])
    return Table("verdicts that name the fault", "",
                 ["fault; who watches", *(kind.name for kind in results.kinds)], rows)


def cost(results):
    kinds = [kind for kind in results.kinds
             if any(one.peer == kind.name for one in results.traffic)]
    of = {(one.peer, one.state): one for one in results.traffic}
    loads = {one.peer: one for one in results.loads}
    rows = [["beats an hour, idle", *(f"{of[kind.name, 'idle'].beats:.1f}" for kind in kinds)],
            ["beats an hour, busy", *(f"{of[kind.name, 'busy'].beats:.1f}" for kind in kinds)],
            ["KB an hour, idle", *(f"{of[kind.name, 'idle'].bytes / 1e3:.1f}" for kind in kinds)]]
    if loads:
        rows += [["server's CPU s for 10^6 beats",
                  *(f"{loads[kind.name].cpu_s:.1f}" if kind.name in loads else "-"
                    for kind in kinds)],
                 ["server's bytes for an idle connection",
                  *(f"{loads[kind.name].bytes_each:,.0f}" if kind.name in loads else "-"
                    for kind in kinds)]]
    return Table("cost of a connection", "", ["", *(kind.name for kind in kinds)], rows)


def all_of(results):
    return [detection(results), mistakes(results), accuracy(results), cost(results)]
