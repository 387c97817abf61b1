"""Two key files, and what a start makes of them after a crash between any two steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from standfast.base.report import Refused
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.runtime.keyfiles import KeyFiles

OLD = bytes(range(128))


def files(folder: Path) -> KeyFiles:
    path = folder / "authkey"
    path.write_bytes(OLD)
    path.chmod(0o400)
    return KeyFiles(path)


def test_from_one_key_to_the_next(tmp_path: Path) -> None:
    keys = files(tmp_path)
    assert keys.ring() == KeyRing(AuthKey(OLD))
    assert keys.begin()
    assert not keys.begin(), "what was made, or copied here, is kept"
    new = AuthKey(keys.next.read_bytes())
    assert keys.next.stat().st_mode & 0o777 == 0o400
    assert keys.ring() == KeyRing(AuthKey(OLD), new, is_moving=True)
    keys.finish()
    assert keys.ring() == KeyRing(new)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["authkey"]


def test_a_next_key_that_cannot_be_trusted_changes_nothing(tmp_path: Path) -> None:
    keys = files(tmp_path)
    keys.next.write_bytes(b"short")
    keys.next.chmod(0o400)
    for step in (keys.ring, keys.finish):
        with pytest.raises(Refused, match="too short"):
            step()
    assert keys.path.read_bytes() == OLD
