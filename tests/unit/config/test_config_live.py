"""What of another corosync.conf a running cluster follows, what waits, and what has to be alike."""

from __future__ import annotations

import pytest

from standfast.config.live import changes, followed, marks
from standfast.config.model import ClusterConfig
from standfast.config.parse import parse_config

FILE = """totem {
    version: 2
    cluster_name: test
    transport: udpu
    token: 1000
}
nodelist {
    node {
        ring0_addr: 10.0.0.1
        nodeid: 1
    }
    node {
        ring0_addr: 10.0.0.2
        nodeid: 2
    }
}
quorum {
    provider: corosync_votequorum
    expected_votes: 2
}
logging {
    debug: off
}
"""


def read(text: str) -> ClusterConfig:
    return parse_config(text.encode(), "corosync.conf", lambda name, _: name)


@pytest.mark.parametrize(
    ("old", "new", "live", "later"),
    [
        ("token: 1000", "token: 1500", ("totem.token",), ()),
        ("debug: off", "debug: on", ("logging.target",), ()),
        ("expected_votes: 2", "expected_votes: 3", ("quorum.expected_votes",), ()),
        ("expected_votes: 2", "two_node: 1", ("quorum.expected_votes",), ("quorum.two_node", "quorum.wait_for_all")),
        ("10.0.0.2", "10.0.0.3", (), ("nodelist.node 2.addresses",)),
        ("version: 2", "version: 2\n    config_version: 9", (), ()),
        ("token: 1000", "token: 1000\n    # said twice", (), ()),
    ],
)
def test_what_is_followed_and_what_waits(old: str, new: str, live: tuple[str, ...], later: tuple[str, ...]) -> None:
    force, wanted = read(FILE), read(FILE.replace(old, new, 1))
    assert changes(force, wanted) == (live, later)
    assert changes(followed(force, wanted), wanted) == ((), later)


def test_logging_may_differ_between_nodes_and_nothing_else() -> None:
    assert marks(read(FILE)) == marks(read(FILE.replace("debug: off", "debug: on")))
    one, two = dict(marks(read(FILE))), dict(marks(read(FILE.replace("token: 1000", "token: 1500"))))
    assert [name for name in one if one[name] != two[name]] == ["totem.token"]


def test_a_key_in_the_file_is_not_told() -> None:
    secret = "s" * 200
    shown = marks(read(FILE.replace("version: 2", f"version: 2\n    key: {secret}")))
    assert secret not in repr(shown)
    assert dict(shown)["totem.key"] < 1 << 64
