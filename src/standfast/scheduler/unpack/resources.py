"""Resources of the configuration: templates expanded, meta-attributes with defaults, flags and policies."""

from __future__ import annotations

from copy import deepcopy
from operator import attrgetter
from typing import TYPE_CHECKING

from standfast.base.report import error, warning
from standfast.scheduler.actions.meta import rsc_params
from standfast.scheduler.memory import CloneData, Cluster, MultipleActive, QuorumPolicy, Resource, Variant, walk
from standfast.scheduler.placement.ledger import add_location, allow_everywhere
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.rules import Subject, find_element, nvpairs, resolve
from standfast.scheduler.unpack.remotes import is_connection, leave_alone, link_connection, link_launcher, unpack_remote_nodes
from standfast.scheduler.values import BAD_VALUE, Role, int_or, interval_ms, is_true, parse_bool, parse_role

if TYPE_CHECKING:
    from lxml import etree

VARIANTS = {
    "primitive": Variant.PRIMITIVE,
    "group": Variant.GROUP,
    "clone": Variant.CLONE,
    "master": Variant.CLONE,
    "bundle": Variant.BUNDLE,
}
MAX_INSTANCES = 1000
_MULTIPLE = {
    "stop_start": MultipleActive.STOP_START,
    "stop_only": MultipleActive.STOP_ONLY,
    "block": MultipleActive.BLOCK,
    "stop_unexpected": MultipleActive.STOP_UNEXPECTED,
}


def unpack_resources(cluster: Cluster) -> None:
    """Every resource of the configuration, in order of priority (stable)."""
    section = cluster.root.find("configuration/resources")
    implied = unpack_remote_nodes(cluster, section)
    for element in (*(() if section is None else section.iterchildren()), *implied):
        if not isinstance(element.tag, str):
            continue
        if (resting := cluster.asleep.resources.get(element)) is not None:
            _let_rest(cluster, resting)
            continue
        cluster.watch.about = element
        rsc_id = element.get("id")
        if not rsc_id:
            cluster.tell(error("scheduler.resource", f"Ignoring <{element.tag}> resource without ID"))
        elif element.tag == "template":
            cluster.templates.setdefault(rsc_id, [])
        else:
            rsc = unpack_resource(cluster, element, None)
            if rsc is not None:
                cluster.resources.append(rsc)
                if element in cluster.watch.restless:
                    cluster.watch.restless.add(rsc)
            else:
                what = f"Ignoring <{element.tag}> resource '{rsc_id}' because configuration is invalid"
                cluster.tell(error("scheduler.resource", what, where=rsc_id))
    for rsc in cluster.each(cluster.awake()):
        link_launcher(cluster, rsc)
        link_connection(cluster, rsc)
    cluster.resources.sort(key=attrgetter("priority"), reverse=True)
    if cluster.fencing_enabled and not cluster.have_fencing:
        cluster.tell(
            error(
                "scheduler.no-fencing",
                "Resource start-up disabled since no fencing resources have been defined. Either configure some or "
                "disable fencing with the fencing-enabled option. NOTE: Clusters with shared data need fencing to ensure "
                "data integrity.",
                remedy="crm configure primitive ... stonith:..., or disable fencing: property stonith-enabled=false",
            )
        )


def _let_rest(cluster: Cluster, resting: Resource) -> None:
    """A resource at rest keeps its place in the order, and its ids."""
    cluster.resources.append(resting)
    for name in () if resting.rest is None else resting.rest.names:
        cluster.by_id.setdefault(name, resting)


