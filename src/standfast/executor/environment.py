"""What an agent is started with: its path or unit, its arguments and its complete environment.

Owns: the fixed directories, the grammar of names, the OCF environment. Nothing of the daemon's own environment reaches an
agent. Does not own starting it. A name that the grammar does not know is refused by name: the cluster's configuration can
never make a path of its own (whoever may write the CIB would be root on every node otherwise).
"""

from __future__ import annotations

import re

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.executor.api import Agent, AgentClass, Request
from standfast.executor.codes import REASON_PREFIX

FEATURE_SET = "3.16.1"
"""The crm_feature_set of Pacemaker 2.1.5: agents ask it which tools they may use (ocf_promotion_score wants >= 3.10.0)."""

VALUE_BYTES_MAX = 64 * 1024
"""The longest value of one parameter (the kernel takes 128 KiB for one string of an environment)."""

PARAMETERS_MAX = 1024
"""Parameters and meta-attributes of one operation."""

ENVIRONMENT_BYTES_MAX = 1024 * 1024
"""The largest environment (the kernel's own limit is a quarter of the stack limit, 2 MiB by default)."""

_AGENT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}", re.ASCII)
_FENCE_AGENT_NAME = re.compile(r"fence_[A-Za-z0-9_.+-]{1,121}", re.ASCII)
_NOT_FOR_FENCE_AGENTS = ("action", "priority", "provides", "stonith-timeout")
_UNIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@\\+-]{0,254}", re.ASCII)
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_RESOURCE_NAME = re.compile(r"\w[\w.:-]{0,254}")
_ACTION_NAME = re.compile(r"[a-z][a-z_-]{0,63}", re.ASCII)

_UNIT_SUFFIXES = (".service", ".socket", ".mount", ".timer", ".path")
"""Kinds of units that can be resources (Pacemaker's systemd_unit_extension); a bare name means a service."""

_UNIT_VERBS = {"start": "start", "stop": "stop", "monitor": "status", "status": "status", "restart": "restart"}

