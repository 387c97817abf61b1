"""`crm configure simulate`, `verify` and `crm resource scores`: what the scheduler makes of a configuration, nothing touched."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Report, Severity
from standfast.shell import pictures
from standfast.shell.command import usage_refused

if TYPE_CHECKING:
    from lxml import etree

    from standfast.compat.crm.document import Configuration
    from standfast.shell.session import Session

USAGE = "simulate [nograph] [v...] [scores] [utilization] [actions]"
WORDS = ("nograph", "scores", "utilization", "actions")
_LOUD = frozenset((Severity.ERROR, Severity.WARNING, Severity.CRITICAL))


def simulate(session: Session, configuration: Configuration, words: Sequence[str]) -> bool:
    """What the cluster would do if it had this configuration, carried out on a copy, in crm_simulate's words."""
    from standfast.compat.simulation import Asked, Injections, Wanted, complaints, dot_text, run, summary, text

    unknown = [word for word in words if word not in WORDS and not re.fullmatch("v+", word)]
    if unknown:
        raise usage_refused(USAGE, f"{unknown[0]!r} is not understood")
    loudness = max((len(word) for word in words if word.startswith("v")), default=2)
    asked = Asked(Injections(), is_saved=False, wanted=Wanted("scores" in words, "utilization" in words))
    found = run(
        _laid_over(session.cluster.cib(), configuration), asked, int(session.now_s()), time.localtime(session.now_s()).tm_gmtoff
    )
    assert found.plan is not None
    session.output.say_all(report for report in found.plan.notices if loudness > 2 or report.severity in _LOUD)
    if "actions" in words:
        lines = summary(found)
        session.output.write("\n".join(lines))
        if not lines:
            session.output.info("no actions: the cluster would leave everything as it is")
    else:
        session.output.write(text(found, asked))
    for line in complaints(found):
        session.output.warn(line)
    if "nograph" not in words:
        program = pictures.viewer()
        if program:
            pictures.show(dot_text(found), program, session.output, "transition graph")
        elif session.output.is_interactive:
            session.output.info("a window and graphviz's xdot would show the transition graph")
    return found.outcome is not None and found.outcome.complete


def scheduler_reports(session: Session, configuration: Configuration) -> list[Report]:
    """Faults against the schema; with none, errors and warnings of the scheduler about a configuration alone, whatever the
    cluster's state is."""
    from standfast.cib.shape import shape_reports
    from standfast.compat.simulation import Asked, Injections, configuration_complaints, run

    root = _as_cib(configuration)
    faults = shape_reports(root, "configuration")
    if faults:
        return faults
    found = run(root, Asked(Injections(), run=False), int(session.now_s()), time.localtime(session.now_s()).tm_gmtoff)
    assert found.plan is not None
    return configuration_complaints(found)


def scores(session: Session) -> str:
    """The scores of the live cluster (or of CIB_file), and utilization where there is any, as `crm_simulate -sUQ` has them."""
    from standfast.compat.simulation import Asked, Injections, Wanted, run, text
    from standfast.shell.foresight import document

    cib = document(session)
    has_utilization = cib.find("configuration//utilization") is not None
    asked = Asked(Injections(), run=False, is_saved=False, wanted=Wanted(scores=True, utilization=has_utilization, quiet=True))
    return text(run(cib, asked, *_now(session)), asked)


def _laid_over(cib: etree._Element, configuration: Configuration) -> etree._Element:
    """The live CIB with this configuration in place of its own."""
    old = cib.find("configuration")
    new = copy.deepcopy(configuration.configuration)
    if old is None:
        cib.insert(0, new)
    else:
        cib.replace(old, new)
    return cib


def _as_cib(configuration: Configuration) -> etree._Element:
    """A quorate cluster without any history."""
    from lxml import etree

    versions = {"admin_epoch": "0", "epoch": "0", "num_updates": "0"}
    root = etree.Element("cib")
    named = configuration.root.items() if configuration.root.tag == "cib" else []
    for name, value in (*versions.items(), *named, ("have-quorum", "1")):
        root.set(name, value)
    root.append(copy.deepcopy(configuration.configuration))
    etree.SubElement(root, "status")
    return root


def _now(session: Session) -> tuple[int, int]:
    """The wall-clock second, and local time less UTC."""
    now_s = int(session.now_s())
    return now_s, time.localtime(now_s).tm_gmtoff
