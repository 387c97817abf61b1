"""Situation (base/situation.py) to plain JSON values and back, for the `status` verb.

Owns: the form on the wire: objects by field name, tuples as lists. Does not own: what is in it, how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from standfast.base.situation import FailCount, NodeStatus, OperationStatus, ResourceStatus, Situation
from standfast.base.wire import Malformed

T = TypeVar("T")
Json = dict[str, Any]


def situation_to_json(situation: Situation) -> Json:
    """Plain values that json.dumps takes as they are."""
    plain: Json = _plain(situation)
    return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def situation_from_json(data: Mapping[str, Any]) -> Situation:
    """The Situation again. Fields that are missing take their defaults, unknown ones are passed over (a daemon may be newer than
    the tool). Raises Malformed when a value is not of its kind."""
    try:
        return Situation(
            nodes=tuple(_node(node) for node in data["nodes"]),
            resources=tuple(_resource(resource) for resource in data["resources"]),
            failures=tuple(_record(OperationStatus, operation) for operation in data["failures"]),
            operations=tuple(_record(OperationStatus, operation) for operation in data["operations"]),
            fail_counts=tuple(_record(FailCount, count) for count in data["fail_counts"]),
            options=_pairs(data["options"]),
            instances=int(data["instances"]),
            disabled=int(data["disabled"]),
            blocked=int(data["blocked"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as bad:
        raise Malformed("situation", f"{type(bad).__name__}: {bad}") from bad


def _node(data: Mapping[str, Any]) -> NodeStatus:
    pairs = {name: _pairs(data.get(name, ())) for name in ("attributes", "expected")}
    return _record(NodeStatus, data, **pairs)


def _resource(data: Mapping[str, Any]) -> ResourceStatus:
    children = tuple(_resource(child) for child in data.get("children", ()))
    nodes = tuple(str(node) for node in data.get("nodes", ()))
    return _record(ResourceStatus, data, children=children, nodes=nodes, meta=_pairs(data.get("meta", ())))


def _record(kind: type[T], data: Mapping[str, Any], **ready: Any) -> T:
    """A dataclass of plain fields; `ready` are those that need more than copying."""
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    return kind(**{**{name: value for name, value in data.items() if name in known}, **ready})


def _pairs(data: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in data)
