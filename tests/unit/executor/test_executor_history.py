"""The history of operations, held against what Pacemaker 2.1.5 writes: golden values, and crm_simulate where installed."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from standfast.base.wire import Malformed
from standfast.executor import history
from standfast.executor.api import Agent, AgentClass, OpStatus, Request, Result
from standfast.executor.metadata import AgentMetadata, parse

if TYPE_CHECKING:
    from tests.unit.executor.executor_lab import DUMMY
else:
    from executor_lab import DUMMY

UUID = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
PARAMETERS = (("fake", "a<\"b&'c"), ("state", "/tmp/x"))


def result(
    action: str = "start",
    rc: int = 0,
    status: OpStatus = OpStatus.DONE,
    interval_ms: int = 0,
    expected: int = 0,
    parameters: tuple[tuple[str, str], ...] = PARAMETERS,
    meta: tuple[tuple[str, str], ...] = (),
    reason: str = "",
) -> Result:
    timeout_ms = 15_000 if action == "monitor" else 20_000
    asked = Request("d", DUMMY, action, interval_ms, timeout_ms, parameters, meta, f"2:-1:{expected}:{UUID}")
    return Result(asked, 2, status, rc, reason, 1_795_357_015, 1_795_357_099, 12, 3)


def test_a_start_as_crm_simulate_writes_it() -> None:
    (entry,) = history.entries(result(), "n1")
    assert entry.xml() == (
        f'<lrm_rsc_op id="d_last_0" operation_key="d_start_0" operation="start" crm-debug-origin="standfast" '
        f'crm_feature_set="3.16.1" transition-key="2:-1:0:{UUID}" transition-magic="0:0;2:-1:0:{UUID}" exit-reason="" '
        f'on_node="n1" call-id="2" rc-code="0" op-status="0" interval="0" last-rc-change="1795357015" exec-time="12" '
        f'queue-time="3" op-digest="9a183baedf01a71991a3717d42d1b1fd"/>'
    )


def test_a_repeated_monitor_has_its_own_entry_digest_and_time_of_change() -> None:
    (entry,) = history.entries(result("monitor", interval_ms=10_000), "n1")
    assert entry.id == "d_monitor_10000"
    assert entry.get("op-digest") == "bf3f4d39a96a0a082bb1e977adf18603"
    assert entry.get("last-rc-change") == "1795357099"


@pytest.mark.parametrize(
    ("ended", "ids", "reason"),
    [
        (result("monitor", 7, expected=7), ["d_last_0"], ""),
        (result("monitor", 0, expected=7, reason="why"), ["d_last_failure_0", "d_last_0"], "why"),
        (result("start", 1, reason="why"), ["d_last_failure_0", "d_last_0"], "why"),
        (result("start", 1, OpStatus.TIMEOUT), ["d_last_failure_0", "d_last_0"], ""),
        (result("monitor", 7, interval_ms=10_000, reason="why"), ["d_last_failure_0"], "why"),
        (result("migrate_to", 1), ["d_migrate_to_0"], ""),
        (result("migrate_from", 0), ["d_migrate_from_0"], ""),
        (result("notify", 1), [], ""),
        (result("meta-data", 0), [], ""),
        (result("monitor", 0, OpStatus.CANCELLED, 10_000), [], ""),
        (result("start", 0, reason="not told when all is well"), ["d_last_0"], ""),
    ],
)
def test_which_entries_a_result_makes(ended: Result, ids: list[str], reason: str) -> None:
    entries = history.entries(ended, "n1")
    assert [e.id for e in entries] == ids
    assert all(e.get("exit-reason") == reason for e in entries)


def test_reloads_are_recorded_as_what_they_mean() -> None:
    assert history.entries(result("reload-agent"), "n")[0].get("operation_key") == "d_start_0"
    failed = history.entries(result("reload", 1, OpStatus.ERROR), "n")[0]
    assert (failed.id, failed.get("operation")) == ("d_last_failure_0", "monitor")


def test_migrations_say_from_where_to_where() -> None:
    meta = (("migrate_source", "n1"), ("migrate_target", "n2"), ("timeout", "20000"))
    entry = history.entries(result("migrate_to", meta=meta), "n1")[0]
    assert (entry.get("migrate_source"), entry.get("migrate_target")) == ("n1", "n2")


def test_pending_and_cancelled() -> None:
    (entry,) = history.pending(result("monitor", interval_ms=10_000).request, "n1", 5)
    shown = [entry.get(name) for name in ("id", "call-id", "rc-code", "op-status", "transition-magic")]
    assert shown == ["d_monitor_10000", "-1", "193", "-1", f"-1:193;2:-1:0:{UUID}"]
    assert history.pending(result("notify").request, "n1", 5) == ()
    cancelled = result("monitor", 0, OpStatus.CANCELLED, 10_000)
    assert history.cancelled_id(cancelled) == "d_monitor_10000"
    assert history.cancelled_id(result()) is None


def test_resource_attributes() -> None:
    assert dict(history.resource_attributes(result().request)) == {
        "id": "d", "class": "ocf", "provider": "heartbeat", "type": "Dummy"
    }  # fmt: skip
    unit = replace(result().request, agent=Agent(AgentClass.SYSTEMD, "", "nginx"))
    assert dict(history.resource_attributes(unit)) == {"id": "d", "class": "systemd", "type": "nginx"}


# ---- digests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "md5"),  # found by asking crm_simulate 2.1.5 for op-digest of a="x" + value + "y"
    [
        ("<", "d8bd8c71626601d1f98f1181bc4b4945"),
        (">", "ce3214ab56149701399497cafeef2afd"),
        ("&", "6a00f9f3e0141ce6a9f8c41c9562d74c"),
        ('"', "0b2ea893db5128091cb520af4ea3d991"),
        ("'", "23e36eb890284ce8bbb3f60404d5092b"),
        ("\t", "7b69de76e7ae09f98e5215a81bb01524"),
        ("\n", "346b3e9e072cf528fc8ce103ab3d51bf"),
        ("\r", "2d59a1f17d8204ead42cb227ab580baf"),
        ("é", "eae009705f469dffa5f104cbaf087e1d"),
        ("\x7f", "df87de81020b964b5bb6f5967daa261b"),
        ("😀", "a733aa2ef4d7b2fc7bb7cd2708dba9b8"),
    ],
)
def test_digest_of_difficult_characters(value: str, md5: str) -> None:
    assert history.digest((("a", f"x{value}y"),)) == md5


def test_digest_of_nothing_and_of_names_in_any_order() -> None:
    assert history.digest(()) == "f2317cad3d54cec5d7d7aa7d0bf35cf8"
    names = ["b", "B", "a10", "a2", "_x", "a-1", "id", "on_node", "CRM_meta_x", "op-digest", "pcmk_external_ip"]
    parameters = (*zip(names, "123456789ab", strict=True), ("OCF_CHECK_LEVEL", "1"), ("crm_feature_set", "v"))
    values = dict(parameters) | {"op-digest": "1", "pcmk_external_ip": "k"}
    asked = replace(result().request, parameters=tuple(values.items()))
    assert history.digest(history.operation_parameters(asked)) == "b8df09abe8aa739cda88a9165360bd71"


def _metadata(version: str, actions: str, *parameters: str) -> AgentMetadata:
    listed = "".join(parameters)
    return parse(
        f'<resource-agent name="x"><version>{version}</version><parameters>{listed}</parameters>'
        f"<actions>{actions}</actions></resource-agent>".encode()
    )


OLD = _metadata("1.0", '<action name="reload"/>', '<parameter name="state" unique="1"/>', '<parameter name="fake"/>')
NEW = _metadata(
    "1.1", '<action name="reload-agent"/>', '<parameter name="state"/>', '<parameter name="fake" reloadable="1"/>',
    '<parameter name="passwd"/>',
)  # fmt: skip


def test_parameters_that_force_a_restart() -> None:
    state_only = history.digest((("state", "/tmp/x"),))
    for metadata in (OLD, NEW):
        (entry,) = history.entries(result(), "n1", metadata)
        assert " state " in (entry.get("op-force-restart") or "")
        assert entry.get("op-restart-digest") == state_only
    # monitors are not reloadable, and a stop needs no meta-data
    assert history.entries(result("monitor", interval_ms=10_000), "n1", OLD)[0].get("op-force-restart") is None
    assert history.entries(result("stop"), "n1", OLD)[0].get("op-force-restart") is None


def test_secret_parameters_have_a_digest_without_them() -> None:
    (entry,) = history.entries(result(parameters=(*PARAMETERS, ("passwd", "secret"))), "n1", NEW)
    assert entry.get("op-secure-params") == " passwd "
    assert entry.get("op-secure-digest") == history.digest(PARAMETERS)


def test_an_agent_that_cannot_reload_has_no_restart_digest() -> None:
    assert history.entries(result(), "n1", _metadata("1.1", "", ""))[0].get("op-restart-digest") is None


# ---- transition keys ------------------------------------------------------------------------------------------------


def test_transition_key_there_and_back() -> None:
    key = history.parse_transition_key(f"4:17:7:{UUID}")
    assert (key.action, key.transition, key.target_rc, key.uuid) == (4, 17, 7, UUID)
    assert str(key) == f"4:17:7:{UUID}"
    assert history.expected_rc(f"4:17:7:{UUID}") == 7
    assert history.expected_rc("nonsense") == 0


@given(st.text(max_size=150))
def test_transition_key_of_anything(text: str) -> None:
    with contextlib.suppress(Malformed):
        assert history.parse_transition_key(text).uuid in text


@given(st.text(max_size=40))
def test_any_reason_and_parameter_makes_readable_xml(text: str) -> None:
    ended = result("start", 1, reason=text, parameters=(("p", text),))
    for entry in history.entries(ended, "n1"):
        read = etree.fromstring(entry.xml())
        assert list(read.attrib) == [name for name, _ in entry.attributes]
        assert len(read.get("exit-reason") or "") == len(text)


# ---- Pacemaker itself -----------------------------------------------------------------------------------------------

CIB = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="0" admin_epoch="0" have-quorum="1">
<configuration><crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config><nodes><node id="1" uname="n1"/></nodes><resources>
<primitive id="d" class="ocf" provider="heartbeat" type="Dummy"><instance_attributes id="ia">{pairs}</instance_attributes>
<operations><op id="d-m" name="monitor" interval="10s" timeout="15s"/></operations></primitive></resources><constraints/>
</configuration><status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
<lrm id="1"><lrm_resources>{history}</lrm_resources></lrm></node_state></status></cib>"""


