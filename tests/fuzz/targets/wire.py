"""Datagrams and packets between engines: what a stranger sends, what a key holder seals, what stands inside.

The first byte says how far in the rest is put: to the links as it came; sealed by a member, so that it is opened; or as a packet.
"""

from __future__ import annotations

import random

from standfast.base.ids import NodeId
from standfast.engine.links.keys import AuthKey, ClusterKey, KeyRing, cluster_tag
from standfast.engine.links.links import Links, LinksConfig
from standfast.engine.links.sealing import Head, Kind, seal
from standfast.engine.messages import read_packet, write_packet, write_record

A, B = NodeId(1), NodeId(2)
ADDRESSES = {A: (("10.0.0.1", 5405),), B: (("10.0.0.2", 5405),)}
KEY = AuthKey(bytes(range(128)))
OTHER_KEY = AuthKey(bytes(range(1, 129)))
CLUSTER = ClusterKey(KEY, "fuzz")
TAG = cluster_tag("fuzz")


def one(data: bytes) -> None:
    """One input."""
    how, rest = data[:1], data[1:]
    if how == b"\0":
        _raw(rest)
    elif how == b"\1":
        _sealed(rest)
    else:
        _packet(rest)


def _links(node: NodeId, key: AuthKey = KEY) -> Links:
    config = LinksConfig(node, "fuzz", ADDRESSES, ADDRESSES[node], KeyRing(key))
    return Links(config, random.Random(node).randbytes)


def _raw(data: bytes) -> None:
    """A datagram of anybody, from a member's address: nothing is believed, nothing answered."""
    b = _links(B, OTHER_KEY)  # what the corpus has was sealed with KEY: no change of it may open here
    inbound = b.receive(1, 0, ADDRESSES[A][0], data)
    b.check()
    assert (inbound.messages, inbound.replies, inbound.established) == ((), (), ())


def _sealed(data: bytes) -> None:
    """Contents of a member, each led by its length, in a session that stands."""
    a, b = _links(A), _links(B)
    source = ADDRESSES[A][0]
    (hello,) = a.greet(1, B)
    (challenge,) = b.receive(1, 0, source, hello.data).replies
    (answer,) = a.receive(1, 0, ADDRESSES[B][0], challenge.data).replies
    assert b.receive(1, 0, source, answer.data).established == (A,)
    traffic = CLUSTER.traffic(A, a._boot, B, b._boot)
    counter, at = 0, 0
    while at + 2 <= len(data) and counter < 64:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        head = Head(Kind.DATA, TAG, A, 0, traffic.tag, b"", counter)
        b.receive(counter, 0, source, seal(traffic.aead, head, B, data[at + 2 : end]))
        b.check()
        counter, at = counter + 1, end
    boot = data[:16].ljust(16, b"\0")
    for kind in (Kind.HELLO, Kind.CHALLENGE, Kind.ANSWER, Kind.CONFIRM):
        head = Head(kind, TAG, A, 0, CLUSTER.fingerprint, boot, 1)
        inbound = b.receive(100, 0, source, seal(CLUSTER.handshake(A, boot), head, B, data[16:]))
        b.check()
        assert inbound.established == (), "nobody can answer a challenge without having seen it"


def _packet(data: bytes) -> None:
    """Records: what can be read is written again the same."""
    boot, records = read_packet(data)
    again = write_packet(boot, [write_record(record) for record in records])
    assert read_packet(again) == (boot, records)
