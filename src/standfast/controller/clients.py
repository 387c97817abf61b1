"""Requests of local tools: what each verb does, and when it may be answered.

Owns: the requests under way, and the limits on them. Does not own: sockets, the CIB's rules, authorisation (api/gate.py).
A change is answered when it was applied here, every member of the view holds it (`stable`), and the journals of enough of them do
(confirmations.py), or the time for that is over; a refused one by the refusal.
Invariants (`check`): a request is waited for in one place only; nothing waits for an asker that hung up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S
from standfast.base.report import Refused, Report, error
from standfast.cib.document import Version

WAITING_MAX = 4096
ASK_US = US_PER_S
"""A change that every engine holds has waited so long for journals: their nodes are asked to write it down."""
CONFIRM_US = 5 * US_PER_S
"""Has it waited so long, it is answered with a warning."""
EXIT_USAGE = 64
EXIT_DISCONNECTED = 102
EXIT_TIMEOUT = 124

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who waits for an answer: the connection and the number that the request had there."""

    connection: int
    id: Any


@dataclass(slots=True)
class _Change:
    """A change on its way: applied at `stable_at` (view sequence, sequence), or not yet. `version` is the configuration that
    journals have to hold, None when it changed none; they have been waited for since `since_us`, where that is known."""

    asker: Asker
    answer: Json = field(default_factory=dict)
    stable_at: tuple[int, int] | None = None
    version: Version | None = None
    since_us: int | None = None
    is_asked: bool = False

    def due_us(self) -> int | None:
        """When something is to be done if no journal is heard of before."""
        return None if self.since_us is None else self.since_us + (CONFIRM_US if self.is_asked else ASK_US)


