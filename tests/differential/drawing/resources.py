"""Primitives, groups, clones and promotable clones, with meta-attributes, operations, parameters, templates and tags."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree
from tests.differential.drawing.chance import Chance, add, pairs
from tests.differential.drawing.settings import draw_rule


@dataclass
class Leaf:
    """A primitive as the history needs to know it: the xml, its template's, and what contains it."""

    xml: etree._Element
    template: etree._Element | None = None
    containers: list[etree._Element] = field(default_factory=list)
    clone: etree._Element | None = None
    group: etree._Element | None = None
    unique: bool = False
    promotable: bool = False
    instances: int = 1

    @property
    def id(self) -> str:
        return self.xml.get("id", "")

    @property
    def agent(self) -> dict[str, str]:
        source = self.xml if self.template is None else self.template
        return {name: source.get(name, "") for name in ("class", "provider", "type") if source.get(name)}


@dataclass
class Drawn:
    """Every resource by kind; `tops` are what may be moved on their own."""

    leaves: list[Leaf] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    promotable: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def names(self, chance: Chance) -> list[str]:
        """What a constraint may name: mostly what stands on its own, now and then a member, a template or a tag."""
        members = [leaf.id for leaf in self.leaves if leaf.group is not None and leaf.clone is None]
        extra = members if chance.happens(0.25) else []
        return self.tops * 3 + extra + (self.templates + self.tags if chance.happens(0.3) else [])


def draw_resources(chance: Chance, configuration: etree._Element, node_count: int, fencing: bool) -> Drawn:
    """The resources section, and tags over it."""
    drawn = Drawn()
    section = add(configuration, "resources")
    if chance.on["templates"]:
        _draw_template(chance, section, drawn)
    if fencing and chance.happens(0.92):
        _draw_device(chance, section, drawn)
    for _ in range(chance.number(1, 5)):
        kind = chance.number(0, 9)
        if kind >= 7 and chance.on["groups"]:
            _draw_group(chance, section, drawn, None)
        elif kind >= 4 and (chance.on["clones"] or chance.on["promotable"]):
            _draw_clone(chance, section, drawn, node_count)
        else:
            leaf = _draw_primitive(chance, section, drawn)
            drawn.tops.append(leaf.id)
    if chance.on["tags"] and len(drawn.tops) > 1:
        tags = add(configuration, "tags")
        tag = add(tags, "tag", id="tagged")
        for name in chance.some(drawn.tops, 1, 3):
            add(tag, "obj_ref", id=name)
        drawn.tags.append("tagged")
    return drawn


def _draw_template(chance: Chance, section: etree._Element, drawn: Drawn) -> None:
    template = add(section, "template", id="pattern", class_="ocf", provider="pacemaker", type="Dummy")
    pairs(chance, template, "instance_attributes", {"state": "/run/pattern"} if chance.happens(0.5) else {})
    pairs(chance, template, "meta_attributes", _meta(chance) if chance.happens(0.4) else {})
    _draw_operations(chance, template, promotable=False, cloned=True)
    drawn.templates.append("pattern")


def _draw_device(chance: Chance, section: etree._Element, drawn: Drawn) -> None:
    for number in range(chance.number(1, 2)):
        device = add(section, "primitive", id=f"fence{number}", class_="stonith", type="fence_xvm")
        pairs(chance, device, "instance_attributes", {"pcmk_host_list": "node1"} if chance.happens(0.3) else {})
        pairs(chance, device, "meta_attributes", _meta(chance) if chance.happens(0.15) else {})
        if chance.happens(0.5):
            operations = add(device, "operations")
            add(operations, "op", id=f"fence{number}-monitor", name="monitor", interval="60s")
        drawn.leaves.append(Leaf(device))
        drawn.tops.append(device.get("id", ""))


def _meta(chance: Chance) -> dict[str, str]:
    """Meta-attributes that every kind of resource may have."""
    values: dict[str, str] = {}

    def maybe(feature: str, often: float, name: str, *allowed: str) -> None:
        if chance.may(feature, often):
            values[name] = chance.pick(allowed)

    maybe("target-role", 0.3, "target-role", "Started", "Stopped", "Started", "Slave", "Master", "Promoted", "Unpromoted")
    maybe("unmanaged", 0.25, "is-managed", "true", "false", "false")
    maybe("maintenance", 0.2, "maintenance", "true", "false")
    maybe("stickiness", 0.5, "resource-stickiness", "0", "1", "100", "100", "1000", "INFINITY", "-1")
    maybe("priority", 0.4, "priority", "0", "1", "5", "10", "-1")
    maybe("migration-threshold", 0.4, "migration-threshold", "0", "1", "2", "3", "INFINITY")
    maybe("failure-timeout", 0.5, "failure-timeout", "10s", "60s", "1h", "0")
    maybe("multiple-active", 0.4, "multiple-active", "stop_start", "stop_only", "block", "stop_unexpected")
    maybe("requires", 0.3, "requires", "nothing", "quorum", "fencing")
    maybe("critical", 0.4, "critical", "true", "false")
    maybe("allow-unhealthy", 0.5, "allow-unhealthy-nodes", "true", "false")
    maybe("migration", 0.6, "allow-migrate", "true", "true", "false")
    return values


