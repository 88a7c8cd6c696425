"""The plots of the report."""
import math

from drawing import WIDTH, Drawing
from faults import FAULTS
from results import ROLES, median, mistakes_in

LEFT, RIGHT = 150, 20
ROW, GAP, HEAD = 20, 26, 64
LONGEST_S = 35


def legend(drawing, y):
    x = LEFT
    for role in ROLES:
        drawing.dot(x, y - 4, role)
        words = f"seen by a {role}"
        drawing.text(x + 8, y, words, "faint")
        x += 8 + 7 * len(words)
    drawing.dot(x, y - 4, "client hollow")
    drawing.text(x + 8, y, "vital's doubt, which names it", "faint")
    x += 140
    drawing.line(x, y - 10, x, y + 2, "median")
    drawing.text(x + 8, y, "median", "faint")


def detection(results):
    """A strip of dots for each peer and fault that only a heartbeat can see."""
    drawing = Drawing("Detection time of each connection, by fault and peer")
    scale = (WIDTH - LEFT - RIGHT) / LONGEST_S
    drawing.text(LEFT, 20, drawing.title, "title")
    legend(drawing, 42)
    y = HEAD
    for fault in (fault for fault in FAULTS if fault.needs_beats):
        drawing.text(LEFT, y + 4, fault.title, "panel")
        y += 12
        top = y
        for kind in results.kinds:
            strip(drawing, results, kind, fault, y, scale)
            y += ROW
        for second in range(0, LONGEST_S + 1, 5):
            x = LEFT + second * scale
            drawing.line(x, top, x, y + 3)
            drawing.text(x, y + 15, f"{second} s" if second else "0", "faint", "middle")
        y += GAP + 14
    drawing.height = y - 10
    return drawing


def strip(drawing, results, kind, fault, y, scale):
    drawing.text(LEFT - 10, y + 14, kind.name, "ours" if kind.is_vital else "", "end")
    drawing.bar(LEFT, y + 1, WIDTH - LEFT - RIGHT, ROW - 2, "strip")
    for number, role in enumerate(ROLES):
        middle = y + 6 + 8 * number
        for doubt in (True, False) if kind.is_vital and fault.name == "frozen" else (False,):
            times = results.detection(kind.name, fault.name, role, doubt)
            for index, after in enumerate(time for time in times if time <= LONGEST_S):
                # Dots of the same time would hide each other.
                drawing.dot(LEFT + after * scale, middle + (index % 3 - 1) * 1.4,
                            f"{role} hollow" if doubt else role)
            if times and median(times) <= LONGEST_S:
                x = LEFT + median(times) * scale
                drawing.line(x, middle - 4, x, middle + 4, "median")


def mistakes(results):
    """The share of healthy connections that were lost in each condition."""
    drawing = Drawing("Healthy connections declared dead")
    left = 330
    scale = (WIDTH - left - 60) / 100
    kinds = [kind for kind in results.kinds
             if any(one.peer == kind.name for one in results.outcomes)]
    drawing.text(20, 20, drawing.title, "title")
    drawing.text(20, 42, "in % of the connections of the measurement; not counted: who gave up on "
                 "an end that was stopped for a minute", "faint")
    y, row = HEAD, 13
    for condition in results.conditions:
        drawing.text(20, y + row * len(kinds) / 2 + 4, condition.title)
        for kind in kinds:
            outcome = results.outcomes_of(kind.name, condition.name)
            share = 100 * mistakes_in(condition, outcome) / outcome.count
            ours = "ours" if kind.is_vital else ""
            drawing.text(left - 8, y + 10, kind.name, f"faint {ours}", "end")
            drawing.bar(left, y + 2, max(share * scale, 1), row - 3, f"bar {ours}")
            drawing.text(left + share * scale + 6, y + 11, f"{share:.0f} %", f"faint {ours}")
            y += row
        drawing.line(20, y + 5, WIDTH - RIGHT, y + 5)
        y += 11
    drawing.height = math.ceil(y)
    return drawing


def write(results, directory):
    directory.mkdir(exist_ok=True)
    names = []
    for name, draw in (("detection", detection), ("mistakes", mistakes)):
        draw(results).save(directory / f"{name}.svg")
        names.append(name)
    return names
