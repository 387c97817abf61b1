"""Nodes of the configuration, their attributes, and the tags of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.base.report import error, warning
from standfast.scheduler.memory import Cluster, Node
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.rules import Subject, nvpairs
from standfast.scheduler.values import BAD_VALUE, name_key

if TYPE_CHECKING:
    from lxml import etree


def unpack_nodes(cluster: Cluster) -> None:
    """Every `node` of the configuration; until its state says otherwise it is offline, and unclean if never seen."""
    section = cluster.root.find("configuration/nodes")
    for element in () if section is None else section.iterchildren("node"):
        node_id = element.get("id")
        if node_id is None:
            cluster.tell(error("scheduler.node", "Ignoring <node> entry in configuration without id"))
            continue
        if (element.get("type") or "member").lower() not in ("member", "remote"):
            what = f"Ignoring node {element.get('uname') or node_id} with unrecognized type '{element.get('type')}'"
            cluster.tell(error("scheduler.node", what, where=node_id))
            continue
        node = add_node(cluster, node_id, element.get("uname") or node_id, (element.get("type") or "member").lower())
        score = parse_score(element.get("score"))
        if score is None:
            what = f"Using 0 as score for node {node.name} because '{element.get('score')}' is not a valid score: {BAD_VALUE}"
            cluster.tell(warning("scheduler.node", what, where=node_id))
        node.score = score or 0
        # A remote node is known by its connection; fencing one that was never connected would hit the wrong host.
        node.unclean = cluster.startup_fencing and node.kind == "member"
        read_attributes(cluster, element, node, overwrite=False)


def add_node(cluster: Cluster, node_id: str, name: str, kind: str) -> Node:
    """A new node, in the order of names."""
    if name.lower() in cluster.nodes_by_name:
        cluster.tell(warning("scheduler.node", f"More than one node entry has name '{name}'", where=node_id))
    node = Node(name, node_id, kind)
    node.attrs["#kind"] = "remote" if kind == "remote" else "cluster"
    key = name_key(name)
    place = len(cluster.nodes)
    for index, other in enumerate(cluster.nodes):
        if name_key(other.name) > key:
            place = index
            break
    cluster.nodes.insert(place, node)
    cluster.nodes_by_id.setdefault(node_id.lower(), node)
    cluster.nodes_by_name.setdefault(name.lower(), node)
    return node


def read_attributes(cluster: Cluster, owner: etree._Element | None, node: Node, overwrite: bool) -> None:
    """Node attributes: the built-in ones, then those of `owner` (transient ones replace permanent ones)."""
    attrs = node.attrs
    attrs["#uname"], attrs["#id"] = node.name, node.id
    if cluster.dc is None and node.id.lower() == (cluster.root.get("dc-uuid") or "").lower():
        cluster.dc = node
        attrs["#is_dc"] = "true"
    elif node is not cluster.dc:
        attrs["#is_dc"] = "false"
    cluster_name = cluster.raw_options.get("cluster-name")
    if cluster_name:
        attrs["#cluster-name"] = cluster_name
    if overwrite:
        found: dict[str, str] = {}
        nvpairs(cluster, owner, "instance_attributes", Subject(), found)
        attrs.update(found)
    else:
        nvpairs(cluster, owner, "instance_attributes", Subject(), attrs)
    nvpairs(cluster, owner, "utilization", Subject(), node.utilization)
    if "#site-name" not in attrs:
        site = attrs.get("site-name") or cluster_name
        if site:
            attrs["#site-name"] = site


def unpack_tags(cluster: Cluster) -> None:
    """`tag` elements: the ids each one names, in order."""
    section = cluster.root.find("configuration/tags")
    for tag in () if section is None else section.iterchildren("tag"):
        tag_id = tag.get("id")
        if tag_id is None:
            cluster.tell(error("scheduler.tag", "Ignoring <tag> without id"))
            continue
        refs = cluster.tags.setdefault(tag_id, [])
        for ref in tag.iterchildren("obj_ref"):
            ref_id = ref.get("id")
            if ref_id is None:
                cluster.tell(error("scheduler.tag", f"Ignoring <obj_ref> for tag '{tag_id}' without id", where=tag_id))
            elif ref_id not in refs:
                refs.append(ref_id)
