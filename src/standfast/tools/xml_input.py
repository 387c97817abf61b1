"""Where a tool's XML comes from: a file, a text, standard input, the file that CIB_file names, or the running cluster."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from standfast.base.report import Refused, error

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

CIB_FILE = "CIB_file"
XML_BYTES_MAX = 64 * 1024 * 1024
EXIT_DATA, EXIT_NOINPUT = 65, 66


def file_bytes(path: str) -> bytes:
    """What is in a file, opened up where its name says `.bz2`. Raises OSError."""
    if path.endswith(".bz2"):
        import bz2

        with bz2.open(path) as packed:
            return packed.read(XML_BYTES_MAX)
    with open(path, "rb") as stream:
        return stream.read(XML_BYTES_MAX)


def stdin_bytes() -> bytes:
    """What stands in standard input."""
    return sys.stdin.buffer.read(XML_BYTES_MAX)


def live_bytes(client: str) -> bytes:
    """The CIB of the file that CIB_file names, else of the running cluster. Raises Refused: 66 without that file, 102 without a
    cluster."""
    path = os.environ.get(CIB_FILE, "")
    if path:
        try:
            return file_bytes(path)
        except OSError as fault:
            report = error("cib.file", f"the CIB {path} cannot be read", fault.strerror or "")
            raise Refused(report, exit_code=EXIT_NOINPUT) from None
    from standfast.tools.manager_client import Manager

    xml: str = Manager(client).call("cib.query")["xml"]
    return xml.encode()


def parsed(data: bytes) -> Element | None:
    """The XML, without comments and white space between elements; None when it is none. Lines are kept."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True, remove_blank_text=True
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
