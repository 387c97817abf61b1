"""docs/deciding.md: what its commands print is what they print."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from standfast.shell.main import main as crm
from standfast.tools.crm_simulate import main as crm_simulate

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deciding.md").read_text()
BLOCKS = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.S)


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize(("line", "printed"), BLOCKS, ids=[line for line, _ in BLOCKS])
def test_the_page_shows_what_is_printed(line: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TZ", "UTC")
    words = shlex.split(line)
    if "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert {"crm": crm, "crm_simulate": crm_simulate}[words[0]](words[1:]) == 0
    assert out.getvalue() == printed
