"""The house plan as a test: what pure rooms may not name, how long a file and a function may be, who may swallow an error.

Import directions are import-linter's (pyproject.toml); this looks at what an import contract cannot see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "standfast"
IO_ROOMS = ("runtime", "client", "tools", "shell", "lab")
IO_FILES = ("daemon.py",)
FORBIDDEN_MODULES = {
    "time", "random", "secrets", "uuid", "socket", "asyncio", "threading", "subprocess", "os", "select", "signal",
    "multiprocessing", "concurrent", "tempfile", "shutil", "ssl", "http", "urllib", "pathlib", "locale", "pickle",
}  # fmt: skip
FORBIDDEN_CALLS = {"open", "input", "print", "eval", "exec", "__import__"}
FORBIDDEN_ATTRIBUTES = {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today")}
ALLOWED = {
    # the command line of the simulator prints and reads its arguments; the worlds that it runs do not
    "sim/__main__.py",
    # the one seeded source of chance
    "sim/chance.py",
}
ALLOWED_LINES = {
    "base/dataclass.py": "exec()",  # what the standard library's dataclass does, too
    "executor/codes.py": "import signal",  # the names of signals, nothing else
}
LINES_MAX = 600
FUNCTION_LINES_MAX = 60
LONG_FUNCTIONS: dict[str, int] = {}
"""Functions over the limit today: `room/file.py::name` -> lines. The list may only get shorter."""


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def is_pure(path: Path) -> bool:
    relative = name(path)
    return relative.split("/")[0] not in IO_ROOMS and relative not in IO_FILES and relative not in ALLOWED


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def offences(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        where = f"{name(path)}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Import(names):
                yield from (f"{where}: import {a.name}" for a in names if a.name.split(".")[0] in FORBIDDEN_MODULES)
            case ast.ImportFrom(module) if module and module.split(".")[0] in FORBIDDEN_MODULES:
                yield f"{where}: from {module}"
            case ast.Call(ast.Name(called)) if called in FORBIDDEN_CALLS:
                yield f"{where}: {called}()"
            case ast.Attribute(ast.Name(owner), attribute) if (owner, attribute) in FORBIDDEN_ATTRIBUTES:
                yield f"{where}: {owner}.{attribute}"
            case ast.For(iter=ast.Set()) | ast.comprehension(iter=ast.Set()):
                yield f"{where}: iterates over a set"
            case ast.For(iter=ast.Call(ast.Name("set"))) | ast.comprehension(iter=ast.Call(ast.Name("set"))):
                yield f"{where}: iterates over a set"


def test_pure_rooms_name_no_clock_no_chance_no_file_no_socket() -> None:
    found = [line for path in files() if is_pure(path) for line in offences(path)]
    allowed = [line for line in found if ALLOWED_LINES.get(line.split(":")[0], "?") in line]
    assert [line for line in found if line not in allowed] == []


def test_the_check_sees_what_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_architecture.SOURCE", tmp_path)
    bad = tmp_path / "bad.py"
    bad.write_text("import time\nfrom os import path\nx = open('f')\nfor i in {1, 2}: pass\ny = datetime.now()\n")
    assert len(list(offences(bad))) == 5


def test_only_the_runtime_may_catch_everything() -> None:
    broad = [
        f"{name(path)}:{node.lineno}"
        for path in files()
        if not name(path).startswith("runtime/")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    ]
    assert broad == []


def test_no_global_is_changed_anywhere() -> None:
    assert [f"{name(p)}:{n.lineno}" for p in files() for n in ast.walk(tree(p)) if isinstance(n, ast.Global)] == []


def test_files_are_a_few_screens() -> None:
    long = {name(path): count for path in files() if (count := len(path.read_text().splitlines())) > LINES_MAX}
    assert long == {}


def test_functions_fit_on_a_screen_and_no_new_one_grows() -> None:
    long = {}
    for path in files():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{name(path)}::{node.name}"] = lines
    grown = {key: lines for key, lines in long.items() if lines > LONG_FUNCTIONS.get(key, FUNCTION_LINES_MAX)}
    assert grown == {}
    assert [key for key in LONG_FUNCTIONS if key not in long] == [], "no longer too long: take it off the list"


def test_every_room_says_what_it_owns_and_what_it_does_not() -> None:
    silent = []
    for folder in sorted(p for p in SOURCE.rglob("*") if p.is_dir() and p.name != "__pycache__" and any(p.glob("*.py"))):
        room = folder / "__init__.py"
        text = (ast.get_docstring(tree(room)) or "") if room.exists() else ""
        is_room = folder.parent == SOURCE
        if not text or (is_room and not ("Owns" in text and ("not own" in text or "never" in text))):
            silent.append(name(folder))
    assert silent == []
