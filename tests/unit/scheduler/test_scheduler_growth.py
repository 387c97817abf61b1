"""What a plan costs grows with the cluster, not with its square; and what is worked out once is what step by step comes to.

Work is counted in calls of functions, which no other load on the machine changes.
"""

from __future__ import annotations

import sys
from random import Random
from types import FrameType

import pytest
from lxml import etree

from standfast.scheduler.graph.xml import write_graph
from standfast.scheduler.placement import draws, walk
from standfast.scheduler.plan import decide, unpack

NOW_S = 1_782_000_000
DUMMY = 'class="ocf" provider="pacemaker" type="Dummy"'


Rows = dict[int, str]


def cib(resources: str, constraints: str, nodes: int = 3, rows: Rows | None = None, options: str = "") -> etree._Element:
    """A cluster without a fence device; `rows` are histories by node number."""
    states = "".join(
        f'<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member">'
        f'<lrm id="{n}"><lrm_resources>{(rows or {}).get(n, "")}</lrm_resources></lrm></node_state>'
        for n in range(1, nodes + 1)
    )
    members = "".join(
        f'<node id="{n}" uname="n{n}"><instance_attributes id="a{n}"><nvpair id="a{n}-rack" name="rack" value="{n % 2}"/>'
        "</instance_attributes></node>"
        for n in range(1, nodes + 1)
    )
    return etree.fromstring(
        '<cib have-quorum="1" dc-uuid="1"><configuration><crm_config><cluster_property_set id="o">'
        f'<nvpair id="o1" name="stonith-enabled" value="false"/>{options}</cluster_property_set></crm_config>'
        f"<nodes>{members}</nodes><resources>{resources}</resources><constraints>{constraints}</constraints>"
        f"</configuration><status>{states}</status></cib>"
    )


def primitive(name: str, meta: str = "") -> str:
    return f'<primitive id="{name}" {DUMMY}>{meta}</primitive>'


def row(name: str, rc: int = 0) -> str:
    """The history of one that was started here, or (7) looked for and not found."""
    task = "start" if rc == 0 else "monitor"
    key = f"1:1:{rc}:00000000-0000-0000-0000-000000000001"
    return (
        f'<lrm_resource id="{name}" {DUMMY}><lrm_rsc_op id="{name}_last_0" operation="{task}" operation_key="{name}_{task}_0"'
        f' transition-key="{key}" transition-magic="0:{rc};{key}" call-id="1" rc-code="{rc}" op-status="0" interval="0"/>'
        "</lrm_resource>"
    )


def primitives(length: int) -> str:
    return "".join(primitive(f"r{i}") for i in range(length))


def pairs(length: int, text: str) -> str:
    return "".join(text.format(i=i, before=f"r{i - 1}", after=f"r{i}") for i in range(1, length))


COLOCATION = '<rsc_colocation id="c{i}" rsc="{after}" with-rsc="{before}" score="INFINITY"/>'
SHAPES = {
    "each with the one before": lambda n: cib(primitives(n), pairs(n, COLOCATION)),
    "each with the one after": lambda n: cib(
        primitives(n), pairs(n, '<rsc_colocation id="c{i}" rsc="{before}" with-rsc="{after}" score="INFINITY"/>')
    ),
    "each rather with the one before": lambda n: cib(
        primitives(n), pairs(n, '<rsc_colocation id="c{i}" rsc="{after}" with-rsc="{before}" score="100"/>')
    ),
    "each apart from the one before": lambda n: cib(
        primitives(n), pairs(n, '<rsc_colocation id="c{i}" rsc="{after}" with-rsc="{before}" score="-INFINITY"/>')
    ),
    "each with and after the one before": lambda n: cib(
        primitives(n), pairs(n, COLOCATION + '<rsc_order id="o{i}" first="{before}" then="{after}"/>')
    ),
    "running, and rather there": lambda n: cib(
        primitives(n),
        pairs(n, COLOCATION) + "".join(f'<rsc_location id="l{i}" rsc="r{i}" node="n2" score="{i}"/>' for i in range(0, n, 5)),
        rows={1: "".join(row(f"r{i}") for i in range(n))},
    ),
    "each after the one before": lambda n: cib(primitives(n), pairs(n, '<rsc_order id="o{i}" first="{before}" then="{after}"/>')),
    "a group": lambda n: cib(f'<group id="g">{primitives(n)}</group>', ""),
    "all with one": lambda n: cib(
        primitives(n), pairs(n, '<rsc_colocation id="c{i}" rsc="{after}" with-rsc="r0" score="INFINITY"/>')
    ),
    "rules": lambda n: cib(
        primitives(10),
        "".join(
            f'<rsc_location id="l{i}" rsc="r{i % 10}"><rule id="u{i}" score="{i}">'
            f'<expression id="e{i}" attribute="rack" operation="eq" value="{i % 2}"/></rule></rsc_location>'
            for i in range(n)
        ),
    ),
}