def simulate(folder: Path, parameters: tuple[tuple[str, str], ...], entries: str = "", *arguments: str) -> tuple[str, str]:
    """The CIB and the text that crm_simulate makes."""
    pairs = "".join(f'<nvpair id="z{i}" name="{n}" value={quoteattr(v)}/>' for i, (n, v) in enumerate(parameters))
    resource = f'<lrm_resource id="d" class="ocf" provider="heartbeat" type="Dummy">{entries}</lrm_resource>' if entries else ""
    (folder / "in.xml").write_text(CIB.format(pairs=pairs, history=resource))
    command = ["crm_simulate", "-x", str(folder / "in.xml"), "-S", "-O", str(folder / "out.xml"), *arguments]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return (folder / "out.xml").read_text(), said.stdout


needs_pacemaker = pytest.mark.skipif(shutil.which("crm_simulate") is None, reason="crm_simulate is not installed")


@needs_pacemaker
@pytest.mark.parametrize("failing", [(), ("-F", "d_monitor_10000@n1=7"), ("-F", "d_start_0@n1=1")])
def test_same_entries_as_crm_simulate(tmp_path: Path, failing: tuple[str, ...]) -> None:
    """Each entry that crm_simulate writes is made by us from the same result, attribute for attribute."""
    parameters = (*PARAMETERS, ("a", "tab\there é"))
    xml, _ = simulate(tmp_path, parameters, "", *failing)
    theirs = etree.fromstring(xml.encode()).findall(".//lrm_rsc_op")
    assert theirs
    made: dict[str, history.Entry] = {}
    for op in sorted(theirs, key=lambda op: int(op.get("call-id", "0"))):
        action, interval_ms = op.get("operation", ""), int(op.get("interval", "0"))
        timeout_ms = 15_000 if action == "monitor" else 20_000
        asked = Request("d", DUMMY, action, interval_ms, timeout_ms, parameters, (), op.get("transition-key", ""))
        when = int(op.get("last-rc-change", "0"))
        reason = "User-injected result" if op.get("exit-reason") else ""
        ended = Result(asked, int(op.get("call-id", "0")), OpStatus.DONE, int(op.get("rc-code", "0")), reason, when, when, 0, 0)
        made |= {entry.id: entry for entry in history.entries(ended, "n1")}
    for op in theirs:
        ours = dict(made[op.get("id", "")].attributes) | {"crm-debug-origin": "crm_simulate"}
        del ours["on_node"]
        assert ours == dict(op.attrib)


@needs_pacemaker
def test_crm_simulate_accepts_our_history_and_sees_no_change(tmp_path: Path) -> None:
    ended = (
        result("start", parameters=PARAMETERS),
        replace(result("monitor", interval_ms=10_000), call_id=3),
    )
    entries = "".join(e.xml() for r in ended for e in history.entries(r, "n1"))
    _, said = simulate(tmp_path, PARAMETERS, entries)
    assert re.search(r"d\s+\(ocf:heartbeat:Dummy\):\s+Started n1", said)
    assert "Restart" not in said
    _, changed = simulate(tmp_path, (("fake", "other"), ("state", "/tmp/x")), entries)
    assert "Restart" in changed
