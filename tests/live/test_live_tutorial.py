"""The tutorial, typed again: each command of docs/tutorial.md on hosts made of namespaces, and what it prints compared.

A block that opens with `text file=PATH` is written to both hosts; in a block `console`, `HOST# COMMAND` is typed and the lines
below are what it has to print. What differs from run to run (dates, view numbers) is masked. Commands that only look are typed
until they print it, because a cluster takes its moment. `<!-- lab: cut HOST -->` and `heal` are what hands do in the text.

    python tests/live/test_live_tutorial.py --accept      types it all and writes what was printed into the tutorial
"""

from __future__ import annotations

import difflib
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from standfast.lab.files import NAMES
from standfast.lab.lab import Lab, is_possible

pytestmark = [pytest.mark.live, pytest.mark.skipif(not is_possible(), reason="network namespaces need root")]

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
PROMPT = re.compile(r"(test-node-\d)# (.*)")
PATIENCE_S = 20.0
STEADY_S = 2.0
LOOKING = ("crm status", "crm resource status", "crm configure show", "corosync-", "ip ")
MASKS = (
    (re.compile(r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\b"), "DATE"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ?"), "DATE"),
    (re.compile(r"\bat [A-Z][a-z]{2} +\d+ .*"), "DATE"),
    (re.compile(r"(Ring ID: +\S+?\.)[0-9a-f]+"), r"\1SEQ"),
    (re.compile(r"(join_count \(u32\) = )\d+"), r"\1N"),
    (re.compile(r"eth0@if\d+ *"), "eth0 "),
    (re.compile(r"\s+$", re.M), ""),
)
ATTEMPTS = 3
STARVED = "this node was not running for"
"""What the log says of a host that this machine gave no CPU for long: then the text is typed once more, on fresh hosts."""


@dataclass
class Command:
    """`line` is typed on `host` and prints `expected`; the output stands in the tutorial's lines `first` to `last`."""

    host: str
    line: str
    first: int
    last: int
    expected: str = ""


@dataclass
class Lines:
    """A file of the hosts."""

    path: str
    text: str


@dataclass
class Deed:
    """What hands do: `verb` is cut or heal."""

    verb: str
    host: str


Step = Command | Lines | Deed


def read(text: str) -> list[Step]:
    """The steps of the tutorial, in order."""
    steps: list[Step] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if deed := re.fullmatch(r"<!-- lab: (cut|heal) (\S+) -->", line):
            steps.append(Deed(deed[1], deed[2]))
        elif line.startswith("```") and line != "```":
            end = lines.index("```", at + 1)
            steps += _block(line, lines, at + 1, end)
            at = end
        at += 1
    return steps


def _block(fence: str, lines: list[str], first: int, end: int) -> list[Step]:
    if file := re.fullmatch(r"```text file=(\S+)", fence):
        return [Lines(file[1], "\n".join(lines[first:end]) + "\n")]
    assert fence == "```console", f"a block of a kind that this test does not know: {fence}"
    commands: list[Command] = []
    for at in range(first, end):
        if prompt := PROMPT.fullmatch(lines[at]):
            commands.append(Command(prompt[1], prompt[2], at + 1, at + 1))
        else:
            commands[-1].last = at + 1
    for command in commands:
        command.expected = "\n".join(lines[command.first : command.last])
    return list(commands)


