"""Decisions of the past, as the coordinator kept them on this node (runtime/archive.py): which one held at a time, and since when
an element has been in the configuration."""

from __future__ import annotations

import bz2
import os
from pathlib import Path
from typing import TYPE_CHECKING

from standfast.base.report import Refused, error

if TYPE_CHECKING:
    from lxml import etree

STATE_DIR = os.environ.get("STANDFAST_STATE_DIR", "/var/lib/standfast")
DOCUMENT_BYTES_MAX = 256 * 1024 * 1024
EXIT_NO_SUCH = 105
LOOKED_AT_MAX = 500


class Decisions:
    """The kept documents of a folder, oldest first. Reading is lazy: a folder may hold thousands."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: by default `pengine` under STANDFAST_STATE_DIR."""
        self.folder = folder if folder is not None else Path(STATE_DIR) / "pengine"
        try:
            found = [(path.stat().st_mtime_ns, path) for path in self.folder.glob("pe-*.bz2")]
        except OSError:
            found = []
        self._files = [path for _, path in sorted(found)]
        self._read: dict[Path, bytes] = {}

    def at(self, second: int) -> tuple[Path, bytes]:
        """The newest document planned at or before `second`. Raises Refused (105) when there is none."""
        older = [path for path in self._files if int(path.stat().st_mtime) <= second]
        if not older:
            what = f"no decision of that time or before is kept in {self.folder}"
            why = "each node keeps only what it decided itself while it was the coordinator"
            remedy = "ask on the node that was the coordinator then"
            raise Refused(error("why.no-decision", what, why, remedy), exit_code=EXIT_NO_SUCH)
        return older[-1], self._document(older[-1])

    def since(self, element_id: str, until: int) -> int | None:
        """From when on (a wall-clock second) an element of that id has been in every document up to `until`; None when the newest
        does not have it, when the oldest that is looked at has it already, or when they cannot be read."""
        mark = f'id="{element_id}"'.encode()
        first: Path | None = None
        for path in reversed([path for path in self._files if int(path.stat().st_mtime) <= until][-LOOKED_AT_MAX:]):
            try:
                if mark not in self._document(path):
                    return None if first is None else int(first.stat().st_mtime)
            except Refused:
                return None
            first = path
        return None

    def _document(self, path: Path) -> bytes:
        if path not in self._read:
            try:
                with bz2.open(path) as file:
                    self._read[path] = file.read(DOCUMENT_BYTES_MAX)
            except (OSError, EOFError) as fault:
                what = f"{path} cannot be read"
                raise Refused(error("why.unreadable", what, str(fault), "root and haclient may read it")) from fault
        return self._read[path]


def parse(document: bytes, name: str) -> etree._Element:
    """A kept document as XML. Raises Refused."""
    from lxml import etree

    try:
        return etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    except etree.XMLSyntaxError as fault:
        raise Refused(error("why.unreadable", f"{name} is not a CIB", str(fault.msg))) from fault
