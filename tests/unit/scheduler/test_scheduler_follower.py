"""The scheduler's own document: after every change its plan is the plan from scratch, whatever was kept from before."""

from __future__ import annotations

import random

import pytest
from follower_rig import BY_HAND, NOW_S, SUITE, Cluster, lost, remove, wander, write
from lxml import etree

from standfast.base.wire import Malformed
from standfast.cib.document import Version
from standfast.cib.operations import Change, Operation, OpKind, encode_change
from standfast.lab.clusters import lose, settled
from standfast.scheduler import plan as planning
from standfast.scheduler.follower import PREPARED_MAX, Follower, Prepared
from standfast.scheduler.memory import Cluster as Memory
from standfast.scheduler.plan import schedule
from standfast.scheduler.simulate import execute


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