@dataclass
class Typist:
    """Carries the steps out in a lab."""

    lab: Lab
    log: Path
    differences: list[str] = field(default_factory=list)

    def do(self, step: Step) -> str:
        """Carry out one step; returns what it printed."""
        match step:
            case Lines(path, text):
                for host in self.lab.hosts.values():
                    host.write(path, text.encode())
            case Deed("cut", host):
                self.lab.cut(host)
            case Deed(_, host):
                self.lab.heal(host)
            case Command() if step.line == "standfast node":
                self.lab.hosts[step.host].start(["standfast", "node"], self.log)
            case Command() if copied := re.fullmatch(r"scp (\S+) ([^:]+):(\S+)", step.line):
                content = self.lab.hosts[step.host].read_bytes(copied[1])
                self.lab.hosts[copied[2]].write(copied[3], content, 0o400)
            case Command():
                return self._type(step)
        return ""

    def _type(self, step: Command) -> str:
        return self.lab.hosts[step.host].type(step.line, check=False).rstrip("\n")

    def compare(self, step: Command) -> None:
        """Type it and note what is different; what only looks is typed until it agrees or patience is at its end."""
        printed = self.do(step)
        end_s = time.monotonic() + PATIENCE_S
        while masked(printed) != masked(step.expected) and is_look(step.line) and time.monotonic() < end_s:
            time.sleep(0.2)
            printed = self.do(step)
        if masked(printed) != masked(step.expected):
            diff = difflib.unified_diff(masked(step.expected), masked(printed), "tutorial", "printed", lineterm="")
            self.differences.append(f"{step.host}# {step.line}  (docs/tutorial.md:{step.first})\n" + "\n".join(diff))

    def settled(self, step: Command) -> str:
        """What it prints once that stays the same for a while."""
        printed, since_s, end_s = self.do(step), time.monotonic(), time.monotonic() + PATIENCE_S
        while is_look(step.line) and time.monotonic() < min(since_s + STEADY_S, end_s):
            time.sleep(0.2)
            again = self.do(step)
            if masked(again) != masked(printed):
                since_s = time.monotonic()
            printed = again
        return printed


def is_look(line: str) -> bool:
    """Whether a command changes nothing, so that typing it again is harmless."""
    return line.startswith(LOOKING)


def masked(text: str) -> list[str]:
    """The lines without what differs from run to run."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text.splitlines()


def test_the_reader_finds_every_kind_of_step() -> None:
    text = "\n".join(
        [
            "```text file=/etc/x",
            "a",
            "```",
            "<!-- lab: cut test-node-1 -->",
            "```console",
            "test-node-2# crm status",
            "b",
            "c",
            "```",
        ]
    )
    assert read(text) == [
        Lines("/etc/x", "a\n"),
        Deed("cut", "test-node-1"),
        Command("test-node-2", "crm status", 6, 8, "b\nc"),
    ]


def type_it_all(log: Path) -> tuple[list[str], bool]:
    """What was different, and whether a host was starved meanwhile."""
    with Lab(list(NAMES)) as lab:
        typist = Typist(lab, log)
        for step in read(TUTORIAL.read_text()):
            if isinstance(step, Command):
                typist.compare(step)
            else:
                typist.do(step)
        logs = {name: host.read("/var/log/corosync/corosync.log") for name, host in lab.hosts.items()}
    if not typist.differences:
        return [], False
    return [*typist.differences, *(f"--- {name}\n{text[-3000:]}" for name, text in logs.items())], STARVED in "".join(
        logs.values()
    )


@pytest.mark.timeout(600)
def test_the_tutorial_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    for attempt in range(ATTEMPTS):
        differences, is_starved = type_it_all(tmp_path / f"log-{attempt}")
        if not is_starved:
            break
    report = "\n\n".join(differences)
    assert not differences, report


def accept() -> None:
    """Type everything and write what was printed into the tutorial."""
    text = TUTORIAL.read_text()
    printed: list[tuple[Command, str]] = []
    with Lab(list(NAMES)) as lab:
        typist = Typist(lab, lab.folder / "log")
        for step in read(text):
            if isinstance(step, Command):
                printed.append((step, typist.settled(step)))
            else:
                typist.do(step)
    lines = text.splitlines()
    for step, output in reversed(printed):
        lines[step.first : step.last] = [line.rstrip() for line in output.splitlines()]
    TUTORIAL.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    assert sys.argv[1:] == ["--accept"], __doc__
    accept()
