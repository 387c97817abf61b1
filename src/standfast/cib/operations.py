"""What may be asked of a CIB, as values and as bytes.

An Operation is one of Pacemaker's requests; a Change is an ordered batch of them that is applied as a whole or not at all, with
everything in it that a node needs to apply it exactly as the others do (who, from where, and what time it was for the sender).
What each kind does to the document: apply.py.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from standfast.base.wire import Malformed
from standfast.cib.document import XML_BYTES_MAX
from standfast.cib.packing import pack, unpack
from standfast.cib.refusal import Exit, refused

CHANGE_BYTES_MAX = 1_000_000
"""Largest encoded change: it must fit into one message of the engine (1 MiB) with what the controller adds. XML of some ten
times that size fits, since long changes are compressed."""

OPERATIONS_MAX = 4096
XPATH_CHARS_MAX = 1024
NAME_CHARS_MAX = 255


class OpKind(StrEnum):
    """The kinds of request, by Pacemaker's names without `cib_`."""

    QUERY = "query"
    CREATE = "create"
    MODIFY = "modify"
    REPLACE = "replace"
    DELETE = "delete"
    PATCH = "patch"
    BUMP = "bump"
    ERASE = "erase"


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request.

    `scope` is a section's name (`resources`, `status`, ..., `configuration`, `cib`; "" is the whole document). `xpath` addresses
    elements instead of `scope`. `xml` is the input, one element, or a `diff` for PATCH. `allow_create`: MODIFY adds what it does
    not find. `multiple`: with an XPath, all matches instead of the first. `force`: REPLACE of the whole document may lower the
    version (the result is numbered above both).
    """

    kind: OpKind
    scope: str = ""
    xpath: str = ""
    xml: str = ""
    allow_create: bool = False
    multiple: bool = False
    force: bool = False


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asks: user, client program, node name, and the wall clock there in seconds since 1970 (UTC). Written into the root's
    attributes on a change of the configuration; `now_s` is part of the change so that every node writes the same date."""

    user: str = ""
    client: str = ""
    node: str = ""
    now_s: int = 0


class Change(msgspec.Struct, frozen=True):
    """Operations in order, all or none."""

    operations: tuple[Operation, ...]
    origin: Origin


def operation_of(given: Any, *, force: bool = False) -> Operation:
    """One operation of a request of the API ({kind, scope?, xpath?, xml?, allow_create?, multiple?}). Raises Refused (64)."""
    if not isinstance(given, dict):
        raise refused("bad-request", Exit.USAGE, "an operation is an object")
    kind = given.get("kind")
    if kind not in [k.value for k in OpKind if k is not OpKind.QUERY]:
        raise refused("bad-request", Exit.USAGE, f"{kind!r} is no operation")
    texts = {name: given.get(name, "") for name in ("scope", "xpath", "xml")}
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    if wrong:
        raise refused("bad-request", Exit.USAGE, f"{wrong[0]} is a text")
    creates, multiple = given.get("allow_create") is True, given.get("multiple") is True
    return Operation(OpKind(kind), **texts, allow_create=creates, multiple=multiple, force=force)


def check_change(change: Change) -> None:
    """Raises Refused when the change breaks a limit. What its XML says is found out when it is applied."""
    if not 0 < len(change.operations) <= OPERATIONS_MAX:
        raise refused("bad-change", Exit.USAGE, f"a change of {len(change.operations)} operations", f"1 to {OPERATIONS_MAX}")
    if not 0 <= change.origin.now_s < 2**35:
        raise refused("bad-change", Exit.USAGE, f"the time {change.origin.now_s} is out of range")
    for name in (change.origin.user, change.origin.client, change.origin.node):
        if len(name) > NAME_CHARS_MAX or not name.isprintable():
            raise refused("bad-change", Exit.USAGE, f"a name that is too long or not printable: {name[:40]!r}")
    for operation in change.operations:
        if len(operation.xpath) > XPATH_CHARS_MAX:
            raise refused("xpath-too-long", Exit.USAGE, f"an XPath of more than {XPATH_CHARS_MAX} characters")
        if len(operation.scope) > NAME_CHARS_MAX:
            raise refused("unknown-scope", Exit.USAGE, f"a scope of more than {NAME_CHARS_MAX} characters")


def encode_change(change: Change) -> bytes:
    """The change for the wire. Raises Refused when it breaks a limit or is too large for one message."""
    check_change(change)
    try:
        data = pack(msgspec.msgpack.encode(change))
    except UnicodeEncodeError:
        raise refused("not-utf-8", Exit.DATA, "the change holds text that UTF-8 cannot express") from None
    if len(data) > CHANGE_BYTES_MAX:
        why = f"{len(data)} bytes after compression, {CHANGE_BYTES_MAX} are allowed"
        raise refused("change-too-large", Exit.DATA, "the change does not fit into one message", why, "send it in several parts")
    return data


def decode_change(data: bytes) -> Change:
    """The change from the wire. Raises Malformed on anything that encode_change would not have written."""
    if len(data) > CHANGE_BYTES_MAX:
        raise Malformed("change", f"{len(data)} bytes are over the limit of {CHANGE_BYTES_MAX}")
    try:
        change = msgspec.msgpack.decode(unpack(data, XML_BYTES_MAX), type=Change)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise Malformed("change", str(bad)[:200]) from None
    if not 0 < len(change.operations) <= OPERATIONS_MAX:
        raise Malformed("change", f"{len(change.operations)} operations")
    return change
