"""`./run test --fuzz-cib N [--seed S] [-j J] [--tally FILE]`: N broken CIBs: no traceback, and a graph that holds together.

Each is a small random cluster with a few elements and attributes dropped, doubled, exchanged or set to absurd values; one in
eight is broken in its bytes instead and goes in through the tools' own door. With `--tally` the count goes on where the last run
ended.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree
from tests.differential.drawing.cluster import draw_cluster
from tests.differential.drawing.settings import NOW_S

from standfast.scheduler.plan import schedule
from standfast.scheduler.report.simulation import report
from standfast.scheduler.verify import verify
from standfast.tools.xml_input import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).with_name("bad_input")
PER_SEED = 40
"""Mutants made of each random cluster: drawing costs as much as deciding."""
BASE_BYTES_MAX = 8_000
"""Greater clusters are passed over: more small inputs find more than fewer great ones in the same time."""
SECONDS_MAX = 30
"""Processor time that one input may take."""
ODD = (
    "", " ", "0", "-1", "1", "2", "INFINITY", "-INFINITY", "+INFINITY", "99999999999999999999",
    "-99999999999999999999", "1e9", "1.5", "true", "false", "maybe", "None", "#default", "Started", "Stopped",
    "Master", "Promoted", "Unpromoted", "nobody", "node1", "rsc1", "clone1", "grp1", "rsc1:0", "rsc1:99", ":", "::::",
    "a:b:c:d", "0:0;1:2:0:x", "P", "PT", "P1Y2M", "10s", "10 parsecs", "2023-02-30", "9999-99-99", "2023-W60-9",
    "24:61:61", "(", "[a-", "!", "!!", "%1", "*", "\xe9\u4e16", "a" * 300, "monitor", "start", "stop", "stonith",
    "ocf", "lsb", "member", "remote", "online", "offline", "down", "4294967296", "2147483648", "-2147483649", "-0",
    "+", "-",
)  # fmt: skip


def mutate(root: etree._Element, seed: int | str) -> etree._Element:
    """A copy of `root` with one to eight things wrong; the same seed, the same mutant."""
    chance = random.Random(f"mutant {seed}")
    root = deepcopy(root)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        elements = [e for e in root.iter() if isinstance(e.tag, str) and e.getparent() is not None]
        if not elements:
            return root
        _mutate_one(chance, elements, chance.choice(elements))
    return root


def _mutate_one(chance: random.Random, elements: list[etree._Element], element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    names = [str(name) for name in element.attrib]
    other = chance.choice(elements)
    match chance.randrange(10):
        case 0:
            parent.remove(element)
        case 1:
            parent.append(deepcopy(element))
        case 2:
            # The copy of a subtree in a strange place.
            other.append(deepcopy(element))
        case 3:
            element.tag = other.tag
        case 4 if names:
            del element.attrib[chance.choice(names)]
        case 5 if names and other.attrib:
            # A value from elsewhere: references that dangle, clash or form circles.
            element.set(chance.choice(names), str(chance.choice(list(other.attrib.values()))))
        case 6 if other.attrib:
            name = str(chance.choice(list(other.attrib)))
            element.set(name, str(other.attrib[name]))
        case 7:
            element.text = chance.choice(ODD)
        case _ if names:
            element.set(chance.choice(names), chance.choice(ODD))
        case _:
            parent.insert(0, deepcopy(element))


class TookTooLong(Exception):
    """An input that is not done with after `SECONDS_MAX`."""


def mutate_bytes(root: etree._Element, seed: int | str) -> bytes:
    """The document with one to four bytes, or runs of bytes, changed: mostly no XML any more, sometimes odd XML."""
    chance = random.Random(f"bytes {seed}")
    raw = bytearray(etree.tostring(root))
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(raw))
        match chance.randrange(5):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                # A digit or a letter for another one: what stays well-formed.
                spots = [i for i in range(at, min(at + 200, len(raw))) if chr(raw[i]).isalnum()]
                if spots:
                    raw[spots[0]] = ord(chance.choice("0123456789azAZ_-:.#%"))
            case 2:
                del raw[at : at + chance.choice((1, 1, 8, 64))]
            case 3:
                raw[at:at] = raw[at : at + chance.choice((1, 8, 64, 512))]
            case _:
                raw[at:at] = chance.choice(ODD).encode()
    return bytes(raw)


def trouble(root: etree._Element, whole: bool = True) -> str:
    """What went wrong, or nothing: a plan is made and its graph checked; `whole` also carries it out and prints everything."""
    try:
        _decide(root, whole)
    except Exception:
        return traceback.format_exc()
    return ""


def _decide(root: etree._Element, whole: bool) -> None:
    plan = report(root, NOW_S)[0] if whole else schedule(root, NOW_S)
    plan.graph.check()


def trouble_with_bytes(raw: bytes) -> str:
    """The same for a document as the tools read it: parsed, checked against its schema, judged, decided."""
    try:
        root = parsed(raw)
        if root is not None:
            verify(root, NOW_S)
            if root.tag == "cib":
                _decide(root, whole=False)
    except Exception:
        return traceback.format_exc()
    return ""


def small_cluster(seed: int) -> etree._Element:
    """The first random cluster of this seed's that is small enough, or its last."""
    for number in range(20):
        root = draw_cluster(f"fuzz {seed} {number}")
        if len(etree.tostring(root)) <= BASE_BYTES_MAX:
            break
    return root


