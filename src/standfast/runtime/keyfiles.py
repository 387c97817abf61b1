"""The cluster's key on disk, and on the way to another one: `authkey`, and beside it `authkey.next`.

Owns: the two files, and which ring they mean. Does not own: who may change keys when (engine_host.py), what makes a key good
(config/authkey.py). A crash between any two steps leaves files that a start understands: the old key alone, both, or the new
one alone.
"""

from __future__ import annotations

import os
from pathlib import Path

from standfast.base.report import Refused, Report, error
from standfast.config.authkey import KEY_BYTES_DEFAULT
from standfast.engine.links.keys import AuthKey, KeyRing
from standfast.runtime import host
from standfast.runtime.durable import write_file


class KeyFiles:
    """`path` is `totem.keyfile`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next = path.with_name(path.name + ".next")

    def ring(self) -> KeyRing:
        """What the files say. Raises Refused when one cannot be trusted."""
        key = AuthKey(host.load_key(self.path))
        return KeyRing(key, AuthKey(host.load_key(self.next)), is_moving=True) if self.next.exists() else KeyRing(key)

    def begin(self) -> bool:
        """Make the next key unless there is one (copied from another node); True when it was made. Raises Refused."""
        if self.next.exists():
            return False
        try:
            write_file(self.next, os.urandom(KEY_BYTES_DEFAULT), 0o400)
        except OSError as fault:
            raise Refused(_not_written(self.next, fault)) from None
        return True

    def finish(self) -> None:
        """The next key is the key. Raises Refused."""
        host.load_key(self.next)
        try:
            self.next.rename(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as fault:
            raise Refused(_not_written(self.path, fault)) from None


def _not_written(path: Path, fault: OSError) -> Report:
    return error("authkey.not-written", f"cannot write {path}", fault.strerror or str(fault), "free space or mend the disk")
