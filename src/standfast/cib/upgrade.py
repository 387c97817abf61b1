"""Old configurations made new, in memory: pacemaker-1.x -> 2.0 -> 3.x, as Pacemaker's own transformations do (xml/upgrade-*.xsl).

What changes its name keeps its id; what has to move to another place goes into a set that is there already, else into a new one
whose id starts with `_2TO3_`; what never had an effect, or has none any more, goes. A document is never said to keep to a schema
that it does not conform to.
"""

from __future__ import annotations

import copy
from typing import Final

from lxml import etree
from lxml.etree import _Element as Element

from standfast.base.report import Report, error
from standfast.cib.grammar import VERSIONS
from standfast.cib.schema import NO_SCHEMA, PREFIX, conforms, faults, label, version_named
from standfast.cib.shape import schema_of

USABLE_FROM: Final = "3.0"
"""The oldest schema that a cluster works with; what is older is upgraded first."""

MARK: Final = "_2TO3_"
_OPTION_NAMES: Final = {
    name: name.replace("_", "-")
    for name in (
        "cluster_recheck_interval", "dc_deadtime", "election_timeout", "no_quorum_policy", "remove_after_stop",
        "shutdown_escalation", "startup_fencing", "stonith_action", "stonith_enabled", "stop_orphan_actions",
        "stop_orphan_resources", "symmetric_cluster",
    )
} | {"transition_idle_timeout": "cluster-delay"}  # fmt: skip
_OPTIONS_GONE: Final = frozenset(
    {
        "default-migration-threshold", "default_migration_threshold", "expected-quorum-votes", "notification-agent",
        "notification-recipient",
    }
)  # fmt: skip
_STACKS_GONE: Final = frozenset({"heartbeat", "openais", "classic openais", "classic openais (with plugin)", "cman"})
_DEFAULTS: Final = {
    "default-action-timeout": ("op_defaults", "timeout"),
    "default-resource-stickiness": ("rsc_defaults", "resource-stickiness"),
    "is-managed-default": ("rsc_defaults", "is-managed"),
}
_FAILURE_STICKINESS: Final = "default-resource-failure-stickiness"
_OP_PROPERTIES: Final = ("interval-origin", "start-delay", "enabled", "on-fail", "record-pending", "role", "timeout")


def upgraded(root: Element, newest: str = VERSIONS[-2]) -> Element | Report:
    """The `cib` element as the newest schema up to `newest` has it that it conforms to; itself when there is nothing to do, and a
    Report when it cannot be made usable. `root` is not changed. A document that is of no known schema is given back as it is."""
    named = root.get("validate-with")
    version = schema_of(root) if named is None else version_named(named)
    if named == NO_SCHEMA or version is None or VERSIONS.index(version) >= VERSIONS.index(USABLE_FROM):
        return root
    new = copy.deepcopy(root)
    if version.startswith("1."):
        _permissions(new)
    _to_generation_3(new)
    for candidate in reversed(VERSIONS[VERSIONS.index(USABLE_FROM) : VERSIONS.index(newest) + 1]):
        new.set("validate-with", PREFIX + candidate)
        if conforms(new, candidate):
            return new
    worst = faults(new, newest, limit=1)[0]
    why = f"{label(worst.element)}: {worst.what}"
    what = f"Your current configuration {PREFIX}{version} could not validate with any schema in range"
    return error("cib.upgrade", f"{what} [{PREFIX}{USABLE_FROM}, {PREFIX}{newest}]", why, worst.remedy)


# ---- 1.x -> 2.0: access rules -------------------------------------------------------------------------------------------


def _permissions(root: Element) -> None:
    for role_ref in list(root.iterfind("configuration/acls//role_ref")):
        role_ref.tag = "role"
    for old in [e for e in root.iterfind("configuration/acls/*/*") if e.tag in {"read", "write", "deny"}]:
        old.attrib.update({"kind": str(old.tag)})
        old.tag = "acl_permission"
        for before, after in (("ref", "reference"), ("tag", "object-type")):
            value = old.attrib.pop(before, None)
            if value is not None and old.get("reference") is None:
                old.set(after, value)
        attribute = old.get("attribute")
        if attribute is not None and old.get("object-type") is None:
            del old.attrib["attribute"]
            if old.get("xpath") is not None:
                old.set("xpath", f"{old.get('xpath')}[@{attribute}]")
    for user in list(root.iterfind("configuration/acls/acl_user")):
        user.tag = "acl_target"
        rules = list(user.iterchildren("acl_permission"))
        if rules:
            own = f"auto-{user.get('id', '')}"
            etree.SubElement(user, "role", {"id": own})
            role = etree.Element("acl_role", {"id": own})
            role.extend(rules)
            user.addnext(role)


# ---- 2.x -> 3.0 -------------------------------------------------------------------------------------------------------


