"""The replicated document: every member applies the same changes in the same order to the same document.

Agreement. When a view is installed, every member says Hello in total order: which document it holds. When the Hellos of all
members are in, each of them comes to the same verdict, without another word:

1. The highest `lineage` wins: the document that was agreed in the latest quorate view. Two quorate views have a member in common,
   so every change acknowledged in the one is in the document of the other (Viewstamped Replication's argument for its last
   normal view). Lineage rises only when enough managers of a quorate view took part: more than half of the cluster, or all
   members of the view. Fewer may not know of a change that others have confirmed (docs/adr/0022).
2. Else the highest `agreed`: how far (admin_epoch and epoch) enough managers of a quorate view had come with it. What is changed
   without them is promised to nobody, and however much it is, it does not outweigh what was promised (docs/adr/0022).
3. Else the higher admin_epoch and epoch; then one that is live before one from a disk (whose status is forgotten); then
   num_updates; then the lowest node id.

If all have the same document, that was all. Else the winner's owner sends it, and those who have another one take it, keep what
they had for people if the configurations differ, and tell anew about themselves. Where a number could mean two documents, the
version rises: the epoch by one if the version of a live loser was not lower; num_updates to its next block (journal.py) if a
document comes from a disk, which does not have the status updates of its last life. So a number under which a change was
acknowledged never comes to mean another document, on no node do numbers go back, and starting a node over and over does not
make its configuration look newer than one that somebody changed.

Changes that arrive meanwhile wait, at most QUEUE_MAX, and are taken after the verdict. A manager that comes into a running view
has missed Hellos and perhaps waiting changes: its Hello begins a new round, and what was waiting is given back (exit code 75) by
every node alike, since the newcomer does not have it. So does a new view, where members come together with different queues.

A change that the engine delivers twice (its sender was cut off while sending, and sent again) is known by its number and taken
once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from standfast.base.bounded import Bounded
from standfast.base.ids import NodeId
from standfast.base.report import InvariantBroken, Refused, Report, Severity, error, notice
from standfast.base.wire import Malformed
from standfast.cib.apply import Outcome, apply, write_version
from standfast.cib.document import XML_BYTES_MAX, Cib, Version, compact_xml
from standfast.cib.edit import Edit
from standfast.cib.effects import (
    Applied,
    Broadcast,
    ChangeDelivered,
    KeepDropped,
    MachineEffect,
    MachineInput,
    MemberAbsent,
    MessageDelivered,
    QuorumChanged,
    Synced,
    Tell,
    Unsynced,
    ViewInstalled,
    ViewLost,
    WriteDown,
)
from standfast.cib.journal import JournalPlan, Recovered, after_block, block_of
from standfast.cib.messages import PART_BYTES_MAX, Hello, SnapshotPart, Taken
from standfast.cib.operations import decode_change
from standfast.cib.packing import pack, unpack
from standfast.cib.refusal import Exit

QUEUE_MAX = 1024
QUEUE_BYTES_MAX = 16 * 1024 * 1024


Record = tuple[int, Version]
"""Of a record in a journal: the lineage it was written in, and the version of its configuration. They are compared one by one."""
NOTHING: Record = (0, Version())

Configuration = tuple[int, int]
"""Of a version what counts configurations: admin_epoch and epoch."""

Round = tuple[int, int, int]
VIEW_ROUND: Round = (0, 0, 0)
"""The first round of a view; a later one is named by the Hello that began it: its sender, session and serial."""


class Phase(Enum):
    """Where the machine is in a round."""

    APART = auto()  # no view
    GATHERING = auto()  # waiting for Hellos
    FETCHING = auto()  # waiting for the winner's document
    READY = auto()  # applying


Effects = tuple[MachineEffect, ...]


class CibMachine:
    """One node's part. `step` is the only way in, and the effects it returns the only way out.

    Invariants (`check`): the version never goes back, and no more of it is agreed than there is; changes wait only outside of
    READY; hellos are of present members only; what is in `cib` is durable up to its configuration (given that effects are
    performed in order).
    """

    def __init__(self, local: NodeId, session: int, recovered: Recovered | None) -> None:
        """`session` is any number of 64 bits that no earlier life of this node had (entropy); `recovered` what its journal
        held."""
        self.cib = recovered.cib if recovered else Cib.empty()
        self.phase = Phase.APART
        self.quorate = False
        self._local = local
        self._session = session
        self._lineage = recovered.lineage if recovered else 0
        self._agreed = _agreed_of(recovered)
        self._recorded = self._agreed
        self._is_live = False
        self._journal = JournalPlan(recovered)
        self._saved = _durable_key(self.cib) if recovered else None
        self._record: Record = (self._lineage, self.cib.version) if recovered else NOTHING
        self._highest = self.cib.version
        self._view = 0
        self._members: tuple[NodeId, ...] = ()
        self._enough = 0
        self._present: dict[NodeId, None] = {}
        self._hellos: dict[NodeId, Hello] = {}
        self._unfit: dict[NodeId, None] = {}
        self._is_newcomer = True
        self._round = VIEW_ROUND
        self._serial = 0
        self._is_entering = False
        self._owner: NodeId | None = None
        self._parts: list[bytes] = []
        self._taken: dict[NodeId, Taken] = {}
        self._queue: Bounded[ChangeDelivered] = Bounded(QUEUE_MAX)
        self._queue_bytes = 0
        self._reports = recovered.reports if recovered else ()

    # ---- what others ask --------------------------------------------------------------------------------------------

    @property
    def is_synced(self) -> bool:
        """Whether the document is the agreed one of the present view."""
        return self.phase is Phase.READY

    @property
    def is_enough(self) -> bool:
        """Whether so many managers take part that no others can agree on something without one of them. If not, what is changed
        now may lose against what an absent member, or others without us, agree on later."""
        return len(self._present) >= self._enough > 0

    @property
    def enough(self) -> int:
        """How many managers that are, 0 without a view."""
        return self._enough

    @property
    def record(self) -> Record:
        """The newest record of this node's journal (given that effects are performed in order)."""
        return self._record

    @property
    def holds(self) -> Record:
        """What the journal stands for: its record's lineage, and the version up to which its configuration is the present one. A
        record that knows of less agreement than there is has no lineage: read again, it would give way too easily."""
        lineage = self._record[0] if self._recorded == self._agreed else 0
        return (lineage, self.cib.version) if self.is_synced else (lineage, self._record[1])

    @property
    def absent(self) -> tuple[NodeId, ...]:
        """The members of the view whose managers are known to be away."""
        return tuple(node for node in self._members if node not in self._present)

    @property
    def lineage(self) -> int:
        """The sequence of the last quorate view in which enough managers agreed on the document, 0 for none."""
        return self._lineage

    def step(self, event: MachineInput) -> Effects:
        """Take one event."""
        effects = [Tell(report) for report in self._reports]
        self._reports = ()
        effects_of: Effects = self._MOVES[type(event)](self, event)
        self._highest = max(self._highest, self.cib.version)
        return (*effects, *effects_of)

    def check(self) -> None:
        """Assert the class's invariants."""
        self.cib.check()
        assert self.cib.version >= self._highest, f"the version went back from {self._highest} to {self.cib.version}"
        assert self.phase is not Phase.READY or not len(self._queue), "ready, and changes wait"
        assert all(node in self._present for node in self._hellos)
        assert all(node in self._members for node in self._present)
        assert (self._owner is not None) == (self.phase is Phase.FETCHING)
        assert self._enough <= len(self._members)
        assert self._agreed <= _configuration(self.cib.version)
        if self.is_synced:
            assert self._is_live
            assert self._saved == _durable_key(self.cib), "a configuration that is not in the journal"

    # ---- views ------------------------------------------------------------------------------------------------------

    def _view_installed(self, event: ViewInstalled) -> Effects:
        assert self._local in event.members, "a view without us"
        self._view = event.seq
        self._members = tuple(sorted(event.members))
        self._present = dict.fromkeys(self._members)
        self.quorate, self._enough = event.quorate, min(event.enough or len(self._members), len(self._members))
        newcomer, self._is_newcomer = self._is_newcomer, False
        effects = self._begin_round(VIEW_ROUND)
        return (*effects, self._enter() if newcomer else self._say_hello(self._round))

    def _view_lost(self, _: ViewLost) -> Effects:
        effects = self._begin_round(VIEW_ROUND)
        self.phase, self._is_entering = Phase.APART, False
        self._members, self._present, self._enough = (), {}, 0
        self.quorate, self._is_newcomer = False, True
        return effects

    def _quorum_changed(self, event: QuorumChanged) -> Effects:
        self.quorate, self._enough = event.quorate, min(event.enough or len(self._members), len(self._members))
        self._raise_lineage()
        return ()

    def _member_absent(self, event: MemberAbsent) -> Effects:
        if event.node == self._local:  # the engine took us for dead: the others go on without us, and have forgotten our Hello
            return () if self.phase is Phase.APART else (*self._begin_round(VIEW_ROUND), self._enter())
        self._present.pop(event.node, None)
        self._hellos.pop(event.node, None)
        return self._decide() if self.phase is Phase.GATHERING or self._owner == event.node else ()

    def _begin_round(self, number: Round) -> Effects:
        """Forget what was heard, and give back the changes that wait."""
        effects: list[MachineEffect] = [Unsynced()] if self.phase is Phase.READY else []
        self.phase, self._round, self._is_entering = Phase.GATHERING, number, False
        self._hellos, self._unfit = {}, {}
        self._owner, self._parts = None, []
        effects.extend(_given_back(change, "a new round of agreement began before its turn") for change in self._queue)
        self._queue.clear()
        self._queue_bytes = 0
        return tuple(effects)

    def _enter(self) -> Broadcast:
        """Come into a view that may be running already. Until our Hello is delivered, nothing in it concerns us: the others
        begin a new round at that place, and so do we."""
        self._is_entering = True
        return self._say_hello((int(self._local), self._session, self._serial + 1))

    def _say_hello(self, number: Round) -> Broadcast:
        self._serial += 1
        version = self.cib.version
        return Broadcast(
            Hello(
                view=self._view,
                round=number,
                session=self._session,
                serial=self._serial,
                lineage=self._lineage,
                version=(version.admin_epoch, version.epoch, version.num_updates),
                digest=self.cib.digest(),
                is_live=self._is_live,
                # Who comes in knows of its own time only, and that is over when its Hello has its place in the order.
                absent=() if self._is_entering else self.absent,
                taken=tuple(self._taken[node] for node in sorted(self._taken)),
                agreed=self._agreed,
            )
        )

    # ---- agreement --------------------------------------------------------------------------------------------------

    def _message_delivered(self, event: MessageDelivered) -> Effects:
        message = event.message
        if message.view != self._view or self.phase is Phase.APART or event.sender not in self._members:
            return ()  # sent in a view that is over
        if isinstance(message, Hello):
            return self._hello(event.sender, message)
        return () if self._is_entering else self._part(event.sender, message)

    def _hello(self, sender: NodeId, hello: Hello) -> Effects:
        effects: list[MachineEffect] = []
        is_ours = sender == self._local and hello.serial == self._serial
        comes_in = hello.round == (int(sender), hello.session, hello.serial)
        if comes_in:
            self._present = {node: None for node in self._members if node in self._present or node == sender}
        if self._is_entering and not is_ours:
            return ()
        if comes_in:
            effects.extend(self._begin_round(hello.round))
            if not is_ours:
                effects.append(self._say_hello(self._round))
        if hello.round != self._round or self.phase is not Phase.GATHERING or sender not in self._present:
            return tuple(effects)
        self._hellos[sender] = hello
        for node in hello.absent:  # those who came in later than it learn of it so
            self._present.pop(NodeId(node), None)
            self._hellos.pop(NodeId(node), None)
        return (*effects, *self._decide())

    def _decide(self) -> Effects:
        """Once everybody has spoken: who has the best document, and must it be sent?"""
        if self._is_entering or any(node not in self._hellos for node in self._present):
            return ()
        candidates = [node for node in self._hellos if node not in self._unfit]
        if not candidates:
            raise InvariantBroken("no member could send its document")
        owner = max(candidates, key=lambda node: _rank(node, self._hellos[node]))
        best = self._hellos[owner]
        self._owner, self._parts = owner, []
        if all(hello.digest == best.digest for hello in self._hellos.values()):
            return self._agree(None)
        self.phase = Phase.FETCHING
        if owner != self._local:
            return ()
        packed = pack(self.cib.compact())
        pieces = [packed[at : at + PART_BYTES_MAX] for at in range(0, len(packed), PART_BYTES_MAX)]
        return tuple(Broadcast(SnapshotPart(self._view, best.digest, i, len(pieces), piece)) for i, piece in enumerate(pieces))

    def _part(self, sender: NodeId, part: SnapshotPart) -> Effects:
        if self.phase is not Phase.FETCHING or sender != self._owner or part.digest != self._hellos[sender].digest:
            return ()  # of a round that is over
        if part.index != len(self._parts):
            return self._reject(sender, f"part {part.index} of its document came instead of {len(self._parts)}")
        self._parts.append(part.data)
        if len(self._parts) < part.count:
            return ()
        try:
            document = Cib.adopt(unpack(b"".join(self._parts), XML_BYTES_MAX))
        except Malformed as bad:
            return self._reject(sender, f"its document cannot be read: {bad}")
        if document.digest() != part.digest:
            return self._reject(sender, "its document has another digest than it said")
        return self._agree(document if self._hellos[self._local].digest != part.digest else None)

    def _reject(self, owner: NodeId, why: str) -> Effects:
        """A broken document. All members have seen the same bytes, the owner too, and go on with the next best."""
        remedy = f"restart the manager on node {owner}"
        report = error("cib.bad-snapshot", f"the document of node {owner} is left out", why, remedy)
        self._unfit[owner] = None
        return (Tell(report), *self._decide())

    def _agree(self, document: Cib | None) -> Effects:
        """The verdict: `document` is the winner's where it is not ours already."""
        assert self._owner is not None
        owner, best = self._owner, self._hellos[self._owner]
        effects: list[MachineEffect] = []
        if document is not None:
            effects.extend(self._dropped(document, owner))
            self.cib = document
        number = _next_version(best, list(self._hellos.values()))
        if number != self.cib.version:
            write_version(self.cib.root, Edit(self.cib.root), number)
            self.cib.touched(configuration=False)
        self._lineage, self._agreed, self._is_live = best.lineage, _agreed_in(best), True
        self._taken = {NodeId(taken.node): taken for taken in best.taken}
        self.phase, self._owner, self._parts = Phase.READY, None, []
        self._raise_lineage()
        effects.extend(self._save())
        effects.append(Tell(self._agreed_report(owner, replaced=document is not None)))
        effects.append(Synced(self.cib.version, document is not None))
        waiting = list(self._queue)
        self._queue.clear()
        self._queue_bytes = 0
        for change in waiting:
            effects.extend(self._take(change))
        return tuple(effects)

    def _dropped(self, winner: Cib, owner: NodeId) -> Effects:
        """Keep our document for people, unless it had nothing that the winner's does not say too."""
        if compact_xml(self.cib.configuration) == compact_xml(winner.configuration) or self.cib.version == Version():
            return ()
        # One from the disk with a lower number is most likely just old; if it was written to alone, nobody can tell.
        is_old = not self._is_live and self.cib.version < winner.version
        reason = f"node {owner} had version {winner.version}, which goes on"
        report = Report(
            "cib.dropped", Severity.NOTICE if is_old else Severity.WARNING,
            f"this node's configuration {self.cib.version} was replaced", reason,
            "what was changed on this side alone is in the kept file only",
        )  # fmt: skip
        return (KeepDropped(self.cib.xml(), self.cib.version, reason), Tell(report))

    def _agreed_report(self, owner: NodeId, *, replaced: bool) -> Report:
        nodes = " ".join(str(node) for node in self._present)
        if replaced:
            return notice("cib.agreed", f"CIB {self.cib.version} taken from node {owner}, agreed with {nodes}")
        return Report("cib.agreed", Severity.INFO, f"CIB {self.cib.version} agreed with {nodes}")

    def _raise_lineage(self) -> None:
        if self.phase is Phase.READY and self.quorate and self.is_enough:
            self._lineage, self._agreed = max(self._lineage, self._view), _configuration(self.cib.version)

    # ---- changes ----------------------------------------------------------------------------------------------------

    def _change_delivered(self, event: ChangeDelivered) -> Effects:
        if self.phase is Phase.READY:
            return self._take(event)
        if self.phase is Phase.APART:
            return ()  # the line to the engine broke: what it held is no longer ours
        if self._is_entering:
            return (_given_back(event, "this node was not part of the agreement yet"),)
        if self._queue.is_full or self._queue_bytes + len(event.data) > QUEUE_BYTES_MAX:
            return (_given_back(event, "too many changes wait for the agreement of a new view"),)
        self._queue.push(event)
        self._queue_bytes += len(event.data)
        return ()

    def _take(self, change: ChangeDelivered) -> Effects:
        """Apply a change in its turn."""
        before = self._taken.get(change.sender)
        session = self._hellos[change.sender].session if change.sender in self._hellos else 0
        if before is not None and before.session == session and change.number <= before.number:
            return (Applied(change.sender, change.number, None, duplicate=True),)
        self._taken[change.sender] = Taken(int(change.sender), session, change.number)
        if not change.data:
            return (Applied(change.sender, change.number, Outcome(self.cib.version, self.cib.version)),)
        try:
            outcome = apply(self.cib, decode_change(change.data))
        except Malformed as bad:
            report = error("cib.bad-change", f"a change of node {change.sender} cannot be read", str(bad))
            return (Applied(change.sender, change.number, None, (report,), int(Exit.DATA)),)
        except Refused as no:
            return (Applied(change.sender, change.number, None, no.reports, no.exit_code),)
        self._raise_lineage()
        is_due = outcome.changed_configuration or block_of(outcome.before) != block_of(outcome.after)
        saved = self._save() if is_due else ()
        return (*saved, Applied(change.sender, change.number, outcome))

    def _write_down(self, _: WriteDown) -> Effects:
        """A record of the present lineage, although the configuration is the same."""
        if self.phase is not Phase.READY or (self._record[0] >= self._lineage and self._recorded == self._agreed):
            return ()
        self._saved = None
        return self._save()

    def _save(self) -> Effects:
        """Make the configuration durable, if it is not the one in the journal."""
        key = _durable_key(self.cib)
        if key == self._saved:
            return ()
        self._saved = key
        self._record, self._recorded = (self._lineage, self.cib.version), self._agreed
        return (self._journal.write(self._lineage, self.cib.without_status(), self._agreed),)

    _MOVES: dict[type[MachineInput], Callable[..., Effects]] = {  # noqa: RUF012 -- a table, never written to
        ViewInstalled: _view_installed,
        ViewLost: _view_lost,
        QuorumChanged: _quorum_changed,
        MemberAbsent: _member_absent,
        MessageDelivered: _message_delivered,
        ChangeDelivered: _change_delivered,
        WriteDown: _write_down,
    }


