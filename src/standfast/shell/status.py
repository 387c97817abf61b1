"""`crm status` and its variants. The words are compat's; this file chooses the view, asks, and watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from standfast.base.report import Refused, error
from standfast.compat import status_text
from standfast.compat.status_page import View
from standfast.shell.words import without, without_output

if TYPE_CHECKING:
    from standfast.shell.session import Session

Json = dict[str, Any]

RENDERINGS_PER_S_MAX = 4
_VIEWS: dict[str, Callable[[View], View]] = {
    "bynode": lambda view: replace(view, by_node=True, inactive=False),
    "inactive": lambda view: replace(view, inactive=True),
    "ops": lambda view: replace(view, operations=True),
    "timing": lambda view: replace(view, operations=True, timing=True),
    "failcounts": lambda view: replace(view, fail_counts=True),
    "verbose": lambda view: replace(view, detail=True),
    "quiet": lambda view: replace(view, headers=False, daemon=False),
    "noheaders": lambda view: replace(view, headers=False, daemon=False),
    "detail": lambda view: replace(view, detail=True),
    "brief": lambda view: replace(view, brief=True),
    "attributes": lambda view: replace(view, attributes=True),
    "full": lambda view: replace(view, operations=True, fail_counts=True, attributes=True, inactive=True),
}
_LETTERS = {
    "-n": "bynode",
    "-r": "inactive",
    "-o": "ops",
    "-t": "timing",
    "-f": "failcounts",
    "-V": "verbose",
    "-Q": "quiet",
    "-D": "noheaders",
    "-R": "detail",
    "-b": "brief",
    "-A": "attributes",
    "-s": "simple",
    "-1": "inactive",
    "-w": "watch",
    "--watch": "watch",
    "watch": "watch",
    "as-xml": "xml",
    "--as-xml": "xml",
}
WORDS = (*_VIEWS, "simple", "xml", "watch")


def show_status(session: Session, words: Sequence[str]) -> bool:
    """`status [WORD...]`. With words, only active resources are shown unless `inactive` is among them, as crmsh has it."""
    left, form = without_output(words)
    wanted = [_LETTERS.get(word, _LETTERS.get(f"-{word.lstrip('-')}", word.lstrip("-"))) for word in left]
    wanted, watches = without(wanted, "watch")
    form = form or ("json" if session.options.wants_json else "")
    if "xml" in wanted:
        wanted, form = [word for word in wanted if word != "xml"], "xml"
    render = _renderer(wanted, form)
    if watches:
        return _watch(session, render)
    text, is_good = render(session.cluster.status())
    session.output.write(text)
    return is_good


Render = Callable[[Json], tuple[str, bool]]


def _renderer(wanted: Sequence[str], form: str) -> Render:
    """What makes a text, and whether all is well, of a reply."""
    if form == "json":
        import json

        return lambda reply: (json.dumps({k: v for k, v in reply.items() if k not in ("id", "ok")}, indent=2), True)
    if form == "xml":
        from standfast.compat.status_xml import render_xml

        return lambda reply: (render_xml(reply, "crm status xml"), True)
    if list(wanted) == ["simple"]:
        return status_text.render_simple
    view = View(inactive=not wanted)
    for word in wanted:
        if word not in _VIEWS:
            from difflib import get_close_matches

            near = get_close_matches(word, WORDS, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"one of: {', '.join(WORDS)}"
            raise Refused(error("shell.usage", f"unknown word {word!r}", "", remedy))
        view = _VIEWS[word](view)
    return lambda reply: (status_text.render(reply, view), True)


def _watch(session: Session, render: Render) -> bool:
    """Render, then again after each event that may have changed something, until the person has seen enough.

    Events come in bursts, so a rendering is followed by a short pause in which they gather.
    """
    output = session.output
    stream, end = session.cluster.events(timeout_s=24 * 3600.0)
    try:
        _draw(session, render)
        drawn_at = time.monotonic()
        for event in stream:
            if event.get("kind") in ("hello", "report") or (event.get("kind") == "action" and event.get("state") == "started"):
                continue
            pause = 1 / RENDERINGS_PER_S_MAX - (time.monotonic() - drawn_at)
            if pause > 0:
                time.sleep(pause)
            _draw(session, render)
            drawn_at = time.monotonic()
    except KeyboardInterrupt:
        output.write("")
    finally:
        end()
    return True


def _draw(session: Session, render: Render) -> None:
    text, _ = render(session.cluster.status())
    clear = "\x1b[H\x1b[2J" if session.output.is_interactive else ""
    session.output.write(clear + text)
