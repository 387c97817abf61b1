"""`wait_for_all`: what the file says counts; only where it says nothing, it follows `two_node`."""

from __future__ import annotations

import pytest

from standfast.base.ids import NodeId
from standfast.config.parse import parse_config
from standfast.daemon import quorum_settings
from standfast.engine.quorum.settings import resolve

CONF = """\
totem {
  version: 2
  cluster_name: c
}
nodelist {
  node {
    ring0_addr: 192.0.2.1
    nodeid: 1
  }
  node {
    ring0_addr: 192.0.2.2
    nodeid: 2
  }
}
quorum {
  provider: corosync_votequorum
  two_node: 1
  %s
}
"""


@pytest.mark.parametrize(("written", "waits"), [("", True), ("wait_for_all: 0", False), ("wait_for_all: 1", True)])
def test_wait_for_all_follows_two_node_unless_it_is_written(written: str, waits: bool) -> None:
    settings = quorum_settings(parse_config((CONF % written).encode()).quorum)
    rules, _ = resolve(settings, {NodeId(1): 1, NodeId(2): 1})
    assert rules.two_node
    assert rules.wait_for_all is waits
