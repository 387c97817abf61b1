"""What a scheduler answers about one CIB, in a form that two of them can be compared in; and how to ask each of the two.

White space, the numbering of actions and the names that changed between Pacemaker 2.1 and 3.0 (`*_allocate`, the header of the
graph) are normalised away. Line order counts in everything that people read (status, summary, execution), not in scores.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from lxml import etree
from tests.differential.drawing.settings import NOW_S

from standfast.scheduler.graph.model import Action, Graph
from standfast.scheduler.report.simulation import report, score_lines

PARTS = ("status", "scores", "transition", "execution", "revised", "graph")
_HEADS = {
    "Current cluster status:": "status",
    "Allocation Scores:": "scores",
    "Assignment Scores:": "scores",
    "Transition Summary:": "transition",
    "Executing Cluster Transition:": "execution",
    "Revised Cluster Status:": "revised",
}
SECONDS = 0.5  # of CPU, usual is 0.03: 2.1.5 runs for ever on two inputs in a hundred
SCHEMA = Path(__file__).with_name("schema")
INVALID = "An invalid transition was produced"
_FAILED = "failed: "
_NOTES = ("Transition failed: terminated", INVALID, "Using the original execution date of:", "Setting effective cluster time:")
_SPACES = re.compile(r"\s+")
_OLD_FUNCTIONS = re.compile(r"^pcmk__(native|primitive|group|clone|bundle)_(?:allocate|assign):")


class OracleFailed(Exception):
    """The oracle gave no answer (it refused the input, crashed, or took too long); the text says which."""


@dataclass(frozen=True)
class Answer:
    """Each part as a list of lines; `graph` has one line per action, sorted, with its attributes and what it waits for."""

    parts: dict[str, list[str]]

    def differing(self, other: Answer) -> list[str]:
        """The parts in which two answers differ."""
        return [part for part in PARTS if self.parts[part] != other.parts[part]]

    def text(self) -> str:
        """As kept in a file: `== part` and its lines."""
        return "".join(f"== {part}\n" + "".join(f"{line}\n" for line in self.parts[part]) for part in PARTS)

    @classmethod
    def parse(cls, text: str) -> Answer:
        """The reverse of `text`."""
        parts: dict[str, list[str]] = {part: [] for part in PARTS}
        current = PARTS[0]
        for line in text.splitlines():
            if line.startswith("== "):
                current = line[3:]
            else:
                parts[current].append(line)
        return cls(parts)


def _bare(line: str) -> str:
    return _SPACES.sub(" ", line).strip()


def _score(line: str) -> str:
    """One score line by its 3.x function name."""

    def renamed(match: re.Match[str]) -> str:
        return f"pcmk__{'primitive' if match[1] == 'native' else match[1]}_assign:"

    return _OLD_FUNCTIONS.sub(renamed, _bare(line.lstrip(" *")))


def sectioned(text: list[str]) -> dict[str, list[str]]:
    """The text of `crm_simulate -S` by section; what is said before the first section is part of the status."""
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    current = "status"
    for line in text:
        bare = _bare(line)
        if bare in _HEADS:
            current = _HEADS[bare]
        elif bare and not bare.startswith(_NOTES):
            parts[current].append(_score(line) if current == "scores" else bare)
    parts["scores"].sort()
    return parts


def ask_ours(root: etree._Element) -> Answer:
    """Our answer, in this process."""
    plan, lines = report(root, NOW_S)
    plan.graph.check()
    parts = sectioned(lines)
    parts["scores"] = sorted(_score(line) for line in score_lines(plan))
    parts["graph"] = graph_lines(plan.graph)
    return Answer(parts)


def graph_lines(graph: Graph) -> list[str]:
    """Our graph without its numbers."""
    names = {action.id: _name(action) for action in graph.actions}
    lines = []
    for action in graph.actions:
        attributes = sorted(f"{name}={value}" for name, value in action.attributes if name != "crm_feature_set")
        waits = sorted({names[needed] for needed in action.inputs})
        extra = f" downed={','.join(action.downed)}" if action.downed else ""
        extra += f" priority={action.priority}" if action.priority > 0 else ""
        lines.append(f"{names[action.id]}{extra} [{' '.join(attributes)}] after [{'; '.join(waits)}]")
    return sorted(lines)


def _name(action: Action) -> str:
    return " ".join((action.kind.value, action.internal_key or action.operation_key, action.node, action.router_node)).strip()


def _xml_graph_lines(path: Path) -> list[str]:
    """The oracle's graph in the same form."""

    def name(event: etree._Element) -> str:
        key = event.get("internal_operation_key") or event.get("operation_key") or ""
        return " ".join((str(event.tag), key, event.get("on_node", ""), event.get("router_node", ""))).strip()

    lines = []
    for synapse in _possible(list(etree.parse(path).getroot().iterchildren("synapse"))):
        event = synapse.find("action_set")[0]  # type: ignore[index]
        given = event.find("attributes")
        attributes = [] if given is None else [f"{n}={v}" for n, v in given.attrib.items() if n != "crm_feature_set"]
        attributes += [] if given is None else [f"{p.get('name')}={p.get('value')}" for p in given.iterchildren("param")]
        waits = sorted({name(other) for other in synapse.iterfind("inputs/trigger/*")})
        downed = [node.get("id") or "" for node in event.iterfind("downed/node")]
        extra = f" downed={','.join(downed)}" if downed else ""
        extra += f" priority={synapse.get('priority')}" if synapse.get("priority") else ""
        lines.append(f"{name(event)}{extra} [{' '.join(sorted(attributes))}] after [{'; '.join(waits)}]")
    return sorted(lines)