@dataclass(slots=True)
class Clients:
    """The requests under way. Every method returns (connection, message) pairs to send."""

    _changes: dict[int, _Change] = field(default_factory=dict)
    _plans: dict[int, tuple[Asker, Callable[[Any], Json]]] = field(default_factory=dict)
    _rests: dict[int, tuple[Asker, int]] = field(default_factory=dict)
    _fences: dict[int, tuple[Asker, int]] = field(default_factory=dict)
    _followers: dict[int, Asker] = field(default_factory=dict)
    _token: int = 0

    # ---- changes of the CIB --------------------------------------------------------------------------------------

    def expect_change(self, number: int, asker: Asker, answer: Json) -> None:
        """The change `number` was sent out for `asker`, who will be told `answer`. Raises Refused when too many wait."""
        self._make_room()
        self._changes[number] = _Change(asker, dict(answer))

    def is_expected(self, number: int) -> bool:
        """Whether somebody waits for this change."""
        return number in self._changes

    def renumber(self, old: int, new: int) -> None:
        """The change was sent again under a new number."""
        self._changes[new] = self._changes.pop(old)

    def applied(self, number: int, place: tuple[int, int], version: Version, *, changed_configuration: bool) -> None:
        """It took effect here, at this place (view, sequence) in the order, and made `version`."""
        waiting = self._changes.get(number)
        if waiting is not None:
            waiting.stable_at = place
            waiting.version = version if changed_configuration else None
            waiting.answer["version"] = str(version)

    def refused(self, number: int, refusal: Refused) -> list[tuple[int, Json]]:
        """It was refused (by everybody alike)."""
        waiting = self._changes.pop(number, None)
        return [] if waiting is None else [(waiting.asker.connection, failure(waiting.asker, refusal))]

    def stable(self, now_us: int, view: int, seq: int, *, is_agreed: bool) -> None:
        """Everything up to here is held by every member. So is what was applied in an earlier view, once the members have agreed
        (`is_agreed`) on a document that holds it: until then it may be that this node alone has it, and loses."""
        for change in self._changes.values():
            if change.since_us is None and change.stable_at is not None and change.stable_at <= (view, seq):
                change.since_us = now_us if is_agreed or change.stable_at[0] == view else None

    def confirmed(self, now_us: int, verdict: Callable[[Version, bool], Json | None]) -> list[tuple[int, Json]]:
        """The answers that can be given: of what every member holds, that which needs no journal, and that for which
        `verdict(version, is_late)` has something to add to the answer, be it nothing."""
        out = []
        for number, change in [(n, c) for n, c in self._changes.items() if c.since_us is not None]:
            assert change.since_us is not None
            added = {} if change.version is None else verdict(change.version, now_us >= change.since_us + CONFIRM_US)
            if added is not None:
                del self._changes[number]
                out.append((change.asker.connection, success(change.asker, **change.answer, **added)))
        return out

    def asks(self, now_us: int, *, at_once: bool = False) -> bool:
        """Whether journals are waited for that have to be asked by now, or `at_once`; they are taken as asked then."""
        waiting = [change for change in self._changes.values() if change.version is not None]
        late_us = now_us - ASK_US
        due = [c for c in waiting if at_once or (not c.is_asked and c.since_us is not None and c.since_us <= late_us)]
        for change in due:
            change.is_asked = True
        return bool(due)

    @property
    def waits_for_journals(self) -> bool:
        """Whether an answer depends on what the members say next."""
        return any(change.since_us is not None for change in self._changes.values())

    # ---- plans and status ----------------------------------------------------------------------------------------

    def expect_plan(self, asker: Asker, render: Callable[[Any], Json]) -> int:
        """A plan is asked for on behalf of `asker`; returns its number, which is negative (the coordinator's are positive)."""
        self._make_room()
        self._token += 1
        self._plans[-self._token] = (asker, render)
        return -self._token

    def planned(self, number: int, plan: object | None, fault: Report | None) -> list[tuple[int, Json]]:
        """The scheduler's answer."""
        asker, render = self._plans.pop(number, (None, None))
        if asker is None or render is None:
            return []
        if plan is None:
            refusal = Refused(fault or error("scheduler.no-plan", "the scheduler gave no plan"))
            return [(asker.connection, failure(asker, refusal))]
        return [(asker.connection, success(asker, **render(plan)))]

    # ---- waiting for rest ----------------------------------------------------------------------------------------

    def expect_rest(self, now_us: int, asker: Asker, timeout_s: float) -> int:
        """`asker` waits until nothing is under way; returns the token of the question."""
        self._make_room()
        self._token += 1
        self._rests[self._token] = (asker, now_us + int(timeout_s * US_PER_S))
        return self._token

    def rested(self, token: int) -> list[tuple[int, Json]]:
        """The coordinator's answer."""
        asker, _ = self._rests.pop(token, (None, 0))
        return [] if asker is None else [(asker.connection, success(asker, stable=True))]

    @property
    def open_questions(self) -> tuple[int, ...]:
        """Tokens of those who still wait: a new coordinator is asked again."""
        return tuple(self._rests)

    def next_timeout_us(self) -> int | None:
        """When the first who waits for rest, or for journals, has waited long enough."""
        dues = [due_us for change in self._changes.values() if (due_us := change.due_us()) is not None]
        return min((*(at_us for _, at_us in self._rests.values()), *dues), default=None)

    def timed_out(self, now_us: int) -> list[tuple[int, Json]]:
        """Answer those who have waited long enough."""
        out = []
        for token in [t for t, (_, at_us) in self._rests.items() if now_us >= at_us]:
            asker, _ = self._rests.pop(token)
            out.append((asker.connection, success(asker, stable=False)))
        return out

    # ---- fencing -------------------------------------------------------------------------------------------------

    def expect_fence(self, asker: Asker) -> int:
        """`asker` waits for a fencing; returns the token of the question."""
        self._make_room()
        self._token += 1
        self._fences[self._token] = (asker, 0)
        return self._token

    def is_fencing(self, token: int) -> bool:
        """Whether somebody still waits for it."""
        return token in self._fences

    def fenced(self, token: int, refusal: Refused | None, delegate: str) -> list[tuple[int, Json]]:
        """It is over."""
        asker, _ = self._fences.pop(token, (None, 0))
        if asker is None:
            return []
        message = failure(asker, refusal) if refusal is not None else success(asker, delegate=delegate)
        return [(asker.connection, message)]

    # ---- followers of events -------------------------------------------------------------------------------------

    def follow(self, asker: Asker) -> list[tuple[int, Json]]:
        """`asker` gets every event from now on."""
        self._make_room()
        self._followers[asker.connection] = asker
        return [(asker.connection, success(asker, event={"kind": "hello"}, end=False))]

    def publish(self, kind: str, **fields: Any) -> list[tuple[int, Json]]:
        """An event for all who follow."""
        event = {"kind": kind, **fields}
        return [(a.connection, success(a, event=event, end=False)) for a in self._followers.values()]

    # ---- the end -------------------------------------------------------------------------------------------------

    def hung_up(self, connection: int) -> None:
        """Nobody there waits for anything any more."""
        for waiting in (self._changes, self._plans, self._rests, self._fences):
            for key in [k for k, v in waiting.items() if _asker(v).connection == connection]:
                del waiting[key]
        self._followers.pop(connection, None)

    def replaced(self) -> list[tuple[int, Json]]:
        """This node's document gave way to another: what was applied here, and is not confirmed yet, may not be in that one."""
        reports = error(
            "controller.gave-way",
            "the configuration that holds this change gave way to the cluster's",
            "this node was apart from the others (frozen, starved or cut off) when the change was made",
            "look with crm configure show, then repeat the change",
        )
        numbers = [number for number, change in self._changes.items() if change.stable_at is not None]
        gone = [self._changes.pop(number) for number in numbers]
        return [(c.asker.connection, failure(c.asker, Refused(reports, exit_code=EXIT_DISCONNECTED))) for c in gone]

    def view_lost(self) -> list[tuple[int, Json]]:
        """There is no view: whether a change on its way will take effect is not known, and that is what is said."""
        reports = error(
            "controller.view-lost",
            "this node left the view before the change was confirmed",
            "the engine stopped, or was cut off",
            "look with crm status and crm configure show before repeating it",
        )
        out = [
            (c.asker.connection, failure(c.asker, Refused(reports, exit_code=EXIT_DISCONNECTED))) for c in self._changes.values()
        ]
        self._changes.clear()
        out += [(a.connection, failure(a, Refused(reports, exit_code=EXIT_DISCONNECTED))) for a, _ in self._fences.values()]
        self._fences.clear()
        return out

    def check(self) -> None:
        """Assert the limits."""
        assert self._count() <= WAITING_MAX

    def _count(self) -> int:
        return sum(len(w) for w in (self._changes, self._plans, self._rests, self._fences, self._followers))

    def _make_room(self) -> None:
        if self._count() >= WAITING_MAX:
            raise Refused(error("api.busy", f"{WAITING_MAX} requests are waiting already", "", "try again in a moment"))


def success(asker: Asker, **fields: Any) -> Json:
    """A good answer."""
    return {"id": asker.id, "ok": True, **fields}


def failure(asker: Asker, refusal: Refused) -> Json:
    """A refusal as an answer."""
    reports = [as_fields(report) for report in refusal.reports]
    return {"id": asker.id, "ok": False, "exit_code": refusal.exit_code, "reports": reports}


def as_fields(report: Report) -> Json:
    """A report as a part of an answer."""
    return {
        "code": report.code, "severity": report.severity.value, "what": report.what,
        "why": report.why, "remedy": report.remedy, "where": report.where,
    }  # fmt: skip


def changed_meanwhile(base: str, version: Version) -> Refused:
    """A change that was made for another configuration than the present one."""
    return Refused(
        error(
            "cib.changed-meanwhile",
            "somebody else changed the configuration meanwhile",
            f"this change was made for {base}, the configuration is at {version}",
            "look at it again (crm configure refresh, show), then repeat the change",
        ),
        exit_code=103,
    )


def _asker(waiting: Any) -> Asker:
    asker: Asker = waiting.asker if isinstance(waiting, _Change) else waiting[0]
    return asker