def calls(root: etree._Element) -> int:
    """How many calls of functions a plan from scratch takes."""
    counted = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event == "call"

    cluster = unpack(root, NOW_S)
    sys.setprofile(count)
    try:
        decide(cluster)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_as_many_take_twice_the_work(shape: str) -> None:
    small, large = calls(SHAPES[shape](100)), calls(SHAPES[shape](200))
    assert large < 2.3 * small, f"{small} calls for 100, {large} for 200"


META = '<meta_attributes id="{0}-m"><nvpair id="{0}-mi" name="interleave" value="true"/>{1}</meta_attributes>'
PROMOTABLE = '<nvpair id="{0}-mp" name="promotable" value="true"/>'


@pytest.mark.parametrize("kind", ["", PROMOTABLE])
def test_two_interleaved_clones_cost_no_more_than_nodes_times_instances(kind: str) -> None:
    def clones(nodes: int) -> etree._Element:
        resources = "".join(f'<clone id="{c}">{META.format(c, kind.format(c))}{primitive(f"p{c}")}</clone>' for c in "ab")
        ties = '<rsc_colocation id="c" rsc="b" with-rsc="a" score="INFINITY"/><rsc_order id="o" first="a" then="b"/>'
        return cib(resources, ties, nodes)

    small, large = calls(clones(16)), calls(clones(32))
    assert large < 4.6 * small, f"{small} calls for 16 nodes, {large} for 32"


SCORES = ("INFINITY", "INFINITY", "INFINITY", "-INFINITY", "1000", "-1000", "7", "-7", "500000", "-500000", "999999")


def network(random: Random) -> etree._Element:
    """Primitives and groups, colocated at random (now and then in rings), with locations, histories and priorities."""
    names = [f"r{i}" for i in range(random.randint(3, 12))]
    texts = {name: primitive(name, meta(random, name)) for name in names}
    resources, tops = [], []
    while names:
        size = random.choice((1, 1, 1, 2, 3))
        taken, names = names[:size], names[size:]
        tops += taken
        inner = "".join(texts[name] for name in taken)
        if size > 1:
            tops.append(f"g{taken[0]}")
            inner = f'<group id="g{taken[0]}">{inner}</group>'
        resources.append(inner)
    if random.random() < 0.3:
        kind = random.choice(("", PROMOTABLE.format("cl")))
        resources.append(f'<clone id="cl">{META.format("cl", kind)}{primitive("in")}</clone>')
        tops.append("cl")
    constraints = [colocation(random, i, tops) for i in range(random.randint(2, 14))]
    for i in range(random.randint(0, 8)):
        node, score = random.randint(1, 3), random.choice(SCORES)
        constraints.append(f'<rsc_location id="l{i}" rsc="{random.choice(tops)}" node="n{node}" score="{score}"/>')
    rows = dict.fromkeys((1, 2, 3), "")
    for name in texts:
        place = random.choice((0, 0, 1, 1, 1, 2, 3))
        for n in rows if random.random() < 0.8 else ():
            rows[n] += row(name, 0 if n == place else 7)
    random.shuffle(resources)
    sticky = f'<nvpair id="o2" name="default-resource-stickiness" value="{random.choice((0, 0, 1, 100))}"/>'
    return cib("".join(resources), "".join(constraints), rows=rows, options=sticky)


def colocation(random: Random, number: int, tops: list[str]) -> str:
    one, other = random.sample(tops, 2)
    if tops.index(one) < tops.index(other) and random.random() < 0.8:
        one, other = other, one
    more = random.choice(("", "", "", ' node-attribute="rack"', ' influence="false"'))
    return f'<rsc_colocation id="c{number}" rsc="{one}" with-rsc="{other}" score="{random.choice(SCORES)}"{more}/>'


def meta(random: Random, name: str) -> str:
    chosen = [
        ("priority", random.choice(("0", "5", "9")), 0.2),
        ("resource-stickiness", random.choice(("1", "100", "INFINITY")), 0.3),
        ("target-role", "Stopped", 0.1),
        ("is-managed", "false", 0.05),
    ]
    kept = [(key, value) for key, value, chance in chosen if random.random() < chance]
    values = "".join(f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>' for key, value in kept)
    return f'<meta_attributes id="{name}-meta">{values}</meta_attributes>' if kept else ""


def decided(root: etree._Element) -> tuple[object, ...]:
    cluster = unpack(root, NOW_S)
    plan = decide(cluster)
    return plan.scores, plan.reasons, plan.changes, plan.notices, etree.tostring(write_graph(plan.graph, cluster))


@pytest.mark.parametrize("part", range(6))
def test_what_is_summed_up_is_what_step_by_step_comes_to(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[bool] = []
    kept = draws.applied

    def noted(*args: object) -> object:
        found = kept(*args)  # type: ignore[arg-type]
        used.append(found is not None)
        return found

    for seed in range(part * 100, part * 100 + 100):
        root = network(Random(seed))
        monkeypatch.setattr(walk, "applied", noted)
        at_once = decided(root)
        monkeypatch.setattr(walk, "applied", lambda *_: None)
        assert at_once == decided(root), f"seed {seed}"
    assert sum(used) > 300, "something is summed up at all"
    assert used.count(False) > 100, "and something must not be"
