"""A document that changes, a follower of it, and the plan from scratch beside the follower's: for the tests of both."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

from lxml import etree

from standfast.base.report import Refused
from standfast.cib.apply import apply
from standfast.cib.diff import make_patchset
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin, encode_change
from standfast.scheduler.api import Plan
from standfast.scheduler.follower import Follower
from standfast.scheduler.plan import schedule

NOW_S = 1_782_000_000
SUITE = Path(__file__).resolve().parents[4] / "shared" / "scheduler-suite" / "xml"
BY_HAND = Origin("root", "test", "node1", NOW_S)


def scratch(cib: Cib, now_s: int = NOW_S) -> Plan:
    return schedule(etree.fromstring(cib.compact()), now_s)


class Cluster:
    """A document that changes, and a follower of it."""

    def __init__(self, root: etree._Element) -> None:
        self.cib = Cib.parse(etree.tostring(root))
        self.follower = Follower()
        self.follower.take(self.cib.compact())

    def change(self, *operations: Operation) -> None:
        change = Change(operations, BY_HAND)
        outcome = apply(self.cib, change)
        assert self.follower.follow(outcome.before, outcome.after, encode_change(change))
        assert self.follower.xml() == self.cib.compact()

    def become(self, root: etree._Element) -> None:
        """By Pacemaker's diff."""
        patchset = make_patchset(self.cib, Cib.parse(etree.tostring(root)))
        if patchset is not None:
            self.change(Operation(OpKind.PATCH, xml=patchset.decode()))

    def is_right(self, now_s: int = NOW_S, *, tells: bool = False) -> bool:
        made = self.follower.plan(now_s, tells=tells)
        assert made is not None
        self.follower.check()
        twin = Follower()
        twin.take(self.cib.compact())
        assert self.follower.key() == twin.key(), "what was foreseen would not be recognised"
        wanted = scratch(self.cib, now_s)
        return made.plan == (wanted if tells else wanted.decision())


def write(scope: str, xml: str) -> Operation:
    return Operation(OpKind.MODIFY, scope, xml=xml, allow_create=True)


def remove(xpath: str) -> Operation:
    return Operation(OpKind.DELETE, xpath=xpath, multiple=True)


def lost(node: int) -> Operation:
    return write("status", f'<node_state id="{node}" uname="node{node}" in_ccm="false" crmd="offline"/>')


def wander(cluster: Cluster, chance: random.Random) -> None:
    """One random change of the status or the configuration, by diff."""
    root = etree.fromstring(cluster.cib.compact())
    change = chance.choice(
        (_state, _entry, _entry_gone, _moved, _failed, _quorum, _meta, _constraint, _operation, _resource_gone)
    )
    change(root, chance)
    root.set("num_updates", str(int(root.get("num_updates", "0")) + 1))
    with contextlib.suppress(Refused):  # then it is no change
        cluster.become(root)


def _some(root: etree._Element, xpath: str, chance: random.Random) -> etree._Element | None:
    found = root.findall(xpath)
    return chance.choice(found) if found else None


def _drop(element: etree._Element | None) -> None:
    parent = None if element is None else element.getparent()
    if parent is not None and element is not None:
        parent.remove(element)


ENTRY = "status/node_state/lrm/lrm_resources/lrm_resource/lrm_rsc_op"


def _state(root: etree._Element, chance: random.Random) -> None:
    state = _some(root, "status/node_state", chance)
    for name, values in (("in_ccm", ("true", "false")), ("crmd", ("online", "offline")), ("join", ("member", "down"))):
        if state is not None:
            state.set(name, chance.choice(values))


def _entry(root: etree._Element, chance: random.Random) -> None:
    for _ in range(3):
        entry = _some(root, ENTRY, chance)
        what = (
            ("rc-code", "7"),
            ("rc-code", "1"),
            ("op-status", "-1"),
            ("call-id", "5"),
            ("interval", "0"),
            ("last-rc-change", "9"),
        )
        if entry is not None:
            entry.set(*chance.choice(what))


def _entry_gone(root: etree._Element, chance: random.Random) -> None:
    _drop(_some(root, ENTRY, chance))


def _moved(root: etree._Element, chance: random.Random) -> None:
    """A node's whole history stands in another node's state."""
    lrm, state = _some(root, "status/node_state/lrm", chance), _some(root, "status/node_state", chance)
    if lrm is not None and state is not None:
        state.append(lrm)


def _failed(root: etree._Element, chance: random.Random) -> None:
    """A fail count, or another attribute of a node."""
    state, rsc = _some(root, "status/node_state", chance), _some(root, ".//primitive", chance)
    if state is None or rsc is None:
        return
    name, value = chance.choice(
        ((f"fail-count-{rsc.get('id')}#monitor_10000", chance.choice(("1", "INFINITY"))), ("standby", "on"), ("shutdown", "1"))
    )
    _drop(state.find("transient_attributes"))
    state.append(
        etree.fromstring(
            f'<transient_attributes id="{state.get("id")}"><instance_attributes id="s{state.get("id")}">'
            f'<nvpair id="a{state.get("id")}" name="{name}" value="{value}"/></instance_attributes></transient_attributes>'
        )
    )


def _quorum(root: etree._Element, chance: random.Random) -> None:
    root.set("have-quorum", chance.choice("01"))


def _meta(root: etree._Element, chance: random.Random) -> None:
    rsc = _some(root, "configuration/resources//primitive", chance)
    if rsc is None:
        return
    _drop(rsc.find("meta_attributes"))
    what = (("target-role", "Stopped"), ("is-managed", "false"), ("failure-timeout", "60s"), ("migration-threshold", "1"))
    name, value = chance.choice((*what, ("resource-stickiness", "0"), ("priority", "9")))
    pair = f'<nvpair id="p-{rsc.get("id")}" name="{name}" value="{value}"/>'
    rsc.append(etree.fromstring(f'<meta_attributes id="m-{rsc.get("id")}">{pair}</meta_attributes>'))


def _constraint(root: etree._Element, chance: random.Random) -> None:
    section = root.find("configuration/constraints")
    names = [str(rsc.get("id")) for rsc in root.iterfind("configuration/resources/*")]
    if section is None or len(names) < 2:
        return
    if len(section) > 3:
        section.remove(section[0])
        return
    one, other = chance.sample(names, 2)
    score = chance.choice(("-INFINITY", "50", "INFINITY"))
    number = len(section) + chance.randrange(10**6)
    made = (
        f'<rsc_location id="l{number}" rsc="{one}" node="node1" score="{score}"/>',
        f'<rsc_colocation id="c{number}" rsc="{one}" with-rsc="{other}" score="{score}"/>',
        f'<rsc_order id="o{number}" first="{one}" then="{other}"/>',
    )
    section.append(etree.fromstring(chance.choice(made)))


def _operation(root: etree._Element, chance: random.Random) -> None:
    op = _some(root, "configuration/resources//op", chance)
    if op is not None:
        op.set(*chance.choice((("interval", "20s"), ("on-fail", "fence"), ("on-fail", "block"), ("timeout", "9"))))


def _resource_gone(root: etree._Element, chance: random.Random) -> None:
    """Its history stays."""
    rsc = _some(root, "configuration/resources/*", chance)
    if rsc is not None and len(root.findall("configuration/resources/*")) > 3:
        _drop(rsc)
        for constraint in root.findall("configuration/constraints/*"):
            if rsc.get("id") in constraint.attrib.values():
                _drop(constraint)
