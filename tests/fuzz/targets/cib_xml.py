"""CIB XML: read as a user's file, as a peer's document and as a part of one; changed, compared, checked against its schema."""

from __future__ import annotations

import contextlib

from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.cib.diff import make_patchset
from standfast.cib.document import Cib
from standfast.cib.grammar import VERSIONS
from standfast.cib.schema import faults, version_named
from standfast.cib.upgrade import upgraded

DICTIONARY = (
    b"primitive",
    b"group",
    b"clone",
    b"master",
    b"bundle",
    b"rsc_location",
    b"rule",
    b"id-ref",
    b"obj_ref",
    b"lrm_rsc_op",
    b"INFINITY",
)

EMPTY = Cib.empty()


def one(data: bytes) -> None:
    """One input."""
    with contextlib.suppress(Refused):
        cib = Cib.parse(data)
        cib.check()
        again = Cib.parse(cib.xml())
        assert again.digest() == cib.digest()
        faults(cib.root, version_named(cib.root.get("validate-with")) or VERSIONS[-1])
        upgraded(cib.root)
        make_patchset(EMPTY, cib)
    with contextlib.suppress(Malformed):
        Cib.adopt(data).check()
