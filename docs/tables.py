"""The tables of the documentation that are made from the code. `python docs/tables.py` writes them into their pages.

A page marks their place: `<!-- table: NAME -->` ... `<!-- /table -->`. tests/unit/test_docs.py fails when a table is out of step.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from standfast.base.dataclass import dataclass
from standfast.config.keys import OLD_SECTIONS, OLD_TOP_KEYS, SECTIONS, Fate, Key
from standfast.engine.links.complaints import _TEXTS

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS.parent / "src" / "standfast"
PLACE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- /table -->)", re.S)
CODE = re.compile(r"[a-z]+\.[a-z0-9-]+")
ROOMS = (
    "api",
    "authkey",
    "cib",
    "controller",
    "engine",
    "executor",
    "ip",
    "links",
    "manager",
    "net",
    "openstack",
    "quorum",
    "runtime",
    "supervisor",
)
"""Rooms whose reports a daemon logs or answers; those of crm and the tools stand in front of who typed."""

Names = dict[str, str]

NOT_FOLLOWED = {
    "totem.token_warning": r"token_warning_percent",
    "totem.ip_dscp": r"\.ip_dscp",
    "totem.link_mode": r"\.link_mode",
    "totem.block_unlisted_ips": r"block_unlisted_ips",
    "quorum.provider": r"(section|quorum)\.provider",
    "quorum.votes": r"section\.votes",
    "quorum.device.votes": r"device\.votes",
    "quorum.device.timeout": r"device\.timeout_ms",
    "quorum.device.sync_timeout": r"device\.sync_timeout_ms",
    "quorum.device.master_wins": r"device\.master_wins",
    "quorum.device.net": r"net\.host",
    "quorum.device.heuristics": r'"heuristics\.',
    "system.priority": r"system\.priority",
    "system.state_dir": r"system\.state_dir",
    "resources": r"watchdog_device",
    "uidgid": r"config\.users",
}
"""Keys, or whole sections, that are read and checked while nothing acts on them yet, and the pattern of
code that would follow them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One way in which a code is used: severity, what it says and what it advises, "…" for what varies."""

    severity: str
    what: str
    remedy: str


def codes() -> dict[str, list[Line]]:
    """Every report code that the source writes out, with its lines, in the order of the files."""
    found: dict[str, list[Line]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        _collect(ast.parse(path.read_text()), {}, found)
    for kind, (severity, what, _, remedy) in _TEXTS.items():
        found.setdefault(f"links.{kind}", []).append(Line(str(severity), _plain(what), _plain(remedy)))
    return found


def _collect(node: ast.AST, names: Names, found: dict[str, list[Line]]) -> None:
    """Walk down; `names` are the texts that local variables were given on the way."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        names = {}
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        targets, values = [node.targets[0]], [node.value]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            targets, values = node.targets[0].elts, node.value.elts
        for target, value in zip(targets, values, strict=True):
            if isinstance(target, ast.Name):
                names[target.id] = _text(value, names)
    if isinstance(node, ast.Call) and (entry := _report(node, names)) is not None:
        code, line = entry
        found.setdefault(code, []).append(line)
    for child in ast.iter_child_nodes(node):
        _collect(child, names, found)


def _report(call: ast.Call, names: Names) -> tuple[str, Line] | None:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name not in ("error", "warning", "notice", "Report") or not call.args:
        return None
    code = _text(call.args[0], {})
    if not CODE.fullmatch(code):
        return None
    rest = list(call.args[1:])
    severity = name
    if name == "Report":
        severity = ast.unparse(rest.pop(0)).rpartition(".")[2].lower()
    named = {word.arg: word.value for word in call.keywords}
    remedy = rest[2] if len(rest) > 2 else named.get("remedy")
    return code, Line(severity, _text(rest[0], names) if rest else "", _text(remedy, names) if remedy is not None else "")


def _text(node: ast.expr, names: Names) -> str:
    """What a text says as far as the source tells."""
    match node:
        case ast.Constant(value):
            return str(value)
        case ast.JoinedStr(parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.Name(name):
            return names.get(name, "…")
        case ast.BinOp(left, ast.Add(), right):
            return _text(left, names) + _text(right, names)
        case ast.IfExp(_, one, other):
            return " / ".join(text for text in (_text(one, names), _text(other, names)) if text.strip("… "))
        case _:
            return "…"


def _plain(template: str) -> str:
    return re.sub(r"\{\w*\}", "…", template)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").strip()


def code_table() -> Iterator[str]:
    """Codes of the daemons: level, what the line says, what it advises."""
    yield "| code | level | the line says | and advises |"
    yield "|---|---|---|---|"
    for code, lines in sorted(codes().items()):
        if code.partition(".")[0] not in ROOMS:
            continue
        severities = " or ".join(dict.fromkeys(line.severity for line in lines))
        what = " / ".join(dict.fromkeys(line.what for line in lines if line.what.strip("…. ")))
        remedy = " / ".join(dict.fromkeys(line.remedy for line in lines if line.remedy.strip("…. ")))
        yield f"| `{code}` | {severities} | {_cell(what)} | {_cell(remedy)} |"


def _is_followed(path: str) -> bool:
    return not any(path == name or path.startswith(f"{name}.") for name in NOT_FOLLOWED)


def _values(key: Key) -> str:
    if key.on_off:
        return "yes, no"
    if key.choices:
        return ", ".join(key.choices)
    return "text" if key.cmap == "str" else f"{key.low} to {key.high}"


def _keys(fate: Fate) -> Iterator[tuple[str, Key]]:
    for section, keys in SECTIONS.items():
        for name, key in keys.items():
            if key.fate is fate:
                yield f"{section}.{name}", key


def used_table() -> Iterator[str]:
    """Keys that do what they always did."""
    yield "| key | values | default | |"
    yield "|---|---|---|---|"
    for path, key in _keys(Fate.USED):
        if _is_followed(path):
            yield f"| `{path}` | {_cell(_values(key))} | {_cell(key.default)} | {_cell(key.note)} |"


def kept_table() -> Iterator[str]:
    """Keys that are checked and not followed yet."""
    yield "| key | values | default |"
    yield "|---|---|---|"
    for path, key in _keys(Fate.USED):
        if not _is_followed(path):
            yield f"| `{path}` | {_cell(_values(key))} | {_cell(key.default)} |"


def idle_table() -> Iterator[str]:
    """Keys without effect."""
    yield "| key | |"
    yield "|---|---|"
    for fate in (Fate.IDLE, Fate.OLD):
        for path, key in _keys(fate):
            yield f"| `{path}` | {_cell(key.note)} |"
    for name, note in OLD_TOP_KEYS.items():
        yield f"| `{name}` | {_cell(note)} |"
    for name, note in OLD_SECTIONS.items():
        yield f"| `{name} {{ }}` | {_cell(note)} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "codes": code_table,
    "keys-used": used_table,
    "keys-kept": kept_table,
    "keys-idle": idle_table,
}


def filled(page: str) -> str:
    """The page with its tables as they should be."""

    def fill(place: re.Match[str]) -> str:
        return place[1] + "\n".join(TABLES[place[2]]()) + "\n" + place[3]

    return PLACE.sub(fill, page)


if __name__ == "__main__":
    for page in sorted(DOCS.rglob("*.md")):
        page.write_text(filled(page.read_text()))
