"""Sessions: how two engines that were both just started, or one of them, come to believe each other.

Owns: the challenge, the four handshake contents, and what a standing session holds. Does not own: keys, addresses, sending.

    A  HELLO      I am boot a                                                          ->  B
    A  <-  CHALLENGE  I am boot b; you said a; prove that you live now: c                  B
    A  ANSWER     I am a; you said b, c; prove that you live now: d                    ->  B   believes a
    A  <-  CONFIRM    I am b; you said a, d                                                B
    A  believes b

Every one of them is sealed with a key of its sender's boot. Nothing is remembered between the steps: a challenge is a keyed
hash of the peer, its boot, the number of sessions we have had with the peer (`epoch`), and the time in steps of five
seconds. So a flood of recorded hellos fills no table and displaces nobody; a recorded answer is too late, or its epoch has
passed, or it was made for another boot of ours. Each challenge lets in one session and no second.
"""

from __future__ import annotations

import hmac

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S, NodeId
from standfast.base.wire import Reader, Writer
from standfast.engine.links.keys import BOOT_BYTES, ClusterKey, Traffic
from standfast.engine.links.replay import ReplayWindow

CHALLENGE_BYTES = 16
CHALLENGE_STEP_US = 5 * US_PER_S
"""An answer is taken in the step its challenge was made in and in the next one: for 5 to 10 seconds."""


class Challenger:
    """Makes challenges and recognises their answers. `secret` is drawn anew at each boot."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def challenge(self, now_us: int, peer: NodeId, peer_boot: bytes, epoch: int) -> bytes:
        """What `peer` has to send back."""
        return self._made_in(now_us // CHALLENGE_STEP_US, peer, peer_boot, epoch)

    def is_answered(self, now_us: int, peer: NodeId, peer_boot: bytes, epoch: int, answer: bytes) -> bool:
        """Whether `answer` is a challenge of ours for this boot of `peer`, this epoch, and of late."""
        step = now_us // CHALLENGE_STEP_US
        fresh = hmac.compare_digest(answer, self._made_in(step, peer, peer_boot, epoch))
        late = hmac.compare_digest(answer, self._made_in(step - 1, peer, peer_boot, epoch))
        return fresh or late

    def _made_in(self, step: int, peer: NodeId, peer_boot: bytes, epoch: int) -> bytes:
        of = Writer().u32(peer).raw(peer_boot).u64(epoch).raw(step.to_bytes(16, "big", signed=True)).done()
        return hmac.digest(self._secret, of, "sha256")[:CHALLENGE_BYTES]

    def __repr__(self) -> str:
        return "Challenger('***')"


@dataclass(frozen=True, slots=True)
class Proof:
    """Content of CHALLENGE, ANSWER and CONFIRM. `boot` is the receiver's own; `given` is the challenge that is handed over
    (CHALLENGE) or handed back (the others); `asked` is ANSWER's counter-challenge."""

    boot: bytes
    given: bytes
    asked: bytes = b""


def write_proof(proof: Proof) -> bytes:
    """The bytes of a Proof."""
    return proof.boot + proof.given + proof.asked


def read_proof(content: bytes, *, is_answer: bool) -> Proof:
    """Parse an opened content. Raises Malformed."""
    reader = Reader(content)
    boot = reader.take("boot", BOOT_BYTES)
    given = reader.take("given", CHALLENGE_BYTES)
    asked = reader.take("asked", CHALLENGE_BYTES) if is_answer else b""
    reader.end()
    return Proof(boot, given, asked)


class Session:
    """A peer's boot that has proved to be alive, and the keys for both directions.

    Invariant: `window` (data) and `greetings` (handshakes of the same boot) belong to `boot` for as long as the session stands,
    whatever keys come and go, because the peer counts on through a rotation.
    """

    __slots__ = ("boot", "greetings", "has_new", "number", "opens", "outward", "seals", "window")

    def __init__(self, boot: bytes) -> None:
        assert len(boot) == BOOT_BYTES
        self.boot = boot
        self.number = int.from_bytes(boot, "big")
        self.window = ReplayWindow()
        self.greetings = ReplayWindow()
        self.has_new = False
        self.outward: tuple[Traffic, ...] = ()
        self.seals: Traffic
        self.opens: dict[bytes, Traffic] = {}

    def derive(self, keys: tuple[ClusterKey, ...], local: NodeId, local_boot: bytes, peer: NodeId) -> None:
        """Take the traffic keys from the live keys, the sending one first."""
        self.outward = tuple(key.traffic(local, local_boot, peer, self.boot) for key in keys)
        self.seals = self.outward[0]
        self.has_new = False
        inward = [key.traffic(peer, self.boot, local, local_boot) for key in keys]
        self.opens = {traffic.tag: traffic for traffic in inward}

    def move(self) -> None:
        """The peer has proved to have the second key: from now on it is sealed for with that."""
        self.has_new = True
        self.seals = self.outward[-1]

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        assert 1 <= len(self.opens) <= 2
        self.window.check()
        self.greetings.check()
