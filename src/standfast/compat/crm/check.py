"""Does a configuration make sense? Reports about what the grammar and the schema let pass. Pure: agents' meta-data is given.

An ERROR is what will not work (an agent that is not there, a required parameter missing); a WARNING what probably is not meant.
Neither changes anything; the shell asks before it commits over errors. The words are close to crmsh's, so that people find them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches

from lxml import etree

from standfast.base.report import Report, error, warning
from standfast.compat.crm import words
from standfast.compat.crm.document import Configuration, Object, parent_of, references_of
from standfast.compat.fence_race import fence_race
from standfast.executor.metadata import AgentMetadata

Metadata = AgentMetadata
Agents = Callable[[str, str, str], AgentMetadata | None]
"""(class, provider, type) -> what the agent says of itself, or None when it is not installed here."""

_SPAN = re.compile(r"\s*([0-9]+)\s*(us|usec|ms|msec|s|sec|m|min|h|hr|)\s*\Z", re.IGNORECASE)
_UNIT_MS = {"us": 0.001, "usec": 0.001, "ms": 1, "msec": 1, "": 1000, "s": 1000, "sec": 1000}
_UNIT_MS |= {"m": 60_000, "min": 60_000, "h": 3_600_000, "hr": 3_600_000}
DEFAULT_TIMEOUT_MS = 20_000  # Pacemaker's, where neither the operation nor op_defaults say anything
_UNADVERTISED = ("notify", "reload", "reload-agent", "migrate_to", "migrate_from", "meta-data", "validate-all")


def span_ms(text: str | None) -> int | None:
    """A time span as the CIB writes it (`20`, `20s`, `2min`, `500ms`), in milliseconds; None when it is none."""
    match = _SPAN.match(text) if text is not None else None
    return int(int(match.group(1)) * _UNIT_MS[match.group(2).lower()]) if match else None


def check(
    configuration: Configuration,
    agents: Agents,
    only: Collection[str] | None = None,
    *,
    is_two_node: Callable[[], bool] = lambda: False,
) -> tuple[Report, ...]:
    """All findings, object by object in the order of `show`; `only` limits them to objects of these ids. `is_two_node` says
    whether corosync.conf has quorum.two_node; it is asked only where that matters."""
    chosen = [item for item in configuration.objects() if only is None or item.ident in only]
    found: list[Report] = []
    for item in chosen:
        found.extend(_check_object(configuration, item, agents))
    found.extend(_check_unique(configuration, agents, only))
    if any(item.keyword in ("primitive", "property") for item in chosen):
        found.extend(_check_fencing(configuration))
        race = fence_race(configuration.root)
        if race is not None and is_two_node():
            found.append(race)
    return tuple(found)


def reduced(configuration: Configuration, element: etree._Element) -> etree._Element | None:
    """A primitive with what its template gives it laid below; None when the template does not exist."""
    name = element.get("template")
    if not name:
        return element
    template = configuration.find(name)
    if template is None or template.keyword != "rsc_template":
        return None
    merged = copy.deepcopy(template.element)
    merged.tag = "primitive"
    merged.set("id", element.get("id") or "")
    for child in element.iterchildren(etree.Element):
        merged.append(copy.deepcopy(child))
    return merged


def parameters_of(element: etree._Element) -> dict[str, str]:
    """Instance attributes of a reduced primitive; what comes later (the primitive after its template) wins."""
    return {
        pair.get("name") or "": pair.get("value") or ""
        for pair in element.iterfind("instance_attributes/nvpair")
        if pair.get("name")
    }


def _check_object(configuration: Configuration, item: Object, agents: Agents) -> Iterator[Report]:
    if item.keyword in ("primitive", "rsc_template"):
        yield from _check_primitive(configuration, item, agents)
    elif item.keyword in words.CONTAINER_KEYWORDS:
        known = words.RSC_META_ATTRIBUTES | (words.CLONE_META_ATTRIBUTES if item.keyword in ("clone", "ms") else frozenset())
        yield from _check_meta(item, known | {"container"})
    elif item.keyword in words.CONSTRAINT_KEYWORDS:
        yield from _check_constraint(configuration, item)
    elif item.keyword == "fencing_topology":
        yield from _check_topology(configuration, item)


def _check_primitive(configuration: Configuration, item: Object, agents: Agents) -> Iterator[Report]:
    element = reduced(configuration, item.element)
    if element is None:
        yield error("crm.no-template", f"{item.ident}: there is no template {item.element.get('template')}")
        return
    yield from _check_meta(item, words.RSC_META_ATTRIBUTES)
    yield from _check_intervals(item, element)
    kind, provider, agent_type = (element.get(name) or "" for name in ("class", "provider", "type"))
    metadata = agents(kind, provider, agent_type)
    name = ":".join(part for part in (kind, provider, agent_type) if part)
    if metadata is None:
        why = "it gives no meta-data on this host"
        remedy = f"install it on all nodes, or see crm ra list {kind}"
        yield error("crm.no-agent", f"{item.ident}: no such resource agent {name}", why, remedy)
        return
    given = parameters_of(element)
    references = element.find("instance_attributes[@id-ref]") is not None or element.find(".//nvpair[@id-ref]") is not None
    for parameter in metadata.parameters:
        missing = parameter.required and not given.get(parameter.name) and not references and item.keyword == "primitive"
        if missing and not (kind == "stonith" and parameter.name in ("port", "plug", "nodename", "action")):
            what = f'{item.ident}: required parameter "{parameter.name}" is not defined'
            yield error("crm.no-parameter", what, parameter.shortdesc, f"crm ra info {name}")
    yield from _check_names(item, kind, given, metadata)
    yield from _check_operations(configuration, item, element, metadata)


def _check_names(item: Object, kind: str, given: dict[str, str], metadata: AgentMetadata) -> Iterator[Report]:
    known = [parameter.name for parameter in metadata.parameters]
    free = kind == "stonith" or kind in ("systemd", "lsb", "service")
    for name in given:
        alternative = name.replace("-", "_")
        if name in known or name.startswith(("pcmk_", "trace_", "crm_feature_set")) or (free and not known):
            continue
        near = [alternative] if alternative in known else get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"it knows: {', '.join(known)}" if len(known) <= 12 else ""
        yield error("crm.unknown-parameter", f'{item.ident}: parameter "{name}" is not known to the agent', "", remedy)


def _check_meta(item: Object, known: Collection[str]) -> Iterator[Report]:
    for pair in item.element.iterfind("meta_attributes/nvpair"):
        name = pair.get("name")
        if name and name not in known and pair.get("id-ref") is None:
            near = get_close_matches(name, sorted(known), n=1)
            remedy = f"did you mean {near[0]}?" if near else ""
            yield warning("crm.unknown-meta", f"{item.ident}: meta attribute {name} is not known to the cluster", "", remedy)


def _check_intervals(item: Object, element: etree._Element) -> Iterator[Report]:
    seen: set[tuple[str, int]] = set()
    for op in element.iterfind("operations/op"):
        interval = span_ms(op.get("interval"))
        name = op.get("name") or ""
        for attribute in ("interval", "timeout", "start-delay"):
            if op.get(attribute) is not None and span_ms(op.get(attribute)) is None and not _is_iso(op.get(attribute)):
                yield error(
                    "crm.bad-span", f"{item.ident}: {attribute} {op.get(attribute)!r} of {name} is no time span", "", "as 20s"
                )
        if name == "monitor" and interval == 0:
            yield warning("crm.no-interval", f"{item.ident}: a monitor with interval 0 never runs", "", "op monitor interval=10s")
        if name == "monitor" and interval:
            if (name, interval) in seen:
                why = "an operation is known by name and interval, so only one of them would run"
                yield error("crm.same-interval", f"{item.ident}: two monitors every {op.get('interval')}", why, "10s and 11s")
            seen.add((name, interval))


def _is_iso(text: str | None) -> bool:
    return bool(text) and str(text).startswith("P")


def _check_operations(
    configuration: Configuration, item: Object, element: etree._Element, metadata: AgentMetadata
) -> Iterator[Report]:
    default = _default_timeout(configuration)
    advised = {action.name: span_ms(action.timeout) for action in reversed(metadata.actions)}
    configured = {op.get("name") or "": op for op in element.iterfind("operations/op")}
    for name, op in configured.items():
        action = "monitor" if name == "status" else name
        if metadata.actions and action not in advised and action not in _UNADVERTISED:
            yield warning("crm.no-action", f"{item.ident}: action {name} is not in the agent's meta-data")
            continue
        timeout, wanted = span_ms(op.get("timeout")), advised.get(action)
        if timeout is not None and wanted is not None and timeout < wanted:
            what = (
                f"{item.ident}: specified timeout {op.get('timeout')} for {name} is smaller than the advised {wanted / 1000:g}s"
            )
            yield warning("crm.short-timeout", what)
    for name in ("start", "stop", "monitor"):
        wanted = advised.get(name)
        has_own = name in configured and configured[name].get("timeout") is not None
        if wanted is not None and not has_own and default < wanted and (name != "monitor" or name in configured):
            what = f"{item.ident}: default timeout {default / 1000:g}s for {name} is smaller than the advised {wanted / 1000:g}s"
            yield warning("crm.short-timeout", what, "", f"op {name} timeout={wanted / 1000:g}s")


def _default_timeout(configuration: Configuration) -> int:
    for item in configuration.objects():
        if item.keyword == "op_defaults":
            for pair in item.element.iterchildren("nvpair"):
                if pair.get("name") == "timeout" and span_ms(pair.get("value")) is not None:
                    return span_ms(pair.get("value")) or DEFAULT_TIMEOUT_MS
    return DEFAULT_TIMEOUT_MS


def _check_constraint(configuration: Configuration, item: Object) -> Iterator[Report]:
    nodes = {name.lower() for name in configuration.node_names()}
    named = [item.element.get("node")]
    named += [found.get("value") for found in item.element.iterfind("rule/expression[@attribute='#uname']")]
    for name in named:
        if name and name.lower() not in nodes:
            yield warning("crm.no-node", f"{item.ident}: referenced node {name} does not exist", "", "crm node show")
    if item.element.get("rsc-pattern") is not None:
        try:
            re.compile((item.element.get("rsc-pattern") or "").lstrip("!"))
        except re.error as fault:
            what = f"{item.ident}: {item.element.get('rsc-pattern')!r} may not be a valid regular expression"
            yield warning("crm.bad-pattern", what, str(fault))
    tags = {found.ident for found in configuration.objects() if found.keyword == "tag"}
    for name in references_of(item.element):
        resource = configuration.find_resource(name)
        if resource is None and name not in tags:
            yield error("crm.no-resource", f"{item.ident}: resource {name} does not exist")
        holder = parent_of(resource) if resource is not None else None
        if holder is None:
            continue
        if holder.tag != "group":
            what = f"{item.ident}: resource {name} is inside {holder.get('id')}; constraints should name {holder.get('id')}"
            yield warning("crm.ambiguous", what)
        elif item.keyword == "colocation":
            what = f"{item.ident}: resource {name} is grouped, constraints should apply to the group {holder.get('id')}"
            yield warning("crm.grouped", what)


def _check_topology(configuration: Configuration, item: Object) -> Iterator[Report]:
    nodes = {name.lower() for name in configuration.node_names()}
    for level in item.element.iterchildren("fencing-level"):
        target = level.get("target")
        if target and target.lower() not in nodes:
            yield warning("crm.no-node", f"{item.ident}: target {target} is not a node")
        for device in (level.get("devices") or "").split(","):
            found = configuration.find(device)
            element = reduced(configuration, found.element) if found is not None else None
            if element is None:
                yield warning("crm.no-resource", f"{item.ident}: resource {device} does not exist")
            elif element.get("class") != "stonith":
                yield warning("crm.no-device", f"{item.ident}: {device} is not a stonith resource")


def _check_unique(configuration: Configuration, agents: Agents, only: Collection[str] | None) -> Iterator[Report]:
    """Parameters that the agent says must differ between its resources, such as an address."""
    users: dict[tuple[str, str, str, str, str], list[str]] = {}
    for item in configuration.objects():
        element = reduced(configuration, item.element) if item.keyword == "primitive" else None
        if element is None:
            continue
        kind, provider, agent_type = (element.get(name) or "" for name in ("class", "provider", "type"))
        metadata = agents(kind, provider, agent_type)
        unique = {parameter.name for parameter in metadata.parameters if parameter.unique} if metadata else frozenset()
        for name, value in parameters_of(element).items():
            if name in unique and value:
                users.setdefault((kind, provider, agent_type, name, value), []).append(item.ident)
    for (_, _, _, name, value), resources in users.items():
        if len(resources) > 1 and (only is None or set(resources) & set(only)):
            what = f'Resources {",".join(sorted(resources))} violate uniqueness for parameter "{name}": "{value}"'
            yield error("crm.not-unique", what, "", "each resource needs a value of its own")


def _check_fencing(configuration: Configuration) -> Iterator[Report]:
    """The newcomer's first surprise: fencing is on unless switched off, and without a device nothing is ever started."""
    options: dict[str, str] = {}
    has_device = has_resource = False
    for item in configuration.objects():
        if item.keyword == "property":
            options |= {pair.get("name") or "": pair.get("value") or "" for pair in item.element.iterchildren("nvpair")}
        elif item.keyword == "primitive":
            element = reduced(configuration, item.element)
            is_device = element is not None and element.get("class") == "stonith"
            has_device, has_resource = has_device or is_device, has_resource or not is_device
    text = options.get("stonith-enabled", options.get("fencing-enabled", "true")).lower()
    if has_resource and not has_device and text in ("true", "yes", "on", "1", "y"):
        yield warning(
            "crm.no-fencing",
            "no resource will start: fencing is on (stonith-enabled) and there is no fencing device",
            "without one the cluster cannot be sure that a silent node has let go of its resources",
            "configure a stonith: resource, or property stonith-enabled=false if losing that certainty is acceptable",
        )
