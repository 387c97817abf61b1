"""What must hold in every history: never two quorate partitions, and never less quorum for more votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.engine.quorum.settings import QuorumSettings
from standfast.engine.quorum.votequorum import VoteQuorum

if TYPE_CHECKING:
    from tests.unit.quorum.quorum_lab import Cluster
else:
    from quorum_lab import Cluster

_VOTES = st.lists(st.integers(0, 3), min_size=1, max_size=7).filter(any)


def _wander(cluster: Cluster, data: st.DataObject, *, restarts: bool) -> None:
    """One random step: a node dies, starts or moves, partitions join."""
    live = sorted(cluster.nodes)
    dead = sorted(node for node in cluster.votes if node not in cluster.nodes)
    verbs = ["move", "join", "wait", *(["down"] if len(live) > 1 else []), *(["up"] if dead and restarts else [])]
    match data.draw(st.sampled_from(verbs)):
        case "down":
            cluster.down(data.draw(st.sampled_from(live)))
        case "up":
            cluster.up(data.draw(st.sampled_from(dead)), data.draw(st.integers(0, 3)))
        case "move":
            nodes = data.draw(st.lists(st.sampled_from(live), min_size=1, unique=True))
            cluster.move(tuple(nodes), data.draw(st.integers(0, 3)))
        case "join":
            cluster.join(*data.draw(st.permutations([0, 1, 2, 3]))[:2])
        case "wait":
            cluster.wait(20_000)


@given(st.data(), _VOTES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_never_two_quorate_partitions(data: st.DataObject, votes: list[int], wait_for_all: bool) -> None:
    """With majority alone, whatever dies, restarts, splits and heals, in any order."""
    cluster = Cluster(dict(enumerate(votes, 1)), QuorumSettings(wait_for_all=wait_for_all))
    for _ in range(data.draw(st.integers(1, 12))):
        _wander(cluster, data, restarts=True)
        assert len(cluster.quorate_partitions()) <= 1, cluster.shown()


@given(st.data(), st.integers(1, 3), st.sampled_from(["lowest", "highest"]))
@settings(max_examples=300, deadline=None)
def test_a_tie_breaker_never_lets_both_halves_go_on(data: st.DataObject, half: int, which: str) -> None:
    """auto_tie_breaker with wait_for_all, from a whole cluster into two parts."""
    nodes = range(1, 2 * half + 1)
    rules = QuorumSettings(auto_tie_breaker=True, auto_tie_breaker_node=which, wait_for_all=True)  # type: ignore[arg-type]
    cluster = Cluster(dict.fromkeys(nodes, 1), rules)
    away = tuple(data.draw(st.lists(st.sampled_from(list(nodes)), min_size=1, unique=True)))
    cluster.move(away, 1)
    assert len(cluster.quorate_partitions()) == 1, cluster.shown()


@given(st.data(), _VOTES)
@settings(max_examples=300, deadline=None)
def test_more_members_never_have_less_quorum(data: st.DataObject, votes: list[int]) -> None:
    configured = {NodeId(node): count for node, count in enumerate(votes, 1)}
    some = data.draw(st.lists(st.sampled_from(sorted(configured)), unique=True))
    more = data.draw(st.lists(st.sampled_from(sorted(configured)), unique=True))
    one = NodeId(1)
    smaller = tuple(sorted({one, *some}))
    larger = tuple(sorted({one, *some, *more}))
    before = VoteQuorum(QuorumSettings(), one, configured).installed(0, smaller, {})
    after = VoteQuorum(QuorumSettings(), one, configured).installed(0, larger, {})
    assert after.quorate >= before.quorate
    assert before.votes_needed * 2 > before.votes


@given(st.data(), _VOTES, st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_members_of_a_view_agree_once_they_have_seen_one_quorate_member(
    data: st.DataObject, votes: list[int], wait_for_all: bool, last_man_standing: bool, tracking: bool
) -> None:
    """Whoever shares a view with a quorate node says the same after the next view of the same members."""
    rules = QuorumSettings(wait_for_all=wait_for_all, last_man_standing=last_man_standing, expected_votes_tracking=tracking)
    # last_man_standing counts nodes: with a node that has no vote it would lower nothing, and end in a loss.
    cluster = Cluster({node: 1 if last_man_standing else count for node, count in enumerate(votes, 1)}, rules)
    for _ in range(data.draw(st.integers(1, 10))):
        _wander(cluster, data, restarts=True)
    for partition in cluster.quorate_partitions():
        cluster.view(partition)
        said = {cluster.at(node).quorate for node, where in cluster.partition.items() if where == partition}
        assert said == {True}, cluster.shown()
