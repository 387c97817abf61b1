"""`./run demo`: two hosts, one failover IP, and what goes wrong with it; live in the terminal, or as one JSON document.

Owns: how the story is shown. Does not own: the story (lab/story.py) and the hosts it plays on (lab/).
Everything it makes (processes, namespaces, files) ends with it, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from standfast import __version__
from standfast.lab.lab import CLIENT_IP, VIP, is_possible
from standfast.lab.openstack_story import OpenStackStory
from standfast.lab.project import Project
from standfast.lab.spaces import enter_user_namespace
from standfast.lab.stacks import ON_ENGINES
from standfast.lab.story import PAUSE_S, Listener, Step, Story, new_rig

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 64, 130
LANE_S = 6.0
CELL_S = 0.1
FRAMES_PER_S = 8
COLOURS = ("cyan", "magenta")
_STATES = {"off": "dim", "up": "green", "cut off": "red", "frozen": "blue"}


def main(argv: Sequence[str] | None = None) -> int:
    """Play the demo; 0 when every step ended as it should."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = _options(words)
    enter_user_namespace([sys.executable, "-m", "standfast.tools.demo", *words])
    if reason := ON_ENGINES[options.engine].missing():
        sys.stderr.write(f"demo: {reason}\n")
        return EXIT_USAGE
    if options.openstack and "OPENSTACK_BASE_PORT" not in os.environ:
        sys.stderr.write("demo: --openstack needs the services that ./run demo --openstack brings up\n")
        return EXIT_USAGE
    if not is_possible():
        sys.stderr.write("demo: unshare and setpriv (package util-linux) are needed to build hosts out of namespaces\n")
        return EXIT_USAGE
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, lambda *_: sys.exit(EXIT_INTERRUPTED))
    try:
        return _play(options)
    except KeyboardInterrupt:
        sys.stderr.write("demo: interrupted; nothing is left behind\n")
        return EXIT_INTERRUPTED
    except RuntimeError as fault:
        sys.stderr.write(f"demo: {fault}\n")
        return EXIT_FAILED


def _play(options: argparse.Namespace) -> int:
    is_json, pause_s = options.json, 0.0 if options.no_wait else PAUSE_S
    console = Console()
    listener = Listener() if is_json else PlainLines()
    is_live = console.is_terminal and not is_json
    with contextlib.ExitStack() as ends:
        rig = ends.enter_context(new_rig(options.engine))
        heard = Listener() if is_live else listener
        if options.openstack:
            story: Story = OpenStackStory(rig, ends.enter_context(Project(rig.lab)), heard, pause_s)
        else:
            story = Story(rig, heard, pause_s)
        screen = Live(get_renderable=lambda: picture(story), console=console, refresh_per_second=FRAMES_PER_S, transient=True)
        with screen if is_live else contextlib.nullcontext():
            is_ok = story.play()
        if is_json:
            sys.stdout.write(json.dumps(as_json(story), indent=1) + "\n")
        else:
            (console if is_live else Console(width=110)).print(summary(story))
    return 0 if is_ok else EXIT_FAILED


