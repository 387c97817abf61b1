"""A member that says anything: packets that open, into a whole engine that runs. Nothing may be raised, every invariant holds.

The input is a list of `u8 sender and pause, u16 length, packet`. A packet that begins with 0xff gets the head that is right here.
"""

from __future__ import annotations

from collections.abc import Mapping

from standfast.base.ids import NodeId
from standfast.engine.effects import Address, DatagramReceived, Halt, SendDatagram, SetTimer, TimerFired
from standfast.engine.embedded import Engine
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.engine.links.links import Inbound, LinkHealth, Links, Message
from standfast.engine.messages import HEAD, VERSION
from standfast.engine.settings import EngineConfig, NodeConfig

NODES = tuple(NodeConfig(NodeId(n), f"n{n}", ((f"10.0.0.{n}", 5405),)) for n in (1, 2, 3))
BOOTS: Mapping[int, int] = {1: 11, 2: 22, 3: 33}
PACKETS_MAX = 200
CPU_MS = 400
"""64 KiB are up to 200 packets of a few hundred records, and each is taken by a whole engine that is checked after it."""


class Open(Links):
    """Links without seals: a datagram is the packet, and all peers have a session."""

    def receive(self, now_us: int, link: int, source: Address, datagram: bytes) -> Inbound:
        node = NodeId(int(source[0].rpartition(".")[2]))
        return Inbound(messages=(Message(node, BOOTS[node], link, datagram),))

    def send(self, now_us: int, peer: NodeId, data: bytes, *, all_links: bool = False) -> tuple[SendDatagram, ...]:
        return (SendDatagram(0, (f"10.0.0.{peer}", 5405), data),)

    def health(self, peer: NodeId) -> tuple[LinkHealth, ...]:
        return ()


def one(data: bytes) -> None:
    """One input."""
    config = EngineConfig("fuzz", NodeId(2), NODES, KeyRing(AuthKey(bytes(128))))
    entropy = bytes.fromhex("0000000000000016").__mul__(8)
    engine = Engine(config, lambda count: entropy[:count], {}, links=Open(config.links(), lambda count: entropy[:count]))
    timer_us = next(effect.at_us for effect in engine.start(0) if isinstance(effect, SetTimer))
    now_us, at, taken = 0, 0, 0
    while at + 3 <= len(data) and taken < PACKETS_MAX:
        until_us = now_us + (data[at] >> 1) ** 2 * 40  # up to 0.6 s
        sender = (1, 3)[data[at] & 1]
        end = at + 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        packet = data[at + 3 : end]
        if packet[:1] == b"\xff":
            packet = HEAD.pack(VERSION, BOOTS[sender]) + packet[1:]
        at, taken = end, taken + 1
        while True:
            is_due = timer_us <= until_us
            now_us = max(now_us, timer_us) if is_due else until_us
            event = TimerFired() if is_due else DatagramReceived(0, (f"10.0.0.{sender}", 5405), packet)
            effects = engine.step(now_us, event)
            if any(isinstance(effect, Halt) for effect in effects):
                return
            timer_us = next((effect.at_us for effect in effects if isinstance(effect, SetTimer)), timer_us)
            engine.check()
            engine.status(now_us)
            if not is_due:
                break
