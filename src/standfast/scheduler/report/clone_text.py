"""A clone as status shows it: lists of nodes by role, and a line of its own for each odd instance."""

from __future__ import annotations

from collections.abc import Callable

from standfast.scheduler.actions.places import is_active
from standfast.scheduler.memory import Cluster, Node, Resource, any_of, located
from standfast.scheduler.placement.compatible import state_of
from standfast.scheduler.unpack.resources import is_disabled
from standfast.scheduler.values import RC_TEXT, Role, name_key, parse_role

Lines = Callable[[Cluster, Resource, bool, str], list[str]]


def clone_lines(cluster: Cluster, clone: Resource, show_pending: bool, indent: str, lines_of: Lines) -> list[str]:
    """The header, odd instances, then `Promoted:`, `Started:`, `Stopped:` lists. `lines_of` renders one resource."""
    inner = indent + "  "
    body: list[str] = []
    promoted: list[Node] = []
    started: list[Node] = []
    for child in clone.children:
        kind = _kind(clone, child, show_pending)
        places = located(child, current=True)
        if kind == "full":
            body += lines_of(cluster, child, show_pending, inner)
        elif kind == "listed":
            (promoted if state_of(child, current=True) > Role.UNPROMOTED else started).append(places[0])
    for title, nodes in (("Promoted", promoted), (_started_title(clone), started)):
        if nodes:
            body.append(f"{inner}* {title}: [ {' '.join(n.name for n in _by_name(nodes))} ]")
    body += _stopped(cluster, clone, len(promoted) + len(started), inner)
    return [indent + "* " + _header(clone), *body]


def _by_name(nodes: list[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: name_key(node.name))


def _header(clone: Resource) -> str:
    flags = [
        word for word, on in (("promotable", clone.promotable), ("unique", clone.unique), ("disabled", is_disabled(clone))) if on
    ]
    if clone.maintenance:
        flags.append("maintenance")
    elif not clone.managed:
        flags.append("unmanaged")
    return f"Clone Set: {clone.id} [{clone.clone_data().child.get('id')}]" + (f" ({', '.join(flags)})" if flags else "") + ":"


def _kind(clone: Resource, child: Resource, show_pending: bool) -> str:
    """full: a line of its own; listed: in a list of nodes; hidden: only counted as stopped."""
    active = is_active(child, everywhere=False)
    if clone.unique:
        return "full" if active or not clone.removed else "hidden"
    if show_pending and child.pending_action:
        return "full"
    if not active:
        return "hidden"
    if any_of(child, "removed") or _some_unmanaged(child) or any_of(child, "failed") or not is_active(child, everywhere=True):
        return "full"
    places = located(child, current=True)
    return "full" if len(places) != 1 or (not places[0].online and places[0].unclean) else "listed"


def _some_unmanaged(rsc: Resource) -> bool:
    return not rsc.managed or any(_some_unmanaged(child) for child in rsc.children)


def _configured_role(clone: Resource) -> Role:
    text = clone.meta.get("target-role")
    if text is None and clone.children:
        text = clone.children[0].meta.get("target-role")
    return parse_role(text)


def _started_title(clone: Resource) -> str:
    if not clone.promotable:
        return "Started"
    return "Unpromoted (target-role)" if _configured_role(clone) == Role.UNPROMOTED else "Unpromoted"


def _stopped(cluster: Cluster, clone: Resource, active: int, indent: str) -> list[str]:
    if clone.unique or clone.clone_data().max <= active:
        return []
    states: dict[str, list[Node]] = {}
    nodes = [entry.node for entry in clone.allowed.values()]
    for node in nodes or [node for node in cluster.nodes if node.id in clone.probed]:
        if any(other.name.lower() == node.name.lower() for other in clone.active_nodes):
            continue
        state = "Stopped (disabled)" if _configured_role(clone) == Role.STOPPED else "Stopped"
        for failure in cluster.failures:
            found = failure.entry
            same = found.key.rsplit("_", 2)[0] == clone.clone_data().child.get("id")
            if same and found.masks_failure and found.on_node.lower() == node.name.lower():
                state = f"Stopped ({RC_TEXT.get(found.rc or 0, 'Unknown exit status')})"
                break
        states.setdefault(state, []).append(node)
    return [f"{indent}* {state}: [ {' '.join(n.name for n in _by_name(states[state]))} ]" for state in sorted(states)]
