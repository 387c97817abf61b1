"""The controller: views in, decisions carried out. Routes between its parts and decides nothing twice.

    engine -> Roll (who takes part) -> CibMachine (one document) -> Coordinator (plan, graph) -> orders -> the nodes' executors
    executor -> Memory -> envelope -> everybody's CIB -> Coordinator

Owns: the node's life cycle and the order in which its parts hear of things. Does not own: any of their decisions.
Invariants (`check`): the parts' own; orders go out only while this node coordinates; after the end nothing goes out at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from standfast.agents.ip.api import Healed, IpInput, Pulsed, Revoked
from standfast.base.ids import NodeId
from standfast.base.report import Refused, Report, error, notice, warning
from standfast.base.wire import Malformed
from standfast.cib import effects as cib_effects
from standfast.cib.apply import Outcome
from standfast.cib.document import Cib, Version
from standfast.cib.machine import CibMachine
from standfast.cib.messages import decode_message, encode_message
from standfast.cib.operations import Change, Operation, Origin, encode_change
from standfast.controller import actions, bookkeeping, coordinator, messages, reading, verbs
from standfast.controller.clients import Asker, Clients, failure, success
from standfast.controller.coordinator import Coordinator
from standfast.controller.effects import (
    Answer,
    Asked,
    AskPlan,
    DiskFailed,
    EngineLost,
    EngineSaid,
    HungUp,
    Keep,
    NodeEffect,
    NodeInput,
    Now,
    PlanMade,
    Stop,
    Store,
    Tell,
    Terminate,
    ToEngine,
    Wake,
    Woken,
)
from standfast.controller.life import Life, LifeState
from standfast.controller.memory import Memory
from standfast.controller.messages import Await, Cancel, Depart, Duty, Envelope, Execute, Forget, Landed, Present, Rested, Step
from standfast.controller.roll import Roll
from standfast.engine.api import (
    Alive,
    Broadcast,
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
from standfast.executor.api import CancelRecurring, Completed, ExecutorInput, OpStatus, Perform, Result
from standfast.scheduler.api import Plan

ACTING_POLICIES = ("ignore", "freeze")
"""no-quorum-policy values under which what runs may go on running without quorum."""

PUSHED_OUT = 75
"""Exit code of a change that a new round of agreement pushed out before its turn (cib/effects.py, Applied)."""

_ENVELOPE, _CIB = b"E", b"C"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is. `boot` is new in each life of the manager."""

    id: NodeId
    name: str
    boot: str
    cluster_name: str
    admin_gid: int | None = None


Effect = NodeEffect | ExecutorInput | IpInput
Input = NodeInput | Completed


