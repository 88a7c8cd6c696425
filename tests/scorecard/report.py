"""docs/scorecard.md and its plots: the figures of one run, and what to make of them."""
import checks
import plots
import tables
from cost import FEW, MANY
from faults import FAULTS
from peers import HERE, INTERVAL_S, NAMED_BY
from results import ROLES, median

DOCS = HERE.parents[1] / "docs"

HEAD = """# Scorecard

How soon a dead connection is noticed, how often a healthy one is blamed, whether the fault is named, and what the watching costs: the quality of service of failure detectors (Chen, Toueg and Aguilera, IEEE ToC 51(5), 2002), of vital and of four others, in the same faults at the same moments. Written by

```
make scorecard
```

in {minutes} minutes, as root, since it makes three network namespaces: clients, a router, servers. `make scorecard QUICK=1` is the same with fewer of everything in a minute and a half, for CI; it checks and writes nothing. Both fail if one of the demands at the end of this page is not met.

{facts}

## Who is measured

Both ends of a connection are of the same make, and each watches the other. One beat every {interval} s is asked of all; the rest is what each project's own documentation or default recommends with that.

{settings}

The five do not mean the same by a beat every {interval} s. Of `ws` the server asks and the client waits to be asked; of the other three both ends ask. Two vitals share: whoever's time is up first asks, and the other has heard and spoken. So the wire sees {rates} pings an hour.

## Detection time

From the moment of the fault to the moment at which that end declares the connection dead, for {count} connections or more in each cell. Median / 99th percentile, in seconds.

![Detection time of each connection, by fault and peer](scorecard/detection.svg)

{detection}

"Towards the peer": what the watcher sends is lost, and what the peer sends arrives; "from the peer" is the reverse. A reset and an end of the stream are told by the kernel, to everybody at once; what is seen there is how long the fault took to inject. `websockets` is taken at its decision; its application's `recv()` returns up to 20 s later.
"""

READING = """
### What to make of it

A fault falls anywhere between two beats, so half an interval passes before anybody can notice, whoever they are. What differs is the wait after that.

- **`gorilla`'s and `ws`'s client patterns wait hardly at all**: a tenth of the interval and one second. They are the fastest here, and pay with mistakes (below): whoever wants {interval} s beats and an answer within half a second blames every path that loses two packets in a row. No detector can be twice as fast as that at the same rate of beats; vital is not.
- **vital waits for proof**: eight retransmissions that nobody acknowledged, and three seconds. Compared with those that make as few mistakes, it needs {ratio} of the time of the fastest.
- **A frozen program is silent, and nothing else.** Its kernel goes on acknowledging, so there is no proof to wait for, and a time limit is all that anybody has. vital suspects it of just that early (the hollow dots: the doubt, in which the application is told STUCK; counted are those that name it), but gives it up only after three answer limits, later than the others: a garbage collector or a debugger ends, and giving up would lose more. Who would rather not wait can cut it then. With an answer limit of 10 s given, it takes what libwebsockets takes at the same 10 s. An end that has never asked anything, because the other end always asked first, knows no round trip and starts from limits of 10 s, three of which are 30 s: the slowest dots.
- **An answer limit that is given explicitly** changes nothing where the kernel has evidence.
- These figures are for {congestion}. **Under BBR** Linux does not retransmit at a steady pace, the eighth retransmission comes too late to matter, and a silent path is noticed at the answer limit: after about 10 s here, which is still sooner than libwebsockets and later than `ws` (`make scorecard ARGS='--congestion bbr'`).

## Mistakes

Connections on which nothing is wrong, or not for long: how many were declared dead. A stall is a process that is stopped (SIGSTOP) and goes on; at both ends, both at the same time. {stall_note}

![Healthy connections declared dead](scorecard/mistakes.svg)

{mistakes}

- A stall of one's own is never the peer's fault, and vital gives up none for it, however long. That is demanded.
- A stall of the other end is silence. vital bears three answer limits after an unanswered beat, together about 20 s; libwebsockets 15 s, `websockets` 25 s; `ws` at most two intervals, its client an interval and a second; `gorilla` an interval and a tenth. A minute is longer than all of these, and whoever gives up then keeps to its settings.
- `ws` pings all its clients at the same moment, so its figures tend to be all or nothing, by the phase in which they are met.
- **A path that stands still for four seconds is given up by vital**, if a beat falls into its first second: that is the price of a verdict after three. Whoever comes back from a doubt in time makes it patient with that path for the next ten minutes. Those who wait for five seconds and more do better there. vital comes back within two seconds, and loses what was under way.

## The fault, named

The share of verdicts that say what was wrong: by whatever the API offers, that is close code, reason, error, text.

{accuracy}

Accepted were these words, whoever said them:

{words}

"Timeout" is the truth of a silent path; of a frozen program it does not say that it was the program, and of a one-way path not which way. `ws` reports every loss as 1006, and libwebsockets' close callback gives no reason. Both see more than they say.

## Cost

{cost}

Beats are pings, both ways together; KB are IP packets, both ways, acknowledgements included. A busy connection says something every second and is answered: it proves itself, and vital sends no beat; the others' timers fire whatever happens. The server's figures are those of one server whose {many} clients only answer: CPU time, of the program and of the kernel on its behalf, for a million beats; resident memory, as the slope between {few} and {many} idle connections. Compression is off everywhere.

## What is demanded

{checks}

The first demand compares with the fastest of those that make no more mistakes than vital, in all conditions of the table but two: the path that stands still for four seconds counts against vital, and is not demanded; giving up on an end that was stopped for a minute is no mistake.
"""


