"""The document: bytes -> Cib, canonical text, versions, digests.

Owns: reading XML safely, what every CIB must contain, its version and digest. Does not own: which elements may stand where
(shape.py), changes (apply.py). A `Cib` holds one lxml tree; whoever wants to keep a state of it takes a `copy()`.

Reading is strict about everything that an attacker would use: no DTD, no entities, no network, UTF-8 only, no names with
namespaces, at most XML_BYTES_MAX bytes and DEPTH_MAX levels. Comments, processing instructions and the white space between
elements carry no meaning in a CIB and are dropped; other text between elements is refused.
"""

from __future__ import annotations

import copy
import hashlib
import re
from typing import cast

from lxml import etree
from lxml.etree import _Element as Element

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.cib.refusal import Exit, refused
from standfast.cib.shape import check_shape, name_of

XML_BYTES_MAX = 32 * 1024 * 1024
DEPTH_MAX = 64
COUNTER_MAX = 2**31 - 1
"""Largest admin_epoch, epoch or num_updates: Pacemaker holds them in an int."""

SCHEMA = "pacemaker-3.9"
FEATURE_SET = "3.16.1"
COUNTERS = ("admin_epoch", "epoch", "num_updates")
REQUIRED_SECTIONS = ("crm_config", "nodes", "resources", "constraints")
WRITTEN_ATTRIBUTES = ("cib-last-written", "update-origin", "update-client", "update-user")
"""Root attributes that say who changed the configuration last; Pacemaker leaves them out of its digest, ours has them."""

_PACEMAKER_ESCAPES = ((b"'", b"&apos;"), (b"&#10;", b"\\n"), (b"&#13;", b"\\r"), (b"&#9;", b"    "), (b"\x7f", b"\\177"))
"""What libxml2 writes in attributes, and what Pacemaker 2.1.5 does (measured with cibadmin --md5-sum-versioned)."""


