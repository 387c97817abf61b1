"""crm text: parsed, loaded into a configuration, printed, and read again the same; or refused with the place."""

from __future__ import annotations

from lxml import etree

from standfast.compat.crm.document import Configuration
from standfast.compat.crm.edit import Method, load
from standfast.compat.crm.parser import KEYWORDS, parse_text
from standfast.compat.crm.render import show
from standfast.base.report import Refused

EMPTY = b"""<cib validate-with="pacemaker-3.9"><configuration><crm_config/>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources>
<constraints/></configuration><status/></cib>"""
CPU_MS = 1500
"""A text is read and compared six times here (loaded, printed with every object read back, and both again), and 64 KiB can hold
16,000 pairs. What counts is that it stays linear: 90 us a pair."""
DICTIONARY = tuple(sorted(keyword.encode() for keyword in KEYWORDS))


def one(data: bytes) -> None:
    """One input."""
    text = data.decode("utf-8", "surrogateescape")
    before = Configuration(etree.fromstring(EMPTY))
    try:
        after, _ = load(before, parse_text(text, "FILE"), Method.UPDATE)
    except Refused as refused:
        if not all(report.where.startswith("FILE:") for report in refused.reports):
            raise AssertionError("a refusal without a place") from refused
        raise
    printed = show(after)
    again, _ = load(Configuration(etree.fromstring(EMPTY)), parse_text(printed, "again"), Method.UPDATE)
    assert show(again) == printed
