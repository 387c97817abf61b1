"""`crm configure`: a session on a copy of the configuration; nothing changes until it is committed.

Owns: the commands. The grammar, edits and differences are compat/crm's; what was read and what became of it, edit_state's.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from standfast.base.report import Refused, Report, Severity, error
from standfast.compat.crm import edit as editing
from standfast.compat.crm import render
from standfast.compat.crm.document import Configuration, Object
from standfast.compat.crm.lexer import statement_of_words
from standfast.compat.crm.parser import KEYWORDS, Definition, parse, parse_text
from standfast.shell.agent_lookup import agents, providers
from standfast.shell.command import Call, Command, Level, command, usage_refused
from standfast.shell.edit_state import EditState

if TYPE_CHECKING:
    from lxml import etree

SECRET_NAMES = render.OBSCURED_BY_DEFAULT
MERGED = ("update", "replace", "push")


class ConfigureLevel(Level):
    """The level `configure`. `session.edit` holds what is being edited; it is read from the cluster on first use."""

    name = "configure"
    levels = (("ra", "resource agents: what there is, and what they say of themselves"),)

    @property
    def edit(self) -> EditState:
        """What is being edited."""
        if self.session.edit is None:
            self.session.edit = EditState(self.session.cluster.configuration())
        return self.session.edit

    def find(self, word: str) -> tuple[Command, Report | None]:
        """A command, or a keyword of the grammar."""
        lowered = word.lower()
        if lowered in KEYWORDS:
            return self.table["define"], None
        try:
            entry, notice = super().find(word)
        except Refused:
            found = sorted(keyword for keyword in KEYWORDS if keyword.startswith(lowered))
            if len(found) != 1:
                raise
            notice = Report("shell.short", Severity.INFO, f'"{word}" is accepted as "{found[0]}"')
            return self.table["define"], notice
        if notice is not None and any(keyword.startswith(lowered) for keyword in KEYWORDS):
            found = sorted({entry.name, *(keyword for keyword in KEYWORDS if keyword.startswith(lowered))})
            raise Refused(
                error("shell.ambiguous", "No such command", "it could be more than one", f"did you mean {' or '.join(found)}?")
            )
        return entry, notice

    # ---- objects -----------------------------------------------------------------------------------------------------

    @command("KEYWORD ...", "define an object: primitive, group, clone, location, property, ... (crm configure help KEYWORD)")
    def do_define(self, call: Call) -> bool:
        """One statement of the grammar."""
        statement = call.statement or statement_of_words([call.name, *call.words])
        keyword = call.name.lower()
        if keyword not in KEYWORDS:  # it was shortened
            full = next(found for found in sorted(KEYWORDS) if found.startswith(keyword))
            statement = statement_of_words([full, *call.words]) if call.statement is None else _renamed(statement, full)
        definition = parse(statement, providers)
        notices = self.edit.replace(editing.define(self.edit.now, definition))
        self.session.output.say_all(notices)
        return True

    @command("delete [-f|--force] ID...", "delete objects", "rm", completes=("object",), destructive=True)
    def do_delete(self, call: Call) -> bool:
        """Running resources are refused; with force they are stopped first."""
        names = [word for word in call.words if word not in ("-f", "--force")]
        is_forced = self.session.options.is_forced or len(names) < len(call.words)
        if not names:
            raise usage_refused("delete [-f|--force] ID...", "Expected at least one object")
        running = self._running(names)
        if running and is_forced:
            self._stop(sorted(running))
            running = frozenset()
        notices = self.edit.replace(editing.delete(self.edit.now, names, running, is_forced))
        self.session.output.say_all(notices)
        return True

    @command("rename OLD NEW", "give an object another id", completes=("object",))
    def do_rename(self, call: Call) -> bool:
        """Refuses running resources."""
        if len(call.words) != 2:
            raise usage_refused("rename OLD NEW")
        old, new = call.words
        self.edit.replace(editing.rename(self.edit.now, old, new, self._running([old])))
        return True

    @command(
        "modgroup GROUP add ID [after ID|before ID]\nmodgroup GROUP remove ID",
        "add or remove a member of a group",
        completes=("object",),
    )
    def do_modgroup(self, call: Call) -> bool:
        """Through the group's own statement, so that everything that holds for it is checked."""
        words = call.words
        if (
            len(words) not in (3, 5)
            or words[1] not in ("add", "remove")
            or (len(words) == 5 and words[3] not in ("after", "before"))
        ):
            raise usage_refused("modgroup GROUP add ID [after ID|before ID] | modgroup GROUP remove ID")
        found = self.edit.now.find(words[0])
        if found is None or found.keyword != "group":
            raise Refused(error("crm.no-group", f"there is no group {words[0]}"))
        members = [child.get("id") or "" for child in found.element.iterchildren("primitive")]
        reference = words[4] if len(words) == 5 else ""
        absent = next(
            (name for name in (reference, words[2] if words[1] == "remove" else "") if name and name not in members), ""
        )
        if absent:
            raise Refused(
                error("crm.no-member", f"{absent} is not a member of {words[0]}", "", f"its members: {', '.join(members)}")
            )
        if words[1] == "remove":
            members.remove(words[2])
        else:
            members.insert(members.index(reference) + (words[3] == "after") if reference else len(members), words[2])
        text = render.show(self.edit.now, [found], providers=providers)
        first, _, rest = text.partition(" \\\n")
        old = first.split()[2:]
        head = " ".join(["group", words[0], *members, *old[len([name for name in old if "=" not in name]) :]])
        definitions = parse_text(head + (f" \\\n{rest}" if rest else ""), "modgroup", providers)
        self.edit.replace(editing.load(self.edit.now, definitions, editing.Method.UPDATE))
        return True

    @command("set ID.[OP.][INTERVAL.]NAME VALUE", "set one value of an object")
    def do_set(self, call: Call) -> bool:
        """`set vip.ip 10.0.0.1`, `set vip.monitor.timeout 30s`, `set vip.monitor.10s.timeout 30s`."""
        if len(call.words) != 2:
            raise usage_refused("set ID.[OP.][INTERVAL.]NAME VALUE")
        ident, *path = call.words[0].split(".")
        after = self.edit.now.copy()
        found = after.find_any(ident)
        if found is None:
            raise Refused(error("crm.no-object", f"object {ident} does not exist"))
        if len(path) == 1:
            targets = [(pair, "value") for pair in found.element.iter("nvpair") if pair.get("name") == path[0]]
        else:
            ops = [op for op in found.element.iter("op") if op.get("name") == path[0]]
            targets = [(op, path[-1]) for op in ops if len(path) == 2 or op.get("interval") == path[1]]
        if len(targets) != 1:
            why = "there is none" if not targets else f"there are {len(targets)}"
            raise Refused(error("crm.no-value", f"{call.words[0]} does not name one value", why, f"crm configure show {ident}"))
        element, name = targets[0]
        element.set(name, call.words[1])
        self.edit.now = after
        return True

    # ---- looking -----------------------------------------------------------------------------------------------------

    @command("show [xml] [ID|changed|type:T|tag:T|related:ID|obscure:GLOB]...", "show the configuration", completes=("object",))
    def do_show(self, call: Call) -> bool:
        """As text, as XML, or (-o json) as values."""
        words, wants_json = self._read_words(call.words)
        is_xml = bool(words) and words[0] == "xml"
        hidden = tuple(word.removeprefix("obscure:") for word in words if word.startswith("obscure:")) or SECRET_NAMES
        chosen = [word for word in words[is_xml:] if not word.startswith("obscure:")]
        changed = self.edit.changed_ids if "changed" in chosen else frozenset()
        objects = render.select(self.edit.now, chosen, changed)
        if wants_json:
            self.session.write_json(self._as_json(objects, hidden))
        elif is_xml:
            self.session.output.write(render.show_xml(self.edit.now, objects if chosen else None, hidden))
        else:
            self.session.output.write(render.show(self.edit.now, objects, hidden, providers))
        return True

    @command("save [xml] [ID...] FILE", "write the configuration to a file", completes=("file",))
    def do_save(self, call: Call) -> bool:
        """Values are not masked."""
        if not call.words:
            raise usage_refused("save [xml] [ID...] FILE", "Expected a file")
        *words, name = call.words
        is_xml = bool(words) and words[0] == "xml"
        objects = render.select(self.edit.now, words[is_xml:], self.edit.changed_ids)
        text = render.show_xml(self.edit.now, objects) if is_xml else render.show(self.edit.now, objects, (), providers) + "\n"
        if name == "-":
            self.session.output.write(text)
            return True
        try:
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as fault:
            raise Refused(error("shell.file", f"{name} cannot be written", fault.strerror or str(fault))) from fault
        return True

    @command("verify", "look for mistakes in what is being edited")
    def do_verify(self, call: Call) -> bool:
        """The semantic checks and the scheduler's own, on everything; errors fail."""
        from standfast.shell.simulation import scheduler_reports

        assert call.name
        reports = (*self._check(None), *scheduler_reports(self.session, self.edit.now))
        self.session.output.say_all(reports)
        return not any(report.severity is Severity.ERROR for report in reports)

    @command(
        "simulate [nograph] [v...] [scores] [utilization] [actions]",
        "show what the cluster would do with what is being edited",
        "ptest",
        completes=("simulate",),
    )
    def do_simulate(self, call: Call) -> bool:
        """Nothing is touched: the plan is carried out on a copy of the live CIB."""
        from standfast.shell.simulation import simulate

        return simulate(self.session, self.edit.now, call.words)

    @command("graph [dot [FILE [IMAGE_FORMAT]]]", "draw the resources and constraints, for graphviz", completes=("graph", "file"))
    def do_graph(self, call: Call) -> bool:
        """In a window; to a file; to a file as png, svg, ... through dot(1). FILE - is standard output."""
        from standfast.shell.pictures import configuration_graph

        return configuration_graph(self.edit.now, call.words, self.session.output)

    @command("get-property [-t|--true] NAME...", "print cluster properties", "get_property")
    def do_get_property(self, call: Call) -> bool:
        """-t: as true or false."""
        names = [word for word in call.words if word not in ("-t", "--true")]
        as_truth = len(names) < len(call.words)
        for name in names:
            found = [
                pair.get("value") or ""
                for item in self.edit.now.objects()
                if item.keyword == "property"
                for pair in item.element.iterchildren("nvpair")
                if pair.get("name") == name
            ]
            if as_truth:
                self.session.output.write("true" if found and found[0].lower() in ("true", "yes", "on", "1", "y") else "false")
            elif found:
                self.session.output.write(found[0])
            else:
                raise Refused(error("crm.no-property", f"{name}: Property not set"))
        return True

    # ---- texts -------------------------------------------------------------------------------------------------------

    @command("load [xml] update|replace|push FILE|-", "take the configuration of a file", completes=("method", "file"))
    def do_load(self, call: Call) -> bool:
        """update merges by id, replace erases all but the nodes first, push is update and deletes what the file does not name."""
        words = [word for word in call.words if word != "xml"]
        if len(words) != 2 or words[0] not in MERGED:
            raise usage_refused("load [xml] update|replace|push FILE|-")
        definitions = _definitions_of(words[1], is_xml=len(words) < len(call.words))
        method = editing.Method(words[0])
        running: frozenset[str] = frozenset()
        if method is not editing.Method.UPDATE:
            running = self.session.cluster.running() if not self.session.options.is_forced else frozenset()
        notices = self.edit.replace(editing.load(self.edit.now, definitions, method, (), running))
        self.session.output.say_all(notices)
        return True

    @command("edit [xml] [ID|changed|...]...", "edit the configuration with $EDITOR", completes=("object",))
    def do_edit(self, call: Call) -> bool:
        """Loops on errors until the text is right or the person gives up; deleting running resources is refused."""
        is_xml = bool(call.words) and call.words[0] == "xml"
        objects = render.select(self.edit.now, call.words[is_xml:], self.edit.changed_ids)
        before = render.show_xml(self.edit.now, objects) if is_xml else render.show(self.edit.now, objects, (), providers) + "\n"
        with tempfile.NamedTemporaryFile("w+", suffix=".xml" if is_xml else ".crm", prefix="crm-", encoding="utf-8") as file:
            file.write(before)
            file.flush()
            while True:
                _run_editor(file.name)
                with open(file.name, encoding="utf-8", errors="surrogateescape") as edited:
                    text = edited.read()
                if text == before:
                    return True
                try:
                    self._take_over(text, objects, is_xml=is_xml)
                except Refused as refused:
                    self.session.output.say_all(refused.reports, "configure.edit")
                    # With --force, or with nobody there, asking again would never end.
                    if self.session.options.is_forced or not self.session.output.ask(
                        "Edit or discard changes (yes to edit, no to discard)"
                    ):
                        return False
                else:
                    return True

    def _take_over(self, text: str, objects: Sequence[Object], *, is_xml: bool) -> None:
        definitions = _definitions_of_xml(text, "edit") if is_xml else parse_text(text, "edit", providers)
        running = frozenset() if self.session.options.is_forced else self._running([item.ident for item in objects])
        changed = editing.load(self.edit.now, definitions, editing.Method.EDIT, objects, running)
        self.session.output.say_all(self.edit.replace(changed))

    # ---- the end -----------------------------------------------------------------------------------------------------

    @command("commit [--plan] [force]", "make the changes take effect", completes=("force",))
    def do_commit(self, call: Call) -> bool:
        """Checks what changed, asks over errors, sends one change. --plan: shows what the cluster would do, and asks first; with
        nobody to ask, it is only shown (unless forced)."""
        if not self.edit.has_changes:
            self.session.output.info("apparently there is nothing to commit")
            return True
        is_forced = "force" in call.words or self.session.options.is_forced
        if "--plan" in call.words and not self._is_plan_welcome(is_forced=is_forced):
            return False
        return self._commit(is_forced=is_forced)

    def _is_plan_welcome(self, *, is_forced: bool) -> bool:
        """Show what would come of a commit, and ask."""
        from standfast.shell.foresight import what_if_configuration

        what_if_configuration(self.session, self.edit.now.configuration, "When this is committed:")
        if is_forced or self.session.output.ask("Do you want to commit"):
            return True
        self.session.output.info("nothing was committed")
        return False

    @command("refresh", "drop the changes and read the configuration anew")
    def do_refresh(self, call: Call) -> bool:
        """Asks when there are changes."""
        assert call.name
        edit = self.session.edit
        asks = edit is not None and edit.has_changes and self.session.output.is_interactive
        if asks and not self.session.output.ask("All changes will be dropped. Do you want to proceed"):
            return False
        self.session.edit = None
        return bool(self.edit)

    @command("erase [nodes]", "delete everything but the nodes", completes=("nodes",), destructive=True)
    def do_erase(self, call: Call) -> bool:
        """Like an empty file loaded with replace. `nodes` is refused: a node leaves by crm node delete."""
        if call.words:
            raise usage_refused("erase", "nodes cannot be erased here")
        running = frozenset() if self.session.options.is_forced else self.session.cluster.running()
        self.edit.replace(editing.load(self.edit.now, (), editing.Method.REPLACE, (), running))
        return True

    def leave(self) -> bool:
        """With changes: asks whether to commit; with nobody to ask, commits."""
        edit = self.session.edit
        if edit is None or not edit.has_changes:
            self.session.edit = None
            return True
        output = self.session.output
        if output.is_interactive and len(self.session.stack) > 1 and not self._is_transient():
            output.write(render.show(edit.now, render.select(edit.now, ["changed"], edit.changed_ids), SECRET_NAMES, providers))
            if not output.ask("There are changes pending. Do you want to commit them"):
                self.session.edit = None
                return True
        if not self._commit(is_forced=self.session.options.is_forced):
            return False
        self.session.edit = None
        return True

    def abandon(self) -> None:
        """A failed one-line command leaves nothing behind."""
        self.session.edit = None

    def _is_transient(self) -> bool:
        """Whether the level was entered for one command only, which then commits without a question."""
        return self.session.is_one_line

    def _commit(self, *, is_forced: bool) -> bool:
        edit = self.edit
        output = self.session.output
        reports = self._check(edit.changed_ids)
        output.say_all(reports, "configure")
        has_errors = any(report.severity is Severity.ERROR for report in reports)
        if has_errors and is_forced:
            output.info("commit forced")
        elif has_errors and not output.ask("Do you still want to commit"):
            output.say(
                error("crm.not-committed", "nothing was committed", "the errors above", "mend them, or crm --force"),
                "configure.commit",
            )
            return False
        return self.session.follow(lambda: _ignore(edit.commit(self.session.cluster, is_forced=is_forced)), follows=False)

    def _check(self, only: frozenset[str] | None) -> tuple[Report, ...]:
        from standfast.compat.crm.check import check
        from standfast.shell.level_corosync import is_two_node

        return check(self.edit.now, agents, only, is_two_node=is_two_node)

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def _running(self, names: Sequence[str]) -> frozenset[str]:
        """Which of the resources named, or of what is inside them, run; no question to the cluster when none is a resource."""
        involved = {name for name in names if self.edit.now.find_resource(name) is not None}
        for name in sorted(involved):
            element = self.edit.now.find_resource(name)
            involved |= {child.get("id") or "" for child in element.iter("primitive", "group")} if element is not None else set()
        return self.session.cluster.running() & involved if involved else frozenset()

    def _stop(self, names: Sequence[str]) -> None:
        """Stop resources in the live cluster and wait for it; what is being edited learns of it too."""
        from standfast.shell.attributes import put_meta_deep

        self.session.output.info(f"stopping {', '.join(names)} first")

        def alter(configuration: Configuration) -> None:
            for name in names:
                if configuration.find_resource(name) is not None:
                    put_meta_deep(configuration, name, "target-role", "Stopped")

        self.session.change(alter)
        self.session.cluster.wait()
        still = self.session.cluster.running() & set(names)
        if still:
            raise Refused(error("crm.running", f"{', '.join(sorted(still))} did not stop", "", "crm status"))
        alter(self.edit.base)
        alter(self.edit.now)

    def _read_words(self, words: Sequence[str]) -> tuple[list[str], bool]:
        from standfast.shell.words import without_output

        left, form = without_output(words)
        return left, form == "json" or (not form and self.session.options.wants_json)

    def _as_json(self, objects: Sequence[Object], hidden: Sequence[str]) -> dict[str, Any]:
        from standfast.shell.json_view import object_json

        texts = [render.show(self.edit.now, [item], hidden, providers) for item in objects]
        shown = [object_json(item, text, hidden) for item, text in zip(objects, texts, strict=True)]
        return {"version": self.edit.now.version, "objects": shown}


