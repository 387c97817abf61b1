"""`./run test --differential N [--seed S] [-j J]`: N random clusters, ours against the installed crm_simulate."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from lxml import etree
from tests.differential.answers import Oracle
from tests.differential.compare import Verdict, compare, confirm
from tests.differential.drawing.cluster import draw_cluster
from tests.differential.shrink import shrink

CASES = Path(__file__).with_name("cases")
_workers_oracles: list[Oracle] = []


def _start(paths: list[str], keep: Path | None) -> None:
    os.nice(5)
    _workers_oracles.extend(Oracle(path, keep) for path in paths)


def _judge(seed: int) -> tuple[int, Verdict]:
    root = draw_cluster(seed)
    verdict = compare(root, _workers_oracles[0])
    for second in _workers_oracles[1:]:
        verdict = confirm(root, verdict, second)
    if verdict.agrees:
        # The answers are large, and nobody will look at them.
        verdict = replace(verdict, ours=None, theirs=None)
    return seed, verdict


def _reduce(seed: int, verdict: Verdict, oracle: Oracle) -> etree._Element:
    def still(root: etree._Element) -> bool:
        found = compare(root, oracle)
        if verdict.raised:
            return found.raised.split(":")[0] == verdict.raised.split(":")[0]
        return bool(found.parts) and found.parts[0] == verdict.parts[0]

    return shrink(draw_cluster(seed), still)


def _save(seed: int, root: etree._Element, verdict: Verdict, oracle: Oracle, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"seed-{seed}.xml"
    path.write_bytes(etree.tostring(root, pretty_print=True))
    if verdict.theirs is not None:
        path.with_suffix(".expected").write_text(oracle.ask(root).text())
    print(f"saved as {path}")


def main() -> int:
    """Exit status 0: every cluster agreed or differed by a listed change."""
    parser = argparse.ArgumentParser(prog="./run test --differential", description=__doc__)
    parser.add_argument("clusters", type=int)
    parser.add_argument("--seed", type=int, default=0, help="the first cluster's seed (each next one has the next number)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--oracle", default="crm_simulate", help="another crm_simulate to ask (a newer one, say)")
    parser.add_argument("--confirm", metavar="PATH", help="a newer crm_simulate, asked where a changed decision was needed")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what the oracles say, and don't ask again what is there")
    parser.add_argument("--shrink", type=int, default=3, metavar="K", help="reduce the first K differences (default 3)")
    parser.add_argument("--save", type=Path, default=CASES, help="where reduced differences are kept")
    options = parser.parse_args()
    oracles = [path for path in (options.oracle, options.confirm) if path is not None]
    for path in oracles:
        if shutil.which(path) is None:
            print(f"{path} is not installed: apt-get install pacemaker-cli-utils", file=sys.stderr)
            return 2
    oracle = Oracle(options.oracle)
    version = ".".join(map(str, oracle.version))
    print(f"asking {options.oracle} {version}, from seed {options.seed} on")
    classes: Counter[str] = Counter()
    known: Counter[str] = Counter()
    confirmed: Counter[str] = Counter()
    odd: list[tuple[int, Verdict]] = []
    start = last = time.monotonic()
    with multiprocessing.get_context("fork").Pool(options.jobs, _start, (oracles, options.keep)) as pool:
        seeds = range(options.seed, options.seed + options.clusters)
        for seed, verdict in pool.imap_unordered(_judge, seeds, chunksize=8):
            confirmed.update(filter(None, [verdict.confirmed]))
            classes[_class(verdict)] += 1
            known.update(verdict.known)
            if not verdict.agrees:
                odd.append((seed, verdict))
                print(f"seed {seed} differs: {_class(verdict)}", flush=True)
            if time.monotonic() - last > 10:
                last = time.monotonic()
                print(f"{classes.total()} of {options.clusters}, {len(odd)} differ", flush=True)
    took = time.monotonic() - start
    print(f"\n{classes.total()} clusters in {took:.0f} s ({classes.total() / max(took, 0.001):.1f} a second)")
    for name, count in sorted(classes.items(), key=lambda item: -item[1]):
        print(f"{count:8} {name}")
    for name, count in sorted(known.items(), key=lambda item: -item[1]):
        print(f"{count:8}   by {name}")
    for name, count in sorted(confirmed.items(), key=lambda item: -item[1]):
        print(f"{count:8} of those decisions {name} by {options.confirm}")
    odd.sort(key=lambda item: item[0])
    if odd:
        print("seeds that differ: " + " ".join(str(seed) for seed, _ in odd[:100]))
    for seed, verdict in odd[: options.shrink]:
        root = _reduce(seed, verdict, oracle)
        print(
            f"\n==== seed {seed}, reduced\n{etree.tostring(root, pretty_print=True).decode()}{compare(root, oracle).difference()}"
        )
        _save(seed, root, verdict, oracle, options.save)
    return 1 if odd else 0


def _class(verdict: Verdict) -> str:
    if verdict.raised:
        return f"ours raised {verdict.raised.split(':')[0]}"
    if verdict.refused:
        return "the original gave no answer: " + verdict.refused.splitlines()[-1][:60]
    if verdict.parts:
        return "different: " + ", ".join(verdict.parts)
    return "explained by listed changes" if verdict.known else "equal"


if __name__ == "__main__":
    sys.exit(main())
