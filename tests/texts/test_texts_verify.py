"""crm_verify says what Pacemaker 3.0.2 says about bad configurations, with the same exit status, but for what differs.py names.

`answers.txt` and `suite_answers.txt` are the original's own answers (`ask.py`), so these tests need no Pacemaker. Sentences of
the schema are ours, with line and id; the verdict is not.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.texts.ask import Answer, read_answers
from tests.texts.corpus import CASES
from tests.texts.differs import CASES as DIFFERS
from tests.texts.differs import EXIT, NOTED, SILENT

from standfast.base.report import Report
from standfast.scheduler.verify import verify
from standfast.tools import crm_verify
from standfast.tools.xml_input import parsed

HERE = Path(__file__).parent
SUITE = Path(os.environ.get("SCHEDULER_SUITE", HERE.parents[2] / "shared" / "scheduler-suite")) / "xml"
NOW_S = 1_795_000_000
ANSWERS = read_answers(HERE / "answers.txt")
SUITE_ANSWERS = read_answers(HERE / "suite_answers.txt")


def expected(name: str, answer: Answer) -> tuple[set[str], int]:
    """What the original says, but for what is left out on purpose; and its exit status, if there is more than that."""
    lines = [line for line in answer.lines if not any(pattern.match(line) for pattern, _ in SILENT)]
    is_silenced = bool(answer.lines) and not lines
    return {NOTED.sub("", line) for line in lines}, EXIT.get(name, 0 if is_silenced else answer.exit_status)


def judged(text: bytes) -> tuple[set[str], int]:
    """What ours says, schema apart."""
    root = parsed(text)
    if root is None:
        return set(), crm_verify.EXIT_CONFIG
    complaints = verify(root, NOW_S).complaints
    return {_line(r) for r in complaints if not r.code.startswith("cib.")}, crm_verify.EXIT_CONFIG if complaints else 0


def _line(report: Report) -> str:
    return f"{report.severity.value}: {report.what}"


def test_the_answers_are_of_this_corpus() -> None:
    assert list(ANSWERS) == list(CASES)
    assert len(CASES) > 200


@pytest.mark.parametrize("name", CASES)
def test_the_same_sentences_and_exit_status(name: str) -> None:
    theirs, exit_status = expected(name, ANSWERS[name])
    ours, ours_exit = judged(CASES[name].encode())
    assert ours_exit == exit_status
    assert name in DIFFERS or ours == theirs or _is_schema_matter(name, theirs)


def _is_schema_matter(name: str, theirs: set[str]) -> bool:
    """Whether both refuse it by its schema, which is said in words of our own."""
    root = parsed(CASES[name].encode())
    assert root is not None
    verdict = verify(root, NOW_S)
    return not verdict.conforms and all(line.startswith("error: Cannot validate CIB") for line in theirs)


@pytest.mark.skipif(not SUITE.is_dir(), reason="Pacemaker's suite is not here")
def test_the_same_verdicts_and_sentences_on_the_suite() -> None:
    silent = Answer(0, [])
    wrong = {}
    for path in sorted(SUITE.glob("*.xml")):
        theirs, exit_status = expected(path.stem, SUITE_ANSWERS.get(path.stem, silent))
        ours, ours_exit = judged(path.read_bytes())
        if ours_exit != exit_status or (ours != theirs and path.stem not in DIFFERS):
            wrong[path.stem] = (exit_status, ours_exit, ours ^ theirs)
    assert wrong == {}


def test_every_exception_is_one() -> None:
    needless = []
    for name in DIFFERS:
        if name in CASES and name not in ("not-a-cib", "no-xml"):
            theirs, _ = expected(name, ANSWERS[name])
            if judged(CASES[name].encode())[0] == theirs and name not in EXIT:
                needless.append(name)
    assert needless == []


def test_the_words_come_first_and_the_line_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert crm_verify.main(["-V", "-X", CASES["target-role"]]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: Ignoring 'target-role' for a because 'Running' is not valid [line:5]", "Configuration invalid"]
    assert crm_verify.main(["-X", CASES["target-role"]]) == 78
    assert capsys.readouterr().err == "Configuration invalid (-V may provide more detail)\n"
    assert crm_verify.main(["-V", "-X", CASES["group-ordered"]]) == 78
    assert capsys.readouterr().err.endswith("\nConfiguration may need attention\n")


def test_xml_has_the_same_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert crm_verify.main(["--output-as=xml", "-X", CASES["option-bool"]]) == 78
    found = re.findall(r"<error>(.*)</error>", capsys.readouterr().out)
    what = "error: Using default value for cluster option 'maintenance-mode' because 'maybe' is invalid"
    assert found[0].startswith(what)
    assert found[-1] == "Configuration invalid"
