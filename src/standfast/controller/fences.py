"""Fencing in the controller: from the plan's `stonith` actions and people's requests to the room that decides how, and back.

Every node keeps the history, as the ordered messages tell it; the coordinator alone decides, and writes into the CIB what a
fencing means: the node is down and nothing is remembered of it, or (after an `on`) that it has its access.

Owns: that translation, and how often a failing target is tried again. Does not own: how a node is fenced (fencing/), whether it
has to be (scheduler/). Invariant: only the coordinator orders; a target that fails stonith-max-attempts times waits for news.
"""

from __future__ import annotations

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error, warning
from standfast.cib.machine import CibMachine
from standfast.cib.operations import Operation
from standfast.controller import bookkeeping, reading
from standfast.controller.clients import Asker, Clients
from standfast.controller.coordinator import Coordinator
from standfast.controller.coordinator import Effect as Decision
from standfast.controller.effects import Wake
from standfast.controller.messages import FenceAsked, FenceForgotten, FenceKnown, FenceNoted, FenceRan, RecallFence, RunFence
from standfast.controller.outbox import Outbox
from standfast.controller.roll import Roll
from standfast.executor.history import TransitionKey
from standfast.fencing import api, history
from standfast.fencing.requests import A_HUMAN, Requests
from standfast.scheduler.api import Fencing, Plan
from standfast.scheduler.graph.model import Action

DEADTIME_US = 20_000_000
"""How long after its own start a node does not fence those that it has never seen: they may be starting, too (dc-deadtime)."""

