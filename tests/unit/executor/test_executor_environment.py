"""What an agent is started with, name by name, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.report import Refused
from standfast.executor.api import Agent, AgentClass, Request
from standfast.executor.environment import (
    ENVIRONMENT_BYTES_MAX,
    PARAMETERS_MAX,
    VALUE_BYTES_MAX,
    Process,
    Settings,
    Unit,
    invocation,
    package_hint,
)

if TYPE_CHECKING:
    from tests.unit.executor.executor_lab import DUMMY
else:
    from executor_lab import DUMMY

HERE = Settings("n1")


def asked(
    agent: Agent = DUMMY,
    action: str = "monitor",
    parameters: tuple[tuple[str, str], ...] = (),
    meta: tuple[tuple[str, str], ...] = (),
    interval_ms: int = 0,
    resource: str = "d",
) -> Request:
    return Request(resource, agent, action, interval_ms, 20_000, parameters, meta, "")


def process(request: Request, settings: Settings = HERE) -> Process:
    made = invocation(request, settings)
    assert isinstance(made, Process)
    return made


def test_the_whole_environment_of_an_ocf_agent() -> None:
    meta = (("interval", "10000"), ("name", "monitor"), ("on_node", "n1"), ("timeout", "20000"))
    made = process(asked(parameters=(("ip", "172.16.0.100"), ("OCF_CHECK_LEVEL", "10")), meta=meta, interval_ms=10_000))
    assert made.argv == ("/usr/lib/ocf/resource.d/heartbeat/Dummy", "monitor")
    assert dict(made.environment) == {
        "HA_LOGFACILITY": "daemon",
        "HA_SBIN_DIR": "/usr/sbin",
        "HA_cluster_type": "corosync",
        "HA_debug": "0",
        "HA_logfacility": "daemon",
        "LC_ALL": "C",
        "OCF_CHECK_LEVEL": "10",
        "OCF_EXIT_REASON_PREFIX": "ocf-exit-reason:",
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESKEY_CRM_meta_interval": "10000",
        "OCF_RESKEY_CRM_meta_name": "monitor",
        "OCF_RESKEY_CRM_meta_on_node": "n1",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_crm_feature_set": "3.16.1",
        "OCF_RESKEY_ip": "172.16.0.100",
        "OCF_RESOURCE_INSTANCE": "d",
        "OCF_RESOURCE_PROVIDER": "heartbeat",
        "OCF_RESOURCE_TYPE": "Dummy",
        "OCF_ROOT": "/usr/lib/ocf",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PCMK_cluster_type": "corosync",
        "PCMK_debug": "0",
        "PCMK_logfacility": "daemon",
    }
    assert list(made.environment) == sorted(made.environment)


def test_a_probe_has_no_interval() -> None:
    assert "OCF_RESKEY_CRM_meta_interval" not in dict(process(asked()).environment)


def test_settings_reach_every_agent() -> None:
    settings = Settings("n1", rsctmp="/tmp/r", log_file="/var/log/c.log", debug=True, extra=(("STANDFAST_RUN_DIR", "/run/x"),))
    values = dict(process(asked(), settings).environment)
    shown = [values[name] for name in ("HA_RSCTMP", "HA_LOGFILE", "HA_DEBUGLOG", "HA_debug", "STANDFAST_RUN_DIR")]
    assert shown == ["/tmp/r", "/var/log/c.log", "/var/log/c.log", "1", "/run/x"]


@pytest.mark.parametrize(
    ("agent", "action", "made"),
    [
        (Agent(AgentClass.LSB, "", "nginx"), "monitor", ("/etc/init.d/nginx", "status")),
        (Agent(AgentClass.LSB, "", "nginx"), "start", ("/etc/init.d/nginx", "start")),
        (Agent(AgentClass.SERVICE, "", "nginx"), "monitor", ("/etc/init.d/nginx", "status")),
        (Agent(AgentClass.SYSTEMD, "", "nginx"), "monitor", Unit("nginx.service", "status")),
        (Agent(AgentClass.SYSTEMD, "", "a@b\\x2dc.timer"), "stop", Unit("a@b\\x2dc.timer", "stop")),
        (Agent(AgentClass.SYSTEMD, "", "data.mount"), "start", Unit("data.mount", "start")),
    ],
)
def test_other_classes(agent: Agent, action: str, made: tuple[str, ...] | Unit) -> None:
    found = invocation(asked(agent, action), HERE)
    assert (found.argv if isinstance(found, Process) else found) == made


def test_init_scripts_get_no_parameters() -> None:
    values = dict(process(asked(Agent(AgentClass.LSB, "", "x"), parameters=(("a", "b"),))).environment)
    assert not any(name.startswith("OCF_") for name in values)


BAD = ["", "..", "../x", "a/b", "a b", "a\nb", "-rf", ".hidden", "a;b", "$(x)", "a\0b", "é", "x" * 200]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("part", ["provider", "type", "lsb", "systemd", "action", "parameter", "meta"])
def test_names_outside_the_grammar_are_refused_by_name(part: str, name: str) -> None:
    if part in ("lsb",) and name == "x" * 200:
        name *= 2
    if part == "systemd" and name == "x" * 200:
        name *= 2
    request = {
        "provider": asked(Agent(AgentClass.OCF, name, "Dummy")),
        "type": asked(Agent(AgentClass.OCF, "heartbeat", name)),
        "lsb": asked(Agent(AgentClass.LSB, "", name)),
        "systemd": asked(Agent(AgentClass.SYSTEMD, "", name)),
        "action": asked(action=name),
        "parameter": asked(parameters=((name, "v"),)),
        "meta": asked(meta=((name, "v"),)),
    }[part]
    with pytest.raises(Refused) as refused:
        invocation(request, HERE)
    assert refused.value.reports[0].code == "executor.name"
    assert repr(name[:80]) in refused.value.reports[0].what


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x", "-x"])
def test_resource_names(name: str) -> None:
    with pytest.raises(Refused):
        invocation(asked(resource=name), HERE)
    assert process(asked(resource="web:0"))


@pytest.mark.parametrize(
    "parameters",
    [
        (("a", "x\0y"),),
        (("a", "x" * (VALUE_BYTES_MAX + 1)),),
        (("a", "\ud800"),),
        tuple((f"p{i}", "") for i in range(PARAMETERS_MAX + 1)),
        tuple((f"p{i}", "x" * VALUE_BYTES_MAX) for i in range(ENVIRONMENT_BYTES_MAX // VALUE_BYTES_MAX + 1)),
    ],
)
def test_values_that_no_agent_could_be_given(parameters: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Refused) as refused:
        invocation(asked(parameters=parameters), HERE)
    assert refused.value.reports[0].code == "executor.parameter"


def test_no_parameter_can_pose_as_a_variable_of_the_system() -> None:
    values = dict(process(asked(parameters=(("LD_PRELOAD", "/x"), ("PATH", "/x")))).environment)
    assert "LD_PRELOAD" not in values
    assert values["PATH"] != "/x"


def test_a_fence_agent_reads_its_parameters_and_no_more() -> None:
    device = Agent(AgentClass.STONITH, "", "fence_x")
    made = process(asked(device, parameters=(("ip", "bmc"), ("pcmk_host_list", "n1"), ("priority", "1"), ("action", "off"))))
    assert made.argv == ("/usr/sbin/fence_x",)
    assert made.stdin == b"action=monitor\nip=bmc\n"


@pytest.mark.parametrize(("kind", "value"), [("sh", "x"), ("fence_../../bin/sh", "x"), ("fence_x", "1\naction=off")])
def test_what_no_fence_agent_is_started_with(kind: str, value: str) -> None:
    with pytest.raises(Refused):
        invocation(asked(Agent(AgentClass.STONITH, "", kind), parameters=(("ip", value),)), HERE)


def test_package_hints() -> None:
    assert "resource-agents" in package_hint(DUMMY)
    assert "package" in package_hint(Agent(AgentClass.SYSTEMD, "", "x"))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.sampled_from(list(AgentClass)))
def test_anything_is_run_from_the_fixed_directories_or_refused(
    provider: str, kind: str, name: str, value: str, standard: AgentClass
) -> None:
    try:
        made = invocation(asked(Agent(standard, provider, kind), parameters=((name, value),)), HERE)
    except Refused:
        return
    if isinstance(made, Process):
        folder, _, file = made.argv[0].rpartition("/")
        assert folder == "/etc/init.d" or folder == f"/usr/lib/ocf/resource.d/{provider}"
        assert file == kind
        assert "/" not in provider + kind
        for variable, text in made.environment:
            assert "\0" not in variable + text
            assert "=" not in variable
    else:
        assert "/" not in made.name