def _rank(node: NodeId, hello: Hello) -> tuple[int, Configuration, Configuration, bool, int, int]:
    """The order of documents; see the head of the module."""
    admin_epoch, epoch, num_updates = hello.version
    return (hello.lineage, _agreed_in(hello), (admin_epoch, epoch), hello.is_live, num_updates, -node)


def _configuration(version: Version) -> Configuration:
    return version.admin_epoch, version.epoch


def _agreed_in(hello: Hello) -> Configuration:
    return hello.version[:2] if hello.agreed is None else min(hello.agreed, hello.version[:2])


def _agreed_of(recovered: Recovered | None) -> Configuration:
    version = _configuration(recovered.cib.version) if recovered else (0, 0)
    return version if recovered is None or recovered.agreed is None else min(recovered.agreed, version)


def _next_version(best: Hello, hellos: list[Hello]) -> Version:
    """The winner's version, or one above everybody's when a number could mean two documents.

    A document from the disk may have used any num_updates of its block, in a life that is forgotten: the next block is above
    them. Against a live rival the epoch rises, since its configuration may have been another.
    """
    if best.numbers == Version():  # the owner has never had a document
        return max(hello.numbers for hello in hellos).after_configuration()
    floor = best.numbers
    for hello in hellos:
        if not hello.is_live and hello.version[:2] == best.version[:2]:
            floor = max(floor, after_block(hello.numbers))
    rivals = [h.numbers for h in hellos if h.digest != best.digest and (h.is_live or h.version[:2] > best.version[:2])]
    highest = max((numbers for numbers in rivals if numbers >= best.numbers), default=None)
    return floor if highest is None else max(floor, highest).after_configuration()


def _durable_key(cib: Cib) -> tuple[int, int, int, bytes]:
    """Two documents with the same key need only one record."""
    version = cib.version
    return (version.admin_epoch, version.epoch, block_of(version), compact_xml(cib.configuration))


def _given_back(change: ChangeDelivered, why: str) -> Applied:
    report = error("cib.try-again", "the change was not taken", why, "send it again")
    return Applied(change.sender, change.number, None, (report,), int(Exit.TEMPORARY))
