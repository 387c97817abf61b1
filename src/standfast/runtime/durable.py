"""Files that survive a power cut: write aside, fsync, rename, fsync the folder; and an append-only journal file.

After a failed fsync nothing is believed any more (pages may be marked clean although they never reached the disk: "Can
Applications Recover from fsync Failures?", USENIX ATC 2020): the file is closed and every later write fails too.
"""

from __future__ import annotations

import os
from pathlib import Path

from standfast.base.report import Refused, error

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def make_folder(folder: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Create the folder with its parents; Refused with the remedy when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as fault:
        raise Refused(
            error("runtime.no-folder", f"cannot create {folder}", fault.strerror or str(fault), "check its parent and its rights")
        ) from None


def read_file(path: Path, limit_bytes: int) -> bytes | None:
    """The file's bytes, or None when it does not exist. Refused when it is larger than the limit or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise Refused(
            error("runtime.unreadable", f"cannot read {path}", fault.strerror or str(fault), "check the file's owner and mode")
        ) from None
    if len(data) > limit_bytes:
        raise Refused(error("runtime.too-large", f"{path} is larger than {limit_bytes} bytes", "", "this is not our file"))
    return data


def write_file(path: Path, data: bytes, mode: int = PRIVATE_FILE) -> None:
    """Replace the file durably. Raises OSError; then the old content stands."""
    aside = path.with_name(path.name + ".new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    aside.rename(path)
    _sync_folder(path.parent)


class JournalFile:
    """An append-only file. Invariant: once a write or fsync has failed, every later call raises OSError too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed: OSError | None = None
        self._handle = self._open()
        _sync_folder(path.parent)

    def append(self, data: bytes) -> None:
        """Append and fsync."""
        self._guard()
        try:
            _write_all(self._handle, data)
            os.fsync(self._handle)
        except OSError as fault:
            self._failed = fault
            raise

    def rewrite(self, data: bytes) -> None:
        """Replace the whole journal durably."""
        self._guard()
        try:
            write_file(self.path, data)
            old, self._handle = self._handle, self._open()
            os.close(old)
        except OSError as fault:
            self._failed = fault
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)

    def _guard(self) -> None:
        if self._failed is not None:
            raise OSError(self._failed.errno, f"not trusted any more since: {self._failed.strerror}")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
