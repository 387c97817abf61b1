"""What the scheduler's process is told, and that the plan for a lost node is ready before the node is lost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from lxml import etree
from node_rig import Rig, served

from standfast.base.ids import NodeId
from standfast.cib.apply import apply
from standfast.cib.document import Cib, Version
from standfast.cib.machine import CibMachine
from standfast.cib.operations import Change, Operation, OpKind, Origin, encode_change
from standfast.controller import effects as fx
from standfast.controller.clients import Clients
from standfast.controller.confirmations import Confirmations
from standfast.controller.outbox import Outbox
from standfast.controller.roll import Roll
from standfast.controller.scheduling import Scheduling, losses
from standfast.engine.api import Quorum, View, ViewId
from standfast.lab.clusters import settled

BY_HAND = Origin("root", "test", "n1", 1_782_000_000)


def fail(rig: Rig, name: str) -> None:
    host = rig.host(name)
    host.is_up, host.carrier, host.addresses = False, False, {}
    rig.install(*(other.id for other in rig.hosts.values() if other.is_up))


@pytest.mark.parametrize(("count", "name"), [(2, "n1"), (2, "n2"), (3, "n1"), (3, "n3"), (4, "n2")])
def test_the_plan_for_a_lost_node_is_ready_before_it_is_lost(count: int, name: str) -> None:
    rig = served(count)
    rig.run(3)
    survivor = rig.host("n2" if name == "n1" else "n1")
    assert survivor.foreseen
    ready = survivor.follower.ready
    fail(rig, name)
    rig.run(2)
    assert survivor.follower.ready == ready + 1
    assert len(rig.holders()) == 1


def test_what_came_otherwise_than_foreseen_is_planned() -> None:
    rig = served(3)
    rig.run(3)
    rig.host("n3").is_up = rig.host("n2").is_up = False
    rig.install(1)
    rig.run(2)
    assert rig.host("n1").follower.ready == 0


def test_only_who_would_coordinate_prepares() -> None:
    rig = served(3)
    rig.run(3)
    assert [len(rig.host(name).foreseen) for name in ("n1", "n2", "n3")] == [2, 1, 0]


def test_a_rested_cluster_prepares_once() -> None:
    rig = served(2)
    rig.run(5)
    host = rig.host("n1")
    host.foreseen = ()
    rig.run(60)
    assert host.foreseen == ()
    assert "foresight" not in host.timers


def test_a_scheduler_without_the_document_is_sent_it_and_answers() -> None:
    rig = served(2)
    rig.host("n1").follower.lose()
    stopped = '<meta_attributes id="m"><nvpair id="n" name="target-role" value="Stopped"/></meta_attributes>'
    rig.configure("n1", "resources", f'<primitive id="vip">{stopped}</primitive>')
    rig.run(2)
    assert rig.holders() == []


# ---- alone -------------------------------------------------------------------------------------------------------------


LOST = '<node_state id="3" in_ccm="false" crmd="offline"/>'
BACK = '<node_state id="3" in_ccm="true" crmd="online"/>'


def roll(local: int, members: tuple[int, ...], *, expected: int) -> Roll:
    ids = tuple(NodeId(member) for member in members)
    made = Roll(NodeId(local))
    view = View(ViewId(1, ids[0]), ids, (), (), ids)
    made.install(0, view, Quorum(True, len(ids), len(ids) // 2 + 1, expected, "votes"))
    for node in ids:
        made.arrived(node, f"node{node}")
    return made


@dataclass
class Machine:
    """As much of the replicated machine as is looked at here."""

    cib: Cib
    is_synced: bool = True


class Told:
    """A document, and what the scheduler is told of it."""

    def __init__(self) -> None:
        self.machine = Machine(Cib.parse(etree.tostring(settled(3, 9))))
        where = roll(1, (1, 2, 3), expected=3)
        self.say = Outbox("node1", where, Clients(), Confirmations(where, CibMachine(where.local, 1, None)))
        self.scheduling = Scheduling("node1", "test", where, self.machine, self.say)  # type: ignore[arg-type]
        self.number = 0

    @property
    def cib(self) -> Cib:
        return self.machine.cib

    def ask(self) -> list[str]:
        self.number += 1
        self.scheduling.ask(self.number, keep=True)
        return self.told()

    def change(self, xml: str) -> list[str]:
        change = Change((Operation(OpKind.MODIFY, "status", xml=xml, allow_create=True),), BY_HAND)
        self.scheduling.applied(apply(self.cib, change), encode_change(change))
        return self.told()

    def agree(self, version: Version, *, replaced: bool) -> list[str]:
        self.scheduling.agreed(version, replaced=replaced)
        return self.told()

    def lose(self, number: int) -> list[str]:
        answer = self.scheduling.answered(fx.PlanMade(number, None, lost=True))
        fault = [] if answer is None or answer.fault is None else [answer.fault.code]
        return [*self.told(), *fault]

    def told(self) -> list[str]:
        return [type(effect).__name__ for effect in self.say.take() if not isinstance(effect, fx.Wake)]


def test_the_document_goes_out_once_and_then_each_change() -> None:
    told = Told()
    assert told.change(LOST) == [], "nobody asked yet"
    assert told.ask() == ["Document", "AskPlan"]
    assert told.change(BACK) == ["Follow"]
    assert told.change(LOST) == ["Follow"]
    assert told.ask() == ["AskPlan"]


def test_an_agreement_that_replaces_the_document_sends_it_again_and_one_that_only_numbers_it_does_not() -> None:
    told = Told()
    told.ask()
    higher = Version(0, 9, 0)
    told.cib.root.set("epoch", "9")
    told.cib.root.set("num_updates", "0")
    assert told.agree(higher, replaced=False) == ["Follow"]
    assert told.ask() == ["AskPlan"]
    assert told.agree(Version(0, 9, 7), replaced=True) == []
    assert told.ask() == ["Document", "AskPlan"]
    assert told.agree(told.cib.version, replaced=True) == []
    assert told.ask() == ["Document", "AskPlan"], "the same number, another document"


def test_a_change_that_does_not_follow_is_not_sent() -> None:
    told = Told()
    told.ask()
    told.cib.root.set("epoch", "9")
    assert told.change(LOST) == []
    assert told.ask() == ["Document", "AskPlan"]


def test_a_scheduler_that_cannot_keep_a_document_is_not_asked_for_ever() -> None:
    told = Told()
    told.ask()
    assert told.lose(1) == ["Document", "AskPlan"]
    assert told.lose(1) == ["scheduler.no-document"]
    assert told.lose(2) == ["Document", "AskPlan"]
    told.scheduling.answered(fx.PlanMade(2, None))
    assert told.lose(3) == ["Document", "AskPlan"]


@pytest.mark.parametrize(
    ("local", "members", "expected", "count"),
    [
        (1, (1, 2, 3), 3, 2),
        (2, (1, 2, 3), 3, 1),
        (3, (1, 2, 3), 3, 0),
        (1, (1,), 1, 0),
        (1, (1, 2), 2, 2),  # one loss, with and without quorum
        (2, (1, 2), 2, 2),
    ],
)
def test_losses_are_those_after_which_this_node_coordinates(
    local: int, members: tuple[int, ...], expected: int, count: int
) -> None:
    cib = settled(3, 9)
    assert len(losses(cib, roll(local, members, expected=expected), "test", BY_HAND)) == count


def test_without_a_view_nothing_is_foreseen() -> None:
    assert losses(settled(3, 9), Roll(NodeId(1)), "test", BY_HAND) == ()
