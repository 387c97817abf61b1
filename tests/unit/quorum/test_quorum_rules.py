"""The arithmetic by tables, each rule's life as a conversation, and the sentences that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import Refused
from standfast.base.wire import Malformed, Reader
from standfast.engine.quorum.settings import QuorumSettings, resolve
from standfast.engine.quorum.votequorum import VoteQuorum, leaving
from standfast.engine.quorum.votes import (
    PeerVotes,
    Remembered,
    read_peer_votes,
    read_remembered,
    write_peer_votes,
    write_remembered,
)

if TYPE_CHECKING:
    from tests.unit.quorum.quorum_lab import Cluster
else:
    from quorum_lab import Cluster


def equal(count: int) -> dict[int, int]:
    return dict.fromkeys(range(1, count + 1), 1)


# ---- majority -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "needed", "may_lose"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3), (16, 9, 7), (32, 17, 15)],
)
def test_majority(nodes: int, needed: int, may_lose: int) -> None:
    cluster = Cluster(equal(nodes))
    assert cluster.at(1).votes_needed == needed
    for node in range(nodes, nodes - may_lose, -1):
        cluster.down(node)
    assert cluster.at(1).quorate
    if nodes > 1:
        cluster.down(nodes - may_lose)
        assert not cluster.at(1).quorate


def test_the_life_of_three_nodes() -> None:
    cluster = Cluster(equal(3), starts=False)
    said = []
    for step in ("up 1", "up 2", "up 3", "down 1", "down 3", "up 3"):
        verb, node = step.split()
        cluster.up(int(node)) if verb == "up" else cluster.down(int(node))
        said.append(f"{step}: {cluster.shown()}; {cluster.at(min(cluster.nodes)).reason}")
    assert said == [
        "up 1: 1-; 1 of 3 votes, 2 needed: quorate only with 1 more from nodes 2, 3",
        "up 2: 1+ 2+; 2 of 3 votes, 2 needed: quorate",
        "up 3: 1+ 2+ 3+; 3 of 3 votes, 2 needed: quorate",
        "down 1: 2+ 3+; 2 of 3 votes, 2 needed: quorate",
        "down 3: 2-; 1 of 3 votes, 2 needed: quorate only with 1 more from nodes 1, 3",
        "up 3: 2+ 3+; 2 of 3 votes, 2 needed: quorate",
    ]


def test_votes_of_different_weight() -> None:
    cluster = Cluster({1: 3, 2: 1, 3: 1})
    assert (cluster.at(1).votes, cluster.at(1).votes_needed) == (5, 3)
    cluster.down(2, 3)
    assert cluster.at(1).quorate
    cluster = Cluster({1: 3, 2: 1, 3: 1})
    cluster.down(1)
    assert not cluster.at(2).quorate
    assert cluster.at(2).reason == "2 of 5 votes, 3 needed: quorate only with node 1"


def test_expected_votes_beats_the_nodelist_and_grows_with_the_nodes_that_come() -> None:
    cluster = Cluster(equal(5), QuorumSettings(expected_votes=3))
    assert (cluster.at(1).expected_votes, cluster.at(1).votes_needed) == (5, 3)
    cluster.down(4, 5)
    cluster.down(3)
    assert (cluster.at(1).expected_votes, cluster.at(1).votes_needed, cluster.at(1).quorate) == (5, 3, False)


def test_the_need_does_not_sink_when_the_node_that_expected_most_leaves() -> None:
    quorum = VoteQuorum(QuorumSettings(), NodeId(1), {NodeId(1): 1, NodeId(2): 1, NodeId(3): 1})
    more = PeerVotes(votes=1, expected_votes=5, is_quorate=True)
    same = PeerVotes(votes=1, expected_votes=3, is_quorate=True)
    assert quorum.installed(0, (NodeId(1), NodeId(2)), {NodeId(2): same}).votes_needed == 2
    assert quorum.installed(0, (NodeId(1), NodeId(2), NodeId(3)), {NodeId(2): same, NodeId(3): more}).votes_needed == 3
    assert quorum.installed(0, (NodeId(1), NodeId(2)), {NodeId(2): same}).votes_needed == 3


# ---- two_node and wait_for_all --------------------------------------------------------------------------------------


def test_the_life_of_two_nodes() -> None:
    cluster = Cluster(equal(2), QuorumSettings(two_node=True), starts=False)
    cluster.up(1)
    assert cluster.at(1).reason == (
        "1 of 2 votes: waiting for all nodes since the start or the loss of quorum (wait_for_all); not here: node 2"
    )
    assert cluster.at(1).flags == ("2Node", "WaitForAll")
    cluster.up(2)
    assert cluster.at(1).flags == ("2Node", "Quorate", "WaitForAll")
    cluster.down(1)
    assert cluster.at(2).quorate
    assert cluster.at(2).reason == "1 of 2 votes, 1 needed: quorate (two_node: either of two nodes may go on alone)"
    cluster.up(1, partition=1)
    assert cluster.shown() == "2+ | 1-"  # a node that restarts while cut off has to wait
    cluster.join(0, 1)
    assert cluster.shown() == "1+ 2+"


def test_both_halves_of_two_nodes_stay_quorate_after_a_cut() -> None:
    cluster = Cluster(equal(2), QuorumSettings(two_node=True))
    cluster.move((2,), 1)
    assert cluster.shown() == "1+ | 2+"


def test_two_node_without_wait_for_all_is_quorate_alone_from_the_start() -> None:
    alone = VoteQuorum(QuorumSettings(two_node=True, wait_for_all=False), NodeId(1), {NodeId(1): 1, NodeId(2): 1})
    assert alone.current.quorate
    assert alone.current.flags == ("2Node", "Quorate")


def test_two_node_forces_nothing_with_three_nodes() -> None:
    cluster = Cluster(equal(3), QuorumSettings(two_node=True, wait_for_all=False))
    assert cluster.at(1).votes_needed == 2


def test_a_node_that_joins_a_quorate_partition_does_not_wait() -> None:
    cluster = Cluster(equal(3), QuorumSettings(wait_for_all=True))
    cluster.down(3)
    cluster.up(3)
    cluster.down(2)
    cluster.down(1)
    assert cluster.shown() == "3-"
    cluster.up(2)
    assert cluster.shown() == "2- 3-"  # both would have a majority, but all were lost: wait for node 1
    cluster.up(1)
    assert cluster.shown() == "1+ 2+ 3+"


def test_wait_for_all_cancelled_by_an_operator() -> None:
    cluster = Cluster(equal(3), QuorumSettings(wait_for_all=True), starts=False)
    cluster.up(1)
    cluster.up(2)
    assert cluster.shown() == "1- 2-"
    cluster.adjust(0, "cancel_wait_for_all", 1, 0)
    assert cluster.shown() == "1+ 2+"
    assert cluster.at(1).reason == "2 of 3 votes, 2 needed: quorate"


@pytest.mark.parametrize("cut_at", range(6))
def test_a_restart_anywhere_makes_nobody_quorate_who_was_not(cut_at: int) -> None:
    """Interrupted at every step: the node that restarts alone and cut off waits, whatever came before."""
    cluster = Cluster(equal(2), QuorumSettings(two_node=True), starts=False)
    steps = ["up 1", "up 2", "down 2", "up 2", "down 1", "up 1"]
    for step in steps[: cut_at + 1]:
        verb, node = step.split()
        cluster.up(int(node)) if verb == "up" else cluster.down(int(node))
    for restarted in (1, 2):
        if NodeId(restarted) in cluster.nodes:
            cluster.down(restarted)
        cluster.up(restarted, partition=7 + restarted)
        assert not cluster.at(restarted).quorate


# ---- auto_tie_breaker -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tie_breaker", "shown"),
    [
        ("lowest", "1+ 2+ | 3- 4-"),
        ("highest", "1- 2- | 3+ 4+"),
        ((NodeId(3), NodeId(1)), "1- 2- | 3+ 4+"),
        ((NodeId(9), NodeId(2)), "1+ 2+ | 3- 4-"),
        ((NodeId(9),), "1- 2- | 3- 4-"),
    ],
)
def test_an_even_split(tie_breaker: object, shown: str) -> None:
    settings = QuorumSettings(auto_tie_breaker=True, auto_tie_breaker_node=tie_breaker)  # type: ignore[arg-type]
    cluster = Cluster(equal(4), settings)
    cluster.move((3, 4), 1)
    assert cluster.shown() == shown


def test_the_sentence_of_a_broken_tie() -> None:
    cluster = Cluster(equal(4), QuorumSettings(auto_tie_breaker=True))
    cluster.move((3, 4), 1)
    assert cluster.at(1).reason == "2 of 4 votes, 3 needed: exactly half, and the tie-breaker's half is here (auto_tie_breaker)"
    assert cluster.at(3).reason == "2 of 4 votes, 3 needed: quorate only with 1 more from nodes 1, 2"
    assert cluster.at(1).flags == ("Quorate", "AutoTieBreaker")


# ---- last_man_standing ----------------------------------------------------------------------------------------------


def test_last_man_standing_down_to_two() -> None:
    cluster = Cluster(equal(6), QuorumSettings(last_man_standing=True))
    said = []
    for node in (6, 5, 4, 3, 2):
        cluster.down(node)
        before = f"{cluster.at(1).votes_needed} of {cluster.at(1).expected_votes}"
        cluster.wait(10_000)
        said.append(f"{cluster.shown()} ({before}, then {cluster.at(1).votes_needed} of {cluster.at(1).expected_votes})")
    assert said == [
        "1+ 2+ 3+ 4+ 5+ (4 of 6, then 3 of 5)",
        "1+ 2+ 3+ 4+ (3 of 5, then 3 of 4)",
        "1+ 2+ 3+ (3 of 4, then 2 of 3)",
        "1+ 2+ (2 of 3, then 2 of 2)",
        "1- (2 of 2, then 2 of 2)",
    ]


def test_last_man_standing_with_a_tie_breaker_down_to_one() -> None:
    cluster = Cluster(equal(4), QuorumSettings(last_man_standing=True, auto_tie_breaker=True))
    for node in (4, 3, 2):
        cluster.down(node)
        cluster.wait(10_000)
    assert cluster.shown() == "1+"
    assert cluster.at(1).votes_needed == 1


def test_the_window_is_open_for_its_time_and_no_shorter() -> None:
    cluster = Cluster(equal(5), QuorumSettings(last_man_standing=True, last_man_standing_window_ms=3000))
    cluster.down(5)
    quorum = cluster.nodes[NodeId(1)]
    assert quorum.next_us == 3_000_000
    assert quorum.elapsed(2_999_999) is None
    assert "last_man_standing is about to lower the need" in quorum.current.reason
    changed = quorum.elapsed(3_000_000)
    assert changed is not None
    assert changed.expected_votes == 4
    assert quorum.next_us is None
    assert quorum.elapsed(9_000_000) is None


def test_last_man_standing_does_not_save_who_lost_too_many_at_once() -> None:
    cluster = Cluster(equal(5), QuorumSettings(last_man_standing=True))
    cluster.down(3, 4, 5)
    cluster.wait(10_000)
    assert cluster.shown() == "1- 2-"


def test_a_window_is_opened_by_those_who_hold_quorum_only() -> None:
    cluster = Cluster(equal(5), QuorumSettings(last_man_standing=True))
    cluster.down(3, 4, 5)
    assert cluster.nodes[NodeId(1)].next_us is None
    cluster.up(3)
    cluster.wait(10_000)
    assert (cluster.shown(), cluster.at(1).expected_votes) == ("1+ 2+ 3+", 5)


def test_the_window_never_lowers_the_need_below_a_majority_of_the_votes_here() -> None:
    cluster = Cluster(equal(4), QuorumSettings(last_man_standing=True))
    cluster.down(4)
    cluster.adjust(0, "votes", 1, 5)
    cluster.wait(10_000)
    assert (cluster.at(1).votes, cluster.at(1).votes_needed) == (7, 4)


# ---- allow_downscale ------------------------------------------------------------------------------------------------


def test_a_polite_leave_lowers_nothing_below_the_configured_votes() -> None:
    cluster = Cluster(equal(3), QuorumSettings(allow_downscale=True))
    quorum = cluster.nodes[NodeId(1)]
    members = (NodeId(1), NodeId(2))
    told = {node: cluster.nodes[node].announce() for node in members}
    told[NodeId(3)] = leaving(cluster.nodes[NodeId(3)].announce())
    after = quorum.installed(0, members, told)
    assert (after.expected_votes, after.votes_needed, after.quorate) == (3, 2, True)
    quorum.check()


def test_a_polite_leave_takes_back_what_had_grown() -> None:
    cluster = Cluster(equal(5), QuorumSettings(allow_downscale=True, expected_votes=3))
    assert cluster.at(1).expected_votes == 5
    told = {node: cluster.nodes[node].announce() for node in cluster.nodes}
    for node in (5, 4):
        told[NodeId(node)] = leaving(told[NodeId(node)])
    after = cluster.nodes[NodeId(1)].installed(0, (NodeId(1), NodeId(2), NodeId(3)), told)
    assert (after.expected_votes, after.votes_needed) == (3, 2)


# ---- operators ------------------------------------------------------------------------------------------------------


def test_expected_votes_by_hand_gives_quorum_to_who_is_left() -> None:
    cluster = Cluster(equal(5))
    cluster.down(3, 4, 5)
    assert cluster.shown() == "1- 2-"
    cluster.adjust(0, "expected_votes", 1, 2)
    assert cluster.shown() == "1+ 2+"
    assert cluster.at(1).expected_votes == 2
    cluster.up(3)
    assert (cluster.at(3).quorate, cluster.at(3).expected_votes, cluster.at(3).votes_needed) == (True, 3, 2)


@pytest.mark.parametrize(
    ("verb", "node", "value", "why"),
    [
        ("expected_votes", 1, 2, "expected votes 2 are less than the 3 votes that are here"),
        ("expected_votes", 1, 0, "expected votes 0 are less than the 3 votes that are here"),
        ("expected_votes", 1, 70_000, "expected votes 70000 are less than"),
        ("expected_votes", 1, 6, "expected votes 6 would cost this partition its quorum: it has 3 votes (set at most 5)"),
        ("votes", 9, 1, "node 9 has not been seen by this node"),
        ("votes", 2, -1, "-1 votes are not 0 .. 65535"),
        ("votes", 1, 70_000, "70000 votes are not 0 .. 65535"),
        ("sell", 1, 1, "'sell' is no order that quorum knows"),
    ],
)
def test_orders_that_are_refused_change_nothing(verb: str, node: int, value: int, why: str) -> None:
    cluster = Cluster(equal(3))
    before = cluster.at(1)
    refusal = cluster.nodes[NodeId(1)].refusal(verb, NodeId(node), value)
    assert refusal is not None
    assert why in refusal.sentence()
    cluster.adjust(0, verb, node, value)
    assert cluster.at(1) == before


def test_the_remedy_of_a_refused_order_is_accepted() -> None:
    cluster = Cluster(equal(3))
    assert cluster.nodes[NodeId(1)].refusal("expected_votes", NodeId(1), 5) is None
    cluster.adjust(0, "expected_votes", 1, 5)
    assert cluster.shown() == "1+ 2+ 3+"
    assert cluster.at(1).votes_needed == 3


def test_votes_by_hand() -> None:
    cluster = Cluster(equal(3))
    cluster.adjust(0, "votes", 1, 3)
    assert (cluster.at(2).votes, cluster.at(2).expected_votes, cluster.at(2).votes_needed) == (5, 5, 3)
    cluster.down(2, 3)
    assert cluster.at(1).quorate


def test_a_view_needs_no_announcements() -> None:
    """A member that has said nothing counts with its configured votes."""
    quorum = VoteQuorum(QuorumSettings(), NodeId(1), {NodeId(1): 1, NodeId(2): 2, NodeId(3): 1})
    assert quorum.installed(0, (NodeId(1), NodeId(2)), {}).votes == 3


# ---- settings that contradict each other ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "nodes", "codes", "flags"),
    [
        (QuorumSettings(two_node=True, auto_tie_breaker=True), 2, ["quorum.two-node-off"], ("WaitForAll", "AutoTieBreaker")),
        (QuorumSettings(auto_tie_breaker=True), 3, ["quorum.tie-breaker-off"], ("Quorate",)),
        (QuorumSettings(auto_tie_breaker=True, wait_for_all=True), 3, [], ("WaitForAll", "AutoTieBreaker")),
        (QuorumSettings(last_man_standing=True), 4, [], ("LastManStanding",)),
        (QuorumSettings(allow_downscale=True), 4, [], ("AllowDownscale",)),
    ],
)
def test_what_is_switched_off_is_said(settings: QuorumSettings, nodes: int, codes: list[str], flags: tuple[str, ...]) -> None:
    quorum = VoteQuorum(settings, NodeId(1), {NodeId(node): 1 for node in range(1, nodes + 1)})
    assert [report.code for report in quorum.reports] == codes
    assert all(report.remedy for report in quorum.reports)
    assert tuple(flag for flag in quorum.current.flags if flag != "Quorate") == tuple(f for f in flags if f != "Quorate")


def test_last_man_standing_counts_nodes_only() -> None:
    quorum = VoteQuorum(QuorumSettings(last_man_standing=True), NodeId(1), {NodeId(1): 2, NodeId(2): 1})
    assert [report.code for report in quorum.reports] == ["quorum.last-man-off"]
    assert "LastManStanding" not in quorum.current.flags
    cluster = Cluster(equal(4), QuorumSettings(last_man_standing=True))
    cluster.down(4)
    cluster.adjust(0, "votes", 1, 2)
    cluster.view(0)
    assert cluster.nodes[NodeId(2)].next_us is None
    assert "LastManStanding" not in cluster.at(2).flags


@pytest.mark.parametrize(
    ("settings", "votes", "code"),
    [
        (QuorumSettings(auto_tie_breaker=True, last_man_standing=True), equal(3), "quorum.tie-breaker-last-man"),
        (QuorumSettings(), {1: 0}, "quorum.no-votes"),
        (QuorumSettings(expected_votes=70_000), {1: 1}, "quorum.no-votes"),
    ],
)
def test_what_cannot_start_is_refused(settings: QuorumSettings, votes: dict[int, int], code: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve(settings, {NodeId(node): count for node, count in votes.items()})
    assert refused.value.reports[0].code == code
    assert refused.value.reports[0].remedy


# ---- what is remembered and sent ------------------------------------------------------------------------------------


def test_grown_votes_outlive_a_restart_only_where_they_are_tracked() -> None:
    for tracking, expected_votes in ((True, 5), (False, 3)):
        cluster = Cluster(equal(5), QuorumSettings(expected_votes=3, expected_votes_tracking=tracking))
        cluster.down(2, 3, 4, 5)
        cluster.down(1)
        cluster.up(1)
        assert cluster.at(1).expected_votes == expected_votes


def test_lowered_votes_do_not_outlive_a_restart() -> None:
    cluster = Cluster(equal(5))
    cluster.down(3, 4, 5)
    cluster.adjust(0, "expected_votes", 1, 2)
    cluster.down(2)
    cluster.down(1)
    cluster.up(1)
    assert cluster.at(1).expected_votes == 5


_COUNTS = st.integers(0, 0xFFFF)


@given(st.builds(PeerVotes, _COUNTS, _COUNTS, st.booleans(), st.booleans(), st.booleans()))
def test_accounts_read_back(told: PeerVotes) -> None:
    assert read_peer_votes(Reader(write_peer_votes(told))) == told


@given(st.binary(max_size=12))
def test_accounts_are_read_or_malformed(data: bytes) -> None:
    reader = Reader(data)
    try:
        told = read_peer_votes(reader)
    except Malformed:
        return
    assert write_peer_votes(told) == data[:9]


@given(st.binary(max_size=8))
def test_what_is_remembered_is_read_or_malformed(data: bytes) -> None:
    try:
        remembered = read_remembered(data)
    except Malformed:
        return
    assert write_remembered(remembered) == data


def test_what_is_remembered_reads_back() -> None:
    assert read_remembered(write_remembered(Remembered(7))) == Remembered(7)
    with pytest.raises(Malformed, match="version"):
        read_remembered(b"\2\0\0\0\7")
