"""crm_rule: is a rule of a constraint in effect now, or on a date? The answer is scheduler/rule_check.py's."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from standfast.base.report import Refused, error
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say
from standfast.tools.xml_input import live_bytes, parsed, stdin_bytes

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from standfast.scheduler.rule_check import Answer

EXIT_USAGE, EXIT_DATA = 64, 65
HELP = """\
usage: crm_rule --check --rule=ID [--rule=ID]... [OPTIONS]

  -c, --check          is the rule in effect?     -r, --rule=ID    which (may be repeated)
  -d, --date=DATE      on that date, not now      -X, --xml-text=XML   in this CIB (- reads standard input), not the cluster's
      --output-as=text|xml                        -$, --version    -?, --help

Exit codes: 0 in effect, 110 expired, 111 not in effect yet, 112 cannot be told, 105 no such rule, 3 a rule of another kind.
"""
_OPTIONS = (
    option("check", "c", "check"),
    option("rule", "r", "rule", takes="value"),
    option("date", "d", "date", takes="value"),
    option("text", "X", "xml-text", takes="value"),
    option("form", "output-as", takes="value"),
    option("to", "output-to", takes="value"),
    option("fancy", "text-fancy"),
    option("verbose", "V", "verbose"),
    option("version", "$", "version"),
    option("help", "h", "?", "help", "help-all"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("crm_rule", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    if "help" in options or "version" in options:
        say(HELP if "help" in options else "Pacemaker 2.1.5\n")
        return 0
    answers: list[tuple[str, Answer]] = []
    problems: list[str] = []
    try:
        code = _check(options, answers)
    except Refused as refused:
        code, problems = refused.exit_code, [f"crm_rule: {report.what}" for report in refused.reports]
    if options.value("form", "text") == "xml":
        say(_xml(" ".join(["crm_rule", *argv]), code, answers, problems))
        return code
    for rule, answer in answers:
        words = _words(rule, answer)
        if answer.why:
            problems.append(words)
        else:
            say(f"{words}\n")
    sys.stdout.flush()
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return code


def _check(options: Options, answers: list[tuple[str, Answer]]) -> int:
    if "check" not in options:
        raise _refused("No mode operation given", EXIT_USAGE)
    rules = options.values("rule")
    if not rules:
        raise _refused("--check requires use of --rule=", EXIT_USAGE)
    from standfast.scheduler.dates import parse_date
    from standfast.scheduler.rule_check import Effect, check_rule

    now_s = parse_date(options.value("date")) if "date" in options else int(time.time())
    if now_s is None:
        raise _refused(f"Invalid date specified: '{options.value('date')}'", EXIT_DATA)
    root = _source(options)
    answers.extend((rule, check_rule(root, rule, now_s)) for rule in rules)
    # As the original: of several, the last one that is more than a date_spec that fits.
    return next((int(a.effect) for _, a in reversed(answers) if a.effect is not Effect.IN_EFFECT or not a.is_spec), 0)


def _source(options: Options) -> Element:
    if options.value("text") == "-":
        root, failure = parsed(stdin_bytes()), "Couldn't parse input from STDIN"
    elif "text" in options:
        root, failure = parsed(options.value("text").encode()), f"Couldn't parse input string: {options.value('text')}"
    else:
        root, failure = parsed(live_bytes("crm_rule")), "Couldn't parse the live CIB"
    if root is None:
        raise _refused(failure, EXIT_DATA)
    return root


def _words(rule: str, answer: Answer) -> str:
    """The original's sentence."""
    from standfast.scheduler.rule_check import Effect

    words = {
        Effect.IN_EFFECT: f"Rule {rule} {'satisfies conditions' if answer.is_spec else 'is still in effect'}",
        Effect.EXPIRED: f"Rule {rule} is expired",
        Effect.NOT_YET: f"Rule {rule} has not yet taken effect",
    }
    return words.get(answer.effect, f"Could not determine whether rule {rule} is in effect: {answer.why}")


def _xml(request: str, code: int, answers: list[tuple[str, Answer]], problems: list[str]) -> str:
    from standfast.compat.exit_codes import exit_text
    from standfast.compat.status_xml import API_VERSION, Tree, status_end

    tree = Tree()
    tree.open("pacemaker-result", api_version__=API_VERSION, request=request)
    for rule, answer in answers:
        tree.leaf("rule-check", rule_id__=rule, rc=str(int(answer.effect)))
        if answer.why:
            problems.append(_words(rule, answer))
    status_end(tree, code, exit_text(code), problems)
    tree.close()
    return "\n".join(tree.lines) + "\n"


def _refused(what: str, exit_code: int) -> Refused:
    return Refused(error("rule.check", what), exit_code=exit_code)
