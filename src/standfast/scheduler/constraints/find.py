"""What ids in constraints mean: resources, or tags and templates that stand for several."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from standfast.base.report import error, warning
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


def complain(cluster: Cluster, constraint: etree._Element, what: str) -> None:
    """Report what is wrong with a constraint, or with a part of it that has an id."""
    cluster.tell(error("scheduler.constraint", what, where=constraint.get("id") or ""))


def remark(cluster: Cluster, constraint: etree._Element, what: str) -> None:
    """The same, where the constraint is used all the same."""
    cluster.tell(warning("scheduler.constraint", what, where=constraint.get("id") or ""))


def ignored(cluster: Cluster, constraint: etree._Element, why: str) -> None:
    """Report a constraint that is ignored: `why` goes on after "because"."""
    complain(cluster, constraint, f"Ignoring constraint '{constraint.get('id', '')}' because {why}")


def missing(cluster: Cluster, constraint: etree._Element, name: str) -> None:
    """Report a constraint on a resource that there is not."""
    ignored(cluster, constraint, f"resource '{name}' does not exist")


def expand_sets(cluster: Cluster, constraint: etree._Element) -> etree._Element | None:
    """The constraint, copied with the tags in its resource sets replaced by what they name if there are any; None if a
    reference means nothing."""
    changed: etree._Element | None = None
    for index, resource_set in enumerate(constraint.iterchildren("resource_set")):
        names = [ref.get("id") or "" for ref in resource_set.iterchildren("resource_ref")]
        seen: set[str] = set()
        while names:
            # What a tag stands for may be a tag again.
            ref_id = names.pop(0)
            if ref_id in seen or find_resource(cluster, ref_id) is not None:
                continue
            seen.add(ref_id)
            meant = references(cluster, ref_id)
            names = [*(meant or ()), *names]
            if meant is None:
                _unknown(cluster, constraint, ref_id)
                name = constraint.get("id", "")
                what = f"Ignoring resource sets for constraint '{name}' because '{ref_id}' is not a valid resource or tag"
                complain(cluster, constraint, what)
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
    _unknown(cluster, constraint, name)
    ignored(cluster, constraint, f"'{name}' is not a valid resource or tag")
    return False


def _unknown(cluster: Cluster, constraint: etree._Element, name: str) -> None:
    """A name that nothing has; a template or tag that stands for nothing is worth no word of its own."""
    if name not in cluster.templates and not cluster.tags.get(name):
        remark(cluster, constraint, f"No resource, template, or tag named '{name}'")
