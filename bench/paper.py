"""REPORT.md and its plots. What words.md says stands before all, comments/NAME.md under its
workload."""
import pathlib

from servers import HERE, ROOT, SERVERS  # and by that, what tests/scorecard has
from workloads import S_A_MILLION, WORKLOADS

from drawing import WIDTH, Drawing  # pylint: disable=wrong-import-order

LEFT, ROW, HEAD = 110, 17, 34
VITALS = [server for server in SERVERS if server.vital]
FLOORS = [server for server in SERVERS if server.floor]
PEERS = [server for server in SERVERS if not server.vital and not server.floor]
QUIET = 3  # the load average, with a server and its load
BUSY = 0.9  # of a core: the load may have been the limit

# What is demanded, of the better of vital's backends: a workload, against whom, and how
# many times theirs it may be at most, or must be at least if more is better; or, against
# nobody, how much. (The server's pings have no floor here: a plain echo has no pings.)
DEMANDS = (
    ("idle", None, 128), ("idle-wss", None, 12 * 1024),
    ("pings", "peers", 0.7),
    ("beats-together", "peers", 0.8), ("beats-spread", "peers", 0.9),
    *((name, "peers", 1.25) for name in ("echo-64-50x1", "echo-64-50x16", "echo-64-500x1",
                                         "echo-64-500x16")),
    ("echo-16k", "peers", 1.1),
    *((name, "uring floor", 0.9) for name in ("echo-64-50x1", "echo-64-50x16", "echo-64-500x1",
                                              "echo-64-500x16", "echo-16k")),
    ("fan-out", "peers", 1 / 1.5), ("storm", "peers", 0.8),
)


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def best(results, workload, among):
    """(its median, the server); None if none was measured."""
    found = [(results.median(workload.name, server.name), server) for server in among]
    found = [one for one in found if one[0] is not None]
    return (max if workload.most_wins else min)(found, key=lambda one: one[0], default=None)


def judge(results, name, whom, factor):
    """A row of the table of demands; None if there is nothing to compare."""
    workload = next(one for one in WORKLOADS if one.name == name)
    ours = best(results, workload, VITALS)
    if ours is None:
        return None
    if whom is None:
        met = ours[0] <= factor
        return (workload.title, f"at most {number(factor)} {workload.unit}",
                f"{number(ours[0])} ({ours[1].name})", met)
    theirs = best(results, workload, PEERS if whom == "peers" else
                  [server for server in SERVERS if server.name == whom])
    if theirs is None:
        return None
    ratio = ours[0] / theirs[0]
    met = ratio >= factor if workload.most_wins else ratio <= factor
    least = "at least" if workload.most_wins else "at most"
    return (workload.title, f"{least} {number(factor)} of "
            f"{'the best peer' if whom == 'peers' else 'the ' + whom}",
            f"{ratio:.2f} of {theirs[1].name} ({ours[1].name}){cpu_ratio(results, workload, whom)}",
            met)


def cpu_ratio(results, workload, whom):
    """Where the figure is not CPU time itself: what an answer costs us, and them."""
    def least(among):
        found = [results.extra(workload.name, server.name, "cpu_s_a_million") for server in among]
        return min((one for one in found if one is not None), default=None)

    if workload.unit == S_A_MILLION:
        return ""
    ours = least(VITALS)
    theirs = least(PEERS if whom == "peers" else [one for one in SERVERS if one.name == whom])
    if ours is None or theirs is None:
        return ""
    return f"; for {ours / theirs:.2f} of the least CPU time an answer"


def judge_p99(results, name):
    """Nothing is bought with latency: 99 of 100 pongs come as soon as the best peer's."""
    workload = next(one for one in WORKLOADS if one.name == name)

    def least(among):
        found = [(results.extra(name, server.name, "p99_ms"), server.name) for server in among]
        return min((one for one in found if one[0] is not None), default=None)

    ours, theirs = least(VITALS), least(PEERS)
    if ours is None or theirs is None:
        return None
    return (workload.title + ": p99 of the pongs", "no more than the best peer",
            f"{number(ours[0])} ms ({ours[1]}), {number(theirs[0])} ms ({theirs[1]})",
            ours[0] <= theirs[0])


def table_of_demands(results):
    rows = [judge(results, *demand) for demand in DEMANDS]
    rows.append(judge_p99(results, "beats-spread"))
    lines = ["| what | wanted | measured | |", "|---|---|---|---|"]
    lines += [f"| {title} | {wanted} | {measured} | {'met' if met else '**missed**'} |"
              for title, wanted, measured, met in filter(None, rows)]
    return lines


