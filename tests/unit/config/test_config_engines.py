"""`standfast { engine: ... }` and `etcd { }` in corosync.conf."""

from __future__ import annotations

import pytest

from standfast.base.report import Refused
from standfast.config.parse import parse_config

BASE = """\
totem {
  version: 2
  cluster_name: c
}
nodelist {
  node {
    ring0_addr: 192.0.2.1
    nodeid: 1
    name: a
  }
}
standfast {
  %s
}
"""


def test_the_default_is_embedded_and_the_others_are_known() -> None:
    assert parse_config((BASE % "lease_ms: 2000").encode()).own.engine == "embedded"
    own = parse_config((BASE % "engine: corosync").encode()).own
    assert (own.engine, own.lease_given_ms) == ("corosync", None)


def test_etcd_is_read_with_all_its_keys() -> None:
    text = """engine: etcd
  etcd {
    endpoints: https://192.0.2.5:2379, http://[2001:db8::5]:2379/
    ttl: 7
    ca_file: /ca
    cert_file: /cert
    key_file: /key
    user: u
    password_file: /pw
  }"""
    etcd = parse_config((BASE % text).encode()).own.etcd
    assert etcd.endpoints == ("https://192.0.2.5:2379", "http://[2001:db8::5]:2379")
    assert (etcd.prefix, etcd.ttl_s, etcd.user) == ("/standfast/c", 7, "u")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("engine: etcd", "endpoints is missing"),
        ("engine: etcd\n  etcd {\n    endpoints: 192.0.2.5:2379\n  }", "is not http://HOST:PORT"),
        ("engine: etcd\n  etcd {\n    endpoints: https://h:99999\n  }", "is not http://HOST:PORT"),
        ("engine: etcd\n  etcd {\n    endpoints: https://h:2379\n    user: u\n  }", "belong together"),
        ("engine: etcd\n  etcd {\n    endpoints: https://h:2379\n    key_file: /k\n  }", "belong together"),
        ("engine: raft", "embedded, corosync or etcd"),
    ],
)
def test_what_cannot_work_is_refused(section: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        parse_config((BASE % section).encode())
