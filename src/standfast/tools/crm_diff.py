"""crm_diff: what changed between two XML documents, as a patch of Pacemaker's format 2, and the patch applied.

Exit codes are the original's: 0 no difference or patched, 1 there is a difference, 65 for what is no XML.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Refused, error
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say
from standfast.tools.xml_input import file_bytes, parsed, stdin_bytes

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

EXIT_DIFFERENT, EXIT_USAGE, EXIT_DATA = 1, 64, 65
COUNTERS = ("admin_epoch", "epoch", "num_updates")
HELP = """\
usage: crm_diff ORIGINAL (NEW | PATCH) [OPTIONS]

  -o, --original=FILE  -O, --original-string=XML   what was there before
  -n, --new=FILE       -N, --new-string=XML        what there is now: print the difference
  -p, --patch=FILE                                 a difference: apply it and print the result
  -s, --stdin          both from standard input    -c, --cib         versions and digest of a CIB count
  -u, --no-version     leave versions out          --output-as=text|xml
  -V, --verbose        -$, --version               -?, --help

Exit codes: 0 no difference (or patched), 1 a difference was printed, 65 no XML.
"""
_OPTIONS = (
    option("original", "o", "original", takes="value"),
    option("original-string", "O", "original-string", takes="value"),
    option("new", "n", "new", takes="value"),
    option("new-string", "N", "new-string", takes="value"),
    option("patch", "p", "patch", takes="value"),
    option("cib", "c", "cib"),
    option("stdin", "s", "stdin"),
    option("no-version", "u", "no-version"),
    option("form", "output-as", takes="value"),
    option("to", "output-to", takes="value"),
    option("verbose", "V", "verbose"),
    option("version", "$", "version"),
    option("help", "h", "?", "help", "help-all"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_diff", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else "Pacemaker 2.1.5\n")
        return 0
    is_xml = options.value("form", "text") == "xml"
    problems: list[str] = []
    changed: Element | None = None
    try:
        code, changed = _work_on(options, is_xml)
    except Refused as refused:
        code, problems = refused.exit_code, [report.sentence() for report in refused.reports]
    text = "" if changed is None else _text(changed, is_xml=is_xml)
    if is_xml:
        request = " ".join(["crm_diff", *argv])
        say(_xml(request, code, "updated" if "patch" in options else "patchset", text, problems))
    else:
        say(text)
        sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return code


def _work_on(options: Options, is_xml: bool) -> tuple[int, Element | None]:
    """The exit code, and what is to be shown. Raises Refused."""
    if "patch" in options and "no-version" in options:
        sys.stderr.write("warning: -u/--no-version ignored with -p/--patch\n")
    elif "cib" in options and "no-version" in options:
        start = "" if is_xml else "error: "
        raise _refused(f"{start}-u/--no-version incompatible with -c/--cib", EXIT_USAGE)
    first = _input(options, ("original", "original-string"), "first")
    second = _input(options, ("new", "new-string", "patch"), "second")
    for element, name, plain in ((first, "first", "original"), (second, "second", "patch" if "patch" in options else "new")):
        if element is None:
            what = f"Failed to parse {plain} XML" if is_xml else f"Could not parse the {name} XML fragment"
            raise _refused(what, EXIT_DATA)
    assert first is not None
    assert second is not None
    if "patch" in options:
        return 0, _applied(first, second, is_cib="cib" in options)
    patchset = _difference(first, second, is_cib="cib" in options, no_version="no-version" in options)
    return (0 if patchset is None else EXIT_DIFFERENT), patchset


def _refused(what: str, exit_code: int) -> Refused:
    return Refused(error("diff.input", what), exit_code=exit_code)


def _input(options: Options, keys: tuple[str, ...], name: str) -> Element | None:
    chosen = options.last(keys)
    if chosen.endswith("string"):
        return parsed(options.value(chosen).encode())
    if "stdin" in options:
        sys.stderr.write(f"Input {name} XML fragment:")
        return parsed(stdin_bytes())
    try:
        return parsed(file_bytes(options.value(chosen))) if chosen else None
    except OSError:
        return None


def _difference(first: Element, second: Element, *, is_cib: bool, no_version: bool) -> Element | None:
    from standfast.cib.diff import element_patchset

    if no_version:
        for counter in COUNTERS:
            value = first.get(counter)
            if value is not None:
                second.set(counter, value)
    patchset = element_patchset(first, second, with_digest=is_cib)
    if patchset is not None and no_version:
        version = patchset.find("version")
        if version is not None:
            patchset.remove(version)
    return patchset


def _applied(first: Element, patch: Element, *, is_cib: bool) -> Element:
    from standfast.cib.diff import patch_element

    try:
        patch_element(first, patch, check=is_cib)
    except Refused as refused:
        raise _refused(f"Could not apply patch: {refused.reports[0].sentence()}", refused.exit_code) from None
    return first


def _text(element: Element, *, is_xml: bool) -> str:
    """The document. Each form has the original's way with apostrophes."""
    from lxml import etree

    text = etree.tostring(element, encoding="unicode", pretty_print=True)
    return text if is_xml else text.replace("'", "&apos;")


def _xml(request: str, code: int, name: str, text: str, problems: list[str]) -> str:
    """As Pacemaker 3.x wraps it: the document as a text inside the answer. (2.1.5 has no such form.)"""
    from standfast.compat.exit_codes import exit_text
    from standfast.compat.status_xml import API_VERSION, Tree, status_end

    tree = Tree()
    tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    if text:
        safe = text.replace("]]>", "]]]]><![CDATA[>")
        tree.lines.append(f"  <{name}><![CDATA[{safe}]]></{name}>")
    status_end(tree, code, exit_text(code), [f"crm_diff: {problem}" for problem in problems])
    tree.close()
    return "\n".join(tree.lines) + "\n"
