"""SVG by hand, for light and dark pages alike; of the scorecard, and of bench/."""

WIDTH = 840
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
