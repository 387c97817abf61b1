"""The tray on which one step of the engine collects what has to go out.

Owns: packing all records for one peer into as few packets as fit, and the order of effects. Does not own: sealing (links/).

Order of effects: what the rooms asked for in the order they asked (Persist, ToClient, Tell), then all datagrams. So what is
durable stands before what is visible to others, because a room asks for Persist before it sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from standfast.base.ids import NodeId
from standfast.base.report import Report
from standfast.engine.api import ClientEvent, Pulse, Quorum, ViewInstalled
from standfast.engine.effects import (
    Address,
    AskKernel,
    AskThird,
    EngineEffect,
    Halt,
    LeaveThird,
    Persist,
    ReadFile,
    ReloadEnded,
    SendDatagram,
    Tell,
    ToClient,
)
from standfast.engine.messages import Record, write_packet, write_record


class Post:
    """Empty between steps, but for what is kept back (`keep_back`) from the client until `release`. `has_client`: whether anybody
    listens to ToClient."""

    __slots__ = ("_effects", "_halt", "_kept", "_records", "_spread", "has_client")

    def __init__(self) -> None:
        self._effects: list[EngineEffect] = []
        self._halt: Halt | None = None
        self._kept: list[ClientEvent] | None = None
        self._records: dict[NodeId, list[bytes]] = {}
        self._spread: dict[NodeId, list[bytes]] = {}
        self.has_client = False

    def send(self, node: NodeId, record: Record) -> None:
        """To `node`, by its best link."""
        self._records.setdefault(node, []).append(write_record(record))

    def send_written(self, node: NodeId, record: bytes) -> None:
        """The same for a record that is written already, because several peers get it."""
        self._records.setdefault(node, []).append(record)

    def spread(self, node: NodeId, record: Record) -> None:
        """To `node`, by all links."""
        self._spread.setdefault(node, []).append(write_record(record))

    def ask_kernel(self, now_us: int, places: Sequence[tuple[int, Address]]) -> None:
        """Whether the host of a silent peer is there, on every link."""
        self._effects.extend([AskKernel(link, address, now_us) for link, address in places])

    def pass_on(self, datagrams: tuple[SendDatagram, ...]) -> None:
        """Sealed already (the links' handshakes): they name nothing that has to be durable first."""
        self._effects.extend(datagrams)

    def client(self, event: ClientEvent) -> None:
        """To the manager, if it is there."""
        if self._kept is not None and not isinstance(event, Pulse):
            self._kept.append(event)
        elif self.has_client:
            self._effects.append(ToClient(event))

    def keep_back(self) -> None:
        """From now on the client learns nothing but pulses. The ordering's flow control bounds what that can be."""
        if self._kept is None:
            self._kept = []

    def release(self, quorum: Quorum | None) -> None:
        """Tell what was kept back, as if the view had been installed now, with this quorum. None: it concerns nobody any more."""
        kept, self._kept = self._kept or [], None
        if quorum is not None:
            for event in kept:
                self.client(replace(event, quorum=quorum) if isinstance(event, ViewInstalled) else event)

    def ask(self, effect: AskThird | LeaveThird | ReadFile | ReloadEnded) -> None:
        """To the quorum device, or to whoever reads the configuration."""
        self._effects.append(effect)

    def tell(self, report: Report) -> None:
        """To the log."""
        self._effects.append(Tell(report))

    def persist(self, name: str, data: bytes) -> None:
        """To the disk, before anything that follows."""
        self._effects.append(Persist(name, data))

    def halt(self, report: Report) -> None:
        """The end, after everything else of this step."""
        self._halt = Halt(report)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to go out."""
        return not (self._effects or self._records or self._spread or self._halt)

    def take(self) -> tuple[list[EngineEffect], dict[NodeId, list[bytes]], dict[NodeId, list[bytes]], Halt | None]:
        """Everything (effects, records by best link, records by all links, the end), and the tray is empty again."""
        taken = self._effects, self._records, self._spread, self._halt
        self._effects, self._records, self._spread, self._halt = [], {}, {}, None
        return taken


def in_packets(boot: int, records: Sequence[bytes], room: int) -> Iterator[bytes]:
    """As many packets as it takes: a record is never cut here, and small ones share a packet of `room` bytes."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        if batch and size + len(record) > room:
            yield write_packet(boot, batch)
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    yield write_packet(boot, batch)
