"""Votequorum's arithmetic (corosync, exec/votequorum.c) as a pure resolver.

Owns: votes, expected votes, two_node, wait_for_all, last_man_standing, auto_tie_breaker, and the sentence that says why.
Does not own: views, devices' connections.

The face of the room (votequorum.py; settings in settings.py, the formats in votes.py), pure:

    VoteQuorum(settings: QuorumSettings, local: NodeId, votes_by_node: Mapping[NodeId, int], remembered: Remembered | None)
        raises Refused where corosync would not start; votequorum.reports says what was switched off
    votequorum.installed(now_us, members: tuple[NodeId, ...], peer_states: Mapping[NodeId, PeerVotes]) -> Quorum
    votequorum.elapsed(now_us) -> Quorum | None          last_man_standing's window; `next_us` says when to call
    votequorum.refusal(verb, node, value) -> Report | None    ask where the operator is, before the order goes out
    votequorum.adjust(verb, node, value) -> Quorum       expected_votes, votes, cancel_wait_for_all; never raises
    votequorum.announce() -> PeerVotes                   what this node tells the others at each view
    votequorum.remember() -> Remembered                  the highest expected votes, persisted by the engine
    votequorum.current -> Quorum
    write_peer_votes / read_peer_votes(Reader), write_remembered / read_remembered: their bytes
"""