def unpack_resource(
    cluster: Cluster, element: etree._Element, parent: Resource | None, number: str | None = None, removed: bool = False
) -> Resource | None:
    """One resource and its members; None (and a report) if it can't be used. `number` is an instance's number in its clone;
    a `removed` one stands for a history whose id something of another kind may have by now."""
    xml_id = element.get("id")
    rsc_id = f"{xml_id}:{number}" if xml_id and number is not None else xml_id
    xml = _expand_template(cluster, element)
    variant = VARIANTS.get(str(element.tag))
    if not rsc_id or variant is None or xml is None or (rsc_id in cluster.by_id and not removed):
        _tell_unusable(cluster, element, rsc_id or "", is_known=variant is not None or xml is None)
        return None
    rsc = Resource(rsc_id, variant, xml, parent)
    if number is not None:
        rsc.meta["clone"] = number
    if element.tag == "master":
        rsc.meta["promotable"] = "true"
    _read_operations(cluster, rsc)
    _read_meta(cluster, rsc)
    _set_flags(cluster, rsc)
    if not cluster.connects and (rsc.variant == Variant.BUNDLE or (rsc.connection and rsc.managed)):
        leave_alone(cluster, rsc)
    _set_policies(cluster, rsc)
    if rsc.meta.get("class", "").lower() == "stonith":
        cluster.have_fencing = True
        rsc.fence_device = True
    _set_requires(cluster, rsc, rsc.meta.get("requires"))
    rsc.failure_timeout_ms = interval_ms(rsc.meta.get("failure-timeout"))
    if rsc.connection:
        _read_reconnect(cluster, rsc)
    role = target_role(cluster, rsc)
    if role is not None:
        rsc.next_role = role
    if not _read_variant(cluster, rsc, number):
        return None
    cluster.by_id.setdefault(rsc.id, rsc)
    nvpairs(cluster, xml, "utilization", Subject(), rsc.utilization)
    if cluster.symmetric:
        allow_everywhere(cluster, rsc)
    elif rsc.connection and "container" in rsc.meta:
        add_location(cluster, rsc, None, 0, "remote_connection_default")
    if xml is not element:
        refs = cluster.templates.setdefault(element.get("template") or "", [])
        if xml_id and xml_id not in refs:
            refs.append(xml_id)
    return rsc


def _tell_unusable(cluster: Cluster, element: etree._Element, rsc_id: str, *, is_known: bool) -> None:
    """Why a resource can't be used (a template that is missing was told of already)."""
    where = element.get("id") or ""
    if not is_known:
        cluster.tell(error("scheduler.resource", f"Ignoring resource '{rsc_id}' of unknown type '{element.tag!s}'", where=where))
    elif rsc_id in cluster.by_id:
        cluster.tell(error("scheduler.resource", f"More than one resource has the ID '{rsc_id}'", where=where))


def _read_variant(cluster: Cluster, rsc: Resource, number: str | None) -> bool:
    """What only this kind of resource has; False if it can't be used."""
    if rsc.variant == Variant.GROUP:
        return _read_members(cluster, rsc, number)
    if rsc.variant == Variant.CLONE:
        return (rsc.parent is None or rsc.parent.variant == Variant.BUNDLE) and unpack_clone(cluster, rsc)
    if rsc.variant == Variant.BUNDLE:
        from standfast.scheduler.unpack.bundles import unpack_bundle

        return rsc.parent is None and unpack_bundle(cluster, rsc)
    standard = rsc.meta.get("class", "").lower()
    top = rsc.top()
    if top.clone is not None and rsc.unique and standard not in ("ocf", "stonith"):
        force_anonymous(cluster, top, rsc)
    if top.promotable and standard != "ocf":
        what = f"Resource {rsc.id} is of type {standard} and therefore cannot be used as a promotable clone resource"
        cluster.tell(error("scheduler.resource", what, where=rsc.id))
        return False
    return True


def unpack_clone(cluster: Cluster, clone: Resource) -> bool:
    """A clone's numbers and its instances; False if it can't be used."""
    child = next((c for c in clone.xml if c.tag in ("primitive", "group")), None)
    if child is None:
        cluster.tell(error("scheduler.resource", f"{clone.id} has nothing to clone", where=clone.id))
        return False
    meta = clone.meta

    def number(default: int, *names: str) -> int:
        value = next((meta[name] for name in names if name in meta), None)
        return default if value is None else max(0, min(MAX_INSTANCES, int_or(value, 0)))

    data = CloneData(child, number(max(1, len(cluster.nodes)), "clone-max"), number(1, "clone-node-max"))
    if clone.promotable:
        data.promoted_max = number(1, "promoted-max", "master-max")
        data.promoted_node_max = number(1, "promoted-node-max", "master-node-max")
    data.ordered = is_true(meta.get("ordered"))
    if not clone.unique and data.node_max > 1:
        why = "because anonymous clones support only one instance per node"
        what = f"Ignoring clone-node-max of {data.node_max} for {clone.id} {why}"
        cluster.tell(error("scheduler.clone", what, where=clone.id))
        data.node_max = 1
    clone.clone = data
    meta.setdefault("resource-stickiness", "1")
    meta["globally-unique"] = "true" if clone.unique else "false"
    # The first instance may show that there can be no more than one a node, and lower the number.
    while data.total < max(1, data.max):
        if create_instance(cluster, clone) is None:
            return False
    return True


