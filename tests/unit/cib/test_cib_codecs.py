"""What travels: changes and messages as bytes, their limits, and nonsense."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.cib.messages import MESSAGE_BYTES_MAX, Hello, SnapshotPart, Taken, decode_message, encode_message
from standfast.cib.operations import (
    CHANGE_BYTES_MAX,
    OPERATIONS_MAX,
    Change,
    Operation,
    OpKind,
    Origin,
    decode_change,
    encode_change,
)
from standfast.cib.packing import pack, unpack

CHANGE = Change(
    (
        Operation(OpKind.MODIFY, "status", xml='<a id="1"/>', allow_create=True),
        Operation(OpKind.DELETE, xpath="//a", multiple=True),
    ),
    Origin("root", "crm", "n1", 1596896556),
)
HELLO = Hello(4, (0, 0, 0), 2**64 - 1, 3, 2, (0, 5, 1), "d" * 64, True, (3,), (Taken(1, 2, 3),))


@pytest.mark.parametrize("change", [CHANGE, Change((Operation(OpKind.REPLACE, xml="<x>" + "é" * 300_000 + "</x>"),), Origin())])
def test_a_change_comes_back(change: Change) -> None:
    assert decode_change(encode_change(change)) == change


@pytest.mark.parametrize("message", [HELLO, SnapshotPart(4, "d" * 64, 1, 3, b"\0abc")])
def test_a_message_comes_back(message: Hello | SnapshotPart) -> None:
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change((), Origin()), "0 operations"),
        (Change((Operation(OpKind.BUMP),) * (OPERATIONS_MAX + 1), Origin()), "operations"),
        (Change((Operation(OpKind.BUMP),), Origin(now_s=-1)), "out of range"),
        (Change((Operation(OpKind.BUMP),), Origin(user="a\nb")), "printable"),
        (Change((Operation(OpKind.BUMP),), Origin(node="x" * 256)), "too long"),
        (Change((Operation(OpKind.DELETE, xpath="/" * 1025),), Origin()), "XPath"),
        (Change((Operation(OpKind.DELETE, "s" * 256),), Origin()), "scope"),
        (Change((Operation(OpKind.MODIFY, xml="\ud800"),), Origin()), "UTF-8"),
    ],
)
def test_a_change_that_breaks_a_limit_is_not_sent(change: Change, words: str) -> None:
    with pytest.raises(Refused) as caught:
        encode_change(change)
    assert words in str(caught.value)


def test_a_change_that_does_not_fit_one_message() -> None:
    noise = "".join(chr(33 + zlib.crc32(b"%d" % number) % 90) for number in range(2_000_000))
    with pytest.raises(Refused) as caught:
        encode_change(Change((Operation(OpKind.MODIFY, xml=noise),), Origin()))
    assert "several parts" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"\2abc", b"\1abc", b"\0\xc1", b"\0\x80", b"\0" * CHANGE_BYTES_MAX + b"\0\0",
        b"\0" + msgspec.msgpack.encode({"operations": [], "origin": {}}),
        b"\0" + msgspec.msgpack.encode({"operations": [{"kind": "dance"}], "origin": {}}),
        b"\0" + b"\x91" * 5000,
        b"\1" + zlib.compress(b"x" * (33 * 1024 * 1024)),
        encode_change(CHANGE) + b"\0",
    ],
)  # fmt: skip
def test_nonsense_is_no_change(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_change(data)


def replaced(**fields: object) -> bytes:
    return msgspec.msgpack.encode({"type": "hello", **msgspec.to_builtins(HELLO), **fields})


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xc1", b"\0" * (MESSAGE_BYTES_MAX + 1), msgspec.msgpack.encode({"type": "other"}),
        replaced(view=-1), replaced(digest="d"), replaced(version=(0, -1, 0)), replaced(version=(0, 2**31, 0)),
        replaced(lineage=-5), replaced(session=-1), replaced(serial=-1), replaced(absent=[1] * 400), replaced(absent=["a"]),
        encode_message(SnapshotPart(1, "d" * 64, 3, 3, b"")), encode_message(SnapshotPart(1, "d" * 64, 0, 10**6, b"")),
        encode_message(SnapshotPart(1, "d" * 64, 0, 0, b"")),
    ],
)  # fmt: skip
def test_nonsense_is_no_message(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_message(data)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80)
    | st.builds(lambda at, junk: encode_message(HELLO)[:at] + junk, st.integers(0, 90), st.binary(max_size=9))
)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (decode_change, decode_message):
        try:
            read(data)
        except Malformed:
            continue


@given(st.binary(max_size=9000))
def test_packed_bytes_come_back(data: bytes) -> None:
    assert unpack(pack(data), 9000) == data
    with pytest.raises(Malformed):
        unpack(pack(data + b"x" * 9000), 8999)
