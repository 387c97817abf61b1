"""Resources of the configuration: templates expanded, meta-attributes with defaults, flags and policies."""

from __future__ import annotations

from copy import deepcopy
from operator import attrgetter
from typing import TYPE_CHECKING

from standfast.base.report import error, warning
from standfast.scheduler.memory import Cluster, MultipleActive, QuorumPolicy, Resource, Variant
from standfast.scheduler.placement.ledger import add_location
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.rules import Subject, nvpairs
from standfast.scheduler.values import Role, int_or, interval_ms, is_true, parse_bool, parse_role

if TYPE_CHECKING:
    from lxml import etree

VARIANTS = {"primitive": Variant.PRIMITIVE, "group": Variant.GROUP}
_NOT_YET = ("clone", "master", "bundle")
_MULTIPLE = {
    "stop_start": MultipleActive.STOP_START,
    "stop_only": MultipleActive.STOP_ONLY,
    "block": MultipleActive.BLOCK,
    "stop_unexpected": MultipleActive.STOP_UNEXPECTED,
}


def unpack_resources(cluster: Cluster) -> None:
    """Every resource of the configuration, in order of priority (stable)."""
    section = cluster.root.find("configuration/resources")
    for element in () if section is None else section.iterchildren():
        if not isinstance(element.tag, str):
            continue
        rsc_id = element.get("id")
        if not rsc_id:
            cluster.tell(error("scheduler.resource", f"a {element.tag} without id is ignored"))
        elif element.tag == "template":
            cluster.templates.setdefault(rsc_id, [])
        elif element.tag in _NOT_YET:
            cluster.tell(
                error(
                    "scheduler.resource",
                    f"{element.tag} {rsc_id} is left alone",
                    f"resources of kind '{element.tag}' are not scheduled yet",
                    "manage it by hand, or use primitives and groups",
                    where=rsc_id,
                )
            )
        else:
            rsc = unpack_resource(cluster, element, None)
            if rsc is not None:
                cluster.resources.append(rsc)
    cluster.resources.sort(key=attrgetter("priority"), reverse=True)
    if cluster.fencing_enabled and not cluster.have_fencing:
        cluster.tell(
            error(
                "scheduler.no-fencing",
                "no resource is started, stopped or moved",
                "fencing is enabled, but no fencing device is configured",
                "configure a fencing device (crm configure primitive ... stonith:...), "
                "or disable fencing: crm configure property stonith-enabled=false",
            )
        )


def unpack_resource(cluster: Cluster, element: etree._Element, parent: Resource | None) -> Resource | None:
    """One resource and its members; None (and a report) if it can't be used."""
    rsc_id = element.get("id")
    xml = _expand_template(cluster, element)
    variant = VARIANTS.get(str(element.tag))
    if not rsc_id or variant is None or xml is None or rsc_id in cluster.by_id:
        cluster.tell(
            error(
                "scheduler.resource",
                f"{element.tag} '{rsc_id or ''}' is ignored",
                "its configuration is invalid, or its id is taken",
            )
        )
        return None
    rsc = Resource(rsc_id, variant, xml, parent)
    _read_operations(cluster, rsc)
    _read_meta(cluster, rsc)
    _set_flags(cluster, rsc)
    _set_policies(cluster, rsc)
    if rsc.meta.get("class", "").lower() == "stonith":
        cluster.have_fencing = True
        rsc.fence_device = True
    _set_requires(cluster, rsc, rsc.meta.get("requires"))
    rsc.failure_timeout_ms = interval_ms(rsc.meta.get("failure-timeout"))
    role = target_role(cluster, rsc)
    if role is not None:
        rsc.next_role = role
    if variant == Variant.GROUP and not _read_members(cluster, rsc):
        return None
    cluster.by_id.setdefault(rsc.id, rsc)
    if cluster.symmetric:
        add_location(cluster, rsc, None, 0, "symmetric_default")
    if xml is not element:
        refs = cluster.templates.setdefault(element.get("template") or "", [])
        if rsc_id not in refs:
            refs.append(rsc_id)
    return rsc


def _read_members(cluster: Cluster, group: Resource) -> bool:
    group.ordered = parse_bool(group.meta.get("ordered")) is not False
    group.colocated = parse_bool(group.meta.get("collocated")) is not False
    for element in group.xml.iterchildren("primitive"):
        member = unpack_resource(cluster, element, group)
        if member is not None:
            group.children.append(member)
    if not group.children:
        cluster.tell(error("scheduler.resource", f"group {group.id} is ignored", "it has no members", where=group.id))
    return bool(group.children)


def _expand_template(cluster: Cluster, element: etree._Element) -> etree._Element | None:
    """`element`, or a copy of its template with everything of `element` added; operations merge by name and role."""
    reference = element.get("template")
    if reference is None:
        return element
    template = cluster.ids.get(reference)
    if template is None or template.tag != "template" or reference == element.get("id"):
        cluster.tell(error("scheduler.template", f"no template named '{reference}'", where=element.get("id") or ""))
        return None
    merged = deepcopy(template)
    merged.tag = element.tag
    merged.set("id", element.get("id") or "")
    template_ops = merged.find("operations")
    own_ops: etree._Element | None = None
    for child in element:
        copied = deepcopy(child)
        merged.append(copied)
        if own_ops is None and child.tag == "operations":
            own_ops = copied
    if template_ops is not None and own_ops is not None:
        known = {_template_key(op) for op in own_ops}
        for op in template_ops:
            if _template_key(op) not in known:
                own_ops.append(deepcopy(op))
        merged.remove(template_ops)
    return merged