def create_instance(cluster: Cluster, clone: Resource) -> Resource | None:
    """One more instance; beyond clone-max it only stands for what history knows."""
    data = clone.clone
    assert data is not None
    removed = data.total >= data.max
    instance = unpack_resource(cluster, data.child, clone, number=str(data.total))
    if instance is None:
        return None
    data.total += 1
    clone.children.append(instance)
    if removed:
        for one in (instance, *instance.children):
            one.removed = True
    instance.meta["clone-max"] = str(data.max)
    return instance


def force_anonymous(cluster: Cluster, clone: Resource, instance: Resource) -> None:
    """Agents of some classes can't tell instances apart: their clones are anonymous."""
    data = clone.clone
    assert data is not None
    what = (
        f"Ignoring globally-unique for {clone.id} because {instance.meta.get('class', '')} resources such as {instance.id} "
        "can be used only as anonymous clones"
    )
    cluster.tell(warning("scheduler.clone", what, where=clone.id))
    data.node_max = 1
    data.max = min(data.max, len(cluster.nodes))
    for rsc in (*walk([clone]), instance):
        rsc.unique = False
        rsc.meta["globally-unique"] = "false"


def _read_members(cluster: Cluster, group: Resource, number: str | None) -> bool:
    group.ordered = parse_bool(group.meta.get("ordered")) is not False
    group.colocated = parse_bool(group.meta.get("collocated")) is not False
    for name, is_set in (("ordered", group.ordered), ("collocated", group.colocated)):
        if not is_set:
            what = f"Support for the '{name}' group meta-attribute is deprecated and will be removed in a future release"
            cluster.tell_once(
                f"group {name}", warning("scheduler.deprecated", f"{what} (use a resource set instead)", where=group.id)
            )
    for element in group.xml.iterchildren("primitive"):
        member = unpack_resource(cluster, element, group, number)
        if member is not None:
            group.children.append(member)
    if not group.children:
        cluster.tell(error("scheduler.resource", f"Group {group.id} has no members", where=group.id))
    return bool(group.children)


def _expand_template(cluster: Cluster, element: etree._Element) -> etree._Element | None:
    """`element`, or a copy of its template with everything of `element` added; operations merge by name and role."""
    reference = element.get("template")
    if reference is None:
        return element
    template = find_element(cluster, reference)
    if template is None or template.tag != "template" or reference == element.get("id"):
        own = element.get("id") or ""
        what = (
            f"The resource object '{own}' should not reference itself" if reference == own else f"No template named '{reference}'"
        )
        cluster.tell(error("scheduler.template", what, where=own))
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
    if operations is not None:
        operations = resolve(cluster, operations)
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
    rsc.connection = is_connection(rsc.xml)
    rsc.migratable = is_true(meta.get("allow-migrate"))
    if rsc.connection and "container" not in meta and "allow-migrate" not in meta:
        rsc.migratable = True
    managed = meta.get("is-managed")
    if managed is not None and managed.lower() == "default":
        _tell_default(cluster, rsc, "is-managed")
    elif managed is not None:
        rsc.managed = is_true(managed)
    if is_true(meta.get("maintenance")) or cluster.in_maintenance:
        rsc.managed = False
        rsc.maintenance = True
    if rsc.top().variant == Variant.CLONE:
        unique = meta.get("globally-unique")
        rsc.unique = is_true(unique) if unique is not None else int_or(meta.get("clone-node-max"), 1) > 1
        rsc.promotable = is_true(meta.get("promotable"))


def _read_reconnect(cluster: Cluster, rsc: Resource) -> None:
    """reconnect_interval of a remote node's connection: it stays stopped after a failure until this failure expires."""
    interval = rsc_params(cluster, rsc, None).get("reconnect_interval")
    if "container" not in rsc.meta and interval is not None:
        rsc.reconnect_ms = interval_ms(interval)
        rsc.failure_timeout_ms = rsc.reconnect_ms


