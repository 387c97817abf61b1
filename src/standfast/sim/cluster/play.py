"""Playing a plan: first safety under faults, then liveness with what is healed healed and what is broken broken for good.

Owns: the phases, the bounds of liveness (L1 to L4, L6, L7), the outcome. Does not own: safety (oracle.py), faults (deeds.py).
"""

from __future__ import annotations

from dataclasses import field

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S, NodeId
from standfast.base.report import Refused
from standfast.sim.chance import Stream
from standfast.sim.checks import PromiseError
from standfast.sim.cluster.deeds import Deeds
from standfast.sim.cluster.disk import Trouble
from standfast.sim.cluster.neutron import Air, Neutron
from standfast.sim.cluster.people import ADDRESS
from standfast.sim.cluster.plan import Plan
from standfast.sim.cluster.power import Habit
from standfast.sim.cluster.probes import Probes
from standfast.sim.cluster.world import Cluster

CALM_US = 2 * US_PER_S
"""L1: one agreed quorate view so long after healing; a peer that was flapping is counted in after its probation."""

PROBATION_US = 75 * US_PER_S
SERVED_US = 16 * US_PER_S
"""L2: the address is up once and every client reaches it, so long after L1: a failed operation may have to time out first."""

FENCED_US = 45 * US_PER_S
"""With a power switch: a node that was not seen yet is fenced after 20 s, and boots."""

ALLOWED_US = 60 * US_PER_S
"""So long after the cloud's API is healthy every port is right."""

CLOUDED_US = 20 * US_PER_S
UNDER_WAY_US = 30 * US_PER_S
CALM_OF_SHOTS_US = 30 * US_PER_S
REPAIR_US = 500 * US_PER_MS
HUNG_US = 5 * US_PER_S  # longer than the service's operations may take
STOPPED_US = 25 * US_PER_S
CONSTANT_US = 60 * US_PER_S
VIEWS_PER_MINUTE = 3
"""L3: at each node of the core, under a constant partial fault."""

BUGS = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, Refused)
"""What a room must never raise: each of them ends a run as a failure."""


@dataclass(slots=True)
class Outcome:
    """How a run ended; `failure` is empty when everything held."""

    plan: Plan
    failure: str = ""
    trace: str = ""
    simulated_us: int = 0
    events: int = 0
    faults: int = 0
    takeovers: int = 0
    overlap_us: int = 0
    probes: dict[str, int] = field(default_factory=dict)


