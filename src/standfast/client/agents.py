"""Which agents this host has, and what they say of themselves: for `crm ra` without a cluster.

Native agents are part of Standfast and need no installation. They answer to the name of the shell agent that they stand in for,
and come before it, since they are what runs (unless a resource has the meta-attribute native=false).

Owns: looking into the fixed directories and running `meta-data` with a deadline. Does not own how an agent is run otherwise
(executor), what its meta-data means (executor/metadata.py), what is printed (shell).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.executor import environment
from standfast.executor.api import Agent, AgentClass, Request

if TYPE_CHECKING:
    from standfast.executor.metadata import AgentMetadata

DEADLINE_S = 10.0
"""How long an agent may take for its meta-data, unless told otherwise (most advise 5 s)."""

METADATA_BYTES_MAX = 1024 * 1024
_FILE_BYTES_MAX = 64 * 1024

NATIVE = {("heartbeat", "IPaddr2"): "standfast.agents.ip"}
"""The native OCF agents by (provider, type), and the package that holds their metadata.xml."""

_UNIT_SUFFIXES = (".service", ".socket", ".mount", ".timer", ".path")
_NO_SCRIPTS = ("README", "skeleton", "rc", "rcS", "halt", "reboot", "single", "functions")
_NO_FENCE_AGENTS = ("fence_ack_manual", "fence_na", "fence_tool", "fence_node", "fence_legacy", "fence_pcmk")
_PREFERRED_PROVIDERS = ("heartbeat", "pacemaker")
_LSB_HEADER = re.compile(r"^# ?(Provides|Short-Description|Description):\s*(.*)$", re.MULTILINE)
_UNIT_DESCRIPTION = re.compile(r"^Description=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Places:
    """Where agents are looked for, and nowhere else."""

    ocf_root: str = "/usr/lib/ocf"
    init_dir: str = "/etc/init.d"
    unit_dirs: tuple[str, ...] = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
    fence_dirs: tuple[str, ...] = ("/usr/sbin", "/usr/local/sbin")


HERE = Places(fence_dirs=(str(Path(sys.executable).parent), *Places().fence_dirs))
"""This host; the fence agents that come with Standfast lie beside its Python, and go before others of the same name."""


def classes() -> tuple[str, ...]:
    """The standards of agents, sorted."""
    return tuple(sorted(standard.value for standard in AgentClass))


def providers(agent_type: str = "", places: Places = HERE) -> tuple[str, ...]:
    """The providers of OCF agents on this host, sorted; with `agent_type`, those that have that agent."""
    root = f"{places.ocf_root}/resource.d"
    found = [name for name in _names(root) if os.path.isdir(f"{root}/{name}")]
    found = sorted({*found, *(provider for provider, _ in NATIVE)})
    return tuple(name for name in found if not agent_type or agent_type in list_agents("ocf", name, places))


def list_agents(standard: str, provider: str = "", places: Places = HERE) -> tuple[str, ...]:
    """The agents of a standard on this host, sorted; of `ocf`, those of one provider or of all. Raises Refused for a standard
    that does not exist."""
    match _standard(standard):
        case AgentClass.OCF:
            chosen = [provider] if provider else list(providers(places=places))
            folders = [f"{places.ocf_root}/resource.d/{name}" for name in chosen]
            native = [name for by, name in NATIVE if by in chosen]
            return _sorted((*native, *(name for folder in folders for name in _programs(folder))))
        case AgentClass.LSB:
            return _sorted(name for name in _programs(places.init_dir) if name not in _NO_SCRIPTS)
        case AgentClass.SYSTEMD:
            units = (name for folder in places.unit_dirs for name in _names(folder) if name.endswith(_UNIT_SUFFIXES))
            return _sorted(name.removesuffix(".service") for name in units)
        case AgentClass.SERVICE:
            return _sorted((*list_agents("lsb", places=places), *list_agents("systemd", places=places)))
        case AgentClass.STONITH:
            names = (name for folder in places.fence_dirs for name in _programs(folder) if name.startswith("fence_"))
            return _sorted(name for name in names if name not in _NO_FENCE_AGENTS)


def resolve(text: str, places: Places = HERE) -> Agent:
    """The agent that a user means by `class:provider:type`, `class:type` or, of OCF, `type` alone: then heartbeat's comes
    before pacemaker's, and theirs before any other. Raises Refused when the text names no agent (an OCF agent that is not
    installed here counts as one when it is named in full)."""
    parts = text.split(":")
    if len(parts) == 3 and parts[0] == AgentClass.OCF and parts[1] and parts[2]:
        return Agent(AgentClass.OCF, parts[1], parts[2])
    if len(parts) >= 2 and parts[0] != AgentClass.OCF:
        # a unit's name may hold a colon
        return Agent(_standard(parts[0]), "", ":".join(parts[1:]))
    name = parts[-1]
    found = providers(name, places) if name and len(parts) <= 2 else ()
    for provider in (*(p for p in _PREFERRED_PROVIDERS if p in found), *found):
        return Agent(AgentClass.OCF, provider, name)
    raise Refused(
        error("agents.unknown", f"there is no agent {text!r} on this host", remedy="see `crm ra list ocf`, or name it in full")
    )


def metadata(agent: Agent, deadline_s: float = DEADLINE_S, places: Places = HERE, *, native: bool = True) -> bytes:
    """The agent's meta-data as XML, as it printed it (OCF, stonith) or made from its file (lsb, systemd, service). Of a native
    agent its own, with `native` False that of the shell agent of the same name.

    Raises Refused when the agent is not here, fails, prints too much, or takes longer than `deadline_s`."""
    match agent.standard:
        case AgentClass.OCF if native and (agent.provider, agent.type) in NATIVE:
            return resources.files(NATIVE[agent.provider, agent.type]).joinpath("metadata.xml").read_bytes()
        case AgentClass.OCF:
            settings = environment.Settings(os.uname().nodename, places.ocf_root, places.init_dir)
            request = Request(agent.type, agent, "meta-data", 0, int(deadline_s * 1000), (), (), "")
            process = environment.invocation(request, settings)
            assert isinstance(process, environment.Process)
            return _run(agent, process.argv, dict(process.environment), deadline_s)
        case AgentClass.STONITH:
            path = _in_folders(agent, places.fence_dirs, agent.type)
            return _run(agent, (path, "-o", "metadata"), dict(environment.base_environment(_settings())), deadline_s)
        case AgentClass.LSB:
            return _of_script(agent, _in_folders(agent, (places.init_dir,), agent.type))
        case AgentClass.SYSTEMD:
            return _of_unit(agent, places)
        case AgentClass.SERVICE:
            is_script = agent.type in list_agents("lsb", places=places)
            return metadata(Agent(AgentClass.LSB if is_script else AgentClass.SYSTEMD, "", agent.type), deadline_s, places)


def describe(agent: Agent, deadline_s: float = DEADLINE_S, places: Places = HERE, *, native: bool = True) -> AgentMetadata:
    """The meta-data as typed values. Raises Refused as `metadata` does, and when the XML cannot be read."""
    from standfast.base.wire import Malformed  # late: a tool that only lists agents needs no XML
    from standfast.executor.metadata import parse

    try:
        return parse(metadata(agent, deadline_s, places, native=native))
    except Malformed as bad:
        remedy = "report it to the agent's author"
        raise Refused(error("agents.metadata", f"the meta-data of {agent} cannot be read", str(bad), remedy)) from bad


# ---- files ----------------------------------------------------------------------------------------------------------


def _standard(name: str) -> AgentClass:
    try:
        return AgentClass(name)
    except ValueError:
        raise Refused(
            error("agents.class", f"there is no class {name!r} of agents", remedy=f"one of {', '.join(classes())}")
        ) from None


def _settings() -> environment.Settings:
    return environment.Settings(os.uname().nodename)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=lambda name: (name.lower(), name)))


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def _programs(folder: str) -> list[str]:
    return [name for name in _names(folder) if os.path.isfile(path := f"{folder}/{name}") and os.access(path, os.X_OK)]


def _in_folders(agent: Agent, folders: Iterable[str], name: str) -> str:
    """The path of the file in the first folder that has it. Raises Refused; a name can never leave the folders."""
    if "/" not in name and name not in ("", ".", ".."):
        for folder in folders:
            if os.path.isfile(path := f"{folder}/{name}"):
                return path
    raise _not_here(agent)


def _head(agent: Agent, path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_FILE_BYTES_MAX).decode(errors="replace")
    except OSError as failed:
        raise Refused(error("agents.unreadable", f"{agent}: {path} cannot be read", str(failed))) from failed


def _of_script(agent: Agent, path: str) -> bytes:
    header = {name: value.strip() for name, value in _LSB_HEADER.findall(_head(agent, path))}
    short = header.get("Short-Description") or f"init script {agent.type}"
    return _made(agent, short, header.get("Description") or short, ("start", "stop", "status", "restart", "force-reload"), "15s")


def _of_unit(agent: Agent, places: Places) -> bytes:
    name = agent.type if agent.type.endswith(_UNIT_SUFFIXES) else f"{agent.type}.service"
    template = re.sub(r"@[^.]*\.", "@.", name)
    try:
        path = _in_folders(agent, places.unit_dirs, name)
    except Refused:
        path = _in_folders(agent, places.unit_dirs, template)
    described = _UNIT_DESCRIPTION.search(_head(agent, path))
    text = described[1].strip() if described else f"systemd unit {name}"
    return _made(agent, f"systemd unit file for {agent.type}", text, ("start", "stop", "status"), "100s")


def _made(agent: Agent, short: str, long: str, actions: tuple[str, ...], timeout: str) -> bytes:
    """Meta-data for an agent that has none of its own."""
    listed = "".join(f'<action name="{action}" timeout="{timeout}"/>' for action in actions)
    return (
        f'<?xml version="1.0"?>\n<resource-agent name={quoteattr(agent.type)} version="0.1"><version>1.1</version>'
        f'<longdesc lang="en">{escape(long)}</longdesc><shortdesc lang="en">{escape(short)}</shortdesc><parameters/>'
        f'<actions>{listed}<action name="monitor" timeout="{timeout}" interval="60s"/>'
        f'<action name="meta-data" timeout="5s"/></actions></resource-agent>\n'
    ).encode()


# ---- running --------------------------------------------------------------------------------------------------------


def _run(agent: Agent, argv: tuple[str, ...], values: dict[str, str], deadline_s: float) -> bytes:
    """What the program printed. Raises Refused; its whole group is ended when it takes too long or prints too much."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=values,
            cwd="/",
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise _not_here(agent) from None
    except OSError as failed:
        raise Refused(error("agents.start", f"{agent} cannot be run", str(failed), f"look at {argv[0]}")) from failed
    try:
        printed = _read(agent, process, time.monotonic() + deadline_s, deadline_s)
    except Refused:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait()
    if code != 0 or not printed.strip():
        why = f"it ended with {code}" if code else "it printed nothing"
        raise Refused(error("agents.metadata", f"{agent} gives no meta-data", why, f"try: {' '.join(argv)}"))
    return printed


def _read(agent: Agent, process: subprocess.Popen[bytes], until: float, deadline_s: float) -> bytes:
    """Standard output until the process ends or closes it. Raises Refused."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    printed = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise Refused(error("agents.slow", f"{agent} gave no meta-data within {deadline_s:g} s", remedy="run it by hand"))
            if selector.select(min(left, 0.1)):
                data = process.stdout.read(65_536) or b""
                if not data and process.poll() is not None:
                    return bytes(printed)
                if not data:
                    time.sleep(0.01)  # it closed its output and goes on
                printed += data
            elif process.poll() is not None:
                return bytes(printed)  # something in the background holds the pipe
            if len(printed) > METADATA_BYTES_MAX:
                raise Refused(error("agents.flood", f"{agent} prints more than {METADATA_BYTES_MAX} bytes of meta-data"))


def _not_here(agent: Agent) -> Refused:
    return Refused(error("agents.missing", f"{agent} is not installed here", remedy=environment.package_hint(agent)), exit_code=5)
