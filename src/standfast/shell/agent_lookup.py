"""Agents as the shell knows them: those installed on this host, and the native ones, which need no installation.

Looked up once for a run of the shell: providers for the grammar, meta-data for the checks and for `ra info`.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from standfast.base.report import Refused

if TYPE_CHECKING:
    from standfast.executor.metadata import AgentMetadata

NATIVE = {("ocf", "heartbeat", "IPaddr2"): "standfast.agents.ip"}
"""Agents that run inside the manager, and the package that holds their metadata.xml. They answer to the name of the shell agent
and come before it."""


@functools.cache
def providers(agent_type: str) -> tuple[str, ...]:
    """The providers that have an OCF agent of a type here."""
    native = {provider for _, provider, name in NATIVE if name == agent_type}
    return tuple(sorted(native | set(installed_providers(agent_type))))


@functools.cache
def agents(standard: str, provider: str, agent_type: str) -> AgentMetadata | None:
    """What an agent says of itself; None when it is not here or says nothing."""
    try:
        return describe(standard, provider, agent_type)
    except Refused:
        return None


def describe(standard: str, provider: str, agent_type: str) -> AgentMetadata:
    """What an agent says of itself. Raises Refused when it is not here or says nothing."""
    package = NATIVE.get((standard, provider, agent_type))
    if package is None:
        return installed(standard, provider, agent_type)
    from standfast.executor.metadata import parse

    return parse(resources.files(package).joinpath("metadata.xml").read_bytes())


def list_agents(standard: str, provider: str = "") -> tuple[str, ...]:
    """The agents of a class, of one provider or all. Raises Refused for a class that does not exist."""
    from standfast.client import agents as lookup

    native = {name for own, by, name in NATIVE if own == standard and provider in ("", by)}
    return tuple(sorted(native | set(lookup.list_agents(standard, provider)), key=lambda name: (name.lower(), name)))


def installed(standard: str, provider: str, agent_type: str) -> AgentMetadata:
    """What an agent installed on this host says of itself. Raises Refused."""
    from standfast.client import agents as lookup

    agent = lookup.resolve(":".join(part for part in (standard, provider, agent_type) if part))
    return lookup.describe(agent)


def installed_providers(agent_type: str) -> tuple[str, ...]:
    """The providers that have installed an OCF agent of a type on this host."""
    from standfast.client import agents as lookup

    return lookup.providers(agent_type)
