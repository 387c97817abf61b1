"""Links: the face of the room. Bytes in, believed messages out; messages in, sealed datagrams out.

Owns: the order in which a datagram is doubted, each peer's session, and which link of a peer is used.
Does not own: silence (detector/), loss and order (ordering/), sockets.

A datagram is believed when, in this order: its header parses; it names our cluster; the sender it claims is in the nodelist
and has exactly this source address on exactly this link; its session or key is known; its counter is fresh; its seal opens.
Until the seal has opened, nothing changes but counters, and nothing is answered.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from standfast.base.dataclass import dataclass
from standfast.base.ids import NODES_MAX, US_PER_MS, US_PER_S, Entropy, NodeId
from standfast.base.report import Refused, Report, error
from standfast.base.wire import Malformed
from standfast.engine.effects import Address, SendDatagram
from standfast.engine.links.complaints import Complaint, Complaints
from standfast.engine.links.fragments import MESSAGE_BYTES_MAX, Assembly, split
from standfast.engine.links.keys import BOOT_BYTES, ClusterKey, KeyRing, cluster_tag
from standfast.engine.links.pace import Pace
from standfast.engine.links.sealing import DATA_OVERHEAD_BYTES, Head, Kind, pack_data_head, read_head, seal, seal_packed, unseal
from standfast.engine.links.session import Challenger, Proof, Session, read_proof, write_proof

LINKS_MAX = 8
MTU_BYTES_MIN = 512
MTU_BYTES_MAX = 65_507
"""Limits of a datagram's size: room for a useful fragment, and the largest UDP payload over IPv4."""

GREET_US = 100 * US_PER_MS
"""While a peer has no session, `send` greets it at most this often."""

DOUBT_US = US_PER_S
"""A session in which nothing was heard for so long may be over without our knowing: `send` greets too, at this interval."""

LINGER_US = 10 * US_PER_S
"""What belongs to no session is ordinary for so long after one began, or a key was changed: datagrams are on their way, and the
peer may not know yet."""

FORMER_MAX = 32
"""Former boots of a peer that are remembered: no boot comes back, so whatever names one was recorded."""

DATA_PER_S = 20_000
HANDSHAKES_PER_S = 10_000
"""What is taken of one peer. Two members with 64 KiB messages and nothing else to do send each other 9,000 a second; a peer that
is lost greets ten times a second and link. What is over it is dropped before it costs more."""

_WHOLE = b"\x00"
_FRAGMENT = b"\x01"
_CONTENT_HEAD_BYTES = 2


@dataclass(frozen=True, slots=True)
class LinksConfig:
    """What the links are told.

    `peers` gives each other node's addresses by link number (None: the peer has no such link); the local node may stand in it
    and is passed over. `local_addresses` are ours by link number; links that only one side has are not used. `mtu_bytes` is
    the largest UDP payload (so a file's `netmtu` less 28 for IPv4, less 48 for IPv6). `priorities` by link number as
    knet_link_priority: the highest that works is used. A link that lags `link_lag_ms` behind the peer's freshest one does not
    work. Raises Refused when the values cannot be used.
    """

    local: NodeId
    cluster_name: str
    peers: Mapping[NodeId, tuple[Address | None, ...]]
    local_addresses: tuple[Address | None, ...]
    keys: KeyRing
    mtu_bytes: int = 1400
    priorities: tuple[int, ...] = ()
    link_lag_ms: int = 500

    def __post_init__(self) -> None:
        if not MTU_BYTES_MIN <= self.mtu_bytes <= MTU_BYTES_MAX:
            raise Refused(
                error("links.mtu", f"mtu {self.mtu_bytes} is not {MTU_BYTES_MIN} .. {MTU_BYTES_MAX}", remedy="set netmtu: 1400")
            )
        if len(self.peers) > NODES_MAX:
            raise Refused(error("links.nodes", f"{len(self.peers)} nodes, {NODES_MAX} is the limit"))
        if max(map(len, (self.local_addresses, *self.peers.values()))) > LINKS_MAX:
            raise Refused(error("links.count", f"more than {LINKS_MAX} links", remedy="remove a ringX_addr"))


