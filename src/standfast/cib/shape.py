"""Is this document one that a cluster may work with? Its schema by name, and the faults as reports.

A CIB says in `validate-with` which schema it keeps to (schema.py judges it). One that says nothing is held against all schemas,
as Pacemaker does, and keeps to the first that fits; `none` switches the check off.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from standfast.base.report import Refused, Report, error
from standfast.cib.grammar import VERSIONS
from standfast.cib.refusal import Exit
from standfast.cib.schema import NO_SCHEMA, PREFIX, Fault, conforms, faults, label, version_named

SECTIONS = (
    "acls",
    "alerts",
    "constraints",
    "crm_config",
    "fencing-topology",
    "nodes",
    "op_defaults",
    "resources",
    "rsc_defaults",
    "tags",
)
"""What may stand in `configuration`."""


def name_of(element: Element) -> str:
    """An element's name. (lxml's types allow bytes and functions there; parse_xml lets neither in.)"""
    assert isinstance(element.tag, str)
    return element.tag


def check_shape(root: Element, where: str = "cib") -> None:
    """Raises Refused (exit code 78) with a report for each fault, at most FAULTS_MAX. `root` is a `cib` element."""
    reports = shape_reports(root, where)
    if reports:
        raise Refused(*reports, exit_code=int(Exit.CONFIG))


def shape_reports(root: Element, where: str = "cib") -> list[Report]:
    """The faults as reports; none when the document conforms to the schema that it names (or, naming none, to any)."""
    named = root.get("validate-with")
    if named == NO_SCHEMA:
        return []
    version = version_named(named) if named is not None else schema_of(root) or VERSIONS[-2]
    if version is None:
        known = f"{PREFIX}{VERSIONS[0]} to {PREFIX}{VERSIONS[-1]}, or none"
        return [
            error(
                "cib.unknown-schema",
                "Cannot validate CIB with unknown validate-with (manually edit to use a known schema)",
                repr((named or "")[:40]),
                f"known: {known}",
                f"{where}:1",
            )
        ]
    return [as_report(fault, where) for fault in faults(root, version)]


def schema_of(root: Element) -> str | None:
    """The schema that a document which names none conforms to: the oldest of the newest generation that fits."""
    generations: dict[str, list[str]] = {}
    for version in VERSIONS:
        generations.setdefault(version.partition(".")[0], []).append(version)
    for generation in ("3", "4", "2", "1"):
        for version in generations[generation]:
            if conforms(root, version):
                return version
    return None


def as_report(fault: Fault, where: str) -> Report:
    """`WHERE:LINE: <rsc_location id=loc1>: node=...: no such attribute (remedy)`."""
    place = f"{where}:{fault.line}" if fault.line else where
    return error(f"cib.{fault.code}", f"{label(fault.element)}: {fault.what}", "", fault.remedy, place)
