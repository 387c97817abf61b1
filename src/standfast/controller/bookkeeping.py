"""What the controller itself writes into the CIB: who is there, what ran, what failed. Pacemaker's elements, as operations.

Owns: the shape of node_state, lrm, transient_attributes and the cluster's own properties. Does not own: the record of a single
operation (executor/history.py), when any of it is written. Values come from us or from validated names; all are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from standfast.base.ids import NodeId
from standfast.cib.operations import Operation, OpKind
from standfast.executor.history import Entry

DC_VERSION = "2.1.5-standfast"
"""Shown by crm_mon as `version`; tools read the number before the dash to know which options they may use."""


def element(tag: str, content: str = "", /, **attributes: str | int) -> str:
    """`<tag name="value" ...>content</tag>`; an underscore in a name stands for a dash."""
    written = "".join(f" {name.replace('_', '-')}={quoteattr(str(value))}" for name, value in attributes.items())
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def node_state(node: NodeId, name: str, content: str = "", *, member: bool, manager: bool, expected: str = "") -> str:
    """A node_state: `member` of the view, with a `manager` that takes part."""
    attributes = {
        "id": str(node),
        "uname": name,
        "in_ccm": "true" if member else "false",
        "crmd": "online" if manager else "offline",
        "crm-debug-origin": "standfast",
        "join": "member" if manager else "down",
        "expected": expected or ("member" if manager else "down"),
    }
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<node_state{written}>{content}</node_state>" if content else f"<node_state{written}/>"


def announce(node: NodeId, name: str, resources: str, *, is_new_life: bool, forgets_failures: bool) -> tuple[Operation, ...]:
    """A node tells what it is and what it knows: its lrm becomes `resources` (lrm_resource elements), whatever was there before.

    A new life of the manager knows nothing and has no transient attributes; one that was cut off and comes back forgets the
    failures that it counted meanwhile.
    """
    where = f"/cib/status/node_state[@id='{node}']"
    drop = [f"{where}/lrm"]
    if is_new_life:
        drop.append(f"{where}/transient_attributes")
    elif forgets_failures:
        drop += [f"{where}//nvpair[starts-with(@name,'{prefix}-')]" for prefix in ("fail-count", "last-failure")]
    lrm = element("lrm", element("lrm_resources", resources) if resources else "<lrm_resources/>", id=node)
    return (
        Operation(OpKind.MODIFY, "nodes", xml=element("node", id=node, uname=name), allow_create=True),
        *(Operation(OpKind.DELETE, xpath=path, multiple=True) for path in drop),
        Operation(OpKind.MODIFY, "status", xml=node_state(node, name, lrm, member=True, manager=True), allow_create=True),
    )


def absent(node: NodeId, name: str, *, member: bool, expected: str = "down") -> tuple[Operation, ...]:
    """A node that is not there (or, as `member`, whose manager is not): offline, and its transient attributes are gone. It is
    unclean, and to be fenced, unless it was `expected` to go down."""
    where = f"/cib/status/node_state[@id='{node}']/transient_attributes"
    state = node_state(node, name, member=member, manager=False, expected=expected)
    return (
        Operation(OpKind.MODIFY, "status", xml=state, allow_create=True),
        Operation(OpKind.DELETE, xpath=where, multiple=True),
    )


def fenced(node: str, name: str, *, member: bool) -> tuple[Operation, ...]:
    """A node was fenced: it is expected to be down, and nothing is remembered of it. Whether it is a `member` of the view is the
    cluster layer's to say, unless it is none already (Pacemaker's update_node_state_after_fencing)."""
    where = f"/cib/status/node_state[@id='{node}']"
    layer = {} if member else {"in_ccm": "false", "crmd": "offline"}
    attributes = {"id": node, "uname": name, **layer, "join": "down", "expected": "down"}
    state = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return (
        Operation(OpKind.MODIFY, "status", xml=f"<node_state{state}/>", allow_create=True),
        Operation(OpKind.DELETE, xpath=f"{where}/lrm", multiple=True),
        Operation(OpKind.DELETE, xpath=f"{where}/transient_attributes", multiple=True),
    )


def leaving(node: NodeId, name: str) -> Operation:
    """A node leaves in order: when it is gone, that was expected."""
    return Operation(OpKind.MODIFY, "status", xml=element("node_state", id=node, uname=name, expected="down"), allow_create=True)


def record(
    node: NodeId, name: str, resource: str, agent: tuple[str, str, str], entries: Iterable[Entry]
) -> tuple[Operation, ...]:
    """Write history entries of a resource on a node; an entry replaces the one of the same id as a whole."""
    written = tuple(entries)
    lrm = element("lrm", element("lrm_resources", lrm_resource(resource, agent, (e.xml() for e in written))), id=node)
    return (
        *(forget_entry(node, resource, entry.id) for entry in written),
        Operation(OpKind.MODIFY, "status", xml=element("node_state", lrm, id=node, uname=name), allow_create=True),
    )


def lrm_resource(resource: str, agent: tuple[str, str, str], entries: Iterable[str]) -> str:
    """One resource's history."""
    standard, provider, kind = agent
    attributes = {"id": resource, "class": standard, **({"provider": provider} if provider else {}), "type": kind}
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<lrm_resource{written}>{''.join(entries)}</lrm_resource>"


