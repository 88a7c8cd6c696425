"""The plots of the report: SVG by hand, for light and dark pages alike."""
import math

from faults import FAULTS
from results import ROLES, median, mistakes_in

WIDTH, LEFT, RIGHT = 840, 150, 20
ROW, GAP, HEAD = 20, 26, 64
LONGEST_S = 35
STYLE = """<style>
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }
    .title { font-size: 15px; font-weight: 600 } .panel { font-weight: 600 }
    .faint { fill: #59636e } .line { stroke: #d1d9e0 } .strip { fill: #818b981f }
    .client { fill: #0969da } .server { fill: #bc4c00 } .ours { font-weight: 600 }
    .median { stroke: #1f2328; stroke-width: 2.5 } .hollow { fill: none; stroke-width: 1.2 }
    .client.hollow { stroke: #0969da } .server.hollow { stroke: #bc4c00 }
    .bar { fill: #818b98 } .bar.ours { fill: #1a7f37 }
    @media (prefers-color-scheme: dark) {
        text { fill: #f0f6fc } .faint { fill: #9198a1 } .line { stroke: #3d444d }
        .client { fill: #4493f8 } .server { fill: #f0883e } .median { stroke: #f0f6fc }
        .hollow { fill: none } .client.hollow { stroke: #4493f8; fill: none }
        .server.hollow { stroke: #f0883e; fill: none } .bar.ours { fill: #3fb950 }
    }
</style>"""


class Drawing:
    def __init__(self, title):
        self.parts = []
        self.height = 0
        self.title = title

    def text(self, x, y, words, kind="", anchor="start"):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" '
                          f'text-anchor="{anchor}">{words}</text>')

    def line(self, x1, y1, x2, y2, kind="line"):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="{kind}"/>')

    def dot(self, x, y, kind):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" class="{kind}" '
                          'fill-opacity="0.65"/>')

    def bar(self, x, y, width, height, kind):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" class="{kind}"/>')

    def save(self, path):
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" role="img">\n<title>{self.title}</title>\n'
            + "\n".join([STYLE, *self.parts]) + "\n</svg>\n")


def legend(drawing, y):
    x = LEFT
    for role in ROLES:
        drawing.dot(x, y - 4, role)
        words = f"seen by a {role}"
        drawing.text(x + 8, y, words, "faint")
        x += 8 + 7 * len(words)
    drawing.dot(x, y - 4, "client hollow")
    drawing.text(x + 8, y, "vital's first doubt", "faint")
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