def _possible(synapses: list[etree._Element]) -> list[etree._Element]:
    """Without what could never be carried out (circles and what waits for them): Pacemaker leaves it in and stops early
    ("An invalid transition was produced"), ours leaves it out and says so. What is done is the same."""
    ids = {synapse: synapse.xpath("string(action_set/*/@id)") for synapse in synapses}
    waits = {synapse: set(synapse.xpath("inputs/trigger/*/@id")) for synapse in synapses}
    done: set[object] = set()
    while ready := [s for s in synapses if ids[s] not in done and waits[s] <= done]:
        done.update(ids[s] for s in ready)
    return [synapse for synapse in synapses if ids[synapse] in done]


class Oracle:
    """The installed `crm_simulate` (or the one at `path`), asked in a directory of its own; what it said is kept in `keep`, if
    given, and not asked again."""

    def __init__(self, path: str = "crm_simulate", keep: Path | None = None) -> None:
        self.path = path
        self._keep = keep
        self._directory = tempfile.TemporaryDirectory(prefix="standfast-differential-")
        self.version = self._version()

    def close(self) -> None:
        """Remove the directory."""
        self._directory.cleanup()

    def _version(self) -> tuple[int, ...]:
        text = self._run(["--version"])[0]
        match = re.search(r"Pacemaker (\d+)\.(\d+)\.(\d+)", text)
        return tuple(int(part) for part in match.groups()) if match else (0, 0, 0)

    def _run(self, arguments: list[str]) -> tuple[str, str, int]:
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "CIB_shadow_dir": self._directory.name}
        environment.setdefault("PCMK_schema_directory", str(SCHEMA))
        done = subprocess.run(
            [self.path, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            errors="replace",
            # A timer outlives exec.
            preexec_fn=lambda: signal.setitimer(signal.ITIMER_PROF, SECONDS) and None,
        )
        return done.stdout, done.stderr, done.returncode

    def ask(self, root: etree._Element) -> Answer:
        """The oracle's answer; raises OracleFailed."""
        if self._keep is None:
            return self._ask(root)
        content = hashlib.sha256(etree.tostring(root)).hexdigest()
        kept = self._keep / ".".join(map(str, self.version)) / content[:2] / content
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            try:
                said = self._ask(root).text()
            except OracleFailed as failed:
                said = f"{_FAILED}{failed}"
            kept.write_bytes(zlib.compress(said.encode()))
        said = zlib.decompress(kept.read_bytes()).decode()
        if said.startswith(_FAILED):
            raise OracleFailed(said.removeprefix(_FAILED))
        return Answer.parse(said)

    def _ask(self, root: etree._Element) -> Answer:
        source, graph = Path(self._directory.name, "in.xml"), Path(self._directory.name, "graph.xml")
        source.write_bytes(etree.tostring(root))
        graph.unlink(missing_ok=True)
        arguments = ["-x", str(source), "-S", "-s", "-G", str(graph)]
        if self.version < (2, 1, 6):
            arguments.append("--text-fancy")
        out, err, code = self._run(arguments)
        if code == -signal.SIGPROF:
            raise OracleFailed(f"no answer within {SECONDS} s of CPU time")
        if not graph.exists() or (code != 0 and INVALID not in out + err):
            raise OracleFailed(f"exit {code}: {err.strip()[-500:]}")
        parts = sectioned(out.splitlines())
        parts["graph"] = _xml_graph_lines(graph)
        return Answer(parts)