def _to_generation_3(root: Element) -> None:
    for pair in list(root.iterfind("configuration/crm_config/cluster_property_set/nvpair")):
        _option(root, pair)
    for node in root.iterfind("configuration/nodes/node[@type='normal']"):
        node.set("type", "member")
    for colocation in root.iterfind("configuration/constraints/rsc_colocation"):
        for gone in ("score-attribute", "score-attribute-mangle"):
            colocation.attrib.pop(gone, None)
    for resource in [e for e in root.iterfind("configuration/resources//*[@id]") if e.tag in {"primitive", "template"}]:
        for pair in list(resource.iterfind("instance_attributes/nvpair")):
            _parameter(pair)
        for pair in list(resource.iterfind("meta_attributes/nvpair")):
            _meta(pair)
        # What start requires counts before what promote does.
        for op in sorted(resource.iterfind("operations/op"), key=lambda op: op.get("name") == "promote"):
            _operation(resource, op)


def _option(root: Element, pair: Element) -> None:
    name, value = pair.get("name", ""), pair.get("value", "")
    dashed = name.replace("_", "-")
    if name in _OPTION_NAMES:
        pair.set("name", _OPTION_NAMES[name])
    elif name in _OPTIONS_GONE or (name == "cluster-infrastructure" and value in _STACKS_GONE):
        _drop(pair)
    elif dashed in _DEFAULTS:
        _move_to_defaults(root, pair, *_DEFAULTS[dashed])
    elif dashed == _FAILURE_STICKINESS:
        if value == "-INFINITY":
            pair.set("value", "1")
            _move_to_defaults(root, pair, "rsc_defaults", "migration-threshold")
        else:
            _drop(pair)


def _move_to_defaults(root: Element, pair: Element, section: str, name: str) -> None:
    """Into the section's first set without a rule, unless some set there has the name already."""
    configuration = root.find("configuration")
    assert configuration is not None
    place = configuration.find(section)
    if place is None:
        place = etree.SubElement(configuration, section)
    pair.set("name", name)
    _move(pair, place, f"{MARK}-{section.replace('_', '-')}")


def _move(pair: Element, place: Element, set_id: str) -> None:
    """Put a name and value into the meta-attributes of `place`, which win where they have the name."""
    sets = [
        block for block in place.iterchildren("meta_attributes") if block.get("id-ref") is None and block.find("rule") is None
    ]
    if any(
        other.get("name") == pair.get("name") for block in sets for other in block.iterchildren("nvpair") if other is not pair
    ):
        _drop(pair)
        return
    old = pair.getparent()
    target = sets[0] if sets else etree.SubElement(place, "meta_attributes", {"id": set_id})
    target.append(pair)
    if old is not None:
        _drop_empty(old)


def _parameter(pair: Element) -> None:
    name, value = pair.get("name", ""), pair.get("value", "")
    if name == "pcmk_arg_map":
        if value.startswith("port:") and "," not in value:
            pair.set("name", "pcmk_host_argument")
            pair.set("value", value.removeprefix("port:"))
        else:
            _drop(pair)
    elif name in {f"pcmk_{action}_cmd" for action in ("list", "monitor", "off", "on", "reboot", "status")}:
        pair.set("name", name.removesuffix("cmd") + "action")


def _meta(pair: Element) -> None:
    name, value = pair.get("name", ""), pair.get("value", "")
    if name in {"isolation", "isolation-host", "isolation-instance", "isolation-wrapper"}:
        # Wrappers went with bundles; what relied on one must not run without it.
        pair.set("name", "target-role")
        pair.set("value", "Stopped")
    elif name.replace("_", "-") == "resource-failure-stickiness":
        if value == "-INFINITY":
            pair.set("name", "migration-threshold")
            pair.set("value", "1")
        else:
            _drop(pair)


def _operation(resource: Element, op: Element) -> None:
    """`requires` is the resource's, and counted for start and promote only; properties of an operation are no parameters."""
    own = op.get("id", "")
    is_start = op.get("name") in {"start", "promote"}
    requires = op.attrib.pop("requires", None)
    if requires is not None and is_start:
        pair = etree.Element("nvpair", {"id": f"{MARK}{own}-meta-requires", "name": "requires", "value": requires})
        _move(pair, resource, f"{MARK}{resource.get('id', '')}-meta")
    for pair in list(op.iterfind("*/nvpair[@name='requires']")):
        block = pair.getparent()
        if is_start and block is not None:
            _move(pair, resource, f"{MARK}{block.get('id', '')}")
        else:
            _drop(pair)
    for pair in list(op.iterfind("instance_attributes/nvpair")):
        name = pair.get("name", "")
        if name in _OP_PROPERTIES:
            if op.get(name) is not None:
                _drop(pair)
            else:
                _move(pair, op, f"{MARK}{own}-meta")


def _drop(pair: Element) -> None:
    block = pair.getparent()
    if block is not None:
        block.remove(pair)
        _drop_empty(block)


def _drop_empty(block: Element) -> None:
    parent = block.getparent()
    if parent is None or block.find("nvpair") is not None or block.get("id-ref") is not None:
        return
    for reference in [
        e for e in block.getroottree().iterfind(f".//{block.tag!s}[@id-ref]") if e.get("id-ref") == block.get("id")
    ]:
        holder = reference.getparent()
        if holder is not None:
            holder.remove(reference)
    parent.remove(block)
