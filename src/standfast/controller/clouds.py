"""What the controller tells the OpenStack room, and what it writes into the CIB for it.

Owns: when the wish is read anew, and the shape of the records (node attributes, the cluster's mark). Does not own: what is done
in the cloud (openstack/). Without `openstack-cloud` this costs one look at a property for each change of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from standfast.base.ids import US_PER_S
from standfast.cib.document import Cib
from standfast.cib.operations import Operation, OpKind
from standfast.controller import bookkeeping, reading
from standfast.controller.desk import Identity
from standfast.controller.roll import Roll
from standfast.openstack import wish as wishes
from standfast.openstack.identity import PORTS_ATTRIBUTE, SERVER_ATTRIBUTE, write_nics
from standfast.openstack.machine import Announce, Configured

Starting = tuple[tuple[str, str], ...]

MARK_CHARS = 8
MARK_AGAIN_US = 5 * US_PER_S
"""When the mark is written again, where it was lost on the way (a new view)."""


class Clouds:
    """See the module."""

    def __init__(self, identity: Identity, roll: Roll) -> None:
        self._identity = identity
        self._roll = roll
        self._last: Configured | None = None
        self._mark_at_us = 0
        self._unclouded: tuple[Cib, int] | None = None
        self._read: tuple[Cib, tuple[int, bool, Starting], wishes.Wish | None] | None = None

    def refresh(
        self,
        now_us: int,
        cib: Cib,
        propose: Callable[[tuple[Operation, ...]], None],
        starting: Starting = (),
    ) -> tuple[Configured, ...]:
        """What the room is to know, where it is not what it knows already. `propose` writes the cluster's mark, where there is
        none; `starting` are (address, node) of starts that wait for the cloud."""
        if self._unclouded is not None and self._unclouded[0] is cib and self._unclouded[1] == cib.configurations:
            return ()
        root, quorum = cib.root, self._roll.quorum
        # With half of the votes (two_node, a tie-breaker) the other half may act as well, unseen.
        is_sure = quorum is not None and quorum.quorate and (quorum.is_sole or 2 * quorum.votes > quorum.expected_votes)
        wish = self._wish(cib, is_sure, starting)
        self._unclouded = (cib, cib.configurations) if wish is None and self._last is None else None
        if self._unclouded is not None:
            return ()
        # Whoever may act without quorum (no-quorum-policy=ignore) has to see to the cloud as well: the address is started here.
        may_act = quorum is not None and (quorum.quorate or reading.option(root, "no-quorum-policy", "stop") == "ignore")
        coordinates = self._roll.coordinator == self._identity.id and may_act
        if wish is not None and not wishes.option(root, wishes.ID):
            if coordinates and now_us >= self._mark_at_us:
                # The mark tells this cluster's ports from those of another one that bears the same name.
                self._mark_at_us = now_us + MARK_AGAIN_US
                propose((bookkeeping.properties([(wishes.ID, self._identity.boot.replace("-", "")[:MARK_CHARS])]),))
            coordinates = False
        now = Configured(wish, self._identity.name, coordinates)
        if now == self._last:
            return ()
        self._last = now if wish is not None else None
        return (now,)

    def _wish(self, cib: Cib, is_sure: bool, starting: Starting) -> wishes.Wish | None:
        """Most events change nothing of it."""
        key = (cib.changes, is_sure, starting)
        if self._read is None or self._read[0] is not cib or self._read[1] != key:
            self._read = (cib, key, wishes.read(cib.root, is_sure=is_sure, starting=starting))
        return self._read[2]

    def announced(self, event: Announce) -> tuple[Operation, ...]:
        """The records of what this node is in the cloud."""
        given = [(PORTS_ATTRIBUTE, write_nics(event.identity.nics))]
        if event.identity.server:
            given.append((SERVER_ATTRIBUTE, event.identity.server))
        return (node_attributes(str(self._identity.id), self._identity.name, given),)


def node_attributes(node: str, name: str, given: list[tuple[str, str]]) -> Operation:
    """Set permanent attributes of a node, in the set that crm_attribute uses."""
    group = f"nodes-{node}"
    pairs = "".join(bookkeeping.element("nvpair", id=f"{group}-{key}", name=key, value=value) for key, value in given)
    content = bookkeeping.element("instance_attributes", pairs, id=group)
    return Operation(OpKind.MODIFY, "nodes", xml=bookkeeping.element("node", content, id=node, uname=name), allow_create=True)
