"""Durable files: the old content or the new, never a mixture; and after one failed write, no belief any more."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from standfast.base.report import Refused
from standfast.runtime.durable import JournalFile, read_file, write_file


def test_a_file_is_replaced_as_a_whole_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "seq"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["seq"]


@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename"])
def test_interrupted_at_any_step_the_old_content_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "seq"
    write_file(path, b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path if step == "rename" else os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            write_file(path, b"new")
    assert path.read_bytes() == b"old"
    write_file(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_a_journal_appends_and_is_rewritten(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal")
    journal.append(b"a")
    journal.append(b"b")
    assert (tmp_path / "journal").read_bytes() == b"ab"
    journal.rewrite(b"c")
    journal.append(b"d")
    journal.close()
    assert (tmp_path / "journal").read_bytes() == b"cd"


def test_after_a_failed_fsync_nothing_is_believed_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalFile(tmp_path / "journal")

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            journal.append(b"a")
    for again in (journal.append, journal.rewrite):
        with pytest.raises(OSError, match="not trusted any more"):
            again(b"b")
    journal.close()


def test_reading_has_a_limit_and_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert read_file(path, 10) is None
    path.write_bytes(b"12345678901")
    with pytest.raises(Refused, match="larger than 10 bytes"):
        read_file(path, 10)
    with pytest.raises(Refused, match="cannot read"):
        read_file(tmp_path, 10)
