"""The words of a reload: bytes from a member that lies, words out of turn, and what no word may do."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.engine.effects import Draft, FileRead, ReadFile, ReloadEnded
from standfast.engine.post import Post
from standfast.engine.reload import FIRST_BYTE, MARKS_MAX, Reload

ONE, TWO = NodeId(1), NodeId(2)
DRAFT = Draft(2000, 375, 0, (("totem.token", 7),))
NAMES = {ONE: "node1", TWO: "node2"}


class Line:
    """The order of a view, as a list: what one says is delivered to both when the test says so."""

    def __init__(self) -> None:
        self.words: list[tuple[NodeId, bytes]] = []
        self.post = Post()
        self.rooms = {
            node: Reload(node, node * 1000, NAMES, lambda _, word, n=node: self.words.append((n, word)))  # type: ignore[misc]
            for node in (ONE, TWO)
        }

    def deliver(self, to: NodeId, sender: NodeId, word: bytes) -> Draft | None:
        return self.rooms[to].delivered(0, self.post, sender, word, (ONE, TWO))

    def effects(self) -> list[ReadFile | ReloadEnded]:
        return [each for each in self.post.take()[0] if isinstance(each, ReadFile | ReloadEnded)]


def test_the_last_yes_decides_and_a_second_yes_of_one_does_not_count_for_the_other() -> None:
    line = Line()
    line.rooms[ONE].ask(0, DRAFT)
    [(_, ask)] = line.words
    assert line.deliver(ONE, ONE, ask) is None
    [read] = line.effects()
    assert isinstance(read, ReadFile)
    line.rooms[ONE].read(0, FileRead(read.number, DRAFT), "")
    yes = line.words[-1][1]
    assert line.deliver(ONE, ONE, yes) is None
    assert line.deliver(ONE, ONE, yes) is None
    assert line.deliver(ONE, NodeId(9), yes) is None
    assert line.deliver(ONE, TWO, yes) == DRAFT
    assert line.effects() == [ReloadEnded(read.number, is_applied=True, is_asker=True, reports=())]
    assert line.deliver(ONE, TWO, yes) is None


def test_nobody_but_the_asker_can_drop_it_and_all_yes_without_mine_is_nothing() -> None:
    line = Line()
    line.rooms[ONE].ask(0, DRAFT)
    [(_, ask)] = line.words
    line.deliver(TWO, ONE, ask)
    [read] = line.effects()
    assert isinstance(read, ReadFile)
    number = ask[1:9]
    drop = bytes([FIRST_BYTE + 2]) + number + (3).to_bytes(4, "big") + b"bye"
    yes = bytes([FIRST_BYTE + 1]) + number + bytes(4)
    assert line.deliver(TWO, TWO, drop) is None
    assert line.effects() == []
    assert line.deliver(TWO, ONE, yes) is None
    assert line.deliver(TWO, ONE, drop) is None
    [ended] = line.effects()
    assert isinstance(ended, ReloadEnded)
    assert (ended.is_applied, ended.is_asker, ended.reports[0].why) == (False, False, "bye")


def test_what_is_told_has_no_control_characters_and_is_bounded() -> None:
    line = Line()
    line.rooms[ONE].ask(0, DRAFT)
    line.deliver(ONE, ONE, line.words[0][1])
    [read] = line.effects()
    line.rooms[ONE].read(0, FileRead(read.number, None, "\x1b[2J" + "ä" * 5000), "")
    line.deliver(ONE, ONE, line.words[-1][1])
    [ended] = line.effects()
    assert isinstance(ended, ReloadEnded)
    assert ended.reports[0].why.startswith("?[2J")
    assert 300 < len(ended.reports[0].why) < 600


def test_one_at_a_time() -> None:
    line = Line()
    line.rooms[ONE].ask(0, DRAFT)
    with pytest.raises(Refused, match="under way"):
        line.rooms[ONE].ask(0, DRAFT)


@given(st.lists(st.tuples(st.sampled_from([ONE, TWO]), st.binary(max_size=60)), max_size=12))
def test_any_bytes_are_malformed_or_mean_something(words: list[tuple[NodeId, bytes]]) -> None:
    line = Line()
    line.rooms[ONE].ask(0, DRAFT)
    line.deliver(TWO, ONE, line.words[0][1])
    for sender, rest in words:
        for kind in range(FIRST_BYTE, FIRST_BYTE + 4):
            with contextlib.suppress(Malformed):
                assert line.deliver(TWO, sender, bytes([kind]) + rest) is None
        line.rooms[TWO].check()


def test_too_many_marks_are_refused() -> None:
    line = Line()
    with pytest.raises(Malformed):
        line.deliver(TWO, ONE, bytes([FIRST_BYTE]) + bytes(8) + (MARKS_MAX + 1).to_bytes(2, "big"))
