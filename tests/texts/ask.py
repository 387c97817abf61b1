"""`python -m tests.texts.ask CRM_VERIFY [DIRECTORY]`: what the original's crm_verify answers, as the files that the tests read.

Without DIRECTORY: the corpus, to `answers.txt`. With it: every XML file there (the cases of Pacemaker's own suite), to
`suite_answers.txt`, which names only those it has something to say about.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.texts.corpus import CASES

HERE = Path(__file__).parent
SAYING = re.compile(r"(error|warning): ")


class Answer:
    """What was said, each sentence once, and the exit status (below 0: it crashed)."""

    def __init__(self, exit_status: int, lines: list[str]) -> None:
        """Keep both."""
        self.exit_status = exit_status
        self.lines = list(dict.fromkeys(lines))


def answer_of(program: str, path: Path) -> Answer:
    """Ask about one file."""
    environment = os.environ | {"LC_ALL": "C", "TZ": "UTC"}
    asked = [program, "-V", "-x", str(path)]
    done = subprocess.run(asked, capture_output=True, text=True, env=environment, check=False)
    lines = [line for line in done.stderr.splitlines() if SAYING.match(line)]
    return Answer(done.returncode, [line for line in lines if line != "error: CIB did not pass schema validation"])


def read_answers(path: Path) -> dict[str, Answer]:
    """A file of answers: `## NAME EXIT`, then the sentences."""
    found: dict[str, Answer] = {}
    for block in path.read_text().split("## ")[1:]:
        head, *lines = block.splitlines()
        name, exit_status = head.split()
        found[name] = Answer(int(exit_status), lines)
    return found


def main() -> int:
    """Write the files."""
    program, *rest = sys.argv[1:]
    answers: dict[str, Answer] = {}
    if rest:
        for path in sorted(Path(rest[0]).glob("*.xml")):
            answer = answer_of(program, path)
            if answer.exit_status or answer.lines:
                answers[path.stem] = answer
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cib.xml"
            for name, text in CASES.items():
                path.write_text(text)
                answers[name] = answer_of(program, path)
    text = "".join(f"## {name} {a.exit_status}\n" + "".join(f"{line}\n" for line in a.lines) for name, a in answers.items())
    (HERE / ("suite_answers.txt" if rest else "answers.txt")).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