class Player:
    """Plays one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = Cluster(plan.seed, plan.setting, plan.weather)
        self.deeds = Deeds(self.world)
        self.probes = Probes()
        self.world.heard.append(self.probes.heard)
        self._is_over = False

    def play(self) -> Outcome:
        """To the end, or to the first broken promise."""
        outcome = Outcome(self.plan)
        try:
            self.safety()
            self.liveness()
        except BUGS as broken:
            outcome.failure = describe(broken)
        world = self.world
        outcome.trace, outcome.simulated_us, outcome.events = world.trace.hexdigest(), world.now_us, world.events
        self.probes.ended(self)
        outcome.probes = self.probes.reached
        outcome.faults = self.deeds.count
        outcome.takeovers, outcome.overlap_us = world.oracle.tally.takeovers, world.oracle.tally.overlap_us
        return outcome

    def safety(self) -> None:
        """Faults as planned."""
        world, plan = self.world, self.plan
        for node in world.hosts:
            world.at(50 * US_PER_MS * node, lambda node=node: world.boot(node))  # type: ignore[misc]
        world.at(US_PER_S, world.people.configure)
        for fault in plan.faults:
            world.at(fault.at_ms * US_PER_MS, lambda fault=fault: self._do(fault.verb))  # type: ignore[misc]
            if fault.undo:
                world.at(fault.until_ms * US_PER_MS, lambda fault=fault: self._do(fault.undo))  # type: ignore[misc]
        world.run(plan.safety_ms * US_PER_MS)
        self._is_over = True

    def _do(self, verb: str) -> None:
        if not self._is_over:
            self.deeds.do(verb)

    # ---- liveness ---------------------------------------------------------------------------------------------------

    def liveness(self) -> None:
        """Heal the core, leave the rest broken, and see it come to rest."""
        world, core = self.world, self.plan.core
        self._heal()
        world.run(REPAIR_US)
        for node in core:
            self._repair(node)  # what has left while the faults went on, is started again
        self._until(CALM_US, self._apart)
        self._tidy()
        self._until(SERVED_US + (ALLOWED_US if self.plan.setting.cloud else 0), self._unserved)
        if world.neutron is not None:
            self._until(ALLOWED_US, self._unallowed)
            self._clouded(world.neutron)
        if self.plan.setting.fencing:
            self._no_shots()
        if any(verb.startswith("cut") for verb in self.plan.broken):
            self._constant()
        self._stop()

    def _heal(self) -> None:
        world = self.world
        self.deeds.end_starving()
        world.network.heal()
        world.segment.heal()
        world.switch.habit = Habit.WORKS
        if world.neutron is not None:
            world.neutron.air = Air.WORKS
        for node, machine in world.machines.items():
            machine.disk.trouble = Trouble.NONE
            machine.agents.habits.clear()
            machine.hiccup = None
            if not machine.kernel.is_forwarded:
                self.deeds.do(f"carrier {node} on")
            if node in world.oracle.by_hand:
                machine.kernel.drop(ADDRESS)
            world.thaw(node, clock_stood=False)
            world.go_on(node)
            self._repair(node)
        for verb in self.plan.broken:
            self.deeds.do(verb)

    def _repair(self, node: NodeId) -> None:
        machine = self.world.machines[node]
        if machine.refusal:
            machine.disk.durable = b""  # what cannot be read is moved away, as the refusal says
        self.world.boot(node)

    def _tidy(self) -> None:
        """An administrator looks after the faults: nothing is on standby, banned, stopped or failed."""
        people, by = self.world.people, self.plan.core[0]
        manager = self.world.machines[by].node
        if manager is not None and manager.controller.cib.root.find(".//primitive[@id='vip']") is None:
            people.is_configured = False  # the disks of all were lost: begin anew
            people.configure()
        people.clear(by)
        for node in self.world.hosts:
            people.attribute(by, node, "standby", "off")
        people.role(by, "vip", "Started")
        self.world.run(REPAIR_US)
        hangs_until_us = self.world.now_us + HUNG_US
        while self.world.now_us < hangs_until_us and any(m.agents.is_at_work(m.life) for m in self.world.machines.values()):
            self.world.run(REPAIR_US)  # what still hangs fails after the cleanup else, and a failed stop blocks for good
        people.cleanup(by)

    def _until(self, within_us: int, wrong: object) -> None:
        assert callable(wrong)
        world, begun_us = self.world, self.world.now_us
        if self.plan.setting.fencing:
            within_us += FENCED_US
        limit_us = begun_us + within_us
        step_us = 100 * US_PER_MS
        while True:
            world.run(step_us)
            why = wrong()
            if not why:
                return
            if any(self._is_held(node) for node in self.plan.core) and world.now_us < begun_us + PROBATION_US:
                limit_us = max(limit_us, world.now_us + within_us)
                step_us = 500 * US_PER_MS
            if world.now_us >= limit_us:
                raise PromiseError(f"{(world.now_us - begun_us) // US_PER_MS} ms after healing {list(self.plan.core)}: {why}")

    def _is_held(self, node: NodeId) -> bool:
        engine = self.world.hosts[node].engine
        return engine is not None and engine.has_probationers

    def _apart(self) -> str:
        """L1."""
        world, core = self.world, self.plan.core
        views = {}
        for node in core:
            life, machine = world.checks.lives.get(node), world.machines[node]
            if life is None or life.view is None or life.quorum is None:
                return f"L1: n{node} is in no view"
            if not life.quorum.quorate and not world.goes_on_alone:
                return f"L1: n{node} is not quorate"
            if machine.node is None or not machine.node.controller.is_synced:
                return f"L1: n{node} does not agree on a document"
            views[node] = life.view
        if len({view.id for view in views.values()}) > 1 or not set(core) <= set(views[core[0]].members):
            return "L1: views: " + ", ".join(f"n{n}: {view.id.seq} {list(view.members)}" for n, view in views.items())
        return ""

    def _unserved(self) -> str:
        """L2, as clients see it: one answers, it has announced itself, and everybody knows where to send."""
        world = self.world
        if why := self._apart():
            return why
        for client in world.segment.clients.values():
            there = world.segment.answerers(client.id, ADDRESS)
            if len(there) != 1 and not (there and world.goes_on_alone):
                return f"L2: client {client.id - 99} is answered by {', '.join(f'n{n}' for n in there) or 'nobody'}"
            for holder in there:
                if world.segment.announced.get((ADDRESS, holder), -1) < world.machines[holder].kernel.held[ADDRESS].since_us:
                    return f"L2: n{holder} has the address and has not announced it"
            if client.cached not in there:
                return f"L2: client {client.id - 99} sends to n{client.cached}, but n{there[0]} has the address"
            if client.silent_us is not None:
                return f"L2: client {client.id - 99} is not answered"
        for here in self.plan.core:
            if world.machines[here].unanswered:
                return f"L4: n{here} has not answered {world.machines[here].unanswered} commands"
        life = world.checks.lives[self.plan.core[0]]
        members = () if life.view is None else life.view.members
        coordinators = [n for n in members if (node := world.machines[n].node) is not None and node.controller.coordinates]
        return "" if coordinators else "L4: nobody coordinates"

    def _unallowed(self) -> str:
        """Within a minute of a healthy API every node's port lets through what it has to."""
        neutron, world = self.world.neutron, self.world
        assert neutron is not None
        if why := self._unserved():
            return why
        if world.setting.cloud == "exclusive":
            wrong = [node for node in world.hosts if neutron.owns(node, ADDRESS) != (ADDRESS in world.machines[node].kernel.held)]
            return f"cloud: n{wrong[0]}'s port and kernel differ about the address" if wrong else ""
        shut = [node for node in self.plan.core if not neutron.allows(node, ADDRESS)]
        return f"cloud: n{shut[0]}'s port does not let the address through" if shut else ""

    def _clouded(self, neutron: Neutron) -> None:
        """No fault of the API stops or moves an address that is up. (Where something stays broken, that may.)"""
        world = self.world
        if self.plan.broken:
            return
        chance = Stream(world.seed, "clouded")
        takeovers, holders = world.oracle.tally.takeovers, list(world.oracle.tally.holders)
        for _ in range(2):
            neutron.air = chance.choice([air for air in Air if air is not Air.WORKS])
            neutron.foreign_write(chance.choice(self.plan.core))
            world.run(CLOUDED_US)
            if (world.oracle.tally.takeovers, world.oracle.tally.holders) != (takeovers, holders):
                raise PromiseError(f"the cloud's API {neutron.air}, and the address goes from {holders}")
        neutron.air = Air.WORKS
        self._until(ALLOWED_US, self._unallowed)

    def _constant(self) -> None:
        """L3."""
        views_of = self.world.checks.views_of
        before = dict(views_of)
        self.world.run(CONSTANT_US)
        for node in self.plan.core:
            views = views_of[node] - before[node]
            if views > VIEWS_PER_MINUTE:
                raise PromiseError(f"L3: n{node} installed {views} views in a minute under a constant fault")

    def _no_shots(self) -> None:
        """L5: when all is well, nobody of the core is fenced any more."""
        self.world.run(UNDER_WAY_US)  # what was asked for while something was wrong is carried out; what waits lapses
        fenced = self.world.switch.fenced
        before = {node: fenced.get(node, 0) for node in self.plan.core}
        self.world.run(CALM_OF_SHOTS_US)
        for node, count in before.items():
            if fenced.get(node, 0) > count:
                raise PromiseError(f"L5: n{node} is fenced, and nothing is wrong with it")

    def _stop(self) -> None:
        """L7: everybody is told to stop, one after the other, and does."""
        world = self.world
        for node in self.plan.core:
            world.stop(node)
            begun_us = world.now_us
            while world.hosts[node].is_up or world.machines[node].node is not None:
                world.run(100 * US_PER_MS)
                if world.now_us > begun_us + STOPPED_US:
                    raise PromiseError(f"L7: n{node} does not stop")


def describe(broken: BaseException) -> str:
    """A failure on one line, with the place where it has no text of its own."""
    trace = broken.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" ({trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno})"
    return f"{type(broken).__name__}: {broken}{'' if isinstance(broken, PromiseError) else where}"