_NOT_DIGESTED = re.compile(rb' (?:crm-debug-origin|cib-last-written|update-origin|update-client|update-user)="[^"]*"')
"""Attributes that Pacemaker leaves out of its digest, wherever they stand (a quote inside a value is written as an entity)."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """`admin_epoch.epoch.num_updates`, compared in that order. Each is 0 .. COUNTER_MAX."""

    admin_epoch: int = 0
    epoch: int = 0
    num_updates: int = 0

    def __str__(self) -> str:
        return f"{self.admin_epoch}.{self.epoch}.{self.num_updates}"

    def after_configuration(self) -> Version:
        """The version of the next configuration; at the end of its range a counter carries over."""
        if self.epoch < COUNTER_MAX:
            return Version(self.admin_epoch, self.epoch + 1, 0)
        assert self.admin_epoch < COUNTER_MAX, "no version is left"
        return Version(self.admin_epoch + 1, 0, 0)

    def after_status(self) -> Version:
        """The version after a change of anything but the configuration."""
        if self.num_updates < COUNTER_MAX:
            return Version(self.admin_epoch, self.epoch, self.num_updates + 1)
        return self.after_configuration()


class Cib:
    """One document. Invariant: root is `cib`, with the three counters as numbers, and exactly one `configuration` holding the
    four required sections, and one `status`; `compact()` is the bytes of `root` as it is now (see `touched`). `changes`
    counts all changes, `configurations` those of the configuration."""

    __slots__ = ("_compact", "changes", "configurations", "root")

    def __init__(self, root: Element) -> None:
        """`root` is believed: use `parse` or `empty`. The tree belongs to this Cib from now on."""
        self.root = root
        self.changes = self.configurations = 0
        self._compact: bytes | None = None

    @classmethod
    def parse(cls, data: bytes, where: str = "cib") -> Cib:
        """A CIB from a file, a peer or a user. Raises Refused with `where:LINE` for each fault found.

        What old files lack is added: missing counters (0), a missing required section, a missing `status`.
        """
        root = parse_xml(data, where)
        if root.tag != "cib":
            raise refused("not-a-cib", Exit.CONFIG, f"the outermost element is <{name_of(root)}>, not <cib>", where=f"{where}:1")
        _complete(root, where)
        check_shape(root, where)
        return cls(root)

    @classmethod
    def adopt(cls, data: bytes) -> Cib:
        """A document that a node of ours has written: compact XML, believed but for its frame. Not judged by shape.py, since a
        node of the next release may know elements that this one does not. Raises Malformed."""
        try:
            root = parse_xml(data, "cib")
        except Refused as bad:
            raise Malformed("cib", str(bad)) from None
        configuration = root.find("configuration")
        if root.tag != "cib" or len(root) != 2 or configuration is None or root.find("status") is None:
            raise Malformed("cib", "not a <cib> of one <configuration> and one <status>")
        if not all(is_counter(root.get(name, "")) for name in COUNTERS):
            raise Malformed("cib", "without its version")
        if any(configuration.find(section) is None for section in REQUIRED_SECTIONS):
            raise Malformed("cib", "without a section that every CIB has")
        return cls(root)

    @classmethod
    def empty(cls, version: Version | None = None) -> Cib:
        """The document of a cluster that has none yet, 0.0.0 unless told otherwise."""
        version = version or Version()
        root = etree.Element("cib", {"crm_feature_set": FEATURE_SET, "validate-with": SCHEMA})
        for name in COUNTERS:
            root.set(name, str(getattr(version, name)))
        configuration = etree.SubElement(root, "configuration")
        for section in REQUIRED_SECTIONS:
            etree.SubElement(configuration, section)
        etree.SubElement(root, "status")
        return cls(root)

    @property
    def version(self) -> Version:
        """The version as the root's attributes say."""
        return version_of(self.root)

    @property
    def configuration(self) -> Element:
        """The `configuration` element."""
        return _child(self.root, "configuration")

    @property
    def status(self) -> Element:
        """The `status` element."""
        return _child(self.root, "status")

    def compact(self) -> bytes:
        """UTF-8, no white space between elements, attributes in their order, no XML declaration."""
        if self._compact is None:
            self._compact = compact_xml(self.root)
        return self._compact

    def xml(self) -> bytes:
        """The same, indented by two spaces, as Pacemaker writes its cib.xml."""
        return etree.tostring(self.root, encoding="utf-8", xml_declaration=False, pretty_print=True)

    def digest(self) -> str:
        """SHA-256 of `compact()`, in hex: everything counts, the order of attributes too. Computed when asked for."""
        return hashlib.sha256(self.compact()).hexdigest()

    def pacemaker_digest(self) -> str:
        """What a Pacemaker v2 patchset carries in `digest` (`cibadmin --md5-sum-versioned`); see diff.py for the use."""
        return pacemaker_digest(self.root)

    def without_status(self) -> bytes:
        """`compact()` with an empty status section: what goes to the disk."""
        shallow = etree.Element("cib", dict(self.root.items()))
        shallow.append(copy.deepcopy(self.configuration))
        etree.SubElement(shallow, "status")
        return compact_xml(shallow)

    def copy(self) -> Cib:
        """An independent copy."""
        twin = Cib(copy.deepcopy(self.root))
        twin._compact = self._compact
        return twin

    def touched(self, *, configuration: bool) -> None:
        """The tree has changed (apply.py says so), its configuration too or only the rest: forget what was computed from it."""
        self._compact = None
        self.changes += 1
        self.configurations += configuration

    def check(self) -> None:
        """Assert the class's invariant."""
        assert self.root.tag == "cib"
        for name in COUNTERS:
            assert 0 <= int(self.root.get(name) or -1) <= COUNTER_MAX, name
        assert [child.tag for child in self.root].count("configuration") == 1
        assert [child.tag for child in self.root].count("status") == 1
        for section in REQUIRED_SECTIONS:
            assert self.configuration.find(section) is not None, section
        assert self._compact is None or self._compact == compact_xml(self.root), "changed behind our back"


def version_of(root: Element) -> Version:
    """The version in the attributes of a `cib` element whose counters are known to be good."""
    get = root.get
    return Version(int(get("admin_epoch") or 0), int(get("epoch") or 0), int(get("num_updates") or 0))


def compact_xml(element: Element) -> bytes:
    """An element as UTF-8 without white space between elements."""
    return etree.tostring(element, encoding="utf-8", xml_declaration=False, with_tail=False)


