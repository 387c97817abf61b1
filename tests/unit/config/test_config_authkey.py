"""Which key files are believed."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.base.report import Refused
from standfast.config.authkey import check_authkey, key_of_text, unreadable_authkey

KEY = bytes(range(256))
PLAIN = stat.S_IFREG


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
@pytest.mark.parametrize("size", [128, 256])
def test_a_good_key_comes_back(mode: int, size: int) -> None:
    assert check_authkey(KEY[:size], PLAIN | mode, 0, 0, "/k") == KEY[:size]


@pytest.mark.parametrize(
    ("data", "mode", "owner", "said"),
    [
        (KEY, PLAIN | 0o440, 0, "its mode is 0440: whoever reads it can forge every message of the cluster (chmod 0400 /k)"),
        (KEY, PLAIN | 0o404, 0, "chmod 0400 /k"),
        (KEY, PLAIN | 0o420, 0, "chmod 0400 /k"),
        (KEY, PLAIN | 0o400, 1234, "its owner is user 1234 (chown root /k)"),
        (KEY[:127], PLAIN | 0o400, 0, "127 bytes, at least 128 are needed (make a new one with corosync-keygen -k /k"),
        (b"", PLAIN | 0o400, 0, "0 bytes, at least 128"),
        (KEY * 17, PLAIN | 0o400, 0, "more than 4096 bytes"),
        (bytes(256), PLAIN | 0o400, 0, "one byte repeated"),
        (KEY, stat.S_IFDIR | 0o700, 0, "not a plain file"),
    ],
)
def test_a_bad_key_is_refused_with_the_remedy(data: bytes, mode: int, owner: int, said: str) -> None:
    with pytest.raises(Refused) as caught:
        check_authkey(data, mode, owner, 0, "/k")
    assert said in caught.value.reports[0].sentence()
    assert caught.value.exit_code == 78


def test_two_faults_are_two_reports() -> None:
    with pytest.raises(Refused) as caught:
        check_authkey(KEY[:5], PLAIN | 0o644, 0, 0, "/k")
    assert [report.code for report in caught.value.reports] == ["authkey.mode", "authkey.short"]


def test_a_missing_file_names_the_command_that_makes_it() -> None:
    assert "corosync-keygen -k /etc/corosync/authkey, then copy it" in str(
        unreadable_authkey("/etc/corosync/authkey", "No such file", missing=True)
    )
    assert "cannot be read: Permission denied" in str(unreadable_authkey("/k", "Permission denied", missing=False))


def test_a_key_in_the_file_itself() -> None:
    assert key_of_text("abcdefgh" * 16) == b"abcdefgh" * 16
    with pytest.raises(Refused):
        key_of_text("short")


@given(st.binary(max_size=5000), st.integers(0, 0o177777), st.integers(0, 5))
def test_any_key_is_believed_or_refused(data: bytes, mode: int, owner: int) -> None:
    try:
        check_authkey(data, mode, owner, 0, "/k")
    except Refused:
        return
    assert 128 <= len(data) <= 4096
    assert mode & 0o077 == 0
    assert owner == 0
