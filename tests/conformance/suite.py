#!/usr/bin/python3
"""The conformance suite: vital's own programs against a peer that can send any bytes. RFC
6455 by its sections, RFC 7692 as 7692:7.1 and so on.

usage: suite.py [--list] [--tap] [--server | --client] [WORD ...]

A WORD is a section ("5.5" takes 5.5.1 as well) or part of a case's sentence; a case must have
all of them. $VITAL and $SUBJECT name the programs.
"""
import argparse
import asyncio
import dataclasses
import pathlib
import re
import sys
import time
import traceback

sys.dont_write_bytecode = True

import section_4  # noqa: E402: after that
import section_5
import section_6
import section_7
import section_8
import section_7692
from peer import BYTES, WHOLE, Peer, play_script
from programs import Servers
from requirements import BOTH, REQUIREMENTS, section_of
from wire import Failure

AT_ONCE = 24
CASE_S = 60  # a deadline, for what never comes


@dataclasses.dataclass
class Case:
    requirement: str
    sentence: str
    play: object  # a script, or a coroutine of the peer
    role: str  # of vital
    pace: str = WHOLE
    settings: dict = dataclasses.field(default_factory=dict)  # of the program
    headers: tuple = ()  # more for the peer's side of the handshake
    path: str = "/"
    rsv: int = 0  # bits that the program's messages may have
    by_api: bool = False  # needs subject.c, as server
    opened: bool = True  # the handshake is made before the case begins
    attack: str = ""  # the rows of the attack table that it is: "b12"

    @property
    def name(self):
        pace = "" if self.pace == WHOLE else f", {self.pace}"
        row = f"{self.attack}_" if self.attack else ""
        return f"{row}{self.requirement}, {self.role}: {self.sentence}{pace}"


class Book:
    """Gathers the cases."""

    def __init__(self):
        self.cases = []

    def add(self, requirement, sentence, play, roles=None, chopped=True, **options):
        """In every role that the requirement is about, or in `roles`; whole, and if `chopped`
        with every write cut into bytes."""
        for role in roles or REQUIREMENTS[requirement][1]:
            for pace in (WHOLE, BYTES) if chopped else (WHOLE,):
                self.cases.append(Case(requirement, sentence, play, role, pace, **options))

    def gaps(self):
        """Requirements without a case, by role."""
        have = {(case.requirement, case.role) for case in self.cases}
        return [f"{requirement} has no case with vital as {role}"
                for requirement, (_, roles) in REQUIREMENTS.items() for role in roles
                if (requirement, role) not in have]


async def problem_with(case, servers, number):
    peer = Peer(servers, case, number)
    try:
        async with asyncio.timeout(CASE_S):
            if case.opened:
                await peer.open()
            if isinstance(case.play, (list, tuple)):
                await play_script(peer, case.play)
            else:
                await case.play(peer)
    except TimeoutError:
        return f"{CASE_S} s passed without {peer.waiting}"
    except Failure as failure:
        return f"{failure} (waiting for {peer.waiting}){await peer.last_words()}"
    except Exception:  # of the case itself: no reason to lose the others
        return traceback.format_exc()
    finally:
        peer.finish()
    return ""


class Report:
    def __init__(self, tap):
        self.tap = tap
        self.results = {}  # (requirement, role): [passed, failed]
        self.passed = self.failed = 0

    def note(self, requirement, role, name, problem):
        self.results.setdefault((requirement, role), [0, 0])[bool(problem)] += 1
        self.passed += not problem
        self.failed += bool(problem)
        if self.tap:
            print(f"{'not ' if problem else ''}ok {self.passed + self.failed} - {name}", flush=True)
        elif problem:
            print(f"FAILED {name}", flush=True)
        if problem:
            print("# " + problem.rstrip().replace("\n", "\n# "), flush=True)

    def table(self):
        """Section by section, in both roles."""
        print(f"{'':<20}{'vital as server':>18}{'vital as client':>18}")
        print(f"{'section':<20}" + f"{'passed':>10}{'failed':>8}" * 2 + "   what it asks")
        for requirement, (words, _) in REQUIREMENTS.items():
            counts = [self.results.get((requirement, role)) for role in BOTH]
            if any(counts):
                cells = "".join(f"{count[0]:>10}{count[1]:>8}" if count else f"{'':>18}"
                                for count in counts)
                print(f"{requirement:<20}{cells}   {words}")


async def run(cases, report):
    servers = Servers()
    await servers.subject.start()
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number, case):
        async with room:
            report.note(case.requirement, case.role, case.name,
                        await problem_with(case, servers, number))

    await asyncio.gather(*(one(number, case) for number, case in enumerate(cases, 1)))
    for program in servers.all:
        name = " ".join([pathlib.Path(program.words[0]).name, *program.words[1:2],
                         *program.words[9:]])
        report.note("", "", f"{name} has no descriptor left of all that", await program.leak())
        report.note("", "", f"{name} ends well after all that", await program.stop())


def chosen(cases, options):
    def fits(case, word):
        section = section_of(case.requirement)
        if re.fullmatch(r"[\d.:]+", word):
            return section == word or section.startswith((word + ".", word + ":"))
        return word in case.name
    role = "server" if options.server else "client" if options.client else None
    return [case for case in cases if role in (None, case.role)
            and all(fits(case, word) for word in options.words)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for flag in ("list", "tap", "server", "client"):
        parser.add_argument("--" + flag, action="store_true")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    began = time.monotonic()
    book = Book()
    for section in (section_4, section_5, section_6, section_7, section_8, section_7692):
        section.fill(book)
    cases = chosen(book.cases, options)
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    assert len({case.name for case in book.cases}) == len(book.cases), "two cases of one name"
    report = Report(options.tap)
    if not options.words and not options.server and not options.client:
        report.note("", "", "every requirement has a case in every role that it is about",
                    "\n".join(book.gaps()))
    if not cases:
        report.note("", "", "there is a case of " + " ".join(options.words), "there is none")
    asyncio.run(run(cases, report))
    if options.tap:
        print(f"1..{report.passed + report.failed}")
    else:
        report.table()
        print(f"\n{time.monotonic() - began:.1f} s")
        print(f"{report.passed} passed, {report.failed} failed")
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
