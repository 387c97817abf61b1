"""Who should be together: a table of cuts, and what must hold for any graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.engine.api import ViewId
from standfast.engine.membership.cliques import clique_of
from standfast.engine.membership.rows import Rows
from standfast.engine.messages import NO_VIEW, Gossip, Life, Row

Hears = dict[NodeId, frozenset[NodeId]]


def graph(nodes: int, *cuts: tuple[int, int]) -> Hears:
    """Everybody hears everybody but for the cuts, which work both ways."""
    gone = {*cuts, *((b, a) for a, b in cuts)}
    return {
        NodeId(a): frozenset(NodeId(b) for b in range(1, nodes + 1) if b != a and (a, b) not in gone) for a in range(1, nodes + 1)
    }


@pytest.mark.parametrize(
    ("hears", "cliques"),
    [
        (graph(3), ((1, 2, 3), (1, 2, 3), (1, 2, 3))),
        (graph(3, (1, 3)), ((1, 2), (1, 2), (3,))),
        (graph(3, (1, 2)), ((1, 3), (2,), (1, 3))),
        (graph(4, (1, 3), (1, 4), (2, 3), (2, 4)), ((1, 2), (1, 2), (3, 4), (3, 4))),
        (graph(5, (1, 2)), ((1, 3, 4, 5), (2,), (1, 3, 4, 5), (1, 3, 4, 5), (1, 3, 4, 5))),
        (graph(5, (1, 2), (1, 3)), ((1,), (2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5))),
        (graph(5, (1, 2), (2, 3), (3, 4), (4, 5), (5, 1)), ((1, 3), (2, 4), (1, 3), (2, 4), (5,))),
    ],
)
def test_known_cuts(hears: Hears, cliques: tuple[tuple[int, ...], ...]) -> None:
    assert tuple(clique_of(node, hears, {}, {}) for node in hears) == cliques


def test_votes_weigh_more_than_heads() -> None:
    hears = graph(4, (1, 2), (1, 3), (1, 4))
    hears[NodeId(1)] = hears[NodeId(1)] | {NodeId(2)}
    hears[NodeId(2)] = hears[NodeId(2)] | {NodeId(1)}
    assert clique_of(NodeId(2), hears, {NodeId(1): 5}, {}) == (1, 2)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ((9, 7, 7), (2, 3)),  # 1 is back for 3, not for 2 yet: who is together stays together
        ((7, 7, 9), (1, 3)),  # 3 is back for 1 only: no clique has two that share a view, the lowest ids decide
        ((7, 7, 7), (1, 3)),  # all were together: the same
        ((0, 0, 0), (1, 3)),  # nobody is in a view yet
    ],
)
def test_who_is_together_is_not_parted_for_a_clique_that_is_no_larger(views: tuple[int, ...], expected: tuple[int, ...]) -> None:
    hears = graph(3, (1, 2))
    places = {NodeId(n): ViewId(seq, NodeId(1)) if seq else NO_VIEW for n, seq in enumerate(views, 1)}
    assert clique_of(NodeId(3), hears, {}, places) == expected


@given(st.integers(1, 9), st.data())
def test_any_graph_is_divided_into_cliques(nodes: int, data: st.DataObject) -> None:
    pairs = [(a, b) for a in range(1, nodes + 1) for b in range(1, nodes + 1) if a != b]
    heard = set(data.draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else set()
    hears: Hears = {NodeId(a): frozenset(NodeId(b) for b in range(1, nodes + 1) if (a, b) in heard) for a in range(1, nodes + 1)}
    cliques = {node: clique_of(node, hears, {}, {}) for node in hears}
    for node, clique in cliques.items():
        assert node in clique
        assert all(cliques[other] == clique for other in clique), "not a partition"
        assert all(b in hears[a] for a in clique for b in clique if a != b), "not a clique"


def test_sixty_four_nodes_with_many_cuts_are_divided_in_time() -> None:
    cuts = tuple((a, b) for a in range(1, 65) for b in range(a + 1, 65) if (a * 7 + b * 13) % 11 == 0)
    assert len(clique_of(NodeId(1), graph(64, *cuts), {}, {})) > 1


def test_rows_keep_what_can_be_reached_and_the_newest_of_each() -> None:
    a, b, c = (Life(NodeId(n), 10 * n) for n in (1, 2, 3))
    rows = Rows(a, {NodeId(1): 1, NodeId(2): 1, NodeId(3): 1})
    assert not rows.learn(Gossip((Row(b, 5, (a,)),)), b), "nobody here hears it"
    rows.hear((b,))
    assert rows.learn(Gossip((Row(b, 5, (a, c)), Row(c, 2, (b,)))), b)
    assert not rows.learn(Gossip((Row(b, 4, ()),)), b), "older"
    assert rows.target() == (a, b)
    rows.hear(())
    assert rows.gossip().rows == (Row(a, 2, ()),)
    rows.check()


def test_strangers_in_gossip_are_passed_over() -> None:
    a, b = Life(NodeId(1), 1), Life(NodeId(9), 9)
    rows = Rows(a, {NodeId(1): 1})
    rows.hear((b,))
    rows.learn(Gossip((Row(b, 1, (a,)),)), b)
    assert rows.target() == (a,)


def test_a_view_is_known_of_all_its_members_as_soon_as_one_tells() -> None:
    """1 and 3 do not hear each other. 1 and 2 have gone on to view 8; 2's own row is late and still tells of view 7 with 3."""
    a, b, c = (Life(NodeId(n), 10 * n) for n in (1, 2, 3))
    old, new = ViewId(7, NodeId(1)), ViewId(8, NodeId(1))
    rows = Rows(a, {NodeId(1): 1, NodeId(2): 1, NodeId(3): 1})
    rows.hear((b,))
    rows.enter(new, (a, b))
    rows.learn(Gossip((Row(b, 5, (a, c), old, (a, b, c)), Row(c, 2, (b,), old, (a, b, c)))), b)
    assert rows.target() == (a, b)
    rows.check()
