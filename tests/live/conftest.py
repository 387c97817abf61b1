"""Live clusters for the tests of this folder: two hosts, a switch and a client in namespaces, gone with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from standfast.lab import lab
from standfast.lab.measures import Rig
from standfast.lab.stacks import Standfast


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Two hosts with corosync.conf, authkey and the crm text on them; nothing runs yet."""
    if not lab.is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    with Rig(Standfast) as made:
        yield made


@pytest.fixture
def cluster(rig: Rig) -> Rig:
    """The same, up: both nodes online, the failover IP served."""
    assert rig.cold() is not None
    return rig