def _template_key(op: etree._Element) -> tuple[str, str]:
    role = op.get("role")
    if role is None or role.lower() in ("started", "unpromoted", "slave"):
        role = ""
    return op.get("name") or "", role


def _read_operations(cluster: Cluster, rsc: Resource) -> None:
    operations = rsc.xml.find("operations")
    reference = None if operations is None else operations.get("id-ref")
    if reference is not None:
        operations = cluster.ids.get(reference)
    if operations is not None:
        rsc.ops_xml = list(operations.iterchildren("op"))


def _read_meta(cluster: Cluster, rsc: Resource) -> None:
    """The element's own attributes, its meta-attributes, its parents', rsc_defaults, and what a parent's table adds."""
    get = rsc.xml.get
    meta = rsc.meta
    for name, value in rsc.xml.attrib.items():
        meta.setdefault(str(name), str(value))
    subject = Subject(agent=(get("class") or "", get("provider") or "", get("type") or ""))
    nvpairs(cluster, rsc.xml, "meta_attributes", subject, meta)
    inherited: dict[str, str] = {}
    ancestor = rsc.parent
    while ancestor is not None:
        nvpairs(cluster, ancestor.xml, "meta_attributes", subject, inherited)
        ancestor = ancestor.parent
    _inherit(meta, inherited)
    for section in cluster.rsc_defaults:
        nvpairs(cluster, section, "meta_attributes", subject, meta)
    if rsc.parent is not None:
        _inherit(meta, rsc.parent.meta)


def _inherit(meta: dict[str, str], inherited: dict[str, str]) -> None:
    for name, value in inherited.items():
        if value.lower() != "#default":
            meta.setdefault(name, value)


def _set_flags(cluster: Cluster, rsc: Resource) -> None:
    meta = rsc.meta
    rsc.managed = not cluster.in_maintenance
    rsc.critical = meta.get("critical") is None or is_true(meta.get("critical"))
    rsc.notify = is_true(meta.get("notify"))
    rsc.migratable = is_true(meta.get("allow-migrate"))
    managed = meta.get("is-managed")
    if managed is not None and managed.lower() != "default":
        rsc.managed = is_true(managed)
    if is_true(meta.get("maintenance")) or cluster.in_maintenance:
        rsc.managed = False
        rsc.maintenance = True


def _set_policies(cluster: Cluster, rsc: Resource) -> None:
    meta = rsc.meta
    value = meta.get("multiple-active")
    if value is not None and value.lower() not in _MULTIPLE:
        _odd(cluster, rsc, "multiple-active", value, "stop_start")
    rsc.multiple_active = _MULTIPLE.get((value or "").lower(), MultipleActive.STOP_START)
    rsc.priority = _score(cluster, rsc, "priority", 0)
    rsc.stickiness = _score(cluster, rsc, "resource-stickiness", 0)
    rsc.ban_after_failures = _score(cluster, rsc, "migration-threshold", 1_000_000)
    if rsc.ban_after_failures < 0:
        _odd(cluster, rsc, "migration-threshold", meta.get("migration-threshold") or "", "INFINITY")
        rsc.ban_after_failures = 1_000_000


def _score(cluster: Cluster, rsc: Resource, name: str, default: int) -> int:
    text = rsc.meta.get(name)
    if text is not None and text.lower() == "default":
        return default
    value = parse_score(text, default, cluster.health_scores)
    if value is None:
        _odd(cluster, rsc, name, text or "", str(default))
        return default
    return value


def _odd(cluster: Cluster, rsc: Resource, name: str, value: str, used: str) -> None:
    cluster.tell(warning("scheduler.meta", f"{name} of {rsc.id} is {used}", f"'{value}' is not a valid value", where=rsc.id))


def _set_requires(cluster: Cluster, rsc: Resource, value: str | None) -> None:
    lowered = (value or "").lower()
    if lowered == "unfencing":
        # Unfencing belongs to a later phase; what needs it needs fencing first, or at least quorum.
        lowered = "fencing" if cluster.fencing_enabled and not rsc.fence_device else "quorum"
    if lowered not in ("nothing", "quorum", "fencing"):
        if value is not None:
            _odd(cluster, rsc, "requires", value, "the default")
        if rsc.fence_device:
            lowered = "quorum"
        elif cluster.fencing_enabled:
            lowered = "fencing"
        else:
            lowered = "nothing" if cluster.policy == QuorumPolicy.IGNORE else "quorum"
    elif lowered == "fencing" and not cluster.fencing_enabled:
        cluster.tell(warning("scheduler.meta", f"{rsc.id} requires fencing, but fencing is disabled", where=rsc.id))
    rsc.needs_quorum = lowered == "quorum"
    rsc.needs_fencing = lowered == "fencing"


def target_role(cluster: Cluster, rsc: Resource) -> Role | None:
    """The role that target-role limits the resource to; None if it sets no limit."""
    value = rsc.meta.get("target-role")
    if value is None or value.lower() in ("started", "default"):
        return None
    role = parse_role(value)
    if role == Role.UNKNOWN:
        _odd(cluster, rsc, "target-role", value, "Started")
        return None
    if role > Role.STARTED:
        if not rsc.top().promotable:
            _odd(cluster, rsc, "target-role", value, "Started")
            return None
        if role > Role.UNPROMOTED:
            return None
    return role


def is_disabled(rsc: Resource) -> bool:
    """Whether target-role keeps a resource stopped (or a promotable one unpromoted)."""
    role = parse_role(rsc.meta.get("target-role"))
    return role == Role.STOPPED or (role == Role.UNPROMOTED and rsc.top().promotable)


def clone_number(rsc: Resource) -> int:
    """An instance's number, 0 for what is no instance."""
    return int_or(rsc.meta.get("clone"), 0)
