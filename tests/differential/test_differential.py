"""Random clusters: drawn the same from the same seed, valid by Pacemaker's schema, reduced well, and decided by the laws; small
inputs on which ours and the original once differed stay as cases (cases/NAME.xml, what Pacemaker says in cases/NAME.expected)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from lxml import etree
from tests.differential.answers import Answer, Oracle, ask_ours
from tests.differential.compare import Verdict, compare, confirm, judge
from tests.differential.drawing.cluster import draw_cluster
from tests.differential.known import DECISIONS, DEFECTS, WORDINGS, Decision, Defect, Wording
from tests.differential.laws import check_laws, settles
from tests.differential.shrink import dangling, shrink

CASES = Path(__file__).with_name("cases")
SCHEMA = Path("/usr/share/pacemaker/pacemaker-3.9.rng")
ROOT = Path(__file__).parents[2]
CLUSTERS = 150
UNSETTLED = {9, 14, 23, 25, 27, 36, 52, 57}
CASE_VERSIONS = {".expected": (3, 0, 2), ".expected-2.1.5": (2, 1, 5)}


def cases() -> list[Path]:
    return sorted(path for path in CASES.iterdir() if path.suffix.startswith(".expected"))


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.name)
def test_a_difference_that_was_found_stays_gone(path: Path) -> None:
    root = etree.parse(path.with_name(path.name.split(".expected")[0] + ".xml")).getroot()
    suffix = ".expected" + path.name.split(".expected")[1]
    verdict = judge(root, ask_ours(root), Answer.parse(path.read_text()), CASE_VERSIONS[suffix])
    assert verdict.agrees, verdict.difference()


@pytest.mark.parametrize("first", range(0, CLUSTERS, 25))
def test_random_clusters_are_decided_as_the_installed_pacemaker_does(first: int) -> None:
    if shutil.which("crm_simulate") is None:
        pytest.skip("crm_simulate is not installed (apt-get install pacemaker-cli-utils): nothing to compare with")
    with closing(Oracle()) as oracle:
        for seed in range(first, first + 25):
            verdict = compare(draw_cluster(seed), oracle)
            assert verdict.agrees, f"seed {seed}: {verdict.difference()}"


def test_every_known_change_names_its_commit_and_its_first_version() -> None:
    entries: list[Wording | Decision | Defect] = [*WORDINGS, *DECISIONS, *DEFECTS]
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert re.search(r"\b(commits?) [0-9a-f]{10}\b", entry.source), entry.name
        assert (2, 1, 5) < entry.since <= (3, 0, 2), entry.name


class Second(Oracle):
    """A newer Pacemaker that says what it is told to say."""

    def __init__(self, answer: Answer) -> None:
        self.version, self.answer = (3, 0, 2), answer

    def ask(self, root: etree._Element) -> Answer:
        return self.answer


def test_a_decision_that_a_newer_pacemaker_does_not_confirm_is_a_difference() -> None:
    root = draw_cluster(1)
    ours = ask_ours(root)
    other = Answer({**ours.parts, "scores": ours.parts["scores"][1:]})
    forgiven = Verdict(ours, other, known=(DECISIONS[0].name,))
    assert confirm(root, forgiven, Second(ours)).confirmed == "confirmed"
    refuted = confirm(root, forgiven, Second(other))
    assert (refuted.agrees, refuted.confirmed) == (False, "refuted")
    by_words = Verdict(ours, other, known=(WORDINGS[0].name,))
    assert confirm(root, by_words, Second(other)) is by_words


def test_what_an_oracle_said_is_kept_and_not_asked_again(tmp_path: Path) -> None:
    if shutil.which("crm_simulate") is None:
        pytest.skip("crm_simulate is not installed (apt-get install pacemaker-cli-utils)")
    root = draw_cluster(3)
    with closing(Oracle(keep=tmp_path)) as oracle:
        said = oracle.ask(root)
        oracle.path = "/nowhere"
        assert oracle.ask(root) == said


def test_plans_carried_out_leave_nothing_to_do() -> None:
    """But for the listed seeds: circles of orderings, and unique instances whose history is on several nodes."""
    for seed in range(60):
        left = [what for what in settles(draw_cluster(seed)) if " " in what]
        assert not left or seed in UNSETTLED, (seed, left)


def test_random_clusters_obey_the_laws() -> None:
    for seed in range(200):
        check_laws(draw_cluster(f"laws {seed}"))


def test_a_seed_gives_the_same_cluster_and_plan_under_any_hash_seed() -> None:
    program = (
        "import hashlib, sys; sys.path.insert(0, '.')\n"
        "from lxml import etree\n"
        "from tests.differential.drawing.cluster import draw_cluster\n"
        "from tests.differential.laws import check_laws, settles\n"
        "roots = [draw_cluster(seed) for seed in range(25)]\n"
        "print(hashlib.sha256(b''.join(etree.tostring(r) + check_laws(r).encode() for r in roots)).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(seen) == 1


def test_random_clusters_are_valid() -> None:
    if not SCHEMA.exists():
        pytest.skip("Pacemaker's schemas are not installed (apt-get install pacemaker-common)")
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    for seed in range(100):
        root = etree.fromstring(etree.tostring(draw_cluster(seed)))
        assert not dangling(root), seed
        assert schema.validate(root), f"seed {seed}: {schema.error_log}"


def test_shrinking_keeps_what_matters_and_nothing_else() -> None:
    root = next(r for r in map(draw_cluster, range(100)) if r.find(".//rsc_order") is not None)
    small = shrink(root, lambda candidate: candidate.find(".//rsc_order") is not None)
    assert len(small.findall(".//rsc_order")) == 1
    assert not dangling(small)
    assert len(list(small.iter())) < 20


def test_an_answer_survives_its_file() -> None:
    answer = ask_ours(draw_cluster(3))
    assert Answer.parse(answer.text()) == answer
