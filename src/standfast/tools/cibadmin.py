"""cibadmin: the CIB as XML, read and changed by scope, id and XPath. The manager judges the XML; this sends and prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from standfast.base.report import Refused, error
from standfast.compat.xml_text import elements, tag
from standfast.tools.manager_client import EXIT_USAGE, Manager
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

INPUT_BYTES_MAX = 32 * 1024 * 1024
EXIT_NOINPUT, EXIT_CONFIG, EXIT_UNSAFE = 66, 78, 107
SCOPES = (
    "configuration", "nodes", "resources", "constraints", "crm_config", "rsc_defaults", "op_defaults",
    "acls", "fencing-topology", "tags", "alerts", "status",
)  # fmt: skip
_TEXTS = {
    78: "Call failed: Update does not conform to the configured schema",
    105: "Call failed: No such device or address",
    108: "Call failed: File exists",
    103: "Call failed: Application of an update diff failed, a full refresh is needed",
    106: "Call failed: Operation requires quorum",
    124: "Call failed: Timer expired",
}
HELP = """\
usage: cibadmin COMMAND [OPTIONS]

  -Q, --query  -C, --create  -M, --modify  -R, --replace  -D, --delete  -P, --patch  -B, --bump  -E, --erase  -a, --empty
  -d, --delete-all (with --xpath)   -u, --upgrade --force (a configuration of schema 1.x or 2.x becomes one of 3.x)
  -X, --xml-text=XML  -x, --xml-file=FILE  -p, --xml-pipe    input
  -o, --scope=SECTION   -A, --xpath=XPATH   -c, --allow-create   -n, --no-children   -e, --node-path
  -f, --force   -l, --local   -t, --timeout=SECONDS
"""
_COMMANDS = {
    "query": ("Q", "query"),
    "create": ("C", "create"),
    "modify": ("M", "modify"),
    "replace": ("R", "replace"),
    "delete": ("D", "delete"),
    "delete-all": ("d", "delete-all"),
    "patch": ("P", "patch"),
    "bump": ("B", "bump"),
    "erase": ("E", "erase"),
    "upgrade": ("u", "upgrade"),
    "empty": ("a", "empty"),
}
_OPTIONS = (
    *(option(key, *names) for key, names in _COMMANDS.items()),
    option("text", "X", "xml-text", takes="value"),
    option("file", "x", "xml-file", takes="value"),
    option("pipe", "p", "xml-pipe"),
    option("scope", "o", "scope", "obj_type", takes="value"),
    option("xpath", "A", "xpath", takes="value"),
    option("create-too", "c", "allow-create"),
    option("alone", "n", "no-children"),
    option("path", "e", "node-path"),
    option("force", "f", "force"),
    option("local", "l", "local"),
    option("sync", "s", "sync-call"),
    option("timeout", "t", "timeout", takes="value"),
    option("user", "U", "user", takes="value"),
    option("verbose", "V", "verbose"),
    option("version", "$", "version"),
    option("help", "?", "help"),
)
EMPTY = (
    '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="0" num_updates="0" admin_epoch="0">\n  <configuration>\n'
    "    <crm_config/>\n    <nodes/>\n    <resources/>\n    <constraints/>\n  </configuration>\n  <status/>\n</cib>\n"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("cibadmin", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    command = options.last(tuple(_COMMANDS))
    if "help" in options or "version" in options:
        say(HELP if "help" in options else "Pacemaker 2.1.5\n")
        return 0
    if not command:
        raise Refused(error("cibadmin.usage", "a command is needed", "", "for example cibadmin -Q"), exit_code=EXIT_USAGE)
    if command == "empty":
        say(EMPTY)
        return 0
    if options.value("scope") not in {"", "cib", *SCOPES}:
        remedy = "one of: " + " ".join(SCOPES)
        raise Refused(
            error("cibadmin.scope", f"the scope {options.value('scope')!r} is not known", "", remedy), exit_code=EXIT_USAGE
        )
    seconds = options.value("timeout", "60")
    manager = Manager("cibadmin", timeout_s=float(seconds) if seconds.isdecimal() and int(seconds) > 0 else 60.0)
    try:
        if command == "query":
            return _query(manager, options)
        if command == "upgrade":
            return _upgrade(manager, options)
        manager.apply(_operation(command, options), force="force" in options)
    except Refused as refused:
        sys.stderr.write(_TEXTS.get(refused.exit_code, "Call failed") + "\n")
        raise
    return 0


def _query(manager: Manager, options: Options) -> int:
    xml: str = manager.call("cib.query", scope=options.value("scope"), xpath=options.value("xpath"))["xml"]
    if "path" in options:
        from standfast.tools.cib_paths import node_paths

        whole = manager.call("cib.query")["xml"]
        say("".join(f"{path}\n" for path in node_paths(whole, options.value("xpath"))))
    elif "alone" in options:
        # without children a section keeps its name only; the document keeps its attributes, which hold the version
        name, attributes = next(elements(xml))
        say(tag(name, dict(attributes)) + "\n")
    else:
        say(xml if xml.endswith("\n") else xml + "\n")
    return 0


def _upgrade(manager: Manager, options: Options) -> int:
    """Replace the configuration by its upgraded self, unless its schema is new enough."""
    if "force" not in options:
        sys.stderr.write(
            "The supplied command is considered dangerous.  To prevent accidental destruction of the cluster, "
            "the --force flag is required in order to proceed.\n"
        )
        return EXIT_UNSAFE
    from lxml import etree

    from standfast.base.report import Report
    from standfast.cib.upgrade import upgraded

    xml: str = manager.call("cib.query")["xml"]
    root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    new = upgraded(root)
    if isinstance(new, Report):
        raise Refused(new, exit_code=EXIT_CONFIG)
    if new is not root:
        manager.apply({"kind": "replace", "xml": etree.tostring(new, encoding="unicode")})
    return 0


def _operation(command: str, options: Options) -> dict[str, Any]:
    if command == "erase" and "force" not in options:
        report = error("cibadmin.erase", "erasing the configuration needs --force", "it cannot be taken back")
        raise Refused(report, exit_code=EXIT_UNSAFE)
    operation: dict[str, Any] = {"kind": "delete" if command == "delete-all" else command}
    if "scope" in options:
        operation["scope"] = options.value("scope")
    if "xpath" in options:
        operation["xpath"] = options.value("xpath")
    operation["multiple"] = command == "delete-all"
    operation["allow_create"] = "create-too" in options
    needs = command in {"create", "modify", "replace", "patch"} or (command == "delete" and "xpath" not in options)
    if needs or {"text", "file", "pipe"} & {key for key, _ in options.given}:
        operation["xml"] = _input(options)
    return operation


def _input(options: Options) -> str:
    """The XML that was given in one of three ways."""
    source = options.last(("text", "file", "pipe"))
    if source == "text":
        return options.value("text")
    try:
        if source == "pipe":
            data = sys.stdin.buffer.read(INPUT_BYTES_MAX)
        elif source == "file":
            with open(options.value("file"), "rb") as stream:
                data = stream.read(INPUT_BYTES_MAX)
        else:
            report = error("cibadmin.usage", "this command needs XML", "", "-X XML, -x FILE or -p (standard input)")
            raise Refused(report, exit_code=EXIT_USAGE)
        return data.decode()
    except OSError as fault:
        report = error("cibadmin.input", f"{options.value('file')} cannot be read", fault.strerror or "")
        raise Refused(report, exit_code=EXIT_NOINPUT) from None
    except UnicodeDecodeError:
        raise Refused(error("cibadmin.input", "the input is not UTF-8"), exit_code=65) from None
