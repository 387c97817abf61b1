"""A small world for machines: partitions, an engine that orders and flushes, disks, crashes. No time: steps, chosen by the test.

The engine here promises what engine/api.py promises: one order inside a view; nodes that move together have delivered the same;
a message whose own sender did not see it in its view is sent again in that sender's next one; who attaches in the middle of a
view hears only what comes later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from standfast.base.ids import NodeId
from standfast.cib import journal
from standfast.cib.document import Version
from standfast.cib.effects import (
    Append,
    Applied,
    Broadcast,
    ChangeDelivered,
    KeepDropped,
    MachineInput,
    MemberAbsent,
    MessageDelivered,
    Rewrite,
    Synced,
    ViewInstalled,
    ViewLost,
)
from standfast.cib.machine import CibMachine
from standfast.cib.messages import decode_message, encode_message
from standfast.cib.operations import Change, Operation, OpKind, Origin, encode_change


@dataclass(frozen=True)
class Sent:
    """A message on its way or ordered: a machine's bytes, a change (number > 0), or that the sender's manager is absent."""

    sender: int
    data: bytes
    number: int = 0
    is_absence: bool = False
    boot: int = 0


@dataclass
class View:
    seq: int
    members: tuple[int, ...]
    quorate: bool
    log: list[Sent] = field(default_factory=list)
    taken: dict[tuple[int, int], None] = field(default_factory=dict)
    """(place in the log, node): the change at that place was applied by that node's machine, not only held by its engine."""


@dataclass
class Host:
    """An engine with its disk, and the manager's machine while it runs."""

    node: int
    disk: bytes = b""
    machine: CibMachine | None = None
    boot: int = 0
    number: int = 0
    view: View | None = None
    at: int = 0
    outbox: list[Sent] = field(default_factory=list)
    kept: list[KeepDropped] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    synced: list[Synced] = field(default_factory=list)
    is_told_absent: bool = True


