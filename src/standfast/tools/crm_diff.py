"""crm_diff: what changed between two XML documents, as a patch of Pacemaker's format 2, and the patch applied.

Exit codes are the original's: 0 no difference or patched, 1 there is a difference, 65 for what is no XML.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Refused
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
  -u, --no-version     leave versions out          -$, --version     -?, --help

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
    if "patch" in options and "no-version" in options:
        sys.stderr.write("warning: -u/--no-version ignored with -p/--patch\n")
    elif "cib" in options and "no-version" in options:
        sys.stderr.write("error: -u/--no-version incompatible with -c/--cib\n")
        return EXIT_USAGE
    first = _input(options, ("original", "original-string"), "first")
    second = _input(options, ("new", "new-string", "patch"), "second")
    for element, name in ((first, "first"), (second, "second")):
        if element is None:
            sys.stderr.write(f"Could not parse the {name} XML fragment\n")
            return EXIT_DATA
    assert first is not None
    assert second is not None
    if "patch" in options:
        return _apply(first, second, is_cib="cib" in options)
    return _differ(first, second, is_cib="cib" in options, no_version="no-version" in options)


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


def _differ(first: Element, second: Element, *, is_cib: bool, no_version: bool) -> int:
    from standfast.cib.diff import element_patchset

    if no_version:
        for counter in COUNTERS:
            value = first.get(counter)
            if value is not None:
                second.set(counter, value)
    patchset = element_patchset(first, second, with_digest=is_cib)
    if patchset is None:
        return 0
    if no_version:
        version = patchset.find("version")
        if version is not None:
            patchset.remove(version)
    _print(patchset)
    return EXIT_DIFFERENT


def _apply(first: Element, patch: Element, *, is_cib: bool) -> int:
    from standfast.cib.diff import patch_element

    try:
        patch_element(first, patch, check=is_cib)
    except Refused as refused:
        sys.stderr.write(f"Could not apply patch: {refused.reports[0].sentence()}\n")
        return refused.exit_code
    _print(first)
    return 0


def _print(element: Element) -> None:
    from lxml import etree

    text = etree.tostring(element, encoding="unicode", pretty_print=True)
    say(text.replace("'", "&apos;"))
