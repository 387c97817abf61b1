"""What TAB offers: levels, commands, and for arguments the names that the cluster, the agents and the grammar know."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Sequence

from standfast.base.report import Refused
from standfast.compat.crm.document import Configuration
from standfast.compat.crm.parser import KEYWORDS
from standfast.shell.command import Level
from standfast.shell.session import LEVELS, Session

FRESH_S = 2.0
"""How long a configuration fetched for completion is good for."""

_PARTS = {
    "primitive": ("params", "meta", "op", "utilization"),
    "rsc_template": ("params", "meta", "op", "utilization"),
    "group": ("meta", "params"),
    "clone": ("meta", "params"),
    "ms": ("meta", "params"),
    "node": ("attributes", "utilization"),
    "location": ("rule", "role=", "resource-discovery="),
}
_OPERATIONS = ("monitor", "start", "stop", "promote", "demote", "notify")


class Completer:
    """Answers for one session. Asks the cluster at most every FRESH_S seconds, and stays silent when it does not run."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._fetched_at = -FRESH_S
        self._configuration: Configuration | None = None

    def complete(self, text: str) -> list[str]:
        """All words that could stand at the end of `text`; the last word may have begun already."""
        words = _split(text)
        begun = "" if not text or text[-1].isspace() else words.pop()
        level = self._session.here
        while words:
            try:
                entry, _ = level.find(words[0])
            except Refused:
                return []
            if not entry.level:
                return _matching(self._arguments(level, words, begun), begun)
            level, words = self._session.level(entry.level), words[1:]
        names = [name for entry in level.table.values() for name in entry.names if not name.startswith(".")]
        return _matching([*names, *(KEYWORDS if level.name == "configure" else ())], begun)

    def _arguments(self, level: Level, words: Sequence[str], begun: str) -> Iterable[str]:
        if level.name == "configure" and words[0].lower() in KEYWORDS:
            return self._statement(words, begun)
        entry, _ = level.find(words[0])
        if entry.name in ("help", "cd"):
            return [name for found in level.table.values() for name in found.names] if entry.name == "help" else LEVELS
        if not entry.completes:
            return ()
        kind = entry.completes[min(len(words) - 1, len(entry.completes) - 1)]
        return self._kind(kind, words)

    def _kind(self, kind: str, words: Sequence[str]) -> Iterable[str]:
        fixed = {
            "on_off": ("on", "off"),
            "what_if": ("node", "resource", "configure"),
            "attribute_verb": ("set", "delete", "show"),
            "lifetime": ("reboot", "forever"),
            "method": ("update", "replace", "push"),
            "force": ("force",),
            "simulate": ("nograph", "scores", "utilization", "actions"),
            "graph": ("dot",),
            "corosync_status": ("ring", "quorum"),
        }
        if kind in fixed:
            return fixed[kind]
        if kind == "resource":
            return self._ids(("primitive", "group", "clone", "ms", "bundle"))
        if kind == "node":
            configuration = self._fetch()
            return configuration.node_names() if configuration is not None else ()
        if kind == "object":
            return (*self._ids(()), "changed", "type:", "tag:", "related:", "xml")
        if kind == "status":
            from standfast.shell.status import WORDS

            return (*WORDS, "--watch")
        return self._agents(kind, words)

    def _agents(self, kind: str, words: Sequence[str]) -> Iterable[str]:
        from standfast.client import agents
        from standfast.shell.agent_lookup import list_agents

        if kind == "agent_class":
            return agents.classes()
        if kind == "provider":
            return agents.providers()
        if kind != "agent":
            return ()
        found = list(list_agents("ocf"))
        found += [f"ocf:{provider}:{name}" for provider in agents.providers() for name in list_agents("ocf", provider)]
        return [*found, *(f"stonith:{name}" for name in list_agents("stonith"))] if words else found

    def _statement(self, words: Sequence[str], begun: str) -> Iterable[str]:
        """Inside a statement of the grammar."""
        keyword = words[0].lower()
        if keyword in ("primitive", "rsc_template") and len(words) == 2:
            return self._agents("agent", words)
        if keyword in ("primitive", "rsc_template") and len(words) > 2:
            return self._primitive(words)
        if keyword in ("group", "clone", "ms", "colocation", "order", "tag", "location", "rsc_ticket") and len(words) > 1:
            nodes = self._kind("node", words) if keyword == "location" else ()
            return (*self._ids(("primitive", "group", "clone", "ms")), *nodes, *_PARTS.get(keyword, ()))
        if keyword == "monitor":
            return self._ids(("primitive",))
        return _PARTS.get(keyword, ()) if len(words) > 1 or begun else ()

    def _primitive(self, words: Sequence[str]) -> Iterable[str]:
        """Parameters, meta attributes or operations of a primitive, by the last keyword."""
        from standfast.compat.crm.parse_resources import split_agent
        from standfast.compat.crm.words import OP_ATTRIBUTES, RSC_META_ATTRIBUTES
        from standfast.shell.agent_lookup import agents, providers

        parts = _PARTS["primitive"]
        section = next((word for word in reversed(words) if word in parts), "")
        if section == "meta":
            return (*(f"{name}=" for name in sorted(RSC_META_ATTRIBUTES)), *parts)
        if section == "op":
            return _OPERATIONS if words[-1] == "op" else (*(f"{name}=" for name in sorted(OP_ATTRIBUTES)), *parts)
        metadata = agents(*split_agent(words[2], providers)) if section == "params" else None
        names = [f"{parameter.name}=" for parameter in metadata.parameters] if metadata is not None else []
        given = {word.partition("=")[0] + "=" for word in words}
        return (*(name for name in names if name not in given), *parts)

    def _ids(self, keywords: Sequence[str]) -> list[str]:
        configuration = self._fetch()
        if configuration is None:
            return []
        return [item.name for item in configuration.objects() if not keywords or item.keyword in keywords]

    def _fetch(self) -> Configuration | None:
        if self._session.edit is not None:
            return self._session.edit.now
        if self._clock() - self._fetched_at >= FRESH_S:
            self._fetched_at = self._clock()
            try:
                self._configuration = self._session.cluster.configuration()
            except Refused:
                self._configuration = None
        return self._configuration


def _split(text: str) -> list[str]:
    """Words of an unfinished line; an open quote is no reason to be silent."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _matching(names: Iterable[str], begun: str) -> list[str]:
    return sorted({name for name in names if name.startswith(begun)})
