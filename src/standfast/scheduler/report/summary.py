"""The transition summary: one Change per line of `crm_simulate`'s "Transition Summary", in its words."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.scheduler.actions.core import find_by_key
from standfast.scheduler.actions.places import current_node
from standfast.scheduler.api import Change
from standfast.scheduler.memory import OPTIONAL, RUNNABLE, Cluster, Node, Op, Resource, op_key, primitives
from standfast.scheduler.values import ROLE_TEXT, Role


def summarize(cluster: Cluster) -> tuple[Change, ...]:
    """Node actions first, then resources in order."""
    changes: list[Change] = []
    for op in reversed(cluster.actions):
        if op.rsc is not None or op.flags & OPTIONAL or op.node is None:
            continue
        if op.task == "do_shutdown":
            changes.append(Change("Shutdown", _name(op.node), "", op.reason))
        elif op.task == "stonith":
            changes.append(Change(f"Fence ({op.meta['stonith_action']})", _name(op.node), "", op.reason))
    for rsc in cluster.resources:
        for leaf in _leaves(rsc):
            _resource(leaf, changes)
    return tuple(changes)


def _name(node: Node) -> str:
    return node.name if node.launcher is None else f"{node.name} (resource: {node.launcher.id})"


def _leaves(rsc: Resource) -> Iterator[Resource]:
    """The primitives of a resource; a bundle's go replica by replica."""
    if rsc.replicas is None:
        yield from primitives(rsc)
        return
    for replica in rsc.replicas.all:
        yield from (one for one in (replica.ip, replica.container, replica.remote, replica.child) if one is not None)


def _resource(rsc: Resource, changes: list[Change]) -> None:
    current = None
    if rsc.active_nodes:
        current = current_node(rsc)
        if rsc.role == Role.STOPPED:
            # A resource that history calls stopped but that is active: shown as started.
            rsc.role = Role.STARTED
    if (current is None and rsc.removed) or not rsc.managed or (current is None and rsc.assigned is None):
        return
    _Summary(rsc, current, rsc.assigned, changes).write()


def _detail(places: tuple[tuple[str, str], ...]) -> str:
    """Places and roles in one text: `a`, `a -> b`, `Role a`, `a -> b Role`, `Role -> Role a`, `Role a -> Role b`."""
    words = [word for _, word in places]
    if len(words) == 4:
        return f"{words[0]} {words[1]} -> {words[2]} {words[3]}"
    if len(words) == 3:
        return f"{words[0]} -> {words[1]} {words[2]}"
    return (" -> " if places[-1][0] == "dest" else " ").join(words)


class _Summary:
    """The decision tree of `rsc-action` (Pacemaker: lib/pacemaker/pcmk_output.c), for one primitive."""

    def __init__(self, rsc: Resource, current: Node | None, target: Node | None, changes: list[Change]) -> None:
        self.rsc, self.current, self.target, self.changes = rsc, current, target, changes
        self.start = self._find("start", target)
        runnable = self.start is not None and self.start.flags & RUNNABLE
        self.stop = self._find("stop", current if runnable else None)
        if self.stop is None and rsc.stop_unexpected:
            self.stop = self._find("stop", None)
        self.promote = self._find("promote", target)
        self.demote = self._find("demote", target)
        self.moving = current is not None and target is not None and current is not target

    def _find(self, task: str, node: Node | None) -> Op | None:
        found = find_by_key(self.rsc, op_key(self.rsc.id, task), node)
        return found[0] if found else None

    def _say(self, verb: str, origin: Node | None, target: Node | None, op: Op | None, source: Op | None = None) -> None:
        if op is None:
            return
        source = source or op
        runnable = bool(op.flags & RUNNABLE)
        if source.reason:
            reason = f"due to {source.reason}" + ("" if runnable else " (blocked)")
        else:
            reason = "" if runnable else "blocked"
        places = self._places(origin, target)
        self.changes.append(Change(verb, self.rsc.id, _detail(places), reason, places, source.reason, not runnable))

    def _places(self, origin: Node | None, target: Node | None) -> tuple[tuple[str, str], ...]:
        """Where from and where to, with the roles where they matter, by the names that the original's XML has for them."""
        rsc = self.rsc
        needs_role = rsc.role > Role.STARTED or rsc.next_role > Role.UNPROMOTED
        now, then = ("role", ROLE_TEXT[rsc.role]), ("next-role", ROLE_TEXT[rsc.next_role])
        if origin is None or target is None:
            node = origin or target
            assert node is not None
            if not needs_role:
                return (("node", node.name),)
            return (now, then, ("dest", node.name)) if origin is None else (now, ("node", node.name))
        source, dest = ("source", origin.name), ("dest", target.name)
        if rsc.role == rsc.next_role:
            moved = (source,) if origin is target else (source, dest)
            if not needs_role:
                return moved
            return (now, *moved) if origin is target else (*moved, now)
        return (now, then, source) if origin is target else (now, source, then, dest)

    def write(self) -> None:
        """Add the line that fits, if any does."""
        if self.rsc.role == self.rsc.next_role:
            if self.target is not None:
                self._same_role()
            return
        rsc, start, stop = self.rsc, self.start, self.stop
        unstartable = start is not None and not start.flags & RUNNABLE
        if stop is not None and (rsc.next_role == Role.STOPPED or unstartable):
            self._stop_everywhere()
        elif stop is not None and rsc.failed and rsc.stop_if_failed:
            self._say("Recover", self.current, self.target, stop, start)
        elif self.moving:
            self._say("Move", self.current, self.target, stop)
        elif rsc.reload:
            self._say("Reload", self.current, self.target, start)
        elif stop is not None and not stop.flags & OPTIONAL:
            self._say("Restart", self.current, self.target, start)
        elif rsc.role == Role.PROMOTED:
            self._say("Demote", self.current, self.target, self.demote)
        elif rsc.next_role == Role.PROMOTED:
            self._say("Promote", self.current, self.target, self.promote)
        elif rsc.role == Role.STOPPED and rsc.next_role > Role.STOPPED:
            self._say("Start", self.current, self.target, start)

    def _stop_everywhere(self) -> None:
        for node in self.rsc.active_nodes:
            op = self._find("stop", node)
            reason = op if op is not None and op.reason else self.start
            self._say("Stop", node, None, op, reason)

    def _same_role(self) -> None:
        rsc, start, stop = self.rsc, self.start, self.stop
        migrate = self._find("migrate_from", self.target)
        if migrate is not None and self.current is not None and migrate.flags & RUNNABLE:
            self._say("Migrate", self.current, self.target, start)
        elif rsc.reload:
            self._say("Reload", self.current, self.target, start)
        elif start is None or start.flags & OPTIONAL:
            demote, promote = self.demote, self.promote
            if demote is not None and promote is not None and not (demote.flags | promote.flags) & OPTIONAL:
                self._say("Re-promote", self.current, self.target, promote, demote)
        elif not start.flags & RUNNABLE:
            self._say("Stop", self.current, None, stop, start if stop is None or not stop.reason else stop)
        elif self.moving:
            self._say("Recover" if rsc.failed else "Move", self.current, self.target, stop)
        elif rsc.failed:
            self._say("Recover", self.current, None, stop)
        else:
            self._say("Restart", self.current, self.target, start)
