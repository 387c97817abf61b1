"""Eight networks between three hosts: each is lost and comes back, and so are seven at once. Nobody changes the view for it, the
status tool names what is dead, and what is said arrives over what is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from standfast.engine.api import ClientAbsent, QuorumChanged, ViewInstalled
from standfast.lab.engines import Cluster
from standfast.lab.lab import is_possible

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

LINKS = 8
HURT = "n1"


@pytest.fixture
def opened() -> Iterator[Cluster]:
    if not is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    with Cluster("embedded", 3, links=LINKS) as cluster:
        cluster.agree(*cluster.names)
        yield cluster
        cluster.check()


def links_of(cluster: Cluster, name: str) -> dict[int, dict[str, bool]]:
    """What `corosync-cfgtool -s` shows: for each link, whether each other node is connected."""
    shown: dict[int, dict[str, bool]] = {}
    link = -1
    for line in cluster.lab.hosts[name].type("corosync-cfgtool -s").splitlines():
        if line.startswith("LINK ID"):
            link = int(line.split()[2])
            shown[link] = {}
        elif "nodeid:" in line and "localhost" not in line:
            shown[link][line.split()[1].rstrip(":")] = "disconnected" not in line
    return shown


def dead(cluster: Cluster, name: str) -> list[int]:
    """The links on which this host hears nobody."""
    return [link for link, peers in links_of(cluster, name).items() if peers and not any(peers.values())]


def turns(cluster: Cluster) -> int:
    """How often any client was told of another view, another quorum, or an absent manager."""
    kinds = (ViewInstalled, QuorumChanged, ClientAbsent)
    return sum(isinstance(event, kinds) for c in cluster.clients.values() for _, event in c.life.events)


def cut(cluster: Cluster, links: list[int]) -> None:
    """These are lost, the tool says so on both ends, and a message still reaches everybody."""
    for link in links:
        cluster.lab.cut_link(HURT, link)
    cluster.wait(f"links {links} are shown dead", lambda: dead(cluster, HURT) == links, 15)
    others = links_of(cluster, "n2")
    assert [link for link, peers in others.items() if not peers["1"]] == links, others
    assert all(peers["3"] for peers in others.values()), others
    text = f"without {links}"
    cluster.clients[HURT].say(text)
    cluster.wait(text, lambda: all(text.encode() in c.life.delivered() for c in cluster.clients.values()), 10)


def heal(cluster: Cluster, links: list[int]) -> None:
    for link in links:
        cluster.lab.cut_link(HURT, link, healed=True)
    cluster.wait(f"links {links} are back", lambda: not dead(cluster, HURT) and not dead(cluster, "n2"), 20)


def test_links_are_lost_and_come_back_and_the_view_stays(opened: Cluster) -> None:
    opened.wait("all links are up", lambda: [len(links_of(opened, n)) for n in opened.names] == [LINKS] * 3, 20)
    opened.wait("nobody is deaf", lambda: not any(dead(opened, name) for name in opened.names), 20)
    before = turns(opened)
    for link in range(LINKS):
        cut(opened, [link])
        heal(opened, [link])
    for last in (0, LINKS - 1):
        lost = [link for link in range(LINKS) if link != last]
        cut(opened, lost)
        heal(opened, lost)
    assert turns(opened) == before
    assert all(client.life.is_quorate for client in opened.clients.values())
