"""Which failover IPs this node holds, kept in /run for the next life of the manager: it adopts them within their lease.

Volatile on purpose: after a reboot the kernel holds nothing, and neither may we.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

Parameters = tuple[tuple[str, str], ...]
Held = tuple[tuple[str, Parameters], ...]
FILE_BYTES_MAX = 1 << 20


class Holdings:
    """The file `holdings.json` of a run directory. A file that cannot be read is an empty one: nothing is adopted then."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "holdings.json"
        self._held: dict[str, Parameters] = dict(self.read())

    def read(self) -> Held:
        """(resource, parameters) of what was held when the file was written."""
        try:
            return msgspec.json.decode(self._path.read_bytes()[:FILE_BYTES_MAX], type=Held)
        except (OSError, msgspec.DecodeError):
            return ()

    def remember(self, resource: str, parameters: Parameters | None) -> None:
        """`resource` is held with these parameters from now on, or (None) no longer."""
        if parameters is None:
            self._held.pop(resource, None)
        else:
            self._held[resource] = parameters
        aside = self._path.with_suffix(".new")
        # /run is memory: no fsync; when it is full, the price is that a restarted manager has to start the address anew.
        with contextlib.suppress(OSError):
            aside.write_bytes(msgspec.json.encode(tuple(self._held.items())))
            aside.rename(self._path)