class Message(Struct, frozen=True):
    """One whole message of a peer that has proved to be itself and alive. `session` differs for each boot of its engine."""

    peer: NodeId
    session: int
    link: int
    data: bytes


class Inbound(Struct, frozen=True):
    """What a datagram led to. `established` names the peer whose (new) session stands since this very datagram."""

    messages: tuple[Message, ...] = ()
    replies: tuple[SendDatagram, ...] = ()
    reports: tuple[Report, ...] = ()
    established: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """One link of a peer. `last_heard_us` is when it last brought something believed in this session (None: never);
    `hears_us` is what the peer says about the other direction."""

    link: int
    address: Address
    last_heard_us: int | None
    hears_us: bool


_NOTHING = Inbound()


class _Peer:
    """What is known of one peer. Mutable, owned by Links."""

    __slots__ = (
        "addresses",
        "assembly",
        "counter",
        "data_pace",
        "epoch",
        "former",
        "greeted_us",
        "handshake_pace",
        "heard_us",
        "hears",
        "id",
        "session",
        "settled_us",
    )

    def __init__(self, node: NodeId, addresses: dict[int, Address]) -> None:
        self.id = node
        self.addresses = addresses
        self.session: Session | None = None
        self.epoch = 0
        self.counter = 0
        self.greeted_us: int | None = None
        self.assembly = Assembly()
        self.heard_us: dict[int, int] = {}
        self.hears = 0
        self.former: deque[bytes] = deque(maxlen=FORMER_MAX)
        self.settled_us: int | None = None
        self.data_pace = Pace(DATA_PER_S)
        self.handshake_pace = Pace(HANDSHAKES_PER_S)