class PlainLines(Listener):
    """The story as lines, for a pipe or a log."""

    def began(self, step: Step) -> None:
        """Its title."""
        self._line(f"== {step.title}")

    def typed(self, host: str, line: str) -> None:
        """A prompt and the line."""
        self._line(f"   {typed(host, line)}")

    def ended(self, step: Step) -> None:
        """What came of it."""
        self._line(f"   {result(step)}" + (f"; served by {step.holder}" if step.holder else ""))

    @staticmethod
    def _line(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def result(step: Step) -> str:
    """A step's result in words."""
    gap = "" if step.outage_s is None else f"longest gap {shown(step.outage_s)}"
    words = "; ".join(part for part in (gap, step.detail.removeprefix("; ")) if part)
    return words if step.is_ok else f"FAILED: {words}"


def shown(outage_s: float) -> str:
    """A gap in the answers, as a person reads it."""
    return f"{outage_s * 1000:.0f} ms" if outage_s < 1 else f"{outage_s:.2f} s"


def as_json(story: Story) -> dict[str, Any]:
    """The document for machines. `outage_s` is the longest gap in the client's answers; it asks every `interval_s`."""
    return {
        "demo": story.name,
        "version": __version__,
        "address": VIP,
        "client": {"address": CLIENT_IP, "interval_s": story.rig.probe.interval_s, "saw_two_holders": story.saw_two_holders},
        "ok": all(step.is_ok for step in story.steps),
        "steps": [
            {
                "title": step.title,
                "typed": [{"host": host, "line": line} for host, line in step.typed],
                "outage_s": None if step.outage_s is None else round(step.outage_s, 4),
                "holder": step.holder,
                "detail": step.detail,
                "ok": step.is_ok,
            }
            for step in story.steps
        ],
    }


# ---- the live picture --------------------------------------------------------------------------------------------------


def picture(story: Story) -> Group:
    """One frame: hosts, client, steps. It fits 24 rows of 80 columns."""
    title = Text.assemble(("Standfast", "bold"), f": two hosts, one failover IP {VIP}")
    return Group(Panel(Group(_hosts(story), *_client(story)), title=title, border_style="dim"), _steps(story))


def _steps(story: Story) -> Table:
    """What has happened, a line each, and what is being typed now."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(no_wrap=True, ratio=1)
    table.add_column(justify="right", width=7)
    table.add_column(width=11, no_wrap=True)
    for step in story.steps:
        outage = "" if step.outage_s is None else shown(step.outage_s)
        table.add_row(_mark(step), step.title, Text(outage, style="bold"), Text(step.holder, style=_colour(story, step.holder)))
    for host, line in story.steps[-1].typed[-4:] if story.steps else ():
        table.add_row("", Text(typed(host, line), style="dim"), "", "")
    return table


def summary(story: Story) -> Table:
    """All steps, with what was typed and what came of it."""
    table = Table(
        title="What the client saw", title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    table.add_column("", width=1)
    table.add_column("what happened", ratio=5)
    table.add_column("outage", justify="right", no_wrap=True)
    table.add_column("served by", no_wrap=True)
    table.add_column("besides", ratio=4)
    for step in story.steps:
        what = Text(step.title)
        for host, line in step.typed[:1]:
            what.append(f"\n{typed(host, line)}", style="dim")
        outage = "" if step.outage_s is None else shown(step.outage_s)
        detail = Text(step.detail.removeprefix("; "), style="" if step.is_ok else "red")
        served_by = Text(step.holder, style=_colour(story, step.holder))
        table.add_row(_mark(step), what, Text(outage, style="bold"), served_by, detail)
    seen = "[red]yes[/red]" if story.saw_two_holders else "never"
    table.caption = f"Did the client ever see two holders? {seen}"
    table.caption_justify = "left"
    return table


def typed(host: str, line: str) -> str:
    """A line at its host's prompt; what no shell can do stands in brackets, without one."""
    return f"{host}{' ' if line.startswith('(') else '# '}{line}"


def _mark(step: Step) -> Text:
    return Text("●", "yellow") if not step.is_done else Text("✓", "green") if step.is_ok else Text("✗", "red")


def _hosts(story: Story) -> Table:
    holders = story.rig.watch.holders()
    table = Table.grid(padding=(0, 3))
    for name, host in story.rig.lab.hosts.items():
        state = story.states[name]
        holds = Text(f"◆ holds {VIP}", style=f"bold {_colour(story, name)}") if name in holders else Text("")
        table.add_row(Text(name, style=_colour(story, name)), host.address, Text(state, style=_STATES[state]), holds)
    return table


def _client(story: Story) -> Iterator[Text]:
    now_s = time.monotonic()
    probe = story.rig.probe
    answers = probe.answers(now_s - LANE_S)
    rate = sum(answer.at_s > now_s - 1 for answer in answers)
    holder = probe.holder()
    yield Text.assemble(
        f"client {CLIENT_IP} asks every {probe.interval_s * 1000:g} ms: {rate:3d} answers/s from ",
        (holder or "nobody", _colour(story, holder) if holder else "bold red"),
    )
    cells = [""] * round(LANE_S / CELL_S)
    for answer in answers:
        place = int((answer.at_s - now_s + LANE_S) / CELL_S)
        if 0 <= place < len(cells):
            cells[place] = answer.host
    lane = Text("the last 6 s  ")
    for host in cells:
        lane.append("█" if host else "·", style=_colour(story, host) if host else "red")
    yield lane


def _colour(story: Story, name: str) -> str:
    names = list(story.rig.lab.hosts)
    return COLOURS[names.index(name) % len(COLOURS)] if name in names else ""


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="two hosts, one failover IP, and what goes wrong with it")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the live picture")
    parser.add_argument("--engine", choices=list(ON_ENGINES), default="embedded", help="the cluster layer (default: embedded)")
    parser.add_argument("--openstack", action="store_true", help="the hosts are servers of an OpenStack project")
    parser.add_argument("--no-wait", action="store_true", help="no pauses between the steps")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
