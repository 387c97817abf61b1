"""Where resources are now, and whether that counts as active."""

from __future__ import annotations

from standfast.scheduler.memory import Node, Resource, located


def is_active(rsc: Resource, everywhere: bool) -> bool:
    """Whether a resource is active; for one with members, whether all of them are (`everywhere`) or any."""
    if rsc.children:
        return (all if everywhere else any)(is_active(child, everywhere) for child in rsc.children)
    return any(node.unclean or node.online or not rsc.managed for node in rsc.active_nodes)


def current_node(rsc: Resource) -> Node | None:
    """Where a resource counts as active: its migration's source, a clean online node, or just the first."""
    return active_node(rsc)[0]


def active_node(rsc: Resource) -> tuple[Node | None, int, int]:
    """(current node, number of active nodes, number of those that are online and clean)."""
    chosen: Node | None = None
    clean = 0
    nodes = rsc.active_nodes
    if rsc.replicas is not None:
        # A bundle is where its containers are.
        active = [replica.container for replica in rsc.replicas.all if replica.container.active_nodes]
        if len(active) == 1:
            return active_node(active[0])
        nodes = list(dict.fromkeys(node for container in active for node in container.active_nodes))
    for node in nodes:
        happy = node.online and not node.unclean
        clean += happy
        if rsc.migration_source is not None:
            if node is rsc.migration_source:
                chosen = node
        elif not rsc.needs_fencing and happy and (chosen is None or not chosen.online or chosen.unclean):
            chosen = node
        if chosen is None:
            chosen = node
    return chosen, len(nodes), clean


def active_count(rsc: Resource) -> int:
    """On how many nodes a resource counts as active: unclean ones count only where fencing must come first."""
    _, everywhere, clean = active_node(rsc)
    return everywhere if rsc.needs_fencing else clean


def assigned_to(rsc: Resource) -> Node | None:
    """The node that a resource, or all that are assigned of its members, was assigned to."""
    found = located(rsc, assigned=True)
    return found[0] if len(found) == 1 else None