def pacemaker_digest(root: Element) -> str:
    """MD5 of the compact text without the attributes of _NOT_DIGESTED, as Pacemaker 2.1's v2 digest (lib/common/digest.c,
    pcmk__digest_xml with filter). Its writer escapes some characters in its own way."""
    text = _NOT_DIGESTED.sub(b"", compact_xml(root))
    for ours, theirs in _PACEMAKER_ESCAPES:
        text = text.replace(ours, theirs)
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


# The encoding is ours to choose: a declared UTF-7 or EBCDIC would hide a DTD from the check below.
_PARSER = etree.XMLParser(
    encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
    remove_comments=True, remove_pis=True, remove_blank_text=True,
)  # fmt: skip
_IN_NAMESPACES = etree.XPath("//*[namespace-uri() or contains(name(), ':') or @*[namespace-uri()]]", regexp=False)
_WITH_TEXT = etree.XPath("//*[text()]", regexp=False)
_TOO_DEEP = etree.XPath("/*" * (DEPTH_MAX + 1), regexp=False)


def parse_xml(data: bytes, where: str) -> Element:
    """Any XML of ours, cleaned: elements and attributes only. Raises Refused naming `where:LINE`."""
    if len(data) > XML_BYTES_MAX:
        raise refused("too-large", Exit.DATA, f"{len(data)} bytes of XML, {XML_BYTES_MAX} are allowed", where=where)
    if b"\0" in data:
        raise refused("not-utf-8", Exit.DATA, "not UTF-8: zero bytes inside", "", "save it as UTF-8", where)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise refused("has-dtd", Exit.DATA, "a document type is not accepted", "", "remove the <!DOCTYPE ...> part", where)
    try:
        root = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as bad:
        line, column = bad.position
        reason = (bad.msg or "not XML").splitlines()[0]
        raise refused("not-xml", Exit.DATA, reason, "", "correct the XML", f"{where}:{line}:{column}") from None
    except ValueError as bad:
        raise refused("not-xml", Exit.DATA, str(bad), where=where) from None
    _clean(root, where)
    return root


def _clean(root: Element, where: str) -> None:
    """Drop white space; refuse other text, names with namespaces, and too many levels. (By XPath, which runs in C: a Python
    loop over the elements of a large CIB takes ten times as long as parsing it.)"""
    for element in _select(root, _IN_NAMESPACES)[:1]:
        name = etree.QName(element).localname
        raise refused("has-namespace", Exit.DATA, f"<{name}>: namespaces are not accepted", where=_place(element, where))
    for element in _select(root, _WITH_TEXT):
        for text in (element.text, *(child.tail for child in element)):
            if text is not None and text.strip():
                what = f"text in <{name_of(element)}>: {text.strip()[:40]!r}"
                raise refused("has-text", Exit.DATA, what, where=_place(element, where))
        element.text = None
        for child in element:
            child.tail = None
    for element in _select(root, _TOO_DEEP)[:1]:
        raise refused("too-deep", Exit.DATA, f"more than {DEPTH_MAX} levels", where=_place(element, where))


def _select(root: Element, expression: etree.XPath) -> list[Element]:
    found = expression(root)
    assert isinstance(found, list)
    return cast("list[Element]", found)


def _place(element: Element, where: str) -> str:
    return f"{where}:{element.sourceline}" if element.sourceline else where


def _complete(root: Element, where: str) -> None:
    """Add what old files lack; refuse counters that are no numbers."""
    for name in COUNTERS:
        text = root.get(name, "0")
        if not is_counter(text):
            raise refused("bad-version", Exit.CONFIG, f"{name}={text[:40]!r} is not a number", where=f"{where}:1")
        root.set(name, text)
    configuration = root.find("configuration")
    if configuration is None:
        configuration = etree.Element("configuration")
        root.insert(0, configuration)
    for section in REQUIRED_SECTIONS:
        if configuration.find(section) is None:
            etree.SubElement(configuration, section)
    if root.find("status") is None:
        etree.SubElement(root, "status")


def is_counter(text: str) -> bool:
    """Whether the text is a decimal number 0 .. COUNTER_MAX without sign or blanks."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= COUNTER_MAX


def _child(parent: Element, tag: str) -> Element:
    child = parent.find(tag)
    assert child is not None, f"a CIB without <{tag}>"
    return child