def forget_history(node: NodeId, resource: str) -> Operation:
    """Delete a resource's whole history on a node."""
    return Operation(
        OpKind.DELETE, xpath=f"/cib/status/node_state[@id='{node}']/lrm/lrm_resources/lrm_resource[@id='{resource}']"
    )


def forget_entry(node: NodeId, resource: str, entry: str) -> Operation:
    """Delete one history entry."""
    where = f"/cib/status/node_state[@id='{node}']/lrm/lrm_resources/lrm_resource[@id='{resource}']/lrm_rsc_op[@id='{entry}']"
    return Operation(OpKind.DELETE, xpath=where, multiple=True)


def attribute(node: NodeId | str, name: str, key: str, value: str) -> Operation:
    """Set a transient attribute of a node."""
    group = f"status-{node}"
    pair = element("nvpair", id=f"{group}-{key.replace('#', '.')}", name=key, value=value)
    content = element("transient_attributes", element("instance_attributes", pair, id=group), id=node)
    return Operation(OpKind.MODIFY, "status", xml=element("node_state", content, id=node, uname=name), allow_create=True)


def forget_attributes(node: NodeId, prefix: str) -> Operation:
    """Delete all transient attributes of a node whose names begin so."""
    where = f"/cib/status/node_state[@id='{node}']/transient_attributes/instance_attributes"
    return Operation(OpKind.DELETE, xpath=f"{where}/nvpair[starts-with(@name,'{prefix}')]", multiple=True)


def failure(node: NodeId, name: str, operation: tuple[str, str, int], count: str, when_s: int) -> tuple[Operation, ...]:
    """Count a failure of (resource, action, interval in ms) on a node; `count` is a number or INFINITY."""
    resource, action, interval_ms = operation
    suffix = f"{resource}#{action}_{interval_ms}"
    return (
        attribute(node, name, f"fail-count-{suffix}", count),
        attribute(node, name, f"last-failure-{suffix}", str(when_s)),
    )


def cluster(node: NodeId, *, quorate: bool) -> Operation:
    """The root's own attributes: which node coordinates, and whether its partition has quorum."""
    return Operation(OpKind.MODIFY, "cib", xml=element("cib", have_quorum=int(quorate), dc_uuid=node))


def properties(pairs_due: Iterable[tuple[str, str]]) -> Operation:
    """Cluster options that the cluster itself sets (dc-version, cluster-infrastructure, cluster-name)."""
    pairs = "".join(element("nvpair", id=f"cib-bootstrap-options-{name}", name=name, value=value) for name, value in pairs_due)
    content = element("cluster_property_set", pairs, id="cib-bootstrap-options")
    return Operation(OpKind.MODIFY, "crm_config", xml=content, allow_create=True)