_PACKAGES = {
    "heartbeat": "resource-agents",
    "pacemaker": "pacemaker-resource-agents",
    "openstack": "resource-agents",
    "linbit": "drbd-utils",
    "redhat": "resource-agents",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What every agent of this node is told, whatever its resource. `rsctmp` "" leaves the agents' own default
    (/run/resource-agents); `extra` is added last, for what the composition root wants its agents' tools to know;
    `own_fence_agents` are (name, file) of those that come with Standfast, and go before those in `fence_dir`."""

    node: str
    ocf_root: str = "/usr/lib/ocf"
    init_dir: str = "/etc/init.d"
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    sbin_dir: str = "/usr/sbin"
    fence_dir: str = "/usr/sbin"
    own_fence_agents: tuple[tuple[str, str], ...] = ()
    rsctmp: str = ""
    log_facility: str = "daemon"
    log_file: str = ""
    debug: bool = False
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """An agent that is an executable file."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Unit:
    """An agent that is a systemd unit."""

    name: str
    verb: str


def invocation(request: Request, settings: Settings) -> Process | Unit:
    """How to run the operation. Raises Refused for a name or value that is not allowed, and for a class that cannot run here."""
    _check("resource", _RESOURCE_NAME, request.resource, request.resource)
    _check("action", _ACTION_NAME, request.action, request.resource)
    agent = request.agent
    if agent.standard is AgentClass.OCF:
        return Process((agent_path(agent, settings), request.action), ocf_environment(request, settings))
    if agent.standard is AgentClass.SYSTEMD:
        return unit_invocation(request)
    if agent.standard in (AgentClass.LSB, AgentClass.SERVICE):
        action = "status" if request.action == "monitor" else request.action
        return Process((agent_path(agent, settings), action), base_environment(settings))
    if agent.standard is AgentClass.STONITH:
        return Process((fence_agent_path(agent, settings),), base_environment(settings), fence_agent_lines(request))
    raise Refused(
        error("executor.class", f"{agent} cannot be run as a resource agent", remedy="use ocf, systemd, lsb or service",
              where=request.resource)
    )  # fmt: skip


def agent_path(agent: Agent, settings: Settings) -> str:
    """The file of an OCF, LSB or service agent, below the fixed directories. Raises Refused for a name that is not allowed."""
    where = str(agent)
    _check("agent", _AGENT_NAME, agent.type, where)
    if agent.standard is not AgentClass.OCF:
        return f"{settings.init_dir}/{agent.type}"
    _check("provider", _AGENT_NAME, agent.provider, where)
    return f"{settings.ocf_root}/resource.d/{agent.provider}/{agent.type}"


def fence_agent_path(agent: Agent, settings: Settings) -> str:
    """The file of a fence agent. Raises Refused for a name that is not allowed."""
    _check("agent", _FENCE_AGENT_NAME, agent.type, str(agent))
    return dict(settings.own_fence_agents).get(agent.type) or f"{settings.fence_dir}/{agent.type}"


def fence_agent_lines(request: Request) -> bytes:
    """What a fence agent reads on its standard input when its device is started or monitored: both ask whether it can be reached.
    Raises Refused for a value of several lines."""
    given = dict(request.parameters)
    theirs = {n: v for n, v in request.parameters if n not in _NOT_FOR_FENCE_AGENTS and not n.startswith("pcmk_")}
    lines = {"action": given.get("pcmk_monitor_action", "monitor"), **theirs}
    for name, value in lines.items():
        if any(mark in text for mark in "\n\r\0" for text in (name, value)):
            raise _bad_parameter(request.resource, f"{name!r} has several lines")
    return "".join(f"{name}={value}\n" for name, value in lines.items()).encode()


def unit_invocation(request: Request) -> Unit:
    """The unit's full name and the verb. Raises Refused for a name that is not allowed and for an action units don't have."""
    name = request.agent.type
    _check("unit", _UNIT_NAME, name, str(request.agent))
    verb = _UNIT_VERBS.get(request.action)
    if verb is None:
        raise Refused(
            error("executor.action", f"Action {request.action} not implemented for systemd resources", where=request.resource)
        )
    return Unit(name if name.endswith(_UNIT_SUFFIXES) else f"{name}.service", verb)


def package_hint(agent: Agent) -> str:
    """What to do about an agent that is not there."""
    if agent.standard is AgentClass.OCF and agent.provider in _PACKAGES:
        return f"install the package {_PACKAGES[agent.provider]} on this node"
    return "install the package that ships it on this node, or correct the agent's name"


def base_environment(settings: Settings) -> tuple[tuple[str, str], ...]:
    """What every process gets, whatever its class, sorted by name."""
    values = {
        "PATH": settings.path,
        "LC_ALL": "C",  # as pacemakerd sets it: agents parse the output of tools
        "HA_SBIN_DIR": settings.sbin_dir,  # ocf-shellfuncs calls crm_attribute and crm_node there
        "HA_debug": "1" if settings.debug else "0",
        "PCMK_debug": "1" if settings.debug else "0",
        "HA_cluster_type": "corosync",
        "PCMK_cluster_type": "corosync",
    }
    if settings.rsctmp:
        values["HA_RSCTMP"] = settings.rsctmp
    if settings.log_facility:
        # ocf_log reads the upper-case form, Pacemaker's tools the lower-case ones
        values |= dict.fromkeys(("HA_LOGFACILITY", "HA_logfacility", "PCMK_logfacility"), settings.log_facility)
    if settings.log_file:
        values |= dict.fromkeys(("HA_LOGFILE", "HA_logfile", "PCMK_logfile"), settings.log_file)
        if settings.debug:
            values["HA_DEBUGLOG"] = settings.log_file
    values |= dict(settings.extra)
    return tuple(sorted(values.items()))


def ocf_environment(request: Request, settings: Settings) -> tuple[tuple[str, str], ...]:
    """The whole environment of an OCF agent (resource-agent-api 1.1, and what Pacemaker adds), sorted by name.

    A parameter OCF_CHECK_LEVEL goes in under its own name, as Pacemaker does. Raises Refused for names and values that are not
    allowed or too long.
    """
    values = dict(base_environment(settings))
    values |= {
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_ROOT": settings.ocf_root,
        "OCF_EXIT_REASON_PREFIX": REASON_PREFIX,
        "OCF_RESOURCE_INSTANCE": request.resource,
        "OCF_RESOURCE_TYPE": request.agent.type,
        "OCF_RESOURCE_PROVIDER": request.agent.provider,
        "OCF_RESKEY_crm_feature_set": FEATURE_SET,
        "OCF_RESKEY_CRM_meta_timeout": str(request.timeout_ms),
        "OCF_RESKEY_CRM_meta_on_node": settings.node,
    }
    if request.interval_ms:
        values["OCF_RESKEY_CRM_meta_interval"] = str(request.interval_ms)
        values["OCF_RESKEY_CRM_meta_name"] = request.action
    if len(request.parameters) + len(request.meta) > PARAMETERS_MAX:
        raise _bad_parameter(request.resource, f"more than {PARAMETERS_MAX} parameters and meta-attributes")
    for name, value in request.parameters:
        _check_pair(request.resource, name, value)
        values[name if name == "OCF_CHECK_LEVEL" else f"OCF_RESKEY_{name}"] = value
    for name, value in request.meta:
        _check_pair(request.resource, name, value)
        values[f"OCF_RESKEY_CRM_meta_{name}"] = value
    size = sum(len(name) + len(value.encode()) + 2 for name, value in values.items())
    if size > ENVIRONMENT_BYTES_MAX:
        raise _bad_parameter(request.resource, f"the parameters take {size} bytes, more than {ENVIRONMENT_BYTES_MAX}")
    return tuple(sorted(values.items()))


# ---- refusals -------------------------------------------------------------------------------------------------------


def _check(kind: str, grammar: re.Pattern[str], name: str, where: str) -> None:
    if grammar.fullmatch(name) is None:
        raise Refused(
            error(
                "executor.name",
                f"the {kind} name {name[:80]!r} is not allowed",
                why="letters, digits and a few signs only, and no path",
                remedy="correct the name in the configuration",
                where=where[:80],
            )
        )


def _check_pair(resource: str, name: str, value: str) -> None:
    _check("parameter", _PARAMETER_NAME, name, resource)
    try:
        length = len(value.encode())
    except UnicodeEncodeError as bad:
        raise _bad_parameter(resource, f"the value of {name} is not valid Unicode") from bad
    if "\0" in value:
        raise _bad_parameter(resource, f"the value of {name} holds a NUL character")
    if length > VALUE_BYTES_MAX:
        raise _bad_parameter(resource, f"the value of {name} is longer than {VALUE_BYTES_MAX} bytes")


def _bad_parameter(resource: str, what: str) -> Refused:
    return Refused(error("executor.parameter", what, remedy="correct it in the configuration", where=resource))