def _ignore(_value: object) -> None:
    """For calls whose answer is of no use."""


def _renamed(statement: Any, keyword: str) -> Any:
    from dataclasses import replace

    first = replace(statement.tokens[0], text=keyword)
    return replace(statement, tokens=(first, *statement.tokens[1:]))


def _read_file(name: str) -> str:
    """A file's text, `-` is standard input. Raises Refused."""
    try:
        if name == "-":
            return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
        with open(name, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError as fault:
        raise Refused(error("shell.file", f"{name} cannot be read", fault.strerror or str(fault))) from fault


def _definitions_of(name: str, *, is_xml: bool = False) -> tuple[Definition, ...]:
    """The objects that a file defines, in crm's language or as XML. Raises Refused."""
    text = _read_file(name)
    source = "stdin" if name == "-" else name
    return _definitions_of_xml(text, source) if is_xml else parse_text(text, source, providers)


def merged_file(root: etree._Element, name: str) -> etree._Element:
    """The <configuration> that `load update FILE` would make of that of a <cib>; XML is known by its first character."""
    before = Configuration(root)
    definitions = _definitions_of(name, is_xml=_read_file(name).lstrip().startswith("<") if name != "-" else False)
    return editing.load(before, definitions, editing.Method.UPDATE, (), frozenset())[0].configuration


def _definitions_of_xml(text: str, source: str) -> tuple[Definition, ...]:
    """The objects of a `<cib>` or `<configuration>` as definitions."""
    from lxml import etree

    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(text.encode("utf-8", "surrogateescape"), parser)
    except etree.XMLSyntaxError as fault:
        where = f"{source}:{fault.lineno or 1}:{fault.offset or 1}"
        raise Refused(error("crm.syntax", "the XML cannot be read", str(fault.msg), "", where)) from fault
    if root.tag not in ("cib", "configuration"):
        raise Refused(error("crm.syntax", f"<cib> or <configuration> expected, found <{root.tag!s}>", "", "", f"{source}:1:1"))
    configuration = Configuration(root)
    inside = {id(child) for item in configuration.objects() for child in item.element.iterdescendants("primitive", "group")}
    return tuple(
        Definition(item.keyword, item.ident, item.element, f"{source}:{item.element.sourceline or 1}:1")
        for item in configuration.objects()
        if id(item.element) not in inside and item.keyword != "xml"
    )


def _run_editor(path: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.call([*shlex.split(editor), path])
    except (OSError, ValueError) as fault:
        raise Refused(error("shell.editor", f"the editor {editor!r} cannot be started", str(fault), "set EDITOR")) from fault
    if code != 0:
        raise Refused(error("shell.editor", f"the editor {editor!r} ended with {code}", "", "nothing was changed"))
