"""`./run test --fuzz-cib N [--seed S] [-j J]`: N broken CIBs: no traceback, and a graph that holds together.

Each is a random cluster (sometimes one of Pacemaker's own cases, where they are) with a few elements and attributes dropped,
doubled, exchanged or set to absurd values.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
import traceback
from copy import deepcopy
from pathlib import Path

from lxml import etree
from tests.differential.drawing.cluster import draw_cluster
from tests.differential.drawing.settings import NOW_S

from standfast.scheduler.plan import schedule
from standfast.scheduler.report.simulation import report

CASES = Path(__file__).with_name("bad_input")
PER_SEED = 20
"""Mutants made of each random cluster: drawing costs as much as deciding."""
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


def trouble(root: etree._Element, whole: bool = True) -> str:
    """What went wrong, or nothing: a plan is made and its graph checked; `whole` also carries it out and prints everything."""
    try:
        plan = report(root, NOW_S)[0] if whole else schedule(root, NOW_S)
        plan.graph.check()
    except Exception:
        return traceback.format_exc()
    return ""


def _run(job: tuple[int, int]) -> list[tuple[int, str, bytes]]:
    start, count = job
    found = []
    base = draw_cluster(start)
    for number in range(count):
        mutant = mutate(base, f"{start} {number}")
        problem = trouble(mutant, whole=number % 4 == 0)
        if problem:
            found.append((start, problem, etree.tostring(mutant)))
    return found


def main() -> int:
    """Exit status 0: nothing raised."""
    parser = argparse.ArgumentParser(prog="./run test --fuzz-cib", description=__doc__)
    parser.add_argument("mutants", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--save", type=Path, default=CASES, help="where inputs that raise are kept")
    options = parser.parse_args()
    os.nice(5)
    bases = -(-options.mutants // PER_SEED)
    start = last = time.monotonic()
    done = 0
    kinds: dict[str, int] = {}
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        jobs = ((seed, PER_SEED) for seed in range(options.seed, options.seed + bases))
        for found in pool.imap_unordered(_run, jobs, chunksize=4):
            done += PER_SEED
            for seed, problem, xml in found:
                kind = _kind(problem)
                kinds[kind] = kinds.get(kind, 0) + 1
                if kinds[kind] == 1:
                    options.save.mkdir(parents=True, exist_ok=True)
                    path = options.save / f"found-{seed}-{len(kinds)}.xml"
                    path.write_bytes(xml)
                    print(f"{problem}\nsaved as {path}", flush=True)
            if time.monotonic() - last > 30:
                last = time.monotonic()
                print(f"{done} of {bases * PER_SEED}, {sum(kinds.values())} raised", flush=True)
    took = time.monotonic() - start
    print(f"{done} broken CIBs in {took:.0f} s ({done / max(took, 0.001):.0f} a second), {sum(kinds.values())} raised")
    for kind, count in sorted(kinds.items(), key=lambda item: -item[1]):
        print(f"{count:8} {kind}")
    return 1 if kinds else 0


def _kind(problem: str) -> str:
    """The place and the type, which is what tells one defect from another."""
    places = [line.strip() for line in problem.splitlines() if line.strip().startswith("File")]
    return f"{problem.strip().splitlines()[-1].split(':')[0]} at {places[-1].split('/')[-1] if places else '?'}"


if __name__ == "__main__":
    sys.exit(main())
