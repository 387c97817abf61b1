"""The controller: views in, decisions carried out. Routes between its parts and decides nothing twice.

    engine -> Roll (who takes part) -> CibMachine (one document) -> Coordinator (plan, graph) -> orders -> the nodes' executors
    executor -> Memory -> envelope -> everybody's CIB -> Coordinator

Owns: the node's life cycle and the order in which its parts hear of things. Does not own: any of their decisions.
Invariants (`check`): the parts' own; orders go out only while this node coordinates; after the end nothing goes out at all.
"""

from __future__ import annotations

from typing import Any

from standfast.agents.ip.api import Doubted, Healed, Pulsed, Revoked
from standfast.base.ids import NodeId
from standfast.base.report import Refused, Report, error, notice, warning
from standfast.base.wire import Malformed
from standfast.cib import effects as cib_effects
from standfast.cib.document import Cib, Version
from standfast.cib.machine import CibMachine
from standfast.cib.messages import decode_message
from standfast.controller import actions, bookkeeping, coordinator, duty, fences, messages, outbox, reading, results
from standfast.controller.clients import Clients, changed_meanwhile
from standfast.controller.clouds import Clouds
from standfast.controller.confirmations import Confirmations
from standfast.controller.coordinator import Coordinator
from standfast.controller.desk import Desk, Identity
from standfast.controller.effects import (
    Asked,
    DiskFailed,
    EngineLost,
    EngineSaid,
    HungUp,
    Keep,
    NodeInput,
    Now,
    PlanMade,
    Stop,
    Store,
    Terminate,
    ToEngine,
    Wake,
    Woken,
)
from standfast.controller.fences import Fences
from standfast.controller.gate import Gate
from standfast.controller.life import Life, LifeState
from standfast.controller.memory import Memory
from standfast.controller.messages import Await, Cancel, Depart, Duty, Envelope, Execute, Forget, Landed, Present, Rested, Step
from standfast.controller.outbox import Effect, Outbox
from standfast.controller.roll import Roll
from standfast.controller.scheduling import Scheduling
from standfast.engine.api import (
    Alive,
    ClientAbsent,
    Congested,
    Delivered,
    Leave,
    Pulse,
    QuorumChanged,
    Stable,
    ViewInstalled,
)
from standfast.executor import history
from standfast.executor.api import CancelRecurring, Completed, Perform, Result
from standfast.fencing.api import Finished
from standfast.openstack.api import Owned, Severed
from standfast.openstack.machine import Announce

ACTING_POLICIES = ("ignore", "freeze")
"""no-quorum-policy values under which what runs may go on running without quorum."""

PUSHED_OUT = 75
"""Exit code of a change that a new round of agreement pushed out before its turn (cib/effects.py, Applied)."""


Input = NodeInput | Completed | Announce | Finished | Severed | Owned


