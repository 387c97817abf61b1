"""A polite leave without allow_downscale changes no vote: who is gone does not count, whatever it said last."""

from standfast.base.ids import NodeId
from standfast.engine.quorum.settings import QuorumSettings
from standfast.engine.quorum.votequorum import VoteQuorum, leaving

ONE, TWO = NodeId(1), NodeId(2)


def test_a_node_that_left_politely_is_not_counted() -> None:
    votes = {ONE: 1, TWO: 1}
    here, there = VoteQuorum(QuorumSettings(), ONE, votes), VoteQuorum(QuorumSettings(), TWO, votes)
    assert here.installed(0, (ONE, TWO), {TWO: there.announce()}).votes == 2
    alone = here.installed(1, (ONE,), {TWO: leaving(there.announce())})
    assert (alone.votes, alone.quorate) == (1, False)
