"""Keys: the cluster's authkey, the ring of one or two live keys, and what is derived from them.

Owns: HKDF-SHA256 (RFC 5869) from the authkey to handshake and traffic keys, and the fingerprint that names a key in the
clear. Does not own: who uses which key when (session.py, links.py), reading key files.

An authkey is never used as a cipher key itself: `extract` is salted with the cluster's name, so that one file copied to two
clusters still gives two unrelated sets of keys. One shared key cannot tell its holders apart: who has it, and the use of a
node's address, can speak as that node.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from standfast.base.dataclass import dataclass
from standfast.base.ids import NodeId
from standfast.base.report import Refused, error
from standfast.base.wire import Writer

AUTHKEY_BYTES_MIN = 128
AUTHKEY_BYTES_MAX = 4096
"""What corosync-keygen writes and corosync accepts: 1024 bits at least."""

BOOT_BYTES = 16
"""A boot id: 128 random bits, drawn when an engine starts."""

FINGERPRINT_BYTES = 4
SESSION_TAG_BYTES = 8


class AuthKey:
    """The bytes of an authkey file, 128 to 4096 of them. Raises Refused at any other length. Its repr shows nothing."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if not AUTHKEY_BYTES_MIN <= len(secret) <= AUTHKEY_BYTES_MAX:
            raise Refused(
                error(
                    "links.authkey-length",
                    f"the authkey has {len(secret)} bytes, {AUTHKEY_BYTES_MIN} to {AUTHKEY_BYTES_MAX} are needed",
                    remedy="make one with corosync-keygen and copy it to every node",
                )
            )
        self._secret = bytes(secret)

    def reveal(self) -> bytes:
        """The secret itself, for derivation alone."""
        return self._secret

    def __repr__(self) -> str:
        return "AuthKey('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AuthKey) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash((AuthKey, len(self._secret)))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One or two live keys: datagrams are sealed with `send`, and opened with either.

    A rotation takes three sweeps over the nodes, each finished before the next begins: (old, also new), (new, also old),
    (new). No node stops, and no datagram is refused on the way.

    With `is_moving` the sweeps need no order: each node gets (old, also new, moving) when it happens to, asks every peer whether
    it has the new key too, and seals with the new one for whoever has proved it. When all have, the old one can go, here as
    there, in any order again. It may stay half done for as long as anybody likes.
    """

    send: AuthKey
    also: AuthKey | None = None
    is_moving: bool = False

    def live(self) -> tuple[AuthKey, ...]:
        """The keys that open datagrams, the sending one first."""
        return (self.send,) if self.also is None or self.also == self.send else (self.send, self.also)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One direction of one session under one key: what names it on the wire, and what seals it."""

    tag: bytes
    aead: AESGCM

    def __repr__(self) -> str:
        return "Traffic('***')"


class ClusterKey:
    """An authkey bound to a cluster's name; derives every key that is used. Its repr shows the public fingerprint alone.

    `fingerprint` (4 bytes, itself derived by HKDF) stands in the clear in handshakes, so that a node can tell "another
    authkey" from "damaged or forged" without trying; from 32 of at least 1024 bits nothing can be won.
    """

    __slots__ = ("_prk", "fingerprint")

    def __init__(self, authkey: AuthKey, cluster_name: str) -> None:
        # RFC 5869 2.2: PRK = HMAC(salt, IKM). The salt is the cluster's name under a label of ours.
        salt = hashlib.sha256(b"standfast links v1\0" + cluster_name.encode()).digest()
        self._prk = hmac.digest(salt, authkey.reveal(), "sha256")
        self.fingerprint = self._expand(b"fingerprint", FINGERPRINT_BYTES)

    def handshake(self, sender: NodeId, sender_boot: bytes) -> AESGCM:
        """What `sender` seals its handshakes with during one boot."""
        info = Writer().raw(b"handshake\0").u32(sender).raw(sender_boot).done()
        return AESGCM(self._expand(info, 32))

    def traffic(self, sender: NodeId, sender_boot: bytes, receiver: NodeId, receiver_boot: bytes) -> Traffic:
        """What `sender` seals messages for `receiver` with, while both live their present boot.

        Both boots are in the derivation: when either side has restarted, what was recorded before opens nowhere.
        """
        info = Writer().raw(b"traffic\0").u32(sender).raw(sender_boot).u32(receiver).raw(receiver_boot).done()
        secret = self._expand(info, 32 + SESSION_TAG_BYTES)
        return Traffic(tag=secret[32:], aead=AESGCM(secret[:32]))

    def _expand(self, info: bytes, length: int) -> bytes:
        return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(self._prk)

    def __repr__(self) -> str:
        return f"ClusterKey('***', fingerprint={self.fingerprint.hex()})"


def cluster_tag(cluster_name: str) -> bytes:
    """Four bytes that name the cluster in the clear: enough to tell a foreign cluster, and to say so."""
    return hashlib.sha256(b"standfast cluster\0" + cluster_name.encode()).digest()[:4]
