"""Doubt: what a member says that no honest member can say. It holds the key, so its packets open; that does not make them true.

Owns: the judgement of records against who may say them, the limits of one packet, the counter, and the rate of what is told.
Does not own: what a believable record leads to, and faults of the wire (links/ counts those).

A packet with one lie in it is dropped as a whole, is counted, and its sender is named in the log, once a minute and kind at most.
Only what is impossible for this release is called a lie: what is merely late, repeated or of another view is for the rooms to
pass over. A sender of nothing but lies is silent to this node, and silence is judged as always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from standfast.base.ids import NODES_MAX, US_PER_S, NodeId
from standfast.base.report import Report, warning
from standfast.engine.api import ViewId
from standfast.engine.messages import (
    Accept,
    Ack,
    Beat,
    Entry,
    Gossip,
    Install,
    Life,
    Progress,
    Propose,
    Record,
    Recover,
    Refuse,
    Submit,
)
from standfast.engine.ordering.log import AHEAD_MAX

RECORDS_MAX = 4096
"""Records of one packet: the largest datagram holds so many of the smallest entries."""

CONTROL_MAX = 64
"""Records of one packet that ask for an answer or change who is a member; an honest step writes a handful for each peer."""

SEGMENT_BYTES_MAX = 65_507
"""An honest segment fits into one datagram; this is the largest that the configuration allows."""

SEQ_FLOOR = 1 << 40
SEQ_STEP = 1 << 16
"""A view number may be this far ahead of all that this node knows. Below the floor anything goes, because a node that is new
knows nothing; above it nobody gets by honest work (a view each second for 35,000 years), and a liar only in steps."""

QUIET_US = 60 * US_PER_S
KINDS_MAX = 16 * NODES_MAX


class Standing(Protocol):
    """What is asked about this node."""

    @property
    def view(self) -> ViewId:
        """The view it is in."""
        ...

    @property
    def configured(self) -> Sequence[NodeId]:
        """The nodes of the nodelist."""
        ...

    @property
    def seq(self) -> int:
        """The highest view number that it knows of."""
        ...

    @property
    def is_changing(self) -> bool:
        """Whether it has promised another view."""
        ...


class Doubt:
    """Counts lies and malformed packets, and tells about few. Invariant: one moment is kept for each peer and kind of fault."""

    __slots__ = ("_said_us", "_tell", "_unsaid", "lies", "malformed")

    def __init__(self, tell: Callable[[Report], None]) -> None:
        self._tell = tell
        self.lies = 0
        self.malformed = 0
        self._said_us: dict[tuple[NodeId, str], int] = {}
        self._unsaid: dict[tuple[NodeId, str], int] = {}

    def unreadable(self, now_us: int, sender: NodeId, why: str) -> None:
        """A packet that does not parse, although it was sealed by a member."""
        self.malformed += 1
        what, remedy = f"packets of node {sender} do not parse and are dropped", "check that all nodes run the same release"
        self._say(now_us, sender, warning("engine.malformed", what, why, remedy))

    def is_lie(self, now_us: int, sender: Life, records: Sequence[Record], here: Standing, held: int) -> bool:
        """Whether a packet holds what no honest member says; then its sender is named. `held`: entries of the view held here."""
        why = lie_in(sender, records, here, held)
        if not why:
            return False
        self.lies += 1
        what = f"node {sender.node} says what no honest member can say; its packets with that are dropped"
        remedy = f"stop node {sender.node} and look into it: a fault of its memory, another program with our key, or an intruder"
        self._say(now_us, sender.node, warning("engine.lie", what, why, remedy))
        return True

    def _say(self, now_us: int, sender: NodeId, report: Report) -> None:
        key = (sender, report.code)
        said_us = self._said_us.get(key)
        if said_us is not None and now_us - said_us < QUIET_US:
            self._unsaid[key] = self._unsaid.get(key, 0) + 1
            return
        self._said_us[key] = now_us
        unsaid = self._unsaid.pop(key, 0)
        self._tell(report._replace(why=f"{report.why}; {unsaid} more since the last report") if unsaid else report)

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        assert len(self._said_us) <= KINDS_MAX
        assert len(self._unsaid) <= len(self._said_us)


def lie_in(sender: Life, records: Sequence[Record], here: Standing, held: int) -> str:
    """What is wrong with a packet, "" when nothing is. `held` is what this node holds of its view."""
    if len(records) > RECORDS_MAX:
        return f"{len(records)} records in one packet"
    if len(records) > CONTROL_MAX:
        control = sum(1 for record in records if not isinstance(record, Entry | Submit | Ack | Progress))
        if control > CONTROL_MAX:
            return f"{control} requests in one packet"
    for record in records:
        wrong = _wrong(sender, record, here, held)
        if wrong:
            return wrong
    return ""


def _wrong(sender: Life, record: Record, here: Standing, held: int) -> str:
    match record:
        case Beat(view=view, promised=promised):
            return _number(max(view.seq, promised.seq), here)
        case Entry(view=view, data=data):
            if len(data) > SEGMENT_BYTES_MAX:
                return f"a segment of {len(data)} bytes"
            # While a view ends, whoever holds an entry hands it on; before that the coordinator alone sends them.
            if view == here.view and not here.is_changing and view.coordinator != sender.node:
                return f"an entry of view {view.seq}.{view.coordinator}, which only node {view.coordinator} orders"
        case Submit(data=data):
            return f"a segment of {len(data)} bytes" if len(data) > SEGMENT_BYTES_MAX else ""
        case Progress(view=view):
            return _of_coordinator("progress", view, sender)
        case Propose(id=view):
            return _of_coordinator("a proposal", view, sender) or _number(view.seq, here)
        case Install(id=view, origins=origins):
            # Whoever does not hear a member refuses the proposal, so this node cannot have accepted one with a stranger.
            strangers = [origin.life.node for origin in origins if origin.life.node not in here.configured]
            stranger = f"a view with node {strangers[0]}, which the nodelist does not have" if strangers else ""
            return _of_coordinator("a view", view, sender) or _number(view.seq, here) or stranger
        case Recover(id=view, old=old, cut=cut):
            return _of_coordinator("a cut", view, sender) or _held(old, cut, here, held)
        case Accept(id=view, old=old, held=theirs):
            return _number(view.seq, here) or _held(old, theirs, here, held)
        case Refuse(promised=promised):
            return _number(promised.seq, here)
        case Gossip(rows=rows):
            return next((wrong for row in rows if (wrong := _row(row.life, row.hears))), "")
        case _:
            pass
    return ""


def _number(seq: int, here: Standing) -> str:
    limit = max(here.seq, SEQ_FLOOR) + SEQ_STEP
    return f"view number {seq}, and {here.seq} is the highest known" if seq > limit else ""


def _of_coordinator(what: str, view: ViewId, sender: Life) -> str:
    return f"{what} of view {view.seq}.{view.coordinator}, in its own name" if view.coordinator != sender.node else ""


def _held(old: ViewId, held: int, here: Standing, mine: int) -> str:
    """The coordinator's window is smaller than AHEAD_MAX: no member is further ahead of another."""
    if old == here.view and held > mine + AHEAD_MAX:
        return f"entry {held} of view {old.seq}.{old.coordinator}, which has about {mine}"
    return ""


def _row(life: Life, hears: tuple[Life, ...]) -> str:
    nodes = [each.node for each in hears]
    if len(set(nodes)) != len(nodes):
        return f"that node {life.node} hears two lives of one node"
    return ""
