"""Will the cluster be able to work with this configuration, and is there anything an administrator should know of it?

What `crm_verify` asks. Three judges, in this order: the schema (cib/shape.py), the scheduler (what it complained about while it
planned), and a list of what Pacemaker calls deprecated. A document that does not conform goes no
further, as with the original (lib/pacemaker/pcmk_verify.c). Not every remark of the scheduler is about the configuration: what it
tells of the state of the nodes and resources is left out, but for nodes that are going to be fenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from standfast.base.report import Report, Severity, error, warning
from standfast.cib.schema import NO_SCHEMA
from standfast.cib.shape import shape_reports
from standfast.cib.upgrade import upgraded
from standfast.scheduler.plan import schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

STATE_CODES: Final = frozenset({"scheduler.active-twice", "scheduler.history", "scheduler.fail-count", "scheduler.rule"})
"""Remarks that are about what happened, not about what is configured: no reason to call a configuration wrong."""

LEFT_OVERS: Final = frozenset({"scheduler.removed", "scheduler.node-state"})
"""Remarks of things that are active, or were seen, and are not configured: the original warns of them."""


class Verdict(NamedTuple):
    """`errors`: the cluster cannot, or will not, do what is written there. `warnings`: it may not be what was meant."""

    errors: tuple[Report, ...] = ()
    warnings: tuple[Report, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to say."""
        return not self.errors and not self.warnings


def verify(root: Element, now_s: int, where: str = "cib") -> Verdict:
    """Judge a `cib` element, which is not changed, at wall-clock second `now_s`. Lines are told as `where:LINE`."""
    if root.tag != "cib":
        what = "This tool can only check complete configurations (i.e. those starting with <cib>)."
        return Verdict((error("verify.not-a-cib", what, "", "", f"{where}:{root.sourceline or 1}"),))
    reports = shape_reports(root, where)
    if reports:
        return Verdict(tuple(reports))
    warnings = list(_deprecated(root, where))
    if root.get("validate-with") == NO_SCHEMA:
        what = "Schema validation of configuration is disabled"
        warnings.insert(0, warning("verify.no-schema", what, "", "enabling is encouraged and prevents common misconfigurations"))
    current = upgraded(root)
    if isinstance(current, Report):
        return Verdict((current,), tuple(warnings))
    errors: list[Report] = []
    plan = schedule(current, now_s)
    for notice in plan.notices:
        if notice.code in STATE_CODES:
            continue
        placed = notice._replace(where=_place(current, notice, where))
        is_wrong_role = notice.code == "scheduler.meta" and notice.what.startswith("target-role ")
        if notice.severity is Severity.ERROR or is_wrong_role:
            errors.append(placed)
        elif notice.severity is Severity.WARNING or notice.code in LEFT_OVERS:
            warnings.append(placed)
    fenced = [
        warning("verify.fencing", f"node {c.subject} will be fenced", c.reason)
        for c in plan.changes
        if c.verb.startswith("Fence (") and c.verb != "Fence (on)"
    ]
    return Verdict(tuple(dict.fromkeys(errors)), tuple(dict.fromkeys((*warnings, *fenced))))


def _place(root: Element, notice: Report, where: str) -> str:
    """The line of the object that a remark of the scheduler is about, where it names one."""
    if not notice.where:
        return where
    # An instance of a clone stands for what was cloned.
    own = notice.where.partition(":")[0]
    found = next((e for e in root.iterfind("configuration//*[@id]") if e.get("id") == own), None)
    return f"{where}:{found.sourceline}" if found is not None and found.sourceline else f"{where}: {notice.where}"


def _deprecated(root: Element, where: str) -> Iterator[Report]:
    """What Pacemaker warns of because it will go away."""
    for order in root.iterfind("configuration/constraints/rsc_order[@require-all]"):
        what = f"<rsc_order id={order.get('id', '')}>: require-all is deprecated"
        yield _old(order, where, what, "give the clone clone-min instead")
    for pair in root.iterfind("configuration/resources//group/meta_attributes/nvpair"):
        if pair.get("name") in {"ordered", "collocated"} and pair.get("value", "").lower() in {"false", "off", "no", "n", "0"}:
            group = pair.xpath("string(../../@id)")
            what = f"<group id={group}>: {pair.get('name')} is deprecated"
            yield _old(pair, where, what, "use a resource set instead")
    for pair in root.iterfind("configuration/crm_config/cluster_property_set/nvpair"):
        if pair.get("name") in {"stonith-action", "fencing-action"} and pair.get("value") == "poweroff":
            yield _old(pair, where, f"{pair.get('name')}=poweroff is deprecated", "use off")


def _old(element: Element, where: str, what: str, remedy: str) -> Report:
    return warning(
        "verify.deprecated", what, "it will be removed in a future release of Pacemaker", remedy, f"{where}:{element.sourceline}"
    )