class Controller:
    """See the module. `step` applies one input; effects for the executor and the failover IPs are among its own."""

    def __init__(self, identity: Identity, machine: CibMachine) -> None:
        self.identity = identity
        self.roll = Roll(identity.id, names={identity.id: identity.name})
        self.life = Life()
        self._machine = machine
        self._memory = Memory()
        self._clients = Clients()
        self._coordinator = Coordinator(identity.boot)
        self._number = 0
        self._now = Now(0, 0)
        self._out: list[Effect] = []
        self._is_new_life = True
        self._was_apart = False
        self._congested = False
        self._waiting: dict[tuple[NodeId, int], tuple[Envelope, int]] = {}
        self._asked_rest: list[tuple[NodeId, int]] = []

    # ---- one way in ----------------------------------------------------------------------------------------------

    def step(self, now: Now, event: Input) -> tuple[Effect, ...]:
        """Apply one input; returns the effects in order."""
        self._now, self._out = now, []
        if self.life.is_over:
            return ()
        self._take(event)
        out, self._out = tuple(self._out), []
        return out

    @property
    def cib(self) -> Cib:
        """This node's document."""
        return self._machine.cib

    @property
    def coordinates(self) -> bool:
        """Whether this node coordinates the view."""
        return self.roll.coordinator == self.identity.id

    def check(self) -> None:
        """Assert the invariants of the parts."""
        self.roll.check()
        self._coordinator.check()
        self._clients.check()
        assert self._coordinator.duty is coordinator.Duty.IDLE or self.coordinates, "a plan without the duty"

    def _take(self, event: Input) -> None:
        match event:
            case EngineSaid(said):
                self._engine_said(said)
            case EngineLost(reason):
                self._engine_lost(reason)
            case Asked():
                self._asked(event)
            case HungUp(connection):
                self._clients.hung_up(connection)
            case PlanMade():
                self._plan_made(event)
            case Completed(result):
                self._completed(result)
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
                self._answer(self._clients.stable(view.seq, seq))
            case Pulse(until_us):
                self._out.append(ToEngine(Alive()))
                if self.may_hold:
                    self._out.append(Pulsed(until_us))
            case ViewInstalled():
                self._view_installed(event)
            case QuorumChanged(quorum):
                self.roll.quorum = quorum
                self._machine_did(cib_effects.QuorumChanged(quorum.quorate))
                self._write_down_duty()
            case ClientAbsent(_, _, node):
                self._manager_went(node)
            case Congested(congested):
                self._congested = congested

    @property
    def may_hold(self) -> bool:
        """Whether this node may keep what it holds: it is in a view, and that has quorum or the user said to go on without."""
        if self.roll.quorum is None or not self.life.may_serve:
            return False
        return self.roll.quorum.quorate or reading.option(self.cib.root, "no-quorum-policy", "stop") in ACTING_POLICIES

    def _view_installed(self, event: ViewInstalled) -> None:
        view, quorum = event.view, event.quorum
        grew = self.roll.view is not None and len(view.members) > len(self.roll.view.members)
        self.roll.install(self._now.us, view, quorum)
        self._asked_rest.clear()
        self._waiting.clear()
        self._decide(self._coordinator.dismissed())
        names = ", ".join(self.roll.name(node) for node in view.members)
        text = f"view {view.id.seq}: {names}"
        self._tell(notice("controller.view", text, quorum.reason))
        self._publish(
            "view",
            members=[self.roll.name(n) for n in view.members],
            joined=[self.roll.name(n) for n in view.joined],
            left=[self.roll.name(n) for n in view.left],
            quorate=quorum.quorate,
            reason=quorum.reason,
        )
        if grew:
            self._out.append(Healed())
        self._was_apart = len(view.members) > 1 and view.transitional == (self.identity.id,)
        self._machine_did(cib_effects.ViewInstalled(view.id.seq, view.members, quorum.quorate))

    def _engine_lost(self, reason: str) -> None:
        if self.roll.view is not None:
            self._tell(warning("controller.engine-lost", "the engine is gone: this node is in no view", reason))
        self.roll.lose()
        self._decide(self._coordinator.dismissed())
        self._answer(self._clients.view_lost())
        self._machine_did(cib_effects.ViewLost())
        if self.life.state is LifeState.STOPPING:
            self._end(0, notice("controller.stopped", "stopped; the engine went first"))

    def _manager_went(self, node: NodeId) -> None:
        self._tell(warning("controller.manager-absent", f"the manager of {self.roll.name(node)} does not take part"))
        self.roll.went(node)
        self._machine_did(cib_effects.MemberAbsent(node))
        if self.coordinates:
            self._write_down_duty()
        else:
            self._look_for_duty()

    def _delivered(self, view: int, seq: int, sender: NodeId, payload: bytes) -> None:
        kind, body = payload[:1], payload[1:]
        try:
            if kind == _CIB:
                self._machine_did(cib_effects.MessageDelivered(sender, decode_message(body)))
                return
            envelope = messages.decode(body)
        except Malformed as bad:
            self._tell(error("controller.malformed", f"{self.roll.name(sender)} sent what cannot be read", str(bad)))
            return
        if envelope.order is not None and envelope.view != view:
            self._void(envelope)
            return
        if self._machine.is_synced and not envelope.change:
            self._effective(envelope)
            return
        self._waiting[sender, envelope.number] = (envelope, seq)
        self._machine_did(cib_effects.ChangeDelivered(sender, envelope.number, envelope.change))

    def _void(self, envelope: Envelope) -> None:
        """An order of an earlier view: nobody carries it out, and its change is not made either."""
        if envelope.sender == self.identity.id:
            reason = error("controller.view-changed", "the view changed while this was on its way", "", "try again")
            self._answer(self._clients.refused(envelope.number, Refused(reason)))

    # ---- the CIB -------------------------------------------------------------------------------------------------

    def _machine_did(self, event: cib_effects.MachineInput) -> None:
        for effect in self._machine.step(event):
            match effect:
                case cib_effects.Broadcast(message):
                    self._out.append(ToEngine(Broadcast(_CIB + encode_message(message))))
                case cib_effects.Append(data):
                    self._out.append(Store(data, rewrite=False))
                case cib_effects.Rewrite(data):
                    self._out.append(Store(data, rewrite=True))
                case cib_effects.KeepDropped(xml, version, reason):
                    self._keep(xml, version, reason)
                case cib_effects.Tell(report):
                    self._tell(report)
                case cib_effects.Applied():
                    self._applied(effect)
                case cib_effects.Unsynced():
                    self.roll.begin_again(self._now.us)
                    self._decide(self._coordinator.dismissed())
                case cib_effects.Synced():
                    self._synced()

    def _keep(self, xml: bytes, version: Version, reason: str) -> None:
        name = f"cib-{version}-{self._now.wall_s}.xml"
        self._out.append(Keep(name, xml))
        what = f"the configuration {version} of this node gave way to the cluster's"
        self._tell(warning("controller.dropped", what, reason, f"it is kept as dropped/{name} in the state folder"))

    def _applied(self, taken: cib_effects.Applied) -> None:
        envelope, seq = self._waiting.pop((taken.sender, taken.number), (None, 0))
        if envelope is None or taken.duplicate:
            return
        mine = taken.sender == self.identity.id
        if taken.exit_code == PUSHED_OUT:
            if mine and self.roll.view is not None and self._clients.is_expected(taken.number):
                self._clients.renumber(taken.number, self._send_again(envelope))
            return
        outcome = taken.outcome
        if outcome is None:
            refusal = Refused(*taken.reports, exit_code=taken.exit_code)
            if mine:
                self._answer(self._clients.refused(taken.number, refusal))
            if envelope.news is None:
                return
            self._tell(error("controller.record-refused", "a record of the controller's own was refused", str(refusal)))
        elif mine and self.roll.view is not None:
            self._clients.applied(taken.number, self.roll.view.id.seq, seq, {"version": str(outcome.after)})
        self._effective(envelope)
        if outcome is not None and outcome.changed:
            self._publish("cib", version=str(outcome.after))
            if not envelope.expected:
                self._decide(self._coordinator.changed(self._now.us, _what_changed(outcome)))

    def _send_again(self, envelope: Envelope) -> int:
        """A tool's change that lost its turn to a new round of agreement."""
        assert self.roll.view is not None
        self._number += 1
        again = msgspec.structs.replace(envelope, number=self._number, view=self.roll.view.id.seq)
        self._out.append(ToEngine(Broadcast(_ENVELOPE + messages.encode(again))))
        return self._number

    def _synced(self) -> None:
        """The document is agreed in this view: say what this node is and knows."""
        is_back = self._was_apart
        if is_back:
            # What failed while this node was apart (no carrier, a lease that ran out in a freeze) says nothing about now, and the
            # others may run it since: without a history it is probed, not recovered.
            self._was_apart = False
            for resource, action, interval_ms in self._memory.forget_failures():
                self._out.append(CancelRecurring(resource, action, interval_ms, ""))
        operations = bookkeeping.announce(
            self.identity.id,
            self.identity.name,
            self._memory.xml(),
            is_new_life=self._is_new_life,
            forgets_failures=is_back,
        )
        self._is_new_life = False
        self._propose(operations, news=Present(self.identity.name), expected=True)

    # ---- envelopes in effect -------------------------------------------------------------------------------------

    def _effective(self, envelope: Envelope) -> None:
        """An envelope's change is made (or it had none): its order and its news count now."""
        match envelope.order:
            case Execute(target, request) if target == self.identity.id:
                self._out.append(Perform(request))
            case Cancel(target, resource, action, interval_ms, key) if target == self.identity.id:
                self._out.append(CancelRecurring(resource, action, interval_ms, key))
            case Forget(histories):
                for resource in [name for node, name in histories if node == self.identity.id]:
                    for action, interval_ms in self._memory.forget(resource):
                        self._out.append(CancelRecurring(resource, action, interval_ms, ""))
            case Depart(target) if target == self.identity.id:
                self._depart()
        if isinstance(envelope.order, Execute):
            self._publish_action(envelope.order)
        self._hear(envelope)
        if envelope.action and self.coordinates and envelope.sender == self.identity.id:
            self._decide(self._coordinator.done(self._now.us, envelope.action))

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
                self._publish("transition", number=transition, state=state, actions=count, reason=reason)
            case Await(token):
                self._asked_rest.append((envelope.sender, token))
                self._tell_rested()
            case Rested(asker, token) if asker == self.identity.id:
                self._answer(self._clients.rested(token))

    def _landed(self, note: Landed) -> None:
        state = {"state": "done", "rc": note.rc, "reason": note.reason}
        self._publish_operation(note.node, note.resource, note.action, note.interval_ms, state)
        if not self.coordinates:
            return
        if _counts(note):
            self._propose(self._failure(note), expected=False)
        self._decide(self._coordinator.landed(self._now.us, note))

    def _failure(self, note: Landed) -> tuple[Operation, ...]:
        """Count a failure, as Pacemaker's controller does: a failed stop, and by default a failed start, is for ever."""
        fatal = note.action == "stop"
        if note.action == "start":
            fatal = reading.option(self.cib.root, "start-failure-is-fatal", "true").lower() in ("true", "yes", "on", "1", "y")
        key = (note.resource, note.action, note.interval_ms)
        name = f"fail-count-{note.resource}#{note.action}_{note.interval_ms}"
        old = reading.transient_attribute(self.cib.root, note.node, name) or "0"
        count = "INFINITY" if fatal or not old.isdigit() else str(int(old) + 1)
        return bookkeeping.failure(note.node, self.roll.name(note.node), key, count, self._now.wall_s)

    # ---- the duty ------------------------------------------------------------------------------------------------

    def _look_for_duty(self) -> None:
        if self.roll.is_due(self._now.us):
            self._write_down_duty()
        elif self.roll.view is not None and self.roll.coordinator is None and self.roll.missing:
            self._out.append(Wake("node", max(self._now.us, self.roll.grace_ends_us)))

    def _write_down_duty(self) -> None:
        """Take up (or renew) the duty: everybody learns it with the records of who is not there."""
        if not (self.coordinates or self.roll.is_due(self._now.us)):
            return
        self._propose(self._duty_records(), news=Duty(), expected=True)

    def _duty_records(self) -> tuple[Operation, ...]:
        root = self.cib.root
        out: list[Operation] = []
        members = self._members()
        for node, name in reading.nodes(root):
            if node not in self.roll.present and not reading.is_offline(root, node, member=node in members):
                out += bookkeeping.absent(node, name, member=node in members)
        quorum = self.roll.quorum
        out.append(bookkeeping.cluster(self.identity.id, quorate=quorum is not None and quorum.quorate))
        wanted = {"have-watchdog": "false", "dc-version": bookkeeping.DC_VERSION, "cluster-infrastructure": "corosync"}
        if self.identity.cluster_name:
            wanted["cluster-name"] = self.identity.cluster_name
        missing = [(name, value) for name, value in wanted.items() if reading.option(root, name, "") == ""]
        if missing:
            out.append(bookkeeping.properties(missing))
        return tuple(out)

    def _took_duty(self, sender: NodeId) -> None:
        before = self.roll.coordinator
        self.roll.took_duty(sender)
        if self.coordinates:
            if before != sender:
                self._decide(self._coordinator.appointed(self._now.us))
            else:
                self._decide(self._coordinator.changed(self._now.us, "who takes part has changed"))
        if before != self.roll.coordinator:
            for token in self._clients.open_questions:
                self._propose((), news=Await(token))

    def _decide(self, effects: tuple[coordinator.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case coordinator.WantPlan(number):
                    self._out.append(AskPlan(number, self._now.wall_s, self.cib.compact()))
                case coordinator.Start(action, key, handover):
                    self._carry_out(action, key, handover)
                case coordinator.Told(report):
                    self._tell(report)
                case coordinator.Progress(number, state, count, reason):
                    self._propose((), news=Step(number, state, count, reason))
                case coordinator.Alarm(at_us):
                    self._out.append(Wake("coordinator", at_us))
        self._tell_rested()

    def _carry_out(self, action: Any, key: history.TransitionKey, handover: bool) -> None:
        try:
            errand = actions.errand(action, key, self._now.wall_s, handover=handover)
        except Refused as refusal:
            self._decide(self._coordinator.failed(self._now.us, action.id, str(refusal)))
            return
        done = action.id if errand.at_once else 0
        self._propose(errand.operations, order=errand.order, expected=True, action=done)

    def _tell_rested(self) -> None:
        if self.coordinates and self._coordinator.is_settled:
            for asker, token in self._asked_rest:
                self._propose((), news=Rested(asker, token))
            self._asked_rest.clear()

    def _plan_made(self, event: PlanMade) -> None:
        if event.number < 0:
            self._answer(self._clients.planned(event.number, event.plan, event.fault))
            return
        self._decide(self._coordinator.planned(self._now.us, self._now.wall_s, event.number, event.plan, event.fault))

    # ---- the executor --------------------------------------------------------------------------------------------

    def _completed(self, result: Result) -> None:
        """An operation of this node ended: keep it, and let everybody know."""
        request = result.request
        if result.status is OpStatus.CANCELLED:
            self._cancelled(result)
            return
        entries = self._memory.note(result, self.identity.name)
        where = (self.identity.id, self.identity.name, request.resource)
        change = bookkeeping.record(*where, _agent(result), entries) if entries else ()
        note = Landed(
            self.identity.id,
            request.resource,
            request.action,
            request.interval_ms,
            request.transition_key,
            result.rc,
            int(result.status),
            result.reason,
        )
        self._propose(change, news=note, expected=True)

    def _cancelled(self, result: Result) -> None:
        request = result.request
        self._memory.note(result, self.identity.name)
        if not request.transition_key or not request.interval_ms:
            return
        expected = history.expected_rc(request.transition_key)
        note = Landed(self.identity.id, request.resource, "cancel", request.interval_ms, request.transition_key, expected, 0, "")
        change = (bookkeeping.forget_entry(self.identity.id, request.resource, request.key),)
        self._propose(change, news=note, expected=True)

    # ---- local tools ---------------------------------------------------------------------------------------------

    def _asked(self, event: Asked) -> None:
        asker = Asker(event.connection, event.request.get("id"))
        try:
            verbs.perform(self, asker, event, self.identity.admin_gid)
        except Refused as refusal:
            self._answer([(asker.connection, failure(asker, refusal))])

    def answer(self, asker: Asker, **fields: Any) -> None:
        """Answer a request at once."""
        self._answer([(asker.connection, success(asker, **fields))])

    def propose_for(
        self, asker: Asker, operations: tuple[Operation, ...], order: Forget | None, author: verbs.Author, answer: dict[str, Any]
    ) -> None:
        """A tool's change of the CIB; answered when it is applied and stable. Raises Refused when there is no view."""
        self._need_view()
        if self._congested:
            raise Refused(error("api.congested", "too much is on its way already", "", "try again in a moment"))
        origin = Origin(author.user, author.client, self.identity.name, self._now.wall_s)
        number = self._send(Change(operations, origin), order=order)
        self._clients.expect_change(number, asker, answer)

    def plan_for(self, asker: Asker, xml: bytes | None, render: Callable[[Plan], dict[str, Any]]) -> None:
        """A plan for a tool: of the live document, or of `xml`."""
        number = self._clients.expect_plan(asker, render)
        self._out.append(AskPlan(number, self._now.wall_s, xml if xml is not None else self.cib.compact()))

    def wait_for(self, asker: Asker, timeout_s: float) -> None:
        """Answer when nothing is under way any more, or when the time is up."""
        self._need_view()
        token = self._clients.expect_rest(self._now.us, asker, timeout_s)
        self._propose((), news=Await(token))
        self._arm_clients()

    def follow(self, asker: Asker) -> None:
        """Send every event from now on."""
        self._answer(self._clients.follow(asker))

    def shut_down(self) -> None:
        """Leave in order, as for a signal."""
        self._terminate()

    @property
    def now(self) -> Now:
        """The time of the event that is being handled."""
        return self._now

    def _need_view(self) -> None:
        if self.roll.view is None or not self._machine.is_synced:
            raise Refused(
                error(
                    "controller.no-view",
                    "this node is not in the cluster at the moment",
                    "its engine does not run, or it is still agreeing with the others",
                    "crm status shows when it is; corosync-cfgtool -s shows who is reachable",
                ),
                exit_code=102,
            )

    # ---- the node's life -----------------------------------------------------------------------------------------

    def _terminate(self) -> None:
        again = self.life.state is LifeState.STOPPING
        self.life.stop()
        if again or self.roll.view is None or not self._machine.is_synced:
            self._depart()
            return
        self._tell(notice("controller.stopping", "stopping: resources leave this node first"))
        attribute = bookkeeping.attribute(self.identity.id, self.identity.name, "shutdown", str(self._now.wall_s))
        self._propose((attribute,))

    def _depart(self) -> None:
        self.life.stop()
        self._out.append(Revoked("this node leaves the cluster"))
        if self.roll.view is not None:
            self._out.append(ToEngine(Leave()))
        self._end(0, notice("controller.stopped", "stopped"))

    def _disk_failed(self, reason: str) -> None:
        self._out.append(Revoked("this node's disk failed"))
        report = error(
            "controller.disk-failed",
            "the CIB's journal cannot be written: this node steps down",
            reason,
            "free space or mend the disk under the state folder, then start the node again",
        )
        if self.roll.view is not None:
            self._out.append(ToEngine(Leave()))
        self._end(78, report)

    def _end(self, code: int, report: Report) -> None:
        self._tell(report)
        self._out.append(Stop(code, report))
        self.life.end()

    # ---- small things --------------------------------------------------------------------------------------------

    def _woken(self, room: str) -> None:
        if room == "coordinator":
            self._decide(self._coordinator.elapsed(self._now.us))
        elif room == "clients":
            self._answer(self._clients.timed_out(self._now.us))
            self._arm_clients()
        else:
            self._look_for_duty()

    def _arm_clients(self) -> None:
        at_us = self._clients.next_timeout_us()
        if at_us is not None:
            self._out.append(Wake("clients", at_us))

    def _members(self) -> tuple[NodeId, ...]:
        return self.roll.view.members if self.roll.view is not None else ()

    def _propose(
        self,
        operations: tuple[Operation, ...] = (),
        *,
        order: messages.Order | None = None,
        news: messages.News | None = None,
        expected: bool = False,
        action: int = 0,
    ) -> None:
        """Send something of the controller's own. Without a view it is dropped: the next view begins with what is known then."""
        if self.roll.view is None:
            return
        origin = Origin("hacluster", "crmd", self.identity.name, self._now.wall_s)
        change = Change(operations, origin) if operations else None
        self._send(change, order=order, news=news, expected=expected, action=action)

    def _send(
        self,
        change: Change | None,
        *,
        order: messages.Order | None = None,
        news: messages.News | None = None,
        expected: bool = False,
        action: int = 0,
    ) -> int:
        assert self.roll.view is not None
        self._number += 1
        data = encode_change(change) if change is not None else b""
        envelope = Envelope(self.identity.id, self._number, self.roll.view.id.seq, data, order, news, expected, action)
        self._out.append(ToEngine(Broadcast(_ENVELOPE + messages.encode(envelope))))
        return self._number

    def _answer(self, answers: list[tuple[int, dict[str, Any]]]) -> None:
        self._out += [Answer(connection, message) for connection, message in answers]

    def _publish(self, kind: str, **fields: Any) -> None:
        self._answer(self._clients.publish(kind, **fields))

    def _publish_action(self, order: Execute) -> None:
        request = order.request
        self._publish_operation(order.target, request.resource, request.action, request.interval_ms, {"state": "started"})

    def _publish_operation(self, node: NodeId, resource: str, action: str, interval_ms: int, state: dict[str, Any]) -> None:
        name = self.roll.name(node)
        self._publish("action", node=name, resource=resource, operation=action, interval_ms=interval_ms, **state)

    def _tell(self, report: Report) -> None:
        self._out.append(Tell(report))
        self._publish("report", code=report.code, severity=report.severity.value, text=report.sentence())


def _counts(note: Landed) -> bool:
    """Whether an operation's end is a failure to be counted: probes and cancelled operations are not."""
    failed = note.status != 0 or note.rc != history.expected_rc(note.transition_key)
    return failed and note.action != "cancel" and not (note.action == "monitor" and note.interval_ms == 0)


def _agent(result: Result) -> tuple[str, str, str]:
    agent = result.request.agent
    return agent.standard.value, agent.provider, agent.type


def _what_changed(outcome: Outcome) -> str:
    where = "configuration" if outcome.changed_configuration else "status"
    return f"the {where} changed ({outcome.before} -> {outcome.after})"