class World:
    """`hosts` by id; every host is in exactly one view. Majority of all hosts is quorate."""

    def __init__(self, count: int) -> None:
        self.hosts = {node: Host(node) for node in range(1, count + 1)}
        self.seq = 0
        self.highest: dict[int, Version] = {}
        self.digests: dict[Version, str] = {}
        self.acknowledged: dict[str, None] = {}
        self.unanswered: dict[tuple[int, int], None] = {}
        self.stable: list[tuple[View, int, str, Version, str]] = []
        self.settle_views([list(self.hosts)])

    # ---- what the test does -----------------------------------------------------------------------------------------

    def settle_views(self, groups: list[list[int]]) -> None:
        """Install a new view for each group: flush, then install."""
        for group in groups:
            members = tuple(sorted(group))
            self.seq += 1
            new = View(self.seq, members, 2 * len(members) > len(self.hosts))
            for old in {id(self.hosts[n].view): self.hosts[n].view for n in members}.values():
                if old is None:
                    continue
                along = [n for n in members if self.hosts[n].view is old]
                upto = max(self.hosts[n].at for n in along)
                for n in along:
                    while self.hosts[n].at < upto:
                        self.deliver(n)
                    for sent in old.log[upto:]:
                        if sent.sender == n and not sent.is_absence:
                            self.hosts[n].outbox.append(sent)
            for n in members:
                host = self.hosts[n]
                host.view, host.at = new, 0
                if host.machine is not None:
                    self.step(n, ViewInstalled(new.seq, tuple(NodeId(m) for m in members), new.quorate))
                elif host.is_told_absent:
                    host.outbox.append(Sent(n, b"", is_absence=True))

    def start(self, node: int) -> None:
        """Start the manager: it attaches to the view that is there."""
        host = self.hosts[node]
        assert host.machine is None
        host.boot += 1
        host.number = 0
        host.machine = CibMachine(NodeId(node), node * 1000 + host.boot, journal.recover(host.disk))
        self.attach(node)

    def attach(self, node: int) -> None:
        host = self.hosts[node]
        assert host.view is not None
        host.is_told_absent = False
        host.at = len(host.view.log)
        self.step(node, ViewInstalled(host.view.seq, tuple(NodeId(m) for m in host.view.members), host.view.quorate))

    def break_line(self, node: int) -> None:
        """The manager loses its engine and finds it again."""
        self.step(node, ViewLost())
        self.attach(node)

    def crash(self, node: int) -> None:
        """The manager dies."""
        host = self.hosts[node]
        host.machine = None
        self.unanswered = {key: None for key in self.unanswered if key[0] != node}
        host.outbox = [sent for sent in host.outbox if sent.is_absence]
        host.is_told_absent = True
        host.outbox.append(Sent(node, b"", is_absence=True))

    def write(self, node: int, name: str, *, to_status: bool = False) -> bool:
        """A client of `node` adds an object of that name; False when the machine there is not synced."""
        host = self.hosts[node]
        if host.machine is None or not host.machine.is_synced:
            return False
        if to_status:
            operation = Operation(OpKind.MODIFY, "status", xml=f'<node_state id="{node}" uname="{name}"/>', allow_create=True)
        else:
            operation = Operation(OpKind.CREATE, "resources", xml=f'<primitive id="{name}" class="lsb" type="Dummy"/>')
        self.send(node, Change((operation,), Origin("u", name, f"n{node}", 1)))
        return True

    def send(self, node: int, change: Change) -> None:
        """A client of `node` asks for a change."""
        host = self.hosts[node]
        host.number += 1
        host.outbox.append(Sent(node, encode_change(change), host.number, boot=host.boot))

    def order(self, node: int) -> bool:
        """The oldest message that `node` has sent gets its place in the order."""
        host = self.hosts[node]
        if not host.outbox:
            return False
        assert host.view is not None
        host.view.log.append(host.outbox.pop(0))
        return True

    def deliver(self, node: int) -> bool:
        """`node` takes the next message of its view."""
        host = self.hosts[node]
        assert host.view is not None
        if host.at >= len(host.view.log):
            return False
        sent = host.view.log[host.at]
        host.at += 1
        if host.machine is None:
            return True
        event: MachineInput
        if sent.is_absence:
            event = MemberAbsent(NodeId(sent.sender))
        elif sent.number:
            if sent.sender == node and sent.boot == host.boot:
                self.unanswered[node, sent.number] = None
            event = ChangeDelivered(NodeId(sent.sender), sent.number, sent.data)
        else:
            event = MessageDelivered(NodeId(sent.sender), decode_message(sent.data))
        self.step(node, event)
        return True

    def run(self) -> None:
        """Until nothing is left to do."""
        for _ in range(100_000):
            moved = [self.order(n) for n in self.hosts] + [self.deliver(n) for n in self.hosts]
            if not any(moved):
                return
        raise AssertionError("it never ends")

    # ---- what it watches --------------------------------------------------------------------------------------------

    def step(self, node: int, event: MachineInput) -> None:
        host = self.hosts[node]
        assert host.machine is not None
        for effect in host.machine.step(event):
            match effect:
                case Broadcast(message):
                    host.outbox.append(Sent(node, encode_message(message), boot=host.boot))
                case Append(data):
                    assert host.disk, "an append to a file that was never begun"
                    host.disk += data
                case Rewrite(data):
                    host.disk = data
                case KeepDropped():
                    host.kept.append(effect)
                case Applied():
                    host.applied.append(effect)
                    if effect.sender == node:
                        self.unanswered.pop((node, effect.number), None)
                    self.note_applied(node, effect)
                case Synced():
                    host.synced.append(effect)
        host.machine.check()
        self.watch(node)

    def note_applied(self, node: int, applied: Applied) -> None:
        """A change of this node's client has been applied here: it counts as acknowledged once every member's machine has taken
        it in a quorate view that all of them take part in."""
        host = self.hosts[node]
        assert host.view is not None
        machine = host.machine
        assert machine is not None
        if applied.outcome is None or not applied.outcome.changed_configuration:
            return
        host.view.taken[host.at, node] = None
        if applied.sender != node:
            return
        if host.view.quorate and not machine.absent:
            name = machine.cib.root.get("update-client")
            assert name is not None
            self.stable.append((host.view, host.at, name, applied.outcome.after, machine.cib.digest()))

    def watch(self, node: int) -> None:
        machine = self.hosts[node].machine
        assert machine is not None
        version = machine.cib.version
        if machine.is_synced:
            assert version >= self.highest.get(node, Version()), "a version went back"
            self.highest[node] = version
        for item in list(self.stable):
            where, at, name, number, digest = item
            if all((at, m) in where.taken for m in where.members):
                self.acknowledged[name] = None
                self.stable.remove(item)
                assert self.digests.setdefault(number, digest) == digest, f"{number} names two documents"

    def documents(self, members: list[int]) -> list[str]:
        """Digests of the synced documents among these."""
        found = []
        for node in members:
            machine = self.hosts[node].machine
            if machine is not None and machine.is_synced:
                found.append(machine.cib.digest())
        return found

    def names(self, node: int) -> list[str]:
        machine = self.hosts[node].machine
        assert machine is not None
        return [str(e.get("id")) for e in machine.cib.root.iter("primitive")]