class Controller:
    """See the module. `step` applies one input; effects for the executor and the failover IPs are among its own."""

    def __init__(self, identity: Identity, machine: CibMachine) -> None:
        self.identity = identity
        self.roll = Roll(identity.id, names={identity.id: identity.name})
        self.life = Life()
        self._machine = machine
        self._memory = Memory()
        self._clients = Clients()
        self._confirmations = Confirmations(self.roll, machine)
        self._say = Outbox(identity.name, self.roll, self._clients, self._confirmations)
        self._scheduling = Scheduling(identity.name, identity.cluster_name, self.roll, machine, self._say)
        self._coordinator = Coordinator(identity.boot)
        self._fences = Fences(identity.boot, self.roll, machine, self._clients, self._say, self._coordinator)
        self._desk = Desk(identity, self.roll, machine, self._clients, self._say, self._fences, self._scheduling)
        self._clouds = Clouds(identity, self.roll)
        self._gate = Gate(self._coordinator, self._say)
        self._is_new_life = True
        self._was_apart = False
        self._waiting: dict[tuple[NodeId, int], tuple[Envelope, int]] = {}
        self._asked_rest: list[tuple[NodeId, int]] = []

    # ---- one way in ----------------------------------------------------------------------------------------------

    def step(self, now: Now, event: Input) -> tuple[Effect, ...]:
        """Apply one input; returns the effects in order."""
        if self.life.is_over:
            return ()
        self._say.now = now
        self._take(event)
        if self._confirmations.is_due and not self.life.is_over:
            self._confirmations.sent(self._say.send(None))
        if self._clients.waits_for_journals:
            self._say.answer(self._clients.confirmed(now.us, self._confirmations.verdict))
        if not isinstance(event, EngineSaid) or not isinstance(event.event, Pulse | Stable | Congested):
            self._say.add(*self._clouds.refresh(now.us, self.cib, self._say.propose, self._gate.starting))
            self._decide(self._gate.look(self.cib.root))
        return self._say.take()

    @property
    def cib(self) -> Cib:
        """This node's document."""
        return self._machine.cib

    @property
    def is_synced(self) -> bool:
        """Whether this node's document is the agreed one of its view."""
        return self._machine.is_synced

    @property
    def is_enough(self) -> bool:
        """Whether enough members take part in that agreement (CibMachine.is_enough)."""
        return self._machine.is_enough

    @property
    def coordinates(self) -> bool:
        """Whether this node coordinates the view."""
        return self.roll.coordinator == self.identity.id

    def check(self) -> None:
        """Assert the invariants of the parts."""
        self.roll.check()
        self._coordinator.check()
        self._clients.check()
        self._confirmations.check()
        self._fences.check()
        self._gate.check()
        assert self._coordinator.duty is coordinator.Duty.IDLE or self.coordinates, "a plan without the duty"

    def _take(self, event: Input) -> None:
        match event:
            case EngineSaid(said):
                self._engine_said(said)
            case EngineLost(reason):
                self._engine_lost(reason)
            case Asked():
                self._desk.asked(event)
                if self._desk.wants_shutdown:
                    self._desk.wants_shutdown = False
                    self._terminate()
            case HungUp(connection):
                self._clients.hung_up(connection)
            case PlanMade():
                self._plan_made(event)
            case Completed(result):
                self._completed(result)
            case Finished(ran):
                self._fences.finished(ran)
            case Announce() | Severed() | Owned():
                self._cloud_said(event)
            case Woken(room):
                self._woken(room)
            case Terminate():
                self._terminate()
            case DiskFailed(reason):
                self._disk_failed(reason)
            case _:
                raise AssertionError(f"not the controller's: {event!r}")

    # ---- the cluster layer ---------------------------------------------------------------------------------------

    def _engine_said(self, event: object) -> None:
        match event:
            case Delivered(view, seq, sender, payload):
                self._delivered(view.seq, seq, sender, payload)
            case Stable(view, seq):
                self._clients.stable(self._say.now.us, view.seq, seq, is_agreed=self._machine.is_synced)
                if self._clients.waits_for_journals:
                    self._desk.arm()
            case Pulse(until_us):
                self._say.add(ToEngine(Alive()))
                if self.may_hold:
                    self._say.add(Pulsed(until_us))
            case ViewInstalled():
                self._view_installed(event)
            case QuorumChanged(quorum):
                self.roll.quorum = quorum
                self._say_doubt()
                self._machine_did(cib_effects.QuorumChanged(quorum.quorate, self.roll.enough))
                self._write_down_duty()
            case ClientAbsent(_, _, node):
                self._manager_went(node)
            case Congested(congested):
                self._desk.is_congested = congested

    @property
    def may_hold(self) -> bool:
        """Whether this node may keep what it holds: it is in a view, and that has quorum or the user said to go on without."""
        if self.roll.quorum is None or not self.life.may_serve:
            return False
        return self.roll.quorum.quorate or reading.option(self.cib.root, "no-quorum-policy", "stop") in ACTING_POLICIES

    def _say_doubt(self) -> None:
        """Tell the failover IPs whether others may be acting too, unseen: without a majority of the votes this node goes on only
        because the user (no-quorum-policy) or a rule (two_node, auto_tie_breaker) said so, and the same may hold elsewhere."""
        quorum = self.roll.quorum
        assert quorum is not None
        is_minority = 2 * quorum.votes <= quorum.expected_votes and not quorum.is_sole
        self._say.add(Doubted(not quorum.quorate or is_minority))

    def _view_installed(self, event: ViewInstalled) -> None:
        view, quorum = event.view, event.quorum
        grew = self.roll.view is not None and len(view.members) > len(self.roll.view.members)
        self.roll.install(self._say.now.us, view, quorum)
        self._confirmations.begin_again()
        self._asked_rest.clear()
        while self._waiting:  # for an agreement that will not come any more: the next view agrees without it
            self._void(self._waiting.popitem()[1][0])
        self._decide(self._coordinator.dismissed())
        text = f"view {view.id.seq}: {', '.join(self.roll.name(node) for node in view.members)}"
        self._say.tell(notice("controller.view", text, quorum.reason))
        self._say.publish(
            "view",
            members=[self.roll.name(n) for n in view.members],
            joined=[self.roll.name(n) for n in view.joined],
            left=[self.roll.name(n) for n in view.left],
            quorate=quorum.quorate,
            reason=quorum.reason,
        )
        self._say_doubt()
        if grew:
            self._say.add(Healed())
        self._was_apart = len(view.members) > 1 and view.transitional == (self.identity.id,)
        self._machine_did(cib_effects.ViewInstalled(view.id.seq, view.members, quorum.quorate, self.roll.enough))

    def _engine_lost(self, reason: str) -> None:
        if self.roll.view is not None:
            self._say.tell(warning("controller.engine-lost", "the engine is gone: this node is in no view", reason))
        self.roll.lose()
        self._confirmations.begin_again()
        self._decide(self._coordinator.dismissed())
        self._say.answer(self._clients.view_lost())
        self._machine_did(cib_effects.ViewLost())
        if self.life.state is LifeState.STOPPING:
            self._end(0, notice("controller.stopped", "stopped; the engine went first"))

    def _manager_went(self, node: NodeId) -> None:
        self._say.tell(warning("controller.manager-absent", f"the manager of {self.roll.name(node)} does not take part"))
        self.roll.went(node)
        self._confirmations.went(node)
        self._was_apart |= node == self.identity.id  # this manager stood still, and the others went on without it
        self._machine_did(cib_effects.MemberAbsent(node))
        if self.coordinates:
            self._write_down_duty()
        else:
            self._look_for_duty()

    def _delivered(self, view: int, seq: int, sender: NodeId, payload: bytes) -> None:
        kind, body = payload[:1], payload[1:]
        try:
            if kind == outbox.CIB:
                self._machine_did(cib_effects.MessageDelivered(sender, decode_message(body)))
                return
            envelope = messages.decode(body)
        except Malformed as bad:
            self._say.tell(error("controller.malformed", f"{self.roll.name(sender)} sent what cannot be read", str(bad)))
            return
        self._confirmations.heard(sender, envelope)
        if isinstance(envelope.news, Duty) and (not self._machine.is_synced or self.roll.knows_more(envelope.news.present)):
            # It says of somebody who was heard of before it that he is not there: for everybody alike it was not said.
            if sender == self.identity.id:
                self._write_down_duty()
            return
        if envelope.order is not None and envelope.view != view:
            self._void(envelope)
            return
        if envelope.base and not (self._machine.is_synced and str(self.cib.version).startswith(f"{envelope.base}.")):
            if envelope.sender == self.identity.id:
                self._say.answer(self._clients.refused(envelope.number, changed_meanwhile(envelope.base, self.cib.version)))
            return
        if self._machine.is_synced and not envelope.change:
            self._effective(envelope)
            return
        self._waiting[sender, envelope.number] = (envelope, seq)
        self._machine_did(cib_effects.ChangeDelivered(sender, envelope.number, envelope.change))

    def _void(self, envelope: Envelope) -> None:
        """It belongs to an earlier view: nobody carries it out, and its change is not made either."""
        if envelope.sender == self.identity.id:
            reason = error("controller.view-changed", "the view changed while this was on its way", "", "try again")
            self._say.answer(self._clients.refused(envelope.number, Refused(reason)))

    # ---- the CIB -------------------------------------------------------------------------------------------------

    def _machine_did(self, event: cib_effects.MachineInput) -> None:
        effects = self._machine.step(event)
        for effect in effects:  # first of all: whatever is said from now on tells what the journal holds then
            if isinstance(effect, cib_effects.Append | cib_effects.Rewrite):
                self._say.add(Store(effect.data, rewrite=isinstance(effect, cib_effects.Rewrite)))
        for effect in effects:
            match effect:
                case cib_effects.Broadcast(message):
                    self._say.say(message)
                case cib_effects.KeepDropped(xml, version, reason):
                    self._keep(xml, version, reason)
                case cib_effects.Tell(report):
                    self._say.tell(report)
                case cib_effects.Applied():
                    self._applied(effect)
                case cib_effects.Unsynced():
                    self.roll.begin_again(self._say.now.us)
                    self._decide(self._coordinator.dismissed())
                case cib_effects.Synced(_, replaced):
                    if replaced:
                        self._say.answer(self._clients.replaced())
                    self._synced()
                    self._scheduling.agreed(effect.version, replaced=replaced)

    def _keep(self, xml: bytes, version: Version, reason: str) -> None:
        name = f"cib-{version}-{self._say.now.wall_s}.xml"
        self._say.add(Keep(name, xml))
        what = f"the configuration {version} of this node gave way to the cluster's"
        self._say.tell(warning("controller.dropped", what, reason, f"it is kept as dropped/{name} in the state folder"))

    def _applied(self, taken: cib_effects.Applied) -> None:
        envelope, seq = self._waiting.pop((taken.sender, taken.number), (None, 0))
        if envelope is None or taken.duplicate:
            return
        mine = taken.sender == self.identity.id
        if taken.exit_code == PUSHED_OUT:
            if mine and self.roll.view is not None and self._clients.is_expected(taken.number):
                self._clients.renumber(taken.number, self._say.send_again(envelope))
            return
        outcome = taken.outcome
        if outcome is not None and outcome.changed:
            self._scheduling.applied(outcome, envelope.change)
        if outcome is None:
            refusal = Refused(*taken.reports, exit_code=taken.exit_code)
            if mine:
                self._say.answer(self._clients.refused(taken.number, refusal))
            if envelope.news is None:
                return
            self._say.tell(error("controller.record-refused", "a record of the controller's own was refused", str(refusal)))
        elif mine and self.roll.view is not None:
            place = (self.roll.view.id.seq, seq)
            self._clients.applied(taken.number, place, outcome.after, changed_configuration=outcome.changed_configuration)
        self._effective(envelope)
        if outcome is not None and outcome.changed:
            self._say.publish("cib", version=str(outcome.after))
            if not envelope.expected:
                self._decide(self._coordinator.changed(self._say.now.us, duty.what_changed(outcome)))

    def _synced(self) -> None:
        """The document is agreed in this view: say what this node is and knows."""
        if self._clients.asks(self._say.now.us, at_once=True):
            self._say.send(None, asks=True)
        is_back = self._was_apart
        if is_back:
            # The others may run since what this node had: what it cannot vouch for is probed, not recovered.
            self._was_apart = False
            for resource, action, interval_ms in self._memory.forget_doubtful():
                self._say.add(CancelRecurring(resource, action, interval_ms, ""))
        operations = bookkeeping.announce(
            self.identity.id,
            self.identity.name,
            self._memory.xml(),
            is_new_life=self._is_new_life,
            forgets_failures=is_back,
        )
        self._is_new_life = False
        self._say.propose(operations, news=Present(self.identity.name), expected=True)

    # ---- envelopes in effect -------------------------------------------------------------------------------------

    def _effective(self, envelope: Envelope) -> None:
        """An envelope's change is made (or it had none): its order and its news count now."""
        if envelope.asks:
            self._machine_did(cib_effects.WriteDown())
        match envelope.order:
            case Execute(target, request) if target == self.identity.id:
                self._memory.begun(request, self.identity.name, self._say.now.wall_s)
                self._say.add(Perform(request))
            case Cancel(target, resource, action, interval_ms, key) if target == self.identity.id:
                self._say.add(CancelRecurring(resource, action, interval_ms, key))
            case Forget(histories):
                for resource in [name for node, name in histories if node == self.identity.id]:
                    for action, interval_ms in self._memory.forget(resource):
                        self._say.add(CancelRecurring(resource, action, interval_ms, ""))
            case Depart(target) if target == self.identity.id:
                self._depart()
            case (messages.RunFence(target) | messages.RecallFence(target)) as order if target == self.identity.id:
                self._say.add(fences.for_room(order))
        if isinstance(envelope.order, Execute):
            request = envelope.order.request
            self._say.publish_operation(
                envelope.order.target, (request.resource, request.action, request.interval_ms), state="started"
            )
        self._hear(envelope)
        if envelope.action and self.coordinates and envelope.sender == self.identity.id:
            self._decide(self._coordinator.done(self._say.now.us, envelope.action))

    def _hear(self, envelope: Envelope) -> None:
        match envelope.news:
            case Landed() as note:
                self._landed(note)
            case Present(name):
                self.roll.arrived(envelope.sender, name)
                if envelope.sender == self.roll.coordinator:
                    self.roll.coordinator = None  # a new life of its manager knows nothing of a duty
                if self.coordinates:
                    self._write_down_duty()
                self._look_for_duty()
            case Duty():
                self._took_duty(envelope.sender)
            case Step(transition, state, count, reason):
                self._say.publish("transition", number=transition, state=state, actions=count, reason=reason)
            case Await(token):
                self._asked_rest.append((envelope.sender, token))
                self._tell_rested()
            case Rested(asker, token) if asker == self.identity.id:
                self._say.answer(self._clients.rested(token))
            case _ if envelope.news is not None:
                self._decide(self._fences.hear(envelope.sender, envelope.news))
                if self._fences.is_doomed:
                    self._doomed()

    def _landed(self, note: Landed) -> None:
        operation = (note.resource, note.action, note.interval_ms)
        self._say.publish_operation(note.node, operation, state="done", rc=note.rc, reason=note.reason)
        if not self.coordinates:
            return
        if duty.counts(note):
            self._say.propose(duty.failure(self.cib.root, self.roll.name(note.node), note, self._say.now.wall_s))
        self._decide(self._coordinator.landed(self._say.now.us, note))

    # ---- the duty ------------------------------------------------------------------------------------------------

    def _look_for_duty(self) -> None:
        if self.roll.is_due(self._say.now.us):
            self._write_down_duty()
        elif (
            self.roll.view is not None
            and self.roll.coordinator is None
            and self.roll.missing
            and self._say.now.us < self.roll.grace_ends_us
        ):
            # Once the grace is over it is for the lowest that is present; whoever waits for it hears of it, and needs no timer.
            self._say.add(Wake("node", self.roll.grace_ends_us))

    def _write_down_duty(self) -> None:
        """Take up (or renew) the duty: everybody learns it with the records of who is not there."""
        if not (self.coordinates or self.roll.is_due(self._say.now.us)):
            return
        self._say.propose(
            duty.records(self.cib.root, self.roll, self.identity.cluster_name), news=Duty(self.roll.present), expected=True
        )

    def _took_duty(self, sender: NodeId) -> None:
        before = self.roll.coordinator
        self.roll.took_duty(sender)
        if not self.coordinates:  # another one may have taken it over: his grace was over before we were heard of
            self._fences.dismissed()
            self._decide(self._coordinator.dismissed())
        if self.coordinates:
            self._decide(self._fences.appointed())
            if before != sender:
                self._decide(self._coordinator.appointed(self._say.now.us))
            else:
                self._decide(self._coordinator.changed(self._say.now.us, "who takes part has changed"))
        if before != self.roll.coordinator:
            self._fences.ask_again()
            for token in self._clients.open_questions:
                self._say.propose((), news=Await(token))

    def _decide(self, effects: tuple[coordinator.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case coordinator.WantPlan(number):
                    self._scheduling.ask(number, keep=True)
                case coordinator.Start(action, key, handover):
                    if not self._gate.holds(self.cib.root, effect):
                        self._carry_out(action, key, handover)
                case coordinator.Told(report):
                    self._say.tell(report)
                case coordinator.Progress(number, state, count, reason):
                    self._say.propose((), news=Step(number, state, count, reason))
                case coordinator.Alarm(at_us):
                    self._say.add(Wake("coordinator", at_us))
        self._tell_rested()

    def _carry_out(self, action: Any, key: history.TransitionKey, handover: bool) -> None:
        if action.operation == coordinator.FENCE:
            self._decide(self._fences.carry_out(action, key))
            return
        try:
            errand = actions.errand(action, key, self._say.now.wall_s, handover=handover)
        except Refused as refusal:
            self._decide(self._coordinator.failed(self._say.now.us, action.id, str(refusal)))
            return
        self._say.propose(errand.operations, order=errand.order, expected=True, action=action.id if errand.at_once else 0)

    def _tell_rested(self) -> None:
        if self.coordinates and self._coordinator.is_settled:
            for asker, token in self._asked_rest:
                self._say.propose((), news=Rested(asker, token))
            self._asked_rest.clear()

    def _plan_made(self, event: PlanMade) -> None:
        made = self._scheduling.answered(event)
        if made is None:
            return
        if made.number < 0:
            self._say.answer(self._clients.planned(made.number, made.plan, made.fault))
            return
        self._fences.planned(made.plan)
        self._decide(self._coordinator.planned(self._say.now.us, self._say.now.wall_s, made.number, made.plan, made.fault))

    # ---- the executor --------------------------------------------------------------------------------------------

    def _completed(self, result: Result) -> None:
        """An operation of this node ended: keep it, and let everybody know."""
        told = results.told(self.identity.id, self.identity.name, result, self._memory.note(result, self.identity.name))
        if told is not None:
            self._say.propose(told.operations, news=told.landed, expected=True)

    def _cloud_said(self, event: Announce | Severed | Owned) -> None:
        if isinstance(event, Severed | Owned):
            self._gate.said(event)
        elif self._machine.is_synced:
            self._say.propose(self._clouds.announced(event))

    # ---- the node's life -----------------------------------------------------------------------------------------

    def _terminate(self) -> None:
        again = self.life.state is LifeState.STOPPING
        self.life.stop()
        if again or self.roll.view is None or not self._machine.is_synced:
            self._depart()
            return
        self._say.tell(notice("controller.stopping", "stopping: resources leave this node first"))
        attribute = bookkeeping.attribute(self.identity.id, self.identity.name, "shutdown", str(self._say.now.wall_s))
        self._say.propose((attribute,))

    def _depart(self) -> None:
        self.life.stop()
        self._say.add(Revoked("this node leaves the cluster"))
        if self.roll.view is not None:
            self._say.add(ToEngine(Leave()))
        self._end(0, notice("controller.stopped", "stopped"))

    def _doomed(self) -> None:
        """The others hold this node for fenced, and it is not: whatever it has, they take it (fence-reaction=stop)."""
        self._say.add(Revoked("the cluster has fenced this node"), ToEngine(Leave()))
        remedy = "make sure that the fencing device really cuts this host off, then start the node again"
        self._end(78, error("controller.fenced", "this node was fenced, says its device, and is still alive", "", remedy))

    def _disk_failed(self, reason: str) -> None:
        self._say.add(Revoked("this node's disk failed"))
        report = error(
            "controller.disk-failed",
            "the CIB's journal cannot be written: this node steps down",
            reason,
            "free space or mend the disk under the state folder, then start the node again",
        )
        if self.roll.view is not None:
            self._say.add(ToEngine(Leave()))
        self._end(78, report)

    def _end(self, code: int, report: Report) -> None:
        self._say.tell(report)
        self._say.add(Stop(code, report))
        self.life.end()

    # ---- small things --------------------------------------------------------------------------------------------

    def _woken(self, room: str) -> None:
        if room == "coordinator":
            self._decide(self._coordinator.elapsed(self._say.now.us))
        elif room == "clients":
            self._say.answer(self._clients.timed_out(self._say.now.us))
            self._say.answer(self._clients.confirmed(self._say.now.us, self._confirmations.verdict))
            if self._clients.asks(self._say.now.us) and self._machine.is_synced:
                self._say.send(None, asks=True)
            self._desk.arm()
        elif room == "fence-requests":
            self._decide(self._fences.elapsed())
        elif room == "foresight":
            self._scheduling.foresee(is_settled=self._coordinator.is_settled)
        elif room != "gate":  # which is looked at after every event
            self._look_for_duty()
