"""Who is at rest now, by what was written to the document since the last run. See the folder's `__init__` for the invariant."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from standfast.base.dataclass import dataclass
from standfast.scheduler.memory import Asleep, Cluster, Node, Resource, primitives
from standfast.scheduler.resting.layout import Layout, Party
from standfast.scheduler.resting.quiet import find_quiet, is_plain
from standfast.scheduler.resting.still import DisturbedError, stand_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml import etree

    from standfast.scheduler.api import Plan
    from standfast.scheduler.known import Known
    from standfast.scheduler.unpack.entries import History

OWNED = ("fail-count-", "last-failure-", "master-")
"""Node attributes that are about one resource: what follows is its name, up to a #."""

_COUNTED = ("attrs", "running", "assigned_count", "priority", "digests", "remote", "utilization")
_STATE = tuple(f.name for f in fields(Node) if f.name not in _COUNTED)


@dataclass(frozen=True, slots=True)
class _Sleeper:
    party: Party
    still: Resource


@dataclass(frozen=True, slots=True)
class _View:
    """What all resources see of the cluster: options, and each node's state and attributes."""

    general: tuple[object, ...]
    attributes: tuple[dict[str, str], ...]


class Keeper:
    """See the module. Bounded by the document: one entry for each of its resources, histories and nodes at most."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._sleepers: dict[etree._Element, _Sleeper] = {}
        self._dirty: set[etree._Element] = set()
        self._rows: dict[etree._Element, dict[etree._Element, History]] = {}
        self._named: dict[etree._Element, dict[str | None, list[etree._Element]]] = {}
        self._place: dict[etree._Element, int] = {}
        self._numbers: dict[etree._Element, dict[etree._Element, int]] = {}
        self._stale: set[etree._Element] = set()
        self._owners: dict[str | None, etree._Element | None] = {}
        self._view: _View | None = None
        self._asked: set[str] = set()

    # ---- what was written ------------------------------------------------------------------------------------------

    def written(self, element: etree._Element) -> None:
        """The attributes of an element, or its list of children, are not what they were."""
        chain = [element, *element.iterancestors()][:-1]
        chain.reverse()
        tags = [step.tag for step in chain[:2]]
        if tags == ["status", "node_state"]:
            self._stale.add(chain[1])
        elif tags == ["configuration", "constraints"] or (
            tags == ["configuration", "resources"] and (len(chain) == 2 or chain[2].tag != "template")
        ):
            self._layout = None
            self._dirty.update(chain[2:3])
        else:
            self.forget()

    def forget(self) -> None:
        """Everybody is awake."""
        self.__init__()  # type: ignore[misc]

    # ---- before a run ----------------------------------------------------------------------------------------------

    def asleep(self, root: etree._Element, known: Known) -> Asleep:
        """What can be left out of a run over the document as it is now."""
        if self._layout is None:
            self._lay_out(root)
        self._read_rows(root, known)
        sleepers = self._sleepers
        if not sleepers:
            return Asleep()
        awake = [name for name, top in self._owners.items() if top is None or top not in sleepers]
        found = Asleep(
            {top: sleeper.still for top, sleeper in sleepers.items()},
            constraints={constraint for sleeper in sleepers.values() for constraint in sleeper.party.constraints},
        )
        for state in self._rows:
            found.histories[state], found.after[state] = self._awake_rows(state, awake)
        return found

    def _awake_rows(self, state: etree._Element, awake: list[str | None]) -> tuple[list[tuple[History, int]], int]:
        """A state's histories that are not left out, and the numbers that the others use up before each, and after them."""
        rows, named, place = self._rows[state], self._named[state], self._place
        wanted = sorted((row for name in awake if name in named for row in named[name]), key=place.__getitem__)
        left_out = self._numbers.get(state, {}).copy()
        for row in wanted:
            left_out.pop(row, None)
        numbered = sorted(left_out, key=place.__getitem__)
        found, at = [], 0
        for row in wanted:
            used = 0
            while at < len(numbered) and place[numbered[at]] < place[row]:
                used += left_out[numbered[at]]
                at += 1
            found.append((rows[row], used))
        return found, sum(left_out[row] for row in numbered[at:])

    def ids(self) -> dict[str, etree._Element]:
        """The configuration's elements by id, once `asleep` was asked."""
        assert self._layout is not None
        return self._layout.ids

    def wake(self, names: Sequence[str] | None) -> None:
        """These resources, and what belongs to them, are to be looked at again."""
        layout = self._layout
        if names is None or layout is None:
            self._sleepers.clear()
            return
        for name in names:
            top = layout.owner(name)
            for one in () if top is None else layout.parties[top].tops:
                self._sleepers.pop(one, None)

    def _lay_out(self, root: etree._Element) -> None:
        layout = self._layout = Layout(root)
        for top, sleeper in list(self._sleepers.items()):
            party = layout.parties.get(top)
            if not layout.simple or party != sleeper.party or party.touches(self._dirty):
                del self._sleepers[top]
        self._dirty.clear()
        self._owners = {name: None if name is None else layout.owner(name) for name in self._owners}

    def _read_rows(self, root: etree._Element, known: Known) -> None:
        """Wake the owners of histories that are not what they were."""
        states = list(root.iterfind("status/node_state"))
        if self._rows and list(self._rows) != states:
            self.forget()
            self._lay_out(root)
        for state in states:
            before = self._rows.get(state)
            if before is not None and state not in self._stale:
                continue
            rows = dict(zip(known.rows(state), known.histories(state), strict=True))
            self._rows[state] = rows
            self._compare(state, before or {}, rows)
        self._stale.clear()

    def _compare(self, state: etree._Element, before: dict[etree._Element, History], rows: dict[etree._Element, History]) -> None:
        gone = [(row, history.id) for row, history in before.items() if rows.get(row) is not history]
        changed = [name for _, name in gone] + [history.id for row, history in rows.items() if before.get(row) is not history]
        numbers = self._numbers.get(state, {})
        for row, _ in gone:
            numbers.pop(row, None)
            self._place.pop(row, None)
        named: dict[str | None, list[etree._Element]] = {}
        for place, (row, history) in enumerate(rows.items()):
            self._place[row] = place
            named.setdefault(history.id, []).append(row)
        self._named[state] = named
        layout = self._layout
        assert layout is not None
        for name in changed:
            if not any(name in others for others in self._named.values()):
                self._owners.pop(name, None)
            elif name not in self._owners:
                self._owners[name] = None if name is None else layout.owner(name)
        self.wake([name for name in changed if name is not None])
        if [row for row in before if row in rows] != [row for row in rows if row in before]:
            self.wake(None)  # the same in another order

    # ---- in a run, and after it ------------------------------------------------------------------------------------

    def look(self, cluster: Cluster) -> None:
        """Compare what was unpacked with the last run's. Raises Disturbed if somebody was left out who must not be."""
        view = self._see(cluster)
        before, self._view = self._view, view
        if not self._sleepers:
            return
        awake = [leaf for rsc in cluster.awake() for leaf in primitives(rsc)]
        if before is None or before.general != view.general or any("container" in leaf.meta for leaf in awake):
            raise DisturbedError(None)
        named: list[str] = []
        for old, new in zip(before.attributes, view.attributes, strict=True):
            if old != new:
                changed = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
                if any(name.startswith("#") or name in self._asked for name in changed):
                    raise DisturbedError(None)
                named += [_owned(name) for name in changed if name.startswith(OWNED)]
        layout = self._layout
        assert layout is not None
        if any(layout.owner(name) in self._sleepers for name in named):
            raise DisturbedError(named)

    def learn(self, cluster: Cluster, plan: Plan) -> bool:
        """A run is over: who is at rest from now on. Whether it was right to leave out whom it left out."""
        layout = self._layout
        assert layout is not None
        self._asked |= cluster.watch.asked
        for row, number in cluster.watch.numbers.items():
            state = next(row.iterancestors("node_state"))
            numbers = self._numbers.setdefault(state, {})
            numbers.pop(row, None)
            if number:
                numbers[row] = number
        if not is_plain(cluster) or not layout.simple:
            found = bool(self._sleepers)
            self._sleepers.clear()
            return not found
        if not cluster.watch.general:
            for top, (rsc, rest) in find_quiet(cluster, plan, layout).items():
                self._sleepers[top] = _Sleeper(layout.parties[top], stand_in(rsc, rest))
        return True

    def _see(self, cluster: Cluster) -> _View:
        options = tuple(sorted(cluster.options.items()))
        dc = None if cluster.dc is None else cluster.dc.name
        states = tuple(tuple(getattr(node, name) for name in _STATE) for node in cluster.nodes)
        general = (options, cluster.connects, cluster.have_fencing, cluster.quorate, cluster.policy, dc, states)
        return _View(general, tuple(dict(node.attrs) for node in cluster.nodes))

    def check(self) -> None:
        """Assert the invariants (for tests)."""
        for top, sleeper in self._sleepers.items():
            assert sleeper.still.rest is not None
            assert top in sleeper.party.tops
            assert all(other in self._sleepers for other in sleeper.party.tops), "who belongs together rests together"


def _owned(attribute: str) -> str:
    """The resource that an attribute is about."""
    name = next(attribute.removeprefix(prefix) for prefix in OWNED if attribute.startswith(prefix))
    return name.partition("#")[0]
