"""`crm ra`: the agents of this host. Works without a cluster."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from standfast.shell.command import Call, Level, command, usage_refused
from standfast.shell.words import without_output

if TYPE_CHECKING:
    from standfast.compat.crm.check import Metadata


class RaLevel(Level):
    """The level `ra`."""

    name = "ra"

    @command("classes", "list the classes of agents and the providers of ocf")
    def do_classes(self, call: Call) -> bool:
        """`ocf / heartbeat pacemaker` for the class that has providers."""
        assert call.name
        from standfast.client import agents

        for name in agents.classes():
            found = agents.providers() if name == "ocf" else ()
            self.session.output.write(f"{name} / {' '.join(found)}" if found else name)
        return True

    @command("list CLASS [PROVIDER]", "list the agents of a class", completes=("agent_class", "provider"))
    def do_list(self, call: Call) -> bool:
        """In columns on a terminal, else one a line."""
        from standfast.shell.agent_lookup import list_agents

        words, form = without_output(call.words)
        if not 1 <= len(words) <= 2:
            raise usage_refused("list CLASS [PROVIDER]")
        found = list_agents(words[0], words[1] if len(words) == 2 else "")
        if form == "json" or self.session.options.wants_json:
            self.session.write_json(list(found))
        else:
            self.session.output.write(columns(found) if self.session.output.is_interactive else "\n".join(found))
        return True

    @command("providers TYPE [CLASS]", "list who provides an agent", completes=("agent",))
    def do_providers(self, call: Call) -> bool:
        """Of ocf; no other class has providers."""
        from standfast.shell.agent_lookup import providers

        if not 1 <= len(call.words) <= 2:
            raise usage_refused("providers TYPE [CLASS]")
        found = providers(call.words[0]) if call.words[1:] in ((), ("ocf",)) else ()
        self.session.output.write(" ".join(found))
        return True

    @command("info [CLASS:[PROVIDER:]]TYPE", "show what an agent says of itself", "meta", completes=("agent",))
    def do_info(self, call: Call) -> bool:
        """Description, parameters with defaults (required ones have a star), operations with the advised timeouts."""
        from standfast.compat.crm.parse_resources import split_agent
        from standfast.shell.agent_lookup import describe, providers

        words, form = without_output(call.words)
        if len(words) != 1:
            raise usage_refused("info [CLASS:[PROVIDER:]]TYPE")
        parts = split_agent(words[0], providers)
        if not any(parts):
            raise usage_refused("info [CLASS:[PROVIDER:]]TYPE", f"{words[0]!r} is not the name of an agent")
        metadata = describe(*parts)
        name = ":".join(part for part in parts if part)
        if form == "json" or self.session.options.wants_json:
            from dataclasses import asdict

            self.session.write_json({"agent": name, **asdict(metadata)})
        else:
            self.session.output.write("\n".join(info_lines(name, metadata)))
        return True


def info_lines(name: str, metadata: Metadata) -> Iterator[str]:
    """The page of `ra info`."""
    yield f"{metadata.shortdesc} ({name})" if metadata.shortdesc else name
    if metadata.longdesc:
        yield ""
        yield metadata.longdesc.strip()
    if metadata.parameters:
        yield ""
        yield "Parameters (*: required, []: default):"
    for parameter in metadata.parameters:
        star = "*" if parameter.required else ""
        default = f", [{parameter.default}]" if parameter.default else ""
        yield ""
        yield f"{parameter.name}{star} ({parameter.type or 'string'}{default}): {parameter.shortdesc}".rstrip()
        for paragraph in parameter.longdesc.strip().split("\n\n"):
            for line in textwrap.wrap(" ".join(paragraph.split()), 76):
                yield f"    {line}"
    shown = [action for action in metadata.actions if action.name not in ("meta-data", "validate-all")]
    if shown:
        yield ""
        yield "Operations' defaults (advisory minimum):"
        yield ""
    width = max((len(action.name) for action in shown), default=0)
    for action in shown:
        fields = (("timeout", action.timeout), ("interval", action.interval), ("depth", action.depth), ("role", action.role))
        text = " ".join(f"{key}={value}" for key, value in fields if value and (key, value) != ("interval", "0"))
        yield f"    {action.name:<{width}}  {text}".rstrip()


def columns(names: tuple[str, ...], width: int = 0) -> str:
    """Names in as many columns as fit."""
    if not names:
        return ""
    total = width or shutil.get_terminal_size().columns
    cell = max(len(name) for name in names) + 2
    count = max(total // cell, 1)
    rows = [names[start : start + count] for start in range(0, len(names), count)]
    return "\n".join("".join(name.ljust(cell) for name in row).rstrip() for row in rows)
