"""What must hold in a cluster of whole nodes, after every event: the safety invariants that are not the engine's own.

Owns: who answers for the address as clients see it (S1), acknowledged changes (S5), services (S6, S8), the duty (S7),
refusals (S12).
Does not own: order, views, quorum and the pulse (sim/checks.py: S2, S3, S4).

S1 is judged at the segment: two kernels that answer one client at the same time are an overlap, whoever believes to be entitled.
None is allowed but what docs/failover-ip.md states, for as long as it states (`_allowed_us`).
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.cib.document import Version
from standfast.sim.checks import Checks, Life, PromiseError
from standfast.sim.cluster.agents import Process
from standfast.sim.cluster.people import ADDRESS, SERVICE, Mark

if TYPE_CHECKING:
    from standfast.sim.cluster.machine import Machine
    from standfast.sim.cluster.world import Cluster
    from standfast.sim.host import Host

Json = dict[str, Any]

PULSE_US = 1_850 * US_PER_MS
"""What is left of a pulse when the others have turned away, at the most, and the time to act on it."""

LEASE_US = 3_300 * US_PER_MS
"""What the kernel keeps of an address that nobody renews, at the most: two seconds, and its own delay."""

STOOD_US = 4_150 * US_PER_MS
"""The rest of pulse and lease of a machine whose clock stood still with it."""

HEAL_US = 6_000 * US_PER_MS
"""Two holders that a cut had kept apart: by then one has given way. (Usually within a second.)"""

REMEMBERED_US = 60 * US_PER_S
"""How long a cut, whole again, may be what kept two holders apart that are in no common view yet."""

FOR_EVER_US = 10**15


@dataclass(slots=True)
class Overlap:
    """Two nodes answer one client. `until_us` is when that becomes a broken promise."""

    since_us: int
    until_us: int
    apart_us: int = 0


@dataclass(slots=True)
class Known:
    """What one life of a manager has agreed to: the phase seen last, the highest version and the document of that version."""

    was_synced: bool = False
    version: Version | None = None
    digest: str = ""
    view: int = 0


@dataclass(slots=True)
class Tally:
    """What has been seen: for reports, and for the probes."""

    overlap_us: int = 0
    overlaps: int = 0
    takeovers: int = 0
    acknowledged: int = 0
    refusals: int = 0
    agreements: int = 0
    looked_for: int = 0
    unconfirmed: int = 0
    holders: list[NodeId] = field(default_factory=list)


class ClusterChecks(Checks):
    """The engine's promises, where payloads are the managers' own; with votes set by hand there may be two quorate views."""

    _world: Cluster

    def __init__(self, world: Cluster) -> None:
        super().__init__(world)

    def has_stood(self, host: Host) -> bool:
        """Whether the machine was frozen with its clock."""
        return self._world.now_us - self._world.machines[host.id].thawed_us < STOOD_US

    def _no_two_quorate(self) -> None:
        if not self._world.is_overridden:
            super()._no_two_quorate()

    def _once(self, host: Host, life: Life, sender: NodeId, payload: bytes) -> None:
        """Managers number what they say themselves; that nothing counts twice shows in the document."""


class Oracle:
    """Judges a cluster. Raises PromiseError at the first event that breaks a promise."""

    def __init__(self, world: Cluster) -> None:
        self._world = world
        self.tally = Tally()
        self.overlaps: dict[tuple[int, NodeId, NodeId], Overlap] = {}
        self._deaf_us: dict[tuple[NodeId, NodeId], int] = {}
        self._is_deaf: dict[tuple[NodeId, NodeId], bool] = {}
        self._lossy_us = -FOR_EVER_US
        self._known: dict[NodeId, Known] = {}
        self._digests: dict[str, str] = {}
        self._acknowledged: dict[str, Mark] = {}
        self.by_hand: dict[NodeId, None] = {}
        self.is_forgiving_disks = False
        self.liars: dict[NodeId, None] = {}

    @property
    def _pairs(self) -> list[tuple[NodeId, NodeId]]:
        nodes = tuple(self._world.machines)
        return [(a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :]]

    # ---- S1 ---------------------------------------------------------------------------------------------------------

    def segment_changed(self) -> None:
        """An address came or went, or a wire did: look again who answers whom."""
        world, segment = self._world, self._world.segment
        now_us = world.now_us
        nodes = tuple(world.machines)
        if segment.loss:
            self._lossy_us = now_us
        for pair in self._pairs:
            is_deaf = segment.is_cut_between(*pair)
            if is_deaf or self._is_deaf.get(pair):
                self._deaf_us[pair] = now_us  # until now, at least
            self._is_deaf[pair] = is_deaf
        holders = [n for n in nodes if ADDRESS in world.machines[n].kernel.held]
        if holders != self.tally.holders:
            self.tally.takeovers += bool([n for n in holders if n not in self.tally.holders])
            self.tally.holders = holders
            world.say(NodeId(0), "address: " + (" ".join(f"n{n}" for n in holders) or "nobody"))
        found: dict[tuple[int, NodeId, NodeId], None] = {}
        if len(holders) > 1:
            for client in segment.clients:
                there = segment.answerers(client, ADDRESS)
                found.update({(client, a, b): None for i, a in enumerate(there) for b in there[i + 1 :]})
        for key in [key for key in self.overlaps if key not in found]:
            over = self.overlaps.pop(key)
            self.tally.overlap_us = max(self.tally.overlap_us, now_us - over.since_us)
        for key in found:
            if key not in self.overlaps:
                self.tally.overlaps += 1
                self.overlaps[key] = Overlap(now_us, 0)
                world.say(NodeId(0), f"two answer client {key[0]}: n{key[1]} n{key[2]}")
            self._judge(key)

    def _judge(self, key: tuple[int, NodeId, NodeId]) -> None:
        over = self.overlaps.get(key)
        if over is None:
            return
        client, a, b = key
        now_us = self._world.now_us
        over.until_us = self._allowed_us(over, a, b)
        if now_us >= over.until_us:
            lasted_ms = (now_us - over.since_us) // US_PER_MS
            raise PromiseError(f"S1 at {now_us} us: n{a} and n{b} both answer client {client - 99} for {lasted_ms} ms")
        if over.until_us < FOR_EVER_US:
            self._world.at(over.until_us - now_us, lambda: self._judge(key))

    def _allowed_us(self, over: Overlap, a: NodeId, b: NodeId) -> int:
        """Until when these two may overlap: the table of docs/failover-ip.md. The instant of the overlap itself: not at all."""
        world, since_us = self._world, over.since_us
        until_us = since_us
        # Who has a power switch takes nothing before it has shot; what a switch that lied has let happen is as without it.
        alone = world.goes_on_alone and (not world.setting.fencing or world.switch.has_lied)
        # Who goes on alone does so for any part of the cluster that it cannot see: the last holder may be in that part.
        pairs = [pair for pair in self._pairs if (a in pair or b in pair if alone else pair == (a, b))]
        is_deaf = any(world.segment.is_cut_between(*pair) for pair in pairs)
        deaf_us = world.now_us if is_deaf else max(self._deaf_us.get(pair, -FOR_EVER_US) for pair in pairs)
        for node in (a, b):
            machine = world.machines[node]
            until_us = max(until_us, machine.thawed_us + STOOD_US if machine.thawed_us >= 0 else 0)
            if node in self.by_hand:
                return FOR_EVER_US
        if alone and is_deaf:
            return FOR_EVER_US
        if alone:
            was_apart = deaf_us > since_us - REMEMBERED_US or self._lossy_us >= since_us - US_PER_S
            if was_apart and not self._share_a_view(a, b):
                over.apart_us = world.now_us  # the view that leaves one of them is still to come
                until_us = max(until_us, world.now_us + US_PER_S)
            until_us = max(until_us, deaf_us + HEAL_US, over.apart_us + HEAL_US)
        elif deaf_us >= since_us - US_PER_S:
            runs = all(world.machines[n].node is not None and not world.machines[n].is_paused for n in (a, b))
            until_us = max(until_us, since_us + (PULSE_US if runs and not self._was_starved(a, b) else LEASE_US))
        if self._lossy_us >= since_us - US_PER_S:
            until_us = max(until_us, self._lossy_us + HEAL_US if alone else since_us + LEASE_US)
        return until_us

    def _share_a_view(self, a: NodeId, b: NodeId) -> bool:
        lives = [self._world.checks.lives.get(node) for node in (a, b)]
        views = [life.view.id for life in lives if life is not None and life.view is not None]
        return len(views) == 2 and views[0] == views[1]

    def _was_starved(self, a: NodeId, b: NodeId) -> bool:
        return any(self._world.now_us - self._world.machines[n].slept_us < LEASE_US for n in (a, b))

    def put(self, machine: Machine, address: str) -> None:
        """A Node puts an address up, or renews it: what a person put there is its own from now on."""
        if address == ADDRESS:
            self.by_hand.pop(machine.id, None)

    # ---- lives ------------------------------------------------------------------------------------------------------

    def began(self, machine: Machine) -> None:
        """A manager's life begins."""
        self._known[machine.id] = Known()

    def ended(self, machine: Machine) -> None:
        """It is over."""
        self._known.pop(machine.id, None)

    def refused(self, machine: Machine) -> None:
        """S12: what cannot be read is refused with a reason, and nothing is joined or started."""
        self.tally.refusals += 1
        self._must(bool(machine.refusal), machine, "S12: refused without a reason")

    # ---- S5, S7 -----------------------------------------------------------------------------------------------------

    def configured(self) -> None:
        """The first configuration was acknowledged."""

    def promises(self, machine: Machine, answer: Json) -> bool:
        """Whether what this manager answers now will be kept. The disk may hold the answer back until there is another view."""
        node = machine.node
        if node is None or node.controller.roll.quorum is None or not node.controller.roll.quorum.quorate:
            return False  # without quorum nothing is promised (cib/machine.py)
        warned = [report["code"] for report in answer.get("reports", ())]
        self.tally.unconfirmed += "cib.unconfirmed" in warned
        return not warned

    def acknowledged(self, mark: Mark, version: str) -> None:
        """A person was told that this change is made."""
        self.tally.acknowledged += 1
        if version and self._world.machines[mark.node].is_promise:
            self._acknowledged[mark.name] = mark

    def stepped(self, machine: Machine) -> None:
        """After each event of a Node."""
        node, known = machine.node, self._known.get(machine.id)
        if node is None or known is None:
            return
        controller = node.controller
        is_synced = controller.is_synced
        if is_synced and not known.was_synced:
            if known.digest and controller.cib.version == known.version:
                same = controller.cib.digest() == known.digest
                self._must(same, machine, f"S5: version {known.version} has become another document")
            self._agreed(machine)
        elif known.was_synced and not is_synced and controller.cib.version == known.version:
            known.digest = controller.cib.digest()
        known.was_synced = is_synced
        if is_synced:
            version = controller.cib.version
            if version != known.version:
                self._must(known.version is None or version >= known.version, machine, f"S5: {version} after {known.version}")
                known.version, known.digest = version, ""
        if controller.coordinates:
            self._one_coordinator(machine)

    def _agreed(self, machine: Machine) -> None:
        """The document is agreed anew: everything that was acknowledged is in it."""
        assert machine.node is not None
        self.tally.agreements += 1
        controller = machine.node.controller
        life = self._world.checks.lives.get(machine.id)
        if life is None or life.quorum is None or not life.quorum.quorate or self._world.goes_on_alone:
            return  # two sides may both go on, and number their changes alike
        if not controller.is_enough:
            return  # too few managers to know of everything; what they have gives way when the others are back
        version, digest = str(controller.cib.version), controller.cib.digest()
        first = self._digests.setdefault(version, digest)
        self._must(first == digest or self.is_forgiving_disks, machine, f"S5: version {version} is another document here")
        if self._acknowledged and not self.is_forgiving_disks:
            there = {
                element.get("name") for element in controller.cib.root.iterfind(".//cluster_property_set[@id='marks']/nvpair")
            }
            self.tally.looked_for += 1
            lost = [name for name in self._acknowledged if name not in there]
            self._must(not lost, machine, f"S5: acknowledged, and not in {version}: {', '.join(lost)}")

    def _one_coordinator(self, machine: Machine) -> None:
        """S7, as far as two have been delivered the same messages of one view."""
        lives = self._world.checks.lives
        mine = lives.get(machine.id)
        if mine is None or mine.view is None or mine.seq is None:
            return
        for node, other in self._world.machines.items():
            theirs = lives.get(node)
            if node == machine.id or other.node is None or theirs is None or theirs.view is None:
                continue
            if (
                other.is_paused
                or theirs.view.id != mine.view.id
                or theirs.seq != mine.seq
                or other.is_behind
                or machine.is_behind
            ):
                continue
            self._must(not other.node.controller.coordinates, machine, f"S7: it coordinates, and so does n{node}")

    # ---- S6, S8 -----------------------------------------------------------------------------------------------------

    def overlapped(self, machine: Machine, one: Process, other: Process) -> None:
        """Two agents at work on one service."""
        raise PromiseError(f"n{machine.id}: S8: {one.action} of {one.resource} while {other.action} runs")

    def service_started(self, machine: Machine, resource: str) -> None:
        """A service begins here: not while it runs on a node of the same view, which could have been told to stop it; with a
        power switch that never lied, not while it runs anywhere."""
        mine = self._world.checks.lives.get(machine.id)
        if resource != SERVICE or mine is None or mine.view is None:
            return
        for node, other in self._world.machines.items():
            theirs = self._world.checks.lives.get(node)
            if node == machine.id or not other.agents.running.get(resource) or node in self.liars or machine.id in self.liars:
                continue
            if self._world.setting.fencing and not self._world.switch.has_lied:
                raise PromiseError(f"n{machine.id}: S6: {resource} is started, and runs on n{node}, which was not fenced")
            if other.node is None or theirs is None or theirs.view is None or theirs.view.id != mine.view.id:
                continue
            if other.is_paused and machine.node is not None and node in machine.node.controller.roll.missing:
                continue  # a manager that stands still cannot be told, and was waited for
            raise PromiseError(f"n{machine.id}: S6: {resource} is started, and runs on n{node} of the same view")

    def _must(self, holds: bool, machine: Machine, text: str) -> None:
        if not holds:
            raise PromiseError(f"n{machine.id} at {self._world.now_us} us: {text}")
