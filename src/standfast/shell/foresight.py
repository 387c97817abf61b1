"""`crm resource why`, `crm what-if`, `commit --plan`: questions to the scheduler about a copy of the cluster. Nothing is touched.

The scheduler is a pure function, so the questions are answered here, on the CIB that the manager (or CIB_file) gives.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from standfast.base.report import Refused, error
from standfast.client.cib_file import named
from standfast.client.decisions import Decisions, parse

if TYPE_CHECKING:
    from lxml import etree

    from standfast.scheduler.explain.explain import Question
    from standfast.scheduler.explain.model import Explanation
    from standfast.scheduler.explain.whatif import Forecast, Supposition
    from standfast.shell.session import Session

Json = dict[str, Any]
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?$")
_AGO = re.compile(r"-?(\d+)\s*(s|m|min|h|d)$")
_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


def document(session: Session) -> etree._Element:
    """The whole CIB: CIB_file's, where it is set, else the running cluster's."""
    return session.cluster.cib()


def parse_time(text: str, now_s: int) -> int:
    """A wall-clock second: 03:12 or 03:12:30 (the last one that was), 2026-11-22T03:12, 20m (ago), an epoch. Raises Refused."""
    now = datetime.fromtimestamp(now_s).astimezone()
    if match := _CLOCK.match(text):
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if hour < 24 and minute < 60 and second < 60:
            then = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return int((then if then <= now else then - timedelta(days=1)).timestamp())
    if match := _AGO.match(text):
        return now_s - int(match[1]) * _UNITS_S[match[2]]
    if text.isdigit():
        return int(text)
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().timestamp())
    except ValueError:
        remedy = "03:12, 2026-11-22T03:12, or 20m for twenty minutes ago"
        raise Refused(error("shell.time", f"{text!r} is not a time", "", remedy), exit_code=64) from None


def clock_of(now_s: int) -> Callable[[int], str]:
    """Instants in local time: the time alone for today, else with the date."""
    today = datetime.fromtimestamp(now_s).astimezone().date()

    def clock(second: int) -> str:
        then = datetime.fromtimestamp(second).astimezone()
        return f"{then:%H:%M:%S}" if then.date() == today else f"{then:%Y-%m-%d %H:%M:%S}"

    return clock


def why(session: Session, name: str, at: str = "", *, is_full: bool = False, is_json: bool = False) -> bool:
    """Explain a resource, now or at a past decision."""
    from standfast.scheduler.explain.explain import explain

    now_s = int(session.now_s())
    decisions = Decisions()
    clock = clock_of(now_s)
    head = ""
    when_s = now_s
    if at:
        path, kept = decisions.at(parse_time(at, now_s))
        root = parse(kept, str(path))
        when_s = int(root.get("execution-date") or path.stat().st_mtime)
        head = f"As decided at {clock(when_s)} ({path.name}):"
    else:
        root = document(session)
    question = replace(_question(root, when_s), clock=clock, since=lambda element_id: decisions.since(element_id, when_s))
    found = explain(question, name)
    if is_json:
        session.write_json([_as_json(explanation) for explanation in found])
        return True
    lines = [head] if head else []
    for explanation in found:
        lines += [explanation.sentence(), *_cures(explanation), *(_ledger(explanation) if is_full else [])]
    if not at:
        lines += _fencing(session, root)
    session.output.write("\n".join(lines))
    return True


def _fencing(session: Session, root: etree._Element) -> list[str]:
    """What keeps everything waiting where a lost node is not fenced yet: how its last fencing went."""
    from standfast.compat.fencing_text import newest, sentence

    if named() or root.find(".//primitive[@class='stonith']") is None:
        return []
    status = session.cluster.status()
    unclean = [node["name"] for node in status["situation"]["nodes"] if node["unclean"]]
    records = status.get("fencing", [])
    wanted = [r for r in newest(records) if r["target"] in unclean and r["phase"] != "success"]
    lines = [f"  Nothing that may still run on {name} starts elsewhere before it is fenced." for name in unclean]
    lines += [f"  Fencing: {sentence(record, records, is_full=False)}" for record in wanted]
    return lines + [f"  When you know that {name} is down: crm node clearstate {name}" for name in unclean]


def _cures(explanation: Explanation) -> list[str]:
    if not explanation.cures:
        return []
    width = min(48, max(len(cure.command) for cure in explanation.cures))
    lines = [
        f"    {cure.command:<{width}}  -> {cure.result}" if cure.result else f"    {cure.command}" for cure in explanation.cures
    ]
    return ["  What would change it:", *lines]


def _ledger(explanation: Explanation) -> list[str]:
    lines = ["  The scores:"]
    for place in explanation.places:
        lines.append(f"    {place.node}: {_points(place.score)}")
        lines += [f"      {_points(entry.points):>9}  {entry.source}: {entry.sentence}" for entry in place.ledger]
    return lines


def _points(points: int) -> str:
    return str(points) if abs(points) < 1_000_000 else "INFINITY" if points > 0 else "-INFINITY"


def _as_json(explanation: Explanation) -> Json:
    plain = asdict(explanation, dict_factory=lambda pairs: {key: value for key, value in pairs if key != "edit"})
    return {"sentence": explanation.sentence(), **plain}


# ---- what if ------------------------------------------------------------------------------------------------------------


def what_if_node(session: Session, name: str, event: str, *, is_json: bool = False) -> bool:
    """`what-if node NAME EVENT`."""
    from standfast.scheduler.explain.whatif import suppose_node

    question = _now(session)
    return _tell(session, question, suppose_node(question, name, event), is_json=is_json)


def what_if_resource(session: Session, name: str, task: str, *, is_json: bool = False) -> bool:
    """`what-if resource NAME fails TASK`."""
    from standfast.scheduler.explain.whatif import suppose_failure

    question = _now(session)
    return _tell(session, question, suppose_failure(question, name, task), is_json=is_json)


def what_if_configuration(session: Session, configuration: etree._Element, words: str, *, is_json: bool = False) -> bool:
    """Another configuration, as `what-if configure FILE` and `commit --plan` have it."""
    from standfast.scheduler.explain.whatif import suppose_configuration

    question = _now(session)
    return _tell(session, question, suppose_configuration(question, configuration, words), is_json=is_json)


def _now(session: Session) -> Question:
    now_s = int(session.now_s())
    return replace(_question(document(session), now_s), clock=clock_of(now_s))


def _question(root: etree._Element, when_s: int) -> Question:
    """As the manager's planner would be asked; a CIB in a file may be of a cluster that has remote nodes."""
    from standfast.scheduler.explain.explain import Question

    is_ours = not named()
    return Question(root, when_s, utc_offset_s=time.localtime(when_s).tm_gmtoff, connects=not is_ours)


def _tell(session: Session, question: Question, supposed: Supposition, *, is_json: bool) -> bool:
    from standfast.scheduler.explain.whatif import forecast

    found: Forecast = forecast(question, supposed)
    if is_json:
        session.write_json(asdict(found))
    else:
        session.output.write("\n".join(found.lines()))
    return True
