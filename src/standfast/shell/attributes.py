"""Attributes of resources and nodes in a Configuration: set, delete, show, and where `start`, `stop`, `manage` put theirs.

Pure. Functions that change take a Configuration that they may change (a copy of the caller's). Ids are those that Pacemaker's own
tools make: `vip-meta_attributes-target-role`, `nodes-1-standby`.
"""

from __future__ import annotations

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.compat.crm.document import Configuration, top_of
from standfast.compat.crm.ids import used_ids
from standfast.shell.cluster import no_such_node, no_such_resource


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of attribute: the tag of its set, and what the set's id ends with."""

    tag: str
    suffix: str


META = Place("meta_attributes", "meta_attributes")
PARAM = Place("instance_attributes", "instance_attributes")
UTILIZATION = Place("utilization", "utilization")

OPPOSITES = {"maintenance": "is-managed", "is-managed": "maintenance"}


def resource(configuration: Configuration, name: str) -> etree._Element:
    """The resource of that name. Raises Refused (105)."""
    found = configuration.find_resource(name)
    if found is None:
        raise no_such_resource(name)
    return found


def node(configuration: Configuration, name: str) -> etree._Element:
    """The node of that name or id. Raises Refused (105)."""
    found = configuration.find_node(name)
    if found is None:
        raise no_such_node(name)
    return found.element


def get(element: etree._Element, place: Place, name: str) -> str | None:
    """The value of an attribute, the first one found."""
    for pair in element.iterfind(f"{place.tag}/nvpair"):
        if pair.get("name") == name:
            return pair.get("value") or ""
    return None


def put(configuration: Configuration, element: etree._Element, place: Place, name: str, value: str) -> etree._Element:
    """Set an attribute where it is set already (everywhere), else in the first set without a rule, made if need be."""
    pairs = [pair for pair in element.iterfind(f"{place.tag}/nvpair") if pair.get("name") == name]
    for pair in pairs:
        pair.set("value", value)
    if pairs:
        return pairs[0]
    plain = [found for found in element.iterchildren(place.tag) if found.find("rule") is None and found.get("id-ref") is None]
    holder = plain[0] if plain else _new_set(configuration, element, place)
    pair = etree.SubElement(holder, "nvpair")
    pair.set("id", _free_id(configuration, f"{holder.get('id')}-{name}"))
    pair.set("name", name)
    pair.set("value", value)
    return pair


def remove(element: etree._Element, place: Place, name: str) -> etree._Element | None:
    """Delete an attribute, and the sets that are empty then; gives what was deleted."""
    gone: etree._Element | None = None
    for holder in list(element.iterchildren(place.tag)):
        for pair in list(holder.iterchildren("nvpair")):
            if pair.get("name") == name:
                holder.remove(pair)
                gone = pair
        if gone is not None and not len(holder) and holder.get("id-ref") is None:
            element.remove(holder)
    return gone


def put_meta_deep(configuration: Configuration, name: str, attribute: str, value: str) -> list[str]:
    """Set a meta attribute as `crm resource start` does: a member of a group has its own, otherwise the outermost container
    gets it (what is cloned is started and stopped by its clone), and what stood inside a clone is taken away.

    A tag stands for what it names. Gives notes: members that keep a value of their own.
    """
    item = configuration.find(name)
    if item is not None and item.keyword == "tag":
        notes: list[str] = []
        for reference in item.element.iterchildren("obj_ref"):
            notes += put_meta_deep(configuration, reference.get("id") or "", attribute, value)
        return notes
    element = resource(configuration, name)
    parent = element.getparent()
    if not (element.tag == "primitive" and parent is not None and parent.tag == "group"):
        element = top_of(element)
    if element.tag in ("clone", "master"):
        for child in element.iterchildren("primitive", "group"):
            remove(child, META, attribute)
    put(configuration, element, META, attribute, value)
    opposite = OPPOSITES.get(attribute, "")
    notes = []
    for child in element.iter("primitive"):
        if child is element:
            continue
        own = get(child, META, attribute)
        if own is not None and own != value:
            notes.append(f"{child.get('id')} inside {element.get('id')} keeps its own {attribute}={own}")
    if opposite and get(element, META, opposite) is not None:
        shown = f"{opposite}={get(element, META, opposite)}"
        notes.append(f"{element.get('id')} also has {shown}, which {attribute}={value} works together with")
    return notes


def put_node(configuration: Configuration, name: str, attribute: str, value: str, place: Place = PARAM) -> etree._Element:
    """Set a permanent attribute of a node, in the set that crm_attribute would use."""
    element = node(configuration, name)
    if element.find(place.tag) is None:
        holder = etree.SubElement(element, place.tag)
        suffix = "" if place is PARAM else f"-{place.suffix}"
        holder.set("id", _free_id(configuration, f"nodes-{element.get('id')}{suffix}"))
    return put(configuration, element, place, attribute, value)


def _new_set(configuration: Configuration, element: etree._Element, place: Place) -> etree._Element:
    holder = etree.Element(place.tag)
    holder.set("id", _free_id(configuration, f"{element.get('id')}-{place.suffix}"))
    first = next((child for child in element if child.tag in ("primitive", "group")), None)
    if first is not None:
        first.addprevious(holder)  # attributes come before members
    else:
        element.append(holder)
    return holder


def _free_id(configuration: Configuration, wanted: str) -> str:
    used = used_ids(configuration.root)
    if wanted not in used:
        return wanted
    number = next(n for n in range(len(used) + 1) if f"{wanted}-{n}" not in used)
    return f"{wanted}-{number}"


def missing(kind: str, name: str, owner: str) -> Refused:
    """The refusal of an attribute that is not there, in crm_resource's words."""
    return Refused(error("shell.no-attribute", f"Attribute '{name}' not found for '{owner}'", "", f"crm {kind}"), exit_code=105)
