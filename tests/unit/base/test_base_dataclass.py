"""Our dataclass beside the standard library's: the same classes, defined with both, do the same."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from standfast.base import dataclass as room

ours: Any = room.dataclass
theirs: Any = dataclasses.dataclass


def family(dataclass: Callable[..., Any]) -> SimpleNamespace:
    """The forms that the rooms use."""

    @dataclass(frozen=True, slots=True)
    class Place:
        """Frozen: where something is."""

        node: str
        line: int = dataclasses.field(default=0, compare=False)
        marks: tuple[str, ...] = ()

    @dataclass(frozen=True, slots=True)
    class Far(Place):
        """Frozen, and more."""

        miles: int = 7

    @dataclass(frozen=True, slots=True, order=True)
    class Version:
        """Frozen, in order."""

        epoch: int
        number: int

    @dataclass(slots=True)
    class State:
        """Changes."""

        names: list[Any] = dataclasses.field(default_factory=list)
        secret: str = dataclasses.field(default="s", repr=False)
        length: int = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            self.length = len(self.names)

    @dataclass(slots=True, eq=False)
    class Self:
        """The same only as itself."""

        number: int

        def __repr__(self) -> str:
            return "I"

    @dataclass(frozen=True, slots=True)
    class Nothing:
        """Without fields."""

    return SimpleNamespace(**{cls.__name__: cls for cls in (Place, Far, Version, State, Self, Nothing)})


OURS, THEIRS = family(ours), family(theirs)


def refused(act: Callable[[], object]) -> str:
    try:
        act()
    except (AttributeError, TypeError) as refusal:
        return type(refusal).__name__
    return "allowed"


def asked(kin: SimpleNamespace) -> list[object]:
    """What an object can be asked, as values that compare."""
    here, there, far = kin.Place("a", 3), kin.Place("b", marks=("x",)), kin.Far("a", 3, miles=9)
    old, new = kin.Version(1, 9), kin.Version(2, 0)
    state, full = kin.State(), kin.State(["n", "m"])
    state.names.append("k")
    return [
        [repr(one).rsplit(".", 1)[-1] for one in (here, there, far, old, state, full, kin.Self(1), kin.Nothing())],
        [here == kin.Place("a", 4), here == there, here == far, here == "a", kin.Nothing() == kin.Nothing()],
        [hash(here) == hash(kin.Place("a", 5)), len({old, new, kin.Version(1, 9)})],
        [old < new, old <= old, old > new, new >= old, sorted([new, old]) == [old, new], refused(lambda: old < 3)],
        [state == kin.State(["k"]), full.length, kin.State().names, refused(lambda: hash(state))],
        [kin.Self(1) == kin.Self(1), len({kin.Self(1), kin.Self(1)})],
        [refused(lambda: setattr(here, "node", "c")), refused(lambda: delattr(here, "node")), refused(kin.Place)],
        [refused(lambda: setattr(state, "unknown", 1)), refused(lambda: kin.Place("a", 1, (), 4))],
        [copy.deepcopy(here) == here, copy.copy(far) == far, copy.deepcopy(state).names, hasattr(here, "__dict__")],
        [dataclasses.asdict(far), dataclasses.replace(far, line=5) == far, [field.name for field in dataclasses.fields(far)]],
        [msgspec.json.encode(far), kin.Far.__match_args__, str(inspect.signature(kin.Far.__init__)).count(",")],
        [typing.get_type_hints(kin.Far.__init__), kin.Place.__doc__],
    ]


@pytest.mark.parametrize("turn", range(12))
def test_both_answer_the_same(turn: int) -> None:
    assert asked(OURS)[turn] == asked(THEIRS)[turn]


def test_a_frozen_object_survives_a_pickle() -> None:
    assert pickle.loads(pickle.dumps(Kept("a", (1, 2)))) == Kept("a", (1, 2))


def test_what_holds_itself_can_be_shown() -> None:
    state = OURS.State()
    state.names.append(state)
    assert "..." in repr(state)


def test_without_slots_nothing_is_made() -> None:
    with pytest.raises(TypeError, match="slots"):
        ours(slots=False)


@room.dataclass(frozen=True, slots=True)
class Kept:
    """Pickled by its name."""

    node: str
    numbers: tuple[int, ...]
