"""A change is answered when the journals of enough nodes hold it, or with a warning that says whose does not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from node_rig import SECOND, Rig, options

from standfast.base.ids import NodeId
from standfast.cib.journal import recover
from standfast.controller import effects as fx
from standfast.controller import messages
from standfast.controller.outbox import ENVELOPE


def change(rig: Rig, name: str, value: str) -> int:
    """Somebody at that node changes the configuration; gives the number of the question."""
    operations = [{"kind": "modify", "scope": "crm_config", "xml": options(cluster_name=value), "allow_create": True}]
    rig.ask(name, "cib.apply", wait=False, operations=operations)
    return rig.requests


def answer(rig: Rig, name: str, question: int) -> dict[str, Any]:
    given = rig.host(name).answers.get(question, [])
    return given[0] if given else {}


def warned(reply: dict[str, Any]) -> list[str]:
    return [report["what"] for report in reply.get("reports", ())]


def holding(rig: Rig, value: str) -> list[str]:
    """The nodes whose disks hold the change."""
    found = {host.name: recover(host.disk) for host in rig.hosts.values() if host.disk}
    return [name for name, journal in found.items() if journal and f'value="{value}"'.encode() in journal.cib.xml()]


def cluster(count: int) -> Rig:
    rig = Rig(count)
    rig.run(3)
    return rig


def test_on_quick_disks_it_is_answered_at_once_and_without_a_word_more() -> None:
    for count in (1, 2, 3, 5):
        rig = cluster(count)
        asked = change(rig, "n1", "quick")
        rig.run(0.002)
        assert (answer(rig, "n1", asked)["ok"], warned(answer(rig, "n1", asked))) == (True, []), count
        rig.settle()
        assert len(holding(rig, "quick")) == count


def test_two_nodes_wait_for_the_slower_disk() -> None:
    rig = cluster(2)
    rig.host("n2").is_slow = True
    asked = change(rig, "n1", "both")
    rig.run(0.9)
    assert (answer(rig, "n1", asked), holding(rig, "both")) == ({}, ["n1"])
    rig.disk_done("n2")
    rig.run(0.002)
    assert (answer(rig, "n1", asked)["ok"], warned(answer(rig, "n1", asked))) == (True, [])
    assert holding(rig, "both") == ["n1", "n2"]


def test_of_three_nodes_two_are_enough_whichever() -> None:
    for slow in ("n2", "n3"):
        rig = cluster(3)
        rig.host(slow).is_slow = True
        asked = change(rig, "n1", "most")
        rig.run(0.002)
        assert answer(rig, "n1", asked)["ok"], slow
        assert slow not in holding(rig, "most")


def test_two_slow_disks_of_three_are_too_many() -> None:
    rig = cluster(3)
    rig.host("n2").is_slow = rig.host("n3").is_slow = True
    asked = change(rig, "n1", "one")
    rig.run(0.5)
    assert answer(rig, "n1", asked) == {}
    rig.disk_done("n3")
    rig.run(0.002)
    assert answer(rig, "n1", asked)["ok"]


def test_after_five_seconds_the_answer_says_whose_disk_does_not_confirm() -> None:
    rig = cluster(2)
    rig.host("n2").is_slow = True
    asked = change(rig, "n1", "late")
    rig.run(4.9)
    assert answer(rig, "n1", asked) == {}
    rig.run(0.2)
    reply = answer(rig, "n1", asked)
    assert reply["ok"]
    assert reply["version"]
    assert warned(reply) == ["the change is made, but it is not confirmed that the journal of n2 holds it"]
    assert "disk and the manager of n2" in reply["reports"][0]["remedy"]


def test_a_manager_that_is_known_to_be_away_is_not_waited_for() -> None:
    rig = cluster(2)
    rig.host("n2").is_up = False
    rig.at(0, ("absent", NodeId(2)))
    rig.settle()
    asked = change(rig, "n1", "alone")
    rig.run(0.002)
    assert warned(answer(rig, "n1", asked)) == ["the change is made, but it is not confirmed that the journal of n2 holds it"]


def test_a_manager_that_dies_before_it_has_read_the_change_does_not_confirm_it_by_its_engine() -> None:
    """What an engine has acknowledged is lost with a manager that did not read it."""
    rig = cluster(3)
    rig.install(1, 2)
    rig.host("n2").is_up = False  # nobody knows yet
    asked = change(rig, "n1", "gap")
    rig.run(1.4)
    assert answer(rig, "n1", asked) == {}
    rig.at(0, ("absent", NodeId(2)))
    rig.settle()
    assert warned(answer(rig, "n1", asked)) == ["the change is made, but it is not confirmed that the journal of n2 holds it"]


def test_of_five_nodes_the_three_that_are_left_all_have_to_confirm() -> None:
    rig = cluster(5)
    rig.install(1, 2, 3)
    rig.run(2)
    rig.host("n3").is_slow = True
    asked = change(rig, "n1", "three")
    rig.run(0.5)
    assert answer(rig, "n1", asked) == {}, "two of five are no majority, though they are one of these three"
    rig.disk_done("n3")
    rig.run(0.002)
    assert warned(answer(rig, "n1", asked)) == []


def test_the_last_of_two_nodes_answers_for_itself() -> None:
    rig = cluster(2)
    rig.host("n2").is_up = False
    rig.install(1)
    rig.run(2)
    asked = change(rig, "n1", "last")
    rig.run(0.002)
    assert (answer(rig, "n1", asked)["ok"], warned(answer(rig, "n1", asked))) == (True, [])


def test_a_change_that_waits_while_the_view_changes_is_written_anew_and_then_confirmed() -> None:
    rig = cluster(3)
    rig.host("n2").is_slow = rig.host("n3").is_slow = True
    asked = change(rig, "n1", "moved")
    rig.run(0.1)
    rig.host("n2").is_up = False
    rig.disk_done("n3")
    rig.view.pop(NodeId(2))
    rig.install(1, 3)
    rig.run(0.5)
    assert (answer(rig, "n1", asked)["ok"], warned(answer(rig, "n1", asked))) == (True, [])
    for name in ("n1", "n3"):
        journal = recover(rig.host(name).disk)
        assert journal is not None
        assert journal.lineage == rig.seq, "nothing that others agreed on in between can win against it"


def test_an_older_version_does_not_say_and_is_taken_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = cluster(2)
    deliver = rig.deliver

    def without_a_word(sender: NodeId, view_seq: int, payload: bytes) -> None:
        if sender == 2 and payload[:1] == ENVELOPE:
            payload = ENVELOPE + messages.encode(msgspec.structs.replace(messages.decode(payload[1:]), holds=None))
        deliver(sender, view_seq, payload)

    monkeypatch.setattr(rig, "deliver", without_a_word)
    rig.install(1, 2)
    rig.run(2)
    rig.host("n2").is_slow = True
    asked = change(rig, "n1", "old")
    rig.run(0.1)
    assert (answer(rig, "n1", asked)["ok"], warned(answer(rig, "n1", asked))) == (True, [])


def test_an_envelope_without_the_new_fields_is_read_and_one_with_them_by_older_versions() -> None:
    class Older(msgspec.Struct, frozen=True):
        sender: NodeId
        number: int
        view: int
        change: bytes = b""

    bare = messages.Envelope(NodeId(1), 4, 7, holds=(1, 0, 5, 2), asks=True)
    assert msgspec.msgpack.decode(messages.encode(bare), type=Older) == Older(NodeId(1), 4, 7)
    assert messages.decode(msgspec.msgpack.encode(Older(NodeId(1), 4, 7))).holds is None


def test_status_is_on_no_disk_and_waits_for_none() -> None:
    rig = cluster(2)
    rig.host("n2").is_slow = True
    state = '<node_state id="1"><transient_attributes id="1"/></node_state>'
    operations = [{"kind": "modify", "scope": "status", "xml": state, "allow_create": True}]
    rig.ask("n1", "cib.apply", wait=False, operations=operations)
    rig.run(0.002)
    assert answer(rig, "n1", rig.requests)["ok"]


def test_a_thousand_changes_need_few_words_more() -> None:
    rig = cluster(2)
    rig.cast = 0
    asked = [change(rig, "n1", f"c{number}") for number in range(1000)]
    rig.settle()
    assert all(answer(rig, "n1", question).get("ok") for question in asked)
    assert rig.cast < 1000 + 50, "one empty envelope at a time tells of all that was written since"


def test_a_disk_that_fails_confirms_nothing_and_its_node_leaves() -> None:
    rig = cluster(2)
    rig.host("n2").disk_works = False
    asked = change(rig, "n1", "full")
    rig.run(1)
    assert answer(rig, "n1", asked) == {}
    assert rig.host("n2").left
    rig.view.pop(NodeId(2))
    rig.install(1)
    rig.run(1)
    assert (answer(rig, "n1", asked)["ok"], warned(answer(rig, "n1", asked))) == (True, [])


def test_hanging_up_ends_the_waiting() -> None:
    rig = cluster(2)
    rig.host("n2").is_slow = True
    change(rig, "n1", "gone")
    rig.run(0.1)
    rig.step(rig.host("n1"), fx.HungUp(rig.requests))
    rig.now_us += 10 * SECOND
    rig.disk_done("n2")
    rig.settle()
    assert rig.host("n1").answers.get(rig.requests) is None