class Links:
    """All links to all peers.

    Invariants: a peer's session changes only when the peer has answered a challenge of this boot, this epoch and this moment;
    no message comes out twice from one datagram; no counter is used twice under one key.
    """

    def __init__(self, config: LinksConfig, entropy: Entropy) -> None:
        """Draws this boot's id and the challenge secret from `entropy`. Raises Refused for addresses that two peers share."""
        self._config = config
        self._boot = entropy(BOOT_BYTES)
        self._challenger = Challenger(entropy(32))
        self._cluster = cluster_tag(config.cluster_name)
        self._complaints = Complaints()
        self._handshakes_sent = 0
        self._keys: tuple[ClusterKey, ...] = ()
        self._new = b""
        self._own: dict[bytes, AESGCM] = {}
        self._peers: dict[NodeId, _Peer] = {}
        self._sources: dict[tuple[int, Address], NodeId] = {}
        for node in sorted(config.peers):
            if node != config.local:
                self._add(node, config.peers[node])
        self.rotate(config.keys)

    def _add(self, node: NodeId, addresses: tuple[Address | None, ...]) -> None:
        ours = self._config.local_addresses
        used = {link: address for link, address in enumerate(addresses[: len(ours)]) if address and ours[link]}
        for link, address in used.items():
            other = self._sources.setdefault((link, _canonical(address)), node)
            if other != node:
                raise Refused(
                    error(
                        "links.same-address",
                        f"nodes {other} and {node} have the same address {address[0]} port {address[1]} on link {link}",
                        remedy="give each node its own ringX_addr in the nodelist",
                    )
                )
        self._peers[node] = _Peer(node, used)

    # ---- what the engine asks -------------------------------------------------------------------------------------

    def session(self, peer: NodeId) -> int | None:
        """The number of the standing session with `peer`, or None."""
        session = self._peers[peer].session
        return None if session is None else session.number

    def health(self, peer: NodeId) -> tuple[LinkHealth, ...]:
        """Every link to `peer`, by number."""
        p = self._peers[peer]
        return tuple(
            LinkHealth(link, address, p.heard_us.get(link), bool(p.hears >> link & 1)) for link, address in p.addresses.items()
        )

    @property
    def counters(self) -> tuple[tuple[str, int], ...]:
        """Datagrams that were not believed, by reason, and messages that were never completed."""
        dropped = sum(p.assembly.dropped for p in self._peers.values())
        return (*((str(k), v) for k, v in self._complaints.counters.items()), ("incomplete", dropped))

    def rotate(self, keys: KeyRing) -> None:
        """Use another key ring from now on. Sessions stand: both sides count on, under other keys."""
        self._keys = tuple(ClusterKey(key, self._config.cluster_name) for key in keys.live())
        self._new = self._keys[1].fingerprint if keys.is_moving and len(self._keys) == 2 else b""
        self._own = {key.fingerprint: key.handshake(self._config.local, self._boot) for key in self._keys}
        for p in self._peers.values():
            p.settled_us = None
            if p.session is not None:
                p.session.derive(self._keys, self._config.local, self._boot, p.id)

    # ---- outward --------------------------------------------------------------------------------------------------

    def greet(self, now_us: int, peer: NodeId) -> tuple[SendDatagram, ...]:
        """Start or repeat the handshake with `peer`, on every link; on the way to another key, with that key too."""
        p = self._peers[peer]
        p.greeted_us = now_us
        prints = (self._keys[0].fingerprint, self._new) if self._new else (self._keys[0].fingerprint,)
        return tuple(self._handshake(p, link, Kind.HELLO, each, b"") for each in prints for link in p.addresses)

    def send(self, now_us: int, peer: NodeId, data: bytes, *, all_links: bool = False) -> tuple[SendDatagram, ...]:
        """Seal `data` for `peer`, on its best link or on all of them (then it arrives once by each).

        Without a session `data` is dropped and at most the handshake goes out. Data over MESSAGE_BYTES_MAX is a bug.
        """
        assert len(data) <= MESSAGE_BYTES_MAX, len(data)
        p = self._peers[peer]
        greeting = self.greet(now_us, peer) if self._should_greet(now_us, p) else ()
        if p.session is None or not p.addresses:
            return greeting
        room = self._config.mtu_bytes - DATA_OVERHEAD_BYTES - _CONTENT_HEAD_BYTES
        contents = (_WHOLE + data,) if len(data) <= room else tuple(_FRAGMENT + part for part in split(data, room))
        heard = self._heard(p)
        links = tuple(p.addresses) if all_links else (self._best(p, heard),)
        marked = _marked(heard)
        return greeting + tuple([self._sealed(p, p.session, link, marked + content) for link in links for content in contents])

    def _should_greet(self, now_us: int, p: _Peer) -> bool:
        is_asking = self._new != b"" and p.session is not None and not p.session.has_new
        if p.session is not None and now_us - max(p.heard_us.values()) < DOUBT_US and not is_asking:
            return False
        pause_us = GREET_US if p.session is None else DOUBT_US
        return p.greeted_us is None or now_us - p.greeted_us >= pause_us

    @property
    def lacking(self) -> tuple[NodeId, ...]:
        """On the way to another key: the peers that have not proved to have it, those that are away included."""
        return tuple(p.id for p in self._peers.values() if self._new and (p.session is None or not p.session.has_new))

    def _sealed(self, p: _Peer, session: Session, link: int, content: bytes) -> SendDatagram:
        counter = p.counter
        p.counter = counter + 1
        packed = pack_data_head(self._cluster, self._config.local, link, session.seals.tag, counter)
        return SendDatagram(link, p.addresses[link], seal_packed(session.seals.aead, packed, counter, p.id, content))

    def _handshake(self, p: _Peer, link: int, kind: Kind, fingerprint: bytes, content: bytes) -> SendDatagram:
        head = Head(kind, self._cluster, self._config.local, link, fingerprint, self._boot, self._handshakes_sent)
        self._handshakes_sent += 1
        return SendDatagram(link, p.addresses[link], seal(self._own[fingerprint], head, p.id, content))

    def _heard(self, p: _Peer) -> list[int]:
        """Links that brought something not long before the freshest did."""
        if len(p.heard_us) == 1:
            return list(p.heard_us)
        since_us = max(p.heard_us.values(), default=0) - self._config.link_lag_ms * US_PER_MS
        return [link for link, heard_us in p.heard_us.items() if heard_us >= since_us]

    def _best(self, p: _Peer, heard: list[int]) -> int:
        """Heard by us and by the peer, else heard by us; then by priority, then the lowest number."""
        if len(p.addresses) == 1:
            return next(iter(p.addresses))
        links = [link for link in heard if p.hears >> link & 1] or heard or list(p.addresses)
        priorities = self._config.priorities
        return min(links, key=lambda link: (-priorities[link] if link < len(priorities) else 0, link))

    # ---- inward ---------------------------------------------------------------------------------------------------

    def receive(self, now_us: int, link: int, source: Address, datagram: bytes) -> Inbound:
        """Take one datagram from the network. Never raises, whatever the bytes are."""
        try:
            head = read_head(datagram)
        except Malformed as bad:
            return self._doubted(now_us, Complaint.MALFORMED, source, str(bad))
        if head.cluster != self._cluster:
            return self._doubted(now_us, Complaint.FOREIGN_CLUSTER, source, self._config.cluster_name)
        p = self._peers.get(head.sender)
        if p is None or head.link != link or not self._is_at(link, source, head.sender):
            return self._doubted(now_us, Complaint.UNKNOWN_SOURCE, source, self._stranger(head, p, link))
        if head.kind is Kind.DATA:
            return self._data_came(now_us, p, head, source, datagram)
        return self._handshake_came(now_us, p, head, source, datagram)

    def _is_at(self, link: int, source: Address, sender: NodeId) -> bool:
        found = self._sources.get((link, source))
        if found is None:
            found = self._sources.get((link, _canonical(source)))
        return found == sender

    @staticmethod
    def _stranger(head: Head, p: _Peer | None, link: int) -> str:
        if p is None:
            return f"they say node {head.sender}, which the nodelist does not have"
        if head.link != link or link not in p.addresses:
            return f"they say node {head.sender} on link {head.link}, and came on link {link}"
        host, port = p.addresses[link]
        return f"they say node {head.sender}, whose address on link {link} is {host} port {port}"

    def _doubted(self, now_us: int, kind: Complaint, source: Address, detail: str = "") -> Inbound:
        reports = self._complaints.about(now_us, kind, source[0], detail)
        return Inbound(reports=reports) if reports else _NOTHING

    def _stale(self, now_us: int, p: _Peer, source: Address) -> Inbound:
        """Of another session than the one that stands: ordinary for a while, and then worth a word."""
        if p.settled_us is None:
            p.settled_us = now_us
        kind = Complaint.STALE if now_us - p.settled_us < LINGER_US else Complaint.OUTLIVED
        return self._doubted(now_us, kind, source)

    def _data_came(self, now_us: int, p: _Peer, head: Head, source: Address, datagram: bytes) -> Inbound:
        session = p.session
        traffic = None if session is None else session.opens.get(head.name)
        if session is None or traffic is None:
            return self._stale(now_us, p, source)
        if not session.window.is_fresh(head.counter):
            return self._doubted(now_us, Complaint.REPLAYED, source)
        content = unseal(traffic.aead, head, self._config.local, datagram)
        if content is None:
            return self._doubted(now_us, Complaint.FORGED, source)
        if not p.data_pace.takes(now_us):  # asked when it is the peer's for certain: forged datagrams use up nothing of it
            return self._doubted(now_us, Complaint.FLOOD, source, f"{DATA_PER_S} a second")
        session.window.mark(head.counter)
        p.heard_us[head.link] = now_us
        try:
            data = self._content(now_us, p, content)
        except Malformed as bad:
            return self._doubted(now_us, Complaint.MALFORMED, source, str(bad))
        return _NOTHING if data is None else Inbound(messages=(Message(p.id, session.number, head.link, data),))

    @staticmethod
    def _content(now_us: int, p: _Peer, content: bytes) -> bytes | None:
        if len(content) < _CONTENT_HEAD_BYTES:
            raise Malformed("content", f"{len(content)} bytes are too short")
        p.hears = content[0]
        kind, body = content[1:2], content[2:]
        if kind == _WHOLE:
            return body
        if kind == _FRAGMENT:
            return p.assembly.add(now_us, body)
        raise Malformed("content.kind", f"{kind[0]} is unknown")

    def _handshake_came(self, now_us: int, p: _Peer, head: Head, source: Address, datagram: bytes) -> Inbound:
        key = next((key for key in self._keys if key.fingerprint == head.name), None)
        if key is None:
            return self._doubted(now_us, Complaint.OTHER_KEY, source)
        if not p.handshake_pace.takes(now_us):  # before the key is derived, which costs more than all else
            return self._doubted(now_us, Complaint.FLOOD, source, f"{HANDSHAKES_PER_S} a second")
        session = p.session if p.session is not None and p.session.boot == head.boot else None
        if session is not None and not session.greetings.is_fresh(head.counter):
            return self._doubted(now_us, Complaint.REPLAYED, source)
        if head.boot in p.former:
            return self._stale(now_us, p, source)
        content = unseal(key.handshake(p.id, head.boot), head, self._config.local, datagram)
        if content is None:
            return self._doubted(now_us, Complaint.FORGED, source)
        if session is not None:
            session.greetings.mark(head.counter)
            if head.name == self._new:
                session.move()
        try:
            if head.kind is Kind.HELLO:
                return self._greeted(now_us, p, head)
            proof = read_proof(content, is_answer=head.kind is Kind.ANSWER)
        except Malformed as bad:
            return self._doubted(now_us, Complaint.MALFORMED, source, str(bad))
        if proof.boot != self._boot:
            return self._stale(now_us, p, source)
        if head.kind is Kind.CHALLENGE:
            return self._challenged(now_us, p, head, proof)
        return self._answered(now_us, p, head, source, proof)

    def _greeted(self, now_us: int, p: _Peer, head: Head) -> Inbound:
        challenge = self._challenger.challenge(now_us, p.id, head.boot, p.epoch)
        content = write_proof(Proof(head.boot, challenge))
        return Inbound(replies=(self._handshake(p, head.link, Kind.CHALLENGE, head.name, content),))

    def _challenged(self, now_us: int, p: _Peer, head: Head, proof: Proof) -> Inbound:
        challenge = self._challenger.challenge(now_us, p.id, head.boot, p.epoch)
        content = write_proof(Proof(head.boot, proof.given, challenge))
        return Inbound(replies=(self._handshake(p, head.link, Kind.ANSWER, head.name, content),))

    def _answered(self, now_us: int, p: _Peer, head: Head, source: Address, proof: Proof) -> Inbound:
        """ANSWER or CONFIRM: the peer hands a challenge of ours back."""
        if not self._challenger.is_answered(now_us, p.id, head.boot, p.epoch, proof.given):
            return self._stale(now_us, p, source)
        replies: tuple[SendDatagram, ...] = ()
        if head.kind is Kind.ANSWER:
            content = write_proof(Proof(head.boot, proof.asked))
            replies = (self._handshake(p, head.link, Kind.CONFIRM, head.name, content),)
        if p.session is not None and p.session.boot == head.boot:
            # Only our CONFIRM was lost. The session stands, and so does its replay window.
            return Inbound(replies=replies)
        if p.session is not None:
            p.former.append(p.session.boot)
        p.session = Session(head.boot)
        p.session.greetings.mark_all(head.counter)
        p.session.derive(self._keys, self._config.local, self._boot, p.id)
        if head.name == self._new:
            p.session.move()
        p.epoch += 1
        p.settled_us = now_us
        p.assembly.clear()
        p.heard_us = {head.link: now_us}
        p.hears = 0
        return Inbound(replies=replies, established=(p.id,))

    def check(self) -> None:
        """The invariants that hold between any two calls, for tests and the simulator."""
        self._complaints.check()
        assert len(self._own) == len(self._keys)
        for p in self._peers.values():
            p.assembly.check()
            assert (p.session is None) == (p.epoch == 0)
            if p.session is not None:
                p.session.check()
                assert len(p.session.opens) == len(self._keys)
                assert p.heard_us


def _marked(links: list[int]) -> bytes:
    """The first byte of a content: which links the peer is heard on."""
    bits = 0
    for link in links:
        bits |= 1 << link
    return bytes((bits,))


def _canonical(address: Address) -> Address:
    """One spelling for one address: no zone, no IPv4 inside IPv6, IPv6 compressed. What is no address stays as it is."""
    host, port = address
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return address
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (str(mapped or ip), port)
