"""The envelope: a clear header, and everything else sealed (AES-256-GCM).

Owns: the layout of a datagram, nonce and associated data. Does not own: which key, which counter, who is believed.

    all:        magic "Sf" | version u8 | kind u8 | cluster 4 | sender u32 | link u8
    data:       + session tag 8 | counter u64                  29 bytes, then ciphertext and 16 bytes of tag
    handshake:  + key fingerprint 4 | boot 16 | counter u64    41 bytes, then ciphertext and 16 bytes of tag

The associated data is the header and the receiver's id, so that a datagram opens at one node, from one node, on one link, as
one kind. The nonce is the counter, never random: each key has one sender, which counts up and never goes back.

AES-GCM rather than ChaCha20-Poly1305: it is 2.5 times as fast at 100 to 1400 bytes on any processor with AES instructions.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from standfast.base.ids import NodeId
from standfast.base.wire import Malformed
from standfast.engine.links.keys import BOOT_BYTES, FINGERPRINT_BYTES, SESSION_TAG_BYTES

MAGIC = b"Sf"
VERSION = 1
SEAL_BYTES = 16
NONCE_BYTES = 12


class Kind(IntEnum):
    """What a datagram is. Only DATA belongs to a session; the others make one (session.py)."""

    DATA = 1
    HELLO = 2
    CHALLENGE = 3
    ANSWER = 4
    CONFIRM = 5


_COMMON = struct.Struct("!2sBB4sIB")
_DATA = struct.Struct(f"!2sBB4sIB{SESSION_TAG_BYTES}sQ")
_HANDSHAKE = struct.Struct(f"!2sBB4sIB{FINGERPRINT_BYTES}s{BOOT_BYTES}sQ")
_DATA_TAIL = struct.Struct(f"!{SESSION_TAG_BYTES}sQ")
_HANDSHAKE_TAIL = struct.Struct(f"!{FINGERPRINT_BYTES}s{BOOT_BYTES}sQ")
_U32 = struct.Struct("!I")
_KINDS: dict[int, Kind] = {kind.value: kind for kind in Kind}

DATA_OVERHEAD_BYTES = _DATA.size + SEAL_BYTES


class Head(Struct, frozen=True):
    """The clear header: claims, until the seal is opened. `name` is the session's tag (DATA) or the key's fingerprint."""

    kind: Kind
    cluster: bytes
    sender: NodeId
    link: int
    name: bytes
    boot: bytes
    counter: int

    def packed(self) -> bytes:
        """The header as it stands on the wire."""
        if self.kind is Kind.DATA:
            return pack_data_head(self.cluster, self.sender, self.link, self.name, self.counter)
        common = (MAGIC, VERSION, self.kind, self.cluster, self.sender, self.link, self.name)
        return _HANDSHAKE.pack(*common, self.boot, self.counter)


def pack_data_head(cluster: bytes, sender: NodeId, link: int, tag: bytes, counter: int) -> bytes:
    """The clear header of a DATA datagram, as it stands on the wire."""
    return _DATA.pack(MAGIC, VERSION, Kind.DATA, cluster, sender, link, tag, counter)


def read_head(datagram: bytes) -> Head:
    """Parse the header. Raises Malformed."""
    size = len(datagram)
    if size < _COMMON.size:
        raise Malformed("datagram", f"{size} bytes are too short")
    magic, version, number, cluster, sender, link = _COMMON.unpack_from(datagram)
    if magic != MAGIC:
        raise Malformed("magic", "not a datagram of ours")
    if version != VERSION:
        raise Malformed("version", f"{version}, and this release speaks {VERSION}")
    kind = _KINDS.get(number)
    if kind is None:
        raise Malformed("kind", f"{number} is unknown")
    layout = _DATA if kind is Kind.DATA else _HANDSHAKE
    if size < layout.size + SEAL_BYTES:
        raise Malformed("datagram", f"{size} bytes are too short")
    if kind is Kind.DATA:
        name, counter = _DATA_TAIL.unpack_from(datagram, _COMMON.size)
        boot = b""
    else:
        name, boot, counter = _HANDSHAKE_TAIL.unpack_from(datagram, _COMMON.size)
    return Head(kind, cluster, NodeId(sender), link, name, boot, counter)


def seal(aead: AESGCM, head: Head, receiver: NodeId, content: bytes) -> bytes:
    """The datagram for `receiver`. The caller never uses a counter twice with one key."""
    return seal_packed(aead, head.packed(), head.counter, receiver, content)


def seal_packed(aead: AESGCM, packed: bytes, counter: int, receiver: NodeId, content: bytes) -> bytes:
    """The same for a header that is packed already, with the counter that it names."""
    return packed + aead.encrypt(counter.to_bytes(NONCE_BYTES, "big"), content, packed + _U32.pack(receiver))


def unseal(aead: AESGCM, head: Head, receiver: NodeId, datagram: bytes) -> bytes | None:
    """The content, or None when it was not sealed for `receiver` with this key and header."""
    size = _DATA.size if head.kind is Kind.DATA else _HANDSHAKE.size
    try:
        return aead.decrypt(head.counter.to_bytes(NONCE_BYTES, "big"), datagram[size:], datagram[:size] + _U32.pack(receiver))
    except InvalidTag:
        return None
