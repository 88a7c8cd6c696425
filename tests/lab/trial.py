"""One run: a fault between a client and a server, and what was wrong with what they made of it."""
import dataclasses
import random
import re
import time
import traceback

from children import Failure, TooLate
from scene import Scene, name_of
from world import Trouble, World

MARGIN_S = 10  # for which a verdict that comes too late is still waited for


@dataclasses.dataclass
class Trial:
    """A run, as planned and as it went."""
    fault: object
    number: int
    wrong: list = dataclasses.field(default_factory=list)
    verdicts: dict = dataclasses.field(default_factory=dict)  # end: (its name, seconds)
    suspicions: dict = dataclasses.field(default_factory=dict)  # likewise
    named: bool = False
    back_s: float = None  # after the fault was over, or the verdict, whichever came last
    beats: int = 0
    disturbed: bool = False
    story: str = ""

    def play(self):
        chance = random.Random(f"{self.fault.name} {self.number}")
        late = self.fault.late_s and (lambda: chance.uniform(*self.fault.late_s))
        try:
            with World(f"w{self.number}-{id(self):x}", late,
                       self.fault.congestion) as world:
                with Scene(world, self.fault, chance) as scene:
                    self.live(scene)
                if self.wrong:
                    self.story = scene.story()  # with all that was said until the end
        except Exception:  # of the lab itself: no reason to lose the others
            self.wrong.append(traceback.format_exc())
        return self

    def live(self, scene):
        try:
            scene.begin()
            began, busy_s = time.monotonic(), scene.world.busy_s
            self.fault.do(scene)
            began += scene.world.busy_s - busy_s
            if self.fault.client == () == self.fault.server:
                self.endure(scene)
            else:
                self.await_verdicts(scene, began)
            self.come_back(scene)
            self.beats = scene.beats()
        except (Failure, Trouble) as problem:
            self.wrong.append(str(problem))

    def endure(self, scene):
        time.sleep(self.fault.lasts_s)
        self.named = True
        for child in (scene.client, scene.server):
            for verdict in child.seen("close"):
                self.named = False
                self.wrong.append(f"the {child.name} has seen what was not there: "
                                  f"{name_of(verdict)}: {verdict['text']}")

    def await_verdicts(self, scene, began):
        right = [self.await_verdict(end, getattr(scene, end), began, getattr(self.fault, end))
                 for end in ("client", "server") if getattr(self.fault, end) is not None]
        self.named = all(right)

    def await_verdict(self, end, child, began, expected):
        until = began + self.fault.within_s + MARGIN_S
        try:
            verdict = child.expect("close", until - time.monotonic())
        except TooLate:
            self.wrong.append(f"the {end} has seen nothing within {until - began:.0f} s")
            return False
        name, after_s = name_of(verdict), max(0, verdict["at"] - began)
        self.verdicts[end] = (name, after_s)
        if after_s > self.fault.within_s:
            self.wrong.append(f"the {end} has seen it after {after_s:.2f} s, and not within "
                              f"{self.fault.within_s} s")
        right = name in expected
        if not right:
            self.wrong.append(f"the {end} says {name}, and not {' or '.join(expected)}: "
                              f"{verdict['text']}")
        if self.fault.suspected_s:
            right = self.check_suspicion(end, child, began, expected) and right
        if end == "client":
            self.check_words(verdict)
        return right

    def check_suspicion(self, end, child, began, expected):
        doubts = [event for event in child.seen("health")
                  if event["at"] >= began and event["health"] == "doubtful"]
        if not doubts:
            self.wrong.append(f"the {end} had no doubt")
            return False
        cause, after_s = doubts[0]["cause"], doubts[0]["at"] - began
        self.suspicions[end] = (cause, after_s)
        if after_s > self.fault.suspected_s:
            self.wrong.append(f"the {end} has suspected it after {after_s:.2f} s, and not within "
                              f"{self.fault.suspected_s} s")
        if cause not in expected:
            self.wrong.append(f"the {end} suspects {cause}, and not {' or '.join(expected)}")
        return cause in expected

    def check_words(self, verdict):
        low_s, high_s = self.fault.retry_s
        if not re.search(self.fault.says, verdict["text"]):
            self.wrong.append(f"nothing is said of {self.fault.says!r}: {verdict['text']}")
        if not low_s * 1000 <= verdict["retry_ms"] <= high_s * 1000:
            self.wrong.append(f"the next attempt is announced in {verdict['retry_ms']} ms")

    def come_back(self, scene):
        if scene.fault.client is not None:
            scene.say(2)
        over = time.monotonic()
        self.fault.heal(scene)
        scene.say(2)
        scene.arrive(self.fault.back_s)
        self.back_s = time.monotonic() - over
        scene.check_numbers()
