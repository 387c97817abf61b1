"""Asking kernels: on loopback they answer; and what is no answer to a question of ours is passed over."""

from __future__ import annotations

import select
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.runtime.echo import Echo

COOKIE = b"standfst"


def asked(local: str = "127.0.0.1") -> Echo:
    echo = Echo(local, COOKIE)
    echo.ask((local, 5405), 0)
    return echo


def wrapped(icmp: bytes) -> bytes:
    """As a raw IPv4 socket gives it: with the header."""
    return b"\x45" + bytes(19) + icmp


def reply_to(question: bytes) -> bytes:
    return b"\x00" + question[1:]


@pytest.mark.parametrize("local", ["127.0.0.1", "::1"])
def test_a_kernel_answers(local: str) -> None:
    echo = Echo(local, COOKIE)
    if echo.fileno() < 0:
        pytest.skip(f"no raw socket here: {echo.fault}")
    try:
        echo.ask((local, 5405), 77)
        end_s = time.monotonic() + 5
        got: list[tuple[tuple[str, int], int]] = []
        while not got and time.monotonic() < end_s:
            select.select([echo.fileno()], [], [], 1)
            got = echo.answers()
        assert got == [((local, 5405), 77)]
    finally:
        echo.close()
    assert echo.answers() == []


def test_who_may_not_ask_says_why_and_asks_nothing() -> None:
    echo = Echo("203.0.113.7", COOKIE)  # not an address of this host
    assert echo.fileno() == -1
    assert echo.fault
    echo.ask(("203.0.113.8", 5405), 1)
    assert echo.answers() == []


def test_an_answer_is_believed_from_its_host_with_our_cookie_alone() -> None:
    echo = asked()
    if echo.fileno() < 0:
        pytest.skip(f"no raw socket here: {echo.fault}")
    whole = wrapped(reply_to(echo.question(0, 77)))
    assert echo.answer(whole, "127.0.0.1") == (("127.0.0.1", 5405), 77)
    assert echo.answer(whole, "127.0.0.2") is None
    assert echo.answer(wrapped(echo.question(0, 77)), "127.0.0.1") is None, "our own question on loopback"
    assert echo.answer(wrapped(reply_to(echo.question(1, 77))), "127.0.0.1") is None, "nobody has that number"
    assert echo.answer(whole.replace(COOKIE, b"anothers"), "127.0.0.1") is None
    echo.close()


@given(st.binary(max_size=80), st.booleans())
def test_whatever_comes_is_no_answer(data: bytes, is_v6: bool) -> None:
    echo = Echo("::1" if is_v6 else "127.0.0.1", COOKIE)
    try:
        assert echo.answer(data, "127.0.0.1") is None
    finally:
        echo.close()


def test_the_checksum_is_what_rfc_1071_says() -> None:
    echo = asked()
    words = struct.unpack("!12H", echo.question(3, 123_456_789))
    total = sum(words)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    echo.close()
