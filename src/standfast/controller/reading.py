"""What the controller reads in the CIB, by plain loops: options, nodes, history. Nothing here decides.

Expects a checked document (cib/shape.py); `root` is its `cib` element and is never changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element as Element

from standfast.base import boolean
from standfast.base.ids import NodeId
from standfast.cib import access

RESOURCES = ("primitive", "group", "clone", "master", "bundle", "template")


def option(root: Element, name: str, default: str) -> str:
    """A cluster option, as the sets of crm_config say it."""
    return access.attribute_value(root, "crm_config", name) or default


def nodes(root: Element) -> tuple[tuple[NodeId, str], ...]:
    """(id, name) of every cluster node in the configuration; remote and guest nodes have ids of another kind."""
    return tuple((NodeId(int(key)), name) for key, name in access.nodes(root).items() if key.isdigit())


def node_id(root: Element, name: str) -> str | None:
    """The id of a node, by its name: a cluster node's, or a remote node's, which is its name."""
    return next((key for key, uname in access.nodes(root).items() if name in (uname, key)), None)


def is_offline(root: Element, node: NodeId, *, member: bool) -> bool:
    """Whether the status section says already that the node takes no part, as a `member` of the view or not."""
    state = access.node_state(root, str(node))
    if state is None:
        return False
    return state.get("crmd") == "offline" and (state.get("in_ccm") == "true") == member


def expected(root: Element, node: NodeId) -> str:
    """What the status section expects a node to be: member | down, "" for one that was never seen."""
    state = access.node_state(root, str(node))
    return state.get("expected", "") if state is not None else ""


def is_true(root: Element, name: str, alias: str = "") -> bool:
    """Whether a cluster option is on; it is when nothing is said."""
    return boolean.is_true(option(root, name, option(root, alias, "true") if alias else "true"))


def fences_by_cloud(root: Element) -> bool:
    """Whether addresses wait until the cloud has cut a lost node off: then it is remembered that a node was lost."""
    return cloud_mode(root) == "fenced"


def cloud_mode(root: Element) -> str:
    """The mode of the cloud's side: pairs | exclusive | fenced; "" where there is no cloud."""
    return option(root, "openstack-mode", "pairs") if option(root, "openstack-cloud", "") else ""


def transient_attribute(root: Element, node: NodeId, name: str) -> str | None:
    """A transient attribute of a node."""
    state = access.node_state(root, str(node))
    if state is None:
        return None
    for pair in state.iterfind("transient_attributes/instance_attributes/nvpair"):
        if pair.get("name") == name:
            return pair.get("value")
    return None


def resource_ids(root: Element) -> frozenset[str]:
    """The ids of all resources in the configuration."""
    section = root.find("configuration/resources")
    return frozenset(e.get("id", "") for e in section.iter(*RESOURCES)) if section is not None else frozenset()


def histories(root: Element) -> Iterator[tuple[NodeId, str, bool]]:
    """(node, resource, whether there is a failure in it) for each history in the status section."""
    for state in root.iterfind("status/node_state"):
        if not state.get("id", "").isdigit():
            continue
        node = NodeId(int(state.get("id", "")))
        counted = [
            pair.get("name", "").removeprefix("fail-count-").partition("#")[0]
            for pair in state.iterfind("transient_attributes/instance_attributes/nvpair")
            if pair.get("name", "").startswith("fail-count-")
        ]
        for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
            name = resource.get("id", "")
            failed = any((entry.get("id") or "").endswith("_last_failure_0") for entry in resource)
            yield node, name, failed or name in counted


def call_id_max(root: Element, node: NodeId) -> int:
    """The highest call-id in a node's history; 0 without one."""
    state = access.node_state(root, str(node))
    entries = state.iterfind("lrm/lrm_resources/lrm_resource/lrm_rsc_op") if state is not None else ()
    numbers = [entry.get("call-id", "0") for entry in entries]
    return max((int(number) for number in numbers if number.isdigit()), default=0)
