"""ClusterConfig or text back to text: the writer, and the change of one key that leaves all else as it was.

Owns: the layout of a corosync.conf. Does not own: whether the new text is right: parse it again.
"""

from __future__ import annotations

import re

from standfast.base.report import Refused, error
from standfast.config.model import ClusterConfig
from standfast.config.tree import LINE_BYTES_MAX, Item, Section, read_tree

_STEP = re.compile(r"(?P<name>[A-Za-z0-9_]+)(?:\[(?P<number>[0-9]{1,3})\])?")


def write_config(config: ClusterConfig) -> str:
    """The configuration as a file: the keys as they were written, in order, unknown ones too; comments are not part of it."""
    return write_tree(config.tree)


def write_tree(tree: Section) -> str:
    """A tree as text, two blanks a level."""
    lines: list[str] = []
    for item in tree.items:
        _write(item, 0, lines)
    return "".join(line + "\n" for line in lines)


def _write(item: Item | Section, depth: int, lines: list[str]) -> None:
    indent = "  " * depth
    if isinstance(item, Item):
        lines.append(f"{indent}{item.key}: {item.value}".rstrip(" "))
        return
    lines.append(f"{indent}{item.name} {{")
    for inner in item.items:
        _write(inner, depth + 1, lines)
    lines.append(f"{indent}}}")


def set_value(text: str, path: str, value: str | None) -> str:
    """`text` with the key at `path` set to `value`, or removed where `value` is None. `path` is `section.key`, and a section
    that occurs several times is counted from 0: `nodelist.node[1].name`. A missing last section is added at its parent's end.

    Raises Refused for a path that leads nowhere, a value that no line can hold, or a text that does not read.
    """
    tree, faults = read_tree(text, "corosync.conf")
    if faults:
        raise Refused(*faults, exit_code=78)
    *steps, key = path.split(".")
    _check(path, key, value)
    section, missing = _find(tree, steps, path)
    lines = text.split("\n")
    if missing is None:
        found = [item for item in section.pairs() if item.key == key]
        if found:
            return "\n".join(_replaced(lines, found, value))
        if value is None:
            return text
        new = [f"{_indent(section, lines)}{key}: {value}"]
    elif value is None:
        return text
    else:
        indent = _indent(section, lines)
        new = [f"{indent}{missing} {{", f"{indent}  {key}: {value}", f"{indent}}}"]
    at = section.end_line - 1 if section.name else len(lines) - (not lines[-1])
    return "\n".join([*lines[:at], *new, *lines[at:]])


def _check(path: str, key: str, value: str | None) -> None:
    if not _STEP.fullmatch(key):
        raise Refused(error("config.path", f"{path} is no path to a key", "", "write for example totem.token"))
    if value is None:
        return
    if any(char < " " or char in "{\x7f" for char in value) or len(f"{key}: {value}".encode()) > LINE_BYTES_MAX - 16:
        raise Refused(error("config.value", f"{path} cannot be {value[:60]!r}", "a value is one short line without braces"))


def _find(tree: Section, steps: list[str], path: str) -> tuple[Section, str | None]:
    """The section that `steps` lead to; or its parent and its name, where only the last one is missing."""
    section = tree
    for depth, step in enumerate(steps):
        match = _STEP.fullmatch(step)
        if match is None:
            raise Refused(
                error("config.path", f"{path} is no path to a key", f"{step!r}", "write for example nodelist.node[0].name")
            )
        name, number = match["name"], match["number"]
        found = list(section.sections(name))
        if number is None and len(found) > 1:
            raise Refused(error("config.path", f"{name} occurs {len(found)} times", "", f"say which: {name}[0]"))
        position = int(number or 0)
        if position < len(found):
            section = found[position]
        elif position == len(found) and depth == len(steps) - 1:
            return section, name
        else:
            raise Refused(error("config.path", f"there is no {step} in {section.name or 'the file'}", path))
    return section, None


def _replaced(lines: list[str], found: list[Item], value: str | None) -> list[str]:
    """The last line of the key gets the value (it is the one that counts), the others go."""
    drop = {item.line - 1 for item in found[:-1]}
    last = found[-1]
    if value is None:
        drop.add(last.line - 1)
    else:
        line = lines[last.line - 1]
        end = "\r" if line.endswith("\r") else ""
        head = line[: last.value_column - 1].rstrip("\r")
        lines[last.line - 1] = head + ("" if head.endswith((" ", "\t")) else " ") + value + end
    return [line for at, line in enumerate(lines) if at not in drop]


def _indent(section: Section, lines: list[str]) -> str:
    """The indent of the section's first thing, or two blanks more than its own."""
    for item in section.items:
        line = lines[item.line - 1]
        return line[: len(line) - len(line.lstrip(" \t"))]
    if not section.name:
        return ""
    own = lines[section.line - 1]
    return own[: len(own) - len(own.lstrip(" \t"))] + "  "
