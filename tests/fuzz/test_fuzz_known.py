"""Every input that is kept, once, within its limits; and that the fuzzer itself can find something."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.fuzz.limits import INPUT_BYTES_MAX, Guard, Hangs, Large, Slow
from tests.fuzz.mutator import Mutator
from tests.fuzz.store import HERE, known, names, target

KEPT_BYTES_MAX = 512 * 1024


@pytest.mark.parametrize("name", names())
def test_what_is_kept_holds(name: str) -> None:
    guard = Guard(target(name), slack=4)  # a machine that runs other tests beside it
    for path in known(name):
        guard.run(path.read_bytes())
    assert guard.runs


@pytest.mark.parametrize("name", names())
def test_mutations_hold(name: str) -> None:
    module = target(name)
    corpus = [path.read_bytes() for path in known(name)]
    mutator = Mutator(corpus, 4, INPUT_BYTES_MAX, getattr(module, "DICTIONARY", ()))
    guard = Guard(module, slack=4)
    for _ in range(100):
        guard.run(mutator.next())


def test_the_corpora_are_small() -> None:
    sizes = [path.stat().st_size for folder in ("corpus", "crashes") for path in (HERE / folder).rglob("*") if path.is_file()]
    assert sum(sizes) <= KEPT_BYTES_MAX
    assert max(sizes) <= INPUT_BYTES_MAX


def planted(one: object) -> Guard:
    module = ModuleType("planted")
    module.one = one  # type: ignore[attr-defined]
    return Guard(module, hang_s=2)


def test_what_is_wrong_is_seen() -> None:
    def spin(data: bytes) -> None:
        while data:
            pass

    def burn(data: bytes) -> None:
        until_s = time.process_time() + 0.08
        while time.process_time() < until_s:
            pass

    with pytest.raises(ZeroDivisionError):
        planted(lambda data: 1 // len(data)).run(b"")
    with pytest.raises(Large):
        planted(lambda data: bytes(32 << 20)).run(b"x")
    with pytest.raises(Slow):
        planted(burn).run(b"x")
    with pytest.raises(Hangs):
        planted(spin).run(b"x")


def test_one_seed_gives_the_same_inputs() -> None:
    def drawn() -> list[bytes]:
        mutator = Mutator([b'<a b="1"/>', b'{"x": [1, 2]}', Path(__file__).read_bytes()], 9, 4096)
        return [mutator.next() for _ in range(500)]

    assert drawn() == drawn()
    assert len(set(drawn())) > 300
