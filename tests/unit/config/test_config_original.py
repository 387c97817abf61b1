"""The same files before the original's parser (`corosync -t` parses and exits; it starts nothing)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from standfast.base.report import Refused
from standfast.config.parse import parse_config

COROSYNC = shutil.which("corosync") or "/usr/sbin/corosync"
pytestmark = pytest.mark.skipif(not Path(COROSYNC).exists(), reason="corosync is not installed")

BASE = """\
totem {{
  version: 2
  transport: knet
  {totem}
}}
nodelist {{
  node {{
    ring0_addr: 127.0.0.1
    nodeid: 1
    name: localhost
    {node}
  }}
}}
logging {{
  to_logfile: no
  to_syslog: no
  {logging}
}}
{rest}
"""

# (what is put in, where): both must take it, or both must refuse it
BOTH = [
    ("totem", "token: 500"),
    ("totem", "token: +500"),
    ("totem", "token: 5x"),
    ("totem", "token: 5"),
    ("totem", "token: 1_000"),
    ("totem", "token:"),
    ("totem", "token: -5"),
    ("totem", "token: 99999999999"),
    ("totem", "token_warning: 101"),
    ("totem", "ip_version: ipv5"),
    ("totem", "crypto_cipher: 3des"),
    ("totem", "crypto_cipher: aes999"),
    ("totem", "crypto_hash: sha3"),
    ("totem", "frobnicate: 1"),
    ("totem", "link_mode: slow"),
    ("totem", "config_version: 18446744073709551615"),
    ("totem", "config_version: 99999999999999999999"),
    ("totem", "interface {\n mcastport: 65536\n}"),
    ("totem", "interface {\n linknumber: 300\n}"),
    ("totem", "interface {\n linknumber: 0\n mcastport: 5500\n ringnumber: 0\n}"),
    ("totem", "interface { mcastport: 5500 }"),
    ("totem", "no colon here"),
    ("totem", "}\n}"),
    ("totem", "  # a comment {"),
    ("totem", "x: " + "y" * 505),
    ("totem", "x: " + "y" * 506),
    ("node", "quorum_votes: many"),
    ("node", "unheard: of"),
    ("node", "nodeid: one"),
    ("logging", "debug: loud"),
    ("logging", "debug: trace"),
    ("logging", "timestamp: hires"),
    ("logging", "timestamp: soon"),
    ("logging", "to_stderr: perhaps"),
    ("logging", "to_stderr: on"),
    ("logging", "syslog_facility: local7"),
    ("logging", "syslog_facility: nowhere"),
    ("logging", "syslog_priority: panic"),
    ("logging", "logger_subsys {\n debug: on\n}"),
    ("logging", "logger_subsys {\n subsys: QUORUM\n debug: on\n}"),
    ("rest", "quorum {\n two_node: yes\n}"),
    ("rest", "quorum {\n expected_votes: x\n}"),
    ("rest", "uidgid {\n user: root\n}"),
    ("rest", "service {\n name: pacemaker\n ver: 1\n}"),
    ("rest", "system {\n sched_rr: maybe\n}"),
    ("rest", "system {\n qb_ipc_type: carrier-pigeon\n}"),
    ("rest", "compatibility: whitetank"),
    ("rest", "amf {\n mode: disabled\n}"),
    ("rest", "{\n}"),
    ("rest", "unclosed {"),
]


def original_takes(path: Path) -> bool:
    run = subprocess.run([COROSYNC, "-t", "-c", str(path)], capture_output=True, check=False, timeout=30)
    return run.returncode == 0


@pytest.mark.parametrize(("place", "line"), BOTH, ids=[line[:30].replace("\n", ";") for _, line in BOTH])
def test_both_parsers_agree(place: str, line: str, tmp_path: Path) -> None:
    text = BASE.format(**{"totem": "", "node": "", "logging": "", "rest": "", place: line})
    path = tmp_path / "corosync.conf"
    path.write_text(text)
    try:
        parse_config(text)
    except Refused:
        ours = False
    else:
        ours = True
    assert ours == original_takes(path)
