"""What ids in constraints mean: resources, or tags and templates that stand for several."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from standfast.base.report import error
from standfast.scheduler.memory import Cluster, Resource, walk

if TYPE_CHECKING:
    from lxml import etree


def by_name(cluster: Cluster, rsc_id: str) -> Resource | None:
    """A resource by its id, or an instance by the id that its history gave it."""
    rsc = cluster.by_id.get(rsc_id)
    if rsc is None:
        rsc = cluster.by_history.get(rsc_id)
        if rsc is not None and rsc.history_id != rsc_id:
            rsc = next((one for one in walk(cluster.resources) if one.history_id == rsc_id), None)
    return rsc


def find_resource(cluster: Cluster, rsc_id: str | None) -> Resource | None:
    """The resource that a constraint names; an instance named by its history stands for its clone."""
    rsc = None if rsc_id is None else by_name(cluster, rsc_id)
    return rsc.top() if rsc is not None and rsc.id != rsc_id else rsc


def references(cluster: Cluster, tag_id: str) -> list[str] | None:
    """The ids that a template or tag stands for; None if there are none."""
    return cluster.templates.get(tag_id) or cluster.tags.get(tag_id) or None


def complain(cluster: Cluster, constraint: etree._Element, why: str) -> None:
    """Report a constraint that is ignored."""
    cluster.tell(error("scheduler.constraint", f"constraint '{constraint.get('id', '')}' is ignored", why))


def expand_sets(cluster: Cluster, constraint: etree._Element) -> etree._Element | None:
    """The constraint, copied with the tags in its resource sets replaced by what they name if there are any; None if a
    reference means nothing."""
    changed: etree._Element | None = None
    for index, resource_set in enumerate(constraint.iterchildren("resource_set")):
        for ref in resource_set.iterchildren("resource_ref"):
            ref_id = ref.get("id") or ""
            if find_resource(cluster, ref_id) is not None:
                continue
            if references(cluster, ref_id) is None:
                complain(cluster, constraint, f"'{ref_id}' is no resource or tag")
                return None
            if changed is None:
                changed = deepcopy(constraint)
        if changed is not None:
            _replace_tags(cluster, list(changed.iterchildren("resource_set"))[index])
    return constraint if changed is None else changed


def _replace_tags(cluster: Cluster, resource_set: etree._Element) -> None:
    for ref in list(resource_set.iterchildren("resource_ref")):
        names = None if find_resource(cluster, ref.get("id")) is not None else references(cluster, ref.get("id") or "")
        if names is None:
            continue
        place = resource_set.index(ref)
        for offset, name in enumerate(names):
            copied = deepcopy(ref)
            copied.set("id", name)
            resource_set.insert(place + 1 + offset, copied)
        resource_set.remove(ref)


def tag_to_set(cluster: Cluster, constraint: etree._Element, attribute: str, convert: bool) -> etree._Element | None:
    """Turn `attribute` of a copied constraint into a resource set, if it names a tag (or, with `convert`, a resource)."""
    from lxml import etree as tree

    name = constraint.get(attribute)
    if name is None:
        return None
    rsc = find_resource(cluster, name)
    names = None if rsc is not None else references(cluster, name)
    if names is None and (rsc is None or not convert):
        return None
    created = tree.SubElement(constraint, "resource_set", id=name)
    for one in names or [name]:
        tree.SubElement(created, "resource_ref", id=one)
    if names is not None:
        created.set("sequential", "false")
    del constraint.attrib[attribute]
    return created


def known(cluster: Cluster, constraint: etree._Element, name: str) -> bool:
    """Whether `name` is a resource, tag or template; reports it if not."""
    if find_resource(cluster, name) is not None or references(cluster, name) is not None:
        return True
    complain(cluster, constraint, f"'{name}' is no resource or tag")
    return False