def listed(pairs):
    return "\n".join(f"- **{name}**: {words}" for name, words in pairs)


def ratios(results):
    """Of vital to the fastest that makes no more mistakes, where the kernel has evidence."""
    found = []
    for fault in FAULTS:
        for role in ROLES:
            if fault.needs_beats and fault.name != "frozen":
                _, best = results.best_of_the_careful(fault.name, role)
                found.append(median(results.detection("vital", fault.name, role)) / best)
    return f"{100 * min(found):.0f} to {100 * max(found):.0f} %"


def facts_of(results):
    facts = results.facts
    return (f"The figures below are of {facts['date']}: {facts['cpu']}, {facts['kernel']}, TCP with "
            f"{facts['congestion']}; Node {facts['node']}, Python {facts['python']}, "
            f"{facts['go']}; while the machine had other things to do, too.")


def write(results):
    detection, mistakes, accuracy, cost = tables.all_of(results)
    of = {(one.peer, one.state): one.beats for one in results.traffic}
    kinds = [kind for kind in results.kinds if (kind.name, "idle") in of]
    count = min(len(results.samples_of("vital", fault.name, role))
                for fault in FAULTS for role in ROLES)
    text = (HEAD + READING).format(
        minutes=f"{float(results.facts['seconds']) / 60:.0f}",
        facts=facts_of(results),
        interval=INTERVAL_S,
        settings=listed((f"{kind.full_name} {results.versions[kind.name]}", kind.settings)
                        for kind in results.kinds),
        rates=", ".join(f"{of[kind.name, 'idle']:.0f} ({kind.name})" for kind in kinds),
        count=count,
        detection=detection.as_markdown(),
        ratio=ratios(results),
        congestion=results.facts["congestion"],
        stall_note=mistakes.note,
        mistakes=mistakes.as_markdown(),
        accuracy=accuracy.as_markdown(),
        words=listed((next(fault.title for fault in FAULTS if fault.name == name), f"`{words}`")
                     for name, words in NAMED_BY.items()),
        cost=cost.as_markdown(),
        few=f"{FEW:,}",
        many=f"{MANY:,}",
        checks="\n".join(f"- {'met' if good else '**not met**'}: {words}"
                         for good, words in checks.all_of(results)))
    (DOCS / "scorecard.md").write_text(text)
    plots.write(results, DOCS / "scorecard")
