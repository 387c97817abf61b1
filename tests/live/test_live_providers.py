"""The contract of the cluster layer (engine/api.py), held against all three engines: one suite, real daemons, real networks.

Each test plays one story on one engine and then checks everything that every client was told (lab/contract.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from standfast.engine.api import ClientAbsent, Stable, ViewInstalled
from standfast.lab import engines
from standfast.lab.contract import Life
from standfast.lab.engines import Cluster
from standfast.lab.lab import is_possible

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


@pytest.fixture(params=engines.ENGINES)
def opened(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three nodes in one quorate view."""
    if not is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    if reason := engines.missing(request.param):
        pytest.skip(reason)
    with Cluster(request.param) as cluster:
        cluster.agree("n1", "n2", "n3")
        cluster.wait("quorum", lambda: all(c.life.is_quorate for c in cluster.clients.values()))
        yield cluster
        cluster.check()


def delivered_by(cluster: Cluster, names: list[str], payloads: set[bytes]) -> bool:
    return all(payloads <= set(cluster.clients[name].life.delivered()) for name in names)


def test_all_deliver_the_same_in_one_order_and_it_becomes_stable(opened: Cluster) -> None:
    for n in range(20):
        for name, client in opened.clients.items():
            client.say(f"{name} says {n}")
    client = opened.clients["n2"]
    client.say("large " + "x" * 200_000)
    everything = {payload for c in opened.clients.values() for payload in c.life.sent}
    opened.wait("all delivered", lambda: delivered_by(opened, opened.names, everything))
    orders = [c.life.delivered() for c in opened.clients.values()]
    assert orders[0] == orders[1] == orders[2]
    places = max(max(c.life.places(c.life.view.id)) for c in opened.clients.values() if c.life.view)
    opened.wait("stable", lambda: all(_stable(c.life) >= places for c in opened.clients.values()))


def _stable(life: Life) -> int:
    return max((e.seq for _, e in life.events if isinstance(e, Stable)), default=0)


def test_pulses_come_and_end_when_a_node_is_cut_off_and_the_rest_goes_on(opened: Cluster) -> None:
    cut = opened.clients["n3"]
    opened.wait("a pulse", lambda: cut.life.pulse_us > 0)
    life = cut.life
    opened.lab.cut("n3")
    opened.agree("n1", "n2")
    view = opened.clients["n1"].life.views()[-1]
    # in time: when the others' view began, what the lost one was shown was over, or is within its lease
    lease_us = 0 if opened.engine == "etcd" else opened.history.lease_us
    assert life.pulse_us <= view[0] + lease_us
    opened.clients["n1"].say("without n3")
    opened.wait("delivered", lambda: delivered_by(opened, ["n1", "n2"], {b"without n3"}))
    opened.lab.heal("n3")
    opened.agree("n1", "n2", "n3", timeout_s=60)
    opened.clients["n3"].say("back again")
    opened.wait("delivered", lambda: delivered_by(opened, opened.names, {b"back again"}))


def test_a_polite_leave_is_known_at_once_and_who_comes_back_is_taken_in(opened: Cluster) -> None:
    opened.clients["n2"].say("before")
    opened.wait("delivered", lambda: delivered_by(opened, opened.names, {b"before"}))
    opened.clients.pop("n2").leave()
    assert opened.agree("n1", "n3") < 3
    opened.restart_engine("n2")
    opened.attach("n2")
    opened.agree("n1", "n2", "n3")
    opened.clients["n1"].say("after")
    opened.wait("delivered", lambda: delivered_by(opened, opened.names, {b"after"}))


def test_a_client_killed_while_its_host_lives_is_told_absent_or_leaves_and_comes_back(opened: Cluster) -> None:
    views = len([e for _, e in opened.clients["n1"].life.events if isinstance(e, ViewInstalled)])
    opened.clients.pop("n3").kill()
    if opened.history.promises.tells_absence:
        told = opened.clients["n1"].life.events
        opened.wait("told absent", lambda: any(isinstance(e, ClientAbsent) and e.node == 3 for _, e in told))
        assert len([e for _, e in told if isinstance(e, ViewInstalled)]) == views
    else:
        opened.agree("n1", "n2")
    opened.clients["n1"].say("while away")
    opened.wait("delivered", lambda: delivered_by(opened, ["n1", "n2"], {b"while away"}))
    opened.attach("n3")
    opened.agree("n1", "n2", "n3")
    opened.clients["n3"].say("hello")
    opened.wait("delivered", lambda: delivered_by(opened, opened.names, {b"hello"}))


def test_a_host_that_loses_power_is_lost_and_its_messages_are_all_or_nothing(opened: Cluster) -> None:
    for n in range(200):
        opened.clients["n3"].say(f"last words {n}")
    client = opened.clients.pop("n3")
    opened.lab.hosts["n3"].signal_all(9)
    client.end(5)
    opened.agree("n1", "n2")
    opened.clients["n2"].say("and on")
    opened.wait("delivered", lambda: delivered_by(opened, ["n1", "n2"], {b"and on"}))


def test_halves_of_a_cluster_never_both_have_quorum(opened: Cluster) -> None:
    for name in ("n2", "n3"):
        opened.lab.silence(name)
    opened.wait(
        "nobody is quorate, or one alone by etcd",
        lambda: sum(c.life.is_quorate for c in opened.clients.values()) <= (opened.engine == "etcd"),
        40,
    )
    for name in ("n2", "n3"):
        opened.lab.hear(name)
    opened.agree("n1", "n2", "n3", timeout_s=60)
