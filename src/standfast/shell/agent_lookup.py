"""Agents of this host, looked up once for a run of the shell: providers for the grammar, meta-data for the checks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from standfast.base.report import Refused

if TYPE_CHECKING:
    from standfast.executor.metadata import AgentMetadata


@functools.cache
def providers(agent_type: str) -> tuple[str, ...]:
    """The providers that have an OCF agent of a type here."""
    from standfast.client import agents as lookup

    return lookup.providers(agent_type)


@functools.cache
def agents(standard: str, provider: str, agent_type: str) -> AgentMetadata | None:
    """What an agent says of itself; None when it is not installed here or says nothing."""
    from standfast.client import agents as lookup

    try:
        agent = lookup.resolve(":".join(part for part in (standard, provider, agent_type) if part))
        return lookup.describe(agent)
    except Refused:
        return None