def _run(job: tuple[int, int]) -> list[tuple[int, str, bytes]]:
    start, count = job
    found = []
    base = small_cluster(start)
    signal.signal(signal.SIGPROF, _stop)
    gc.disable()
    for number in range(count):
        name = f"{start} {number}"
        signal.setitimer(signal.ITIMER_PROF, SECONDS_MAX)
        if number % 8 == 7:
            raw = mutate_bytes(base, name)
            problem = trouble_with_bytes(raw)
        else:
            mutant = mutate(base, name)
            problem = trouble(mutant, whole=number % 8 == 0)
            raw = etree.tostring(mutant) if problem else b""
        signal.setitimer(signal.ITIMER_PROF, 0)
        if problem:
            found.append((start, problem, raw))
    gc.enable()
    gc.collect()
    return found


def _stop(_signal: int, _frame: object) -> None:
    raise TookTooLong(f"more than {SECONDS_MAX} s of processor time")


class Tally:
    """How many were tried, in this run and (with a file) in those before it: seeds are never used twice."""

    def __init__(self, path: Path | None, seed: int) -> None:
        """Go on where the file says, or begin at `seed`."""
        self.path = path
        kept = json.loads(path.read_text()) if path is not None and path.exists() else {}
        self.next_seed: int = kept.get("next_seed", seed)
        self.done: int = kept.get("done", 0)
        self.cpu_s: float = kept.get("cpu_s", 0.0)
        self.kinds: dict[str, int] = kept.get("raised", {})
        self.before = (self.done, self.cpu_s)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is not None:
            text = {"done": self.done, "raised": self.kinds, "cpu_s": round(self.cpu_s, 1), "next_seed": self.next_seed}
            draft = self.path.with_suffix(".new")
            draft.write_text(json.dumps(text) + "\n")
            draft.replace(self.path)

    def count(self, found: list[tuple[int, str, bytes]], save: Path) -> None:
        """One seed is done with."""
        self.done += PER_SEED
        self.next_seed += 1
        for seed, problem, xml in found:
            kind = _kind(problem)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if self.kinds[kind] == 1:
                save.mkdir(parents=True, exist_ok=True)
                path = save / f"found-{seed}-{len(self.kinds)}.xml"
                path.write_bytes(xml)
                print(f"{problem}\nsaved as {path}", flush=True)


def main() -> int:
    """Exit status 0: nothing raised."""
    parser = argparse.ArgumentParser(prog="./run test --fuzz-cib", description=__doc__)
    parser.add_argument("mutants", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--save", type=Path, default=CASES, help="where inputs that raise are kept")
    parser.add_argument("--tally", type=Path, help="a file that keeps the count over several runs")
    options = parser.parse_args()
    os.nice(5)
    tally = Tally(options.tally, options.seed)
    bases = -(-max(0, options.mutants - tally.done) // PER_SEED)
    first = tally.next_seed
    last = time.monotonic()
    jobs = ((seed, PER_SEED) for seed in range(first, first + bases))
    for found in _results(jobs, options.jobs):
        tally.count(found, options.save)
        if time.monotonic() - last > 30:
            last = time.monotonic()
            _tell(tally, options.mutants)
    _tell(tally, options.mutants)
    for kind, count in sorted(tally.kinds.items(), key=lambda item: -item[1]):
        print(f"{count:8} {kind}")
    return 1 if tally.kinds else 0


def _results(jobs: Iterator[tuple[int, int]], processes: int) -> Iterator[list[tuple[int, str, bytes]]]:
    if processes == 1:
        yield from map(_run, jobs)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_run, jobs, chunksize=4)


def _tell(tally: Tally, wanted: int) -> None:
    """The count so far; processor time is that of this process and of its children that have ended."""
    spent = os.times()
    tally.cpu_s = tally.before[1] + spent.user + spent.system + spent.children_user + spent.children_system
    tally.save()
    rate = (tally.done - tally.before[0]) / max(0.1, tally.cpu_s - tally.before[1])
    print(f"{tally.done} of {wanted} broken CIBs, {sum(tally.kinds.values())} raised, {rate:.0f} per CPU second", flush=True)


def _kind(problem: str) -> str:
    """The place and the type, which is what tells one defect from another."""
    places = [line.strip() for line in problem.splitlines() if line.strip().startswith("File")]
    return f"{problem.strip().splitlines()[-1].split(':')[0]} at {places[-1].split('/')[-1] if places else '?'}"


if __name__ == "__main__":
    sys.exit(main())