def _set_policies(cluster: Cluster, rsc: Resource) -> None:
    meta = rsc.meta
    value = meta.get("multiple-active")
    if value is not None and value.lower() not in _MULTIPLE:
        what = f'{value} is not a valid value for multiple-active, using default of "stop_start"'
        cluster.tell(warning("scheduler.meta", what, where=rsc.id))
    rsc.multiple_active = _MULTIPLE.get((value or "").lower(), MultipleActive.STOP_START)
    rsc.priority = _score(cluster, rsc, "priority", 0)
    rsc.stickiness = _score(cluster, rsc, "resource-stickiness", 0)
    rsc.ban_after_failures = _score(cluster, rsc, "migration-threshold", 1_000_000)
    if rsc.ban_after_failures < 0:
        _odd(cluster, rsc, "migration-threshold", meta.get("migration-threshold") or "", "OK")
        rsc.ban_after_failures = 1_000_000


def _score(cluster: Cluster, rsc: Resource, name: str, default: int) -> int:
    text = rsc.meta.get(name)
    if text is not None and text.lower() == "default" and name != "priority":
        _tell_default(cluster, rsc, name)
        return default
    value = parse_score(text, default, cluster.health_scores)
    if value is None:
        _odd(cluster, rsc, name, text or "", BAD_VALUE)
        return default
    return value


def _odd(cluster: Cluster, rsc: Resource, name: str, value: str, fault: str) -> None:
    used, kind = ("INFINITY", "meta-attribute ") if name == "migration-threshold" else ("0", "")
    what = f"Using default ({used}) for resource {rsc.id} {kind}{name} because '{value}' is not a valid value: {fault}"
    cluster.tell(warning("scheduler.meta", what, where=rsc.id))


def _tell_default(cluster: Cluster, rsc: Resource, name: str) -> None:
    what = f"Support for setting {name} to the explicit value 'default' is deprecated and will be removed in a future release"
    cluster.tell(warning("scheduler.deprecated", f"{what} (just leave it unset)", where=rsc.id))


def _set_requires(cluster: Cluster, rsc: Resource, value: str | None) -> None:
    needs = (value or "").lower()
    if needs not in ("nothing", "quorum", "fencing", "unfencing"):
        needs = _default_requires(cluster, rsc)
        if value is not None:
            what = f"Resetting 'requires' for {rsc.id} to '{needs}' because '{value}' is not valid"
            cluster.tell(error("scheduler.meta", what, where=rsc.id))
    elif needs == "fencing" and not cluster.fencing_enabled:
        cluster.tell(warning("scheduler.meta", f"{rsc.id} requires fencing but fencing is disabled", where=rsc.id))
    if needs == "unfencing" and (rsc.fence_device or not cluster.fencing_enabled):
        why = "fencing devices cannot require unfencing" if rsc.fence_device else "fencing is disabled"
        cluster.tell(warning("scheduler.meta", f'Resetting "requires" for {rsc.id} to "quorum" because {why}', where=rsc.id))
        needs = "quorum"
    rsc.needs_quorum = needs == "quorum"
    rsc.needs_fencing = needs in ("fencing", "unfencing")
    rsc.needs_unfencing = needs == "unfencing"


def _default_requires(cluster: Cluster, rsc: Resource) -> str:
    if rsc.fence_device or rsc.connection:
        return "quorum"
    if cluster.unfencing:
        return "unfencing"
    if cluster.fencing_enabled:
        return "fencing"
    return "nothing" if cluster.policy == QuorumPolicy.IGNORE else "quorum"


def target_role(cluster: Cluster, rsc: Resource) -> Role | None:
    """The role that target-role limits the resource to; None if it sets no limit."""
    value = rsc.meta.get("target-role")
    if value is None or value.lower() == "started":
        return None
    if value.lower() == "default":
        _tell_default(cluster, rsc, "target-role")
        return None
    role = parse_role(value)
    if role == Role.UNKNOWN:
        what = f"Ignoring 'target-role' for {rsc.id} because '{value}' is not valid"
        cluster.tell(error("scheduler.meta", what, where=rsc.id))
        return None
    if role > Role.STARTED:
        if not rsc.top().promotable:
            what = f"Ignoring 'target-role' for {rsc.id} because '{value}' only makes sense for promotable clones"
            cluster.tell(error("scheduler.meta", what, where=rsc.id))
            return None
        if role > Role.UNPROMOTED:
            return None
    return role


def is_disabled(rsc: Resource) -> bool:
    """Whether target-role keeps a resource stopped (or a promotable one unpromoted)."""
    role = parse_role(rsc.meta.get("target-role"))
    return role == Role.STOPPED or (role == Role.UNPROMOTED and rsc.top().promotable)