def table_of(results, workload):
    theirs = best(results, workload, PEERS)
    rows = []
    for server in SERVERS:
        values = results.values(workload.name, server.name)
        if not values:
            continue
        middle = results.median(workload.name, server.name)
        extras = [results.extra(workload.name, server.name, name)
                  for name in ("share", "own_share", "p50_ms", "p99_ms")]
        cpu_s = results.extra(workload.name, server.name, "cpu_s_a_million")
        cpu = "" if cpu_s is None or workload.unit == S_A_MILLION else number(cpu_s)
        shares = ["" if one is None else f"{100 * one:.0f} %" for one in extras[:2]]
        if extras[1] is not None and extras[1] > BUSY:
            shares[1] += " (!)"
        late = ["" if one is None else f"{number(one)} ms" for one in extras[2:]]
        ratio = f"{middle / theirs[0]:.2f}" if theirs else ""
        name = f"**{server.name}**" if server.vital else server.name
        rows.append((middle, [name, number(middle), f"{number(values[0])} – {number(values[-1])}",
                              ratio, cpu, *shares, *late]))
    rows.sort(key=lambda row: row[0], reverse=workload.most_wins)
    heads = ["", workload.unit, "least – most", "of the best peer", "CPU s a million",
             "server's core", "load's core",
             "p50", "p99"]
    used = [i for i in range(len(heads)) if i < 4 or any(cells[i] for _, cells in rows)]
    lines = ["| " + " | ".join(heads[i] for i in used) + " |",
             "|---|" + "--:|" * (len(used) - 1)]
    lines += ["| " + " | ".join(cells[i] for i in used) + " |" for _, cells in rows]
    return lines


def plot(results, workload):
    drawing = Drawing(workload.title)
    rows = [(results.median(workload.name, server.name), server) for server in SERVERS
            if results.values(workload.name, server.name)]
    rows.sort(key=lambda row: row[0], reverse=workload.most_wins)
    scale = (WIDTH - LEFT - 110) / max(results.values(workload.name, server.name)[-1]
                                       for _, server in rows)
    drawing.text(20, 20, f"{workload.title}: {workload.unit}"
                 + (", more is better" if workload.most_wins else ", less is better"), "title")
    y = HEAD
    for middle, server in rows:
        values = results.values(workload.name, server.name)
        ours = "ours" if server.vital else "faint" if server.floor else ""
        drawing.text(LEFT - 8, y + 12, server.name, ours, "end")
        drawing.bar(LEFT, y + 2, max(middle * scale, 1), ROW - 5,
                    "bar ours" if server.vital else "strip" if server.floor else "bar")
        drawing.line(LEFT + values[0] * scale, y + ROW / 2, LEFT + values[-1] * scale, y + ROW / 2,
                     "median")
        drawing.text(LEFT + values[-1] * scale + 8, y + 12, number(middle), ours)
        y += ROW
    drawing.height = y + 8
    directory = HERE / "plots"
    directory.mkdir(exist_ok=True)
    drawing.save(directory / f"{workload.name}.svg")


def write(results):
    measured = [one for one in WORKLOADS if any(sample.workload == one.name
                                                for sample in results.samples)]
    words = (pathlib.Path(HERE) / "words.md").read_text(encoding="utf-8")
    busy = {one.name: results.loads[one.name] for one in measured
            if results.loads.get(one.name, 0) > QUIET}
    if busy:
        words += ("\n**The machine was not quiet** while these were measured; the load average of "
                  "the machine was " + ", ".join(f"{load:.0f} ({name})"
                                                  for name, load in busy.items())
                  + ". A server had only as much of its core as *server's core* says, so how many "
                  "answers it gave a second says little about it here; what an answer has cost "
                  "(*CPU s a million*) is comparable, and rougher than in a quiet hour.\n")
    lines = [words.strip(), "", "## What was wanted", "", *table_of_demands(results), ""]
    comments = HERE / "comments"
    for workload in measured:
        plot(results, workload)
        counts = {len(results.values(workload.name, server.name)) for server in SERVERS} - {0}
        lines += [f"## {workload.title}", "", f"![{workload.title}](plots/{workload.name}.svg)", "",
                  *table_of(results, workload), "",
                  f"`make bench ONLY={workload.name}`, {results.days[workload.name]}, "
                  f"{' or '.join(map(str, sorted(counts)))} of each.", ""]
        comment = comments / f"{workload.name}.md"
        if comment.exists():
            lines += [comment.read_text(encoding="utf-8").strip(), ""]
    lines += ["## Who, and where", "", "| | | version |", "|---|---|---|"]
    lines += [f"| {server.name} | {server.full_name} | {results.versions[server.name]} |"
              for server in SERVERS if server.name in results.versions]
    lines += [""] + [f"- {what}: {fact}" for what, fact in results.facts.items()]
    (HERE / "REPORT.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written: {HERE / 'REPORT.md'}")
