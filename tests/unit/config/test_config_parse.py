"""corosync.conf in, typed values or every error out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.ids import NodeId
from standfast.base.report import Refused
from standfast.config.cmap import cmap_keys
from standfast.config.edit import set_value, write_config
from standfast.config.keys import SECTIONS
from standfast.config.model import LinkConfig, NodeConfig
from standfast.config.nodes import local_node
from standfast.config.parse import parse_config
from standfast.config.tree import read_tree

SEED = """\
totem {
  version: 2
  cluster_name: test-cluster
  transport: udpu
  interface {
    ringnumber: 0
    bindnetaddr: 172.16.0.0
    broadcast: yes
    mcastport: 5407
  }
}
nodelist {
  node {
    ring0_addr: 172.16.0.10
  }
  node {
    ring0_addr: 172.16.0.20
  }
}
quorum {
  provider: corosync_votequorum
}
logging {
  to_logfile: yes
  logfile: /var/log/corosync/corosync.log
  to_syslog: yes
  timestamp: on
}
service {
  name: pacemaker
  ver: 1
}
"""

# A file of Ubuntu 14.04's days, as found in the field, with a comment in Latin-1.
FIELD = b"""\
compatibility: whitetank
# Schl\xfcssel liegt in /etc/corosync
totem {
\tversion: 2
\tsecauth: on
\tthreads: 0
\tvsftype: none
\trrp_mode: none
\tclear_node_high_bit: yes
\ttransport: udpu
\ttoken: 3000
\tinterface {
\t\tringnumber: 0
\t\tmcastport: 5405
\t\tttl: 1
\t}
}
amf {
\tmode: disabled
}
quorum {
\tprovider: corosync_votequorum
\texpected_votes: 2
\ttwo_node: 1
}
nodelist {
\tnode {
\t\tring0_addr: 192.168.1.1
\t}
\tnode {
\t\tring0_addr: 192.168.1.2
\t\tnodeid: 7
\t}
}
logging {
\tdebug: off
\ttimestamp: on
\tto_stderr: no
\tlogger_subsys {
\t\tsubsys: AMF
\t\tdebug: on
\t}
}
"""


def small(totem: str = "", nodes: str = "", rest: str = "") -> str:
    """A two-node file with lines added."""
    text = f"totem {{\nversion: 2\n{totem}}}\nnodelist {{\nnode {{\nring0_addr: 10.0.0.1\n}}\nnode {{\nring0_addr: 10.0.0.2\n}}\n"
    return text + f"{nodes}}}\n{rest}"


def refusal(text: bytes | str) -> list[str]:
    with pytest.raises(Refused) as caught:
        parse_config(text, "c.conf")
    assert caught.value.exit_code == 78
    return [report.sentence() for report in caught.value.reports]


def test_the_seed_file_is_read_as_it_stands() -> None:
    config = parse_config(SEED)
    assert config.totem.cluster_name == "test-cluster"
    assert config.totem.links == (LinkConfig(0, 5407, "172.16.0.0"),)
    assert config.nodelist == (
        NodeConfig(NodeId(2886729738), "", ((0, "172.16.0.10"),), 1, 0),
        NodeConfig(NodeId(2886729748), "", ((0, "172.16.0.20"),), 1, 1),
    )
    assert (config.quorum.provider, config.quorum.two_node, config.expected_votes) == ("corosync_votequorum", False, 2)
    assert (config.logging.timestamp, config.logging.target.to_logfile) == ("on", True)
    assert (config.totem.token_ms, config.silence_ms_max) == (1000, 1000)
    assert config.unknown == ()


def test_what_the_seed_file_says_in_vain_is_said_once_in_a_line_each() -> None:
    assert [report.sentence() for report in parse_config(SEED).notices] == [
        "corosync.conf:4:3: transport: udpu is accepted: nodes talk over sealed UDP unicast (encrypted with the authkey)",
        "corosync.conf:6:5: totem.interface.ringnumber has no effect: this section is link 0 unless linknumber says otherwise",
        "corosync.conf:7:5: totem.interface.bindnetaddr has no effect: the address of the nodelist is bound",
        "corosync.conf:8:5: totem.interface.broadcast has no effect: datagrams go to each node of the nodelist",
        "corosync.conf:29:1: service { } was the plugin loader of Corosync 1: Standfast brings its own resource manager",
    ]


def test_a_file_from_the_field_needs_no_edit() -> None:
    config = parse_config(FIELD)
    assert [node.id for node in config.nodelist] == [0xC0A80101 & 0x7FFFFFFF, 7]
    assert config.quorum.two_node
    assert config.quorum.wait_for_all  # two_node brings it
    assert config.totem.token_ms == 3000
    assert config.logging.of("amf").debug == "on"
    assert config.logging.of("totem").debug == "off"
    said = {report.where.split(":")[1]: report.what for report in config.notices}
    assert set(said) == {"1", "5", "6", "7", "8", "10", "13", "15", "18"}


@pytest.mark.parametrize(
    ("totem", "expected"),
    [
        ("token: 50000\n", (50000, 0)),
        ("token_coefficient: 650\n", (1000, 650)),
        ("", (1000, 0)),
    ],
)
def test_token_as_written_or_ours(totem: str, expected: tuple[int, int]) -> None:
    config = parse_config(small(totem))
    assert (config.totem.token_ms, config.totem.token_coefficient_ms) == expected


def test_the_bound_of_silence_grows_with_nodes_only_where_asked() -> None:
    third = "node {\nring0_addr: 10.0.0.3\n}\n"
    assert parse_config(small("token: 3000\ntoken_coefficient: 650\n", third)).silence_ms_max == 3650


# ---- mistakes: every line is one file, and the sentences are all that it earns ------------------------------------------


def mistakes() -> list[tuple[str, str, list[str]]]:
    """The blocks of mistakes.txt: (title, file, sentences)."""
    blocks = (Path(__file__).parent / "mistakes.txt").read_text().split("\n## ")[1:]
    found = []
    for block in blocks:
        title, _, rest = block.partition("\n")
        text, _, said = rest.partition("--\n")
        found.append((title, text.replace("^@", "\0"), said.splitlines()))
    return found


@pytest.mark.parametrize(
    ("text", "said"), [(text, said) for _, text, said in mistakes()], ids=[name for name, _, _ in mistakes()]
)
def test_a_mistake_is_told_with_its_place(text: str, said: list[str]) -> None:
    assert refusal(text) == said


def test_limits_of_size() -> None:
    assert "too large" in refusal("#" * 100 + "\n" + "x: y\n" * 300_000)[0]
    assert "the line is too long: 511 bytes" in refusal(small("cluster_name: " + "x" * 497 + "\n"))[0]
    assert parse_config(small("cluster_name: " + "x" * 496 + "\n")).totem.cluster_name == "x" * 496
    assert any("nested too deep" in sentence for sentence in refusal("a {\n" * 30))
    assert len(refusal("nonsense\n" * 1000)) <= 50


def test_not_utf8_is_told_outside_comments() -> None:
    assert "c.conf:2:16: bytes that are not UTF-8: byte 0xfc" in refusal(b"totem {\ncluster_name: M\xfcnchen\nversion: 2\n}\n")[0]


def test_unknown_keys_are_kept_and_said_with_a_guess() -> None:
    config = parse_config(small("tokn: 500\nfrobnicate: 1\n", rest="quorun {\nprovider: x\n}\nstray: 1\n"))
    assert config.unknown == (("totem.tokn", "500"), ("totem.frobnicate", "1"), ("quorun.provider", "x"), ("stray", "1"))
    assert [report.sentence() for report in config.notices] == [
        "corosync.conf:3:1: unknown key totem.tokn: kept, without effect (did you mean token?)",
        "corosync.conf:4:1: unknown key totem.frobnicate: kept, without effect",
        "corosync.conf:14:1: unknown section quorun { } (did you mean quorum?)",
        "corosync.conf:17:1: unknown key stray: kept, without effect (a key belongs into a section, for example totem { })",
    ]


def test_names_are_resolved_by_the_caller() -> None:
    known = {("db1", "ipv6-4"): "10.0.0.7", ("db2", "ipv6-4"): "fd00:0::2"}
    text = "totem {\nversion: 2\n}\nnodelist {\nnode {\nring0_addr: db1\n}\nnode {\nring0_addr: db3\nnodeid: 2\n}\n}\n"
    with pytest.raises(Refused, match="the name db3 of ring0_addr is not known"):
        parse_config(text, resolve=lambda name, version: known.get((name, version)))
    config = parse_config(text.replace("db3", "10.0.0.9"), resolve=lambda name, version: known.get((name, version)))
    assert [(node.id, node.address(0)) for node in config.nodelist] == [(0x0A000007, "10.0.0.7"), (2, "10.0.0.9")]


def test_links_of_knet_have_their_ports() -> None:
    text = (
        "totem {\nversion: 2\ninterface {\nlinknumber: 1\nmcastport: 6000\nknet_link_priority: 5\n}\n}\nnodelist {\n"
        "node {\nring0_addr: 10.0.0.1\nring1_addr: 10.1.0.1\nnodeid: 1\nname: a\n}\n"
        "node {\nring0_addr: 10.0.0.2\nring1_addr: 10.1.0.2\nnodeid: 2\nname: b\nquorum_votes: 3\n}\n}\n"
    )
    config = parse_config(text)
    assert config.totem.links == (LinkConfig(0, 5405), LinkConfig(1, 6000, "", 5))
    assert [(node.name, node.votes) for node in config.nodelist] == [("a", 1), ("b", 3)]
    assert (config.expected_votes, config.port(1)) == (4, 6000)


# ---- this host ----------------------------------------------------------------------------------------------------------


def test_this_host_is_found_by_name_or_address() -> None:
    config = parse_config(SEED)
    assert local_node(config, ["127.0.0.1", "172.16.0.20"], "whatever").position == 1
    named = parse_config(SEED.replace("172.16.0.10\n", "172.16.0.10\n    name: n1\n"))
    assert local_node(named, ["127.0.0.1"], "n1.example.org").position == 0


def test_a_host_that_is_not_listed_learns_what_was_looked_for() -> None:
    with pytest.raises(Refused) as caught:
        local_node(parse_config(SEED), ["fe80::1%eth0", "10.1.1.1"], "web7")
    assert caught.value.reports[0].sentence() == (
        "this host is not in the nodelist: uname -n is web7, addresses are 10.1.1.1, fe80::1; "
        "the nodelist has 172.16.0.10, 172.16.0.20 "
        "(add this host to the nodelist, correct its ring0_addr, or bring its interface up)"
    )
    with pytest.raises(Refused, match="this host has the addresses of nodes 2886729738 and 2886729748"):
        local_node(parse_config(SEED), ["172.16.0.10", "172.16.0.20"], "web7")


# ---- text back ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SEED, FIELD, small("tokn: 5\n", rest="odd {\nkey: a:b\n}\n")], ids=["seed", "field", "unknown"])
def test_what_is_written_reads_the_same(text: str | bytes) -> None:
    config = parse_config(text)
    again = parse_config(write_config(config))
    assert again == config
    assert again.tree == config.tree


def test_one_key_changes_and_the_rest_stays() -> None:
    text = (
        "# ours\ntotem {\n\tversion: 2\n\ttoken:   1000\n\tfrob: x\n}\nnodelist {\n\tnode {\n\t\tring0_addr: 10.0.0.1\n\t}\n}\n"
    )
    assert set_value(text, "totem.token", "500") == text.replace("token:   1000", "token:   500")
    assert set_value(text, "totem.cluster_name", "x") == text.replace("\tfrob: x\n", "\tfrob: x\n\tcluster_name: x\n")
    assert set_value(text, "nodelist.node[0].name", "a") == text.replace("10.0.0.1\n", "10.0.0.1\n\t\tname: a\n")
    assert set_value(text, "quorum.two_node", "1") == text + "quorum {\n  two_node: 1\n}\n"
    assert set_value(text, "totem.frob", None) == text.replace("\tfrob: x\n", "")
    assert set_value(text, "totem.absent", None) == text
    for path, value, said in [
        ("totem.token", "5\n6", "cannot be"),
        ("nodelist.node[3].name", "a", "there is no node"),
        ("", "1", "no path"),
        ("totem.a b", "1", "no path"),
    ]:
        with pytest.raises(Refused, match=said):
            set_value(text, path, value)


def test_cmap_lists_the_file_with_types() -> None:
    config = parse_config(SEED)
    assert cmap_keys(config, config.nodelist[1]) == (
        ("logging.logfile", "str", "/var/log/corosync/corosync.log"),
        ("logging.timestamp", "str", "on"),
        ("logging.to_logfile", "str", "yes"),
        ("logging.to_syslog", "str", "yes"),
        ("nodelist.local_node_pos", "u32", "1"),
        ("nodelist.node.0.nodeid", "u32", "2886729738"),
        ("nodelist.node.0.ring0_addr", "str", "172.16.0.10"),
        ("nodelist.node.1.nodeid", "u32", "2886729748"),
        ("nodelist.node.1.ring0_addr", "str", "172.16.0.20"),
        ("quorum.provider", "str", "corosync_votequorum"),
        ("runtime.config.totem.token", "u32", "1000"),
        ("service.name", "str", "pacemaker"),
        ("service.ver", "str", "1"),
        ("totem.cluster_name", "str", "test-cluster"),
        ("totem.interface.0.bindnetaddr", "str", "172.16.0.0"),
        ("totem.interface.0.broadcast", "str", "yes"),
        ("totem.interface.0.mcastport", "u16", "5407"),
        ("totem.interface.ringnumber", "str", "0"),
        ("totem.transport", "str", "udpu"),
        ("totem.version", "u32", "2"),
    )


# ---- anything ------------------------------------------------------------------------------------------------------------

WORDS = sorted(
    {key for table in SECTIONS.values() for key in table} | {name.rpartition(".")[2] for name in SECTIONS} | {"", "#", "frob"}
)
LINES = st.one_of(
    st.builds(
        lambda key, value: f"{key}: {value}",
        st.sampled_from(WORDS),
        st.sampled_from(["1", "0", "yes", "10.0.0.1", "fd00::1", "x", "-5", ""]),
    ),
    st.sampled_from(["}", "}", "{"]),
    st.builds(lambda name: f"  {name} {{", st.sampled_from(WORDS)),
    st.text(max_size=30),
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400), st.lists(LINES, max_size=40).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))
    )
)
def test_any_bytes_give_a_configuration_or_a_refusal(data: bytes) -> None:
    try:
        config = parse_config(data)
    except Refused:
        return
    config.check()
    assert parse_config(write_config(config)) == config


def test_cut_anywhere_the_seed_file_is_refused_or_still_whole() -> None:
    """A file whose copy broke off must never be taken for a smaller cluster."""
    whole = parse_config(SEED)
    for length in range(len(SEED)):
        try:
            config = parse_config(SEED[:length])
        except Refused:
            continue
        assert config.nodelist == whole.nodelist


def test_the_tree_reader_never_raises() -> None:
    tree, faults = read_tree(b"\xff\xfe\x00", "x")
    assert tree.items == ()
    assert faults