GRAPH, CLIENT = "graph", "client"
ATTEMPTS_MAX = 10
"""stonith-max-attempts' default."""
EXIT_NO_SUCH = 105
EXIT_TIMEOUT = 124
SHARED_RECORDS = 200
TARGETS_MAX = 1024


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a fencing of the plan is for: the action that waits for it and what it brings down or leaves behind."""

    action: Action
    key: TransitionKey


class Fences:
    """See the module."""

    def __init__(
        self, boot: str, roll: Roll, machine: CibMachine, clients: Clients, say: Outbox, coordinator: Coordinator
    ) -> None:
        """`boot` is new in each life of the manager."""
        self.history = history.History()
        self.is_doomed = False
        self._boot = boot
        self._machine = machine
        self._roll = roll
        self._clients = clients
        self._say = say
        self._coordinator = coordinator
        self._requests = Requests(boot)
        self._aims: dict[str, _Aim] = {}
        self._failures: dict[str, int] = {}
        self._aimed_at_us: set[str] = set()
        self._wishes: dict[int, FenceAsked] = {}
        self._patient_until_us: int | None = None
        self._serves: NodeId | None = None
        self._decisions: list[Decision] = []

    # ---- the duty ------------------------------------------------------------------------------------------------

    def planned(self, plan: Plan | None) -> None:
        """A plan was made: what it says about devices holds now."""
        if self._patient_until_us is None:
            self._patient_until_us = self._say.now.us + DEADTIME_US
        if plan is not None:
            self._requests.facts = facts_of(plan.fencing)

    def appointed(self) -> tuple[Decision, ...]:
        """This node coordinates (again): what it has in hand goes on, what another left pending is over."""
        self._serve()
        self._close()
        self._share()
        self._perform(self._requests.step(self._say.now.us, api.Members(self._present())))
        return self.take()

    def ask_again(self) -> None:
        """Another node coordinates from here on: whoever waits here asks it. It may be new, and know nothing of what was:
        the first of the others tells it."""
        others = [node for node in self._roll.present if node != self._roll.coordinator]
        if others[:1] == [self._roll.local]:
            self._share()
        for token in list(self._wishes):
            if self._clients.is_fencing(token):
                self._say.propose(news=self._wishes[token])
            else:
                del self._wishes[token]

    def dismissed(self) -> None:
        """Another node coordinates."""
        self._serve()
        self._requests.drop()
        self._aims.clear()

    def _close(self) -> None:
        """What is pending, and not in hand here, was another coordinator's."""
        for record in self.history.records():
            if record.phase is api.Phase.PENDING and record.id not in self._requests.pending:
                self._note(_closed(record, self._say.now.wall_s, "another node coordinates since"))

    def _serve(self) -> None:
        """What another coordinator has ordered here, and has not begun, is left alone: the new one orders what it still wants.
        Its first plan may know that the target is back, and nobody else would call the job back."""
        last, self._serves = self._serves, self._roll.coordinator
        if last not in (None, self._serves):
            self._say.add(api.Recall("", "another node coordinates since"))

    def _share(self) -> None:
        """Whoever has come learns what was fenced."""
        records = self.history.records()[:SHARED_RECORDS]
        if records:
            self._say.propose(news=FenceKnown(records))

    def carry_out(self, action: Action, key: TransitionKey) -> tuple[Decision, ...]:
        """The plan's action: it ends with the fencing."""
        if self._patient_until_us is not None and self._say.now.us < self._patient_until_us and self._is_unseen(action):
            self._say.add(Wake("fence-requests", self._patient_until_us))
            reason = f"{action.node} has not been seen yet, and may be starting: it is not fenced before {DEADTIME_US // 10**6} s"
            return self._coordinator.unfulfilled(self._say.now.us, action.id, reason, again=False)
        meta = dict(action.attributes)
        delay = meta.get("CRM_meta_priority_fencing_delay", "0")
        who = f"{GRAPH}:{key}"
        self._aims[who] = _Aim(action, key)
        want = api.Want(
            action.node,
            meta.get("CRM_meta_stonith_action", "reboot"),
            who,
            "pacemaker-controld",
            self._roll.name(self._roll.local),
            delay_ms=int(delay) * 1000 if delay.isdigit() else 0,
            may_lapse=meta.get("CRM_meta_stonith_action") != "on",
        )
        self._perform(self._requests.step(self._say.now.us, want))
        return self.take()

    def elapsed(self) -> tuple[Decision, ...]:
        """The timer rang."""
        if self._roll.coordinator == self._roll.local:
            self._perform(self._requests.step(self._say.now.us, api.TimerFired()))
            if self._patient_until_us is not None and 0 <= self._say.now.us - self._patient_until_us < DEADTIME_US:
                self._patient_until_us -= DEADTIME_US  # once
                self._decisions += self._coordinator.changed(self._say.now.us, "those who were never seen are fenced from now on")
        return self.take()

    def _is_unseen(self, action: Action) -> bool:
        return action.node_id.isdigit() and not reading.expected(self._machine.cib.root, NodeId(int(action.node_id)))

    def take(self) -> tuple[Decision, ...]:
        """What the coordinator said to what has ended."""
        out, self._decisions = tuple(self._decisions), []
        return out

    # ---- this node's agents --------------------------------------------------------------------------------------

    def finished(self, ran: api.Ran) -> None:
        """A job of this node is over: the coordinator learns it."""
        self._say.propose(news=FenceRan(ran))

    # ---- what everybody hears ------------------------------------------------------------------------------------

    def hear(self, sender: NodeId, news: object) -> tuple[Decision, ...]:
        """News about fencing."""
        coordinates = self._roll.coordinator == self._roll.local
        match news:
            case FenceRan(ran) if coordinates:
                self._perform(self._requests.step(self._say.now.us, api.Heard(self._roll.name(sender), ran)))
            case FenceAsked() if coordinates:
                self._asked(sender, news)
            case FenceNoted(record, replies):
                self._noted(record, replies)
            case FenceKnown(records):
                self.history.merge(records)
                if coordinates:
                    self._close()
            case FenceForgotten(target):
                self.history.forget(target)
        return self.take()

    def _noted(self, record: api.Record, replies: tuple[tuple[NodeId, int], ...]) -> None:
        self.history.note(record)
        self._say.publish(
            "fencing",
            node=record.target,
            operation=record.action,
            state=record.phase.value,
            client=record.client,
            delegate=record.delegate,
            reason=record.reason,
        )
        for token in [token for node, token in replies if node == self._roll.local]:
            self._wishes.pop(token, None)
            self._say.answer(self._clients.fenced(token, _refusal(record), record.delegate))
        if record.target != self._roll.name(self._roll.local) or record.action == "on":
            return
        if record.phase is api.Phase.PENDING:
            self._aimed_at_us.add(record.id)
        elif record.phase is api.Phase.SUCCESS and record.id in self._aimed_at_us and record.delegate != A_HUMAN:
            # Whoever hears of its own death was not killed: the others act without it from here on.
            self.is_doomed = True
        else:
            self._aimed_at_us.discard(record.id)

    # ---- people --------------------------------------------------------------------------------------------------

    def ask(self, asker: Asker, news: FenceAsked) -> None:
        """A tool's wish, on its way to the coordinator. Raises Refused for a node that nobody knows."""
        if reading.node_id(self._machine.cib.root, news.target) is None:
            what = f"there is no node {news.target}"
            raise Refused(error("cib.no-such-node", what, "", "crm node show"), exit_code=EXIT_NO_SUCH)
        token = self._clients.expect_fence(asker)
        wish = FenceAsked(token, news.target, news.action, news.client, news.delay_ms, news.timeout_ms)
        self._wishes[token] = wish
        self._say.propose(news=wish)

    def _asked(self, sender: NodeId, news: FenceAsked) -> None:
        who = f"{CLIENT}:{sender}:{news.token}"
        origin = self._roll.name(sender)
        if news.action != "confirm":
            want = api.Want(news.target, news.action, who, news.client, origin, news.delay_ms, news.timeout_ms)
            self._perform(self._requests.step(self._say.now.us, want))
            return
        self._perform(self._requests.step(self._say.now.us, api.Confirmed(news.target)))
        now_s = self._say.now.wall_s
        self._failures.pop(news.target, None)
        name = f"{self._boot}-{sender}-{news.token}-{now_s}"
        record = api.Record(
            name, news.target, "off", news.client, origin, api.Phase.SUCCESS, A_HUMAN, began_s=now_s, completed_s=now_s
        )
        self._say.propose(self._down(news.target), news=FenceNoted(record, ((sender, news.token),)))

    def forget(self, target: str) -> None:
        """Have everybody forget what has ended."""
        self._say.propose(news=FenceForgotten(target))

    # ---- what the room says --------------------------------------------------------------------------------------

    def _perform(self, effects: tuple[api.RequestEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case api.Order(node, job):
                    target = next((n for n in self._roll.present if self._roll.name(n) == node), None)
                    if target is not None:
                        self._say.propose(order=RunFence(target, job))
                case api.CallBack(node, name, reason):
                    target = next((n for n in self._roll.present if self._roll.name(n) == node), None)
                    if target is not None:
                        self._say.propose(order=RecallFence(target, name, reason))
                case api.Began(name, want):
                    self._note(
                        api.Record(
                            name,
                            want.target,
                            want.action,
                            want.client,
                            want.origin,
                            api.Phase.PENDING,
                            began_s=self._say.now.wall_s,
                        )
                    )
                case api.Ended():
                    self._ended(effect)
                case api.SetTimer(at_us):
                    self._say.add(Wake("fence-requests", at_us))
                case api.Tell(report):
                    self._say.tell(report)

    def _note(self, record: api.Record) -> None:
        self._say.propose(news=FenceNoted(record, ()), expected=True)

    def _ended(self, ended: api.Ended) -> None:
        want = ended.want
        record = api.Record(
            ended.id,
            want.target,
            want.action,
            want.client,
            want.origin,
            api.Phase.SUCCESS if ended.ok else api.Phase.FAILED,
            ended.delegate,
            began_s=self._say.now.wall_s,
            completed_s=self._say.now.wall_s,
            reason=ended.reason,
        )
        replies = tuple(_client(who) for who in ended.who if who.startswith(CLIENT))
        aims = [aim for who in ended.who if (aim := self._aims.pop(who, None)) is not None]
        mine = next((aim for aim in aims if self._coordinator.owns(aim.key)), None)
        if ended.ok:
            self._failures.pop(want.target, None)
            operations = self._unfenced(want.target, aims) if want.action == "on" else self._down(want.target, aims)
            done = mine.key.action if mine is not None else 0
            self._say.propose(operations, news=FenceNoted(record, replies), expected=mine is not None, action=done)
            return
        self._say.propose(news=FenceNoted(record, replies), expected=True)
        if mine is not None:
            self._decisions += self._failed(ended, mine)

    def _failed(self, ended: api.Ended, aim: _Aim) -> tuple[Decision, ...]:
        target, reason = ended.want.target, f"{ended.want.target} was not fenced: {ended.reason}"
        if ended.lapsed:
            return self._coordinator.unfulfilled(self._say.now.us, aim.key.action, reason, again=True)
        count = self._failures.get(target, 0) + 1
        if len(self._failures) < TARGETS_MAX or target in self._failures:
            self._failures[target] = count
        text = reading.option(
            self._machine.cib.root, "stonith-max-attempts", reading.option(self._machine.cib.root, "fencing-max-attempts", "")
        )
        most = int(text) if text.isdigit() and int(text) else ATTEMPTS_MAX
        again = not ended.is_final and count < most
        if not again and not ended.is_final:
            what = f"{target} was not fenced in {count} attempts; it is tried again when something changes"
            remedy = f"mend the device, or when you know that it is down: crm node clearstate {target}"
            self._say.tell(warning("fencing.gave-up", what, ended.reason, remedy))
        return self._coordinator.unfulfilled(self._say.now.us, aim.key.action, reason, again=again)

    # ---- what it means for the CIB -------------------------------------------------------------------------------

    def _down(self, target: str, aims: list[_Aim] | None = None) -> tuple[Operation, ...]:
        ids = {reading.node_id(self._machine.cib.root, target) or target: target}
        for aim in aims or ():
            ids.update({name: name for name in aim.action.downed if name not in ids})
        members = {str(node) for node in self._roll.view.members} if self._roll.view is not None else set()
        return tuple(o for key, name in ids.items() for o in bookkeeping.fenced(key, name, member=key in members))

    def _unfenced(self, target: str, aims: list[_Aim]) -> tuple[Operation, ...]:
        key = reading.node_id(self._machine.cib.root, target) or target
        values = {"#node-unfenced": str(self._say.now.wall_s)}
        for aim in aims:
            meta = dict(aim.action.attributes)
            for name in ("digests-all", "digests-secure"):
                if (value := meta.get(f"CRM_meta_{name.replace('-', '_')}")) is not None:
                    values[f"#{name}"] = value
        return tuple(bookkeeping.attribute(key, target, name, value) for name, value in values.items())

    def _present(self) -> tuple[str, ...]:
        return tuple(self._roll.name(node) for node in self._roll.present)

    def check(self) -> None:
        """Assert the invariants of the parts."""
        self._requests.check()
        self.history.check()


def facts_of(plan: Fencing) -> api.Facts:
    """The scheduler's words in the room's."""
    devices = tuple(api.Device(d.id, d.agent, d.parameters, d.nodes, d.special) for d in plan.devices)
    levels = tuple(api.Level(level.index, level.kind, level.key, level.value, level.devices) for level in plan.levels)
    return api.Facts(devices, levels, plan.attributes, plan.timeout_ms)


def for_room(order: RunFence | RecallFence) -> api.Run | api.Recall:
    """The coordinator's order in the room's words."""
    return api.Run(order.job) if isinstance(order, RunFence) else api.Recall(order.job, order.reason)


def _client(who: str) -> tuple[NodeId, int]:
    _, node, token = who.split(":")
    return NodeId(int(node)), int(token)


def _closed(record: api.Record, now_s: int, reason: str) -> api.Record:
    return api.Record(
        record.id,
        record.target,
        record.action,
        record.client,
        record.origin,
        api.Phase.FAILED,
        record.delegate,
        record.began_s,
        now_s,
        reason,
    )


def _refusal(record: api.Record) -> Refused | None:
    if record.phase is api.Phase.SUCCESS:
        return None
    what = f"{record.target} was not fenced"
    return Refused(
        error("fencing.failed", what, record.reason, f"stonith_admin --list {record.target} shows its devices"),
        exit_code=EXIT_TIMEOUT if "time" in record.reason and "complete" in record.reason else 1,
    )
