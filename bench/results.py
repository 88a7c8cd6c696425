"""What was measured, in a file, so that a report can grow piece by piece."""
import dataclasses
import json
import statistics


@dataclasses.dataclass
class Sample:
    workload: str
    server: str
    value: float
    extra: dict  # own_share, share: of a core, the load's and the server's; and more


@dataclasses.dataclass
class Results:
    facts: dict  # of the machine: words
    versions: dict  # of the servers, by name
    days: dict  # on which a workload was measured
    loads: dict  # the load average of the machine then, ours included: 2 if it was quiet
    samples: list

    @classmethod
    def load(cls, path):
        if not path.exists():
            return cls({}, {}, {}, {}, [])
        saved = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{"loads": {}, **saved, "samples": [Sample(**one) for one in saved["samples"]]})

    def save(self, path):
        lines = ",\n".join(json.dumps(dataclasses.asdict(one)) for one in self.samples)
        rest = {name: getattr(self, name) for name in ("facts", "versions", "days", "loads")}
        path.write_text(json.dumps(rest, indent=1)[:-2] + f',\n "samples": [\n{lines}\n]\n}}\n',
                        encoding="utf-8")

    def replace(self, workload, samples, day, load):
        self.samples = [one for one in self.samples if one.workload != workload] + samples
        self.days[workload] = day
        self.loads[workload] = round(load, 1)

    def values(self, workload, server):
        return sorted(one.value for one in self.samples
                      if (one.workload, one.server) == (workload, server))

    def median(self, workload, server):
        values = self.values(workload, server)
        return statistics.median(values) if values else None

    def extra(self, workload, server, name):
        """The median of what else is known; None."""
        known = [one.extra[name] for one in self.samples
                 if (one.workload, one.server) == (workload, server) and name in one.extra]
        return statistics.median(known) if known else None
