"""The scheduler's own document: after every change its plan is the plan from scratch, whatever was kept from before."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.cib.apply import apply
from standfast.cib.diff import make_patchset
from standfast.cib.document import Cib, Version
from standfast.cib.operations import Change, Operation, OpKind, Origin, encode_change
from standfast.lab.clusters import lose, settled
from standfast.scheduler import plan as planning
from standfast.scheduler.api import Plan
from standfast.scheduler.follower import PREPARED_MAX, Follower, Prepared
from standfast.scheduler.memory import Cluster as Memory
from standfast.scheduler.plan import schedule
from standfast.scheduler.simulate import execute

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


def count_plans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []

    def decide(cluster: Memory) -> object:
        made.append(1)
        return planning.decide(cluster)

    monkeypatch.setattr("standfast.scheduler.follower.decide", decide)
    return made


def test_a_made_up_cluster_rests_until_a_node_dies() -> None:
    root = settled(3, 41)
    assert not schedule(root, NOW_S).graph.actions
    lose(root, "node3")
    changes = schedule(root, NOW_S).changes
    assert [change.subject for change in changes if change.verb == "Fence (reboot)"] == ["node3"]
    assert sum(change.verb == "Move" for change in changes) == 12


def test_plan_equals_the_plan_from_scratch_after_each_kind_of_change() -> None:
    cluster = Cluster(settled(3, 41))
    entry = "/cib/status/node_state[@id='1']//lrm_rsc_op[@id='g0-1_monitor_10000']"
    steps = (
        lost(3),
        write("status", '<node_state id="3" in_ccm="true" crmd="online"/>'),
        write("resources", '<primitive id="g0-1"><meta_attributes id="m"><nvpair id="n" name="target-role" value="Stopped"/>'
              "</meta_attributes></primitive>"),
        remove("//primitive[@id='g0-1']/meta_attributes"),
        remove(entry),
        write("status", '<node_state id="2"><lrm id="2"><lrm_resources><lrm_resource id="g1-0">'
              '<lrm_rsc_op id="g1-0_last_failure_0" operation="monitor" operation_key="g1-0_monitor_10000"'
              ' call-id="900" rc-code="7" interval="10000" op-status="0" on_node="node2" last-rc-change="1781999990"'
              ' transition-key="1:2:0:x" transition-magic="0:7;1:2:0:x"/>'
              "</lrm_resource></lrm_resources></lrm></node_state>"),
        remove("/cib/status/node_state[@id='2']//lrm_resource[@id='g1-0']"),
        write("status", '<node_state id="1"><transient_attributes id="1"><instance_attributes id="s">'
              '<nvpair id="sb" name="standby" value="on"/></instance_attributes></transient_attributes></node_state>'),
        remove("/cib/status/node_state[@id='1']/lrm"),
        remove("/cib/status/node_state[@id='3']"),
    )  # fmt: skip
    for step in steps:
        cluster.change(step)
        assert cluster.is_right(), step


@pytest.mark.parametrize("seed", range(16))
def test_plan_equals_the_plan_from_scratch_over_random_diffs(seed: int) -> None:
    chance = random.Random(seed)
    cluster = Cluster(settled(chance.randint(2, 5), 4 * chance.randint(1, 4) + 5))
    now_s = NOW_S
    for step in range(25):
        wander(cluster, chance)
        now_s += chance.choice((0, 0, 1, 60, 3600))
        if chance.random() < 0.2:  # what may come, prepared; it may come next, or never
            cluster.follower.put_aside(foresee(cluster, lost(chance.randint(1, 2)), now_s))
        assert cluster.is_right(now_s, tells=chance.random() < 0.2), step


@pytest.mark.skipif(not SUITE.is_dir(), reason="Pacemaker's scheduler cases are not here (../shared/scheduler-suite)")
@pytest.mark.parametrize("part", range(12))
def test_plan_equals_the_plan_from_scratch_on_the_suite(part: int) -> None:
    """Each case, whole and as a mere decision; then what its own plan makes of it, by diff; then something random."""
    paths = sorted(SUITE.glob("*.xml"))[part::12]
    assert len(paths) > 50
    for path in paths:
        cluster = Cluster(etree.parse(path).getroot())
        plan = schedule(cluster.cib.root, NOW_S)
        made = cluster.follower.plan(NOW_S)
        assert made is not None
        assert made.plan == plan.decision(), path.stem
        cluster.become(execute(cluster.cib.root, plan.graph, NOW_S).cib)
        assert cluster.is_right(), path.stem
        wander(cluster, random.Random(path.stem))
        assert cluster.is_right(), path.stem


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


def test_nothing_that_matters_changed_nothing_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(settled(3, 41))
    plans = count_plans(monkeypatch)
    first = cluster.follower.plan(NOW_S)
    cluster.change(Operation(OpKind.BUMP))
    assert cluster.follower.plan(NOW_S + 60) is first
    assert len(plans) == 1
    cluster.change(lost(2))
    assert cluster.follower.plan(NOW_S + 60) is not first
    assert (len(plans), cluster.follower.reused) == (2, 1)


def test_a_plan_that_looked_at_the_clock_holds_until_it_would_look_otherwise() -> None:
    root = settled(2, 9)
    meta = '<meta_attributes id="m"><nvpair id="n" name="failure-timeout" value="60s"/></meta_attributes>'
    rsc = root.find(".//primitive[@id='g0-0']")
    assert rsc is not None
    rsc.append(etree.fromstring(meta))
    state = root.find("status/node_state")
    assert state is not None
    state.append(
        etree.fromstring(
            '<transient_attributes id="1"><instance_attributes id="i">'
            '<nvpair id="a" name="fail-count-g0-0#monitor_10000" value="1"/>'
            f'<nvpair id="b" name="last-failure-g0-0#monitor_10000" value="{NOW_S - 10}"/>'
            "</instance_attributes></transient_attributes>"
        )
    )
    for entry in root.iterfind("status/node_state/lrm/lrm_resources/lrm_resource[@id='g0-0']/lrm_rsc_op"):
        entry.set("last-rc-change", str(NOW_S - 10))
    cluster = Cluster(root)
    made = cluster.follower.plan(NOW_S)
    assert made is not None
    assert made.until_s is not None
    assert NOW_S + 40 < made.until_s <= NOW_S + 51
    for now_s in range(NOW_S, NOW_S + 80):
        assert cluster.is_right(now_s), now_s - NOW_S
    assert cluster.follower.reused > 60


@pytest.mark.skipif(not SUITE.is_dir(), reason="Pacemaker's scheduler cases are not here (../shared/scheduler-suite)")
def test_how_long_a_plan_holds_is_right_for_dates_and_timeouts() -> None:
    timed = 0
    for path in sorted(SUITE.glob("*.xml")):
        text = path.read_bytes()
        if not any(word in text for word in (b"date_expression", b"failure-timeout", b"shutdown-lock", b"interval-origin")):
            continue
        root = etree.fromstring(text)
        start_s = int(root.get("execution-date") or NOW_S)
        cluster = planning.unpack(root, start_s)
        plan = planning.decide(cluster)
        until_s = cluster.same_until_s
        later_s = start_s + 10 * 86_400 if until_s is None else until_s - 1
        assert schedule(root, later_s) == plan, path.stem
        timed += until_s is not None
    assert timed > 3


def test_what_does_not_follow_loses_the_document_and_a_whole_one_mends_it() -> None:
    cluster = Cluster(settled(2, 9))
    data = encode_change(Change((lost(2),), BY_HAND))
    version = cluster.cib.version
    assert not cluster.follower.follow(Version(9, 9, 9), Version(9, 9, 10), data)
    assert cluster.follower.plan(NOW_S) is None
    assert not cluster.follower.follow(version, version.after_status(), data)
    cluster.follower.take(cluster.cib.compact())
    assert cluster.is_right()
    assert not cluster.follower.follow(version, Version(0, 7, 7), data), "another result than was said"
    cluster.follower.take(cluster.cib.compact())
    assert not cluster.follower.follow(version, version.after_status(), b"\xff nonsense")
    with pytest.raises(Malformed):
        cluster.follower.take(b"<cib/>")
    assert cluster.follower.plan(NOW_S) is None


def test_a_number_alone_is_followed() -> None:
    cluster = Cluster(settled(2, 9))
    higher = Version(0, 5, 0)
    assert cluster.follower.follow(cluster.cib.version, higher, b"")
    assert cluster.follower.version == higher


def foresee(cluster: Cluster, operation: Operation, now_s: int = NOW_S) -> Prepared:
    twin = Follower()
    twin.take(cluster.cib.compact())
    prepared = twin.suppose(encode_change(Change((operation,), BY_HAND)), now_s)
    assert prepared is not None
    return prepared


def test_what_was_foreseen_is_answered_without_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(settled(3, 41))
    for node in (2, 3):
        cluster.follower.put_aside(foresee(cluster, lost(node)))
    plans = count_plans(monkeypatch)
    # The survivor announces itself anew, so its history stands behind its attributes; then the loss is written down.
    lrm = cluster.cib.root.find("status/node_state[@id='1']/lrm")
    assert lrm is not None
    cluster.change(remove("/cib/status/node_state[@id='1']/lrm"))
    cluster.change(write("status", f'<node_state id="1">{etree.tostring(lrm).decode()}</node_state>'))
    cluster.change(lost(3))
    assert cluster.is_right(NOW_S + 3600)
    assert (plans, cluster.follower.ready) == ([], 1)


def test_what_came_otherwise_than_foreseen_is_planned() -> None:
    cluster = Cluster(settled(3, 41))
    cluster.follower.put_aside(foresee(cluster, lost(3)))
    cluster.change(remove("/cib/status/node_state[@id='1']//lrm_resource[@id='g0-0']"))
    cluster.change(lost(3))
    assert cluster.is_right()
    assert cluster.follower.ready == 0


def test_a_supposition_that_does_not_fit_gives_nothing() -> None:
    assert Follower().suppose(b"", NOW_S) is None
    cluster = Cluster(settled(2, 9))
    assert cluster.follower.suppose(b"nonsense", NOW_S) is None


def test_what_is_put_aside_is_bounded() -> None:
    follower = Follower()
    for number in range(3 * PREPARED_MAX):
        follower.put_aside(Prepared(str(number).encode(), b"x"))
    follower.check()
    follower.put_aside(Prepared(b"large", bytes(65 * 1024 * 1024)))
    follower.check()
