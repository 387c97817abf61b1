"""Without a cloud the wish is not read again before the configuration has changed: what the room is told stays the same."""

from __future__ import annotations

from standfast.base.ids import NodeId
from standfast.cib.apply import apply
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin
from standfast.controller.bookkeeping import properties
from standfast.controller.clouds import Clouds
from standfast.controller.desk import Identity
from standfast.controller.roll import Roll

ORIGIN = Origin("root", "test", "n1", 0)
STATE = Operation(OpKind.MODIFY, "status", xml='<node_state id="1" uname="n1"/>', allow_create=True)
NODE = Operation(OpKind.MODIFY, "nodes", xml='<node id="1" uname="n1"/>', allow_create=True)


def cloud(name: str) -> Operation:
    return properties([("openstack-cloud", name), ("openstack-cluster-id", "abc")])


def clouds() -> Clouds:
    return Clouds(Identity(NodeId(1), "n1", "1-1", "demo"), Roll(NodeId(1)))


def test_what_is_looked_at_seldom_is_told_as_soon_as_what_is_looked_at_always() -> None:
    seldom, cib = clouds(), Cib.empty()
    told = []
    for operation in (NODE, STATE, cloud("lab"), STATE, NODE, cloud(""), STATE, cloud("other"), cloud("")):
        apply(cib, Change((operation,), ORIGIN))
        always = clouds()
        always._last = seldom._last  # it has heard the same, and believes in nothing
        given = seldom.refresh(0, cib, lambda _: None)
        assert given == always.refresh(0, cib, lambda _: None)
        told.append(None if not given else given[0].wish and given[0].wish.cloud)
    assert told == [None, None, "lab", None, None, None, None, "other", None]
    assert seldom._last is None


def test_another_document_is_looked_at_although_it_counts_alike() -> None:
    looks, without, with_one = clouds(), Cib.empty(), Cib.empty()
    apply(without, Change((NODE,), ORIGIN))
    apply(with_one, Change((cloud("lab"),), ORIGIN))
    assert without.configurations == with_one.configurations
    assert not looks.refresh(0, without, lambda _: None)
    assert looks.refresh(0, with_one, lambda _: None)
