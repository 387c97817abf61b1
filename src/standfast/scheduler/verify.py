"""Will the cluster be able to work with this configuration, and is there anything an administrator should know of it?

What `crm_verify` asks. Three judges, in this order: the schema (cib/shape.py), what the scheduler has no time for while it plans
(unpack/remarks.py), and what it complained about while it planned. A document that does not conform goes no further, as with the
original (lib/pacemaker/pcmk_verify.c). Not every remark of the scheduler is about the configuration: what it tells of the state
of nodes and resources is left out, as the original does (pcmk__config_err against pcmk__sched_err).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from standfast.base.report import Report, Severity, error, warning
from standfast.cib.schema import NO_SCHEMA
from standfast.cib.shape import shape_reports
from standfast.cib.upgrade import upgraded
from standfast.scheduler.plan import notices_of_unpacking, schedule
from standfast.scheduler.unpack.remarks import remarks, too_new

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

STATE_CODES: Final = frozenset(
    {
        "scheduler.active-twice",
        "scheduler.blocked",
        "scheduler.fail-count",
        "scheduler.failure",
        "scheduler.no-quorum",
        "scheduler.not-managed",
        "scheduler.terminate",
        "scheduler.threshold",
        "scheduler.unclean",
    }
)
"""Warnings and errors about what happened, not about what is configured: no reason to call a configuration wrong."""


class Verdict(NamedTuple):
    """`complaints` are errors (the cluster cannot, or will not, do what is written there) and warnings (it may not be what was
    meant), in the order in which they were found. `conforms` says that the schema has nothing against the document."""

    complaints: tuple[Report, ...] = ()
    conforms: bool = True

    @property
    def errors(self) -> tuple[Report, ...]:
        """Those that make a configuration invalid."""
        return tuple(report for report in self.complaints if report.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Report, ...]:
        """Those that make it need attention."""
        return tuple(report for report in self.complaints if report.severity is Severity.WARNING)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to say."""
        return not self.complaints


def verify(root: Element, now_s: int, where: str = "cib") -> Verdict:
    """Judge a `cib` element, which is not changed, at wall-clock second `now_s`. Lines are told as `where:LINE`."""
    if root.tag != "cib":
        what = f"Input is not a CIB (outermost element is {root.tag!s} not cib)"
        return Verdict((error("verify.not-a-cib", what, "", "", f"{where}:{root.sourceline or 1}"),), conforms=False)
    reports = shape_reports(root, where)
    if reports:
        return Verdict(tuple(reports), conforms=False)
    found: list[Report] = []
    if root.get("validate-with") == NO_SCHEMA:
        what = (
            "Support for validate-with='none' is deprecated and will be removed in a future release without the possibility of "
            "upgrades (manually edit to use a supported schema)"
        )
        found.append(warning("verify.no-schema", what, where=f"{where}:{root.sourceline}"))
    current = upgraded(root)
    if isinstance(current, Report):
        return Verdict((*found, current), conforms=False)
    newer = too_new(current)
    if newer is not None:
        return Verdict((*found, newer))
    found += [_placed(current, notice, where) for notice in complaints(current, now_s)]
    return Verdict(tuple(dict.fromkeys(found)))


def complaints(current: Element, now_s: int) -> list[Report]:
    """What is wrong with the configuration of a document of today's schema, without lines."""
    # Without a status section there is nothing to decide about, and only what is written is judged.
    is_whole = current.find("status") is not None
    told = (*remarks(current), *(schedule(current, now_s).notices if is_whole else notices_of_unpacking(current, now_s)))
    return [report for report in told if is_complaint(report)]


def is_complaint(report: Report) -> bool:
    """Whether a report of the scheduler is about the configuration."""
    return report.severity in (Severity.ERROR, Severity.WARNING) and report.code not in STATE_CODES


def _placed(root: Element, report: Report, where: str) -> Report:
    """The report with the line of the object that it is about, where it names one."""
    if not report.where:
        return report._replace(where=where)
    # An instance of a clone stands for what was cloned.
    own = report.where.partition(":")[0]
    found = next((e for e in root.iterfind("configuration//*[@id]") if e.get("id") == own), None)
    return report._replace(where=f"{where}:{found.sourceline}" if found is not None and found.sourceline else where)
