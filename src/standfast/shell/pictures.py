"""Pictures of dot(1): saved, rendered, or shown in a window where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Refused, error
from standfast.shell.command import usage_refused
from standfast.shell.output import Output

if TYPE_CHECKING:
    from standfast.compat.crm.document import Configuration

GRAPH_USAGE = "graph [dot [FILE [IMAGE_FORMAT]]]"
VIEWERS = ("xdot", "dotty")
RENDER_S_MAX = 60


def save(text: str, path: str) -> None:
    """Write the text of a picture. Raises Refused."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        raise Refused(error("shell.file", f"{path} cannot be written", fault.strerror or str(fault))) from fault


def render(text: str, path: str, form: str) -> None:
    """Let dot(1) make an image of a picture. Raises Refused when it is not installed, or does not know the form."""
    program = shutil.which("dot")
    if program is None:
        what = f"an image as {form} needs dot"
        raise Refused(error("shell.graphviz", what, "it is not installed", "install graphviz, or save as dot"))
    command = [program, f"-T{form}", "-o", path]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=RENDER_S_MAX)
    except subprocess.TimeoutExpired:
        raise Refused(error("shell.graphviz", f"dot took longer than {RENDER_S_MAX} s")) from None
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()
        raise Refused(error("shell.graphviz", f"dot could not make an image as {form}", why))


def viewer() -> str:
    """The program that shows pictures in a window, "" without one, or without windows."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return ""
    return next((found for found in map(shutil.which, VIEWERS) if found), "")


def show(text: str, program: str, output: Output, what: str) -> None:
    """Start a viewer and leave it alone; the file that it reads goes when it ends."""
    with tempfile.NamedTemporaryFile("w", suffix=".dot", prefix="crm-", delete=False, encoding="utf-8") as file:
        file.write(text)
    alone = '("$0" "$1"; rm -f "$1") </dev/null >/dev/null 2>&1 &'
    subprocess.run(["/bin/sh", "-c", alone, program, file.name], check=False, start_new_session=True)
    output.info(f"starting {os.path.basename(program)} to show {what}")


def configuration_graph(configuration: Configuration, words: Sequence[str], output: Output) -> bool:
    """`graph [dot [FILE [IMAGE_FORMAT]]]`. Raises Refused."""
    from standfast.compat.crm.graph import draw

    kind, path, form = (*words, *("dot", "", "dot")[len(words) :])[:3]
    if len(words) > 3:
        raise usage_refused(GRAPH_USAGE)
    if kind != "dot":
        raise usage_refused(GRAPH_USAGE, f"graph type {kind} is not supported")
    text = draw(configuration)
    if path == "-" and form == "dot":
        output.write(text)
    elif path:
        save(text, path) if form == "dot" else render(text, path, form)
    else:
        program = viewer()
        if not program:
            why = "it needs a window, and xdot or dotty"
            raise Refused(error("shell.graphviz", "the picture cannot be shown here", why, "crm configure graph dot FILE"))
        show(text, program, output, "configuration graph")
    return True
