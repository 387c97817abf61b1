"""Votequorum's arithmetic (knowledge: corosync exec/votequorum.c) as a pure resolver.

Owns: votes, expected votes, two_node, wait_for_all, last_man_standing, auto_tie_breaker, and the sentence that says why.
Does not own: views, devices' connections.

The face of the room (votequorum.py), pure:

    VoteQuorum(settings: QuorumSettings, local: NodeId, votes_by_node: Mapping[NodeId, int], remembered: Remembered | None)
    votequorum.installed(now_us, members: tuple[NodeId, ...], peer_states: Mapping[NodeId, PeerVotes]) -> Quorum
    votequorum.elapsed(now_us) -> Quorum | None          last_man_standing's window; `next_us` says when to call
    votequorum.adjust(verb, node, value) -> Quorum       expected_votes, votes, cancel_wait_for_all
    votequorum.announce() -> PeerVotes                   what this node tells the others at each view
    votequorum.remember() -> Remembered                  wait_for_all status and expected votes, persisted by the engine
"""
