"""What stands for a resource at rest in a run: it is not unpacked, and in each phase does to others what it did before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standfast.scheduler.memory import Resource, Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standfast.scheduler.memory import Cluster, Rest


class DisturbedError(Exception):
    """A run left something out that it must not have left out. `names` are the resources, None means every one."""

    def __init__(self, names: Sequence[str] | None) -> None:
        super().__init__("everything" if names is None else ", ".join(names))
        self.names = names


def stand_in(rsc: Resource, rest: Rest) -> Resource:
    """The one that stands for `rsc`."""
    still = Resource(rsc.id, Variant.PRIMITIVE, rsc.xml, None)
    still.rest = rest
    still.priority = rsc.priority
    still.managed = any_managed(rsc)
    return still


def any_managed(rsc: Resource) -> bool:
    """Whether a resource, or anything in it, is managed."""
    return rsc.managed or any(any_managed(child) for child in rsc.children)


def take_turn(cluster: Cluster, rsc: Resource, *_: object, **__: object) -> None:
    """Count where its members are; where counts had a say, they must be those of before."""
    rest = rsc.rest
    assert rest is not None
    if rest.counts is not None and any(node.assigned_count != n for node, n in zip(cluster.nodes, rest.counts, strict=True)):
        raise DisturbedError([other.id for other in cluster.resources if other.rest is not None and other.rest.counts])
    for index, more in rest.placed:
        cluster.nodes[index].assigned_count += more


def use_numbers(cluster: Cluster, rsc: Resource) -> None:
    """Use up the numbers of its optional actions."""
    assert rsc.rest is not None
    cluster.next_action_id += rsc.rest.actions


def nothing(*_: object, **__: object) -> None:
    """In most phases: its actions are not there, whom it is colocated with rests too, and its place is known."""


def no_probe(*_: object, **__: object) -> bool:
    """Whatever could be found out is known."""
    return False


def no_change(*_: object, **__: object) -> int:
    """Nobody's priority, and no action."""
    return 0
