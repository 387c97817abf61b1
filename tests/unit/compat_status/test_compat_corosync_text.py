"""The texts of the corosync tools, line by line as the originals print them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec

from standfast.base.ids import NodeId
from standfast.compat.corosync_text import (
    Table,
    addresses_text,
    cmap_lines,
    cmap_of,
    links_text,
    members_text,
    nodes_text,
    quorum_text,
    stats_of,
)
from standfast.engine.api import EngineStatus, PeerStatus, Quorum, View, ViewId

N1, N2 = NodeId(2886729738), NodeId(2886729748)


def peer(node: NodeId, name: str, address: str, *, member: bool = True) -> PeerStatus:
    return PeerStatus(node, name, 1, member, member, ((address, member),), 3, 250, 400)


WHOLE = EngineStatus(
    local=N1,
    cluster_name="test-cluster",
    transport="udpu",
    view=View(ViewId(0x1B0, N1), (N1, N2)),
    quorum=Quorum(True, 2, 2, 2, "2 of 2 votes", ("Quorate",)),
    peers=(peer(N1, "test-node-1", "172.16.0.10"), peer(N2, "test-node-2", "172.16.0.20")),
    client_attached=True,
    counters=(("views", 3), ("datagrams_sent", 77)),
)
ALONE = replace(
    WHOLE,
    view=View(ViewId(0x1B1, N1), (N1,)),
    quorum=Quorum(False, 1, 2, 2, "1 of 2 votes"),
    peers=(WHOLE.peers[0], peer(N2, "", "172.16.0.20", member=False)),
)


def plain(status: EngineStatus) -> Any:
    return json.loads(msgspec.json.encode(status))


def test_cfgtool_s() -> None:
    assert links_text(plain(WHOLE)) == (
        "Local node ID 2886729738, transport udpu\n"
        "LINK ID 0 \n"
        "\taddr\t= 172.16.0.10\n"
        "\tstatus:\n"
        "\t\tnodeid: 2886729738:\tlocalhost\n"
        "\t\tnodeid: 2886729748:\tconnected\n"
    )
    assert links_text(plain(ALONE)).endswith("2886729748:\tdisconnected\n")


def test_cfgtool_s_of_two_links_brief_and_by_link() -> None:
    one, two = NodeId(1), NodeId(2)
    status = plain(
        replace(
            WHOLE,
            local=one,
            transport="knet",
            peers=(
                replace(peer(one, "a", ""), links=(("10.0.0.1", True), ("10.1.0.1", True))),
                replace(peer(two, "b", ""), links=(("10.0.0.2", True), ("10.1.0.2", False))),
            ),
        )
    )
    assert links_text(status, brief=True) == (
        "Local node ID 1, transport knet\n"
        "LINK ID 0 udp\n\taddr\t= 10.0.0.1\n\tstatus\t= n3\n"
        "LINK ID 1 udp\n\taddr\t= 10.1.0.1\n\tstatus\t= n1\n"
    )
    assert links_text(status, only="1") == (
        "Local node ID 1, transport knet\nLINK ID 1 udp\n\taddr\t= 10.1.0.1\n\tstatus:\n"
        "\t\tnodeid:          1:\tlocalhost\n\t\tnodeid:          2:\tdisconnected\n"
    )
    assert nodes_text(status) == (
        "Local node ID 1, transport knet\n"
        "nodeid: 2 reachable   onwire (min/max/cur): 1, 1, 1\n"
        "   LINK: 0 udp (10.0.0.1->10.0.0.2) enabled connected mtu: 1500\n"
        "   LINK: 1 udp (10.1.0.1->10.1.0.2) enabled mtu: 1500\n\n"
    )
    assert addresses_text(status, 2) == "10.0.0.2 10.1.0.2\n"
    assert addresses_text(status, 9) is None


def test_quorumtool_s() -> None:
    assert quorum_text(plain(WHOLE), "Sun Nov 22 13:52:01 2026", Table()) == (
        "Quorum information\n"
        "------------------\n"
        "Date:             Sun Nov 22 13:52:01 2026\n"
        "Quorum provider:  corosync_votequorum\n"
        "Nodes:            2\n"
        "Node ID:          2886729738\n"
        "Ring ID:          ac10000a.1b0\n"
        "Quorate:          Yes\n"
        "\n"
        "Votequorum information\n"
        "----------------------\n"
        "Expected votes:   2\n"
        "Highest expected: 2\n"
        "Total votes:      2\n"
        "Quorum:           2  \n"
        "Flags:            Quorate \n"
        "\n"
        "Membership information\n"
        "----------------------\n"
        "    Nodeid      Votes Name\n"
        "2886729738          1 test-node-1 (local)\n"
        "2886729748          1 test-node-2\n"
    )


def test_quorumtool_when_blocked() -> None:
    text = quorum_text(plain(ALONE), "D", Table())
    assert "Quorate:          No\n" in text
    assert "Quorum:           2 Activity blocked\nFlags:            \n" in text


def test_quorumtool_tables() -> None:
    assert members_text(plain(WHOLE), Table(parsable=True)) == (
        "\nMembership information\n----------------------\n"
        "    Nodeid      Votes    Qdevice Name\n"
        "2886729738          1         NR test-node-1 (local)\n"
        "2886729748          1         NR test-node-2\n"
    )
    assert members_text(plain(WHOLE), Table(hexadecimal=True, addresses=True)).endswith(
        "0xac10000a          1 172.16.0.10 (local)\n0xac100014          1 172.16.0.20\n"
    )


def test_without_votequorum_there_are_no_votes() -> None:
    status = plain(replace(WHOLE, cmap=(("totem.version", "u32", "2"),)))
    text = quorum_text(status, "D", Table())
    assert "Quorum provider:  Not configured\n" in text
    assert "Ring ID:          1b0\n" in text
    assert "Votequorum" not in text


def test_cmapctl_shows_the_members() -> None:
    lines = cmap_lines(cmap_of(plain(ALONE))).splitlines()
    assert [line for line in lines if "members" in line] == [
        "runtime.members.2886729738.config_version (u64) = 0",
        "runtime.members.2886729738.ip (str) = r(0) ip(172.16.0.10) ",
        "runtime.members.2886729738.join_count (u32) = 1",
        "runtime.members.2886729738.status (str) = joined",
    ]
    assert lines == sorted(lines)
    assert "r(0) ip(172.16.0.20)" in cmap_lines(cmap_of(plain(WHOLE)))


def test_what_the_engine_lists_goes_before_what_is_derived() -> None:
    status = plain(replace(WHOLE, cmap=(("runtime.members.2886729748.join_count", "u32", "7"),)))
    assert cmap_of(status)["runtime.members.2886729748.join_count"] == ("u32", "7")


def test_stats() -> None:
    assert cmap_lines(stats_of(plain(WHOLE))) == "stats.datagrams_sent (u64) = 77\nstats.views (u64) = 3\n"


def test_before_the_first_view() -> None:
    status = plain(replace(WHOLE, view=None))
    assert "Nodes:            0\n" in quorum_text(status, "D", Table())
    assert "LINK ID 0" in links_text(status)
