"""The documents that were decided on, one file each, as Pacemaker keeps them: pe-input-N.bz2, pe-warn-N.bz2, pe-error-N.bz2.

Every tool of the field reads them (`crm_simulate -x`, `crm resource why --at`). The attribute `execution-date` says for when the
document was planned, and the file's time says the same. Numbers wrap at the cluster options pe-input-series-max (4000),
pe-warn-series-max (5000) and pe-error-series-max (-1: no limit; 0: keep none). A disk that cannot be written costs the
archive, never a decision: the fault is said once on stderr.
"""

from __future__ import annotations

import bz2
import contextlib
import os
import re
import sys
from pathlib import Path

from lxml import etree

from standfast.base.report import Report, Severity

_DEFAULTS = {"input": 4000, "warn": 5000, "error": -1}
_DATED = re.compile(rb'(<cib\b[^>]*?) execution-date="[^"]*"')


class Archive:
    """The folder and the next number of each series. Invariant: a number is used again only after its series was full once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next: dict[str, int] = {}
        self._is_quiet = False

    def keep(self, xml: bytes, now_s: int, notices: tuple[Report, ...]) -> Path | None:
        """Write one document; gives the file, or None when its series is off or the disk refused."""
        loud = {notice.severity for notice in notices}
        series = "error" if Severity.ERROR in loud else "warn" if Severity.WARNING in loud else "input"
        limit = _limit(xml, series)
        if limit == 0:
            return None
        try:
            return self._write(series, limit, dated(xml, now_s), now_s)
        except OSError as fault:
            if not self._is_quiet:
                sys.stderr.write(f"planner: decisions are not kept in {self._folder}: {fault.strerror or fault}\n")
                self._is_quiet = True
            return None

    def _write(self, series: str, limit: int, xml: bytes, now_s: int) -> Path:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        counter = self._folder / f"pe-{series}.last"
        number = self._next.get(series)
        if number is None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                number = int(counter.read_text())
        number = number or 0
        if 0 < limit <= number:
            number = 0
        path = self._folder / f"pe-{series}-{number}.bz2"
        aside = path.with_suffix(".new")
        aside.write_bytes(bz2.compress(xml))
        aside.chmod(0o640)
        os.utime(aside, (now_s, now_s))
        aside.rename(path)
        self._next[series] = number + 1
        counter.write_text(f"{number + 1}\n")
        return path


def dated(xml: bytes, now_s: int) -> bytes:
    """The document with the second it was planned for."""
    bare = _DATED.sub(rb"\1", xml, count=1)
    return bare.replace(b"<cib", b'<cib execution-date="%d"' % now_s, 1)


def _limit(xml: bytes, series: str) -> int:
    """The cluster option's value, or the default."""
    name = f"pe-{series}-series-max".encode()
    if name not in xml:
        return _DEFAULTS[series]
    root = etree.fromstring(xml)
    found = root.xpath("configuration/crm_config//nvpair[@name=$name]/@value", name=name.decode())
    values = found if isinstance(found, list) else []
    try:
        return int(str(values[0])) if values else _DEFAULTS[series]
    except ValueError:
        return _DEFAULTS[series]
