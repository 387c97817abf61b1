"""An agent's meta-data: OCF XML -> typed values. Read by `crm ra info`, by `verify`, and for the digests of history.py.

Owns the reading of resource-agent-api XML (1.0 and 1.1). Does not own running the agent. What agents print is not trusted:
sizes are bounded, entities are not expanded, nothing outside the text is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.wire import Malformed
from standfast.executor.codes import visible

XML_BYTES_MAX = 1024 * 1024
"""The longest meta-data read; the largest of Debian's resource-agents is below 64 KiB."""

PARAMETERS_MAX = 1024
ACTIONS_MAX = 128
NAME_CHARS_MAX = 128
SHORT_CHARS_MAX = 512
LONG_CHARS_MAX = 64 * 1024

_PRIVATE_BY_NAME = ("password", "passwd", "user")
"""Taken as private where an agent marks nothing private (Pacemaker's controld_cache_metadata)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One instance attribute that the agent knows. `type` is string, integer, boolean, select, ... as written; `values` are a
    select's options; `default` is None where the meta-data has none."""

    name: str
    type: str = "string"
    default: str | None = None
    required: bool = False
    unique: bool = False
    reloadable: bool = False
    private: bool = False
    deprecated: bool = False
    shortdesc: str = ""
    longdesc: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One operation that the agent advertises, with its advice; times as written ("20s", "20"), "" where it has none."""

    name: str
    timeout: str = ""
    interval: str = ""
    role: str = ""
    depth: str = ""
    start_delay: str = ""


@dataclass(frozen=True, slots=True)
class AgentMetadata:
    """What an agent says of itself."""

    name: str
    version: str = ""
    ocf_version: str = ""
    shortdesc: str = ""
    longdesc: str = ""
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[Action, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name."""
        return next((p for p in self.parameters if p.name == name), None)

    def action(self, name: str) -> Action | None:
        """The first action of that name."""
        return next((a for a in self.actions if a.name == name), None)

    @property
    def reload_action(self) -> str:
        """How parameters are changed without a restart: "reload-agent" (OCF 1.1), "reload" (before), "" when not at all."""
        if _at_least_1_1(self.ocf_version):
            return "reload-agent" if self.action("reload-agent") else ""
        return "reload" if self.action("reload") else ""

    @property
    def restart_parameters(self) -> tuple[str, ...]:
        """Names whose change needs a restart although the agent can reload; before OCF 1.1 `unique` meant that."""
        if self.reload_action == "reload-agent":
            return tuple(p.name for p in self.parameters if not p.reloadable)
        return tuple(p.name for p in self.parameters if p.unique)

    @property
    def private_parameters(self) -> tuple[str, ...]:
        """Names whose values must not be shown."""
        return tuple(p.name for p in self.parameters if p.private)


def parse(xml: bytes) -> AgentMetadata:
    """Read meta-data as an agent printed it. Raises Malformed with the place and the reason, and nothing else."""
    if len(xml) > XML_BYTES_MAX:
        raise Malformed("meta-data", f"{len(xml)} bytes, more than {XML_BYTES_MAX}")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(xml.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as bad:
        raise Malformed("meta-data", visible(str(bad), 200)) from bad
    if root.tag != "resource-agent":
        raise Malformed("meta-data", f"the root is <{visible(str(root.tag), 40)}>, not <resource-agent>")
    parameters = tuple(_parameters(root))
    if not any(p.private for p in parameters):
        parameters = tuple(replace(p, private=True) if p.name in _PRIVATE_BY_NAME else p for p in parameters)
    return AgentMetadata(
        name=_short(root.get("name", ""), NAME_CHARS_MAX),
        version=_short(root.get("version", ""), NAME_CHARS_MAX),
        ocf_version=_short(_text(root.find("version")), NAME_CHARS_MAX),
        shortdesc=_description(root, "shortdesc"),
        longdesc=_description(root, "longdesc"),
        parameters=parameters,
        actions=tuple(_actions(root)),
    )


def _parameters(root: etree._Element) -> Iterator[Parameter]:
    seen: set[str] = set()
    for element in _children(root, "parameters", "parameter", PARAMETERS_MAX):
        name = _name(element)
        if name in seen:
            continue
        seen.add(name)
        content = element.find("content")
        default = None if content is None else content.get("default")
        yield Parameter(
            name=name,
            type="string" if content is None else _short(content.get("type", "string"), NAME_CHARS_MAX),
            default=None if default is None else visible(default),
            required=_truth(element, "required"),
            # OCF 1.1 says unique-group; Pacemaker and crmsh still ask for `unique`
            unique=_truth(element, "unique") or bool(element.get("unique-group")),
            reloadable=_truth(element, "reloadable"),
            private=_truth(element, "private"),
            deprecated=element.find("deprecated") is not None,
            shortdesc=_description(element, "shortdesc"),
            longdesc=_description(element, "longdesc"),
            values=() if content is None else tuple(visible(o.get("value", "")) for o in content.findall("option")),
        )


def _actions(root: etree._Element) -> Iterator[Action]:
    for element in _children(root, "actions", "action", ACTIONS_MAX):
        yield Action(
            name=_name(element),
            timeout=_short(element.get("timeout", ""), NAME_CHARS_MAX),
            interval=_short(element.get("interval", ""), NAME_CHARS_MAX),
            role=_short(element.get("role", ""), NAME_CHARS_MAX),
            depth=_short(element.get("depth", ""), NAME_CHARS_MAX),
            start_delay=_short(element.get("start-delay", element.get("start_delay", "")), NAME_CHARS_MAX),
        )


def _children(root: etree._Element, group: str, tag: str, limit: int) -> list[etree._Element]:
    found = root.findall(f"{group}/{tag}")
    if len(found) > limit:
        raise Malformed(group, f"{len(found)} of them, more than {limit}")
    return found


def _name(element: etree._Element) -> str:
    name = element.get("name", "")
    if not name or len(name) > NAME_CHARS_MAX or visible(name) != name:
        raise Malformed(str(element.tag), f"line {element.sourceline}: {visible(name, 40)!r} is no name")
    return name


def _truth(element: etree._Element, attribute: str) -> bool:
    return element.get(attribute, "").lower() in ("1", "true", "yes", "on", "y")


def _description(element: etree._Element, tag: str) -> str:
    """The description in English, else the first one."""
    found = element.findall(tag)
    chosen = next((d for d in found if d.get("lang", "en").lower().startswith("en")), found[0] if found else None)
    text = _text(chosen)
    if tag == "shortdesc":
        return _short(text, SHORT_CHARS_MAX)
    lines = [visible(line, LONG_CHARS_MAX) if line.strip() else "" for line in text[:LONG_CHARS_MAX].strip().splitlines()]
    return "\n".join(lines)


def _text(element: etree._Element | None) -> str:
    return "" if element is None else "".join(str(part) for part in element.itertext())


def _short(text: str, limit: int) -> str:
    return visible(" ".join(text.split()), limit)


def _at_least_1_1(version: str) -> bool:
    numbers = [int(part) if part.isascii() and part.isdecimal() and len(part) < 6 else 0 for part in version.split(".")[:2]]
    return numbers >= [1, 1]