def _draw_primitive(chance: Chance, parent: etree._Element, drawn: Drawn, cloned: bool = False, promotable: bool = False) -> Leaf:
    name = chance.new_id("rsc").replace("-", "")
    template: etree._Element | None = None
    if drawn.templates and not promotable and chance.happens(0.4):
        primitive = add(parent, "primitive", id=name, template="pattern")
        template = parent.getroottree().getroot().find("configuration/resources/template")
    elif not cloned and chance.may("other-classes", 0.4):
        primitive = add(parent, "primitive", id=name, class_=chance.pick(("lsb", "systemd", "service")), type="thing")
    else:
        kind = "Stateful" if promotable else "Dummy"
        primitive = add(parent, "primitive", id=name, class_="ocf", provider="pacemaker", type=kind)
    if chance.happens(0.4):
        block = pairs(chance, primitive, "instance_attributes", {"fake": chance.pick(("1", "a b", 'q"<&>'))})
        if block is not None and chance.may("ruled-parameters", 0.4):
            rule = draw_rule(chance, block, score=False)
            block.insert(0, rule)
    if chance.may("utilization", 0.7):
        pairs(chance, primitive, "utilization", {c: str(chance.number(0, 5)) for c in ("cpu", "memory") if chance.happens(0.6)})
    pairs(chance, primitive, "meta_attributes", _meta(chance) if chance.happens(0.7) else {})
    _draw_operations(chance, primitive, promotable, cloned)
    leaf = Leaf(primitive, template)
    drawn.leaves.append(leaf)
    return leaf


def _draw_group(chance: Chance, parent: etree._Element, drawn: Drawn, clone: etree._Element | None) -> etree._Element:
    group = add(parent, "group", id=chance.new_id("grp").replace("-", ""))
    pairs(chance, group, "meta_attributes", _meta(chance) if chance.happens(0.4) else {})
    promotable = clone is not None and clone.get("marked") == "promotable"
    for _ in range(chance.number(1, 3)):
        leaf = _draw_primitive(chance, group, drawn, cloned=clone is not None, promotable=promotable)
        leaf.group = group
    if clone is None:
        drawn.tops.append(group.get("id", ""))
    return group


def _draw_clone(chance: Chance, section: etree._Element, drawn: Drawn, node_count: int) -> None:
    promotable = chance.on["promotable"] and (not chance.on["clones"] or chance.happens(0.5))
    clone = add(section, "clone", id=chance.new_id("clone").replace("-", ""))
    if promotable:
        clone.set("marked", "promotable")
    values = _meta(chance) if chance.happens(0.4) else {}
    values |= {"promotable": "true"} if promotable else {}
    unique = chance.may("unique", 0.5)
    if unique:
        values["globally-unique"] = "true"
    count = node_count
    if chance.may("clone-limits", 0.6):
        count = chance.number(1, node_count + 1)
        values["clone-max"] = str(count)
    # 3.x makes a clone with clone-node-max above 1 unique; 2.1.5 does so only when told
    if unique and chance.happens(0.5):
        values["clone-node-max"] = "2"
    if promotable and chance.may("clone-limits", 0.4):
        values[chance.pick(("promoted-max", "master-max"))] = chance.pick(("1", "2", "0"))
    if promotable and unique and chance.may("clone-limits", 0.3):
        values["promoted-node-max"] = "2"
    for feature, name in (("interleave", "interleave"), ("notify", "notify"), ("ordered-clones", "ordered")):
        if chance.may(feature, 0.7):
            values[name] = chance.pick(("true", "true", "false"))
    if chance.may("clone-limits", 0.2):
        values["clone-min"] = chance.pick(("1", "2"))
    pairs(chance, clone, "meta_attributes", values)
    before = len(drawn.leaves)
    if chance.may("cloned-groups", 0.5):
        _draw_group(chance, clone, drawn, clone)
    else:
        _draw_primitive(chance, clone, drawn, cloned=True, promotable=promotable)
    for leaf in drawn.leaves[before:]:
        leaf.clone, leaf.unique, leaf.promotable, leaf.instances = clone, unique, promotable, count
    clone.attrib.pop("marked", None)
    drawn.tops.append(clone.get("id", ""))
    if promotable:
        drawn.promotable.append(clone.get("id", ""))


ON_FAIL = ("ignore", "block", "stop", "restart", "standby", "demote", "fence")


def _draw_operations(chance: Chance, owner: etree._Element, promotable: bool, cloned: bool) -> None:
    operations = etree.Element("operations")

    def op(name: str, interval: str, role: str | None = None) -> None:
        element = add(operations, "op", id=f"{owner.get('id')}-{name}-{interval}-{role or 'any'}", name=name, interval=interval)
        if role is not None:
            element.set("role", role)
        if chance.happens(0.3):
            element.set("timeout", chance.pick(("20s", "30s", "45")))
        if chance.may("on-fail", 0.4):
            allowed = [
                f for f in ON_FAIL if (f != "demote" or name in ("monitor", "promote")) and (f != "fence" or chance.on["fencing"])
            ]
            element.set("on-fail", chance.pick(allowed))
        if name == "monitor" and chance.may("disabled-operations", 0.3):
            element.set("enabled", chance.pick(("true", "false")))
        if chance.happens(0.05):
            pairs(chance, element, "meta_attributes", {"timeout": "77s"})
        if name == "monitor" and chance.happens(0.1):
            pairs(chance, element, "instance_attributes", {"OCF_CHECK_LEVEL": "10"})

    if chance.happens(0.8):
        op("monitor", "10s", chance.pick(("Slave", "Unpromoted")) if promotable and chance.happens(0.5) else None)
    if promotable and chance.happens(0.5):
        op("monitor", "11s", chance.pick(("Master", "Promoted")))
    if not cloned and chance.may("role-monitors", 0.5):
        op("monitor", "20s", "Stopped")
    if chance.happens(0.15):
        op("monitor", "0")
    for name in ("start", "stop", *(("promote", "demote") if promotable else ())):
        if chance.happens(0.25):
            op(name, chance.pick(("0", "0s")))
    if chance.may("migration", 0.15):
        op("migrate_to", "0")
    if len(operations):
        owner.append(operations)
